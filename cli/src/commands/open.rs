//! `waxseal open`: a sealed stream or file back into what it was.

use clap::Args;

use crate::args::AwsArgs;
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

/// Open what `seal` sealed
///
/// A file appears once every byte is verified; one that is there already survives
/// every failure. A new file is readable by you only. On standard output each byte
/// is verified before it is written, and the exit code says whether it was all:
/// discard the output of a command that failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct OpenArgs {
    /// What to open; `-` is standard input.
    #[arg(value_name = "INPUT", default_value = "-", hide_default_value = true, value_parser = place())]
    input: Place,
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

pub(crate) async fn run(args: OpenArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let context = args.key.context()?;
    let mut output = Output::open(&args.output, Content::Opened).await?;
    let input = Input::open(&args.input, verbosity).await?;
    let aws = Aws::new(args.aws);
    let keys = Keys::new(&args.key, &aws).await?;
    let cipher = args.read.apply(args.key.cipher(keys.clone()));
    let cipher = args.signed_by.apply(cipher, &aws).await?;

    let what = format!("cannot open {}", input.name());
    let progress = Progress::new(verbosity, "opened", input.len());
    let transfer = cipher.open_file(input.into_file(), output.sink()?, &context);
    output.transfer(transfer, &progress, &what, &keys).await?;
    let (bytes, to) = (output.written(), output.name().to_owned());
    output.commit().await?;
    progress.finish(bytes, &to);
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  waxseal open report.pdf.sealed -o report.pdf

  Only if it was sealed for this host:
    waxseal open --key aws-kms:alias/backup --context host=web1 \\
        srv.tar.sealed | tar x

  Without KMS, with the recovery key it was sealed under as well:
    waxseal open --key rsa:safe.pem dump.sql.sealed -o dump.sql

  Only if the holder of this key sealed it:
    waxseal open --key aws-kms:alias/backup --signed-by aws-kms:ARN \\
        srv.tar.sealed -o srv.tar

  Which key does it want, and who says to have signed it?
    waxseal inspect report.pdf.sealed";
