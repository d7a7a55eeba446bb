//! Every way in which objects are sealed and opened.

use std::fs::File;
#[cfg(feature = "s3")]
use std::io::Write as _;

use bytes::Bytes;
use waxseal::Body;
use waxseal::EnvelopeCipher;
use waxseal::FileSink;
use waxseal::Result;
#[cfg(feature = "s3")]
use waxseal::{Placement, S3EncryptionClient};

use crate::people::context;
use crate::people::plain;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `seal` and `open`.
    Slice,
    /// `seal_stream` and `open_stream`, fed one byte at a time.
    Stream,
    /// `seal_stream` and `open_at`.
    Random,
    /// `seal_with_metadata` and `open_with_metadata`.
    Metadata,
    /// `seal_file` and `open_file`, of so many bytes that threads do it or so few that they do not.
    File(usize),
    /// `put_object` and `get_object`, from a file or from memory.
    #[cfg(feature = "s3")]
    S3 { placement: Placement, of_file: bool, len: usize },
}

impl Way {
    pub(crate) fn all() -> Vec<Self> {
        let mut all =
            vec![Self::Slice, Self::Stream, Self::Random, Self::Metadata, Self::File(1000)];
        all.push(Self::File(3 << 20));
        #[cfg(feature = "s3")]
        for placement in [Placement::Metadata, Placement::Inline] {
            for of_file in [true, false] {
                for len in [1000, 6 << 20] {
                    all.push(Self::S3 { placement, of_file, len });
                }
            }
        }
        all
    }

    /// Has `writer` seal something, and `reader` open it. What comes out was sealed.
    pub(crate) async fn pass(self, writer: &EnvelopeCipher, reader: &EnvelopeCipher) -> Result<()> {
        let (context, sealed) = (context(), plain(9000));
        let opened = match self {
            Self::Slice => reader.open(&writer.seal(&sealed, &context).await?, &context).await?,
            Self::Stream => {
                let body = writer.seal_stream(Body::from(sealed.clone()), &context).await?;
                let stored = body.collect().await?;
                let bytes =
                    (0..stored.len()).map(|at| Ok::<_, waxseal::Error>(stored.slice(at..at + 1)));
                let body = Body::from_stream(futures_util::stream::iter(bytes.collect::<Vec<_>>()));
                reader.open_stream(body, &context).await?.collect().await?
            }
            Self::Random => {
                let body = writer.seal_stream(Body::from(sealed.clone()), &context).await?;
                let object = reader.open_at(body.collect().await?, &context).await?;
                object.into_stream().collect().await?
            }
            Self::Metadata => {
                let body = Body::from(sealed.clone());
                let (metadata, body) = writer.seal_with_metadata(body, &context).await?;
                let metadata = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
                let stored = body.collect().await?;
                let object = reader.open_with_metadata(metadata, stored, &context).await?;
                object.into_stream().collect().await?
            }
            Self::File(len) => return through_files(writer, reader, len).await,
            #[cfg(feature = "s3")]
            Self::S3 { placement, of_file, len } => {
                return through_s3(writer, reader, placement, of_file, len).await;
            }
        };
        assert_eq!(opened, Bytes::from(sealed), "{self:?}");
        Ok(())
    }
}

async fn through_files(writer: &EnvelopeCipher, reader: &EnvelopeCipher, len: usize) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let new = |name| FileSink::from(File::create(path(name)).unwrap());
    let open = |name| File::open(path(name)).unwrap();
    std::fs::write(path("plain"), plain(len)).unwrap();
    writer.seal_file(open("plain"), new("sealed"), &context()).run().await?;
    let done = reader.open_file(open("sealed"), new("opened"), &context()).run().await;
    let opened = std::fs::read(path("opened")).unwrap();
    assert!(opened == if done.is_ok() { plain(len) } else { vec![] });
    done.map(drop)
}

#[cfg(feature = "s3")]
async fn through_s3(
    writer: &EnvelopeCipher,
    reader: &EnvelopeCipher,
    placement: Placement,
    of_file: bool,
    len: usize,
) -> Result<()> {
    let aws = waxseal_testkit::LocalAws::start().await.unwrap();
    aws.create_bucket("bucket");
    let client = |cipher: &EnvelopeCipher| {
        S3EncryptionClient::new(aws.s3(), cipher.clone()).part_len(0).placement(placement)
    };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&plain(len)).unwrap();
    let body = if of_file { Body::from_path(file.path()) } else { Body::from(plain(len)) };
    client(writer).put_object("bucket", "k", body, &context()).send().await?;
    let object = client(reader).get_object("bucket", "k", &context()).send().await?;
    assert!(object.into_stream().collect().await? == plain(len));
    Ok(())
}
