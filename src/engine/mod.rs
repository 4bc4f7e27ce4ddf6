//! An image from its name to the proof that it arrived, and all of them side by side.
//!
//! Owns the order of an image's stages; nothing twice, the tag last. Never speaks HTTP, knows a status
//! code, opens a file or reads an input; a sentence may name the input that would change what it says.

pub mod answers;
pub mod attachments;
pub mod attest;
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
