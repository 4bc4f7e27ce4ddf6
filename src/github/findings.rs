//! What is known of access after a run: what was read, what was granted, what is left to do; as data.
//!
//! Owns the statuses and which of them `strict` fails. Never talks to GitHub. A sentence here is what was read, never
//! what is supposed to be.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::text::sanitise::one_line;

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
}

/// What is checked of a package or a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// That it is there.
    Package,
    /// The repository that it is linked to.
    Link,
    /// Whether it takes that one's access.
    Inheritance,
    /// Who may see it.
    Visibility,
    /// What is served of it without a credential.
    AnonymousPull,
    /// What its owner is.
    Owner,
    /// The role of this team.
    Team(String),
    /// The role of this user.
    User(String),
}

impl Display for Checked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package => f.write_str("package"),
            Self::Link => f.write_str("link"),
            Self::Inheritance => f.write_str("inheritance"),
            Self::Visibility => f.write_str("visibility"),
            Self::AnonymousPull => f.write_str("anonymous pull"),
            Self::Owner => f.write_str("owner"),
            Self::Team(name) => write!(f, "team {name}"),
            Self::User(name) => write!(f, "user {name}"),
        }
    }
}

impl Serialize for Checked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One check of one package or repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The package (`ghcr.io/acme/mirror/alpine`) or the repository (`acme/mirror`).
    pub subject: String,
    /// What was checked.
    #[serde(rename = "check")]
    pub what: Checked,
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
    /// Whether a person must do something about it.
    pub to_do: bool,
    /// When it was read, in seconds since 1970.
    pub read_at: u64,
}

impl Check {
    /// A check that was made now.
    pub fn new(subject: &str, what: Checked, status: Status, sentence: impl Into<String>) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            subject: subject.to_owned(),
            what,
            status,
            wanted: None,
            found: None,
            sentence: sentence.into(),
            link: None,
            to_do: status.fails_strict(),
            read_at: now.map_or(0, |now| now.as_secs()),
        }
    }

    /// With what was asked for.
    #[must_use]
    pub fn wanted(mut self, wanted: &dyn Display) -> Self {
        self.wanted = Some(wanted.to_string());
        self
    }

    /// With what was read.
    #[must_use]
    pub fn found(mut self, found: &dyn Display) -> Self {
        self.found = Some(one_line(&found.to_string(), 200));
        self
    }

    /// With the page to open.
    #[must_use]
    pub fn link(mut self, link: String) -> Self {
        self.link = Some(link);
        self
    }

    /// With whether a person must do something about it, where the status alone does not say so.
    #[must_use]
    pub fn with_to_do(mut self, to_do: bool) -> Self {
        self.to_do = to_do;
        self
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
    pub fn left_over(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.status.fails_strict())
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Checked, Findings, Status};

    #[test]
    fn only_what_is_left_over_fails_and_only_when_strict() {
        let findings = |status, strict| {
            let checks =
                vec![Check::new("a", Checked::Link, Status::Ok, "c"), Check::new("a", Checked::Link, status, "c")];
            Findings { checks, strict, asked: true }
        };
        assert!(findings(Status::Drift, true).fails() && !findings(Status::Drift, false).fails());
        for status in [Status::Ok, Status::Applied, Status::Pending, Status::Unverifiable, Status::Skipped] {
            assert!(!findings(status, true).fails(), "{status:?}");
        }
    }
}
