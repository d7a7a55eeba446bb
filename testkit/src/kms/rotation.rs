//! When the secret of a key is replaced, and the operations about it.

use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::json;

use crate::record::lock;

use super::key::Key;
use super::key::now;
use super::key::seconds;
use super::key_operations::Request;
use super::wire::Failure;

/// The settings and the past of a key's rotation, shared by the replicas of a multi-Region key.
///
/// Nothing rotates by itself here: no test waits for months.
#[derive(Clone, Debug, Default)]
pub(super) struct Rotation(Arc<Mutex<Settings>>);

#[derive(Clone, Debug, Default)]
struct Settings {
    automatic: Option<Automatic>,
    /// When it was rotated on demand, oldest first. Milliseconds since 1970.
    on_demand: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Automatic {
    /// Days.
    period: i64,
    /// Milliseconds since 1970.
    since: u64,
}

impl Rotation {
    pub(super) fn to_json(&self) -> Value {
        let settings = lock(&self.0);
        let automatic = settings.automatic.map(|a| json!({ "period": a.period, "since": a.since }));
        json!({ "automatic": automatic, "on_demand": settings.on_demand })
    }

    pub(super) fn from_json(saved: &Value) -> Option<Self> {
        let automatic = match saved.get("automatic")? {
            Value::Null => None,
            saved => Some(Automatic {
                period: saved.get("period")?.as_i64()?,
                since: saved.get("since")?.as_u64()?,
            }),
        };
        let dates = saved.get("on_demand")?.as_array()?;
        let on_demand = dates.iter().map(Value::as_u64).collect::<Option<_>>()?;
        Some(Self(Arc::new(Mutex::new(Settings { automatic, on_demand }))))
    }
}

impl Automatic {
    /// Milliseconds since 1970.
    fn next(self) -> u64 {
        self.since + self.period.unsigned_abs() * DAY
    }
}

impl Request<'_> {
    pub(super) fn enable_key_rotation(&self) -> Result<Value, Failure> {
        let period = self.input.number("RotationPeriodInDays", 90, 2560)?;
        let key = self.rotatable("KeyId")?;
        let mut settings = lock(&key.rotation.0);
        let period = period.or(settings.automatic.map(|a| a.period)).unwrap_or(DEFAULT_PERIOD);
        settings.automatic = Some(Automatic { period, since: now() });
        Ok(json!({}))
    }

    pub(super) fn disable_key_rotation(&self) -> Result<Value, Failure> {
        lock(&self.rotatable("KeyId")?.rotation.0).automatic = None;
        Ok(json!({}))
    }

    pub(super) fn get_key_rotation_status(&self) -> Result<Value, Failure> {
        let key = self.key("KeyId")?;
        key.need_not_pending()?;
        if !key.is_symmetric() {
            return Err(Failure::unsupported(format!("{} is not symmetric", key.arn)));
        }
        let automatic = lock(&key.rotation.0).automatic;
        let mut reply = json!({ "KeyId": key.arn, "KeyRotationEnabled": automatic.is_some() });
        if let Some(automatic) = automatic {
            reply["RotationPeriodInDays"] = json!(automatic.period);
            reply["NextRotationDate"] = seconds(automatic.next());
        }
        Ok(reply)
    }

    pub(super) fn list_key_rotations(&self) -> Result<Value, Failure> {
        let key = self.key("KeyId")?;
        key.need_not_pending()?;
        let rotation = |&date: &u64| {
            json!({
                "KeyId": key.arn,
                "RotationDate": seconds(date),
                "RotationType": "ON_DEMAND",
            })
        };
        let rotations = lock(&key.rotation.0).on_demand.iter().map(rotation).collect();
        self.page("Rotations", rotations)
    }

    pub(super) fn rotate_key_on_demand(&self) -> Result<Value, Failure> {
        let key = self.rotatable("KeyId")?;
        let mut settings = lock(&key.rotation.0);
        if settings.on_demand.len() == MAX_ON_DEMAND {
            return Err(Failure::limit_exceeded(format!(
                "{} was rotated on demand {MAX_ON_DEMAND} times",
                key.arn
            )));
        }
        settings.on_demand.push(now());
        key.material.rotate();
        Ok(json!({ "KeyId": key.arn }))
    }

    /// A key whose rotation can be changed: symmetric, enabled and no replica.
    fn rotatable(&self, member: &str) -> Result<&Key, Failure> {
        let key = self.key(member)?;
        key.need_enabled()?;
        if !key.is_symmetric() {
            return Err(Failure::unsupported(format!("{} is not symmetric", key.arn)));
        }
        if key.is_replica() {
            return Err(Failure::unsupported(format!("{} is a replica key", key.arn)));
        }
        Ok(key)
    }
}

/// In the lifetime of a key, as on AWS.
const MAX_ON_DEMAND: usize = 25;
/// Days.
const DEFAULT_PERIOD: i64 = 365;
/// Milliseconds.
const DAY: u64 = 86_400_000;
