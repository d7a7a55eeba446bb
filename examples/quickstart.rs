//! The whole of waxseal in one run, with no account, server or configuration.
//!
//! Starts KMS and S3 in this process, talks to them through the AWS SDK, seals and uploads a
//! 64 MiB stream (or the file named by the first argument), reads it back whole and by range, and
//! shows what is refused.
//!
//!     cargo run --release --example quickstart [FILE]

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use waxseal::{Body, EncryptionContext, EnvelopeCipher, KmsKeyring, Result, S3EncryptionClient};
use waxseal_testkit::LocalAws;

const GENERATED_LEN: u64 = 64 << 20;
const BUCKET: &str = "demo";
const KEY: &str = "orders/2026.bin";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from);

    let aws = LocalAws::start().await?;
    let key_arn = aws.create_key("alias/orders");
    aws.create_bucket(BUCKET);
    println!("KMS and S3 run in this process. The wrapping key is {key_arn}\n");

    // What an application writes: a keyring, a cipher, a client, a context.
    let cipher = EnvelopeCipher::new(KmsKeyring::new(aws.kms(), "alias/orders"));
    let s3 = S3EncryptionClient::new(aws.s3(), cipher);
    let context = EncryptionContext::from([("tenant", "acme")]);
    let rival = EncryptionContext::from([("tenant", "rival")]);

    let steps = Steps { aws: &aws };
    println!("{:<40} {:>9} {:>14} {:>9}", "step", "ms", "bytes fetched", "KMS calls");

    let put = s3.put_object(BUCKET, KEY, plaintext(path.as_ref()), &context).send();
    let stored = steps.run("seal and upload", put).await?;

    let get = s3.get_object(BUCKET, KEY, &context).send();
    let object = steps.run("open: envelope, key, proven length", get).await?;
    let len = object.len();

    let same = equal(plaintext(path.as_ref()), object.clone().into_stream());
    assert!(steps.run("read all of it back and compare", same).await?);

    let footer = async {
        let object = s3.get_object(BUCKET, KEY, &context).send().await?;
        object.range(object.len().saturating_sub(8)..object.len()).await
    };
    let footer = steps.run("open, and read the last 8 bytes", footer).await?;

    let middle = object.range(len / 2..(len / 2 + 8).min(len));
    steps.run("read 8 bytes in the middle", middle).await?;

    // What must be refused. Each is undone afterwards, and the object then opens again.
    let wrong_context = s3.get_object(BUCKET, KEY, &rival).send();
    steps.refused("another encryption context", wrong_context).await;

    let sealed = aws.read_object(BUCKET, KEY);
    let mut flipped = sealed.clone();
    flipped[sealed.len() / 2] ^= 1;
    aws.write_object_bytes(BUCKET, KEY, &flipped);
    let read_flipped = async {
        let object = s3.get_object(BUCKET, KEY, &context).send().await?;
        drain(object.into_stream()).await
    };
    steps.refused("one bit flipped in S3", read_flipped).await;

    aws.write_object_bytes(BUCKET, KEY, &sealed[..sealed.len() - 1]);
    steps.refused("one byte cut off", s3.get_object(BUCKET, KEY, &context).send()).await;
    aws.write_object_bytes(BUCKET, KEY, &sealed);

    aws.kms().disable_key().key_id(&key_arn).send().await?;
    steps.refused("the KMS key disabled", s3.get_object(BUCKET, KEY, &context).send()).await;
    aws.kms().enable_key().key_id(&key_arn).send().await?;
    steps.run("all undone: open again", s3.get_object(BUCKET, KEY, &context).send()).await?;

    println!("\ns3://{BUCKET}/{KEY}: {len} bytes, {} sealed. S3 sees:", stored.sealed_len());
    println!("  body      {} ...", hex(&sealed[..32]));
    for (name, value) in aws.object_metadata(BUCKET, KEY) {
        let cut = if value.len() > 60 { format!("{} ...", &value[..60]) } else { value };
        println!("  {name:<16} {cut}");
    }
    println!("The last bytes of the plaintext: {}", hex(&footer));
    Ok(())
}

/// Prints a line a step: its time, what it fetched from S3, what it asked of KMS.
struct Steps<'a> {
    aws: &'a LocalAws,
}

impl Steps<'_> {
    async fn run<T>(&self, name: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        self.aws.reset_calls();
        let start = Instant::now();
        let result = step.await;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let kms = self.aws.count("GenerateDataKey") + self.aws.count("Decrypt");
        println!("{name:<40} {ms:>9.1} {:>14} {kms:>9}", self.aws.bytes_fetched());
        result
    }

    async fn refused<T>(&self, name: &str, step: impl Future<Output = Result<T>>) {
        let refused = self.run(&format!("refused: {name}"), step).await.err();
        let error = refused.unwrap_or_else(|| panic!("{name} must be refused"));
        println!("    {:?}: {error}", error.kind());
    }
}

/// The file, or a generated stream in which every 8 bytes are their own position.
fn plaintext(path: Option<&PathBuf>) -> Body {
    if let Some(path) = path {
        return Body::from_path(path);
    }
    const CHUNK: u64 = 256 << 10;
    let chunks = (0..GENERATED_LEN / CHUNK).map(|i| {
        let positions = (i * CHUNK..(i + 1) * CHUNK).step_by(8);
        Ok::<_, std::io::Error>(Bytes::from_iter(positions.flat_map(u64::to_be_bytes)))
    });
    Body::from_stream(stream::iter(chunks)).with_len(GENERATED_LEN)
}

/// Whether two streams carry the same bytes, however they are cut.
async fn equal(mut a: Body, mut b: Body) -> Result<bool> {
    let (mut left, mut right) = (Bytes::new(), Bytes::new());
    loop {
        if left.is_empty() {
            left = a.next().await.transpose()?.unwrap_or_default();
        }
        if right.is_empty() {
            right = b.next().await.transpose()?.unwrap_or_default();
        }
        let n = left.len().min(right.len());
        if n == 0 || left.split_to(n) != right.split_to(n) {
            return Ok(left.is_empty() && right.is_empty());
        }
    }
}

async fn drain(mut body: Body) -> Result<()> {
    while body.next().await.transpose()?.is_some() {}
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
