//! Roles on a repository, and what they mean for the packages linked to it.
//!
//! Owns the order of the roles. Pure. Source: GitHub's documentation, "Repository roles for an organization", rows
//! "View and install packages", "Publish packages", "Delete and restore packages".

use std::fmt;

use crate::text::choice::Choice;

/// What somebody may do with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Pull.
    Read,
    /// Pull and push.
    Write,
    /// Push, delete and restore.
    Admin,
}

impl Choice for Permission {
    const ALL: &'static [(&'static str, Self)] =
        &[("read", Self::Read), ("write", Self::Write), ("admin", Self::Admin)];
}

impl Permission {
    /// What GitHub's API calls it in a grant.
    pub fn grant(self) -> &'static str {
        match self {
            Self::Read => "pull",
            Self::Write => "push",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A role on a repository, as GitHub names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// No role.
    None,
    /// One of GitHub's own five, with what it allows for packages.
    Known(&'static str, Permission),
    /// A role that the organisation made: what it allows is not known here, so it is never replaced.
    Custom(String),
}

impl Role {
    /// Reads a role; GitHub says `read` where it is asked, and `pull` where it is told.
    pub fn parse(name: &str) -> Self {
        match name {
            "" | "none" => Self::None,
            "pull" | "read" => Self::Known("read", Permission::Read),
            "triage" => Self::Known("triage", Permission::Read),
            "push" | "write" => Self::Known("write", Permission::Write),
            "maintain" => Self::Known("maintain", Permission::Write),
            "admin" => Self::Known("admin", Permission::Admin),
            custom => Self::Custom(custom.to_owned()),
        }
    }

    /// Whether a grant of `wanted` would raise it.
    pub fn is_below(&self, wanted: Permission) -> bool {
        match self {
            Self::None => true,
            Self::Known(_, permission) => *permission < wanted,
            Self::Custom(_) => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Known(name, _) => f.write_str(name),
            Self::Custom(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Role};
    use crate::text::choice::Choice as _;

    #[test]
    fn a_grant_raises_and_never_lowers() {
        use Permission::{Admin, Read, Write};
        for (role, raised_by) in [
            ("", &[Read, Write, Admin][..]),
            ("none", &[Read, Write, Admin]),
            ("pull", &[Write, Admin]),
            ("read", &[Write, Admin]),
            ("triage", &[Write, Admin]),
            ("push", &[Admin]),
            ("write", &[Admin]),
            ("maintain", &[Admin]),
            ("admin", &[]),
            ("release-manager", &[]),
        ] {
            let raised: Vec<Permission> =
                [Read, Write, Admin].into_iter().filter(|wanted| Role::parse(role).is_below(*wanted)).collect();
            assert_eq!(raised, raised_by, "{role}");
        }
    }

    #[test]
    fn words_are_mapped_both_ways() {
        for (word, grant) in [("read", "pull"), ("write", "push"), ("admin", "admin")] {
            let permission = Permission::parse(word).unwrap();
            assert_eq!((permission.word(), permission.grant()), (word, grant));
            assert_eq!(Role::parse(grant), Role::parse(word));
        }
        for word in ["", "pull", "maintain", "Write", "owner"] {
            assert_eq!(Permission::parse(word), None, "{word}");
        }
    }
}
