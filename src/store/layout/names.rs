//! The images that a layout has under whole names, as a list has them: `docker.io/library/alpine:3.20`.
//!
//! Owns that a directory from outside names nothing but images, each once, and that what it has besides is said. Reads
//! `index.json`, and of what has no name there whether it is attached to something. Never writes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Side};
use crate::oci::artifact::is_attachment_tag;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::oci::reference::Reference;
use crate::store::content::TagOrDigest;
use crate::store::layout::files::Files;
use crate::store::layout::index::{
    Found, Index, ambiguous, begins_with_host, described, is_saved_attachment, name, read_entry, whole_text,
};
use crate::store::layout::shared::Layouts;
use crate::text::quote::quote;

/// What a layout has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The images with whole names, in the order of these.
    pub images: Vec<Reference>,
    /// Images that have none, as people are told of them.
    pub others: Vec<String>,
}

/// The images of the layout in `directory`.
pub fn whole_names(layouts: &Layouts, directory: &Path) -> Result<Named, Error> {
    let files = Files::new(layouts, Side::Source, directory)?;
    files.check_layout()?;
    let index = files.index()?;
    let mut named: BTreeMap<String, (Reference, Vec<&Value>)> = BTreeMap::new();
    let mut others = Vec::new();
    for entry in index.entries() {
        match whole_name(entry).map_err(|problem| files.bad(problem))? {
            Some(reference) if reference.tag().is_some_and(is_attachment_tag) => {}
            Some(reference) => {
                named.entry(reference.to_string()).or_insert_with(|| (reference, Vec::new())).1.push(entry);
            }
            None => others.push(entry),
        }
    }
    if let Some((name, (_, entries))) = named.iter().find(|(_, (_, entries))| digests(entries).len() > 1) {
        return Err(files.bad(ambiguous(name, entries)));
    }
    let known: BTreeSet<&str> = named.values().flat_map(|(_, entries)| digests(entries)).collect();
    others.retain(|entry| !entry.get("digest").and_then(Value::as_str).is_some_and(|digest| known.contains(digest)));
    let others = images_of(&files, &index, others)?.into_iter().map(described).collect();
    Ok(Named { images: named.into_values().map(|(reference, _)| reference).collect(), others })
}

fn digests<'a>(entries: &[&'a Value]) -> BTreeSet<&'a str> {
    entries.iter().map(|entry| entry.get("digest").and_then(Value::as_str).unwrap_or_default()).collect()
}

/// The whole name of an entry; a sentence where it is no image's, or names something else than the entry.
fn whole_name(entry: &Value) -> Result<Option<Reference>, String> {
    let Some(text) = whole_text(entry) else { return Ok(None) };
    let bad = |problem: String| format!("has an entry that cannot be a list's: {problem}");
    let read = |text: &str| Reference::parse(text).map_err(|problem| bad(format!("its name {problem}")));
    let reference = read(text)?;
    // Who reads the other annotation would take it for another image.
    if let Some(other) = name(entry).filter(|other| begins_with_host(other) && *other != text) {
        let other = read(other)?;
        if (other.name(), other.tag()) != (reference.name(), reference.tag()) {
            return Err(bad(format!("it is named both `{reference}` and `{other}`")));
        }
    }
    let digest = entry.get("digest").and_then(Value::as_str).unwrap_or_default();
    if let Some(named) = reference.digest().filter(|named| named.as_str() != digest) {
        let has = quote(digest);
        return Err(bad(format!("`{}` is the name of {has}, not of {named}", reference.name())));
    }
    Ok(Some(reference))
}

/// Of `entries`, those that are images of their own: neither attached to something, nor part of an index of the layout, as
/// `oras` lists them.
fn images_of<'a>(files: &Files, index: &Index, entries: Vec<&'a Value>) -> Result<Vec<&'a Value>, Error> {
    let mut images: Vec<(&Value, Descriptor)> = Vec::new();
    for entry in entries {
        // With the tag of an attachment it is found by that.
        let is_attachment = name(entry).is_some_and(is_attachment_tag) || is_saved_attachment(entry);
        let Some(descriptor) = read_entry(entry).ok().filter(|_| !is_attachment) else { continue };
        if name(entry).is_none() && descriptor.may_be_manifest() && files.attachment(&descriptor)?.subject.is_some() {
            continue;
        }
        images.push((entry, descriptor));
    }
    if images.iter().any(|(entry, _)| name(entry).is_none()) {
        let parts = parts(files, index);
        images.retain(|(entry, descriptor)| name(entry).is_some() || !parts.contains(&descriptor.digest));
    }
    Ok(images.into_iter().map(|(entry, _)| entry).collect())
}

/// What the indexes that the layout lists have in them.
fn parts(files: &Files, index: &Index) -> BTreeSet<Digest> {
    let mut parts = BTreeSet::new();
    for descriptor in index.entries().filter_map(|entry| read_entry(entry).ok()) {
        let Descriptor { digest, size, media_type, .. } = descriptor;
        let found = Found { digest, size: Some(size), media_type: Some(media_type) };
        // What is broken is said where it is copied.
        if let Ok(Some(manifest)) = files.load(TagOrDigest::Digest(&found.digest), &found) {
            parts.extend(manifest.children().map(|child| child.digest.clone()));
        }
    }
    parts
}
