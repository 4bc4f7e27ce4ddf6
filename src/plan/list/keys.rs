//! The keys of a list, whatever they are of: which are known, and of what kind their values are.
//!
//! Owns the sentences about a key or a value that is none of those. Never knows what a key is for.

use std::time::Duration;

use crate::plan::list::pattern::Pattern;
use crate::plan::list::yaml::{Key, Node, Place, Problem, Value};
use crate::text::choice::{self, Choice};
use crate::text::nearest::nearest;
use crate::text::quote::quote;
use crate::text::units;

/// What other tools' lists call their logins.
const LOGINS: [&str; 8] = ["creds", "credentials", "username", "user", "password", "pass", "auth", "token"];

/// Keys of other tools' lists, and words that come to mind, by the key here.
const OTHER_WORDS: [(&str, &[&str]); 5] = [
    ("source", &["image", "from", "src", "name", "repository", "repo"]),
    ("target", &["destination", "dest", "dst", "to", "mirror"]),
    ("tags", &["include", "allow", "filter", "versions"]),
    ("exclude", &["deny", "ignore", "skip", "except"]),
    ("newest", &["latest", "keep", "limit", "count"]),
];

/// The members of a map.
pub type Members = Vec<(Key, Node)>;

/// One of the words of a choice.
pub fn word<T: Choice>(key: &Key, value: &Node) -> Result<T, Problem> {
    let text = text(key, value)?;
    T::parse(text).ok_or_else(|| {
        let words = choice::words::<T>();
        let hint = nearest(text, words.iter().copied());
        let hint = hint.map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"));
        let problem = format!("`{}` is `{}`, which is not one of {}{hint}", key.text, quote(text), words.join(", "));
        Problem::new(value.place, problem)
    })
}

/// `true` or `false`.
pub fn truth(key: &Key, value: &Node) -> Result<bool, Problem> {
    match &value.value {
        Value::Plain(text) if matches!(&**text, "true" | "True" | "TRUE") => Ok(true),
        Value::Plain(text) if matches!(&**text, "false" | "False" | "FALSE") => Ok(false),
        _ => Err(Problem::new(value.place, format!("`{}` is `true` or `false`, without quotes", key.text))),
    }
}

/// A text.
pub fn text<'a>(key: &Key, value: &'a Node) -> Result<&'a str, Problem> {
    value.text().ok_or_else(|| wrong(key, value, "a text"))
}

/// One text of an item of `tags`, where another item would have another.
pub fn single<'a>(key: &Key, value: &'a Node) -> Result<&'a str, Problem> {
    match value.value {
        Value::List(_) => {
            let sentence =
                format!("`{}` takes one text, and this is a list; write an item of `tags` for each text", key.text);
            Err(Problem::new(value.place, sentence))
        }
        _ => text(key, value),
    }
}

/// One text, or several.
pub fn several<'a>(key: &Key, value: &'a Node) -> Result<Vec<(Place, &'a str)>, Problem> {
    match &value.value {
        Value::List(items) if items.is_empty() => {
            Err(Problem::new(value.place, format!("`{}` is an empty list; name one, or leave it out", key.text)))
        }
        Value::List(items) => items.iter().map(|item| Ok((item.place, text(key, item)?))).collect(),
        _ => Ok(vec![(value.place, value.text().ok_or_else(|| wrong(key, value, "a text or a list"))?)]),
    }
}

/// A list.
pub fn list<'a>(key: &Key, value: &'a Node) -> Result<&'a [Node], Problem> {
    match &value.value {
        Value::List(items) => Ok(items),
        _ => Err(wrong(key, value, "a list")),
    }
}

/// A map.
pub fn map<'a>(key: &Key, value: &'a Node) -> Result<&'a Members, Problem> {
    match &value.value {
        Value::Map(members) => Ok(members),
        _ => Err(wrong(key, value, "a map")),
    }
}

/// That a value is of another kind than its key has.
pub fn wrong(key: &Key, value: &Node, wanted: &str) -> Problem {
    Problem::new(value.place, format!("`{}` must be {wanted}, and this is {}", key.text, value.kind()))
}

/// The member of this name.
pub fn find<'a>(members: &'a Members, name: &str) -> Option<(&'a Key, &'a Node)> {
    members.iter().find(|(key, _)| key.text == name).map(|(key, value)| (key, value))
}

/// Refuses a key that is not one of those that `of` has.
pub fn known(key: &Key, of: &str, keys: &[&str]) -> Result<(), Problem> {
    if keys.contains(&&*key.text) {
        return Ok(());
    }
    let name = quote(&key.text);
    if LOGINS.contains(&&*key.text.to_ascii_lowercase()) {
        let problem = format!("`{name}`: a list never has logins; give them by the input `registry-auth`");
        return Err(Problem::new(key.place, problem));
    }
    if key.text == "<<" {
        return Err(Problem::new(
            key.place,
            "merge keys (`<<`) are not read; what several images share goes to `defaults`, and a key that cannot stand \
             there is shared by an anchor: `tags: &name …` in one entry, `tags: *name` in the others",
        ));
    }
    let meant = OTHER_WORDS.iter().find(|(_, others)| others.contains(&&*key.text.to_ascii_lowercase()));
    let meant = meant.map(|(word, _)| *word).filter(|word| keys.contains(word));
    let hint = match meant.or_else(|| nearest(&key.text, keys.iter().copied())) {
        Some(word) => format!("; did you mean `{word}`?"),
        None => format!("; there are {}", keys.join(", ")),
    };
    Err(Problem::new(key.place, format!("{of} has no key `{name}`{hint}")))
}

/// Patterns.
pub fn patterns(key: &Key, value: &Node) -> Result<Vec<Pattern>, Problem> {
    let parse = |(place, text)| Pattern::parse(text).map_err(|problem| Problem::new(place, problem));
    several(key, value)?.into_iter().map(parse).collect()
}

/// `180d`, `36h`: a time span as it is written.
pub fn span(key: &Key, value: &Node) -> Result<Duration, Problem> {
    let text = text(key, value)?;
    units::age(text).ok_or_else(|| {
        let text = quote(text);
        Problem::new(value.place, format!("`{}` is a time span like `180d`, `2w` or `36h`, and not `{text}`", key.text))
    })
}
