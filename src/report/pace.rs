//! How long the limits of registries make a run that is planned, about.
//!
//! Owns the estimate. Computes it from what the dry run has found missing, and from the pulls that it cost: a copy costs as many.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::cause::ErrorResponse;
use crate::observe::pulls::Pulled;
use crate::report::Report;
use crate::store::registry::quirks::{Counted, Quirks, Rate};
use crate::text::units::count;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A sentence for each limit of a registry that makes a run longer than a minute; `pulled`: what the dry run has come to of the
/// pulls of each account, with the name of the registry that bills them.
pub fn sentences(report: &Report, pulled: &[(String, Pulled)]) -> Vec<String> {
    // Of a list in parts, all take from the same limits.
    let is_part = report.list.as_ref().is_some_and(|list| list.part.is_some());
    let of = if is_part { " of this part" } else { "" };
    let hosts: BTreeSet<&str> = report.images.iter().filter_map(|image| target_of(image)).collect();
    let taking = hosts.into_iter().filter_map(|host| taking(report, host, of));
    let giving = pulled.iter().filter_map(|(host, pulled)| giving(report, (host, pulled), of));
    taking.chain(giving).collect()
}

fn target_of(image: &ImageOutcome) -> Option<&str> {
    Some(image.target.as_ref()?.registry()?.registry())
}

/// How long a registry takes to take what is to be copied.
fn taking(report: &Report, host: &str, of: &str) -> Option<String> {
    let Rate { counted, most, window } = Quirks::of(host, None).rate?;
    let images = || report.images.iter().filter(|image| target_of(image) == Some(host));
    let much: u64 = images().filter(|image| image.result == Outcome::WouldCopy).map(|image| sent(image, counted)).sum();
    let seconds = much * window.as_secs() / most;
    if much <= most || seconds <= MINUTE {
        return None;
    }
    let what = match counted {
        Counted::Writes => "writes",
        Counted::Manifests => "manifests",
    };
    let window = if window.as_secs() == 1 { "second" } else { "minute" };
    let others = on_top(images().filter(|image| is_unseen(image)).count());
    Some(format!("{host} takes {most} {what} a {window}: about {much}{of} take about {}{others}.", about(seconds)))
}

/// Whether it was not looked at: it was left, or refused for want of pulls.
fn is_unseen(image: &ImageOutcome) -> bool {
    let is_refused = || image.error.as_ref()?.refusal().map(ErrorResponse::is_quota);
    image.result == Outcome::Deferred || is_refused() == Some(true)
}

/// That so many images are not in an estimate.
fn on_top(unseen: usize) -> String {
    match unseen {
        0 => String::new(),
        1 => "; 1 image that was not looked at comes on top".to_owned(),
        _ => format!("; {unseen} images that were not looked at come on top"),
    }
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
/// that it could not look at for want of pulls as many as for the others.
fn giving(report: &Report, (host, pulled): (&str, &Pulled), of: &str) -> Option<String> {
    let Pulled { quota, taken, lacking } = pulled;
    // What comes back in a minute is a limit on the rate of requests, which is waited for.
    let window = quota.window.map(|window| window.as_secs()).filter(|window| (HOUR..=31 * DAY).contains(window))?;
    let most = quota.most.filter(|most| *most > 0)?;
    let names: BTreeMap<String, &ImageOutcome> =
        report.images.iter().map(|image| (image.source.to_string(), image)).collect();
    // What an image took that could not be read to the end is in the estimate for it.
    let taken = || taken.iter().filter(|(source, _)| !lacking.contains(*source));
    let of_images: Vec<u64> =
        taken().filter(|(source, _)| names.contains_key(*source)).map(|(_, taken)| *taken).collect();
    let (looked_at, lacks) = (of_images.len() as u64, lacking.len() as u64);
    let others = if looked_at > 0 { (lacks * of_images.iter().sum::<u64>()).div_ceil(looked_at) } else { lacks };
    let needed = taken().map(|(_, taken)| taken).sum::<u64>() + others;
    let short = needed.checked_sub(quota.left).filter(|short| *short > 0)?;

    let word = if looked_at > 0 { "about" } else { "at least" };
    let judged = match (looked_at, lacks) {
        (0, _) | (_, 0) => String::new(),
        _ => format!(", judged by {looked_at} of {} images,", looked_at + lacks),
    };
    let verb = if needed == 1 { "takes" } else { "take" };
    let is = if quota.left == 1 { "is" } else { "are" };
    let is_of_host = |image: &ImageOutcome| image.source.registry().is_some_and(|source| source.registry() == host);
    let unseen = names.iter().filter(|(name, image)| is_of_host(image) && is_unseen(image) && !lacking.contains(*name));
    let advice = if needed > most {
        let (runs, wait) = (report.reader.set("pull-budget", "auto"), report.reader.set("on-budget", "wait"));
        format!(", over several runs with {runs}, or in one with {wait} beside it")
    } else {
        String::new()
    };
    Some(format!(
        "{host} gives {} in {}, and {} {is} left: {word} {}{of}{judged} {verb} about {}{advice}{}.",
        count(most, "pull"),
        about(window),
        quota.left,
        count(needed, "pull"),
        about(short.div_ceil(most).saturating_mul(window)),
        on_top(unseen.count()),
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
            let said = sentences(&planned(images, target, result), &[]).join("");
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
        assert!(sentences(&report, &[]).join("").contains(": about 5000 take"), "{:?}", sentences(&report, &[]));
    }

    /// Of so many pulls left of a hundred in so many seconds: what each image took, and how many could not be looked at.
    fn pulled((left, window): (u64, u64), took: &[u64], lacking: usize) -> (Report, [(String, Pulled); 1]) {
        let mut report = Report::new(Command::Copy, true);
        let name = |number: usize| format!("docker.io/a/b:{number}");
        let image = |number: usize| ImageOutcome::new(ImageReference::parse(&name(number)).unwrap(), None);
        report.images = (0..took.len() + lacking).map(image).collect();
        let pulled = Pulled {
            quota: Quota { left, most: Some(100), window: Some(Duration::from_secs(window)) },
            taken: took.iter().enumerate().map(|(number, took)| (name(number), *took)).collect(),
            lacking: (took.len()..took.len() + lacking).map(name).collect(),
        };
        (report, [("docker.io".to_owned(), pulled)])
    }

    #[test]
    fn a_plan_says_how_long_it_takes_until_a_registry_has_given_as_many_pulls() {
        const SIX_HOURS: u64 = 6 * 60 * 60;
        let mut of_many_platforms = [1; 100];
        of_many_platforms[0] = 12;
        for ((report, pulled), expected) in [
            (pulled((60, SIX_HOURS), &[3; 20], 0), ""),
            (
                pulled((1, SIX_HOURS), &[1; 2], 0),
                "100 pulls in 6 hours, and 1 is left: about 2 pulls take about 6 hours.",
            ),
            (pulled((0, SIX_HOURS), &[1], 0), "and 0 are left: about 1 pull takes about 6 hours."),
            (
                pulled((119, SIX_HOURS), &[3; 40], 0),
                "and 119 are left: about 120 pulls take about 6 hours, over several runs with `pull-budget: auto`, or in one \
                 with `on-budget: wait` beside it.",
            ),
            (
                pulled((0, SIX_HOURS), &[3; 40], 960),
                "about 3000 pulls, judged by 40 of 1000 images, take about 8 days, ",
            ),
            (
                pulled((0, SIX_HOURS), &[3; 40], 260),
                "about 900 pulls, judged by 40 of 300 images, take about 54 hours, ",
            ),
            (
                pulled((0, SIX_HOURS), &of_many_platforms, 900),
                "about 1110 pulls, judged by 100 of 1000 images, take about 72 hours, ",
            ),
            (pulled((0, SIX_HOURS), &[], 50), "0 are left: at least 50 pulls take about 6 hours."),
            (pulled((60, 3_600), &[3; 40], 40), "100 pulls in 1 hour, and 60 are left: about 240 pulls, "),
            // A limit on the rate of requests, and nonsense.
            (pulled((0, 60), &[3; 40], 40), ""),
            (pulled((0, 0), &[3; 40], 40), ""),
            (pulled((0, u64::MAX), &[3; 40], 40), ""),
        ] {
            let said = sentences(&report, &pulled).join("");
            assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{expected}: {said}");
        }
    }

    #[test]
    fn what_only_begun_images_took_says_nothing_of_others_and_what_tags_took_nothing_of_images() {
        let (report, mut pulled) = pulled((9, 6 * 60 * 60), &[], 100);
        pulled[0].1.taken.insert("docker.io/a/b:0".to_owned(), 1);
        pulled[0].1.taken.insert("docker.io/a/b".to_owned(), 30);
        let said = sentences(&report, &pulled).join("");
        assert!(said.contains("9 are left: at least 130 pulls take about 12 hours, over"), "{said}");
    }

    #[test]
    fn images_that_were_left_for_another_reason_come_on_top() {
        let (mut report, pulled) = pulled((0, 6 * 60 * 60), &[3; 40], 0);
        report.images.extend(planned(1, ECR, Outcome::Deferred).images);
        assert!(sentences(&report, &pulled).join("").ends_with("; 1 image that was not looked at comes on top."));
        let mut report = planned(1000, ECR, Outcome::WouldCopy);
        report.images.extend(planned(2, ECR, Outcome::Deferred).images);
        assert!(sentences(&report, &[]).join("").ends_with("minutes; 2 images that were not looked at come on top."));
    }
}
