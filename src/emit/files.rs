//! What `emit` hands over, as data: a format and its files.

use serde::Serialize;

/// Consumer configuration of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConsumerConfig {
    /// The format's name, as in the input `emit`.
    pub format: &'static str,
    /// The files, where the format can say what the run did.
    pub files: Vec<EmittedFile>,
    /// Why it cannot.
    pub problem: Option<String>,
}

/// One file of consumer configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmittedFile {
    /// Below `emit-directory`.
    pub path: String,
    /// What a fence in Markdown calls it.
    #[serde(skip)]
    pub language: &'static str,
    /// The whole text.
    #[serde(skip)]
    pub text: String,
}
