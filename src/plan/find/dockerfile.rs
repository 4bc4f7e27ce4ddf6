//! Dockerfiles: `FROM`, `COPY --from`, `RUN --mount=…,from=` and `# syntax=`.
//!
//! A parser of our own, which reads no more of an instruction than it needs: those that are on offer refuse a whole file for one
//! instruction that they do not know, and a file with a template in one place still says in the others what it is made from.
//! What stands in a here-document, in a comment or in the words of a command is never an image.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::plan::find::found::{Collector, Kind, Reading, Settings, part};
use crate::plan::find::variables::{Escape, Lookup, fill};
use crate::plan::list::yaml::Place;

/// What BuildKit sets itself, for each platform that is built.
const OF_THE_PLATFORM: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// Whether a text without a name that says so begins as a Dockerfile does, and not as a sentence: behind the image of `FROM`
/// stands nothing, or `AS` and a name.
pub fn is_one(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    match words.as_slice() {
        ["ARG", _, ..] => true,
        [from, behind @ ..] if from.eq_ignore_ascii_case("FROM") && !behind.is_empty() => {
            let behind: Vec<&str> = behind.iter().copied().filter(|word| !word.starts_with("--")).collect();
            match behind.as_slice() {
                // The line goes on behind either letter.
                [] | [_] | [.., "\\" | "`"] => true,
                [_, word, _] => word.eq_ignore_ascii_case("AS"),
                _ => false,
            }
        }
        _ => false,
    }
}

pub fn read(text: &str, settings: &Settings) -> Reading {
    let mut collector = Collector::new(text, settings);
    collector.begin(Kind::Dockerfile);
    let lines = Lines::new(text);
    let (escape, syntax) = directives(&lines);
    let mut file =
        File { escape, arguments: BTreeMap::new(), stages: BTreeSet::new(), has_stage: false, collector, lines };
    if let Some((at, image)) = syntax {
        file.take(&Word { text: image, at: Some(at.clone()), start: at.start, opens_document: false }, Variables::None);
    }
    let mut number = 0;
    while number < file.lines.0.len() {
        number = file.instruction(number);
    }
    if !file.has_stage {
        file.collector.note(Place { line: 1, column: 1 }, "has no `FROM`");
    }
    file.collector.reading
}

/// The lines of a text, each with the byte that it begins at, without its end.
struct Lines<'a>(Vec<(usize, &'a str)>);

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let mut offset = 0;
        let line = |line: &'a str| {
            let start = offset;
            offset += line.len();
            (start, line.trim_end_matches('\n').trim_end_matches('\r'))
        };
        let mut lines: Vec<_> = text.split_inclusive('\n').map(line).collect();
        if let Some((start, first)) = lines.first_mut()
            && let Some(rest) = first.strip_prefix('\u{feff}')
        {
            (*start, *first) = ('\u{feff}'.len_utf8(), rest);
        }
        Self(lines)
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.0.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        let Some((start, text)) = self.0.get(line) else { return Place { line: 1, column: 1 } };
        let before = text.get(..offset.saturating_sub(*start)).unwrap_or_default();
        Place { line: line + 1, column: before.chars().count() + 1 }
    }
}

/// The letter that goes on with a line, and the image of `# syntax=`: in the comments at the head of the file alone.
fn directives(lines: &Lines<'_>) -> (char, Option<(Range<usize>, String)>) {
    let (mut escape, mut syntax) = ('\\', None);
    for (start, line) in &lines.0 {
        let directive = line.trim_start().strip_prefix('#').and_then(|rest| rest.split_once('='));
        let Some((name, value)) = directive else { break };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            break;
        }
        match (&*name, value) {
            ("escape", "`") => escape = '`',
            ("syntax", image) if !image.is_empty() => {
                let at = start + line.rfind(image).unwrap_or_default();
                syntax = Some((at..at + image.len(), image.to_owned()));
            }
            _ => {}
        }
    }
    (escape, syntax)
}

/// A word of an instruction.
#[derive(Clone, Debug)]
struct Word {
    /// Without the quotes around it.
    text: String,
    /// Its bytes in the file, where they are in one piece.
    at: Option<Range<usize>>,
    start: usize,
    /// Whether it begins as what opens a here-document, without a quote before.
    opens_document: bool,
}

impl Word {
    /// What follows the first `skip` bytes.
    fn behind(&self, skip: usize) -> Self {
        let at = self.at.as_ref().filter(|at| at.len() == self.text.len()).map(|at| at.start + skip..at.end);
        Self { text: self.text[skip..].to_owned(), at, start: self.start + skip, opens_document: false }
    }
}

/// Which variables a place has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variables {
    /// The arguments before the first stage.
    Arguments,
    /// None: what has one is not known.
    None,
}

/// An argument: its value where it has one that is known, where that stands, and why it has none.
struct Argument {
    value: Lookup,
    word: Option<Word>,
}

struct File<'a> {
    escape: char,
    arguments: BTreeMap<String, Argument>,
    stages: BTreeSet<String>,
    has_stage: bool,
    collector: Collector<'a>,
    lines: Lines<'a>,
}

impl File<'_> {
    /// Reads the instruction that begins at a line, and gives the line behind it.
    fn instruction(&mut self, first: usize) -> usize {
        let is_nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let (mut text, mut pieces, mut number) = (String::new(), Vec::new(), first);
        while let Some((start, line)) = self.lines.0.get(number).copied() {
            number += 1;
            if is_nothing(line) {
                if text.is_empty() {
                    return number;
                }
                continue;
            }
            let bare = line.trim_end_matches([' ', '\t']);
            let goes_on = bare.strip_suffix(self.escape).filter(|rest| !rest.ends_with(self.escape));
            pieces.push((text.len(), start));
            text.push_str(goes_on.unwrap_or(line));
            if goes_on.is_none() {
                break;
            }
        }
        let words = Self::words(&text, &pieces);
        let Some(name) = words.first().map(|word| word.text.to_ascii_uppercase()) else { return number };
        self.judge(&name, &words[1..]);
        let is_document = ["RUN", "COPY", "ADD", "ONBUILD"].contains(&name.as_str());
        if is_document { self.behind_documents(&words, number) } else { number }
    }

    /// Words as a shell has them: quotes hold blanks together.
    fn words(text: &str, pieces: &[(usize, usize)]) -> Vec<Word> {
        let source = |at: usize| {
            let piece = pieces.partition_point(|(logical, _)| *logical <= at).saturating_sub(1);
            pieces.get(piece).map_or((0, 0), |(logical, start)| (piece, start + at - logical))
        };
        let (mut words, mut behind) = (Vec::new(), 0);
        while let Some(skip) = text[behind..].find(|letter: char| !letter.is_whitespace()) {
            let start = behind + skip;
            let (mut word, mut quote, mut end) = (String::new(), None, text.len());
            for (at, letter) in text[start..].char_indices() {
                match (letter, quote) {
                    (letter, None) if letter.is_whitespace() => {
                        end = start + at;
                        break;
                    }
                    ('"' | '\'', None) => quote = Some(letter),
                    (letter, Some(open)) if letter == open => quote = None,
                    (letter, _) => word.push(letter),
                }
            }
            // A quote that is not closed holds nothing: the words are told apart by blanks then.
            if quote.is_some() {
                end = text[start..].find(char::is_whitespace).map_or(text.len(), |at| start + at);
                text[start..end].clone_into(&mut word);
            }
            behind = end;
            let ((first, from), (last, to)) = (source(start), source(end.saturating_sub(1)));
            let raw = &text[start..end];
            let at = (first == last).then(|| from..to + 1);
            // Inside of the quotes, where they are around all of it.
            let at = match raw.find(&word) {
                Some(skip) if raw.len() > word.len() => at.map(|at| at.start + skip..at.start + skip + word.len()),
                Some(_) => at,
                None => None,
            };
            let start = at.as_ref().map_or(from, |at| at.start);
            let opens_document = raw.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("<<");
            words.push(Word { text: word, at, start, opens_document });
        }
        words
    }

    /// The line behind the here-documents that an instruction opens.
    fn behind_documents(&mut self, words: &[Word], mut number: usize) -> usize {
        for word in words.iter().filter(|word| word.opens_document) {
            let Some(name) = word.text.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<") else {
                continue;
            };
            let (strips, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
            if name.is_empty() || name.starts_with('<') || !name.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                continue;
            }
            let is_end = |(_, line): &(usize, &str)| name == if strips { line.trim_start_matches('\t') } else { line };
            let rest = self.lines.0.get(number..).unwrap_or_default();
            if let Some(lines) = rest.iter().position(is_end) {
                number += lines + 1;
            } else {
                number = self.lines.0.len();
                let place = self.lines.place(word.start);
                self.collector.note(place, "opens a here-document without an end; what follows is not read");
            }
        }
        number
    }

    fn judge(&mut self, name: &str, words: &[Word]) {
        let flags = words.iter().take_while(|word| word.text.starts_with("--")).count();
        match name {
            "ARG" if !self.has_stage => words.iter().for_each(|word| self.argument(word)),
            "FROM" => {
                self.has_stage = true;
                let [image, rest @ ..] = &words[flags..] else { return };
                if !image.text.eq_ignore_ascii_case("scratch") {
                    self.take(image, Variables::Arguments);
                }
                if let [word, stage, ..] = rest
                    && word.text.eq_ignore_ascii_case("as")
                {
                    self.stages.insert(stage.text.to_ascii_lowercase());
                }
            }
            "COPY" => {
                for word in words[..flags].iter().filter(|word| word.text.starts_with("--from=")) {
                    self.from(&word.behind("--from=".len()));
                }
            }
            "RUN" => {
                for word in words[..flags].iter().filter(|word| word.text.starts_with("--mount=")) {
                    let mut skip = "--mount=".len();
                    for part in word.text["--mount=".len()..].split(',') {
                        if let Some(value) = part.strip_prefix("from=") {
                            let rest = word.behind(skip + "from=".len());
                            let at = rest.at.clone().map(|at| at.start..at.start + value.len());
                            self.from(&Word { text: value.to_owned(), at, ..rest });
                        }
                        skip += part.len() + 1;
                    }
                }
            }
            "ONBUILD" => {
                if let [first, rest @ ..] = words
                    && ["COPY", "RUN"].iter().any(|name| first.text.eq_ignore_ascii_case(name))
                {
                    self.judge(&first.text.to_ascii_uppercase(), rest);
                }
            }
            _ => {}
        }
    }

    /// `NAME` or `NAME=DEFAULT`.
    fn argument(&mut self, word: &Word) {
        let (name, default) = word.text.split_once('=').map_or((&*word.text, None), |(name, text)| (name, Some(text)));
        let given = self.collector.settings.build_arguments.get(name);
        let own = word.behind(word.text.len() - default.map_or(0, str::len));
        let argument = match (given, default) {
            (Some(value), _) => Argument { value: Lookup::Value(value.clone()), word: None },
            _ if OF_THE_PLATFORM.contains(&name) => {
                Argument { value: Lookup::Unknown(format!("`{name}` differs from platform to platform")), word: None }
            }
            (None, None) => Argument { value: Lookup::Unset, word: None },
            (None, Some(text)) => match self.filled(text) {
                Ok(value) => Argument { word: (value == text).then_some(own), value: Lookup::Value(value) },
                Err(reason) => Argument { value: Lookup::Unknown(reason), word: None },
            },
        };
        self.arguments.insert(name.to_owned(), argument);
    }

    fn filled(&self, text: &str) -> Result<String, String> {
        let lookup = |name: &str| match (self.arguments.get(name), self.collector.settings.build_arguments.get(name)) {
            (Some(argument), _) => argument.value.clone(),
            (None, _) if OF_THE_PLATFORM.contains(&name) => {
                Lookup::Unknown(format!("`{name}` differs from platform to platform"))
            }
            (None, _) => Lookup::Unset,
        };
        fill(text, Escape::Letter(self.escape), &lookup)
    }

    /// A stage's number or name is none; anything else is an image.
    fn from(&mut self, word: &Word) {
        let is_number = !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number && !word.text.eq_ignore_ascii_case("scratch") {
            self.take(word, Variables::None);
        }
    }

    fn take(&mut self, word: &Word, variables: Variables) {
        let place = self.lines.place(word.start);
        let written = &*word.text;
        if written.is_empty() || self.stages.contains(&written.to_ascii_lowercase()) {
            return;
        }
        if written.contains("{{") {
            return self.collector.unresolved(
                place,
                written,
                "it is a template that is not filled in; render the file first",
            );
        }
        let filled = match variables {
            Variables::Arguments => self.filled(written),
            Variables::None if written.contains('$') => Err("variables are not filled in here".to_owned()),
            Variables::None => Ok(written.to_owned()),
        };
        let value = match filled {
            Ok(value) => value,
            Err(reason) => {
                // One stage for each platform, of which the variable chooses.
                let before = written.split('$').next().unwrap_or_default().to_ascii_lowercase();
                let is_name = !outside_of_variables(written).contains(['/', ':', '@']);
                let is_stage =
                    is_name && !before.is_empty() && self.stages.iter().any(|stage| stage.starts_with(&before));
                if !is_stage {
                    self.collector.unresolved(place, written, with_advice(reason, variables));
                }
                return;
            }
        };
        if value.eq_ignore_ascii_case("scratch") || self.stages.contains(&value.to_ascii_lowercase()) {
            return;
        }
        let own = word.at.as_ref().filter(|at| at.len() == written.len());
        let written = own.and_then(|at| part(at, written, &value)).or_else(|| self.default_of(written, &value));
        self.collector.image(place, &value, written);
    }

    /// Where the default of the one variable stands that is the whole image.
    fn default_of(&self, written: &str, value: &str) -> Option<crate::plan::find::found::Written> {
        let name = written.strip_prefix('$')?;
        let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        let word = self.arguments.get(name)?.word.as_ref()?;
        part(word.at.as_ref().filter(|at| at.len() == word.text.len())?, &word.text, value)
    }
}

/// What of a text stands in no `${…}`.
fn outside_of_variables(text: &str) -> String {
    let mut depth = 0_usize;
    let is_outside = |letter: &char| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(is_outside).collect()
}

fn with_advice(reason: String, variables: Variables) -> String {
    let is_unset = reason.ends_with("has no value here");
    if is_unset && variables == Variables::Arguments { format!("{reason}; give it by `build-arg`") } else { reason }
}
