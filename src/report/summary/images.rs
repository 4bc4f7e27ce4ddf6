//! The images of a run, by how they ended: one by itself, several as rows, those that nothing happened to as a number.

use std::fmt::Write as _;

use crate::engine::outcome::{ImageOutcome, Outcome, Verification};
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::oci::vendor::Vendor;
use crate::policy::SignedBy;
use crate::report::Report;
use crate::report::destination::Destination;
use crate::report::figures::{Moved, moved, row_bytes};
use crate::report::headline::{OUTCOMES, outcome};
use crate::report::log::amount;
use crate::report::summary::markup::{fold, within};
use crate::text::sanitise::{cell_code, code, html, markdown, plain_code};
use crate::text::units::{count, size};

/// So many rows are read at a glance.
const OPEN: usize = 12;

/// So many platforms are named in a cell.
const NAMED: usize = 1;

/// Bytes of an open table, and of one that is folded away.
const TABLE: usize = 192 * 1024;

const FOLDED: usize = 96 * 1024;

/// The only image of a run: what went where, its digest, what it is.
pub fn one(text: &mut String, report: &Report, image: &ImageOutcome) {
    let source = plain_code(&image.source.to_string());
    match &image.target {
        Some(target) => _ = writeln!(text, "{source} → {}\n", linked(image, target, plain_code(&target.to_string()))),
        None => _ = writeln!(text, "{source}\n"),
    }
    let mut parts: Vec<String> = image.digest.iter().map(|digest| code(digest.as_str())).collect();
    if !image.platforms.is_empty() {
        parts.push(count(image.platforms.len() as u64, "platform"));
    }
    match (row_bytes(report, image), moved(report)) {
        (0, _) => {}
        (bytes, Moved::Read) => parts.push(size(bytes)),
        (bytes, _) => parts.push(amount(report, bytes)),
    }
    parts.extend(signed(image));
    if !parts.is_empty() {
        let _ = writeln!(text, "{}\n", parts.join(" · "));
    }
}

/// Who has signed it, where that was asked, and whether this run has signed what it did.
fn signed(image: &ImageOutcome) -> Option<String> {
    let attested = image.attestation.as_ref().map(|_| "attested".to_owned());
    let parts: Vec<String> = checked(image).into_iter().chain(attested).collect();
    Some(parts.join(", ")).filter(|text| !text.is_empty())
}

fn checked(image: &ImageOutcome) -> Option<String> {
    Some(match image.verified.as_ref()? {
        Verification::Signed(verified) => {
            let by = match &verified.by {
                by @ SignedBy::Key(_) => code(&by.short()),
                by @ SignedBy::Identity(_) => markdown(&by.short()),
            };
            format!("signed by {by} ({})", markdown(&verified.policy))
        }
        Verification::Unsigned(_) => "⚠️ not signed as wanted".to_owned(),
        Verification::Before => "unchanged, not checked now".to_owned(),
    })
}

/// All images that did not fail: those that something happened to as rows, the others as a number.
pub fn several(text: &mut String, report: &Report) {
    let destination = Destination::of(report);
    for result in OUTCOMES.into_iter().filter(|result| *result != Outcome::Failed) {
        let images: Vec<&ImageOutcome> = report.images.iter().filter(|image| image.result == result).collect();
        if images.is_empty() {
            continue;
        }
        let rule = destination.as_ref().filter(|rule| images.iter().any(|image| rule.says(image)));
        let at = if matches!(result, Outcome::Copied | Outcome::WouldCopy) { "to" } else { "at" };
        let to = rule.map_or(String::new(), |rule| format!(" {at} <code>{}</code>", html(&rule.0)));
        let title = format!("{} {} {}{to}", sign(result), images.len(), outcome(result));
        if is_news(result) && images.len() <= OPEN {
            let _ = writeln!(text, "{title}\n");
            table(text, report, rule, &images, TABLE);
        } else {
            fold(text, &title, |text| table(text, report, rule, &images, FOLDED));
        }
    }
}

fn is_news(result: Outcome) -> bool {
    !matches!(result, Outcome::Unchanged | Outcome::Verified | Outcome::Checked | Outcome::Deferred)
}

/// No sign needs a second character, which some would not see.
fn sign(result: Outcome) -> &'static str {
    match result {
        Outcome::Copied | Outcome::Unchanged | Outcome::Verified => "✅",
        Outcome::WouldCopy => "📝",
        Outcome::Inspected | Outcome::Checked => "🔎",
        Outcome::Kept => "📌",
        Outcome::Behind => "🕒",
        Outcome::Deferred => "⏳",
        Outcome::Failed => "❌",
    }
}

fn table(text: &mut String, report: &Report, rule: Option<&Destination>, images: &[&ImageOutcome], max_bytes: usize) {
    let bytes = match moved(report) {
        Moved::ToSend => "To send",
        Moved::Sent => "Sent",
        Moved::Read => "Size",
    };
    // A column where somebody has asked.
    let is_asked = images.iter().any(|image| image.verified.is_some() || image.attestation.is_some());
    let (head, line) = if is_asked { (" Signed |", " --- |") } else { ("", "") };
    let _ = writeln!(text, "| | Image | Digest | Platforms |{head} {bytes} |\n| --- | --- | --- | --- |{line} ---: |");
    within(text, max_bytes, "image", images.iter(), |text, image| {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |{} {} |",
            sign(image.result),
            name_cell(image, rule),
            image.digest.as_ref().map_or("–".to_owned(), |digest| code(digest.short())),
            platforms_cell(image),
            if is_asked { format!(" {} |", signed(image).unwrap_or_else(|| "–".to_owned())) } else { String::new() },
            Some(row_bytes(report, image)).filter(|bytes| *bytes > 0).map_or("–".to_owned(), size_cell),
        );
    });
    text.push('\n');
}

/// The source, with a link to what was made of it; the target where the rule does not say it.
fn name_cell(image: &ImageOutcome, rule: Option<&Destination>) -> String {
    let source = cell_code(&image.source.to_string());
    match &image.target {
        Some(target) if rule.is_some_and(|rule| rule.says(image)) => linked(image, target, source),
        Some(target) => format!("{source}<br>→ {}", linked(image, target, cell_code(&target.to_string()))),
        None => source,
    }
}

/// On GitHub's registry with a link to the package's page, to which its address redirects a browser.
fn linked(image: &ImageOutcome, target: &ImageReference, shown: String) -> String {
    match target.registry() {
        // What a dry run would make has no page yet.
        _ if image.result == Outcome::WouldCopy => shown,
        Some(target) if Vendor::of(target.registry()) == Vendor::Github => {
            format!("[{shown}](https://{})", target.name())
        }
        _ => shown,
    }
}

fn platforms_cell(image: &ImageOutcome) -> String {
    let names: Vec<String> = image.platforms.iter().map(|one| markdown(&one.platform)).collect();
    match names.len() {
        0 => "–".to_owned(),
        1..=NAMED => names.join(", "),
        all => format!("<details><summary>{all}</summary>{}</details>", names.join("<br>")),
    }
}

/// A whole digest; a SHA-256 has room beside a platform and a size.
fn digest_cell(digest: &Digest) -> String {
    let digest = digest.as_str();
    if digest.len() > "sha256:".len() + 64 { cell_code(digest) } else { code(digest) }
}

/// A size on one line.
pub fn size_cell(bytes: u64) -> String {
    size(bytes).replace(' ', "&nbsp;")
}

/// The platforms of the only image, which were asked for.
pub fn platforms_of(text: &mut String, image: &ImageOutcome) {
    text.push_str("| Platform | Digest | Size |\n| --- | --- | ---: |\n");
    within(text, TABLE, "platform", image.platforms.iter(), |text, platform| {
        let bytes = platform.size.map_or_else(|| "–".to_owned(), size_cell);
        let _ = writeln!(text, "| {} | {} | {bytes} |", markdown(&platform.platform), digest_cell(&platform.digest));
    });
    text.push('\n');
}
