//! The policy language of AWS, as far as it is spoken here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::names::PrincipalArn;

/// A policy of a bucket, a key or an identity.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Document {
    version: &'static str,
    pub(crate) statement: Vec<Statement>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Vec<&'static str>,
    #[serde(flatten)]
    on: On,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, OneOrMore>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Principal {
    Everybody(&'static str),
    These(BTreeMap<&'static str, Vec<String>>),
}

#[derive(Clone, Debug, Serialize)]
enum On {
    Resource(Vec<String>),
    NotResource(Vec<String>),
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Document {
    pub(crate) fn new(statement: Vec<Statement>) -> Self {
        Self { version: VERSION, statement }
    }
}

impl Statement {
    pub(crate) fn allow(sid: &'static str, action: &[&'static str]) -> Self {
        Self::new(sid, "Allow", action)
    }

    pub(crate) fn deny(sid: &'static str, action: &[&'static str]) -> Self {
        Self::new(sid, "Deny", action)
    }

    fn new(sid: &'static str, effect: &'static str, action: &[&'static str]) -> Self {
        Self {
            sid,
            effect,
            principal: None,
            action: action.to_vec(),
            on: On::Resource(vec!["*".to_owned()]),
            condition: BTreeMap::new(),
        }
    }

    pub(crate) fn on(self, resources: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { on: On::Resource(resources.into_iter().map(Into::into).collect()), ..self }
    }

    pub(crate) fn on_all_but(self, resources: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { on: On::NotResource(resources.into_iter().map(Into::into).collect()), ..self }
    }

    pub(crate) fn everybody(self) -> Self {
        Self { principal: Some(Principal::Everybody("*")), ..self }
    }

    pub(crate) fn principals<'a>(
        self,
        principals: impl IntoIterator<Item = &'a PrincipalArn>,
    ) -> Self {
        self.aws(principals.into_iter().map(|arn| arn.as_str().to_owned()).collect())
    }

    pub(crate) fn aws(self, arns: Vec<String>) -> Self {
        Self { principal: Some(Principal::These(BTreeMap::from([("AWS", arns)]))), ..self }
    }

    /// Adds a condition. All of them must hold.
    pub(crate) fn when(
        self,
        operator: &'static str,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.condition(operator, key.into(), OneOrMore::One(value.into()))
    }

    /// Adds a condition that holds for any of `values`.
    pub(crate) fn when_one_of(
        self,
        operator: &'static str,
        key: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.condition(operator, key.into(), OneOrMore::More(values))
    }

    fn condition(mut self, operator: &'static str, key: String, value: OneOrMore) -> Self {
        self.condition.entry(operator).or_default().insert(key, value);
        self
    }
}

/// The one with variables in it; it is not a date to be kept up.
const VERSION: &str = "2012-10-17";
