//! Where outputs and summary go: the files behind `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY`, GitLab's, or standard output.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::error::Error;
use crate::runner::Runner;
use crate::runner::console::Console;
use crate::runner::gitlab::Project;

/// The runner drops a whole job summary above 1 MiB, so it ends well below.
const MAX_SUMMARY_BYTES: usize = 900 * 1024;

/// GitHub takes 1 MB, counted in UTF-16, of what a job hands on to others.
const MAX_OUTPUT_BYTES: usize = 480 * 1024;

/// Size limit of one output in bytes; none outside Actions.
pub fn max_output_bytes(runner: &Runner) -> Option<usize> {
    runner.in_actions().then_some(MAX_OUTPUT_BYTES)
}

/// Removes what an earlier run in the same place left, where this one's would be taken for it.
pub fn clear(runner: &Runner) -> Result<(), Error> {
    runner.surroundings.gitlab().map_or(Ok(()), Project::clear)
}

/// Sets the outputs of the step or job; at a terminal they are printed too. To be called once, at the end.
pub fn write_outputs(runner: &Runner, console: &Console, outputs: &[(&str, String)]) -> Result<(), Error> {
    match runner.surroundings.gitlab() {
        Some(project) => project.write_outputs(outputs)?,
        None if runner.in_actions() && runner.output.is_some() => {}
        None => console.outputs(outputs),
    }
    let Some(path) = &runner.output else { return Ok(()) };
    // One by one: those of many images are long.
    outputs.iter().try_for_each(|(name, value)| append(path, "outputs", &heredoc(name, value, &delimiter()?)?))
}

/// Appends to the job summary; without one there is nothing to do. GitLab has none of its own, so it is a file.
pub fn write_summary(runner: &Runner, markdown: &str) -> Result<(), Error> {
    if let Some(project) = runner.surroundings.gitlab() {
        project.write_summary(markdown)?;
    }
    let Some(path) = &runner.summary else { return Ok(()) };
    let there = std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
    append(path, "the job summary", &shorten(markdown, MAX_SUMMARY_BYTES.saturating_sub(there)))
}

/// Appends `text` in one write, so that a killed run leaves all of it or nothing.
fn append(path: &Path, what: &str, text: &str) -> Result<(), Error> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Error::Local(format!("cannot write {what} to `{}`: {error}", path.display())))
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
    use super::{MAX_SUMMARY_BYTES, delimiter, heredoc, shorten, write_outputs, write_summary};
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
        write_outputs(
            &runner(&variables),
            &console,
            &[("digest", "sha256:00".to_owned()), ("images", "a\nb".to_owned())],
        )
        .unwrap();
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
    fn outside_actions_outputs_are_printed_as_data() {
        let (console, log, data) = consoles(&[]);
        let outputs = [("changed", "true".to_owned()), ("images", "a\nEOF\nb".to_owned())];
        write_outputs(&runner(&[]), &console, &outputs).unwrap();
        assert_eq!(data.text(), "changed=true\nimages<<EOF_\na\nEOF\nb\nEOF_\n");
        assert_eq!(log.text(), "");
    }

    #[test]
    fn in_actions_without_a_file_outputs_cannot_become_commands() {
        let (console, log, _) = consoles(&[ACTIONS]);
        write_outputs(&runner(&[ACTIONS]), &console, &[("images", "a\n::error::x".to_owned())]).unwrap();
        assert_eq!(log.text(), "images=a ⏎ : :error::x\n");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let variables = [ACTIONS, ("GITHUB_OUTPUT", "/nowhere/output"), ("GITHUB_STEP_SUMMARY", "/nowhere/summary")];
        let (console, _, _) = consoles(&variables);
        let runner = runner(&variables);
        let problem = write_outputs(&runner, &console, &[("digest", String::new())]).unwrap_err().to_string();
        assert!(problem.starts_with("cannot write outputs to `/nowhere/output`: "), "{problem}");
        let problem = write_summary(&runner, "x").unwrap_err().to_string();
        assert!(problem.starts_with("cannot write the job summary to `/nowhere/summary`: "), "{problem}");
    }
}
