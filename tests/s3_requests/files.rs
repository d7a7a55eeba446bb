//! Files, pipes, and what becomes of them on the way.

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream;
use waxseal::Body;
use waxseal::ErrorKind;
use waxseal::Placement;

use crate::MIB;
use crate::World;
use crate::plain;

/// A file is read to where it is sealed, part by part; what comes of it is what a stream makes.
#[tokio::test]
async fn a_file_goes_up_as_a_stream_would() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for placement in [Placement::Metadata, Placement::Inline] {
        let client = world.client.clone().placement(placement);
        for len in [0, 1000, MIB + 1, 5 * MIB - 1200, 160 * 65_504, 12 * MIB + 17] {
            std::fs::write(&path, plain(len)).unwrap();
            let read = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&read);
            let body = Body::from_path(&path).progress(move |more| {
                counted.fetch_add(more, Ordering::Relaxed);
            });
            let put = client.put_object("bucket", "k", body, &world.context).send().await.unwrap();
            assert_eq!(read.load(Ordering::Relaxed), len as u64);
            let object = world.get().await.unwrap();
            assert_eq!((put.sealed_len(), len as u64), (object.sealed_len(), object.len()));
            assert!(object.into_stream().collect().await.unwrap() == plain(len), "{len}");

            let body = Body::from_file(File::open(&path).unwrap(), "it");
            let again =
                client.put_object("bucket", "k", body, &world.context).send().await.unwrap();
            assert_eq!(again.sealed_len(), put.sealed_len());
            let stream = Body::from_stream(stream::iter([Ok::<_, Infallible>(plain(len))]));
            let as_stream = client.put_object("bucket", "k", stream, &world.context).send().await;
            assert_eq!(as_stream.unwrap().sealed_len(), put.sealed_len());
        }
    }
}

/// A named pipe gives its bytes to whoever opens it first: it is opened once.
#[cfg(unix)]
#[tokio::test]
async fn a_named_pipe_goes_up() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let to = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, plain(6 * MIB)));
    let put = world.put(Body::from_path(&path));
    tokio::time::timeout(Duration::from_secs(60), put)
        .await
        .expect("opened again, it waits for ever")
        .unwrap();
    writer.join().unwrap().unwrap();
    assert!(world.read().await.unwrap() == plain(6 * MIB));
}

#[tokio::test]
async fn a_file_that_shrinks_aborts_the_upload() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, plain(40 * MIB)).unwrap();
    let shrunk = path.clone();
    let body = Body::from_path(&path).progress(move |_| {
        File::options().write(true).open(&shrunk).unwrap().set_len(10).unwrap();
    });
    let error = world.put(body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(world.aws.open_uploads().is_empty());
    assert!(world.get().await.is_err());
}
