//! GitHub's workflows and actions: `container`, `services`, `uses: docker://…`, `runs.image`.
//!
//! Expressions are worked out by GitHub; of them only those of a matrix that is written out are followed.

use crate::plan::find::found::{Collector, Written};
use crate::plan::find::matrix::Matrix;
use crate::plan::list::yaml::Node;

/// How an image is written where a name alone would be another action.
const DOCKER: &str = "docker://";

pub fn read(root: &Node, collector: &mut Collector<'_>) {
    for (_, job) in root.get("jobs").map(Node::members).unwrap_or_default() {
        let matrix = Matrix::of(job);
        if let Some(container) = job.get("container") {
            image(container.get("image").unwrap_or(container), &matrix, collector);
        }
        for (_, service) in job.get("services").map(Node::members).unwrap_or_default() {
            if let Some(text) = service.get("image") {
                image(text, &matrix, collector);
            }
        }
        steps(job, collector);
    }
}

pub fn action(root: &Node, collector: &mut Collector<'_>) {
    let Some(runs) = root.get("runs") else { return };
    if let Some(image) = runs.get("image") {
        prefixed(image, collector);
    }
    steps(runs, collector);
}

fn steps(of: &Node, collector: &mut Collector<'_>) {
    for step in of.get("steps").map(Node::items).unwrap_or_default() {
        if let Some(uses) = step.get("uses") {
            prefixed(uses, collector);
        }
    }
}

/// `docker://IMAGE`; anything else is an action or a Dockerfile.
fn prefixed(node: &Node, collector: &mut Collector<'_>) {
    if node.text().is_some_and(|text| text.trim().starts_with(DOCKER)) {
        image(node, &Matrix::default(), collector);
    }
}

fn image(node: &Node, matrix: &Matrix, collector: &mut Collector<'_>) {
    let Some(text) = node.text().map(str::trim).filter(|text| !text.is_empty()) else { return };
    let bare = text.strip_prefix(DOCKER).unwrap_or(text);
    if !bare.contains("${{") {
        if bare.contains('$') || bare.contains("{{") {
            return collector.unresolved(node.place, bare, "it has a `$`, and GitHub fills in `${{ … }}` only");
        }
        let written = collector.bytes(node, bare).map(Written::Whole);
        return collector.image(node.place, bare, written);
    }
    match matrix.fill(bare) {
        // A row of the matrix may leave it empty: that job has no container.
        Ok(values) => values.iter().filter(|value| !value.is_empty()).for_each(|value| {
            collector.image(node.place, value.strip_prefix(DOCKER).unwrap_or(value), None);
        }),
        Err(reason) => collector.unresolved(node.place, bare, reason),
    }
}
