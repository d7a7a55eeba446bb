//! The port that speaks TLS, and who may use it.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_http_client::tls::TrustStore;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use waxseal_testkit::Fault;
use waxseal_testkit::LocalAws;

#[tokio::test]
async fn both_services_answer_those_who_trust_the_certificate() {
    let aws = LocalAws::start().await.unwrap();
    let server = aws.serve_tls().await.unwrap();
    aws.create_key("alias/demo");
    aws.create_bucket("demo");
    assert!(server.endpoint().starts_with("https://localhost:"), "{}", server.endpoint());

    let key = server.kms().generate_data_key().key_id("alias/demo").number_of_bytes(32);
    let key = key.send().await.unwrap().plaintext.unwrap();
    assert_eq!(aws.kms_state().data_keys(), [key.as_ref()]);
    server.s3().put_object().bucket("demo").key("a").send().await.unwrap();
    assert_eq!((aws.count("GenerateDataKey"), aws.count("PutObject")), (1, 1));

    let other = aws.serve_tls().await.unwrap();
    let pem = other.certificate_pem().unwrap();
    let trusted = TrustStore::empty().with_pem_certificate(pem);
    let stranger = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trusted).build().unwrap())
        .build_https();
    let stranger = server.kms_config().http_client(stranger).build();
    let refused = aws_sdk_kms::Client::from_conf(stranger).list_keys().send().await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(aws.count("ListKeys"), 0);
}

#[tokio::test]
async fn a_stalled_reply_never_ends() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_key("alias/demo");
    aws.fail("ListKeys", 1, Fault::StallBody(3));
    let waiting = aws.kms().list_keys().send();
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), waiting).await;
    assert!(waited.is_err());
    assert_eq!(aws.calls()[0].status, Some(200), "the reply has begun");
}
