//! Where bytes come from or go: standard input and output, a path, an S3 object.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

/// One end of a command, as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Path(PathBuf),
    S3(S3Name),
    /// `-`
    Stdio,
}

/// `s3://bucket/key`; the key may be empty where a folder will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Name {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Place {
    /// For clap.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty path".to_owned());
        }
        if text == "-" {
            return Ok(Self::Stdio);
        }
        if !text.as_encoded_bytes().starts_with(S3_SCHEME.as_bytes()) {
            return Ok(Self::Path(text.into()));
        }
        let text = text.into_string().map_err(|_| "not valid UTF-8".to_owned())?;
        let name = &text[S3_SCHEME.len()..];
        let (bucket, key) = name.split_once('/').unwrap_or((name, ""));
        if bucket.is_empty() {
            return Err("want s3://BUCKET/KEY".to_owned());
        }
        Ok(Self::S3(S3Name { bucket: bucket.to_owned(), key: key.to_owned() }))
    }

    /// The last part of the name, for use in another folder. `None` if it could lead elsewhere.
    pub(crate) fn file_name(&self) -> Option<String> {
        let name = match self {
            Self::Path(path) => path.file_name()?.to_str()?,
            Self::S3(name) => name.key.rsplit('/').next()?,
            Self::Stdio => return None,
        };
        let plain = !name.contains(['\0', '\\', ':']) && !matches!(name, "" | "." | "..");
        plain.then(|| name.to_owned())
    }

    /// Where something called `name` goes when this is a folder: one that is there, or a name
    /// that ends with a slash.
    pub(crate) fn or_inside(self, name: Option<String>) -> Result<Self, String> {
        let is_folder = match &self {
            Self::Path(path) => path.is_dir() || ends_with_slash(path),
            Self::S3(to) => to.key.is_empty() || to.key.ends_with('/'),
            Self::Stdio => false,
        };
        if !is_folder {
            return Ok(self);
        }
        let name = name.ok_or_else(|| format!("{self} is a folder, and no file name is known"))?;
        Ok(match self {
            Self::Path(path) => Self::Path(path.join(name)),
            Self::S3(to) => Self::S3(S3Name { key: to.key + &name, ..to }),
            Self::Stdio => self,
        })
    }
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|&b| std::path::is_separator(b.into()))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::S3(name) => name.fmt(f),
            Self::Stdio => f.write_str("-"),
        }
    }
}

impl fmt::Display for S3Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{S3_SCHEME}{}/{}", self.bucket, self.key)
    }
}

const S3_SCHEME: &str = "s3://";

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::parse(text.into()).unwrap()
    }

    #[test]
    fn names_are_read() {
        assert_eq!(place("-"), Place::Stdio);
        assert_eq!(place("./-"), Place::Path("./-".into()));
        assert_eq!(place("s3://b/a/c").to_string(), "s3://b/a/c");
        assert_eq!(place("s3://b").to_string(), "s3://b/");
        assert!(Place::parse("s3:///k".into()).is_err());
        assert!(Place::parse("".into()).is_err());
    }

    #[test]
    fn a_folder_takes_the_name_of_the_source() {
        let into = |to: &str, from: &str| place(to).or_inside(place(from).file_name());
        assert_eq!(into("s3://b/x/", "dir/f.csv"), Ok(place("s3://b/x/f.csv")));
        assert_eq!(into("s3://b", "s3://c/x/f.csv"), Ok(place("s3://b/f.csv")));
        assert_eq!(into("s3://b/k", "f.csv"), Ok(place("s3://b/k")));
        assert_eq!(into("/", "s3://b/etc"), Ok(place("/etc")));
        assert!(into("s3://b/x/", "-").is_err());
    }

    #[test]
    fn a_stored_name_never_leads_out_of_the_folder() {
        for key in ["a/..", "a/.", "a/", "..", "a\\..\\b", "a/C:x", "a/\0"] {
            let name = S3Name { bucket: "b".into(), key: key.into() };
            assert_eq!(Place::S3(name).file_name(), None, "{key:?}");
        }
    }
}
