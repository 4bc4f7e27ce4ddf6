//! How long the limits of registries make a run that is planned, about.
//!
//! Owns the estimate. Computes it from what the dry run has found missing.

use std::collections::BTreeMap;

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::report::Report;
use crate::store::registry::quirks::Quirks;
use crate::text::units::count;

/// A sentence for each registry that takes only so many writes a minute, where that makes a run longer than a minute.
pub fn sentences(report: &Report) -> Vec<String> {
    let mut writes: BTreeMap<&str, u64> = BTreeMap::new();
    for image in report.images.iter().filter(|image| image.result == Outcome::WouldCopy) {
        if let Some(target) = image.target.as_ref().and_then(|target| target.registry()) {
            *writes.entry(target.registry()).or_default() += writes_of(image);
        }
    }
    let sentence = |(host, writes): (&str, u64)| {
        let a_minute = Quirks::of(host, None).writes_per_minute.filter(|a_minute| writes > *a_minute)?;
        // A host that was left in peace takes the first minute's at once.
        let time = count((writes - a_minute).div_ceil(a_minute), "minute");
        Some(format!("{host} takes {a_minute} writes a minute: about {writes} take about {time}."))
    };
    writes.into_iter().filter_map(sentence).collect()
}

/// Two for a blob, which is opened and sent, one for each manifest and attachment.
fn writes_of(image: &ImageOutcome) -> u64 {
    let manifests = 1 + image.platforms.len() + image.attachments.len();
    2 * image.blobs.missing + manifests as u64
}

#[cfg(test)]
mod tests {
    use super::sentences;
    use crate::engine::options::Command;
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::observe::counts::Blobs;
    use crate::oci::reference::ImageReference;
    use crate::report::Report;

    fn planned(images: usize, target: &str, result: Outcome) -> Report {
        let mut report = Report::new(Command::Copy, true);
        let parse = |text: &str| ImageReference::parse(text).unwrap();
        report.images = (0..images)
            .map(|number| ImageOutcome {
                result,
                blobs: Blobs { missing: 2, ..Blobs::default() },
                ..ImageOutcome::new(parse("quay.io/a/b:1"), Some(parse(&format!("{target}/a/b:{number}"))))
            })
            .collect();
        report
    }

    #[test]
    fn a_plan_says_how_long_a_registry_that_limits_writes_makes_it() {
        for (images, target, result, expected) in [
            (
                1000,
                "ghcr.io",
                Outcome::WouldCopy,
                "ghcr.io takes 2000 writes a minute: about 5000 take about 2 minutes.",
            ),
            (400, "ghcr.io", Outcome::WouldCopy, ""),
            (1000, "ghcr.io", Outcome::Unchanged, ""),
            (1000, "quay.io", Outcome::WouldCopy, ""),
        ] {
            assert_eq!(sentences(&planned(images, target, result)).join(""), expected, "{images} {target} {result:?}");
        }
    }
}
