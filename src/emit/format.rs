//! What a format is made of, and the mapping from sources to targets that all of them render.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::emit::files::EmittedFile;
use crate::emit::listing::Listing;
use crate::engine::outcome::{ImageOutcome, Outcome, Verification};
use crate::http::address;
use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, Reference};
use crate::oci::vendor::{DOCKER_HUB, DOCKER_HUB_INDEX};
use crate::policy::Policy;

/// One way of consumers to be told of a mirror.
pub trait Format: Sync {
    /// The word in the input `emit`.
    fn name(&self) -> &'static str;

    /// Whether `all` leaves it out, because it does not work everywhere or does more than most want.
    fn on_request(&self) -> bool {
        false
    }

    /// Whether there is nothing to say without an image that is exactly the source's.
    fn needs_exact(&self) -> bool {
        true
    }

    /// Whether it says where else a name is to be found, and not only where an image is.
    fn needs_source(&self) -> bool {
        true
    }

    /// Whether it says how images are signed.
    fn needs_signatures(&self) -> bool {
        false
    }

    /// The files, or why this format cannot say what the run did.
    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String>;

    /// What it can say image by image where the files cannot be: no rule leads from the sources to the targets.
    fn files_by_image(&self, _run: &Run) -> Vec<EmittedFile> {
        Vec::new()
    }
}

/// What a run did, as far as consumers need it.
pub struct Run {
    /// `owner-repo`: what files and objects are called.
    pub name: String,
    /// The `mapping` output.
    pub mapping: serde_json::Value,
    /// Every image at a registry, for people.
    pub listing: Listing,
    /// The images, sorted by source.
    pub images: Vec<Image>,
    /// These, and those that came from a directory, which no client asks for: their source is called what their target is.
    pub published: Vec<Image>,
    /// The repositories whose images were held against a policy.
    pub signed: Vec<Signed>,
    /// The services of compose files that the run was told of, and the image of each.
    pub services: Vec<(String, Reference)>,
    /// Hosts that are spoken to over plain HTTP besides loopback ones.
    insecure: Vec<String>,
}

/// One image that is at the target exactly as at the source.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    pub source: Reference,
    pub target: Reference,
    pub digest: Digest,
}

impl Image {
    /// `repository[:tag]@digest` of the target.
    pub fn pinned(&self) -> String {
        self.target.pinned(self.digest.clone()).to_string()
    }

    /// The tag, or a stand-in made of the digest where there is none.
    pub fn label(&self) -> String {
        self.target.tag().map_or_else(|| format!("sha256-{}", self.digest.short()), str::to_owned)
    }
}

/// A repository of the target whose images were held against a policy.
pub struct Signed {
    /// Its name.
    pub target: String,
    /// That of the original, which signatures name.
    pub source: String,
    /// What its images are signed by.
    pub policy: Arc<Policy>,
    /// Whether that was a bundle; none where this run has not looked.
    pub is_bundle: Option<bool>,
}

impl Signed {
    /// Of an image that is what its policy wants.
    fn of(outcome: &ImageOutcome) -> Option<Self> {
        let is_bundle = match outcome.verified.as_ref()? {
            Verification::Signed(verified) => Some(verified.kind != "cosign-tag"),
            Verification::Before => None,
            Verification::Unsigned(_) => return None,
        };
        let (source, target) = (outcome.source.registry()?, outcome.target.as_ref()?.registry()?);
        let policy = Arc::clone(outcome.policy.as_ref()?);
        Some(Self { target: target.name(), source: source.name(), policy, is_bundle })
    }
}

/// A source repository and everything of it that is at one target repository.
pub struct Repository<'a> {
    pub source: String,
    pub target: String,
    pub images: Vec<&'a Image>,
}

impl Run {
    /// Collects the images; notes about those that cannot come in.
    pub fn new(
        outcomes: &[ImageOutcome],
        project: Option<&str>,
        insecure: &[String],
        now: SystemTime,
    ) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let mut images: Vec<Image> = Vec::new();
        let mut published: Vec<Image> = Vec::new();
        for outcome in outcomes.iter().filter(|image| matches!(image.result, Outcome::Copied | Outcome::Unchanged)) {
            match Self::image(outcome) {
                Ok(image) if images.contains(&image) || published.contains(&image) => {}
                Ok(image) if outcome.source.name().is_none() => published.push(image),
                Ok(image) => images.push(image),
                Err(problem) => notes.push(format!("{} is in `mapping.json` only: {problem}", outcome.source)),
            }
        }
        published.extend(images.iter().cloned());
        for images in [&mut images, &mut published] {
            images.sort_by_cached_key(|image| (image.source.to_string(), image.target.to_string()));
        }
        let first = || published.first().map_or("mirror", |image| image.target.namespace());
        let name = object_name(project.unwrap_or_else(first));
        let mapping = serde_json::to_value(mappings(outcomes)).unwrap_or_default();
        let listing = Listing::new(outcomes, humantime::format_rfc3339_seconds(now).to_string());
        let there = outcomes.iter().filter(|image| matches!(image.result, Outcome::Copied | Outcome::Unchanged));
        let signed = there.filter_map(Signed::of).collect();
        let services = Vec::new();
        (Self { name, mapping, listing, images, published, signed, services, insecure: insecure.to_vec() }, notes)
    }

    fn image(image: &ImageOutcome) -> Result<Image, String> {
        let target =
            image.target.as_ref().and_then(ImageReference::registry).ok_or("an `oci:` directory is no registry")?;
        let source = image.source.name().unwrap_or_else(|| target.clone());
        match (&image.digest, &image.source_digest) {
            (Some(digest), Some(named)) if digest == named => {
                Ok(Image { source, target: target.clone(), digest: digest.clone() })
            }
            (_, None) => Err("it is not known to be what the source's tag is".to_owned()),
            _ => Err("it is a part of the source's image, with a digest of its own".to_owned()),
        }
    }

    /// The images by source repository. The second list says what is left out because a whole repository of one source
    /// would be served from another's: two sources in one target repository.
    pub fn repositories(&self) -> (Vec<Repository<'_>>, Vec<String>) {
        let mut groups: BTreeMap<(String, String), Vec<&Image>> = BTreeMap::new();
        for image in &self.images {
            groups.entry((image.source.name(), image.target.name())).or_default().push(image);
        }
        let mut sources_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (source, target) in groups.keys() {
            sources_of.entry(target).or_default().insert(source);
        }
        let mut notes = Vec::new();
        for (target, sources) in sources_of.iter().filter(|(_, sources)| sources.len() > 1) {
            let sources: Vec<&str> = sources.iter().copied().collect();
            notes.push(format!("{target} holds images of {}, which are left out here", sources.join(" and ")));
        }
        let clear: Vec<(String, String)> = groups
            .keys()
            .filter(|(_, target)| sources_of.get(target.as_str()).is_some_and(|sources| sources.len() == 1))
            .cloned()
            .collect();
        let repositories = clear
            .into_iter()
            .filter_map(|key| {
                let images = groups.remove(&key)?;
                Some(Repository { source: key.0, target: key.1, images })
            })
            .collect();
        (repositories, notes)
    }

    /// The same where each source repository must have one place: fails with what has two.
    pub fn single_repositories(&self) -> Result<(Vec<Repository<'_>>, Vec<String>), String> {
        let (repositories, notes) = self.repositories();
        for pair in repositories.windows(2) {
            if let [one, two] = pair
                && one.source == two.source
            {
                return Err(format!("{} is mirrored in two places, {} and {}", one.source, one.target, two.target));
            }
        }
        if repositories.is_empty() {
            return Err(notes.join("; "));
        }
        Ok((repositories, notes))
    }

    /// For each source registry the one prefix that its repositories are below, where names are kept; else why not.
    pub fn bases(&self) -> Result<BTreeMap<String, String>, String> {
        let mut bases: BTreeMap<String, String> = BTreeMap::new();
        for image in &self.images {
            let (source, target) = (&image.source, image.target.name());
            let base = target.strip_suffix(source.repository()).and_then(|base| base.strip_suffix('/'));
            let Some(base) = base else {
                return Err(format!(
                    "{} is renamed to {target}, and this format keeps repository names",
                    source.name()
                ));
            };
            let known = bases.entry(source.registry().to_owned()).or_insert_with(|| base.to_owned());
            if known != base {
                return Err(format!("{} is mirrored below two places, {known} and {base}", source.registry()));
            }
        }
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (registry, base) in &bases {
            if let Some(other) = seen.insert(base, registry) {
                return Err(format!(
                    "{other} and {registry} are both mirrored below {base}, so that an image of one would be taken for \
                     the other's"
                ));
            }
        }
        Ok(bases)
    }

    /// Whether a registry is spoken to over plain HTTP.
    pub fn is_insecure(&self, registry: &str) -> bool {
        address::is_plain_http(registry, &self.insecure)
    }

    /// The address of a registry: scheme and host.
    pub fn url(&self, registry: &str) -> String {
        let scheme = if self.is_insecure(registry) { "http" } else { "https" };
        format!("{scheme}://{registry}")
    }

    /// The registries that images are pulled from.
    pub fn targets(&self) -> BTreeSet<&str> {
        self.published.iter().map(|image| image.target.registry()).collect()
    }
}

/// `text` as a name of Kubernetes: a DNS label.
pub fn object_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = text.chars().map(plain).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name: String = name.trim_matches('-').chars().take(50).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { "mirror".to_owned() } else { name.to_owned() }
}

/// Every way in which people write a repository's name.
pub fn spellings(source: &Reference) -> Vec<String> {
    let repository = source.repository();
    if source.registry() != DOCKER_HUB {
        return vec![source.name()];
    }
    let mut names = vec![repository.to_owned()];
    names.extend(repository.strip_prefix("library/").map(str::to_owned));
    for host in [DOCKER_HUB, DOCKER_HUB_INDEX] {
        let full: Vec<String> =
            names.iter().filter(|name| !name.contains(".io/")).map(|n| format!("{host}/{n}")).collect();
        names.extend(full);
    }
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// How Docker's tools print a name: without what they fill in.
pub fn familiar(source: &Reference) -> String {
    if source.registry() != DOCKER_HUB {
        return source.name();
    }
    let repository = source.repository();
    repository.strip_prefix("library/").unwrap_or(repository).to_owned()
}

#[derive(Serialize)]
pub struct Mapping<'a> {
    source: &'a ImageReference,
    target: &'a ImageReference,
    digest: &'a Digest,
    tags: Vec<&'a str>,
    platforms: Vec<&'a str>,
}

/// What is at the target, exactly the source's or not: the list that consumer configuration is made of.
pub fn mappings(images: &[ImageOutcome]) -> Vec<Mapping<'_>> {
    let there = images.iter().filter(|image| matches!(image.result, Outcome::Copied | Outcome::Unchanged));
    let mapped = there.filter_map(|image| Some((image, image.target.as_ref()?, image.digest.as_ref()?)));
    let entry = mapped.map(|(image, target, digest)| Mapping {
        source: &image.source,
        target,
        digest,
        tags: target.tag().into_iter().collect(),
        platforms: image.platforms.iter().map(|platform| platform.platform.as_str()).collect(),
    });
    entry.collect()
}
