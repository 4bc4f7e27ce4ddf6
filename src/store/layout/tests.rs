//! A layout as one end of a copy: what is written is read back, and what is wrong is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::{Layout, Layouts};
use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::observe::counts::BlobPush;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::blob::{self, BlobSource, BlobStream};
use crate::store::content::TagOrDigest;
use crate::sync::LockExt as _;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bytes that claim to be a descriptor's.
struct Claimed(Descriptor, &'static [&'static str]);

impl BlobSource for Claimed {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        let pieces: Vec<_> = self.1.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        let stream =
            blob::checked(futures_util::stream::iter(pieces).boxed(), &self.0, Object::directory(Path::new("x")));
        async { Ok(stream) }.boxed()
    }
}

fn meter() -> Arc<Meter> {
    Arc::new(Meter::new(crate::observe::events::Events::new().0))
}

/// The layouts of one run: that of all tests.
fn layouts() -> &'static Layouts {
    static LAYOUTS: LazyLock<Layouts> = LazyLock::new(Layouts::default);
    &LAYOUTS
}

fn target(directory: &Path) -> Layout {
    Layout::create(layouts(), Side::Target, directory, meter()).expect("a target")
}

fn source(directory: &Path) -> Layout {
    Layout::open(layouts(), Side::Source, directory, meter()).expect("a source")
}

fn described(text: &str) -> Descriptor {
    Descriptor { size: text.len() as u64, ..named(Digest::of(text.as_bytes())) }
}

fn named(digest: Digest) -> Descriptor {
    Descriptor::new("", digest, 0)
}

fn manifest(value: &Value) -> Manifest {
    let bytes = Bytes::from(value.to_string());
    let digest = Digest::of(&bytes);
    Manifest::parse(bytes, None, digest).expect("a manifest")
}

/// An image that differs from others by `mark`.
fn image(mark: &str) -> Manifest {
    let config = json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 });
    manifest(&json!({ "mediaType": IMAGE, "config": config, "layers": [], "annotations": { "mark": mark } }))
}

fn attached(subject: &Manifest) -> Manifest {
    let config = json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 });
    let subject = json!({ "mediaType": IMAGE, "digest": subject.digest, "size": subject.bytes.len() });
    let annotations = json!({ "kind": "signature" });
    manifest(&json!({
        "mediaType": IMAGE, "artifactType": "x/signature", "config": config, "layers": [],
        "subject": subject, "annotations": annotations,
    }))
}

fn index(directory: &Path) -> Value {
    serde_json::from_slice(&fs::read(directory.join("index.json")).expect("index.json")).expect("JSON")
}

fn edit(directory: &Path, entries: &Value) {
    let index = json!({ "schemaVersion": 2, "manifests": entries, "x-own": { "z": 1, "a": [] } });
    fs::write(directory.join("index.json"), index.to_string()).expect("written");
}

/// All files below `blobs`, by name.
fn blobs(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in fs::read_dir(directory.join("blobs")).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            found.push(file.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

fn problem<T>(result: Result<T, Error>) -> String {
    result.err().expect("a failure").to_string()
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[tokio::test]
async fn what_was_written_is_read_back() {
    let directory = Directory::new();
    let path = directory.at("deep/layout");
    let layout = target(&path);
    assert!(layout.head_manifest(TagOrDigest::Tag("v1")).await.expect("an answer").is_none());
    assert!(!path.exists(), "a look leaves no directory behind");

    let config = described("{}");
    let source_blob = Claimed(config.clone(), &["{", "}"]);
    assert_eq!(layout.push_blob(&config, &source_blob).await.expect("pushed"), BlobPush::Uploaded);
    assert_eq!(layout.push_blob(&config, &source_blob).await.expect("pushed"), BlobPush::Exists);
    let image = image("one");
    layout.put_manifest(TagOrDigest::Digest(&image.digest), &image).await.expect("put");
    assert_eq!(index(&path)["manifests"], json!([]));
    layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
    let head = layout.head_manifest(TagOrDigest::Tag("v1")).await.expect("an answer").expect("there");
    assert_eq!((head.digest, head.media_type.as_str()), (image.digest.clone(), IMAGE));

    let layout = source(&path);
    for at in [TagOrDigest::Tag("v1"), TagOrDigest::Digest(&image.digest)] {
        let read = layout.get_manifest(at).await.expect("a manifest");
        assert_eq!((read.bytes, read.media_type), (image.bytes.clone(), image.media_type.clone()));
    }
    assert_eq!(layout.default_root().await.expect("one").digest, image.digest);
    assert_eq!(layout.tags().await.expect("tags"), ["v1"]);
    assert_eq!(layout.head_blob(&config).await.expect("an answer"), Some(2));
    let bytes: Vec<Bytes> = layout.read_blob(&config).await.expect("opened").try_collect().await.expect("read");
    assert_eq!(bytes.concat(), b"{}");
    assert_eq!(fs::read(path.join("oci-layout")).expect("a mark"), br#"{"imageLayoutVersion":"1.0.0"}"#);
    assert_eq!(layout.object(TagOrDigest::Tag("v1")).to_string(), format!("oci:{}:v1", path.display()));
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let (one, other) = (target(&path), target(&path));
    let work = (0..40).map(|number| {
        let layout = if number % 2 == 0 { one.clone() } else { other.clone() };
        async move {
            let (tag, image) = (format!("v{number}"), image(&number.to_string()));
            layout.put_manifest(TagOrDigest::Tag(&tag), &image).await
        }
    });
    futures_util::future::try_join_all(work).await.expect("all put");
    assert_eq!(one.tags().await.expect("tags").len(), 40);
    assert_eq!(one.account(), other.account());
}

/// A list sets its tags one after the other: each by itself would read and write all of those before it.
#[tokio::test]
async fn names_that_wait_are_written_together_and_those_of_nobody_are_not() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    layout.put_manifest(TagOrDigest::Tag("first"), &image("first")).await.expect("put");
    let held = fs::File::open(&path).expect("opened");
    held.lock().expect("locked");
    let put = |number: usize| {
        let layout = layout.clone();
        async move {
            let (tag, image) = (format!("v{number}"), image(&number.to_string()));
            layout.put_manifest(TagOrDigest::Tag(&tag), &image).await
        }
        .boxed()
    };
    let waiting = |count: usize| {
        let layout = layout.clone();
        async move {
            while layout.files.shared.changes.locked().len() < count {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
    };
    let mut gone = put(100);
    tokio::select! {
        _ = &mut gone => panic!("the lock was not waited for"),
        () = waiting(1) => drop(gone),
    }
    let puts: Vec<_> = (0..40).map(|number| tokio::spawn(put(number))).collect();
    waiting(41).await;
    drop(held);
    let (first, _, others) = futures_util::future::select_all(puts).await;
    first.expect("no panic").expect("put");
    // With the first all of them are there.
    let names = index(&path)["manifests"].as_array().map(Vec::len);
    assert_eq!(names, Some(41));
    for other in others {
        other.await.expect("no panic").expect("put");
    }
    assert!(!layout.tags().await.expect("tags").contains(&"v100".to_owned()));
}

#[tokio::test]
async fn the_lock_of_another_process_is_waited_for() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    layout.put_manifest(TagOrDigest::Tag("v1"), &image("one")).await.expect("put");
    let held = fs::File::open(&path).expect("opened");
    held.lock().expect("locked");
    let image = image("two");
    let put = layout.put_manifest(TagOrDigest::Tag("v2"), &image);
    let mut put = std::pin::pin!(put);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), &mut put).await.is_err());
    drop(held);
    put.await.expect("put");
    assert_eq!(layout.tags().await.expect("tags"), ["v1", "v2"]);
}

#[tokio::test]
async fn wrong_bytes_never_appear() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    let wanted = described("hello world");
    for pieces in [&["hello", " wurld"][..], &["hello"], &["hello", " world", "!"], &[]] {
        let pushed = layout.push_blob(&wanted, &Claimed(wanted.clone(), pieces)).await;
        assert!(pushed.is_err(), "{pieces:?}");
        assert_eq!(blobs(&path), [""; 0], "{pieces:?}");
    }
    let mut wrong = image("one");
    wrong.digest = Digest::of(b"other");
    assert!(matches!(layout.put_manifest(TagOrDigest::Tag("v1"), &wrong).await, Err(Error::DigestMismatch { .. })));
    assert_eq!(blobs(&path), [""; 0]);
    assert_eq!(index(&path)["manifests"], json!([]));
    // A file of the right name and the wrong size is replaced.
    fs::write(path.join("blobs/sha256").join(wanted.digest.hex()), "hell").expect("written");
    let source = Claimed(wanted.clone(), &["hello world"]);
    assert_eq!(layout.push_blob(&wanted, &source).await.expect("pushed"), BlobPush::Uploaded);
    assert_eq!(layout.head_blob(&wanted).await.expect("an answer"), Some(11));
}

#[tokio::test]
async fn sha512_has_its_own_folder() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    let any: Digest = format!("sha512:{}", "0".repeat(128)).parse().expect("a digest");
    let mut hasher = any.hasher();
    hasher.update(b"hello");
    let wanted = Descriptor { size: 5, ..named(hasher.finish()) };
    layout.push_blob(&wanted, &Claimed(wanted.clone(), &["hello"])).await.expect("pushed");
    assert!(path.join("blobs/sha512").join(wanted.digest.hex()).is_file());
    assert_eq!(layout.head_blob(&wanted).await.expect("an answer"), Some(5));
}

#[tokio::test]
async fn what_others_wrote_into_the_index_stays() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    layout.put_manifest(TagOrDigest::Tag("v1"), &image("one")).await.expect("put");
    let (digest, size) = (Digest::of(b"x"), 1);
    let other =
        json!({ "mediaType": "x/y", "digest": digest, "size": size, "x-new": [1], "annotations": { "a": "b" } });
    let strange = json!({ "digest": "blake3:00", "size": "?" });
    let old = json!({ "mediaType": IMAGE, "digest": digest, "size": size,
        "annotations": { "org.opencontainers.image.ref.name": "v1", "io.containerd.image.name": "x:v1" } });
    edit(&path, &json!([other, old, strange]));
    let image = image("two");
    layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
    let index = index(&path);
    assert_eq!(index["x-own"], json!({ "z": 1, "a": [] }));
    let entries = index["manifests"].as_array().expect("entries");
    assert_eq!((entries.len(), &entries[0], &entries[2]), (3, &other, &strange));
    assert_eq!(entries[1]["digest"], json!(image.digest));
    assert_eq!(entries[1]["annotations"], json!({ "org.opencontainers.image.ref.name": "v1" }));
}

#[tokio::test]
async fn a_name_is_exact_or_a_reference_with_the_tag() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let (one, two) = (image("one"), image("two"));
    let layout = target(&path);
    for image in [&one, &two] {
        layout.put_manifest(TagOrDigest::Digest(&image.digest), image).await.expect("put");
    }
    let entry = |image: &Manifest, name: &str, full: &str| {
        json!({ "mediaType": IMAGE, "digest": image.digest, "size": image.bytes.len(),
            "annotations": { "org.opencontainers.image.ref.name": name, "io.containerd.image.name": full } })
    };
    let reader = source(&path);
    edit(&path, &json!([entry(&one, "docker.io/library/x:3.20", ""), entry(&two, "13.20", "")]));
    assert_eq!(reader.get_manifest(TagOrDigest::Tag("3.20")).await.expect("found").digest, one.digest);
    assert!(layout.head_manifest(TagOrDigest::Tag("3.20")).await.expect("an answer").is_none());
    edit(&path, &json!([entry(&one, "docker.io/library/x:3.20", ""), entry(&two, "3.20", "")]));
    assert_eq!(reader.get_manifest(TagOrDigest::Tag("3.20")).await.expect("found").digest, two.digest);
    // `docker save a b`: both are `latest`.
    edit(&path, &json!([entry(&one, "latest", "docker.io/a:latest"), entry(&two, "latest", "docker.io/b:latest")]));
    let problem_of_reading = problem(reader.get_manifest(TagOrDigest::Tag("latest")).await);
    assert!(problem_of_reading.contains(&format!("docker.io/b:latest {}", two.digest)), "{problem_of_reading}");
    assert!(problem(layout.put_manifest(TagOrDigest::Tag("latest"), &one).await).contains("several entries"));
    let absent = problem(reader.get_manifest(TagOrDigest::Tag("none")).await);
    assert!(absent.ends_with("`index.json` has no entry of this name; it has latest"), "{absent}");
}

#[tokio::test]
async fn the_only_image_needs_no_name() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    let (one, two) = (image("one"), image("two"));
    layout.add_referrer(&one).await.expect("added");
    layout.add_referrer(&one).await.expect("added");
    layout.put_manifest(TagOrDigest::Digest(&one.digest), &attached(&one)).await.expect("put");
    assert_eq!(index(&path)["manifests"].as_array().map(Vec::len), Some(2));
    let reader = source(&path);
    assert_eq!(reader.default_root().await.expect("one").digest, one.digest);
    layout.add_referrer(&two).await.expect("added");
    assert!(problem(reader.default_root().await).contains("has several images without a name"));
    layout.put_manifest(TagOrDigest::Tag("v1"), &one).await.expect("put");
    assert_eq!(reader.default_root().await.expect("one").digest, one.digest);
    layout.put_manifest(TagOrDigest::Tag("v2"), &two).await.expect("put");
    let several = problem(reader.default_root().await);
    assert!(several.ends_with(":TAG`: v1, v2"), "{several}");
}

#[tokio::test]
async fn attachments_are_entries_without_a_name_or_under_the_fallback_tag() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    let image = image("one");
    layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
    assert!(layout.referrers(&image.digest).await.expect("a listing").is_empty());
    let signature = attached(&image);
    let pushed = layout.put_manifest(TagOrDigest::Digest(&signature.digest), &signature).await.expect("put");
    assert!(pushed.lists_referrers);
    let entry = json!({ "mediaType": IMAGE, "digest": signature.digest, "size": signature.bytes.len(),
        "artifactType": "x/signature", "annotations": { "kind": "signature" } });
    assert_eq!(index(&path)["manifests"][1], entry);
    let found = source(&path).referrers(&image.digest).await.expect("a listing");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].artifact_type.as_deref(), Some("x/signature"));

    let listed = json!({ "mediaType": IMAGE, "digest": Digest::of(b"sbom"), "size": 4 });
    let listing = manifest(
        &json!({ "mediaType": oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": [entry, listed] }),
    );
    let tag = format!("sha256-{}", image.digest.hex());
    layout.put_manifest(TagOrDigest::Tag(&tag), &listing).await.expect("put");
    let found = layout.referrers(&image.digest).await.expect("a listing");
    assert_eq!(found.iter().map(|found| &found.digest).collect::<Vec<_>>(), [&signature.digest, &Digest::of(b"sbom")]);
    // A listing that cannot be read is never an empty one.
    let lost = attached(&signature);
    let entry = json!({ "mediaType": IMAGE, "digest": lost.digest, "size": lost.bytes.len() });
    edit(&path, &json!([entry]));
    assert!(problem(layout.referrers(&image.digest).await).contains("is missing"));
}

#[test]
fn what_is_no_layout_is_refused_with_what_to_do() {
    let directory = Directory::new();
    let open = |name: &str| problem(Layout::open(layouts(), Side::Source, &directory.at(name), meter()));
    assert!(open("absent").ends_with("absent: the directory does not exist"));
    fs::write(directory.at("a.tar"), "x").expect("written");
    assert!(open("a.tar").contains("a.tar -C D`"));
    for (name, files, part) in [
        ("empty", &[][..], "`oci-layout` is missing"),
        ("saved", &["manifest.json"], "skopeo copy docker-archive:FILE oci:D:TAG"),
        ("dir", &["manifest.json", "version"], "skopeo copy dir:"),
    ] {
        fs::create_dir(directory.at(name)).expect("made");
        for file in files {
            fs::write(directory.at(name).join(file), "{}").expect("written");
        }
        assert!(open(name).contains(part), "{}", open(name));
    }
    for (mark, part) in [
        ("x", "cannot be read"),
        ("{}", "has no `imageLayoutVersion`"),
        (r#"{"imageLayoutVersion":"2.0.0"}"#, "says version `2.0.0`"),
    ] {
        fs::write(directory.at("empty").join("oci-layout"), mark).expect("written");
        assert!(open("empty").contains(part), "{}", open("empty"));
        assert!(problem(Layout::create(layouts(), Side::Target, &directory.at("empty"), meter())).contains(part));
    }
    assert!(
        problem(Layout::create(layouts(), Side::Target, &directory.at("saved"), meter()))
            .contains("has other things in it")
    );
    assert!(problem(Layout::create(layouts(), Side::Target, &directory.at("a.tar"), meter())).contains("is a file"));
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_layout_and_pipes_are_refused() {
    use std::os::unix::fs::symlink;
    let directory = Directory::new();
    let (path, outside) = (directory.at("layout"), directory.at("outside"));
    let layout = target(&path);
    let image = image("one");
    layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
    let secret = described("secret");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join(secret.digest.hex()), "secret").expect("written");
    let file = path.join("blobs/sha256").join(secret.digest.hex());

    symlink(outside.join(secret.digest.hex()), &file).expect("linked");
    let reader = source(&path);
    assert!(problem(reader.read_blob(&secret).await.map(|_| ())).contains("leads out of the layout"));
    assert!(problem(reader.head_blob(&secret).await).contains("leads out of the layout"));
    // A link that stays inside is a file like any other.
    fs::remove_file(&file).expect("removed");
    fs::write(path.join("secret"), "secret").expect("written");
    symlink("../../secret", &file).expect("linked");
    assert!(reader.read_blob(&secret).await.is_ok());

    fs::remove_file(&file).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo");
    assert!(made.success());
    assert!(problem(reader.read_blob(&secret).await.map(|_| ())).contains("is not a regular file"));
    assert!(problem(reader.get_manifest(TagOrDigest::Digest(&secret.digest)).await).contains("is not a regular file"));

    fs::remove_dir_all(path.join("blobs")).expect("removed");
    symlink(&outside, path.join("blobs")).expect("linked");
    let pushed = layout.push_blob(&secret, &Claimed(secret.clone(), &["secret"])).await;
    assert!(problem(pushed).contains("leads out of the layout"));
    assert!(problem(layout.put_manifest(TagOrDigest::Tag("v2"), &image).await).contains("leads out of the layout"));
    assert!(!outside.join("sha256").exists());

    fs::rename(path.join("index.json"), outside.join("index.json")).expect("moved");
    symlink(outside.join("index.json"), path.join("index.json")).expect("linked");
    assert!(problem(reader.tags().await).contains("leads out of the layout"));
}

#[tokio::test]
async fn huge_damaged_and_missing_files_are_named() {
    let directory = Directory::new();
    let path = directory.at("layout");
    let layout = target(&path);
    let image = image("one");
    layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
    let reader = source(&path);
    let file = path.join("blobs/sha256").join(image.digest.hex());
    let part = format!("`blobs/sha256/{}`", image.digest.hex());

    let mut other = image.bytes.to_vec();
    other.reverse();
    fs::write(&file, &other).expect("written");
    assert!(matches!(reader.get_manifest(TagOrDigest::Tag("v1")).await, Err(Error::DigestMismatch { .. })));
    // At the target a damaged manifest is mended.
    assert!(layout.head_manifest(TagOrDigest::Tag("v1")).await.expect("an answer").is_none());
    layout.put_manifest(TagOrDigest::Tag("v1"), &image).await.expect("put");
    assert_eq!(fs::read(&file).expect("read"), image.bytes);

    fs::File::create(&file).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    let huge = problem(reader.get_manifest(TagOrDigest::Tag("v1")).await);
    assert!(huge.contains(&part) && huge.contains("more than the 4194304"), "{huge}");
    let wanted = Descriptor { size: 7, ..named(image.digest.clone()) };
    let huge = problem(reader.read_blob(&wanted).await.map(|_| ()));
    assert!(huge.contains(&part) && huge.contains("its descriptor says 7"), "{huge}");
    fs::remove_file(&file).expect("removed");
    for missing in [
        problem(reader.get_manifest(TagOrDigest::Tag("v1")).await),
        problem(reader.get_manifest(TagOrDigest::Digest(&image.digest)).await),
        problem(reader.read_blob(&wanted).await.map(|_| ())),
    ] {
        assert!(missing.contains(&part) && missing.ends_with("is missing"), "{missing}");
    }
    fs::File::create(path.join("index.json")).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    assert!(problem(reader.tags().await).contains("`index.json` has 1099511627776 bytes"));
    for text in ["[]", "{", r#"{"manifests":{}}"#, &"[".repeat(10_000)] {
        fs::write(path.join("index.json"), text).expect("written");
        assert!(problem(reader.tags().await).contains("`index.json` cannot be read"));
    }
}

#[tokio::test]
async fn what_a_killed_run_left_is_swept_and_a_living_one_keeps_its_file() {
    let directory = Directory::new();
    let path = directory.at("layout");
    target(&path).put_manifest(TagOrDigest::Tag("v1"), &image("one")).await.expect("put");
    let hour = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let file = |name: &str| {
        let file = fs::File::create(path.join("blobs/sha256").join(name)).expect("made");
        file.set_modified(hour).expect("aged");
        file
    };
    drop(file(".tmp-dead"));
    let living = file(".tmp-living");
    living.lock().expect("locked");
    fs::write(path.join("blobs/sha256/.tmp-fresh"), "").expect("written");
    target(&path).put_manifest(TagOrDigest::Tag("v2"), &image("two")).await.expect("put");
    let left: Vec<String> = blobs(&path).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, [".tmp-fresh", ".tmp-living"]);
}
