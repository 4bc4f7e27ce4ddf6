//! `Chart.yaml`: the images that a chart's annotations list, and the charts in registries that it depends on.
//!
//! The annotations are YAML within a text; what they say of conditions is not looked at.

use crate::plan::find::found::Collector;
use crate::plan::find::variables;
use crate::plan::list::version::Range;
use crate::plan::list::yaml::{self, Node, Place};

/// The annotations that list images.
const ANNOTATIONS: [&str; 3] = ["images", "artifacthub.io/images", "helm.sh/images"];

pub fn read(root: &Node, collector: &mut Collector<'_>) {
    for name in ANNOTATIONS {
        let Some(annotation) = root.get("annotations").and_then(|annotations| annotations.get(name)) else { continue };
        let Some(text) = annotation.text() else { continue };
        for document in yaml::documents(text) {
            match document.root {
                Ok(list) => list.items().iter().filter_map(|item| item.get("image")).for_each(|image| {
                    listed(annotation, image, collector);
                }),
                Err(_) => collector.note(annotation.place, format!("the annotation `{name}` is no YAML")),
            }
        }
    }
    for dependency in root.get("dependencies").map(Node::items).unwrap_or_default() {
        let (Some(repository), Some(name)) = (dependency.get("repository"), dependency.text_of("name")) else {
            continue;
        };
        let Some(registry) = repository.text().and_then(|text| text.strip_prefix("oci://")) else { continue };
        let version = dependency.text_of("version").unwrap_or_default();
        let chart = format!("{}/{name}", registry.trim_end_matches('/'));
        let tag = version.strip_prefix('=').unwrap_or(version).trim().replace('+', "_");
        if let Some(reason) = variables::unknown(&chart) {
            collector.unresolved(repository.place, &chart, reason);
        } else if is_range(version) {
            let reason = "its version is a range; the chart's lock file has the version";
            collector.unresolved(repository.place, &format!("{chart}:{version}"), reason);
        } else {
            collector.remark = Some("a chart");
            collector.image(repository.place, &format!("{chart}:{tag}"), None);
            collector.remark = None;
        }
    }
}

/// An image of an annotation: in a block of lines on a line of its own, else where the annotation stands.
fn listed(annotation: &Node, image: &Node, collector: &mut Collector<'_>) {
    let Some(text) = image.text().map(str::trim).filter(|text| !text.is_empty()) else { return };
    let is_quoted = collector.text.get(annotation.span.clone()).is_none_or(|raw| raw.starts_with(['"', '\'']));
    let line = annotation.place.line + if is_quoted { 0 } else { image.place.line - 1 };
    let place = Place { line, ..annotation.place };
    match variables::unknown(text) {
        Some(reason) => collector.unresolved(place, text, reason),
        None => collector.image(place, text, None),
    }
}

/// Whether a version leaves open which: by an operator, a letter for any number, or numbers that are missing.
fn is_range(version: &str) -> bool {
    let bare = version.strip_prefix('=').unwrap_or(version).trim().trim_start_matches('v');
    let core = bare.split(['-', '+']).next().unwrap_or_default();
    let is_whole = core.split('.').count() == 3
        && core.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    !is_whole || Range::parse(version).is_err() && version.contains([' ', '|', ','])
}
