//! The lock file: which digest each tag of a list had, one sorted line a tag.
//!
//! Owns the file's form, and which of its lines may change. By lines on purpose: a change is a small difference, two changes
//! merge, and other tools can read it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Pin};
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::plan::list::pattern::Pattern;
use crate::text::quote::quote;

/// How the file begins.
const HEAD: &str = "# Written by mirror-image: which digest each tag of the list had, and since when.\n";

/// A lock file, and what a run may do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The file's path, as it was given.
    pub name: String,
    /// Which lines may change.
    pub update: Update,
    /// By `registry/repository:tag`.
    lines: BTreeMap<String, Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    digest: Digest,
    /// The day on which the tag was first seen with it.
    since: String,
    /// The fingerprint of the policy by which it was checked.
    policy: Option<String>,
}

/// How the fourth word of a line begins.
const POLICY: &str = "policy:";

/// What a run has found of a tag.
pub struct FoundTag<'a> {
    /// The tag.
    pub source: &'a Reference,
    /// What it is.
    pub digest: &'a Digest,
    /// Whether a line that is there may become another.
    pub moves: bool,
    /// The fingerprint of the policy by which it was checked in this run.
    pub policy: Option<&'a str>,
}

/// Which lines of a lock file may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// None, and a tag without a line is a failure.
    Frozen,
    /// None; a tag without a line is copied and gets none.
    None,
    /// Those that are not there yet.
    Missing,
    /// All.
    All,
    /// Those whose name is so, and those that are not there yet.
    Matching(Pattern),
}

impl Update {
    /// Reads `none`, `missing`, `all` or a glob.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "missing" => Ok(Self::Missing),
            "all" => Ok(Self::All),
            glob if glob.contains(['*', '?', '[', '/', ':']) => Pattern::glob(glob).map(Self::Matching),
            other => Err(format!(
                "`{}` is not one of none, missing, all, or a glob for names as the lock has them, \
                 `docker.io/library/nginx:*`",
                quote(other)
            )),
        }
    }
}

/// What a lock says of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing that holds; what it had, where that is known.
    Free(Option<Digest>),
    /// It must be this.
    At(Digest),
    /// It has no line and must have one.
    Unlisted,
}

impl Lock {
    /// Reads a file's text.
    pub fn parse(name: &str, text: &str, update: Update) -> Result<Self, Error> {
        let mut lines = BTreeMap::new();
        let shown = quote(name);
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |what: &str| {
                let problem = format!(
                    "{shown}:{number}: {what}; a line is `REPOSITORY:TAG DIGEST DATE`, and `policy:…` where it was checked"
                );
                Error::input("lock", problem)
            };
            // What a merge leaves behind.
            if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
                return Err(bad("this is the mark of a conflict: resolve it"));
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let (image, digest, since, policy) = match words.as_slice() {
                [image, digest, since] => (image, digest, since, None),
                [image, digest, since, policy] => {
                    let policy = policy.strip_prefix(POLICY).filter(|policy| !policy.is_empty());
                    let policy = policy.ok_or_else(|| bad("has a fourth word that is not `policy:…`"))?;
                    (image, digest, since, Some(policy.to_owned()))
                }
                _ => return Err(bad("has neither three words nor four")),
            };
            let reference = Reference::parse(image).map_err(|problem| bad(&problem))?;
            let Some(key) = key(&reference) else { return Err(bad("names no tag")) };
            let digest: Digest = digest.parse().map_err(|problem: String| bad(&problem))?;
            if lines.insert(key, Line { digest, since: (*since).to_owned(), policy }).is_some() {
                return Err(bad("names a tag for the second time"));
            }
        }
        Ok(Self { name: name.to_owned(), update, lines })
    }

    /// How it holds what it holds.
    pub fn pin(&self) -> Pin {
        let name = self.name.clone();
        if self.update == Update::Frozen { Pin::Frozen(name) } else { Pin::Lock(name) }
    }

    /// The glob of the lines that may change, where it is the name of none of them, nor of a tag of the list.
    pub fn idle_glob<'a>(&self, wanted: impl IntoIterator<Item = &'a Reference>) -> Option<&Pattern> {
        let Update::Matching(pattern) = &self.update else { return None };
        let is_known = self.lines.keys().any(|key| pattern.matches(key));
        let is_wanted = || wanted.into_iter().filter_map(key).any(|key| pattern.matches(&key));
        (!is_known && !is_wanted()).then_some(pattern)
    }

    /// Whether a tag without a line gets one.
    pub fn takes_new_lines(&self) -> bool {
        !matches!(self.update, Update::Frozen | Update::None)
    }

    /// What it says of a source.
    pub fn held(&self, source: &Reference) -> Held {
        let Some(key) = key(source) else { return Held::Free(None) };
        let known = self.lines.get(&key).map(|line| line.digest.clone());
        match (&self.update, known) {
            (Update::Frozen, None) => Held::Unlisted,
            (Update::Frozen | Update::None | Update::Missing, Some(digest)) => Held::At(digest),
            (Update::Matching(pattern), Some(digest)) if !pattern.matches(&key) => Held::At(digest),
            (_, known) => Held::Free(known),
        }
    }

    /// What a source had when it was checked by the policy of this `fingerprint`; nothing where it was not.
    pub fn checked(&self, source: &Reference, fingerprint: &str) -> Option<Digest> {
        let line = self.lines.get(&key(source)?)?;
        (line.policy.as_deref() == Some(fingerprint)).then(|| line.digest.clone())
    }

    /// The file's text after a run; nothing where it stays as it is.
    ///
    /// `wanted`: all that the list stands for. `found`: what was resolved to which digest. `kept`: repositories of which it is
    /// not known what the list stands for; their lines stay. `today`: as it is written.
    pub fn updated<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a Reference>,
        found: impl IntoIterator<Item = FoundTag<'a>>,
        kept: &BTreeSet<String>,
        today: &str,
    ) -> Option<String> {
        if !self.takes_new_lines() {
            return None;
        }
        let is_kept = |key: &&String| key.rsplit_once(':').is_some_and(|(repository, _)| kept.contains(repository));
        let mut lines: BTreeMap<String, Line> =
            self.lines.iter().filter(|(key, _)| is_kept(key)).map(|(key, line)| (key.clone(), line.clone())).collect();
        for key in wanted.into_iter().filter_map(key) {
            if let Some(line) = self.lines.get(&key) {
                lines.insert(key, line.clone());
            }
        }
        for FoundTag { source, digest, moves, policy } in found {
            let Some(key) = key(source) else { continue };
            let new = || Line { digest: digest.clone(), since: today.to_owned(), policy: None };
            if matches!(self.held(source), Held::Free(_)) {
                let line = lines.entry(key.clone()).or_insert_with(new);
                if moves && line.digest != *digest {
                    *line = new();
                }
            }
            // That it was checked may be noted of a line whose digest may not change.
            if let (Some(line), Some(policy)) = (lines.get_mut(&key).filter(|line| line.digest == *digest), policy) {
                line.policy = Some(policy.to_owned());
            }
        }
        (lines != self.lines).then(|| {
            let line = |(key, line): (&String, &Line)| {
                let policy = line.policy.as_ref().map_or_else(String::new, |policy| format!(" {POLICY}{policy}"));
                format!("{key} {} {}{policy}\n", line.digest, line.since)
            };
            std::iter::once(HEAD.to_owned()).chain(lines.iter().map(line)).collect()
        })
    }
}

/// The name of a tag; none for what names a digest, which cannot move.
fn key(reference: &Reference) -> Option<String> {
    let tag = reference.tag().filter(|_| reference.digest().is_none())?;
    Some(format!("{}:{tag}", reference.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FoundTag, HEAD, Held, Lock, Update};
    use crate::oci::digest::Digest;
    use crate::oci::reference::Reference;

    fn digest(number: u8) -> Digest {
        format!("sha256:{}", format!("{number:02x}").repeat(32)).parse().unwrap()
    }

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    fn lock(update: &str) -> Lock {
        let update = if update == "frozen" { Update::Frozen } else { Update::parse(update).unwrap() };
        let text = format!("# comment\n\nnginx:1.0 {} 2026-01-01\nnginx:2.0 {} 2026-01-02\n", digest(1), digest(2));
        Lock::parse("images.lock", &text, update).unwrap()
    }

    #[test]
    fn what_a_lock_holds_is_decided_by_which_lines_may_change() {
        let (known, other) = (reference("docker.io/library/nginx:1.0"), reference("nginx:3.0"));
        for (update, of_known, of_other) in [
            ("frozen", Held::At(digest(1)), Held::Unlisted),
            ("none", Held::At(digest(1)), Held::Free(None)),
            ("missing", Held::At(digest(1)), Held::Free(None)),
            ("all", Held::Free(Some(digest(1))), Held::Free(None)),
            ("docker.io/library/nginx:1*", Held::Free(Some(digest(1))), Held::Free(None)),
            ("quay.io/*", Held::At(digest(1)), Held::Free(None)),
        ] {
            let lock = lock(update);
            assert_eq!((lock.held(&known), lock.held(&other)), (of_known, of_other), "{update}");
        }
        // What is pinned cannot move.
        let pinned = reference(&format!("nginx:3.0@{}", digest(3)));
        assert_eq!(lock("frozen").held(&pinned), Held::Free(None));
    }

    #[test]
    fn only_lines_that_may_change_do_and_the_day_is_that_of_the_digest() {
        let (one, two, three) = (reference("nginx:1.0"), reference("nginx:2.0"), reference("nginx:3.0"));
        let updated = |update: &str, wanted: &[&Reference], found: &[(&Reference, Digest)], kept: &[&str]| {
            let kept: BTreeSet<String> = kept.iter().map(|name| (*name).to_owned()).collect();
            let found = found.iter().map(|(source, digest)| FoundTag { source, digest, moves: true, policy: None });
            let text = lock(update).updated(wanted.iter().copied(), found, &kept, "2026-11-28")?;
            let lines = text.strip_prefix(HEAD).unwrap().lines();
            let short = lines.map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                format!("{} {} {}", words[0].rsplit_once('/').unwrap().1, &words[1][7..9], words[2])
            });
            Some(short.collect::<Vec<_>>().join(", "))
        };
        let all = [&one, &two, &three];
        let found = [(&one, digest(1)), (&two, digest(9)), (&three, digest(3))];
        for (update, text) in [
            ("all", Some("nginx:1.0 01 2026-01-01, nginx:2.0 09 2026-11-28, nginx:3.0 03 2026-11-28")),
            ("missing", Some("nginx:1.0 01 2026-01-01, nginx:2.0 02 2026-01-02, nginx:3.0 03 2026-11-28")),
            ("quay.io/*", Some("nginx:1.0 01 2026-01-01, nginx:2.0 02 2026-01-02, nginx:3.0 03 2026-11-28")),
            ("*:2.0", Some("nginx:1.0 01 2026-01-01, nginx:2.0 09 2026-11-28, nginx:3.0 03 2026-11-28")),
            ("none", None),
            ("frozen", None),
        ] {
            assert_eq!(updated(update, &all, &found, &[]).as_deref(), text, "{update}");
        }
        // What is no longer wanted goes, what was not resolved stays, and nothing is written where nothing changes.
        assert_eq!(updated("all", &[&one], &[], &[]).as_deref(), Some("nginx:1.0 01 2026-01-01"));
        assert_eq!(updated("all", &[&one], &[], &["docker.io/library/nginx"]), None);
        assert_eq!(updated("all", &[&one, &two], &[(&one, digest(1))], &[]), None);
    }

    #[test]
    fn a_bad_lock_is_told_with_its_line() {
        let digest = digest(1);
        for (text, sentence) in [
            ("a:1\n".to_owned(), "images.lock:1: has neither three words nor four"),
            (format!("# a\na:1 {digest} x\na:1 {digest} x\n"), "images.lock:3: names a tag for the second time"),
            (format!("a@{digest} {digest} x\n"), "images.lock:1: names no tag"),
            ("a:1 sha256:12 x\n".to_owned(), "images.lock:1: "),
            (format!("A b {digest}\n"), "images.lock:1: "),
            (format!("<<<<<<< HEAD\na:1 {digest} x\n"), "images.lock:1: this is the mark of a conflict"),
        ] {
            let problem = Lock::parse("images.lock", &text, Update::All).unwrap_err().to_string();
            assert!(problem.contains(sentence), "{text}: {problem}");
        }
        assert!(Update::parse("some").unwrap_err().contains("not one of none, missing, all"));
    }
}
