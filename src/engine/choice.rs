//! Which images of an index are wanted, and what choosing them does to digests.
//!
//! Owns that indexes in the index are read through, and that what is about an image goes with it. Reads no more of them than
//! may have what is wanted. Never writes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::engine::options::ChildSelection;
use crate::engine::outcome::Outcome;
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{DEEPEST, Descriptor, Manifest, is_index_type};
use crate::oci::platform::{self, Platform, Selection};
use crate::store::Source;
use crate::store::content::TagOrDigest;

/// The annotation by which a rewritten index names the one it was made from.
const ORIGINAL_DIGEST: &str = "io.github.mirror-image.original-digest";

/// An index, the indexes in it that may have what is wanted, and the images that all of them list.
pub struct Tree {
    /// The root first.
    indexes: Vec<Manifest>,
    images: Vec<Image>,
}

/// An image that an index lists.
#[derive(Clone)]
pub struct Image {
    /// What it is for: its entry's word, or that of the entry of the index it is in.
    pub platform: Platform,
    /// Its entry.
    pub entry: Descriptor,
    /// The numbers of the indexes in which it is, without the root.
    path: Vec<usize>,
}

impl Tree {
    /// Reads the indexes in `root`, but for those that are for another platform than any of `wanted`.
    pub async fn read(source: &Source, root: Manifest, wanted: &[Platform]) -> Result<Self, Error> {
        let mut tree = Self { indexes: Vec::new(), images: Vec::new() };
        let mut is_index: HashMap<Digest, bool> = HashMap::new();
        let below = |index: &Manifest, platform: Option<&Platform>, path: &[usize]| {
            let entries = index.children().filter(|entry| !entry.is_attestation());
            entries.map(|entry| (entry.clone(), platform.cloned(), path.to_vec())).collect::<Vec<_>>()
        };
        // The last is looked at first, so that images come in the order of their entries.
        let mut waiting: Vec<_> = below(&root, None, &[]).into_iter().rev().collect();
        tree.indexes.push(root);
        while let Some((entry, inherited, mut path)) = waiting.pop() {
            let platform = entry.platform.clone().filter(|own| !own.is_unknown()).or(inherited);
            let is_wanted = platform.as_ref().is_none_or(|own| wanted.iter().any(|wanted| wanted.matches(own)));
            // Whether what was read is an index; what was none is an image each time that it is listed.
            let was_index = is_index.get(&entry.digest).copied();
            if was_index == Some(true) || path.len() > DEEPEST {
                continue;
            }
            let mut index = None;
            if is_wanted && was_index.is_none() && may_be_index(&entry) {
                index = index_at(source, &entry).await?;
                is_index.insert(entry.digest.clone(), index.is_some());
            }
            let Some(index) = index else {
                tree.images.extend(platform.map(|platform| Image { platform, entry, path }));
                continue;
            };
            path.push(tree.indexes.len());
            waiting.extend(below(&index, platform.as_ref(), &path).into_iter().rev());
            tree.indexes.push(index);
        }
        Ok(tree)
    }

    /// The index that was read.
    pub fn root(&self) -> &Manifest {
        &self.indexes[0]
    }

    /// The same, without what is in it.
    pub fn into_root(mut self) -> Manifest {
        self.indexes.swap_remove(0)
    }

    /// The image for one platform; `at` of `source` is what the index was read from.
    pub fn image(&self, source: &Source, at: TagOrDigest<'_>, wanted: &Platform) -> Result<&Image, Error> {
        let platforms: Vec<Platform> = self.images.iter().map(|image| image.platform.clone()).collect();
        match platform::select(wanted, &platforms) {
            Selection::One(number) => Ok(&self.images[number]),
            Selection::Absent => Err(Error::Platform {
                reference: source.object(at),
                wanted: wanted.to_string(),
                available: platforms.iter().map(ToString::to_string).collect(),
            }),
            Selection::Ambiguous(several) => {
                let several: Vec<String> = several.iter().map(|number| platforms[*number].to_string()).collect();
                Err(Error::Content {
                    side: Side::Source,
                    object: source.object(at),
                    problem: format!("`{wanted}` stands for several of its entries; name one: {}", several.join(", ")),
                })
            }
        }
    }

    /// The build attestations of an image: entries of the index that it is in.
    pub fn attestations(&self, image: &Image) -> Vec<Digest> {
        let index = &self.indexes[image.path.last().copied().unwrap_or(0)];
        let about = |entry: &&Descriptor| is_about(entry, |digest| digest == image.entry.digest.as_str());
        index.entries().iter().filter(about).map(|entry| entry.digest.clone()).collect()
    }

    /// What choosing `images` means for each index; none where that is all that the indexes list.
    pub fn select(&self, images: &[Image]) -> Option<ChildSelection> {
        let chosen: HashSet<&str> = images.iter().map(|image| image.entry.digest.as_str()).collect();
        let used: HashSet<usize> = images.iter().flat_map(|image| image.path.iter().copied()).chain([0]).collect();
        let nested: HashSet<&str> = used.iter().map(|number| self.indexes[*number].digest.as_str()).collect();
        let mut selection = ChildSelection {
            partial: HashSet::new(),
            kept: HashSet::new(),
            platforms: images.iter().map(|image| (image.platform.clone(), image.entry.digest.clone())).collect(),
        };
        for index in used.into_iter().map(|number| &self.indexes[number]) {
            for entry in index.entries() {
                let digest = entry.digest.as_str();
                if chosen.contains(digest) || nested.contains(digest) || is_about(entry, |about| chosen.contains(about))
                {
                    selection.kept.insert(entry.digest.clone());
                } else {
                    selection.partial.insert(index.digest.clone());
                }
            }
        }
        (!selection.partial.is_empty()).then_some(selection)
    }

    /// An index of what was selected alone. Of an index in it of which not all is wanted, it lists what is wanted itself.
    pub fn rewritten(&self, selection: &ChildSelection) -> Result<Manifest, String> {
        let indexes: HashMap<&str, &Manifest> =
            self.indexes.iter().map(|index| (index.digest.as_str(), index)).collect();
        let mut entries = Vec::new();
        let mut waiting: Vec<Value> = self.root().raw_entries()?.into_iter().rev().collect();
        while let Some(entry) = waiting.pop() {
            let digest = entry.get("digest").and_then(Value::as_str).unwrap_or_default();
            if !selection.kept.iter().any(|kept| kept.as_str() == digest) {
                continue;
            }
            match indexes.get(digest) {
                Some(index) if !is_whole(index, selection, &indexes) => {
                    waiting.extend(index.raw_entries()?.into_iter().rev());
                }
                _ => entries.push(entry),
            }
        }
        self.root().keeping(entries, ORIGINAL_DIGEST)
    }
}

/// Whether an entry has to be read to know whether it is an index: one of a type of its own, or of none, may be.
fn may_be_index(entry: &Descriptor) -> bool {
    is_index_type(&entry.media_type) || (entry.may_be_manifest() && !entry.is_manifest())
}

/// The index that an entry names; none where it names something else.
async fn index_at(source: &Source, entry: &Descriptor) -> Result<Option<Manifest>, Error> {
    match source.get_manifest(TagOrDigest::Digest(&entry.digest)).await {
        Ok(manifest) => Ok(Some(manifest).filter(Manifest::is_index)),
        Err(error) if !entry.is_manifest() && error.is_no_manifest() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether all is wanted of an index and of the indexes in it.
fn is_whole(index: &Manifest, selection: &ChildSelection, indexes: &HashMap<&str, &Manifest>) -> bool {
    let mut nested = index.entries().iter().filter_map(|entry| indexes.get(entry.digest.as_str()));
    !selection.partial.contains(&index.digest) && nested.all(|index| is_whole(index, selection, indexes))
}

fn is_about(entry: &Descriptor, is_chosen: impl Fn(&str) -> bool) -> bool {
    entry.is_attestation() && entry.annotation("vnd.docker.reference.digest").is_some_and(is_chosen)
}

/// What a choice of platforms does to digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The index keeps its digest; platforms are missing.
    Sparse {
        /// The index.
        index: Digest,
        /// The platforms that are there.
        platforms: String,
        /// The smaller index that a target gets which refuses this one.
        otherwise: Option<Digest>,
    },
    /// A smaller index has another digest.
    Rewritten {
        /// The index that it was made from.
        original: Digest,
        /// Its own digest.
        smaller: Digest,
        /// The platforms that it lists.
        platforms: String,
    },
    /// One image goes without the index, and these build attestations of it stay behind.
    Alone(Vec<Digest>),
}

impl Effect {
    /// The same, once `smaller` takes the place of the index.
    #[must_use]
    pub fn rewritten(self, smaller: &Digest) -> Self {
        match self {
            Self::Sparse { index, platforms, .. } => {
                Self::Rewritten { original: index, smaller: smaller.clone(), platforms }
            }
            other => other,
        }
    }

    /// What is to be known of it, a sentence each. What works at the target is said where it does.
    pub fn sentences(&self, outcome: Outcome) -> Vec<String> {
        let is_there = matches!(outcome, Outcome::Copied | Outcome::Unchanged | Outcome::Verified);
        match (self, outcome) {
            (_, Outcome::Failed | Outcome::Kept | Outcome::Deferred | Outcome::Checked) => Vec::new(),
            (Self::Sparse { index, platforms, .. }, _) if is_there => vec![format!(
                "sparse index: `@{index}` and the digests of {platforms} work at the target; its other platforms are not \
                 there"
            )],
            (Self::Sparse { index, platforms, otherwise }, _) => {
                let or = otherwise.as_ref().map_or_else(String::new, |smaller| {
                    format!("; a target that refuses that gets a smaller index, {smaller}")
                });
                vec![format!("sparse index: the target would have {index} with {platforms} alone{or}")]
            }
            (Self::Rewritten { original, smaller, platforms }, _) if is_there => vec![
                format!(
                    "the digest changed: the index was rewritten for {platforms}; {original} became {smaller}, and only the \
                     new one and the digests of these platforms work at the target"
                ),
                "attachments of the original index are left behind: they name its digest, not the new one".to_owned(),
            ],
            (Self::Rewritten { original, smaller, platforms }, _) => vec![format!(
                "the digest would change: rewritten for {platforms}, the index {original} becomes {smaller}"
            )],
            (Self::Alone(attestations), _) => {
                let digests: Vec<&str> = attestations.iter().map(Digest::as_str).collect();
                vec![format!(
                    "its provenance and SBOM stay behind ({}): the index lists them, and one platform goes without the \
                     index; `platforms: all`, or several platforms, bring them along",
                    digests.join(", ")
                )]
            }
        }
    }
}
