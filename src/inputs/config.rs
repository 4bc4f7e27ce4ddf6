//! The files that the input `config` names: found, read, and put together as one list.
//!
//! Owns how files are named: paths and globs, below the workspace only. Reads no more than a list may have.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::directory::{Directory, leads_out};
use crate::error::Error;
use crate::plan::history::History;
use crate::plan::list::lock::{Lock, Update};
use crate::plan::list::pattern::Pattern;
use crate::plan::list::schema::List;
use crate::text::quote::quote;

/// The largest file that is read, in bytes: 10,000 images of many lines each.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The most files and directories that a glob is held against.
const MOST_NAMES: usize = 100_000;

const INPUT: &str = "config";

/// Reads the lists that `names` name, in their order; the files of one glob by name.
pub fn read(workspace: &Path, names: &[&str]) -> Result<List, Error> {
    let directory = open(INPUT, workspace)?;
    let mut list = List::default();
    let mut seen: Vec<PathBuf> = Vec::new();
    for name in names {
        for path in files(&directory, workspace, name)? {
            if seen.contains(&path) {
                continue;
            }
            let name = path.display().to_string();
            let Some(text) = text(INPUT, &directory, &path)? else {
                let problem = format!("`{}` is not there; name a file below the workspace", quote(&name));
                return Err(Error::input(INPUT, problem));
            };
            list.read(&name, &text)?;
            seen.push(path);
        }
    }
    Ok(list)
}

/// Reads the lock file of a list; one that is not there yet has no line.
pub fn lock(workspace: &Path, path: &str, update: Update) -> Result<Lock, Error> {
    let directory = open("lock", workspace)?;
    match text("lock", &directory, Path::new(path))? {
        Some(text) => Lock::parse(path, &text, update),
        None if update == Update::Frozen => {
            let problem =
                format!("`{}` is not there, and `frozen` holds to it; run without `frozen` first", quote(path));
            Err(Error::input("lock", problem))
        }
        None => Lock::parse(path, "", update),
    }
}

/// Reads the history of comparisons; one that is not there yet has seen nothing.
pub fn history(workspace: &Path, path: &str) -> Result<History, Error> {
    let text = text("history", &open("history", workspace)?, Path::new(path))?;
    History::parse(path, text.as_deref().unwrap_or_default())
}

fn open(input: &str, workspace: &Path) -> Result<Directory, Error> {
    Directory::open(workspace).map_err(|error| {
        Error::input(input, format!("needs the workspace {}, which cannot be read: {error}", workspace.display()))
    })
}

/// The text of a file; none where there is no file.
fn text(input: &str, directory: &Directory, path: &Path) -> Result<Option<String>, Error> {
    let name = quote(&path.display().to_string());
    let problem = |problem: &str| Error::input(input, format!("`{name}` {problem}"));
    let bytes = match directory.read(path, LARGEST) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) if leads_out(&error) => return Err(problem("leads out of the workspace; name a file below it")),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err(problem("is larger than 4 MiB, which no list is; split it"));
        }
        Err(error) => return Err(problem(&format!("cannot be read: {error}"))),
    };
    String::from_utf8(bytes).map(Some).map_err(|_| problem("is not text in UTF-8; save it so"))
}

/// The files of a name, relative to the workspace: the one, or those that a glob has, in order.
fn files(directory: &Directory, workspace: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    let outside = || {
        let problem = format!("`{}` is not below the workspace; name a file in it, without `..`", quote(name));
        Error::input(INPUT, problem)
    };
    let path = Path::new(name);
    // A workflow may give the whole path, `${{ github.workspace }}/images.yml`.
    let path = if path.is_absolute() { path.strip_prefix(workspace).map_err(|_| outside())? } else { path };
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return Err(outside()),
        }
    }
    if !parts.iter().any(|part| part.contains(['*', '?', '['])) {
        return Ok(vec![parts.iter().collect()]);
    }
    let parts: Vec<Part> = parts.iter().map(|part| Part::parse(part)).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    let mut left = MOST_NAMES;
    walk(directory, Path::new(""), &parts, &mut found, &mut left)
        .map_err(|error| Error::input(INPUT, format!("`{}` cannot be searched: {error}", quote(name))))?;
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(Error::input(INPUT, format!("`{}` matches no file below the workspace", quote(name))));
    }
    Ok(found)
}

/// A component of a glob.
enum Part {
    /// Any number of directories.
    Any,
    /// A name.
    Named(Pattern, bool),
}

impl Part {
    fn parse(text: &str) -> Result<Self, Error> {
        if text == "**" {
            return Ok(Self::Any);
        }
        let pattern = Pattern::glob(text).map_err(|problem| Error::input(INPUT, problem))?;
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
        match part {
            // As in a shell: what a link leads to may be above it, and is found where it is.
            Part::Any if metadata.is_dir() && !directory.is_link(&path) => walk(directory, &path, parts, found, left)?,
            Part::Named(..) if rest.is_empty() && metadata.is_file() => found.push(path),
            Part::Named(..) if !rest.is_empty() && metadata.is_dir() => walk(directory, &path, rest, found, left)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::read;

    #[test]
    fn files_are_found_by_name_and_by_glob_below_the_workspace() {
        let root = tempfile::tempdir().unwrap();
        let workspace = root.path().join("workspace");
        fs::create_dir_all(workspace.join("lists/deep")).unwrap();
        fs::create_dir(root.path().join("outside")).unwrap();
        for (name, image) in [
            ("images.yml", "images: [a]"),
            ("lists/b.yml", "images: [b]"),
            ("lists/a.txt", "c"),
            ("lists/deep/d.yml", "images: [d]"),
            ("lists/.hidden.yml", "images: [e]"),
        ] {
            fs::write(workspace.join(name), image).unwrap();
        }
        fs::write(root.path().join("outside/f.yml"), "images: [f]").unwrap();
        symlink("../outside", workspace.join("out")).unwrap();
        symlink("..", workspace.join("lists/deep/loop")).unwrap();
        symlink("../..", workspace.join("lists/other-loop")).unwrap();
        let sources = |names: &[&str]| {
            let list = read(&workspace, names).map_err(|error| error.to_string())?;
            let names: Vec<String> =
                list.entries.iter().map(|entry| entry.source.registry().unwrap().base_name().to_owned()).collect();
            Ok::<_, String>(names.concat())
        };
        let whole = workspace.join("images.yml").display().to_string();
        for (names, found) in [
            (&["images.yml"][..], "a"),
            (&["lists/*.yml", "./images.yml"], "ba"),
            (&["lists/*"], "cb"),
            (&["**/*.yml"], "abd"),
            (&["lists/**/*.yml"], "bd"),
            (&["l?sts/[a-c].*"], "cb"),
            (&["lists/.*.yml"], "e"),
            // Named twice, it is read once.
            (&["images.yml", "*.yml"], "a"),
            (&[&*whole], "a"),
        ] {
            assert_eq!(sources(names).as_deref(), Ok(found), "{names:?}");
        }
        for (names, sentence) in [
            (&["none.yml"][..], "input `config`: `none.yml` is not there"),
            (&["*.json"], "`*.json` matches no file"),
            (&["../outside/f.yml"], "is not below the workspace"),
            (&["/etc/passwd"], "is not below the workspace"),
            (&["out/f.yml"], "`out/f.yml` leads out of the workspace"),
            (&["out/*.yml"], "matches no file"),
            (&["lists"], "`lists` cannot be read"),
            (&["[.yml"], "`[` without `]`"),
        ] {
            let problem = sources(names).unwrap_err();
            assert!(problem.contains(sentence), "{names:?}: {problem}");
        }
        fs::write(workspace.join("images.yml"), [0xff, 0xfe]).unwrap();
        assert!(sources(&["images.yml"]).unwrap_err().contains("not text in UTF-8"));
        fs::write(workspace.join("images.yml"), vec![b'#'; 5 << 20]).unwrap();
        assert!(sources(&["images.yml"]).unwrap_err().contains("larger than 4 MiB"));
    }
}
