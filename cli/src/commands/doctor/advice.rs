//! Remedies that work when they are pasted where the doctor was called.

use super::DoctorArgs;
use super::Fix;
use crate::report::command;

/// Builds commands for the same bucket, Region and endpoint.
#[derive(Debug)]
pub(super) struct Advice<'a> {
    args: &'a DoctorArgs,
}

impl<'a> Advice<'a> {
    pub(super) fn new(args: &'a DoctorArgs) -> Self {
        Self { args }
    }

    /// `waxseal doctor --fix` for a check of the bucket.
    pub(super) fn fix(&self, fix: Fix) -> Option<String> {
        let bucket = self.args.bucket.as_ref()?;
        let mut words = vec!["waxseal", "doctor", "--bucket", bucket.as_str()];
        if fix.needs_key() {
            words.extend(["--sse-kms-key-id", self.args.sse_kms_key_id.as_ref()?.as_str()]);
        }
        words.extend(["--fix", fix.name()]);
        self.finish(words, None)
    }

    /// The same for a key.
    pub(super) fn fix_key(&self, key: &str, fix: Fix) -> Option<String> {
        let key = format!("aws-kms:{key}");
        self.finish(vec!["waxseal", "doctor", "--key", &key, "--fix", fix.name()], None)
    }

    /// `waxseal key` for keys in `region`.
    pub(super) fn key(&self, region: &str, words: &[&str]) -> Option<String> {
        self.finish([&["waxseal", "key"], words].concat(), Some(region))
    }

    /// The doctor again, in another Region.
    pub(super) fn in_region(&self, region: &str) -> Option<String> {
        let bucket = self.args.bucket.as_ref()?;
        let words = vec!["waxseal", "doctor", "--bucket", bucket.as_str()];
        self.finish(words, Some(region))
    }

    /// The policy that lets the caller do what is missing.
    pub(super) fn policy(&self, kind: &str, key: Option<&str>) -> Option<String> {
        let bucket = self.args.bucket.as_ref()?;
        let mut words = vec!["waxseal", "policy", kind, "--bucket", bucket.as_str()];
        if !self.args.prefix.is_empty() {
            words.extend(["--prefix", self.args.prefix.as_str()]);
        }
        words.extend(["--key", key?]);
        command(words)
    }

    fn finish<'w>(&'w self, mut words: Vec<&'w str>, region: Option<&'w str>) -> Option<String> {
        let aws = &self.args.aws;
        for (name, value) in [
            ("--region", region.or(aws.region.as_deref())),
            ("--profile", aws.profile.as_deref()),
            ("--endpoint-url", aws.endpoint_url.as_deref()),
        ] {
            words.extend(value.into_iter().flat_map(|value| [name, value]));
        }
        command(words)
    }
}
