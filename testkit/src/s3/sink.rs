//! Buckets that read what is put into them and keep none of it: a server that costs little, for
//! measuring clients.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use s3s::S3Error;
use s3s::S3Result;
use s3s::dto::CompletedMultipartUpload;
use s3s::dto::PutObjectInput;
use s3s::dto::StreamingBlob;

/// Reads a body to its end and leaves an empty one.
pub(super) async fn swallow(body: &mut Option<StreamingBlob>) -> S3Result {
    if let Some(mut body) = body.take() {
        while let Some(piece) = body.next().await {
            piece.map_err(|error| S3Error::internal_error(io::Error::other(error)))?;
        }
    }
    *body = Some(StreamingBlob::wrap(stream::empty::<io::Result<Bytes>>()));
    Ok(())
}

/// Leaves the empty part that stands for all.
pub(super) fn keep_one_part(upload: &mut CompletedMultipartUpload) {
    let parts = upload.parts.get_or_insert_default();
    parts.truncate(1);
    parts.iter_mut().for_each(|part| part.part_number = Some(1));
}

/// Drops what would not fit an empty body.
pub(super) fn forget_checksums(put: &mut PutObjectInput) {
    put.checksum_algorithm = None;
    put.checksum_crc32 = None;
    put.checksum_crc32c = None;
    put.checksum_crc64nvme = None;
    put.checksum_sha1 = None;
    put.checksum_sha256 = None;
    put.content_md5 = None;
}
