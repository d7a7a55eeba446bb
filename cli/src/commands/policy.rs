//! `waxseal policy`: prints policies and settings of AWS for given names.

pub(crate) mod bucket;
mod document;
mod iam;
mod key;
pub(crate) mod names;

use clap::Args;
use clap::Subcommand;

use crate::args::Verbosity;
use crate::exit::Failure;
use crate::report;

/// Print policies and settings of AWS for given names
///
/// One JSON document on standard output, for the AWS CLI to apply. Nothing is asked
/// of AWS, and nothing changed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Bucket(bucket::BucketArgs),
    BucketEncryption(bucket::EncryptionArgs),
    Lifecycle(bucket::LifecycleArgs),
    Key(key::KeyPolicyArgs),
    IamWriter(iam::WriterArgs),
    IamReader(iam::ReaderArgs),
    IamRewrapper(iam::RewrapperArgs),
}

pub(crate) fn run(args: PolicyArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let text = match args.kind {
        Kind::Bucket(args) => report::to_json(&args.document()),
        Kind::BucketEncryption(args) => report::to_json(&args.document()),
        Kind::Lifecycle(args) => report::to_json(&args.document()),
        Kind::Key(args) => {
            let text = report::to_json(&args.document()?);
            if let Some(warning) = args.warning() {
                verbosity.note(format_args!("warning: {warning}"));
            }
            text
        }
        Kind::IamWriter(args) => report::to_json(&args.document()?),
        Kind::IamReader(args) => report::to_json(&args.document()?),
        Kind::IamRewrapper(args) => report::to_json(&args.document()?),
    };
    report::print(&text)
}

const EXAMPLES: &str = "\
Examples:
  key=$(aws kms describe-key --key-id alias/example-s3 \\
      --query KeyMetadata.Arn --output text)
  waxseal policy bucket --bucket example-logs --sse-kms-key-id $key > p.json
  aws s3api put-bucket-policy --bucket example-logs --policy file://p.json

`waxseal policy KIND --help` has more for each kind.";
