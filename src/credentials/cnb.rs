//! `CNB_REGISTRY_AUTH`: credentials as the buildpacks lifecycle is given them.

use std::collections::BTreeMap;

use crate::credentials::docker_config::basic;
use crate::credentials::scope::{Entry, Scope};
use crate::error::Error;
use crate::secret::{BEARER_TOKEN, Credential, IDENTITY_TOKEN, Secret};
use crate::text::quote::quote;

pub const CNB_REGISTRY_AUTH: &str = "CNB_REGISTRY_AUTH";

/// Source: buildpacks/spec, platform.md, "Registry Authentication".
pub fn cnb_registry_auth(text: &str) -> Result<Vec<Entry>, Error> {
    let headers: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| {
        Error::input(
            CNB_REGISTRY_AUTH,
            format!(
                "is not a JSON object of hosts and headers (line {}, column {}); write {{\"HOST\": \"Basic …\"}}",
                error.line(),
                error.column()
            ),
        )
    })?;
    let mut entries = Vec::new();
    for (host, header) in headers {
        let scope = Scope::parse(&host);
        let (scheme, value) = header.trim().split_once(char::is_whitespace).unwrap_or_default();
        let value = value.trim();
        let token = |username: &str| Credential { username: username.to_owned(), password: Secret::new(value) };
        let credential = match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(value),
            "bearer" => Some(token(BEARER_TOKEN)),
            "x-identity" => Some(token(IDENTITY_TOKEN)),
            _ => None,
        };
        let Some(credential) = credential else {
            return Err(Error::input(
                CNB_REGISTRY_AUTH,
                format!(
                    "has no usable header for {}; write `Basic` and base64 of `USERNAME:PASSWORD`, `Bearer TOKEN` or \
                     `X-Identity TOKEN`",
                    quote(&scope.host)
                ),
            ));
        };
        entries.push(Entry { scope, credential });
    }
    Ok(entries)
}
