//! The direction of dependencies in `src/`: a file uses files of its own layer and of layers on lower floors, never
//! above and never beside, and the files of a layer do not use each other in a loop.
//!
//! A layer is a folder of `src/` with everything below it, or a file beside the folders. What counts is every path to a
//! module of the crate, in `use` and in the code; not what is under `#[cfg(test)]`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// The floors, from top to bottom.
const FLOORS: [&[&str]; 11] = [
    &["main", "lib"],
    &["app"],
    &["inputs", "report"],
    &["plan", "github", "emit", "runner"],
    &["engine"],
    &["store", "policy", "attest"],
    &["credentials"],
    &["observe", "http"],
    &["error"],
    &["oci"],
    &["text", "secret", "environment", "directory", "regular_file", "sync"],
];

/// What only tests are made of. It may use everything; nothing may use it but `lib.rs`, which shows it to the tests.
const TEST_MATERIAL: [&str; 2] = ["examples", "properties"];

/// Arrows that are against the rules and are there: a file, and what it uses.
const KNOWN: [(&str, &str); 0] = [];

#[test]
fn the_picture_in_the_crates_documentation_is_this_order() {
    let sources = sources();
    // Names, and then what they are for.
    let names = |line: &str| -> Vec<String> {
        let words = line.trim_start_matches("//! ").split_whitespace();
        words.take_while(|word| floor(word).is_some()).map(str::to_owned).collect()
    };
    let (_, picture) = sources["lib.rs"].split_once("```text\n").unwrap();
    let drawn: Vec<Vec<String>> = picture.lines().take_while(|line| *line != "//! ```").map(names).collect();
    assert_eq!(drawn, FLOORS.map(|floor| floor.iter().map(|layer| (*layer).to_owned()).collect::<Vec<_>>()));
}

#[test]
fn dependencies_point_down_and_not_in_circles() {
    let problems = problems(&sources(), &KNOWN);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The longest file without its tests, and the longest function, in lines.
const LONGEST: (usize, usize) = (600, 80);

/// Files that are longer, and why they read better so.
const LONGER: [(&str, &str); 1] = [("inputs/table.rs", "the whole table of inputs, row by row, in one place")];

#[test]
fn no_file_and_no_function_is_longer_than_can_be_read_in_one_go() {
    let sources = sources();
    let parts = sources.iter().filter(|(file, _)| !TEST_MATERIAL.contains(&layer(file)));
    let problems: Vec<String> = parts.flat_map(|(file, text)| too_long(file, text)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for (file, why) in LONGER {
        assert!(sources.get(file).is_some_and(|text| before_tests(text).lines().count() > LONGEST.0), "{file}: {why}");
    }
}

/// A file as far as it is not its tests: the module in it that is for them stands last.
fn before_tests(text: &str) -> &str {
    let tests = regex::Regex::new(r"\n#\[cfg\(test\)\]\n(?:pub(?:\([a-z]+\))? )?mod \w+ \{").unwrap();
    tests.find(text).map_or(text, |found| &text[..found.start()])
}

fn too_long(file: &str, text: &str) -> Vec<String> {
    if file.ends_with("/tests.rs") {
        return vec![];
    }
    let lines: Vec<&str> = before_tests(text).lines().collect();
    let mut problems = vec![];
    if lines.len() > LONGEST.0 && LONGER.iter().all(|(longer, _)| *longer != file) {
        problems.push(format!("src/{file}: {} lines without its tests", lines.len()));
    }
    let head = regex::Regex::new(r"^(\s*)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?fn (\w+)").unwrap();
    for (number, line) in lines.iter().enumerate() {
        let Some(found) = head.captures(line) else { continue };
        // As rustfmt has it: the brace that closes a function stands below its first letter.
        let end = format!("{}}}", &found[1]);
        let length = lines[number..].iter().position(|line| *line == end).unwrap_or_default() + 1;
        if length > LONGEST.1 && !line.ends_with(';') {
            problems.push(format!("src/{file}:{}: `{}` has {length} lines", number + 1, &found[2]));
        }
    }
    problems
}

/// All files below `src/`.
fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                sources.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// By file below `src/`, what is in it.
type Sources = BTreeMap<String, String>;

/// One file uses another.
#[derive(Debug)]
struct Arrow {
    from: String,
    line: usize,
    to: String,
}

/// Everything that is against the rules, a line each.
fn problems(sources: &Sources, known: &[(&str, &str)]) -> Vec<String> {
    let is_placed = |file: &&String| floor(layer(file)).is_some() || TEST_MATERIAL.contains(&layer(file));
    let unplaced = sources.keys().filter(|file| !is_placed(file));
    let mut problems: Vec<String> =
        unplaced.map(|file| format!("src/{file}: the layer `{}` is on no floor", layer(file))).collect();
    let is_known = |arrow: &Arrow| known.contains(&(&*arrow.from, &*arrow.to));
    let (excepted, counted): (Vec<Arrow>, Vec<Arrow>) = arrows(sources).into_iter().partition(is_known);
    problems.extend(counted.iter().filter_map(direction));
    problems.extend(loops(&counted));
    for (from, to) in known.iter().filter(|(from, to)| !excepted.iter().any(|a| a.from == *from && a.to == *to)) {
        problems.push(format!("src/{from} no longer uses src/{to}: strike it from the list of what is known"));
    }
    problems
}

/// The first part of a file's path.
fn layer(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn floor(layer: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&layer))
}

fn direction(arrow: &Arrow) -> Option<String> {
    let (from, to) = (layer(&arrow.from), layer(&arrow.to));
    let way = match (floor(from), floor(to)) {
        _ if from == to => return None,
        (_, None) if TEST_MATERIAL.contains(&to) && from != "lib" => "from the program to what only tests may use",
        (Some(here), Some(there)) if there < here => "up",
        (Some(here), Some(there)) if there == here => "sideways",
        _ => return None,
    };
    let Arrow { from: file, line, to: used } = arrow;
    Some(format!("src/{file}:{line} uses src/{used}: {way}, `{from}` → `{to}`"))
}

/// The shortest loop through each file that uses itself by way of others of its layer; each loop once.
fn loops(arrows: &[Arrow]) -> BTreeSet<String> {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| layer(&arrow.from) == layer(&arrow.to)) {
        uses.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let shortest = |start: &str| {
        let mut ways = VecDeque::from([vec![start]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for next in uses.get(way.last()?).into_iter().flatten().copied() {
                if next == start {
                    return Some(way.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>());
                }
                if seen.insert(next) {
                    ways.push_back([&way[..], &[next]].concat());
                }
            }
        }
        None
    };
    let mut found = BTreeSet::new();
    for mut files in uses.keys().filter_map(|file| shortest(file)) {
        let first = (0..files.len()).min_by_key(|at| &files[*at]).unwrap_or_default();
        files.rotate_left(first);
        files.push(files[0].clone());
        found.insert(format!("a loop: src/{}", files.join(" → src/")));
    }
    found
}

/// Which file uses which, each pair once, at the first line.
fn arrows(sources: &Sources) -> Vec<Arrow> {
    let modules: BTreeMap<Vec<&str>, &str> = sources.keys().map(|file| (module(file), file.as_str())).collect();
    let is_read =
        |file: &str| !TEST_MATERIAL.contains(&layer(file)) && file != "main.rs" && !file.ends_with("tests.rs");
    let mut arrows: Vec<Arrow> = Vec::new();
    for (from, text) in sources.iter().filter(|(file, _)| is_read(file)) {
        for (line, path) in paths(&without_tests(&tokens(text))) {
            let to = resolve(&modules, &module(from), &path);
            if let Some(to) = to.filter(|to| to != from && !arrows.iter().any(|a| a.from == *from && a.to == *to)) {
                arrows.push(Arrow { from: from.clone(), line, to: to.to_owned() });
            }
        }
    }
    arrows
}

/// `a/b.rs` and `a/b/mod.rs` are `crate::a::b`.
fn module(file: &str) -> Vec<&str> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { vec![] } else { path.split('/').collect() }
}

/// The file of the innermost module that `path`, written in the module `here`, leads through.
fn resolve<'a>(modules: &BTreeMap<Vec<&'a str>, &'a str>, here: &[&'a str], path: &[&'a str]) -> Option<&'a str> {
    let mut at = here.to_vec();
    let mut names = path;
    match *path.first()? {
        "crate" => at.clear(),
        "super" | "self" => {}
        // In the 2024 edition, a module that is declared here; anything else is another crate or a name in scope.
        name if modules.contains_key(&[here, &[name]].concat()) => {}
        _ => return None,
    }
    while let [first @ ("crate" | "super" | "self"), rest @ ..] = names {
        if *first == "super" {
            at.pop();
        }
        names = rest;
    }
    for name in names {
        let inner = [&at[..], &[*name]].concat();
        if !modules.contains_key(&inner) {
            break;
        }
        at = inner;
    }
    modules.get(&at).copied()
}

/// A line and the word or sign that stands there.
type Token<'a> = (usize, &'a str);

/// The text without comments and literals.
fn tokens(text: &str) -> Vec<Token<'_>> {
    // Whatever begins like one of these is left out; a lifetime is no character.
    let skipped = regex::Regex::new(
        r#"(?x) ^(?: //[^\n]* | /\*(?s:.)*?\*/ | [bc]?r"[^"]*" | [bc]?r\#"(?s:.)*?"\# | [bc]?r\#\#"(?s:.)*?"\#\#
            | [bc]?"(?:[^"\\]|\\(?s:.))*" | b?'(?:[^'\\\n]|\\[^\n][^'\n]*)' | '\w+ | \s+ )"#,
    );
    let (skipped, word) = (skipped.unwrap(), regex::Regex::new(r"^(?:\w+|::|(?s:.))").unwrap());
    let (mut found, mut line, mut rest) = (Vec::new(), 1, text);
    while !rest.is_empty() {
        let skip = skipped.find(rest).map(|part| part.end());
        let end = skip.unwrap_or_else(|| word.find(rest).map_or(rest.len(), |part| part.end()));
        if skip.is_none() {
            found.push((line, &rest[..end]));
        }
        line += rest[..end].matches('\n').count();
        rest = &rest[end..];
    }
    found
}

/// Without the items behind `#[cfg(test)]` and `#[cfg(any(test, …))]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|(_, token)| *token == text);
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let is_test = ["#", "[", "cfg", "("].iter().enumerate().all(|(offset, text)| is(at + offset, text))
            && (is(at + 4, "test") || (is(at + 4, "any") || is(at + 4, "all")) && is(at + 6, "test"));
        if !is_test {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        // The item ends with a semicolon or the brace that closes its body, an arm, a field or a variant with a comma or
        // before the brace of what it stands in; before them stand its attributes.
        let (mut depth, mut is_item) = (0, false);
        while let Some((_, token)) = tokens.get(at) {
            is_item |=
                ["fn", "mod", "use", "impl", "struct", "enum", "const", "static", "type", "trait"].contains(token);
            depth += i32::from(matches!(*token, "{" | "(" | "[")) - i32::from(matches!(*token, "}" | ")" | "]"));
            if depth < 0 {
                break;
            }
            at += 1;
            if depth == 0 && (matches!(*token, ";" | "}") || *token == "," && !is_item) {
                break;
            }
        }
    }
    kept
}

/// Every path, with its line: of a `use` each one in its braces, in the code those with `::`.
fn paths<'a>(tokens: &[Token<'a>]) -> Vec<(usize, Vec<&'a str>)> {
    let text = |at: usize| tokens.get(at).map_or(";", |(_, token)| *token);
    let is_name = |at: usize| text(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let (mut found, mut at) = (Vec::new(), 0);
    // How deep in braces each module is that is written in the file itself.
    let (mut depth, mut inline) = (0, Vec::new());
    while at < tokens.len() {
        let start = found.len();
        match text(at) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|outer| *outer < depth);
            }
            "mod" if text(at + 2) == "{" => inline.push(depth),
            // Who may see an item; nothing of it is used.
            "pub" if text(at + 1) == "(" => at += (at..tokens.len()).take_while(|at| text(*at) != ")").count(),
            "use" => {
                at += 1;
                let end = at + (at..tokens.len()).take_while(|at| text(*at) != ";").count();
                tree(&tokens[at..end], &mut found);
                at = end;
            }
            _ if is_name(at) && text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") => {
                let mut path = (tokens[at].0, vec![text(at)]);
                while text(at + 1) == "::" && is_name(at + 2) {
                    at += 2;
                    path.1.push(text(at));
                }
                found.push(path);
            }
            _ => {}
        }
        for (_, path) in &mut found[start..] {
            // Inside such a module the first `super` is the file.
            let supers = path.iter().take_while(|name| **name == "super").count();
            if supers > 0 {
                path.drain(..supers.min(inline.len()));
                path.insert(0, "self");
            }
        }
        at += 1;
    }
    found
}

/// The paths of a use tree: `a::{self, b as c, d::*}` is `a`, `a::b` and `a::d`.
fn tree<'a>(tokens: &[Token<'a>], found: &mut Vec<(usize, Vec<&'a str>)>) {
    let (mut outer, mut path, mut renamed) = (vec![0], Vec::new(), false);
    for (at, &(line, token)) in tokens.iter().enumerate() {
        let goes_on = tokens.get(at + 1).is_some_and(|(_, next)| *next == "::");
        match token {
            "::" => {}
            "{" => outer.push(path.len()),
            "}" | "," => {
                outer.truncate(outer.len() - usize::from(token == "}"));
                path.truncate(*outer.last().expect("each brace is opened"));
                renamed = false;
            }
            "as" => renamed = true,
            _ if renamed => {}
            "*" | "self" if !path.is_empty() => found.push((line, path.clone())),
            _ => {
                path.push(token);
                if !goes_on {
                    found.push((line, path.clone()));
                }
            }
        }
    }
}

/// What is wrong with these files.
fn problems_of(files: &[(&str, &str)]) -> Vec<String> {
    problems(&files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect(), &[])
}

#[test]
fn arrows_up_and_sideways_are_found_at_their_line() {
    let store = ("store/mod.rs", "//! Never `use crate::app`.\n\nuse crate::oci::digest;\nuse crate::engine::Job;\n");
    let others = [("oci/digest.rs", ""), ("engine/mod.rs", "use crate::store;"), ("http/mod.rs", "")];
    let found = problems_of(&[&[store], &others[..]].concat());
    assert_eq!(found, ["src/store/mod.rs:4 uses src/engine/mod.rs: up, `store` → `engine`"]);
    let sideways = ("observe/meter.rs", "fn a<'a>() -> &'a str {\n    r#\"crate::app\"#;\n    crate::http::b('\"')\n}");
    let found = problems_of(&[&[sideways], &others[..]].concat());
    assert_eq!(found, ["src/observe/meter.rs:3 uses src/http/mod.rs: sideways, `observe` → `http`"]);
}

#[test]
fn use_trees_and_relative_paths_are_followed() {
    let text = "use crate::{app::{self, watch as w}, oci::*};\nuse super::super::emit::format::{Format, File};\n\
                mod deep {\n    use super::super::Plan;\n    pub(in crate::report) fn a() {}\n}";
    let files = [("plan/list/mod.rs", text), ("plan/mod.rs", ""), ("app/mod.rs", ""), ("app/watch.rs", "")];
    let more = [("emit/format.rs", ""), ("emit/mod.rs", ""), ("oci/mod.rs", ""), ("report/mod.rs", "")];
    let sources: Sources = files.iter().chain(&more).map(|(file, text)| ((*file).into(), (*text).into())).collect();
    let found: Vec<(usize, String)> = arrows(&sources).into_iter().map(|arrow| (arrow.line, arrow.to)).collect();
    let expected =
        [(1, "app/mod.rs"), (1, "app/watch.rs"), (1, "oci/mod.rs"), (2, "emit/format.rs"), (4, "plan/mod.rs")];
    assert_eq!(found, expected.map(|(line, file)| (line, file.to_owned())));
}

#[test]
fn what_only_tests_have_ends_where_it_ends() {
    let text =
        "enum A { #[cfg(test)] B(crate::app::C), D }\nfn e() { match f { #[cfg(test)] A::B(_) => crate::app::g() } }";
    assert_eq!(problems_of(&[("error.rs", text), ("app.rs", "")]), Vec::<String>::new());
    let after = format!("{text}\nuse crate::app;");
    assert_eq!(problems_of(&[("error.rs", &after), ("app.rs", "")]).len(), 1);
}

#[test]
fn loops_are_named_once() {
    let files = [("store/mod.rs", "mod a;\nuse a::b;"), ("store/a/mod.rs", "use self::b::C;"), ("store/a/b.rs", "")];
    assert_eq!(problems_of(&files), Vec::<String>::new());
    let back = ("store/a/b.rs", "fn c() { super::super::d() }");
    let found = problems_of(&[&files[..2], &[back]].concat());
    assert_eq!(found, ["a loop: src/store/a/b.rs → src/store/mod.rs → src/store/a/b.rs"]);
}

#[test]
fn tests_and_what_they_are_made_of_may_use_everything() {
    let text =
        "#[cfg(test)]\n#[allow(dead_code)]\nmod tests { use crate::app; }\n#[cfg(any(test, fuzzing))]\nuse crate::app;";
    let files = [("error/mod.rs", text), ("error/tests.rs", "use crate::app;"), ("app/mod.rs", "")];
    let material = [("examples.rs", "use crate::app;"), ("lib.rs", "pub mod internals { pub use crate::examples; }")];
    assert_eq!(problems_of(&[&files[..], &material].concat()), Vec::<String>::new());
    let found = problems_of(&[("app/mod.rs", "use crate::examples;"), ("examples.rs", ""), ("stray.rs", "")]);
    let used = "src/app/mod.rs:1 uses src/examples.rs: from the program to what only tests may use, `app` → `examples`";
    assert_eq!(found, ["src/stray.rs: the layer `stray` is on no floor", used]);
}

#[test]
fn what_is_known_is_let_pass_until_it_is_gone() {
    let sources = Sources::from([("oci.rs".into(), "use crate::error;".into()), ("error.rs".into(), String::new())]);
    assert_eq!(problems(&sources, &[("oci.rs", "error.rs")]), Vec::<String>::new());
    assert_eq!(problems(&sources, &[("error.rs", "oci.rs"), ("oci.rs", "error.rs")]).len(), 1);
}
