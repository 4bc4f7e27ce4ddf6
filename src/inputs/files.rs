//! The files that `images-from` names: found, and read one after the other.
//!
//! Owns which file a word means: one file, what a directory has, what a glob has, or `-` for standard input. In a job they are
//! below the workspace; what a person types leads where it leads. Reads no more of a file than any of its kind has, and never
//! follows a link out of a directory that is searched.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::directory::{Directory, leads_out};
use crate::error::Error;
use crate::inputs::globs::{self, MOST_NAMES};
use crate::oci::reference::Reference;
use crate::plan::find::found::{Kind, Reading, Settings};
use crate::plan::find::kustomize::{self, ReadFile};
use crate::plan::find::listed::{FileNote, Listed};
use crate::plan::find::{Origin, may_be_read, read};
use crate::plan::images::Line;
use crate::runner::Surroundings;
use crate::text::quote::quote;

/// The largest file that is read, in bytes.
pub const LARGEST: u64 = 32 * 1024 * 1024;

/// Directories that hold other people's files.
const LEFT_OUT: [&str; 2] = [".git", "node_modules"];

/// The word for standard input.
const STANDARD_INPUT: &str = "-";

/// The images of a run that files name.
pub struct OfFiles {
    pub lines: Vec<Line>,
    /// What the files leave open, a sentence each.
    pub read_as: Vec<String>,
    /// The services of compose files, and the image of each.
    pub services: Vec<(String, Reference)>,
}

/// A file to be read.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// As it is shown.
    pub name: String,
    pub origin: Origin,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    StandardInput,
    Beneath(Directory, PathBuf),
}

impl NamedFile {
    /// Its text; fails with what is wrong with it, to be said after its name.
    pub fn text(&self) -> Result<String, String> {
        let bytes = match &self.place {
            Place::StandardInput => standard_input(),
            Place::Beneath(directory, path) => directory
                .read(path, LARGEST)
                .and_then(|bytes| bytes.ok_or_else(|| std::io::Error::new(ErrorKind::NotFound, "it is not there"))),
        };
        let bytes = bytes.map_err(|error| match error.kind() {
            _ if leads_out(&error) => "leads out of its directory by a link; it is left out".to_owned(),
            ErrorKind::FileTooLarge => format!("is larger than {} MiB, which no such file is", LARGEST >> 20),
            _ => format!("cannot be read: {error}"),
        })?;
        String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())
    }
}

impl NamedFile {
    /// Whether it is standard input, which has no file to be written.
    pub fn is_standard_input(&self) -> bool {
        matches!(self.place, Place::StandardInput)
    }

    /// Whether its name says that it may name images.
    fn may_be_read(&self) -> bool {
        Path::new(&self.name).file_name().and_then(|name| name.to_str()).is_some_and(may_be_read)
    }

    /// Replaces its text, and keeps who may read it.
    pub fn replace(&self, text: &str) -> std::io::Result<()> {
        match &self.place {
            Place::StandardInput => Ok(()),
            Place::Beneath(directory, path) => directory.rewrite(path, text.as_bytes()),
        }
    }
}

fn standard_input() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        length if length > LARGEST => Err(std::io::Error::new(ErrorKind::FileTooLarge, "it is too long")),
        _ => Ok(bytes),
    }
}

/// What all files say together, without what is below the names in `mirrors`.
pub fn listed(files: &[NamedFile], settings: &Settings, mirrors: &[String]) -> Listed {
    let mut listed = Listed::default();
    let mut all = Vec::new();
    for file in files {
        let (name, is_named) = (file.name.clone(), file.origin == Origin::Named);
        match file.text() {
            Ok(text) => {
                let reading = read(&name, &text, file.origin, settings);
                // Of no other file anything is looked up.
                let text = Some(text).filter(|_| reading.kinds.contains(&Kind::Kubernetes));
                all.push(ReadFile { name, text, reading, is_named });
            }
            // What no name of a file says to be read is no loss, as in a directory.
            Err(_) if !is_named && !file.may_be_read() => {
                all.push(ReadFile { name, text: None, reading: Reading::default(), is_named });
            }
            Err(problem) => listed.notes.push(FileNote::of_file(&name, problem, is_named)),
        }
    }
    kustomize::settle(&mut all);
    for ReadFile { name, reading, is_named, .. } in all {
        listed.add(&name, reading, is_named);
    }
    listed.settled(mirrors)
}

/// The files that the `words` of an input name, each once, in their order; those of a directory or a glob by name.
pub fn named(
    input: &str,
    words: &[&str],
    surroundings: &Surroundings,
    workspace: &Path,
) -> Result<Vec<NamedFile>, Error> {
    let mut files: Vec<NamedFile> = Vec::new();
    for word in words {
        for file in of_word(input, word, surroundings, workspace)? {
            if !files.iter().any(|known| known.name == file.name) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn of_word(input: &str, word: &str, surroundings: &Surroundings, workspace: &Path) -> Result<Vec<NamedFile>, Error> {
    if word == STANDARD_INPUT {
        let name = "standard input".to_owned();
        return Ok(vec![NamedFile { name, origin: Origin::Named, place: Place::StandardInput }]);
    }
    if !globs::is_glob(word) {
        return exactly(input, word, surroundings, workspace);
    }
    // A name with such letters may be a file's all the same; it is read besides, and hides nothing that the glob has.
    let is_there = workspace.join(word).exists();
    if is_there && !globs::can_be_glob(input, workspace, word) {
        return exactly(input, word, surroundings, workspace);
    }
    let root = open(input, workspace)?;
    let search = if is_there { globs::matches } else { globs::files };
    let paths = search(input, &root, workspace, word)?;
    let is_missed = is_there && !paths.contains(&globs::file(input, workspace, word)?);
    let mut files: Vec<NamedFile> =
        paths.into_iter().map(|path| beneath(&root, path.clone(), &path, Origin::Searched)).collect();
    if is_missed {
        files.extend(exactly(input, word, surroundings, workspace)?);
    }
    Ok(files)
}

/// The file of exactly this name, or what is in the directory.
fn exactly(input: &str, word: &str, surroundings: &Surroundings, workspace: &Path) -> Result<Vec<NamedFile>, Error> {
    let typed = workspace.join(word);
    let unreadable = |error: &std::io::Error| unreadable(input, word, error);
    // What a person types leads where it leads; what was checked out in a job may hold links that nobody looked at.
    let (root, path) = if *surroundings == Surroundings::Terminal {
        let real = std::fs::canonicalize(&typed).map_err(|error| unreadable(&error))?;
        match (real.is_dir(), real.parent(), real.file_name()) {
            (false, Some(parent), Some(name)) => (open(input, parent)?, PathBuf::from(name)),
            _ => (open(input, &real)?, PathBuf::new()),
        }
    } else {
        (open(input, workspace)?, globs::file(input, workspace, word)?)
    };
    let found = if path.as_os_str().is_empty() { Ok(None) } else { root.metadata(&path) };
    match found {
        Ok(Some(found)) if !found.is_dir() => Ok(vec![beneath(&root, path, Path::new(word), Origin::Named)]),
        Ok(None) if !path.as_os_str().is_empty() => Err(unreadable(&ErrorKind::NotFound.into())),
        Ok(_) => {
            let mut files = Vec::new();
            walk(&root, &path, Path::new(word), &mut files, &mut MOST_NAMES.clone())
                .map_err(|error| unreadable(&error))?;
            Ok(files)
        }
        Err(error) => Err(unreadable(&error)),
    }
}

fn beneath(root: &Directory, path: PathBuf, shown: &Path, origin: Origin) -> NamedFile {
    NamedFile { name: shown.display().to_string(), origin, place: Place::Beneath(root.clone(), path) }
}

fn open(input: &str, path: &Path) -> Result<Directory, Error> {
    Directory::open(path).map_err(|error| unreadable(input, &path.display().to_string(), &error))
}

fn unreadable(input: &str, word: &str, error: &std::io::Error) -> Error {
    let name = quote(word);
    let problem = match error.kind() {
        ErrorKind::NotFound => format!("`{name}` is not there; name a file, a directory or a glob"),
        _ if leads_out(error) => format!("`{name}` leads out of the workspace; name a file below it"),
        _ => format!("`{name}` cannot be read: {error}"),
    };
    Error::input(input, problem)
}

/// The files below a directory whose names say that they may name images.
fn walk(
    root: &Directory,
    below: &Path,
    shown: &Path,
    files: &mut Vec<NamedFile>,
    left: &mut usize,
) -> std::io::Result<()> {
    let mut names = root.names(below)?;
    names.sort();
    for name in names {
        *left = left.checked_sub(1).ok_or_else(|| {
            std::io::Error::other(format!("there are more than {MOST_NAMES} files; name a directory of fewer"))
        })?;
        let Some(text) = name.to_str() else { continue };
        let (path, shown) = (below.join(&name), shown.join(&name));
        // A link is another name of what is somewhere else; a directory's would be walked without an end.
        let Ok(Some(found)) = root.symlink_metadata(&path) else { continue };
        if found.is_dir() && !LEFT_OUT.contains(&text) {
            walk(root, &path, &shown, files, left)?;
        } else if found.is_file() && may_be_read(text) {
            files.push(beneath(root, path, &shown, Origin::Searched));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::named;
    use crate::runner::Surroundings;

    #[test]
    fn a_word_is_a_file_a_directory_or_a_glob_and_in_a_job_below_the_workspace() {
        let all = tempfile::tempdir().unwrap();
        let workspace = all.path().join("workspace");
        fs::create_dir_all(workspace.join("k8s/deep")).unwrap();
        fs::create_dir_all(workspace.join(".github/workflows")).unwrap();
        fs::create_dir_all(workspace.join(".git")).unwrap();
        fs::create_dir(all.path().join("outside")).unwrap();
        for name in [
            "Dockerfile",
            "README.md",
            "requirements.txt",
            "k8s/a.yml",
            "k8s/deep/b.yaml",
            ".github/workflows/ci.yml",
            ".git/config.yml",
            "../outside/c.yml",
        ] {
            fs::write(workspace.join(name), "a: b").unwrap();
        }
        symlink("../../outside", workspace.join("k8s/out")).unwrap();
        symlink(".", workspace.join("k8s/loop")).unwrap();
        let names = |words: &[&str], surroundings: &Surroundings| {
            let files = named("images-from", words, surroundings, &workspace).map_err(|error| error.to_string())?;
            let prefix = format!("{}/", workspace.display());
            let names: Vec<String> = files.iter().map(|file| file.name.replace(&prefix, "")).collect();
            Ok::<_, String>(names.join(" "))
        };
        let whole = workspace.join("k8s").display().to_string();
        for surroundings in [Surroundings::Terminal, Surroundings::Actions] {
            for (words, expected) in [
                (&["."][..], "./.github/workflows/ci.yml ./Dockerfile ./k8s/a.yml ./k8s/deep/b.yaml"),
                (&["k8s", "k8s/a.yml"], "k8s/a.yml k8s/deep/b.yaml"),
                (&["requirements.txt"], "requirements.txt"),
                (&["k8s/**/*.y*ml", "Dockerfile"], "k8s/a.yml k8s/deep/b.yaml Dockerfile"),
                (&[".github/workflows/*.yml"], ".github/workflows/ci.yml"),
                (&["k8s/**"], "k8s/a.yml k8s/deep/b.yaml"),
                (&[&*whole], "k8s/a.yml k8s/deep/b.yaml"),
            ] {
                assert_eq!(names(words, &surroundings).as_deref(), Ok(expected), "{words:?}");
            }
            assert!(names(&["none.yml"], &surroundings).unwrap_err().contains("`none.yml` is not there"));
        }
        let outside = all.path().join("outside/c.yml").display().to_string();
        assert_eq!(names(&[&outside], &Surroundings::Terminal).as_deref(), Ok(&*outside));
        assert_eq!(names(&["../outside/c.yml"], &Surroundings::Terminal).as_deref(), Ok("../outside/c.yml"));
        for word in [&*outside, "../outside/c.yml", "k8s/out/c.yml"] {
            let problem = names(&[word], &Surroundings::Actions).unwrap_err();
            assert!(problem.contains("not below the workspace") || problem.contains("leads out"), "{word}: {problem}");
        }
    }

    #[test]
    fn a_files_own_name_hides_nothing_of_a_glob_and_no_other_file_stands_for_it() {
        let workspace = tempfile::tempdir().unwrap();
        fs::create_dir_all(workspace.path().join("lit/[x]")).unwrap();
        for name in ["lit/a.yml", "lit/*.yml", "lit/[prod].yml", "lit/p.yml", "lit/[.yml", "lit/[x]/c.yml"] {
            fs::write(workspace.path().join(name), "a: b").unwrap();
        }
        for surroundings in [Surroundings::Terminal, Surroundings::Actions] {
            for (word, expected) in [
                ("lit/*.yml", "lit/*.yml lit/[.yml lit/[prod].yml lit/a.yml lit/p.yml"),
                ("./lit/*.yml", "lit/*.yml lit/[.yml lit/[prod].yml lit/a.yml lit/p.yml"),
                ("lit/[prod].yml", "lit/p.yml lit/[prod].yml"),
                ("lit/[.yml", "lit/[.yml"),
                ("lit/[x]", "lit/[x]/c.yml"),
            ] {
                let files = named("images-from", &[word], &surroundings, workspace.path()).unwrap();
                let names: Vec<&str> = files.iter().map(|file| &*file.name).collect();
                assert_eq!(names.join(" "), expected, "{word}");
                assert!(files.iter().all(|file| file.text().is_ok()));
            }
            let missing = named("env-file", &["nope.env"], &surroundings, workspace.path()).unwrap_err();
            assert!(missing.to_string().contains("input `env-file`: `nope.env` is not there"), "{missing}");
        }
    }
}
