//! How long the limits of registries make a run that is planned, about.
//!
//! Owns the estimate. Computes it from what the dry run has found missing, and from what it cost itself.

use std::collections::BTreeMap;

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::cause::ErrorResponse;
use crate::observe::pulls::Quota;
use crate::oci::reference::ImageReference;
use crate::report::Report;
use crate::store::registry::quirks::{Counted, Quirks, Rate};
use crate::text::units::count;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A sentence for each limit of a registry that makes a run longer than a minute.
pub fn sentences(report: &Report) -> Vec<String> {
    let taken = by_registry(report, |image| image.target.as_ref(), is_to_be_copied);
    let taken = taken.into_iter().filter_map(|(host, images)| {
        let rate = Quirks::of(host, None).rate?;
        taking(host, images.into_iter().map(|image| sent(image, rate.counted)).sum(), rate)
    });
    taken.chain(report.quotas.iter().filter_map(|(host, quota)| pulling(report, host, *quota))).collect()
}

fn is_to_be_copied(image: &ImageOutcome) -> bool {
    image.result == Outcome::WouldCopy
}

/// Whether it was not looked at for want of pulls, before they were used up or afterwards.
fn lacks_pulls(image: &ImageOutcome) -> bool {
    let is_refused = || image.error.as_ref()?.refusal().map(ErrorResponse::is_quota);
    image.result == Outcome::Deferred || is_refused() == Some(true)
}

/// The images of which `is_counted` says so, by the registry that `end` of them is at.
fn by_registry(
    report: &Report,
    end: impl Fn(&ImageOutcome) -> Option<&ImageReference>,
    is_counted: fn(&ImageOutcome) -> bool,
) -> BTreeMap<&str, Vec<&ImageOutcome>> {
    let mut images: BTreeMap<&str, Vec<&ImageOutcome>> = BTreeMap::new();
    for image in report.images.iter().filter(|image| is_counted(image)) {
        if let Some(end) = end(image).and_then(ImageReference::registry) {
            images.entry(end.registry()).or_default().push(image);
        }
    }
    images
}

/// How long a registry takes to take so much.
fn taking(host: &str, much: u64, rate: Rate) -> Option<String> {
    let Rate { counted, most, window } = rate;
    let seconds = |much: u64| much * window.as_secs() / most;
    if much <= most || seconds(much) <= MINUTE {
        return None;
    }
    let what = match counted {
        Counted::Writes => "writes",
        Counted::Manifests => "manifests",
    };
    let window = if window.as_secs() == 1 { "second" } else { "minute" };
    // A host that was left in peace takes the first window's at once.
    let time = about(seconds(much - most));
    Some(format!("{host} takes {most} {what} a {window}: about {much} take about {time}."))
}

/// What is sent of an image that counts: two requests for a blob, which is opened and sent, one for each manifest.
fn sent(image: &ImageOutcome, counted: Counted) -> u64 {
    let attachments = image.attachments.iter().filter(|attachment| attachment.result == Outcome::WouldCopy).count();
    let manifests = 1 + image.manifests_missing + attachments as u64;
    match counted {
        Counted::Manifests => manifests,
        Counted::Writes => 2 * image.blobs.missing + manifests,
    }
}

/// How long it takes until a registry has given as many pulls as are needed. A copy reads what the dry run has read; an image
/// that was not looked at for want of pulls is as the others.
fn pulling(report: &Report, host: &str, quota: Quota) -> Option<String> {
    let of = |is_counted| by_registry(report, |image| Some(&image.source), is_counted).remove(host).unwrap_or_default();
    let (looked_at, others) = (of(is_to_be_copied), of(lacks_pulls).len() as u64);
    let billed: u64 = looked_at.iter().map(|image| image.traffic.pulls_billed).sum();
    let each = billed.div_ceil((looked_at.len() as u64).max(1)).max(1);
    let needed = billed + others * each;
    let lacking = needed.checked_sub(quota.left).filter(|lacking| *lacking > 0)?;
    let (most, window) = (quota.most.filter(|most| *most > 0)?, quota.window?);
    let time = about(lacking.div_ceil(most) * window.as_secs());
    let (runs, wait) = (report.reader.set("pull-budget", "auto"), report.reader.set("on-budget", "wait"));
    Some(format!(
        "{host} gives {most} pulls in {}, and {} are left: about {needed} take about {time}, over several runs with {runs}, \
         or in one with {wait} too.",
        about(window.as_secs()),
        quota.left
    ))
}

/// A time in the unit that people would say it in.
fn about(seconds: u64) -> String {
    match seconds {
        _ if seconds < 2 * HOUR && !seconds.is_multiple_of(HOUR) => count(seconds.div_ceil(MINUTE), "minute"),
        _ if seconds <= 4 * DAY => count(seconds.div_ceil(HOUR), "hour"),
        _ => count(seconds.div_ceil(DAY), "day"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::sentences;
    use crate::engine::options::Command;
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::observe::counts::{Blobs, Traffic};
    use crate::observe::pulls::Quota;
    use crate::oci::reference::ImageReference;
    use crate::report::Report;

    /// Images of three manifests, that is two platforms, and two blobs.
    fn planned(images: usize, target: &str, result: Outcome) -> Report {
        let mut report = Report::new(Command::Copy, true);
        let parse = |text: &str| ImageReference::parse(text).unwrap();
        report.images = (0..images)
            .map(|number| ImageOutcome {
                result,
                blobs: Blobs { missing: 2, ..Blobs::default() },
                manifests_missing: 2,
                traffic: Traffic { pulls_billed: 3, ..Traffic::default() },
                ..ImageOutcome::new(parse("docker.io/a/b:1"), Some(parse(&format!("{target}/a/b:{number}"))))
            })
            .collect();
        report
    }

    #[test]
    fn a_plan_says_how_long_a_registry_makes_it_that_takes_so_much_in_a_while() {
        const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        for (images, target, result, expected) in [
            (
                1000,
                "ghcr.io",
                Outcome::WouldCopy,
                "ghcr.io takes 2000 writes a minute: about 7000 take about 3 minutes.",
            ),
            (285, "ghcr.io", Outcome::WouldCopy, ""),
            (1000, "ghcr.io", Outcome::Unchanged, ""),
            (1000, "quay.io", Outcome::WouldCopy, ""),
            (1000, ECR, Outcome::WouldCopy, "ECR takes 10 manifests a second: about 3000 take about 5 minutes."),
            (200, ECR, Outcome::WouldCopy, ""),
        ] {
            let said = sentences(&planned(images, target, result)).join("");
            assert_eq!(said, expected.replace("ECR", ECR), "{images} {target} {result:?}");
        }
    }

    #[test]
    fn a_plan_says_how_long_it_takes_until_a_registry_has_given_as_many_pulls() {
        let quota = |left, hours: u64| Quota {
            left,
            most: Some(100),
            window: (hours > 0).then(|| Duration::from_secs(hours * 60 * 60)),
        };
        // 120 pulls for 40 images, and the others as many each.
        for (deferred, quota, expected) in [
            (0, quota(120, 6), ""),
            (0, quota(119, 6), "100 pulls in 6 hours, and 119 are left: about 120 take about 6 hours"),
            (960, quota(0, 6), "100 pulls in 6 hours, and 0 are left: about 3000 take about 8 days"),
            (260, quota(0, 6), "about 900 take about 54 hours"),
            (40, quota(60, 1), "100 pulls in 1 hour, and 60 are left: about 240 take about 2 hours"),
            (960, quota(0, 0), ""),
        ] {
            let mut report = planned(40, "quay.io", Outcome::WouldCopy);
            report.images.extend(planned(deferred, "quay.io", Outcome::Deferred).images);
            report.quotas = vec![("docker.io".to_owned(), quota), ("other.example".to_owned(), quota)];
            let said = sentences(&report).join("");
            assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{expected}: {said}");
        }
    }
}
