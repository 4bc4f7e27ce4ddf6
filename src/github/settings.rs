//! What is wanted of access on GitHub, typed.

use crate::github::role::Permission;
use crate::secret::Secret;
use crate::text::choice::Choice;

/// What to do about access on GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Read and say.
    Report,
    /// Grant what is missing.
    Apply,
    /// Nothing.
    Off,
}

impl Choice for AccessMode {
    const ALL: &'static [(&'static str, Self)] =
        &[("report", Self::Report), ("apply", Self::Apply), ("off", Self::Off)];
}

/// Who may see a package, as GitHub names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Those with a role.
    Private,
    /// All members of the enterprise.
    Internal,
    /// Everybody.
    Public,
}

impl Visibility {
    /// The word that users write and GitHub answers.
    pub fn as_str(self) -> &'static str {
        Some(self).word()
    }
}

/// What is expected of a package; nothing where any visibility will do.
impl Choice for Option<Visibility> {
    const ALL: &'static [(&'static str, Self)] = &[
        ("any", None),
        ("private", Some(Visibility::Private)),
        ("internal", Some(Visibility::Internal)),
        ("public", Some(Visibility::Public)),
    ];
}

/// A role that somebody is to have at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// A team's slug, or a login.
    pub name: String,
    /// What they are to be allowed.
    pub permission: Permission,
}

/// What is wanted of access on GitHub.
#[derive(Clone, Debug)]
pub struct AccessInputs {
    /// What to do.
    pub mode: AccessMode,
    /// The token for grants.
    pub admin_token: Option<Secret>,
    /// `OWNER/REPO` that packages inherit from; not known where neither the input nor the runner names it.
    pub repository: Option<String>,
    /// Teams.
    pub teams: Vec<Grant>,
    /// People.
    pub users: Vec<Grant>,
    /// What the visibility must be; nothing where any will do.
    pub visibility: Option<Visibility>,
    /// Whether what is left over fails the run.
    pub strict: bool,
    /// Whether anything of this was asked for.
    pub asked: bool,
}
