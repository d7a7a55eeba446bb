//! Which objects a command works on, when it may be many.

use std::collections::VecDeque;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use clap::Args;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use futures_util::stream::BoxStream;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use waxseal::ErrorKind;

use crate::args::Verbosity;
use crate::args::place;
use crate::aws::Aws;
use crate::aws::failed;
use crate::exit::Code;
use crate::exit::Failure;
use crate::input::Input;
use crate::place::Place;
use crate::place::S3Name;
use crate::report;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Which objects")]
pub(crate) struct ObjectsArgs {
    /// s3://BUCKET/KEY or a sealed file. With --recursive, s3://BUCKET/PREFIX.
    #[arg(value_name = "OBJECT", value_parser = place())]
    objects: Vec<Place>,
    /// Take all objects in S3 whose names begin so.
    #[arg(long)]
    recursive: bool,
    /// A file with one OBJECT a line; `-` is standard input.
    ///
    /// Each line is a name as a command line has it, without quotes; there are no
    /// comments. Paths in it start from the folder that the command runs in.
    #[arg(long, value_name = "FILE", value_parser = place())]
    manifest: Option<Place>,
}

/// One object, as named or listed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// A file or an object in S3.
    pub(crate) place: Place,
    /// Only with the versions asked for; `null` is one that S3 stored without versioning.
    pub(crate) version_id: Option<String>,
    /// What a listing tells.
    pub(crate) listed: Option<Listed>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    /// Stored bytes.
    pub(crate) size: u64,
    pub(crate) modified: Option<DateTime>,
}

/// Whether versions that were replaced or deleted are taken too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    Current,
    All,
}

/// Objects in the order of their naming, those of a prefix as S3 lists them.
pub(crate) type Items<'a> = BoxStream<'a, Result<Item, Failure>>;

impl ObjectsArgs {
    /// Whether nothing was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.manifest.is_none()
    }

    /// How they were named, to be pasted into another command, if it can be.
    pub(crate) fn words(&self) -> Option<String> {
        let names: Vec<_> = self.objects.iter().map(Place::to_string).collect();
        let manifest = self.manifest.as_ref().map(Place::to_string);
        // Read once, standard input is empty.
        let manifest = manifest.as_deref().filter(|name| *name != "-");
        if manifest.is_none() && self.manifest.is_some() {
            return None;
        }
        let recursive = self.recursive.then_some("--recursive");
        let manifest = manifest.into_iter().flat_map(|name| ["--manifest", name]);
        let names = names.iter().map(String::as_str);
        report::command(recursive.into_iter().chain(manifest).chain(names))
    }

    /// The object that was named, for a command that takes no more.
    ///
    /// # Errors
    ///
    /// `Code::Usage` if more were.
    pub(crate) fn at_most_one(&self) -> Result<Option<&Place>, Failure> {
        match &*self.objects {
            [] if self.manifest.is_none() && !self.recursive => Ok(None),
            [place] if self.manifest.is_none() && !self.recursive => Ok(Some(place)),
            _ => Err(Failure::usage("more than one object").remedy("name one, or give --keys")),
        }
    }

    /// All of them, listed as they are taken.
    ///
    /// # Errors
    ///
    /// `Code::Usage` if nothing was named, or something that is neither a file nor in S3. The
    /// stream ends at the first list or line that cannot be read.
    pub(crate) async fn items<'a>(
        &'a self,
        aws: &'a Aws,
        versions: Versions,
        verbosity: Verbosity,
    ) -> Result<Items<'a>, Failure> {
        if self.is_empty() {
            return Err(Failure::usage("no object is named").remedy(NAME_SOME));
        }
        let named = stream::iter(self.objects.iter().cloned().map(Ok)).boxed();
        let named = match &self.manifest {
            Some(place) => named.chain(manifest(place, verbosity).await?).boxed(),
            None => named,
        };
        let items = named.and_then(move |place| self.expand(aws, place, versions));
        Ok(items.try_flatten().boxed())
    }

    async fn expand<'a>(
        &'a self,
        aws: &'a Aws,
        place: Place,
        versions: Versions,
    ) -> Result<Items<'a>, Failure> {
        match place {
            Place::Stdio => Err(Failure::usage("standard input is not an object")
                .remedy("name files or s3:// objects; --manifest - reads their names")),
            Place::Path(path) if path.is_dir() => {
                let failure = Failure::usage(format!("{} is a folder", path.display()));
                Err(failure.remedy(
                    "name the files in it: `find FOLDER -name '*.wax'`, piped on to this command \
                     with --manifest - instead",
                ))
            }
            Place::Path(_) => Ok(one(place)),
            Place::S3(name) if self.recursive || versions == Versions::All => {
                let listing = Listing::new(aws.s3().await?, name, self.recursive, versions);
                Ok(listing.into_items())
            }
            Place::S3(name) if name.key.is_empty() || name.key.ends_with('/') => {
                Err(Failure::usage(format!("{name} is a folder"))
                    .remedy("give --recursive to take all objects in it"))
            }
            Place::S3(_) => Ok(one(place)),
        }
    }
}

fn one<'a>(place: Place) -> Items<'a> {
    stream::iter([Ok(Item { place, version_id: None, listed: None })]).boxed()
}

/// The names in a manifest. Empty lines are left out.
async fn manifest(
    place: &Place,
    verbosity: Verbosity,
) -> Result<BoxStream<'static, Result<Place, Failure>>, Failure> {
    let input = Input::open(place, verbosity).await?;
    let cannot = format!("cannot read {}", input.name());
    let reader = BufReader::new(tokio::fs::File::from_std(input.into_file()));
    // Editors on Windows begin a file with a byte order mark.
    let mut mark = Some('\u{feff}');
    let names =
        stream::try_unfold((reader.lines(), cannot), async |(mut lines, cannot)| {
            match lines.next_line().await {
                Ok(line) => Ok(line.map(|line| (line, (lines, cannot)))),
                Err(error) => Err(Failure::io(cannot, error)),
            }
        })
        .map_ok(move |line| match mark.take().and_then(|mark| line.strip_prefix(mark)) {
            Some(rest) => rest.to_owned(),
            None => line,
        });
    let names = names.try_filter(|line| std::future::ready(!line.is_empty()));
    let named = names.and_then(async |line| {
        Place::parse(line.into())
            .map_err(|e| Failure::usage(format!("in the manifest: {e}")).remedy("mend that line"))
    });
    Ok(named.boxed())
}

const CHECK_KEY: &str = "check bucket and key: `aws s3 ls` lists the keys";
const CHECK_PREFIX: &str = "check bucket and prefix: `aws s3 ls` lists what there is";
const NAME_SOME: &str =
    "name some: s3://BUCKET/KEY, --recursive s3://BUCKET/PREFIX or --manifest FILE";

/// Where a listing stands.
struct Listing {
    client: Client,
    /// Its key is the prefix, or with `is_whole_key` all of the name.
    name: S3Name,
    is_whole_key: bool,
    versions: Versions,
    /// Whether anything was listed.
    is_found: bool,
    read: VecDeque<Item>,
    /// Where the next page begins; `None` after the last.
    next: Option<Marker>,
}

/// The token, or the key and version, that a page ended with. Empty before the first.
#[derive(Default)]
struct Marker {
    token: Option<String>,
    version_id: Option<String>,
}

impl Listing {
    fn new(client: Client, name: S3Name, is_recursive: bool, versions: Versions) -> Self {
        let next = Some(Marker::default());
        let (is_whole_key, read) = (!is_recursive, VecDeque::new());
        Self { client, name, is_whole_key, versions, is_found: false, read, next }
    }

    fn into_items(self) -> Items<'static> {
        stream::try_unfold(self, async |mut listing| {
            Ok(listing.next_item().await?.map(|item| (item, listing)))
        })
        .boxed()
    }

    async fn next_item(&mut self) -> Result<Option<Item>, Failure> {
        while self.read.is_empty() {
            let Some(marker) = self.next.take() else {
                // A mistyped name must not pass for one under which all is done.
                return if self.is_found { Ok(None) } else { Err(self.missing()) };
            };
            match self.versions {
                Versions::Current => self.objects(marker).await?,
                Versions::All => self.all_versions(marker).await?,
            }
        }
        Ok(self.read.pop_front())
    }

    async fn objects(&mut self, marker: Marker) -> Result<(), Failure> {
        let S3Name { bucket, key } = &self.name;
        let request = self.client.list_objects_v2().bucket(bucket).prefix(key);
        let page = request.set_continuation_token(marker.token).send().await;
        let page = page.map_err(|e| self.cannot_list("S3 ListObjectsV2", e))?;
        let token = page.next_continuation_token().map(str::to_owned);
        self.go_on(page.is_truncated(), token, None)?;
        for object in page.contents() {
            self.take(object.key(), None, object.size(), object.last_modified());
        }
        Ok(())
    }

    async fn all_versions(&mut self, marker: Marker) -> Result<(), Failure> {
        let S3Name { bucket, key } = &self.name;
        let request = self.client.list_object_versions().bucket(bucket).prefix(key);
        let request = request.set_key_marker(marker.token);
        let page = request.set_version_id_marker(marker.version_id).send().await;
        let page = page.map_err(|e| self.cannot_list("S3 ListObjectVersions", e))?;
        let token = page.next_key_marker().map(str::to_owned);
        let version_id = page.next_version_id_marker().map(str::to_owned);
        self.go_on(page.is_truncated(), token, version_id)?;
        for version in page.versions() {
            let id = version.version_id().map(str::to_owned);
            self.take(version.key(), id, version.size(), version.last_modified());
        }
        Ok(())
    }

    /// What there is more of must not pass for the end.
    fn go_on(
        &mut self,
        is_truncated: Option<bool>,
        token: Option<String>,
        version_id: Option<String>,
    ) -> Result<(), Failure> {
        if is_truncated == Some(true) && token.is_none() {
            let text = format!("the list of {} has more, and S3 does not say where", self.name);
            return Err(Failure::new(Code::Store, text).remedy("name the objects: --manifest"));
        }
        self.next = token.map(|token| Marker { token: Some(token), version_id });
        Ok(())
    }

    fn take(
        &mut self,
        key: Option<&str>,
        version_id: Option<String>,
        size: Option<i64>,
        modified: Option<&DateTime>,
    ) {
        let Some(key) = key.filter(|key| !self.is_whole_key || *key == self.name.key) else {
            return;
        };
        let name = S3Name { bucket: self.name.bucket.clone(), key: key.to_owned() };
        let size = size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let listed = Some(Listed { size, modified: modified.copied() });
        self.is_found = true;
        self.read.push_back(Item { place: Place::S3(name), version_id, listed });
    }

    fn missing(&self) -> Failure {
        let what = if self.is_whole_key { "there is no object" } else { "there is nothing in" };
        Failure::new(Code::Store, format!("{what} {}", self.name)).remedy(if self.is_whole_key {
            CHECK_KEY
        } else {
            CHECK_PREFIX
        })
    }

    fn cannot_list<E>(&self, operation: &str, error: aws_sdk_s3::error::SdkError<E>) -> Failure
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata
            + aws_sdk_s3::operation::RequestId
            + std::error::Error
            + Send
            + Sync
            + 'static,
    {
        let what = format!("cannot list the objects of {}", self.name);
        failed(what, ErrorKind::Store, operation, error)
    }
}
