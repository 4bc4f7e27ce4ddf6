//! The images that are copied: the same bytes on every machine, written straight into a registry's storage.
//!
//! Both Docker distribution 2.8 and 3 read this layout, so no tool's upload decides how the source looks. Content is made
//! in pieces and never held whole: a tool's peak memory cannot be told from its parent's when the parent is the larger
//! one (see `measure`).

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Outcome;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Another seed makes other digests; a change makes old figures of sizes and counts still comparable.
const SEED: u64 = 0x6d69_7272_6f72;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const STATEMENT: &str = "application/vnd.in-toto+json";

const PLATFORMS: [(&str, &str); 6] = [
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("linux", "ppc64le"),
    ("linux", "riscv64"),
    ("linux", "s390x"),
    ("linux", "loong64"),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Platforms,
    Tags,
    Large,
    Single,
    Huge,
    ManyTags,
    MostTags,
}

impl Kind {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Platforms => "6 platforms × 4 layers and 6 attestation manifests: 42 blobs, 8.5 MiB",
            Self::Tags => "300 tags over shared base layers: 633 blobs, 119 MiB",
            Self::Large => "1 GiB in 12 layers, the largest 256 MiB",
            Self::Single => "one layer of 512 MiB",
            Self::Huge => "one layer of 4 GiB",
            Self::ManyTags => "3,000 tags over shared base layers: 6,033 blobs, 73 MiB",
            Self::MostTags => "10,000 tags over shared base layers: 20,033 blobs, 83 MiB",
        }
    }

    /// Short, because 3,000 references have to fit into one variable of 128 KiB.
    pub(crate) fn repository(self) -> &'static str {
        match self {
            Self::Platforms => "b/platforms",
            Self::Tags => "b/tags",
            Self::Large => "b/large",
            Self::Single => "b/single",
            Self::Huge => "b/huge",
            Self::ManyTags => "b/many",
            Self::MostTags => "b/most",
        }
    }

    pub(crate) fn is_many(self) -> bool {
        matches!(self, Self::Tags | Self::ManyTags | Self::MostTags)
    }
}

/// A repository in the source's storage.
pub(crate) struct Image {
    pub(crate) kind: Kind,
    /// The storage that holds it, and nothing else.
    pub(crate) root: PathBuf,
    /// Tag and digest.
    pub(crate) tags: Vec<(String, String)>,
    /// Digest and size of every blob and manifest.
    contents: Vec<(String, u64)>,
}

impl Image {
    pub(crate) fn make(kind: Kind, root: &Path) -> Outcome<Self> {
        let mut image = Self { kind, root: root.to_owned(), tags: vec![], contents: vec![] };
        fs::create_dir_all(root)?;
        match kind {
            Kind::Platforms => image.platforms()?,
            Kind::Tags => image.many(300, 256 * KIB, 4 * MIB / 3)?,
            Kind::ManyTags => image.many(3000, 10 * KIB, 4 * MIB / 3)?,
            Kind::MostTags => image.many(10_000, 4 * KIB, 4 * MIB / 3)?,
            Kind::Large => image.layers(&[256, 192, 144, 112, 88, 72, 56, 40, 32, 18, 10, 4])?,
            Kind::Single => image.layers(&[512])?,
            Kind::Huge => image.layers(&[4096])?,
        }
        image.contents.sort_unstable();
        image.contents.dedup();
        Ok(image)
    }

    /// What is wrong with a copy in the storage of another registry: a tag with another digest, an object that is not
    /// there or not whole. Nothing is asked over HTTP, which would show in the access log.
    pub(crate) fn wrong_at(&self, root: &Path) -> Option<String> {
        for (tag, digest) in &self.tags {
            let link = tag_link(root, self.kind.repository(), tag);
            let found = fs::read_to_string(link).unwrap_or_else(|_| "nothing".to_owned());
            if found.trim() != digest {
                return Some(format!("the tag {tag} is {found}, not {digest}"));
            }
        }
        self.contents.iter().find_map(|(digest, size)| {
            let found = fs::metadata(data(root, digest)).map_or(0, |file| file.len());
            (found != *size).then(|| format!("{digest} has {found} bytes, not {size}"))
        })
    }

    fn platforms(&mut self) -> Outcome<()> {
        let (mut children, mut attestations) = (vec![], vec![]);
        for (os, architecture) in PLATFORMS {
            let mut layers = vec![];
            for (number, size) in [768 * KIB, 512 * KIB, 128 * KIB, 24 * KIB].into_iter().enumerate() {
                layers.push(self.noise(&format!("{architecture} {number}"), size)?);
            }
            let config = self.config(architecture, &layers)?;
            let mut child = self.manifest(&config, &layers)?;
            child["platform"] = json!({ "os": os, "architecture": architecture });

            // As BuildKit writes them: a manifest of its own in the same index.
            let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "subject": child["digest"],
                "predicate": "x".repeat(14_000) });
            let mut statement = self.write(statement.to_string().as_bytes())?;
            statement["mediaType"] = STATEMENT.into();
            let config = self.config(&format!("unknown {architecture}"), std::slice::from_ref(&statement))?;
            let mut attestation = self.manifest(&config, &[statement])?;
            attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
            attestation["annotations"] = json!({
                "vnd.docker.reference.digest": child["digest"],
                "vnd.docker.reference.type": "attestation-manifest",
            });
            children.push(child);
            attestations.push(attestation);
        }
        children.append(&mut attestations);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        let index = self.put_manifest(&index)?;
        self.tag("1", &index)
    }

    /// 11 base images of three layers each; every tag adds a config and a layer of its own to one of them.
    fn many(&mut self, tags: usize, own: u64, base: u64) -> Outcome<()> {
        let mut bases = vec![];
        for number in 0..11 {
            let mut layers = vec![];
            for (layer, size) in [base * 2, base * 3 / 4, base / 4].into_iter().enumerate() {
                layers.push(self.noise(&format!("base {number} {layer}"), size)?);
            }
            bases.push(layers);
        }
        for number in 0..tags {
            let mut layers = bases[number % bases.len()].clone();
            layers.push(self.noise(&format!("own {number}"), own)?);
            let config = self.config(&format!("amd64 {number}"), &layers)?;
            let manifest = self.manifest(&config, &layers)?;
            self.tag(&format!("t{number}"), &manifest)?;
        }
        Ok(())
    }

    /// One platform; sizes in MiB.
    fn layers(&mut self, sizes: &[u64]) -> Outcome<()> {
        let mut layers = vec![];
        for (number, size) in sizes.iter().enumerate() {
            layers.push(self.noise(&format!("layer {number} {size}"), size * MIB)?);
        }
        let config = self.config("amd64", &layers)?;
        let manifest = self.manifest(&config, &layers)?;
        self.tag("1", &manifest)
    }

    fn config(&mut self, name: &str, layers: &[Value]) -> Outcome<Value> {
        let architecture = name.split(' ').next().unwrap_or_default();
        let steps: Vec<Value> = (0..layers.len()).map(|step| json!({ "created_by": format!("step {step}") })).collect();
        let digests: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "author": name,
            "config": { "Labels": { "text": "x".repeat(1500) } },
            "rootfs": { "type": "layers", "diff_ids": digests }, "history": steps,
        });
        let mut descriptor = self.write(config.to_string().as_bytes())?;
        descriptor["mediaType"] = CONFIG.into();
        self.link("_layers", &descriptor)?;
        Ok(descriptor)
    }

    fn manifest(&mut self, config: &Value, layers: &[Value]) -> Outcome<Value> {
        for layer in layers {
            self.link("_layers", layer)?;
        }
        self.put_manifest(&json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers }))
    }

    fn put_manifest(&mut self, manifest: &Value) -> Outcome<Value> {
        let mut descriptor = self.write(manifest.to_string().as_bytes())?;
        descriptor["mediaType"] = manifest["mediaType"].clone();
        self.link("_manifests/revisions", &descriptor)?;
        Ok(descriptor)
    }

    fn tag(&mut self, tag: &str, descriptor: &Value) -> Outcome<()> {
        let digest = text(&descriptor["digest"]);
        let current = tag_link(&self.root, self.kind.repository(), tag);
        let index = current.with_file_name("").join("../index/sha256").join(hex_of(&digest)).join("link");
        for link in [current, index] {
            fs::create_dir_all(link.with_file_name(""))?;
            fs::write(link, &digest)?;
        }
        self.tags.push((tag.to_owned(), digest));
        Ok(())
    }

    /// A layer that does not compress. It begins as gzip does, so that no tool feels called to compress it.
    fn noise(&mut self, name: &str, size: u64) -> Outcome<Value> {
        // FNV-1a: any spreading of the name will do, as long as it never changes.
        let spread = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut state = name.bytes().fold(SEED ^ 0xcbf2_9ce4_8422_2325, spread);
        let mut piece = vec![0; usize::try_from(size.min(MIB))?];
        let mut writing = Writing::new(&self.root)?;
        let mut left = size;
        while left > 0 {
            let now = usize::try_from(left.min(MIB))?;
            for word in piece[..now].chunks_mut(8) {
                // splitmix64
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..word.len()]);
            }
            if left == size {
                piece[..4].copy_from_slice(&[0x1f, 0x8b, 8, 0]);
            }
            writing.write(&piece[..now])?;
            left -= now as u64;
        }
        let digest = writing.finish(&self.root)?;
        self.contents.push((digest.clone(), size));
        Ok(json!({ "mediaType": LAYER, "digest": digest, "size": size }))
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome<Value> {
        let mut writing = Writing::new(&self.root)?;
        writing.write(bytes)?;
        let digest = writing.finish(&self.root)?;
        self.contents.push((digest.clone(), bytes.len() as u64));
        Ok(json!({ "digest": digest, "size": bytes.len() }))
    }

    /// Makes an object one of this repository.
    fn link(&self, list: &str, descriptor: &Value) -> Outcome<()> {
        let digest = text(&descriptor["digest"]);
        let directory = repository(&self.root, self.kind.repository()).join(list).join("sha256").join(hex_of(&digest));
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join("link"), digest)?)
    }
}

/// A file on its way to the name that its digest gives it.
struct Writing {
    file: File,
    path: PathBuf,
    hash: Sha256,
}

impl Writing {
    fn new(root: &Path) -> Outcome<Self> {
        let path = root.join("writing");
        Ok(Self { file: File::create(&path)?, path, hash: Sha256::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    fn finish(self, root: &Path) -> Outcome<String> {
        let mut digest = "sha256:".to_owned();
        for byte in self.hash.finalize() {
            write!(digest, "{byte:02x}")?;
        }
        let data = data(root, &digest);
        fs::create_dir_all(data.with_file_name(""))?;
        fs::rename(self.path, data)?;
        Ok(digest)
    }
}

fn data(root: &Path, digest: &str) -> PathBuf {
    let hex = hex_of(digest);
    root.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

fn repository(root: &Path, name: &str) -> PathBuf {
    root.join("docker/registry/v2/repositories").join(name)
}

fn tag_link(root: &Path, name: &str, tag: &str) -> PathBuf {
    repository(root, name).join("_manifests/tags").join(tag).join("current/link")
}

fn hex_of(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
