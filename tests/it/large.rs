//! Large blobs: several connections read one where its source is slow, and an upload goes on where it broke.

use crate::support::images::{self, Image};
use crate::support::{Fault, Registry, Run, What};

const MEBIBYTE: usize = 1024 * 1024;

fn image() -> Image {
    images::big(14 * MEBIBYTE, 7)
}

/// 3 MB/s for each answer: slow enough for a second connection to be worth it, on a busy machine too.
fn slow() -> Fault {
    Fault::on("GET", "/blobs/", What::Trickle { bytes: 65_536, milliseconds: 20 }).always()
}

async fn copied(source: &Registry, faults: Vec<Fault>) -> (Registry, serde_json::Value) {
    let target = Registry::start();
    source.seed(&image(), "library/app:1");
    for fault in faults {
        source.fault(fault);
    }
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("attachments", "none");
    let outcome = run.input("patience", "20s").succeeds().await;
    target.is_whole("mirror/app", "1").unwrap_or_else(|problem| panic!("{problem}\n{outcome}\n{}", source.lines()));
    assert_eq!(target.tag("mirror/app", "1").as_deref(), Some(image().digest()));
    let json = outcome.json();
    (target, json["images"][0]["traffic"].clone())
}

/// Ranges that were asked for, as `first-last`, by where they begin.
fn ranges(source: &Registry) -> Vec<(usize, Option<usize>)> {
    let log = source.log();
    let ranges = log.iter().filter_map(|request| request.header("range")?.strip_prefix("bytes="));
    let mut ranges: Vec<_> = ranges
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap();
            (first.parse().unwrap(), last.parse().ok())
        })
        .collect();
    ranges.sort_unstable();
    ranges
}

#[tokio::test]
async fn a_slow_blob_is_read_over_several_connections_each_byte_once() {
    let source = Registry::start();
    let (_target, traffic) = copied(&source, vec![slow()]).await;
    let ranges = ranges(&source);
    assert!(ranges.len() >= 4, "{}", source.lines());
    // Side by side, to the end, without a gap.
    assert!(ranges.windows(2).all(|pair| pair[0].1.map(|last| last + 1) == Some(pair[1].0)), "{ranges:?}");
    let bytes = image().blob_bytes() + image().root().bytes.len() as u64;
    assert_eq!(traffic["bytes_read"], bytes, "nothing twice");
}

#[tokio::test]
async fn a_small_blob_is_one_request_however_slow_it_comes() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::big(3 * MEBIBYTE, 7);
    source.seed(&image, "library/app:1");
    source.fault(slow());
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("attachments", "none");
    let outcome = run.succeeds().await;
    target.is_whole("mirror/app", "1").unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
    assert_eq!(source.count("GET", "/blobs/"), image.blobs.len(), "{}", source.lines());
}

#[tokio::test]
async fn what_is_read_ahead_goes_on_where_it_broke() {
    let source = Registry::start();
    let cuts = Fault::on("GET", "/blobs/", What::CutBodyAfter(300_000)).after(3).times(3);
    copied(&source, vec![slow(), cuts]).await;
    assert!(source.fired() > 3, "{}", source.lines());
}

#[tokio::test]
async fn wrong_bytes_that_were_read_ahead_are_never_completed() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image(), "library/app:1");
    source.fault(slow());
    source.fault(Fault::on("GET", "/blobs/", What::WrongBytes(1000)).after(3).always());
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.input("patience", "20s").fails_with(1).await;
    assert!(outcome.says("the digest is sha256:"), "{outcome}");
    assert_eq!(target.tag("mirror/app", "1"), None);
    assert_eq!(target.blob("mirror/app", image().blobs.last().map(|blob| blob.digest.as_str()).unwrap()), None);
}

#[tokio::test]
async fn a_source_that_ignores_ranges_is_read_over_one_connection() {
    let source = Registry::start();
    copied(&source, vec![slow(), Fault::on("GET", "/blobs/", What::IgnoreRange).always()]).await;
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_not_taken() {
    let source = Registry::start();
    let wrong = Fault::on("GET", "/blobs/", What::content_range("bytes 0-99/100")).after(3).times(3);
    copied(&source, vec![slow(), wrong]).await;
}

#[tokio::test]
async fn where_a_redirect_led_is_asked_for_the_other_parts_too_and_the_registry_when_that_fails() {
    let source = Registry::start();
    let store = source.plain_redirect_store();
    store.fault(slow());
    store.fault(Fault::on("GET", "/blobs/", What::status(403)).after(4).times(1));
    let redirect = What::redirect(format!("{}{{path}}", store.url()));
    copied(&source, vec![Fault::on("GET", "/blobs/", redirect).always()]).await;
    let (asked, served) = (source.count("GET", "/blobs/"), store.count("GET", "/blobs/"));
    // Once for each blob, and once more for the part that was refused.
    assert_eq!(asked, image().blobs.len() + 1, "{}\n{}", source.lines(), store.lines());
    assert!(served > asked + 2, "{}", store.lines());
}

/// A target that takes no large PUT, so that blobs are sent by PATCH; what a broken one brought, it keeps.
async fn patched(faults: Vec<Fault>) -> Registry {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::big(9 * MEBIBYTE, 3);
    source.seed(&image, "library/app:1");
    target.fault(Fault::on("PUT", "/uploads/", What::RefuseMonolithicAbove(MEBIBYTE, 413)).always());
    for fault in faults {
        target.fault(fault);
    }
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("attachments", "none");
    let outcome = run.input("patience", "20s").succeeds().await;
    target.is_whole("mirror/app", "1").unwrap_or_else(|problem| panic!("{problem}\n{outcome}\n{}", target.lines()));
    target
}

/// Bytes that arrived in `PATCH` requests.
fn patched_bytes(target: &Registry) -> usize {
    target.log().iter().filter(|request| request.method == "PATCH").map(|request| request.body.len()).sum()
}

#[tokio::test]
async fn an_upload_that_broke_goes_on_with_what_the_registry_has() {
    let cut = Fault::on("PATCH", "/uploads/", What::CutRequestAfter(5 * MEBIBYTE));
    let target = patched(vec![cut]).await;
    assert_eq!(target.count("GET", "/uploads/"), 1, "{}", target.lines());
    assert_eq!(patched_bytes(&target), 9 * MEBIBYTE, "each byte once\n{}", target.lines());
}

#[tokio::test]
async fn an_upload_that_broke_in_its_last_answer_is_not_sent_again() {
    let target = patched(vec![Fault::on("PATCH", "/uploads/", What::CutRequestAfter(9 * MEBIBYTE))]).await;
    assert_eq!(patched_bytes(&target), 9 * MEBIBYTE, "{}", target.lines());
    assert_eq!(target.count("PATCH", "/uploads/"), 1, "{}", target.lines());
}

#[tokio::test]
async fn an_upload_that_the_registry_forgot_starts_again_alone() {
    let target = patched(vec![
        Fault::on("PATCH", "/uploads/", What::CutRequestAfter(5 * MEBIBYTE)),
        Fault::on("GET", "/uploads/", What::error(404, "BLOB_UPLOAD_UNKNOWN", "unknown")),
    ])
    .await;
    assert_eq!(patched_bytes(&target), 14 * MEBIBYTE, "{}", target.lines());
    assert_eq!(target.count("PUT", "/manifests/"), 1, "{}", target.lines());
}

#[tokio::test]
async fn a_registry_that_says_it_has_what_it_has_not_is_sent_the_whole_blob() {
    let target = patched(vec![
        Fault::on("PATCH", "/uploads/", What::CutRequestAfter(5 * MEBIBYTE)),
        Fault::on("GET", "/uploads/", What::Header("range", Some(format!("0-{}", 6 * MEBIBYTE)))),
    ])
    .await;
    assert!(patched_bytes(&target) > 9 * MEBIBYTE, "{}", target.lines());
}

#[tokio::test]
async fn a_piece_that_broke_goes_on_with_what_the_registry_has() {
    let target = patched(vec![
        // One PATCH of the whole is refused, then pieces are sent, of which the second breaks.
        Fault::on("PATCH", "/uploads/", What::status(413)),
        Fault::on("PATCH", "/uploads/", What::CutRequestAfter(MEBIBYTE)).after(1).times(1),
    ])
    .await;
    let pieces = target.log().iter().filter(|request| request.header("content-range").is_some()).count();
    let bytes: usize = target
        .log()
        .iter()
        .filter(|request| request.header("content-range").is_some())
        .map(|request| request.body.len())
        .sum();
    assert_eq!((pieces, bytes), (4, 9 * MEBIBYTE), "{}", target.lines());
}
