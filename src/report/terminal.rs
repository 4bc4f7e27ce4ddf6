//! The report for a person at a terminal: a few calm lines, and the data of the command.
//!
//! Owns the words, their tones and what is left out. Must never print: it returns lines, and the console prints them. Knows no
//! width but the one it is told, and computes nothing.

use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::oci::reference::ImageReference;
use crate::report::Report;
use crate::report::figures::{attachments, pinned, signed};
use crate::report::headline::outcome;
use crate::report::{log, package_access};
use crate::runner::talk::Format;
use crate::text::tone::{Line, Tone};
use crate::text::units::{count, duration, size};

/// What is said of one of `of` images that has ended: what went where, what it cost, what went wrong. Of many, one that went
/// well is a line. `width`: that of the terminal.
pub fn image(report: &Report, image: &ImageOutcome, of: usize, width: Option<usize>) -> Vec<Line> {
    let mut lines = Vec::new();
    if of > log::MANY && image.error.is_none() && image.notices.is_empty() && report.command != Command::Inspect {
        return route(image, width).into_iter().take(1).collect();
    }
    // What `inspect` found is its data, and is said there.
    if report.command != Command::Inspect || image.result == Outcome::Failed {
        lines.extend(route(image, width));
        let said = signed(image).into_iter().chain(figures(image));
        lines.extend(said.map(|text| Line::indented(2).then(Tone::Quiet, text)));
    }
    for notice in &image.notices {
        lines.push(Line::indented(2).then(Tone::Notable, "notice: ").then(Tone::Plain, notice));
    }
    for (label, text) in log::failure(report, image) {
        let tone = if label == "error" { Tone::Bad } else { Tone::Strong };
        lines.push(Line::indented(2).then(tone, format!("{label}:")).then(Tone::Plain, format!(" {text}")));
    }
    lines
}

/// The last line, where the images' own have not said it all.
pub fn verdict(report: &Report) -> Option<Line> {
    let is_said = report.images.len() == 1
        && report.cancelled.is_none()
        && !(report.dry_run && report.lock.is_some())
        && package_access::headline(&report.access).is_none();
    let tone = if report.exit_code() == 0 { Tone::Strong } else { Tone::Bad };
    let verdict = log::verdict(report);
    let (headline, rest) = verdict.split_at(verdict.find(" · ").unwrap_or(verdict.len()));
    (!is_said).then(|| Line::default().then(tone, headline).then(Tone::Quiet, rest))
}

/// The data of the command, made as it is asked for.
pub fn data(report: &Report, format: Format) -> impl Iterator<Item = Line> {
    let is_inspect = report.command == Command::Inspect;
    report.images.iter().flat_map(move |image| {
        let plain = |text: String| vec![Line::default().then(Tone::Plain, text)];
        let name = pinned(image);
        match (format, name) {
            // The whole report and the plan are no lines of images: they are made elsewhere.
            (Format::None | Format::Json | Format::Plan, _) | (_, None) => Vec::new(),
            (Format::Text, Some(name)) if is_inspect => inspected(image, &name),
            (Format::Text | Format::Names, Some(name)) => plain(name.to_string()),
            (Format::Digest, Some(_)) => {
                image.digest.as_ref().map_or_else(Vec::new, |digest| plain(digest.to_string()))
            }
        }
    })
}

/// `✓ copied SOURCE → TARGET`, in two lines where one has no room.
fn route(image: &ImageOutcome, width: Option<usize>) -> Vec<Line> {
    let (mark, tone) = match image.result {
        Outcome::Copied | Outcome::Inspected | Outcome::Verified | Outcome::Checked => ("✓", Tone::Good),
        Outcome::Unchanged => ("=", Tone::Good),
        Outcome::WouldCopy => ("+", Tone::Notable),
        Outcome::Kept => ("=", Tone::Notable),
        Outcome::Behind | Outcome::Deferred => ("…", Tone::Notable),
        Outcome::Failed => ("✗", Tone::Bad),
    };
    let head = Line::default()
        .then(tone, format!("{mark} {} ", outcome(image.result)))
        .then(Tone::Plain, image.source.to_string());
    // `access` is about one end.
    let Some(target) = image.target.as_ref().filter(|target| **target != image.source) else { return vec![head] };
    let arrow = format!("→ {target}");
    if width.is_none_or(|width| head.width() + 1 + arrow.chars().count() <= width) {
        return vec![head.then(Tone::Quiet, " → ").then(Tone::Plain, target.to_string())];
    }
    vec![head, Line::indented(2).then(Tone::Quiet, "→ ").then(Tone::Plain, target.to_string())]
}

/// `3 platforms, 2 signatures, 8.5 MiB sent, 3 pulls billed, 1.9 s`; none where nothing happened.
fn figures(image: &ImageOutcome) -> Option<String> {
    if matches!(image.result, Outcome::Unchanged | Outcome::Checked | Outcome::Deferred) || image.error.is_some() {
        return None;
    }
    let (traffic, mut parts) = (image.traffic, Vec::new());
    if image.platforms.len() > 1 {
        parts.push(count(image.platforms.len() as u64, "platform"));
    }
    parts.extend(attachments(image));
    match image.result {
        Outcome::WouldCopy => {
            parts.push(format!("{} to send", size(image.blobs.missing_bytes)));
            parts.extend(log::spared(image));
        }
        _ if traffic.bytes_written > 0 => parts.push(format!("{} sent", size(traffic.bytes_written))),
        Outcome::Copied => parts.push("every layer was there already".to_owned()),
        _ => {}
    }
    if traffic.pulls_billed > 0 {
        parts.push(format!("{} billed", count(traffic.pulls_billed, "pull")));
    }
    parts.push(duration(image.duration_ms));
    Some(parts.join(", "))
}

/// What `inspect` found: the name, what it is, and each platform with its digest.
fn inspected(image: &ImageOutcome, name: &ImageReference) -> Vec<Line> {
    let mut lines = vec![Line::default().then(Tone::Strong, name.to_string())];
    let mut about: Vec<String> = image.media_type.iter().cloned().collect();
    about.extend(log::attachments(image));
    if !about.is_empty() {
        lines.push(Line::indented(2).then(Tone::Quiet, about.join(", ")));
    }
    let width = image.platforms.iter().map(|platform| platform.platform.chars().count()).max().unwrap_or(0);
    for platform in &image.platforms {
        let name = format!("{:width$}  ", platform.platform);
        let bytes = platform.size.map(|bytes| format!("  {}", size(bytes))).unwrap_or_default();
        let line = Line::indented(2).then(Tone::Plain, name).then(Tone::Strong, platform.digest.to_string());
        lines.push(line.then(Tone::Quiet, bytes));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;

    use super::{data, image, verdict};
    use crate::engine::options::Command;
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::github::findings::{Check, Checked, Findings, Status};
    use crate::observe::counts::Blobs;
    use crate::oci::digest::Digest;
    use crate::report::Report;
    use crate::report::json::tests::{copied, failed, report, unchanged};
    use crate::report::json::{Context, document};
    use crate::runner::talk::Format;
    use crate::text::tone::{Line, Paint};

    fn text(lines: impl IntoIterator<Item: Borrow<Line>>) -> Vec<String> {
        lines.into_iter().map(|line| line.borrow().render(Paint::Plain, None)).collect()
    }

    #[test]
    fn a_copied_image_is_two_lines_and_three_where_there_is_no_room() {
        let lines = text(image(&report(Vec::new()), &copied(), 1, Some(120)));
        let (source, target) = ("docker.io/library/alpine:3.20", "ghcr.io/acme/mirror/docker.io/library/alpine:3.20");
        let figures = "  2 platforms, 8.5 MiB sent, 3 pulls billed, 1.9 s";
        assert_eq!(lines, [format!("✓ copied {source} → {target}"), figures.to_owned()]);
        let lines = text(image(&report(Vec::new()), &copied(), 1, Some(80)));
        assert_eq!(lines, [format!("✓ copied {source}"), format!("  → {target}"), figures.to_owned()]);
        assert_eq!(text(image(&report(Vec::new()), &unchanged(), 1, None)).len(), 1);
    }

    #[test]
    fn a_failed_image_says_why_and_what_to_do() {
        let lines = text(image(&report(Vec::new()), &failed(), 1, None));
        assert!(lines[0].starts_with("✗ failed quay.io/x:1 → oci:mirror/"), "{lines:?}");
        assert!(lines[1].starts_with("  error: cannot copy quay.io/x:1"), "{lines:?}");
        assert_eq!(lines[2], "  state: 11 of 12 blobs are uploaded; the tag was not moved");
        assert!(lines[3].starts_with("  hint: "), "{lines:?}");
    }

    #[test]
    fn one_image_needs_no_last_line_and_several_do() {
        assert_eq!(verdict(&report(vec![copied()])), None);
        // What nobody asked for and nothing was done about is no news.
        let check = |status| Check::new("quay.io/a/b", Checked::Package, status, "not a GitHub registry");
        let checked = |status| Findings { checks: vec![check(status)], ..Findings::default() };
        let with = |status| Report { access: checked(status), ..report(vec![copied()]) };
        assert_eq!(verdict(&with(Status::Skipped)), None);
        assert!(verdict(&with(Status::Drift)).is_some());
        let planned = Report { dry_run: true, lock: Some("l.lock".to_owned()), ..report(vec![copied()]) };
        let line = verdict(&planned).unwrap().render(Paint::Plain, None);
        assert!(line.starts_with("dry run, nothing was written but the lock `l.lock` · "), "{line}");
        let line = verdict(&report(vec![copied(), failed()])).unwrap().render(Paint::Plain, None);
        assert!(line.starts_with("1 of 2 mirrored, 1 failed: 1 denied · "), "{line}");
    }

    #[test]
    fn data_has_a_line_for_what_is_certain_and_no_other() {
        let report = report(vec![copied(), failed()]);
        let digest = Digest::of(b"index");
        assert_eq!(
            text(data(&report, Format::Names)),
            [format!("ghcr.io/acme/mirror/docker.io/library/alpine:3.20@{digest}")]
        );
        assert_eq!(text(data(&report, Format::Text)), text(data(&report, Format::Names)));
        assert_eq!(text(data(&report, Format::Digest)), [digest.to_string()]);
        assert_eq!(text(data(&report, Format::None)), [""; 0]);
        let json: serde_json::Value = serde_json::from_str(&document(&report, &Context::default())).unwrap();
        assert_eq!((&json["totals"]["images"], &json["digest"]), (&2.into(), &serde_json::Value::Null));
    }

    #[test]
    fn a_dry_run_says_why_it_would_send_so_little() {
        let blobs = Blobs { present: 4, mounted: 1, ..Blobs::default() };
        let would = ImageOutcome { result: Outcome::WouldCopy, blobs, ..copied() };
        let lines = text(image(&report(vec![would.clone()]), &would, 1, None));
        assert!(lines[1].contains("0 B to send, 1 blob to be linked, 4 blobs said to be there, "), "{lines:?}");
    }

    #[test]
    fn access_names_its_one_end_once() {
        let target = copied().target.unwrap();
        let checked =
            ImageOutcome { source: target.clone(), target: Some(target), result: Outcome::Checked, ..copied() };
        let report = Report { command: Command::Access, ..report(vec![checked.clone()]) };
        assert!(!text(image(&report, &checked, 1, None)).concat().contains('→'));
    }

    #[test]
    fn inspect_shows_each_platform_and_its_json_has_the_digest_on_top() {
        let image = ImageOutcome { target: None, result: Outcome::Inspected, ..copied() };
        let report = Report { command: Command::Inspect, ..report(vec![image.clone()]) };
        let lines = text(data(&report, Format::Text));
        let digest = Digest::of(b"index");
        assert_eq!(lines[0], format!("docker.io/library/alpine:3.20@{digest}"));
        assert_eq!(lines[1], "  application/vnd.oci.image.index.v1+json");
        assert_eq!(lines[2], format!("  linux/amd64     {}  3.3 MiB", Digest::of(b"a")));
        assert!(super::image(&report, &image, 1, None).is_empty());
        let json: serde_json::Value = serde_json::from_str(&document(&report, &Context::default())).unwrap();
        assert_eq!(json["digest"], digest.to_string());
        assert_eq!(json["image"], format!("docker.io/library/alpine:3.20@{digest}"));
    }
}
