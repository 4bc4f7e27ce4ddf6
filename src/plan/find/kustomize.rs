//! Kustomizations that give an image another name and no tag: the tag is that of the resources.
//!
//! Owns when that is certain: where every resource is a file that is read too, and nothing else of the kustomization can change
//! an image. As kustomize does it, an image is renamed in lists of containers only, and by its name as it is written. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::oci::reference::Reference;
use crate::plan::find::found::{Found, Kind, Kustomization, Named, Reading, name_of};
use crate::plan::find::kubernetes::CONTAINERS;
use crate::plan::list::yaml::{self, Node, Value};

/// How deep kustomizations and objects are followed.
const DEEPEST: usize = 64;

/// A file that was read.
pub struct ReadFile {
    pub name: String,
    /// Its text, where something may be looked up in it.
    pub text: Option<String>,
    pub reading: Reading,
    /// Whether somebody named it.
    pub is_named: bool,
}

/// Resolves what is certain once all files are read.
pub fn settle(files: &mut [ReadFile]) {
    let by_path: BTreeMap<String, usize> =
        files.iter().enumerate().map(|(number, file)| (normal(&file.name), number)).collect();
    let mut settled = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let Some(kustomization) = &file.reading.kustomization else { continue };
        if kustomization.renames.is_empty() {
            continue;
        }
        let tree = Tree { files, by_path: &by_path };
        let Some(images) = tree.images(folder(&file.name), kustomization, 0) else { continue };
        for rename in &kustomization.renames {
            let behind =
                |image: &String| (name_of(image) == rename.from).then(|| image[rename.from.len()..].to_owned());
            let behind: BTreeSet<String> = images.iter().filter_map(behind).collect();
            let references: Option<Vec<Reference>> =
                behind.iter().map(|behind| Reference::parse(&format!("{}{behind}", rename.to)).ok()).collect();
            // What no container has is not known to be of no use: something may be named otherwise.
            if let Some(references) = references.filter(|references| !references.is_empty()) {
                settled.push((number, rename.at, references));
            }
        }
    }
    for (number, at, references) in settled {
        let Some(file) = files.get_mut(number) else { continue };
        let Some(place) = file.reading.found.get(at).cloned() else { continue };
        let more = references.into_iter().map(|reference| Found { named: Named::Certain(reference), ..place.clone() });
        for (index, found) in more.enumerate() {
            match file.reading.found.get_mut(at).filter(|_| index == 0) {
                Some(first) => *first = found,
                None => file.reading.found.push(found),
            }
        }
    }
}

/// All files, by their paths.
struct Tree<'a> {
    files: &'a [ReadFile],
    by_path: &'a BTreeMap<String, usize>,
}

impl Tree<'_> {
    /// What the containers of a kustomization's resources run, as it is written; none where not all of it is known.
    fn images(&self, directory: &str, kustomization: &Kustomization, depth: usize) -> Option<BTreeSet<String>> {
        let mut images = BTreeSet::new();
        for resource in kustomization.resources.as_ref().filter(|_| depth < DEEPEST)? {
            let path = if directory.is_empty() { normal(resource) } else { normal(&format!("{directory}/{resource}")) };
            if let Some(file) = self.file(&path) {
                let is_known = file.reading.kinds.iter().all(|kind| *kind == Kind::Kubernetes)
                    && !file.reading.notes.iter().any(|note| note.is_broken);
                images.extend(file.text.as_deref().filter(|_| is_known).and_then(containers)?);
                continue;
            }
            let base = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
            let base = base.iter().find_map(|name| self.file(&format!("{path}/{name}")))?;
            let below = base.reading.kustomization.as_ref().filter(|below| !below.has_images)?;
            images.extend(self.images(folder(&base.name), below, depth + 1)?);
        }
        Some(images)
    }

    fn file(&self, path: &str) -> Option<&ReadFile> {
        self.files.get(*self.by_path.get(path)?)
    }
}

/// The images of the containers in a file's objects; none where one of them is not known.
fn containers(text: &str) -> Option<BTreeSet<String>> {
    let mut images = BTreeSet::new();
    for document in yaml::documents(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        walk(document.root.as_ref().ok()?, 0, &mut images)?;
    }
    Some(images)
}

fn walk(node: &Node, depth: usize, images: &mut BTreeSet<String>) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    match &node.value {
        Value::List(items) => items.iter().try_for_each(|item| walk(item, depth + 1, images)),
        Value::Map(members) => members.iter().try_for_each(|(key, value)| {
            if CONTAINERS.contains(&key.text.as_str()) {
                images.extend(value.items().iter().filter_map(|item| Some(item.get("image")?.text()?.to_owned())));
            }
            walk(value, depth + 1, images)
        }),
        _ => Some(()),
    }
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A path without `.` and `..`, as far as those lead nowhere else.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}
