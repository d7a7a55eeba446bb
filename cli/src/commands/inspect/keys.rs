//! `waxseal inspect --keys`: which wrapping keys many objects need.

use clap::Args;
use serde::Serialize;

use crate::args::AwsArgs;
use crate::args::Verbosity;
use crate::aws::Aws;
use crate::dependents::Dependent;
use crate::dependents::Dependents;
use crate::dependents::KeyName;
use crate::dependents::Tally;
use crate::dependents::dependents;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::KeyNames;
use crate::keys::KeySpec;
use crate::objects::ObjectsArgs;
use crate::objects::Versions;
use crate::passphrase::PassphraseArgs;
use crate::report;
use crate::report::BAD;
use crate::report::DOUBTFUL;
use crate::report::printable;

#[derive(Args, Debug)]
#[command(next_help_heading = "Which keys")]
pub(super) struct KeysArgs {
    /// Report the wrapping keys of all these objects, instead of one object.
    #[arg(long)]
    pub(super) keys: bool,
    /// Name the objects that open with this key; repeat it for more.
    ///
    /// Written like --key of `waxseal seal`. Those that open with none but such
    /// keys are told apart: they are lost with them. So are those that S3 encrypted with
    /// such a key (SSE-KMS), sealed or not.
    #[arg(long, value_name = "KEY", requires = "keys")]
    depends_on: Vec<KeySpec>,
    /// Look at the versions too that were replaced or deleted.
    #[arg(long, requires = "keys")]
    versions: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// The fields of `--json` with `--keys`, in this order.
#[derive(Debug, Serialize)]
struct Report {
    keys: Vec<ReportedKey>,
    sealed: Tally,
    not_sealed: Tally,
    depends_only: Vec<Dependent>,
    depends_also: Vec<Dependent>,
    depends_unknown: Vec<Dependent>,
    failed: Vec<ReportedFailure>,
}

#[derive(Debug, Serialize)]
struct ReportedKey {
    #[serde(flatten)]
    name: KeyName,
    #[serde(flatten)]
    tally: Tally,
}

#[derive(Debug, Serialize)]
struct ReportedFailure {
    object: String,
    reason: String,
}

pub(super) async fn run(
    args: &KeysArgs,
    objects: &ObjectsArgs,
    is_json: bool,
    aws: AwsArgs,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    let aws = Aws::new(aws);
    let versions = if args.versions { Versions::All } else { Versions::Current };
    let passphrase = args.passphrase.read()?;
    let mut wanted = vec![];
    for spec in &args.depends_on {
        wanted.push(KeyNames::of(spec, &passphrase, &aws).await?);
    }
    let items = objects.items(&aws, versions, verbosity).await?;
    let found = dependents(&aws, items, &wanted).await?;
    let failed = found.failed.len();
    let report = Report::new(found);
    report::print(&if is_json { report::to_json(&report) } else { report.to_text() })?;
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(Code::Store, format!("objects that could not be looked at: {failed}"))
        .remedy("mend what the report says of each, and run it again"))
}

impl Report {
    fn new(found: Dependents) -> Self {
        let keys = found.keys.into_iter().map(|(name, tally)| ReportedKey { name, tally });
        let failed = found
            .failed
            .into_iter()
            .map(|(object, failure)| ReportedFailure { object, reason: failure.reason() });
        Self {
            keys: keys.collect(),
            sealed: found.sealed,
            not_sealed: found.not_sealed,
            depends_only: found.only,
            depends_also: found.also,
            depends_unknown: found.unnamed,
            failed: failed.collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for ReportedKey { name, tally } in &self.keys {
            let provider = name.provider.as_deref().unwrap_or("(not named)");
            let key = format!("{provider} {}", name.key_id.as_deref().unwrap_or(""));
            text += &format!("{tally}  {}\n", printable(key.trim()));
        }
        text += &format!("{}  sealed\n{}  not sealed\n", self.sealed, self.not_sealed);
        let lists = [
            ("opens with nothing else", BAD, &self.depends_only),
            ("opens with another key too", DOUBTFUL, &self.depends_also),
            ("does not say with what it opens", DOUBTFUL, &self.depends_unknown),
        ];
        for (what, style, list) in lists {
            for one in list {
                let Dependent { object, version_id, .. } = one;
                let what = one.why(what);
                let version = version_id.as_ref().map(|id| format!(" (version {id})"));
                let object = format!("{object}{}", version.unwrap_or_default());
                text += &format!("{style}{what}{style:#}: {}\n", printable(&object));
            }
        }
        for ReportedFailure { object, reason } in &self.failed {
            text += &format!("{BAD}failed{BAD:#}: {}: {}\n", printable(object), printable(reason));
        }
        text
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objects = if self.objects == 1 { "object " } else { "objects" };
        write!(f, "{:>9} {objects} {:>16} bytes", self.objects, self.bytes)
    }
}
