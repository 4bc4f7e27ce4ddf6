//! A directory that nothing leads out of, and whose files are replaced whole.
//!
//! Owns both promises: every path is relative and is opened beneath the directory by the kernel or component by component,
//! so that a link that leads out is refused even if it was put there a moment ago; and a file is written beside its place
//! and renamed into it, so that a reader finds the old one or the new one. Never opens what its caller gave as absolute.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{Gid, OFlags, Uid};
use rustix::io::Errno;

/// How the names of files begin that are not whole yet. A killed run leaves them behind.
pub const TEMPORARY: &str = ".tmp-";

/// An open directory. Links beneath it are followed as long as they stay beneath it; an absolute link leads out, wherever
/// it points.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Dir>);

impl Directory {
    /// Opens an existing directory; `root` itself may be a link.
    pub fn open(root: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(root, ambient_authority()).map(|directory| Self(Arc::new(directory)))
    }

    /// Opens a directory beneath this one.
    pub fn directory(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        self.0.open_dir(beneath(path.as_ref())).map(|directory| Self(Arc::new(directory)))
    }

    /// The directory itself, opened once more.
    pub fn handle(&self) -> io::Result<File> {
        self.0.open(".").map(cap_std::fs::File::into_std)
    }

    /// What is at `path`, links followed; none where there is nothing.
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Option<Metadata>> {
        found(self.0.metadata(path))
    }

    /// Whether the directory that a file at `path` is to be in is there.
    pub fn has_parent(&self, path: &Path) -> io::Result<bool> {
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => Ok(self.metadata(folder)?.is_some_and(|there| there.is_dir())),
            None => Ok(true),
        }
    }

    /// Whether a link is at `path` itself.
    pub fn is_link(&self, path: impl AsRef<Path>) -> bool {
        self.0.symlink_metadata(path).is_ok_and(|found| found.is_symlink())
    }

    /// What is at `path`, a link for itself; none where there is nothing.
    pub fn symlink_metadata(&self, path: impl AsRef<Path>) -> io::Result<Option<Metadata>> {
        found(self.0.symlink_metadata(path))
    }

    /// Opens a regular file to read it; none where there is nothing.
    pub fn open_file(&self, path: impl AsRef<Path>) -> io::Result<Option<File>> {
        // To open a pipe waits for its other end.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let opened = self.0.open_with(path, OpenOptions::new().read(true).custom_flags(flags));
        let Some(file) = found(opened)?.map(cap_std::fs::File::into_std) else { return Ok(None) };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Some(file))
    }

    /// Opens a regular file, which need not exist, to add to it.
    pub fn append(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let no_file = || io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
        let opened = self.0.open_with(&path, OpenOptions::new().append(true).create(true).custom_flags(flags));
        // A pipe that nobody reads, and a socket, are refused by the kernel in words that name neither.
        let opened = opened.map_err(|error| match self.0.metadata(&path) {
            Ok(found) if !found.is_file() && !found.is_dir() => no_file(),
            _ => error,
        });
        let file = opened?.into_std();
        if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
    }

    /// A file's bytes; none where there is nothing. Fails with [`ErrorKind::FileTooLarge`] beyond `max_bytes`.
    pub fn read(&self, path: impl AsRef<Path>, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open_file(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {max_bytes} bytes")));
        }
        Ok(Some(bytes))
    }

    /// The names of what is in the directory `path`.
    pub fn names(&self, path: impl AsRef<Path>) -> io::Result<Vec<std::ffi::OsString>> {
        self.0.read_dir(beneath(path.as_ref()))?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Makes the directory `path` and those above it, as far as they are missing.
    pub fn create_directories(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match path.as_ref() {
            path if path.as_os_str().is_empty() => Ok(()),
            path => self.0.create_dir_all(path),
        }
    }

    /// A new file in the existing directory `folder`, on its way to a name there.
    pub fn temporary(&self, folder: impl AsRef<Path>) -> io::Result<Temporary> {
        self.begin(folder.as_ref(), 0o666)
    }

    /// A new file of the same owner and mode as another; nobody else could open it before it had them.
    fn temporary_like(&self, folder: &Path, other: &std::fs::Metadata) -> io::Result<Temporary> {
        let temporary = self.begin(folder, 0o600)?;
        let own = temporary.file.metadata()?;
        if (own.uid(), own.gid()) != (other.uid(), other.gid()) {
            let (owner, group) = (Uid::from_raw(other.uid()), Gid::from_raw(other.gid()));
            // Who may not give a file away may still give it to a group of theirs; else it is theirs, as with an editor.
            let given = rustix::fs::fchown(&temporary.file, Some(owner), Some(group));
            match given.or_else(|_| rustix::fs::fchown(&temporary.file, None, Some(group))) {
                Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Behind the owner: a change of it takes away what runs a file as its owner.
        temporary.file.set_permissions(other.permissions())?;
        Ok(temporary)
    }

    fn begin(&self, folder: &Path, mode: u32) -> io::Result<Temporary> {
        let mut random = [0; 8];
        getrandom::getrandom(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = PathBuf::from(format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random)));
        // Held open: what is renamed later is in the same directory, whatever became of the path to it.
        let folder = self.0.open_dir(beneath(folder))?;
        let options = OpenOptions::new().write(true).create_new(true).mode(mode).clone();
        let file = folder.open_with(&name, &options)?.into_std();
        // Tells a sweeping run that the file has a writer; where locks are unknown, nothing is swept.
        let _ = file.try_lock();
        Ok(Temporary { file, folder, name, kept: false })
    }

    /// Replaces the file `path` as a whole; a link in its place is replaced, not followed. Its directory must exist.
    pub fn replace(&self, path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        let path = path.as_ref();
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not the name of a file"));
        };
        let mut temporary = self.temporary(folder)?;
        temporary.file.write_all(bytes)?;
        temporary.keep(name)
    }

    /// Replaces a file as a whole, and keeps whose it is and who may read, write and run it. Fails where it is a link.
    pub fn rewrite(&self, path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        let path = path.as_ref();
        let no_file = |what: &str| io::Error::new(ErrorKind::InvalidInput, what.to_owned());
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(no_file("it is not the name of a file"));
        };
        if !self.0.symlink_metadata(path)?.is_file() {
            return Err(no_file("it is a link, or no file"));
        }
        let old = self.0.open(path)?.into_std().metadata()?;
        let mut temporary = self.temporary_like(folder, &old)?;
        temporary.file.write_all(bytes)?;
        temporary.keep(name)
    }

    /// Removes the file `path`, or the link in its place.
    pub fn remove(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.remove_file(path)
    }
}

/// `path` as it is named from `root`: an absolute one, as a person or a workflow may give it, without what leads to `root`.
/// One that is elsewhere stays as it is, and is refused when it is opened.
pub fn within(root: &Path, path: &Path) -> PathBuf {
    if !path.is_absolute() {
        return path.to_owned();
    }
    // The way to `root` may be written with links or without; what is below it is opened beneath it in any case.
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let below = path.strip_prefix(root).or_else(|_| path.strip_prefix(&real)).map(Path::to_owned);
    below
        .ok()
        .or_else(|| {
            path.ancestors().find_map(|above| {
                let rest = path.strip_prefix(above).ok()?;
                (above.canonicalize().ok()? == real).then(|| rest.to_owned())
            })
        })
        .unwrap_or_else(|| path.to_owned())
}

/// Whether a failure means that a link, or the path itself, leads out of the directory. The kernel's own refusals for
/// missing rights carry a number.
pub fn leads_out(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// A file on its way to its name; removed when it does not get there.
pub struct Temporary {
    pub file: File,
    folder: Dir,
    name: PathBuf,
    kept: bool,
}

impl Temporary {
    /// Makes it durable, then visible under `name` in its directory.
    pub fn keep(mut self, name: impl AsRef<Path>) -> io::Result<()> {
        self.file.sync_all()?;
        self.folder.rename(&self.name, &self.folder, name)?;
        self.kept = true;
        // A directory cannot be synced everywhere, and the file is whole either way.
        if let Ok(folder) = self.folder.open(".") {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

/// The directory itself has no name beneath itself but this one.
fn beneath(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{ErrorKind, Write as _};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::{Directory, leads_out};

    #[test]
    fn nothing_leads_out_whether_it_is_read_written_or_made() {
        let all = tempfile::tempdir().unwrap();
        let (root, outside) = (all.path().join("root"), all.path().join("outside"));
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "s").unwrap();
        fs::write(root.join("real/file"), "f").unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink("../outside/secret", root.join("file")).unwrap();
        symlink("real", root.join("in")).unwrap();
        let directory = Directory::open(&root).unwrap();
        let absolute = outside.join("secret");
        for path in ["out/secret".as_ref(), "file".as_ref(), "../outside/secret".as_ref(), absolute.as_path()] {
            assert!(leads_out(&directory.read(path, 9).unwrap_err()), "{}", path.display());
        }
        symlink(outside.join("new"), root.join("dangling")).unwrap();
        for path in ["out/secret", "file", "dangling", "../outside/secret"] {
            assert!(leads_out(&directory.append(path).unwrap_err()), "{path}");
        }
        for path in ["out/new", "../new", "out/a/b"] {
            assert!(leads_out(&directory.replace(path, b"x").unwrap_err()), "{path}");
            assert!(directory.create_directories(path).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(directory.read("in/file", 9).unwrap().unwrap(), b"f");
        directory.append("in/file").unwrap().write_all(b"g").unwrap();
        assert_eq!(fs::read(root.join("real/file")).unwrap(), b"fg");
        // A link in the place of a file is replaced and what it led to stays.
        directory.replace("file", b"own").unwrap();
        assert_eq!((fs::read(&absolute).unwrap(), fs::read(root.join("file")).unwrap()), (b"s".into(), b"own".into()));
        assert!(directory.rewrite("in/none", b"x").is_err());
        symlink("file", root.join("real/link")).unwrap();
        assert!(directory.rewrite("real/link", b"x").unwrap_err().to_string().contains("it is a link"));
        fs::set_permissions(root.join("real/file"), fs::Permissions::from_mode(0o750)).unwrap();
        directory.rewrite("real/file", b"new").unwrap();
        assert_eq!(fs::metadata(root.join("real/file")).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read(root.join("real/file")).unwrap(), b"new");
        directory.remove("out").unwrap();
        assert!(absolute.exists() && directory.metadata("out").unwrap().is_none());
    }

    #[test]
    fn what_is_rewritten_stays_whose_it_was_and_is_nobody_elses_on_its_way() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "old").unwrap();
        let directory = Directory::open(root.path()).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(&path, Some(1001), Some(1002)).unwrap();
        }
        let facts = |found: &fs::Metadata| (found.uid(), found.gid(), found.mode() & 0o7777);
        for mode in [0o600, 0o640, 0o755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let old = fs::metadata(&path).unwrap();
            assert!(!is_root || facts(&old) == (1001, 1002, mode));
            // It is so before there is a byte in it.
            let temporary = directory.temporary_like("".as_ref(), &old).unwrap();
            let begun = temporary.file.metadata().unwrap();
            assert_eq!((facts(&begun), begun.len()), (facts(&old), 0));
            drop(temporary);
            directory.rewrite("file", b"new").unwrap();
            assert_eq!(facts(&fs::metadata(&path).unwrap()), facts(&old));
        }
        assert_eq!(directory.begin("".as_ref(), 0o600).unwrap().file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::open(root.path()).unwrap();
        directory.create_directories("a/b").unwrap();
        directory.create_directories("").unwrap();
        let mut temporary = directory.temporary("a/b").unwrap();
        temporary.file.write_all(b"half").unwrap();
        assert_eq!(directory.names("a/b").unwrap().len(), 1);
        drop(temporary);
        assert!(directory.names("a/b").unwrap().is_empty());
        // A name that cannot be taken leaves nothing behind.
        directory.create_directories("a/b/taken/x").unwrap();
        assert!(directory.replace("a/b/taken", b"x").is_err());
        directory.replace("a/b/file", b"old").unwrap();
        directory.replace("a/b/file", b"new").unwrap();
        assert_eq!(directory.read("a/b/file", 3).unwrap().unwrap(), b"new");
        let mut names = directory.names("a/b").unwrap();
        names.sort();
        assert_eq!(names, ["file", "taken"]);
        assert_eq!(directory.read("a/b/file", 2).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(directory.read("a/b/taken", 9).unwrap_err().to_string().contains("not a regular file"));
        assert!(directory.read("a/b/none", 9).unwrap().is_none() && directory.names("").unwrap() == ["a"]);
    }
}
