//! Names that go into a policy, checked first: nothing in them is a wildcard or a variable there.

use std::fmt;
use std::str::FromStr;

use clap::builder::PossibleValue;
use serde::Serialize;

/// The name of a general-purpose bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BucketName(String);

impl BucketName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends = |b: Option<&u8>| b.is_some_and(|&b| alphanumeric(b));
        let bytes = text.as_bytes();
        let is_legal = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|&b| alphanumeric(b) || b == b'-' || b == b'.')
            && ends(bytes.first())
            && ends(bytes.last())
            && !text.contains("..");
        is_legal.then(|| Self(text.to_owned())).ok_or(
            "want the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
        )
    }
}

/// Where the names of AWS end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partition {
    Aws,
    China,
    GovCloud,
}

impl Partition {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
        }
    }

    /// As `kms:ViaService` has it.
    pub(crate) fn s3_service(self, region: &str) -> String {
        let suffix = if self == Self::China { ".cn" } else { "" };
        format!("s3.{region}.amazonaws.com{suffix}")
    }
}

impl FromStr for Partition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Aws, Self::China, Self::GovCloud].into_iter().find(|p| p.name() == text).ok_or(())
    }
}

/// `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyArn {
    text: String,
    pub(crate) partition: Partition,
    pub(crate) region: String,
}

impl KeyArn {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for KeyArn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As --key of other commands has it.
        let text = text.strip_prefix("aws-kms:").unwrap_or(text);
        Self::parse(text).ok_or_else(|| match alias(text) {
            Some(alias) => format!(
                "policies know no alias: give the ARN of its key, which `waxseal key show {alias}` \
                 tells"
            ),
            None => WANT_KEY_ARN.to_owned(),
        })
    }
}

impl KeyArn {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let ["arn", partition, "kms", region, account, resource] = parts[..] else {
            return None;
        };
        let id = resource.strip_prefix("key/")?;
        let is_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_legal = !id.is_empty()
            && id.bytes().all(is_id)
            && !region.is_empty()
            && region.bytes().all(is_region)
            && is_account(account);
        let partition = partition.parse().ok().filter(|_| is_legal)?;
        Some(Self { text: text.to_owned(), partition, region: region.to_owned() })
    }
}

/// The name or ARN of an alias, if that is what it is and a plain word.
fn alias(text: &str) -> Option<&str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b":/_-".contains(&b);
    let is_alias =
        text.starts_with("alias/") || text.starts_with("arn:") && text.contains(":alias/");
    (is_alias && text.bytes().all(is_plain)).then_some(text)
}

/// The key that S3 encrypts with: an ARN on AWS, a plain name on servers that call keys otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SseKey {
    Arn(KeyArn),
    Name(String),
}

impl SseKey {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Arn(arn) => arn.as_str(),
            Self::Name(name) => name,
        }
    }

    pub(crate) fn partition(&self) -> Partition {
        match self {
            Self::Arn(arn) => arn.partition,
            Self::Name(_) => Partition::Aws,
        }
    }
}

impl FromStr for SseKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let is_uuid = text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if text.starts_with("arn:") || alias(text).is_some() {
            return text.parse().map(Self::Arn);
        }
        // S3 compares it with the ARN of the key that was used, and would refuse everything.
        if text.is_empty() || is_uuid || text.starts_with("mrk-") || !text.bytes().all(is_plain) {
            return Err(WANT_KEY_ARN.to_owned());
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// Twelve digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountId(String);

impl AccountId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        is_account(text).then(|| Self(text.to_owned())).ok_or("want the 12 digits of an account")
    }
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`, or `user/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrincipalArn {
    text: String,
    pub(crate) partition: Partition,
    pub(crate) account: AccountId,
}

impl PrincipalArn {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PrincipalArn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANT: &str = "want the ARN of a role or user: arn:aws:iam::111122223333:role/NAME";
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else { return Err(WANT) };
        let name = resource.strip_prefix("role/").or_else(|| resource.strip_prefix("user/"));
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b);
        let is_legal = is_account(account)
            && name.is_some_and(|name| {
                !name.is_empty() && !name.ends_with('/') && name.bytes().all(is_plain)
            });
        let partition = partition.parse().ok().filter(|_| is_legal).ok_or(WANT)?;
        let account = AccountId(account.to_owned());
        Ok(Self { text: text.to_owned(), partition, account })
    }
}

/// A service that calls KMS for somebody, as `kms:ViaService` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceName(String);

impl ServiceName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let name = text.strip_suffix(".cn").unwrap_or(text).strip_suffix(".amazonaws.com");
        let is_legal = name.is_some_and(|name| {
            name.split_once('.').is_some_and(|(service, region)| {
                !service.is_empty() && !region.is_empty() && name.bytes().all(is_plain)
            })
        });
        is_legal
            .then(|| Self(text.to_owned()))
            .ok_or("want a service such as s3.eu-west-1.amazonaws.com")
    }
}

/// How the keys of objects begin. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefix(String);

impl Prefix {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As text that a pattern of a policy matches literally.
    pub(crate) fn literal(&self) -> String {
        literal(&self.0, &['$', '*', '?'])
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("s3://") {
            return Err("want what follows s3://BUCKET/");
        }
        if text.starts_with('/') {
            return Err("keys do not begin with a slash");
        }
        if text.len() > 1024 || text.chars().any(char::is_control) {
            return Err("want the beginning of a key, of at most 1024 bytes");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A pair of the encryption context that a policy can name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ContextPair {
    pub(crate) key: String,
    value: String,
}

impl ContextPair {
    /// As text that `StringEquals` compares literally.
    pub(crate) fn literal_value(&self) -> String {
        literal(&self.value, &['$'])
    }
}

impl FromStr for ContextPair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("want KEY=VALUE")?;
        // The key becomes part of the name of a condition.
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@+".contains(&b);
        if key.is_empty() || !key.bytes().all(is_plain) {
            return Err("a policy names context keys of letters, digits and _-./:@+ only");
        }
        if value.chars().any(char::is_control) {
            return Err("the value has control characters");
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// Without the value, which errors must not show.
impl fmt::Debug for ContextPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=...", self.key)
    }
}

/// What the account root may do with a key, and so what IAM policies can grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountRoot {
    Administer,
    All,
    None,
}

impl clap::ValueEnum for AccountRoot {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Administer, Self::All, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Administer => PossibleValue::new("administer")
                .help("IAM policies can grant administration, never use"),
            Self::All => PossibleValue::new("all")
                .help("IAM policies can grant everything, as those of `waxseal policy iam-*` do"),
            Self::None => PossibleValue::new("none")
                .help("Only the principals named here; without them AWS Support must help"),
        })
    }
}

/// Replaces what a policy does not take literally by the variables that stand for it.
fn literal(text: &str, special: &[char]) -> String {
    let mut literal = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(&c) {
            literal.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]);
        } else {
            literal.push(c);
        }
    }
    literal
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

const WANT_KEY_ARN: &str = "want the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID, as \
     `waxseal key show` tells it; policies know no alias";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let key = |text: &str| text.parse::<KeyArn>().is_ok();
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/1";
        assert_eq!(format!("aws-kms:{arn}").parse::<KeyArn>(), arn.parse());
        for alias in ["alias/x", "arn:aws:kms:eu-west-1:111122223333:alias/x"] {
            for given in [alias.to_owned(), format!("aws-kms:{alias}")] {
                let error = given.parse::<KeyArn>().unwrap_err();
                assert!(error.contains(&format!("`waxseal key show {alias}`")), "{error}");
            }
        }
        assert!(!"alias/$(x)".parse::<KeyArn>().unwrap_err().contains("$(x)"));
        assert!(key("arn:aws:kms:eu-west-1:111122223333:key/mrk-1a"));
        assert!(key("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1"));
        for bad in [
            "1a",
            "alias/x",
            "arn:aws:kms:eu-west-1:111122223333:alias/x",
            "arn:aws:kms:eu-west-1:111122223333:key/*",
            "arn:aws:kms:eu-west-1:111122223333:key/",
            "arn:aws:kms:*:111122223333:key/1",
            "arn:aws:kms:eu-west-1:*:key/1",
            "arn:evil:kms:eu-west-1:111122223333:key/1",
            "arn:aws:kms:eu-west-1:111122223333:key/1\"",
        ] {
            assert!(!key(bad), "{bad}");
            assert!(bad.parse::<SseKey>().is_err() || bad == "1a", "{bad}");
        }
        assert!("1234abcd-12ab-34cd-56ef-1234567890ab".parse::<SseKey>().is_err());
        for bad in ["ab", "A-bucket", "-ab", "a..b", "a*b", "a/b", "a\"b", "arn:aws:s3:::b"] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad}");
        }
        let principal = |name: &str| {
            format!("arn:aws:iam::111122223333:{name}").parse::<PrincipalArn>().is_ok()
        };
        assert!(principal("role/service-role/writer") && principal("user/jo@example"));
        for bad in ["root", "role/", "role/*", "role/a b", "group/x", "user/a\"", "role/a/"] {
            assert!(!principal(bad), "{bad}");
        }
        for bad in ["*", "s3", "amazonaws.com", "s3.amazonaws.com", "s3.*.amazonaws.com"] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
        for bad in ["", "11112222333", "1111222233334", "11112222333x"] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
        for bad in ["", "=v", "a*=v", "a\"=v", "a$=v", "tenant"] {
            assert!(bad.parse::<ContextPair>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_in_a_name_is_a_pattern() {
        let prefix: Prefix = "a*/${aws:username}?/".parse().unwrap();
        assert_eq!(prefix.literal(), "a${*}/${$}{aws:username}${?}/");
        let pair: ContextPair = "tenant=${aws:username}*".parse().unwrap();
        assert_eq!(pair.literal_value(), "${$}{aws:username}*");
        assert!(!format!("{pair:?}").contains("username"));
    }

    #[test]
    fn the_service_is_that_of_the_partition() {
        assert_eq!(Partition::Aws.s3_service("eu-west-1"), "s3.eu-west-1.amazonaws.com");
        assert_eq!(Partition::China.s3_service("cn-north-1"), "s3.cn-north-1.amazonaws.com.cn");
        let own: Result<ServiceName, _> = "s3.cn-north-1.amazonaws.com.cn".parse();
        assert!(own.is_ok());
    }
}
