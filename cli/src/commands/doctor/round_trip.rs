//! What the caller may really do: an object of the doctor's own, sealed, stored, opened and deleted.

use std::hash::BuildHasher as _;
use std::hash::Hasher as _;
use std::hash::RandomState;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::ServerSideEncryption;
use futures_util::TryStreamExt as _;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::PutOptions;
use waxseal::S3EncryptionClient;

use super::DoctorArgs;
use super::advice::Advice;
use super::bucket::said;
use super::finding::Finding;
use super::finding::Level;
use crate::args::context;
use crate::aws::Aws;
use crate::exit::Failure;
use crate::keys::KeySpec;
use crate::keys::Keys;
use crate::keys::default_path;
use crate::place::S3Name;

/// # Errors
///
/// `Code::Usage` if the context is none; `Code::Key` if a passphrase or the random source fails;
/// `Code::Store` if no Region is set.
pub(super) async fn check(
    aws: &Aws,
    args: &DoctorArgs,
    advice: &Advice<'_>,
) -> Result<Finding, Failure> {
    let context = context(&args.context)?;
    let makes_key_file = args.key.contains(&KeySpec::Local(None)) && !default_path()?.exists();
    if makes_key_file {
        let found = "there is no key file yet; the first `waxseal seal` makes it";
        return Ok(Finding::new(NAME, Level::NotChecked, found));
    }
    let cipher = match cipher(aws, args).await {
        Ok(cipher) => cipher,
        Err(failure) => {
            return Ok(failed("a key cannot be used", failure.reason(), args, advice));
        }
    };
    if let Some(bucket) = &args.bucket
        && retains(aws, bucket.as_str()).await?
    {
        let found = "left out: the bucket has a default retention, and its object would stay";
        return Ok(Finding::new(NAME, Level::NotChecked, found)
            .because("what is stored there cannot be deleted before its time"));
    }
    let trip = match &args.bucket {
        None => in_memory(&cipher, &context).await.map(|()| String::new()),
        Some(bucket) => {
            let place = S3Name { bucket: bucket.as_str().to_owned(), key: own_key(args) };
            through_s3(aws, cipher, args, &place, &context).await.map(|()| format!(", {place}"))
        }
    };
    Ok(match trip {
        Ok(place) => {
            let done = if place.is_empty() { "sealed and opened" } else { DONE };
            Finding::ok(NAME, format!("{done}{place}"))
        }
        Err((step, reason)) => failed(step, reason, args, advice),
    })
}

/// What failed, and why.
type Broken = (&'static str, String);

async fn cipher(aws: &Aws, args: &DoctorArgs) -> Result<EnvelopeCipher, Failure> {
    if args.key.is_empty() {
        let own = KeyFile::generate().map_err(|e| Failure::library("cannot make a key", e))?;
        return Ok(EnvelopeCipher::new(LocalKeyring::new(own)));
    }
    Ok(EnvelopeCipher::new(Keys::of(&args.key, &args.passphrase.read()?, aws).await?))
}

/// Whether Object Lock keeps what is stored without a word on it.
///
/// Whoever may not ask goes on: few buckets have a lock, and then deleting fails and is told.
async fn retains(aws: &Aws, bucket: &str) -> Result<bool, Failure> {
    let reply = aws.s3().await?.get_object_lock_configuration().bucket(bucket).send().await;
    let lock = reply.ok().and_then(|reply| reply.object_lock_configuration);
    Ok(lock.and_then(|lock| lock.rule).is_some_and(|rule| rule.default_retention.is_some()))
}

async fn in_memory(cipher: &EnvelopeCipher, context: &EncryptionContext) -> Result<(), Broken> {
    let sealed = cipher.seal(CONTENT, context).await.map_err(|e| broken("it cannot seal", e))?;
    let opened = cipher.open(&sealed, context).await.map_err(|e| broken("it cannot open", e))?;
    same(&opened)
}

/// Deletes what it stored, whatever happens in between.
async fn through_s3(
    aws: &Aws,
    cipher: EnvelopeCipher,
    args: &DoctorArgs,
    place: &S3Name,
    context: &EncryptionContext,
) -> Result<(), Broken> {
    let client = aws.s3().await.map_err(|failure| ("S3 cannot be asked", failure.reason()))?;
    let s3 = S3EncryptionClient::new(client.clone(), cipher);
    let mut options = PutOptions::new().if_none_match();
    if let Some(key) = &args.sse_kms_key_id {
        options = options
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(key.as_str());
    }
    let put = s3.put_object(&place.bucket, &place.key, CONTENT, context).options(options);
    let stored = put.send().await.map_err(|e| broken("it cannot seal and store", e))?;
    let opened = open(&client, &s3, place, context).await;
    // Of a bucket with versions the version itself: else it would stay, and a marker with it.
    let version = stored.version_id().filter(|id| *id != "null").map(str::to_owned);
    let delete = client.delete_object().bucket(&place.bucket).key(&place.key);
    let deleted = delete.set_version_id(version).send().await;
    opened?;
    deleted
        .map(drop)
        .map_err(|e| ("it cannot delete; its object stays", said("S3 DeleteObject", e)))
}

async fn open(
    client: &Client,
    s3: &S3EncryptionClient,
    place: &S3Name,
    context: &EncryptionContext,
) -> Result<(), Broken> {
    let head = client.head_object().bucket(&place.bucket).key(&place.key).send().await;
    head.map_err(|error| {
        // A reply to HEAD has no body to say why.
        let status = error.raw_response().map(|answer| format!(", {}", answer.status()));
        let said = said("S3 HeadObject", error);
        ("it cannot read what it stored", format!("{said}{}", status.unwrap_or_default()))
    })?;
    let get = s3.get_object(&place.bucket, &place.key, context).send().await;
    let object = get.map_err(|e| broken("it cannot open what it stored", e))?;
    let read = object.into_stream().try_fold(vec![], async |mut all, part| {
        all.extend_from_slice(&part);
        Ok(all)
    });
    same(&read.await.map_err(|e| broken("it cannot open what it stored", e))?)
}

fn same(opened: &[u8]) -> Result<(), Broken> {
    let other = || ("what opens is not what was sealed", "this is a defect of waxseal".to_owned());
    (opened == CONTENT).then_some(()).ok_or_else(other)
}

fn broken(step: &'static str, error: Error) -> Broken {
    (step, Failure::library("", error).reason().trim_start_matches(": ").to_owned())
}

fn failed(step: &str, reason: String, args: &DoctorArgs, advice: &Advice<'_>) -> Finding {
    let missing = missing(&reason);
    let found = match &missing {
        Some(permission) => format!("{step}: it needs {permission}. {reason}"),
        None => format!("{step}: {reason}"),
    };
    let finding = Finding::new(NAME, Level::Problem, found)
        .because("what this caller cannot do here, it cannot do with your objects");
    let Some(permission) = missing else {
        return finding.remedy("mend what it says, and run this again");
    };
    let key = args.key.iter().find_map(|spec| match spec {
        KeySpec::AwsKms(name) if name.starts_with("arn:") => Some(name.as_str()),
        _ => None,
    });
    let kind = match permission {
        "kms:Decrypt" | "kms:DescribeKey" | "s3:GetObject" => Some("iam-reader"),
        "kms:GenerateDataKey" | "kms:Encrypt" | "s3:PutObject" => Some("iam-writer"),
        _ => None,
    };
    let remedy = match permission {
        "s3:PutObject" if args.sse_kms_key_id.is_none() => {
            "allow it; or, if the bucket demands SSE-KMS, give --sse-kms-key-id"
        }
        _ => "allow it by IAM, key or bucket policy",
    };
    finding.remedy(remedy).command(kind.and_then(|kind| advice.policy(kind, key)))
}

/// The permission that is missing, if that is the reason. The library says which call failed:
/// "S3 PutObject of ...", "KMS Decrypt with ...".
fn missing(reason: &str) -> Option<&'static str> {
    if !reason.contains("AccessDenied") && !reason.ends_with(", 403") {
        return None;
    }
    let permission =
        |(call, permission): &(&str, &'static str)| reason.find(call).map(|at| (at, *permission));
    PERMISSIONS.iter().filter_map(permission).min().map(|(_, permission)| permission)
}

/// A name that no object has: not even a retry of an earlier run.
fn own_key(args: &DoctorArgs) -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}waxseal-doctor-{random:016x}", args.prefix.as_str())
}

const PERMISSIONS: &[(&str, &str)] = &[
    ("KMS GenerateDataKey", "kms:GenerateDataKey"),
    ("KMS Encrypt", "kms:Encrypt"),
    ("KMS Decrypt", "kms:Decrypt"),
    ("KMS DescribeKey", "kms:DescribeKey"),
    ("KMS GetPublicKey", "kms:GetPublicKey"),
    ("S3 PutObject", "s3:PutObject"),
    ("S3 HeadObject", "s3:GetObject"),
    ("S3 GetObject", "s3:GetObject"),
    ("S3 DeleteObject", "s3:DeleteObject and s3:DeleteObjectVersion"),
];
const NAME: &str = "round-trip";
const CONTENT: &[u8] = b"waxseal doctor was here; this object can be deleted";
const DONE: &str = "sealed, stored, opened and deleted";
