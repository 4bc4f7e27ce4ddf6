//! At which step a login by an identity failed, and for what reason. The failure itself is a cause among others: `cause.rs`.
//!
//! What the identity says of itself (`iss`, `sub`, `aud`) is no secret and stands in trust rules; the token never comes here.

use std::fmt;

/// What stands for the type of a login where an attestation is signed: no login is made, and the steps are the same.
pub const SIGSTORE: &str = "sigstore";

/// What a service was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// GitHub, for the job's identity.
    Identity,
    /// The provider, for a session or a token in exchange for the identity.
    Exchange,
    /// The provider, for the registry's password.
    Password,
    /// The registry, to create a repository.
    CreateRepository,
    /// This machine, for the credentials that it has.
    Machine,
    /// The authority, for a certificate of the identity.
    Certificate,
    /// The transparency log, for an entry.
    LogEntry,
    /// The timestamp authority, for the time.
    Timestamp,
}

/// Why it was refused, as far as the answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReason {
    /// The answer does not tell.
    Unclear,
    /// The trust rules do not have this identity.
    Identity,
    /// There is no such role, connection, provider or application.
    Unknown,
    /// The identity is taken, and may not do this.
    Rights,
    /// This machine's clock differs from the service's by so many seconds.
    Clock {
        /// How many.
        seconds: u64,
    },
}

/// What there was before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginTurn {
    /// Nothing: it is the run's first.
    #[default]
    First,
    /// A login that did, and has ended.
    Renewal,
}

/// What an identity says of itself, sanitised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audience: String,
}

impl fmt::Display for LoginStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "the job's identity",
            Self::Exchange => "the exchange of the identity",
            Self::Password => "the registry's password",
            Self::CreateRepository => "a new repository",
            Self::Machine => "the credentials of this machine",
            Self::Certificate => "a certificate",
            Self::LogEntry => "an entry of the log",
            Self::Timestamp => "a timestamp",
        })
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, subject, audience } = self;
        write!(f, "iss `{issuer}`, sub `{subject}`, aud `{audience}`")
    }
}
