//! Grants: made, listed and taken back, never weighed, since there is only one caller here.

use aws_smithy_types::base64;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::sdk::ACCOUNT;

use super::key::Key;
use super::key::hex;
use super::key::now;
use super::key::random;
use super::key::seconds;
use super::key_operations::Request;
use super::wire::Failure;

/// What somebody may do with a key.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    id: String,
    /// Milliseconds since 1970.
    created: u64,
    /// The members of the request, by the names that replies have for them too.
    terms: Map<String, Value>,
}

impl Grant {
    /// A new token each time: all of them mean this grant.
    fn token(&self) -> String {
        base64::encode(format!("{}{}", self.id, hex(&random::<16>())))
    }

    fn describe(&self, key: &Key) -> Value {
        let mut reply = Value::Object(self.terms.clone());
        reply["CreationDate"] = seconds(self.created);
        reply["GrantId"] = json!(self.id);
        reply["IssuingAccount"] = json!(format!("arn:aws:iam::{ACCOUNT}:root"));
        reply["KeyId"] = json!(key.arn);
        reply
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "created": self.created, "id": self.id, "terms": self.terms })
    }

    pub(super) fn from_json(saved: &Value) -> Option<Self> {
        Some(Self {
            id: saved.get("id")?.as_str()?.to_owned(),
            created: saved.get("created")?.as_u64()?,
            terms: saved.get("terms")?.as_object()?.clone(),
        })
    }
}

impl Request<'_> {
    pub(super) fn create_grant(&mut self) -> Result<Value, Failure> {
        let terms = self.terms()?;
        let key = self.key_mut("KeyId")?;
        key.need_enabled()?;
        key.need_grantable(&terms)?;
        // With a name and the same terms it is the same grant, so that requests can be repeated.
        let same = |grant: &&Grant| grant.terms == terms && terms.contains_key("Name");
        let grant = match key.grants.iter().find(same) {
            Some(grant) => grant.clone(),
            None => Grant { id: hex(&random::<32>()), created: now(), terms },
        };
        if !key.grants.iter().any(|known| known.id == grant.id) {
            key.grants.push(grant.clone());
        }
        Ok(json!({ "GrantId": grant.id, "GrantToken": grant.token() }))
    }

    pub(super) fn list_grants(&self) -> Result<Value, Failure> {
        let key = self.key("KeyId")?;
        let id = self.input.text("GrantId")?;
        let principal = self.input.text("GranteePrincipal")?;
        let wanted = |grant: &&Grant| {
            id.is_none_or(|id| grant.id == id)
                && principal.is_none_or(|name| grant.terms["GranteePrincipal"] == name)
        };
        let grants = key.grants.iter().filter(wanted).map(|grant| grant.describe(key));
        self.page("Grants", grants.collect())
    }

    pub(super) fn list_retirable_grants(&self) -> Result<Value, Failure> {
        let principal = self.input.need_text("RetiringPrincipal")?;
        let retirable = |grant: &&Grant| {
            grant.terms.get("RetiringPrincipal").is_some_and(|name| name == principal)
        };
        let keys = self.account.regions[self.region].keys.values();
        let grants = keys
            .flat_map(|key| key.grants.iter().filter(retirable).map(|grant| grant.describe(key)));
        self.page("Grants", grants.collect())
    }

    pub(super) fn retire_grant(&mut self) -> Result<Value, Failure> {
        let Some(token) = self.input.text("GrantToken")? else { return self.revoke_grant() };
        let token = base64::decode(token).ok().and_then(|token| String::from_utf8(token).ok());
        let token = token.ok_or_else(Failure::invalid_grant_token)?;
        let region = self.account.region(self.region);
        let of_token = |grant: &Grant| token.starts_with(&grant.id);
        let key = region.keys.values_mut().find(|key| key.grants.iter().any(of_token));
        let key = key.ok_or_else(Failure::invalid_grant_token)?;
        key.grants.retain(|grant| !of_token(grant));
        Ok(json!({}))
    }

    pub(super) fn revoke_grant(&mut self) -> Result<Value, Failure> {
        let id = self.input.need_text("GrantId")?;
        let key = self.key_mut("KeyId")?;
        let at = key.grants.iter().position(|grant| grant.id == id);
        key.grants.remove(at.ok_or_else(|| Failure::no_grant(id))?);
        Ok(json!({}))
    }

    /// The members of the request that make a grant.
    fn terms(&self) -> Result<Map<String, Value>, Failure> {
        let operations = self.input.texts("Operations")?;
        if operations.is_empty() {
            return Err(Failure::missing("Operations"));
        }
        if let Some(other) = operations.iter().find(|name| !OPERATIONS.contains(&&***name)) {
            return Err(Failure::constraint("Operations", &format!("{other} is not a member")));
        }
        let mut terms = Map::new();
        terms.insert("Operations".to_owned(), json!(operations));
        terms.insert(
            "GranteePrincipal".to_owned(),
            self.input.need_text("GranteePrincipal")?.into(),
        );
        for name in ["Name", "RetiringPrincipal"] {
            if let Some(text) = self.input.text(name)? {
                terms.insert(name.to_owned(), text.into());
            }
        }
        for name in ["GranteePrincipal", "RetiringPrincipal"] {
            let principal = terms.get(name).and_then(Value::as_str);
            let is_service = |name: &str| name.ends_with(".amazonaws.com");
            if let Some(other) = principal.filter(|p| !p.starts_with("arn:aws:") && !is_service(p))
            {
                return Err(Failure::bad_principal(other));
            }
        }
        if let Some(constraints) = self.input.object("Constraints")? {
            for (name, pairs) in constraints {
                let is_known =
                    ["EncryptionContextSubset", "EncryptionContextEquals"].contains(&name.as_str());
                let pairs = pairs.as_object().filter(|pairs| pairs.values().all(Value::is_string));
                if !is_known || pairs.is_none() {
                    return Err(Failure::serialization());
                }
            }
            terms.insert("Constraints".to_owned(), Value::Object(constraints.clone()));
        }
        Ok(terms)
    }
}

impl Key {
    /// Refuses terms that a key of this kind cannot be held to.
    fn need_grantable(&self, terms: &Map<String, Value>) -> Result<(), Failure> {
        let operations = terms["Operations"].as_array().into_iter().flatten();
        let is_possible = |name: &str| match name {
            "CreateGrant" | "DescribeKey" | "RetireGrant" => true,
            "Sign" | "Verify" => self.signer.is_some(),
            "GetPublicKey" => !self.is_symmetric(),
            "Decrypt" | "Encrypt" | "ReEncryptFrom" | "ReEncryptTo" => self.signer.is_none(),
            _ => self.is_symmetric(),
        };
        let possible = operations.filter_map(Value::as_str).all(is_possible);
        if !possible || terms.contains_key("Constraints") && !self.is_symmetric() {
            return Err(Failure::validation("The grant is not valid for a key of this kind."));
        }
        Ok(())
    }
}

/// What a grant can allow here.
const OPERATIONS: [&str; 14] = [
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GetPublicKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
    "Sign",
    "Verify",
];
