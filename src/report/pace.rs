//! How long the limits of registries make a run that is planned, about.
//!
//! Owns the estimate. Computes it from what the dry run has found missing, and from the pulls that it cost: a copy costs as many.

use std::collections::BTreeMap;

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::observe::pulls::Pulled;
use crate::report::Report;
use crate::store::registry::quirks::{Counted, Quirks, Rate};
use crate::text::units::count;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A sentence for each limit of a registry that makes a run longer than a minute.
pub fn sentences(report: &Report) -> Vec<String> {
    // Of a list in parts, all take from the same limits.
    let is_part = report.list.as_ref().is_some_and(|list| list.part.is_some());
    let of = if is_part { " of this part" } else { "" };
    let mut images: BTreeMap<&str, Vec<&ImageOutcome>> = BTreeMap::new();
    for image in report.images.iter().filter(|image| image.result == Outcome::WouldCopy) {
        if let Some(target) = image.target.as_ref().and_then(|target| target.registry()) {
            images.entry(target.registry()).or_default().push(image);
        }
    }
    let taking = images.into_iter().filter_map(|(host, images)| {
        let rate = Quirks::of(host, None).rate?;
        taking(host, (images.into_iter().map(|image| sent(image, rate.counted)).sum(), of), rate)
    });
    let giving = report.pulled.iter().filter_map(|(host, pulled)| {
        let advice = [report.reader.set("pull-budget", "auto"), report.reader.set("on-budget", "wait")];
        giving(host, (*pulled, of), &advice)
    });
    taking.chain(giving).collect()
}

/// How long a registry takes to take so much.
fn taking(host: &str, (much, of): (u64, &str), rate: Rate) -> Option<String> {
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
    let time = about(seconds(much));
    Some(format!("{host} takes {most} {what} a {window}: about {much}{of} take about {time}."))
}

/// What is sent of an image that counts: two requests for a blob, which is opened and sent, one for each manifest. Its own goes
/// under its digest before what hangs on it, and once more under its tag.
fn sent(image: &ImageOutcome, counted: Counted) -> u64 {
    let attachments = image.attachments.iter().filter(|attachment| attachment.result == Outcome::WouldCopy).count();
    let own = if attachments > 0 { 2 } else { 1 };
    let manifests = own + image.manifests_missing + attachments as u64;
    match counted {
        Counted::Manifests => manifests,
        Counted::Writes => 2 * image.blobs.missing + manifests,
    }
}

/// How long it takes until a registry has given an account as many pulls as a copy takes: those of the dry run, and for images
/// that it could not look at as many as for the others.
fn giving(host: &str, (pulled, of): (Pulled, &str), [runs, wait]: &[String; 2]) -> Option<String> {
    let Pulled { quota, taken, images, lacking } = pulled;
    // What comes back in a minute is a limit on the rate of requests, which is waited for.
    let window = quota.window.map(|window| window.as_secs()).filter(|window| (HOUR..=31 * DAY).contains(window))?;
    let most = quota.most.filter(|most| *most > 0)?;
    let others = if images > 0 { lacking.saturating_mul(taken).div_ceil(images) } else { lacking };
    let needed = taken.saturating_add(others);
    let short = needed.checked_sub(quota.left).filter(|short| *short > 0)?;
    let time = about(short.div_ceil(most).saturating_mul(window));
    let needed = match (images, lacking) {
        (0, _) => format!("at least {}{of}", count(needed, "pull")),
        (_, 0) => format!("about {}{of}", count(needed, "pull")),
        _ => format!("about {}{of}, judged by {images} of {} images,", count(needed, "pull"), images + lacking),
    };
    let are = if quota.left == 1 { "is" } else { "are" };
    Some(format!(
        "{host} gives {} in {}, and {} {are} left: {needed} take about {time}, over several runs with {runs}, or in one with \
         {wait} beside it.",
        count(most, "pull"),
        about(window),
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
    use crate::engine::outcome::{AttachmentOutcome, ImageOutcome, Outcome};
    use crate::observe::counts::Blobs;
    use crate::observe::pulls::{Pulled, Quota};
    use crate::oci::artifact::Kind;
    use crate::oci::digest::Digest;
    use crate::oci::reference::ImageReference;
    use crate::report::Report;

    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    /// Images of three manifests, that is two platforms, and two blobs.
    fn planned(images: usize, target: &str, result: Outcome) -> Report {
        let mut report = Report::new(Command::Copy, true);
        let parse = |text: &str| ImageReference::parse(text).unwrap();
        report.images = (0..images)
            .map(|number| ImageOutcome {
                result,
                blobs: Blobs { missing: 2, ..Blobs::default() },
                manifests_missing: 2,
                ..ImageOutcome::new(parse("docker.io/a/b:1"), Some(parse(&format!("{target}/a/b:{number}"))))
            })
            .collect();
        report
    }

    #[test]
    fn a_plan_says_how_long_a_registry_makes_it_that_takes_so_much_in_a_while() {
        for (images, target, result, expected) in [
            (
                1000,
                "ghcr.io",
                Outcome::WouldCopy,
                "ghcr.io takes 2000 writes a minute: about 7000 take about 4 minutes.",
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
    fn what_hangs_on_an_image_is_sent_too_and_the_image_once_more_after_it() {
        let attachment = |result| AttachmentOutcome {
            subject: Digest::of(b"image"),
            digest: Digest::of(b"signature"),
            kind: Kind::Signature,
            artifact_type: None,
            tag: None,
            result,
        };
        let mut report = planned(1000, ECR, Outcome::WouldCopy);
        for image in &mut report.images {
            image.attachments = vec![attachment(Outcome::WouldCopy), attachment(Outcome::Unchanged)];
        }
        assert!(sentences(&report).join("").contains(": about 5000 take"), "{:?}", sentences(&report));
    }

    #[test]
    fn a_plan_says_how_long_it_takes_until_a_registry_has_given_as_many_pulls() {
        const SIX_HOURS: u64 = 6 * 60 * 60;
        let pulled = |(left, window): (u64, u64), [taken, images, lacking]: [u64; 3]| {
            let quota = Quota { left, most: Some(100), window: Some(Duration::from_secs(window)) };
            Pulled { quota, taken, images, lacking }
        };
        for (pulled, expected) in [
            (pulled((120, SIX_HOURS), [120, 40, 0]), ""),
            (
                pulled((119, SIX_HOURS), [120, 40, 0]),
                "100 pulls in 6 hours, and 119 are left: about 120 pulls take about 6 hours",
            ),
            (
                pulled((0, SIX_HOURS), [120, 40, 960]),
                "about 3000 pulls, judged by 40 of 1000 images, take about 8 days",
            ),
            (
                pulled((0, SIX_HOURS), [120, 40, 260]),
                "about 900 pulls, judged by 40 of 300 images, take about 54 hours",
            ),
            // Of a hundred images one has many platforms.
            (
                pulled((0, SIX_HOURS), [111, 100, 900]),
                "about 1110 pulls, judged by 100 of 1000 images, take about 72 hours",
            ),
            (pulled((0, SIX_HOURS), [0, 0, 50]), "0 are left: at least 50 pulls take about 6 hours"),
            (
                pulled((60, 3_600), [120, 40, 40]),
                "100 pulls in 1 hour, and 60 are left: about 240 pulls, judged by 40 of 80 images, take about 2 hours",
            ),
            // A limit on the rate of requests, and nonsense.
            (pulled((0, 60), [120, 40, 40]), ""),
            (pulled((0, 0), [120, 40, 40]), ""),
            (pulled((0, u64::MAX), [120, 40, 40]), ""),
            (pulled((0, 31 * 24 * 3_600), [u64::MAX, 1, 0]), "take about 213503982334602 days"),
        ] {
            let mut report = Report::new(Command::Copy, true);
            report.pulled = vec![("docker.io".to_owned(), pulled)];
            let said = sentences(&report).join("");
            assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{expected}: {said}");
        }
    }
}
