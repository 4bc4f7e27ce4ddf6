//! A person's own login at Google, as `gcloud auth application-default login` has written it.
//!
//! Never sends it to another service than Google's, whatever the file says, and reads no key of a service account: that is a
//! stored secret, and has a login of its own (user `_json_key`).
//!
//! Source: Google Cloud, "How Application Default Credentials works".

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;

use crate::credentials::cloud::ask::{Exchange, Question, expires_in, token};
use crate::credentials::cloud::leased::mask;
use crate::error::cause::LoginFailure;
use crate::error::login::LoginStep;
use crate::secret::Secret;

/// The word of Google's type.
pub const WORD: &str = "gcp-wif";

/// The longest that a token is given for without a policy that allows more.
pub const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub struct Person {
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
}

impl Person {
    /// Reads the file's text; none of another kind.
    pub fn read(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct File {
            r#type: String,
            client_id: String,
            client_secret: String,
            refresh_token: String,
        }
        let file: File = serde_json::from_slice(text).ok()?;
        (file.r#type == "authorized_user").then(|| Self {
            client_id: file.client_id,
            client_secret: Secret::new(file.client_secret),
            refresh_token: Secret::new(file.refresh_token),
        })
    }

    /// What of it is secret.
    pub fn secrets(&self) -> Vec<Secret> {
        vec![self.client_secret.clone(), self.refresh_token.clone()]
    }

    /// An access token, and how long it is good.
    pub async fn token(&self, exchange: &Exchange<'_>) -> Result<(Secret, Duration), Box<LoginFailure>> {
        let question = Question::to(WORD, LoginStep::Machine, Method::POST, "https://oauth2.googleapis.com/token")?
            .form(&[
                ("grant_type", "refresh_token"),
                ("client_id", &self.client_id),
                ("client_secret", self.client_secret.expose()),
                ("refresh_token", self.refresh_token.expose()),
            ])
            .hiding(&[&self.client_secret, &self.refresh_token]);
        let members = question.ask(exchange).await?.object(&question)?;
        let password = token(&members, "access_token", &question)?;
        mask(exchange, &password);
        Ok((password, expires_in(&members).unwrap_or(LIFETIME)))
    }
}

#[cfg(test)]
mod tests {
    use super::Person;

    #[test]
    fn a_persons_login_is_read_and_a_key_is_not() {
        let text =
            br#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r","account":""}"#;
        assert!(Person::read(text).is_some());
        assert!(Person::read(br#"{"type":"service_account","private_key":"k"}"#).is_none());
        assert!(Person::read(b"[]").is_none());
    }
}
