//! What must be there for a request, or not be: Amazon S3 refuses what `s3s-fs` lets pass.

use http::HeaderMap;
use s3s::S3Result;
use s3s::dto::ETag;
use s3s::s3_error;

use crate::s3::Store;
use crate::s3::rules;

impl Store {
    /// Refuses what Amazon S3 refuses: without it, writes create the bucket.
    pub(super) fn need_bucket(&self, bucket: &str) -> S3Result {
        if self.files.has_bucket(bucket) { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// Refuses an object that is not there, or is only a folder on the way to others.
    pub(super) fn need_object(&self, bucket: &str, key: &str) -> S3Result {
        self.need_bucket(bucket)?;
        if self.files.object(bucket, key).is_file() { Ok(()) } else { Err(s3_error!(NoSuchKey)) }
    }

    /// Refuses an upload that was completed, aborted or never begun; `s3s-fs` says
    /// `AccessDenied`.
    pub(super) fn need_upload(&self, bucket: &str, key: &str, upload_id: &str) -> S3Result {
        self.need_bucket(bucket)?;
        if self.files.has_upload(bucket, key, upload_id) {
            return Ok(());
        }
        Err(s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }

    /// The ETag of what is stored under a key now.
    pub(super) fn current(&self, bucket: &str, key: &str) -> Option<ETag> {
        self.need_object(bucket, key).ok()?;
        self.files.etag(bucket, key).map(ETag::Strong)
    }

    /// Applies the conditions of a write to what is stored now.
    pub(super) fn check_write(&self, headers: &HeaderMap, bucket: &str, key: &str) -> S3Result {
        rules::check_write(headers, self.current(bucket, key).as_ref())
    }
}
