//! What failed: a row each with why and what to do, then everything that is known of it.

use std::fmt::Write as _;

use crate::engine::outcome::ImageOutcome;
use crate::error::Error;
use crate::report::Report;
use crate::report::failures::{FailureGroup, cut_off, groups};
use crate::report::log::others;
use crate::report::summary::markup::{fold, within};
use crate::text::sanitise::{cell_code, cell_text, markdown_text, plain_code};
use crate::text::units::count;

/// More images than this that failed for the same reason are one row.
const ROWS: usize = 3;

/// Bytes of the rows, and of the details.
const TABLE: usize = 96 * 1024;

const DETAILS: usize = 128 * 1024;

const CUT_OFF: usize = 32 * 1024;

/// Failures first.
pub fn failures(text: &mut String, report: &Report) {
    let groups = groups(report);
    if report.images.len() > 1 && !groups.is_empty() {
        table(text, &groups);
    }
    match &*groups {
        [] => {}
        // What is alone is read at once.
        [group] if group.images.len() == 1 => detail(text, group),
        _ => {
            let images = groups.iter().map(|group| group.images.len()).sum::<usize>();
            fold(text, &format!("Details of {}", count(images as u64, "failure")), |text| {
                within(text, DETAILS, "cause", groups.iter(), detail);
            });
        }
    }
    let cut_off = cut_off(report);
    if cut_off.is_empty() {
        return;
    }
    text.push_str("**Under way when the run was cancelled**\n\n");
    within(text, CUT_OFF, "image", cut_off.into_iter(), |text, image| {
        let state = image.state.as_deref().unwrap_or_default();
        let _ = writeln!(text, "- {}: {}", plain_code(&image.source.to_string()), markdown_text(state));
    });
    text.push('\n');
}

fn table(text: &mut String, groups: &[FailureGroup<'_>]) {
    text.push_str("| | Image | Why | What to do |\n| --- | --- | --- | --- |\n");
    let rows: Vec<(String, usize, &FailureGroup<'_>)> = groups
        .iter()
        .flat_map(|group| {
            let name = |(image, _): &(&ImageOutcome, &Error)| (cell_code(&image.source.to_string()), 1, group);
            match group.images.len() {
                images if images > ROWS => vec![(format!("{images} images"), images, group)],
                _ => group.images.iter().map(name).collect(),
            }
        })
        .collect();
    within(text, TABLE, "failure", rows.into_iter(), |text, (name, _, group)| {
        let to_do = group.hints.first().map_or("–".to_owned(), |hint| cell_text(hint));
        let _ = writeln!(text, "| ❌ | {name} | {} | {to_do} |", cell_text(&group.why));
    });
    text.push('\n');
}

/// All that is known of the images that failed for one reason.
fn detail(text: &mut String, group: &FailureGroup<'_>) {
    if let [(image, error)] = &*group.images {
        let target =
            image.target.as_ref().map_or(String::new(), |target| format!(" → {}", plain_code(&target.to_string())));
        let _ = writeln!(text, "**Failed: {}{target}**\n", plain_code(&image.source.to_string()));
        let (sentence, lines) = error.lines();
        let _ = writeln!(text, "> {}\n", markdown_text(&sentence));
        for line in &lines {
            let _ = writeln!(text, "> - {}", markdown_text(line));
        }
        if !lines.is_empty() {
            text.push('\n');
        }
        if let Some(state) = &image.state {
            let _ = writeln!(text, "State: {}\n", markdown_text(state));
        }
        hints(text, group);
        sites(text, image);
        return;
    }
    let _ = writeln!(text, "**{} images failed: {}**\n", group.images.len(), markdown_text(&group.why));
    hints(text, group);
    within(text, DETAILS, "image", group.images.iter(), |text, (image, error)| {
        let state = image.state.as_ref().map_or(String::new(), |state| format!("; state: {}", markdown_text(state)));
        let source = plain_code(&image.source.to_string());
        let _ = writeln!(text, "- {source}: {}{state}", markdown_text(&error.to_string()));
    });
    text.push('\n');
}

fn hints(text: &mut String, group: &FailureGroup<'_>) {
    for hint in &group.hints {
        let _ = writeln!(text, "- {}", markdown_text(hint));
    }
    if !group.hints.is_empty() {
        text.push('\n');
    }
}

fn sites(text: &mut String, image: &ImageOutcome) {
    for site in others(image) {
        let _ = writeln!(text, "- {}", markdown_text(&site));
    }
    if image.sites.len() > 1 {
        text.push('\n');
    }
}
