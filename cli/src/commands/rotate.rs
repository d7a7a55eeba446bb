//! `waxseal rotate`: objects sealed again, under new data keys.

use std::path::Path;

use clap::Args;
use futures_util::TryStreamExt as _;
use tokio::sync::OnceCell;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::S3EncryptionClient;

use crate::args::AwsArgs;
use crate::args::KeyArgs;
use crate::args::ReadArgs;
use crate::args::Verbosity;
use crate::aws::Aws;
use crate::commands::inspect::front;
use crate::dependents::is_not_sealed;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::KeySpec;
use crate::keys::Keys;
use crate::many::Done;
use crate::many::ManyArgs;
use crate::many::Verb;
use crate::objects::ObjectsArgs;
use crate::objects::Versions;
use crate::place::Place;
use crate::place::S3Name;
use crate::sealed_file::SealedFile;
use crate::signing::SignArgs;
use crate::signing::SignedByArgs;

/// Seal objects again, each under a new data key
///
/// Where policy asks for it, or a data key became known. Every byte passes through
/// here; `waxseal rewrap` changes the wrapping key only and moves no data. An object
/// is replaced once all of it was verified, and only if nobody replaced it meanwhile.
///
/// Encryption context, binding, segment size, and what S3 keeps beside an object
/// stay, but for access control lists. In a bucket with versions the older versions
/// stay too, under their old data keys.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    objects: ObjectsArgs,
    /// A key to open with, if it is not --key; repeat it for more.
    #[arg(long, value_name = "KEY", help_heading = "Key options")]
    from_key: Vec<KeySpec>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    signed_by: SignedByArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    many: ManyArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) async fn run(args: RotateArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let context = args.key.context()?;
    let aws = Aws::new(args.aws);
    let items = args.objects.items(&aws, Versions::Current, verbosity).await?;
    let passphrase = args.key.passphrase.read()?;
    let keys = Keys::of(&args.key.key, &passphrase, &aws).await?;
    let from_keys = match &*args.from_key {
        [] => keys.clone(),
        from => Keys::of(from, &passphrase, &aws).await?,
    };
    let opener = args.read.apply(args.key.cipher(from_keys.clone()));
    let opener = args.signed_by.apply(opener, &aws).await?;
    let sealer = args.sign.apply(args.key.cipher(keys.clone()), &aws).await?;
    let signs = args.sign.is_given();
    let s3 = OnceCell::new();
    let many = &args.many;
    let work = Work { aws: &aws, s3, opener, sealer, signs, from_keys, keys, context, many };
    let verb = Verb { done: "rotated", is_seen: false };
    args.many.run(items, verb, verbosity, async |item| work.on(&item.place).await).await
}

struct Work<'a> {
    aws: &'a Aws,
    s3: OnceCell<S3EncryptionClient>,
    opener: EnvelopeCipher,
    sealer: EnvelopeCipher,
    signs: bool,
    from_keys: Keys,
    keys: Keys,
    context: EncryptionContext,
    many: &'a ManyArgs,
}

impl Work<'_> {
    async fn on(&self, place: &Place) -> Result<Done, Failure> {
        let what = format!("cannot rotate {place}");
        match place {
            Place::S3(name) => self.on_s3(name, &what).await,
            Place::Path(path) => self.on_file(path, &what).await,
            Place::Stdio => unreachable!("`ObjectsArgs` lets no standard input pass"),
        }
    }

    async fn on_s3(&self, name: &S3Name, what: &str) -> Result<Done, Failure> {
        let client = async || {
            let s3 = self.aws.s3().await?;
            Ok::<_, Failure>(S3EncryptionClient::new(s3, self.sealer.clone()))
        };
        let s3 = self.s3.get_or_try_init(client).await?;
        let mut request = s3.rotate_object(&name.bucket, &name.key, &self.context, &self.opener);
        if let Some(time) = self.many.before {
            request = request.modified_before(time);
        }
        if self.many.dry_run {
            request = request.dry_run();
        }
        match request.send().await {
            Ok(Some(_)) => Ok(changed(0)),
            Ok(None) => Ok(Done::Already),
            Err(error) if is_not_sealed(&error) => Ok(Done::NotSealed),
            Err(error) => Err(self.from_keys.failure(what, error)),
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
        let (envelope, _, header) = match front(file.front()) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let text = format!("{what}: it ends before its first segment");
                return Err(
                    Failure::new(Code::Authentication, text).remedy("restore it from a copy")
                );
            }
            Err(error) if is_not_sealed(&error) => return Ok(Done::NotSealed),
            Err(error) => return Err(Failure::library(what, error)),
        };
        if envelope.signature().is_some() && !self.signs {
            let text = format!("{what}: it is signed, and would not be any more");
            return Err(Failure::usage(text).remedy("give --sign, and --signed-by to verify it"));
        }
        let other_names = file.other_names();
        file.can_be_replaced()?;
        let sealed = file.body_from(0)?;
        let plain = self.opener.open_stream(sealed, &self.context).await;
        let plain = plain.map_err(|e| self.from_keys.failure(what, e))?;
        if self.many.dry_run {
            let all = plain.try_for_each(async |_| Ok(())).await;
            all.map_err(|e| self.from_keys.failure(what, e))?;
            return Ok(changed(other_names));
        }
        let sealer = self.sealer.clone().segment_len(header.segment_len());
        let context = envelope.context().unwrap_or(&self.context);
        let body = sealer.seal_stream(plain, context).await;
        let body = body.map_err(|e| self.keys.failure(what, e))?;
        file.replace(body, what, &self.from_keys).await?;
        Ok(changed(other_names))
    }
}

fn changed(other_names: u64) -> Done {
    Done::Changed { how: "here", other_names }
}

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  dry_run     true if nothing was written
  changed     array of { object, how }: what was rotated, or would be; how is
              \"here\"
  already     number of objects that were left because of --before
  not_sealed  number of objects that are not sealed
  failed      array of { object, reason }; if there are any, the exit code is
              not 0, and the other objects are done

Examples:
  A new data key for each object of a tenant, under the same KMS key:
    waxseal rotate --key aws-kms:alias/orders --context tenant=acme \\
        --recursive s3://orders/acme/

  The run was interrupted; it began at noon:
    waxseal rotate --key aws-kms:alias/orders --context tenant=acme \\
        --before 2026-01-31T12:00:00Z --recursive s3://orders/acme/

  A file, from one key file to another:
    waxseal rotate --from-key local:old.keys --key local:new.keys a.sealed";
