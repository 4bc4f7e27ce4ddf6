//! What others write reaches three readers that act on text: the runner (commands in the log, outputs in a file), a
//! terminal, and a renderer of Markdown. Whoever writes it, and wherever: each of them sees our words about it, and
//! nothing that it would act on.
//!
//! Every row is gone through with every text below, as an action and at a terminal. The texts have a mark, by which a row
//! shows that they came through at all: what never arrives proves nothing.

use std::path::Path;

use futures_util::StreamExt as _;
use mirror_image::internals::{INPUTS, Kind, OUTPUTS};
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::{Value, json};

use crate::support::images::{self, EMPTY, Image, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Object};
use crate::support::{Auth, Fault, Outcome, Registry, Run, TokenAuth, What, actions};

const MARK: &str = "pwned";

/// Short, because sentences from outside are cut; each begins with something harmless, as most text does, or with what
/// does the harm.
const HOSTILE: [(&str, &str); 9] = [
    (
        "commands",
        "::set-output name=pwned::pwned\n::error title=pwned::pwned\r  ::add-mask::pwned\r\n\t::stop-commands::pwned",
    ),
    (
        "commands after other breaks",
        "pwned\u{85}::notice::pwned\u{2028}::warning::pwned\u{2029}::group::pwned\u{b}::debug::pwned",
    ),
    (
        "commands of the old form",
        "pwned ##[set-output name=pwned]pwned\n##[command]pwned #\u{200b}#[error]pwned ##\u{1b}[0m[x]",
    ),
    ("an output file", "pwned\nEOF\npwned=pwned\npwned<<EOF\npwned\nEOF\nghadelimiter_0\npwned=pwned\n"),
    (
        "markup",
        "pwned <img src=x onerror=pwned> [pwned](javascript:pwned) ![pwned](//pwned.example/x) <!-- pwned </details>",
    ),
    (
        "addresses",
        "pwned https://pwned.example/x www.pwned.example <https://pwned.example> [^pwned] http://pwned.example",
    ),
    (
        "blocks",
        "pwned\n\n# pwned-alone\n- pwned-alone\n\n| pwned-alone | pwned-alone |\n| --- | --- |\n```\npwned-alone\n```\n\\| pwned-alone | `pwned`",
    ),
    (
        "a terminal",
        "\u{1b}]0;title\u{7}pwned\u{1b}[2Jpwned\u{9b}31mpwned\u{9d}0;title\u{9c}\u{8}\u{0}\u{7f}\u{1b}Ppwned\u{1b}\\\u{90}x\u{9c}pwned",
    ),
    (
        "the unseen",
        "pwned\u{202e}pwned\u{2066}\u{200b}:\u{feff}:\u{ad}error::pwned\u{e0041}\u{200f} :\u{fe0f}:error::pwned",
    ),
];

/// `text` without what an HTTP header cannot carry.
fn in_header(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_control()).collect()
}

/// The same where only what is written in ASCII is read.
fn in_ascii(text: &str) -> String {
    text.chars().filter(|character| matches!(character, ' '..='~')).collect()
}

/// Two registries, and a directory of the user's.
struct World {
    source: Registry,
    target: Registry,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { source: Registry::start(), target: Registry::start(), directory: tempfile::tempdir().unwrap() }
    }

    fn run(&self) -> Run {
        Run::copy(&self.source.name("library/app:1"), &self.target.name("mirror/app:1"))
    }

    fn layout(&self) -> std::path::PathBuf {
        self.directory.path().join("layout")
    }

    fn of_layout(&self, name: &str) -> Run {
        self.run().input("source", &format!("oci:{}{name}", self.layout().display()))
    }
}

/// One place where text gets in: it is put there, and the run is made that reads it.
struct Row {
    name: &'static str,
    arrange: Box<dyn Fn(&World, &str) -> Run>,
    /// Whether any of it is to be heard.
    is_heard: bool,
}

fn heard(name: &'static str, arrange: impl Fn(&World, &str) -> Run + 'static) -> Row {
    Row { name, arrange: Box::new(arrange), is_heard: true }
}

fn unheard(name: &'static str, arrange: impl Fn(&World, &str) -> Run + 'static) -> Row {
    Row { name, arrange: Box::new(arrange), is_heard: false }
}

/// A row whose source has an ordinary image, and faults.
fn faulty(
    is_heard: bool,
    name: &'static str,
    faults: impl Fn(&World, &str) -> Vec<(&'static str, Fault)> + 'static,
) -> Row {
    let arrange = move |world: &World, text: &str| {
        world.source.switch(|switches| switches.referrers = Some(10));
        world.source.seed(&images::three_platforms(), "library/app:1");
        for (side, fault) in faults(world, text) {
            let registry = if side == "source" { &world.source } else { &world.target };
            registry.fault(fault);
        }
        world.run()
    };
    Row { name, arrange: Box::new(arrange), is_heard }
}

fn says(status: u16, body: impl Into<String>) -> What {
    What::Status {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    }
}

fn error_of(status: u16, text: &str) -> What {
    let error = json!({ "code": text, "message": text, "detail": { "digest": text, "reason": text } });
    says(status, json!({ "errors": [error, { "message": format!("another {text}"), "detail": text }] }).to_string())
}

fn on_source(method: &'static str, part: &str, what: What) -> Vec<(&'static str, Fault)> {
    vec![("source", Fault::on(method, part, what).always())]
}

fn on_target(method: &'static str, part: &str, what: What) -> Vec<(&'static str, Fault)> {
    vec![("target", Fault::on(method, part, what).always())]
}

/// What registries answer: bodies, headers, token services.
fn answers() -> Vec<Row> {
    let tokens = |world: &World| {
        world.source.set_auth(Auth::Token(TokenAuth { anonymous_pull: true, ..TokenAuth::new(vec![]) }));
    };
    let challenge = |challenge: String| What::status(401).header("www-authenticate", &challenge);
    vec![
        faulty(true, "a refusal of the source", |_, text| on_source("*", "/manifests/", error_of(403, text))),
        faulty(true, "a refusal of the target", |_, text| on_target("PUT", "/manifests/1", error_of(403, text))),
        faulty(true, "a refusal of an upload", |_, text| on_target("POST", "/uploads/", error_of(400, text))),
        faulty(true, "a refusal of a blob", |_, text| on_source("GET", "/blobs/", error_of(404, text))),
        faulty(true, "a missing part", |_, text| {
            let error = json!({ "code": "MANIFEST_BLOB_UNKNOWN", "message": text, "detail": text });
            on_target("PUT", "/manifests/", says(404, json!({ "errors": [error] }).to_string()))
        }),
        faulty(true, "plain words", |_, text| on_source("*", "/manifests/", says(403, text))),
        faulty(true, "a detail by itself", |_, text| {
            on_source("*", "/manifests/", says(403, json!({ "details": text }).to_string()))
        }),
        faulty(false, "a page", |_, text| on_source("*", "/manifests/", says(403, format!("<html>{text}</html>")))),
        faulty(true, "the number of a request", |_, text| {
            on_source("*", "/manifests/", says(403, "no").header("x-request-id", &in_ascii(text)))
        }),
        faulty(true, "a wait that is said", |_, text| {
            let wait = error_of(429, text).header("retry-after", "4");
            vec![("target", Fault::on("PUT", "/manifests/1", wait))]
        }),
        faulty(true, "a wait that is too long", |_, text| {
            on_target("PUT", "/manifests/1", error_of(429, text).header("retry-after", "3600"))
        }),
        faulty(true, "a token service's refusal", move |world, text| {
            tokens(world);
            on_source("*", "/token", error_of(403, text))
        }),
        faulty(true, "a token service's words", move |world, text| {
            tokens(world);
            on_source("*", "/token", says(400, json!({ "error_description": text }).to_string()))
        }),
        faulty(false, "a token", move |world, text| {
            tokens(world);
            on_source("*", "/token", says(200, json!({ "token": text, "expires_in": 300 }).to_string()))
        }),
        faulty(false, "no token", move |world, text| {
            tokens(world);
            on_source("*", "/token", says(200, json!({ "expires_in": text, "token": [text] }).to_string()))
        }),
        faulty(false, "a challenge", move |world, text| {
            let (text, host) = (in_header(text).replace(['"', '\\'], ""), world.source.host());
            let realm = format!("Bearer realm=\"http://{host}/token?{text}\",service=\"{text}\",scope=\"{text}\"");
            on_source("*", "/v2/", challenge(format!("{realm},error=\"{text}\",error_description=\"{text}\"")))
        }),
        faulty(false, "a challenge's place", move |_, text| {
            let text = in_header(text).replace(['"', '\\'], "");
            on_source("*", "/v2/", challenge(format!("Bearer realm=\"http://{text}/token\",service=\"x\"")))
        }),
        faulty(false, "a challenge's address in no scheme", move |_, text| {
            let text = in_header(text).replace(['"', '\\'], "");
            on_source("*", "/v2/", challenge(format!("Bearer realm=\"{MARK}://{text}/token\"")))
        }),
        faulty(false, "a challenge that is none", move |_, text| on_source("*", "/v2/", challenge(in_header(text)))),
        faulty(false, "a redirect", |_, text| on_source("GET", "/blobs/", What::redirect(in_header(text)))),
        faulty(false, "an upload's place", |_, text| {
            on_target("POST", "/uploads/", What::Header("location", Some(in_header(text))))
        }),
        faulty(false, "the next page", |_, text| {
            let link = format!("<{}>; rel=\"next\"", in_header(text));
            on_source("GET", "/referrers/", What::Header("link", Some(link)))
        }),
        faulty(true, "a list of referrers", |_, text| {
            let (body, list) = (json!({ "manifests": text }).to_string(), OCI_INDEX.to_owned());
            let page = What::Status { status: 200, headers: vec![("content-type".to_owned(), list)], body };
            on_source("GET", "/referrers/", page)
        }),
        faulty(true, "an entry of referrers", |_, text| {
            let (entry, list) = (json!({ "digest": text, "size": text }), OCI_INDEX.to_owned());
            let body = json!({ "manifests": [entry] }).to_string();
            let page = What::Status { status: 200, headers: vec![("content-type".to_owned(), list)], body };
            on_source("GET", "/referrers/", page)
        }),
        faulty(false, "a digest", |_, text| {
            on_source("*", "/manifests/", What::Header("docker-content-digest", Some(in_header(text))))
        }),
        faulty(false, "a media type", |_, text| {
            on_source("*", "/manifests/", What::Header("content-type", Some(in_header(text))))
        }),
        faulty(false, "a time", |_, text| {
            let busy = What::status(429).header("retry-after", &in_header(text));
            vec![("source", Fault::on("GET", "/manifests/", busy))]
        }),
        heard("a mirror", |world, text| {
            let mirror = Registry::at("127.0.0.3", Auth::Open);
            mirror.fault(Fault::on("*", "/v2/", error_of(403, text)).always());
            world.source.seed(&images::three_platforms(), "library/app:1");
            let run = world.run().input("registry-mirrors", &format!("{} = {}", world.source.host(), mirror.host()));
            // It is asked until the run is over.
            std::mem::forget(mirror);
            run
        }),
    ]
}

/// An index whose entries are for these platforms, each another image.
fn index(platforms: &[Value], more: &Value) -> Image {
    let base = images::three_platforms();
    let children: Vec<&Object> = base.manifests.iter().filter(|object| object.media_type == OCI_MANIFEST).collect();
    let entry = |(child, platform): (&&Object, &Value)| {
        json!({
            "mediaType": OCI_MANIFEST, "digest": child.digest, "size": child.bytes.len(), "platform": platform,
            "annotations": more,
        })
    };
    let entries: Vec<Value> = children.iter().zip(platforms).map(entry).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "annotations": more });
    let mut image = base.clone();
    image.manifests.push(Object::new(OCI_INDEX, index.to_string()));
    image
}

fn platform(text: &str) -> Value {
    json!({ "os": text, "architecture": text, "variant": text, "os.version": text })
}

/// A single image whose config and manifest are this text all over.
fn single(text: &str) -> Image {
    let (config_type, layer_type) = (OCI_CONFIG, format!("application/{text}"));
    let config = json!({ "os": text, "architecture": text, "variant": text, "config": { "Labels": { text: text } } });
    let (config, layer) = (Object::new(config_type, config.to_string()), Object::new(&layer_type, "a layer"));
    let descriptor = |object: &Object| json!({ "mediaType": object.media_type, "digest": object.digest, "size": object.bytes.len(), "annotations": { text: text } });
    let manifest = json!({
        "schemaVersion": 2, "config": descriptor(&config), "layers": [descriptor(&layer)], "annotations": { text: text },
    });
    images::raw(OCI_MANIFEST, manifest.to_string(), vec![config, layer])
}

/// What an image's author writes.
fn images_of_others() -> Vec<Row> {
    let platforms = |text: &str| index(&[platform(text), platform(text), platform("other")], &json!({ text: text }));
    let amd64 = |text: &str| json!({ "os": "linux", "architecture": "amd64", "os.version": text });
    let root = |text: Value| images::raw(OCI_MANIFEST, text.to_string(), vec![]);
    let seeded = |name: &'static str, image: fn(&str) -> Image, change: fn(Run) -> Run, is_heard: bool| Row {
        name,
        arrange: Box::new(move |world, text| {
            world.source.seed(&image(text), "library/app:1");
            change(world.run())
        }),
        is_heard,
    };
    let mut rows = vec![
        seeded(
            "platforms that are inspected",
            |text| index(&[platform(text)], &Value::Null),
            |run| run.command("inspect"),
            true,
        ),
        seeded("a platform that is inspected", single, |run| run.command("inspect"), true),
        seeded("a platform that is another", single, |run| run.input("platforms", "linux/amd64"), true),
    ];
    rows.extend([
        heard("platforms", move |world, text| {
            world.source.seed(&platforms(text), "library/app:1");
            world.run().input("emit", "all")
        }),
        heard("platforms that are others", move |world, text| {
            world.source.seed(&platforms(text), "library/app:1");
            world.run().input("platforms", "linux/amd64")
        }),
        heard("platforms that are several", move |world, text| {
            world.source.seed(&index(&[amd64(text), amd64("1")], &Value::Null), "library/app:1");
            world.run().input("platforms", "linux/amd64")
        }),
        heard("a platform that is chosen", move |world, text| {
            world.source.seed(&index(&[amd64(text), platform("other")], &Value::Null), "library/app:1");
            world.run().input("platforms", "linux/amd64")
        }),
        heard("platforms that are chosen", move |world, text| {
            let arm64 = json!({ "os": "linux", "architecture": "arm64" });
            world.source.seed(&index(&[amd64(text), arm64, platform("other")], &Value::Null), "library/app:1");
            world.target.switch(|switches| switches.sparse_allowed = true);
            world.run().input("platforms", "linux/amd64, linux/arm64")
        }),
        heard("a platform that is missing", move |world, text| {
            let image = platforms(text);
            world.source.seed(&image, "library/app:1");
            world.target.seed(&image, "mirror/app:1");
            let child = image.manifests.iter().find(|object| object.media_type == OCI_MANIFEST).unwrap();
            assert!(world.target.forget("mirror/app", &child.digest));
            world.run().command("verify")
        }),
        unheard("annotations, labels and types", |world, text| {
            world.source.seed(&single(text), "library/app:1");
            world.run()
        }),
        heard("an artifact's type", |world, text| {
            let image = images::three_platforms();
            world.source.seed(&image, "library/app:1");
            world.source.switch(|switches| switches.referrers = Some(10));
            let config = Object::new(EMPTY, "{}");
            let descriptor = |object: &Object| json!({ "mediaType": object.media_type, "digest": object.digest, "size": object.bytes.len() });
            let about = json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": text, "config": descriptor(&config),
                "layers": [], "subject": descriptor(image.root()), "annotations": { text: text },
            });
            world.source.seed(&images::raw(OCI_MANIFEST, about.to_string(), vec![config]), "library/app");
            world.run()
        }),
        heard("a list that is a word", move |world, text| {
            world.source.seed(&root(json!({ "config": null, "layers": text })), "library/app:1");
            world.run()
        }),
        heard("a digest that is none", move |world, text| {
            let config = json!({ "digest": text, "size": 1 });
            world.source.seed(&root(json!({ "config": config, "layers": [] })), "library/app:1");
            world.run()
        }),
        heard("an algorithm that is none", move |world, text| {
            let config = json!({ "digest": format!("{text}:00"), "size": 1 });
            world.source.seed(&root(json!({ "config": config, "layers": [] })), "library/app:1");
            world.run()
        }),
        heard("a size that is none", move |world, text| {
            let config = json!({ "digest": images::sha256(b""), "size": text });
            world.source.seed(&root(json!({ "config": config, "layers": [] })), "library/app:1");
            world.run()
        }),
        unheard("a type that calls itself so", move |world, text| {
            world.source.seed(&root(json!({ "mediaType": text })), "library/app:1");
            world.run()
        }),
    ]);
    rows
}

/// Writes a layout with this image, and changes its list.
fn layout_with(world: &World, change: impl Fn(&mut Vec<Value>)) {
    let directory = world.layout();
    images::three_platforms().write_layout(&directory, "1");
    let file = directory.join("index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    change(index["manifests"].as_array_mut().unwrap());
    std::fs::write(file, index.to_string()).unwrap();
}

/// What an image layout says.
fn layouts_of_others() -> Vec<Row> {
    let named = |text: &str, digest: &str| {
        let names =
            json!({ "org.opencontainers.image.ref.name": text, "io.containerd.image.name": format!("{text}:latest") });
        json!({ "mediaType": OCI_INDEX, "digest": digest, "size": 7, "annotations": names })
    };
    let other = images::single().digest().to_owned();
    let another = images::nested_index().digest().to_owned();
    let (first, second, third) = (other.clone(), other.clone(), other);
    vec![
        heard("names, where one is absent", move |world, text| {
            layout_with(world, |entries| entries.push(named(text, &first)));
            world.of_layout(":absent")
        }),
        heard("names, where none is given", move |world, text| {
            layout_with(world, |entries| entries.push(named(text, &second)));
            world.of_layout("")
        }),
        heard("names, where several fit", move |world, text| {
            layout_with(world, |entries| entries.extend([named(text, &third), named(&format!("{text} "), &another)]));
            world.of_layout(":latest")
        }),
        heard("an entry that cannot be read", move |world, text| {
            layout_with(world, |entries| entries.push(json!({ "digest": text, "size": 1, "mediaType": text })));
            world.of_layout(":1")
        }),
        heard("a version", |world, text| {
            layout_with(world, |_| {});
            let mark = json!({ "imageLayoutVersion": text }).to_string();
            std::fs::write(world.layout().join("oci-layout"), mark).unwrap();
            world.of_layout(":1")
        }),
        unheard("a list that is a word", |world, text| {
            layout_with(world, |_| {});
            std::fs::write(world.layout().join("index.json"), json!({ "manifests": text }).to_string()).unwrap();
            world.of_layout(":1")
        }),
        unheard("files beside it", |world, text| {
            let target = world.directory.path().join("target");
            std::fs::create_dir(&target).unwrap();
            std::fs::write(target.join(in_header(text).replace('/', "_")), "").unwrap();
            world.source.seed(&images::single(), "library/app:1");
            world.run().input("target", &format!("oci:{}:1", target.display()))
        }),
    ]
}

/// What a workflow fills in from elsewhere: each input in turn, and names in the forms that an input has.
fn inputs_of_others() -> Vec<Row> {
    let ordinary = |world: &World| {
        world.source.seed(&images::single(), "library/app:1");
        world.run()
    };
    let mut rows: Vec<Row> = Vec::new();
    // The environment of a process has no zero byte.
    let in_environment = |text: &str| text.replace('\0', "");
    for input in INPUTS.iter().filter(|input| !matches!(input.kind, Kind::Secret | Kind::SecretLines)) {
        rows.push(unheard(input.name, move |world, text| ordinary(world).input(input.name, &in_environment(text))));
    }
    for (name, input, before, after) in [
        ("a tag", "source", "alpine:", ""),
        ("a tag of the target", "target", "ghcr.io/o/r:", ""),
        ("a repository", "target", "ghcr.io/o/", ":1"),
        ("a host", "source", "", "/library/app:1"),
        ("a digest", "source", "alpine@", ""),
        ("a directory", "source", "oci:", ""),
        ("a directory with a tag", "target", "oci:", ":1"),
        ("a line of images", "images", "alpine:3\n", " => ghcr.io/o/r"),
        ("a team", "teams", "", "=read"),
        ("a user", "users", "", "=admin"),
        ("a mirror", "registry-mirrors", "docker.io = ", ""),
        ("a format", "emit", "kustomize, ", ""),
        ("a folder for formats", "emit-directory", "x/", ""),
    ] {
        rows.push(unheard(name, move |world, text| {
            let run = ordinary(world).input("emit", "all").env("GITHUB_API_URL", &world.source.url());
            let run = if input == "images" { run.input("source", "").input("target", "") } else { run };
            run.input(input, &format!("{before}{}{after}", in_environment(text)))
        }));
    }
    for name in ["GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "GITHUB_API_URL", "GITHUB_WORKSPACE", "DOCKER_CONFIG"] {
        rows.push(unheard(name, move |world, text| {
            let target = format!("{}/{{owner}}/{{repo}}", world.target.host());
            ordinary(world).input("target", &target).env(name, &in_environment(text))
        }));
    }
    rows
}

/// Goes through every row.
async fn assert_only_words(rows: Vec<Row>) {
    let mut all = Vec::new();
    for row in &rows {
        for (kind, text) in HOSTILE {
            for in_actions in [true, false] {
                all.push((row, kind, text, in_actions));
            }
        }
    }
    let runs = all.into_iter().map(|(row, kind, text, in_actions)| async move {
        let world = World::new();
        let run = (row.arrange)(&world, text).input("patience", "9s");
        let run = if in_actions {
            run.env("RUNNER_DEBUG", "1")
        } else {
            run.without("GITHUB_ACTIONS").env("GITHUB_OUTPUT", "").env("GITHUB_STEP_SUMMARY", "").arg("--output=json")
        };
        let outcome = run.run().await;
        let masked: Vec<String> = world.source.issued_tokens().into_iter().chain([text.to_owned()]).collect();
        let mut problems = if in_actions { in_a_log(&outcome, &masked) } else { at_a_terminal(&outcome) };
        problems.extend(unseen("the log", &outcome.log));
        problems.extend(emitted(&outcome));
        if outcome.says("has a fault") || !matches!(outcome.code, 0..=2) {
            problems.push(format!("exit code {}", outcome.code));
        }
        // A control string takes what is in it along.
        if row.is_heard && !outcome.log.contains(MARK) && !outcome.everything().contains(MARK) {
            problems.push("nothing of it arrived anywhere".to_owned());
        }
        let voice = if in_actions { "in Actions" } else { "at a terminal" };
        let context = || format!("{}, {kind}, {voice}: {problems:#?}\n{outcome}", row.name);
        (!problems.is_empty()).then(context)
    });
    let failures: Vec<String> =
        futures_util::stream::iter(runs).buffer_unordered(8).filter_map(|failure| async { failure }).collect().await;
    assert!(failures.is_empty(), "{} runs failed:\n\n{}", failures.len(), failures.join("\n\n────────\n\n"));
}

/// What the runner, and whoever reads a summary or an output, would act on.
fn in_a_log(outcome: &Outcome, masked: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for line in outcome.log.split(['\n', '\r']) {
        let is_command = line.trim_start().starts_with("::");
        if line.contains("##[") || is_command && !actions::commands(line).iter().any(|command| is_ours(command, masked))
        {
            problems.push(format!("a command: {line}"));
        }
    }
    problems.extend(unseen("the outputs", &outcome.output_file));
    problems.extend(unseen("the summary", &outcome.summary));
    for name in outcome.outputs.keys().filter(|name| !OUTPUTS.iter().any(|output| output.name == name.as_str())) {
        problems.push(format!("an output {name}"));
    }
    problems.extend(rendered(&outcome.summary));
    problems.extend(outcome.outputs.iter().flat_map(|(name, value)| value_of(name, value)));
    problems
}

fn is_ours(command: &actions::Command, masked: &[String]) -> bool {
    let of_ours = |text: &str| !text.trim_start().starts_with(MARK);
    match command.name.as_str() {
        "group" | "debug" => of_ours(&command.message),
        "endgroup" => command.message.is_empty(),
        "notice" | "warning" | "error" => {
            command.properties.get("title").is_some_and(|title| of_ours(title)) && command.properties.len() == 1
        }
        "add-mask" => masked.contains(&command.message),
        _ => false,
    }
}

/// What a terminal, or whoever reads the data that is printed, would act on.
fn at_a_terminal(outcome: &Outcome) -> Vec<String> {
    let mut problems: Vec<String> =
        actions::commands(&outcome.log).into_iter().map(|command| format!("a command: {command:?}")).collect();
    if !outcome.stdout.is_empty() {
        problems.extend(value_of("json", &outcome.stdout));
    }
    problems
}

/// An output's value as the next step has it, which may print it.
fn value_of(name: &str, value: &str) -> Vec<String> {
    if !matches!(name, "json" | "mapping" | "access" | "matrix") {
        let lines = value.lines().flat_map(|line| word(name, line));
        return lines.collect();
    }
    let mut problems = Vec::new();
    match serde_json::from_str::<Value>(value) {
        Ok(value) => words(name, &value, &mut problems),
        Err(error) => problems.push(format!("{name} is no JSON: {error}")),
    }
    problems
}

fn words(name: &str, value: &Value, problems: &mut Vec<String>) {
    match value {
        Value::String(text) => problems.extend(word(name, text)),
        Value::Array(list) => list.iter().for_each(|value| words(name, value, problems)),
        Value::Object(members) => {
            for (key, value) in members {
                problems.extend(word(name, key));
                words(name, value, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn word(name: &str, text: &str) -> Vec<String> {
    let commands = actions::commands(text).into_iter().map(|command| format!("a command in {name}: {command:?}"));
    let lines = text.contains('\n').then(|| format!("several lines in {name}: {text:?}"));
    commands.chain(lines).chain(unseen(name, text)).collect()
}

/// Characters that a terminal acts on, or that nobody sees.
fn unseen(place: &str, text: &str) -> Option<String> {
    let is_unseen = |character: char| {
        character != '\n' && character.is_control()
            || matches!(u32::from(character),
                0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe0f | 0xfeff | 0xe0000..=0xe0fff)
    };
    let line = text.split('\n').find(|line| line.contains(is_unseen))?;
    Some(format!("what nobody sees in {place}: {line:?}"))
}

/// Files that others are to read.
fn emitted(outcome: &Outcome) -> Vec<String> {
    let ours = |name: &&String| Path::new(name.as_str()).starts_with("workspace") && !name.contains("/blobs/");
    outcome.files.keys().filter(ours).filter_map(|name| unseen(name, &outcome.files[name])).collect()
}

/// Everything in a summary that is more than our headings, tables, lists, folds and code.
fn rendered(summary: &str) -> Vec<String> {
    let extensions = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut problems = Vec::new();
    // The text of the block that is read.
    let mut block = String::new();
    for event in Parser::new_ext(summary, extensions) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                let ours = ["details", "summary", "sub", "code"];
                // A place where a line may end, and one where it does.
                let html = html.replace("<wbr>", "").replace("<br>", "");
                let rest = ours.iter().fold(html.clone(), |text, tag| {
                    text.replace(&format!("<{tag}>"), "").replace(&format!("</{tag}>"), "")
                });
                if rest.contains('<') {
                    problems.push(format!("markup: {html}"));
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                problems.push(format!("a link to {dest_url}"));
            }
            Event::Start(
                Tag::Paragraph
                | Tag::Heading { .. }
                | Tag::Item
                | Tag::TableCell
                | Tag::CodeBlock(_)
                | Tag::BlockQuote(_),
            ) => block.clear(),
            Event::Start(
                Tag::List(_) | Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::Strong | Tag::HtmlBlock,
            )
            | Event::SoftBreak => {}
            Event::End(_) => {
                if block.trim() == "pwned-alone" {
                    problems.push("a block of its own".to_owned());
                }
            }
            Event::Text(text) | Event::Code(text) => block.push_str(&text),
            other => problems.push(format!("{other:?}")),
        }
    }
    // What GitHub makes links of besides, outside of code.
    let code = regex::Regex::new("(?s)```.*?```|`[^`\n]*`").unwrap();
    let bare = code.replace_all(summary, " ");
    let bare = regex::Regex::new(r"\\.").unwrap().replace_all(&bare, " ");
    for address in ["://pwned", "www.pwned"] {
        if bare.contains(address) {
            problems.push(format!("a link in {bare}"));
        }
    }
    problems
}

#[tokio::test]
async fn whatever_a_registry_answers_is_words_to_every_reader() {
    assert_only_words(answers()).await;
}

#[tokio::test]
async fn whatever_an_image_says_of_itself_is_words_to_every_reader() {
    assert_only_words(images_of_others()).await;
}

#[tokio::test]
async fn whatever_a_layout_says_is_words_to_every_reader() {
    assert_only_words(layouts_of_others()).await;
}

#[tokio::test]
async fn whatever_a_workflow_fills_in_is_words_to_every_reader() {
    assert_only_words(inputs_of_others()).await;
}
