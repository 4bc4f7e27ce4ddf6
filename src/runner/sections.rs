//! GitLab's collapsible sections of a job's log.
//!
//! Source: docs.gitlab.com, "CI/CD job logs", "Custom collapsible sections".

use std::time::{SystemTime, UNIX_EPOCH};

/// A section, folded. `number` tells it from the others of this process.
pub fn section(number: usize, title: &str, lines: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    // One log may have several runs of this program.
    let name = format!("mirror_image_{}_{number}", std::process::id());
    // A marker is one by its carriage return, which no text has that was made safe.
    format!(
        "\u{1b}[0Ksection_start:{now}:{name}[collapsed=true]\r\u{1b}[0K{title}\n{lines}\u{1b}[0Ksection_end:{now}:{name}\r\
         \u{1b}[0K"
    )
}
