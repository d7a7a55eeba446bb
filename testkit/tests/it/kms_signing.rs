//! Keys that sign, through clients of the real SDK, over both transports.

use aws_lc_rs::digest;
use aws_lc_rs::signature;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_kms::types::MessageType;
use aws_sdk_kms::types::SigningAlgorithmSpec;
use waxseal_testkit::LocalAws;

use crate::transport::both;

const DIGEST: [u8; 48] = [7; 48];

async fn sign(kms: &Client, key: &str, digest: &[u8]) -> Result<Vec<u8>, String> {
    let request = kms.sign().key_id(key).message(Blob::new(digest));
    let request = request.message_type(MessageType::Digest);
    let reply = request.signing_algorithm(SigningAlgorithmSpec::EcdsaSha384).send().await;
    let reply = reply.map_err(|e| e.code().unwrap_or_default().to_owned())?;
    Ok(reply.signature.unwrap().into_inner())
}

async fn verify(kms: &Client, key: &str, digest: &[u8], signature: &[u8]) -> Result<bool, String> {
    let request = kms.verify().key_id(key).message(Blob::new(digest));
    let request = request.message_type(MessageType::Digest).signature(Blob::new(signature));
    let reply = request.signing_algorithm(SigningAlgorithmSpec::EcdsaSha384).send().await;
    let reply = reply.map_err(|e| e.code().unwrap_or_default().to_owned())?;
    assert!(reply.key_id().unwrap().starts_with("arn:"));
    Ok(reply.signature_valid())
}

#[tokio::test]
async fn what_a_key_signed_verifies_and_nothing_else() {
    for t in both().await {
        let kms = t.kms();
        let arn = t.aws.create_signing_key("alias/writers");
        assert_eq!(t.aws.create_signing_key("alias/writers"), arn);
        let other = t.aws.create_signing_key("alias/other");
        let signature = sign(&kms, "alias/writers", &DIGEST).await.unwrap();
        assert_eq!(verify(&kms, &arn, &DIGEST, &signature).await, Ok(true));
        let refused = Err("KMSInvalidSignatureException".to_owned());
        assert_eq!(verify(&kms, &other, &DIGEST, &signature).await, refused);
        assert_eq!(verify(&kms, &arn, &[8; 48], &signature).await, refused);
        for at in 0..signature.len() {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert_eq!(verify(&kms, &arn, &DIGEST, &altered).await, refused, "byte {at}");
        }
        let wrong_length = sign(&kms, &arn, &[7; 32]).await;
        assert_eq!(wrong_length, Err("ValidationException".to_owned()));
    }
}

#[tokio::test]
async fn a_signature_verifies_outside_with_the_public_key() {
    let aws = LocalAws::start().await.unwrap();
    let arn = aws.create_signing_key("alias/writers");
    let public = aws.kms().get_public_key().key_id(&arn).send().await.unwrap();
    assert_eq!(public.key_spec(), Some(&KeySpec::EccNistP384));
    assert_eq!(public.key_usage(), Some(&KeyUsageType::SignVerify));
    let signed = digest::digest(&digest::SHA384, b"message");
    let signature = sign(&aws.kms(), &arn, signed.as_ref()).await.unwrap();
    let public = public.public_key().unwrap().as_ref();
    signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_ASN1, public)
        .verify(b"message", &signature)
        .unwrap();
}

#[tokio::test]
async fn a_key_has_one_usage_and_obeys_its_state() {
    let aws = LocalAws::start().await.unwrap();
    let (kms, arn) = (aws.kms(), aws.create_signing_key("alias/writers"));
    let symmetric = aws.create_key("alias/demo");
    let usage = Err("InvalidKeyUsageException".to_owned());
    assert_eq!(sign(&kms, &symmetric, &DIGEST).await, usage);
    let encrypted = kms.encrypt().key_id(&arn).plaintext(Blob::new("x")).send().await;
    assert_eq!(encrypted.unwrap_err().code(), Some("InvalidKeyUsageException"));
    let made = kms.generate_data_key().key_id(&arn).number_of_bytes(32).send().await;
    assert_eq!(made.unwrap_err().code(), Some("InvalidKeyUsageException"));
    let described = kms.describe_key().key_id(&arn).send().await.unwrap();
    let described = described.key_metadata().unwrap();
    assert_eq!(described.signing_algorithms(), [SigningAlgorithmSpec::EcdsaSha384]);
    assert!(described.encryption_algorithms().is_empty());

    let signature = sign(&kms, &arn, &DIGEST).await.unwrap();
    kms.disable_key().key_id(&arn).send().await.unwrap();
    let disabled = Err("DisabledException".to_owned());
    assert_eq!(verify(&kms, &arn, &DIGEST, &signature).await, disabled);
    kms.enable_key().key_id(&arn).send().await.unwrap();
    aws.kms_state().deny_operation(&arn, "Sign");
    assert_eq!(sign(&kms, &arn, &DIGEST).await, Err("AccessDeniedException".to_owned()));
    assert_eq!(verify(&kms, &arn, &DIGEST, &signature).await, Ok(true));
}

#[tokio::test]
async fn a_signing_key_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let start = || LocalAws::builder().data_dir(folder.path()).start();
    let aws = start().await.unwrap();
    let arn = aws.create_signing_key("alias/writers");
    let signature = sign(&aws.kms(), &arn, &DIGEST).await.unwrap();
    drop(aws);
    let kms = start().await.unwrap().kms();
    assert_eq!(verify(&kms, &arn, &DIGEST, &signature).await, Ok(true));
}
