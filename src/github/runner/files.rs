//! The files behind `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::error::Error;

/// Bytes of the job summary. The runner drops the whole of it above 1 MiB, so we stop well below.
pub const SUMMARY: usize = 900 * 1024;

/// Bytes of one output. GitHub takes 1 MB, counted in UTF-16, of what a job hands on to others.
pub const OUTPUT: usize = 480 * 1024;

/// Appends `text` in one write, so that a killed run leaves all of it or nothing.
pub fn append(path: &Path, what: &str, text: &str) -> Result<(), Error> {
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

/// A delimiter that nobody who writes into a value can guess: with it, foreign text could set another output.
pub fn delimiter() -> Result<String, Error> {
    let mut random = [0_u8; 16];
    getrandom::getrandom(&mut random)
        .map_err(|error| Error::Local(format!("cannot get random bytes for the output's delimiter: {error}")))?;
    Ok(format!("ghadelimiter_{:032x}", u128::from_be_bytes(random)))
}

/// Cuts a summary at a line's end, closes what was open there, and says how much is missing.
pub fn shorten(markdown: &str, limit: usize) -> String {
    if markdown.len() <= limit {
        return markdown.to_owned();
    }
    let end = markdown.as_bytes()[..limit].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
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
    use super::{SUMMARY, delimiter, heredoc, shorten};
    use crate::error::Error;

    #[test]
    fn a_value_with_the_delimiter_is_refused_and_delimiters_differ() {
        assert!(matches!(heredoc("a", "x END y", "END"), Err(Error::Local(_))));
        assert_ne!(delimiter().unwrap(), delimiter().unwrap());
    }

    #[test]
    fn a_long_summary_is_cut_at_a_line_and_closed() {
        let text = format!("<details>\n\n```sh\n{}", "docker pull ü\n".repeat(100_000));
        let short = shorten(&text, SUMMARY);
        assert!(short.len() < SUMMARY + 500);
        assert!(short.contains("docker pull ü\n```\n\n</details>\n\n**… "), "{}", &short[short.len() - 300..]);
        assert!(short.contains("the `json` output has everything"));
        assert_eq!(shorten("small\n", SUMMARY), "small\n");
    }
}
