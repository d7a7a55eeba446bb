//! The clients, one transfer each.

use std::fs::File;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::RuntimeComponents;
use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_s3::types::CompletedMultipartUpload;
use aws_sdk_s3::types::CompletedPart;
use aws_smithy_runtime_api::client::http::HttpClient as _;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::http::HttpConnectorFuture;
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::S3EncryptionClient;
use waxseal_bench::cipher;
use waxseal_bench::drain;
use waxseal_testkit::ACCESS_KEY_ID;
use waxseal_testkit::REGION;
use waxseal_testkit::SECRET_ACCESS_KEY;

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// Seals the file into the bucket that keeps it.
    Fill,
    /// Compares what is kept there with the file.
    Check,
    /// Seals the file into the sink.
    Put,
    /// Puts the file into the sink as it is.
    PlainPut,
    /// Opens what is kept and drops it.
    Get,
    /// Gets the same bytes as they are and drops them.
    PlainGet,
}

impl FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Fill, Self::Check, Self::Put, Self::PlainPut, Self::Get, Self::PlainGet];
        let found = all.into_iter().find(|task| format!("{task:?}") == name);
        found.ok_or_else(|| format!("no task {name}"))
    }
}

/// Does one task and ends.
pub(crate) fn run(task: Task, endpoint: &str, file: &str) {
    let s3 = s3(endpoint);
    let file = Path::new(file);
    Runtime::new().unwrap().block_on(async {
        match task {
            Task::Fill => put(s3, KEPT, file).await,
            Task::Check => check(s3, file).await,
            Task::Put => put(s3, SINK, file).await,
            Task::PlainPut => plain_put(&s3, file).await,
            Task::Get => get(s3, file).await,
            Task::PlainGet => plain_get(&s3).await,
        }
    });
}

async fn put(s3: Client, bucket: &str, file: &Path) {
    let s3 = S3EncryptionClient::new(s3, cipher(SEGMENT));
    let put = s3.put_object(bucket, KEY, Body::from_path(file), &EncryptionContext::new());
    put.send().await.unwrap();
}

async fn check(s3: Client, file: &Path) {
    let s3 = S3EncryptionClient::new(s3, cipher(SEGMENT));
    let object = s3.get_object(KEPT, KEY, &EncryptionContext::new()).send().await.unwrap();
    assert!(object.into_stream().collect().await.unwrap() == std::fs::read(file).unwrap());
}

async fn get(s3: Client, file: &Path) {
    let s3 = S3EncryptionClient::new(s3, cipher(SEGMENT));
    let object = s3.get_object(KEPT, KEY, &EncryptionContext::new()).send().await.unwrap();
    assert_eq!(drain(object.into_stream()).await, file.metadata().unwrap().len());
}

/// As the SDK's users do it: parts read into memory, so that they can be sent again.
async fn plain_put(s3: &Client, file: &Path) {
    let file = Arc::new(File::open(file).unwrap());
    let len = file.metadata().unwrap().len();
    let begun = s3.create_multipart_upload().bucket(SINK).key("plain");
    let begun = begun.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let parts = stream::iter((0..len).step_by(PART).zip(1..)).map(|(at, number)| {
        let file = file.clone();
        async move {
            let bytes = spawn_blocking(move || read(&file, at)).await.unwrap();
            let part = s3.upload_part().bucket(SINK).key("plain").upload_id(id).part_number(number);
            let part = part.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
            let part = part.body(ByteStream::from(bytes)).customize().disable_payload_signing();
            let sent = part.send().await?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            Ok::<_, aws_sdk_s3::Error>(part.build())
        }
    });
    let mut parts: Vec<_> = parts.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    parts.sort_by_key(|part| part.part_number);
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let done = s3.complete_multipart_upload().bucket(SINK).key("plain").upload_id(id);
    done.multipart_upload(parts).send().await.unwrap();
}

/// The part at an offset, without zeroing the memory first.
fn read(file: &File, at: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PART);
    while bytes.len() < PART {
        let offset = at + bytes.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), offset).unwrap() {
            0 => break,
            _ => continue,
        }
    }
    bytes
}

/// As the SDK's users do it: ranges ahead, in order. The pieces of a range are not even joined.
async fn plain_get(s3: &Client) {
    let head = s3.head_object().bucket(KEPT).key(KEY).send().await.unwrap();
    let len = u64::try_from(head.content_length().unwrap()).unwrap();
    let ranges = stream::iter((0..len).step_by(PART)).map(|at| async move {
        let range = format!("bytes={at}-{}", (at + PART as u64).min(len) - 1);
        let get = s3.get_object().bucket(KEPT).key(KEY).range(range).send();
        get.await.unwrap().body.collect().await.unwrap()
    });
    let mut ranges = ranges.buffered(AT_ONCE);
    while ranges.next().await.is_some() {}
}

/// A client that takes the endpoint for one with TLS.
fn s3(endpoint: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, ""))
        .endpoint_url(endpoint.replacen("http://", "https://", 1))
        .force_path_style(true)
        .http_client(WithoutTls::client())
        .region(Region::new(REGION));
    Client::from_conf(config.build())
}

/// Sends in clear what was meant for TLS, for the strictest comparison: without the hash of the
/// payload that clear text needs, and without TLS, either of which costs both sides more than
/// sealing does, and would hide it.
#[derive(Debug)]
struct WithoutTls(SharedHttpConnector);

impl WithoutTls {
    fn client() -> SharedHttpClient {
        let http = aws_smithy_http_client::Builder::new().build_http();
        http_client_fn(move |settings: &HttpConnectorSettings, components: &RuntimeComponents| {
            SharedHttpConnector::new(Self(http.http_connector(settings, components)))
        })
    }
}

impl HttpConnector for WithoutTls {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().replacen("https://", "http://", 1);
        request.set_uri(uri).unwrap();
        self.0.call(request)
    }
}

/// The bucket whose objects are kept.
pub(crate) const KEPT: &str = "kept";
/// The bucket that keeps nothing.
pub(crate) const SINK: &str = "sink";
const KEY: &str = "sealed";
const SEGMENT: usize = 64 << 10;
/// Bytes in a part or range, as in ours.
const PART: usize = 8 << 20;
/// Parts or ranges at once, as in ours.
const AT_ONCE: usize = 4;
