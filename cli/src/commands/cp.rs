//! `waxseal cp`: seals into S3, opens from S3, copies within S3.

use std::str::FromStr;

use aws_sdk_s3::types::ServerSideEncryption;
use clap::Args;
use clap::ValueEnum;
use waxseal::Format;
use waxseal::Placement;
use waxseal::PutOptions;
use waxseal::S3EncryptionClient;

use crate::args::AwsArgs;
use crate::args::KeyArgs;
use crate::args::OutputArgs;
use crate::args::ReadArgs;
use crate::args::SegmentArgs;
use crate::args::SyncArgs;
use crate::args::Verbosity;
use crate::args::place;
use crate::aws::Aws;
use crate::commands::cat;
use crate::exit::Code;
use crate::exit::Failure;
use crate::input::Input;
use crate::keys::Keys;
use crate::output::Content;
use crate::output::Output;
use crate::place::Place;
use crate::place::S3Name;
use crate::progress::Progress;
use crate::signing::SignArgs;
use crate::signing::SignedByArgs;

/// Copy to, from or within S3, sealing and opening on the way
///
/// To S3 it seals, from S3 it opens; from s3:// to s3:// S3 copies the sealed
/// object, without any key. An upload that fails or is interrupted is aborted and
/// leaves the object that was there.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CpArgs {
    /// s3://BUCKET/KEY, a file, or `-` for standard input.
    #[arg(value_name = "FROM", value_parser = place())]
    from: Place,
    /// s3://BUCKET/KEY, a file, or `-` for standard output.
    ///
    /// A folder, or an S3 key that ends with a slash, gets the name of the source.
    #[arg(value_name = "TO", value_parser = place())]
    to: Place,
    /// Write to standard output even if it is a terminal.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    upload: UploadArgs,
    #[command(flatten)]
    download: DownloadArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Options to S3")]
struct UploadArgs {
    /// The layout of the object.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "floe")]
    format: FormatArg,
    /// Where the envelope goes: the object's metadata, or in front of its body.
    #[arg(long, value_enum, value_name = "WHERE", default_value = "metadata")]
    placement: PlacementArg,
    #[command(flatten)]
    segment: SegmentArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// Content type of the plaintext.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// An entry of user metadata, neither encrypted nor authenticated; repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    metadata: Vec<Metadata>,
    /// Have S3 encrypt the sealed bytes once more, on its side.
    #[arg(long, value_name = "HOW", value_parser = ["AES256", "aws:kms", "aws:kms:dsse"])]
    sse: Option<String>,
    /// KMS key for --sse aws:kms. It does not open the object; --key does.
    #[arg(long, value_name = "ID", requires = "sse")]
    sse_kms_key_id: Option<String>,
    /// Store only if no object has this key yet.
    #[arg(long)]
    if_none_match: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Options from S3")]
struct DownloadArgs {
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    signed_by: SignedByArgs,
    /// Version of the object; the current one without it.
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    #[command(flatten)]
    sync: SyncArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Segments: streams and ranges of any size.
    Floe,
    /// One AES-256-GCM call and the key in x-amz-key: up to 64 MiB, no ranges.
    OneShot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlacementArg {
    /// In the object's user metadata.
    Metadata,
    /// In front of the body, for tools that lose metadata.
    Inline,
}

#[derive(Clone, Debug)]
struct Metadata {
    name: String,
    value: String,
}

impl FromStr for Metadata {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("want NAME=VALUE")?;
        if name.is_empty() {
            return Err("want NAME=VALUE");
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

pub(crate) async fn run(args: CpArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let to = args.to.clone().or_inside(args.from.file_name()).map_err(Failure::usage)?;
    match (args.from.clone(), to) {
        (Place::S3(from), Place::S3(to)) => within(args, &from, &to, verbosity).await,
        (Place::S3(from), to) => download(args, &from, to, verbosity).await,
        (_, Place::S3(to)) => upload(args, &to, verbosity).await,
        _ => Err(Failure::usage("neither side is s3://BUCKET/KEY")
            .remedy("use `waxseal seal` or `waxseal open` for files")),
    }
}

async fn upload(args: CpArgs, to: &S3Name, verbosity: Verbosity) -> Result<(), Failure> {
    args.download.refuse("from S3")?;
    let context = args.key.context()?;
    let input = Input::open(&args.from, verbosity).await?;
    let aws = Aws::new(args.aws);
    let keys = Keys::new(&args.key, &aws).await?;
    let cipher = args.upload.segment.apply(args.key.cipher(keys.clone()));
    let cipher = args.upload.sign.apply(cipher, &aws).await?;
    let s3 = S3EncryptionClient::new(aws.s3().await?, cipher.format(args.upload.format.into()))
        .placement(args.upload.placement.into());

    let what = format!("cannot copy {} to {to}", input.name());
    let progress = Progress::new(verbosity, "sealed", input.len());
    let body = progress.watch(input.into_body());
    let must_be_new = args.upload.if_none_match;
    let put = s3.put_object(&to.bucket, &to.key, body, &context).options(args.upload.options());
    put.send().await.map_err(|error| {
        let exists = must_be_new && error.kind() == waxseal::ErrorKind::Changed;
        let failure = keys.failure(&what, error);
        if exists { failure.known("object-exists") } else { failure }
    })?;
    progress.finish(progress.read(), &to.to_string());
    Ok(())
}

async fn download(
    args: CpArgs,
    from: &S3Name,
    to: Place,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    args.upload.refuse("to S3")?;
    let context = args.key.context()?;
    let is_stdout = to == Place::Stdio;
    let output = OutputArgs { output: to, force: args.force, sync: args.download.sync.clone() };
    let output = Output::open(&output, Content::Opened).await;
    let mut output = output.map_err(|failure| match failure.code() {
        // There is no -o here.
        Code::Usage if is_stdout => {
            failure.remedy("name a file instead of -, pipe it on, or give --force")
        }
        _ => failure,
    })?;
    let aws = Aws::new(args.aws);
    let keys = Keys::new(&args.key, &aws).await?;
    let cipher = args.download.read.apply(args.key.cipher(keys.clone()));
    let cipher = args.download.signed_by.apply(cipher, &aws).await?;
    let s3 = S3EncryptionClient::new(aws.s3().await?, cipher);

    let what = format!("cannot copy {from}");
    let options = cat::version(args.download.version_id);
    let get = s3.get_object(&from.bucket, &from.key, &context).options(options);
    let body = get.send().await.map_err(|e| keys.failure(&what, e))?.into_stream();
    let progress = Progress::new(verbosity, "opened", body.len_hint());
    output.fill(progress.watch(body), &what, &keys).await?;
    let (bytes, to) = (output.written(), output.name().to_owned());
    output.commit().await?;
    progress.finish(bytes, &to);
    Ok(())
}

async fn within(
    args: CpArgs,
    from: &S3Name,
    to: &S3Name,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    args.upload.refuse("to S3 from elsewhere")?;
    args.download.refuse("from S3 to elsewhere")?;
    if args.key.has_context() || args.key.has_binding() {
        return Err(Failure::usage("S3 copies the sealed object as it is, with its own context")
            .remedy("leave out --context and --binding"));
    }
    let keys = Keys::nothing();
    let aws = Aws::new(args.aws);
    let s3 = S3EncryptionClient::new(aws.s3().await?, args.key.cipher(keys.clone()));
    s3.copy_object((&from.bucket, &from.key), (&to.bucket, &to.key))
        .await
        .map_err(|e| keys.failure(format!("cannot copy {from} to {to}"), e))?;
    if verbosity.verbose {
        verbosity.note(format_args!("S3 copied {from} to {to}"));
    }
    Ok(())
}

impl UploadArgs {
    fn options(self) -> PutOptions {
        let mut options = PutOptions::new();
        for entry in self.metadata {
            options = options.metadata(entry.name, entry.value);
        }
        if let Some(content_type) = self.content_type {
            options = options.content_type(content_type);
        }
        if let Some(sse) = self.sse {
            options = options.server_side_encryption(ServerSideEncryption::from(sse.as_str()));
        }
        if let Some(key_id) = self.sse_kms_key_id {
            options = options.ssekms_key_id(key_id);
        }
        if self.if_none_match { options.if_none_match() } else { options }
    }

    /// Refuses what would be ignored.
    fn refuse(&self, when: &str) -> Result<(), Failure> {
        let given = [
            ("--format", self.format != FormatArg::Floe),
            ("--placement", self.placement != PlacementArg::Metadata),
            ("--segment-size", !self.segment.is_default()),
            ("--sign", self.sign.is_given()),
            ("--content-type", self.content_type.is_some()),
            ("--metadata", !self.metadata.is_empty()),
            ("--sse", self.sse.is_some()),
            ("--if-none-match", self.if_none_match),
        ];
        refuse(&given, when)
    }
}

impl DownloadArgs {
    fn refuse(&self, when: &str) -> Result<(), Failure> {
        let given = [
            ("--exact-context", self.read.exact_context()),
            ("--signed-by", self.signed_by.is_given()),
            ("--version-id", self.version_id.is_some()),
            ("--sync", self.sync.sync),
        ];
        refuse(&given, when)
    }
}

fn refuse(given: &[(&str, bool)], when: &str) -> Result<(), Failure> {
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            Err(Failure::usage(format!("{name} is for copies {when}")).remedy("leave it out"))
        }
        None => Ok(()),
    }
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Floe => Self::Floe,
            FormatArg::OneShot => Self::OneShot,
        }
    }
}

impl From<PlacementArg> for Placement {
    fn from(placement: PlacementArg) -> Self {
        match placement {
            PlacementArg::Metadata => Self::Metadata,
            PlacementArg::Inline => Self::Inline,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  A database dump straight into S3, in a few parts of memory:
    pg_dump shop | waxseal cp --key aws-kms:alias/backup \\
        --context db=shop - s3://backups/shop.sql

  Back again, to a file that appears when it is whole:
    waxseal cp --key aws-kms:alias/backup s3://backups/shop.sql shop.sql

  Within S3, without a key:
    waxseal cp s3://backups/shop.sql s3://archive/

  Encrypted by S3 too, as some bucket policies demand:
    waxseal cp --sse aws:kms --sse-kms-key-id alias/s3 a.pdf s3://reports/";
