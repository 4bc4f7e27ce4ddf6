//! regsync's configuration (regclient): `creds`, `defaults`, `sync`.
//!
//! Its `tags.allow` and `deny` are regular expressions with `^` before and `$` behind; of `semverRange` one must hold, and of `allow` one as
//! well; its tag sets are added to each other.

use crate::plan::find::matrix::is_other_number;
use crate::plan::import::entry::{Entry, Imported, Rules, Settings, Tag};
use crate::plan::import::pattern::anchored;
use crate::plan::list::yaml::{Node, Value};
use crate::text::quote::quote;

/// What is taken of an entry, or said with a reason of its own.
const KNOWN: [&str; 15] = [
    "source",
    "target",
    "type",
    "tags",
    "tagSets",
    "platform",
    "platforms",
    "backup",
    "interval",
    "schedule",
    "digestTags",
    "referrers",
    "repos",
    "fastCheck",
    "hooks",
];

pub fn read(root: &Node, settings: &Settings<'_>, imported: &mut Imported) {
    imported.tool = "regsync";
    imported.leave_out_others(root.members(), &["version", "creds", "defaults", "sync"], "the configuration");
    for login in root.get("creds").map(Node::items).unwrap_or_default() {
        let written = login.text_of("registry").unwrap_or_default();
        let host = match filled(written, settings) {
            Ok(host) => host,
            Err(why) => {
                imported.leave_out(&format!("the login at `{}`", quote(written)), &why);
                continue;
            }
        };
        // Who keeps the name apart from the file does not want it in another.
        let user = login.text_of("user").filter(|user| !user.contains("{{"));
        if login.get("user").is_some() || login.get("pass").is_some() {
            imported.login(&host, user, login.text_of("pass").and_then(variable));
        }
        if matches!(login.text_of("tls"), Some("disabled" | "insecure")) {
            imported.insecure.push(quote(&host));
        }
        let known = ["registry", "user", "pass", "tls", "token"];
        imported.leave_out_others(login.members(), &known, "`creds`");
    }
    let none = Node { place: root.place, value: Value::Null, span: 0..0 };
    let defaults = root.get("defaults").unwrap_or(&none);
    times(defaults, "`defaults`", &mut imported.comments);
    imported.leave_out_others(
        defaults.members(),
        &["interval", "schedule", "platform", "platforms", "digestTags", "referrers"],
        "`defaults`",
    );
    for item in root.get("sync").map(Node::items).unwrap_or_default() {
        entries(item, defaults, settings, imported);
    }
}

/// When it is run is the workflow's.
fn times(of: &Node, what: &str, comments: &mut Vec<String>) {
    if let Some(schedule) = of.text_of("schedule") {
        comments.push(format!(
            "not carried over: `schedule` of {what}: write it in the workflow, `cron: \"{}\"`",
            quote(schedule)
        ));
    }
    if let Some(interval) = of.text_of("interval") {
        comments.push(format!(
            "not carried over: `interval` of {what} ({}): write a `cron:` line in the workflow",
            quote(interval)
        ));
    }
}

fn entries(item: &Node, defaults: &Node, settings: &Settings<'_>, imported: &mut Imported) {
    let source = item.text_of("source").unwrap_or_default();
    let mut entry = Entry::default();
    let named = [source, item.text_of("target").unwrap_or_default()].map(|text| filled(text, settings));
    let [source, target] = match named {
        [Ok(source), Ok(target)] => [source, target],
        [Err(why), _] | [_, Err(why)] => {
            imported.leave_out(&format!("`{}`", quote(source)), &why);
            return;
        }
    };
    if item.text_of("type") == Some("registry") {
        imported.leave_out(&format!("`{}`, a whole registry", quote(&source)), "name its repositories, each an entry");
        return;
    }
    entry.source = source;
    entry.target = if target.is_empty() { Vec::new() } else { vec![target] };
    times(item, "this entry", &mut entry.comments);
    for key in ["backup", "fastCheck", "hooks"] {
        if item.get(key).is_some() {
            entry.leave_out(&format!("`{key}`"), "");
        }
    }
    let or_default = |key: &str| item.get(key).or_else(|| defaults.get(key));
    let off = |key: &&str| or_default(key).and_then(Node::text) != Some("true");
    let off: Vec<String> =
        ["digestTags", "referrers"].iter().filter(|key| off(key)).map(|key| format!("`{key}`")).collect();
    if !off.is_empty() {
        let were = if off.len() > 1 { "were" } else { "was" };
        let off = off.join(" and ");
        entry
            .comments
            .push(format!("{off} {were} off: attachments come along here; `attachments: none` keeps them away"));
    }
    match (or_default("platforms"), or_default("platform").and_then(Node::text)) {
        (Some(several), _) if !several.items().is_empty() => {
            entry.platforms = several.items().iter().filter_map(Node::text).map(str::to_owned).collect();
            entry.subset = (entry.platforms.len() > 1).then_some("sparse");
        }
        (_, Some("local")) => entry.leave_out("`platform: local`", "all platforms are copied; name one by `platforms`"),
        (_, Some(name)) => entry.platforms = vec![name.to_owned()],
        _ => {}
    }
    imported.leave_out_others(item.members(), &KNOWN, "an entry of `sync`");
    if item.text_of("type") != Some("repository") {
        imported.entries.push(entry);
        return;
    }
    let sets = item.get("tagSets").map(Node::items).unwrap_or_default();
    let own = item.get("tags").filter(|tags| !tags.members().is_empty());
    let all: Vec<&Node> = own.into_iter().chain(sets).collect();
    if all.is_empty() {
        entry.tags = vec![Tag::Text("*".to_owned())];
        imported.entries.push(entry);
        return;
    }
    // What one set denies another may allow: each is an entry of its own then.
    for set in all {
        let mut entry = entry.clone();
        tags(set, &mut entry);
        let same = imported.entries.last_mut().filter(|last| {
            last.source == entry.source
                && last.target == entry.target
                && last.exclude.is_empty()
                && entry.exclude.is_empty()
        });
        match same {
            Some(last) if sets.len() + usize::from(own.is_some()) > 1 => last.tags.extend(entry.tags),
            _ => imported.entries.push(entry),
        }
    }
}

fn tags(set: &Node, entry: &mut Entry) {
    let texts =
        |key: &str| set.get(key).map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect::<Vec<_>>();
    let numbers = ["allow", "deny"].iter().flat_map(|key| set.get(key).map(Node::items).unwrap_or_default());
    for node in numbers {
        if let Value::Plain(text) = &node.value
            && is_other_number(text)
        {
            entry.comments.push(format!(
                "`{}` without quotes is read as another number by regsync; here it is what is written",
                quote(text)
            ));
        }
    }
    let allow: Vec<String> = texts("allow").into_iter().map(anchored).collect();
    let ranges = texts("semverRange");
    entry.tags = match (ranges.as_slice(), allow.as_slice()) {
        ([], []) => vec![Tag::Text("*".to_owned())],
        ([], allow) => allow.iter().cloned().map(Tag::Text).collect(),
        (ranges, allow) => {
            let rules = |range: &str, regex: Option<&String>| {
                Tag::Rules(Rules {
                    semver: Some(range.to_owned()),
                    regex: regex.filter(|regex| *regex != "*").cloned(),
                    pre_releases: Some(true),
                    ..Rules::default()
                })
            };
            match allow {
                [] => ranges.iter().map(|range| rules(range, None)).collect(),
                allow => ranges.iter().flat_map(|range| allow.iter().map(|regex| rules(range, Some(regex)))).collect(),
            }
        }
    };
    if !ranges.is_empty() {
        let comment = "regsync takes a suffix for a step before its version, which only differs at the ends of a range: `>=3.12.0` has no \
                       `3.12.0-alpine` there";
        entry.comments.push(comment.to_owned());
    }
    entry.exclude = texts("deny").into_iter().map(anchored).collect();
}

/// The variable of `{{ env "NAME" }}`, where a text is nothing else.
fn variable(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let name = inside.strip_prefix("env")?.trim().trim_matches(['"', '`']);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

/// A text with its `{{ env "NAME" }}` filled in; any other template is not known here.
fn filled(text: &str, settings: &Settings<'_>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let end = after.find("}}").ok_or("it has a template without an end")?;
        let template = format!("{{{{{}}}}}", &after[..end]);
        let name =
            variable(&template).ok_or_else(|| format!("`{}` is a template that is not read", quote(&template)))?;
        let value = settings.variables.get(name).filter(|value| !value.is_empty());
        out.push_str(before);
        out.push_str(value.ok_or_else(|| format!("the variable `{name}` has no value here; give it by `env-file`"))?);
        rest = &after[end + 2..];
    }
    out.push_str(rest);
    Ok(out)
}
