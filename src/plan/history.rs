//! The history of comparisons: since when a target has been seen that is not what its source is, one sorted line each.
//!
//! Owns the file's form. What is right has no line: it loses it on the day on which it is seen so. Pure.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::engine::behind::Seen;
use crate::error::Error;
use crate::text::quote::quote;

/// How the file begins.
const HEAD: &str = "# Written by mirror-image: since when a mirror has been seen that is not what its source is.\n";

/// A history, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The file's path, as it was given.
    pub name: String,
    /// What it says.
    pub seen: Arc<Seen>,
}

/// What a run has seen of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is what its source is.
    Right,
    /// It is not, since then.
    Behind(SystemTime),
    /// Nothing.
    Unknown,
}

impl History {
    /// Reads a file's text.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let mut seen = Seen::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let read = line.trim_end().split_once(' ').and_then(|(time, target)| {
                Some((target.to_owned(), humantime::parse_rfc3339(time).ok().filter(|_| !target.is_empty())?))
            });
            let Some((target, time)) = read else {
                let problem = format!(
                    "{}:{number}: is not `TIME TARGET`, as mirror-image writes it; delete the file, and it begins anew",
                    quote(name)
                );
                return Err(Error::input("history", problem));
            };
            seen.insert(target, time);
        }
        Ok(Self { name: name.to_owned(), seen: Arc::new(seen) })
    }

    /// The file's text after a run that has seen `targets`. `is_part`: there may be more that it has not looked at.
    pub fn updated(&self, targets: impl IntoIterator<Item = (String, Sight)>, is_part: bool) -> String {
        let mut seen = if is_part { Seen::clone(&self.seen) } else { Seen::new() };
        for (target, sight) in targets {
            let since = match sight {
                Sight::Right => None,
                Sight::Behind(since) => Some(since),
                Sight::Unknown => self.seen.get(&target).copied(),
            };
            match since {
                Some(since) => seen.insert(target, since),
                None => seen.remove(&target),
            };
        }
        let line = |(target, since): (&String, &SystemTime)| format!("{} {target}\n", written(*since));
        std::iter::once(HEAD.to_owned()).chain(seen.iter().map(line)).collect()
    }
}

/// To the second; what is written has four digits of a year.
fn written(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.min(SystemTime::UNIX_EPOCH + LAST)).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{HEAD, History, Sight};

    const TEXT: &str = "# a\n\n2026-09-13T09:47:00Z ghcr.io/acme/m/python:3.12\n2026-11-01T00:00:00Z oci:a b:1\n";

    #[test]
    fn a_line_lasts_until_the_target_is_seen_right() {
        let history = History::parse("behind", TEXT).unwrap();
        assert_eq!(history.seen.len(), 2);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let targets = |sights: &[(&str, Sight)]| {
            sights.iter().map(|(target, sight)| ((*target).to_owned(), *sight)).collect::<Vec<_>>()
        };
        let since = history.seen["oci:a b:1"];
        let sights = [
            ("ghcr.io/acme/m/python:3.12", Sight::Unknown),
            ("oci:a b:1", Sight::Behind(since)),
            ("r/new:1", Sight::Behind(now)),
            ("r/right:1", Sight::Right),
            ("r/unknown:1", Sight::Unknown),
        ];
        let text = history.updated(targets(&sights), false);
        assert_eq!(text.strip_prefix(HEAD).unwrap().lines().count(), 3, "{text}");
        assert!(
            text.contains("\n2026-09-13T09:47:00Z ghcr.io/acme/m/python:3.12\n2026-11-01T00:00:00Z oci:a b:1\n2027-")
        );
        // It is read as it is written.
        assert_eq!(History::parse("behind", &text).unwrap().updated(targets(&sights), false), text);
        let right = targets(&[("oci:a b:1", Sight::Right)]);
        assert_eq!(history.updated(right.clone(), false), HEAD);
        assert!(history.updated(right, true).ends_with("python:3.12\n"));
    }

    #[test]
    fn a_line_that_is_none_is_told() {
        for line in ["yesterday r/a:1", "2026-09-13T09:47:00Z", "2026-09-13T09:47:00Z ", "2026-09-13 r/a:1"] {
            let problem = History::parse("behind", &format!("# a\n{line}\n")).unwrap_err().to_string();
            assert!(problem.contains("behind:2: is not `TIME TARGET`"), "{problem}");
        }
    }
}
