//! What a run leaves behind: outputs, summary, annotations, exit code.

use std::cell::LazyCell;
use std::path::Path;

use crate::app::{history, lock};
use crate::directory::Directory;
use crate::emit;
use crate::engine::options::Command;
use crate::error::Error;
use crate::inputs::typed::Inputs;
use crate::plan::ask::Declined;
use crate::plan::request::Images;
use crate::report::json::{self, Outputs};
use crate::report::refusal::Refusal;
use crate::report::reply::{self, Reply};
use crate::report::{Report, log, package_access, plan, summary, terminal};
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::runner::talk::Format;
use crate::text::tone::{Line, Tone};

/// The report's renderings, and the exit code.
pub fn publish(mut files: Files, console: &Console, inputs: &Inputs, report: &mut Report) -> u8 {
    let mut code = report.exit_code();
    files.make_room();
    let mut failed = |result: Result<(), Error>| {
        if let Err(error) = result {
            console.error("mirror-image", &error.to_string());
            code = code.max(1);
        }
    };
    for notice in report.notices.iter().skip(report.told) {
        console.line(notice);
    }
    if let Some(directory) = &inputs.emit_directory {
        let redacted = |text: &str| console.redactor().hide_value(text).into_owned();
        failed(emit::write(directory, &report.consumer_configs, redacted));
    }
    let directory = inputs.emit_directory.as_ref().map_or(Path::new(""), emit::directory::Directory::below);
    for line in log::emitted(report, directory) {
        console.line(&line);
    }
    // Asked for, and not there: told a quiet run too.
    for line in log::not_emitted(report) {
        console.tell(&Line::default().then(Tone::Notable, line), true);
    }
    match lock::write(inputs, report) {
        Ok(lock) => report.lock = lock,
        Err(error) => failed(Err(error)),
    }
    failed(history::write(inputs, report));
    let report = &*report;
    let reply = reply::of(report);
    if let Some(reply) = &reply {
        failed(write_reply(console, inputs, reply));
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
    // Of many images it is long: made where somebody gets it, and once.
    let whole = LazyCell::new(|| json::document(report, &json::Context::default()));
    let context = json::Context { max_bytes: files.max_output_bytes(), ..Default::default() };
    let outputs =
        if files.takes_outputs() { json::outputs(report, reply.as_ref(), &context) } else { Outputs::default() };
    for warning in &outputs.warnings {
        console.warning("mirror-image", warning);
    }
    if inputs.report_file.is_some() {
        failed(files.write_report(console, &whole));
    }
    if console.folds_groups() {
        console.verdict(&log::verdict(report));
    } else if let Some(line) = terminal::verdict(report) {
        console.tell(&line, report.exit_code() != 0);
    }
    failed(match format(console, report) {
        Format::Json => console.data(&whole),
        Format::Plan => report.plan.as_deref().map_or(Ok(()), |plan| console.data(plan)),
        format => console.write(terminal::data(report, format)),
    });
    failed(files.write_outputs(console, &outputs.values));
    code
}

/// The form of the data. Of many copies each was named as it ended, and is not named again on the same terminal.
fn format(console: &Console, report: &Report) -> Format {
    let is_said = report.command != Command::Inspect && report.images.len() > log::MANY;
    if is_said && console.shows_log_and_data_together() { Format::None } else { console.data_format() }
}

/// Bad input, or a machine that cannot run it, once the inputs are read: said in the summary too, and whoever asked is
/// answered.
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
    } else if !error.is_input() {
        tell_later_steps(&mut files, console, inputs, error);
    }
    refuse(Some(files), console, error)
}

/// The outputs and the report of a run that ended before its images: the steps after it may wait for what is wrong, most of all
/// the one that shows a plan to people.
fn tell_later_steps(files: &mut Files, console: &Console, inputs: &Inputs, error: &Error) {
    let mut report = Report::new(inputs.request.command, inputs.dry_run);
    report.reader = console.reader();
    let problem = error.to_string();
    report.plan = (inputs.dry_run && matches!(inputs.request.images, Images::List(_))).then(|| plan::none(&problem));
    report.problem = Some(problem);
    let context = json::Context { max_bytes: files.max_output_bytes(), ..Default::default() };
    let outputs = json::outputs(&report, None, &context);
    let whole = json::document(&report, &json::Context::default());
    let written = [
        files.write_outputs(console, &outputs.values),
        if inputs.report_file.is_some() { files.write_report(console, &whole) } else { Ok(()) },
    ];
    for error in written.into_iter().filter_map(Result::err) {
        console.error("mirror-image", &error.to_string());
    }
}

/// The answer, in the workspace: that is the one place that a container and the steps of its job have in common.
fn write_reply(console: &Console, inputs: &Inputs, reply: &Reply) -> Result<(), Error> {
    let text = console.redactor().hide_value(&reply.markdown);
    Directory::open(&inputs.workspace)
        .and_then(|workspace| workspace.replace(reply::FILE, text.as_bytes()))
        .map_err(|error| Error::Local(format!("cannot write the reply to `{}`: {error}", reply::FILE)))
}

/// Bad input, or a machine that cannot run it: one sentence, what to do where that is elsewhere, and the same in the summary.
pub fn refuse(files: Option<Files>, console: &Console, error: &Error) -> u8 {
    let refusal = Refusal::of(error, console.reader());
    if let Some(mut files) = files
        && let Err(error) = files.write_summary(console, &refusal.summary())
    {
        console.error("mirror-image", &error.to_string());
    }
    console.refusal(refusal.title(), &refusal.sentence, &refusal.hints);
    if error.is_input() { 2 } else { 1 }
}
