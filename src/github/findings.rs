//! The report on access: what was read, what was granted, what is left to do; as data, and its three voices.
//!
//! Owns the statuses and which of them `strict` fails. Never talks to GitHub. A sentence here is what was read, never
//! what is supposed to be.

use std::fmt::Write as _;

use serde::Serialize;

use crate::text::sanitise::{code, line, markdown, prose};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Status {
    /// Read back, and as wanted.
    Ok,
    /// Changed by this run, and read back.
    Applied,
    /// An invitation is open.
    Pending,
    /// No API can show it.
    Unverifiable,
    /// Read back, and different.
    Drift,
    /// Only a person can do it, on a page of GitHub.
    Manual,
    /// The token that was given cannot read or change it.
    NeedsToken,
    /// GitHub answered what was not expected.
    Error,
    /// Nothing to check.
    Skipped,
}

impl Status {
    /// The status's name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Applied => "APPLIED",
            Self::Pending => "PENDING",
            Self::Unverifiable => "UNVERIFIABLE",
            Self::Drift => "DRIFT",
            Self::Manual => "MANUAL",
            Self::NeedsToken => "NEEDS-TOKEN",
            Self::Error => "ERROR",
            Self::Skipped => "SKIPPED",
        }
    }

    /// Whether `strict` fails the run for it.
    pub fn fails_strict(self) -> bool {
        matches!(self, Self::Drift | Self::Manual | Self::NeedsToken | Self::Error)
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Ok | Self::Applied => "✅",
            Self::Pending | Self::Unverifiable => "❔",
            Self::Skipped => "–",
            Self::Drift | Self::Manual | Self::NeedsToken | Self::Error => "⚠️",
        }
    }
}

/// One check of one package or repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The package (`ghcr.io/acme/mirror/alpine`) or the repository (`acme/mirror`).
    pub subject: String,
    /// What was checked: `package`, `link`, `inheritance`, `visibility`, `anonymous pull`, `team NAME`, `user NAME`.
    #[serde(rename = "check")]
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// One sentence: what is so, and what to do.
    pub sentence: String,
    /// The page to open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// When it was read, in seconds since 1970.
    pub read_at: u64,
}

impl Check {
    /// A check that was made now.
    pub fn new(subject: &str, check: impl Into<String>, status: Status, sentence: impl Into<String>) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            subject: subject.to_owned(),
            name: check.into(),
            status,
            wanted: None,
            found: None,
            sentence: sentence.into(),
            link: None,
            read_at: now.map_or(0, |now| now.as_secs()),
        }
    }

    /// With what was asked for.
    #[must_use]
    pub fn wanted(mut self, wanted: &dyn std::fmt::Display) -> Self {
        self.wanted = Some(wanted.to_string());
        self
    }

    /// With what was read.
    #[must_use]
    pub fn found(mut self, found: &dyn std::fmt::Display) -> Self {
        self.found = Some(line(&found.to_string(), 200));
        self
    }

    /// With the page to open.
    #[must_use]
    pub fn link(mut self, link: String) -> Self {
        self.link = Some(link);
        self
    }

    /// Whether somebody has to look at it.
    fn is_to_do(&self) -> bool {
        self.status.fails_strict() || matches!(self.status, Status::Pending | Status::Unverifiable)
    }
}

/// All checks of a run.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The checks, those of one subject together.
    pub checks: Vec<Check>,
    /// What is left over fails the run.
    pub strict: bool,
    /// Something was asked for, so that also a skipped check is said.
    pub asked: bool,
}

impl Findings {
    /// Whether what is left over fails the run.
    pub fn fails(&self) -> bool {
        self.strict && self.left_over().next().is_some()
    }

    /// What is not as wanted.
    fn left_over(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.status.fails_strict())
    }

    /// The checks to show, one list a subject, in order.
    fn subjects(&self) -> Vec<(&str, Vec<&Check>)> {
        let mut subjects: Vec<(&str, Vec<&Check>)> = Vec::new();
        for check in self.checks.iter().filter(|check| self.asked || check.status != Status::Skipped) {
            match subjects.iter_mut().find(|(subject, _)| *subject == check.subject) {
                Some((_, checks)) => checks.push(check),
                None => subjects.push((&check.subject, vec![check])),
            }
        }
        subjects
    }

    /// `access: 3 OK, 1 NEEDS-TOKEN`; nothing where nothing was checked.
    pub fn headline(&self) -> Option<String> {
        let mut parts = Vec::new();
        for status in [
            Status::Ok,
            Status::Applied,
            Status::Pending,
            Status::Unverifiable,
            Status::Drift,
            Status::Manual,
            Status::NeedsToken,
            Status::Error,
            Status::Skipped,
        ] {
            let checks = self.subjects().iter().flat_map(|(_, checks)| checks).filter(|c| c.status == status).count();
            if checks > 0 {
                parts.push(format!("{checks} {}", status.name()));
            }
        }
        (!parts.is_empty()).then(|| format!("access: {}", parts.join(", ")))
    }

    /// The groups of the log: a title and its lines.
    pub fn groups(&self) -> Vec<(String, Vec<String>)> {
        let subjects = self.subjects();
        let groups = subjects.iter().map(|(subject, checks)| {
            let width = checks.iter().map(|check| check.status.name().len()).max().unwrap_or(0);
            let text = |check: &&Check| {
                let link = check.link.as_ref().filter(|_| check.is_to_do());
                let link = link.map_or(String::new(), |link| format!(": {link}"));
                format!("{:width$}  {}: {}{link}", check.status.name(), check.name, check.sentence)
            };
            (format!("access of {subject}"), checks.iter().map(text).collect())
        });
        groups.collect()
    }

    /// The annotations: title and message of each check that fails the run, or of all that is left over together.
    pub fn annotations(&self) -> Vec<(String, String)> {
        let link = |check: &Check| check.link.as_ref().map_or(String::new(), |link| format!("\n{link}"));
        if self.strict {
            let left = self.left_over().map(|check| {
                let title = format!("access: {} of {}", check.name, check.subject);
                (title, format!("{}: {}{}", check.status.name(), check.sentence, link(check)))
            });
            return left.collect();
        }
        let lines: Vec<String> =
            self.left_over().map(|check| format!("{}: {}: {}", check.subject, check.name, check.sentence)).collect();
        if lines.is_empty() { Vec::new() } else { vec![("access: left to do".to_owned(), lines.join("\n"))] }
    }

    /// The summary's section: a table for each package and repository, then what is left to do.
    pub fn summary(&self) -> String {
        let subjects = self.subjects();
        if subjects.is_empty() {
            return String::new();
        }
        let mut text = "### Access\n\n".to_owned();
        let cell =
            |value: &Option<String>| value.as_deref().map_or_else(|| "–".to_owned(), |value| code(&line(value, 80)));
        for (subject, checks) in &subjects {
            let _ = writeln!(text, "**{}**\n", code(subject).replace("\\|", "|"));
            text.push_str("| Check | Wanted | Found | Status |\n| --- | --- | --- | --- |\n");
            for check in checks {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} {} |",
                    markdown(&check.name),
                    cell(&check.wanted),
                    cell(&check.found),
                    check.status.sign(),
                    check.status.name(),
                );
            }
            text.push('\n');
        }
        let to_do: Vec<&Check> = subjects.iter().flat_map(|(_, checks)| checks.iter().copied()).collect();
        let to_do: Vec<&Check> = to_do.into_iter().filter(|check| check.is_to_do()).collect();
        if !to_do.is_empty() {
            text.push_str("**To do**\n\n");
            for check in to_do {
                // The link is made of our own server's address and percent-encoded names.
                let link = check.link.as_ref().map_or(String::new(), |link| format!(" [Open the page]({link})"));
                let subject = code(&check.subject).replace("\\|", "|");
                let _ = writeln!(text, "- [ ] {subject}: {}.{link}", prose(check.sentence.trim_end_matches('.')));
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Findings, Status};

    fn access(strict: bool) -> Findings {
        let checks = vec![
            Check::new("ghcr.io/a/b", "link", Status::Ok, "linked to `a/m`").wanted(&"a/m").found(&"a/m"),
            Check::new("ghcr.io/a/b", "visibility", Status::Drift, "it is `private`")
                .wanted(&"public")
                .found(&"private")
                .link("https://github.com/orgs/a/packages/container/b/settings".to_owned()),
            Check::new("a/m", "team x|y", Status::NeedsToken, "no `admin-token` is given"),
            Check::new("quay.io/a/b", "package", Status::Skipped, "not a GitHub registry"),
        ];
        Findings { checks, strict, asked: false }
    }

    #[test]
    fn only_what_is_left_over_fails_and_only_when_strict() {
        assert!(access(true).fails() && !access(false).fails());
        assert_eq!(access(true).annotations().len(), 2);
        assert_eq!(access(false).annotations().len(), 1);
        for status in [Status::Ok, Status::Applied, Status::Pending, Status::Unverifiable, Status::Skipped] {
            let checks = vec![Check::new("a", "b", status, "c")];
            assert!(!Findings { checks, strict: true, asked: true }.fails(), "{status:?}");
        }
        assert_eq!(access(false).headline().as_deref(), Some("access: 1 OK, 1 DRIFT, 1 NEEDS-TOKEN"));
    }

    #[test]
    fn the_summary_has_a_table_a_subject_and_the_links() {
        let text = access(false).summary();
        assert_eq!(text.matches("| Check |").count(), 2);
        assert!(text.contains("| visibility | `public` | `private` | ⚠️ DRIFT |"), "{text}");
        assert!(text.contains("| team x\\|y | – | – | ⚠️ NEEDS-TOKEN |"), "{text}");
        assert!(
            text.contains(
                "- [ ] `ghcr.io/a/b`: it is `private`. [Open the \
                 page](https://github.com/orgs/a/packages/container/b/settings)"
            ),
            "{text}"
        );
        assert!(!text.contains("quay.io"), "{text}");
        assert_eq!(Findings::default().summary(), "");
        assert_eq!(access(false).groups()[0].1[1].split("  ").next(), Some("DRIFT"));
        assert_eq!(serde_json::to_value(&access(false).checks).unwrap()[2]["status"], "NEEDS-TOKEN");
    }
}
