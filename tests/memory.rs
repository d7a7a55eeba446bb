//! Memory is bounded: streams of any length pass through a fixed amount of heap, and a forged
//! length reserves none.
//!
//! One test, since the measured peak is that of the whole process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::alloc::System;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt as _;
use futures_util::stream;
use peakmem_alloc::PeakMemAlloc;
use peakmem_alloc::PeakMemAllocTrait as _;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::SecretKey;

#[global_allocator]
static HEAP: PeakMemAlloc<System> = PeakMemAlloc::new(System);

const MIB: usize = 1 << 20;
/// The optimised backend alone is quick enough in a test build to take large objects.
const SMALL: usize = if cfg!(feature = "aws-lc") { 16 * MIB } else { 4 * MIB };
const LARGE: usize = 4 * SMALL;

#[tokio::test]
async fn memory_does_not_grow_with_the_object_nor_with_what_it_claims() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [SMALL, LARGE].map(|len| (len, folder.path().join(len.to_string())));
    // Once, unmeasured, for what is allocated once: threads, caches of the backend.
    use_streams(MIB, &folder.path().join("warm-up"), &cipher()).await;

    let mut peaks = vec![];
    for (len, path) in &paths {
        let [sealing, opening] = use_streams(*len, path, &cipher()).await;
        assert!(sealing < MIB, "sealing {len} bytes took {sealing}");
        // The file is read in pieces of 1 MiB, one ahead.
        assert!(opening < 4 * MIB, "opening {len} bytes took {opening}");
        peaks.push(sealing.max(opening));
    }
    assert!(peaks[1] < peaks[0] + MIB / 4, "it grows with the object: {peaks:?}");

    // With segments of 1 MiB: a batch of one, and what the source gave.
    let [sealing, opening] = use_streams(SMALL, &paths[0].1, &cipher().segment_len(1 << 20)).await;
    assert!(sealing < 5 * MIB && opening < 6 * MIB, "{sealing}, {opening}");

    many_streams_at_once().await;

    // Bytes: the result, made once at its size, and a segment's worth.
    let plain = vec![7; SMALL];
    let sealing = measure(async { drop(cipher().seal(&plain, &context()).await.unwrap()) }).await;
    assert!(sealing < SMALL + MIB, "sealing {SMALL} bytes in memory took {sealing}");

    read_at_random(&paths[1].1).await;
    forged_lengths_reserve_nothing().await;
}

/// The peaks of sealing `len` bytes into the file at `path` and of opening them.
async fn use_streams(len: usize, path: &Path, cipher: &EnvelopeCipher) -> [usize; 2] {
    let sealing = measure(async {
        let mut file = File::create(path).unwrap();
        let source = Body::from_stream(plaintext(len));
        let mut sealed = cipher.seal_stream(source, &context()).await.unwrap();
        while let Some(more) = sealed.next().await {
            file.write_all(&more.unwrap()).unwrap();
        }
    })
    .await;
    let opening = measure(async {
        let opened = cipher.open_stream(Body::from_path(path), &context()).await.unwrap();
        assert_eq!(count(opened).await, len);
    })
    .await;
    [sealing, opening]
}

/// A stream holds less than 400 KiB, as documented, and a hundred a hundred times as much.
async fn many_streams_at_once() {
    const STREAMS: usize = if cfg!(feature = "aws-lc") { 100 } else { 10 };
    let cipher = cipher();
    let plain = Bytes::from(vec![7; 2 * MIB]);
    let sealed = cipher.seal(&plain, &context()).await.unwrap();
    for (sources, seal) in [(&plain, true), (&sealed, false)] {
        let peak = measure(async {
            let mut streams = vec![];
            for _ in 0..STREAMS {
                streams.push(if seal {
                    cipher.seal_stream(sources.clone(), &context()).await.unwrap()
                } else {
                    cipher.open_stream(sources.clone(), &context()).await.unwrap()
                });
            }
            // In turns, so that all of them are under way at the same time.
            let mut drained = 0;
            while drained < STREAMS {
                drained = 0;
                for stream in &mut streams {
                    drained += usize::from(stream.next().await.transpose().unwrap().is_none());
                }
            }
        })
        .await;
        assert!(peak < STREAMS * 400 * 1024, "{STREAMS} streams took {peak}");
        assert!(peak > STREAMS * 200 * 1024, "they were not under way together: {peak}");
    }
}

/// A parallel read holds five pieces of 8 MiB, whatever the length of the object.
async fn read_at_random(path: &Path) {
    let mut peaks = vec![];
    for len in [LARGE, 2 * LARGE] {
        use_streams(len, path, &cipher()).await;
        let file = Arc::new(File::open(path).unwrap());
        let peak = measure(async {
            let object = cipher().open_at(file, &context()).await.unwrap();
            assert_eq!(object.len(), len as u64);
            let range = object.range(len as u64 / 2..len as u64 / 2 + 10).await.unwrap();
            assert_eq!(range, [7; 10][..]);
            assert_eq!(count(object.into_stream()).await, len);
        })
        .await;
        assert!(peak < 42 * MIB, "reading {len} bytes took {peak}");
        peaks.push(peak);
    }
    if cfg!(feature = "aws-lc") {
        assert!(peaks[1] < peaks[0] + MIB, "it grows with the object: {peaks:?}");
    }

    let file = Arc::new(File::open(path).unwrap());
    let object = cipher().open_at(file, &context()).await.unwrap();
    let peak = measure(async {
        for at in (0..2 * LARGE - 1000).step_by(LARGE / 10) {
            assert_eq!(object.range(at as u64..at as u64 + 1000).await.unwrap().len(), 1000);
        }
    })
    .await;
    assert!(peak < MIB / 2, "ranges of 1,000 bytes took {peak}");
}

/// A header may claim segments of 16 MiB and an envelope 64 KiB; both are bytes of the attacker.
async fn forged_lengths_reserve_nothing() {
    let sealed = cipher().segment_len(16 << 20).seal(&[7; 100], &context()).await.unwrap();
    let mut forged = vec![];
    for segment_len in [1 << 20, (16 << 20) - 1, (16 << 20) + 1, u32::MAX - 1, u32::MAX] {
        let mut altered = sealed.to_vec();
        altered[1024 + 2..][..4].copy_from_slice(&segment_len.to_be_bytes());
        forged.push(altered);
    }
    forged.push(b"waxseal 65536\nversion 1\n".to_vec());
    forged.push(b"waxseal 99999\nversion 1\n".to_vec());
    forged.push(sealed[..sealed.len() - 1].to_vec());
    for (sealed, opens) in
        forged.into_iter().map(|altered| (Bytes::from(altered), false)).chain([(sealed, true)])
    {
        let peak = measure(async {
            let (cipher, context) = (cipher(), context());
            let slice = cipher.open(&sealed, &context).await.map(drop);
            let stream = match cipher.open_stream(sealed.clone(), &context).await {
                Ok(opened) => opened.collect().await.map(drop),
                Err(error) => Err(error),
            };
            let random = cipher.open_at(sealed.clone(), &context).await.map(drop);
            for outcome in [slice, stream, random] {
                let kind = outcome.map_err(|e| e.kind());
                assert_eq!(kind.is_ok(), opens, "{kind:?}");
                let refused = [ErrorKind::Authentication, ErrorKind::Format];
                assert!(kind.is_ok() || kind.is_err_and(|kind| refused.contains(&kind)));
            }
        })
        .await;
        assert!(peak < 64 << 10, "a claim took {peak} bytes");
    }
}

fn cipher() -> EnvelopeCipher {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    EnvelopeCipher::new(LocalKeyring::new(KeyFile::from_key("test", key).unwrap()))
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

/// `len` bytes in pieces that are made as they are asked for.
fn plaintext(len: usize) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    const PIECE: usize = 100_000;
    stream::iter((0..len).step_by(PIECE).map(move |at| {
        let len = PIECE.min(len - at);
        Ok(Bytes::from(vec![7; len]))
    }))
}

async fn count(mut body: Body) -> usize {
    let mut count = 0;
    while let Some(more) = body.next().await {
        let more = more.unwrap();
        assert!(more.iter().all(|&b| b == 7));
        count += more.len();
    }
    count
}

/// The most bytes of heap in use at a time while `work` runs, beyond those in use before.
async fn measure(work: impl Future<Output = ()>) -> usize {
    HEAP.reset_peak_memory();
    work.await;
    HEAP.get_peak_memory()
}
