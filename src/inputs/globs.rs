//! How inputs name files: by paths and globs, below the workspace only.
//!
//! Owns what a glob has, as a shell has it: hidden names are for whoever names them so. Opens no file.

use std::path::{Component, Path, PathBuf};

use crate::directory::{Directory, within};
use crate::error::Error;
use crate::plan::list::pattern::Pattern;
use crate::text::quote::quote;

/// The most files and directories that a glob is held against.
pub const MOST_NAMES: usize = 100_000;

/// The letters that make a glob of a name.
const LETTERS: [char; 3] = ['*', '?', '['];

/// Whether a name is to be a glob.
pub fn is_glob(name: &str) -> bool {
    name.contains(LETTERS)
}

/// Whether a name can be one: in the workspace, and all of it as globs are written.
pub fn can_be_glob(input: &str, workspace: &Path, name: &str) -> bool {
    let parts = components(input, workspace, name);
    parts.is_ok_and(|parts| parts.iter().all(|part| Part::parse(input, part).is_ok()))
}

/// The file of exactly this name, relative to the workspace.
pub fn file(input: &str, workspace: &Path, name: &str) -> Result<PathBuf, Error> {
    components(input, workspace, name).map(|parts| parts.iter().collect())
}

fn components(input: &str, workspace: &Path, name: &str) -> Result<Vec<String>, Error> {
    let outside = || {
        let place = workspace.canonicalize().unwrap_or_else(|_| workspace.to_owned());
        let place = quote(&place.display().to_string());
        let problem = format!("`{}` is not below the workspace, {place}; name a file in it, without `..`", quote(name));
        Error::input(input, problem)
    };
    // A workflow may give the whole path, `${{ github.workspace }}/images.yml`, and so may a person.
    let path = within(workspace, Path::new(name));
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return Err(outside()),
        }
    }
    Ok(parts)
}

/// The files of a name, relative to the workspace: the one, or those that a glob has, in order.
pub fn files(input: &str, directory: &Directory, workspace: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    let found = matches(input, directory, workspace, name)?;
    if found.is_empty() {
        return Err(Error::input(input, format!("`{}` matches no file below the workspace", quote(name))));
    }
    Ok(found)
}

/// The same, where a glob may have none.
pub fn matches(input: &str, directory: &Directory, workspace: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    let parts = components(input, workspace, name)?;
    if !parts.iter().any(|part| is_glob(part)) {
        return Ok(vec![parts.iter().collect()]);
    }
    let parts: Vec<Part> = parts.iter().map(|part| Part::parse(input, part)).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    let mut left = MOST_NAMES;
    walk(directory, Path::new(""), &parts, &mut found, &mut left)
        .map_err(|error| Error::input(input, format!("`{}` cannot be searched: {error}", quote(name))))?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// A component of a glob.
enum Part {
    /// Any number of directories; at the end, the files in them too.
    Any,
    /// A name.
    Named(Pattern, bool),
}

impl Part {
    fn parse(input: &str, text: &str) -> Result<Self, Error> {
        if text == "**" {
            return Ok(Self::Any);
        }
        let pattern = Pattern::glob(text).map_err(|problem| Error::input(input, problem))?;
        Ok(Self::Named(pattern, text.starts_with('.')))
    }

    /// Hidden files are for whoever names them so, as in a shell.
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => !name.starts_with('.'),
            Self::Named(pattern, hidden) => (*hidden || !name.starts_with('.')) && pattern.matches(name),
        }
    }
}

fn walk(
    directory: &Directory,
    below: &Path,
    parts: &[Part],
    found: &mut Vec<PathBuf>,
    left: &mut usize,
) -> std::io::Result<()> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if matches!(part, Part::Any) {
        walk(directory, below, rest, found, left)?;
    }
    for name in directory.names(below)? {
        *left = left.checked_sub(1).ok_or_else(|| {
            std::io::Error::other(format!("there are more than {MOST_NAMES} files; name a directory of fewer"))
        })?;
        if !name.to_str().is_some_and(|name| part.matches(name)) {
            continue;
        }
        let path = below.join(&name);
        // Links that lead out, or nowhere, are no files of the workspace.
        let Ok(Some(metadata)) = directory.metadata(&path) else { continue };
        // A link to a directory above would be walked without an end.
        let is_link = directory.is_link(&path);
        match part {
            Part::Any if metadata.is_dir() && !is_link => walk(directory, &path, parts, found, left)?,
            _ if rest.is_empty() && metadata.is_file() => found.push(path),
            Part::Named(..) if !rest.is_empty() && metadata.is_dir() => walk(directory, &path, rest, found, left)?,
            _ => {}
        }
    }
    Ok(())
}
