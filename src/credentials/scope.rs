//! Which references a credential is for: a host and a path below it, the longest match first.

use crate::oci::reference::{Reference, canonical_host};
use crate::secret::Credential;

#[derive(Clone, Debug)]
pub struct Entry {
    pub scope: Scope,
    pub credential: Credential,
}

/// A host, and the path below which a credential counts; an empty path is the whole host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub host: String,
    pub path: String,
}

impl Scope {
    /// Reads `HOST[/PATH]`, in Docker's spellings too: `https://index.docker.io/v1/`.
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let path = path.trim_matches('/');
        // The API's version is not a repository.
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        Self { host: canonical_host(host), path: path.to_owned() }
    }

    /// Whether the reference lies below the path: `acme` covers `acme/app` and not `acme-other/app`.
    pub fn covers(&self, reference: &Reference) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.host == reference.registry()
            && (self.path.is_empty() || reference.repository().strip_prefix(self.path.as_str()).is_some_and(below))
    }
}
