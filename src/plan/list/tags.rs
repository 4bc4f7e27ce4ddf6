//! Which tags an entry of the list selects: its rules over the tags that there are.
//!
//! Owns the order of the rules, and the account of what each of them selected and left out. Pure: whoever calls it brings the
//! tags, and the times of those that it asks for. The same tags in another order select the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::oci::artifact::is_attachment_tag;
use crate::oci::digest::Digest;
use crate::oci::reference::is_tag;
use crate::plan::list::pattern::Pattern;
use crate::plan::list::schema::{By, Newest, Settings, TagRules, UnknownAge};
use crate::plan::list::version::Version;
use crate::text::units;

/// Tags that a sentence names of each step, beside the last one; the report has all.
const EXAMPLES: usize = 3;

/// What the rules of an entry have come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The tags that patterns have selected and no rule has left out: versions first, the highest before all others.
    pub selected: Vec<String>,
    /// What each rule has done, in their order.
    pub steps: Vec<Step>,
}

/// What one rule has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule, as it was written.
    pub rule: String,
    /// What it did with the tags.
    pub effect: Effect,
    /// How many tags.
    pub count: usize,
    /// These, in their order, a space between each: of tens of thousands, each by itself would take several times the room.
    tags: Box<str>,
}

/// What a rule does with tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// They are wanted.
    Selected,
    /// They are not.
    LeftOut,
}

impl Step {
    fn new(rule: impl Into<String>, effect: Effect, tags: &[&str]) -> Self {
        Self { rule: rule.into(), effect, count: tags.len(), tags: tags.join(" ").into() }
    }

    /// The tags, in their order.
    pub fn tags(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.tags.split_whitespace()
    }

    /// A line for people.
    pub fn sentence(&self) -> String {
        format!("{} {}", self.rule, self.did())
    }

    /// What the rule did.
    pub fn did(&self) -> String {
        let verb = match self.effect {
            Effect::Selected => "selected",
            Effect::LeftOut => "left out",
        };
        let has_room = self.count <= EXAMPLES + 1;
        let mut examples: Vec<&str> = self.tags().take(if has_room { self.count } else { EXAMPLES }).collect();
        if !has_room {
            // The last one of versions is the lowest: how far a range reaches.
            examples.extend(["…"].into_iter().chain(self.tags().next_back()));
        }
        let examples = if examples.is_empty() { String::new() } else { format!(": {}", examples.join(", ")) };
        format!("{verb} {}{examples}", units::count(self.count as u64, "tag"))
    }
}

/// When the image under a tag was made; none where it does not say.
pub type Times = HashMap<String, Option<SystemTime>>;

impl Selection {
    /// Applies the rules that need no times: patterns, `exclude`, and `newest` by version.
    pub fn new<'a>(rules: &TagRules, settings: &Settings, tags: impl IntoIterator<Item = &'a str>) -> Self {
        let mut steps = Vec::new();
        // A listing is a stranger's: what is no tag cannot be asked for. What was made of a digest comes along with its image.
        let mut known: Vec<&str> = tags.into_iter().filter(|tag| is_tag(tag) && !is_attachment_tag(tag)).collect();
        known.sort_unstable();
        known.dedup();
        in_order(&mut known);
        let versions: HashMap<&str, Version> = known.iter().filter_map(|tag| Some((*tag, Version::of(tag)?))).collect();
        let mut is_wanted = vec![false; known.len()];
        for item in &rules.items {
            let has = |tag: &&str| {
                let version = versions.get(tag);
                let patterns = [&item.pattern, &item.regex];
                patterns.into_iter().flatten().all(|pattern| pattern.matches(tag))
                    && item
                        .range
                        .as_ref()
                        .is_none_or(|(range, _)| version.is_some_and(|version| range.has(version, item.pre_releases)))
                    && item.variant.as_ref().is_none_or(|variant| {
                        version.is_some_and(|version| {
                            variant.matches(&version.variant)
                                && (item.range.is_some() || item.pre_releases || !version.is_pre_release())
                        })
                    })
            };
            let mut matched = Vec::new();
            for (tag, is_wanted) in known.iter().zip(&mut is_wanted).filter(|(tag, _)| has(tag)) {
                *is_wanted = true;
                matched.push(*tag);
            }
            steps.push(Step::new(item.to_string(), Effect::Selected, &matched));
        }
        let mut selected: Vec<&str> =
            known.iter().zip(is_wanted).filter_map(|(tag, is_wanted)| is_wanted.then_some(*tag)).collect();
        for pattern in &rules.exclude {
            let left_out = drop_where(&mut selected, |tag| pattern.matches(tag));
            steps.push(Step::new(format!("exclude {pattern}"), Effect::LeftOut, &left_out));
        }
        if let Some(newest) = settings.newest.filter(|newest| newest.by == By::Version) {
            let none = drop_where(&mut selected, |tag| !versions.contains_key(tag));
            if !none.is_empty() {
                steps.push(Step::new("newest (of what is no version)", Effect::LeftOut, &none));
            }
            let left_out = keep_newest(&mut selected, newest);
            steps.push(Step::new(rule(newest), Effect::LeftOut, &left_out));
        }
        Self { selected: selected.into_iter().map(str::to_owned).collect(), steps }
    }

    /// Whether rules are left that need the times of what is selected.
    pub fn needs_times(&self, settings: &Settings) -> bool {
        let by_time = settings.newest.is_some_and(|newest| newest.by == By::Time);
        !self.selected.is_empty() && (by_time || settings.newer_than.is_some() || settings.minimum_age.is_some())
    }

    /// Applies the rules that need times: ages, and `newest` by time. Fails where an image does not say when it was made, and
    /// nothing says what becomes of it.
    pub fn by_time(self, settings: &Settings, now: SystemTime, times: &Times) -> Result<Self, String> {
        let Self { selected: tags, mut steps } = self;
        let mut selected: Vec<&str> = tags.iter().map(String::as_str).collect();
        let time = |tag: &str| times.get(tag).copied().flatten();
        let has_none = |tag: &&&str| time(tag).is_none();
        match settings.unknown_age.unwrap_or(UnknownAge::Fail) {
            UnknownAge::Fail => {
                if let Some(tag) = selected.iter().find(has_none) {
                    let others = selected.iter().filter(has_none).count() - 1;
                    let (others, do_not, they_were) = match others {
                        0 => (String::new(), "does not", "it was"),
                        _ => (format!(" and {others} more"), "do not", "they were"),
                    };
                    return Err(format!(
                        "`{tag}`{others} {do_not} say when {they_were} made, as images that are built reproducibly do not; \
                         write `unknown-age: keep` or `drop`"
                    ));
                }
            }
            UnknownAge::Keep => {}
            UnknownAge::Drop => {
                let left_out = drop_where(&mut selected, |tag| time(tag).is_none());
                steps.push(Step::new("unknown-age drop", Effect::LeftOut, &left_out));
            }
        }
        // Made in the future is made now.
        let age = |tag: &str| time(tag).map(|time| now.duration_since(time).unwrap_or_default());
        if let Some(limit) = settings.newer_than {
            let left_out = drop_where(&mut selected, |tag| age(tag).is_some_and(|age| age > limit));
            steps.push(Step::new(format!("newer-than {}", span(limit)), Effect::LeftOut, &left_out));
        }
        if let Some(limit) = settings.minimum_age {
            let left_out = drop_where(&mut selected, |tag| age(tag).is_some_and(|age| age < limit));
            steps.push(Step::new(format!("minimum-age {}", span(limit)), Effect::LeftOut, &left_out));
        }
        if let Some(newest) = settings.newest.filter(|newest| newest.by == By::Time) {
            selected.sort_by_key(|tag| Reverse(time(tag).unwrap_or(SystemTime::UNIX_EPOCH)));
            let left_out = keep_newest(&mut selected, newest);
            steps.push(Step::new(rule(newest), Effect::LeftOut, &left_out));
            in_order(&mut selected);
        }
        let selected = selected.into_iter().map(str::to_owned).collect();
        Ok(Self { selected, steps })
    }

    /// All tags of the entry, each with what it must be: those that are named first.
    pub fn tags<'a>(&'a self, rules: &'a TagRules) -> Vec<(&'a str, Option<&'a Digest>)> {
        let named = rules.exact.iter().map(|exact| (exact.tag.as_str(), exact.digest.as_ref()));
        let others = self.selected.iter().map(String::as_str);
        let is_named: HashSet<&str> = rules.exact.iter().map(|exact| exact.tag.as_str()).collect();
        let others = others.filter(|tag| !is_named.contains(tag));
        named.chain(others.map(|tag| (tag, None))).collect()
    }
}

/// Why an entry has no tag, with those that are most like what it asks for.
pub fn nothing_matched<'a>(selection: &Selection, rules: &TagRules, tags: impl IntoIterator<Item = &'a str>) -> String {
    let matched: usize =
        selection.steps.iter().filter(|step| step.effect == Effect::Selected).map(|step| step.count).sum();
    let steps: Vec<String> = selection.steps.iter().map(Step::sentence).collect();
    if matched > 0 {
        return format!("the rules leave no tag ({}); mend them, or write `optional: true`", steps.join("; "));
    }
    let wanted: Vec<String> = rules.items.iter().map(ToString::to_string).collect();
    let distance = |tag: &str| wanted.iter().map(|text| strsim::levenshtein(text, tag)).min().unwrap_or(0);
    let tags: Vec<&str> = tags.into_iter().filter(|tag| is_tag(tag) && !is_attachment_tag(tag)).collect();
    let mut nearest: Vec<(usize, Reverse<Option<Version>>, &str)> =
        tags.iter().copied().map(|tag| (distance(tag), Reverse(Version::of(tag)), tag)).collect();
    nearest.sort_unstable();
    nearest.truncate(5);
    let wanted = wanted.join(" or ");
    match nearest.as_slice() {
        [] => format!("no tag is `{wanted}`: the repository has none"),
        nearest => {
            let names: Vec<&str> = nearest.iter().map(|(_, _, tag)| *tag).collect();
            let patterns = rules.items.iter().flat_map(|item| [&item.pattern, &item.regex]).flatten();
            let wider = patterns.filter_map(Pattern::wider).find(|wider| tags.iter().any(|tag| wider.matches(tag)));
            let part = wider
                .map_or_else(String::new, |wider| format!("; a pattern is for the whole tag, and `{wider}` has some"));
            format!(
                "no tag is `{wanted}`; the nearest are {}{part}; mend it, or write `optional: true`",
                names.join(", ")
            )
        }
    }
}

fn rule(newest: Newest) -> String {
    let by = if newest.by == By::Time { " by time" } else { "" };
    let of = if newest.across_variants { " across variants" } else { "" };
    format!("newest {}{by}{of}", newest.count)
}

/// As one would write it in the list.
fn span(time: Duration) -> String {
    let units = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60), ("s", 1)];
    let whole = units.into_iter().find(|(_, unit)| time.as_secs().is_multiple_of(*unit));
    whole.map_or_else(String::new, |(name, unit)| format!("{}{name}", time.as_secs() / unit))
}

/// Versions before all others, the highest first and of each its variants by name; what is none by its name.
fn in_order(tags: &mut [&str]) {
    tags.sort_by_cached_key(|tag| {
        let version = Version::of(tag).map(|version| (Reverse((version.numbers, version.rank)), version.variant));
        (version.is_none(), version, (*tag).to_owned())
    });
}

/// Of tags that are in order, the first `count`: of each variant, or of all.
fn keep_newest<'a>(tags: &mut Vec<&'a str>, newest: Newest) -> Vec<&'a str> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    drop_where(tags, |tag| {
        let variant = match Version::of(tag) {
            Some(version) if !newest.across_variants => version.variant,
            _ => String::new(),
        };
        let count = counts.entry(variant).or_insert(0);
        *count += 1;
        *count > newest.count
    })
}

/// Takes out what is so, and gives it.
fn drop_where<'a>(tags: &mut Vec<&'a str>, mut is_so: impl FnMut(&str) -> bool) -> Vec<&'a str> {
    let (dropped, kept) = tags.drain(..).partition(|tag| is_so(tag));
    *tags = kept;
    dropped
}

#[cfg(test)]
mod tests;
