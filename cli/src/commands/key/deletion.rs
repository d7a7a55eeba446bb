//! `waxseal key schedule-deletion` and `cancel-deletion`

use std::collections::BTreeSet;

use aws_sdk_kms::types::KeyManagerType;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyState;
use aws_sdk_kms::types::KeyUsageType;
use clap::Args;
use serde::Serialize;

use crate::args::Verbosity;
use crate::aws::Aws;
use crate::dependents;
use crate::dependents::Dependent;
use crate::dependents::Dependents;
use crate::dependents::dependents;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::KeyNames;
use crate::objects::ObjectsArgs;
use crate::objects::Versions;
use crate::report::BAD;
use crate::report::DOUBTFUL;
use crate::report::printable;

use super::Found;
use super::KeyName;
use super::OneKeyArgs;
use super::Report;
use super::ReportArgs;
use super::date;
use super::failure::failed;
use super::failure::is_not_found;
use super::failure::is_unanswered;
use super::line;
use super::listed;

/// Have a key deleted in some days, unless objects need it
///
/// What a deleted key sealed is lost for ever, and so is what it encrypted
/// elsewhere: secrets, disks, databases. The waiting time begins at once, and in it
/// the key is of no use; `waxseal key cancel-deletion` ends it.
///
/// Nothing is scheduled while one of the objects that you name opens with this
/// key and no other (a key whose deletion is pending too is none), was encrypted
/// with it by S3 (SSE-KMS, sealed or not), does not say its key, or cannot be
/// looked at. In S3 all versions count, those too that were replaced or deleted.
/// Objects that you do not name are not looked at: name all places where the key
/// was used.
///
/// Disable the key first, which can be undone at once, and see who complains.
#[derive(Args, Debug)]
#[command(after_long_help = SCHEDULE_HELP)]
pub(super) struct ScheduleArgs {
    /// The key: alias/NAME, key id or ARN.
    #[arg(value_name = "KEY")]
    key: KeyName,
    /// Look at no objects.
    #[arg(long)]
    unchecked: bool,
    /// Days to wait, 7 to 30.
    #[arg(
        long, value_name = "N", default_value_t = 30,
        value_parser = clap::value_parser!(i32).range(7..=30)
    )]
    days: i32,
    #[command(flatten)]
    output: ReportArgs,
    #[command(flatten)]
    objects: ObjectsArgs,
}

/// Keep a key whose deletion is pending
///
/// It is disabled afterwards: `waxseal key enable` lets it be used again.
#[derive(Args, Debug)]
#[command(after_long_help = CANCEL_HELP)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    key: OneKeyArgs,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Outcome {
    arn: String,
    aliases: Vec<String>,
    state: String,
    scheduled: bool,
    deletion_date: Option<String>,
    checked: Option<Checked>,
}

#[derive(Debug, Serialize)]
struct Checked {
    sealed: u64,
    not_sealed: u64,
    depends_only: Vec<Dependent>,
    depends_also: Vec<Dependent>,
    depends_unknown: Vec<Dependent>,
    failed: Vec<ReportedFailure>,
}

#[derive(Debug, Serialize)]
struct ReportedFailure {
    object: String,
    reason: String,
}

/// The fields of `cancel-deletion --json`, in this order.
#[derive(Debug, Serialize)]
struct Cancelled {
    arn: String,
    state: &'static str,
}

pub(super) async fn schedule(args: ScheduleArgs, verbosity: Verbosity) -> Result<(), Failure> {
    need_one(&args)?;
    let ScheduleArgs { key, objects, unchecked, days, output } = args;
    let cannot = format!("cannot schedule the deletion of {key}");
    let aws = Aws::new(output.aws);
    let key = Found::find(&key, &aws, &cannot).await?;
    need_deletable(&key, &cannot)?;
    let mut outcome = Outcome {
        arn: key.arn().to_owned(),
        aliases: key.aliases(&cannot).await?,
        state: key.state().to_owned(),
        scheduled: false,
        deletion_date: None,
        checked: None,
    };
    if !unchecked {
        let names = names(&key, &cannot).await?;
        let items = objects.items(&aws, Versions::All, verbosity).await?;
        let mut found = dependents(&aws, items, &[names]).await?;
        without_doomed(&mut found, &aws).await?;
        let checked = Checked::from(found);
        let is_symmetric = key.metadata.key_spec() == Some(&KeySpec::SymmetricDefault);
        let provider = if is_symmetric { "aws-kms" } else { "aws-kms-rsa" };
        let refusal = checked.refusal(provider, &outcome.arn, &objects);
        outcome.checked = Some(checked);
        if let Some(refusal) = refusal {
            outcome.print(output.json)?;
            return Err(refusal);
        }
    }
    let request = key.kms.schedule_key_deletion().key_id(key.metadata.key_id());
    let done = request.pending_window_in_days(days).send().await;
    let done = done.map_err(|error| {
        let is_unanswered = is_unanswered(&error);
        let failure = failed(cannot, "ScheduleKeyDeletion", error);
        if is_unanswered { failure.and(PERHAPS) } else { failure }
    })?;
    outcome.scheduled = true;
    outcome.state = done.key_state().map_or("", |state| state.as_str()).to_owned();
    outcome.deletion_date = done.deletion_date().map(date);
    verbosity.note(format_args!("until then: waxseal key cancel-deletion {}", outcome.arn));
    outcome.print(output.json)
}

pub(super) async fn cancel(args: CancelArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot cancel the deletion of {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let done = key.kms.cancel_key_deletion().key_id(key.metadata.key_id()).send().await;
    done.map_err(|e| failed(cannot, "CancelKeyDeletion", e))?;
    verbosity.note(format_args!("to use it again: waxseal key enable {}", key.arn()));
    Cancelled { arn: key.arn().to_owned(), state: "Disabled" }.print(output.json)
}

/// Refuses unless there is something to check, or nothing shall be.
fn need_one(args: &ScheduleArgs) -> Result<(), Failure> {
    match (args.objects.is_empty(), args.unchecked) {
        (true, false) => Err(Failure::usage("no object is named to look at").remedy(
            "name what the key may have sealed: s3://BUCKET/KEY, --recursive s3://BUCKET/PREFIX \
             or --manifest FILE; or give --unchecked to look at nothing",
        )),
        (false, true) => Err(Failure::usage("objects are named, and --unchecked looks at none")
            .remedy("leave out one of the two")),
        _ => Ok(()),
    }
}

/// Refuses what KMS would refuse, or not do, with a better reason.
fn need_deletable(key: &Found, cannot: &str) -> Result<(), Failure> {
    let refused = |why: &str| Failure::new(Code::Key, format!("{cannot}: {why}"));
    if key.metadata.key_manager() == Some(&KeyManagerType::Aws) {
        return Err(refused("AWS manages it")
            .remedy("name a key of your own: `waxseal key list` shows them"));
    }
    if let Some(due) = key.metadata.deletion_date() {
        return Err(refused(&format!("it is pending already, for {}", date(due)))
            .remedy("for another date, cancel it first: `waxseal key cancel-deletion KEY`"));
    }
    let replicas = key.replicas();
    if !replicas.is_empty() {
        return Err(refused("KMS deletes a primary key only after its replicas")
            .remedy(format!("delete them first, in their Regions: {}", replicas.join(", "))));
    }
    Ok(())
}

/// Takes objects whose other keys all go too for ones that open with nothing else.
///
/// A key that KMS does not show is believed to stay: it may be another account's.
async fn without_doomed(found: &mut Dependents, aws: &Aws) -> Result<(), Failure> {
    let others: BTreeSet<_> = found.also.iter().flat_map(|one| &one.others).cloned().collect();
    let mut doomed = BTreeSet::new();
    for name in others {
        if name.provider.as_deref() == Some("aws-kms") && is_doomed(&name, aws).await? {
            doomed.insert(name);
        }
    }
    let is_lost = |one: &Dependent| one.others.iter().all(|name| doomed.contains(name));
    let (lost, also) = std::mem::take(&mut found.also).into_iter().partition(is_lost);
    found.also = also;
    found.only.extend::<Vec<_>>(lost);
    Ok(())
}

async fn is_doomed(name: &dependents::KeyName, aws: &Aws) -> Result<bool, Failure> {
    let Some(id) = &name.key_id else { return Ok(false) };
    match aws.kms_of(id).await?.describe_key().key_id(id).send().await {
        Ok(found) => {
            let state = found.key_metadata.and_then(|metadata| metadata.key_state);
            let going = [KeyState::PendingDeletion, KeyState::PendingReplicaDeletion];
            Ok(state.is_some_and(|state| going.contains(&state)))
        }
        Err(error) => Ok(is_not_found(&error)),
    }
}

/// How envelopes name the key.
async fn names(key: &Found, cannot: &str) -> Result<KeyNames, Failure> {
    let unknown = |why: &str| {
        Failure::new(Code::Key, format!("{cannot}: {why}"))
            .remedy("find out yourself who needs it, and then give --unchecked instead of objects")
    };
    match (key.metadata.key_usage(), key.metadata.key_spec()) {
        (Some(KeyUsageType::EncryptDecrypt), Some(KeySpec::SymmetricDefault)) => {
            Ok(KeyNames::of_kms(key.arn()))
        }
        (Some(KeyUsageType::EncryptDecrypt), _) => {
            KeyNames::of_kms_rsa(key.kms.clone(), key.arn()).await
        }
        (Some(KeyUsageType::SignVerify), _) => {
            Err(unknown("it signs, and what it signed is not looked for"))
        }
        _ => Err(unknown("it is of no use to waxseal, so its objects cannot be found")),
    }
}

impl Checked {
    /// Why the key must stay, if it must.
    fn refusal(&self, provider: &str, arn: &str, objects: &ObjectsArgs) -> Option<Failure> {
        let [only, unknown, failed] =
            [self.depends_only.len(), self.depends_unknown.len(), self.failed.len()];
        let refused = |what: String| Failure::new(Code::Key, what).known("key-needed");
        if only > 0 {
            let named = objects.words();
            let rewrap = format!(
                "wrap their data keys with another one first: `waxseal rewrap --from-key \
                 {provider}:{arn} --key aws-kms:NEW {}`{}",
                named.as_deref().unwrap_or("OBJECT..."),
                if self.has_versions() { VERSIONS_STAY } else { "" },
            );
            let disable =
                format!("to stop all use of this one meanwhile: `waxseal key disable {arn}`");
            let by_s3 = self.depends_only.iter().filter(|one| one.encrypted_by_s3).count();
            if by_s3 > 0 {
                let what = format!("objects need {arn}: {only}, encrypted by S3 with it: {by_s3}");
                let anew = "have S3 encrypt anew what it encrypted with it: `aws s3 cp` onto itself \
                            with --sse aws:kms --sse-kms-key-id";
                return Some(refused(what).remedy(anew).and(&rewrap).and(&disable));
            }
            let what = format!("objects open with {arn} and no other key: {only}");
            return Some(refused(what).remedy(rewrap).and(&disable));
        }
        if unknown + failed > 0 {
            let what = format!("objects that may need {arn}: {}", unknown + failed);
            return Some(refused(what).remedy(
                "mend what the report says of each, or re-wrap it: one that names no key is of \
                 the one-shot layout",
            ));
        }
        (self.sealed + self.not_sealed == 0).then(|| {
            Failure::new(Code::Key, "nothing was found where you named it")
                .remedy("check bucket and prefix: `aws s3 ls` lists them")
        })
    }

    /// Whether what is lost may be an older version.
    fn has_versions(&self) -> bool {
        let ids = self.depends_only.iter().filter_map(|one| one.version_id.as_deref());
        ids.into_iter().any(|id| id != "null")
    }
}

impl From<Dependents> for Checked {
    fn from(found: Dependents) -> Self {
        let failed = found
            .failed
            .into_iter()
            .map(|(object, failure)| ReportedFailure { object, reason: failure.reason() });
        Self {
            sealed: found.sealed.objects,
            not_sealed: found.not_sealed.objects,
            depends_only: found.only,
            depends_also: found.also,
            depends_unknown: found.unnamed,
            failed: failed.collect(),
        }
    }
}

impl Report for Outcome {
    fn to_text(&self) -> String {
        let mut text = line("key", &self.arn);
        text += &line("aliases", &listed(&self.aliases));
        text += &line("state", &self.state);
        if let Some(checked) = &self.checked {
            text += &checked.to_text();
        }
        match &self.deletion_date {
            Some(date) => text += &line("deletion", date),
            None => text += &line("deletion", "not scheduled"),
        }
        text
    }
}

impl Checked {
    fn to_text(&self) -> String {
        let mut text = line("looked at", &format!("{} sealed objects", self.sealed));
        text += &line("", &format!("{} that waxseal did not seal", self.not_sealed));
        let lists = [
            ("opens with nothing else", BAD, &self.depends_only),
            ("does not say its key", BAD, &self.depends_unknown),
            ("opens with another key too", DOUBTFUL, &self.depends_also),
        ];
        for (what, style, list) in lists {
            let lines = list.iter().map(|one| {
                let Dependent { object, version_id, .. } = one;
                let what = one.why(what);
                let version = version_id.as_ref().filter(|id| *id != "null");
                let version = version.map(|id| format!(" (version {id})")).unwrap_or_default();
                format!("{style}{what}{style:#}: {}\n", printable(&format!("{object}{version}")))
            });
            text += &some(lines, what);
        }
        let lines = self.failed.iter().map(|ReportedFailure { object, reason }| {
            format!("{BAD}failed{BAD:#}: {}: {}\n", printable(object), printable(reason))
        });
        text + &some(lines, "failed")
    }
}

/// The first lines, and how many more there are.
fn some(lines: impl ExactSizeIterator<Item = String>, what: &str) -> String {
    let more = lines.len().saturating_sub(SHOWN);
    let mut text: String = lines.take(SHOWN).collect();
    if more > 0 {
        text += &format!("{what}: and {more} more; --json has them all\n");
    }
    text
}

impl Report for Cancelled {
    fn to_text(&self) -> String {
        line("key", &self.arn) + &line("state", self.state)
    }
}

const VERSIONS_STAY: &str = ", which leaves older versions as they are: \
     docs/recipes/rotate-a-yearly-key.md";
const PERHAPS: &str = "if the request arrived, the deletion is pending even so: `waxseal key show` \
     tells, and `waxseal key cancel-deletion` ends it";
/// Objects of a kind that people are shown.
const SHOWN: usize = 20;

const SCHEDULE_HELP: &str = "\
Fields of --json, printed when it is refused for objects, too; always present;
none will change its meaning:
  arn            the key
  aliases        array of names, which go with it
  state          \"PendingDeletion\"; as it was if it is refused
  scheduled      whether it will be deleted
  deletion_date  RFC 3339 in UTC; null if it is refused
  checked        null with --unchecked; else an object of
    sealed           how many objects waxseal sealed
    not_sealed       how many it did not
    depends_only     array of { object, version_id, bytes, encrypted_by_s3 }:
                     lost with the key; the last is true if S3 encrypted it
                     with the key, sealed or not
    depends_also     the same: open with another key too
    depends_unknown  the same: do not say what they need
    failed           array of { object, reason }: could not be looked at

Examples:
  waxseal key disable alias/old
  waxseal key schedule-deletion alias/old --recursive s3://backups/

  Objects and files of a list, and ten days to think again:
    waxseal key schedule-deletion alias/old --manifest sealed.txt --days 10

  A key that never sealed anything:
    waxseal key schedule-deletion alias/test --unchecked --days 7";

const CANCEL_HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  arn    the key
  state  \"Disabled\"

Examples:
  waxseal key cancel-deletion 1234abcd-12ab-34cd-56ef-1234567890ab
  waxseal key enable 1234abcd-12ab-34cd-56ef-1234567890ab";
