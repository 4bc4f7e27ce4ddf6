//! Where consumer configuration is written: a directory below the workspace, and nowhere else.
//!
//! Owns that promise: no `..`, nothing absolute outside, no symbolic link that leads out.

use std::path::{Component, Path, PathBuf};

use crate::emit::files::EmittedFile;
use crate::error::Error;
use crate::text::quote::shown;

/// The input.
const INPUT: &str = "emit-directory";

/// A directory below the workspace. It need not exist yet.
#[derive(Clone, Debug)]
pub struct Directory {
    workspace: PathBuf,
    /// Relative to the workspace, ordinary components only.
    below: PathBuf,
}

impl Directory {
    /// Judges `path`, absolute or relative to `workspace`, as far as it exists. Creates nothing.
    pub fn new(workspace: &Path, path: &str) -> Result<Self, Error> {
        let outside = || {
            let problem = "`{}` is not below the workspace; name a directory in it, without `..` and without links out";
            Error::input(INPUT, problem.replace("{}", &shown(path)))
        };
        let workspace = workspace.canonicalize().map_err(|error| {
            Error::input(INPUT, format!("needs the workspace {}, which cannot be read: {error}", workspace.display()))
        })?;
        let given = Path::new(path);
        let below = if given.is_absolute() { given.strip_prefix(&workspace).map_err(|_| outside())? } else { given };
        let mut plain = PathBuf::new();
        for component in below.components() {
            match component {
                Component::Normal(name) => plain.push(name),
                Component::CurDir => {}
                _ => return Err(outside()),
            }
        }
        let directory = Self { workspace, below: plain };
        if !directory.is_inside(&directory.below) {
            return Err(outside());
        }
        Ok(directory)
    }

    /// Writes one file, and the directories above it. The file is replaced as a whole, and a link in its place with it.
    pub fn write(&self, file: &EmittedFile) -> Result<(), Error> {
        let relative = self.below.join(&file.path);
        let path = self.workspace.join(&relative);
        let failed = |what: &str| Error::Local(format!("{} cannot be written: {what}", path.display()));
        let Some(parent) = relative.parent() else { return Err(failed("it has no directory")) };
        let mut made = PathBuf::new();
        for component in parent.components() {
            made.push(component);
            // Judged before each step: what was a directory when the run began may be a link now.
            if !self.is_inside(&made) {
                return Err(failed("a link on its way leads out of the workspace"));
            }
            match std::fs::create_dir(self.workspace.join(&made)) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(failed(&error.to_string()));
                }
                _ => {}
            }
        }
        let new = path.with_file_name(format!(".mirror-image-{}.tmp", std::process::id()));
        let put = || {
            std::fs::remove_file(&new)
                .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
            // Not followed if somebody puts a link there: `create_new` fails then.
            let mut file_there = std::fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
            std::io::Write::write_all(&mut file_there, file.text.as_bytes())?;
            std::fs::rename(&new, &path)
        };
        put().map_err(|error: std::io::Error| failed(&error.to_string()))
    }

    /// Whether `below`, as far as it exists, lies in the workspace once its links are followed.
    fn is_inside(&self, below: &Path) -> bool {
        let mut path = self.workspace.join(below);
        loop {
            match path.canonicalize() {
                Ok(real) => return real.starts_with(&self.workspace),
                // A link to nothing is there and leads nobody knows where.
                Err(_) if path.symlink_metadata().is_ok() => return false,
                Err(_) => {}
            }
            if !path.pop() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Directory;
    use crate::emit::files::EmittedFile;

    #[test]
    fn nothing_is_written_outside_the_workspace() {
        let all = tempfile::tempdir().unwrap();
        let (workspace, outside) = (all.path().join("workspace"), all.path().join("outside"));
        for directory in [&workspace, &outside] {
            std::fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::symlink(&outside, workspace.join("out")).unwrap();
        std::os::unix::fs::symlink(all.path().join("nothing"), workspace.join("dangling")).unwrap();
        std::fs::create_dir(workspace.join("real")).unwrap();
        std::os::unix::fs::symlink("real", workspace.join("in")).unwrap();
        let absolute = outside.display().to_string();
        for bad in ["..", "a/../../b", "/", "/etc", &absolute, "out", "out/deep", "dangling", "dangling/deep"] {
            let problem = Directory::new(&workspace, bad).unwrap_err();
            assert!(
                problem.is_input() && problem.to_string().contains("is not below the workspace"),
                "{bad}: {problem}"
            );
        }
        let inside = workspace.join("absolute").display().to_string();
        let file = EmittedFile { path: "a/b.txt".to_owned(), language: "text", text: "x".to_owned() };
        for good in ["mirror-image", "./a/b", ".", "in", &inside] {
            Directory::new(&workspace, good).unwrap().write(&file).unwrap();
        }
        assert!(workspace.join("real/a/b.txt").is_file() && workspace.join("absolute/a/b.txt").is_file());
        // A link in the place of a file is replaced, one in the place of a directory is refused.
        let directory = Directory::new(&workspace, "late").unwrap();
        directory.write(&file).unwrap();
        std::fs::write(outside.join("victim"), "before").unwrap();
        std::fs::remove_file(workspace.join("late/a/b.txt")).unwrap();
        std::os::unix::fs::symlink(outside.join("victim"), workspace.join("late/a/b.txt")).unwrap();
        directory.write(&file).unwrap();
        assert_eq!(std::fs::read_to_string(outside.join("victim")).unwrap(), "before");
        std::fs::remove_dir_all(workspace.join("late/a")).unwrap();
        std::os::unix::fs::symlink(&outside, workspace.join("late/a")).unwrap();
        assert!(directory.write(&file).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }
}
