//! mirror-image copies container images between registries with their digests kept.
//!
//! # The way of an image
//!
//! ```text
//! inputs → plan → resolve → copy → verify → access → report
//! ```
//!
//! | stage | takes | gives | network |
//! |---|---|---|---|
//! | [`inputs`] | flags, `INPUT_*`, files named by them | [`inputs::Inputs`]: typed, defaulted, checked against each other | none |
//! | [`plan`] | inputs | [`plan::Plan`]: jobs of a source and a target | none |
//! | [`resolve`] | a job | a tag's digest, once; everything after goes by digest | HEADs, one manifest |
//! | [`copy`] | a manifest | the same bytes at the target: blobs, children, index | everything else |
//! | [`verify`] | a digest | the proof that the target answers with it | HEADs |
//! | [`github::access`] | the target packages | checks, grants, what is left to do | GitHub's API |
//! | [`report`] | all of the above, failures included | log, outputs, summary, `json` | none |
//!
//! [`mirror`] takes one image along this way; [`queue`] takes all of them, many at once, and never stops at a failed one;
//! [`run`] is the program. What images have in common they share: connections, tokens, and in the ledger of [`copy`] what
//! one has brought and the next needs. `dry-run` is the same code stopped before each write, `inspect` is resolve without
//! a target, `verify` compares both sides in depth.
//!
//! # Layout
//!
//! - [`inputs`]: the one table of inputs; the only reader of flags and `INPUT_*`. [`images`]: how a list of images is
//!   written. [`credentials`]: which host gets which.
//! - [`mod@reference`], [`template`], [`platform`], [`digest`], [`manifest`]: the nouns. A manifest is raw bytes with a media
//!   type; nothing that is copied is ever re-serialised, because a digest is over bytes.
//! - [`store`]: one end of a copy, whatever it is. [`blob`]: a blob on its way, hashed, its last piece held back until the
//!   hash agrees.
//! - [`layout`]: an OCI image layout on disk.
//! - [`mirrors`]: from a reference to the places where it may be read, a pure function; [`mirrored`]: the store that asks
//!   them one after the other and believes none without a digest.
//! - [`registry`]: the distribution protocol: token service and realm rule, retries, redirects without credentials,
//!   downloads that go on where they broke, the forms of an upload.
//! - [`copy`]: the engine, the ledger of what the run knows to be where, and the readers that share one download.
//!   [`attachments`]: what hangs on a digest.
//! - [`emit`]: configuration for those who pull from the target, one small file a format.
//! - [`github`]: the runner's protocol: outputs, summary, commands, masking; and access: the only room that knows GitHub's
//!   API, and the only user of `octocrab`.
//! - [`report`]: what happened, as data, and its three voices. [`error`], [`hints`], [`examples`]: failures, what to do
//!   about them, and one of each.
//! - [`meter`]: requests, bytes and pulls, counted where they happen; [`progress`]: how far all images are together, for
//!   those who wait. [`sanitise`], [`secret`]: what comes from outside
//!   is made safe to print; what must not be printed cannot be.
//!
//! Dependencies point from the report's end of this way to its beginning, never back; only [`registry`] knows HTTP, only
//! [`github`] knows GitHub.
//!
//! # Why the transport is our own
//!
//! `oci-client` gives the `Reference` grammar and the media-type constants. Its transport was measured and is not used:
//! it panics on a manifest pushed by digest where the registry answers without `Location` (ECR), follows any token realm
//! with the password, takes a failed listing of referrers for an empty one, hides `Retry-After`, asks `/v2/` before
//! every request of a registry without tokens, and sends one PATCH for each piece of a stream.
//!
//! # Promises
//!
//! 1. **Exact**: a copied manifest is the same bytes; its digest is computed here and read back from the target.
//! 2. **Whole before visible**: blobs, children, index, the tag last.
//! 3. **Nothing needless**: an unchanged image costs one HEAD at each side.
//! 4. **Nothing leaks**: a credential goes to its host and that host's own token service.
//! 5. **Says what to do**: every failure names the side, the object, the registry's words, what was written, what next.

mod credentials;
mod emit;
mod engine;
mod environment;
mod error;
mod examples;
mod github;
mod http;
mod inputs;
mod observe;
mod oci;
mod plan;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod report;
mod secret;
mod store;
mod text;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Fuse, FutureExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Interval;

use crate::engine::copy::{fan_out, ledger, limit};
use crate::engine::options::Command;
use crate::engine::outcome::ImageReport;
use crate::engine::queue::Queue;
use crate::engine::session::Run;
pub use crate::environment::Environment;
use crate::error::{Error, Side};
use crate::github::access::Access;
use crate::github::runner::Runner;
use crate::github::runner::console::Console;
use crate::github::server::Server;
use crate::http::clients;
use crate::inputs::table::{self, Inputs, Invocation};
use crate::observe::events::{Event, Events};
use crate::observe::progress::{Pace, Tally};
use crate::oci::reference::Reference;
use crate::plan::Plan;
use crate::report::{Report, json, log, summary};
use crate::store::mirrors;
use crate::store::registry::{host, registries};

/// Parts of the program that its own tests, fuzz targets and benchmarks look at. No promise of any kind.
#[doc(hidden)]
pub mod internals {
    pub use crate::emit::Wanted;
    pub use crate::emit::render;
    pub use crate::engine::outcome::ImageReport;
    pub use crate::engine::outcome::Outcome;
    pub use crate::error::Side;
    pub use crate::examples::chapters;
    pub use crate::inputs::table::INPUTS;
    pub use crate::inputs::table::Kind;
    pub use crate::inputs::table::OUTPUTS;
    pub use crate::oci::reference::Reference;
    pub use crate::report::Report;
    pub use crate::store::mirrors::rules::Fallback;
    pub use crate::store::mirrors::rules::Rules;
    pub use crate::text::sanitise::markdown;
}

/// How often a run is looked at that somebody watches.
const LOOK: Duration = Duration::from_millis(250);

/// Runs the program and gives its exit code.
///
/// `arguments` come without the program's name. `shutdown` resolves with a signal's name when the run is to stop: then
/// nothing more is started, and what was done is reported.
pub async fn run(
    arguments: Vec<String>,
    environment: &Environment,
    shutdown: impl Future<Output = &'static str>,
) -> u8 {
    let runner = Runner::new(&|name| environment.get(name).map(str::to_owned));
    let console = Console::new(&runner);
    let inputs = match table::read(arguments, environment) {
        Ok(Invocation::Run(inputs)) => inputs,
        Ok(Invocation::Print(text)) => {
            console.data(&text);
            return 0;
        }
        Err(error) => return refuse(&console, &error),
    };
    for secret in inputs.credentials.secrets().iter().chain(&inputs.access.admin_token) {
        console.mask(secret);
    }
    for notice in &inputs.notices {
        console.warning("mirror-image", notice);
    }
    let report = match stages(&inputs, environment, &console, shutdown).await {
        Ok(report) => report,
        Err(error) => return refuse(&console, &error),
    };
    publish(&runner, &console, &inputs, &report)
}

/// From the inputs to the report.
async fn stages(
    inputs: &Inputs,
    environment: &Environment,
    console: &Console,
    shutdown: impl Future<Output = &'static str>,
) -> Result<Report, Error> {
    let started = Instant::now();
    let plan = Plan::new(inputs, environment)?;
    let transport = clients::Transport::new(inputs.ca_certificates.as_deref())?;
    let settings = host::Settings {
        insecure: inputs.insecure_registries.clone(),
        patience: inputs.patience,
        github: Server::of(environment).registry().map(str::to_owned),
    };
    let registries = registries::Registries::new(transport.clone(), settings);
    let push_token = |target: &Reference| inputs.credentials.for_target(target).map(|credential| credential.password);
    let access = Access::new(inputs, environment, &plan, &transport, &registries, &push_token);
    let (ledger, readers, room) = (ledger::Ledger::default(), fan_out::Readers::default(), limit::Room::default());
    let mirrors = mirrors::Mirrors::new(inputs.mirrors.clone(), inputs.credentials.clone());
    let (events, heard) = Events::new();
    let run = Run {
        command: inputs.command,
        dry_run: inputs.dry_run,
        registries: &registries,
        ledger: &ledger,
        readers: &readers,
        room: &room,
        credential: &|side, reference| match side {
            Side::Source => inputs.credentials.for_source(reference),
            Side::Target => inputs.credentials.for_target(reference),
        },
        attachments: inputs.attachments,
        foreign_layers: inputs.foreign_layers,
        check: inputs.check,
        describe_unchanged: !inputs.emit.is_empty(),
        gate: &access,
        mirrors: &mirrors,
        patience: inputs.patience,
        events: &events,
    };
    for line in inputs.mirrors.rules.describe().iter().chain(&plan.notices) {
        console.line(line);
    }

    let mut report = Report { command: inputs.command.as_str(), dry_run: inputs.dry_run, ..Report::default() };
    let mut watch = Watch {
        console,
        heard,
        // `inspect` sends nothing and is read by the next command.
        tally: (inputs.command != Command::Inspect).then(|| events.tally()),
        pace: Pace::new(started),
        looks: tokio::time::interval(LOOK),
        shutdown: Box::pin(shutdown.fuse()),
    };
    let mut queue = Queue::new(&run, &plan.jobs, inputs.on_failure);
    loop {
        match watch.until(queue.next()).await {
            Ok(Some(image)) => say(console, report.command, plan.jobs.len(), image),
            Ok(None) => break,
            Err(signal) => {
                report.cancelled = Some(signal);
                queue.cancel(signal);
            }
        }
    }
    watch.tally = None;
    console.end_progress();
    report.images = queue.finish();
    if let Some((title, lines)) = log::deferred(&report) {
        console.group(&title, &lines);
    }
    if report.cancelled.is_none() {
        match watch.until(access.check(&plan, &report.images, &events)).await {
            Ok(findings) => report.access = findings,
            Err(signal) => report.cancelled = Some(signal),
        }
    }
    for (title, lines) in report.access.groups() {
        console.group(&title, &lines);
    }
    let (handovers, notes) =
        emit::render(&inputs.emit, &report, environment.get("GITHUB_REPOSITORY"), &inputs.insecure_registries);
    report.handovers = handovers;
    report.notices.extend(plan.notices.into_iter().chain(notes));
    report.duration = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// What goes on beside the work: what must be said meanwhile, how far it is, the signal that ends it.
struct Watch<'a, S> {
    console: &'a Console,
    heard: UnboundedReceiver<Event>,
    tally: Option<&'a Arc<Tally>>,
    pace: Pace,
    looks: Interval,
    shutdown: Pin<Box<Fuse<S>>>,
}

impl<S: Future<Output = &'static str>> Watch<'_, S> {
    /// Waits for `work`; gives the signal's name, once, where one comes first.
    async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(event) = self.heard.recv() => self.tell(event),
                now = self.looks.tick() => {
                    if let Some(tally) = self.tally {
                        self.console.progress(&self.pace.look(now.into_std(), tally.progress()));
                    }
                }
                result = &mut work => {
                    while let Ok(event) = self.heard.try_recv() {
                        self.tell(event);
                    }
                    return Ok(result);
                }
                signal = &mut self.shutdown => return Err(signal),
            }
        }
    }

    fn tell(&self, event: Event) {
        match event {
            Event::Notice(text) => self.console.line(&text),
            Event::Warning(text) => self.console.warning("mirror-image", &text),
            Event::Mask(secret) => self.console.mask(&secret),
        }
    }
}

/// One image that has ended.
fn say(console: &Console, command: &str, of: usize, image: &ImageReport) {
    let (title, lines) = (log::group_title(image), log::image(command, image));
    if of > log::MANY && log::is_quiet(image) {
        console.line(&title);
    } else {
        console.group(&title, &lines);
    }
    // Outside Actions the group has said it; and of many that were cut off, the last line has.
    let is_news = of == 1 || !matches!(image.error, Some(Error::Cancelled { .. }));
    if console.in_actions()
        && is_news
        && let Some((title, message)) = log::annotation(command, image)
    {
        console.error(&title, &message);
    }
}

/// Bad input, or a machine that cannot run it: one sentence, and nothing was contacted.
fn refuse(console: &Console, error: &Error) -> u8 {
    console.error("mirror-image", &error.to_string());
    for hint in error.hints() {
        console.line(&format!("hint: {hint}"));
    }
    if error.is_input() { 2 } else { 1 }
}

/// The report's voices, and the exit code.
fn publish(runner: &Runner, console: &Console, inputs: &Inputs, report: &Report) -> u8 {
    let mut code = report.exit_code();
    let mut failed = |result: Result<(), Error>| {
        if let Err(error) = result {
            console.error("mirror-image", &error.to_string());
            code = code.max(1);
        }
    };
    for notice in &report.notices {
        console.line(notice);
    }
    if let Some(directory) = &inputs.emit_directory {
        failed(emit::write(directory, &report.handovers));
    }
    for line in log::handovers(report) {
        console.line(&line);
    }
    if inputs.summary {
        failed(runner.write_summary(&summary::render(report)));
    }
    for (title, message) in report.access.annotations() {
        if report.access.strict {
            console.error(&title, &message);
        } else {
            console.warning(&title, &message);
        }
    }
    let context = json::Context { room: runner.output_room(), ..Default::default() };
    let outputs = json::outputs(report, &context);
    for warning in &outputs.warnings {
        console.warning("mirror-image", warning);
    }
    console.verdict(&log::verdict(report));
    failed(runner.write_outputs(console, &outputs.values));
    code
}
