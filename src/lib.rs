//! mirror-image copies container images between registries with their digests kept.
//!
//! This page is for those who change the program: where everything is, what it may touch, and where things are decided.
//!
//! # The tower
//!
//! A file uses files of its own folder and of folders on lower floors, never above and never beside; the files of a folder
//! do not use each other in a loop. `tests/it/layers.rs` reads the sources, and this picture, and holds them against each
//! other on every run of the tests; what is under `#[cfg(test)]` does not count, nor do links in comments.
//!
//! ```text
//! main  lib                         process, this page
//! app                               the stages of a run as lines
//! inputs   report                   words → what is wanted    what happened → log, summary, json
//! plan     github   emit   runner   which images   packages   configuration for those who pull   log and files
//! engine                            one image from its name to the proof; all of them side by side
//! store   policy   attest           where content is read and written     what signature an image must have, and what is signed
//! credentials                       which credential is for which host
//! observe  http                     counted and told while it happens     connections, TLS, addresses
//! error                             what went wrong, and what to do
//! oci                               names and content as the specifications have them
//! text  secret  environment  directory  regular_file  sync   what knows nothing of images
//! ```
//!
//! # Folders
//!
//! | folder | owns | never |
//! |---|---|---|
//! | [`app`] | wiring, and the order of the stages | works out what a folder below could |
//! | [`inputs`] | the one table of inputs; from flags and `INPUT_*` to types | contacts anything, quotes a secret |
//! | [`report`] | log, terminal, summary and `json`: renderings of the same data | computes what was not measured |
//! | [`plan`] | which images go where, and which ones files name; that no two jobs get in each other's way | writes |
//! | [`github`] | access to packages, and their deletion | copies |
//! | [`runner`] | what runs the program: Actions, GitLab CI, a terminal; both streams, the files for those who come after | copies, gives a job's password to another host than its registry |
//! | [`emit`] | configuration for those who pull, a file for each format or for those that share a form | takes an image that failed; takes one that is not exactly the source's, but into `mapping.json` and the catalogue, which say so; holds a credential |
//! | [`engine`] | the order of an image's stages; nothing twice, the tag last | speaks HTTP, knows a status code, opens a file, reads an input |
//! | [`store`] | the few calls that copying needs of an end: [`registry`](store::registry), [`layout`](store::layout), [`mirrors`](store::mirrors) | knows what a run of images is |
//! | [`attest`] | the statement of what was copied, as it is signed in the job's name | shows an identity to another than the authority, keeps a key |
//! | [`policy`] | what signature an image must have, and whether bytes are it | contacts anything, believes what was not signed |
//! | [`credentials`] | every place that a credential comes from | gives one to another host than its own |
//! | [`observe`] | counters, progress, events, the debug log; what is left of the memory for manifests and of the billed pulls | contacts anything, prints |
//! | [`http`] | clients, TLS, proxy, which addresses are local, which failures pass | tells one registry from another by its name, follows a redirect |
//! | [`error`] | every failure of a registry or a login as data, its sentence, its hints | matches on its own sentences, holds a secret |
//! | [`oci`] | reference, digest, manifest, platform; whose registry a host is | contacts, prints, changes a byte of what is copied |
//! | [`text`] | foreign text made safe; words of choices; numbers as words | knows anything of images |
//! | [`secret`], [`environment`] | what cannot be printed; the process's variables, read once | |
//! | [`directory`], [`regular_file`], [`sync`] | a directory that nothing leads out of; a file that a name never makes wait; locks, and what is asked once for all that wait | |
//!
//! `examples` has one of each kind of failure and of each piece of advice; `docs/errors.md` is made of it. `properties` says what must hold for any input; the
//! property tests and the fuzz targets call it. The program uses neither.
//!
//! # The way of an image
//!
//! ```text
//! inputs → plan → resolve → compare → admit → copy → attachments → tag → verify → access → report
//! ```
//!
//! | step | where | network |
//! |---|---|---|
//! | What is wanted becomes typed, defaulted and free of contradictions. | [`inputs::read`] | none |
//! | Wishes become jobs of a source and a target. | [`plan::Plan`]; a list's patterns: [`plan::list::expand`] | none; of patterns: listings of tags |
//! | A tag becomes a digest, once; everything after goes by digest. | [`engine::resolve`] | HEADs, one manifest |
//! | The target is compared; what is unchanged ends here. | [`engine::image`] | one HEAD, more where platforms are chosen |
//! | Its signature is looked for and judged, where a policy wants one. | [`engine::signatures`], [`policy`] | referrers, one tag |
//! | Blobs, children, index arrive; what several images have in common is brought once. | [`engine::copy`] | everything else |
//! | Signatures, SBOMs and other referrers follow. | [`engine::attachments`] | referrers, tags |
//! | The tag is set, and read back. | [`engine::image`], [`engine::verify`] | one PUT, HEADs |
//! | What was copied is said, signed, where that is wanted. | [`engine::attest`], [`attest`] | authority, log, target |
//! | Access to the package is checked, and granted where that is wanted. | [`github::access`] | GitHub's API |
//! | What happened becomes log, outputs, summary and `json`, failures included. | [`report`], [`app::publish`] | none |
//!
//! [`engine::queue`] takes all images along this way, many at once, and goes on after a failed one unless `fail-fast` says otherwise.
//! A list may end with [`engine::prune`]. `dry-run` is the same
//! code stopped before each write, `inspect` is resolve without a target, `verify` compares both sides in depth.
//!
//! # Where things are decided
//!
//! | question | where |
//! |---|---|
//! | What is a limit, by status and by the registry's words? | [`error::cause`]: what passes, in `sheds_load`; a quota that is used up, in `is_quota` |
//! | Is a 429, a 503 or a broken connection tried again, and for how long? | which failure, in `classify`, and the wait, in `pause`: [`http::retry`]; until when at all: [`store::registry::retry`], which [`store::registry::send`] asks in `pause`, and [`credentials::cloud`] for login services, and [`store::registry::auth`] for token services; that all requests to a host wait with it, and how many are sent at once after: [`store::registry::concurrency`]; GitHub's API has its own: [`github::api`] |
//! | Is an image unchanged? | [`engine::image`], in `compare`; one that is locked or immutable, most often without a word from the source: in `settle`, of `image/settled.rs`; with `check: deep` by every part, which `deep_check_result` judges |
//! | Is a request sent once more that has no answer yet? | [`http::exchange`], in `answer_of_two`; which ones are: [`store::registry::send`], in `answered` |
//! | Which credential goes with a request? | [`credentials`] finds it, in `for_source`, `for_mirror` and `for_target`, the places in their order in `find`; [`store::registry::auth`] sends it; whether a token service may have it: [`store::registry::auth::realm`] |
//! | Is a redirect followed? | [`store::registry::send`]; never with a credential to another host |
//! | Is a mirror believed? | [`store::mirrors::source`]: about content always, because it is checked; about tags as the user said; when one is left out: there too, in `skips`, by what [`store::mirrors::health`] keeps |
//! | How does a registry differ from the specification? | [`store::registry::quirks`] before it has answered, [`store::registry::learned`] after; whose registry a name is: [`oci::vendor`] |
//! | Is a signature the one that is wanted? | [`policy`]; where it is looked for: [`engine::signatures`] |
//! | May the target be written to? | [`engine::gate`] asks, [`github::access`] answers |
//! | What is advised? | [`error::hints`] |
//! | Which exit code? | [`report::Report::exit_code`]; 2 for bad input: [`app::publish`]; where files that could not be written, or a command without images, have a say: [`app`]; a run that stands still after a signal, and a fault of the program: `main` |
//!
//! # Why the transport is our own
//!
//! `oci-client` gives the media types, and the grammar that the reader of references is tested against. Its transport was
//! measured and is not used: it panics on a manifest pushed by digest where the registry answers without `Location` (ECR),
//! follows any token realm with the password, takes a failed listing of referrers for an empty one, hides `Retry-After`,
//! asks `/v2/` before every request of a registry without tokens, and sends one PATCH for each piece of a stream.
//!
//! # Promises
//!
//! 1. **Exact**: a copied manifest is the same bytes; its digest is computed here and read back from the target.
//! 2. **Whole before visible**: blobs, children, index, the tag last.
//! 3. **Nothing needless**: with the defaults an unchanged image costs one HEAD at each side.
//! 4. **Nothing leaks**: a credential goes to its host and that host's own token service. `tests/it/leaks.rs` looks for every
//!    secret in everything that a run shows, the debug log included.
//! 5. **Says what to do**: every failure names the side, the object, the registry's words, what was written, what next.

// This page is for the program's developers; what it links to is private.
#![allow(rustdoc::private_intra_doc_links)]

mod app;
mod attest;
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
mod policy;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod regular_file;
mod report;
mod runner;
mod secret;
mod store;
mod sync;
mod text;

pub use crate::app::run;
pub use crate::environment::Environment;

/// Parts of the program that its own tests, fuzz targets and benchmarks look at. No promise of any kind.
#[doc(hidden)]
pub mod internals {
    pub use crate::emit::Wanted;
    pub use crate::emit::render;
    pub use crate::engine::options::Command;
    pub use crate::engine::outcome::AttachmentOutcome;
    pub use crate::engine::outcome::ImageOutcome;
    pub use crate::engine::outcome::Outcome;
    pub use crate::engine::outcome::PlatformOutcome;
    pub use crate::engine::outcome::Verification;
    pub use crate::error::Side;
    pub use crate::error::reader::Reader;
    pub use crate::error::signature::Claim;
    pub use crate::examples::chapters;
    pub use crate::inputs::outputs::OUTPUTS;
    pub use crate::inputs::table::INPUTS;
    pub use crate::inputs::table::Kind;
    pub use crate::oci::artifact::Kind as AttachmentKind;
    pub use crate::oci::digest::Digest;
    pub use crate::oci::reference::ImageReference;
    pub use crate::oci::reference::Reference;
    pub use crate::policy::SignedBy;
    pub use crate::policy::Verified;
    pub use crate::store::mirrors::rules::Fallback;
    pub use crate::store::mirrors::rules::Rules;
    pub use crate::text::sanitise::markdown;
}
