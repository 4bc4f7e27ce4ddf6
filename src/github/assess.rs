//! From what GitHub answered to what is said about it: a status, one sentence with the next step, the page to open.
//!
//! Owns every judgement about access. Pure. Must never say more than an answer shows: what no API shows is
//! `UNVERIFIABLE`, and what a person has to do has its page.

use crate::error::reader::Reader;
use crate::github::api::{Granted, Lookup, Package, TeamRole};
use crate::github::findings::{Check, Checked, Status};
use crate::github::role::{Permission, Role};
use crate::github::server::{Owner, Server};
use crate::github::settings::Grant;

/// A package and where it is set.
pub(super) struct PackageContext<'a> {
    pub(super) server: &'a Server,
    /// `ghcr.io/acme/mirror/alpine`.
    pub(super) subject: &'a str,
    pub(super) kind: Owner,
    pub(super) owner: &'a str,
    /// `mirror/alpine`.
    pub(super) name: &'a str,
    /// The registry has the image, whatever the API shows.
    pub(super) there: bool,
    /// This run created it.
    pub(super) is_new: bool,
    /// Where the person is who reads it.
    pub(super) reader: Reader,
}

/// What is wanted of a package.
pub(super) struct Wanted<'a> {
    /// `OWNER/REPO` to be linked to.
    pub(super) repository: Option<&'a str>,
    pub(super) visibility: Option<&'a str>,
}

/// What is served of an image without any credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Anonymous {
    /// The manifest, by its digest.
    Served,
    /// A refusal, or nothing; the registry's words.
    Refused(String),
    /// No digest is known to ask for.
    Nothing,
    /// No clear answer.
    Failed(String),
}

impl PackageContext<'_> {
    pub(super) fn settings(&self) -> String {
        self.server.package_settings(self.kind, self.owner, self.name)
    }

    /// What GitHub's API is asked with, by the name that it has here.
    fn token(&self) -> &'static str {
        if self.reader.is_in_actions() { "`github-token`" } else { "the token" }
    }

    fn check(&self, what: Checked, status: Status, sentence: impl Into<String>) -> Check {
        Check::new(self.subject, what, status, sentence)
    }
}

/// The checks of a package. `seen` is nothing where there is no token to look with, `anonymous` where it was not asked for.
pub(super) fn package(
    place: &PackageContext<'_>,
    wanted: &Wanted<'_>,
    seen: Option<&Lookup<Package>>,
    anonymous: Option<&Anonymous>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    match seen {
        Some(Lookup::Found(package)) => {
            let versions = package.versions.map_or("it exists".to_owned(), |versions| format!("{versions} versions"));
            checks.push(place.check(Checked::Package, Status::Ok, "the package exists").found(&versions));
            checks.extend(link(place, wanted.repository, package));
            checks.push(visibility(place, wanted.visibility, package));
        }
        // Of what was never pushed nothing is to be done yet.
        Some(Lookup::Absent) if !place.there => checks.push(unseen_package(place, seen)),
        unseen => {
            checks.push(unseen_package(place, unseen));
            // Public is proven without a token; the others are not.
            if let Some(expected) = wanted.visibility.filter(|expected| *expected != "public") {
                let sentence = "the visibility cannot be read without reading the package; see there";
                let check = place.check(Checked::Visibility, Status::NeedsToken, sentence);
                checks.push(check.wanted(&expected).link(place.settings()));
            }
        }
    }
    checks.extend(anonymous.map(|anonymous| anonymous_pull(place, anonymous)));
    checks
}

fn unseen_package(place: &PackageContext<'_>, seen: Option<&Lookup<Package>>) -> Check {
    let needs = |sentence: String| {
        place.check(Checked::Package, Status::NeedsToken, sentence).link(place.settings()).with_to_do(place.there)
    };
    match seen {
        None => needs(format!(
            "no token to read the package's link and visibility with; {}",
            place.reader.give_token("read")
        )),
        Some(Lookup::Absent) if place.there => {
            let or = if place.reader.is_in_actions() {
                "give this repository access in the package's settings, or use a classic token with `read:packages`"
            } else {
                "use a classic token with `read:packages`"
            };
            needs(format!(
                "the image is there and GitHub's API answers 404: {} may not read this package's metadata; {or}",
                place.token()
            ))
        }
        Some(Lookup::Absent) => {
            let of = if place.reader.is_in_actions() { " of the workflow's GITHUB_TOKEN" } else { "" };
            let sentence = format!(
                "GitHub's API answers 404: the package does not exist yet, or {} may not read it; the first push{of} \
                 creates it",
                place.token()
            );
            place.check(Checked::Package, Status::Unverifiable, sentence)
        }
        Some(Lookup::Refused(words)) => {
            needs(format!("{} may not read the package ({words}); {}", place.token(), place.reader.widen_token("read")))
        }
        Some(Lookup::Failed(words)) => {
            place.check(Checked::Package, Status::Error, format!("{words}; run again later"))
        }
        Some(Lookup::Found(_)) => place.check(Checked::Package, Status::Ok, "the package exists"),
    }
}

pub(super) fn link(place: &PackageContext<'_>, wanted: Option<&str>, package: &Package) -> Vec<Check> {
    let found = package.repository.as_deref();
    let check = |status, sentence: String| {
        let mut check = place.check(Checked::Link, status, sentence).found(&found.unwrap_or("none"));
        check.wanted = wanted.map(str::to_owned);
        check
    };
    // What a person clicks replaces what is there, so it is said each time.
    let overwrites = "this overwrites the access that the package has now, and is needed once";
    match (found, wanted) {
        (Some(found), Some(wanted)) if found.eq_ignore_ascii_case(wanted) => {
            let inheritance = place.check(
                Checked::Inheritance,
                Status::Unverifiable,
                "a new package takes over the access of the repository that it is linked to, which GitHub's API does not show; \
                 see once on the package's settings that `Inherit access from source repository` is ticked",
            );
            // What was confirmed once stays so.
            let inheritance = inheritance.link(place.settings()).with_to_do(place.is_new);
            vec![check(Status::Ok, format!("linked to `{found}`")), inheritance]
        }
        (Some(found), Some(wanted)) => vec![
            check(
                Status::Manual,
                format!(
                    "linked to `{found}`, so it does not inherit from `{wanted}`; in the package's settings change the \
                     repository source, or set {}; {overwrites}",
                    place.reader.set("access-repository", found)
                ),
            )
            .link(place.settings()),
        ],
        (None, Some(wanted)) => vec![
            check(
                Status::Manual,
                format!(
                    "linked to no repository, so it inherits nothing; in the package's settings connect `{wanted}` and \
                     tick `Inherit access from source repository`; {overwrites}"
                ),
            )
            .link(place.settings()),
        ],
        (_, None) => {
            let given = place.reader.set("access-repository", "OWNER/REPO");
            vec![check(Status::Unverifiable, format!("there is no repository to compare with; set {given}"))]
        }
    }
}

fn visibility(place: &PackageContext<'_>, wanted: Option<&str>, package: &Package) -> Check {
    let found = package.visibility.as_deref();
    let check = |status, sentence: String| {
        let mut check = place.check(Checked::Visibility, status, sentence).found(&found.unwrap_or("not said"));
        check.wanted = wanted.map(str::to_owned);
        check
    };
    match (found, wanted) {
        (None, _) => {
            let sentence = "GitHub does not say the package's visibility; look at its settings";
            check(Status::Unverifiable, sentence.to_owned()).link(place.settings())
        }
        (Some(found), None) => check(Status::Ok, format!("it is `{found}`")),
        (Some(found), Some(wanted)) if found.eq_ignore_ascii_case(wanted) => {
            check(Status::Ok, format!("it is `{found}`"))
        }
        (Some("public"), Some(wanted)) => check(
            Status::Drift,
            format!(
                "it is `public`, not `{wanted}`, and GitHub does not make a public package private again; delete it and \
                 push it anew, or set {}",
                place.reader.set("expected-visibility", "public")
            ),
        )
        .link(place.settings()),
        (Some(found), Some("public")) => check(
            Status::Drift,
            format!(
                "it is `{found}`, not `public`; GitHub has no call for that: in the package's settings choose Change \
                 visibility (public cannot be undone){}",
                if place.kind == Owner::Organisation {
                    format!(
                        "; where public is not offered, an owner allows it at {}",
                        place.server.organisation_packages(place.owner)
                    )
                } else {
                    String::new()
                }
            ),
        )
        .link(place.settings()),
        (Some(found), Some(wanted)) => check(
            Status::Drift,
            format!(
                "it is `{found}`, not `{wanted}`; GitHub has no call for that: in the package's settings choose Change \
                 visibility"
            ),
        )
        .link(place.settings()),
    }
}

fn anonymous_pull(place: &PackageContext<'_>, anonymous: &Anonymous) -> Check {
    let check = |status, sentence: String| place.check(Checked::AnonymousPull, status, sentence).wanted(&"public");
    match anonymous {
        Anonymous::Served => {
            check(Status::Ok, "the registry serves the digest to anybody".to_owned()).found(&"served without a login")
        }
        Anonymous::Refused(words) => check(
            Status::Drift,
            format!(
                "nobody can pull it without a login ({words}); in the package's settings choose Change visibility \
                 (public cannot be undone)"
            ),
        )
        .found(&"refused")
        .link(place.settings()),
        Anonymous::Nothing => {
            let sentence = "no digest is known at the target, so nothing can be asked for; copy the image first";
            check(Status::Unverifiable, sentence.to_owned())
        }
        Anonymous::Failed(words) => check(Status::Error, format!("{words}; run again later")),
    }
}

/// An owner that GitHub does not know, or does not tell of.
pub(super) fn owner(
    (server, reader): (&Server, Reader),
    subject: &str,
    owner: &str,
    seen: &Lookup<Owner>,
) -> Option<Check> {
    let registry = server.registry().unwrap_or_default();
    match seen {
        Lookup::Found(_) => None,
        Lookup::Absent => Some(Check::new(
            subject,
            Checked::Owner,
            Status::Error,
            format!(
                "there is no account `{owner}` on this GitHub server; write the target as `{registry}/OWNER/…` with an \
                 organisation or a person that exists"
            ),
        )),
        Lookup::Refused(words) => {
            let token =
                if reader.is_in_actions() { "`github-token`".to_owned() } else { reader.secret("github-token") };
            let sentence = format!("{token} is not accepted ({words}); {}", reader.give_token("read"));
            Some(Check::new(subject, Checked::Owner, Status::NeedsToken, sentence))
        }
        Lookup::Failed(words) => {
            Some(Check::new(subject, Checked::Owner, Status::Error, format!("{words}; run again later")))
        }
    }
}

/// Who is granted a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Team,
    User,
}

/// A role that somebody is to have on a repository.
pub(super) struct GrantRequest<'a> {
    pub(super) server: &'a Server,
    /// `OWNER/REPO`.
    pub(super) repository: &'a str,
    pub(super) who: Who,
    pub(super) grant: &'a Grant,
    /// Where the person is who reads it.
    pub(super) reader: Reader,
}

/// What a request leaves to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Nothing more.
    Done(Box<Check>),
    /// The role is lower than wanted: this one.
    Raise(Role),
}

impl GrantRequest<'_> {
    fn owner(&self) -> &str {
        self.repository.split_once('/').map_or(self.repository, |(owner, _)| owner)
    }

    fn what(&self) -> Checked {
        match self.who {
            Who::Team => Checked::Team(self.grant.name.clone()),
            Who::User => Checked::User(self.grant.name.clone()),
        }
    }

    pub(super) fn check(&self, status: Status, sentence: impl Into<String>) -> Check {
        let check = Check::new(self.repository, self.what(), status, sentence).wanted(&self.grant.permission);
        check.link(self.server.repository_access(self.repository))
    }

    fn done(&self, status: Status, sentence: impl Into<String>) -> NextStep {
        NextStep::Done(Box::new(self.check(status, sentence)))
    }

    /// What `admin-token` must be able to do, for sentences.
    fn needs(&self) -> &'static str {
        match self.who {
            Who::Team => "Administration: write on that repository and Members: read in its organisation",
            Who::User => "Administration: write on that repository",
        }
    }

    /// What grants, by the name that it has where it is read.
    fn token(&self) -> String {
        self.reader.secret("admin-token")
    }

    /// No token to grant with.
    pub(super) fn without_token(&self) -> Check {
        let Grant { name, permission } = self.grant;
        let but = if self.reader.is_in_actions() {
            "GITHUB_TOKEN can neither read nor grant that"
        } else {
            "there is no token to read or grant that with"
        };
        self.check(
            Status::NeedsToken,
            format!(
                "`{name}` should have `{permission}` on `{}`, and {but}; set {} to a token with {}, or grant it on the page",
                self.repository,
                self.token(),
                self.needs()
            ),
        )
    }

    /// Teams of one owner cannot have a role on a repository of another.
    pub(super) fn elsewhere(&self, organisation: &str) -> Check {
        self.check(
            Status::Error,
            format!(
                "the repository `{}` does not belong to the organisation `{organisation}`, so its teams cannot have a \
                 role there; name a repository of `{organisation}` in {}",
                self.repository,
                self.reader.input("access-repository")
            ),
        )
    }

    /// A personal account has no teams, and one role only for its collaborators.
    pub(super) fn of_a_person(&self) -> Option<Check> {
        let (owner, Grant { name, permission }) = (self.owner(), self.grant);
        match (self.who, permission) {
            (Who::Team, _) => Some(self.check(
                Status::Manual,
                format!(
                    "`{owner}` is a personal account and has no teams; name people in {}, or mirror into an organisation",
                    self.reader.input("users")
                ),
            )),
            (Who::User, Permission::Write) => None,
            (Who::User, _) => Some(self.check(
                Status::Manual,
                format!(
                    "collaborators of a personal account's repository have `write` and nothing else; give `{name}` \
                     `{permission}` on each package's settings page"
                ),
            )),
        }
    }

    /// A team's role, and where it has none whether there is such a team.
    pub(super) fn team(&self, seen: &Lookup<TeamRole>, team: Option<&Lookup<()>>) -> NextStep {
        match (seen, team) {
            (Lookup::Found(TeamRole::Is(role)), _) => self.role(role),
            (Lookup::Found(TeamRole::Some), _) => self.done(
                Status::Unverifiable,
                "GitHub says that the team has a role and not which; nothing was changed; look at the page",
            ),
            (Lookup::Absent, Some(Lookup::Found(()))) => NextStep::Raise(Role::None),
            (Lookup::Absent, None | Some(Lookup::Absent)) => NextStep::Done(Box::new(self.no_such_team())),
            (Lookup::Absent, Some(Lookup::Refused(words))) | (Lookup::Refused(words), _) => {
                NextStep::Done(Box::new(self.refused(words)))
            }
            (Lookup::Absent, Some(Lookup::Failed(words))) | (Lookup::Failed(words), _) => {
                self.done(Status::Error, format!("{words}; run again later"))
            }
        }
    }

    fn no_such_team(&self) -> Check {
        let (organisation, team) = (self.owner(), &self.grant.name);
        let check = self.check(
            Status::Error,
            format!(
                "the organisation `{organisation}` has no team `{team}` that {} can see; write the slug that stands in the \
                 address of the team's page, and give the token Members: read",
                self.token()
            ),
        );
        check.link(self.server.teams(organisation))
    }

    /// A person's role; `invitation` is the role in an open invitation.
    pub(super) fn user(&self, seen: &Lookup<Role>, invitation: Option<&Lookup<Option<String>>>) -> NextStep {
        match (seen, invitation) {
            (Lookup::Found(role), Some(Lookup::Found(Some(invited)))) if role.is_below(self.grant.permission) => {
                let sentence = format!(
                    "`{}` has an open invitation with `{invited}`; it counts once it is accepted",
                    self.grant.name
                );
                NextStep::Done(Box::new(self.check(Status::Pending, sentence).found(role)))
            }
            (Lookup::Found(role), _) => self.role(role),
            (Lookup::Absent, _) => NextStep::Done(Box::new(self.no_such_user())),
            (Lookup::Refused(words), _) => NextStep::Done(Box::new(self.refused(words))),
            (Lookup::Failed(words), _) => self.done(Status::Error, format!("{words}; run again later")),
        }
    }

    fn no_such_user(&self) -> Check {
        self.check(
            Status::Error,
            format!(
                "there is no account `{}`, or {} cannot see the repository `{}`; check both names",
                self.grant.name,
                self.token(),
                self.repository
            ),
        )
    }

    fn refused(&self, words: &str) -> Check {
        self.check(
            Status::NeedsToken,
            format!(
                "{} is not an administrator of `{}` ({words}); it needs {}",
                self.token(),
                self.repository,
                self.needs()
            ),
        )
    }

    fn role(&self, role: &Role) -> NextStep {
        let Grant { name, permission } = self.grant;
        let check = |status, sentence: String| NextStep::Done(Box::new(self.check(status, sentence).found(role)));
        match role {
            Role::Custom(_) => check(
                Status::Unverifiable,
                format!(
                    "`{name}` has the organisation's own role `{role}`, which is never changed here; look whether it \
                     allows `{permission}`"
                ),
            ),
            role if role.is_below(*permission) => NextStep::Raise(role.clone()),
            Role::Known(_, has) if has > permission => check(
                Status::Drift,
                format!(
                    "`{name}` has `{role}`, more than `{permission}`; nothing is ever lowered here: lower it on the \
                     page, or write `{name}={has}`"
                ),
            ),
            role => check(Status::Ok, format!("`{name}` has `{role}`")),
        }
    }

    /// No image of the run has arrived where the role would count.
    pub(super) fn without_image(&self) -> Check {
        self.check(Status::Skipped, "not looked at, because no image arrived; the run that brings one grants it")
    }

    /// The role is too low and this run does not grant.
    pub(super) fn not_granted(&self, role: &Role, dry_run: bool) -> Check {
        let Grant { name, permission } = self.grant;
        let how = if dry_run {
            format!("a run without {} grants it", self.reader.input("dry-run"))
        } else {
            format!("{} grants it", self.reader.set("access", "apply"))
        };
        let sentence = format!("`{name}` has `{role}`, less than `{permission}`; {how}");
        self.check(Status::Drift, sentence).found(role)
    }

    /// What became of a grant that is not simply done.
    pub(super) fn granted(&self, granted: &Granted, before: &Role) -> Option<Check> {
        let Grant { name, permission } = self.grant;
        let check = match granted {
            Granted::Done => return None,
            Granted::Invited => self.check(
                Status::Pending,
                format!("`{name}` was invited with `{permission}`; it counts once the invitation is accepted"),
            ),
            Granted::Refused(words) => self.refused(words),
            Granted::Absent if self.who == Who::Team => self.no_such_team(),
            Granted::Absent => self.no_such_user(),
            Granted::Unfit(words) if self.who == Who::Team => self.check(
                Status::Error,
                format!(
                    "the repository `{}` does not belong to the organisation `{}` ({words}); name one of its \
                     repositories in {}",
                    self.repository,
                    self.owner(),
                    self.reader.input("access-repository")
                ),
            ),
            Granted::Unfit(words) => self.check(
                Status::Error,
                format!("`{name}` cannot be granted `{permission}` ({words}); grant it on the page"),
            ),
            Granted::Failed(words) => self.check(Status::Error, format!("{words}; run again later")),
        };
        Some(check.found(before))
    }

    /// What was read after a grant was accepted.
    pub(super) fn read_back(&self, now: Option<&Role>) -> Check {
        let Grant { name, permission } = self.grant;
        let again = match self.reader {
            Reader::CommandLine => "`mirror-image access`".to_owned(),
            reader => reader.set("command", "access"),
        };
        match now {
            Some(role) if !role.is_below(*permission) => {
                self.check(Status::Applied, format!("`{name}` was granted `{permission}`")).found(role)
            }
            Some(role) => self
                .check(
                    Status::Drift,
                    format!(
                        "GitHub took the grant of `{permission}` and still shows `{role}`; run {again} in some minutes"
                    ),
                )
                .found(role),
            None => self.check(
                Status::Drift,
                format!("GitHub took the grant of `{permission}` and does not show the role; run {again} again"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::reader::Reader;

    use super::{Anonymous, GrantRequest, NextStep, PackageContext, Wanted, Who, package};
    use crate::environment::Environment;
    use crate::github::api::{Granted, Lookup, Package, TeamRole};
    use crate::github::before::before_push;
    use crate::github::findings::Status;
    use crate::github::role::{Permission, Role};
    use crate::github::server::{Owner, Server};
    use crate::github::settings::Grant;
    use crate::github::token::PushToken;

    fn place(server: &Server, there: bool) -> PackageContext<'_> {
        let subject = "ghcr.io/acme/m/x";
        PackageContext {
            server,
            subject,
            kind: Owner::Organisation,
            owner: "acme",
            name: "m/x",
            there,
            is_new: false,
            reader: Reader::Action,
        }
    }

    fn linked(repository: Option<&str>, visibility: &str) -> Lookup<Package> {
        Lookup::Found(Package {
            repository: repository.map(str::to_owned),
            visibility: Some(visibility.to_owned()),
            versions: Some(3),
        })
    }

    #[test]
    fn every_state_of_a_package_has_its_statuses() {
        use Status::{Drift, Error, Manual, NeedsToken, Ok, Unverifiable};
        let server = Server::of(&Environment::default());
        for (name, seen, there, visibility, expected) in [
            ("linked", Some(linked(Some("Acme/M"), "private")), true, None, &[Ok, Ok, Unverifiable, Ok][..]),
            ("linked elsewhere", Some(linked(Some("acme/z"), "private")), true, None, &[Ok, Manual, Ok]),
            ("not linked", Some(linked(None, "internal")), true, Some("internal"), &[Ok, Manual, Ok]),
            ("private, not public", Some(linked(None, "private")), true, Some("public"), &[Ok, Manual, Drift]),
            ("public, not private", Some(linked(None, "public")), true, Some("private"), &[Ok, Manual, Drift]),
            ("a new word", Some(linked(None, "secret")), true, None, &[Ok, Manual, Ok]),
            ("nothing said", Some(Lookup::Found(Package::default())), true, None, &[Ok, Manual, Unverifiable]),
            ("absent, image there", Some(Lookup::Absent), true, None, &[NeedsToken]),
            ("absent, no image", Some(Lookup::Absent), false, None, &[Unverifiable]),
            ("absent, private wanted", Some(Lookup::Absent), true, Some("private"), &[NeedsToken, NeedsToken]),
            ("refused", Some(Lookup::Refused("GitHub answered 403".into())), true, None, &[NeedsToken]),
            ("odd", Some(Lookup::Failed("GitHub answered 500".into())), true, None, &[Error]),
            ("no token", None, true, Some("public"), &[NeedsToken]),
        ] {
            let wanted = Wanted { repository: Some("acme/m"), visibility };
            let checks = package(&place(&server, there), &wanted, seen.as_ref(), None);
            let statuses: Vec<Status> = checks.iter().map(|check| check.status).collect();
            assert_eq!(statuses, expected, "{name}");
            for check in checks.iter().filter(|check| check.status.fails_strict() && check.status != Error) {
                assert!(check.link.is_some(), "{name}: {check:?}");
            }
        }
        for (anonymous, expected) in [
            (Anonymous::Served, Ok),
            (Anonymous::Refused("401".into()), Drift),
            (Anonymous::Nothing, Unverifiable),
            (Anonymous::Failed("no answer".into()), Error),
        ] {
            let wanted = Wanted { repository: None, visibility: Some("public") };
            let checks = package(&place(&server, true), &wanted, None, Some(&anonymous));
            assert_eq!(checks.last().map(|check| check.status), Some(expected), "{anonymous:?}");
        }
    }

    #[test]
    fn what_is_said_before_a_push_follows_the_token_and_the_package() {
        let server = Server::of(&Environment::default());
        let wanted = Wanted { repository: Some("acme/m"), visibility: None };
        for (token, seen, workflow, part) in [
            // That the package becomes what it should be is read back, and told then.
            ("ghs_x", Lookup::Absent, "acme/m", None),
            ("ghs_x", Lookup::Absent, "acme/other", Some("links what it creates to `acme/other`, not to `acme/m`")),
            ("ghs_x", linked(None, "private"), "other/m", Some("is for packages of `other` only")),
            ("ghp_x", Lookup::Absent, "acme/m", Some("creates it linked to no repository")),
            ("ghp_x", linked(Some("acme/z"), "private"), "acme/m", Some("linked to `acme/z`")),
            ("ghs_x", linked(Some("acme/m"), "private"), "acme/m", None),
            ("", Lookup::Absent, "acme/m", Some("no credential to push with")),
            ("x", Lookup::Absent, "acme/m", None),
        ] {
            let token = PushToken::of(Some(token).filter(|token| !token.is_empty()));
            let said = before_push(&place(&server, false), &wanted, Some(&seen), token, Some(workflow));
            match part {
                Some(part) => assert!(said.iter().any(|sentence| sentence.contains(part)), "{part}: {said:?}"),
                None => assert!(said.is_empty(), "{said:?}"),
            }
        }
    }

    #[test]
    fn every_role_of_a_team_has_its_step() {
        let server = Server::of(&Environment::default());
        let grant = Grant { name: "devs".to_owned(), permission: Permission::Write };
        let request = GrantRequest {
            server: &server,
            repository: "acme/m",
            who: Who::Team,
            grant: &grant,
            reader: Reader::CommandLine,
        };
        let is = |role: &str| Lookup::Found(TeamRole::Is(Role::parse(role)));
        for (seen, team, expected) in [
            (is("write"), None, Some(Status::Ok)),
            (is("maintain"), None, Some(Status::Ok)),
            (is("admin"), None, Some(Status::Drift)),
            (is("robots"), None, Some(Status::Unverifiable)),
            (is("read"), None, None),
            (is("triage"), None, None),
            (Lookup::Found(TeamRole::Some), None, Some(Status::Unverifiable)),
            (Lookup::Absent, Some(Lookup::Found(())), None),
            (Lookup::Absent, Some(Lookup::Absent), Some(Status::Error)),
            (Lookup::Absent, Some(Lookup::Refused("403".to_owned())), Some(Status::NeedsToken)),
            (Lookup::Refused("403".to_owned()), None, Some(Status::NeedsToken)),
            (Lookup::Failed("500".to_owned()), None, Some(Status::Error)),
        ] {
            let status = match request.team(&seen, team.as_ref()) {
                NextStep::Done(check) => Some(check.status),
                NextStep::Raise(_) => None,
            };
            assert_eq!(status, expected, "{seen:?}");
        }
        for (granted, expected) in [
            (Granted::Done, None),
            (Granted::Invited, Some(Status::Pending)),
            (Granted::Refused("403".to_owned()), Some(Status::NeedsToken)),
            (Granted::Absent, Some(Status::Error)),
            (Granted::Unfit("422".to_owned()), Some(Status::Error)),
            (Granted::Failed("500".to_owned()), Some(Status::Error)),
        ] {
            assert_eq!(request.granted(&granted, &Role::None).map(|check| check.status), expected, "{granted:?}");
        }
        assert_eq!(request.read_back(Some(&Role::parse("write"))).status, Status::Applied);
        assert_eq!(request.read_back(Some(&Role::parse("read"))).status, Status::Drift);
        assert_eq!(request.read_back(None).status, Status::Drift);
    }

    #[test]
    fn a_shell_is_told_of_variables_and_flags_and_of_no_workflow() {
        let server = Server::of(&Environment::default());
        let grant = Grant { name: "devs".to_owned(), permission: Permission::Write };
        for who in [Who::Team, Who::User] {
            let (server, grant) = (&server, &grant);
            let request = GrantRequest { server, repository: "acme/m", who, grant, reader: Reader::CommandLine };
            let none = Lookup::Absent;
            let mut said = vec![
                request.without_token(),
                request.elsewhere("other"),
                request.not_granted(&Role::None, true),
                request.not_granted(&Role::None, false),
                request.read_back(None),
                request.read_back(Some(&Role::parse("read"))),
            ];
            said.extend(request.of_a_person());
            let unfit = Granted::Unfit("422".to_owned());
            let ends = [Granted::Refused("403".to_owned()), Granted::Absent, unfit];
            said.extend(ends.iter().filter_map(|granted| request.granted(granted, &Role::None)));
            let place = PackageContext { reader: Reader::CommandLine, ..place(server, true) };
            let wanted = |repository| Wanted { repository, visibility: Some("private") };
            let found = linked(Some("acme/z"), "public");
            said.extend(package(&place, &wanted(Some("acme/m")), Some(&found), None));
            said.extend(package(&place, &wanted(None), Some(&found), None));
            said.extend(package(&place, &wanted(None), Some(&none), None));
            for check in said {
                let words = &check.sentence;
                for of_a_workflow in
                    ["`admin-token`", "`access-repository", "GITHUB_TOKEN", "`github-token`", "`dry-run`"]
                {
                    assert!(!words.contains(of_a_workflow), "{words}");
                }
                assert!(!words.contains(": apply`") && !words.contains("`command: "), "{words}");
            }
            assert!(request.without_token().sentence.contains("set `INPUT_ADMIN_TOKEN` to a token"));
        }
    }
}
