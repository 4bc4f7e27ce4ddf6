//! image-syncer's `images` file, `SOURCE: TARGET`, its `auth` file, and the older file that has both.
//!
//! A source has tags behind its colon, `:a,b`, a regular expression that is searched for, `:/re/`, or none, which is all.

use crate::plan::import::entry::{Entry, Imported, Tag};
use crate::plan::import::pattern::searched;
use crate::plan::list::yaml::{Node, Value};
use crate::text::quote::quote;

/// What a login has.
pub const LOGIN_KEYS: [&str; 3] = ["username", "password", "insecure"];

/// Whether every key can be a source and every value its targets.
pub fn is_one(root: &Node) -> bool {
    !root.members().is_empty()
        && root.members().iter().all(|(key, value)| {
            let is_target = match &value.value {
                Value::List(items) => items.iter().all(|item| item.text().is_some()),
                Value::Map(_) => false,
                _ => true,
            };
            is_target && key.text.contains(['/', ':', '.'])
        })
}

pub fn read(root: &Node, imported: &mut Imported) {
    imported.tool = "image-syncer";
    let (images, logins) = match (root.get("images"), root.get("auth")) {
        (Some(images), Some(logins)) => {
            imported.leave_out_others(root.members(), &["images", "auth"], "the configuration");
            (images, logins)
        }
        _ => (root, root),
    };
    for (host, login) in logins.members().iter().filter(|(_, login)| !login.members().is_empty()) {
        imported.login(&host.text, login.text_of("username"), None);
        if login.text_of("insecure") == Some("true") {
            imported.insecure.push(quote(&host.text));
        }
        imported.leave_out_others(login.members(), &LOGIN_KEYS, "a login");
    }
    for (source, targets) in images.members().iter().filter(|(_, targets)| targets.members().is_empty()) {
        let targets: Vec<&str> = match &targets.value {
            Value::List(items) => items.iter().filter_map(Node::text).collect(),
            _ => targets.text().into_iter().collect(),
        };
        let targets: Vec<&str> = targets.into_iter().map(str::trim).filter(|target| !target.is_empty()).collect();
        image(source.text.trim(), &targets, imported);
    }
}

fn image(source: &str, targets: &[&str], imported: &mut Imported) {
    let whole = |targets: &[&str]| targets.iter().map(|target| (*target).to_owned()).collect::<Vec<_>>();
    if let Some((name, expression)) = source.strip_suffix('/').and_then(|rest| rest.split_once(":/")) {
        let tags = vec![Tag::Text(searched(expression))];
        imported.entries.push(Entry { tags, target: whole(targets), ..Entry::of(name) });
        return;
    }
    if source.contains('@') {
        imported.entries.push(Entry { target: whole(targets), ..Entry::of(source) });
        return;
    }
    let (name, tags) = split(source);
    let renamed = targets.iter().any(|target| split(target).1.is_some());
    let Some(tags) = tags else {
        if renamed {
            imported.leave_out(&format!("`{}`", quote(source)), "its target has a tag, and all tags would go to it");
            return;
        }
        let tags = vec![Tag::Text("*".to_owned())];
        imported.entries.push(Entry { tags, target: whole(targets), ..Entry::of(name) });
        return;
    };
    let tags: Vec<&str> = tags.split(',').map(str::trim).collect();
    if let [tag] = tags.as_slice() {
        imported.entries.push(Entry { target: whole(targets), ..Entry::of(format!("{name}:{tag}")) });
        return;
    }
    if !renamed {
        let tags = tags.iter().map(|tag| Tag::Text((*tag).to_owned())).collect();
        imported.entries.push(Entry { tags, target: whole(targets), ..Entry::of(name) });
        return;
    }
    for (number, tag) in tags.iter().enumerate() {
        let pair = |target: &&str| {
            let (name, names) = split(target);
            let names: Vec<&str> = names?.split(',').map(str::trim).collect();
            (names.len() == tags.len()).then(|| format!("{name}:{}", names[number]))
        };
        let Some(target) = targets.iter().map(pair).collect::<Option<Vec<String>>>() else {
            imported.leave_out(&format!("`{}`", quote(source)), "its tags and those of its target are not as many");
            return;
        };
        imported.entries.push(Entry { target, ..Entry::of(format!("{name}:{tag}")) });
    }
}

/// Name, and what stands behind the colon of the tags.
fn split(text: &str) -> (&str, Option<&str>) {
    let slash = text.rfind('/').map_or(0, |at| at + 1);
    match text[slash..].find(':') {
        Some(at) => (&text[..slash + at], Some(&text[slash + at + 1..])),
        None => (text, None),
    }
}
