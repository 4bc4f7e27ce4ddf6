//! One run of one tool: wall time, processor time and peak memory of its process, from the kernel.
//!
//! On Linux the peak of a process is never below that of the process which started it (`execve` keeps the high-water mark
//! of the memory it replaces), so the benchmark has to stay small: `floor` says how small it was.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::{Duration, Instant};

use wait4::Wait4 as _;

use crate::proxy::microseconds;
use crate::{Outcome, interrupt};

/// What a process used, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    pub(crate) processor: Duration,
    /// Bytes.
    pub(crate) peak: u64,
    /// The exit code; none for a process that was killed.
    pub(crate) code: Option<i32>,
    /// The last lines that it printed.
    pub(crate) said: String,
    /// Microseconds since 1970.
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Runs a command to its end, or until `limit`. `directory` takes what it prints.
pub(crate) fn run(command: &mut Command, directory: &Path, limit: Duration) -> Outcome<Usage> {
    let printed = directory.join("printed");
    let output = File::create(&printed)?;
    command.current_dir(directory).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let (began, clock) = (microseconds(), Instant::now());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let process = child.id();
    interrupt::remember(process);
    let (done, over) = channel::<()>();
    let watchdog = spawn(move || {
        if over.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            interrupt::kill(process);
        }
    });
    let waited = child.wait4();
    let (wall, ended) = (clock.elapsed(), microseconds());
    interrupt::forget(process);
    drop(done);
    let _ = watchdog.join();
    let used = waited?;
    let text = fs::read(&printed)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(Usage {
        wall,
        processor: used.rusage.utime + used.rusage.stime,
        peak: used.rusage.maxrss,
        code: used.status.code(),
        said: lines[lines.len().saturating_sub(4)..].join("\n"),
        began,
        ended,
    })
}

/// The benchmark's own peak so far, below which no peak can be measured.
pub(crate) fn floor() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
