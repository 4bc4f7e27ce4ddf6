//! The report for the log: an image's group, and the last line.
//!
//! Owns the words and numbers that a person reads while a run goes on. Must never print: it returns lines, and the
//! console prints them.

use std::path::Path;

use crate::emit::files::ConsumerConfig;
use crate::engine::options::{Command, OnBudget};
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::report::figures::{self, Moved, moved, pinned, runs, total_bytes};
use crate::report::headline::{self, headline, outcome};
use crate::report::package_access;
use crate::report::prune::PruneReport;
use crate::report::{Budget, Report};
use crate::text::choice::Choice as _;
use crate::text::units::{count, duration, plural, size};

/// The title of an image's group: what went where and how it ended.
pub fn group_title(image: &ImageOutcome) -> String {
    format!("{}: {}", route(image), outcome(image.result))
}

/// With more images than this, one that went well is a line and not a group.
pub const MANY: usize = 5;

/// A long list's line for an image that went well and of which nothing is to be said; what cost nothing says no costs.
pub fn line(image: &ImageOutcome) -> Option<String> {
    let title = group_title(image);
    match image.result {
        _ if !image.notices.is_empty() => None,
        Outcome::Failed | Outcome::Inspected => None,
        Outcome::Copied => Some(format!("{title}, {}, {}", traffic(image), duration(image.duration_ms))),
        Outcome::WouldCopy => Some(format!("{title}, {} to send", size(image.blobs.missing_bytes))),
        Outcome::Unchanged
        | Outcome::Checked
        | Outcome::Verified
        | Outcome::Behind
        | Outcome::Kept
        | Outcome::Deferred => Some(title),
    }
}

/// The group of the images that were not begun.
pub fn deferred(report: &Report) -> Option<(String, Vec<String>)> {
    let line = |image: &ImageOutcome| match image.notices.as_slice() {
        [] => route(image),
        notices => format!("{}: {}", route(image), notices.join("; ")),
    };
    let lines: Vec<String> = report.images.iter().filter(|image| image.result == Outcome::Deferred).map(line).collect();
    let title = format!("{} deferred", count(lines.len() as u64, "image"));
    (!lines.is_empty()).then_some((title, lines))
}

/// Why images were left for another run, where that is not said of each of them, or lets the run fail.
pub fn left_over(report: &Report) -> Option<String> {
    let budget = report.over_budget?;
    let fails = report.on_budget == OnBudget::Fail;
    let end = if fails { format!(", and {} is `fail`", report.reader.input("on-budget")) } else { String::new() };
    match budget {
        Budget::Time => {
            let limit = report.reader.input("time-limit");
            Some(format!("{limit} was over before all was done: the rest is left for another run{end}"))
        }
        Budget::Pulls => {
            fails.then(|| format!("the pulls do not reach for all: the rest is left for another run{end}"))
        }
    }
}

/// The lines of an image's group.
pub fn image(report: &Report, image: &ImageOutcome) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(digest) = &image.digest
        && image.result != Outcome::Failed
    {
        lines.push(match &image.media_type {
            Some(media_type) => format!("digest {digest} ({media_type})"),
            None => format!("digest {digest}"),
        });
    }
    match image.result {
        Outcome::Copied | Outcome::WouldCopy => lines.extend(platform_names(image)),
        Outcome::Inspected | Outcome::Verified => lines.extend(platform_digests(image)),
        Outcome::Kept => lines.push(kept(image)),
        Outcome::Unchanged | Outcome::Behind | Outcome::Checked | Outcome::Failed | Outcome::Deferred => {}
    }
    lines.extend(figures::signed(image));
    lines.extend(sites(image));
    lines.extend(blobs(image));
    lines.extend(attachments(image));
    if image.traffic.requests() > 0 {
        lines.push(format!("{}, {}", traffic(image), duration(image.duration_ms)));
    }
    if matches!(image.result, Outcome::Copied | Outcome::Inspected) {
        lines.extend(pull(image));
    }
    lines.extend(image.notices.iter().map(|notice| format!("notice: {notice}")));
    lines.extend(failure(report, image).into_iter().map(|(label, text)| format!("{label}: {text}")));
    lines
}

/// A failure as a person reads it, each part with what it is: what could not be done and why, what was and was not written, what
/// to do.
pub fn failure(report: &Report, image: &ImageOutcome) -> Vec<(&'static str, String)> {
    let Some((error, problem)) = image.error.as_deref().zip(problem(report.command, image)) else { return Vec::new() };
    let mut parts = vec![("error", problem)];
    parts.extend(error.lines().1.into_iter().map(|line| ("signature", line)));
    parts.extend(image.state.iter().map(|state| ("state", state.clone())));
    parts.extend(error.hints(report.reader).into_iter().map(|hint| ("hint", hint)));
    parts.extend(others(image).map(|site| ("note", site)));
    parts
}

/// A failure as an annotation: the image is its title; the cause and what to do first are its text.
pub fn annotation(report: &Report, image: &ImageOutcome) -> Option<(String, String)> {
    let error = image.error.as_deref()?;
    let (sentence, mut lines) = error.lines();
    lines.insert(0, sentence);
    lines.extend(error.hints(report.reader).first().map(|hint| format!("hint: {hint}")));
    Some((image.source.to_string(), lines.join("\n")))
}

fn problem(command: Command, image: &ImageOutcome) -> Option<String> {
    let verb = command.word();
    image.error.as_deref().map(|error| format!("cannot {verb} {}: {}", route(image), error.lines().0))
}

/// The files of consumer configuration, below `directory`, a line each.
pub fn emitted(report: &Report, directory: &Path) -> Vec<String> {
    let files = report.consumer_configs.iter().flat_map(|config| &config.files);
    files.map(|file| format!("emitted {}", directory.join(&file.path).display())).collect()
}

/// The formats that cannot say what the run did, and why.
pub fn not_emitted(report: &Report) -> Vec<String> {
    let problem = |config: &ConsumerConfig| {
        config.problem.as_ref().map(|problem| format!("not emitted: {}: {problem}", config.format))
    };
    report.consumer_configs.iter().filter_map(problem).collect()
}

/// The last line of a run.
pub fn verdict(report: &Report) -> String {
    let mut parts: Vec<String> = report.cancelled.map(|signal| format!("cancelled by {signal}")).into_iter().collect();
    parts.extend(report.dry_run.then(|| format!("dry run, {}", report.written_by_dry_run())));
    parts.push(headline(report));
    // Where some failed, the headline says how many did not and not how they ended.
    if report.count(Outcome::Failed) > 0 {
        parts.push(headline::parts(report).join(", "));
    }
    parts.extend(figures::all_signed(report));
    // What has failed stands in the headline.
    parts.extend(report.prune.as_ref().filter(|prune| !prune.fails()).map(PruneReport::headline));
    parts.extend(package_access::headline(&report.access));
    parts.push(match &*report.images {
        [] => duration(report.duration_ms),
        _ => format!("{}, {}", amounts(report), duration(report.duration_ms)),
    });
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// What it cost: `27 requests, 0 pulls billed, 8.5 MiB sent`.
pub(super) fn amounts(report: &Report) -> String {
    let total = report.traffic();
    let bytes = match total_bytes(report) {
        0 => "0 bytes".to_owned(),
        bytes => amount(report, bytes),
    };
    format!("{}, {} billed, {bytes}", count(total.requests(), "request"), count(total.pulls_billed, "pull"))
}

/// `8.5 MiB sent`, as this command moves bytes.
pub(super) fn amount(report: &Report, bytes: u64) -> String {
    let moved = match moved(report) {
        Moved::ToSend => "to send",
        Moved::Sent => "sent",
        Moved::Read => "read",
    };
    format!("{} {moved}", size(bytes))
}

/// `SOURCE → TARGET`, or the source where there is no target.
fn route(image: &ImageOutcome) -> String {
    match &image.target {
        // `access` is about one end.
        Some(target) if *target != image.source => format!("{} → {target}", image.source),
        _ => image.source.to_string(),
    }
}

fn platform_names(image: &ImageOutcome) -> Option<String> {
    let names: Vec<&str> = image.platforms.iter().map(|platform| platform.platform.as_str()).collect();
    (!names.is_empty()).then(|| format!("{}: {}", plural(names.len(), "platform"), names.join(", ")))
}

fn platform_digests(image: &ImageOutcome) -> Vec<String> {
    let width = image.platforms.iter().map(|platform| platform.platform.chars().count()).max().unwrap_or(0);
    let line = |platform: &crate::engine::outcome::PlatformOutcome| {
        let bytes = platform.size.map(|bytes| format!("  {}", size(bytes))).unwrap_or_default();
        format!("  {:width$}  {}{bytes}", platform.platform, platform.digest)
    };
    image.platforms.iter().map(line).collect()
}

fn kept(image: &ImageOutcome) -> String {
    match &image.source_digest {
        Some(source) => format!("the target keeps its digest (`on-conflict: keep`); the source is {source}"),
        None => "the target keeps its digest (`on-conflict: keep`)".to_owned(),
    }
}

/// Where the image was read, where there was a choice: `read from m.example/a (served), …`.
fn sites(image: &ImageOutcome) -> Option<String> {
    let served = image.served_by.as_deref().filter(|_| image.result != Outcome::Failed)?;
    let others: Vec<String> = image
        .sites
        .iter()
        .filter(|site| site.site != served)
        .map(|site| format!("{} {}", site.site, site.class.name()))
        .collect();
    if others.is_empty() {
        return Some(format!("read from {served}"));
    }
    Some(format!("read from {served} (also asked: {})", others.join(", ")))
}

/// What the mirrors did of which none had the image; the error is the last place's own.
pub(super) fn others(image: &ImageOutcome) -> impl Iterator<Item = String> {
    let last = image.sites.len().saturating_sub(1);
    image.sites.iter().take(last).map(|site| {
        let reason = site.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{}: {}{reason}", site.site, site.class.name())
    })
}

/// Why a dry run would send so little: what the target says that it has, and what is to be linked there. A registry that
/// does not link is sent it after all.
pub(super) fn spared(image: &ImageOutcome) -> Option<String> {
    let blobs = image.blobs;
    let parts = [(blobs.mounted, "to be linked"), (blobs.present, "said to be there")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number, "blob")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn blobs(image: &ImageOutcome) -> Option<String> {
    let blobs = image.blobs;
    let mut parts = Vec::new();
    let mounted = if image.result == Outcome::WouldCopy { "to mount" } else { "mounted" };
    for (number, what) in [(blobs.sent, "sent"), (blobs.mounted, mounted), (blobs.present, "there already")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    if blobs.missing > 0 {
        parts.push(format!("{} to send ({})", blobs.missing, size(blobs.missing_bytes)));
    }
    (!parts.is_empty()).then(|| format!("blobs: {}", parts.join(", ")))
}

/// `attachments: 2 signatures, 1 sbom`.
pub(super) fn attachments(image: &ImageOutcome) -> Option<String> {
    figures::attachments(image).map(|counts| format!("attachments: {counts}"))
}

fn traffic(image: &ImageOutcome) -> String {
    let traffic = image.traffic;
    let mut parts = vec![count(traffic.requests(), "request")];
    if traffic.bytes_written > 0 {
        parts.push(format!("{} sent", size(traffic.bytes_written)));
    } else if traffic.bytes_read > 0 {
        parts.push(format!("{} read", size(traffic.bytes_read)));
    }
    if traffic.pulls_billed > 0 {
        parts.push(format!("{} billed", count(traffic.pulls_billed, "pull")));
    }
    parts.join(", ")
}

/// The command that pulls exactly this image; none for a layout on disk or an artifact, which Docker does not pull.
fn pull(image: &ImageOutcome) -> Option<String> {
    let name = pinned(image).filter(|_| runs(image))?;
    Some(format!("docker pull {name}"))
}

#[cfg(test)]
mod tests {
    use super::{annotation, group_title, image, line, verdict};
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::oci::digest::Digest;
    use crate::report::Report;
    use crate::report::json::tests::{copied, failed, report, unchanged};

    #[test]
    fn a_copied_image_says_what_moved_and_how_to_pull_it() {
        let digest = Digest::of(b"index");
        assert_eq!(
            group_title(&copied()),
            "docker.io/library/alpine:3.20 → ghcr.io/acme/mirror/docker.io/library/alpine:3.20: copied"
        );
        assert_eq!(
            image(&report(Vec::new()), &copied()),
            [
                format!("digest {digest} (application/vnd.oci.image.index.v1+json)"),
                "platforms: linux/amd64, linux/arm64/v8".to_owned(),
                "blobs: 4 sent, 1 mounted, 2 there already".to_owned(),
                "27 requests, 8.5 MiB sent, 3 pulls billed, 1.9 s".to_owned(),
                format!("docker pull ghcr.io/acme/mirror/docker.io/library/alpine:3.20@{digest}"),
            ]
        );
    }

    #[test]
    fn an_unchanged_image_is_two_lines() {
        let lines = image(&report(Vec::new()), &unchanged());
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[1], "2 requests, 90 ms");
    }

    #[test]
    fn an_inspected_image_lists_each_platform_with_its_digest() {
        let lines = image(&report(Vec::new()), &ImageOutcome { target: None, result: Outcome::Inspected, ..copied() });
        assert_eq!(lines[1], format!("  linux/amd64     {}  3.3 MiB", Digest::of(b"a")));
        assert!(lines.iter().any(|line| line.starts_with("docker pull docker.io/library/alpine:3.20@sha256:")));
    }

    #[test]
    fn a_failed_image_says_the_error_then_what_is_left_behind_then_hints() {
        let lines = image(&report(Vec::new()), &failed());
        assert_eq!(
            lines[0],
            "error: cannot copy quay.io/x:1 → oci:mirror/quay.io/x|y:1: target: PUT manifest \
             ghcr.io/acme/mirror/quay.io/x|y:1: 403 DENIED: permission_denied: write_package"
        );
        assert_eq!(lines[1], "state: 11 of 12 blobs are uploaded; the tag was not moved");
        assert!(lines[2].starts_with("hint: "));
        let (title, message) = annotation(&report(Vec::new()), &failed()).unwrap();
        assert_eq!(title, "quay.io/x:1");
        assert!(message.starts_with("target: PUT manifest ") && message.matches("\nhint: ").count() == 1, "{message}");
        assert!(annotation(&report(Vec::new()), &copied()).is_none());
    }

    #[test]
    fn in_a_long_list_an_image_is_a_line_unless_something_is_to_be_said() {
        let route = "docker.io/library/alpine:3.20 → ghcr.io/acme/mirror/docker.io/library/alpine:3.20";
        let copied_line = format!("{route}: copied, 27 requests, 8.5 MiB sent, 3 pulls billed, 1.9 s");
        assert_eq!(line(&copied()), Some(copied_line));
        assert_eq!(line(&unchanged()), Some(format!("{route}: unchanged")));
        assert_eq!(line(&failed()), None);
        assert_eq!(line(&ImageOutcome { notices: vec!["a choice".to_owned()], ..copied() }), None);
    }

    #[test]
    fn the_verdict_counts_everything() {
        assert_eq!(
            verdict(&report(vec![copied()])),
            "1 image copied · 27 requests, 3 pulls billed, 8.5 MiB sent, 1.9 s"
        );
        assert_eq!(
            verdict(&report(vec![copied(), unchanged(), failed()])),
            "2 of 3 mirrored, 1 failed: 1 denied · 1 copied, 1 unchanged · 29 requests, 3 pulls billed, 8.5 MiB sent, 1.9 s"
        );
        assert_eq!(verdict(&report(Vec::new())), "no images · 1.9 s");
        let mut image = copied();
        image.result = Outcome::WouldCopy;
        image.blobs.missing_bytes = 2048;
        assert_eq!(
            verdict(&Report { dry_run: true, ..report(vec![image]) }),
            "dry run, nothing was written · 1 image would be copied · 27 requests, 3 pulls billed, 2.0 KiB to send, 1.9 s"
        );
        let locked = Report { dry_run: true, lock: Some("images.lock".to_owned()), ..report(vec![]) };
        assert!(verdict(&locked).starts_with("dry run, nothing was written but the lock `images.lock` · "));
        assert!(
            verdict(&Report { cancelled: Some("SIGTERM"), ..report(vec![]) }).starts_with("cancelled by SIGTERM · ")
        );
    }
}
