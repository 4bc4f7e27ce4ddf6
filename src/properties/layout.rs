//! What must hold of a layout, whatever its `index.json` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde_json::Value;

use crate::error::Side;
use crate::error::object::Object;
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::blob;
use crate::store::content::TagOrDigest;
use crate::store::layout::Layout;
use crate::store::layout::shared::Layouts;

/// The files of an OCI image layout, parted by a line `%%`: `oci-layout`, `index.json`, then blobs. In each, `{digest:N}`
/// and `{size:N}` stand for those of the blob with that number. A blob that begins with `link:` is a link to what follows,
/// one that begins with `wrong:` has the name of what follows and other bytes, `folder:` is a directory.
///
/// What is read out of it hashes to its name, nothing outside is read or written, and what is written into it leaves what
/// others wrote where it was.
pub fn layout(data: &[u8], scratch: &Path) {
    let outside = scratch.join("outside");
    let directory = scratch.join("layout");
    fs::create_dir_all(&outside).unwrap_or_else(|error| panic!("{error}"));
    let _ = fs::remove_dir_all(&directory);
    let secret = br#"{"schemaVersion":2,"config":{},"layers":[],"from":"outside"}"#;
    let _ = fs::write(outside.join("secret"), secret);
    let Some(named) = lay_out(data, &directory) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(async {
        read_layout(&directory, &named).await;
        write_layout(&directory).await;
    });
    let left: Vec<PathBuf> = fs::read_dir(&outside).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, [outside.join("secret")], "something was written outside");
    assert!(fs::read(outside.join("secret")).is_ok_and(|bytes| bytes == secret), "something was changed outside");
}

/// Writes the files; the descriptors of the blobs.
pub fn lay_out(data: &[u8], directory: &Path) -> Option<Vec<Descriptor>> {
    let text = String::from_utf8_lossy(data);
    let mut files = text.split("\n%%\n");
    let (mark, index) = (files.next()?, files.next()?);
    let mut named: Vec<Descriptor> = Vec::new();
    let filled = |text: &str, named: &[Descriptor]| {
        named.iter().enumerate().fold(text.to_owned(), |text, (number, blob)| {
            text.replace(&format!("{{digest:{number}}}"), blob.digest.as_str())
                .replace(&format!("{{size:{number}}}"), &blob.size.to_string())
        })
    };
    fs::create_dir_all(directory.join("blobs/sha256")).ok()?;
    for blob in files.take(16) {
        let blob = filled(blob, &named);
        let kind = blob.split_once(':').map_or("", |(kind, _)| kind).to_owned();
        let bytes = blob.strip_prefix("wrong:").unwrap_or(&blob).as_bytes();
        let digest = Digest::of(bytes);
        let path = directory.join("blobs/sha256").join(digest.hex());
        let size = bytes.len() as u64;
        let _ = match (kind.as_str(), blob.strip_prefix("link:")) {
            (_, Some(to)) => std::os::unix::fs::symlink(to, path),
            ("folder", _) => fs::create_dir(path),
            ("wrong", _) => fs::write(path, [bytes, b"!"].concat()),
            _ => fs::write(path, bytes),
        };
        named.push(Descriptor::new("", digest, size));
    }
    fs::write(directory.join("oci-layout"), filled(mark, &named)).ok()?;
    match index.strip_prefix("link:") {
        Some(to) => std::os::unix::fs::symlink(to, directory.join("index.json")).ok()?,
        None => fs::write(directory.join("index.json"), filled(index, &named)).ok()?,
    }
    Some(named)
}

pub fn meter() -> Arc<Meter> {
    Arc::new(Meter::new(Events::new().0))
}

pub async fn read_layout(directory: &Path, named: &[Descriptor]) {
    let Ok(layout) = Layout::open(&Layouts::default(), Side::Source, directory, meter()) else { return };
    let assert_right = |manifest: &Manifest| {
        assert!(manifest.digest.matches(&manifest.bytes));
        assert!(!String::from_utf8_lossy(&manifest.bytes).contains("outside"), "a link out of the layout was followed");
    };
    for tag in layout.tags().await.unwrap_or_default().iter().take(16) {
        if let Ok(manifest) = layout.get_manifest(TagOrDigest::Tag(tag)).await {
            assert_right(&manifest);
        }
    }
    if let Ok(root) = layout.default_root().await
        && let Ok(manifest) = layout.get_manifest(TagOrDigest::Digest(&root.digest)).await
    {
        assert_right(&manifest);
    }
    for descriptor in named {
        if let Ok(manifest) = layout.get_manifest(TagOrDigest::Digest(&descriptor.digest)).await {
            assert_right(&manifest);
        }
        let _ = layout.referrers(&descriptor.digest).await;
        let there = layout.head_blob(descriptor).await;
        if let Ok(stream) = layout.read_blob(descriptor).await {
            assert!(there.is_ok_and(|size| size == Some(descriptor.size)));
            let pieces: Result<Vec<Bytes>, _> =
                blob::checked(stream, descriptor, Object::directory(Path::new("layout"))).try_collect().await;
            assert!(pieces.is_err() || pieces.is_ok_and(|pieces| descriptor.digest.matches(&pieces.concat())));
        }
    }
}

pub async fn write_layout(directory: &Path) {
    let entries = || -> Option<Vec<Value>> {
        let path = directory.join("index.json");
        let bytes = fs::metadata(&path).is_ok_and(|found| found.is_file()).then(|| fs::read(&path))?;
        let index: Value = serde_json::from_slice(&bytes.ok()?).ok()?;
        Some(index.get("manifests")?.as_array().cloned().unwrap_or_default())
    };
    let before = entries();
    let bytes = Bytes::from_static(
        br#"{"schemaVersion":2,"config":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#,
    );
    let digest = Digest::of(&bytes);
    let Ok(manifest) = Manifest::parse(bytes, None, digest) else { return };
    let Ok(layout) = Layout::create(&Layouts::default(), Side::Target, directory, meter()) else { return };
    if layout.put_manifest(TagOrDigest::Tag("fuzzed"), &manifest).await.is_err() {
        return;
    }
    let found = layout.head_manifest(TagOrDigest::Tag("fuzzed")).await;
    assert_eq!(found.ok().flatten().map(|found| found.digest), Some(manifest.digest.clone()));
    let after = entries().unwrap_or_default();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
    for entry in before.unwrap_or_default() {
        assert!(name(&entry).as_deref() == Some("fuzzed") || after.contains(&entry), "{entry} was lost");
    }
}
