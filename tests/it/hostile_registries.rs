//! What a registry, a layout or an image's author can send on purpose. Whatever it is: nothing that is not what its name
//! says becomes visible at the target, no credential leaves its host, memory is bounded, the run ends with a sentence,
//! and the runner sees no command but ours.
//!
//! What only happens by itself is in the fault matrix (`fault_matrix.rs`); the same for any input, not these, is in
//! `src/properties/`.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::support::images::{self, EMPTY, Image, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Object, sha256};
use crate::support::run::memory_limit;
use crate::support::tls::{Certificate, NAME, Proxy};
use crate::support::{Account, Auth, Fault, Outcome, Registry, Run, TokenAuth, What, infinite_body};

fn run(source: &Registry, target: &Registry) -> Run {
    Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
}

/// Problems of a run that should have failed with these words and left nothing at the target.
fn unexpected(outcome: &Outcome, target: &Registry, words: &[&str]) -> Vec<String> {
    let mut problems: Vec<String> =
        words.iter().filter(|word| !outcome.says(word)).map(|word| format!("`{word}` is not said")).collect();
    if outcome.code != 1 {
        problems.push(format!("exit code {}", outcome.code));
    }
    if outcome.peak > memory_limit() {
        problems.push(format!("{} MiB of memory", outcome.peak >> 20));
    }
    if !target.tags("mirror/app").is_empty() {
        problems.push(format!("tags {:?}", target.tags("mirror/app")));
    }
    problems.extend(target.everything_visible_is_whole().err());
    problems
}

/// Runs every row; a row is a name, how the source is arranged, a change of the run, and the words of the failure.
type Row = (&'static str, Box<dyn Fn(&Registry)>, fn(Run) -> Run, &'static [&'static str]);

async fn assert_refused(rows: Vec<Row>) {
    let runs = rows.into_iter().map(|(name, arrange, change, words)| async move {
        let (source, target) = (Registry::start(), Registry::start());
        arrange(&source);
        let outcome = change(run(&source, &target)).run().await;
        let problems = unexpected(&outcome, &target, words);
        (!problems.is_empty()).then(|| format!("{name}: {problems:?}\n{outcome}\n{}{}", source.lines(), target.lines()))
    });
    let failures: Vec<String> = join_all(runs).await.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{} rows failed:\n\n{}", failures.len(), failures.join("\n\n────────\n\n"));
}

/// Seeds `image`, and these things under names that may not be theirs.
fn seed(image: Image, more: Vec<(String, Option<&'static str>, Vec<u8>)>) -> Box<dyn Fn(&Registry)> {
    Box::new(move |source| {
        source.seed(&image, "library/app:1");
        for (digest, media_type, bytes) in &more {
            source.set_bytes("library/app", digest, *media_type, bytes.clone());
        }
    })
}

/// The image whose root is this text, beside everything that the three-platform image has.
fn root(media_type: &str, text: impl Into<Vec<u8>>) -> Box<dyn Fn(&Registry)> {
    let mut image = images::three_platforms();
    image.manifests.push(Object::new(media_type, text.into()));
    seed(image, vec![])
}

fn same(run: Run) -> Run {
    run
}

/// An index with so many entries, each for another digest.
fn index_of(entries: usize) -> String {
    let entry = |number: usize| {
        let digest = sha256(&number.to_le_bytes());
        format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":7}}"#)
    };
    let entries: Vec<String> = (0..entries).map(entry).collect();
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","))
}

/// `{…}` with so much space in it.
fn padded(text: &str, bytes: usize) -> Vec<u8> {
    let (head, tail) = text.split_at(1);
    format!("{head}{}{tail}", " ".repeat(bytes)).into_bytes()
}

const TOO_LARGE: usize = 5 << 20;

#[tokio::test]
async fn what_is_larger_than_its_cap_is_refused() {
    let single = images::single();
    let text = String::from_utf8(single.root().bytes.to_vec()).unwrap();
    let large_child = Object::new(OCI_MANIFEST, padded(&text, TOO_LARGE));
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, large_child.descriptor());
    let mut nested = single.clone();
    nested.manifests.extend([large_child, Object::new(OCI_INDEX, index)]);
    let config = Object::new(OCI_CONFIG, padded(r#"{"os":"linux","architecture":"amd64"}"#, TOO_LARGE));
    let manifest = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, config.descriptor());
    let large_config = images::raw(OCI_MANIFEST, manifest, vec![config]);
    let listing = || What::Status {
        status: 200,
        headers: vec![("content-type".into(), OCI_INDEX.into())],
        body: String::from_utf8(padded(r#"{"manifests":[]}"#, TOO_LARGE)).unwrap(),
    };
    assert_refused(vec![
        ("manifest", root(OCI_MANIFEST, padded(&text, TOO_LARGE)), same, &["source", "larger than 4 MiB"]),
        ("index with 100,000 entries", root(OCI_INDEX, index_of(100_000)), same, &["source", "larger than 4 MiB"]),
        ("child", seed(nested, vec![]), same, &["source", "larger than 4 MiB"]),
        (
            "config whose platform is asked for",
            seed(large_config, vec![]),
            |run| run.input("platforms", "linux/amd64"),
            &["source", "more than the 4194304 that are read"],
        ),
        (
            "list of referrers",
            Box::new(move |source| {
                source.seed(&images::single(), "library/app:1");
                source.fault(Fault::on("GET", "/referrers/", listing()).always());
            }),
            same,
            &["source", "GET referrers", "larger than 4 MiB"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn trees_that_are_too_deep_or_too_wide_end_with_a_sentence() {
    let mut deep = images::single();
    for _ in 0..12 {
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, deep.root().descriptor());
        deep.manifests.push(Object::new(OCI_INDEX, index));
    }
    let itself = sha256(b"any");
    let listed = format!(r#"{{"mediaType":"{OCI_INDEX}","digest":"{itself}","size":"#);
    let circle = format!(r#"{{"schemaVersion":2,"manifests":[{listed}999}}]}}"#).into_bytes();
    let size = circle.len();
    let circle = String::from_utf8(circle).unwrap().replace("999", &size.to_string()).into_bytes();
    let brackets = |number: usize| format!("{}{}", "[".repeat(number), "]".repeat(number));
    assert_refused(vec![
        ("nested twelve deep", seed(deep, vec![]), same, &["source", "indexes are nested more than 8 deep"]),
        (
            "an index that lists itself",
            seed(
                images::raw(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{listed}{size}}}]}}"#), vec![]),
                vec![(itself.clone(), Some(OCI_INDEX), circle)],
            ),
            same,
            &["source", "the digest is sha256:"],
        ),
        ("20,000 entries that are not there", root(OCI_INDEX, index_of(20_000)), same, &["source", "404"]),
        (
            "JSON without a bottom",
            root(OCI_INDEX, format!(r#"{{"manifests":[],"a":{}}}"#, brackets(100_000))),
            same,
            &["recursion limit exceeded"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_index_that_lists_one_child_twenty_thousand_times_is_copied_within_bounds() {
    let (source, target) = (Registry::start(), Registry::start());
    let mut image = images::single();
    let entries = vec![image.root().descriptor(); 20_000].join(",");
    image.manifests.push(Object::new(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#)));
    source.seed(&image, "library/app:1");
    let outcome = run(&source, &target).succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
    assert_eq!(source.count("GET", &format!("/manifests/{}", images::single().digest())), 1, "{}", source.lines());
    assert!(outcome.peak < memory_limit(), "{} MiB", outcome.peak >> 20);
}

/// An index with so many small images, all different.
fn index_with_children(children: usize) -> Image {
    let config = Object::new(EMPTY, "{}");
    let mut manifests: Vec<Object> = (0..children)
        .map(|number| format!(r#"{{"schemaVersion":2,"config":{},"layers":[],"n":{number}}}"#, config.descriptor()))
        .map(|text| Object::new(OCI_MANIFEST, text))
        .collect();
    let entries: Vec<String> = manifests.iter().map(Object::descriptor).collect();
    manifests.push(Object::new(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))));
    Image { blobs: vec![config], manifests, platforms: vec![] }
}

#[tokio::test]
async fn an_index_with_eight_thousand_children_is_copied_within_bounds() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&index_with_children(8_000), "library/app:1");
    let outcome = run(&source, &target).succeeds().await;
    assert!(outcome.peak < memory_limit(), "{} MiB", outcome.peak >> 20);
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn an_index_with_eight_thousand_children_is_verified_within_bounds() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = index_with_children(8_000);
    source.seed(&image, "library/app:1");
    target.seed(&image, "mirror/app:1");
    let outcome = run(&source, &target).command("verify").succeeds().await;
    assert!(outcome.peak < memory_limit(), "{} MiB", outcome.peak >> 20);
}

/// A manifest in the types of the registry around it, with these members.
fn manifest(config: &str, layers: &str, more: &str) -> String {
    format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]{more}}}"#)
}

#[tokio::test]
async fn descriptors_that_lie_or_say_two_things_are_refused() {
    let single = images::single();
    let (config, layer, other) = (single.blobs[0].clone(), single.blobs[1].clone(), single.blobs[2].clone());
    let with_layer = |layer: String| {
        let mut image = single.clone();
        image.manifests.push(Object::new(OCI_MANIFEST, manifest(&config.descriptor(), &layer, "")));
        seed(image, vec![])
    };
    let with_child = |descriptor: String| {
        let mut image = single.clone();
        image.manifests.push(Object::new(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{descriptor}]}}"#)));
        seed(image, vec![])
    };
    let sized = |object: &Object, size: &str| {
        let right = format!("\"size\":{}", object.bytes.len());
        let text = object.descriptor().replace(&right, &format!("\"size\":{size}"));
        assert_ne!(text, object.descriptor());
        text
    };
    let named = |object: &Object, digest: &str| object.descriptor().replace(&object.digest, digest);
    let upper = layer.digest.to_uppercase().replace("SHA256", "sha256");
    let twice = format!("\"layers\":[{}],\"layers\":[{}]", layer.descriptor(), other.descriptor());
    let two_digests = layer.descriptor_with(&format!(r#","digest":"{}""#, other.digest));
    let two_sizes = layer.descriptor_with(r#","size":1"#);
    let list = format!(r#"["{OCI_MANIFEST}","{}",{}]"#, single.digest(), single.root().bytes.len());
    assert_refused(vec![
        (
            "layer smaller than said",
            with_layer(sized(&layer, "3001")),
            same,
            &["source", "its descriptor says 3001 bytes"],
        ),
        (
            "layer larger than said",
            with_layer(sized(&layer, "2999")),
            same,
            &["source", "its descriptor says 2999 bytes"],
        ),
        (
            "layer of all bytes",
            with_layer(sized(&layer, "18446744073709551615")),
            same,
            &["source", "18446744073709551615"],
        ),
        ("layer of less than nothing", with_layer(sized(&layer, "-1")), same, &["source", "integer `-1`"]),
        (
            "config larger than said",
            root(OCI_MANIFEST, manifest(&sized(&single.blobs[0], "1"), "", "")),
            same,
            &["source", "404"],
        ),
        (
            // The digest is right, so it is the target's to refuse.
            "child larger than said",
            with_child(sized(single.root(), "5")),
            same,
            &["says that the manifest", "has 5 bytes", "target", "a descriptor has a wrong size"],
        ),
        ("upper case in a layer's digest", with_layer(named(&layer, &upper)), same, &["source", "lower-case letters"]),
        (
            "upper case in a child's digest",
            with_child(named(single.root(), &upper)),
            same,
            &["source", "lower-case letters"],
        ),
        (
            "md5",
            with_layer(named(&layer, "md5:d41d8cd98f00b204e9800998ecf8427e")),
            same,
            &["source", "the algorithm `md5`"],
        ),
        (
            "an algorithm of nobody",
            with_child(named(single.root(), "blake3:00")),
            same,
            &["source", "the algorithm `blake3`"],
        ),
        (
            "a path for a digest",
            with_layer(named(&layer, "sha256:../../../etc/passwd")),
            same,
            &["source", "there must be 64"],
        ),
        (
            "half of sha512",
            with_layer(named(&layer, &layer.digest.replace("256", "512"))),
            same,
            &["source", "there must be 128"],
        ),
        (
            "layers twice",
            root(OCI_MANIFEST, format!(r#"{{"config":{},{twice}}}"#, config.descriptor())),
            same,
            &["duplicate field `layers`"],
        ),
        ("digest twice", with_layer(two_digests), same, &["source", "duplicate field `digest`"]),
        ("size twice", with_layer(two_sizes), same, &["source", "duplicate field `size`"]),
        (
            "entries twice",
            root(OCI_INDEX, r#"{"manifests":[],"manifests":[]}"#),
            same,
            &["source", "duplicate field `manifests`"],
        ),
        ("a list for a descriptor", with_child(list), same, &["source", "expected an object"]),
        (
            "a list for an index",
            root(OCI_INDEX, format!(r#"[2,"{OCI_INDEX}",null,[]]"#)),
            same,
            &["source", "no JSON object"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn bytes_that_do_not_hash_to_their_name_are_never_made_visible() {
    let image = images::three_platforms();
    let child = image.child("linux/arm64").to_owned();
    let config = image.blobs_of(&child)[2].clone();
    let layer = image.blobs_of(&child)[1].clone();
    let referrer = images::referrer_of(&image, "application/vnd.example.sbom");
    let (referrer_digest, content_digest) = (referrer.digest().to_owned(), referrer.blobs[1].digest.clone());
    let signature = format!("{}.sig", image.digest().replace(':', "-"));
    let changed = |digest: &str| {
        let all = image.blobs.iter().chain(&referrer.blobs);
        let mut bytes = all.clone().find(|object| object.digest == digest).expect(digest).bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    // What is read far enough to be listed under its name stays JSON.
    let spaced = |digest: &str| {
        let all = image.manifests.iter().chain(&referrer.manifests);
        let bytes = &all.clone().find(|object| object.digest == digest).expect(digest).bytes;
        [bytes, &b" "[..]].concat()
    };
    let manifest = |digest: &str, media_type: &'static str| {
        seed(image.clone(), vec![(digest.to_owned(), Some(media_type), spaced(digest))])
    };
    let blob = |digest: &str| seed(image.clone(), vec![(digest.to_owned(), None, changed(digest))]);
    let attached = |digest: &str, media_type: Option<&'static str>| -> Box<dyn Fn(&Registry)> {
        let (image, referrer) = (image.clone(), referrer.clone());
        let bytes = if media_type.is_some() { spaced(digest) } else { changed(digest) };
        let digest = digest.to_owned();
        Box::new(move |source| {
            source.switch(|switches| switches.referrers = Some(10));
            source.seed(&image, "library/app:1");
            source.seed(&referrer, "library/app");
            source.set_bytes("library/app", &digest, media_type, bytes.clone());
        })
    };
    let tagged = {
        let (image, single) = (image.clone(), images::single());
        let mut bytes = single.root().bytes.to_vec();
        bytes.push(b' ');
        move |source: &Registry| {
            source.seed(&image, "library/app:1");
            source.seed(&single, "library/app");
            source.set_bytes("library/app", single.digest(), Some(OCI_MANIFEST), bytes.clone());
            source.set_tag("library/app", &signature, single.digest());
        }
    };
    let unnamed: Box<dyn Fn(&Registry)> = {
        let with_another_child = manifest(&child, OCI_MANIFEST);
        Box::new(move |source| {
            with_another_child(source);
            source.fault(Fault::on("*", "/manifests/", What::no_digest_header()).always());
        })
    };
    let wrong: &[&str] = &["source", "the digest is sha256:"];
    assert_refused(vec![
        ("index", manifest(image.digest(), OCI_INDEX), same, wrong),
        ("child", manifest(&child, OCI_MANIFEST), same, wrong),
        ("child of a registry that names no digest", unnamed, same, wrong),
        ("config", blob(&config), same, wrong),
        ("layer", blob(&layer), same, wrong),
        ("attachment", attached(&referrer_digest, Some(OCI_MANIFEST)), same, wrong),
        ("content of an attachment", attached(&content_digest, None), same, wrong),
        ("signature", Box::new(tagged), same, wrong),
    ])
    .await;
}

/// A signed schema 1 manifest is named by a part of its bytes. Nothing else is: what is served with such a signature
/// would bring more under a digest than the digest is over.
#[tokio::test]
async fn a_signature_of_schema_1_brings_nothing_in_under_another_manifests_digest() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let single = images::single();
    let text = String::from_utf8(single.root().bytes.to_vec()).unwrap();
    let length = text.trim_end().len() - 1;
    let (head, tail) = text.split_at(length);
    let protected = encode(&format!(r#"{{"formatLength":{length},"formatTail":"{}"}}"#, encode(tail)));
    let signed = |more: &str| format!(r#"{head},"signatures":[{{"protected":"{protected}"}}]{more}}}"#).into_bytes();
    let layers = format!(r#","fsLayers":[{{"blobSum":"{}"}}]"#, single.blobs[1].digest);
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let served = |media_type: &'static str, bytes: Vec<u8>| {
        seed(single.clone(), vec![(single.digest().to_owned(), Some(media_type), bytes)])
    };
    // What is signed is an image of this kind; beside the signature stands another.
    let other_layers = || {
        let (real, other) = (single.blobs[1].clone(), single.blobs[2].clone());
        let head = r#"{"schemaVersion":1,"name":"a","tag":"1","history":[]"#;
        let layers = |blob: &Object| format!(r#","fsLayers":[{{"blobSum":"{}"}}]"#, blob.digest);
        let tail = format!("{}}}", layers(&real));
        let protected = format!(r#"{{"formatLength":{},"formatTail":"{}"}}"#, head.len(), encode(&tail));
        let signatures = format!(r#","signatures":[{{"protected":"{}"}}]}}"#, encode(&protected));
        let image = images::raw(schema1, format!("{head}{tail}"), vec![real, other.clone()]);
        let served = format!("{head}{}{signatures}", layers(&other)).into_bytes();
        seed(image.clone(), vec![(image.digest().to_owned(), Some(schema1), served)])
    };
    let wrong: &[&str] = &["source", "the digest is sha256:"];
    assert_refused(vec![
        ("as an image", served(OCI_MANIFEST, signed(r#","annotations":{"brought":"in"}"#)), same, wrong),
        ("as schema 1", served(schema1, signed(&layers)), same, wrong),
        ("as another schema 1 image", other_layers(), same, wrong),
    ])
    .await;
}

#[tokio::test]
async fn sha512_is_a_digest_like_the_other() {
    let (source, target) = (Registry::start(), Registry::start());
    let single = images::single();
    let child = Object { digest: images::sha512(&single.root().bytes), ..single.root().clone() };
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, child.descriptor());
    let manifests = vec![child.clone(), Object::new(OCI_INDEX, index)];
    source.seed(&Image { manifests, ..single }, "library/app:1");
    run(&source, &target).succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
    assert!(target.manifest("mirror/app", &child.digest).is_some());
    source.set_bytes("library/app", &child.digest, Some(OCI_MANIFEST), "{}");
    let again = Run::copy(&source.name("library/app:1"), &target.name("mirror/other:1")).fails_with(1).await;
    assert!(again.says("the digest is sha512:") && target.tags("mirror/other").is_empty(), "{again}");
}

// Hosts. What leads a credential astray is walked by `leaks.rs`, way by way: foreign, internal and disguised token services,
// redirects, uploads and listings that go on at a stranger who asks for a password. What is here are the ways that need
// TLS or have no end.

const PASSWORD: &str = "hunter2-hunter2";

/// A registry that is reached by a name over TLS, and whatever else it names through the same proxy.
struct Public {
    registry: Registry,
    certificate: Certificate,
    proxy: Proxy,
}

impl Public {
    async fn start(auth: Auth) -> Self {
        let certificate = Certificate::new();
        let registry = Registry::with_tls(&certificate);
        registry.set_auth(auth);
        let proxy = Proxy::to(&registry.host()).await;
        Self { registry, certificate, proxy }
    }

    fn run(&self, source: &str, target: &str) -> Run {
        Run::copy(source, target)
            .env("HTTPS_PROXY", &self.proxy.url)
            .env("HTTP_PROXY", &self.proxy.url)
            .input("ca-certificates", &self.certificate.authority())
            .input("registry-auth", &format!("{NAME} ann {PASSWORD}"))
    }

    /// Hosts that anybody wanted to be led to, besides the registry.
    fn strangers(&self) -> BTreeSet<String> {
        let home = format!("CONNECT {NAME}:443 HTTP/1.1");
        self.proxy.asked().into_iter().filter(|line| *line != home).collect()
    }
}

#[tokio::test]
async fn a_public_registry_sends_nobody_to_plain_http_or_inside() {
    let inside = [
        "https://localhost/x",
        "https://localhost./x",
        "https://a.localhost/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/x",
        "https://[fe80::1]/x",
        "https://[::ffff:169.254.169.254]/x",
        "https://0.0.0.0/x",
    ];
    let private = ["https://10.0.0.1/x", "https://192.168.0.1/x", "https://[fd00:ec2::254]/x", "https://224.0.0.1/x"];
    let account = || Auth::Token(TokenAuth::new(vec![Account::new("ann", PASSWORD)]));
    let plain = [format!("http://{NAME}/x"), "http://registry.example/x".to_owned()];
    let plain = || plain.iter().map(String::as_str);

    let refused = plain().map(|realm| (realm, "is not reached over TLS"));
    let refused = refused.chain(inside.into_iter().chain(private).map(|realm| (realm, "it names a token service")));
    for (realm, words) in refused.chain([(&*format!("https://ann@{NAME}/x"), "with a user name in the address")]) {
        let public = Public::start(account()).await;
        public.registry.seed(&images::single(), "library/app:1");
        public.registry.set_realm(realm);
        let target = Registry::start();
        let run = public.run(&format!("{NAME}/library/app:1"), &target.name("mirror/app:1"));
        let outcome = run.fails_with(1).await;
        assert!(outcome.says(words) && outcome.says("it was not contacted"), "{realm}\n{outcome}");
        assert!(
            public.strangers().is_empty() && !public.registry.carries(PASSWORD),
            "{realm} {:?}",
            public.strangers()
        );
    }

    let not_followed = plain().map(|to| (to, "without TLS; not followed"));
    let not_followed =
        not_followed.chain(inside.map(|to| (to, "which is this machine or in an internal network; not followed")));
    for (to, words) in not_followed {
        let public = Public::start(Auth::basic("ann", PASSWORD)).await;
        public.registry.seed(&images::single(), "library/app:1");
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::single(), "library/app:1");
        public.registry.fault(Fault::on("GET", "/blobs/", What::redirect(to)).always());
        let pull = public.run(&format!("{NAME}/library/app:1"), &target.name("mirror/app:1")).fails_with(1).await;
        assert!(pull.says("redirects to") && pull.says(words), "{to}\n{pull}");
        let elsewhere = What::Header("location", Some(to.to_owned()));
        public.registry.fault(Fault::on("POST", "/uploads/", elsewhere).always());
        let push = public.run(&source.name("library/app:1"), &format!("{NAME}/mirror/app:1")).run().await;
        // The registry that names itself with http is one behind a proxy that it does not know of.
        let is_itself = to.starts_with(&format!("http://{NAME}/"));
        assert!(push.code == 1 && (is_itself || push.says(words)), "{to}\n{push}");
        assert!(public.strangers().is_empty(), "{to} {:?}", public.strangers());
        assert_eq!(public.registry.tags("mirror/app"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_foreign_token_service_is_asked_without_the_credential() {
    let public = Public::start(Auth::Token(TokenAuth::new(vec![Account::new("ann", PASSWORD)]))).await;
    public.registry.seed(&images::single(), "library/app:1");
    public.registry.set_realm("https://tokens.example/token");
    let target = Registry::start();
    let outcome = public.run(&format!("{NAME}/library/app:1"), &target.name("mirror/app:1")).fails_with(1).await;
    assert!(outcome.says("tokens.example does not belong to registry.test; the credential is kept back"), "{outcome}");
    let line = format!("write `{NAME} = tokens.example` in `token-services`");
    assert!(outcome.says(&line), "{outcome}");
    assert_eq!(public.strangers(), BTreeSet::from(["CONNECT tokens.example:443 HTTP/1.1".to_owned()]));
}

#[tokio::test]
async fn redirects_in_a_circle_end_and_uploads_are_not_redirected() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::single();
    source.seed(&image, "library/app:1");
    source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("{}{{path}}", source.url()))).always());
    let outcome = run(&source, &target).fails_with(1).await;
    assert!(outcome.says("answered with more than 5 redirects"), "{outcome}");
    // The first request and five redirects, and once again for a blob that was tried before its turn.
    for blob in &image.blobs {
        assert!(source.count("GET", &format!("/blobs/{}", blob.digest)) <= 12, "{}", source.lines());
    }

    let (source, target) = (Registry::start(), Registry::with_auth(Auth::basic("ann", PASSWORD)));
    source.seed(&image, "library/app:1");
    let stranger = Registry::at("127.0.0.2", Auth::Open);
    for method in ["POST", "PUT", "PATCH"] {
        target.fault(Fault::on(method, "/v2/", What::redirect(format!("{}{{path}}", stranger.url()))).always());
    }
    let run = run(&source, &target).input("target-username", "ann").input("target-password", PASSWORD);
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("redirects what is written to 127.0.0.2:"), "{outcome}");
    assert!(target.carries(PASSWORD) && stranger.log().is_empty(), "{}", stranger.lines());
}

/// A storage host may be anybody's: a request that is redirected to one and challenged there sends neither password nor token.
#[tokio::test]
async fn a_storage_host_that_asks_for_a_password_is_not_told_whom_to_ask() {
    let auth = || Auth::Token(TokenAuth::new(vec![Account::new("ann", PASSWORD)]));
    for home in [auth(), Auth::basic("ann", PASSWORD)] {
        let (source, store, target) = (Registry::with_auth(home), Registry::with_auth(auth()), Registry::start());
        source.seed(&images::single(), "library/app:1");
        store.seed(&images::single(), "library/app");
        // At the registry's own address, by another port: a token service there would be the registry's own.
        source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("{}{{path}}", store.url()))).always());
        let run = run(&source, &target).input("source-username", "ann").input("source-password", PASSWORD);
        let outcome = run.fails_with(1).await;
        assert!(outcome.says("401") && target.tags("mirror/app").is_empty(), "{outcome}");
        assert!(store.count("GET", "/blobs/") > 0, "{}", store.lines());
        assert!(!store.carries(PASSWORD) && store.token_requests() == 0, "{}", store.lines());
    }
}

// Answers without an end.

#[tokio::test]
async fn answers_that_never_end_end_the_run_within_bounds() {
    let always = |part: &'static str, what: What| Fault::on("GET", part, what).always();
    let page = |body: String| {
        let headers = vec![
            ("content-type".to_owned(), OCI_INDEX.to_owned()),
            ("link".to_owned(), "<?page=next>; rel=\"next\"".to_owned()),
        ];
        What::Status { status: 200, headers, body }
    };
    let entry = |annotation: usize| {
        let digest = images::single().digest().to_owned();
        format!(r#"{{"digest":"{digest}","size":7,"annotations":{{"a":"{}"}}}}"#, "x".repeat(annotation))
    };
    let listing = |entries: usize, annotation: usize| {
        page(format!(r#"{{"manifests":[{}]}}"#, vec![entry(annotation); entries].join(",")))
    };
    let tokens = || Auth::Token(TokenAuth { anonymous_pull: true, ..TokenAuth::new(vec![]) });
    let rows: Vec<(&str, Vec<Fault>, &[&str])> = vec![
        ("a manifest", vec![always("/manifests/", What::EndlessBody)], &["source", "larger than 4 MiB"]),
        ("a blob", vec![always("/blobs/", What::EndlessBody)], &["source", "its descriptor says"]),
        (
            "a refusal",
            vec![
                always("/manifests/", What::error(403, "DENIED", "no")),
                always("/manifests/", What::EndlessBody),
                Fault::on("HEAD", "/manifests/", What::status(403)).always(),
            ],
            &["source", "403"],
        ),
        ("a token", vec![always("/token", What::EndlessBody)], &["source", "token", "answered more than 1 MiB"]),
        (
            "a list of referrers",
            vec![always("/referrers/", What::EndlessBody)],
            &["GET referrers", "larger than 4 MiB"],
        ),
        ("pages of referrers", vec![always("/referrers/", listing(1, 1))], &["GET referrers", "more than 100 pages"]),
        ("full pages of referrers", vec![always("/referrers/", listing(20_000, 1))], &["more than 10000 entries"]),
        (
            "fat pages of referrers",
            vec![always("/referrers/", listing(1, 4_000_000))],
            &["GET referrers", "more than 16 MiB together"],
        ),
    ];
    // One after the other: each is to be measured alone.
    for (name, faults, words) in rows {
        let (source, target) = (Registry::with_auth(tokens()), Registry::start());
        source.seed(&images::single(), "library/app:1");
        for fault in faults {
            source.fault(fault);
        }
        source.switch(|switches| switches.referrers = Some(100));
        // Not what ends it here.
        let run = run(&source, &target).input("patience", "10m");
        let outcome = run.run().await;
        let problems = unexpected(&outcome, &target, words);
        assert!(problems.is_empty(), "{name}: {problems:?}\n{outcome}");
    }
}

#[tokio::test]
async fn heads_and_trailers_that_never_end_end_the_run_within_bounds() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oci.image.index.v1+json\r\n";
    let chunked: &str = &format!("{ok}transfer-encoding: chunked\r\n\r\n").leak()[..];
    for (name, head, again) in [
        ("a header line", "HTTP/1.1 200 OK\r\nx: ", "y"),
        ("headers", "HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("a status line", "HTTP/1.1 200 ", "y"),
        ("no HTTP", "", "y\r\n"),
        ("answers before the answer", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("trailers", &*format!("{chunked}0\r\n").leak(), "x: y\r\n"),
        ("chunks of one byte", chunked, "1\r\n \r\n"),
        ("a chunk's extension", &*format!("{chunked}1;").leak(), "x"),
    ] {
        let (source, target) = (infinite_body::serve(head, again).await, Registry::start());
        let outcome = Run::copy(&format!("{source}/library/app:1"), &target.name("mirror/app:1")).run().await;
        let problems = unexpected(&outcome, &target, &["source"]);
        assert!(problems.is_empty(), "{name}: {problems:?}\n{outcome}");
    }
}

/// The listing of tags is a short cut: one that cannot be believed costs nothing but itself.
#[tokio::test]
async fn lists_of_tags_that_never_end_are_given_up_within_bounds() {
    let next = "<?last=x>; rel=\"next\"";
    let tags = |number: usize| {
        let tags: Vec<String> = (0..number).map(|tag| format!("\"{tag:x}\"")).collect();
        let headers =
            vec![("link".to_owned(), next.to_owned()), ("content-type".to_owned(), "application/json".to_owned())];
        What::Status { status: 200, headers, body: format!(r#"{{"name":"library/app","tags":[{}]}}"#, tags.join(",")) }
    };
    for (name, what) in [
        ("pages", What::Header("link", Some(next.to_owned()))),
        ("a page", What::EndlessBody),
        ("full pages", tags(450_000)),
        ("a page over its cap", tags(900_000)),
    ] {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::single(), "library/app:1");
        target.fault(Fault::on("GET", "/tags/list", what).always());
        // As many for one repository as make a list of its tags worth a request.
        let line =
            |tag: usize| format!("{} => {}", source.name("library/app:1"), target.name(&format!("mirror/app:{tag}")));
        let lines: Vec<String> = (1..=48).map(line).collect();
        let outcome = Run::new().input("images", &lines.join("\n")).succeeds().await;
        target.is_whole("mirror/app", "48").unwrap();
        assert!((1..=4).contains(&target.count("GET", "/tags/list")), "{name}\n{}", target.lines());
        assert!(outcome.peak < memory_limit(), "{name}: {} MiB", outcome.peak >> 20);
    }
}

#[tokio::test]
async fn attachments_are_bounded_together() {
    let image = images::single();
    let attached = |number: usize| {
        let about = images::referrer_of(&image, "application/vnd.example.sbom");
        let text = String::from_utf8(about.root().bytes.to_vec()).unwrap().replace("test", &format!("test {number}"));
        (about.blobs, Object::new(OCI_MANIFEST, padded(&text, 4_000_000)))
    };
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    let mut entries = Vec::new();
    // 200 MB together.
    for number in 0..50 {
        let (blobs, manifest) = attached(number);
        entries.push(manifest.descriptor());
        source.seed(&Image { blobs, manifests: vec![manifest], platforms: vec![] }, "library/app");
    }
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let list = images::raw(OCI_INDEX, index, vec![]);
    source.seed(&list, &format!("library/app:{}", image.digest().replace(':', "-")));
    let outcome = run(&source, &target).run().await;
    let problems = unexpected(&outcome, &target, &["source", "attachments"]);
    assert!(problems.is_empty(), "{problems:?}\n{outcome}");
}

/// Signatures of `image`, so many on it and as many on each of those, under the tags that keep lists of them.
fn seed_tree(source: &Registry, repository: &str, image: &Image, wide: usize) {
    let config = Object::new(EMPTY, "{}");
    let sign = |subject: &Object| -> Vec<Object> {
        let signature = |number: usize| {
            let (config, subject) = (config.descriptor(), subject.descriptor());
            let text = format!(
                r#"{{"schemaVersion":2,"artifactType":"application/vnd.example.signature","config":{config},"layers":[],"subject":{subject},"annotations":{{"number":"{number}"}}}}"#
            );
            Object::new(OCI_MANIFEST, text)
        };
        let signatures: Vec<Object> = (0..wide).map(signature).collect();
        let entries: Vec<String> = signatures.iter().map(Object::descriptor).collect();
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        let list = images::raw(OCI_INDEX, index, vec![]);
        source.seed(&list, &format!("{repository}:{}", subject.digest.replace(':', "-")));
        let manifests = signatures.clone();
        source.seed(&Image { blobs: vec![config.clone()], manifests, platforms: vec![] }, repository);
        signatures
    };
    for signature in sign(image.root()) {
        sign(&signature);
    }
}

/// A tree of attachments may be as wide as it likes: what it takes does not grow with it, nor with the images of a list that
/// have one.
#[tokio::test]
async fn trees_of_attachments_are_copied_within_bounds_however_many_images_have_one() {
    let wide = 36;
    let (source, target) = (Registry::start(), Registry::start());
    target.switch(|switches| switches.referrers = Some(1_000));
    let image = images::single();
    let lines: Vec<String> = (0..4)
        .map(|number| {
            let name = format!("library/app{number}");
            source.seed(&image, &format!("{name}:1"));
            seed_tree(&source, &name, &image, wide);
            format!("{}:1 => {}:1", source.name(&name), target.name(&format!("mirror/app{number}")))
        })
        .collect();
    let outcome = Run::new().input("images", &lines.join("\n")).input("patience", "60s").succeeds().await;
    for number in 0..4 {
        let there = target.count("PUT", &format!("/v2/mirror/app{number}/manifests/"));
        assert_eq!(there, wide + wide * wide + 2, "each once, and the image before and under its tag");
    }
    // With and without optimisation: without a bound it takes 105 MiB and more.
    assert!(outcome.peak < 64 << 20, "{} MiB", outcome.peak >> 20);
}

/// A sum of sizes that an image only names ends at the largest number: it does not begin anew, which would hide an image's size.
#[tokio::test]
async fn sizes_that_no_sum_holds_are_added_up_to_the_largest_number() {
    let (source, target) = (Registry::start(), Registry::start());
    let single = images::single();
    let layer = |number: usize| {
        let digest = sha256(&number.to_le_bytes());
        format!(r#"{{"mediaType":"{}","digest":"{digest}","size":{}}}"#, images::OCI_LAYER, u64::MAX - 1)
    };
    let lines: Vec<String> = (0..3)
        .map(|number| {
            let layers = [layer(2 * number), layer(2 * number + 1)].join(",");
            let mut image = single.clone();
            image.manifests.push(Object::new(OCI_MANIFEST, manifest(&single.blobs[0].descriptor(), &layers, "")));
            source.seed(&image, &format!("library/app:{number}"));
            let tag = format!("mirror/app:{number}");
            format!("{} => {}", source.name(&format!("library/app:{number}")), target.name(&tag))
        })
        .collect();
    let run = Run::new().input("images", &lines.join("\n"));
    let plan = run.clone().input("dry-run", "true").succeeds().await.json();
    assert_eq!(plan["totals"]["bytes"].as_u64(), Some(u64::MAX), "{plan}");
    assert_eq!(plan["images"][0]["blobs"]["missing_bytes"].as_u64(), Some(u64::MAX), "{plan}");
    run.command("inspect").succeeds().await;
    let copied = Run::new().input("images", &lines.join("\n")).fails_with(1).await;
    assert!(copied.says("404") && target.tags("mirror/app").is_empty(), "{copied}");
}

/// Each of 24 images has as large a manifest as there may be: all arrive, and together they hold no more of them than a few.
#[tokio::test]
async fn large_manifests_are_held_within_bounds_however_many_images_have_one() {
    let images = 24;
    let (source, target) = (Registry::start(), Registry::start());
    let single = images::single();
    let text = String::from_utf8(single.root().bytes.to_vec()).unwrap();
    let lines: Vec<String> = (0..images)
        .map(|number| {
            let manifest = Object::new(OCI_MANIFEST, padded(&text, 3_900_000 + number));
            let image = Image { blobs: single.blobs.clone(), manifests: vec![manifest], platforms: vec![] };
            source.seed(&image, &format!("library/app{number}:1"));
            let to = target.name(&format!("mirror/app{number}:1"));
            format!("{} => {to}", source.name(&format!("library/app{number}:1")))
        })
        .collect();
    let run = Run::new().input("images", &lines.join("\n")).input("attachments", "none").input("patience", "60s");
    let outcome = run.env("RUNNER_DEBUG", "1").succeeds().await;
    for number in 0..images {
        target.is_whole(&format!("mirror/app{number}"), "1").unwrap();
    }
    // Counted as they come: 94 MB without the bound.
    let most = outcome.stdout.split("manifests held at once, at most, bytes ").nth(1);
    let most = most.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok());
    assert!(most.is_some_and(|most| (3_900_000..29 << 20).contains(&most)), "{most:?}\n{outcome}");
}
