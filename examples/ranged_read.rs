//! Reads parts of a sealed object, as a Parquet reader does: footer first, then columns.
//!
//!     cargo run --example ranged_read

use waxseal::{EncryptionContext, EnvelopeCipher, KmsKeyring, S3EncryptionClient};
use waxseal_testkit::LocalAws;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = LocalAws::start().await?;
    aws.create_key("alias/orders");
    aws.create_bucket("demo");

    let cipher = EnvelopeCipher::new(KmsKeyring::new(aws.kms(), "alias/orders"));
    let s3 = S3EncryptionClient::new(aws.s3(), cipher);
    let context = EncryptionContext::from([("tenant", "acme")]);

    let plain: Vec<u8> = (0..=250).cycle().take(16_000_000).collect();
    s3.put_object("demo", "columns", plain.clone(), &context).send().await?;

    // One request brings envelope, key and the end of the object, which proves its length.
    let object = s3.get_object("demo", "columns", &context).send().await?;
    println!("{} bytes; opening fetched {}", object.len(), aws.bytes_fetched());

    for range in [object.len() - 8..object.len(), 5_000_000..5_000_100, 1_000_000..3_000_000] {
        aws.reset_calls();
        let bytes = object.range(range.clone()).await?;
        let start = usize::try_from(range.start)?;
        assert_eq!(bytes, plain[start..start + bytes.len()]);
        let (calls, fetched) = (aws.count("GetObject"), aws.bytes_fetched());
        println!(
            "{:>8} bytes from {:>8}: {calls} requests, {fetched} bytes",
            bytes.len(),
            range.start
        );
    }
    Ok(())
}
