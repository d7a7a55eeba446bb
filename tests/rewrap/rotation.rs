//! A new data key: all of the object is sealed again, or it stays as it was.

use std::sync::atomic::Ordering;
use waxseal::S3EncryptionClient;

use waxseal::{Binding, Envelope, EnvelopeCipher, ErrorKind, KmsSigningKey, Placement, PutOptions};

use crate::world::MIB;
use crate::world::World;

async fn header(world: &World, name: &str) -> Vec<u8> {
    let client = world.client(&world.old, Placement::Metadata);
    let head = client.head_object("bucket", name, waxseal::GetOptions::new()).await.unwrap();
    head.header().unwrap().as_bytes().to_vec()
}

#[tokio::test]
async fn the_data_key_is_new_and_the_rest_stays() {
    for placement in [Placement::Metadata, Placement::Inline] {
        for len in [0, 100_000, 13 * MIB] {
            let world = World::start().await;
            let plain = world.put("k", len, placement).await;
            let (before, kept) = (header(&world, "k").await, world.kept("k").await);
            world.aws.reset_calls();
            // Placement and segment length are the object's.
            let client = world.client(&world.new, Placement::Metadata);
            let opener = EnvelopeCipher::new(world.keyring(&world.old));
            let request = client.rotate_object("bucket", "k", &world.context, &opener);
            request.send().await.unwrap();
            let last = world.calls().into_iter().rfind(|call| call.header("if-match").is_some());
            let last = last.unwrap().operation;
            assert!(["PutObject", "CompleteMultipartUpload"].contains(&&*last), "{last}");
            let after = header(&world, "k").await;
            assert_eq!(before[..10], after[..10], "segment length");
            assert_ne!(before[10..], after[10..]);
            let without_header = |kept: String| {
                let at = kept.find("\"waxseal-header\"");
                at.map_or(kept.clone(), |at| format!("{}{}", &kept[..at], &kept[at + 120..]))
            };
            assert_eq!(without_header(kept), without_header(world.kept("k").await));
            assert!(world.get(&world.new, "k").await.unwrap() == plain);
            assert!(world.get(&world.old, "k").await.is_err());
        }
    }
}

#[tokio::test]
async fn what_is_not_wholly_verified_is_not_replaced() {
    for (placement, len) in [(Placement::Metadata, 300_000), (Placement::Metadata, 13 * MIB)] {
        let world = World::start().await;
        world.put("k", len, placement).await;
        let mut sealed = world.aws.read_object("bucket", "k");
        let middle = sealed.len() / 2;
        sealed[middle] ^= 1;
        world.aws.write_object_bytes("bucket", "k", &sealed);
        let client = world.client(&world.new, placement);
        let opener = EnvelopeCipher::new(world.keyring(&world.old));
        let request = client.rotate_object("bucket", "k", &world.context, &opener);
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(world.aws.read_object("bucket", "k") == sealed);
        assert!(world.aws.open_uploads().is_empty());
    }
}

#[tokio::test]
async fn what_was_replaced_meanwhile_stays() {
    for (len, at) in [(100_000, "PutObject"), (13 * MIB, "CompleteMultipartUpload")] {
        let world = World::start().await;
        world.put("k", len, Placement::Metadata).await;
        let aws = world.aws.clone();
        world.aws.on_request(move |call| {
            if call.operation == at {
                aws.write_object_bytes("bucket", "k", b"another");
            }
            None
        });
        let client = world.client(&world.new, Placement::Metadata);
        let opener = EnvelopeCipher::new(world.keyring(&world.old));
        let request = client.rotate_object("bucket", "k", &world.context, &opener);
        assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::Changed, "{at}");
        assert_eq!(world.aws.read_object("bucket", "k"), b"another");
    }
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let world = World::start().await;
    world.put("k", 100_000, Placement::Metadata).await;
    let client = world.client(&world.new, Placement::Metadata);
    let opener = EnvelopeCipher::new(world.keyring(&world.old));
    let request = client.rotate_object("bucket", "k", &world.context, &opener).dry_run();
    request.send().await.unwrap();
    assert!(world.operations().iter().all(|o| ["HeadObject", "GetObject"].contains(&&**o)));
    assert!(world.get(&world.old, "k").await.is_ok());
}

#[tokio::test]
async fn binding_and_signature_are_not_lost() {
    let world = World::start().await;
    world.aws.create_signing_key("alias/signer");
    let signer = || KmsSigningKey::new(world.aws.kms(), "alias/signer");
    let label = Binding::Label("orders".to_owned());
    let old = EnvelopeCipher::new(world.keyring(&world.old));
    let s3 = |cipher| S3EncryptionClient::new(world.aws.s3(), cipher);
    for binding in [Binding::Key, Binding::BucketAndKey, label] {
        let bound = old.clone().binding(binding.clone()).sign_with(signer());
        let put = s3(bound).put_object("bucket", "k", &b"x"[..], &world.context);
        put.options(PutOptions::new()).send().await.unwrap();
        let opener = old.clone().binding(binding.clone());
        let new = EnvelopeCipher::new(world.keyring(&world.new));
        let unsigned = s3(new.clone());
        let request = unsigned.rotate_object("bucket", "k", &world.context, &opener);
        assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let signing = s3(new.clone().sign_with(signer()));
        signing.rotate_object("bucket", "k", &world.context, &opener).send().await.unwrap();
        let demanding = s3(new.binding(binding).demand_signature(signer()));
        let opened = demanding.get_object("bucket", "k", &world.context).send().await.unwrap();
        assert_eq!(opened.len(), 1);
        let metadata = world.aws.object_metadata("bucket", "k");
        let entries = metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert!(Envelope::from_metadata(entries).unwrap().unwrap().signature().is_some());
    }
}

#[tokio::test]
async fn what_was_replaced_before_it_was_read_is_not_sealed_again() {
    let world = World::start().await;
    world.put("other", 1000, Placement::Inline).await;
    let other = world.aws.read_object("bucket", "other");
    world.put("k", 2000, Placement::Inline).await;
    let (aws, gets) = (world.aws.clone(), std::sync::atomic::AtomicUsize::new(0));
    world.aws.on_request(move |call| {
        // The second reads what the first described; it opens as well.
        if call.operation == "GetObject" && gets.fetch_add(1, Ordering::Relaxed) == 1 {
            aws.write_object_bytes("bucket", "k", &other);
        }
        None
    });
    let client = world.client(&world.new, Placement::Metadata);
    let opener = EnvelopeCipher::new(world.keyring(&world.old));
    let request = client.rotate_object("bucket", "k", &world.context, &opener);
    assert_eq!(request.send().await.unwrap_err().kind(), ErrorKind::Changed);
    assert_eq!(world.aws.count("PutObject"), 0);
}

/// The ETag is of the bytes: metadata may come and go without it.
#[tokio::test]
async fn only_a_context_that_was_verified_is_sealed_with() {
    let world = World::start().await;
    world.put("k", 1000, Placement::Metadata).await;
    let sealer = world.client(&world.old, Placement::Metadata);
    let mut wider = world.context.clone();
    wider.insert("role", "admin");
    sealer.put_object("bucket", "other", vec![7; 1000], &wider).send().await.unwrap();
    let own = world.aws.object_metadata("bucket", "k");
    let forged = world.aws.object_metadata("bucket", "other");
    let client = world.client(&world.new, Placement::Metadata);
    let opener = EnvelopeCipher::new(world.keyring(&world.old));
    let request = || client.rotate_object("bucket", "k", &world.context, &opener);

    world.aws.set_object_metadata("bucket", "k", forged);
    let (aws, genuine) = (world.aws.clone(), own.clone());
    world.aws.on_request(move |call| {
        if call.operation == "GetObject" {
            aws.set_object_metadata("bucket", "k", genuine.clone());
        }
        None
    });
    assert_eq!(request().send().await.unwrap_err().kind(), ErrorKind::Changed);
    assert_eq!(world.aws.object_metadata("bucket", "k"), own);
    world.aws.clear_faults();
    request().send().await.unwrap();
    assert!(world.get(&world.new, "k").await.is_ok());
}
