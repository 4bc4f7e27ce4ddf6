//! The YAML of `skopeo sync`: by registry, `images`, `images-by-tag-regex`, `images-by-semver`.
//!
//! Its regular expressions are searched for; its versions have three numbers at most, and one with a suffix is a pre-release.

use crate::plan::import::entry::{Entry, Imported, Rules, Tag};
use crate::plan::import::pattern::searched;
use crate::plan::list::yaml::{Key, Node};
use crate::text::quote::quote;

/// What a registry has.
pub const KEYS: [&str; 6] =
    ["images", "images-by-tag-regex", "images-by-semver", "credentials", "tls-verify", "cert-dir"];

/// What its library takes for a version.
const VERSION: &str = r"/v?\d+(\.\d+){0,2}/";

pub fn read(root: &Node, imported: &mut Imported) {
    imported.tool = "skopeo sync";
    imported.comments.push(
        "Where images go stood on skopeo's command line: `--target 'DESTINATION/{name}'`, with `--scoped` \
         `--target 'DESTINATION/{registry}/{repository}'`"
            .to_owned(),
    );
    for (host, registry) in root.members() {
        let (host, shown) = (&*host.text, quote(&host.text));
        if let Some(login) = registry.get("credentials") {
            imported.login(host, login.text_of("username"), None);
        }
        if registry.text_of("tls-verify") == Some("false") {
            imported.insecure.push(shown.clone());
        }
        if registry.get("cert-dir").is_some() {
            imported.leave_out(
                &format!("`cert-dir` of {shown}"),
                "the input `ca-certificates` takes an authority's certificate",
            );
        }
        imported.leave_out_others(registry.members(), &KEYS, &shown);
        let of = |key: &str| registry.get(key).map(Node::members).unwrap_or_default();
        for (repository, tags) in of("images") {
            exact(host, repository, tags, imported);
        }
        for (repository, expression) in of("images-by-tag-regex") {
            let tags = vec![Tag::Text(searched(expression.text().unwrap_or_default()))];
            imported.entries.push(Entry { tags, ..Entry::of(format!("{host}/{}", repository.text)) });
        }
        for (repository, range) in of("images-by-semver") {
            let rules = Rules {
                semver: range.text().map(str::to_owned),
                variant: Some(String::new()),
                regex: Some(VERSION.to_owned()),
                ..Rules::default()
            };
            let mut entry = Entry { tags: vec![Tag::Rules(rules)], ..Entry::of(format!("{host}/{}", repository.text)) };
            entry.comments.push(
                "skopeo takes a suffix such as `-alpine` for a pre-release and leaves it out; so does this".to_owned(),
            );
            imported.entries.push(entry);
        }
    }
}

/// Tags and digests by name; none of them is all tags.
fn exact(host: &str, repository: &Key, tags: &Node, imported: &mut Imported) {
    let source = format!("{host}/{}", repository.text);
    let (digests, tags): (Vec<&str>, Vec<&str>) =
        tags.items().iter().filter_map(Node::text).partition(|text| text.starts_with("sha256:"));
    for digest in &digests {
        imported.entries.push(Entry::of(format!("{source}@{digest}")));
    }
    if !digests.is_empty() && tags.is_empty() {
        return;
    }
    let tags = match tags.as_slice() {
        [] => vec![Tag::Text("*".to_owned())],
        tags => tags.iter().map(|tag| Tag::Text((*tag).to_owned())).collect(),
    };
    imported.entries.push(Entry { tags, ..Entry::of(source) });
}
