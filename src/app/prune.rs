//! Tags that a list selects no more: looked for when all of its images are well, planned or deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::FutureExt as _;
use tokio::sync::Mutex;

use crate::app::history::keep;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::engine::prune::delete::{Deleted, Remover, Stop, delete};
use crate::engine::prune::{graph::Doomed, read};
use crate::error::{Error, Side};
use crate::github::packages::{Package, Packages};
use crate::http::clients::Transport;
use crate::inputs::typed::Inputs;
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::oci::reference::{ImageReference, Reference};
use crate::oci::vendor::Vendor;
use crate::plan::list::prune::{Prune, Scope, Stays};
use crate::plan::list::prune_plan::{self, Fate, Mismatch, images};
use crate::report::Report;
use crate::report::prune::{PruneReport, PrunedRepository, Wanted};
use crate::store::registry::registries::Registries;
use crate::store::registry::repository::{Purpose, Repository};
use crate::sync::few_at_once;
use crate::text::quote::quote;
use crate::text::units::count;

/// Repositories that are read at once.
const AT_ONCE: usize = 4;

/// What a run prunes with.
pub struct Pruner<'a> {
    pub inputs: &'a Inputs,
    pub prune: &'a Prune,
    pub registries: &'a Registries,
    pub transport: &'a Transport,
    pub scopes: &'a [Scope],
    /// Held while a run that ended would lose something.
    pub undivided: Mutex<()>,
}

/// One repository, and what was found of it.
struct Found<'a> {
    scope: &'a Scope,
    repository: Repository,
    /// None where there is nothing to say of it.
    fate: Option<Result<Fate, Stop>>,
    /// Which of `prune-keep` have one of its tags; none where it has no list of them.
    kept: Option<BTreeSet<String>>,
}

impl Pruner<'_> {
    /// An account of it that says nothing yet.
    pub fn begin(&self) -> PruneReport {
        PruneReport {
            wanted: match self.prune.plan {
                None => Wanted::Plan,
                Some(_) if self.inputs.dry_run => Wanted::DryRun,
                Some(_) => Wanted::Apply,
            },
            file: self.prune.file.clone(),
            limit: self.prune.limit,
            repositories: Vec::new(),
            refused: None,
            idle: Vec::new(),
            traffic: crate::observe::counts::Traffic::default(),
        }
    }

    /// Resolves when `run` may end as it is: nothing is half done that the next run could not do.
    pub async fn may_end(&self) {
        drop(self.undivided.lock().await);
    }

    /// Plans, or does what was planned; what has become of it is in `pruned` at every moment.
    pub async fn run(&self, report: &Report, events: &Events, pruned: &mut PruneReport) {
        let meter = Arc::new(Meter::new(events.clone()));
        let result = match unfit(report) {
            Some(why) => Err(format!("{why}: what the list stands for is not known for sure")),
            None => self.work(report, &meter, pruned).await,
        };
        pruned.refused = result.err();
        pruned.traffic = meter.traffic();
    }

    async fn work(&self, report: &Report, meter: &Arc<Meter>, pruned: &mut PruneReport) -> Result<(), String> {
        let work = self.scopes.iter().map(|scope| self.look(scope, &report.images, meter).boxed());
        let mut found = few_at_once(AT_ONCE, work).await.map_err(|error: Error| error.to_string())?;
        found.sort_by_key(|found| found.scope.repository.name());
        let mut fates = BTreeMap::new();
        for one in &found {
            let fate = match &one.fate {
                Some(Ok(fate)) => fate.clone(),
                Some(Err(_)) => Fate::Left,
                None => continue,
            };
            fates.insert(one.scope.repository.name(), fate);
        }
        pruned.repositories = found.iter().filter_map(account).collect();
        pruned.idle = self.idle(&found);
        let text = prune_plan::text(&fates);
        let Some(planned) = &self.prune.plan else { return self.write(&text) };
        let own = self.scopes.iter().map(|scope| scope.repository.name()).collect();
        if let Some(mismatch) = prune_plan::compare(planned, &text, &own) {
            return Err(unlike(&quote(&self.prune.file), &mismatch));
        }
        if pruned.planned() > self.prune.limit {
            return Err(format!(
                "nothing was deleted: the plan has {}, and `prune-limit` allows {}; if all are meant, raise it",
                count(pruned.planned() as u64, "tag"),
                self.prune.limit
            ));
        }
        self.was_moved_on(report, &found)?;
        if self.inputs.dry_run {
            return Ok(());
        }
        self.delete(&found, pruned).await
    }

    /// Those of `prune-keep` that have no tag of any repository; none where one of them was not read.
    fn idle(&self, found: &[Found<'_>]) -> Vec<String> {
        let kept: Option<Vec<&BTreeSet<String>>> = found.iter().map(|one| one.kept.as_ref()).collect();
        let patterns = self.prune.keep.iter().map(ToString::to_string);
        let idle = |kept: Vec<&BTreeSet<String>>| {
            patterns.filter(|pattern| !kept.iter().any(|kept| kept.contains(pattern))).collect()
        };
        kept.map(idle).unwrap_or_default()
    }

    /// What a run has just replaced was under a tag of the list when the run began: somebody has put it there.
    fn was_moved_on(&self, report: &Report, found: &[Found<'_>]) -> Result<(), String> {
        let going = found.iter().filter_map(|one| Some((one.scope, doomed(one)?)));
        for (scope, doomed) in going {
            let mut replaced = self.targets(scope, &report.images).filter_map(|(image, target)| {
                let replaced = image.replaced.as_ref()?;
                doomed.manifests.contains(replaced).then_some((target, replaced))
            });
            if let Some((target, replaced)) = replaced.next() {
                return Err(format!(
                    "nothing was deleted: `{target}`, which the list selects, was {replaced} when this run began, and that \
                     was to be deleted; plan anew with `prune: plan`"
                ));
            }
        }
        Ok(())
    }

    /// The images of this run that go to a repository, each with its target.
    fn targets<'i>(
        &self,
        scope: &Scope,
        images: &'i [ImageOutcome],
    ) -> impl Iterator<Item = (&'i ImageOutcome, &'i Reference)> {
        images.iter().filter_map(|image| match &image.target {
            Some(ImageReference::Registry(target)) if scope.holds(target, &self.inputs.insecure_registries) => {
                Some((image, target))
            }
            _ => None,
        })
    }

    /// The tags of a repository that this run has seen there.
    fn present<'i>(&self, scope: &Scope, images: &'i [ImageOutcome]) -> impl Iterator<Item = &'i str> {
        let is_seen = |image: &ImageOutcome| {
            matches!(image.result, Outcome::Copied | Outcome::Unchanged | Outcome::Kept) || image.replaced.is_some()
        };
        self.targets(scope, images).filter(move |(image, _)| is_seen(image)).filter_map(|(_, target)| target.tag())
    }

    fn write(&self, text: &str) -> Result<(), String> {
        keep(self.inputs, "the plan", &self.prune.file, text).map_err(|error| error.to_string())
    }

    /// What of one repository is to go. Fails never: what cannot be read is left alone.
    async fn look<'s>(
        &self,
        scope: &'s Scope,
        images: &[ImageOutcome],
        meter: &Arc<Meter>,
    ) -> Result<Found<'s>, Error> {
        let writes = self.prune.plan.is_some() && !self.inputs.dry_run;
        let purpose = if writes { Purpose::Write } else { Purpose::Read };
        let repository = self.registries.open(Side::Target, &scope.repository, purpose, Arc::clone(meter))?;
        let names = match read::names(&repository).await {
            Ok(names) => names,
            // A dry run of the first copy.
            Err(error) if error.is_absent() && self.inputs.dry_run => {
                return Ok(Found { scope, repository, fate: None, kept: Some(BTreeSet::new()) });
            }
            Err(error) => return Ok(Found { scope, repository, fate: Some(Err(error.into())), kept: None }),
        };
        let kept = Some(scope.kept(&names, &self.prune.keep));
        let fate = self.fate(scope, &repository, (&names, images)).await.transpose();
        Ok(Found { scope, repository, fate, kept })
    }

    async fn fate(
        &self,
        scope: &Scope,
        repository: &Repository,
        (names, images): (&BTreeSet<String>, &[ImageOutcome]),
    ) -> Result<Option<Fate>, Stop> {
        let (unwanted, mut stays) = scope.unwanted(names, &self.prune.keep);
        if unwanted.is_empty() {
            return Ok(None);
        }
        if scope.is_source {
            return Err(Stop::Said("the list reads from it too: what is in it is somebody's own".to_owned()));
        }
        if repository.host.quirks.bills_pulls {
            let problem = "its registry deletes nothing itself, and bills what would have to be read as pulls";
            return Err(Stop::Said(problem.to_owned()));
        }
        for tag in self.present(scope, images) {
            if !names.contains(tag) {
                let problem = "is there, and the registry does not list it: its listing is not whole";
                return Err(Stop::Said(format!("the tag `{tag}` {problem}")));
            }
        }
        if scope.selected.iter().all(|tag| !names.contains(tag)) {
            let problem = "nothing that the list selects is in it: not one of its tags is known to be the list's";
            return Err(Stop::Said(problem.to_owned()));
        }
        let is_github = self.is_github(scope);
        if !is_github && Vendor::of(scope.repository.registry()) == Vendor::Github {
            let problem =
                "packages are deleted by the API of their own GitHub server, which this run does not belong to";
            return Err(Stop::Said(problem.to_owned()));
        }
        // Of some platforms another digest is written than the source's.
        let written = self.targets(scope, images).filter_map(|(image, _)| image.digest.clone());
        let kept = scope.digests.iter().cloned().chain(written).collect();
        let state = read::whole(repository, names, &unwanted, &kept).await?;
        let mut doomed = state.doomed(&unwanted, &kept);
        if is_github {
            let shared = std::mem::take(&mut doomed.aliases).into_keys().filter(|tag| unwanted.contains(tag));
            stays.extend(shared.map(|tag| (tag, Stays::Shared)));
        }
        Ok(Some(Fate::Pruned { doomed, state, stays }))
    }

    /// Whether it is a package of the GitHub server that the run belongs to.
    fn is_github(&self, scope: &Scope) -> bool {
        self.inputs.server.registry() == Some(scope.repository.registry())
    }

    /// Deletes what was planned. First it is seen that every package will be found.
    async fn delete(&self, found: &[Found<'_>], pruned: &mut PruneReport) -> Result<(), String> {
        let token = self.registries.credentials().github_token();
        let packages = Packages::new(&self.inputs.server, self.transport, token, self.inputs.patience);
        let mut opened: BTreeMap<String, Package<'_>> = BTreeMap::new();
        for one in found.iter().filter(|one| self.is_github(one.scope)) {
            let reference = &one.scope.repository;
            if let Some(doomed) = doomed(one) {
                let package = packages.open(reference, doomed).await;
                let package = package.map_err(|problem| format!("nothing was deleted: {problem}"))?;
                opened.insert(reference.name(), package);
            }
        }
        for one in found {
            let (Some(Ok(Fate::Pruned { doomed, state, .. })), name) = (&one.fate, one.scope.repository.name()) else {
                continue;
            };
            let Some(entry) = pruned.repositories.iter_mut().find(|entry| entry.name == name) else { continue };
            if doomed.is_empty() {
                continue;
            }
            let deleted = entry.deleted.insert(Deleted::default());
            let remover = opened.get(&name).map(|package| package as &dyn Remover);
            delete(&one.repository, (state, doomed), remover, &self.undivided, deleted).await;
        }
        Ok(())
    }
}

/// Nothing is deleted by a plan in `file` that is not this run's; why.
fn unlike(file: &str, mismatch: &Mismatch) -> String {
    let why = match mismatch {
        Mismatch::Foreign(number) => format!(
            "the plan in `{file}` is of another list: of its {} this list writes to none",
            count(*number as u64, "repository")
        ),
        Mismatch::Spent(number) => {
            format!(
                "the plan in `{file}` is spent: of its {} none is to be deleted any more, because it was carried out or the \
                 list selects them again",
                count(*number as u64, "tag")
            )
        }
        Mismatch::Moved(what) => format!("what is there now is not what was planned in `{file}`: {what}"),
    };
    format!("nothing was deleted: {why}; plan anew with `prune: plan`, this list and this `prune-keep`")
}

fn doomed<'a>(found: &'a Found<'_>) -> Option<&'a Doomed> {
    match &found.fate {
        Some(Ok(Fate::Pruned { doomed, .. })) if !doomed.is_empty() => Some(doomed),
        _ => None,
    }
}

/// What is said of a repository.
fn account(found: &Found<'_>) -> Option<PrunedRepository> {
    let mut entry = PrunedRepository {
        name: found.scope.repository.name(),
        tags: BTreeMap::new(),
        alone: BTreeSet::new(),
        manifests: 0,
        stays: BTreeMap::new(),
        left: None,
        deleted: None,
    };
    match found.fate.as_ref()? {
        Ok(Fate::Pruned { doomed, stays, .. }) => {
            let tags = images(&doomed.tags).chain(images(&doomed.aliases));
            entry.tags = tags.map(|(tag, digest)| (tag.clone(), digest.clone())).collect();
            entry.alone = images(&doomed.aliases).map(|(tag, _)| tag.clone()).collect();
            entry.manifests = doomed.manifests.len();
            entry.stays.clone_from(stays);
        }
        Ok(Fate::Left) => {}
        Err(stop) => entry.left = Some(stop.clone()),
    }
    Some(entry)
}

/// Why what the list stands for is not known for sure.
fn unfit(report: &Report) -> Option<String> {
    let Some(list) = &report.list else { return Some("the list was not read".to_owned()) };
    if let Some(signal) = report.cancelled {
        return Some(format!("the run was cancelled by {signal}"));
    }
    if list.entries.iter().any(|entry| entry.result.is_err()) || !list.refused.is_empty() {
        return Some("an entry of the list has failed".to_owned());
    }
    let is_well = |image: &&ImageOutcome| {
        matches!(image.result, Outcome::Copied | Outcome::Unchanged | Outcome::Kept | Outcome::WouldCopy)
    };
    let left = report.images.len() - report.images.iter().filter(is_well).count();
    match (left, report.over_budget) {
        (0, None) => None,
        (0, Some(_)) => Some("a limit has ended the run".to_owned()),
        (left, _) => Some(format!("{} failed, or left for another run", count(left as u64, "image"))),
    }
}
