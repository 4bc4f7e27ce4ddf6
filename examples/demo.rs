//! The main job on this machine, without an account and without the internet: two registries on loopback, an image
//! with three platforms, and the action run as GitHub runs it: inputs in its environment, log, outputs and summary out.
//!
//! `cargo run --release --example demo [-- PROGRAM]`. Fails when anything is not as it says. Without a PROGRAM the action
//! is this file once more, as a child process that does what the program's `main` does: nothing is built twice.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demo is there to be read")]

#[path = "../tests/it/support"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "the tests' support, of which this uses a part")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::expect_used, reason = "linted with the tests")]
mod support {
    pub mod images;
    pub mod real;
    pub mod registry;
    pub use registry::token;
}

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use mirror_image::Environment;
use support::images::{self, Image};
use support::registry::Registry;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SOURCE: &str = "library/hello:1.0";
const TARGET: &str = "octo-org/mirrors/hello";

/// Set for a child process: it is the program, not the demo.
const AS_PROGRAM: &str = "MIRROR_IMAGE_DEMO_AS_PROGRAM";

fn main() -> ExitCode {
    if std::env::var_os(AS_PROGRAM).is_some() {
        return program();
    }
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let program = std::env::args_os().nth(1).map_or_else(std::env::current_exe, std::path::absolute)?;
    let (source, target, image) = (Registry::start(), Registry::start(), images::three_platforms());
    source.seed(&image, SOURCE);

    heading("Two registries on this machine");
    println!("source  {}\n        {}", source.name(SOURCE), image.digest());
    for (platform, digest) in &image.platforms {
        println!("        {digest}  {platform}");
    }
    println!("target  {}, empty", target.host());

    heading("The first run: everything is copied");
    let first = run(&program, &source, &target)?;
    let copied = format!("{}:1.0@{}", target.name(TARGET), image.digest());
    claim("exit code 0", first.code == Some(0))?;
    claim("output `digest` is the source's digest", first.output("digest") == image.digest())?;
    claim("output `image` names the copy", first.output("image") == copied)?;
    claim("output `changed` is `true`", first.output("changed") == "true")?;
    claim("the job has a summary", !first.summary.trim().is_empty())?;
    claim("the index and its three manifests are the same bytes", same_bytes(&image, &target))?;
    target.is_whole(TARGET, "1.0")?;
    claim("everything that the target's tag leads to is there", true)?;

    source.reset();
    target.reset();
    heading("The second run: nothing is to be done");
    let second = run(&program, &source, &target)?;
    print!("requests to the source:\n{}requests to the target:\n{}\n", source.lines(), target.lines());
    let requests: Vec<_> = source.log().into_iter().chain(target.log()).collect();
    claim("exit code 0", second.code == Some(0))?;
    claim("output `changed` is `false`", second.output("changed") == "false")?;
    claim("output `digest` is the same", second.output("digest") == image.digest())?;
    claim("2 requests, a HEAD to each side", requests.len() == 2 && source.requests() == 1 && target.requests() == 1)?;
    claim("0 bytes in either direction", requests.iter().all(|each| each.method == "HEAD" && each.body.is_empty()))?;
    println!("\nAll as promised.");
    Ok(())
}

/// What a step leaves behind.
struct Step {
    code: Option<i32>,
    outputs: BTreeMap<String, String>,
    summary: String,
}

impl Step {
    fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}

/// Runs the action as the runner does, and shows what a person sees of it.
fn run(program: &Path, source: &Registry, target: &Registry) -> Result<Step> {
    let runner = tempfile::tempdir()?;
    let file = |name: &str| -> Result<PathBuf> {
        let path = runner.path().join(name);
        std::fs::write(&path, "")?;
        Ok(path)
    };
    let (outputs, summary) = (file("set_output")?, file("step_summary")?);
    let inputs = [
        ("INPUT_COMMAND", "copy".to_owned()),
        ("INPUT_SOURCE", source.name(SOURCE)),
        ("INPUT_TARGET", format!("{}/{{owner}}/{{repo}}/{{name}}", target.host())),
        ("INPUT_PLATFORMS", "all".to_owned()),
        ("INPUT_ON-CONFLICT", "overwrite".to_owned()),
        ("INPUT_DRY-RUN", "false".to_owned()),
    ];
    for (name, value) in &inputs {
        println!("{name}={value}");
    }

    println!("\n--- log");
    let status = Command::new(program)
        .env_clear()
        .env(AS_PROGRAM, "1")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_REPOSITORY", "octo-org/mirrors")
        .env("GITHUB_REPOSITORY_OWNER", "octo-org")
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_OUTPUT", &outputs)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("HOME", runner.path())
        .envs(inputs)
        .current_dir(runner.path())
        .status()?;

    let step = Step {
        code: status.code(),
        outputs: read_outputs(&std::fs::read_to_string(outputs)?),
        summary: std::fs::read_to_string(summary)?,
    };
    println!("\n--- outputs");
    for (name, value) in &step.outputs {
        println!("{name}: {value}");
    }
    println!("\n--- summary\n{}\n---", step.summary.trim_end());
    Ok(step)
}

/// The runner's two forms: `NAME=VALUE`, and `NAME<<DELIMITER`, lines, `DELIMITER`.
fn read_outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let heredoc = line.split_once("<<").filter(|(name, _)| !name.contains('='));
        if let Some((name, delimiter)) = heredoc {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        } else if let Some((name, value)) = line.split_once('=') {
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}

fn same_bytes(image: &Image, target: &Registry) -> bool {
    image
        .manifests
        .iter()
        .all(|manifest| target.manifest(TARGET, &manifest.digest).is_some_and(|found| found.bytes == manifest.bytes))
}

/// What the program's `main` does, in a process of its own: the action is the library, which is built already.
fn program() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let run = async { mirror_image::run(arguments, &Environment::of_process(), std::future::pending()).await };
            ExitCode::from(runtime.block_on(run))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn heading(text: &str) {
    println!("\n=== {text}\n");
}

fn claim(what: &str, holds: bool) -> Result<()> {
    println!("{} {what}", if holds { "✓" } else { "✗" });
    if holds { Ok(()) } else { Err(what.into()) }
}
