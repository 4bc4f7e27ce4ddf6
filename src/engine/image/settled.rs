//! What stays as it is at the target, whatever became of the tag at the source: a tag that never moves, and one that a lock holds.
//!
//! Owns that such a tag is not moved, and what its source is asked: nothing as a rule; what the tag names, where a lock has no
//! line for it yet or something is to be attested; what the target has, by its digest, where that is to be looked at (`check:
//! deep`, a signature). Never takes what the target has for the source's because a list says so: a lock says so, or the source.

use std::ops::ControlFlow;

use crate::engine::ends::{self, Endpoint};
use crate::engine::image::{ImageTask, Need};
use crate::engine::options::{Check, LockLine, Options, Platforms, SourceTag, UnchangedDetail};
use crate::engine::outcome::{Outcome, TargetTag};
use crate::engine::resolve::{Resolved, Root};
use crate::error::Error;
use crate::error::object::Object;
use crate::oci::digest::Digest;
use crate::store::content::TagOrDigest;
use crate::store::{Source, Target};

/// Why it is not known that what stays came from its source.
const MOVED: &str = "the source's tag is another image";

impl ImageTask<'_> {
    /// Of a tag that does not move, what the target has under its name; nothing of others.
    pub(super) async fn never_moves(&self, target: &Endpoint<Target>) -> Result<Option<Option<Digest>>, Error> {
        match (&self.job.options.source_tag, &target.tag) {
            (SourceTag::Immutable(_) | SourceTag::Locked(_), Some(tag)) => {
                let found = self.target_digest(&target.store, TagOrDigest::Tag(tag)).await?;
                self.known().image.target_tag = TargetTag::of(Some(&found));
                Ok(Some(found))
            }
            _ => Ok(None),
        }
    }

    /// What the target has under a tag that does not move, where that is what it is to have.
    pub(super) fn settled<'f>(&self, asked: Option<&'f Option<Digest>>) -> Option<&'f Digest> {
        asked?.as_ref().filter(|found| self.job.options.source_tag.settles(found))
    }

    /// How the image ends that is at its target and stays; or, where it is to be looked at, what is known to be the source's.
    pub(super) async fn settle(
        &self,
        target: &Endpoint<Target>,
        found: &Digest,
    ) -> Result<ControlFlow<Outcome, Option<Digest>>, Error> {
        let must_be_read = self.must_be_read(found);
        let origin = if let Some(line) = self.job.options.source_tag.line() {
            Ok(Some(line.clone()))
        } else if self.is_origin_wanted(&target.store, found).await? {
            self.origin(target, found).await?
        } else {
            Ok(None)
        };
        match origin {
            Ok(origin) if must_be_read => Ok(ControlFlow::Continue(origin)),
            Ok(origin) => {
                self.known().image.source_digest = origin;
                self.stays(&target.store, found).await.map(ControlFlow::Break)
            }
            // It is looked at by its digest.
            Err(why) if must_be_read && self.job.options.platforms == Platforms::All => {
                self.notice_alone(&target.store, found, &why).await?;
                Ok(ControlFlow::Continue(None))
            }
            // Nobody has looked at a signature of what is there, and it may not be replaced.
            Err(why) if self.is_due(None) => {
                let problem = format!(
                    "the tag never moves and is {found} at the target; its signature cannot be looked at: {why}"
                );
                Err(Error::Rules { object: Object::from(&self.job.source), problem })
            }
            Err(why) => self.stays_alone(&target.store, found, &why).await.map(ControlFlow::Break),
        }
    }

    /// Whether what stays must be looked at, without which its image fails.
    fn must_be_read(&self, found: &Digest) -> bool {
        let Options { check, platforms, .. } = &*self.job.options;
        *check == Check::Deep || self.is_due(Some(found).filter(|_| *platforms == Platforms::All))
    }

    /// Whether the signature must be looked at although the target has the image.
    pub(super) fn is_due(&self, digest: Option<&Digest>) -> bool {
        let Options { requirement, .. } = &*self.job.options;
        requirement.as_ref().is_some_and(|wanted| wanted.is_due(digest) || self.is_handed_over() && wanted.is_asked())
    }

    /// Whether others are told what images are signed by.
    fn is_handed_over(&self) -> bool {
        self.job.options.unchanged >= UnchangedDetail::Signatures
    }

    /// Whether it is to be known that what stays is the source's: of chosen platforms, that it is a part of it.
    async fn is_origin_wanted(&self, target: &Target, found: &Digest) -> Result<bool, Error> {
        let Options { source_tag, platforms, .. } = &*self.job.options;
        let is_part = *platforms != Platforms::All && self.must_be_read(found);
        let is_wanted = *source_tag == SourceTag::Immutable(LockLine::Missing) || self.is_handed_over() || is_part;
        Ok(is_wanted || self.is_unattested(target, found).await?)
    }

    /// What the source's tag names, where that comes to what the target has; or why that is not known. What the source cannot
    /// answer fails no image that it is not needed for.
    async fn origin(&self, target: &Endpoint<Target>, found: &Digest) -> Result<Result<Option<Digest>, String>, Error> {
        let asked = async {
            let source = ends::source(self.session, self.job, &self.meter).await?;
            if self.job.options.platforms != Platforms::All {
                self.pulls.turn(&source).await;
            }
            let resolved = self.resolve(&source, Need::Digest).await?;
            self.as_before(resolved, target, Some(found)).await
        };
        match asked.await {
            Ok(resolved) if resolved.root.digest() == found => Ok(Ok(Some(resolved.named))),
            Ok(_) => Ok(Err(MOVED.to_owned())),
            Err(error) if error.is_crowded() => Err(error),
            Err(error) if error.is_absent() => Ok(Err("the source does not have the tag".to_owned())),
            Err(error) => Ok(Err(format!("the source could not be asked: {error}"))),
        }
    }

    /// What the image is: what stays and is to be looked at, and what a lock has for a tag that never moves, whatever the tag
    /// names by now. Of some platforms the source has nothing under the target's digest.
    pub(super) async fn resolve_settled(
        &self,
        source: &Endpoint<Source>,
        settled: Option<&Digest>,
    ) -> Result<Resolved, Error> {
        let Options { platforms, source_tag, .. } = &*self.job.options;
        let line = match source_tag {
            SourceTag::Immutable(LockLine::Is(digest)) => Some(digest),
            _ => None,
        };
        match settled.or(line).filter(|_| *platforms == Platforms::All) {
            Some(digest) => Ok(Resolved::whole(Root::Known(digest.clone()))),
            None => self.resolve(source, Need::Digest).await,
        }
    }

    /// Notes what the source stands for; of what stays, what is known of that.
    pub(super) fn note(&self, resolved: &Resolved, settled: Option<&Digest>, origin: Option<Digest>) {
        let mut known = self.known();
        known.record(resolved);
        if settled.is_some() {
            known.image.source_digest = origin;
        }
    }

    /// What is at the target is what is wanted, whatever the source says.
    async fn stays(&self, target: &Target, found: &Digest) -> Result<Outcome, Error> {
        self.known().image.digest = Some(found.clone());
        if self.job.options.unchanged >= UnchangedDetail::Platforms {
            let root = target.get_manifest(TagOrDigest::Digest(found)).await?;
            self.known().describe(&root, None, None, |_| None);
        }
        Ok(Outcome::Unchanged)
    }

    /// The same where the source's tag turns out to be another image.
    pub(super) async fn stays_behind(&self, target: &Target, found: &Digest) -> Result<Outcome, Error> {
        self.stays_alone(target, found, MOVED).await
    }

    /// The same where it is not known that it is the source's, and `why`.
    async fn stays_alone(&self, target: &Target, found: &Digest, why: &str) -> Result<Outcome, Error> {
        {
            let mut known = self.known();
            (known.image.source_digest, known.effect) = (None, None);
            known.image.platforms.clear();
        }
        self.notice_alone(target, found, why).await?;
        self.stays(target, found).await
    }

    /// Says what is left undone of an image of which it is not known that it is the source's.
    async fn notice_alone(&self, target: &Target, found: &Digest, why: &str) -> Result<(), Error> {
        let Options { check, platforms, source_tag, .. } = &*self.job.options;
        let mut left = vec![];
        if self.is_unattested(target, found).await? {
            left.push("nothing is attested of it");
        }
        if *check == Check::Deep && *platforms != Platforms::All {
            left.push("its parts were not looked at");
        }
        if *source_tag == SourceTag::Immutable(LockLine::Missing) {
            left.push("the lock gets no line for it; if you know what the tag was, write one");
        }
        let left = if left.is_empty() { String::new() } else { format!(": {}", left.join(", and ")) };
        self.meter.notice(format!("the tag never moves and stays {found}, and {why}{left}"));
        Ok(())
    }
}
