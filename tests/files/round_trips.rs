//! Files come back, and are the same objects that streams and slices make.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::sample::BOTH;
use crate::sample::FRONT;
use crate::sample::Folder;
use crate::sample::KIB;
use crate::sample::MIB;
use crate::sample::To;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;

#[tokio::test]
async fn files_of_any_length_come_back_and_are_what_streams_make() {
    let folder = Folder::new();
    // The other backend is slow in a test build.
    let segment_lens = if cfg!(feature = "aws-lc") { 4 } else { 1 };
    for segment_len in [64 * KIB, 4 * KIB, MIB, 2 * MIB].into_iter().take(segment_lens) {
        let cipher = cipher(segment_len);
        let per_segment = segment_len - 32;
        let whole = (2 * MIB).div_ceil(per_segment) * per_segment;
        for len in [0, 1, MIB, MIB + 1, whole - 1, whole, whole + 1, 5 * MIB + 17] {
            let plain = plain(len);
            for to in BOTH {
                let from = folder.file("plain", &plain);
                let (sealed, outcome) =
                    folder.run(to, |sink| cipher.seal_file(from, sink, &context())).await;
                assert_eq!(outcome.unwrap(), sealed.len() as u64, "{len} {to:?}");
                let by_stream = cipher.seal(&plain, &context()).await.unwrap();
                assert_eq!(sealed.len(), by_stream.len());
                assert!(cipher.open(&sealed, &context()).await.unwrap() == plain, "{len} {to:?}");

                let from = folder.file("sealed", &by_stream);
                let (opened, outcome) =
                    folder.run(to, |sink| cipher.open_file(from, sink, &context())).await;
                assert_eq!(outcome.unwrap(), len as u64, "{len} {to:?}");
                assert!(opened == plain, "{len} {to:?}");
            }
        }
    }
}

/// No IV twice, within the runs whose IVs are drawn together and from run to run.
#[tokio::test]
async fn every_segment_has_an_iv_of_its_own() {
    let folder = Folder::new();
    let cipher = cipher(4 * KIB);
    let plain = vec![0; 5 * MIB];
    let from = folder.file("plain", &plain);
    let (by_file, _) = folder.run(To::New, |sink| cipher.seal_file(from, sink, &context())).await;
    let by_slice = cipher.seal(&plain, &context()).await.unwrap();
    let mut ivs = HashSet::new();
    for sealed in [&by_file[..], &by_slice] {
        let segments = sealed[FRONT..].chunks(4 * KIB);
        assert_eq!(segments.len(), (5 * MIB).div_ceil(4 * KIB - 32));
        for segment in segments {
            assert!(ivs.insert(segment[4..16].to_vec()));
            assert_ne!(segment[4..16], [0; 12]);
        }
    }
}

#[tokio::test]
async fn pipes_go_through_a_stream() {
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    let plain = plain(3 * MIB);
    for to in BOTH {
        let (sealed, outcome) =
            folder.run(to, |sink| cipher.seal_file(pipe(&plain), sink, &context())).await;
        assert_eq!(outcome.unwrap(), sealed.len() as u64);
        let (opened, outcome) =
            folder.run(to, |sink| cipher.open_file(pipe(&sealed), sink, &context())).await;
        assert_eq!(outcome.unwrap(), plain.len() as u64);
        assert!(opened == plain);
    }
}

#[tokio::test]
async fn a_file_is_read_from_where_it_stands() {
    use std::io::Seek as _;
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    let plain = plain(3 * MIB);
    let mut from = folder.file("plain", &plain);
    from.seek(std::io::SeekFrom::Start(MIB as u64)).unwrap();
    let (sealed, _) = folder.run(To::New, |sink| cipher.seal_file(from, sink, &context())).await;
    assert!(cipher.open(&sealed, &context()).await.unwrap() == plain[MIB..]);
}

#[tokio::test]
async fn an_open_file_is_written_from_where_it_stands() {
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    let plain = plain(3 * MIB);
    let sealed = cipher.seal(&plain, &context()).await.unwrap();
    let mut to = File::create(folder.path("to")).unwrap();
    to.write_all(b"before").unwrap();
    let from = folder.file("sealed", &sealed);
    cipher.open_file(from, to.try_clone().unwrap(), &context()).run().await.unwrap();
    to.write_all(b"after").unwrap();
    let written = std::fs::read(folder.path("to")).unwrap();
    assert!(written == [b"before", &plain[..], b"after"].concat());
}

/// What is appended meanwhile is left out, as documented.
#[tokio::test]
async fn a_growing_file_is_sealed_as_it_was() {
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    let plain = plain(5 * MIB);
    let from = folder.file("plain", &plain);
    let path = folder.path("plain");
    let grow = move |_| {
        File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    };
    let (sealed, outcome) =
        folder.run(To::New, |sink| cipher.seal_file(from, sink, &context()).progress(grow)).await;
    outcome.unwrap();
    assert!(cipher.open(&sealed, &context()).await.unwrap() == plain);
    assert!(std::fs::metadata(folder.path("plain")).unwrap().len() > plain.len() as u64);
}

#[tokio::test]
async fn progress_adds_up() {
    let folder = Folder::new();
    let cipher = cipher(64 * KIB);
    let plain = plain(5 * MIB + 17);
    let sealed = cipher.seal(&plain, &context()).await.unwrap();
    for len in [plain.len(), 1000] {
        let sums = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let counted = Arc::clone(&sums);
        let count = move |done: waxseal::Transferred| {
            counted[0].fetch_add(done.read, Ordering::Relaxed);
            counted[1].fetch_add(done.written, Ordering::Relaxed);
        };
        let from = folder.file("plain", &plain[..len]);
        let (_, outcome) = folder
            .run(To::Open, |sink| cipher.seal_file(from, sink, &context()).progress(count))
            .await;
        // The threads do not count the envelope and the header in front.
        let written = outcome.unwrap();
        let front = if len > MIB { FRONT as u64 } else { 0 };
        assert_eq!(sums[0].load(Ordering::Relaxed), len as u64);
        assert_eq!(sums[1].load(Ordering::Relaxed) + front, written);
    }
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let count = move |done: waxseal::Transferred| {
        counted.fetch_add(done.written, Ordering::Relaxed);
    };
    let from = folder.file("sealed", &sealed);
    let (_, outcome) =
        folder.run(To::New, |sink| cipher.open_file(from, sink, &context()).progress(count)).await;
    assert_eq!(outcome.unwrap(), read.load(Ordering::Relaxed));
}

/// The reading end of a pipe through which a thread sends `bytes`.
pub(crate) fn pipe(bytes: &[u8]) -> File {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let bytes = bytes.to_vec();
    std::thread::spawn(move || writer.write_all(&bytes));
    OwnedFd::from(reader).into()
}
