//! What stays as it is at the target, whatever became of the tag at the source: a tag that never moves, and one that a lock holds.
//!
//! Owns that such a tag is not moved, and what its source is asked: nothing as a rule; what the tag is, where a lock has no line
//! for it yet, something is to be attested, or others get configuration of it; what the target has, by its digest, where that is
//! to be looked at (`check: deep`, a signature). Never takes what the target has for the source's because a list says so: a lock
//! says so, or the source.

use std::ops::ControlFlow;

use crate::engine::ends::{self, Endpoint};
use crate::engine::image::{ImageTask, Need};
use crate::engine::options::{Check, LockLine, Mode, Operation, Options, Platforms, SourceTag, UnchangedDetail};
use crate::engine::outcome::{Outcome, TargetTag};
use crate::engine::resolve::{Resolved, Root};
use crate::error::Error;
use crate::error::object::Object;
use crate::oci::digest::Digest;
use crate::store::content::TagOrDigest;
use crate::store::{Source, Target};

/// What is known of an image that stays.
#[derive(Default)]
pub(super) struct Standing {
    /// What the source's tag names, where that is known to come to what the target has.
    origin: Option<Digest>,
    /// What the tag was resolved to, where that was asked.
    resolved: Option<Resolved>,
}

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

    /// How the image ends that is at its target and stays; or, where it is to be looked at, what is known of it.
    pub(super) async fn settle(
        &self,
        target: &Endpoint<Target>,
        found: &Digest,
    ) -> Result<ControlFlow<Outcome, Standing>, Error> {
        let Options { platforms, source_tag, .. } = &*self.job.options;
        let must_be_read = self.must_be_read(found);
        let standing = match source_tag.line() {
            Some(line) => Ok(Standing { origin: Some(line.clone()), resolved: None }),
            None if self.is_origin_wanted(&target.store, found).await? => self.origin(target, found).await?,
            None => Ok(Standing::default()),
        };
        match standing {
            Ok(standing) if must_be_read => Ok(ControlFlow::Continue(standing)),
            Ok(Standing { origin: Some(named), resolved })
                if self.is_vouched_for(&target.store, (&named, found)).await? =>
            {
                Ok(ControlFlow::Continue(Standing { origin: Some(named), resolved }))
            }
            Ok(standing) => self.stays(&target.store, found, &standing).await.map(ControlFlow::Break),
            Err(why) => {
                self.notice_alone(&target.store, found, &why).await?;
                let standing = Standing::default();
                if must_be_read && *platforms == Platforms::All {
                    // It is looked at by its digest.
                    return Ok(ControlFlow::Continue(standing));
                }
                if self.is_due(None) {
                    // Nobody has looked at a signature of what is there, and it may not be replaced.
                    let problem = format!(
                        "its tag never moves, and is {found} at the target, of which {why}: its signature cannot be looked at"
                    );
                    return Err(Error::Rules { object: Object::from(&self.job.source), problem });
                }
                self.stays(&target.store, found, &standing).await.map(ControlFlow::Break)
            }
        }
    }

    /// Whether what stays must be looked at, without which its image fails.
    fn must_be_read(&self, found: &Digest) -> bool {
        let Options { check, platforms, .. } = &*self.job.options;
        *check == Check::Deep || self.is_due(Some(found).filter(|_| *platforms == Platforms::All))
    }

    /// Whether the signature must be looked at although the target has the image.
    pub(super) fn is_due(&self, digest: Option<&Digest>) -> bool {
        let Options { requirement, unchanged, .. } = &*self.job.options;
        let is_handed_over = *unchanged >= UnchangedDetail::Signatures;
        requirement.as_ref().is_some_and(|wanted| wanted.is_due(digest) || is_handed_over && wanted.is_asked())
    }

    /// Whether configuration for those who pull is made of the image, where it is the source's.
    fn is_emitted(&self) -> bool {
        let Options { unchanged, operation, .. } = &*self.job.options;
        *unchanged >= UnchangedDetail::Platforms && *operation == Operation::Copy(Mode::Write)
    }

    /// Whether it is to be known that what stays is the source's: of chosen platforms, that it is a part of it.
    async fn is_origin_wanted(&self, target: &Target, found: &Digest) -> Result<bool, Error> {
        let Options { source_tag, platforms, .. } = &*self.job.options;
        let is_part = *platforms != Platforms::All && self.must_be_read(found);
        let is_missing = *source_tag == SourceTag::Immutable(LockLine::Missing);
        Ok(is_missing || is_part || self.is_emitted() || self.is_unattested(target, found).await?)
    }

    /// What the source's tag is, where that comes to what the target has; or why that is not known. What the source cannot
    /// answer fails no image that it is not needed for.
    async fn origin(&self, target: &Endpoint<Target>, found: &Digest) -> Result<Result<Standing, String>, Error> {
        let is_whole = self.job.options.platforms == Platforms::All;
        let asked = async {
            let source = ends::source(self.session, self.job, &self.meter).await?;
            if !is_whole {
                self.pulls.turn(&source).await;
            }
            let resolved = self.resolve(&source, Need::Digest).await?;
            self.as_before(resolved, target, Some(found)).await
        };
        let standing = |resolved: Resolved| Standing { origin: Some(resolved.named.clone()), resolved: Some(resolved) };
        Ok(match asked.await {
            Ok(resolved) if resolved.root.digest() == found => Ok(standing(resolved)),
            // Of that some platforms are wanted by now, and the target has them.
            Ok(resolved) if resolved.named == *found => Ok(standing(Resolved::whole(Root::Known(found.clone())))),
            Ok(_) if is_whole => Err("the source's tag is another image".to_owned()),
            Ok(_) => Err("the platforms that are wanted of the source's tag are another image".to_owned()),
            Err(error)
                if error.is_crowded()
                    || matches!(error, Error::OutOfPulls { .. })
                    || !is_whole && self.must_be_read(found) =>
            {
                return Err(error);
            }
            Err(error) if error.absent_tag().is_some() => Err("the source does not have the tag".to_owned()),
            Err(error) => Err(format!("what the source's tag is was not to be found out ({error})")),
        })
    }

    /// What the image is: what stays and is to be looked at, and what a lock has for a tag that never moves, whatever the tag
    /// names by now. Of some platforms the source has nothing under the target's digest.
    pub(super) async fn resolve_settled(
        &self,
        source: &Endpoint<Source>,
        settled: Option<&Digest>,
        standing: Option<&mut Standing>,
    ) -> Result<Resolved, Error> {
        let Options { platforms, source_tag, .. } = &*self.job.options;
        let line = match source_tag {
            SourceTag::Immutable(LockLine::Is(digest)) => Some(digest),
            _ => None,
        };
        match (standing.and_then(|standing| standing.resolved.take()), settled.or(line)) {
            (Some(resolved), _) => Ok(resolved),
            (None, Some(digest)) if *platforms == Platforms::All => Ok(Resolved::whole(Root::Known(digest.clone()))),
            (None, _) => self.resolve(source, Need::Digest).await,
        }
    }

    /// Notes what the source stands for; of what stays, what is known of that.
    pub(super) fn note(&self, resolved: &Resolved, standing: Option<&Standing>) {
        let mut known = self.known();
        known.record(resolved);
        if let Some(standing) = standing {
            known.image.source_digest.clone_from(&standing.origin);
        }
    }

    /// What is at the target is what is wanted, whatever the source says.
    async fn stays(&self, target: &Target, found: &Digest, standing: &Standing) -> Result<Outcome, Error> {
        {
            let mut known = self.known();
            known.effect = None;
            known.image.platforms.clear();
            known.image.digest = Some(found.clone());
            known.image.source_digest.clone_from(&standing.origin);
        }
        self.describe_unchanged(target, found, standing.resolved.as_ref()).await?;
        Ok(Outcome::Unchanged)
    }

    /// Says what is left undone of an image of which it is not known that it is the source's, and `why`.
    async fn notice_alone(&self, target: &Target, found: &Digest, why: &str) -> Result<(), Error> {
        let Options { check, platforms, source_tag, .. } = &*self.job.options;
        let mut left = vec![];
        if self.is_unattested(target, found).await? {
            left.push("nothing is attested of it");
        }
        if *check == Check::Deep && *platforms != Platforms::All {
            left.push("its parts were not looked at");
        }
        if self.is_emitted() {
            left.push("those who pull are told of it by `mapping.json` and the catalogue alone");
        }
        if *source_tag == SourceTag::Immutable(LockLine::Missing) {
            left.push("the lock gets no line for it (if you know what the tag was, write one)");
        }
        let left = if left.is_empty() { String::new() } else { format!(": {}", left.join(", and ")) };
        self.meter.notice(format!("its tag never moves and stays {found}, and {why}{left}"));
        Ok(())
    }
}
