//! Secrets: values that must never be printed.
//!
//! Owns the only type that carries a password or token. It has no `Display`, its `Debug` prints `***`, and its
//! memory is wiped when it is dropped. Reading the value takes the word `expose`, so that every use can be found. Also
//! takes a secret out of the words of a server that repeats what it was sent.

pub mod redactor;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// What is shown in a secret's place.
const HIDDEN: &str = "***";

/// A secret shorter than this is part of too many words to be hidden wherever it stands.
pub const SHORTEST: usize = 4;

/// A password or token.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a value that came from outside.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself, for a header that goes to the host it was given for, and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// The user name that marks an OAuth refresh token (Docker's `identitytoken`), as Docker itself marks it.
pub const IDENTITY_TOKEN: &str = "<token>";

/// The user name that an identity token goes with where it is sent as a password: Azure's registries take it so, and of others
/// none is known that does.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// The user name that marks a ready-made bearer token.
pub const BEARER_TOKEN: &str = "<bearer>";

/// A user name and a password for one host.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user name; not secret.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

impl Credential {
    /// The value of a Basic `Authorization` header (RFC 7617).
    pub fn basic(&self) -> Secret {
        Secret::new(format!("Basic {}", self.pair().expose()))
    }

    /// User name and password as a Basic header carries them: as good as the password.
    pub fn pair(&self) -> Secret {
        use base64::Engine as _;
        let username = if self.username == IDENTITY_TOKEN { NOBODY } else { &self.username };
        let pair = format!("{username}:{}", self.password.expose());
        Secret::new(base64::engine::general_purpose::STANDARD.encode(pair))
    }
}

/// Whether a token has the length and the shape of a secret. A token service chooses the token, and what is masked is hidden
/// in the whole job and taken out of its outputs: by `sha256`, a digest or a host's name nothing of those would be left.
///
/// Every token of a registry that is made at random, or is base64 (JWT, GHCR), has so many letters of both cases and digits
/// in a row; digests, commits, UUIDs, names and addresses are written in one case. A token that is not masked is not
/// printed either: what a registry says is searched for it.
pub fn is_like_a_secret(token: &str) -> bool {
    /// What a name has in a row by chance is shorter.
    const LONG: usize = 16;
    let has = |part: &str, is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    token.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| part.len() >= LONG).any(|part| {
        has(part, u8::is_ascii_uppercase) && has(part, u8::is_ascii_lowercase) && has(part, u8::is_ascii_digit)
    })
}

/// Whether a token, if it is no secret by its shape, is no word either that a report would miss: it is long, has letters and
/// digits, and is neither a digest nor a host.
pub fn is_no_word(token: &str) -> bool {
    /// As long as a password that is never part of a name.
    const LONG: usize = 16;
    let is_hexadecimal = token.rsplit(':').next().is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_host = Url::parse(&format!("https://{token}/")).is_ok_and(|url| url.port().is_some() || token.contains('.'));
    token.len() >= LONG
        && token.bytes().any(|byte| byte.is_ascii_digit())
        && token.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !is_hexadecimal
        && (!is_host || token.len() > 64)
}

#[cfg(test)]
mod tests {
    use super::{Credential, Secret};

    #[test]
    fn a_secret_is_hidden_in_every_spelling() {
        let secret = Secret::new("p\"a s/s+%w");
        for (text, expected) in [
            ("got p\"a s/s+%w from you", "got *** from you"),
            ("token=p%22a+s%2Fs%2B%25w&x=1", "token=***&x=1"),
            ("/p%22a%20s%2Fs%2B%25w/", "/***/"),
            (r#"{"password":"p\"a s/s+%w"}"#, r#"{"password":"***"}"#),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(secret.hide(text), expected);
        }
        assert_eq!(Secret::new("\"quoted\"").hide("a \"quoted\" b \\\"quoted\\\" c"), "a *** b *** c");
        assert_eq!(Secret::new("abc").hide("an alphabet begins with abc"), "an alphabet begins with abc");
        assert_eq!(Secret::new("").hide("text"), "text");
    }

    #[test]
    fn the_pair_of_a_basic_header_is_hidden_without_its_scheme() {
        let credential = Credential { username: "me".to_owned(), password: Secret::new("hunter2") };
        // bWU6aHVudGVyMg== is me:hunter2.
        let hide = |text: &str| credential.password.hide(&credential.pair().hide(text));
        assert_eq!(hide("Basic bWU6aHVudGVyMg== (me:hunter2)"), "Basic *** (me:***)");
    }
}
