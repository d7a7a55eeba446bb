//! Any bytes, any metadata as an envelope: no panic, no large allocation, one spelling each.
//!
//! Run with `-malloc_limit_mb=64`. Inline, what a prefix says, more bytes never change, and an
//! altered envelope is refused or another envelope. In metadata likewise, and the body it came
//! with opens as what was sealed, or not at all; where a signature is demanded, only with all that
//! is signed as it was.

#![no_main]

use arbitrary::Arbitrary;
use futures_executor::block_on;
use libfuzzer_sys::fuzz_target;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal_fuzz::Edit;
use waxseal_fuzz::Layout;
use waxseal_fuzz::Sample;
use waxseal_fuzz::Signer;
use waxseal_fuzz::cipher;
use waxseal_fuzz::context;
use waxseal_fuzz::edited;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Bytes { prefix: u16, bytes: &'a [u8] },
    Lines { len: u32, lines: Vec<(Name<'a>, &'a str)> },
    EditedBytes { prefix: u16, edits: Vec<Edit> },
    Entries(Vec<(Name<'a>, &'a str)>),
    EditedEntries { layout: Layout, sample: u8, changes: Vec<Change<'a>> },
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Other(&'a str),
    Version,
    Suite,
    Binding,
    Context,
    Key(u8),
    Signature,
    Header,
    OneShot,
    Foreign,
}

/// Writes `text` over a part of the value of an entry, or to a new one.
#[derive(Arbitrary, Debug)]
struct Change<'a> {
    entry: u8,
    at: u8,
    len: u8,
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Bytes { prefix, bytes } => inline(bytes, prefix.into()),
    Input::Lines { len, lines } => {
        let lines = lines.iter().map(|(name, value)| {
            let name = name.text();
            format!("{} {value}\n", name.strip_prefix("waxseal-").unwrap_or(&name))
        });
        let mut text = format!("waxseal {len}\n{}", lines.collect::<String>()).into_bytes();
        text.resize(text.len().max((len as usize).min(64 << 10)), b'.');
        *text.last_mut().unwrap() = b'\n';
        inline(&text, text.len());
    }
    Input::EditedBytes { prefix, edits } => {
        let sample = Sample::pick(Layout::Inline, 0);
        let edited = edited(Layout::Inline, sample, &edits);
        inline(&edited, prefix.into());
        if let Ok(Some((envelope, len))) = Envelope::from_inline(&edited) {
            let (original, original_len) = Envelope::from_inline(&sample.stored).unwrap().unwrap();
            let same = edited[..len] == sample.stored[..original_len];
            assert_eq!(same, envelope == original);
        }
    }
    Input::Entries(entries) => {
        let entries: Vec<_> = entries.iter().map(|(name, value)| (name.text(), *value)).collect();
        metadata(entries.iter().map(|(name, value)| (name.as_str(), *value)));
    }
    Input::EditedEntries { layout, sample, changes } => {
        edited_metadata(layout, Sample::pick(layout, sample), &changes);
    }
});

fn inline(bytes: &[u8], prefix: usize) {
    let all = Envelope::from_inline(bytes);
    match Envelope::from_inline(&bytes[..prefix.min(bytes.len())]) {
        Ok(Some(read)) => assert_eq!(read, all.unwrap().unwrap()),
        Ok(None) => assert!(prefix < 64 << 10),
        Err(error) => assert_eq!(error.kind(), all.unwrap_err().kind()),
    }
    if let Ok(Some((envelope, len))) = Envelope::from_inline(bytes) {
        assert!(len <= bytes.len() && len <= 64 << 10);
        assert!((1..=16).contains(&envelope.wrapped_keys().len()));
        assert!(envelope.header().is_none());
    }
}

fn metadata<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Envelope> {
    match Envelope::from_metadata(entries) {
        Ok(envelope) => {
            let keys = envelope.as_ref().map_or(1, |envelope| envelope.wrapped_keys().len());
            assert!((1..=16).contains(&keys));
            envelope
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Format);
            None
        }
    }
}

fn edited_metadata(layout: Layout, sample: &Sample, changes: &[Change<'_>]) {
    let mut entries = sample.metadata.clone();
    for change in changes {
        let entry = usize::from(change.entry) % (entries.len() + 1);
        match entries.get_mut(entry) {
            Some((_, value)) => {
                let at = value.floor_char_boundary(change.at.into());
                let end = value.floor_char_boundary(at + usize::from(change.len));
                value.replace_range(at..end.max(at), change.text);
            }
            None => entries.push((change.text.to_owned(), String::new())),
        }
    }
    let pairs = || entries.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let Some(envelope) = metadata(pairs()) else { return };
    let original = Envelope::from_metadata(sample.entries()).unwrap().unwrap();
    let same = entries.starts_with(&sample.metadata);
    // The one-shot layout takes hex in either case.
    assert!(same == (envelope == original) || layout == Layout::OneShot);

    let context = context();
    let open = |cipher: EnvelopeCipher| {
        block_on(async {
            let opened = cipher.open_with_metadata(pairs(), sample.stored.clone(), &context);
            opened.await?.into_stream().collect().await
        })
    };
    match open(cipher()) {
        Ok(plain) => assert_eq!(plain, sample.plain),
        Err(_) => assert!(!same),
    }
    match open(cipher().demand_signature(Signer)) {
        Ok(plain) => {
            assert_eq!(plain, sample.plain);
            assert_eq!(envelope.signature(), original.signature());
            assert_eq!(envelope.context(), original.context());
            assert_eq!(envelope.binding_name(), original.binding_name());
            assert_eq!(envelope.header(), original.header());
        }
        Err(_) => assert!(!same || layout == Layout::OneShot),
    }
}

impl Name<'_> {
    fn text(&self) -> String {
        match self {
            Self::Other(name) => (*name).to_owned(),
            Self::Version => "waxseal-version".to_owned(),
            Self::Suite => "waxseal-suite".to_owned(),
            Self::Binding => "waxseal-binding".to_owned(),
            Self::Context => "waxseal-context".to_owned(),
            Self::Key(number) => format!("waxseal-key-{number}"),
            Self::Signature => "waxseal-signature".to_owned(),
            Self::Header => "waxseal-header".to_owned(),
            Self::OneShot => "x-amz-key".to_owned(),
            Self::Foreign => "x-amz-iv".to_owned(),
        }
    }
}
