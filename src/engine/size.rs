//! Whether an image is larger than it may be.
//!
//! Owns the sum over what its manifests list; a blob that is listed twice counts once. Never reads a blob, and nothing at all
//! where there is no limit. That a blob is as long as its descriptor says is checked while it is copied.

use std::collections::{HashMap, HashSet};

use crate::engine::options::{ChildSelection, ForeignLayers, Options};
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{DEEPEST, Manifest, PackedManifest};
use crate::store::Source;
use crate::store::content::TagOrDigest;

/// What is below an image and has been read already: where pulls are billed, each is one.
pub type Read = HashMap<Digest, PackedManifest>;

/// Refuses `root`, which `at` of `source` names, where what is wanted of it exceeds the limit of `options`. Gives what it has read
/// for that.
pub async fn check(
    source: &Source,
    at: TagOrDigest<'_>,
    root: &Manifest,
    children: Option<&ChildSelection>,
    options: &Options,
) -> Result<Read, Error> {
    let mut read = Read::new();
    let Some(limit) = options.size_limit else { return Ok(read) };
    let include_foreign = options.foreign_layers == ForeignLayers::Include;
    let refuse = |bytes, limit, what| Err(Error::TooLarge { reference: source.object(at), what, bytes, limit });
    let mut seen: HashSet<Digest> = HashSet::new();
    let mut total = 0_u64;
    let mut waiting = vec![(root.clone(), 0)];
    while let Some((manifest, depth)) = waiting.pop() {
        if !manifest.blobs_without_size().is_empty() {
            return Err(Error::Content {
                side: Side::Source,
                object: source.object(TagOrDigest::Digest(&manifest.digest)),
                problem: "lists content without its size, and `size-limit` is set".to_owned(),
            });
        }
        for blob in manifest.blobs(include_foreign) {
            if !seen.insert(blob.digest.clone()) {
                continue;
            }
            if blob.size > limit.layer {
                return refuse(blob.size, limit.layer, "layer");
            }
            total = total.saturating_add(blob.size);
            if total > limit.image {
                return refuse(total, limit.image, "image");
            }
        }
        for child in manifest.children().filter(|_| depth < DEEPEST) {
            let is_wanted = children.is_none_or(|selection| selection.has(&manifest.digest, &child.digest));
            if is_wanted && seen.insert(child.digest.clone()) {
                let child = source.get_manifest(TagOrDigest::Digest(&child.digest)).await;
                match child {
                    Ok(child) => {
                        read.insert(child.digest.clone(), child.clone().into());
                        waiting.push((child, depth + 1));
                    }
                    // That it is missing is the copy's to say.
                    Err(error) if error.is_absent() => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(read)
}
