//! A file on its way into a layout: written beside its place, renamed into it, swept when a run was killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Files that are not whole yet; those of a killed run are swept.
pub const TEMPORARY: &str = ".tmp-";

/// A file on its way to its name; removed when it does not get there.
pub struct Temporary {
    pub file: File,
    pub path: PathBuf,
    kept: bool,
}

impl Temporary {
    pub fn new(folder: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::getrandom(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let path = folder.join(format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random)));
        let temporary = Self { file: File::create_new(&path)?, path, kept: false };
        // Tells a sweeping run that somebody writes; where that cannot be told, nothing is swept.
        let _ = temporary.file.try_lock();
        Ok(temporary)
    }

    /// Makes it durable, then visible.
    pub fn keep(mut self, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, self.path.with_file_name(name))?;
        self.kept = true;
        // A directory cannot be synced everywhere, and the file is whole either way.
        if let Some(folder) = self.path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
