//! The files that the input `config` names: found, read, and put together as one list.
//!
//! Owns how files are named: paths and globs, below the workspace only. Reads no more than a list may have.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::directory::{Directory, leads_out, within};
use crate::error::Error;
use crate::inputs::globs::files;
use crate::plan::history::History;
use crate::plan::list::prune_plan::is_plan;
use crate::plan::list::schema::List;
use crate::text::quote::quote;

/// The largest file that is read, in bytes: 10,000 images of many lines each.
const LARGEST: u64 = 4 * 1024 * 1024;

const INPUT: &str = "config";

/// Reads the lists that `names` name, in their order; the files of one glob by name.
pub fn read(workspace: &Path, names: &[&str]) -> Result<List, Error> {
    let directory = open(INPUT, workspace)?;
    let mut list = List::default();
    let mut seen: Vec<PathBuf> = Vec::new();
    for name in names {
        for path in files(INPUT, &directory, workspace, name)? {
            if seen.contains(&path) {
                continue;
            }
            let name = path.display().to_string();
            let Some(text) = text(INPUT, &directory, &path)? else {
                let problem = format!("`{}` is not there; name a file below the workspace", quote(&name));
                return Err(Error::input(INPUT, problem));
            };
            list.read(&name, &text, &|file| material(workspace, file))?;
            seen.push(path);
        }
    }
    Ok(list)
}

/// The text of a file that a policy names, below the workspace; otherwise the rest of a sentence about it.
pub fn material(workspace: &Path, file: &str) -> Result<String, String> {
    let directory = opened(workspace).map_err(|problem| format!("cannot be read: {problem}"))?;
    let text = contents(&directory, &within(workspace, Path::new(file)))?;
    text.ok_or_else(|| "is not there; name a file below the workspace".to_owned())
}

/// Reads the history of comparisons; one that is not there yet has seen nothing.
pub fn history(workspace: &Path, path: &str) -> Result<History, Error> {
    let below = within(workspace, Path::new(path));
    let directory = open("history", workspace)?;
    let text = text("history", &directory, &below)?;
    if text.is_none() {
        check_parent("history", &directory, &below)?;
    }
    History::parse(&below.to_string_lossy(), text.as_deref().unwrap_or_default())
}

/// Where the plan of a prune is to be written, below the workspace.
pub fn prune_plan_place(workspace: &Path, path: &str) -> Result<String, Error> {
    let below = within(workspace, Path::new(path));
    let directory = open("prune-plan", workspace)?;
    // Read for its own sake: what leads out of the workspace is refused before anything is contacted.
    text("prune-plan", &directory, &below)?;
    check_parent("prune-plan", &directory, &below)?;
    Ok(below.to_string_lossy().into_owned())
}

/// Reads the plan of a prune.
pub fn prune_plan(workspace: &Path, path: &str) -> Result<String, Error> {
    let below = within(workspace, Path::new(path));
    let problem = |problem: &str| {
        let name = quote(&below.to_string_lossy());
        let problem = format!("`{name}` {problem}; run with `prune: plan` first, and keep the file that it writes");
        Error::input("prune-plan", problem)
    };
    let text = text("prune-plan", &open("prune-plan", workspace)?, &below)?;
    let text = text.ok_or_else(|| problem("is not there"))?;
    if is_plan(&text) { Ok(text) } else { Err(problem("is not the plan of a prune")) }
}

/// A file that is to be written must have a directory.
fn check_parent(input: &str, directory: &Directory, path: &Path) -> Result<(), Error> {
    if directory.has_parent(path).unwrap_or(false) {
        return Ok(());
    }
    let name = quote(&path.to_string_lossy());
    Err(Error::input(input, format!("`{name}` is in a directory that is not there; make it first")))
}

pub(super) fn open(input: &str, workspace: &Path) -> Result<Directory, Error> {
    opened(workspace).map_err(|problem| Error::input(input, problem))
}

/// The workspace, or a sentence about it.
fn opened(workspace: &Path) -> Result<Directory, String> {
    Directory::open(workspace)
        .map_err(|error| format!("needs the workspace {}, which cannot be read: {error}", workspace.display()))
}

/// The text of a file; none where there is no file.
pub(super) fn text(input: &str, directory: &Directory, path: &Path) -> Result<Option<String>, Error> {
    contents(directory, path)
        .map_err(|problem| Error::input(input, format!("`{}` {problem}", quote(&path.display().to_string()))))
}

/// The same, or the rest of a sentence about the file.
fn contents(directory: &Directory, path: &Path) -> Result<Option<String>, String> {
    let bytes = match directory.read(path, LARGEST) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) if leads_out(&error) => return Err("leads out of the workspace; name a file below it".to_owned()),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err("is larger than 4 MiB, which no list is; split it".to_owned());
        }
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    String::from_utf8(bytes).map(Some).map_err(|_| "is not text in UTF-8; save it so".to_owned())
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
            (&["lists/**"], "cbd"),
            (&["lists/deep/**"], "d"),
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
