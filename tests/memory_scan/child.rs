//! What the scanned process does: seals and opens through KMS, and stops to be looked at.

use std::env;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::BehaviorVersion;
use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::config::Region;
use aws_sdk_kms::config::SharedHttpClient;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;
use waxseal::Body;
use waxseal::CachingKeyring;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring as _;
use waxseal::KmsKeyring;
use waxseal::LocalKeyring;
use waxseal::NewFile;
use waxseal::floe::HEADER_LEN;

use crate::parent::CONTEXT;
use crate::parent::ENDPOINT;
use crate::parent::GO_ON;
use crate::parent::KEY;
use crate::parent::KEY_FILE;
use crate::parent::MARK;
use crate::parent::REGION;

/// Whether this process is the one to be scanned.
pub(crate) fn is_me() -> bool {
    env::var_os(ENDPOINT).is_some()
}

#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(http: SharedHttpClient) {
    let scene = Scene::new(http);
    scene.data_key().await;
    scene.sealing().await;
    let sealed = scene.opening().await;
    scene.files().await;
    scene.errors(&sealed).await;
    scene.cancelled(sealed).await;
    scene.panics().await;
    scene.key_file().await;
    scene.cached().await;
    checkpoint("gone", "in the end", b"");
    // So that the scanner is shown to see what is left behind.
    let left = scene.keyring.generate_data_key(&KeyRequest::new(&scene.context)).await.unwrap();
    std::mem::forget(std::hint::black_box(Box::new(*left.key().expose())));
    drop(left);
    checkpoint("live data key", "a copy is forgotten", b"");
}

struct Scene {
    cipher: EnvelopeCipher,
    keyring: KmsKeyring,
    context: EncryptionContext,
}

impl Scene {
    fn new(http: SharedHttpClient) -> Self {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(env::var(ENDPOINT).unwrap())
            .http_client(http)
            .region(Region::new(REGION));
        let keyring = KmsKeyring::new(Client::from_conf(config.build()), KEY);
        let cipher = EnvelopeCipher::new(keyring.clone()).segment_len(4096);
        Self { cipher, keyring, context: EncryptionContext::from([CONTEXT]) }
    }

    async fn data_key(&self) {
        let key = self.keyring.generate_data_key(&KeyRequest::new(&self.context)).await.unwrap();
        checkpoint("live data key", "a data key is held", b"");
        drop(key);
        checkpoint("gone", "it is dropped", b"");
    }

    async fn sealing(&self) {
        let mut sealing = self.cipher.seal_stream(endless(), &self.context).await.unwrap();
        let begin = sealing.next().await.unwrap().unwrap();
        checkpoint(
            "live message key, segment key",
            "a stream is being sealed",
            &prelude_in(&begin),
        );
        drop(sealing);
        checkpoint("gone", "it is dropped half way", b"");
    }

    async fn opening(&self) -> Bytes {
        let sealed = self.cipher.seal(&vec![7; 1 << 20], &self.context).await.unwrap();
        checkpoint("gone", "bytes were sealed", &prelude_in(&sealed));
        let pieces: Vec<Bytes> = sealed.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, io::Error>));
        let body = Body::from_stream(pieces);
        let mut opening = self.cipher.open_stream(body, &self.context).await.unwrap();
        opening.next().await.unwrap().unwrap();
        checkpoint("live message key, segment key", "a stream is being opened", b"");
        while opening.next().await.transpose().unwrap().is_some() {}
        drop(opening);
        checkpoint("gone", "it was opened to the end", b"");
        let object = self.cipher.open_at(sealed.clone(), &self.context).await.unwrap();
        object.range_stream(5000..9000).unwrap().collect().await.unwrap();
        checkpoint("live message key, segment key", "an object is open for ranges", b"");
        drop(object);
        checkpoint("gone", "it is dropped", b"");
        sealed
    }

    /// On several threads.
    async fn files(&self) {
        let folder = tempfile::tempdir().unwrap();
        let [plain, sealed, opened] = ["plain", "sealed", "opened"].map(|n| folder.path().join(n));
        std::fs::write(&plain, vec![7; 4 << 20]).unwrap();
        let to = NewFile::create(&sealed).unwrap();
        let from = File::open(&plain).unwrap();
        self.cipher.seal_file(from, &to, &self.context).run().await.unwrap();
        to.commit().unwrap();
        let to = NewFile::create(&opened).unwrap();
        let from = File::open(&sealed).unwrap();
        self.cipher.open_file(from, &to, &self.context).run().await.unwrap();
        let bytes = std::fs::read(&sealed).unwrap();
        checkpoint("gone", "a file was sealed and opened on threads", &prelude_in(&bytes));
        let from = File::open(&sealed).unwrap();
        let to = NewFile::create(&opened).unwrap();
        let panicking =
            self.cipher.open_file(from, &to, &self.context).progress(|_| panic!("here"));
        let failed = tokio::spawn(panicking.run()).await;
        assert!(!matches!(failed, Ok(Ok(_))), "{failed:?}");
        checkpoint("gone", "its progress callback panicked", b"");
    }

    /// Nothing is asked of the cache but to keep the key: that it is wiped is its own doing.
    async fn cached(&self) {
        let age = Duration::from_secs(5); // so long a scan must not take
        let cache = CachingKeyring::builder(self.keyring.clone()).max_age(age).build().unwrap();
        let cipher = EnvelopeCipher::new(cache.clone());
        let sealed = cipher.seal(b"attack at dawn", &self.context).await.unwrap();
        let expires = Instant::now() + age;
        let kept = if cfg!(feature = "locked-memory") { "gone" } else { "live data key" };
        checkpoint(kept, "a cache holds a data key", &prelude_in(&sealed));
        tokio::time::sleep_until(expires + age / 10).await;
        checkpoint("gone", "it is too old", b"");
        cipher.seal(b"attack at dawn", &self.context).await.unwrap();
        cache.clear();
        checkpoint("gone", "another one was cleared", b"");
        cipher.seal(b"attack at dawn", &self.context).await.unwrap();
        drop((cache, cipher));
        checkpoint("gone", "the cache is dropped", b"");
    }

    /// Without KMS.
    async fn key_file(&self) {
        let keys = KeyFile::load(env::var_os(KEY_FILE).unwrap()).unwrap();
        let cipher = EnvelopeCipher::new(LocalKeyring::new(keys));
        let sealed = cipher.seal(b"attack at dawn", &self.context).await.unwrap();
        cipher.open(&sealed, &self.context).await.unwrap();
        checkpoint("live wrapping key", "a key file was used", &prelude_in(&sealed));
        drop(cipher);
        checkpoint("gone", "it is dropped", b"");
    }

    async fn errors(&self, sealed: &Bytes) {
        let other = EncryptionContext::from([("tenant", "rival")]);
        let refused = self.cipher.open(sealed, &other).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Authentication);
        checkpoint("gone", "another context was refused", b"");
        // In the header tag, once KMS has unwrapped the key; and in the last segment.
        let tag_at = header_at(sealed) + HEADER_LEN - 1;
        for (at, what) in [(tag_at, "a bad header"), (sealed.len() - 1, "a bad segment")] {
            let mut altered = sealed.to_vec();
            altered[at] ^= 1;
            let refused = self.cipher.open(&altered, &self.context).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Authentication);
            let refused = match self.cipher.open_stream(altered, &self.context).await {
                Ok(opening) => opening.collect().await.unwrap_err(),
                Err(refused) => refused,
            };
            assert_eq!(refused.kind(), ErrorKind::Authentication);
            checkpoint("gone", &format!("{what} was refused"), b"");
        }
    }

    async fn cancelled(&self, sealed: Bytes) {
        checkpoint("stall", "the next reply of KMS stalls at its end", b"");
        let (cipher, context) = (self.cipher.clone(), self.context.clone());
        let opening = tokio::spawn(async move { cipher.open(&sealed, &context).await.map(drop) });
        checkpoint("arriving", "a reply of KMS is arriving", b"");
        opening.abort();
        assert!(opening.await.unwrap_err().is_cancelled());
        checkpoint("gone", "the call was cancelled", b"");
    }

    async fn panics(&self) {
        let first = Arc::new(Mutex::new(Bytes::new()));
        let mut left = 8;
        let panicking = endless().map(move |item| {
            left -= 1;
            assert!(left > 0, "a source that panics");
            item
        });
        let (cipher, context, kept) = (self.cipher.clone(), self.context.clone(), first.clone());
        let sealing = tokio::spawn(async move {
            let body = Body::from_stream(panicking);
            let mut sealing = cipher.seal_stream(body, &context).await.unwrap();
            *kept.lock().unwrap() = sealing.next().await.unwrap().unwrap();
            while sealing.next().await.is_some() {}
        });
        assert!(sealing.await.unwrap_err().is_panic());
        let begin = first.lock().unwrap().clone();
        checkpoint("gone", "the source of a stream panicked", &prelude_in(&begin));
    }
}

/// Plaintext that never ends.
fn endless() -> Body {
    let piece = Bytes::from(vec![7; 64 << 10]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, io::Error>(piece.clone())))
}

fn header_at(sealed: &[u8]) -> usize {
    Envelope::from_inline(sealed).unwrap().unwrap().1
}

/// Envelope and header.
fn prelude_in(sealed: &[u8]) -> Vec<u8> {
    sealed[..header_at(sealed) + HEADER_LEN].to_vec()
}

/// Says where we are, and waits for leave to go on.
fn checkpoint(expect: &str, what: &str, prelude: &[u8]) {
    let prelude: String = prelude.iter().map(|byte| format!("{byte:02x}")).collect();
    // Past the test harness, which would collect it.
    let mut out = io::stdout();
    writeln!(out, "{MARK}{expect}:{what}:{prelude}").unwrap();
    out.flush().unwrap();
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).unwrap();
    assert_eq!(answer.trim(), GO_ON, "the scanner has gone");
}
