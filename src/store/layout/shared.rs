//! What all users of one layout in a process share: its lock and what was read of it.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::store::layout::index::Index;

/// The one thing that all handles of a directory share in this process, for as long as it runs.
pub struct Shared {
    pub root: PathBuf,
    pub name: Arc<str>,
    /// Held while `index.json` is changed: the lock on the directory keeps other processes away, and this one too,
    /// but not every file system has it.
    pub index: Arc<tokio::sync::Mutex<()>>,
    /// `index.json` as it was read last. Held while it is read: one reading takes memory enough.
    pub list: Mutex<Option<Listed>>,
    /// What the entries of `index.json` are attached to, by their digest, so that it holds for ever.
    pub attachments: Mutex<HashMap<Digest, Attachment>>,
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

pub static LAYOUTS: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

impl Shared {
    pub fn of(root: PathBuf) -> Arc<Self> {
        let mut layouts = LAYOUTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = layouts.iter().find(|known| known.root == root) {
            return Arc::clone(known);
        }
        let name = root.to_string_lossy().into();
        let shared =
            Arc::new(Self { root, name, index: Arc::default(), list: Mutex::default(), attachments: Mutex::default() });
        layouts.push(Arc::clone(&shared));
        shared
    }
}

/// Both locks; they go when this goes, which is when the work under them has ended, even if nobody waits for it.
pub struct Lock {
    pub _here: tokio::sync::OwnedMutexGuard<()>,
    pub _file: Option<File>,
}
