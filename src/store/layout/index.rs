//! `index.json` of a layout: its entries, their names, what is found under a name.
//!
//! Other entries are kept as they are, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::oci::annotations::Annotations;
use crate::oci::artifact::{Kind, cosign_tags};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::text::sanitise;

pub const INDEX: &str = "index.json";

pub const NAME: &str = "org.opencontainers.image.ref.name";

/// What containerd, `docker save` and buildx write besides the name: the full reference.
pub const FULL_NAME: &str = "io.containerd.image.name";

/// An entry has about 250 bytes; read, it takes ten times as much memory.
pub const LARGEST_INDEX: u64 = 4 * 1024 * 1024;

/// The most values that are read of `index.json`: a value takes memory, however short it is. Entries have one in twenty
/// bytes.
pub const MOST_VALUES: usize = 256 * 1024;

/// How many names an error lists.
pub const LISTED: usize = 20;

/// A manifest to be read: what is known of it before.
pub struct Found {
    pub digest: Digest,
    pub size: Option<u64>,
    pub media_type: Option<String>,
}

/// `index.json`, with everything in it that is not ours to know.
pub struct Index(Map<String, Value>);

impl Index {
    pub fn empty() -> Self {
        let mut fields = Map::new();
        fields.insert("schemaVersion".to_owned(), json!(2));
        fields.insert("mediaType".to_owned(), json!(OCI_IMAGE_INDEX_MEDIA_TYPE));
        fields.insert("manifests".to_owned(), json!([]));
        Self(fields)
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        // Each value but the first stands behind one of these.
        let values = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':')).count();
        if values > MOST_VALUES {
            return Err(format!("may have {values} values, more than the {MOST_VALUES} that are read"));
        }
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        match fields.get("manifests") {
            Some(Value::Array(_)) => {}
            // Some tools write `null` for an empty list.
            None | Some(Value::Null) => {
                fields.insert("manifests".to_owned(), json!([]));
            }
            Some(_) => return Err("cannot be read: `manifests` is not a list".to_owned()),
        }
        Ok(Self(fields))
    }

    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&self.0).map_err(|error| error.to_string())
    }

    pub fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0.get("manifests").and_then(Value::as_array).into_iter().flatten()
    }

    pub fn names(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.entries().filter_map(name).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Whether one name stands for several things.
    pub fn has_ambiguous_names(&self) -> bool {
        let named = self.entries().filter_map(|entry| Some((name(entry)?, entry.get("digest")?.as_str()?)));
        named.collect::<BTreeSet<_>>().len() > self.names().len()
    }

    /// The entry whose name is `tag`, or, where `full` names count, a reference with that tag.
    pub fn named(&self, tag: &str, full: bool) -> Result<Option<Found>, String> {
        let suffix = format!(":{tag}");
        let mut entries: Vec<&Value> = self.entries().filter(|entry| name(entry) == Some(tag)).collect();
        if entries.is_empty() && full {
            let ends = |entry: &&Value| {
                [name(entry), annotation(entry, FULL_NAME)].iter().flatten().any(|name| name.ends_with(&suffix))
            };
            entries = self.entries().filter(ends).collect();
        }
        let Some(first) = entries.first() else { return Ok(None) };
        if entries.iter().any(|entry| entry.get("digest") != first.get("digest")) {
            return Err(ambiguous(tag, &entries));
        }
        let found = read_entry(first)?;
        Ok(Some(Found { digest: found.digest, size: Some(found.size), media_type: Some(found.media_type) }))
    }

    /// What `cosign save` has kept for the only image in the directory, by the tag that it has in a registry: entries have
    /// neither a name nor a subject there, only a kind (sigstore/cosign, `pkg/oci/layout`).
    pub fn saved(&self, tag: &str) -> Option<Found> {
        let mut images = self.entries().filter(|entry| matches!(saved_kind(entry), Some("image" | "imageIndex")));
        let (Some(image), None) = (images.next(), images.next()) else { return None };
        let (_, kind) = cosign_tags(&read_entry(image).ok()?.digest).find(|(own, _)| own == tag)?;
        let kind = match kind {
            Kind::Signature => "sigs",
            Kind::Attestation => "atts",
            Kind::Sbom => "sboms",
            Kind::Artifact => return None,
        };
        let found = read_entry(self.entries().find(|entry| saved_kind(entry) == Some(kind))?).ok()?;
        Some(Found { digest: found.digest, size: Some(found.size), media_type: Some(found.media_type) })
    }

    /// Gives `entry` the name `tag` alone; whether anything changed.
    pub fn set(&mut self, tag: &str, entry: Value) -> Result<bool, String> {
        let Some(Value::Array(entries)) = self.0.get_mut("manifests") else { return Ok(false) };
        let same: Vec<usize> = (0..entries.len()).filter(|at| name(&entries[*at]) == Some(tag)).collect();
        // `docker save` of two images names both `latest`: to replace one would lose the other.
        let named: Vec<&Value> = same.iter().map(|at| &entries[*at]).collect();
        if named.iter().any(|other| other.get("digest") != named[0].get("digest")) {
            return Err(format!("cannot be written under this tag: {}", ambiguous(tag, &named)));
        }
        match same.split_first() {
            Some((first, [])) if entries[*first] == entry => return Ok(false),
            Some((first, others)) => {
                entries[*first] = entry;
                for at in others.iter().rev() {
                    entries.remove(*at);
                }
            }
            None => entries.push(entry),
        }
        Ok(true)
    }

    /// Adds `entry`, if no entry has its digest; whether it did.
    pub fn add(&mut self, digest: &Digest, entry: Value) -> bool {
        let Some(Value::Array(entries)) = self.0.get_mut("manifests") else { return false };
        let has = entries.iter().any(|entry| entry.get("digest").and_then(Value::as_str) == Some(digest.as_str()));
        if !has {
            entries.push(entry);
        }
        !has
    }
}

pub fn ambiguous(tag: &str, entries: &[&Value]) -> String {
    let each: Vec<String> = entries.iter().map(|entry| described(entry)).collect();
    format!(
        "`{INDEX}` has several entries for `{}`; name one by its digest: {}",
        sanitise::one_line(tag, 200),
        shortened(&each)
    )
}

pub fn annotation<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get("annotations")?.get(key)?.as_str()
}

/// What `cosign save` says that an entry is: `image`, `imageIndex`, `sigs`, `atts`.
fn saved_kind(entry: &Value) -> Option<&str> {
    annotation(entry, "kind")?.strip_prefix("dev.cosignproject.cosign/")
}

/// Whether `cosign save` keeps an entry for another one.
pub fn is_saved_attachment(entry: &Value) -> bool {
    saved_kind(entry).is_some_and(|kind| !matches!(kind, "image" | "imageIndex"))
}

/// An entry as people are told of it: by the name that it has besides its tag, else by its name, and by its digest.
pub fn described(entry: &Value) -> String {
    let digest = entry.get("digest").and_then(Value::as_str).unwrap_or_default();
    match (annotation(entry, FULL_NAME).or_else(|| name(entry)), saved_kind(entry)) {
        (Some(name), _) => format!("{name} {digest}"),
        (None, Some(kind)) => format!("{digest} ({kind} of `cosign save`)"),
        (None, None) => digest.to_owned(),
    }
}

pub fn name(entry: &Value) -> Option<&str> {
    annotation(entry, NAME).filter(|name| !name.is_empty())
}

pub fn read_entry(entry: &Value) -> Result<Descriptor, String> {
    <Descriptor as Deserialize>::deserialize(entry).map_err(|error| {
        format!("an entry of `{INDEX}` cannot be read: {}", sanitise::one_line(&error.to_string(), 300))
    })
}

/// A descriptor as an entry.
pub fn entry(descriptor: &Descriptor) -> Value {
    let mut entry = json!({
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    });
    if let Some(artifact_type) = &descriptor.artifact_type {
        entry["artifactType"] = json!(artifact_type);
    }
    if let Some(annotations) = &descriptor.annotations {
        entry["annotations"] = json!(annotations);
    }
    entry
}

/// A manifest as a listing of referrers has it (distribution-spec, "Listing Referrers"). It keeps no name: that would
/// be a tag.
pub fn referrer(manifest: &Manifest) -> Descriptor {
    let annotations: BTreeMap<&str, &str> = manifest.annotations.iter().filter(|(key, _)| *key != NAME).collect();
    Descriptor {
        annotations: Some(Annotations::from(annotations)).filter(|annotations| !annotations.is_empty()),
        artifact_type: manifest.artifact_type().map(str::to_owned),
        ..manifest.descriptor()
    }
}

pub fn unreadable(error: &serde_json::Error) -> String {
    format!("cannot be read: {}", sanitise::one_line(&error.to_string(), 200))
}

pub fn shortened(names: &[String]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| sanitise::one_line(name, 200)).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(", …");
    }
    text
}
