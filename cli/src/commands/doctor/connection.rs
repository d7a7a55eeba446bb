//! How AWS is reached: as whom, where, and with which clock.

use std::collections::BTreeSet;
use std::time::Duration;
use std::time::SystemTime;

use super::finding::Finding;
use super::finding::Level;
use crate::aws::Aws;
use crate::aws::Watch;
use crate::aws::is_loopback;
use crate::exit::Failure;

/// # Errors
///
/// `Code::Usage` if the Region cannot be one.
pub(super) async fn credentials(aws: &Aws) -> Result<Finding, Failure> {
    aws.region().await?; // a mistake in it is not one of the credentials
    let credentials = match aws.credentials().await {
        Ok(credentials) => credentials,
        Err(failure) => {
            return Ok(Finding::new("credentials", Level::Problem, failure.reason())
                .because("nothing can be asked of AWS")
                .remedy(
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, or log in \
                     with `aws sso login`",
                ));
        }
    };
    let found = format!("{} (access key {})", source(&credentials), credentials.access_key_id());
    let left = credentials.expiry().map(|at| at.duration_since(SystemTime::now()));
    Ok(match left {
        None => Finding::ok("credentials", found),
        Some(Ok(left)) if left > SOON => {
            let minutes = left.as_secs() / 60;
            Finding::ok("credentials", format!("{found}, for another {minutes} minutes"))
        }
        Some(left) => {
            let level = if left.is_ok() { Level::Warning } else { Level::Problem };
            let when = if left.is_ok() { "expire soon" } else { "have expired" };
            Finding::new("credentials", level, format!("{found}: they {when}"))
                .because("AWS refuses requests with them from then on")
                .remedy("log in again, such as with `aws sso login`")
        }
    })
}

/// Scheme and host of all that was asked.
pub(super) fn endpoints(watch: &Watch) -> Vec<String> {
    let seen = watch.seen();
    seen.s3.union(&seen.kms).cloned().collect()
}

pub(super) fn check(
    region: Option<&str>,
    endpoints: &[String],
    watch: &Watch,
) -> impl Iterator<Item = Finding> {
    let region = region.unwrap_or("not set");
    let reached = if endpoints.is_empty() { "none".to_owned() } else { endpoints.join(", ") };
    let found = format!("Region {region}; asked: {reached}");
    let seen = watch.seen();
    let transport = (!seen.s3.is_empty()).then(|| transport(&seen.s3));
    let clock = seen.clock_ahead.map(self::clock);
    [Some(Finding::ok("endpoints", found)), transport, clock].into_iter().flatten()
}

fn transport(endpoints: &BTreeSet<String>) -> Finding {
    let in_clear = endpoints.iter().filter(|endpoint| !endpoint.starts_with("https://"));
    let in_clear: Vec<_> = in_clear.collect();
    match in_clear.iter().find(|endpoint| !is_loopback(endpoint)) {
        Some(endpoint) => {
            Finding::new("transport", Level::Problem, format!("S3 is asked over {endpoint}"))
                .because(
                    "sealed bytes stay secret, but names, metadata and what is asked for can be \
                     read on the way, and answers be changed",
                )
                .remedy("use an https:// endpoint for S3")
        }
        None if in_clear.is_empty() => Finding::ok("transport", "S3 is asked over TLS"),
        None => Finding::ok("transport", "S3 is asked in clear, on this machine"),
    }
}

fn clock(ahead: i64) -> Finding {
    let seconds = ahead.unsigned_abs();
    let direction = if ahead > 0 { "behind" } else { "ahead of" };
    let found = format!("the clock here is {seconds} seconds {direction} that of the server");
    let level = match seconds {
        0..=60 => return Finding::ok("clock", "agrees with that of the server within a minute"),
        61..=299 => Level::Warning,
        _ => Level::Problem,
    };
    Finding::new("clock", level, found)
        .because("AWS refuses signatures that seem more than 5 to 15 minutes old or new")
        .remedy("let NTP set the clock of this machine, such as with `timedatectl set-ntp true`")
}

/// Where the chain of credentials found them. The SDK has words for it in its debug text only.
fn source(credentials: &aws_sdk_kms::config::Credentials) -> String {
    let text = format!("{credentials:?}");
    let name = text.split_once("provider_name: \"").and_then(|(_, rest)| rest.split_once('"'));
    match name.map(|(name, _)| name) {
        Some("EnvironmentVariable") => "from the environment".to_owned(),
        Some("ProfileFile") => "from a profile".to_owned(),
        Some(name) => format!("from {name}"),
        None => "from an unknown source".to_owned(),
    }
}

const SOON: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_in_clear_is_a_problem_elsewhere() {
        let level = |url: &str| transport(&BTreeSet::from([url.to_owned()])).level;
        assert_eq!(level("http://s3.example.com"), Level::Problem);
        assert_eq!(level("http://127.0.0.1:9000"), Level::Ok);
        assert_eq!(level("https://s3.example.com"), Level::Ok);
    }

    #[test]
    fn a_clock_may_be_a_minute_off() {
        let levels = [0, -60, 61, -299, 300, -4000].map(|ahead| clock(ahead).level);
        let (ok, warning, problem) = (Level::Ok, Level::Warning, Level::Problem);
        assert_eq!(levels, [ok, ok, warning, warning, problem, problem]);
        assert!(clock(400).found.contains("400 seconds behind"));
        assert!(clock(-400).found.contains("400 seconds ahead of"));
    }
}
