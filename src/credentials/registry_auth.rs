//! `registry-auth`: `HOST[/PATH] USERNAME PASSWORD` a line.

use crate::credentials::scope::{Entry, Scope};
use crate::error::Error;
use crate::secret::{Credential, Secret};
use crate::text::blank::trimmed;

/// Reads the lines of `registry-auth`.
///
/// Only newlines separate, and the password is the rest of its line: passwords may hold commas and blanks.
pub fn registry_auth(text: &str) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().map(trimmed).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (host, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        // Only a host: the secret that should follow is not set, as in a fork's pull request.
        if rest.is_empty() {
            continue;
        }
        // No part of a bad line is quoted: its first word may be anything.
        let problem = |what: &str| {
            let sentence = format!("line {} {what}; write `HOST[/PATH] USERNAME PASSWORD`", number + 1);
            Error::input("registry-auth", sentence)
        };
        if host.contains('@') {
            return Err(problem("has a user name before an `@`"));
        }
        let Some((username, password)) = rest.trim_start().split_once(char::is_whitespace) else {
            return Err(problem("has a user name and no password"));
        };
        entries.push(Entry {
            scope: Scope::parse(host),
            credential: Credential { username: username.to_owned(), password: Secret::new(password.trim()) },
        });
    }
    Ok(entries)
}
