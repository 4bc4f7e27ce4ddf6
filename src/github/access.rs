//! Access: what is asked and granted, in which order.
//!
//! Before the first byte of an image is sent: is the package there, what is it linked to, may this token push. After all
//! images: is each package linked and as visible as it should be, and has everybody the role that they should have; what
//! is missing is granted, and read back. Owns no judgement (`assess`) and no call (`api`). Gives `admin-token` to GitHub's
//! API only, `github-token` to that API and, through [`crate::credentials`], to that server's registry. Never touches a
//! target that is not on this server's registry.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::credentials::login::Login;
use crate::engine::gate::Gate;
use crate::engine::job::Job;
use crate::engine::options::{Command, TargetState};
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::cause::Cause;
use crate::error::reader::Reader;
use crate::error::{Error, Side};
use crate::github::api::{Api, Lookup, Package, TeamRole};
use crate::github::assess::{self, Anonymous, GrantRequest, NextStep, PackageContext, Wanted, Who};
use crate::github::before::before_push;
use crate::github::findings::{Check, Checked, Findings, Status};
use crate::github::role::Role;
use crate::github::server::{Owner, Server};
use crate::github::settings::{AccessInputs, AccessMode, Grant, Visibility};
use crate::github::token::PushToken;
use crate::http::clients::Transport;
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::secret::Secret;
use crate::store::content::TagOrDigest;
use crate::store::registry::registries::Registries;
use crate::store::registry::repository::Repository;
use crate::sync::OnceMap;

/// How long a grant, which GitHub may keep in a cache, is waited for.
const SETTLE: Duration = Duration::from_secs(30);

/// How long a package that was just pushed is waited for.
const APPEAR: Duration = Duration::from_secs(5);

/// What access is looked at with: the run's own settings and what it shares.
pub struct Context<'a> {
    /// What is wanted of access.
    pub settings: &'a AccessInputs,
    /// What the run does.
    pub command: Command,
    /// Whether nothing is granted.
    pub dry_run: bool,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
    /// The GitHub server that the run belongs to.
    pub server: &'a Server,
    /// `GITHUB_REPOSITORY`.
    pub workflow: Option<&'a str>,
    /// The registries, with the credentials for them.
    pub registries: &'a Registries,
    /// Where the person is who reads it.
    pub reader: Reader,
}

/// Access in one run.
pub struct AccessCheck<'a> {
    run: Context<'a>,
    /// Nothing where no target is on this server's registry; why, where its address is of no use.
    api: Option<Result<Api, String>>,
    known: Mutex<Known>,
    /// Packages that were looked at before something was sent to them, and whether that may be.
    passed: OnceMap<String, Result<(), Error>>,
}

/// What was asked already.
#[derive(Default)]
struct Known {
    owners: HashMap<String, Lookup<Owner>>,
    /// By the package's full name.
    packages: HashMap<String, Lookup<Package>>,
}

/// One package of the run.
struct Target<'a> {
    reference: &'a Reference,
    owner: &'a str,
    name: &'a str,
    /// The digest of an image that is in it.
    digest: Option<&'a Digest>,
    /// This run wrote to it.
    written: bool,
    /// The target was looked for and, with the credential there is, not found.
    missed: bool,
    /// What was to be done with an image of it was done.
    succeeded: bool,
}

impl<'a> AccessCheck<'a> {
    /// Contacts nothing.
    pub fn new(run: Context<'a>, jobs: &[Job], transport: &Transport) -> Self {
        let mut access = Self { run, api: None, known: Mutex::default(), passed: OnceMap::default() };
        let mut targets = jobs.iter().filter_map(|job| job.end(Side::Target));
        if access.is_on() && targets.any(|target| access.owner_and_name(target).is_some()) {
            let api = access.run.server.api().and_then(|base| Api::new(base, transport, access.run.patience));
            access.api = Some(api);
        }
        access
    }

    fn is_on(&self) -> bool {
        self.run.settings.mode != AccessMode::Off && matches!(self.run.command, Command::Copy | Command::Access)
    }

    /// The owner and the package, where the target is on this server's registry.
    fn owner_and_name<'r>(&self, target: &'r Reference) -> Option<(&'r str, &'r str)> {
        (self.run.server.registry() == Some(target.registry())).then(|| target.repository().split_once('/')).flatten()
    }

    /// The token for GitHub's API.
    fn github_token(&self) -> Option<&Secret> {
        self.run.registries.credentials().github_token()
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            repository: self.run.settings.repository.as_deref(),
            visibility: self.run.settings.visibility.map(Visibility::as_str),
        }
    }

    /// Whose name `login` is; asked once.
    async fn owner(&self, login: &str) -> Lookup<Owner> {
        let mut known = self.known.lock().await;
        if let Some(seen) = known.owners.get(login) {
            return seen.clone();
        }
        let seen = match &self.api {
            Some(Ok(api)) => api.owner(self.github_token().or(self.run.settings.admin_token.as_ref()), login).await,
            Some(Err(problem)) => Lookup::Failed(problem.clone()),
            None => Lookup::Failed("GitHub's API was not asked".to_owned()),
        };
        known.owners.insert(login.to_owned(), seen.clone());
        seen
    }

    /// The package as GitHub shows it now; nothing where there is no token to look with.
    async fn look(&self, kind: Owner, owner: &str, name: &str, subject: &str) -> Option<Lookup<Package>> {
        let token = self.github_token()?;
        let seen = match self.api.as_ref()? {
            Ok(api) => api.package(token, kind, owner, name).await,
            Err(problem) => Lookup::Failed(problem.clone()),
        };
        self.known.lock().await.packages.insert(subject.to_owned(), seen.clone());
        Some(seen)
    }

    /// Looks at a package before something is sent to it: says what is to be known, refuses what would be refused.
    async fn look_before(&self, repository: &Repository, state: TargetState) -> Result<(), Error> {
        let (there, meter) = (state != TargetState::Absent, repository.meter());
        let subject = repository.full_name();
        let Some((owner, name)) = repository.name().split_once('/') else { return Ok(()) };
        let Ok(reference) = Reference::parse(&subject) else { return Ok(()) };
        let login = self.run.registries.credentials().for_target(&reference);
        let credential = login.as_ref().and_then(Login::credential);
        let token = PushToken::of(credential.map(|credential| credential.password.expose()));
        let kind = match self.github_token() {
            Some(_) => self.owner(owner).await,
            None => Lookup::Found(Owner::Organisation),
        };
        if let Some(check) = assess::owner((self.run.server, self.run.reader), &subject, owner, &kind) {
            meter.notice(format!("{subject}: {}", check.sentence));
        }
        let kind = if let Lookup::Found(kind) = kind { kind } else { Owner::Organisation };
        let seen = self.look(kind, owner, name, &subject).await;
        let (server, reader) = (self.run.server, self.run.reader);
        let place = PackageContext { server, subject: &subject, kind, owner, name, there, is_new: false, reader };
        for sentence in before_push(&place, &self.wanted(), seen.as_ref(), token, self.run.workflow) {
            meter.notice(sentence);
        }
        // Whether the question creates an empty package where there is none is not known, so it is asked of those only
        // that exist.
        let exists = there || matches!(seen, Some(Lookup::Found(_)));
        if self.run.dry_run || !exists {
            return Ok(());
        }
        match repository.may_push().await {
            Err(error) if error.is_denied() => Err(error),
            // Anything else the copy meets itself, and knows better what to do about.
            _ => Ok(()),
        }
    }

    /// Checks every package of the run and grants what is to be granted.
    pub async fn check(&self, jobs: &[Job], images: &[ImageOutcome], events: &Events) -> Findings {
        let mut findings =
            Findings { strict: self.run.settings.strict, asked: self.run.settings.asked, ..Findings::default() };
        if !matches!(self.run.command, Command::Copy | Command::Access) {
            return findings;
        }
        let mut targets: Vec<Target<'_>> = Vec::new();
        for (job, image) in jobs.iter().zip(images) {
            let Some(reference) = job.end(Side::Target) else { continue };
            let subject = reference.name();
            let Some((owner, name)) = self.owner_and_name(reference).filter(|_| self.is_on()) else {
                let sentence = if self.is_on() { "not this GitHub server's registry" } else { "`access` is `off`" };
                if findings.checks.iter().all(|check| check.subject != subject) {
                    findings.checks.push(Check::new(&subject, Checked::Package, Status::Skipped, sentence));
                }
                continue;
            };
            let there = matches!(image.result, Outcome::Copied | Outcome::Unchanged | Outcome::Kept | Outcome::Checked);
            let digest = image.digest.as_ref().filter(|_| there);
            let written = image.result == Outcome::Copied;
            let missed = image.result == Outcome::Checked && digest.is_none();
            let succeeded = !matches!(image.result, Outcome::Failed | Outcome::Deferred);
            match targets.iter_mut().find(|target| target.reference.repository() == reference.repository()) {
                Some(target) => {
                    target.digest = target.digest.or(digest);
                    target.written |= written;
                    target.succeeded |= succeeded;
                }
                None => targets.push(Target { reference, owner, name, digest, written, missed, succeeded }),
            }
        }
        for target in &targets {
            findings.checks.extend(self.package(target, events).await);
        }
        // The roles are those on one repository, so they are looked at once, whatever the number of packages.
        let home =
            self.run.settings.repository.as_deref().and_then(|name| name.split_once('/')).map(|(owner, _)| owner);
        let at_home = |target: &&Target<'_>| home.is_some_and(|home| home.eq_ignore_ascii_case(target.owner));
        // A role is given to what is there.
        let succeeded = || targets.iter().filter(|target| target.succeeded);
        match succeeded().find(at_home).or_else(|| succeeded().next()) {
            Some(target) => findings.checks.extend(self.grants(target.owner).await),
            None if targets.is_empty() => {}
            None => findings.checks.extend(self.requests().map(|request| request.without_image())),
        }
        findings
    }

    async fn package(&self, target: &Target<'_>, events: &Events) -> Vec<Check> {
        let subject = target.reference.name();
        let mut kind = Owner::Organisation;
        let mut seen = None;
        let mut unknown_owner = None;
        let before = self.known.lock().await.packages.get(&subject).cloned();
        let is_new = target.written && matches!(before, Some(Lookup::Absent));
        if self.github_token().is_some() {
            match self.owner(target.owner).await {
                Lookup::Found(found) => {
                    kind = found;
                    seen = self.settled(kind, target, &subject, before).await;
                }
                unknown => {
                    unknown_owner = assess::owner((self.run.server, self.run.reader), &subject, target.owner, &unknown);
                }
            }
        }
        let place = PackageContext {
            server: self.run.server,
            subject: &subject,
            kind,
            owner: target.owner,
            name: target.name,
            there: target.digest.is_some(),
            is_new,
            reader: self.run.reader,
        };
        let anonymous = match self.run.settings.visibility.map(Visibility::as_str) {
            Some("public") => Some(self.anonymous(target, events).await),
            _ => None,
        };
        match unknown_owner {
            Some(check) => vec![check],
            None => assess::package(&place, &self.wanted(), seen.as_ref(), anonymous.as_ref()),
        }
    }

    /// The package; one that this run created is waited for, with its link.
    async fn settled(
        &self,
        kind: Owner,
        target: &Target<'_>,
        subject: &str,
        before: Option<Lookup<Package>>,
    ) -> Option<Lookup<Package>> {
        let created = target.written && matches!(before, Some(Lookup::Absent));
        if let Some(seen) = before.filter(|_| !target.written) {
            return Some(seen);
        }
        let mut wait = Wait::new(APPEAR.min(self.run.patience));
        loop {
            let seen = self.look(kind, target.owner, target.name, subject).await;
            let complete = match &seen {
                Some(Lookup::Found(package)) => package.repository.is_some(),
                Some(Lookup::Absent) => false,
                _ => true,
            };
            if complete || !created || !wait.next().await {
                return seen;
            }
        }
    }

    /// What is served of the image without any credential: the proof that it is public.
    async fn anonymous(&self, target: &Target<'_>, events: &Events) -> Anonymous {
        let place = match (target.digest, target.reference.tag()) {
            (Some(digest), _) => TagOrDigest::Digest(digest),
            // What a credential does not find is asked for without one all the same; the answer is the proof.
            (None, Some(tag)) if target.missed => TagOrDigest::Tag(tag),
            _ => return Anonymous::Nothing,
        };
        let meter = Arc::new(Meter::new(events.clone()));
        let repository = match self.run.registries.open_anonymous(Side::Target, target.reference, meter) {
            Ok(repository) => repository,
            Err(error) => return Anonymous::Failed(error.to_string()),
        };
        let mut wait = Wait::new(APPEAR.min(self.run.patience));
        loop {
            let answer = match repository.head_manifest(place).await {
                Ok(Some(_)) => return Anonymous::Served,
                Ok(None) if target.missed => return Anonymous::Nothing,
                Ok(None) => Anonymous::Refused("the registry answers 404".to_owned()),
                Err(Error::Registry { cause, .. }) => match cause.refusal() {
                    Some(refusal) if refusal.is_denial() && !matches!(cause, Cause::OutOfPatience { .. }) => {
                        Anonymous::Refused(format!("the registry answers {}", refusal.status))
                    }
                    _ => return Anonymous::Failed(cause.to_string()),
                },
                Err(error) => return Anonymous::Failed(error.to_string()),
            };
            // Just pushed, it may be served a moment later.
            if !target.written || !wait.next().await {
                return answer;
            }
        }
    }

    /// The roles on the access repository. `owner` is the packages' owner.
    async fn grants(&self, owner: &str) -> Vec<Check> {
        let mut checks = Vec::new();
        for request in self.requests() {
            checks.push(self.grant(&request, owner).await);
        }
        checks
    }

    /// What `teams` and `users` ask for.
    fn requests(&self) -> impl Iterator<Item = GrantRequest<'_>> {
        let AccessInputs { repository, teams, users, .. } = self.run.settings;
        let teams = teams.iter().map(|grant| (Who::Team, grant));
        let all = teams.chain(users.iter().map(|grant| (Who::User, grant)));
        let (server, reader) = (self.run.server, self.run.reader);
        repository.as_deref().into_iter().flat_map(move |repository| {
            all.clone().map(move |(who, grant)| GrantRequest { server, repository, who, grant, reader })
        })
    }

    async fn grant(&self, request: &GrantRequest<'_>, owner: &str) -> Check {
        let home = request.repository.split_once('/').map_or("", |(owner, _)| owner);
        if request.who == Who::Team && !home.eq_ignore_ascii_case(owner) {
            return request.elsewhere(owner);
        }
        let Some(token) = &self.run.settings.admin_token else { return request.without_token() };
        let api = match &self.api {
            Some(Ok(api)) => api,
            Some(Err(problem)) => return request.check(Status::Error, problem.clone()),
            None => return request.check(Status::Skipped, "no target is on this GitHub server's registry"),
        };
        match self.owner(home).await {
            Lookup::Found(Owner::User) => {
                if let Some(check) = request.of_a_person() {
                    return check;
                }
            }
            Lookup::Found(Owner::Organisation) => {}
            unknown => {
                if let Some(check) =
                    assess::owner((self.run.server, self.run.reader), request.repository, home, &unknown)
                {
                    return request.check(check.status, check.sentence);
                }
            }
        }
        let before = match step(api, token, request).await {
            NextStep::Done(check) => return *check,
            NextStep::Raise(role) => role,
        };
        if self.run.settings.mode != AccessMode::Apply || self.run.dry_run {
            return request.not_granted(&before, self.run.dry_run);
        }
        let Grant { name, permission } = request.grant;
        let granted = match request.who {
            Who::Team => api.grant_team(token, home, name, request.repository, *permission).await,
            Who::User => api.grant_user(token, name, request.repository, *permission).await,
        };
        if let Some(check) = request.granted(&granted, &before) {
            return check;
        }
        let mut wait = Wait::new(SETTLE.min(self.run.patience));
        loop {
            let now = role(api, token, request).await;
            let settled = now.as_ref().is_some_and(|role| !role.is_below(*permission));
            if settled || !wait.next().await {
                return request.read_back(now.as_ref());
            }
        }
    }
}

/// What is so, and whether something is to be done about it.
async fn step(api: &Api, token: &Secret, request: &GrantRequest<'_>) -> NextStep {
    let name = &request.grant.name;
    let organisation = request.repository.split_once('/').map_or("", |(owner, _)| owner);
    match request.who {
        Who::Team => {
            let seen = api.team_role(token, organisation, name, request.repository).await;
            // No role and no such team are both 404.
            let team = match seen {
                Lookup::Absent => Some(api.team(token, organisation, name).await),
                _ => None,
            };
            request.team(&seen, team.as_ref())
        }
        Who::User => {
            let seen = api.user_role(token, name, request.repository).await;
            let invitation = match &seen {
                Lookup::Found(role) if role.is_below(request.grant.permission) => {
                    Some(api.invitation(token, name, request.repository).await)
                }
                _ => None,
            };
            request.user(&seen, invitation.as_ref())
        }
    }
}

/// The role now, after a grant.
async fn role(api: &Api, token: &Secret, request: &GrantRequest<'_>) -> Option<Role> {
    let organisation = request.repository.split_once('/').map_or("", |(owner, _)| owner);
    match request.who {
        Who::Team => match api.team_role(token, organisation, &request.grant.name, request.repository).await {
            Lookup::Found(TeamRole::Is(role)) => Some(role),
            _ => None,
        },
        Who::User => match api.user_role(token, &request.grant.name, request.repository).await {
            Lookup::Found(role) => Some(role),
            _ => None,
        },
    }
}

impl Gate for AccessCheck<'_> {
    fn before_write<'b>(&'b self, repository: &'b Repository, state: TargetState) -> BoxFuture<'b, Result<(), Error>> {
        async move {
            let subject = repository.full_name();
            let ours = Reference::parse(&subject).is_ok_and(|target| self.owner_and_name(&target).is_some());
            if self.api.is_none() || !ours {
                return Ok(());
            }
            // Several images may go to one package: it is looked at once, and the others wait for the answer.
            let once = self.passed.entry(subject);
            once.get_or_init(|| self.look_before(repository, state)).await.clone()
        }
        .boxed()
    }
}

/// Waits that grow, and end.
struct Wait {
    next: Duration,
    left: Duration,
}

impl Wait {
    fn new(limit: Duration) -> Self {
        Self { next: Duration::from_millis(250), left: limit }
    }

    /// Waits once more; whether there was time.
    async fn next(&mut self) -> bool {
        if self.next > self.left {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.left -= self.next;
        self.next = (self.next * 2).min(Duration::from_secs(8));
        true
    }
}
