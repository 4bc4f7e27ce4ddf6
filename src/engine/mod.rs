//! An image from its name to the proof that it arrived, and all of them side by side.
//!
//! Owns the order of an image's stages; nothing twice, the tag last. Never names HTTP, a status code, a file, an input or
//! GitHub.

pub mod answers;
pub mod attachments;
pub mod behind;
pub mod choice;
pub mod copy;
pub mod ends;
pub mod gate;
pub mod image;
pub mod job;
pub mod known;
pub mod near;
pub mod options;
pub mod outcome;
pub mod prune;
pub mod pulls;
pub mod queue;
pub mod resolve;
pub mod session;
pub mod signatures;
pub mod size;
pub mod sources;
pub mod tag;
pub mod verdicts;
pub mod verify;
