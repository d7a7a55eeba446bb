//! What the caller brings: the encryption context, the key, the policy.

use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::Format;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;

use crate::sample::Sample;
use crate::sample::cipher;
use crate::sample::cipher_with;
use crate::sample::policy;

#[tokio::test]
async fn another_encryption_context_is_refused() {
    for len in [0, 65] {
        let sample = Sample::new(len).await;
        for other in [
            vec![("table", "orders"), ("tenant", "rival")],
            vec![("table", "orders"), ("tenant", "acme ")],
            vec![("table", "orders"), ("tenant", "Acme")],
            vec![("table", "orders"), ("tenant", "")],
            vec![("table", "orders"), ("Tenant", "acme")],
            vec![("table", "acme"), ("tenant", "orders")],
            vec![("table", "orders"), ("tenant", "acme"), ("missing", "demanded")],
            vec![("tenant", "rival")],
            vec![("missing", "demanded")],
        ] {
            let context = EncryptionContext::from_iter(other);
            sample.assert_refused_by(&sample.cipher, &context, ErrorKind::Authentication).await;
        }
    }
}

#[tokio::test]
async fn fewer_pairs_than_stored_are_accepted_unless_the_policy_demands_all() {
    let sample = Sample::new(65).await;
    let exact = cipher().read_policy(policy().exact_context(true));
    sample.assert_accepted_by(&exact, &sample.context).await;
    for fewer in [vec![], vec![("tenant", "acme")], vec![("table", "orders")]] {
        let context = EncryptionContext::from_iter(fewer);
        sample.assert_accepted_by(&sample.cipher, &context).await;
        sample.assert_refused_by(&exact, &context, ErrorKind::Authentication).await;
    }
}

#[tokio::test]
async fn another_wrapping_key_is_refused() {
    let sample = Sample::new(65).await;
    let other_id = cipher_with("other", [1; 32]);
    sample.assert_refused_by(&other_id, &sample.context, ErrorKind::KeyAccess).await;
    let other_key = cipher_with("test", [2; 32]);
    sample.assert_refused_by(&other_key, &sample.context, ErrorKind::Authentication).await;
    let neither = cipher_with("other", [2; 32]);
    sample.assert_refused_by(&neither, &sample.context, ErrorKind::KeyAccess).await;
    let random =
        EnvelopeCipher::new(LocalKeyring::new(KeyFile::generate().unwrap())).read_policy(policy());
    sample.assert_refused_by(&random, &sample.context, ErrorKind::KeyAccess).await;
}

#[tokio::test]
async fn a_rotated_key_file_opens_what_its_old_key_sealed() {
    let sample = Sample::new(65).await;
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let mut keys = KeyFile::from_key("test", key).unwrap();
    keys.rotate().unwrap();
    let rotated =
        EnvelopeCipher::new(LocalKeyring::new(keys)).segment_len(64).read_policy(policy());
    sample.assert_accepted_by(&rotated, &sample.context).await;
    let sealed = rotated.seal(&sample.plain, &sample.context).await.unwrap();
    let newer = Sample { sealed, cipher: rotated, ..Sample::new(65).await };
    newer.assert_opens().await;
    newer.assert_refused_by(&sample.cipher, &newer.context, ErrorKind::KeyAccess).await;
}

#[tokio::test]
async fn what_the_policy_does_not_accept_is_refused_before_any_key_is_asked_for() {
    let sample = Sample::new(65).await;
    for policy in [
        ReadPolicy::default(),
        policy().segment_lens(65..=1 << 20),
        policy().segment_lens(33..=63),
        policy().formats([]),
        policy().formats([Format::OneShot]),
        policy().max_wrapped_keys(0),
    ] {
        // This keyring would answer `KeyAccess`.
        let cipher = cipher_with("other", [2; 32]).read_policy(policy);
        sample.assert_refused_by(&cipher, &sample.context, ErrorKind::Format).await;
    }
    sample
        .assert_accepted_by(&cipher().read_policy(policy().segment_lens(64..=64)), &sample.context)
        .await;
}
