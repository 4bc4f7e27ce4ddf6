//! Whether a list mirrors an image, as far as the list alone says it: nothing is asked.
//!
//! What `newest` and ages leave out cannot be known without asking; a tag that the patterns select counts.

use crate::oci::reference::{ImageReference, Reference};
use crate::plan::list::schema::{Entry, List, Settings, TagRules};
use crate::plan::list::tags::Selection;
use crate::plan::template;

/// A list, and where its images go that have no target of their own.
#[derive(Clone, Debug)]
pub struct Coverage {
    pub list: List,
    pub targets: Vec<String>,
    pub project: Option<String>,
}

impl Coverage {
    /// Nothing where the list mirrors the image, or makes it; else why it does not.
    pub fn lacks(&self, image: &Reference) -> Option<String> {
        if self.list.entries.iter().any(|entry| covers(entry, image) || self.makes(entry, image)) {
            return None;
        }
        let name = image.name();
        let others: Vec<&Entry> = self
            .list
            .entries
            .iter()
            .filter(|entry| entry.source.registry().is_some_and(|own| own.name() == name))
            .collect();
        Some(match others.first() {
            None => "no entry of the list has this repository".to_owned(),
            Some(entry) => {
                let what = if image.tag().is_none() { "this digest" } else { "this tag" };
                format!("{} has the repository, and not {what}", entry.position)
            }
        })
    }

    /// The targets of the source that the image is copied from, where the list does.
    pub fn targets_of(&self, image: &Reference) -> Option<&[String]> {
        let entry = self.list.entries.iter().find(|entry| covers(entry, image))?;
        Some(entry.settings.targets.as_ref().unwrap_or(&self.targets))
    }

    /// Whether the image is what the list makes of a source.
    fn makes(&self, entry: &Entry, image: &Reference) -> bool {
        let Some(source) = entry.source.registry() else { return false };
        let exact = entry.tags.iter().flat_map(|rules| &rules.exact).map(|exact| &*exact.tag);
        let tags = exact.chain(source.tag()).chain(image.tag());
        let targets = entry.settings.targets.as_ref().unwrap_or(&self.targets);
        tags.into_iter().any(|tag| {
            let tagged = source.with_tag(tag);
            covers(entry, &tagged)
                && targets.iter().any(|target| {
                    let made =
                        template::target(target, &ImageReference::Registry(tagged.clone()), self.project.as_deref());
                    made.is_ok_and(|(made, _)| {
                        made.registry().is_some_and(|made| made.name() == image.name() && made.tag() == image.tag())
                    })
                })
        })
    }
}

fn covers(entry: &Entry, image: &Reference) -> bool {
    let Some(source) = entry.source.registry().filter(|source| source.name() == image.name()) else { return false };
    let Some(rules) = &entry.tags else {
        return match (source.digest(), image.digest()) {
            (Some(own), Some(digest)) => own == digest,
            (None, Some(_)) if image.tag().is_none() => false,
            _ => source.tag() == image.tag(),
        };
    };
    let Some(tag) = image.tag() else {
        return rules.exact.iter().any(|exact| exact.digest.is_some() && exact.digest.as_ref() == image.digest());
    };
    selects(rules, &entry.settings, tag, image)
}

fn selects(rules: &TagRules, settings: &Settings, tag: &str, image: &Reference) -> bool {
    if let Some(exact) = rules.exact.iter().find(|exact| exact.tag == tag) {
        return exact.digest.is_none() || image.digest().is_none() || exact.digest.as_ref() == image.digest();
    }
    let settings = Settings { newest: None, ..settings.clone() };
    !Selection::new(rules, &settings, [tag]).selected.is_empty()
}

#[cfg(test)]
mod tests {
    use super::Coverage;
    use crate::oci::reference::Reference;
    use crate::plan::list::schema::List;

    const LIST: &str = r#"
version: 1
images:
  - alpine:3.20
  - source: nginx
    tags: [stable, {semver: ">=1.26", variant: ""}]
    exclude: ["1.28*"]
    newest: 2
    target: quay.io/octo/nginx:v-{tag}
  - redis@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
"#;

    #[test]
    fn an_image_is_mirrored_where_an_entry_selects_it_or_makes_it() {
        let mut list = List::default();
        list.read("images.yml", LIST, &|_| Err(String::new())).unwrap();
        let targets = vec!["ghcr.io/{owner}/{repo}/{registry}/{repository}".to_owned()];
        let coverage = Coverage { list, targets, project: Some("Octo/Mirror".to_owned()) };
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        for (image, is_mirrored) in [
            ("alpine:3.20", true),
            (&format!("alpine:3.20@sha256:{a}"), true),
            ("alpine:3.21", false),
            ("alpine", false),
            (&format!("alpine@sha256:{a}"), false),
            ("nginx:stable", true),
            ("nginx:1.27.5", true),
            ("nginx:1.25.5", false),
            ("nginx:1.27.5-alpine", false),
            ("nginx:1.28.0", false),
            ("nginx", false),
            (&format!("redis@sha256:{a}"), true),
            (&format!("redis@sha256:{b}"), false),
            ("busybox:1", false),
            ("ghcr.io/octo/mirror/docker.io/library/alpine:3.20", true),
            ("ghcr.io/octo/mirror/docker.io/library/alpine:3.21", false),
            ("quay.io/octo/nginx:v-stable", true),
            ("quay.io/octo/nginx:stable", false),
        ] {
            let lacks = coverage.lacks(&Reference::parse(image).unwrap());
            assert_eq!(lacks.is_none(), is_mirrored, "{image}: {lacks:?}");
        }
        let lacks = |image: &str| coverage.lacks(&Reference::parse(image).unwrap()).unwrap();
        assert_eq!(lacks("alpine:3.21"), "images.yml:4:5 has the repository, and not this tag");
        assert_eq!(lacks("busybox"), "no entry of the list has this repository");
    }
}
