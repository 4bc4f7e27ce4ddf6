//! One image's way: resolve, copy, verify.
//!
//! Owns the order of the stages for one image, and that whatever happens becomes a report entry. Never ends the run:
//! a failed image is a result, not an early exit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::copy::{Before, Copy, Ledger, Mode};
use crate::digest::Digest;
use crate::error::{Error, Side};
use crate::inputs::{Command, OnConflict};
use crate::manifest::Manifest;
use crate::meter::{Events, Meter};
use crate::mirrored::Mirrors;
use crate::plan::Job;
use crate::reference::ImageReference;
use crate::registry::{At, Registries};
use crate::report::{ImageReport, Outcome, PlatformReport};
use crate::resolve::{self, Resolved};
use crate::secret::Credential;
use crate::store::Store;
use crate::verify;

/// What all images of a run share.
pub struct Run<'a> {
    /// What to do with each image.
    pub command: Command,
    /// Stop before the first write.
    pub dry_run: bool,
    /// The registries.
    pub registries: &'a Registries,
    /// What the run knows to be at its targets.
    pub ledger: &'a Ledger,
    /// Which credential an image's end gets.
    pub credential: &'a (dyn Fn(Side, &crate::reference::Reference) -> Option<Credential> + Sync),
    /// Where images are read instead of their own registry.
    pub mirrors: &'a Mirrors,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
    /// Where what must be said meanwhile goes.
    pub events: &'a Events,
}

/// One image while it is worked on. What is known of it survives a cancellation.
pub struct Image<'a> {
    run: &'a Run<'a>,
    job: &'a Job,
    meter: Arc<Meter>,
    started: Instant,
    /// The tag, or the digest where there is no tag, was accepted by the target.
    published: AtomicBool,
    known: Mutex<Known>,
}

/// What is known so far.
#[derive(Default)]
struct Known {
    source_digest: Option<Digest>,
    digest: Option<Digest>,
    media_type: Option<String>,
    platforms: Vec<PlatformReport>,
}

impl<'a> Image<'a> {
    /// Nothing is contacted yet.
    pub fn new(run: &'a Run<'a>, job: &'a Job) -> Self {
        Self {
            run,
            job,
            meter: Arc::new(Meter::new(run.events.clone())),
            started: Instant::now(),
            published: AtomicBool::new(false),
            known: Mutex::default(),
        }
    }

    /// Does what the run's command says.
    pub async fn work(&self) -> Result<Outcome, Error> {
        match self.run.command {
            Command::Copy => self.copy().await,
            Command::Inspect => self.inspect().await,
            Command::Verify => self.verify().await,
        }
    }

    /// The report entry, once the work has ended so.
    pub fn report(&self, result: Result<Outcome, Error>) -> ImageReport {
        let known = std::mem::take(&mut *self.known());
        let mut notices = self.job.notices.clone();
        notices.extend(self.meter.notices());
        let (result, error) = match result {
            Ok(outcome) => (outcome, None),
            Err(error) => (Outcome::Failed, Some(error)),
        };
        ImageReport {
            source_digest: known.source_digest,
            digest: known.digest,
            media_type: known.media_type,
            platforms: known.platforms,
            result,
            traffic: self.meter.traffic(),
            blobs: self.meter.blobs(),
            notices,
            sites: self.meter.sites(),
            served_by: self.meter.served_by(),
            state: error.as_ref().map(|_| self.state()),
            error,
            duration: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..ImageReport::new(self.job.source.to_string(), self.job.target.as_ref().map(ToString::to_string))
        }
    }

    /// What was and what was not written.
    fn state(&self) -> String {
        let blobs = self.meter.blobs();
        let (blobs, manifests) = (blobs.sent + blobs.mounted, self.meter.manifests());
        let name = match self.job.target.as_ref().and_then(ImageReference::tag) {
            Some(tag) => format!("the tag `{tag}`"),
            None => "the image".to_owned(),
        };
        if self.published.load(Relaxed) {
            return format!("{name} was written to the target");
        }
        if blobs + manifests == 0 {
            return "nothing was written".to_owned();
        }
        format!(
            "{blobs} blobs and {manifests} manifests were written; {name} was not touched, and the next run goes on from there"
        )
    }

    async fn copy(&self) -> Result<Outcome, Error> {
        let (source, source_tag) = self.store(Side::Source, &self.job.source)?;
        let Some(reference) = &self.job.target else {
            return Err(Error::input("target", "is missing"));
        };
        let (target, target_tag) = self.store(Side::Target, reference)?;
        let overwrite = self.job.on_conflict == OnConflict::Overwrite;

        let source_digest = self.job.source.digest().cloned();
        let source_at = at(source_tag.as_deref(), source_digest.as_ref());
        // Where only the source's digest names the target, the target can be asked once that is known.
        let early = target_tag.as_deref().map(At::Tag).or_else(|| reference.digest().map(At::Digest));
        let (resolved, present) = match early {
            Some(early) => {
                let (resolved, present) = tokio::join!(
                    resolve::source(&source, source_at, &self.job.platforms),
                    resolve::target(&target, early, overwrite)
                );
                (resolved?, present)
            }
            None => (resolve::source(&source, source_at, &self.job.platforms).await?, Ok(None)),
        };
        self.learn(&resolved);
        self.expect(&resolved)?;
        let wanted = resolved.root.digest().clone();
        let (target_at, present) = match (target_tag.as_deref(), early) {
            (Some(tag), _) => (At::Tag(tag), present?),
            (None, Some(At::Digest(asked))) if *asked == wanted => (At::Digest(&wanted), present?),
            // Pushed by digest, and the digest of one platform is not the one that the reference names.
            (None, _) => (At::Digest(&wanted), resolve::target(&target, At::Digest(&wanted), overwrite).await?),
        };

        if present.as_ref() == Some(&wanted) {
            return Ok(Outcome::Unchanged);
        }
        let before = if let Some(actual) = present {
            match self.job.on_conflict {
                OnConflict::Overwrite => {}
                OnConflict::Keep => {
                    self.known().digest = Some(actual);
                    return Ok(Outcome::Kept);
                }
                OnConflict::Fail => {
                    return Err(Error::Conflict { reference: target.object(target_at), actual, wanted });
                }
            }
            Before::Different
        } else {
            Before::Empty
        };

        let chosen = resolved.chosen.clone();
        let root = resolved.root.manifest(&source).await?;
        let sizes = Mutex::new(BTreeMap::new());
        let copy = Copy {
            source: &source,
            target: &target,
            ledger: self.run.ledger,
            meter: &self.meter,
            mode: if self.run.dry_run { Mode::DryRun } else { Mode::Write },
            before,
            sizes: &sizes,
        };
        let below = copy.below(&root, 0).await;
        let size = |digest: &Digest| {
            sizes.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied().unwrap_or_default()
        };
        self.describe(&root, chosen.as_ref(), size);
        below?;
        if copy.put(target_at, &root).await?.is_none() {
            return Ok(Outcome::WouldCopy);
        }
        self.published.store(true, Relaxed);
        verify::read_back(&target, target_at, &root.digest, self.run.patience).await?;
        Ok(Outcome::Copied)
    }

    async fn inspect(&self) -> Result<Outcome, Error> {
        let (source, tag) = self.store(Side::Source, &self.job.source)?;
        let digest = self.job.source.digest().cloned();
        let source_at = at(tag.as_deref(), digest.as_ref());
        let resolved = match &self.job.platforms {
            // The bytes are what is inspected: no HEAD first.
            crate::inputs::Platforms::All => {
                let manifest = source.get_manifest(source_at).await?;
                Resolved {
                    named: manifest.digest.clone(),
                    root: resolve::Root::Fetched(Box::new(manifest)),
                    chosen: None,
                }
            }
            one @ crate::inputs::Platforms::One(_) => resolve::source(&source, source_at, one).await?,
        };
        self.learn(&resolved);
        self.expect(&resolved)?;
        let mut chosen = resolved.chosen.clone();
        let root = resolved.root.manifest(&source).await?;
        if chosen.is_none() && !root.is_index() {
            chosen = resolve::platform_of_image(&source, &root).await?;
        }
        self.describe(&root, chosen.as_ref(), |_| root.content_size());
        Ok(Outcome::Inspected)
    }

    async fn verify(&self) -> Result<Outcome, Error> {
        let (source, tag) = self.store(Side::Source, &self.job.source)?;
        let Some(reference) = &self.job.target else {
            return Err(Error::input("target", "is missing; `verify` compares a source with a target"));
        };
        let (target, target_tag) = self.store(Side::Target, reference)?;
        let digest = self.job.source.digest().cloned();
        let resolved = resolve::source(&source, at(tag.as_deref(), digest.as_ref()), &self.job.platforms).await?;
        self.learn(&resolved);
        self.expect(&resolved)?;
        let wanted = resolved.root.digest().clone();
        // The tag is what people pull by; the digest only where there is no tag.
        let target_at = target_tag.as_deref().map_or(At::Digest(&wanted), At::Tag);
        let different = |differences| Error::Different { reference: target.object(target_at), differences };
        match resolve::target(&target, target_at, false).await? {
            Some(found) if found == wanted => {}
            Some(found) => return Err(different(vec![format!("it is {found}, the source is {wanted}")])),
            None => return Err(different(vec![format!("it does not exist; the source is {wanted}")])),
        }
        let chosen = resolved.chosen.clone();
        let root = resolved.root.manifest(&source).await?;
        self.describe(&root, chosen.as_ref(), |_| 0);
        let differences = verify::differences(&source, &target, &root, 0).await?;
        if differences.is_empty() { Ok(Outcome::Verified) } else { Err(different(differences)) }
    }

    /// The store of one end, and its tag.
    fn store(&self, side: Side, reference: &ImageReference) -> Result<(Store, Option<String>), Error> {
        match reference {
            ImageReference::Registry(reference) => {
                let credential = (self.run.credential)(side, reference);
                let meter = Arc::clone(&self.meter);
                if side == Side::Source
                    && let Some(mirrored) = self.run.mirrors.store(self.run.registries, reference, self.job, &meter)?
                {
                    return Ok((Store::Mirrored(mirrored), reference.tag().map(str::to_owned)));
                }
                let repository = self.run.registries.repository(side, reference, credential.as_ref(), meter)?;
                Ok((Store::Registry(repository), reference.tag().map(str::to_owned)))
            }
            ImageReference::Layout(_) => {
                Err(Error::input(side.to_string(), "an `oci:` directory cannot be used yet; name a registry"))
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, resolved: &Resolved) {
        let mut known = self.known();
        known.source_digest = Some(resolved.named.clone());
        known.digest = Some(resolved.root.digest().clone());
        if let Some(platform) = &resolved.chosen {
            let digest = resolved.root.digest().clone();
            known.platforms = vec![PlatformReport { platform: platform.to_string(), digest, size: 0 }];
        }
    }

    /// `expected-digest` names the image as its publisher does: the index, or the one platform that is wanted.
    fn expect(&self, resolved: &Resolved) -> Result<(), Error> {
        match &self.job.expected_digest {
            Some(expected) if *expected != resolved.named && expected != resolved.root.digest() => {
                Err(Error::Unexpected {
                    reference: self.job.source.to_string(),
                    expected: expected.clone(),
                    actual: resolved.named.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    fn describe(&self, root: &Manifest, chosen: Option<&crate::platform::Platform>, size: impl Fn(&Digest) -> u64) {
        let mut known = self.known();
        known.media_type = Some(root.media_type.clone());
        known.platforms = match chosen {
            Some(platform) if !root.is_index() => vec![PlatformReport {
                platform: platform.to_string(),
                digest: root.digest.clone(),
                size: size(&root.digest),
            }],
            _ => resolve::platforms(root, size),
        };
    }
}

/// The place that a reference's tag and digest name: the digest decides where both are given.
fn at<'a>(tag: Option<&'a str>, digest: Option<&'a Digest>) -> At<'a> {
    match (digest, tag) {
        (Some(digest), _) => At::Digest(digest),
        (None, Some(tag)) => At::Tag(tag),
        // A parsed reference has one or the other.
        (None, None) => At::Tag("latest"),
    }
}
