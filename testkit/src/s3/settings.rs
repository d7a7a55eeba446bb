//! Settings of buckets: documents that are kept as they came, and given back so.
//!
//! `s3s-fs` has none of them. They come by a route beside the S3 API, since Amazon S3 answers with
//! the very document that was put, which typed inputs and outputs would only take apart. Nothing
//! is done about them: policies are not enforced, lifecycles and versioning not carried out.

use async_trait::async_trait;
use http::Extensions;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::Uri;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use http_body_util::Limited;
use s3s::Body;
use s3s::S3Error;
use s3s::S3ErrorCode;
use s3s::S3Request;
use s3s::S3Response;
use s3s::S3Result;
use s3s::dto;
use s3s::route::S3Route;
use s3s::s3_error;
use s3s::xml;
use serde_json::Map;
use serde_json::Value;

use crate::record::Call;

use super::files::Files;

/// The route.
pub(crate) struct Settings {
    files: Files,
}

/// A kind of setting.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Encryption,
    Lifecycle,
    Policy,
    PublicAccessBlock,
    /// Only the status: versions themselves are not kept.
    Versioning,
}

impl Settings {
    pub(crate) fn new(files: Files) -> Self {
        Self { files }
    }
}

#[async_trait]
impl S3Route for Settings {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        _: &mut Extensions,
    ) -> bool {
        let call = Call::s3(method, uri, headers);
        Kind::of(&call.operation).is_some()
    }

    async fn call(&self, req: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let call = Call::s3(&req.method, &req.uri, &req.headers);
        let kind = Kind::of(&call.operation).ok_or_else(|| s3_error!(NotImplemented))?;
        let bucket = call.bucket.unwrap_or_default();
        if !self.files.has_bucket(&bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        match req.method {
            Method::GET => self.get(&bucket, kind),
            Method::PUT => self.put(&bucket, kind, req).await,
            _ => {
                self.files.remove_setting(&bucket, kind.name());
                Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT))
            }
        }
    }
}

impl Settings {
    fn get(&self, bucket: &str, kind: Kind) -> S3Result<S3Response<Body>> {
        let stored = self.files.setting(bucket, kind.name());
        let text = |name: &str| stored.get(name).and_then(Value::as_str);
        let Some(document) = text(DOCUMENT).or(kind.default_document()) else {
            return Err(kind.absent());
        };
        let mut reply = S3Response::new(Body::from(document.to_owned()));
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.content_type()));
        if let Some(size) = text(MINIMUM_SIZE).and_then(|size| HeaderValue::try_from(size).ok()) {
            reply.headers.insert(MINIMUM_SIZE, size);
        }
        Ok(reply)
    }

    async fn put(
        &self,
        bucket: &str,
        kind: Kind,
        req: S3Request<Body>,
    ) -> S3Result<S3Response<Body>> {
        let size = req.headers.get(MINIMUM_SIZE).and_then(|value| value.to_str().ok());
        let size = size.map(|size| (MINIMUM_SIZE.to_owned(), size.into()));
        let body = Limited::new(req.input, MAX_DOCUMENT).collect().await;
        let body = body.map_err(|_| s3_error!(MaxMessageLengthExceeded))?.to_bytes();
        kind.check(&body)?;
        let document = String::from_utf8(body.to_vec()).map_err(|_| s3_error!(MalformedXML))?;
        let document = (DOCUMENT.to_owned(), document.into());
        self.files.set_setting(
            bucket,
            kind.name(),
            &Map::from_iter([document].into_iter().chain(size)),
        );
        let status = match kind {
            Kind::Policy => StatusCode::NO_CONTENT,
            _ => StatusCode::OK,
        };
        Ok(S3Response::with_status(Body::empty(), status))
    }
}

impl Kind {
    /// The kind that an operation reads, sets or deletes.
    fn of(operation: &str) -> Option<Self> {
        Some(match operation {
            "GetBucketEncryption" | "PutBucketEncryption" | "DeleteBucketEncryption" => {
                Self::Encryption
            }
            "GetBucketLifecycleConfiguration"
            | "PutBucketLifecycleConfiguration"
            | "DeleteBucketLifecycle" => Self::Lifecycle,
            "GetBucketPolicy" | "PutBucketPolicy" | "DeleteBucketPolicy" => Self::Policy,
            "GetPublicAccessBlock" | "PutPublicAccessBlock" | "DeletePublicAccessBlock" => {
                Self::PublicAccessBlock
            }
            "GetBucketVersioning" | "PutBucketVersioning" => Self::Versioning,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::Lifecycle => "lifecycle",
            Self::Policy => "policy",
            Self::PublicAccessBlock => "publicAccessBlock",
            Self::Versioning => "versioning",
        }
    }

    fn content_type(self) -> &'static str {
        if matches!(self, Self::Policy) { "application/json" } else { "application/xml" }
    }

    /// What a bucket has that was never set otherwise.
    fn default_document(self) -> Option<&'static str> {
        matches!(self, Self::Versioning).then_some(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>",
        )
    }

    /// The answer where there is none.
    fn absent(self) -> S3Error {
        match self {
            Self::Encryption => s3_error!(ServerSideEncryptionConfigurationNotFoundError),
            Self::Lifecycle => s3_error!(
                NoSuchLifecycleConfiguration,
                "The lifecycle configuration does not exist"
            ),
            Self::Policy => {
                s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist")
            }
            // `s3s` does not know it.
            Self::PublicAccessBlock | Self::Versioning => {
                let code = S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into());
                let mut error = S3Error::with_message(
                    code,
                    "The public access block configuration was not found",
                );
                error.set_status_code(StatusCode::NOT_FOUND);
                error
            }
        }
    }

    /// Refuses what is not such a document.
    fn check(self, document: &[u8]) -> S3Result {
        match self {
            Self::Encryption => {
                let known = without(document, "BlockedEncryptionTypes");
                parse::<dto::ServerSideEncryptionConfiguration>(&known)
            }
            Self::Lifecycle => parse::<dto::BucketLifecycleConfiguration>(document),
            Self::PublicAccessBlock => parse::<dto::PublicAccessBlockConfiguration>(document),
            Self::Versioning => parse::<dto::VersioningConfiguration>(document),
            Self::Policy => {
                let policy: Option<Map<String, Value>> = serde_json::from_slice(document).ok();
                match policy.as_ref().and_then(|policy| policy.get("Statement")) {
                    Some(Value::Array(statements)) if !statements.is_empty() => Ok(()),
                    _ => Err(s3_error!(MalformedPolicy, "Missing required field Statement")),
                }
            }
        }
    }
}

/// The document without the elements of this name, which `s3s` does not know yet.
fn without(document: &[u8], name: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(document);
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut parts = text.split(&open);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(&close).map_or(part, |(_, rest)| rest));
    (first + &rest.collect::<String>()).into_bytes()
}

fn parse<'a, T: xml::Deserialize<'a>>(document: &'a [u8]) -> S3Result {
    let mut reader = xml::Deserializer::new(document);
    let parsed = T::deserialize(&mut reader).and_then(|_| reader.expect_eof());
    parsed.map_err(|_| s3_error!(MalformedXML))
}

/// Bytes. A policy may have 20 KiB, the others more.
const MAX_DOCUMENT: usize = 1 << 20;
const DOCUMENT: &str = "document";
/// Goes with a lifecycle, but in a header.
const MINIMUM_SIZE: &str = "x-amz-transition-default-minimum-object-size";
