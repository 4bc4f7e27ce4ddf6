//! Files that an input or a variable names.
//!
//! Owns that a name never makes the program stand still: to open a pipe waits for its other end, and what is behind a device
//! need not end. What is read is a regular file; what is written is one, a device, or a stream that this process has anyway
//! (`/dev/stdout`). Judged by what was opened, not by what was there a moment before. Never creates a directory.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// The bytes of a file that is no longer than `max_bytes`.
///
/// Fails with [`ErrorKind::InvalidInput`] where it is no regular file, with [`ErrorKind::FileTooLarge`] where it is too long.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open(path, OpenOptions::new().read(true))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(no_file(metadata.file_type()));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {max_bytes} bytes")));
    }
    Ok(bytes)
}

/// Whether [`read`] would begin to read.
pub fn check(path: &Path) -> io::Result<()> {
    let kind = open(path, OpenOptions::new().read(true))?.metadata()?.file_type();
    if kind.is_file() { Ok(()) } else { Err(no_file(kind)) }
}

/// Opens a file, which need not exist, to add to it.
///
/// Fails with [`ErrorKind::InvalidInput`] where it is a pipe, a socket or a disk.
pub fn append(path: &Path) -> io::Result<File> {
    if let Some(stream) = std::fs::metadata(path).ok().and_then(|metadata| own_stream(&metadata)) {
        return Ok(stream.into());
    }
    let file = open(path, OpenOptions::new().append(true).create(true))?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_char_device() {
        return Err(no_file(kind));
    }
    // Only the opening was not to wait.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Whether a failure means that there is something else than a file.
pub fn is_no_file(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidInput && error.raw_os_error().is_none()
}

/// Opens without waiting for what may be at the other end.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path);
    // A pipe that nobody reads, and a socket, are refused by the kernel in words that name neither.
    opened.map_err(|error| match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_fifo() || found.file_type().is_socket() => no_file(found.file_type()),
        _ => error,
    })
}

/// The standard stream of this process that `metadata` is of, once more: what it is, its reader is there or is not missed.
fn own_stream(metadata: &Metadata) -> Option<OwnedFd> {
    let streams = [std::io::stdout().as_fd().try_clone_to_owned(), std::io::stderr().as_fd().try_clone_to_owned()];
    streams.into_iter().flatten().find(|stream| {
        let stream = stream.try_clone().map(File::from).and_then(|stream| stream.metadata());
        stream.is_ok_and(|stream| (stream.dev(), stream.ino()) == (metadata.dev(), metadata.ino()))
    })
}

fn no_file(kind: FileType) -> io::Error {
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "a device"
    };
    io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a regular file"))
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::{append, is_no_file, read};

    #[test]
    fn nothing_but_a_file_is_opened_and_nothing_is_waited_for() {
        let all = tempfile::tempdir().unwrap();
        let at = |name: &str| all.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        for name in ["pipe", "link", "socket"] {
            for problem in [read(&at(name), 9).unwrap_err(), append(&at(name)).unwrap_err()] {
                assert!(is_no_file(&problem), "{name}: {problem}");
                assert!(problem.to_string().ends_with(", not a regular file"), "{name}: {problem}");
            }
        }
        assert!(is_no_file(&read(Path::new("/dev/zero"), 9).unwrap_err()));
        assert!(is_no_file(&read(all.path(), 9).unwrap_err()));
        // A pipe with a reader can be opened; it is none of ours.
        let _reader = std::fs::OpenOptions::new().read(true).write(true).open(at("pipe")).unwrap();
        assert!(is_no_file(&append(&at("pipe")).unwrap_err()));
        for (name, kind) in [("absent", ErrorKind::NotFound), ("socket/x", ErrorKind::NotADirectory)] {
            assert_eq!(read(&at(name), 9).unwrap_err().kind(), kind);
        }
        assert_eq!(append(all.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_file_is_read_and_added_to() {
        let all = tempfile::tempdir().unwrap();
        let path = all.path().join("file");
        append(&path).unwrap().write_all(b"one ").unwrap();
        append(&path).unwrap().write_all(b"two").unwrap();
        assert_eq!(read(&path, 7).unwrap(), b"one two");
        assert_eq!(read(&path, 6).unwrap_err().kind(), ErrorKind::FileTooLarge);
        append(Path::new("/dev/null")).unwrap().write_all(b"x").unwrap();
        let full = append(Path::new("/dev/full")).unwrap().write_all(b"x").unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }
}
