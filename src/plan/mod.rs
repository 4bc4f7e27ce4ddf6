//! The plan: what goes where.
//!
//! Owns the step from a request to jobs, and that no two jobs of a run get in each other's way: they are worked on at once.
//! What the tags of a list are is asked in `list`; all else contacts nothing but a directory that stands for its images, and a
//! plan that cannot be made is bad input.

pub mod ask;
pub mod find;
pub mod history;
pub mod images;
pub mod import;
pub mod layout;
pub mod list;
pub mod pasted;
pub mod request;
pub mod template;

use std::borrow::Cow;
use std::collections::hash_map;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::credentials::Credentials;
use crate::engine::job::Job;
use crate::engine::options::{Command, OnConflict, Options, Platforms};
use crate::error::{Error, Pin, Side};
use crate::oci::reference::{ImageReference, Reference};
use crate::oci::vendor::{Vendor, has_two_levels};
use crate::plan::images::{At, Line, Say};
use crate::plan::layout::Asked;
use crate::plan::list::expand;
use crate::plan::list::schema::{Entry as ListEntry, List};
use crate::plan::list::shard::Shard;
use crate::plan::request::{Images, Request};
use crate::store::layout::shared::Layouts;
use crate::store::place::Place;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The images, in order.
    pub jobs: Vec<Job>,
    /// Where each is asked for.
    pub origins: Vec<At>,
    /// What the user should know about the list, a sentence each.
    pub notices: Vec<String>,
}

/// What names a place first.
struct Named<'a> {
    entry: &'a Entry<'a>,
    /// The place as it is spelled there, where it is written.
    target: Option<ImageReference>,
}

/// One image that is asked for, and which input does.
struct Entry<'a> {
    source: &'a ImageReference,
    place: Place,
    /// A template; none where nothing is to have a target.
    target: Option<&'a str>,
    /// The line of `images` or of a list; none for `source` and `target`.
    line: Option<&'a Line>,
}

impl Plan {
    /// Works out the targets and refuses what cannot end well. `insecure`: the hosts, besides this machine, that are spoken to
    /// over plain HTTP.
    pub fn new(
        request: &Request,
        credentials: &Credentials,
        insecure: &[String],
        layouts: &Layouts,
    ) -> Result<Self, Error> {
        let listed = match &request.images {
            Images::One(source) => Err(source),
            Images::Listed(lines) => Ok(Cow::Borrowed(lines.as_slice())),
            Images::List(list) => {
                check_templates(list, request)?;
                Ok(Cow::Owned(expand::named(list, request)))
            }
        };
        Self::of(listed, request, credentials, (insecure, layouts))
    }

    /// The same for the images of a list once its tags are known. What cannot end well was not visible before.
    pub fn of_list(
        lines: &[Line],
        request: &Request,
        credentials: &Credentials,
        insecure: &[String],
        layouts: &Layouts,
    ) -> Result<Self, Error> {
        Self::of(Ok(Cow::Borrowed(lines)), request, credentials, (insecure, layouts))
    }

    /// The part of it that one of several runners works on.
    #[must_use]
    pub fn part(self, shard: Shard) -> Self {
        let has = shard.has(&self.jobs);
        let kept = self.jobs.into_iter().zip(self.origins).zip(has).filter_map(|(pair, has)| has.then_some(pair));
        let (mut jobs, origins): (Vec<Job>, Vec<At>) = kept.unzip();
        count_same_repository(&mut jobs);
        Self { jobs, origins, notices: self.notices }
    }

    fn of(
        images: Asked<'_>,
        request: &Request,
        credentials: &Credentials,
        (insecure, layouts): (&[String], &Layouts),
    ) -> Result<Self, Error> {
        let mut plan = Self::default();
        if let Images::List(list) = &request.images {
            plan.notices.extend(list.notices.iter().cloned());
        }
        let images = layout::spelled_out(images, request, layouts, &mut plan.notices)?;
        let entries = entries(images.as_deref().map_err(|source| *source), request, insecure);
        // Of a list a pattern may select a thousand tags twice: that is one sentence.
        let mut repeated: BTreeMap<(String, String), (usize, &Entry<'_>, &Entry<'_>)> = BTreeMap::new();
        // By template, what is said of the first target that it makes.
        let mut misfits: BTreeMap<&str, String> = BTreeMap::new();
        // By what an entry writes, or only reads: the first that names it.
        let mut named: HashMap<Place, Named<'_>> = HashMap::new();
        for entry in &entries {
            let made = entry.job(request, insecure);
            let (job, place) = made.map_err(|error| layout::or_all(error, entry.source, layouts))?;
            match named.entry(place) {
                hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(Named { entry, target: job.target.clone() });
                }
                hash_map::Entry::Occupied(first) if first.get().entry.place == entry.place => {
                    let first = first.get().entry;
                    if entry.options(request) != first.options(request) {
                        return Err(entry.differs(first));
                    }
                    let key = (entry.at().to_string(), first.at().to_string());
                    let key = if entry.is_in_list() { key } else { (key.0, format!("{} {}", key.1, entry.source)) };
                    repeated.entry(key).or_insert((0, entry, first)).0 += 1;
                    continue;
                }
                hash_map::Entry::Occupied(first) => {
                    // Without a tag nothing is overwritten: each has its own digest.
                    if let Some(target) = job.target.as_ref().filter(|target| target.tag().is_some()) {
                        return Err(entry.contradicts(first.get(), target));
                    }
                }
            }
            match misfit(&job).filter(|_| request.command == Command::Copy) {
                Some(Misfit::Sure(problem)) => return Err(entry.bad_target(&problem)),
                Some(Misfit::Likely(problem)) => {
                    misfits.entry(entry.target.unwrap_or_default()).or_insert(problem);
                }
                None => {}
            }
            plan.origins.push(entry.at());
            plan.jobs.push(job);
        }
        plan.notices.extend(misfits.into_values().map(|problem| format!("the push is most likely refused: {problem}")));
        plan.notices.extend(repeated.into_values().map(|(count, entry, first)| entry.repeats(first, count)));
        if request.command == Command::Copy {
            refuse_chains(&entries, &named)?;
        }
        for side in [Side::Source, Side::Target] {
            refuse_shared_credential(credentials, side, &plan.jobs)?;
        }
        note_helpers(credentials, &mut plan.jobs);
        count_same_repository(&mut plan.jobs);
        keep_shared_sources(&mut plan.jobs);
        // They are held until the end.
        plan.jobs.shrink_to_fit();
        plan.origins.shrink_to_fit();
        Ok(plan)
    }
}

/// A target whose name its registry has no place for, and how sure that is.
enum Misfit {
    Sure(String),
    Likely(String),
}

/// Of a target whose name has more or fewer levels than its registry's names have: a sentence.
fn misfit(job: &Job) -> Option<Misfit> {
    let target = job.end(Side::Target)?;
    let (host, repository) = (target.registry(), target.repository());
    let (namespace, name) = repository.split_once('/').unwrap_or((repository, ""));
    let (vendor, levels) = (Vendor::of(host), repository.split('/').count());
    match vendor {
        Vendor::Github if levels == 1 => Some(Misfit::Sure(format!(
            "`{host}` has names of two levels or more, `OWNER/NAME`, and `{host}/{repository}` has one; write \
             `{host}/{repository}/{{name}}`, if `{repository}` is an owner"
        ))),
        // Whoever writes `docker.io/octo` has written that.
        Vendor::DockerHub if namespace == "library" && levels == 2 => Some(Misfit::Likely(format!(
            "`{host}/{repository}` is a place for Docker's own images; write `{host}/{name}/{{name}}`, if `{name}` is an account"
        ))),
        _ if !has_two_levels(host) || levels == 2 => None,
        _ => {
            let than = if levels > 2 { "more" } else { "one" };
            let problem = format!(
                "`{host}` has names of two levels, `NAMESPACE/NAME`, and `{host}/{repository}` has {than}; write \
                 `{host}/{namespace}/{{name}}`"
            );
            Some(if vendor == Vendor::DockerHub { Misfit::Sure(problem) } else { Misfit::Likely(problem) })
        }
    }
}

/// Refuses a target that fits no tag, before the tags of its entry are asked for.
fn check_templates(list: &List, request: &Request) -> Result<(), Error> {
    let has_patterns = |entry: &&ListEntry| entry.tags.as_ref().is_some_and(|tags| !tags.items.is_empty());
    for entry in list.entries.iter().filter(has_patterns).filter(|_| request.command != Command::Inspect) {
        let Some(source) = entry.source.registry() else { continue };
        let any = ImageReference::Registry(source.with_tag("1"));
        let (own, at) = (entry.settings.targets.as_ref(), At::List(entry.position.clone()));
        for template in own.unwrap_or(&request.targets) {
            template::target(template, &any, request.project.as_deref())
                .map_err(|problem| bad_target(&at, own.is_some(), &source.name(), &problem))?;
        }
    }
    Ok(())
}

/// A target, of the one at `at` itself or the one for all, that does not fit its `source`.
fn bad_target(at: &At, is_own: bool, source: &str, problem: &str) -> Error {
    if is_own {
        return Error::input(at.input(), format!("{at} (its target): {problem}"));
    }
    Error::input("target", format!("for {at}{} (`{source}`): {problem}", at.of()))
}

/// The images that are asked for, in order: those of lines, or the one.
fn entries<'a>(
    images: Result<&'a [Line], &'a ImageReference>,
    request: &'a Request,
    insecure: &[String],
) -> Vec<Entry<'a>> {
    // Each image goes to each target; without any there is still the image.
    let targets: Vec<Option<&str>> = match request.targets.as_slice() {
        [] => vec![None],
        targets => targets.iter().map(|target| Some(target.as_str())).collect(),
    };
    let place = |source: &ImageReference| Place::of(source, insecure);
    match images {
        Err(source) => {
            targets.iter().map(|target| Entry { source, place: place(source), target: *target, line: None }).collect()
        }
        Ok(lines) => {
            let entries = |line: &'a Line| {
                // `inspect` looks at the sources alone, also where a list for `copy` is handed to it.
                let own = line.target.as_deref().filter(|_| request.command != Command::Inspect);
                let targets = if own.is_some() { vec![own] } else { targets.clone() };
                let place = place(&line.source);
                let entry =
                    move |target| Entry { source: &line.source, place: place.clone(), target, line: Some(line) };
                targets.into_iter().map(entry)
            };
            lines.iter().flat_map(entries).collect()
        }
    }
}

impl Entry<'_> {
    /// The job, and the place that it writes, or only reads.
    fn job(&self, request: &Request, insecure: &[String]) -> Result<(Job, Place), Error> {
        let mut notices = Vec::new();
        let (mut target, mut place) = (None, self.place.clone());
        if let Some(text) = self.target {
            let make = if self.is_among_others() { template::target_among_others } else { template::target };
            let (expanded, lowered) =
                make(text, self.source, request.project.as_deref()).map_err(|problem| self.bad_target(&problem))?;
            // Access writes nothing to the target, and without a source the target stands for it.
            // A source with a digest may well be its own repository's target: that is how a tag is moved back.
            place = Place::of(&expanded, insecure);
            if request.command != Command::Access && place == self.place {
                return Err(self.bad_target(&format!("`{expanded}` is the source itself; name another place")));
            }
            notices.extend(lowered);
            target = Some(expanded);
        }
        let job = Job {
            source: self.source.clone(),
            shared_source: Some(self.place.clone()),
            target,
            options: self.options(request),
            same_repository_count: 1,
            notices,
        };
        Ok((job, place))
    }

    /// What is wanted of the image; a source's own digest is what it must resolve to.
    fn options(&self, request: &Request) -> Arc<Options> {
        let mut options = Arc::clone(self.line.and_then(|line| line.options.as_ref()).unwrap_or(&request.options));
        if let (None, Some(own)) = (&options.expected_digest, self.source.digest()) {
            let options = Arc::make_mut(&mut options);
            (options.expected_digest, options.pin) = (Some(own.clone()), Pin::Source);
        }
        if let Some(platform) = self.line.and_then(|line| line.platform.as_deref().cloned()) {
            Arc::make_mut(&mut options).platforms = Platforms::One(platform);
        }
        // Where names leave out where an image comes from, the one that is there may be another.
        let may_be_another = request.is_strangers && !self.target.is_none_or(template::tells_apart);
        let on_conflict = match (self.line.map(|line| line.say), options.on_conflict) {
            (Some(Say::Target), OnConflict::Overwrite) => OnConflict::Keep,
            (_, OnConflict::Overwrite) if may_be_another => OnConflict::Fail,
            (_, wanted) => wanted,
        };
        if on_conflict != options.on_conflict {
            Arc::make_mut(&mut options).on_conflict = on_conflict;
        }
        options
    }

    /// Where it is asked for, for sentences.
    fn at(&self) -> At {
        self.line.map_or(At::Line(1), |line| line.at.clone())
    }

    fn is_in_list(&self) -> bool {
        matches!(self.at(), At::List(_))
    }

    /// Whether it goes where other images of the run go, and keeps its whole name in a directory; what is written behind the
    /// arrow of a line is the image's own target.
    fn is_among_others(&self) -> bool {
        self.line.is_some_and(|line| line.target.is_none() || !matches!(line.at, At::Line(_)))
    }

    fn has_own_target(&self) -> bool {
        self.line.is_some_and(|line| line.target.is_some())
    }

    fn bad_target(&self, problem: &str) -> Error {
        match self.line {
            None => Error::input("target", problem),
            Some(line) => bad_target(&line.at, self.has_own_target(), &line.source.to_string(), problem),
        }
    }

    /// That `first` asks for the same, in `count` cases.
    fn repeats(&self, first: &Self, count: usize) -> String {
        let (at, before, source) = (self.at(), first.at(), self.source);
        if self.is_in_list() {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            return format!("{at} asks for what {before} asks for (`{source}`{more}); it is done once");
        }
        let of = at.of();
        if at == before {
            format!("{at}{of} names `{source}` twice; it is done once")
        } else {
            format!("{at}{of} is the same as {before} (`{source}`); it is done once")
        }
    }

    /// The same image for the same target, in two ways.
    fn differs(&self, first: &Self) -> Error {
        let (at, before, source) = (self.at(), first.at(), self.source);
        let problem = format!("{before} and {at} ask for `{source}` with different settings; leave it to one of them");
        Error::input(at.input(), problem)
    }

    /// Two sources for one tag.
    fn contradicts(&self, first: &Named<'_>, target: &ImageReference) -> Error {
        let target = match &first.target {
            Some(spelled) if spelled != target => format!("`{spelled}`, which is `{target}` too"),
            _ => format!("`{target}`"),
        };
        let first = first.entry;
        let (one, other) = (first.at(), self.at());
        let (source, second) = (first.source, self.source);
        if self.is_in_list() || self.has_own_target() || first.has_own_target() {
            let lines = match (&one, &other) {
                (At::Line(one), At::Line(other)) | (At::Request(one), At::Request(other)) if one != other => {
                    format!("lines {one} and {other}")
                }
                (one, other) if one == other => one.to_string(),
                (one, other) => format!("{one} and {other}"),
            };
            let problem = format!(
                "{lines} would write both `{source}` and `{second}` to {target}; give one of them another target"
            );
            return Error::input(other.input(), problem);
        }
        let advice = match &other {
            At::Layout => "write `{registry}/{repository}` into it",
            _ => "write `{repository}` or `{tag}` into it, or give these lines targets of their own",
        };
        let problem =
            format!("sends both `{source}` ({one}{}) and `{second}` ({other}) to {target}; {advice}", one.of());
        Error::input("target", problem)
    }
}

fn count_same_repository(jobs: &mut [Job]) {
    let repository = |job: &Job| {
        let reference = job.target.as_ref()?.registry()?;
        Some((reference.registry().to_owned(), reference.repository().to_owned()))
    };
    let mut counts = HashMap::new();
    for job in &*jobs {
        *counts.entry(repository(job)).or_insert(0) += 1;
    }
    for job in jobs {
        job.same_repository_count =
            repository(job).map_or(1, |repository| counts.get(&Some(repository)).copied().unwrap_or(1));
    }
}

/// Most images are alone in reading their source, and of ten thousand nothing is kept for others.
fn keep_shared_sources(jobs: &mut [Job]) {
    let mut readers: HashMap<Place, usize> = HashMap::new();
    for place in jobs.iter().filter_map(|job| job.shared_source.as_ref()) {
        *readers.entry(place.clone()).or_default() += 1;
    }
    for job in jobs {
        if job.shared_source.as_ref().is_some_and(|place| readers.get(place) == Some(&1)) {
            job.shared_source = None;
        }
    }
}

/// One image is not read where another one is written: all are worked on at once, and which comes first is chance.
fn refuse_chains(entries: &[Entry<'_>], named: &HashMap<Place, Named<'_>>) -> Result<(), Error> {
    for entry in entries {
        if let Some(writer) = named.get(&entry.place) {
            let (reader, writer) = (entry.at(), writer.entry.at());
            let problem = format!(
                "{reader} reads `{}`, which {writer} writes; the images of a run are copied at once, so make it \
                 two runs",
                entry.source
            );
            return Err(Error::input(reader.input(), problem));
        }
    }
    Ok(())
}

/// A user name and a password that were given for the one source, or the one target, go to no second registry.
fn refuse_shared_credential(credentials: &Credentials, side: Side, jobs: &[Job]) -> Result<(), Error> {
    if !credentials.has_one_for(side) {
        return Ok(());
    }
    let mut registries = jobs.iter().filter_map(|job| job.end(side)).map(Reference::registry);
    let Some(first) = registries.next() else { return Ok(()) };
    match registries.find(|registry| *registry != first) {
        None => Ok(()),
        Some(other) => Err(Error::input(
            format!("{side}-username"),
            format!(
                "is for one registry, and the {side}s are at {first} and {other}; give credentials by `registry-auth`, a \
                 line for each"
            ),
        )),
    }
}

/// Says, with the first image that it concerns, that a credential lies with a helper program.
fn note_helpers(credentials: &Credentials, jobs: &mut [Job]) {
    let mut said: Vec<String> = Vec::new();
    for job in jobs {
        for side in [Side::Source, Side::Target] {
            let notice = job.end(side).and_then(|reference| {
                let credential = match side {
                    Side::Source => credentials.for_source(reference),
                    Side::Target => credentials.for_target(reference),
                };
                if credential.is_some() { None } else { credentials.helper_notice(reference) }
            });
            if let Some(notice) = notice.filter(|notice| !said.contains(notice)) {
                job.notices.push(notice.clone());
                said.push(notice);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::environment::Environment;
    use crate::error::Error;
    use crate::inputs::read;
    use crate::inputs::typed::Invocation;
    use crate::store::layout::shared::Layouts;

    fn plan(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Plan, Error> {
        let environment = Environment::from(variables);
        match read(arguments.iter().map(Into::into).collect(), &environment)? {
            Invocation::Run(inputs) | Invocation::Tags(inputs, _) | Invocation::Files(inputs, _) => {
                let layouts = Layouts::default();
                Plan::new(&inputs.request, &inputs.credentials, &inputs.insecure_registries, &layouts)
            }
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_default_target_is_below_the_repository() {
        let made = plan(&["copy", "alpine:3.20"], &[("GITHUB_REPOSITORY", "Acme/Mirror")]).unwrap();
        let target = made.jobs[0].target.as_ref().map(ToString::to_string);
        assert_eq!(target.as_deref(), Some("ghcr.io/acme/mirror/docker.io/library/alpine:3.20"));
        assert!(made.jobs[0].notices.is_empty());
        assert_eq!(plan(&["inspect", "alpine"], &[]).unwrap().jobs[0].target, None);
    }

    #[test]
    fn a_lowered_target_is_noticed() {
        let made = plan(&["copy", "alpine", "ghcr.io/ACME/x"], &[]).unwrap();
        assert!(made.jobs[0].notices[0].contains("lower case"), "{:?}", made.jobs[0].notices);
    }

    /// What people type who mean a place, and not an image's name in it.
    #[test]
    fn a_target_that_is_only_a_namespace_is_told_so() {
        for (target, write) in [
            ("ghcr.io/octo", "write `ghcr.io/octo/{name}`, if `octo` is an owner"),
            (
                "registry.cn-hangzhou.aliyuncs.com/octo",
                "has one; write `registry.cn-hangzhou.aliyuncs.com/octo/{name}`",
            ),
            ("docker.io/octo", "for Docker's own images; write `docker.io/octo/{name}`"),
        ] {
            let said = match plan(&["copy", "alpine:3", target], &[]) {
                Ok(plan) => plan.notices.join("; "),
                Err(problem) => problem.to_string(),
            };
            assert!(said.contains(write), "{said}");
            assert_eq!(said.starts_with("input `target`: "), target.starts_with("ghcr.io"), "{said}");
            assert!(plan(&["verify", "alpine:3", target], &[]).unwrap().notices.is_empty());
        }
    }

    #[test]
    fn of_a_registry_that_most_likely_has_names_of_two_levels_one_notice_is_given_for_all_images() {
        let target = "registry.cn-hangzhou.aliyuncs.com/octo/{repository}";
        let variables = [("INPUT_IMAGES", "alpine\nredis"), ("INPUT_TARGET", target)];
        let [notice] = &*plan(&["copy"], &variables).unwrap().notices else { panic!("not one") };
        assert!(notice.contains("write `registry.cn-hangzhou.aliyuncs.com/octo/{name}`"), "{notice}");
        let flat = [variables[0], ("INPUT_TARGET", "registry.cn-hangzhou.aliyuncs.com/octo/{name}")];
        assert_eq!(plan(&["copy"], &flat).unwrap().notices, [""; 0]);
        let problem = plan(&["copy", "alpine", "octo/mirror/alpine"], &[]).unwrap_err().to_string();
        assert!(problem.starts_with("input `target`: `docker.io` has names of two levels"), "{problem}");
        assert!(plan(&["verify", "alpine", "octo/mirror/alpine"], &[]).is_ok());
    }

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn listed(list: &str, more: &[&str]) -> Result<Plan, Error> {
        let mut arguments = vec!["copy", "--images", list];
        arguments.extend(more);
        plan(&arguments, &[("GITHUB_REPOSITORY", "Acme/Mirror")])
    }

    fn targets(plan: &Plan) -> Vec<String> {
        plan.jobs.iter().filter_map(|job| job.target.as_ref()).map(ToString::to_string).collect()
    }

    #[test]
    fn each_line_has_its_own_target_or_that_of_the_input() {
        let made = listed("alpine:3\nalpine:3 => quay.io/a/{name}\nbusybox:1 => oci:out", &[]).unwrap();
        assert_eq!(
            targets(&made),
            ["ghcr.io/acme/mirror/docker.io/library/alpine:3", "quay.io/a/alpine:3", "oci:out:1"]
        );
        let made = listed("alpine:3\nalpine:4", &["--target", "quay.io/a/b"]).unwrap();
        assert_eq!(targets(&made), ["quay.io/a/b:3", "quay.io/a/b:4"]);
        let inspected = plan(&["inspect", "--images", "alpine => a/b\nalpine => c/d"], &[]).unwrap();
        assert_eq!((inspected.jobs.len(), inspected.notices.len()), (1, 1));
        assert_eq!(inspected.jobs[0].target, None);
    }

    #[test]
    fn a_line_given_twice_is_one_job_with_a_notice() {
        let made = listed("alpine\nbusybox\ndocker.io/library/alpine:latest, busybox", &[]).unwrap();
        assert_eq!(made.jobs.len(), 2);
        assert_eq!(
            made.notices,
            [
                "line 3 of `images` is the same as line 1 (`docker.io/library/alpine:latest`); it is done once",
                "line 3 of `images` is the same as line 2 (`docker.io/library/busybox:latest`); it is done once",
            ]
        );
        assert!(listed("alpine, alpine", &[]).unwrap().notices[0].starts_with("line 1 of `images` names `docker.io/"));
        let spellings = listed("alpine:3 => oci:./out\nalpine:3 => oci:out", &[]).unwrap();
        assert_eq!((spellings.jobs.len(), spellings.notices.len()), (1, 1));
    }

    #[test]
    fn the_sources_own_digest_is_expected() {
        let digested = format!("alpine@{DIGEST}");
        let made = listed(&format!("{digested}\nbusybox"), &[]).unwrap();
        assert_eq!(made.jobs[0].options.expected_digest.as_ref().map(ToString::to_string).as_deref(), Some(DIGEST));
        assert_eq!(made.jobs[1].options.expected_digest, None);
        let made = plan(&["copy", "alpine", "a/b", "--expected-digest", DIGEST], &[]).unwrap();
        assert!(made.jobs[0].options.expected_digest.is_some());
    }

    #[test]
    fn lines_that_get_in_each_others_way_are_bad_input() {
        let pair = ["--source-username=ann", "--source-password=hunter2"];
        let to = |target: &'static str| ["--target", target];
        for (list, more, sentence) in [
            (
                "a/b => x/y:1\n\nc/d => x/y:1",
                &[][..],
                "input `images`: lines 1 and 3 would write both `docker.io/a/b:latest` and `docker.io/c/d:latest` to \
                 `docker.io/x/y:1`; give one of them another target",
            ),
            ("a/b:1 => x/y:1, a/b:2 => x/y:1", &[], "input `images`: line 1 would write both"),
            ("alpine:3 => oci:out, busybox:3 => oci:./out", &[], "input `images`: line 1 would write both"),
            (
                "a/b:1 => 127.0.0.1:5000/x:1\nc/d:1 => localhost:5000/x:1",
                &[],
                "would write both `docker.io/a/b:1` and `docker.io/c/d:1` to `127.0.0.1:5000/x:1`, which is \
                 `localhost:5000/x:1` too; give",
            ),
            ("a/b => r.test/x:1\nr.test:443/x:1 => c.test/d", &[], "reads `r.test:443/x:1`, which line 1 writes"),
            ("r.test/x:1 => r.test:443/x:1", &[], "is the source itself"),
            (
                "a/b:1\nc/d:1",
                &to("quay.io/x/y"),
                "input `target`: sends both `docker.io/a/b:1` (line 1 of `images`) and `docker.io/c/d:1` (line 2) to \
                 `quay.io/x/y:1`; write `{repository}` or `{tag}` into it",
            ),
            ("a/b:1\na/b:2", &to("quay.io/x/y:1"), "input `target`: sends both"),
            ("a/b\nc/d => x/{user}", &[], "input `images`: line 2 (its target): `{user}` is not a placeholder"),
            ("a/b\noci:c:1", &[], "input `target`: for line 2 of `images` (`oci:c:1`): `{registry}` has no value"),
            (
                "a/b\nc/d => c/d",
                &[],
                "input `images`: line 2 (its target): `docker.io/c/d:latest` is the source itself",
            ),
            (
                "a/b:2 => a/b:1\na/b:1 => a/b:0",
                &[],
                "input `images`: line 2 reads `docker.io/a/b:1`, which line 1 writes; the images of a run are copied at once",
            ),
            (
                "a/b\nquay.io/a/b",
                &pair,
                "input `source-username`: is for one registry, and the sources are at docker.io and quay.io; give \
                 credentials by `registry-auth`",
            ),
        ] {
            let problem = listed(list, more).expect_err(sentence);
            assert!(problem.is_input() && problem.to_string().contains(sentence), "{list}: {problem}");
        }
        // A digest cannot be moved, and one registry is one registry.
        assert!(listed(&format!("a/b@{DIGEST} => x/y, c/d@{DIGEST} => x/y"), &[]).is_ok());
        assert!(listed(&format!("a/b:2 => a/b:1\na/b:1@{DIGEST} => a/b:0"), &[]).is_ok());
        assert!(listed("a/b\nc/d", &pair).is_ok());
    }

    #[test]
    fn a_plan_that_cannot_end_well_is_bad_input() {
        for (arguments, variables, sentence) in [
            (&["copy", "alpine"][..], &[][..], "input `target`: is missing; write where the image goes"),
            (
                &["copy", "alpine", "ghcr.io/{owner}/{repo}/{registry}/{repository}"][..],
                &[][..],
                "are known in a job of GitHub's or GitLab's only",
            ),
            (
                &["copy", "alpine", "ghcr.io/{owner}/a"],
                &[],
                "input `target`: `{owner}` is taken from GITHUB_REPOSITORY",
            ),
            (&["copy", "alpine", "index.docker.io/library/alpine"], &[], "is the source itself"),
            (&["copy", "oci:a:1", "oci:a"], &[], "is the source itself"),
            (&["copy", "oci:a:1"], &[("GITHUB_REPOSITORY", "a/b")], "input `target`: `{registry}` has no value"),
        ] {
            let problem = plan(arguments, variables).expect_err(sentence);
            assert!(problem.is_input() && problem.to_string().contains(sentence), "{arguments:?}: {problem}");
        }
    }
}
