//! What Amazon S3 keeps of an object and `s3s-fs` does not: tags, and how it is stored.
//!
//! Kept beside the object, as `s3s-fs` keeps metadata. Nothing is encrypted, archived or locked.

use s3s::dto::*;
use serde_json::Map;
use serde_json::Value;

/// Names and values as the headers of requests state them.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties(Map<String, Value>);

/// Reads the properties that a typed request asks for.
macro_rules! asked_by {
    ($input:expr) => {{
        let mut all = Properties::default();
        all.set(STORAGE_CLASS, $input.storage_class.as_ref().map(|v| v.as_str()));
        all.set(ENCRYPTION, $input.server_side_encryption.as_ref().map(|v| v.as_str()));
        all.set(KMS_KEY, $input.ssekms_key_id.as_deref());
        all.set(BUCKET_KEY, $input.bucket_key_enabled.filter(|on| *on).map(|_| "true"));
        all.set(LOCK_MODE, $input.object_lock_mode.as_ref().map(|v| v.as_str()));
        all.set(LEGAL_HOLD, $input.object_lock_legal_hold_status.as_ref().map(|v| v.as_str()));
        let until = $input.object_lock_retain_until_date.as_ref().map(date);
        all.set(LOCK_UNTIL, until.as_deref());
        all.set(TAGGING, $input.tagging.as_deref());
        all
    }};
}

impl Properties {
    pub(super) fn of_put(input: &PutObjectInput) -> Self {
        asked_by!(input)
    }

    pub(super) fn of_upload(input: &CreateMultipartUploadInput) -> Self {
        asked_by!(input)
    }

    /// Tags alone go with a copy by themselves.
    pub(super) fn of_copy(input: &CopyObjectInput, source: &Self) -> Self {
        let mut all = asked_by!(input);
        let replaces = input.tagging_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        if !replaces {
            all.set(TAGGING, source.text(TAGGING));
        }
        all
    }

    pub(super) fn from_json(json: Map<String, Value>) -> Self {
        Self(json)
    }

    pub(super) fn json(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(super) fn tell(&self, head: &mut HeadObjectOutput) {
        let own = |name| self.text(name).map(str::to_owned);
        // S3 says nothing of its default.
        head.storage_class = own(STORAGE_CLASS).filter(|c| c != "STANDARD").map(Into::into);
        head.server_side_encryption = own(ENCRYPTION).map(Into::into);
        head.ssekms_key_id = own(KMS_KEY);
        head.bucket_key_enabled = own(BUCKET_KEY).map(|_| true);
        head.object_lock_mode = own(LOCK_MODE).map(Into::into);
        head.object_lock_legal_hold_status = own(LEGAL_HOLD).map(Into::into);
        let parsed = |text: &str| Timestamp::parse(TimestampFormat::DateTime, text).ok();
        head.object_lock_retain_until_date = self.text(LOCK_UNTIL).and_then(parsed);
    }

    pub(super) fn tags(&self) -> Vec<Tag> {
        let pairs = self.text(TAGGING).unwrap_or_default().split('&').filter(|p| !p.is_empty());
        let tag = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| Some(crate::record::decode(&text.replace('+', " ")));
            Tag { key: decoded(key), value: decoded(value) }
        };
        pairs.map(tag).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }
}

fn date(timestamp: &Timestamp) -> String {
    let mut text = vec![];
    timestamp.format(TimestampFormat::DateTime, &mut text).expect("a date has a text");
    String::from_utf8_lossy(&text).into_owned()
}

const BUCKET_KEY: &str = "bucket-key";
const ENCRYPTION: &str = "encryption";
const KMS_KEY: &str = "kms-key";
const LEGAL_HOLD: &str = "legal-hold";
const LOCK_MODE: &str = "lock-mode";
const LOCK_UNTIL: &str = "lock-until";
const STORAGE_CLASS: &str = "storage-class";
const TAGGING: &str = "tagging";
