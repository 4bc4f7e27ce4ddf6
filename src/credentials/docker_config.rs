//! Docker's `config.json` and podman's `auth.json`: the credentials that are written in them, and which helper program has
//! others. Never runs one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::credentials::scope::{Entry, Scope};
use crate::environment::Environment;
use crate::error::Error;
use crate::regular_file;
use crate::secret::{BEARER_TOKEN, Credential, IDENTITY_TOKEN, Secret};
use crate::text::blank::unmarked;
use crate::text::quote::quote;

/// Docker writes padded base64; people paste it without.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Where the program runs, as far as credentials lie there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Home {
    /// In a job or a container: what is there is Docker's file at most, and helper programs are not run.
    #[default]
    Job,
    /// On somebody's machine: podman's file is read as well, and their helper programs are asked.
    Person,
}

/// Helper programs that a file leaves credentials to.
#[derive(Clone, Debug, Default)]
pub struct Helpers {
    /// The file that names them.
    pub file: PathBuf,
    /// For every host that has no other.
    pub store: Option<String>,
    /// By host.
    pub by_host: BTreeMap<String, String>,
}

impl Helpers {
    /// The helper for `host`, as it is named after `docker-credential-`.
    pub fn of(&self, host: &str) -> Option<&str> {
        self.by_host.get(host).or(self.store.as_ref()).map(String::as_str)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DockerConfig {
    auths: BTreeMap<String, Option<DockerAuth>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

/// Source: docker/cli, `cli/config/types/authconfig.go`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DockerAuth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// Every file's credentials, the file that counts most first, and the helpers that they name.
pub fn docker_configs(environment: &Environment, home: Home) -> Result<(Vec<Entry>, Vec<Helpers>), Error> {
    let (mut entries, mut helpers) = (Vec::<Entry>::new(), Vec::new());
    for (variable, file) in files(environment, home) {
        let (more, helper) = docker_config(variable, file)?;
        // Of two files with the same scope the first counts.
        let is_new = |entry: &Entry| !entries.iter().any(|known| known.scope == entry.scope);
        let more: Vec<Entry> = more.into_iter().filter(is_new).collect();
        entries.extend(more);
        helpers.push(helper);
    }
    Ok((entries, helpers))
}

/// The files, and the variable that each is known by. What a person's variable names comes before what lies at home.
fn files(environment: &Environment, home: Home) -> Vec<(&'static str, PathBuf)> {
    let path = |name: &'static str| environment.get(name).map(PathBuf::from);
    let docker = path("DOCKER_CONFIG").or_else(|| path("HOME").map(|home| home.join(".docker")));
    let docker = docker.map(|directory| ("DOCKER_CONFIG", directory.join("config.json")));
    if home == Home::Job {
        return docker.into_iter().collect();
    }
    // containers-auth.json(5)
    let podman = path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json"));
    let elsewhere = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    let elsewhere = elsewhere.map(|directory| directory.join("containers/auth.json"));
    let named = path(REGISTRY_AUTH_FILE).map(|file| (REGISTRY_AUTH_FILE, file));
    let of_podman = podman.into_iter().chain(elsewhere).map(|file| (REGISTRY_AUTH_FILE, file));
    named.into_iter().chain(docker).chain(of_podman).collect()
}

/// What podman, buildah and skopeo call their file by.
const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";

fn docker_config(variable: &'static str, file: PathBuf) -> Result<(Vec<Entry>, Helpers), Error> {
    let problem = |what: String| Error::input(variable, format!("{} {what}", file.display()));
    let text = match regular_file::read(&file, LARGEST) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Default::default());
        }
        Err(error) if regular_file::is_no_file(&error) => {
            return Err(problem(format!("cannot be read: {error}; mend or remove it")));
        }
        Err(error) => return Err(problem(format!("cannot be read ({}); mend or remove it", error.kind()))),
    };
    // The parser's own words may quote the file, so only the place is said.
    let config: DockerConfig = serde_json::from_slice(unmarked(&text)).map_err(|error| {
        problem(format!(
            "is not a Docker configuration (line {}, column {}); mend or remove it",
            error.line(),
            error.column()
        ))
    })?;
    let mut entries = Vec::new();
    for (key, auth) in config.auths {
        let scope = Scope::parse(&key);
        match auth.unwrap_or_default().credential() {
            Ok(Some(credential)) => entries.push(Entry { scope, credential }),
            // `docker login` leaves an empty entry where the helper has the credential.
            Ok(None) => {}
            Err(what) => {
                return Err(problem(format!(
                    "has {what} for {}; log in again or remove the entry",
                    quote(&scope.host)
                )));
            }
        }
    }
    let by_host = config.helpers.into_iter().map(|(key, name)| (Scope::parse(&key).host, name)).collect();
    Ok((entries, Helpers { store: config.store.filter(|store| !store.is_empty()), by_host, file }))
}

impl DockerAuth {
    fn credential(self) -> Result<Option<Credential>, &'static str> {
        let named = |username: &str, password: String| {
            Ok(Some(Credential { username: username.to_owned(), password: Secret::new(password) }))
        };
        if !self.identitytoken.is_empty() {
            return named(IDENTITY_TOKEN, self.identitytoken);
        }
        if !self.registrytoken.is_empty() {
            return named(BEARER_TOKEN, self.registrytoken);
        }
        if !self.auth.is_empty() {
            return basic(&self.auth).map(Some).ok_or("an `auth` that is not base64 of `USERNAME:PASSWORD`");
        }
        match (self.username.is_empty(), self.password.is_empty()) {
            (false, false) => named(&self.username, self.password),
            (true, true) => Ok(None),
            _ => Err("only one of `username` and `password`"),
        }
    }
}

/// Reads what a Basic header carries.
pub fn basic(encoded: &str) -> Option<Credential> {
    let pair = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    // Old versions of Docker pad with zero bytes.
    let password = password.trim_end_matches('\0');
    (!username.is_empty()).then(|| Credential { username: username.to_owned(), password: Secret::new(password) })
}
