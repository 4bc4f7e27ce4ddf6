//! Runs that are stopped: killed at two hundred moments nothing visible is half and the next run completes; told to stop
//! they end at once in every phase and say what was done.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;

use crate::support::images::{self, Image};
use crate::support::random::Random;
use crate::support::registry::Recorded;
use crate::support::run::signal;
use crate::support::{Account, Auth, Fault, Hook, Moment, Registry, Run, TokenAuth, What};

/// What decides the moments.
const SEED: u64 = 20_261_124;

const MOMENTS: usize = 200;

/// Runs at a time.
const AT_ONCE: usize = 4;

/// Three platforms with a layer of 100 KB each, a referrer and a signature under a tag.
struct Fixture {
    image: Image,
    referrer: Image,
    signature: Image,
    signature_tag: String,
}

impl Fixture {
    fn new() -> Self {
        let image = images::wide(3, 100_000);
        let referrer = images::referrer_of(&image, "application/vnd.example.sbom");
        let signature_tag = format!("{}.sig", image.digest().replace(':', "-"));
        Self { image, referrer, signature: images::docker_single(), signature_tag }
    }

    /// A source that has it, and a target that takes holes, so that only the order of the writes keeps it whole.
    fn registries(&self) -> (Registry, Registry) {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&self.image, "library/app:1");
        source.seed(&self.referrer, "library/app");
        source.seed(&self.signature, &format!("library/app:{}", self.signature_tag));
        source.switch(|switches| switches.referrers = Some(10));
        target.switch(|switches| switches.sparse_allowed = true);
        (source, target)
    }

    /// All of it is in `repository`.
    fn is_whole(&self, target: &Registry, repository: &str) -> Result<(), String> {
        if target.tag(repository, "1").as_deref() != Some(self.image.digest()) {
            return Err(format!("{repository}:1 is {:?}", target.tag(repository, "1")));
        }
        target.is_whole(repository, "1")?;
        target.is_whole(repository, &self.signature_tag)?;
        target.is_whole(repository, self.referrer.digest())
    }
}

fn copy(source: &Registry, target: &Registry, repository: &str) -> Run {
    Run::copy(&source.name("library/app:1"), &target.name(&format!("{repository}:1")))
}

/// One moment: so many requests have come to one side, and the last one is so far.
#[derive(Clone, Copy, Debug)]
struct Kill {
    number: usize,
    at_target: bool,
    request: usize,
    moment: Moment,
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "by its seed a failure is repeated")]
async fn killed_at_two_hundred_moments_nothing_visible_is_half() {
    println!("seed {SEED}");
    let fixture = Fixture::new();
    let (source, target) = fixture.registries();
    copy(&source, &target, "undisturbed").succeeds().await;
    fixture.is_whole(&target, "undisturbed").unwrap();
    let whole = (source.requests(), target.requests());

    let mut random = Random::new(SEED);
    let kills: Vec<Kill> = (0..MOMENTS)
        .map(|number| {
            let at_target = random.below(3) > 0;
            let request = 1 + random.below(if at_target { whole.1 } else { whole.0 });
            let moment = match random.below(4) {
                0 => Moment::Arrival,
                1 => Moment::RequestBody(random.below(100_000)),
                2 => Moment::Done,
                _ => Moment::AnswerBody(random.below(100_000)),
            };
            Kill { number, at_target, request, moment }
        })
        .collect();
    let left = Mutex::new(kills.iter());
    let killed = join_all((0..AT_ONCE).map(|_| async {
        let (source, target) = fixture.registries();
        let mut killed = 0;
        loop {
            let Some(kill) = left.lock().unwrap().next() else { break };
            killed += usize::from(survives(&fixture, &source, &target, kill).await);
        }
        target.everything_visible_is_whole().unwrap();
        source.everything_visible_is_whole().unwrap();
        assert_eq!(source.writes(), 0);
        killed
    }))
    .await;
    let killed: usize = killed.iter().sum();
    println!("{killed} of {MOMENTS} runs were killed, of {whole:?} requests each");
    assert!(killed > MOMENTS * 9 / 10, "only {killed} runs were killed; the moments are badly chosen");
}

/// Kills one run, looks at both sides, and lets the next run complete; whether it was killed.
async fn survives(fixture: &Fixture, source: &Registry, target: &Registry, kill: &Kill) -> bool {
    let repository = format!("killed/moment-{}", kill.number);
    let process = Arc::new(OnceLock::new());
    let victim = Arc::clone(&process);
    let hook = Hook::new(move || {
        if let Some(id) = victim.wait() {
            signal(*id, "KILL");
        }
    });
    let registry = if kill.at_target { target } else { source };
    registry.fault(Fault::on("*", "/v2/", What::Then(kill.moment, hook)).after(kill.request - 1));
    let running = copy(source, target, &repository).spawn();
    process.set(running.id()).unwrap();
    let outcome = running.finish().await;
    // What was sent before the kill may still be on its way in.
    tokio::time::sleep(Duration::from_millis(40)).await;
    let context = || format!("seed {SEED}, {kill:?}\nsource\n{}target\n{}\n{outcome}", source.lines(), target.lines());
    for reference in target.tags(&repository).into_iter().chain(target.manifests(&repository)) {
        target.is_whole(&repository, &reference).unwrap_or_else(|problem| panic!("{problem}\n{}", context()));
    }
    let tag = target.tag(&repository, "1");
    assert!(tag.is_none() || tag.as_deref() == Some(fixture.image.digest()), "{tag:?}\n{}", context());
    assert_eq!(source.writes(), 0, "{}", context());

    for registry in [source, target] {
        registry.clear_faults();
        registry.reset();
    }
    let next = copy(source, target, &repository).unhurried().run().await;
    assert_eq!(next.code, 0, "the next run\n{next}\n{}", context());
    fixture.is_whole(target, &repository).unwrap_or_else(|problem| panic!("the next run: {problem}\n{}", context()));
    for registry in [source, target] {
        registry.reset();
    }
    outcome.code == 137
}

/// Where a run is when it is told to stop, and what it says that it has done.
struct Phase {
    name: &'static str,
    command: &'static str,
    /// What holds it up: at the source, at the target.
    source: Option<Fault>,
    target: Option<Fault>,
    /// What shows in the target's log that the run has come so far, where the fault alone does not.
    reached: fn(&[Recorded]) -> bool,
    says: &'static str,
}

fn tag_read_back(log: &[Recorded]) -> bool {
    let is_put = |request: &Recorded| request.method == "PUT" && request.path.ends_with("/manifests/1");
    log.iter().skip_while(|request| !is_put(request)).skip(1).any(|request| request.path.contains("/manifests/"))
}

fn phases() -> Vec<Phase> {
    let nothing = "nothing was written";
    // A part of a body was on its way.
    let nothing_whole = "nothing is known to have been written whole";
    let (command, reached): (_, fn(&[Recorded]) -> bool) = ("copy", |_| true);
    let at_source = |name, fault, says| Phase { name, command, source: Some(fault), target: None, reached, says };
    let at_target = |name, fault, says| Phase { name, command, source: None, target: Some(fault), reached, says };
    let never = || What::Delay(600_000);
    vec![
        at_source("resolve", Fault::on("HEAD", "/manifests/1", never()), nothing),
        at_source("waiting for a token", Fault::on("*", "/token", never()), nothing),
        at_source("a token service that is down", Fault::on("*", "/token", What::status(503)).always(), nothing),
        at_source("a manifest that stalls", Fault::on("GET", "/manifests/", What::StallBodyAfter(5)), nothing),
        // A small blob is read whole before the target is asked for anything.
        at_source("a download that stalls", Fault::on("GET", "/blobs/", What::StallBodyAfter(50)).always(), nothing),
        at_target("opening an upload", Fault::on("POST", "/uploads/", never()).always(), nothing),
        at_target(
            "an upload that stalls",
            Fault::on("PUT", "/uploads/", What::StallRequestAfter(10)).always(),
            nothing_whole,
        ),
        at_target(
            "asleep because it was throttled",
            Fault::on("POST", "/uploads/", What::status(429).header("retry-after", "40")).always(),
            nothing,
        ),
        at_target(
            "between the blobs and the tag",
            Fault::on("PUT", "/manifests/1", never()),
            "all of the image is at the target; whether the tag `1` was written is not known",
        ),
        Phase {
            reached: tag_read_back,
            ..at_target(
                "reading the tag back",
                Fault::on("PUT", "/manifests/1", What::LagManifest(1000)),
                "the tag `1` was written to the target",
            )
        },
        // Which never writes, and so says nothing of it.
        Phase {
            command: "verify",
            ..at_target("verify", Fault::on("HEAD", "/blobs/", never()).always(), "cancelled by SIG")
        },
    ]
}

#[tokio::test]
async fn told_to_stop_a_run_ends_at_once_in_every_phase_and_says_what_was_done() {
    let runs = phases().into_iter().flat_map(|phase| {
        let phase = Arc::new(phase);
        [("TERM", 143), ("INT", 130)].map(|(name, code)| stops(Arc::clone(&phase), name, code))
    });
    join_all(runs).await;
}

async fn stops(phase: Arc<Phase>, signal_name: &str, code: i32) {
    let image = images::wide(3, 20_000);
    let auth = |user: &str| Auth::Token(TokenAuth::new(vec![Account::new(user, "secret")]));
    let (source, target) = (Registry::with_auth(auth("ann")), Registry::with_auth(auth("bob")));
    target.switch(|switches| switches.sparse_allowed = true);
    source.seed(&image, "library/app:1");
    if phase.command == "verify" {
        target.seed(&image, "mirror/app:1");
    }
    for (registry, fault) in [(&source, &phase.source), (&target, &phase.target)] {
        if let Some(fault) = fault {
            registry.fault(fault.clone());
        }
    }
    let run = copy(&source, &target, "mirror/app").command(phase.command).input("patience", "10m");
    let run = run.input("source-username", "ann").input("source-password", "secret");
    let run = run.input("target-username", "bob").input("target-password", "secret");
    let mut running = run.spawn();
    let held_up = || source.fired() + target.fired() > 0 && (phase.reached)(&target.log());
    while !held_up() && !running.has_ended() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Most often it has been answered by then and waits; what it says is the same before.
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.signal(signal_name);
    // The patience is longer than a run may take: only the signal ends this one in time.
    let outcome = running.finish().await;
    let context =
        format!("{} SIG{signal_name}\n{outcome}\nsource\n{}target\n{}", phase.name, source.lines(), target.lines());
    assert_eq!(outcome.code, code, "{context}");
    let json = outcome.json();
    assert_eq!((&json["result"], &json["images"][0]["result"]), (&"cancelled".into(), &"failed".into()), "{context}");
    assert!(outcome.says(&format!("cancelled by SIG{signal_name}")), "{context}");
    assert!(outcome.says(phase.says), "`{}` is not said: {context}", phase.says);
    assert_eq!(outcome.says("nothing was written"), phase.says == "nothing was written", "{context}");
    assert!(outcome.summary.contains("cancelled"), "{context}");
    let written = target.tag("mirror/app", "1").is_some();
    assert_eq!(written, phase.command == "verify" || phase.says.starts_with("the tag"), "{context}");
    target.everything_visible_is_whole().unwrap_or_else(|problem| panic!("{problem}\n{context}"));
}
