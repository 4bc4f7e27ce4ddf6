//! Where the program runs, as far as it has an identity there.
//!
//! Owns what stands in for a job's identity on a machine, and the sentence where there is neither.

use std::path::PathBuf;

use crate::credentials::cloud::aws_machine::Machine;
use crate::credentials::cloud::fields::Fields;
use crate::credentials::cloud::google_person::Person;
use crate::credentials::cloud::oidc::Oidc;
use crate::environment::Environment;
use crate::error::Error;
use crate::http::address::is_plain_http;
use crate::regular_file;

/// The largest file of `gcloud` that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Where the program runs.
pub struct Place<'a> {
    environment: &'a Environment,
    /// Hosts that are spoken to over plain HTTP.
    insecure: &'a [String],
    oidc: Option<Oidc>,
}

impl<'a> Place<'a> {
    /// As the variables say.
    pub fn of(environment: &'a Environment, insecure: &'a [String]) -> Result<Self, Error> {
        Ok(Self { environment, insecure, oidc: Oidc::of(environment)? })
    }

    /// How the job asks for its identity, where it may.
    pub fn oidc(&self) -> Option<Oidc> {
        self.oidc.clone()
    }

    /// Whether it is a job of GitHub Actions: what another one has there is none of its own.
    pub fn is_job(&self) -> bool {
        self.environment.get("GITHUB_ACTIONS") == Some("true")
    }

    /// Whether a registry is spoken to without TLS.
    pub fn is_plain(&self, host: &str) -> bool {
        is_plain_http(host, self.insecure)
    }

    /// The AWS credentials of the machine.
    pub fn machine(&self) -> Result<Machine, Error> {
        Machine::of(self.environment)
    }

    /// The login that `gcloud` has of a person; none where there is no file, or one of another kind.
    pub fn person(&self) -> Result<Option<Person>, Error> {
        const FILE: &str = "application_default_credentials.json";
        const NAMED: &str = "GOOGLE_APPLICATION_CREDENTIALS";
        let get = |name: &str| self.environment.get(name).map(PathBuf::from);
        let named = get(NAMED).map(|path| (NAMED, path));
        let kept = || get("CLOUDSDK_CONFIG").map(|directory| ("CLOUDSDK_CONFIG", directory.join(FILE)));
        let home = || get("HOME").map(|home| ("HOME", home.join(".config/gcloud").join(FILE)));
        let Some((variable, path)) = named.or_else(kept).or_else(home) else { return Ok(None) };
        match regular_file::read(&path, LARGEST) {
            Ok(text) => Ok(Person::read(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let problem = format!("{} cannot be read ({}); mend or remove it", path.display(), error.kind());
                Err(Error::input(variable, problem))
            }
        }
    }

    /// Where a job may not have an identity that a login needs: what to add.
    pub fn no_identity(&self, fields: &Fields) -> Error {
        fields.problem(format_args!("{}", self.lacks_identity()))
    }

    /// The same, the rest of a sentence about what needs it.
    pub fn lacks_identity(&self) -> String {
        let of_fork = match self.environment.get("GITHUB_EVENT_NAME") {
            Some("pull_request") => {
                "; a pull request from a fork gets none whatever it asks for: leave it to runs on `push`, `schedule` or \
                 `workflow_dispatch`"
            }
            _ => "",
        };
        format!(
            "needs the job's identity, and this job may not ask for it: add `id-token: write` to the `permissions` of the job, \
             which name all that it has: `permissions: {{ contents: read, packages: write, id-token: write }}`{of_fork}"
        )
    }

    /// The same on a machine, where other logins are.
    pub fn left(kind: &str, host: &str) -> String {
        let other = match kind {
            "gcp-wif" => {
                format!(
                    "and `gcloud auth application-default login` has left none here (a key of a service account is not read): \
                     log in with that, or with `docker login {host}`"
                )
            }
            _ => format!("and this is none: log in with `docker login {host}`, or give a password by `registry-auth`"),
        };
        format!("{host}: the login of `registry-identities` ({kind}) is for a job of GitHub Actions, {other}")
    }
}
