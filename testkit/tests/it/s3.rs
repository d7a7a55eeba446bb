//! S3, and above all what the layer over `s3s-fs` mends.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedMultipartUpload;
use aws_sdk_s3::types::CompletedPart;
use aws_sdk_s3::types::Delete;
use aws_sdk_s3::types::MetadataDirective;
use aws_sdk_s3::types::ObjectIdentifier;

use crate::transport::Transport;
use crate::transport::both;

#[tokio::test]
async fn an_object_comes_back_with_its_metadata() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let put = s3.put_object().bucket("lake").key("dir/a b+é").body(body(b"hello"));
        let put = put.metadata("name", "v 1").content_type("text/x-test").send().await.unwrap();
        let got = s3.get_object().bucket("lake").key("dir/a b+é").send().await.unwrap();
        let head = s3.head_object().bucket("lake").key("dir/a b+é").send().await.unwrap();
        assert_eq!(got.metadata().unwrap()["name"], "v 1");
        assert_eq!(head.metadata(), got.metadata());
        assert_eq!(
            (got.content_type(), head.content_type()),
            (Some("text/x-test"), got.content_type())
        );
        assert_eq!((put.e_tag(), head.e_tag()), (got.e_tag(), got.e_tag()));
        assert_eq!((got.content_length(), head.content_length()), (Some(5), Some(5)));
        assert_eq!(bytes(got.body).await, b"hello");
        let listed = s3.list_objects_v2().bucket("lake").prefix("dir/").send().await.unwrap();
        assert_eq!(
            (listed.contents()[0].key(), listed.contents()[0].e_tag()),
            (Some("dir/a b+é"), put.e_tag())
        );
    }
}

#[tokio::test]
async fn a_stream_of_known_length_is_stored() {
    for t in both_with_bucket().await {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 300_000]).unwrap();
        let stream = ByteStream::from_path(file.path()).await.unwrap();
        t.s3().put_object().bucket("lake").key("k").body(stream).send().await.unwrap();
        assert_eq!(t.aws.read_object("lake", "k"), vec![7; 300_000]);
        assert_eq!(t.aws.calls()[0].request_bytes, 300_000);
    }
}

#[tokio::test]
async fn ranges_are_those_of_s3() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        put(&s3, "k", b"0123456789").await;
        put(&s3, "empty", b"").await;
        let get =
            |key: &str, range: &str| s3.get_object().bucket("lake").key(key).range(range).send();
        for (range, expected, content_range) in [
            ("bytes=2-4", &b"234"[..], "bytes 2-4/10"),
            ("bytes=8-", b"89", "bytes 8-9/10"),
            ("bytes=8-100", b"89", "bytes 8-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=-10", b"0123456789", "bytes 0-9/10"),
            ("bytes=-11", b"0123456789", "bytes 0-9/10"),
        ] {
            let got = get("k", range).await.unwrap();
            assert_eq!(got.content_range(), Some(content_range), "{range}");
            assert_eq!(bytes(got.body).await, expected, "{range}");
            assert_eq!(t.aws.calls().last().unwrap().status, Some(206), "{range}");
        }
        for (key, range) in
            [("k", "bytes=10-"), ("k", "bytes=-0"), ("empty", "bytes=0-"), ("empty", "bytes=-1")]
        {
            assert_eq!(code(get(key, range).await), "InvalidRange", "{key} {range}");
        }
        assert_eq!(
            bytes(s3.get_object().bucket("lake").key("empty").send().await.unwrap().body).await,
            b""
        );
    }
}

#[tokio::test]
async fn conditions_of_reads_hold() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let old = put(&s3, "k", b"old").await;
        let new = put(&s3, "k", b"new").await;
        let get = || s3.get_object().bucket("lake").key("k");
        get().if_match(&new).send().await.unwrap();
        get().if_match("*").send().await.unwrap();
        assert_eq!(code(get().if_match(&old).send().await), "PreconditionFailed");
        assert_eq!(code(get().if_match(&old).range("bytes=9-").send().await), "PreconditionFailed");
        let same = get().if_none_match(&new).send().await.unwrap_err();
        assert_eq!(same.raw_response().unwrap().status().as_u16(), 304);
        let head =
            s3.head_object().bucket("lake").key("k").if_match(&old).send().await.unwrap_err();
        assert_eq!(head.raw_response().unwrap().status().as_u16(), 412);
    }
}

#[tokio::test]
async fn conditions_of_writes_hold() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let put_if = || s3.put_object().bucket("lake").key("k").body(body(b"x"));
        let first = put_if().if_none_match("*").send().await.unwrap();
        assert_eq!(code(put_if().if_none_match("*").send().await), "PreconditionFailed");
        put_if().if_match(first.e_tag().unwrap()).send().await.unwrap();
        assert_eq!(code(put_if().if_match("\"0\"").send().await), "PreconditionFailed");
        let other = s3.put_object().bucket("lake").key("none").if_match("*").body(body(b"x"));
        assert_eq!(code(other.send().await), "NoSuchKey");
        let delete = || s3.delete_object().bucket("lake").key("k");
        assert_eq!(code(delete().if_match("\"0\"").send().await), "PreconditionFailed");
        delete().if_match(first.e_tag().unwrap()).send().await.unwrap();
    }
}

#[tokio::test]
async fn of_many_writers_who_create_one_wins() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let put = |n: u8| {
            s3.put_object().bucket("lake").key("k").if_none_match("*").body(body(&[n])).send()
        };
        let all = futures_util::future::join_all((0..8).map(put)).await;
        assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 1);
    }
}

#[tokio::test]
async fn a_wrong_checksum_leaves_the_old_object() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        put(&s3, "k", b"old").await;
        let wrong = s3.put_object().bucket("lake").key("k").body(body(b"new"));
        let wrong = wrong.checksum_crc32("AAAAAA==").send().await;
        assert_eq!(code(wrong), "BadDigest");
        assert_eq!(t.aws.read_object("lake", "k"), b"old");
    }
}

#[tokio::test]
async fn readers_never_see_half_a_change() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let write = async |n: u8| {
            let put = s3.put_object().bucket("lake").key("k").metadata("n", n.to_string());
            put.body(body(&[n; 1000])).send().await.unwrap();
        };
        write(0).await;
        let writes = futures_util::future::join_all((0..50).map(write));
        let reads = futures_util::future::join_all((0..50).map(async |_| {
            let got = s3.get_object().bucket("lake").key("k").send().await.unwrap();
            let n: u8 = got.metadata().unwrap()["n"].parse().unwrap();
            assert_eq!(bytes(got.body).await, [n; 1000]);
        }));
        tokio::join!(writes, reads);
    }
}

#[tokio::test]
async fn a_download_goes_on_while_the_object_is_replaced() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let old = vec![1; 4 << 20];
        put(&s3, "k", &old).await;
        put(&s3, "other", b"other").await;
        let got = s3.get_object().bucket("lake").key("k").send().await.unwrap();
        s3.copy_object().copy_source("lake/other").bucket("lake").key("k").send().await.unwrap();
        assert_eq!(bytes(got.body).await, old);
        assert_eq!(t.aws.read_object("lake", "k"), b"other");
    }
}

#[tokio::test]
async fn a_large_upload_that_is_refused_gets_its_error() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        put(&s3, "k", b"old").await;
        let large = s3.put_object().bucket("lake").key("k").if_none_match("*");
        let large = large.body(body(&vec![0; 12 << 20])).send().await;
        assert_eq!(code(large), "PreconditionFailed");
        assert_eq!(t.aws.count("PutObject"), 2);
    }
}

#[tokio::test]
async fn keys_cannot_leave_their_bucket() {
    for t in both_with_bucket().await {
        std::fs::write(t.aws.data_dir().join("secret"), "x").unwrap();
        let get = t.s3().get_object().bucket("lake").key("../secret").send().await;
        assert_eq!(code(get), "NoSuchKey");
    }
}

#[tokio::test]
async fn metadata_of_more_than_two_kilobytes_is_refused() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let (fits, large) = ("v".repeat(2044), "v".repeat(2045));
        let put = || s3.put_object().bucket("lake").key("k").body(body(b"x"));
        put().metadata("name", &fits).send().await.unwrap();
        assert_eq!(code(put().metadata("name", &large).send().await), "MetadataTooLarge");
        let begin = s3.create_multipart_upload().bucket("lake").key("k").metadata("name", &large);
        assert_eq!(code(begin.send().await), "MetadataTooLarge");
        let copy =
            s3.copy_object().copy_source("lake/k").bucket("lake").key("k").metadata("name", &large);
        let copy = copy.metadata_directive(MetadataDirective::Replace).send().await;
        assert_eq!(code(copy), "MetadataTooLarge");
    }
}

#[tokio::test]
async fn copies_keep_or_replace_the_metadata() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let stored = s3.put_object().bucket("lake").key("a").body(body(b"x")).metadata("n", "1");
        let etag = stored.content_type("text/x-test").send().await.unwrap().e_tag.unwrap();
        let copy = |to: &str| s3.copy_object().copy_source("lake/a").bucket("lake").key(to);
        copy("kept").copy_source_if_match(&etag).send().await.unwrap();
        let head = s3.head_object().bucket("lake").key("kept").send().await.unwrap();
        assert_eq!(
            (head.metadata().unwrap()["n"].as_str(), head.content_type()),
            ("1", Some("text/x-test"))
        );
        let replace = copy("a").metadata_directive(MetadataDirective::Replace).metadata("n", "2");
        replace.copy_source_if_match(&etag).send().await.unwrap();
        assert_eq!(t.aws.object_metadata("lake", "a")["n"], "2");
        assert_eq!(t.aws.read_object("lake", "a"), b"x");

        assert_eq!(
            code(copy("c").copy_source_if_match("\"0\"").send().await),
            "PreconditionFailed"
        );
        assert_eq!(code(copy("kept").if_none_match("*").send().await), "PreconditionFailed");
        assert_eq!(code(copy("a").send().await), "InvalidRequest");
        let none = s3.copy_object().copy_source("lake/none").bucket("lake").key("c").send().await;
        assert_eq!(code(none), "NoSuchKey");
    }
}

#[tokio::test]
async fn a_copy_of_a_multipart_object_has_a_plain_etag() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let plain = put(&s3, "plain", b"x").await;
        let id = begin(&s3, "k").await;
        let only = part(&s3, &id, 1, b"x").await;
        complete(&s3, &id, vec![only]).await.unwrap();
        let copy =
            s3.copy_object().copy_source("lake/k").bucket("lake").key("k").metadata("n", "2");
        let copy = copy.metadata_directive(MetadataDirective::Replace).send().await.unwrap();
        assert_eq!(copy.copy_object_result().unwrap().e_tag(), Some(plain.as_str()));
        let head = s3.head_object().bucket("lake").key("k").send().await.unwrap();
        assert_eq!(head.e_tag(), Some(plain.as_str()));
    }
}

#[tokio::test]
async fn deleted_objects_leave_nothing() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        for key in ["a", "b", "c/d"] {
            put(&s3, key, b"x").await;
        }
        s3.delete_object().bucket("lake").key("a").send().await.unwrap();
        s3.delete_object().bucket("lake").key("a").send().await.unwrap();
        assert_eq!(code(s3.get_object().bucket("lake").key("a").send().await), "NoSuchKey");
        assert!(
            s3.head_object()
                .bucket("lake")
                .key("a")
                .send()
                .await
                .unwrap_err()
                .into_service_error()
                .is_not_found()
        );
        assert_eq!(code(s3.delete_bucket().bucket("lake").send().await), "BucketNotEmpty");
        let name = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
        let delete = Delete::builder().objects(name("b")).objects(name("c/d")).build().unwrap();
        s3.delete_objects().bucket("lake").delete(delete).send().await.unwrap();
        assert_eq!(s3.list_objects_v2().bucket("lake").send().await.unwrap().contents().len(), 0);
        let left = std::fs::read_dir(t.aws.data_dir()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".staging", "lake"]);
        assert_eq!(std::fs::read_dir(t.aws.data_dir().join(".staging")).unwrap().count(), 0);
        s3.delete_bucket().bucket("lake").send().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        put(&s3, "dir/a", b"x").await;
        assert_eq!(code(s3.get_object().bucket("lake").key("dir").send().await), "NoSuchKey");
        assert!(s3.head_object().bucket("lake").key("dir").send().await.is_err());
        s3.delete_object().bucket("lake").key("dir").send().await.unwrap();
        assert_eq!(t.aws.read_object("lake", "dir/a"), b"x");
        let get = s3.get_object().bucket("none").key("k").send().await;
        assert_eq!(code(get), "NoSuchBucket");
        let put = s3.put_object().bucket("none").key("k").body(body(b"x")).send().await;
        assert_eq!(code(put), "NoSuchBucket");
        let begin = s3.create_multipart_upload().bucket("none").key("k").send().await;
        assert_eq!(code(begin), "NoSuchBucket");
        assert!(s3.head_bucket().bucket("none").send().await.is_err());
    }
}

#[tokio::test]
async fn buckets_are_made_and_listed() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        s3.create_bucket().bucket("other").send().await.unwrap();
        s3.head_bucket().bucket("other").send().await.unwrap();
        let again = s3.create_bucket().bucket("other").send().await;
        assert_eq!(code(again), "BucketAlreadyOwnedByYou");
        let listed = s3.list_buckets().send().await.unwrap();
        let mut names: Vec<_> =
            listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
        names.sort_unstable();
        assert_eq!(names, ["lake", "other"]);
        s3.delete_bucket().bucket("other").send().await.unwrap();
        assert!(s3.head_bucket().bucket("other").send().await.is_err());
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        for key in ["a", "b/1", "b/2", "c"] {
            put(&s3, key, b"x").await;
        }
        let pages = s3.list_objects_v2().bucket("lake").max_keys(3).into_paginator().send();
        let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
        let keys: Vec<_> =
            pages.iter().flat_map(|page| page.contents()).filter_map(|o| o.key()).collect();
        assert_eq!((pages.len(), keys), (2, vec!["a", "b/1", "b/2", "c"]));
        let folded = s3.list_objects_v2().bucket("lake").delimiter("/").send().await.unwrap();
        assert_eq!(
            (folded.contents().len(), folded.common_prefixes()[0].prefix()),
            (2, Some("b/"))
        );
    }
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    for t in both_with_bucket().await {
        let wrong = aws_sdk_s3::config::Credentials::new("test", "wrong", None, None, "test");
        let s3 = Client::from_conf(t.s3_config().credentials_provider(wrong).build());
        let listed = s3.list_buckets().send().await;
        assert_eq!(code(listed), "SignatureDoesNotMatch");
    }
}

#[tokio::test]
async fn stored_objects_can_be_tampered_with() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let stored = s3.put_object().bucket("lake").key("k").body(body(b"x")).metadata("n", "1");
        let etag = stored.content_type("text/x-test").send().await.unwrap().e_tag.unwrap();
        t.aws.write_object_bytes("lake", "k", b"other");
        let got = s3.get_object().bucket("lake").key("k").send().await.unwrap();
        assert_eq!(
            (got.metadata().unwrap()["n"].as_str(), got.content_type()),
            ("1", Some("text/x-test"))
        );
        assert_ne!(got.e_tag(), Some(etag.as_str()));
        assert_eq!(bytes(got.body).await, b"other");
        let metadata = BTreeMap::from([("n".to_owned(), "2".to_owned())]);
        t.aws.set_object_metadata("lake", "k", metadata.clone());
        assert_eq!(t.aws.object_metadata("lake", "k"), metadata);
        let head = s3.head_object().bucket("lake").key("k").send().await.unwrap();
        assert_eq!(
            (head.metadata().unwrap()["n"].as_str(), head.content_type()),
            ("2", Some("text/x-test"))
        );
    }
}

pub(crate) async fn both_with_bucket() -> [Transport; 2] {
    let both = both().await;
    both.iter().for_each(|t| t.aws.create_bucket("lake"));
    both
}

/// Stores an object; returns its ETag.
pub(crate) async fn put(s3: &Client, key: &str, content: &[u8]) -> String {
    let put = s3.put_object().bucket("lake").key(key).body(body(content)).send().await.unwrap();
    put.e_tag.unwrap()
}

pub(crate) async fn begin(s3: &Client, key: &str) -> String {
    let begin = s3.create_multipart_upload().bucket("lake").key(key).metadata("name", "multi");
    begin.content_type("text/x-test").send().await.unwrap().upload_id.unwrap()
}

pub(crate) async fn part(s3: &Client, id: &str, number: i32, content: &[u8]) -> CompletedPart {
    let part = s3.upload_part().bucket("lake").key("k").upload_id(id).part_number(number);
    let part = part.body(body(content)).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build()
}

pub(crate) async fn complete(
    s3: &Client,
    id: &str,
    parts: Vec<CompletedPart>,
) -> Result<
    aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput,
    SdkError<aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError>,
> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let request = s3.complete_multipart_upload().bucket("lake").key("k").upload_id(id);
    request.multipart_upload(parts).send().await
}

pub(crate) fn body(content: &[u8]) -> ByteStream {
    ByteStream::from(content.to_vec())
}

pub(crate) async fn bytes(body: ByteStream) -> Vec<u8> {
    body.collect().await.unwrap().to_vec()
}

/// The error code of a call that must fail.
pub(crate) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> String {
    result.expect_err("must fail").code().unwrap_or_default().to_owned()
}
