//! Names of KMS keys, compared.

/// Whether the configured name can mean the key with this ARN. An alias can mean any key of its
/// Region and account; KMS decides, since it is told the alias.
pub(super) fn may_name(configured: &str, arn: &str) -> bool {
    let Some((scope, resource)) = split_arn(arn) else { return false };
    if !resource.starts_with("key/") {
        return false;
    }
    match split_arn(configured) {
        Some((own, alias)) if alias.starts_with("alias/") => own == scope,
        Some(_) => configured == arn,
        None if configured.starts_with("alias/") => true,
        None => resource.strip_prefix("key/") == Some(configured),
    }
}

/// Whether two ARNs name one key: the same, or replicas of a multi-Region key, whose id alone
/// begins with `mrk-` and is theirs in every Region.
pub(super) fn same_key(a: &str, b: &str) -> bool {
    let without_region = |arn| {
        let (scope, resource) = split_arn(arn)?;
        let mut fields = scope.split(':');
        let partition = fields.nth(1)?;
        let account = fields.nth(2)?;
        resource.starts_with("key/mrk-").then_some((partition, account, resource))
    };
    a == b || without_region(a).is_some_and(|key| without_region(b) == Some(key))
}

/// `arn:partition:kms:region:account` and `key/…` or `alias/…`.
fn split_arn(arn: &str) -> Option<(&str, &str)> {
    let (scope, resource) = arn.rsplit_once(':')?;
    let mut fields = scope.split(':');
    let is_kms = fields.next() == Some("arn") && fields.nth(1) == Some("kms");
    (is_kms && fields.count() == 2).then_some((scope, resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd";

    #[test]
    fn a_configured_name_means_only_its_own_key() {
        for (configured, may) in [
            (ARN, true),
            ("1234abcd", true),
            ("alias/orders", true),
            ("arn:aws:kms:eu-west-1:111122223333:alias/orders", true),
            ("arn:aws:kms:eu-west-1:111122223333:key/1234abce", false),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd", false),
            ("arn:aws:kms:us-east-1:111122223333:alias/orders", false),
            ("arn:aws:kms:eu-west-1:999999999999:alias/orders", false),
            ("arn:aws-cn:kms:eu-west-1:111122223333:alias/orders", false),
            ("1234abc", false),
            ("key/1234abcd", false),
            ("", false),
        ] {
            assert_eq!(may_name(configured, ARN), may, "{configured}");
        }
        for not_a_key in
            ["1234abcd", "alias/orders", "arn:aws:kms:eu-west-1:111122223333:alias/orders", ""]
        {
            assert!(!may_name("alias/orders", not_a_key), "{not_a_key}");
            assert!(!may_name(not_a_key, not_a_key), "{not_a_key}");
        }
    }

    #[test]
    fn replicas_of_a_multi_region_key_are_one_key() {
        let arn = |region, account, id| format!("arn:aws:kms:{region}:{account}:key/{id}");
        let key = arn("eu-west-1", "111122223333", "mrk-1");
        assert!(same_key(&key, &arn("us-east-1", "111122223333", "mrk-1")));
        assert!(!same_key(&key, &arn("us-east-1", "999999999999", "mrk-1")));
        assert!(!same_key(&key, &arn("us-east-1", "111122223333", "mrk-2")));
        let single = arn("eu-west-1", "111122223333", "1");
        assert!(same_key(&single, &single));
        assert!(!same_key(&single, &arn("us-east-1", "111122223333", "1")));
    }
}
