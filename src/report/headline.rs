//! The state of a run in words that decide: how many are as asked for, how many are not, and why not.
//!
//! Owns the words of outcomes. Log and summary begin or end with the same sentence.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::Error;
use crate::error::kind::Kind;
use crate::oci::reference::ImageReference;
use crate::report::Report;
use crate::text::units::count;

/// The outcomes in the order in which they are told.
pub const OUTCOMES: [Outcome; 10] = [
    Outcome::Copied,
    Outcome::WouldCopy,
    Outcome::Inspected,
    Outcome::Verified,
    Outcome::Behind,
    Outcome::Checked,
    Outcome::Kept,
    Outcome::Unchanged,
    Outcome::Deferred,
    Outcome::Failed,
];

/// `60 images: 3 copied, 57 unchanged`, or `57 of 60 mirrored, 3 failed: 2 denied, 1 absent`.
pub fn headline(report: &Report) -> String {
    let mut images = state(report);
    if let Some(prune) = report.prune.as_ref().filter(|prune| prune.fails()) {
        images = format!("{images}; {}", prune.headline());
    }
    let left = report.access.left_over().count();
    if report.access.fails() {
        format!("{images}; {} not as wanted", count(left as u64, "access check"))
    } else {
        images
    }
}

fn state(report: &Report) -> String {
    if report.problem.is_some() {
        return "the run ended before its images".to_owned();
    }
    let all = report.images.len();
    let cut_off = report.images.iter().filter(|image| is_cut_off(image)).count();
    let (failed, deferred) = (report.count(Outcome::Failed) - cut_off, report.count(Outcome::Deferred));
    let well = all - failed - cut_off - deferred;
    if let Some(behind) = behind(report) {
        return format!("{well} of {all} mirrored; {behind}");
    }
    let mut left = Vec::new();
    if failed > 0 {
        left.push(format!("{failed} failed: {}", kinds(report)));
    }
    left.extend((cut_off > 0).then(|| format!("{cut_off} cut off")));
    left.extend((deferred > 0).then(|| format!("{deferred} deferred")));
    match (all, &*parts(report)) {
        (0, _) => "no images".to_owned(),
        (1, _) if failed == 1 => format!("1 image failed: {}", kinds(report).trim_start_matches("1 ")),
        (1, _) if cut_off == 1 => "1 image cut off".to_owned(),
        (_, [part]) if failed + cut_off == 0 => {
            let (_, word) = part.split_once(' ').unwrap_or((part, ""));
            let (images, places) = images(report);
            let places = places.map(|places| format!(" {places}")).unwrap_or_default();
            format!("{images} {word}{places}")
        }
        (_, parts) => {
            let (images, places) = images(report);
            let several = places.map(|places| format!("{images} {places}: "));
            match (left.is_empty(), several) {
                (true, several) => format!("{}{}", several.unwrap_or(format!("{images}: ")), parts.join(", ")),
                (false, several) => {
                    let several = several.unwrap_or_default();
                    format!("{several}{well} of {all} {}, {}", done(report), left.join(", "))
                }
            }
        }
    }
}

/// `3 images`, and where each counts more than once, because it goes to more than one target, `at 2 targets`.
fn images(report: &Report) -> (String, Option<String>) {
    let mut targets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for image in &report.images {
        let target = image.target.as_ref().map(ToString::to_string).unwrap_or_default();
        targets.entry(image.source.to_string()).or_default().insert(target);
    }
    let (all, more) = (report.images.len(), targets.values().map(|targets| targets.len() - 1).sum::<usize>());
    let images = count((all - more) as u64, "image");
    let each = targets.values().next().map(BTreeSet::len).unwrap_or_default();
    let places = match more {
        0 => None,
        _ if targets.values().all(|targets| targets.len() == each) => {
            Some(format!("at {}", count(each as u64, "target")))
        }
        _ => Some(format!("at {} in all", count(all as u64, "target"))),
    };
    (images, places)
}

/// How many images of a comparison are named that have been behind for days.
const NAMED: usize = 3;

/// Where a comparison knows that for days: what has been behind its source, the longest first, and what failed otherwise.
fn behind(report: &Report) -> Option<String> {
    let mut behind: Vec<(u64, &ImageOutcome)> = report
        .images
        .iter()
        .filter(|image| image.error.is_some())
        .filter_map(|image| Some((days(image)?, image)))
        .collect();
    behind.sort_by_key(|(days, _)| std::cmp::Reverse(*days));
    let others =
        report.images.iter().filter(|image| image.error.is_some() && days(image).is_none() && !is_cut_off(image));
    let (more, others) = (behind.len().saturating_sub(NAMED), others.count());
    let mut parts: Vec<String> = behind
        .iter()
        .take(NAMED)
        .map(|(days, image)| format!("`{}` not for {}", short(image), count(*days, "day")))
        .collect();
    parts.extend((more > 0).then(|| format!("{more} more not for days")));
    parts.extend((others > 0 && !behind.is_empty()).then(|| format!("{others} failed otherwise")));
    (!behind.is_empty()).then(|| parts.join(", "))
}

fn days(image: &ImageOutcome) -> Option<u64> {
    image.behind.as_ref().and_then(|behind| behind.days())
}

/// A target's name without its registry, which is the same for most.
fn short(image: &ImageOutcome) -> String {
    match image.target.as_ref() {
        Some(ImageReference::Registry(target)) => {
            format!("{}:{}", target.repository(), target.tag().unwrap_or_default()).trim_end_matches(':').to_owned()
        }
        Some(other) => other.to_string(),
        None => image.source.to_string(),
    }
}

/// How the images ended that did not fail: `3 copied`, `57 unchanged`.
pub fn parts(report: &Report) -> Vec<String> {
    let part = |result: Outcome| (report.count(result), outcome(result));
    let parts = OUTCOMES.into_iter().filter(|result| *result != Outcome::Failed).map(part);
    parts.filter(|(images, _)| *images > 0).map(|(images, word)| format!("{images} {word}")).collect()
}

/// `2 denied, 1 absent`: what failed, by its kind, the most frequent first.
fn kinds(report: &Report) -> String {
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for error in report.images.iter().filter(|image| !is_cut_off(image)).filter_map(|image| image.error.as_deref()) {
        *kinds.entry(error.kind()).or_default() += 1;
    }
    let mut kinds: Vec<(Kind, usize)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, images)| std::cmp::Reverse(*images));
    kinds.iter().map(|(kind, images)| format!("{images} {}", kind.word())).collect::<Vec<_>>().join(", ")
}

/// Whether a cancellation ended it: it failed like the others that were under way, and nothing is to be mended.
pub fn is_cut_off(image: &ImageOutcome) -> bool {
    matches!(image.error.as_deref(), Some(Error::Cancelled { .. }))
}

/// What was asked for, of an image that it was done for.
fn done(report: &Report) -> &'static str {
    match report.command {
        Command::Copy if report.dry_run => "can be mirrored",
        Command::Copy => "mirrored",
        Command::Inspect => "inspected",
        Command::Verify => "verified",
        Command::Access => "looked for",
    }
}

/// How an outcome is said.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Copied => "copied",
        Outcome::Unchanged => "unchanged",
        Outcome::Kept => "kept",
        Outcome::WouldCopy => "would be copied",
        Outcome::Inspected => "inspected",
        Outcome::Verified => "verified",
        Outcome::Behind => "behind",
        Outcome::Checked => "looked for",
        Outcome::Failed => "failed",
        Outcome::Deferred => "deferred",
    }
}

#[cfg(test)]
mod tests {
    use super::headline;
    use crate::engine::behind::Behind;
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::error::Error;
    use crate::report::Report;
    use crate::report::json::tests::{copied, failed, named, report, unchanged};

    #[test]
    fn the_state_is_said_in_words_that_decide() {
        let cut_off = ImageOutcome { error: Some(Box::new(Error::Cancelled { signal: "SIGTERM" })), ..failed() };
        let local = ImageOutcome { error: Some(Box::new(Error::Local("no disk".to_owned()))), ..failed() };
        let deferred = ImageOutcome { result: Outcome::Deferred, ..copied() };
        for (images, expected) in [
            (vec![], "no images"),
            (vec![copied()], "1 image copied"),
            (vec![failed()], "1 image failed: denied"),
            (vec![cut_off.clone()], "1 image cut off"),
            (vec![unchanged(), unchanged()], "2 images unchanged"),
            (vec![copied(), unchanged(), unchanged()], "3 images: 1 copied, 2 unchanged"),
            (vec![copied(), failed(), local, failed()], "1 of 4 mirrored, 3 failed: 2 denied, 1 local fault"),
            (vec![copied(), cut_off, deferred], "1 of 3 mirrored, 1 cut off, 1 deferred"),
        ] {
            assert_eq!(headline(&report(images)), expected);
        }
        let at = |image: ImageOutcome, target: &str| ImageOutcome { target: Some(named(target)), ..image };
        for (images, expected) in [
            (vec![at(copied(), "a.io/x:1"), at(copied(), "b.io/x:1")], "1 image copied at 2 targets"),
            (
                vec![at(copied(), "a.io/x:1"), at(unchanged(), "b.io/x:1")],
                "1 image at 2 targets: 1 copied, 1 unchanged",
            ),
            (
                vec![at(copied(), "a.io/x:1"), at(copied(), "b.io/x:1"), at(failed(), "a.io/y:1")],
                "2 images at 3 targets in all: 2 of 3 mirrored, 1 failed: 1 denied",
            ),
        ] {
            assert_eq!(headline(&report(images)), expected);
        }
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        let behind = |days: u32| {
            let now = std::time::SystemTime::UNIX_EPOCH + day * 20_000;
            let behind = Behind { since: Some(now - day * days), now };
            ImageOutcome { behind: Some(Box::new(behind)), target: Some(named("ghcr.io/acme/m/app:2")), ..failed() }
        };
        let many: Vec<ImageOutcome> = (1..=5).map(behind).chain([failed(), copied()]).collect();
        for (images, expected) in [
            (vec![behind(0)], "1 image failed: denied"),
            (vec![copied(), behind(77)], "1 of 2 mirrored; `acme/m/app:2` not for 77 days"),
            (
                many,
                "1 of 7 mirrored; `acme/m/app:2` not for 5 days, `acme/m/app:2` not for 4 days, `acme/m/app:2` not for 3 days, 2 more not for days, 1 failed otherwise",
            ),
        ] {
            assert_eq!(headline(&report(images)), expected);
        }
        let dry_run = Report { dry_run: true, ..report(vec![copied(), failed()]) };
        assert_eq!(headline(&dry_run), "1 of 2 can be mirrored, 1 failed: 1 denied");
    }
}
