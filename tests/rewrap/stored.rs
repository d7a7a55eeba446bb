//! Stored objects: pinned, preserved, whole.

use std::sync::Arc;
use std::sync::Mutex;

use waxseal::{
    EncryptionContext, EnvelopeCipher, ErrorKind, Format, Placement, S3EncryptionClient,
};
use waxseal_testkit::{Call, Fault};

use crate::world::MIB;
use crate::world::World;

const PLACEMENTS: [Placement; 2] = [Placement::Metadata, Placement::Inline];
/// Of plaintext bytes: less and more than what is copied, or put, at once.
const LENS: [usize; 2] = [100_000, 13 * MIB];

fn etag(world: &World, name: &str) -> String {
    // Written by S3 beside the object; read by nobody's request.
    let name = name.to_owned();
    let s3 = world.aws.s3();
    let head = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(s3.head_object().bucket("bucket").key(name).send()).unwrap()
    });
    head.join().unwrap().e_tag().unwrap().to_owned()
}

fn is_write(call: &Call) -> bool {
    !["HeadObject", "GetObject", "GetObjectTagging"].contains(&&*call.operation)
}

fn of<'a>(calls: &'a [Call], operation: &str) -> Vec<&'a Call> {
    calls.iter().filter(|call| call.operation == operation).collect()
}

#[tokio::test]
async fn everything_but_the_wrapped_key_stays_and_all_is_pinned() {
    for placement in PLACEMENTS {
        for len in LENS {
            let case = format!("{placement:?} {len}");
            let world = World::start().await;
            let plain = world.put("a b/ü", len, placement).await;
            let (sealed, kept) =
                (world.aws.read_object("bucket", "a b/ü"), world.kept("a b/ü").await);
            let before = etag(&world, "a b/ü");
            world.aws.reset_calls();
            let client = world.client(&world.new, placement);
            let rewrap = world.rewrap();
            let request = client.rewrap_object("bucket", "a b/ü", &world.context, &rewrap);
            let done = request.send().await.unwrap();
            let calls = world.calls();
            let fetched = world.aws.bytes_fetched();
            assert!(!done.rewrapped().unwrap().was_unwrapped());
            assert_eq!(done.stored().etag(), Some(&*etag(&world, "a b/ü")), "{case}");

            let now = world.aws.read_object("bucket", "a b/ü");
            assert_eq!(done.stored().sealed_len(), now.len() as u64);
            let body = match placement {
                Placement::Metadata => 0,
                _ => waxseal::Envelope::from_inline(&now).unwrap().unwrap().1,
            };
            assert!(now[body..] == sealed[body..], "{case}: the body changed");
            assert_eq!(world.kept("a b/ü").await, kept, "{case}");
            assert!(world.get(&world.new, "a b/ü").await.unwrap() == plain, "{case}");
            let error = world.get(&world.old, "a b/ü").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::KeyAccess);
            assert!(world.aws.open_uploads().is_empty());

            let is_large = len > MIB;
            match placement {
                Placement::Metadata => assert_eq!(fetched, 0, "{case}"),
                _ => assert!(fetched < 6 << 20, "{case}: {fetched}"),
            }
            let copies = of(&calls, "CopyObject");
            let parts = of(&calls, "UploadPartCopy");
            let pinned = |call: &&Call| call.header("x-amz-copy-source-if-match") == Some(&before);
            assert!(copies.iter().chain(&parts).all(pinned), "{case}");
            let last = calls.iter().rfind(|call| is_write(call)).unwrap();
            assert_eq!(last.header("if-match"), Some(&*before), "{case}: {}", last.operation);
            let expected = match (placement, is_large) {
                (_, true) => "CompleteMultipartUpload",
                (Placement::Metadata, false) => "CopyObject",
                _ => "PutObject",
            };
            assert_eq!(last.operation, expected, "{case}");
            assert_eq!(parts.len() >= 2, is_large, "{case}");
            for get in of(&calls, "GetObject").iter().skip(1) {
                assert_eq!(get.header("if-match"), Some(&*before), "{case}");
            }
        }
    }
}

/// Replaces the object just before the request that would.
#[tokio::test]
async fn what_was_replaced_meanwhile_is_not_overwritten() {
    for (placement, len, at) in [
        (Placement::Metadata, LENS[0], "CopyObject"),
        (Placement::Metadata, LENS[1], "UploadPartCopy"),
        (Placement::Metadata, LENS[1], "CompleteMultipartUpload"),
        (Placement::Inline, LENS[0], "PutObject"),
        (Placement::Inline, LENS[1], "UploadPartCopy"),
        (Placement::Inline, LENS[1], "CompleteMultipartUpload"),
    ] {
        let world = World::start().await;
        world.put("k", len, placement).await;
        let aws = world.aws.clone();
        world.aws.on_request(move |call| {
            if call.operation == at {
                aws.write_object_bytes("bucket", "k", b"another");
            }
            None
        });
        let client = world.client(&world.new, placement);
        let request = client.rewrap_object("bucket", "k", &world.context, &world.rewrap());
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{placement:?} {at}: {error}");
        assert_eq!(world.aws.read_object("bucket", "k"), b"another", "{placement:?} {at}");
        world.aws.clear_faults();
        assert!(world.aws.open_uploads().is_empty(), "{placement:?} {at}");
    }
}

/// Even where the source is still as it was: S3 compares that when the copy begins.
#[tokio::test]
async fn the_destination_is_pinned_where_the_store_can() {
    let world = World::start().await;
    world.put("k", LENS[0], Placement::Metadata).await;
    let before = etag(&world, "k");
    world.aws.reset_calls();
    world.aws.fail("CopyObject", 1, Fault::s3_error(501, "NotImplemented"));
    let client = world.client(&world.new, Placement::Metadata);
    let request = client.rewrap_object("bucket", "k", &world.context, &world.rewrap());
    request.send().await.unwrap();
    let calls = world.calls();
    let copies: Vec<_> = of(&calls, "CopyObject");
    let conditions = |call: &Call| {
        let pinned = |name| call.header(name) == Some(&*before);
        (pinned("if-match"), pinned("x-amz-copy-source-if-match"))
    };
    // The SDK may have tried the first more than once.
    assert_eq!(conditions(copies[0]), (true, true));
    assert_eq!(conditions(copies.last().unwrap()), (false, true));
    assert!(world.get(&world.new, "k").await.is_ok());
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_finds_what_would_fail() {
    for placement in PLACEMENTS {
        for len in LENS {
            let world = World::start().await;
            world.put("k", len, placement).await;
            let client = world.client(&world.new, placement);
            let rewrap = world.rewrap();
            let request = || client.rewrap_object("bucket", "k", &world.context, &rewrap).dry_run();
            let done = request().send().await.unwrap();
            assert_eq!(done.rewrapped().unwrap().added()[0].key_id(), Some(&*world.new));
            assert!(!world.calls().iter().any(is_write));
            assert!(world.get(&world.old, "k").await.is_ok());
            world.aws.kms_state().deny_operation(&world.new, "ReEncryptTo");
            assert_eq!(request().send().await.unwrap_err().kind(), ErrorKind::KeyAccess);
        }
    }
}

#[tokio::test]
async fn what_is_done_is_not_touched() {
    let world = World::start().await;
    world.put("k", LENS[0], Placement::Metadata).await;
    let client = world.client(&world.new, Placement::Metadata);
    let rewrap = world.rewrap();
    let run = || client.rewrap_object("bucket", "k", &world.context, &rewrap).send();
    assert!(run().await.unwrap().rewrapped().is_some());
    world.aws.reset_calls();
    assert!(run().await.unwrap().rewrapped().is_none());
    assert_eq!(world.aws.calls().len(), 1, "a HEAD");
    assert_eq!(world.operations(), ["HeadObject"]);
}

#[tokio::test]
async fn a_lost_reply_or_a_refused_part_leaves_no_doubt() {
    for (len, at) in [(LENS[0], "CopyObject"), (LENS[1], "CompleteMultipartUpload")] {
        let world = World::start().await;
        world.put("k", len, Placement::Metadata).await;
        world.aws.fail(at, 1, Fault::LoseReply);
        let client = world.client(&world.new, Placement::Metadata);
        let request = client.rewrap_object("bucket", "k", &world.context, &world.rewrap());
        let done = request.send().await.unwrap();
        assert_eq!(done.stored().etag(), Some(&*etag(&world, "k")));
        assert!(world.get(&world.new, "k").await.is_ok(), "{at}");
    }
    for placement in PLACEMENTS {
        let world = World::start().await;
        let plain = world.put("k", LENS[1], placement).await;
        world.aws.fail("UploadPartCopy", 99, Fault::s3_error(403, "AccessDenied"));
        let client = world.client(&world.new, placement);
        let request = client.rewrap_object("bucket", "k", &world.context, &world.rewrap());
        assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::Store);
        assert!(world.aws.open_uploads().is_empty(), "aborted");
        assert!(world.get(&world.old, "k").await.unwrap() == plain, "as it was");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_used_change_nothing() {
    let world = World::start().await;
    world.put("k", LENS[0], Placement::Metadata).await;
    let before = (world.aws.object_metadata("bucket", "k"), etag(&world, "k"));
    let third = world.aws.create_key("alias/third");
    let wrong = waxseal::Rewrap::new(world.keyring(&third), world.keyring(&world.new));
    let client = world.client(&world.new, Placement::Metadata);
    world.aws.reset_calls();
    let request = client.rewrap_object("bucket", "k", &world.context, &wrong);
    assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::KeyAccess);
    let rival = EncryptionContext::from([("tenant", "rival")]);
    let request = client.rewrap_object("bucket", "k", &rival, &world.rewrap());
    assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::Authentication);
    assert!(!world.calls().iter().any(is_write));
    let mut altered = before.0.clone();
    altered.insert("waxseal-context".to_owned(), "tenant=evil".to_owned());
    world.aws.set_object_metadata("bucket", "k", altered);
    let none = EncryptionContext::new();
    let request = client.rewrap_object("bucket", "k", &none, &world.rewrap());
    assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::Authentication);
    assert_eq!(etag(&world, "k"), before.1);
}

#[tokio::test]
async fn a_one_shot_object_goes_too() {
    let world = World::start().await;
    let cipher = EnvelopeCipher::new(world.keyring(&world.old)).format(Format::OneShot);
    let client = S3EncryptionClient::new(world.aws.s3(), cipher);
    let put = client.put_object("bucket", "k", &b"attack at dawn"[..], &world.context);
    put.send().await.unwrap();
    let rewrap = world.rewrap();
    let none = EncryptionContext::new();
    let error = client.rewrap_object("bucket", "k", &none, &rewrap).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "it does not store its context");
    let run = || client.rewrap_object("bucket", "k", &world.context, &rewrap).send();
    assert!(run().await.unwrap().rewrapped().is_some());
    assert_eq!(world.get(&world.new, "k").await.unwrap(), "attack at dawn");
    assert!(world.get(&world.old, "k").await.is_err());
    assert!(run().await.unwrap().rewrapped().is_none(), "which only trying tells");
    assert_eq!(world.aws.count("Decrypt"), 2, "by the two that opened it");
    let keep = world.rewrap().keep();
    let request = client.rewrap_object("bucket", "k", &world.context, &keep);
    assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_copy_may_be_larger_than_s3_copies_at_once() {
    let world = World::start().await;
    let plain = world.put("k", LENS[1], Placement::Metadata).await;
    let client = world.client(&world.old, Placement::Metadata);
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    world.aws.on_request(move |call| {
        *count.lock().unwrap() += usize::from(call.operation == "UploadPartCopy");
        None
    });
    client.copy_object(("bucket", "k"), ("bucket", "copy")).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 3);
    assert!(world.get(&world.old, "copy").await.unwrap() == plain);
    let (from, to) = (world.kept("k").await, world.kept("copy").await);
    for kept in ["billing", "max-age=60", "text/csv", "gzip", "a b", "2033"] {
        assert!(from.contains(kept) && to.contains(kept), "{kept}: {to}");
    }
    let aws = world.aws.clone();
    world.aws.on_request(move |call| {
        if call.operation == "UploadPartCopy" {
            aws.write_object_bytes("bucket", "k", &[7; 14 << 20]);
        }
        None
    });
    let error = client.copy_object(("bucket", "k"), ("bucket", "mixed")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(world.aws.open_uploads().is_empty());
}

#[tokio::test]
async fn an_object_under_an_sse_c_key_says_so() {
    let world = World::start().await;
    world.put("k", LENS[0], Placement::Metadata).await;
    let reply = Fault::Reply { status: 400, content_type: "text/plain", body: String::new() };
    world.aws.fail("HeadObject", 9, reply);
    let client = world.client(&world.new, Placement::Metadata);
    let request = client.rewrap_object("bucket", "k", &world.context, &world.rewrap());
    let error = request.send().await.unwrap_err();
    assert!(error.to_string().contains("SSE-C"), "{error}");
}
