//! A stranger's text as a sentence quotes it.
//!
//! Owns how it is shortened and what is never shown of it: a user name before an `@`.

/// `text` made fit to be printed.
pub fn quote(text: &str) -> String {
    crate::text::sanitise::one_line(&without_user(text), 200)
}

/// `text` without the user name and the password in it: what stands before an `@` that no digest follows.
pub fn without_user(text: &str) -> String {
    let is_digest = |text: &str| ["sha256:", "sha512:"].iter().any(|algorithm| text.starts_with(algorithm));
    let Some((at, _)) = text.rmatch_indices('@').find(|(at, _)| !is_digest(&text[at + 1..])) else {
        return text.to_owned();
    };
    let (before, after) = text.split_at(at);
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://***{after}"),
        None if before.contains(':') => format!("***{after}"),
        None => text.to_owned(),
    }
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
            ("me:hunter2@ghcr.io/a@sha256:00@sha512:11", "***@ghcr.io/a@sha256:00@sha512:11"),
            ("packages/@acme/x", "packages/@acme/x"),
        ] {
            assert_eq!(crate::text::quote::quote(text), expected);
        }
        // However many there are: neither the stack nor the time grows with their square.
        let many = "@sha256:".repeat(200_000);
        assert_eq!(crate::text::quote::without_user(&many), many);
    }
}
