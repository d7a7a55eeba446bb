//! Sealed under a KMS key and a recovery key, whose private half is offline: it opens without KMS.
//!
//!     cargo run --example recovery_key
//!
//! OpenSSL makes such a key too:
//!
//!     openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out recovery.pem
//!     openssl pkey -in recovery.pem -pubout -out recovery.pub

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use pem_rfc7468::LineEnding;
use waxseal::{EncryptionContext, EnvelopeCipher, ErrorKind, KmsKeyring, MultiKeyring, RsaKeyring};
use waxseal_testkit::LocalAws;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa3072)?;
    let public = pem("PUBLIC KEY", key.public_key().as_der()?.as_ref())?;
    let in_the_safe = pem("PRIVATE KEY", key.as_der()?.as_ref())?;

    let aws = LocalAws::start().await?;
    let arn = aws.create_key("alias/orders");
    let context = EncryptionContext::from([("tenant", "acme")]);

    // Whoever seals has the public half.
    let recovery = RsaKeyring::from_public_pem(&public)?;
    println!("the recovery key is {}", recovery.key_id());
    let daily = KmsKeyring::new(aws.kms(), &arn);
    let cipher = EnvelopeCipher::new(MultiKeyring::new(daily).and(recovery));
    let sealed = cipher.seal(b"attack at dawn", &context).await?;
    assert_eq!(cipher.open(&sealed, &context).await?, b"attack at dawn"[..]);
    println!("sealed and opened, with {} calls of KMS", aws.calls().len());
    assert_eq!((aws.count("GenerateDataKey"), aws.count("Decrypt")), (1, 1));

    // Years later: the KMS key is gone, and so is the account.
    aws.kms().schedule_key_deletion().key_id(&arn).send().await?;
    let error = cipher.open(&sealed, &context).await.expect_err("the key is pending deletion");
    println!("without the KMS key: {error}");
    assert_eq!(error.kind(), ErrorKind::KeyAccess);

    aws.reset_calls();
    let cipher = EnvelopeCipher::new(RsaKeyring::from_private_pem(&in_the_safe)?);
    let opened = cipher.open(&sealed, &context).await?;
    println!("with the key from the safe: {}", String::from_utf8_lossy(&opened));
    assert_eq!((&opened[..], aws.calls().len()), (&b"attack at dawn"[..], 0));
    Ok(())
}

fn pem(label: &str, der: &[u8]) -> Result<String, pem_rfc7468::Error> {
    pem_rfc7468::encode_string(label, LineEnding::LF, der)
}
