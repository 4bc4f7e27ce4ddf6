//! Consumer configuration: how those who pull come to use the mirror.
//!
//! Owns what the formats are made of and the list of formats; each format is one small file. Only images that were read
//! back from the target and are exactly what the source has come in. The same run writes the same bytes: sorted, without
//! times. Never holds a credential, only the place where one goes. Never writes outside the workspace.

pub mod buildkit;
pub mod cnb;
pub mod containerd;
pub mod directory;
pub mod helm;
pub mod imagestream;
pub mod k3s;
pub mod kustomize;
pub mod kyverno;
pub mod mapping;
pub mod openshift;
pub mod registries_conf;

use std::collections::{BTreeMap, BTreeSet};

use crate::emit::directory::Directory;
use crate::engine::outcome::{ImageReport, Outcome};
use crate::error::Error;
use crate::http::address;
use crate::oci::digest::Digest;
use crate::oci::reference::{DOCKER_HUB, ImageReference, Reference};
use crate::report::{EmittedFile, Handover, Report};
use crate::text::quote::shown;

/// One way of consumers to be told of a mirror.
trait Format: Sync {
    /// The word in the input `emit`.
    fn name(&self) -> &'static str;

    /// Whether `all` leaves it out, because it does not work everywhere or does more than most want.
    fn on_request(&self) -> bool {
        false
    }

    /// The files, or why this format cannot say what the run did.
    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String>;
}

/// Every format, in the order in which they are shown.
const FORMATS: &[&dyn Format] = &[
    &mapping::Mapping,
    &registries_conf::RegistriesConf { tags: false },
    &registries_conf::RegistriesConf { tags: true },
    &openshift::MirrorSets,
    &imagestream::ImageStreams,
    &kustomize::Component,
    &buildkit::SourcePolicy,
    &cnb::Buildpacks,
    &k3s::Registries,
    &containerd::HostsToml,
    &buildkit::Daemon,
    &kyverno::Policy,
    &helm::Values,
];

/// The formats that were asked for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(BTreeSet<&'static str>);

impl Wanted {
    /// Reads the words of the input `emit`.
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let mut wanted = BTreeSet::new();
        for word in words {
            match *word {
                "none" if words.len() > 1 => return Err("has `none` beside other names; leave one out".to_owned()),
                "none" => {}
                "all" => {
                    wanted.extend(FORMATS.iter().filter(|format| !format.on_request()).map(|format| format.name()));
                }
                word => {
                    let names: Vec<&'static str> = FORMATS.iter().map(|format| format.name()).collect();
                    let Some(name) = names.iter().find(|name| **name == word) else {
                        return Err(format!("`{}` is not one of all, none, {}", shown(word), names.join(", ")));
                    };
                    wanted.insert(*name);
                }
            }
        }
        Ok(Self(wanted))
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a run did, as far as consumers need it.
struct Run {
    /// `owner-repo`: what files and objects are called.
    name: String,
    /// The `mapping` output.
    mapping: String,
    /// The images, sorted by source.
    images: Vec<Image>,
    /// Hosts that are spoken to over plain HTTP besides loopback ones.
    insecure: Vec<String>,
}

/// One image that is at the target exactly as at the source.
#[derive(Clone, PartialEq, Eq)]
struct Image {
    source: Reference,
    target: Reference,
    digest: Digest,
}

impl Image {
    /// `repository[:tag]@digest` of the target.
    fn pinned(&self) -> String {
        self.target.pinned(self.digest.clone()).to_string()
    }

    /// The tag, or a stand-in made of the digest where there is none.
    fn label(&self) -> String {
        self.target.tag().map_or_else(|| format!("sha256-{}", self.digest.short()), str::to_owned)
    }
}

/// A source repository and everything of it that is at one target repository.
struct Repository<'a> {
    source: String,
    target: String,
    images: Vec<&'a Image>,
}

impl Run {
    /// Collects the images; notes about those that cannot come in.
    fn new(report: &Report, github_repository: Option<&str>, insecure: &[String]) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let mut images: Vec<Image> = Vec::new();
        for image in report.images.iter().filter(|image| matches!(image.result, Outcome::Copied | Outcome::Unchanged)) {
            match Self::image(image) {
                Ok(image) if images.contains(&image) => {}
                Ok(image) => images.push(image),
                Err(problem) => notes.push(format!("{} is in `mapping.json` only: {problem}", image.source)),
            }
        }
        images.sort_by_cached_key(|image| (image.source.to_string(), image.target.to_string()));
        let first = || images.first().map_or("mirror", |image| image.target.namespace());
        let name = object_name(github_repository.unwrap_or_else(first));
        let mapping = crate::report::json::mapping(report);
        (Self { name, mapping, images, insecure: insecure.to_vec() }, notes)
    }

    fn image(image: &ImageReport) -> Result<Image, String> {
        let parse = |text: &str| match ImageReference::parse(text) {
            Ok(ImageReference::Registry(reference)) => Ok(reference),
            _ => Err("an `oci:` directory is no registry".to_owned()),
        };
        let source = parse(&image.source)?;
        let target = parse(image.target.as_deref().unwrap_or_default())?;
        match (&image.digest, &image.source_digest) {
            (Some(digest), Some(named)) if digest == named => Ok(Image { source, target, digest: digest.clone() }),
            _ => Err("it is a part of the source's image, with a digest of its own".to_owned()),
        }
    }

    /// The images by source repository. The second list says what is left out because a whole repository of one source
    /// would be served from another's: two sources in one target repository.
    fn repositories(&self) -> (Vec<Repository<'_>>, Vec<String>) {
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
    fn single_repositories(&self) -> Result<(Vec<Repository<'_>>, Vec<String>), String> {
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
    fn bases(&self) -> Result<BTreeMap<String, String>, String> {
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
    fn is_insecure(&self, registry: &str) -> bool {
        address::is_loopback_name(registry) || self.insecure.iter().any(|host| host == registry)
    }

    /// The address of a registry: scheme and host.
    fn url(&self, registry: &str) -> String {
        let scheme = if self.is_insecure(registry) { "http" } else { "https" };
        format!("{scheme}://{registry}")
    }

    /// The registries that images are pulled from.
    fn targets(&self) -> BTreeSet<&str> {
        self.images.iter().map(|image| image.target.registry()).collect()
    }
}

/// Renders what was asked for. Contacts nothing, writes nothing.
pub fn render(
    wanted: &Wanted,
    report: &Report,
    github_repository: Option<&str>,
    insecure: &[String],
) -> (Vec<Handover>, Vec<String>) {
    if wanted.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if report.dry_run || report.command != "copy" {
        let why = if report.dry_run { "a dry run writes nothing" } else { "only `copy` makes mirrors" };
        return (Vec::new(), vec![format!("no consumer configuration was written: {why}")]);
    }
    let (run, notes) = Run::new(report, github_repository, insecure);
    let formats = FORMATS.iter().filter(|format| wanted.0.contains(format.name()));
    let handovers = formats.map(|format| {
        let result = if run.images.is_empty() && format.name() != "mapping" {
            Err("no image was read back from the target exactly as the source has it".to_owned())
        } else {
            format.files(&run)
        };
        let (files, problem) = match result {
            Ok(files) => (files, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Handover { format: format.name(), files, problem }
    });
    (handovers.collect(), notes)
}

/// Writes the files of all formats below `directory`.
pub fn write(directory: &Directory, handovers: &[Handover]) -> Result<(), Error> {
    handovers.iter().flat_map(|handover| &handover.files).try_for_each(|file| directory.write(file))
}

fn file(path: impl Into<String>, language: &'static str, text: String) -> EmittedFile {
    EmittedFile { path: path.into(), language, text }
}

/// The first lines of a file: what it is, what it does not do. `#` comments.
fn header(about: &[&str], notes: &[String]) -> String {
    let mut text = "# Written by mirror-image; the next run writes it anew.\n".to_owned();
    for line in about.iter().copied().chain(notes.iter().map(String::as_str)) {
        text += "# ";
        text += line;
        text += "\n";
    }
    text
}

/// A double-quoted scalar of YAML and of TOML: for the texts here, JSON's string is both.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `text` as a name of Kubernetes: a DNS label.
fn object_name(text: &str) -> String {
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
fn spellings(source: &Reference) -> Vec<String> {
    let repository = source.repository();
    if source.registry() != DOCKER_HUB {
        return vec![source.name()];
    }
    let mut names = vec![repository.to_owned()];
    names.extend(repository.strip_prefix("library/").map(str::to_owned));
    for host in [DOCKER_HUB, "index.docker.io"] {
        let full: Vec<String> =
            names.iter().filter(|name| !name.contains(".io/")).map(|n| format!("{host}/{n}")).collect();
        names.extend(full);
    }
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// How Docker's tools print a name: without what they fill in.
fn familiar(source: &Reference) -> String {
    if source.registry() != DOCKER_HUB {
        return source.name();
    }
    let repository = source.repository();
    repository.strip_prefix("library/").unwrap_or(repository).to_owned()
}
