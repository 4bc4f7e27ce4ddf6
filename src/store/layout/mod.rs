//! An OCI image layout on disk, as one end of a copy (image-spec, "OCI Image Layout").
//!
//! Owns the files of the layout: a blob gets its name when all its bytes are there, right and synced, `index.json` is
//! replaced whole, and what other tools wrote into it stays. Never follows a link out of the layout, never waits on
//! what is not a regular file, never reads a blob as a whole, never writes before there is something to write: a
//! `dry-run` leaves no directory behind.
//!
//! | what | where |
//! |---|---|
//! | a tag | an entry of `index.json` with the annotation `org.opencontainers.image.ref.name` |
//! | an attachment | an entry without a name: `oras` finds attachments by reading all entries |
//! | everything else | `blobs/ALGORITHM/HEX` |

pub mod files;
pub mod index;
pub mod shared;
pub mod temporary;

use std::collections::BTreeSet;
use std::fs::{self, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::blob::{BlobSource, BlobStream};
use crate::store::content::{ManifestPush, Sent, TagOrDigest};
use crate::store::layout::files::{Files, Place, blob, blocking};
use crate::store::layout::index::{
    INDEX, Index, LARGEST_INDEX, NAME, entry, is_fallback, name, read_entry, referrer, shortened,
};
use crate::store::layout::shared::Lock;
use crate::store::layout::temporary::Temporary;
use crate::text::sanitise;

/// How many bytes of a blob are read at once, and how many are gathered before they are written.
const PIECE: usize = 256 * 1024;

const BATCH: usize = 1024 * 1024;

/// How long another process may hold the lock; it is held for one reading and writing of `index.json`.
const LOCK: Duration = Duration::from_secs(60);

/// One layout, as one end of one image's copy.
#[derive(Clone)]
pub struct Layout {
    files: Arc<Files>,
    meter: Arc<Meter>,
    prepared: Arc<OnceCell<()>>,
}

impl Layout {
    /// A layout to read: it must exist.
    pub fn open(side: Side, directory: &Path, meter: Arc<Meter>) -> Result<Self, Error> {
        let files = Files::new(side, directory)?;
        match fs::metadata(directory) {
            Ok(found) => files.check_directory(&found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(files.bad("the directory does not exist".to_owned()));
            }
            Err(error) => return Err(files.failed("read", directory, &error)),
        }
        if !files.is_marked()? {
            return Err(files.bad(files.what_it_is()));
        }
        Ok(Self { files: Arc::new(files), meter, prepared: Arc::default() })
    }

    /// A layout to write: it need not exist; the first write makes it. A directory with other things in it is refused.
    pub fn create(side: Side, directory: &Path, meter: Arc<Meter>) -> Result<Self, Error> {
        let files = Files::new(side, directory)?;
        match fs::metadata(directory) {
            Ok(found) => {
                files.check_directory(&found)?;
                files.check_free()?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(files.failed("read", directory, &error)),
        }
        Ok(Self { files: Arc::new(files), meter, prepared: Arc::default() })
    }

    /// Identifies the directory, however it was spelt, among all layouts and registries of the run.
    pub fn account(&self) -> usize {
        Arc::as_ptr(&self.files.shared) as usize
    }

    /// The directory's real path, for the ledger.
    pub fn name(&self) -> &Arc<str> {
        &self.files.shared.name
    }

    /// What counts what is read of it, and hears what is to be known.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// `oci:DIRECTORY:tag` or `oci:DIRECTORY@sha256:…`, for messages.
    pub fn object(&self, at: TagOrDigest<'_>) -> Object {
        self.files.object(at)
    }

    /// The manifest's descriptor, or none where it is not there. At the target a damaged manifest is not there: it is
    /// written again.
    pub async fn head_manifest(&self, at: TagOrDigest<'_>) -> Result<Option<Descriptor>, Error> {
        let (files, place) = (Arc::clone(&self.files), Place::of(at));
        let found = blocking(move || {
            let Some(entry) = files.find(place.at())? else { return Ok(None) };
            match files.load(place.at(), &entry) {
                Err(Error::Content { .. } | Error::DigestMismatch { .. }) if files.side == Side::Target => Ok(None),
                result => result,
            }
        })
        .await?;
        found.map(|manifest| self.counted(manifest).map(|manifest| manifest.descriptor())).transpose()
    }

    /// Reads a manifest: at most 4 MiB, hashed, its size compared with its entry.
    pub async fn get_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        let (files, place) = (Arc::clone(&self.files), Place::of(at));
        let manifest = blocking(move || {
            let at = place.at();
            let Some(entry) = files.find(at)? else { return Err(files.absent(at)) };
            files.load(at, &entry)?.ok_or_else(|| files.missing(&entry.digest))
        })
        .await?;
        self.counted(manifest)
    }

    /// Writes the manifest's bytes as they are; under a tag it becomes an entry of `index.json` of that name.
    ///
    /// One with a subject becomes an entry in any case, so that the layout lists its attachments as a registry does.
    pub async fn put_manifest(&self, at: TagOrDigest<'_>, manifest: &Manifest) -> Result<ManifestPush, Error> {
        self.write_manifest(at, manifest).await?;
        if let TagOrDigest::Tag(tag) = at {
            let mut entry = entry(&manifest.descriptor());
            entry["annotations"] = json!({ NAME: tag });
            let tag = tag.to_owned();
            self.change(move |index| index.set(&tag, entry)).await?;
        } else if manifest.subject.is_some() {
            self.list(manifest).await?;
        }
        self.meter.manifest_written();
        Ok(ManifestPush { lists_referrers: manifest.subject.is_some() })
    }

    /// Makes an attachment, or an image without a tag, an entry of `index.json` without a name, where it is none yet:
    /// tools that read a layout begin there.
    pub async fn add_referrer(&self, manifest: &Manifest) -> Result<(), Error> {
        if self.write_manifest(TagOrDigest::Digest(&manifest.digest), manifest).await? {
            self.meter.manifest_written();
        }
        self.list(manifest).await
    }

    /// The blob's size, or none where it is not there.
    pub async fn head_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        let (files, digest) = (Arc::clone(&self.files), descriptor.digest.clone());
        blocking(move || Ok(files.stat(&blob(&digest), Some(&digest))?.map(|(_, size)| size))).await
    }

    /// Starts to read a blob, unchecked but for its size.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        let (files, wanted) = (Arc::clone(&self.files), descriptor.clone());
        let (file, path) = blocking(move || {
            let digest = &wanted.digest;
            let opened = files.open(&blob(digest), Some(digest))?;
            let (file, path, size) = opened.ok_or_else(|| files.missing(digest))?;
            if size != wanted.size {
                return Err(files.wrong_size(digest, wanted.size, size));
            }
            Ok((file, path))
        })
        .await?;
        let (files, meter) = (Arc::clone(&self.files), Arc::clone(&self.meter));
        let stream = futures_util::stream::unfold(Some(file), move |file| {
            let (files, meter, path) = (Arc::clone(&files), Arc::clone(&meter), path.clone());
            async move {
                let mut file = file?;
                let read = blocking(move || {
                    let mut piece = Vec::with_capacity(PIECE);
                    let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
                    read.map_err(|error| files.failed("read", &path, &error))?;
                    Ok((piece, file))
                });
                match read.await {
                    Ok((piece, _)) if piece.is_empty() => None,
                    Ok((piece, file)) => {
                        meter.read(piece.len());
                        Some((Ok(Bytes::from(piece)), Some(file)))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Ok(stream.boxed())
    }

    /// Makes the blob exist, from `source`. A file of its name and size is the blob; one of another size is replaced.
    pub async fn push_blob(&self, descriptor: &Descriptor, source: &dyn BlobSource) -> Result<Sent, Error> {
        if self.head_blob(descriptor).await? == Some(descriptor.size) {
            return Ok(Sent::Present);
        }
        self.prepare().await?;
        match self.write_blob(descriptor, source.open().await?).await {
            // Its bytes may have come from two places, each of which was right: once more, whole.
            Err(Error::DigestMismatch { .. }) => self.write_blob(descriptor, source.open().await?).await,
            result => result,
        }
    }

    async fn write_blob(&self, descriptor: &Descriptor, mut stream: BlobStream) -> Result<Sent, Error> {
        let (files, algorithm) = (Arc::clone(&self.files), descriptor.digest.algorithm().to_owned());
        let mut temporary = blocking(move || files.temporary(Some(&algorithm))).await?;
        let (mut batch, mut gathered, mut seen) = (Vec::new(), 0, 0);
        // The stream holds its last piece back until the digest is right; an error drops, and so removes, the file.
        while let Some(piece) = stream.next().await.transpose()? {
            gathered += piece.len();
            seen += piece.len() as u64;
            batch.push(piece);
            if gathered >= BATCH {
                temporary = self.write(temporary, std::mem::take(&mut batch), std::mem::take(&mut gathered)).await?;
            }
        }
        if seen != descriptor.size {
            return Err(self.files.wrong_size(&descriptor.digest, descriptor.size, seen));
        }
        let temporary = self.write(temporary, batch, gathered).await?;
        let (files, digest) = (Arc::clone(&self.files), descriptor.digest.clone());
        blocking(move || files.keep(temporary, &blob(&digest))).await?;
        Ok(Sent::Uploaded)
    }

    /// All names in `index.json`, sorted; some are full references, and need not be tags that a registry takes.
    #[cfg(any(test, fuzzing))]
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        let files = Arc::clone(&self.files);
        blocking(move || Ok(files.index()?.names())).await
    }

    /// What a source without tag and digest stands for: the only image of the layout.
    pub async fn default_root(&self) -> Result<Descriptor, Error> {
        let files = Arc::clone(&self.files);
        blocking(move || {
            let index = files.index()?;
            let mut candidates: Vec<Descriptor> = Vec::new();
            // `oras` lists the images of an index and all attachments besides the index; only that has a name.
            let named = index.entries().any(|entry| name(entry).is_some_and(|name| !is_fallback(name)));
            for entry in index.entries().filter(|entry| !name(entry).is_some_and(is_fallback)) {
                if named != name(entry).is_some() {
                    continue;
                }
                let descriptor = read_entry(entry).map_err(|problem| files.bad(problem))?;
                let is_attachment = || Ok(files.attachment(&descriptor)?.subject.is_some());
                if candidates.iter().any(|known| known.digest == descriptor.digest)
                    || (!named && descriptor.is_manifest() && is_attachment()?)
                {
                    continue;
                }
                candidates.push(descriptor);
            }
            match (candidates.pop(), candidates.is_empty()) {
                (None, _) => Err(files.bad(format!("`{INDEX}` lists no image"))),
                (Some(only), true) => Ok(only),
                (Some(_), false) if named => Err(files.bad(format!(
                    "has several images; name one as `{}:TAG`: {}",
                    files.place(),
                    shortened(&index.names().into_iter().filter(|name| !is_fallback(name)).collect::<Vec<_>>())
                ))),
                (Some(last), false) => {
                    candidates.push(last);
                    let digests: Vec<String> = candidates.iter().map(|entry| entry.digest.to_string()).collect();
                    Err(files.bad(format!(
                        "has several images without a name; name one as `{}@DIGEST`: {}",
                        files.place(),
                        shortened(&digests)
                    )))
                }
            }
        })
        .await
    }

    /// Everything in the layout that names `subject` as its subject: entries of `index.json`, and what an index under
    /// the fallback tag lists (distribution-spec, "Referrers Tag Schema").
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let (files, meter, subject) = (Arc::clone(&self.files), Arc::clone(&self.meter), subject.clone());
        blocking(move || {
            let index = files.index()?;
            let mut found: Vec<Descriptor> = Vec::new();
            let (mut unreadable, mut first) = (0, None);
            for entry in index.entries() {
                let descriptor = match read_entry(entry) {
                    Ok(descriptor) => descriptor,
                    Err(problem) => {
                        unreadable += 1;
                        first.get_or_insert(problem);
                        continue;
                    }
                };
                if !descriptor.is_manifest() {
                    continue;
                }
                let attachment = files.attachment(&descriptor)?;
                if attachment.subject.as_ref() == Some(&subject) {
                    found.push(attachment.descriptor);
                }
            }
            if let Some(problem) = first {
                let more = if unreadable > 1 { format!(" ({} more)", unreadable - 1) } else { String::new() };
                meter.notice(format!("{}: {problem}{more}; an attachment there would be left out", files.place()));
            }
            let fallback = subject.fallback_tag();
            if let Some(entry) = index.named(&fallback, false).map_err(|problem| files.bad(problem))? {
                let at = TagOrDigest::Tag(&fallback);
                let listing = files.load(at, &entry)?.ok_or_else(|| files.missing(&entry.digest))?;
                found.extend(listing.entries().iter().cloned());
            }
            let mut seen = BTreeSet::new();
            found.retain(|descriptor| seen.insert(descriptor.digest.clone()));
            Ok(found)
        })
        .await
    }

    fn counted(&self, manifest: Manifest) -> Result<Manifest, Error> {
        self.meter.read(manifest.bytes.len());
        self.meter.takes(manifest.bytes.len()).map_err(|violation| self.files.bad(violation.to_string()))?;
        Ok(manifest)
    }

    /// Makes the layout exist, once.
    async fn prepare(&self) -> Result<(), Error> {
        let made = self.prepared.get_or_try_init(|| async {
            let files = Arc::clone(&self.files);
            blocking(move || files.make_root()).await?;
            let (files, lock) = (Arc::clone(&self.files), self.lock().await?);
            blocking(move || {
                let _lock = lock;
                files.make_layout()
            })
            .await
        });
        made.await.copied()
    }

    /// Writes a manifest as a blob, if it is not there; whether it did.
    async fn write_manifest(&self, at: TagOrDigest<'_>, manifest: &Manifest) -> Result<bool, Error> {
        let (files, manifest, object) = (Arc::clone(&self.files), manifest.clone(), self.object(at));
        self.prepare().await?;
        let written = blocking(move || {
            if !manifest.digest.matches(&manifest.bytes) {
                return Err(Error::DigestMismatch {
                    side: files.side,
                    object,
                    expected: manifest.digest,
                    actual: "other bytes".to_owned(),
                });
            }
            if matches!(files.blob_bytes(&manifest.digest), Ok(Some(bytes)) if bytes == manifest.bytes) {
                return Ok(0);
            }
            let temporary = files.temporary(Some(manifest.digest.algorithm()))?;
            let temporary = files.append(temporary, std::slice::from_ref(&manifest.bytes))?;
            files.keep(temporary, &blob(&manifest.digest))?;
            Ok(manifest.bytes.len())
        })
        .await?;
        self.meter.written(written);
        Ok(written > 0)
    }

    async fn list(&self, manifest: &Manifest) -> Result<(), Error> {
        let (digest, entry) = (manifest.digest.clone(), entry(&referrer(manifest)));
        self.change(move |index| Ok(index.add(&digest, entry))).await
    }

    /// Changes `index.json`: nobody else does between its reading and its writing.
    async fn change(
        &self,
        change: impl FnOnce(&mut Index) -> Result<bool, String> + Send + 'static,
    ) -> Result<(), Error> {
        self.prepare().await?;
        let (files, lock) = (Arc::clone(&self.files), self.lock().await?);
        blocking(move || {
            let _lock = lock;
            let mut index = files.read_index()?;
            if change(&mut index).map_err(|problem| files.bad(problem))? {
                let bytes = index.bytes().map_err(|problem| files.bad(problem))?;
                // Written, it could not be read any more, by nobody who reads as we do.
                if bytes.len() as u64 > LARGEST_INDEX {
                    let problem = format!(
                        "would have {} bytes, more than the {LARGEST_INDEX} that are read; it is full",
                        bytes.len()
                    );
                    return Err(files.bad_file(INDEX, None, &problem));
                }
                files.replace(INDEX, &bytes)?;
                *files.shared.list.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Ok(())
        })
        .await
    }

    /// Locks the layout against this process and others.
    ///
    /// The lock is on the directory's own handle: `index.json` cannot carry it, because it is replaced, and a lock file
    /// would stay behind in people's layouts, or stay locked after a kill. The kernel frees this one with its process.
    async fn lock(&self) -> Result<Lock, Error> {
        let here = Arc::clone(&self.files.shared.index).lock_owned().await;
        let started = Instant::now();
        loop {
            let files = Arc::clone(&self.files);
            match blocking(move || files.try_lock()).await? {
                Ok(file) => return Ok(Lock { _here: here, _file: Some(file) }),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let waited = LOCK.as_secs();
                    return Err(Error::Local(format!(
                        "{}: {}: another process holds its lock for {waited} s",
                        self.files.side,
                        self.files.place()
                    )));
                }
                Err(TryLockError::Error(error)) => {
                    self.meter.notice(format!(
                        "{} cannot be locked ({}); only one run at a time may write to it",
                        self.files.place(),
                        sanitise::line(&error.to_string(), 200)
                    ));
                    return Ok(Lock { _here: here, _file: None });
                }
            }
        }
    }

    async fn write(&self, temporary: Temporary, batch: Vec<Bytes>, length: usize) -> Result<Temporary, Error> {
        let files = Arc::clone(&self.files);
        let temporary = blocking(move || files.append(temporary, &batch)).await?;
        self.meter.written(length);
        Ok(temporary)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::future::{BoxFuture, FutureExt as _};
    use futures_util::stream::{StreamExt as _, TryStreamExt as _};
    use serde_json::{Value, json};

    use super::Layout;
    use crate::error::object::Object;
    use crate::error::{Error, Side};
    use crate::observe::meter::Meter;
    use crate::oci::digest::Digest;
    use crate::oci::manifest::{Descriptor, Manifest};
    use crate::store::blob::{self, BlobSource, BlobStream};
    use crate::store::content::{Sent, TagOrDigest};

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    /// Bytes that claim to be a descriptor's.
    struct Claimed(Descriptor, &'static [&'static str]);

    impl BlobSource for Claimed {
        fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
            let pieces: Vec<_> = self.1.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
            let stream =
                blob::checked(futures_util::stream::iter(pieces).boxed(), &self.0, Object::directory(Path::new("x")));
            async { Ok(stream) }.boxed()
        }
    }

    fn meter() -> Arc<Meter> {
        Arc::new(Meter::new(crate::observe::events::Events::new().0))
    }

    fn target(directory: &Path) -> Layout {
        Layout::create(Side::Target, directory, meter()).expect("a target")
    }

    fn source(directory: &Path) -> Layout {
        Layout::open(Side::Source, directory, meter()).expect("a source")
    }

    fn described(text: &str) -> Descriptor {
        Descriptor { size: text.len() as u64, ..named(Digest::of(text.as_bytes())) }
    }

    fn named(digest: Digest) -> Descriptor {
        Descriptor::new("", digest, 0)
    }

    fn manifest(value: &Value) -> Manifest {
        let bytes = Bytes::from(value.to_string());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, None, digest).expect("a manifest")
    }

    /// An image that differs from others by `mark`.
    fn image(mark: &str) -> Manifest {
        let config =
            json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 });
        manifest(&json!({ "mediaType": IMAGE, "config": config, "layers": [], "annotations": { "mark": mark } }))
    }

    fn attached(subject: &Manifest) -> Manifest {
        let config =
            json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 });
        let subject = json!({ "mediaType": IMAGE, "digest": subject.digest, "size": subject.bytes.len() });
        let annotations = json!({ "kind": "signature" });
        manifest(&json!({
            "mediaType": IMAGE, "artifactType": "x/signature", "config": config, "layers": [],
            "subject": subject, "annotations": annotations,
        }))
    }

    fn index(directory: &Path) -> Value {
        serde_json::from_slice(&fs::read(directory.join("index.json")).expect("index.json")).expect("JSON")
    }

    fn edit(directory: &Path, entries: &Value) {
        let index = json!({ "schemaVersion": 2, "manifests": entries, "x-own": { "z": 1, "a": [] } });
        fs::write(directory.join("index.json"), index.to_string()).expect("written");
    }

    /// All files below `blobs`, by name.
    fn blobs(directory: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for folder in fs::read_dir(directory.join("blobs")).into_iter().flatten().flatten() {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                found.push(file.file_name().to_string_lossy().into_owned());
            }
        }
        found.sort();
        found
    }

    fn problem<T>(result: Result<T, Error>) -> String {
        result.err().expect("a failure").to_string()
    }

    struct Directory(tempfile::TempDir);

    impl Directory {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_back() {
        let directory = Directory::new();
        let path = directory.at("deep/layout");
        let layout = target(&path);
        assert!(layout.head_manifest(TagOrDigest::Tag("v1")).await.expect("an answer").is_none());
        assert!(!path.exists(), "a look leaves no directory behind");

        let config = described("{}");
        let source_blob = Claimed(config.clone(), &["{", "}"]);
        assert_eq!(layout.push_blob(&config, &source_blob).await.expect("pushed"), Sent::Uploaded);
        assert_eq!(layout.push_blob(&config, &source_blob).await.expect("pushed"), Sent::Present);
        let image = image("one");
        layout.put_manifest(TagOrDigest::Digest(&image.digest), &image).await.expect("put");
        assert_eq!(index(&path)["manifests"], json!([]));
        layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
        let head = layout.head_manifest(TagOrDigest::Tag("v1")).await.expect("an answer").expect("there");
        assert_eq!((head.digest, head.media_type.as_str()), (image.digest.clone(), IMAGE));

        let layout = source(&path);
        for at in [TagOrDigest::Tag("v1"), TagOrDigest::Digest(&image.digest)] {
            let read = layout.get_manifest(at).await.expect("a manifest");
            assert_eq!((read.bytes, read.media_type), (image.bytes.clone(), image.media_type.clone()));
        }
        assert_eq!(layout.default_root().await.expect("one").digest, image.digest);
        assert_eq!(layout.tags().await.expect("tags"), ["v1"]);
        assert_eq!(layout.head_blob(&config).await.expect("an answer"), Some(2));
        let bytes: Vec<Bytes> = layout.read_blob(&config).await.expect("opened").try_collect().await.expect("read");
        assert_eq!(bytes.concat(), b"{}");
        assert_eq!(fs::read(path.join("oci-layout")).expect("a mark"), br#"{"imageLayoutVersion":"1.0.0"}"#);
        assert_eq!(layout.object(TagOrDigest::Tag("v1")).to_string(), format!("oci:{}:v1", path.display()));
    }

    #[tokio::test]
    async fn concurrent_writers_lose_nothing() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let (one, other) = (target(&path), target(&path));
        let work = (0..40).map(|number| {
            let layout = if number % 2 == 0 { one.clone() } else { other.clone() };
            async move {
                let (tag, image) = (format!("v{number}"), image(&number.to_string()));
                layout.put_manifest(TagOrDigest::Tag(&tag), &image).await
            }
        });
        futures_util::future::try_join_all(work).await.expect("all put");
        assert_eq!(one.tags().await.expect("tags").len(), 40);
        assert_eq!(one.account(), other.account());
    }

    #[tokio::test]
    async fn the_lock_of_another_process_is_waited_for() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        layout.put_manifest(TagOrDigest::Tag("v1"), &image("one")).await.expect("put");
        let held = fs::File::open(&path).expect("opened");
        held.lock().expect("locked");
        let image = image("two");
        let put = layout.put_manifest(TagOrDigest::Tag("v2"), &image);
        let mut put = std::pin::pin!(put);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(200), &mut put).await.is_err());
        drop(held);
        put.await.expect("put");
        assert_eq!(layout.tags().await.expect("tags"), ["v1", "v2"]);
    }

    #[tokio::test]
    async fn wrong_bytes_never_appear() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        let wanted = described("hello world");
        for pieces in [&["hello", " wurld"][..], &["hello"], &["hello", " world", "!"], &[]] {
            let pushed = layout.push_blob(&wanted, &Claimed(wanted.clone(), pieces)).await;
            assert!(pushed.is_err(), "{pieces:?}");
            assert_eq!(blobs(&path), [""; 0], "{pieces:?}");
        }
        let mut wrong = image("one");
        wrong.digest = Digest::of(b"other");
        assert!(matches!(layout.put_manifest(TagOrDigest::Tag("v1"), &wrong).await, Err(Error::DigestMismatch { .. })));
        assert_eq!(blobs(&path), [""; 0]);
        assert_eq!(index(&path)["manifests"], json!([]));
        // A file of the right name and the wrong size is replaced.
        fs::write(path.join("blobs/sha256").join(wanted.digest.hex()), "hell").expect("written");
        let source = Claimed(wanted.clone(), &["hello world"]);
        assert_eq!(layout.push_blob(&wanted, &source).await.expect("pushed"), Sent::Uploaded);
        assert_eq!(layout.head_blob(&wanted).await.expect("an answer"), Some(11));
    }

    #[tokio::test]
    async fn sha512_has_its_own_folder() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        let any: Digest = format!("sha512:{}", "0".repeat(128)).parse().expect("a digest");
        let mut hasher = any.hasher();
        hasher.update(b"hello");
        let wanted = Descriptor { size: 5, ..named(hasher.finish()) };
        layout.push_blob(&wanted, &Claimed(wanted.clone(), &["hello"])).await.expect("pushed");
        assert!(path.join("blobs/sha512").join(wanted.digest.hex()).is_file());
        assert_eq!(layout.head_blob(&wanted).await.expect("an answer"), Some(5));
    }

    #[tokio::test]
    async fn what_others_wrote_into_the_index_stays() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        layout.put_manifest(TagOrDigest::Tag("v1"), &image("one")).await.expect("put");
        let (digest, size) = (Digest::of(b"x"), 1);
        let other =
            json!({ "mediaType": "x/y", "digest": digest, "size": size, "x-new": [1], "annotations": { "a": "b" } });
        let strange = json!({ "digest": "blake3:00", "size": "?" });
        let old = json!({ "mediaType": IMAGE, "digest": digest, "size": size,
            "annotations": { "org.opencontainers.image.ref.name": "v1", "io.containerd.image.name": "x:v1" } });
        edit(&path, &json!([other, old, strange]));
        let image = image("two");
        layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
        let index = index(&path);
        assert_eq!(index["x-own"], json!({ "z": 1, "a": [] }));
        let entries = index["manifests"].as_array().expect("entries");
        assert_eq!((entries.len(), &entries[0], &entries[2]), (3, &other, &strange));
        assert_eq!(entries[1]["digest"], json!(image.digest));
        assert_eq!(entries[1]["annotations"], json!({ "org.opencontainers.image.ref.name": "v1" }));
    }

    #[tokio::test]
    async fn a_name_is_exact_or_a_reference_with_the_tag() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let (one, two) = (image("one"), image("two"));
        let layout = target(&path);
        for image in [&one, &two] {
            layout.put_manifest(TagOrDigest::Digest(&image.digest), image).await.expect("put");
        }
        let entry = |image: &Manifest, name: &str, full: &str| {
            json!({ "mediaType": IMAGE, "digest": image.digest, "size": image.bytes.len(),
                "annotations": { "org.opencontainers.image.ref.name": name, "io.containerd.image.name": full } })
        };
        let reader = source(&path);
        edit(&path, &json!([entry(&one, "docker.io/library/x:3.20", ""), entry(&two, "13.20", "")]));
        assert_eq!(reader.get_manifest(TagOrDigest::Tag("3.20")).await.expect("found").digest, one.digest);
        assert!(layout.head_manifest(TagOrDigest::Tag("3.20")).await.expect("an answer").is_none());
        edit(&path, &json!([entry(&one, "docker.io/library/x:3.20", ""), entry(&two, "3.20", "")]));
        assert_eq!(reader.get_manifest(TagOrDigest::Tag("3.20")).await.expect("found").digest, two.digest);
        // `docker save a b`: both are `latest`.
        edit(&path, &json!([entry(&one, "latest", "docker.io/a:latest"), entry(&two, "latest", "docker.io/b:latest")]));
        let problem_of_reading = problem(reader.get_manifest(TagOrDigest::Tag("latest")).await);
        assert!(problem_of_reading.contains(&format!("docker.io/b:latest {}", two.digest)), "{problem_of_reading}");
        assert!(problem(layout.put_manifest(TagOrDigest::Tag("latest"), &one).await).contains("several entries"));
        let absent = problem(reader.get_manifest(TagOrDigest::Tag("none")).await);
        assert!(absent.ends_with("`index.json` has no entry of this name; it has latest"), "{absent}");
    }

    #[tokio::test]
    async fn the_only_image_needs_no_name() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        let (one, two) = (image("one"), image("two"));
        layout.add_referrer(&one).await.expect("added");
        layout.add_referrer(&one).await.expect("added");
        layout.put_manifest(TagOrDigest::Digest(&one.digest), &attached(&one)).await.expect("put");
        assert_eq!(index(&path)["manifests"].as_array().map(Vec::len), Some(2));
        let reader = source(&path);
        assert_eq!(reader.default_root().await.expect("one").digest, one.digest);
        layout.add_referrer(&two).await.expect("added");
        assert!(problem(reader.default_root().await).contains("has several images without a name"));
        layout.put_manifest(TagOrDigest::Tag("v1"), &one).await.expect("put");
        assert_eq!(reader.default_root().await.expect("one").digest, one.digest);
        layout.put_manifest(TagOrDigest::Tag("v2"), &two).await.expect("put");
        let several = problem(reader.default_root().await);
        assert!(several.ends_with(":TAG`: v1, v2"), "{several}");
    }

    #[tokio::test]
    async fn attachments_are_entries_without_a_name_or_under_the_fallback_tag() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        let image = image("one");
        layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
        assert!(layout.referrers(&image.digest).await.expect("a listing").is_empty());
        let signature = attached(&image);
        let pushed = layout.put_manifest(TagOrDigest::Digest(&signature.digest), &signature).await.expect("put");
        assert!(pushed.lists_referrers);
        let entry = json!({ "mediaType": IMAGE, "digest": signature.digest, "size": signature.bytes.len(),
            "artifactType": "x/signature", "annotations": { "kind": "signature" } });
        assert_eq!(index(&path)["manifests"][1], entry);
        let found = source(&path).referrers(&image.digest).await.expect("a listing");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifact_type.as_deref(), Some("x/signature"));

        let listed = json!({ "mediaType": IMAGE, "digest": Digest::of(b"sbom"), "size": 4 });
        let listing = manifest(
            &json!({ "mediaType": oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": [entry, listed] }),
        );
        let tag = format!("sha256-{}", image.digest.hex());
        layout.put_manifest(TagOrDigest::Tag(&tag), &listing).await.expect("put");
        let found = layout.referrers(&image.digest).await.expect("a listing");
        assert_eq!(
            found.iter().map(|found| &found.digest).collect::<Vec<_>>(),
            [&signature.digest, &Digest::of(b"sbom")]
        );
        // A listing that cannot be read is never an empty one.
        let lost = attached(&signature);
        let entry = json!({ "mediaType": IMAGE, "digest": lost.digest, "size": lost.bytes.len() });
        edit(&path, &json!([entry]));
        assert!(problem(layout.referrers(&image.digest).await).contains("is missing"));
    }

    #[test]
    fn what_is_no_layout_is_refused_with_what_to_do() {
        let directory = Directory::new();
        let open = |name: &str| problem(Layout::open(Side::Source, &directory.at(name), meter()));
        assert!(open("absent").ends_with("absent: the directory does not exist"));
        fs::write(directory.at("a.tar"), "x").expect("written");
        assert!(open("a.tar").contains("a.tar -C D`"));
        for (name, files, part) in [
            ("empty", &[][..], "`oci-layout` is missing"),
            ("saved", &["manifest.json"], "skopeo copy docker-archive:FILE oci:D:TAG"),
            ("dir", &["manifest.json", "version"], "skopeo copy dir:"),
        ] {
            fs::create_dir(directory.at(name)).expect("made");
            for file in files {
                fs::write(directory.at(name).join(file), "{}").expect("written");
            }
            assert!(open(name).contains(part), "{}", open(name));
        }
        for (mark, part) in [
            ("x", "cannot be read"),
            ("{}", "has no `imageLayoutVersion`"),
            (r#"{"imageLayoutVersion":"2.0.0"}"#, "says version `2.0.0`"),
        ] {
            fs::write(directory.at("empty").join("oci-layout"), mark).expect("written");
            assert!(open("empty").contains(part), "{}", open("empty"));
            assert!(problem(Layout::create(Side::Target, &directory.at("empty"), meter())).contains(part));
        }
        assert!(
            problem(Layout::create(Side::Target, &directory.at("saved"), meter())).contains("has other things in it")
        );
        assert!(problem(Layout::create(Side::Target, &directory.at("a.tar"), meter())).contains("is a file"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_out_of_the_layout_and_pipes_are_refused() {
        use std::os::unix::fs::symlink;
        let directory = Directory::new();
        let (path, outside) = (directory.at("layout"), directory.at("outside"));
        let layout = target(&path);
        let image = image("one");
        layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
        let secret = described("secret");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join(secret.digest.hex()), "secret").expect("written");
        let file = path.join("blobs/sha256").join(secret.digest.hex());

        symlink(outside.join(secret.digest.hex()), &file).expect("linked");
        let reader = source(&path);
        assert!(problem(reader.read_blob(&secret).await.map(|_| ())).contains("leads out of the layout"));
        assert!(problem(reader.head_blob(&secret).await).contains("leads out of the layout"));
        // A link that stays inside is a file like any other.
        fs::remove_file(&file).expect("removed");
        fs::write(path.join("secret"), "secret").expect("written");
        symlink("../../secret", &file).expect("linked");
        assert!(reader.read_blob(&secret).await.is_ok());

        fs::remove_file(&file).expect("removed");
        let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo");
        assert!(made.success());
        assert!(problem(reader.read_blob(&secret).await.map(|_| ())).contains("is not a regular file"));
        assert!(
            problem(reader.get_manifest(TagOrDigest::Digest(&secret.digest)).await).contains("is not a regular file")
        );

        fs::remove_dir_all(path.join("blobs")).expect("removed");
        symlink(&outside, path.join("blobs")).expect("linked");
        let pushed = layout.push_blob(&secret, &Claimed(secret.clone(), &["secret"])).await;
        assert!(problem(pushed).contains("leads out of the layout"));
        assert!(problem(layout.put_manifest(TagOrDigest::Tag("v2"), &image).await).contains("leads out of the layout"));
        assert!(!outside.join("sha256").exists());

        fs::rename(path.join("index.json"), outside.join("index.json")).expect("moved");
        symlink(outside.join("index.json"), path.join("index.json")).expect("linked");
        assert!(problem(reader.tags().await).contains("leads out of the layout"));
    }

    #[tokio::test]
    async fn huge_damaged_and_missing_files_are_named() {
        let directory = Directory::new();
        let path = directory.at("layout");
        let layout = target(&path);
        let image = image("one");
        layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
        let reader = source(&path);
        let file = path.join("blobs/sha256").join(image.digest.hex());
        let part = format!("`blobs/sha256/{}`", image.digest.hex());

        let mut other = image.bytes.to_vec();
        other.reverse();
        fs::write(&file, &other).expect("written");
        assert!(matches!(reader.get_manifest(TagOrDigest::Tag("v1")).await, Err(Error::DigestMismatch { .. })));
        // At the target a damaged manifest is mended.
        assert!(layout.head_manifest(TagOrDigest::Tag("v1")).await.expect("an answer").is_none());
        layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
        assert_eq!(fs::read(&file).expect("read"), image.bytes);

        fs::File::create(&file).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        let huge = problem(reader.get_manifest(TagOrDigest::Tag("v1")).await);
        assert!(huge.contains(&part) && huge.contains("more than the 4194304"), "{huge}");
        let wanted = Descriptor { size: 7, ..named(image.digest.clone()) };
        let huge = problem(reader.read_blob(&wanted).await.map(|_| ()));
        assert!(huge.contains(&part) && huge.contains("its descriptor says 7"), "{huge}");
        fs::remove_file(&file).expect("removed");
        for missing in [
            problem(reader.get_manifest(TagOrDigest::Tag("v1")).await),
            problem(reader.get_manifest(TagOrDigest::Digest(&image.digest)).await),
            problem(reader.read_blob(&wanted).await.map(|_| ())),
        ] {
            assert!(missing.contains(&part) && missing.ends_with("is missing"), "{missing}");
        }
        fs::File::create(path.join("index.json")).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        assert!(problem(reader.tags().await).contains("`index.json` has 1099511627776 bytes"));
        for text in ["[]", "{", r#"{"manifests":{}}"#, &"[".repeat(10_000)] {
            fs::write(path.join("index.json"), text).expect("written");
            assert!(problem(reader.tags().await).contains("`index.json` cannot be read"));
        }
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_swept_and_a_living_one_keeps_its_file() {
        let directory = Directory::new();
        let path = directory.at("layout");
        target(&path).put_manifest(TagOrDigest::Tag("v1"), &image("one")).await.expect("put");
        let hour = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        let file = |name: &str| {
            let file = fs::File::create(path.join("blobs/sha256").join(name)).expect("made");
            file.set_modified(hour).expect("aged");
            file
        };
        drop(file(".tmp-dead"));
        let living = file(".tmp-living");
        living.lock().expect("locked");
        fs::write(path.join("blobs/sha256/.tmp-fresh"), "").expect("written");
        target(&path).put_manifest(TagOrDigest::Tag("v2"), &image("two")).await.expect("put");
        let left: Vec<String> = blobs(&path).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(left, [".tmp-fresh", ".tmp-living"]);
    }
}
