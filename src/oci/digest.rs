//! Digests: the name of every byte that is copied.
//!
//! Owns parsing, display and hashing. Never guesses: a digest of an algorithm we cannot compute is refused,
//! because a blob that cannot be checked must not be copied.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256, Sha512};

use crate::text::sanitise;

/// A content digest, `algorithm:hex`, always lower case.
///
/// Source: image-spec, "Digests". `sha256` and `sha512` are the registered algorithms.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Arc<str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    fn of(name: &str) -> Option<(Self, usize)> {
        match name {
            "sha256" => Some((Self::Sha256, 64)),
            "sha512" => Some((Self::Sha512, 128)),
            _ => None,
        }
    }
}

impl Digest {
    /// The SHA-256 digest of `bytes`, the algorithm that registries compute when none is named.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Whether `bytes` hash to this digest, by this digest's own algorithm.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// A hasher of this digest's algorithm.
    pub fn hasher(&self) -> Hasher {
        match Algorithm::of(self.algorithm()).map(|(algorithm, _)| algorithm) {
            Some(Algorithm::Sha512) => Hasher(State::Sha512(Sha512::new())),
            _ => Hasher::sha256(),
        }
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.text.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The hexadecimal part.
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The first twelve hexadecimal digits, as people abbreviate digests.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or_default()
    }

    /// The tag under which a registry without the referrers API keeps the list of what refers to this digest
    /// (distribution-spec, "Referrers Tag Schema"): the algorithm cut at 32 characters, the hex at 64.
    pub fn fallback_tag(&self) -> String {
        format!("{:.32}-{:.64}", self.algorithm(), self.hex())
    }

    /// The whole digest as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Digest {
    type Err = String;

    /// Fails with a sentence that says what is wrong with `text`.
    fn from_str(text: &str) -> Result<Self, String> {
        let quoted = || sanitise::one_line(text, 200);
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(format!("`{}` is not a digest; write it as `sha256:` and 64 hexadecimal digits", quoted()));
        };
        let Some((_, length)) = Algorithm::of(algorithm) else {
            return Err(format!(
                "`{}` uses the algorithm `{}`; `sha256` and `sha512` can be checked, others cannot",
                quoted(),
                sanitise::one_line(algorithm, 40)
            ));
        };
        if hex.len() != length {
            return Err(format!(
                "`{}` has {} characters after `{algorithm}:`; there must be {length}",
                quoted(),
                hex.chars().count()
            ));
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(format!(
                "`{}` may hold only the digits 0-9 and the lower-case letters a-f after the colon",
                quoted()
            ));
        }
        Ok(Self { text: text.into() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes a stream piece by piece.
pub struct Hasher(State);

enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn sha256() -> Self {
        Self(State::Sha256(Sha256::new()))
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        let (algorithm, bytes): (&str, Vec<u8>) = match self.0 {
            State::Sha256(state) => ("sha256", state.finalize().to_vec()),
            State::Sha512(state) => ("sha512", state.finalize().to_vec()),
        };
        Digest { text: format!("{algorithm}:{}", hexadecimal(&bytes)).into() }
    }
}

/// Bytes, two digits each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert!(empty.parse::<Digest>().is_ok_and(|digest| digest.matches(b"") && !digest.matches(b"x")));
    }

    #[test]
    fn each_kind_of_bad_digest_gets_its_own_sentence() {
        for (text, part) in [
            ("latest", "is not a digest"),
            ("md5:00", "the algorithm `md5`"),
            ("sha256:00", "there must be 64"),
            ("sha256:\u{1b}[31m", "`sha256:` has 5 characters"),
            ("sha256:E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "lower-case"),
        ] {
            let problem = text.parse::<Digest>().expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
