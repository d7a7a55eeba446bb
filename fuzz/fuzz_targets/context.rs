//! Any encryption context: sealed if it is within the limits, refused as `InvalidInput` if not.
//!
//! What was sealed carries exactly that context, in both placements; it opens with it and with
//! every part of it, and not with a pair more, a pair changed, or, if it must match exactly, a
//! pair less.

#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_executor::block_on;
use libfuzzer_sys::fuzz_target;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::ErrorKind;
use waxseal::ReadPolicy;
use waxseal_fuzz::cipher;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    /// Lengthens the last value.
    more: u16,
    /// The pair that is left out, or changed, to open.
    other: u8,
}

fuzz_target!(|input: Input<'_>| {
    let mut pairs: BTreeMap<String, String> =
        input.pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    if let Some(mut last) = pairs.last_entry() {
        last.get_mut().extend(std::iter::repeat_n('%', input.more.into()));
    }
    let context: EncryptionContext = pairs.clone().into_iter().collect();
    let sealed = match block_on(cipher().seal(PLAIN, &context)) {
        Ok(sealed) => sealed,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!is_valid(&pairs));
            return;
        }
    };
    assert!(is_valid(&pairs));
    let (envelope, _) = Envelope::from_inline(&sealed).unwrap().unwrap();
    assert_eq!(envelope.context(), Some(&context));
    metadata(&context);

    let any = ReadPolicy::default().segment_lens(33..=16 << 20);
    let exact = any.clone().exact_context(true);
    opens(&sealed, &context, &exact, true);
    opens(&sealed, &EncryptionContext::new(), &any, true);

    let mut more = pairs.clone();
    more.insert(format!("{}+", pairs.keys().last().map_or("", String::as_str)), String::new());
    opens(&sealed, &more.into_iter().collect(), &any, false);

    let Some(other) = pairs.keys().nth(usize::from(input.other) % pairs.len().max(1)) else {
        return;
    };
    let mut less = pairs.clone();
    less.remove(other);
    opens(&sealed, &less.clone().into_iter().collect(), &any, true);
    opens(&sealed, &less.into_iter().collect(), &exact, false);

    let mut changed = pairs.clone();
    changed.insert(other.clone(), format!("{}+", pairs[other]));
    opens(&sealed, &changed.into_iter().collect(), &any, false);
});

/// The limits, in words of their own.
fn is_valid(pairs: &BTreeMap<String, String>) -> bool {
    let len: usize = pairs.iter().map(|(key, value)| 4 + key.len() + value.len()).sum();
    let reserved = |key: &String| key.starts_with("aws:") || key.starts_with("waxseal:");
    2 + len <= 8192 && !pairs.keys().any(|key| key.is_empty() || reserved(key))
}

fn metadata(context: &EncryptionContext) {
    let (entries, _) = block_on(cipher().seal_with_metadata(PLAIN, context)).unwrap();
    let pairs = entries.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let envelope = Envelope::from_metadata(pairs).unwrap().unwrap();
    assert_eq!(envelope.context(), Some(context));
}

fn opens(sealed: &Bytes, context: &EncryptionContext, policy: &ReadPolicy, wanted: bool) {
    match block_on(cipher().read_policy(policy.clone()).open(sealed, context)) {
        Ok(plain) => assert!(wanted && plain == PLAIN),
        // A pair more may be one too many.
        Err(error) => assert!(
            !wanted && matches!(error.kind(), ErrorKind::Authentication | ErrorKind::InvalidInput)
        ),
    }
}

const PLAIN: &[u8] = b"attack at dawn";
