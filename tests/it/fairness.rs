//! Hosts that do not do their part: what that costs is bounded, is told once, and is nobody else's.
//!
//! Patience is short here, and what is asserted is how often something was asked for and how each image ended.

use std::time::{Duration, Instant};

use crate::support::images::{self, OCI_INDEX};
use crate::support::{Fault, Outcome, Registry, Run, What};

/// A request that is never answered.
const SWALLOWED: What = What::Delay(600_000);

fn lines(source: &Registry, name: &str, target: &Registry, count: u64) -> Vec<String> {
    let line = |number| {
        source.seed(&images::release(number), &format!("library/{name}:{number}"));
        let from = source.name(&format!("library/{name}:{number}"));
        format!("{from} => {}", target.name(&format!("mirror/{name}:{number}")))
    };
    (0..count).map(line).collect()
}

fn results(outcome: &Outcome) -> Vec<String> {
    let json = outcome.json();
    let images = json["images"].as_array().expect("a list of images");
    images.iter().map(|image| image["result"].as_str().expect("a result").to_owned()).collect()
}

/// One of a repository's images asks, and the others hear what it heard.
#[tokio::test]
async fn a_list_of_referrers_that_is_swallowed_costs_a_repository_one_patience() {
    let (source, target) = (Registry::start(), Registry::start());
    let mut all = lines(&source, "app", &target, 64);
    all.extend(lines(&source, "other", &target, 1));
    source.fault(Fault::on("GET", "/v2/library/app/referrers/", SWALLOWED).always());
    let began = Instant::now();
    // More than a busy machine takes for all else: an image that fails for another reason hears nothing for the others.
    let outcome = Run::new().input("images", &all.join("\n")).input("patience", "8s").fails_with(1).await;
    let (asked, results) = (source.count("GET", "/v2/library/app/referrers/"), results(&outcome));
    // Once more each half minute, to find out whether it answers by now.
    let most = 1 + began.elapsed().as_secs() / 30;
    assert!((1..=most).contains(&(asked as u64)), "{asked}\n{}", source.lines());
    assert!(results[..64].iter().all(|result| result == "failed") && results[64] == "copied", "{results:?}");
    assert!(target.tags("mirror/app").is_empty());
}

/// Pages that bring nothing keep no image alive: the bound in count would take minutes.
#[tokio::test]
async fn pages_without_an_end_that_bring_little_are_given_up() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let headers = vec![
        ("content-type".to_owned(), OCI_INDEX.to_owned()),
        ("link".to_owned(), "<?page=next>; rel=\"next\"".to_owned()),
    ];
    let body = format!(r#"{{"manifests":[{}]}}"#, images::single().root().descriptor());
    source.fault(Fault::on("GET", "/referrers/", What::Status { status: 200, headers, body }).always());
    source.fault(Fault::on("GET", "/referrers/", What::Delay(400)).always());
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("patience", "2s");
    let outcome = run.fails_with(1).await;
    let asked = source.count("GET", "/referrers/");
    assert!((2..=10).contains(&asked), "{asked}\n{outcome}");
    assert!(outcome.says("less than 100 entries"), "{outcome}");
}

/// What a connection takes by itself is no progress of an upload whose registry reads nothing.
#[tokio::test]
async fn an_upload_that_stands_still_ends_after_one_patience() {
    for what in [What::StallRequestAfter(0), What::StallRequestAfter(1_000_000), SWALLOWED] {
        let (source, target) = (Registry::start(), Registry::start());
        let image = images::big(3_000_000, 5);
        source.seed(&image, "library/app:1");
        target.fault(Fault::on("PUT", "/uploads/", what.clone()).always());
        target.fault(Fault::on("PATCH", "/uploads/", what.clone()).always());
        let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("patience", "3s");
        let outcome = run.input("attachments", "none").fails_with(1).await;
        // Two attempts in one patience.
        let largest = image.blobs.iter().max_by_key(|blob| blob.bytes.len()).expect("a layer");
        let hash = largest.digest.trim_start_matches("sha256:");
        let attempts = target.count("PUT", hash);
        assert!((1..=2).contains(&attempts), "{what:?}: {attempts}\n{outcome}\n{}", target.lines());
        assert!(outcome.says("target: PUT blob"), "{what:?}\n{outcome}");
    }
}

/// A registry that takes one blob after the other is waited for, however long the queue: it moves.
#[tokio::test]
async fn a_target_that_takes_one_blob_at_a_time_gets_all_of_them() {
    let (source, target) = (Registry::start(), Registry::start());
    let all = lines(&source, "app", &target, 24);
    for place in 0..60 {
        let turn = Fault::on("PUT", "/uploads/", What::Delay(250 * place as u64));
        target.fault(turn.after(place).times(1));
    }
    let outcome = Run::new().input("images", &all.join("\n")).input("patience", "8s").succeeds().await;
    assert!(results(&outcome).iter().all(|result| result == "copied"), "{outcome}");
}

/// As many images as are under way at once hang: those behind them are begun in their place.
#[tokio::test]
async fn images_that_hang_keep_no_others_from_being_begun() {
    let (source, good, target) = (Registry::start(), Registry::start(), Registry::start());
    let mut all = lines(&source, "app", &target, 64);
    for number in 0..3 {
        good.seed(&images::single(), &format!("library/good:{number}"));
        let from = good.name(&format!("library/good:{number}"));
        all.push(format!("{from} => {}", target.name(&format!("mirror/good:{number}"))));
    }
    source.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(0)).always());
    let run = Run::new().input("images", &all.join("\n")).input("attachments", "none").input("patience", "10m").spawn();
    // Longer than any machine needs, and far below the patience.
    for _ in 0..1_200 {
        if target.tags("mirror/good").len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(target.tags("mirror/good").len(), 3, "{}", good.lines());
    run.signal("TERM");
    let outcome = run.finish().await;
    assert_eq!(outcome.code, 143, "{outcome}");
    assert!(target.tags("mirror/app").is_empty(), "they hang");
}

/// Two sources have one image, or one layer, and the one that was asked first gives no byte: the other is read. In one
/// repository of the target and in two, and where the image is a part of an index.
#[tokio::test]
async fn what_a_source_that_hangs_has_too_is_read_from_the_one_that_does_not() {
    for (image, target_repository) in [
        (images::single(), "mirror/app"),
        (images::single(), "mirror/other"),
        (images::three_platforms(), "mirror/app"),
    ] {
        let (hung, good, target) = (Registry::start(), Registry::start(), Registry::start());
        hung.seed(&image, "library/app:1");
        good.seed(&image, "library/app:1");
        hung.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(0)).always());
        // Only once the other has begun.
        good.fault(Fault::on("*", "/manifests/", What::Delay(1_500)).times(1));
        let lines = [
            format!("{} => {}", hung.name("library/app:1"), target.name("mirror/app:hung")),
            format!("{} => {}", good.name("library/app:1"), target.name(&format!("{target_repository}:good"))),
        ];
        let run = Run::new().input("images", &lines.join("\n")).input("attachments", "none");
        let run = run.input("patience", "85s").spawn();
        let began = Instant::now();
        // Longer than any machine needs, and below the patience.
        while target.tag(target_repository, "good").is_none() && began.elapsed() < Duration::from_secs(75) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let hung_was_first = hung.count("GET", "/blobs/") > 0;
        run.signal("TERM");
        let outcome = run.finish().await;
        assert!(hung_was_first, "{}", hung.lines());
        target.is_whole(target_repository, "good").unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
        assert_eq!(target.tag("mirror/app", "hung"), None, "{outcome}");
    }
}
