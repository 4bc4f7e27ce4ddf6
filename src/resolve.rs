//! Resolve: from the name that the user gave to the digest that is copied.
//!
//! Owns that a tag is asked once and everything after goes by digest: tags move (registries.md §1). Never writes, and
//! never fetches a manifest where its digest is enough.

use crate::digest::Digest;
use crate::error::{Error, Side};
use crate::inputs::Platforms;
use crate::manifest::{Content, Descriptor, Manifest};
use crate::platform::{self, Platform, Selection};
use crate::registry::At;
use crate::report::PlatformReport;
use crate::store::{Store, StoredBlob};

/// The largest image config that is read to learn a platform, in bytes.
const LARGEST_CONFIG: u64 = 4 * 1024 * 1024;

/// What a source name stands for.
pub struct Resolved {
    /// The digest of what the name names: an index, mostly.
    pub named: Digest,
    /// What is to be copied: that, or the one platform of it that was chosen.
    pub root: Root,
    /// The platform, where one was chosen.
    pub chosen: Option<Platform>,
}

/// What is to be copied.
pub enum Root {
    /// Its digest is known, its bytes are not needed yet.
    Known(Digest),
    /// It had to be fetched to know.
    Fetched(Box<Manifest>),
}

impl Root {
    /// Its digest.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Known(digest) => digest,
            Self::Fetched(manifest) => &manifest.digest,
        }
    }

    /// Its manifest, fetched by digest if it was not before.
    pub async fn manifest(self, source: &Store) -> Result<Manifest, Error> {
        match self {
            Self::Known(digest) => source.get_manifest(At::Digest(&digest)).await,
            Self::Fetched(manifest) => Ok(*manifest),
        }
    }
}

/// Resolves `at` of `source`: with all platforms one HEAD, or nothing where a digest was given.
pub async fn source(source: &Store, at: At<'_>, platforms: &Platforms) -> Result<Resolved, Error> {
    match (platforms, at) {
        (Platforms::All, At::Digest(digest)) => {
            Ok(Resolved { named: digest.clone(), root: Root::Known(digest.clone()), chosen: None })
        }
        (Platforms::All, At::Tag(_)) => match source.head_manifest(at).await {
            Ok(Some(descriptor)) => {
                Ok(Resolved { named: descriptor.digest.clone(), root: Root::Known(descriptor.digest), chosen: None })
            }
            // A HEAD has no words: the GET says why, or knows better.
            Ok(None) => fetched(source, at).await,
            Err(error) => Err(error),
        },
        (Platforms::One(wanted), _) => one_platform(source, at, wanted).await,
    }
}

/// What the target has under `at`; none where there is nothing.
///
/// `blind`: a target that may be written but not read is taken for empty, as GHCR may answer for a package that does
/// not exist yet (registries.md §9, Absent vs private).
pub async fn target(target: &Store, at: At<'_>, blind: bool) -> Result<Option<Digest>, Error> {
    match target.head_manifest(at).await {
        Ok(found) => Ok(found.map(|descriptor| descriptor.digest)),
        Err(error) if blind && error.refusal().is_some_and(|refusal| refusal.status == 403) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn fetched(source: &Store, at: At<'_>) -> Result<Resolved, Error> {
    let manifest = source.get_manifest(at).await?;
    Ok(Resolved { named: manifest.digest.clone(), root: Root::Fetched(Box::new(manifest)), chosen: None })
}

async fn one_platform(source: &Store, at: At<'_>, wanted: &Platform) -> Result<Resolved, Error> {
    let mut manifest = source.get_manifest(at).await?;
    let named = manifest.digest.clone();
    let absent = |available: Vec<Platform>| Error::Platform {
        reference: source.object(at),
        wanted: wanted.to_string(),
        available: available.iter().map(ToString::to_string).collect(),
    };
    // An index may hold indexes; each level is asked for the same platform.
    for _ in 0..crate::manifest::DEEPEST {
        if !manifest.is_index() {
            let platform = platform_of_image(source, &manifest).await?;
            return match platform {
                Some(platform) if wanted.matches(&platform) => {
                    Ok(Resolved { named, root: Root::Fetched(Box::new(manifest)), chosen: Some(platform) })
                }
                Some(platform) => Err(absent(vec![platform])),
                None => Err(absent(Vec::new())),
            };
        }
        let (platforms, entries): (Vec<Platform>, Vec<&Descriptor>) = images(&manifest).unzip();
        let (platform, entry) = match platform::select(wanted, &platforms) {
            Selection::One(index) => match (platforms.get(index), entries.get(index)) {
                (Some(platform), Some(entry)) => (platform.clone(), (*entry).clone()),
                _ => return Err(absent(platforms)),
            },
            Selection::Absent => return Err(absent(platforms)),
            Selection::Ambiguous(several) => {
                let several: Vec<String> =
                    several.iter().filter_map(|index| platforms.get(*index)).map(ToString::to_string).collect();
                return Err(Error::Content {
                    side: Side::Source,
                    object: source.object(at),
                    problem: format!("`{wanted}` stands for several of its entries; name one: {}", several.join(", ")),
                });
            }
        };
        if !crate::manifest::is_index_type(&entry.media_type) {
            return Ok(Resolved { named, root: Root::Known(entry.digest), chosen: Some(platform) });
        }
        manifest = source.get_manifest(At::Digest(&entry.digest)).await?;
    }
    Err(absent(Vec::new()))
}

/// The entries of an index that are images for a platform, attestations left out.
fn images(manifest: &Manifest) -> impl Iterator<Item = (Platform, &Descriptor)> {
    manifest
        .children()
        .filter(|entry| !entry.is_attestation())
        .filter_map(|entry| Some((entry.platform.clone().filter(|platform| !platform.is_unknown())?, entry)))
}

/// The platforms of an index, for a report; sizes are filled in where they are known.
pub fn platforms(manifest: &Manifest, size: impl Fn(&Digest) -> u64) -> Vec<PlatformReport> {
    images(manifest)
        .map(|(platform, entry)| PlatformReport {
            platform: platform.to_string(),
            digest: entry.digest.clone(),
            size: size(&entry.digest),
        })
        .collect()
}

/// The platform of a single image, from its config; none for what is no image.
pub async fn platform_of_image(source: &Store, manifest: &Manifest) -> Result<Option<Platform>, Error> {
    let Content::Image { config: Some(config), .. } = &manifest.content else { return Ok(None) };
    let is_image_config = config.media_type == oci_client::manifest::IMAGE_CONFIG_MEDIA_TYPE
        || config.media_type == oci_client::manifest::IMAGE_DOCKER_CONFIG_MEDIA_TYPE;
    if !is_image_config {
        return Ok(None);
    }
    let bytes = StoredBlob { store: source, descriptor: config }.bytes(LARGEST_CONFIG).await?;
    // A config that is not one says nothing about a platform; it is copied all the same.
    let platform: Option<Platform> = serde_json::from_slice(&bytes).ok();
    Ok(platform.filter(|platform| !platform.os.is_empty() && !platform.architecture.is_empty()))
}
