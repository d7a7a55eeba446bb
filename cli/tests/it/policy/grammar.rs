//! The grammar of IAM policies, strictly: as far as the printed ones need it, and nothing else.
//!
//! After "Grammar of the IAM JSON policy language" in the IAM User Guide.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    version: String,
    statement: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    sid: String,
    effect: Effect,
    principal: Option<Principal>,
    action: Vec<String>,
    resource: Option<Vec<String>>,
    not_resource: Option<Vec<String>>,
    condition: Option<BTreeMap<Operator, BTreeMap<String, OneOrMore>>>,
}

#[derive(Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Principal {
    Everybody(String),
    These(These),
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
struct These {
    aws: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    Bool,
    #[serde(rename = "ForAllValues:StringEquals")]
    ForAllStringEquals,
    Null,
    StringEquals,
    StringLike,
    StringNotEquals,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What is wrong with a policy, if anything.
pub(super) fn check(policy: &Value) -> Result<(), String> {
    let document = Document::deserialize(policy).map_err(|e| e.to_string())?;
    need(document.version == "2012-10-17", "Version", &document.version)?;
    need(!document.statement.is_empty(), "Statement", "none")?;
    let sids: BTreeSet<_> = document.statement.iter().map(|s| &s.sid).collect();
    need(sids.len() == document.statement.len(), "Sid", "given twice")?;
    document.statement.iter().try_for_each(check_statement)
}

fn check_statement(statement: &Statement) -> Result<(), String> {
    let Statement { sid, action, .. } = statement;
    need(!sid.is_empty() && sid.bytes().all(|b| b.is_ascii_alphanumeric()), "Sid", sid)?;
    need(matches!(statement.effect, Effect::Allow | Effect::Deny), "Effect", sid)?;
    all(action, "Action", is_action)?;
    match (&statement.resource, &statement.not_resource) {
        (Some(resources), None) | (None, Some(resources)) => {
            all(resources, "Resource", is_resource)?;
        }
        _ => return Err(format!("{sid}: one of Resource and NotResource")),
    }
    match &statement.principal {
        Some(Principal::Everybody(text)) => need(text == "*", "Principal", text)?,
        Some(Principal::These(These { aws })) => all(aws, "Principal", is_principal)?,
        None => {}
    }
    for (operator, conditions) in statement.condition.iter().flatten() {
        need(!conditions.is_empty(), "Condition", sid)?;
        for (name, value) in conditions {
            check_condition(operator, name, value)?;
        }
    }
    need(statement.condition.as_ref().is_none_or(|c| !c.is_empty()), "Condition", sid)
}

fn check_condition(operator: &Operator, name: &str, value: &OneOrMore) -> Result<(), String> {
    let (prefix, key) = name.split_once(':').unwrap_or_default();
    need(matches!(prefix, "aws" | "kms" | "s3") && !key.is_empty(), "condition", name)?;
    match (operator, value) {
        (Operator::Bool | Operator::Null, OneOrMore::One(flag)) => {
            need(matches!(&**flag, "true" | "false"), name, flag)
        }
        (Operator::Bool | Operator::Null, OneOrMore::More(_)) => Err(format!("{name}: a list")),
        (Operator::ForAllStringEquals, OneOrMore::One(_)) => Err(format!("{name}: no list")),
        (_, OneOrMore::One(_)) => Ok(()),
        (_, OneOrMore::More(values)) => need(!values.is_empty(), name, "none"),
    }
}

fn is_action(action: &str) -> bool {
    let name = action.strip_prefix("kms:").or_else(|| action.strip_prefix("s3:"));
    name.is_some_and(|name| name == "*" || name.bytes().all(|b| b.is_ascii_alphabetic()))
}

fn is_resource(resource: &str) -> bool {
    let parts: Vec<_> = resource.splitn(6, ':').collect();
    match parts[..] {
        ["*"] => true,
        ["arn", partition, "s3", "", "", name] => is_partition(partition) && !name.is_empty(),
        ["arn", partition, "kms", region, account, key] => {
            is_partition(partition)
                && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && is_account(account)
                && key.starts_with("key/")
        }
        _ => false,
    }
}

fn is_principal(principal: &str) -> bool {
    let parts: Vec<_> = principal.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, name] = parts[..] else { return false };
    let is_named = name == "root" || name.starts_with("role/") || name.starts_with("user/");
    is_partition(partition) && is_account(account) && is_named
}

fn is_partition(name: &str) -> bool {
    matches!(name, "aws" | "aws-cn" | "aws-us-gov")
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
}

fn all(list: &[String], what: &str, legal: fn(&str) -> bool) -> Result<(), String> {
    need(!list.is_empty(), what, "none")?;
    need(list.iter().collect::<BTreeSet<_>>().len() == list.len(), what, "given twice")?;
    list.iter().try_for_each(|item| need(legal(item), what, item))
}

fn need(holds: bool, what: &str, found: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what}: {found}")) }
}
