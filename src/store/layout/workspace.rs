//! The workspace of a job: what was checked out there may hold links that nobody looked at.
//!
//! Owns that a directory which is named in it is in it. What is named elsewhere, and whatever a person types at a terminal, leads
//! where it leads.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use crate::directory::Directory;

/// It, open.
pub struct Workspace {
    /// As it is named, without `.` and `..`.
    named: PathBuf,
    /// Without links.
    real: PathBuf,
    directory: Directory,
}

impl Workspace {
    /// None where there is none.
    pub fn open(path: &Path) -> Option<Self> {
        let (named, real) = (plain(path).ok()?, path.canonicalize().ok()?);
        Some(Self { named, directory: Directory::open(&real).ok()?, real })
    }

    /// Where `directory`, whose real path is `root`, is below the workspace; none where it is named elsewhere. Fails as
    /// [`Directory`] does where a link leads out.
    pub fn place(&self, directory: &Path, root: &Path) -> io::Result<Option<(Directory, PathBuf)>> {
        let named = plain(directory)?;
        if !named.starts_with(&self.named) && !named.starts_with(&self.real) {
            return Ok(None);
        }
        match root.strip_prefix(&self.real) {
            Ok(below) => Ok(Some((self.directory.clone(), below.to_owned()))),
            Err(_) => Err(io::Error::new(ErrorKind::PermissionDenied, "a link leads out of the workspace")),
        }
    }
}

/// `path` as it is written, absolute, without `.` and `..`.
fn plain(path: &Path) -> io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::Workspace;
    use crate::directory::leads_out;
    use crate::store::layout::files::real_root;

    #[test]
    fn a_directory_that_is_named_in_the_workspace_is_in_it() {
        let all = tempfile::tempdir().unwrap();
        let (checkout, outside) = (all.path().join("checkout"), all.path().join("outside"));
        fs::create_dir_all(checkout.join("real/deep")).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&checkout, all.path().join("workspace")).unwrap();
        symlink("../outside", checkout.join("out")).unwrap();
        symlink(checkout.join("real"), checkout.join("in")).unwrap();
        let workspace = Workspace::open(&all.path().join("workspace")).unwrap();
        let place = |directory: &Path| {
            let place = workspace.place(directory, &real_root(directory).unwrap());
            place.map(|place| place.map(|(_, below)| below.display().to_string()))
        };
        for (name, below) in [
            ("workspace/real", Some("real")),
            ("checkout/in/deep", Some("real/deep")),
            ("workspace/new/deep", Some("new/deep")),
            ("workspace/real/../in", Some("real")),
            ("workspace", Some("")),
            ("outside", None),
            ("workspace/../outside/new", None),
        ] {
            assert_eq!(place(&all.path().join(name)).unwrap().as_deref(), below, "{name}");
        }
        for name in ["workspace/out", "workspace/out/new", "checkout/out"] {
            assert!(leads_out(&place(&all.path().join(name)).unwrap_err()), "{name}");
        }
        assert!(Workspace::open(&all.path().join("none")).is_none());
    }
}
