//! Names of KMS keys, compared.

use std::borrow::Cow;

/// The parts of an ARN of KMS: `arn:partition:kms:region:account:resource`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    /// `key/…` or `alias/…`.
    resource: &'a str,
}

impl<'a> Arn<'a> {
    /// `None` unless `text` has all the parts and names a key or an alias.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let ("arn", partition, "kms") = (part()?, part()?, part()?) else { return None };
        let arn = Self { partition, region: part()?, account: part()?, resource: part()? };
        let is_whole = parts.next().is_none();
        (is_whole && (arn.key_id().is_some() || is_alias(arn.resource))).then_some(arn)
    }

    /// The ARN of a key; `None` if `text` is something else, such as the ARN of an alias.
    pub(super) fn of_key(text: &'a str) -> Option<Self> {
        Self::parse(text).filter(|arn| arn.key_id().is_some())
    }

    fn key_id(&self) -> Option<&'a str> {
        self.resource.strip_prefix("key/").filter(|id| !id.is_empty())
    }

    /// Everything but the resource.
    fn scope(&self) -> [&'a str; 3] {
        [self.partition, self.region, self.account]
    }
}

/// Whether `name` is an alias, by name or by ARN, so that only KMS knows its key.
pub(super) fn names_alias(name: &str) -> bool {
    is_alias(name) || Arn::parse(name).is_some_and(|arn| is_alias(arn.resource))
}

/// Whether KMS, told `name`, may have used the key with this ARN. An alias can mean any key of its
/// Region and account.
pub(super) fn may_name(name: &str, key: &str) -> bool {
    let Some(arn) = Arn::of_key(key) else { return false };
    match Arn::parse(name) {
        Some(alias) if is_alias(alias.resource) => alias.scope() == arn.scope(),
        Some(_) => name == key,
        None => is_alias(name) || arn.key_id() == Some(name),
    }
}

/// What goes by this ARN, as a client of `region` has to name it; `None` if it has no name there.
///
/// The replicas of a multi-Region key, whose id alone begins with `mrk-`, have one id everywhere.
pub(super) fn arn_in<'a>(arn: &'a str, region: &str) -> Option<Cow<'a, str>> {
    let Arn { partition, region: own, account, resource } = Arn::parse(arn)?;
    if own == region {
        return Some(arn.into());
    }
    let is_multi_region = resource.starts_with("key/mrk-");
    is_multi_region.then(|| format!("arn:{partition}:kms:{region}:{account}:{resource}").into())
}

fn is_alias(resource: &str) -> bool {
    resource.strip_prefix("alias/").is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd";
    const MULTI: &str = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234";

    /// Each name, and whether it may mean [`SINGLE`] and [`MULTI`].
    #[test]
    fn a_name_means_only_its_own_key() {
        for (name, single, multi) in [
            (SINGLE, true, false),
            (MULTI, false, true),
            ("1234abcd", true, false),
            ("mrk-1234", false, true),
            ("alias/orders", true, true),
            ("arn:aws:kms:eu-west-1:111122223333:alias/orders", true, true),
            ("arn:aws:kms:eu-west-1:111122223333:key/1234abce", false, false),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd", false, false),
            ("arn:aws:kms:us-east-1:111122223333:key/mrk-1234", false, false),
            ("arn:aws:kms:eu-west-1:999999999999:key/1234abcd", false, false),
            ("arn:aws-cn:kms:eu-west-1:111122223333:key/1234abcd", false, false),
            ("arn:aws:kms:us-east-1:111122223333:alias/orders", false, false),
            ("arn:aws:kms:eu-west-1:999999999999:alias/orders", false, false),
            ("arn:aws-cn:kms:eu-west-1:111122223333:alias/orders", false, false),
            ("arn:aws:s3:eu-west-1:111122223333:alias/orders", false, false),
            ("1234abc", false, false),
            ("1234ABCD", false, false),
            ("MRK-1234", false, false),
            ("1234", false, false),
            ("key/1234abcd", false, false),
            ("alias/", false, false),
            ("alias", false, false),
            ("", false, false),
        ] {
            assert_eq!(may_name(name, SINGLE), single, "{name}");
            assert_eq!(may_name(name, MULTI), multi, "{name}");
        }
    }

    #[test]
    fn only_the_arn_of_a_key_is_the_arn_of_a_key() {
        for not_a_key in [
            "1234abcd",
            "mrk-1234",
            "alias/orders",
            "arn:aws:kms:eu-west-1:111122223333:alias/orders",
            "arn:aws:kms:eu-west-1:111122223333:key/",
            "arn:aws:kms:eu-west-1:111122223333:1234abcd",
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd:1",
            "arn:aws:kms:eu-west-1::key/1234abcd",
            "arn:aws:kms::111122223333:key/1234abcd",
            "arn::kms:eu-west-1:111122223333:key/1234abcd",
            "arn:aws:s3:eu-west-1:111122223333:key/1234abcd",
            "ARN:aws:kms:eu-west-1:111122223333:key/1234abcd",
            " arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
            "",
        ] {
            assert!(Arn::of_key(not_a_key).is_none(), "{not_a_key}");
            assert!(!may_name("alias/orders", not_a_key), "{not_a_key}");
            assert!(!may_name(not_a_key, not_a_key), "{not_a_key}");
        }
    }

    #[test]
    fn an_alias_is_told_from_a_key() {
        for (name, alias) in [
            ("alias/orders", true),
            ("arn:aws:kms:eu-west-1:111122223333:alias/orders", true),
            ("alias/", false),
            ("arn:aws:kms:eu-west-1:111122223333:alias/", false),
            ("1234abcd", false),
            (SINGLE, false),
            (MULTI, false),
            ("arn:aws:kms:eu-west-1:111122223333:key/alias/orders", false),
        ] {
            assert_eq!(names_alias(name), alias, "{name}");
        }
    }

    #[test]
    fn only_a_multi_region_key_has_a_name_in_another_region() {
        let there = MULTI.replace("eu-west-1", "us-east-1");
        for (arn, here, elsewhere) in [
            (SINGLE, Some(SINGLE), None),
            (MULTI, Some(MULTI), Some(&*there)),
            // An alias belongs to one Region, whatever it is called.
            ("arn:aws:kms:us-east-1:111122223333:alias/mrk-1", None, None),
            ("mrk-1234", None, None),
            ("1234abcd", None, None),
            ("alias/orders", None, None),
        ] {
            assert_eq!(arn_in(arn, "eu-west-1").as_deref(), here, "{arn}");
            let elsewhere = elsewhere.or(arn.contains("us-east-1").then_some(arn));
            assert_eq!(arn_in(arn, "us-east-1").as_deref(), elsewhere, "{arn}");
        }
        for other in [
            "arn:aws:kms:us-east-1:111122223333:key/mrk-1235",
            "arn:aws:kms:us-east-1:999999999999:key/mrk-1234",
            "arn:aws-cn:kms:us-east-1:111122223333:key/mrk-1234",
        ] {
            assert_ne!(arn_in(other, "eu-west-1").as_deref(), Some(MULTI), "{other}");
        }
    }
}
