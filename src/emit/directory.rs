//! Where consumer configuration is written: a directory below the workspace, and nowhere else.
//!
//! Owns which directories are accepted. That nothing leads out later is [`directory::Directory`]'s promise.

use std::path::{Component, Path, PathBuf};

use crate::directory;
use crate::emit::files::EmittedFile;
use crate::error::Error;
use crate::text::quote::quote;

/// The input.
const INPUT: &str = "emit-directory";

/// A directory below the workspace. It need not exist yet.
#[derive(Clone, Debug)]
pub struct Directory {
    workspace: directory::Directory,
    /// The workspace's path, for sentences.
    path: PathBuf,
    /// Relative to the workspace, ordinary components only, links resolved.
    below: PathBuf,
}

impl Directory {
    /// Judges `path`, absolute or relative to `workspace`, as far as it exists. Creates nothing.
    pub fn new(workspace: &Path, path: &str) -> Result<Self, Error> {
        let outside = || {
            let problem = "`{}` is not below the workspace; name a directory in it, without `..` and without links out";
            Error::input(INPUT, problem.replace("{}", &quote(path)))
        };
        let open = |path: &Path| Ok((directory::Directory::open(path)?, path.canonicalize()?));
        let (root, workspace) = open(workspace).map_err(|error: std::io::Error| {
            Error::input(INPUT, format!("needs the workspace {}, which cannot be read: {error}", workspace.display()))
        })?;
        let below = directory::within(&workspace, Path::new(path));
        let mut plain = PathBuf::new();
        for component in below.components() {
            match component {
                Component::Normal(name) => plain.push(name),
                Component::CurDir => {}
                _ => return Err(outside()),
            }
        }
        let below = resolved(&workspace, &plain).ok_or_else(outside)?;
        Ok(Self { workspace: root, path: workspace, below })
    }

    /// Where it is, from the workspace on.
    pub fn below(&self) -> &Path {
        &self.below
    }

    /// Writes one file, and the directories above it. The file is replaced as a whole, and a link in its place with it.
    pub fn write(&self, file: &EmittedFile) -> Result<(), Error> {
        let relative = self.below.join(&file.path);
        let folder = relative.parent().unwrap_or(Path::new(""));
        let written = self.workspace.create_directories(folder);
        written.and_then(|()| self.workspace.replace(&relative, file.text.as_bytes())).map_err(|error| {
            let problem = if directory::leads_out(&error) {
                "a link on its way leads out of the workspace".to_owned()
            } else {
                error.to_string()
            };
            Error::Local(format!("{} cannot be written: {problem}", self.path.join(&relative).display()))
        })
    }
}

/// `below` with the links of what exists of it followed; none where they lead out of the workspace.
fn resolved(workspace: &Path, below: &Path) -> Option<PathBuf> {
    let missing = |existing: &Path| below.strip_prefix(existing).map(Path::to_owned).unwrap_or_default();
    for existing in below.ancestors() {
        let path = workspace.join(existing);
        match path.canonicalize() {
            Ok(real) => return Some(real.strip_prefix(workspace).ok()?.join(missing(existing))),
            // A link to nothing: where it will lead is not known.
            Err(_) if path.symlink_metadata().is_ok() => return None,
            Err(_) => {}
        }
    }
    None
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
