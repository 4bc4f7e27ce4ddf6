//! What the documents tell people to type: each `mirror-image` line is taken by the program, each script and each part of
//! cargo's is there, each block is a script that a shell can read, and whatever else needs something that a fresh machine
//! has not says so above, in a comment that begins with `# Needs`.

use std::path::Path;

use crate::documents::documents;
use crate::support::{Run, images};

/// A block of commands: where it stands, and its lines, those that are continued put together.
struct Block {
    place: String,
    lines: Vec<String>,
}

/// What stands between fences of a shell; of a console, what is behind the prompt.
fn blocks() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    // What a run printed is nobody's to type.
    for page in documents().iter().filter(|page| !page.starts_with(root.join(".github"))) {
        let (text, mut open) = (std::fs::read_to_string(page).unwrap(), None);
        for (number, line) in text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(language), None) => {
                    let place = format!("{}:{}", page.strip_prefix(root).unwrap().display(), number + 1);
                    open = Some((language.to_owned(), Block { place, lines: Vec::new() }));
                }
                (Some(_), Some((language, block))) => {
                    if matches!(language.as_str(), "shell" | "sh" | "console" | "bash") {
                        found.push(Block { lines: commands(&language, &block.lines), ..block });
                    }
                }
                (None, Some((language, mut block))) => {
                    block.lines.push(line.trim().to_owned());
                    open = Some((language, block));
                }
                (None, None) => {}
            }
        }
    }
    found
}

fn commands(language: &str, lines: &[String]) -> Vec<String> {
    let (mut commands, mut continued) = (Vec::<String>::new(), false);
    for line in lines {
        let typed = line.strip_prefix("$ ");
        let (part, more) = match line.strip_suffix('\\') {
            Some(part) => (part.strip_prefix("$ ").unwrap_or(part), true),
            None => (typed.unwrap_or(line), false),
        };
        if continued {
            commands.last_mut().unwrap().push_str(part);
        } else if language != "console" || typed.is_some() || line.starts_with('#') {
            commands.push(part.to_owned());
        } else {
            continue; // what was printed
        }
        continued = more;
    }
    commands.retain(|line| !line.is_empty());
    commands
}

/// The words of the program's own part of a line, without what is done with its output.
fn own_words(line: &str) -> Option<Vec<String>> {
    let (_, own) = line.split_once("mirror-image ")?;
    let own = own.split([')', '|', '>', '#']).next().unwrap();
    let named = own.replace("$source", "localhost:5000/app").replace("$target", "localhost:5000/copies");
    Some(named.replace('"', "").split_whitespace().map(str::to_owned).collect())
}

#[tokio::test]
async fn the_program_takes_every_line_that_the_documents_have_of_it() {
    let mut tried = 0;
    // What the lines name: a list, and a directory in which one was carried.
    let there = tempfile::tempdir().unwrap();
    std::fs::write(there.path().join("images.yml"), "images: [\"alpine:3.20\"]\n").unwrap();
    images::single().write_layout(&there.path().join("carry"), "docker.io/library/alpine:3.20");
    for block in blocks() {
        for line in
            block.lines.iter().filter(|line| line.starts_with("mirror-image ") || line.contains("<(mirror-image "))
        {
            let run = Run::new().input("patience", "1s").without("GITHUB_ACTIONS").without("GITHUB_REPOSITORY");
            let run = run.in_copy_of(there.path());
            // Nobody outside of this machine is asked: what leads there ends at a port where nothing listens.
            let run = run.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HTTP_PROXY", "http://127.0.0.1:9");
            let run = own_words(line).unwrap().iter().fold(run, |run, word| run.arg(word));
            let outcome = run.run().await;
            assert!(outcome.code == 0 || outcome.code == 1, "{}: {line}\n{}", block.place, outcome.log);
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried}");
}

#[test]
fn every_block_of_commands_is_a_script_and_says_what_it_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let blocks = blocks();
    for Block { place, lines } in &blocks {
        let script = lines.join("\n");
        let read = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
        if !read.status.success() {
            wrong.push(format!("{place}: {}", String::from_utf8_lossy(&read.stderr)));
        }
        let mut needs = false;
        for line in lines {
            let mut words = line.split_whitespace();
            let there = match words.next().unwrap_or_default() {
                "#" => {
                    needs |= line.starts_with("# Needs ");
                    true
                }
                "mirror-image" | "cargo" => true,
                "source" if line.contains("<(mirror-image ") => true,
                program if program.starts_with("scripts/") => root.join(program).is_file(),
                _ => needs,
            };
            if !there {
                wrong.push(format!("{place}: {line}: not there, or not said what it needs"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(blocks.len() >= 20, "{}", blocks.len());
}
