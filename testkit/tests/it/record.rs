//! What is recorded about requests.

use aws_sdk_kms::types::DataKeySpec;
use serde_json::json;
use waxseal_testkit::Service;

use crate::transport::both;

#[tokio::test]
async fn kms_calls_are_recorded_with_their_input() {
    for t in both().await {
        t.aws.create_key("alias/demo");
        let make = t.kms().generate_data_key().key_id("alias/demo").key_spec(DataKeySpec::Aes256);
        make.encryption_context("tenant", "a").send().await.unwrap();
        let _ = t.kms().describe_key().key_id("alias/none").send().await;
        let calls = t.aws.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(
            (calls[0].service, calls[0].operation.as_str()),
            (Service::Kms, "GenerateDataKey")
        );
        assert_eq!(calls[0].key.as_deref(), Some("alias/demo"));
        assert_eq!(calls[0].input["EncryptionContext"], json!({ "tenant": "a" }));
        assert!(
            calls[0].succeeded() && calls[0].request_bytes > 50 && calls[0].response_bytes > 200
        );
        assert_eq!((calls[1].status, calls[1].response_bytes), (Some(400), 0));
        assert_eq!((t.aws.count("GenerateDataKey"), t.aws.count("Decrypt")), (1, 0));
        t.aws.reset_calls();
        assert!(t.aws.calls().is_empty());
    }
}

#[tokio::test]
async fn s3_calls_are_recorded_with_headers_and_sizes() {
    for t in both().await {
        t.aws.create_bucket("lake");
        let s3 = t.s3();
        let put = s3.put_object().bucket("lake").key("dir/k").body(vec![7; 1000].into());
        let etag = put.metadata("n", "1").send().await.unwrap().e_tag.unwrap();
        let get = s3.get_object().bucket("lake").key("dir/k").range("bytes=10-19").if_match(&etag);
        get.send().await.unwrap().body.collect().await.unwrap();
        s3.get_object().bucket("lake").key("dir/k").send().await.unwrap();
        s3.head_object().bucket("lake").key("dir/k").send().await.unwrap();
        let _ = s3.get_object().bucket("lake").key("none").send().await;

        let calls = t.aws.calls();
        let names: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
        assert_eq!(names, ["PutObject", "GetObject", "GetObject", "HeadObject", "GetObject"]);
        assert_eq!(
            (calls[0].bucket.as_deref(), calls[0].key.as_deref()),
            (Some("lake"), Some("dir/k"))
        );
        assert_eq!(calls[0].header("x-amz-meta-n"), Some("1"));
        assert_eq!(calls[0].request_bytes, 1000);
        assert_eq!(calls[1].header("range"), Some("bytes=10-19"));
        assert_eq!(calls[1].header("if-match"), Some(etag.as_str()));
        assert_eq!((calls[1].status, calls[1].response_bytes), (Some(206), 10));
        assert_eq!(calls[3].response_bytes, 0);
        assert_eq!((calls[4].status, calls[4].response_bytes), (Some(404), 0));
        assert_eq!(t.aws.bytes_fetched(), 1010);
    }
}

#[tokio::test]
async fn what_the_testkit_does_itself_is_not_recorded() {
    for t in both().await {
        t.aws.create_key("alias/demo");
        t.aws.create_bucket("lake");
        std::fs::write(t.aws.data_dir().join("lake/k"), "by hand").unwrap();
        t.aws.write_object_bytes("lake", "k", b"x");
        t.aws.read_object("lake", "k");
        t.aws.open_uploads();
        assert!(t.aws.calls().is_empty());
    }
}
