//! `lines.txt`: each image's name in the mirror, to be copied by hand.

use std::fmt::Write as _;

use crate::emit::document::{file, header};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};

pub(super) struct Lines;

impl Format for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let mut text = header(&["Below each image its name in the mirror."], &[]);
        for image in &run.images {
            let _ = write!(text, "# {}\n{}\n", image.source, image.pinned());
        }
        Ok(vec![file("lines.txt", "text", text)])
    }
}
