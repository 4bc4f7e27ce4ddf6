//! `mapping.json`: the output of the same name as a file, for formats that are not here.

use crate::emit::document::file;
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};

pub(super) struct Mapping;

impl Format for Mapping {
    fn name(&self) -> &'static str {
        "mapping"
    }

    fn needs_exact(&self) -> bool {
        false
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        Ok(vec![file("mapping.json", "json", format!("{:#}\n", run.mapping))])
    }
}
