//! A YAML text as a tree in which everything knows where it stands.
//!
//! Owns what of YAML a list may be made of, and how other programs' files are read, which may have more of it. A scalar stays
//! as it was written: the tag `3.10` is no number, and `on` no truth. Never gives two values for one key of a list, and never
//! lets a small text grow into a large tree. Knows nothing of images.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use crate::text::quote::quote;
use crate::text::sanitise;

/// The most values that a text may stand for, those that aliases repeat counted each time.
const MOST_NODES: usize = 200_000;

/// The same of a document of another program: a cluster's objects in one `List` are many.
const MOST_NODES_ELSEWHERE: usize = 1_000_000;

/// The bytes of a repeated text that are worth a value.
const TEXT: usize = 64;

/// How deep values may be in each other; a list needs five.
const DEEPEST: usize = 32;

/// The same elsewhere: schemas of Kubernetes are deep.
const DEEPEST_ELSEWHERE: usize = 128;

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
    /// Where it begins; of what an alias of a list repeats, where the alias stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
    /// The bytes of a text, with its quotes; elsewhere without a meaning.
    pub span: Range<usize>,
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

    /// The value of a key, where it is a map that has it: the last one, as programs read it that mind no second.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(members) = &self.value else { return None };
        members.iter().rev().find(|(key, _)| key.text == name).map(|(_, value)| value)
    }

    /// The text of a key.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// What is in it, where it is a list.
    pub fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// What is in it, where it is a map.
    pub fn members(&self) -> &[(Key, Self)] {
        if let Value::Map(members) = &self.value { members } else { &[] }
    }

    /// How many values it is worth where it is repeated; a long text is worth several, for it is copied.
    fn count(&self) -> usize {
        let worth = |text: &str| 1 + text.len() / TEXT;
        match &self.value {
            Value::Null => 1,
            Value::Plain(text) | Value::Quoted(text) => worth(text),
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(members) => {
                1 + members.iter().map(|(key, value)| worth(&key.text) + value.count()).sum::<usize>()
            }
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
        Self { place, value, span: self.span.clone() }
    }
}

/// Whose text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// A list of ours: what could be meant otherwise is refused.
    List,
    /// Another program's file: YAML tags are read over, `<<` is followed, of two values for a key the last one counts, and
    /// what an alias repeats stands where it was written.
    Elsewhere,
}

/// One document of another program's file.
pub struct Document {
    /// What it says, or why it cannot be read.
    pub root: Result<Node, Problem>,
    /// Whether it has places that another program is to fill in, `{{ … }}`; those of GitHub's workflows, `${{ … }}`, are none.
    pub is_template: bool,
}

/// Reads another program's text, a document after the other: one that is broken takes no other with it, and one alone is in
/// memory.
pub fn documents(text: &str) -> impl Iterator<Item = Document> {
    let mut starts = vec![(0, 0)];
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        // Such a line is the mark of a document wherever it stands: no text in a document may have one.
        let is_mark =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if is_mark && offset > 0 {
            starts.push((offset, number));
        }
        offset += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]).collect();
    let chunks = starts.into_iter().zip(ends).map(|((start, line), end)| (start, line, &text[start..end]));
    // What stands before the first mark may be nothing but directives, and is no document then.
    let is_nothing = |text: &str| text.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '%']));
    chunks.filter(move |(.., chunk)| !is_nothing(chunk)).flat_map(|(start, line, chunk)| {
        let is_template = chunk.match_indices("{{").any(|(at, _)| !chunk[..at].ends_with('$'));
        let roots = elsewhere(chunk, start, line);
        roots.into_iter().map(move |root| Document { root, is_template })
    })
}

/// The documents of a part that begins at byte `start`, after `lines` lines.
fn elsewhere(text: &str, start: usize, lines: usize) -> Vec<Result<Node, Problem>> {
    let options = options! {
        flow_nesting_limit: DEEPEST_ELSEWHERE,
        block_nesting_limit: DEEPEST_ELSEWHERE,
    };
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader::new(events, Dialect::Elsewhere);
    (reader.start, reader.lines) = (start, lines);
    let mut roots = Vec::new();
    loop {
        match reader.next() {
            Ok((Event::DocumentStart(..), _)) => {
                let root = reader.next().and_then(|(event, at)| reader.node(event, at));
                let is_broken = root.is_err();
                roots.push(root);
                if is_broken {
                    return roots;
                }
            }
            Ok((Event::StreamEnd, _)) => return roots,
            Ok(_) => {}
            Err(problem) => {
                roots.push(Err(problem));
                return roots;
            }
        }
    }
}

/// Reads a list's text, which is one document.
pub fn parse(text: &str) -> Result<Node, Problem> {
    // A text is scanned for tabs by the parser only where indentation counts.
    let options = options! {
        strict_indentation: true,
        disallow_directives: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut reader = Reader::new(Parser::new_from_str_with_options(text, options), Dialect::List);
    let mut document = None;
    loop {
        let (event, At { place, .. }) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) if document.is_some() => {
                return Err(Problem::new(place, "a second document begins; write one document a file"));
            }
            Event::DocumentStart(..) => {
                let (event, at) = reader.next()?;
                document = Some(reader.node(event, at)?);
            }
            Event::StreamEnd => {
                let empty = Node { place: Place { line: 1, column: 1 }, value: Value::Null, span: 0..0 };
                return Ok(document.unwrap_or(empty));
            }
            _ => return Err(Problem::new(place, "this is not read; write one document a file")),
        }
    }
}

/// Where an event stands.
#[derive(Clone, Default)]
struct At {
    place: Place,
    span: Range<usize>,
}

struct Reader<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> {
    events: I,
    dialect: Dialect,
    /// The byte and the line that the text begins at in its file.
    start: usize,
    lines: usize,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Values that are kept to be repeated: those in several anchors as often.
    anchored: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Reader<'a, I> {
    fn new(events: I, dialect: Dialect) -> Self {
        Self { events, dialect, start: 0, lines: 0, anchors: HashMap::new(), nodes: 0, anchored: 0 }
    }

    fn next(&mut self) -> Result<(Event<'a>, At), Problem> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                let bytes = span.byte_range().unwrap_or_default();
                let place = place(span.start.line() + self.lines, span.start.col());
                Ok((event, At { place, span: bytes.start + self.start..bytes.end + self.start }))
            }
            Some(Err(error)) => {
                let place = place(error.marker().line() + self.lines, error.marker().col());
                let words = sanitise::one_line(&error.info(), 200);
                let advice = match error.kind() {
                    ErrorKind::MissingAnchorOrAliasName | ErrorKind::UnknownAnchor => {
                        "; write a `*` in quotes, `\"*\"`"
                    }
                    ErrorKind::UnknownQuotedScalarEscape => {
                        "; write what has a backslash in single quotes, `'/1\\.\\d+/'`"
                    }
                    ErrorKind::InvalidBlockScalarHeader => {
                        "; write what begins with `>` or `|` in quotes, `\">=1.26\"`"
                    }
                    _ => "",
                };
                let advice = if self.dialect == Dialect::List { advice } else { "" };
                Err(Problem::new(place, format!("this is not YAML: {words}{advice}")))
            }
            None => Ok((Event::StreamEnd, At::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, At { place, span }: At) -> Result<Node, Problem> {
        self.count(1, place)?;
        let reads_tags = self.dialect == Dialect::Elsewhere;
        let untagged = |tag: Option<_>| match tag {
            Some(_) if !reads_tags => {
                Err(Problem::new(place, "a YAML tag (`!…`) is not read; leave it out, or quote the text"))
            }
            _ => Ok(()),
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
                let node = &self.anchors[&anchor];
                return Ok(if self.dialect == Dialect::List { node.moved(place) } else { node.clone() });
            }
            _ => return Err(Problem::new(place, "a value is missing here")),
        };
        let node = Node { place, value, span };
        if anchor > 0 {
            self.anchored = self.anchored.saturating_add(node.count());
            if self.anchored > self.most() {
                return Err(self.too_many(place));
            }
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn items(&mut self) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, at)?);
        }
    }

    fn members(&mut self) -> Result<Vec<(Key, Node)>, Problem> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        // By the lines of the keys: a text may have a hundred thousand.
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(if self.dialect == Dialect::Elsewhere { merged(members) } else { members });
            }
            let place = at.place;
            let key = self.node(event, at)?;
            let Some(text) = key.text().map(str::to_owned) else {
                return Err(Problem::new(place, format!("the key is {}; write a word and a colon", key.kind())));
            };
            let first = if self.dialect == Dialect::List { seen.insert(text.clone(), place.line) } else { None };
            if let Some(line) = first {
                let problem = format!("the key `{}` is given twice, in line {line} before; keep one", quote(&text));
                return Err(Problem::new(place, problem));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at)?;
            members.push((Key { place, text }, value));
        }
    }

    fn most(&self) -> usize {
        if self.dialect == Dialect::List { MOST_NODES } else { MOST_NODES_ELSEWHERE }
    }

    fn count(&mut self, more: usize, place: Place) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > self.most() { Err(self.too_many(place)) } else { Ok(()) }
    }

    fn too_many(&self, place: Place) -> Problem {
        let what = if self.dialect == Dialect::List { "list" } else { "document" };
        let problem = format!(
            "with its aliases written out, this has more than {} values, a long text being several; split the {what}",
            self.most()
        );
        Problem::new(place, problem)
    }
}

/// The members of a map with those that its `<<` bring: what it has itself wins, then what is brought first.
fn merged(members: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    if members.iter().all(|(key, _)| key.text != "<<") {
        return members;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = members.into_iter().partition(|(key, _)| key.text == "<<");
    let mut known: HashSet<String> = own.iter().map(|(key, _)| key.text.clone()).collect();
    for (_, value) in merges {
        let maps = match value.value {
            Value::List(maps) => maps,
            _ => vec![value],
        };
        for map in maps {
            let Value::Map(members) = map.value else { continue };
            own.extend(members.into_iter().filter(|(key, _)| known.insert(key.text.clone())));
        }
    }
    own
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
            ("semver: >=1.26\n", 1, 9, "in quotes, `\">=1.26\"`"),
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
        // The same by bytes: few values, each long.
        let long = "x".repeat(100_000);
        let items = "  - *a\n".repeat(20_000);
        let keys: Vec<String> = (0..100).map(|number| format!("{}{number}: 1", "x".repeat(900))).collect();
        let keys = keys.join(", ");
        for bomb in [format!("x: &a {long}\nl:\n{items}"), format!("x: &a {{{keys}}}\nl:\n{items}")] {
            let problem = parse(&bomb).unwrap_err();
            assert!(problem.text.contains("a long text being several"), "{problem:?}");
            assert!(problem.place.line < 200, "{problem:?}");
        }
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
