//! Stored bytes in S3, pinned to what the first reply described.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::TryStreamExt as _;
use futures_util::stream;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::object::Body;
use crate::object::ReadAt;
use crate::object::slice;
use crate::s3::GetOptions;
use crate::s3::Name;
use crate::s3::options::with_sse_customer_key;
use crate::s3::payload::unchecked;

/// One version of one object.
pub(super) struct Source {
    client: Client,
    name: Name,
    options: GetOptions,
    etag: String,
    sealed_len: u64,
    /// The end of the object, which the first request brought along, and where it begins.
    tail: (u64, Bytes),
}

impl Source {
    /// Reads the last [`TAIL_LEN`] bytes, and with them what all later requests are pinned to.
    pub(super) async fn open(
        client: Client,
        name: Name,
        options: GetOptions,
    ) -> Result<(Self, GetObjectOutput)> {
        let range = format!("bytes=-{TAIL_LEN}");
        let request = request(&client, &name, &options).range(range);
        let sent = unchecked(request.customize()).send().await;
        let mut reply = sent.map_err(|error| {
            let code = crate::aws::Failure::of(&error).code;
            if code == "InvalidRange" {
                return Error::authentication(format!("{name} is empty: not sealed, or cut"));
            }
            name.failed("GetObject", error)
        })?;
        let reply_len = u64::try_from(reply.content_length().unwrap_or_default()).unwrap_or(0);
        // Without a range in the reply the store sent everything, which is believed if it is small.
        let (start, end, sealed_len) = match reply.content_range() {
            Some(text) => content_range(text).ok_or_else(|| name.lied("its Content-Range"))?,
            None => (0, reply_len, reply_len),
        };
        if end != sealed_len || start > end {
            return Err(name.lied("its Content-Range"));
        }
        let body = std::mem::take(&mut reply.body);
        let tail = if end - start <= TAIL_LEN {
            (start, collect(&name, body, end - start).await?)
        } else {
            (sealed_len, Bytes::new())
        };
        let etag = reply.e_tag().map(str::to_owned).ok_or_else(|| name.lied("no ETag"))?;
        let version_id = options.version_id.or_else(|| reply.version_id().map(str::to_owned));
        let options = GetOptions { version_id, ..options };
        Ok((Self { client, name, options, etag, sealed_len, tail }, reply))
    }
}

#[async_trait]
impl ReadAt for Source {
    async fn sealed_len(&self) -> Result<u64> {
        Ok(self.sealed_len)
    }

    async fn read_at(&self, sealed: Range<u64>) -> Result<Bytes> {
        match slice(&self.tail.1, self.tail.0, &sealed) {
            Some(held) => Ok(held),
            None => {
                let body = self.get(&sealed).await?;
                collect(&self.name, body, sealed.end - sealed.start).await
            }
        }
    }

    async fn read_stream(&self, sealed: Range<u64>) -> Result<Body> {
        match slice(&self.tail.1, self.tail.0, &sealed) {
            Some(held) => Ok(Body::from(held)),
            None => {
                let body = self.get(&sealed).await?;
                Ok(Body::from_stream(frames(self.name.clone(), body, sealed.end - sealed.start)))
            }
        }
    }
}

impl Source {
    /// Asks for a range of what the first reply described.
    async fn get(&self, sealed: &Range<u64>) -> Result<ByteStream> {
        if sealed.start >= sealed.end || sealed.end > self.sealed_len {
            return Err(Error::invalid_input("the range is outside the stored bytes"));
        }
        let name = &self.name;
        let request = request(&self.client, name, &self.options)
            .range(http_range(sealed))
            .if_match(&self.etag);
        let reply = unchecked(request.customize()).send().await.map_err(|error| {
            match crate::aws::Failure::of(&error).code.as_str() {
                "NoSuchKey" | "NoSuchVersion" | "InvalidRange" => name.changed().with_source(error),
                _ => name.failed("GetObject", error),
            }
        })?;
        if reply.e_tag() != Some(&self.etag) {
            return Err(name.changed());
        }
        match reply.content_range().and_then(content_range) {
            Some((start, end, len)) if (start..end) == *sealed && len == self.sealed_len => {}
            Some((_, _, len)) if len != self.sealed_len => return Err(name.changed()),
            _ => return Err(name.lied("another range than was asked for")),
        }
        Ok(reply.body)
    }
}

impl Name {
    pub(super) fn lied(&self, what: &str) -> Error {
        Error::new(ErrorKind::Store, format!("the store's reply for {self} is wrong: {what}"))
    }

    pub(super) fn changed(&self) -> Error {
        Error::new(ErrorKind::Changed, format!("{self} was replaced while it was being read"))
    }
}

fn request(client: &Client, name: &Name, options: &GetOptions) -> GetObjectFluentBuilder {
    let request = client.get_object().bucket(&name.bucket).key(&name.key);
    with_sse_customer_key!(request, options.sse_customer_key.as_ref())
        .set_version_id(options.version_id.clone())
}

/// Reads a reply's body, which must have `len` bytes.
async fn collect(name: &Name, body: ByteStream, len: u64) -> Result<Bytes> {
    // Grows with what arrives, whatever length was claimed.
    let capacity = usize::try_from(len).unwrap_or(0).min(MAX_RESERVE);
    let mut bytes = bytes::BytesMut::with_capacity(capacity);
    let mut frames = std::pin::pin!(frames(name.clone(), body, len));
    while let Some(more) = frames.try_next().await? {
        bytes.extend_from_slice(&more);
    }
    Ok(bytes.freeze())
}

/// A reply's body, which must have `len` bytes, as it arrives.
fn frames(name: Name, body: ByteStream, len: u64) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold((name, body, len), |(name, mut body, left)| async move {
        let Some(frame) = body.next().await else {
            return match left {
                0 => Ok(None),
                _ => Err(name.lied("fewer bytes than its length")),
            };
        };
        let frame = frame.map_err(|e| Error::store(format!("reading {name} broke off"), e))?;
        match left.checked_sub(frame.len() as u64) {
            Some(left) => Ok(Some((frame, (name, body, left)))),
            None => Err(name.lied("more bytes than its length")),
        }
    })
}

/// HTTP's form of a range, whose end is inclusive. The only place that knows it, with the next.
pub(super) fn http_range(sealed: &Range<u64>) -> String {
    format!("bytes={}-{}", sealed.start, sealed.end - 1)
}

/// Start, end and whole length of `bytes start-last/len`, the first two half open.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, len) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, last, len) = (start.parse().ok()?, last.parse::<u64>().ok()?, len.parse().ok()?);
    (start <= last && last < len).then_some((start, last + 1, len))
}

/// Two default segments: one request then brings the envelope, the proof of the length, and a
/// footer of up to a segment.
const TAIL_LEN: u64 = 128 << 10;
/// Most bytes reserved on the word of a reply.
const MAX_RESERVE: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn ranges_convert() {
        assert_eq!(http_range(&(5..9)), "bytes=5-8");
        assert_eq!(content_range("bytes 5-8/10"), Some((5, 9, 10)));
        for bad in ["", "bytes 5-8", "bytes 5-8/*", "bytes 8-5/10", "bytes 5-10/10", "items 1-2/3"]
        {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_reply_of_another_length_is_refused() {
        let name = Name { bucket: "bucket".to_owned(), key: "k".to_owned() };
        let reply = |sent: &'static [u8], len| {
            let body = ByteStream::from_static(sent);
            collect(&name, body, len).now_or_never().unwrap()
        };
        for (sent, len) in [(&b"hello"[..], 5), (b"", 0)] {
            assert_eq!(reply(sent, len).unwrap(), sent);
        }
        for (sent, len) in [(&b"hello"[..], 0), (b"hello", 4), (b"hello", 6), (b"", 1)] {
            let error = reply(sent, len).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store, "{} of {len}: {error}", sent.len());
        }
    }
}
