//! Lists of names: a line each, in JSON, or in the matrix of a workflow.

use crate::plan::find::matrix::{Matrix, Row};
use crate::plan::images;
use crate::plan::import::entry::{Entry, Imported, Settings};
use crate::plan::list::yaml::{Node, Value};
use crate::plan::pasted;
use crate::text::blank::trimmed;
use crate::text::quote::quote;

/// `images.txt`: an image a line, with its platform or its target beside it.
pub fn text(text: &str, _settings: &Settings<'_>) -> Imported {
    let mut imported = Imported { tool: "a list of names", ..Imported::default() };
    for (number, line) in (1..).zip(text.lines()) {
        let line = trimmed(line);
        let line = line.split(" #").next().unwrap_or(line).trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match of_line(line) {
            Ok(entry) => imported.entries.push(entry),
            Err(problem) => imported.leave_out(&format!("line {number}"), &problem),
        }
    }
    imported
}

fn of_line(line: &str) -> Result<Entry, String> {
    if let Some((source, target)) = line.split_once("=>") {
        let read = pasted::image(source)?;
        return Ok(Entry { target: vec![target.trim().to_owned()], ..entry(&read) });
    }
    // Two names on a line are a source and its target.
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [source, target] = words.as_slice()
        && !source.starts_with('-')
        && target.contains('/')
        && images::image(source).is_ok()
        && images::image(target).is_ok()
    {
        return Ok(Entry { target: vec![(*target).to_owned()], ..entry(&pasted::image(source)?) });
    }
    pasted::image(line).map(|read| entry(&read))
}

fn entry(read: &pasted::Pasted) -> Entry {
    let platforms = read.platform.iter().map(ToString::to_string).collect();
    Entry { platforms, ..Entry::of(read.image.to_string()) }
}

/// A list of names, of `{source, target}`, or one under a key such as `hub-mirror`.
pub fn json(root: &Node, _settings: &Settings<'_>, imported: &mut Imported) {
    imported.tool = "a list of names";
    let (items, platform) = if let Value::List(items) = &root.value {
        (items.as_slice(), None)
    } else {
        imported.leave_out_others(root.members(), &["hub-mirror", "images", "platform", "version"], "the list");
        let images = root.get("hub-mirror").or_else(|| root.get("images"));
        (images.map(Node::items).unwrap_or_default(), root.text_of("platform"))
    };
    for item in items {
        let made = match item.text() {
            Some(text) => of_line(text),
            None => of_map(item, imported),
        };
        match made {
            Ok(mut entry) => {
                if let Some(platform) = platform.filter(|platform| !platform.is_empty() && entry.platforms.is_empty()) {
                    entry.platforms.push(platform.to_owned());
                }
                imported.entries.push(entry);
            }
            Err(problem) => imported.leave_out(&format!("the item in line {}", item.place.line), &problem),
        }
    }
}

fn of_map(item: &Node, imported: &mut Imported) -> Result<Entry, String> {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| item.text_of(name)).map(str::trim).filter(|text| !text.is_empty())
    };
    let source = first(&["source", "image", "src", "from", "name"]).ok_or("it has no `source`")?;
    let target = match item.get("dest") {
        Some(dest) if !dest.members().is_empty() => dest.text_of("repo").map(|repository| {
            dest.text_of("tag").map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}"))
        }),
        _ => first(&["target", "destination", "dest", "dst", "to"]).map(str::to_owned),
    };
    let mut entry = entry(&pasted::image(source)?);
    if let Some(tag) =
        item.text_of("tag").filter(|_| !source.rsplit('/').next().is_some_and(|name| name.contains([':', '@'])))
    {
        entry.source = pasted::image(&format!("{source}:{tag}"))?.image.to_string();
    }
    entry.target = target.into_iter().collect();
    entry.platforms.extend(first(&["platform"]).map(str::to_owned));
    let known =
        ["source", "image", "src", "from", "name", "target", "destination", "dest", "dst", "to", "tag", "platform"];
    imported.leave_out_others(item.members(), &known, "an item");
    Ok(entry)
}

/// What a row names and the entry that it comes to; none where it has no image. Only a row without a `tag` names an image alone.
fn of_row(row: &Row) -> Option<(String, Result<Entry, String>)> {
    let image = match row.get("image").or_else(|| row.get("source"))? {
        Ok(image) => image,
        Err(why) => return Some(("matrix.image".to_owned(), Err(why.clone()))),
    };
    let name = match row.get("tag") {
        Some(Ok(tag)) => format!("{image}:{tag}"),
        Some(Err(why)) => return Some((image.clone(), Err(format!("its `tag`: {why}")))),
        None if row.keys().any(|key| key.starts_with("tag.")) => {
            return Some((image.clone(), Err("its `tag` is a map".to_owned())));
        }
        None => image.clone(),
    };
    let read = pasted::image(&name).map(|read| entry(&read));
    Some((name, read))
}

/// The rows of a job's matrix that have an `image`, and beside it a `tag`.
pub fn matrix(root: &Node, imported: &mut Imported) {
    imported.tool = "the matrix of a workflow";
    for (name, job) in root.get("jobs").map(Node::members).unwrap_or_default() {
        if job.get("strategy").and_then(|strategy| strategy.get("matrix")).is_none() {
            continue;
        }
        let matrix = Matrix::of(job);
        let rows = matrix.rows().unwrap_or_else(|why| {
            imported.leave_out(&format!("the matrix of the job `{}`", quote(&name.text)), why);
            &[]
        });
        for row in rows {
            match of_row(row) {
                None => {}
                Some((_, Ok(entry))) => imported.entries.push(entry),
                Some((image, Err(problem))) => {
                    imported.leave_out(&format!("`{}` of the job `{}`", quote(&image), quote(&name.text)), &problem);
                }
            }
        }
    }
    if imported.entries.is_empty() {
        imported.leave_out("the workflow", "no job has a matrix with `image` that is written out");
    }
}
