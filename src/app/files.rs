//! What is done with files that name images: they are listed, and held against a list. No registry is asked.

use serde::Serialize;

use crate::app::deliver::{Data, deliver};
use crate::app::{import, rewrite};
use crate::error::Error;
use crate::inputs::files::listed;
use crate::inputs::typed::{FileTask, FilesRequest, Form};
use crate::oci::digest::Digest;
use crate::plan::find::listed::{FileNote, Image, Listed, Site, Unresolved};
use crate::runner::commands::InFile;
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::text::json::to_line;
use crate::text::units::count;

/// Does it, and gives the exit code.
pub fn run(files: Files, console: &Console, request: &FilesRequest) -> u8 {
    match request.task {
        FileTask::Images => images(files, console, request),
        FileTask::Rewrite => rewrite::run(files, console, request, &request.naming),
        FileTask::Import => import::run(files, console, request, &request.naming),
    }
}

/// What `--format json` and `--output json` print, and the output `json` in a job.
#[derive(Serialize)]
struct Document<'a> {
    images: Vec<Entry<'a>>,
    unresolved: &'a [Unresolved],
    notes: &'a [FileNote],
    /// Images that are left out because they are in the mirror.
    already_mirrored: usize,
}

#[derive(Serialize)]
struct Entry<'a> {
    image: String,
    certainty: &'static str,
    digest: Option<&'a str>,
    found: &'a [Site],
    #[serde(skip_serializing_if = "Option::is_none")]
    not_mirrored: Option<&'a str>,
}

fn images(files: Files, console: &Console, request: &FilesRequest) -> u8 {
    let mut found = listed(&request.files, &request.settings, &request.mirrors);
    let of_all = found.images.len();
    if request.only_unpinned {
        found.images.retain(|image| image.reference.digest().is_none());
    }
    let lacking = request.coverage.as_ref().map(|coverage| {
        let mut reasons = Vec::new();
        found.images.retain(|image| {
            let reason = coverage.lacks(&image.reference);
            let is_lacking = reason.is_some();
            reasons.extend(reason);
            is_lacking
        });
        reasons
    });
    let is_broken = tell(console, request, &found, lacking.as_deref(), of_all);
    let json = to_line(&document(&found, lacking.as_deref()));
    let names = found.references().map(ToString::to_string).collect::<Vec<_>>();
    let outputs = vec![("images", names.join("\n"))];
    let data = match request.form {
        Form::Json => Data::Text(json.clone()),
        Form::Lines => Data::Lines(names),
        Form::List => Data::Lines(found.list()),
    };
    let is_lacking = lacking.is_some_and(|lacking| !lacking.is_empty());
    let is_unresolved = request.is_strict && !found.unresolved.is_empty();
    let code = if is_broken { 2 } else { u8::from(is_lacking || is_unresolved) };
    deliver(files, console, (data, json), outputs, code)
}

/// Says what is no data; gives whether a file that somebody named could not be read.
fn tell(console: &Console, request: &FilesRequest, found: &Listed, lacking: Option<&[String]>, of_all: usize) -> bool {
    let mut is_broken = false;
    for note in &found.notes {
        if note.is_broken && note.is_named {
            is_broken = true;
            let problem = Error::input("images-from", note.sentence()).to_string();
            console.error_in(in_file(note.place()).as_ref(), "mirror-image", &problem);
        } else {
            console.line(&note.sentence());
        }
    }
    for place in &found.unresolved {
        match (request.is_strict, request.form) {
            (true, _) => console.error_in(in_file(place.site.place()).as_ref(), "mirror-image", &place.sentence()),
            // In the list it is a comment.
            (false, Form::List) => {}
            (false, Form::Lines | Form::Json) => console.line(&place.sentence()),
        }
    }
    for (image, reason) in found.images.iter().zip(lacking.unwrap_or_default()) {
        let place = image.sites.first().and_then(|site| in_file(site.place()));
        console.error_in(place.as_ref(), "mirror-image", &format!("{} is not mirrored: {reason}", named(image)));
    }
    let (of_a_kind, all) = found.files;
    let mut parts = vec![format!("{} in {of_a_kind} of {}", count(of_all as u64, "image"), count(all as u64, "file"))];
    parts.extend(lacking.map(|lacking| format!("{} not mirrored", lacking.len())));
    parts.extend(Some(found.unresolved.len()).filter(|count| *count > 0).map(|count| format!("{count} unresolved")));
    parts.extend(
        Some(found.mirrored).filter(|count| *count > 0).map(|count| format!("{count} in the mirror already, left out")),
    );
    console.line(&parts.join(", "));
    is_broken
}

/// A place as a job shows it; none where it is no line of a file.
fn in_file((file, line, column): (&str, usize, usize)) -> Option<InFile> {
    (line > 0).then(|| InFile { file: file.to_owned(), line, column })
}

/// The image, and the first place that names it.
fn named(image: &Image) -> String {
    let site = image.sites.first().map_or_else(String::new, |site| format!("{}: ", site.shown()));
    format!("{site}{}", image.reference)
}

fn document<'a>(found: &'a Listed, lacking: Option<&'a [String]>) -> Document<'a> {
    let entry = |(number, image): (usize, &'a Image)| Entry {
        image: image.reference.to_string(),
        certainty: if image.is_guessed { "guessed" } else { "certain" },
        digest: image.reference.digest().map(Digest::as_str),
        found: &image.sites,
        not_mirrored: lacking.and_then(|lacking| lacking.get(number)).map(String::as_str),
    };
    Document {
        images: found.images.iter().enumerate().map(entry).collect(),
        unresolved: &found.unresolved,
        notes: &found.notes,
        already_mirrored: found.mirrored,
    }
}
