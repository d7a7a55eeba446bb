//! Making requests fail on purpose.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use s3s::Body;
use s3s::StdError;
use serde_json::json;

use crate::record::Call;
use crate::record::lock;

/// What happens to a request instead of a proper reply.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out after a pause.
    Delay(Duration),
    /// The connection fails before the request is carried out.
    Drop,
    /// The request is carried out; one bit of the reply's body is flipped, at this byte.
    FlipBit(u64),
    /// The request is not carried out and never answered.
    Hang,
    /// The request is carried out, then the connection fails.
    LoseReply,
    /// The request is not carried out; this reply is sent.
    Reply {
        /// HTTP status.
        status: u16,
        /// Value of the `content-type` header.
        content_type: &'static str,
        /// The whole body.
        body: String,
    },
    /// The request is carried out; after so many bytes of the reply's body nothing more comes,
    /// and the connection stays.
    StallBody(u64),
    /// The request is carried out; the connection fails after so many bytes of the reply's
    /// body. A shorter body is sent whole. Over HTTP fewer bytes may arrive.
    TruncateBody(u64),
}

impl Fault {
    /// An error reply as KMS sends it, such as `(400, "ThrottlingException")`.
    pub fn kms_error(status: u16, code: &str) -> Self {
        let body = json!({ "__type": code, "message": FAULT_MESSAGE }).to_string();
        Self::Reply { status, content_type: KMS_CONTENT_TYPE, body }
    }

    /// An error reply as S3 sends it, such as `(503, "SlowDown")`.
    pub fn s3_error(status: u16, code: &str) -> Self {
        let body = s3_error_body(code, FAULT_MESSAGE);
        Self::Reply { status, content_type: S3_CONTENT_TYPE, body }
    }
}

/// The body of an error reply of S3.
pub(crate) fn s3_error_body(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
}

/// The faults to come.
#[derive(Default)]
pub(crate) struct Faults {
    planned: Mutex<Vec<Planned>>,
    hook: Mutex<Option<Arc<Hook>>>,
}

type Hook = dyn Fn(&Call) -> Option<Fault> + Send + Sync;

struct Planned {
    operation: String,
    /// Requests still to fail. At least 1.
    times: usize,
    fault: Fault,
}

impl Faults {
    pub(crate) fn set_hook(&self, hook: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        *lock(&self.hook) = Some(Arc::new(hook));
    }

    pub(crate) fn plan(&self, operation: &str, times: usize, fault: Fault) {
        if times > 0 {
            lock(&self.planned).push(Planned { operation: operation.to_owned(), times, fault });
        }
    }

    pub(crate) fn clear(&self) {
        *lock(&self.hook) = None;
        lock(&self.planned).clear();
    }

    /// The fault for a request, if any.
    pub(crate) fn decide(&self, call: &Call) -> Option<Fault> {
        let mut planned = lock(&self.planned);
        if let Some(at) = planned.iter().position(|plan| plan.operation == call.operation) {
            planned[at].times -= 1;
            let fault = planned[at].fault.clone();
            planned.retain(|plan| plan.times > 0);
            return Some(fault);
        }
        drop(planned);
        // Not under the lock: a hook may well call the library that is being tested.
        let hook = lock(&self.hook).clone();
        hook.and_then(|hook| hook(call))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planned = lock(&self.planned).len();
        f.debug_struct("Faults").field("planned", &planned).finish_non_exhaustive()
    }
}

/// Cuts the body of `reply` after `limit` bytes; `content-length` keeps the full length.
pub(crate) fn truncate(reply: Response<Body>, limit: u64) -> Response<Body> {
    reply.map(|body| altered(body, Alteration::Truncate(limit)))
}

/// Holds back the body of `reply` after `limit` bytes, for ever.
pub(crate) fn stall(reply: Response<Body>, limit: u64) -> Response<Body> {
    reply.map(|body| altered(body, Alteration::Stall(limit)))
}

/// Flips one bit of the body of `reply`, if it has the byte `at`.
pub(crate) fn flip_bit(reply: Response<Body>, at: u64) -> Response<Body> {
    reply.map(|body| altered(body, Alteration::FlipBit(at)))
}

fn altered(body: Body, alteration: Alteration) -> Body {
    Body::http_body(Altered { inner: Box::pin(body), alteration, position: 0, paused: false })
}

#[derive(Clone, Copy)]
enum Alteration {
    FlipBit(u64),
    Stall(u64),
    Truncate(u64),
}

/// A body that passes another one on, changed.
struct Altered {
    inner: Pin<Box<Body>>,
    alteration: Alteration,
    /// Bytes passed on so far.
    position: u64,
    /// Whether the pause before the end by truncation has been made.
    paused: bool,
}

impl Altered {
    fn alter(&self, data: Bytes) -> Bytes {
        match self.alteration {
            Alteration::Stall(limit) | Alteration::Truncate(limit) => {
                let left = usize::try_from(limit - self.position).unwrap_or(usize::MAX);
                data.slice(..left.min(data.len()))
            }
            Alteration::FlipBit(at) => {
                let index = at.checked_sub(self.position).and_then(|at| usize::try_from(at).ok());
                let Some(index) = index.filter(|&index| index < data.len()) else { return data };
                let mut bytes = data.to_vec();
                bytes[index] ^= 1;
                Bytes::from(bytes)
            }
        }
    }
}

impl http_body::Body for Altered {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if matches!(self.alteration, Alteration::Stall(limit) if self.position >= limit) {
            return Poll::Pending;
        }
        if matches!(self.alteration, Alteration::Truncate(limit) if self.position >= limit) {
            // The server writes out what it has when it finds no more. Without this pause it
            // would drop the head of the reply too, and the client would simply try again.
            if !mem::replace(&mut self.paused, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err("connection lost by a fault".into())));
        }
        let polled = self.inner.as_mut().poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        let data = match frame.into_data() {
            Ok(data) => self.alter(data),
            Err(frame) => return Poll::Ready(Some(Ok(frame))),
        };
        self.position += data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

const FAULT_MESSAGE: &str = "This failure was asked for by a test.";

/// Content type of the replies of KMS.
pub(crate) const KMS_CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Content type of the error replies of S3.
pub(crate) const S3_CONTENT_TYPE: &str = "application/xml";
