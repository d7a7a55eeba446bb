//! `waxseal cat`: a range, or all, of a sealed file or S3 object.

use std::sync::Arc;

use clap::Args;
use waxseal::GetOptions;
use waxseal::Object;
use waxseal::S3EncryptionClient;

use crate::args::AwsArgs;
use crate::args::ByteRange;
use crate::args::KeyArgs;
use crate::args::OutputArgs;
use crate::args::ReadArgs;
use crate::args::Verbosity;
use crate::args::place;
use crate::aws::Aws;
use crate::exit::Failure;
use crate::input::Input;
use crate::keys::Keys;
use crate::output::Content;
use crate::output::Output;
use crate::place::Place;
use crate::progress::Progress;
use crate::signing::SignedByArgs;

/// Print a sealed file or S3 object, or a range of it
///
/// Reads and verifies only the segments that hold the range, after the end of the
/// object, which proves its length.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CatArgs {
    /// A sealed file, or s3://BUCKET/KEY.
    #[arg(value_name = "SOURCE", value_parser = place())]
    source: Place,
    /// Plaintext bytes, half open: A..B, A.., ..B, or -N.. for the last N.
    ///
    /// Numbers may have a unit: -4KiB.. and 1MiB..2MiB. A range that ends past the
    /// end is refused; -N.. of less than N bytes is all of them.
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    range: Option<ByteRange>,
    /// Version of the S3 object; the current one without it.
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    signed_by: SignedByArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) async fn run(args: CatArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let context = args.key.context()?;
    if args.version_id.is_some() && !matches!(args.source, Place::S3(_)) {
        return Err(Failure::usage("--version-id is for S3 objects"));
    }
    let mut output = Output::open(&args.output, Content::Opened).await?;
    let aws = Aws::new(args.aws);
    let what = format!("cannot read {}", args.source);
    let (keys, opened) = match &args.source {
        Place::S3(name) => {
            let keys = Keys::new(&args.key, &aws).await?;
            let cipher = args.read.apply(args.key.cipher(keys.clone()));
            let cipher = args.signed_by.apply(cipher, &aws).await?;
            let s3 = S3EncryptionClient::new(aws.s3().await?, cipher);
            let options = version(args.version_id);
            let get = s3.get_object(&name.bucket, &name.key, &context).options(options);
            (keys, get.send().await.map(|object| object.object().clone()))
        }
        Place::Path(_) => {
            let input = Input::open(&args.source, verbosity).await?;
            if !input.is_regular() {
                return Err(Failure::usage(format!("{} cannot be read at random", args.source))
                    .remedy("use `waxseal open` for pipes"));
            }
            let file = input.into_file();
            let keys = Keys::new(&args.key, &aws).await?;
            let cipher = args.read.apply(args.key.cipher(keys.clone()));
            let cipher = args.signed_by.apply(cipher, &aws).await?;
            (keys, cipher.open_at(Arc::new(file), &context).await)
        }
        Place::Stdio => {
            return Err(Failure::usage("standard input cannot be read at random")
                .remedy("use `waxseal open` for pipes"));
        }
    };
    let object: Object = opened.map_err(|e| keys.failure(&what, e))?;
    let body = match args.range {
        Some(range) => {
            let range = range.within(object.len());
            object.range_stream(range).map_err(|e| keys.failure(&what, e))?
        }
        None => object.into_stream(),
    };
    let progress = Progress::new(verbosity, "opened", body.len_hint());
    output.fill(progress.watch(body), &what, &keys).await?;
    let (bytes, to) = (output.written(), output.name().to_owned());
    output.commit().await?;
    progress.finish(bytes, &to);
    Ok(())
}

/// Which version to read.
pub(crate) fn version(id: Option<String>) -> GetOptions {
    id.into_iter().fold(GetOptions::new(), GetOptions::version_id)
}

const EXAMPLES: &str = "\
Examples:
  The last 8 bytes of a Parquet file, fetching two segments of it:
    waxseal cat --key aws-kms:alias/lake --range -8.. s3://lake/part-0.parquet

  A megabyte in the middle of a sealed archive:
    waxseal cat --range 1GiB..1025MiB srv.tar.sealed -o middle

  All of it:
    waxseal cat --key aws-kms:alias/logs s3://logs/2026/01/01.gz | zcat | less";
