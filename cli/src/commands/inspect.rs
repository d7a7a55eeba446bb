//! `waxseal inspect`: what a sealed object says of itself, without any key.

mod keys;

use std::collections::BTreeMap;

use clap::Args;
use futures_util::TryStreamExt as _;
use serde::Serialize;
use waxseal::Body;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::Format;
use waxseal::S3EncryptionClient;
use waxseal::floe;

use crate::args::AwsArgs;
use crate::args::Verbosity;
use crate::aws::Aws;
use crate::commands::cat;
use crate::commands::inspect::keys::KeysArgs;
use crate::exit::Failure;
use crate::input::Input;
use crate::keys::Keys;
use crate::objects::ObjectsArgs;
use crate::place::Place;
use crate::place::S3Name;
use crate::report;
use crate::report::printable;

/// Show what a sealed file or S3 object says of itself
///
/// One file, s3://BUCKET/KEY, or `-` for standard input; with --keys, the wrapping
/// keys of any number of them. Needs no key, and so verifies nothing: whoever can
/// write the object can have made it say this.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    objects: ObjectsArgs,
    #[command(flatten)]
    keys: KeysArgs,
    /// Print one JSON object; `--help` has its fields.
    #[arg(long)]
    json: bool,
    /// Version of the S3 object; the current one without it.
    #[arg(long, value_name = "ID", conflicts_with = "keys")]
    version_id: Option<String>,
    #[command(flatten)]
    aws: AwsArgs,
}

/// The fields of `--json`, in this order. Fields may be added, none changes its meaning.
#[derive(Debug, Serialize)]
struct Report {
    source: String,
    format: &'static str,
    suite: &'static str,
    placement: &'static str,
    sealed_size: u64,
    plaintext_size_unverified: u64,
    segment_size: Option<u32>,
    binding: &'static str,
    context: Option<BTreeMap<String, String>>,
    wrapped_keys: Vec<ReportedKey>,
    signature: Option<ReportedSignature>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
struct ReportedKey {
    provider: Option<String>,
    key_id: Option<String>,
    ciphertext_size: usize,
}

#[derive(Debug, Serialize)]
struct ReportedSignature {
    provider: String,
    key_id: String,
}

pub(crate) async fn run(args: InspectArgs, verbosity: Verbosity) -> Result<(), Failure> {
    if args.keys.keys {
        return keys::run(&args.keys, &args.objects, args.json, args.aws, verbosity).await;
    }
    let source = args.objects.at_most_one()?.unwrap_or(&Place::Stdio);
    if args.version_id.is_some() && !matches!(source, Place::S3(_)) {
        return Err(Failure::usage("--version-id is for S3 objects"));
    }
    let what = format!("cannot inspect {source}");
    let report = match source {
        Place::S3(name) => {
            let s3 = aws_client(args.aws).await?;
            of_s3(&s3, name, args.version_id).await
        }
        place => {
            let body = Input::open(place, verbosity).await?.into_body();
            of_stream(place.to_string(), body).await
        }
    };
    let report = report.map_err(|e| Failure::library(what, e))?;
    report::print(&if args.json { report::to_json(&report) } else { report.to_text() })
}

async fn aws_client(aws: AwsArgs) -> Result<S3EncryptionClient, Failure> {
    let client = Aws::new(aws).s3().await?;
    Ok(S3EncryptionClient::new(client, EnvelopeCipher::new(Keys::nothing())))
}

async fn of_s3(
    s3: &S3EncryptionClient,
    name: &S3Name,
    version_id: Option<String>,
) -> waxseal::Result<Report> {
    let head = s3.head_object(&name.bucket, &name.key, cat::version(version_id)).await?;
    let envelope = head.envelope();
    let in_metadata = envelope.header().is_some() || envelope.format() == Format::OneShot;
    let mut report = Report::new(name.to_string(), envelope);
    report.placement = if in_metadata { "metadata" } else { "inline" };
    report.sealed_size = head.sealed_len();
    report.plaintext_size_unverified = head.unverified_len();
    report.segment_size = head.header().map(floe::Header::segment_len);
    report.metadata = Some(head.metadata().into_iter().collect());
    Ok(report)
}

/// Reads to the end, since only that tells how long the object is.
async fn of_stream(source: String, mut body: Body) -> waxseal::Result<Report> {
    let mut read = Vec::new();
    let mut sealed_size = 0;
    let mut found = None;
    while let Some(more) = body.try_next().await? {
        sealed_size += more.len() as u64;
        if found.is_none() {
            read.extend_from_slice(&more);
            found = front(&read)?;
        }
    }
    let (envelope, header_at, header) = found.ok_or_else(cut_short)?;
    let body_len = sealed_size - header_at - floe::HEADER_LEN as u64;
    let layout = floe::Layout::of_body(header.segment_len(), body_len)?;
    let mut report = Report::new(source, &envelope);
    report.sealed_size = sealed_size;
    report.plaintext_size_unverified = layout.plain_len();
    report.segment_size = Some(header.segment_len());
    Ok(report)
}

/// The envelope and header, if all of them was read. An envelope has 64 KiB at the most.
pub(crate) fn front(read: &[u8]) -> waxseal::Result<Option<(Envelope, u64, floe::Header)>> {
    let Some((envelope, at)) = Envelope::from_inline(read)? else { return Ok(None) };
    let Some(header) = read.get(at..at + floe::HEADER_LEN) else { return Ok(None) };
    Ok(Some((envelope, at as u64, floe::Header::parse(header)?)))
}

fn cut_short() -> Error {
    Error::new(ErrorKind::Format, "it ends before its first segment: not a sealed object")
}

impl Report {
    /// What the envelope alone tells.
    fn new(source: String, envelope: &Envelope) -> Self {
        let (format, suite) = match envelope.format() {
            Format::Floe => ("floe", "floe-aes256gcm-hkdfsha384"),
            Format::OneShot => ("one-shot", "aes256gcm"),
            _ => ("unknown", "unknown"),
        };
        let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
        let key = |w: &waxseal::WrappedKey| ReportedKey {
            provider: Some(w.provider().to_owned()).filter(|provider| !provider.is_empty()),
            key_id: w.key_id().map(str::to_owned),
            ciphertext_size: w.ciphertext().len(),
        };
        let signature = |s: &waxseal::Signature| ReportedSignature {
            provider: s.provider().to_owned(),
            key_id: s.key_id().to_owned(),
        };
        Self {
            source,
            format,
            suite,
            placement: "inline",
            sealed_size: 0,
            plaintext_size_unverified: 0,
            segment_size: None,
            binding: envelope.binding_name(),
            context: envelope.context().map(|context| context.iter().map(own).collect()),
            wrapped_keys: envelope.wrapped_keys().iter().map(key).collect(),
            signature: envelope.signature().map(signature),
            metadata: None,
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            text.extend([format!("{name:<16}{}\n", printable(value))]);
        };
        line("source", &self.source);
        line("format", self.format);
        line("suite", self.suite);
        line("envelope", self.placement);
        line("sealed size", &format!("{} bytes", self.sealed_size));
        let size = format!("{} bytes (unverified)", self.plaintext_size_unverified);
        line("plaintext size", &size);
        if let Some(size) = self.segment_size {
            line("segment size", &format!("{size} bytes"));
        }
        line("binding", self.binding);
        match &self.context {
            None => line("context", "(not stored in this format)"),
            Some(context) if context.is_empty() => line("context", "(none)"),
            Some(context) => {
                context.iter().for_each(|(k, v)| line("context", &format!("{k}={v}")));
            }
        }
        for key in &self.wrapped_keys {
            let provider = key.provider.as_deref().unwrap_or("(not stored in this format)");
            line(
                "wrapped key",
                format!("{provider} {}", key.key_id.as_deref().unwrap_or("")).trim(),
            );
        }
        if let Some(ReportedSignature { provider, key_id }) = &self.signature {
            line("signed by", &format!("{provider} {key_id} (unverified)"));
        }
        for (name, value) in self.metadata.iter().flatten() {
            line("metadata", &format!("{name}={value}"));
        }
        text
    }
}

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  source                     as given
  format                     \"floe\" or \"one-shot\"
  suite                      \"floe-aes256gcm-hkdfsha384\" or \"aes256gcm\"
  placement                  \"inline\" or \"metadata\": where the envelope is
  sealed_size                stored bytes
  plaintext_size_unverified  plaintext bytes, as the stored size implies
  segment_size               encrypted segment in bytes; null for \"one-shot\"
  binding                    \"none\", \"key\", \"bucket-key\" or \"label\"
  context                    object of strings; null if the format stores none
  wrapped_keys               array of { provider, key_id, ciphertext_size };
                             provider and key_id are null if not stored
  signature                  { provider, key_id } that the object says signed
                             it; null if it is not signed
  metadata                   user metadata in S3; null for files

Fields of --json with --keys:
  keys             array of { provider, key_id, objects, bytes }; an object
                   counts with each of its keys; nulls stand for objects that
                   name no key
  sealed           { objects, bytes }; stored bytes, as everywhere here
  not_sealed       { objects, bytes }; of objects in S3 that were named, not
                   listed, no bytes are counted
  depends_only     array of { object, version_id, bytes, encrypted_by_s3 }:
                   objects that open with keys of --depends-on only, or that S3
                   encrypted with one of them, sealed or not (the last is true)
  depends_also     the same of objects that open with other keys too
  depends_unknown  the same of objects that name no key (--format one-shot)
  failed           array of { object, reason }; if there are any, the exit
                   code is not 0

Examples:
  waxseal inspect report.pdf.sealed
  waxseal inspect --json s3://backups/shop.sql | jq -r .wrapped_keys[].key_id
  waxseal inspect --keys --recursive s3://backups/
  waxseal inspect --keys --depends-on aws-kms:alias/old --versions \\
      --recursive s3://backups/";
