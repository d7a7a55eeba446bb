//! The files in which `s3s-fs` 0.14.1 keeps buckets, read and written directly.
//!
//! ```text
//! <root>/<bucket>/<key>                                                 the object
//! <root>/.bucket-<B>.object-<K>.metadata.json                           its metadata
//! <root>/.bucket-<B>.object-<K>.internal.json                           ETag and checksums
//! <root>/.bucket-<B>.object-<K>.properties.json                         what it does not keep
//! <root>/.bucket-<B>.object-<K>.upload-<id>.metadata.json               of an open upload
//! <root>/.upload-<id>.json                                              owner of an upload
//! <root>/.upload_id-<id>.part-<n>                                       a part of an upload
//! <root>/.staging/<uuid>                                                an object on its way
//! <root>/.sink-<bucket>                                                 marks a sink
//! <root>/.setting-<bucket>.<kind>.json                                  a setting of a bucket
//! ```
//!
//! `<B>` and `<K>` are bucket and key in unpadded URL-safe base64. The exact version of
//! `s3s-fs` is pinned in `Cargo.toml` because of this layout.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use aws_smithy_types::base64;
use s3s::crypto::Checksum;
use s3s::crypto::Md5;
use serde_json::Map;
use serde_json::Value;

use crate::s3::properties::Properties;

/// A folder that holds buckets.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
}

/// A multipart upload that was neither completed nor aborted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OpenUpload {
    /// Bucket of the object to be.
    pub bucket: String,
    /// Key of the object to be.
    pub key: String,
    /// Identifier of the upload.
    pub upload_id: String,
}

impl Files {
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()? })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn create_bucket(&self, bucket: &str) {
        assert!(s3s::path::check_bucket_name(bucket), "{bucket:?} is not a legal bucket name");
        let path = self.root.join(bucket);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("bucket {bucket}: {error}"));
    }

    pub(crate) fn create_sink(&self, bucket: &str) {
        self.create_bucket(bucket);
        let mark = self.root.join(format!(".sink-{bucket}"));
        fs::write(mark, "").unwrap_or_else(|error| panic!("sink {bucket}: {error}"));
    }

    pub(crate) fn is_sink(&self, bucket: &str) -> bool {
        self.root.join(format!(".sink-{bucket}")).exists()
    }

    pub(crate) fn has_bucket(&self, bucket: &str) -> bool {
        self.root.join(bucket).is_dir()
    }

    pub(crate) fn has_objects(&self, bucket: &str) -> bool {
        has_files(&self.root.join(bucket))
    }

    /// The file of an object. Always in the folder of the bucket, even if `key` has `..`.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> PathBuf {
        let names = Path::new(key).components().filter(|part| matches!(part, Component::Normal(_)));
        let mut path = self.root.join(bucket);
        path.extend(names);
        path
    }

    /// Moves an object from [`STAGING`] to its place, with all that is kept beside it.
    pub(crate) fn publish(&self, staged: &str, bucket: &str, key: &str) -> io::Result<()> {
        let path = self.object(bucket, key);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(self.object(STAGING, staged), path)?;
        for kind in SIDE_FILES {
            let (from, to) =
                (self.side_file(STAGING, staged, kind), self.side_file(bucket, key, kind));
            match from.exists() {
                true => fs::rename(from, to)?,
                false => remove(&to),
            }
        }
        Ok(())
    }

    /// Removes what there is of an object in [`STAGING`].
    pub(crate) fn discard(&self, staged: &str) {
        remove(&self.object(STAGING, staged));
        SIDE_FILES.iter().for_each(|kind| remove(&self.side_file(STAGING, staged, kind)));
    }

    pub(crate) fn read(&self, bucket: &str, key: &str) -> Vec<u8> {
        let path = self.object(bucket, key);
        fs::read(path).unwrap_or_else(|error| panic!("object {bucket}/{key}: {error}"))
    }

    pub(crate) fn write(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let path = self.object(bucket, key);
        assert!(path.is_file(), "there is no object {bucket}/{key}");
        // By way of a second file: an open download of the old bytes must not see the new.
        let next = self.root.join(format!(".next-{}", crate::kms::random_uuid()));
        let written = fs::write(&next, bytes).and_then(|()| fs::rename(&next, path));
        written.unwrap_or_else(|error| panic!("object {bucket}/{key}: {error}"));
        self.set_etag(bucket, key, &md5_hex([bytes]));
    }

    pub(crate) fn metadata(&self, bucket: &str, key: &str) -> BTreeMap<String, String> {
        let attributes = self.attributes(bucket, key);
        let metadata = attributes.get("user_metadata").and_then(Value::as_object);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        metadata.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    pub(crate) fn set_metadata(&self, bucket: &str, key: &str, metadata: BTreeMap<String, String>) {
        let mut attributes = self.attributes(bucket, key);
        let metadata = metadata.into_iter().map(|(name, value)| (name, Value::String(value)));
        attributes.insert("user_metadata".to_owned(), metadata.collect());
        write_json(&self.side_file(bucket, key, "metadata"), &attributes);
    }

    /// The stored ETag, without quotes.
    pub(crate) fn etag(&self, bucket: &str, key: &str) -> Option<String> {
        let info = read_json(&self.side_file(bucket, key, "internal"));
        info.get("e_tag").and_then(Value::as_str).map(str::to_owned)
    }

    /// Sets the ETag and forgets the checksums.
    pub(crate) fn set_etag(&self, bucket: &str, key: &str, etag: &str) {
        let info = Map::from_iter([("e_tag".to_owned(), Value::from(etag))]);
        write_json(&self.side_file(bucket, key, "internal"), &info);
    }

    /// What `s3s-fs` does not keep of an object.
    pub(super) fn properties(&self, bucket: &str, key: &str) -> Properties {
        Properties::from_json(read_json(&self.side_file(bucket, key, PROPERTIES)))
    }

    pub(super) fn set_properties(&self, bucket: &str, key: &str, properties: &Properties) {
        write_json(&self.side_file(bucket, key, PROPERTIES), properties.json());
    }

    /// Removes what is kept beside an object that is gone, and the folders that only led to it.
    pub(crate) fn forget(&self, bucket: &str, key: &str) {
        SIDE_FILES.iter().for_each(|kind| remove(&self.side_file(bucket, key, kind)));
        let path = self.object(bucket, key);
        let folders = path.ancestors().skip(1).take_while(|path| *path != self.root.join(bucket));
        // Fails at the first folder that is not empty.
        folders.map(fs::remove_dir).take_while(Result::is_ok).for_each(drop);
    }

    /// A setting of a bucket; empty if it was not set.
    pub(crate) fn setting(&self, bucket: &str, kind: &str) -> Map<String, Value> {
        read_json(&self.setting_file(bucket, kind))
    }

    pub(crate) fn set_setting(&self, bucket: &str, kind: &str, content: &Map<String, Value>) {
        write_json(&self.setting_file(bucket, kind), content);
    }

    pub(crate) fn remove_setting(&self, bucket: &str, kind: &str) {
        remove(&self.setting_file(bucket, kind));
    }

    /// When an upload began.
    pub(crate) fn upload_began(&self, upload: &OpenUpload) -> Option<SystemTime> {
        let kind = format!("upload-{}.metadata", upload.upload_id);
        let file = fs::metadata(self.side_file(&upload.bucket, &upload.key, &kind));
        file.and_then(|file| file.modified()).ok()
    }

    /// Length of a part that was uploaded, in bytes.
    pub(crate) fn part_len(&self, upload_id: &str, number: i32) -> Option<u64> {
        fs::metadata(self.part(upload_id, number)).ok().map(|part| part.len())
    }

    pub(crate) fn remove_part(&self, upload_id: &str, number: i32) {
        remove(&self.part(upload_id, number));
    }

    pub(crate) fn has_upload(&self, bucket: &str, key: &str, upload_id: &str) -> bool {
        self.side_file(bucket, key, &format!("upload-{upload_id}.metadata")).exists()
    }

    pub(crate) fn open_uploads(&self) -> Vec<OpenUpload> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| parse_upload(&name)).collect()
    }

    fn attributes(&self, bucket: &str, key: &str) -> Map<String, Value> {
        assert!(self.object(bucket, key).is_file(), "there is no object {bucket}/{key}");
        read_json(&self.side_file(bucket, key, "metadata"))
    }

    pub(super) fn part(&self, upload_id: &str, number: i32) -> PathBuf {
        self.root.join(format!(".upload_id-{upload_id}.part-{number}"))
    }

    fn setting_file(&self, bucket: &str, kind: &str) -> PathBuf {
        self.root.join(format!(".setting-{bucket}.{kind}.json"))
    }

    fn side_file(&self, bucket: &str, key: &str, kind: &str) -> PathBuf {
        let (bucket, key) = (encode(bucket), encode(key));
        self.root.join(format!(".bucket-{bucket}.object-{key}.{kind}.json"))
    }
}

/// The MD5 of some bytes in hexadecimal, which is what S3 uses as ETag.
pub(crate) fn md5_hex<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Md5::new();
    pieces.into_iter().for_each(|piece| hash.update(piece));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of a file, read in pieces.
pub(crate) fn md5_of_file(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = io::Read::read(&mut file, &mut buffer)?;
        if count == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..count]);
    }
}

/// Removes a file if it is there.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

fn has_files(folder: &Path) -> bool {
    let mut paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.any(|path| !path.is_dir() || has_files(&path))
}

fn parse_upload(file_name: &str) -> Option<OpenUpload> {
    let (bucket, rest) = file_name.strip_prefix(".bucket-")?.split_once(".object-")?;
    let (key, upload_id) = rest.strip_suffix(".metadata.json")?.split_once(".upload-")?;
    Some(OpenUpload { bucket: decode(bucket)?, key: decode(key)?, upload_id: upload_id.to_owned() })
}

fn encode(name: &str) -> String {
    base64::encode(name).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn decode(encoded: &str) -> Option<String> {
    let mut standard = encoded.replace('-', "+").replace('_', "/");
    standard.extend(std::iter::repeat_n('=', encoded.len().wrapping_neg() % 4));
    String::from_utf8(base64::decode(standard).ok()?).ok()
}

fn read_json(path: &Path) -> Map<String, Value> {
    let content = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&content).unwrap_or_default()
}

fn write_json(path: &Path, content: &Map<String, Value>) {
    let text = Value::Object(content.clone()).to_string();
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Where objects are written before they move to their bucket. Not a legal bucket name.
pub(super) const STAGING: &str = ".staging";

/// What is kept beside each object.
const SIDE_FILES: [&str; 3] = ["metadata", "internal", PROPERTIES];
const PROPERTIES: &str = "properties";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_their_encoding() {
        for name in ["", "a", "ab", "abc", "a/b?c>d~", "ключ"] {
            assert_eq!(decode(&encode(name)).as_deref(), Some(name));
        }
    }
}
