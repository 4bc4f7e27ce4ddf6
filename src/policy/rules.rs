//! What signature an image must have, as data.
//!
//! Owns how an identity is compared: whole, whatever it is compared with.

use std::fmt;
use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};

use crate::oci::digest::Digest;
use crate::policy::key::PublicKey;
use crate::policy::sigstore::{self, TrustedRoot};
use crate::policy::words::{Log, Mode};
use crate::text::choice::Choice as _;
use crate::text::quote::quote;
use crate::text::sanitise;

/// What is wanted of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The signature; none where an image of this name has no policy, and is not let in.
    pub policy: Option<Arc<Policy>>,
    /// What becomes of it otherwise.
    pub mode: Mode,
    /// What earlier runs have checked.
    pub checked: Checked,
}

/// What is known of earlier checks of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing is kept: what is at the target unchanged was checked when it came there.
    NotKept,
    /// A lock says that this digest was checked by this policy; none where it says so of none.
    Locked(Option<Digest>),
}

impl Requirement {
    /// Whether anything is asked.
    pub fn is_asked(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Whether a lock says that this digest was checked by this policy.
    pub fn was_checked(&self, digest: &Digest) -> bool {
        self.is_asked() && matches!(&self.checked, Checked::Locked(Some(checked)) if checked == digest)
    }

    /// Whether an image must be looked at although it is at the target with this digest.
    ///
    /// With no digest it is enough that it was checked once: of a tag that never moves, and of which the target has a part.
    pub fn is_due(&self, digest: Option<&Digest>) -> bool {
        self.is_asked()
            && match (&self.checked, digest) {
                (Checked::NotKept, _) | (Checked::Locked(Some(_)), None) => false,
                (Checked::Locked(None), _) => true,
                (Checked::Locked(Some(checked)), Some(digest)) => checked != digest,
            }
    }
}

/// A signature that images must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it is called; none for the one that inputs describe.
    pub name: Option<String>,
    /// Who must have made it.
    pub signer: Signer,
    /// Whether it must be in a transparency log.
    pub log: Log,
    /// Whose certificates, logs and clocks are believed; none for those that are built in.
    pub root: Option<Arc<TrustedRoot>>,
    /// The type of an attestation that counts in place of a signature.
    pub predicate: Option<String>,
}

/// Who must have made a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Whoever has one of these keys.
    Keys(Vec<PublicKey>),
    /// Somebody whom a certificate names.
    Identity {
        /// An address or a URI.
        identity: Matcher,
        /// Who vouches for it.
        issuer: Matcher,
    },
}

/// A text, or how a whole text must be.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// This text.
    Exact(String),
    /// As the expression says, and the expression as it was written, without its slashes.
    Regex(Regex, String),
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Regex(_, text) => write!(f, "/{text}/"),
        }
    }
}

/// The largest program that an expression may become, in bytes.
const LARGEST_REGEX: usize = 256 * 1024;

impl Matcher {
    /// Reads a text, or `/REGEX/`, which is for the whole of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = match text.strip_prefix('/').map(|rest| rest.strip_suffix('/')) {
            None if text.is_empty() => return Err("is empty".to_owned()),
            None => return Ok(Self::Exact(text.to_owned())),
            Some(None) => {
                return Err(format!("`{}` begins with `/` and does not end with it; write `/REGEX/`", quote(text)));
            }
            Some(Some("")) => return Err("has nothing between its slashes".to_owned()),
            Some(Some(inner)) => inner,
        };
        // In a group, and both ends held: `images` is not to let `images-evil` in. By itself first: `a)|(?:b` would leave the group.
        let build = |text: &str| RegexBuilder::new(text).size_limit(LARGEST_REGEX).build();
        match build(inner).and_then(|_| build(&format!("^(?:{inner})$"))) {
            Ok(regex) => Ok(Self::Regex(regex, inner.to_owned())),
            Err(error) => {
                let words = sanitise::one_line(&error.to_string(), 200);
                Err(format!("`{}` is no regular expression: {words}", quote(text)))
            }
        }
    }

    /// Whether the whole text is so.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Regex(regex, _) => regex.is_match(text),
        }
    }
}

impl Policy {
    /// What it is called in sentences.
    pub fn called(&self) -> &str {
        let input = match self.signer {
            Signer::Keys(_) => "verify-key",
            Signer::Identity { .. } => "verify-identity",
        };
        self.name.as_deref().unwrap_or(input)
    }

    /// The key of the log that it believes, PEM, where there is one that others read: ECDSA P-256.
    pub fn log_key(&self) -> Option<String> {
        sigstore::log_key(self.root.as_deref())
    }

    /// The roots of the authorities that it believes, PEM.
    pub fn authorities(&self) -> Option<String> {
        sigstore::authorities(self.root.as_deref())
    }

    /// All that it says, in a few letters: another policy has others.
    pub fn fingerprint(&self) -> String {
        let signer = match &self.signer {
            Signer::Keys(keys) => {
                let mut keys: Vec<String> = keys.iter().map(PublicKey::fingerprint).collect();
                keys.sort_unstable();
                keys.join("\n")
            }
            Signer::Identity { identity, issuer } => format!("{identity}\n{issuer}"),
        };
        let root = self.root.as_ref().map(|root| root.digest.as_str()).unwrap_or_default();
        let predicate = self.predicate.as_deref().unwrap_or_default();
        let text = [&signer, self.log.word(), root, predicate].join("\0");
        Digest::of(text.as_bytes()).hex().chars().take(16).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Matcher;

    #[test]
    fn an_expression_is_for_the_whole_identity_and_a_text_is_itself() {
        let images = "/https://github\\.com/octo/images/.*/";
        for (matcher, text, fits) in [
            ("a@b.c", "a@b.c", true),
            ("a@b.c", "a@bxc", false),
            ("a@b.c", "x-a@b.c", false),
            (images, "https://github.com/octo/images/.github/workflows/a.yml@refs/heads/main", true),
            (images, "https://github.com/octo/images-evil/.github/workflows/a.yml@refs/heads/main", false),
            (images, "https://evil.example/?https://github.com/octo/images/", false),
            (images, "https://github.com/octo/images/x\nhttps://github.com/evil", false),
            ("/a|b/", "ab", false),
            ("/a|b/", "bx", false),
            ("/a|b/", "b", true),
            // What is said of lines within the group ends with it.
            ("/(?m)a/", "a\nb", false),
            ("/(?s).*a/", "b\na", true),
        ] {
            assert_eq!(Matcher::parse(matcher).unwrap().matches(text), fits, "{matcher} {text}");
        }
        for (text, sentence) in [
            ("", "is empty"),
            ("//", "nothing between"),
            ("/a", "does not end with it"),
            ("/(/", "no regular expression"),
            ("/a)|(?:b/", "no regular expression"),
            ("/a)|(b/", "no regular expression"),
        ] {
            assert!(Matcher::parse(text).unwrap_err().contains(sentence), "{text}");
        }
    }
}
