//! One account of one pretended AWS: the entry point of the crate.
//!
//! Knows how the parts are put together, not what they do.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use crate::fault::Fault;
use crate::http::Backend;
use crate::http::InProcess;
use crate::kms::Kms;
use crate::record::Call;
use crate::s3::OpenUpload;
use crate::sdk::Sdk;
use crate::server::Server;

/// KMS and S3 of one account, in this process.
///
/// Clones share everything. Data in a temporary folder is deleted with the last clone, the
/// last client and the last [`Server`].
#[derive(Clone, Debug)]
pub struct LocalAws {
    backend: Arc<Backend>,
    sdk: Sdk,
}

/// Settings of a [`LocalAws`] that must be known before it starts.
#[derive(Debug, Default)]
pub struct Builder {
    data_dir: Option<PathBuf>,
}

impl LocalAws {
    /// Starts with no key, no bucket and a temporary folder.
    ///
    /// # Errors
    ///
    /// If the temporary folder cannot be made.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Settings other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A KMS client of the SDK that calls this process directly.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::from_conf(self.kms_config().build())
    }

    /// The settings behind [`kms`](Self::kms), for tests that change some of them.
    pub fn kms_config(&self) -> aws_sdk_kms::config::Builder {
        self.sdk.kms_config()
    }

    /// An S3 client of the SDK that calls this process directly.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.s3_config().build())
    }

    /// The settings behind [`s3`](Self::s3), for tests that change some of them.
    pub fn s3_config(&self) -> aws_sdk_s3::config::Builder {
        self.sdk.s3_config()
    }

    /// Opens both services to other programs, on one loopback port that the system chooses.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_on(0).await
    }

    /// Like [`serve`](Self::serve), on a given loopback port.
    ///
    /// # Errors
    ///
    /// If the port cannot be bound.
    pub async fn serve_on(&self, port: u16) -> io::Result<Server> {
        Server::bind(Arc::clone(&self.backend), port).await
    }

    /// Like [`serve`](Self::serve) over TLS, with a new certificate that signs itself: see
    /// [`Server::certificate_pem`].
    ///
    /// # Errors
    ///
    /// If no port can be bound or no certificate be made.
    pub async fn serve_tls(&self) -> io::Result<Server> {
        Server::bind_tls(Arc::clone(&self.backend)).await
    }

    /// Makes a KMS key under an alias, or finds the one the alias already names; returns its
    /// ARN. Not recorded.
    ///
    /// # Panics
    ///
    /// If `alias` is not a legal alias name such as `alias/demo`.
    pub fn create_key(&self, alias: &str) -> String {
        self.backend.kms.create_key(alias)
    }

    /// The same for a key that signs: `ECC_NIST_P384`.
    ///
    /// # Panics
    ///
    /// As [`create_key`](Self::create_key).
    pub fn create_signing_key(&self, alias: &str) -> String {
        self.backend.kms.create_signing_key(alias)
    }

    /// Makes an S3 bucket unless it is there. Not recorded.
    ///
    /// # Panics
    ///
    /// If `bucket` is not a legal bucket name, or its folder cannot be made.
    pub fn create_bucket(&self, bucket: &str) {
        self.backend.files.create_bucket(bucket);
    }

    /// Makes an S3 bucket that reads what is put into it and keeps none of it: its objects have
    /// names and metadata and are empty. For measuring clients without a server that hashes and
    /// writes. Not recorded.
    ///
    /// # Panics
    ///
    /// As [`create_bucket`](Self::create_bucket).
    pub fn create_sink(&self, bucket: &str) {
        self.backend.files.create_sink(bucket);
    }

    /// The KMS itself, to deny the use of keys or to call it without HTTP.
    pub fn kms_state(&self) -> &Kms {
        &self.backend.kms
    }

    /// The folder of the buckets. Each object is a file `bucket/key`.
    pub fn data_dir(&self) -> &Path {
        self.backend.files.root()
    }

    /// Requests received so far, oldest first, in the order of arrival.
    ///
    /// A request that has no reply yet is included, without a status.
    pub fn calls(&self) -> Vec<Call> {
        self.backend.log.calls()
    }

    /// Number of requests received for one operation, such as `Decrypt` or `PutObject`.
    pub fn count(&self, operation: &str) -> usize {
        self.calls().iter().filter(|call| call.operation == operation).count()
    }

    /// Sum of the body bytes of all successful `GetObject` replies.
    pub fn bytes_fetched(&self) -> u64 {
        let calls = self.calls();
        calls.iter().filter(|call| call.operation == "GetObject").map(|c| c.response_bytes).sum()
    }

    /// Forgets the recorded requests.
    pub fn reset_calls(&self) {
        self.backend.log.reset();
    }

    /// Asks `hook` about each request before it is carried out; `None` lets it pass.
    ///
    /// Replaces the previous hook. Faults planned by [`fail`](Self::fail) go first. A hook
    /// that owns a clone of this `LocalAws` keeps it, and its folder, for ever.
    pub fn on_request(&self, hook: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.backend.faults.set_hook(hook);
    }

    /// Makes the next `times` requests for `operation` fail. The SDK's retries count too.
    pub fn fail(&self, operation: &str, times: usize, fault: Fault) {
        self.backend.faults.plan(operation, times, fault);
    }

    /// Removes the hook and all planned faults.
    pub fn clear_faults(&self) {
        self.backend.faults.clear();
    }

    /// The stored bytes of an object. Not recorded.
    ///
    /// # Panics
    ///
    /// If there is no such object.
    pub fn read_object(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.backend.files.read(bucket, key)
    }

    /// Replaces the stored bytes of an object, as someone with write access would: metadata
    /// stays, the ETag becomes that of the new bytes. Not recorded.
    ///
    /// To replace bytes under an unchanged ETag, write the file in [`data_dir`](Self::data_dir).
    ///
    /// # Panics
    ///
    /// If there is no such object.
    pub fn write_object_bytes(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.backend.files.write(bucket, key, bytes);
    }

    /// The user metadata of an object, names without `x-amz-meta-`. Not recorded.
    ///
    /// # Panics
    ///
    /// If there is no such object.
    pub fn object_metadata(&self, bucket: &str, key: &str) -> BTreeMap<String, String> {
        self.backend.files.metadata(bucket, key)
    }

    /// Replaces the user metadata of an object and nothing else. Not recorded.
    ///
    /// # Panics
    ///
    /// If there is no such object.
    pub fn set_object_metadata(&self, bucket: &str, key: &str, metadata: BTreeMap<String, String>) {
        self.backend.files.set_metadata(bucket, key, metadata);
    }

    /// Multipart uploads that were neither completed nor aborted, in no particular order.
    pub fn open_uploads(&self) -> Vec<OpenUpload> {
        self.backend.files.open_uploads()
    }
}

impl Builder {
    /// Keeps buckets and KMS keys in `path`, where a later start finds them again.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Starts.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or read, or holds a damaged KMS key file.
    pub async fn start(self) -> io::Result<LocalAws> {
        let (backend, own_dir) = match self.data_dir {
            Some(path) => {
                std::fs::create_dir_all(&path)?;
                (Backend::new(&path, Kms::open(path.join(KMS_FILE))?)?, None)
            }
            None => {
                let dir = TempDir::new()?;
                (Backend::new(dir.path(), Kms::new())?, Some(dir))
            }
        };
        let backend = Arc::new(backend.owning(own_dir));
        let sdk = Sdk::new(InProcess::client(Arc::clone(&backend)), "http://aws.local");
        Ok(LocalAws { backend, sdk })
    }
}

/// Hidden, so that no bucket can have the name and S3 does not list it.
const KMS_FILE: &str = ".kms.json";
