//! The plan of a list: what a run would change, as Markdown for a pull request, and as lines for the log.
//!
//! Owns how a change is called, that a version's tag which moves is seen first, and what is left out where there is not room
//! for all. Computes nothing that was not measured.

use std::fmt::Write as _;

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::plan::images::At;
use crate::plan::list::tags::Step;
use crate::plan::list::version::Version;
use crate::report::Report;
use crate::report::figures;
use crate::report::list::ListReport;
use crate::text::sanitise::{code, markdown_text};
use crate::text::units::{count, size};

/// The most bytes of the whole: what a comment on GitHub has room for, and the sentence around it.
const LARGEST: usize = 60 * 1024;

/// Tags that are named of those that do not change.
const NAMED: usize = 20;

/// What would become of a target's tag, the most alarming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A tag that names a version would point at something else: nobody should do that.
    MoveVersion,
    /// It would point at something else.
    Move,
    /// The source has no such tag any more.
    Gone,
    /// It could not be found out.
    Failed,
    /// It is new.
    Add,
    /// It is something else, and stays.
    Kept,
    /// It is left for another run.
    Deferred,
    /// It is as it should be.
    Unchanged,
}

impl Change {
    /// What would become of an image.
    pub fn of(image: &ImageOutcome) -> Self {
        let moves = image.replaced.is_some();
        match image.result {
            Outcome::WouldCopy | Outcome::Copied if moves && is_version(image) => Self::MoveVersion,
            Outcome::WouldCopy | Outcome::Copied if moves => Self::Move,
            Outcome::WouldCopy | Outcome::Copied => Self::Add,
            Outcome::Kept => Self::Kept,
            Outcome::Deferred => Self::Deferred,
            Outcome::Failed if image.error.as_ref().is_some_and(is_gone) => Self::Gone,
            Outcome::Failed => Self::Failed,
            _ => Self::Unchanged,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::MoveVersion => "**move**",
            Self::Move => "move",
            Self::Gone => "gone upstream",
            Self::Failed => "failed",
            Self::Add => "add",
            Self::Kept => "kept",
            Self::Deferred => "deferred",
            Self::Unchanged => "unchanged",
        }
    }
}

fn is_gone(error: &Error) -> bool {
    error.is_absent() && matches!(error, Error::Registry { side: Side::Source, .. })
}

fn is_version(image: &ImageOutcome) -> bool {
    image.target.as_ref().and_then(|target| target.tag()).and_then(Version::of).is_some()
}

/// A row of the table of an entry.
struct Row {
    section: usize,
    change: Change,
    text: String,
}

/// The changes in one line.
fn totals(report: &Report) -> String {
    let of = |wanted: &[Change]| report.images.iter().filter(|image| wanted.contains(&Change::of(image))).count();
    let parts = [
        (of(&[Change::Add]), "to add"),
        (of(&[Change::MoveVersion, Change::Move]), "to move"),
        (of(&[Change::Unchanged]), "unchanged"),
        (of(&[Change::Kept]), "kept"),
        (of(&[Change::Gone]), "gone upstream"),
        (of(&[Change::Failed]), "failed"),
        (of(&[Change::Deferred]), "deferred"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// The plan as Markdown of at most 60 KiB.
pub fn markdown(report: &Report, list: &ListReport) -> String {
    let mut text = format!("### Plan: {}\n\n", totals(report));
    let bytes = size(figures::total_bytes(report));
    let pulls = count(report.traffic().pulls_billed, "billed pull");
    let _ = writeln!(text, "{bytes} to send; {pulls} to find out.");
    let versions = report.images.iter().filter(|image| Change::of(image) == Change::MoveVersion).count();
    if versions > 0 {
        let verb = if versions == 1 { "names" } else { "name" };
        let _ = write!(text, "\n> [!WARNING]\n> {} that {verb} a version would move.\n", count(versions as u64, "tag"));
    }
    let sections = sections(list);
    let mut rows = rows(report, list, &sections);
    let all = rows.len();
    rows.sort_by_key(|row| row.change);
    // The headings are there whatever else is: what was selected and why is what a plan is read for.
    let heads: Vec<String> = sections.iter().map(|section| head(section, report, list)).collect();
    let mut left = LARGEST.saturating_sub(text.len() + 200);
    let mut shown: Vec<(String, Vec<Row>)> = Vec::new();
    for head in heads {
        let room = left.checked_sub(head.len());
        left = room.unwrap_or(0);
        shown.push((if room.is_some() { head } else { String::new() }, Vec::new()));
    }
    let mut cut = 0;
    for row in rows {
        match left.checked_sub(row.text.len()) {
            Some(less) => {
                left = less;
                if let Some((_, rows)) = shown.get_mut(row.section) {
                    rows.push(row);
                }
            }
            None => cut += 1,
        }
    }
    for (head, rows) in shown {
        text += &head;
        text.extend(rows.into_iter().map(|row| row.text));
    }
    if cut > 0 {
        let _ = write!(text, "\n{cut} of {all} changes have no room here; the report (`json`) has them.\n");
    }
    text
}

/// The lines for the log: what would change, the most alarming first.
pub fn lines(report: &Report) -> Vec<String> {
    let mut changes: Vec<(Change, String)> = Vec::new();
    for image in &report.images {
        let change = Change::of(image);
        if matches!(change, Change::MoveVersion | Change::Move | Change::Gone) {
            let name = image.target.as_ref().unwrap_or(&image.source);
            let digest = |digest: Option<&Digest>| digest.map_or("–".to_owned(), ToString::to_string);
            let word = if change == Change::MoveVersion { "MOVE (a version)" } else { change.word() };
            let line = match change {
                Change::Gone => format!("{word} {name}"),
                _ => format!("{word} {name} {} → {}", digest(image.replaced.as_ref()), digest(image.digest.as_ref())),
            };
            changes.push((change, line));
        }
    }
    changes.sort();
    std::iter::once(format!("plan: {}", totals(report))).chain(changes.into_iter().map(|(_, line)| line)).collect()
}

/// The places that ask for images, in order.
fn sections(list: &ListReport) -> Vec<At> {
    let mut sections: Vec<At> = Vec::new();
    let selecting = list.entries.iter().map(|entry| &entry.at);
    let refused = list.refused.iter().map(|(at, ..)| at);
    for at in list.origins.iter().chain(selecting).chain(refused) {
        if !sections.contains(at) {
            sections.push(at.clone());
        }
    }
    sections.sort();
    sections
}

fn rows(report: &Report, list: &ListReport, sections: &[At]) -> Vec<Row> {
    let failed = list.entries.iter().filter(|entry| entry.result.is_err()).map(|entry| &entry.at);
    let origins = list.origins.iter().chain(failed).chain(list.refused.iter().map(|(at, ..)| at));
    let row = |(image, at): (&ImageOutcome, &At)| {
        let change = Change::of(image);
        let section = sections.binary_search(at).ok()?;
        (change != Change::Unchanged).then(|| Row { section, change, text: row(report, image, change) })
    };
    report.images.iter().zip(origins).filter_map(row).collect()
}

fn row(report: &Report, image: &ImageOutcome, change: Change) -> String {
    let target = image.target.as_ref().unwrap_or(&image.source).to_string();
    let target = if change == Change::MoveVersion { format!("**{}**", code(&target)) } else { code(&target) };
    let short = |digest: Option<&Digest>| {
        digest.map_or("–".to_owned(), |digest| {
            format!("`{}:{}`", digest.algorithm(), digest.hex().get(..12).unwrap_or_default())
        })
    };
    let bytes = if matches!(change, Change::Add | Change::Move | Change::MoveVersion) {
        size(figures::bytes(report, image))
    } else {
        "–".to_owned()
    };
    let wanted = match change {
        Change::Gone | Change::Failed | Change::Deferred => None,
        Change::Kept => image.source_digest.as_ref(),
        _ => image.digest.as_ref(),
    };
    let before = if change == Change::Kept { image.digest.as_ref() } else { image.replaced.as_ref() };
    format!(
        "| {target} | {} | {} | {} | {bytes} | {} |\n",
        change.word(),
        short(before),
        short(wanted),
        image.traffic.pulls_billed
    )
}

/// What an entry's rules did, those of its tags that do not change, and the head of its table where others do.
fn head(at: &At, report: &Report, list: &ListReport) -> String {
    let mut text = format!("\n#### {}", markdown_text(&at.to_string()));
    let images: Vec<&ImageOutcome> =
        report.images.iter().zip(&list.origins).filter(|(_, origin)| *origin == at).map(|(image, _)| image).collect();
    let entry = list.entries.iter().find(|entry| entry.at == *at);
    let name = match (entry, images.first()) {
        (Some(entry), _) => Some(entry.source.registry().map_or_else(|| entry.source.to_string(), Reference::name)),
        (None, Some(image)) => Some(image.source.to_string()),
        (None, None) => None,
    };
    text += &name.map_or_else(String::new, |name| format!(" · {}", code(&name)));
    text += "\n\n";
    match entry.map(|entry| &entry.result) {
        Some(Ok(selection)) => {
            text.extend(selection.steps.iter().map(Step::sentence).map(|step| format!("- {}\n", markdown_text(&step))));
        }
        Some(Err(error)) => text.extend(["- ", &markdown_text(&error.to_string()), "\n"]),
        None => {}
    }
    let unchanged: Vec<&&ImageOutcome> = images.iter().filter(|image| Change::of(image) == Change::Unchanged).collect();
    if !unchanged.is_empty() {
        let tags = unchanged.iter().take(NAMED).filter_map(|image| image.target.as_ref()?.tag().map(code));
        let more = if unchanged.len() > NAMED { ", …" } else { "" };
        let _ = writeln!(text, "- {} unchanged: {}{more}", unchanged.len(), tags.collect::<Vec<_>>().join(", "));
    }
    let fails = entry.is_some_and(|entry| entry.result.is_err()) || list.refused.iter().any(|(other, ..)| other == at);
    if unchanged.len() < images.len() || fails {
        text += "\n| target | change | from | to | bytes | pulls |\n| --- | --- | --- | --- | ---: | ---: |\n";
    }
    text
}
