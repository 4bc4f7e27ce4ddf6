//! Names that lead inside: what a public registry brings up is followed to public addresses only, whatever a name resolves to;
//! and what is in an address beside the host is nobody's credential.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::images::{self, Image, OCI_MANIFEST, Object};
use crate::support::tls::{Certificate, NAME, Proxy};
use crate::support::{Account, Auth, Fault, Outcome, Registry, Run, TokenAuth, What};

/// A name of this machine's own that does not say so: `/etc/hosts` has one for every machine and container.
fn inner_name() -> (String, IpAddr) {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
    let lines =
        hosts.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next().map(|first| (first, line)));
    let names = lines.flat_map(|(address, line)| {
        line.split_whitespace().skip(1).filter_map(move |name| Some((name.to_owned(), address.parse().ok()?)))
    });
    let is_inside = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback(),
    };
    let mut names = names.filter(|(name, address)| !name.ends_with("localhost") && is_inside(address));
    names.next().expect("`/etc/hosts` has a name with an internal address besides localhost")
}

/// A public registry, reached through a proxy, and a name that leads inside and is not asked of the proxy.
struct World {
    registry: Registry,
    certificate: Certificate,
    proxy: Proxy,
    /// `NAME:PORT` of something inside.
    inside: String,
    connections: Arc<AtomicUsize>,
}

impl World {
    async fn start(auth: Auth) -> Self {
        let certificate = Certificate::new();
        let registry = Registry::with_tls(&certificate);
        registry.set_auth(auth);
        let proxy = Proxy::to(&registry.host()).await;
        let (name, address) = inner_name();
        let address = if address.is_loopback() { address } else { [127, 0, 0, 1].into() };
        let listener = TcpListener::bind((address, 0)).unwrap();
        let inside = format!("{name}:{}", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { registry, certificate, proxy, inside, connections }
    }

    fn run(&self, source: &str, target: &str) -> Run {
        let (name, _) = self.inside.split_once(':').unwrap();
        Run::copy(source, target)
            .env("HTTPS_PROXY", &self.proxy.url)
            .env("NO_PROXY", name)
            .input("ca-certificates", &self.certificate.authority())
            .input("registry-auth", &format!("{NAME} ann hunter2-hunter2"))
            .input("attachments", "none")
    }

    fn is_refused(&self, outcome: &Outcome, words: &str) {
        let (name, _) = self.inside.split_once(':').unwrap();
        assert!(outcome.code == 1 && outcome.says(&words.replace("{}", name)), "{words}\n{outcome}");
        assert_eq!(self.connections.load(Ordering::SeqCst), 0, "{outcome}");
    }
}

const NOT_FOLLOWED: &str = "{}, which is this machine or in an internal network; not followed";

#[tokio::test]
async fn a_name_that_a_public_registry_brings_up_leads_to_no_internal_address() {
    let open = || Auth::basic("ann", "hunter2-hunter2");
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let from_public = format!("{NAME}/library/app:1");

    // A redirect.
    let world = World::start(open()).await;
    world.registry.seed(&images::single(), "library/app:1");
    world.registry.fault(Fault::on("GET", "/blobs/", What::redirect(format!("https://{}/x", world.inside))).always());
    world.is_refused(&world.run(&from_public, &target.name("mirror/app:1")).run().await, NOT_FOLLOWED);

    // The place of an upload.
    let world = World::start(open()).await;
    let location = What::Header("location", Some(format!("https://{}/x", world.inside)));
    world.registry.fault(Fault::on("POST", "/uploads/", location).always());
    let outcome = world.run(&source.name("library/app:1"), &format!("{NAME}/mirror/app:1")).run().await;
    world.is_refused(&outcome, NOT_FOLLOWED);

    // A token service.
    let world = World::start(Auth::Token(TokenAuth::new(vec![Account::new("ann", "hunter2-hunter2")]))).await;
    world.registry.seed(&images::single(), "library/app:1");
    world.registry.set_realm(&format!("https://{}/token", world.inside));
    let outcome = world.run(&from_public, &target.name("mirror/app:2")).run().await;
    world.is_refused(&outcome, "it names a token service at the internal address {}");

    // A layer's own address.
    let world = World::start(open()).await;
    world.registry.seed(&with_a_layer_at(&format!("https://{}/x", world.inside)), "library/app:1");
    let run = world.run(&from_public, &target.name("mirror/app:3")).input("foreign-layers", "include");
    world.is_refused(&run.run().await, "source: GET blob");
}

/// An image with a layer that is nowhere but at `url`.
fn with_a_layer_at(url: &str) -> Image {
    let image = images::single();
    let config = image.blobs[0].clone();
    let layer = Object::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "elsewhere");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor_with(&format!(r#", "urls": ["{url}"]"#))
    );
    images::raw(OCI_MANIFEST, manifest, vec![config])
}

/// Storage with a private endpoint, say: the user has named it, and it may be inside. It is told no password.
#[tokio::test]
async fn a_host_that_the_user_names_as_the_registrys_may_be_inside() {
    for named in [false, true] {
        let world = World::start(Auth::basic("ann", "hunter2-hunter2")).await;
        world.registry.seed(&images::single(), "library/app:1");
        let inside = What::redirect(format!("https://{}/x", world.inside));
        world.registry.fault(Fault::on("GET", "/blobs/", inside).always());
        let target = Registry::start();
        let run = world.run(&format!("{NAME}/library/app:1"), &target.name("mirror/app:1"));
        let line = format!("{NAME} = {}", if named { &world.inside } else { "tokens.example" });
        let outcome = run.input("token-services", &line).fails_with(1).await;
        // What listens there speaks no TLS.
        assert_eq!(world.connections.load(Ordering::SeqCst) > 0, named, "{outcome}");
        assert!(named || outcome.says("with a private endpoint, set `token-services: "), "{outcome}");
    }
}

#[tokio::test]
async fn a_proxy_may_be_inside_and_is_used_for_what_a_public_registry_brings_up() {
    let world = World::start(Auth::Open).await;
    let image = images::single();
    world.registry.seed(&image, "library/app:1");
    // Another public name, which leads to the same registry by way of the proxy.
    let redirect = What::redirect(format!("https://{NAME}:444{{path}}"));
    world.registry.fault(Fault::on("GET", "/blobs/", redirect).times(image.blobs.len()));
    let target = Registry::start();
    let (name, _) = inner_name();
    let (_, port) = world.proxy.url.rsplit_once(':').unwrap();
    let by_name = if inner_name().1 == IpAddr::from([127, 0, 0, 1]) { name } else { "localhost".to_owned() };
    let run = world.run(&format!("{NAME}/library/app:1"), &target.name("mirror/app:1")).without("NO_PROXY");
    run.env("HTTPS_PROXY", &format!("http://{by_name}:{port}")).succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn a_user_name_in_an_address_is_no_credential() {
    let (source, target) = (Registry::with_auth(Auth::basic("ann", "hunter2-hunter2")), Registry::start());
    let image = images::single();
    source.seed(&image, "library/app:1");
    let store = source.plain_redirect_store();
    // To storage, to the registry itself, and by the place of an upload.
    let to_store = What::redirect(format!("http://eve:evil-password@{}{{path}}", store.host()));
    source.fault(Fault::on("GET", "/blobs/", to_store).times(1));
    let home = What::redirect(format!("http://eve:evil-password@{}{{path}}", source.host()));
    source.fault(Fault::on("GET", "/manifests/", home).times(1));
    let upload = target.plain_redirect_store();
    let elsewhere = format!("http://eve:evil-password@{}", upload.host());
    target.fault(
        Fault::on("POST", "/uploads/", What::Location(crate::support::LocationForm::OtherHost(elsewhere))).times(1),
    );
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    run.input("registry-auth", &format!("{} ann hunter2-hunter2", source.host())).succeeds().await;
    for registry in [&source, &store, &target, &upload] {
        let sent: Vec<String> =
            registry.log().iter().filter_map(|one| one.header("authorization").map(str::to_owned)).collect();
        assert!(sent.iter().all(|sent| sent == "Basic YW5uOmh1bnRlcjItaHVudGVyMg=="), "{sent:?}");
    }
    assert!(store.requests() > 0 && upload.requests() > 0, "{}{}", store.lines(), upload.lines());
}
