//! Other tools' lists, made into one of ours.
//!
//! Owns which tool a file is for, and what of it becomes what. What is not carried over is said in a comment where it would
//! have stood; a setting that is not known is one of these. Never repeats the value of anything that may be a secret: of logins
//! the host and the user's name. Pure: asks no registry, and what a list comes to is read by the reader of lists before it is
//! given out.

pub mod dregsy;
pub mod entry;
pub mod hauler;
pub mod image_syncer;
pub mod lists;
pub mod others;
pub mod pattern;
pub mod regsync;
pub mod skopeo_sync;

use crate::plan::import::entry::{Imported, Settings};
use crate::plan::list::yaml::{self, Node, Place, Problem, Value};

/// Reads the list of another tool.
pub fn read(name: &str, text: &str, settings: &Settings<'_>) -> Result<Imported, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lower = name.to_ascii_lowercase();
    let ends_with = |ends: &[&str]| ends.iter().any(|end| lower.ends_with(end));
    let is_structured = ends_with(&[".yml", ".yaml", ".json"]);
    if ends_with(&[".txt"]) {
        return Ok(lists::text(text, settings));
    }
    let mut imported = Imported::default();
    let mut documents = 0;
    for document in yaml::documents(text) {
        match document.root {
            Ok(root) if root.text().is_some() && !is_structured => return Ok(lists::text(text, settings)),
            Ok(root) => structured(&root, settings, &mut imported)?,
            Err(_) if !is_structured && documents == 0 => return Ok(lists::text(text, settings)),
            Err(problem) => return Err(problem),
        }
        documents += 1;
    }
    if documents == 0 {
        return Err(Problem::new(Place { line: 1, column: 1 }, "has nothing in it"));
    }
    Ok(imported)
}

fn structured(root: &Node, settings: &Settings<'_>, imported: &mut Imported) -> Result<(), Problem> {
    let has = |name: &str| root.get(name).is_some();
    let is_list = |name: &str| root.get(name).is_some_and(|node| matches!(node.value, Value::List(_)));
    let api = root.text_of("apiVersion").unwrap_or_default();
    let has_known = |known: &[&str]| {
        let maps = root.members().iter().map(|(_, value)| value.members());
        !root.members().is_empty()
            && maps.clone().all(|members| members.iter().any(|(key, _)| known.contains(&&*key.text)))
    };
    let is_own = |image: &Node| image.get("source").is_some() && image.get("tags").is_some();
    if root.get("images").is_some_and(|images| images.items().iter().any(is_own)) {
        return Err(Problem::new(root.place, "is a mirror list already: name it by `config`"));
    }
    match root.text_of("kind") {
        Some("ImageSetConfiguration") => others::oc_mirror(root, settings, imported),
        Some(_) if api.contains("hauler") => hauler::read(root, settings, imported),
        _ if is_list("sync") || has("creds") && has("defaults") => regsync::read(root, settings, imported),
        _ if is_list("tasks") => dregsy::read(root, settings, imported),
        _ if is_list("Artifacts") => others::rancher(root, imported),
        _ if is_list("mappings") => others::ocync(root, settings, imported),
        _ if root
            .get("images")
            .is_some_and(|images| images.items().iter().any(|image| image.get("dmap").is_some())) =>
        {
            others::kpromo(root, imported);
        }
        _ if has("jobs") => lists::matrix(root, imported),
        _ if matches!(root.value, Value::List(_)) || has("hub-mirror") || is_list("images") => {
            lists::json(root, settings, imported);
        }
        _ if has_known(&skopeo_sync::KEYS) => skopeo_sync::read(root, imported),
        _ if has("images") && has("auth") || has_known(&image_syncer::LOGIN_KEYS) || image_syncer::is_one(root) => {
            image_syncer::read(root, imported);
        }
        _ => {
            let problem = "is no list that is known: there are regsync, skopeo sync, image-syncer, dregsy, oc-mirror, hauler, \
                           ocync, rancher, kpromo, and lists of names";
            return Err(Problem::new(root.place, problem));
        }
    }
    Ok(())
}
