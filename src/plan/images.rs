//! Which images a run is about: one, or a list of `SOURCE` or `SOURCE => TARGET` a line.
//!
//! Owns how the text of the input `images` is read. A pure function over text: what a target's template becomes, and
//! whether two lines contradict each other, is the plan's. A sentence about a line names its number and quotes nothing
//! that may be a password: what of a reference may be shown, the reference's own sentence shows.

use std::fmt;

use crate::engine::options::Options;
use crate::oci::reference::ImageReference;
use crate::plan::list::yaml::Position;
use crate::text::blank::trimmed;

/// How a line is written, for sentences.
const SHAPE: &str = "write `SOURCE` or `SOURCE => TARGET`";

/// Where an image is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// A line of the input `images`, from 1; several between commas stand on one.
    Line(usize),
    /// In the list that the input `config` names.
    List(Position),
}

impl At {
    /// The input that asks.
    pub fn input(&self) -> &'static str {
        match self {
            Self::Line(_) => "images",
            Self::List(_) => "config",
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::List(position) => position.fmt(f),
        }
    }
}

/// One image of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it is asked for.
    pub at: At,
    /// Where the image is read from.
    pub source: ImageReference,
    /// Where it goes, a template as the input `target` is; none where that input says it.
    pub target: Option<String>,
    /// How it is wanted, where that differs from the other images of the run.
    pub options: Option<Options>,
}

/// Reads the list. Newlines and commas separate, a line that starts with `#` is a comment.
///
/// Fails with one sentence that names the line and says how to mend it.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut images = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let of_line = of_line(line).map_err(|problem| format!("line {number} {problem}"))?;
        images.extend(of_line.into_iter().map(|(source, target)| Line {
            at: At::Line(number),
            source,
            target,
            options: None,
        }));
    }
    if images.is_empty() {
        return Err(format!("names no image; {SHAPE} a line"));
    }
    Ok(images)
}

/// The images of one line; none for a comment.
pub fn of_line(line: &str) -> Result<Vec<(ImageReference, Option<String>)>, String> {
    let line = trimmed(line);
    if line.starts_with('#') {
        return Ok(Vec::new());
    }
    line.split(',').map(str::trim).filter(|item| !item.is_empty()).map(image).collect()
}

/// One image: `SOURCE` or `SOURCE => TARGET`.
pub fn image(item: &str) -> Result<(ImageReference, Option<String>), String> {
    // No reference has such a word, so it cannot be part of one.
    if item.split_whitespace().any(|word| word.starts_with('#')) {
        return Err("has a comment behind it; give the comment a line of its own".to_owned());
    }
    let parts: Vec<&str> = item.split("=>").map(str::trim).collect();
    let (source, target) = match parts.as_slice() {
        [source] if source.contains("->") || source.contains('→') => {
            return Err(format!("has another arrow than `=>`; {SHAPE}"));
        }
        [source] => (*source, None),
        ["", _] => return Err(format!("has nothing before its `=>`; {SHAPE}")),
        [_, ""] => return Err(format!("has nothing behind its `=>`; {SHAPE}")),
        [source, target] => (*source, Some((*target).to_owned())),
        _ => return Err("has more than one `=>`; give each target a line, with the same source".to_owned()),
    };
    Ok((ImageReference::parse(source).map_err(|problem| format!("(its source): {problem}"))?, target))
}

#[cfg(test)]
mod tests {
    use super::{At, parse};

    /// Number, source and target of each image; the sentence where there is one.
    fn read(text: &str) -> Result<Vec<(usize, String, Option<String>)>, String> {
        let images = parse(text)?;
        Ok(images
            .into_iter()
            .map(|line| match line.at {
                At::Line(number) => (number, line.source.to_string(), line.target),
                At::List(position) => panic!("{position}"),
            })
            .collect())
    }

    #[test]
    fn a_list_has_a_source_a_line_and_a_target_where_there_is_an_arrow() {
        let alpine = "docker.io/library/alpine:latest".to_owned();
        let to = |target: &str| Some(target.to_owned());
        for (text, images) in [
            ("alpine", vec![(1, alpine.clone(), None)]),
            ("alpine => ghcr.io/a/b", vec![(1, alpine.clone(), to("ghcr.io/a/b"))]),
            ("alpine=>ghcr.io/{owner}/{name}:{tag}", vec![(1, alpine.clone(), to("ghcr.io/{owner}/{name}:{tag}"))]),
            ("# many\n\n alpine \r\n  # alpine => x\n", vec![(3, alpine.clone(), None)]),
            (
                "alpine, a/b => c/d,\n,alpine => e",
                vec![
                    (1, alpine.clone(), None),
                    (1, "docker.io/a/b:latest".to_owned(), to("c/d")),
                    (2, alpine.clone(), to("e")),
                ],
            ),
            // What Windows editors put before a text, and joined files have inside.
            ("\u{feff}# made\r\n\u{feff}alpine\r\n", vec![(2, alpine.clone(), None)]),
            ("oci:in:1 => oci:out", vec![(1, "oci:in:1".to_owned(), to("oci:out"))]),
            // What a target's text is worth is judged when it is expanded.
            ("alpine => no such thing", vec![(1, alpine, to("no such thing"))]),
        ] {
            assert_eq!(read(text), Ok(images), "{text}");
        }
    }

    #[test]
    fn each_kind_of_bad_line_gets_its_own_sentence() {
        for (text, part) in [
            ("", "names no image; write `SOURCE` or `SOURCE => TARGET` a line"),
            ("# alpine\n\n,", "names no image"),
            ("alpine\n=> ghcr.io/a/b", "line 2 has nothing before its `=>`"),
            ("alpine =>", "line 1 has nothing behind its `=>`"),
            ("=>", "line 1 has nothing before its `=>`"),
            ("a/b => c/d => e/f", "line 1 has more than one `=>`"),
            ("a/b -> c/d", "line 1 has another arrow than `=>`"),
            ("a/b → c/d", "line 1 has another arrow than `=>`"),
            ("a/b\nalpine # the base", "line 2 has a comment behind it"),
            ("a/b, # c", "line 1 has a comment behind it"),
            ("a/b\n\na b => c", "line 3 (its source): has a space and more after `a`"),
            ("GHCR.io/A/b", "line 1 (its source): `ghcr.io/A/b` has upper case"),
            ("https://ghcr.io/a/b", "begins with `https://`"),
            ("ann:hunter2@ghcr.io/a/b => c", "has a user name before an `@`"),
        ] {
            let problem = read(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
            assert!(!problem.contains("hunter2") && !problem.contains('\n'), "{text}: {problem}");
        }
    }
}
