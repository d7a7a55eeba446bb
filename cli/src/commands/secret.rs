//! `waxseal secret`: small secrets, encrypted by KMS itself.

use std::io::IsTerminal as _;
use std::io::Read as _;

use base64ct::Base64;
use base64ct::Encoding as _;
use clap::Args;
use clap::Subcommand;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::KmsKeyring;
use zeroize::Zeroizing;

use crate::args::AwsArgs;
use crate::args::OutputArgs;
use crate::args::Verbosity;
use crate::args::context;
use crate::args::place;
use crate::aws::Aws;
use crate::commands::key::KeyName;
use crate::exit::Code;
use crate::exit::Failure;
use crate::input::Input;
use crate::keys::Keys;
use crate::output::Content;
use crate::output::Output;
use crate::passphrase;
use crate::place::Place;

/// Encrypt and decrypt small secrets, such as passwords
///
/// Up to 4096 bytes, which go to KMS and come back as its own ciphertext: any
/// client of KMS can decrypt it. For what is larger, or must not go to KMS, use
/// `waxseal seal`.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Encrypt(EncryptArgs),
    Decrypt(DecryptArgs),
}

/// Encrypt a secret of 1 to 4096 bytes
///
/// Prints base64 on one line, or bytes with --raw. On a terminal it asks for the
/// secret twice and shows none of it.
///
/// Every byte of the input is the secret, a line feed at its end too: `echo` adds
/// one, `printf %s` does not, --strip-newline takes it off. Do not write secrets
/// into a command line, where the history and other users see them.
#[derive(Args, Debug)]
#[command(after_long_help = ENCRYPT_EXAMPLES)]
struct EncryptArgs {
    /// A file with the secret; `-` or nothing is standard input.
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true, value_parser = place())]
    source: Place,
    /// Take one line feed off the end of the secret.
    #[arg(long)]
    strip_newline: bool,
    /// Print bytes, as `aws kms decrypt --ciphertext-blob fileb://` reads.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Decrypt a secret, under the key that is named
///
/// Reads base64, spaces and line feeds in it aside, or bytes with --raw. Writes
/// the secret as it was, with no line feed added.
///
/// The ciphertext says which key it is of, but nobody vouches for that: it must
/// be the key you name, in the same encryption context.
#[derive(Args, Debug)]
#[command(after_long_help = DECRYPT_EXAMPLES)]
struct DecryptArgs {
    /// A file with the ciphertext; `-` or nothing is standard input.
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true, value_parser = place())]
    source: Place,
    /// Read bytes, as `aws kms encrypt` gives them after `base64 -d`.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Debug)]
struct CommonArgs {
    /// A symmetric KMS key: alias/NAME, key id or ARN, or with aws-kms: in front.
    #[arg(long, value_name = "KEY", help_heading = "Key options")]
    key: KeyName,
    /// A pair of the encryption context; repeat it for more.
    ///
    /// Public and authenticated; KMS policies and CloudTrail see it, so no secrets
    /// here. Decrypting takes exactly the pairs of encrypting.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Key options")]
    context: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) async fn run(args: SecretArgs, verbosity: Verbosity) -> Result<(), Failure> {
    match args.action {
        Action::Encrypt(args) => encrypt(args, verbosity).await,
        Action::Decrypt(args) => decrypt(args, verbosity).await,
    }
}

async fn encrypt(args: EncryptArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let EncryptArgs { source, raw, mut common, .. } = args;
    let context = common.context()?;
    // Base64 does a terminal no harm.
    common.output.force |= !raw;
    let output = Output::open(&common.output, Content::Sealed).await?;
    let secret = match source {
        Place::Stdio if std::io::stdin().is_terminal() => Some(ask()?),
        source => read(&source, MAX_INPUT, verbosity).await?,
    };
    let too_long = || {
        Failure::usage("the secret has more than 4096 bytes")
            .remedy("seal it, which has no limit: `waxseal seal --key aws-kms:ID`")
    };
    let mut secret = secret.ok_or_else(too_long)?;
    if args.strip_newline {
        strip_newline(&mut secret);
    }
    match secret.len() {
        0 => return Err(Failure::usage("there is no secret").remedy("give 1 to 4096 bytes")),
        1..=MAX_SECRET => {}
        _ => return Err(too_long()),
    }
    let keyring = common.keyring().await?;
    let done = keyring.encrypt(&secret, &context).await;
    let ciphertext = done.map_err(|e| Failure::library("cannot encrypt the secret", e))?;
    let text = if raw { ciphertext } else { (Base64::encode_string(&ciphertext) + "\n").into() };
    write(output, text).await
}

async fn decrypt(args: DecryptArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let DecryptArgs { source, raw, common } = args;
    let context = common.context()?;
    let output = Output::open(&common.output, Content::Opened).await?;
    let not_ciphertext = || not_ciphertext(raw);
    let text = read(&source, MAX_TEXT, verbosity).await?.ok_or_else(not_ciphertext)?;
    let ciphertext = if raw { Some(text.to_vec()) } else { from_base64(&text) };
    let ciphertext = ciphertext.filter(|c| (1..=MAX_CIPHERTEXT).contains(&c.len()));
    let ciphertext = ciphertext.ok_or_else(not_ciphertext)?;
    let keyring = common.keyring().await?;
    let secret = keyring.decrypt(&ciphertext, &context).await.map_err(|error| {
        let is_refused = error.kind() == waxseal::ErrorKind::Authentication;
        let failure = Failure::library("cannot decrypt the secret", error);
        match is_refused {
            true if raw => failure.remedy(REFUSED).and("leave out --raw if it is base64"),
            true => failure.remedy(REFUSED),
            false => failure,
        }
    })?;
    write(output, secret.expose().to_vec()).await
}

impl CommonArgs {
    fn context(&self) -> Result<EncryptionContext, Failure> {
        context(&self.context)
    }

    async fn keyring(self) -> Result<KmsKeyring, Failure> {
        let name = self.key.as_str();
        Ok(KmsKeyring::new(Aws::new(self.aws).kms(name).await?, name))
    }
}

/// All of `source`; `None` if it has more than `max` bytes.
async fn read(
    source: &Place,
    max: usize,
    verbosity: Verbosity,
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let input = Input::open(source, verbosity).await?;
    let name = input.name().to_owned();
    let file = input.into_file();
    let read = move || {
        // At once: a buffer that grows leaves its content behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(max + 1));
        file.take(max as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let done = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::from).flatten();
    let bytes = done.map_err(|e| Failure::io(format!("cannot read {name}"), e))?;
    Ok((bytes.len() <= max).then_some(bytes))
}

/// A secret that is typed twice, so that a slip is noticed.
fn ask() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let secret = passphrase::ask("secret: ", PIPE_IT)?;
    if *passphrase::ask("the same again: ", PIPE_IT)? != *secret {
        return Err(Failure::usage("the two secrets differ").remedy("try again"));
    }
    Ok(Zeroizing::new(secret.as_bytes().to_vec()))
}

fn strip_newline(secret: &mut Vec<u8>) {
    if secret.pop_if(|last| *last == b'\n').is_some() {
        secret.pop_if(|last| *last == b'\r');
    }
}

/// Base64 with line feeds and spaces anywhere.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<_> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    Base64::decode_vec(std::str::from_utf8(&text).ok()?).ok()
}

async fn write(mut output: Output, bytes: Vec<u8>) -> Result<(), Failure> {
    let body = Body::from(bytes);
    output.fill(body, "cannot write it", &Keys::nothing()).await?;
    output.commit().await
}

fn not_ciphertext(is_raw: bool) -> Failure {
    let failure = Failure::new(Code::Authentication, "this is not the ciphertext of a secret");
    failure.remedy(match is_raw {
        true => "leave out --raw if it is base64; what `waxseal seal` wrote is for `waxseal open`",
        false => "give --raw if it is bytes; what `waxseal seal` wrote is for `waxseal open`",
    })
}

const REFUSED: &str = "give the --key and all the --context pairs that it was encrypted with; if \
     they are right, it was altered";
const PIPE_IT: &str = "pipe the secret in, or name a file that has it";
/// Most bytes that KMS encrypts.
const MAX_SECRET: usize = 4096;
/// With a line feed that is taken off.
const MAX_INPUT: usize = MAX_SECRET + 2;
/// Most bytes that KMS decrypts.
const MAX_CIPHERTEXT: usize = 6144;
/// That as base64, and as many spaces and line feeds.
const MAX_TEXT: usize = 16 << 10;

const EXAMPLES: &str = "\
Examples:
  waxseal secret encrypt --key alias/orders -o db-password.enc
  waxseal secret decrypt --key alias/orders db-password.enc | psql ...

`waxseal secret COMMAND --help` has more.";

const ENCRYPT_EXAMPLES: &str = "\
Examples:
  Asked for on the terminal, and kept beside the configuration:
    waxseal secret encrypt --key alias/orders --context app=shop \\
        -o db-password.enc

  From a program that ends its output with a line feed:
    pwgen 32 1 | waxseal secret encrypt --key alias/orders --strip-newline

  For the AWS CLI:
    waxseal secret encrypt --key alias/orders --raw token.txt -o token.enc
    aws kms decrypt --ciphertext-blob fileb://token.enc";

const DECRYPT_EXAMPLES: &str = "\
Examples:
  waxseal secret decrypt --key alias/orders --context app=shop \\
      db-password.enc -o /run/shop/db-password

  What the AWS CLI encrypted, which prints base64:
    aws kms encrypt --key-id alias/orders --plaintext fileb://token.txt \\
        --query CiphertextBlob --output text |
      waxseal secret decrypt --key alias/orders -o token.txt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_feed_is_stripped() {
        for (given, kept) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a\r", "a\r"),
            ("a", "a"),
            ("\n", ""),
            ("", ""),
        ] {
            let mut secret = given.as_bytes().to_vec();
            strip_newline(&mut secret);
            assert_eq!(secret, kept.as_bytes(), "{given:?}");
        }
    }
}
