//! Binding a body to the place it is stored at, or to a label.

use std::borrow::Cow;

use crate::error::Error;
use crate::error::Result;

/// What a sealed object is bound to besides its encryption context.
///
/// Writing, it becomes part of the body's keys. Reading, a cipher with a binding refuses every
/// object that is not bound in that way: what the object itself says is not trusted for that.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Binding {
    /// Nothing: objects can be renamed, copied and restored elsewhere. Reading, any object is
    /// accepted; one bound to its place must still be at that place.
    #[default]
    None,
    /// The key (name) in its bucket: exchanging two objects is refused, so is a rename.
    Key,
    /// Bucket and key.
    BucketAndKey,
    /// A name of the caller's that survives renames, such as a table and file id.
    Label(String),
}

/// Where an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

impl Binding {
    pub(super) fn mode(&self) -> Mode {
        match self {
            Self::None => Mode::None,
            Self::Key => Mode::Key,
            Self::BucketAndKey => Mode::BucketAndKey,
            Self::Label(_) => Mode::Label,
        }
    }
}

/// [`Binding`] as stored, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    None,
    Key,
    BucketAndKey,
    Label,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Key => "key",
            Self::BucketAndKey => "bucket-key",
            Self::Label => "label",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Key, Self::BucketAndKey, Self::Label]
            .into_iter()
            .find(|mode| mode.name() == name)
    }

    /// What seals another object so.
    #[cfg(feature = "s3")]
    pub(super) fn as_known_to(self, own: &Binding) -> Result<Binding> {
        match (self, own) {
            (Self::None, _) => Ok(Binding::None),
            (Self::Key, _) => Ok(Binding::Key),
            (Self::BucketAndKey, _) => Ok(Binding::BucketAndKey),
            (Self::Label, Binding::Label(_)) => Ok(own.clone()),
            (Self::Label, _) => Err(no_label()),
        }
    }

    /// The byte that stands for it in the AAD.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Key => 1,
            Self::BucketAndKey => 2,
            Self::Label => 3,
        }
    }

    /// The bytes that an object bound in this way is bound to, from what the caller knows.
    pub(super) fn value<'a>(
        self,
        own: &'a Binding,
        location: Option<Location<'a>>,
    ) -> Result<Cow<'a, [u8]>> {
        let missing = |what| Err(Error::format(format!("the object is bound to its {what}")));
        match (self, location, own) {
            (Self::None, ..) => Ok(Cow::Borrowed(b"")),
            (Self::Key, Some(at), _) => Ok(Cow::Borrowed(at.key.as_bytes())),
            // A bucket name has no slash.
            (Self::BucketAndKey, Some(at), _) => {
                Ok(Cow::Owned(format!("{}/{}", at.bucket, at.key).into_bytes()))
            }
            (Self::Label, _, Binding::Label(label)) => Ok(Cow::Borrowed(label.as_bytes())),
            (Self::Key, ..) => missing("key in S3; seal and open it there"),
            (Self::BucketAndKey, ..) => missing("bucket and key in S3; seal and open it there"),
            (Self::Label, ..) => Err(no_label()),
        }
    }
}

fn no_label() -> Error {
    Error::format("the object is bound to its label; open it with Binding::Label")
}
