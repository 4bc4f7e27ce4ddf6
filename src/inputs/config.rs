//! The files that the input `config` names: found, read, and put together as one list.
//!
//! Owns how files are named: paths and globs, below the workspace only. Reads no more than a list may have.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::directory::{Directory, leads_out, within};
use crate::error::Error;
use crate::inputs::globs::files;
use crate::plan::history::History;
use crate::plan::list::lock::{Lock, Update};
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
            list.read(&name, &text, &|file| material(INPUT, workspace, file))?;
            seen.push(path);
        }
    }
    Ok(list)
}

/// The text of a file that a policy names, below the workspace; otherwise the rest of a sentence about it.
pub fn material(input: &str, workspace: &Path, file: &str) -> Result<String, String> {
    let read = || {
        let directory = open(input, workspace)?;
        text(input, &directory, &within(workspace, Path::new(file)))
    };
    match read() {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err("is not there; name a file below the workspace".to_owned()),
        Err(Error::Input { problem, .. }) => {
            let named = format!("`{}` ", quote(file));
            Err(problem.strip_prefix(&named).map_or_else(|| format!("cannot be read: {problem}"), str::to_owned))
        }
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Reads the lock file of a list; one that is not there yet has no line.
pub fn lock(workspace: &Path, path: &str, update: Update) -> Result<Lock, Error> {
    let directory = open("lock", workspace)?;
    let below = within(workspace, Path::new(path));
    let path = &*below.to_string_lossy();
    match text("lock", &directory, &below)? {
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
    let below = within(workspace, Path::new(path));
    let directory = open("history", workspace)?;
    let text = text("history", &directory, &below)?;
    if text.is_none() && !directory.has_parent(&below).unwrap_or(false) {
        let name = quote(&below.to_string_lossy());
        return Err(Error::input("history", format!("`{name}` is in a directory that is not there; make it first")));
    }
    History::parse(&below.to_string_lossy(), text.as_deref().unwrap_or_default())
}

/// Where the plan of a prune is to be written, below the workspace.
pub fn prune_plan_place(workspace: &Path, path: &str) -> Result<String, Error> {
    let below = within(workspace, Path::new(path));
    let name = quote(&below.to_string_lossy()).clone();
    // Read for its own sake: what leads out of the workspace is refused before anything is contacted.
    text("prune-plan", &open("prune-plan", workspace)?, &below)?;
    if !open("prune-plan", workspace)?.has_parent(&below).unwrap_or(false) {
        let problem = format!("`{name}` is in a directory that is not there; make it first");
        return Err(Error::input("prune-plan", problem));
    }
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
