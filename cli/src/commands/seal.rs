//! `waxseal seal`: a stream or file into a sealed one, its envelope in front.

use clap::Args;

use crate::args::AwsArgs;
use crate::args::KeyArgs;
use crate::args::OutputArgs;
use crate::args::SegmentArgs;
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
use crate::signing::SignArgs;

/// Seal a file or standard input
///
/// A file that is there already is replaced in one step once the new one is whole,
/// and survives every failure. A file can be sealed onto itself.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct SealArgs {
    /// What to seal; `-` is standard input.
    #[arg(value_name = "INPUT", default_value = "-", hide_default_value = true, value_parser = place())]
    input: Place,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    segment: SegmentArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) async fn run(args: SealArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let context = args.key.context()?;
    let mut output = Output::open(&args.output, Content::Sealed).await?;
    let input = Input::open(&args.input, verbosity).await?;
    let aws = Aws::new(args.aws);
    let keys = Keys::new(&args.key, &aws).await?;
    let cipher = args.segment.apply(args.key.cipher(keys.clone()));
    let cipher = args.sign.apply(cipher, &aws).await?;

    let what = format!("cannot seal {}", input.name());
    let progress = Progress::new(verbosity, "sealed", input.len());
    let transfer = cipher.seal_file(input.into_file(), output.sink()?, &context);
    output.transfer(transfer, &progress, &what, &keys).await?;
    let to = output.name().to_owned();
    output.commit().await?;
    progress.finish(progress.read(), &to);
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  With the key file in your config folder, made the first time:
    waxseal seal report.pdf -o report.pdf.sealed

  A backup under a KMS key that only the backup role may use:
    tar c /srv | waxseal seal --key aws-kms:alias/backup \\
        --context host=web1 --segment-size 1MiB -o srv.tar.sealed

  Under a KMS key, and a recovery key whose private half is kept offline:
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out safe.pem
    openssl pkey -in safe.pem -pubout -out recovery.pub
    waxseal seal --key aws-kms:alias/backup --key rsa:recovery.pub \\
        dump.sql -o dump.sql.sealed

  Bound to a name, so that no other sealed file passes for it:
    waxseal seal --binding label:payroll/2026-01 payroll.csv -o payroll.sealed

  Signed, so that readers can tell it from what others sealed under that key:
    waxseal seal --key aws-kms:alias/backup --sign aws-kms:alias/writers \\
        srv.tar -o srv.tar.sealed";
