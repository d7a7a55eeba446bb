//! Seals or opens some MiB in memory, for `tests/instructions.rs` to count instructions.
//!
//!     instructions seal|open|raw-seal|raw-open MIB
//!
//! Only what [`measured`] runs is counted. The sources are shared, as those of the benchmarks are,
//! so that a stream cannot take them apart in place.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops here")]

use bytes::Bytes;
use waxseal::EncryptionContext;
use waxseal_bench::FixedKey;
use waxseal_bench::Raw;
use waxseal_bench::cipher;
use waxseal_bench::drain;
use waxseal_bench::noise;
use waxseal_bench::now;
use waxseal_bench::plain_len;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, mib] = &args[..] else {
        panic!("usage: instructions seal|open|raw-seal|raw-open MIB")
    };
    let plain = noise(mib.parse::<usize>().unwrap() << 20);

    let cipher = cipher(SEGMENT_LEN);
    let context = EncryptionContext::new();
    match what.as_str() {
        "seal" => {
            // Before it counts: the first draw of random bytes sets the generator up.
            now(cipher.seal(b"", &context)).unwrap();
            let plain = Bytes::from(plain);
            let seal =
                async { drain(cipher.seal_stream(plain.clone(), &context).await.unwrap()).await };
            measured(|| now(seal));
        }
        "open" => {
            let sealed = now(cipher.seal(&plain, &context)).unwrap();
            let open =
                async { drain(cipher.open_stream(sealed.clone(), &context).await.unwrap()).await };
            measured(|| now(open));
        }
        "raw-seal" => {
            let mut raw = Raw::new(&FixedKey::BYTES);
            let mut hot = vec![0; SEGMENT_LEN];
            measured(|| each_len(plain.len()).for_each(|len| raw.seal(&mut hot[..len])));
        }
        "raw-open" => {
            let mut raw = Raw::new(&FixedKey::BYTES);
            let mut segments: Vec<_> = each_len(plain.len()).map(|len| vec![0; len]).collect();
            segments.iter_mut().for_each(|segment| raw.seal(segment));
            measured(|| segments.iter_mut().for_each(|segment| raw.open(segment)));
        }
        other => panic!("{other}?"),
    }
}

/// What callgrind counts: it is told to begin where this function begins.
#[inline(never)]
fn measured<T>(run: impl FnOnce() -> T) -> T {
    std::hint::black_box(run())
}

/// The lengths of the segments of so much plaintext.
fn each_len(plain_len_left: usize) -> impl Iterator<Item = usize> {
    let full = plain_len(SEGMENT_LEN);
    (0..plain_len_left.div_ceil(full)).map(move |i| full.min(plain_len_left - i * full) + 32)
}

const SEGMENT_LEN: usize = 64 << 10;
