//! The report for the job summary: Markdown that a person reads on the run's page.
//!
//! Owns its layout. Must never hold a time or a count that differs between two runs that did the same, except in the
//! footer, and never a character from outside that was not escaped.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::engine::outcome::{AttachmentOutcome, ImageOutcome, Outcome};
use crate::error::Error;
use crate::oci::reference::ImageReference;
use crate::oci::vendor::Vendor;
use crate::report::Report;
use crate::report::figures::{Moved, moved, pinned, row_bytes, total_bytes};
use crate::report::log::{amounts, headline, others, outcome, pull};
use crate::report::package_access;
use crate::text::sanitise::{code, markdown, markdown_text, one_line};
use crate::text::units::{count, duration, size};

/// So many rows are read at a glance; more of those where nothing happened are folded away.
const FOLD: usize = 5;

/// So many platforms are named in a cell.
const PLATFORMS: usize = 4;

/// So many images are named of which the same is said.
const NAMED: usize = 3;

/// Bytes of the parts, together less than the 1 MiB above which GitHub drops the whole summary.
const TABLE: usize = 256 * 1024;

const FOLDED: usize = 128 * 1024;

const FAILURES: usize = 128 * 1024;

const DETAILS: usize = 48 * 1024;

/// The whole summary.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "## {} {}\n", sign(report), markdown(&title(report)));
    if report.dry_run {
        let _ = writeln!(
            text,
            "**Dry run: nothing was written.** A run without `dry-run` would send {}.\n",
            size(total_bytes(report))
        );
    }
    if let Some(signal) = report.cancelled {
        let _ = writeln!(
            text,
            "**The run was cancelled by {signal}.** No tag points at half an image; the next run carries on.\n"
        );
    }
    tables(&mut text, report);
    failures(&mut text, report);
    text.push_str(&package_access::summary(&report.access));
    notices(&mut text, report);
    pulls(&mut text, report);
    sites(&mut text, report);
    platforms(&mut text, report);
    attachments(&mut text, report);
    consumer_configs(&mut text, report);
    let _ = writeln!(
        text,
        "<sub>mirror-image {} · {} · {}</sub>",
        env!("CARGO_PKG_VERSION"),
        amounts(report),
        duration(report.duration_ms)
    );
    text
}

fn sign(report: &Report) -> &'static str {
    match (report.cancelled, report.exit_code()) {
        (Some(_), _) => "⚠️",
        (None, 0) => "✅",
        (None, _) => "❌",
    }
}

/// The verdict without what the next line says anyway.
fn title(report: &Report) -> String {
    let headline = headline(report);
    headline.rsplit(" · ").next().unwrap_or(&headline).to_owned()
}

fn tables(text: &mut String, report: &Report) {
    let ended = |result: Outcome| report.images.iter().filter(move |image| image.result == result);
    let folded: Vec<Outcome> =
        [Outcome::Unchanged, Outcome::Deferred].into_iter().filter(|result| ended(*result).count() > FOLD).collect();
    let shown: Vec<&ImageOutcome> = report.images.iter().filter(|image| !folded.contains(&image.result)).collect();
    table(text, report, &shown, TABLE);
    for result in folded {
        let images: Vec<&ImageOutcome> = ended(result).collect();
        let title = format!("{} {}", count(images.len() as u64, "image"), outcome(result));
        fold(text, &title, |text| table(text, report, &images, FOLDED));
    }
}

/// Writes items until `max_bytes` are written, and how many are left then.
fn within<T>(
    text: &mut String,
    max_bytes: usize,
    what: &str,
    items: impl ExactSizeIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    let end = text.len() + max_bytes;
    let mut left = items.len();
    for item in items {
        if text.len() >= end {
            let _ = writeln!(text, "\n**… and {}, for which there is no room in a job summary.**", more(left, what));
            return;
        }
        write(text, item);
        left -= 1;
    }
}

/// `1 more image`.
fn more(number: usize, what: &str) -> String {
    count(number as u64, &format!("more {what}"))
}

fn fold(text: &mut String, summary: &str, inside: impl FnOnce(&mut String)) {
    let _ = writeln!(text, "<details>\n<summary>{summary}</summary>\n");
    inside(text);
    let _ = writeln!(text, "</details>\n");
}

fn table(text: &mut String, report: &Report, images: &[&ImageOutcome], max_bytes: usize) {
    if images.is_empty() {
        return;
    }
    let target = images.iter().any(|image| image.target.is_some());
    let moved = match moved(report) {
        Moved::ToSend => "To send",
        Moved::Sent => "Sent",
        Moved::Read => "Size",
    };
    let _ =
        writeln!(text, "| Source |{} Digest | Platforms | {moved} | Result |", if target { " Target |" } else { "" });
    let _ = writeln!(text, "| --- |{} --- | --- | ---: | --- |", if target { " --- |" } else { "" });
    within(text, max_bytes, "image", images.iter(), |text, image| {
        let _ = write!(text, "| {} |", code(&image.source.to_string()));
        if target {
            let _ = write!(text, " {} |", image.target.as_ref().map_or("–".to_owned(), target_cell));
        }
        let digest = image.digest.as_ref().filter(|_| image.result != Outcome::Failed);
        let _ = writeln!(
            text,
            " {} | {} | {} | {} |",
            digest.map_or("–".to_owned(), |digest| code(digest.short())),
            platforms_cell(image),
            moved_cell(report, image),
            if image.result == Outcome::Failed { "**failed**" } else { outcome(image.result) },
        );
    });
    text.push('\n');
}

/// The target; on GitHub's registry with a link to the package's page, to which its address redirects a browser.
fn target_cell(target: &ImageReference) -> String {
    let text = code(&target.to_string());
    match target.registry() {
        Some(target) if Vendor::of(target.registry()) == Vendor::Github => {
            format!("[{text}](https://{})", target.name())
        }
        _ => text,
    }
}

fn platforms_cell(image: &ImageOutcome) -> String {
    let names: Vec<String> = image.platforms.iter().take(PLATFORMS).map(|one| markdown(&one.platform)).collect();
    match image.platforms.len() {
        0 => "–".to_owned(),
        all if all > PLATFORMS => format!("{} and {} more", names.join(", "), all - PLATFORMS),
        _ => names.join(", "),
    }
}

fn moved_cell(report: &Report, image: &ImageOutcome) -> String {
    match row_bytes(report, image) {
        0 => "–".to_owned(),
        bytes => size(bytes),
    }
}

fn failures(text: &mut String, report: &Report) {
    let failed = report.images.iter().filter_map(|image| Some((image, image.error.as_ref()?)));
    // Images that a cancellation cut off failed in the same way, and nothing is to be mended.
    let cut_off = |error: &Error| report.images.len() > 1 && matches!(error, Error::Cancelled { .. });
    let (cancelled, failed): (Vec<_>, Vec<_>) = failed.partition(|(_, error)| cut_off(error));
    within(text, FAILURES, "failure", failed.into_iter(), |text, (image, error)| failure(text, image, error));
    if cancelled.is_empty() {
        return;
    }
    text.push_str("**Under way when the run was cancelled**\n\n");
    within(text, DETAILS, "image", cancelled.into_iter(), |text, (image, _)| {
        let state = image.state.as_deref().unwrap_or_default();
        let _ = writeln!(text, "- {}: {}", plain_code(&image.source.to_string()), markdown_text(state));
    });
    text.push('\n');
}

fn failure(text: &mut String, image: &ImageOutcome, error: &Error) {
    let target =
        image.target.as_ref().map_or(String::new(), |target| format!(" → {}", plain_code(&target.to_string())));
    let _ = writeln!(text, "### Failed: {}{target}\n", plain_code(&image.source.to_string()));
    let _ = writeln!(text, "> {}\n", markdown_text(&error.to_string()));
    if let Some(state) = &image.state {
        let _ = writeln!(text, "State: {}\n", markdown_text(state));
    }
    let hints = error.hints();
    for hint in &hints {
        let _ = writeln!(text, "- {}", markdown_text(hint));
    }
    if !hints.is_empty() {
        text.push('\n');
    }
    for site in others(image) {
        let _ = writeln!(text, "- {}", markdown_text(&site));
    }
    if image.sites.len() > 1 {
        text.push('\n');
    }
}

/// A code span outside a table, where a pipe is a pipe.
fn plain_code(text: &str) -> String {
    code(text).replace("\\|", "|")
}

/// What is to be known, each sentence once, with the images that it is about.
fn notices(text: &mut String, report: &Report) {
    let mut about: Vec<(&str, Vec<&ImageReference>)> =
        report.notices.iter().map(|notice| (notice.as_str(), Vec::new())).collect();
    let mut place: HashMap<&str, usize> = HashMap::new();
    for image in &report.images {
        for notice in &image.notices {
            let place = *place.entry(notice).or_insert_with(|| {
                about.push((notice, Vec::new()));
                about.len() - 1
            });
            about[place].1.push(&image.source);
        }
    }
    if about.is_empty() {
        return;
    }
    let several = report.images.len() > 1;
    text.push_str("**Notices**\n\n");
    within(text, DETAILS, "notice", about.into_iter(), |text, (notice, images)| {
        let mut names: Vec<String> = images.iter().take(NAMED).map(|image| plain_code(&image.to_string())).collect();
        if images.len() > NAMED {
            let last = names.pop().unwrap_or_default();
            names.push(format!("{last} and {} others", images.len() - NAMED));
        }
        let subject = if several && !names.is_empty() { format!("{}: ", names.join(", ")) } else { String::new() };
        let _ = writeln!(text, "- {subject}{}", markdown_text(notice));
    });
    text.push('\n');
}

/// The pinned names, to copy and paste.
fn pulls(text: &mut String, report: &Report) {
    // What a dry run would write cannot be pulled yet.
    let there = |image: &&ImageOutcome| image.result != Outcome::WouldCopy;
    let lines: Vec<String> = report
        .images
        .iter()
        .filter(there)
        .filter_map(|image| pull(image).or_else(|| pinned(image).map(|name| name.to_string())))
        .collect();
    let block = |text: &mut String| {
        let (mut shown, mut left) = (0, DETAILS);
        text.push_str("```sh\n");
        for command in lines.iter().map(|command| one_line(command, usize::MAX)) {
            let Some(less) = left.checked_sub(command.len() + 1) else { break };
            (shown, left) = (shown + 1, less);
            let _ = writeln!(text, "{command}");
        }
        text.push_str("```\n\n");
        if shown < lines.len() {
            let left = more(lines.len() - shown, "image");
            let _ = writeln!(text, "**… and {left}, for which there is no room in a job summary.**\n");
        }
    };
    match lines.len() {
        0 => {}
        1..=FOLD => block(text),
        _ => fold(text, "Pull exactly these images", block),
    }
}

/// Signatures and the like, an entry each.
fn attachments(text: &mut String, report: &Report) {
    let all = || report.images.iter().flat_map(|image| &image.attachments);
    if all().next().is_none() {
        return;
    }
    fold(text, &format!("Attachments ({})", all().count()), |text| {
        text.push_str("| Attached to | What | Digest | Found by | Result |\n| --- | --- | --- | --- | --- |\n");
        let all: Vec<&AttachmentOutcome> = all().collect();
        within(text, DETAILS, "attachment", all.into_iter(), |text, attachment| {
            let found_by = attachment.tag.as_deref().map_or_else(|| "subject".to_owned(), |_| "tag".to_owned());
            let kind = match (&attachment.artifact_type, attachment.kind) {
                (Some(artifact_type), crate::oci::artifact::Kind::Artifact) => code(artifact_type),
                (_, kind) => kind.name().to_owned(),
            };
            let _ = writeln!(
                text,
                "| {} | {kind} | {} | {found_by} | {} |",
                code(attachment.subject.short()),
                code(attachment.digest.as_str()),
                attachment.result.name()
            );
        });
        text.push('\n');
    });
}

/// Files longer than this are named and not shown: a summary has an end (1 MiB a step).
const SHOWN: usize = 16 * 1024;

/// Consumer configuration: the snippets, folded, and what could not be said.
fn consumer_configs(text: &mut String, report: &Report) {
    let mut problems = String::new();
    for config in &report.consumer_configs {
        if let Some(problem) = &config.problem {
            let _ = writeln!(problems, "- {}: {}", code(config.format), markdown_text(problem));
        }
        for file in &config.files {
            let title = format!("Pull from the mirror: <code>{}</code>", markdown(&file.path));
            fold(text, &title, |text| {
                if file.text.len() > SHOWN {
                    let _ = writeln!(text, "{} of text; see the file.\n", size(file.text.len() as u64));
                    return;
                }
                // No name in it can close the fence: references have no backticks.
                let _ = writeln!(text, "```{}\n{}\n```\n", file.language, file.text.trim_end());
            });
        }
    }
    if !problems.is_empty() {
        let _ = writeln!(text, "**Formats that cannot say what this run did**\n\n{problems}");
    }
}

/// Where images were read, of those that had mirrors.
fn sites(text: &mut String, report: &Report) {
    let images: Vec<&ImageOutcome> = report.images.iter().filter(|image| !image.sites.is_empty()).collect();
    if images.is_empty() {
        return;
    }
    fold(text, "Where the images were read", |text| {
        text.push_str("| Source | Place | |\n| --- | --- | --- |\n");
        within(text, DETAILS, "image", images.into_iter(), |text, image| {
            for site in &image.sites {
                let served = image.served_by.as_deref() == Some(site.site.as_str());
                let class = if served { format!("**{}**", site.class.name()) } else { site.class.name().to_owned() };
                let reason = site.reason.as_deref().map(|reason| format!(": {}", markdown(reason))).unwrap_or_default();
                let _ =
                    writeln!(text, "| {} | {} | {class}{reason} |", code(&image.source.to_string()), code(&site.site));
            }
        });
        text.push('\n');
    });
}

/// Digests of the single platforms, of images that something happened to.
fn platforms(text: &mut String, report: &Report) {
    let images: Vec<&ImageOutcome> = report
        .images
        .iter()
        .filter(|image| image.result != Outcome::Unchanged && image.platforms.len() > 1 && image.error.is_none())
        .collect();
    if images.is_empty() {
        return;
    }
    fold(text, "Digests of the platforms", |text| {
        let name = images.len() > 1;
        text.push_str(if name {
            "| Image | Platform | Digest | Size |\n| --- "
        } else {
            "| Platform | Digest | Size |\n"
        });
        text.push_str("| --- | --- | ---: |\n");
        within(text, DETAILS, "image", images.into_iter(), |text, image| {
            for platform in &image.platforms {
                let subject = if name { format!("| {} ", code(&image.source.to_string())) } else { String::new() };
                let bytes = platform.size.map_or_else(|| "–".to_owned(), size);
                let digest = code(platform.digest.as_str());
                let _ = writeln!(text, "{subject}| {} | {digest} | {bytes} |", markdown(&platform.platform));
            }
        });
        text.push('\n');
    });
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::engine::options::Command;
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::oci::digest::Digest;
    use crate::report::Report;
    use crate::report::json::tests::{copied, failed, named, report, unchanged};

    #[test]
    fn a_copied_image_shows_verdict_table_pull_line_and_platforms() {
        let digest = Digest::of(b"index");
        let text = render(&report(vec![copied()]));
        assert_eq!(
            text,
            format!(
                "## ✅ 1 image: 1 copied\n\n\
                 | Source | Target | Digest | Platforms | Sent | Result |\n\
                 | --- | --- | --- | --- | ---: | --- |\n\
                 | `docker.io/library/alpine:3.20` | [`ghcr.io/acme/mirror/docker.io/library/alpine:3.20`]\
                 (https://ghcr.io/acme/mirror/docker.io/library/alpine) | `{}` | linux/amd64, linux/arm64/v8 | \
                 8.5 MiB | copied |\n\n\
                 ```sh\ndocker pull ghcr.io/acme/mirror/docker.io/library/alpine:3.20@{digest}\n```\n\n\
                 <details>\n<summary>Digests of the platforms</summary>\n\n\
                 | Platform | Digest | Size |\n| --- | --- | ---: |\n\
                 | linux/amd64 | `{}` | 3.3 MiB |\n| linux/arm64/v8 | `{}` | 3.9 MiB |\n\n</details>\n\n\
                 <sub>mirror-image {} · 27 requests, 3 pulls billed, 8.5 MiB sent · 1.9 s</sub>\n",
                digest.short(),
                Digest::of(b"a"),
                Digest::of(b"b"),
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn an_unchanged_run_is_short_however_many_images_there_are() {
        let one = render(&report(vec![unchanged()]));
        assert!(one.lines().count() <= 12 && !one.contains("<details>"), "{one}");
        let many = render(&report(vec![unchanged(); 40]));
        let shown = many.split("<details>").next().unwrap();
        assert_eq!(shown, "## ✅ 40 images: 40 unchanged\n\n");
        assert_eq!(many.matches("<details>").count(), 2);
        assert_eq!(many.matches("</details>").count(), 2);
    }

    #[test]
    fn a_summary_has_room_for_every_failure_that_fits_and_says_what_does_not() {
        let (many, whole) = (3000, 1 << 20);
        let mut images = vec![copied(); many];
        images.extend(vec![unchanged(); many]);
        images.extend(vec![ImageOutcome { result: Outcome::Deferred, digest: None, ..copied() }; many]);
        images
            .extend((0..many).map(|number| ImageOutcome { source: named(&format!("quay.io/x:{number}")), ..failed() }));
        for (number, image) in images.iter_mut().enumerate() {
            image.notices = vec!["one for all".to_owned(), format!("one of {number} for itself")];
        }
        let text = render(&report(images));
        assert!(text.len() < whole * 9 / 10, "{}", text.len());
        assert!(text.contains("### Failed: `quay.io/x:0`") && text.contains("### Failed: `quay.io/x:99`"));
        for part in [
            "more images, for which there is no room in a job summary.**\n",
            "more failures, for which there is no room",
            "more notices, for which there is no room",
            "<summary>3000 images unchanged</summary>",
            "<summary>3000 images deferred</summary>",
            "`docker.io/library/alpine:3.20` and 11997 others: one for all\n",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("one for all").count(), 1);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(text.ends_with("</sub>\n"));
    }

    #[test]
    fn a_failure_is_expanded_with_hints_and_state_and_escaped() {
        let text = render(&report(vec![copied(), failed()]));
        for part in [
            "## ❌ 2 images: 1 copied, 1 failed\n",
            "| `oci:mirror/quay.io/x\\|y:1` | – | – | – | **failed** |",
            "### Failed: `quay.io/x:1` → `oci:mirror/quay.io/x|y:1`\n",
            "> target: PUT manifest ghcr.io/acme/mirror/quay.io/x\\|y:1: 403 DENIED: permission\\_denied: ",
            "\n- ",
            "State: 11 of 12 blobs are uploaded; the tag was not moved\n",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }

    #[test]
    fn a_dry_run_says_that_nothing_was_written_and_offers_no_pull() {
        let mut image = copied();
        image.result = Outcome::WouldCopy;
        image.blobs.missing_bytes = 3 << 20;
        let text = render(&Report { dry_run: true, ..report(vec![image]) });
        assert!(text.starts_with("## ✅ 1 image: 1 would be copied\n\n**Dry run: nothing was written.** "), "{text}");
        assert!(text.contains("would send 3.0 MiB.") && text.contains("| 3.0 MiB | would be copied |"), "{text}");
        assert!(!text.contains("docker pull"), "{text}");
    }

    #[test]
    fn inspect_has_no_target_and_notices_are_listed() {
        let mut report = report(vec![ImageOutcome {
            target: None,
            result: Outcome::Inspected,
            notices: vec!["<b>`sparse`</b>".to_owned()],
            ..copied()
        }]);
        report.command = Command::Inspect;
        let text = render(&report);
        assert!(text.contains("| Source | Digest | Platforms | Size | Result |\n| --- | --- | --- | ---: | --- |\n"));
        assert!(text.contains("**Notices**\n\n- &lt;b&gt;`sparse`&lt;/b&gt;\n"), "{text}");
        assert!(text.contains("docker pull docker.io/library/alpine:3.20@sha256:"), "{text}");
    }
}
