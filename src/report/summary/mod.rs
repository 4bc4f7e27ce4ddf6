//! The report for the job summary: Markdown that a person reads on the run's page.
//!
//! Owns the order: the state in words, what failed and what to do, what changed, what is left; everything else is folded
//! away. Must never hold a time or a count that differs between two runs that did the same, except in the footer, never a
//! character from outside that was not escaped, and never anything wider than a page of 900 pixels.

mod failed;
mod images;
mod markup;
mod prune;
mod pull;

use std::fmt::Write as _;

use crate::engine::outcome::{AttachmentOutcome, ImageOutcome, Outcome};
use crate::report::Report;
use crate::report::figures::total_bytes;
use crate::report::headline::headline;
use crate::report::log::amounts;
use crate::report::package_access;
use crate::report::summary::failed::failures;
use crate::report::summary::markup::{fold, within};
use crate::text::sanitise::{cell_code, cell_text, code, html, markdown, markdown_text, plain_code};
use crate::text::units::{duration, size};

/// So many images are named of which the same is said.
const NAMED: usize = 3;

/// Bytes of each of the parts, together less than the 1 MiB above which GitHub drops the whole summary.
const DETAILS: usize = 48 * 1024;

/// The whole summary.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "## {} {}\n", sign(report), markdown_text(&headline(report)));
    if report.dry_run {
        let _ = writeln!(
            text,
            "**Dry run: {}.** A run without `dry-run` would send {}.\n",
            report.written_by_dry_run(),
            size(total_bytes(report))
        );
    }
    if let Some(signal) = report.cancelled {
        let _ = writeln!(
            text,
            "**The run was cancelled by {signal}.** No tag points at half an image; the next run carries on.\n"
        );
    }
    failures(&mut text, report);
    match &*report.images {
        [image] if image.result == Outcome::Failed => {}
        [image] => {
            images::one(&mut text, report, image);
            pull::one(&mut text, report, image);
            if image.platforms.len() > 1 {
                match image.result {
                    Outcome::Inspected => images::platforms_of(&mut text, image),
                    _ => fold(&mut text, "Digests of the platforms", |text| images::platforms_of(text, image)),
                }
            }
        }
        _ => images::several(&mut text, report),
    }
    if let Some(pruned) = &report.prune {
        text.push_str(&prune::section(pruned, report.reader));
    }
    text.push_str(&package_access::summary(&report.access));
    notices(&mut text, report);
    if report.images.len() > 1 {
        pull::all(&mut text, report);
        platforms(&mut text, report);
    }
    sites(&mut text, report);
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

/// What is to be known.
fn notices(text: &mut String, report: &Report) {
    let about = crate::report::notices::notices(report);
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
                (Some(artifact_type), crate::oci::artifact::Kind::Artifact) => cell_code(artifact_type),
                (_, kind) => kind.name().to_owned(),
            };
            let _ = writeln!(
                text,
                "| {} | {kind} | {} | {found_by} | {} |",
                code(attachment.subject.short()),
                cell_code(attachment.digest.as_str()),
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
            let title = format!("Pull from the mirror: <code>{}</code>", html(&file.path));
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
                let reason =
                    site.reason.as_deref().map(|reason| format!(": {}", cell_text(reason))).unwrap_or_default();
                let _ = writeln!(
                    text,
                    "| {} | {} | {class}{reason} |",
                    cell_code(&image.source.to_string()),
                    cell_code(&site.site)
                );
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
                let subject = if name { format!("| {} ", cell_code(&image.source.to_string())) } else { String::new() };
                let bytes = platform.size.map_or_else(|| "–".to_owned(), images::size_cell);
                let digest = cell_code(platform.digest.as_str());
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
    use crate::github::findings::{Check, Checked, Findings, Status};
    use crate::oci::digest::Digest;
    use crate::report::Report;
    use crate::report::json::tests::{copied, failed, named, report, unchanged};

    #[test]
    fn one_image_shows_its_digest_and_how_to_pull_it_right_after_the_headline() {
        let digest = Digest::of(b"index");
        let name = "ghcr.io/acme/mirror/docker.io/library/alpine";
        let text = render(&report(vec![copied()]));
        let expected = format!(
            "## ✅ 1 image copied\n\n\
             `docker.io/library/alpine:3.20` → [`{name}:3.20`](https://{name})\n\n\
             `{digest}` · 2 platforms · 8.5 MiB sent\n\n\
             ```sh\ndocker pull {name}:3.20\ndocker pull {name}\\\n@{digest}\n```\n\n\
             <details>\n<summary>podman, containerd, Kubernetes</summary>\n\n"
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains(&format!("image: \"{name}:3.20\\\n  @{digest}\"\n")), "{text}");
        let row = format!("| linux/amd64 | `{}` | 3.3&nbsp;MiB |\n", Digest::of(b"a"));
        assert!(text.contains(&row), "{text}");
        let private = Check::new(name, Checked::Visibility, Status::Ok, "it is `private`").found(&"private");
        let access = Findings { checks: vec![private], ..Findings::default() };
        let text = render(&Report { access, ..report(vec![copied()]) });
        assert!(text.contains("```sh\ndocker login ghcr.io\ndocker pull "), "{text}");
        // Of another registry nothing is read; that it was given a credential is known.
        let elsewhere = |target_has_login| {
            let target = Some(named("registry.example.com/mirror/alpine:3.20"));
            render(&report(vec![ImageOutcome { target, target_has_login, ..copied() }]))
        };
        assert!(
            elsewhere(true).contains("```sh\ndocker login registry.example.com\ndocker pull "),
            "{}",
            elsewhere(true)
        );
        assert!(!elsewhere(false).contains("login"), "{}", elsewhere(false));
        let own = render(&report(vec![ImageOutcome { target_has_login: true, ..copied() }]));
        assert!(!own.contains("login"), "{own}");
    }

    #[test]
    fn a_directory_is_not_pulled() {
        let image = ImageOutcome { target: Some(named("oci:here:1")), ..copied() };
        let text = render(&report(vec![image.clone()]));
        assert!(text.contains("→ `oci:here:1`") && !text.contains("```"), "{text}");
        assert!(!render(&report(vec![image.clone(), image])).contains("```"));
    }

    #[test]
    fn what_is_unchanged_is_a_number() {
        let many = render(&report(vec![unchanged(); 40]));
        let shown = many.split("<details>").next().unwrap();
        assert_eq!(shown, "## ✅ 40 images unchanged\n\n");
        assert!(many.contains(
            "<summary>✅ 40 unchanged at <code>ghcr.io/acme/mirror/{registry}/{repository}</code></summary>"
        ));
        assert_eq!(many.matches("\n<details>\n").count(), 2);
        assert_eq!(many.matches("<details>").count(), many.matches("</details>").count());
    }

    #[test]
    fn a_folded_title_shows_no_backslash() {
        let target = named("123456789012.dkr.ecr.eu-central-1.amazonaws.com/our_mirror/docker.io/library/alpine:3.20");
        let text = render(&report(vec![ImageOutcome { target: Some(target), ..unchanged() }; 40]));
        let title = text.lines().find(|line| line.starts_with("<summary>")).unwrap();
        assert!(title.contains("amazonaws.com/our&#95;mirror/") && !title.contains('\\'), "{title}");
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
        for part in [
            "| ❌ | 3000 images | `ghcr.io` denies it: 403 DENIED |",
            "**3000 images failed: `ghcr.io` denies it: 403 DENIED**",
            "- `quay.io/x:99`: target: PUT manifest ",
            "more images, for which there is no room in a job summary.**\n",
            "more notices, for which there is no room",
            "<summary>✅ 3000 unchanged at ",
            "<summary>⏳ 3000 deferred at ",
            "`docker.io/library/alpine:3.20` and 11997 others: one for all\n",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("one for all").count(), 1);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(text.ends_with("</sub>\n"));
    }

    #[test]
    fn a_failure_comes_first_with_hints_and_state_and_escaped() {
        let text = render(&report(vec![copied(), failed()]));
        for part in [
            "## ❌ 1 of 2 mirrored, 1 failed: 1 denied\n\n\
             | | Image | Why | What to do |\n| --- | --- | --- | --- |\n\
             | ❌ | `quay.io/x:1` | `ghcr.io` denies it: 403 DENIED | give the job `permissions: packages: write` |\n",
            "**Failed: `quay.io/x:1` → `oci:mirror/quay.io/x|y:1`**\n",
            "> target: PUT manifest ghcr.io/acme/mirror/quay.io/x\\|y:1: 403 DENIED: permission\\_denied: ",
            "\n- ",
            "State: 11 of 12 blobs are uploaded; the tag was not moved\n",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        assert!(text.find("Failed").unwrap() < text.find("1 copied").unwrap_or(text.len()), "{text}");
    }

    #[test]
    fn a_dry_run_says_that_nothing_was_written_and_offers_no_pull() {
        let mut image = copied();
        image.result = Outcome::WouldCopy;
        image.blobs.missing_bytes = 3 << 20;
        let text = render(&Report { dry_run: true, ..report(vec![image]) });
        assert!(text.starts_with("## ✅ 1 image would be copied\n\n**Dry run: nothing was written.** "), "{text}");
        assert!(text.contains("would send 3.0 MiB.") && text.contains(" · 3.0 MiB to send\n"), "{text}");
        assert!(!text.contains("docker pull"), "{text}");
        let some = ImageOutcome { result: Outcome::WouldCopy, ..copied() };
        let text = render(&Report { dry_run: true, ..report(vec![some.clone(), some]) });
        assert!(!text.contains("](https://"), "what is not there has no page: {text}");
    }

    #[test]
    fn inspect_shows_the_platforms_and_pins_the_usual_one_and_notices_are_listed() {
        let mut report = report(vec![ImageOutcome {
            target: None,
            result: Outcome::Inspected,
            notices: vec!["<b>`sparse`</b>".to_owned()],
            ..copied()
        }]);
        report.command = Command::Inspect;
        let text = render(&report);
        let platform = Digest::of(b"a");
        let line = format!("# linux/amd64 alone\ndocker pull docker.io/library/alpine\\\n@{platform}\n");
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("</details>\n\n| Platform | Digest | Size |\n"), "{text}");
        assert!(text.contains("**Notices**\n\n- &lt;b&gt;`sparse`&lt;/b&gt;\n"), "{text}");
    }
}
