//! What hangs on a digest: signatures, SBOMs, attestations, and any artifact that names it as its subject.
//!
//! Owns finding them at the source: by the referrers API, by the fallback tag where there is no such API
//! (distribution-spec, "Referrers Tag Schema"), and by cosign's computed tags, each asked for by itself: that a cache does not
//! list a tag is no proof that it is not there. A listing of referrers that fails is an error, never "none": an image without
//! its signature breaks clusters. What is listed and cannot be had is said. Never writes.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _, try_join, try_join_all};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};

use crate::engine::answers::{Answers, Keep, entries, is_list_of, open, too_many};
use crate::engine::copy::limit::AttachmentQuota;
use crate::engine::options::Attachments;
use crate::error::Error;
use crate::oci::artifact::{Kind, cosign_tags};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest, PackedManifest};
use crate::store::content::TagOrDigest;
use crate::store::{Source, Target, present};
use crate::text::sanitise;

/// How long a chain of attachments of attachments may be: a signed SBOM needs two.
const DEEPEST: usize = 4;

/// Steps of one search that are under way at once.
const AT_ONCE: usize = 16;

/// How many one search may find: those of an image with all of its platforms.
const MOST_TOGETHER: usize = 10_000;

/// What the pointer to an attachment takes beside its manifest, in bytes.
const POINTER: usize = 512;

/// One attachment of the source.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is attached to.
    pub subject: Digest,
    /// How far from the image: 0 for what hangs on the image itself.
    pub depth: usize,
    /// How it is found again.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
    /// Its artifact type, made safe.
    pub artifact_type: Option<String>,
    /// What its `subject` field names, where it has one.
    pub names: Option<Digest>,
    /// Its manifest.
    pub manifest: PackedManifest,
}

/// How an attachment is tied to its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its `subject` field.
    Referrer,
    /// By a tag made of the subject's digest.
    Tag(String),
}

/// Everything attached at the source to `subjects`, which may become known bit by bit, and what is attached to that.
///
/// Few steps at a time, whatever the tree looks like: each takes some KiB, and a tree may have thousands of leaves. What waits
/// for its turn is a digest.
pub async fn search(
    source: &Source,
    subjects: impl Stream<Item = Digest>,
    which: Attachments,
    (quota, answers): (&AttachmentQuota<'_>, &Answers),
) -> Result<Vec<Found>, Error> {
    if which == Attachments::None {
        return Ok(Vec::new());
    }
    let mut subjects = std::pin::pin!(subjects.fuse());
    let mut search = Search::new(source, which, quota);
    let mut going = FuturesUnordered::new();
    loop {
        while going.len() < AT_ONCE
            && !quota.is_full()
            && let Some(step) = search.steps.pop_front()
        {
            going.push(take(source, which, step, answers));
        }
        // With nothing under way: what waits here holds no connection and no place at a host.
        if going.is_empty() && quota.is_full() {
            quota.enlarge().await;
            continue;
        }
        tokio::select! {
            biased;
            Some(taken) = going.next() => search.learn(taken?)?,
            Some(subject) = subjects.next() => search.look(subject, 0),
            else => return Ok(search.found),
        }
    }
}

/// What is to be asked next.
enum Step {
    /// What hangs on a digest.
    Look(Digest, usize),
    /// What is listed as hanging on a digest.
    Fetch { subject: Digest, depth: usize, digest: Digest },
}

/// What came of it.
enum Taken {
    /// What is listed as hanging on a digest, and what is under its tags.
    Seen { subject: Digest, depth: usize, listed: BTreeSet<Digest>, tagged: Vec<Found> },
    /// An attachment; none where it is none.
    Fetched(Option<Found>),
}

/// A search under way.
struct Search<'a, 'q> {
    source: &'a Source,
    which: Attachments,
    quota: &'a AttachmentQuota<'q>,
    steps: VecDeque<Step>,
    /// What was looked at already: the same may hang on several, or be under a tag too.
    looked_at: HashSet<Digest>,
    /// Attachments listed so far.
    listed: usize,
    found: Vec<Found>,
}

impl<'a, 'q> Search<'a, 'q> {
    fn new(source: &'a Source, which: Attachments, quota: &'a AttachmentQuota<'q>) -> Self {
        let (steps, looked_at, found) = (VecDeque::new(), HashSet::new(), Vec::new());
        Self { source, which, quota, steps, looked_at, listed: 0, found }
    }

    fn look(&mut self, subject: Digest, depth: usize) {
        if self.looked_at.insert(subject.clone()) {
            self.steps.push_back(Step::Look(subject, depth));
        }
    }

    fn learn(&mut self, taken: Taken) -> Result<(), Error> {
        match taken {
            Taken::Seen { subject, depth, listed, tagged } => {
                self.listed += listed.len() + tagged.len();
                if self.listed > MOST_TOGETHER {
                    return Err(too_many(self.source, &subject, MOST_TOGETHER, "hang on the image and its platforms"));
                }
                self.quota.hold(listed.len() * POINTER);
                let fetch = |digest| Step::Fetch { subject: subject.clone(), depth, digest };
                self.steps.extend(listed.into_iter().map(fetch));
                for found in tagged {
                    self.quota.hold(POINTER);
                    self.keep(found);
                }
            }
            Taken::Fetched(found) => found.into_iter().for_each(|found| self.keep(found)),
        }
        Ok(())
    }

    fn keep(&mut self, found: Found) {
        if self.which == Attachments::Signatures && found.kind != Kind::Signature {
            return;
        }
        self.quota.hold(found.manifest.len());
        self.look(found.manifest.digest.clone(), found.depth + 1);
        self.found.push(found);
    }
}

fn take<'a>(
    source: &'a Source,
    which: Attachments,
    step: Step,
    answers: &'a Answers,
) -> BoxFuture<'a, Result<Taken, Error>> {
    async move {
        match step {
            Step::Look(subject, depth) if depth >= DEEPEST => {
                // Asked only of what hangs that far from an image.
                if has_any(source, &subject, which).await? {
                    source.meter().notice(format!(
                        "attachments of attachments are followed {DEEPEST} deep; what may hang on those is left behind"
                    ));
                }
                Ok(Taken::Fetched(None))
            }
            Step::Look(subject, depth) => {
                let (listed, tagged) =
                    try_join(answers.listed(source, &subject, Keep::No), tagged(source, &subject, which, answers))
                        .await?;
                let found = |(tag, kind, manifest)| Found::new(subject.clone(), depth, Place::Tag(tag), kind, manifest);
                let tagged = tagged.into_iter().map(found).collect();
                Ok(Taken::Seen { subject, depth, listed, tagged })
            }
            Step::Fetch { subject, depth, digest } => {
                let fetched = answers.referrer(source, &subject, &digest, Keep::No).await?;
                let found = |(manifest, kind)| Found::new(subject, depth, Place::Referrer, kind, manifest);
                Ok(Taken::Fetched(fetched.map(found)))
            }
        }
    }
    .boxed()
}

impl Found {
    fn new(subject: Digest, depth: usize, place: Place, kind: Kind, manifest: Manifest) -> Self {
        let names = manifest.subject.as_ref().map(|subject| subject.digest.clone());
        let artifact_type = manifest.artifact_type().map(|text| sanitise::one_line(text, 200));
        Self { subject, depth, place, kind, artifact_type, names, manifest: manifest.into() }
    }

    /// Where it is to be at the target.
    pub fn at(&self) -> TagOrDigest<'_> {
        match &self.place {
            Place::Referrer => TagOrDigest::Digest(&self.manifest.digest),
            Place::Tag(tag) => TagOrDigest::Tag(tag),
        }
    }

    /// Its manifest, read.
    pub fn open(&self, source: &Source) -> Result<Manifest, Error> {
        open(source, &self.manifest)
    }
}

/// Leaves out what is attached to `subject`, and what is attached to that and to nothing else.
pub fn leave(found: &mut Vec<Found>, subject: &Digest) {
    let mut gone = vec![subject.clone()];
    while let Some(subject) = gone.pop() {
        let left: Vec<Found> = found.extract_if(.., |attachment| attachment.subject == subject).collect();
        let stays = |digest: &Digest| found.iter().any(|attachment| attachment.manifest.digest == *digest);
        gone.extend(left.into_iter().map(|attachment| attachment.manifest.digest).filter(|digest| !stays(digest)));
    }
}

/// Whether anything seems to be attached to `subject`; what it is, is not looked at.
async fn has_any(source: &Source, subject: &Digest, which: Attachments) -> Result<bool, Error> {
    if !entries(source, subject).await?.is_empty() {
        return Ok(true);
    }
    for (tag, _) in wanted_tags(subject, which) {
        if source.find_attachment(&tag).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a copy may have left an attachment behind that is not at the target, as it has said then; none where it brings it.
pub async fn why_left_behind(source: &Source, attachment: &Manifest) -> Result<Option<&'static str>, Error> {
    if attachment.is_withdrawn() {
        return Ok(Some("it is of a type that was given up before OCI 1.1, which not every registry takes"));
    }
    for blob in attachment.blobs(false) {
        if source.head_blob(blob).await?.is_none() {
            return Ok(Some("the source itself does not have all of it"));
        }
    }
    Ok(None)
}

/// What a target lists as attached to something.
pub enum TargetList {
    /// The list, whether what it names is there or not.
    Entries(Vec<Descriptor>),
    /// None.
    Unlisted(Unlisted),
}

/// Why a target lists nothing of what is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// It keeps no such list; why.
    NotKept(String),
    /// Whether it keeps one cannot be told; what it says. That something is not there only 404 says: a right that is missing, and
    /// a registry that sheds load, say nothing of what is there.
    Unknown(String),
}

impl fmt::Display for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKept(reason) => write!(f, "the target keeps no list of what is attached ({reason})"),
            Self::Unknown(reason) => {
                write!(f, "whether the target keeps a list of what is attached cannot be told ({reason})")
            }
        }
    }
}

impl TargetList {
    /// That of `subject`. What may not be read, and what is under the fallback tag and is no list, is no list that lacks
    /// something: a copy can do no more there, and has said so.
    pub async fn read(target: &Target, subject: &Digest) -> Result<Self, Error> {
        if let Some(listed) = target.referrers(subject).await? {
            return Ok(Self::Entries(listed));
        }
        let tag = subject.fallback_tag();
        match present(target.get_manifest(TagOrDigest::Tag(&tag)).await) {
            Ok(Some(found)) => Ok(match no_list(&found, subject) {
                Some(why) => Self::Unlisted(Unlisted::NotKept(why)),
                None => Self::Entries(found.entries().to_vec()),
            }),
            Ok(None) => Ok(Self::Entries(Vec::new())),
            Err(error) if error.is_declined() => Ok(Self::Unlisted(Unlisted::Unknown(error.to_string()))),
            Err(error) => Err(error),
        }
    }
}

/// Why what a target has under the fallback tag of `subject` is no list; nothing where it is one.
pub fn no_list(found: &Manifest, subject: &Digest) -> Option<String> {
    let (tag, digest) = (subject.fallback_tag(), &found.digest);
    if digest == subject {
        return Some(format!("it answers `{tag}` with the image itself"));
    }
    (!is_list_of(found, subject)).then(|| format!("it has {digest} under `{tag}`, which is no list and stays as it is"))
}

/// That `attached` are at the target, which for this reason does not list them under `subject`.
pub fn not_listed(subject: &Digest, attached: &[&Digest], unlisted: &Unlisted) -> String {
    let digests: Vec<&str> = attached.iter().map(|digest| digest.as_str()).collect();
    let digests = digests.join(", ");
    match unlisted {
        Unlisted::NotKept(reason) => format!(
            "the target keeps no list of what is attached to {subject} ({reason}): {digests} is there, and nobody finds it who \
             does not know its digest"
        ),
        Unlisted::Unknown(reason) => format!(
            "whether the target lists what is attached to {subject} cannot be told ({reason}): {digests} is there, and no list \
             was written"
        ),
    }
}

/// The tags under which cosign keeps what is wanted.
fn wanted_tags(subject: &Digest, which: Attachments) -> impl Iterator<Item = (String, Kind)> {
    let is_wanted = move |kind| which == Attachments::All || kind == Kind::Signature;
    cosign_tags(subject).filter(move |(_, kind)| is_wanted(*kind))
}

/// The manifests under cosign's tags.
async fn tagged(
    source: &Source,
    subject: &Digest,
    which: Attachments,
    answers: &Answers,
) -> Result<Vec<(String, Kind, Manifest)>, Error> {
    let found = try_join_all(wanted_tags(subject, which).map(|(tag, kind)| async move {
        let manifest = answers.tagged(source, &tag, Keep::No).await?;
        Ok::<_, Error>(manifest.map(|manifest| (tag, kind, manifest)))
    }))
    .await?;
    Ok(found.into_iter().flatten().collect())
}
