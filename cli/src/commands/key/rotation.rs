//! `waxseal key enable-rotation`, `disable-rotation` and `rotate-now`

use aws_sdk_kms::operation::get_key_rotation_status::GetKeyRotationStatusOutput;
use clap::Args;
use serde::Serialize;

use crate::args::Verbosity;
use crate::aws::Aws;
use crate::exit::Failure;

use super::Found;
use super::OneKeyArgs;
use super::Report;
use super::date;
use super::failure::failed;
use super::failure::is_unanswered;
use super::line;
use super::once;

/// Have KMS replace the secret of a key regularly
///
/// Id, ARN and aliases stay, and KMS keeps the old secrets: what they sealed
/// still opens, and nothing has to be re-wrapped. Only symmetric keys are
/// rotated; a multi-Region key is rotated at its primary, for all replicas.
#[derive(Args, Debug)]
#[command(after_long_help = ENABLE_HELP)]
pub(super) struct EnableArgs {
    #[command(flatten)]
    key: OneKeyArgs,
    /// Days between rotations, 90 to 2560; without it as before, at first a year.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(90..=2560))]
    days: Option<i32>,
}

/// Stop the regular rotation of a key
///
/// KMS keeps the secrets that there are, so that all still opens.
#[derive(Args, Debug)]
#[command(after_long_help = DISABLE_HELP)]
pub(super) struct DisableArgs {
    #[command(flatten)]
    key: OneKeyArgs,
}

/// Replace the secret of a key now
///
/// Besides the regular rotation, at most 25 times in the life of a key. What
/// older secrets sealed still opens; what is sealed in the next minutes may still
/// be under the old one. If a secret may be known to others this is no help: make
/// a new key, and re-wrap.
#[derive(Args, Debug)]
#[command(after_long_help = NOW_HELP)]
pub(super) struct NowArgs {
    #[command(flatten)]
    key: OneKeyArgs,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Rotation {
    arn: String,
    #[serde(flatten)]
    status: Status,
}

/// Whether and when a key is rotated.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) enabled: bool,
    pub(super) period_days: Option<i32>,
    pub(super) next: Option<String>,
}

pub(super) async fn enable(args: EnableArgs) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot enable the rotation of {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let enable = key.kms.enable_key_rotation().key_id(key.arn());
    let done = enable.set_rotation_period_in_days(args.days).send().await;
    done.map_err(|e| failed(&cannot, "EnableKeyRotation", e))?;
    report(&key, "rotation is enabled", output.json).await
}

pub(super) async fn disable(args: DisableArgs) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot disable the rotation of {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let done = key.kms.disable_key_rotation().key_id(key.arn()).send().await;
    done.map_err(|e| failed(&cannot, "DisableKeyRotation", e))?;
    report(&key, "rotation is disabled", output.json).await
}

pub(super) async fn now(args: NowArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot rotate {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let rotate = key.kms.rotate_key_on_demand().key_id(key.arn());
    rotate.customize().config_override(once()).send().await.map_err(|error| {
        let is_unanswered = is_unanswered(&error);
        let failure = failed(&cannot, "RotateKeyOnDemand", error);
        if is_unanswered { failure.and(PERHAPS) } else { failure }
    })?;
    verbosity.note(format_args!("KMS rotates it within minutes"));
    report(&key, "a rotation was begun", output.json).await
}

/// Says how it is now, after `what` was `done`.
async fn report(key: &Found, done: &str, json: bool) -> Result<(), Failure> {
    let status = key.kms.get_key_rotation_status().key_id(key.arn()).send().await;
    let status = status.map_err(|e| {
        let what = format!("{}: {done}, but its dates cannot be seen", key.arn());
        failed(what, "GetKeyRotationStatus", e)
    })?;
    Rotation { arn: key.arn().to_owned(), status: Status::from(&status) }.print(json)
}

impl From<&GetKeyRotationStatusOutput> for Status {
    fn from(status: &GetKeyRotationStatusOutput) -> Self {
        let enabled = status.key_rotation_enabled();
        Self {
            enabled,
            period_days: status.rotation_period_in_days().filter(|_| enabled),
            next: status.next_rotation_date().filter(|_| enabled).map(date),
        }
    }
}

impl Status {
    pub(super) fn to_text(&self) -> String {
        if !self.enabled {
            return "off".to_owned();
        }
        let period = self.period_days.map_or("on".to_owned(), |days| format!("every {days} days"));
        match &self.next {
            Some(next) => format!("{period}, next {next}"),
            None => period,
        }
    }
}

impl Report for Rotation {
    fn to_text(&self) -> String {
        line("key", &self.arn) + &line("rotation", &self.status.to_text())
    }
}

const PERHAPS: &str =
    "if the request arrived it is done even so, and repeating it uses up one more";

/// For all three of them.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "\
Fields of --json, always present; none will change its meaning:
  arn          the key
  enabled      whether it is rotated regularly
  period_days  days between rotations; null if it is not
  next         date of the next one, RFC 3339 in UTC; null if it is not

Examples:
",
            $examples
        )
    };
}

const ENABLE_HELP: &str = help!(
    "  waxseal key enable-rotation alias/orders
  waxseal key enable-rotation --days 90 alias/orders"
);
const DISABLE_HELP: &str = help!("  waxseal key disable-rotation alias/orders");
const NOW_HELP: &str = help!("  waxseal key rotate-now alias/orders");
