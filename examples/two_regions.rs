//! Sealed under a KMS key in each of two Regions: either Region alone opens it.
//!
//!     cargo run --example two_regions

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Region;
use waxseal::{EncryptionContext, EnvelopeCipher, KmsKeyring, MultiKeyring};
use waxseal_testkit::LocalAws;

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = LocalAws::start().await?;
    let [eu, us] = REGIONS
        .map(|region| Client::from_conf(aws.kms_config().region(Region::new(region)).build()));
    let (eu_key, us_key) = (create_key(&eu).await?, create_key(&us).await?);

    // The first one makes the data key. Opening asks it first, and the other if it fails, or has
    // not answered within two seconds.
    let keyring =
        MultiKeyring::new(KmsKeyring::new(eu.clone(), &eu_key)).and(KmsKeyring::new(us, &us_key));
    let cipher = EnvelopeCipher::new(keyring);
    let context = EncryptionContext::from([("tenant", "acme")]);

    println!("{:<28} {:<32} us-east-1", "KMS calls", "eu-west-1");
    aws.reset_calls();
    let sealed = cipher.seal(b"attack at dawn", &context).await?;
    assert_eq!(calls(&aws, "seal"), ["GenerateDataKey", "Encrypt"]);

    assert_eq!(cipher.open(&sealed, &context).await?, b"attack at dawn"[..]);
    assert_eq!(calls(&aws, "open"), ["Decrypt", ""]);

    eu.disable_key().key_id(&eu_key).send().await?;
    aws.reset_calls();
    assert_eq!(cipher.open(&sealed, &context).await?, b"attack at dawn"[..]);
    assert_eq!(calls(&aws, "open, eu-west-1 disabled"), ["Decrypt refused", "Decrypt"]);

    // Sealing is all or nothing: what one Region alone could open is not made.
    let error = cipher.seal(b"attack at dusk", &context).await.expect_err("one key is disabled");
    assert_eq!(calls(&aws, "seal, eu-west-1 disabled"), ["GenerateDataKey refused", ""]);
    println!("\nrefused: {error}");
    Ok(())
}

async fn create_key(kms: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let made = kms.create_key().send().await?;
    Ok(made.key_metadata.and_then(|metadata| metadata.arn).ok_or("no ARN")?)
}

/// Prints which calls each Region had, and forgets them.
fn calls(aws: &LocalAws, step: &str) -> [String; 2] {
    let by_region = REGIONS.map(|region| {
        let calls = aws.calls().into_iter().filter(|call| {
            let arn = call.key.as_deref().unwrap_or_default();
            arn.split(':').nth(3) == Some(region)
        });
        let named = calls.map(|call| match call.status {
            Some(200) => call.operation,
            _ => format!("{} refused", call.operation),
        });
        named.collect::<Vec<_>>().join(", ")
    });
    aws.reset_calls();
    println!("{step:<28} {:<32} {}", by_region[0], by_region[1]);
    by_region
}
