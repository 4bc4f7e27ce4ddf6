//! References: the names of images, in a registry or in a directory.
//!
//! Owns parsing, spelling out and the sentences about what is wrong with a name. Never guesses which host was meant:
//! a name that would silently become another image on Docker Hub is refused. Never prints what stands before an `@`
//! that is not a digest's, because it may be a password.
//!
//! What is read is kept as one text: `oci_client::Reference` is five strings, and a run of ten thousand images holds twenty
//! thousand. Nor is its parser used: it has no sentences, and compiles a regular expression, which takes longer than to find
//! out that an image has not changed. A test holds the two together.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use crate::oci::digest::Digest;
use crate::oci::name::{is_component, is_host, is_host_name};
use crate::oci::vendor::{DOCKER_HUB, Vendor, full_name};
use crate::text::quote::quote;

/// The tag that is meant when neither tag nor digest is written.
const DEFAULT_TAG: &str = "latest";

/// The longest name of a repository, `library/` included (distribution/reference, `RepositoryNameTotalLengthMax`).
const LONGEST_REPOSITORY: usize = 255;

/// How a reference is written, for sentences.
const SHAPE: &str = "write `[registry/]repository[:tag][@digest]`";

/// An image in a registry, fully spelled: `alpine` is `docker.io/library/alpine:latest`.
///
/// Two references are equal when they name the same thing, however they were typed. A run of ten thousand images names each in
/// its plan, its job and its report: they share one.
#[derive(Clone, Debug)]
pub struct Reference(Arc<Named>);

#[derive(Debug)]
struct Named {
    /// `registry/repository[:tag][@digest]`, with the default tag where neither tag nor digest was written.
    text: Box<str>,
    /// Where in it the registry ends.
    registry: u32,
    /// Where the repository ends.
    repository: u32,
    /// Where the tag ends; where the repository does, if there is none.
    tag: u32,
    digest: Option<Digest>,
    has_explicit_tag: bool,
}

impl Named {
    /// The part of the text between two of its ends.
    fn part(&self, start: u32, end: u32) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl Reference {
    /// Reads a reference; fails with one sentence that says how to mend it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let parts = Parts::split(text)?;
        parts.refuse_missing_repository(text)?;
        parts.refuse_upper_case()?;
        if parts.repository.contains(':') {
            return Err(format!("`{}` has more than one tag; write `REPOSITORY:TAG`", quote(text)));
        }
        // A host with `_`, which DNS does not know and some networks do, passes where it could be a component.
        if !((is_host_name(&parts.host) || is_component(&parts.host)) && parts.repository.split('/').all(is_component))
        {
            return Err(format!(
                "`{}` is not an image reference; {SHAPE}, where a repository may hold a-z, 0-9 and, between them, `.`, \
                 `_`, `-` and `/`",
                quote(text)
            ));
        }
        let registry = if parts.host.is_empty() { DOCKER_HUB.to_owned() } else { canonical_host(&parts.host) };
        let repository = full_name(&registry, parts.repository);
        if repository.len() > LONGEST_REPOSITORY {
            return Err(format!(
                "the repository of `{}` is longer than {LONGEST_REPOSITORY} characters; shorten it",
                quote(text)
            ));
        }
        Ok(Self::new(&registry, &repository, parts.tag, parts.digest))
    }

    fn new(registry: &str, repository: &str, tag: Option<&str>, digest: Option<Digest>) -> Self {
        let has_explicit_tag = tag.is_some();
        let tag = tag.or(digest.is_none().then_some(DEFAULT_TAG));
        let mut text = format!("{registry}/{repository}");
        let end = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let (registry, repository) = (end(registry), end(&text));
        // A text takes no note of failures.
        let _ = write_suffix(&mut text, tag, None);
        let tag = end(&text);
        let _ = write_suffix(&mut text, None, digest.as_ref());
        Self(Arc::new(Named { text: text.into(), registry, repository, tag, digest, has_explicit_tag }))
    }

    /// The same tag and digest, as they were written, in another repository, whose parts were checked before: where a mirror
    /// has it.
    #[must_use]
    pub(crate) fn relocated(&self, registry: &str, repository: &str) -> Self {
        let tag = self.tag().filter(|_| self.0.has_explicit_tag);
        Self::new(registry, repository, tag, self.0.digest.clone())
    }

    fn here(&self, tag: Option<&str>, digest: Option<Digest>) -> Self {
        Self::new(self.registry(), self.repository(), tag, digest)
    }

    /// The registry's host and port: `docker.io`, `ghcr.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        self.0.part(0, self.0.registry)
    }

    /// The repository: `library/alpine`.
    pub fn repository(&self) -> &str {
        self.0.part(self.0.registry + 1, self.0.repository)
    }

    /// The tag; `latest` when neither tag nor digest was written, nothing when only a digest was.
    pub fn tag(&self) -> Option<&str> {
        Some(self.0.part(self.0.repository + 1, self.0.tag)).filter(|tag| !tag.is_empty())
    }

    /// Whether a tag was written.
    pub fn has_explicit_tag(&self) -> bool {
        self.0.has_explicit_tag
    }

    /// The digest, where one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.0.digest.as_ref()
    }

    /// All but the registry, from the slash on: `/library/alpine:3.20`.
    pub(crate) fn path(&self) -> &str {
        self.0.text.get(self.0.registry as usize..).unwrap_or_default()
    }

    /// Registry and repository, without tag and digest: `docker.io/library/alpine`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry(), self.repository())
    }

    /// The repository without its last component: `library`; empty when there is only one.
    pub fn namespace(&self) -> &str {
        self.repository().rsplit_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The repository's last component: `alpine`.
    pub fn base_name(&self) -> &str {
        self.repository().rsplit_once('/').map_or(self.repository(), |(_, name)| name)
    }

    /// The same repository with this tag and no digest.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        self.here(Some(tag), None)
    }

    /// The same repository with this digest and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        self.here(None, Some(digest))
    }

    /// The same reference, its tag kept, with this digest: how a result is reported.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        self.here(self.tag(), Some(digest))
    }

    /// The repository alone.
    fn untagged(&self) -> Self {
        self.here(None, None)
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

fn write_suffix(f: &mut impl fmt::Write, tag: Option<&str>, digest: Option<&Digest>) -> fmt::Result {
    if let Some(tag) = tag {
        write!(f, ":{tag}")?;
    }
    if let Some(digest) = digest {
        write!(f, "@{digest}")?;
    }
    Ok(())
}

/// An image in an OCI image layout on disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayoutReference {
    /// The layout's directory.
    pub directory: PathBuf,
    /// The repository whose image it is, where the layout is to have it under its whole name; it has no tag and no digest.
    pub repository: Option<Reference>,
    /// The tag; without a repository, the whole of the image's name in the layout.
    pub tag: Option<String>,
    /// The digest, where one was written.
    pub digest: Option<Digest>,
}

impl LayoutReference {
    /// Reads what follows `oci:`.
    fn parse(text: &str) -> Result<Self, String> {
        // Only an `@` whose right side looks like a digest ends the directory: directories may hold `@`.
        let (rest, digest) = match text.rsplit_once('@') {
            Some((rest, digest)) if digest.contains(':') && !digest.contains('/') => (rest, Some(digest.parse()?)),
            _ => (text, None),
        };
        let (directory, repository, tag) = if let Some((directory, name)) = split_name(rest) {
            let tag = name.tag().filter(|_| name.has_explicit_tag()).map(str::to_owned);
            (directory, Some(name.untagged()), tag)
        } else {
            let (directory, tag) = split_tag(rest);
            tag.map(check_tag).transpose()?;
            (directory, None, tag.map(str::to_owned))
        };
        if directory.is_empty() {
            return Err(format!("`oci:{}` names no directory; write `oci:DIRECTORY[:tag]`", quote(text)));
        }
        // It is repeated in outputs and lists, a line each.
        if directory.chars().any(crate::text::sanitise::is_unseen) {
            return Err(format!(
                "`oci:{}` has characters in the directory's name that nobody sees, such as a line break; rename it",
                quote(text)
            ));
        }
        // GitHub's runner still takes `##[group]` for a command, wherever in a line it stands.
        if directory.contains("##[") {
            let text = quote(text);
            return Err(format!("`oci:{text}` has `##[`, which runners take for a command; rename the directory"));
        }
        Ok(Self { directory: directory.into(), repository, tag, digest })
    }

    /// The same image under its whole name.
    #[must_use]
    pub fn named(self, name: &Reference) -> Self {
        let tag = name.tag().filter(|_| name.has_explicit_tag() || name.digest().is_none()).map(str::to_owned);
        let digest = name.digest().filter(|_| tag.is_none()).cloned();
        Self { repository: Some(name.untagged()), tag, digest, ..self }
    }

    /// Whether the directory alone is written.
    pub fn is_bare(&self) -> bool {
        self.repository.is_none() && self.tag.is_none() && self.digest.is_none()
    }
}

impl fmt::Display for LayoutReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci:{}", self.directory.display())?;
        if let Some(repository) = &self.repository {
            write!(f, ":{}", repository.name())?;
        }
        write_suffix(f, self.tag.as_deref(), self.digest.as_ref())
    }
}

/// An image, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageReference {
    /// In a registry.
    Registry(Reference),
    /// In a directory.
    Layout(Arc<LayoutReference>),
}

impl ImageReference {
    /// Reads `[registry/]repository[:tag][@digest]`, `oci:DIRECTORY[:tag][@digest]` or, with a whole name,
    /// `oci:DIRECTORY:registry/repository[:tag][@digest]`.
    ///
    /// The prefix wins: Docker Hub's image `oci` is written `docker.io/library/oci`.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Whatever their case: a host is one name in any, and must not be spelled out as one of these.
        let (prefix, layout) = text.trim().split_once(':').unwrap_or_default();
        let prefix = prefix.to_ascii_lowercase();
        // Other tools' names for other places; read as references they would be images of Docker Hub.
        if let "oci-archive" | "docker-archive" | "docker-daemon" | "containers-storage" | "dir" | "sif" =
            prefix.as_str()
        {
            return Err(format!(
                "`{}`: `{prefix}:` is not read here. Unpack an OCI archive with `mkdir D && tar -xf FILE -C D` and name it \
                 `oci:D`; for anything else make a layout with `skopeo copy {prefix}:… oci:D:TAG`",
                quote(text.trim())
            ));
        }
        if prefix == "oci" && !layout.starts_with("//") {
            LayoutReference::parse(layout).map(Arc::new).map(Self::Layout)
        } else {
            Reference::parse(text).map(Self::Registry)
        }
    }

    /// The tag, as [`Reference::tag`] has it; a layout has no default tag.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag(),
            Self::Layout(layout) => layout.tag.as_deref(),
        }
    }

    /// The digest, where one was written.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Registry(reference) => reference.digest(),
            Self::Layout(layout) => layout.digest.as_ref(),
        }
    }

    /// The same reference, its tag kept, with this digest: how a result is reported.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        match self {
            Self::Registry(reference) => Self::Registry(reference.pinned(digest)),
            Self::Layout(layout) => {
                let layout = LayoutReference { digest: Some(digest), ..LayoutReference::clone(layout) };
                Self::Layout(Arc::new(layout))
            }
        }
    }

    /// The name that the image has in a registry: its own, or the whole one under which a directory has it.
    pub fn name(&self) -> Option<Reference> {
        match self {
            Self::Registry(reference) => Some(reference.clone()),
            Self::Layout(layout) => {
                let repository = layout.repository.as_ref()?;
                Some(repository.here(layout.tag.as_deref(), layout.digest.clone()))
            }
        }
    }

    /// The reference, where the image is in a registry.
    pub fn registry(&self) -> Option<&Reference> {
        match self {
            Self::Registry(reference) => Some(reference),
            Self::Layout(_) => None,
        }
    }
}

/// As it is spelled out.
impl serde::Serialize for ImageReference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout(layout) => layout.fmt(f),
        }
    }
}

/// `text` with the repository in lower case, when it is a registry's image and has upper case there.
pub(crate) fn lower_cased(text: &str) -> Option<String> {
    if text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("oci:")) {
        return None;
    }
    let name_ends = split_tag(text.split_once('@').map_or(text, |(left, _)| left)).0.len();
    let (name, suffix) = text.split_at(name_ends);
    name.bytes().any(|byte| byte.is_ascii_uppercase()).then(|| name.to_ascii_lowercase() + suffix)
}

/// The name under which a registry is known here: lower case, and one name for all of Docker Hub's.
pub(crate) fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if Vendor::of(&host) == Vendor::DockerHub { DOCKER_HUB.to_owned() } else { host }
}

/// A reference taken apart, each part looked at by itself so that each fault gets its own sentence.
struct Parts<'a> {
    /// Empty when none was written; lower case, because host names have no case.
    host: String,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<Digest>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(format!("is empty; {SHAPE}, for example `docker.io/library/alpine:3.20`"));
        }
        let (left, digest) = match text.split_once('@') {
            Some((_, right)) if right.contains('/') => {
                return Err("has a user name before an `@`; leave it out and give credentials by \
                            `source-username` and `source-password`, `target-username` and `target-password`, or \
                            `registry-auth`"
                    .to_owned());
            }
            Some((left, right)) => (left, Some(right)),
            None => (text, None),
        };
        // What follows may be the rest of a line that belongs into `registry-auth`.
        if let Some((first, rest)) = text.split_once(char::is_whitespace) {
            return Err(more_than_a_word(first, rest.trim()));
        }
        let whole = quote(text);
        if let Some(image) = of_hub_page(left) {
            return Err(format!("`{whole}` is a web page of Docker Hub; write `{}`", quote(&image)));
        }
        if let Some((scheme, rest)) = whole.split_once("://") {
            let rest = rest.trim_start_matches("***@");
            return Err(format!("`{whole}` begins with `{scheme}://`; write only `{rest}`"));
        }
        let digest = digest.map(str::parse).transpose()?;
        if left.ends_with('/') && left.matches('/').count() > 1 {
            return Err(format!("`{}` ends with a slash; leave it out", quote(left)));
        }
        let (name, tag) = split_tag(left);
        if let Some(tag) = tag {
            check_tag(tag)?;
            refuse_second_tag(name, tag)?;
        }
        let (host, repository) = match name.split_once('/') {
            Some((host, repository)) if is_host(host) => (host.to_ascii_lowercase(), repository),
            _ => (String::new(), name),
        };
        check_port(&host)?;
        Ok(Self { host, repository, tag, digest })
    }

    /// Refuses names without a repository, among them the ones that a parser would turn into a Docker Hub image:
    /// `test.com:5000` is, to every client, `docker.io/library/test.com` with the tag `5000`.
    fn refuse_missing_repository(&self, text: &str) -> Result<(), String> {
        let text = quote(text);
        if self.repository.is_empty() {
            return Err(match self.host.as_str() {
                "" => format!("`{text}` names no repository; {SHAPE}"),
                host => {
                    format!("`{text}` names a registry and no repository; write `{}/REPOSITORY[:tag]`", quote(host))
                }
            });
        }
        if self.repository.contains("//") || self.repository.starts_with('/') || self.repository.ends_with('/') {
            return Err(format!("`{text}` has nothing between two slashes; leave one out"));
        }
        if self.host.is_empty() && !self.repository.contains('/') && is_host(self.repository) {
            let name = quote(self.repository);
            return Err(format!(
                "`{text}` looks like a registry without a repository; write `{name}[:port]/REPOSITORY[:tag]`, or \
                 `docker.io/library/{text}` if the Docker Hub image of that name is meant"
            ));
        }
        Ok(())
    }

    fn refuse_upper_case(&self) -> Result<(), String> {
        if !self.repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(());
        }
        let slash = if self.host.is_empty() { "" } else { "/" };
        let name = format!("{}{slash}{}", quote(&self.host), quote(self.repository));
        Err(format!("`{name}` has upper case; registries accept only `{}`", name.to_ascii_lowercase()))
    }
}

/// Splits at the colon after the last slash; a colon before it is a port's.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let after_slash = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[after_slash..].rfind(':') {
        Some(colon) => (&text[..after_slash + colon], Some(&text[after_slash + colon + 1..])),
        None => (text, None),
    }
}

/// Splits `DIRECTORY:HOST/REPOSITORY[:TAG]`, as skopeo does. The name of a directory may have a colon: what follows it is an
/// image's name only where it begins with a host.
fn split_name(text: &str) -> Option<(&str, Reference)> {
    let is_numbers = |host: &str| host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let begins_with_host = |name: &str| {
        let host = name.split_once('/').map_or("", |(host, _)| host);
        is_host(host) && (!is_numbers(host) || host.parse::<std::net::Ipv4Addr>().is_ok())
    };
    let mut splits = text.match_indices(':').map(|(colon, _)| (&text[..colon], &text[colon + 1..]));
    let (directory, name) = splits.find(|(_, name)| begins_with_host(name))?;
    Some((directory, Reference::parse(name).ok()?))
}

/// The image that a page of Docker Hub's web site, `hub.docker.com/r/NAMESPACE/NAME` or `hub.docker.com/_/NAME`, is about.
fn of_hub_page(text: &str) -> Option<String> {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (_, path) = address.split_once('/').filter(|(host, _)| host.eq_ignore_ascii_case("hub.docker.com"))?;
    let parts: Vec<&str> = path.split(['/', '?', '#']).filter(|part| !part.is_empty()).collect();
    match *parts {
        ["r", namespace, name, ..] if is_component(namespace) && is_component(name) => {
            Some(format!("{DOCKER_HUB}/{namespace}/{name}"))
        }
        ["_", name, ..] if is_component(name) => Some(format!("{DOCKER_HUB}/library/{name}")),
        _ => None,
    }
}

/// What is said of `FIRST REST`. The rest is repeated only where it is a version: it may have a password in it.
fn more_than_a_word(first: &str, rest: &str) -> String {
    if first.starts_with("--platform=") {
        return "begins with `--platform=…`; leave it out, and choose by `platforms`".to_owned();
    }
    let digits = rest.strip_prefix('v').unwrap_or(rest);
    let is_version = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let meant = format!("{first}:{rest}");
    if is_version && !first.contains([':', '@']) && Parts::split(&meant).is_ok() {
        return format!("has a space in it; did you mean `{}`?", quote(&meant));
    }
    format!("has a space and more after `{}`; a reference has no space in it", quote(first))
}

/// Refuses `debian:bullseye-slim:latest`; what stands before a port may be a host.
fn refuse_second_tag(name: &str, tag: &str) -> Result<(), String> {
    match split_tag(name) {
        (repository, Some(first)) if !first.is_empty() && !first.bytes().all(|byte| byte.is_ascii_digit()) => {
            let (repository, first, tag) = (quote(repository), quote(first), quote(tag));
            Err(format!(
                "`{repository}:{first}:{tag}` has two tags; write `{repository}:{first}` or `{repository}:{tag}`"
            ))
        }
        _ => Ok(()),
    }
}

fn check_port(host: &str) -> Result<(), String> {
    let port = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').unwrap_or_default();
            if address.parse::<std::net::Ipv6Addr>().is_err() || !(port.is_empty() || port.starts_with(':')) {
                return Err(format!("`{}` is not an IPv6 address; write `[::1]:5000`", quote(host)));
            }
            port.strip_prefix(':')
        }
        None => host.split_once(':').map(|(_, port)| port),
    };
    match port {
        Some(port) if port.starts_with('+') || !port.parse::<u16>().is_ok_and(|number| number > 0) => {
            Err(format!("`{}` has no valid port after the colon; write a number from 1 to 65535", quote(host)))
        }
        _ => Ok(()),
    }
}

/// The longest tag (distribution-spec, "Pulling manifests").
pub const LONGEST_TAG: usize = 128;

/// Whether it is a tag.
pub fn is_tag(text: &str) -> bool {
    check_tag(text).is_ok()
}

/// Source: distribution-spec, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
fn check_tag(tag: &str) -> Result<(), String> {
    let Some(first) = tag.chars().next() else {
        return Err("has nothing after the last colon; write a tag there or leave the colon out".to_owned());
    };
    if tag.len() > LONGEST_TAG {
        return Err(format!("the tag `{}` is longer than {LONGEST_TAG} characters; shorten it", quote(tag)));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if matches!(first, '.' | '-') || !tag.chars().all(allowed) {
        return Err(format!(
            "`{}` is not a tag; it may hold letters, digits, `_`, `.` and `-`, and not begin with `.` or `-`",
            quote(tag)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ImageReference, Reference, lower_cased};

    proptest::proptest! {
        #[test]
        fn names_are_judged_as_the_field_judges_them(
            name in "([a-zA-Z0-9.-]{1,4}(\\.|:5)[a-z0-9-]{0,2}/)?[a-zA0._-]{1,5}(/[a-z0._-]{1,4}){0,2}",
        ) {
            // Upper case in a host is folded here first.
            let name = if name.contains('_') { name.to_ascii_lowercase() } else { name };
            let theirs = name.parse::<oci_client::Reference>().map(|parsed| parsed.repository().to_owned());
            // What ours refuses for reasons of its own is not in question.
            match Reference::parse(&name) {
                Ok(ours) => proptest::prop_assert_eq!(Ok(ours.repository().to_owned()), theirs),
                Err(problem) if problem.contains("is not an image reference") => {
                    proptest::prop_assert!(theirs.is_err(), "{} is {:?}: {}", name, theirs, problem);
                }
                Err(_) => {}
            }
        }
    }

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn other_tools_transports_are_no_images_of_docker_hub() {
        for text in ["oci-archive:l.tar", "docker-archive:x.tar:a", "dir:x", "docker-daemon:alpine:3"] {
            let problem = crate::oci::reference::ImageReference::parse(text).expect_err(text);
            assert!(problem.contains("is not read here"), "{text}: {problem}");
        }
        assert!(crate::oci::reference::ImageReference::parse("dir/x:1").is_ok());
    }

    #[test]
    fn references_are_spelled_out() {
        for (text, whole) in [
            ("alpine", "docker.io/library/alpine:latest"),
            (" alpine:3.20 ", "docker.io/library/alpine:3.20"),
            ("registry:2", "docker.io/library/registry:2"),
            ("acme/app", "docker.io/acme/app:latest"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
            ("registry.hub.docker.com/library/alpine", "docker.io/library/alpine:latest"),
            ("registry-1.docker.io/alpine:3", "docker.io/library/alpine:3"),
            ("Docker.IO/library/alpine", "docker.io/library/alpine:latest"),
            ("GHCR.io/acme/app:V1", "ghcr.io/acme/app:V1"),
            ("ghcr.io/app", "ghcr.io/app:latest"),
            ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"),
            ("localhost:5000/a/b:t", "localhost:5000/a/b:t"),
            ("localhost/x", "localhost/x:latest"),
            ("[::1]:5000/x:1", "[::1]:5000/x:1"),
            ("[::1]/x", "[::1]/x:latest"),
            ("docker.io/library/test.com:tag", "docker.io/library/test.com:tag"),
        ] {
            assert_eq!(Reference::parse(text).map(|reference| reference.to_string()), Ok(whole.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_part_can_be_asked_for() {
        let reference = Reference::parse("docker.io/library/alpine:3.20").unwrap();
        assert_eq!(reference.registry(), "docker.io");
        assert_eq!(reference.repository(), "library/alpine");
        assert_eq!((reference.namespace(), reference.base_name()), ("library", "alpine"));
        assert_eq!((reference.tag(), reference.digest()), (Some("3.20"), None));
        assert_eq!(reference.name(), "docker.io/library/alpine");
        let single = Reference::parse("ghcr.io/app").unwrap();
        assert_eq!((single.namespace(), single.base_name(), single.has_explicit_tag()), ("", "app", false));
    }

    #[test]
    fn a_digest_alone_has_no_tag_and_a_tag_beside_it_is_kept() {
        let alone = Reference::parse(&format!("alpine@{DIGEST}")).unwrap();
        assert_eq!(alone.tag(), None);
        assert_eq!(alone.to_string(), format!("docker.io/library/alpine@{DIGEST}"));
        let both = Reference::parse(&format!("alpine:3@{DIGEST}")).unwrap();
        assert_eq!(both.to_string(), format!("docker.io/library/alpine:3@{DIGEST}"));
        assert_eq!(both.with_digest(DIGEST.parse().unwrap()), alone);
        assert_eq!(both.with_tag("4").to_string(), "docker.io/library/alpine:4");
        assert_eq!(alone.with_tag("3").pinned(DIGEST.parse().unwrap()), both);
    }

    #[test]
    fn references_that_name_the_same_are_equal() {
        assert_eq!(Reference::parse("alpine"), Reference::parse("index.docker.io/library/alpine:latest"));
        assert_ne!(Reference::parse("alpine"), Reference::parse("alpine:3"));
    }

    #[test]
    fn each_kind_of_bad_reference_gets_its_own_sentence() {
        let long = format!("ghcr.io/{}", "a".repeat(300));
        for (text, part) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("https://ghcr.io/a/b:1", "write only `ghcr.io/a/b:1`"),
            ("docker://alpine", "write only `alpine`"),
            ("oci://alpine", "write only `alpine`"),
            ("ghcr.io/ACME/x:V1", "registries accept only `ghcr.io/acme/x`"),
            ("Alpine", "registries accept only `alpine`"),
            ("ghcr.io/:latest", "names a registry and no repository; write `ghcr.io/REPOSITORY[:tag]`"),
            ("ghcr.io/", "names a registry and no repository"),
            (":latest", "names no repository"),
            ("ghcr.io/a/b/", "ends with a slash"),
            ("https://hub.docker.com/r/library/nginx", "is a web page of Docker Hub; write `docker.io/library/nginx`"),
            ("https://hub.docker.com/r/bitnami/redis/tags?page=2", "write `docker.io/bitnami/redis`"),
            ("hub.docker.com/_/nginx", "write `docker.io/library/nginx`"),
            ("debian:bullseye-slim:latest", "has two tags; write `debian:bullseye-slim` or `debian:latest`"),
            ("ghcr.io/a/b:1.0:x", "has two tags; write `ghcr.io/a/b:1.0` or `ghcr.io/a/b:x`"),
            ("ghcr.io/a//b", "nothing between two slashes"),
            ("/a", "nothing between two slashes"),
            ("alpine:", "nothing after the last colon"),
            ("alpine:-x", "`-x` is not a tag"),
            ("alpine:ü", "`ü` is not a tag"),
            ("alpine@sha256:00", "there must be 64"),
            ("alpine@latest", "is not a digest"),
            ("alpine@md5:00", "the algorithm `md5`"),
            ("al pine", "has a space"),
            ("alpine\n:3", "has a space"),
            ("test.com:tag", "write `test.com[:port]/REPOSITORY[:tag]`"),
            ("test.com", "looks like a registry without a repository"),
            ("localhost:5000", "looks like a registry without a repository"),
            ("me:hunter2@ghcr.io/a/b", "has a user name before an `@`"),
            ("https://me:hunter2@ghcr.io/a/b", "has a user name before an `@`"),
            ("https://me:hunter2@ghcr.io", "`https://***@ghcr.io` begins with `https://`; write only `ghcr.io`"),
            ("https://hunter2@ghcr.io", "write only `ghcr.io`"),
            ("me:hunter2@ghcr.io", "`ghcr.io` is not a digest"),
            ("ghcr.io/a/b me hunter2", "has a space and more after `ghcr.io/a/b`"),
            ("ghcr.io:99999/x", "no valid port"),
            ("[zz]:1/x", "not an IPv6 address"),
            ("[::1]x:1/x", "not an IPv6 address"),
            ("a\u{7}.b/", "write `a.b/REPOSITORY"),
            ("a.b\u{7}", "write `a.b[:port]/REPOSITORY"),
            ("alpine@\u{7}:", "the algorithm ``"),
            ("ghcr.io/a_/b", "is not an image reference"),
            (long.as_str(), "longer than 255"),
        ] {
            let problem = Reference::parse(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
            assert!(!problem.contains("hunter2") && !problem.contains(char::is_control), "{text}: {problem}");
        }
    }

    #[test]
    fn layouts_are_directories_with_a_tag_or_a_digest() {
        let digested = format!("oci:out@{DIGEST}");
        for (text, directory, tag, digest) in [
            ("oci:out", "out", None, None),
            ("oci:/tmp/a b:3.20", "/tmp/a b", Some("3.20"), None),
            ("oci:/a:b/c", "/a:b/c", None, None),
            ("oci:/a@b/c", "/a@b/c", None, None),
            (digested.as_str(), "out", None, Some(DIGEST)),
            // What looks like an image's name and is none.
            ("oci:a:1.0/b:1", "a:1.0/b", Some("1"), None),
            ("oci:a:./b:1", "a:./b", Some("1"), None),
            ("oci:a:../b:1", "a:../b", Some("1"), None),
            ("oci:a:x.test/../b:1", "a:x.test/../b", Some("1"), None),
            ("oci:a:b/c:1", "a:b/c", Some("1"), None),
        ] {
            let Ok(ImageReference::Layout(layout)) = ImageReference::parse(text) else { panic!("{text}") };
            assert_eq!(layout.directory.to_str(), Some(directory), "{text}");
            assert_eq!(layout.tag.as_deref(), tag, "{text}");
            assert_eq!(layout.digest.as_ref().map(ToString::to_string).as_deref(), digest, "{text}");
            assert_eq!(layout.to_string(), text);
        }
        for (text, part) in [
            ("oci:", "names no directory"),
            ("oci::x", "names no directory"),
            ("oci:a\nb:1", "characters in the directory's name that nobody sees"),
            ("oci:a\u{202e}b", "characters in the directory's name that nobody sees"),
            ("oci:a ##[group]b", "which runners take for a command"),
            ("oci:out:", "nothing after the last colon"),
            ("oci:out:a b", "is not a tag"),
            ("oci:out@sha256:0", "there must be 64"),
        ] {
            let problem = ImageReference::parse(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn an_image_in_a_layout_may_have_its_whole_name() {
        let by_digest = format!("oci:out:ghcr.io/a/b@{DIGEST}");
        let by_both = format!("oci:out:ghcr.io/a/b:1@{DIGEST}");
        for (text, directory, name) in [
            ("oci:out:docker.io/library/alpine:3.20", "out", "docker.io/library/alpine:3.20"),
            ("oci:/a:b/c:127.0.0.1:5000/x:1", "/a:b/c", "127.0.0.1:5000/x:1"),
            ("oci:out:localhost/x:1", "out", "localhost/x:1"),
            ("oci:out:[::1]:5000/x:1", "out", "[::1]:5000/x:1"),
            (&by_digest, "out", &by_digest["oci:out:".len()..]),
            (&by_both, "out", &by_both["oci:out:".len()..]),
        ] {
            let read = ImageReference::parse(text).unwrap();
            assert_eq!((read.to_string(), read.name().unwrap().to_string()), (text.to_owned(), name.to_owned()));
            let ImageReference::Layout(layout) = read else { panic!("{text}") };
            assert_eq!(layout.directory.to_str(), Some(directory), "{text}");
            let bare = crate::oci::reference::LayoutReference::clone(&layout);
            let again = bare.named(&Reference::parse(name).unwrap());
            // Where there is a tag, it is what the layout has.
            assert_eq!(again.tag, layout.tag, "{text}");
            assert_eq!(again.digest.is_some(), layout.tag.is_none(), "{text}");
        }
        let plain = ImageReference::parse("oci:out:3.20").unwrap();
        assert_eq!((plain.name(), plain.tag()), (None, Some("3.20")));
    }

    #[test]
    fn only_the_name_is_lower_cased() {
        assert_eq!(lower_cased("ghcr.io/ACME/x:V1").as_deref(), Some("ghcr.io/acme/x:V1"));
        assert_eq!(lower_cased("ghcr.io/acme/x:V1"), None);
        assert_eq!(lower_cased("oci:OUT:V1"), None);
    }
}
