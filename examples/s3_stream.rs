//! Streams into S3 and out of it, without ever holding the object.
//!
//! The servers are embedded; with `aws_config::load_from_env` in their place this is production
//! code.
//!
//!     cargo run --example s3_stream

use futures_util::StreamExt as _;
use tokio::io::AsyncBufReadExt as _;
use waxseal::{
    Body, EncryptionContext, EnvelopeCipher, KmsKeyring, PutOptions, S3EncryptionClient,
};
use waxseal_testkit::LocalAws;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = LocalAws::start().await?;
    aws.create_key("alias/orders");
    aws.create_bucket("demo");

    let cipher = EnvelopeCipher::new(KmsKeyring::new(aws.kms(), "alias/orders"));
    let s3 = S3EncryptionClient::new(aws.s3(), cipher);
    let context = EncryptionContext::from([("tenant", "acme")]);

    // In: anything that is a stream of bytes, of unknown length here. 12 MB go up in two parts.
    let rows = futures_util::stream::iter(0..1_000_000)
        .map(|i| format!("{i:08},ok\n"))
        .ready_chunks(10_000)
        .map(|rows| Ok::<_, std::io::Error>(rows.concat()));
    let options = PutOptions::new().content_type("text/csv");
    let put = s3.put_object("demo", "rows.csv", Body::from_stream(rows), &context);
    let stored = put.options(options).send().await?;
    println!("stored {} bytes, sealed", stored.sealed_len());

    // Out: as a reader. Every line was verified before it is seen; only the end of the stream
    // says that none is missing.
    let object = s3.get_object("demo", "rows.csv", &context).send().await?;
    println!("{} bytes of {}", object.len(), object.content_type().unwrap_or("?"));
    let mut lines = object.into_async_read().lines();
    let mut count = 0;
    while let Some(line) = lines.next_line().await? {
        assert_eq!(line, format!("{count:08},ok"));
        count += 1;
    }
    println!("read {count} rows back");
    Ok(())
}
