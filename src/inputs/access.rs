//! What the inputs say of access on GitHub: whether it is looked at, and who is to have which role.

use crate::engine::options::Command;
use crate::environment::Environment;
use crate::error::Error;
use crate::github::names;
use crate::github::role::Permission;
use crate::github::settings::{AccessInputs, AccessMode, Grant, Visibility};
use crate::inputs::values::Values;
use crate::inputs::words::items;
use crate::runner::Surroundings;
use crate::secret::Secret;
use crate::text::choice;
use crate::text::choice::Choice as _;
use crate::text::quote::quote;

impl Values {
    pub(super) fn access(
        &self,
        command: Command,
        environment: &Environment,
        surroundings: &Surroundings,
    ) -> Result<AccessInputs, Error> {
        let teams = self.grants("teams", "ids-admin", names::team_slug)?;
        let users = self.grants("users", "mona", |name| names::is_login(name).then(|| name.to_owned()))?;
        let wants_grants = !(teams.is_empty() && users.is_empty());
        let visibility: Option<Visibility> = self.choice("expected-visibility")?;
        let strict = self.boolean("strict")?;
        let is_asked = strict || visibility.is_some() || command == Command::Access;
        let mode = match self.get("access") {
            None if wants_grants => AccessMode::Apply,
            // A job of GitLab has no token for packages on GitHub: looked at only where it is asked for.
            None if surroundings.gitlab().is_some() && !is_asked => AccessMode::Off,
            // A person at a shell has one rarely.
            None if surroundings.is_shell() && self.get("github-token").is_none() && !is_asked => AccessMode::Off,
            None => AccessMode::Report,
            Some(_) => self.choice("access")?,
        };
        if mode == AccessMode::Off && (wants_grants || command == Command::Access) {
            let other = if wants_grants { "`teams` and `users`" } else { "`command: access`" };
            let problem = format!("`off` contradicts {other}; write `report` or `apply`, or leave one of them out");
            return Err(Error::input("access", problem));
        }
        let repository = self.get("access-repository").or_else(|| environment.get("GITHUB_REPOSITORY"));
        if let Some(text) = self.get("access-repository").filter(|text| !names::is_repository(text)) {
            let problem = format!("`{}` is not a repository; write `OWNER/REPO`, without a host", quote(text));
            return Err(Error::input("access-repository", problem));
        }
        let repository = repository.filter(|text| names::is_repository(text)).map(str::to_owned);
        if wants_grants && repository.is_none() {
            let problem = "is missing, and GITHUB_REPOSITORY is not set; name the repository that `teams` and `users` are \
                           to have a role on, `OWNER/REPO`";
            return Err(Error::input("access-repository", problem));
        }
        Ok(AccessInputs {
            asked: is_asked || mode == AccessMode::Apply || wants_grants,
            mode,
            admin_token: self.get("admin-token").map(Secret::new),
            repository,
            teams,
            users,
            visibility,
            strict,
        })
    }

    /// Reads `NAME=read|write|admin` items; `canonical` gives a name as GitHub has it, or nothing for what is none.
    fn grants(
        &self,
        input: &str,
        example: &str,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Grant>, Error> {
        let mut grants: Vec<Grant> = Vec::new();
        for item in items(self.get(input).unwrap_or_default()) {
            let problem =
                |what: &str| Error::input(input, format!("`{}` {what}; write `{example}=write`", quote(item)));
            let Some((name, word)) = item.split_once('=') else { return Err(problem("has no role")) };
            let (name, word) = (name.trim(), word.trim());
            let Some(permission) = Permission::parse(word) else {
                let words = choice::words::<Permission>().join(", ");
                return Err(problem(&format!("has a role that is not one of {words}")));
            };
            if name.contains('/') {
                return Err(problem("has a `/` in its name; leave the organisation out"));
            }
            let Some(name) = canonical(name) else {
                return Err(problem("has no name as it stands in the address of its page"));
            };
            match grants.iter().find(|grant| grant.name.eq_ignore_ascii_case(&name)) {
                Some(twice) if twice.permission != permission => return Err(problem("is given twice, with two roles")),
                Some(_) => {}
                None => grants.push(Grant { name, permission }),
            }
        }
        Ok(grants)
    }
}
