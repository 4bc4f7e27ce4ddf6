//! Which images a run is about: one, or a list of `SOURCE` or `SOURCE => TARGET` a line.
//!
//! Owns how the text of the input `images` is read, and a line of a list file; what people paste into the input counts as
//! they mean it, a file's line as it stands. A pure function over text: what a target's template becomes, and
//! whether two lines contradict each other, is the plan's. A sentence about a line names its number and quotes nothing
//! that may be a password: what of a reference may be shown, the reference's own sentence shows.

use std::fmt;
use std::sync::Arc;

use crate::engine::options::Options;
use crate::oci::platform::Platform;
use crate::oci::reference::ImageReference;
use crate::plan::list::yaml::Position;
use crate::plan::pasted::{self, Asked, Pasted};
use crate::text::blank::trimmed;

/// How a line is written, for sentences.
const SHAPE: &str = "write `SOURCE` or `SOURCE => TARGET`";

/// Where an image is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// A line of the input `images`, from 1; several between commas stand on one.
    Line(usize),
    /// A line of the input `request`, from 1.
    Request(usize),
    /// In the list that the input `config` names.
    List(Position),
    /// In a file that the input `images-from` names.
    Named(Position),
    /// In the directory that the input `source` names.
    Layout,
}

impl At {
    /// The input that asks.
    pub fn input(&self) -> &'static str {
        match self {
            Self::Line(_) => "images",
            Self::Request(_) => "request",
            Self::List(_) => "config",
            Self::Named(_) => "images-from",
            Self::Layout => "source",
        }
    }

    /// ` of` and the input, for sentences; a place in a list says itself where it is.
    pub fn of(&self) -> String {
        match self {
            Self::Line(_) | Self::Request(_) => format!(" of `{}`", self.input()),
            Self::List(_) | Self::Named(_) | Self::Layout => String::new(),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) | Self::Request(number) => write!(f, "line {number}"),
            Self::List(position) | Self::Named(position) => position.fmt(f),
            Self::Layout => f.write_str("an image of the directory"),
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
    /// The only platform that is wanted of it, where one is written beside it.
    pub platform: Option<Box<Platform>>,
    /// How it is wanted, where that differs from the other images of the run.
    pub options: Option<Arc<Options>>,
    /// Whose word counts where the target's tag is another image.
    pub say: Say,
}

/// Whether who asks for an image may have it take the place of another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Say {
    /// As the run has it (`on-conflict`).
    #[default]
    Run,
    /// It may not: what is there stays.
    Target,
}

/// What the input names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The images, in order.
    pub lines: Vec<Line>,
    /// What was read otherwise than it was written, a sentence each.
    pub notices: Vec<String>,
}

impl Typed {
    fn add(&mut self, number: usize, read: Pasted, target: Option<String>) {
        self.notices.extend(read.notice().map(|notice| format!("input `images`: line {number} {notice}")));
        let Pasted { image: source, platform, .. } = read;
        let (at, platform) = (At::Line(number), platform.map(Box::new));
        self.lines.push(Line { at, source, target, platform, options: None, say: Say::Run });
    }
}

/// Reads the list. Newlines and commas separate, a line that starts with `#` is a comment; so is a fence of code.
///
/// Fails with a sentence for each line that is wrong, which names it and says how to mend it.
pub fn parse(text: &str) -> Result<Typed, String> {
    let mut typed = Typed::default();
    let mut problems = Vec::new();
    if let Some(listed) = pasted::document(text) {
        for Asked { number, read } in listed {
            match read {
                Ok(read) => typed.add(number, read, None),
                Err(problem) => problems.push(format!("line {number} {problem}")),
            }
        }
    } else {
        for (number, line) in (1..).zip(text.lines()) {
            // A directory may have any name.
            let line = if line.contains("oci:") { line.to_owned() } else { pasted::plain(line) };
            for item in
                items(&line).filter(|item| !item.starts_with("```") || item.trim_matches('`').contains([':', '/']))
            {
                let read = split(item).and_then(|(source, target)| {
                    let read = pasted::image(source).map_err(|problem| {
                        let several = pasted::is_several(source);
                        of_source(&problem)
                            + if several { "; between two images stands a comma or a new line" } else { "" }
                    });
                    Ok((read?, target))
                });
                match read {
                    Ok((read, target)) => typed.add(number, read, target.map(str::to_owned)),
                    Err(problem) => problems.push(format!("line {number} {problem}")),
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(all(problems.into_iter()));
    }
    if typed.lines.is_empty() {
        return Err(format!("names no image; {SHAPE} a line"));
    }
    Ok(typed)
}

/// The images of one line; none for a comment.
pub fn of_line(line: &str) -> impl Iterator<Item = Result<(ImageReference, Option<String>), String>> {
    items(line).map(image)
}

/// The sentences of several mistakes as one; of many the first.
pub fn all(problems: impl Iterator<Item = String>) -> String {
    /// As many as one reads at once.
    const MOST: usize = 5;
    let mut problems: Vec<String> = problems.collect();
    if problems.len() > MOST {
        let more = problems.len() - MOST;
        problems.truncate(MOST);
        problems.push(format!("and {more} more"));
    }
    problems.join("; ")
}

/// What stands between the commas of a line; nothing for a comment.
fn items(line: &str) -> impl Iterator<Item = &str> {
    let line = Some(trimmed(line)).filter(|line| !line.starts_with('#')).unwrap_or_default();
    line.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// One image: `SOURCE` or `SOURCE => TARGET`.
pub fn image(item: &str) -> Result<(ImageReference, Option<String>), String> {
    let (source, target) = split(item)?;
    Ok((ImageReference::parse(source).map_err(|problem| of_source(&problem))?, target.map(str::to_owned)))
}

fn of_source(problem: &str) -> String {
    format!("(its source): {problem}")
}

fn split(item: &str) -> Result<(&str, Option<&str>), String> {
    // No reference has such a word, so it cannot be part of one.
    if item.split_whitespace().any(|word| word.starts_with('#')) {
        return Err("has a comment behind it; give the comment a line of its own".to_owned());
    }
    let parts: Vec<&str> = item.split("=>").map(str::trim).collect();
    match *parts.as_slice() {
        [source] if source.contains("->") || source.contains('→') => {
            Err(format!("has another arrow than `=>`; {SHAPE}"))
        }
        [source] => Ok((source, None)),
        ["", _] => Err(format!("has nothing before its `=>`; {SHAPE}")),
        [_, ""] => Err(format!("has nothing behind its `=>`; {SHAPE}")),
        [source, target] => Ok((source, Some(target))),
        _ => Err("has more than one `=>`; give each target a line, with the same source".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{At, parse};

    /// Number, source and target of each image; the sentence where there is one.
    fn read(text: &str) -> Result<Vec<(usize, String, Option<String>)>, String> {
        let typed = parse(text)?;
        Ok(typed
            .lines
            .into_iter()
            .map(|line| match line.at {
                At::Line(number) => (number, line.source.to_string(), line.target),
                at => panic!("{at:?}"),
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
    fn what_is_pasted_is_read_as_it_is_meant_and_said() {
        let typed = parse("- docker pull nginx:1.27\n```\nredis，x/y:1|linux/arm64 => a/b\n```\n").unwrap();
        let lines: Vec<String> = typed
            .lines
            .iter()
            .map(|line| format!("{} {} {:?} {:?}", line.at, line.source, line.platform.is_some(), line.target))
            .collect();
        let expected = [
            "line 1 docker.io/library/nginx:1.27 false None",
            "line 3 docker.io/library/redis:latest false None",
            "line 3 docker.io/x/y:1 true Some(\"a/b\")",
        ];
        assert_eq!(lines, expected);
        let notices = [
            "input `images`: line 1 is read as `docker.io/library/nginx:1.27`",
            "input `images`: line 3 is read as `docker.io/x/y:1`, for linux/arm64 alone",
        ];
        assert_eq!(typed.notices, notices);
        let typed = parse("{\"hub-mirror\": [\"nginx:1.27\",\n \"redis\",], \"platform\": \"linux/arm64\"}").unwrap();
        assert_eq!(typed.lines.iter().filter(|line| line.platform.is_some()).count(), 2);
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
            ("A/b, c => \na/b\nd e", "line 1 (its source): `A/b` has upper case"),
            (
                "A/b, c => \na/b\nd e",
                "; line 1 has nothing behind its `=>`; write `SOURCE` or `SOURCE => TARGET`; line 3 (its source): ",
            ),
            ("A\nB\nC\nD\nE\nF\nG", "; and 2 more"),
            ("a/b\n\na b => c", "line 3 (its source): has a space and more after `a`"),
            ("a b", "a reference has no space in it; between two images stands a comma or a new line"),
            ("redis 7", "line 1 (its source): has a space in it; did you mean `redis:7`?"),
            (
                "redis hunter2:",
                "line 1 (its source): has a space and more after `redis`; a reference has no space in it",
            ),
            ("a/b:1 v1.2", "line 1 (its source): has a space and more after `a/b:1`"),
            ("GHCR.io/A/b", "line 1 (its source): `ghcr.io/A/b` has upper case"),
            ("https://example.com/a/b", "begins with `https://`"),
            ("ann:hunter2@ghcr.io/a/b => c", "has a user name before an `@`"),
        ] {
            let problem = read(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
            assert!(!problem.contains("hunter2") && !problem.contains('\n'), "{text}: {problem}");
        }
    }
}
