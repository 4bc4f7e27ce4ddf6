//! What is known of an image while it is worked on.
//!
//! Owns what of it becomes the report, however the work ends. Never asks: it is told.

use crate::engine::choice::Effect;
use crate::engine::job::Job;
use crate::engine::options::ChildSelection;
use crate::engine::outcome::{ImageOutcome, PlatformOutcome, TagRule};
use crate::engine::resolve::{self, Resolved};
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::oci::platform::Platform;

/// What is known so far: its report as far as that can be written already.
pub struct Known {
    pub image: ImageOutcome,
    pub effect: Option<Effect>,
}

impl Known {
    /// Nothing yet but what is wanted.
    pub fn new(job: &Job) -> Self {
        let image = ImageOutcome::new(job.source.clone(), job.target.clone());
        let tag_rule = if job.options.source_tag.is_immutable() { TagRule::NeverMoves } else { TagRule::MayMove };
        Self { image: ImageOutcome { tag_rule, ..image }, effect: None }
    }

    /// What its source stands for.
    pub fn record(&mut self, resolved: &Resolved) {
        self.effect.clone_from(&resolved.effect);
        self.image.source_digest = Some(resolved.named.clone());
        self.image.digest = Some(resolved.root.digest().clone());
        if let Some(platform) = &resolved.chosen {
            let digest = resolved.root.digest().clone();
            self.image.platforms = vec![PlatformOutcome { platform: platform.to_string(), digest, size: None }];
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
        self.image.media_type = Some(root.media_type.clone());
        self.image.is_container = root.is_container();
        self.image.platforms = match chosen {
            Some(platform) if !root.is_index() => vec![PlatformOutcome {
                platform: platform.to_string(),
                digest: root.digest.clone(),
                size: size(&root.digest),
            }],
            _ => resolve::platforms(root, children, size),
        };
    }
}
