//! The failures that people meet: how each is recognised, what to do, and where to read more.
//!
//! The one list of them. Each code names a section of `docs/errors.md`, which is part of the command
//! so that `waxseal explain CODE` can print it.

use std::error::Error as StdError;

use waxseal::Error;
use waxseal::ErrorKind;

/// A failure that is told apart from others.
#[derive(Debug)]
pub(crate) struct Known {
    /// The section of the page. Empty where the remedy says all.
    pub(crate) code: &'static str,
    /// What the user can do, unless the library's message says it more exactly.
    pub(crate) remedy: &'static str,
    /// Any of them tells it. None if the command itself says when.
    signs: &'static [Sign],
}

#[derive(Debug)]
enum Sign {
    /// The library's kind.
    Kind(ErrorKind),
    /// KMS answered one of these codes, with these words in its message.
    Kms(&'static [&'static str], &'static str),
    /// S3 did.
    S3(&'static [&'static str], &'static str),
    /// A message of the error or its causes has these words.
    Says(&'static str),
}

/// What is known of an error of the library.
pub(crate) fn of(error: &Error) -> Option<&'static Known> {
    let mut text = error.to_string();
    let mut cause = StdError::source(error);
    while let Some(error) = cause {
        text.extend(["\n", &error.to_string()]);
        cause = error.source();
    }
    KNOWN.iter().find(|known| known.signs.iter().any(|sign| sign.is_of(error, &text)))
}

/// The failure with this code.
///
/// # Panics
///
/// If there is none.
pub(crate) fn named(code: &str) -> &'static Known {
    KNOWN.iter().find(|known| known.code == code).expect("a code of the list")
}

/// All codes, in the order of the page.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    sections().map(|(code, _)| code)
}

/// The section of the page about `code`.
pub(crate) fn section(code: &str) -> Option<&'static str> {
    sections().find(|(name, _)| *name == code).map(|(_, text)| text)
}

/// Codes and what the page says of each.
pub(crate) fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n### ").skip(1).map(|section| {
        let (code, rest) = section.split_once('\n').unwrap_or((section, ""));
        let text = rest.split("\n## ").next().unwrap_or(rest);
        (code, text.trim())
    })
}

impl Sign {
    /// Whether `error`, of which this is all the text, has this sign.
    fn is_of(&self, error: &Error, text: &str) -> bool {
        let answered = |codes: &[&str], words| {
            error.service_code().is_some_and(|code| codes.contains(&code)) && text.contains(words)
        };
        let is_key = matches!(error.kind(), ErrorKind::KeyAccess | ErrorKind::Keyring);
        match self {
            Self::Kind(kind) => error.kind() == *kind,
            Self::Kms(codes, words) => is_key && answered(codes, words),
            Self::S3(codes, words) => !is_key && answered(codes, words),
            Self::Says(words) => text.contains(words),
        }
    }
}

const fn known(code: &'static str, remedy: &'static str, signs: &'static [Sign]) -> Known {
    Known { code, remedy, signs }
}

const PAGE: &str = include_str!("../errors.md");

const NO_PAGE: &str = "";

use Sign::Kind;
use Sign::Kms;
use Sign::S3;
use Sign::Says;

/// First match wins: what a service answered, then what the library says, then its kind.
const KNOWN: &[Known] = &[
    // The wrapping key.
    known(
        "key-access-denied",
        "allow this caller in the key policy or by IAM",
        &[Kms(&["AccessDeniedException", "AccessDenied"], "")],
    ),
    known("key-disabled", "the key is disabled: enable it", &[Kms(&["DisabledException"], "")]),
    known(
        "key-pending-deletion",
        "the key is pending deletion, or not ready for use: cancel the deletion and enable it",
        &[Kms(&["KMSInvalidStateException"], "")],
    ),
    known(
        "key-not-found",
        "the key is not found: check its name, Region and account",
        &[Kms(&["NotFoundException"], "")],
    ),
    known(
        "key-of-another-use",
        "use a key that is for this: `waxseal key show` tells what it is for",
        &[Kms(&["InvalidKeyUsageException", "UnsupportedOperationException"], "")],
    ),
    known(
        "key-name-invalid",
        "name the key by its id, its ARN or alias/NAME",
        &[Kms(&["InvalidAliasNameException", "InvalidArnException", "ValidationException"], "")],
    ),
    known(
        "alias-in-use",
        "choose another name, or move it: `waxseal key alias --move`",
        &[Kms(&["AlreadyExistsException"], "")],
    ),
    known(
        "key-policy-refused",
        "mend the policy: it must be valid, and leave you the right to change it",
        &[Kms(&["MalformedPolicyDocumentException"], "")],
    ),
    known("key-needed", "bring the objects under another key first: `waxseal rewrap`", &[]),
    // Who asks.
    known(
        "clock-skew",
        "set the clock of this machine: `timedatectl set-ntp true`",
        &[
            Kms(&["InvalidSignatureException"], "Signature expired"),
            Kms(&["InvalidSignatureException"], "Signature not yet current"),
            S3(&["RequestTimeTooSkewed"], ""),
        ],
    ),
    known(
        "credentials-expired",
        "log in again (`aws sso login`), or take a new session token",
        &[Kms(&["ExpiredTokenException"], ""), S3(&["ExpiredToken", "TokenRefreshRequired"], "")],
    ),
    // S3 says the same of both in reply to HEAD.
    known(
        "credentials-refused",
        "check the AWS credentials; if the object is under an SSE-C key, give it another \
         encryption by S3 first: `aws s3 cp --sse-c-copy-source`",
        &[Says("may be under an SSE-C key")],
    ),
    known(
        "credentials-refused",
        "check the AWS credentials: `aws sts get-caller-identity` tells whose they are",
        &[
            Kms(
                &[
                    "IncompleteSignature",
                    "InvalidClientTokenId",
                    "InvalidSignatureException",
                    "MissingAuthenticationToken",
                    "MissingAuthenticationTokenException",
                    "UnrecognizedClientException",
                ],
                "",
            ),
            S3(
                &[
                    "InvalidAccessKeyId",
                    "InvalidToken",
                    "NotSignedUp",
                    "SignatureDoesNotMatch",
                    "HTTP 400",
                ],
                "",
            ),
        ],
    ),
    // The services.
    known(
        "throttled",
        "run it again later; AWS_MAX_ATTEMPTS=10 tries more often",
        &[
            Kms(&["ThrottlingException"], ""),
            S3(&["SlowDown", "RequestLimitExceeded", "Throttling", "HTTP 429"], ""),
        ],
    ),
    known(
        "quota",
        "a quota of KMS is used up: the message says which",
        &[Kms(&["LimitExceededException"], "")],
    ),
    known(
        "service-failing",
        "run it again later",
        &[
            Kms(
                &[
                    "DependencyTimeoutException",
                    "KeyUnavailableException",
                    "KMSInternalException",
                    "InternalFailure",
                    "ServiceUnavailableException",
                ],
                "",
            ),
            S3(&["InternalError", "ServiceUnavailable", "HTTP 500", "HTTP 502", "HTTP 503"], ""),
        ],
    ),
    // S3.
    known(
        "wrong-region",
        "give the Region of the bucket as --region: `aws s3api get-bucket-location` tells it",
        &[S3(
            &[
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                "PermanentRedirect",
                "TemporaryRedirect",
                "HTTP 301",
                "HTTP 307",
            ],
            "",
        )],
    ),
    known(
        "no-such-bucket",
        "check the bucket's name, --region and --endpoint-url",
        &[S3(&["NoSuchBucket"], "")],
    ),
    known(
        "no-such-object",
        "check bucket and key: `aws s3 ls` lists the buckets and their keys",
        &[S3(&["NoSuchKey", "NoSuchVersion", "NotFound", "HTTP 404"], "")],
    ),
    known(
        "denied-by-policy",
        "if the bucket's policy demands encryption by S3 as well: --sse aws:kms",
        &[S3(&["AccessDenied"], "explicit deny")],
    ),
    known(
        "s3-access-denied",
        "let this caller in by IAM or bucket policy",
        &[S3(&["AccessDenied", "AllAccessDisabled", "HTTP 403"], "")],
    ),
    known(
        "sse-key",
        "mend the KMS key of S3's own encryption, or name another with --sse-kms-key-id",
        &[S3(
            &[
                "KMS.DisabledException",
                "KMS.InvalidKeyUsageException",
                "KMS.KMSInvalidStateException",
                "KMS.NotFoundException",
            ],
            "",
        )],
    ),
    known(
        "object-archived",
        "restore it first: `aws s3api restore-object`",
        &[S3(&["InvalidObjectState"], "")],
    ),
    known(
        "object-exists",
        "an object has this key already: choose another, or leave out --if-none-match",
        &[],
    ),
    // Before any service is asked.
    known("no-region", "give --region, or set AWS_REGION or `region` in the profile", &[]),
    known(
        "no-credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, or log in (`aws sso \
         login`); `aws sts get-caller-identity` tells what is found",
        &[Says("loading credentials"), Says("credential provider was not enabled")],
    ),
    known(
        "plain-http",
        "use an https:// endpoint for KMS: data keys would cross the network in clear",
        &[Says(crate::aws::PLAIN_HTTP)],
    ),
    known(
        "certificate",
        "check --endpoint-url; SSL_CERT_FILE names the certificates of an authority of your own",
        &[Says("invalid peer certificate")],
    ),
    known(
        "no-connection",
        "check --endpoint-url, --region and the network",
        &[Says("no connection")],
    ),
    known(
        "no-answer",
        "check --endpoint-url, --region and the network",
        &[Says("no answer in time")],
    ),
    // What was sealed.
    known(
        "other-key",
        "give the key that `waxseal inspect` shows as --key",
        &[Says("but the key in use is"), Says("and there is no key file")],
    ),
    known(
        "context-mismatch",
        "give the pairs that `waxseal inspect` shows as --context",
        &[Says("another encryption context")],
    ),
    known(
        "wrong-binding",
        "give the label it was sealed with: --binding label:TEXT",
        &[Says("Binding::Label")],
    ),
    known(
        "wrong-binding",
        "open it with the --binding it was sealed with",
        &[Says("not bound as this cipher demands")],
    ),
    known(
        "wrong-binding",
        "copy it through here: `waxseal cp FROM - | waxseal cp - TO`",
        &[Says("is bound to its place")],
    ),
    known(
        "wrong-binding",
        "such a --binding is for S3: use `waxseal cp` there",
        &[Says("binding needs a place in S3")],
    ),
    known(
        "wrong-binding",
        "such a --binding is for S3: use `waxseal cp` or `waxseal cat` there",
        &[Says("is bound to its")],
    ),
    known(
        "not-signed",
        "nobody can tell who sealed it: take a signed copy from its writer",
        &[Says("is not signed, as this reader")],
    ),
    known(
        "signed-by-another",
        "name the key of those you trust as --signed-by; `waxseal inspect` shows who says to have \
         signed it",
        &[Says("and this reader demands")],
    ),
    known(
        "signature-false",
        "it was altered, or signed by somebody else: restore it from a copy",
        &[Says("by the key this reader demands")],
    ),
    known("not-unwrapped", AUTHENTICATION_REMEDY, &[Says("the data key does not unwrap")]),
    // The key file, said by the command.
    known("key-file", "check the path and its permissions", &[]),
    known(
        "wrong-passphrase",
        "check the passphrase; if it is right, restore the file from its backup",
        &[],
    ),
    // What can never work, or not here.
    known(
        NO_PAGE,
        "give fewer or shorter --context pairs",
        &[Says("encryption context is larger")],
    ),
    known(NO_PAGE, "choose another name", &[Says("is reserved")]),
    known(
        NO_PAGE,
        "use --placement inline, or fewer --context and --metadata pairs",
        &[Says("Placement::Inline")],
    ),
    known(
        NO_PAGE,
        "choose a --segment-size from 4KiB to 16MiB",
        &[Says("segment length could not be read back")],
    ),
    known(
        NO_PAGE,
        "leave out --sign, or --format one-shot",
        &[Says("layout has no place for a signature")],
    ),
    known(
        NO_PAGE,
        "give one --key, or leave out --format one-shot",
        &[Says("one-shot layout stores")],
    ),
    known(NO_PAGE, "give fewer --key", &[Says("at most 16 wrapped keys")]),
    known(
        "other-key",
        "name the key it is under as --from-key",
        &[Says("which none of the old keys is")],
    ),
    known(NO_PAGE, "give --sign, and --signed-by to verify it", &[Says("would not be any more")]),
    known(
        "object-archived",
        "restore it, and copy it to another storage class",
        &[Says("is archived:")],
    ),
    known(
        NO_PAGE,
        "give it another encryption by S3 first: `aws s3 cp --sse-c-copy-source`",
        &[Says("under an SSE-C key")],
    ),
    known(NO_PAGE, "get it and put it with metadata in ASCII", &[Says("which would be lost")]),
    known(
        NO_PAGE,
        "mend the header: `aws s3 cp --expires`",
        &[Says("Expires header that is no date")],
    ),
    known(
        NO_PAGE,
        "leave out --binding and --placement inline",
        &[Says("one-shot layout keeps its key")],
    ),
    known(
        NO_PAGE,
        "choose a range within the object; -N.. reads the last N bytes",
        &[Says("are outside the")],
    ),
    known("disk-full", "free some space, or write elsewhere", &[Says("No space left")]),
    // The rest by kind.
    known("changed", "run it again", &[Kind(ErrorKind::Changed)]),
    known("not-authentic", AUTHENTICATION_REMEDY, &[Kind(ErrorKind::Authentication)]),
    known(
        "not-sealed",
        "check the path: this is not what `waxseal seal` or `waxseal cp` wrote, or it is damaged",
        &[Kind(ErrorKind::Format)],
    ),
];

const AUTHENTICATION_REMEDY: &str = "check --key, --context and --binding against what `waxseal \
     inspect` shows; if they are right, the data was altered or cut";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_has_a_section_for_each_code_and_no_other() {
        let of_list: BTreeSet<_> = KNOWN.iter().map(|known| known.code).collect();
        let of_page: Vec<_> = codes().collect();
        let of_page_once: BTreeSet<_> = of_page.iter().copied().collect();
        assert_eq!(of_page.len(), of_page_once.len(), "a section twice");
        let with_page: BTreeSet<_> = of_list.into_iter().filter(|code| *code != NO_PAGE).collect();
        assert_eq!(of_page_once, with_page);
    }

    #[test]
    fn every_section_has_a_cause_and_a_remedy() {
        for (code, text) in sections() {
            assert!(text.contains("\n\nCause: ") && text.contains("\n\nRemedy: "), "{code}");
            assert!(!text.contains("\n#"), "{code} runs into the next heading");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{code} is too wide");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_code_is_no_sign() {
        let error = Error::new(ErrorKind::Store, "S3 GetObject of s3://b/NoSuchBucket: SlowDown");
        let error = error.with_service_code("SlowDown");
        assert_eq!(of(&error).unwrap().code, "throttled");
    }

    #[test]
    fn a_bad_request_for_head_has_two_causes() {
        let error = Error::new(ErrorKind::Store, "HTTP 400; it may be under an SSE-C key, which");
        assert!(of(&error.with_service_code("HTTP 400")).unwrap().remedy.contains("--sse-c-copy"));
    }

    #[test]
    fn kms_and_s3_are_told_apart() {
        let error = |kind| Error::new(kind, "no").with_service_code("AccessDenied");
        assert_eq!(of(&error(ErrorKind::KeyAccess)).unwrap().code, "key-access-denied");
        assert_eq!(of(&error(ErrorKind::Store)).unwrap().code, "s3-access-denied");
        let error = Error::new(ErrorKind::Keyring, "no").with_service_code("InternalError");
        assert!(of(&error).is_none(), "S3's code, but not from S3");
    }
}
