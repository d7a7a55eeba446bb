//! Multipart uploads.

use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_s3::types::CompletedMultipartUpload;
use aws_sdk_s3::types::CompletedPart;

use crate::s3::begin;
use crate::s3::body;
use crate::s3::both_with_bucket;
use crate::s3::bytes;
use crate::s3::code;
use crate::s3::complete;
use crate::s3::part;
use crate::s3::put;

#[tokio::test]
async fn a_multipart_upload_makes_one_object() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        // An object before it, whose checksum must not stay.
        put(&s3, "k", b"before").await;
        let id = begin(&s3, "k").await;
        let open = t.aws.open_uploads();
        assert_eq!((open[0].key.as_str(), open[0].upload_id.as_str()), ("k", id.as_str()));
        let (large, small) = (vec![1; 5 << 20], vec![2; 10]);
        let parts = [part(&s3, &id, 1, &large).await, part(&s3, &id, 2, &small).await];
        let listed = s3.list_parts().bucket("lake").key("k").upload_id(&id).send().await.unwrap();
        let tags = listed.parts().iter().map(|part| part.e_tag());
        assert!(tags.eq(parts.iter().map(|part| part.e_tag())));
        let listed = s3.list_multipart_uploads().bucket("lake").send().await.unwrap();
        assert_eq!(listed.uploads()[0].upload_id(), Some(id.as_str()));
        let done = complete(&s3, &id, parts.to_vec()).await.unwrap();
        assert!(t.aws.open_uploads().is_empty());

        let got =
            s3.get_object().bucket("lake").key("k").if_match(done.e_tag().unwrap()).send().await;
        let got = got.unwrap();
        assert_eq!(got.metadata().unwrap()["name"], "multi");
        assert_eq!(got.content_type(), Some("text/x-test"));
        assert_eq!(got.e_tag(), done.e_tag());
        assert!(got.e_tag().unwrap().ends_with("-2\""));
        assert_eq!(bytes(got.body).await, [large, small].concat());
        assert_eq!(code(complete(&s3, &id, parts.to_vec()).await), "NoSuchUpload");
    }
}

#[tokio::test]
async fn parts_have_the_checksum_that_was_announced() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        for algorithm in [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Crc32C] {
            let begun = s3.create_multipart_upload().bucket("lake").key("k");
            let begun = begun.checksum_algorithm(algorithm.clone()).send().await.unwrap();
            let id = begun.upload_id().unwrap();
            let part = || {
                let part = s3.upload_part().bucket("lake").key("k").upload_id(id).part_number(1);
                part.body(body(b"x"))
            };
            assert_eq!(code(part().send().await), "InvalidRequest", "the SDK's default is another");
            let of_full_object = algorithm == ChecksumAlgorithm::Crc64Nvme;
            let wrong = match of_full_object {
                true => part().checksum_crc64_nvme("AAAAAAAAAAA="),
                false => part().checksum_crc32_c("AAAAAA=="),
            };
            assert_eq!(code(wrong.send().await), "BadDigest");
            let sent = part().checksum_algorithm(algorithm).send().await.unwrap();
            let bare = CompletedPart::builder().part_number(1).set_e_tag(sent.e_tag.clone());
            assert_eq!(sent.checksum_crc64_nvme().is_some(), of_full_object);
            assert_eq!(sent.checksum_crc32_c().is_some(), !of_full_object);
            let forged =
                bare.clone().checksum_crc64_nvme("AAAAAAAAAAA=").checksum_crc32_c("AAAAAA==");
            assert_eq!(code(complete(&s3, id, vec![forged.build()]).await), "InvalidPart");
            if of_full_object {
                complete(&s3, id, vec![bare.build()]).await.unwrap();
            } else {
                let without = complete(&s3, id, vec![bare.clone().build()]).await;
                assert_eq!(code(without), "InvalidRequest");
                let with = bare.set_checksum_crc32_c(sent.checksum_crc32_c).build();
                complete(&s3, id, vec![with]).await.unwrap();
            }
            assert_eq!(t.aws.read_object("lake", "k"), b"x");
        }
    }
}

#[tokio::test]
async fn a_sink_keeps_names_and_metadata_only() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        t.aws.create_sink("sink");
        let whole = s3.put_object().bucket("sink").key("a").metadata("name", "one");
        whole.body(body(b"not kept")).send().await.unwrap();
        assert_eq!(t.aws.object_metadata("sink", "a")["name"], "one");
        let begun = s3.create_multipart_upload().bucket("sink").key("k").send().await.unwrap();
        let id = begun.upload_id().unwrap();
        let mut parts = vec![];
        for number in 1..=2 {
            let part = s3.upload_part().bucket("sink").key("k").upload_id(id).part_number(number);
            let sent = part.body(body(&[7; 100])).send().await.unwrap();
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = s3.complete_multipart_upload().bucket("sink").key("k").upload_id(id);
        done.multipart_upload(parts).send().await.unwrap();
        for key in ["a", "k"] {
            assert!(t.aws.read_object("sink", key).is_empty());
        }
        put(&s3, "k", b"kept").await;
        assert_eq!(t.aws.read_object("lake", "k"), b"kept");
    }
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let id = begin(&s3, "k").await;
        let only = part(&s3, &id, 1, b"x").await;
        let abort = || s3.abort_multipart_upload().bucket("lake").key("k").upload_id(&id).send();
        abort().await.unwrap();
        assert!(t.aws.open_uploads().is_empty());
        assert_eq!(code(abort().await), "NoSuchUpload");
        assert_eq!(code(complete(&s3, &id, vec![only]).await), "NoSuchUpload");
        let late = s3.upload_part().bucket("lake").key("k").upload_id(&id).part_number(1);
        assert_eq!(code(late.body(body(b"x")).send().await), "NoSuchUpload");
        assert_eq!(code(s3.get_object().bucket("lake").key("k").send().await), "NoSuchKey");
    }
}

#[tokio::test]
async fn a_wrong_list_of_parts_is_refused_and_the_upload_stays() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let id = begin(&s3, "k").await;
        let (a, b) = (part(&s3, &id, 1, b"a").await, part(&s3, &id, 2, b"b").await);
        let forged = CompletedPart::builder().part_number(1).e_tag("\"0\"").build();
        let missing = CompletedPart::builder().part_number(3).e_tag("\"0\"").build();
        for (parts, expected) in [
            (vec![forged], "InvalidPart"),
            (vec![missing], "InvalidPart"),
            (vec![b.clone(), a.clone()], "InvalidPartOrder"),
            (vec![a.clone(), b], "EntityTooSmall"),
            (vec![], "MalformedXML"),
        ] {
            assert_eq!(code(complete(&s3, &id, parts).await), expected);
        }
        complete(&s3, &id, vec![a]).await.unwrap();
        assert_eq!(t.aws.read_object("lake", "k"), b"a");
    }
}

#[tokio::test]
async fn parts_can_be_copied_from_an_object() {
    for t in both_with_bucket().await {
        let s3 = t.s3();
        let etag = put(&s3, "source", b"0123456789").await;
        let id = begin(&s3, "k").await;
        let copy = || {
            let copy = s3.upload_part_copy().bucket("lake").key("k").upload_id(&id).part_number(1);
            copy.copy_source("lake/source").copy_source_range("bytes=2-5")
        };
        assert_eq!(code(copy().copy_source_if_match("\"0\"").send().await), "PreconditionFailed");
        let copied = copy().copy_source_if_match(etag).send().await.unwrap();
        let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
        let only = CompletedPart::builder().part_number(1).e_tag(etag).build();
        complete(&s3, &id, vec![only]).await.unwrap();
        assert_eq!(t.aws.read_object("lake", "k"), b"2345");
    }
}
