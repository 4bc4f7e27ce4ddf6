//! Who says what was copied, signed: `attest`, of the inputs or of a list, and `signing-config`.

use std::path::Path;
use std::time::SystemTime;

use crate::attest::services::Services;
use crate::attest::{Run, Settings};
use crate::credentials::cloud::Place;
use crate::engine::options::{Command, Statement};
use crate::environment::Environment;
use crate::error::Error;
use crate::github::server::Server;
use crate::inputs::config;
use crate::inputs::values::{Values, parsed};
use crate::oci::vendor::GHCR;
use crate::plan::list::schema::Entry;
use crate::plan::list::yaml::Position;
use crate::plan::request::Images;
use crate::text::quote::quote;
use crate::text::sanitise;

/// Bytes of a variable that are said.
const LONGEST: usize = 500;

impl Values {
    /// Who attests; none where nobody is asked to, and where nothing is written.
    pub(super) fn attest(
        &self,
        (command, dry_run): (Command, bool),
        images: &Images,
        environment: &Environment,
        workspace: &str,
    ) -> Result<Option<Settings>, Error> {
        let wanted = if self.boolean("attest")? { Some(None) } else { of_list(images).map(Some) };
        let services = match self.get("signing-config") {
            Some(file) => {
                let text = config::material(Path::new(workspace), file);
                let read = text.and_then(|text| Services::parse(&text, SystemTime::now()));
                Some(parsed("signing-config", read.map_err(|why| format!("`{}` {why}", quote(file))))?)
            }
            None => None,
        };
        let Some(position) = wanted else {
            let lonely = "is of `attest`, and nothing is attested without `attest: true`, here or in a list";
            return if services.is_some() { Err(Error::input("signing-config", lonely)) } else { Ok(None) };
        };
        let refused = |problem: String| match position {
            Some(position) => Error::input("config", format!("{position}: `attest` {problem}")),
            None => Error::input("attest", problem),
        };
        if command != Command::Copy || dry_run {
            return Ok(None);
        }
        let place = Place::of(environment, &[])?;
        let Some(oidc) = place.oidc() else {
            let problem = if place.is_job() {
                place.lacks_identity()
            } else {
                "needs the identity of a job of GitHub Actions, and this is none: leave it out here".to_owned()
            };
            return Err(refused(problem));
        };
        let server = Server::of(environment);
        // The built-in instances know the identities of github.com alone.
        if services.is_none() && server.registry() != Some(GHCR) {
            let problem = format!(
                "knows only the instances of sigstore that take the identities of github.com, and this server is {}; name \
                 one that takes its identities by `signing-config`, or leave it out",
                quote(environment.get("GITHUB_SERVER_URL").unwrap_or_default())
            );
            return Err(refused(problem));
        }
        Ok(Some(Settings { oidc, services, run: run(environment, &server) }))
    }
}

/// Where a list wants an image attested.
fn of_list(images: &Images) -> Option<&Position> {
    let Images::List(list) = images else { return None };
    let wants = |entry: &&Entry| entry.settings.statement == Some(Statement::Signed);
    list.entries.iter().find(wants).map(|entry| &entry.position)
}

/// What the runner says of the run.
fn run(environment: &Environment, server: &Server) -> Run {
    let get = |name: &str| environment.get(name).map(|text| sanitise::one_line(text, LONGEST));
    let url = get("GITHUB_REPOSITORY").zip(get("GITHUB_RUN_ID")).map(|(repository, id)| {
        let attempt = get("GITHUB_RUN_ATTEMPT").unwrap_or_else(|| "1".to_owned());
        server.run(&repository, &id, &attempt)
    });
    let parts = [
        ("run", url),
        ("repository", get("GITHUB_REPOSITORY")),
        ("workflow", get("GITHUB_WORKFLOW_REF")),
        ("commit", get("GITHUB_SHA")),
        ("event", get("GITHUB_EVENT_NAME")),
        ("program", Some(concat!("mirror-image/", env!("CARGO_PKG_VERSION")).to_owned())),
    ];
    Run { parts: parts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect() }
}
