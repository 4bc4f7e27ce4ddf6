//! Blobs of a registry: downloads that go on where they broke, and the forms of an upload.

pub mod download;
pub mod read_ahead;
pub mod resume;
pub mod upload;
