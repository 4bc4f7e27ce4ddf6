//! Files written anew with the mirror's names.
//!
//! Owns that nothing of a file changes but references: its line ends, quotes, comments and order stay byte by byte. Only what
//! is certain and stands in the file letter by letter is written anew, and the result is read again before it is given out:
//! where it does not say what it was meant to, the file stays as it is. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::plan::find::found::{Kind, Named, Reading, Written};
use crate::plan::list::yaml::Place;
use crate::text::choice::Choice;

/// What becomes of digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digests {
    /// A reference has one where it had one.
    Keep,
    /// Each has one, where it is known.
    Add,
    /// None has one but those that have no tag.
    Drop,
}

impl Choice for Digests {
    const ALL: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("add", Self::Add), ("drop", Self::Drop)];
}

/// What an image is called in the mirror.
pub struct Renamed {
    pub target: Reference,
    /// The digest to be added, where one is known.
    pub digest: Option<Digest>,
}

/// One reference that is written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub place: Place,
    pub before: String,
    pub after: String,
}

/// A file as it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    pub text: String,
    pub changes: Vec<Change>,
    /// Images that are certain and stay as they are, and why.
    pub left: Vec<(Place, Reference, String)>,
}

/// Writes the images of `reading`, which is what `text` says, as `rename` has them. `read` reads the result.
pub fn rewrite(
    text: &str,
    reading: &Reading,
    digests: Digests,
    rename: &dyn Fn(&Reference) -> Result<Option<Renamed>, String>,
    read: &dyn Fn(&str) -> Reading,
) -> Result<Rewritten, String> {
    let mut rewritten = Rewritten::default();
    let mut edits: BTreeMap<usize, (Range<usize>, String)> = BTreeMap::new();
    let mut expected: Vec<Named> = reading.found.iter().map(|found| found.named.clone()).collect();
    for (found, expected) in reading.found.iter().zip(&mut expected) {
        let Named::Certain(reference) = &found.named else { continue };
        if matches!(found.kind, Kind::Chart | Kind::Values) {
            continue;
        }
        let renamed = match rename(reference) {
            Ok(Some(renamed)) => renamed,
            Ok(None) => continue,
            Err(why) => {
                rewritten.left.push((found.place, reference.clone(), why));
                continue;
            }
        };
        let edit =
            found.written.as_ref().ok_or_else(|| "it is put together from parts, or stands in another file".to_owned());
        let edit = edit.and_then(|written| self::edit(written, reference, &renamed, digests));
        match edit {
            Ok((range, after, result)) => {
                *expected = Named::Certain(result);
                let before = text.get(range.clone()).unwrap_or_default().to_owned();
                if edits.insert(range.start, (range.clone(), after.clone())).is_none() && before != after {
                    rewritten.changes.push(Change { place: found.place, before, after });
                }
            }
            Err(why) => rewritten.left.push((found.place, reference.clone(), why)),
        }
    }
    let (mut out, mut behind) = (String::with_capacity(text.len()), 0);
    for (range, after) in edits.values() {
        out.push_str(text.get(behind..range.start).ok_or("two of its images stand in one another")?);
        out.push_str(after);
        behind = range.end;
    }
    out.push_str(text.get(behind..).unwrap_or_default());
    let result: Vec<Named> = read(&out).found.into_iter().map(|found| found.named).collect();
    if result != expected {
        return Err("with its new names it would say something else; it stays as it is".to_owned());
    }
    rewritten.text = out;
    Ok(rewritten)
}

/// The bytes that change, what they become, and the reference that is there then.
fn edit(
    written: &Written,
    reference: &Reference,
    renamed: &Renamed,
    digests: Digests,
) -> Result<(Range<usize>, String, Reference), String> {
    let target = &renamed.target;
    let name = target.name();
    // In YAML such a text would be a list.
    if name.starts_with('[') {
        return Err("its new name begins with a bracket, which YAML reads otherwise".to_owned());
    }
    let is_same_tag = target.tag() == reference.tag();
    match written {
        Written::Name(range) if is_same_tag => Ok((range.clone(), name, moved(target, reference, reference.digest()))),
        Written::Name(_) => Err("its tag is put together, and the mirror's is another".to_owned()),
        Written::Whole(range) => {
            let digest = match digests {
                Digests::Add => reference.digest().or(renamed.digest.as_ref()),
                Digests::Drop if reference.tag().is_some() => None,
                Digests::Keep | Digests::Drop => reference.digest(),
            };
            let tag = match (reference.has_explicit_tag(), is_same_tag) {
                (false, true) => None,
                _ => target.tag(),
            };
            // The tag is repeated as it was written.
            let tag = tag.map_or_else(String::new, |tag| format!(":{tag}"));
            let digest_text = digest.map_or_else(String::new, |digest| format!("@{digest}"));
            Ok((range.clone(), format!("{name}{tag}{digest_text}"), moved(target, reference, digest)))
        }
    }
}

/// The target with what the reference keeps: its tag where one was written, and the digest.
fn moved(target: &Reference, reference: &Reference, digest: Option<&Digest>) -> Reference {
    let tag = target.tag().filter(|_| reference.tag().is_some());
    let is_written = reference.has_explicit_tag() || tag != reference.tag();
    match (tag, digest) {
        (Some(tag), Some(digest)) if is_written => target.with_tag(tag).pinned(digest.clone()),
        (_, Some(digest)) => target.with_digest(digest.clone()),
        (Some(tag), None) => target.with_tag(tag),
        (None, None) => target.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Digests, Renamed, rewrite};
    use crate::oci::reference::{ImageReference, Reference};
    use crate::plan::find::found::Settings;
    use crate::plan::find::{Origin, read};
    use crate::plan::template;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn to(template: &str, digests: Digests, name: &str, text: &str) -> Result<(String, Vec<String>), String> {
        let settings = Settings::default();
        let reading = |text: &str| read(name, text, Origin::Named, &settings);
        let rename = |reference: &Reference| {
            let source = ImageReference::Registry(reference.clone());
            let (target, _) = template::target(template, &source, None)?;
            let target = target.registry().cloned().ok_or("is a directory")?;
            Ok(Some(Renamed { target, digest: Some(DIGEST.parse()?) }))
        };
        let rewritten = rewrite(text, &reading(text), digests, &rename, &reading)?;
        let left = rewritten.left.iter().map(|(place, image, why)| format!("{}: {image}: {why}", place.line));
        Ok((rewritten.text.clone(), left.collect()))
    }

    #[test]
    fn nothing_changes_but_the_names() {
        for (name, text, expected) in [
            (
                "Dockerfile",
                "\u{feff}# syntax=docker/dockerfile:1\r\nARG V=3.20\r\nARG BASE=debian:12\r\nFROM  alpine:${V}  AS a # x\r\nFROM $BASE\r\n",
                "\u{feff}# syntax=m.io/docker/dockerfile:1\r\nARG V=3.20\r\nARG BASE=m.io/library/debian:12\r\nFROM  m.io/library/alpine:${V}  \
                 AS a # x\r\nFROM $BASE\r\n",
            ),
            (
                "compose.yml",
                "\u{feff}x-a: &a {image: \"nginx\"}  # ü\nservices:\n    w: {<<: *a}\n    v: {image:   'redis:${V:-7}' }\n    u:\n        image: >-\n            \
                 a/b:1\n",
                "\u{feff}x-a: &a {image: \"m.io/library/nginx\"}  # ü\nservices:\n    w: {<<: *a}\n    v: {image:   'm.io/library/redis:${V:-7}' }\n    \
                 u:\n        image: >-\n            m.io/a/b:1\n",
            ),
            (
                "ci.yml",
                "jobs:\n  a:\n    runs-on: x\n    container: docker://node:20\n    steps:\n      - uses: docker://alpine:3 # y\n",
                "jobs:\n  a:\n    runs-on: x\n    container: docker://m.io/library/node:20\n    steps:\n      - uses: \
                 docker://m.io/library/alpine:3 # y\n",
            ),
            (
                "kustomization.yaml",
                "images:\n- name: nginx\n  newName: nginx\n  newTag: 1.27\n",
                "images:\n- name: nginx\n  newName: m.io/library/nginx\n  newTag: 1.27\n",
            ),
        ] {
            let (rewritten, left) = to("m.io/{repository}", Digests::Keep, name, text).unwrap();
            assert_eq!((rewritten.as_str(), left.len()), (expected, 0), "{left:?}");
        }
    }

    #[test]
    fn a_digest_is_kept_added_or_dropped_as_it_was_chosen() {
        let pinned = format!("FROM a/b:1@{DIGEST}\nFROM c/d:2\nFROM e/f\nFROM g/h@{DIGEST}\n");
        for (digests, expected) in [
            (
                Digests::Keep,
                format!("FROM m.io/a/b:1@{DIGEST}\nFROM m.io/c/d:2\nFROM m.io/e/f\nFROM m.io/g/h@{DIGEST}\n"),
            ),
            (
                Digests::Add,
                format!(
                    "FROM m.io/a/b:1@{DIGEST}\nFROM m.io/c/d:2@{DIGEST}\nFROM m.io/e/f@{DIGEST}\nFROM m.io/g/h@{DIGEST}\n"
                ),
            ),
            (Digests::Drop, format!("FROM m.io/a/b:1\nFROM m.io/c/d:2\nFROM m.io/e/f\nFROM m.io/g/h@{DIGEST}\n")),
        ] {
            assert_eq!(to("m.io/{repository}", digests, "Dockerfile", &pinned).unwrap().0, expected, "{digests:?}");
        }
        let (tagged, _) =
            to("m.io/{repository}:v-{tag}", Digests::Keep, "Dockerfile", "FROM a/b:1\nFROM c/d\n").unwrap();
        assert_eq!(tagged, "FROM m.io/a/b:v-1\nFROM m.io/c/d:v-latest\n");
    }

    #[test]
    fn what_is_not_there_letter_by_letter_stays_and_is_said() {
        let text = "ARG R=a\nFROM ${R}/b:1\nFROM c/d:${V:-1}\n";
        let (rewritten, left) = to("m.io/{repository}:v-{tag}", Digests::Keep, "Dockerfile", text).unwrap();
        assert_eq!(rewritten, text);
        assert_eq!(left[0], "2: docker.io/a/b:1: it is put together from parts, or stands in another file");
        assert_eq!(left[1], "3: docker.io/c/d:1: its tag is put together, and the mirror's is another");
        // The variable is used for more than the image.
        let text = "ARG BASE=a/b\nFROM $BASE\nFROM ${BASE}-slim:1\n";
        let problem = to("m.io/{repository}", Digests::Keep, "Dockerfile", text).unwrap_err();
        assert!(problem.contains("would say something else"), "{problem}");
        let (rewritten, left) =
            to("[::1]:5000/{repository}", Digests::Keep, "compose.yml", "services: {a: {image: a/b:1}}\n").unwrap();
        assert_eq!((rewritten.as_str(), left.len()), ("services: {a: {image: a/b:1}}\n", 1));
    }
}
