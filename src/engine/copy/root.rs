//! Writing the root of an image: the manifest that its tag is to name.
//!
//! Owns that a target which refuses an index without all of its platforms gets a smaller one, where there is one; nothing
//! below it is sent again. Never takes another refusal for that.

use crate::engine::copy::Copy;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::store::content::{ManifestPush, TagOrDigest};
use crate::sync::LockExt as _;

/// The manifest that the tag is to name.
pub struct RootChoice<'a> {
    /// It.
    pub root: &'a Manifest,
    /// The smaller index for a target that refuses the root; none once it is the root.
    smaller: Option<&'a Manifest>,
    /// What the smaller index has replaced.
    pub replaced: Option<&'a Digest>,
}

impl<'a> RootChoice<'a> {
    /// `root`, or else `smaller`.
    pub fn new(root: &'a Manifest, smaller: Option<&'a Manifest>) -> Self {
        Self { root, smaller, replaced: None }
    }

    /// Where it goes: under the tag, or under its digest.
    pub fn at<'b>(&'b self, tag: Option<&'b str>) -> TagOrDigest<'b> {
        tag.map_or(TagOrDigest::Digest(&self.root.digest), TagOrDigest::Tag)
    }
}

impl Copy<'_> {
    /// The root of an image below which all is there: the smaller one where the target has refused an index in it.
    pub fn choose_root<'a>(&self, root: &'a Manifest, smaller: Option<&'a Manifest>) -> RootChoice<'a> {
        let mut root = RootChoice::new(root, smaller);
        let refused = self.refused.locked().take();
        if let Some(error) = refused {
            self.rewrite(&mut root, &error);
        }
        root
    }

    /// Writes the root; where the target refuses an index without all of its platforms and there is a smaller one, that.
    pub async fn put_root(&self, tag: Option<&str>, root: &mut RootChoice<'_>) -> Result<Option<ManifestPush>, Error> {
        match self.put(root.at(tag), root.root).await {
            Err(error) if root.smaller.is_some() && error.may_miss_children() => {
                self.rewrite(root, &error);
                self.put(root.at(tag), root.root).await
            }
            result => result,
        }
    }

    /// Takes the smaller index, because the target has refused the other one.
    fn rewrite(&self, root: &mut RootChoice<'_>, error: &Error) {
        let Some(smaller) = root.smaller.take() else { return };
        root.replaced = Some(&std::mem::replace(&mut root.root, smaller).digest);
        self.meter.warn(format!(
            "the target refuses an index without all of its platforms ({}); `subset: auto` writes a smaller one, {}",
            error.refusal().map(ToString::to_string).unwrap_or_default(),
            smaller.digest
        ));
    }
}
