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

use crate::errors;
use crate::report::BAD;
use crate::report::GOOD;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why the command ends without having done what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    /// What could not be done. Never key bytes, nor values of an encryption context.
    what: String,
    source: Option<BoxError>,
    remedy: Option<Cow<'static, str>>,
    /// The section of `docs/errors.md` about it; empty if there is none.
    section: &'static str,
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
        Self { code, what: what.into(), source: None, remedy: None, section: "" }
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
        let code = match error.kind() {
            ErrorKind::Authentication | ErrorKind::Format => Code::Authentication,
            ErrorKind::InvalidInput => Code::Usage,
            ErrorKind::KeyAccess | ErrorKind::Keyring => Code::Key,
            ErrorKind::Changed | ErrorKind::Store => Code::Store,
            _ => Code::Unknown,
        };
        let known = errors::of(&error);
        let section = known.map_or("", |known| known.code);
        let text = error.to_string();
        if let Some((text, remedy)) = kms_remedy(&error, &text) {
            // Without the source, which says the same.
            let failure = Self::new(code, format!("{}: {text}", what.into()));
            return Self { section, ..failure.remedy(remedy.to_owned()) };
        }
        let remedy = known.map(|known| Cow::Borrowed(known.remedy));
        Self { remedy, section, ..Self::new(code, what).because(error) }
    }

    /// It is the one that `docs/errors.md` has under `section`, with its remedy.
    pub(crate) fn known(self, section: &'static str) -> Self {
        let remedy = errors::named(section).remedy;
        Self { section, ..self }.remedy(remedy)
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

    pub(crate) fn code(&self) -> Code {
        self.code
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
            let _ = write!(anstream::stderr(), "{self}");
        }
        ExitCode::from(self.code.number())
    }
}

/// With its colours, which only a terminal is shown.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{BAD}waxseal:{BAD:#} {}", self.reason())?;
        if let Some(remedy) = &self.remedy {
            writeln!(f, "  {GOOD}remedy:{GOOD:#} {remedy}")?;
        }
        if !self.section.is_empty() {
            writeln!(f, "  {GOOD}more:{GOOD:#} waxseal explain {}", self.section)?;
        }
        Ok(())
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

/// What the library says of a call that KMS refused, and at its end the remedy.
fn kms_remedy<'a>(error: &Error, text: &'a str) -> Option<(&'a str, &'a str)> {
    let is_its_own = text.starts_with("KMS ") && text.split(": ").next()?.contains(" with ");
    text.rsplit_once("; ").filter(|_| error.kind() == ErrorKind::KeyAccess && is_its_own)
}

pub(crate) const SIGPIPE: u8 = 13;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_taken_from_messages_of_the_library_only() {
        let remedy = |text: &'static str| {
            let error = Error::new(ErrorKind::KeyAccess, text);
            let failure = Failure::library("no", error.with_service_code("DisabledException"));
            failure.remedy.unwrap().into_owned()
        };
        let of_library = "KMS Decrypt with alias/a: DisabledException: off; enable it there";
        assert_eq!(remedy(of_library), "enable it there");
        let of_server = "KMS EnableKey: DisabledException: a server's words; rm -rf /";
        assert_eq!(remedy(of_server), "the key is disabled: enable it");
    }
}
