//! From the values as text to the settings of each part of the program.
//!
//! Owns which inputs contradict each other, and the sentence about each that is bad. Contacts nothing; a value is quoted only
//! after its secrets were taken out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::credentials::cloud::fields::INPUT;
use crate::credentials::docker_config::Home;
use crate::credentials::{Credentials, GithubLogin, Given};
use crate::emit;
use crate::engine::behind::Tolerance;
use crate::engine::options::{
    AtOnce, Check, Command, Mode, OnBudget, OnFailure, Operation, Options, Platforms, SizeLimit, SourceTag, Statement,
    Subset, UnchangedDetail,
};
use crate::environment::Environment;
use crate::error::{Error, Pin, WrittenIn};
use crate::github::server::Server;
use crate::http::proxies::Proxies;
use crate::http::roots::ExtraRoots;
use crate::inputs::config;
use crate::inputs::files::OfFiles;
use crate::inputs::identities;
use crate::inputs::paths::{IN_OUR_IMAGE, directories_by_name, is_path, lost_login_file, or_path};
use crate::inputs::table::{INPUTS, Input, Kind, known};
use crate::inputs::typed::{Checked, Inputs, Task};
use crate::inputs::words::{age, at_once, duration, host, items, pull_limit, request_limit, size_limit};
use crate::observe::debug_log;
use crate::observe::pulls::PullLimit;
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::ask::{self, Ask, Declined, Rights};
use crate::plan::history::History;
use crate::plan::images;
use crate::plan::list::shard::Shard;
use crate::plan::pasted;
use crate::plan::request::{Images, Request};
use crate::runner::files::ReportFile;
use crate::runner::talk::{Format, Talk};
use crate::runner::{Surroundings, gitlab};
use crate::secret::{Credential, Secret};
use crate::store::mirrors::MirrorSettings;
use crate::store::mirrors::rules::{CNB_REGISTRY_MIRRORS, Fallback, Rules, Tags};
use crate::store::registry::host::Missing;
use crate::text::choice::{self, Choice};
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// The value of a secret input, with the input's name.
pub type Named = (&'static str, Secret);

/// The images that are wanted, and what was written with them.
struct Wanted {
    images: Images,
    /// The platform that stands beside the one image.
    platform: Option<Platform>,
    /// What was read otherwise than it was written.
    read_as: Vec<String>,
    /// What of a request is not done.
    declined: Option<Vec<Declined>>,
    /// Whether a stranger asks.
    is_strangers: bool,
    /// The services of compose files, and the image of each.
    services: Vec<(String, Reference)>,
}

impl Wanted {
    fn of(images: Images) -> Self {
        Self { images, platform: None, read_as: Vec::new(), declined: None, is_strangers: false, services: Vec::new() }
    }
}

/// The values that were given, as text.
pub struct Values(pub BTreeMap<&'static str, String>);

impl Values {
    /// What is secret in the values: all of a password's, and of a line with one what follows the user name.
    pub fn secrets(&self) -> Vec<Named> {
        let mut secrets = Vec::new();
        for input in INPUTS.iter().filter(|input| input.kind.is_secret()) {
            let Some(value) = self.0.get(input.name) else { continue };
            if matches!(input.kind, Kind::Secret) {
                secrets.push((input.name, Secret::new(value.as_str())));
                continue;
            }
            for line in value.lines().filter_map(|line| Some(line.trim().split_once(char::is_whitespace)?.1.trim())) {
                let password = line.split_once(char::is_whitespace).map_or(line, |(_, password)| password.trim());
                secrets.push((input.name, Secret::new(password)));
            }
        }
        secrets
    }

    /// Refuses a secret in a place where it would be a name: names go to servers, into logs and into outputs.
    pub fn refuse_misplaced(&self, secrets: &[Named]) -> Result<(), Error> {
        /// No name has so many characters in common with a password by chance.
        const LONG: usize = 16;
        for input in INPUTS.iter().filter(|input| !input.kind.is_secret() && !input.name.ends_with("-username")) {
            let Some(value) = self.0.get(input.name) else { continue };
            let holds = |(_, secret): &&Named| secret.expose().len() >= LONG && value.contains(secret.expose());
            if let Some((name, _)) = secrets.iter().find(holds) {
                let problem = format!("holds the secret that is given as `{name}`; leave it there only");
                return Err(Error::input(input.name, problem));
            }
        }
        Ok(())
    }

    pub fn inputs(&self, environment: &Environment, mut notices: Vec<String>) -> Result<Inputs, Error> {
        let task: Task = self.choice("command")?;
        let command = task.command();
        let surroundings = Surroundings::of(environment);
        let Wanted { images, platform, read_as, declined, is_strangers, services } = self
            .wanted(task, command, environment, &surroundings)
            .map_err(|error| or_path(error, self.get("source").unwrap_or_default(), &surroundings))?;
        notices.extend(read_as.into_iter().chain(lost_login_file(environment, &surroundings)));
        let target = self.0.get("target").map(String::as_str);
        notices.extend(directories_by_name(self.get("source"), target, &surroundings));
        let dry_run = self.dry_run(task, command)?;
        let workspace = surroundings.workspace(environment);
        let history = self.get("history").map(|path| config::history(Path::new(workspace), path)).transpose()?;
        let patience = parsed("patience", duration(self.get("patience").unwrap_or_default()))?;
        let emit = self.emit()?.of_services(services);
        self.with_logins(Inputs {
            prune: self.prune(command, &images, workspace)?,
            attest: self.attest((command, dry_run), &images, environment, workspace)?,
            request: Request {
                command,
                targets: self.targets(command, &images, (&surroundings, surroundings.project(environment)))?,
                options: Arc::new(Options {
                    operation: Operation::new(command, if dry_run { Mode::DryRun } else { Mode::Write }),
                    platforms: self.platforms(platform)?,
                    attachments: self.choice("attachments")?,
                    foreign_layers: self.choice("foreign-layers")?,
                    check: self.check(task)?,
                    unchanged: detail(&emit, declined.as_deref()),
                    on_conflict: self.choice("on-conflict")?,
                    conflict_in: WrittenIn::Input,
                    expected_digest: self.expected_digest(&images)?,
                    pin: Pin::Input,
                    source_tag: SourceTag::MayMove,
                    requirement: self.requirement(workspace)?,
                    statement: Statement::of(self.boolean("attest")?),
                    size_limit: self.size_limit()?,
                    tolerance: self.tolerance(history.as_ref())?,
                    patience,
                }),
                subset: self.choice("subset")?,
                lock: self.lock(task, &images, workspace)?,
                history,
                is_strangers,
                images,
                project: surroundings.project(environment).map(str::to_owned),
            },
            asked: declined,
            workflow: match surroundings.gitlab() {
                Some(_) => None,
                None => environment.get("GITHUB_REPOSITORY").map(str::to_owned),
            },
            dry_run,
            shard: self.get("shard").map(|text| parsed("shard", Shard::parse(text))).transpose()?,
            time_limit: self.get("time-limit").map(|text| parsed("time-limit", duration(text))).transpose()?,
            pull_budget: self.pull_budget()?,
            on_budget: self.choice("on-budget")?,
            on_failure: if self.boolean("fail-fast")? { OnFailure::Defer } else { OnFailure::GoOn },
            credentials: self.credentials(environment, &Server::of(environment), &surroundings)?,
            missing_repositories: Missing::Refuse,
            server: Server::of(environment),
            mirrors: self.mirrors(environment)?,
            token_services: self.token_services()?,
            insecure_registries: self.insecure_registries()?,
            ca_certificates: self.ca_certificates(environment, &surroundings)?,
            proxies: Proxies::of(environment),
            patience,
            access: self.access(command, environment, &surroundings)?,
            emit,
            workspace: workspace.into(),
            checkout: surroundings.checkout(environment).map(Into::into),
            at_once: self.at_once()?,
            report_file: self.report_file(environment, &surroundings)?,
            talk: Talk::default(),
            emit_directory: self.emit_directory(workspace)?,
            debug_log: debug_log::is_wanted(environment),
            summary: self.boolean("summary")?,
            notices,
        })
    }

    fn tolerance(&self, history: Option<&History>) -> Result<Tolerance, Error> {
        let max_age = self.get("max-age").map(|text| parsed("max-age", age(text))).transpose()?;
        Ok(Tolerance { max_age, seen: history.map(|history| history.seen.clone()) })
    }

    /// The same with what depends on the logins that there are.
    fn with_logins(&self, inputs: Inputs) -> Result<Inputs, Error> {
        let mut inputs = Inputs { missing_repositories: self.missing_repositories(&inputs.credentials)?, ..inputs };
        inputs.notices.extend(inputs.credentials.notices().iter().cloned());
        Ok(inputs)
    }

    fn dry_run(&self, task: Task, command: Command) -> Result<bool, Error> {
        let dry_run = self.boolean("dry-run")?;
        if dry_run && !matches!(command, Command::Copy | Command::Access) && !matches!(task, Task::Files(_)) {
            let problem = format!("makes no sense with `{}`, which never writes; leave it out", command.word());
            return Err(Error::input("dry-run", problem));
        }
        Ok(dry_run)
    }

    fn missing_repositories(&self, credentials: &Credentials) -> Result<Missing, Error> {
        let is_wanted = self.boolean("create-repositories")?;
        if is_wanted && !credentials.create_repositories() {
            let problem =
                "needs a login that may create some: name the registry in `registry-identities`, with `type: aws-ecr`";
            return Err(Error::input("create-repositories", problem));
        }
        Ok(if is_wanted { Missing::Create } else { Missing::Refuse })
    }

    /// What does not come back cannot be waited for.
    fn pull_budget(&self) -> Result<Option<PullLimit>, Error> {
        let limit = self.get("pull-budget").map(|text| parsed("pull-budget", pull_limit(text))).transpose()?;
        if self.choice::<OnBudget>("on-budget")? == OnBudget::Wait && limit != Some(PullLimit::Left) {
            let problem =
                "is `wait`, which waits for pulls that the registry gives back; set `pull-budget` to `auto` too";
            return Err(Error::input("on-budget", problem));
        }
        Ok(limit)
    }

    /// In a workflow the files are in the workspace; GitLab keeps those that are variables beside the project.
    fn ca_certificates(&self, environment: &Environment, surroundings: &Surroundings) -> Result<ExtraRoots, Error> {
        let workspace = match surroundings {
            Surroundings::GitLab(_) => None,
            Surroundings::Actions | Surroundings::Terminal => environment.get("GITHUB_WORKSPACE").map(Path::new),
        };
        ExtraRoots::parse(self.get("ca-certificates").unwrap_or_default(), workspace)
    }

    /// The repository whose tags are wanted; none where something else is.
    pub fn repository(&self, format: Option<Format>) -> Result<Option<Reference>, Error> {
        if self.choice::<Task>("command")? != Task::Tags {
            return Ok(None);
        }
        if let Some(format @ (Format::Digest | Format::Plan)) = format {
            let problem =
                format!("is `{}`, and a list of tags has none; write `text`, `json` or `none`", format.word());
            return Err(Error::input("output", problem));
        }
        let text = self.get("source").unwrap_or_default();
        match parsed("source", pasted::image(text))?.image {
            ImageReference::Registry(reference) if reference.has_explicit_tag() || reference.digest().is_some() => {
                let problem = format!("is `{}`; write the repository alone, without a tag or a digest", quote(text));
                Err(Error::input("source", problem))
            }
            ImageReference::Registry(reference) => Ok(Some(reference)),
            ImageReference::Layout { .. } => Err(Error::input("source", "is a directory; only a registry lists tags")),
        }
    }

    /// The value, or the default.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).or_else(|| known(name).and_then(Input::literal_default))
    }

    pub(super) fn choice<T: Choice>(&self, name: &str) -> Result<T, Error> {
        let value = self.get(name).unwrap_or_default();
        T::parse(value).ok_or_else(|| {
            let words = choice::words::<T>();
            let hint = match nearest(value, words.iter().copied()) {
                Some(word) => format!(" (did you mean `{word}`?)"),
                None if name == "command" && value.contains(['/', ':']) => {
                    "; to copy it, write `copy` before it".to_owned()
                }
                None => String::new(),
            };
            Error::input(name, format!("`{}` is not one of {}{hint}", quote(value), words.join(", ")))
        })
    }

    pub(super) fn boolean(&self, name: &str) -> Result<bool, Error> {
        // YAML 1.2's core schema, as the actions toolkit reads it.
        match self.get(name).unwrap_or("false") {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            other => {
                let problem = format!("`{}` is not one of true, True, TRUE, false, False, FALSE", quote(other));
                Err(Error::input(name, problem))
            }
        }
    }

    fn targets(
        &self,
        command: Command,
        images: &Images,
        (surroundings, project): (&Surroundings, Option<&str>),
    ) -> Result<Vec<String>, Error> {
        // `inspect` looks at the source alone; a workflow that switches `command` may wire the target all the same.
        if command == Command::Inspect {
            return Ok(Vec::new());
        }
        match (self.0.get("target"), surroundings.gitlab()) {
            (None, _) if command == Command::Access && project.is_none() && images.need_a_target() => {
                let flag = if surroundings.is_shell() { "--target " } else { "" };
                let problem = format!(
                    "is missing; name the package that is meant, for example `{flag}ghcr.io/octo/mirrors/alpine`"
                );
                Err(Error::input("target", problem))
            }
            (None, Some(project)) if images.need_a_target() => project.default_target().map(|target| vec![target]),
            (None, Some(_)) => Ok(Vec::new()),
            _ => {
                let targets = items(self.get("target").unwrap_or_default());
                if let Some(path) = targets.iter().find(|target| is_path(target)) {
                    let path = quote(path);
                    let problem = format!("`{path}` is a path; a directory in the OCI image layout is `oci:{path}`");
                    return Err(Error::input("target", problem));
                }
                Ok(targets.into_iter().map(str::to_owned).collect())
            }
        }
    }

    fn platforms(&self, beside: Option<Platform>) -> Result<Platforms, Error> {
        // Looked at whatever the choice: a mistake in an input is one.
        let subset = match self.choice("subset")? {
            // A digest that is expected is the only one that is right: a smaller index would have another.
            Subset::Auto if self.get("expected-digest").is_some() => Subset::Sparse,
            subset => subset,
        };
        let mut names = items(self.get("platforms").unwrap_or_default());
        names.dedup();
        if let Some(platform) = beside {
            return Ok(Platforms::One(platform));
        }
        match names.as_slice() {
            [] | ["all"] => Ok(Platforms::All),
            [name] => parsed("platforms", Platform::parse(name)).map(Platforms::One),
            names if names.contains(&"all") => {
                Err(Error::input("platforms", "has `all` beside other names; write either `all` or the platforms"))
            }
            names => {
                let platforms: Vec<Platform> =
                    names.iter().map(|name| parsed("platforms", Platform::parse(name))).collect::<Result<_, _>>()?;
                Ok(Platforms::Several(platforms, subset))
            }
        }
    }

    /// The images of a run; what is done with files has none yet.
    fn wanted(
        &self,
        task: Task,
        command: Command,
        environment: &Environment,
        surroundings: &Surroundings,
    ) -> Result<Wanted, Error> {
        match task {
            Task::Files(_) => Ok(Wanted::of(Images::Listed(Vec::new()))),
            Task::Images(_) | Task::Tags => self.images(command, environment, surroundings),
        }
    }

    fn images(
        &self,
        command: Command,
        environment: &Environment,
        surroundings: &Surroundings,
    ) -> Result<Wanted, Error> {
        let workspace = surroundings.workspace(environment);
        let (source, list) = (self.get("source"), self.get("images"));
        let given = ["source", "images", "config", "images-from", "request"].into_iter();
        let given: Vec<&str> = given.filter(|name| self.get(name).is_some()).collect();
        if let [first, .., last] = &*given {
            let target = if *first == "source" { " (where images go is said by `target`)" } else { "" };
            return Err(Error::input(*last, format!("is given, and `{first}` is too; leave one of them out{target}")));
        }
        if let Some(ask) = self.ask(given.is_empty())? {
            let wanted = Wanted::of(Images::Listed(ask.lines));
            return Ok(Wanted {
                read_as: ask.notices,
                declined: Some(ask.declined),
                is_strangers: ask.is_strangers,
                ..wanted
            });
        }
        if let Some(files) = self.get("config") {
            return config::read(Path::new(workspace), &items(files)).map(|list| Wanted::of(Images::List(list)));
        }
        if self.get("images-from").is_some() {
            let OfFiles { lines, read_as, services } = self.images_of_files(environment, surroundings)?;
            return Ok(Wanted { read_as, services, ..Wanted::of(Images::Listed(lines)) });
        }
        if let Some(list) = list {
            let images::Typed { lines, notices } = parsed("images", images::parse(list))?;
            return Ok(Wanted { read_as: notices, ..Wanted::of(Images::Listed(lines)) });
        }
        // Access is about the target alone: with one that is spelled out no source is needed, and it stands for both.
        let alone = self.0.get("target").map(String::as_str).filter(|_| command == Command::Access);
        let Some(text) = source.or(alone) else {
            let what = match self.choice("command")? {
                Task::Tags => "a repository, for example `docker.io/library/alpine`",
                _ => {
                    "an image, for example `docker.io/library/alpine:3.20`, or several by `images`, `config` or `images-from`"
                }
            };
            return Err(Error::input("source", format!("is missing; name {what}")));
        };
        if source.is_none() {
            return parsed("target", ImageReference::parse(text)).map(|target| Wanted::of(Images::One(target)));
        }
        let read = parsed(
            "source",
            pasted::image(text).map_err(|problem| {
                let advice = "; several images belong into `images`, separated by commas";
                problem + if pasted::is_several(text) { advice } else { "" }
            }),
        )?;
        let read_as = read.notice().map(|notice| format!("input `source` {notice}")).into_iter().collect();
        Ok(Wanted { platform: read.platform, read_as, ..Wanted::of(Images::One(read.image)) })
    }

    /// How an unchanged image is looked at.
    fn check(&self, task: Task) -> Result<Check, Error> {
        match self.choice("check")? {
            Checked::Image(check) => Ok(check),
            Checked::List if matches!(task, Task::Files(_)) => Ok(Check::Quick),
            Checked::List => Err(Error::input("check", "is `list`, which is for `images`; write `quick` or `deep`")),
        }
    }

    /// The request in free text, an empty one too of somebody who is named. What bounds it is looked at whatever is asked for.
    fn ask(&self, is_nothing_given: bool) -> Result<Option<Ask>, Error> {
        let allow = items(self.get("allow").unwrap_or_default());
        let rights = parsed("allow", Rights::of(self.get("requester").unwrap_or_default(), &allow))?;
        let limit = parsed("request-limit", request_limit(self.get("request-limit").unwrap_or_default()))?;
        let blank = self.get("requester").filter(|_| is_nothing_given).map(|_| "");
        Ok(self.get("request").or(blank).map(|text| ask::read(text, &rights, limit)))
    }

    fn size_limit(&self) -> Result<Option<SizeLimit>, Error> {
        self.get("size-limit").map(|text| parsed("size-limit", size_limit(text))).transpose()
    }

    fn expected_digest(&self, images: &Images) -> Result<Option<Digest>, Error> {
        let Some(text) = self.get("expected-digest") else { return Ok(None) };
        let expected: Digest = parsed("expected-digest", text.parse())?;
        let Some(source) = images.only() else {
            let problem = "is for one image, and a list may have more; write `SOURCE@DIGEST` there instead";
            return Err(Error::input("expected-digest", problem));
        };
        match source.digest() {
            Some(own) if *own != expected => Err(Error::input(
                "expected-digest",
                format!("`{expected}` contradicts the digest in `source`, `{own}`; leave one of them out"),
            )),
            _ => Ok(Some(expected)),
        }
    }

    fn at_once(&self) -> Result<AtOnce, Error> {
        self.get("concurrency").map_or(Ok(AtOnce::default()), |text| parsed("concurrency", at_once(text)))
    }

    fn report_file(&self, environment: &Environment, surroundings: &Surroundings) -> Result<Option<ReportFile>, Error> {
        let file = self.get("report-file").map(|text| ReportFile::new(text, surroundings, environment));
        parsed("report-file", file.transpose())
    }

    fn mirrors(&self, environment: &Environment) -> Result<MirrorSettings, Error> {
        let insecure = self.insecure_registries()?;
        let settings = MirrorSettings {
            rules: Rules::read(self.get("registry-mirrors"), environment.get(CNB_REGISTRY_MIRRORS), &insecure)?,
            tags: self.choice("mirror-tags")?,
            fallback: self.choice("mirror-fallback")?,
            patience: parsed("patience", duration(self.get("patience").unwrap_or_default()))?,
        };
        if settings.tags == Tags::Origin && settings.fallback == Fallback::Never {
            let problem =
                "is `origin`, which asks the original about a tag, and `mirror-fallback` is `never`; leave one out";
            return Err(Error::input("mirror-tags", problem));
        }
        Ok(settings)
    }

    fn insecure_registries(&self) -> Result<Vec<String>, Error> {
        let host = |text: &&str| {
            host(text).ok_or_else(|| {
                let problem = format!("`{}` is not a host; write `host` or `host:port`, nothing else", quote(text));
                Error::input("insecure-registries", problem)
            })
        };
        items(self.get("insecure-registries").unwrap_or_default()).iter().map(host).collect()
    }

    fn token_services(&self) -> Result<Vec<(String, String)>, Error> {
        let pair = |line: &&str| {
            let problem = |what: &str| {
                let problem = format!("`{}` {what}; write `REGISTRY = HOST` or `REGISTRY = HOST:PORT`", quote(line));
                Error::input("token-services", problem)
            };
            let (registry, service) = line.split_once('=').ok_or_else(|| problem("names no token service"))?;
            let registry = host(registry.trim()).ok_or_else(|| problem("has no host before its `=`"))?;
            let service = host(service.trim()).ok_or_else(|| problem("has no host after its `=`"))?;
            // As an address has it: without the port that everybody means.
            let service = service.strip_suffix(":443").map(str::to_owned).unwrap_or(service);
            Ok((registry, service))
        };
        items(self.get("token-services").unwrap_or_default()).iter().map(pair).collect()
    }

    fn credentials(
        &self,
        environment: &Environment,
        server: &Server,
        surroundings: &Surroundings,
    ) -> Result<Credentials, Error> {
        let secret = |name| self.get(name).map(Secret::new);
        let given = Given {
            source: self.pair("source-username", "source-password")?,
            target: self.pair("target-username", "target-password")?,
            registry_auth: secret("registry-auth"),
            github: secret("github-token").map(|token| GithubLogin {
                host: server.registry().map(str::to_owned),
                // ghcr.io looks at the token only; the name is what GitHub's own examples send.
                username: environment.get("GITHUB_ACTOR").unwrap_or("x-access-token").to_owned(),
                token,
            }),
            home: match environment.get(IN_OUR_IMAGE) {
                None if *surroundings == Surroundings::Terminal => Home::Person,
                _ => Home::Job,
            },
            job: surroundings.gitlab().and_then(|_| gitlab::registry_login(environment)),
            identities: self.get(INPUT).map(identities::read).transpose()?.unwrap_or_default(),
            insecure: self.insecure_registries()?,
        };
        Credentials::collect(given, environment)
    }

    fn pair(&self, username: &str, password: &str) -> Result<Option<Credential>, Error> {
        let lonely = |missing: &str, given: &str| {
            let problem =
                format!("is not given, and `{given}` is (a secret that is not set is empty); give both or neither");
            Err(Error::input(missing, problem))
        };
        match (self.get(username), self.get(password)) {
            (Some(name), Some(secret)) => {
                Ok(Some(Credential { username: name.to_owned(), password: Secret::new(secret) }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => lonely(password, username),
            (None, Some(_)) => lonely(username, password),
        }
    }
}

/// What is learnt of an image that need not be copied: configuration and replies are made of its platforms, policies of its
/// signatures.
fn detail(emit: &emit::Wanted, declined: Option<&[Declined]>) -> UnchangedDetail {
    if emit.has_policies() {
        UnchangedDetail::Signatures
    } else if emit.is_empty() && declined.is_none() {
        UnchangedDetail::Digest
    } else {
        UnchangedDetail::Platforms
    }
}

pub fn parsed<T>(name: &str, result: Result<T, String>) -> Result<T, Error> {
    result.map_err(|problem| Error::input(name, problem))
}
