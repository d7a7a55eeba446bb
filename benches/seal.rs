//! Sealing and opening bytes in memory, beside the raw cipher on the same buffers.
//!
//!     cargo bench --bench seal

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use waxseal::{EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring};

const SIZES: [usize; 3] = [1 << 10, 1 << 20, 16 << 20];

fn benches(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cipher = EnvelopeCipher::new(LocalKeyring::new(KeyFile::generate().unwrap()));
    let context = EncryptionContext::from([("tenant", "acme")]);
    let raw = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).unwrap());

    for len in SIZES {
        let mut group = c.benchmark_group(format!("{} KiB", len >> 10));
        group.throughput(Throughput::Bytes(len as u64));
        let plain = vec![0x5a; len];
        group.bench_function("raw cipher, in place", |b| {
            let mut buffer = plain.clone();
            b.iter(|| {
                for segment in buffer.chunks_mut(65_504) {
                    let nonce = Nonce::assume_unique_for_key([7; 12]);
                    let tag = raw.seal_in_place_separate_tag(nonce, Aad::empty(), segment);
                    std::hint::black_box(tag.unwrap().as_ref());
                }
            });
        });
        group.bench_function("seal", |b| {
            b.iter(|| runtime.block_on(cipher.seal(&plain, &context)).unwrap());
        });
        let sealed = runtime.block_on(cipher.seal(&plain, &context)).unwrap();
        group.bench_function("open", |b| {
            b.iter(|| runtime.block_on(cipher.open(&sealed, &context)).unwrap());
        });
        group.bench_function("open_stream", |b| {
            b.iter_batched(
                || sealed.clone(),
                |sealed| {
                    runtime.block_on(async {
                        cipher.open_stream(sealed, &context).await.unwrap().collect().await.unwrap()
                    })
                },
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

criterion_group!(seal, benches);
criterion_main!(seal);
