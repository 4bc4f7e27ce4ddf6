//! The plan of a list: what a run would change, as Markdown for a pull request, and as lines for the log.
//!
//! Owns how a change is called, of which kinds an entry's tags are said to be, that a version's tag which moves is seen first, and
//! what is left out where there is not room for all. Computes nothing that was not measured.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::engine::outcome::{ImageOutcome, Outcome, TargetTag};
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::plan::images::At;
use crate::plan::list::tags::Step;
use crate::plan::list::version::Version;
use crate::report::Report;
use crate::report::figures;
use crate::report::list::ListReport;
use crate::text::sanitise::{code, markdown_text, one_line, plain_code};
use crate::text::units::{count, size};

/// The most bytes of the whole: what a comment on GitHub has room for, and the sentence around it.
const LARGEST: usize = 60 * 1024;

/// Tags that are named of those that do not change, and failures that are told of a section.
const NAMED: usize = 20;

/// Characters of the sentence about a failure. In a comment or a pull request a registry's words call people, refer to issues and
/// close them wherever they are no code.
const SENTENCE: usize = 1_000;

/// Suffixes of an entry's tags that are told, the most frequent first.
const SUFFIXES: usize = 10;

/// Tags that move and should not that are named at the top; all are where their entry is.
const ALARMING: usize = 10;

/// What would become of a target's tag, the most alarming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A tag that names a version would point at something else: nobody should do that.
    MoveVersion,
    /// It would point at something else.
    Move,
    /// The source has no such tag any more, and the target has it.
    Gone,
    /// The source has no such tag, and the target has none either.
    Absent,
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
            Outcome::Failed if image.error.as_deref().is_some_and(is_absent) => {
                if image.target_tag == TargetTag::Present { Self::Gone } else { Self::Absent }
            }
            Outcome::Failed => Self::Failed,
            _ => Self::Unchanged,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::MoveVersion => "**move**",
            Self::Move => "move",
            Self::Gone => "gone upstream",
            Self::Absent => "not at the source",
            Self::Failed => "failed",
            Self::Add => "add",
            Self::Kept => "kept",
            Self::Deferred => "deferred",
            Self::Unchanged => "unchanged",
        }
    }
}

fn is_absent(error: &Error) -> bool {
    error.is_absent() && matches!(error, Error::Registry { side: Side::Source, .. })
}

fn is_version(image: &ImageOutcome) -> bool {
    image.target.as_ref().and_then(|target| target.tag()).and_then(Version::of).is_some()
}

/// What has a heading and a table of its own: an entry that selects tags, or the single images of a file, which have no rules
/// that could be told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Section {
    Entry(At),
    Singles(Arc<str>),
}

/// A row of the table of a section.
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
        (of(&[Change::Absent]), "not at the source"),
        (of(&[Change::Failed]), "failed"),
        (of(&[Change::Deferred]), "deferred"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// The plan as Markdown of at most 60 KiB; `pace` says how long registries make it.
pub fn markdown(report: &Report, list: &ListReport, pace: &[String]) -> String {
    let bytes = size(figures::total_bytes(report));
    let pulls = report.traffic().pulls_billed;
    // A column for each image's only where there were some.
    let bills = pulls > 0;
    let cost = if bills { format!("; to find that out took {}", count(pulls, "billed pull")) } else { String::new() };
    let mut top = format!("### Plan: {}\n\n{bytes} to send{cost}.\n", totals(report));
    for sentence in pace {
        let _ = writeln!(top, "{}", markdown_text(sentence));
    }
    let alarms = alarm(report) + &idle_rules(list);
    let sections = sections(report, list);
    let mut rows: Vec<Row> = Vec::new();
    for (number, (_, images)) in sections.iter().enumerate() {
        let changes = images.iter().map(|image| (image, Change::of(image)));
        let changes = changes.filter(|(_, change)| *change != Change::Unchanged);
        rows.extend(changes.map(|(image, change)| Row {
            section: number,
            change,
            text: row(report, image, change, bills),
        }));
    }
    let all = rows.len();
    rows.sort_by_key(|row| row.change);
    let columns = columns(bills);
    // The headings are there whatever else is: what was selected and why is what a plan is read for.
    let heads: Vec<String> = sections.iter().map(|(section, images)| head(section, images, list)).collect();
    let mut left = LARGEST.saturating_sub(top.len() + alarms.len() + 200);
    let mut shown: Vec<(String, Vec<Row>)> = Vec::new();
    for head in heads {
        let room = left.checked_sub(head.len() + columns.len());
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
    let mut text = top;
    if cut > 0 {
        let _ = writeln!(text, "{cut} of {all} changes have no room here; the report (`json`) has them.");
    }
    text += &alarms;
    for (head, rows) in shown {
        text += &head;
        if !rows.is_empty() {
            text += &columns;
        }
        text.extend(rows.into_iter().map(|row| row.text));
    }
    text
}

/// What stands in place of a plan that cannot be made.
pub fn none(problem: &str) -> String {
    format!("### Plan: none\n\n> [!CAUTION]\n> {}\n", markdown_text(problem))
}

/// The head of a section's table.
fn columns(bills: bool) -> String {
    let (name, line) = if bills { (" pulls |", " ---: |") } else { ("", "") };
    format!("\n| target | change | from | to | bytes |{name}\n| --- | --- | --- | --- | ---: |{line}\n")
}

/// A line for the log.
pub struct PlanLine {
    /// What it says.
    pub text: String,
    /// Whether it is about what nobody should do.
    pub is_alarm: bool,
}

/// The lines for the log: what would change, the most alarming first.
pub fn lines(report: &Report) -> Vec<PlanLine> {
    let mut changes: Vec<(Change, String)> = Vec::new();
    for image in &report.images {
        let change = Change::of(image);
        if matches!(change, Change::MoveVersion | Change::Move | Change::Gone | Change::Absent) {
            let name = image.target.as_ref().unwrap_or(&image.source);
            let digest = |digest: Option<&Digest>| digest.map_or("–".to_owned(), ToString::to_string);
            let word = if change == Change::MoveVersion { "MOVE (a version)" } else { change.word() };
            let line = match change {
                Change::Gone | Change::Absent => format!("{word} {name}"),
                _ => format!("{word} {name} {} → {}", digest(image.replaced.as_ref()), digest(image.digest.as_ref())),
            };
            changes.push((change, line));
        }
    }
    changes.sort();
    let first = std::iter::once(PlanLine { text: format!("plan: {}", totals(report)), is_alarm: false });
    let changes = changes.into_iter();
    first.chain(changes.map(|(change, text)| PlanLine { text, is_alarm: change == Change::MoveVersion })).collect()
}

/// Rules that select no tag, beside others of their entry that do: most often they are misspelt, and nothing else shows it.
fn idle_rules(list: &ListReport) -> String {
    let idle: Vec<String> = list.idle_rules().collect();
    if idle.is_empty() {
        return String::new();
    }
    let verb = if idle.len() == 1 { "selects" } else { "select" };
    let more = if idle.len() > ALARMING { ", …" } else { "" };
    let names: Vec<String> = idle.iter().take(ALARMING).map(|rule| code(rule)).collect();
    format!("\n> [!NOTE]\n> {} {verb} no tag: {}{more}\n", count(idle.len() as u64, "rule"), names.join(", "))
}

/// What nobody should do, where it cannot be overlooked.
fn alarm(report: &Report) -> String {
    let moved: Vec<&ImageOutcome> =
        report.images.iter().filter(|image| Change::of(image) == Change::MoveVersion).collect();
    if moved.is_empty() {
        return String::new();
    }
    let verb = if moved.len() == 1 { "names" } else { "name" };
    let names = moved.iter().take(ALARMING).filter_map(|image| Some(code(&image.target.as_ref()?.to_string())));
    let names = names.collect::<Vec<_>>().join(", ");
    let more = if moved.len() > ALARMING { ", …" } else { "" };
    let many = count(moved.len() as u64, "tag");
    format!("\n> [!WARNING]\n> {many} that {verb} a version would move: {names}{more}\n")
}

/// The sections, in the order of the list, each with its images; the single images of a file stand where its first one does.
fn sections<'a>(report: &'a Report, list: &ListReport) -> Vec<(Section, Vec<&'a ImageOutcome>)> {
    let selecting: BTreeSet<&At> = list.entries.iter().map(|entry| &entry.at).collect();
    let places: Vec<&At> = list.origins.iter().chain(list.failures().map(|(at, ..)| at)).collect();
    let mut sections: Vec<(Section, Vec<&ImageOutcome>)> = Vec::new();
    let mut found: BTreeMap<&At, usize> = BTreeMap::new();
    for at in places.iter().copied().chain(selecting.iter().copied()).collect::<BTreeSet<_>>() {
        let section = match at {
            At::List(position) if !selecting.contains(at) => Section::Singles(Arc::clone(&position.file)),
            _ => Section::Entry(at.clone()),
        };
        let there = sections.iter().position(|(other, _)| *other == section);
        let index = there.unwrap_or_else(|| {
            sections.push((section, Vec::new()));
            sections.len() - 1
        });
        found.insert(at, index);
    }
    for (image, at) in report.images.iter().zip(places) {
        if let Some((_, images)) = found.get(at).and_then(|index| sections.get_mut(*index)) {
            images.push(image);
        }
    }
    sections
}

fn row(report: &Report, image: &ImageOutcome, change: Change, bills: bool) -> String {
    // Where none is known, what was to go there.
    let target = match (&image.target, change) {
        (Some(target), Change::MoveVersion) => format!("**{}**", code(&target.to_string())),
        (Some(target), _) => code(&target.to_string()),
        (None, _) => format!("– (source {})", code(&image.source.to_string())),
    };
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
        Change::Gone | Change::Absent | Change::Failed | Change::Deferred => None,
        Change::Kept => image.source_digest.as_ref(),
        _ => image.digest.as_ref(),
    };
    let before = if change == Change::Kept { image.digest.as_ref() } else { image.replaced.as_ref() };
    let pulls = match change {
        _ if !bills => String::new(),
        // What it costs is not known.
        Change::Deferred => " – |".to_owned(),
        _ => format!(" {} |", image.traffic.pulls_billed),
    };
    format!("| {target} | {} | {} | {} | {bytes} |{pulls}\n", change.word(), short(before), short(wanted))
}

/// Of what kinds an entry's tags are: a range of versions takes every suffix, a glob every pre-release, and both versions that
/// are cut short.
fn kinds(tags: &BTreeSet<&str>) -> String {
    let versions: Vec<(&str, Version)> = tags.iter().filter_map(|tag| Some((*tag, Version::of(tag)?))).collect();
    let (early, released): (Vec<_>, Vec<_>) = versions.into_iter().partition(|(_, version)| version.is_pre_release());
    let mut suffixes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, version) in &released {
        *suffixes.entry(&version.variant).or_default() += 1;
    }
    let mut suffixes: Vec<(&str, usize)> = suffixes.into_iter().collect();
    suffixes.sort_by_key(|(_, count)| Reverse(*count));
    let more = suffixes.len() > SUFFIXES;
    suffixes.truncate(SUFFIXES);
    let mut kinds: Vec<String> = Vec::new();
    kinds.extend(suffixes.into_iter().map(|(suffix, count)| match suffix {
        "" => format!("{count} without a suffix"),
        suffix => format!("{count} {}", code(&format!("-{suffix}"))),
    }));
    kinds.extend(more.then(|| "…".to_owned()));
    kinds.extend((!early.is_empty()).then(|| count(early.len() as u64, "pre-release")));
    match tags.len() - early.len() - released.len() {
        0 => {}
        1 => kinds.push("1 that is no version".to_owned()),
        others => kinds.push(format!("{others} that are no version")),
    }
    let short = cut_short(&released);
    let reach = reach(early.into_iter().chain(released).collect());
    format!("- {}{reach}{short}\n", kinds.join(", "))
}

/// From which of the versions to which they go.
fn reach(mut versions: Vec<(&str, Version)>) -> String {
    // Of the same version the shortest tag.
    versions.sort_by(|(one, a), (other, b)| (a.numbers, &a.rank, one.len()).cmp(&(b.numbers, &b.rank, other.len())));
    versions.dedup_by(|(_, a), (_, b)| (a.numbers, &a.rank) == (b.numbers, &b.rank));
    match versions.as_slice() {
        [(lowest, _), .., (highest, _)] => format!("; from {} to {}", code(lowest), code(highest)),
        _ => String::new(),
    }
}

/// Of versions those that another one of the same suffix begins with, and has a number more.
fn cut_short(versions: &[(&str, Version)]) -> String {
    let mut beginnings: BTreeSet<(&str, &[u64])> = BTreeSet::new();
    for (tag, version) in versions {
        let longer = (1..Version::length(tag)).filter_map(|length| version.numbers.get(..length));
        beginnings.extend(longer.map(|numbers| (version.variant.as_str(), numbers)));
    }
    let is_short = |(tag, version): &&(&str, Version)| {
        let numbers = version.numbers.get(..Version::length(tag)).unwrap_or_default();
        beginnings.contains(&(version.variant.as_str(), numbers))
    };
    let short: Vec<&(&str, Version)> = versions.iter().filter(is_short).collect();
    let example = short.iter().max_by_key(|(tag, version)| (version.numbers, Reverse(tag.len())));
    example.map_or_else(String::new, |(tag, _)| format!("; {} cut short, as {}", short.len(), code(tag)))
}

/// What a section's rules did, those of its tags that do not change, and why some failed.
fn head(section: &Section, images: &[&ImageOutcome], list: &ListReport) -> String {
    let entry = list.entries.iter().find(|entry| matches!(section, Section::Entry(at) if entry.at == *at));
    let mut text = match (section, entry) {
        (Section::Entry(at), Some(entry)) => {
            let name = entry.source.registry().map_or_else(|| entry.source.to_string(), Reference::name);
            let tags: BTreeSet<&str> = images.iter().filter_map(|image| image.source.tag()).collect();
            // What an entry that fails would have come to is not known.
            let (many, kinds) = match &entry.result {
                Ok(_) if !tags.is_empty() => (format!(" · {}", count(tags.len() as u64, "tag")), kinds(&tags)),
                _ => Default::default(),
            };
            format!("\n#### {} · {}{many}\n\n{kinds}", markdown_text(&at.to_string()), code(&name))
        }
        (Section::Entry(at), None) => format!("\n#### {}\n\n", markdown_text(&at.to_string())),
        (Section::Singles(file), _) => {
            format!("\n#### {} · {}\n\n", markdown_text(file), count(images.len() as u64, "single image"))
        }
    };
    if let Some(Ok(selection)) = entry.map(|entry| &entry.result) {
        let step = |step: &Step| format!("- {} {}\n", code(&step.rule), markdown_text(&step.did()));
        text.extend(selection.steps.iter().map(step));
    }
    let unchanged: Vec<&&ImageOutcome> = images.iter().filter(|image| Change::of(image) == Change::Unchanged).collect();
    if !unchanged.is_empty() {
        // The tag alone says nothing where each image is of another repository.
        let name = |image: &&&ImageOutcome| {
            let target = image.target.as_ref()?;
            Some(if entry.is_some() { code(target.tag()?) } else { code(&target.to_string()) })
        };
        let mut tags: Vec<String> = unchanged.iter().filter_map(name).collect();
        // Of several targets each has it.
        tags.dedup();
        let more = if tags.len() > NAMED { ", …" } else { "" };
        tags.truncate(NAMED);
        let _ = writeln!(text, "- {} unchanged: {}{more}", unchanged.len(), tags.join(", "));
    }
    let failed =
        images.iter().filter(|image| matches!(Change::of(image), Change::Failed | Change::Gone | Change::Absent));
    for error in failed.filter_map(|image| image.error.as_deref()).take(NAMED) {
        let _ = writeln!(text, "- {}", plain_code(&one_line(&error.to_string(), SENTENCE)));
    }
    text
}
