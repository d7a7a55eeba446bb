//! Files of a few units, and a folder for them.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::FileTransfer;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::NewFile;
use waxseal::SecretKey;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;
/// Length of the inline envelope and the header behind it.
pub(crate) const FRONT: usize = 1024 + 74;

pub(crate) fn cipher(segment_len: usize) -> EnvelopeCipher {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let keyring = LocalKeyring::new(KeyFile::from_key("test", key).unwrap());
    EnvelopeCipher::new(keyring).segment_len(segment_len.try_into().unwrap())
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

/// Bytes that differ from segment to segment.
pub(crate) fn plain(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A way to write what comes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// A new file, at several places at a time.
    New,
    /// An open file, in order.
    Open,
}

pub(crate) const BOTH: [To; 2] = [To::New, To::Open];

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> File {
        std::fs::write(self.path(name), bytes).unwrap();
        File::open(self.path(name)).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs a transfer; what it wrote, and how it ended.
    pub(crate) async fn run(
        &self,
        to: To,
        transfer: impl FnOnce(waxseal::FileSink) -> FileTransfer,
    ) -> (Vec<u8>, Result<u64, Error>) {
        let path = self.path("to");
        let outcome = match to {
            To::New => {
                let new = NewFile::create(&path).unwrap();
                let outcome = transfer((&new).into()).run().await;
                if outcome.is_ok() {
                    new.commit().unwrap();
                }
                outcome
            }
            To::Open => transfer(File::create(&path).unwrap().into()).run().await,
        };
        let mut written = vec![];
        if let Ok(mut file) = File::open(&path) {
            file.read_to_end(&mut written).unwrap();
            std::fs::remove_file(&path).unwrap();
        }
        (written, outcome)
    }
}
