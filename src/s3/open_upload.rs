//! A multipart upload from its creation to its completion; aborted if it does not get there.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedMultipartUpload;
use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::s3::Name;
use crate::s3::PutOptions;
use crate::s3::options::with_put_options;
use crate::s3::options::with_sse_customer_key;
use crate::s3::payload::guarded;
use crate::s3::source::http_range;

/// Aborts the upload when dropped, unless disarmed.
pub(super) struct OpenUpload {
    client: Client,
    name: Name,
    options: PutOptions,
    /// Empty once there is nothing to abort.
    id: String,
    /// Where the abort runs, wherever this is dropped.
    runtime: Handle,
}

/// An object as it was when it was looked at, for S3 to copy from.
#[derive(Clone, Debug)]
pub(super) struct CopySource {
    /// As the header states it.
    pub(super) path: String,
    pub(super) etag: String,
}

/// What S3 replied for a part.
macro_rules! completed_part {
    ($number:expr, $reply:expr) => {
        CompletedPart::builder()
            .part_number($number)
            .set_e_tag($reply.e_tag)
            .set_checksum_crc32($reply.checksum_crc32)
            .set_checksum_crc32_c($reply.checksum_crc32_c)
            .set_checksum_crc64_nvme($reply.checksum_crc64_nvme)
            .set_checksum_sha1($reply.checksum_sha1)
            .set_checksum_sha256($reply.checksum_sha256)
            .build()
    };
}

impl OpenUpload {
    /// Creates the upload in a task of its own, so that being dropped while S3 answers does not
    /// lose the id by which it is aborted.
    pub(super) async fn begin(
        client: &Client,
        name: &Name,
        options: &PutOptions,
        metadata: HashMap<String, String>,
    ) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::invalid_input("a multipart upload needs a Tokio runtime"))?;
        let request = with_put_options!(client.create_multipart_upload(), options)
            .bucket(&name.bucket)
            .key(&name.key)
            .set_checksum_type(options.checksum_type.clone())
            .set_metadata(Some(metadata));
        let (client, name, options) = (client.clone(), name.clone(), options.clone());
        let (tell, told) = oneshot::channel();
        runtime.spawn(async move {
            let reply = request.send().await;
            let open = reply.map_err(|e| name.failed("CreateMultipartUpload", e)).map(|reply| {
                let id = reply.upload_id.unwrap_or_default();
                Self { client, name, options, id, runtime: Handle::current() }
            });
            // If nobody listens any more it is dropped here, which aborts it.
            drop(tell.send(open));
        });
        told.await.map_err(|_| {
            Error::new(ErrorKind::Store, "the runtime shut down during CreateMultipartUpload")
        })?
    }

    pub(super) async fn send_part(&self, number: i32, part: Bytes) -> Result<CompletedPart> {
        let options = &self.options;
        let request = self.client.upload_part();
        let request = with_sse_customer_key!(request, options.sse_customer_key.as_ref())
            .set_checksum_algorithm(options.checksum_algorithm.clone())
            .bucket(&self.name.bucket)
            .key(&self.name.key)
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(part));
        let reply = guarded(request.customize(), options.checksum_algorithm.as_ref())
            .send()
            .await
            .map_err(|e| self.name.failed("UploadPart", e))?;
        Ok(completed_part!(number, reply))
    }

    /// Has S3 copy a part from what is stored.
    pub(super) async fn copy_part(
        &self,
        number: i32,
        source: &CopySource,
        range: &Range<u64>,
    ) -> Result<CompletedPart> {
        let reply = self
            .client
            .upload_part_copy()
            .bucket(&self.name.bucket)
            .key(&self.name.key)
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(&source.path)
            .copy_source_if_match(&source.etag)
            .copy_source_range(http_range(range))
            .send()
            .await
            .map_err(|e| self.name.failed("UploadPartCopy", e))?;
        let reply = reply.copy_part_result.filter(|part| part.e_tag.is_some());
        let reply = reply.ok_or_else(|| self.name.lied("no ETag of a copied part"))?;
        Ok(completed_part!(number, reply))
    }

    /// Makes the object of its parts, which are in order.
    pub(super) async fn complete(
        &self,
        parts: Vec<CompletedPart>,
    ) -> Result<CompleteMultipartUploadOutput> {
        let options = &self.options;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload();
        with_sse_customer_key!(request, options.sse_customer_key.as_ref())
            .bucket(&self.name.bucket)
            .key(&self.name.key)
            .upload_id(&self.id)
            .set_checksum_type(options.checksum_type.clone())
            .set_if_match(options.if_match.clone())
            .set_if_none_match(options.if_none_match.then(|| "*".to_owned()))
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|e| self.name.failed("CompleteMultipartUpload", e))
    }

    /// The upload is an object now.
    pub(super) fn disarm(mut self) {
        self.id.clear();
    }

    /// Best effort: what stays behind is for the bucket's lifecycle rule.
    pub(super) async fn abort(mut self) {
        let _ = self.request().send().await;
        self.id.clear();
    }

    fn request(&self) -> AbortMultipartUploadFluentBuilder {
        let Name { bucket, key } = &self.name;
        self.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(&self.id)
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        if self.id.is_empty() {
            return;
        }
        let request = self.request();
        self.runtime.spawn(async move { request.send().await.map(drop) });
    }
}
