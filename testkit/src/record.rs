//! What was asked of the services, and what came of it.
//!
//! Bodies of S3 requests and replies are never collected, only measured.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use http::HeaderMap;
use http::Method;
use http::Uri;
use serde_json::Value;

/// One request, and its reply once there is one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The service that was asked.
    pub service: Service,
    /// Name of the operation in the AWS API, such as `GenerateDataKey` or `UploadPart`.
    pub operation: String,
    /// Bucket, for S3.
    pub bucket: Option<String>,
    /// Object key for S3, as the client spelled it before URL encoding; for KMS the `KeyId`
    /// of the request.
    pub key: Option<String>,
    /// Query parameters, decoded. Those without a value have an empty one.
    pub query: BTreeMap<String, String>,
    /// `range`, `if-*`, `content-type` and `x-amz-*` headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Payload bytes of the request, without the framing of signed chunks.
    pub request_bytes: u64,
    /// The whole request of a KMS operation; `Null` for S3.
    pub input: Value,
    /// Status of the reply; `None` while there is none, or if it was lost.
    pub status: Option<u16>,
    /// Body bytes of a successful reply as announced by `content-length`; 0 if there is no
    /// such header, or the reply is to `HEAD`.
    pub response_bytes: u64,
}

/// A service of AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// Key Management Service.
    Kms,
    /// Simple Storage Service.
    S3,
}

impl Call {
    /// The value of a recorded request header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether a reply with a success status was sent.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    pub(crate) fn kms(operation: &str, headers: &HeaderMap, body: &[u8]) -> Self {
        let input: Value = serde_json::from_slice(body).unwrap_or_default();
        let key = ["KeyId", "TargetKeyId", "DestinationKeyId"]
            .iter()
            .find_map(|name| input.get(name)?.as_str().map(str::to_owned));
        Self {
            service: Service::Kms,
            operation: operation.to_owned(),
            bucket: None,
            key,
            query: BTreeMap::new(),
            headers: recorded(headers),
            request_bytes: body.len() as u64,
            input,
            status: None,
            response_bytes: 0,
        }
    }

    pub(crate) fn s3(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let non_empty = |part: &str| Some(decode(part)).filter(|part| !part.is_empty());
        let mut query = BTreeMap::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.insert(decode(name), decode(value));
        }
        let number = |name| headers.get(name)?.to_str().ok()?.parse().ok();
        let mut call = Self {
            service: Service::S3,
            operation: String::new(),
            bucket: non_empty(bucket),
            key: non_empty(key),
            query,
            headers: recorded(headers),
            request_bytes: number("x-amz-decoded-content-length")
                .or_else(|| number("content-length"))
                .unwrap_or(0),
            input: Value::Null,
            status: None,
            response_bytes: 0,
        };
        call.operation = call.s3_operation(method).to_owned();
        call
    }

    /// The operation that method, path and query stand for; `Unknown` if not one of those
    /// this crate serves.
    ///
    /// An unknown sub-resource must not fall back to the plain operation: `s3s` would take
    /// `PUT key?annotation` for a `PutObject` and overwrite the object.
    fn s3_operation(&self, method: &Method) -> &'static str {
        let has = |name: &str| self.query.contains_key(name);
        let copies = self.headers.contains_key("x-amz-copy-source");
        let level = (self.bucket.is_some(), self.key.is_some());
        if let ((true, false), Some(setting)) = (level, self.setting()) {
            return setting_operation(method, setting);
        }
        let operation = match (method.as_str(), level) {
            ("GET", (false, _)) => "ListBuckets",
            ("PUT", (_, false)) => "CreateBucket",
            ("HEAD", (_, false)) => "HeadBucket",
            ("DELETE", (_, false)) => "DeleteBucket",
            ("GET", (_, false)) if has("versions") => return "ListObjectVersions",
            ("GET", (_, false)) if has("uploads") => return "ListMultipartUploads",
            ("GET", (_, false)) if has("location") => return "GetBucketLocation",
            ("GET", (_, false)) if has("list-type") => return "ListObjectsV2",
            ("GET", (_, false)) => "ListObjects",
            ("POST", (_, false)) if has("delete") => return "DeleteObjects",
            ("GET", _) if has("tagging") => return "GetObjectTagging",
            ("GET", _) if has("uploadId") => return "ListParts",
            ("GET", _) => "GetObject",
            ("HEAD", _) => "HeadObject",
            ("PUT", _) if has("uploadId") && copies => return "UploadPartCopy",
            ("PUT", _) if has("uploadId") => return "UploadPart",
            ("PUT", _) if copies => "CopyObject",
            ("PUT", _) => "PutObject",
            ("POST", _) if has("uploads") => return "CreateMultipartUpload",
            ("POST", _) if has("uploadId") => return "CompleteMultipartUpload",
            ("DELETE", _) if has("uploadId") => return "AbortMultipartUpload",
            ("DELETE", _) => "DeleteObject",
            _ => "Unknown",
        };
        let plain = self.query.keys().all(|name| {
            PLAIN_PARAMETERS.contains(&name.as_str())
                || name.to_ascii_lowercase().starts_with("x-amz-")
                || name.starts_with("response-")
        });
        if plain { operation } else { "Unknown" }
    }

    /// The setting of a bucket that is meant, if one is.
    fn setting(&self) -> Option<&'static (&'static str, [&'static str; 3])> {
        SETTINGS.iter().find(|(name, _)| self.query.contains_key(*name))
    }
}

/// Every call of one [`LocalAws`](crate::LocalAws).
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Entry>>);

/// A call in the log that may still get its reply.
#[derive(Clone, Debug)]
pub(crate) struct Entry(Arc<Mutex<Call>>);

impl Log {
    pub(crate) fn begin(&self, call: Call) -> Entry {
        let entry = Entry(Arc::new(Mutex::new(call)));
        lock(&self.0).push(entry.clone());
        entry
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.0).iter().map(|entry| lock(&entry.0).clone()).collect()
    }

    pub(crate) fn reset(&self) {
        mem::take(&mut *lock(&self.0));
    }
}

impl Entry {
    pub(crate) fn finish(&self, status: u16, response_bytes: u64) {
        let mut call = lock(&self.0);
        call.status = Some(status);
        call.response_bytes = response_bytes;
    }
}

/// Locks without regard to a panic elsewhere: a failed test must not hide its own message.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recorded(headers: &HeaderMap) -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        matches!(name, "range" | "content-type")
            || name.starts_with("if-")
            || name.starts_with("x-amz-")
    };
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let all = headers.iter().filter(|(name, _)| wanted(name.as_str()));
    all.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn setting_operation(
    method: &Method,
    (_, [get, put, delete]): &'static (&'static str, [&'static str; 3]),
) -> &'static str {
    match method.as_str() {
        "GET" => get,
        "PUT" => put,
        "DELETE" => delete,
        _ => "Unknown",
    }
}

/// Undoes URL encoding; what is not valid stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| first == b'%');
        let hex = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(hex.unwrap_or(first));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameter that names a setting of a bucket, and what reads, sets and deletes it.
const SETTINGS: &[(&str, [&str; 3])] = &[
    ("encryption", ["GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"]),
    (
        "lifecycle",
        [
            "GetBucketLifecycleConfiguration",
            "PutBucketLifecycleConfiguration",
            "DeleteBucketLifecycle",
        ],
    ),
    ("object-lock", ["GetObjectLockConfiguration", "PutObjectLockConfiguration", "Unknown"]),
    ("policy", ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"]),
    (
        "publicAccessBlock",
        ["GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"],
    ),
    ("versioning", ["GetBucketVersioning", "PutBucketVersioning", "Unknown"]),
];

/// Parameters that leave an operation what it is.
const PLAIN_PARAMETERS: &[&str] = &[
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "marker",
    "max-buckets",
    "max-keys",
    "partNumber",
    "prefix",
    "start-after",
    "versionId",
    "x-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(method: Method, uri: &str) -> String {
        Call::s3(&method, &uri.parse().unwrap(), &HeaderMap::new()).operation
    }

    #[test]
    fn operations_are_named_as_in_the_aws_api() {
        for (method, uri, name) in [
            (Method::GET, "/?x-id=ListBuckets", "ListBuckets"),
            (Method::PUT, "/b", "CreateBucket"),
            (Method::HEAD, "/b/", "HeadBucket"),
            (Method::GET, "/b/?list-type=2&prefix=a", "ListObjectsV2"),
            (Method::GET, "/b?uploads", "ListMultipartUploads"),
            (Method::POST, "/b?delete", "DeleteObjects"),
            (Method::PUT, "/b/k?x-id=PutObject", "PutObject"),
            (Method::PUT, "/b/k?uploadId=u&partNumber=1", "UploadPart"),
            (Method::POST, "/b/k?uploads", "CreateMultipartUpload"),
            (Method::POST, "/b/k?uploadId=u", "CompleteMultipartUpload"),
            (Method::DELETE, "/b/k?uploadId=u", "AbortMultipartUpload"),
            (Method::GET, "/b/k/l?versionId=null", "GetObject"),
            (Method::PUT, "/b/k?annotation", "Unknown"),
            (Method::PUT, "/b?policy", "PutBucketPolicy"),
            (Method::DELETE, "/b?lifecycle", "DeleteBucketLifecycle"),
            (Method::DELETE, "/b?versioning", "Unknown"),
            (Method::GET, "/b/?versions&prefix=a", "ListObjectVersions"),
            (Method::PUT, "/b?acl", "Unknown"),
            (Method::PUT, "/b/k?policy", "Unknown"),
        ] {
            assert_eq!(operation(method, uri), name, "{uri}");
        }
    }

    #[test]
    fn names_are_decoded() {
        let uri = "/b/a%20b/%C3%A9%zz?x-id=a%2Bb".parse().unwrap();
        let call = Call::s3(&Method::GET, &uri, &HeaderMap::new());
        assert_eq!(call.bucket.as_deref(), Some("b"));
        assert_eq!(call.key.as_deref(), Some("a b/é%zz"));
        assert_eq!(call.query["x-id"], "a+b");
    }
}
