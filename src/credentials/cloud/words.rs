//! What providers say when they say no: code and message, in the shape that each has. Pure.

use serde_json::Value;

/// A refusal's own words, as they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub code: String,
    pub message: String,
}

/// Reads AWS's XML (STS) and JSON, OAuth's `error` and `error_description`, Google's envelope, registries' lists of `errors`,
/// and a bare `message`.
pub fn of(body: &[u8]) -> Words {
    let text = String::from_utf8_lossy(body);
    let Ok(value) = serde_json::from_str::<Value>(&text) else { return of_text(&text) };
    let text = |value: &Value, names: &[&str]| {
        names.iter().find_map(|name| value.get(*name)?.as_str()).unwrap_or_default().to_owned()
    };
    let within = value.get("error").filter(|error| error.is_object());
    let within = within.or_else(|| value.get("errors")?.get(0)).unwrap_or(&value);
    // Entra ID's own number says more than OAuth's word.
    if let Some(number) = value.get("error_codes").and_then(|codes| codes.get(0)?.as_u64()) {
        return Words { code: format!("AADSTS{number}"), message: text(&value, &["error_description"]) };
    }
    let code = text(within, &["__type", "status", "code", "error"]);
    // `com.amazonaws.…#AccessDeniedException`.
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = text(within, &["message", "Message", "error_description", "error_message", "detail", "title"]);
    Words { code, message }
}

fn of_text(text: &str) -> Words {
    let part = |name: &str| between(text, name).unwrap_or_default().to_owned();
    match (part("Code"), part("Message")) {
        (code, message) if !code.is_empty() || !message.is_empty() => Words { code, message },
        _ if text.trim_start().starts_with('<') => {
            Words { code: String::new(), message: "a web page, not the service's answer".to_owned() }
        }
        _ => Words { code: String::new(), message: text.trim().to_owned() },
    }
}

/// What stands in an element of XML without attributes. What is read in this way are codes, keys and times, which have no
/// entities in them.
pub fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside.trim())
}

#[cfg(test)]
mod tests {
    use super::{between, of};

    #[test]
    fn each_providers_refusal_is_read() {
        for (body, code, message) in [
            (
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>",
                "AccessDenied",
                "Not authorized",
            ),
            (r#"{"__type":"com.amazonaws.ecr#AccessDeniedException","Message":"no"}"#, "AccessDeniedException", "no"),
            (r#"{"error":"invalid_grant","error_description":"the audience"}"#, "invalid_grant", "the audience"),
            (r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}}"#, "PERMISSION_DENIED", "no"),
            (r#"{"errors":[{"code":"UNAUTHORIZED","message":"who"}]}"#, "UNAUTHORIZED", "who"),
            (
                r#"{"error":"invalid_client","error_description":"no match","error_codes":[700213]}"#,
                "AADSTS700213",
                "no match",
            ),
            (r#"{"message":"connection not found"}"#, "", "connection not found"),
            ("<html>", "", "a web page, not the service's answer"),
            ("plain", "", "plain"),
        ] {
            let words = of(body.as_bytes());
            assert_eq!((&*words.code, &*words.message), (code, message), "{body}");
        }
        assert_eq!(between("<a>1</a><b> 2 </b>", "b"), Some("2"));
        assert_eq!(between("<a>1", "a"), None);
    }
}
