//! The key of some minutes, and the certificate that says whose it is.
//!
//! Owns that the key never leaves memory, and that the identity is shown to the authority alone. The authority is Fulcio, by the
//! second version of its API: the key, and the identity's subject signed by it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use tokio::time::Instant;

use crate::attest::services::{Services, at};
use crate::credentials::cloud::ask::{Exchange, Question};
use crate::credentials::cloud::jwt;
use crate::credentials::cloud::oidc::Oidc;
use crate::error::cause::{Cause, ErrorResponse, LoginFailure};
use crate::error::login::{LoginReason, LoginStep, LoginTurn, SIGSTORE};
use crate::error::violation::Violation;

/// Whom the identity is for.
const AUDIENCE: &str = "sigstore";

/// How long a certificate signs. It is good for ten minutes; what it signs must be in the log within them.
const LIFE: Duration = Duration::from_secs(240);

/// What stands before the number of a key for ECDSA P-256 (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key, and whose it is.
pub(super) struct Certificate {
    key: EcdsaKeyPair,
    /// As it was given.
    pub pem: String,
    pub der: Vec<u8>,
    /// Where what it signs is logged, or given a time.
    pub services: Services,
    until: Instant,
}

impl Certificate {
    /// A new one. Without `services`, those that go with the repository.
    pub async fn obtain(
        oidc: &Oidc,
        services: Option<&Services>,
        exchange: &Exchange<'_>,
    ) -> Result<Self, Box<LoginFailure>> {
        let identity = oidc.identity(SIGSTORE, AUDIENCE, exchange).await?;
        let claim = |name: &str| jwt::claim(identity.token.expose(), name);
        let services = match services {
            Some(services) => services.clone(),
            None => Services::of_repository(claim("repository_visibility").as_deref()),
        };
        let address = at(&services.authority, "/api/v2/signingCert");
        let question = Question::to(SIGSTORE, LoginStep::Certificate, Method::POST, &address)?
            .bearer(&identity.token)?
            .showing(&identity.claims)
            .judged(judge);
        let lacks = |what| question_failed(&question, what);
        let key = new_key().ok_or_else(|| lacks("a key: this machine gives no random numbers"))?;
        let subject = claim("sub").ok_or_else(|| lacks("a subject in the identity"))?;
        let proof = sign(&key, subject.as_bytes()).ok_or_else(|| lacks("a key that signs"))?;
        let spki = [&SPKI[..], key.public_key().as_ref()].concat();
        let until = Instant::now() + LIFE;
        let request = json!({ "publicKeyRequest": {
            "publicKey": { "algorithm": "ECDSA", "content": pem("PUBLIC KEY", &spki) },
            "proofOfPossession": STANDARD.encode(proof),
        }});
        let question = question.json(&request);
        let answer = question.ask(exchange).await?.object(&question)?;
        // A promise to log the certificate that is not in it has no place in a bundle.
        let chain = answer.get("signedCertificateEmbeddedSct").and_then(|signed| signed.get("chain"));
        let first = chain.and_then(|chain| chain.get("certificates")?.get(0)?.as_str());
        let read = first.and_then(|text| Some((text.to_owned(), der(text)?)));
        let Some((pem, der)) = read else { return Err(question_failed(&question, "a certificate")) };
        Ok(Self { key, pem, der, services, until })
    }

    /// Whether it still signs.
    pub fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }

    /// Signs, as ASN.1 has it.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Box<LoginFailure>> {
        sign(&self.key, message).ok_or_else(|| {
            Box::new(LoginFailure {
                provider: SIGSTORE,
                service: "this machine".to_owned(),
                turn: LoginTurn::First,
                step: LoginStep::Machine,
                reason: LoginReason::Unclear,
                cause: Cause::Protocol(Violation::Unsigned("random numbers")),
                claims: None,
            })
        })
    }
}

fn question_failed(question: &Question<'_>, what: &'static str) -> Box<LoginFailure> {
    question.failed(Cause::Protocol(Violation::Unsigned(what)))
}

fn new_key() -> Option<EcdsaKeyPair> {
    let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).ok()
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    key.sign(&SystemRandom::new(), message).ok().map(|signature| signature.as_ref().to_vec())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What a certificate's text holds.
fn der(pem: &str) -> Option<Vec<u8>> {
    let inside = pem.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?.strip_suffix("-----END CERTIFICATE-----")?;
    let text: String = inside.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok().filter(|der| !der.is_empty())
}

fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.status {
        400 | 401 | 403 => LoginReason::Identity,
        _ => LoginReason::Unclear,
    }
}
