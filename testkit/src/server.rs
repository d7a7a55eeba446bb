//! The transport for other programs: HTTP/1.1 on a loopback port, in clear or over TLS.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;

use aws_smithy_http_client::Builder;
use bytes::Bytes;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::Body;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::http::Backend;
use crate::http::ConnectionLost;
use crate::record::lock;
use crate::sdk::Sdk;
use crate::tls::Identity;
use crate::tls::LOCALHOST;

/// KMS and S3 on one loopback port, until dropped.
///
/// A request with the header `X-Amz-Target: TrentService.*` goes to KMS, every other to S3.
#[derive(Debug)]
pub struct Server {
    endpoint: String,
    certificate_pem: Option<String>,
    sdk: Sdk,
    listening: AbortHandle,
}

impl Server {
    pub(crate) async fn bind(backend: Arc<Backend>, port: u16) -> io::Result<Self> {
        let (listener, address) = listener(port).await?;
        let sdk = Sdk::new(Builder::new().build_http(), format!("http://{address}"));
        let listening = tokio::spawn(listen(listener, backend, None)).abort_handle();
        Ok(Self { endpoint: format!("http://{address}"), certificate_pem: None, sdk, listening })
    }

    pub(crate) async fn bind_tls(backend: Arc<Backend>) -> io::Result<Self> {
        let identity = Identity::new()?;
        let (listener, address) = listener(0).await?;
        let endpoint = format!("https://{LOCALHOST}:{}", address.port());
        let sdk = Sdk::new(identity.client()?, endpoint.clone());
        let listening = listen(listener, backend, Some(identity.acceptor));
        let listening = tokio::spawn(listening).abort_handle();
        Ok(Self { endpoint, certificate_pem: Some(identity.certificate_pem), sdk, listening })
    }

    /// The base URL, such as `http://127.0.0.1:40123` or `https://localhost:40123`.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// The certificate that clients have to trust; `None` in clear.
    ///
    /// Programs of the AWS SDK for Rust trust what the file named by `SSL_CERT_FILE` holds.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// A KMS client of the SDK that comes in through the port.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::from_conf(self.kms_config().build())
    }

    /// The settings behind [`kms`](Self::kms), for tests that change some of them.
    pub fn kms_config(&self) -> aws_sdk_kms::config::Builder {
        self.sdk.kms_config()
    }

    /// An S3 client of the SDK that comes in through the port.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.s3_config().build())
    }

    /// The settings behind [`s3`](Self::s3), for tests that change some of them.
    pub fn s3_config(&self) -> aws_sdk_s3::config::Builder {
        self.sdk.s3_config()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listener(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Accepts connections for ever. Dropping the future drops the connections too.
async fn listen(listener: TcpListener, backend: Arc<Backend>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(welcome(stream, Arc::clone(&backend), tls.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn welcome(stream: TcpStream, backend: Arc<Backend>, tls: Option<TlsAcceptor>) {
    // Replies are written in two pieces, head and body; Nagle would hold back the second.
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(stream, backend).await,
        // A handshake that fails is a client that does not trust us.
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                converse(stream, backend).await;
            }
        }
    }
}

async fn converse<S>(stream: S, backend: Arc<Backend>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let backend = Arc::clone(&backend);
        async move {
            let (parts, body) = request.into_parts();
            let mut upload = Upload(Arc::new(Mutex::new(body)));
            let request = hyper::Request::from_parts(parts, Body::http_body(upload.clone()));
            let reply = backend.exchange(request).await?;
            // A refusal may come before the body was read. To close the connection then would
            // give many clients a broken pipe instead of the reply.
            while let Some(Ok(_)) = upload.frame().await {}
            Ok::<_, ConnectionLost>(reply)
        }
    });
    // An error here is the client leaving, or a connection that a fault broke.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The body of a request, of which the server keeps hold.
#[derive(Clone)]
struct Upload(Arc<Mutex<Incoming>>);

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *lock(&self.0)).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).size_hint()
    }
}
