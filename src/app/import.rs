//! `import`: another tool's list becomes one of ours, as data.

use serde::Serialize;

use crate::app::deliver::{Data, deliver};
use crate::app::publish::refuse;
use crate::error::Error;
use crate::inputs::typed::{FilesRequest, Naming};
use crate::plan::import;
use crate::plan::import::entry::{Imported, Settings};
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::text::json::to_line;
use crate::text::sanitise;
use crate::text::units::count;

/// What `--output json` prints, and the output `json` in a job.
#[derive(Serialize)]
struct Document<'a> {
    list: &'a str,
    entries: usize,
    not_carried_over: usize,
}

/// Prints the list and gives the exit code.
pub fn run(files: Files, console: &Console, request: &FilesRequest, naming: &Naming) -> u8 {
    let settings = Settings { target: naming.own_target.clone(), variables: &request.settings.variables };
    let mut all = Imported::default();
    for file in &request.files {
        let name = sanitise::one_line(&file.name, 500);
        let problem = |problem: String| Error::input("images-from", problem);
        let read = file.text().map_err(|what| problem(format!("{name} {what}"))).and_then(|text| {
            import::read(&file.name, &text, &settings).map_err(|what| {
                let place = what.place;
                problem(format!("{name}:{}:{}: {}", place.line, place.column, sanitise::one_line(&what.text, 500)))
            })
        });
        match read {
            Ok(imported) => {
                console.line(&format!("{name} is of {}", imported.tool));
                all.join(imported);
            }
            Err(error) => return refuse(None, console, &error),
        }
    }
    let (list, missing) = all.render(naming.own_target.as_deref());
    let entries = all.entries.len();
    console.line(&format!("{}, {missing} not carried over (said in comments)", count(entries as u64, "entry")));
    let json = to_line(&Document { list: &list, entries, not_carried_over: missing });
    deliver(files, console, (Data::Text(list), json), Vec::new(), u8::from(request.is_strict && missing > 0))
}
