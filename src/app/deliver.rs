//! The end of a command that copies nothing: what was asked for is printed, the outputs are written.
//!
//! Owns in which form the data goes out, for all such commands.

use crate::app::publish::refuse;
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::runner::talk::Format;
use crate::text::tone::{Line, Tone};

/// What was asked for, where it is not wanted as JSON.
pub enum Data {
    /// Each on a line of its own.
    Lines(Vec<String>),
    /// As it is.
    Text(String),
    /// It was printed on the way: nothing comes after it.
    Printed,
}

/// Prints the data, writes the outputs, `json` the last of them, and gives `code`, unless that failed.
pub fn deliver(
    mut files: Files,
    console: &Console,
    (data, json): (Data, String),
    mut outputs: Vec<(&'static str, String)>,
    code: u8,
) -> u8 {
    files.make_room();
    let printed = match (console.data_format(), data) {
        (_, Data::Printed) => Ok(()),
        (Format::Json, _) => console.data(&json),
        // In a job it is the log that they are read in.
        (Format::None, _) if !console.folds_groups() => Ok(()),
        (_, Data::Text(text)) => console.data(&text),
        (_, Data::Lines(lines)) => console.write(lines.into_iter().map(|line| Line::default().then(Tone::Plain, line))),
    };
    outputs.push(("json", json));
    match printed.and_then(|()| files.write_outputs(console, &outputs)) {
        Ok(()) => code,
        Err(error) => refuse(None, console, &error),
    }
}
