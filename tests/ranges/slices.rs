//! Every range is the slice, whoever reads at the same time and wherever the bytes are stored.

use std::io::Write as _;
use std::sync::Arc;

use futures_util::future;
use waxseal::Body;
use waxseal::ErrorKind;
use waxseal::Format;

use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;
use crate::sample::sealed;
use crate::sources::Counting;

#[tokio::test]
async fn every_range_of_a_small_object_is_the_slice() {
    for len in (0..=12).chain([40]) {
        every_range_is_the_slice(33, len).await;
    }
    for len in (0..=25).chain([66]) {
        every_range_is_the_slice(40, len).await;
    }
    for len in [0, 1, 31, 32, 33, 63, 64, 65, 96, 97, 200] {
        every_range_is_the_slice(64, len).await;
    }
}

async fn every_range_is_the_slice(segment_len: u32, len: usize) {
    let (plain, sealed) = (plain(len), sealed(segment_len, len).await);
    let object = cipher(segment_len).open_at(Counting::new(sealed), &context()).await.unwrap();
    assert_eq!((object.len(), object.is_empty()), (len as u64, len == 0));
    for start in 0..=len {
        for end in start..=len {
            let range = object.range(start as u64..end as u64).await.unwrap();
            assert_eq!(range, plain[start..end], "S {segment_len}, {start}..{end} of {len}");
        }
    }
}

#[tokio::test]
async fn a_range_as_a_stream_is_the_slice_in_segments() {
    let plain = plain(200);
    let object = cipher(64).open_at(sealed(64, 200).await, &context()).await.unwrap();
    for (start, end) in [(0, 200), (0, 0), (200, 200), (5, 6), (31, 33), (32, 64), (50, 190)] {
        let stream = object.range_stream(start as u64..end as u64).unwrap();
        assert_eq!(stream.len_hint(), Some((end - start) as u64));
        assert_eq!(stream.collect().await.unwrap(), plain[start..end]);
    }
    let all = object.into_stream();
    assert_eq!(all.len_hint(), Some(200));
    assert_eq!(all.collect().await.unwrap(), plain);
}

#[tokio::test]
async fn a_range_of_a_one_shot_object_is_the_slice() {
    let plain = plain(50);
    let one_shot = cipher(64).format(Format::OneShot);
    let (metadata, body) = one_shot.seal_with_metadata(plain.clone(), &context()).await.unwrap();
    let source = Counting::new(body.collect().await.unwrap());
    let entries = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let object = one_shot.open_with_metadata(entries, source.clone(), &context()).await.unwrap();
    assert_eq!(source.take_read(), 0..78);
    for start in 0..=50 {
        for end in start..=50 {
            let range = object.range(start as u64..end as u64).await.unwrap();
            assert_eq!(range, plain[start..end], "{start}..{end}");
        }
    }
    assert_eq!(object.range(0..51).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(object.into_stream().collect().await.unwrap(), plain);
    assert!(source.take_reads().is_empty(), "it was opened whole");
}

#[tokio::test]
async fn a_range_outside_the_object_is_refused_without_a_read() {
    for len in [0u64, 1, 32, 100] {
        let source = Counting::new(sealed(64, usize::try_from(len).unwrap()).await);
        let object = cipher(64).open_at(source.clone(), &context()).await.unwrap();
        source.take_reads();
        #[expect(clippy::reversed_empty_ranges, reason = "it is what must be refused")]
        let outside = [
            0..len + 1,
            len..len + 1,
            len + 1..len + 1,
            0..u64::MAX,
            len..u64::MAX,
            u64::MAX..u64::MAX,
            u64::MAX - 1..u64::MAX,
            1..0,
            u64::MAX..0,
            len + 1..len,
        ];
        for range in outside {
            let error = object.range(range.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{range:?} of {len}");
            let error = object.range_stream(range.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{range:?} of {len}");
        }
        assert!(source.take_reads().is_empty());
        let all = object.range(0..len).await.unwrap();
        assert_eq!(all.len() as u64, len);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ranges_read_at_the_same_time_are_the_slices() {
    let plain = Arc::new(plain(1000));
    let object = cipher(64).open_at(sealed(64, 1000).await, &context()).await.unwrap();
    let reads = (0..400usize).map(|i| {
        let (object, plain) = (object.clone(), plain.clone());
        let (start, end) = (i * 7 % 600, 600 + i);
        tokio::spawn(async move {
            let range = object.range(start as u64..end as u64).await.unwrap();
            assert_eq!(range, plain[start..end], "{start}..{end}");
        })
    });
    for read in future::join_all(reads).await {
        read.unwrap();
    }
}

#[tokio::test]
async fn a_file_is_read_at_any_place_by_several_readers() {
    let plain = plain(1000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&sealed(64, 1000).await).unwrap();
    let file = Arc::new(file);
    let object = cipher(64).open_at(file.clone(), &context()).await.unwrap();
    let reads = (0..100usize).map(|i| {
        let object = object.clone();
        async move { object.range(i as u64 * 10..i as u64 * 10 + 10).await.unwrap() }
    });
    for (i, range) in future::join_all(reads).await.into_iter().enumerate() {
        assert_eq!(range, plain[i * 10..i * 10 + 10]);
    }
    assert_eq!(object.clone().into_stream().collect().await.unwrap(), plain);

    file.set_len(1500).unwrap();
    let error = object.range(990..1000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "the file became shorter");
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(object.range(0..32).await.unwrap(), plain[..32], "what is left is as it was");
    let error = cipher(64).open_at(file, &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "it was cut");
}

#[tokio::test]
async fn an_object_with_metadata_is_read_at_any_place() {
    let plain = plain(200);
    let cipher = cipher(64);
    let (metadata, body) =
        cipher.seal_with_metadata(Body::from(plain.clone()), &context()).await.unwrap();
    let source = Counting::new(body.collect().await.unwrap());
    let entries = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let object = cipher.open_with_metadata(entries, source.clone(), &context()).await.unwrap();
    for (start, end) in
        (0..=200).flat_map(|start| (start..=200).step_by(7).map(move |end| (start, end)))
    {
        let range = object.range(start as u64..end as u64).await.unwrap();
        assert_eq!(range, plain[start..end], "{start}..{end}");
    }
}
