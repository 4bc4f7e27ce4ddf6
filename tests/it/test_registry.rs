//! The test kit itself: the in-process registry is a right registry (others' tools say so), its faults fire, and the
//! real registries start.

use std::time::{Duration, Instant};

use crate::support::actions;
use crate::support::images::{self, Image};
use crate::support::real::{self, program, skopeo_copy, skopeo_raw, tool};
use crate::support::registry::Recorded;
use crate::support::run::redact;
use crate::support::token::Signer;
use crate::support::{Account, Auth, Fault, LocationForm, Registry, TokenAuth, TokenFormat, What, client};

fn every_fixture() -> Vec<(&'static str, Image)> {
    vec![
        ("single", images::single()),
        ("docker-single", images::docker_single()),
        ("three", images::three_platforms()),
        ("docker-list", images::docker_list()),
        ("bare-index", images::index_without_media_type()),
        ("attestations", images::with_attestations()),
        ("nested", images::nested_index()),
        ("artifact", images::artifact()),
        ("zero", images::zero_byte_layer()),
        ("duplicates", images::duplicate_layers()),
        ("sha512", images::sha512_layer()),
        ("big", images::big(300_000, 1)),
    ]
}

#[test]
fn fixtures_are_whole_and_never_change() {
    let registry = Registry::start();
    for (name, image) in every_fixture() {
        registry.seed(&image, &format!("library/{name}:1"));
        registry.is_whole(&format!("library/{name}"), "1").unwrap();
    }
    assert_eq!(images::three_platforms().digest(), images::three_platforms().digest());
    assert_eq!(images::three_platforms().platforms.len(), 3);
    let json: serde_json::Value = serde_json::from_slice(&images::three_platforms().root().bytes).unwrap();
    assert_ne!(
        serde_json::to_vec(&json).unwrap(),
        images::three_platforms().root().bytes,
        "the bytes are not canonical"
    );
    let bare: serde_json::Value = serde_json::from_slice(&images::index_without_media_type().root().bytes).unwrap();
    assert!(bare.get("mediaType").is_none());
}

#[test]
fn ggcr_crane_copies_every_fixture_through_the_double() {
    let (source, target) = (Registry::start(), Registry::start());
    let crane = program("crane").display().to_string();
    for (name, image) in every_fixture() {
        if name == "sha512" {
            // crane cannot read sha512 blobs.
            continue;
        }
        source.seed(&image, &format!("library/{name}:1"));
        tool(
            &crane,
            &["copy", "--insecure", &source.name(&format!("library/{name}:1")), &target.name(&format!("m/x/{name}:1"))],
        );
        assert_eq!(target.tag(&format!("m/x/{name}"), "1").as_deref(), Some(image.digest()), "{name}");
        target.is_whole(&format!("m/x/{name}"), "1").unwrap();
    }
}

#[test]
fn skopeo_copies_through_the_double_docker_registry_and_ggcr() {
    let (double, debian, ggcr) = (Registry::start(), real::docker_registry(), real::ggcr_registry());
    for image in [images::three_platforms(), images::docker_list()] {
        double.seed(&image, "library/a:1");
        let names = [double.name("library/a:1"), double.name("b:1"), debian.name("c/d:1"), ggcr.name("e:1")];
        for pair in names.windows(2) {
            skopeo_copy(&format!("docker://{}", pair[0]), &format!("docker://{}", pair[1]), &[]);
        }
        double.is_whole("b", "1").unwrap();
        for name in names {
            assert_eq!(skopeo_raw(&name), image.root().bytes, "{name}");
        }
    }
    assert!(debian.writes() > 0 && ggcr.writes() > 0, "{:?} {:?}", debian.requests(), ggcr.requests());
}

#[test]
fn layouts_of_fixtures_can_be_pushed() {
    let double = Registry::start();
    let directory = tempfile::tempdir().unwrap();
    for (tag, image) in [("1", images::three_platforms()), ("2", images::single())] {
        image.write_layout(&directory.path().join("fixtures"), tag);
        let layout = format!("oci:{}:{tag}", directory.path().join("fixtures").display());
        skopeo_copy(&layout, &format!("docker://{}", double.name(&format!("a:{tag}"))), &[]);
        assert_eq!(double.tag("a", tag).as_deref(), Some(image.digest()));
    }
    real::umoci_layout(directory.path());
    let layout = format!("oci:{}:image", directory.path().join("layout").display());
    skopeo_copy(&layout, &format!("docker://{}", double.name("umoci:1")), &[]);
    double.is_whole("umoci", "1").unwrap();
}

#[test]
fn docker_registry_asks_for_basic_and_for_signed_tokens() {
    let guarded =
        real::docker_registry_with(&real::Options { htpasswd: Some(("ann", "pässword")), ..real::Options::default() });
    real::push(&images::single(), &guarded.name("a:1"), &["--dest-creds=ann:pässword"]);

    let directory = tempfile::tempdir().unwrap();
    let signer = Signer::new(directory.path());
    let token = TokenAuth {
        service: Some("real".into()),
        format: TokenFormat::Signed(signer.clone()),
        ..TokenAuth::new(vec![Account::new("bob", "secret")])
    };
    let service = Registry::with_auth(Auth::Token(token));
    let realm = format!("{}/token", service.url());
    let guarded = real::docker_registry_with(&real::Options {
        token: Some((realm, "real", &signer)),
        ..real::Options::default()
    });
    real::push(&images::single(), &guarded.name("a:1"), &["--dest-creds=bob:secret"]);
    assert!(service.token_requests() > 0);
    real::skopeo_reads(&guarded.name("a:1"), &["--src-creds=bob:secret"]);
}

#[test]
fn ggcr_crane_gets_tokens_from_the_double() {
    for (auth, format) in [(true, TokenFormat::Opaque), (true, TokenFormat::JwtLike), (false, TokenFormat::Opaque)] {
        let accounts = vec![Account::new("ann", "secret").only(&[""], &["mine/"])];
        let auth = if auth { TokenAuth { format, ..TokenAuth::new(accounts) } } else { TokenAuth::ghcr(accounts) };
        let registry = Registry::with_auth(Auth::Token(auth));
        registry.seed(&images::single(), "library/a:1");
        let name = |name: &str| format!("docker://{}", registry.name(name));
        skopeo_copy(&name("library/a:1"), &name("mine/a:1"), &["--src-creds=ann:secret", "--dest-creds=ann:secret"]);
        registry.is_whole("mine/a", "1").unwrap();
        assert!(registry.token_requests() > 0 && registry.carries("secret"));
    }
}

async fn get(registry: &Registry, path: &str) -> reqwest::Result<reqwest::Response> {
    client().get(format!("{}{path}", registry.url())).header("accept", "*/*").send().await
}

#[tokio::test]
async fn answers_can_be_cut_stalled_and_spoiled() {
    let registry = Registry::start();
    let image = images::big(200_000, 3);
    registry.seed(&image, "a:1");
    let digest = &image.blobs[1].digest;
    let path = format!("/v2/a/blobs/{digest}");

    registry.fault(Fault::on("GET", "/blobs/", What::CutBodyAfter(70_000)));
    let mut cut = get(&registry, &path).await.unwrap();
    assert_eq!(cut.content_length(), Some(200_000));
    let mut received = 0;
    let error = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(error.is_some());
    assert_eq!(received, 70_000);

    registry.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(10)));
    let stalled = get(&registry, &path).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), stalled.bytes()).await.is_err());

    registry.fault(Fault::on("GET", "/blobs/", What::WrongBytes(5)));
    assert_ne!(images::sha256(&get(&registry, &path).await.unwrap().bytes().await.unwrap()), *digest);
    assert_eq!(images::sha256(&get(&registry, &path).await.unwrap().bytes().await.unwrap()), *digest);

    registry.fault(Fault::on("GET", "/manifests/", What::no_digest_header()));
    registry.fault(Fault::on("GET", "/manifests/", What::content_type("text/plain")));
    let spoiled = get(&registry, "/v2/a/manifests/1").await.unwrap();
    assert!(spoiled.headers().get("docker-content-digest").is_none());
    assert_eq!(spoiled.headers()["content-type"], "text/plain");
    assert_eq!(registry.fired(), 5);
}

#[tokio::test]
async fn blobs_are_served_in_ranges() {
    let registry = Registry::start();
    let image = images::big(1_000, 3);
    registry.seed(&image, "a:1");
    let url = format!("{}/v2/a/blobs/{}", registry.url(), image.blobs[1].digest);
    let ranged = |range: &'static str| client().get(&url).header("range", range).send();
    let part = ranged("bytes=990-").await.unwrap();
    assert_eq!(
        (part.status().as_u16(), &part.headers()["content-range"]),
        (206, &"bytes 990-999/1000".parse().unwrap())
    );
    assert_eq!(part.bytes().await.unwrap(), image.blobs[1].bytes[990..]);
    assert_eq!(ranged("bytes=1000-").await.unwrap().status(), 416);
    registry.fault(Fault::on("GET", "/blobs/", What::IgnoreRange));
    assert_eq!(ranged("bytes=990-").await.unwrap().status(), 200);
}

#[tokio::test]
async fn uploads_are_checked_and_can_be_broken() {
    let registry = Registry::start();
    let body = images::seeded(1, 5_000);
    let digest = images::sha256(&body);
    let start = || async {
        let reply = client().post(format!("{}/v2/a/blobs/uploads/", registry.url())).send().await.unwrap();
        assert_eq!(reply.status(), 202);
        reply.headers()["location"].to_str().unwrap().to_owned()
    };
    let put =
        |location: String, digest: &str| client().put(format!("{location}&digest={digest}")).body(body.clone()).send();

    assert_eq!(put(start().await, &images::sha256(b"other")).await.unwrap().status(), 400);
    registry.fault(Fault::on("PUT", "/uploads/", What::CutRequestAfter(100)));
    assert!(put(start().await, &digest).await.is_err());
    assert_eq!(registry.log().last().unwrap().body.len(), 100);
    registry.fault(Fault::on("PUT", "/uploads/", What::RefuseMonolithicAbove(4_000, 413)));
    assert_eq!(put(start().await, &digest).await.unwrap().status(), 413);

    // An old Location is refused, the newest is taken.
    let first = start().await;
    let patch = |location: String| client().patch(location).body(body.clone()).send();
    let second = patch(first.clone()).await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(patch(first).await.unwrap().status(), 404);
    assert_eq!(client().put(format!("{second}&digest={digest}")).send().await.unwrap().status(), 201);
    assert_eq!(registry.blob("a", &digest).unwrap(), body);

    registry.fault(Fault::on("POST", "/uploads/", What::Location(LocationForm::NoSlash)));
    assert!(start().await.starts_with("session-"));
    registry.fault(Fault::on("POST", "mount=", What::MountAnswer(403)));
    let mount = format!("{}/v2/b/blobs/uploads/?mount={digest}&from=a", registry.url());
    assert_eq!(client().post(&mount).send().await.unwrap().status(), 403);
    assert_eq!(client().post(&mount).send().await.unwrap().status(), 201);
    assert!(registry.blob("b", &digest).is_some());
}

#[tokio::test]
async fn manifests_need_their_blobs() {
    let registry = Registry::start();
    let image = images::single();
    let put = |digest: &str| {
        client()
            .put(format!("{}/v2/a/manifests/{digest}", registry.url()))
            .header("content-type", images::OCI_MANIFEST)
            .body(image.root().bytes.clone())
            .send()
    };
    let refused = put("1").await.unwrap();
    assert_eq!(refused.status(), 400);
    let text = refused.text().await.unwrap();
    assert_eq!(text.matches("MANIFEST_BLOB_UNKNOWN").count(), 3, "{text}");
    for blob in &image.blobs {
        registry.set_bytes("a", &blob.digest, None, blob.bytes.clone());
    }
    registry.fault(Fault::on("PUT", "/manifests/1", What::LagManifest(1)));
    assert_eq!(put("1").await.unwrap().status(), 201);
    assert_eq!(get(&registry, "/v2/a/manifests/1").await.unwrap().status(), 404);
    assert_eq!(get(&registry, "/v2/a/manifests/1").await.unwrap().status(), 200);
    registry.fault(Fault::on("PUT", "/manifests/1", What::RefuseRetag(400)));
    assert_eq!(put("1").await.unwrap().status(), 400);
    registry.is_whole("a", "1").unwrap();
    registry.forget("a", &image.blobs[0].digest);
    assert!(registry.is_whole("a", "1").unwrap_err().contains("is missing"));
}

#[tokio::test]
async fn lists_are_paged() {
    let registry = Registry::start();
    let image = images::single();
    for tag in ["a", "b", "c"] {
        registry.seed(&image, &format!("x:{tag}"));
    }
    for kind in ["sbom", "signature", "scan"] {
        registry.seed(&images::referrer_of(&image, &format!("application/{kind}")), "x");
    }
    let path = format!("/v2/x/referrers/{}", image.digest());
    assert_eq!(get(&registry, &path).await.unwrap().status(), 404);
    registry.switch(|switches| (switches.tag_page, switches.referrers) = (2, Some(2)));
    for (path, member) in [("/v2/x/tags/list".to_owned(), "tags"), (path.clone(), "manifests")] {
        let (mut next, mut found) = (Some(path), 0);
        while let Some(path) = next {
            let page = get(&registry, &path).await.unwrap();
            let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            next = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
            let json: serde_json::Value = serde_json::from_str(&page.text().await.unwrap()).unwrap();
            found += json[member].as_array().unwrap().len();
        }
        assert_eq!(found, 3);
    }
    let filtered = get(&registry, &format!("{path}?artifactType=application/sbom")).await.unwrap();
    assert_eq!(filtered.headers()["oci-filters-applied"], "artifactType");
}

#[tokio::test]
async fn storage_hosts_and_delays() {
    let registry = Registry::with_auth(Auth::basic("ann", "secret"));
    let image = images::single();
    registry.seed(&image, "a:1");
    let store = registry.plain_redirect_store();
    registry.fault(Fault::on("GET", "/blobs/", What::redirect(format!("{}{{path}}?sig=1", store.url()))));
    let path = format!("/v2/a/blobs/{}", image.blobs[0].digest);
    assert_eq!(get(&registry, &path).await.unwrap().status(), 401);
    let began = Instant::now();
    registry.fault(Fault::on("GET", "/blobs/", What::Delay(50)));
    let redirect = client().get(registry.url() + &path).basic_auth("ann", Some("secret")).send().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(50));
    let location = redirect.headers()["location"].to_str().unwrap().to_owned();
    let blob = client().get(location).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(blob, image.blobs[0].bytes);
    assert!(registry.carries("secret") && !store.carries("secret"));
    assert_eq!(store.log().iter().map(Recorded::line).collect::<Vec<_>>(), [format!("GET {path}?sig=1")]);
}

#[test]
fn outputs_are_read_as_the_runner_reads_them() {
    let outputs = actions::outputs("a=1\nb<<EOF\nx=1\n\ny<<2\nEOF\nc==<<\n").unwrap();
    assert_eq!(outputs["a"], "1");
    assert_eq!(outputs["b"], "x=1\n\ny<<2");
    assert_eq!(outputs["c"], "=<<");
    assert!(actions::outputs("b<<EOF\nx").is_err());
    assert!(actions::outputs("no sign").is_err());
}

#[test]
fn snapshots_do_not_depend_on_the_run() {
    let digest = images::sha256(b"x");
    let text =
        format!("{digest} in 1.25s at 127.0.0.1:4711/a, {} 12 ms, /tmp/q/f, 3 blobs, v1.2 arm64s", &digest[..19]);
    let redacted = redact(&text, std::path::Path::new("/tmp/q"));
    assert_eq!(redacted, "sha256:‹1› in ‹time› at 127.0.0.1:‹1›/a, sha256:‹1› ‹time›, ‹temp›/f, 3 blobs, v1.2 arm64s");
}
