//! TLS with HTTP/2: how many connections and handshakes a run takes, and that a run goes on where a shared connection fails it.
//!
//! The source is as Docker Hub is: tokens from another host, blobs from a third one. The target is as GHCR is. Counts, and
//! never times.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::http::Version;
use rustls::HandshakeKind;
use tokio::sync::Barrier;
use tokio::time::sleep;

use crate::support::images::{self, Image};
use crate::support::registry::Recorded;
use crate::support::tls::{Certificate, lead_by};
use crate::support::{Account, Auth, Fault, Registry, Run, TokenAuth, What};

const SOURCE: &str = "registry.hub.test";
const TOKENS: &str = "auth.hub.test";
const STORAGE: &str = "blobs.storage.test";
const TARGET: &str = "packages.test";

const MEBIBYTE: usize = 1024 * 1024;

pub struct World {
    pub source: Registry,
    tokens: Registry,
    storage: Registry,
    pub target: Registry,
    certificate: Certificate,
    proxy: String,
    /// Connections that were led anywhere.
    led: Arc<AtomicUsize>,
}

impl World {
    async fn start() -> Self {
        Self::with(|certificate| certificate).await
    }

    async fn with(change: impl Fn(Certificate) -> Certificate) -> Self {
        Self::named([SOURCE, TOKENS, STORAGE, TARGET], [SOURCE, TARGET], change).await
    }

    /// With the names of Docker Hub and of GHCR, and what their token services call them.
    async fn of_vendors(services: [&str; 2]) -> Self {
        Self::named(["registry-1.docker.io", "auth.docker.io", STORAGE, "ghcr.io"], services, |it| it).await
    }

    /// With these names in place of [`SOURCE`], [`TOKENS`], [`STORAGE`] and [`TARGET`].
    pub async fn named(names: [&str; 4], services: [&str; 2], change: impl Fn(Certificate) -> Certificate) -> Self {
        let [source_service, target_service] = services.map(|service| Some(service.to_owned()));
        let certificate = change(Certificate::naming(&names.map(|name| format!("DNS:{name}")).join(",")));
        let [source_name, tokens_name, storage_name, target_name] = names.map(str::to_owned);
        let source = Registry::with_tls_as(&source_name, &certificate);
        let tokens = source.tls_token_service(&tokens_name, &certificate);
        let storage = source.tls_redirect_store(&storage_name, &certificate);
        source.set_auth(Auth::Token(TokenAuth {
            anonymous_pull: true,
            service: source_service,
            ..TokenAuth::new(vec![])
        }));
        source.set_realm(&format!("https://{tokens_name}/token"));
        source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("https://{storage_name}{{path}}"))).always());
        let target = Registry::with_tls_as(&target_name, &certificate);
        let accounts = vec![Account::new("ann", "hunter2-hunter2")];
        target.set_auth(Auth::Token(TokenAuth { service: target_service, ..TokenAuth::ghcr(accounts) }));
        target.set_realm(&format!("https://{target_name}/token"));
        let hosts = [(source_name, &source), (tokens_name, &tokens), (storage_name, &storage), (target_name, &target)]
            .map(|(name, registry)| (format!("CONNECT {name}:443 "), registry.host()));
        let led = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&led);
        let proxy = lead_by(move |line: &str| {
            counted.fetch_add(1, Relaxed);
            hosts.iter().find(|(begin, _)| line.starts_with(begin)).map(|(_, address)| address.clone())
        })
        .await;
        Self { source, tokens, storage, target, certificate, proxy, led }
    }

    pub fn run(&self, run: Run) -> Run {
        run.env("HTTPS_PROXY", &self.proxy)
            .input("ca-certificates", &self.certificate.authority())
            .input("registry-auth", &format!("{TARGET} ann hunter2-hunter2"))
            .input("attachments", "none")
    }

    /// Copies `image`; every tag and manifest of the target is whole then.
    async fn copy(&self, image: &Image) {
        self.copy_in_turn(&[image]).await;
    }

    /// The same for an image of Docker Hub that goes to GHCR.
    async fn copy_between_vendors(&self) {
        self.source.seed(&images::wide_of(2, 2, 20_000), "library/app:1");
        let run = self.run(Run::copy("docker.io/library/app:1", "ghcr.io/mirror/app:1"));
        let run = run.input("registry-auth", "ghcr.io ann hunter2-hunter2").input("patience", "20s");
        let outcome = run.succeeds().await;
        let is_whole = self.target.is_whole("mirror/app", "1");
        is_whole.unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
    }

    /// The same for several, one after the other in one run.
    async fn copy_in_turn(&self, images: &[&Image]) {
        let mut lines = String::new();
        for (image, tag) in images.iter().zip(1..) {
            self.source.seed(image, &format!("library/app:{tag}"));
            lines += &format!("{SOURCE}/library/app:{tag} => {TARGET}/mirror/app:{tag}\n");
        }
        let run = Run::new().command("copy").input("images", &lines).input("concurrency", "1");
        let outcome = self.run(run).input("patience", "20s").succeeds().await;
        for tag in 1..=images.len() {
            let is_whole = self.target.is_whole("mirror/app", &tag.to_string());
            is_whole.unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
        }
    }

    /// What was asked of the source about the blobs of `image`.
    fn asked_about(&self, image: &Image) -> Vec<Recorded> {
        let is_of_image = |request: &Recorded| image.blobs.iter().any(|blob| request.path.ends_with(&blob.digest));
        self.source.log().into_iter().filter(is_of_image).collect()
    }

    fn hosts(&self) -> [&Registry; 4] {
        [&self.source, &self.tokens, &self.storage, &self.target]
    }

    /// TLS connections to the source, its token service, its storage and the target.
    fn connections(&self) -> [usize; 4] {
        self.hosts().map(|host| host.handshakes().len())
    }

    fn versions(&self) -> Vec<Version> {
        let mut versions: Vec<Version> =
            self.hosts().iter().flat_map(|host| host.log()).map(|request| request.version).collect();
        versions.dedup();
        versions
    }
}

#[tokio::test]
async fn an_image_of_six_platforms_takes_one_connection_to_each_host() {
    let world = World::start().await;
    let image = images::wide_of(6, 4, 250_000);
    world.copy(&image).await;
    assert_eq!(world.connections(), [1; 4], "{}", world.target.lines());
    assert_eq!(world.versions(), [Version::HTTP_2]);
    let (blobs, manifests) = (image.blobs.len(), image.manifests.len());
    let counts = [
        // Once without a token, which is answered with where they are had.
        (&world.source, "HEAD", "/manifests/", 2),
        (&world.source, "GET", "/manifests/", manifests),
        (&world.source, "GET", "/blobs/", blobs),
        (&world.storage, "GET", "/blobs/", blobs),
        (&world.tokens, "GET", "/token", 1),
        (&world.target, "GET", "/token", 1),
        (&world.target, "POST", "/uploads/", blobs),
        (&world.target, "PUT", "/uploads/", blobs),
        (&world.target, "PUT", "/manifests/", manifests),
    ];
    for (host, method, part, expected) in counts {
        assert_eq!(host.count(method, part), expected, "{method} {part}: {}", host.lines());
    }
}

/// Docker Hub's and GHCR's need not be asked for; Docker Hub's is another host.
#[tokio::test]
async fn where_the_token_service_is_known_the_registry_is_connected_to_while_the_token_is_asked_for() {
    let world = World::of_vendors(["registry.docker.io", "ghcr.io"]).await;
    // There is no token before the registry was asked something.
    let barrier = Arc::new(Barrier::new(2));
    world.tokens.fault(Fault::on("GET", "/token", What::Together(Arc::clone(&barrier))));
    let asked = async {
        while world.source.log().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        barrier.wait().await;
    };
    tokio::join!(world.copy_between_vendors(), asked);
    assert_eq!(world.connections(), [1; 4]);
    for (registry, tokens, greetings) in [(&world.source, &world.tokens, 1), (&world.target, &world.target, 0)] {
        let greeted: Vec<Recorded> = registry.log().into_iter().filter(|request| request.path == "/v2/").collect();
        assert!(greeted.iter().all(|request| request.header("authorization").is_none()), "{}", registry.lines());
        assert_eq!((greeted.len(), registry.statuses(401)), (greetings, greetings), "{}", registry.lines());
        assert_eq!(tokens.count("GET", "/token"), 1, "{}", tokens.lines());
    }
}

#[tokio::test]
async fn what_is_known_of_a_token_service_gives_way_to_what_the_registry_says() {
    let world = World::of_vendors(["another.docker.io", "another.ghcr.io"]).await;
    world.copy_between_vendors().await;
    for tokens in [&world.tokens, &world.target] {
        assert_eq!((tokens.count("GET", "/token"), tokens.statuses(400)), (2, 1), "{}", tokens.lines());
    }
}

/// A login is not tried again where it was refused: accounts are locked for that.
#[tokio::test]
async fn a_wrong_password_is_sent_to_a_known_token_service_once_and_its_refusal_is_what_is_said() {
    let world = World::of_vendors(["registry.docker.io", "ghcr.io"]).await;
    world.source.seed(&images::wide_of(2, 2, 20_000), "library/app:1");
    let run = world.run(Run::copy("docker.io/library/app:1", "ghcr.io/mirror/app:1"));
    let outcome = run.input("registry-auth", "ghcr.io ann another-password").fails_with(1).await;
    assert!(outcome.says("target: HEAD manifest ghcr.io/mirror/app:1: token from ghcr.io"), "{outcome}");
    assert_eq!(world.target.count("GET", "/token"), 1, "{}", world.target.lines());
}

/// GHCR's mounts say nothing of what is there, so that each blob is asked for before it is sent.
#[tokio::test]
async fn in_a_repository_that_the_registry_does_not_know_no_blob_is_asked_for() {
    let world = World::of_vendors(["registry.docker.io", "ghcr.io"]).await;
    world.copy_between_vendors().await;
    let blobs = images::wide_of(2, 2, 20_000).blobs.len();
    let counts = || {
        ["GET /tags/list", "HEAD /blobs/", "POST /uploads/"].map(|what| {
            let (method, part) = what.split_once(' ').expect("a method and a path");
            world.target.count(method, part)
        })
    };
    assert_eq!(counts(), [1, 0, blobs], "{}", world.target.lines());
    // It is known now, and has all blobs, though not under this tag.
    world.target.forget_tag("mirror/app", "1");
    world.copy_between_vendors().await;
    assert_eq!(counts(), [2, blobs, blobs], "{}", world.target.lines());
}

/// It gets sixteen requests at once in the beginning, others twice as many.
#[tokio::test]
async fn of_many_tags_for_a_new_repository_ghcr_is_asked_for_sixteen_and_for_its_list() {
    let world = World::of_vendors(["registry.docker.io", "ghcr.io"]).await;
    let line = |tag: u64| {
        world.source.seed(&images::release(tag), &format!("library/app:{tag}"));
        format!("docker.io/library/app:{tag} => ghcr.io/mirror/app:{tag}")
    };
    let lines: Vec<String> = (0..20).map(line).collect();
    let run = world.run(Run::new().command("copy").input("images", &lines.join("\n")));
    run.input("registry-auth", "ghcr.io ann hunter2-hunter2").succeeds().await;
    let asked = (world.target.count("HEAD", "/manifests/"), world.target.count("GET", "/tags/list"));
    // Each once more when it is written.
    assert_eq!(asked, (16 + 20, 1), "{}", world.target.lines());
}

/// Where HEADs tell which blobs are there, nothing is learnt from the first upload.
#[tokio::test]
async fn what_a_head_has_not_found_is_asked_for_at_its_source_while_uploads_are_opened() {
    let world = World::of_vendors(["registry.docker.io", "ghcr.io"]).await;
    // The repository is known.
    world.target.seed(&images::single(), "mirror/app:other");
    let blobs = images::wide_of(2, 2, 20_000).blobs.len();
    let together = What::Together(Arc::new(Barrier::new(2 * blobs)));
    world.target.fault(Fault::on("POST", "/uploads/", together.clone()).times(blobs));
    world.source.fault(Fault::on("GET", "/blobs/", together).times(blobs));
    world.copy_between_vendors().await;
    let counts = (world.target.count("HEAD", "/blobs/"), world.source.count("GET", "/blobs/"));
    assert_eq!(counts, (blobs, blobs), "{}\n{}", world.target.lines(), world.source.lines());
}

#[tokio::test]
async fn small_blobs_that_share_a_connection_are_all_asked_for_before_one_has_come() {
    let world = World::start().await;
    let image = images::wide_of(6, 6, 20_000);
    for host in [&world.source, &world.storage] {
        let together = What::Together(Arc::new(Barrier::new(image.blobs.len())));
        host.fault(Fault::on("GET", "/blobs/", together).always());
    }
    world.copy(&image).await;
    assert_eq!(world.source.count("GET", "/blobs/"), image.blobs.len(), "{}", world.source.lines());
    assert_eq!(world.connections(), [1; 4]);
}

#[tokio::test]
async fn an_unchanged_list_of_tags_takes_one_connection_to_each_host_and_two_questions_a_tag() {
    let world = World::start().await;
    let tags: Vec<String> = (0..80).map(|number| format!("1.{number}")).collect();
    for (number, tag) in tags.iter().enumerate() {
        for (registry, name) in [(&world.source, "library/app"), (&world.target, "mirror/app")] {
            registry.seed(&images::release(number as u64), &format!("{name}:{tag}"));
        }
    }
    let lines: Vec<String> =
        tags.iter().map(|tag| format!("{SOURCE}/library/app:{tag} => {TARGET}/mirror/app:{tag}")).collect();
    world.run(Run::new().command("copy").input("images", &lines.join("\n"))).succeeds().await;
    assert_eq!(world.connections(), [1, 1, 0, 1]);
    for (registry, others) in [(&world.source, 0), (&world.target, 1)] {
        let asked = registry.count("HEAD", "/manifests/") - registry.statuses(401);
        assert_eq!((asked, registry.count("GET", "/manifests/")), (tags.len(), 0), "{}", registry.lines());
        assert_eq!(registry.token_requests() + registry.writes(), others);
    }
}

#[tokio::test]
async fn a_large_blob_has_connections_of_its_own_which_go_on_with_the_tls_session() {
    let world = World::start().await;
    world.copy(&images::big(3 * MEBIBYTE, 1)).await;
    let connections = world.connections();
    // The first blob is asked for before it is known that blobs are elsewhere.
    assert!(connections[0] <= 2 && connections[2] == 2, "{connections:?}");
    assert_eq!(world.target.handshakes(), [HandshakeKind::Full, HandshakeKind::Resumed]);
    let large = world.target.log().into_iter().find(|request| request.body.len() == 3 * MEBIBYTE);
    assert_eq!(large.map(|request| request.version), Some(Version::HTTP_11));
}

#[tokio::test]
async fn where_blobs_are_elsewhere_the_registry_is_asked_for_large_ones_over_the_connection_that_stands() {
    let world = World::start().await;
    // More than are read at once: those that wait know where the others led.
    world.copy(&images::wide_of(3, 8, 2 * MEBIBYTE)).await;
    let asked = world.source.log().into_iter().filter(|request| request.path.contains("/blobs/"));
    let over_one = asked.filter(|request| request.version == Version::HTTP_2).count();
    assert!(over_one > 3, "{over_one}: {}", world.source.lines());
    let served = world.storage.log().into_iter().filter(|request| request.served > MEBIBYTE);
    assert_eq!(served.map(|request| request.version).filter(|version| *version == Version::HTTP_2).count(), 0);
}

#[tokio::test]
async fn large_blobs_that_the_registry_sends_itself_come_over_connections_of_their_own_though_others_are_elsewhere() {
    const LARGE: usize = 4 * MEBIBYTE;
    let world = World::start().await;
    let (small, large) = (images::wide_of(1, 2, 20_000), images::wide_of(1, 4, LARGE));
    world.source.clear_faults();
    for blob in &small.blobs {
        let elsewhere = What::redirect(format!("https://{STORAGE}{{path}}"));
        world.source.fault(Fault::on("GET", blob.digest.clone(), elsewhere).always());
    }
    world.copy_in_turn(&[&small, &large]).await;
    let asked = world.asked_about(&large);
    let whole = |version: Version| asked.iter().filter(|r| r.version == version && r.served >= LARGE).count();
    assert_eq!((whole(Version::HTTP_2), whole(Version::HTTP_11)), (0, 4), "{}", world.source.lines());
    // Some are asked for where the others led: at most once each.
    let over_one = asked.iter().filter(|r| r.version == Version::HTTP_2 && r.served > 0).count();
    assert!((1..=5).contains(&over_one), "{over_one}: {}", world.source.lines());
}

#[tokio::test]
async fn a_large_blob_that_the_shared_connection_has_failed_is_asked_for_over_another() {
    let world = World::start().await;
    let (small, large) = (images::wide_of(1, 1, 20_000), images::big(3 * MEBIBYTE, 1));
    world.source.clear_faults();
    let blob = large.blobs.iter().find(|blob| blob.bytes.len() > MEBIBYTE).expect("a large one");
    world.source.fault(Fault::on("GET", blob.digest.clone(), What::NoAnswer));
    let elsewhere = What::redirect(format!("https://{STORAGE}{{path}}"));
    world.source.fault(Fault::on("GET", "/blobs/", elsewhere).always());
    world.copy_in_turn(&[&small, &large]).await;
    let asked = world.asked_about(&large).into_iter().filter(|request| request.path.ends_with(&blob.digest));
    let versions: Vec<Version> = asked.map(|request| request.version).collect();
    assert_eq!(versions, [Version::HTTP_2, Version::HTTP_11], "{}", world.source.lines());
}

/// Thirty requests begin together, and the first says how the host wants to be asked.
#[tokio::test]
async fn of_a_list_of_tags_one_request_a_host_is_asked_without_a_token() {
    let world = World::start().await;
    let lines: Vec<String> = (0..300)
        .map(|number| {
            for (registry, name) in [(&world.source, "library/app"), (&world.target, "mirror/app")] {
                registry.seed(&images::release(number % 3), &format!("{name}:{number}"));
            }
            format!("{SOURCE}/library/app:{number} => {TARGET}/mirror/app:{number}")
        })
        .collect();
    world.run(Run::new().command("copy").input("images", &lines.join("\n"))).succeeds().await;
    for (registry, tokens) in [(&world.source, &world.tokens), (&world.target, &world.target)] {
        let asked = registry.count("HEAD", "/manifests/");
        assert_eq!((asked, registry.statuses(401), tokens.count("GET", "/token")), (301, 1, 1), "{}", registry.lines());
    }
}

/// As nginx ends a connection after `keepalive_requests`.
#[tokio::test]
async fn a_list_goes_on_over_the_next_connection_where_one_has_served_enough() {
    // More than are under way at once.
    const MOST: usize = 100;
    let world = World::start().await;
    let lines: Vec<String> = (0..300)
        .map(|number| {
            world.source.seed(&images::release(number % 3), &format!("library/app:{number}"));
            world.target.seed(&images::release(number % 3), &format!("mirror/app:{number}"));
            format!("{SOURCE}/library/app:{number} => {TARGET}/mirror/app:{number}")
        })
        .collect();
    for registry in [&world.source, &world.target] {
        registry.switch(|switches| switches.requests_a_connection = Some(MOST));
    }
    world.run(Run::new().command("copy").input("images", &lines.join("\n"))).succeeds().await;
    for registry in [&world.source, &world.target] {
        // What is under way when it has served enough is served; one that the end of its connection overtakes is asked again.
        let (connections, most) = (registry.handshakes().len(), registry.log().len() / MOST + 1);
        let asked = registry.count("HEAD", "/manifests/");
        assert!((301..=301 + connections).contains(&asked), "{asked} over {connections}: {}", registry.lines());
        assert_eq!(registry.writes(), 0, "{}", registry.lines());
        assert!((2..=most).contains(&connections), "{connections} of at most {most}");
    }
}

/// One that was lost on the way to its connection would be waited for as long as one that is slow.
#[tokio::test]
async fn a_small_request_of_which_nothing_is_heard_is_sent_once_more_beside_itself() {
    let again = async |method, part: &str, expected| {
        let world = World::start().await;
        world.source.fault(Fault::on(method, part, What::Delay(600_000)));
        world.copy(&images::single()).await;
        assert_eq!(world.source.count(method, "/manifests/"), expected, "{}", world.source.lines());
    };
    // Besides the first one of all, which has no token yet.
    tokio::join!(again("HEAD", "/manifests/1", 3), again("GET", "/manifests/sha256:", 2));
}

/// Docker Hub bills it, whether its answer is read or not.
#[tokio::test]
async fn a_pull_that_is_billed_is_not_sent_beside_itself() {
    let world = World::of_vendors(["registry.docker.io", "ghcr.io"]).await;
    world.source.seed(&images::single(), "library/app:1");
    world.source.fault(Fault::on("GET", "/manifests/", What::Delay(600_000)).always());
    let run = world.run(Run::copy("docker.io/library/app:1", "ghcr.io/mirror/app:1")).input("patience", "20s");
    run.input("registry-auth", "ghcr.io ann hunter2-hunter2").fails_with(1).await;
    assert_eq!(world.source.count("GET", "/manifests/"), 1, "{}", world.source.lines());
}

/// Whose certificate nobody here trusts is connected to once for all that ask together.
#[tokio::test]
async fn one_connection_that_fails_answers_all_requests_that_wait_for_it() {
    let world = World::start().await;
    let lines: Vec<String> =
        (0..20).map(|number| format!("{SOURCE}/library/app:{number} => {TARGET}/mirror/app:{number}")).collect();
    let run = Run::new().command("copy").input("images", &lines.join("\n")).env("HTTPS_PROXY", &world.proxy);
    run.fails_with(1).await;
    assert_eq!(world.led.load(Relaxed), 2, "one to the source and one to the target");
}

#[tokio::test]
async fn hosts_without_http2_are_copied_from_and_to_over_http1() {
    let world = World::with(Certificate::without_http2).await;
    world.copy(&images::wide_of(3, 2, 20_000)).await;
    assert_eq!(world.versions(), [Version::HTTP_11]);
    assert!(world.connections().iter().all(|count| (1..=40).contains(count)), "{:?}", world.connections());
}

/// A small blob that failed over the connection that all share goes over one of its own.
#[tokio::test]
async fn what_a_shared_connection_fails_goes_over_one_of_its_own() {
    for (at_storage, fault) in [
        (true, Fault::on("GET", "/blobs/", What::CutBodyAfter(10_000)).times(2)),
        (true, Fault::on("GET", "/blobs/", What::ResetBodyAfter(10_000)).times(2)),
        (true, Fault::on("GET", "/blobs/", What::StallBodyAfter(10_000))),
        (false, Fault::on("PUT", "/uploads/", What::CutRequestAfter(10_000)).times(2)),
        (false, Fault::on("PUT", "/uploads/", What::NoAnswer)),
        (false, Fault::on("PUT", "/uploads/", What::status(500))),
        (false, Fault::on("PUT", "/manifests/", What::NoAnswer)),
    ] {
        let world = World::start().await;
        let faulty = if at_storage { &world.storage } else { &world.target };
        faulty.fault(fault);
        world.copy(&images::wide_of(3, 2, 40_000)).await;
        assert!(faulty.fired() > 0, "{:?}", faulty.waiting());
    }
}
