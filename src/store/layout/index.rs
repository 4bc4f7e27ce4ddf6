//! `index.json` of a layout: its entries, their names, what is found under a name.
//!
//! Other entries are kept as they are, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::oci::annotations::Annotations;
use crate::oci::artifact::{Kind, cosign_tags, is_attachment_tag};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::oci::name::is_host;
use crate::oci::reference::Reference;
use crate::store::content::TagOrDigest;
use crate::text::sanitise;

pub const INDEX: &str = "index.json";

pub const NAME: &str = "org.opencontainers.image.ref.name";

/// What containerd, `docker save` and buildx write besides the name: the full reference.
pub const FULL_NAME: &str = "io.containerd.image.name";

/// In whose name an attachment is there, in a layout that keeps whole names: repositories, a space between. One digest may be
/// in several, and what hangs on it in one need not in another. Without it, it is there for all.
pub const REPOSITORIES: &str = "io.github.mirror-image.repositories";

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
        only(tag, &entries)
    }

    /// The entry whose whole name is `whole`.
    pub fn whole(&self, whole: &str) -> Result<Option<Found>, String> {
        let entries: Vec<&Value> = self.entries().filter(|entry| has_whole_name(entry, whole)).collect();
        only(whole, &entries)
    }

    /// The repository in whose name an image stands that is asked for without it; none where that is not sure.
    pub fn repository_of(&self, at: TagOrDigest<'_>) -> Option<Reference> {
        let is_meant = |name: &Reference| match at {
            TagOrDigest::Tag(tag) => name.tag() == Some(tag),
            TagOrDigest::Digest(_) => !name.tag().is_some_and(is_attachment_tag),
        };
        // Cheaply, before thousands of names are read.
        let may_be = |entry: &&Value| match at {
            TagOrDigest::Tag(tag) => name(entry).is_some_and(|name| name.ends_with(tag)),
            TagOrDigest::Digest(digest) => entry.get("digest").and_then(Value::as_str) == Some(digest.as_str()),
        };
        let names = self.entries().filter(may_be).filter_map(|entry| {
            let name = Reference::parse(name(entry).filter(begins_with_host)?).ok()?;
            is_meant(&name).then_some(name)
        });
        let mut repositories: Vec<Reference> = names.collect();
        repositories.dedup_by_key(|name| name.name());
        match repositories.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
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

    /// Gives `entry`, which has the name, `name` alone; whether anything changed.
    pub fn set(&mut self, name: &Name, entry: Value) -> Result<bool, String> {
        let Some(Value::Array(entries)) = self.0.get_mut("manifests") else { return Ok(false) };
        let same: Vec<usize> = (0..entries.len()).filter(|at| name.is_of(&entries[*at])).collect();
        // `docker save` of two images names both `latest`: to replace one would lose the other.
        let named: Vec<&Value> = same.iter().map(|at| &entries[*at]).collect();
        if named.iter().any(|other| other.get("digest") != named[0].get("digest")) {
            return Err(format!("cannot be written under this tag: {}", ambiguous(name.text(), &named)));
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

    /// Adds `entry`, if no entry has its digest, in the name of `repository` where one is meant; whether it did.
    pub fn add(&mut self, digest: &Digest, mut entry: Value, repository: Option<&str>) -> bool {
        let Some(Value::Array(entries)) = self.0.get_mut("manifests") else { return false };
        let has_digest = |entry: &Value| entry.get("digest").and_then(Value::as_str) == Some(digest.as_str());
        if entries.iter().any(|entry| has_digest(entry) && is_in(entry, repository)) {
            return false;
        }
        let Some(repository) = repository else {
            entries.push(entry);
            return true;
        };
        let others = entries.iter_mut().find(|entry| has_digest(entry) && annotation(entry, REPOSITORIES).is_some());
        if let Some(others) = others {
            let known = annotation(others, REPOSITORIES).unwrap_or_default();
            others["annotations"][REPOSITORIES] = json!(format!("{known} {repository}"));
        } else {
            entry["annotations"][REPOSITORIES] = json!(repository);
            entries.push(entry);
        }
        true
    }
}

/// What an image is called in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// By its tag alone, as most tools do.
    Tag(String),
    /// By its whole name, so that images of several repositories are told apart: `docker.io/library/alpine:3.20`.
    Whole(String),
}

impl Name {
    pub fn text(&self) -> &str {
        match self {
            Self::Tag(text) | Self::Whole(text) => text,
        }
    }

    fn is_of(&self, entry: &Value) -> bool {
        match self {
            Self::Tag(tag) => name(entry) == Some(tag),
            Self::Whole(whole) => has_whole_name(entry, whole),
        }
    }

    /// The annotations that an entry of this name has: containerd and Docker read the whole name where it is in one of its
    /// own, skopeo, oras and regclient take what is in the specification's.
    pub fn annotations(&self) -> Value {
        match self {
            Self::Tag(tag) => json!({ NAME: tag }),
            Self::Whole(whole) => json!({ NAME: whole, FULL_NAME: whole }),
        }
    }
}

/// What all of `entries`, which have this name, stand for.
fn only(name: &str, entries: &[&Value]) -> Result<Option<Found>, String> {
    let Some(first) = entries.first() else { return Ok(None) };
    if entries.iter().any(|entry| entry.get("digest") != first.get("digest")) {
        return Err(ambiguous(name, entries));
    }
    let found = read_entry(first)?;
    Ok(Some(Found { digest: found.digest, size: Some(found.size), media_type: Some(found.media_type) }))
}

/// Whether a name is a whole one: an image's in a registry.
pub fn begins_with_host(name: &&str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| is_host(host))
}

/// Whether it is the name of an attachment: its tag, by itself or in a repository.
pub fn is_attachment_name(name: &str) -> bool {
    is_attachment_tag(name.rsplit_once(':').map_or(name, |(_, tag)| tag))
}

/// What an entry says that its whole name is; none where it has none, or only a tag.
pub fn whole_text(entry: &Value) -> Option<&str> {
    let own = annotation(entry, FULL_NAME).filter(|name| !name.is_empty());
    own.or_else(|| name(entry).filter(begins_with_host))
}

/// Whether an entry is there in the name of `repository`; without one, every entry is.
pub fn is_in(entry: &Value, repository: Option<&str>) -> bool {
    let Some(repository) = repository else { return true };
    match (annotation(entry, REPOSITORIES), whole_text(entry)) {
        (Some(repositories), _) => repositories.split(' ').any(|name| name == repository),
        (None, Some(name)) => {
            let is_spelled_so = name.strip_prefix(repository).is_some_and(|rest| rest.starts_with([':', '@']));
            let last = repository.rsplit('/').next().unwrap_or(repository);
            is_spelled_so || name.contains(last) && Reference::parse(name).is_ok_and(|name| name.name() == repository)
        }
        (None, None) => true,
    }
}

/// Whether `whole`, as it is spelled out, is the whole name of an entry, however it is spelled there.
fn has_whole_name(entry: &Value, whole: &str) -> bool {
    let Some(text) = whole_text(entry) else { return false };
    // Of thousands of entries few are worth reading.
    let last = whole.rfind('/').map_or(whole, |slash| &whole[slash + 1..]);
    text == whole || text.ends_with(last) && Reference::parse(text).is_ok_and(|name| name.to_string() == whole)
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
/// be a tag. Nor does it say in whose name it is there.
pub fn referrer(manifest: &Manifest) -> Descriptor {
    let own = |key: &str| matches!(key, NAME | FULL_NAME | REPOSITORIES);
    let annotations: BTreeMap<&str, &str> = manifest.annotations.iter().filter(|(key, _)| !own(key)).collect();
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
