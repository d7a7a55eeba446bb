//! What S3 is asked: how often, pinned to what, and what becomes of it when something fails.

#![allow(clippy::cast_possible_truncation, clippy::unwrap_used, reason = "a test may")]

#[path = "s3_requests/files.rs"]
mod files;

use std::task::Poll;

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3::types::StorageClass;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use sha2::Digest as _;
use sha2::Sha256;
use waxseal::{
    Body, EncryptionContext, EnvelopeCipher, ErrorKind, GetOptions, KmsKeyring, PutOptions,
    S3EncryptionClient, SseCustomerKey,
};
use waxseal_testkit::{Call, Fault, LocalAws};

const MIB: usize = 1 << 20;

struct World {
    aws: LocalAws,
    client: S3EncryptionClient,
    context: EncryptionContext,
}

impl World {
    async fn start() -> Self {
        let aws = LocalAws::start().await.unwrap();
        aws.create_key("alias/orders");
        aws.create_bucket("bucket");
        let client = client(&aws, aws.s3_config());
        Self { aws, client, context: EncryptionContext::from([("tenant", "acme")]) }
    }

    async fn put(&self, body: impl Into<Body>) -> waxseal::Result<waxseal::PutOutput> {
        self.client.put_object("bucket", "k", body, &self.context).send().await
    }

    async fn get(&self) -> waxseal::Result<waxseal::S3Object> {
        self.client.get_object("bucket", "k", &self.context).send().await
    }

    async fn read(&self) -> waxseal::Result<Bytes> {
        self.get().await?.into_stream().collect().await
    }

    /// S3's operations since the last reset, KMS's left out.
    fn operations(&self) -> Vec<String> {
        let calls = self.aws.calls().into_iter();
        calls.filter(|c| c.bucket.is_some()).map(|c| c.operation).collect()
    }

    /// The requests since the last reset that carried sealed bytes.
    fn payloads(&self) -> Vec<Call> {
        let mut calls = self.aws.calls();
        calls.retain(|c| ["PutObject", "UploadPart"].contains(&&*c.operation));
        assert!(!calls.is_empty());
        calls
    }
}

fn client(aws: &LocalAws, config: aws_sdk_s3::config::Builder) -> S3EncryptionClient {
    let cipher = EnvelopeCipher::new(KmsKeyring::new(aws.kms(), "alias/orders"));
    S3EncryptionClient::new(aws_sdk_s3::Client::from_conf(config.build()), cipher).part_len(5 * MIB)
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[tokio::test]
async fn a_small_object_is_one_request_each_way() {
    let world = World::start().await;
    world.aws.reset_calls();
    world.put(plain(100_000)).await.unwrap();
    let object = world.get().await.unwrap();
    object.range(99_992..100_000).await.unwrap();
    object.into_stream().collect().await.unwrap();
    assert_eq!(world.operations(), ["PutObject", "GetObject"]);
}

#[tokio::test]
async fn a_large_object_goes_up_in_parts_and_comes_down_pinned() {
    let world = World::start().await;
    world.aws.reset_calls();
    world.put(plain(12 * MIB)).await.unwrap();
    let mut operations = world.operations();
    operations.sort();
    let parts = ["UploadPart"; 3];
    assert_eq!(operations[..2], ["CompleteMultipartUpload", "CreateMultipartUpload"]);
    assert_eq!(operations[2..], parts);
    assert!(world.aws.open_uploads().is_empty());

    world.aws.reset_calls();
    assert!(world.read().await.unwrap() == plain(12 * MIB));
    let calls: Vec<Call> = world.aws.calls().into_iter().filter(|c| c.bucket.is_some()).collect();
    assert_eq!(calls[0].header("range"), Some("bytes=-131072"));
    assert!(calls.len() > 1);
    // Servers may keep a wrong one, and what is sealed is verified anyway.
    assert!(calls.iter().all(|call| call.header("x-amz-checksum-mode").is_none()));
    for call in &calls[1..] {
        assert_eq!(call.operation, "GetObject");
        assert!(call.header("if-match").is_some(), "{call:?}");
        assert!(call.header("range").is_some(), "{call:?}");
    }
}

#[tokio::test]
async fn payloads_carry_the_checksum_that_was_chosen() {
    use RequestChecksumCalculation::{WhenRequired, WhenSupported};
    let world = World::start().await;
    for (when, asked, sent) in [
        (WhenSupported, None, Some(("CRC64NVME", "x-amz-checksum-crc64nvme"))),
        (WhenSupported, Some(ChecksumAlgorithm::Crc32), Some(("CRC32", "x-amz-checksum-crc32"))),
        (WhenRequired, None, None),
        (WhenRequired, Some(ChecksumAlgorithm::Crc32C), Some(("CRC32C", "x-amz-checksum-crc32c"))),
    ] {
        let config = world.aws.s3_config().request_checksum_calculation(when);
        let client = client(&world.aws, config);
        let options = match asked {
            Some(algorithm) => PutOptions::new().checksum_algorithm(algorithm),
            None => PutOptions::new(),
        };
        for len in [10, 12 * MIB] {
            world.aws.reset_calls();
            let put = client.put_object("bucket", "k", plain(len), &world.context);
            put.options(options.clone()).send().await.unwrap();
            for call in world.payloads() {
                let checksums = call.headers.keys().filter(|n| n.starts_with("x-amz-checksum-"));
                assert!(checksums.eq(sent.iter().map(|(_, header)| header)), "{call:?}");
            }
            // S3 refuses parts with a checksum that was not announced.
            let calls = world.aws.calls();
            for call in calls.iter().filter(|c| c.operation == "CreateMultipartUpload") {
                let announced = sent.map(|(algorithm, _)| algorithm);
                assert_eq!(call.header("x-amz-checksum-algorithm"), announced);
            }
            assert!(world.read().await.unwrap() == plain(len));
        }
    }
}

#[tokio::test]
async fn payloads_are_hashed_only_where_tls_does_not_protect_them() {
    let world = World::start().await;
    for (endpoint, is_hashed) in [("https://aws.local", false), ("http://aws.local", true)] {
        let client = client(&world.aws, world.aws.s3_config().endpoint_url(endpoint));
        for len in [10, 12 * MIB] {
            world.aws.reset_calls();
            client.put_object("bucket", "k", plain(len), &world.context).send().await.unwrap();
            let stored = world.aws.read_object("bucket", "k");
            let mut stored = &stored[..];
            let mut payloads = world.payloads();
            payloads.sort_by_key(|call| call.query.get("partNumber").cloned());
            for call in payloads {
                let (sent, rest) = stored.split_at(call.request_bytes as usize);
                stored = rest;
                let signed = match is_hashed {
                    true => Sha256::digest(sent).iter().map(|b| format!("{b:02x}")).collect(),
                    false => "UNSIGNED-PAYLOAD".to_owned(),
                };
                assert_eq!(call.header("x-amz-content-sha256"), Some(&*signed), "{endpoint}");
                assert!(call.header("x-amz-checksum-crc64nvme").is_some());
            }
            assert!(stored.is_empty());
        }
    }
}

#[tokio::test]
async fn a_range_fetches_at_most_two_segments_more() {
    let world = World::start().await;
    world.put(plain(12 * MIB)).await.unwrap();
    let object = world.get().await.unwrap();
    for (start, len) in [(0, 8), (65_500, 8), (3_000_000, 8), (5 * MIB, 70_000), (1, 2 * MIB)] {
        world.aws.reset_calls();
        let range = start as u64..(start + len) as u64;
        assert_eq!(object.range(range).await.unwrap(), plain(12 * MIB)[start..start + len]);
        let most = len as u64 + 2 * 65_536 + len as u64 / 65_504 * 32;
        assert!(world.aws.bytes_fetched() <= most, "{start}+{len}: {}", world.aws.bytes_fetched());
        assert_eq!(world.operations().len(), 1);
    }
}

#[tokio::test]
async fn an_object_replaced_while_it_is_read_is_changed() {
    let world = World::start().await;
    for items_before in [0, 1, 10] {
        world.put(plain(48 * MIB)).await.unwrap();
        let object = world.get().await.unwrap();
        let mut stream = object.clone().into_stream();
        for _ in 0..items_before {
            stream.next().await.unwrap().unwrap();
        }
        world.put(plain(48 * MIB)).await.unwrap();
        world.aws.reset_calls();
        let error = object.range(6_000_000..6_000_008).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        assert_eq!(world.operations().len(), 1, "no retry can help");
        let error = stream.collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        assert!(world.read().await.is_ok(), "the new object opens");
    }
}

#[tokio::test]
async fn a_deleted_object_is_changed_too() {
    let world = World::start().await;
    world.put(plain(12 * MIB)).await.unwrap();
    let object = world.get().await.unwrap();
    world.client.delete_object("bucket", "k").await.unwrap();
    let error = object.range(0..8).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
}

#[tokio::test]
async fn a_failed_part_is_sent_again_as_the_same_bytes() {
    let world = World::start().await;
    for fault in [Fault::s3_error(503, "SlowDown"), Fault::Drop, Fault::LoseReply] {
        world.aws.clear_faults();
        world.aws.reset_calls();
        world.aws.fail("UploadPart", 2, fault.clone());
        world.put(plain(12 * MIB)).await.unwrap();
        assert_eq!(world.aws.count("UploadPart"), 5, "{fault:?}");
        let mut checksums: std::collections::BTreeMap<String, Vec<String>> = Default::default();
        for call in world.aws.calls().iter().filter(|c| c.operation == "UploadPart") {
            let checksum = call.header("x-amz-checksum-crc64nvme").unwrap().to_owned();
            checksums.entry(call.query["partNumber"].clone()).or_default().push(checksum);
        }
        assert_eq!(checksums.len(), 3);
        for sent in checksums.values() {
            assert!(sent.iter().all(|c| *c == sent[0]), "{fault:?}: {sent:?}");
        }
        assert!(world.read().await.unwrap() == plain(12 * MIB));
    }
}

#[tokio::test]
async fn a_failed_upload_is_aborted_and_the_old_object_stays() {
    let world = World::start().await;
    world.put("the old object").await.unwrap();
    for (operation, fault) in [
        ("CreateMultipartUpload", Fault::s3_error(403, "AccessDenied")),
        ("UploadPart", Fault::s3_error(403, "AccessDenied")),
        ("CompleteMultipartUpload", Fault::s3_error(403, "AccessDenied")),
        ("PutObject", Fault::s3_error(403, "AccessDenied")),
    ] {
        world.aws.clear_faults();
        world.aws.fail(operation, 100, fault);
        let len = if operation == "PutObject" { 10 } else { 12 * MIB };
        let error = world.put(plain(len)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        let text = error.to_string();
        assert!(text.contains("s3://bucket/k") && text.contains("AccessDenied"), "{text}");
        assert!(text.contains(operation), "{text}");
        assert!(world.aws.open_uploads().is_empty(), "{operation}");
        assert_eq!(&world.read().await.unwrap()[..], b"the old object");
    }
}

#[tokio::test]
async fn a_failing_source_aborts_and_keeps_its_error() {
    let world = World::start().await;
    world.put("the old object").await.unwrap();
    for good in [0, 1, 12] {
        let items = (0..good).map(|_| Ok(plain(MIB)));
        let items = items.chain([Err(std::io::Error::other("the tape tore"))]);
        let error = world.put(Body::from_stream(stream::iter(items))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the tape tore", "after {good} MiB");
        assert!(world.aws.open_uploads().is_empty());
        assert_eq!(&world.read().await.unwrap()[..], b"the old object");
    }
}

/// Polled `n` times and dropped, for every `n` there is.
#[tokio::test]
async fn a_put_dropped_at_any_await_leaves_the_old_or_the_new_object() {
    let world = World::start().await;
    let (old, new) = (Bytes::from("the old object"), Bytes::from(plain(6 * MIB)));
    for polls in 1.. {
        world.put(old.clone()).await.unwrap();
        let mut put = Box::pin(world.put(new.clone()));
        let mut polled = 0;
        let finished = std::future::poll_fn(|cx| {
            polled += 1;
            if polled > polls { Poll::Ready(false) } else { put.as_mut().poll(cx).map(|_| true) }
        });
        let finished = finished.await;
        drop(put);
        // The abort is a task of its own; it ends once its request is answered.
        while !world.aws.open_uploads().is_empty() {
            tokio::task::yield_now().await;
        }
        let stored = world.read().await.unwrap();
        assert!(stored == old || stored == new, "{polls} polls: {} bytes", stored.len());
        if finished {
            assert!(stored == new);
            assert!(polls >= 4, "only {polls} awaits were tried");
            break;
        }
    }
}

#[tokio::test]
async fn a_lost_reply_to_the_completion_is_still_a_success() {
    let world = World::start().await;
    world.aws.fail("CompleteMultipartUpload", 1, Fault::LoseReply);
    let output = world.put(plain(12 * MIB)).await.unwrap();
    assert!(output.etag().is_some());
    assert!(world.read().await.unwrap() == plain(12 * MIB));

    // A small object too, whose request, sent again, finds the object that it made.
    world.client.delete_object("bucket", "k").await.unwrap();
    world.aws.fail("PutObject", 1, Fault::LoseReply);
    let put = world.client.put_object("bucket", "k", "small", &world.context);
    put.options(PutOptions::new().if_none_match()).send().await.unwrap();
    assert_eq!(&world.read().await.unwrap()[..], b"small");
}

#[tokio::test]
async fn a_download_that_breaks_off_is_never_a_success() {
    let world = World::start().await;
    world.put(plain(12 * MIB)).await.unwrap();
    for at in [0, 1, 100_000, 4 * MIB as u64] {
        world.aws.clear_faults();
        let object = world.get().await.unwrap();
        world.aws.fail("GetObject", 100, Fault::TruncateBody(at));
        let error = object.into_stream().collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "after {at}: {error}");
    }
    world.aws.clear_faults();
    let object = world.get().await.unwrap();
    world.aws.fail("GetObject", 1, Fault::FlipBit(1000));
    let error = object.into_stream().collect().await.unwrap_err();
    let kinds = [ErrorKind::Authentication, ErrorKind::Store];
    assert!(kinds.contains(&error.kind()), "a flipped bit on the way: {error}");
}

#[tokio::test]
async fn options_reach_both_kinds_of_upload() {
    let world = World::start().await;
    let options = || {
        PutOptions::new()
            .content_type("text/csv")
            .content_disposition("attachment")
            .content_language("rm")
            .cache_control("no-store")
            .metadata("origin", "billing")
            .tagging("project=x")
            .storage_class(StorageClass::StandardIa)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id("arn:aws:kms:us-east-1:111122223333:key/sse")
            .bucket_key_enabled(true)
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
    };
    let wanted = [
        ("content-type", "text/csv"),
        ("x-amz-meta-origin", "billing"),
        ("x-amz-tagging", "project=x"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        (
            "x-amz-server-side-encryption-aws-kms-key-id",
            "arn:aws:kms:us-east-1:111122223333:key/sse",
        ),
        ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
    ];
    for (len, operation) in [(10, "PutObject"), (6 * MIB, "CreateMultipartUpload")] {
        world.aws.reset_calls();
        let put = world.client.put_object("bucket", "k", plain(len), &world.context);
        // The double may refuse what it does not know; what was asked is the point here.
        let _ = put.options(options()).send().await;
        let calls = world.aws.calls();
        let call = calls.iter().find(|c| c.operation == operation).unwrap();
        for (name, value) in wanted {
            assert_eq!(call.header(name), Some(value), "{operation}: {name}");
        }
        assert!(call.header("x-amz-meta-waxseal-header").is_some());
        let checksummed = if len == 10 { operation } else { "UploadPart" };
        let call = calls.iter().find(|c| c.operation == checksummed).unwrap();
        assert!(call.header("x-amz-checksum-crc32c").is_some(), "{checksummed}");
    }
}

#[tokio::test]
async fn a_customer_key_goes_with_every_request_for_the_bytes() {
    let world = World::start().await;
    let key = SseCustomerKey::new(&[7; 32]);
    for len in [10, 6 * MIB] {
        world.aws.reset_calls();
        let put = world.client.put_object("bucket", "k", plain(len), &world.context);
        let _ = put.options(PutOptions::new().sse_customer_key(key.clone())).send().await;
        let get = world.client.get_object("bucket", "k", &world.context);
        let _ = get.options(GetOptions::new().sse_customer_key(key.clone())).send().await;
        let options = GetOptions::new().sse_customer_key(key.clone());
        let _ = world.client.head_object("bucket", "k", options).await;
        let calls = world.aws.calls();
        let calls: Vec<_> = calls.iter().filter(|c| c.bucket.is_some()).collect();
        assert!(calls.len() >= 3);
        for call in calls.iter().filter(|c| c.operation != "AbortMultipartUpload") {
            let prefix = "x-amz-server-side-encryption-customer";
            assert_eq!(call.header(&format!("{prefix}-algorithm")), Some("AES256"), "{call:?}");
            let base64 = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
            assert_eq!(call.header(&format!("{prefix}-key")), Some(base64));
            assert!(call.header(&format!("{prefix}-key-md5")).is_some());
        }
    }
}

#[tokio::test]
async fn if_none_match_keeps_an_existing_object() {
    let world = World::start().await;
    for len in [10, 6 * MIB] {
        world.client.delete_object("bucket", "k").await.unwrap();
        let put = || {
            let put = world.client.put_object("bucket", "k", plain(len), &world.context);
            put.options(PutOptions::new().if_none_match()).send()
        };
        put().await.unwrap();
        let error = put().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        assert!(world.aws.open_uploads().is_empty());
        assert!(world.read().await.unwrap() == plain(len));
    }
}
