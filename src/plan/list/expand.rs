//! From a list to the images that it stands for.
//!
//! Owns that the tags of a repository are listed once in a run, however many entries select among them, and that an entry that
//! fails takes no other with it. Asks for listings, and for the times of those tags alone whose rules need them. Never holds
//! more than the listings of a few repositories.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::engine::options::{LockLine, Options, Platforms, SourceTag};
use crate::error::object::Object;
use crate::error::{Error, Pin, Side};
use crate::observe::counts::Traffic;
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::images::{At, Line, Say};
use crate::plan::list::lock::{Held, Lock};
use crate::plan::list::schema::{Entry, List};
use crate::plan::list::tags::{Selection, nothing_matched};
use crate::plan::list::times;
use crate::plan::request::Request;
use crate::policy::Checked;
use crate::store::registry::registries::Registries;
use crate::store::registry::repository::Purpose;
use crate::text::quote::quote;

/// Repositories whose tags are listed at once.
const AT_ONCE: usize = 8;

/// What a list stands for.
#[derive(Debug, Default)]
pub struct Expansion {
    /// The images, in the order of the list.
    pub lines: Vec<Line>,
    /// The entries that select tags, in order.
    pub entries: Vec<ExpandedEntry>,
    /// Images that cannot be worked on, and why.
    pub refused: Vec<(At, ImageReference, Error)>,
    /// What the listings have cost.
    pub traffic: Traffic,
    /// Patterns of tags that never move which hold no tag of the list, each where it stands first.
    pub idle: Vec<(At, String)>,
}

/// What has become of an entry that selects tags.
#[derive(Clone, Debug)]
pub struct ExpandedEntry {
    /// Where it begins.
    pub at: At,
    /// The repository; its tag is `*`.
    pub source: ImageReference,
    /// What its rules have come to.
    pub result: Result<Selection, Error>,
}

/// The images that a list names, without those that patterns select: what is known before anything is asked.
pub fn named(list: &List, request: &Request) -> Vec<Line> {
    let nothing = Selection::default();
    list.entries.iter().flat_map(|entry| lines(entry, &nothing, request)).collect()
}

/// Lists tags and applies the rules.
pub async fn expand(list: &List, request: &Request, registries: &Registries, events: &Events) -> Expansion {
    let meter = Arc::new(Meter::new(events.clone()));
    let mut selections = select(list, registries, &meter).await;
    let mut expansion = Expansion::default();
    // By pattern, where it stands first, and whether it holds a tag: one of the defaults need not do so in each entry.
    let mut held: BTreeMap<String, (At, bool)> = BTreeMap::new();
    for (number, entry) in list.entries.iter().enumerate() {
        let selection = selections.remove(&number);
        let nothing = Selection::default();
        let selected = selection.as_ref().and_then(|selection| selection.as_ref().ok()).unwrap_or(&nothing);
        let made = lines(entry, selected, request);
        // Of a listing that failed it is not known; one that may be empty holds nothing today.
        let is_unknown = matches!(&selection, Some(Err(_))) || made.is_empty();
        for pattern in entry.settings.immutable.iter().flatten() {
            let tags = made.iter().filter(|line| line.source.digest().is_none()).filter_map(|line| line.source.tag());
            let holds = is_unknown || tags.into_iter().any(|tag| pattern.matches(tag));
            let at = || (At::List(entry.position.clone()), false);
            held.entry(pattern.to_string()).or_insert_with(at).1 |= holds;
        }
        for line in made {
            match unlisted(&line, request) {
                Some(error) => expansion.refused.push((line.at, line.source, error)),
                None => expansion.lines.push(line),
            }
        }
        if let (Some(result), ImageReference::Registry(reference)) = (selection, &entry.source) {
            let source = ImageReference::Registry(reference.with_tag("*"));
            expansion.entries.push(ExpandedEntry { at: At::List(entry.position.clone()), source, result });
        }
    }
    let idle = held.into_iter().filter(|(_, (_, holds))| !holds).map(|(pattern, (at, _))| (at, pattern));
    expansion.idle = idle.collect();
    expansion.traffic = meter.traffic();
    expansion
}

/// By its number, what each entry selects that has patterns.
async fn select(list: &List, registries: &Registries, meter: &Arc<Meter>) -> HashMap<usize, Result<Selection, Error>> {
    let mut repositories: Vec<(&Reference, Vec<usize>)> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for (number, entry) in list.entries.iter().enumerate() {
        let (Some(rules), ImageReference::Registry(reference)) = (&entry.tags, &entry.source) else { continue };
        if rules.items.is_empty() {
            continue;
        }
        let at = *known.entry((reference.registry(), reference.repository())).or_insert_with(|| {
            repositories.push((reference, Vec::new()));
            repositories.len() - 1
        });
        repositories[at].1.push(number);
    }
    let work = repositories.into_iter().map(|(reference, numbers)| async move {
        let entries: Vec<&Entry> = numbers.iter().map(|number| &list.entries[*number]).collect();
        let found = of_repository(reference, &entries, registries, meter).await;
        numbers.into_iter().zip(found).collect::<Vec<_>>()
    });
    stream::iter(work).buffer_unordered(AT_ONCE).flat_map(stream::iter).collect().await
}

/// What each of `entries` selects in one repository.
async fn of_repository(
    reference: &Reference,
    entries: &[&Entry],
    registries: &Registries,
    meter: &Arc<Meter>,
) -> Vec<Result<Selection, Error>> {
    let listed = async {
        let repository = registries.open(Side::Source, reference, Purpose::Read, Arc::clone(meter))?;
        let tags = repository.list_tags().await?;
        Ok::<_, Error>((repository, tags))
    };
    let (repository, tags) = match listed.await {
        Ok(listed) => listed,
        Err(error) => return entries.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut selections = Vec::new();
    for entry in entries {
        let Some(rules) = &entry.tags else { continue };
        let tags = || tags.iter().map(|tag| &**tag);
        let bad = |problem: String| Error::Rules {
            object: Object::repository(reference.clone()),
            problem: format!("{problem} ({})", entry.position),
        };
        let mut result = Ok(Selection::new(rules, &entry.settings, tags()));
        if let Ok(selection) = &result
            && selection.needs_times(&entry.settings)
        {
            result = match times::of(&repository, &selection.selected).await {
                Ok(times) => selection.clone().by_time(&entry.settings, SystemTime::now(), &times).map_err(bad),
                Err(error) => Err(error),
            };
        }
        let is_optional = entry.settings.optional.unwrap_or(false);
        selections.push(match result {
            Ok(selection) if selection.selected.is_empty() && !is_optional => {
                Err(bad(nothing_matched(&selection, rules, tags())))
            }
            result => result,
        });
    }
    selections
}

/// That a tag has no line in a lock in which it must have one.
fn unlisted(line: &Line, request: &Request) -> Option<Error> {
    let (lock, reference) = (request.lock.as_ref()?, line.source.registry()?);
    (lock.held(reference) == Held::Unlisted).then(|| Error::Rules {
        object: Object::from(&line.source),
        problem: format!(
            "it is not in the lock file {}, and `frozen` is set: a dry run without `frozen` adds it ({})",
            quote(&lock.name),
            line.at
        ),
    })
}

/// The images of an entry, each with each of its targets.
fn lines(entry: &Entry, selection: &Selection, request: &Request) -> Vec<Line> {
    let sources: Vec<(ImageReference, Option<String>)> = match (&entry.tags, &entry.source) {
        (Some(rules), ImageReference::Registry(repository)) => {
            let source = |(tag, digest): (&str, Option<&Digest>)| {
                let tagged = repository.with_tag(tag);
                let source = digest.map_or_else(|| tagged.clone(), |digest| tagged.pinned(digest.clone()));
                (ImageReference::Registry(source), Some(tag.to_owned()))
            };
            selection.tags(rules).into_iter().map(source).collect()
        }
        (_, source) => vec![(source.clone(), source.tag().map(str::to_owned))],
    };
    // One for all that want the same: of ten thousand tags each would be a copy.
    let options = entry.settings.apply(&request.options, request.subset);
    let options =
        Arc::new(Options { source_tag: SourceTag::MayMove, expected_digest: None, pin: Pin::Input, ..options });
    let never = SourceTag::Immutable(LockLine::None);
    let never = Arc::new(Options { source_tag: never, ..Options::clone(&options) });
    let immutable = entry.settings.immutable.as_deref().unwrap_or_default();
    let targets: Vec<Option<&String>> = match &entry.settings.targets {
        Some(targets) => targets.iter().map(Some).collect(),
        None => vec![None],
    };
    let mut lines = Vec::new();
    let is_whole = options.platforms == Platforms::All;
    let takes_new_lines = request.lock.as_ref().is_some_and(Lock::takes_new_lines);
    for (source, tag) in sources {
        // What has a digest of its own is what the list says, and moves with it.
        let never_moves =
            source.digest().is_none() && tag.is_some_and(|tag| immutable.iter().any(|pattern| pattern.matches(&tag)));
        let held = match (&request.lock, source.registry()) {
            (Some(lock), Some(reference)) => lock.held(reference),
            _ => Held::Free(None),
        };
        let mut options = Arc::clone(if never_moves { &never } else { &options });
        // Of some platforms the target has another digest than the lock.
        let known = match &held {
            Held::At(digest) if is_whole && !never_moves => Some(SourceTag::Locked(digest.clone())),
            Held::At(digest) | Held::Free(Some(digest)) if is_whole && never_moves => {
                Some(SourceTag::Immutable(LockLine::Is(digest.clone())))
            }
            Held::Free(None) if never_moves && source.registry().is_some() && takes_new_lines => {
                Some(SourceTag::Immutable(LockLine::Missing))
            }
            _ => None,
        };
        if let Some(source_tag) = known {
            Arc::make_mut(&mut options).source_tag = source_tag;
        }
        if let (Held::At(digest), Some(lock)) = (held, &request.lock) {
            let options = Arc::make_mut(&mut options);
            (options.expected_digest, options.pin) = (Some(digest), lock.pin());
        }
        if let (Some(requirement), Some(lock), Some(reference)) =
            (&options.requirement, &request.lock, source.registry())
        {
            let checked = requirement.policy.as_ref().and_then(|policy| lock.checked(reference, &policy.fingerprint()));
            let mut requirement = requirement.clone();
            requirement.checked = Checked::Locked(checked);
            Arc::make_mut(&mut options).requirement = Some(requirement);
        }
        for target in &targets {
            lines.push(Line {
                at: At::List(entry.position.clone()),
                source: source.clone(),
                target: target.cloned(),
                platform: None,
                options: Some(Arc::clone(&options)),
                say: Say::Run,
            });
        }
    }
    lines
}
