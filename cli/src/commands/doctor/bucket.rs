//! Checks of a bucket: its settings, read one by one.

mod policy;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_sdk_s3::types::ExpirationStatus;
use aws_sdk_s3::types::LifecycleRule;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3::types::ServerSideEncryptionRule;
use waxseal::ErrorKind;

use super::DoctorArgs;
use super::Fix;
use super::advice::Advice;
use super::finding::Finding;
use super::finding::Level;
use super::fix;
use crate::aws::Aws;
use crate::aws::failed;
use crate::aws::is_region;
use crate::exit::Failure;

/// What the checks after those of the bucket need to know of it.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// It answers nothing.
    pub(super) is_missing: bool,
    pub(super) region: Option<String>,
    /// The ARN of the key that S3 encrypts with by default.
    pub(super) sse_key: Option<String>,
}

/// A bucket, asked with one client.
#[derive(Debug)]
pub(super) struct Bucket<'a> {
    pub(super) s3: Client,
    pub(super) name: &'a str,
    pub(super) args: &'a DoctorArgs,
    advice: &'a Advice<'a>,
}

/// # Errors
///
/// `Code::Store` if no Region is set.
pub(super) async fn check(
    aws: &Aws,
    args: &DoctorArgs,
    advice: &Advice<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Checked, Failure> {
    let mut checked = Checked::default();
    let Some(name) = &args.bucket else { return Ok(checked) };
    let bucket = Bucket { s3: aws.s3().await?, name: name.as_str(), args, advice };
    let configured = aws.region().await?.unwrap_or_default();
    let access = bucket.access(&configured, &mut checked).await;
    checked.is_missing = access.level == Level::Problem;
    findings.push(access.of(bucket.name));
    if checked.is_missing {
        return Ok(checked);
    }
    for fix in FIXES {
        let finding = bucket.checked(fix, &mut checked).await;
        let asked = args.fix.contains(&fix);
        let finding = match finding.level {
            Level::Warning | Level::Problem if asked => {
                bucket.put_right(fix, finding, &mut checked).await
            }
            Level::NotChecked if asked => finding.not_put_right("it cannot be read first"),
            _ => finding,
        };
        findings.push(finding.of(bucket.name));
    }
    findings.push(bucket.uploads().await.of(bucket.name));
    Ok(checked)
}

impl Bucket<'_> {
    async fn checked(&self, fix: Fix, checked: &mut Checked) -> Finding {
        let finding = match fix {
            Fix::BucketEncryption => self.encryption(checked).await,
            Fix::BucketPolicy => self.policy().await,
            Fix::BucketVersioning => self.versioning().await,
            Fix::PublicAccess => self.public_access().await,
            Fix::AbortIncompleteUploads => self.lifecycle().await,
            Fix::KeyRotation => unreachable!("that is a check of keys"),
        };
        if !finding.is_bad() || finding.remedy.is_some() {
            return finding;
        }
        if fix.needs_key() && self.args.sse_kms_key_id.is_none() {
            return finding.remedy("give --sse-kms-key-id ARN, the key that S3 is to encrypt with");
        }
        // What was given may be such that no command can be pasted.
        let remedy = format!("run this again with --fix {}", fix.name());
        finding.remedy(remedy).command(self.advice.fix(fix))
    }

    async fn put_right(&self, fix: Fix, before: Finding, checked: &mut Checked) -> Finding {
        match fix::apply(self, fix).await {
            Ok(()) => Finding { fixed: Some(before.found), ..self.checked(fix, checked).await },
            Err(text) => before.not_put_right(&text),
        }
    }

    async fn access(&self, configured: &str, checked: &mut Checked) -> Finding {
        let name = "bucket-access";
        let reply = self.s3.head_bucket().bucket(self.name).send().await;
        let told = match &reply {
            Ok(reply) => reply.bucket_region().map(str::to_owned),
            Err(error) => error
                .raw_response()
                .and_then(|answer| answer.headers().get("x-amz-bucket-region"))
                .map(str::to_owned),
        };
        checked.region = told.filter(|region| is_region(region));
        if let Some(region) = checked.region.as_deref().filter(|region| *region != configured) {
            let found = format!("the bucket is in {region}, and {configured} is asked");
            return Finding::new(name, Level::Problem, found)
                .because("S3 answers for a bucket in its own Region only")
                .remedy(format!("give --region {region}, or set AWS_REGION"))
                .command(self.advice.in_region(region));
        }
        match reply {
            Ok(_) => Finding::ok(name, "it is there"),
            Err(error) => match error.raw_response().map(|answer| answer.status().as_u16()) {
                Some(404) => Finding::new(name, Level::Problem, "there is no such bucket")
                    .because("nothing can be stored")
                    .remedy("check its name, --region and --endpoint-url"),
                Some(403) => Finding::new(name, Level::NotChecked, "refused: needs s3:ListBucket"),
                _ => Finding::new(name, Level::Problem, said("HeadBucket", error))
                    .because("nothing can be stored")
                    .remedy("check its name, --region, --endpoint-url and the network"),
            },
        }
    }

    async fn encryption(&self, checked: &mut Checked) -> Finding {
        let name = Fix::BucketEncryption.name();
        let reply = self.s3.get_bucket_encryption().bucket(self.name).send().await;
        let rules = match reply {
            Ok(reply) => reply.server_side_encryption_configuration.map(|found| found.rules),
            Err(error) if is(&error, "ServerSideEncryptionConfigurationNotFoundError") => None,
            Err(error) => {
                return unanswered(name, "s3:GetEncryptionConfiguration", error);
            }
        };
        let rule = rules.and_then(|rules| rules.into_iter().next());
        let wanted = self.args.sse_kms_key_id.as_ref().map(|key| key.as_str());
        let key = rule.as_ref().and_then(sse_key).map(str::to_owned);
        checked.sse_key = key.clone().filter(|key| key.starts_with("arn:"));
        let warning = |found: &str, why| Finding::new(name, Level::Warning, found).because(why);
        match (rule, key) {
            (None, _) => Finding::new(name, Level::Problem, "no default encryption is set")
                .because("uploads that do not ask for encryption may be stored as they are"),
            (Some(rule), None) if is_kms(&rule) => warning(
                "SSE-KMS with the key that AWS manages (aws/s3)",
                "that key cannot be limited by policy, shared with other accounts or disabled",
            ),
            (Some(_), None) => warning(
                "SSE-S3: S3 encrypts with a key of its own",
                "whoever may read an object gets it decrypted; KMS neither asks nor records who",
            ),
            (Some(_), Some(key)) if wanted.is_some_and(|wanted| wanted != key) => warning(
                &format!("SSE-KMS with another key: {key}"),
                "objects depend on a key that is not the one you named",
            ),
            (Some(rule), Some(key)) if kind(&rule) == Some(&ServerSideEncryption::AwsKmsDsse) => {
                Finding::ok(name, format!("DSSE-KMS with {key}"))
            }
            (Some(rule), Some(key)) if rule.bucket_key_enabled() != Some(true) => warning(
                &format!("SSE-KMS with {key}, without a bucket key"),
                "each object costs calls of KMS, which bucket keys save",
            ),
            (Some(_), Some(key)) => {
                Finding::ok(name, format!("SSE-KMS with {key}, and a bucket key"))
            }
        }
    }

    async fn policy(&self) -> Finding {
        let name = Fix::BucketPolicy.name();
        match self.s3.get_bucket_policy().bucket(self.name).send().await {
            Ok(reply) => policy::judge(name, self.name, reply.policy().unwrap_or_default()),
            Err(error) if is(&error, "NoSuchBucketPolicy") => {
                Finding::new(name, Level::Warning, "there is no bucket policy")
                    .because(policy::WITHOUT)
            }
            Err(error) => unanswered(name, "s3:GetBucketPolicy", error),
        }
    }

    async fn versioning(&self) -> Finding {
        let name = Fix::BucketVersioning.name();
        let reply = self.s3.get_bucket_versioning().bucket(self.name).send().await;
        match reply.as_ref().map(|reply| reply.status()) {
            Ok(Some(BucketVersioningStatus::Enabled)) => Finding::ok(name, "enabled"),
            Ok(found) => {
                let found = if found.is_some() { "suspended" } else { "was never enabled" };
                Finding::new(name, Level::Warning, format!("versioning: {found}"))
                    .because("an object that is replaced or deleted by mistake is gone")
            }
            Err(_) => {
                let error = reply.expect_err("it was just looked at");
                unanswered(name, "s3:GetBucketVersioning", error)
            }
        }
    }

    async fn public_access(&self) -> Finding {
        let name = Fix::PublicAccess.name();
        let reply = self.s3.get_public_access_block().bucket(self.name).send().await;
        let block = match reply {
            Ok(reply) => reply.public_access_block_configuration,
            Err(error) if is(&error, "NoSuchPublicAccessBlockConfiguration") => None,
            Err(error) => return unanswered(name, "s3:GetBucketPublicAccessBlock", error),
        };
        let open: Vec<_> = [
            ("BlockPublicAcls", block.as_ref().and_then(|block| block.block_public_acls())),
            ("IgnorePublicAcls", block.as_ref().and_then(|block| block.ignore_public_acls())),
            ("BlockPublicPolicy", block.as_ref().and_then(|block| block.block_public_policy())),
            (
                "RestrictPublicBuckets",
                block.as_ref().and_then(|block| block.restrict_public_buckets()),
            ),
        ]
        .into_iter()
        .filter_map(|(name, set)| (set != Some(true)).then_some(name))
        .collect();
        if open.is_empty() {
            return Finding::ok(name, "blocked");
        }
        Finding::new(name, Level::Warning, format!("not blocked: {}", open.join(", ")))
            .because("one mistake in a policy or an ACL can make the bucket public")
    }

    async fn lifecycle(&self) -> Finding {
        let name = Fix::AbortIncompleteUploads.name();
        let reply = self.s3.get_bucket_lifecycle_configuration().bucket(self.name).send().await;
        let rules = match reply {
            Ok(reply) => reply.rules.unwrap_or_default(),
            Err(error) if is(&error, "NoSuchLifecycleConfiguration") => vec![],
            Err(error) => return unanswered(name, "s3:GetLifecycleConfiguration", error),
        };
        match rules.iter().find_map(|rule| aborts_all(rule, self.args.prefix.as_str())) {
            Some(days) => Finding::ok(name, format!("removed after {days} days")),
            None => {
                let found = "no lifecycle rule removes abandoned uploads";
                Finding::new(name, Level::Warning, found).because(
                    "their parts cost storage for ever, and no listing of objects has them",
                )
            }
        }
    }

    async fn uploads(&self) -> Finding {
        let name = "incomplete-uploads";
        let (mut all, mut old) = (0, 0);
        let mut more = String::new();
        let (mut key, mut id) = (None, None);
        for page in 1.. {
            let list = self.s3.list_multipart_uploads().bucket(self.name);
            let list = list.set_key_marker(key).set_upload_id_marker(id);
            let reply = match list.send().await {
                Ok(reply) => reply,
                Err(error) => return unanswered(name, "s3:ListBucketMultipartUploads", error),
            };
            all += reply.uploads().len();
            let began = reply.uploads().iter().filter_map(|upload| upload.initiated());
            old += began.filter(|at| at.secs() < fix::days_ago(OLD_DAYS)).count();
            if reply.is_truncated() != Some(true) || page == MAX_PAGES {
                if reply.is_truncated() == Some(true) {
                    more = " or more".to_owned();
                }
                break;
            }
            (key, id) = (reply.next_key_marker, reply.next_upload_id_marker);
        }
        if old == 0 {
            return Finding::ok(name, format!("{all}{more} in progress, none of them old"));
        }
        let found = format!("{old}{more} uploads were begun over {OLD_DAYS} days ago");
        Finding::new(name, Level::Warning, found)
            .because("their parts cost storage, and no listing of objects has them")
            .remedy("a lifecycle rule removes them within a day or two")
            .command(self.advice.fix(Fix::AbortIncompleteUploads))
    }
}

/// Days after which the rule removes abandoned uploads of all keys that begin with `prefix`.
fn aborts_all(rule: &LifecycleRule, prefix: &str) -> Option<i32> {
    let filter = rule.filter();
    let is_narrow = filter.is_some_and(|filter| {
        filter.tag().is_some()
            || filter.and().is_some()
            || filter.object_size_greater_than().is_some()
            || filter.object_size_less_than().is_some()
    });
    #[allow(deprecated)] // rules of old have it there
    let of_rule = filter.and_then(|filter| filter.prefix()).or(rule.prefix()).unwrap_or_default();
    let covers = *rule.status() == ExpirationStatus::Enabled && !is_narrow;
    rule.abort_incomplete_multipart_upload()
        .filter(|_| covers && prefix.starts_with(of_rule))
        .and_then(|abort| abort.days_after_initiation())
}

pub(super) fn kind(rule: &ServerSideEncryptionRule) -> Option<&ServerSideEncryption> {
    Some(rule.apply_server_side_encryption_by_default()?.sse_algorithm())
}

fn is_kms(rule: &ServerSideEncryptionRule) -> bool {
    let kinds = [ServerSideEncryption::AwsKms, ServerSideEncryption::AwsKmsDsse];
    kind(rule).is_some_and(|kind| kinds.contains(kind))
}

fn sse_key(rule: &ServerSideEncryptionRule) -> Option<&str> {
    rule.apply_server_side_encryption_by_default()?.kms_master_key_id()
}

/// The finding when the answer does not tell.
fn unanswered<E>(name: &'static str, permission: &str, error: SdkError<E, HttpResponse>) -> Finding
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let found = match error.raw_response().map(|answer| answer.status().as_u16()) {
        Some(403) => format!("refused: needs {permission}"),
        // Some answer with another document, such as a listing of objects.
        Some(200 | 404 | 405 | 501) => "this server has no such setting".to_owned(),
        _ => said("the setting", error),
    };
    Finding::new(name, Level::NotChecked, found)
}

pub(super) fn is<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(|error| error.code()) == Some(code)
}

/// What an error says, on one line.
pub(super) fn said<E>(operation: &str, error: SdkError<E>) -> String
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    failed("it could not be asked", ErrorKind::Store, operation, error).reason()
}

/// In the order of the report.
const FIXES: [Fix; 5] = [
    Fix::BucketEncryption,
    Fix::BucketPolicy,
    Fix::BucketVersioning,
    Fix::PublicAccess,
    Fix::AbortIncompleteUploads,
];
const OLD_DAYS: u64 = 7;
/// Of 1,000 uploads each.
const MAX_PAGES: u32 = 10;
