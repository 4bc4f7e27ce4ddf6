//! Manifests as bytes with a media type.
//!
//! Owns: parsing far enough to list children, blobs, platforms and the subject. Never re-serialises: what is pushed is
//! what was fetched, byte for byte, because the digest is over those bytes.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use oci_client::manifest as media;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::oci::annotations::Annotations;
use crate::oci::digest::Digest;
use crate::oci::object::read_by_member;
use crate::oci::platform::Platform;

/// The largest manifest that is read, in bytes: distribution-spec, "Pushing Manifests", and what registries accept.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// How many bytes the manifests of one image may have together, those of its attachments and the lists of them included. An
/// index with thousands of children has less; the bound stops a tree without end, which is held in memory.
pub const MOST_TOGETHER: u64 = 16 * 1024 * 1024;

/// How many of a blob's own addresses are kept, and asked.
pub const MOST_URLS: usize = 4;

/// How deep indexes may nest. Real images use two levels; the bound stops a hostile tree.
pub const DEEPEST: usize = 8;

/// Docker image manifest, schema 1, signed: the media type that only old registries still answer.
const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

/// The withdrawn OCI artifact manifest of image-spec 1.1-rc; still found in registries.
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// What artifacts had before that; registries still keep them as referrers (google/go-containerregistry#1697).
const ORAS_ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";

/// What a manifest request accepts, preferred first; generic artifacts need `*/*`. The media types are
/// those of `media`; a test compares them, because constants cannot be joined.
pub const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json, ",
    "*/*"
);

/// A pointer to content: what it is, its digest, its size (image-spec, "OCI Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Descriptor {
    /// Media type of the content.
    #[serde(default, deserialize_with = "crate::oci::null_is_none")]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes; 0 where none is given, as readers in Go have it.
    #[serde(default, deserialize_with = "crate::oci::null_is_none")]
    pub size: u64,
    /// The platform that an index entry is for.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Annotations of an index entry.
    #[serde(default)]
    pub annotations: Option<Annotations>,
    /// Artifact type of an index entry.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Where else the content can be had: foreign layers. The first [`MOST_URLS`].
    #[serde(default, deserialize_with = "urls")]
    pub urls: Option<Vec<String>>,
}

read_by_member!(Descriptor);

impl Descriptor {
    /// A pointer that says no more than this.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            annotations: None,
            artifact_type: None,
            urls: None,
        }
    }

    /// Whether this is the config that containers of an image are started by, by its type.
    pub fn is_image_config(&self) -> bool {
        self.media_type == media::IMAGE_CONFIG_MEDIA_TYPE || self.media_type == media::IMAGE_DOCKER_CONFIG_MEDIA_TYPE
    }

    /// Whether this names a manifest, so that it is fetched and pushed as one.
    pub fn is_manifest(&self) -> bool {
        is_index_type(&self.media_type) || is_image_type(&self.media_type) || is_schema1(&self.media_type)
    }

    /// Whether this, as an entry of an index, is to be asked for as a manifest. An index lists manifests (image-spec, "OCI
    /// Image Index"), so whatever is not surely a blob is one, under a type of its own or none: asked for as a blob, a
    /// registry that keeps both in one store would give it, and what it lists would be lost.
    pub fn may_be_manifest(&self) -> bool {
        self.is_manifest() || !is_blob_type(&self.media_type)
    }

    /// Whether this is a layer that registries do not hold: its bytes come from `urls` alone
    /// (image-spec, "Non-Distributable Layers"; Docker's foreign layers).
    pub fn is_foreign(&self) -> bool {
        self.media_type.contains(".nondistributable.") || self.media_type.contains(".foreign.")
    }

    /// Whether this is a build attestation of another entry of the same index (`BuildKit`'s `unknown/unknown`).
    pub fn is_attestation(&self) -> bool {
        self.annotation("vnd.docker.reference.type") == Some("attestation-manifest")
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key)
    }
}

pub(crate) fn is_index_type(media_type: &str) -> bool {
    media_type == media::OCI_IMAGE_INDEX_MEDIA_TYPE || media_type == media::IMAGE_MANIFEST_LIST_MEDIA_TYPE
}

fn is_image_type(media_type: &str) -> bool {
    media_type == media::OCI_IMAGE_MEDIA_TYPE
        || media_type == media::IMAGE_MANIFEST_MEDIA_TYPE
        || is_withdrawn_type(media_type)
}

/// Artifacts before OCI 1.1: they have `blobs`, and no config.
fn is_withdrawn_type(media_type: &str) -> bool {
    media_type == ARTIFACT || media_type == ORAS_ARTIFACT
}

/// Whether this is a layer's type or a config's. `BuildKit` lists both in the index of a build cache.
fn is_blob_type(media_type: &str) -> bool {
    let ends = ["+gzip", "+zstd", "+tar", ".tar"];
    let parts = [".layer.", ".rootfs.", ".config.", ".cacheconfig.", ".container.image."];
    ends.iter().any(|end| media_type.ends_with(end)) || parts.iter().any(|part| media_type.contains(part))
}

/// A type that says nothing but how bytes are to be shown.
fn is_generic_type(media_type: &str) -> bool {
    let known =
        ["application/json", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded"];
    media_type.is_empty() || media_type.starts_with("text/") || known.contains(&media_type)
}

/// The first [`MOST_URLS`] addresses: a manifest may hold a million, which nobody asks. The manifest itself keeps them all.
fn urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    struct First;
    impl<'de> Visitor<'de> for First {
        type Value = Option<Vec<String>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of addresses")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut first = Vec::new();
            while let Some(url) = seq.next_element::<String>()? {
                if first.len() < MOST_URLS {
                    first.push(url);
                }
            }
            Ok(Some(first))
        }
    }
    deserializer.deserialize_any(First)
}

fn is_schema1(media_type: &str) -> bool {
    SCHEMA1.contains(&media_type)
}

/// A manifest: its bytes, and what can be read from them.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The bytes as they were fetched.
    pub bytes: Bytes,
    /// The media type to push them with.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// What it points at.
    pub content: Content,
    /// The manifest this one is attached to (image-spec, "subject").
    pub subject: Option<Descriptor>,
    /// Type of the artifact, where it is one.
    pub artifact_type: Option<String>,
    /// Annotations.
    pub annotations: Annotations,
}

/// What a manifest points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Other manifests, or, rarely, blobs: an index or a Docker manifest list.
    Index(Vec<Descriptor>),
    /// A config, where there is one, and layers: an image or any other artifact.
    Image {
        /// The config blob; absent in artifact manifests of image-spec 1.1-rc.
        config: Option<Box<Descriptor>>,
        /// The layers in order; may repeat.
        layers: Vec<Descriptor>,
    },
    /// The layers of a Docker schema 1 image, each once.
    Schema1(Vec<Digest>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
struct Parsed {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    blobs: Option<Vec<Descriptor>>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

read_by_member!(Parsed);

impl Parsed {
    /// What the bytes are to be read as: what the header or the field says, where it is known, else what they look like;
    /// none for what may be schema 1.
    fn read_as<'a>(&'a self, header: Option<&'a str>) -> Result<Option<&'a str>, String> {
        let mut named = [header, self.media_type.as_deref()].into_iter().flatten();
        match (named.find(|name| is_index_type(name) || is_image_type(name)), self) {
            (Some(known), _) => Ok(Some(known)),
            (None, Self { manifests: Some(_), .. }) => Ok(Some(media::OCI_IMAGE_INDEX_MEDIA_TYPE)),
            (None, Self { config: Some(_), .. }) => Ok(Some(media::OCI_IMAGE_MEDIA_TYPE)),
            (None, Self { schema_version: Some(1), .. }) => Ok(None),
            (None, _) => Err("is neither an image manifest nor an index".to_owned()),
        }
    }

    /// What is wrong with reading it so.
    fn check(&self, read_as: &str, header: Option<&str>) -> Result<(), String> {
        let is_known = |name: &str| is_index_type(name) || is_image_type(name);
        // What one reader takes for an index and another for an image is two images with one digest (CVE-2021-41190).
        if let (Some(field), Some(header)) = (self.media_type.as_deref(), header)
            && is_known(field)
            && is_known(header)
            && field != header
        {
            return Err(format!("is served as `{header}` and calls itself `{field}`"));
        }
        if let Some(field) = self.media_type.as_deref().filter(|field| is_schema1(field)) {
            return Err(format!("is read as `{read_as}` and calls itself `{field}`"));
        }
        let (has_entries, has_content) = (self.manifests.is_some(), self.config.is_some() || self.layers.is_some());
        if if is_index_type(read_as) { has_content } else { has_entries } {
            return Err(format!("is served as `{read_as}` and has the parts of an index and of an image"));
        }
        // Without layers it is whole: an artifact that is all in its annotations (image-spec#1025), `null` where a Go
        // program had none.
        if is_image_type(read_as) && !is_withdrawn_type(read_as) && self.config.is_none() {
            return Err(format!("is served as `{read_as}` and has no config"));
        }
        Ok(())
    }

    /// The type to push it with: the one that it names (distribution-spec, "Pushing Manifests": a client MUST send the
    /// value of `mediaType` where there is one), else the one that it was served with, else what it was read as. A type
    /// that no specification names counts only where the parts tell the next reader what this is.
    fn pushed_as<'a>(&'a self, header: Option<&'a str>, read_as: &'a str) -> &'a str {
        let can_be_sent = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let is_told = self.manifests.is_some() || self.config.is_some();
        let is_read = |name: &&str| is_told || is_index_type(name) || is_image_type(name);
        let named = self.media_type.as_deref().filter(can_be_sent).filter(is_read);
        named.or(header.filter(can_be_sent).filter(|header| !is_generic_type(header))).unwrap_or(read_as)
    }
}

impl Manifest {
    /// Reads `bytes`, which the registry called `content_type`.
    ///
    /// The header decides how they are read; where it is generic, the `mediaType` field does, then the structure. Fails
    /// with a sentence for what is not a manifest, or not one that can be copied exactly.
    pub fn parse(bytes: Bytes, content_type: Option<&str>, digest: Digest) -> Result<Self, String> {
        let header = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err("is not a manifest that can be read: it is no JSON object".to_owned());
        }
        if let Some(media_type) = header.filter(|header| is_schema1(header)) {
            return Self::parse_schema1(bytes, media_type, digest);
        }
        let parsed: Parsed =
            serde_json::from_slice(&bytes).map_err(|error| format!("is not a manifest that can be read: {error}"))?;
        let Some(read_as) = parsed.read_as(header)? else { return Self::parse_schema1(bytes, SCHEMA1[0], digest) };
        parsed.check(read_as, header)?;
        let media_type = parsed.pushed_as(header, read_as).to_owned();
        let content = if is_index_type(read_as) {
            // Some tools write `"manifests": null` for an empty index.
            Content::Index(parsed.manifests.unwrap_or_default())
        } else {
            Content::Image {
                config: parsed.config.map(Box::new),
                layers: parsed.layers.or(parsed.blobs).unwrap_or_default(),
            }
        };
        Ok(Self {
            bytes,
            media_type,
            digest,
            content,
            subject: parsed.subject,
            artifact_type: parsed.artifact_type,
            annotations: parsed.annotations.unwrap_or_default(),
        })
    }

    /// Schema 1 names its layers without sizes, newest first, an empty one again and again.
    fn parse_schema1(bytes: Bytes, media_type: &str, digest: Digest) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", remote = "Self")]
        struct Schema1 {
            #[serde(deserialize_with = "crate::oci::null_is_none")]
            fs_layers: Vec<Layer>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", remote = "Self")]
        struct Layer {
            blob_sum: Digest,
        }
        read_by_member!(Schema1, Layer);
        let parsed: Schema1 = serde_json::from_slice(&bytes)
            .map_err(|error| format!("is not a schema 1 manifest that can be read: {error}"))?;
        let layers: BTreeSet<Digest> = parsed.fs_layers.into_iter().map(|layer| layer.blob_sum).collect();
        Ok(Self {
            bytes,
            media_type: media_type.to_owned(),
            digest,
            content: Content::Schema1(layers.into_iter().collect()),
            subject: None,
            artifact_type: None,
            annotations: Annotations::default(),
        })
    }

    /// Reads a signed schema 1 manifest of this name: its digest is over the bytes without the signatures, which the first
    /// of them says how to restore (distribution, "Image Manifest Version 2, Schema 1", signed manifests).
    ///
    /// None for anything else. What was signed must be a schema 1 manifest with the same layers by itself: such a signature
    /// could stand in any other manifest, and beside it whatever no digest is over.
    pub fn parse_signed(bytes: Bytes, digest: &Digest) -> Option<Self> {
        let payload = Bytes::from(signed_payload(&bytes)?);
        let parse = |bytes| Self::parse_schema1(bytes, SCHEMA1[0], digest.clone()).ok();
        let signed = parse(payload.clone()).filter(|_| digest.matches(&payload))?;
        parse(bytes).filter(|whole| whole.content == signed.content)
    }

    /// Blobs that are named without their size: the layers of a schema 1 manifest.
    pub fn blobs_without_size(&self) -> &[Digest] {
        match &self.content {
            Content::Schema1(layers) => layers,
            Content::Index(_) | Content::Image { .. } => &[],
        }
    }

    /// What points at this manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }

    /// Whether it is of a type that was given up before OCI 1.1, which few registries take.
    pub fn is_withdrawn(&self) -> bool {
        is_withdrawn_type(&self.media_type)
    }

    /// The artifact type: the manifest's field, else its config's media type (image-spec, "Guidelines for Artifact
    /// Usage").
    pub fn artifact_type(&self) -> Option<&str> {
        let config = match &self.content {
            Content::Image { config: Some(config), .. } => Some(config.media_type.as_str()),
            _ => None,
        };
        self.artifact_type.as_deref().filter(|text| !text.is_empty()).or(config).filter(|text| !text.is_empty())
    }

    /// Whether its config is one that containers are started by.
    pub fn is_container(&self) -> bool {
        let Content::Image { config: Some(config), .. } = &self.content else { return false };
        config.is_image_config()
    }

    /// The manifests that this one lists, and what may be one: see [`Descriptor::may_be_manifest`].
    pub fn children(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries().iter().filter(|entry| entry.may_be_manifest())
    }

    /// The blobs that this one needs at the target, in order, with repetitions: config first; foreign layers are not
    /// among them unless they are asked for, index entries that are not manifests are.
    pub fn blobs(&self, include_foreign: bool) -> Vec<&Descriptor> {
        match &self.content {
            Content::Index(entries) => entries.iter().filter(|entry| !entry.may_be_manifest()).collect(),
            Content::Schema1(_) => Vec::new(),
            Content::Image { config, layers } => config
                .as_deref()
                .into_iter()
                .chain(layers.iter().filter(|layer| include_foreign || !layer.is_foreign()))
                .collect(),
        }
    }

    /// Layers whose bytes stay where their `urls` say.
    pub fn foreign_layers(&self) -> usize {
        match &self.content {
            Content::Index(_) | Content::Schema1(_) => 0,
            Content::Image { layers, .. } => layers.iter().filter(|layer| layer.is_foreign()).count(),
        }
    }

    /// The entries of an index as they are written.
    pub fn raw_entries(&self) -> Result<Vec<Value>, String> {
        let mut index: Value = serde_json::from_slice(&self.bytes).map_err(|error| error.to_string())?;
        match index.get_mut("manifests").map(Value::take) {
            Some(Value::Array(entries)) => Ok(entries),
            _ => Err("has no entries".to_owned()),
        }
    }

    /// The same index with `entries` alone, as they are written, and an annotation that names the original. The one place
    /// where a manifest is written anew, because the user wishes it or the target takes no other.
    pub fn keeping(&self, entries: Vec<Value>, annotation: &str) -> Result<Self, String> {
        let mut index: Value = serde_json::from_slice(&self.bytes).map_err(|error| error.to_string())?;
        index["manifests"] = entries.into();
        // Docker's manifest list has no annotations.
        if self.media_type == media::OCI_IMAGE_INDEX_MEDIA_TYPE {
            index["annotations"][annotation] = self.digest.as_str().into();
        }
        let bytes = serde_json::to_vec(&index).map_err(|error| error.to_string())?;
        let digest = Digest::of(&bytes);
        Self::parse(bytes.into(), Some(&self.media_type), digest)
    }

    /// Whether this is an index or a manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self.content, Content::Index(_))
    }

    /// All entries of an index; none for an image.
    pub fn entries(&self) -> &[Descriptor] {
        match &self.content {
            Content::Index(entries) => entries,
            Content::Image { .. } | Content::Schema1(_) => &[],
        }
    }

    /// Config and layers together, in bytes.
    pub fn content_size(&self) -> u64 {
        match &self.content {
            Content::Index(_) | Content::Schema1(_) => 0,
            Content::Image { config, layers } => {
                config.as_deref().into_iter().chain(layers).map(|blob| blob.size).fold(0, u64::saturating_add)
            }
        }
    }
}

/// A manifest that waits to be used: its bytes alone. Read, it takes several times as much memory.
#[derive(Clone, Debug)]
pub struct PackedManifest {
    /// The digest of the bytes.
    pub digest: Digest,
    media_type: Box<str>,
    bytes: Bytes,
}

impl From<Manifest> for PackedManifest {
    fn from(manifest: Manifest) -> Self {
        let Manifest { bytes, media_type, digest, .. } = manifest;
        // The buffer that a body came in has room for more.
        Self { digest, media_type: media_type.into(), bytes: Bytes::copy_from_slice(&bytes) }
    }
}

impl PackedManifest {
    /// Reads it again, as it was read before.
    pub fn open(&self) -> Result<Manifest, String> {
        Manifest::parse(self.bytes.clone(), Some(&self.media_type), self.digest.clone())
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// What is said where `list` gives a manifest whose digest is right another size than it has.
pub fn wrong_size(list: &str, manifest: &Manifest, said: u64) -> String {
    format!(
        "{list} says that the manifest {} has {said} bytes, and it has {}; its digest is right, so it is taken as it is",
        manifest.digest,
        manifest.bytes.len()
    )
}

/// The bytes that the first signature is over.
fn signed_payload(bytes: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    #[derive(Deserialize)]
    struct Signed {
        signatures: Vec<Signature>,
    }
    #[derive(Deserialize)]
    struct Signature {
        protected: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Protected {
        format_length: usize,
        format_tail: String,
    }
    let decode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let signed: Signed = serde_json::from_slice(bytes).ok()?;
    let protected: Protected = serde_json::from_slice(&decode(&signed.signatures.first()?.protected)?).ok()?;
    let mut payload = bytes.get(..protected.format_length)?.to_vec();
    payload.extend(decode(&protected.format_tail)?);
    Some(payload)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Content, Manifest};
    use crate::oci::digest::Digest;

    fn parse(text: &str, content_type: Option<&str>) -> Result<Manifest, String> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, content_type, digest)
    }

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_accepted_are_the_media_types_that_are_known() {
        use oci_client::manifest as media;
        let known = [
            media::OCI_IMAGE_INDEX_MEDIA_TYPE,
            media::OCI_IMAGE_MEDIA_TYPE,
            media::IMAGE_MANIFEST_LIST_MEDIA_TYPE,
            media::IMAGE_MANIFEST_MEDIA_TYPE,
            "*/*",
        ];
        assert_eq!(super::ACCEPT, known.join(", "));
    }

    #[test]
    fn the_media_type_comes_from_the_header_then_the_field_then_the_structure() {
        let index = "application/vnd.oci.image.index.v1+json";
        let list = "application/vnd.docker.distribution.manifest.list.v2+json";
        for (text, header, expected) in [
            (r#"{"manifests":[]}"#, Some(list), list),
            (r#"{"manifests":[]}"#, Some("application/vnd.oci.image.index.v1+json; charset=utf-8"), index),
            (r#"{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"}"#, Some("text/plain"), list),
            (r#"{"manifests":[]}"#, Some("application/json"), index),
            (r#"{"manifests":null,"mediaType":"application/vnd.oci.image.index.v1+json"}"#, None, index),
        ] {
            let manifest = parse(text, header).expect(text);
            assert_eq!(manifest.media_type, expected, "{text} {header:?}");
            assert!(manifest.is_index());
        }
    }

    #[test]
    fn of_addresses_without_end_only_those_are_kept_that_are_asked() {
        let urls = |urls: &str| {
            let text =
                format!(r#"{{"config":{{"digest":"{EMPTY}"}},"layers":[{{"digest":"{EMPTY}","urls":{urls}}}]}}"#);
            let read = parse(&text, None)?;
            assert_eq!(read.bytes, text.as_bytes(), "what is copied");
            Ok::<_, String>(read.blobs(true).pop().unwrap().urls.clone())
        };
        let first: Vec<String> = (0..super::MOST_URLS).map(|number| number.to_string()).collect();
        let many: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
        assert_eq!(urls(&serde_json::to_string(&many).unwrap()), Ok(Some(first)));
        assert_eq!(urls("null"), Ok(None));
        assert_eq!(urls("[]"), Ok(Some(Vec::new())));
        for bad in ["\"a\"", "[1]", "[\"a\",\"b\",\"c\",\"d\",5]"] {
            assert!(urls(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn foreign_layers_stay_where_they_are() {
        let text = format!(
            r#"{{"config":{{"digest":"{EMPTY}","size":0}},"layers":[
                {{"digest":"{EMPTY}","size":7,"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}},
                {{"digest":"{EMPTY}","size":3}}]}}"#
        );
        let manifest = parse(&text, None).expect("an image");
        assert_eq!(manifest.blobs(false).len(), 2);
        assert_eq!(manifest.foreign_layers(), 1);
        assert_eq!(manifest.content_size(), 10);
    }

    #[test]
    fn what_cannot_be_copied_exactly_is_refused_with_a_sentence() {
        for (text, header, part) in [
            ("x", None, "is not a manifest that can be read"),
            ("{", None, "is not a manifest that can be read"),
            (r#"[2,"application/vnd.oci.image.index.v1+json",null,[]]"#, None, "no JSON object"),
            (r#"{"manifests":[["","sha256:00",1]]}"#, None, "expected an object"),
            ("{}", None, "neither an image manifest nor an index"),
            ("{}", Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), "schema 1"),
            (r#"{"manifests":[],"manifests":[]}"#, None, "duplicate field"),
            // Go's `encoding/json` reads the second one into the first one's place.
            (r#"{"manifests":[],"Manifests":[]}"#, None, "has `Manifests`, which some readers take for `manifests`"),
            (r#"{"config":null,"layer\u017f":[]}"#, None, "some readers take for `layers`"),
            (r#"{"manifests":[{"Digest":"sha256:0"}]}"#, None, "has `Digest`, which some readers take for `digest`"),
            (
                r#"{"manifests":[{"platform":{"os":"linux","OS":"windows"}}]}"#,
                None,
                "has `OS`, which some readers take for `os`",
            ),
            (r#"{"schemaVersion":1,"fsLayers":[],"FsLayers":[]}"#, None, "some readers take for `fsLayers`"),
            (
                r#"{"fsLayers":[{"blobSum":"sha256:0","BlobSum":""}]}"#,
                Some("application/vnd.docker.distribution.manifest.v1+json"),
                "there must be 64",
            ),
            (r#"{"schemaVersion":1,"fsLayers":[{"blobsum":""}]}"#, None, "some readers take for `blobSum`"),
            (
                r#"{"manifests":[]}"#,
                Some("application/vnd.oci.image.manifest.v1+json"),
                "parts of an index and of an image",
            ),
            (r#"{"manifests":[],"layers":[]}"#, None, "parts of an index and of an image"),
            (r#"{"layers":[]}"#, Some("application/vnd.oci.image.index.v1+json"), "parts of an index and of an image"),
            (r#"{"layers":[]}"#, Some("application/vnd.oci.image.manifest.v1+json"), "has no config"),
            (
                r#"{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json"}"#,
                Some("application/vnd.docker.distribution.manifest.list.v2+json"),
                "calls itself",
            ),
            (r#"{"manifests":[{"digest":"sha256:zz","size":1}]}"#, None, "there must be 64"),
            (r#"{"manifests":[{"digest":"x","size":-1}]}"#, None, "is not a"),
        ] {
            let problem = parse(text, header).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn a_signed_schema_1_manifest_is_named_by_what_was_signed() {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let payload = format!("{{\n   \"schemaVersion\": 1,\n   \"fsLayers\": [{{\"blobSum\": \"{EMPTY}\"}}]\n}}");
        let length = payload.len() - 2;
        let protected = encode(&format!(r#"{{"formatLength":{length},"formatTail":"{}"}}"#, encode("\n}")));
        let head = &payload[..length];
        let signed = format!("{head},\n   \"signatures\": [{{\"protected\": \"{protected}\"}}]\n}}");
        let name = Digest::of(payload.as_bytes());
        let read = |text: &str| Manifest::parse_signed(Bytes::copy_from_slice(text.as_bytes()), &name);
        let manifest = read(&signed).expect("a signed manifest");
        assert_eq!((manifest.blobs_without_size().len(), &manifest.digest), (1, &name));
        assert_eq!(manifest.bytes, signed.as_bytes());
        for other in ["{}", &payload, &signed.replace(EMPTY, &name.to_string())] {
            assert!(read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_signature_names_nothing_but_schema_1() {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let image = format!(r#"{{"config":{{"digest":"{EMPTY}","size":0}},"layers":[]}}"#);
        let length = image.len() - 1;
        let protected = encode(&format!(r#"{{"formatLength":{length},"formatTail":"{}"}}"#, encode("}")));
        let signature = format!(r#""signatures":[{{"protected":"{protected}"}}]"#);
        for more in ["", r#","annotations":{"a":"b"}"#, r#","fsLayers":[]"#] {
            let text = format!("{},{signature}{more}}}", &image[..length]);
            assert!(Manifest::parse_signed(text.into(), &Digest::of(image.as_bytes())).is_none(), "{more}");
        }
    }

    #[test]
    fn an_artifact_without_a_config_has_only_its_blobs() {
        let text = format!(
            r#"{{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[{{"digest":"{EMPTY}","size":0}}]}}"#
        );
        let manifest = parse(&text, None).expect("an artifact");
        assert!(matches!(&manifest.content, Content::Image { config: None, layers } if layers.len() == 1));
    }
}
