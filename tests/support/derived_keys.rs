//! The keys of a sealed message, found by those who know the data keys.

use crate::reference::Message;

/// The message key and the first segment key of the message that begins with `header`, sealed
/// unbound under one pair of context and one of `data_keys`.
pub(crate) fn derived_keys(
    data_keys: &[Vec<u8>],
    header: &[u8],
    (name, value): (&str, &str),
) -> [(&'static str, Vec<u8>); 2] {
    let text = |text: &str| {
        let len = u16::try_from(text.len()).unwrap();
        [&len.to_be_bytes(), text.as_bytes()].concat()
    };
    // As docs/format.md has it: suite 1, no binding, one pair, no value of a binding.
    let aad =
        [b"waxseal/floe/v1\0\x01\0", &[0, 1][..], &text(name), &text(value), &[0, 0]].concat();
    let message = |key: &Vec<u8>| Message {
        key: key[..].try_into().unwrap(),
        aad: &aad,
        segment_len: u32::from_be_bytes(header[2..6].try_into().unwrap()),
        iv: header[10..42].try_into().unwrap(),
        epoch_bits: 20,
    };
    let message = data_keys.iter().map(message).find(|message| message.header() == header);
    let message = message.expect("one of the data keys made this header");
    [("message key", message.message_key()), ("segment key", message.segment_key(0))]
}
