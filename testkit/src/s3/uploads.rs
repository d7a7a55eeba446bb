//! What Amazon S3 knows of open uploads and `s3s-fs` does not keep: the checksum that was
//! announced, and each part's ETag and checksums, which it verifies on arrival.
//!
//! Lost with the process. What is not known is taken as right.

use std::collections::HashMap;
use std::iter::zip;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream;
use s3s::S3Result;
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;
use s3s::dto::ChecksumAlgorithm;
use s3s::dto::CompletedPart;
use s3s::dto::CopyPartResult;
use s3s::dto::ETag;
use s3s::dto::PartNumber;
use s3s::dto::StreamingBlob;
use s3s::dto::UploadPartInput;
use s3s::dto::UploadPartOutput;
use s3s::s3_error;

use crate::record::lock;
use crate::s3::properties::Properties;

/// The checksums that a typed request or reply states.
macro_rules! checksum_of {
    ($of:expr) => {
        Checksum {
            checksum_crc32: $of.checksum_crc32.clone(),
            checksum_crc32c: $of.checksum_crc32c.clone(),
            checksum_crc64nvme: $of.checksum_crc64nvme.clone(),
            checksum_sha1: $of.checksum_sha1.clone(),
            checksum_sha256: $of.checksum_sha256.clone(),
            ..Checksum::default()
        }
    };
}

/// The open uploads, by their ids.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Upload>>);

#[derive(Debug, Default)]
struct Upload {
    checksum: Option<String>,
    properties: Properties,
    parts: HashMap<PartNumber, Part>,
}

#[derive(Clone, Debug)]
struct Part {
    etag: String,
    checksum: Checksum,
}

impl Uploads {
    pub(super) fn begin(
        &self,
        upload_id: &str,
        checksum: Option<&ChecksumAlgorithm>,
        properties: Properties,
    ) {
        let checksum = checksum.map(|algorithm| algorithm.as_str().to_owned());
        let upload = Upload { checksum, properties, ..Upload::default() };
        lock(&self.0).insert(upload_id.to_owned(), upload);
    }

    /// Forgets an upload; gives what the object of it is to have.
    pub(super) fn forget(&self, upload_id: &str) -> Properties {
        lock(&self.0).remove(upload_id).unwrap_or_default().properties
    }

    pub(super) fn etag(&self, upload_id: &str, number: PartNumber) -> Option<String> {
        Some(lock(&self.0).get(upload_id)?.parts.get(&number)?.etag.clone())
    }

    pub(super) fn add_part(
        &self,
        upload_id: &str,
        number: PartNumber,
        etag: Option<&ETag>,
        checksum: Checksum,
    ) {
        let etag = etag.map(|etag| etag.value().to_owned()).unwrap_or_default();
        let mut uploads = lock(&self.0);
        let parts = &mut uploads.entry(upload_id.to_owned()).or_default().parts;
        parts.insert(number, Part { etag, checksum });
    }

    /// What was announced, of a part that was copied.
    pub(super) fn checksum_of(&self, upload_id: &str, part: &Path) -> Checksum {
        let announced = lock(&self.0).get(upload_id).and_then(|upload| upload.checksum.clone());
        let is = |algorithm| announced.as_deref() == Some(algorithm);
        let mut hasher = ChecksumHasher {
            crc32: is(ChecksumAlgorithm::CRC32).then(Default::default),
            crc32c: is(ChecksumAlgorithm::CRC32C).then(Default::default),
            crc64nvme: is(ChecksumAlgorithm::CRC64NVME).then(Default::default),
            sha1: is(ChecksumAlgorithm::SHA1).then(Default::default),
            sha256: is(ChecksumAlgorithm::SHA256).then(Default::default),
        };
        hasher.update(&std::fs::read(part).unwrap_or_default());
        hasher.finalize()
    }

    pub(super) fn remove_part(&self, upload_id: &str, number: PartNumber) {
        let mut uploads = lock(&self.0);
        uploads.get_mut(upload_id).and_then(|upload| upload.parts.remove(&number));
    }

    /// Refuses a part whose checksum is not of the announced algorithm. In a trailer it is not
    /// known yet.
    pub(super) fn check_announced(&self, part: &UploadPartInput, in_trailer: bool) -> S3Result {
        let uploads = lock(&self.0);
        let announced = uploads.get(&part.upload_id).and_then(|upload| upload.checksum.as_deref());
        let stated = checksum_of!(part);
        let actual = values(&stated).into_iter().find(|(_, value)| value.is_some());
        let actual = actual.map(|(algorithm, _)| algorithm);
        match announced {
            Some(announced) if !in_trailer && actual != Some(announced) => Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}",
                announced.to_lowercase(),
                actual.map_or("null".to_owned(), str::to_lowercase)
            )),
            _ => Ok(()),
        }
    }

    /// Refuses a list of parts that states other checksums than were sent, or leaves out those of
    /// which S3 makes the checksum of the object. That is not so for CRC-64/NVME, which S3 combines
    /// from its own.
    pub(super) fn check_completed(&self, upload_id: &str, parts: &[CompletedPart]) -> S3Result {
        let uploads = lock(&self.0);
        let Some(upload) = uploads.get(upload_id) else { return Ok(()) };
        for part in parts {
            let number = part.part_number.unwrap_or_default();
            let Some(known) = upload.parts.get(&number) else { continue };
            let stated = checksum_of!(part);
            for ((algorithm, known), (_, stated)) in zip(values(&known.checksum), values(&stated)) {
                let needed = upload.checksum.as_deref() == Some(algorithm);
                if needed && algorithm != ChecksumAlgorithm::CRC64NVME && stated.is_none() {
                    return Err(s3_error!(
                        InvalidRequest,
                        "The upload was created using a {} checksum. The complete request must \
                         include the checksum for each part. It was missing for part {number} in \
                         the request.",
                        algorithm.to_lowercase()
                    ));
                }
                if stated.is_some() && stated != known {
                    return Err(s3_error!(InvalidPart, "A part has another checksum."));
                }
            }
        }
        Ok(())
    }
}

/// Computes, as the body is read, the checksums that `part` states.
pub(super) fn watch(part: &mut UploadPartInput) -> Watched {
    let stated = checksum_of!(part);
    let hasher = ChecksumHasher {
        crc32: stated.checksum_crc32.is_some().then(Default::default),
        crc32c: stated.checksum_crc32c.is_some().then(Default::default),
        crc64nvme: stated.checksum_crc64nvme.is_some().then(Default::default),
        sha1: stated.checksum_sha1.is_some().then(Default::default),
        sha256: stated.checksum_sha256.is_some().then(Default::default),
    };
    let hasher = Arc::new(Mutex::new(hasher));
    if let Some(mut body) = part.body.take() {
        let hasher = Arc::clone(&hasher);
        let body = stream::poll_fn(move |cx| {
            let polled = body.poll_next_unpin(cx);
            if let Poll::Ready(Some(Ok(bytes))) = &polled {
                lock(&hasher).update(bytes);
            }
            polled.map_err(std::io::Error::other)
        });
        part.body = Some(StreamingBlob::wrap(body));
    }
    Watched { stated, hasher }
}

/// A body whose checksums are being computed.
pub(super) struct Watched {
    stated: Checksum,
    hasher: Arc<Mutex<ChecksumHasher>>,
}

impl Watched {
    /// The checksums of the body, which was read, if they are those that were stated.
    pub(super) fn verify(self) -> S3Result<Checksum> {
        let actual = std::mem::take(&mut *lock(&self.hasher)).finalize();
        for ((algorithm, stated), (_, actual)) in zip(values(&self.stated), values(&actual)) {
            if stated != actual {
                return Err(s3_error!(
                    BadDigest,
                    "The {algorithm} you specified did not match the calculated checksum."
                ));
            }
        }
        Ok(actual)
    }
}

/// Sets the checksums in a typed reply.
macro_rules! set_checksum {
    ($reply:expr, $checksum:expr) => {
        $reply.checksum_crc32 = $checksum.checksum_crc32;
        $reply.checksum_crc32c = $checksum.checksum_crc32c;
        $reply.checksum_crc64nvme = $checksum.checksum_crc64nvme;
        $reply.checksum_sha1 = $checksum.checksum_sha1;
        $reply.checksum_sha256 = $checksum.checksum_sha256;
    };
}

/// Sets the checksums of a part in the reply to it.
pub(super) fn reply_with(reply: &mut UploadPartOutput, checksum: Checksum) {
    set_checksum!(reply, checksum);
}

/// The same for a part that was copied.
pub(super) fn reply_to_copy_with(reply: &mut CopyPartResult, checksum: Checksum) {
    set_checksum!(reply, checksum);
}

/// All checksums, with the names of their algorithms.
fn values(checksum: &Checksum) -> [(&'static str, Option<&str>); 5] {
    [
        (ChecksumAlgorithm::CRC32, checksum.checksum_crc32.as_deref()),
        (ChecksumAlgorithm::CRC32C, checksum.checksum_crc32c.as_deref()),
        (ChecksumAlgorithm::CRC64NVME, checksum.checksum_crc64nvme.as_deref()),
        (ChecksumAlgorithm::SHA1, checksum.checksum_sha1.as_deref()),
        (ChecksumAlgorithm::SHA256, checksum.checksum_sha256.as_deref()),
    ]
}
