//! Variables in texts that name images, as shells, Dockerfiles and compose files write them.
//!
//! Owns what a text with variables comes to, and the reason where that cannot be known. Never takes an unknown variable for an
//! empty one: that would be another image. Never lets a small text grow into a large one.

use std::collections::BTreeMap;

use crate::text::blank::trimmed;
use crate::text::quote::quote;

/// The longest text that is made: a reference is shorter by far.
const LONGEST: usize = 4096;

/// How deep defaults may be in each other.
const DEEPEST: usize = 16;

/// How a dollar sign that is no variable is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// `$$`, in compose files.
    Dollar,
    /// The letter before it, in Dockerfiles.
    Letter(char),
}

/// What is known of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    Value(String),
    /// It is not set, for sure.
    Unset,
    /// It has a value that is not known here, and why.
    Unknown(String),
}

/// Why a text that stands in a file without a grammar for variables names no image that is known: another program fills it in.
pub fn unknown(text: &str) -> Option<String> {
    if text.contains("${{") {
        return Some(format!("`{}` is an expression that is worked out when the workflow runs", quote(text)));
    }
    if text.contains("{{") {
        return Some("it is a template that is not filled in; render the file first".to_owned());
    }
    let at = text.find('$')?;
    let name: String = text[at..].chars().take(60).collect();
    Some(format!("`{}` is a variable that is filled in elsewhere", quote(&name)))
}

/// Fills in the variables of `text`.
pub fn fill(text: &str, escape: Escape, lookup: &dyn Fn(&str) -> Lookup) -> Result<String, String> {
    let mut filler = Filler { escape, lookup };
    filler.fill(text, 0)
}

struct Filler<'a> {
    escape: Escape,
    lookup: &'a dyn Fn(&str) -> Lookup,
}

impl Filler<'_> {
    fn fill(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > DEEPEST {
            return Err("it has defaults within defaults, deeper than is read".to_owned());
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let after = &rest[letter.len_utf8()..];
            match (letter, self.escape) {
                (letter, Escape::Letter(escape)) if letter == escape && after.starts_with('$') => {
                    out.push('$');
                    rest = &after[1..];
                }
                ('$', Escape::Dollar) if after.starts_with('$') => {
                    out.push('$');
                    rest = &after[1..];
                }
                ('$', _) => {
                    let (value, behind) = self.variable(after, depth)?;
                    out.push_str(&value);
                    rest = behind;
                }
                _ => {
                    out.push(letter);
                    rest = after;
                }
            }
            if out.len() > LONGEST {
                return Err("it comes to more than any reference may be long".to_owned());
            }
        }
        Ok(out)
    }

    /// What stands behind a dollar sign: its value, and what follows.
    fn variable<'t>(&mut self, text: &'t str, depth: usize) -> Result<(String, &'t str), String> {
        let Some(braced) = text.strip_prefix('{') else {
            let end = name_end(text);
            if end == 0 {
                return Err(format!(
                    "it has a `$` before `{}`, which is no variable",
                    quote(&text.chars().take(20).collect::<String>())
                ));
            }
            let name = &text[..end];
            return Ok((self.value(name)?, &text[end..]));
        };
        let end = closing(braced).ok_or_else(|| "it has a `${` without `}`".to_owned())?;
        let (inside, behind) = (&braced[..end], &braced[end + 1..]);
        let (name, operator) = inside.split_at(name_end(inside));
        if name.is_empty() {
            return Err(format!("it has `${{{}}}`, which is no variable", quote(inside)));
        }
        let known = (self.lookup)(name);
        if let Lookup::Unknown(reason) = known {
            return Err(reason);
        }
        let value = match &known {
            Lookup::Value(value) => Some(value.clone()),
            _ => None,
        };
        let is_filled = value.as_ref().is_some_and(|value| !value.is_empty());
        let word = |operator: &str, from: usize| operator.get(from..).unwrap_or_default().to_owned();
        let value = match operator.as_bytes() {
            [] => self.value(name)?,
            [b':', b'-', ..] if !is_filled => self.fill(&word(operator, 2), depth + 1)?,
            [b':', b'+', ..] if is_filled => self.fill(&word(operator, 2), depth + 1)?,
            [b'-', ..] if value.is_none() => self.fill(&word(operator, 1), depth + 1)?,
            [b'+', ..] if value.is_some() => self.fill(&word(operator, 1), depth + 1)?,
            [b':', b'+', ..] | [b'+', ..] => String::new(),
            [b':', b'?', ..] if !is_filled => return Err(format!("`{name}` must be set, and is not known here")),
            [b'-' | b'?', ..] | [b':', b'-' | b'?', ..] => match value {
                Some(value) => value,
                None => return Err(format!("`{name}` must be set, and is not known here")),
            },
            _ => return Err(format!("it has `${{{}}}`, a way of filling in that is not read", quote(inside))),
        };
        Ok((value, behind))
    }

    fn value(&self, name: &str) -> Result<String, String> {
        match (self.lookup)(name) {
            Lookup::Value(value) => Ok(value),
            Lookup::Unknown(reason) => Err(reason),
            Lookup::Unset => Err(format!("`{name}` has no value here")),
        }
    }
}

fn name_end(text: &str) -> usize {
    let is_first = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(text.len());
    if is_first { end } else { 0 }
}

/// Where the brace closes that was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = letter;
    }
    None
}

/// The lines `NAME=VALUE` of an `.env` file, as compose reads them: `export` before a name and quotes around a value go.
pub fn env_file(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for line in text.lines().map(trimmed).filter(|line| !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
        let value = match quoted {
            Some((inside, _)) => inside,
            None => value.split_once(" #").map_or(value, |(value, _)| value.trim_end()),
        };
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::{Escape, Lookup, fill, unknown};

    fn lookup(name: &str) -> Lookup {
        match name {
            "TAG" => Lookup::Value("1.27".to_owned()),
            "EMPTY" => Lookup::Value(String::new()),
            "TARGETARCH" => Lookup::Unknown("differs by platform".to_owned()),
            _ => Lookup::Unset,
        }
    }

    #[test]
    fn variables_have_defaults_and_alternatives_as_a_shell_has_them() {
        for (text, value) in [
            ("nginx", "nginx"),
            ("nginx:$TAG", "nginx:1.27"),
            ("nginx:${TAG}-alpine", "nginx:1.27-alpine"),
            ("nginx:${NONE:-2}", "nginx:2"),
            ("nginx:${EMPTY:-2}", "nginx:2"),
            ("nginx${EMPTY-2}", "nginx"),
            ("nginx:${TAG:-2}", "nginx:1.27"),
            ("nginx:${NONE:-${ALSO:-3}}", "nginx:3"),
            ("nginx${TAG:+:x}", "nginx:x"),
            ("nginx${NONE:+:x}", "nginx"),
            ("nginx${EMPTY+:y}", "nginx:y"),
            ("nginx:${TAG:?needed}", "nginx:1.27"),
            ("a$$b", "a$b"),
        ] {
            assert_eq!(fill(text, Escape::Dollar, &lookup).as_deref(), Ok(value), "{text}");
        }
        assert_eq!(fill("a\\$b", Escape::Letter('\\'), &lookup).as_deref(), Ok("a$b"));
    }

    #[test]
    fn an_env_file_has_values_with_and_without_quotes() {
        let text = "# all\nA=1 # why\nexport B=\"2 # 3\"\r\nC='x' # y\nD=\nnothing\nE=a=b#c\n";
        let variables = super::env_file(text);
        let expected = [("A", "1"), ("B", "2 # 3"), ("C", "x"), ("D", ""), ("E", "a=b#c")];
        assert!(variables.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{variables:?}");
    }

    #[test]
    fn what_cannot_be_known_is_never_filled_in() {
        for (text, part) in [
            ("nginx:$NONE", "`NONE` has no value here"),
            ("nginx:${NONE}", "`NONE` has no value here"),
            ("nginx:${NONE:?say}", "`NONE` must be set"),
            ("nginx:${EMPTY:?say}", "`EMPTY` must be set"),
            ("nginx:${NONE-$ALSO}", "`ALSO` has no value here"),
            ("nginx:$TARGETARCH", "differs by platform"),
            ("nginx:${TARGETARCH:-amd64}", "differs by platform"),
            ("nginx:${TAG#1.}", "is not read"),
            ("nginx:${TAG", "without `}`"),
            ("nginx:$", "is no variable"),
            ("nginx:$1", "is no variable"),
            ("${}", "is no variable"),
        ] {
            let reason = fill(text, Escape::Dollar, &lookup).expect_err(text);
            assert!(reason.contains(part), "{text}: {reason}");
        }
        let long = |_: &str| Lookup::Value("x".repeat(1000));
        assert!(fill("$A$A$A$A$A", Escape::Dollar, &long).unwrap_err().contains("more than any reference"));
        let deep = format!("{}x{}", "${A:-".repeat(1000), "}".repeat(1000));
        assert!(fill(&deep, Escape::Dollar, &lookup).is_err());
        for (text, part) in
            [("a:${{ matrix.b }}", "expression"), ("a:{{ .Tag }}", "template"), ("a:$B", "filled in elsewhere")]
        {
            assert!(unknown(text).expect(text).contains(part), "{text}");
        }
        assert_eq!(unknown("a:1"), None);
    }
}
