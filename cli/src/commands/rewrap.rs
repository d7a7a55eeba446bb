//! `waxseal rewrap`: objects brought from one wrapping key under another.

use std::path::Path;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::OnceCell;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Rewrap;
use waxseal::Rewrapped;
use waxseal::S3EncryptionClient;

use crate::args::AwsArgs;
use crate::args::BoundArgs;
use crate::args::Verbosity;
use crate::aws::Aws;
use crate::dependents::is_not_sealed;
use crate::exit::Failure;
use crate::keys;
use crate::keys::KeySpec;
use crate::keys::Keys;
use crate::many::Done;
use crate::many::ManyArgs;
use crate::many::Verb;
use crate::objects::ObjectsArgs;
use crate::objects::Versions;
use crate::passphrase::PassphraseArgs;
use crate::place::Place;
use crate::place::S3Name;
use crate::sealed_file::SealedFile;

/// Bring objects from one wrapping key under another
///
/// The data key of each object stays, and with it every byte of its body; only the
/// data key is wrapped anew. Wrapped keys of others, such as a recovery key, stay.
/// Between two KMS keys of one Region KMS does it, and the data key never leaves it.
/// Where more than one wrapped key of an object goes, it is unwrapped here, to see
/// that it is the right one: that needs kms:Decrypt and kms:Encrypt.
///
/// In S3 an object is copied onto itself, pinned to the bytes that were seen, with
/// all that S3 keeps beside it, but for access control lists. Metadata has no such
/// pin: do not run this twice at a time, or change metadata meanwhile. What is under
/// the new key already is left, so an interrupted run is continued by running it
/// again.
///
/// It shuts out nobody who kept the data key of an object: `waxseal rotate` does. In
/// a bucket with versions the older versions stay, under the old key.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct RewrapArgs {
    #[command(flatten)]
    objects: ObjectsArgs,
    /// A key to bring objects away from; repeat it for more.
    ///
    /// Written like --key. An alias means the key that it names now: name an old
    /// key that lost its alias by its ARN.
    #[arg(long, value_name = "KEY", required = true, help_heading = "Key options")]
    from_key: Vec<KeySpec>,
    /// A key to bring them under; repeat it for more: `local`, `local:PATH`,
    /// `aws-kms:ID`, `rsa:PATH` or `aws-kms-rsa:ID`.
    ///
    /// The same KMS key as --from-key, after KMS rotated it, needs --before.
    #[arg(long, value_name = "KEY", required = true, help_heading = "Key options")]
    key: Vec<KeySpec>,
    /// Keep what --from-key opens: hand the objects to --key as well.
    #[arg(long, help_heading = "Key options", conflicts_with = "before")]
    keep: bool,
    #[command(flatten, next_help_heading = "Key options")]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    bound: BoundArgs,
    #[command(flatten)]
    many: ManyArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) async fn run(args: RewrapArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let context = args.bound.context()?;
    let aws = Aws::new(args.aws);
    let items = args.objects.items(&aws, Versions::Current, verbosity).await?;
    let passphrase = args.passphrase.read()?;
    let again = args.many.before.is_some();
    let rewrap = keys::rewrap(&args.from_key, &args.key, again, &passphrase, &aws).await?;
    let rewrap = if args.keep { rewrap.keep() } else { rewrap };
    let cipher = args.bound.cipher(Keys::nothing());
    let work = Work { aws: &aws, s3: OnceCell::new(), cipher, context, rewrap, many: &args.many };
    let verb = Verb { done: "re-wrapped", is_seen: true };
    args.many.run(items, verb, verbosity, async |item| work.on(&item.place).await).await
}

struct Work<'a> {
    aws: &'a Aws,
    s3: OnceCell<S3EncryptionClient>,
    cipher: EnvelopeCipher,
    context: EncryptionContext,
    rewrap: Rewrap,
    many: &'a ManyArgs,
}

impl Work<'_> {
    async fn on(&self, place: &Place) -> Result<Done, Failure> {
        let what = format!("cannot re-wrap {place}");
        let done = match place {
            Place::S3(name) => self.on_s3(name, &what).await?,
            Place::Path(path) => self.on_file(path, &what).await?,
            Place::Stdio => unreachable!("`ObjectsArgs` lets no standard input pass"),
        };
        Ok(done)
    }

    async fn on_s3(&self, name: &S3Name, what: &str) -> Result<Done, Failure> {
        let client = async || {
            let s3 = self.aws.s3().await?;
            Ok::<_, Failure>(S3EncryptionClient::new(s3, self.cipher.clone()))
        };
        let s3 = self.s3.get_or_try_init(client).await?;
        let mut request = s3.rewrap_object(&name.bucket, &name.key, &self.context, &self.rewrap);
        if let Some(time) = self.many.before {
            request = request.modified_before(time);
        }
        if self.many.dry_run {
            request = request.dry_run();
        }
        match request.send().await {
            Ok(done) => Ok(done.rewrapped().map_or(Done::Already, |now| changed(now, 0))),
            Err(error) if is_not_sealed(&error) => Ok(Done::NotSealed),
            Err(error) => Err(Failure::library(what, error)),
        }
    }

    async fn on_file(&self, path: &Path, what: &str) -> Result<Done, Failure> {
        let file = SealedFile::open(path)?;
        if !file.is_before(self.many.before) {
            return Ok(Done::Already);
        }
        if file.front().is_empty() {
            return Ok(Done::NotSealed);
        }
        let made = self.cipher.rewrap_inline(file.front(), &self.context, &self.rewrap).await;
        let made = match made {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(Done::Already),
            Err(error) if is_not_sealed(&error) => return Ok(Done::NotSealed),
            Err(error) => return Err(Failure::library(what, error)),
        };
        let other_names = file.other_names();
        file.can_be_replaced()?;
        if !self.many.dry_run {
            let envelope = Ok(made.envelope().to_vec().into());
            let rest = file.body_from(made.replaces())?;
            let body = Body::from_stream(stream::iter([envelope]).chain(rest));
            file.replace(body, what, &Keys::nothing()).await?;
        }
        Ok(changed(made.rewrapped(), other_names))
    }
}

fn changed(rewrapped: &Rewrapped, other_names: u64) -> Done {
    Done::Changed { how: if rewrapped.was_unwrapped() { "here" } else { "in KMS" }, other_names }
}

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  dry_run     true if nothing was written
  changed     array of { object, how }: what was re-wrapped, or would be; how is
              \"in KMS\", or \"here\" if the data key was unwrapped by waxseal
  already     number of objects that were under the new keys
  not_sealed  number of objects that are not sealed
  failed      array of { object, reason }; if there are any, the exit code is
              not 0, and the other objects are done

Examples:
  From one KMS key under another; first what would change:
    waxseal rewrap --from-key aws-kms:ARN --key aws-kms:alias/orders \\
        --dry-run --recursive s3://orders/

  Under the newest material of a key that KMS rotated in January:
    waxseal rewrap --from-key aws-kms:alias/orders \\
        --key aws-kms:alias/orders --before 2026-02-01T00:00:00Z \\
        --recursive s3://orders/

  Hand one object to a partner, who has the private key:
    waxseal rewrap --from-key aws-kms:alias/orders --key rsa:partner.pub.pem \\
        --keep s3://orders/2026.csv";
