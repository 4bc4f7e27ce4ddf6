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
            body += "  is left alone: it could not be read as a whole\n";
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

/// What is not as `planned`, of what there is `now`; none where all is.
pub fn moved(planned: &str, now: &str) -> Option<String> {
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
