//! Consumer configuration: what lets clients pull from the mirror.
//!
//! Owns what the formats are made of and the list of formats; each format is one small file. Only images that were read
//! back from the target and are exactly what the source has come in; `mapping.json` and the catalogue have the others too,
//! and say so. The same run writes the same bytes: sorted, without times but the catalogue's. Never holds a credential, only the
//! place where one goes. Never writes outside the workspace.

pub mod buildkit;
pub mod catalogue;
pub mod cnb;
pub mod compose_override;
pub mod containerd;
pub mod directory;
pub mod document;
pub mod files;
pub mod format;
pub mod helm;
pub mod imagestream;
pub mod k3s;
pub mod kustomize;
pub mod kyverno;
pub mod lines;
pub mod listing;
pub mod mapping;
pub mod objects;
pub mod openshift;
pub mod registries_conf;
pub mod sed;
pub mod signed;

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::emit::directory::Directory;
use crate::emit::files::{ConsumerConfig, EmittedFile};
use crate::emit::format::{Format, Run};
use crate::engine::options::Command;
use crate::engine::outcome::ImageOutcome;
use crate::error::Error;
use crate::oci::reference::Reference;
use crate::text::quote::quote;

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
    &lines::Lines,
    &sed::Script,
    &compose_override::Override,
    &signed::Podman,
    &signed::Openshift,
    &signed::Kyverno,
    &catalogue::Catalogue,
];

/// The formats that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By name.
    formats: BTreeSet<&'static str>,
    /// The services of compose files that the run was told of, and the image of each.
    services: Vec<(String, Reference)>,
}

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
                        return Err(format!("`{}` is not one of all, none, {}", quote(word), names.join(", ")));
                    };
                    wanted.insert(*name);
                }
            }
        }
        Ok(Self { formats: wanted, services: Vec::new() })
    }

    /// The same for a run whose images are those of compose files' services.
    #[must_use]
    pub fn of_services(self, services: Vec<(String, Reference)>) -> Self {
        Self { services, ..self }
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.formats.is_empty()
    }

    /// Whether policies are handed over, and what images are signed by is to be known.
    pub fn has_policies(&self) -> bool {
        FORMATS.iter().any(|format| format.needs_signatures() && self.formats.contains(format.name()))
    }
}

/// Renders what was asked for. Contacts nothing, writes nothing.
pub fn render(
    wanted: &Wanted,
    images: &[ImageOutcome],
    command: Command,
    dry_run: bool,
    project: Option<&str>,
    insecure: &[String],
    now: SystemTime,
) -> (Vec<ConsumerConfig>, Vec<String>) {
    if wanted.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if dry_run || command != Command::Copy {
        let why = if dry_run { "a dry run writes nothing" } else { "only `copy` makes mirrors" };
        return (Vec::new(), vec![format!("no consumer configuration was written: {why}")]);
    }
    let (mut run, notes) = Run::new(images, project, insecure, now);
    run.services.clone_from(&wanted.services);
    let formats = FORMATS.iter().filter(|format| wanted.formats.contains(format.name()));
    let consumer_configs = formats.map(|format| {
        let result = match (run.images.is_empty(), run.published.is_empty()) {
            _ if !format.needs_exact() => format.files(&run),
            (_, true) => Err("no image was read back from the target exactly as the source has it".to_owned()),
            (true, false) if format.needs_source() => {
                Err("the source is a directory: there is no name for which clients would be sent to the mirror"
                    .to_owned())
            }
            _ => format.files(&run),
        };
        let (files, problem) = match result {
            Ok(files) => (files, None),
            Err(problem) => (format.files_by_image(&run), Some(problem)),
        };
        ConsumerConfig { format: format.name(), files, problem }
    });
    (consumer_configs.collect(), notes)
}

/// Writes the files of all formats below `directory`.
pub fn write(
    directory: &Directory,
    consumer_configs: &[ConsumerConfig],
    redacted: impl Fn(&str) -> String,
) -> Result<(), Error> {
    let files = consumer_configs.iter().flat_map(|config| &config.files);
    files
        .map(|file| EmittedFile { text: redacted(&file.text), ..file.clone() })
        .try_for_each(|file| directory.write(&file))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::{FORMATS, Wanted, render};
    use crate::engine::options::Command;
    use crate::engine::outcome::{ImageOutcome, Outcome};
    use crate::oci::digest::Digest;
    use crate::oci::reference::ImageReference;

    #[test]
    fn the_document_names_every_format_that_is_written_by_name_only() {
        let document = include_str!("../../docs/pull-from-the-mirror.md");
        let (_, list) = document.split_once("are written by name only:").unwrap();
        let (list, _) = list.split_once("\n\n").unwrap();
        for format in FORMATS {
            assert_eq!(list.contains(&format!("`{}`", format.name())), format.on_request(), "{}", format.name());
        }
    }

    /// What a build made and this run published.
    #[test]
    fn an_image_from_a_directory_has_the_files_that_need_only_its_target() {
        let named = |text: &str| ImageReference::parse(text).unwrap();
        let digest = Digest::of(b"built");
        let built = ImageOutcome {
            digest: Some(digest.clone()),
            source_digest: Some(digest.clone()),
            result: Outcome::Copied,
            ..ImageOutcome::new(named("oci:image:1.0"), Some(named("ghcr.io/acme/app:1.0")))
        };
        let wanted = Wanted::parse(&["all"]).unwrap();
        let (configs, notes) = render(&wanted, &[built], Command::Copy, false, None, &[], SystemTime::UNIX_EPOCH);
        assert_eq!(notes, Vec::<String>::new());
        for config in &configs {
            match config.format {
                "imagestream" => {
                    let text: String = config.files.iter().map(|file| file.text.as_str()).collect();
                    assert!(text.contains(&format!("ghcr.io/acme/app@{digest}")), "{text}");
                    assert!(text.contains("--docker-server=ghcr.io"), "{text}");
                }
                "mapping" => assert_eq!(config.files.len(), 1),
                format => assert!(
                    config.problem.as_deref().is_some_and(|problem| problem.starts_with("the source is a directory")),
                    "{format}: {:?}",
                    config.problem
                ),
            }
        }
        assert!(configs.iter().any(|config| config.format == "imagestream"));
    }
}
