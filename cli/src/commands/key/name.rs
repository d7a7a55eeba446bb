//! The names of keys and aliases, checked before anything is asked.

use std::fmt;
use std::str::FromStr;

/// A KMS key as the user names it: key id, key ARN, alias name or alias ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyName(String);

impl KeyName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As --key of other commands has it.
        let name = PREFIXES.iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
        let is_id = |name: &str| {
            let name = name.strip_prefix("mrk-").unwrap_or(name);
            name.len() >= 32 && name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        };
        let is_alias = name.strip_prefix("alias/").is_some_and(|rest| !rest.is_empty());
        if is_alias || is_id(name) || name.starts_with("arn:") && name.contains(":kms:") {
            return Ok(Self(name.to_owned()));
        }
        Err("want alias/NAME, a key id, or the ARN of one of them".to_owned())
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an alias of one's own, `alias/` included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AliasName(String);

impl AliasName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AliasName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("alias/").filter(|rest| !rest.is_empty());
        let rest = rest.ok_or("want alias/NAME")?;
        if rest.starts_with("aws/") {
            return Err("alias/aws/ is for the keys of AWS");
        }
        if text.len() > 256
            || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b))
        {
            return Err("want alias/ and up to 250 letters, digits, /, _ and -");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TagPair {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for TagPair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !name.starts_with("aws:") => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            Some((name, _)) if name.starts_with("aws:") => Err("names with aws: are reserved"),
            _ => Err("want NAME=VALUE"),
        }
    }
}

impl From<&TagPair> for aws_sdk_kms::types::Tag {
    fn from(tag: &TagPair) -> Self {
        let tag = Self::builder().tag_key(&tag.name).tag_value(&tag.value).build();
        tag.expect("name and value were given")
    }
}

const PREFIXES: [&str; 2] = ["aws-kms:", "aws-kms-rsa:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_with_and_without_their_provider() {
        for name in [
            "alias/orders",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-cn:kms:cn-north-1:111122223333:alias/orders",
        ] {
            for prefix in ["", "aws-kms:", "aws-kms-rsa:"] {
                assert_eq!(format!("{prefix}{name}").parse(), Ok(KeyName(name.to_owned())));
            }
        }
        for bad in ["", "orders", "alias/", "local", "local:x", "rsa:x", "aws-kms:", "arn:aws:s3:x"]
        {
            assert!(bad.parse::<KeyName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn aliases_are_checked() {
        assert!("alias/a/B_c-1".parse::<AliasName>().is_ok());
        let long = format!("alias/{}", "a".repeat(251));
        for bad in ["orders", "alias/", "alias/aws/s3", "alias/a b", "alias/a:b", &long] {
            assert!(bad.parse::<AliasName>().is_err(), "{bad}");
        }
    }
}
