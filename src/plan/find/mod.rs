//! The images that files name: Dockerfiles, compose files, objects of Kubernetes, workflows and what else is listed in [`Kind`].
//!
//! Owns which kind a file is of, and what is certain: a place that names an image by the file's own grammar, all variables
//! known. What cannot be known is told with its place and the reason, and never filled in; what is a habit and no grammar is
//! looked at only where that is asked for. Files are parsed, never searched. Pure: reads no file, no variable of this process,
//! and asks no registry.

pub mod chart;
pub mod compose;
pub mod dockerfile;
pub mod found;
pub mod gitlab;
pub mod json;
pub mod kubernetes;
pub mod kustomize;
pub mod listed;
pub mod matrix;
pub mod plain;
pub mod rewrite;
pub mod values;
pub mod variables;
pub mod workflow;

use std::path::Path;

use crate::plan::find::found::{Collector, Kind, Reading, Settings};
use crate::plan::list::yaml::{self, Document, Node, Place};
use crate::text::quote::quote;

/// How a file came to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody named it, so that it is meant to name images.
    Named,
    /// It was found in a directory or by a glob.
    Searched,
}

/// Whether a file of a directory may be of a kind: what has another name is not even opened.
pub fn may_be_read(name: &str) -> bool {
    is_dockerfile(name) || is_yaml(name)
}

/// How a file begins that a run has written for those who pull.
const WRITTEN: &str = "# Written by mirror-image; the next run writes it anew.";

/// What a file of this name says.
pub fn read(name: &str, text: &str, origin: Origin, settings: &Settings) -> Reading {
    // It names what is in the mirror, and nothing that is to come there.
    if origin == Origin::Searched && text.starts_with(WRITTEN) {
        return Collector::new(text, settings).reading;
    }
    let base = Path::new(name).file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned());
    if is_dockerfile(&base) {
        return dockerfile::read(text, settings);
    }
    let mut collector = Collector::new(text, settings);
    if is_yaml(&base) {
        if json::is_devcontainer(&base.to_ascii_lowercase()) {
            structured(&base, &json::without_comments(text), &mut collector);
        } else {
            structured(&base, text, &mut collector);
        }
        if collector.reading.kinds.is_empty() && origin == Origin::Named && collector.reading.notes.is_empty() {
            collector.note(Place { line: 1, column: 1 }, what_else(text));
        }
        return collector.reading;
    }
    if base.to_ascii_lowercase().ends_with(".hcl") {
        let why = "is HCL, which is not read; `docker buildx bake --print | mirror-image images -` has it as JSON";
        collector.note(Place { line: 1, column: 1 }, why);
        return collector.reading;
    }
    let reading = by_content(&base, text, collector);
    if origin == Origin::Named {
        return reading;
    }
    // What a glob has besides is no list for having a word on each line; whoever means it so names it.
    let mut none = Collector::new(text, settings);
    if !reading.found.is_empty() {
        let what = "could be read as images, and its name does not say so: name the file itself if it is to be";
        none.note(Place { line: 1, column: 1 }, what);
    }
    none.reading
}

/// What a file says whose name says nothing: a list, a Dockerfile, objects from a pipe.
fn by_content(base: &str, text: &str, mut collector: Collector<'_>) -> Reading {
    let settings = collector.settings;
    if dockerfile::is_one(text) {
        return dockerfile::read(text, settings);
    }
    if text.lines().any(is_key) {
        structured(base, text, &mut collector);
        if !collector.reading.kinds.is_empty() || !collector.reading.notes.is_empty() {
            return collector.reading;
        }
    }
    plain::read(text, settings)
}

/// Whether a line can only be one of a map, or the mark between documents.
fn is_key(line: &str) -> bool {
    let key = line.split_once(':').is_some_and(|(key, rest)| {
        (rest.is_empty() || rest.starts_with([' ', '\r'])) && !key.is_empty() && !key.contains(['#', '='])
    });
    key || line.trim_end() == "---" || line.starts_with('{')
}

fn is_dockerfile(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let other = [".dockerignore", ".md", ".yml", ".yaml", ".json", ".sh", ".py", ".go", ".rs", ".txt"];
    let begins = ["dockerfile", "containerfile"]
        .iter()
        .any(|word| lower.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_'])));
    let ends = [".dockerfile", ".containerfile"].iter().any(|end| lower.ends_with(end));
    (begins || ends) && !other.iter().any(|end| lower.ends_with(end))
}

fn is_yaml(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower == "kustomization" || [".yml", ".yaml", ".json"].iter().any(|end| lower.ends_with(end))
}

/// Every document by its own kind: one file may have several.
fn structured(base: &str, text: &str, collector: &mut Collector<'_>) {
    for Document { root, is_template } in yaml::documents(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        match root {
            Ok(root) => document(base, &root, collector),
            Err(problem) if is_template => {
                let why = "is a template that is not filled in; render it first, for example \
                           `helm template … | mirror-image images -`";
                collector.note(problem.place, why);
            }
            Err(problem) => collector.broken(problem.place, problem.text),
        }
    }
}

fn document(base: &str, root: &Node, collector: &mut Collector<'_>) {
    let Some(kind) = kind_of(base, root, collector.settings.guess) else { return };
    collector.begin(kind);
    match kind {
        Kind::Compose => compose::read(root, collector),
        Kind::Kubernetes => kubernetes::read(root, collector),
        Kind::Kustomization => kubernetes::kustomization(root, collector),
        Kind::Chart => chart::read(root, collector),
        Kind::Workflow => workflow::read(root, collector),
        Kind::Action => workflow::action(root, collector),
        Kind::GitLab => gitlab::read(root, collector),
        Kind::Devcontainer => json::devcontainer(root, collector),
        Kind::Bake => json::bake(root, collector),
        Kind::Values => values::read(root, collector),
        Kind::Dockerfile | Kind::Plain => {}
    }
}

/// What a document is, by what is in it, and only then by the file's name.
fn kind_of(base: &str, root: &Node, guess: bool) -> Option<Kind> {
    let lower = base.to_ascii_lowercase();
    let api = root.text_of("apiVersion");
    let is_kustomization = matches!(lower.as_str(), "kustomization" | "kustomization.yml" | "kustomization.yaml");
    if api.is_some_and(|api| api.starts_with("kustomize.config.k8s.io/")) || is_kustomization {
        return Some(Kind::Kustomization);
    }
    if api.is_some() && root.text_of("kind").is_some() {
        return Some(Kind::Kubernetes);
    }
    if matches!(api, Some("v1" | "v2")) && root.get("name").is_some() && root.get("version").is_some() {
        return Some(Kind::Chart);
    }
    let has = |name: &str| root.get(name).is_some();
    let jobs = root.get("jobs").map(Node::members).unwrap_or_default();
    if jobs.iter().any(|(_, job)| job.get("runs-on").is_some() || job.get("uses").is_some()) {
        return Some(Kind::Workflow);
    }
    if root.get("runs").is_some_and(|runs| runs.get("using").is_some()) {
        return Some(Kind::Action);
    }
    if json::is_devcontainer(&lower) {
        return Some(Kind::Devcontainer);
    }
    if json::is_bake(&lower, root) {
        return Some(Kind::Bake);
    }
    if gitlab::is_one(&lower, root) {
        return Some(Kind::GitLab);
    }
    if is_compose(&lower, root) {
        return Some(Kind::Compose);
    }
    (guess && !root.members().is_empty() && !has("images")).then_some(Kind::Values)
}

/// A file with `services` may be a chart's values: by its name, or by having nothing that compose does not know.
fn is_compose(lower: &str, root: &Node) -> bool {
    let services = root.get("services").map(Node::members).unwrap_or_default();
    let is_named =
        ["compose", "docker-compose", "docker-stack", "podman-compose"].iter().any(|word| lower.starts_with(word))
            || lower.contains(".compose.")
            || lower.contains("-compose.");
    let is_known = |key: &str| {
        key.starts_with("x-")
            || ["version", "name", "services", "networks", "volumes", "secrets", "configs", "include", "models"]
                .contains(&key)
    };
    let is_service = |node: &Node| node.get("image").is_some() || node.get("build").is_some();
    if is_named {
        return root.get("services").is_some() || root.get("include").is_some();
    }
    root.members().iter().all(|(key, _)| is_known(&key.text)) && services.iter().any(|(_, node)| is_service(node))
}

/// Why a file that somebody named has none: it may be meant for another command.
fn what_else(text: &str) -> String {
    let first = yaml::documents(text).next().and_then(|document| document.root.ok());
    let has = |name: &str| first.as_ref().is_some_and(|root| root.get(name).is_some());
    if has("sync") || has("tasks") || has("mappings") || has("Artifacts") {
        return "is another tool's list; `mirror-image import` reads it".to_owned();
    }
    if has("images") {
        return "looks like a mirror list, which `config` takes".to_owned();
    }
    let keys: Vec<String> = first.iter().flat_map(Node::members).take(3).map(|(key, _)| quote(&key.text)).collect();
    let keys = if keys.is_empty() { String::new() } else { format!(" (its keys: {})", keys.join(", ")) };
    format!("is of no kind that names images{keys}; a chart's values are looked at with `guess`")
}

#[cfg(test)]
mod tests {
    use super::found::{Kind, Settings};
    use super::{Origin, read};

    #[test]
    fn what_a_glob_has_is_read_by_its_name_and_what_is_named_by_what_is_in_it() {
        let list = "flask\nrequests\n";
        for (name, text, named, is_said) in [
            ("k8s/requirements.txt", list, Some(Kind::Plain), true),
            ("k8s/NOTES", "FROM alpine:3\n", Some(Kind::Dockerfile), true),
            ("k8s/NOTES", "From the team with love\n", None, false),
            ("k8s/README.md", "# Title\n\nSome words, and more.\n", None, false),
        ] {
            let reading = |origin| read(name, text, origin, &Settings::default());
            assert_eq!(reading(Origin::Named).kinds.into_iter().next(), named, "{name}");
            let searched = reading(Origin::Searched);
            assert!(searched.kinds.is_empty() && searched.found.is_empty(), "{name}: {searched:?}");
            let said = searched.notes.iter().filter(|note| note.text.contains("name the file itself")).count();
            assert_eq!((said, searched.notes.len()), (usize::from(is_said), usize::from(is_said)), "{name}");
        }
        for origin in [Origin::Named, Origin::Searched] {
            assert_eq!(read("k8s/Dockerfile", "FROM alpine:3\n", origin, &Settings::default()).found.len(), 1);
        }
    }

    #[test]
    fn a_dockerfile_is_told_from_a_sentence() {
        for (text, is_one) in [
            ("FROM alpine", true),
            ("# mine\nfrom --platform=$BUILDPLATFORM alpine:3 as build", true),
            ("FROM alpine \\\n  AS build", true),
            ("ARG V=3\nFROM alpine:$V", true),
            ("From the team", false),
            ("From now on it is so", false),
        ] {
            let kinds = read("-", text, Origin::Named, &Settings::default()).kinds;
            assert_eq!(kinds.contains(&Kind::Dockerfile), is_one, "{text}");
        }
    }
}
