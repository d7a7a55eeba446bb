//! Other tasks get their turn: no stream is busy for long, however much there is to do.

use bytes::Bytes;
use futures_util::StreamExt as _;
use waxseal::Body;
use waxseal::EnvelopeCipher;

use crate::pending::run;
use crate::sample::context;
use crate::sample::keyring;
use crate::sample::plain;

const TURN: usize = 512 << 10;
const LEN: usize = 8 << 20;

/// Drains `body`; how often it was pending, which it is not for want of bytes.
fn turns(body: impl Future<Output = waxseal::Result<Body>>) -> usize {
    let (len, pending) = run(async {
        let mut body = body.await.unwrap();
        let mut len = 0;
        while let Some(item) = body.next().await {
            let item = item.unwrap();
            assert!(item.len() <= TURN);
            len += item.len();
        }
        len
    });
    assert!(len >= LEN);
    pending
}

#[test]
fn long_streams_are_pending_now_and_then() {
    for segment_len in [4 << 10, 64 << 10, 1 << 20] {
        let cipher = EnvelopeCipher::new(keyring()).segment_len(segment_len);
        let plain = Bytes::from(plain(LEN));
        let sealed = run(cipher.seal(&plain, &context())).0.unwrap();
        let object = run(cipher.open_at(sealed.clone(), &context())).0.unwrap();
        // An item, of 256 KiB or a segment, may begin a byte before the turn is over.
        let least = LEN / (TURN + (256 << 10).max(segment_len as usize)) - 1;
        for (what, pending) in [
            ("seal", turns(cipher.seal_stream(plain.clone(), &context()))),
            ("open", turns(cipher.open_stream(sealed, &context()))),
            ("read", turns(async { Ok(object.into_stream()) })),
            ("pass", turns(async { Ok(Body::from(plain)) })),
        ] {
            assert!(pending >= least, "{what}, {segment_len}: pending {pending} times");
        }
    }
}

#[test]
fn short_streams_are_not() {
    let cipher = EnvelopeCipher::new(keyring());
    let (_, pending) = run(async {
        let body = cipher.seal_stream(plain(1000), &context()).await.unwrap();
        let sealed = body.collect().await.unwrap();
        cipher.open_stream(sealed, &context()).await.unwrap().collect().await.unwrap()
    });
    assert_eq!(pending, 0);
}
