//! One copy, what goes wrong at either end, and what must hold all the same: the machinery behind the fault matrix.

use std::time::Duration;

use mirror_image::internals::Side;

use super::{Outcome, Run};
use crate::support::images::Image;
use crate::support::registry::{Recorded, Registry};
use crate::support::tls::{Certificate, NAME, Proxy};
use crate::support::token::{Account, Auth, TokenAuth};
use crate::support::{Fault, LocationForm, What};

/// Where the source has the image, and where the target gets it.
const SOURCE: &str = "library/app";
const TARGET: &str = "mirror/app";

/// What must hold when the run is over. Besides: every fault of the row found its request, the source was not written
/// to, and everything visible at the target is whole.
#[derive(Clone, Debug)]
pub enum Holds {
    /// The run ends well, and all of the image is at the target under its tag and digest.
    Copied,
    /// The run ends well, the tag was right and nothing was written.
    Unchanged,
    /// The run ends with code 1 and says so in every voice; the target's tag is what it was.
    Failed,
    /// The same, only that the tag was written: a target that answers wrongly has taken it.
    FailedAfterTheTag,
    /// Words in the log.
    Says(&'static str),
    /// Words that the log must not have.
    Silent(&'static str),
    /// How often something was asked: the side, a method or `*`, a part of path and query.
    Asked(Side, &'static str, &'static str, usize),
    AskedAtMost(Side, &'static str, &'static str, usize),
    /// The `Range` of each request for the largest blob, in order; `-` for none.
    Ranges(&'static [&'static str]),
    /// The source handed out the largest blob once, and so many bytes at most a second time.
    FetchedTwiceAtMost(usize),
    /// The target took the bytes of all blobs once, and so many at most a second time.
    SentTwiceAtMost(usize),
    /// Upload sessions that the target opened.
    Sessions(usize),
    /// Tokens asked for at a side.
    Tokens(Side, usize),
    /// Requests that a side answered with 401.
    Unauthorized(Side, usize),
    /// A tag of the target that is not the image's.
    TagIs(String),
    /// The host that uploads were sent to saw no credential.
    NoCredentialElsewhere,
    /// Every manifest request of this side came over HTTP/2.
    OverHttp2(Side),
}

/// A copy before anything goes wrong.
pub struct Scenario {
    image: Image,
    inputs: Vec<(&'static str, String)>,
    times: usize,
    beside: Vec<Image>,
    there: Option<Image>,
    lost: Vec<String>,
    tokens: Option<(TokenAuth, TokenAuth)>,
    http2: Option<Side>,
    uploads_elsewhere: bool,
}

impl Scenario {
    /// `image` at the source, nothing at the target.
    pub fn copy(image: Image) -> Self {
        Self {
            image,
            inputs: vec![("patience", "8s".to_owned())],
            times: 1,
            beside: vec![],
            there: None,
            lost: vec![],
            tokens: None,
            http2: None,
            uploads_elsewhere: false,
        }
    }

    pub fn input(mut self, name: &'static str, value: &str) -> Self {
        self.inputs.push((name, value.to_owned()));
        self
    }

    /// The run is made so often; what must hold is asked once, at the end.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// The source has this too, without a tag.
    pub fn beside(mut self, image: Image) -> Self {
        self.beside.push(image);
        self
    }

    /// The target has this under the tag.
    pub fn target_has(self, image: Image) -> Self {
        Self { there: Some(image), ..self }
    }

    /// The target has lost this of it.
    pub fn target_lost(mut self, digest: &str) -> Self {
        self.lost.push(digest.to_owned());
        self
    }

    /// Both ends want tokens; the account is `ann` at the source, `bob` at the target.
    pub fn tokens(self, change: impl Fn(TokenAuth) -> TokenAuth) -> Self {
        let auth = |user: &str| change(TokenAuth::new(vec![Account::new(user, &format!("{user}s-secret"))]));
        Self { tokens: Some((auth("ann"), auth("bob"))), ..self }
    }

    /// This side is reached by a name, through a proxy, over TLS and HTTP/2.
    pub fn over_http2(self, side: Side) -> Self {
        Self { http2: Some(side), ..self }
    }

    /// The target names another host as the place to send uploads to.
    pub fn uploads_elsewhere(self) -> Self {
        Self { uploads_elsewhere: true, ..self }
    }

    /// Makes the run under faults and asks what must hold.
    pub async fn holds(self, at_source: Vec<Fault>, at_target: Vec<Fault>, holds: Vec<Holds>) {
        let stage = Stage::set(&self, at_source, at_target);
        let (run, _proxy) = stage.run(&self).await;
        let mut outcome = run.run().await;
        for _ in 1..self.times {
            outcome = run.run().await;
        }
        // What was answered last may still be on its way into the log.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let problems = stage.problems(&self, &outcome, &holds);
        assert!(
            problems.is_empty(),
            "{}\n\n{outcome}\nsource\n{}target\n{}",
            problems.join("\n"),
            stage.source.lines(),
            stage.target.lines()
        );
    }

    /// The digest of the largest blob.
    fn largest(&self) -> (&str, usize) {
        let blob = self.image.blobs.iter().max_by_key(|blob| blob.bytes.len()).expect("the image has blobs");
        (&blob.digest, blob.bytes.len())
    }
}

/// The two registries of a scenario.
struct Stage {
    source: Registry,
    target: Registry,
    elsewhere: Option<Registry>,
    certificate: Option<Certificate>,
}

impl Stage {
    fn set(scenario: &Scenario, at_source: Vec<Fault>, at_target: Vec<Fault>) -> Self {
        let certificate = scenario.http2.map(|_| Certificate::new());
        let registry = |side: Side| match &certificate {
            Some(certificate) if scenario.http2 == Some(side) => Registry::with_tls(certificate),
            _ => Registry::start(),
        };
        let (source, target) = (registry(Side::Source), registry(Side::Target));
        if let Some((here, there)) = &scenario.tokens {
            source.set_auth(Auth::Token(here.clone()));
            target.set_auth(Auth::Token(there.clone()));
        }
        source.seed(&scenario.image, &format!("{SOURCE}:1"));
        for image in &scenario.beside {
            source.seed(image, SOURCE);
        }
        if let Some(image) = &scenario.there {
            target.seed(image, &format!("{TARGET}:1"));
        }
        for digest in &scenario.lost {
            assert!(target.forget(TARGET, digest), "the target never had {digest}");
        }
        let elsewhere = scenario.uploads_elsewhere.then(|| target.plain_redirect_store());
        if let Some(host) = &elsewhere {
            target.fault(Fault::on("POST", "/uploads/", What::Location(LocationForm::OtherHost(host.url()))).always());
        }
        for (registry, faults) in [(&source, at_source), (&target, at_target)] {
            for fault in faults {
                registry.fault(fault);
            }
        }
        Self { source, target, elsewhere, certificate }
    }

    async fn run(&self, scenario: &Scenario) -> (Run, Option<Proxy>) {
        let name = |side: Side, reference: String| match side {
            side if scenario.http2 == Some(side) => format!("{NAME}/{reference}"),
            side => self.side(side).name(&reference),
        };
        let mut run = Run::copy(&name(Side::Source, format!("{SOURCE}:1")), &name(Side::Target, format!("{TARGET}:1")));
        if scenario.tokens.is_some() {
            for (name, value) in [("source-username", "ann"), ("source-password", "anns-secret")] {
                run = run.input(name, value);
            }
            for (name, value) in [("target-username", "bob"), ("target-password", "bobs-secret")] {
                run = run.input(name, value);
            }
        }
        for (name, value) in &scenario.inputs {
            run = run.input(name, value);
        }
        let (Some(side), Some(certificate)) = (scenario.http2, &self.certificate) else { return (run, None) };
        let proxy = Proxy::to(&self.side(side).host()).await;
        (run.env("HTTPS_PROXY", &proxy.url).input("ca-certificates", &certificate.authority()), Some(proxy))
    }

    fn side(&self, side: Side) -> &Registry {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    fn problems(&self, scenario: &Scenario, outcome: &Outcome, holds: &[Holds]) -> Vec<String> {
        let mut problems: Vec<String> = holds
            .iter()
            .filter_map(|held| Some(format!("{held:?}: {}", self.check(scenario, outcome, held).err()?)))
            .collect();
        for (side, registry) in [("source", &self.source), ("target", &self.target)] {
            problems
                .extend(registry.waiting().iter().map(|fault| format!("no request met the {side}'s fault {fault}")));
        }
        if self.source.writes() > 0 {
            problems.push("the source was written to".to_owned());
        }
        // What the target lost before the run is whole again only where the run is to mend it.
        if scenario.lost.is_empty() || holds.iter().any(|held| matches!(held, Holds::Copied)) {
            problems.extend(self.target.everything_visible_is_whole().err());
        }
        problems
    }

    fn check(&self, scenario: &Scenario, outcome: &Outcome, held: &Holds) -> Result<(), String> {
        let tag = self.target.tag(TARGET, "1");
        let before = scenario.there.as_ref().map(|image| image.digest().to_owned());
        match held {
            Holds::Copied => {
                equal("exit code", outcome.code, 0)?;
                equal("tag", tag.as_deref(), Some(scenario.image.digest()))?;
                equal("output digest", outcome.output("digest"), scenario.image.digest())?;
                self.target.is_whole(TARGET, "1")
            }
            Holds::Unchanged => {
                equal("exit code", outcome.code, 0)?;
                equal("tag", tag.as_deref(), Some(scenario.image.digest()))?;
                equal("output changed", outcome.output("changed"), "false")
            }
            Holds::Failed => {
                failed(outcome)?;
                equal("tag", tag, before)
            }
            Holds::FailedAfterTheTag => {
                failed(outcome)?;
                equal("tag", tag.as_deref(), Some(scenario.image.digest()))?;
                equal("output changed", outcome.output("changed"), "true")
            }
            Holds::Says(words) => equal("is said", outcome.says(words), true),
            Holds::Silent(words) => equal("is said", outcome.says(words), false),
            Holds::Asked(side, method, part, times) => equal("requests", self.side(*side).count(method, part), *times),
            Holds::AskedAtMost(side, method, part, times) => {
                at_most("requests", self.side(*side).count(method, part), *times)
            }
            Holds::Ranges(expected) => {
                let asked: Vec<String> = self
                    .fetches(scenario)
                    .map(|request| request.header("range").unwrap_or("-").trim_start_matches("bytes=").to_owned())
                    .collect();
                equal("ranges", asked, expected.iter().map(|&range| range.to_owned()).collect())
            }
            Holds::FetchedTwiceAtMost(more) => {
                let served: usize = self.fetches(scenario).map(|request| request.served).sum();
                at_most("bytes", served, scenario.largest().1 + more)
            }
            Holds::SentTwiceAtMost(more) => {
                let sent = self.target.log();
                let sent = sent.iter().filter(|request| request.path.contains("/uploads/"));
                let size = usize::try_from(scenario.image.blob_bytes()).expect("a fixture fits into memory");
                at_most("bytes", sent.map(|request| request.body.len()).sum(), size + more)
            }
            Holds::Sessions(expected) => {
                let log = self.target.log();
                let opened = log.iter().filter(|request| request.method == "POST" && request.status == 202);
                equal("sessions", opened.count(), *expected)
            }
            Holds::Tokens(side, times) => equal("token requests", self.side(*side).token_requests(), *times),
            Holds::Unauthorized(side, times) => {
                let log = self.side(*side).log();
                equal("answers 401", log.iter().filter(|request| request.status == 401).count(), *times)
            }
            Holds::TagIs(digest) => equal("tag", tag.as_deref(), Some(digest.as_str())),
            Holds::NoCredentialElsewhere => {
                let log = self.elsewhere.as_ref().map(Registry::log).unwrap_or_default();
                equal("uploads were sent there", log.is_empty(), false)?;
                let given = log.iter().filter(|request| request.header("authorization").is_some());
                equal("requests with a credential", given.count(), 0)
            }
            Holds::OverHttp2(side) => {
                let log = self.side(*side).log();
                let mut small = log.iter().filter(|request| request.path.contains("/manifests/"));
                let all = small.all(|request| request.version == axum::http::Version::HTTP_2);
                equal("all over HTTP/2", all, true)
            }
        }
    }

    /// Requests for the largest blob at the source.
    fn fetches(&self, scenario: &Scenario) -> impl Iterator<Item = Recorded> {
        let digest = scenario.largest().0.to_owned();
        self.source.log().into_iter().filter(move |request| request.method == "GET" && request.path.contains(&digest))
    }
}

/// A failure that every reader hears of.
fn failed(outcome: &Outcome) -> Result<(), String> {
    equal("exit code", outcome.code, 1)?;
    equal("an annotation", outcome.says("::error"), true)?;
    equal("no summary", outcome.summary.is_empty(), false)?;
    equal("result", outcome.json()["images"][0]["result"].as_str(), Some("failed"))
}

#[expect(clippy::needless_pass_by_value, reason = "what is compared is mostly made for it")]
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: T, expected: T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what}: {is:?}, not {expected:?}")) }
}

fn at_most(what: &str, is: usize, limit: usize) -> Result<(), String> {
    if is <= limit { Ok(()) } else { Err(format!("{is} {what}, more than {limit}")) }
}
