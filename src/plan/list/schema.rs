//! What a list says: from its text to entries that are typed.
//!
//! Owns the keys, and the sentence about each that is wrong: it names the file, the line, the column, and the key that was
//! probably meant. A key that is not known is refused: one that is read over silently is a setting that does not hold. Never
//! reads a file.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::options::{Attachments, OnConflict, Options, Platforms, Statement, Subset};
use crate::error::{Error, WrittenIn};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::{ImageReference, Reference, is_tag};
use crate::plan::images;
use crate::plan::list::keys::{Members, find, known, list, map, patterns, several, single, span, text, truth, word};
use crate::plan::list::pattern::Pattern;
use crate::plan::list::policies::{Load, Policies};
use crate::plan::list::version::Range;
use crate::plan::list::yaml::{self, Key, Node, Place, Position, Problem, Value};
use crate::policy::Requirement;
use crate::text::choice::Choice;
use crate::text::quote::quote;

/// The keys of a list.
pub const LIST_KEYS: [&str; 5] = ["version", "defaults", "policies", "verify", "images"];

/// The keys of an entry that `defaults` may have too.
pub const SETTING_KEYS: [&str; 12] = [
    "target",
    "newest",
    "newer-than",
    "minimum-age",
    "unknown-age",
    "immutable",
    "optional",
    "platforms",
    "subset",
    "attachments",
    "on-conflict",
    "attest",
];

/// The keys that only an entry has.
pub const ENTRY_KEYS: [&str; 4] = ["source", "tags", "exclude", "verify"];

/// The keys of an item of `tags` that is a map.
pub const ITEM_KEYS: [&str; 5] = ["glob", "regex", "semver", "variant", "pre-releases"];

/// The keys of `newest`, where it is a map.
pub const NEWEST_KEYS: [&str; 3] = ["count", "across-variants", "by"];

/// The images of all lists of a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Its entries: the first is the most important.
    pub entries: Vec<Entry>,
    /// What is read otherwise than it may be meant, a sentence each.
    pub notices: Vec<String>,
}

/// One entry: an image, or tags of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins.
    pub position: Position,
    /// The image; where tags are selected, the repository.
    pub source: ImageReference,
    /// Which tags of it; none for the image itself.
    pub tags: Option<TagRules>,
    /// What else is said of it, `defaults` included.
    pub settings: Settings,
}

/// Which tags of a repository are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRules {
    /// Those that are named: no rule takes one away.
    pub exact: Vec<ExactTag>,
    /// What selects others: a tag that one of these has is wanted.
    pub items: Vec<Item>,
    /// What is taken away from these.
    pub exclude: Vec<Pattern>,
}

/// A tag that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactTag {
    /// Where it is named.
    pub place: Place,
    /// The tag.
    pub tag: String,
    /// What it must be.
    pub digest: Option<Digest>,
}

/// What a tag must be like: all that is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// As a glob or a regular expression says.
    pub pattern: Option<Pattern>,
    /// The same, where a map has both.
    pub regex: Option<Pattern>,
    /// A version in this range, and the range as it was written.
    pub range: Option<(Range, String)>,
    /// With such a variant; empty for none.
    pub variant: Option<Pattern>,
    /// Whether a version that is not released yet will do.
    pub pre_releases: bool,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.range.as_ref().map(|(_, text)| format!("semver {text}"));
        let variant = self.variant.as_ref().map(|variant| match variant.to_string() {
            none if none.is_empty() => "no variant".to_owned(),
            variant => format!("variant {variant}"),
        });
        let patterns = [&self.pattern, &self.regex].map(|pattern| pattern.as_ref().map(ToString::to_string));
        let pre_releases = self.pre_releases.then(|| "with pre-releases".to_owned());
        let parts: Vec<String> = patterns.into_iter().chain([range, variant, pre_releases]).flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// How many of the newest are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// So many.
    pub count: usize,
    /// Of all together, in place of each variant.
    pub across_variants: bool,
    /// What newer means.
    pub by: By,
}

/// What is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A higher version.
    Version,
    /// What was made later.
    Time,
}

impl Choice for By {
    const ALL: &'static [(&'static str, Self)] = &[("version", Self::Version), ("time", Self::Time)];
}

/// What becomes of a tag whose image does not say when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownAge {
    /// The entry fails.
    Fail,
    /// It is wanted.
    Keep,
    /// It is not.
    Drop,
}

impl Choice for UnknownAge {
    const ALL: &'static [(&'static str, Self)] = &[("fail", Self::Fail), ("keep", Self::Keep), ("drop", Self::Drop)];
}

/// What `defaults` and an entry may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the image goes, templates; none: where the input `target` says.
    pub targets: Option<Vec<String>>,
    /// How many of the newest tags are kept.
    pub newest: Option<Newest>,
    /// Only what was made in this time.
    pub newer_than: Option<Duration>,
    /// Only what was made before it.
    pub minimum_age: Option<Duration>,
    /// What becomes of a tag that has no time.
    pub unknown_age: Option<UnknownAge>,
    /// Tags that never move: one that is at the target is not asked for at the source.
    pub immutable: Option<Vec<Pattern>>,
    /// Whether it is well that no tag matches.
    pub optional: Option<bool>,
    /// Which platforms; empty for all.
    pub platforms: Option<Vec<Platform>>,
    /// What becomes of an index of which only some are copied.
    pub subset: Option<Subset>,
    /// Which attachments come along.
    pub attachments: Option<Attachments>,
    /// What happens to a target tag with another digest.
    pub on_conflict: Option<OnConflict>,
    /// Whether what was copied is said, signed.
    pub statement: Option<Statement>,
    /// The signature that it must have, as a rule of the list says.
    pub requirement: Option<Requirement>,
}

impl Settings {
    /// What these leave open as `defaults` say.
    fn or(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            targets: self.targets.or(defaults.targets),
            newest: self.newest.or(defaults.newest),
            newer_than: self.newer_than.or(defaults.newer_than),
            minimum_age: self.minimum_age.or(defaults.minimum_age),
            unknown_age: self.unknown_age.or(defaults.unknown_age),
            immutable: self.immutable.or(defaults.immutable),
            optional: self.optional.or(defaults.optional),
            platforms: self.platforms.or(defaults.platforms),
            subset: self.subset.or(defaults.subset),
            attachments: self.attachments.or(defaults.attachments),
            on_conflict: self.on_conflict.or(defaults.on_conflict),
            statement: self.statement.or(defaults.statement),
            requirement: self.requirement.or(defaults.requirement),
        }
    }

    /// The options of the run as these change them; `subset` is the run's.
    pub fn apply(&self, options: &Options, subset: Subset) -> Options {
        let subset = self.subset.unwrap_or(subset);
        let platforms = match (self.platforms.as_deref(), &options.platforms) {
            (Some(named), _) => Platforms::of(named.to_vec(), subset),
            (None, Platforms::Several(named, _)) => Platforms::Several(named.clone(), subset),
            (None, whole) => whole.clone(),
        };
        Options {
            platforms,
            attachments: self.attachments.unwrap_or(options.attachments),
            on_conflict: self.on_conflict.unwrap_or(options.on_conflict),
            conflict_in: if self.on_conflict.is_some() { WrittenIn::List } else { options.conflict_in },
            statement: self.statement.unwrap_or(options.statement),
            requirement: self.requirement.clone().or_else(|| options.requirement.clone()),
            ..options.clone()
        }
    }

    /// Takes the value of one of [`SETTING_KEYS`].
    fn set(&mut self, key: &Key, value: &Node) -> Result<(), Problem> {
        match &*key.text {
            "target" => {
                self.targets = Some(several(key, value)?.into_iter().map(|(_, text)| text.to_owned()).collect());
            }
            "newest" => self.newest = Some(newest(key, value)?),
            "newer-than" => self.newer_than = Some(span(key, value)?),
            "minimum-age" => self.minimum_age = Some(span(key, value)?),
            "unknown-age" => self.unknown_age = Some(word(key, value)?),
            "immutable" => self.immutable = Some(immutable(key, value)?),
            "optional" => self.optional = Some(truth(key, value)?),
            "platforms" => self.platforms = Some(platforms(key, value)?),
            "subset" => self.subset = Some(word(key, value)?),
            "attachments" => self.attachments = Some(word(key, value)?),
            "on-conflict" => self.on_conflict = Some(word(key, value)?),
            "attest" => self.statement = Some(Statement::of(truth(key, value)?)),
            _ => return Err(Problem::new(key.place, format!("the key `{}` is not read here", quote(&key.text)))),
        }
        Ok(())
    }
}

impl List {
    /// Adds the entries of a file of this name. What ends in `.yml`, `.yaml` or `.json` is YAML; anything else is a plain
    /// list, `SOURCE` or `SOURCE => TARGET` a line. `load` gives the files that it names.
    pub fn read(&mut self, name: &str, text: &str, load: &Load<'_>) -> Result<(), Error> {
        let file: Arc<str> = quote(name).into();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_yaml = [".yml", ".yaml", ".json"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        let entries = if is_yaml { structured(&file, text, load, &mut self.notices) } else { plain(&file, text) };
        self.entries.extend(entries.map_err(|Problem { place, text }| {
            Error::input("config", format!("{}: {text}", Position { file: Arc::clone(&file), place }))
        })?);
        Ok(())
    }
}

/// A plain list.
fn plain(file: &Arc<str>, text: &str) -> Result<Vec<Entry>, Problem> {
    let read = (1..).zip(text.lines()).flat_map(|(line, text)| {
        let place = Place { line, column: 1 };
        let entry = move |(source, target): (ImageReference, Option<String>)| Entry {
            position: Position { file: Arc::clone(file), place },
            source,
            tags: None,
            settings: Settings { targets: target.map(|target| vec![target]), ..Settings::default() },
        };
        images::of_line(text)
            .map(move |image| image.map(&entry).map_err(|problem| Problem::new(place, problem)))
            .collect::<Vec<_>>()
    });
    let entries = together(file, read)?;
    if entries.is_empty() {
        return Err(Problem::new(
            Place { line: 1, column: 1 },
            "names no image; write `SOURCE` or `SOURCE => TARGET` a line",
        ));
    }
    Ok(entries)
}

fn structured(file: &Arc<str>, text: &str, load: &Load<'_>, notices: &mut Vec<String>) -> Result<Vec<Entry>, Problem> {
    let root = yaml::parse(text)?;
    let Value::Map(members) = root.value else {
        let problem = format!(
            "a list is a map with the key `images`, and this is {}; write `images:` above, and `- IMAGE` a line below it, or call \
             a file of lines `.txt`",
            root.kind()
        );
        return Err(Problem::new(root.place, problem));
    };
    let mut defaults = Settings::default();
    let mut images = None;
    for (key, value) in &members {
        match &*key.text {
            "version" if value.text() == Some("1") => {}
            "version" => return Err(Problem::new(value.place, "the only version of lists is 1; write `version: 1`")),
            "defaults" => {
                for (key, value) in map(key, value)? {
                    if ENTRY_KEYS.contains(&&*key.text) {
                        let word = &key.text;
                        let problem = format!(
                            "`{word}` differs from image to image; `defaults` cannot have it, but entries can share it: \
                             `{word}: &name …` in one, `{word}: *name` in the others"
                        );
                        return Err(Problem::new(key.place, problem));
                    }
                    known(key, "`defaults`", &SETTING_KEYS)?;
                    defaults.set(key, value)?;
                }
            }
            "images" => images = Some((key, value)),
            // Read below, once both are known.
            "policies" | "verify" => {}
            _ => known(key, "a list", &LIST_KEYS)?,
        }
    }
    let Some((key, value)) = images else {
        return Err(Problem::new(root.place, "the key `images` is missing, which has the images, an item each"));
    };
    let items = list(key, value)?;
    if items.is_empty() {
        return Err(Problem::new(value.place, "`images` names no image; write one an item, or leave the file out"));
    }
    let mut policies = Policies::read(find(&members, "policies"), find(&members, "verify"), load)?;
    let of_list = |item| {
        let mut entry = entry(file, &defaults, item)?;
        entry.settings.requirement = match own_verify(item) {
            Some(own) => Some(policies.own(own, &entry.source, load)?),
            None => policies.requirement(&entry.source),
        };
        Ok(entry)
    };
    let entries = together(file, items.iter().map(of_list))?;
    policies.refuse_unused()?;
    let ruled = entries.iter().zip(items).filter(|(_, item)| own_verify(item).is_none());
    let idle = policies.idle(ruled.map(|(entry, _)| &entry.source)).into_iter();
    notices.extend(idle.map(|(place, images)| {
        let position = Position { file: Arc::clone(file), place };
        format!(
            "{position}: this rule of `verify` checks no image: none in this file is called as `{}`, or a rule above it is for \
             them; names are whole, without the tag",
            quote(&images)
        )
    }));
    Ok(entries)
}

/// What an image says itself of its signature.
fn own_verify(item: &Node) -> Option<(&Key, &Node)> {
    let Value::Map(members) = &item.value else { return None };
    find(members, "verify")
}

/// The entries; or what is wrong with those that cannot be read, so that they are mended in one go.
fn together(file: &Arc<str>, read: impl Iterator<Item = Result<Entry, Problem>>) -> Result<Vec<Entry>, Problem> {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(entry) => entries.push(entry),
            Err(problem) => problems.push(problem),
        }
    }
    let mut problems = problems.into_iter();
    let Some(first) = problems.next() else { return Ok(entries) };
    let others =
        problems.map(|Problem { place, text }| format!("{}: {text}", Position { file: Arc::clone(file), place }));
    Err(Problem { text: images::all(std::iter::once(first.text).chain(others)), ..first })
}

fn entry(file: &Arc<str>, defaults: &Settings, item: &Node) -> Result<Entry, Problem> {
    let position = Position { file: Arc::clone(file), place: item.place };
    let Value::Map(members) = &item.value else {
        let Some(text) = item.text() else {
            let problem = format!("an image is `SOURCE`, `SOURCE => TARGET` or a map, and this is {}", item.kind());
            return Err(Problem::new(item.place, problem));
        };
        let (source, target) = images::image(text).map_err(|problem| Problem::new(item.place, problem))?;
        let settings = Settings { targets: target.map(|target| vec![target]), ..Settings::default() };
        return Ok(Entry { position, source, tags: None, settings: settings.or(defaults) });
    };
    let mut settings = Settings::default();
    for (key, value) in members {
        if !ENTRY_KEYS.contains(&&*key.text) {
            let all: Vec<&str> = ENTRY_KEYS.into_iter().chain(SETTING_KEYS).collect();
            known(key, "an image", &all)?;
            settings.set(key, value)?;
        }
    }
    let Some((_, source)) = find(members, "source") else {
        return Err(Problem::new(item.place, "this image has no `source`; name where it is read from"));
    };
    let (source, has_own) = source_of(source)?;
    let tags = match find(members, "tags") {
        Some((key, _)) if has_own => {
            let problem = "`source` has a tag or a digest, and `tags` is given too; leave one of them out";
            return Err(Problem::new(key.place, problem));
        }
        Some((key, _)) if source.registry().is_none() => {
            return Err(Problem::new(key.place, "tags are selected in registries only; name the tag in `source`"));
        }
        Some((key, value)) => Some(tag_rules(key, value, find(members, "exclude"))?),
        None => {
            let selects = |(key, _): &&(Key, Node)| {
                matches!(&*key.text, "exclude" | "newest" | "newer-than" | "minimum-age" | "unknown-age" | "optional")
            };
            if let Some((key, _)) = members.iter().find(selects) {
                let problem = format!("`{}` is about tags that are selected, and there is no `tags`", key.text);
                return Err(Problem::new(key.place, problem));
            }
            None
        }
    };
    Ok(Entry { position, source, tags, settings: settings.or(defaults) })
}

/// The source, and whether a tag or a digest was written.
fn source_of(value: &Node) -> Result<(ImageReference, bool), Problem> {
    let Some(text) = value.text() else {
        return Err(Problem::new(value.place, format!("`source` is an image, and this is {}", value.kind())));
    };
    let problem = |problem: String| Problem::new(value.place, problem);
    if Pattern::is_pattern(text) {
        let text = quote(text);
        return Err(problem(format!(
            "`source` is one repository, and `{text}` has letters of a pattern; they are for `tags`, and every repository \
             has an entry"
        )));
    }
    let source = ImageReference::parse(text).map_err(problem)?;
    let has_own = source.digest().is_some() || source.registry().is_some_and(Reference::has_explicit_tag);
    Ok((source, has_own))
}

fn tag_rules(key: &Key, value: &Node, exclude: Option<(&Key, &Node)>) -> Result<TagRules, Problem> {
    let mut rules = TagRules::default();
    let mut named = HashSet::new();
    let items = match &value.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    for item in items {
        match (&item.value, item.text()) {
            (Value::Map(members), _) => rules.items.push(tag_item(item.place, members)?),
            (_, Some(text)) if Pattern::is_pattern(text) => {
                let pattern = Pattern::parse(text).map_err(|problem| Problem::new(item.place, problem))?;
                rules.items.push(Item { pattern: Some(pattern), ..Item::default() });
            }
            (_, Some(text)) => {
                let exact = exact(item.place, text)?;
                if !named.insert(exact.tag.clone()) {
                    return Err(Problem::new(item.place, format!("the tag `{}` is named twice", exact.tag)));
                }
                rules.exact.push(exact);
            }
            _ => {
                let problem = format!("a tag is a text, a pattern or a map, and this is {}", item.kind());
                return Err(Problem::new(item.place, problem));
            }
        }
    }
    if items.is_empty() {
        return Err(Problem::new(key.place, "`tags` names no tag; `\"*\"` is all of them"));
    }
    if let Some((key, value)) = exclude {
        rules.exclude = patterns(key, value)?;
        if let Some(tag) = rules.exclude.iter().map(ToString::to_string).find(|pattern| named.contains(pattern)) {
            let problem = format!("`exclude` names the tag `{tag}`, which `tags` names too; strike one");
            return Err(Problem::new(key.place, problem));
        }
        if rules.items.is_empty() {
            let problem = "`exclude` takes tags from what patterns select, and `tags` has no pattern";
            return Err(Problem::new(key.place, problem));
        }
    }
    Ok(rules)
}

/// A tag that is named, with the digest that it must have behind an `@`.
fn exact(place: Place, text: &str) -> Result<ExactTag, Problem> {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest.parse().map_err(|problem: String| Problem::new(place, problem))?)),
        None => (text, None),
    };
    if !is_tag(tag) {
        let or = if text.contains(['\\', '(']) || text.ends_with('$') {
            let inner = text.trim_start_matches('^').trim_end_matches('$');
            format!("; a regular expression is written between slashes, for the whole tag: `'/{}/'`", quote(inner))
        } else if text.starts_with(['<', '>', '=', '^', '~']) {
            format!("; a range of versions is written `semver: \"{}\"`", quote(text))
        } else {
            String::new()
        };
        let problem =
            format!("`{}` is no tag, which has letters, digits, `_`, `.` and `-`, 128 at most{or}", quote(tag));
        return Err(Problem::new(place, problem));
    }
    Ok(ExactTag { place, tag: tag.to_owned(), digest })
}

fn tag_item(place: Place, members: &Members) -> Result<Item, Problem> {
    let mut item = Item::default();
    for (key, value) in members {
        known(key, "an item of `tags`", &ITEM_KEYS)?;
        let problem = |problem: String| Problem::new(value.place, format!("`{}` {problem}", key.text));
        match &*key.text {
            "glob" => item.pattern = Some(Pattern::glob(single(key, value)?).map_err(problem)?),
            "regex" => {
                let text = single(key, value)?;
                let inner = text.strip_prefix('/').and_then(|inner| inner.strip_suffix('/')).unwrap_or(text);
                item.regex = Some(Pattern::regex(inner, &format!("/{inner}/")).map_err(problem)?);
            }
            "semver" => {
                let text = text(key, value)?;
                item.range = Some((Range::parse(text).map_err(problem)?, text.to_owned()));
            }
            "variant" => {
                let text = if value.value == Value::Null { "" } else { single(key, value)? };
                item.variant = Some(Pattern::variant(text).map_err(problem)?);
            }
            _ => item.pre_releases = truth(key, value)?,
        }
    }
    if item == (Item { pre_releases: item.pre_releases, ..Item::default() }) {
        return Err(Problem::new(place, "this selects no tag; write `semver`, `glob`, `regex` or `variant`"));
    }
    Ok(item)
}

fn newest(key: &Key, value: &Node) -> Result<Newest, Problem> {
    let count = |value: &Node| {
        let number = value.text().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| Problem::new(value.place, "`newest` is a number of tags, 1 or more"))
    };
    let Value::Map(members) = &value.value else {
        return Ok(Newest { count: count(value)?, across_variants: false, by: By::Version });
    };
    let mut newest = Newest { count: 0, across_variants: false, by: By::Version };
    for (key, value) in members {
        known(key, "`newest`", &NEWEST_KEYS)?;
        match &*key.text {
            "count" => newest.count = count(value)?,
            "across-variants" => newest.across_variants = truth(key, value)?,
            _ => newest.by = word(key, value)?,
        }
    }
    if newest.count == 0 {
        return Err(Problem::new(key.place, "`newest` has no `count`; say how many"));
    }
    Ok(newest)
}

/// Patterns, where somebody may take them for a switch: as a tag's name `true` would hold nothing.
fn immutable(key: &Key, value: &Node) -> Result<Vec<Pattern>, Problem> {
    let is_switch = |text: &str| matches!(text, "true" | "false");
    match several(key, value)?.into_iter().find(|(_, text)| is_switch(text)) {
        Some((place, text)) => {
            let problem =
                format!("`immutable` is patterns of tags, and not `{text}`; `\"*\"` is all tags of the entry");
            Err(Problem::new(place, problem))
        }
        None => patterns(key, value),
    }
}

fn platforms(key: &Key, value: &Node) -> Result<Vec<Platform>, Problem> {
    let names = several(key, value)?;
    match names.as_slice() {
        [(_, "all")] => Ok(Vec::new()),
        names => {
            let parse = |(place, text): &(Place, &str)| match *text {
                "all" => Err(Problem::new(*place, "has `all` beside other names; write either `all` or the platforms")),
                name => Platform::parse(name).map_err(|problem| Problem::new(*place, problem)),
            };
            names.iter().map(parse).collect()
        }
    }
}

#[cfg(test)]
mod tests;
