//! The one place that knows sigstore's library: certificates, logs and timestamps.
//!
//! Owns what is asked of it and how its answers are read. It is young, and each of its releases breaks; nothing else names its
//! verifier. Never asks a network: what is trusted is compiled in or given.

use std::fmt;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sigstore_verify::crypto::{KeyAlgorithm, parse_certificate_info};
use sigstore_verify::trust_root::{SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT};
use sigstore_verify::types::bundle::VerificationMaterialContent;
use sigstore_verify::types::{
    ArtifactDigest, Bundle, DerCertificate, DerPublicKey, HashAlgorithm, Sha256Hash, Sha512Hash,
};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TransparencyLogError, VerificationPolicy, VerificationResult,
    Verifier,
};

use crate::error::signature::{Claim, Rejection};
use crate::oci::digest::Digest;
use crate::policy::provider;
use crate::policy::words::Log;
use crate::text::sanitise;

/// The day from which the trusted roots are that are built in: that of the library's release.
pub const BUILT_IN_DATE: &str = "2026-10-23";

/// Whose certificates, logs and clocks are believed.
pub struct TrustedRoot {
    /// The digest of its text.
    pub digest: Digest,
    verifier: Verifier,
    /// Whether its authorities have their certificates in a log, as the public ones do.
    has_certificate_logs: bool,
    /// From when it is, where it is built in.
    date: Option<&'static str>,
    /// The keys of its logs that are for ECDSA P-256, PEM.
    log_keys: Vec<String>,
    /// The roots of its authorities, PEM.
    authorities: String,
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedRoot({})", self.digest)
    }
}

impl PartialEq for TrustedRoot {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for TrustedRoot {}

impl TrustedRoot {
    /// Reads the JSON text of one (`trusted_root.json`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &dyn fmt::Display| {
            let words = sanitise::one_line(&why.to_string(), 200);
            format!("is no trusted root of sigstore, `trusted_root.json`: {words}")
        };
        provider::with_message(&[], || {
            let root = sigstore_verify::trust_root::TrustedRoot::from_json(text).map_err(|why| bad(&why))?;
            if root.certificate_authorities.is_empty() && root.tlogs.is_empty() {
                return Err(bad(&"it has neither an authority nor a log"));
            }
            let verifier = Verifier::new(&root).map_err(|why| bad(&why))?;
            let has_certificate_logs = !root.ctlogs.is_empty();
            let is_p256 =
                |key: &&DerPublicKey| KeyAlgorithm::from_spki(key).is_ok_and(|of| of == KeyAlgorithm::EcdsaP256);
            let log_keys = root.tlogs.iter().map(|log| &log.public_key.raw_bytes).filter(is_p256);
            let log_keys = log_keys.map(|key| key.to_pem().replace('\r', "")).collect();
            let last =
                root.certificate_authorities.iter().filter_map(|authority| authority.cert_chain.certificates.last());
            let authorities = last.map(|certificate| certificate.raw_bytes.to_pem().replace('\r', "")).collect();
            let digest = Digest::of(text.as_bytes());
            Ok(Self { digest, verifier, has_certificate_logs, date: None, log_keys, authorities })
        })
    }

    fn built_in(text: &str) -> Option<Self> {
        Some(Self { date: Some(BUILT_IN_DATE), ..Self::parse(text).ok()? })
    }
}

/// The public sigstore instance.
static PUBLIC: LazyLock<Option<TrustedRoot>> =
    LazyLock::new(|| TrustedRoot::built_in(SIGSTORE_PRODUCTION_TRUSTED_ROOT));

/// GitHub's own, for the attestations of private repositories. It keeps no log, and its certificates are in none: its clock
/// stands for both.
static GITHUB: LazyLock<Option<TrustedRoot>> = LazyLock::new(|| TrustedRoot::built_in(SIGSTORE_GITHUB_TRUSTED_ROOT));

/// The key of the log that a root has, or the public one, PEM.
pub(super) fn log_key(root: Option<&TrustedRoot>) -> Option<String> {
    root.or(PUBLIC.as_ref())?.log_keys.first().cloned()
}

/// The roots of the authorities that a root has, or the public ones, PEM.
pub(super) fn authorities(root: Option<&TrustedRoot>) -> Option<String> {
    Some(root.or(PUBLIC.as_ref())?.authorities.clone()).filter(|text| !text.is_empty())
}

/// What is signed.
#[derive(Clone, Copy)]
pub(super) enum Artifact<'a> {
    /// These bytes.
    Message(&'a [u8]),
    /// What the statement names, which has this digest.
    Subject(&'a Digest),
}

/// What is proven besides who it was.
#[derive(Clone, Copy, Default)]
pub(super) struct Proof {
    /// When it was made, in seconds since 1970.
    pub signed_at: Option<i64>,
    /// From when the root is that was believed, where it is built in.
    pub root: Option<&'static str>,
}

/// What of the log and of certificates' logs is asked for.
#[derive(Clone, Copy)]
struct Asked {
    log: Log,
    certificate_logs: bool,
}

/// What cosign writes beside a payload, as it was written.
#[derive(Clone, Copy, Default)]
pub struct Marks<'a> {
    /// The signature.
    pub signature: Option<&'a str>,
    /// The certificate, PEM.
    pub certificate: Option<&'a str>,
    /// Those above it.
    pub chain: Option<&'a str>,
    /// The log's promise to have it.
    pub log: Option<&'a str>,
    /// A timestamp.
    pub timestamp: Option<&'a str>,
}

/// Whether a bundle has a certificate.
pub(super) fn has_certificate(bundle: &Bundle) -> bool {
    !matches!(bundle.verification_material.content, VerificationMaterialContent::PublicKey(_))
}

/// Whom the certificate of a bundle names; nothing proves it.
pub(super) fn claim(bundle: &Bundle) -> Option<Claim> {
    provider::with_message(&[], || {
        let info = parse_certificate_info(bundle.signing_certificate()?).ok()?;
        let show = |text: &str| sanitise::one_line(text, 500);
        Some(Claim {
            identity: show(info.identity.as_ref().map_or("nobody", |identity| identity.as_str())),
            issuer: show(info.issuer.as_deref().unwrap_or("none")),
        })
    })
}

/// Who has made a signature with a certificate, as it was written.
pub(super) fn keyless(
    bundle: &Bundle,
    artifact: Artifact<'_>,
    log: Log,
    root: Option<&TrustedRoot>,
) -> Result<(Claim, Proof), Rejection> {
    let is_logged = !bundle.verification_material.tlog_entries.is_empty();
    if let Some(root) = root {
        if log == Log::Require && !is_logged {
            return Err(Rejection::NotLogged);
        }
        return certified(root, bundle, artifact, Asked { log, certificate_logs: root.has_certificate_logs });
    }
    let public = match (log, &*PUBLIC) {
        (Log::Require, _) if !is_logged => Err(Rejection::NotLogged),
        (_, Some(root)) => certified(root, bundle, artifact, Asked { log, certificate_logs: true }),
        (_, None) => Err(no_root()),
    };
    public.or_else(|why| match &*GITHUB {
        Some(root) => {
            let asked = Asked { log: Log::Ignore, certificate_logs: false };
            let own = certified(root, bundle, artifact, asked);
            own.map_err(|other| if matches!(other, Rejection::UnknownAuthority(_)) { why } else { other })
        }
        None => Err(why),
    })
}

fn certified(
    root: &TrustedRoot,
    bundle: &Bundle,
    artifact: Artifact<'_>,
    Asked { log, certificate_logs }: Asked,
) -> Result<(Claim, Proof), Rejection> {
    let mut policy = VerificationPolicy::any_identity();
    if log == Log::Ignore {
        policy = policy.skip_tlog_unsafe();
    }
    if !certificate_logs {
        policy = policy.skip_sct();
    }
    let result = verify(root, bundle, artifact, &policy)?;
    let is_whole = result.certificate_verified()
        && (result.tlog_verified() || log == Log::Ignore)
        && (result.sct_verified() || !certificate_logs);
    let named = result.identity().map(|identity| identity.as_str().to_owned()).zip(result.issuer().map(str::to_owned));
    let (true, Some((identity, issuer))) = (is_whole, named) else {
        return Err(Rejection::Certificate("it names nobody for whom an issuer vouches".to_owned()));
    };
    Ok((Claim { identity, issuer }, proof(root, &result)))
}

/// What the log proves of a signature by `key`.
pub(super) fn logged(
    bundle: &Bundle,
    key: &DerPublicKey,
    artifact: Artifact<'_>,
    root: Option<&TrustedRoot>,
) -> Result<Proof, Rejection> {
    if bundle.verification_material.tlog_entries.is_empty() {
        return Err(Rejection::NotLogged);
    }
    let root = root.or(PUBLIC.as_ref()).ok_or_else(no_root)?;
    let result = verify(root, bundle, artifact, &PublicKeyVerificationPolicy::new(key.clone()))?;
    if !result.tlog_verified() {
        return Err(Rejection::NotLogged);
    }
    Ok(proof(root, &result))
}

fn no_root() -> Rejection {
    Rejection::UnknownAuthority("the roots that are built in cannot be read".to_owned())
}

fn proof(root: &TrustedRoot, result: &VerificationResult) -> Proof {
    let time = result.integrated_time().or_else(|| result.verified_timestamps().iter().min().copied());
    let mut proof = Proof { signed_at: None, root: root.date };
    if let Some(time) = time {
        proof.signed_at = Some(time.as_second());
    }
    proof
}

fn verify(
    root: &TrustedRoot,
    bundle: &Bundle,
    artifact: Artifact<'_>,
    policy: &dyn sigstore_verify::Policy,
) -> Result<VerificationResult, Rejection> {
    let result = match artifact {
        Artifact::Message(message) => provider::with_message(message, || root.verifier.verify(message, bundle, policy)),
        Artifact::Subject(subject) => provider::with_message(&[], || match subject.algorithm() {
            "sha256" => root.verifier.verify(Sha256Hash::from_hex(subject.hex())?, bundle, policy),
            _ => root.verifier.verify(sha512(subject)?, bundle, policy),
        }),
    };
    result.map_err(|error| rejection(&error, bundle))
}

fn sha512(subject: &Digest) -> Result<ArtifactDigest, Error> {
    let hash = Sha512Hash::from_hex(subject.hex())?;
    Ok(ArtifactDigest::new(HashAlgorithm::Sha2512, hash.as_slice().to_vec())?)
}

/// Why the library has refused it.
fn rejection(error: &Error, bundle: &Bundle) -> Rejection {
    let words = |why: &dyn fmt::Display| sanitise::one_line(&why.to_string(), 200);
    match error {
        Error::SignatureInvalid(_) | Error::ArtifactMismatch(_) => Rejection::Tampered,
        Error::Certificate(CertificateError::Expired { .. } | CertificateError::NotYetValid { .. }) => {
            Rejection::Expired
        }
        Error::Certificate(CertificateError::ChainInvalid(_))
        | Error::TransparencyLog(TransparencyLogError::IntegratedTime(_))
            if is_out_of_time(bundle) =>
        {
            Rejection::Expired
        }
        Error::Certificate(why @ (CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. })) => {
            Rejection::UnknownAuthority(words(why))
        }
        Error::Certificate(why) => Rejection::Certificate(words(why)),
        Error::TransparencyLog(why) => Rejection::Log(words(why)),
        Error::Bundle(why) => Rejection::Log(words(why)),
        Error::Timestamp(why) => Rejection::NoTime(words(why)),
        other => Rejection::Unreadable(words(other)),
    }
}

/// Whether the log has an entry at a time at which the certificate was not valid.
fn is_out_of_time(bundle: &Bundle) -> bool {
    let Some(Ok(info)) = bundle.signing_certificate().map(parse_certificate_info) else { return false };
    let mut times = bundle.verification_material.tlog_entries.iter().filter_map(|entry| entry.integrated_time);
    times.any(|time| time < info.not_before || time > info.not_after)
}

/// What cosign writes of the log.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Promise {
    signed_entry_timestamp: String,
    payload: Entry,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    kind: String,
    api_version: String,
}

#[derive(Deserialize)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: String,
}

/// The bundle that a signature under a tag of cosign's would be.
pub(super) fn bundle_of(payload: &[u8], marks: &Marks<'_>) -> Result<Bundle, String> {
    let entry = marks.log.map(entry_of).transpose()?;
    // The first version is the one in which a promise alone is enough.
    let version = if entry.is_some() { "0.1" } else { "0.2" };
    let mut material = json!({ "tlogEntries": entry.into_iter().collect::<Vec<Value>>() });
    if let Some(text) = marks.timestamp {
        let timestamp: Timestamp = serde_json::from_str(text).map_err(|why| format!("its timestamp: {why}"))?;
        material["timestampVerificationData"] =
            json!({ "rfc3161Timestamps": [{ "signedTimestamp": timestamp.signed }] });
    }
    match marks.certificate {
        Some(certificate) => {
            let all = [certificate, marks.chain.unwrap_or_default()].join("\n");
            let certificates = certificates_of(&all)?;
            material["x509CertificateChain"] = json!({ "certificates": certificates });
        }
        None => material["publicKey"] = json!({ "hint": "" }),
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, payload);
    let bundle = json!({
        "mediaType": format!("application/vnd.dev.sigstore.bundle+json;version={version}"),
        "verificationMaterial": material,
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(hash) },
            "signature": marks.signature.unwrap_or_default(),
        },
    });
    Bundle::from_json(&bundle.to_string()).map_err(|why| why.to_string())
}

fn entry_of(text: &str) -> Result<Value, String> {
    let bad = |why: &dyn fmt::Display| format!("its entry of the log: {why}");
    let promise: Promise = serde_json::from_str(text).map_err(|why| bad(&why))?;
    let Entry { body, integrated_time, log_index, log_id } = promise.payload;
    let read: Body =
        serde_json::from_slice(&STANDARD.decode(&body).map_err(|why| bad(&why))?).map_err(|why| bad(&why))?;
    let log_id = Sha256Hash::from_hex(&log_id).map_err(|why| bad(&why))?;
    Ok(json!({
        "logIndex": log_index.to_string(),
        "logId": { "keyId": log_id.to_base64() },
        "kindVersion": { "kind": read.kind, "version": read.api_version },
        "integratedTime": integrated_time.to_string(),
        "inclusionPromise": { "signedEntryTimestamp": promise.signed_entry_timestamp },
        "canonicalizedBody": body,
    }))
}

/// How many certificates of a chain are read.
const LONGEST_CHAIN: usize = 10;

fn certificates_of(text: &str) -> Result<Vec<Value>, String> {
    let end = "-----END CERTIFICATE-----";
    let pems = text.split_inclusive(end).filter(|part| part.contains(end)).take(LONGEST_CHAIN);
    pems.map(|pem| {
        let certificate = DerCertificate::from_pem(pem.trim()).map_err(|why| format!("its certificate: {why}"))?;
        Ok(json!({ "rawBytes": STANDARD.encode(certificate.as_bytes()) }))
    })
    .collect()
}

#[cfg(test)]
mod tests;
