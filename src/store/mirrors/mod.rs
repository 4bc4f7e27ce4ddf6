//! Reading an image from wherever it is: mirrors first, the original last.
//!
//! A mirror is believed about content, because content is checked, and about tags only as far as the user said.

pub mod health;
pub mod rules;
pub mod source;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::reference::Reference;
use crate::store::mirrors::health::Hosts;
use crate::store::mirrors::rules::{Fallback, Rules, Tags};
use crate::store::mirrors::source::{Endpoint, MirrorSource, State};
use crate::store::registry::registries::Registries;
use crate::store::registry::repository::Purpose;

/// What the inputs say about mirrors.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// Where what may be read.
    pub rules: Rules,
    /// Whom to believe about a tag.
    pub tags: Tags,
    /// What comes after the mirrors.
    pub fallback: Fallback,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
}

/// The mirrors of a run, and what it has learnt about their hosts.
pub struct Mirrors {
    settings: MirrorSettings,
    hosts: Arc<Hosts>,
}

impl Mirrors {
    /// Nothing is known of any host yet.
    pub fn new(settings: MirrorSettings) -> Self {
        Self { settings, hosts: Arc::default() }
    }

    /// The store that reads `reference`, to be copied to `target`, by way of its mirrors; none where there is no mirror for it.
    pub fn store(
        &self,
        registries: &Registries,
        reference: &Reference,
        target: Option<&Reference>,
        meter: &Arc<Meter>,
    ) -> Result<Option<MirrorSource>, Error> {
        let candidates = self.settings.rules.candidates(reference, target, self.settings.fallback)?;
        for notice in candidates.notices {
            meter.notice(notice);
        }
        if candidates.mirrors.is_empty() {
            return Ok(None);
        }
        let mut sites = Vec::new();
        for mirror in &candidates.mirrors {
            let repository = registries.open_mirror(mirror, reference, Arc::clone(meter))?;
            sites.push(Endpoint::new(repository.with_alternatives(), mirror, true));
        }
        if candidates.original {
            let repository = registries.open(Side::Source, reference, Purpose::Read, Arc::clone(meter))?;
            sites.push(Endpoint::new(repository, reference, false));
        } else if let (Some(site), Some(mirror)) = (sites.last_mut(), candidates.mirrors.last()) {
            // Without the original nothing comes after the last mirror: it is waited for as the original is.
            site.repository = registries.open_mirror(mirror, reference, Arc::clone(meter))?;
        }
        if let Some(last) = sites.last_mut() {
            last.is_last = true;
        }
        Ok(Some(MirrorSource(Arc::new(State {
            reference: reference.clone(),
            sites,
            tags: self.settings.tags,
            patience: self.settings.patience,
            hosts: Arc::clone(&self.hosts),
            meter: Arc::clone(meter),
            found: Mutex::default(),
        }))))
    }
}
