//! The report for programs: the `json` and `mapping` outputs, and the small ones beside them.
//!
//! Owns the names and the order of fields that scripts rely on, and what is left out where there
//! is not room for all. Must never rename a field, never carry what the log would not show, never cut without saying so.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::emit::files::ConsumerConfig;
use crate::emit::format::mappings;
use crate::engine::behind::day;
use crate::engine::options::Command;
use crate::engine::outcome::{AttachmentOutcome, Attestation, ImageOutcome, Outcome, PlatformOutcome, Verification};
use crate::error::Side;
use crate::error::kind::Kind;
use crate::github::findings::Check;
use crate::observe::counts::{Blobs, EndpointReport, Traffic};
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::plan::list::expand::ExpandedEntry;
use crate::plan::list::shard::Shard;
use crate::plan::list::tags::Effect;
use crate::policy::Verified;
use crate::report::Report;
use crate::report::failures::{FailureGroup, groups};
use crate::report::figures::{bytes, pinned, total_bytes};
use crate::report::headline::headline;
use crate::report::prune::Data;
use crate::report::reply::Reply;
use crate::text::choice::Choice as _;
use crate::text::json::to_line;
use crate::text::sanitise;
use crate::text::units::count;

/// What the report does not know of itself.
#[derive(Clone, Debug)]
pub struct Context {
    /// This program's version.
    pub version: String,
    /// Size limit of one output in bytes; none: unlimited.
    pub max_bytes: Option<usize>,
}

impl Default for Context {
    fn default() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), max_bytes: None }
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    version: &'a str,
    command: &'a str,
    dry_run: bool,
    result: &'static str,
    /// The state in words that decide.
    headline: String,
    /// Why the run ended before its images.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    /// Of the one image, where there is one: for `jq -r .digest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageReference>,
    images: Images<'a>,
    /// Of a plan: the entries of a list that select tags, and what each of their rules has done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Entry<'a>>,
    /// Those that failed, put together where the cause is the same.
    failures: Vec<Failures<'a>>,
    totals: Totals,
    emitted: &'a [ConsumerConfig],
    notices: &'a [String],
    access: &'a [Check],
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<Data<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

/// An entry of a list that selects tags.
#[derive(Serialize)]
struct Entry<'a> {
    /// Where it begins: `images.yml:2:5`.
    at: String,
    source: &'a ImageReference,
    rules: Vec<Applied<'a>>,
}

/// What a rule of an entry has done.
#[derive(Serialize)]
struct Applied<'a> {
    rule: &'a str,
    effect: Effect,
    tags: Vec<&'a str>,
}

/// Images that failed for the same reason.
#[derive(Serialize)]
struct Failures<'a> {
    kind: Kind,
    why: String,
    hints: Vec<String>,
    images: Vec<&'a ImageReference>,
}

/// What is said of the images.
enum Images<'a> {
    /// Everything of each, made as it is written: of ten thousand images it is megabytes.
    Whole(&'a Report),
    Fitted(Vec<Image<'a>>),
}

impl Serialize for Images<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(report) => {
                serializer.collect_seq(report.images.iter().map(|image| Image::whole(report, image)))
            }
            Self::Fitted(images) => images.serialize(serializer),
        }
    }
}

/// What is said of an image: everything, or what is needed most where there is not room for all.
#[derive(Serialize)]
#[serde(untagged)]
enum Image<'a> {
    Whole(Box<WholeImage<'a>>),
    Brief(BriefImage<'a>),
}

#[derive(Serialize)]
struct WholeImage<'a> {
    source: &'a ImageReference,
    target: Option<&'a ImageReference>,
    source_digest: Option<&'a Digest>,
    digest: Option<&'a Digest>,
    replaced: Option<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<&'a Verified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<&'a Attestation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_since: Option<String>,
    media_type: Option<&'a str>,
    platforms: &'a [PlatformOutcome],
    served_by: Option<&'a str>,
    sites: &'a [EndpointReport],
    attachments: &'a [AttachmentOutcome],
    result: &'static str,
    requests: u64,
    bytes: u64,
    pulls_billed: u64,
    traffic: Traffic,
    blobs: Blobs,
    duration_ms: u64,
    notices: &'a [String],
    error: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct BriefImage<'a> {
    source: &'a ImageReference,
    target: Option<&'a ImageReference>,
    digest: Option<&'a Digest>,
    result: &'static str,
    requests: u64,
    bytes: u64,
    pulls_billed: u64,
    error: Option<Failure<'a>>,
}

/// What [`BriefImage`] has not, for people.
const BRIEFLY: &str = "of the images all but source, target, digest, result, requests, bytes, pulls_billed, error; notices; access; entries; failures; prune";

#[derive(Serialize)]
struct Failure<'a> {
    kind: Kind,
    why: String,
    message: String,
    pub side: Option<Side>,
    hints: Vec<String>,
    state: Option<&'a str>,
}

#[derive(Serialize)]
struct Totals {
    images: usize,
    copied: usize,
    unchanged: usize,
    kept: usize,
    would_copy: usize,
    inspected: usize,
    verified: usize,
    behind: usize,
    checked: usize,
    failed: usize,
    deferred: usize,
    requests: u64,
    bytes: u64,
    pulls_billed: u64,
    duration_ms: u64,
}

/// The whole report; where there is not room for all, `left_out` says what is missing.
fn fitted<'a>(report: &'a Report, context: &'a Context) -> Whole<'a> {
    let mut whole = whole(report, context);
    let is_too_long = |whole: &Whole<'_>| context.max_bytes.filter(|max_bytes| length(whole) > *max_bytes);
    // What rules did with each tag may be more than all that became of the images.
    if !whole.entries.is_empty() && is_too_long(&whole).is_some() {
        whole.entries.clear();
        whole.left_out = Some("entries".to_owned());
    }
    if let Some(max_bytes) = is_too_long(&whole) {
        let (images, cut) = briefly(report, max_bytes);
        let cut = if cut > 0 { format!("; {}", count(cut as u64, "image")) } else { String::new() };
        whole = Whole {
            images: Images::Fitted(images),
            access: &[],
            prune: None,
            notices: &[],
            failures: Vec::new(),
            left_out: Some(format!("{BRIEFLY}{cut}")),
            ..whole
        };
    }
    whole
}

fn whole<'a>(report: &'a Report, context: &'a Context) -> Whole<'a> {
    let traffic = report.traffic();
    let one = match report.images.as_slice() {
        [image] => image.digest.as_ref().zip(pinned(image)),
        _ => None,
    };
    let (digest, image) = one.unzip();
    Whole {
        digest,
        image,
        version: &context.version,
        command: report.command.word(),
        dry_run: report.dry_run,
        result: result(report),
        headline: headline(report),
        problem: report.problem.as_deref(),
        images: Images::Whole(report),
        entries: report
            .list
            .iter()
            .filter(|_| report.dry_run)
            .flat_map(|list| &list.entries)
            .filter_map(Entry::of)
            .collect(),
        failures: groups(report).into_iter().map(Failures::of).collect(),
        totals: Totals {
            images: report.images.len(),
            copied: report.count(Outcome::Copied),
            unchanged: report.count(Outcome::Unchanged),
            kept: report.count(Outcome::Kept),
            would_copy: report.count(Outcome::WouldCopy),
            inspected: report.count(Outcome::Inspected),
            verified: report.count(Outcome::Verified),
            behind: report.count(Outcome::Behind),
            checked: report.count(Outcome::Checked),
            failed: report.count(Outcome::Failed),
            deferred: report.count(Outcome::Deferred),
            requests: traffic.requests(),
            bytes: total_bytes(report),
            pulls_billed: traffic.pulls_billed,
            duration_ms: report.duration_ms,
        },
        emitted: &report.consumer_configs,
        notices: &report.notices,
        access: &report.access.checks,
        prune: report.prune.as_ref().map(|prune| prune.data(report.reader)),
        left_out: None,
    }
}

impl<'a> Entry<'a> {
    fn of(entry: &'a ExpandedEntry) -> Option<Self> {
        let steps = &entry.result.as_ref().ok()?.steps;
        let rules =
            steps.iter().map(|step| Applied { rule: &step.rule, effect: step.effect, tags: step.tags().collect() });
        Some(Self { at: entry.at.to_string(), source: &entry.source, rules: rules.collect() })
    }
}

impl<'a> Failures<'a> {
    fn of(group: FailureGroup<'a>) -> Self {
        Self {
            kind: group.kind,
            why: safe(&group.why),
            hints: group.hints.iter().map(|hint| safe(hint)).collect(),
            images: group.images.into_iter().map(|(image, _)| &image.source).collect(),
        }
    }
}

/// The whole report as one line, whatever its length.
pub fn document(report: &Report, context: &Context) -> String {
    to_line(&fitted(report, context))
}

/// As many images as fit, in order, and how many do not: those that failed come first.
fn briefly(report: &Report, max_bytes: usize) -> (Vec<Image<'_>>, usize) {
    // For what stands around the list.
    let mut left = max_bytes.saturating_sub(4096);
    let (failed, rest): (Vec<usize>, Vec<usize>) =
        (0..report.images.len()).partition(|number| report.images[*number].result == Outcome::Failed);
    let mut images = BTreeMap::new();
    for number in failed.into_iter().chain(rest) {
        let image = Image::brief(report, &report.images[number]);
        let Some(less) = left.checked_sub(length(&image) + 1) else { break };
        left = less;
        images.insert(number, image);
    }
    let cut = report.images.len() - images.len();
    (images.into_values().collect(), cut)
}

impl<'a> Image<'a> {
    fn whole(report: &Report, image: &'a ImageOutcome) -> Self {
        Self::Whole(Box::new(WholeImage {
            source: &image.source,
            target: image.target.as_ref(),
            source_digest: image.source_digest.as_ref(),
            digest: image.digest.as_ref(),
            replaced: image.replaced.as_ref(),
            verified: image.verified.as_ref().and_then(Verification::signed),
            attestation: image.attestation.as_deref(),
            behind_since: image.behind.as_ref().and_then(|behind| behind.since).map(day),
            media_type: image.media_type.as_deref(),
            platforms: &image.platforms,
            served_by: image.served_by.as_deref(),
            sites: &image.sites,
            attachments: &image.attachments,
            result: image.result.name(),
            requests: image.traffic.requests(),
            bytes: bytes(report, image),
            pulls_billed: image.traffic.pulls_billed,
            traffic: image.traffic,
            blobs: image.blobs,
            duration_ms: image.duration_ms,
            notices: &image.notices,
            error: failure(report, image),
        }))
    }

    fn brief(report: &Report, image: &'a ImageOutcome) -> Self {
        Self::Brief(BriefImage {
            source: &image.source,
            target: image.target.as_ref(),
            digest: image.digest.as_ref(),
            result: image.result.name(),
            requests: image.traffic.requests(),
            bytes: bytes(report, image),
            pulls_billed: image.traffic.pulls_billed,
            error: failure(report, image),
        })
    }
}

fn failure<'a>(report: &Report, image: &'a ImageOutcome) -> Option<Failure<'a>> {
    let error = image.error.as_deref()?;
    Some(Failure {
        kind: error.kind(),
        why: safe(&error.why()),
        message: safe(&error.to_string()),
        side: error.side(),
        hints: error.hints(report.reader).iter().map(|hint| safe(hint)).collect(),
        state: image.state.as_deref(),
    })
}

/// A sentence is put together from parts, each safe by itself; together they are printed by scripts, so they are made safe again.
fn safe(text: &str) -> String {
    sanitise::one_line(text, usize::MAX)
}

pub fn result(report: &Report) -> &'static str {
    match (report.cancelled, report.exit_code()) {
        (Some(_), _) => "cancelled",
        (None, 0) => "succeeded",
        (None, _) => "failed",
    }
}

/// The length of a value's [`to_line`], without making it.
fn length<T: Serialize>(value: &T) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Nothing that is counted can fail to be.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// As many of `items` as fit into `max_bytes`, each `around` bytes longer than it is, and how many do not.
fn fitting<T>(items: Vec<T>, max_bytes: Option<usize>, around: usize, length: impl Fn(&T) -> usize) -> (Vec<T>, usize) {
    let all = items.len();
    let mut left = max_bytes.unwrap_or(usize::MAX);
    let fits = |item: &T| {
        let less = left.checked_sub(length(item) + around);
        left = less.unwrap_or(0);
        less.is_some()
    };
    let items: Vec<T> = items.into_iter().take_while(fits).collect();
    let cut = all - items.len();
    (items, cut)
}

/// The outputs of a run, and what is to be said about them.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Name and value, in a fixed order; what has no value is left out.
    pub values: Vec<(&'static str, String)>,
    /// What was cut, a sentence each.
    pub warnings: Vec<String>,
}

impl Outputs {
    fn push(&mut self, name: &'static str, value: String) {
        self.values.push((name, value));
    }

    /// A list of which `cut` entries had no room.
    fn push_list(&mut self, name: &'static str, value: String, of: usize, cut: usize, instead: &str) {
        if cut > 0 {
            self.warnings.push(format!(
                "the output `{name}` has only the first {} of {of} entries: GitHub takes 1 MB of a job's output{instead}",
                of - cut
            ));
        }
        self.push(name, value);
    }
}

/// An image that is left for another run, as the input `images` takes it.
fn next(image: &ImageOutcome) -> String {
    match &image.target {
        Some(target) => format!("{} => {target}", image.source),
        None => image.source.to_string(),
    }
}

/// The parts that the work of a plan is worth, for `strategy.matrix`.
fn matrix(report: &Report) -> serde_json::Value {
    let parts = Shard::proposed(total_bytes(report), report.count(Outcome::WouldCopy));
    let include: Vec<_> = parts.iter().map(|shard| serde_json::json!({ "shard": shard.to_string() })).collect();
    serde_json::json!({ "include": include })
}

/// Every output of the run that is made of the report.
pub fn outputs(report: &Report, reply: Option<&Reply>, context: &Context) -> Outputs {
    let mut outputs = Outputs::default();
    if let [image] = report.images.as_slice()
        && let (Some(digest), Some(pinned)) = (&image.digest, pinned(image))
    {
        outputs.push("digest", digest.to_string());
        outputs.push("image", pinned.to_string());
    }
    let copy = report.command == Command::Copy;
    if copy {
        let images: Vec<String> = report.images.iter().filter_map(pinned).map(|name| name.to_string()).collect();
        let of = images.len();
        let (images, cut) = fitting(images, context.max_bytes, 1, String::len);
        outputs.push_list("images", images.join("\n"), of, cut, "");
        outputs.push("changed", report.changed().to_string());
    }
    if let Some(prune) = &report.prune {
        outputs.push("prune", prune.count().to_string());
    }
    if let Some(plan) = &report.plan {
        outputs.push("plan", plan.clone());
        outputs.push("matrix", to_line(&matrix(report)));
    }
    if let Some(reply) = reply {
        for (name, value) in reply.outputs() {
            outputs.push(name, value);
        }
    }
    let deferred = report.images.iter().filter(|image| image.result == Outcome::Deferred);
    let next: Vec<String> = deferred.map(next).collect();
    if !next.is_empty() {
        let of = next.len();
        let (next, cut) = fitting(next, context.max_bytes, 1, String::len);
        outputs.push_list("next", next.join("\n"), of, cut, "");
    }
    let whole = fitted(report, context);
    outputs.warnings.extend(whole.left_out.as_ref().map(|left_out| {
        format!("the output `json` is without some of the report ({left_out}): GitHub takes 1 MB of a job's output")
    }));
    outputs.push("json", to_line(&whole));
    drop(whole);
    if copy {
        let mappings = mappings(&report.images);
        let of = mappings.len();
        let (mappings, cut) = fitting(mappings, context.max_bytes, 1, length);
        outputs.push_list("mapping", to_line(&mappings), of, cut, "; `emit: mapping` writes all of them to a file");
    }
    if copy || report.command == Command::Access {
        let checks: Vec<&Check> = report.access.checks.iter().collect();
        let of = checks.len();
        let (checks, cut) = fitting(checks, context.max_bytes, 1, length);
        outputs.push_list("access", to_line(&checks), of, cut, "");
    }
    outputs
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Context, fitted, mappings, outputs, to_line};
    use crate::engine::options::Command;
    use crate::engine::outcome::{ImageOutcome, Outcome, PlatformOutcome};
    use crate::error::action::Action;
    use crate::error::cause::{Cause, ErrorResponse};
    use crate::error::object::Object;
    use crate::error::{Error, Side};
    use crate::observe::counts::{Blobs, Traffic};
    use crate::oci::digest::Digest;
    use crate::oci::reference::{ImageReference, Reference};
    use crate::report::Report;

    pub(in crate::report) fn named(text: &str) -> ImageReference {
        ImageReference::parse(text).unwrap()
    }

    pub(in crate::report) fn copied() -> ImageOutcome {
        let digest = Digest::of(b"index");
        ImageOutcome {
            source_digest: Some(digest.clone()),
            digest: Some(digest),
            media_type: Some("application/vnd.oci.image.index.v1+json".to_owned()),
            platforms: vec![
                PlatformOutcome { platform: "linux/amd64".to_owned(), digest: Digest::of(b"a"), size: Some(3_500_000) },
                PlatformOutcome {
                    platform: "linux/arm64/v8".to_owned(),
                    digest: Digest::of(b"b"),
                    size: Some(4_100_000),
                },
            ],
            result: Outcome::Copied,
            traffic: Traffic {
                source_requests: 12,
                target_requests: 15,
                token_requests: 2,
                bytes_read: 8_912_896,
                bytes_written: 8_912_896,
                pulls_billed: 3,
            },
            blobs: Blobs { sent: 4, mounted: 1, present: 2, missing: 0, missing_bytes: 0 },
            duration_ms: 1900,
            ..ImageOutcome::new(
                named("docker.io/library/alpine:3.20"),
                Some(named("ghcr.io/acme/mirror/docker.io/library/alpine:3.20")),
            )
        }
    }

    pub(in crate::report) fn unchanged() -> ImageOutcome {
        ImageOutcome {
            result: Outcome::Unchanged,
            traffic: Traffic { source_requests: 1, target_requests: 1, ..Traffic::default() },
            blobs: Blobs::default(),
            duration_ms: 90,
            ..copied()
        }
    }

    pub(in crate::report) fn failed() -> ImageOutcome {
        // No registry has such a name; it shows what is made of the character.
        let repository = Reference::parse("ghcr.io/acme/mirror:1").expect("a reference");
        let repository = repository.relocated("ghcr.io", "acme/mirror/quay.io/x|y");
        ImageOutcome {
            error: Some(Box::new(Error::Registry {
                side: Side::Target,
                action: Action::PutManifest,
                object: Object::from(&ImageReference::Registry(repository)),
                cause: Cause::Refused(ErrorResponse {
                    status: 403,
                    code: Some("DENIED".to_owned()),
                    message: "permission_denied: write_package".to_owned(),
                    ..ErrorResponse::default()
                }),
            })),
            state: Some("11 of 12 blobs are uploaded; the tag was not moved".to_owned()),
            ..ImageOutcome::new(named("quay.io/x:1"), Some(named("oci:mirror/quay.io/x|y:1")))
        }
    }

    pub(in crate::report) fn report(images: Vec<ImageOutcome>) -> Report {
        Report { images, duration_ms: 1900, ..Report::new(Command::Copy, false) }
    }

    fn context() -> Context {
        Context { version: "1.2.3".to_owned(), max_bytes: None }
    }

    #[test]
    fn the_json_has_the_fields_that_scripts_rely_on() {
        let text = to_line(&fitted(&report(vec![copied(), failed()]), &context()));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(
            text.starts_with(r#"{"version":"1.2.3","command":"copy","dry_run":false,"result":"failed","headline":""#)
        );
        let image = &json["images"][0];
        assert_eq!(image["result"], "copied");
        assert_eq!(image["requests"], 27);
        assert_eq!(image["bytes"], 8_912_896);
        assert_eq!(image["traffic"]["token_requests"], 2);
        assert_eq!(image["blobs"]["mounted"], 1);
        assert_eq!(image["platforms"][1]["platform"], "linux/arm64/v8");
        assert_eq!(image["attachments"], serde_json::json!([]));
        assert!(image["error"].is_null());
        let error = &json["images"][1]["error"];
        assert_eq!(error["side"], "target");
        assert!(error["message"].as_str().unwrap().contains("403 DENIED"));
        assert!(error["hints"].as_array().unwrap().len() > 1);
        assert_eq!(error["state"], "11 of 12 blobs are uploaded; the tag was not moved");
        assert_eq!(json["headline"], "1 of 2 mirrored, 1 failed: 1 denied");
        let group = &json["failures"][0];
        assert_eq!((&group["kind"], &group["images"]), (&"denied".into(), &serde_json::json!(["quay.io/x:1"])));
        assert_eq!((&group["why"], &group["hints"]), (&error["why"], &error["hints"]));
        assert_eq!(json["totals"]["images"], 2);
        assert_eq!(json["totals"]["failed"], 1);
        assert_eq!(json["totals"]["duration_ms"], 1900);
    }

    #[test]
    fn a_dry_run_counts_the_bytes_that_are_missing_and_inspect_those_it_read() {
        let mut image = copied();
        image.result = Outcome::WouldCopy;
        image.blobs.missing_bytes = 77;
        let mut report = Report { dry_run: true, ..report(vec![image]) };
        let bytes = |report: &Report| -> serde_json::Value {
            serde_json::from_str::<serde_json::Value>(&to_line(&fitted(report, &context()))).unwrap()["totals"]["bytes"]
                .clone()
        };
        assert_eq!(bytes(&report), 77);
        report.dry_run = false;
        report.command = Command::Inspect;
        assert_eq!(bytes(&report), 8_912_896);
        report.cancelled = Some("SIGTERM");
        assert!(to_line(&fitted(&report, &context())).contains(r#""result":"cancelled""#));
    }

    #[test]
    fn one_image_has_all_outputs_in_order() {
        let outputs = outputs(&report(vec![copied()]), None, &context()).values;
        let names: Vec<&str> = outputs.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["digest", "image", "images", "changed", "json", "mapping", "access"]);
        let digest = Digest::of(b"index");
        assert_eq!(outputs[1].1, format!("ghcr.io/acme/mirror/docker.io/library/alpine:3.20@{digest}"));
        assert_eq!(outputs[3].1, "true");
    }

    #[test]
    fn a_target_with_only_a_digest_is_named_once() {
        let mut image = unchanged();
        let digest = Digest::of(b"index");
        image.target = Some(named(&format!("ghcr.io/a/b@{digest}")));
        let outputs = outputs(&report(vec![image]), None, &context()).values;
        assert_eq!(outputs[1].1, format!("ghcr.io/a/b@{digest}"));
        assert_eq!(outputs[3].1, "false");
    }

    #[test]
    fn several_images_have_no_single_digest_and_a_failed_one_is_not_listed() {
        let report = report(vec![copied(), failed(), unchanged()]);
        let outputs = outputs(&report, None, &context()).values;
        assert_eq!(outputs[0].0, "images");
        assert_eq!(outputs[0].1.lines().count(), 2);
        let mapping: serde_json::Value = serde_json::to_value(mappings(&report.images)).unwrap();
        assert_eq!(mapping.as_array().unwrap().len(), 2);
        assert_eq!(mapping[0]["tags"], serde_json::json!(["3.20"]));
        assert_eq!(mapping[0]["platforms"], serde_json::json!(["linux/amd64", "linux/arm64/v8"]));
    }

    #[test]
    fn outputs_that_are_too_long_are_cut_whole_entry_by_whole_entry_and_say_so() {
        let mut images = vec![copied(); 300];
        images.push(failed());
        let report = report(images);
        let max_bytes = 20_000;
        let outputs = outputs(&report, None, &Context { max_bytes: Some(max_bytes), ..context() });
        let value = |name: &str| &outputs.values.iter().find(|(key, _)| *key == name).unwrap().1;
        for name in ["images", "json", "mapping"] {
            assert!(
                value(name).len() <= max_bytes && value(name).len() > max_bytes / 2,
                "{name}: {}",
                value(name).len()
            );
        }
        let pinned = crate::report::figures::pinned(&report.images[0]).unwrap();
        assert!(value("images").lines().all(|line| line == pinned.to_string()));
        let json: serde_json::Value = serde_json::from_str(value("json")).unwrap();
        assert_eq!((&json["totals"]["images"], &json["totals"]["failed"]), (&301.into(), &1.into()));
        let listed = json["images"].as_array().unwrap();
        assert_eq!(listed.last().unwrap()["result"], "failed", "what failed is always there");
        let left_out = format!("{}; {} images", crate::report::json::BRIEFLY, 301 - listed.len());
        assert_eq!(json["left_out"], left_out.as_str());
        let mapping: Vec<serde_json::Value> = serde_json::from_str(value("mapping")).unwrap();
        assert_eq!(outputs.warnings.len(), 3);
        let sentence = format!("the output `mapping` has only the first {} of 300 entries", mapping.len());
        assert!(outputs.warnings[2].starts_with(&sentence), "{:?}", outputs.warnings);
        let unbounded = crate::report::json::outputs(&report, None, &context());
        assert!(unbounded.warnings.is_empty() && !unbounded.values[2].1.contains("left_out"));
    }

    #[test]
    fn inspect_and_verify_set_their_own_outputs() {
        let mut report = report(vec![ImageOutcome { target: None, result: Outcome::Inspected, ..copied() }]);
        report.command = Command::Inspect;
        let outputs = outputs(&report, None, &context()).values;
        let names: Vec<&str> = outputs.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["digest", "image", "json"]);
        assert!(outputs[1].1.starts_with("docker.io/library/alpine:3.20@sha256:"));
    }
}
