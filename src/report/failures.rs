//! What failed, put together where the cause is the same, so that it is read and mended once.

use std::collections::HashMap;

use crate::engine::outcome::ImageOutcome;
use crate::error::Error;
use crate::error::kind::Kind;
use crate::report::Report;
use crate::report::headline::is_cut_off;

/// Images that failed for the same reason, with the same advice.
#[derive(Debug)]
pub struct FailureGroup<'a> {
    /// What kind of failure it is.
    pub kind: Kind,
    /// Why, in a few words.
    pub why: String,
    /// What to do, most likely first.
    pub hints: Vec<String>,
    /// The images, each with its own error.
    pub images: Vec<(&'a ImageOutcome, &'a Error)>,
}

/// The failures of a run, in the order of their first images.
pub fn groups(report: &Report) -> Vec<FailureGroup<'_>> {
    let mut groups: Vec<FailureGroup<'_>> = Vec::new();
    let mut places: HashMap<(String, Vec<String>), usize> = HashMap::new();
    for image in report.images.iter().filter(|image| report.images.len() == 1 || !is_cut_off(image)) {
        let Some(error) = image.error.as_deref() else { continue };
        let (why, hints) = (error.why(), error.hints(report.reader));
        let place = *places.entry((why.clone(), hints.clone())).or_insert_with(|| {
            groups.push(FailureGroup { kind: error.kind(), why, hints, images: Vec::new() });
            groups.len() - 1
        });
        groups[place].images.push((image, error));
    }
    groups
}

/// The images that were under way when the run was cancelled.
pub fn cut_off(report: &Report) -> Vec<&ImageOutcome> {
    report.images.iter().filter(|image| report.images.len() > 1 && is_cut_off(image)).collect()
}
