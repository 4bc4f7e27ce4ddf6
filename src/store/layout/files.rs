//! The files of a layout's directory.
//!
//! Owns paths: nothing that is read or written here leads out of the directory.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cap_std::fs::Metadata;
use serde_json::Value;

use crate::directory::{Directory, TEMPORARY, Temporary, leads_out};
use crate::error::object::Object;
use crate::error::{Error, Side, ToldBy};
use crate::oci::artifact::is_attachment_tag;
use crate::oci::digest::Digest;
use crate::oci::manifest::{self, Descriptor, Manifest};
use crate::store::content::TagOrDigest;
use crate::store::layout::index::{
    Found, INDEX, Index, LARGEST_INDEX, Name, described, referrer, shortened, unreadable,
};
use crate::store::layout::shared::{Attachment, Layouts, Listed, Shared};
use crate::sync::LockExt as _;
use crate::text::sanitise;

pub const MARK: &str = "oci-layout";

/// A temporary file without a writer is swept when it is older: its writer may not have locked it yet.
pub const SWEPT_AFTER: Duration = Duration::from_secs(60);

/// The largest `oci-layout` and `index.json` that are read, in bytes.
pub const LARGEST_MARK: u64 = 64 * 1024;

/// What was changed less than this before it was read may change again without looking younger: file systems keep times
/// in steps of up to two seconds.
pub const SETTLED: Duration = Duration::from_secs(2);

/// Runs file system calls on the blocking pool, so that a slow disk stops no other task.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Local(format!("a file operation did not end: {error}"))),
    }
}

/// A [`TagOrDigest`] that can be taken along, and for a tag what is called so.
pub enum Place {
    Name { tag: String, name: Name },
    Digest(Digest),
}

impl Place {
    /// Messages have the name.
    pub fn at(&self) -> TagOrDigest<'_> {
        match self {
            Self::Name { name, .. } => TagOrDigest::Tag(name.text()),
            Self::Digest(digest) => TagOrDigest::Digest(digest),
        }
    }
}

/// The files of a layout; everything here may wait for a disk.
pub struct Files {
    pub side: Side,
    /// As the user wrote it.
    directory: PathBuf,
    /// Where it is below the workspace of a job.
    below: Option<(Directory, PathBuf)>,
    /// Opened when it is first needed: a target need not exist.
    opened: OnceLock<Directory>,
    pub shared: Arc<Shared>,
}

impl Files {
    pub fn new(layouts: &Layouts, side: Side, directory: &Path) -> Result<Self, Error> {
        let root = real_root(directory).map_err(|error| failed(side, "read", directory, &error))?;
        let below = layouts.workspace().map(|workspace| workspace.place(directory, &root)).transpose();
        let below = below.map_err(|error| failed(side, "read", directory, &error))?.flatten();
        let shared = layouts.shared(root);
        Ok(Self { side, directory: directory.to_owned(), below, opened: OnceLock::new(), shared })
    }

    fn root(&self) -> &Path {
        &self.shared.root
    }

    /// The open directory; none where it does not exist yet.
    fn opened(&self) -> Result<Option<&Directory>, Error> {
        if let Some(directory) = self.opened.get() {
            return Ok(Some(directory));
        }
        let opened = match &self.below {
            Some((workspace, path)) => workspace.directory(path),
            None => Directory::open(self.root()),
        };
        match opened {
            Ok(directory) => Ok(Some(self.opened.get_or_init(|| directory))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("open", self.root(), &error)),
        }
    }

    /// The open directory, which was made before.
    fn made(&self) -> Result<&Directory, Error> {
        self.opened()?.ok_or_else(|| self.bad("the directory does not exist".to_owned()))
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

    /// It has these, and nothing says which is meant.
    pub fn several(&self, told_by: ToldBy, images: &[String]) -> Error {
        Error::SeveralImages { side: self.side, object: self.place(), told_by, images: shortened(images) }
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
        let index = self.index().ok();
        let names = index.as_ref().map(|index| index.names()).unwrap_or_default();
        let has = if names.is_empty() {
            let entries: Vec<String> = index.iter().flat_map(|index| index.entries()).map(described).collect();
            format!("no names; name one as `{}@DIGEST`, the only image as `{0}`: {}", self.place(), shortened(&entries))
        } else {
            shortened(&names)
        };
        let problem = format!("`{INDEX}` has no entry of this name; it has {has}");
        Error::Content { side: self.side, object: self.object(TagOrDigest::Tag(tag)), problem }
    }

    pub fn failed(&self, action: &str, path: &Path, error: &io::Error) -> Error {
        failed(self.side, action, path, error)
    }

    /// A file of the layout could not be read or written.
    pub fn failed_file(&self, action: &str, relative: &str, digest: Option<&Digest>, error: &io::Error) -> Error {
        if leads_out(error) {
            let directory = quote(&self.directory);
            let problem = format!(
                "is a link that leads out of the layout; if that is meant, copy what it leads to: `cp -rL {directory} D`"
            );
            return self.bad_file(relative, digest, &problem);
        }
        if error.kind() == ErrorKind::InvalidInput && error.raw_os_error().is_none() {
            return self.bad_file(relative, digest, "is not a regular file");
        }
        self.failed(action, &self.root().join(relative), error)
    }

    // What the directory is.

    pub fn check_directory(&self, found: &fs::Metadata) -> Result<(), Error> {
        if found.is_dir() {
            return Ok(());
        }
        if !found.is_file() {
            return Err(self.bad("is not a directory".to_owned()));
        }
        let file = quote(&self.directory);
        Err(self.bad(format!(
            "is a file, not a directory; unpack an archive with `mkdir D && tar -xf {file} -C D`, or have buildx write a \
             directory: `--output type=oci,tar=false,dest=D`"
        )))
    }

    /// What is to be read must be a layout.
    pub fn check_layout(&self) -> Result<(), Error> {
        match fs::metadata(&self.directory) {
            Ok(found) => self.check_directory(&found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(self.bad("the directory does not exist".to_owned()));
            }
            Err(error) => return Err(self.failed("read", &self.directory, &error)),
        }
        if self.is_marked()? { Ok(()) } else { Err(self.bad(self.what_it_is())) }
    }

    /// Whether there is a mark of a layout; it must be of a version that is known.
    pub fn is_marked(&self) -> Result<bool, Error> {
        let Some(bytes) = self.read(MARK, LARGEST_MARK, None)? else { return Ok(false) };
        let mark: Value =
            serde_json::from_slice(&bytes).map_err(|error| self.bad_file(MARK, None, &unreadable(&error)))?;
        match mark.get("imageLayoutVersion").and_then(Value::as_str) {
            Some(version) if version.starts_with("1.") => Ok(true),
            Some(version) => {
                let version = sanitise::one_line(version, 40);
                Err(self.bad_file(MARK, None, &format!("says version `{version}`; only 1.0.0 is known")))
            }
            None => Err(self.bad_file(MARK, None, "has no `imageLayoutVersion`")),
        }
    }

    /// For a directory without a mark: what it may be, and what to do.
    pub fn what_it_is(&self) -> String {
        let directory = quote(&self.directory);
        let opened = self.opened().ok().flatten();
        let has = |name: &str| opened.is_some_and(|opened| matches!(opened.metadata(name), Ok(Some(_))));
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
        let Some(opened) = self.opened()? else { return Ok(false) };
        for name in opened.names("").map_err(|error| self.failed("read", self.root(), &error))? {
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
        let made = match &self.below {
            Some((workspace, path)) => workspace.create_directories(path),
            None => fs::create_dir_all(self.root()),
        };
        made.map_err(|error| self.failed("create", self.root(), &error))
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
        let directory = self.made()?;
        for folder in ["", "blobs/sha256", "blobs/sha512"] {
            sweep(directory, Path::new(folder));
        }
        Ok(())
    }

    pub fn try_lock(&self) -> Result<Result<File, TryLockError>, Error> {
        let file = match self.made()?.handle() {
            Ok(file) => file,
            Err(error) => return Err(self.failed("open", self.root(), &error)),
        };
        Ok(match file.try_lock() {
            Ok(()) => Ok(file),
            Err(error) => Err(error),
        })
    }

    // Writing.

    /// A file on its way among the blobs of an algorithm.
    pub fn temporary(&self, algorithm: &str) -> Result<Temporary, Error> {
        let directory = self.made()?;
        let folder = format!("blobs/{algorithm}");
        for relative in ["blobs", &folder] {
            self.make_folder(directory, relative)?;
        }
        directory.temporary(&folder).map_err(|error| self.failed_file("write to", &folder, None, &error))
    }

    fn make_folder(&self, directory: &Directory, relative: &str) -> Result<(), Error> {
        let Err(error) = directory.create_directories(relative) else { return Ok(()) };
        let found = match directory.metadata(relative) {
            Err(refused) => self.unread::<Metadata>(relative, None, &refused)?,
            Ok(found) => found,
        };
        // What is there and is not found is a link.
        Err(match found {
            None if error.kind() == ErrorKind::AlreadyExists => {
                self.bad_file(relative, None, "is a link that leads nowhere")
            }
            _ => self.failed_file("create", relative, None, &error),
        })
    }

    pub fn append(&self, mut temporary: Temporary, pieces: &[Bytes]) -> Result<Temporary, Error> {
        for piece in pieces {
            temporary.file.write_all(piece).map_err(|error| self.failed("write to", self.root(), &error))?;
        }
        Ok(temporary)
    }

    pub fn keep(&self, temporary: Temporary, relative: &str) -> Result<(), Error> {
        let name = relative.rsplit('/').next().unwrap_or(relative);
        temporary.keep(name).map_err(|error| self.failed_file("write", relative, None, &error))
    }

    /// Replaces a file of the layout itself.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.made()?.replace(name, bytes).map_err(|error| self.failed_file("write", name, None, &error))
    }

    // Reading.

    /// What is known of a regular file; none where there is none.
    pub fn stat(&self, relative: &str, digest: Option<&Digest>) -> Result<Option<Metadata>, Error> {
        let Some(directory) = self.opened()? else { return Ok(None) };
        match directory.metadata(relative) {
            Ok(Some(found)) if !found.is_file() => Err(self.bad_file(relative, digest, "is not a regular file")),
            Ok(found) => Ok(found),
            Err(error) => self.unread(relative, digest, &error),
        }
    }

    /// A regular file and its size; none where there is none.
    pub fn open(&self, relative: &str, digest: Option<&Digest>) -> Result<Option<(File, u64)>, Error> {
        let Some(directory) = self.opened()? else { return Ok(None) };
        let open = || match directory.open_file(relative)? {
            Some(file) => Ok(Some((file.metadata()?.len(), file))),
            None => Ok(None),
        };
        match open() {
            Ok(opened) => Ok(opened.map(|(size, file)| (file, size))),
            Err(error) => self.unread(relative, digest, &error),
        }
    }

    /// A small file's bytes; none where there is none.
    fn read(&self, relative: &str, limit: u64, digest: Option<&Digest>) -> Result<Option<Bytes>, Error> {
        let Some(directory) = self.opened()? else { return Ok(None) };
        match directory.read(relative, limit) {
            Ok(bytes) => Ok(bytes.map(Bytes::from)),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                let size = self.stat(relative, digest)?.map_or(limit + 1, |found| found.len().max(limit + 1));
                let problem = format!("has {size} bytes, more than the {limit} that are read");
                Err(self.bad_file(relative, digest, &problem))
            }
            Err(error) => self.unread(relative, digest, &error),
        }
    }

    /// What it means that a file cannot be read: a link that leads out to nothing is nothing, and is replaced as that.
    fn unread<T>(&self, relative: &str, digest: Option<&Digest>, error: &io::Error) -> Result<Option<T>, Error> {
        let path = self.root().join(relative);
        match fs::metadata(&path) {
            Err(beyond) if leads_out(error) && beyond.kind() == ErrorKind::NotFound => Ok(None),
            Err(beyond) if leads_out(error) => Err(self.failed("read", &path, &beyond)),
            _ => Err(self.failed_file("read", relative, digest, error)),
        }
    }

    pub fn blob_bytes(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        self.read(&blob(digest), manifest::LARGEST as u64, Some(digest))
    }

    pub fn index(&self) -> Result<Arc<Index>, Error> {
        let mut list = self.shared.list.locked();
        let found = self.stat(INDEX, None)?;
        let looks = found.and_then(|found| Some((found.modified().ok()?.into_std(), found.len())));
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

    /// What is known of the manifest at `place`; a digest is its own proof and needs no entry.
    pub fn find(&self, place: &Place) -> Result<Option<Found>, Error> {
        let (tag, name) = match place {
            Place::Digest(digest) => {
                return Ok(Some(Found { digest: digest.clone(), size: None, media_type: None }));
            }
            Place::Name { tag, name } => (tag, name),
        };
        // A tag is written by its exact name, so at the target only that counts.
        let (index, is_source) = (self.index()?, self.side == Side::Source);
        let is_attachment = is_attachment_tag(tag);
        let find = || match name {
            Name::Tag(tag) => index.named(tag, is_source),
            // What other tools have written for a digest, they have written for it in every repository.
            Name::Whole(whole) => match index.whole(whole)? {
                None if is_source && is_attachment => index.named(tag, false),
                found => Ok(found),
            },
        };
        let found = find().map_err(|problem| self.bad(problem))?;
        Ok(found.or_else(|| if is_source { index.saved(tag) } else { None }))
    }

    /// A manifest, its bytes checked; none where its file is missing.
    pub fn load(&self, at: TagOrDigest<'_>, found: &Found) -> Result<Option<Manifest>, Error> {
        let Some(bytes) = self.blob_bytes(&found.digest)? else { return Ok(None) };
        let mut hasher = found.digest.hasher();
        hasher.update(&bytes);
        let actual = hasher.finish();
        if actual != found.digest {
            // Cut short, or another file: its size tells sooner than its digest what is wrong. With the right digest it
            // is right, whatever the entry says of its size.
            if let Some(expected) = found.size.filter(|size| *size != bytes.len() as u64) {
                return Err(self.wrong_size(&found.digest, expected, bytes.len() as u64));
            }
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
            problem: sanitise::one_line(&problem, 300),
        })
    }

    /// What an entry of `index.json` is attached to. An entry that cannot be read is an error: it may be a signature.
    pub fn attachment(&self, entry: &Descriptor) -> Result<Attachment, Error> {
        let known = |shared: &Shared| shared.attachments.locked().get(&entry.digest).cloned();
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
        let mut attachments = self.shared.attachments.locked();
        attachments.insert(entry.digest.clone(), attachment.clone());
        Ok(attachment)
    }
}

/// A blob's file in the layout. A digest is hexadecimal: no path comes in by it.
pub fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// Removes what a killed run left behind, as far as it can: a living writer holds a lock on its file.
fn sweep(directory: &Directory, folder: &Path) {
    for name in directory.names(folder).unwrap_or_default().iter().filter(|name| is_temporary(name)) {
        let path = folder.join(name);
        let is_old = |found: &Metadata| {
            let age = found.modified().ok().and_then(|time| time.into_std().elapsed().ok());
            found.is_file() && age.is_some_and(|age| age > SWEPT_AFTER)
        };
        if directory.metadata(&path).is_ok_and(|found| found.as_ref().is_some_and(is_old))
            && directory.open_file(&path).is_ok_and(|file| file.is_some_and(|file| file.try_lock().is_ok()))
        {
            let _ = directory.remove(&path);
        }
    }
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
    if leads_out(error) {
        let problem =
            "is reached by a link that leads out of the workspace; name a directory in it, or the one that is meant";
        return Error::Content { side, object: Object::directory(path), problem: problem.to_owned() };
    }
    Error::Local(format!("{side}: cannot {action} {}: {}", quote(path), sanitise::one_line(&error.to_string(), 200)))
}

pub fn quote(path: &Path) -> String {
    sanitise::one_line(&path.to_string_lossy(), 300)
}
