//! Sources that fail, lie about lengths or change under the reader.

use std::error::Error as _;
use std::ops::Range;

use bytes::Bytes;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::Object;
use waxseal::ReadAt;
use waxseal::async_trait;

use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;
use crate::sample::sealed;
use crate::sources::Fault;
use crate::sources::Faulty;

/// Opens, reads a range, then all: four reads.
async fn use_everything(source: Faulty) -> Result<(Bytes, Bytes), Error> {
    let object: Object = cipher(64).open_at(source, &context()).await?;
    let range = object.range(40..60).await?;
    Ok((range, object.into_stream().collect().await?))
}

#[tokio::test]
async fn a_read_that_goes_wrong_fails_with_its_kind_and_source_whichever_it_is() {
    let (plain, sealed) = (plain(200), sealed(64, 200).await);
    for fault in Fault::ALL {
        for at in 0..5 {
            let source = Faulty::new(sealed.clone(), fault, at);
            let outcome = use_everything(source.clone()).await;
            let what = format!("{fault:?} at {at}: {outcome:?}");
            if at == 4 {
                assert!(!source.has_failed(), "{what}: there are four reads");
                let (range, all) = outcome.unwrap();
                assert_eq!((&range[..], &all[..]), (&plain[40..60], &plain[..]));
                continue;
            }
            assert!(source.has_failed(), "{what}");
            let error = outcome.expect_err(&what);
            assert_eq!(error.kind(), fault.kind(), "{what}");
            if fault == Fault::Fails {
                assert_eq!(error.source().unwrap().to_string(), "the cable was cut");
            }
        }
    }
}

/// The same through an `AsyncRead`, whose `io::Error` gives ours back.
#[tokio::test]
async fn a_read_that_goes_wrong_keeps_its_kind_through_async_read() {
    use tokio::io::AsyncReadExt as _;
    let sealed = sealed(64, 200).await;
    for fault in Fault::ALL {
        let source = Faulty::new(sealed.clone(), fault, 2);
        let object = cipher(64).open_at(source, &context()).await.unwrap();
        let mut all = vec![];
        let error = object.into_async_read().read_to_end(&mut all).await.unwrap_err();
        let error = error.into_inner().unwrap().downcast::<Error>().unwrap();
        assert_eq!(error.kind(), fault.kind(), "{fault:?}");
    }
}

#[tokio::test]
async fn an_object_goes_on_working_after_a_read_that_went_wrong() {
    let (plain, sealed) = (plain(200), sealed(64, 200).await);
    for fault in Fault::ALL {
        let source = Faulty::new(sealed.clone(), fault, 2);
        let object = cipher(64).open_at(source, &context()).await.unwrap();
        assert!(object.range(0..10).await.is_err());
        assert_eq!(object.range(0..10).await.unwrap(), plain[..10], "{fault:?}");
    }
}

/// With pieces of 8 MiB, of which several are on their way when one fails.
#[tokio::test]
async fn a_piece_that_goes_wrong_ends_a_large_read_after_a_true_prefix() {
    use futures_util::StreamExt as _;
    let plain = vec![7; 17 << 20];
    let sealed = cipher(1 << 20).seal(&plain, &context()).await.unwrap();
    let mut failed = 0;
    for at in 0..6 {
        let source = Faulty::new(sealed.clone(), Fault::Fails, at);
        let Ok(object) = cipher(1 << 20).open_at(source.clone(), &context()).await else {
            assert!(at < 2);
            failed += 1;
            continue;
        };
        let mut stream = object.into_stream();
        let (mut released, mut error) = (0, None);
        while let Some(item) = stream.next().await {
            match item {
                Ok(more) => {
                    assert!(more.iter().all(|&b| b == 7));
                    released += more.len();
                }
                Err(e) => error = Some(e),
            }
        }
        match error {
            None => assert!(!source.has_failed() && released == plain.len()),
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Store);
                assert!(released.is_multiple_of((1 << 20) - 32) && released < plain.len());
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 5, "two reads to open, three pieces");
}

/// Says another length than it has.
struct Lying {
    stored: Bytes,
    claimed: u64,
}

#[async_trait]
impl ReadAt for Lying {
    async fn sealed_len(&self) -> waxseal::Result<u64> {
        Ok(self.claimed)
    }

    async fn read_at(&self, sealed: Range<u64>) -> waxseal::Result<Bytes> {
        // What is not there reads as zeros, if anybody asks for a sensible amount of it.
        let len = usize::try_from(sealed.end - sealed.start).unwrap();
        assert!(len <= 16 << 20, "{len} bytes asked for on a claim");
        let held = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.stored.len());
        let mut bytes = self.stored[held(sealed.start)..held(sealed.end)].to_vec();
        bytes.resize(len, 0);
        Ok(bytes.into())
    }
}

#[tokio::test]
async fn a_source_that_lies_about_its_length_does_not_open() {
    for segment_len in [33, 64, 4096, 1 << 20] {
        let stored = cipher(segment_len).seal(&plain(200), &context()).await.unwrap();
        let true_len = stored.len() as u64;
        let claims = (0..true_len + 200).filter(|len| *len != true_len);
        let large =
            [1 << 32, 1 << 40, 1 << 45, (1 << 45) + 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
        for claimed in claims.chain(large) {
            let source = Lying { stored: stored.clone(), claimed };
            let error = cipher(segment_len).open_at(source, &context()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{claimed} of {true_len}");
        }
        let source = Lying { stored, claimed: true_len };
        assert_eq!(cipher(segment_len).open_at(source, &context()).await.unwrap().len(), 200);
    }
}

#[tokio::test]
async fn a_source_that_does_not_know_its_length_fails_to_open_as_it_says() {
    struct Unknown;
    #[async_trait]
    impl ReadAt for Unknown {
        async fn sealed_len(&self) -> waxseal::Result<u64> {
            Err(Error::new(ErrorKind::Store, "unknown"))
        }
        async fn read_at(&self, _: Range<u64>) -> waxseal::Result<Bytes> {
            unreachable!("nothing can be read")
        }
    }
    let error = cipher(64).open_at(Unknown, &context()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Store, "unknown".to_owned()));
}

/// The object was replaced by another of the same length: whatever is mixed, nothing is accepted.
#[tokio::test]
async fn an_object_replaced_between_two_reads_does_not_open_or_read() {
    struct Replaced {
        before: Bytes,
        after: Bytes,
        left: std::sync::Mutex<usize>,
    }
    #[async_trait]
    impl ReadAt for Replaced {
        async fn sealed_len(&self) -> waxseal::Result<u64> {
            Ok(self.before.len() as u64)
        }
        async fn read_at(&self, sealed: Range<u64>) -> waxseal::Result<Bytes> {
            let mut left = self.left.lock().unwrap();
            let now = if *left == 0 { &self.after } else { &self.before };
            *left = left.saturating_sub(1);
            let at = |offset: u64| usize::try_from(offset).unwrap();
            Ok(now.slice(at(sealed.start)..at(sealed.end)))
        }
    }
    let (before, after) = (sealed(64, 200).await, sealed(64, 200).await);
    for at in 0..=3 {
        let (before, after) = (before.clone(), after.clone());
        let source = Replaced { before, after, left: at.into() };
        let object = cipher(64).open_at(source, &context()).await;
        let outcome = match object {
            Ok(object) => {
                assert_ne!(at, 1, "the front of one and the end of another");
                match object.range(0..50).await {
                    Ok(range) => {
                        assert_eq!(range, plain(50));
                        object.into_stream().collect().await
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(all) => assert!(at == 0 && all == plain(200), "all of it is the new one"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Authentication),
        }
    }
}
