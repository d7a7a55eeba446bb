//! The command line: what all subcommands share. Each subcommand's own arguments are beside it.

use std::ops::Range;
use std::str::FromStr;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::builder::OsStringValueParser;
use clap::builder::TypedValueParser;
use waxseal::Binding;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ReadPolicy;

use crate::commands::cat::CatArgs;
use crate::commands::completions::CompletionsArgs;
use crate::commands::cp::CpArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::explain::ExplainArgs;
use crate::commands::inspect::InspectArgs;
use crate::commands::key::KeyCommand;
use crate::commands::keygen::KeygenArgs;
use crate::commands::man::ManArgs;
use crate::commands::open::OpenArgs;
use crate::commands::policy::PolicyArgs;
use crate::commands::rewrap::RewrapArgs;
use crate::commands::rotate::RotateArgs;
use crate::commands::seal::SealArgs;
use crate::commands::secret::SecretArgs;
use crate::exit::Failure;
use crate::keys::KeySpec;
use crate::passphrase::PassphraseArgs;
use crate::place::Place;

/// Seal and open files and S3 objects.
///
/// Data is encrypted here, before it leaves: each file or object under a new key
/// of its own, which AWS KMS or a local key file wraps. Every byte that is opened
/// was verified first.
#[derive(Debug, Parser)]
#[command(
    name = "waxseal",
    version,
    max_term_width = 80,
    after_help = EXIT_CODES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Seal(SealArgs),
    Open(OpenArgs),
    Cp(CpArgs),
    Cat(CatArgs),
    Inspect(InspectArgs),
    Rewrap(RewrapArgs),
    Rotate(RotateArgs),
    Keygen(KeygenArgs),
    Key(KeyCommand),
    Secret(SecretArgs),
    Policy(PolicyArgs),
    Doctor(DoctorArgs),
    Explain(ExplainArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "General options")]
pub(crate) struct Verbosity {
    /// Print errors only, and where a new key file is.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print what was done, how many bytes and how fast.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Draw no progress bar. There is none either unless stderr is a terminal.
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Key options")]
pub(crate) struct KeyArgs {
    /// A wrapping key: `local`, `local:PATH`, `aws-kms:ID`, `rsa:PATH` or
    /// `aws-kms-rsa:ID`.
    ///
    /// `local` is the key file waxseal/keys in your config folder, made when it
    /// first seals. `local:PATH` is a key file of `waxseal keygen`. ID is a KMS
    /// key id, key ARN, alias name (alias/orders) or alias ARN. `rsa:PATH` is an
    /// RSA key in PEM: a public one seals, a private one also opens.
    /// `aws-kms-rsa:ID` is an RSA key in KMS.
    ///
    /// Repeat it for more, up to 16: all of them seal, and any one opens. The
    /// first one makes the data key.
    #[arg(long, value_name = "KEY", default_value = "local")]
    pub(crate) key: Vec<KeySpec>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) bound: BoundArgs,
}

/// What an object is bound to.
#[derive(Args, Debug)]
#[command(next_help_heading = "Key options")]
pub(crate) struct BoundArgs {
    /// A pair of the encryption context; repeat it for more.
    ///
    /// Public and authenticated; KMS policies and CloudTrail see it, so no secrets
    /// here. Opening, each pair given must be one it was sealed with, and pairs not
    /// given are not compared: give what you rely on, or --exact-context.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// Bind to `none`, `key`, `bucket-key` or `label:TEXT`.
    ///
    /// Reading with a binding refuses whatever is not bound so. `key` and
    /// `bucket-key` are the place in S3, so moved or swapped objects do not open;
    /// a label is a name of yours.
    #[arg(long, value_name = "TO", default_value = "none", value_parser = binding)]
    binding: Binding,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct SegmentArgs {
    /// Encrypted segment size, 4KiB to 16MiB: 65536, 64KiB, 1MiB.
    ///
    /// The unit that is verified and, reading a range, fetched. 1MiB suits
    /// archives that are read whole.
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = segment_size)]
    segment_size: u32,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReadArgs {
    /// Refuse context pairs that are stored but were not given here.
    #[arg(long)]
    exact_context: bool,
}

#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Where to write; `-` is standard output. A file appears when it is whole.
    #[arg(
        short, long, value_name = "PATH", default_value = "-", hide_default_value = true,
        value_parser = place()
    )]
    pub(crate) output: Place,
    /// Write to standard output even if it is a terminal.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sync: SyncArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SyncArgs {
    /// Wait until the new file is on the disk, as before deleting what it was made from.
    ///
    /// Without it the system writes when it sees fit, as after `cp`, and a power cut soon after
    /// may take the file. One that replaces another is always waited for.
    #[arg(long)]
    pub(crate) sync: bool,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "AWS options")]
pub(crate) struct AwsArgs {
    /// Profile of the AWS configuration files.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS Region. A KMS key that is named by its ARN is used in the Region it names.
    ///
    /// To seal and to open, a multi-Region key (mrk-...) is used here even so.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Base URL of KMS and S3, for other servers than AWS.
    ///
    /// AWS_ENDPOINT_URL_KMS and AWS_ENDPOINT_URL_S3 name them one by one. KMS over
    /// http:// is refused unless it is on this machine. Such an S3 is sent no
    /// checksums, which old servers do not know; opening finds damage anyway.
    #[arg(long, value_name = "URL", value_parser = endpoint_url)]
    pub(crate) endpoint_url: Option<String>,
}

impl KeyArgs {
    /// The pairs given, each key once.
    pub(crate) fn context(&self) -> Result<EncryptionContext, Failure> {
        self.bound.context()
    }

    /// A cipher of `keyring` that writes and reads with this binding.
    pub(crate) fn cipher(&self, keyring: impl waxseal::Keyring + 'static) -> EnvelopeCipher {
        self.bound.cipher(keyring)
    }

    pub(crate) fn has_binding(&self) -> bool {
        self.bound.binding != Binding::None
    }

    pub(crate) fn has_context(&self) -> bool {
        !self.bound.context.is_empty()
    }
}

impl BoundArgs {
    /// The pairs given, each key once.
    pub(crate) fn context(&self) -> Result<EncryptionContext, Failure> {
        context(&self.context)
    }

    /// A cipher of `keyring` that writes and reads with this binding.
    pub(crate) fn cipher(&self, keyring: impl waxseal::Keyring + 'static) -> EnvelopeCipher {
        EnvelopeCipher::new(keyring).binding(self.binding.clone())
    }
}

impl SegmentArgs {
    /// Whether it was left as it is.
    pub(crate) fn is_default(&self) -> bool {
        self.segment_size == 64 << 10
    }

    pub(crate) fn apply(self, cipher: EnvelopeCipher) -> EnvelopeCipher {
        cipher.segment_len(self.segment_size)
    }
}

impl ReadArgs {
    /// Whether every stored pair must have been given.
    pub(crate) fn exact_context(&self) -> bool {
        self.exact_context
    }

    pub(crate) fn apply(self, cipher: EnvelopeCipher) -> EnvelopeCipher {
        cipher.read_policy(ReadPolicy::default().exact_context(self.exact_context))
    }
}

/// Plaintext bytes to read, before the length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `A..B`, `A..` and `..B`, half open.
    From(u64, Option<u64>),
    /// `-N..`
    Last(u64),
}

impl ByteRange {
    /// The range within `len` bytes; one that ends past them is left for the library to refuse.
    pub(crate) fn within(self, len: u64) -> Range<u64> {
        match self {
            Self::From(start, end) => start..end.unwrap_or(len.max(start)),
            Self::Last(n) => len.saturating_sub(n)..len,
        }
    }
}

impl FromStr for ByteRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (start, end) = text.split_once("..").ok_or("want A..B, A.., ..B or -N..")?;
        if let Some(n) = start.strip_prefix('-') {
            return if end.is_empty() { size(n).map(Self::Last) } else { Err(LAST_ONLY.into()) };
        }
        let start = if start.is_empty() { 0 } else { size(start)? };
        let end = if end.is_empty() { None } else { Some(size(end)?) };
        if end.is_some_and(|end| end < start) {
            return Err("it ends before it starts".to_owned());
        }
        Ok(Self::From(start, end))
    }
}

/// The pairs of `--context`, each key once.
pub(crate) fn context(pairs: &[String]) -> Result<EncryptionContext, Failure> {
    let mut context = EncryptionContext::new();
    for (i, pair) in pairs.iter().enumerate() {
        // Without `=` it may be a value: only its place is said.
        let (key, value) =
            pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                let what = format!("--context number {} is not KEY=VALUE", i + 1);
                Failure::usage(what).remedy("write it like --context tenant=acme")
            })?;
        if context.insert(key, value).is_some() {
            return Err(Failure::usage(format!("--context gives {key:?} twice"))
                .remedy("give each context key once"));
        }
    }
    Ok(context)
}

/// Reads a [`Place`].
pub(crate) fn place() -> impl TypedValueParser<Value = Place> {
    OsStringValueParser::new().try_map(Place::parse)
}

fn binding(text: &str) -> Result<Binding, String> {
    match text.split_once(':') {
        None if text == "none" => Ok(Binding::None),
        None if text == "key" => Ok(Binding::Key),
        None if text == "bucket-key" => Ok(Binding::BucketAndKey),
        Some(("label", label)) if !label.is_empty() => Ok(Binding::Label(label.to_owned())),
        _ => Err("want none, key, bucket-key or label:TEXT".to_owned()),
    }
}

fn segment_size(text: &str) -> Result<u32, String> {
    u32::try_from(size(text)?).map_err(|_| "too large".to_owned())
}

/// A number of bytes, with or without a binary unit.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err("want bytes, or a number with KiB, MiB, GiB or TiB".to_owned()),
    };
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| all_digits);
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "want a number of bytes such as 65536 or 64KiB".to_owned())
}

fn endpoint_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("want https://HOST or http://HOST".to_owned()),
    }
}

const LAST_ONLY: &str = "-N.. stands for the last N bytes and has no end";

const EXAMPLES: &str = "\
Examples:
  waxseal seal report.pdf -o report.pdf.sealed
  waxseal open report.pdf.sealed -o report.pdf
  pg_dump shop | waxseal cp --key aws-kms:alias/backup - s3://backups/shop.sql
  waxseal cat --key aws-kms:alias/backup --range -4KiB.. s3://backups/shop.sql
  waxseal inspect report.pdf.sealed";

const EXIT_CODES: &str = "\
Exit codes:
  0    done, and every byte verified
  1    unknown
  2    the command line, or a value in it, can never work
  3    not authentic: altered, cut, wrong key or context; or not a sealed file
  4    the wrapping key: key file, KMS, its credentials
  5    reading or writing: files, pipes, S3; or the object changed meanwhile
  130  interrupted (SIGINT); 143 terminated (SIGTERM); 129 hung up (SIGHUP)
  141  the reader of standard output left early

`waxseal COMMAND --help` has more, with examples.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64KiB"), Ok(65536));
        assert_eq!(size("1MiB"), Ok(1 << 20));
        assert_eq!(size("0"), Ok(0));
        for bad in ["", "KiB", "-1", "+1", "1.5MiB", "1kb", "64 KiB", "99999999999TiB", "1e3"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_half_open() {
        let range = |text: &str| text.parse::<ByteRange>().map(|r| r.within(100));
        assert_eq!(range("5..9"), Ok(5..9));
        assert_eq!(range("5.."), Ok(5..100));
        assert_eq!(range("..9"), Ok(0..9));
        assert_eq!(range(".."), Ok(0..100));
        assert_eq!(range("-8.."), Ok(92..100));
        assert_eq!(range("-1KiB.."), Ok(0..100));
        assert_eq!(range("50..200"), Ok(50..200));
        assert_eq!(range("101.."), Ok(101..101));
        for bad in ["", "5", "5-9", "9..5", "-5..9", "a..b", "1..2..3", "5..-1"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bindings_are_read() {
        assert_eq!(binding("label:a:b"), Ok(Binding::Label("a:b".into())));
        assert_eq!(binding("bucket-key"), Ok(Binding::BucketAndKey));
        for bad in ["", "label", "label:", "Key", "key:", "none:x"] {
            assert!(binding(bad).is_err(), "{bad}");
        }
    }
}
