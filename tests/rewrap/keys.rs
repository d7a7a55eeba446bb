//! Which wrapped keys are replaced by which, and how.

use std::sync::Arc;

use waxseal::{
    EncryptionContext, Envelope, EnvelopeCipher, ErrorKind, KeyFile, Keyring, LocalKeyring,
    MultiKeyring, Rewrap, RsaKeyring, WrappedKey,
};

use crate::rsa_keys::Pair;
use crate::world::World;
use crate::world::cipher;
use crate::world::local;

fn wrapped(sealed: &[u8]) -> Vec<WrappedKey> {
    Envelope::from_inline(sealed).unwrap().unwrap().0.wrapped_keys().to_vec()
}

/// The lines of an envelope but those of wrapped keys, and the body.
fn rest(sealed: &[u8]) -> (Vec<String>, Vec<u8>) {
    let at = Envelope::from_inline(sealed).unwrap().unwrap().1;
    let text = String::from_utf8(sealed[..at].to_vec()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("key-") && !line.starts_with('.'));
    (lines.map(str::to_owned).collect(), sealed[at..].to_vec())
}

/// `sealed` with what `key` wrapped of another object: one of the same context.
fn spliced(sealed: &[u8], other: &[u8], key: &str) -> Vec<u8> {
    let line = |sealed: &[u8]| {
        let at = Envelope::from_inline(sealed).unwrap().unwrap().1;
        let text = std::str::from_utf8(&sealed[..at]).unwrap();
        text.lines().find(|line| line.contains(key)).unwrap().to_owned()
    };
    let (own, foreign) = (line(sealed), line(other));
    assert!(own.len() == foreign.len() && own != foreign);
    let at = sealed.windows(own.len()).position(|part| part == own.as_bytes()).unwrap();
    [&sealed[..at], foreign.as_bytes(), &sealed[at + own.len()..]].concat()
}

/// A public and a private half.
fn rsa() -> (RsaKeyring, RsaKeyring) {
    let pair = Pair::new();
    (pair.public(), pair.private())
}

#[tokio::test]
async fn between_keys_of_kms_the_data_key_never_leaves_it() {
    let world = World::start().await;
    for (from, to) in [(&*world.old, &*world.new), ("alias/old", "alias/new")] {
        let sealed = world.sealed(world.keyring(&world.old)).await;
        world.aws.reset_calls();
        let rewrap = Rewrap::new(world.keyring(from), world.keyring(to));
        let front = world.front(&sealed, &rewrap).await.unwrap().unwrap();
        assert!(!front.rewrapped().was_unwrapped());
        assert_eq!(front.rewrapped().removed(), wrapped(&sealed));
        let again = [front.envelope(), &sealed[front.replaces()..]].concat();
        assert_eq!(front.rewrapped().wrapped_keys(), wrapped(&again));
        assert_eq!(rest(&sealed), rest(&again));
        for secret in ["Decrypt", "Encrypt", "GenerateDataKey"] {
            assert_eq!(world.aws.count(secret), 0, "{secret}");
        }
        let calls = world.aws.calls();
        let call = calls.iter().find(|call| call.operation == "ReEncrypt").unwrap();
        assert_eq!(call.input["SourceKeyId"], world.old, "pinned");
        let context = serde_json::json!({ "tenant": "acme" });
        assert_eq!(call.input["SourceEncryptionContext"], context);
        assert_eq!(call.input["DestinationEncryptionContext"], context);
        assert_eq!(world.open(world.keyring(&world.new), &again).await.unwrap(), "attack at dawn");
        let error = world.open(world.keyring(&world.old), &again).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyAccess);
    }
}

#[tokio::test]
async fn other_keys_are_unwrapped_and_wrapped() {
    let world = World::start().await;
    let far = world.far_key();
    let (file, (_, private)) = (local(), rsa());
    let rings: [(&str, Arc<dyn Keyring>); 3] = [
        ("local", Arc::new(file)),
        ("rsa", Arc::new(private)),
        ("far", Arc::new(world.keyring_there(&far))),
    ];
    for (name, ring) in &rings {
        let sealed = world.sealed(world.keyring(&world.old)).await;
        world.aws.reset_calls();
        let out = Rewrap::new(world.keyring(&world.old), ring.clone());
        let away = world.rewrapped(&sealed, &out).await;
        assert_eq!(world.aws.count("Decrypt"), 1, "{name}");
        assert_eq!(world.open(ring.clone(), &away).await.unwrap(), "attack at dawn", "{name}");
        let back = Rewrap::new(ring.clone(), world.keyring(&world.new));
        let front = world.front(&away, &back).await.unwrap().unwrap();
        assert!(front.rewrapped().was_unwrapped());
        let back = [front.envelope(), &away[front.replaces()..]].concat();
        assert_eq!(world.open(world.keyring(&world.new), &back).await.unwrap(), "attack at dawn");
        assert!(world.open(ring.clone(), &back).await.is_err(), "{name}");
        assert_eq!(rest(&sealed), rest(&back));
        assert_eq!(world.aws.count("ReEncrypt"), 0);
    }
}

#[tokio::test]
async fn a_concrete_keyring_of_another_region_is_not_re_encrypted() {
    let world = World::start().await;
    let far = world.far_key();
    let sealed = world.sealed(world.keyring(&world.old)).await;
    let to = world.keyring_there(&far);
    let rewrap = Rewrap::new(world.keyring(&world.old), to.clone());
    let again = world.rewrapped(&sealed, &rewrap).await;
    assert_eq!(world.aws.count("ReEncrypt"), 0);
    assert_eq!(world.open(to, &again).await.unwrap(), "attack at dawn");
}

#[tokio::test]
async fn keys_of_others_stay() {
    let world = World::start().await;
    let (public, private) = rsa();
    for first in [true, false] {
        let old = world.keyring(&world.old);
        let both = match first {
            true => MultiKeyring::new(old).and(public.clone()),
            false => MultiKeyring::new(public.clone()).and(old),
        };
        let sealed = world.sealed(both).await;
        let again = world.rewrapped(&sealed, &world.rewrap()).await;
        let (before, after) = (wrapped(&sealed), wrapped(&again));
        let recovery = usize::from(first);
        assert_eq!(after.len(), 2);
        assert_eq!(before[recovery], after[recovery], "the same, at the same place");
        assert_eq!(world.open(private.clone(), &again).await.unwrap(), "attack at dawn");
        assert_eq!(world.open(world.keyring(&world.new), &again).await.unwrap(), "attack at dawn");
    }
}

#[tokio::test]
async fn a_recipient_is_added() {
    let world = World::start().await;
    let sealed = world.sealed(world.keyring(&world.old)).await;
    let keep = world.rewrap().keep();
    let both = world.rewrapped(&sealed, &keep).await;
    assert_eq!(wrapped(&both)[..1], wrapped(&sealed));
    for key in [&world.old, &world.new] {
        assert_eq!(world.open(world.keyring(key), &both).await.unwrap(), "attack at dawn");
    }
    world.aws.reset_calls();
    assert!(world.front(&both, &keep).await.unwrap().is_none(), "done");
    assert_eq!(world.aws.calls().len(), 0);
    let third = world.aws.create_key("alias/third");
    let more = keep.and_to(world.keyring(&third));
    let front = world.front(&both, &more).await.unwrap().unwrap();
    assert_eq!(front.rewrapped().added().len(), 1, "only what is missing");
    assert_eq!(front.rewrapped().wrapped_keys().len(), 3);
    // Without `keep` the old key goes, though the new one was there.
    let front = world.front(&both, &world.rewrap()).await.unwrap().unwrap();
    let names: Vec<_> = front.rewrapped().wrapped_keys().iter().map(|w| w.key_id()).collect();
    assert_eq!(names, [Some(&*world.new)]);
}

#[tokio::test]
async fn what_is_done_is_told_without_a_call() {
    let world = World::start().await;
    let sealed = world.sealed(world.keyring(&world.new)).await;
    world.aws.reset_calls();
    assert!(world.front(&sealed, &world.rewrap()).await.unwrap().is_none());
    let same = Rewrap::new(world.keyring(&world.new), world.keyring(&world.new));
    assert!(world.front(&sealed, &same).await.unwrap().is_none());
    assert_eq!(world.aws.calls().len(), 0);
    let front = world.front(&sealed, &same.again()).await.unwrap().unwrap();
    assert_ne!(front.rewrapped().wrapped_keys(), wrapped(&sealed), "new key material");
    assert_eq!(front.rewrapped().wrapped_keys().len(), 1);
}

#[tokio::test]
async fn what_the_old_keys_do_not_open_is_refused() {
    let world = World::start().await;
    let third = world.aws.create_key("alias/third");
    let sealed = world.sealed(world.keyring(&third)).await;
    world.aws.reset_calls();
    let error = world.front(&sealed, &world.rewrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains(&third), "{error}");
    assert_eq!(world.aws.calls().len(), 0);
    // Keys that are denied are not the same as keys of others.
    let sealed = world.sealed(world.keyring(&world.old)).await;
    world.aws.kms_state().deny_operation(&world.old, "ReEncryptFrom");
    let error = world.front(&sealed, &world.rewrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains("kms:ReEncryptFrom"), "{error}");
    assert_eq!(world.aws.count("Decrypt"), 0, "not taken out of KMS instead");
}

#[tokio::test]
async fn another_key_of_the_object_does_if_the_first_is_gone() {
    let world = World::start().await;
    let (public, private) = rsa();
    let sealed = world.sealed(MultiKeyring::new(world.keyring(&world.old)).and(public)).await;
    world.aws.kms().disable_key().key_id(&world.old).send().await.unwrap();
    let rewrap = world.rewrap().and_from(private.clone()).and_to(private.clone());
    let again = world.rewrapped(&sealed, &rewrap).await;
    assert_eq!(wrapped(&again).len(), 2);
    for opened in
        [world.open(world.keyring(&world.new), &again).await, world.open(private, &again).await]
    {
        assert_eq!(opened.unwrap(), "attack at dawn");
    }
}

#[tokio::test]
async fn a_key_file_that_was_rotated_is_old_and_new() {
    let world = World::start().await;
    let mut keys = KeyFile::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    keys.create(&path).unwrap();
    let sealed = world.sealed(LocalKeyring::new(keys)).await;
    keys = KeyFile::load(&path).unwrap();
    let id = keys.rotate().unwrap();
    let ring = LocalKeyring::new(keys);
    let rewrap = Rewrap::new(ring.clone(), ring.clone());
    let again = world.rewrapped(&sealed, &rewrap).await;
    assert_eq!(wrapped(&again)[0].key_id(), Some(&*id));
    assert_eq!(world.open(ring, &again).await.unwrap(), "attack at dawn");
    assert!(world.front(&again, &rewrap).await.unwrap().is_none());
}

#[tokio::test]
async fn an_unwrapped_key_must_be_that_of_the_header() {
    let world = World::start().await;
    let file = local();
    let (one, other) = (world.sealed(file.clone()).await, world.sealed(file.clone()).await);
    let rewrap = Rewrap::new(file, world.keyring(&world.new));
    let (_, at) = Envelope::from_inline(&one).unwrap().unwrap();
    // The envelope of one object in front of the body of another.
    let mixed = [&one[..at], &other[at..]].concat();
    let error = world.front(&mixed, &rewrap).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(world.aws.count("Encrypt"), 0, "nothing was wrapped");
    assert!(world.front(&one, &rewrap).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_opens_is_not_given_up_for_one_of_another_object() {
    let world = World::start().await;
    let third = world.aws.create_key("alias/third");
    let (old, new) = (|| world.keyring(&world.old), || world.keyring(&world.new));
    let two = |second| MultiKeyring::new(old()).and(second);
    let other = world.sealed(two(old())).await;

    // The first is of another object; the next one opens it, and is gone afterwards.
    let sealed = world.sealed(two(world.keyring(&third))).await;
    let sealed = spliced(&sealed, &other, &world.old);
    assert_eq!(world.open(world.keyring(&third), &sealed).await.unwrap(), "attack at dawn");
    let both = world.rewrap().and_from(world.keyring(&third));
    let front = world.front(&sealed, &both).await.unwrap().unwrap();
    assert!(front.rewrapped().was_unwrapped());
    assert_eq!((front.rewrapped().removed().len(), front.rewrapped().added().len()), (2, 1));
    let again = [front.envelope(), &sealed[front.replaces()..]].concat();
    assert_eq!(world.open(new(), &again).await.unwrap(), "attack at dawn");

    // What is under the new key opens it, and the old one does not.
    let sealed = spliced(&world.sealed(two(new())).await, &other, &world.old);
    assert_eq!(world.open(new(), &sealed).await.unwrap(), "attack at dawn");
    let error = world.front(&sealed, &world.rewrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);

    // Who may not unwrap is told so, and nothing is done unseen.
    let sealed = world.sealed(two(new())).await;
    world.aws.kms_state().deny_operation(&world.old, "Decrypt");
    world.aws.reset_calls();
    let error = world.front(&sealed, &world.rewrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains("kms:Decrypt"), "{error}");
    assert_eq!(world.aws.count("ReEncrypt"), 0);
}

#[tokio::test]
async fn another_context_is_refused() {
    let world = World::start().await;
    let file = local();
    let rewraps = [world.rewrap(), Rewrap::new(file.clone(), world.keyring(&world.new))];
    let sealed = [world.sealed(world.keyring(&world.old)).await, world.sealed(file).await];
    for (sealed, rewrap) in sealed.iter().zip(&rewraps) {
        // Stored otherwise than it was sealed: the keys do not unwrap.
        let text = sealed.escape_ascii().to_string();
        assert_eq!(text.matches("tenant=acme").count(), 1);
        let at = sealed.windows(4).position(|part| part == b"acme").unwrap();
        let mut altered = sealed.to_vec();
        altered[at..at + 4].copy_from_slice(b"evil");
        let none = EncryptionContext::new();
        let error = cipher().rewrap_inline(&altered, &none, rewrap).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        // Given otherwise than it is stored: nobody is asked.
        world.aws.reset_calls();
        let other = EncryptionContext::from([("tenant", "rival")]);
        let error = cipher().rewrap_inline(sealed, &other, rewrap).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(world.aws.calls().len(), 0);
        assert!(cipher().rewrap_inline(sealed, &none, rewrap).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_stored_name_is_never_the_source() {
    let world = World::start().await;
    let third = world.aws.create_key("alias/third");
    // Wrapped by the old key, says the envelope; by another one, says KMS.
    let sealed = world.sealed(world.keyring(&third)).await;
    let text = sealed.windows(third.len()).position(|part| part == third.as_bytes()).unwrap();
    let mut named = sealed.to_vec();
    named[text..text + third.len()].copy_from_slice(world.old.as_bytes());
    world.aws.reset_calls();
    let error = world.front(&named, &world.rewrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let calls = world.aws.calls();
    assert!(calls.iter().all(|call| call.input["SourceKeyId"] == world.old));
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn sixteen_wrapped_keys_are_the_most() {
    let world = World::start().await;
    let mut ring = MultiKeyring::new(world.keyring(&world.old));
    for _ in 0..15 {
        ring = ring.and(local());
    }
    let sealed = world.sealed(ring).await;
    world.aws.reset_calls();
    let error = world.front(&sealed, &world.rewrap().keep()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(world.aws.calls().len(), 0);
    assert_eq!(wrapped(&world.rewrapped(&sealed, &world.rewrap()).await).len(), 16);
}

#[tokio::test]
async fn a_label_is_needed_only_where_the_key_is_unwrapped() {
    let world = World::start().await;
    let file = local();
    let label = waxseal::Binding::Label("orders".to_owned());
    let bound = |keys| EnvelopeCipher::new(keys).binding(label.clone());
    let kms = EnvelopeCipher::new(world.keyring(&world.old)).binding(label.clone());
    let by_kms = kms.seal(b"x", &world.context).await.unwrap();
    let by_file = bound(file.clone()).seal(b"x", &world.context).await.unwrap();
    assert!(world.front(&by_kms, &world.rewrap()).await.unwrap().is_some());
    let rewrap = Rewrap::new(file, world.keyring(&world.new));
    assert_eq!(world.front(&by_file, &rewrap).await.unwrap_err().kind(), ErrorKind::Format);
    let labelled = bound(local()).rewrap_inline(&by_file, &world.context, &rewrap).await;
    assert!(labelled.unwrap().is_some());
}
