//! What is written about the program is what the program does: `action.yml` and `docs/inputs.md` follow the tables of inputs
//! and outputs, `docs/errors.md` the examples of failures. `UPDATE=1 cargo test --test it documents` writes them anew.

use std::path::{Path, PathBuf};

use mirror_image::internals::{INPUTS, OUTPUTS, Reader, chapters};

use crate::support::Run;

/// The file must hold `section` from `start` to `end`.
fn assert_section(file: &str, start: &str, end: &str, section: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let from = text.find(start).unwrap_or_else(|| panic!("{file} has no {start:?}")) + start.len();
    let to = from + text[from..].find(end).unwrap_or_else(|| panic!("{file} has no {end:?}"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{}{section}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert_eq!(&text[from..to], section, "{file} is not what the code says; UPDATE=1 writes it anew");
}

#[test]
fn the_action_has_the_inputs_and_outputs_of_the_code() {
    let mut section = String::new();
    for input in INPUTS {
        section += &format!("  {}:\n    description: {}\n", input.name, quoted(input.help));
        if let Some(default) = input.default {
            let plain = !matches!(default, "true" | "false" | "off") && default.parse::<f64>().is_err();
            section += &format!("    default: {}\n", if plain { default.to_owned() } else { quoted(default) });
        }
    }
    assert_section("action.yml", "\ninputs:\n", "\noutputs:\n", &section);
    let section: String = OUTPUTS
        .iter()
        .map(|output| format!("  {}:\n    description: {}\n", output.name, quoted(output.help)))
        .collect();
    assert_section("action.yml", "\noutputs:\n", "\nruns:\n", &section);
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// With places at which long code may be broken, so that no cell is wider than a telephone.
fn narrow(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match (at % 2 == 1, part.len() > 20) {
        (true, true) => {
            // An address may be one long name of a host.
            let breaks = if part.len() > 40 { "/,=]}." } else { "/,=]}" };
            let part = part.replace('&', "&amp;").replace('<', "&lt;");
            let broken = part.chars().fold(String::new(), |broken, c| {
                if breaks.contains(c) { broken + &format!("{c}<wbr>") } else { broken + &c.to_string() }
            });
            format!("<code>{broken}</code>")
        }
        (true, false) => format!("`{part}`"),
        (false, _) => part.to_owned(),
    });
    parts.collect()
}

#[test]
fn the_errors_have_the_hints_of_the_code() {
    let mut section = "\n".to_owned();
    for chapter in chapters() {
        section += &format!("\n## {}\n\n", chapter.title);
        if !chapter.about.is_empty() {
            section += &format!("{}\n\n", chapter.about);
        }
        for example in chapter.examples {
            // The message has back-ticks of its own.
            let message = format!("`` {} ``", example.error);
            let hints = example.error.hints(Reader::Action);
            let to_do = if hints.is_empty() { vec![example.to_do.to_owned()] } else { hints };
            assert!(to_do.iter().all(|hint| !hint.is_empty()), "{message} does not say what to do");
            // No table: what a registry says is longer than a column.
            section += &format!("### {}\n\n{message}\n\n", sentence_case(example.when));
            section += &to_do.iter().map(|hint| format!("- {hint}\n")).collect::<String>();
            section.push('\n');
        }
    }
    assert_section("docs/errors.md", "<!-- errors -->", "<!-- /errors -->", &section);
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A promise without a test is none: each file that SECURITY.md names is there, and each test is in the file before it.
#[test]
fn the_promises_name_tests_that_exist() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let security = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (mut code, mut tests) = (String::new(), 0);
    for span in security.split('`').skip(1).step_by(2) {
        if span.contains('/') && root.join(span).extension().is_some_and(|end| end == "rs") {
            code = std::fs::read_to_string(root.join(span)).unwrap_or_else(|error| panic!("{span}: {error}"));
        } else if span.contains('_') && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            assert!(code.contains(&format!("fn {span}(")), "SECURITY.md names the test {span}, which is not there");
            tests += 1;
        }
    }
    assert!(tests >= 10, "{tests}");
}

/// What a runner, a registry's tools or a network set in the environment, and the program reads, is told to whoever reviews it.
#[test]
fn the_variables_that_are_read_are_named_where_security_is_told() {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { below(&path, found) } else { found.push(path) }
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let security = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut files = Vec::new();
    below(&root.join("src"), &mut files);
    let of_others =
        ["GITHUB_", "GITLAB_", "CI_", "RUNNER_", "ACTIONS_", "CNB_", "DOCKER_", "REGISTRY_AUTH_", "XDG_", "SSL_"];
    let mut seen = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for word in code.split('"').skip(1).step_by(2) {
            let is_name = word.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !word.ends_with('_');
            if is_name && (of_others.iter().any(|start| word.starts_with(start)) || word.ends_with("_PROXY")) {
                assert!(
                    security.contains(&format!("`{word}`")),
                    "{} reads {word}; SECURITY.md says nothing of it",
                    file.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn the_page_of_inputs_has_the_inputs_and_outputs_of_the_code() {
    let mut section = "\n| input | meaning |\n| --- | --- |\n".to_owned();
    for input in INPUTS {
        let default = input.default.map(|default| format!(" Default: `{default}`.")).unwrap_or_default();
        section += &format!("| `{}` | {} |\n", input.name, narrow(&cell(&format!("{}{default}", input.help))));
    }
    assert_section("docs/inputs.md", "<!-- inputs -->", "<!-- /inputs -->", &section);
    let mut section = "\n| output | meaning |\n| --- | --- |\n".to_owned();
    for output in OUTPUTS {
        section += &format!("| `{}` | {} |\n", output.name, narrow(&cell(output.help)));
    }
    assert_section("docs/inputs.md", "<!-- outputs -->", "<!-- /outputs -->", &section);
}

/// The Markdown files of the repository, by their path in it.
pub fn documents() -> Vec<PathBuf> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                if name != "target" && name != ".git" && name != "corpus" {
                    below(&path, found);
                }
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
    found
}

/// `text` without what stands between fences: an example's `#` is no heading, its brackets no link.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let line = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    };
    text.lines().filter(line).collect::<Vec<_>>().join("\n")
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    prose(text).lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_within_the_repository_leads_to_a_page_and_a_heading_of_it() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (mut wrong, mut links) = (Vec::new(), 0);
    for page in documents() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            // `../../actions` is an address of GitHub's beside the files.
            if link.contains("://") || link.starts_with("../../actions") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let to = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let there = to.exists()
                && anchor.is_none_or(|anchor| {
                    anchors(&std::fs::read_to_string(&to).unwrap()).iter().any(|one| one == anchor)
                });
            if !there {
                wrong.push(format!("{}: {link}", page.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these links lead nowhere:\n{}", wrong.join("\n"));
    assert!(links > 40, "{links}");
}

/// No page is found only by chance: docs/README.md, or the list of registries, leads to each.
#[test]
fn every_page_is_led_to() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut listed = std::fs::read_to_string(docs.join("README.md")).unwrap();
    for link in std::fs::read_to_string(docs.join("registries/README.md")).unwrap().split("](").skip(1) {
        listed += &format!("](registries/{link}");
    }
    for page in documents()
        .iter()
        .filter_map(|page| page.strip_prefix(&docs).ok())
        .filter(|page| *page != Path::new("README.md"))
    {
        assert!(
            listed.contains(&format!("]({}", page.display())),
            "docs/README.md does not lead to {}",
            page.display()
        );
    }
}

/// Who owns the action is known when the page is read, not when it is written: each page that has the word says what it is.
#[test]
fn every_page_says_what_stands_for_the_owner_or_leads_to_where_it_is_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in documents().iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        let text = std::fs::read_to_string(page).unwrap();
        let said = text.contains("`OWNER` ") || text.contains("#quick-start");
        let name = page.strip_prefix(root).unwrap().display();
        assert!(said || !text.contains("OWNER/mirror-image"), "{name} does not say what OWNER is");
    }
}

/// What stands between fences, without blank lines and comments, which are in each page's own language.
fn examples(text: &str) -> Vec<String> {
    let mut parts = text.split("\n```");
    parts.next();
    let code = |part: &str| {
        let lines = part
            .lines()
            .skip(1)
            .map(str::trim_end)
            .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    };
    parts.step_by(2).map(code).collect()
}

/// What the Chinese page tells people to type is what the English pages do, so that neither falls behind.
#[test]
fn the_chinese_page_has_the_commands_inputs_and_links_of_the_english_ones() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let chinese = std::fs::read_to_string(root.join("README.zh-CN.md")).unwrap();
    let english: String = documents()
        .iter()
        .filter(|page| !page.ends_with("README.zh-CN.md"))
        .map(|page| std::fs::read_to_string(page).unwrap())
        .collect();
    let known = examples(&english);
    let known: Vec<&str> = known.iter().flat_map(|example| example.lines()).map(str::trim).collect();
    let own = examples(&chinese);
    assert!(own.len() >= 6, "{}", own.len());
    for line in own.iter().flat_map(|example| example.lines()).map(str::trim) {
        assert!(known.contains(&line), "no English page has the line: {line}");
    }
    for input in chinese
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains('-') && code.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
    {
        assert!(INPUTS.iter().any(|known| known.name == input.trim_start_matches('-')), "there is no input `{input}`");
    }
    let links = |text: &str| -> Vec<String> {
        prose(text).split("](").skip(1).filter_map(|rest| Some(rest.split(')').next()?.to_owned())).collect()
    };
    let page = |link: &String| link.split('#').next().unwrap().to_owned();
    let pages = |text: &str| links(text).iter().map(page).filter(|page| !page.is_empty()).collect::<Vec<_>>();
    let readme = pages(&std::fs::read_to_string(root.join("README.md")).unwrap());
    let chinese = pages(&chinese);
    for page in chinese.iter().filter(|page| *page != Path::new("README.md")) {
        assert!(readme.contains(page), "README.md has no link to {page}");
    }
    // And every guide that the English page leads to; how it is built and released is in English alone.
    let built = ["docs/releasing.md", "docs/soak.md", "docs/limits.md"];
    for page in readme.iter().filter(|page| page.starts_with("docs/") && !built.contains(&page.as_str())) {
        assert!(chinese.contains(page), "README.zh-CN.md has no link to {page}");
    }
}

/// A double-quoted YAML scalar: JSON's string is one.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// What stands between fences of this language, block by block.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Policies to paste among them: a provider says of a broken one only that it is broken.
#[test]
fn every_block_of_json_is_json() {
    let mut seen = 0;
    for path in documents() {
        for block in blocks(&std::fs::read_to_string(&path).unwrap(), "json") {
            let read = serde_json::from_str::<serde_json::Value>(&block);
            assert!(read.is_ok(), "{}: {read:?}\n{block}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

/// The lists of the recipes are taken as they stand, and each type has its part of the recipe.
#[tokio::test]
async fn the_logins_of_the_documents_are_logins() {
    let input = INPUTS.iter().find(|input| input.name == "registry-identities").unwrap();
    let (_, types) = input.help.split_once("Types: ").unwrap();
    let types: Vec<&str> = types.split('`').skip(1).step_by(2).collect();
    assert_eq!(types.len(), 7, "{types:?}");
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/no-stored-secrets.md");
    let recipe = std::fs::read_to_string(recipe).unwrap();
    for kind in types {
        assert!(recipe.contains(&format!("`type: {kind}`")), "{kind}");
    }
    let mut seen = 0;
    for path in documents() {
        for block in blocks(&std::fs::read_to_string(&path).unwrap(), "yaml") {
            for rest in block.split("registry-identities: |\n").skip(1) {
                let indent = rest.len() - rest.trim_start_matches(' ').len();
                let own = |line: &&str| line.starts_with(&" ".repeat(indent));
                let list: Vec<&str> = rest.lines().take_while(own).map(|line| &line[indent..]).collect();
                let run = Run::copy("127.0.0.1:9/a/b:1", "127.0.0.1:9/c/d:1")
                    .input("registry-identities", &list.join("\n"))
                    .env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://pipelines.actions.githubusercontent.com/x?y=1")
                    .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token");
                let outcome = run.input("patience", "1s").run().await;
                assert_eq!(outcome.code, 1, "{}\n{}\n{outcome}", path.display(), list.join("\n"));
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "{seen}");
}
