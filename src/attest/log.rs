//! The transparency log: a signature becomes an entry that everybody can see.
//!
//! Owns both forms of the log's API, and that an entry is written as a bundle has it. Never checks one: whoever verifies the
//! bundle does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::attest::certificate::Certificate;
use crate::attest::services::{Log, LogApi, at};
use crate::credentials::cloud::ask::{Exchange, Question};
use crate::error::cause::{Cause, LoginFailure};
use crate::error::login::{LoginStep, SIGSTORE};
use crate::error::violation::Violation;

impl Log {
    /// Has an envelope logged, which holds `signature` over `message`; the entry.
    pub(super) async fn entry(
        &self,
        certificate: &Certificate,
        (envelope, message, signature): (&Value, &[u8], &[u8]),
        exchange: &Exchange<'_>,
    ) -> Result<Value, Box<LoginFailure>> {
        let (path, request) = match self.api {
            LogApi::First => (
                "/api/v1/log/entries",
                json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "proposedContent": {
                    "envelope": envelope.to_string(),
                    "verifiers": [STANDARD.encode(&certificate.pem)],
                }}}),
            ),
            LogApi::Second => (
                "/api/v2/log/entries",
                json!({ "hashedRekordRequestV002": {
                    "digest": STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, message)),
                    "signature": {
                        "content": STANDARD.encode(signature),
                        "verifier": {
                            "x509Certificate": { "rawBytes": STANDARD.encode(&certificate.der) },
                            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        },
                    },
                }}),
            ),
        };
        let address = at(&self.url, path);
        let question = Question::to(SIGSTORE, LoginStep::LogEntry, Method::POST, &address)?.json(&request);
        let answer = question.ask(exchange).await?.object(&question)?;
        let entry = match self.api {
            LogApi::First => first(&answer),
            LogApi::Second => second(&answer),
        };
        entry.ok_or_else(|| question.failed(Cause::Protocol(Violation::Unsigned("an entry of the log"))))
    }
}

/// The entry in the one member of an answer, which is called by its number.
fn first(answer: &Map<String, Value>) -> Option<Value> {
    let entry = answer.values().next().filter(|_| answer.len() == 1)?;
    let body = entry["body"].as_str()?;
    let read: Value = serde_json::from_slice(&STANDARD.decode(body).ok()?).ok()?;
    let (kind, version) = (read["kind"].as_str()?, read["apiVersion"].as_str()?);
    let proof = &entry["verification"]["inclusionProof"];
    let hashes: Option<Vec<String>> = proof["hashes"].as_array()?.iter().map(in_base64).collect();
    Some(json!({
        "logIndex": number(&entry["logIndex"])?,
        "logId": { "keyId": in_base64(&entry["logID"])? },
        "kindVersion": { "kind": kind, "version": version },
        "integratedTime": number(&entry["integratedTime"])?,
        "inclusionPromise": { "signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"].as_str()? },
        "inclusionProof": {
            "logIndex": number(&proof["logIndex"])?,
            "rootHash": in_base64(&proof["rootHash"])?,
            "treeSize": number(&proof["treeSize"])?,
            "hashes": hashes?,
            "checkpoint": { "envelope": proof["checkpoint"].as_str()? },
        },
        "canonicalizedBody": body,
    }))
}

/// The answer is the entry; what a bundle's has not is left out.
fn second(answer: &Map<String, Value>) -> Option<Value> {
    let member = |name: &str| Some((name.to_owned(), answer.get(name)?.clone()));
    let names = ["logIndex", "logId", "kindVersion", "inclusionProof", "canonicalizedBody"];
    names.into_iter().map(member).collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// A number, as a bundle has it: a text.
fn number(value: &Value) -> Option<String> {
    value.as_u64().map(|number| number.to_string())
}

/// Bytes in hexadecimal, as a bundle has them.
fn in_base64(value: &Value) -> Option<String> {
    let digits = value.as_str()?.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let bytes = digits.chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>().map(|bytes| STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::first;

    #[test]
    fn an_entry_that_lacks_a_part_is_none() {
        let body = STANDARD.encode(r#"{"kind":"dsse","apiVersion":"0.0.1"}"#);
        let whole = json!({ "body": body, "integratedTime": 1, "logID": "00ff", "logIndex": 7, "verification": {
            "inclusionProof": { "checkpoint": "c", "hashes": ["0a"], "logIndex": 3, "rootHash": "ff", "treeSize": 4 },
            "signedEntryTimestamp": "c2V0",
        }});
        let answer = |entry| json!({ "24296fb24b8ad77a": entry }).as_object().cloned().unwrap_or_default();
        let entry = first(&answer(whole.clone())).unwrap();
        assert_eq!((&entry["logIndex"], &entry["inclusionProof"]["logIndex"]), (&json!("7"), &json!("3")));
        assert_eq!((&entry["logId"]["keyId"], &entry["inclusionProof"]["hashes"]), (&json!("AP8="), &json!(["Cg=="])));
        for lacking in ["body", "integratedTime", "logID", "logIndex", "verification"] {
            let mut entry = whole.clone();
            entry[lacking] = json!(null);
            assert_eq!(first(&answer(entry)), None, "{lacking}");
        }
        // A sign is no digit, though Rust reads `+f` as a number.
        for bytes in ["0", "zz", "é0", "+f", "-0", " f", "0x"] {
            let mut entry = whole.clone();
            entry["logID"] = json!(bytes);
            assert_eq!(first(&answer(entry)), None, "{bytes}");
        }
        assert_eq!(first(&serde_json::Map::new()), None);
    }
}
