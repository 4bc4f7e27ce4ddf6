//! A job of GitLab CI: what its predefined variables say, and the files that are left for those who come after.
//!
//! Owns the variables' names, the registry that the job's password is for, the names of the files. Never gives the
//! password to another host, never leaves a file of an earlier run in the place of this run's.
//!
//! Source: docs.gitlab.com, "Predefined CI/CD variables reference", "GitLab CI/CD artifacts reports types" (dotenv).

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use crate::directory::Directory;
use crate::environment::Environment;
use crate::error::Error;
use crate::secret::{Credential, Secret};

/// The variables that are read in a job of GitLab CI.
pub const VARIABLES: [&str; 6] =
    ["CI_PROJECT_DIR", "CI_PROJECT_PATH", "CI_REGISTRY", "CI_REGISTRY_IMAGE", PASSWORD, "CI_REGISTRY_USER"];

/// The variable with the job's password for the project's registry.
pub const PASSWORD: &str = "CI_REGISTRY_PASSWORD";

/// The dotenv report: variables for later jobs.
const DOTENV: &str = "mirror-image.env";
/// The whole report.
const JSON: &str = "mirror-image.json";
/// The summary.
const SUMMARY: &str = "mirror-image.md";

/// The outputs of one line that are variables for later jobs.
const HANDED_ON: [(&str, &str); 3] =
    [("digest", "MIRROR_DIGEST"), ("image", "MIRROR_IMAGE"), ("changed", "MIRROR_CHANGED")];

/// What GitLab says of a job's project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// `CI_PROJECT_PATH`: the top-level group or the user, and behind the first slash everything else.
    pub path: Option<String>,
    /// `CI_PROJECT_DIR`.
    pub directory: Option<String>,
    /// `CI_REGISTRY_IMAGE`; none where the project has no registry.
    pub image: Option<String>,
}

impl Project {
    /// Reads the variables.
    pub fn of(environment: &Environment) -> Self {
        let text = |name: &str| environment.get(name).map(str::to_owned);
        Self { path: text("CI_PROJECT_PATH"), directory: text("CI_PROJECT_DIR"), image: text("CI_REGISTRY_IMAGE") }
    }

    /// Where images go that no target was given for.
    pub fn default_target(&self) -> Result<String, Error> {
        self.image.as_ref().map(|image| format!("{image}/{{registry}}/{{repository}}")).ok_or_else(|| {
            let problem = "is missing, and the project has no registry of its own here (CI_REGISTRY_IMAGE is not set); \
                           write the target out, or switch the project's container registry on";
            Error::input("target", problem)
        })
    }

    /// Removes what an earlier run left: a file that is there is this run's.
    pub fn clear(&self) -> Result<(), Error> {
        [DOTENV, JSON, SUMMARY].iter().try_for_each(|name| {
            self.at(name, |directory| match directory.remove(name) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                removed => removed,
            })
        })
    }

    /// Writes the report and the variables for later jobs.
    pub fn write_outputs(&self, outputs: &[(&str, String)]) -> Result<(), Error> {
        let value = |name: &str| outputs.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        let mut variables = String::new();
        for (name, variable) in HANDED_ON {
            // GitLab refuses a report in which a value has a second line.
            if let Some(value) = value(name).filter(|value| !value.contains(['\n', '\r'])) {
                let _ = writeln!(variables, "{variable}={value}");
            }
        }
        self.write(DOTENV, &variables)?;
        value("json").map_or(Ok(()), |json| self.write(JSON, &format!("{json}\n")))
    }

    /// Writes the summary.
    pub fn write_summary(&self, markdown: &str) -> Result<(), Error> {
        self.write(SUMMARY, markdown)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        self.at(name, |directory| directory.replace(name, text.as_bytes()))
    }

    /// Does something to a file of the project's directory. A link in its place leads nowhere: the project is what was
    /// checked out.
    fn at(&self, name: &str, act: impl FnOnce(&Directory) -> std::io::Result<()>) -> Result<(), Error> {
        let path = Path::new(self.directory.as_deref().unwrap_or("."));
        Directory::open(path)
            .and_then(|directory| act(&directory))
            .map_err(|error| Error::Local(format!("cannot write `{}`: {error}", path.join(name).display())))
    }
}

/// The job's log-in at the project's registry: the host that it is for, and no other.
pub fn registry_login(environment: &Environment) -> Option<(String, Credential)> {
    let host = environment.get("CI_REGISTRY")?.to_owned();
    let username = environment.get("CI_REGISTRY_USER")?.to_owned();
    Some((host, Credential { username, password: Secret::new(environment.get(PASSWORD)?) }))
}
