//! `mapping.json`: the output of the same name as a file, for whoever writes a format of their own.

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file};

pub(super) struct Mapping;

impl Format for Mapping {
    fn name(&self) -> &'static str {
        "mapping"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let value: serde_json::Value = serde_json::from_str(&run.mapping).unwrap_or_default();
        Ok(vec![file("mapping.json", "json", format!("{value:#}\n"))])
    }
}
