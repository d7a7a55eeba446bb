//! C2SP Wycheproof vectors against every compiled backend.

use serde_json::Value;

use crate::crypto::Backend;
use crate::crypto::Hash;
use crate::crypto::Nonces;

#[allow(clippy::duplicate_mod, reason = "shared with the integration tests")]
#[path = "../../tests/support/vectors.rs"]
mod vectors;

macro_rules! on_each_backend {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "aws-lc")]
        mod aws_lc {
            $(#[test] fn $test() { super::$test::<crate::crypto::aws_lc::AwsLc>(); })+
        }
        #[cfg(feature = "rust-crypto")]
        mod rust_crypto {
            $(#[test] fn $test() { super::$test::<crate::crypto::rust_crypto::RustCrypto>(); })+
        }
    };
}

on_each_backend!(aes_256_gcm, hkdf, hmac, what_one_seals_it_opens, equal_compares, sha384);

fn aes_256_gcm<B: Backend>() {
    let mut counts = (0, 0);
    each("aes_gcm_test.json", |group, test| {
        if group["keySize"] != 256 || group["ivSize"] != 96 || group["tagSize"] != 128 {
            return;
        }
        let key = bytes(test, "key").try_into().unwrap();
        let nonce = bytes(test, "iv").try_into().unwrap();
        let mut in_out = [bytes(test, "ct"), bytes(test, "tag")].concat();
        let plain_len = in_out.len() - 16;
        let aead = B::aead(&key).unwrap();
        let opened = B::open(&aead, &nonce, &bytes(test, "aad"), &mut in_out);
        if test["result"] == "valid" {
            counts.0 += 1;
            assert!(opened.is_ok(), "{test}");
            assert_eq!(in_out[..plain_len], bytes(test, "msg"), "{test}");
        } else {
            counts.1 += 1;
            assert!(opened.is_err(), "{test}");
            let message = bytes(test, "msg");
            assert!(message.is_empty() || in_out[..plain_len] != message, "{test}");
        }
    })
    .then(|| assert_eq!(counts, (39, 27)));
}

fn hmac<B: Backend>() {
    for (hash, len, file) in [
        (Hash::Sha256, 32, "hmac_sha256_test.json"),
        (Hash::Sha384, 48, "hmac_sha384_test.json"),
        (Hash::Sha512, 64, "hmac_sha512_test.json"),
    ] {
        let mut counts = (0, 0);
        each(file, |_, test| {
            let message = bytes(test, "msg");
            let (head, tail) = message.split_at(message.len() / 2);
            let mut tag = vec![0; len];
            B::hmac(hash, &bytes(test, "key"), &[head, tail], &mut tag).unwrap();
            let wanted = bytes(test, "tag");
            let equal = tag[..wanted.len()] == wanted;
            assert_eq!(equal, test["result"] == "valid", "{test}");
            if equal { counts.0 += 1 } else { counts.1 += 1 }
        })
        .then(|| assert_eq!(counts, (66, 108)));
    }
}

/// The whole of HKDF: extract is HMAC keyed with the salt (RFC 5869, section 2.2).
fn hkdf<B: Backend>() {
    for (hash, len, file, valid) in [
        (Hash::Sha256, 32, "hkdf_sha256_test.json", 83),
        (Hash::Sha384, 48, "hkdf_sha384_test.json", 80),
        (Hash::Sha512, 64, "hkdf_sha512_test.json", 80),
    ] {
        let mut counts = (0, 0);
        each(file, |_, test| {
            let mut prk = vec![0; len];
            B::hmac(hash, &bytes(test, "salt"), &[&bytes(test, "ikm")], &mut prk).unwrap();
            let mut okm = vec![0; usize::try_from(test["size"].as_u64().unwrap()).unwrap()];
            let info = bytes(test, "info");
            let (head, tail) = info.split_at(info.len() / 2);
            let expanded = B::hkdf_expand(hash, &prk, &[head, tail], &mut okm);
            if test["result"] == "valid" {
                counts.0 += 1;
                assert!(expanded.is_ok(), "{test}");
                assert_eq!(okm, bytes(test, "okm"), "{test}");
            } else {
                counts.1 += 1;
                assert!(expanded.is_err(), "{test}");
            }
        })
        .then(|| assert_eq!(counts, (valid, 3)));
    }
}

fn what_one_seals_it_opens<B: Backend>() {
    let aead = B::aead(&[7; 32]).unwrap();
    let mut nonces = vec![];
    for len in [0, 1, 15, 16, 17, 1000] {
        let plain = vec![0x5a; len];
        let mut sealed = plain.clone();
        let (nonce, tag) =
            B::seal(&aead, &mut Nonces::draw(1).unwrap(), b"aad", &mut sealed).unwrap();
        assert!(!nonces.contains(&nonce));
        nonces.push(nonce);
        sealed.extend_from_slice(&tag);
        let mut altered = sealed.clone();
        B::open(&aead, &nonce, b"aad", &mut sealed).unwrap();
        assert_eq!(sealed[..len], plain);
        *altered.last_mut().unwrap() ^= 1;
        assert!(B::open(&aead, &nonce, b"aad", &mut altered).is_err());
    }
}

/// FIPS 180-4, the example "abc", and that parts are joined.
fn sha384<B: Backend>() {
    let wanted = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                  8086072ba1e7cc2358baeca134c825a7";
    for parts in [&[&b"abc"[..]][..], &[b"a", b"", b"bc"]] {
        assert_eq!(base16ct::lower::encode_string(&B::sha384(parts).unwrap()), wanted);
    }
}

fn equal_compares<B: Backend>() {
    assert!(B::equal(b"same", b"same") && B::equal(b"", b""));
    assert!(!B::equal(b"same", b"sane") && !B::equal(b"same", b"sam"));
}

/// After a failed open the buffer holds neither plaintext nor ciphertext.
#[test]
fn a_failed_open_leaves_zeros() {
    let aead = crate::crypto::Aead::new(&[7; 32]).unwrap();
    let mut sealed = *b"sixteen bytes ok................";
    let (nonce, tag) = aead.seal(b"", &mut sealed[..16]).unwrap();
    sealed[16..].copy_from_slice(&tag);
    assert_eq!(aead.open(&nonce, b"", &mut sealed.clone()).unwrap(), b"sixteen bytes ok");
    assert!(aead.open(&nonce, b"other", &mut sealed).is_none());
    assert_eq!(sealed, [0; 32]);
}

/// Calls `run` with every test of a file; false if the vectors are not here.
fn each(file: &str, mut run: impl FnMut(&Value, &Value)) -> bool {
    let Some(folder) = vectors::folder("wycheproof") else { return false };
    let json = vectors::json(&folder.join(file));
    for group in json["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            run(group, test);
        }
    }
    true
}

fn bytes(test: &Value, field: &str) -> Vec<u8> {
    vectors::hex(test[field].as_str().unwrap())
}
