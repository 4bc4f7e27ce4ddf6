//! What a run leaves behind: outputs, summary, annotations, exit code.

use crate::app::{history, lock};
use crate::directory::Directory;
use crate::emit;
use crate::engine::options::Command;
use crate::error::Error;
use crate::inputs::typed::Inputs;
use crate::plan::ask::Declined;
use crate::report::json::{self, Outputs};
use crate::report::reply::{self, Reply};
use crate::report::{Report, log, package_access, summary, terminal};
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::runner::talk::Format;

/// The report's renderings, and the exit code.
pub fn publish(mut files: Files, console: &Console, inputs: &Inputs, report: &Report) -> u8 {
    let mut code = report.exit_code();
    files.make_room();
    let mut failed = |result: Result<(), Error>| {
        if let Err(error) = result {
            console.error("mirror-image", &error.to_string());
            code = code.max(1);
        }
    };
    for notice in &report.notices {
        console.line(notice);
    }
    if let Some(directory) = &inputs.emit_directory {
        let redacted = |text: &str| console.redactor().hide_value(text).into_owned();
        failed(emit::write(directory, &report.consumer_configs, redacted));
    }
    for line in log::consumer_configs(report) {
        console.line(&line);
    }
    failed(lock::write(inputs, report));
    failed(history::write(inputs, report));
    if let Some(reply) = reply::of(report) {
        failed(write_reply(console, inputs, &reply));
    }
    if inputs.summary && files.takes_summary() {
        failed(files.write_summary(console, &summary::render(report)));
    }
    for (title, message) in package_access::annotations(&report.access) {
        if report.access.strict {
            console.error(&title, &message);
        } else {
            console.warning(&title, &message);
        }
    }
    let context = json::Context { max_bytes: files.max_output_bytes(), ..Default::default() };
    let outputs = if files.takes_outputs() { json::outputs(report, &context) } else { Outputs::default() };
    for warning in &outputs.warnings {
        console.warning("mirror-image", warning);
    }
    if inputs.report_file.is_some() {
        failed(files.write_report(console, &json::document(report, &json::Context::default())));
    }
    if console.folds_groups() {
        console.verdict(&log::verdict(report));
    } else if let Some(line) = terminal::verdict(report) {
        console.tell(&line, report.exit_code() != 0);
    }
    failed(match format(console, report) {
        Format::Json => console.data(&json::document(report, &json::Context::default())),
        format => console.write(&terminal::data(report, format)),
    });
    failed(files.write_outputs(console, &outputs.values));
    code
}

/// The form of the data. Of many copies each was named as it ended, and is not named again on the same terminal.
fn format(console: &Console, report: &Report) -> Format {
    let is_said = report.command != Command::Inspect && report.images.len() > log::MANY;
    if is_said && console.shows_log_and_data_together() { Format::None } else { console.data_format() }
}

/// Bad input in a run that somebody asks for: whoever asks is answered.
pub fn decline(mut files: Files, console: &Console, inputs: &Inputs, error: &Error) -> u8 {
    if let Some(declined) = &inputs.asked {
        for sentence in declined.iter().map(Declined::sentence) {
            console.line(&sentence);
        }
        let reply = reply::declined(declined, error);
        let written =
            write_reply(console, inputs, &reply).and_then(|()| files.write_outputs(console, &reply.outputs()));
        if let Err(error) = written {
            console.error("mirror-image", &error.to_string());
        }
    }
    refuse(console, error)
}

/// The answer, in the workspace: that is the one place that a container and the steps of its job have in common.
fn write_reply(console: &Console, inputs: &Inputs, reply: &Reply) -> Result<(), Error> {
    let text = console.redactor().hide_value(&reply.markdown);
    Directory::open(&inputs.workspace)
        .and_then(|workspace| workspace.replace(reply::FILE, text.as_bytes()))
        .map_err(|error| Error::Local(format!("cannot write the reply to `{}`: {error}", reply::FILE)))
}

/// Bad input, or a machine that cannot run it: one sentence, and nothing was contacted.
pub fn refuse(console: &Console, error: &Error) -> u8 {
    console.error("mirror-image", &error.to_string());
    for hint in error.hints(console.reader()) {
        console.hint(&hint);
    }
    if error.is_input() { 2 } else { 1 }
}
