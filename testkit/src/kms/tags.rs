//! The tags of keys.

use serde_json::Value;
use serde_json::json;

use super::key_operations::Request;
use super::wire::Failure;

impl Request<'_> {
    pub(super) fn list_resource_tags(&self) -> Result<Value, Failure> {
        let tags = self.key("KeyId")?.tags.iter();
        self.page("Tags", tags.map(|(k, v)| json!({ "TagKey": k, "TagValue": v })).collect())
    }

    pub(super) fn tag_resource(&mut self) -> Result<Value, Failure> {
        let tags = checked(self.input.tags()?)?;
        let key = self.key_mut("KeyId")?;
        key.need_not_pending()?;
        let mut all = key.tags.clone();
        all.retain(|(name, _)| !tags.iter().any(|(given, _)| given == name));
        all.extend(tags);
        key.tags = checked(all)?;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&mut self) -> Result<Value, Failure> {
        let names = self.input.texts("TagKeys")?;
        let key = self.key_mut("KeyId")?;
        key.need_not_pending()?;
        key.tags.retain(|(name, _)| !names.contains(name));
        Ok(json!({}))
    }
}

/// Refuses tags that AWS does not take.
pub(super) fn checked(tags: Vec<(String, String)>) -> Result<Vec<(String, String)>, Failure> {
    let is_legal = |(name, value): &(String, String)| {
        (1..=128).contains(&name.len()) && value.len() <= 256 && !name.starts_with("aws:")
    };
    let is_twice = |(i, (name, _)): (usize, &(String, String))| {
        tags[..i].iter().any(|(before, _)| before == name)
    };
    if !tags.iter().all(is_legal) || tags.iter().enumerate().any(is_twice) {
        return Err(Failure::tag());
    }
    if tags.len() > MAX_TAGS {
        return Err(Failure::limit_exceeded("Too many tags"));
    }
    Ok(tags)
}

/// Of a key.
const MAX_TAGS: usize = 50;
