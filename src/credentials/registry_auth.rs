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
        // No part of a bad line is quoted: its first word may be anything.
        let problem = |what: &str| {
            let sentence = format!("line {} {what}; write `HOST[/PATH] USERNAME PASSWORD`", number + 1);
            Error::input("registry-auth", sentence)
        };
        if host.contains('@') {
            return Err(problem("has a user name before an `@`"));
        }
        // It would be a login for nothing, and missed where it is needed.
        if !is_place(host) {
            return Err(problem("does not begin with a host and a blank"));
        }
        // Only a host: the secret that should follow is not set, as in a fork's pull request.
        if rest.is_empty() {
            continue;
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

/// Whether `text` is written as `HOST[:PORT][/PATH]`, with or without a scheme.
fn is_place(text: &str) -> bool {
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    // The colons of an IPv6 address stand in brackets.
    let (name, port) = host.rsplit_once(':').filter(|_| !host.ends_with(']')).unwrap_or((host, "0"));
    let is_name = if name.starts_with('[') { name.ends_with(']') } else { !name.is_empty() && !name.contains(':') };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let holds = |text: &str, more: &[char]| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c));
    is_name && is_port && holds(name, &['.', '-', '_', '[', ']', ':']) && holds(path, &['.', '-', '_', '/'])
}
