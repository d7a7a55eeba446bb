//! Key policies: stored and checked, never enforced, since there is only one caller here.

use serde_json::Value;
use serde_json::json;

use crate::sdk::ACCOUNT;

use super::key_operations::Request;
use super::wire::Failure;
use super::wire::Input;

impl Request<'_> {
    pub(super) fn get_key_policy(&self) -> Result<Value, Failure> {
        let key = self.key("KeyId")?;
        need_default(self.input)?;
        Ok(json!({ "Policy": key.policy, "PolicyName": DEFAULT_NAME }))
    }

    pub(super) fn put_key_policy(&mut self) -> Result<Value, Failure> {
        need_default(self.input)?;
        let policy = given(self.input)?.ok_or_else(|| Failure::missing("Policy"))?;
        let key = self.key_mut("KeyId")?;
        key.need_not_pending()?;
        key.policy = policy;
        Ok(json!({}))
    }
}

/// The policy in a request, if there is one that AWS takes.
pub(super) fn given(input: &Input) -> Result<Option<String>, Failure> {
    let Some(text) = input.text("Policy")? else { return Ok(None) };
    let rule = "Member must have length less than or equal to 32768";
    if text.len() > MAX_LEN {
        return Err(Failure::constraint("Policy", rule));
    }
    let malformed = Failure::malformed_policy;
    let policy: Value = serde_json::from_str(text).map_err(|_| malformed("not valid JSON"))?;
    let statements = match &policy["Statement"] {
        Value::Array(statements) if !statements.is_empty() => &**statements,
        statement @ Value::Object(_) => std::slice::from_ref(statement),
        _ => return Err(malformed("has no statement")),
    };
    for statement in statements {
        if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
            return Err(malformed("has a statement whose Effect is not Allow or Deny"));
        }
        for member in ["Principal", "Action", "Resource"] {
            if statement.get(member).or(statement.get(format!("Not{member}"))).is_none() {
                return Err(malformed(&format!("has a statement without {member}")));
            }
        }
    }
    if !input.flag("BypassPolicyLockoutSafetyCheck")? && !statements.iter().any(keeps_the_door) {
        return Err(malformed("will not allow you to update the key policy in the future"));
    }
    Ok(Some(text.to_owned()))
}

/// What a key gets that is made without a policy: IAM decides.
pub(super) fn default() -> String {
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    format!(
        "{:#}",
        json!({
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [{
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": { "AWS": root },
                "Action": "kms:*",
                "Resource": "*",
            }],
        })
    )
}

/// Whether the caller may change the policy again. Conditions are not weighed.
fn keeps_the_door(statement: &Value) -> bool {
    let callers =
        [ACCOUNT.to_owned(), format!("arn:aws:iam::{ACCOUNT}:root"), caller(), "*".into()];
    let principal = match &statement["Principal"] {
        Value::Object(kinds) => kinds.get("AWS").unwrap_or(&Value::Null),
        any => any,
    };
    let is_caller = texts(principal).any(|name| callers.iter().any(|caller| caller == name));
    let is_put = |action: &str| match action.strip_suffix('*') {
        Some(start) => "kms:PutKeyPolicy".starts_with(start),
        None => action.eq_ignore_ascii_case("kms:PutKeyPolicy"),
    };
    statement["Effect"] == "Allow" && is_caller && texts(&statement["Action"]).any(is_put)
}

/// A text, or each one of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn need_default(input: &Input) -> Result<(), Failure> {
    match input.text("PolicyName")? {
        None | Some(DEFAULT_NAME) => Ok(()),
        Some(name) => Err(Failure::no_policy(name)),
    }
}

/// Whom this KMS takes everybody for.
pub(super) fn caller() -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/test")
}

/// The only one there is on AWS, too.
const DEFAULT_NAME: &str = "default";
/// Bytes.
const MAX_LEN: usize = 32_768;
