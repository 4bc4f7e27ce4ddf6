//! What a file names, as data: an image, where it stands, and whether it is certain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::oci::reference::Reference;
use crate::plan::find::variables;
use crate::plan::list::yaml::{Node, Place, Value};
use crate::text::choice::Choice;
use crate::text::quote::quote;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Dockerfile,
    Compose,
    Kubernetes,
    Kustomization,
    Chart,
    Workflow,
    Action,
    GitLab,
    Devcontainer,
    Bake,
    Values,
    Plain,
}

impl Choice for Kind {
    const ALL: &'static [(&'static str, Self)] = &[
        ("dockerfile", Self::Dockerfile),
        ("compose", Self::Compose),
        ("kubernetes", Self::Kubernetes),
        ("kustomization", Self::Kustomization),
        ("chart", Self::Chart),
        ("workflow", Self::Workflow),
        ("action", Self::Action),
        ("gitlab-ci", Self::GitLab),
        ("devcontainer", Self::Devcontainer),
        ("bake", Self::Bake),
        ("values", Self::Values),
        ("list", Self::Plain),
    ];
}

/// What is known besides the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether places are looked at that name images by habit only.
    pub guess: bool,
    /// `--build-arg` of Dockerfiles.
    pub build_arguments: BTreeMap<String, String>,
    /// What compose files take from an `.env` file.
    pub variables: BTreeMap<String, String>,
}

/// An image, or why it is not known which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By the file's grammar.
    Certain(Reference),
    /// By habit.
    Guessed(Reference),
    /// What is written, made fit to be shown, and why nothing is made of it.
    Unresolved { text: String, reason: String },
}

/// What of a reference stands in the file letter by letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it.
    Whole(Range<usize>),
    /// Registry and repository; the tag or the digest is put together, or stands elsewhere.
    Name(Range<usize>),
}

/// One place that names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub place: Place,
    pub kind: Kind,
    pub named: Named,
    /// Where it can be written anew; none where it is put together.
    pub written: Option<Written>,
    /// What a person should know of this place.
    pub remark: Option<&'static str>,
    /// The service of a compose file that runs it.
    pub service: Option<String>,
}

/// Something about a file that is no image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub place: Place,
    pub text: String,
    /// Whether the file, or a document of it, could not be read.
    pub is_broken: bool,
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it is; empty where nothing in it is of a kind that names images.
    pub kinds: BTreeSet<Kind>,
    pub found: Vec<Found>,
    pub notes: Vec<Note>,
    /// What it is as a kustomization.
    pub kustomization: Option<Kustomization>,
}

/// A kustomization, as far as other files tell what it makes of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kustomization {
    /// What it is made of; none where more than that may change an image.
    pub resources: Option<Vec<String>>,
    pub has_images: bool,
    /// Images that it gives a name and no tag.
    pub renames: Vec<Rename>,
}

/// Another name for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Which of what was found it is.
    pub at: usize,
    pub from: String,
    pub to: String,
}

/// Puts together what a file says.
pub struct Collector<'a> {
    pub text: &'a str,
    pub settings: &'a Settings,
    pub reading: Reading,
    kind: Kind,
    /// What is added to the next places.
    pub remark: Option<&'static str>,
    pub service: Option<String>,
    /// A mark that editors put before a text: places count from behind it, bytes from before.
    mark: usize,
}

impl<'a> Collector<'a> {
    pub fn new(text: &'a str, settings: &'a Settings) -> Self {
        let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let reading = Reading::default();
        Self { text, settings, reading, kind: Kind::Plain, remark: None, service: None, mark }
    }

    /// From here on what is found is of this kind.
    pub fn begin(&mut self, kind: Kind) {
        self.kind = kind;
        self.reading.kinds.insert(kind);
        (self.remark, self.service) = (None, None);
    }

    pub fn note(&mut self, place: Place, text: impl Into<String>) {
        self.reading.notes.push(Note { place, text: text.into(), is_broken: false });
    }

    pub fn broken(&mut self, place: Place, text: impl Into<String>) {
        self.reading.notes.push(Note { place, text: text.into(), is_broken: true });
    }

    /// An image that stands in a text of YAML as it is; a text with variables is unresolved.
    pub fn literal(&mut self, node: &Node) {
        let Some(text) = node.text().map(str::trim).filter(|text| !text.is_empty()) else { return };
        match variables::unknown(text) {
            Some(reason) => self.unresolved(node.place, text, reason),
            None => self.resolved(node, text, text),
        }
    }

    /// The image `value`, which the text `written` of `node` has come to.
    pub fn resolved(&mut self, node: &Node, written: &str, value: &str) {
        let at = self.bytes(node, written);
        let written = at.and_then(|at| part(&at, written, value));
        self.image(node.place, value, written);
    }

    /// An image at a place.
    pub fn image(&mut self, place: Place, value: &str, written: Option<Written>) {
        match Reference::parse(value) {
            Ok(reference) => {
                let named =
                    if self.kind == Kind::Values { Named::Guessed(reference) } else { Named::Certain(reference) };
                let (remark, service) = (self.remark, self.service.clone());
                self.reading.found.push(Found { place, kind: self.kind, named, written, remark, service });
            }
            Err(reason) => self.unresolved(place, value, reason),
        }
    }

    /// A place of which it is not known which image it names.
    pub fn unresolved(&mut self, place: Place, text: &str, reason: impl Into<String>) {
        let named = Named::Unresolved { text: quote(text), reason: reason.into() };
        let (remark, service) = (self.remark, self.service.clone());
        self.reading.found.push(Found { place, kind: self.kind, named, written: None, remark, service });
    }

    /// Where `written` stands in the file's bytes, if it stands there letter by letter, and once.
    pub fn bytes(&self, node: &Node, written: &str) -> Option<Range<usize>> {
        let span = node.span.start.checked_add(self.mark)?..node.span.end.checked_add(self.mark)?;
        let raw = self.text.get(span.clone())?;
        // A plain text that began with such a letter would be no text any more.
        let mut found = raw.match_indices(written);
        let (at, _) = found.next().filter(|_| found.next().is_none())?;
        let is_text = matches!(node.value, Value::Plain(_) | Value::Quoted(_));
        is_text.then(|| span.start + at..span.start + at + written.len())
    }
}

/// What of `written`, which stands at `at` and has come to `value`, is the reference letter by letter.
pub fn part(at: &Range<usize>, written: &str, value: &str) -> Option<Written> {
    if written == value {
        return Some(Written::Whole(at.clone()));
    }
    let name = name_of(written);
    let is_literal = !name.is_empty() && name.len() < written.len() && !name.contains('$') && name_of(value) == name;
    is_literal.then(|| Written::Name(at.start..at.start + name.len()))
}

/// Registry and repository of a reference that may have variables behind them.
pub fn name_of(text: &str) -> &str {
    let end = text.find('@').unwrap_or(text.len());
    let slash = text[..end].rfind('/').map_or(0, |at| at + 1);
    let end = text[slash..end].find(':').map_or(end, |at| slash + at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::{Written, name_of, part};

    #[test]
    fn a_name_ends_before_the_tag_and_the_digest_and_not_at_a_port() {
        for (text, name) in [
            ("nginx", "nginx"),
            ("nginx:1.27", "nginx"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b"),
            ("localhost:5000/a/b@sha256:00", "localhost:5000/a/b"),
            ("a/b:1@sha256:00", "a/b"),
            ("a/b:${TAG:-x}", "a/b"),
            ("${A}/b:1", "${A}/b"),
        ] {
            assert_eq!(name_of(text), name, "{text}");
        }
    }

    #[test]
    fn only_what_stands_there_letter_by_letter_is_written_anew() {
        for (written, value, expected) in [
            ("nginx:1", "nginx:1", Some(Written::Whole(10..17))),
            ("nginx:${V:-1}", "nginx:1", Some(Written::Name(10..15))),
            ("${R}nginx:1", "a/nginx:1", None),
            ("$IMAGE", "nginx:1", None),
            // The name itself is put together, by what stands behind it.
            ("nginx${S}", "nginx-slim", None),
            ("nginx${S}", "nginx", None),
        ] {
            assert_eq!(part(&(10..10 + written.len()), written, value), expected, "{written}");
        }
    }
}
