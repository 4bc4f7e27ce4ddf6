//! Where outputs and summary go: the files behind `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY`, GitLab's, or standard output.
//!
//! Owns that what the end of a run needs is there from its beginning: a file that cannot be opened is said before anything is
//! contacted, and connections that took all descriptors leave room for the report.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use crate::directory::{self, Directory};
use crate::environment::Environment;
use crate::error::Error;
use crate::regular_file;
use crate::runner::console::Console;
use crate::runner::gitlab::Project;
use crate::runner::{Runner, Surroundings};
use crate::text::quote::quote;

/// The runner drops a whole job summary above 1 MiB, so it ends well below.
const MAX_SUMMARY_BYTES: usize = 900 * 1024;

/// GitHub takes 1 MB, counted in UTF-16, of what a job hands on to others.
const MAX_OUTPUT_BYTES: usize = 480 * 1024;

/// Removes what an earlier run in the same place left, where this one's would be taken for it.
pub fn clear(runner: &Runner) -> Result<(), Error> {
    runner.surroundings.gitlab().map_or(Ok(()), Project::clear)
}

const A_DIRECTORY: &str = "is a directory; name a file";

const NO_DIRECTORY: &str = "is in a directory that is not there; make it first";

const OUTSIDE: &str = "leads out of the workspace; name a file below it";

/// How many files are open at once while the end of a run is written: a directory, a folder of it, a file, and room.
const SPARE: usize = 8;

/// What the end of a run is written to.
pub struct Files {
    runner: Runner,
    output: Option<Appended>,
    summary: Option<Appended>,
    report: Option<Appended>,
    /// Descriptors that nothing else can take.
    spare: Vec<File>,
}

/// Where the whole report goes besides.
#[derive(Clone, Debug)]
pub enum ReportFile {
    /// Where the person at the command line names it; a device or a stream of this process.
    Anywhere(PathBuf),
    /// Below the workspace of a job, where others may have put links: its path there.
    Beneath(Directory, PathBuf),
}

impl ReportFile {
    /// Reads the name of one, in the workspace where it has no place of its own. That it cannot be written is said now: after a
    /// run it would be too late.
    pub fn new(text: &str, surroundings: &Surroundings, environment: &Environment) -> Result<Self, String> {
        let workspace: &Path = surroundings.workspace(environment).as_ref();
        // What a person types leads where it leads; what was checked out in a job may hold links that nobody looked at.
        let found = if *surroundings == Surroundings::Terminal || is_device(text.as_ref()) {
            Self::anywhere(workspace.join(text))
        } else {
            Self::beneath(workspace, text.as_ref())
        };
        found.map_err(|problem| format!("`{}` {problem}", quote(text)))
    }

    fn anywhere(path: PathBuf) -> Result<Self, String> {
        if path.is_dir() {
            return Err(A_DIRECTORY.to_owned());
        }
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(NO_DIRECTORY.to_owned()),
            _ => Ok(Self::Anywhere(path)),
        }
    }

    fn beneath(workspace: &Path, path: &Path) -> Result<Self, String> {
        let root = Directory::open(workspace).map_err(|_| NO_DIRECTORY.to_owned())?;
        let path = directory::within(workspace, path);
        let why = |error: std::io::Error| match error {
            error if directory::leads_out(&error) => OUTSIDE.to_owned(),
            error => format!("cannot be written: {error}"),
        };
        match root.metadata(&path).map_err(why)? {
            Some(there) if there.is_dir() => Err(A_DIRECTORY.to_owned()),
            None if !root.has_parent(&path).map_err(why)? => Err(NO_DIRECTORY.to_owned()),
            _ => Ok(Self::Beneath(root, path)),
        }
    }
}

/// Whether this names a device or a stream of the process, which no checkout can put a link in the place of.
fn is_device(path: &Path) -> bool {
    path.starts_with("/dev") && !path.components().any(|part| part == Component::ParentDir)
}

/// A file that something is added to.
struct Appended {
    path: PathBuf,
    /// What it holds, for sentences.
    what: &'static str,
    file: File,
}

impl Files {
    /// Opens what there is; the summary only where one is wanted, and the file for the whole report where one is named.
    pub fn open(runner: &Runner, wants_summary: bool, report: Option<&ReportFile>) -> Result<Self, Error> {
        let open = |path: &Option<PathBuf>, name, what| {
            path.as_ref().map(|path| Appended::open(path.clone(), name, what)).transpose()
        };
        let summary = if wants_summary { &runner.summary } else { &None };
        Ok(Self {
            output: open(&runner.output, "GITHUB_OUTPUT", "outputs")?,
            summary: open(summary, "GITHUB_STEP_SUMMARY", "the job summary")?,
            report: report.map(Appended::of_report).transpose()?,
            spare: (0..SPARE).map_while(|_| File::open("/dev/null").ok()).collect(),
            runner: runner.clone(),
        })
    }

    /// The end has come: what was kept for it is free.
    pub fn make_room(&mut self) {
        self.spare.clear();
    }

    /// Size limit of one output in bytes; none outside Actions.
    pub fn max_output_bytes(&self) -> Option<usize> {
        self.runner.in_actions().then_some(MAX_OUTPUT_BYTES)
    }

    /// Whether anybody reads outputs: those of many images are long.
    pub fn takes_outputs(&self) -> bool {
        self.output.is_some() || self.runner.in_actions() || self.runner.surroundings.gitlab().is_some()
    }

    /// Whether anybody reads the job summary.
    pub fn takes_summary(&self) -> bool {
        self.summary.is_some() || self.runner.surroundings.gitlab().is_some()
    }

    /// Sets the outputs of the step or job. In a step without a file for them they are lines of its log. To be called once, at
    /// the end.
    pub fn write_outputs(&mut self, console: &Console, outputs: &[(&'static str, String)]) -> Result<(), Error> {
        let hide = |(name, value): &(&'static str, String)| (*name, console.redactor().hide_value(value).into_owned());
        let outputs = &outputs.iter().map(hide).collect::<Vec<_>>();
        match self.runner.surroundings.gitlab() {
            Some(project) => project.write_outputs(outputs)?,
            None if self.runner.in_actions() && self.output.is_none() => console.outputs(outputs)?,
            None => {}
        }
        let Some(output) = &mut self.output else { return Ok(()) };
        // One by one: those of many images are long.
        outputs.iter().try_for_each(|(name, value)| output.add(&heredoc(name, value, &delimiter()?)?))
    }

    /// Writes the whole report to the file that was named for it, in place of what it held.
    pub fn write_report(&mut self, console: &Console, json: &str) -> Result<(), Error> {
        let json = &*console.redactor().hide_value(json);
        let Some(report) = &mut self.report else { return Ok(()) };
        if report.file.metadata().is_ok_and(|file| file.is_file()) {
            report.file.set_len(0).map_err(|error| cannot_write(report.what, &report.path, &error))?;
        }
        report.add(&format!("{json}\n"))
    }

    /// Appends to the job summary; without one there is nothing to do. GitLab has none of its own, so it is a file.
    pub fn write_summary(&mut self, console: &Console, markdown: &str) -> Result<(), Error> {
        let markdown = &*console.redactor().hide(markdown);
        if let Some(project) = self.runner.surroundings.gitlab() {
            project.write_summary(markdown)?;
        }
        let Some(summary) = &mut self.summary else { return Ok(()) };
        let there = summary.file.metadata().map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        summary.add(&shorten(markdown, MAX_SUMMARY_BYTES.saturating_sub(there)))
    }
}

impl Appended {
    fn open(path: PathBuf, name: &str, what: &'static str) -> Result<Self, Error> {
        let opened = regular_file::append(&path);
        Self::opened(opened, path, name, what)
    }

    fn of_report(report: &ReportFile) -> Result<Self, Error> {
        let (opened, path) = match report {
            ReportFile::Anywhere(path) => (regular_file::append(path), path),
            ReportFile::Beneath(workspace, path) => (workspace.append(path), path),
        };
        Self::opened(opened, path.clone(), "report-file", "the report")
    }

    fn opened(opened: std::io::Result<File>, path: PathBuf, name: &str, what: &'static str) -> Result<Self, Error> {
        match opened {
            Ok(file) => Ok(Self { path, what, file }),
            Err(error) if directory::leads_out(&error) => {
                Err(Error::input(name, format!("`{}` {OUTSIDE}", path.display())))
            }
            Err(error) if regular_file::is_no_file(&error) => Err(Error::input(
                name,
                format!(
                    "`{}` cannot be written: {error}, and its reader may never come; name a file, or /dev/stdout",
                    path.display()
                ),
            )),
            Err(error) => Err(cannot_write(what, &path, &error)),
        }
    }

    /// Appends `text` in one write, so that a killed run leaves all of it or nothing.
    fn add(&mut self, text: &str) -> Result<(), Error> {
        self.file.write_all(text.as_bytes()).map_err(|error| cannot_write(self.what, &self.path, &error))
    }
}

fn cannot_write(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Local(format!("cannot write {what} to `{}`: {error}", path.display()))
}

/// An output in the form that allows any value: `NAME<<DELIMITER`, the value, `DELIMITER`.
pub fn heredoc(name: &str, value: &str, delimiter: &str) -> Result<String, Error> {
    if value.contains(delimiter) || name.contains(delimiter) {
        return Err(Error::Local(format!("output `{name}` contains its own random delimiter; it was not written")));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

/// A random delimiter: foreign text that could guess it could end its value and set another output.
fn delimiter() -> Result<String, Error> {
    let mut random = [0_u8; 16];
    getrandom::getrandom(&mut random)
        .map_err(|error| Error::Local(format!("cannot get random bytes for the output's delimiter: {error}")))?;
    Ok(format!("ghadelimiter_{:032x}", u128::from_be_bytes(random)))
}

/// Cuts a summary at a line's end, closes what was open there, and says how much is missing.
fn shorten(markdown: &str, max_bytes: usize) -> String {
    if markdown.len() <= max_bytes {
        return markdown.to_owned();
    }
    let end = markdown.as_bytes()[..max_bytes].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (kept, left) = markdown.split_at(end);
    let mut text = kept.to_owned();
    if kept.lines().filter(|line| line.starts_with("```")).count() % 2 == 1 {
        text.push_str("```\n");
    }
    for _ in kept.matches("</details>").count()..kept.matches("<details>").count() {
        text.push_str("\n</details>\n");
    }
    let _ = writeln!(
        text,
        "\n**… {} more lines ({} KiB) do not fit into a job summary; the `json` output has everything.**",
        left.lines().count(),
        left.len().div_ceil(1024)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::{Files, MAX_SUMMARY_BYTES, delimiter, heredoc, shorten};
    use crate::error::Error;
    use crate::runner::console::tests::{ACTIONS, consoles, runner};

    #[test]
    fn a_value_with_the_delimiter_is_refused_and_delimiters_differ() {
        assert!(matches!(heredoc("a", "x END y", "END"), Err(Error::Local(_))));
        assert_ne!(delimiter().unwrap(), delimiter().unwrap());
    }

    #[test]
    fn a_long_summary_is_cut_at_a_line_and_closed() {
        let text = format!("<details>\n\n```sh\n{}", "docker pull ü\n".repeat(100_000));
        let short = shorten(&text, MAX_SUMMARY_BYTES);
        assert!(short.len() < MAX_SUMMARY_BYTES + 500);
        assert!(short.contains("docker pull ü\n```\n\n</details>\n\n**… "), "{}", &short[short.len() - 300..]);
        assert!(short.contains("the `json` output has everything"));
        assert_eq!(shorten("small\n", MAX_SUMMARY_BYTES), "small\n");
    }

    #[test]
    fn outputs_go_to_the_file_in_heredoc_form_and_are_not_printed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output");
        std::fs::write(&path, "before=1\n").unwrap();
        let variables = [ACTIONS, ("GITHUB_OUTPUT", path.to_str().unwrap())];
        let (console, log, _) = consoles(&variables);
        let outputs = [("digest", "sha256:00".to_owned()), ("images", "a\nb".to_owned())];
        Files::open(&runner(&variables), true, None).unwrap().write_outputs(&console, &outputs).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "before=1");
        let end = lines[1].strip_prefix("digest<<").unwrap();
        assert_eq!(end.len(), "ghadelimiter_".len() + 32);
        assert_eq!(&lines[2..4], &["sha256:00", end]);
        assert_ne!(lines[4].strip_prefix("images<<").unwrap(), end);
        assert_eq!(&lines[5..7], &["a", "b"]);
        assert!(text.ends_with('\n'));
        assert_eq!(log.text(), "");
    }

    #[test]
    fn outside_actions_outputs_are_no_data() {
        let (console, log, data) = consoles(&[]);
        Files::open(&runner(&[]), true, None)
            .unwrap()
            .write_outputs(&console, &[("changed", "true".to_owned())])
            .unwrap();
        assert_eq!((log.text(), data.text()), (String::new(), String::new()));
    }

    #[test]
    fn in_actions_without_a_file_outputs_cannot_become_commands() {
        let (console, log, _) = consoles(&[ACTIONS]);
        let outputs = [("images", "a\n::error::x".to_owned())];
        Files::open(&runner(&[ACTIONS]), true, None).unwrap().write_outputs(&console, &outputs).unwrap();
        assert_eq!(log.text(), "images=a ⏎ : :error::x\n");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let open = |name, path| Files::open(&runner(&[ACTIONS, (name, path)]), true, None);
        let problem = open("GITHUB_OUTPUT", "/nowhere/output").err().unwrap().to_string();
        assert!(problem.starts_with("cannot write outputs to `/nowhere/output`: "), "{problem}");
        let problem = open("GITHUB_STEP_SUMMARY", "/nowhere/summary").err().unwrap().to_string();
        assert!(problem.starts_with("cannot write the job summary to `/nowhere/summary`: "), "{problem}");
        assert!(Files::open(&runner(&[ACTIONS, ("GITHUB_STEP_SUMMARY", "/nowhere/summary")]), false, None).is_ok());
        let (console, _, _) = consoles(&[ACTIONS]);
        let mut full = open("GITHUB_OUTPUT", "/dev/full").unwrap();
        let problem = full.write_outputs(&console, &[("digest", String::new())]).unwrap_err().to_string();
        assert!(problem.starts_with("cannot write outputs to `/dev/full`: No space left"), "{problem}");
        let mut full = open("GITHUB_STEP_SUMMARY", "/dev/full").unwrap();
        let problem = full.write_summary(&console, "x").unwrap_err().to_string();
        assert!(problem.starts_with("cannot write the job summary to `/dev/full`: No space left"), "{problem}");
    }
}
