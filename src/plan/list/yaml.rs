//! A YAML text as a tree in which everything knows where it stands.
//!
//! Owns what of YAML a list may be made of. A scalar stays as it was written: the tag `3.10` is no number, and `on` no truth.
//! Never gives two values for one key, and never lets a small text grow into a large tree. Knows nothing of images.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use crate::text::quote::quote;
use crate::text::sanitise;

/// The most values that a text may stand for, those that aliases repeat counted each time.
const MOST_NODES: usize = 200_000;

/// How deep values may be in each other; a list needs five.
const DEEPEST: usize = 32;

/// Where something stands in a text, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// A place in one of the files of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The file, as it is shown.
    pub file: Arc<str>,
    /// Where in it.
    pub place: Place,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.place.line, self.place.column)
    }
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// One sentence, which goes on after the place.
    pub text: String,
}

impl Problem {
    pub fn new(place: Place, text: impl Into<String>) -> Self {
        Self { place, text: text.into() }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins; of what an alias repeats, where the alias stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: no text at all, `~` or `null`.
    Null,
    /// A text without quotes, as it was written.
    Plain(String),
    /// A text in quotes, or a block of lines.
    Quoted(String),
    /// Several values.
    List(Vec<Node>),
    /// Values by key, in the order written.
    Map(Vec<(Key, Node)>),
}

/// The key of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: String,
}

impl Node {
    /// What it is, for sentences.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Plain(_) | Value::Quoted(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Its text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) | Value::Quoted(text) => Some(text),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(members) => members.iter().map(|(_, value)| 1 + value.count()).sum(),
            _ => 0,
        }
    }

    /// The same at another place, all that is in it included.
    fn moved(&self, place: Place) -> Self {
        let value = match &self.value {
            Value::List(items) => Value::List(items.iter().map(|item| item.moved(place)).collect()),
            Value::Map(members) => {
                let member = |(key, value): &(Key, Self)| (Key { place, text: key.text.clone() }, value.moved(place));
                Value::Map(members.iter().map(member).collect())
            }
            other => other.clone(),
        };
        Self { place, value }
    }
}

/// Reads a text of one document.
pub fn parse(text: &str) -> Result<Node, Problem> {
    // A text is scanned for tabs by the parser only where indentation counts.
    let options = options! {
        strict_indentation: true,
        disallow_directives: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut reader =
        Reader { events: Parser::new_from_str_with_options(text, options), anchors: HashMap::new(), nodes: 0 };
    let mut document = None;
    loop {
        let (event, place) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) if document.is_some() => {
                return Err(Problem::new(place, "a second document begins; write one document a file"));
            }
            Event::DocumentStart(..) => {
                let (event, place) = reader.next()?;
                document = Some(reader.node(event, place)?);
            }
            Event::StreamEnd => {
                let empty = Node { place: Place { line: 1, column: 1 }, value: Value::Null };
                return Ok(document.unwrap_or(empty));
            }
            _ => return Err(Problem::new(place, "this is not read; write one document a file")),
        }
    }
}

struct Reader<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> {
    events: I,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Reader<'a, I> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, place(span.start.line(), span.start.col()))),
            Some(Err(error)) => {
                let place = place(error.marker().line(), error.marker().col());
                let words = sanitise::one_line(&error.info(), 200);
                let advice = match error.kind() {
                    ErrorKind::MissingAnchorOrAliasName | ErrorKind::UnknownAnchor => {
                        "; write a `*` in quotes, `\"*\"`"
                    }
                    ErrorKind::UnknownQuotedScalarEscape => {
                        "; write what has a backslash in single quotes, `'/1\\.\\d+/'`"
                    }
                    _ => "",
                };
                Err(Problem::new(place, format!("this is not YAML: {words}{advice}")))
            }
            None => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place) -> Result<Node, Problem> {
        self.count(1, place)?;
        let untagged = |tag: Option<_>| match tag {
            Some(_) => Err(Problem::new(place, "a YAML tag (`!…`) is not read; leave it out, or quote the text")),
            None => Ok(()),
        };
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                untagged(tag)?;
                let value = match style {
                    ScalarStyle::Plain if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
                    ScalarStyle::Plain => Value::Plain(text.into_owned()),
                    _ => Value::Quoted(text.into_owned()),
                };
                (anchor, value)
            }
            Event::SequenceStart(_, anchor, tag) => {
                untagged(tag)?;
                (anchor, Value::List(self.items()?))
            }
            Event::MappingStart(_, anchor, tag) => {
                untagged(tag)?;
                (anchor, Value::Map(self.members()?))
            }
            Event::Alias(anchor) => {
                // One that holds itself is not there yet.
                let Some(size) = self.anchors.get(&anchor).map(Node::count) else {
                    return Err(Problem::new(place, "this alias is inside of what it repeats; write it out"));
                };
                // Before it is copied: what blows up is refused while it is small.
                self.count(size, place)?;
                return Ok(self.anchors[&anchor].moved(place));
            }
            _ => return Err(Problem::new(place, "a value is missing here")),
        };
        let node = Node { place, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn items(&mut self) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, place)?);
        }
    }

    fn members(&mut self) -> Result<Vec<(Key, Node)>, Problem> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        // By the lines of the keys: a text may have a hundred thousand.
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(members);
            }
            let key = self.node(event, place)?;
            let Some(text) = key.text().map(str::to_owned) else {
                return Err(Problem::new(place, format!("the key is {}; write a word and a colon", key.kind())));
            };
            if let Some(line) = seen.insert(text.clone(), place.line) {
                let problem = format!("the key `{}` is given twice, in line {line} before; keep one", quote(&text));
                return Err(Problem::new(place, problem));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at)?;
            members.push((Key { place, text }, value));
        }
    }

    fn count(&mut self, more: usize, place: Place) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MOST_NODES {
            let problem =
                format!("with its aliases written out, this has more than {MOST_NODES} values; split the list");
            return Err(Problem::new(place, problem));
        }
        Ok(())
    }
}

/// Its columns count from 0.
fn place(line: usize, column: usize) -> Place {
    Place { line, column: column + 1 }
}

#[cfg(test)]
mod tests {
    use super::{Node, Value, parse};

    /// The tree as a line: texts in quotes where they were quoted, with line and column.
    fn shown(node: &Node) -> String {
        let at = format!("{}:{}", node.place.line, node.place.column);
        match &node.value {
            Value::Null => format!("null@{at}"),
            Value::Plain(text) => format!("{text}@{at}"),
            Value::Quoted(text) => format!("\"{text}\"@{at}"),
            Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::Map(members) => {
                let member = |(key, value): &(super::Key, Node)| format!("{}: {}", key.text, shown(value));
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn what_is_written_stays_as_it_is_written_and_knows_where_it_stands() {
        for (text, tree) in [
            ("", "null@1:1"),
            ("# only a comment\n", "null@1:1"),
            (
                "a: 3.10\nb: [012, on, 1e3, 0x1F, yes]\n",
                "{a: 3.10@1:4, b: [012@2:5, on@2:10, 1e3@2:14, 0x1F@2:19, yes@2:25]}",
            ),
            ("- 'a: b'\n-  \"c\\n\"\n- ~\n-\n", "[\"a: b\"@1:3, \"c\n\"@2:4, null@3:3, null@4:2]"),
            ("---\na: {b: c, d: }\n", "{a: {b: c@2:8, d: null@2:12}}"),
            // What an alias repeats stands where the alias does.
            ("a: &x [p, q]\nb: *x\n", "{a: [p@1:8, q@1:11], b: [p@2:4, q@2:4]}"),
            ("- image # why\n# between\n- other\n", "[image@1:3, other@3:3]"),
        ] {
            let read = parse(text).map(|node| shown(&node));
            assert_eq!(read.as_deref(), Ok(tree), "{text}");
        }
    }

    #[test]
    fn what_is_not_read_is_named_with_its_place() {
        for (text, line, column, part) in [
            ("a: 1\nb: 2\na: 3\n", 3, 1, "`a` is given twice, in line 1 before"),
            ("a:\n\tb: 1\n", 2, 2, "not YAML"),
            ("a: [b\n", 1, 4, "not YAML"),
            ("a: b: c\n", 1, 5, "not YAML"),
            ("a: 1\n---\nb: 2\n", 2, 1, "a second document"),
            ("a: !!binary aGk=\n", 1, 13, "a YAML tag"),
            ("a: *none\n", 1, 4, "not YAML"),
            ("tags: *\n", 1, 7, "; write a `*` in quotes, `\"*\"`"),
            ("tags: [*]\n", 1, 8, "; write a `*` in quotes, `\"*\"`"),
            ("tags: *.1\n", 1, 7, "in quotes, `\"*\"`"),
            ("tags: \"/1\\.1\\d/\"\n", 1, 7, "in single quotes, `'/1\\.\\d+/'`"),
            ("a: &x [*x]\n", 1, 8, "inside of what it repeats"),
            ("[a]: b\n", 1, 1, "the key is a list"),
            ("%YAML 1.1\n---\na: b\n", 1, 1, "not YAML"),
        ] {
            let problem = parse(text).expect_err(text);
            let found = (problem.place.line, problem.place.column);
            assert!(problem.text.contains(part) && !problem.text.contains('\n'), "{text}: {problem:?}");
            assert_eq!(found, (line, column), "{text}: {problem:?}");
        }
    }

    #[test]
    fn a_text_that_blows_up_is_refused_while_it_is_small() {
        // Ten to the power of nine values in a dozen lines.
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            let line = format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
            bomb.push_str(&line);
        }
        let problem = parse(&bomb).unwrap_err();
        assert!(problem.text.contains("more than 200000 values"), "{problem:?}");
        assert_eq!(problem.place.line, 6);
        // Looked up, not compared with each other.
        let many: Vec<String> = (0..99_000).map(|number| format!("k{number}: a\n")).collect();
        let Value::Map(members) = parse(&many.concat()).unwrap().value else { panic!("a map") };
        assert_eq!(members.len(), 99_000);
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse(&deep).unwrap_err().text.contains("not YAML"));
        let block: Vec<String> = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(parse(&block.concat()).unwrap_err().text.contains("not YAML"));
    }
}
