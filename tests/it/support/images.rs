//! Fixtures, built in code and the same on every run: images as raw bytes with the digests of those bytes.
//! Manifests are written as text, not serialised, so that their odd spacing proves that bytes survive a copy.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest as _, Sha256, Sha512};

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// One content-addressed thing: a blob or a manifest.
#[derive(Clone, Debug)]
pub struct Object {
    pub digest: String,
    pub media_type: String,
    pub bytes: Bytes,
}

impl Object {
    pub fn new(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: sha256(&bytes), media_type: media_type.to_owned(), bytes }
    }

    /// The descriptor, with odd spacing on purpose.
    pub fn descriptor(&self) -> String {
        self.descriptor_with("")
    }

    /// The descriptor with more members, each as `, "key": value`.
    pub fn descriptor_with(&self, more: &str) -> String {
        let (digest, media_type, size) = (&self.digest, &self.media_type, self.bytes.len());
        format!(r#"{{ "size":{size},   "digest" : "{digest}","mediaType": "{media_type}"{more} }}"#)
    }
}

/// An image, an index or an artifact with everything below it. `manifests` holds leaves first and the root last.
#[derive(Clone, Debug)]
pub struct Image {
    pub blobs: Vec<Object>,
    pub manifests: Vec<Object>,
    /// `os/arch[/variant]` and the child's digest, in the order of the index.
    pub platforms: Vec<(String, String)>,
}

impl Image {
    pub fn root(&self) -> &Object {
        self.manifests.last().expect("an image has a root")
    }

    pub fn digest(&self) -> &str {
        &self.root().digest
    }

    /// The child's digest for `os/arch[/variant]`.
    pub fn child(&self, platform: &str) -> &str {
        let found = self.platforms.iter().find(|(name, _)| name == platform);
        &found.unwrap_or_else(|| panic!("the fixture has no platform {platform}: {:?}", self.platforms)).1
    }

    /// The blobs of one manifest (config first), without repeats.
    pub fn blobs_of(&self, manifest: &str) -> Vec<String> {
        let object = self.manifests.iter().find(|m| m.digest == manifest).expect("the fixture has this manifest");
        let mut found: Vec<String> = references(&object.bytes).into_iter().map(|r| r.digest).collect();
        found.dedup();
        found
    }

    /// Bytes of all blobs, each counted once.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.bytes.len() as u64).sum()
    }

    fn with(mut self, other: Self) -> Self {
        for (all, more) in [(&mut self.blobs, other.blobs), (&mut self.manifests, other.manifests)] {
            for object in more {
                if !all.iter().any(|known| known.digest == object.digest) {
                    all.push(object);
                }
            }
        }
        self
    }

    /// Writes an OCI image layout with this image under `tag`; a directory that is a layout already gains a tag.
    pub fn write_layout(&self, directory: &Path, tag: &str) {
        let blobs = directory.join("blobs");
        for object in self.blobs.iter().chain(&self.manifests) {
            let (algorithm, hex) = object.digest.split_once(':').expect("a digest has an algorithm");
            std::fs::create_dir_all(blobs.join(algorithm)).unwrap();
            std::fs::write(blobs.join(algorithm).join(hex), &object.bytes).unwrap();
        }
        std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = directory.join("index.json");
        let mut entries: Vec<serde_json::Value> = std::fs::read(&index)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
            .and_then(|json| json["manifests"].as_array().cloned())
            .unwrap_or_default();
        let root = self.root();
        entries.push(serde_json::json!({
            "mediaType": root.media_type, "digest": root.digest, "size": root.bytes.len(),
            "annotations": { "org.opencontainers.image.ref.name": tag },
        }));
        let json = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        std::fs::write(index, json.to_string()).unwrap();
    }
}

/// What a manifest points at.
#[derive(Clone, Debug)]
pub struct Pointer {
    pub digest: String,
    pub size: u64,
    /// Child of an index, as opposed to a config or a layer.
    pub child: bool,
    /// Has `urls` or a foreign media type: the content may live elsewhere.
    pub foreign: bool,
}

/// Everything that a manifest's bytes point at, except its `subject`.
pub fn references(manifest: &[u8]) -> Vec<Pointer> {
    let json: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
    let pointer = |descriptor: &serde_json::Value, child: bool| {
        let media_type = descriptor["mediaType"].as_str().unwrap_or_default().to_owned();
        Some(Pointer {
            digest: descriptor["digest"].as_str()?.to_owned(),
            size: descriptor["size"].as_u64().unwrap_or(u64::MAX),
            child,
            foreign: descriptor["urls"].is_array() || media_type.contains("foreign"),
        })
    };
    let mut all: Vec<Pointer> = pointer(&json["config"], false).into_iter().collect();
    all.extend(list("layers").iter().chain(&list("blobs")).filter_map(|layer| pointer(layer, false)));
    all.extend(list("manifests").iter().filter_map(|child| pointer(child, true)));
    all
}

/// The platform images, as a family: everything below differs by `seed` only.
#[derive(Clone, Copy)]
struct Family {
    index: &'static str,
    manifest: &'static str,
    config: &'static str,
    layer: &'static str,
}

const OCI: Family = Family { index: OCI_INDEX, manifest: OCI_MANIFEST, config: OCI_CONFIG, layer: OCI_LAYER };
const DOCKER: Family =
    Family { index: DOCKER_LIST, manifest: DOCKER_MANIFEST, config: DOCKER_CONFIG, layer: DOCKER_LAYER };

/// One OCI image for linux/amd64 with two layers.
pub fn single() -> Image {
    leaf(OCI, "linux/amd64", 1, &[layer(OCI, 11, 3_000), layer(OCI, 12, 1_500)])
}

/// The layers of [`single`] under another config.
pub fn single_with_another_config() -> Image {
    leaf(OCI, "linux/amd64", 3, &[layer(OCI, 11, 3_000), layer(OCI, 12, 1_500)])
}

/// One Docker schema 2 image for linux/amd64.
pub fn docker_single() -> Image {
    leaf(DOCKER, "linux/amd64", 2, &[layer(DOCKER, 21, 2_000)])
}

/// An OCI index with three platforms, non-canonical bytes: amd64, arm64, arm/v7; 9 layers, 3 configs, one layer shared.
pub fn three_platforms() -> Image {
    platforms(OCI, 100)
}

/// The same shape in Docker's types.
pub fn docker_list() -> Image {
    platforms(DOCKER, 200)
}

/// Another release of the three-platform image: same name, other content, one layer in common.
pub fn three_platforms_updated() -> Image {
    platforms(OCI, 300)
}

/// The three-platform index without its `mediaType` member.
pub fn index_without_media_type() -> Image {
    let mut image = three_platforms();
    let text = String::from_utf8(image.root().bytes.to_vec()).unwrap();
    let bare = text.replace(&format!("\n  \"mediaType\"  :\"{OCI_INDEX}\","), "");
    assert_ne!(bare, text);
    *image.manifests.last_mut().unwrap() = Object::new(OCI_INDEX, bare);
    image
}

/// Two platforms, each with a buildx attestation manifest (`unknown/unknown`).
pub fn with_attestations() -> Image {
    let mut all = Image { blobs: vec![], manifests: vec![], platforms: vec![] };
    let mut entries = Vec::new();
    for (number, platform) in ["linux/amd64", "linux/arm64"].into_iter().enumerate() {
        let seed = 400 + 10 * number as u64;
        let image = leaf(OCI, platform, seed, &[layer(OCI, seed + 1, 900)]);
        entries.push(image.root().descriptor_with(&platform_member(platform)));
        all.platforms.push((platform.to_owned(), image.digest().to_owned()));
        let statement = Object::new("application/vnd.in-toto+json", format!("{{ \"_type\": \"statement {seed}\" }}"));
        let attestation = leaf(OCI, "unknown/unknown", seed + 5, &[statement]);
        entries.push(attestation.root().descriptor_with(&format!(
            r#", "annotations": {{ "vnd.docker.reference.digest": "{}", "vnd.docker.reference.type": "attestation-manifest" }}{}"#,
            image.digest(),
            platform_member("unknown/unknown")
        )));
        all = all.with(image).with(attestation);
    }
    finish_index(all, OCI, &entries)
}

/// An index whose first child is an index.
pub fn nested_index() -> Image {
    let inner = three_platforms();
    let other = leaf(OCI, "linux/s390x", 500, &[layer(OCI, 501, 700)]);
    let entries = [inner.root().descriptor(), other.root().descriptor_with(&platform_member("linux/s390x"))];
    finish_index(Image { platforms: vec![], ..inner.with(other) }, OCI, &entries)
}

/// An OCI artifact: empty config `{}`, an `artifactType`, an annotation.
pub fn artifact() -> Image {
    let config = Object::new(EMPTY, "{}");
    let model = Object::new("application/vnd.example.model", seeded(600, 2_222));
    let manifest = format!(
        "{{\"schemaVersion\":2,\n\t\"mediaType\": \"{OCI_MANIFEST}\", \"artifactType\":\"application/vnd.example.thing\",\n\"layers\": [{}],\"config\":{},\"annotations\":{{\"z\":\"last\",\"a\":\"ä\\u00e9\"}}}}\n\n",
        model.descriptor(),
        config.descriptor()
    );
    Image { blobs: vec![config, model], manifests: vec![Object::new(OCI_MANIFEST, manifest)], platforms: vec![] }
}

/// An artifact whose `subject` is `image`: what a referrers API lists. Its tag for registries without the API is
/// `subject.replace(':', "-")`.
pub fn referrer_of(image: &Image, artifact_type: &str) -> Image {
    let config = Object::new(EMPTY, "{}");
    let content = Object::new(artifact_type, format!("about {} as {artifact_type}", image.digest()));
    let manifest = format!(
        "{{ \"schemaVersion\": 2, \"mediaType\": \"{OCI_MANIFEST}\", \"artifactType\": \"{artifact_type}\", \"config\": {}, \"layers\": [ {} ], \"subject\": {}, \"annotations\": {{ \"kind\": \"test\" }} }}",
        config.descriptor(),
        content.descriptor(),
        image.root().descriptor()
    );
    Image { blobs: vec![config, content], manifests: vec![Object::new(OCI_MANIFEST, manifest)], platforms: vec![] }
}

/// An image with a layer of no bytes.
pub fn zero_byte_layer() -> Image {
    leaf(OCI, "linux/amd64", 700, &[layer(OCI, 701, 500), Object::new(OCI_LAYER, "")])
}

/// An image that lists one layer three times.
pub fn duplicate_layers() -> Image {
    let twice = layer(OCI, 801, 1_234);
    leaf(OCI, "linux/amd64", 800, &[twice.clone(), layer(OCI, 802, 99), twice.clone(), twice])
}

/// An image with a layer named by sha512.
pub fn sha512_layer() -> Image {
    let bytes = seeded(900, 4_000);
    let object = Object { digest: sha512(&bytes), media_type: OCI_LAYER.to_owned(), bytes };
    leaf(OCI, "linux/amd64", 900, &[object, layer(OCI, 901, 400)])
}

/// An image with a foreign layer: the descriptor has `urls`, the content is nowhere in the fixture.
pub fn foreign_layer() -> Image {
    let foreign = Object::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", seeded(950, 10));
    let mut image = leaf(DOCKER, "windows/amd64", 950, &[layer(DOCKER, 951, 800), foreign.clone()]);
    image.blobs.retain(|blob| blob.digest != foreign.digest);
    image
}

/// One image with one layer of `size` bytes that do not compress.
pub fn big(size: usize, seed: u64) -> Image {
    leaf(OCI, "linux/amd64", seed, &[layer(OCI, seed, size)])
}

/// One image with `count` small layers.
pub fn many_layers(count: u64) -> Image {
    let layers: Vec<Object> = (0..count).map(|number| layer(OCI, 3_000 + number, 64)).collect();
    leaf(OCI, "linux/amd64", 3_000, &layers)
}

/// `count` images in one index, a layer of `size` bytes each: for runs that are killed half way.
pub fn wide(count: u64, size: usize) -> Image {
    wide_of(count, 1, size)
}

/// The same with so many layers each.
pub fn wide_of(count: u64, layers: u64, size: usize) -> Image {
    let mut all = Image { blobs: vec![], manifests: vec![], platforms: vec![] };
    let mut entries = Vec::new();
    for number in 0..count {
        let platform = format!("linux/arch{number}");
        let layers: Vec<Object> = (0..layers).map(|at| layer(OCI, 6_000 + number + at * count, size)).collect();
        let image = leaf(OCI, &platform, 5_000 + number, &layers);
        entries.push(image.root().descriptor_with(&platform_member(&platform)));
        all.platforms.push((platform, image.digest().to_owned()));
        all = all.with(image);
    }
    finish_index(all, OCI, &entries)
}

/// The images `numbers` in one index, each with a manifest of `size` bytes: more than there is room for beside others.
pub fn large_manifests(numbers: std::ops::Range<u64>, size: usize) -> Image {
    let mut all = Image { blobs: vec![], manifests: vec![], platforms: vec![] };
    let mut entries = Vec::new();
    for number in numbers {
        let platform = format!("linux/arch{number}");
        let mut image = leaf(OCI, &platform, 9_000 + number, &[base_layer()]);
        let mut bytes = image.root().bytes.to_vec();
        bytes.resize(size, b' ');
        image.manifests = vec![Object::new(&image.root().media_type, bytes)];
        entries.push(image.root().descriptor_with(&platform_member(&platform)));
        all.platforms.push((platform, image.digest().to_owned()));
        all = all.with(image);
    }
    finish_index(all, OCI, &entries)
}

/// The layer that all releases share.
pub fn base_layer() -> Object {
    layer(OCI, 8_000, 20_000)
}

/// One of many releases of an application: the base layer, and a layer of its own.
pub fn release(number: u64) -> Image {
    leaf(OCI, "linux/amd64", 10_000 + number, &[base_layer(), layer(OCI, 20_000 + number, 300)])
}

/// A manifest of any text, with blobs it may or may not need: for hostile input.
pub fn raw(media_type: &str, text: impl Into<Bytes>, blobs: Vec<Object>) -> Image {
    Image { blobs, manifests: vec![Object::new(media_type, text)], platforms: vec![] }
}

/// `size` bytes that only `seed` decides (xorshift).
pub fn seeded(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&Sha512::digest(bytes)))
}

/// The digest of `bytes` by the algorithm that `like` names; `None` for one that is unknown.
pub fn digest_like(like: &str, bytes: &[u8]) -> Option<String> {
    match like.split_once(':')?.0 {
        "sha256" => Some(sha256(bytes)),
        "sha512" => Some(sha512(bytes)),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn layer(family: Family, seed: u64, size: usize) -> Object {
    Object::new(family.layer, seeded(seed, size))
}

fn platform_member(platform: &str) -> String {
    let mut parts = platform.split('/');
    let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
    let variant = parts.next().map(|variant| format!(",\"variant\":\"{variant}\"")).unwrap_or_default();
    format!(r#","platform":{{"os":"{os}" , "architecture":"{architecture}"{variant}}}"#)
}

fn leaf(family: Family, platform: &str, seed: u64, layers: &[Object]) -> Image {
    let mut parts = platform.split('/');
    let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
    let variant = parts.next().map(|variant| format!(",\"variant\":\"{variant}\"")).unwrap_or_default();
    let diffs: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", sha256(&layer.bytes))).collect();
    let config = format!(
        "{{\"os\":\"{os}\",\"architecture\":\"{architecture}\"{variant},\"config\":{{\"Labels\":{{\"seed\":\"{seed}\"}}}},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}}}}",
        diffs.join(",")
    );
    let config = Object::new(family.config, config);
    let list: Vec<String> = layers.iter().map(Object::descriptor).collect();
    let manifest = format!(
        "{{\n   \"schemaVersion\":  2,\n  \"layers\" : [\n {}\n\n],\"config\":{},\n     \"mediaType\":\"{}\" }}\n",
        list.join(" ,\n"),
        config.descriptor(),
        family.manifest
    );
    let empty = Image { blobs: vec![], manifests: vec![], platforms: vec![] };
    let mut blobs = vec![config];
    blobs.extend(layers.iter().cloned());
    empty.with(Image { blobs, manifests: vec![Object::new(family.manifest, manifest)], platforms: vec![] })
}

fn platforms(family: Family, seed: u64) -> Image {
    let mut all = Image { blobs: vec![], manifests: vec![], platforms: vec![] };
    let mut entries = Vec::new();
    // The same for every seed, so that two releases and two families share a layer's bytes.
    let common = Object::new(family.layer, seeded(7, 2_048));
    for (number, platform) in ["linux/amd64", "linux/arm64", "linux/arm/v7"].into_iter().enumerate() {
        let seed = seed + 10 * number as u64;
        let image = leaf(
            family,
            platform,
            seed,
            &[common.clone(), layer(family, seed + 1, 5_000 + number), layer(family, seed + 2, 64)],
        );
        entries.push(image.root().descriptor_with(&platform_member(platform)));
        all.platforms.push((platform.to_owned(), image.digest().to_owned()));
        all = all.with(image);
    }
    finish_index(all, family, &entries)
}

fn finish_index(mut all: Image, family: Family, entries: &[String]) -> Image {
    let text = format!(
        "{{\n  \"mediaType\"  :\"{}\",\n  \"manifests\":[\n{}\n ],\"annotations\":{{ \"b\":\"2\",   \"a\":\"1\" }},   \"schemaVersion\":2\n}}   ",
        family.index,
        entries.join(",\n\n")
    );
    all.manifests.push(Object::new(family.index, text));
    all
}
