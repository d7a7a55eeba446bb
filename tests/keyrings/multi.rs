//! Several keyrings: who is asked, when, and what becomes of their answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::MultiKeyring;
use waxseal::ReadPolicy;
use waxseal::Result;
use waxseal::SecretKey;
use waxseal::WrappedKey;

use crate::scripted::Answer;
use crate::scripted::Scripted;

const NEVER: Duration = Duration::MAX;
const SOON: Duration = Duration::from_millis(10);

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

fn three() -> [Scripted; 3] {
    ["one", "two", "three"].map(Scripted::new)
}

fn multi(keyrings: &[Scripted]) -> MultiKeyring {
    let (first, rest) = keyrings.split_first().unwrap();
    let multi = MultiKeyring::new(first.clone()).patience(NEVER);
    rest.iter().fold(multi, |multi, keyring| multi.and(keyring.clone()))
}

/// A data key in the open, and wrapped.
async fn generated(keyring: &impl Keyring) -> ([u8; 32], Vec<WrappedKey>) {
    let made = keyring.generate_data_key(&KeyRequest::new(&context())).await.unwrap();
    (*made.key().expose(), made.wrapped().to_vec())
}

async fn unwrap(keyring: &impl Keyring, wrapped: &[WrappedKey]) -> Result<[u8; 32]> {
    let key = keyring.unwrap_data_key(wrapped, &KeyRequest::new(&context())).await?;
    Ok(*key.expose())
}

fn ids(wrapped: &[WrappedKey]) -> Vec<&str> {
    wrapped.iter().map(|w| w.key_id().unwrap()).collect()
}

#[tokio::test]
async fn each_keyring_alone_opens_what_all_of_them_sealed() {
    let keyrings = three();
    let sealed = EnvelopeCipher::new(multi(&keyrings)).seal(b"plain", &context()).await.unwrap();
    for keyring in keyrings {
        assert_eq!(keyring.wraps(), 1);
        let cipher = EnvelopeCipher::new(keyring);
        assert_eq!(cipher.open(&sealed, &context()).await.unwrap(), b"plain"[..]);
        let other = EncryptionContext::from([("tenant", "rival")]);
        let error = cipher.open(&sealed, &other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
    }
    let error = EnvelopeCipher::new(Scripted::new("four")).open(&sealed, &context()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::KeyAccess);
}

#[tokio::test]
async fn it_opens_what_any_of_its_keyrings_sealed() {
    let keyrings = three();
    for keyring in &keyrings {
        let (key, wrapped) = generated(keyring).await;
        assert_eq!(unwrap(&multi(&keyrings), &wrapped).await.unwrap(), key);
    }
}

#[tokio::test]
async fn it_wraps_a_key_of_another_under_all() {
    let keyrings = three();
    let key = SecretKey::random().unwrap();
    let context = context();
    let request = KeyRequest::new(&context);
    let wrapped = multi(&keyrings).wrap_data_key(&key, &request).await.unwrap();
    assert_eq!(ids(&wrapped), ["one", "two", "three"]);
    for keyring in &keyrings {
        assert_eq!(unwrap(keyring, &wrapped).await.unwrap(), *key.expose());
    }
}

#[tokio::test]
async fn one_that_cannot_wrap_fails_the_whole() {
    let keyrings = three();
    for broken in 0..3 {
        let fails = Answer::Fails(ErrorKind::Keyring, "no connection");
        let mut altered = keyrings.clone();
        altered[broken] = keyrings[broken].answering(fails);
        let error = EnvelopeCipher::new(multi(&altered)).seal(b"x", &context()).await.unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Keyring, "no connection"));
    }
    for silent in 1..3 {
        let mut altered = keyrings.clone();
        altered[silent] = keyrings[silent].answering(Answer::WrapsNothing);
        let context = context();
        let request = KeyRequest::new(&context);
        assert!(multi(&altered).generate_data_key(&request).await.is_err());
        let key = SecretKey::random().unwrap();
        assert!(multi(&altered).wrap_data_key(&key, &request).await.is_err());
    }
}

/// None of the others waits for another: all of them do wrap once they all may.
#[tokio::test]
async fn the_others_wrap_at_the_same_time() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = || Scripted::new("w").answering(Answer::Waits(Arc::clone(&permits)));
    let keyrings = [Scripted::new("one"), waiting(), waiting(), waiting()];
    let made = tokio::spawn({
        let multi = multi(&keyrings);
        async move { generated(&multi).await }
    });
    until(|| keyrings.iter().all(|keyring| keyring.wraps() == 1)).await;
    permits.add_permits(3);
    assert_eq!(made.await.unwrap().1.len(), 4);
}

#[tokio::test]
async fn sixteen_keys_are_the_most() {
    let many: Vec<_> = (0..17).map(|i| Scripted::new(&format!("k{i}"))).collect();
    assert_eq!(generated(&multi(&many[..16])).await.1.len(), 16);
    let (context, key) = (context(), SecretKey::random().unwrap());
    let request = KeyRequest::new(&context);
    let asked = || many.iter().map(Scripted::wraps).sum::<usize>();
    let before = asked();
    let error = multi(&many).generate_data_key(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = multi(&many).wrap_data_key(&key, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(asked(), before, "nobody is asked in vain");
    // One of the keyrings is nine of them: only what they wrapped tells.
    let nested = multi(&many[..8]).and(multi(&many[8..]));
    let error = nested.generate_data_key(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = nested.wrap_data_key(&key, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn more_wrapped_keys_than_the_policy_accepts_are_refused_before_anybody_is_asked() {
    let keyrings = three();
    let sealed = EnvelopeCipher::new(multi(&keyrings)).seal(b"x", &context()).await.unwrap();
    let reader = |most| {
        let policy = ReadPolicy::default().max_wrapped_keys(most);
        EnvelopeCipher::new(multi(&keyrings)).read_policy(policy)
    };
    let error = reader(2).open(&sealed, &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert_eq!(keyrings.iter().map(Scripted::unwraps).sum::<usize>(), 0);
    reader(3).open(&sealed, &context()).await.unwrap();
}

/// Whoever can write the object could make a reader ask as often as it has wrapped keys.
#[tokio::test]
async fn a_seventeenth_wrapped_key_is_refused_before_anybody_is_asked() {
    let many: Vec<_> = (0..16).map(|i| Scripted::new(&format!("k{i}"))).collect();
    let cipher = EnvelopeCipher::new(multi(&many));
    let sealed = cipher.seal(b"plain", &context()).await.unwrap();
    let last = format!("key-16 local k15 {}", "A".repeat(80));
    assert_eq!(with_field(&sealed, ""), sealed, "the rebuilt object is the same");
    cipher.open(&sealed, &context()).await.unwrap();
    let asked = || many.iter().map(Scripted::unwraps).sum::<usize>();
    let before = asked();
    let more = with_field(&sealed, &last.replace("key-16", "key-17"));
    let error = cipher.open(&more, &context()).await.unwrap_err();
    assert_eq!((error.kind(), asked()), (ErrorKind::Format, before));
}

/// The inline object with one more line in its envelope.
fn with_field(sealed: &[u8], line: &str) -> Vec<u8> {
    let first = sealed.iter().position(|&b| b == b'\n').unwrap();
    let len: usize = std::str::from_utf8(&sealed[8..first]).unwrap().parse().unwrap();
    let text = std::str::from_utf8(&sealed[first + 1..len]).unwrap();
    let mut fields = text[..text.rfind("\n.").unwrap() + 1].to_owned();
    if !line.is_empty() {
        fields = format!("{fields}{line}\n");
    }
    let len = ("waxseal 1024\n".len() + fields.len() + 1).next_multiple_of(1024);
    let mut front = format!("waxseal {len}\n{fields}");
    front.push_str(&".".repeat(len - front.len() - 1));
    [format!("{front}\n").as_bytes(), &sealed[text.len() + first + 1..]].concat()
}

#[tokio::test]
async fn they_are_asked_in_order_and_no_more_than_needed() {
    let keyrings = three();
    let (key, wrapped) = generated(&multi(&keyrings)).await;
    let counts = || keyrings.each_ref().map(Scripted::unwraps);
    assert_eq!(unwrap(&multi(&keyrings), &wrapped).await.unwrap(), key);
    assert_eq!(counts(), [1, 0, 0]);
    assert_eq!(unwrap(&multi(&keyrings), &wrapped[1..]).await.unwrap(), key);
    assert_eq!(counts(), [2, 1, 0]);
    assert_eq!(unwrap(&multi(&keyrings), &wrapped[2..]).await.unwrap(), key);
    assert_eq!(counts(), [3, 2, 1]);
}

#[tokio::test]
async fn every_kind_of_failure_leads_to_the_next_one() {
    let keyrings = three();
    let (key, wrapped) = generated(&multi(&keyrings)).await;
    for kind in [
        ErrorKind::Authentication,
        ErrorKind::KeyAccess,
        ErrorKind::Keyring,
        ErrorKind::InvalidInput,
    ] {
        let mut altered = keyrings.clone();
        for first in &mut altered[..2] {
            *first = first.answering(Answer::Fails(kind, "no"));
        }
        assert_eq!(unwrap(&multi(&altered), &wrapped).await.unwrap(), key);
    }
}

#[tokio::test]
async fn a_slow_one_is_overtaken_and_not_cancelled_before() {
    let permits = Arc::new(Semaphore::new(0));
    let keyrings = three();
    let (key, wrapped) = generated(&multi(&keyrings)).await;
    let mut slow = keyrings.clone();
    for slow in &mut slow[..2] {
        *slow = slow.answering(Answer::Waits(Arc::clone(&permits)));
    }
    // The third may not be asked: two are.
    let opened = tokio::spawn({
        let (multi, wrapped) = (multi(&slow).patience(SOON), wrapped.clone());
        async move { unwrap(&multi, &wrapped).await.unwrap() }
    });
    until(|| slow[1].open() == 1).await;
    tokio::time::sleep_until(Instant::now() + SOON * 5).await;
    assert_eq!(slow.each_ref().map(Scripted::open), [1, 1, 0], "two at once, none cancelled");
    assert_eq!(slow[2].unwraps(), 0);
    permits.add_permits(1); // the first in line is the first that was asked
    assert_eq!(opened.await.unwrap(), key);
    assert_eq!(slow.each_ref().map(Scripted::open), [0, 0, 0]);
    // With room for three, the third opens.
    let all = multi(&slow).patience(SOON).at_once(3);
    assert_eq!(unwrap(&all, &wrapped).await.unwrap(), key);
    assert_eq!(slow.each_ref().map(Scripted::open), [0, 0, 0]);
    assert_eq!(slow[2].unwraps(), 1);
}

#[tokio::test]
async fn one_at_a_time_if_so_wanted() {
    for at_once in [0, 1] {
        let permits = Arc::new(Semaphore::new(0));
        let keyrings = three();
        let (key, wrapped) = generated(&multi(&keyrings)).await;
        let mut slow = keyrings.clone();
        slow[0] = slow[0].answering(Answer::Waits(Arc::clone(&permits)));
        let opened = tokio::spawn({
            let multi = multi(&slow).patience(Duration::ZERO).at_once(at_once);
            async move { unwrap(&multi, &wrapped).await.unwrap() }
        });
        until(|| slow[0].open() == 1).await;
        tokio::time::sleep_until(Instant::now() + SOON).await;
        assert_eq!(slow[1].unwraps(), 0);
        permits.add_permits(1);
        assert_eq!(opened.await.unwrap(), key);
    }
}

#[tokio::test]
async fn a_patient_one_waits_for_the_first() {
    let permits = Arc::new(Semaphore::new(0));
    let keyrings = three();
    let (key, wrapped) = generated(&multi(&keyrings)).await;
    let mut slow = keyrings.clone();
    slow[0] = slow[0].answering(Answer::Waits(Arc::clone(&permits)));
    let opened = tokio::spawn({
        let multi = multi(&slow);
        async move { unwrap(&multi, &wrapped).await.unwrap() }
    });
    until(|| slow[0].open() == 1).await;
    permits.add_permits(1);
    assert_eq!(opened.await.unwrap(), key);
    assert_eq!(slow[1].unwraps(), 0);
}

#[tokio::test]
async fn the_error_is_the_most_hopeful_one_and_names_all_answers() {
    let keyrings = three();
    let (_, wrapped) = generated(&multi(&keyrings)).await;
    use ErrorKind::{Authentication, InvalidInput, KeyAccess, Keyring};
    for (kinds, wanted) in [
        ([Keyring, Authentication, KeyAccess], Keyring),
        ([KeyAccess, Authentication, Keyring], Keyring),
        ([KeyAccess, Authentication, KeyAccess], Authentication),
        ([InvalidInput, KeyAccess, KeyAccess], KeyAccess),
        ([InvalidInput, InvalidInput, InvalidInput], InvalidInput),
    ] {
        let mut altered = keyrings.clone();
        for ((keyring, kind), text) in altered.iter_mut().zip(kinds).zip(["a", "b", "c"]) {
            *keyring = keyring.answering(Answer::Fails(kind, text));
        }
        let error = unwrap(&multi(&altered), &wrapped).await.unwrap_err();
        assert_eq!(error.kind(), wanted, "{kinds:?}");
        assert_eq!(error.to_string(), "no keyring of 3 opens it; 1: a; 2: b; 3: c");
    }
}

#[tokio::test]
async fn the_answers_stand_in_the_order_of_the_keyrings() {
    let permits = Arc::new(Semaphore::new(0));
    let slow = Scripted::new("one").answering(Answer::Waits(Arc::clone(&permits)));
    let keyrings = [slow, Scripted::new("two")];
    let (_, wrapped) = generated(&Scripted::new("other")).await;
    let opened = tokio::spawn({
        let multi = multi(&keyrings).patience(SOON);
        async move { unwrap(&multi, &wrapped).await.unwrap_err() }
    });
    until(|| keyrings[1].unwraps() == 1 && keyrings[1].open() == 0).await;
    permits.add_permits(1);
    let text = opened.await.unwrap().to_string();
    assert!(text.find("local one").unwrap() < text.find("local two").unwrap(), "{text}");
}

#[tokio::test]
async fn dropping_the_future_drops_the_requests() {
    let never = Arc::new(Semaphore::new(0));
    let keyrings = three().map(|k| k.answering(Answer::Waits(Arc::clone(&never))));
    let (_, wrapped) = generated(&Scripted::new("other")).await;
    let multi = multi(&keyrings).patience(SOON).at_once(3);
    let done = tokio::time::timeout(SOON * 10, unwrap(&multi, &wrapped)).await;
    assert!(done.is_err());
    assert_eq!(keyrings.each_ref().map(Scripted::unwraps), [1, 1, 1]);
    assert_eq!(keyrings.each_ref().map(Scripted::open), [0, 0, 0]);
}

async fn until(mut reached: impl FnMut() -> bool) {
    let waited = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.expect("it never happened");
}
