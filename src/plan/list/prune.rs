//! Which tags of its targets a list does not want any more.
//!
//! Owns whose a tag is. Only repositories that the list writes to count, and of those only tags that it can have written: a
//! target that is spelled out with a tag makes that tag alone. What the rules of an entry would still select stays, although its
//! source has lost it: the mirror may be the last to have it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::engine::job::Job;
use crate::error::Side;
use crate::oci::artifact::after_digest;
use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::images::At;
use crate::plan::list::expand::Expansion;
use crate::plan::list::pattern::Pattern;
use crate::plan::list::schema::{By, Entry, List};
use crate::plan::list::tags::Selection;
use crate::plan::request::Request;
use crate::plan::template;
use crate::store::place::Place;
use crate::text::choice::Choice;

/// What the input `prune` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// Nothing.
    Off,
    /// What would be deleted is written to a file.
    Plan,
    /// What such a file says is deleted.
    Apply,
}

impl Choice for Pruning {
    const ALL: &'static [(&'static str, Self)] = &[("off", Self::Off), ("plan", Self::Plan), ("apply", Self::Apply)];
}

/// How a list is pruned.
#[derive(Clone, Debug)]
pub struct Prune {
    /// The plan that is carried out; none where it is made.
    pub plan: Option<String>,
    /// The plan's file, as it was named.
    pub file: String,
    /// The most tags that one run deletes.
    pub limit: usize,
    /// Tags that stay, whoever made them: by their name, or by all of it with the repository.
    pub keep: Vec<Pattern>,
}

/// Why a tag stays that the list does not select.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stays {
    /// `prune-keep` names it.
    Named,
    /// The rules of the list would select it, if its source had it.
    Lost,
    /// The list selects it for a repository of the same name at another host, which may be the same.
    Elsewhere,
    /// No entry of the list makes such a tag.
    Foreign,
    /// Something that stays has the same manifest, and the registry deletes no tag alone.
    Shared,
}

impl Stays {
    /// For people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Named => "`prune-keep` names it",
            Self::Lost => "the list still selects it, and its source has it no more",
            Self::Elsewhere => "the list selects it for the same repository at another host",
            Self::Foreign => "no entry of the list makes such a tag",
            Self::Shared => "something that stays has the same digest, and this registry deletes no tag by itself",
        }
    }
}

/// One repository that the list writes to.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Which; its tag and digest do not count.
    pub repository: Reference,
    /// As the list names it, with each host that it writes for it.
    names: BTreeSet<String>,
    place: Place,
    /// The tags that the list selects.
    pub selected: BTreeSet<String>,
    /// Those that it selects for a repository of the same name elsewhere: it may be this one under another host's name.
    elsewhere: BTreeSet<String>,
    /// What it is given without a tag.
    pub digests: BTreeSet<Digest>,
    /// Whether the list reads from it: then its tags are somebody's own.
    pub is_source: bool,
    /// What makes tags of it, an entry with a target each.
    makers: Vec<Maker>,
}

/// An entry of the list with one of its targets.
#[derive(Clone, Debug)]
struct Maker {
    /// What stands before and behind the source's tag; none where the tag is always the same.
    around: Option<(String, String)>,
    /// What selects tags, and those that it has selected; none where they are named, or where times count, which only a source
    /// has.
    rules: Option<(Entry, Vec<String>)>,
}

/// A tag that no image has; what a template makes of it shows where it puts tags.
const SENTINEL: &str = "0mirror-image0";

/// The repositories that are written to, each once however its host is spelled.
struct Scopes<'a> {
    insecure: &'a [String],
    found: HashMap<Place, Scope>,
}

fn place(repository: &Reference, insecure: &[String]) -> Place {
    Place::of(&ImageReference::Registry(repository.with_tag(SENTINEL)), insecure)
}

impl Scopes<'_> {
    fn scope(&mut self, repository: &Reference) -> &mut Scope {
        let place = place(repository, self.insecure);
        let scope = self.found.entry(place.clone()).or_insert_with(|| Scope {
            repository: repository.clone(),
            names: BTreeSet::new(),
            place,
            selected: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            digests: BTreeSet::new(),
            is_source: false,
            makers: Vec::new(),
        });
        scope.names.insert(repository.name());
        scope
    }
}

/// The repositories that `list` writes to, with what it was found to stand for: all of its `jobs`. `insecure`: as for
/// [`Place::of`].
pub fn scopes(
    list: &List,
    (expansion, jobs): (&Expansion, &[Job]),
    request: &Request,
    insecure: &[String],
) -> Vec<Scope> {
    let mut scopes = Scopes { insecure, found: HashMap::new() };
    let project = request.project.as_deref();
    for entry in &list.entries {
        let Some(source) = entry.source.registry() else { continue };
        let source = ImageReference::Registry(source.with_tag(SENTINEL));
        for template in entry.settings.targets.as_ref().unwrap_or(&request.targets) {
            let Ok((ImageReference::Registry(made), _)) = template::target(template, &source, project) else {
                continue;
            };
            let parts = made.tag().and_then(|tag| tag.split_once(SENTINEL));
            let around = parts.filter(|(_, behind)| !behind.contains(SENTINEL));
            let around = around.map(|(before, behind)| (before.to_owned(), behind.to_owned()));
            if !made.repository().contains(SENTINEL) {
                scopes.scope(&made).makers.push(Maker { around, rules: rules(entry, expansion) });
            }
        }
    }
    for target in jobs.iter().filter_map(|job| job.end(Side::Target)) {
        let scope = scopes.scope(target);
        match (target.tag(), target.digest()) {
            (_, Some(digest)) => drop(scope.digests.insert(digest.clone())),
            (Some(tag), None) => drop(scope.selected.insert(tag.to_owned())),
            (None, None) => {}
        }
    }
    let sources = list.entries.iter().filter_map(|entry| entry.source.registry());
    let sources: HashSet<Place> = sources.map(|source| place(source, insecure)).collect();
    let mut by_name: HashMap<String, BTreeSet<String>> = HashMap::new();
    for scope in scopes.found.values() {
        by_name.entry(scope.repository.repository().to_owned()).or_default().extend(scope.selected.iter().cloned());
    }
    let finish = |(place, mut scope): (Place, Scope)| {
        scope.is_source = sources.contains(&place);
        scope.elsewhere = by_name.get(scope.repository.repository()).cloned().unwrap_or_default();
        scope
    };
    let mut scopes: Vec<Scope> = scopes.found.into_iter().map(finish).collect();
    scopes.sort_by_cached_key(|scope| scope.repository.name());
    scopes
}

/// The rules of an entry, as far as they need nothing but names.
fn rules(entry: &Entry, expansion: &Expansion) -> Option<(Entry, Vec<String>)> {
    let settings = &entry.settings;
    let needs_times = settings.newest.is_some_and(|newest| newest.by == By::Time)
        || settings.newer_than.is_some()
        || settings.minimum_age.is_some();
    let at = At::List(entry.position.clone());
    let selection = expansion.entries.iter().find(|expanded| expanded.at == at)?.result.as_ref().ok()?;
    (!needs_times).then(|| (entry.clone(), selection.selected.clone()))
}

impl Maker {
    /// The source's tag of which `tag` is made.
    fn source_tag<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let (before, behind) = self.around.as_ref()?;
        tag.strip_prefix(before.as_str())?.strip_suffix(behind.as_str()).filter(|tag| !tag.is_empty())
    }

    /// Which of the sources' tags `lost` its rules would select, had the source them too.
    fn selects(&self, lost: &BTreeSet<&str>) -> BTreeSet<String> {
        let Some((Entry { tags: Some(rules), settings, .. }, selected)) = &self.rules else { return BTreeSet::new() };
        let all = selected.iter().map(String::as_str).chain(lost.iter().copied());
        Selection::new(rules, settings, all).selected.into_iter().collect()
    }
}

impl Scope {
    /// Whether `reference` is in it, however its host is spelled.
    pub fn holds(&self, reference: &Reference, insecure: &[String]) -> bool {
        reference.repository() == self.repository.repository() && place(reference, insecure) == self.place
    }

    /// Whether `pattern` has this tag, by its name or by all of it.
    fn has(&self, pattern: &Pattern, tag: &str) -> bool {
        pattern.matches(tag) || self.names.iter().any(|name| pattern.matches(&format!("{name}:{tag}")))
    }

    /// Which of `keep` have one of the repository's `tags`.
    pub fn kept(&self, tags: &BTreeSet<String>, keep: &[Pattern]) -> BTreeSet<String> {
        let has_one = |pattern: &&Pattern| tags.iter().any(|tag| self.has(pattern, tag));
        keep.iter().filter(has_one).map(ToString::to_string).collect()
    }

    /// Which of the repository's `tags` are not wanted any more, and why others stay that the list does not select.
    ///
    /// A tag that is made of a digest is never among the first: it goes with what it is attached to.
    pub fn unwanted(&self, tags: &BTreeSet<String>, keep: &[Pattern]) -> (BTreeSet<String>, BTreeMap<String, Stays>) {
        let mut stays = BTreeMap::new();
        let mut unwanted: BTreeSet<String> = BTreeSet::new();
        let is_left = |tag: &&String| !self.selected.contains(*tag) && after_digest(tag).is_none();
        for tag in tags.iter().filter(is_left) {
            if keep.iter().any(|pattern| self.has(pattern, tag)) {
                stays.insert(tag.clone(), Stays::Named);
            } else if self.elsewhere.contains(tag) {
                stays.insert(tag.clone(), Stays::Elsewhere);
            } else if self.makers.iter().any(|maker| maker.source_tag(tag).is_some()) {
                unwanted.insert(tag.clone());
            } else {
                stays.insert(tag.clone(), Stays::Foreign);
            }
        }
        for maker in &self.makers {
            let lost: BTreeSet<&str> = unwanted.iter().filter_map(|tag| maker.source_tag(tag)).collect();
            let selects = maker.selects(&lost);
            let lost: Vec<String> = unwanted
                .iter()
                .filter(|tag| maker.source_tag(tag).is_some_and(|tag| selects.contains(tag)))
                .cloned()
                .collect();
            for tag in lost {
                unwanted.remove(&tag);
                stays.insert(tag, Stays::Lost);
            }
        }
        (unwanted, stays)
    }
}
