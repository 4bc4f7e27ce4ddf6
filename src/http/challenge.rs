//! Which ways to authenticate an answer offers (RFC 9110, 11.6.1).
//!
//! As lenient as what other clients read of it: only our understanding is at stake, and what is understood decides nothing
//! about who may see a credential. Several spaces after a scheme, values without quotes that have a space, a `/` or a `=` in
//! them, and missing commas are all seen in hand-written headers.

/// One way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `Basic`, `Bearer`; in any case.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Whether it is this scheme.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The first parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The challenges in one value of `WWW-Authenticate`.
pub fn parse(value: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = value.trim_start_matches(is_between);
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_token(c)).unwrap_or(rest.len()));
        let value = after.trim_start_matches(is_blank).strip_prefix('=');
        match (value, challenges.last_mut()) {
            (Some(value), Some(challenge)) if !word.is_empty() => {
                let (value, after) = read_value(value.trim_start_matches(is_blank));
                challenge.parameters.push((word.to_owned(), value));
                rest = after;
            }
            // No word: a character that has no meaning here.
            _ if word.is_empty() => rest = skip_one(rest),
            _ => {
                challenges.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = after;
            }
        }
        rest = rest.trim_start_matches(is_between);
    }
    challenges
}

/// A value, and what follows it.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else { return read_unquoted(text) };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

/// Up to the next comma, or the next word that is followed by `=`: `realm=Registry Realm service=x`.
fn read_unquoted(text: &str) -> (String, &str) {
    let end = text.find(',').unwrap_or(text.len());
    let (candidate, _) = text.split_at(end);
    let mut from = 0;
    while let Some(blank) = candidate.get(from..).and_then(|rest| rest.find(is_blank)) {
        let at = from + blank;
        let next = candidate.get(at..).unwrap_or_default().trim_start_matches(is_blank);
        let name = next.find(|c| !is_token(c)).filter(|length| *length > 0);
        if name.and_then(|length| next.get(length..)).is_some_and(|after| after.starts_with('=')) {
            let (value, rest) = text.split_at(at);
            return (value.trim().to_owned(), rest);
        }
        from = at + 1;
    }
    let (value, rest) = text.split_at(end);
    (value.trim().to_owned(), rest)
}

fn skip_one(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.as_str()
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_between(c: char) -> bool {
    is_blank(c) || c == ','
}

/// RFC 9110, 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// `Scheme[name=value|…]`, one after the other.
    fn shown(value: &str) -> String {
        let one = |challenge: super::Challenge| {
            let parameters: Vec<_> = challenge.parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{}[{}]", challenge.scheme, parameters.join("|"))
        };
        parse(value).into_iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_challenge_is_read_as_leniently_as_other_clients_read_it() {
        for (value, expected) in [
            (r#"Bearer realm="https://a/t",service="s",scope="x y""#, "Bearer[realm=https://a/t|service=s|scope=x y]"),
            (r#"Bearer  realm="https://a/t",service="s""#, "Bearer[realm=https://a/t|service=s]"),
            ("Bearer \trealm=\"https://a/t\" , service = \"s\"", "Bearer[realm=https://a/t|service=s]"),
            (r#"Bearer realm="https://a/t" service="s""#, "Bearer[realm=https://a/t|service=s]"),
            ("Bearer realm=https://a/t?x=1,service=s", "Bearer[realm=https://a/t?x=1|service=s]"),
            ("Bearer realm=https://a/t service=s", "Bearer[realm=https://a/t|service=s]"),
            ("Basic realm=Registry Realm", "Basic[realm=Registry Realm]"),
            (
                r#"Basic realm=Registry Realm, Bearer realm="https://a/t""#,
                "Basic[realm=Registry Realm] Bearer[realm=https://a/t]",
            ),
            (r#"Basic realm=Registry Realm, charset="UTF-8""#, "Basic[realm=Registry Realm|charset=UTF-8]"),
            (r#"Basic realm="a, b=\"c\"", Digest qop=auth"#, r#"Basic[realm=a, b="c"] Digest[qop=auth]"#),
            ("Basic", "Basic[]"),
            ("Negotiate, Basic", "Negotiate[] Basic[]"),
            ("Basic realm=\"not closed", "Basic[realm=not closed]"),
            ("Basic realm=", "Basic[realm=]"),
            (", ,Basic realm=\"é\",, ", "Basic[realm=é]"),
            ("\"\"=/;", ""),
            ("", ""),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }
}
