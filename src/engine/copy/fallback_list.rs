//! The list of what is attached to a digest, where the target has no API for it: an index under the fallback tag
//! (distribution-spec, "Referrers Tag Schema").
//!
//! Owns that it is merged with what is there, that nothing else is overwritten, and that it is looked at again, because
//! another run may write it at the same moment and registries know no conditional PUT.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::attachments::{Unlisted, no_list};
use crate::engine::copy::order::AttachmentTags;
use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Manifest, PackedManifest};
use crate::store::content::{OnFailure, TagOrDigest};
use crate::store::{Target, present};

/// How long another run is given to overwrite a fallback index with one that it read before ours was written. Longer
/// than a request takes, several times.
pub const SETTLE: Duration = Duration::from_millis(500);

/// How often a fallback index is merged before giving up: each time, another writer came in between.
const MERGES: usize = 10;

/// How often a list that was written may look as before until the target is taken not to keep it.
const IN_VAIN: usize = 4;

/// The lists at a target.
pub struct FallbackList<'a> {
    /// Where they are.
    pub target: &'a Target,
    /// Who of this run writes which.
    pub tags: &'a AttachmentTags,
    /// Counts it.
    pub meter: &'a Meter,
}

impl FallbackList<'_> {
    /// Adds `manifests` to the list of `subject`; why that cannot be, where the target cannot keep one, or does not say whether
    /// it has one.
    pub async fn add(
        &self,
        subject: &Digest,
        manifests: &[&PackedManifest],
        is_news: bool,
    ) -> Result<Option<Unlisted>, Error> {
        // One image after the other: each reads the list, adds to it and writes it.
        let mut state = self.tags.lock(self.target, &subject.fallback_tag()).await;
        let unlisted = match &state.not_kept {
            Some(known) => Some(known.clone()),
            None => self.merge_into(subject, manifests, is_news).await?,
        };
        // Without news it was not tried, and what could not be told may be told the next time.
        let is_known = is_news && matches!(unlisted, Some(Unlisted::NotKept(_)));
        state.not_kept = unlisted.clone().filter(|_| is_known);
        Ok(unlisted)
    }

    /// Why this run could add nothing to the list of `subject`, where it has tried.
    pub async fn not_kept(&self, subject: &Digest) -> Option<Unlisted> {
        self.tags.lock(self.target, &subject.fallback_tag()).await.not_kept.clone()
    }

    /// Merges `manifests` into the fallback index of `subject`, until they stay there; why they cannot, where they cannot.
    ///
    /// A target that answers the tag with the image itself may still keep what is written there: it is tried, where there is
    /// news to list (`is_news`).
    async fn merge_into(
        &self,
        subject: &Digest,
        manifests: &[&PackedManifest],
        is_news: bool,
    ) -> Result<Option<Unlisted>, Error> {
        let tag = subject.fallback_tag();
        let failed = |problem: String| Error::Registry {
            side: Side::Target,
            action: Action::PutFallbackIndex,
            object: self.target.object(TagOrDigest::Tag(&tag)),
            cause: Cause::Protocol(Violation::FallbackIndex(problem)),
        };
        let (mut before, mut in_vain, mut settle) = (None, 0, SETTLE);
        for _ in 0..MERGES {
            let found = match present(self.target.get_manifest(TagOrDigest::Tag(&tag)).await) {
                Ok(found) => found,
                Err(error) if error.is_declined() => return Ok(Some(Unlisted::Unknown(error.to_string()))),
                Err(error) => return Err(error),
            };
            let seen = found.as_ref().map(|manifest| manifest.digest.clone());
            let is_itself = seen.as_ref() == Some(subject);
            if let Some(why) = found.as_ref().and_then(|found| no_list(found, subject))
                && (before.is_some() || !is_news || !is_itself)
            {
                return Ok(Some(Unlisted::NotKept(why)));
            }
            let list = found.filter(|_| !is_itself);
            let bytes = list.as_ref().map(|index| index.bytes.as_ref());
            let Some(merged) = merge(bytes, manifests).map_err(failed)? else { return Ok(None) };
            if before.as_ref() == Some(&seen) {
                in_vain += 1;
                if in_vain == IN_VAIN {
                    return Ok(Some(Unlisted::NotKept(format!(
                        "what is written under `{tag}` is not there afterwards"
                    ))));
                }
            } else if before.is_some() {
                // Whoever read the list before this write may write it after: look again once that is over.
                self.meter.say(format!("another run changed {tag} at the same time; merged again"));
            }
            before = Some(seen);
            let digest = Digest::of(&merged);
            let index = Manifest::parse(merged.into(), None, digest).map_err(failed)?;
            if let Err(error) = self.target.put_manifest(TagOrDigest::Tag(&tag), &index, OnFailure::GiveUp).await {
                return if error.is_not_taken() { Ok(Some(Unlisted::NotKept(error.to_string()))) } else { Err(error) };
            }
            tokio::time::sleep(settle).await;
            // Longer each time: a registry may also show for a while what was there before.
            settle = (settle * 2).min(Duration::from_secs(8));
        }
        Err(failed(format!("others changed it {MERGES} times while it was written")))
    }
}

/// `present` with an entry for each of `manifests`; none where they are all there. Entries of others stay as they are.
fn merge(present: Option<&[u8]>, manifests: &[&PackedManifest]) -> Result<Option<Vec<u8>>, String> {
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
        let manifest = manifest.open()?;
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
    use crate::oci::manifest::{Manifest, PackedManifest};

    fn manifest(text: &str) -> PackedManifest {
        let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, None, digest).unwrap().into()
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
