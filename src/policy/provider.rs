//! The cryptography that sigstore's library is given: ring, which is in the program for TLS.
//!
//! Owns that a signature over a hash is checked over the bytes: ring takes no hash from others, so the bytes are remembered
//! while they are worked on, hashed again, and must have that hash. Never signs.

use std::cell::RefCell;
use std::sync::Once;

use ring::digest;
use ring::signature::{self as known, UnparsedPublicKey, VerificationAlgorithm};
use sigstore_verify::crypto::{CryptoProvider, Error, HashContext, SigningScheme, install_default_provider};
use sigstore_verify::types::HashAlgorithm;

thread_local! {
    /// What is being verified on this thread, from begin to end of one call.
    static MESSAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What `work` gives, which may ask about signatures over the hash of `message`.
pub(super) fn with_message<T>(message: &[u8], work: impl FnOnce() -> T) -> T {
    static ONCE: Once = Once::new();
    // Another one can only be this one.
    ONCE.call_once(|| {
        let _ = install_default_provider(&Ring);
    });
    MESSAGE.set(message.to_vec());
    let result = work();
    MESSAGE.take();
    result
}

/// Whether `signature` over `message` was made by the key of these bytes.
pub(super) fn is_signed(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

#[derive(Debug)]
struct Ring;

struct Hashing(digest::Context);

impl HashContext for Hashing {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

fn hash_of(algorithm: HashAlgorithm) -> Result<&'static digest::Algorithm, Error> {
    match algorithm {
        HashAlgorithm::Sha2256 => Ok(&digest::SHA256),
        HashAlgorithm::Sha2384 => Ok(&digest::SHA384),
        HashAlgorithm::Sha2512 => Ok(&digest::SHA512),
        other => Err(Error::UnsupportedAlgorithm(format!("{other:?}"))),
    }
}

fn algorithm_of(scheme: SigningScheme) -> Result<&'static dyn VerificationAlgorithm, Error> {
    Ok(match scheme {
        SigningScheme::EcdsaP256Sha256 => &known::ECDSA_P256_SHA256_ASN1,
        SigningScheme::EcdsaP256Sha384 => &known::ECDSA_P256_SHA384_ASN1,
        SigningScheme::EcdsaP384Sha256 => &known::ECDSA_P384_SHA256_ASN1,
        SigningScheme::EcdsaP384Sha384 => &known::ECDSA_P384_SHA384_ASN1,
        SigningScheme::Ed25519 => &known::ED25519,
        SigningScheme::RsaPssSha256 => &known::RSA_PSS_2048_8192_SHA256,
        SigningScheme::RsaPssSha384 => &known::RSA_PSS_2048_8192_SHA384,
        SigningScheme::RsaPssSha512 => &known::RSA_PSS_2048_8192_SHA512,
        SigningScheme::RsaPkcs1Sha256 => &known::RSA_PKCS1_2048_8192_SHA256,
        SigningScheme::RsaPkcs1Sha384 => &known::RSA_PKCS1_2048_8192_SHA384,
        SigningScheme::RsaPkcs1Sha512 => &known::RSA_PKCS1_2048_8192_SHA512,
        other => return Err(Error::UnsupportedAlgorithm(other.name().to_owned())),
    })
}

impl CryptoProvider for Ring {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>, Error> {
        Ok(Box::new(Hashing(digest::Context::new(hash_of(algorithm)?))))
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<(), Error> {
        if is_signed(algorithm_of(scheme)?, key, data, signature) {
            return Ok(());
        }
        Err(Error::Verification(format!("the {} signature is not over these bytes", scheme.name())))
    }

    fn verify_prehashed(&self, scheme: SigningScheme, key: &[u8], hash: &[u8], signature: &[u8]) -> Result<(), Error> {
        let unknown = || Error::UnsupportedAlgorithm(format!("{} over a hash alone", scheme.name()));
        let algorithm = hash_of(scheme.hash_algorithm().ok_or_else(unknown)?)?;
        MESSAGE.with_borrow(|message| {
            if digest::digest(algorithm, message).as_ref() != hash {
                return Err(unknown());
            }
            self.verify_raw(scheme, key, message, signature)
        })
    }
}
