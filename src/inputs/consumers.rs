//! The inputs that have configuration written for those who pull: `emit` and `emit-directory`.

use crate::emit::{Wanted, directory};
use crate::error::Error;
use crate::inputs::values::{Values, parsed};
use crate::inputs::words::items;

impl Values {
    /// Which formats.
    pub(super) fn emit(&self) -> Result<Wanted, Error> {
        parsed("emit", Wanted::parse(&items(self.get("emit").unwrap_or_default())))
    }

    /// Where they are written.
    pub(super) fn emit_directory(&self, workspace: &str) -> Result<Option<directory::Directory>, Error> {
        let path = self.get("emit-directory").unwrap_or_default();
        if matches!(items(self.get("emit").unwrap_or_default()).as_slice(), [] | ["none"]) {
            return Ok(None);
        }
        directory::Directory::new(workspace.as_ref(), path).map(Some)
    }
}
