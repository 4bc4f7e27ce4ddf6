//! What is written for those who pull, and that real clients pull by it. Formats are parsed, compared with what their
//! consumers' schemas demand, and given to the consumers that run here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use base64::Engine as _;
use mirror_image::internals::{
    self as program, Fallback, ImageOutcome, ImageReference, Outcome, Reference, Rules, Wanted, render,
};
use serde_json::{Value, json};

use crate::support::images::{self, Image, Object};
use crate::support::{Account, Auth, Registry, Run, TokenAuth, real};

const ALL: &[&str] = &["all", "registries-conf-tags", "containerd", "buildkitd", "kyverno", "helm"];
const PASSWORD: &str = "reader-secret-2a6c";

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn copied(source: &str, target: &str, letter: char) -> ImageOutcome {
    ImageOutcome {
        source_digest: Some(digest(letter).parse().unwrap()),
        digest: Some(digest(letter).parse().unwrap()),
        result: Outcome::Copied,
        ..ImageOutcome::new(ImageReference::parse(source).unwrap(), Some(ImageReference::parse(target).unwrap()))
    }
}

/// The run of the worked example: two registries, names kept.
fn namespaced() -> Vec<ImageOutcome> {
    vec![
        copied("gcr.io/kaniko-project/executor:v1.8.1", "ghcr.io/o/r/gcr.io/kaniko-project/executor:v1.8.1", 'b'),
        copied("docker.io/library/alpine:3.20", "ghcr.io/o/r/docker.io/library/alpine:3.20", 'a'),
    ]
}

/// The same, renamed.
fn flat() -> Vec<ImageOutcome> {
    vec![
        copied("docker.io/library/alpine:3.20", "ghcr.io/o/r/alpine:3.20", 'a'),
        copied("gcr.io/kaniko-project/executor:v1.8.1", "ghcr.io/o/r/kaniko-executor:v1.8.1", 'b'),
    ]
}

struct Emitted {
    files: BTreeMap<String, String>,
    problems: BTreeMap<&'static str, String>,
    notes: Vec<String>,
}

fn emit(images: &[ImageOutcome], words: &[&str]) -> Emitted {
    emit_run(images, words, program::Command::Copy, false)
}

fn emit_run(images: &[ImageOutcome], words: &[&str], command: program::Command, dry_run: bool) -> Emitted {
    let wanted = Wanted::parse(words).unwrap();
    let (consumer_configs, notes) = render(&wanted, images, command, dry_run, Some("o/r"), &[], SystemTime::UNIX_EPOCH);
    let mut emitted = Emitted { files: BTreeMap::new(), problems: BTreeMap::new(), notes };
    for config in consumer_configs {
        emitted.files.extend(config.files.into_iter().map(|file| (file.path, file.text)));
        emitted.problems.extend(config.problem.map(|problem| (config.format, problem)));
    }
    emitted
}

impl Emitted {
    fn text(&self, path: &str) -> &str {
        self.files.get(path).unwrap_or_else(|| panic!("{path} is not among {:?}", self.files.keys()))
    }

    fn toml(&self, path: &str) -> Value {
        let table: toml::Table = self.text(path).parse().unwrap_or_else(|e| panic!("{path}: {e}\n{}", self.text(path)));
        serde_json::to_value(table).unwrap()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(self.text(path)).unwrap()
    }

    fn yaml(&self, path: &str) -> Vec<Value> {
        yaml(self.text(path))
    }
}

fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_file_parses_and_the_same_run_writes_the_same_bytes() {
    let (once, again) = (emit(&namespaced(), ALL), emit(&namespaced(), ALL));
    assert_eq!(once.files, again.files);
    // Whatever the order of the images was.
    let mut turned = namespaced();
    turned.reverse();
    let turned = emit(&turned, ALL);
    for (path, text) in &once.files {
        if path != "mapping.json" {
            assert_eq!(turned.text(path), text, "{path}");
        }
        match path.rsplit('.').next() {
            Some("toml" | "conf") => drop(once.toml(path)),
            Some("yaml") => drop(once.yaml(path)),
            Some("json") => drop(once.json(path)),
            _ => {}
        }
    }
    let paths: Vec<&str> = once.files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "buildkit/build-contexts.txt",
            "buildkit/buildkitd.toml",
            "buildkit/source-policy.json",
            "cnb/mirrors.env",
            "cnb/pack-config.toml",
            "containerd/certs.d/docker.io/hosts.toml",
            "containerd/certs.d/gcr.io/hosts.toml",
            "k3s/registries.yaml",
            "kustomize/kustomization.yaml",
            "kyverno/mutating-policy.yaml",
            "kyverno/policy.yaml",
            "mapping.json",
            "openshift/idms.yaml",
            "openshift/imagestream.yaml",
            "openshift/itms.yaml",
            "openshift/project.yaml",
            "openshift/pull-secret.sh",
            "registries.conf.d/50-o-r.conf",
            "registries.conf.d/51-o-r-tags.conf",
        ]
    );
    assert_eq!(once.problems.keys().copied().collect::<Vec<_>>(), ["helm"], "two registries are no one value");
}

#[test]
fn the_drop_in_has_a_table_for_each_repository() {
    for (images, alpine) in [(namespaced(), "ghcr.io/o/r/docker.io/library/alpine"), (flat(), "ghcr.io/o/r/alpine")] {
        let emitted = emit(&images, ALL);
        let conf = emitted.toml("registries.conf.d/50-o-r.conf");
        assert_eq!(
            conf["registry"][0],
            json!({
                "prefix": "docker.io/library/alpine",
                "location": "docker.io/library/alpine",
                "mirror": [{ "location": alpine, "pull-from-mirror": "digest-only" }],
            })
        );
        assert_eq!(conf.as_object().unwrap().len(), 1, "a global key after a table would be swallowed into it");
        let tags = emitted.toml("registries.conf.d/51-o-r-tags.conf");
        assert_eq!(tags["registry"][0]["mirror"], json!([{ "location": alpine }]));
    }
}

/// What the CRDs demand of `source` and `mirrors` (openshift/api, `config/v1`).
const DOMAIN: &str = r"^\*(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))+$";
const NAME: &str = r"^((?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))+)?(?::[0-9]+)?)(?:(?:/[a-z0-9]+(?:(?:(?:[._]|__|[-]*)[a-z0-9]+)+)?)+)?$";

fn fits(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).unwrap().is_match(text)
}

#[test]
fn the_mirror_sets_are_what_the_api_of_openshift_takes() {
    for images in [namespaced(), flat()] {
        let emitted = emit(&images, &["openshift"]);
        for (path, kind, field) in [
            ("openshift/idms.yaml", "ImageDigestMirrorSet", "imageDigestMirrors"),
            ("openshift/itms.yaml", "ImageTagMirrorSet", "imageTagMirrors"),
        ] {
            let objects = emitted.yaml(path);
            let [object] = objects.as_slice() else { panic!("{objects:?}") };
            assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("config.openshift.io/v1"), &json!(kind)));
            assert_eq!(object["metadata"]["name"], "mirror-o-r");
            let entries = object["spec"][field].as_array().unwrap();
            assert_eq!(entries.len(), 2);
            for entry in entries {
                let source = entry["source"].as_str().unwrap();
                assert!(fits(NAME, source) || fits(DOMAIN, source), "{source}");
                let mirrors = entry["mirrors"].as_array().unwrap();
                assert!(!mirrors.is_empty() && mirrors.iter().all(|mirror| fits(NAME, mirror.as_str().unwrap())));
                assert_eq!(entry["mirrorSourcePolicy"], "AllowContactingSource");
                let known = ["source", "mirrors", "mirrorSourcePolicy"];
                assert!(entry.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{entry}");
            }
        }
        assert!(emitted.text("openshift/itms.yaml").contains("DRAINS AND REBOOTS NODES"));
    }
    // Two mirrors of one source are one list: across objects and entries the order is unspecified.
    let mut twice = namespaced();
    twice.push(copied("docker.io/library/alpine:3.20", "quay.io/o/alpine:3.20", 'a'));
    let object = &emit(&twice, &["openshift"]).yaml("openshift/idms.yaml")[0];
    let mirrors = &object["spec"]["imageDigestMirrors"][0]["mirrors"];
    assert_eq!(*mirrors, json!(["ghcr.io/o/r/docker.io/library/alpine", "quay.io/o/alpine"]));
    assert!(!fits(NAME, "ghcr.io/O/r") && !fits(NAME, "ghcr.io/o/r:1") && !fits(NAME, "https://ghcr.io/o"));
}

/// The members of objects by their API types; a structural check, because no schema of Kubernetes can be had here
/// without the network.
fn assert_kubernetes_object(object: &Value) {
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    assert!(fits("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", name), "{name}");
    match object["kind"].as_str().unwrap() {
        "Secret" => {
            assert_eq!(
                (&object["apiVersion"], &object["type"]),
                (&json!("v1"), &json!("kubernetes.io/dockerconfigjson"))
            );
            let config: Value =
                serde_json::from_str(object["stringData"][".dockerconfigjson"].as_str().unwrap()).unwrap();
            assert_eq!(config["auths"]["ghcr.io"], json!({ "username": "USER", "password": "TOKEN" }));
        }
        "ServiceAccount" => assert_eq!(object["imagePullSecrets"], json!([{ "name": "mirror-pull" }])),
        "ImageStream" => {
            assert_eq!(object["apiVersion"], "image.openshift.io/v1");
            assert_eq!(object["spec"]["lookupPolicy"], json!({ "local": true }));
            for tag in object["spec"]["tags"].as_array().unwrap() {
                assert_eq!(keys(tag), ["from", "importPolicy", "name", "referencePolicy"]);
                assert!(tag["name"].is_string(), "a number would be refused: {tag}");
                assert_eq!(tag["importPolicy"]["importMode"], "PreserveOriginal");
                assert_eq!(
                    (&tag["from"]["kind"], &tag["referencePolicy"]["type"]),
                    (&json!("DockerImage"), &json!("Local"))
                );
                assert!(tag["from"]["name"].as_str().unwrap().contains("@sha256:"));
            }
        }
        "Deployment" => {
            assert_eq!(object["apiVersion"], "apps/v1");
            let spec = &object["spec"];
            assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
            let pod = &spec["template"]["spec"];
            assert_eq!(pod["serviceAccountName"], "mirror-puller");
            let container = &pod["containers"][0];
            assert_eq!(keys(container), ["image", "name", "securityContext"]);
            assert!(container["image"].as_str().unwrap().contains("@sha256:"));
            assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
            assert_eq!(container["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_project_user_gets_everything_in_one_file() {
    let mut twice = namespaced();
    // A second tag, another repository of the same last name, and a digest alone.
    twice.push(copied("docker.io/library/alpine:3.19", "ghcr.io/o/r/docker.io/library/alpine:3.19", 'c'));
    twice.push(copied("quay.io/x/executor:1", "ghcr.io/o/r/quay.io/x/executor:1", 'd'));
    let by_digest = (format!("quay.io/x/y@{}", digest('e')), format!("ghcr.io/o/r/quay.io/x/y@{}", digest('e')));
    twice.push(copied(&by_digest.0, &by_digest.1, 'e'));
    let emitted = emit(&twice, &["imagestream"]);
    let streams = emitted.yaml("openshift/imagestream.yaml");
    let names: Vec<&str> = streams.iter().map(|stream| stream["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alpine", "gcr-io-kaniko-project-executor", "quay-io-x-executor", "y"]);
    assert_eq!(streams[0]["spec"]["tags"].as_array().unwrap().len(), 2);
    assert_eq!(streams[3]["spec"]["tags"][0]["name"], "sha256-eeeeeeeeeeee");
    let project = emitted.yaml("openshift/project.yaml");
    streams.iter().chain(&project).for_each(assert_kubernetes_object);
    let kinds: Vec<&str> = project.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..4], ["Secret", "ServiceAccount", "ImageStream", "Deployment"]);
    let commands = emitted.text("openshift/pull-secret.sh");
    for part in [
        "create secret docker-registry mirror-pull --docker-server=ghcr.io",
        "secrets link default mirror-pull --for=pull",
    ] {
        assert!(commands.contains(part), "{commands}");
    }
    // The token that is there is replaced by a new one: `create` alone fails where the secret is.
    let project = tempfile::tempdir().unwrap();
    let oc = "#!/bin/sh\ncase \"$*\" in\n  *' create '*--dry-run=client*) echo made ;;\n  *' create '*) exit 1 ;;\n  \
              *' apply -f -') grep -q made && echo applied >> applied ;;\nesac\n";
    std::fs::write(project.path().join("oc"), oc).unwrap();
    let path = format!("{}:{}", project.path().display(), std::env::var("PATH").unwrap());
    for _ in 0..2 {
        let mut script = Command::new("/bin/sh");
        script.args(["-c", &format!("chmod +x oc; {commands}"), "pull-secret.sh", "PROJECT"]);
        script.current_dir(project.path()).env("PATH", &path);
        real::run(script.env("REGISTRY_USER", "ann").env("REGISTRY_TOKEN", "t"));
    }
    assert_eq!(std::fs::read_to_string(project.path().join("applied")).unwrap().lines().count(), 2);
}

#[test]
fn a_run_that_a_format_cannot_express_says_why() {
    let renamed = emit(&flat(), ALL);
    for format in ["cnb", "containerd", "buildkitd", "helm"] {
        assert!(renamed.problems[format].contains("is renamed to"), "{format}: {:?}", renamed.problems);
    }
    assert!(!renamed.files.contains_key("cnb/mirrors.env"));
    let lines = renamed.text("cnb/run-image-mirrors.sh");
    assert!(lines.contains("\npack config run-image-mirrors add ") && lines.contains(" --mirror ghcr.io/"), "{lines}");
    // Two registries below one prefix: an image of one would be taken for the other's.
    let merged =
        vec![copied("quay.io/a/b:1", "ghcr.io/o/r/a/b:1", 'a'), copied("gcr.io/c/d:1", "ghcr.io/o/r/c/d:1", 'b')];
    assert!(emit(&merged, ALL).problems["cnb"].contains("taken for the other's"));
    // Two sources in one repository: a whole repository of one cannot be led there.
    let mixed = vec![copied("quay.io/a/b:1", "ghcr.io/o/r/x:1", 'a'), copied("gcr.io/c/d:2", "ghcr.io/o/r/x:2", 'b')];
    let mixed = emit(&mixed, ALL);
    for format in ["registries-conf", "openshift", "kustomize", "k3s"] {
        assert!(mixed.problems[format].contains("holds images of gcr.io/c/d and quay.io/a/b"), "{:?}", mixed.problems);
    }
    // What is exact by name is not harmed.
    assert!(
        mixed.files.contains_key("buildkit/source-policy.json")
            && mixed.files.contains_key("openshift/imagestream.yaml")
    );
}

#[test]
fn only_what_was_read_back_and_is_exact_comes_in() {
    let mut images = namespaced();
    let mut other = |change: &dyn Fn(&mut ImageOutcome)| {
        let mut image = copied("docker.io/library/other:1", "ghcr.io/o/r/docker.io/library/other:1", 'f');
        change(&mut image);
        images.push(image);
    };
    for result in [Outcome::Failed, Outcome::Kept, Outcome::Deferred, Outcome::WouldCopy] {
        other(&|image| image.result = result);
    }
    let plain = emit(&images, ALL).files;
    assert!(plain.values().all(|text| !text.contains("library/other")), "{plain:?}");
    // One platform of an index has a digest of its own.
    images.push(ImageOutcome {
        source_digest: Some(digest('0').parse().unwrap()),
        ..copied("docker.io/library/part:1", "ghcr.io/o/r/docker.io/library/part:1", 'f')
    });
    let emitted = emit(&images, ALL);
    assert!(emitted.notes[0].contains("docker.io/library/part:1 is in `mapping.json` only"), "{:?}", emitted.notes);
    for (path, text) in &emitted.files {
        assert_eq!(text.contains("library/part"), path == "mapping.json", "{path}");
    }
    // A dry run has made nothing that could be pulled.
    assert!(emit_run(&images, ALL, program::Command::Copy, true).files.is_empty());
    let inspected = emit_run(&images, ALL, program::Command::Inspect, false);
    assert!(inspected.files.is_empty() && inspected.notes[0].contains("only `copy` makes mirrors"));
}

#[test]
fn a_tag_that_looks_like_something_else_stays_a_text() {
    let tags = ["1.10", "1e3", "0x1", "on", "null", "12_3"];
    let image = |tag: &&str| copied(&format!("quay.io/x/y{tag}:{tag}"), &format!("ghcr.io/o/r/y{tag}:{tag}"), 'a');
    let emitted = emit(&tags.iter().map(image).collect::<Vec<_>>(), &["imagestream", "kustomize"]);
    let streams = emitted.yaml("openshift/imagestream.yaml");
    let images = emitted.yaml("kustomize/kustomization.yaml")[0]["images"].as_array().unwrap().clone();
    let in_stream = streams.iter().map(|stream| &stream["spec"]["tags"][0]["name"]);
    for found in [in_stream.collect::<Vec<_>>(), images.iter().map(|image| &image["newTag"]).collect()] {
        assert!(tags.iter().all(|tag| found.contains(&&json!(tag))), "{found:?}");
    }
    // Readers of YAML 1.1 take more words for something else: they are quoted whatever this reader thinks.
    assert!(tags.iter().all(|tag| emitted.text("openshift/imagestream.yaml").contains(&format!("name: \"{tag}\""))));
}

#[test]
fn a_registry_that_has_mirrors_and_is_one_is_one_table() {
    let images = [copied("localhost:5000/a/b:1", "localhost:5000/o/r/a/b:1", 'a')];
    let daemon = emit(&images, &["buildkitd"]).toml("buildkit/buildkitd.toml");
    assert_eq!(daemon["registry"]["localhost:5000"], json!({ "mirrors": ["localhost:5000/o/r"], "http": true }));
}

#[test]
fn buildkit_is_told_exact_names() {
    let emitted = emit(&namespaced(), &["buildkit", "buildkitd"]);
    let policy = emitted.json("buildkit/source-policy.json");
    let rules = policy["rules"].as_array().unwrap();
    assert_eq!((policy["version"].as_i64(), rules.len()), (Some(1), 6));
    let (a, pinned) =
        (digest('a'), format!("docker-image://ghcr.io/o/r/docker.io/library/alpine:3.20@{}", digest('a')));
    for name in [":3.20".to_owned(), format!(":3.20@{a}"), format!("@{a}")] {
        let rule = json!({
            "action": "CONVERT",
            "selector": { "identifier": format!("docker-image://docker.io/library/alpine{name}"), "match_type": "EXACT" },
            "updates": { "identifier": pinned },
        });
        assert!(rules.contains(&rule), "{name}: {policy:#}");
    }
    let contexts = emitted.text("buildkit/build-contexts.txt");
    let executor = format!("docker-image://ghcr.io/o/r/gcr.io/kaniko-project/executor:v1.8.1@{}", digest('b'));
    // The names as the Dockerfile frontend looks them up: with a digest they are other names.
    let named = |name: &str, letter: char, to: &str| {
        let (repository, _) = name.split_once(':').unwrap();
        format!("{name}={to}\n{name}@{d}={to}\n{repository}@{d}={to}\n", d = digest(letter))
    };
    assert_eq!(
        contexts,
        named("alpine:3.20", 'a', &pinned) + &named("gcr.io/kaniko-project/executor:v1.8.1", 'b', &executor)
    );
    let daemon = emitted.toml("buildkit/buildkitd.toml");
    assert_eq!(daemon["registry"]["docker.io"]["mirrors"], json!(["ghcr.io/o/r/docker.io"]));
}

#[test]
fn buildkit_is_told_the_newest_without_its_tag() {
    let images = [copied("docker.io/library/alpine:latest", "ghcr.io/o/r/alpine:latest", 'a')];
    let emitted = emit(&images, &["buildkit"]);
    let (a, to) = (digest('a'), format!("docker-image://ghcr.io/o/r/alpine:latest@{}", digest('a')));
    // A last `:latest` is cut off before the look-up, one before a digest is not.
    assert_eq!(
        emitted.text("buildkit/build-contexts.txt"),
        format!("alpine={to}\nalpine:latest@{a}={to}\nalpine@{a}={to}\n")
    );
}

/// What Kyverno makes of `patchesJson6902` for one image: it replaces `{{ … }}` in the raw text, innermost first, and
/// parses YAML only then. Inside `'…'` a backslash stands for itself.
fn kyverno_rewrites(patch: &str, image: &str) -> String {
    let text = patch.replace("{{elementIndex}}", "0").replace("{{element.image}}", image);
    let (before, rest) = text.split_once("{{ ").unwrap();
    let (expression, after) = rest.split_once(" }}").unwrap();
    let strings: Vec<&str> = expression.split('\'').skip(1).step_by(2).collect();
    // regex_replace_all('P2', regex_replace_all('P1', 'IMAGE', 'TO1'), 'TO2')
    let at = strings.iter().position(|text| *text == image).unwrap();
    let mut value = image.to_owned();
    for (pattern, to) in strings[..at].iter().rev().zip(&strings[at + 1..]) {
        value = regex::Regex::new(pattern).unwrap().replace_all(&value, *to).into_owned();
    }
    let parsed = &yaml(&format!("{before}{value}{after}"))[0][0];
    assert_eq!((&parsed["op"], &parsed["path"]), (&json!("replace"), &json!("/spec/containers/0/image")));
    parsed["value"].as_str().unwrap().to_owned()
}

#[test]
fn kyverno_rewrites_every_spelling_of_what_is_mirrored_and_nothing_else() {
    let mut images = namespaced();
    images.push(copied("quay.io/x/y.z:latest", "ghcr.io/o/r/quay.io/x/y.z:latest", 'c'));
    let emitted = emit(&images, &["kyverno"]);
    let policy = emitted.text("kyverno/policy.yaml");
    let (a, b, c) = (digest('a'), digest('b'), digest('c'));
    let exact = format!(
        "        patchesJson6902: |-\n          - op: replace\n            path: /spec/containers/{{{{elementIndex}}}}/image\n            \
         value: \"{{{{ regex_replace_all('^quay[.]io/x/y[.]z(?::latest)?(?:@{c})?$', \
         regex_replace_all('^gcr[.]io/kaniko-project/executor(?::v1[.]8[.]1|:v1[.]8[.]1@{b}|@{b})$', \
         regex_replace_all('^(?:(?:index[.])?docker[.]io/)?(?:library/)?alpine(?::3[.]20|:3[.]20@{a}|@{a})$', \
         '{{{{element.image}}}}', 'ghcr.io/o/r/docker.io/library/alpine:3.20@{a}'), \
         'ghcr.io/o/r/gcr.io/kaniko-project/executor:v1.8.1@{b}'), 'ghcr.io/o/r/quay.io/x/y.z:latest@{c}') }}}}\"\n"
    );
    // The same with whatever indentation.
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n");
    assert!(lines(policy).contains(&lines(&exact)), "{policy}");
    // However often a reader takes quotes off, there is no backslash that it could take along.
    let newer = emitted.text("kyverno/mutating-policy.yaml");
    assert!(!policy.contains('\\') && !newer.contains('\\'), "{policy}\n{newer}");

    let rules = &emitted.yaml("kyverno/policy.yaml")[0]["spec"]["rules"];
    let patch = rules[0]["mutate"]["foreach"][0]["patchesJson6902"].as_str().unwrap();
    let object = &emitted.yaml("kyverno/mutating-policy.yaml")[0];
    assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("policies.kyverno.io/v1"), &json!("MutatingPolicy")));
    let listed = object["spec"]["variables"][0]["expression"].as_str().unwrap();
    let listed: Vec<&str> = listed.split('\'').skip(1).step_by(2).collect();
    let pairs: Vec<(&str, &str)> = listed.chunks(4).map(|words| (words[1], words[3])).collect();
    assert_eq!(pairs.len(), 3, "{listed:?}");

    let alpine = format!("ghcr.io/o/r/docker.io/library/alpine:3.20@{a}");
    let executor = format!("ghcr.io/o/r/gcr.io/kaniko-project/executor:v1.8.1@{b}");
    let newest = format!("ghcr.io/o/r/quay.io/x/y.z:latest@{c}");
    for (name, expected) in [
        ("alpine:3.20".to_owned(), Some(&alpine)),
        ("library/alpine:3.20".to_owned(), Some(&alpine)),
        ("docker.io/library/alpine:3.20".to_owned(), Some(&alpine)),
        ("index.docker.io/alpine:3.20".to_owned(), Some(&alpine)),
        (format!("alpine:3.20@{a}"), Some(&alpine)),
        (format!("docker.io/library/alpine@{a}"), Some(&alpine)),
        (format!("alpine@{a}"), Some(&alpine)),
        (format!("alpine:3.19@{a}"), None),
        (format!("alpine:3.20@{b}"), None),
        (format!("alpine@{b}"), None),
        ("alpine".to_owned(), None),
        ("alpine:3x20".to_owned(), None),
        ("alpine:3.20.1".to_owned(), None),
        ("quay.io/alpine:3.20".to_owned(), None),
        ("gcr.io/kaniko-project/executor:v1.8.1".to_owned(), Some(&executor)),
        (format!("gcr.io/kaniko-project/executor@{b}"), Some(&executor)),
        ("quay.io/x/y.z".to_owned(), Some(&newest)),
        ("quay.io/x/y.z:latest".to_owned(), Some(&newest)),
        (format!("quay.io/x/y.z@{c}"), Some(&newest)),
        ("quay.io/x/y-z".to_owned(), None),
    ] {
        let expected = expected.unwrap_or(&name);
        assert_eq!(kyverno_rewrites(patch, &name), *expected, "{name}");
        let found = pairs.iter().find(|(pattern, _)| fits(pattern, &name)).map_or(name.as_str(), |(_, to)| to);
        assert_eq!(found, expected, "{name}, by the newer kind");
    }
}

#[test]
fn buildpacks_and_kaniko_are_told_names_that_they_look_up() {
    let emitted = emit(&namespaced(), &["cnb"]);
    let env = emitted.text("cnb/mirrors.env");
    assert!(env.contains(
        "\nCNB_REGISTRY_MIRRORS=docker.io=https://ghcr.io/o/r/docker.io;gcr.io=https://ghcr.io/o/r/gcr.io\n"
    ));
    assert!(env.contains("\nKANIKO_REGISTRY_MAP=index.docker.io=ghcr.io/o/r/docker.io;gcr.io=ghcr.io/o/r/gcr.io\n"));
    let pack = emitted.toml("cnb/pack-config.toml");
    let mirrors = json!({ "index.docker.io": "ghcr.io/o/r/docker.io", "gcr.io": "ghcr.io/o/r/gcr.io" });
    assert_eq!(pack["registry-mirrors"], mirrors, "never `*`: pack would translate twice");
    // What we write there, we read: the grammar is the same.
    let line = env.lines().find_map(|line| line.strip_prefix("CNB_REGISTRY_MIRRORS=")).unwrap();
    let rules = Rules::read(None, Some(line), &[]).unwrap();
    let reference = Reference::parse("alpine:3.20").unwrap();
    let found = rules.candidates(&reference, None, Fallback::Original).unwrap();
    assert_eq!(found.mirrors[0].to_string(), "ghcr.io/o/r/docker.io/library/alpine:3.20");
}

#[test]
fn k3s_containerd_and_helm_have_their_forms() {
    let emitted = emit(&namespaced(), ALL);
    let k3s = &emitted.yaml("k3s/registries.yaml")[0]["mirrors"];
    assert_eq!(k3s["docker.io"]["endpoint"], json!(["https://ghcr.io"]));
    assert_eq!(k3s["docker.io"]["rewrite"], json!({ "^library/alpine$": "o/r/docker.io/library/alpine" }));
    let hosts = emitted.toml("containerd/certs.d/docker.io/hosts.toml");
    assert_eq!(hosts["server"], "https://registry-1.docker.io");
    let host = &hosts["host"]["https://ghcr.io/v2/o/r/docker.io"];
    assert_eq!((&host["capabilities"], &host["override_path"]), (&json!(["pull"]), &json!(true)));
    let said = |emitted: &Emitted| emitted.text("containerd/certs.d/docker.io/hosts.toml").contains("the header");
    let elsewhere = vec![copied("docker.io/library/alpine:3.20", "quay.io/o/docker.io/library/alpine:3.20", 'a')];
    assert!(said(&emitted) && !said(&emit(&elsewhere, &["containerd"])), "no header is spoken of that is not there");
    let one = vec![copied("docker.io/library/alpine:3.20", "ghcr.io/o/r/docker.io/library/alpine:3.20", 'a')];
    let values = &emit(&one, &["helm"]).yaml("helm/values.yaml")[0];
    assert_eq!(values["global"]["imageRegistry"], "ghcr.io/o/r/docker.io");
}

#[test]
fn kustomize_rewrites_every_spelling_through_the_component() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut images = namespaced();
    images.push(copied("docker.io/acme/app:1", "ghcr.io/o/r/docker.io/acme/app:1", 'c'));
    images.push(copied("docker.io/acme/app:2", "ghcr.io/o/r/docker.io/acme/app:2", 'd'));
    let emitted = emit(&images, &["kustomize"]);
    std::fs::create_dir(at("kustomize")).unwrap();
    std::fs::write(at("kustomize/kustomization.yaml"), emitted.text("kustomize/kustomization.yaml")).unwrap();
    let alpine = format!("ghcr.io/o/r/docker.io/library/alpine:3.20@{}", digest('a'));
    let executor = format!("ghcr.io/o/r/gcr.io/kaniko-project/executor:v1.8.1@{}", digest('b'));
    let cases = [
        ("alpine:3.20", alpine.as_str()),
        ("alpine", &alpine),
        ("library/alpine:3.20", &alpine),
        ("docker.io/alpine:3.20", &alpine),
        ("docker.io/library/alpine:3.20", &alpine),
        ("index.docker.io/library/alpine:3.20", &alpine),
        ("gcr.io/kaniko-project/executor:v1.8.1", &executor),
        // Of two tags each keeps its own.
        ("acme/app:1", "ghcr.io/o/r/docker.io/acme/app:1"),
        ("docker.io/acme/app:2", "ghcr.io/o/r/docker.io/acme/app:2"),
        ("quay.io/library/alpine:3.20", "quay.io/library/alpine:3.20"),
        ("alpine-other:1", "alpine-other:1"),
    ];
    let containers: String = cases
        .iter()
        .enumerate()
        .map(|(number, (image, _))| format!("  - {{name: c{number}, image: {image}}}\n"))
        .collect();
    std::fs::write(
        at("pod.yaml"),
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n{containers}"),
    )
    .unwrap();
    std::fs::write(at("kustomization.yaml"), "resources: [pod.yaml]\ncomponents: [kustomize]\n").unwrap();
    let built = real::run(Command::new("kustomize").args(["build", &directory.path().display().to_string()]));
    let pod = &yaml(&String::from_utf8(built).unwrap())[0];
    for (number, (image, expected)) in cases.iter().enumerate() {
        assert_eq!(pod["spec"]["containers"][number]["image"], *expected, "{image}");
    }
}

// From here on the whole program runs, and real clients pull by what it wrote.

/// A small image that container engines can unpack.
pub fn unpackable() -> Image {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hello"), "from the mirror\n").unwrap();
    let tar = real::run(Command::new("tar").args(["-C", &directory.path().display().to_string(), "-cf", "-", "hello"]));
    let layer = Object::new("application/vnd.oci.image.layer.v1.tar", tar);
    let config = Object::new(
        images::OCI_CONFIG,
        format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{{}},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{}\"]}}}}",
            layer.digest
        ),
    );
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"config\":{},\"layers\":[{}]}}\n",
        images::OCI_MANIFEST,
        config.descriptor(),
        layer.descriptor()
    );
    Image {
        blobs: vec![config, layer],
        manifests: vec![Object::new(images::OCI_MANIFEST, manifest)],
        platforms: vec![],
    }
}

/// A mirror that was made by the program, with the configuration it wrote: the mirror wants tokens as ghcr.io does.
struct Mirrored {
    original: Registry,
    mirror: Registry,
    image: Image,
    repository: &'static str,
    workspace: tempfile::TempDir,
}

impl Mirrored {
    async fn new(target: &'static str) -> Self {
        let (original, image) = (Registry::start(), unpackable());
        original.seed(&image, "library/app:1");
        let reader = Account::new("reader", PASSWORD).only(&["o/r/"], &["o/r/"]);
        let token = TokenAuth { anonymous_pull: false, ..TokenAuth::ghcr(vec![reader]) };
        let mirror = Registry::with_auth(Auth::Token(token));
        let workspace = tempfile::tempdir().unwrap();
        let outcome = Run::copy(&original.name("library/app:1"), &format!("{}/{target}", mirror.host()))
            .input("target-username", "reader")
            .input("target-password", PASSWORD)
            .input("emit", "all, registries-conf-tags")
            .env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
            .succeeds()
            .await;
        for file in ["mapping.json", "registries.conf.d/50-owner-repo.conf", "openshift/idms.yaml"] {
            assert!(workspace.path().join("mirror-image").join(file).is_file(), "{file}\n{outcome}");
        }
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("reader:{PASSWORD}"));
        let auths = json!({ "auths": { mirror.host(): { "auth": auth } } });
        std::fs::write(workspace.path().join("auth.json"), auths.to_string()).unwrap();
        original.reset();
        mirror.reset();
        let repository = if target.contains("renamed") { "o/r/renamed" } else { "o/r" };
        Self { original, mirror, image, repository, workspace }
    }

    fn path(&self, name: &str) -> String {
        self.workspace.path().join(name).display().to_string()
    }

    fn conf(&self, tags: bool) -> String {
        let name = if tags { "51-owner-repo-tags.conf" } else { "50-owner-repo.conf" };
        self.path(&format!("mirror-image/registries.conf.d/{name}"))
    }

    fn by_tag(&self) -> String {
        format!("docker://{}", self.original.name("library/app:1"))
    }

    fn by_digest(&self) -> String {
        format!("docker://{}@{}", self.original.name("library/app"), self.image.digest())
    }

    /// Who gave the manifest and the blobs since the last time.
    fn served(&self) -> &'static str {
        let count = |registry: &Registry, repository: &str| {
            let good =
                |path: &str| path.contains(repository) && (path.contains("/manifests/") || path.contains("/blobs/"));
            registry.log().iter().filter(|r| r.status == 200 && r.method == "GET" && good(&r.path)).count()
        };
        let served = match (count(&self.original, "/library/app/"), count(&self.mirror, self.repository)) {
            (1.., 0) => "original",
            (0, 1..) => "mirror",
            both => panic!("{both:?}\noriginal:\n{}mirror:\n{}", self.original.lines(), self.mirror.lines()),
        };
        // A token for the repository as it is called there, and the credential only where it belongs.
        let scopes: Vec<String> =
            self.mirror.log().iter().filter(|r| r.path == "/token").map(|r| r.query.clone()).collect();
        assert!(scopes.iter().all(|query| query.contains("o%2Fr") || query.contains("o/r")), "{scopes:?}");
        assert!(!self.original.carries(PASSWORD));
        self.original.reset();
        self.mirror.reset();
        served
    }
}

#[tokio::test]
async fn skopeo_pulls_by_the_drop_in() {
    for target in ["o/r/{registry}/{repository}", "o/r/renamed"] {
        let mirrored = Mirrored::new(target).await;
        let auth = mirrored.path("auth.json");
        for (tags, source, expected) in [
            (false, mirrored.by_digest(), "mirror"),
            (false, mirrored.by_tag(), "original"),
            (true, mirrored.by_digest(), "mirror"),
            (true, mirrored.by_tag(), "mirror"),
        ] {
            let destination = tempfile::tempdir().unwrap();
            let to = format!("oci:{}:x", destination.path().display());
            let conf = mirrored.conf(tags);
            let arguments =
                ["--insecure-policy", "--registries-conf", &conf, "copy", "--authfile", &auth, &source, &to];
            real::tool("skopeo", &arguments);
            assert_eq!(mirrored.served(), expected, "{target} {source} tags: {tags}");
        }
    }
}

#[tokio::test]
async fn podman_pulls_by_the_drop_in() {
    for target in ["o/r/{registry}/{repository}", "o/r/renamed"] {
        let mirrored = Mirrored::new(target).await;
        for (tags, source, expected) in [
            (false, mirrored.by_digest(), "mirror"),
            (false, mirrored.by_tag(), "original"),
            (true, mirrored.by_tag(), "mirror"),
        ] {
            let storage = tempfile::tempdir().unwrap();
            let policy = storage.path().join("policy.json");
            std::fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
            let below = |name: &str| storage.path().join(name).display().to_string();
            let mut podman = Command::new(real::program("podman"));
            podman.env("CONTAINERS_REGISTRIES_CONF", mirrored.conf(tags)).args([
                "--storage-driver",
                "vfs",
                "--root",
                &below("root"),
                "--runroot",
                &below("run"),
                "--tmpdir",
                &below("tmp"),
                "pull",
                "--quiet",
                "--signature-policy",
                &policy.display().to_string(),
                "--authfile",
                &mirrored.path("auth.json"),
                &source,
            ]);
            let id = String::from_utf8(real::run(&mut podman)).unwrap();
            // The image's id is the digest of its config: what was unpacked is what was mirrored.
            assert_eq!(format!("sha256:{}", id.trim()), mirrored.image.blobs[0].digest);
            assert_eq!(mirrored.served(), expected, "{target} {source} tags: {tags}");
        }
    }
}

#[tokio::test]
async fn ggcr_crane_reads_what_pack_would_read() {
    let mirrored = Mirrored::new("o/r/{registry}/{repository}").await;
    // pack puts the mirror in the place of the registry and keeps the rest.
    let conf = std::fs::read_to_string(mirrored.path("mirror-image/cnb/pack-config.toml")).unwrap();
    let table: toml::Table = conf.parse().unwrap();
    let base = table["registry-mirrors"][&mirrored.original.host()].as_str().unwrap().to_owned();
    std::fs::copy(mirrored.path("auth.json"), mirrored.path("config.json")).unwrap();
    let mut crane = Command::new(real::program("crane"));
    crane.env("DOCKER_CONFIG", mirrored.workspace.path());
    let printed = real::run(crane.args(["digest", "--insecure", &format!("{base}/library/app:1")]));
    assert_eq!(String::from_utf8(printed).unwrap().trim(), mirrored.image.digest());
}

#[tokio::test]
async fn the_run_says_what_it_emitted_and_an_unchanged_run_writes_the_same() {
    let mirrored = Mirrored::new("o/r/renamed").await;
    let read = |directory: &Path| {
        let mut files = BTreeMap::new();
        let mut queue = vec![directory.to_owned()];
        while let Some(next) = queue.pop() {
            for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    queue.push(entry.path());
                } else {
                    files.insert(entry.path(), std::fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        files
    };
    let before = read(&mirrored.workspace.path().join("mirror-image"));
    let run = Run::copy(&mirrored.original.name("library/app:1"), &mirrored.mirror.name("o/r/renamed"))
        .input("target-username", "reader")
        .input("target-password", PASSWORD)
        .input("emit", "all, registries-conf-tags")
        .env("GITHUB_WORKSPACE", &mirrored.workspace.path().display().to_string());
    let outcome = run.succeeds().await;
    assert_eq!(outcome.json()["images"][0]["result"], "unchanged");
    assert_eq!(read(&mirrored.workspace.path().join("mirror-image")), before);
    assert!(
        outcome.says("emitted mirror-image/registries.conf.d/50-owner-repo.conf") && outcome.says("not emitted: cnb: "),
        "{outcome}"
    );
    assert!(
        outcome.summary.contains("<summary>Pull from the mirror: <code>kustomize/kustomization.yaml</code></summary>")
    );
    assert!(outcome.summary.contains("**Formats that cannot say what this run did**"), "{}", outcome.summary);
    let formats: Vec<String> =
        outcome.json()["emitted"].as_array().unwrap().iter().map(|e| e["format"].to_string()).collect();
    assert!(formats.contains(&"\"mapping\"".to_owned()), "{formats:?}");
    assert!(before.values().all(|text| !text.contains(PASSWORD)));
    let outcome = run.input("dry-run", "true").succeeds().await;
    assert!(outcome.says("no consumer configuration was written: a dry run writes nothing"), "{outcome}");
}

#[tokio::test]
async fn a_directory_outside_the_workspace_is_bad_input() {
    let original = Registry::start();
    for (emit, directory, sentence) in [
        ("all", "..", "input `emit-directory`"),
        ("all", "/tmp", "is not below the workspace"),
        ("everything", "x", "input `emit`: `everything` is not one of all, none, mapping"),
        ("none, all", "x", "has `none` beside other names"),
    ] {
        let run = Run::copy(&original.name("library/app:1"), &original.name("x/app:1"));
        let outcome = run.input("emit", emit).input("emit-directory", directory).fails_with(2).await;
        assert!(outcome.says(sentence), "{outcome}");
    }
    assert_eq!(original.log().len(), 0);
}
