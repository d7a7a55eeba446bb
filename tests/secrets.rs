//! No key, plaintext or context value in anything that is printed: `Debug` of the public types,
//! `Debug` and `Display` of every error and of all that caused it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::fmt::Debug;

use base64ct::Base64;
use base64ct::Base64Url;
use base64ct::Encoding as _;
use bytes::Bytes;
use waxseal::Binding;
use waxseal::Body;
use waxseal::DataKey;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::Format;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring as _;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::floe;

const WRAPPING_KEY: [u8; 32] = [1; 32];
const DATA_KEY: [u8; 32] = [2; 32];
const PLAIN: &[u8] = b"attack at dawn, attack at dawn, attack at dawn";
const VALUE: &str = "a-value-that-is-personal";

#[test]
fn debug_of_a_type_that_holds_a_secret_prints_none() {
    let wrapped = WrappedKey::new("local", "test", [3; 60]).unwrap();
    let shown = [
        text(&keyring()),
        text(&key_file()),
        text(&cipher()),
        text(&cipher().binding(Binding::Key).format(Format::OneShot)),
        text(&wrapped),
        text(&DataKey::new(secret(DATA_KEY), vec![wrapped])),
        text(&context()),
        text(&EncryptionContext::from([("tenant", VALUE), ("other", VALUE)])),
        text(&ReadPolicy::default()),
        text(&Body::from(PLAIN)),
    ];
    for shown in shown {
        assert_clean(&shown);
    }
    assert!(text(&key_file()).contains("test"), "the id is printed");
    assert!(text(&context()).contains("tenant"), "the name is printed");
}

#[tokio::test]
async fn debug_of_what_was_sealed_or_opened_prints_no_secret() {
    let sealed = cipher().seal(PLAIN, &context()).await.unwrap();
    assert_eq!(cipher().open(&sealed, &context()).await.unwrap(), PLAIN);
    let (envelope, _) = Envelope::from_inline(&sealed).unwrap().unwrap();
    assert_clean(&text(&envelope));
    let (metadata, body) = cipher().seal_with_metadata(PLAIN, &context()).await.unwrap();
    assert_clean(&text(&body));
    let body = body.collect().await.unwrap();
    let entries = || metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert_clean(&text(&Envelope::from_metadata(entries()).unwrap()));
    let object = cipher().open_with_metadata(entries(), body, &context()).await.unwrap();
    assert_clean(&text(&object));
    assert_clean(&text(&object.range_stream(0..9).unwrap()));
    let whole = cipher().format(Format::OneShot).seal_with_metadata(PLAIN, &context()).await;
    let (metadata, body) = whole.unwrap();
    let entries = metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = body.collect().await.unwrap();
    let object = cipher().open_with_metadata(entries, body, &context()).await.unwrap();
    assert_clean(&text(&object));
    assert_clean(&text(&cipher().open_stream(sealed, &context()).await.unwrap()));
}

#[test]
fn debug_of_the_floe_types_prints_no_secret() {
    let encryptor = floe::Encryptor::new(&secret(DATA_KEY), b"aad", 128).unwrap();
    assert_clean(&text(&encryptor));
    let header = floe::Header::parse(encryptor.header()).unwrap();
    assert_clean(&text(&header));
    let mut segment = [&[0; 16], PLAIN, &[0; 16]].concat();
    encryptor.encrypt_final(&mut segment).unwrap();
    let layout = floe::Layout::of_plaintext(128, PLAIN.len() as u64).unwrap();
    assert_clean(&text(&(layout, layout.span(0..5).unwrap())));
    let key = secret(DATA_KEY);
    let mut last = segment.clone();
    assert_clean(&text(
        &floe::RandomAccess::new(&key, b"aad", &header, layout, &mut last).unwrap(),
    ));
    let mut decryptor = floe::Decryptor::new(&key, b"aad", &header).unwrap();
    assert_eq!(decryptor.decrypt(&mut segment).unwrap(), PLAIN);
    assert_clean(&text(&decryptor));
}

#[tokio::test]
async fn errors_of_opening_print_no_secret() {
    let sealed = cipher().seal(PLAIN, &context()).await.unwrap();
    let altered = |at: usize| {
        let mut altered = sealed.to_vec();
        altered[at] ^= 1;
        altered
    };
    let value_at = sealed.windows(VALUE.len()).position(|w| w == VALUE.as_bytes()).unwrap();
    let mut cases: Vec<Vec<u8>> = (0..sealed.len()).step_by(3).map(altered).collect();
    cases.extend((0..VALUE.len()).map(|i| altered(value_at + i)));
    cases.extend([0, 5, 13, 500, 1024, 1098, 1140].map(|len| sealed[..len].to_vec()));
    cases.push([&sealed[..], b"x"].concat());
    cases.push(PLAIN.to_vec());
    let mut errors = vec![];
    for sealed in cases {
        errors.push(cipher().open(&sealed, &context()).await.unwrap_err());
        let sealed = Bytes::from(sealed);
        match cipher().open_stream(sealed.clone(), &context()).await {
            Ok(opened) => errors.push(opened.collect().await.unwrap_err()),
            Err(error) => errors.push(error),
        }
        errors.push(cipher().open_at(sealed, &context()).await.unwrap_err());
    }
    for other in [
        EncryptionContext::from([("tenant", "rival-a-value-that-is-personal")]),
        EncryptionContext::from([("tenant", VALUE), ("more", VALUE)]),
        EncryptionContext::from([("aws:tenant", VALUE)]),
        EncryptionContext::from([("", VALUE)]),
        EncryptionContext::from([("tenant", VALUE.repeat(1000))]),
    ] {
        errors.push(cipher().open(&sealed, &other).await.unwrap_err());
    }
    let exact = cipher().read_policy(ReadPolicy::default().exact_context(true));
    errors.push(exact.open(&sealed, &EncryptionContext::new()).await.unwrap_err());
    for (id, key) in [("other", WRAPPING_KEY), ("test", DATA_KEY), ("other", DATA_KEY)] {
        let file = KeyFile::from_key(id, secret(key)).unwrap();
        let cipher = EnvelopeCipher::new(LocalKeyring::new(file));
        errors.push(cipher.open(&sealed, &context()).await.unwrap_err());
    }
    for binding in [Binding::Key, Binding::Label("label".to_owned())] {
        errors.push(cipher().binding(binding).open(&sealed, &context()).await.unwrap_err());
    }
    let object = cipher().open_at(sealed.clone(), &context()).await.unwrap();
    errors.push(object.range(0..1000).await.unwrap_err());
    assert!(errors.len() > 1000);
    for error in errors {
        assert_error_is_clean(error);
    }
}

#[tokio::test]
async fn errors_of_sealing_print_no_secret() {
    let mut errors = vec![];
    for context in [
        EncryptionContext::from([("aws:tenant", VALUE)]),
        EncryptionContext::from([("waxseal:", VALUE)]),
        EncryptionContext::from([("", VALUE)]),
        EncryptionContext::from([("tenant", VALUE.repeat(1000))]),
    ] {
        errors.push(cipher().seal(PLAIN, &context).await.unwrap_err());
        errors.push(cipher().seal_stream(PLAIN, &context).await.unwrap_err());
        errors.push(cipher().seal_with_metadata(PLAIN, &context).await.unwrap_err());
        errors.push(keyring().generate_data_key(&KeyRequest::new(&context)).await.unwrap_err());
    }
    for cipher in [
        cipher().segment_len(64),
        cipher().segment_len(u32::MAX),
        cipher().binding(Binding::BucketAndKey),
        cipher().format(Format::OneShot),
    ] {
        errors.push(cipher.seal(PLAIN, &context()).await.unwrap_err());
    }
    let failing = futures_util::stream::iter([
        Ok(Bytes::from_static(PLAIN)),
        Err(std::io::Error::other("the cable was cut")),
    ]);
    let sealing = cipher().seal_stream(Body::from_stream(failing), &context()).await.unwrap();
    errors.push(sealing.collect().await.unwrap_err());
    for error in errors {
        assert_error_is_clean(error);
    }
}

#[test]
fn errors_of_keys_print_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    key_file().create(&good).unwrap();
    assert!(KeyFile::load(&good).is_ok());
    let text = std::fs::read_to_string(&good).unwrap();
    let mut errors = vec![key_file().create(&good).unwrap_err()];
    for (i, bad) in [
        text.replace("waxseal-key/1", "waxseal-key/2"),
        text.replace(" test ", " TEST "),
        text.replace("AQE\n", "AQF\n"),
        text.replace("AQE\n", "AQ\n"),
        format!("{text}{text}"),
        text.replace(" test ", " "),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        // Private already when it is made, whatever the system's default.
        let path = folder.path().join(format!("bad-{i}"));
        key_file().create(&path).unwrap();
        std::fs::write(&path, bad).unwrap();
        errors.push(KeyFile::load(&path).expect_err(&i.to_string()));
    }
    errors.push(KeyFile::load(folder.path().join("missing")).unwrap_err());
    errors.push(KeyFile::from_key("NOT AN ID", secret(WRAPPING_KEY)).unwrap_err());
    errors.push(SecretKey::try_from(&WRAPPING_KEY[..31]).err().unwrap());
    errors.push(WrappedKey::new("LOCAL", "test", DATA_KEY).unwrap_err());
    errors.push(WrappedKey::new("local", "te st", DATA_KEY).unwrap_err());
    errors.push(WrappedKey::new("local", "test", [DATA_KEY; 300].concat()).unwrap_err());
    let mut segment = [&[0; 16], PLAIN, &[0; 16]].concat();
    let key = secret(DATA_KEY);
    errors.push(floe::Encryptor::new(&key, b"aad", 32).unwrap_err());
    let mut encryptor = floe::Encryptor::new(&key, b"aad", 64).unwrap();
    let header = floe::Header::parse(encryptor.header()).unwrap();
    errors.push(encryptor.encrypt(&mut segment).unwrap_err());
    errors.push(floe::Decryptor::new(&secret(WRAPPING_KEY), b"aad", &header).unwrap_err());
    let mut decryptor = floe::Decryptor::new(&key, b"aad", &header).unwrap();
    errors.push(decryptor.decrypt(&mut segment).unwrap_err());
    for error in errors {
        assert_error_is_clean(error);
    }
}

/// The search would otherwise prove nothing.
#[test]
fn a_secret_that_is_printed_is_found() {
    for printed in [
        format!("{:?}", SecretBytes(DATA_KEY)),
        format!("{:#?}", SecretBytes(WRAPPING_KEY)),
        format!("{:x?}", DATA_KEY),
        hex(&WRAPPING_KEY),
        hex(PLAIN).to_uppercase(),
        Base64::encode_string(&DATA_KEY),
        Base64Url::encode_string(&[b"x", PLAIN].concat()),
        Base64::encode_string(&[b"xy", VALUE.as_bytes()].concat()),
        String::from_utf8_lossy(&WRAPPING_KEY).into_owned(),
        format!("plain: {}", String::from_utf8_lossy(PLAIN)),
        format!("{:?}", PLAIN),
        format!("{{\"tenant\": \"{VALUE}\"}}"),
        format!("{:?}", Error::new(waxseal::ErrorKind::Store, VALUE)),
    ] {
        assert!(!secrets_in(&printed).is_empty(), "not found in {printed}");
    }
    assert!(secrets_in("waxseal 1024, key 1, 2 of 32").is_empty());
}

#[derive(Debug)]
struct SecretBytes(#[expect(dead_code, reason = "it is printed")] [u8; 32]);

fn secret(key: [u8; 32]) -> SecretKey {
    SecretKey::try_from(&key[..]).unwrap()
}

fn key_file() -> KeyFile {
    KeyFile::from_key("test", secret(WRAPPING_KEY)).unwrap()
}

fn keyring() -> LocalKeyring {
    LocalKeyring::new(key_file())
}

fn cipher() -> EnvelopeCipher {
    EnvelopeCipher::new(keyring()).segment_len(4096)
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", VALUE)])
}

fn text(value: &impl Debug) -> String {
    format!("{value:?}\n{value:#?}")
}

fn assert_clean(printed: &str) {
    assert_eq!(secrets_in(printed), [""; 0], "in {printed}");
}

fn assert_error_is_clean(error: Error) {
    let mut printed = format!("{error}\n{}", text(&error));
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        printed += &format!("\n{cause}\n{cause:?}");
        next = cause.source();
    }
    let through_io = std::io::Error::from(error);
    assert_clean(&format!("{printed}\n{through_io}\n{through_io:?}"));
}

/// The forms of a secret that stand in `printed`. Six bytes in a row count as the secret.
fn secrets_in(printed: &str) -> Vec<String> {
    let one_line: String = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = vec![];
    for secret in [&WRAPPING_KEY[..], &DATA_KEY, PLAIN, VALUE.as_bytes()] {
        let part = &secret[..6];
        let list = |of: fn(&u8) -> String| part.iter().map(of).collect::<Vec<_>>().join(", ");
        let mut forms = vec![
            String::from_utf8_lossy(part).into_owned(),
            hex(part),
            hex(part).to_uppercase(),
            list(|b| b.to_string()),
            list(|b| format!("{b:x}")),
            list(|b| format!("{b:02x}")),
        ];
        for before in 0..3 {
            // What stands before shifts the digits; those at the ends depend on neighbours.
            let shifted = [&vec![0; before][..], &secret[..12]].concat();
            for digits in [Base64::encode_string(&shifted), Base64Url::encode_string(&shifted)] {
                forms.push(digits[4..12].to_owned());
            }
        }
        found.extend(forms.into_iter().filter(|f| printed.contains(f) || one_line.contains(f)));
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
