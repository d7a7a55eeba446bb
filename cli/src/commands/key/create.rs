//! `waxseal key create`

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::types::KeyMetadata;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_kms::types::Tag;
use backon::ExponentialBuilder;
use backon::Retryable as _;
use clap::Args;
use clap::ValueEnum;
use serde::Serialize;

use crate::args::Verbosity;
use crate::aws::Aws;
use crate::exit::Code;
use crate::exit::Failure;

use super::Report;
use super::ReportArgs;
use super::arn;
use super::failure::failed;
use super::failure::is_not_found;
use super::failure::is_unanswered;
use super::failure::unreadable;
use super::line;
use super::name::AliasName;
use super::name::TagPair;
use super::once;

/// Make a key
///
/// An alias that is in use already is refused before a key is made. If something
/// fails after it was made, the message says its ARN and how to finish.
///
/// A new key costs money each month until it is deleted.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct CreateArgs {
    /// A name for it, which can be moved to another key later.
    #[arg(long, value_name = "alias/NAME")]
    alias: Option<AliasName>,
    /// What it is for: the default seals, as --key aws-kms:ID.
    #[arg(long, value_enum, value_name = "KIND", default_value = "symmetric")]
    spec: Kind,
    /// A multi-Region key, which `waxseal key replicate` copies to other Regions.
    ///
    /// This cannot be changed later.
    #[arg(long)]
    multi_region: bool,
    /// Replace its secret regularly; what older ones sealed still opens.
    #[arg(long)]
    enable_rotation: bool,
    /// Days between rotations, 90 to 2560; a year without it.
    #[arg(
        long, value_name = "N", requires = "enable_rotation",
        value_parser = clap::value_parser!(i32).range(90..=2560)
    )]
    rotation_days: Option<i32>,
    /// A tag; repeat it for more. Tags are not secret, and can decide about access.
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<TagPair>,
    /// What people read of it. Not secret.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// A key policy, as JSON. Without it IAM decides who may use the key.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    output: ReportArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Seals and opens: --key aws-kms:ID.
    Symmetric,
    /// RSA: --key aws-kms-rsa:ID; its public half seals without AWS.
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
    /// Signs what is sealed: --sign aws-kms:ID.
    EccSign,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Created {
    key_id: String,
    arn: String,
    alias: Option<String>,
    spec: String,
    multi_region: bool,
    rotation_days: Option<i32>,
}

pub(super) async fn run(args: CreateArgs, verbosity: Verbosity) -> Result<(), Failure> {
    if args.enable_rotation && args.spec != Kind::Symmetric {
        return Err(Failure::usage("KMS rotates symmetric keys only")
            .remedy("leave out --enable-rotation, or --spec"));
    }
    let tags = tags(&args.tag)?;
    let policy = args.policy.as_deref().map(policy).transpose()?;
    let aws = Aws::new(args.output.aws.clone());
    let kms = aws.kms_here().await?;
    if let Some(alias) = &args.alias {
        need_free(&kms, alias).await?;
    }

    let made = create(&kms, &args, tags, policy).await?;
    let arn = arn(&made, CANNOT, "CreateKey").map_err(|failure| failure.and(PERHAPS))?;
    // Said at once, so that an interruption leaves no key that nobody knows of.
    verbosity.note(format_args!("made the key {arn}"));
    finish(&kms, &args, &arn).await?;
    let rotation_days = args.enable_rotation.then_some(args.rotation_days.unwrap_or(YEAR));
    let created = Created {
        key_id: made.key_id().to_owned(),
        arn,
        alias: args.alias.map(|alias| alias.to_string()),
        spec: made.key_spec().map_or("", KeySpec::as_str).to_owned(),
        multi_region: args.multi_region,
        rotation_days,
    };
    created.print(args.output.json)
}

/// # Errors
///
/// `Code::Key` if a key has this alias, or KMS does not tell.
async fn need_free(kms: &Client, alias: &AliasName) -> Result<(), Failure> {
    match kms.describe_key().key_id(alias.as_str()).send().await {
        Ok(found) => {
            let arn = found.key_metadata().and_then(KeyMetadata::arn).unwrap_or("another key");
            Err(Failure::new(
                Code::Key,
                format!("{alias} is the name of {arn} already; no key was made"),
            )
            .known("alias-in-use")
            .remedy(format!(
                "choose another --alias; or make the key without it, and then move this one: \
                     `waxseal key alias --move {alias} KEY`"
            )))
        }
        Err(error) if is_not_found(&error) => Ok(()),
        Err(error) => {
            let what = format!("cannot tell whether {alias} is free; no key was made");
            Err(failed(what, "DescribeKey", error))
        }
    }
}

async fn create(
    kms: &Client,
    args: &CreateArgs,
    tags: Vec<Tag>,
    policy: Option<String>,
) -> Result<KeyMetadata, Failure> {
    let (spec, usage) = args.spec.into_kms();
    let request = kms
        .create_key()
        .description(&args.description)
        .key_spec(spec)
        .key_usage(usage)
        .multi_region(args.multi_region)
        .set_policy(policy)
        .set_tags((!tags.is_empty()).then_some(tags));
    let made = request.customize().config_override(once()).send().await.map_err(|error| {
        let is_unanswered = is_unanswered(&error);
        let failure = failed(CANNOT, "CreateKey", error);
        if is_unanswered { failure.and(PERHAPS) } else { failure }
    })?;
    made.key_metadata.ok_or_else(|| unreadable(CANNOT, "CreateKey").and(PERHAPS))
}

/// What a key gets after it was made. The alias last: with it, it is in use.
async fn finish(kms: &Client, args: &CreateArgs, arn: &str) -> Result<(), Failure> {
    let days = args.rotation_days;
    let rotate = match days {
        Some(days) => format!("`waxseal key enable-rotation --days {days} {arn}`"),
        None => format!("`waxseal key enable-rotation {arn}`"),
    };
    let name = args.alias.as_ref().map(|alias| format!("`waxseal key alias {alias} {arn}`"));
    let unfinished = |failure: Failure, left: &[&str]| {
        let left = left.join(" and ");
        failure.and(&format!(
            "then finish with {left}, or give the key up with \
             `waxseal key schedule-deletion --unchecked {arn}`"
        ))
    };
    if args.enable_rotation {
        let enable =
            || kms.enable_key_rotation().key_id(arn).set_rotation_period_in_days(days).send();
        enable.retry(until_known()).when(is_not_found).await.map_err(|error| {
            let what = format!("made {arn}, but cannot enable its rotation");
            let left: Vec<_> =
                [Some(rotate.as_str()), name.as_deref()].into_iter().flatten().collect();
            unfinished(failed(what, "EnableKeyRotation", error), &left)
        })?;
    }
    if let (Some(alias), Some(name)) = (&args.alias, &name) {
        let create = || kms.create_alias().alias_name(alias.as_str()).target_key_id(arn).send();
        create.retry(until_known()).when(is_not_found).await.map_err(|error| {
            let what = format!("made {arn}, but cannot name it {alias}");
            unfinished(failed(what, "CreateAlias", error), &[name])
        })?;
    }
    Ok(())
}

/// Waits between calls with a new key, which KMS may not know everywhere yet: some six seconds.
fn until_known() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_max_times(6)
}

/// # Errors
///
/// `Code::Usage` if one is given twice.
pub(super) fn tags(given: &[TagPair]) -> Result<Vec<Tag>, Failure> {
    for (i, tag) in given.iter().enumerate() {
        if given[..i].iter().any(|before| before.name == tag.name) {
            return Err(Failure::usage(format!("--tag gives {:?} twice", tag.name))
                .remedy("give each tag once"));
        }
    }
    Ok(given.iter().map(Tag::from).collect())
}

/// Reads a key policy. KMS looks closer; what it can never take costs no key.
///
/// # Errors
///
/// `Code::Store` if it cannot be read, `Code::Usage` if it is no policy.
pub(super) fn policy(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::io(format!("cannot read {name}"), e).remedy("check the path and its permissions")
    })?;
    let is_object =
        serde_json::from_str(&text).is_ok_and(|policy: serde_json::Value| policy.is_object());
    if !is_object || text.len() > MAX_POLICY {
        return Err(Failure::usage(format!("{name} is no key policy"))
            .remedy("give a file with one JSON object of at most 32 KiB"));
    }
    Ok(text)
}

impl Kind {
    fn into_kms(self) -> (KeySpec, KeyUsageType) {
        match self {
            Self::Symmetric => (KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
            Self::Rsa2048 => (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt),
            Self::Rsa3072 => (KeySpec::Rsa3072, KeyUsageType::EncryptDecrypt),
            Self::Rsa4096 => (KeySpec::Rsa4096, KeyUsageType::EncryptDecrypt),
            Self::EccSign => (KeySpec::EccNistP384, KeyUsageType::SignVerify),
        }
    }
}

impl Report for Created {
    fn to_text(&self) -> String {
        let mut text = line("key", &self.arn);
        text += &line("alias", self.alias.as_deref().unwrap_or("(none)"));
        text += &line("spec", &self.spec);
        text += &line("multi-Region", if self.multi_region { "yes" } else { "no" });
        let rotation = self.rotation_days.map(|days| format!("every {days} days"));
        text + &line("rotation", rotation.as_deref().unwrap_or("off"))
    }
}

const CANNOT: &str = "cannot make a key";
const PERHAPS: &str = "if the request arrived, a key was made even so: look at `waxseal key list` \
     before you repeat it";
/// Days.
const YEAR: i32 = 365;
/// Bytes.
const MAX_POLICY: usize = 32_768;

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  key_id         the id
  arn            the ARN
  alias          as given; null without --alias
  spec           what KMS calls it, such as \"SYMMETRIC_DEFAULT\"
  multi_region   whether it can be replicated
  rotation_days  days between rotations; null if it is not rotated

Examples:
  waxseal key create --alias alias/orders --enable-rotation

  To be used in two Regions, rotated each quarter:
    waxseal key create --alias alias/orders --multi-region \\
        --enable-rotation --rotation-days 90 --tag team=shop

  To sign with, under a policy of your own:
    waxseal key create --alias alias/orders-sign --spec ecc-sign \\
        --policy policy.json";
