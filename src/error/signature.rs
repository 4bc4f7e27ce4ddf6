//! Why a signature was not taken for the one that a policy wants.
//!
//! Owns the sentence about each. Text that a signer wrote is made safe before it gets here.

use std::fmt;

use crate::oci::digest::Digest;

/// A signature that was found, and is not what a policy wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedSignature {
    /// Where it was found: the digest of its manifest, or its tag.
    pub found: String,
    /// Who it says has made it; nothing where it names nobody.
    pub by: Option<Claim>,
    /// Why it does not count.
    pub reason: Rejection,
}

/// Whom a certificate names. Of a signature that was rejected it is a claim and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// An address or a URI.
    pub identity: String,
    /// Who vouches for it.
    pub issuer: String,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It cannot be read.
    Unreadable(String),
    /// It is larger than what is read, in bytes.
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// It is a statement of another type.
    Attestation {
        /// Its type.
        predicate: String,
        /// The type that counts; a signature, where there is none.
        wanted: Option<String>,
    },
    /// It signs something else than this image.
    OtherImage(String),
    /// None of the policy's keys has made it.
    OtherKey,
    /// It was made with a certificate, and the policy has keys.
    Keyless,
    /// It was made with a key, and the policy names an identity.
    ByKey,
    /// Somebody else has made it.
    OtherIdentity,
    /// Another issuer vouches for who has made it.
    OtherIssuer,
    /// It is not over what it comes with.
    Tampered,
    /// It is in no transparency log.
    NotLogged,
    /// What it says of the transparency log does not hold.
    Log(String),
    /// Its certificate was not valid when it was made.
    Expired,
    /// No time is known at which it was made.
    NoTime(String),
    /// Its certificate is of no authority that the trusted root has.
    UnknownAuthority(String),
    /// Its certificate is not one that signs.
    Certificate(String),
    /// It is of a kind that is not checked.
    NotChecked(&'static str),
}

impl fmt::Display for RejectedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.found)?;
        if let Some(Claim { identity, issuer }) = &self.by {
            write!(f, " by {identity} (issuer {issuer})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::TooLarge { bytes, limit } => write!(f, "it has {bytes} bytes, more than the {limit} that are read"),
            Self::Attestation { predicate, wanted: None } => {
                write!(f, "it is an attestation (`{predicate}`) and no signature")
            }
            Self::Attestation { predicate, wanted: Some(wanted) } => {
                write!(f, "its statement is `{predicate}`, and the policy wants `{wanted}`")
            }
            Self::OtherImage(digest) => write!(f, "it signs {digest}, another image"),
            Self::OtherKey => f.write_str("no key of the policy has made it, or it was changed"),
            Self::Keyless => f.write_str("it was made with a certificate, and the policy has keys"),
            Self::ByKey => f.write_str("it was made with a key, and the policy names an identity"),
            Self::OtherIdentity => f.write_str("the policy names another identity"),
            Self::OtherIssuer => f.write_str("the policy names another issuer"),
            Self::Tampered => f.write_str("it does not fit what it signs: one of them was changed"),
            Self::NotLogged => f.write_str("it has no entry of a transparency log"),
            Self::Log(why) => write!(f, "its entry of the transparency log does not hold: {why}"),
            Self::Expired => f.write_str("its certificate was not valid when it was made"),
            Self::NoTime(why) => write!(f, "nothing proves when it was made: {why}"),
            Self::UnknownAuthority(why) => {
                write!(f, "its certificate is of no authority that the trusted root has: {why}")
            }
            Self::Certificate(why) => write!(f, "its certificate is of no use: {why}"),
            Self::NotChecked(kind) => write!(f, "it is {kind}, which is found and not checked"),
        }
    }
}

/// What an image lacks that a policy wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    /// The digests of which one was to be signed.
    pub subjects: Vec<Digest>,
    /// What the policy is called; none where no policy is for the image.
    pub policy: Option<String>,
    /// The signatures that were found, as many as are named.
    pub rejected: Vec<RejectedSignature>,
    /// How many were found.
    pub found: usize,
    /// What was not looked at.
    pub left: Option<String>,
}

impl Unsigned {
    /// Whether one of the signatures was rejected so.
    pub fn has(&self, is: impl Fn(&Rejection) -> bool) -> bool {
        self.rejected.iter().any(|rejected| is(&rejected.reason))
    }

    /// The signatures, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.rejected.iter().map(ToString::to_string).collect();
        if self.found > self.rejected.len() {
            lines.push(format!("and {} more", self.found - self.rejected.len()));
        }
        lines.extend(self.left.clone());
        lines
    }
}

/// In short; the signatures are [`Unsigned::lines`].
impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(policy) = &self.policy else {
            return f.write_str("has no policy, and what has none is not let in");
        };
        let signatures = match self.found {
            0 => "found no signature".to_owned(),
            1 => "found 1 signature".to_owned(),
            more => format!("found {more} signatures"),
        };
        write!(f, "is not signed as policy `{policy}` wants: {signatures}")
    }
}
