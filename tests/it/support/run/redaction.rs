//! What differs from run to run, taken out of what a run printed.

use std::fmt::Write as _;
use std::path::Path;

/// Replaces what differs from run to run: `sha256:‹1›` and `127.0.0.1:‹1›` are numbered by first appearance (short
/// digests get the number of the long one), durations become `‹time›`, paths below `directory` start with `‹temp›`.
pub fn redact(text: &str, directory: &Path) -> String {
    // A command's properties escape the colon before a port.
    let text = text.replace(&directory.display().to_string(), "‹temp›").replace("%3A", ":");
    let (mut digests, mut hosts) = (Vec::<String>::new(), Vec::<String>::new());
    let number = |known: &mut Vec<String>, key: &str| {
        known.iter().position(|item| item == key).unwrap_or_else(|| {
            known.push(key.to_owned());
            known.len() - 1
        }) + 1
    };
    let run_of = |text: &str, good: fn(char) -> bool| text.find(|c| !good(c)).unwrap_or(text.len());
    let mut result = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let before = result.chars().next_back();
        let digest = ["sha256:", "sha512:", "sha256-"].iter().find(|prefix| rest.starts_with(**prefix));
        if let Some(prefix) = digest {
            let length = run_of(&rest[prefix.len()..], |c| c.is_ascii_hexdigit());
            if length >= 7 {
                let key = &rest[prefix.len()..prefix.len() + 7];
                let _ = write!(result, "{prefix}‹{}›", number(&mut digests, key));
                rest = &rest[prefix.len() + length..];
                continue;
            }
        }
        // `{registry}` in a target template writes the port's colon as `-`.
        let loopback = ["127.0.0.1", "127.0.0.2"].iter().find(|address| rest.starts_with(**address));
        if let Some(address) = loopback.filter(|_| matches!(rest.as_bytes().get(9), Some(b':' | b'-'))) {
            let length = run_of(&rest[10..], |c| c.is_ascii_digit());
            if length > 0 {
                let place = number(&mut hosts, &format!("{address}:{}", &rest[10..10 + length]));
                let _ = write!(result, "{address}{}‹{place}›", &rest[9..10]);
                rest = &rest[10 + length..];
                continue;
            }
        }
        let starts_number =
            first.is_ascii_digit() && !before.is_some_and(|c| c.is_alphanumeric() || "._-:".contains(c));
        if starts_number {
            let digits = run_of(rest, |c| c.is_ascii_digit() || c == '.');
            let unit = rest[digits..].trim_start_matches(' ');
            let word = &unit[..run_of(unit, char::is_alphanumeric)];
            if matches!(word, "ms" | "s" | "µs" | "min" | "second" | "seconds") {
                result.push_str("‹time›");
                rest = &unit[word.len()..];
            } else {
                result.push_str(&rest[..digits]);
                rest = &rest[digits..];
            }
            continue;
        }
        result.push(first);
        rest = &rest[first.len_utf8()..];
    }
    result
}
