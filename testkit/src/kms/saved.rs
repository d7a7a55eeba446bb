//! Keys on disk, for a KMS that outlives its process. Secrets are stored as they are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use aws_smithy_types::base64;
use serde_json::Value;
use serde_json::json;

use super::Region;
use super::grants::Grant;
use super::key::Key;
use super::key::Material;
use super::key::State;
use super::key::arn_of;
use super::rotation::Rotation;
use super::rsa::RsaPair;
use super::signing::Signer;

/// What the replicas of a multi-Region key share, as they did before, by key id.
type Shared = BTreeMap<String, (Material, Rotation)>;

/// Reads the keys of all regions; none if there is no file.
pub(super) fn load(file: &Path) -> io::Result<BTreeMap<String, Region>> {
    let content = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        content => content?,
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the KMS key file is damaged");
    let saved: Value = serde_json::from_slice(&content).map_err(|_| damaged())?;
    let mut regions = BTreeMap::new();
    let mut shared = Shared::new();
    for (name, saved) in saved.as_object().ok_or_else(damaged)? {
        let region = region_from(name, saved, &mut shared).ok_or_else(damaged)?;
        regions.insert(name.clone(), region);
    }
    Ok(regions)
}

/// Replaces the file.
pub(super) fn store(file: &Path, regions: &BTreeMap<String, Region>) -> io::Result<()> {
    let saved: serde_json::Map<_, _> =
        regions.iter().map(|(name, region)| (name.clone(), region_to(region))).collect();
    // A second file first, so that a crash cannot leave half a file.
    let next = file.with_extension("next");
    fs::write(&next, format!("{:#}\n", Value::Object(saved)))?;
    fs::rename(next, file)
}

fn region_to(region: &Region) -> Value {
    let keys = region.keys.values().map(|key| {
        let due = match key.state {
            State::PendingDeletion { due } => json!(due),
            State::Enabled | State::Disabled | State::PendingReplicaDeletion => Value::Null,
        };
        json!({
            "created": key.created,
            "deletion_due": due,
            "description": key.description,
            "grants": key.grants.iter().map(Grant::to_json).collect::<Vec<_>>(),
            "id": key.id,
            "material": key.material.all().iter().map(base64::encode).collect::<Vec<_>>(),
            "policy": key.policy,
            "primary": key.primary,
            "rotation": key.rotation.to_json(),
            "signer": key.signer.as_ref().map(|signer| base64::encode(signer.to_pkcs8())),
            "rsa": key.rsa.as_ref().map(|pair| base64::encode(pair.to_pkcs8())),
            "state": key.state.name(),
            "tags": key.tags,
        })
    });
    json!({ "aliases": region.aliases, "keys": keys.collect::<Vec<_>>() })
}

fn region_from(name: &str, saved: &Value, shared: &mut Shared) -> Option<Region> {
    let mut region = Region { name: name.to_owned(), ..Region::default() };
    for (alias, id) in saved.get("aliases")?.as_object()? {
        region.aliases.insert(alias.clone(), id.as_str()?.to_owned());
    }
    for saved in saved.get("keys")?.as_array()? {
        let key = key_from(name, saved, shared)?;
        region.keys.insert(key.id.clone(), key);
    }
    Some(region)
}

fn key_from(region: &str, saved: &Value, shared: &mut Shared) -> Option<Key> {
    let text = |name: &str| saved.get(name)?.as_str().map(str::to_owned);
    let id = text("id")?;
    let secret = |secret: &Value| base64::decode(secret.as_str()?).ok()?.try_into().ok();
    let secrets: Vec<_> =
        saved.get("material")?.as_array()?.iter().map(secret).collect::<Option<_>>()?;
    if secrets.is_empty() {
        return None;
    }
    let tag =
        |tag: &Value| Some((tag.get(0)?.as_str()?.to_owned(), tag.get(1)?.as_str()?.to_owned()));
    let signer = match text("signer") {
        Some(pkcs8) => Some(Signer::from_pkcs8(&base64::decode(pkcs8).ok()?)?),
        None => None,
    };
    let rsa = match text("rsa") {
        Some(pkcs8) => Some(RsaPair::from_pkcs8(&base64::decode(pkcs8).ok()?)?),
        None => None,
    };
    let rotation = Rotation::from_json(saved.get("rotation")?)?;
    let shared = shared.entry(id.clone()).or_insert_with(|| (Material::from(secrets), rotation));
    let (material, rotation) = shared.clone();
    Some(Key {
        arn: arn_of(region, &id),
        region: region.to_owned(),
        description: text("description")?,
        created: saved.get("created")?.as_u64()?,
        state: match saved.get("state")?.as_str()? {
            "Enabled" => State::Enabled,
            "Disabled" => State::Disabled,
            "PendingDeletion" => {
                State::PendingDeletion { due: saved.get("deletion_due")?.as_u64()? }
            }
            "PendingReplicaDeletion" => State::PendingReplicaDeletion,
            _ => return None,
        },
        policy: text("policy")?,
        grants: saved
            .get("grants")?
            .as_array()?
            .iter()
            .map(Grant::from_json)
            .collect::<Option<_>>()?,
        tags: saved.get("tags")?.as_array()?.iter().map(tag).collect::<Option<_>>()?,
        primary: text("primary"),
        signer,
        rsa,
        material,
        rotation,
        id,
    })
}
