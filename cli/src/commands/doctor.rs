//! `waxseal doctor`: checks that a live bucket and its keys are set up right.

mod advice;
mod bucket;
mod connection;
mod finding;
mod fix;
mod keys;
mod round_trip;

use clap::Args;
use clap::ValueEnum;
use serde::Serialize;

use crate::args::AwsArgs;
use crate::aws::Aws;
use crate::aws::Watch;
use crate::commands::policy::names::BucketName;
use crate::commands::policy::names::Prefix;
use crate::commands::policy::names::SseKey;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::KeySpec;
use crate::passphrase::PassphraseArgs;
use crate::report;

use advice::Advice;
use finding::Finding;
use finding::Level;

/// Check that a live bucket and its keys are set up right
///
/// Each finding has a name, says why it matters, and has a remedy to paste. Nothing
/// is changed but what --fix names; a small object of its own, sealed, is stored,
/// opened and deleted again, to find out what the caller may do.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct DoctorArgs {
    /// The bucket to check.
    #[arg(long, value_name = "NAME")]
    bucket: Option<BucketName>,
    /// Keys of objects begin so: where the round trip puts its object.
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true,
        requires = "bucket"
    )]
    prefix: Prefix,
    /// A wrapping key to check, as for `waxseal cp`. Repeat it for more.
    ///
    /// Without one, a key made for the occasion seals the object of the round trip.
    #[arg(long, value_name = "KEY")]
    key: Vec<KeySpec>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// A pair of the encryption context for the round trip; repeat it for more.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// The KMS key that S3 is to encrypt with, by its ARN: checked, and set by --fix.
    #[arg(long, value_name = "ARN", requires = "bucket")]
    sse_kms_key_id: Option<SseKey>,
    /// Do not store, open and delete an object.
    #[arg(long)]
    no_write: bool,
    /// Put right what this check found, and nothing else. Repeat it for more.
    #[arg(long, value_enum, value_name = "NAME")]
    fix: Vec<Fix>,
    /// Print one JSON object; `--help` has its fields.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

/// Checks that can be put right from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fix {
    /// Adds a lifecycle rule to those there are.
    AbortIncompleteUploads,
    /// Sets default encryption with --sse-kms-key-id.
    BucketEncryption,
    /// Adds statements to those there are, for --sse-kms-key-id.
    BucketPolicy,
    /// Enables versioning.
    BucketVersioning,
    /// Enables yearly rotation of each --key in KMS.
    KeyRotation,
    /// Blocks public access.
    PublicAccess,
}

impl Fix {
    /// Whether it is made of --sse-kms-key-id.
    fn needs_key(self) -> bool {
        matches!(self, Self::BucketEncryption | Self::BucketPolicy)
    }

    /// The name of the check.
    fn name(self) -> &'static str {
        match self {
            Self::AbortIncompleteUploads => "abort-incomplete-uploads",
            Self::BucketEncryption => "bucket-encryption",
            Self::BucketPolicy => "bucket-policy",
            Self::BucketVersioning => "bucket-versioning",
            Self::KeyRotation => "key-rotation",
            Self::PublicAccess => "public-access",
        }
    }
}

/// The fields of `--json`, in this order. Fields may be added, none changes its meaning.
#[derive(Debug, Serialize)]
struct Report<'a> {
    bucket: Option<&'a str>,
    region: Option<String>,
    endpoints: Vec<String>,
    problems: usize,
    warnings: usize,
    findings: Vec<Finding>,
}

pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    args.check()?;
    let watch = Watch::default();
    let aws = Aws::new(args.aws.clone()).watched(watch.clone());
    let advice = Advice::new(&args);
    let mut findings = vec![];
    let credentials = connection::credentials(&aws).await?;
    let can_ask = credentials.level != Level::Problem;
    if can_ask {
        let bucket = bucket::check(&aws, &args, &advice, &mut findings).await?;
        keys::check(&aws, &args, &bucket, &advice, &mut findings).await?;
        if !args.no_write && !bucket.is_missing {
            findings.push(round_trip::check(&aws, &args, &advice).await?);
        }
    }
    let region = aws.region().await?;
    let endpoints = connection::endpoints(&watch);
    let connection = connection::check(region.as_deref(), &endpoints, &watch);
    findings.splice(0..0, std::iter::once(credentials).chain(connection));

    let of = |level| findings.iter().filter(|finding| finding.level == level).count();
    let report = Report {
        bucket: args.bucket.as_ref().map(BucketName::as_str),
        region,
        endpoints,
        problems: of(Level::Problem),
        warnings: of(Level::Warning),
        findings,
    };
    report::print(&if args.json { report::to_json(&report) } else { report.to_text() })?;
    report.outcome()
}

impl DoctorArgs {
    /// Refuses what can do nothing.
    fn check(&self) -> Result<(), Failure> {
        if self.bucket.is_none() && self.key.is_empty() {
            return Err(Failure::usage("neither a bucket nor a key is given")
                .remedy("give --bucket NAME, --key KEY or both"));
        }
        for fix in &self.fix {
            let name = fix.name();
            let missing = match fix {
                Fix::KeyRotation if !self.key.iter().any(keys::can_rotate) => {
                    Some("--key aws-kms:ID")
                }
                Fix::KeyRotation => None,
                _ if self.bucket.is_none() => Some("--bucket NAME"),
                fix if fix.needs_key() && self.sse_kms_key_id.is_none() => {
                    Some("--sse-kms-key-id ARN")
                }
                _ => None,
            };
            if let Some(missing) = missing {
                return Err(Failure::usage(format!("--fix {name} does not know what to set"))
                    .remedy(format!("give {missing} as well")));
            }
        }
        Ok(())
    }
}

impl Report<'_> {
    fn to_text(&self) -> String {
        let mut text: String = self.findings.iter().map(Finding::to_text).collect();
        let (problems, warnings) = (self.problems, self.warnings);
        text.push_str(&format!("\nProblems: {problems}. Warnings: {warnings}.\n"));
        text
    }

    /// # Errors
    ///
    /// `Code::Key` if all problems are of keys, else `Code::Store` if there are any.
    fn outcome(&self) -> Result<(), Failure> {
        let mut problems = self.findings.iter().filter(|f| f.level == Level::Problem).peekable();
        if problems.peek().is_none() {
            return Ok(());
        }
        let of_keys = |name: &str| match name {
            "round-trip" => self.bucket.is_none(),
            _ => name.starts_with("key-") || name == "credentials",
        };
        let names: Vec<_> = problems.map(|finding| finding.name).collect();
        let code = if names.iter().all(|name| of_keys(name)) { Code::Key } else { Code::Store };
        Err(Failure::new(code, format!("found {}", names.join(", ")))
            .remedy("follow the remedies in the report, then run this again"))
    }
}

const HELP: &str = "\
Checks, as --fix and --json name them:
  credentials               which ones are used, and until when
  endpoints                 Region, and where requests really go
  transport                 S3 is not asked over plain http://
  clock                     the clock here agrees with that of the servers
  bucket-access             the bucket is there, in this Region
  bucket-encryption         SSE-KMS by default, with a bucket key
  bucket-policy             refuses plain HTTP and other encryption
  bucket-versioning         enabled
  public-access             blocked
  abort-incomplete-uploads  a lifecycle rule removes abandoned uploads
  incomplete-uploads        uploads begun over 7 days ago
  key-alias                 which key an alias means
  key-state                 enabled
  key-usage                 of the kind that --key says
  key-region                that of the bucket
  key-rotation              enabled
  round-trip                seal, store, head, open and delete an object; left
                            out where a default Object Lock retention keeps it

Levels are ok, warning, problem and not-checked (the answer was refused, or the
server knows no such setting). The exit code is 4 if there are problems with
keys or credentials alone, 5 if there are others, 0 without problems.

--fix keeps lifecycle rules and policy statements that are there, but those of
the names it sets itself.

Fields of --json, always present; none will change its meaning:
  bucket     as given; null without one
  region     the Region that is configured; null if there is none
  endpoints  array of scheme and host that requests went to
  problems   number of findings of this level
  warnings   number of findings of this level
  findings   array of { name, subject, level, found, why, remedy, commands,
             fixed }; commands is an array of strings, the others are strings;
             subject, why, remedy and fixed (what was found before) may be null

Examples:
  waxseal doctor --bucket example-reports --key aws-kms:alias/reports
  waxseal doctor --bucket example-reports --fix bucket-versioning
  waxseal doctor --key aws-kms:alias/reports --json | jq .findings";
