//! Whether an image is larger than it may be.
//!
//! Owns the sum over what its manifests list; a blob that is listed twice counts once. What hangs on an image may have as much
//! once more. Never reads a blob, and nothing at all where there is no limit. That a blob is as long as its descriptor says is
//! checked while it is copied.

use std::collections::{HashMap, HashSet};

use crate::engine::attachments::Found;
use crate::engine::options::{ChildSelection, ForeignLayers, Options, SizeLimit};
use crate::error::{Counted, Error, Side};
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
    let Some(limit) = options.size_limit else { return Ok(Read::new()) };
    let mut sum = Sum::new(source, at, limit, Counted::Image);
    sum.add(root.clone(), children, options.foreign_layers == ForeignLayers::Include).await?;
    Ok(sum.read)
}

/// The same for what hangs on it.
pub async fn check_attachments(
    source: &Source,
    at: TagOrDigest<'_>,
    found: &[Found],
    options: &Options,
) -> Result<Read, Error> {
    let Some(limit) = options.size_limit else { return Ok(Read::new()) };
    let mut sum = Sum::new(source, at, limit, Counted::Attachments);
    for attachment in found {
        sum.add(attachment.open(source)?, None, options.foreign_layers == ForeignLayers::Include).await?;
    }
    Ok(sum.read)
}

/// What was counted so far.
struct Sum<'a> {
    source: &'a Source,
    at: TagOrDigest<'a>,
    limit: SizeLimit,
    what: Counted,
    seen: HashSet<Digest>,
    total: u64,
    read: Read,
}

impl<'a> Sum<'a> {
    fn new(source: &'a Source, at: TagOrDigest<'a>, limit: SizeLimit, what: Counted) -> Self {
        Self { source, at, limit, what, seen: HashSet::new(), total: 0, read: Read::new() }
    }

    async fn add(
        &mut self,
        root: Manifest,
        children: Option<&ChildSelection>,
        include_foreign: bool,
    ) -> Result<(), Error> {
        let mut waiting = vec![(root, 0)];
        while let Some((manifest, depth)) = waiting.pop() {
            self.count(&manifest, include_foreign)?;
            for child in manifest.children().filter(|_| depth < DEEPEST) {
                let is_wanted = children.is_none_or(|selection| selection.has(&manifest.digest, &child.digest));
                if is_wanted && self.seen.insert(child.digest.clone()) {
                    match self.source.get_manifest(TagOrDigest::Digest(&child.digest)).await {
                        Ok(child) => {
                            self.read.insert(child.digest.clone(), child.clone().into());
                            waiting.push((child, depth + 1));
                        }
                        // That it is missing is the copy's to say.
                        Err(error) if error.is_absent() => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, manifest: &Manifest, include_foreign: bool) -> Result<(), Error> {
        let refuse =
            |bytes, limit, what| Err(Error::TooLarge { reference: self.source.object(self.at), what, bytes, limit });
        if !manifest.blobs_without_size().is_empty() {
            return Err(Error::Content {
                side: Side::Source,
                object: self.source.object(TagOrDigest::Digest(&manifest.digest)),
                problem: "lists content without its size, and `size-limit` is set".to_owned(),
            });
        }
        for blob in manifest.blobs(include_foreign) {
            if !self.seen.insert(blob.digest.clone()) {
                continue;
            }
            if blob.size > self.limit.layer {
                return refuse(blob.size, self.limit.layer, Counted::Layer);
            }
            self.total = self.total.saturating_add(blob.size);
            if self.total > self.limit.image {
                return refuse(self.total, self.limit.image, self.what);
            }
        }
        Ok(())
    }
}
