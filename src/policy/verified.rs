//! What is proven of a signature that is what a policy wants.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::error::signature::Claim;
use crate::oci::digest::Digest;
use crate::text::sanitise::one_line;

/// A signature that is what a policy wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the policy is called.
    pub policy: String,
    /// What it says, in a few letters.
    pub fingerprint: String,
    /// Who has made it.
    pub by: SignedBy,
    /// When it was made, in seconds since 1970, where that is proven.
    pub signed_at: Option<i64>,
    /// The form in which it was found.
    pub kind: &'static str,
    /// What it signs: the image, or the index that names it.
    pub subject: Digest,
    /// Of what day the trusted root is that it was held against, where it is the one that is built in.
    pub root: Option<&'static str>,
}

/// Who has made a signature, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// Whoever has the key of this fingerprint.
    Key(String),
    /// Whom a certificate names.
    Identity(Claim),
}

/// How it is written for programs.
#[derive(Serialize)]
struct Written<'a> {
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    signed_at: Option<String>,
    kind: &'static str,
    subject: &'a Digest,
    trusted_root: Option<&'static str>,
}

impl Serialize for Verified {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, claim) = match &self.by {
            SignedBy::Key(key) => (Some(key.as_str()), None),
            SignedBy::Identity(claim) => (None, Some(claim)),
        };
        let written = Written {
            policy: &self.policy,
            key,
            identity: claim.map(|claim| claim.identity.as_str()),
            issuer: claim.map(|claim| claim.issuer.as_str()),
            signed_at: self.signed_at.and_then(time),
            kind: self.kind,
            subject: &self.subject,
            trusted_root: self.root,
        };
        written.serialize(serializer)
    }
}

/// Seconds since 1970 as a time.
fn time(seconds: i64) -> Option<String> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    let time = SystemTime::UNIX_EPOCH.checked_add(since)?;
    // What is later than this is no year that can be written.
    (since.as_secs() < 253_402_300_800).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

impl SignedBy {
    /// In a few words: the beginning of a key's fingerprint, or the identity.
    pub fn short(&self) -> String {
        match self {
            Self::Key(fingerprint) => fingerprint.chars().take("sha256:".len() + 12).collect(),
            Self::Identity(claim) => one_line(&claim.identity, 120),
        }
    }
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(fingerprint) => write!(f, "key {fingerprint}"),
            Self::Identity(Claim { identity, .. }) => f.write_str(identity),
        }
    }
}
