//! Targets: from what the user wrote and the source's name to the target's name.
//!
//! Owns the placeholders, the tag that a target inherits and the lower-casing. Pure: never asks a registry, never reads
//! the environment. Never invents a name: a placeholder without a value is refused.

use std::sync::Arc;

use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, LayoutReference, Reference, lower_cased};
use crate::text::quote::quote;

/// Where images go that no target was given for: below the workflow's repository.
pub const DEFAULT_TARGET: &str = "ghcr.io/{owner}/{repo}/{registry}/{repository}";

/// The placeholders a target may hold.
const PLACEHOLDERS: &str = "{owner} {repo} {registry} {repository} {namespace} {name} {tag}";

/// Expands `template` for `source`. `project` is `OWNER/REPOSITORY`; in GitLab a path of groups, of which the first is the
/// owner.
///
/// Gives the target and notices about what was changed in it; fails with one sentence that says how to mend it.
pub fn target(
    template: &str,
    source: &ImageReference,
    project: Option<&str>,
) -> Result<(ImageReference, Vec<String>), String> {
    let (target, notices) = expanded(template, source, project)?;
    Ok((inherit(target, source)?, notices))
}

/// The same for an image of a list: a directory has it under its whole name, as it has others of that tag.
pub fn target_among_others(
    template: &str,
    source: &ImageReference,
    project: Option<&str>,
) -> Result<(ImageReference, Vec<String>), String> {
    let (target, notices) = expanded(template, source, project)?;
    let target = match (target, source.name()) {
        (ImageReference::Layout(layout), Some(name)) if layout.is_bare() => {
            ImageReference::Layout(Arc::new(LayoutReference::clone(&layout).named(&name)))
        }
        (target, _) => inherit(target, source)?,
    };
    Ok((target, notices))
}

/// Whether what `template` gives is made of the name that its source has in a registry.
pub fn names_its_source(template: &str) -> bool {
    ["{registry}", "{repository}", "{namespace}", "{name}"].iter().any(|placeholder| template.contains(placeholder))
}

fn expanded(
    template: &str,
    source: &ImageReference,
    project: Option<&str>,
) -> Result<(ImageReference, Vec<String>), String> {
    // Who has named no target reads first that there is none; who has written out the default, why it is of no use here.
    if template == DEFAULT_TARGET && project.is_none() {
        return Err(
            "is missing; write where the image goes, for example `registry.example.com/mirror/{name}`: the `{owner}` \
             and `{repo}` of `ghcr.io/{owner}/{repo}/…` are known in a job of GitHub's or GitLab's only"
                .to_owned(),
        );
    }
    let mut expanded = expand(template.trim(), source, project)?;
    let mut notices = Vec::new();
    if let Some(lower) = lower_cased(&expanded) {
        notices.push(format!(
            "target `{}` is written in lower case, `{}`: registries accept no upper case in a repository",
            quote(&expanded),
            quote(&lower)
        ));
        expanded = lower;
    }
    let target = ImageReference::parse(&expanded)?;
    if target.digest().is_some() {
        return Err("names a digest; the target gets the source's own, so write a tag or leave it out".to_owned());
    }
    Ok((target, notices))
}

/// Gives a target without a tag the source's tag, or its digest where it has no tag.
fn inherit(target: ImageReference, source: &ImageReference) -> Result<ImageReference, String> {
    let digest: Option<Digest> = source.digest().cloned();
    Ok(match target {
        ImageReference::Registry(reference) if !reference.has_explicit_tag() => {
            ImageReference::Registry(match (source.tag(), digest) {
                (Some(tag), _) => reference.with_tag(tag),
                (None, Some(digest)) => reference.with_digest(digest),
                (None, None) => {
                    let name = reference.name();
                    let source = quote(&source.to_string());
                    return Err(format!("has no tag, and neither has `{source}`; write one, `{name}:TAG`"));
                }
            })
        }
        ImageReference::Layout(mut shared) if shared.tag.is_none() => {
            let layout = Arc::make_mut(&mut shared);
            layout.tag = source.tag().map(str::to_owned);
            layout.digest = if layout.tag.is_none() { digest } else { None };
            ImageReference::Layout(shared)
        }
        complete => complete,
    })
}

/// Whether `template` gives different images different names: nobody replaces one by asking for another.
pub fn tells_apart(template: &str) -> bool {
    // As parts of their own: `{registry}-{name}` is the same for `a-b` of `c` and for `b` of `c-a`.
    let parts: Vec<&str> = template.strip_suffix(":{tag}").unwrap_or(template).split('/').collect();
    let has_repository =
        parts.contains(&"{repository}") || parts.windows(2).any(|two| two == ["{namespace}", "{name}"]);
    let has_own_tag = parts.last().is_some_and(|last| last.contains(':')) || template.contains('@');
    parts.contains(&"{registry}") && has_repository && !has_own_tag
}

fn expand(template: &str, source: &ImageReference, project: Option<&str>) -> Result<String, String> {
    let mut expanded = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        expanded.push_str(&rest[..brace]);
        let opened = &rest[brace..];
        let Some((name, after)) = opened.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            return Err(format!("`{}` has a `{{` without `}}` or the other way round; mend it", quote(template)));
        };
        if name.contains('{') {
            return Err(format!("`{}` has a `{{` inside `{{`; mend it", quote(template)));
        }
        // In front of the first slash the registry is a host, and a host keeps its port's colon.
        // So it does at the beginning of a whole name in a directory.
        let is_first = expanded.is_empty() || expanded.starts_with("oci:") && expanded.ends_with(':');
        let as_host = is_first && after.starts_with('/');
        if as_host && name == "registry" && expanded.is_empty() && source.registry().is_none() {
            return Err("begins with `{registry}`, and what a directory says is not to choose the registry that is written to; \
                        write the registry out, for example `registry.example.com/{registry}/{repository}`"
                .to_owned());
        }
        let value = value(name, source, project, as_host)?;
        expanded.push_str(&value);
        rest = after;
        // A repository of one component has no namespace: nothing takes its place, not even a slash.
        if value.is_empty() && (expanded.is_empty() || expanded.ends_with('/')) {
            if let Some(after) = rest.strip_prefix('/') {
                rest = after;
            } else if rest.is_empty() || rest.starts_with(':') {
                expanded.pop();
            }
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn value(placeholder: &str, source: &ImageReference, project: Option<&str>, as_host: bool) -> Result<String, String> {
    let named = || -> Result<Reference, String> {
        source.name().ok_or_else(|| {
            format!("`{{{placeholder}}}` has no value for a source in a directory; write the target out")
        })
    };
    Ok(match placeholder {
        "owner" | "repo" => {
            let Some((owner, repository)) = project.and_then(|name| name.split_once('/')) else {
                return Err(format!(
                    "`{{{placeholder}}}` is taken from GITHUB_REPOSITORY (`OWNER/REPOSITORY`), in GitLab from CI_PROJECT_PATH, \
                     which is not set here; set it or write the target out"
                ));
            };
            (if placeholder == "owner" { owner } else { repository }).to_ascii_lowercase()
        }
        "registry" if as_host => named()?.registry().to_owned(),
        // A colon cannot stand inside a repository, nor can the brackets of an IPv6 address.
        "registry" => named()?.registry().replace(['[', ']'], "").replace(':', "-").trim_matches('-').to_owned(),
        "repository" => named()?.repository().to_owned(),
        "namespace" => named()?.namespace().to_owned(),
        "name" => named()?.base_name().to_owned(),
        "tag" => source
            .tag()
            .ok_or_else(|| {
                let source = quote(&source.to_string());
                format!("`{{tag}}` has no value: `{source}` has no tag; write one in its place")
            })?
            .to_owned(),
        other => {
            return Err(format!("`{{{}}}` is not a placeholder; there are {PLACEHOLDERS}", quote(other)));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_TARGET as DEFAULT, target};
    use crate::oci::reference::ImageReference;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn expanded(template: &str, source: &str) -> Result<(String, usize), String> {
        let source = ImageReference::parse(source).unwrap();
        target(template, &source, Some("Acme/Mirror")).map(|(target, notices)| (target.to_string(), notices.len()))
    }

    #[test]
    fn names_that_are_glued_together_do_not_tell_images_apart() {
        for (template, apart) in [
            (DEFAULT, true),
            ("r.example/m/{registry}/{repository}:{tag}", true),
            ("r.example:5000/{registry}/{namespace}/{name}", true),
            ("r.example/m/{registry}/{repository}:latest", false),
            ("r.example/m/{repository}", false),
            ("r.example/m/{registry}/{name}", false),
            ("r.example/m/{registry}-{namespace}-{name}", false),
            ("r.example/m/{registry}/{namespace}-{name}", false),
        ] {
            assert_eq!(super::tells_apart(template), apart, "{template}");
        }
    }

    #[test]
    fn targets_are_made_from_the_source() {
        let by_digest = format!("alpine@{DIGEST}");
        let by_both = format!("alpine:3@{DIGEST}");
        let pushed_by_digest = format!("ghcr.io/acme/x@{DIGEST}");
        let layout_by_digest = format!("oci:out@{DIGEST}");
        for (template, source, whole) in [
            (DEFAULT, "alpine:3.20", "ghcr.io/acme/mirror/docker.io/library/alpine:3.20"),
            (DEFAULT, "127.0.0.1:5000/a/b", "ghcr.io/acme/mirror/127.0.0.1-5000/a/b:latest"),
            (DEFAULT, "[::1]:5000/a", "ghcr.io/acme/mirror/1-5000/a:latest"),
            ("{registry}/copies/{repository}", "127.0.0.1:5000/a", "127.0.0.1:5000/copies/a:latest"),
            ("ghcr.io/x/{namespace}/{name}:v-{tag}", "alpine:3", "ghcr.io/x/library/alpine:v-3"),
            ("ghcr.io/x/{namespace}/{name}", "ghcr.io/app:1", "ghcr.io/x/app:1"),
            ("ghcr.io/x/{namespace}:t", "ghcr.io/app:1", "ghcr.io/x:t"),
            ("ghcr.io/acme/x", by_digest.as_str(), pushed_by_digest.as_str()),
            ("ghcr.io/acme/x:t", by_digest.as_str(), "ghcr.io/acme/x:t"),
            ("ghcr.io/acme/x", by_both.as_str(), "ghcr.io/acme/x:3"),
            ("oci:out/{name}", "alpine:3", "oci:out/alpine:3"),
            ("oci:out", by_digest.as_str(), layout_by_digest.as_str()),
            ("oci:out", "oci:in", "oci:out"),
            ("ghcr.io/{owner}/x", "oci:in:1", "ghcr.io/acme/x:1"),
            ("r.test/{registry}/{repository}", "oci:in:quay.io/a/b:1", "r.test/quay.io/a/b:1"),
            ("oci:out:{registry}/{repository}", "127.0.0.1:5000/a:1", "oci:out:127.0.0.1:5000/a:1"),
            ("oci:out:x.test/{name}:{tag}-x", "oci:in:quay.io/a/b:1", "oci:out:x.test/b:1-x"),
        ] {
            assert_eq!(expanded(template, source), Ok((whole.to_owned(), 0)), "{template} of {source}");
        }
    }

    #[test]
    fn among_others_an_image_has_its_whole_name_in_a_directory() {
        let by_digest = format!("alpine@{DIGEST}");
        let named_by_digest = format!("oci:out:docker.io/library/alpine@{DIGEST}");
        for (template, source, whole) in [
            ("oci:out", "alpine:3", "oci:out:docker.io/library/alpine:3"),
            ("oci:out", "alpine", "oci:out:docker.io/library/alpine:latest"),
            ("oci:out", &format!("alpine:3@{DIGEST}"), "oci:out:docker.io/library/alpine:3"),
            ("oci:out", &by_digest, &named_by_digest),
            ("oci:out", "oci:in:quay.io/a/b:1", "oci:out:quay.io/a/b:1"),
            ("oci:out", "oci:in:1", "oci:out:1"),
            ("oci:out:t", "alpine:3", "oci:out:t"),
            ("oci:out/{name}:t", "alpine:3", "oci:out/alpine:t"),
            ("r.test/{name}", "alpine:3", "r.test/alpine:3"),
        ] {
            let source = ImageReference::parse(source).unwrap();
            let made = super::target_among_others(template, &source, None).map(|(target, _)| target.to_string());
            assert_eq!(made.as_deref(), Ok(whole), "{template} of {source}");
        }
    }

    #[test]
    fn upper_case_in_a_target_is_lowered_with_a_notice() {
        assert_eq!(expanded("ghcr.io/ACME/X:V1", "alpine"), Ok(("ghcr.io/acme/x:V1".to_owned(), 1)));
        assert_eq!(expanded("ghcr.io/x/{name}-{tag}:1", "app:RC"), Ok(("ghcr.io/x/app-rc:1".to_owned(), 1)));
    }

    #[test]
    fn each_kind_of_bad_target_gets_its_own_sentence() {
        let by_digest = format!("alpine@{DIGEST}");
        let with_digest = format!("ghcr.io/a/b@{DIGEST}");
        for (template, source, part) in [
            ("ghcr.io/{user}/x", "alpine", "`{user}` is not a placeholder; there are {owner}"),
            ("ghcr.io/{owner/x", "alpine", "a `{` without `}`"),
            ("ghcr.io/owner}/x", "alpine", "a `{` without `}`"),
            ("ghcr.io/{own{er}/x", "alpine", "a `{` inside `{`"),
            (with_digest.as_str(), "alpine", "names a digest"),
            ("ghcr.io/a/b:{tag}", by_digest.as_str(), "`{tag}` has no value"),
            (DEFAULT, "oci:in:1", "`{registry}` has no value for a source in a directory; write the target out"),
            ("{registry}/{repository}", "oci:in:quay.io/a/b:1", "is not to choose the registry that is written to"),
            ("ghcr.io/a/b", "oci:in", "write one, `ghcr.io/a/b:TAG`"),
            ("ghcr.io/a/b", "oci:in", "neither has `oci:in`"),
            ("https://ghcr.io/a/b", "alpine", "write only `ghcr.io/a/b`"),
        ] {
            let problem = expanded(template, source).expect_err(template);
            assert!(problem.contains(part), "{template}: {problem}");
        }
    }

    #[test]
    fn the_owner_needs_project() {
        let source = ImageReference::parse("alpine").unwrap();
        for repository in [None, Some("acme")] {
            let problem = target("ghcr.io/{owner}/{name}", &source, repository).unwrap_err();
            assert!(problem.contains("GITHUB_REPOSITORY"), "{problem}");
        }
    }
}
