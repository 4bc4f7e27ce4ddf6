//! A stranger's text as a sentence quotes it.
//!
//! Owns how it is shortened and what is never shown of it: a user name before an `@`.

/// `text` made fit to be printed.
pub fn quote(text: &str) -> String {
    crate::text::sanitise::one_line(&without_user(text), 200)
}

/// `text` without the user name and the password in it: what stands before an `@` that no digest follows.
pub fn without_user(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('@') else { return text.to_owned() };
    let before = match before.split_once("://") {
        _ if ["sha256:", "sha512:"].iter().any(|algorithm| after.starts_with(algorithm)) => without_user(before),
        Some((scheme, _)) => format!("{scheme}://***"),
        None if before.contains(':') => "***".to_owned(),
        None => before.to_owned(),
    };
    format!("{before}@{after}")
}

#[cfg(test)]
mod tests {

    #[test]
    fn what_stands_before_an_at_sign_is_shown_only_where_a_digest_follows() {
        for (text, expected) in [
            ("me:hunter2@ghcr.io:5000", "***@ghcr.io:5000"),
            ("me:hun@ter2@ghcr.io", "***@ghcr.io"),
            ("http://hunter2@ghcr.io/a", "http://***@ghcr.io/a"),
            ("me:hunter2@ghcr.io/a:1@sha256:00", "***@ghcr.io/a:1@sha256:00"),
            ("ghcr.io/a:1@sha256:00", "ghcr.io/a:1@sha256:00"),
            ("packages/@acme/x", "packages/@acme/x"),
        ] {
            assert_eq!(crate::text::quote::quote(text), expected);
        }
    }
}
