//! The lock file of a list, as the inputs name it.
//!
//! Owns that what is to be held is held: a lock that is not there, where no line may change, would hold nothing.

use std::path::Path;

use crate::directory::within;
use crate::engine::options::Command;
use crate::error::Error;
use crate::inputs::config;
use crate::inputs::typed::Task;
use crate::inputs::values::{Values, parsed};
use crate::plan::list::lock::{Lock, Update};
use crate::plan::request::Images;
use crate::text::quote::quote;

impl Values {
    /// The lock that the run holds to, and which of its lines may change.
    pub(super) fn lock(&self, task: Task, images: &Images, workspace: &str) -> Result<Option<Lock>, Error> {
        if matches!(task, Task::Files(_)) {
            return Ok(None);
        }
        let frozen = self.boolean("frozen")?;
        let update = parsed("lock-update", Update::parse(self.get("lock-update").unwrap_or_default()))?;
        let Some(path) = self.get("lock") else {
            // Without one nothing would be held that they say is held.
            let lacks = if frozen { Some("frozen") } else { (update != Update::All).then_some("lock-update") };
            return lacks.map_or(Ok(None), |input| {
                Err(Error::input(input, "needs a lock file to hold to; name one by `lock`"))
            });
        };
        if !matches!(images, Images::List(_)) {
            return Err(Error::input("lock", "is the lock of a list; name the list by `config`"));
        }
        // In a workflow the default is given too, by the action itself.
        if frozen && matches!(update, Update::Missing | Update::Matching(_)) {
            return Err(Error::input("lock-update", "contradicts `frozen`, with which no line changes; leave one out"));
        }
        // What is compared is compared with what the lock has, and changes no line of it.
        let update = match task.command() {
            _ if frozen => Update::Frozen,
            Command::Verify => Update::None,
            _ => update,
        };
        file(Path::new(workspace), path, update).map(Some)
    }
}

/// Reads the lock file of a list; one that is not there yet has no line.
pub(super) fn file(workspace: &Path, path: &str, update: Update) -> Result<Lock, Error> {
    let directory = config::open("lock", workspace)?;
    let below = within(workspace, Path::new(path));
    let path = &*below.to_string_lossy();
    if let Some(text) = config::text("lock", &directory, &below)? {
        return Lock::parse(path, &text, update);
    }
    let why = match update {
        Update::Missing | Update::All | Update::Matching(_) => return Lock::parse(path, "", update),
        Update::Frozen => "`frozen` holds to it; run without `frozen` first",
        Update::None => "this run writes none; mend the name, or run a `copy` that writes it first",
    };
    Err(Error::input("lock", format!("`{}` is not there, and {why}", quote(path))))
}
