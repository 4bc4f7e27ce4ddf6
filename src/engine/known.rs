//! What is known of an image while it is worked on.
//!
//! Owns what of it becomes the report, however the work ends. Never asks: it is told.

use crate::engine::choice::Effect;
use crate::engine::options::ChildSelection;
use crate::engine::outcome::{AttachmentOutcome, PlatformOutcome};
use crate::engine::resolve::{self, Resolved};
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::oci::platform::Platform;

/// What is known so far.
#[derive(Default)]
pub struct Known {
    pub source_digest: Option<Digest>,
    pub digest: Option<Digest>,
    pub replaced: Option<Digest>,
    pub media_type: Option<String>,
    pub platforms: Vec<PlatformOutcome>,
    pub is_container: bool,
    pub attachments: Vec<AttachmentOutcome>,
    pub effect: Option<Effect>,
}

impl Known {
    /// What its source stands for.
    pub fn record(&mut self, resolved: &Resolved) {
        self.effect.clone_from(&resolved.effect);
        self.source_digest = Some(resolved.named.clone());
        self.digest = Some(resolved.root.digest().clone());
        if let Some(platform) = &resolved.chosen {
            let digest = resolved.root.digest().clone();
            self.platforms = vec![PlatformOutcome { platform: platform.to_string(), digest, size: None }];
        }
    }

    /// What it is made of.
    pub fn describe(
        &mut self,
        root: &Manifest,
        chosen: Option<&Platform>,
        children: Option<&ChildSelection>,
        size: impl Fn(&Digest) -> Option<u64>,
    ) {
        self.media_type = Some(root.media_type.clone());
        self.is_container = root.is_container();
        self.platforms = match chosen {
            Some(platform) if !root.is_index() => vec![PlatformOutcome {
                platform: platform.to_string(),
                digest: root.digest.clone(),
                size: size(&root.digest),
            }],
            _ => resolve::platforms(root, children, size),
        };
    }
}
