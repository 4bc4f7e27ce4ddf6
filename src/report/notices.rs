//! What is to be known of a run, each sentence once with the images that it is about.

use std::collections::HashMap;

use crate::oci::reference::ImageReference;
use crate::report::Report;

/// The sentences about the run as a whole, which are about no image, then those about images.
pub fn notices(report: &Report) -> Vec<(&str, Vec<&ImageReference>)> {
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
    about
}
