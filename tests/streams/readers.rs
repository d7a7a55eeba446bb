//! `AsyncRead` in and out, and files.

use std::error::Error as _;
use std::io;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use waxseal::Body;
use waxseal::Error;
use waxseal::ErrorKind;

use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;

#[tokio::test]
async fn a_reader_is_sealed_and_an_object_is_read() {
    for len in [0, 1, 100, 600_000] {
        let plain = plain(len);
        let reader = io::Cursor::new(plain.clone());
        let sealed = cipher().seal_stream(Body::from_reader(reader), &context()).await.unwrap();
        let mut stored = vec![];
        sealed.into_async_read().read_to_end(&mut stored).await.unwrap();

        let reader = Body::from_reader(io::Cursor::new(stored.clone()));
        let opened = cipher().open_stream(reader, &context()).await.unwrap();
        let mut back = vec![];
        opened.into_async_read().read_to_end(&mut back).await.unwrap();
        assert!(back == plain);

        let object = cipher().open_at(bytes::Bytes::from(stored), &context()).await.unwrap();
        let mut back = vec![];
        object.into_async_read().read_to_end(&mut back).await.unwrap();
        assert!(back == plain);
    }
}

#[tokio::test]
async fn a_reader_gives_lines() {
    let sealed = cipher().seal(b"one\ntwo\nthree", &context()).await.unwrap();
    let opened = cipher().open_stream(sealed, &context()).await.unwrap();
    let mut lines = opened.into_async_read().lines();
    for line in ["one", "two", "three"] {
        assert_eq!(lines.next_line().await.unwrap().unwrap(), line);
    }
    assert!(lines.next_line().await.unwrap().is_none());
}

#[tokio::test]
async fn a_reader_of_an_altered_object_gives_our_error_back() {
    let sealed = cipher().seal(&plain(100), &context()).await.unwrap();
    let mut back = vec![];
    let opened = cipher().open_stream(sealed.clone(), &context()).await.unwrap();
    opened.into_async_read().read_to_end(&mut back).await.unwrap();
    assert_eq!(back, plain(100));

    let mut back = vec![];
    let cut = sealed.slice(..sealed.len() - 1);
    let opened = cipher().open_stream(cut, &context()).await.unwrap();
    let error = opened.into_async_read().read_to_end(&mut back).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let error = error.into_inner().unwrap().downcast::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(back, plain(96), "three whole segments");
}

#[tokio::test]
async fn a_reader_that_fails_fails_the_sealing_with_its_source() {
    let reader = io::Cursor::new(plain(100)).chain(Failing);
    let sealed = cipher().seal_stream(Body::from_reader(reader), &context()).await.unwrap();
    let error = sealed.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(error.source().unwrap().to_string(), "the cable was cut");
}

#[tokio::test]
async fn a_file_is_sealed_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sealed_path) = (folder.path().join("plain"), folder.path().join("sealed"));
    let plain = plain(600_000);
    std::fs::write(&path, &plain).unwrap();
    let sealed = cipher().seal_stream(Body::from_path(&path), &context()).await.unwrap();
    std::fs::write(&sealed_path, sealed.collect().await.unwrap()).unwrap();
    let opened = cipher().open_stream(Body::from_path(&sealed_path), &context()).await.unwrap();
    assert!(opened.collect().await.unwrap() == plain);
}

#[tokio::test]
async fn a_missing_file_fails_when_it_is_read_and_names_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let sealing = cipher().seal_stream(Body::from_path(&missing), &context()).await.unwrap();
    let opened = cipher().open_stream(Body::from_path(&missing), &context()).await;
    for error in [sealing.collect().await.unwrap_err(), opened.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains("missing"), "{error}");
        let cause = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::NotFound);
    }
    // A folder opens but does not read.
    let error = Body::from_path(folder.path()).collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);

    std::fs::write(&missing, "found").unwrap();
    assert_eq!(Body::from_path(&missing).collect().await.unwrap(), "found");
}

struct Failing;

impl tokio::io::AsyncRead for Failing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err(io::Error::other("the cable was cut")))
    }
}
