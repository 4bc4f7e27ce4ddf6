//! Deleting at a target what nobody wants any more.
//!
//! Owns what of a repository may go, and in which order it goes. Never deletes what a tag that stays reaches, whatever the
//! registry says of it, and nothing of a repository that was not read as a whole. Which tags stay is decided above.

pub mod delete;
pub mod graph;
pub mod read;
