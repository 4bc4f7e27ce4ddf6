//! Resolve: from the name that the user gave to the digest that is copied.
//!
//! Owns that a tag is asked once and everything after goes by digest: a tag may move between two requests. Never writes, and
//! never fetches a manifest where its digest is enough.

use crate::engine::choice::{Effect, Image, Tree};
use crate::engine::options::{ChildSelection, Platforms, Subset};
use crate::engine::outcome::PlatformOutcome;
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Content, Descriptor, Manifest};
use crate::oci::platform::Platform;
use crate::store::content::TagOrDigest;
use crate::store::{Source, StoredBlob, Target};

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
    /// Where the index is kept and several platforms were chosen: the children that are copied.
    pub children: Option<ChildSelection>,
    /// Where the index is kept as long as the target takes it so: the smaller one that it gets otherwise.
    pub smaller: Option<Box<Manifest>>,
    /// What the choice means for the digests.
    pub effect: Option<Effect>,
}

impl Resolved {
    /// All of `root`.
    pub fn whole(root: Root) -> Self {
        Self { named: root.digest().clone(), root, chosen: None, children: None, smaller: None, effect: None }
    }

    /// The smaller index in place of the one that is kept, where there is one.
    #[must_use]
    pub fn rewritten(self) -> Self {
        match self.smaller {
            Some(smaller) => Self {
                effect: self.effect.map(|effect| effect.rewritten(&smaller.digest)),
                root: Root::Fetched(smaller),
                children: None,
                smaller: None,
                ..self
            },
            None => self,
        }
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

/// Resolves `at` of `source`, which is known to name `digest` where that was found out before: with all platforms one HEAD, or
/// nothing where the digest is known or was given.
pub async fn source(
    source: &Source,
    at: TagOrDigest<'_>,
    digest: Option<&Digest>,
    platforms: &Platforms,
) -> Result<Resolved, Error> {
    match (platforms, digest, at) {
        (Platforms::All, Some(digest), _) | (Platforms::All, None, TagOrDigest::Digest(digest)) => {
            Ok(Resolved::whole(Root::Known(digest.clone())))
        }
        (Platforms::All, None, TagOrDigest::Tag(_)) => match source.head_manifest(at).await {
            Ok(Some(descriptor)) => Ok(Resolved::whole(Root::Known(descriptor.digest))),
            // A HEAD has no words: the GET says why, or knows better.
            Ok(None) => fetched(source, at).await,
            Err(error) => Err(error),
        },
        (Platforms::One(wanted), _, _) => {
            let root = named(source, at, digest).await?;
            one_platform(source, at, root, wanted).await
        }
        (Platforms::Several(wanted, subset), _, _) => {
            let root = named(source, at, digest).await?;
            several_platforms(source, at, root, wanted, *subset).await
        }
    }
}

/// The manifest that `at` names.
async fn named(source: &Source, at: TagOrDigest<'_>, digest: Option<&Digest>) -> Result<Manifest, Error> {
    match digest {
        Some(digest) => source.get_resolved(digest, at).await,
        None => source.get_manifest(at).await,
    }
}

/// What the target has under `at`; none where there is nothing.
///
/// Registries are known that answer a HEAD of a manifest with 404 and answer a GET of the same with 200 (Nexus:
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
        TagOrDigest::Tag(tag) => target.head_one_of(same_repository_count, tag).await,
        TagOrDigest::Digest(_) => target.head_manifest(at).await,
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

async fn one_platform(
    source: &Source,
    at: TagOrDigest<'_>,
    root: Manifest,
    wanted: &Platform,
) -> Result<Resolved, Error> {
    let named = root.digest.clone();
    if !root.is_index() {
        let platform = single(source, at, &root, std::slice::from_ref(wanted)).await?;
        return Ok(Resolved { named, chosen: platform, ..Resolved::whole(Root::Fetched(Box::new(root))) });
    }
    let tree = Tree::read(source, root, std::slice::from_ref(wanted)).await?;
    let image = tree.image(source, at, wanted)?;
    let attestations = tree.attestations(image);
    Ok(Resolved {
        named,
        chosen: Some(image.platform.clone()),
        effect: (!attestations.is_empty()).then_some(Effect::Alone(attestations)),
        ..Resolved::whole(Root::Known(image.entry.digest.clone()))
    })
}

/// The platform of a single image, of which all of `wanted` must be.
async fn single(
    source: &Source,
    at: TagOrDigest<'_>,
    image: &Manifest,
    wanted: &[Platform],
) -> Result<Option<Platform>, Error> {
    let available = platform_of_image(source, image).await?;
    match wanted.iter().find(|wanted| !available.as_ref().is_some_and(|own| wanted.matches(own))) {
        None => Ok(available),
        Some(absent) => Err(Error::Platform {
            reference: source.object(at),
            wanted: absent.to_string(),
            available: available.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// Several platforms: the index as it is with only their children copied, or a smaller index.
async fn several_platforms(
    source: &Source,
    at: TagOrDigest<'_>,
    root: Manifest,
    wanted: &[Platform],
    subset: Subset,
) -> Result<Resolved, Error> {
    if !root.is_index() {
        let chosen = single(source, at, &root, wanted).await?;
        return Ok(Resolved { chosen, ..Resolved::whole(Root::Fetched(Box::new(root))) });
    }
    let tree = Tree::read(source, root, wanted).await?;
    let images: Vec<Image> =
        wanted.iter().map(|wanted| tree.image(source, at, wanted).cloned()).collect::<Result<_, _>>()?;
    let Some(selection) = tree.select(&images) else {
        return Ok(Resolved::whole(Root::Fetched(Box::new(tree.into_root()))));
    };
    let platforms: Vec<String> = images.iter().map(|image| image.platform.to_string()).collect();
    let (named, platforms) = (tree.root().digest.clone(), platforms.join(", "));
    let bad = |problem| Error::Content { side: Side::Source, object: source.object(at), problem };
    let smaller =
        (subset != Subset::Sparse).then(|| tree.rewritten(&selection).map(Box::new)).transpose().map_err(bad)?;
    let sparse = Resolved {
        effect: Some(Effect::Sparse {
            index: named.clone(),
            platforms,
            otherwise: smaller.as_ref().map(|smaller| smaller.digest.clone()),
        }),
        children: Some(selection),
        smaller,
        ..Resolved::whole(Root::Fetched(Box::new(tree.into_root())))
    };
    Ok(if subset == Subset::Rewrite { sparse.rewritten() } else { sparse })
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
    let outcome = |(platform, digest): (&Platform, &Digest)| PlatformOutcome {
        platform: platform.to_string(),
        digest: digest.clone(),
        size: size(digest),
    };
    match children {
        Some(chosen) => chosen.platforms.iter().map(|(platform, digest)| outcome((platform, digest))).collect(),
        None => images(manifest).map(|(platform, entry)| outcome((&platform, &entry.digest))).collect(),
    }
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
