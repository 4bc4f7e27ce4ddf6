//! The pieces that a summary is made of: folds, rows up to a limit, code outside of tables.

use std::fmt::Write as _;

use crate::text::units::count;

/// Writes items until `max_bytes` are written, and how many are left then.
pub fn within<T>(
    text: &mut String,
    max_bytes: usize,
    what: &str,
    items: impl ExactSizeIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    let end = text.len() + max_bytes;
    let mut left = items.len();
    for item in items {
        if text.len() >= end {
            let _ = writeln!(text, "\n{}", no_room(left, what));
            return;
        }
        write(text, item);
        left -= 1;
    }
}

/// What is said in place of what has no room.
pub fn no_room(number: usize, what: &str) -> String {
    let more = count(number as u64, &format!("more {what}"));
    format!("**… and {more}, for which there is no room in a job summary.**")
}

/// What is shown when `title`, which is HTML, is clicked.
pub fn fold(text: &mut String, title: &str, inside: impl FnOnce(&mut String)) {
    let _ = writeln!(text, "<details>\n<summary>{title}</summary>\n");
    inside(text);
    let _ = writeln!(text, "</details>\n");
}
