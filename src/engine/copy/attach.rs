//! Bringing attachments along: after the image they hang on, before the tag that makes it visible.
//!
//! Owns that the target lists them afterwards: by its own referrers API where it has one, else by a fallback index that
//! is merged with what is there, never overwritten, and looked at again, because another run may write it at the same
//! moment and registries know no conditional PUT.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::engine::attachments::{Found, Place, get_fallback, listed};
use crate::engine::copy::Copy;
use crate::engine::options::OnConflict;
use crate::engine::outcome::{AttachmentOutcome, Outcome};
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::store::content::TagOrDigest;

/// How long another run is given to overwrite a fallback index with one that it read before ours was written. Longer
/// than a request takes, several times.
const SETTLE: Duration = Duration::from_millis(500);

/// How often a fallback index is merged before giving up: each time, somebody else wrote in between.
const MERGES: usize = 10;

impl Copy<'_> {
    /// Copies what was found. Nearest first: an attachment's own attachments need it as their subject.
    pub async fn attach(&self, mut found: Vec<Found>) -> Result<Vec<AttachmentOutcome>, Error> {
        found.sort_by(|a, b| (a.depth, &a.manifest.digest).cmp(&(b.depth, &b.manifest.digest)));
        let mut reports = Vec::new();
        let mut unlisted: BTreeMap<&Digest, Vec<&Manifest>> = BTreeMap::new();
        for level in found.chunk_by(|a, b| a.depth == b.depth) {
            let copied = try_join_all(level.iter().map(|attachment| self.attach_one(attachment))).await?;
            for (attachment, (result, listed)) in level.iter().zip(copied) {
                if !listed {
                    unlisted.entry(&attachment.subject).or_default().push(&attachment.manifest);
                }
                reports.push(AttachmentOutcome {
                    subject: attachment.subject.clone(),
                    digest: attachment.manifest.digest.clone(),
                    kind: attachment.kind,
                    artifact_type: attachment
                        .manifest
                        .artifact_type()
                        .map(|text| crate::text::sanitise::line(text, 200)),
                    tag: match &attachment.place {
                        Place::Tag(tag) => Some(tag.clone()),
                        Place::Referrer => None,
                    },
                    result,
                });
            }
        }
        if self.is_dry_run() {
            for (subject, manifests) in unlisted {
                let listed = listed(&self.target.to_source(), subject).await?;
                let lost = |report: &&mut AttachmentOutcome| {
                    report.subject == *subject
                        && manifests.iter().any(|manifest| manifest.digest == report.digest)
                        && !listed.iter().any(|entry| entry.digest == report.digest)
                };
                for report in reports.iter_mut().filter(lost) {
                    report.result = Outcome::WouldCopy;
                }
            }
            return Ok(reports);
        }
        try_join_all(unlisted.into_iter().map(|(subject, manifests)| self.list(subject, manifests))).await?;
        Ok(reports)
    }

    /// Copies one attachment; how it ended, and whether the target lists it by itself (or need not).
    async fn attach_one(&self, attachment: &Found) -> Result<(Outcome, bool), Error> {
        let manifest = &attachment.manifest;
        let at = match &attachment.place {
            Place::Referrer => TagOrDigest::Digest(&manifest.digest),
            Place::Tag(tag) => TagOrDigest::Tag(tag),
        };
        let present = self.target.head_manifest(at).await?.map(|descriptor| descriptor.digest);
        if present.as_ref() == Some(&manifest.digest) {
            let listed = match &attachment.place {
                Place::Tag(_) => true,
                Place::Referrer => match self.target.referrers(&attachment.subject).await? {
                    Some(listed) if listed.iter().any(|entry| entry.digest == manifest.digest) => true,
                    // It keeps a list of its own, and lost this entry: pushed again, it is listed again.
                    Some(_) if !self.is_dry_run() => {
                        self.put(at, manifest).await?.is_some_and(|pushed| pushed.lists_referrers)
                    }
                    _ => false,
                },
            };
            return Ok((Outcome::Unchanged, listed));
        }
        if let (Some(present), Place::Tag(tag)) = (&present, &attachment.place) {
            if self.options.on_conflict != OnConflict::Overwrite {
                self.meter.notice(format!(
                    "the target's `{tag}` is {present}, the source's {}; the target's is kept (`on-conflict`)",
                    manifest.digest
                ));
                return Ok((Outcome::Kept, true));
            }
            self.meter.warn(format!("the target's `{tag}` was {present} and follows the source now"));
        }
        // Not the image: the choice of its children is not one of the attachment's.
        self.below(manifest, 1).await?;
        Ok(match self.put(at, manifest).await? {
            None => (Outcome::WouldCopy, true),
            Some(pushed) => (Outcome::Copied, pushed.lists_referrers || matches!(at, TagOrDigest::Tag(_))),
        })
    }

    /// Adds `manifests` to the fallback index of `subject` at the target, until they stay there.
    async fn list(&self, subject: &Digest, manifests: Vec<&Manifest>) -> Result<(), Error> {
        let tag = subject.fallback_tag();
        let failed = |problem: String| Error::Registry {
            side: Side::Target,
            action: "PUT fallback index",
            object: self.target.object(TagOrDigest::Tag(&tag)),
            cause: Cause::Protocol(Violation::FallbackIndex(problem)),
        };
        let (mut wrote, mut settle) = (false, SETTLE);
        for _ in 0..MERGES {
            let present = get_fallback(&self.target.to_source(), subject).await?;
            let bytes = present.as_ref().map(|index| index.bytes.as_ref());
            let Some(merged) = merge(bytes, &manifests).map_err(failed)? else {
                return Ok(());
            };
            // Whoever read the list before this write may write it after: look again once that is over.
            if wrote {
                self.meter.say(format!("another run changed {tag} at the same time; merged again"));
            }
            let digest = Digest::of(&merged);
            let index = Manifest::parse(merged.into(), None, digest).map_err(failed)?;
            self.target.put_manifest(TagOrDigest::Tag(&tag), &index).await?;
            wrote = true;
            tokio::time::sleep(settle).await;
            // Longer each time: a registry may also show for a while what was there before.
            settle = (settle * 2).min(Duration::from_secs(8));
        }
        Err(failed(format!("others changed it {MERGES} times while it was written")))
    }
}

/// `present` with an entry for each of `manifests`; none where they are all there. Entries of others stay as they are.
fn merge(present: Option<&[u8]>, manifests: &[&Manifest]) -> Result<Option<Vec<u8>>, String> {
    let mut index: Value = match present {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?,
        None => json!({
            "schemaVersion": 2,
            "mediaType": oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE,
            "manifests": [],
        }),
    };
    if index["manifests"].is_null() {
        index["manifests"] = json!([]);
    }
    let entries = index["manifests"].as_array_mut().ok_or("its list of manifests is not a list")?;
    let before = entries.len();
    for manifest in manifests {
        if entries.iter().any(|entry| entry["digest"] == manifest.digest.as_str()) {
            continue;
        }
        let mut entry = json!({
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.bytes.len(),
        });
        if let Some(artifact_type) = manifest.artifact_type() {
            entry["artifactType"] = json!(artifact_type);
        }
        if !manifest.annotations.is_empty() {
            entry["annotations"] = json!(manifest.annotations);
        }
        entries.push(entry);
    }
    if entries.len() == before {
        return Ok(None);
    }
    serde_json::to_vec(&index).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::oci::digest::Digest;
    use crate::oci::manifest::Manifest;

    fn manifest(text: &str) -> Manifest {
        let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, None, digest).unwrap()
    }

    #[test]
    fn merging_keeps_what_others_listed_and_adds_once() {
        let ours = manifest(r#"{"manifests":[],"artifactType":"a/b","annotations":{"k":"v"}}"#);
        let theirs = r#"{"manifests":[{"digest":"sha256:theirs","size":1,"x-unknown":true}],"annotations":{"a":"b"}}"#;
        let merged = merge(Some(theirs.as_bytes()), &[&ours, &ours]).unwrap().expect("something is new");
        let value: serde_json::Value = serde_json::from_slice(&merged).unwrap();
        let entries = value["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["x-unknown"], true);
        assert_eq!(entries[1]["artifactType"], "a/b");
        assert_eq!(entries[1]["annotations"]["k"], "v");
        assert_eq!(value["annotations"]["a"], "b");
        assert_eq!(merge(Some(&merged), &[&ours]).unwrap(), None);
        assert!(merge(Some(br#"{"manifests":null}"#), &[&ours]).unwrap().is_some());
    }
}
