//! What became of the tags that a list selects no more.
//!
//! Owns the sentences about it, for log, summary and `json`. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::engine::prune::delete::{Deleted, Stop};
use crate::error::reader::Reader;
use crate::observe::counts::Traffic;
use crate::oci::digest::Digest;
use crate::plan::list::prune::Stays;
use crate::text::quote::quote;
use crate::text::sanitise;
use crate::text::units::count;

/// Tags of a repository that are named in the log although nothing becomes of them.
const NAMED: usize = 20;

/// What was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A plan.
    Plan,
    /// Its execution.
    Apply,
    /// Its execution, stopped before the first deletion.
    DryRun,
}

/// What became of the tags that a list selects no more.
#[derive(Clone, Debug)]
pub struct PruneReport {
    pub wanted: Wanted,
    /// The plan's file.
    pub file: String,
    /// The most tags that one run deletes.
    pub limit: usize,
    /// The repositories of which there is something to say.
    pub repositories: Vec<PrunedRepository>,
    /// Why nothing was planned, or nothing deleted.
    pub refused: Option<String>,
    /// Those of `prune-keep` that have no tag.
    pub idle: Vec<String>,
    /// What it cost.
    pub traffic: Traffic,
}

/// What becomes of one repository.
#[derive(Clone, Debug)]
pub struct PrunedRepository {
    pub name: String,
    /// Tags that go, with what they name.
    pub tags: BTreeMap<String, Digest>,
    /// Those among them that go without their image.
    pub alone: BTreeSet<String>,
    /// How many manifests go with them.
    pub manifests: usize,
    /// Tags that stay although the list does not select them.
    pub stays: BTreeMap<String, Stays>,
    /// Why it is left alone.
    pub left: Option<Stop>,
    /// What was deleted; none where nothing was to be.
    pub deleted: Option<Deleted>,
}

/// One tag, for `json`.
#[derive(Serialize)]
pub struct Fate<'a> {
    repository: &'a str,
    tag: &'a str,
    digest: Option<&'a Digest>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// All of it, for `json`.
#[derive(Serialize)]
pub struct Data<'a> {
    mode: &'static str,
    plan: &'a str,
    limit: usize,
    tags: Vec<Fate<'a>>,
    manifests: usize,
    requests: u64,
    problems: Vec<String>,
}

fn problem(stop: &Stop, reader: Reader) -> String {
    let text = match stop {
        Stop::Failed(error) => {
            let hint = error.hints(reader).into_iter().next().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{error}{hint}")
        }
        Stop::Said(text) => text.clone(),
    };
    sanitise::one_line(&text, 2_000)
}

impl PrunedRepository {
    /// Tags that are gone; attachments are nobody's to count.
    fn deleted(&self) -> impl Iterator<Item = &String> {
        self.deleted.iter().flat_map(|deleted| &deleted.tags).filter(|tag| self.tags.contains_key(*tag))
    }

    fn result(&self, tag: &str, wanted: Wanted) -> &'static str {
        match &self.deleted {
            Some(deleted) if deleted.tags.contains(tag) => "deleted",
            Some(deleted) if deleted.left.contains(tag) => "kept",
            Some(_) => "failed",
            None if wanted == Wanted::Apply => "not-deleted",
            None => "would-delete",
        }
    }
}

impl PruneReport {
    /// Tags that go, or that went.
    pub fn count(&self) -> usize {
        match self.wanted {
            Wanted::Apply => self.repositories.iter().map(|one| one.deleted().count()).sum(),
            Wanted::Plan | Wanted::DryRun => self.planned(),
        }
    }

    /// Tags that the plan has.
    pub fn planned(&self) -> usize {
        self.repositories.iter().map(|repository| repository.tags.len()).sum()
    }

    /// How many manifests go, or went.
    fn manifests(&self) -> usize {
        let of = |one: &PrunedRepository| match (self.wanted, &one.deleted) {
            (Wanted::Apply, deleted) => deleted.as_ref().map_or(0, |deleted| deleted.manifests),
            (Wanted::Plan | Wanted::DryRun, _) => one.manifests,
        };
        self.repositories.iter().map(of).sum()
    }

    /// Whether something was deleted.
    pub fn changed(&self) -> bool {
        self.repositories
            .iter()
            .filter_map(|one| one.deleted.as_ref())
            .any(|one| one.manifests > 0 || !one.tags.is_empty())
    }

    /// Whether it was not done as it was asked for.
    pub fn fails(&self) -> bool {
        let stopped = |one: &PrunedRepository| one.deleted.as_ref().is_some_and(|deleted| deleted.stopped.is_some());
        self.refused.is_some() || self.repositories.iter().any(stopped)
    }

    /// `prune: 2 tags deleted with 9 manifests`.
    pub fn headline(&self) -> String {
        format!("prune: {}", self.state())
    }

    /// In a few words.
    pub fn state(&self) -> String {
        let tags = count(self.count() as u64, "tag");
        let with = count(self.manifests() as u64, "manifest");
        match (self.wanted, &self.refused) {
            (Wanted::Plan, Some(_)) => "no plan".to_owned(),
            (_, Some(_)) if !self.changed() => "nothing deleted".to_owned(),
            (Wanted::Apply, _) => format!("{tags} deleted with {with}"),
            (Wanted::Plan | Wanted::DryRun, _) => format!("{tags} would be deleted with {with}"),
        }
    }

    /// What went wrong, a sentence each.
    pub fn problems(&self, reader: Reader) -> Vec<String> {
        let mut problems: Vec<String> = self.refused.iter().map(|text| sanitise::one_line(text, 2_000)).collect();
        for one in &self.repositories {
            let stopped = one.deleted.as_ref().and_then(|deleted| deleted.stopped.as_ref());
            problems
                .extend(one.left.iter().map(|stop| format!("{} is left alone: {}", one.name, problem(stop, reader))));
            problems.extend(stopped.map(|stop| format!("{}: stopped: {}", one.name, problem(stop, reader))));
        }
        problems
    }

    /// What is to be known besides.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.wanted == Wanted::Plan && self.refused.is_none() {
            notices.push(format!("the plan is in `{}`: `prune: apply` with this file deletes it", quote(&self.file)));
        }
        if self.wanted != Wanted::Apply && self.planned() > self.limit {
            notices.push(format!(
                "the plan has {} and `prune-limit` allows {}: `prune: apply` will delete nothing unless that is raised",
                count(self.planned() as u64, "tag"),
                self.limit
            ));
        }
        notices.extend(self.idle.iter().take(NAMED).map(|pattern| {
            format!("`prune-keep`: `{}` has no tag of what the list writes to, and spares nothing", quote(pattern))
        }));
        for one in &self.repositories {
            let left = one.deleted.iter().flat_map(|deleted| &deleted.left).filter(|tag| one.tags.contains_key(*tag));
            let left: Vec<&str> = left.map(String::as_str).collect();
            if !left.is_empty() {
                notices.push(format!(
                    "{}: {} stayed: the image stays, and this registry deletes no tag by itself",
                    one.name,
                    left.join(", ")
                ));
            }
        }
        notices
    }

    /// For the log: a title, and a line for each tag. What went wrong is said beside it.
    pub fn group(&self) -> (String, Vec<String>) {
        let mut lines = Vec::new();
        for one in &self.repositories {
            for (tag, digest) in &one.tags {
                let alone = if one.alone.contains(tag) { " (the tag alone)" } else { "" };
                lines.push(format!("{} {}:{tag} {digest}{alone}", one.result(tag, self.wanted), one.name));
            }
            let stays = one.stays.iter().map(|(tag, why)| format!("kept {}:{tag}: {}", one.name, why.reason()));
            lines.extend(stays.take(NAMED));
            let more = one.stays.len().saturating_sub(NAMED);
            lines.extend((more > 0).then(|| format!("kept {more} more tags of {}", one.name)));
        }
        lines.extend(self.notices().into_iter().map(|notice| format!("notice: {notice}")));
        (self.headline(), lines)
    }

    /// What becomes of a tag, for people.
    pub fn word(&self, one: &PrunedRepository, tag: &str) -> &'static str {
        match one.result(tag, self.wanted) {
            "would-delete" => "would be deleted",
            "not-deleted" => "not deleted",
            other => other,
        }
    }

    /// For `json`.
    pub fn data(&self, reader: Reader) -> Data<'_> {
        let tags = self.repositories.iter().flat_map(|one| {
            let goes = one.tags.iter().map(|(tag, digest)| Fate {
                repository: &one.name,
                tag,
                digest: Some(digest),
                result: one.result(tag, self.wanted),
                reason: None,
            });
            let stays = one.stays.iter().map(|(tag, why)| Fate {
                repository: &one.name,
                tag,
                digest: None,
                result: "kept",
                reason: Some(why.reason()),
            });
            goes.chain(stays)
        });
        Data {
            mode: match self.wanted {
                Wanted::Plan => "plan",
                Wanted::Apply => "apply",
                Wanted::DryRun => "dry-run",
            },
            plan: &self.file,
            limit: self.limit,
            tags: tags.collect(),
            manifests: self.manifests(),
            requests: self.traffic.requests(),
            problems: self.problems(reader),
        }
    }
}
