//! Mirrors to read from: the rules, and from a reference to the places where it may be read.
//!
//! Owns the grammar of `registry-mirrors` and of the buildpacks' `CNB_REGISTRY_MIRRORS` (a superset of that proposal and
//! of kaniko's `KANIKO_REGISTRY_MAP`), and the choice of candidates. Pure: contacts nothing, reads no environment. Never
//! repeats a credential that somebody wrote into a rule.
//!
//! ```text
//! rules  = rule *( (";" | newline) rule )          ; a line that begins with "#" is a comment
//! rule   = key "=" mirror *( "," mirror )
//! key    = host[":" port]["/" path] | "*." domain | "*"
//! mirror = ["https://" | "http://"] host[":" port]["/" path]["/"]
//! ```
//!
//! One rule counts for a reference: that with the longest key which is a prefix at a path boundary, else the longest
//! `*.domain`, else `*`. (pack lets `*` beat a named registry; containerd, k3s and registries.conf do as we do.)

use std::fmt;

use crate::error::Error;
use crate::http::address;
use crate::oci::reference::{Reference, canonical_host};
use crate::oci::vendor::full_name;
use crate::text::blank::trimmed;
use crate::text::choice::Choice;
use crate::text::quote::quote;

/// The input.
const INPUT: &str = "registry-mirrors";

/// The buildpacks' variable (buildpacks/rfcs#285).
pub const CNB_REGISTRY_MIRRORS: &str = "CNB_REGISTRY_MIRRORS";

/// How a rule is written, for sentences.
const SHAPE: &str = "write `REGISTRY[/PATH] = HOST[:PORT][/PATH], …`";

/// The longest repository name that clients accept (distribution/reference, `NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;

/// Whom to believe about a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// A mirror, if the original agrees or cannot be asked.
    #[default]
    Verify,
    /// The first place that answers.
    First,
    /// The original alone; mirrors only deliver by digest.
    Origin,
}

impl Choice for Tags {
    const ALL: &'static [(&'static str, Self)] =
        &[("verify", Self::Verify), ("first", Self::First), ("origin", Self::Origin)];
}

/// What comes after the mirrors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// The registry that the reference names.
    #[default]
    Original,
    /// Nothing.
    Never,
}

impl Choice for Fallback {
    const ALL: &'static [(&'static str, Self)] = &[("original", Self::Original), ("never", Self::Never)];
}

/// All rules of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    key: Key,
    mirrors: Vec<Mirror>,
    origin: &'static str,
}

/// What a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// A registry, and the path below which the rule counts; an empty path is all of it.
    Path { host: String, path: String },
    /// Every registry below a domain.
    Domain(String),
    /// Every registry that has no rule of its own.
    Any,
}

/// Where a rule leads: a host and the path that repositories are below.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    host: String,
    path: String,
}

/// Where a reference may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The mirrors, in the order in which they are asked. Tag and digest are the reference's own.
    pub mirrors: Vec<Reference>,
    /// Whether the reference itself is asked, last.
    pub original: bool,
    /// What the user should know, a sentence each.
    pub notices: Vec<String>,
}

impl Rules {
    /// Reads the input and the variable. The input wins for each key; `none` as input switches the variable off.
    ///
    /// `insecure` are the hosts for which `http://` may be written besides loopback ones.
    pub fn read(input: Option<&str>, variable: Option<&str>, insecure: &[String]) -> Result<Self, Error> {
        let mut rules = Self::default();
        match input.map(str::trim) {
            Some("none") => return Ok(rules),
            Some(text) => rules.add(text, INPUT, insecure)?,
            None => {}
        }
        if let Some(text) = variable {
            let mut further = Self::default();
            further.add(text, CNB_REGISTRY_MIRRORS, insecure)?;
            for rule in further.0 {
                if !rules.0.iter().any(|known| known.key == rule.key) {
                    rules.0.push(rule);
                }
            }
        }
        Ok(rules)
    }

    /// The rules as a person reads them, and where each came from; a line each.
    pub fn describe(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|rule| {
                let mirrors: Vec<String> = rule.mirrors.iter().map(ToString::to_string).collect();
                format!("mirrors of {} ({}): {}", rule.key, rule.origin, mirrors.join(", "))
            })
            .collect()
    }

    fn add(&mut self, text: &str, origin: &'static str, insecure: &[String]) -> Result<(), Error> {
        let lines = text.lines().map(trimmed).filter(|line| !line.starts_with('#'));
        let rules = lines.flat_map(|line| line.split(';')).map(str::trim).filter(|rule| !rule.is_empty());
        let rules: Vec<&str> = rules.collect();
        // What stands before an `@` may be a password, with any separator in it: no part of such a text is quoted.
        if let Some(number) = rules.iter().position(|rule| rule.contains('@')) {
            let problem =
                "has an `@`; leave user name, password and digest out, and give credentials by `registry-auth`";
            return Err(Error::input(origin, format!("rule {} {problem}", number + 1)));
        }
        for (number, text) in rules.into_iter().enumerate() {
            let (key, mirrors) = parse_rule(text, insecure).map_err(|problem| {
                Error::input(origin, format!("rule {} (`{}`) {problem}", number + 1, quote(text)))
            })?;
            // A key that is written twice has the mirrors of both lines, as kaniko has it.
            let index = self.0.iter().position(|rule| rule.key == key).unwrap_or_else(|| {
                self.0.push(Rule { key, mirrors: Vec::new(), origin });
                self.0.len() - 1
            });
            let Some(rule) = self.0.get_mut(index) else { continue };
            for mirror in mirrors {
                if !rule.mirrors.contains(&mirror) {
                    rule.mirrors.push(mirror);
                }
            }
        }
        Ok(())
    }

    /// Where `reference` may be read when it is copied to `target`.
    ///
    /// A mirror that is the target itself is no candidate: a job that exports its own mirror as `CNB_REGISTRY_MIRRORS`
    /// would read its old copy, write it back and never update. Fails when nothing is left to read from.
    pub fn candidates(
        &self,
        reference: &Reference,
        target: Option<&Reference>,
        fallback: Fallback,
    ) -> Result<Candidates, Error> {
        let name = reference.name();
        let mut found = Candidates { original: true, ..Candidates::default() };
        let Some((rule, rest)) = self.rule(reference) else { return Ok(found) };
        let mut lives_there = false;
        for mirror in &rule.mirrors {
            if mirror.holds(&name) {
                // Mirrors have no mirrors: what lives under one is read there.
                lives_there = true;
                continue;
            }
            let repository = [mirror.path.as_str(), rest].join("/");
            let repository = full_name(&mirror.host, repository.trim_matches('/'));
            if repository.is_empty() {
                found
                    .notices
                    .push(format!("the mirror {mirror} of {} is left out: no repository would remain", rule.key));
                continue;
            }
            if mirror.host.len() + 1 + repository.len() > LONGEST_NAME {
                found
                    .notices
                    .push(format!("the mirror {mirror} of {} is left out: names there get too long", rule.key));
                continue;
            }
            let candidate = reference.relocated(&mirror.host, &repository);
            if target.is_some_and(|target| target.name() == candidate.name()) {
                found.notices.push(format!(
                    "the mirror {mirror} is left out: {} is where the copy goes, and would be read instead of updated",
                    candidate.name()
                ));
            } else if candidate.name() != name && !found.mirrors.contains(&candidate) {
                found.mirrors.push(candidate);
            }
        }
        found.original = fallback == Fallback::Original || lives_there;
        if found.mirrors.is_empty() && !found.original {
            return Err(Error::input(
                "mirror-fallback",
                format!("is `never`, and no mirror is left to read {reference} from: {}", found.notices.join("; ")),
            ));
        }
        Ok(found)
    }

    /// The one rule for `reference`, and the repository below the rule's key.
    fn rule<'a>(&'a self, reference: &'a Reference) -> Option<(&'a Rule, &'a str)> {
        let fitting = self.0.iter().filter_map(|rule| Some((rule, rule.key.below(reference)?)));
        fitting.max_by_key(|(rule, _)| rule.key.weight())
    }
}

impl Key {
    /// The rest of the reference's repository, where this key is for it.
    fn below<'a>(&self, reference: &'a Reference) -> Option<&'a str> {
        let repository = reference.repository();
        match self {
            Self::Path { host, path } if host == reference.registry() => {
                let rest = repository.strip_prefix(path.as_str())?;
                if path.is_empty() || rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
            }
            Self::Path { .. } => None,
            Self::Domain(domain) => {
                let label = reference.registry().strip_suffix(domain.as_str())?.strip_suffix('.')?;
                (!label.is_empty()).then_some(repository)
            }
            Self::Any => Some(repository),
        }
    }

    /// The more exact key is the heavier one.
    fn weight(&self) -> (u8, usize) {
        match self {
            Self::Path { host, path } => (2, host.len() + path.len()),
            Self::Domain(domain) => (1, domain.len()),
            Self::Any => (0, 0),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { host, path } if path.is_empty() => f.write_str(host),
            Self::Path { host, path } => write!(f, "{host}/{path}"),
            Self::Domain(domain) => write!(f, "*.{domain}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl Mirror {
    /// Whether the repository `name`, with its registry, lies below this mirror.
    fn holds(&self, name: &str) -> bool {
        name.strip_prefix(&self.to_string()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

fn parse_rule(text: &str, insecure: &[String]) -> Result<(Key, Vec<Mirror>), String> {
    let Some((key, mirrors)) = text.split_once('=') else { return Err(format!("has no `=`; {SHAPE}")) };
    let key = parse_key(key.trim())?;
    let mirrors: Vec<&str> = mirrors.split(',').map(str::trim).filter(|mirror| !mirror.is_empty()).collect();
    if mirrors.is_empty() {
        return Err(format!("names no mirror after the `=`; {SHAPE}"));
    }
    let mirrors: Result<Vec<Mirror>, String> = mirrors.into_iter().map(|text| parse_mirror(text, insecure)).collect();
    Ok((key, mirrors?))
}

fn parse_key(text: &str) -> Result<Key, String> {
    if text.is_empty() {
        return Err(format!("names no registry before the `=`; {SHAPE}"));
    }
    if text == "*" {
        return Ok(Key::Any);
    }
    if text.contains("://") {
        return Err("has a scheme before the `=`; a registry is named there without one".to_owned());
    }
    if let Some(domain) = text.strip_prefix("*.") {
        let domain = domain.to_ascii_lowercase();
        check_host(&domain)?;
        return Ok(Key::Domain(domain));
    }
    let (host, path) = split_path(text);
    check_host(host)?;
    check_path(path)?;
    Ok(Key::Path { host: canonical_host(host), path: path.to_owned() })
}

fn parse_mirror(text: &str, insecure: &[String]) -> Result<Mirror, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme @ ("https" | "http"), rest)) => (scheme, rest),
        Some(_) => return Err("has a mirror that is neither https nor http".to_owned()),
        None => ("https", text),
    };
    let (host, path) = split_path(rest);
    check_host(host)?;
    check_path(path)?;
    let mirror = Mirror { host: canonical_host(host), path: path.to_owned() };
    if scheme == "http" && !address::is_plain_http(&mirror.host, insecure) {
        return Err(format!(
            "has an `http://` mirror; write `https://`, or name `{}` in `insecure-registries`",
            quote(&mirror.host)
        ));
    }
    Ok(mirror)
}

/// Host and path, slashes at the end left out.
fn split_path(text: &str) -> (&str, &str) {
    let text = text.trim_end_matches('/');
    text.split_once('/').unwrap_or((text, ""))
}

/// A host may stand without a dot here, where it cannot be taken for a path: `m1:5000`.
fn check_host(host: &str) -> Result<(), String> {
    let problem = || format!("has `{}`, which is not a host; {SHAPE}", quote(host));
    if host.starts_with('[') {
        // The reference's parser knows IPv6 addresses.
        return Reference::parse(&format!("{host}/x")).map(|_| ()).map_err(|_| problem());
    }
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(good) && !label.starts_with('-') && !label.ends_with('-')
    };
    let port_is_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if name.split('.').all(label) && port_is_good { Ok(()) } else { Err(problem()) }
}

/// A part of a repository's name: no tag, no digest, no query, no upper case.
fn check_path(path: &str) -> Result<(), String> {
    // The reference's parser is the judge of what a repository may hold.
    let is_repository =
        |path: &str| Reference::parse(&format!("host.invalid/{path}")).is_ok_and(|probe| probe.repository() == path);
    if path.is_empty() || is_repository(path) {
        return Ok(());
    }
    let lower = path.to_ascii_lowercase();
    if lower != path && is_repository(&lower) {
        return Err(format!("has upper case in a path, `{}`; registries accept only `{}`", quote(path), quote(&lower)));
    }
    Err(format!("has `{}`, which is not a path of repositories; leave tag, digest and query out", quote(path)))
}

#[cfg(test)]
mod tests {
    use super::{Fallback, Rules};
    use crate::error::Error;
    use crate::oci::reference::Reference;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    const RFC: &str = "docker.io=https://docker.mirror.example.com;quay.io=https://quay.mirror.example.com";

    const QUAY: &str = "quay.io=q.example;quay.io/org=o.example/p";

    fn rules(text: &str) -> Result<Rules, Error> {
        Rules::read(Some(text), None, &[])
    }

    /// The candidates' names in order; `original` stands for the reference itself.
    fn candidates(reference: &str, text: &str, target: Option<&str>) -> Vec<String> {
        let reference = Reference::parse(reference).unwrap();
        let target = target.map(|target| Reference::parse(target).unwrap());
        let found = rules(text).unwrap().candidates(&reference, target.as_ref(), Fallback::Original).unwrap();
        let mut names: Vec<String> = found.mirrors.iter().map(ToString::to_string).collect();
        names.extend(found.original.then(|| "original".to_owned()));
        names
    }

    /// One mirror's name for a reference, or `unchanged`.
    fn translated(reference: &str, text: &str) -> String {
        match candidates(reference, text, None).as_slice() {
            [mirror, _] => mirror.clone(),
            _ => "unchanged".to_owned(),
        }
    }

    #[test]
    fn our_own_vectors() {
        let digested = format!("registry-1.docker.io/a/b@{DIGEST}");
        let (one, two) = (format!("m1/a/b@{DIGEST}"), format!("m2/a/b@{DIGEST}"));
        for (reference, text, expected) in [
            ("public/stack:run-image", RFC, &["docker.mirror.example.com/public/stack:run-image", "original"][..]),
            ("quay.io/public/stack:run-image", RFC, &["quay.mirror.example.com/public/stack:run-image", "original"]),
            ("alpine", "docker.io=https://m.example", &["m.example/library/alpine:latest", "original"]),
            (
                "docker.io/library/alpine:3.20",
                "index.docker.io=m.example/hub",
                &["m.example/hub/library/alpine:3.20", "original"],
            ),
            (&digested, "docker.io=m1;docker.io=m2", &[&one, &two, "original"]),
            ("quay.io/org/x:1", QUAY, &["o.example/p/x:1", "original"]),
            ("quay.io/organic/x:1", QUAY, &["q.example/organic/x:1", "original"]),
            ("alpine:3.20", "docker.io/library/alpine=ghcr.io/o/r/alpine", &["ghcr.io/o/r/alpine:3.20", "original"]),
            ("gcr.io/x/y:1", "*=c.example:5000", &["c.example:5000/x/y:1", "original"]),
            ("c.example:5000/x/y:1", "*=c.example:5000", &["original"]),
            // pack takes 10.0.0.2: there `*` beats a registry's own rule.
            (
                "index.docker.io/my/buildpack:0.1",
                "docker.io=10.0.0.1;*=10.0.0.2",
                &["10.0.0.1/my/buildpack:0.1", "original"],
            ),
            ("ghcr.io/o/r/docker.io/library/alpine:3.20", "*=ghcr.io/o/r/docker.io", &["original"]),
        ] {
            assert_eq!(candidates(reference, text, None), expected, "{reference} with {text}");
        }
        let target = Some("ghcr.io/o/r/docker.io/library/alpine:3.20");
        assert_eq!(candidates("alpine:3.20", "docker.io=ghcr.io/o/r/docker.io", target), ["original"], "a self-mirror");
        // Another tag of the same repository is no better: the repository is what the job writes.
        assert_eq!(candidates("alpine:3.19", "docker.io=ghcr.io/o/r/docker.io", target), ["original"]);
    }

    #[test]
    fn the_vectors_of_pack() {
        let digest = format!("buildpack/bp@{DIGEST}");
        let mirrored = format!("myregistry.com/buildpack/bp@{DIGEST}");
        for (reference, text, expected) in [
            ("index.docker.io/my/buildpack:0.1", "", "unchanged"),
            ("index.docker.io/my/buildpack:0.1", "us.gcr.io=10.0.0.1", "unchanged"),
            ("index.docker.io/my/buildpack:0.1", "index.docker.io=10.0.0.1", "10.0.0.1/my/buildpack:0.1"),
            // pack: 10.0.0.2. A rule of its own is what the user meant for this registry.
            ("index.docker.io/my/buildpack:0.1", "index.docker.io=10.0.0.1;*=10.0.0.2", "10.0.0.1/my/buildpack:0.1"),
            (&digest, "index.docker.io=myregistry.com", &mirrored),
            ("default/run", "index.docker.io=10.0.0.1", "10.0.0.1/default/run:latest"),
            ("alpine", "index.docker.io=ghcr.io/o/r/docker.io", "ghcr.io/o/r/docker.io/library/alpine:latest"),
            // pack: unchanged for both, because it looks up only `index.docker.io`. They are one registry.
            ("docker.io/alpine:3.20", "docker.io=m.example", "m.example/library/alpine:3.20"),
            ("registry-1.docker.io/library/alpine:3.20", "index.docker.io=m.example", "m.example/library/alpine:3.20"),
            // pack, translating twice: `nexus.example/mirror/mirror/…`.
            ("nexus.example/mirror/library/alpine:1", "*=nexus.example/mirror", "unchanged"),
        ] {
            assert_eq!(translated(reference, text), expected, "{reference} with {text}");
        }
    }

    #[test]
    fn the_vectors_of_kaniko() {
        for (repository, prefix, expected) in [
            ("debian", "", "newreg.io/library/debian"),
            ("library/debian", "", "newreg.io/library/debian"),
            ("docker.io/debian", "", "newreg.io/library/debian"),
            ("index.docker.io/debian", "", "newreg.io/library/debian"),
            ("oldreg.io/debian", "", "newreg.io/debian"),
            ("namespace/debian", "", "newreg.io/namespace/debian"),
            ("debian", "subdir1/subdir2/", "newreg.io/subdir1/subdir2/library/debian"),
            ("library/debian", "subdir1/subdir2/", "newreg.io/subdir1/subdir2/library/debian"),
            ("namespace/debian", "subdir1/subdir2/", "newreg.io/subdir1/subdir2/namespace/debian"),
        ] {
            let text = format!("docker.io=newreg.io/{prefix};oldreg.io=newreg.io/{prefix}");
            assert_eq!(translated(repository, &text), format!("{expected}:latest"), "{repository} {prefix}");
        }
        // `parseRegistryMapping`: a slash at the end says nothing.
        for (mirror, base) in [
            ("registry.example.com/subdir", "registry.example.com/subdir"),
            ("registry.example.com/subdir/", "registry.example.com/subdir"),
            ("registry.example.com/subdir1/subdir2", "registry.example.com/subdir1/subdir2"),
            ("registry.example.com", "registry.example.com"),
            ("registry.example.com/", "registry.example.com"),
            // kaniko cuts the scheme at its first slash and takes `https:` for the host.
            ("https://registry.example.com/subdir", "registry.example.com/subdir"),
        ] {
            assert_eq!(translated("old.io/a:1", &format!("old.io={mirror}")), format!("{base}/a:1"), "{mirror}");
        }
        // kaniko's flag refuses a `;` at the end and drops the whole variable for one; here it says nothing.
        assert_eq!(rules("a=x;").unwrap(), rules("a=x").unwrap());
    }

    #[test]
    fn the_vectors_of_containers_image() {
        let digested = format!("example.com/foo@{DIGEST}");
        let moved = format!("m.example/foo@{DIGEST}");
        // Prefixes.
        for (key, reference, expected) in [
            ("example.com", "example.com/foo:latest", "m.example/foo:latest"),
            ("example.com", "example.com/foo/bar:baz", "m.example/foo/bar:baz"),
            ("example.com", &digested, &moved),
            // containers/image matches it, "unintended, don't rely on"; another port is another registry.
            ("example.com", "example.com:5000/foo:1", "unchanged"),
            ("example.com:5000", "example.com:50000/foo:1", "unchanged"),
            ("docker.io/library", "docker.io/library/busybox:1", "m.example/busybox:1"),
            ("docker.io/library", "example.com/library/x:1", "unchanged"),
            ("docker.io/library", "docker.io/libraryy/x:1", "unchanged"),
            ("docker.io/library/busybox", "docker.io/library/busybox2:1", "unchanged"),
            ("*.example.com", "sub.example.com/foo/bar:1", "m.example/foo/bar:1"),
            ("*.com", "sub.example.com/foo/bar:1", "m.example/foo/bar:1"),
            ("*.another.example.com", "yet.another.example.com/foo:1", "m.example/foo:1"),
            ("*.example.com", "example.com/foo:1", "unchanged"),
            ("*.namespace.com", "another.example.com/namespace.com/foo:1", "unchanged"),
            // containers/image: never.
            ("*", "example.com/foo:1", "m.example/foo:1"),
        ] {
            assert_eq!(translated(reference, &format!("{key}=m.example")), expected, "{key} {reference}");
        }
        assert!(rules("**.example.com=m.example").is_err());
        // Rewrites.
        for (reference, key, location, expected) in [
            ("docker.io/library/image:1", "docker.io", "example.com", "example.com/library/image:1"),
            ("docker.io/library/image:1", "docker.io/library", "example.com", "example.com/image:1"),
            ("docker.io/library/prefix/image:1", "docker.io/library/prefix", "example.com", "example.com/image:1"),
            ("example.com/foo/image:latest", "example.com/foo", "example.com/path", "example.com/path/image:latest"),
            (
                "registry.redhat.io/product/repo:1",
                "*.redhat.io",
                "mirror.local/redhat",
                "mirror.local/redhat/product/repo:1",
            ),
        ] {
            assert_eq!(translated(reference, &format!("{key}={location}")), expected, "{reference} {key}");
        }
        // containers/image: an error; here the other candidates remain, and a notice.
        let reference = Reference::parse(&digested).unwrap();
        let found =
            rules("example.com/foo=mirror.example").unwrap().candidates(&reference, None, Fallback::Original).unwrap();
        assert!(found.mirrors.is_empty() && found.notices[0].contains("no repository would remain"), "{found:?}");
        // Locations.
        for (written, same) in [("example.com/", "example.com"), ("example.com//////", "example.com")] {
            assert_eq!(rules(&format!("{written}={written}")).unwrap(), rules(&format!("{same}={same}")).unwrap());
        }
        assert!(rules("https://example.com=m.example").unwrap_err().to_string().contains("scheme"));
        assert_eq!(translated("a.io/x:1", "a.io=example.com:5000/with/path"), "example.com:5000/with/path/x:1");
        // BuildKit's spellings of a mirror.
        assert_eq!(
            translated("hub.io/x:1", "hub.io=yourmirror.local:5000/proxy.docker.io"),
            "yourmirror.local:5000/proxy.docker.io/x:1"
        );
        assert_eq!(translated("hub.io/x:1", "hub.io=https://url/path/"), "url/path/x:1");
    }

    /// `BestRunImageMirrorFor` of buildpacks/lifecycle: the first that parses, is readable and on the app's registry;
    /// else the first that is readable.
    fn run_image(app: &str, images: &[&'static str], readable: bool) -> Option<&'static str> {
        let parsed = images.iter().filter_map(|image| Some((*image, Reference::parse(image).ok()?)));
        let left: Vec<(&str, Reference)> = parsed.filter(|_| readable).collect();
        let app = Reference::parse(&format!("{app}/app")).unwrap();
        let same = left.iter().find(|(_, image)| image.registry() == app.registry());
        same.or(left.first()).map(|(image, _)| *image)
    }

    /// buildpacks/lifecycle, `platform/run_image_test.go`. The run image is chosen without looking at the mirrors, which
    /// are a late override of the choice (RFC 285): the choice stays the same, and then our candidates are asked.
    #[test]
    fn the_run_images_of_the_lifecycle() {
        let images = ["first.com/org/repo", "myorg/myrepo", "zonal.gcr.io/org/repo", "gcr.io/org/repo"];
        let rules = "docker.io=hub.example;gcr.io=gcr.example";
        for (app, chosen, read_at) in [
            ("index.docker.io", "myorg/myrepo", "hub.example/myorg/myrepo:latest"),
            ("gcr.io", "gcr.io/org/repo", "gcr.example/org/repo:latest"),
            // A rule for gcr.io is none for another registry that ends the same.
            ("zonal.gcr.io", "zonal.gcr.io/org/repo", "unchanged"),
            ("missingzone.gcr.io", "first.com/org/repo", "unchanged"),
        ] {
            assert_eq!(run_image(app, &images, true), Some(chosen), "{app}");
            assert_eq!(translated(chosen, rules), read_at, "{chosen}");
        }
        let skipped = run_image("gcr.io", &["as@ohd@as@op", "gcr.io/org/repo"], true);
        assert_eq!(skipped, Some("gcr.io/org/repo"), "what cannot be parsed is skipped");
        assert_eq!(run_image("gcr.io", &images, false), None, "none readable is an error");
        // RFC 285's own example: the mirror of whichever of the two was chosen.
        for (chosen, read_at) in [
            ("public/stack:run-image", "docker.mirror.example.com/public/stack:run-image"),
            ("quay.io/public/stack:run-image", "quay.mirror.example.com/public/stack:run-image"),
        ] {
            assert_eq!(translated(chosen, RFC), read_at);
        }
    }

    #[test]
    fn rules_that_cannot_be_read() {
        for (text, sentence) in [
            ("docker.io", "rule 1 (`docker.io`) has no `=`"),
            ("a=x;=x", "rule 2 (`=x`) names no registry"),
            ("a=", "rule 1 (`a=`) names no mirror"),
            ("a=,", "names no mirror"),
            ("a=ftp://x", "neither https nor http"),
            ("a=x:tag/", "`x:tag`, which is not a host"),
            ("a=https://u:hunter2@x", "rule 1 has an `@`"),
            ("u:hunter2@a=x", "rule 1 has an `@`"),
            ("a=https://u:hun=ter,2@x;b", "rule 1 has an `@`"),
            ("a=https://u:hunter2;hunter2@x", "rule 2 has an `@`"),
            ("a=http://m.example", "`insecure-registries`"),
            ("a=m.example/Upper", "registries accept only `upper`"),
            ("a=m.example/x:1", "not a path of repositories"),
            ("a=m.example/x?y=z", "not a path of repositories"),
            ("a=m.example/x#y", "not a path of repositories"),
            ("*x=m", "`*x`, which is not a host"),
            ("a=m..example", "not a host"),
            ("a=m:0", "not a host"),
            ("a=m\u{1b}[2J", "not a host"),
        ] {
            let error = rules(text).unwrap_err();
            let words = error.to_string();
            assert!(error.is_input() && words.contains(sentence), "{text}: {words}");
            assert!(!words.contains("hunter2") && !words.contains('\u{1b}') && !words.contains('\n'), "{words}");
        }
    }

    #[test]
    fn spellings_that_say_the_same() {
        let plain = rules("a=x").unwrap();
        for text in ["a=x;", ";;a=x", " a = x ", "# b=y\na=x\n", "a=https://x/", "A=X", "a=x,x", "a=x;a=x"] {
            assert_eq!(rules(text).unwrap(), plain, "{text:?}");
        }
        assert!(rules("a=http://127.0.0.1:5000").is_ok() && rules("a=http://[::1]:5000/x").is_ok());
        assert!(Rules::read(Some("a=http://m.example"), None, &["m.example".to_owned()]).is_ok());
    }

    #[test]
    fn the_input_wins_for_each_key() {
        let read = |input, variable| Rules::read(input, variable, &[]).unwrap().describe();
        assert_eq!(
            read(Some("docker.io=m1"), Some("index.docker.io=m2;quay.io=m3")),
            ["mirrors of docker.io (registry-mirrors): m1", "mirrors of quay.io (CNB_REGISTRY_MIRRORS): m3"]
        );
        assert!(read(Some("none"), Some("quay.io=m3")).is_empty());
        assert!(Rules::read(None, Some("x"), &[]).unwrap_err().to_string().contains("input `CNB_REGISTRY_MIRRORS`"));
    }

    #[test]
    fn without_a_fallback_the_original_is_not_asked() {
        let reference = Reference::parse("docker.io/a/b:1").unwrap();
        let rules = rules("docker.io=m.example").unwrap();
        let never = |target: Option<&Reference>| rules.candidates(&reference, target, Fallback::Never);
        assert!(!never(None).unwrap().original);
        let target = Reference::parse("m.example/a/b:1").unwrap();
        assert!(never(Some(&target)).unwrap_err().is_input());
        // A registry without a rule has no mirror to be read from instead.
        let other = Reference::parse("quay.io/a/b:1").unwrap();
        assert!(rules.candidates(&other, None, Fallback::Never).unwrap().original);
        // What lives on the mirror is read there.
        let there = Reference::parse("m.example/docker.io/x:1").unwrap();
        let any = crate::store::mirrors::rules::Rules::read(Some("*=m.example/docker.io"), None, &[]).unwrap();
        assert!(any.candidates(&there, None, Fallback::Never).unwrap().original);
    }

    proptest::proptest! {
        /// The original is always last, nothing is asked twice, the target is never read, and tag and digest stay.
        #[test]
        fn candidates_keep_what_they_must(
            host in "(docker\\.io|quay\\.io|a\\.example:5000)",
            repository in "[a-z]{1,4}(/[a-z]{1,4}){0,2}",
            keys in proptest::collection::vec("(docker\\.io|quay\\.io|\\*|quay\\.io/[a-z]{1,2})=[a-z]{1,2}\\.example(/[a-z]{1,2})?", 0..5),
        ) {
            let reference = Reference::parse(&format!("{host}/{repository}:1")).unwrap();
            let rules = Rules::read(Some(&keys.join(";")), None, &[]).unwrap();
            let all = rules.candidates(&reference, None, Fallback::Original).unwrap();
            proptest::prop_assert!(all.original);
            for (index, mirror) in all.mirrors.iter().enumerate() {
                proptest::prop_assert!(mirror.tag() == Some("1") && mirror.name() != reference.name());
                proptest::prop_assert!(!all.mirrors[..index].contains(mirror));
                let without = rules.candidates(&reference, Some(mirror), Fallback::Original).unwrap();
                proptest::prop_assert!(!without.mirrors.iter().any(|other| other.name() == mirror.name()));
            }
        }

        /// No text makes it panic, and no sentence about it has a line break.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            if let Err(error) = rules(&text) {
                proptest::prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
