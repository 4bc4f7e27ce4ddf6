//! Reading through mirrors: an image that may be in several places, asked one after the other.
//!
//! Owns the classes of what a place can do (served, absent, busy, …), what is remembered of a host for the rest of the
//! run, and whom to believe about a tag. Everything that has a digest is checked against it during the attempt, so that
//! a place that lies costs time and nothing else. Never sends a mirror the credential of another host, never lets a
//! mirror's failure be the run's: the original's error is the error.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::StreamExt as _;

use crate::error::action::Action;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::observe::counts::EndpointStatus;
use crate::observe::meter::Meter;
use crate::oci::artifact::after_digest;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::oci::reference::Reference;
use crate::store::blob::{self, BlobStream};
use crate::store::content::{AccountId, Listing, TagOrDigest};
use crate::store::mirrors::health::{Hosts, classify, reason};
use crate::store::mirrors::rules::Tags;
use crate::store::registry::repository::Repository;
use crate::sync::LockExt as _;

/// How often a host may be unreachable before it is left out.
const MAX_UNREACHABLE: u32 = 2;

/// How long a mirror may take for a manifest, retry included: one that gives a byte now and then is no help.
const MANIFEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A mirror that gives less than this in [`MIN_BYTES_WINDOW`] of waiting for it is left.
const MIN_BYTES: u64 = 256 * 1024;

/// See [`MIN_BYTES`].
const MIN_BYTES_WINDOW: Duration = Duration::from_secs(30);

/// One place.
pub struct Endpoint {
    pub repository: Repository,
    /// The repository's name with its registry.
    name: String,
    host: String,
    is_mirror: bool,
    /// There is nowhere else to ask: it is waited for as long as the user allows, and never left out.
    pub is_last: bool,
}

impl Endpoint {
    pub fn new(repository: Repository, reference: &Reference, is_mirror: bool) -> Self {
        let host = reference.registry().to_owned();
        Self { repository, name: reference.name(), host, is_mirror, is_last: false }
    }
}

/// One image, wherever it is read.
#[derive(Clone)]
pub struct MirrorSource(pub Arc<State>);

pub struct State {
    /// The image's own name: messages and reports know no other.
    pub reference: Reference,
    /// In the order in which they are asked.
    pub sites: Vec<Endpoint>,
    pub tags: Tags,
    pub patience: Duration,
    pub hosts: Arc<Hosts>,
    pub meter: Arc<Meter>,
    pub found: Mutex<Found>,
}

/// What is known so far.
#[derive(Default)]
pub struct Found {
    /// The place that the first manifest came from; what belongs to it is looked for there first.
    preferred: Option<usize>,
    /// The manifest that a tag's resolution had to fetch: it is not fetched again.
    manifest: Option<Manifest>,
    /// Places where a blob could not be read.
    bad: HashMap<Digest, HashSet<usize>>,
}

/// What a tag stands for.
enum Named {
    Descriptor(Box<Descriptor>),
    Manifest(Box<Manifest>),
}

impl Named {
    fn digest(&self) -> &Digest {
        match self {
            Self::Descriptor(descriptor) => &descriptor.digest,
            Self::Manifest(manifest) => &manifest.digest,
        }
    }
}

/// A question to one place; none is "not there".
type Question<'a, T> = BoxFuture<'a, Result<Option<T>, Error>>;

impl MirrorSource {
    /// What counts the requests to all places, and hears what is to be known.
    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// See [`Source::head_manifest`](crate::store::Source::head_manifest).
    pub async fn head_manifest(&self, at: TagOrDigest<'_>) -> Result<Option<Descriptor>, Error> {
        let named = match at {
            TagOrDigest::Tag(tag) => self.0.tag(tag, false).await?,
            TagOrDigest::Digest(_) => {
                let everywhere = self.0.order();
                let answer = self.0.walk(&everywhere, |site| head(site, at)).await?;
                answer.map(|(_, descriptor)| Named::Descriptor(Box::new(descriptor)))
            }
        };
        Ok(named.map(|named| match named {
            Named::Descriptor(descriptor) => *descriptor,
            Named::Manifest(manifest) => {
                let descriptor = manifest.descriptor();
                self.0.found().manifest = Some(*manifest);
                descriptor
            }
        }))
    }

    /// See [`Source::get_manifest`](crate::store::Source::get_manifest).
    pub async fn get_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        match at {
            TagOrDigest::Digest(digest) => self.0.get(digest).await,
            TagOrDigest::Tag(tag) => match self.0.tag(tag, true).await? {
                Some(Named::Manifest(manifest)) => Ok(*manifest),
                Some(Named::Descriptor(descriptor)) => self.0.get(&descriptor.digest).await,
                None => Err(Error::Registry {
                    side: Side::Source,
                    action: Action::GetManifest,
                    object: self.object(at),
                    cause: Cause::Refused(ErrorResponse {
                        status: 404,
                        message: "it is in none of the places that were asked".to_owned(),
                        ..ErrorResponse::default()
                    }),
                }),
            },
        }
    }

    /// See [`Source::referrers`](crate::store::Source::referrers). No digest vouches for a list, so one place's "none"
    /// proves nothing: all are asked, and what any of them lists is looked at. Where one of them keeps no such list, the
    /// fallback tag counts too: a mirror with the API knows only what it has fetched.
    pub async fn referrers(&self, subject: &Digest) -> Result<Listing, Error> {
        let mut listing = Listing { entries: Vec::new(), is_whole: true };
        let (mut answered, mut failures) = (false, Vec::new());
        for site in self.0.for_attachments() {
            match site.repository.referrers(subject).await {
                Ok(entries) => {
                    answered = true;
                    listing.is_whole &= entries.is_some();
                    listing.entries.extend(entries.unwrap_or_default());
                }
                Err(error) => failures.push((site, error)),
            }
        }
        self.0.tolerate_outage(answered, &failures)?;
        listing.is_whole &= answered;
        Ok(listing)
    }

    /// See [`Source::head_blob`](crate::store::Source::head_blob).
    pub async fn head_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        let everywhere = self.0.order();
        let answer = self.0.walk(&everywhere, |site| site.repository.head_blob(descriptor).boxed()).await?;
        Ok(answer.map(|(_, size)| size))
    }

    /// Starts to read a blob where it was not tried in vain; it is checked on its way.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        let mut verdict = None;
        for index in self.0.order() {
            let Some(site) = self.0.sites.get(index) else { continue };
            // The last place is asked again where all failed: whoever asks has a reason.
            if (self.0.is_bad(descriptor, index) && !site.is_last) || self.0.skips(site) {
                continue;
            }
            match site.repository.read_blob(descriptor).await {
                Ok(stream) => return Ok(self.watched(stream, descriptor.clone(), index)),
                Err(error) => {
                    self.0.mark_bad(descriptor, index);
                    self.0.failed(site, &error);
                    if site.is_last || verdict.is_none() {
                        verdict = Some(error);
                    }
                }
            }
        }
        Err(verdict.unwrap_or_else(|| Error::Local("no mirror is left to read from".to_owned())))
    }

    /// Whether there is a place where this blob was not tried in vain.
    pub fn has_another(&self, descriptor: &Descriptor) -> bool {
        // Skipped endpoints do not count; otherwise the caller would retry without end.
        let mut sites = self.0.sites.iter().enumerate();
        sites.any(|(index, site)| !self.0.is_bad(descriptor, index) && !self.0.skips(site))
    }

    /// The original's: blobs can be mounted from where the image's own name leads, not from where it happens to be read.
    pub fn account(&self) -> Option<AccountId> {
        self.0.original().map(|original| original.repository.account())
    }

    /// The repository's own name.
    pub fn repository(&self) -> Arc<str> {
        self.0.reference.repository().into()
    }

    /// The same with its registry.
    pub fn full_name(&self) -> Arc<str> {
        format!("{}/{}", self.0.reference.registry(), self.0.reference.repository()).into()
    }

    /// How `at` is called in messages: by the original's name.
    pub fn object(&self, at: TagOrDigest<'_>) -> Object {
        at.of(Object::repository(self.0.reference.clone()))
    }

    /// `stream`, checked; its failure is remembered, so that the next attempt goes elsewhere.
    fn watched(&self, stream: BlobStream, descriptor: Descriptor, index: usize) -> BlobStream {
        let Some(site) = self.0.sites.get(index) else { return stream };
        let object = site.repository.object(TagOrDigest::Digest(&descriptor.digest));
        let stream = if site.is_last {
            stream
        } else {
            with_min_rate(stream, MIN_BYTES_WINDOW.min(self.0.patience), object.clone())
        };
        let stream = blob::checked(stream, &descriptor, object);
        let inner = Arc::clone(&self.0);
        stream
            .inspect(move |piece| {
                if let (Err(error), Some(site)) = (piece, inner.sites.get(index)) {
                    inner.mark_bad(&descriptor, index);
                    inner.failed(site, error);
                }
            })
            .boxed()
    }
}

/// A manifest's HEAD, as a question.
fn head<'a>(site: &'a Endpoint, at: TagOrDigest<'a>) -> Question<'a, Descriptor> {
    site.repository.head_manifest(at).boxed()
}

/// A manifest's GET, as a question.
pub fn get<'a>(site: &'a Endpoint, at: TagOrDigest<'a>) -> Question<'a, Manifest> {
    async move { site.repository.get_manifest(at).await.map(Some) }.boxed()
}

impl State {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.locked()
    }

    fn original(&self) -> Option<&Endpoint> {
        self.sites.iter().find(|site| !site.is_mirror)
    }

    /// The places by number: the one that served first, then the others as configured.
    fn order(&self) -> Vec<usize> {
        let preferred = self.found().preferred;
        preferred.into_iter().chain((0..self.sites.len()).filter(|index| Some(*index) != preferred)).collect()
    }

    fn mirrors(&self) -> Vec<usize> {
        self.order().into_iter().filter(|index| self.sites.get(*index).is_some_and(|site| site.is_mirror)).collect()
    }

    fn is_bad(&self, descriptor: &Descriptor, index: usize) -> bool {
        self.found().bad.get(&descriptor.digest).is_some_and(|bad| bad.contains(&index))
    }

    fn mark_bad(&self, descriptor: &Descriptor, index: usize) {
        self.found().bad.entry(descriptor.digest.clone()).or_default().insert(index);
    }

    /// The manifest of a digest, from wherever its bytes are right.
    async fn get(&self, digest: &Digest) -> Result<Manifest, Error> {
        if let Some(manifest) = self.found().manifest.take_if(|manifest| manifest.digest == *digest) {
            return Ok(manifest);
        }
        match self.walk(&self.order(), |site| get(site, TagOrDigest::Digest(digest))).await? {
            Some((index, manifest)) => {
                self.prefer(index);
                Ok(manifest)
            }
            None => Err(Error::Local("no mirror is left to read from".to_owned())),
        }
    }

    /// What `tag` stands for, by the rule that the user chose. `bytes`: the manifest itself is wanted.
    async fn tag(&self, tag: &str, bytes: bool) -> Result<Option<Named>, Error> {
        if after_digest(tag).is_some() {
            return self.attachment(tag, bytes).await;
        }
        match (self.tags, self.original()) {
            (Tags::Origin, Some(original)) => self.at_original(original, tag, bytes).await,
            (Tags::Verify, Some(original)) => self.verified(original, tag, bytes).await,
            // With `never` there is no original to be compared with.
            _ => {
                let answer = self.walk(&self.order(), |site| fetched(site, tag, bytes)).await?;
                Ok(answer.map(|(index, named)| self.remember(index, named)))
            }
        }
    }

    /// A tag by which an attachment is found. Whoever has it gives it, the original before the mirrors; where the original
    /// cannot be asked, the mirrors' word counts, and that is said.
    async fn attachment(&self, tag: &str, bytes: bool) -> Result<Option<Named>, Error> {
        let (mut answered, mut failures) = (false, Vec::new());
        for site in self.for_attachments() {
            match fetched(site, tag, bytes).await {
                Ok(Some(named)) => return Ok(Some(named)),
                Ok(None) => answered = true,
                Err(error) if error.is_absent() => answered = true,
                Err(error) => failures.push((site, error)),
            }
        }
        self.tolerate_outage(answered, &failures)?;
        Ok(None)
    }

    /// The places that are asked for attachments, the original first: as patiently as for anything, because a mirror's
    /// "none" proves nothing.
    fn for_attachments(&self) -> Vec<&Endpoint> {
        let mut sites: Vec<&Endpoint> = self.sites.iter().filter(|site| !self.skips(site)).collect();
        sites.sort_by_key(|site| site.is_mirror);
        sites
    }

    /// Whether the answers about attachments stand although some places failed. The original's failure counts, unless it
    /// is an outage: then the mirrors' word is better than no image, and that is said. A mirror's failure counts where
    /// there is no original.
    fn tolerate_outage(&self, answered: bool, failures: &[(&Endpoint, Error)]) -> Result<(), Error> {
        for (site, error) in failures.iter().filter(|(site, _)| site.is_mirror) {
            self.failed(site, error);
        }
        // The original is asked first, so its failure is the first one.
        let Some((site, error)) = failures.first() else { return Ok(()) };
        if !answered || self.original().is_none() {
            return Err(error.clone());
        }
        if !site.is_mirror {
            if !error.is_outage() {
                return Err(error.clone());
            }
            self.meter.notice(format!(
                "{} could not be asked for attachments; those that its mirrors have come along",
                self.reference.name()
            ));
            return Ok(());
        }
        for (site, _) in failures.iter().filter(|(_, error)| error.is_outage()) {
            self.meter.notice(format!(
                "the mirror {} could not be asked for attachments; those that the other places have come along",
                site.name
            ));
        }
        Ok(())
    }

    /// The original's own answer.
    async fn at_original(&self, original: &Endpoint, tag: &str, bytes: bool) -> Result<Option<Named>, Error> {
        let index = self.sites.len() - 1;
        let named = self.attempt(original, fetched(original, tag, bytes)).await?;
        Ok(named.map(|named| self.remember(index, named)))
    }

    /// The first mirror's answer, where the original agrees or cannot be asked; else the original's.
    ///
    /// A tool that writes mirrors must not spread a stale tag.
    async fn verified(&self, original: &Endpoint, tag: &str, bytes: bool) -> Result<Option<Named>, Error> {
        let at = TagOrDigest::Tag(tag);
        let mirrors = self.mirrors();
        let answer = if bytes {
            self.walk(&mirrors, |site| fetched(site, tag, true)).await
        } else {
            // The original will say the digest, so the mirror's word is enough here.
            let answer = self.walk(&mirrors, |site| head(site, at)).await;
            answer.map(|answer| answer.map(|(index, descriptor)| (index, Named::Descriptor(Box::new(descriptor)))))
        };
        let Ok(Some((index, named))) = answer else { return self.at_original(original, tag, bytes).await };
        let Some(mirror) = self.sites.get(index) else { return Ok(None) };
        let impatient = Endpoint {
            repository: original.repository.with_alternatives(),
            name: original.name.clone(),
            host: original.host.clone(),
            is_mirror: false,
            is_last: false,
        };
        match self.attempt(&impatient, head(&impatient, at)).await {
            Ok(Some(descriptor)) if descriptor.digest == *named.digest() => Ok(Some(self.remember(index, named))),
            Ok(Some(descriptor)) => {
                self.meter.warn(format!(
                    "the mirror {} is stale: its `{tag}` is {}, the original's is {}, which is taken",
                    mirror.name,
                    named.digest(),
                    descriptor.digest
                ));
                let reason = format!("its tag is {}", named.digest());
                self.meter.site(&mirror.name, EndpointStatus::Stale, Some(reason));
                Ok(Some(Named::Descriptor(Box::new(descriptor))))
            }
            Ok(None) => {
                self.meter.notice(format!(
                    "the mirror {} has `{tag}`, and the original says that there is no such tag; `mirror-tags: first` \
                     would believe the mirror",
                    mirror.name
                ));
                self.at_original(original, tag, bytes).await
            }
            Err(error) => {
                // Only what was fetched is known to exist: a digest that a HEAD named may be of nothing.
                let order: Vec<usize> =
                    std::iter::once(index).chain(mirrors.into_iter().filter(|other| *other != index)).collect();
                let named = match named {
                    Named::Manifest(_) => Some((index, named)),
                    Named::Descriptor(_) => {
                        self.walk(&order, |site| fetched(site, tag, true)).await.unwrap_or_default()
                    }
                };
                let Some((index, named)) = named else { return self.at_original(original, tag, bytes).await };
                let served = self.sites.get(index).map_or("a mirror", |site| site.name.as_str());
                self.meter.notice(format!(
                    "`{tag}` is taken from {served} and was not compared with the original, which could not be asked: {}",
                    reason(&error)
                ));
                Ok(Some(self.remember(index, named)))
            }
        }
    }

    /// Remembers which endpoint answered.
    fn remember(&self, index: usize, named: Named) -> Named {
        if matches!(named, Named::Manifest(_)) {
            self.prefer(index);
        } else if let (None, Some(site)) = (self.found().preferred, self.sites.get(index)) {
            self.meter.served(&site.name);
        }
        named
    }

    /// The place that gave the first manifest is the one to look at first for what belongs to it.
    fn prefer(&self, index: usize) {
        let mut found = self.found();
        if let (None, Some(site)) = (found.preferred, self.sites.get(index)) {
            found.preferred = Some(index);
            self.meter.served(&site.name);
        }
    }

    /// Asks the places in order until one has an answer. Where none has, the last place's word counts: the original's.
    async fn walk<'a, T>(
        &'a self,
        order: &[usize],
        ask: impl Fn(&'a Endpoint) -> Question<'a, T>,
    ) -> Result<Option<(usize, T)>, Error> {
        let mut verdict = Ok(None);
        let mut is_final = false;
        for index in order {
            let Some(site) = self.sites.get(*index).filter(|site| !self.skips(site)) else { continue };
            match self.attempt(site, ask(site)).await {
                Ok(Some(answer)) => return Ok(Some((*index, answer))),
                _ if is_final => {}
                Ok(None) => verdict = Ok(None),
                Err(error) => verdict = Err(error),
            }
            is_final |= site.is_last;
        }
        verdict
    }

    /// One question to one place, its outcome noted.
    async fn attempt<T>(&self, site: &Endpoint, asking: Question<'_, T>) -> Result<Option<T>, Error> {
        let result = if site.is_last {
            asking.await
        } else {
            let limit = MANIFEST_TIMEOUT.min(self.patience);
            tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| Err(too_slow(site.repository.place(), limit)))
        };
        match &result {
            Ok(Some(_)) => self.meter.site(&site.name, EndpointStatus::Served, None),
            Ok(None) => self.meter.site(&site.name, EndpointStatus::Absent, None),
            Err(error) => self.failed(site, error),
        }
        result
    }

    /// Whether a place is left out for what its host did before in this run.
    fn skips(&self, site: &Endpoint) -> bool {
        if site.is_last || !site.is_mirror {
            return false;
        }
        let known = self.hosts.get(&site.host);
        let reason = if known.untrusted {
            "its host gave wrong bytes before in this run"
        } else if known.unreachable >= MAX_UNREACHABLE {
            "its host was unreachable before in this run"
        } else {
            return false;
        };
        self.meter.site(&site.name, EndpointStatus::Skipped, Some(reason.to_owned()));
        true
    }

    /// Notes a place's failure, and remembers what it says about its host.
    fn failed(&self, site: &Endpoint, error: &Error) {
        let class = classify(error);
        self.meter.site(&site.name, class, Some(reason(error)));
        if !site.is_mirror {
            return;
        }
        let (before, now) = self.hosts.learn(&site.host, class);
        if now.untrusted && !before.untrusted {
            self.meter.warn(format!(
                "the mirror {} gave wrong bytes ({}); its host is not believed again in this run",
                site.name,
                reason(error)
            ));
        } else if now.unreadable && !before.unreadable {
            self.meter.notice(format!(
                "the mirror {} is configured and cannot be read ({}); give a credential for {} by `registry-auth`, or \
                 leave it out",
                site.name,
                reason(error),
                site.host
            ));
        } else if now.unreachable == MAX_UNREACHABLE && before.unreachable < MAX_UNREACHABLE {
            self.meter.notice(format!(
                "the mirror host {} was unreachable {MAX_UNREACHABLE} times ({}) and is left out for the rest of the run",
                site.host,
                reason(error)
            ));
        }
    }
}

/// A tag's manifest from a mirror, whose word about a digest is nothing without the bytes; from the original a HEAD will
/// do where only the digest is wanted.
fn fetched<'a>(site: &'a Endpoint, tag: &'a str, bytes: bool) -> Question<'a, Named> {
    let at = TagOrDigest::Tag(tag);
    if site.is_mirror || bytes {
        get(site, at).map(|answer| Ok(answer?.map(|manifest| Named::Manifest(Box::new(manifest))))).boxed()
    } else {
        head(site, at).map(|answer| Ok(answer?.map(|descriptor| Named::Descriptor(Box::new(descriptor))))).boxed()
    }
}

/// `stream`, ended where it gives next to nothing for `limit`; the time between two reads of the caller does not count.
fn with_min_rate(stream: BlobStream, limit: Duration, object: Object) -> BlobStream {
    let state = Some((stream, Duration::ZERO, 0_u64));
    futures_util::stream::unfold(state, move |state| {
        let object = object.clone();
        async move {
            let (mut stream, mut waited, mut moved) = state?;
            let started = tokio::time::Instant::now();
            match tokio::time::timeout(limit.saturating_sub(waited), stream.next()).await {
                Err(_) => Some((Err(too_slow(object, limit)), None)),
                Ok(None) => None,
                Ok(Some(piece)) => {
                    waited += started.elapsed();
                    moved += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                    if moved >= MIN_BYTES {
                        (waited, moved) = (Duration::ZERO, 0);
                    }
                    Some((piece, Some((stream, waited, moved))))
                }
            }
        }
    })
    .boxed()
}

fn too_slow(object: Object, limit: Duration) -> Error {
    let detail = format!("too slow for {} s", limit.as_secs());
    let cause = Cause::Connection { kind: ConnectionFailure::Stalled, detail };
    Error::Registry { side: Side::Source, action: Action::Get, object, cause }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::StreamExt as _;

    use super::with_min_rate;
    use crate::error::object::Object;
    use crate::store::blob::BlobStream;

    fn object() -> Object {
        Object::directory(std::path::Path::new("m"))
    }

    #[tokio::test]
    async fn a_stream_that_gives_a_byte_now_and_then_is_left() {
        let drip = |milliseconds| -> BlobStream {
            futures_util::stream::unfold((), move |()| async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Some((Ok(Bytes::from_static(b"x")), ()))
            })
            .boxed()
        };
        // The limit is on the whole of the waiting, not on each wait.
        let mut stream = with_min_rate(drip(40), Duration::from_millis(100), object());
        let mut pieces = 0;
        while let Some(Ok(_)) = stream.next().await {
            pieces += 1;
        }
        assert!(pieces < 4 && stream.next().await.is_none(), "{pieces}");
        let mut stream = with_min_rate(drip(1), Duration::from_secs(60), object());
        assert!(stream.next().await.unwrap().is_ok());
    }
}
