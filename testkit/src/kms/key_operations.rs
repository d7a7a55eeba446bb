//! Operations that make, find and change keys and aliases.

use serde_json::Value;
use serde_json::json;

use crate::sdk::ACCOUNT;

use super::Account;
use super::Region;
use super::key::Key;
use super::key::State;
use super::key::arn_of;
use super::key::now;
use super::key::seconds;
use super::policy;
use super::rsa::RsaPair;
use super::signing;
use super::signing::Signer;
use super::tags::checked;
use super::wire::Failure;
use super::wire::Input;

/// Carries out `operation`.
pub(super) fn run(
    account: &mut Account,
    region: &str,
    operation: &str,
    input: &Input,
) -> Result<Value, Failure> {
    let mut request = Request { account, region, operation, input };
    match operation {
        "CancelKeyDeletion" => request.cancel_key_deletion(),
        "CreateAlias" => request.create_alias(),
        "CreateKey" => request.create_key(),
        "CreateGrant" => request.create_grant(),
        "DeleteAlias" => request.delete_alias(),
        "DescribeKey" => request.describe_key(),
        "DisableKey" => request.set_state(State::Disabled),
        "DisableKeyRotation" => request.disable_key_rotation(),
        "EnableKey" => request.set_state(State::Enabled),
        "EnableKeyRotation" => request.enable_key_rotation(),
        "GetKeyPolicy" => request.get_key_policy(),
        "GetKeyRotationStatus" => request.get_key_rotation_status(),
        "ListAliases" => request.list_aliases(),
        "ListGrants" => request.list_grants(),
        "ListKeyRotations" => request.list_key_rotations(),
        "ListKeys" => request.list_keys(),
        "ListResourceTags" => request.list_resource_tags(),
        "ListRetirableGrants" => request.list_retirable_grants(),
        "PutKeyPolicy" => request.put_key_policy(),
        "ReplicateKey" => request.replicate_key(),
        "RetireGrant" => request.retire_grant(),
        "RevokeGrant" => request.revoke_grant(),
        "RotateKeyOnDemand" => request.rotate_key_on_demand(),
        "ScheduleKeyDeletion" => request.schedule_key_deletion(),
        "TagResource" => request.tag_resource(),
        "UntagResource" => request.untag_resource(),
        "UpdateAlias" => request.update_alias(),
        "UpdateKeyDescription" => request.update_key_description(),
        _ => Err(Failure::unknown_operation()),
    }
}

pub(super) struct Request<'a> {
    pub(super) account: &'a mut Account,
    pub(super) region: &'a str,
    operation: &'a str,
    pub(super) input: &'a Input,
}

impl Request<'_> {
    fn cancel_key_deletion(&mut self) -> Result<Value, Failure> {
        let key = self.key_mut("KeyId")?;
        if !key.state.is_pending() {
            return Err(Failure::not_pending_deletion(&key.arn));
        }
        key.state = State::Disabled;
        Ok(json!({ "KeyId": key.arn }))
    }

    fn create_alias(&mut self) -> Result<Value, Failure> {
        let alias = check_alias(self.input.need_text("AliasName")?)?.to_owned();
        let id = self.alias_target()?;
        let arn = self.alias_arn(&alias);
        let aliases = &mut self.account.region(self.region).aliases;
        if aliases.contains_key(&alias) {
            return Err(Failure::alias_exists(&arn));
        }
        aliases.insert(alias, id);
        Ok(json!({}))
    }

    fn create_key(&mut self) -> Result<Value, Failure> {
        let usage = self.input.text("KeyUsage")?.unwrap_or("ENCRYPT_DECRYPT");
        let spec = self.input.text("KeySpec")?.unwrap_or("SYMMETRIC_DEFAULT");
        let mut key = Key::new(self.region, self.input.flag("MultiRegion")?);
        match (usage, spec) {
            ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT") => {}
            (signing::USAGE, signing::SPEC) => key.signer = Some(Signer::generate()),
            ("ENCRYPT_DECRYPT", _) => key.rsa = RsaPair::generate(spec),
            _ => {}
        }
        let is_symmetric = (usage, spec) == ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT");
        if !is_symmetric && key.signer.is_none() && key.rsa.is_none() {
            return Err(Failure::unsupported(format!("{usage} with {spec} is not supported here")));
        }
        self.input.text("Description")?.unwrap_or_default().clone_into(&mut key.description);
        key.tags = checked(self.input.tags()?)?;
        key.policy = policy::given(self.input)?.unwrap_or_else(policy::default);
        let reply = json!({ "KeyMetadata": self.describe(&key) });
        self.account.region(self.region).keys.insert(key.id.clone(), key);
        Ok(reply)
    }

    fn delete_alias(&mut self) -> Result<Value, Failure> {
        let alias = check_alias(self.input.need_text("AliasName")?)?;
        let arn = self.alias_arn(alias);
        let removed = self.account.region(self.region).aliases.remove(alias);
        removed.map(|_| json!({})).ok_or_else(|| Failure::no_alias(&arn))
    }

    fn describe_key(&self) -> Result<Value, Failure> {
        Ok(json!({ "KeyMetadata": self.describe(self.key("KeyId")?) }))
    }

    fn list_aliases(&self) -> Result<Value, Failure> {
        let only = match self.input.text("KeyId")? {
            Some(_) => Some(&self.key("KeyId")?.id),
            None => None,
        };
        let aliases = self.account.regions[self.region].aliases.iter();
        let wanted = aliases.filter(|(_, id)| only.is_none_or(|only| only == *id));
        let listed = wanted.map(|(alias, id)| {
            json!({ "AliasArn": self.alias_arn(alias), "AliasName": alias, "TargetKeyId": id })
        });
        self.page("Aliases", listed.collect())
    }

    fn list_keys(&self) -> Result<Value, Failure> {
        let keys = self.account.regions[self.region].keys.values();
        self.page("Keys", keys.map(|k| json!({ "KeyArn": k.arn, "KeyId": k.id })).collect())
    }

    fn replicate_key(&mut self) -> Result<Value, Failure> {
        let target = self.input.need_text("ReplicaRegion")?;
        let key = self.key("KeyId")?;
        key.need_enabled()?;
        if key.primary.as_deref() != Some(self.region) {
            return Err(Failure::unsupported(format!(
                "{} is not a multi-Region primary key",
                key.arn
            )));
        }
        let mut replica = Key {
            arn: arn_of(target, &key.id),
            region: target.to_owned(),
            created: now(),
            tags: checked(self.input.tags()?)?,
            policy: policy::given(self.input)?.unwrap_or_else(policy::default),
            grants: vec![],
            ..key.clone()
        };
        self.input.text("Description")?.unwrap_or_default().clone_into(&mut replica.description);
        let (id, arn) = (replica.id.clone(), replica.arn.clone());
        let region = self.account.region(target);
        if region.keys.contains_key(&id) {
            return Err(Failure::key_exists(&arn));
        }
        region.keys.insert(id.clone(), replica);
        let replica = &self.account.regions[target].keys[&id];
        Ok(json!({ "ReplicaKeyMetadata": self.describe(replica) }))
    }

    fn schedule_key_deletion(&mut self) -> Result<Value, Failure> {
        let days = self.input.number("PendingWindowInDays", 7, 30)?.unwrap_or(30);
        let has_replicas = self.has_replicas(self.key("KeyId")?);
        let key = self.key_mut("KeyId")?;
        key.need_not_pending()?;
        let due = now() + days.unsigned_abs() * 86_400_000;
        // The days of a primary are counted once its last replica is gone.
        key.state = match has_replicas {
            true => State::PendingReplicaDeletion,
            false => State::PendingDeletion { due },
        };
        let mut reply = json!({
            "KeyId": key.arn,
            "KeyState": key.state.name(),
            "PendingWindowInDays": days,
        });
        if !has_replicas {
            reply["DeletionDate"] = seconds(due);
        }
        Ok(reply)
    }

    fn set_state(&mut self, state: State) -> Result<Value, Failure> {
        let key = self.key_mut("KeyId")?;
        key.need_not_pending()?;
        key.state = state;
        Ok(json!({}))
    }

    fn update_alias(&mut self) -> Result<Value, Failure> {
        let alias = check_alias(self.input.need_text("AliasName")?)?.to_owned();
        let id = self.alias_target()?;
        let arn = self.alias_arn(&alias);
        let region = self.account.region(self.region);
        let target = region.aliases.get_mut(&alias).ok_or_else(|| Failure::no_alias(&arn))?;
        let usage = |id: &String| region.keys.get(id).map(|key| (key.usage(), key.is_symmetric()));
        if usage(target) != usage(&id) {
            let kinds = "Alias cannot be changed to a key of another type or usage";
            return Err(Failure::validation(kinds));
        }
        *target = id;
        Ok(json!({}))
    }

    fn update_key_description(&mut self) -> Result<Value, Failure> {
        let description = self.input.text("Description")?;
        let description = description.ok_or_else(|| Failure::missing("Description"))?;
        let key = self.key_mut("KeyId")?;
        key.need_not_pending()?;
        description.clone_into(&mut key.description);
        Ok(json!({}))
    }

    /// The id of the key that an alias is to name. An alias of an alias is not possible.
    fn alias_target(&self) -> Result<String, Failure> {
        let target = self.input.need_text("TargetKeyId")?;
        if target.contains("alias/") {
            return Err(Failure::validation("Aliases must refer to keys. Not aliases"));
        }
        let key = self.key("TargetKeyId")?;
        key.need_not_pending()?;
        Ok(key.id.clone())
    }

    pub(super) fn key(&self, member: &str) -> Result<&Key, Failure> {
        self.account.permitted(self.region, self.input.need_text(member)?, self.operation)
    }

    pub(super) fn key_mut(&mut self, member: &str) -> Result<&mut Key, Failure> {
        let id = self.key(member)?.id.clone();
        let found = self.account.region(self.region).keys.get_mut(&id);
        Ok(found.expect("the key was just found"))
    }

    /// What AWS calls `KeyMetadata`, with the replicas of a multi-Region key.
    fn describe(&self, key: &Key) -> Value {
        let mut metadata = key.describe();
        let Some(primary) = &key.primary else { return metadata };
        let in_region = |region: &str| json!({ "Arn": arn_of(region, &key.id), "Region": region });
        let others = self
            .account
            .regions
            .iter()
            .filter(|(name, region)| *name != primary && region.keys.contains_key(&key.id));
        metadata["MultiRegionConfiguration"] = json!({
            "MultiRegionKeyType": if *primary == key.region { "PRIMARY" } else { "REPLICA" },
            "PrimaryKey": in_region(primary),
            "ReplicaKeys": others.map(|(name, _)| in_region(name)).collect::<Vec<_>>(),
        });
        metadata
    }

    fn has_replicas(&self, key: &Key) -> bool {
        let is_elsewhere = |(name, region): (&String, &Region)| {
            name != self.region && region.keys.contains_key(&key.id)
        };
        key.primary.as_deref() == Some(self.region) && self.account.regions.iter().any(is_elsewhere)
    }

    fn alias_arn(&self, alias: &str) -> String {
        format!("arn:aws:kms:{}:{ACCOUNT}:{alias}", self.region)
    }

    /// One page of a list. The marker is the number of items before the page.
    pub(super) fn page(&self, member: &str, items: Vec<Value>) -> Result<Value, Failure> {
        let limit =
            usize::try_from(self.input.number("Limit", 1, 1000)?.unwrap_or(100)).unwrap_or(1);
        let start = match self.input.text("Marker")? {
            Some(marker) => marker.parse().map_err(|_| Failure::invalid_marker())?,
            None => 0_usize,
        };
        let next = start.saturating_add(limit);
        let truncated = next < items.len();
        let page: Vec<_> = items.into_iter().skip(start).take(limit).collect();
        let mut reply = json!({ member: page, "Truncated": truncated });
        if truncated {
            reply["NextMarker"] = json!(next.to_string());
        }
        Ok(reply)
    }
}

/// Refuses what AWS does not take as the name of an alias.
fn check_alias(name: &str) -> Result<&str, Failure> {
    let Some(rest) = name.strip_prefix("alias/").filter(|rest| !rest.is_empty()) else {
        return Err(Failure::validation("Invalid identifier"));
    };
    if rest.starts_with("aws/") {
        return Err(Failure::reserved_alias());
    }
    if name.len() > 256 {
        let rule = "Member must have length less than or equal to 256";
        return Err(Failure::constraint("AliasName", rule));
    }
    if !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)) {
        return Err(Failure::invalid_alias(name));
    }
    Ok(name)
}
