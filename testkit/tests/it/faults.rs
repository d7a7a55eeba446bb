//! Requests that are made to fail.

use std::time::Duration;

use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use waxseal_testkit::Fault;

use crate::transport::Transport;
use crate::transport::both;

#[tokio::test]
async fn throttling_is_retried_by_the_sdk() {
    for t in ready().await {
        t.aws.fail("DescribeKey", 2, Fault::kms_error(400, "ThrottlingException"));
        t.aws.fail("PutObject", 2, Fault::s3_error(503, "SlowDown"));
        t.kms().describe_key().key_id("alias/demo").send().await.unwrap();
        t.s3().put_object().bucket("lake").key("k").body(vec![1].into()).send().await.unwrap();
        assert_eq!((t.aws.count("DescribeKey"), t.aws.count("PutObject")), (3, 3));
        let statuses: Vec<_> = t.aws.calls().iter().map(|call| call.status.unwrap()).collect();
        assert_eq!(statuses, [400, 400, 200, 503, 503, 200]);
    }
}

#[tokio::test]
async fn an_error_reply_has_the_code_asked_for() {
    for t in ready().await {
        t.aws.on_request(|call| match call.operation.as_str() {
            "DescribeKey" => Some(Fault::kms_error(400, "KMSInvalidStateException")),
            "GetObject" => Some(Fault::s3_error(403, "AccessDenied")),
            _ => None,
        });
        let kms = t.kms().describe_key().key_id("alias/demo").send().await.unwrap_err();
        assert_eq!(kms.code(), Some("KMSInvalidStateException"));
        let s3 = t.s3().get_object().bucket("lake").key("old").send().await.unwrap_err();
        assert_eq!(s3.code(), Some("AccessDenied"));
        t.kms().list_keys().send().await.unwrap();
        t.aws.clear_faults();
        t.kms().describe_key().key_id("alias/demo").send().await.unwrap();
    }
}

#[tokio::test]
async fn a_large_upload_that_is_throttled_gets_its_error() {
    for t in ready().await {
        t.aws.fail("PutObject", 2, Fault::s3_error(503, "SlowDown"));
        let put = t.s3().put_object().bucket("lake").key("k").body(vec![1; 12 << 20].into());
        put.send().await.unwrap();
        let statuses: Vec<_> = t.aws.calls().iter().map(|call| call.status).collect();
        assert_eq!(statuses, [Some(503), Some(503), Some(200)]);
    }
}

#[tokio::test]
async fn a_dropped_request_is_not_carried_out() {
    for t in ready().await {
        t.aws.fail("PutObject", 1, Fault::Drop);
        let error = put_once(&t).await.unwrap_err();
        assert!(matches!(error, aws_sdk_s3::error::SdkError::DispatchFailure(_)), "{error:?}");
        assert!(!t.aws.data_dir().join("lake/k").exists());
        assert_eq!(t.aws.calls()[0].status, None);
        t.aws.fail("PutObject", 2, Fault::Drop);
        t.s3().put_object().bucket("lake").key("k").body(vec![1].into()).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_reply_is_of_a_request_carried_out() {
    for t in ready().await {
        t.aws.fail("PutObject", 1, Fault::LoseReply);
        let error = put_once(&t).await.unwrap_err();
        assert!(matches!(error, aws_sdk_s3::error::SdkError::DispatchFailure(_)), "{error:?}");
        assert_eq!(t.aws.read_object("lake", "k"), [1]);
        t.aws.fail("CreateKey", 1, Fault::LoseReply);
        t.kms().create_key().send().await.unwrap();
        assert_eq!(t.kms().list_keys().send().await.unwrap().keys().len(), 3);
    }
}

#[tokio::test]
async fn a_truncated_body_ends_in_an_error() {
    for t in ready().await {
        t.aws.fail("GetObject", 1, Fault::TruncateBody(300_000));
        let mut got = t.s3().get_object().bucket("lake").key("old").send().await.unwrap();
        assert_eq!(got.content_length(), Some(1 << 20));
        let mut received = 0;
        let failed = loop {
            match got.body.next().await {
                Some(Ok(piece)) => received += piece.len(),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(failed && received <= 300_000, "{failed} {received}");
        assert!(t.server.is_some() || received == 300_000, "{received}");
    }
}

#[tokio::test]
async fn a_flipped_bit_is_the_only_change() {
    for t in ready().await {
        t.aws.fail("GetObject", 1, Fault::FlipBit(500_000));
        // A range, because the SDK compares whole objects with their checksum.
        let get = t.s3().get_object().bucket("lake").key("old").range("bytes=0-1048574");
        let got = get.send().await.unwrap().body.collect().await.unwrap().to_vec();
        let different: Vec<_> = (0..got.len()).filter(|&at| got[at] != 7).collect();
        assert_eq!((got.len(), different, got[500_000]), ((1 << 20) - 1, vec![500_000], 6));
    }
}

#[tokio::test]
async fn a_hanging_request_is_never_answered() {
    for t in ready().await {
        t.aws.fail("GetObject", 1, Fault::Hang);
        let limit = TimeoutConfig::builder().operation_timeout(Duration::from_millis(50)).build();
        let s3 = aws_sdk_s3::Client::from_conf(t.s3_config().timeout_config(limit).build());
        let error = s3.get_object().bucket("lake").key("old").send().await.unwrap_err();
        assert!(matches!(error, aws_sdk_s3::error::SdkError::TimeoutError(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_delayed_request_is_carried_out() {
    for t in ready().await {
        t.aws.fail("ListKeys", 1, Fault::Delay(Duration::from_millis(2)));
        let start = std::time::Instant::now();
        t.kms().list_keys().send().await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(2));
    }
}

#[tokio::test]
async fn a_dropped_server_answers_no_more() {
    let [_, mut t] = ready().await;
    let (kms, endpoint) = (t.kms(), t.server.as_ref().unwrap().endpoint());
    assert!(endpoint.starts_with("http://127.0.0.1:"));
    kms.list_keys().send().await.unwrap();
    t.server = None;
    // The task that listens ends when the runtime comes to it.
    tokio::task::yield_now().await;
    kms.list_keys().send().await.unwrap_err();
    t.aws.kms().list_keys().send().await.unwrap();
}

/// With a key, a bucket and a megabyte of sevens in `old`; nothing recorded.
async fn ready() -> [Transport; 2] {
    let both = both().await;
    for t in &both {
        t.aws.create_key("alias/demo");
        t.aws.create_bucket("lake");
        let old = t.s3().put_object().bucket("lake").key("old").body(vec![7; 1 << 20].into());
        old.send().await.unwrap();
        t.aws.reset_calls();
    }
    both
}

/// Stores a byte without retries.
async fn put_once(
    t: &Transport,
) -> Result<
    aws_sdk_s3::operation::put_object::PutObjectOutput,
    aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::put_object::PutObjectError>,
> {
    let config = t.s3_config().retry_config(RetryConfig::disabled()).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    s3.put_object().bucket("lake").key("k").body(vec![1].into()).send().await
}
