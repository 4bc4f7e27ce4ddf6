//! A statement of what was copied, signed in the name of the job that copied it: an in-toto statement in a sigstore bundle.
//!
//! Owns that a key signs for some minutes only, is in memory alone, and goes when another is needed or the run ends; that
//! one certificate serves the images of these minutes, and one refusal all images; that a signature is made anew for each
//! attempt, so that a log never has it twice. Which services help is in `services`. Never shows an identity to another host
//! than the authority, and never says what it was not given.

mod certificate;
mod log;
pub mod services;
mod timestamp;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::attest::certificate::Certificate;
use crate::attest::services::Services;
use crate::credentials::cloud::ask::{Again, Exchange, LastFailure};
use crate::credentials::cloud::oidc::Oidc;
use crate::error::cause::LoginFailure;
use crate::http::clients::Transport;
use crate::observe::meter::Meter;

/// The media type of a bundle, as cosign 3 stores it.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What a statement says is in its predicate; this type says what that is: what was made of what, by which step.
pub const PREDICATE: &str = "https://in-toto.io/attestation/link/v0.3";

/// What an envelope holds.
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Who attests, and where: as the inputs and the runner's variables say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the job asks for its identity.
    pub oidc: Oidc,
    /// The services that are named; none for those that go with the repository.
    pub services: Option<Services>,
    /// The run, for the statement.
    pub run: Run,
}

/// The run that copies, as its variables have it.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Names and what they stand for; those that are not set are not there.
    pub parts: Vec<(&'static str, String)>,
}

/// What signs the statements of a run.
pub struct Attestor {
    settings: Settings,
    transport: Transport,
    patience: Duration,
    /// The lock is the single flight: the first that signs has a certificate made, the others wait for it.
    holder: Mutex<Holder>,
}

/// The certificate at present, and how the last one failed.
#[derive(Default)]
struct Holder {
    certificate: Option<Arc<Certificate>>,
    failure: LastFailure,
}

/// A statement that was signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The bundle, as it is stored.
    pub bundle: Vec<u8>,
    /// The number of its entry in the log, where there is a log.
    pub log_index: Option<u64>,
}

impl Attestor {
    /// Nothing is contacted yet.
    pub fn new(settings: Settings, transport: &Transport, patience: Duration) -> Self {
        Self { settings, transport: transport.clone(), patience, holder: Mutex::default() }
    }

    /// The run, for a statement.
    pub fn run(&self) -> &Run {
        &self.settings.run
    }

    /// Signs `statement`; what it costs is counted by `meter`, and the failure is told with `subject`.
    pub async fn sign(&self, statement: &Value, subject: &str, meter: &Meter) -> Result<Signed, Box<LoginFailure>> {
        let exchange = Exchange { transport: &self.transport, meter, answer: ANSWER, patience: self.patience };
        let mut retry = Again::begin(false);
        loop {
            let certificate = self.certificate(subject, &exchange).await?;
            match Self::attempt(&certificate, statement, &exchange).await {
                Ok(signed) => return Ok(signed),
                Err(failure) => retry.pause(failure, subject, &exchange).await?,
            }
        }
    }

    async fn attempt(
        certificate: &Certificate,
        statement: &Value,
        exchange: &Exchange<'_>,
    ) -> Result<Signed, Box<LoginFailure>> {
        let payload = statement.to_string();
        let message = pre_authentication(&payload);
        let signature = certificate.sign(&message)?;
        let envelope = json!({
            "payload": STANDARD.encode(&payload),
            "payloadType": PAYLOAD,
            "signatures": [{ "sig": STANDARD.encode(&signature) }],
        });
        let services = &certificate.services;
        let mut material = json!({ "certificate": { "rawBytes": STANDARD.encode(&certificate.der) } });
        let mut log_index = None;
        if let Some(log) = &services.log {
            let entry = log.entry(certificate, (&envelope, &message, &signature), exchange).await?;
            log_index = entry["logIndex"].as_str().and_then(|index| index.parse().ok());
            material["tlogEntries"] = json!([entry]);
        }
        if let Some(authority) = &services.timestamps {
            let timestamp = timestamp::of(authority, &signature, exchange).await?;
            material["timestampVerificationData"] =
                json!({ "rfc3161Timestamps": [{ "signedTimestamp": STANDARD.encode(timestamp) }] });
        }
        let bundle = json!({ "mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope });
        Ok(Signed { bundle: bundle.to_string().into_bytes(), log_index })
    }

    /// The certificate that signs now. One that is refused is refused to the whole run: it is asked for once.
    async fn certificate(&self, subject: &str, exchange: &Exchange<'_>) -> Result<Arc<Certificate>, Box<LoginFailure>> {
        let arrived = Instant::now();
        let mut holder = self.holder.lock().await;
        let Holder { certificate, failure } = &mut *holder;
        if let Some(fresh) = certificate.as_ref().filter(|certificate| certificate.is_fresh()) {
            return Ok(Arc::clone(fresh));
        }
        let Settings { oidc, services, .. } = &self.settings;
        // The key of one that has ended is gone before another is made.
        let again = Again::begin(certificate.take().is_some());
        let obtain = || Certificate::obtain(oidc, services.as_ref(), exchange);
        let made = Arc::new(failure.or_ask((arrived, again), (subject, exchange), obtain).await?);
        *certificate = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// What is signed of an envelope (DSSE, "Pre-Authentication Encoding").
fn pre_authentication(payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {PAYLOAD} {} {payload}", PAYLOAD.len(), payload.len()).into_bytes()
}
