//! Sources of sealed bytes that count what is read and misbehave on demand.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::ReadAt;
use waxseal::async_trait;

/// Stored bytes that note every read, and refuse one that no store could answer.
#[derive(Clone)]
pub(crate) struct Counting {
    stored: Bytes,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
}

impl Counting {
    pub(crate) fn new(stored: impl Into<Bytes>) -> Self {
        Self { stored: stored.into(), reads: Arc::default() }
    }

    /// The reads since the last time, in order.
    pub(crate) fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    /// The one read since the last time.
    pub(crate) fn take_read(&self) -> Range<u64> {
        let reads = self.take_reads();
        let [read] = &reads[..] else { panic!("not one read: {reads:?}") };
        read.clone()
    }
}

#[async_trait]
impl ReadAt for Counting {
    async fn sealed_len(&self) -> waxseal::Result<u64> {
        Ok(self.stored.len() as u64)
    }

    async fn read_at(&self, sealed: Range<u64>) -> waxseal::Result<Bytes> {
        self.reads.lock().unwrap().push(sealed.clone());
        // HTTP cannot ask for no bytes.
        assert!(sealed.start < sealed.end, "{sealed:?} is empty");
        assert!(sealed.end <= self.stored.len() as u64, "{sealed:?} ends past the end");
        Ok(part(&self.stored, &sealed))
    }
}

/// What goes wrong with one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The reader fails with a source.
    Fails,
    /// The object was replaced.
    Changed,
    /// This many bytes are missing at the end.
    Short(usize),
    /// This many bytes too many come.
    Long(usize),
}

impl Fault {
    pub(crate) const ALL: [Self; 6] = [
        Self::Fails,
        Self::Changed,
        Self::Short(1),
        Self::Short(32),
        Self::Long(1),
        Self::Long(64),
    ];

    pub(crate) fn kind(self) -> ErrorKind {
        if self == Self::Changed { ErrorKind::Changed } else { ErrorKind::Store }
    }
}

/// Stored bytes whose read number `at`, counted from 0, goes wrong.
#[derive(Clone)]
pub(crate) struct Faulty {
    stored: Bytes,
    fault: Fault,
    left: Arc<Mutex<usize>>,
}

impl Faulty {
    pub(crate) fn new(stored: impl Into<Bytes>, fault: Fault, at: usize) -> Self {
        Self { stored: stored.into(), fault, left: Arc::new(Mutex::new(at)) }
    }

    /// Whether the read that goes wrong was made.
    pub(crate) fn has_failed(&self) -> bool {
        *self.left.lock().unwrap() == usize::MAX
    }
}

#[async_trait]
impl ReadAt for Faulty {
    async fn sealed_len(&self) -> waxseal::Result<u64> {
        Ok(self.stored.len() as u64)
    }

    async fn read_at(&self, sealed: Range<u64>) -> waxseal::Result<Bytes> {
        let bytes = part(&self.stored, &sealed);
        let mut left = self.left.lock().unwrap();
        if *left == usize::MAX {
            return Ok(bytes);
        }
        let now = *left == 0;
        *left = left.wrapping_sub(1);
        match self.fault {
            _ if !now => Ok(bytes),
            Fault::Fails => {
                let cause = std::io::Error::other("the cable was cut");
                Err(Error::new(ErrorKind::Store, "the read failed").with_source(cause))
            }
            Fault::Changed => Err(Error::new(ErrorKind::Changed, "replaced")),
            Fault::Short(by) => Ok(bytes.slice(..bytes.len().saturating_sub(by))),
            Fault::Long(by) => Ok([&bytes[..], &vec![0; by]].concat().into()),
        }
    }
}

fn part(stored: &Bytes, sealed: &Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap();
    stored.slice(at(sealed.start)..at(sealed.end))
}
