//! Resolve: from the name that the user gave to the digest that is copied.
//!
//! Owns that a tag is asked once and everything after goes by digest: a tag may move between two requests. Never writes, and
//! never fetches a manifest where its digest is enough.

use std::collections::HashSet;

use crate::engine::options::{ChildSelection, Platforms, Subset};
use crate::engine::outcome::PlatformOutcome;
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Content, Descriptor, Manifest};
use crate::oci::platform::{self, Platform, Selection};
use crate::store::content::TagOrDigest;
use crate::store::{Source, StoredBlob, Target};

/// The largest image config that is read to learn a platform, in bytes.
const LARGEST_CONFIG: u64 = 4 * 1024 * 1024;

/// So many images for one repository are worth a listing of its tags.
const MANY: usize = 4;

/// The annotation by which a rewritten index names the one it was made from.
const ORIGINAL_DIGEST: &str = "io.github.mirror-image.original-digest";

/// What a source name stands for.
pub struct Resolved {
    /// The digest of what the name names: an index, mostly.
    pub named: Digest,
    /// What is to be copied: that, or the one platform of it that was chosen.
    pub root: Root,
    /// The platform, where one was chosen.
    pub chosen: Option<Platform>,
    /// Where the index is kept and several platforms were chosen: the children that are copied.
    pub children: Option<ChildSelection>,
    /// What the choice means for the digests, a sentence each.
    pub notices: Vec<String>,
}

impl Resolved {
    /// All of `root`.
    pub fn whole(root: Root) -> Self {
        Self { named: root.digest().clone(), root, chosen: None, children: None, notices: Vec::new() }
    }
}

/// What is to be copied.
#[derive(Clone)]
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

    /// Its manifest, fetched by digest if it was not before; `at` is what was resolved to it.
    pub async fn manifest(self, source: &Source, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        match self {
            Self::Known(digest) => source.get_resolved(&digest, at).await,
            Self::Fetched(manifest) => Ok(*manifest),
        }
    }
}

/// Resolves `at` of `source`: with all platforms one HEAD, or nothing where a digest was given.
pub async fn source(source: &Source, at: TagOrDigest<'_>, platforms: &Platforms) -> Result<Resolved, Error> {
    match (platforms, at) {
        (Platforms::All, TagOrDigest::Digest(digest)) => Ok(Resolved::whole(Root::Known(digest.clone()))),
        (Platforms::All, TagOrDigest::Tag(_)) => match source.head_manifest(at).await {
            Ok(Some(descriptor)) => Ok(Resolved::whole(Root::Known(descriptor.digest))),
            // A HEAD has no words: the GET says why, or knows better.
            Ok(None) => fetched(source, at).await,
            Err(error) => Err(error),
        },
        (Platforms::One(wanted), _) => one_platform(source, at, wanted).await,
        (Platforms::Several(wanted, subset), _) => several_platforms(source, at, wanted, *subset).await,
    }
}

/// What the target has under `at`; none where there is nothing.
///
/// Registries are known that answer a HEAD of a manifest with 404 and give it to who asks with GET (Nexus:
/// crazy-max/diun#1614): only a GET proves that nothing is there.
pub async fn target(target: &Target, at: TagOrDigest<'_>) -> Result<Option<Digest>, Error> {
    if let Some(found) = target.head_manifest(at).await? {
        return Ok(Some(found.digest));
    }
    match target.get_manifest(at).await {
        Ok(manifest) => Ok(Some(manifest.digest)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same where whatever is there is to be overwritten, by one of `same_repository_count` images that go to the same repository.
///
/// A target that may be written but not read is taken for empty, because GHCR may answer 403 for a package that does not
/// exist yet; and of many tags it is enough that a listing does not have them.
pub async fn overwritten(
    target: &Target,
    at: TagOrDigest<'_>,
    same_repository_count: usize,
) -> Result<Option<Digest>, Error> {
    let found = match at {
        TagOrDigest::Tag(tag) if same_repository_count >= MANY => target.head_one_of_many(tag).await,
        _ => target.head_manifest(at).await,
    };
    match found {
        Ok(found) => Ok(found.map(|descriptor| descriptor.digest)),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Resolves `at` of `source`, all platforms, where its manifest is needed whatever its digest is.
pub async fn fetched(source: &Source, at: TagOrDigest<'_>) -> Result<Resolved, Error> {
    Ok(Resolved::whole(Root::Fetched(Box::new(source.get_manifest(at).await?))))
}

async fn one_platform(source: &Source, at: TagOrDigest<'_>, wanted: &Platform) -> Result<Resolved, Error> {
    let mut manifest = source.get_manifest(at).await?;
    let named = manifest.digest.clone();
    let absent = |available: Vec<Platform>| Error::Platform {
        reference: source.object(at),
        wanted: wanted.to_string(),
        available: available.iter().map(ToString::to_string).collect(),
    };
    // An index may hold indexes; each level is asked for the same platform.
    for _ in 0..crate::oci::manifest::DEEPEST {
        if !manifest.is_index() {
            let platform = platform_of_image(source, &manifest).await?;
            return match platform {
                Some(platform) if wanted.matches(&platform) => {
                    let root = Root::Fetched(Box::new(manifest));
                    Ok(Resolved { named, chosen: Some(platform), ..Resolved::whole(root) })
                }
                Some(platform) => Err(absent(vec![platform])),
                None => Err(absent(Vec::new())),
            };
        }
        let (platform, entry) = choose(source, at, &manifest, wanted)?;
        if !crate::oci::manifest::is_index_type(&entry.media_type) {
            return Ok(Resolved { named, chosen: Some(platform), ..Resolved::whole(Root::Known(entry.digest)) });
        }
        manifest = source.get_manifest(TagOrDigest::Digest(&entry.digest)).await?;
    }
    Err(absent(Vec::new()))
}

/// The entry of an index for one platform.
fn choose(
    source: &Source,
    at: TagOrDigest<'_>,
    index: &Manifest,
    wanted: &Platform,
) -> Result<(Platform, Descriptor), Error> {
    let (platforms, entries): (Vec<Platform>, Vec<&Descriptor>) = images(index).unzip();
    let names = |platforms: &[&Platform]| platforms.iter().map(ToString::to_string).collect::<Vec<_>>();
    let chosen = match platform::select(wanted, &platforms) {
        Selection::One(number) => platforms.get(number).zip(entries.get(number)),
        Selection::Absent => None,
        Selection::Ambiguous(several) => {
            let several: Vec<&Platform> = several.iter().filter_map(|number| platforms.get(*number)).collect();
            return Err(Error::Content {
                side: Side::Source,
                object: source.object(at),
                problem: format!(
                    "`{wanted}` stands for several of its entries; name one: {}",
                    names(&several).join(", ")
                ),
            });
        }
    };
    let Some((platform, entry)) = chosen else {
        return Err(Error::Platform {
            reference: source.object(at),
            wanted: wanted.to_string(),
            available: names(&platforms.iter().collect::<Vec<_>>()),
        });
    };
    Ok((platform.clone(), (*entry).clone()))
}

/// Several platforms: the index as it is with only their children copied, or a smaller index.
async fn several_platforms(
    source: &Source,
    at: TagOrDigest<'_>,
    wanted: &[Platform],
    subset: Subset,
) -> Result<Resolved, Error> {
    let index = source.get_manifest(at).await?;
    if !index.is_index() {
        let available = platform_of_image(source, &index).await?;
        let absent = wanted.iter().find(|wanted| !available.as_ref().is_some_and(|own| wanted.matches(own)));
        return match absent {
            None => Ok(Resolved { chosen: available, ..Resolved::whole(Root::Fetched(Box::new(index))) }),
            Some(absent) => Err(Error::Platform {
                reference: source.object(at),
                wanted: absent.to_string(),
                available: available.iter().map(ToString::to_string).collect(),
            }),
        };
    }
    let chosen: Vec<(Platform, Descriptor)> =
        wanted.iter().map(|wanted| choose(source, at, &index, wanted)).collect::<Result<_, _>>()?;
    let wanted: Vec<String> = chosen.iter().map(|(platform, _)| platform.to_string()).collect();
    let wanted = wanted.join(", ");
    let images_kept: HashSet<&str> = chosen.iter().map(|(_, entry)| entry.digest.as_str()).collect();
    // Build attestations follow the image that they are about.
    let follows = |entry: &Descriptor| {
        entry.is_attestation()
            && entry.annotation("vnd.docker.reference.digest").is_some_and(|about| images_kept.contains(about))
    };
    let kept: HashSet<Digest> = index
        .entries()
        .iter()
        .filter(|entry| images_kept.contains(entry.digest.as_str()) || follows(entry))
        .map(|entry| entry.digest.clone())
        .collect();
    if index.entries().iter().all(|entry| kept.contains(&entry.digest)) {
        return Ok(Resolved::whole(Root::Fetched(Box::new(index))));
    }
    match subset {
        Subset::Sparse => {
            let notice = format!(
                "sparse index: `@{}` and the digests of {wanted} work at the target; its other platforms are not there",
                index.digest
            );
            let whole = Resolved::whole(Root::Fetched(Box::new(index)));
            Ok(Resolved { children: Some(kept), notices: vec![notice], ..whole })
        }
        Subset::Rewrite => {
            let named = index.digest.clone();
            let smaller = index.keeping(&kept, ORIGINAL_DIGEST).map_err(|problem| Error::Content {
                side: Side::Source,
                object: source.object(at),
                problem,
            })?;
            let notices = vec![
                format!(
                    "the digest changed: the index was rewritten for {wanted}; {named} became {}, and only the new one and \
                     the digests of these platforms work at the target",
                    smaller.digest
                ),
                "attachments of the original index are left behind: they name its digest, not the new one".to_owned(),
            ];
            Ok(Resolved { named, notices, ..Resolved::whole(Root::Fetched(Box::new(smaller))) })
        }
    }
}

/// The entries of an index that are images for a platform, attestations left out.
fn images(manifest: &Manifest) -> impl Iterator<Item = (Platform, &Descriptor)> {
    manifest
        .children()
        .filter(|entry| !entry.is_attestation())
        .filter_map(|entry| Some((entry.platform.clone().filter(|platform| !platform.is_unknown())?, entry)))
}

/// The platforms of an index, for a report; sizes are filled in where they are known.
///
/// `children`: those that were chosen, where not all were; a report must not name what was left out.
pub fn platforms(
    manifest: &Manifest,
    children: Option<&ChildSelection>,
    size: impl Fn(&Digest) -> Option<u64>,
) -> Vec<PlatformOutcome> {
    images(manifest)
        .filter(|(_, entry)| children.is_none_or(|chosen| chosen.contains(&entry.digest)))
        .map(|(platform, entry)| PlatformOutcome {
            platform: platform.to_string(),
            digest: entry.digest.clone(),
            size: size(&entry.digest),
        })
        .collect()
}

/// The platform of a single image, from its config; none for what is no image.
pub async fn platform_of_image(source: &Source, manifest: &Manifest) -> Result<Option<Platform>, Error> {
    let Content::Image { config: Some(config), .. } = &manifest.content else { return Ok(None) };
    if !manifest.is_container() {
        return Ok(None);
    }
    let bytes = StoredBlob { store: source, descriptor: config }.bytes(LARGEST_CONFIG).await?;
    // A config that is not one says nothing about a platform; it is copied all the same.
    let platform: Option<Platform> = serde_json::from_slice(&bytes).ok();
    Ok(platform.filter(|platform| !platform.os.is_empty() && !platform.architecture.is_empty()))
}
