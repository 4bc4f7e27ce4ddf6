//! The fault matrix: what networks and registries do wrong, and what holds all the same. A row a test; a row fails when
//! the code that mends its fault is taken out.
//!
//! ```text
//! name (scenario): [faults at the source] / [faults at the target] => [what must hold];
//! ```
//!
//! `Holds` says what else is asked of every row (tests/it/support/run/scenario.rs).

use std::time::{Duration, SystemTime};

use mirror_image::internals::Side::{Source, Target};

use crate::support::scenario::Holds::{
    Asked, AskedAtMost, Copied, Failed, FailedAfterTheTag, FetchedTwiceAtMost, NoCredentialElsewhere, OverHttp2,
    Ranges, Says, SentTwiceAtMost, Sessions, Silent, TagIs, Tokens, Unauthorized, Unchanged,
};
use crate::support::scenario::Scenario;
use crate::support::{Fault, LocationForm, TokenAuth, TokenFormat, What, images};

macro_rules! matrix {
    ($(
        $(#[$attribute:meta])*
        $name:ident ($scenario:expr): [$($source:expr),* $(,)?] / [$($target:expr),* $(,)?] => [$($holds:expr),* $(,)?];
    )*) => { $(
        $(#[$attribute])*
        #[tokio::test]
        async fn $name() {
            $scenario.holds(vec![$($source),*], vec![$($target),*], vec![$($holds),*]).await;
        }
    )* };
}

// Scenarios.

/// One image with one layer of 200,000 bytes.
fn layer() -> Scenario {
    Scenario::copy(layer_image())
}

/// The same where the target has the config, so that no other upload loses its token beside the layer's.
fn only_the_layer() -> Scenario {
    let config = layer_image().blobs[0].clone();
    let manifest = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, config.descriptor());
    layer().target_has(images::raw(images::OCI_MANIFEST, manifest, vec![config]))
}

fn layer_image() -> images::Image {
    images::big(200_000, 42)
}

/// One image with a layer of `size` bytes.
fn layer_of(size: usize) -> Scenario {
    Scenario::copy(images::big(size, 43))
}

/// Three platforms: four manifests, twelve blobs.
fn platforms() -> Scenario {
    Scenario::copy(images::three_platforms())
}

/// Both ends want tokens.
fn tokens(scenario: Scenario) -> Scenario {
    scenario.tokens(|auth| auth)
}

/// Tokens that tell their lifetime only inside, by a clock that is hours ahead (or behind); a short one, where it is ahead.
fn skewed(hours: i64) -> Scenario {
    let lifetime = Duration::from_secs(if hours > 0 { 4 } else { 300 });
    let (format, clock) = (TokenFormat::JwtLike, hours * 3600);
    platforms().tokens(|auth| TokenAuth { format: format.clone(), expires_in: None, clock, lifetime, ..auth })
}

// Faults.

fn on(method: &'static str, part: &str, what: What) -> Fault {
    Fault::on(method, part, what)
}

/// On a request for the layer of [`layer`].
fn get(what: What) -> Fault {
    on("GET", &layer_image().blobs[1].digest, what)
}

/// On a request for the layer of [`layer_of`].
fn get_of(size: usize, what: What) -> Fault {
    on("GET", &images::big(size, 43).blobs[1].digest, what)
}

/// On the PUT that has the layer of [`layer`] as its body, or closes its upload.
fn put(what: What) -> Fault {
    on("PUT", in_query(&layer_image().blobs[1].digest), what)
}

/// The same for the layer of [`layer_of`].
fn put_of(size: usize, what: What) -> Fault {
    on("PUT", in_query(&images::big(size, 43).blobs[1].digest), what)
}

/// A digest as it is in a query, whatever becomes of its colon there.
fn in_query(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

/// On a PATCH, which only large blobs come by.
fn patch(what: What) -> Fault {
    on("PATCH", "/uploads/", what)
}

/// Whoever asks a session how much it has is told that there is none.
fn lost_session() -> Fault {
    on("GET", "/uploads/", What::error(404, "BLOB_UPLOAD_UNKNOWN", "unknown")).always()
}

/// Large blobs are not taken in one PUT.
fn no_large_put() -> Fault {
    on("PUT", "/uploads/", What::RefuseMonolithicAbove(100_000, 413)).always()
}

/// A child of [`platforms`].
fn child() -> String {
    images::three_platforms().child("linux/arm64").to_owned()
}

/// A layer of that child alone.
fn blob() -> String {
    images::three_platforms().blobs_of(&child())[2].clone()
}

fn unknown() -> What {
    What::error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
}

/// What the layer has become.
fn changed(size: usize) -> What {
    What::OtherObject(images::seeded(9, size))
}

fn retry_after(status: u16, seconds: u64) -> What {
    What::status(status).header("retry-after", &seconds.to_string())
}

/// `Retry-After` as a date.
fn retry_at(status: u16, seconds: u64) -> What {
    What::status(status).header("retry-after", &date(SystemTime::now() + Duration::from_secs(seconds)))
}

/// The same by a clock that is an hour ahead.
fn retry_at_by_a_wrong_clock(status: u16, seconds: u64) -> What {
    let now = SystemTime::now() + Duration::from_secs(3600);
    let until = date(now + Duration::from_secs(seconds));
    What::status(status).header("date", &date(now)).header("retry-after", &until)
}

fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

fn denied() -> What {
    What::error(403, "DENIED", "permission_denied: write_package")
}

const POST: (&str, &str) = ("POST", "/uploads/");

fn post(what: What) -> Fault {
    on(POST.0, POST.1, what)
}

matrix! {
    // ── Downloads ──────────────────────────────────────────────────────────────────────────────────────────────────

    download_cut_by_end_of_file (layer()):
        [get(What::CutBodyAfter(70_000))] / []
        => [Copied, Ranges(&["-", "70000-"]), FetchedTwiceAtMost(0), SentTwiceAtMost(0), Sessions(2)];
    download_cut_by_reset (layer()):
        // A reset may swallow what the connection still held, but not this much.
        [get(What::ResetBodyAfter(190_000))] / []
        => [Copied, FetchedTwiceAtMost(170_000), SentTwiceAtMost(0), Sessions(2)];
    download_stalled (layer().input("patience", "4s")):
        [get(What::StallBodyAfter(70_000))] / []
        => [Copied, Ranges(&["-", "70000-"]), FetchedTwiceAtMost(0), SentTwiceAtMost(0), Sessions(2)];
    download_cut_many_times_in_one_blob (layer_of(1_800_000).input("patience", "2s")):
        // Six cuts wait more than the patience in all: the budget is lack of progress, not time.
        [get_of(1_800_000, What::CutBodyAfter(300_000)).times(5)] / []
        => [
            Copied,
            Ranges(&["-", "300000-", "600000-", "900000-", "1200000-", "1500000-"]),
            FetchedTwiceAtMost(0),
            SentTwiceAtMost(0),
            Sessions(2),
        ];
    download_cut_before_its_first_byte (layer()):
        [get(What::CutBodyAfter(0)).times(2)] / []
        => [Copied, Ranges(&["-", "-", "-"]), FetchedTwiceAtMost(0)];
    download_that_gets_no_answer (layer()):
        [get(What::NoAnswer)] / []
        => [Copied, FetchedTwiceAtMost(0), Sessions(2)];
    download_cut_by_every_connection (layer().input("patience", "2s")):
        [get(What::CutBodyAfter(1_000)).always()] / []
        => [Failed, Says("source"), Says("gave up after"), FetchedTwiceAtMost(0)];
    download_of_a_few_bytes_now_and_then (layer().input("patience", "3s")):
        [get(What::Trickle { bytes: 10, milliseconds: 100 }).always()] / []
        => [Failed, Says("no answer in time (less than 256 KiB in that time)")];
    source_without_range (layer()):
        [get(What::CutBodyAfter(70_000)), get(What::IgnoreRange).after(1).always()] / []
        => [Copied, Ranges(&["-", "70000-"]), FetchedTwiceAtMost(70_000), SentTwiceAtMost(0), Sessions(2)];
    source_that_refuses_ranges (layer()):
        [get(What::CutBodyAfter(70_000)), get(What::status(416)).after(1)] / []
        => [Copied, Ranges(&["-", "70000-", "-"]), FetchedTwiceAtMost(70_000), SentTwiceAtMost(0), Sessions(2)];
    source_whose_object_changed_meanwhile (layer()):
        [get(What::CutBodyAfter(70_000)), get(changed(200_000)).after(1)] / []
        => [Copied, Ranges(&["-", "70000-", "-"]), SentTwiceAtMost(0), Sessions(2)];
    source_whose_object_changed_for_good (layer()):
        [get(What::CutBodyAfter(70_000)), get(changed(200_000)).after(1).always()] / []
        => [Failed, Says("source"), Says("the digest is sha256:"), Says("the tag `1` was not touched")];
    source_whose_object_grew_meanwhile (layer()):
        [get(What::CutBodyAfter(70_000)), get(changed(300_000)).after(1)] / []
        => [Copied, Ranges(&["-", "70000-", "-"]), Sessions(2)];
    source_whose_object_grew_for_good (layer()):
        [get(What::CutBodyAfter(70_000)), get(changed(300_000)).after(1).always()] / []
        => [Failed, Says("its descriptor says 200000 bytes, the registry has 300000")];
    wrong_content_range (layer()):
        [get(What::CutBodyAfter(70_000)), get(What::content_range("bytes 0-129999/200000")).after(1)] / []
        => [Copied, Ranges(&["-", "70000-", "-"]), SentTwiceAtMost(0), Sessions(2)];
    wrong_content_range_for_good (layer()):
        [get(What::CutBodyAfter(70_000)), get(What::content_range("bytes 0-129999/200000")).after(1).always()] / []
        => [Copied, Ranges(&["-", "70000-", "-"]), SentTwiceAtMost(0), Sessions(2)];
    no_content_range (layer()):
        [get(What::CutBodyAfter(70_000)), get(What::Header("content-range", None)).after(1)] / []
        => [Copied, Ranges(&["-", "70000-", "-"]), SentTwiceAtMost(0), Sessions(2)];
    blob_with_a_wrong_bit_once (layer()):
        [get(What::WrongBytes(150_000))] / []
        => [Copied, Ranges(&["-", "-"]), SentTwiceAtMost(0), Sessions(2)];
    blob_with_a_wrong_bit_for_good (layer()):
        [get(What::WrongBytes(150_000)).always()] / []
        => [Failed, Says("source"), Says("the digest is sha256:"), Asked(Target, "PUT", "/manifests/", 0)];
    blob_with_a_server_error (layer()):
        [get(What::status(500)), get(What::status(502)).after(1), get(What::status(504)).after(2)] / []
        => [Copied, FetchedTwiceAtMost(0)];
    manifest_cut (layer()):
        [on("GET", "/manifests/", What::CutBodyAfter(20))] / []
        => [Copied, Asked(Source, "GET", "/manifests/sha256:", 2)];
    manifest_reset (layer()):
        [on("GET", "/manifests/", What::ResetBodyAfter(20))] / []
        => [Copied, Asked(Source, "GET", "/manifests/sha256:", 2)];
    manifest_stalled (layer().input("patience", "4s")):
        [on("GET", "/manifests/", What::StallBodyAfter(20))] / []
        => [Copied, Asked(Source, "GET", "/manifests/sha256:", 2)];
    manifest_with_a_wrong_bit_for_good (layer()):
        [on("GET", "/manifests/", What::WrongBytes(3)).always()] / []
        => [Failed, Says("source"), Says("the digest is sha256:"), Asked(Target, "POST", "", 0)];
    manifest_with_a_server_error (layer()):
        [on("HEAD", "/manifests/", What::status(500)), on("GET", "/manifests/", What::status(503))] / []
        => [Copied];
    source_that_is_down (layer().input("patience", "2s")):
        [on("GET", "/manifests/", What::error(503, "UNAVAILABLE", "gone fishing")).always()] / []
        => [Failed, Says("source"), Says("503"), Says("gone fishing"), Says("gave up after"), Asked(Target, "POST", "", 0)];
    source_that_never_answers (layer().input("patience", "2s")):
        [on("HEAD", "/manifests/1", What::Delay(600_000)).always()] / []
        => [Failed, Says("source"), Says("no answer in time (2 s)")];
    source_without_digest_headers (layer()):
        [on("*", "/manifests/", What::no_digest_header()).always()] / []
        => [Copied];
    source_with_generic_content_types (layer()):
        [on("*", "/manifests/", What::content_type("application/json")).always()] / []
        => [Copied];
    waiting_for_our_own_turn_costs_no_patience (Scenario::copy(images::many_layers(20)).input("patience", "6s")):
        // Half of those on their way are refused, and wait while the others have all the places there are then; when it
        // is their turn they fail.
        [
            on("GET", "/blobs/", retry_after(429, 0)).times(8),
            on("GET", "/blobs/", What::Delay(4000)).after(8).times(8),
            on("GET", "/blobs/", What::status(502)).after(16).times(4),
        ] / []
        => [Copied];

    // ── HTTP/2: small requests only; blobs have a connection each ──────────────────────────────────────────────────

    http2_stream_of_a_manifest_broken (layer().over_http2(Source)):
        [on("GET", "/manifests/", What::CutBodyAfter(20))] / []
        => [Copied, OverHttp2(Source), Asked(Source, "GET", "/manifests/sha256:", 2)];
    http2_stream_closed_without_an_answer (layer().over_http2(Source)):
        [on("HEAD", "/manifests/", What::NoAnswer)] / []
        => [Copied, OverHttp2(Source), Asked(Source, "HEAD", "/manifests/1", 2)];
    http2_download_cut_beside_it (layer().over_http2(Source)):
        [get(What::CutBodyAfter(70_000))] / []
        => [Copied, OverHttp2(Source), Ranges(&["-", "70000-"]), FetchedTwiceAtMost(0), Sessions(2)];
    http2_stream_of_a_push_closed_without_an_answer (layer().over_http2(Target)):
        [] / [on("PUT", "/manifests/1", What::NoAnswer), post(What::NoAnswer)]
        => [Copied, OverHttp2(Target), Asked(Target, "PUT", "/manifests/1", 2)];

    // ── Uploads ────────────────────────────────────────────────────────────────────────────────────────────────────

    upload_cut_in_post (layer()):
        [] / [post(What::CutRequestAfter(0))]
        => [Copied, Sessions(2), SentTwiceAtMost(0), FetchedTwiceAtMost(0)];
    upload_reset_in_post (layer()):
        [] / [post(What::ResetRequestAfter(0))]
        => [Copied, Sessions(2), SentTwiceAtMost(0), FetchedTwiceAtMost(0)];
    upload_whose_post_gets_no_answer (layer()):
        [] / [post(What::NoAnswer)]
        => [Copied, Sessions(3), SentTwiceAtMost(0), FetchedTwiceAtMost(0)];
    upload_cut_in_put (layer()):
        [] / [put(What::CutRequestAfter(50_000))]
        => [Copied, Sessions(3), SentTwiceAtMost(50_000)];
    upload_reset_in_put (layer()):
        [] / [put(What::ResetRequestAfter(50_000))]
        => [Copied, Sessions(3), SentTwiceAtMost(50_000)];
    upload_stalled_in_put (layer_of(16 << 20).input("patience", "2s")):
        [] / [put_of(16 << 20, What::StallRequestAfter(50_000))]
        => [Copied, Asked(Target, "GET", "/uploads/", 1), Sessions(2)];
    upload_whose_put_is_not_answered (layer().input("patience", "2s")):
        // The connection takes all of the body; the registry does not.
        [] / [put(What::StallRequestAfter(50_000))]
        => [Copied, Sessions(2)];
    upload_whose_put_gets_no_answer (layer()):
        [] / [put(What::NoAnswer)]
        => [Copied, SentTwiceAtMost(0)];
    upload_cut_in_every_put (layer().input("patience", "2s")):
        [] / [put(What::CutRequestAfter(50_000)).always()]
        => [Failed, Says("target"), Says("gave up after"), Asked(Target, "PUT", "/manifests/", 0)];
    upload_refused_after_its_body (layer()):
        [] / [put(What::status(500))]
        => [Copied, SentTwiceAtMost(200_000)];
    upload_whose_session_is_lost_in_put (layer()):
        [] / [put(What::error(404, "BLOB_UPLOAD_UNKNOWN", "unknown")), lost_session()]
        => [Copied, Sessions(3), SentTwiceAtMost(200_000)];
    upload_cut_in_patch (layer()):
        [] / [no_large_put(), patch(What::CutRequestAfter(50_000))]
        => [Copied, Asked(Target, "GET", "/uploads/", 1), Sessions(3), SentTwiceAtMost(200_000)];
    upload_reset_in_patch (layer()):
        [] / [no_large_put(), patch(What::ResetRequestAfter(50_000))]
        => [Copied, Asked(Target, "GET", "/uploads/", 1), Sessions(3), SentTwiceAtMost(200_000)];
    upload_stalled_in_patch (layer().input("patience", "2s")):
        [] / [no_large_put(), patch(What::StallRequestAfter(50_000))]
        => [Copied];
    upload_cut_twice_in_patch (layer()):
        [] / [no_large_put(), patch(What::CutRequestAfter(50_000)).times(2)]
        => [Copied, Asked(Target, "GET", "/uploads/", 2), Sessions(3), SentTwiceAtMost(200_000)];
    upload_whose_patch_gets_no_answer (layer()):
        [] / [no_large_put(), patch(What::NoAnswer)]
        => [Copied, Asked(Target, "GET", "/uploads/", 1), Sessions(3), SentTwiceAtMost(200_000)];
    upload_whose_session_expired_while_it_was_cut (layer()):
        [] / [
            no_large_put(),
            patch(What::CutRequestAfter(50_000)),
            lost_session(),
        ]
        => [Copied, Sessions(4), SentTwiceAtMost(250_000)];
    upload_whose_session_is_lost_in_patch (layer()):
        [] / [no_large_put(), patch(What::error(404, "BLOB_UPLOAD_UNKNOWN", "unknown")), lost_session()]
        => [Copied, Sessions(4)];
    upload_cut_in_the_put_that_closes_it (layer()):
        [] / [no_large_put(), put(What::CutRequestAfter(0)).after(1)]
        => [Copied];
    upload_cut_in_a_piece (layer_of(8 << 20)):
        // The first PATCH is refused: it has no `Content-Range`.
        [] / [
            on("PUT", "/uploads/", What::RefuseMonolithicAbove(100_000, 413)).always(),
            patch(What::status(413)),
            patch(What::CutRequestAfter(1 << 20)).after(2),
        ]
        => [Copied, Asked(Target, "GET", "/uploads/", 1), Sessions(4)];
    upload_whose_session_is_lost_between_pieces (layer_of(8 << 20)):
        [] / [
            on("PUT", "/uploads/", What::RefuseMonolithicAbove(100_000, 413)).always(),
            patch(What::status(413)),
            patch(What::error(404, "BLOB_UPLOAD_UNKNOWN", "unknown")).after(2),
            lost_session(),
        ]
        => [Copied, Sessions(5)];
    upload_refused_in_one_put_by_413 (layer()):
        [] / [no_large_put()]
        => [Copied, Asked(Target, "PATCH", "/uploads/", 1)];
    upload_refused_in_one_put_by_400 (layer()):
        [] / [on("PUT", "/uploads/", What::RefuseMonolithicAbove(100_000, 400)).always()]
        => [Copied, Asked(Target, "PATCH", "/uploads/", 1)];
    location_absolute (layer()):
        [] / [on("*", "/uploads/", What::Location(LocationForm::Absolute)).always(), no_large_put()]
        => [Copied];
    location_relative (layer()):
        [] / [on("*", "/uploads/", What::Location(LocationForm::Relative)).always(), no_large_put()]
        => [Copied];
    location_with_a_query (layer()):
        [] / [on("*", "/uploads/", What::Location(LocationForm::WithQuery)).always(), no_large_put()]
        => [Copied];
    location_without_a_slash (layer()):
        [] / [on("*", "/uploads/", What::Location(LocationForm::NoSlash)).always(), no_large_put()]
        => [Copied];
    location_relative_of_a_session_that_is_asked (layer()):
        [] / [
            on("*", "/uploads/", What::Location(LocationForm::Relative)).always(),
            no_large_put(),
            patch(What::CutRequestAfter(50_000)),
        ]
        => [Copied, Asked(Target, "GET", "/uploads/", 1), Sessions(3), SentTwiceAtMost(200_000)];
    location_on_another_host (tokens(layer()).uploads_elsewhere()):
        [] / []
        => [Copied, NoCredentialElsewhere];
    location_on_another_host_with_the_answer_lost (tokens(layer()).uploads_elsewhere()):
        [] / [post(What::NoAnswer)]
        => [Copied, NoCredentialElsewhere];
    location_absent (layer().input("patience", "2s")):
        [] / [post(What::Location(LocationForm::Missing)).always()]
        => [Failed, Says("without a place to send it to")];

    // ── Throttling and refusals ────────────────────────────────────────────────────────────────────────────────────

    throttled_by_429_for_seconds (layer()):
        [get(retry_after(429, 1))] / [post(retry_after(429, 1))]
        => [Copied];
    throttled_by_503_for_seconds (layer()):
        [on("HEAD", "/manifests/", retry_after(503, 1))] / [on("PUT", "/manifests/", retry_after(503, 1))]
        => [Copied];
    throttled_by_429_until_a_date (layer()):
        [get(retry_at(429, 1))] / [post(retry_at(429, 1))]
        => [Copied];
    throttled_by_503_until_a_date (layer()):
        [get(retry_at(503, 1))] / [post(retry_at(503, 1))]
        => [Copied];
    throttled_by_429_in_ghcrs_words (layer()):
        [] / [post(What::ghcr_429("10.305464ms"))]
        => [Copied, Asked(Target, "POST", "/uploads/", 3)];
    throttled_by_503_in_ghcrs_words (layer()):
        [] / [post(What::error(503, "UNAVAILABLE", "retry-after: 150µs, allowed: 2000/minute"))]
        => [Copied, Asked(Target, "POST", "/uploads/", 3)];
    throttled_by_429_without_a_time (layer()):
        [get(What::status(429)).times(2)] / [post(What::status(429))]
        => [Copied];
    throttled_by_503_without_a_time (layer()):
        [get(What::status(503))] / [post(What::status(503)).times(2)]
        => [Copied];
    // Once: a client that came back too early would be let in, and one that slept that long would never end.
    throttled_longer_than_patience_by_seconds (layer()):
        [] / [on("PUT", "/manifests/1", retry_after(429, 3600))]
        => [Failed, Says("429"), Asked(Target, "PUT", "/manifests/1", 1), Silent("trying again")];
    throttled_longer_than_patience_by_a_date (layer()):
        [] / [on("PUT", "/manifests/1", retry_at(503, 3600))]
        => [Failed, Says("503"), Asked(Target, "PUT", "/manifests/1", 1), Silent("trying again")];
    throttled_longer_than_patience_in_ghcrs_words (layer()):
        [] / [on("PUT", "/manifests/1", What::ghcr_429("1m2s"))]
        => [Failed, Says("retry-after: 1m2s"), Asked(Target, "PUT", "/manifests/1", 1), Silent("trying again")];
    throttled_beyond_all_numbers (layer().input("patience", "3s")):
        [] / [
            post(What::Delay(1200)).always(),
            post(What::status(503).header("retry-after", "18446744073709551615")).always(),
        ]
        => [Failed, Says("503")];
    throttled_until_a_date_by_a_clock_an_hour_ahead (layer()):
        [] / [post(retry_at_by_a_wrong_clock(429, 1))]
        => [Copied];
    throttled_for_no_time_at_all_is_no_reason_to_hammer (layer().input("patience", "3s")):
        [] / [on("HEAD", "/manifests/", What::status(429).header("retry-after", "0")).always()]
        => [Failed, AskedAtMost(Target, "HEAD", "/manifests/", 5)];
    a_long_wait_is_said_in_the_log (layer()):
        [] / [on("PUT", "/manifests/1", What::ghcr_429("4.2s"))]
        => [Copied, Says("target: 127.0.0.1"), Says("429 TOOMANYREQUESTS: retry-after: 4.2s"), Says("; trying again in ")];
    a_short_wait_is_not_said (layer()):
        [] / [on("PUT", "/manifests/1", retry_after(429, 1))]
        => [Copied, Silent("trying again")];
    throttled_without_end (layer().input("patience", "3s")):
        [] / [post(What::status(429)).always()]
        => [Failed, Says("target"), Says("429"), Says("gave up after"), AskedAtMost(Target, "POST", "/uploads/", 8)];
    secondary_rate_limit_with_a_time (layer()):
        // More than once: a refusal of the first, which would link the blob, is answered by a second.
        [] / [post(What::secondary_rate_limit().header("retry-after", "1")).times(3)]
        => [Copied];
    secondary_rate_limit_without_a_time (layer()):
        // Two minutes have worked, seconds have not: more than this patience.
        [] / [on("PUT", "/manifests/1", What::secondary_rate_limit())]
        => [Failed, Says("target"), Says("secondary rate limit"), Asked(Target, "PUT", "/manifests/1", 1)];
    secondary_rate_limit_is_no_empty_target (layer().target_has(layer_image())):
        [] / [
            on("HEAD", "/manifests/1", What::secondary_rate_limit().header("retry-after", "1")),
            on("GET", "/manifests/1", What::secondary_rate_limit().header("retry-after", "1")),
        ]
        => [Unchanged, Asked(Target, "PUT", "", 0)];
    quota_of_docker_hub (layer()):
        [on("GET", "/manifests/", What::docker_hub_quota())] / []
        => [Failed, Says("source"), Says("pull rate limit"), Asked(Source, "GET", "/manifests/", 1)];
    refusal_of_a_manifest (layer()):
        [] / [on("PUT", "/manifests/1", denied())]
        => [Failed, Says("target"), Says("403 DENIED: permission_denied: write_package"), Asked(Target, "PUT", "/manifests/1", 1)];
    refusal_of_an_upload (layer()):
        [] / [post(denied()).always()]
        => [Failed, Says("403 DENIED: permission_denied: write_package"), AskedAtMost(Target, "POST", "/uploads/", 4)];
    refusal_of_what_is_read (layer()):
        // Each of the two blobs may be asked for before its turn, and then once more.
        [get(What::error(403, "DENIED", "requested access to the resource is denied")).always()] / []
        => [Failed, Says("source"), Says("403 DENIED"), AskedAtMost(Source, "GET", "/blobs/", 4)];

    // ── Tokens ─────────────────────────────────────────────────────────────────────────────────────────────────────

    token_expires_before_the_tag (tokens(platforms())):
        [] / [on("PUT", "/manifests/1", What::RevokeTokens)]
        => [Copied, Tokens(Source, 1), Tokens(Target, 2)];
    token_expires_before_an_upload (tokens(platforms())):
        [] / [post(What::RevokeTokens)]
        => [Copied, Tokens(Target, 2)];
    token_expires_before_a_download (tokens(platforms())):
        [on("GET", "/blobs/", What::RevokeTokens)] / []
        => [Copied, Tokens(Source, 2), Tokens(Target, 1)];
    token_expires_while_a_body_is_on_its_way (tokens(only_the_layer())):
        [] / [put(What::RevokeTokens)]
        => [Copied, Tokens(Target, 2), SentTwiceAtMost(200_000)];
    token_expires_between_a_blob_and_the_put_that_closes_it (tokens(only_the_layer())):
        [] / [no_large_put(), put(What::RevokeTokens).after(1)]
        => [Copied, Tokens(Target, 2), Asked(Target, "PATCH", "/uploads/", 1), Asked(Target, "GET", "/uploads/", 0)];
    token_expires_between_a_cut_and_the_rest (tokens(layer())):
        [get(What::CutBodyAfter(70_000)), get(What::RevokeTokens).after(1)] / []
        => [Copied, Tokens(Source, 2), Ranges(&["-", "70000-", "70000-"]), FetchedTwiceAtMost(1_000), Sessions(2)];
    token_service_down_for_a_while (tokens(layer()).input("patience", "20s")):
        [on("*", "/token", What::status(503)).times(3)] / [on("*", "/token", What::status(503)).times(3)]
        => [Copied, Tokens(Source, 4), Tokens(Target, 4)];
    token_service_cut_in_its_answer (tokens(layer())):
        [on("*", "/token", What::CutBodyAfter(5))] / [on("*", "/token", What::NoAnswer)]
        => [Copied, Tokens(Source, 2), Tokens(Target, 2)];
    token_service_stalled_in_its_answer (tokens(layer()).input("patience", "3s")):
        [] / [on("*", "/token", What::StallBodyAfter(5)).always()]
        => [Failed, Says("target"), Says("token")];
    token_service_down (tokens(layer()).input("patience", "2s")):
        [on("*", "/token", What::error(503, "UNAVAILABLE", "tokens are out")).always()] / []
        => [Failed, Says("source"), Says("token"), Says("503"), Says("tokens are out"), Asked(Target, "POST", "/uploads/", 0)];
    token_of_a_clock_hours_ahead (skewed(7)):
        // Good for four seconds, whatever its clock says: it is renewed before it is refused.
        [on("GET", "/manifests/sha256:", What::Delay(4500))] / []
        => [Copied, Tokens(Target, 2), Unauthorized(Target, 1)];
    token_of_a_clock_hours_behind (skewed(-7)):
        [] / []
        => [Copied, Tokens(Source, 1), Tokens(Target, 1)];
    two_hundred_layers_want_a_token_and_one_asks (tokens(Scenario::copy(images::many_layers(200)))):
        [on("*", "/token", What::Delay(300))] / [on("*", "/token", What::Delay(300))]
        => [Copied, Tokens(Source, 1), Tokens(Target, 1)];
    two_hundred_layers_lose_their_token_and_one_asks (tokens(Scenario::copy(images::many_layers(200)))):
        [on("GET", "/blobs/", What::RevokeTokens).after(100)] / [post(What::RevokeTokens).after(100)]
        => [Copied, Tokens(Source, 2), Tokens(Target, 2)];

    // ── What a target does to manifests ────────────────────────────────────────────────────────────────────────────

    manifest_blob_unknown_once (layer()):
        [] / [on("PUT", "/manifests/", unknown())]
        => [Copied, Asked(Target, "PUT", "/manifests/1", 2)];
    manifest_blob_unknown_of_a_lost_blob (platforms()):
        [] / [on("PUT", "/manifests/1", What::Loses(child())), on("PUT", &child(), What::Loses(blob()))]
        => [Copied, SentTwiceAtMost(5_100)];
    manifest_blob_unknown_for_good (layer()):
        [] / [on("PUT", "/manifests/", unknown()).always()]
        => [Failed, Says("target"), Says("404 MANIFEST_BLOB_UNKNOWN: blob unknown to registry"), Asked(Target, "PUT", "/manifests/", 2)];
    manifest_refused (layer()):
        [] / [on("PUT", "/manifests/", What::error(400, "MANIFEST_INVALID", "we do not like it")).always()]
        => [Failed, Says("target"), Says("400 MANIFEST_INVALID: we do not like it"), Asked(Target, "PUT", "/manifests/", 1)];
    manifest_put_with_a_server_error (layer()):
        [] / [on("PUT", "/manifests/", What::status(500)), on("PUT", "/manifests/", What::status(502)).after(1)]
        => [Copied];
    manifest_put_that_gets_no_answer (layer()):
        [] / [on("PUT", "/manifests/1", What::NoAnswer)]
        => [Copied];
    manifest_put_that_never_gets_an_answer (layer().input("patience", "2s")):
        [] / [on("PUT", "/manifests/1", What::NoAnswer).always()]
        => [FailedAfterTheTag, Says("target"), Says("whether the tag `1` was written is not known")];
    manifest_put_whose_answer_was_lost_before_the_target_went_down (layer().input("patience", "2s")):
        [] / [on("PUT", "/manifests/1", What::NoAnswer), on("PUT", "/manifests/1", What::status(503)).after(1).always()]
        => [FailedAfterTheTag, Says("503"), Says("whether the tag `1` was written is not known")];
    manifest_put_that_is_never_answered (layer().input("patience", "2s")):
        [] / [on("PUT", "/manifests/1", What::Delay(600_000)).always()]
        => [Failed, Says("target"), Says("no answer in time (2 s)"), Says("whether the tag `1` was written is not known")];
    manifest_put_answered_without_location_and_digest (layer()):
        // As ECR does.
        [] / [
            on("PUT", "/manifests/", What::Location(LocationForm::Missing)).always(),
            on("PUT", "/manifests/", What::no_digest_header()).always(),
        ]
        => [Copied];
    manifest_put_accepted_late (layer()):
        [] / [on("PUT", "/manifests/1", What::Delay(300))]
        => [Copied, Asked(Target, "PUT", "/manifests/1", 1)];
    manifest_put_accepted_and_forgotten (layer().input("patience", "2s")):
        [] / [on("PUT", "/manifests/", What::AcceptButForget).always()]
        => [Failed, Says("target"), Says("and is not there")];
    tag_that_moves_between_resolve_and_copy (platforms().beside(images::three_platforms_updated())):
        [on("HEAD", "/manifests/1", What::TagMovesTo(images::three_platforms_updated().digest().to_owned()))] / []
        => [Copied, Asked(Source, "*", "/manifests/1", 1)];
    tag_that_moves_before_a_platform_is_chosen (
        Scenario::copy(images::single()).beside(images::three_platforms_updated()).input("platforms", "linux/amd64")
    ):
        [on("GET", "/manifests/1", What::TagMovesTo(images::three_platforms_updated().digest().to_owned()))] / []
        => [Copied, Asked(Source, "*", "/manifests/1", 1)];
    read_after_write_lag (layer()):
        [] / [on("PUT", "/manifests/1", What::LagManifest(2))]
        => [Copied, Asked(Target, "PUT", "/manifests/1", 1)];
    read_after_write_lag_without_end (layer().input("patience", "2s")):
        [] / [on("PUT", "/manifests/1", What::LagManifest(1000))]
        => [FailedAfterTheTag, Says("and is not there")];
    target_that_answers_a_child_with_another_digest (platforms()):
        [] / [on("PUT", "/manifests/sha256:", What::wrong_digest_header()).always()]
        => [Failed, Says("target"), Says("the digest is sha256:"), Asked(Target, "PUT", "/manifests/1", 0)];
    target_that_answers_the_tag_with_another_digest (layer()):
        [] / [on("PUT", "/manifests/1", What::wrong_digest_header())]
        => [FailedAfterTheTag, Says("target"), Says("the digest is sha256:")];
    immutable_tag_that_is_right (layer().times(2)):
        [] / [on("PUT", "/manifests/1", What::RefuseRetag(400)).always()]
        => [Unchanged, Asked(Target, "PUT", "/manifests/1", 1)];
    immutable_tag_whose_put_gets_no_answer (layer()):
        [] / [on("PUT", "/manifests/1", What::RefuseRetag(400)).always(), on("PUT", "/manifests/1", What::NoAnswer)]
        => [Copied];
    immutable_tag_with_another_image (layer().target_has(images::single())):
        [] / [on("PUT", "/manifests/1", What::RefuseRetag(400)).always()]
        => [Failed, Says("target"), Says("400 TAG_INVALID"), Says("it is immutable"), TagIs(images::single().digest().to_owned())];
    verify_finds_a_lost_child (platforms().target_has(images::three_platforms()).target_lost(&child()).input("command", "verify")):
        [] / []
        => [Failed, Says("target"), Says("linux/arm64"), Says("is missing"), Asked(Target, "PUT", "", 0), Asked(Target, "POST", "", 0)];
    verify_finds_a_lost_blob (platforms().target_has(images::three_platforms()).target_lost(&blob()).input("command", "verify")):
        [] / []
        => [Failed, Says("target"), Says("is missing"), Asked(Target, "PUT", "", 0), Asked(Target, "POST", "", 0)];
    deep_check_repairs_a_lost_child (platforms().target_has(images::three_platforms()).target_lost(&child()).input("check", "deep")):
        [] / []
        => [Copied, SentTwiceAtMost(0), Asked(Target, "PUT", "/manifests/", 1), Asked(Target, "PUT", "/manifests/1", 0)];
    deep_check_repairs_a_lost_blob (platforms().target_has(images::three_platforms()).target_lost(&blob()).input("check", "deep")):
        [] / []
        => [Copied, Sessions(1), Asked(Target, "PUT", "/manifests/", 0)];
    quick_check_does_not_look (platforms().target_has(images::three_platforms()).target_lost(&blob())):
        [] / []
        => [Unchanged, Asked(Target, "*", "", 1), Asked(Source, "*", "", 1)];
}
