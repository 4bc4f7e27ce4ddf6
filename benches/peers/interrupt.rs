//! Leaves nothing behind when the benchmark is stopped: no registry that serves on, no gigabytes in a temporary directory.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::spawn;

use tokio::signal::unix::{SignalKind, signal};

use crate::Outcome;

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A process that has to end with this one.
pub(crate) fn remember(process: u32) {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(process);
}

/// It has ended: its number may be another's now.
pub(crate) fn forget(process: u32) {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&process);
}

pub(crate) fn kill(process: u32) {
    let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
}

/// On SIGINT and SIGTERM: ends what runs, removes `directory`, exits.
#[expect(clippy::exit, reason = "that is what a signal asks for")]
pub(crate) fn clean_up(directory: PathBuf) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    spawn(move || {
        let code = runtime.block_on(async {
            let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (Ok(mut interrupt), Ok(mut terminate)) = handlers else { return std::future::pending().await };
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        });
        for process in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            kill(*process);
        }
        let _ = std::fs::remove_dir_all(directory);
        std::process::exit(code);
    });
    Ok(())
}
