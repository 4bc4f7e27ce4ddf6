//! The stages of a run as lines: inputs, plan, engine, access, emit, report.
//!
//! Owns wiring, order and the exit code. Never holds logic that a test could want.

pub mod connect;
pub mod deliver;
pub mod files;
pub mod history;
pub mod import;
pub mod lock;
pub mod prune;
pub mod publish;
pub mod rewrite;
pub mod tags;
pub mod watch;

use std::ffi::OsString;
use std::future::Future;
use std::pin::pin;
use std::time::SystemTime;

use futures_util::future::{FutureExt as _, select};
use tokio::time::Instant;

use crate::app::connect::{credentials, ends, registries, transport};
use crate::app::prune::Pruner;
use crate::app::publish::{decline, publish, refuse};
use crate::app::watch::{Watch, say};
use crate::attest::Attestor;
use crate::credentials::Credentials;
use crate::emit;
use crate::engine::near::Near;
use crate::engine::options::{Command, OnBudget};
use crate::engine::outcome::Outcome;
use crate::engine::queue::Queue;
use crate::engine::session::{Session, Shared};
use crate::environment::Environment;
use crate::error::{Error, Side};
use crate::github::access::{self, AccessCheck};
use crate::github::token::refuse_unusable_tokens;
use crate::inputs;
use crate::inputs::typed::{FilesRequest, Inputs, Invocation};
use crate::observe::debug_log;
use crate::observe::events::Events;
use crate::oci::reference::Reference;
use crate::plan::Plan;
use crate::plan::ask::Declined;
use crate::plan::list::expand::{self, Expansion};
use crate::plan::list::prune::{Scope, scopes};
use crate::plan::request::Images;
use crate::report::list::ListReport;
use crate::report::{Budget, Report, log, pace, package_access, plan};
use crate::runner::Runner;
use crate::runner::console::Console;
use crate::runner::files::{Files, clear};
use crate::store::layout::shared::Layouts;
use crate::store::layout::workspace::Workspace;
use crate::store::mirrors;
use crate::store::registry::registries::Registries;
use crate::text::tone::{Line, Tone};

/// What is no run of images.
enum Other {
    Tags(Reference),
    Files(Box<FilesRequest>),
}

/// Runs the program and gives its exit code.
///
/// `arguments` come without the program's name. `shutdown` resolves with a signal's name when the run is to stop: then
/// nothing more is started, and what was done is reported.
pub async fn run(
    arguments: Vec<OsString>,
    environment: &Environment,
    shutdown: impl Future<Output = &'static str>,
) -> u8 {
    let is_line = !arguments.is_empty();
    let runner = Runner::new(environment, is_line);
    let console = Console::new(&runner);
    let usage = inputs::usage(&arguments, environment);
    let (inputs, other) = match inputs::read(arguments, environment) {
        Ok(Invocation::Run(inputs)) => (inputs, None),
        Ok(Invocation::Tags(inputs, repository)) => (inputs, Some(Other::Tags(repository))),
        Ok(Invocation::Files(inputs, request)) => (inputs, Some(Other::Files(request))),
        Ok(Invocation::Print(text)) => {
            return console.data(&text).map_or_else(|error| refuse(None, &console, &error), |()| 0);
        }
        Err(error) => {
            // The run is over; that an old report is left, and that there is no file for a summary, is no more than a line.
            let _ = clear(&runner);
            let files = Files::open(&runner, inputs::wants_summary(environment), None).ok();
            let code = refuse(files, &console, &error);
            for line in usage.iter().flat_map(|usage| usage.trim_end().lines()) {
                console.line(line);
            }
            return code;
        }
    };
    console.talk(inputs.talk);
    if is_line && matches!(other, Some(Other::Files(_))) {
        console.part_data();
    }
    if let Err(error) = clear(&runner) {
        return refuse(None, &console, &error);
    }
    let files = match Files::open(&runner, inputs.summary, inputs.report_file.as_ref()) {
        Ok(files) => files,
        Err(error) => return refuse(None, &console, &error),
    };
    for secret in inputs.credentials.secrets().iter().chain(&inputs.access.admin_token) {
        console.mask(secret);
    }
    for credential in &inputs.proxies.credentials {
        console.redactor().add(&credential.password);
        console.redactor().add(&credential.pair());
    }
    for notice in &inputs.notices {
        console.warning("mirror-image", notice);
    }
    match other {
        Some(Other::Tags(repository)) => return tags::run(files, &console, &inputs, &repository, shutdown).await,
        Some(Other::Files(request)) => return self::files::run(files, &console, &request),
        None => {}
    }
    if inputs.asked.is_some() && inputs.request.images.is_empty() {
        let problem = match inputs.asked.as_deref() {
            Some([]) => "names no image",
            _ => "asks for no image that is mirrored here; the reply says why",
        };
        return decline(files, &console, &inputs, &Error::input("request", problem));
    }
    let mut report = match stages(&inputs, &console, shutdown).await {
        Ok(report) => report,
        Err(error) => return decline(files, &console, &inputs, &error),
    };
    publish(files, &console, &inputs, &mut report)
}

/// From the inputs to the report.
pub async fn stages(
    inputs: &Inputs,
    console: &Console,
    shutdown: impl Future<Output = &'static str>,
) -> Result<Report, Error> {
    let started = Instant::now();
    let layouts = Layouts::within(inputs.checkout.as_deref().and_then(Workspace::open));
    let plan = Plan::new(&inputs.request, &inputs.credentials, &inputs.insecure_registries, &layouts)?;
    let names = plan.jobs.iter().flat_map(|job| std::iter::once(&job.source).chain(&job.target));
    console.redactor().open(names.map(ToString::to_string));
    let mut shutdown = Box::pin(shutdown.fuse());
    // A helper program may ask a person, and is ended with the run.
    let ends = ends(&inputs.request, &plan);
    let (credentials, cancelled) = tokio::select! {
        biased;
        credentials = credentials(inputs, console, &ends) => (credentials, None),
        signal = &mut shutdown => (inputs.credentials.clone(), Some(signal)),
    };
    refuse_tokens(inputs, &plan, &credentials)?;
    let (transport, connections) = transport(inputs);
    let registries = registries(inputs, credentials, &transport, connections);
    let (events, heard) = Events::new();
    if inputs.debug_log {
        debug_log::start(events.clone());
    }
    let mut report = Report { cancelled, ..begun(inputs, console) };
    // `inspect` sends nothing and is read by the next command.
    let tally = (inputs.request.command != Command::Inspect).then(|| events.tally());
    let mut watch = Watch::new(console, heard, tally, started, shutdown);
    let until = inputs.time_limit.map(|limit| started + limit);
    let (plan, scopes) =
        settled(plan, (inputs, &layouts), &registries, &mut watch, &mut report, (&events, until)).await?;
    let access = AccessCheck::new(access_context(inputs, &registries, console), &plan.jobs, &transport);
    let mirrors = mirrors::Mirrors::new(inputs.mirrors.clone());
    let shared = Shared { layouts, near: Near::new(&plan.jobs), ..Shared::default() };
    let attestor = inputs.attest.clone().map(|settings| Attestor::new(settings, &transport, inputs.patience));
    let session = Session {
        registries: &registries,
        mirrors: &mirrors,
        shared: &shared,
        attestor: attestor.as_ref(),
        gate: &access,
        events: &events,
    };
    report.notices.extend(plan.notices.iter().cloned());
    for line in inputs.mirrors.rules.describe().iter().chain(&report.notices) {
        console.line(line);
    }
    report.told = report.notices.len();
    if let Some((title, lines)) = report.list.as_ref().and_then(ListReport::group) {
        console.group(&title, &lines);
    }

    let mut queue = Queue::new(&session, &plan.jobs, inputs.on_failure, inputs.at_once);
    if report.cancelled.is_none() {
        mirror(&mut watch, &mut queue, &mut report, (plan.jobs.len(), until)).await;
    }
    report.images = queue.finish();
    tell_deferred(console, &mut report);
    if report.cancelled.is_none() {
        match watch.until(access.check(&plan.jobs, &report.images, &events)).await {
            Ok(findings) => report.access = findings,
            Err(signal) => report.cancelled = Some(signal),
        }
    }
    for (title, lines) in package_access::groups(&report.access) {
        console.group(&title, &lines);
    }
    let pace = tell_pace(console, &mut report, &registries);
    conclude_list(console, &mut report, &pace);
    if let Some(prune) = inputs.prune.as_ref().filter(|_| report.cancelled.is_none()) {
        let (transport, undivided) = (&transport, tokio::sync::Mutex::default());
        let pruner = Pruner { inputs, prune, registries: &registries, transport, scopes: &scopes, undivided };
        Box::pin(prune_list(&pruner, &mut watch, &mut report, (&events, until))).await;
    }
    emit_configuration(inputs, &mut report);
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Says what is left for another run, and why: as a failure, where it is one, to quiet runs too.
fn tell_deferred(console: &Console, report: &mut Report) {
    if let Some((title, lines)) = log::deferred(report) {
        console.group(&title, &lines);
    }
    let Some(sentence) = log::left_over(report) else { return };
    if report.on_budget == OnBudget::Fail {
        console.error("on-budget", &sentence);
    } else {
        console.line(&sentence);
    }
    report.notices.insert(report.told, sentence);
    report.told += 1;
}

/// Says of a run that is planned how long registries make it, and gives what it has said.
fn tell_pace(console: &Console, report: &mut Report, registries: &Registries) -> Vec<String> {
    if !report.dry_run || report.cancelled.is_some() {
        return Vec::new();
    }
    let sentences = pace::sentences(report, &registries.pulled());
    for sentence in &sentences {
        console.line(sentence);
        report.notices.insert(report.told, sentence.clone());
        report.told += 1;
    }
    sentences
}

/// The report of a run that has done nothing yet.
fn begun(inputs: &Inputs, console: &Console) -> Report {
    let mut report = Report::new(inputs.request.command, inputs.dry_run);
    report.reader = console.reader();
    report.on_budget = inputs.on_budget;
    report.asked.clone_from(&inputs.asked);
    report.notices.extend(inputs.asked.iter().flatten().map(Declined::sentence));
    report
}

/// Prunes, unless a signal comes first or the time is over; what was deleted until then is told.
async fn prune_list<S: Future<Output = &'static str>>(
    pruner: &Pruner<'_>,
    watch: &mut Watch<'_, S>,
    report: &mut Report,
    (events, until): (&Events, Option<Instant>),
) {
    let mut account = pruner.begin();
    let mut work = Box::pin(pruner.run(report, events, &mut account));
    let end = watch.until(within(until, &mut work)).await;
    if !matches!(end, Ok(Some(()))) {
        // A signal comes once: here it may, where it was the time that was over.
        while watch.until(select(pin!(pruner.may_end()), &mut work)).await.is_err() {}
    }
    drop(work);
    let end = match end {
        Ok(Some(())) => None,
        Ok(None) => Some("`time-limit` was over before it was done".to_owned()),
        Err(signal) => {
            report.cancelled = Some(signal);
            Some(format!("cancelled by {signal} before it was done"))
        }
    };
    account.refused = account.refused.or(end);
    let (title, lines) = account.group();
    watch.console.group(&title, &lines);
    for problem in account.problems(report.reader) {
        if account.fails() {
            watch.console.error("prune", &problem);
        } else {
            watch.console.warning("prune", &problem);
        }
    }
    report.prune = Some(account);
}

/// Refuses what the target's registry is known to refuse, before it is asked.
fn refuse_tokens(inputs: &Inputs, plan: &Plan, credentials: &Credentials) -> Result<(), Error> {
    match inputs.request.command {
        Command::Access => Ok(()),
        _ => refuse_unusable_tokens(&plan.jobs, credentials, &inputs.server),
    }
}

/// The plan of this run: with the tags of its list, and only the jobs of its shard.
async fn settled<S: Future<Output = &'static str>>(
    mut plan: Plan,
    (inputs, layouts): (&Inputs, &Layouts),
    registries: &Registries,
    watch: &mut Watch<'_, S>,
    report: &mut Report,
    (events, until): (&Events, Option<Instant>),
) -> Result<(Plan, Vec<Scope>), Error> {
    let mut written = Vec::new();
    if let Images::List(list) = &inputs.request.images
        && report.cancelled.is_none()
    {
        match watch.until(within(until, expand::expand(list, &inputs.request, registries, events))).await {
            Ok(None) => {
                let problem = "`time-limit` was over before the tags of the list were known; raise it";
                return Err(unwritten(inputs.request.command, problem));
            }
            Ok(Some(expansion)) => {
                plan = listed((inputs, layouts), watch.console, &expansion, registries.credentials())?;
                if inputs.prune.is_some() {
                    written = scopes(list, (&expansion, &plan.jobs), &inputs.request, &inputs.insecure_registries);
                }
                let told = ListReport::new(expansion);
                report.notices.extend(told.idle_settings(inputs.request.lock.as_ref()));
                report.list = Some(told);
            }
            Err(signal) => report.cancelled = Some(signal),
        }
    }
    if let Some(shard) = inputs.shard {
        plan = plan.part(shard);
    }
    if let Some(list) = &mut report.list {
        list.origins = std::mem::take(&mut plan.origins);
        list.part = inputs.shard;
    }
    Ok((plan, written))
}

/// What is wrong with a list, before anything of it was looked at; that nothing was written is news where something would be.
fn unwritten(command: Command, problem: &str) -> Error {
    Error::Local(match command {
        Command::Copy => format!("nothing was written: {problem}"),
        Command::Inspect | Command::Verify | Command::Access => problem.to_owned(),
    })
}

/// The plan of a list whose tags are known. What is wrong with it could not be seen before; nothing is written yet.
fn listed(
    (inputs, layouts): (&Inputs, &Layouts),
    console: &Console,
    expansion: &Expansion,
    credentials: &Credentials,
) -> Result<Plan, Error> {
    let made = Plan::of_list(&expansion.lines, &inputs.request, credentials, &inputs.insecure_registries, layouts);
    let made = made.map_err(|error| match error {
        Error::Input { problem, .. } => unwritten(inputs.request.command, &problem),
        other => other,
    })?;
    refuse_tokens(inputs, &made, credentials)?;
    // Without the tags, also where a template puts them into a repository's name: those are words of the registries.
    let ends = made.jobs.iter().flat_map(|job| {
        let tag = job.source.tag().unwrap_or_default();
        let target = job.end(Side::Target).filter(|end| tag.is_empty() || !end.repository().contains(tag));
        [job.end(Side::Source), target]
    });
    let ends = ends.flatten();
    console.redactor().open(ends.map(|end| format!("{}/{}", end.registry(), end.repository())));
    Ok(made)
}

/// Adds the entries that failed to what became of the others, and says what a dry run would change.
fn conclude_list(console: &Console, report: &mut Report, pace: &[String]) {
    let Some(list) = &report.list else { return };
    let of = report.images.len() + 1;
    for image in list.failed(report.command) {
        say(console, report, of, &image);
        report.images.push(image);
    }
    if report.dry_run {
        for line in plan::lines(report) {
            console.tell(&Line::default().then(Tone::Plain, line.text), line.is_alarm);
        }
        report.plan = Some(plan::markdown(report, list, pace));
    }
}

fn access_context<'a>(inputs: &'a Inputs, registries: &'a Registries, console: &Console) -> access::Context<'a> {
    access::Context {
        settings: &inputs.access,
        command: inputs.request.command,
        dry_run: inputs.dry_run,
        patience: inputs.patience,
        server: &inputs.server,
        workflow: inputs.workflow.as_deref(),
        registries,
        reader: console.reader(),
    }
}

/// Works through the queue and says how each of the `of` images ended, until all have or a signal ends them.
async fn mirror<S: Future<Output = &'static str>>(
    watch: &mut Watch<'_, S>,
    queue: &mut Queue<'_>,
    report: &mut Report,
    (of, until): (usize, Option<Instant>),
) {
    loop {
        let next = match watch.until(within(until, queue.next())).await {
            Ok(Some(image)) => Ok(image),
            Ok(None) => {
                queue.defer();
                report.over_budget = Some(Budget::Time);
                break;
            }
            Err(signal) => Err(signal),
        };
        match next {
            // With the others that are, when all is over.
            Ok(Some(image)) if image.result == Outcome::Deferred => report.over_budget = Some(Budget::Pulls),
            Ok(Some(image)) => say(watch.console, report, of, image),
            Ok(None) => break,
            Err(signal) => {
                report.cancelled = Some(signal);
                queue.cancel(signal);
            }
        }
    }
    watch.tally = None;
    watch.console.end_progress();
}

/// What `work` gives, unless its time is over first.
async fn within<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => tokio::time::timeout_at(until, work).await.ok(),
        None => Some(work.await),
    }
}

/// Makes configuration for others of what is at the targets.
fn emit_configuration(inputs: &Inputs, report: &mut Report) {
    let (consumer_configs, notes) = emit::render(
        &inputs.emit,
        &report.images,
        report.command,
        inputs.dry_run,
        inputs.request.project.as_deref(),
        &inputs.insecure_registries,
        SystemTime::now(),
    );
    report.consumer_configs = consumer_configs;
    report.notices.extend(notes);
}
