//! What a run leaves behind: outputs, summary, annotations, exit code.

use crate::app::lock;
use crate::emit;
use crate::error::Error;
use crate::inputs::typed::Inputs;
use crate::report::{Report, json, log, package_access, summary};
use crate::runner::console::Console;
use crate::runner::files::Files;

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
    if inputs.summary {
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
    let outputs = json::outputs(report, &context);
    for warning in &outputs.warnings {
        console.warning("mirror-image", warning);
    }
    console.verdict(&log::verdict(report));
    failed(files.write_outputs(console, &outputs.values));
    code
}
