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
//! | an image of a repository among others | the same, its whole name in that annotation and in containerd's |
//! | an attachment | an entry without a name: `oras` finds attachments by reading all entries |
//! | everything else | `blobs/ALGORITHM/HEX` |

pub mod changes;
pub mod files;
pub mod index;
pub mod names;
pub mod shared;
pub mod workspace;

use std::collections::BTreeSet;
use std::fs::{self, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::Instant;

use crate::directory::Temporary;
use crate::error::object::Object;
use crate::error::{Error, Side, ToldBy};
use crate::observe::counts::BlobPush;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest, wrong_size};
use crate::oci::reference::Reference;
use crate::store::blob::{BlobSource, BlobStream};
use crate::store::content::{AccountId, ManifestPush, TagOrDigest};
use crate::store::layout::files::{Files, Place, blob, blocking};
use crate::store::layout::index::{
    INDEX, Index, Name, begins_with_host, described, entry, is_attachment_name, is_in, is_saved_attachment, name,
    read_entry, referrer,
};
use crate::store::layout::shared::{Change, Layouts, Lock};
use crate::sync::LockExt as _;
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
    /// The repository whose names the tags are, in a layout that keeps whole names.
    repository: Option<Arc<str>>,
}

impl Layout {
    /// A layout to read: it must exist.
    pub fn open(layouts: &Layouts, side: Side, directory: &Path, meter: Arc<Meter>) -> Result<Self, Error> {
        let files = Files::new(layouts, side, directory)?;
        files.check_layout()?;
        Ok(Self { files: Arc::new(files), meter, prepared: Arc::default(), repository: None })
    }

    /// A layout to write: it need not exist; the first write makes it. A directory with other things in it is refused.
    pub fn create(layouts: &Layouts, side: Side, directory: &Path, meter: Arc<Meter>) -> Result<Self, Error> {
        let files = Files::new(layouts, side, directory)?;
        match fs::metadata(directory) {
            Ok(found) => {
                files.check_directory(&found)?;
                files.check_free()?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(files.failed("read", directory, &error)),
        }
        Ok(Self { files: Arc::new(files), meter, prepared: Arc::default(), repository: None })
    }

    /// The same as the place of one repository's images: each has its whole name.
    #[must_use]
    pub fn of(self, repository: Option<&Reference>) -> Self {
        Self { repository: repository.map(|repository| repository.name().into()), ..self }
    }

    /// What `tag` is called in the layout.
    pub fn name_of(&self, tag: &str) -> Name {
        match &self.repository {
            None => Name::Tag(tag.to_owned()),
            // No tag has a colon.
            Some(repository) => {
                let separator = if tag.contains(':') { '@' } else { ':' };
                Name::Whole(format!("{repository}{separator}{tag}"))
            }
        }
    }

    /// The tag that stands for an image without one where each has a whole name: its digest. Under its digest alone it
    /// would be taken for there where it is part of another.
    pub fn tag_of(&self, digest: &Digest) -> Option<String> {
        self.repository.as_ref().map(|_| digest.to_string())
    }

    /// The same where the image that is named by its tag or digest alone has a whole name: what hangs on it is found under that.
    pub async fn of_entry(self, at: TagOrDigest<'_>) -> Result<Self, Error> {
        let (files, place) = (Arc::clone(&self.files), self.place(at));
        let repository = blocking(move || Ok(files.index()?.repository_of(place.at()))).await?;
        Ok(self.of(repository.as_ref()))
    }

    fn place(&self, at: TagOrDigest<'_>) -> Place {
        match at {
            TagOrDigest::Tag(tag) => Place::Name { tag: tag.to_owned(), name: self.name_of(tag) },
            TagOrDigest::Digest(digest) => Place::Digest(digest.clone()),
        }
    }

    /// Identifies the directory, however it was spelt, among all layouts and registries of the run.
    pub fn account(&self) -> AccountId {
        self.files.shared.account
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
        self.files.object(self.place(at).at())
    }

    /// The manifest's descriptor, or none where it is not there. At the target a damaged manifest is not there: it is
    /// written again.
    pub async fn head_manifest(&self, at: TagOrDigest<'_>) -> Result<Option<Descriptor>, Error> {
        let (files, place) = (Arc::clone(&self.files), self.place(at));
        let found = blocking(move || {
            let Some(entry) = files.find(&place)? else { return Ok(None) };
            match files.load(place.at(), &entry) {
                Err(Error::Content { .. } | Error::DigestMismatch { .. }) if files.side == Side::Target => Ok(None),
                result => Ok(result?.map(|manifest| (manifest, entry.size))),
            }
        })
        .await?;
        let Some((manifest, said)) = found else { return Ok(None) };
        let manifest = self.counted(manifest, said)?;
        // It is not kept.
        self.meter.manifest_budget().release(manifest.bytes.len());
        Ok(Some(manifest.descriptor()))
    }

    /// Reads a manifest: at most 4 MiB, hashed, its size compared with its entry.
    pub async fn get_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        let (files, place) = (Arc::clone(&self.files), self.place(at));
        let (manifest, said) = blocking(move || {
            let at = place.at();
            let Some(entry) = files.find(&place)? else { return Err(files.absent(at)) };
            let manifest = files.load(at, &entry)?.ok_or_else(|| files.missing(&entry.digest))?;
            Ok((manifest, entry.size))
        })
        .await?;
        self.counted(manifest, said)
    }

    /// Writes the manifest's bytes as they are; under a tag it becomes an entry of `index.json` of that name.
    ///
    /// One with a subject becomes an entry in any case, so that the layout lists its attachments as a registry does.
    pub async fn put_manifest(&self, at: TagOrDigest<'_>, manifest: &Manifest) -> Result<ManifestPush, Error> {
        self.write_manifest(at, manifest).await?;
        if let TagOrDigest::Tag(tag) = at {
            let mut entry = entry(&manifest.descriptor());
            let name = self.name_of(tag);
            entry["annotations"] = name.annotations();
            self.change(move |index| index.set(&name, entry.clone())).await?;
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
        blocking(move || Ok(files.stat(&blob(&digest), Some(&digest))?.map(|found| found.len()))).await
    }

    /// Starts to read a blob, unchecked but for its size.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        let (files, wanted) = (Arc::clone(&self.files), descriptor.clone());
        let file = blocking(move || {
            let digest = &wanted.digest;
            let opened = files.open(&blob(digest), Some(digest))?;
            let (file, size) = opened.ok_or_else(|| files.missing(digest))?;
            if size != wanted.size {
                return Err(files.wrong_size(digest, wanted.size, size));
            }
            Ok(file)
        })
        .await?;
        let (files, meter, digest) = (Arc::clone(&self.files), Arc::clone(&self.meter), descriptor.digest.clone());
        let stream = futures_util::stream::unfold(Some(file), move |file| {
            let (files, meter, digest) = (Arc::clone(&files), Arc::clone(&meter), digest.clone());
            async move {
                let mut file = file?;
                let read = blocking(move || {
                    let mut piece = Vec::with_capacity(PIECE);
                    let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
                    read.map_err(|error| files.failed_file("read", &blob(&digest), Some(&digest), &error))?;
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
    pub async fn push_blob(&self, descriptor: &Descriptor, source: &dyn BlobSource) -> Result<BlobPush, Error> {
        if self.head_blob(descriptor).await? == Some(descriptor.size) {
            return Ok(BlobPush::Exists);
        }
        self.prepare().await?;
        match self.write_blob(descriptor, source.open().await?).await {
            // Its bytes may have come from two places, each of which was right: once more, whole.
            Err(Error::DigestMismatch { .. }) => self.write_blob(descriptor, source.open().await?).await,
            result => result,
        }
    }

    async fn write_blob(&self, descriptor: &Descriptor, mut stream: BlobStream) -> Result<BlobPush, Error> {
        let (files, algorithm) = (Arc::clone(&self.files), descriptor.digest.algorithm().to_owned());
        let mut temporary = blocking(move || files.temporary(&algorithm)).await?;
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
        Ok(BlobPush::Uploaded)
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
            let named = index.entries().any(|entry| name(entry).is_some_and(|name| !is_attachment_name(name)));
            for entry in index.entries().filter(|entry| !name(entry).is_some_and(is_attachment_name)) {
                if named != name(entry).is_some() || is_saved_attachment(entry) {
                    continue;
                }
                let descriptor = read_entry(entry).map_err(|problem| files.bad(problem))?;
                let is_attachment = || Ok(files.attachment(&descriptor)?.subject.is_some());
                if candidates.iter().any(|known| known.digest == descriptor.digest)
                    || (!named && descriptor.may_be_manifest() && is_attachment()?)
                {
                    continue;
                }
                candidates.push(descriptor);
            }
            match (candidates.pop(), candidates.is_empty()) {
                (None, _) => Err(files.bad(format!("`{INDEX}` lists no image"))),
                (Some(only), true) => Ok(only),
                // `docker save` of two images names both `latest`.
                (Some(_), false) if named && index.has_ambiguous_names() => {
                    let images = index.entries().map(described).collect::<Vec<_>>();
                    Err(files.several(ToldBy::DigestOfTag, &images))
                }
                (Some(_), false) if named => {
                    let images = index.names().into_iter().filter(|name| !is_attachment_name(name));
                    let images = images.collect::<Vec<_>>();
                    let is_whole = images.iter().any(|image| begins_with_host(&image.as_str()));
                    Err(files.several(if is_whole { ToldBy::Name } else { ToldBy::Tag }, &images))
                }
                (Some(last), false) => {
                    candidates.push(last);
                    let digests: Vec<String> = candidates.iter().map(|entry| entry.digest.to_string()).collect();
                    Err(files.several(ToldBy::Digest, &digests))
                }
            }
        })
        .await
    }

    /// Everything in the layout that names `subject` as its subject: entries of `index.json`, and what an index under
    /// the fallback tag lists (distribution-spec, "Referrers Tag Schema").
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let (files, meter, subject) = (Arc::clone(&self.files), Arc::clone(&self.meter), subject.clone());
        let fallback = self.place(TagOrDigest::Tag(&subject.fallback_tag()));
        let repository = self.repository.clone();
        blocking(move || {
            let index = files.index()?;
            let mut found: Vec<Descriptor> = Vec::new();
            let (mut unreadable, mut first) = (0, None);
            for entry in index.entries().filter(|entry| is_in(entry, repository.as_deref())) {
                let descriptor = match read_entry(entry) {
                    Ok(descriptor) => descriptor,
                    Err(problem) => {
                        unreadable += 1;
                        first.get_or_insert(problem);
                        continue;
                    }
                };
                if !descriptor.may_be_manifest() {
                    continue;
                }
                let attachment = match files.attachment(&descriptor) {
                    Ok(attachment) => attachment,
                    // Of a type of its own, and no manifest: a blob is no attachment.
                    Err(error) if !descriptor.is_manifest() && error.is_no_manifest() => continue,
                    Err(error) => return Err(error),
                };
                if attachment.subject.as_ref() == Some(&subject) {
                    found.push(attachment.descriptor);
                }
            }
            if let Some(problem) = first {
                let more = if unreadable > 1 { format!(" ({} more)", unreadable - 1) } else { String::new() };
                meter.notice(format!("{}: {problem}{more}; an attachment there would be left out", files.place()));
            }
            if let Some(entry) = files.find(&fallback)? {
                let listing = files.load(fallback.at(), &entry)?.ok_or_else(|| files.missing(&entry.digest))?;
                found.extend(listing.entries().iter().cloned());
            }
            let mut seen = BTreeSet::new();
            found.retain(|descriptor| seen.insert(descriptor.digest.clone()));
            Ok(found)
        })
        .await
    }

    /// A manifest that was read, of which its entry has `said` a size.
    fn counted(&self, manifest: Manifest, said: Option<u64>) -> Result<Manifest, Error> {
        if let Some(said) = said.filter(|said| *said != manifest.bytes.len() as u64) {
            self.meter.notice(wrong_size(&format!("`{INDEX}`"), &manifest, said));
        }
        self.meter.read(manifest.bytes.len());
        self.meter
            .manifest_budget()
            .reserve(manifest.bytes.len())
            .map_err(|violation| Error::of_manifests(self.files.side, self.files.place(), violation))?;
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
            let temporary = files.temporary(manifest.digest.algorithm())?;
            let temporary = files.append(temporary, std::slice::from_ref(&manifest.bytes))?;
            files.keep(temporary, &blob(&manifest.digest))?;
            Ok(manifest.bytes.len())
        })
        .await?;
        self.meter.written(written);
        Ok(written > 0)
    }

    async fn list(&self, manifest: &Manifest) -> Result<(), Error> {
        let (digest, entry, repository) =
            (manifest.digest.clone(), entry(&referrer(manifest)), self.repository.clone());
        self.change(move |index| Ok(index.add(&digest, entry.clone(), repository.as_deref()))).await
    }

    /// Changes `index.json` under its lock: it is the same when it is written as when it was read. Changes that have come while
    /// another was written are written together, so that the work is bounded by the time and not by the number of names.
    async fn change(&self, change: impl Fn(&mut Index) -> Result<bool, String> + Send + 'static) -> Result<(), Error> {
        self.prepare().await?;
        let (done, mut result) = oneshot::channel();
        self.files.shared.changes.locked().push(Change { apply: Box::new(change), done });
        // Another one may write it meanwhile: then it is done, whoever holds the lock.
        let lock = tokio::select! {
            biased;
            told = &mut result => return told.unwrap_or_else(|_| Err(not_made())),
            lock = self.lock() => lock?,
        };
        let files = Arc::clone(&self.files);
        blocking(move || {
            let _lock = lock;
            let changes = std::mem::take(&mut *files.shared.changes.locked());
            files.commit(changes.into_iter().filter(|change| !change.done.is_closed()).collect());
            Ok(())
        })
        .await?;
        result.await.unwrap_or_else(|_| Err(not_made()))
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
                        sanitise::one_line(&error.to_string(), 200)
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

fn not_made() -> Error {
    Error::Local("a change of the index was not made".to_owned())
}

#[cfg(test)]
mod tests;
