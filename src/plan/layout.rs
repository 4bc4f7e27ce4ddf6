//! A directory that stands for all images in it: what a list has carried there under whole names.
//!
//! Owns when a directory is meant as a whole: where its name alone is written, and the target is made of the names of images.
//! Reads the names in it, and contacts nothing. Which names those may be is the layout's to say.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::Error;
use crate::oci::reference::{ImageReference, LayoutReference};
use crate::plan::images::{At, Line, Say};
use crate::plan::request::Request;
use crate::plan::template;
use crate::store::layout::index::shortened;
use crate::store::layout::names::whole_names;
use crate::store::layout::shared::Layouts;
use crate::text::units::count;

/// The images that were asked for: lines, or the one source.
pub type Asked<'a> = Result<Cow<'a, [Line]>, &'a ImageReference>;

/// The same with the images of a directory in place of its name; what else it has goes to `notices`.
pub fn spelled_out<'a>(
    asked: Asked<'a>,
    request: &Request,
    layouts: &Layouts,
    notices: &mut Vec<String>,
) -> Result<Asked<'a>, Error> {
    let lines = match asked {
        Err(source) => {
            let Some(layout) = whole(source, None, request) else { return Ok(Err(source)) };
            if request.options.expected_digest.is_some() {
                let problem = format!("is for one image, and `{source}` stands for all that are in it");
                return Err(Error::input("expected-digest", problem));
            }
            let line = Line {
                at: At::Layout,
                source: source.clone(),
                target: None,
                platform: None,
                options: None,
                say: Say::default(),
            };
            images(&line, layout, layouts, notices)?
        }
        Ok(lines) if lines.iter().all(|line| whole(&line.source, line.target.as_deref(), request).is_none()) => {
            return Ok(Ok(lines));
        }
        Ok(lines) => {
            let mut spelled = Vec::with_capacity(lines.len());
            for line in &*lines {
                match whole(&line.source, line.target.as_deref(), request) {
                    Some(layout) => spelled.extend(images(line, layout, layouts, notices)?),
                    None => spelled.push(line.clone()),
                }
            }
            spelled
        }
    };
    Ok(Ok(Cow::Owned(lines)))
}

/// The directory that is meant as a whole.
fn whole<'a>(source: &'a ImageReference, own: Option<&str>, request: &Request) -> Option<&'a LayoutReference> {
    let ImageReference::Layout(layout) = source else { return None };
    let mut targets = request.targets.iter().map(String::as_str).filter(|_| own.is_none()).chain(own);
    // Without targets nothing is named after an image.
    (layout.is_bare() && targets.any(template::names_its_source)).then_some(layout)
}

/// `error` about the target of `source`, with what takes all images of a directory, where that is one with several.
pub fn or_all(error: Error, source: &ImageReference, layouts: &Layouts) -> Error {
    let (Error::Input { name, problem }, ImageReference::Layout(layout)) = (&error, source) else { return error };
    let named = Some(layout).filter(|layout| layout.is_bare());
    let named = named.and_then(|layout| whole_names(layouts, &layout.directory).ok()).map(|named| named.images.len());
    match named {
        Some(number) if number > 1 => Error::input(
            name.clone(),
            format!(
                "{problem}; `{source}` has {}: a target with `{{registry}}/{{repository}}` takes all of them",
                count(number as u64, "image")
            ),
        ),
        _ => error,
    }
}

/// A line for each image that `layout` has.
fn images(
    line: &Line,
    layout: &LayoutReference,
    layouts: &Layouts,
    notices: &mut Vec<String>,
) -> Result<Vec<Line>, Error> {
    let directory = &line.source;
    let bad = |problem: String| Error::input(line.at.input(), problem);
    let named = whole_names(layouts, &layout.directory).map_err(|error| match error {
        Error::Content { object, problem, .. } => bad(format!("`{object}`: {problem}")),
        other => bad(other.to_string()),
    })?;
    if named.images.is_empty() {
        let has = if named.others.is_empty() { "no image".to_owned() } else { shortened(&named.others) };
        return Err(bad(format!(
            "`{directory}` has no image under a whole name, such as `docker.io/library/alpine:3.20`, of which the target \
             could be made; it has {has}: name one as `{directory}:TAG`, and write its target out"
        )));
    }
    if !named.others.is_empty() {
        notices.push(format!(
            "`{directory}` has {} more under no whole name, which are left out: {}",
            named.others.len(),
            shortened(&named.others)
        ));
    }
    let image = |name| ImageReference::Layout(Arc::new(layout.clone().named(name)));
    Ok(named.images.iter().map(|name| Line { source: image(name), ..line.clone() }).collect())
}
