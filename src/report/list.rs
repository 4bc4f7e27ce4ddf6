//! What became of a list: which tags each entry has selected, and why.
//!
//! Owns the sentences about entries. Never selects.

use crate::engine::options::Command;
use crate::engine::outcome::ImageOutcome;
use crate::error::Error;
use crate::observe::counts::Traffic;
use crate::oci::reference::ImageReference;
use crate::plan::images::At;
use crate::plan::list::expand::{ExpandedEntry, Expansion};
use crate::plan::list::lock::Lock;
use crate::plan::list::shard::Shard;
use crate::plan::list::tags::Effect;
use crate::text::quote::quote;
use crate::text::units::count;

/// What a list has come to.
#[derive(Clone, Debug)]
pub struct ListReport {
    /// The entries that select tags, in order.
    pub entries: Vec<ExpandedEntry>,
    /// Where each of the run's images is asked for.
    pub origins: Vec<At>,
    /// The sources that the whole list stands for.
    pub sources: Vec<ImageReference>,
    /// Images that cannot be worked on, and why.
    pub refused: Vec<(At, ImageReference, Error)>,
    /// What it cost to list tags.
    pub traffic: Traffic,
    /// Patterns of tags that never move which hold none, and where each stands first.
    pub idle: Vec<(At, String)>,
    /// The part of the list that this run works on, where it is one of several.
    pub part: Option<Shard>,
}

impl ListReport {
    /// What is told of an expansion. Which of its images this run works on is not known yet.
    pub fn new(expansion: Expansion) -> Self {
        let Expansion { lines, entries, refused, traffic, idle } = expansion;
        // A collection takes over the room of the lines, a dozen times of what it needs.
        let mut sources: Vec<ImageReference> = lines.into_iter().map(|line| line.source).collect();
        sources.shrink_to_fit();
        Self { entries, origins: Vec::new(), sources, refused, traffic, idle, part: None }
    }

    /// For the log: a title, and what each rule has done.
    pub fn group(&self) -> Option<(String, Vec<String>)> {
        if self.entries.is_empty() {
            return None;
        }
        let part = self.part.map_or_else(String::new, |part| format!(", part {part}"));
        let title = format!(
            "the list{part}: {}; tags selected by {}",
            count(self.origins.len() as u64, "image"),
            if self.entries.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", self.entries.len()) }
        );
        Some((title, self.entries.iter().flat_map(sentences).collect()))
    }

    /// Where each rule stands that selects no tag, while others of its entry do, and what it says.
    pub fn idle_rules(&self) -> impl Iterator<Item = String> {
        let selections = self.entries.iter().filter_map(|entry| Some((&entry.at, entry.result.as_ref().ok()?)));
        selections.filter(|(_, selection)| !selection.selected.is_empty()).flat_map(|(at, selection)| {
            let idle = selection.steps.iter().filter(|step| step.effect == Effect::Selected && step.count == 0);
            idle.map(move |step| format!("{at} {}", step.rule))
        })
    }

    /// What is said of patterns that hold nothing, in the list and of the lock: like rules, most often they are misspelt.
    pub fn idle_settings(&self, lock: Option<&Lock>) -> Vec<String> {
        let immutable = self.idle.iter().map(|(at, pattern)| {
            format!(
                "{at}: `immutable` holds no tag of the list by `{}`; a pattern is for the whole tag",
                quote(pattern)
            )
        });
        // Of a listing that failed it is not known.
        let lock = lock.filter(|_| self.entries.iter().all(|entry| entry.result.is_ok()));
        let sources = self.sources.iter().filter_map(ImageReference::registry);
        let glob = lock.and_then(|lock| lock.idle_glob(sources)).map(|glob| {
            format!(
                "`lock-update` is `{}`, which no line of the lock has; they begin like `docker.io/library/nginx:*`",
                quote(&glob.to_string())
            )
        });
        immutable.chain(glob).collect()
    }

    /// The entries that failed, and the images that cannot be worked on. What every runner of a list in parts finds alike is in
    /// one part; that tags could not be listed is what this one has found, and nobody else may know.
    pub fn failures(&self) -> impl Iterator<Item = (&At, &ImageReference, &Error)> {
        let entries =
            self.entries.iter().filter_map(|entry| Some((&entry.at, &entry.source, entry.result.as_ref().err()?)));
        let refused = self.refused.iter().map(|(at, source, error)| (at, source, error));
        entries.chain(refused).filter(|(at, source, error)| {
            let is_dealt = |part: Shard| !matches!(error, Error::Rules { .. }) || part.deals(&format!("{at} {source}"));
            self.part.is_none_or(is_dealt)
        })
    }

    /// The same, as the report's other images are.
    pub fn failed(&self, command: Command) -> Vec<ImageOutcome> {
        let failed = self.failures().map(|(_, source, error)| {
            let state = (command == Command::Copy).then(|| "nothing was written for this entry".to_owned());
            ImageOutcome { error: Some(Box::new(error.clone())), state, ..ImageOutcome::new(source.clone(), None) }
        });
        failed.collect()
    }
}

fn sentences(entry: &ExpandedEntry) -> Vec<String> {
    let head = format!("{} {}", entry.at, entry.source);
    match &entry.result {
        Ok(selection) => {
            let selected = format!("{} by its patterns", count(selection.selected.len() as u64, "tag"));
            let steps = selection.steps.iter().map(|step| format!("  {}", step.sentence()));
            std::iter::once(format!("{head}: {selected}")).chain(steps).collect()
        }
        Err(_) => vec![format!("{head}: failed, see below")],
    }
}
