//! Docker's `config.json`: the credentials that are written in it. Never runs a helper program.

use std::collections::{BTreeMap, BTreeSet};
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

/// Hosts whose credentials lie with a helper program.
#[derive(Clone, Debug, Default)]
pub struct Helpers {
    pub file: PathBuf,
    pub hosts: BTreeSet<String>,
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

pub fn docker_config(environment: &Environment) -> Result<(Vec<Entry>, Helpers), Error> {
    let file = match (environment.get("DOCKER_CONFIG"), environment.get("HOME")) {
        (Some(directory), _) => PathBuf::from(directory).join("config.json"),
        (None, Some(home)) => PathBuf::from(home).join(".docker").join("config.json"),
        (None, None) => return Ok(Default::default()),
    };
    let problem = |what: String| Error::input("DOCKER_CONFIG", format!("{} {what}", file.display()));
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
    let mut hosts: BTreeSet<String> = config.helpers.keys().map(|key| Scope::parse(key).host).collect();
    for (key, auth) in config.auths {
        let scope = Scope::parse(&key);
        match auth.unwrap_or_default().credential() {
            Ok(Some(credential)) => entries.push(Entry { scope, credential }),
            // `docker login` leaves an empty entry where the helper has the credential.
            Ok(None) => {
                if config.store.as_deref().is_some_and(|store| !store.is_empty()) {
                    hosts.insert(scope.host);
                }
            }
            Err(what) => {
                return Err(problem(format!(
                    "has {what} for {}; log in again or remove the entry",
                    quote(&scope.host)
                )));
            }
        }
    }
    Ok((entries, Helpers { file, hosts }))
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
