//! What may prove who has made an image, read from its bytes.
//!
//! Owns what a signature is over: a payload or a statement that names the image's own digest, and nothing beside it is believed.
//! What comes in is bounded by who fetches it. What was read is what is verified: nothing is read twice by two readers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sigstore_verify::types::{Bundle, SignatureContent};

use crate::error::signature::{Claim, Rejection};
use crate::oci::digest::Digest;
use crate::policy::key::PublicKey;
use crate::policy::rules::{Policy, Signer};
use crate::policy::sigstore::{self, Artifact, Marks, Proof};
use crate::policy::verified::{SignedBy, Verified};
use crate::policy::words::Log;
use crate::text::sanitise;

/// The largest bundle that is read, in bytes.
pub const LARGEST_BUNDLE: u64 = 4 * 1024 * 1024;

/// The largest payload of a signature under a tag of cosign's, in bytes: it is a digest and a name.
pub const LARGEST_PAYLOAD: u64 = 64 * 1024;

/// The type of the statement that cosign signs an image by.
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// How a payload calls itself.
const SIMPLE_SIGNING: &str = "cosign container image signature";

/// What an envelope must hold.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Something that may be a signature.
pub enum Evidence<'a> {
    /// What cosign keeps under its tags.
    Payload {
        /// What is signed.
        payload: &'a [u8],
        /// What is written beside it.
        marks: Marks<'a>,
    },
    /// A sigstore bundle.
    Bundle(&'a [u8]),
}

/// Whom it names, and why it does not count.
pub type Rejected = (Option<Claim>, Rejection);

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

/// Whether `evidence` is the signature that is wanted over one of `subjects`; otherwise whom it names, and why not.
pub fn judge(policy: &Policy, evidence: &Evidence<'_>, subjects: &[Digest]) -> Result<Verified, Rejected> {
    match evidence {
        Evidence::Payload { payload, marks } => judge_payload(policy, payload, marks, subjects),
        Evidence::Bundle(bytes) => judge_bundle(policy, bytes, subjects),
    }
}

fn unreadable(why: impl std::fmt::Display) -> Rejected {
    (None, Rejection::Unreadable(sanitise::one_line(&why.to_string(), 200)))
}

fn judge_payload(
    policy: &Policy,
    payload: &[u8],
    marks: &Marks<'_>,
    subjects: &[Digest],
) -> Result<Verified, Rejected> {
    let read: Payload = serde_json::from_slice(payload).map_err(unreadable)?;
    if read.critical.kind != SIMPLE_SIGNING {
        return Err((None, Rejection::NotChecked("a payload of another kind than cosign's")));
    }
    if policy.predicate.is_some() {
        return Err((None, attestation(SIGN, policy)));
    }
    let named = &read.critical.image.digest;
    let Some(subject) = subjects.iter().find(|subject| subject.as_str() == named) else {
        return Err((None, Rejection::OtherImage(sanitise::one_line(named, 100))));
    };
    let signature = marks.signature.ok_or_else(|| unreadable("the signature is missing"))?;
    let signature = STANDARD.decode(signature).map_err(unreadable)?;
    let bundle = || sigstore::bundle_of(payload, marks).map_err(unreadable);
    let (by, proof) = match &policy.signer {
        Signer::Keys(keys) => {
            let Some(key) = keys.iter().find(|key| key.has_signed(payload, &signature)) else {
                let claim = bundle().ok().and_then(|bundle| sigstore::claim(&bundle));
                let reason = if claim.is_some() { Rejection::Keyless } else { Rejection::OtherKey };
                return Err((claim, reason));
            };
            // Some sign with a key and have a certificate for it: it is the key that counts.
            let bundle = || sigstore::bundle_of(payload, &Marks { certificate: None, chain: None, ..*marks });
            let proof = match policy.log {
                Log::Ignore => Proof::default(),
                Log::Require if marks.log.is_none() => return Err((None, Rejection::NotLogged)),
                Log::Require => logged(policy, key, &bundle().map_err(unreadable)?, Artifact::Message(payload))?,
            };
            (SignedBy::Key(key.fingerprint()), proof)
        }
        Signer::Identity { .. } if marks.certificate.is_none() => return Err((None, Rejection::ByKey)),
        Signer::Identity { .. } => keyless(policy, &bundle()?, Artifact::Message(payload))?,
    };
    Ok(verified(policy, by, proof, "cosign-tag", subject))
}

fn judge_bundle(policy: &Policy, bytes: &[u8], subjects: &[Digest]) -> Result<Verified, Rejected> {
    let text = std::str::from_utf8(bytes).map_err(unreadable)?;
    let bundle = Bundle::from_json(text).map_err(unreadable)?;
    let claim = sigstore::claim(&bundle);
    let rejected = |reason| (claim.clone(), reason);
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        return Err(rejected(Rejection::NotChecked("a signature over the manifest's bytes, not over a statement")));
    };
    if envelope.payload_type != IN_TOTO {
        return Err(rejected(Rejection::NotChecked("an envelope of another type than in-toto's")));
    }
    let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
        .map_err(|why| rejected(Rejection::Unreadable(sanitise::one_line(&why.to_string(), 200))))?;
    if !statement.kind.starts_with("https://in-toto.io/Statement/") {
        return Err(rejected(Rejection::NotChecked("a statement of another kind than in-toto's")));
    }
    if statement.predicate_type != policy.predicate.as_deref().unwrap_or(SIGN) {
        return Err(rejected(attestation(&statement.predicate_type, policy)));
    }
    let names = |subject: &&Digest| {
        statement
            .subject
            .iter()
            .any(|named| named.digest.get(subject.algorithm()).is_some_and(|hex| hex == subject.hex()))
    };
    let Some(subject) = subjects.iter().find(names) else {
        let first = statement.subject.iter().flat_map(|subject| &subject.digest).next();
        let signed = first.map_or_else(|| "nothing".to_owned(), |(algorithm, hex)| format!("{algorithm}:{hex}"));
        return Err(rejected(Rejection::OtherImage(sanitise::one_line(&signed, 150))));
    };
    let (by, proof) = match &policy.signer {
        Signer::Keys(_) if sigstore::has_certificate(&bundle) => return Err(rejected(Rejection::Keyless)),
        Signer::Keys(keys) => {
            let (message, signature) = (envelope.pae(), envelope.signature.sig.as_bytes());
            let key = keys.iter().find(|key| key.has_signed(&message, signature));
            let Some(key) = key else { return Err(rejected(Rejection::OtherKey)) };
            let proof = match policy.log {
                Log::Ignore => Proof::default(),
                Log::Require => logged(policy, key, &bundle, Artifact::Subject(subject))?,
            };
            (SignedBy::Key(key.fingerprint()), proof)
        }
        Signer::Identity { .. } if !sigstore::has_certificate(&bundle) => return Err(rejected(Rejection::ByKey)),
        Signer::Identity { .. } => keyless(policy, &bundle, Artifact::Subject(subject))?,
    };
    let kind = if policy.predicate.is_some() { "attestation" } else { "bundle" };
    Ok(verified(policy, by, proof, kind, subject))
}

fn attestation(predicate: &str, policy: &Policy) -> Rejection {
    Rejection::Attestation { predicate: sanitise::one_line(predicate, 200), wanted: policy.predicate.clone() }
}

/// The entry of the log that a signature by key must have.
fn logged(policy: &Policy, key: &PublicKey, bundle: &Bundle, artifact: Artifact<'_>) -> Result<Proof, Rejected> {
    sigstore::logged(bundle, &key.to_der(), artifact, policy.root.as_deref()).map_err(|reason| (None, reason))
}

/// Who has made a signature with a certificate, where that is who must have made it. The identity is compared once it is proven.
fn keyless(policy: &Policy, bundle: &Bundle, artifact: Artifact<'_>) -> Result<(SignedBy, Proof), Rejected> {
    let Signer::Identity { identity, issuer } = &policy.signer else { return Err((None, Rejection::Keyless)) };
    let (claim, proof) = sigstore::keyless(bundle, artifact, policy.log, policy.root.as_deref())
        .map_err(|reason| (sigstore::claim(bundle), reason))?;
    if !issuer.matches(&claim.issuer) {
        return Err((Some(claim.shown()), Rejection::OtherIssuer));
    }
    if !identity.matches(&claim.identity) {
        return Err((Some(claim.shown()), Rejection::OtherIdentity));
    }
    Ok((SignedBy::Identity(claim.shown()), proof))
}

fn verified(policy: &Policy, by: SignedBy, proof: Proof, kind: &'static str, subject: &Digest) -> Verified {
    Verified {
        policy: policy.called().to_owned(),
        fingerprint: policy.fingerprint(),
        by,
        signed_at: proof.signed_at,
        kind,
        subject: subject.clone(),
        root: proof.root,
    }
}

impl Claim {
    /// The same, safe to be shown.
    fn shown(self) -> Self {
        Self { identity: sanitise::one_line(&self.identity, 500), issuer: sanitise::one_line(&self.issuer, 500) }
    }
}
