//! Verify: reads back what a copy wrote, and compares two sides in depth.
//!
//! Owns the proof that a digest at the target is the one at the source. Never writes.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, FutureExt as _, try_join};
use futures_util::stream;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::engine::answers::Answers;
use crate::engine::attachments::{self, Found, Place, TargetList, not_listed};
use crate::engine::behind::{Behind, Verdict};
use crate::engine::copy::limit::AttachmentQuota;
use crate::engine::job::Job;
use crate::engine::options::{Attachments, ChildSelection};
use crate::engine::resolve::{self, Root};
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{DEEPEST, Descriptor, Manifest};
use crate::store::content::TagOrDigest;
use crate::store::{Source, Target, created};
use crate::sync::few_at_once;

/// How long a registry may take to show what it has accepted (GHCR lags behind what was pushed).
const LAG: Duration = Duration::from_secs(30);

/// Children, blobs and subjects of one manifest that are asked for at once: an index may have thousands.
const AT_ONCE: usize = 16;

/// Asks the target whether `at` is `digest` now, patient with a registry that lags.
pub async fn read_back(target: &Target, at: TagOrDigest<'_>, digest: &Digest, patience: Duration) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        let found = resolve::target(target, at).await?;
        if found.as_ref() == Some(digest) {
            return Ok(());
        }
        if started.elapsed() + pause > LAG.min(patience) {
            // What was written is there: the tag is what has changed.
            if let (TagOrDigest::Tag(_), Some(actual)) = (at, &found)
                && target.head_manifest(TagOrDigest::Digest(digest)).await.is_ok_and(|found| found.is_some())
            {
                let reference = target.object(at);
                return Err(Error::Moved { reference, written: digest.clone(), actual: actual.clone() });
            }
            let (object, written) = (target.object(at), digest.clone());
            return Err(match found {
                None => Error::Lost { reference: object, written },
                Some(actual) => {
                    let (side, actual) = (Side::Target, actual.to_string());
                    Error::DigestMismatch { side, object, expected: written, actual }
                }
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// What is made of the target of `job`, which is not the `root` of `source` to which `at` was resolved.
pub async fn judge(
    job: &Job,
    (source, at): (&Source, TagOrDigest<'_>),
    root: Root,
) -> Result<(Behind, Verdict), Error> {
    let tolerance = &job.options.tolerance;
    let behind = tolerance.behind(job.target.as_ref(), SystemTime::now());
    let mut made = None;
    if tolerance.needs_time() {
        made = created::of(source, &root.manifest(source, at).await?).await?;
    }
    Ok((behind, tolerance.verdict(&behind, made)))
}

/// The two ends that are compared. Never writes; a HEAD for each manifest and blob, and what they say is believed: the
/// registry hashed the bytes behind them when it took them.
pub struct Comparison<'a> {
    /// What is right.
    pub source: &'a Source,
    /// What is looked at.
    pub target: &'a Target,
    /// Which attachments are to be there.
    pub attachments: Attachments,
    /// What was chosen, where not all was.
    pub children: Option<&'a ChildSelection>,
    /// What its attachments may take.
    pub quota: AttachmentQuota<'a>,
    /// What the source has answered so far.
    pub answers: &'a Answers,
}

type Differences<'a> = BoxFuture<'a, Result<Vec<String>, Error>>;

impl Comparison<'_> {
    /// Everything that the target lacks of `root`, whose manifest it has, a sentence each: what is below it, or has another
    /// size, and what is attached to it and to what is below.
    pub async fn differences(&self, root: &Manifest) -> Result<Vec<String>, Error> {
        let (mut below, attached) = try_join(self.below(root, 0), self.attached(&root.digest)).await?;
        below.extend(attached);
        below.extend(self.unlisted(root).await?);
        Ok(below)
    }

    /// Where a manifest of the image itself names a subject: that the subject's list at the target does not name it.
    async fn unlisted(&self, manifest: &Manifest) -> Result<Option<String>, Error> {
        let Some(subject) = manifest.subject.as_ref().filter(|_| self.attachments != Attachments::None) else {
            return Ok(None);
        };
        let list = TargetList::read(self.target, &subject.digest).await?;
        Ok(self
            .lacks(&list, &subject.digest, &manifest.digest)
            .then(|| format!("its subject is {}, and no list says so: nobody finds it", subject.digest)))
    }

    /// Whether the list of `subject` lacks `attached`. Of a target that keeps none that is said, as the copy did.
    fn lacks(&self, list: &TargetList, subject: &Digest, attached: &Digest) -> bool {
        match list {
            TargetList::Entries(listed) => !listed.iter().any(|entry| entry.digest == *attached),
            TargetList::Unlisted(unlisted) => {
                self.source.meter().warn(not_listed(subject, &[attached], unlisted));
                false
            }
        }
    }

    fn below<'a>(&'a self, manifest: &'a Manifest, depth: usize) -> Differences<'a> {
        async move {
            let mut found = Vec::new();
            if depth > DEEPEST {
                return Ok(found);
            }
            let mut listed = HashSet::new();
            let chosen =
                |child: &&Descriptor| self.children.is_none_or(|chosen| chosen.has(&manifest.digest, &child.digest));
            let children: Vec<&Descriptor> =
                manifest.children().filter(chosen).filter(|child| listed.insert(&child.digest)).collect();
            let blobs: Vec<&Descriptor> =
                manifest.blobs(false).into_iter().filter(|blob| listed.insert(&blob.digest)).collect();
            let children = children.into_iter().map(|child| self.child(child, depth).boxed());
            let blobs = blobs.into_iter().map(|blob| {
                if manifest.is_index() { self.child(blob, depth).boxed() } else { self.blob(blob).boxed() }
            });
            found.extend(few_at_once(AT_ONCE, children.chain(blobs)).await?.into_iter().flatten());
            found.sort();
            Ok(found)
        }
        .boxed()
    }

    /// An entry of an index, which is a blob where it is no manifest: as copy has it.
    async fn child(&self, child: &Descriptor, depth: usize) -> Result<Vec<String>, Error> {
        let at = TagOrDigest::Digest(&child.digest);
        if !child.may_be_manifest()
            && let Some(size) = self.target.head_blob(child).await?
        {
            return Ok(wrong_size(child, size).into_iter().collect());
        }
        let mut known = None;
        if !child.is_manifest() {
            known = match self.source.get_manifest(at).await {
                Ok(manifest) => Some(manifest),
                Err(error) if error.is_no_manifest() => return self.blob(child).await,
                Err(error) => return Err(error),
            };
        }
        let compared = async {
            if resolve::target(self.target, at).await?.is_none() {
                let platform = child.platform.as_ref().map(|platform| format!(" ({platform})")).unwrap_or_default();
                return Ok(vec![format!("manifest {}{platform} is missing", child.digest)]);
            }
            let manifest = match known {
                Some(manifest) => manifest,
                None => self.source.get_manifest(at).await?,
            };
            let (mut below, unlisted) = try_join(self.below(&manifest, depth + 1), self.unlisted(&manifest)).await?;
            below.extend(unlisted.map(|problem| format!("manifest {}: {problem}", child.digest)));
            Ok(below)
        };
        let (mut below, attached) = try_join(compared, self.attached(&child.digest)).await?;
        below.extend(attached);
        Ok(below)
    }

    async fn blob(&self, blob: &Descriptor) -> Result<Vec<String>, Error> {
        Ok(match self.target.find_blob(blob).await? {
            None => vec![format!("blob {} is missing", blob.digest)],
            Some(size) => wrong_size(blob, size).into_iter().collect(),
        })
    }

    /// Attachments of `subject` that the target lacks, has in part, or has and does not list.
    async fn attached(&self, subject: &Digest) -> Result<Vec<String>, Error> {
        let subjects = stream::iter([subject.clone()]);
        let mut found =
            attachments::search(self.source, subjects, self.attachments, (&self.quota, self.answers)).await?;
        found.sort_by(|a, b| (&a.subject, &a.manifest.digest).cmp(&(&b.subject, &b.manifest.digest)));
        let by_subject = found.chunk_by(|a, b| a.subject == b.subject);
        let missing = by_subject.map(|attachments| self.attached_to_one(attachments).boxed());
        Ok(few_at_once(AT_ONCE, missing).await?.into_iter().flatten().collect())
    }

    /// The same for attachments of one subject, whose list at the target is read once.
    async fn attached_to_one(&self, attachments: &[Found]) -> Result<Vec<String>, Error> {
        let list = &OnceCell::new();
        let missing = attachments.iter().map(|found| self.attachment(found, list).boxed());
        Ok(few_at_once(AT_ONCE, missing).await?.into_iter().flatten().collect())
    }

    async fn attachment(&self, found: &Found, list: &OnceCell<TargetList>) -> Result<Vec<String>, Error> {
        let at = found.at();
        let name = format!("{} {} of {}", found.kind.name(), found.manifest.digest, found.subject);
        let there = resolve::target(self.target, at).await?.is_some_and(|there| there == found.manifest.digest);
        if !there {
            return Ok(match attachments::why_left_behind(self.source, &found.open(self.source)?).await? {
                Some(reason) => {
                    self.source.meter().warn(format!("{name} is not at the target: {reason}"));
                    Vec::new()
                }
                None => vec![format!("{name} is missing")],
            });
        }
        if found.place == Place::Referrer
            && self.lacks(
                list.get_or_try_init(|| TargetList::read(self.target, &found.subject)).await?,
                &found.subject,
                &found.manifest.digest,
            )
        {
            return Ok(vec![format!("{name} is there, and no list says so: nobody finds it")]);
        }
        let manifest = found.open(self.source)?;
        let below = self.below(&manifest, 1).await?;
        Ok(below.into_iter().map(|problem| format!("{name}: {problem}")).collect())
    }
}

fn wrong_size(blob: &Descriptor, size: u64) -> Option<String> {
    (size != blob.size).then(|| format!("blob {} has {size} bytes, the source {}", blob.digest, blob.size))
}
