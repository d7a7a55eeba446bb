//! Checks of keys in KMS.

use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::types::KeyManagerType;
use aws_sdk_kms::types::KeyMetadata;
use aws_sdk_kms::types::KeySpec as Spec;
use aws_sdk_kms::types::KeyState;
use aws_sdk_kms::types::KeyUsageType;
use waxseal::ErrorKind;

use super::DoctorArgs;
use super::Fix;
use super::advice::Advice;
use super::bucket::Checked;
use super::finding::Finding;
use super::finding::Level;
use crate::aws::Aws;
use crate::aws::failed;
use crate::exit::Failure;
use crate::keys::KeySpec;

/// What a key is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Wrap,
    WrapRsa,
    /// S3 encrypts with it.
    Sse,
}

/// A key and how it is asked.
struct Key<'a> {
    client: Client,
    /// As it was given.
    name: &'a str,
    role: Role,
    /// Where KMS is asked.
    region: String,
    args: &'a DoctorArgs,
    advice: &'a Advice<'a>,
}

/// Whether KMS can rotate such a key.
pub(super) fn can_rotate(spec: &KeySpec) -> bool {
    matches!(spec, KeySpec::AwsKms(_))
}

/// # Errors
///
/// `Code::Key` if no Region is set for KMS.
pub(super) async fn check(
    aws: &Aws,
    args: &DoctorArgs,
    bucket: &Checked,
    advice: &Advice<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let wrapping = args.key.iter().filter_map(|spec| match spec {
        KeySpec::AwsKms(name) => Some((name.as_str(), Role::Wrap)),
        KeySpec::AwsKmsRsa(name) => Some((name.as_str(), Role::WrapRsa)),
        KeySpec::Local(_) | KeySpec::Rsa(_) => None,
    });
    let given = args.sse_kms_key_id.as_ref().map(|key| key.as_str());
    let given = given.filter(|key| key.starts_with("arn:"));
    let found = bucket.sse_key.as_deref().filter(|key| Some(*key) != given);
    let of_s3 = given.into_iter().chain(found).map(|name| (name, Role::Sse));
    for (name, role) in wrapping.chain(of_s3) {
        let client = aws.kms(name).await?;
        let region = client.config().region().map(ToString::to_string).unwrap_or_default();
        let key = Key { client, name, role, region, args, advice };
        let checked = key.check(bucket.region.as_deref()).await;
        findings.extend(checked.into_iter().map(|finding| finding.of(name)));
    }
    Ok(())
}

impl Key<'_> {
    async fn check(&self, bucket_region: Option<&str>) -> Vec<Finding> {
        let metadata = match self.describe().await {
            Ok(metadata) => metadata,
            Err(finding) => return vec![*finding],
        };
        let arn = metadata.arn().unwrap_or_default();
        let mut findings = vec![];
        if self.is_alias() {
            findings.push(Finding::ok("key-alias", format!("means {arn}")));
        }
        findings.push(self.state(&metadata, arn));
        findings.push(self.usage(&metadata));
        findings.extend(self.in_region(arn, bucket_region));
        let is_enabled = metadata.key_state() == Some(&KeyState::Enabled);
        let is_ours = metadata.key_manager() != Some(&KeyManagerType::Aws);
        if self.role == Role::Wrap && is_enabled && is_ours && is_symmetric(&metadata) {
            findings.push(self.rotation(arn).await);
        }
        findings
    }

    async fn describe(&self) -> Result<KeyMetadata, Box<Finding>> {
        let name = if self.is_alias() { "key-alias" } else { "key-state" };
        let error = match self.client.describe_key().key_id(self.name).send().await {
            Ok(reply) => match reply.key_metadata {
                Some(metadata) => return Ok(metadata),
                None => {
                    let found = "KMS says nothing of the key";
                    return Err(Box::new(Finding::new(name, Level::NotChecked, found)));
                }
            },
            Err(error) => error,
        };
        Err(Box::new(match error.as_service_error().and_then(|error| error.code()) {
            Some("NotFoundException") => {
                let found = format!("KMS in {} knows no such key or alias", self.region);
                Finding::new(name, Level::Problem, found)
                    .because("nothing can be sealed or opened with it")
                    .remedy("look for it: aliases are of one Region, as most keys are")
                    .command(self.advice.key(&self.region, &["list"]))
            }
            Some("AccessDeniedException") => {
                Finding::new(name, Level::NotChecked, "refused: needs kms:DescribeKey")
            }
            _ => {
                let error =
                    failed("it could not be asked", ErrorKind::KeyAccess, "DescribeKey", error);
                Finding::new(name, Level::Problem, error.reason())
                    .because("nothing can be sealed or opened without KMS")
                    .remedy("check --region, --endpoint-url and the network")
            }
        }))
    }

    fn state(&self, metadata: &KeyMetadata, arn: &str) -> Finding {
        let name = "key-state";
        let enable = || self.advice.key(&self.region, &["enable", arn]);
        let problem = |found: String| {
            let why = "nothing can be sealed, and nothing sealed under it opens";
            Finding::new(name, Level::Problem, found).because(why)
        };
        match metadata.key_state() {
            Some(KeyState::Enabled) => Finding::ok(name, "enabled"),
            Some(KeyState::Disabled) => {
                problem("disabled".to_owned()).remedy("enable it").command(enable())
            }
            Some(KeyState::PendingDeletion) => {
                let cancel = ["cancel-deletion", arn];
                let when = metadata.deletion_date().map(|date| format!(" on {date}"));
                let when = when.unwrap_or_default();
                problem(format!("will be deleted{when}: then all data sealed under it is lost"))
                    .remedy("cancel the deletion, and enable it")
                    .command(self.advice.key(&self.region, &cancel))
                    .command(enable())
            }
            Some(state) => problem(format!("state {}", state.as_str()))
                .remedy("see `waxseal key show`; imported key material may have expired"),
            None => Finding::new(name, Level::NotChecked, "KMS does not say"),
        }
    }

    fn usage(&self, metadata: &KeyMetadata) -> Finding {
        let name = "key-usage";
        let spec = metadata.key_spec().map_or("unknown", Spec::as_str);
        let encrypts = metadata.key_usage().is_none_or(|u| *u == KeyUsageType::EncryptDecrypt);
        let is_rsa = spec.starts_with("RSA_");
        let problem = |found: String| {
            Finding::new(name, Level::Problem, found).because("every call with it fails")
        };
        match self.role {
            _ if !encrypts => problem(format!("a key of {spec} that does not encrypt"))
                .remedy("use a key made for ENCRYPT_DECRYPT"),
            Role::Wrap if is_rsa => problem(format!("an RSA key ({spec})"))
                .remedy(format!("name it as --key aws-kms-rsa:{}", self.name)),
            Role::WrapRsa if !is_rsa => problem(format!("no RSA key ({spec})"))
                .remedy(format!("name it as --key aws-kms:{}", self.name)),
            Role::Sse if is_rsa => {
                problem(format!("an RSA key ({spec})")).remedy("S3 takes symmetric keys only")
            }
            _ if metadata.key_manager() == Some(&KeyManagerType::Aws) => {
                Finding::new(name, Level::Warning, "a key that AWS manages")
                    .because("only the service it was made for can use it; no policy changes that")
                    .remedy("make a key of your own: `waxseal key create`")
            }
            _ => Finding::ok(name, spec),
        }
    }

    fn in_region(&self, arn: &str, bucket_region: Option<&str>) -> Option<Finding> {
        let name = "key-region";
        let own = arn.split(':').nth(3)?;
        let bucket = bucket_region?;
        if own == bucket {
            return Some(Finding::ok(name, format!("{own}, as the bucket")));
        }
        let found = format!("the key is in {own}, the bucket in {bucket}");
        Some(if self.role == Role::Sse {
            Finding::new(name, Level::Problem, found)
                .because("S3 uses keys of its own Region only")
                .remedy(format!("name a key in {bucket}"))
        } else {
            Finding::new(name, Level::Warning, found)
                .because("opening takes both Regions, and each call the way between them")
                .remedy(format!("seal with a key in {bucket}, or a multi-Region key"))
        })
    }

    async fn rotation(&self, arn: &str) -> Finding {
        let before = self.rotation_now(arn).await;
        let asked = self.args.fix.contains(&Fix::KeyRotation);
        match before.level {
            Level::Warning if asked => {}
            Level::NotChecked if asked => return before.not_put_right("it cannot be read first"),
            _ => return before,
        }
        match self.client.enable_key_rotation().key_id(arn).send().await {
            Ok(_) => Finding { fixed: Some(before.found), ..self.rotation_now(arn).await },
            Err(error) => {
                let kind = ErrorKind::KeyAccess;
                before.not_put_right(&failed("refused", kind, "EnableKeyRotation", error).reason())
            }
        }
    }

    async fn rotation_now(&self, arn: &str) -> Finding {
        let name = Fix::KeyRotation.name();
        match self.client.get_key_rotation_status().key_id(arn).send().await {
            Ok(status) if status.key_rotation_enabled() => Finding::ok(name, "enabled"),
            Ok(_) => Finding::new(name, Level::Warning, "not enabled")
                .because("one generation of the key wraps everything, for ever")
                .remedy(format!("run this again with --fix {name}"))
                .command(self.advice.fix_key(self.name, Fix::KeyRotation)),
            Err(error) => {
                let code = error.as_service_error().and_then(|error| error.code());
                let found = match code {
                    Some("AccessDeniedException") => "refused: needs kms:GetKeyRotationStatus",
                    Some("UnsupportedOperationException") => "this key cannot be rotated by KMS",
                    _ => "KMS does not say",
                };
                Finding::new(name, Level::NotChecked, found)
            }
        }
    }

    fn is_alias(&self) -> bool {
        self.name.starts_with("alias/") || self.name.contains(":alias/")
    }
}

fn is_symmetric(metadata: &KeyMetadata) -> bool {
    metadata.key_spec() == Some(&Spec::SymmetricDefault)
}
