//! dregsy's configuration: `tasks` of a source and a target registry, and `mappings` of repositories between them.
//!
//! Its tags are exact, `semver: RANGE`, `regex: RE` (with `^` and `$` around it, `!` turns it round), and `keep`, which is for
//! all that the others select.

use crate::plan::import::entry::{Entry, Imported, Newest, Rules, Settings, Tag, left_out};
use crate::plan::import::pattern::anchored;
use crate::plan::list::yaml::Node;
use crate::text::quote::quote;

pub fn read(root: &Node, _settings: &Settings<'_>, imported: &mut Imported) {
    imported.tool = "dregsy";
    imported.leave_out_others(root.members(), &["tasks"], "the configuration");
    for task in root.get("tasks").map(Node::items).unwrap_or_default() {
        let name = task.text_of("name").unwrap_or("without a name");
        if let Some(interval) = task.text_of("interval") {
            let why = format!("{} seconds; write a `cron:` line in the workflow", quote(interval));
            imported.leave_out(&format!("`interval` of the task `{}`", quote(name)), &why);
        }
        imported.leave_out_others(
            task.members(),
            &["name", "interval", "source", "target", "mappings", "verbose"],
            "a task",
        );
        let host = |end: &str, imported: &mut Imported| {
            let end = task.get(end)?;
            let host = end.text_of("registry")?;
            if end.get("auth").is_some() {
                imported.login(host, None, None);
            }
            if end.text_of("skip-tls-verify") == Some("true") {
                imported.insecure.push(quote(host));
            }
            imported.leave_out_others(end.members(), &["registry", "auth", "skip-tls-verify"], "a registry");
            Some(host.to_owned())
        };
        let (Some(source), Some(target)) = (host("source", imported), host("target", imported)) else {
            imported
                .leave_out(&format!("the task `{}`", quote(name)), "it has no `source.registry` and `target.registry`");
            continue;
        };
        for mapping in task.get("mappings").map(Node::items).unwrap_or_default() {
            self::mapping(mapping, &source, &target, imported);
        }
    }
}

fn mapping(mapping: &Node, source: &str, target: &str, imported: &mut Imported) {
    let from = mapping.text_of("from").unwrap_or_default();
    let to = mapping.text_of("to").unwrap_or(from);
    if from.starts_with("regex:") || to.starts_with("regex:") {
        let why = "it is for all repositories of a registry that fit; name them, each an entry";
        imported.leave_out(&format!("the mapping from `{}`", quote(from)), why);
        return;
    }
    imported.leave_out_others(mapping.members(), &["from", "to", "tags", "platform"], "a mapping");
    let mut entry = Entry::of(format!("{source}/{}", from.trim_matches('/')));
    entry.target = vec![format!("{target}/{}", to.trim_matches('/'))];
    match mapping.text_of("platform") {
        Some("all") => {}
        Some(platform) => entry.platforms = vec![platform.to_owned()],
        None => entry.comments.push(
            "dregsy copies the platform of the machine that it runs on; here all are: `platforms: [linux/amd64]` keeps to one".to_owned(),
        ),
    }
    let texts: Vec<&str> =
        mapping.get("tags").map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect();
    let (mut keep, mut inverted) = (None, Vec::new());
    for text in texts {
        let text = text.trim();
        let behind = |name: &str| text.strip_prefix(name).map(str::trim);
        if let Some(range) = behind("semver:") {
            entry.tags.push(Tag::Rules(Rules { semver: Some(range.to_owned()), ..Rules::default() }));
        } else if let Some(expression) = behind("regex:") {
            match expression.strip_prefix('!') {
                Some(expression) => inverted.push(anchored(expression.trim())),
                None => entry.tags.push(Tag::Text(anchored(expression))),
            }
        } else if let Some(rule) = behind("keep:") {
            match rule.strip_prefix("latest").map(str::trim) {
                Some(count) => match count.parse() {
                    Ok(count) => {
                        entry.newest = Some(Newest { count, across_variants: true });
                        entry
                            .comments
                            .push("dregsy keeps tags that are no versions; `newest` leaves them out".to_owned());
                    }
                    Err(_) => entry.leave_out(&format!("`{}`", quote(text)), ""),
                },
                None => keep = Some(anchored(rule)),
            }
        } else {
            entry.tags.push(Tag::Text(text.to_owned()));
        }
    }
    let is_exact = |tag: &Tag| matches!(tag, Tag::Text(text) if !text.starts_with('/') && text != "*");
    // What is turned round selects by itself all that it does not match.
    if !inverted.is_empty() && entry.tags.iter().any(|tag| !is_exact(tag)) {
        let tags = vec![Tag::Text("*".to_owned())];
        imported.entries.push(Entry { tags, exclude: std::mem::take(&mut inverted), ..entry.clone() });
    }
    if !inverted.is_empty() || entry.tags.is_empty() {
        entry.tags.push(Tag::Text("*".to_owned()));
        entry.exclude = inverted;
    }
    if let Some(keep) = keep {
        let (mut kept_tags, mut lost) = (Vec::new(), false);
        for tag in entry.tags {
            match if is_exact(&tag) { Some(tag) } else { kept(&tag, &keep) } {
                Some(tag) => kept_tags.push(tag),
                None => lost = true,
            }
        }
        entry.tags = kept_tags;
        if lost {
            entry.comments.push(left_out("a `regex:` beside a `keep:`", "write both as one expression"));
        }
    }
    if entry.tags.iter().all(is_exact) {
        entry.newest = None;
    }
    imported.entries.push(entry);
}

/// The item, of which `keep` must hold too; none where that takes two expressions.
fn kept(tag: &Tag, keep: &str) -> Option<Tag> {
    match tag {
        Tag::Text(all) if all == "*" => Some(Tag::Text(keep.to_owned())),
        Tag::Text(_) => None,
        Tag::Rules(rules) => Some(Tag::Rules(Rules { regex: Some(keep.to_owned()), ..rules.clone() })),
    }
}
