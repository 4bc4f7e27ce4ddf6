//! What must hold for any input, said once.
//!
//! Each function takes what the outside can send, and panics where something does not hold that must. The fuzz targets
//! (`fuzz/`) and the property tests below call the same ones. Compiled for tests and under a fuzzer only; owns no rule of
//! its own that the program needs.

#![allow(clippy::missing_panics_doc, reason = "to panic is what these are for")]

/// The runner as the integration tests know it.
#[allow(missing_docs, reason = "test support has no readers outside the tests")]
mod actions;
mod registry;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde_json::Value;
use url::Url;

use crate::error::Side;
use crate::github::runner::console::Console;
use crate::github::runner::{Runner, files};
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Content, Descriptor, Manifest};
use crate::oci::reference::{ImageReference, Reference, lower_cased};
use crate::plan::{images, template};
use crate::secret::Secret;
use crate::store::blob;
use crate::store::content::At;
use crate::store::layout::Layout;
use crate::text::sanitise;

pub use crate::properties::registry::{challenge, link, retry_after};

/// Asserts that `text` is one line of at most `most` characters that nothing acts on: what the sanitiser leaves alone.
pub(crate) fn assert_safe(text: &str, most: usize) {
    assert_eq!(sanitise::line(text, usize::MAX), text, "not fit to be printed");
    assert!(text.chars().count() <= most, "{} characters: {text}", text.chars().count());
}

/// Asserts the same of a sentence that was made of such parts; where two of them meet, it is the printing that breaks up
/// what the runner would act on.
pub(crate) fn assert_sentence(text: &str, most: usize) {
    assert!(!text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')), "{text:?}");
    assert!(text.chars().count() <= most, "{} characters: {text}", text.chars().count());
    assert_eq!(actions::commands(&sanitise::line(text, usize::MAX)), []);
}

/// An image's name as a user types it.
///
/// What is wrong with it is said in one short, safe sentence, without what may be a password. What is right is spelled
/// out so that it can be read again, and stays within the grammar, so that it cannot become another address.
pub fn reference(text: &str) {
    let reference = match ImageReference::parse(text) {
        Ok(reference) => reference,
        Err(problem) => {
            assert_sentence(&problem, 1_200);
            assert_keeps_passwords(text.trim(), &problem);
            return;
        }
    };
    let whole = reference.to_string();
    assert_eq!(ImageReference::parse(&whole), Ok(reference.clone()), "{text:?} is written {whole:?}");
    assert_eq!(lower_cased(&whole), None);
    if let Some(reference) = reference.registry() {
        assert_is_within_the_grammar(reference);
    }
}

/// Whatever stands before the `@` of a name with a path after it, the sentence is the same.
fn assert_keeps_passwords(text: &str, problem: &str) {
    let Some((user, rest)) = text.split_once('@').filter(|(_, rest)| rest.contains('/')) else { return };
    if user.contains(':')
        && !user.to_ascii_lowercase().contains("oci")
        && ImageReference::parse(&format!("x@{rest}")).is_err()
    {
        let other = ImageReference::parse(&format!("other:word@{rest}"));
        let is_place = problem.contains("is not read here");
        assert!(is_place || other == Err(problem.to_owned()), "{problem} depends on what stands before the `@`");
    }
}

fn assert_is_within_the_grammar(reference: &Reference) {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let (registry, repository) = (reference.registry(), reference.repository());
    assert!(!repository.is_empty() && repository.len() <= 255 + "library/".len(), "{repository}");
    for component in repository.split('/') {
        assert!(component.starts_with(is_word) && component.ends_with(is_word), "{repository}");
        assert!(component.chars().all(|c| is_word(c) || "._-".contains(c)), "{repository}");
    }
    assert!(reference.tag().is_some() || reference.digest().is_some());
    let tag = reference.tag().unwrap_or("x");
    assert!(!tag.is_empty() && tag.len() <= 128 && !tag.starts_with(['.', '-']), "{tag}");
    assert!(tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)), "{tag}");
    // The host in a request's address is the host that was written, and all of the rest is a path.
    let Ok(url) = Url::parse(&format!("https://{registry}/v2/{repository}/manifests/{tag}")) else { return };
    assert_eq!(url.path(), format!("/v2/{repository}/manifests/{tag}"));
    assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none(), "{url}");
    let host = url.host_str().unwrap_or_default();
    let written = registry.strip_suffix(&format!(":{}", url.port_or_known_default().unwrap_or(0))).unwrap_or(registry);
    let is_number = |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
    if !written.contains([':', '[']) && !written.rsplit('.').next().is_some_and(is_number) {
        assert_eq!(host, written);
    }
}

/// The list of images.
///
/// What is wrong with it is said in one short, safe sentence that names a line of it. What is right has a number for each
/// image, a source that can be read again, and a target that is not blank.
pub fn images(text: &str) {
    let lines = match images::parse(text) {
        Ok(lines) => lines,
        Err(problem) => {
            assert_sentence(&problem, 1_300);
            assert!(problem.starts_with("line ") || problem.starts_with("names no image"), "{problem}");
            return;
        }
    };
    assert!(!lines.is_empty());
    for line in lines {
        assert!((1..=text.lines().count()).contains(&line.number), "{line:?}");
        assert_eq!(ImageReference::parse(&line.source.to_string()), Ok(line.source.clone()));
        assert!(line.target.as_deref().is_none_or(|target| !target.is_empty() && target.trim() == target), "{line:?}");
    }
}

/// A target template, a source and the value of `GITHUB_REPOSITORY`, a line each.
///
/// What comes out has no placeholder left, names a tag or a digest, and is read again as it is written.
pub fn target(text: &str) {
    let mut lines = text.splitn(3, '\n');
    let (template, source) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("alpine:3"));
    let Ok(source) = ImageReference::parse(source) else { return };
    match template::target(template, &source, lines.next()) {
        Err(problem) => assert_sentence(&problem, 2_000),
        Ok((target, notices)) => {
            let whole = target.to_string();
            // A directory with an `@` in its name and a tag looks like one with a digest.
            if target.registry().is_some() || !whole.contains('@') {
                assert_eq!(ImageReference::parse(&whole), Ok(target.clone()), "{text:?} is written {whole:?}");
            }
            for notice in notices {
                assert_sentence(&notice, 1_000);
            }
            if let Some(reference) = target.registry() {
                assert!(!whole.contains(['{', '}']), "{whole}");
                assert_is_within_the_grammar(reference);
                assert!(target.digest().is_none() || target.digest() == source.digest());
            }
        }
    }
}

/// The first line is a `Content-Type`, the rest the bytes of a manifest.
///
/// What is read is what the bytes say to any other reader, whoever reads it next reads the same, and an index that is made
/// smaller holds what was chosen and nothing else.
pub fn manifest(data: &[u8]) {
    let (content_type, bytes) = split_line(data);
    let content_type = str::from_utf8(content_type).ok().filter(|text| !text.is_empty());
    let digest = Digest::of(bytes);
    let manifest = match Manifest::parse(Bytes::copy_from_slice(bytes), content_type, digest.clone()) {
        Ok(manifest) => manifest,
        Err(problem) => return assert_safe(&sanitise::line(&problem, 300), 300),
    };
    assert_eq!((&manifest.bytes[..], &manifest.digest), (bytes, &digest));
    assert!(http::HeaderValue::from_str(&manifest.media_type).is_ok());
    assert_is_what_the_bytes_say(&manifest);
    assert!(manifest.children().count() <= manifest.entries().len());
    assert!(manifest.blobs(false).len() <= manifest.blobs(true).len());
    assert!(manifest.children().all(Descriptor::is_manifest));
    let _ = (manifest.content_size(), manifest.foreign_layers());
    // A signature gives no name to what it is not over.
    let signed = Manifest::parse_signed(manifest.bytes.clone(), &digest);
    assert!(signed.is_none_or(|signed| matches!(signed.content, Content::Schema1(_))));
    let again = Manifest::parse(manifest.bytes.clone(), Some(&manifest.media_type), digest);
    let again = again.unwrap_or_else(|problem| panic!("as `{}` it {problem}", manifest.media_type));
    assert_eq!((again.media_type, again.content), (manifest.media_type.clone(), manifest.content.clone()));
    assert_can_be_made_smaller(&manifest);
}

/// The digests that any JSON reader finds where the specification has them.
fn assert_is_what_the_bytes_say(manifest: &Manifest) {
    // Broken text in what nobody reads is overlooked, as it is by readers in Go.
    let Ok(json) = serde_json::from_slice::<Value>(&manifest.bytes) else { return };
    assert!(json.is_object(), "a manifest is an object");
    let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| json[key].as_array().map(|list| list.iter().map(digest).collect::<Vec<_>>());
    let read = |list: &[Descriptor]| list.iter().map(|entry| entry.digest.to_string()).collect::<Vec<_>>();
    match &manifest.content {
        Content::Index(entries) => assert_eq!(list("manifests").unwrap_or_default(), read(entries)),
        Content::Image { config, layers } => {
            assert_eq!(
                config.as_ref().map(|config| config.digest.to_string()).unwrap_or_default(),
                digest(&json["config"])
            );
            assert_eq!(list("layers").or_else(|| list("blobs")).unwrap_or_default(), read(layers));
        }
        Content::Schema1(layers) => {
            assert!(layers.len() <= json["fsLayers"].as_array().map_or(0, Vec::len));
            // It is older than subjects are.
            assert_eq!(manifest.subject, None);
            return;
        }
    }
    let subject = manifest.subject.as_ref().map(|subject| subject.digest.to_string());
    assert_eq!(subject.unwrap_or_default(), digest(&json["subject"]));
}

fn assert_can_be_made_smaller(manifest: &Manifest) {
    if !manifest.is_index() || manifest.entries().is_empty() || str::from_utf8(&manifest.bytes).is_err() {
        return;
    }
    let kept: HashSet<Digest> = manifest.entries().iter().step_by(2).map(|entry| entry.digest.clone()).collect();
    let smaller = match manifest.keeping(&kept, "original") {
        Ok(smaller) => smaller,
        // A number that no machine has (`1e4644`) in a field that nobody reads is copied as it is, and cannot be written anew.
        Err(_) if serde_json::from_slice::<serde_json::Value>(&manifest.bytes).is_err() => return,
        Err(problem) => panic!("{problem}"),
    };
    let expected: Vec<_> = manifest.entries().iter().filter(|entry| kept.contains(&entry.digest)).collect();
    assert_eq!(smaller.entries().iter().collect::<Vec<_>>(), expected);
    assert!(smaller.digest.matches(&smaller.bytes));
}

/// Text from outside. It becomes one line that neither terminal nor runner acts on, and Markdown that shows what that line
/// says and is nothing else: no link, no picture, no markup, no further cell.
pub fn text(text: &str) {
    let line = sanitise::line(text, usize::MAX);
    assert_eq!(sanitise::line(&line, usize::MAX), line, "what is safe stays as it is");
    for limit in [1, 2, 7, 63] {
        assert!(sanitise::line(text, limit).chars().count() <= limit);
    }
    for shown in
        [&line, &sanitise::line(text, 7), &sanitise::markdown(text), &sanitise::prose(text), &sanitise::code(text)]
    {
        assert!(!shown.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), "{shown:?}");
        assert_eq!(actions::commands(shown), [], "{shown:?}");
    }
    assert!(line.split('⏎').all(|part| !part.trim_start().starts_with("::")), "{line:?}");
    assert_eq!(rendered(&sanitise::markdown(text)), Ok(unspaced(&line)));
    // Its pairs of back-ticks are markup on purpose.
    let without_ticks = |text: String| unspaced(&text.replace('`', ""));
    assert_eq!(rendered(&sanitise::prose(text)).map(without_ticks), Ok(without_ticks(line.clone())));
    if !line.is_empty() {
        let said = |shown: String| unspaced(&shown.replace(['`', '\''], "'"));
        let cell = |text: &str| rendered(&format!("| a | b |\n| --- | --- |\n| {text} | end |\n"));
        assert_eq!(cell(&sanitise::markdown(text)).map(said), Ok(said(format!("ab{line}end"))));
        assert_eq!(cell(&sanitise::code(text)).map(said), Ok(said(format!("ab{line}end"))));
    }
}

/// Blanks do not count: renderers trim and join them.
fn unspaced(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The text of `markdown` as a reader sees it; the first thing in it that is more than text, as an error.
fn rendered(markdown: &str) -> Result<String, String> {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
    let extensions = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut text = String::new();
    for event in Parser::new_ext(markdown, extensions) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::TableCell)
            | Event::End(
                TagEnd::Paragraph | TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell,
            ) => {}
            other => return Err(format!("{other:?} in {markdown:?}")),
        }
    }
    // What GitHub makes links of besides (GFM, "Autolinks (extension)"); escaped, or in a code span, it stays text.
    let mut bare = String::new();
    let (mut characters, mut in_code) = (markdown.chars(), false);
    while let Some(character) = characters.next() {
        match character {
            // What stands before a code span and what stands behind it are not one word.
            '`' => {
                in_code = !in_code;
                bare.push(' ');
            }
            _ if in_code => {}
            '\\' => bare.extend(characters.next().map(|_| ' ')),
            _ => bare.push(character.to_ascii_lowercase()),
        }
    }
    if bare.contains("://") || bare.contains("www.") {
        return Err(format!("a link in {markdown:?}"));
    }
    Ok(unspaced(&text))
}

/// A tape that is written to and read.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a run says: acts, each a letter and its texts, one after the other by `\u{1e}`, a title parted from the rest by
/// `\u{1f}`.
///
/// The runner sees the commands that were issued, in their order, and no other; elsewhere nobody sees one.
pub fn commands(acts: &str) {
    for in_actions in [true, false] {
        let lookup = |name: &str| match name {
            "GITHUB_ACTIONS" => in_actions.then(|| "true".to_owned()),
            "RUNNER_DEBUG" => Some("1".to_owned()),
            _ => None,
        };
        let runner = Runner::new(&lookup);
        let (log, data) = (Tape::default(), Tape::default());
        let second: Option<Box<dyn Write + Send>> = if in_actions { None } else { Some(Box::new(data.clone())) };
        let console = Console::over(&runner, Box::new(log.clone()), second);
        let mut issued = Vec::new();
        let mut annotations = BTreeMap::<&str, usize>::new();
        for act in acts.split('\u{1e}') {
            let (letter, texts) = act.split_at(act.chars().next().map_or(0, char::len_utf8));
            let (title, message) = texts.split_once('\u{1f}').unwrap_or(("", texts));
            let mut annotated = |name: &'static str| {
                let count = annotations.entry(name).or_default();
                *count += 1;
                if *count <= 9 {
                    issued.push((name, Some(sanitise::line(title, 256))));
                }
            };
            match letter {
                "g" => {
                    console.group(title, &message.lines().map(str::to_owned).collect::<Vec<_>>());
                    issued.extend([("group", None), ("endgroup", None)]);
                }
                "w" => {
                    console.warning(title, message);
                    annotated("warning");
                }
                "e" => {
                    console.error(title, message);
                    annotated("error");
                }
                "d" => {
                    console.debug(message);
                    issued.push(("debug", None));
                }
                "m" => {
                    console.mask(&Secret::new(message));
                    let masked = message.lines().filter(|line| line.trim().chars().count() >= 4);
                    issued.extend(masked.map(|_| ("add-mask", None)));
                }
                "o" => {
                    // Names are ours, values may hold what is not.
                    let outputs = [("json", message.to_owned()), ("image", title.to_owned())];
                    assert!(runner.write_outputs(&console, &outputs).is_ok());
                }
                _ => console.line(message),
            }
        }
        let seen = actions::commands(&log.text());
        if !in_actions {
            assert_eq!(seen, [], "{}", log.text());
            continue;
        }
        let names = |name: &str, title: Option<&String>| format!("{name} {}", title.map_or("", String::as_str));
        let seen: Vec<String> = seen.iter().map(|seen| names(&seen.name, seen.properties.get("title"))).collect();
        let issued: Vec<String> = issued.iter().map(|(name, title)| names(name, title.as_ref())).collect();
        assert_eq!(seen, issued, "{}", log.text());
    }
}

/// Values for `GITHUB_OUTPUT`, parted by `\u{1e}`, beside a delimiter, which comes first: the runner reads back each as it
/// was, or nothing is written.
pub fn outputs(text: &str) {
    let mut parts = text.split('\u{1e}');
    let delimiter = parts.next().filter(|text| !text.is_empty() && !text.contains('\n')).unwrap_or("EOF");
    let mut file = String::new();
    let mut given = BTreeMap::new();
    for (number, value) in parts.enumerate() {
        let name = format!("output-{number}");
        if let Ok(written) = files::heredoc(&name, value, delimiter) {
            file.push_str(&written);
            given.insert(name, value.to_owned());
        }
    }
    assert_eq!(actions::outputs(&file), Ok(given), "{file:?}");
}

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
fn lay_out(data: &[u8], directory: &Path) -> Option<Vec<Descriptor>> {
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

fn meter() -> Arc<Meter> {
    Arc::new(Meter::new(Events::new().0))
}

async fn read_layout(directory: &Path, named: &[Descriptor]) {
    let Ok(layout) = Layout::open(Side::Source, directory, meter()) else { return };
    let assert_right = |manifest: &Manifest| {
        assert!(manifest.digest.matches(&manifest.bytes));
        assert!(!String::from_utf8_lossy(&manifest.bytes).contains("outside"), "a link out of the layout was followed");
    };
    for tag in layout.tags().await.unwrap_or_default().iter().take(16) {
        if let Ok(manifest) = layout.get_manifest(At::Tag(tag)).await {
            assert_right(&manifest);
        }
    }
    if let Ok(root) = layout.default_root().await
        && let Ok(manifest) = layout.get_manifest(At::Digest(&root.digest)).await
    {
        assert_right(&manifest);
    }
    for descriptor in named {
        if let Ok(manifest) = layout.get_manifest(At::Digest(&descriptor.digest)).await {
            assert_right(&manifest);
        }
        let _ = layout.referrers(&descriptor.digest).await;
        let there = layout.head_blob(descriptor).await;
        if let Ok(stream) = layout.read_blob(descriptor).await {
            assert!(there.is_ok_and(|size| size == Some(descriptor.size)));
            let pieces: Result<Vec<Bytes>, _> = blob::checked(stream, descriptor, String::new()).try_collect().await;
            assert!(pieces.is_err() || pieces.is_ok_and(|pieces| descriptor.digest.matches(&pieces.concat())));
        }
    }
}

async fn write_layout(directory: &Path) {
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
    let Ok(layout) = Layout::create(Side::Target, directory, meter()) else { return };
    if layout.put_manifest(At::Tag("fuzzed"), &manifest).await.is_err() {
        return;
    }
    let found = layout.head_manifest(At::Tag("fuzzed")).await;
    assert_eq!(found.ok().flatten().map(|found| found.digest), Some(manifest.digest.clone()));
    let after = entries().unwrap_or_default();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
    for entry in before.unwrap_or_default() {
        assert!(name(&entry).as_deref() == Some("fuzzed") || after.contains(&entry), "{entry} was lost");
    }
}

fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&[], data),
    }
}

#[cfg(test)]
mod tests {

    //! Inputs that reach deep: made of what the parsers look for, in every order, and of noise.

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Up to `most` of `pieces`, one after the other.
    fn pieces(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
        vec(select(pieces), 0..most).prop_map(|chosen| chosen.concat())
    }

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn reference() -> impl Strategy<Value = String> {
        let parts = &[
            "alpine",
            "library/",
            "ghcr.io/",
            "a",
            "b-c",
            "d_e",
            "__",
            "0",
            "UP",
            "/",
            ":",
            ".",
            "..",
            "@",
            "-",
            "5000",
            "localhost",
            "[::1]",
            "127.0.0.1",
            "oci:",
            "dir:",
            "sha256:",
            DIGEST,
            "%2f",
            "\\",
            "?",
            "#",
            " ",
            "\n",
            "\u{1b}[31m",
            "::",
            "ü",
        ];
        prop_oneof![
            "([a-zA-Z0-9.-]{1,12}(:[0-9]{1,6})?/)?[a-z0-9._/-]{1,20}(:[a-zA-Z0-9._-]{1,10})?(@(sha256|sha512|md5):[0-9a-f]{0,2})?",
            "[a-z]{1,6}\\.[a-z]{2}/([a-z0-9]{1,5}[._-]{0,2}[a-z0-9]{1,5}/){0,3}[a-z0-9]{1,9}(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9})?",
            "oci:[ -~]{0,20}(:[a-z0-9]{0,5})?",
            pieces(parts, 12),
            any::<String>(),
        ]
    }

    fn target() -> impl Strategy<Value = String> {
        let template = pieces(
            &[
                "{owner}",
                "{repo}",
                "{registry}",
                "{repository}",
                "{namespace}",
                "{name}",
                "{tag}",
                "{",
                "}",
                "/",
                ":",
                "ghcr.io/",
                "A",
                "b",
                "oci:",
                "@",
                " ",
            ],
            9,
        );
        let source = prop_oneof![
            Just("alpine:3.20".to_owned()),
            Just("ghcr.io/app:RC".to_owned()),
            Just("127.0.0.1:5000/a/b".to_owned()),
            Just("[::1]:5000/a".to_owned()),
            Just("oci:in:1".to_owned()),
            Just(format!("alpine@{DIGEST}")),
            reference(),
        ];
        let repository = select(vec!["Acme/Mirror", "acme", "", "a/b/c", "../..", "{owner}/{tag}"]);
        (template, source, repository)
            .prop_map(|(template, source, repository)| format!("{template}\n{source}\n{repository}"))
    }

    fn challenge() -> impl Strategy<Value = String> {
        let host = || {
            prop_oneof![
                select(vec![
                    "ghcr.io",
                    "a.example.com",
                    "b.example.com",
                    "example.com",
                    "a.co.uk",
                    "b.co.uk",
                    "a.azurecr.io",
                    "b.azurecr.io",
                    "localhost",
                    "localhost.",
                    "x.localhost",
                    "127.0.0.1",
                    "127.0.0.2",
                    "10.0.0.1",
                    "169.254.169.254",
                    "100.100.100.200",
                    "0",
                    "0x7f.1",
                    "224.0.0.1",
                    "203.0.113.7",
                    "[::1]",
                    "[::ffff:10.0.0.1]",
                    "[64:ff9b::a9fe:a9fe]",
                    "[::7f00:1]",
                    "[fd00:ec2::254]",
                    "[fe80::1]",
                    "[ff02::1]",
                    "[2002:a00:1::]",
                    "A.EXAMPLE.COM",
                    "xn--nxasmq6b.example",
                ])
                .prop_map(str::to_owned),
                "[a-z]{1,3}\\.[a-z]{1,3}\\.(com|uk|io)",
            ]
        };
        let scheme = || select(vec!["https://", "https://", "http://", "", "//", "ftp://", "https:\\\\"]);
        let user = select(vec!["", "", "", "user@", "user:word@", "ghcr.io@", "ghcr.io%2f@"]);
        let rest =
            select(vec!["/token", ":8443/", "/?scope=repository:evil:push", "/?service=x&a=b#c", "", "/\\\"", "/%00"]);
        let kind = select(vec!["Bearer", "bearer", "Basic", "Digest"]);
        let more =
            select(vec!["", ",service=\"s\"", ",service=\"a\\\"b\",scope=\"x\"", ", error=", "\nBasic realm=\"x\""]);
        (scheme(), host(), kind, scheme(), user, host(), rest, more).prop_map(
            |(scheme, home, kind, way, user, service, rest, more)| {
                format!("{scheme}{home}/\n{kind} realm=\"{way}{user}{service}{rest}\"{more}")
            },
        )
    }

    fn link() -> impl Strategy<Value = String> {
        let parts = &[
            "<",
            ">",
            ";",
            ",",
            "\"",
            "\\",
            "rel",
            "=",
            "next",
            "prev",
            " ",
            "/v2/a",
            "https://registry.example/",
            "?last=a,b",
            "title=",
            "\n",
            "[",
            "é",
            "%",
        ];
        prop_oneof![pieces(parts, 24), "(</[a-z?=,;&]{0,20}>; ?rel=\"?(next|prev)\"?(, ?)?){0,3}"]
    }

    fn refusal() -> impl Strategy<Value = String> {
        let wait = || {
            prop_oneof![
                "[0-9]{1,20}",
                "((Sun|Mon), [0-3][0-9] (Jan|Nov) (19|20)[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] GMT)",
                "([0-9]{1,3}(\\.[0-9]{1,9})?(h|m|s|ms|us|µs|ns)){0,4}",
                "[-+.e0-9a-z]{0,9}",
            ]
        };
        let body = prop_oneof![
            wait().prop_map(|wait| format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"retry-after: {wait}, allowed: 2000/minute"}}]}}"#)),
            hostile().prop_map(|text| serde_json::json!({ "errors": [{ "code": text, "message": text, "detail": text }] }).to_string()),
            hostile().prop_map(|text| serde_json::json!({ "details": text }).to_string()),
            select(vec![
                "<html>", "{", "{\"errors\":[]}", "You have exceeded a secondary rate limit", "pull rate limit",
                r#"{"errors":[{"detail":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}]}"#,
            ]).prop_map(str::to_owned),
            hostile(),
        ];
        let status = select(vec!["400", "401", "403", "404", "408", "416", "429", "500", "503", "520"]);
        (status, wait(), "[ -~]{0,100}", body)
            .prop_map(|(status, wait, id, body)| format!("{status}\n{wait}\n{id}\n{body}"))
    }

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    fn media_type() -> impl Strategy<Value = &'static str> {
        select(vec![
            INDEX,
            IMAGE,
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/vnd.oci.artifact.manifest.v1+json",
            "application/json",
            "",
            "text/plain",
            "x.foreign.y",
        ])
    }

    fn descriptor() -> impl Strategy<Value = String> {
        let digest = (0_u8..3).prop_map(|number| crate::oci::digest::Digest::of(&[number]).to_string());
        let digest = prop_oneof![4 => digest, 1 => Just(format!("sha512:{}", "a".repeat(128))), 1 => Just("sha256:E3".to_owned())];
        let size = select(vec!["0", "1", "18446744073709551615", "-1", "1.0", "null", "\"1\""]);
        let size = prop_oneof![5 => Just("7"), 1 => size];
        let more = select(vec![
            "",
            "",
            r#","platform":{"os":"linux","architecture":"amd64"}"#,
            r#","annotations":{"a":"b"}"#,
            r#","urls":["x"]"#,
            r#","size":3"#,
            r#","annotations":null,"artifactType":"t""#,
            r#","platform":["linux"]"#,
        ]);
        (media_type(), digest, size, more, any::<u8>()).prop_map(|(media_type, digest, size, more, form)| match form {
            0..16 => format!(r#"["{media_type}","{digest}",{size}]"#),
            _ => format!(r#"{{"digest":"{digest}", "mediaType":"{media_type}","size":{size}{more}}}"#),
        })
    }

    fn manifest() -> impl Strategy<Value = String> {
        let list = || vec(descriptor(), 0..5).prop_map(|entries| format!("[{}]", entries.join(",")));
        let member = prop_oneof![
            4 => list().prop_map(|list| format!(r#""manifests":{list}"#)),
            4 => (descriptor(), list()).prop_map(|(config, layers)| format!(r#""config":{config},"layers":{layers}"#)),
            1 => list().prop_map(|list| format!(r#""blobs":{list}"#)),
            2 => descriptor().prop_map(|subject| format!(r#""subject":{subject}"#)),
            2 => media_type().prop_map(|media_type| format!(r#""mediaType":"{media_type}""#)),
            1 => select(vec![
                "\"schemaVersion\":2", "\"schemaVersion\":1", "\"manifests\":null", "\"annotations\":{\"a\":\"b\"}", "\"annotations\":[]",
                "\"Manifests\":[]", "\"artifactType\":\"t\"", "\"fsLayers\":[{\"blobSum\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]",
            ]).prop_map(str::to_owned),
        ];
        (media_type(), vec(member, 1..4)).prop_map(|(header, members)| format!("{header}\n{{{}}}", members.join(" , ")))
    }

    fn hostile() -> impl Strategy<Value = String> {
        let parts = &[
            "::",
            ":",
            "##[",
            "#",
            "[",
            "]",
            "(",
            "error",
            "set-output name=a",
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}]",
            "\n",
            "\r",
            "\u{2028}",
            "\u{200b}",
            "\u{fe0f}",
            "\u{1d173}",
            "\u{202e}",
            " ",
            "\t",
            "a",
            "⏎",
            "\u{9b}",
            "\u{7}",
            "`",
            "``",
            "|",
            "\\",
            "<",
            ">",
            "&amp;",
            "*",
            "_",
            "~",
            "!",
            "1.",
            "1)",
            "-",
            "+",
            "=",
            "http",
            "://",
            "www.",
            "x.example",
            "\u{3000}",
            "'",
            "$",
            "@",
            "^",
            "{",
            "%0A",
        ];
        prop_oneof![3 => pieces(parts, 24), 1 => any::<String>()]
    }

    fn acts() -> impl Strategy<Value = String> {
        let act = (select(vec!["g", "n", "w", "e", "d", "m", "o", "l"]), hostile(), hostile());
        vec(act.prop_map(|(letter, title, message)| format!("{letter}{title}\u{1f}{message}")), 0..16)
            .prop_map(|acts| acts.join("\u{1e}"))
    }

    fn layout() -> impl Strategy<Value = String> {
        let entry = (0..4, select(vec!["", "v1", "fuzzed", "docker.io/library/x:v1", "sha256-"]), media_type()).prop_map(|(number, name, media_type)| {
            format!(
                r#"{{"mediaType":"{media_type}","digest":"{{digest:{number}}}","size":{{size:{number}}},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
            )
        });
        let index = prop_oneof![
            8 => vec(entry, 0..4).prop_map(|entries| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))),
            1 => select(vec!["{}", "{\"manifests\":null}", "[]", "link:blobs/sha256", "link:../outside/secret", "link:index.json", ""]).prop_map(str::to_owned),
        ];
        let blob = prop_oneof![
            3 => manifest().prop_map(|text| text.split_once('\n').map_or_else(String::new, |(_, bytes)| bytes.to_owned())),
            2 => Just(r#"{"config":{"digest":"{digest:0}","size":{size:0}},"layers":[],"subject":{"digest":"{digest:1}","size":{size:1}}}"#.to_owned()),
            1 => select(vec!["{}", "a", "wrong:{\"manifests\":[]}", "folder:x", "link:../../../outside/secret", "link:/dev/zero", "link:.", "link:nowhere"]).prop_map(str::to_owned),
        ];
        let mark = prop_oneof![
            9 => Just("{\"imageLayoutVersion\":\"1.0.0\"}"),
            1 => select(vec!["", "{}", "{\"imageLayoutVersion\":\"2\"}", "[]"]),
        ];
        (mark, index, vec(blob, 0..4))
            .prop_map(|(mark, index, blobs)| [vec![mark.to_owned(), index], blobs].concat().join("\n%%\n"))
    }

    proptest! {
        #[test]
        fn references_are_read_or_refused(text in reference()) {
            crate::properties::reference(&text);
        }

        #[test]
        fn lists_are_read_or_refused(lines in vec((reference(), any::<bool>(), target()), 0..4), noise in hostile()) {
            let line = |(source, whole, target): &(String, bool, String)| {
                if *whole { format!("{source} => {target}") } else { source.clone() }
            };
            crate::properties::images(&lines.iter().map(line).collect::<Vec<_>>().join("\n"));
            crate::properties::images(&noise);
        }

        #[test]
        fn targets_are_made_or_refused(text in target()) {
            crate::properties::target(&text);
        }

        #[test]
        fn challenges_send_no_credential_away(text in challenge()) {
            crate::properties::registry::challenge(text.as_bytes());
        }

        #[test]
        fn links_never_cut_a_list_short(text in link(), noise in vec(any::<u8>(), 0..40)) {
            crate::properties::registry::link(text.as_bytes());
            crate::properties::registry::link(&noise);
        }

        #[test]
        fn refusals_are_safe_and_waits_bounded(text in refusal()) {
            crate::properties::registry::retry_after(text.as_bytes());
        }

        #[test]
        fn manifests_are_what_their_bytes_say(text in manifest()) {
            crate::properties::manifest(text.as_bytes());
        }

        #[test]
        fn nothing_gets_through_that_anything_acts_on(text in hostile()) {
            crate::properties::text(&text);
        }

        #[test]
        fn the_runner_sees_the_commands_that_were_issued(acts in acts()) {
            crate::properties::commands(&acts);
        }

        #[test]
        fn outputs_are_read_back_as_they_were(values in vec(hostile(), 0..5)) {
            crate::properties::outputs(&values.join("\u{1e}"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn layouts_are_read_and_written_within(text in layout()) {
            let scratch = tempfile::tempdir().expect("a directory");
            crate::properties::layout(text.as_bytes(), scratch.path());
        }
    }
}
