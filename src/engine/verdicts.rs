//! How the images of a run were judged by the signatures that they have: one that goes to several targets is judged once.

use crate::error::signature::Unsigned;
use crate::oci::digest::Digest;
use crate::policy::Verified;
use crate::store::place::Place;
use crate::sync::OnceMap;

/// By source, by the digests of which one was to be signed, and by what the policy says.
pub type Verdicts = OnceMap<(Place, Vec<Digest>, String), Result<Verified, Unsigned>>;
