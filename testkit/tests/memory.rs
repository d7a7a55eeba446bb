//! Bodies are streamed: an object much larger than memory use goes in and out.

use std::fs;

use aws_sdk_s3::types::CompletedMultipartUpload;
use aws_sdk_s3::types::CompletedPart;
use waxseal_testkit::LocalAws;

#[tokio::test]
async fn an_object_larger_than_memory_use_goes_in_and_out() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_bucket("lake");
    let server = aws.serve().await.unwrap();
    for s3 in [server.s3(), aws.s3()] {
        let (bucket, key) = ("lake", "large");
        let upload = s3.create_multipart_upload().bucket(bucket).key(key).send().await.unwrap();
        let id = upload.upload_id().unwrap();
        let content = bytes::Bytes::from(vec![7; PART]);
        let mut parts = vec![];
        for number in 1..=PARTS {
            let part = s3.upload_part().bucket(bucket).key(key).upload_id(id).part_number(number);
            let part = part.body(content.clone().into()).send().await.unwrap();
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(id);
        done.multipart_upload(parts).send().await.unwrap();

        let mut body = s3.get_object().bucket(bucket).key(key).send().await.unwrap().body;
        let mut received = 0;
        while let Some(piece) = body.next().await {
            received += piece.unwrap().len() as u64;
        }
        assert_eq!(received, PARTS as u64 * PART as u64);
    }
    assert_eq!(aws.bytes_fetched(), 2 * PARTS as u64 * PART as u64);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: u64 = peak.split(' ').next().unwrap().parse().unwrap();
    assert!(peak < 100 << 10, "{peak} KiB");
}

/// Bytes.
const PART: usize = 8 << 20;

const PARTS: i32 = 32;
