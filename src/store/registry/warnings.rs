//! What a registry wants its users to know: `Warning` headers (distribution-spec, "Warnings").
//!
//! Owns that each is shown once a run, and that no registry fills a log with them. Never acts on one: the specification
//! forbids it, and whoever sends it is a stranger.

use std::sync::Mutex;

use reqwest::header::{HeaderMap, WARNING};

use crate::secret::Secret;
use crate::sync::LockExt as _;
use crate::text::sanitise;

/// Warnings of one host that are shown.
const MOST: usize = 10;

/// Bytes of all `Warning` headers of an answer: more a registry must not send.
const LARGEST: usize = 4096;

/// Characters of one that are shown.
const LONGEST: usize = 300;

/// What one host has warned of.
#[derive(Default)]
pub(crate) struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    /// What is new in the headers of an answer to a request that carried `secrets`.
    pub(crate) fn news(&self, headers: &HeaderMap, secrets: impl FnOnce() -> Vec<Secret>) -> Vec<String> {
        if !headers.contains_key(WARNING) {
            return Vec::new();
        }
        let (secrets, mut left) = (secrets(), LARGEST);
        let values = headers.get_all(WARNING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let read = values.take_while(|value| {
            left = left.saturating_sub(value.len());
            left > 0
        });
        let mut known = self.0.locked();
        let mut news = Vec::new();
        for text in read.flat_map(|value| texts(&value)) {
            let text = secrets.iter().fold(text, |text, secret| secret.hide(&text));
            let text = sanitise::one_line(text.trim(), LONGEST);
            if known.len() < MOST && !text.is_empty() && !known.contains(&text) {
                known.push(text.clone());
                news.push(text);
            }
        }
        news
    }
}

/// The texts of a header that is as the specification has it, `299 - "TEXT"`, several of them after commas; what comes in
/// another form is for caches (RFC 7234, 5.5) and says nothing of images.
fn texts(value: &str) -> Vec<String> {
    let (mut texts, mut rest) = (Vec::new(), value.trim());
    while let Some(quoted) = rest.strip_prefix("299 - \"") {
        let (mut text, mut characters) = (String::new(), quoted.chars());
        loop {
            match characters.next() {
                Some('\\') => text.extend(characters.next()),
                Some('"') => break,
                Some(character) => text.push(character),
                None => return texts,
            }
        }
        texts.push(text);
        rest = characters.as_str().trim_start().trim_start_matches(',').trim_start();
    }
    texts
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, WARNING};

    use super::{LARGEST, MOST, Warnings, texts};
    use crate::secret::Secret;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WARNING, HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn the_form_of_the_specification_is_read_and_no_other() {
        for (value, expected) in [
            (r#"299 - "Your token ends.""#, &["Your token ends."][..]),
            (r#"299 - "a \"b\" \\", 299 - "c""#, &["a \"b\" \\", "c"]),
            (r#" 299 - "a" , 299 - "b" "Wed, 21 Oct 2015 07:28:00 GMT""#, &["a", "b"]),
            (r#"299 - "no end"#, &[]),
            (r#"299 - "ends in \"#, &[]),
            (r#"110 - "stale""#, &[]),
            (r#"299 proxy "not the registry""#, &[]),
            ("299 - bare", &[]),
            ("", &[]),
        ] {
            assert_eq!(texts(value), expected, "{value}");
        }
    }

    #[test]
    fn each_is_news_once_and_none_is_more_than_a_line() {
        let warnings = Warnings::default();
        let secrets = || vec![Secret::new("hunter2-is-long")];
        let some = headers(&["299 - \"one\"", "299 - \"two \u{202e}\t::error::x hunter2-is-long\""]);
        let news = warnings.news(&some, secrets);
        assert_eq!(news.len(), 2);
        assert!(!news[1].contains(['\u{202e}', '\t']) && !news[1].contains("hunter2"), "{news:?}");
        assert!(warnings.news(&some, secrets).is_empty());
        for number in 0..3 * MOST {
            warnings.news(&headers(&[&format!("299 - \"{number}\"")]), Vec::new);
        }
        assert!(warnings.news(&headers(&["299 - \"one more\""]), Vec::new).is_empty());
        let long = format!("299 - \"{}\"", "x".repeat(LARGEST));
        assert!(Warnings::default().news(&headers(&[&long, "299 - \"after it\""]), Vec::new).is_empty());
    }
}
