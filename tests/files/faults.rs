//! What goes wrong around the cipher: files that shrink, disks that are full, callers that leave.

use std::fs::File;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use waxseal::ErrorKind;
use waxseal::NewFile;

use crate::sample::BOTH;
use crate::sample::Folder;
use crate::sample::KIB;
use crate::sample::MIB;
use crate::sample::To;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;

#[tokio::test]
async fn a_file_that_shrinks_is_an_error() {
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    for to in BOTH {
        let from = folder.file("plain", &plain(16 * MIB));
        let path = folder.path("plain");
        let shrink = move |_| File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        let (written, outcome) =
            folder.run(to, |sink| cipher.seal_file(from, sink, &context()).progress(shrink)).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Changed);
        assert!(to == To::Open || written.is_empty());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_said() {
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    let sealed = cipher.seal(&plain(3 * MIB), &context()).await.unwrap();
    for len in [3 * MIB, 1000] {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let from = folder.file("plain", &plain(len));
        let sealing = cipher.seal_file(from, full(), &context()).run().await;
        let from = folder.file("sealed", &sealed);
        let opening = cipher.open_file(from, full(), &context()).run().await;
        for outcome in [sealing, opening] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store);
            let source = std::error::Error::source(&error).unwrap();
            let source = source.downcast_ref::<std::io::Error>().unwrap();
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        }
    }
}

#[tokio::test]
async fn a_folder_cannot_be_read() {
    let folder = Folder::new();
    let from = File::open(folder.path(".")).unwrap();
    let (_, outcome) =
        folder.run(To::New, |sink| cipher(64 * KIB).seal_file(from, sink, &context())).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(folder.names(), [""; 0]);
}

/// The threads stop soon after the future was dropped, and a new file vanishes.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_stops_the_threads() {
    let folder = Folder::new();
    for to in BOTH {
        let from = folder.file("plain", &vec![7; 64 * MIB]);
        let new = NewFile::create(folder.path("new")).unwrap();
        let (began, has_began) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let written = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&written);
        let gate = Mutex::new(may_go_on);
        let progress = move |done: waxseal::Transferred| {
            counted.fetch_add(done.written, Ordering::Relaxed);
            let _ = began.send(());
            let _ = gate.lock().unwrap().recv(); // until the other end is dropped
        };
        let cipher = cipher(64 * KIB);
        let sealing = match to {
            To::New => cipher.seal_file(from, &new, &context()),
            To::Open => {
                cipher.seal_file(from, File::create(folder.path("to")).unwrap(), &context())
            }
        };
        let sealing = tokio::spawn(sealing.progress(progress).run());
        has_began.recv().unwrap();
        sealing.abort();
        assert!(sealing.await.unwrap_err().is_cancelled());
        drop(go_on);
        // The sender lives as long as the threads.
        while has_began.recv().is_ok() {}
        let written = written.load(Ordering::Relaxed);
        assert!(written <= 4 * 2 * MIB as u64, "they went on: {written}");
        drop(new);
        assert!(!folder.names().iter().any(|name| name.starts_with(".waxseal") || name == "new"));
    }
}

/// A thread that panics does not leave the others waiting for their turn.
#[tokio::test]
async fn a_panicking_callback_ends_the_work() {
    let folder = Folder::new();
    for to in BOTH {
        let from = folder.file("plain", &plain(16 * MIB));
        let calls = AtomicU64::new(0);
        let panic = move |_| assert!(calls.fetch_add(1, Ordering::Relaxed) != 2, "as planned");
        let (_, outcome) = folder
            .run(to, |sink| cipher(64 * KIB).seal_file(from, sink, &context()).progress(panic))
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Store);
    }
}
