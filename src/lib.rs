//! mirror-image copies container images between registries with their digests kept.
//!
//! # The way of an image
//!
//! ```text
//! inputs → plan → resolve → copy → verify → access → report
//! ```
//!
//! | stage | takes | gives | network |
//! |---|---|---|---|
//! | [`inputs`] | flags, `INPUT_*`, files named by them | [`inputs::Inputs`]: typed, defaulted, checked against each other | none |
//! | [`plan`] | inputs | [`plan::Plan`]: jobs of a source and a target | none |
//! | [`resolve`] | a job | a tag's digest, once; everything after goes by digest | HEADs, one manifest |
//! | [`copy`] | a manifest | the same bytes at the target: blobs, children, index | everything else |
//! | [`verify`] | a digest | the proof that the target answers with it | HEADs |
//! | [`github::access`] | the target packages | checks, grants, what is left to do | GitHub's API |
//! | [`report`] | all of the above, failures included | log, outputs, summary, `json` | none |
//!
//! [`mirror`] takes one image along this way; [`queue`] takes all of them, many at once, and never stops at a failed one;
//! [`run`] is the program. What images have in common they share: connections, tokens, and in the ledger of [`copy`] what
//! one has brought and the next needs. `dry-run` is the same code stopped before each write, `inspect` is resolve without
//! a target, `verify` compares both sides in depth.
//!
//! # Layout
//!
//! - [`inputs`]: the one table of inputs; the only reader of flags and `INPUT_*`. [`images`]: how a list of images is
//!   written. [`credentials`]: which host gets which.
//! - [`mod@reference`], [`template`], [`platform`], [`digest`], [`manifest`]: the nouns. A manifest is raw bytes with a media
//!   type; nothing that is copied is ever re-serialised, because a digest is over bytes.
//! - [`store`]: one end of a copy, whatever it is. [`blob`]: a blob on its way, hashed, its last piece held back until the
//!   hash agrees.
//! - [`layout`]: an OCI image layout on disk.
//! - [`mirrors`]: from a reference to the places where it may be read, a pure function; [`mirrored`]: the store that asks
//!   them one after the other and believes none without a digest.
//! - [`registry`]: the distribution protocol: token service and realm rule, retries, redirects without credentials,
//!   downloads that go on where they broke, the forms of an upload.
//! - [`copy`]: the engine, the ledger of what the run knows to be where, and the readers that share one download.
//!   [`attachments`]: what hangs on a digest.
//! - [`emit`]: configuration for those who pull from the target, one small file a format.
//! - [`github`]: the runner's protocol: outputs, summary, commands, masking; and access: the only room that knows GitHub's
//!   API, and the only user of `octocrab`.
//! - [`report`]: what happened, as data, and its three renderings. [`error`], [`hints`], [`examples`]: failures, what to do
//!   about them, and one of each.
//! - [`meter`]: requests, bytes and pulls, counted where they happen; [`progress`]: how far all images are together, for
//!   those who wait. [`sanitise`], [`secret`]: what comes from outside
//!   is made safe to print; what must not be printed cannot be.
//!
//! Dependencies point from the report's end of this way to its beginning, never back; only [`registry`] knows HTTP, only
//! [`github`] knows GitHub.
//!
//! # Why the transport is our own
//!
//! `oci-client` gives the `Reference` grammar and the media-type constants. Its transport was measured and is not used:
//! it panics on a manifest pushed by digest where the registry answers without `Location` (ECR), follows any token realm
//! with the password, takes a failed listing of referrers for an empty one, hides `Retry-After`, asks `/v2/` before
//! every request of a registry without tokens, and sends one PATCH for each piece of a stream.
//!
//! # Promises
//!
//! 1. **Exact**: a copied manifest is the same bytes; its digest is computed here and read back from the target.
//! 2. **Whole before visible**: blobs, children, index, the tag last.
//! 3. **Nothing needless**: an unchanged image costs one HEAD at each side.
//! 4. **Nothing leaks**: a credential goes to its host and that host's own token service.
//! 5. **Says what to do**: every failure names the side, the object, the registry's words, what was written, what next.

mod app;
mod credentials;
mod directory;
mod emit;
mod engine;
mod environment;
mod error;
mod examples;
mod github;
mod http;
mod inputs;
mod observe;
mod oci;
mod plan;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod report;
mod secret;
mod store;
mod text;

pub use crate::app::run;
pub use crate::environment::Environment;

/// Parts of the program that its own tests, fuzz targets and benchmarks look at. No promise of any kind.
#[doc(hidden)]
pub mod internals {
    pub use crate::emit::Wanted;
    pub use crate::emit::render;
    pub use crate::engine::options::Command;
    pub use crate::engine::outcome::ImageOutcome;
    pub use crate::engine::outcome::Outcome;
    pub use crate::error::Side;
    pub use crate::examples::chapters;
    pub use crate::inputs::table::INPUTS;
    pub use crate::inputs::table::Kind;
    pub use crate::inputs::table::OUTPUTS;
    pub use crate::oci::reference::ImageReference;
    pub use crate::oci::reference::Reference;
    pub use crate::store::mirrors::rules::Fallback;
    pub use crate::store::mirrors::rules::Rules;
    pub use crate::text::sanitise::markdown;
}
