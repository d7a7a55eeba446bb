//! How a command fails: one message, a remedy, an exit code.
//!
//! The codes are part of the command's interface: `waxseal --help` lists them.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use waxseal::Error;
use waxseal::ErrorKind;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why the command ends without having done what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    /// What could not be done. Never key bytes, nor values of an encryption context.
    what: String,
    source: Option<BoxError>,
    remedy: Option<Cow<'static, str>>,
}

/// What a script can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Unknown,
    Usage,
    Authentication,
    Key,
    Store,
    /// Ended by the signal with this number.
    Signal(u8),
}

impl Failure {
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), source: None, remedy: None }
    }

    /// Arguments that can never work.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Code::Usage, what)
    }

    /// Reading or writing bytes failed. The other end of a pipe may leave, which says nothing.
    pub(crate) fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Code::Signal(SIGPIPE),
            _ => Code::Store,
        };
        Self::new(code, what).because(error)
    }

    /// The library failed.
    pub(crate) fn library(what: impl Into<String>, error: Error) -> Self {
        let (code, remedy) = match error.kind() {
            ErrorKind::Authentication => (Code::Authentication, AUTHENTICATION_REMEDY),
            ErrorKind::Format => (Code::Authentication, FORMAT_REMEDY),
            ErrorKind::InvalidInput => (Code::Usage, ""),
            ErrorKind::KeyAccess | ErrorKind::Keyring => (Code::Key, ""),
            ErrorKind::Changed => (Code::Store, "run it again"),
            ErrorKind::Store => (Code::Store, ""),
            _ => (Code::Unknown, ""),
        };
        let known = known_remedy(&error);
        let text = error.to_string();
        if let (None, Some((text, remedy))) = (known, kms_remedy(&error, &text)) {
            // Without the source, which says the same.
            let what = format!("{}: {text}", what.into());
            return Self::new(code, what).remedy(remedy.to_owned());
        }
        let known = known.unwrap_or(remedy);
        let remedy = (!known.is_empty()).then_some(Cow::Borrowed(known));
        Self { remedy, ..Self::new(code, what).because(error) }
    }

    pub(crate) fn because(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Sets what the user can do about it.
    pub(crate) fn remedy(self, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Adds to what the user can do about it.
    pub(crate) fn and(self, more: &str) -> Self {
        let remedy = match &self.remedy {
            Some(remedy) => format!("{remedy}; {more}"),
            None => more.to_owned(),
        };
        self.remedy(remedy)
    }

    /// Adds another thing that the user can do.
    pub(crate) fn or(self, other: &str) -> Self {
        if self.remedy.is_some() {
            self.and(&format!("or {other}"))
        } else {
            self.remedy(other.to_owned())
        }
    }

    /// The same with another code.
    pub(crate) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// What went wrong and why, on one line, for a report of several.
    pub(crate) fn reason(&self) -> String {
        let mut text = self.what.clone();
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            let level = error.to_string();
            if level == SERVICE_ERROR || level.starts_with(UNMODELED_ERROR) {
                break; // the level above has said it, with the request id
            }
            if !BOILERPLATE.contains(&level.as_str()) && !text.contains(&level) {
                text.extend([": ", &level]);
            }
            cause = error.source();
        }
        text
    }

    /// Prints to standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if self.code != Code::Signal(SIGPIPE) {
            // Standard error may be closed; the code still tells.
            let _ = write!(std::io::stderr(), "{self}");
        }
        ExitCode::from(self.code.number())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "waxseal: {}", self.reason())?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "  remedy: {remedy}"),
            None => Ok(()),
        }
    }
}

impl Code {
    fn number(self) -> u8 {
        match self {
            Self::Unknown => 1,
            Self::Usage => 2,
            Self::Authentication => 3,
            Self::Key => 4,
            Self::Store => 5,
            Self::Signal(number) => 128 + number,
        }
    }
}

/// The remedy of failures that are told apart by their text only.
fn known_remedy(error: &Error) -> Option<&'static str> {
    let mut text = error.to_string();
    let mut cause = StdError::source(error);
    while let Some(error) = cause {
        text.extend(["\n", &error.to_string()]);
        cause = error.source();
    }
    REMEDIES.iter().find(|(part, _)| text.contains(part)).map(|(_, remedy)| *remedy)
}

/// What the library says of a call that KMS refused, and at its end the remedy.
fn kms_remedy<'a>(error: &Error, text: &'a str) -> Option<(&'a str, &'a str)> {
    let is_refused = error.kind() == ErrorKind::KeyAccess && text.starts_with("KMS ");
    text.rsplit_once("; ").filter(|_| is_refused)
}

pub(crate) const SIGPIPE: u8 = 13;

const AUTHENTICATION_REMEDY: &str = "check --key, --context and --binding against what `waxseal \
     inspect` shows; if they are right, the data was altered or cut";
const FORMAT_REMEDY: &str =
    "check the path: this is not what `waxseal seal` or `waxseal cp` wrote, or it is damaged";
const CREDENTIALS_REMEDY: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, \
     or log in (`aws sso login`); `aws sts get-caller-identity` tells what is found";

/// First match wins.
const REMEDIES: &[(&str, &str)] = &[
    (
        crate::aws::PLAIN_HTTP,
        "use an https:// endpoint for KMS: data keys would cross the network in clear",
    ),
    ("loading credentials", CREDENTIALS_REMEDY),
    ("credential provider was not enabled", CREDENTIALS_REMEDY),
    ("another encryption context", "give the pairs that `waxseal inspect` shows as --context"),
    ("encryption context is larger", "give fewer or shorter --context pairs"),
    ("is reserved", "choose another name"),
    ("Binding::Label", "give the label it was sealed with: --binding label:TEXT"),
    ("not bound as this cipher demands", "open it with the --binding it was sealed with"),
    ("is bound to its place", "copy it through here: `waxseal cp FROM - | waxseal cp - TO`"),
    ("binding needs a place in S3", "such a --binding is for S3: use `waxseal cp` there"),
    ("is bound to its", "such a --binding is for S3: use `waxseal cp` or `waxseal cat` there"),
    ("5 GiB that S3 copies", "copy it through here: `waxseal cp FROM - | waxseal cp - TO`"),
    ("Placement::Inline", "use --placement inline, or fewer --context and --metadata pairs"),
    ("segment length could not be read back", "choose a --segment-size from 4KiB to 16MiB"),
    ("layout has no place for a signature", "leave out --sign, or --format one-shot"),
    (
        "is not signed, as this reader",
        "nobody can tell who sealed it: take a signed copy from its writer",
    ),
    (
        "and this reader demands",
        "name the key of those you trust as --signed-by; `waxseal inspect` shows who says to have \
         signed it",
    ),
    (
        "by the key this reader demands",
        "it was altered, or signed by somebody else: restore it from a copy",
    ),
    ("one-shot layout stores", "give one --key, or leave out --format one-shot"),
    ("at most 16 wrapped keys", "give fewer --key"),
    ("one-shot layout keeps its key", "leave out --binding and --placement inline"),
    ("are outside the", "choose a range within the object; -N.. reads the last N bytes"),
    ("NoSuchBucket", "check the bucket's name, --region and --endpoint-url"),
    ("NoSuchKey", "check the object's key: `aws s3 ls` lists them"),
    ("AccessDenied:", "let this caller in by IAM or bucket policy"),
    ("AccessDenied (", "let this caller in by IAM or bucket policy"),
    ("no connection", "check --endpoint-url, --region and the network"),
    ("no answer in time", "check --endpoint-url, --region and the network"),
    ("HeadObject of", "check bucket, key and permissions: `aws s3 ls` lists the keys"),
    ("No space left", "free some space, or write elsewhere"),
];

/// What the SDK's error types say of themselves before the cause.
const BOILERPLATE: &[&str] = &[
    "NoPlainHttp read_before_transmit interceptor encountered an error",
    "client error (Connect)",
    "construction failure",
    "dispatch failure",
    "failed to construct request",
    "io error",
    "other",
    "tcp connect error",
];
const SERVICE_ERROR: &str = "service error";
/// How the SDK begins an error that it has no type for.
const UNMODELED_ERROR: &str = "unhandled error (";
