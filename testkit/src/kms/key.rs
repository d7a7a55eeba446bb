//! One KMS key: what it is, and in which state.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use aws_lc_rs::rand;
use serde_json::Value;
use serde_json::json;

use crate::record::lock;
use crate::sdk::ACCOUNT;

use super::grants::Grant;
use super::policy;
use super::rotation::Rotation;
use super::rsa::RsaPair;
use super::signing;
use super::signing::Signer;
use super::wire::Failure;

/// A symmetric, RSA or signing key, or one replica of it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// A UUID, or `mrk-` and 32 digits. Always 36 characters.
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) region: String,
    pub(super) description: String,
    /// Milliseconds since 1970.
    pub(super) created: u64,
    pub(super) state: State,
    /// Name and value.
    pub(super) tags: Vec<(String, String)>,
    /// JSON.
    pub(super) policy: String,
    /// Oldest first.
    pub(super) grants: Vec<Grant>,
    /// The region of the primary; `None` if the key is not multi-Region.
    pub(super) primary: Option<String>,
    /// Shared between the replicas of a multi-Region key, so that a rotation reaches them all.
    pub(super) material: Material,
    pub(super) rotation: Rotation,
    /// What makes it a key that signs, and nothing else.
    pub(super) signer: Option<Signer>,
    /// What makes it an RSA key.
    pub(super) rsa: Option<RsaPair>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Enabled,
    Disabled,
    PendingDeletion {
        /// Milliseconds since 1970.
        due: u64,
    },
    /// Waits for the deletion of its replicas.
    PendingReplicaDeletion,
}

/// The secret of each rotation, oldest first. Never empty.
#[derive(Clone)]
pub(super) struct Material(Arc<Mutex<Vec<[u8; 32]>>>);

impl Key {
    pub(super) fn new(region: &str, multi_region: bool) -> Self {
        let id = match multi_region {
            true => format!("mrk-{}", random_uuid().replace('-', "")),
            false => random_uuid(),
        };
        Self {
            arn: arn_of(region, &id),
            id,
            region: region.to_owned(),
            description: String::new(),
            created: now(),
            state: State::Enabled,
            tags: vec![],
            policy: policy::default(),
            grants: vec![],
            primary: multi_region.then(|| region.to_owned()),
            material: Material::from(vec![random()]),
            rotation: Rotation::default(),
            signer: None,
            rsa: None,
        }
    }

    pub(super) fn usage(&self) -> &'static str {
        if self.signer.is_some() { signing::USAGE } else { "ENCRYPT_DECRYPT" }
    }

    /// Refuses a key that signs, and one of RSA.
    pub(super) fn need_symmetric(&self, operation: &str) -> Result<(), Failure> {
        match (&self.signer, &self.rsa) {
            (Some(_), _) => Err(Failure::invalid_key_usage(&self.arn, self.usage(), operation)),
            (None, Some(_)) => Err(Failure::incompatible_algorithm(SYMMETRIC, "RSA")),
            (None, None) => Ok(()),
        }
    }

    /// Refuses work with a key that is disabled or about to be deleted.
    pub(super) fn need_enabled(&self) -> Result<(), Failure> {
        match self.state {
            State::Enabled => Ok(()),
            State::Disabled => Err(Failure::disabled(&self.arn)),
            State::PendingDeletion { .. } | State::PendingReplicaDeletion => {
                Err(Failure::pending_deletion(&self.arn))
            }
        }
    }

    /// Refuses changes to a key that is about to be deleted.
    pub(super) fn need_not_pending(&self) -> Result<(), Failure> {
        match self.state.is_pending() {
            true => Err(Failure::pending_deletion(&self.arn)),
            false => Ok(()),
        }
    }

    pub(super) fn is_symmetric(&self) -> bool {
        self.signer.is_none() && self.rsa.is_none()
    }

    /// Whether it is a copy of a primary key elsewhere.
    pub(super) fn is_replica(&self) -> bool {
        self.primary.as_ref().is_some_and(|primary| *primary != self.region)
    }

    /// What AWS calls `KeyMetadata`.
    pub(super) fn describe(&self) -> Value {
        let spec = if self.signer.is_some() { signing::SPEC } else { SYMMETRIC };
        let mut metadata = json!({
            "AWSAccountId": ACCOUNT,
            "Arn": self.arn,
            "CreationDate": seconds(self.created),
            "CustomerMasterKeySpec": spec,
            "Description": self.description,
            "Enabled": self.state == State::Enabled,
            "KeyId": self.id,
            "KeyManager": "CUSTOMER",
            "KeySpec": spec,
            "KeyState": self.state.name(),
            "KeyUsage": self.usage(),
            "MultiRegion": self.primary.is_some(),
            "Origin": "AWS_KMS",
        });
        match (&self.signer, &self.rsa) {
            (Some(_), _) => metadata["SigningAlgorithms"] = json!([signing::ALGORITHM]),
            (None, Some(pair)) => pair.describe(&mut metadata),
            (None, None) => metadata["EncryptionAlgorithms"] = json!([SYMMETRIC]),
        }
        if let State::PendingDeletion { due } = self.state {
            metadata["DeletionDate"] = seconds(due);
        }
        metadata
    }
}

impl State {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::PendingDeletion { .. } | Self::PendingReplicaDeletion)
    }
}

impl Material {
    /// The newest secret, and its number counted from 0.
    pub(super) fn newest(&self) -> (u32, [u8; 32]) {
        let secrets = lock(&self.0);
        let last = secrets.len() - 1;
        (u32::try_from(last).expect("rotated less than 2^32 times"), secrets[last])
    }

    pub(super) fn get(&self, version: u32) -> Option<[u8; 32]> {
        lock(&self.0).get(usize::try_from(version).ok()?).copied()
    }

    pub(super) fn rotate(&self) {
        lock(&self.0).push(random());
    }

    pub(super) fn all(&self) -> Vec<[u8; 32]> {
        lock(&self.0).clone()
    }
}

impl From<Vec<[u8; 32]>> for Material {
    fn from(secrets: Vec<[u8; 32]>) -> Self {
        Self(Arc::new(Mutex::new(secrets)))
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Material({} rotations)", lock(&self.0).len() - 1)
    }
}

pub(super) fn arn_of(region: &str, id: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}")
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// A time as JSON carries it.
pub(super) fn seconds(millis: u64) -> Value {
    json!(Duration::from_millis(millis).as_secs_f64())
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// A version 4 UUID.
pub(crate) fn random_uuid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
