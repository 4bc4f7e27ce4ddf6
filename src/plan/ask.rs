//! What somebody asks for in free text, and what of it is done: the input `request` and those that bound it.
//!
//! Owns who may ask for what, and that what is declined has its reason. Contacts nothing. Never takes a word of the text for
//! anything but the name of an image or of a platform.

use url::Url;

use crate::http::reach::Zone;
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::images::{At, Line, Say};
use crate::plan::list::pattern::Pattern;
use crate::plan::pasted::{self, Asked, Pasted};
use crate::text::quote::quote;

/// The most lines of a request that are answered one by one.
const MOST_ANSWERED: usize = 100;

/// Who decides what may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// It is one of those to whom the repository belongs, or whom they work with: anything.
    Any,
    /// It is somebody else: what one of these matches.
    Allowed(Vec<Glob>),
}

/// What a line of `allow` lets somebody ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// Of the registry, by itself: `*.gcr.io/*` is for no repository of another registry that begins with `x.gcr.io/`.
    host: Pattern,
    /// Whether the registry is written out.
    names_host: bool,
    /// Of the repository, with or without what is behind it.
    path: Pattern,
}

impl Glob {
    fn parse(text: &str) -> Result<Self, String> {
        let (host, path) = if text == "*" { ("*", "*") } else { text.split_once('/').unwrap_or((text, "")) };
        // `library/*` would match nothing, and be found out by whoever is refused.
        if !host.contains(['.', ':', '*', '?', '[']) && host != "localhost" {
            return Err(format!(
                "`{}` begins with no registry; write it whole, such as `docker.io/library/nginx` or `ghcr.io/acme/*`",
                quote(text)
            ));
        }
        if path.is_empty() {
            return Err(format!("`{}` names no repository; write it whole, such as `quay.io/acme/*`", quote(text)));
        }
        let names_host = !host.contains(['*', '?', '[']);
        Ok(Self { host: Pattern::glob(&host.to_lowercase())?, names_host, path: Pattern::glob(path)? })
    }

    fn has(&self, image: &Reference) -> bool {
        let (host, repository) = (image.registry(), image.repository());
        // What is inside is for whoever writes it out.
        if !self.host.matches(host) || !self.names_host && is_inside(host) {
            return false;
        }
        let whole = image.to_string();
        // The tag beside a digest chooses nothing: who may have a tag may not have any digest by it.
        let behind = match image.digest() {
            Some(digest) => format!("{repository}@{digest}"),
            None => whole.get(host.len() + 1..).unwrap_or_default().to_owned(),
        };
        self.path.matches(repository) || self.path.matches(&behind)
    }
}

/// Whether a registry's name is an address of this machine or of an internal network.
fn is_inside(host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}/"));
    url.map_or(true, |url| Zone::of_host(url.host()).is_some_and(|zone| zone != Zone::Public))
}

impl Rights {
    /// Those of somebody whom GitHub's `author_association` names so, by the globs of `allow`.
    pub fn of(association: &str, allow: &[&str]) -> Result<Self, String> {
        let globs = allow.iter().map(|glob| Glob::parse(glob)).collect::<Result<_, _>>()?;
        Ok(match association {
            "OWNER" | "MEMBER" | "COLLABORATOR" => Self::Any,
            _ => Self::Allowed(globs),
        })
    }

    /// `image` as it may be asked for, and what it may replace. A tag that others pull is what the tag is upstream, whole: who is
    /// not trusted with more neither sets it to an old digest nor to one platform.
    fn bounded(&self, image: ImageReference, is_part: bool) -> (ImageReference, Say) {
        match (self, &image) {
            (Self::Any, _) => (image, Say::Run),
            (Self::Allowed(_), ImageReference::Registry(reference)) => {
                let pinned = reference.digest().map(|digest| reference.with_digest(digest.clone()));
                let image = pinned.map_or(image, ImageReference::Registry);
                (image, if is_part { Say::Target } else { Say::Run })
            }
            (Self::Allowed(_), ImageReference::Layout(_)) => (image, Say::Target),
        }
    }

    fn has(&self, image: &Reference) -> bool {
        match self {
            Self::Any => true,
            Self::Allowed(globs) => globs.iter().any(|glob| glob.has(image)),
        }
    }
}

/// A part of a request that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// The number of its line.
    pub number: usize,
    /// Why not.
    pub why: Why,
}

/// Why a part of a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is read as no image; the sentence about it.
    Unread(String),
    /// Whoever asks may not ask for this image.
    NotAllowed(ImageReference),
    /// There are so many before it.
    TooMany(ImageReference, usize),
}

impl Declined {
    /// Whether an image was asked for, and not only something written that is none.
    pub fn is_image(&self) -> bool {
        !matches!(self.why, Why::Unread(_))
    }

    /// What is said of it.
    pub fn sentence(&self) -> String {
        let number = self.number;
        match &self.why {
            Why::Unread(problem) => format!("line {number} of the request: {problem}"),
            Why::NotAllowed(image) => {
                format!(
                    "line {number} of the request: `{image}` is not among the images that may be asked for (`allow`)"
                )
            }
            Why::TooMany(image, limit) => format!(
                "line {number} of the request: `{image}` is one too many; a request has {limit} at most (`request-limit`)"
            ),
        }
    }
}

/// A request, read and judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The images that are to be mirrored.
    pub lines: Vec<Line>,
    /// What was read otherwise than it was written, a sentence each.
    pub notices: Vec<String>,
    /// What is not done.
    pub declined: Vec<Declined>,
    /// Whether whoever asks is somebody else than those to whom the repository belongs.
    pub is_strangers: bool,
}

/// Reads a request: its first `limit` images that whoever asks may ask for.
pub fn read(text: &str, rights: &Rights, limit: usize) -> Ask {
    let mut ask = Ask { is_strangers: *rights != Rights::Any, ..Ask::default() };
    let most = limit.saturating_add(MOST_ANSWERED);
    for Asked { number, read } in pasted::request(text, most).into_iter().take(most) {
        let mut decline = |why| ask.declined.push(Declined { number, why });
        let read = match read {
            Ok(read) => read,
            Err(problem) => {
                decline(Why::Unread(problem));
                continue;
            }
        };
        let notice = read.notice().map(|notice| format!("line {number} of the request {notice}"));
        let Pasted { image, platform, .. } = read;
        let platform = platform.map(Box::new);
        if ask.lines.iter().any(|line| line.source == image && line.platform == platform) {
            continue;
        }
        if !image.registry().is_some_and(|image| rights.has(image)) {
            decline(Why::NotAllowed(image));
        } else if ask.lines.len() >= limit {
            decline(Why::TooMany(image, limit));
        } else {
            ask.notices.extend(notice);
            let (source, say) = rights.bounded(image, platform.is_some());
            ask.lines.push(Line { at: At::Request(number), source, target: None, platform, options: None, say });
        }
    }
    ask
}

#[cfg(test)]
mod tests {
    use super::{Rights, Why, read};
    use crate::plan::images::Say;

    #[test]
    fn who_may_ask_for_what_is_decided_by_who_it_is_and_by_globs() {
        let text = "nginx:1.27\nghcr.io/acme/app\nquay.io/a/b:1\nplease, thank you!";
        let images = |association: &str, allow: &[&str]| {
            let ask = read(text, &Rights::of(association, allow).unwrap(), 10);
            assert!(matches!(&ask.declined.last().unwrap().why, Why::Unread(_)), "{ask:?}");
            ask.lines.iter().map(|line| line.source.to_string()).collect::<Vec<_>>()
        };
        for association in ["OWNER", "MEMBER", "COLLABORATOR"] {
            assert_eq!(images(association, &[]).len(), 3, "{association}");
        }
        for association in ["", "NONE", "CONTRIBUTOR", "FIRST_TIMER", "owner", "MEMBER "] {
            assert_eq!(images(association, &[]), [""; 0], "{association}");
        }
        assert_eq!(images("NONE", &["docker.io/*"]), ["docker.io/library/nginx:1.27"]);
        assert_eq!(images("NONE", &["docker.io/library/nginx"]), ["docker.io/library/nginx:1.27"]);
        assert_eq!(images("NONE", &["docker.io/library/nginx:1.27"]), ["docker.io/library/nginx:1.27"]);
        assert_eq!(images("NONE", &["docker.io/library/ngin", "ghcr.io/*/app"]), ["ghcr.io/acme/app:latest"]);
        assert_eq!(images("NONE", &["*"]).len(), 3);
        let problem = Rights::of("OWNER", &["library/*"]).unwrap_err();
        assert!(problem.contains("begins with no registry"), "{problem}");
        for glob in ["quay.io", "quay.io*", "quay.io/"] {
            let problem = Rights::of("OWNER", &[glob]).unwrap_err();
            assert!(problem.contains("names no repository; write it whole"), "{glob}: {problem}");
        }
    }

    #[test]
    fn a_glob_lets_nobody_ask_for_more_than_it_says() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let by_digest = |name: &str| format!("{name}@{digest}");
        for (glob, image, is_allowed) in [
            // A star of the registry ends where the registry does.
            ("*.gcr.io/acme/*", "eu.gcr.io/acme/app", true),
            ("*.gcr.io/acme/*", "evil.example/x.gcr.io/acme/app", false),
            ("*.dkr.ecr.*.amazonaws.com/*", "evil.example/dkr.ecr.x.amazonaws.com/a", false),
            ("gcr.io*/acme/*", "gcr.io.evil.example/acme/app", true),
            ("ghcr.io/acme/*", "ghcr.io.evil.example/acme/app", false),
            ("ghcr.io/acme/*", "evil.example/ghcr.io/acme/app", false),
            ("ghcr.io/acme/*", "ghcr.io:8443/acme/app", false),
            ("GHCR.io/acme/*", "ghcr.io/acme/app", true),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/app", false),
            ("ghcr.io/acme/*", "ghcr.io/acme/a/b/c:1", true),
            // A tag is no leave for every digest.
            ("docker.io/library/nginx:1.*", "nginx:1.27", true),
            ("docker.io/library/nginx:1.*", &by_digest("nginx:1.27"), false),
            ("docker.io/library/nginx:1.*", &by_digest("nginx"), false),
            ("docker.io/library/nginx", &by_digest("nginx:1.27"), true),
            ("docker.io/library/nginx@*", &by_digest("nginx:1.27"), true),
            ("docker.io/library/nginx@*", "nginx:1.27", false),
            ("docker.io/library/*", &by_digest("nginx"), true),
            // What is inside is not meant by a star.
            ("*", "quay.io/a/b", true),
            ("*", "xn--bcher-kva.example/a", true),
            ("*", "8.8.8.8/a/b", true),
            ("*", "localhost:5000/a", false),
            ("*", "a.localhost:5000/a", false),
            ("*", "127.0.0.1:5000/a", false),
            ("*", "127.1:5000/a", false),
            ("*", "0x7f.1:5000/a", false),
            ("*", "[::1]:5000/a", false),
            ("*", "[::ffff:127.0.0.1]:5000/a", false),
            ("*", "169.254.169.254/latest/meta-data", false),
            ("*", "10.0.0.5:5000/a", false),
            ("10.0.0.*/*", "10.0.0.5/a", false),
            ("10.0.0.5:5000/*", "10.0.0.5:5000/a", true),
            ("localhost:5000/*", "localhost:5000/a", true),
            ("127.0.0.1:5000/*", "127.1:5000/a", false),
        ] {
            let ask = read(image, &Rights::of("NONE", &[glob]).unwrap(), 10);
            assert_eq!(ask.lines.len() == 1, is_allowed, "{glob}: {image}: {ask:?}");
            assert_eq!(read(image, &Rights::Any, 10).lines.len(), 1, "{image}");
        }
    }

    #[test]
    fn a_stranger_moves_no_tag_to_another_digest_than_upstreams_and_to_no_part_of_it() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let text = format!("nginx:1.27@{digest}\nredis:7|linux/arm64\nalpine:3");
        let asked = |association: &str| {
            let ask = read(&text, &Rights::of(association, &["docker.io/*"]).unwrap(), 10);
            ask.lines.iter().map(|line| (line.source.to_string(), line.say)).collect::<Vec<_>>()
        };
        let docker = |name: &str| format!("docker.io/library/{name}");
        assert_eq!(
            asked("NONE"),
            [
                (docker(&format!("nginx@{digest}")), Say::Run),
                (docker("redis:7"), Say::Target),
                (docker("alpine:3"), Say::Run)
            ]
        );
        assert!(asked("OWNER").iter().all(|(_, say)| *say == Say::Run));
        assert_eq!(asked("MEMBER")[0].0, docker(&format!("nginx:1.27@{digest}")));
    }

    #[test]
    fn a_request_has_an_end_and_asks_once() {
        let ask = read("a\nb\na\nc", &Rights::Any, 2);
        assert_eq!(ask.lines.len(), 2);
        let [declined] = &*ask.declined else { panic!("{ask:?}") };
        assert!(matches!(&declined.why, Why::TooMany(image, 2) if image.to_string() == "docker.io/library/c:latest"));
        let many: Vec<String> = (0..5_000).map(|number| format!("a/b{number}")).collect();
        let ask = read(&many.join("\n"), &Rights::Any, 3);
        assert_eq!((ask.lines.len(), ask.declined.len()), (3, super::MOST_ANSWERED));
    }
}
