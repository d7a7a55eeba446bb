//! Versions of objects, of which there is one each: buckets keep no others.

use s3s::dto::*;

/// The listing of objects that lists the same versions.
pub(super) fn list_of(input: ListObjectVersionsInput) -> ListObjectsV2Input {
    ListObjectsV2Input {
        bucket: input.bucket,
        delimiter: input.delimiter,
        encoding_type: input.encoding_type,
        max_keys: input.max_keys,
        prefix: input.prefix,
        start_after: input.key_marker,
        ..Default::default()
    }
}

/// What was listed, as versions: those of a bucket without versioning are all called `null`.
pub(super) fn versions_of(listed: ListObjectsV2Output) -> ListObjectVersionsOutput {
    let objects = listed.contents.into_iter().flatten();
    let versions: Vec<_> = objects
        .map(|object| ObjectVersion {
            e_tag: object.e_tag,
            is_latest: Some(true),
            key: object.key,
            last_modified: object.last_modified,
            size: object.size,
            version_id: Some("null".to_owned()),
            ..Default::default()
        })
        .collect();
    let is_truncated = listed.is_truncated == Some(true);
    let last = versions.last().and_then(|version| version.key.clone());
    let prefixes = listed.common_prefixes.iter().flatten();
    let last_prefix = prefixes.filter_map(|prefix| prefix.prefix.clone()).next_back();
    ListObjectVersionsOutput {
        common_prefixes: listed.common_prefixes,
        delimiter: listed.delimiter,
        is_truncated: Some(is_truncated),
        max_keys: listed.max_keys,
        name: listed.name,
        next_key_marker: last.max(last_prefix).filter(|_| is_truncated),
        next_version_id_marker: is_truncated.then(|| "null".to_owned()),
        prefix: listed.prefix,
        versions: Some(versions),
        ..Default::default()
    }
}
