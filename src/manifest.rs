//! Manifests as bytes with a media type.
//!
//! Owns: parsing far enough to list children, blobs, platforms and the subject. Never re-serialises: what is pushed is
//! what was fetched, byte for byte, because the digest is over those bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci_client::manifest as media;
use serde::Deserialize;

use crate::digest::Digest;
use crate::platform::Platform;

/// The largest manifest that is read, in bytes: distribution-spec, "Pushing Manifests", and what registries accept.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// How deep indexes may nest. Real images use two levels; the bound stops a hostile tree.
pub const DEEPEST: usize = 8;

/// Docker image manifest, schema 1, signed: the media type that only old registries still answer.
const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

/// The withdrawn OCI artifact manifest of image-spec 1.1-rc; still found in registries.
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// What a manifest request accepts, preferred first (registries.md: generic artifacts need `*/*`).
pub const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json, ",
    "*/*"
);

/// A pointer to content: what it is, its digest, its size (image-spec, "OCI Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    #[serde(default)]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
    /// The platform that an index entry is for.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Annotations of an index entry.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Artifact type of an index entry.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Where else the content can be had: foreign layers.
    #[serde(default)]
    pub urls: Option<Vec<String>>,
}

impl Descriptor {
    /// Whether this names a manifest, so that it is fetched and pushed as one.
    pub fn is_manifest(&self) -> bool {
        is_index_type(&self.media_type) || is_image_type(&self.media_type) || is_schema1(&self.media_type)
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
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

pub(crate) fn is_index_type(media_type: &str) -> bool {
    media_type == media::OCI_IMAGE_INDEX_MEDIA_TYPE || media_type == media::IMAGE_MANIFEST_LIST_MEDIA_TYPE
}

fn is_image_type(media_type: &str) -> bool {
    media_type == media::OCI_IMAGE_MEDIA_TYPE
        || media_type == media::IMAGE_MANIFEST_MEDIA_TYPE
        || media_type == ARTIFACT
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
    pub annotations: BTreeMap<String, String>,
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
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
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
    annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// Reads `bytes`, which the registry called `content_type`.
    ///
    /// The header decides the media type; where it is generic, the `mediaType` field does, then the structure. Fails
    /// with a sentence for what is not a manifest, or not one that can be copied exactly.
    pub fn parse(bytes: Bytes, content_type: Option<&str>, digest: Digest) -> Result<Self, String> {
        let header = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
        if header.is_some_and(is_schema1) {
            return Err(SCHEMA1_REFUSED.to_owned());
        }
        let parsed: Parsed =
            serde_json::from_slice(&bytes).map_err(|error| format!("is not a manifest that can be read: {error}"))?;
        let field = parsed.media_type.as_deref();
        let media_type = [header, field]
            .into_iter()
            .flatten()
            .find(|value| is_index_type(value) || is_image_type(value))
            .map(str::to_owned);
        let media_type = match (media_type, &parsed) {
            (Some(media_type), _) => media_type,
            (None, Parsed { manifests: Some(_), .. }) => media::OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned(),
            (None, Parsed { config: Some(_), layers: Some(_), .. }) => media::OCI_IMAGE_MEDIA_TYPE.to_owned(),
            (None, Parsed { schema_version: Some(1), .. }) => return Err(SCHEMA1_REFUSED.to_owned()),
            (None, _) => return Err("is neither an image manifest nor an index".to_owned()),
        };
        let content = if is_index_type(&media_type) {
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

    /// What points at this manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
            platform: None,
            annotations: None,
            artifact_type: None,
            urls: None,
        }
    }

    /// The manifests that this one lists.
    pub fn children(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries().iter().filter(|entry| entry.is_manifest())
    }

    /// The blobs that this one needs at the target, in order, with repetitions: config first; foreign layers are not
    /// among them, index entries that are not manifests are.
    pub fn blobs(&self) -> Vec<&Descriptor> {
        match &self.content {
            Content::Index(entries) => entries.iter().filter(|entry| !entry.is_manifest()).collect(),
            Content::Image { config, layers } => {
                config.as_deref().into_iter().chain(layers.iter().filter(|layer| !layer.is_foreign())).collect()
            }
        }
    }

    /// Layers whose bytes stay where their `urls` say.
    pub fn foreign_layers(&self) -> usize {
        match &self.content {
            Content::Index(_) => 0,
            Content::Image { layers, .. } => layers.iter().filter(|layer| layer.is_foreign()).count(),
        }
    }

    /// Whether this is an index or a manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self.content, Content::Index(_))
    }

    /// All entries of an index; none for an image.
    pub fn entries(&self) -> &[Descriptor] {
        match &self.content {
            Content::Index(entries) => entries,
            Content::Image { .. } => &[],
        }
    }

    /// Config and layers together, in bytes.
    pub fn content_size(&self) -> u64 {
        match &self.content {
            Content::Index(_) => 0,
            Content::Image { config, layers } => {
                config.as_deref().into_iter().chain(layers).map(|blob| blob.size).fold(0, u64::saturating_add)
            }
        }
    }
}

const SCHEMA1_REFUSED: &str = "is a Docker schema 1 manifest; registries no longer take it, and converting it would change \
     its digest. Rebuild the image, or push it again with a current tool";

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Content, Digest, Manifest};

    fn parse(text: &str, content_type: Option<&str>) -> Result<Manifest, String> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, content_type, digest)
    }

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

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
    fn foreign_layers_stay_where_they_are() {
        let text = format!(
            r#"{{"config":{{"digest":"{EMPTY}","size":0}},"layers":[
                {{"digest":"{EMPTY}","size":7,"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}},
                {{"digest":"{EMPTY}","size":3}}]}}"#
        );
        let manifest = parse(&text, None).expect("an image");
        assert_eq!(manifest.blobs().len(), 2);
        assert_eq!(manifest.foreign_layers(), 1);
        assert_eq!(manifest.content_size(), 10);
    }

    #[test]
    fn what_cannot_be_copied_exactly_is_refused_with_a_sentence() {
        for (text, header, part) in [
            ("x", None, "is not a manifest that can be read"),
            ("{}", None, "neither an image manifest nor an index"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, None, "schema 1"),
            ("{}", Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), "schema 1"),
            (r#"{"manifests":[],"manifests":[]}"#, None, "duplicate field"),
            (r#"{"manifests":[{"digest":"sha256:zz","size":1}]}"#, None, "there must be 64"),
            (r#"{"manifests":[{"digest":"x","size":-1}]}"#, None, "is not a"),
        ] {
            let problem = parse(text, header).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
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
