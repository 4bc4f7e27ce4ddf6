//! Patterns for tags: globs and regular expressions, always for the whole tag.
//!
//! Owns how both are written. Never takes longer than the pattern times the tag: what is written in a list cannot make a run
//! hang. Tags are ASCII, and so are the classes: `\d` is a digit, no numeral of another script.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

use crate::text::quote::quote;

/// The largest program that a pattern may become, in bytes: `(a{1000}){1000}` is no pattern for tags.
const LARGEST: usize = 256 * 1024;

/// A glob, or a regular expression between slashes.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Whether a text is a pattern, and no exact tag: no tag has one of these letters.
    pub fn is_pattern(text: &str) -> bool {
        text.starts_with('/') || text.contains(['*', '?', '['])
    }

    /// Reads `/REGEX/` or a glob; a text without pattern letters is the glob that has itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('/') {
            Some(rest) => match rest.strip_suffix('/') {
                Some(inner) if !inner.is_empty() => Self::regex(inner, text),
                Some(_) => Err("has nothing between its slashes".to_owned()),
                None => Err(format!("`{}` begins with `/` and does not end with it; write `/REGEX/`", quote(text))),
            },
            None => Self::glob(text),
        }
    }

    /// What the suffix of a version must be like, without what stands before it.
    pub fn variant(text: &str) -> Result<Self, String> {
        match text.strip_prefix(['-', '_', '+']).filter(|rest| !rest.is_empty()) {
            Some(rest) => Err(format!("is written without what stands before it: `{}`", quote(rest))),
            None => Self::parse(text),
        }
    }

    /// A glob: `*` any letters, `?` one, `[a-z]` and `[!a-z]` one of these and none of these.
    pub fn glob(text: &str) -> Result<Self, String> {
        let mut regex = String::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '[' => {
                    let bad = || format!("`{}` has a `[` without `]`, or nothing between", quote(text));
                    let (inside, after) = rest.as_str().split_once(']').ok_or_else(bad)?;
                    let (not, letters) = inside.strip_prefix(['!', '^']).map_or(("", inside), |letters| ("^", letters));
                    if letters.is_empty() {
                        return Err(bad());
                    }
                    let letters = letters.replace('\\', r"\\").replace('[', r"\[").replace('&', r"\&");
                    regex.extend(["[", not, &letters, "]"]);
                    rest = after.chars();
                }
                other => regex.push_str(&regex_lite::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        Self::regex(&regex, text)
    }

    /// A regular expression without its slashes; `text` is what was written.
    pub fn regex(regex: &str, text: &str) -> Result<Self, String> {
        // In a group: `^a|b$` would hold either end only. By itself first: `a)|(?:b` would leave the group.
        let build = |text: &str| RegexBuilder::new(text).size_limit(LARGEST).build();
        match build(regex).and_then(|_| build(&format!("^(?:{regex})$"))) {
            Ok(regex) => Ok(Self { text: text.to_owned(), regex }),
            Err(error) => {
                let words = crate::text::sanitise::one_line(&error.to_string(), 200);
                Err(format!("`{}` is no pattern: {words}", quote(text)))
            }
        }
    }

    /// Of a regular expression, the one for tags of which a part is so.
    pub fn wider(&self) -> Option<Self> {
        let inner = self.text.strip_prefix('/')?.strip_suffix('/')?;
        let inner = format!(".*{}.*", if inner.contains('|') { format!("(?:{inner})") } else { inner.to_owned() });
        Self::regex(&inner, &format!("/{inner}/")).ok()
    }

    /// Whether the whole tag is as the pattern says.
    pub fn matches(&self, tag: &str) -> bool {
        self.regex.is_match(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_is_for_the_whole_tag() {
        for (pattern, inside, outside) in [
            ("*", &["a", "1.2"][..], &[][..]),
            ("1.2?-alpine", &["1.26-alpine"], &["1.2-alpine", "1.26-alpine3", "x1.26-alpine"]),
            ("1.2[5-7]", &["1.25", "1.27"], &["1.28", "1.2a"]),
            ("1.2[!5-7]", &["1.28"], &["1.25"]),
            ("[^a]", &["b"], &["a"]),
            ("v1.*", &["v1.2"], &["v1", "v12"]),
            ("a+b", &["a+b"], &["aab"]),
            (r"/1\.29\.\d+(-alpine)?/", &["1.29.4", "1.29.4-alpine"], &["1.29.4-alpine3.20", "v1.29.4", "1x29x4"]),
            // Each side of a bar is held at both ends.
            ("/a|b/", &["a", "b"], &["ab", "ac", "cb"]),
            ("/^a$|^b/", &["a", "b"], &["bc"]),
            (r"/\d/", &["1"], &["\u{661}"]),
        ] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            for tag in inside {
                assert!(parsed.matches(tag), "{pattern} has {tag}");
            }
            for tag in outside {
                assert!(!parsed.matches(tag), "{pattern} has not {tag}");
            }
        }
    }

    #[test]
    fn the_wider_pattern_is_for_tags_of_which_a_part_is_so() {
        for (pattern, wider, tag) in [("/alpine/", "/.*alpine.*/", "1.27-alpine"), ("/a|b/", "/.*(?:a|b).*/", "xby")] {
            let wide = Pattern::parse(pattern).unwrap().wider().unwrap();
            assert!(wide.to_string() == wider && wide.matches(tag), "{wide}");
        }
        assert_eq!(Pattern::parse("*alpine").unwrap().wider(), None);
    }

    #[test]
    fn a_pattern_that_is_none_or_would_be_large_is_told() {
        for (pattern, part) in [
            ("/a", "does not end with it"),
            ("//", "nothing between its slashes"),
            ("/(a/", "is no pattern"),
            ("/a)|(?:b/", "is no pattern"),
            ("a[b", "`[` without `]`"),
            ("a[]", "nothing between"),
            ("/(?:a{1000}){1000}/", "is no pattern"),
            ("/(?=a)b/", "is no pattern"),
            ("[z-a]", "is no pattern"),
        ] {
            let problem = Pattern::parse(pattern).expect_err(pattern);
            assert!(problem.contains(part) && !problem.contains('\n'), "{pattern}: {problem}");
        }
    }
}
