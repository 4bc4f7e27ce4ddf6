//! Public keys: read from PEM, and held against signatures.
//!
//! Owns which kinds of keys and which hashes count: those that cosign itself signs with. Never sees a private key but to refuse
//! it, and never quotes one.

use sigstore_verify::crypto::{KeyAlgorithm, VerificationKey, validate_raw_public_key};
use sigstore_verify::types::DerPublicKey;

use crate::oci::digest::Digest;
use crate::policy::provider;
use crate::text::quote::quote;

/// How many keys a policy may have.
const MOST: usize = 100;

/// A key that signatures are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// As a certificate has it (SPKI).
    der: Vec<u8>,
    /// Its number alone.
    raw: Vec<u8>,
    algorithm: Algorithm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    P256,
    P384,
    Ed25519,
    Rsa,
}

impl PublicKey {
    /// Reads the keys of a PEM text, one or several.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut keys = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("-----BEGIN ") {
            let label = after.split_once("-----").map_or("", |(label, _)| label);
            if label.contains("PRIVATE") {
                return Err(
                    "holds a private key; give the public one (`cosign.pub`), and nobody the private one".to_owned()
                );
            }
            if label != "PUBLIC KEY" {
                return Err(
                    "holds something else than public keys; a key begins with `-----BEGIN PUBLIC KEY-----`".to_owned()
                );
            }
            let end = "-----END PUBLIC KEY-----";
            let (inside, after) = after.split_once(end).ok_or("has a key that does not end; it was cut short")?;
            keys.push(Self::of_pem(&format!("-----BEGIN {inside}{end}\n"))?);
            rest = after;
            if keys.len() > MOST {
                return Err(format!("holds more than {MOST} keys"));
            }
        }
        if keys.is_empty() {
            return Err("holds no public key; a key begins with `-----BEGIN PUBLIC KEY-----`".to_owned());
        }
        Ok(keys)
    }

    /// Reads what is given: keys as they are, or the name of a file with them, which `load` reads.
    pub fn given(text: &str, load: &dyn Fn(&str) -> Result<String, String>) -> Result<Vec<Self>, String> {
        if text.contains("-----BEGIN ") {
            return Self::parse(text);
        }
        let named = |why| format!("`{}` {why}", quote(text));
        load(text).and_then(|text| Self::parse(&text)).map_err(named)
    }

    fn of_pem(pem: &str) -> Result<Self, String> {
        let unreadable = || "holds a key that cannot be read; it was cut short or changed".to_owned();
        let unknown =
            || "holds a key of a kind that is not known; ECDSA P-256 and P-384, Ed25519 and RSA are".to_owned();
        let der = DerPublicKey::from_pem(pem).map_err(|_| unreadable())?;
        let key = VerificationKey::from_spki(&der).map_err(|_| unknown())?;
        let algorithm = match key.scheme().key_algorithm() {
            KeyAlgorithm::EcdsaP256 => Algorithm::P256,
            KeyAlgorithm::EcdsaP384 => Algorithm::P384,
            KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
            KeyAlgorithm::Rsa => Algorithm::Rsa,
            _ => return Err(unknown()),
        };
        validate_raw_public_key(key.scheme(), key.as_bytes())
            .map_err(|_| "holds a key of a size that is not taken; RSA keys have 2048 to 8192 bits".to_owned())?;
        Ok(Self { der: der.as_bytes().to_vec(), raw: key.as_bytes().to_vec(), algorithm })
    }

    /// The digest of the key, by which it is told from others.
    pub fn fingerprint(&self) -> String {
        Digest::of(&self.der).to_string()
    }

    /// The same key for the library that reads logs.
    pub(super) fn to_der(&self) -> DerPublicKey {
        DerPublicKey::new(self.der.clone())
    }

    /// As a PEM text.
    pub fn to_pem(&self) -> String {
        self.to_der().to_pem().replace('\r', "")
    }

    /// Whether it has made `signature` over `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        use ring::signature as known;
        let algorithms: &[&'static dyn known::VerificationAlgorithm] = match self.algorithm {
            Algorithm::P256 => &[&known::ECDSA_P256_SHA256_ASN1],
            // cosign 2 signs with SHA-256 whatever the curve, cosign 3 with the hash of the curve.
            Algorithm::P384 => &[&known::ECDSA_P384_SHA384_ASN1, &known::ECDSA_P384_SHA256_ASN1],
            Algorithm::Ed25519 => &[&known::ED25519],
            Algorithm::Rsa => &[&known::RSA_PKCS1_2048_8192_SHA256],
        };
        algorithms.iter().any(|algorithm| provider::is_signed(*algorithm, &self.raw, message, signature))
    }
}
