//! S3: `s3s-fs`, mended where it differs from Amazon S3 in ways that tests would notice.
//!
//! Requests have been parsed and their signatures checked when they come here, so the layer
//! works on typed inputs. Each method says in a comment what it mends; those without a
//! comment only pass on. The rest of the S3 API is answered with `NotImplemented`.

mod download;
mod files;
mod needs;
mod properties;
mod rules;
mod settings;
mod sink;
mod uploads;
mod versions;

use std::fs;
use std::io;

use async_trait::async_trait;
use s3s::S3;
use s3s::S3Error;
use s3s::S3Request;
use s3s::S3Response;
use s3s::S3Result;
use s3s::dto::*;
use s3s::s3_error;
use s3s_fs::FileSystem;
use tokio::sync::RwLock;
use tokio::task::spawn_blocking;

use crate::kms::random_uuid;

pub(crate) use files::Files;
pub use files::OpenUpload;
use files::STAGING;
use files::md5_of_file;
use properties::Properties;
pub(crate) use settings::Settings;
use uploads::Uploads;

/// The S3 of one [`LocalAws`](crate::LocalAws).
pub(crate) struct Store {
    inner: FileSystem,
    files: Files,
    /// Held for writing while conditions are checked and an object changes, for reading while
    /// a download begins. `s3s-fs` checks first and writes later, so that of two writers with
    /// `If-None-Match: *` both would win; and it replaces content, metadata and ETag one after
    /// the other, so that a reader could see new content with old metadata.
    change: RwLock<()>,
    uploads: Uploads,
}

impl Store {
    pub(crate) fn new(files: Files) -> io::Result<Self> {
        let inner =
            FileSystem::new(files.root()).map_err(|e| io::Error::other(format!("{e:?}")))?;
        fs::create_dir_all(files.root().join(STAGING))?;
        Ok(Self { inner, files, change: RwLock::default(), uploads: Uploads::default() })
    }

    /// Answers `HEAD`. The caller holds `change`.
    async fn head(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        // Folders are served, conditions ignored.
        self.need_object(&req.input.bucket, &req.input.key)?;
        let conditions = (req.input.if_match.clone(), req.input.if_none_match.clone());
        let properties = self.files.properties(&req.input.bucket, &req.input.key);
        let mut reply = self.inner.head_object(req).await?;
        properties.tell(&mut reply.output);
        rules::check_read(conditions.0, conditions.1, reply.output.e_tag.as_ref())?;
        reply.output.accept_ranges = Some("bytes".to_owned());
        Ok(reply)
    }
}

#[async_trait]
impl S3 for Store {
    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        // Not while the upload is being completed: `s3s-fs` would leave half of either.
        let _guard = self.change.write().await;
        self.need_upload(&req.input.bucket, &req.input.key, &req.input.upload_id)?;
        self.uploads.forget(&req.input.upload_id);
        self.inner.abort_multipart_upload(req).await
    }

    async fn complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let _guard = self.change.write().await;
        let CompleteMultipartUploadInput { bucket, key, upload_id, .. } = &req.input;
        self.need_upload(bucket, key, upload_id)?;
        // `s3s-fs` ignores ETags and checksums of parts, and on any mistake it loses the whole
        // upload.
        let parts = req.input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_ref());
        let parts = parts.map(Vec::as_slice).unwrap_or_default();
        let is_sink = self.files.is_sink(bucket);
        let etag_of = |number| self.uploads.etag(upload_id, number);
        let len_of = |number| match is_sink {
            true => Some(u64::MAX), // it was not kept
            false => self.files.part_len(upload_id, number),
        };
        rules::check_parts(parts, etag_of, len_of)?;
        self.uploads.check_completed(upload_id, parts)?;
        self.check_write(&req.headers, bucket, key)?;
        let (bucket, key, upload_id) = (bucket.clone(), key.clone(), upload_id.clone());
        if let Some(upload) = req.input.multipart_upload.as_mut().filter(|_| is_sink) {
            sink::keep_one_part(upload);
        }
        let reply = self.inner.complete_multipart_upload(req).await?;
        // The checksums of an object that was there before stayed, and would not fit.
        if let Some(etag) = self.files.etag(&bucket, &key) {
            self.files.set_etag(&bucket, &key, &etag);
        }
        let properties = self.uploads.forget(&upload_id);
        self.files.set_properties(&bucket, &key, &properties);
        Ok(reply)
    }

    async fn copy_object(
        &self,
        mut req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.need_bucket(&req.input.bucket)?;
        let CopySource::Bucket { bucket: from, key: source, .. } = &req.input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        self.need_object(from, source)?;
        let to_itself = (&**from, &**source) == (&*req.input.bucket, &*req.input.key);
        let directive = req.input.metadata_directive.as_ref();
        let replaces = directive.is_some_and(|directive| directive.as_str() == "REPLACE");
        // `s3s-fs` does it, and only touches the time.
        if to_itself && !replaces {
            return Err(s3_error!(InvalidRequest, "{COPY_TO_ITSELF}"));
        }
        rules::check_metadata(req.input.metadata.as_ref().filter(|_| replaces))?;
        let _guard = self.change.write().await;
        // Conditions on the destination; `s3s` does not know of them.
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.check_write(&req.headers, &bucket, &key)?;
        // Tags, and how it is to be stored, are ignored.
        let properties = self.files.properties(from, source);
        let properties = Properties::of_copy(&req.input, &properties);
        // The copy would be written over a file that is perhaps being read.
        let staged = Some(random_uuid()).filter(|_| !to_itself);
        if let Some(staged) = &staged {
            STAGING.clone_into(&mut req.input.bucket);
            staged.clone_into(&mut req.input.key);
        }
        let mut reply = self.inner.copy_object(req).await?;
        if let Some(staged) = staged {
            self.files.publish(&staged, &bucket, &key).map_err(S3Error::internal_error)?;
        }
        self.files.set_properties(&bucket, &key, &properties);
        // A copy is not multipart, even of an object that was: its ETag is the MD5.
        if self.files.etag(&bucket, &key).is_some_and(|etag| etag.contains('-')) {
            let path = self.files.object(&bucket, &key);
            let etag = spawn_blocking(move || md5_of_file(&path)).await;
            let etag = etag.map_err(S3Error::internal_error)?.map_err(S3Error::internal_error)?;
            self.files.set_etag(&bucket, &key, &etag);
            if let Some(result) = &mut reply.output.copy_object_result {
                result.e_tag = Some(ETag::Strong(etag));
            }
        }
        Ok(reply)
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        // There is one account, so the bucket is the caller's.
        if self.files.has_bucket(&req.input.bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        self.inner.create_bucket(req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.need_bucket(&req.input.bucket)?;
        // The limit of 2 KB is not enforced.
        rules::check_metadata(req.input.metadata.as_ref())?;
        let checksum = req.input.checksum_algorithm.clone();
        let properties = Properties::of_upload(&req.input);
        let reply = self.inner.create_multipart_upload(req).await?;
        if let Some(upload_id) = &reply.output.upload_id {
            self.uploads.begin(upload_id, checksum.as_ref(), properties);
        }
        Ok(reply)
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        // `s3s-fs` deletes the objects along with it.
        self.need_bucket(&req.input.bucket)?;
        if self.files.has_objects(&req.input.bucket) {
            return Err(s3_error!(BucketNotEmpty));
        }
        self.inner.delete_bucket(req).await
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.need_bucket(&bucket)?;
        let _guard = self.change.write().await;
        // The condition is ignored.
        rules::check_read(req.input.if_match.clone(), None, self.current(&bucket, &key).as_ref())?;
        // A folder on the way to other objects is not the caller's to delete.
        if !key.ends_with('/') && self.files.object(&bucket, &key).is_dir() {
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        let reply = self.inner.delete_object(req).await?;
        // Metadata, checksums and empty folders stayed.
        self.files.forget(&bucket, &key);
        Ok(reply)
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let (bucket, objects) = (req.input.bucket.clone(), req.input.delete.objects.clone());
        self.need_bucket(&bucket)?;
        let _guard = self.change.write().await;
        let reply = self.inner.delete_objects(req).await?;
        // Metadata, checksums and empty folders stayed.
        objects.iter().for_each(|object| self.files.forget(&bucket, &object.key));
        Ok(reply)
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.inner.get_bucket_location(req).await
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        // `s3s-fs` ignores `If-Match` and `If-None-Match`, fails on a suffix range longer
        // than the object and on any range of an empty one, serves folders, and reads 4 KiB
        // at a time. So this does not pass on, but answers from what `HEAD` says.
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let range = req.input.range;
        let guard = self.change.read().await;
        self.need_object(&bucket, &key)?;
        let file = fs::File::open(self.files.object(&bucket, &key));
        let file = file.map_err(|_| s3_error!(NoSuchKey))?;
        let head = self.head(req.map_input(rules::head_of)).await?.output;
        drop(guard);
        let len = file.metadata().map_err(S3Error::internal_error)?.len();
        let part = match range {
            Some(range) if len > 0 => range.check(len)?,
            Some(_) => return Err(s3_error!(InvalidRange)),
            None => 0..len,
        };
        let body = download::body_of(file, part.clone());
        let is_partial = range.is_some();
        Ok(S3Response::new(rules::get_of(head, body, part, len, is_partial)))
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        // Not implemented in `s3s-fs`.
        self.need_object(&req.input.bucket, &req.input.key)?;
        let tag_set = self.files.properties(&req.input.bucket, &req.input.key).tags();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id: None }))
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.inner.head_bucket(req).await
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let _guard = self.change.read().await;
        self.head(req).await
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.inner.list_buckets(req).await
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        // Not implemented in `s3s-fs`. Always one page, delimiters are ignored.
        let ListMultipartUploadsInput { bucket, prefix, .. } = req.input;
        self.need_bucket(&bucket)?;
        let start = prefix.clone().unwrap_or_default();
        let mut open = self.files.open_uploads();
        open.retain(|upload| upload.bucket == bucket && upload.key.starts_with(&start));
        open.sort_by(|a, b| (&a.key, &a.upload_id).cmp(&(&b.key, &b.upload_id)));
        let listed = open.into_iter().map(|upload| MultipartUpload {
            initiated: self.files.upload_began(&upload).map(Into::into),
            key: Some(upload.key),
            upload_id: Some(upload.upload_id),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(bucket),
            is_truncated: Some(false),
            prefix,
            uploads: Some(listed.collect()),
            ..Default::default()
        }))
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        // Not implemented in `s3s-fs`.
        self.need_bucket(&req.input.bucket)?;
        let listed = self.list_objects_v2(req.map_input(versions::list_of)).await?;
        Ok(listed.map_output(versions::versions_of))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let bucket = req.input.bucket.clone();
        let mut reply = self.inner.list_objects(req).await?;
        // ETags are missing.
        for object in reply.output.contents.iter_mut().flatten() {
            object.e_tag = object.key.as_deref().and_then(|key| self.current(&bucket, key));
        }
        Ok(reply)
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let bucket = req.input.bucket.clone();
        let mut reply = self.inner.list_objects_v2(req).await?;
        // ETags are missing.
        for object in reply.output.contents.iter_mut().flatten() {
            object.e_tag = object.key.as_deref().and_then(|key| self.current(&bucket, key));
        }
        Ok(reply)
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.need_upload(&req.input.bucket, &req.input.key, &req.input.upload_id)?;
        let upload_id = req.input.upload_id.clone();
        let mut reply = self.inner.list_parts(req).await?;
        // Order and ETags are missing.
        let parts = reply.output.parts.get_or_insert_default();
        parts.sort_by_key(|part| part.part_number);
        for part in parts {
            let number = part.part_number.unwrap_or_default();
            part.e_tag = self.uploads.etag(&upload_id, number).map(ETag::Strong);
        }
        Ok(reply)
    }

    async fn put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.need_bucket(&req.input.bucket)?;
        // The limit of 2 KB is not enforced.
        rules::check_metadata(req.input.metadata.as_ref())?;
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        if key.ends_with('/') {
            return self.inner.put_object(req).await;
        }
        self.check_write(&req.headers, &bucket, &key)?;
        if self.files.is_sink(&bucket) {
            sink::swallow(&mut req.input.body).await?;
            sink::forget_checksums(&mut req.input);
        }
        // It knows two storage classes.
        let properties = Properties::of_put(&req.input);
        req.input.storage_class = None;
        // Content with a wrong checksum would replace the object all the same.
        let staged = random_uuid();
        STAGING.clone_into(&mut req.input.bucket);
        staged.clone_into(&mut req.input.key);
        (req.input.if_match, req.input.if_none_match) = (None, None);
        let headers = req.headers.clone();
        let reply = self.inner.put_object(req).await;
        let _guard = self.change.write().await;
        let done = reply.and_then(|reply| {
            self.check_write(&headers, &bucket, &key)?;
            self.files.set_properties(STAGING, &staged, &properties);
            self.files.publish(&staged, &bucket, &key).map_err(S3Error::internal_error)?;
            Ok(reply)
        });
        if done.is_err() {
            self.files.discard(&staged);
        }
        done
    }

    async fn upload_part(
        &self,
        mut req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.need_upload(&req.input.bucket, &req.input.key, &req.input.upload_id)?;
        let (upload_id, number) = (req.input.upload_id.clone(), req.input.part_number);
        if self.files.is_sink(&req.input.bucket) {
            sink::swallow(&mut req.input.body).await?;
            req.input.part_number = 1; // one empty part stands for all
            let reply = self.inner.upload_part(req).await?;
            let (etag, checksum) = (reply.output.e_tag.as_ref(), Checksum::default());
            self.uploads.add_part(&upload_id, number, etag, checksum);
            return Ok(reply);
        }
        // Checksums are ignored.
        self.uploads.check_announced(&req.input, req.trailing_headers.is_some())?;
        let watched = uploads::watch(&mut req.input);
        let mut reply = self.inner.upload_part(req).await?;
        let checksum = watched.verify().inspect_err(|_| {
            self.files.remove_part(&upload_id, number);
            self.uploads.remove_part(&upload_id, number);
        })?;
        let etag = reply.output.e_tag.as_ref();
        self.uploads.add_part(&upload_id, number, etag, checksum.clone());
        uploads::reply_with(&mut reply.output, checksum);
        Ok(reply)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.need_upload(&req.input.bucket, &req.input.key, &req.input.upload_id)?;
        let (upload_id, number) = (req.input.upload_id.clone(), req.input.part_number);
        // The condition on the source is ignored.
        if let CopySource::Bucket { bucket, key, .. } = &req.input.copy_source {
            self.need_object(bucket, key)?;
            let current = self.current(bucket, key);
            rules::check_read(req.input.copy_source_if_match.clone(), None, current.as_ref())?;
        }
        let mut reply = self.inner.upload_part_copy(req).await?;
        let result = reply.output.copy_part_result.get_or_insert_default();
        // So is the checksum that was announced.
        let checksum = self.uploads.checksum_of(&upload_id, &self.files.part(&upload_id, number));
        self.uploads.add_part(&upload_id, number, result.e_tag.as_ref(), checksum.clone());
        uploads::reply_to_copy_with(result, checksum);
        Ok(reply)
    }
}

const COPY_TO_ITSELF: &str = "This copy request is illegal because it is trying to copy an object \
     to itself without changing the object's metadata, storage class, website redirect location \
     or encryption attributes.";
