//! Blobs of a registry: downloads that go on where they broke, and uploads that do so too where the registry lets them.

pub mod download;
pub mod read_ahead;
pub mod resume;
pub mod upload;
pub mod upload_requests;
pub mod upload_session;
