//! A service that seals and opens many small objects, and what it asks of KMS meanwhile.
//!
//! KMS is embedded; with a client of yours in its place this is production code.
//!
//!     cargo run --release --example cached_service

use std::time::{Duration, Instant};

use waxseal::{CachingKeyring, EncryptionContext, EnvelopeCipher, KmsKeyring};
use waxseal_testkit::{Fault, LocalAws};

#[tokio::main]
async fn main() -> waxseal::Result<()> {
    let aws = LocalAws::start().await.expect("a temporary folder");
    let arn = aws.create_key("alias/orders");
    aws.on_request(|_| Some(Fault::Delay(Duration::from_millis(5)))); // as far away as a real one

    // Short, so that there is something to see here; minutes suit a service.
    let keyring = CachingKeyring::builder(KmsKeyring::new(aws.kms(), &arn))
        .max_age(Duration::from_secs(2))
        .max_objects(10_000)
        .build()?;
    let cipher = EnvelopeCipher::new(keyring.clone());

    println!("3 tenants, keys kept for 2 s and 10,000 objects, a KMS that takes 5 ms\n");
    println!("second  objects  slowest  KMS calls: GenerateDataKey  Decrypt");
    let (mut all, mut most_calls) = (0, 0);
    for second in 1..=6 {
        aws.reset_calls();
        let (began, mut objects, mut slowest) = (Instant::now(), 0, Duration::ZERO);
        while began.elapsed() < Duration::from_secs(1) {
            let tenant = ["acme", "globex", "initech"][objects % 3];
            let context = EncryptionContext::from([("tenant", tenant)]);
            let request = Instant::now();
            let sealed = cipher.seal(b"one order", &context).await?;
            assert_eq!(cipher.open(&sealed, &context).await?, "one order");
            slowest = slowest.max(request.elapsed());
            objects += 1;
        }
        let (made, unwrapped) = (aws.count("GenerateDataKey"), aws.count("Decrypt"));
        println!(
            "{second:>6} {objects:>8} {:>5.1} ms {made:>26} {unwrapped:>8}",
            slowest.as_secs_f64() * 1e3
        );
        all += objects;
        most_calls = most_calls.max(made + unwrapped);
    }
    let metrics = keyring.metrics();
    println!(
        "\n{all} objects sealed and opened: {} times the key was there, {} requests waited for\n\
         KMS; it was called {} times, most of them in the background",
        metrics.hits,
        metrics.misses + metrics.coalesced,
        metrics.calls
    );
    // Three tenants, sealing and opening, a new key every 1.5 seconds or so and every 10,000.
    assert!(all > 1_000 && most_calls < all / 6);

    // Whoever disables the key need not wait for max_age: the first refusal takes all with it.
    aws.kms().disable_key().key_id(&arn).send().await.expect("the key is there");
    let stranger = EncryptionContext::from([("tenant", "umbrella")]);
    let error = cipher.seal(b"one order", &stranger).await.expect_err("the key is disabled");
    println!("\ndisabled: {error}");
    println!("data keys held: {}", keyring.metrics().held);
    assert_eq!(keyring.metrics().held, 0);
    Ok(())
}
