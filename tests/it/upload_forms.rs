//! Uploads at registries that take one form of them and not another, and who is blamed where one fails.

use crate::support::images::{self, Image};
use crate::support::{Auth, ClosedPort, Fault, LocationForm, Outcome, Registry, Run, What};

const MEBIBYTE: usize = 1024 * 1024;

fn pair(image: &Image) -> (Registry, Registry, Run) {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(image, "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("attachments", "none");
    (source, target, run)
}

/// The image arrives whole, whatever the target does with uploads.
async fn arrives(image: &Image, faults: Vec<Fault>) -> Registry {
    let (_source, target, run) = pair(image);
    let what = format!("{faults:?}");
    for fault in faults {
        target.fault(fault);
    }
    let outcome = run.unhurried().run().await;
    assert_eq!(outcome.code, 0, "{what}\n{outcome}\n{}", target.lines());
    target.is_whole("mirror/app", "1").unwrap_or_else(|problem| panic!("{what}: {problem}"));
    assert!(target.fired() > 0, "{what} met nothing");
    target
}

const REFUSALS: [(u16, &str); 13] = [
    (400, "DIGEST_INVALID"),
    (400, "BLOB_UPLOAD_INVALID"),
    (400, "SIZE_INVALID"),
    (400, ""),
    (403, ""),
    (404, ""),
    (404, "BLOB_UPLOAD_UNKNOWN"),
    (405, "UNSUPPORTED"),
    (411, ""),
    (413, ""),
    (415, ""),
    (500, ""),
    (501, ""),
];

#[tokio::test]
async fn a_form_that_is_refused_in_whatever_way_is_followed_by_the_next() {
    for (status, code) in REFUSALS {
        let put = Fault::on("PUT", "/uploads/", What::RefuseWhole(status, code)).always();
        let target = arrives(&images::single(), vec![put]).await;
        assert!(target.count("PATCH", "/uploads/") > 0, "{}", target.lines());
    }
}

#[tokio::test]
async fn pieces_follow_where_no_whole_body_is_taken() {
    for (status, code) in [(400, "BLOB_UPLOAD_INVALID"), (404, ""), (405, "UNSUPPORTED"), (413, ""), (501, "")] {
        let both = ["PUT", "PATCH"].map(|m| Fault::on(m, "/uploads/", What::RefuseWhole(status, code)).always());
        arrives(&images::single(), both.to_vec()).await;
    }
}

#[tokio::test]
async fn what_a_registry_says_of_the_form_is_not_asked_again_with_each_blob() {
    let image = images::wide(6, 2000);
    let refused = Fault::on("PUT", "/uploads/", What::RefuseWhole(405, "UNSUPPORTED")).always();
    let target = arrives(&image, vec![refused]).await;
    let log = target.log();
    let refusals = log.iter().filter(|request| request.status == 405).count();
    // Those that were under way together each hear it.
    assert!(refusals <= image.blobs.len(), "{refusals}\n{}", target.lines());
}

#[tokio::test]
async fn a_refusal_of_who_sends_is_not_taken_for_one_of_the_form() {
    let (_source, target, run) = pair(&images::single());
    target.fault(Fault::on("PUT", "/uploads/", What::error(403, "DENIED", "the quota is used up")).always());
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("the quota is used up"), "{outcome}");
    assert_eq!(target.count("PATCH", "/uploads/"), 0, "{}", target.lines());
}

#[tokio::test]
async fn chunks_are_as_large_as_the_registry_wants_them_but_for_the_last() {
    const LEAST: usize = 5 * MEBIBYTE;
    let faults = || {
        vec![
            Fault::on("POST", "/uploads/", What::Header("oci-chunk-min-length", Some(LEAST.to_string()))).always(),
            Fault::on("PUT", "/uploads/", What::RefuseWhole(413, "")).always(),
            Fault::on("PATCH", "/uploads/", What::RefuseWhole(413, "")).always(),
        ]
    };
    let image = images::big(14 * MEBIBYTE, 3);
    let target = arrives(&image, faults()).await;
    let pieces = |target: &Registry| -> Vec<usize> {
        let log = target.log();
        let taken = log.iter().filter(|r| r.method == "PATCH" && r.status == 202 && r.body.len() > MEBIBYTE);
        taken.map(|request| request.body.len()).collect()
    };
    assert_eq!(pieces(&target), [LEAST, LEAST, 4 * MEBIBYTE], "{}", target.lines());

    // A chunk of which a part was taken is filled up again.
    let breaks = Fault::on("PATCH", "/uploads/", What::CutRequestAfter(MEBIBYTE)).after(5);
    let target = arrives(&image, [faults(), vec![breaks]].concat()).await;
    let pieces = pieces(&target);
    let (last, others) = pieces.split_last().expect("pieces");
    assert!(others.iter().all(|piece| *piece == LEAST) && *last <= LEAST, "{pieces:?}\n{}", target.lines());
}

#[tokio::test]
async fn redirects_of_what_is_written_are_followed_within_the_registry() {
    for status in [307, 308] {
        for (method, part) in [("POST", "/blobs/uploads/"), ("PUT", "/blobs/uploads/"), ("PUT", "/manifests/1")] {
            let (_source, target, run) = pair(&images::single());
            let lead = |to: String| What::Redirect { to, status };
            // The double's `Location` is good for its newest state only, which the redirect must keep.
            let to = if method == "PUT" && part.contains("uploads") { "{path}?{query}" } else { "{path}?again=1" };
            target.fault(Fault::on(method, part, lead(to.to_owned())));
            let outcome = run.unhurried().run().await;
            assert_eq!(outcome.code, 0, "{status} {method} {part}\n{outcome}\n{}", target.lines());
            target.is_whole("mirror/app", "1").unwrap();
            assert_eq!(target.fired(), 1);
        }
    }
}

#[tokio::test]
async fn a_redirect_of_what_is_written_to_another_host_is_not_followed() {
    let (source, target, run) = pair(&images::single());
    target.fault(Fault::on("PUT", "/uploads/", What::redirect(format!("{}{{path}}", source.url()))).always());
    let outcome = run.fails_with(1).await;
    assert!(outcome.says(&format!("redirects what is written to {}", source.host())), "{outcome}");
    assert_eq!(source.writes(), 0, "{}", source.lines());
}

#[tokio::test]
async fn redirects_that_do_not_end_do() {
    let (_source, target, run) = pair(&images::single());
    target.fault(Fault::on("PUT", "/uploads/", What::redirect("{path}?{query}")).always());
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("more than 5 redirects"), "{outcome}");
}

#[tokio::test]
async fn an_upload_goes_where_a_location_says_in_letters_that_are_no_ascii() {
    let target =
        arrives(&images::single(), vec![Fault::on("POST", "", What::Location(LocationForm::Utf8)).always()]).await;
    assert!(target.count("PUT", "label=gr%C3%B6%C3%9Fe") > 0, "{}", target.lines());
}

#[tokio::test]
async fn a_redirect_in_letters_that_are_no_ascii_is_followed() {
    let (source, target, run) = pair(&images::single());
    source.fault(Fault::on("GET", "/blobs/", What::redirect("{path}?label=größe")).times(2));
    run.succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn a_piece_that_is_taken_without_a_location_is_followed_at_the_same_place() {
    // In one piece, and in several: the registry takes none but chunks of 3 MiB.
    for size in [1000, 7 * MEBIBYTE] {
        let image = images::big(size, 9);
        let put = Fault::on("PUT", "/uploads/", What::RefuseWhole(405, "UNSUPPORTED")).always();
        let patch = Fault::on("PATCH", "/uploads/", What::RefuseWhole(405, "UNSUPPORTED")).always();
        let (_source, target, run) = pair(&image);
        target.switch(|switches| switches.uploads_stay = true);
        target.fault(put);
        if size > MEBIBYTE {
            target.fault(patch);
        }
        target.fault(Fault::on("PATCH", "/uploads/", What::Location(LocationForm::Missing)).always());
        let outcome = run.unhurried().run().await;
        assert_eq!(outcome.code, 0, "{size}: {outcome}\n{}", target.lines());
        target.is_whole("mirror/app", "1").unwrap();
        assert!(target.count("PATCH", "/uploads/") > usize::from(size > MEBIBYTE), "{}", target.lines());
    }
}

#[tokio::test]
async fn what_opens_an_upload_says_that_it_has_no_body() {
    let (_source, target, run) = pair(&images::single());
    run.succeeds().await;
    let log = target.log();
    let posts: Vec<_> = log.iter().filter(|request| request.method == "POST").collect();
    assert!(!posts.is_empty() && posts.iter().all(|post| post.header("content-length") == Some("0")), "{posts:?}");
}

#[tokio::test]
async fn a_manifest_that_only_a_get_finds_is_there() {
    for status in [404, 405, 501] {
        let image = images::three_platforms();
        let (source, target, run) = pair(&image);
        target.fault(Fault::on("HEAD", "/manifests/", What::status(status)).always());
        let outcome = run.unhurried().run().await;
        assert_eq!(outcome.code, 0, "{status}: {outcome}\n{}", target.lines());
        target.is_whole("mirror/app", "1").unwrap();
        let outcome = run.clone().command("verify").unhurried().run().await;
        assert_eq!(outcome.code, 0, "{status}: {outcome}\n{}", target.lines());
        // What is to be kept is not overwritten because a HEAD did not find it.
        source.seed(&images::single(), "library/app:1");
        run.input("on-conflict", "keep").succeeds().await;
        assert_eq!(target.tag("mirror/app", "1").as_deref(), Some(image.digest()), "{}", target.lines());
    }
}

#[tokio::test]
async fn what_no_head_finds_is_unchanged_all_the_same() {
    let (source, target, run) = pair(&images::three_platforms());
    let run = run.input("attachments", "all");
    let signature = images::referrer_of(&images::three_platforms(), "application/vnd.cncf.notary.signature");
    source.switch(|switches| switches.referrers = Some(10));
    source.seed(&signature, "library/app");
    run.succeeds().await;
    target.fault(Fault::on("HEAD", "/manifests/", What::status(404)).always());
    target.reset();
    for (check, dry_run) in [("quick", "false"), ("quick", "true"), ("deep", "false"), ("deep", "true")] {
        let outcome = run.clone().input("check", check).input("dry-run", dry_run).succeeds().await;
        let context = format!("{check} {dry_run}\n{outcome}\n{}", target.lines());
        assert_eq!(outcome.json()["images"][0]["result"], "unchanged", "{context}");
        assert_eq!(target.count("PUT", "/manifests/"), 0, "{context}");
    }
    // What is really lost is seen and sent.
    assert!(target.forget("mirror/app", signature.digest()));
    let outcome = run.clone().input("check", "deep").succeeds().await;
    assert_eq!(outcome.json()["images"][0]["result"], "copied", "{outcome}");
    assert!(target.manifest("mirror/app", signature.digest()).is_some(), "{outcome}");
}

#[tokio::test]
async fn a_401_in_the_middle_of_an_upload_is_told_as_one() {
    let (source, target) = (Registry::start(), Registry::with_auth(Auth::basic("ann", "hunter2")));
    source.seed(&images::single(), "library/app:1");
    let challenge = What::status(401).header("www-authenticate", "Basic realm=\"r\"");
    target.fault(Fault::on("PUT", "/uploads/", challenge).always());
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.input("target-username", "ann").input("target-password", "hunter2").fails_with(1).await;
    assert!(outcome.says(": 401") && !outcome.says("connection broke"), "{outcome}");
    assert!(outcome.says("the password from `target-password` was good for"), "{outcome}");
}

/// The host that failed is named, and nothing of its address but that.
fn blames(outcome: &Outcome, host: &str) {
    assert!(outcome.says(host), "{outcome}");
    assert!(!outcome.everything().contains("signature=hunter2"), "{outcome}");
}

#[tokio::test]
async fn a_dead_storage_host_is_blamed_and_not_the_registry() {
    let dead = ClosedPort::new();
    let (source, _target, run) = pair(&images::single());
    let to = format!("http://{dead}{{path}}?signature=hunter2");
    source.fault(Fault::on("GET", "/blobs/", What::redirect(to)).always());
    let outcome = run.fails_with(1).await;
    blames(&outcome, &format!("redirects to {dead}: nothing listens there"));
}

#[tokio::test]
async fn a_dead_place_for_an_upload_is_blamed_and_not_the_registry() {
    let dead = ClosedPort::new();
    let (_source, target, run) = pair(&images::single());
    let elsewhere = LocationForm::OtherHost(format!("http://{dead}"));
    target.fault(Fault::on("POST", "/uploads/", What::Location(elsewhere)).always());
    let outcome = run.fails_with(1).await;
    blames(&outcome, &format!("sends the upload to {dead}: nothing listens there"));
    assert!(outcome.says("names itself by an address that nothing listens at"), "{outcome}");
}

#[tokio::test]
async fn where_nothing_ever_was_is_not_tried_for_the_whole_patience() {
    let dead = ClosedPort::new();
    let (source, target, run) = pair(&images::single());
    source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("http://{dead}{{path}}"))).always());
    run.input("patience", "60s").fails_with(1).await;
    let asked = |path: &str| source.log().iter().filter(|it| it.method == "GET" && it.path.contains(path)).count();
    let blobs = images::single().blobs;
    let most = blobs.iter().map(|blob| asked(&blob.digest)).max().unwrap();
    // Three times, and as often by what was opened ahead; the patience would be spent by seven.
    assert!((2..=6).contains(&most), "{most}: {}", source.lines());
    assert_eq!(target.tag("mirror/app", "1"), None);

    let (_source, target, run) = pair(&images::single());
    let elsewhere = LocationForm::OtherHost(format!("http://{dead}"));
    target.fault(Fault::on("POST", "/uploads/", What::Location(elsewhere)).always());
    run.input("patience", "60s").fails_with(1).await;
    let opened = target.count("POST", "/uploads/");
    assert!(opened <= 4 * blobs.len(), "{opened}: {}", target.lines());
}

#[tokio::test]
async fn a_refusal_of_the_storage_host_is_its_own() {
    let (source, target, run) = pair(&images::single());
    let storage = source.plain_redirect_store();
    source.fault(
        Fault::on("GET", "/blobs/", What::redirect(format!("{}{{path}}?signature=hunter2", storage.url()))).always(),
    );
    storage.fault(Fault::on("GET", "/blobs/", What::status(403)).always());
    let outcome = run.fails_with(1).await;
    blames(&outcome, &format!("it leads to {}, which answers 403", storage.host()));
    assert!(!outcome.says("source-username"), "no credential is missing: {outcome}");
    assert!(target.tags("mirror/app").is_empty());
}

#[tokio::test]
async fn a_storage_host_that_breaks_off_is_blamed() {
    let (source, _target, run) = pair(&images::single());
    let storage = source.plain_redirect_store();
    source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("{}{{path}}", storage.url()))).always());
    storage.fault(Fault::on("GET", "/blobs/", What::CutBodyAfter(1)).always());
    let outcome = run.fails_with(1).await;
    blames(&outcome, &format!("redirects to {}: the connection broke", storage.host()));
}

#[tokio::test]
async fn a_registry_that_takes_pieces_only_and_sheds_load_gets_all_of_many_images() {
    // With as many requests at once as the program chooses, and with one of each kind: then the question how much has arrived
    // has no other place than the upload's own.
    for (concurrency, after, refused) in [("", 16, 40), ("12/3", 1, 4)] {
        let (source, target) = (Registry::start(), Registry::start());
        let mut wanted = Vec::new();
        for number in 0..12 {
            source.seed(&images::release(number), &format!("library/app{number}:1"));
            wanted.push(format!(
                "{} => {}",
                source.name(&format!("library/app{number}:1")),
                target.name(&format!("mirror/app{number}:1"))
            ));
        }
        // The first piece is the third body: neither a whole one nor a streamed one is taken.
        target.fault(Fault::on("PATCH", "/uploads/", What::status(503)).after(after).times(refused));
        for method in ["PUT", "PATCH"] {
            target.fault(Fault::on(method, "/uploads/", What::RefuseWhole(413, "")).always());
        }
        let run = Run::new().command("copy").input("images", &wanted.join("\n")).input("patience", "30s");
        run.input("concurrency", concurrency).succeeds().await;
        assert!(target.waiting().is_empty(), "{:?}", target.waiting());
        for number in 0..12 {
            target.is_whole(&format!("mirror/app{number}"), "1").unwrap();
        }
    }
}
