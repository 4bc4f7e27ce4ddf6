//! `rewrite`: the names in files become the mirror's. No registry is asked; with `dry-run` nothing is written.

use std::fmt::Write as _;

use serde::Serialize;

use crate::app::deliver::{Data, deliver};
use crate::app::publish::refuse;
use crate::error::Error;
use crate::inputs::files::NamedFile;
use crate::inputs::typed::{FilesRequest, Naming};
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::find::found::Named;
use crate::plan::find::listed::is_mirrored;
use crate::plan::find::rewrite::{Renamed, Rewritten, rewrite};
use crate::plan::find::{Origin, read};
use crate::plan::list::lock::Held;
use crate::plan::template;
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::text::json::to_line;
use crate::text::sanitise;
use crate::text::units::count;

/// What `--output json` prints, and the output `json` in a job.
#[derive(Default, Serialize)]
struct Document {
    changes: Vec<Change>,
    left: Vec<Left>,
}

#[derive(Serialize)]
struct Change {
    file: String,
    line: usize,
    column: usize,
    before: String,
    after: String,
}

#[derive(Serialize)]
struct Left {
    file: String,
    line: usize,
    image: String,
    reason: String,
}

/// Rewrites the files and gives the exit code.
pub fn run(files: Files, console: &Console, request: &FilesRequest, naming: &Naming) -> u8 {
    let (mut document, mut written, mut code) = (Document::default(), 0, 0);
    for file in &request.files {
        match one(file, console, request, naming, &mut document) {
            Ok(None) => {}
            Ok(Some(text)) if file.is_standard_input() => {
                written += usize::from(!document.changes.is_empty());
                if let Err(error) = console.verbatim(&text) {
                    return refuse(None, console, &error);
                }
            }
            Ok(Some(_)) if naming.is_dry_run => written += 1,
            Ok(Some(text)) => match file.replace(&text) {
                Ok(()) => written += 1,
                Err(error) => {
                    let name = sanitise::one_line(&file.name, 500);
                    let problem = format!("`{name}` stays as it was, because it cannot be written: {error}");
                    console.error("mirror-image", &Error::Local(problem).to_string());
                    code = 1;
                }
            },
            Err(problem) => {
                console.error("mirror-image", &Error::input("images-from", problem).to_string());
                code = 2;
            }
        }
    }
    for left in &document.left {
        console.line(&format!("{}:{}: {} stays: {}", left.file, left.line, left.image, left.reason));
    }
    let state = if naming.is_dry_run { "would change" } else { "changed" };
    console.line(&format!(
        "{} {state} in {} of {}, {} left as they are",
        count(document.changes.len() as u64, "reference"),
        written,
        count(request.files.len() as u64, "file"),
        document.left.len()
    ));
    if code == 0 && request.is_strict && !document.left.is_empty() {
        code = 1;
    }
    let json = to_line(&document);
    let changed = !naming.is_dry_run && !document.changes.is_empty();
    let data = match document.changes.as_slice() {
        _ if request.files.iter().any(NamedFile::is_standard_input) => Data::Printed,
        [] => Data::Lines(Vec::new()),
        _ => Data::Text(lines(&document)),
    };
    deliver(files, console, (data, json), vec![("changed", changed.to_string())], code)
}

fn lines(document: &Document) -> String {
    document.changes.iter().fold(String::new(), |mut text, Change { file, line, column, before, after }| {
        let _ = writeln!(text, "{file}:{line}:{column}: {before} => {after}");
        text
    })
}

/// The new text of a file; none where nothing in it changes.
fn one(
    file: &NamedFile,
    console: &Console,
    request: &FilesRequest,
    naming: &Naming,
    document: &mut Document,
) -> Result<Option<String>, String> {
    let name = sanitise::one_line(&file.name, 500);
    let text = match file.text() {
        Ok(text) => text,
        Err(problem) if file.origin == Origin::Named => return Err(format!("{name} {problem}")),
        Err(problem) => {
            console.line(&format!("{name} {problem}"));
            return Ok(None);
        }
    };
    let reading = read(&file.name, &text, file.origin, &request.settings);
    let mut is_broken = false;
    for note in &reading.notes {
        let sentence =
            format!("{name}:{}:{}: {}", note.place.line, note.place.column, sanitise::one_line(&note.text, 500));
        if note.is_broken && file.origin == Origin::Named {
            return Err(format!("{sentence}; the file stays as it is"));
        }
        is_broken |= note.is_broken;
        console.line(&sentence);
    }
    if is_broken {
        return Ok(None);
    }
    for found in &reading.found {
        if let Named::Unresolved { text, reason } = &found.named {
            let (image, reason) = (format!("`{text}`"), sanitise::one_line(reason, 500));
            document.left.push(Left { file: name.clone(), line: found.place.line, image, reason });
        }
    }
    let rename = |reference: &Reference| renamed(reference, request, naming);
    let again = |text: &str| read(&file.name, text, file.origin, &request.settings);
    let Rewritten { text: new, changes, left } =
        rewrite(&text, &reading, naming.digests, &rename, &again).map_err(|problem| format!("{name}: {problem}"))?;
    document.left.extend(left.into_iter().map(|(place, image, reason)| Left {
        file: name.clone(),
        line: place.line,
        image: image.to_string(),
        reason: sanitise::one_line(&reason, 500),
    }));
    let is_changed = new != text;
    let change = |change: crate::plan::find::rewrite::Change| {
        let (line, column) = (change.place.line, change.place.column);
        Change {
            file: name.clone(),
            line,
            column,
            before: sanitise::one_line(&change.before, 500),
            after: change.after,
        }
    };
    document.changes.extend(changes.into_iter().map(change));
    Ok((is_changed || file.is_standard_input()).then_some(new))
}

/// What an image is called in the mirror; nothing where it is the mirror's already.
fn renamed(reference: &Reference, request: &FilesRequest, naming: &Naming) -> Result<Option<Renamed>, String> {
    if is_mirrored(&reference.name(), &request.mirrors) {
        return Ok(None);
    }
    let targets = match &request.coverage {
        Some(coverage) => match (coverage.lacks(reference), coverage.targets_of(reference)) {
            (Some(why), _) => return Err(why),
            (None, Some(targets)) => targets,
            // It is what the list makes.
            (None, None) => return Ok(None),
        },
        None => naming.targets.as_slice(),
    };
    let [target] = targets else { return Err("it goes to several places".to_owned()) };
    let source = ImageReference::Registry(reference.clone());
    let (target, _) = template::target(target, &source, naming.project.as_deref())?;
    let Some(target) = target.registry().cloned() else { return Err("it goes to a directory".to_owned()) };
    let held = naming.lock.as_ref().map(|lock| lock.held(reference));
    let digest = match held {
        Some(Held::At(digest) | Held::Free(Some(digest))) => Some(digest),
        _ => None,
    };
    Ok(Some(Renamed { target, digest }))
}
