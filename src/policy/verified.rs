//! What is proven of a signature that is what a policy wants.

use std::fmt;

use crate::error::signature::Claim;
use crate::oci::digest::Digest;

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

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(fingerprint) => write!(f, "key {fingerprint}"),
            Self::Identity(Claim { identity, .. }) => f.write_str(identity),
        }
    }
}
