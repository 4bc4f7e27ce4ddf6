//! What all users of one layout in a run share: its lock and what was read of it.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::oneshot;

use crate::error::Error;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::store::content::AccountId;
use crate::store::layout::index::Index;
use crate::store::layout::workspace::Workspace;
use crate::sync::LockExt as _;

/// The one thing that all handles of a directory share, for as long as the run goes.
pub struct Shared {
    pub account: AccountId,
    pub root: PathBuf,
    pub name: Arc<str>,
    /// Held while `index.json` is changed: the lock on the directory keeps other processes away, and this one too,
    /// but not every file system has it.
    pub index: Arc<tokio::sync::Mutex<()>>,
    /// Changes of `index.json` that wait for the one that is being written.
    pub changes: Mutex<Vec<Change>>,
    /// `index.json` as it was read last. Held while it is read: one reading takes memory enough.
    pub list: Mutex<Option<Listed>>,
    /// What the entries of `index.json` are attached to, by their digest, so that it holds for ever.
    pub attachments: Mutex<HashMap<Digest, Attachment>>,
}

/// Says whether it changed anything; a sentence where it cannot be made.
type Apply = Box<dyn Fn(&mut Index) -> Result<bool, String> + Send>;

/// A change of `index.json`, and who waits for it.
pub struct Change {
    pub apply: Apply,
    pub done: oneshot::Sender<Result<(), Error>>,
}

/// A reading of `index.json`, good for as long as the file looks the same.
pub struct Listed {
    pub modified: SystemTime,
    pub size: u64,
    pub index: Arc<Index>,
}

#[derive(Clone)]
pub struct Attachment {
    pub subject: Option<Digest>,
    pub descriptor: Descriptor,
}

/// All layouts of a run: each directory has one lock and is read once, however often and however it is named.
#[derive(Default)]
pub struct Layouts {
    known: Mutex<Vec<Arc<Shared>>>,
    workspace: Option<Workspace>,
}

impl Layouts {
    /// Those of a job, in the workspace of which others may have put links.
    pub fn within(workspace: Option<Workspace>) -> Self {
        Self { known: Mutex::default(), workspace }
    }

    pub fn workspace(&self) -> Option<&Workspace> {
        self.workspace.as_ref()
    }

    /// What the users of the directory with this real path share.
    pub fn shared(&self, root: PathBuf) -> Arc<Shared> {
        let mut layouts = self.known.locked();
        if let Some(known) = layouts.iter().find(|known| known.root == root) {
            return Arc::clone(known);
        }
        let shared = Arc::new(Shared {
            account: AccountId::Layout(layouts.len()),
            name: root.to_string_lossy().into(),
            root,
            index: Arc::default(),
            changes: Mutex::default(),
            list: Mutex::default(),
            attachments: Mutex::default(),
        });
        layouts.push(Arc::clone(&shared));
        shared
    }
}

/// Holds the in-process and the file lock; both are released on drop, which is when the work under them has ended, also
/// where the task that awaited it is cancelled.
pub struct Lock {
    pub _here: tokio::sync::OwnedMutexGuard<()>,
    pub _file: Option<File>,
}
