//! Secrets: values that must never be printed.
//!
//! Owns the only type that carries a password or token. It has no `Display`, its `Debug` prints `***`, and its
//! memory is wiped when it is dropped. Reading the value takes the word `expose`, so that every use can be found.

use secrecy::{ExposeSecret, SecretString};

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
        f.write_str("***")
    }
}

/// The user name that marks an OAuth refresh token (Docker's `identitytoken`), as Docker itself marks it.
pub const IDENTITY_TOKEN: &str = "<token>";

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
        use base64::Engine as _;
        let pair = format!("{}:{}", self.username, self.password.expose());
        Secret::new(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }
}
