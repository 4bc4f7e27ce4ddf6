//! The plan of a prune: a text that a person reads, and that a later run holds the registries against.
//!
//! Owns its form, and what is said where it is not what a run finds. A run does what a plan says only if it would write the same
//! plan itself: nothing in the file decides what is deleted. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::engine::prune::graph::{Doomed, State};
use crate::oci::artifact::after_digest;
use crate::oci::digest::Digest;
use crate::plan::list::prune::Stays;
use crate::text::sanitise;
use crate::text::units::count;

/// How the file begins.
const HEAD: &str = "# Written by mirror-image: what `prune: apply` deletes, all of it or nothing.\n\
                    # It deletes nothing where anything here is another way by then. `prune-keep` spares a tag.\n";

/// What stands below the name of a repository that could not be read.
const LEFT_ALONE: &str = "  is left alone: it could not be read as a whole\n";

/// Differences that are named.
const NAMED: usize = 3;

/// What becomes of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Something goes.
    Pruned {
        /// What.
        doomed: Doomed,
        /// What it has.
        state: State,
        /// Tags that stay although the list does not select them.
        stays: BTreeMap<String, Stays>,
    },
    /// It could not be read, or is not to be touched.
    Left,
}

/// The tags that a person would call so, and not attachments.
pub fn images(tags: &BTreeMap<String, Digest>) -> impl Iterator<Item = (&String, &Digest)> {
    tags.iter().filter(|(tag, _)| after_digest(tag).is_none())
}

/// The plan of these repositories; those of which nothing goes are not in it.
pub fn text(repositories: &BTreeMap<String, Fate>) -> String {
    let (mut body, mut tags, mut manifests) = (String::new(), 0, 0);
    let is_news = |fate: &Fate| !matches!(fate, Fate::Pruned { doomed, .. } if doomed.is_empty());
    for (name, fate) in repositories.iter().filter(|(_, fate)| is_news(fate)) {
        let _ = writeln!(body, "\n{name}");
        let Fate::Pruned { doomed, state, stays } = fate else {
            body += LEFT_ALONE;
            continue;
        };
        manifests += doomed.manifests.len();
        for (tag, digest) in images(&doomed.tags) {
            tags += 1;
            let _ = writeln!(body, "  delete {tag} {digest}");
        }
        for (tag, digest) in images(&doomed.aliases) {
            tags += 1;
            let _ = writeln!(body, "  delete {tag} {digest}, the tag alone: its image stays");
        }
        let of_tags: BTreeSet<&Digest> = images(&doomed.tags).map(|(_, digest)| digest).collect();
        let others: BTreeSet<&Digest> = doomed.manifests.iter().filter(|digest| !of_tags.contains(digest)).collect();
        for digest in others {
            let _ = writeln!(body, "  with {digest}");
        }
        let attached = doomed.tags.iter().chain(&doomed.aliases).filter(|(tag, _)| after_digest(tag).is_some());
        for (tag, digest) in attached {
            let _ = writeln!(body, "  with {tag} {digest}");
        }
        for (tag, reason) in stays {
            let digest = state.tags.get(tag).map_or("", Digest::as_str);
            let _ = writeln!(body, "  keep {tag} {digest}: {}", reason.reason());
        }
    }
    let totals = format!("# {} with {}.\n", count(tags, "tag"), count(manifests as u64, "manifest"));
    format!("{HEAD}{totals}state {}\n{body}", Digest::of(body.as_bytes()))
}

/// Whether a text is such a plan.
pub fn is_plan(text: &str) -> bool {
    text.lines().next() == HEAD.lines().next()
}

/// Why a plan is not that of what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is of another list: of its repositories, so many, the list writes to none.
    Foreign(usize),
    /// Nothing of what it deletes is to be deleted any more; so many tags.
    Spent(usize),
    /// Something is another way; what.
    Moved(String),
}

/// Why `planned` is not the plan of what there is `now`; none where it is. `own`: the repositories that the list writes to.
pub fn compare(planned: &str, now: &str, own: &BTreeSet<String>) -> Option<Mismatch> {
    let moved = moved(planned, now)?;
    let repositories = repositories(planned);
    if !repositories.is_empty() && repositories.iter().all(|name| !own.contains(*name)) {
        return Some(Mismatch::Foreign(repositories.len()));
    }
    let deletions = deletions(planned);
    // What could not be read is not gone.
    let is_known = !now.contains(LEFT_ALONE);
    if is_known && !deletions.is_empty() && deletions.is_disjoint(&self::deletions(now)) {
        return Some(Mismatch::Spent(deletions.len()));
    }
    Some(Mismatch::Moved(moved))
}

/// The names in a plan, each of a repository.
fn repositories(plan: &str) -> BTreeSet<&str> {
    let is_name = |line: &&str| !line.is_empty() && !line.starts_with([' ', '#']) && !line.starts_with("state ");
    plan.lines().map(str::trim_end).filter(is_name).collect()
}

/// The tags that a plan deletes, each with its repository.
fn deletions(plan: &str) -> BTreeSet<(&str, &str)> {
    let mut repository = "";
    let mut deletions = BTreeSet::new();
    for line in plan.lines().map(str::trim_end) {
        match line.strip_prefix("  delete ").and_then(|rest| rest.split(' ').next()) {
            Some(tag) => drop(deletions.insert((repository, tag))),
            None if !line.starts_with([' ', '#']) => repository = line,
            None => {}
        }
    }
    deletions
}

/// What is not as `planned`, of what there is `now`; none where all is.
fn moved(planned: &str, now: &str) -> Option<String> {
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let (planned, now) = (lines(planned), lines(now));
    if planned == now {
        return None;
    }
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        let others: BTreeSet<&String> = others.iter().collect();
        let is_news = |line: &&String| {
            !others.contains(line) && !line.starts_with('#') && !line.starts_with("state ") && !line.is_empty()
        };
        these.iter().filter(is_news).map(|line| format!("`{}`", sanitise::one_line(line.trim(), 200))).collect()
    };
    let (gone, new) = (only(&planned, &now), only(&now, &planned));
    let mut parts = Vec::new();
    for (what, lines) in [("no longer so", gone), ("new", new)] {
        let more = lines.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !lines.is_empty() {
            parts.push(format!("{what}: {}{more}", lines.into_iter().take(NAMED).collect::<Vec<_>>().join(", ")));
        }
    }
    Some(if parts.is_empty() { "the file was edited".to_owned() } else { parts.join("; ") })
}
