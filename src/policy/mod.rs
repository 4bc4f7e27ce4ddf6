//! What signature an image must have to be copied, and whether bytes are that signature.
//!
//! Owns the policies and the judgement: everything that proves anything is read here, from bytes alone. Never contacts anything,
//! never sees a target, never believes a mark beside a signature: only what was signed counts.

mod evidence;
mod key;
mod provider;
mod rules;
mod sigstore;
mod verified;
mod words;

pub use crate::policy::evidence::{Evidence, LARGEST_BUNDLE, LARGEST_PAYLOAD, judge};
pub use crate::policy::key::PublicKey;
pub use crate::policy::rules::{Checked, Matcher, Policy, Requirement, Signer};
pub use crate::policy::sigstore::{Marks, TrustedRoot};
pub use crate::policy::verified::{SignedBy, Verified};
pub use crate::policy::words::{Log, Mode};
