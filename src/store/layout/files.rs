//! The files of a layout's directory.
//!
//! Owns paths: nothing that is read or written here leads out of the directory.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;

use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{self, Descriptor, Manifest};
use crate::store::content::TagOrDigest;
use crate::store::layout::index::{Found, INDEX, Index, LARGEST_INDEX, referrer, shortened, unreadable};
use crate::store::layout::shared::{Attachment, Layouts, Listed, Shared};
use crate::store::layout::temporary::{TEMPORARY, Temporary};
use crate::text::sanitise;

pub const MARK: &str = "oci-layout";

/// A temporary file without a writer is swept when it is older: its writer may not have locked it yet.
pub const SWEPT_AFTER: Duration = Duration::from_secs(60);

/// The largest `oci-layout` and `index.json` that are read, in bytes.
pub const LARGEST_MARK: u64 = 64 * 1024;

/// What was changed less than this before it was read may change again without looking younger: file systems keep times
/// in steps of up to two seconds.
pub const SETTLED: Duration = Duration::from_secs(2);

/// Runs what may wait for a disk where it holds nobody up.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Local(format!("a file operation did not end: {error}"))),
    }
}

/// An [`TagOrDigest`] that can be taken along.
pub enum Place {
    Tag(String),
    Digest(Digest),
}

impl Place {
    pub fn of(at: TagOrDigest<'_>) -> Self {
        match at {
            TagOrDigest::Tag(tag) => Self::Tag(tag.to_owned()),
            TagOrDigest::Digest(digest) => Self::Digest(digest.clone()),
        }
    }

    pub fn at(&self) -> TagOrDigest<'_> {
        match self {
            Self::Tag(tag) => TagOrDigest::Tag(tag),
            Self::Digest(digest) => TagOrDigest::Digest(digest),
        }
    }
}

/// The files of a layout; everything here may wait for a disk.
pub struct Files {
    pub side: Side,
    /// As the user wrote it.
    directory: PathBuf,
    pub shared: Arc<Shared>,
}

impl Files {
    pub fn new(layouts: &Layouts, side: Side, directory: &Path) -> Result<Self, Error> {
        let root = real_root(directory).map_err(|error| failed(side, "read", directory, &error))?;
        Ok(Self { side, directory: directory.to_owned(), shared: layouts.shared(root) })
    }

    fn root(&self) -> &Path {
        &self.shared.root
    }

    /// The layout as a whole, for messages.
    pub fn place(&self) -> Object {
        Object::directory(&self.directory)
    }

    pub fn object(&self, at: TagOrDigest<'_>) -> Object {
        at.of(self.place())
    }

    // Failures.

    /// The layout as a whole is not as it must be.
    pub fn bad(&self, problem: String) -> Error {
        Error::Content { side: self.side, object: self.place(), problem }
    }

    pub fn bad_file(&self, relative: &str, digest: Option<&Digest>, problem: &str) -> Error {
        let object = digest.map_or_else(|| self.place(), |digest| self.object(TagOrDigest::Digest(digest)));
        Error::Content { side: self.side, object, problem: format!("`{relative}` {problem}") }
    }

    pub fn missing(&self, digest: &Digest) -> Error {
        self.bad_file(&blob(digest), Some(digest), "is missing")
    }

    pub fn wrong_size(&self, digest: &Digest, expected: u64, actual: u64) -> Error {
        let problem = format!("has {actual} bytes, its descriptor says {expected}");
        self.bad_file(&blob(digest), Some(digest), &problem)
    }

    pub fn absent(&self, at: TagOrDigest<'_>) -> Error {
        let TagOrDigest::Tag(tag) = at else {
            return self.bad("is not there".to_owned());
        };
        let names = self.index().map(|index| index.names()).unwrap_or_default();
        let names = if names.is_empty() { "no names".to_owned() } else { shortened(&names) };
        let problem = format!("`{INDEX}` has no entry of this name; it has {names}");
        Error::Content { side: self.side, object: self.object(TagOrDigest::Tag(tag)), problem }
    }

    pub fn failed(&self, action: &str, path: &Path, error: &io::Error) -> Error {
        failed(self.side, action, path, error)
    }

    // What the directory is.

    pub fn check_directory(&self, found: &fs::Metadata) -> Result<(), Error> {
        if found.is_dir() {
            return Ok(());
        }
        if !found.is_file() {
            return Err(self.bad("is not a directory".to_owned()));
        }
        let file = shown(&self.directory);
        Err(self.bad(format!(
            "is a file, not a directory; unpack an archive with `mkdir D && tar -xf {file} -C D`, or have buildx write a \
             directory: `--output type=oci,tar=false,dest=D`"
        )))
    }

    /// Whether there is a mark of a layout; it must be of a version that is known.
    pub fn is_marked(&self) -> Result<bool, Error> {
        let Some(bytes) = self.read(MARK, LARGEST_MARK, None)? else { return Ok(false) };
        let mark: Value =
            serde_json::from_slice(&bytes).map_err(|error| self.bad_file(MARK, None, &unreadable(&error)))?;
        match mark.get("imageLayoutVersion").and_then(Value::as_str) {
            Some(version) if version.starts_with("1.") => Ok(true),
            Some(version) => {
                let version = sanitise::line(version, 40);
                Err(self.bad_file(MARK, None, &format!("says version `{version}`; only 1.0.0 is known")))
            }
            None => Err(self.bad_file(MARK, None, "has no `imageLayoutVersion`")),
        }
    }

    /// For a directory without a mark: what it may be, and what to do.
    pub fn what_it_is(&self) -> String {
        let directory = shown(&self.directory);
        let has = |name: &str| fs::symlink_metadata(self.root().join(name)).is_ok();
        if has("manifest.json") && has("version") {
            return format!(
                "is a directory of skopeo's `dir:`, not an OCI layout; convert it: `skopeo copy dir:{directory} oci:D:TAG`"
            );
        }
        if has("manifest.json") {
            return "is an unpacked archive of `docker save`, not an OCI layout; convert the archive: `skopeo copy \
                    docker-archive:FILE oci:D:TAG`"
                .to_owned();
        }
        format!("is not an OCI layout: `{MARK}` is missing")
    }

    /// A target's directory: a layout, or empty.
    pub fn check_free(&self) -> Result<bool, Error> {
        if self.is_marked()? {
            return Ok(true);
        }
        let listing = fs::read_dir(self.root()).map_err(|error| self.failed("read", self.root(), &error))?;
        for item in listing {
            let name = item.map_err(|error| self.failed("read", self.root(), &error))?.file_name();
            // An empty volume has `lost+found`.
            if !is_temporary(&name) && name != "lost+found" {
                // Another image of this run, or another run, may have made it a layout since.
                if self.is_marked()? {
                    return Ok(true);
                }
                return Err(self.bad(
                    "the directory has other things in it and is not an OCI layout; name another, or empty it"
                        .to_owned(),
                ));
            }
        }
        Ok(false)
    }

    // Making it.

    pub fn make_root(&self) -> Result<(), Error> {
        fs::create_dir_all(self.root()).map_err(|error| self.failed("create", self.root(), &error))
    }

    /// Under the lock.
    pub fn make_layout(&self) -> Result<(), Error> {
        if !self.check_free()? {
            self.replace(MARK, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        if self.stat(INDEX, None)?.is_none() {
            let bytes = Index::empty().bytes().map_err(|problem| self.bad(problem))?;
            self.replace(INDEX, &bytes)?;
        }
        Self::sweep(self.root());
        for algorithm in ["sha256", "sha512"] {
            if let Ok(Some(folder)) = self.real(&format!("blobs/{algorithm}"), None) {
                Self::sweep(&folder);
            }
        }
        Ok(())
    }

    /// Removes what a killed run left behind, as far as it can: a living writer holds a lock on its file.
    fn sweep(folder: &Path) {
        let Ok(listing) = fs::read_dir(folder) else { return };
        for item in listing.flatten().filter(|item| is_temporary(&item.file_name())) {
            let is_old = |found: &fs::Metadata| {
                found.is_file()
                    && found.modified().ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > SWEPT_AFTER)
            };
            if item.metadata().is_ok_and(|found| is_old(&found))
                && File::open(item.path()).is_ok_and(|file| file.try_lock().is_ok())
            {
                let _ = fs::remove_file(item.path());
            }
        }
    }

    pub fn try_lock(&self) -> Result<Result<File, TryLockError>, Error> {
        let file = match File::open(self.root()) {
            Ok(file) => file,
            Err(error) => return Err(self.failed("open", self.root(), &error)),
        };
        Ok(match file.try_lock() {
            Ok(()) => Ok(file),
            Err(error) => Err(error),
        })
    }

    /// The folder of an algorithm's blobs, or the layout itself; made where it is missing, one step after the other, so
    /// that nothing is made behind a link that leads out.
    fn folder(&self, algorithm: Option<&str>) -> Result<PathBuf, Error> {
        let mut folder = self.root().to_owned();
        let Some(algorithm) = algorithm else { return Ok(folder) };
        for relative in ["blobs".to_owned(), format!("blobs/{algorithm}")] {
            let path = self.root().join(&relative);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.failed("create", &path, &error)),
            }
            folder = self
                .real(&relative, None)?
                .ok_or_else(|| self.bad_file(&relative, None, "is a link that leads nowhere"))?;
        }
        Ok(folder)
    }

    // Writing.

    pub fn temporary(&self, algorithm: Option<&str>) -> Result<Temporary, Error> {
        let folder = self.folder(algorithm)?;
        Temporary::new(&folder).map_err(|error| self.failed("write to", &folder, &error))
    }

    pub fn append(&self, mut temporary: Temporary, pieces: &[Bytes]) -> Result<Temporary, Error> {
        for piece in pieces {
            temporary.file.write_all(piece).map_err(|error| self.failed("write", &temporary.path, &error))?;
        }
        Ok(temporary)
    }

    pub fn keep(&self, temporary: Temporary, relative: &str) -> Result<(), Error> {
        let name = relative.rsplit('/').next().unwrap_or(relative);
        temporary.keep(name).map_err(|error| self.failed("write", &self.root().join(relative), &error))
    }

    /// Replaces a file of the layout itself.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let temporary = self.append(self.temporary(None)?, &[Bytes::copy_from_slice(bytes)])?;
        self.keep(temporary, name)
    }

    // Reading.

    /// Where a file really is, which must be in the layout; none where it is not.
    fn real(&self, relative: &str, digest: Option<&Digest>) -> Result<Option<PathBuf>, Error> {
        let path = self.root().join(relative);
        match fs::canonicalize(&path) {
            Ok(real) if real.starts_with(self.root()) => Ok(Some(real)),
            Ok(_) => {
                let directory = shown(&self.directory);
                let problem = format!(
                    "is a link that leads out of the layout; if that is meant, copy what it leads to: `cp -rL {directory} D`"
                );
                Err(self.bad_file(relative, digest, &problem))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &path, &error)),
        }
    }

    /// A regular file's real path and size; none where there is none.
    pub fn stat(&self, relative: &str, digest: Option<&Digest>) -> Result<Option<(PathBuf, u64)>, Error> {
        let Some(path) = self.real(relative, digest)? else { return Ok(None) };
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => Ok(Some((path, found.len()))),
            Ok(_) => Err(self.bad_file(relative, digest, "is not a regular file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &path, &error)),
        }
    }

    pub fn open(&self, relative: &str, digest: Option<&Digest>) -> Result<Option<(File, PathBuf, u64)>, Error> {
        // The check comes before the opening: to open a pipe waits for its other end.
        let Some((path, size)) = self.stat(relative, digest)? else { return Ok(None) };
        let file = File::open(&path).map_err(|error| self.failed("read", &path, &error))?;
        Ok(Some((file, path, size)))
    }

    /// A small file's bytes; none where there is none.
    fn read(&self, relative: &str, limit: u64, digest: Option<&Digest>) -> Result<Option<Bytes>, Error> {
        let Some((file, path, size)) = self.open(relative, digest)? else { return Ok(None) };
        let mut bytes = Vec::new();
        if size <= limit {
            file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| self.failed("read", &path, &error))?;
        }
        let size = size.max(bytes.len() as u64);
        if size > limit {
            let problem = format!("has {size} bytes, more than the {limit} that are read");
            return Err(self.bad_file(relative, digest, &problem));
        }
        Ok(Some(bytes.into()))
    }

    pub fn blob_bytes(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        self.read(&blob(digest), manifest::LARGEST as u64, Some(digest))
    }

    pub fn index(&self) -> Result<Arc<Index>, Error> {
        let mut list = self.shared.list.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.stat(INDEX, None)?;
        let looks = found.and_then(|(path, size)| Some((fs::metadata(path).ok()?.modified().ok()?, size)));
        if let Some(known) = list.as_ref().filter(|known| looks == Some((known.modified, known.size))) {
            return Ok(Arc::clone(&known.index));
        }
        let is_settled = |modified: &SystemTime| modified.elapsed().is_ok_and(|age| age > SETTLED);
        let settled = looks.filter(|(modified, _)| is_settled(modified));
        *list = None;
        let index = Arc::new(self.read_index()?);
        *list = settled.map(|(modified, size)| Listed { modified, size, index: Arc::clone(&index) });
        Ok(index)
    }

    pub fn read_index(&self) -> Result<Index, Error> {
        let Some(bytes) = self.read(INDEX, LARGEST_INDEX, None)? else {
            // A target is empty before its first write.
            return match self.side {
                Side::Target => Ok(Index::empty()),
                Side::Source => Err(self.bad_file(INDEX, None, "is missing")),
            };
        };
        Index::parse(&bytes).map_err(|problem| self.bad_file(INDEX, None, &problem))
    }

    /// What is known of the manifest at `at`; a digest is its own proof and needs no entry.
    pub fn find(&self, at: TagOrDigest<'_>) -> Result<Option<Found>, Error> {
        match at {
            TagOrDigest::Digest(digest) => Ok(Some(Found { digest: digest.clone(), size: None, media_type: None })),
            // A tag is written by its exact name, so at the target only that counts.
            TagOrDigest::Tag(tag) => {
                self.index()?.named(tag, self.side == Side::Source).map_err(|problem| self.bad(problem))
            }
        }
    }

    /// A manifest, its bytes checked; none where its file is missing.
    pub fn load(&self, at: TagOrDigest<'_>, found: &Found) -> Result<Option<Manifest>, Error> {
        let Some(bytes) = self.blob_bytes(&found.digest)? else { return Ok(None) };
        if let Some(expected) = found.size.filter(|size| *size != bytes.len() as u64) {
            return Err(self.wrong_size(&found.digest, expected, bytes.len() as u64));
        }
        let mut hasher = found.digest.hasher();
        hasher.update(&bytes);
        let actual = hasher.finish();
        if actual != found.digest {
            return Err(Error::DigestMismatch {
                side: self.side,
                object: self.object(at),
                expected: found.digest.clone(),
                actual: actual.to_string(),
            });
        }
        let manifest = Manifest::parse(bytes, found.media_type.as_deref(), actual);
        manifest.map(Some).map_err(|problem| Error::Content {
            side: self.side,
            object: self.object(at),
            problem: sanitise::line(&problem, 300),
        })
    }

    /// What an entry of `index.json` is attached to. An entry that cannot be read is an error: it may be a signature.
    pub fn attachment(&self, entry: &Descriptor) -> Result<Attachment, Error> {
        let known = |shared: &Shared| {
            shared.attachments.lock().unwrap_or_else(PoisonError::into_inner).get(&entry.digest).cloned()
        };
        if let Some(attachment) = known(&self.shared) {
            return Ok(attachment);
        }
        let found =
            Found { digest: entry.digest.clone(), size: Some(entry.size), media_type: Some(entry.media_type.clone()) };
        let manifest =
            self.load(TagOrDigest::Digest(&entry.digest), &found)?.ok_or_else(|| self.missing(&entry.digest))?;
        let attachment = Attachment {
            subject: manifest.subject.as_ref().map(|subject| subject.digest.clone()),
            descriptor: referrer(&manifest),
        };
        let mut attachments = self.shared.attachments.lock().unwrap_or_else(PoisonError::into_inner);
        attachments.insert(entry.digest.clone(), attachment.clone());
        Ok(attachment)
    }
}

/// A blob's file in the layout. A digest is hexadecimal: no path comes in by it.
pub fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TEMPORARY))
}

/// The directory's real path; where it does not exist yet, that of what exists of it, and the rest.
pub fn real_root(directory: &Path) -> io::Result<PathBuf> {
    let directory = std::path::absolute(directory)?;
    let mut rest = Vec::new();
    let mut existing = directory.as_path();
    loop {
        match fs::canonicalize(existing) {
            Ok(real) => return Ok(rest.iter().rev().fold(real, |path, name| path.join(name))),
            Err(error) if error.kind() == ErrorKind::NotFound => match (existing.parent(), existing.file_name()) {
                (Some(parent), Some(name)) => {
                    rest.push(name);
                    existing = parent;
                }
                // `..` below what does not exist.
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
}

pub fn failed(side: Side, action: &str, path: &Path, error: &io::Error) -> Error {
    Error::Local(format!("{side}: cannot {action} {}: {}", shown(path), sanitise::line(&error.to_string(), 200)))
}

pub fn shown(path: &Path) -> String {
    sanitise::line(&path.to_string_lossy(), 300)
}
