//! From an HTTP request to its reply, over either transport.
//!
//! Finds the service, records the call and applies faults; knows nothing of what the services
//! do.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::config::RuntimeComponents;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::http::HttpConnectorFuture;
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::header::CONTENT_LENGTH;
use http::header::CONTENT_TYPE;
use http::header::HOST;
use http_body_util::BodyExt;
use http_body_util::Limited;
use s3s::Body;
use s3s::StdError;
use s3s::auth::SimpleAuth;
use s3s::service::S3Service;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;

use crate::fault::Fault;
use crate::fault::Faults;
use crate::fault::KMS_CONTENT_TYPE;
use crate::fault::S3_CONTENT_TYPE;
use crate::fault::flip_bit;
use crate::fault::s3_error_body;
use crate::fault::stall;
use crate::fault::truncate;
use crate::kms::Kms;
use crate::kms::random_uuid;
use crate::record::Call;
use crate::record::Log;
use crate::record::Service;
use crate::s3::Files;
use crate::s3::Settings;
use crate::s3::Store;
use crate::sdk::ACCESS_KEY_ID;
use crate::sdk::SECRET_ACCESS_KEY;

/// Both services, and what is to be known and done about requests to them.
pub(crate) struct Backend {
    pub(crate) faults: Faults,
    pub(crate) files: Files,
    pub(crate) kms: Kms,
    pub(crate) log: Log,
    s3: S3Service,
    /// Deleted with the backend.
    _own_dir: Option<TempDir>,
}

impl Backend {
    pub(crate) fn new(data_dir: &Path, kms: Kms) -> io::Result<Self> {
        let files = Files::new(data_dir)?;
        let mut s3 = S3ServiceBuilder::new(Store::new(files.clone())?);
        s3.set_route(Settings::new(files.clone()));
        s3.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let (faults, log) = (Faults::default(), Log::default());
        Ok(Self { faults, files, kms, log, s3: s3.build(), _own_dir: None })
    }

    pub(crate) fn owning(self, dir: Option<TempDir>) -> Self {
        Self { _own_dir: dir, ..self }
    }

    /// Answers a request, or not: an error means that the connection is to fail.
    pub(crate) async fn exchange(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Body>, ConnectionLost> {
        let is_head = request.method() == Method::HEAD;
        let (call, todo) = identify(request).await?;
        let entry = self.log.begin(call.clone());
        let reply = match self.faults.decide(&call) {
            None => self.perform(&call, todo).await?,
            Some(Fault::Delay(pause)) => {
                tokio::time::sleep(pause).await;
                self.perform(&call, todo).await?
            }
            Some(Fault::Drop) => return Err(ConnectionLost),
            Some(Fault::FlipBit(at)) => flip_bit(self.perform(&call, todo).await?, at),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::LoseReply) => {
                self.perform(&call, todo).await?;
                return Err(ConnectionLost);
            }
            Some(Fault::Reply { status, content_type, body }) => {
                reply_of(call.service, status, content_type, body)
            }
            Some(Fault::StallBody(limit)) => stall(self.perform(&call, todo).await?, limit),
            Some(Fault::TruncateBody(limit)) => truncate(self.perform(&call, todo).await?, limit),
        };
        // HTTP drops such a body, and with it the error code; so must the other transport.
        let reply = if is_head { reply.map(|_| Body::empty()) } else { reply };
        let length = reply.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|text| text.parse().ok()).unwrap_or(0);
        let counts = reply.status().is_success() && !is_head;
        entry.finish(reply.status().as_u16(), if counts { length } else { 0 });
        Ok(reply)
    }

    async fn perform(&self, call: &Call, todo: Todo) -> Result<Response<Body>, ConnectionLost> {
        let request = match todo {
            Todo::Kms { region, target, body } => {
                let (status, reply) = self.kms.handle_in(&region, &target, &body);
                return Ok(reply_of(Service::Kms, status, KMS_CONTENT_TYPE, reply));
            }
            Todo::S3(request) => request,
        };
        if call.operation == "Unknown" {
            let body = s3_error_body("NotImplemented", "The testkit does not serve this request.");
            return Ok(reply_of(Service::S3, 501, S3_CONTENT_TYPE, body));
        }
        // In a task of its own: a server carries out what it has received, whether or not the
        // client still listens. Dropped half way, `s3s-fs` would leave half an operation behind.
        let s3 = self.s3.clone();
        let carried_out = tokio::spawn(async move { s3.call(request).await }).await;
        let mut reply = carried_out.ok().and_then(Result::ok).ok_or(ConnectionLost)?;
        reply.headers_mut().entry(S3_REQUEST_ID).or_insert_with(request_id);
        Ok(reply)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("files", &self.files).finish_non_exhaustive()
    }
}

/// A request on its way to the service that carries it out.
enum Todo {
    Kms { region: String, target: String, body: Vec<u8> },
    S3(Request<Body>),
}

/// Tells the services apart, and reads the body of a KMS request.
async fn identify(request: Request<Body>) -> Result<(Call, Todo), ConnectionLost> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some(operation) = target.and_then(|target| target.strip_prefix("TrentService.")) else {
        let call = Call::s3(request.method(), request.uri(), request.headers());
        return Ok((call, Todo::S3(request)));
    };
    let (operation, region) = (operation.to_owned(), region_of(&request));
    let target = format!("TrentService.{operation}");
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_KMS_BODY).collect().await.map_err(|_| ConnectionLost)?;
    let body = body.to_bytes().to_vec();
    let call = Call::kms(&operation, &parts.headers, &body);
    Ok((call, Todo::Kms { region, target, body }))
}

/// The region in the signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn region_of(request: &Request<Body>) -> String {
    let signature = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let scope = signature.and_then(|text| text.split("Credential=").nth(1));
    let region = scope.and_then(|scope| scope.split('/').nth(2));
    region.unwrap_or(crate::sdk::REGION).to_owned()
}

fn reply_of(
    service: Service,
    status: u16,
    content_type: &'static str,
    body: String,
) -> Response<Body> {
    let id_header = match service {
        Service::Kms => KMS_REQUEST_ID,
        Service::S3 => S3_REQUEST_ID,
    };
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CONTENT_LENGTH, body.len())
        .header(id_header, request_id())
        .body(Body::from(body))
        .unwrap_or_else(|error| panic!("a fault cannot be sent as a reply: {error}"))
}

fn request_id() -> HeaderValue {
    HeaderValue::try_from(random_uuid()).expect("a UUID is a legal header value")
}

/// The failure of a connection that a fault, or a broken request, brings about.
#[derive(Debug)]
pub(crate) struct ConnectionLost;

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection lost")
    }
}

impl std::error::Error for ConnectionLost {}

/// The transport that needs no socket.
#[derive(Clone, Debug)]
pub(crate) struct InProcess(Arc<Backend>);

impl InProcess {
    pub(crate) fn client(backend: Arc<Backend>) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Self(backend));
        http_client_fn(move |_: &HttpConnectorSettings, _: &RuntimeComponents| connector.clone())
    }

    async fn call(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        // A socket transport would add it, and the signature covers it.
        if let Some(host) = request.uri().authority().map(|host| host.as_str().to_owned()) {
            let value = HeaderValue::try_from(host).map_err(|e| ConnectorError::user(e.into()))?;
            request.headers_mut().entry(HOST).or_insert(value);
        }
        let request = request.map(Body::http_body);
        let reply = self.0.exchange(request).await.map_err(|e| ConnectorError::io(e.into()))?;
        let reply = reply.map(SdkBody::from_body_1_x);
        reply.try_into().map_err(|e| ConnectorError::other(StdError::from(e), None))
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().call(request))
    }
}

const KMS_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// Bytes. Well above every legal request.
const MAX_KMS_BODY: usize = 1 << 20;
