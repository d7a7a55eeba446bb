//! What S3 keeps of an object besides its bytes, to be given to the object that takes its place.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::primitives::DateTimeFormat;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_s3::types::StorageClass;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use crate::envelope::Envelope;
use crate::error::Error;
use crate::error::Result;
use crate::s3::Name;
use crate::s3::PutOptions;
use crate::s3::S3EncryptionClient;
use crate::s3::head::entries;
use crate::s3::head::user_metadata;

/// Everything that can be asked for again. Tags and user metadata are apart.
///
/// # Errors
///
/// `InvalidInput` for what cannot be: the object must then stay as it is.
pub(super) fn properties(name: &Name, head: &HeadObjectOutput) -> Result<PutOptions> {
    let refuse = |what: &str| Err(Error::invalid_input(format!("{name} {what}")));
    if head.sse_customer_algorithm().is_some() {
        return refuse("is encrypted under an SSE-C key, which S3 does not keep: get and put it");
    }
    let archived = [StorageClass::Glacier, StorageClass::DeepArchive];
    if head.storage_class().is_some_and(|class| archived.contains(class))
        || head.archive_status().is_some()
    {
        return refuse("is archived: restore it, and copy it to another storage class");
    }
    if head.missing_meta().is_some_and(|count| count > 0) {
        return refuse("has user metadata that S3 cannot tell, and which would be lost");
    }
    // S3 tells one that has passed, too, and takes none.
    let until = head.object_lock_retain_until_date().copied();
    let until = until.filter(|until| *until > DateTime::from(SystemTime::now()));
    Ok(PutOptions {
        bucket_key_enabled: head.bucket_key_enabled(),
        object_lock_legal_hold_status: head.object_lock_legal_hold_status().cloned(),
        object_lock_mode: until.and(head.object_lock_mode().cloned()),
        object_lock_retain_until_date: until,
        server_side_encryption: head.server_side_encryption().cloned(),
        ssekms_key_id: head.ssekms_key_id().map(str::to_owned),
        storage_class: head.storage_class().cloned(),
        website_redirect_location: head.website_redirect_location().map(str::to_owned),
        ..copied(name, head)?
    })
}

/// Whether the object was last modified before `time`.
pub(super) fn is_before(head: &HeadObjectOutput, time: SystemTime) -> bool {
    head.last_modified().is_some_and(|modified| *modified < DateTime::from(time))
}

/// What S3 copies with an object.
pub(super) fn copied(name: &Name, head: &HeadObjectOutput) -> Result<PutOptions> {
    let expires = head.expires_string().map(|text| {
        DateTime::from_str(text, DateTimeFormat::HttpDate).map_err(|_| {
            Error::invalid_input(format!("{name} has an Expires header that is no date"))
        })
    });
    let own = |text: Option<&str>| text.map(str::to_owned);
    let checksum_algorithm = checksum_algorithm(head);
    // Of parts there is none of the whole, whatever one request stored before.
    let sha = [Some(ChecksumAlgorithm::Sha1), Some(ChecksumAlgorithm::Sha256)];
    let is_sha = sha.contains(&checksum_algorithm);
    Ok(PutOptions {
        cache_control: own(head.cache_control()),
        checksum_type: head.checksum_type().filter(|_| !is_sha).cloned(),
        checksum_algorithm,
        content_disposition: own(head.content_disposition()),
        content_encoding: own(head.content_encoding()),
        content_language: own(head.content_language()),
        content_type: own(head.content_type()),
        expires: expires.transpose()?,
        ..PutOptions::new()
    })
}

/// The user metadata with this envelope instead of the one in it.
pub(super) fn metadata_with(
    head: &HeadObjectOutput,
    envelope: &Envelope,
) -> Result<HashMap<String, String>> {
    let others = user_metadata(entries(head));
    Ok(others.into_iter().chain(envelope.to_metadata()?).collect())
}

/// The user metadata as it is.
pub(super) fn metadata(head: &HeadObjectOutput) -> HashMap<String, String> {
    head.metadata().cloned().unwrap_or_default()
}

/// The checksum that S3 keeps with the object, if the reply was asked for it.
fn checksum_algorithm(head: &HeadObjectOutput) -> Option<ChecksumAlgorithm> {
    let kept = [
        (head.checksum_crc64_nvme(), ChecksumAlgorithm::Crc64Nvme),
        (head.checksum_crc32(), ChecksumAlgorithm::Crc32),
        (head.checksum_crc32_c(), ChecksumAlgorithm::Crc32C),
        (head.checksum_sha1(), ChecksumAlgorithm::Sha1),
        (head.checksum_sha256(), ChecksumAlgorithm::Sha256),
    ];
    kept.into_iter().find_map(|(value, algorithm)| value.map(|_| algorithm))
}

impl S3EncryptionClient {
    /// The tags of an object as a request states them, where S3 does not copy them itself.
    pub(super) async fn tagging(
        &self,
        name: &Name,
        version: Option<&str>,
    ) -> Result<Option<String>> {
        let request = self.client.get_object_tagging().bucket(&name.bucket).key(&name.key);
        let reply = match request.set_version_id(version.map(str::to_owned)).send().await {
            Ok(reply) => reply,
            // Where there are no tags.
            Err(error) if error.code() == Some("NotImplemented") => return Ok(None),
            Err(error) => return Err(name.failed("GetObjectTagging", error)),
        };
        let pair = |tag: &aws_sdk_s3::types::Tag| {
            let key = utf8_percent_encode(tag.key(), NON_ALPHANUMERIC);
            format!("{key}={}", utf8_percent_encode(tag.value(), NON_ALPHANUMERIC))
        };
        let pairs: Vec<_> = reply.tag_set().iter().map(pair).collect();
        Ok((!pairs.is_empty()).then(|| pairs.join("&")))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::head_object::builders::HeadObjectOutputBuilder;
    use aws_sdk_s3::types::ArchiveStatus;
    use aws_sdk_s3::types::ChecksumType;
    use aws_sdk_s3::types::ObjectLockMode;

    use super::*;
    use crate::error::ErrorKind;

    fn asked(
        head: impl FnOnce(HeadObjectOutputBuilder) -> HeadObjectOutputBuilder,
    ) -> Result<PutOptions> {
        let name = Name { bucket: "b".to_owned(), key: "k".to_owned() };
        properties(&name, &head(HeadObjectOutput::builder()).build())
    }

    #[test]
    fn what_cannot_be_preserved_is_refused() {
        let refused = [
            asked(|head| head.sse_customer_algorithm("AES256")),
            asked(|head| head.storage_class(StorageClass::Glacier)),
            asked(|head| head.storage_class(StorageClass::DeepArchive)),
            asked(|head| head.archive_status(ArchiveStatus::ArchiveAccess)),
            asked(|head| head.missing_meta(1)),
            asked(|head| head.expires_string("0")),
        ];
        for (i, refused) in refused.into_iter().enumerate() {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput, "{i}");
        }
        assert!(asked(|head| head).is_ok());
        assert!(asked(|head| head.missing_meta(0)).is_ok());
        // Read like any other, if dearer.
        let at_once = asked(|head| head.storage_class(StorageClass::GlacierIr)).unwrap();
        assert_eq!(at_once.storage_class, Some(StorageClass::GlacierIr));
    }

    #[test]
    fn a_retention_that_has_passed_is_not_asked_for() {
        let until = |secs| {
            asked(|head| {
                head.object_lock_mode(ObjectLockMode::Governance)
                    .object_lock_retain_until_date(DateTime::from_secs(secs))
            })
            .unwrap()
        };
        let passed = until(1_000_000_000);
        assert_eq!((passed.object_lock_mode, passed.object_lock_retain_until_date), (None, None));
        let coming = until(32_000_000_000);
        assert_eq!(coming.object_lock_mode, Some(ObjectLockMode::Governance));
        assert!(coming.object_lock_retain_until_date.is_some());
    }

    /// "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."
    #[test]
    fn sha_of_the_whole_is_not_asked_of_parts() {
        let sha = asked(|h| h.checksum_sha256("a").checksum_type(ChecksumType::FullObject));
        assert_eq!(sha.unwrap().checksum_type, None);
        let crc = asked(|h| h.checksum_crc32("a").checksum_type(ChecksumType::FullObject));
        assert_eq!(crc.unwrap().checksum_type, Some(ChecksumType::FullObject));
    }

    #[test]
    fn the_checksum_is_the_one_that_is_kept() {
        for (head, algorithm) in [
            (asked(|head| head.checksum_crc32("a")), Some(ChecksumAlgorithm::Crc32)),
            (asked(|head| head.checksum_crc32_c("a")), Some(ChecksumAlgorithm::Crc32C)),
            (asked(|head| head.checksum_crc64_nvme("a")), Some(ChecksumAlgorithm::Crc64Nvme)),
            (asked(|head| head.checksum_sha1("a")), Some(ChecksumAlgorithm::Sha1)),
            (asked(|head| head.checksum_sha256("a")), Some(ChecksumAlgorithm::Sha256)),
            (asked(|head| head), None),
        ] {
            assert_eq!(head.unwrap().checksum_algorithm, algorithm);
        }
    }
}
