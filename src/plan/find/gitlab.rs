//! GitLab's pipelines: `image` and `services` of the whole, of `default` and of each job.
//!
//! Variables are filled in by GitLab, of which a project's own settings may be the last word: what has one is unresolved.

use crate::plan::find::found::Collector;
use crate::plan::list::yaml::{Key, Node};

/// Members of a pipeline that are no jobs.
const NO_JOBS: [&str; 9] =
    ["stages", "variables", "include", "workflow", "spec", "cache", "before_script", "after_script", "services"];

/// Whether a file is a pipeline: by its name, or by having stages and a job with a script.
pub fn is_one(lower: &str, root: &Node) -> bool {
    let is_job = |node: &Node| node.get("script").is_some() || node.get("trigger").is_some();
    [".gitlab-ci.yml", ".gitlab-ci.yaml"].iter().any(|end| lower.ends_with(end))
        || root.get("stages").is_some_and(|stages| !stages.items().is_empty())
            && root.members().iter().any(|(_, job)| is_job(job))
}

pub fn read(root: &Node, collector: &mut Collector<'_>) {
    of(root, collector);
    let is_job = |(key, _): &&(Key, Node)| !NO_JOBS.contains(&&*key.text);
    for (_, job) in root.members().iter().filter(is_job) {
        of(job, collector);
    }
    for include in root.get("include").into_iter().flat_map(each) {
        collector.note(include.place, "`include` is not followed: name what it has too");
    }
}

fn of(node: &Node, collector: &mut Collector<'_>) {
    let services = node.get("services").map(Node::items).unwrap_or_default();
    for image in node.get("image").into_iter().chain(services) {
        let name = image.get("name").unwrap_or(image);
        if name.text().is_none() && !name.items().is_empty() {
            collector.unresolved(name.place, "!reference", "it is what another job has");
        }
        collector.literal(name);
    }
}

/// The items of a list, or the one that stands in its place.
fn each(node: &Node) -> &[Node] {
    match node.items() {
        [] => std::slice::from_ref(node),
        items => items,
    }
}
