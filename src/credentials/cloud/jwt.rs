//! What a JSON web token says of itself. Never checks a signature: that is for those whom it is shown to.

use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::login::Claims;
use crate::text::sanitise;

/// Characters of a claim that are shown.
const LONGEST: usize = 300;

fn payload(token: &str) -> Option<Vec<u8>> {
    let payload = token.split('.').nth(1)?;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()
}

/// `exp` less `iat`, or `nbf` where that is missing: all by the issuer's clock, so that ours may be wrong.
pub fn lifetime(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Times {
        exp: u64,
        iat: Option<u64>,
        nbf: Option<u64>,
    }
    let times: Times = serde_json::from_slice(&payload(token)?).ok()?;
    times.exp.checked_sub(times.iat.or(times.nbf)?).map(Duration::from_secs)
}

/// One claim that is a text.
pub fn claim(token: &str, name: &str) -> Option<String> {
    let claims: Map<String, Value> = serde_json::from_slice(&payload(token)?).ok()?;
    claims.get(name)?.as_str().map(str::to_owned)
}

/// Whom it names, for people.
pub fn claims(token: &str) -> Claims {
    let all: Map<String, Value> =
        payload(token).and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
    let text = |name: &str| {
        let value = match all.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            _ => String::new(),
        };
        sanitise::one_line(&value, LONGEST)
    };
    Claims { issuer: text("iss"), subject: text("sub"), audience: text("aud") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;

    use super::{claim, claims, lifetime};

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_says_whom_it_names_and_how_long_it_lives() {
        let text = token(r#"{"iss":"https://i","sub":"repo:o@1/r@2:ref","aud":["a","b"],"iat":100,"exp":400}"#);
        let found = claims(&text);
        assert_eq!((&*found.issuer, &*found.subject, &*found.audience), ("https://i", "repo:o@1/r@2:ref", "a b"));
        assert_eq!(claim(&text, "sub").as_deref(), Some("repo:o@1/r@2:ref"));
        assert_eq!(lifetime(&text), Some(Duration::from_secs(300)));
        for text in ["", "a.b.c", &token("[]"), &token(r#"{"exp":1,"iat":2}"#)] {
            assert_eq!((lifetime(text), claim(text, "sub")), (None, None), "{text}");
        }
    }
}
