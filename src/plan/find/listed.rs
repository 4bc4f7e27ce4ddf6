//! The images of all files of a command together: each once, with every place that names it.
//!
//! Owns their order, what is left out because it is in the mirror already, and how they are written as a list. A list is one
//! that the input `config` takes: what is no image is a comment in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::oci::reference::{ImageReference, Reference};
use crate::plan::find::found::{Kind, Named, Note, Reading, name_of};
use crate::plan::images::{At, Line, Say};
use crate::plan::list::version::Version;
use crate::plan::list::yaml::{Place, Position};
use crate::text::choice::Choice as _;
use crate::text::sanitise;

/// All images that files name.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// By repository, its tags in the order of versions; guesses behind all others.
    pub images: Vec<Image>,
    /// Places that name an image that is not known.
    pub unresolved: Vec<Unresolved>,
    /// What else is to be said of files.
    pub notes: Vec<FileNote>,
    /// How many images are left out because they are in the mirror.
    pub mirrored: usize,
    /// How many files were of a kind that names images, and how many were looked at.
    pub files: (usize, usize),
}

/// One image.
#[derive(Clone, Debug)]
pub struct Image {
    pub reference: Reference,
    pub is_guessed: bool,
    pub sites: Vec<Site>,
}

/// A place that names an image.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    file: String,
    line: usize,
    column: usize,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'static str>,
}

/// A place of which it is not known which image it names.
#[derive(Clone, Debug, Serialize)]
pub struct Unresolved {
    #[serde(flatten)]
    pub site: Site,
    /// As it is written, made fit to be shown.
    text: String,
    reason: String,
}

/// Something about a file.
#[derive(Clone, Debug, Serialize)]
pub struct FileNote {
    file: String,
    line: usize,
    column: usize,
    text: String,
    /// Whether the file or a document of it could not be read.
    pub is_broken: bool,
    /// Whether somebody named the file.
    #[serde(skip)]
    pub is_named: bool,
}

impl Site {
    /// File, line and column.
    pub fn place(&self) -> (&str, usize, usize) {
        (&self.file, self.line, self.column)
    }

    /// `FILE:LINE`, with what a person should know.
    pub fn shown(&self) -> String {
        let remark = self.remark.map_or_else(String::new, |remark| format!(" ({remark})"));
        format!("{}:{}{remark}", self.file, self.line)
    }
}

impl Unresolved {
    pub fn sentence(&self) -> String {
        let Site { file, line, column, .. } = &self.site;
        format!("{file}:{line}:{column}: `{}` is unresolved: {}", self.text, self.reason)
    }
}

impl FileNote {
    pub fn sentence(&self) -> String {
        let Self { file, line, column, text, .. } = self;
        match line {
            0 => format!("{file} {text}"),
            _ => format!("{file}:{line}:{column}: {text}"),
        }
    }

    /// File, line and column; line 0 where it is about all of it.
    pub fn place(&self) -> (&str, usize, usize) {
        (&self.file, self.line, self.column)
    }

    /// About a file as a whole.
    pub fn of_file(file: &str, text: String, is_named: bool) -> Self {
        Self { file: shown(file), line: 0, column: 0, text, is_broken: true, is_named }
    }
}

fn shown(file: &str) -> String {
    sanitise::one_line(file, 500)
}

impl Listed {
    /// Adds what a file says.
    pub fn add(&mut self, file: &str, reading: Reading, is_named: bool) {
        self.files.0 += usize::from(!reading.kinds.is_empty());
        self.files.1 += 1;
        let file = shown(file);
        // What an alias repeats stands in one place.
        let mut seen = BTreeSet::new();
        for found in reading.found {
            let Place { line, column } = found.place;
            if matches!(&found.named, Named::Certain(reference) if !seen.insert((found.place, reference.to_string()))) {
                continue;
            }
            let service = found.service.map(|service| sanitise::one_line(&service, 200));
            let (kind, remark) = (Kind::word(found.kind), found.remark);
            let site = Site { file: file.clone(), line, column, kind, service, remark };
            let (reference, is_guessed) = match found.named {
                Named::Certain(reference) => (reference, false),
                Named::Guessed(reference) => (reference, true),
                Named::Unresolved { text, reason } => {
                    let reason = sanitise::one_line(&reason, 500);
                    self.unresolved.push(Unresolved { site, text, reason });
                    continue;
                }
            };
            self.images.push(Image { reference, is_guessed, sites: vec![site] });
        }
        self.notes.extend(reading.notes.into_iter().map(|Note { place, text, is_broken }| FileNote {
            file: file.clone(),
            line: place.line,
            column: place.column,
            text: sanitise::one_line(&text, 500),
            is_broken,
            is_named,
        }));
    }

    /// Puts the same images together and in order; without those below `mirrors`, which begin the names of what is mirrored.
    #[must_use]
    pub fn settled(mut self, mirrors: &[String]) -> Self {
        let mut images: BTreeMap<(bool, String, Option<Version>, String), Image> = BTreeMap::new();
        for image in std::mem::take(&mut self.images) {
            let name = image.reference.name();
            let version = image.reference.tag().and_then(Version::of);
            let key = (image.is_guessed, name, version, image.reference.to_string());
            match images.get_mut(&key) {
                Some(same) => same.sites.extend(image.sites),
                None => _ = images.insert(key, image),
            }
        }
        // What is certain somewhere is no guess elsewhere.
        let certain: Vec<String> =
            images.keys().filter(|(is_guessed, ..)| !is_guessed).map(|(.., image)| image.clone()).collect();
        for ((is_guessed, name, _, text), image) in images {
            if is_mirrored(&name, mirrors) {
                self.mirrored += 1;
            } else if !(is_guessed && certain.contains(&text)) {
                self.images.push(image);
            }
        }
        self
    }

    /// The images alone.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.images.iter().map(|image| &image.reference)
    }

    /// As a list with comments.
    pub fn list(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut is_guess = false;
        for image in &self.images {
            if image.is_guessed && !is_guess {
                lines.push("# guessed, by the habits of charts' values:".to_owned());
                is_guess = true;
            }
            let sites: Vec<String> = image.sites.iter().map(Site::shown).collect();
            lines.push(format!("# {}", sites.join(", ")));
            lines.push(image.reference.to_string());
        }
        lines.extend(self.unresolved.iter().map(|place| format!("# {}", place.sentence())));
        lines
    }

    /// The services of compose files, and the image of each.
    pub fn services(&self) -> Vec<(String, Reference)> {
        let of = |image: &Image| {
            let services: Vec<String> = image.sites.iter().filter_map(|site| site.service.clone()).collect();
            services.into_iter().map(|service| (service, image.reference.clone())).collect::<Vec<_>>()
        };
        self.images.iter().flat_map(of).collect()
    }

    /// The images as a run takes them. One tag is one image at the target: of those that pin several digests under it, the
    /// tag goes to the one without, and the others go by their digest alone.
    pub fn lines(&self) -> Vec<Line> {
        let mut same: BTreeMap<(String, Option<&str>), usize> = BTreeMap::new();
        for reference in self.references().filter(|reference| reference.tag().is_some()) {
            *same.entry((reference.name(), reference.tag())).or_default() += 1;
        }
        let line = |image: &Image| {
            let reference = &image.reference;
            let is_alone = same.get(&(reference.name(), reference.tag())).is_none_or(|count| *count == 1);
            let source = match reference.digest() {
                Some(digest) if !is_alone => reference.with_digest(digest.clone()),
                _ => reference.clone(),
            };
            let site = image.sites.first()?;
            let place = Place { line: site.line, column: site.column };
            let at = At::Named(Position { file: site.file.as_str().into(), place });
            Some(Line {
                at,
                source: ImageReference::Registry(source),
                target: None,
                platform: None,
                options: None,
                say: Say::Run,
            })
        };
        self.images.iter().filter_map(line).collect()
    }
}

/// Whether a repository is in the mirror, the names of which begin with `mirrors`.
pub fn is_mirrored(name: &str, mirrors: &[String]) -> bool {
    mirrors.iter().any(|prefix| format!("{name}/").starts_with(prefix.as_str()))
}

/// How the names begin of what `targets` make of other images; none where a template begins with what differs.
pub fn mirrors(targets: &[String], project: Option<&str>) -> Vec<String> {
    let (owner, repository) = project.and_then(|name| name.split_once('/')).unwrap_or_default();
    let prefix = |target: &String| {
        let mut known = target.to_owned();
        for (name, value) in
            [("{owner}", owner), ("{repo}", repository)].into_iter().filter(|(_, value)| !value.is_empty())
        {
            known = known.replace(name, &value.to_ascii_lowercase());
        }
        let is_whole = !known.contains('{');
        let literal = known.split('{').next().unwrap_or_default();
        let prefix = if is_whole { format!("{}/", name_of(literal)) } else { literal.to_owned() };
        // What is known of the project is known of all of it: a name that goes on with an unknown owner begins anyhow.
        let is_cut = ["{owner}", "{repo}"].iter().any(|name| known[literal.len()..].starts_with(name));
        (literal.contains('/') && !literal.starts_with("oci:") && !is_cut).then_some(prefix)
    };
    targets.iter().filter_map(prefix).collect()
}

#[cfg(test)]
mod tests {
    use super::{Listed, mirrors};
    use crate::plan::find::found::Settings;
    use crate::plan::find::{Origin, read};

    fn listed(files: &[(&str, &str)], own: &[String]) -> Listed {
        let mut listed = Listed::default();
        for (name, text) in files {
            listed.add(name, read(name, text, Origin::Searched, &Settings::default()), false);
        }
        listed.settled(own)
    }

    #[test]
    fn an_image_is_listed_once_with_all_its_places_and_the_mirrors_own_are_left_out() {
        let files = [
            (
                "b/compose.yml",
                "services:\n  a: {image: 'redis:7'}\n  b: {image: 'nginx:1.9'}\n  c: {image: 'x:${T}'}\n",
            ),
            ("Dockerfile", "FROM nginx:1.10\nFROM nginx:1.9\nFROM ghcr.io/octo/mirror/alpine:3\n"),
        ];
        let listed = listed(&files, &["ghcr.io/octo/mirror/".to_owned()]);
        assert_eq!(listed.mirrored, 1);
        let expected = [
            "# b/compose.yml:3, Dockerfile:2",
            "docker.io/library/nginx:1.9",
            "# Dockerfile:1",
            "docker.io/library/nginx:1.10",
            "# b/compose.yml:2",
            "docker.io/library/redis:7",
            "# b/compose.yml:4:14: `x:${T}` is unresolved: `T` has no value here",
        ];
        assert_eq!(listed.list(), expected);
    }

    #[test]
    fn one_tag_with_several_digests_goes_by_them() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        let text = format!("FROM x:1@sha256:{one}\nFROM x:1@sha256:{other}\nFROM y:1@sha256:{one}\n");
        let lines = listed(&[("Dockerfile", &text)], &[]).lines();
        let sources: Vec<String> = lines.iter().map(|line| line.source.to_string()).collect();
        let expected = [
            format!("docker.io/library/x@sha256:{one}"),
            format!("docker.io/library/x@sha256:{other}"),
            format!("docker.io/library/y:1@sha256:{one}"),
        ];
        assert_eq!(sources, expected);
    }

    #[test]
    fn the_mirrors_names_are_those_that_its_targets_begin_with() {
        let project = Some("Octo/Repo");
        for (target, prefix) in [
            ("ghcr.io/{owner}/{repo}/{registry}/{repository}", Some("ghcr.io/octo/repo/")),
            ("registry.example.com/mirror/{name}", Some("registry.example.com/mirror/")),
            ("registry.example.com/mirror-{name}", Some("registry.example.com/mirror-")),
            ("quay.io/octo/alpine:3", Some("quay.io/octo/alpine/")),
            ("{registry}/copies/{name}", None),
            ("oci:out", None),
        ] {
            assert_eq!(
                mirrors(&[target.to_owned()], project),
                prefix.map(str::to_owned).into_iter().collect::<Vec<_>>()
            );
        }
        assert!(mirrors(&["ghcr.io/{owner}/{name}".to_owned()], None).is_empty());
    }
}
