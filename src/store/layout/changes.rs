//! Changes of `index.json`: those that wait are written together.
//!
//! Owns that the file is read and written under one lock, that each change is told how it ended, and that of those who have gone
//! away nothing is written. Replaced whole, the file is the one before or the one after, whenever the process is killed.

use crate::error::Error;
use crate::store::layout::files::Files;
use crate::store::layout::index::{INDEX, LARGEST_INDEX};
use crate::store::layout::shared::Change;
use crate::sync::LockExt as _;

impl Files {
    /// Writes `index.json` with these changes, and tells those who wait for them. The lock is held.
    pub fn commit(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut index = match self.read_index() {
            Ok(index) => index,
            Err(error) => return answer(changes, &Err(error)),
        };
        let (mut made, mut is_changed) = (Vec::new(), false);
        for change in changes {
            match (change.apply)(&mut index) {
                Ok(changes) => {
                    is_changed |= changes;
                    made.push(change);
                }
                Err(problem) => answer(vec![change], &Err(self.bad(problem))),
            }
        }
        let bytes = match index.bytes() {
            Ok(bytes) => bytes,
            Err(problem) => return answer(made, &Err(self.bad(problem))),
        };
        // Longer than what is read of it: written, the layout could not be opened any more.
        let is_full = bytes.len() as u64 > LARGEST_INDEX;
        if is_full && made.len() > 1 {
            return made.into_iter().for_each(|change| self.commit(vec![change]));
        }
        let written = match is_changed {
            false => Ok(()),
            true if is_full => {
                let length = bytes.len();
                let problem =
                    format!("would have {length} bytes, more than the {LARGEST_INDEX} that are read; it is full");
                Err(self.bad_file(INDEX, None, &problem))
            }
            true => self.replace(INDEX, &bytes),
        };
        if is_changed && written.is_ok() {
            *self.shared.list.locked() = None;
        }
        answer(made, &written);
    }
}

fn answer(changes: Vec<Change>, result: &Result<(), Error>) {
    for change in changes {
        // Whoever asked may have gone away.
        let _ = change.done.send(result.clone());
    }
}
