//! Rules of Amazon S3 that need no storage: conditions, limits, and what replies contain.

use std::ops::Range;

use http::HeaderMap;
use s3s::S3Result;
use s3s::dto::CompletedPart;
use s3s::dto::ETag;
use s3s::dto::ETagCondition;
use s3s::dto::GetObjectInput;
use s3s::dto::GetObjectOutput;
use s3s::dto::HeadObjectInput;
use s3s::dto::HeadObjectOutput;
use s3s::dto::Metadata;
use s3s::dto::PartNumber;
use s3s::dto::StreamingBlob;
use s3s::s3_error;

/// Refuses user metadata of more than 2 KB, names and values added up.
pub(super) fn check_metadata(metadata: Option<&Metadata>) -> S3Result {
    let entries = metadata.into_iter().flatten();
    let size: usize = entries.map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    Ok(())
}

/// Applies the conditions of a read to the ETag of what is stored.
pub(super) fn check_read(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    current: Option<&ETag>,
) -> S3Result {
    let holds = |condition: &ETagCondition| match (condition, current) {
        (_, None) => false,
        (ETagCondition::Any, Some(_)) => true,
        (ETagCondition::ETag(wanted), Some(current)) => wanted.weak_cmp(current),
    };
    if if_match.is_some_and(|condition| !holds(&condition)) {
        return Err(s3_error!(PreconditionFailed, "{PRECONDITION}"));
    }
    if if_none_match.is_some_and(|condition| holds(&condition)) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// Applies the conditions in the headers of a write to the ETag of what it would replace.
pub(super) fn check_write(headers: &HeaderMap, current: Option<&ETag>) -> S3Result {
    let condition =
        |name: &str| ETagCondition::parse_http_header(headers.get(name)?.as_bytes()).ok();
    let (if_match, if_none_match) = (condition("if-match"), condition("if-none-match"));
    if if_match.is_some() && current.is_none() {
        return Err(s3_error!(NoSuchKey));
    }
    check_read(if_match, None, current)?;
    check_read(None, if_none_match, current)
        .map_err(|_| s3_error!(PreconditionFailed, "{PRECONDITION}"))
}

/// Refuses a list of parts that is empty, out of order, names parts that were not uploaded
/// like this, or has a small one before the last.
///
/// An ETag that is not known, because the process was restarted, is taken as right.
pub(super) fn check_parts(
    parts: &[CompletedPart],
    etag_of: impl Fn(PartNumber) -> Option<String>,
    len_of: impl Fn(PartNumber) -> Option<u64>,
) -> S3Result {
    if parts.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let numbers: Vec<_> = parts.iter().map(|part| part.part_number.unwrap_or(0)).collect();
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
    }
    for (part, &number) in parts.iter().zip(&numbers) {
        let stated = part.e_tag.as_ref().map(ETag::value);
        let same = etag_of(number).is_none_or(|etag| stated == Some(etag.as_str()));
        let Some(len) = len_of(number).filter(|_| same) else {
            return Err(s3_error!(InvalidPart, "{INVALID_PART}"));
        };
        if len < MIN_PART && Some(&number) != numbers.last() {
            return Err(s3_error!(EntityTooSmall, "{ENTITY_TOO_SMALL}"));
        }
    }
    Ok(())
}

/// The request for the head of an object whose content is asked for.
pub(super) fn head_of(get: GetObjectInput) -> HeadObjectInput {
    HeadObjectInput {
        bucket: get.bucket,
        checksum_mode: get.checksum_mode,
        if_match: get.if_match,
        if_none_match: get.if_none_match,
        key: get.key,
        ..Default::default()
    }
}

/// The reply with bytes `part` of an object of `len` bytes.
pub(super) fn get_of(
    head: HeadObjectOutput,
    body: StreamingBlob,
    part: Range<u64>,
    len: u64,
    is_partial: bool,
) -> GetObjectOutput {
    let mut reply = GetObjectOutput {
        accept_ranges: head.accept_ranges,
        body: Some(body),
        cache_control: head.cache_control,
        content_disposition: head.content_disposition,
        content_encoding: head.content_encoding,
        content_language: head.content_language,
        content_length: i64::try_from(part.end - part.start).ok(),
        content_type: head.content_type,
        e_tag: head.e_tag,
        expires: head.expires,
        last_modified: head.last_modified,
        metadata: head.metadata,
        website_redirect_location: head.website_redirect_location,
        ..Default::default()
    };
    if is_partial {
        reply.content_range = Some(format!("bytes {}-{}/{len}", part.start, part.end - 1));
    }
    // A checksum is of the whole object, and the SDK would compare it with the part.
    if part == (0..len) {
        reply.checksum_crc32 = head.checksum_crc32;
        reply.checksum_crc32c = head.checksum_crc32c;
        reply.checksum_crc64nvme = head.checksum_crc64nvme;
        reply.checksum_sha1 = head.checksum_sha1;
        reply.checksum_sha256 = head.checksum_sha256;
    }
    reply
}

/// Bytes.
const MAX_METADATA: usize = 2048;

/// Bytes.
const MIN_PART: u64 = 5 << 20;

const ENTITY_TOO_SMALL: &str =
    "Your proposed upload is smaller than the minimum allowed object size.";
const INVALID_PART: &str = "One or more of the specified parts could not be found. The part \
     might not have been uploaded, or the specified entity tag might not have matched the \
     part's entity tag.";
const PRECONDITION: &str = "At least one of the pre-conditions you specified did not hold";
