//! Seals bytes under a local key, opens them, and shows that another context does not.
//!
//!     cargo run --example seal_bytes

use waxseal::{EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring};

#[tokio::main]
async fn main() -> waxseal::Result<()> {
    // A key that lives as long as this program; `KeyFile::create` and `load` keep one in a file.
    let cipher = EnvelopeCipher::new(LocalKeyring::new(KeyFile::generate()?));
    let context = EncryptionContext::from([("tenant", "acme"), ("table", "orders")]);

    let sealed = cipher.seal(b"attack at dawn", &context).await?;
    println!("{} bytes, of which anybody can read the envelope:\n", sealed.len());
    println!("{}", String::from_utf8_lossy(&sealed[..320]));

    let plain = cipher.open(&sealed, &context).await?;
    println!("...\n\nopened: {}", String::from_utf8_lossy(&plain));

    // A reader gives the pairs it insists on; all stored ones are authenticated in any case.
    let rival = EncryptionContext::from([("tenant", "rival")]);
    let error = cipher.open(&sealed, &rival).await.expect_err("another context is refused");
    println!("as rival: {error}");
    Ok(())
}
