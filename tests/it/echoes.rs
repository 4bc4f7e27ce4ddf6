//! A registry that repeats what it was sent, where sentences are made of other things than its words: hosts, addresses of
//! pages, digests, platforms, types. Nothing of it is to be read anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::support::images::{self, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::support::{Auth, Fault, Outcome, Registry, Run, What};

const PASSWORD: &str = "Hunter2-Secret-99";

/// The password as it may be repeated.
fn forms() -> Vec<String> {
    vec![
        PASSWORD.to_owned(),
        PASSWORD.to_lowercase(),
        PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        STANDARD.encode(PASSWORD),
        STANDARD.encode(format!("ann:{PASSWORD}")),
        URL_SAFE_NO_PAD.encode(format!("x{PASSWORD}?>")),
        PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ]
}

/// Everything that the run left, but for the commands that tell the runner what to hide.
fn left_behind(outcome: &Outcome) -> String {
    let mut all: String = outcome
        .everything()
        .lines()
        .filter(|line| !line.starts_with("::add-mask::"))
        .fold(String::new(), |all, line| all + line + "\n");
    for (name, content) in &outcome.files {
        if !matches!(name.as_str(), "stdout" | "stderr") {
            all += content;
        }
    }
    all
}

/// Where a registry can put a word of its choice.
fn arrange(place: &str, word: &str, source: &Registry, target: &Registry) {
    let json = |status: u16, text: String, media_type: &str| {
        What::Status { status, headers: vec![], body: text }.header("content-type", media_type)
    };
    let header = |name: &'static str, value: String| What::Header(name, Some(value));
    match place {
        "redirect" => {
            source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("ftp://{word}.evil/x"))).always());
        }
        "upload" => {
            target.fault(Fault::on("POST", "/uploads/", header("location", format!("ftp://{word}/x"))).always());
        }
        "page" => {
            let page = json(200, r#"{"manifests":[]}"#.to_owned(), OCI_INDEX);
            let page = page.header("link", &format!("<http://[{word}]/>; rel=\"next\""));
            source.fault(Fault::on("GET", "/referrers/", page).always());
        }
        "listing" => {
            let text = format!(r#"{{"manifests":[{{"digest":"{word}"}}]}}"#);
            source.fault(Fault::on("GET", "/referrers/", json(200, text, OCI_INDEX)).always());
        }
        "digest" => {
            let config = format!(r#"{{"digest":"{word}","size":1,"mediaType":"{OCI_CONFIG}"}}"#);
            let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"layers":[]}}"#);
            source.seed(&images::raw(OCI_MANIFEST, text, vec![]), "library/app:1");
        }
        "platform" => {
            let child = images::single();
            let entry = child.root().descriptor_with(&format!(r#","platform":{{"os":"{word}","architecture":"x"}}"#));
            let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entry}]}}"#);
            source.seed(&images::raw(OCI_INDEX, text, vec![]), "library/app:1");
        }
        "type" => {
            let attachment = images::referrer_of(&images::single(), word);
            source.seed(&attachment, "library/app:sig");
        }
        "long" => {
            // Cut in the middle of it.
            let host = format!("{}.{}{word}.evil", "a".repeat(60), "b".repeat(100 - 61 - word.len().min(38) / 2));
            source.fault(Fault::on("GET", "/blobs/", What::redirect(format!("ftp://{host}/x"))).always());
        }
        other => panic!("no such place: {other}"),
    }
}

#[tokio::test]
async fn what_a_registry_repeats_is_not_to_be_read_anywhere() {
    let begins = [PASSWORD[..10].to_lowercase(), STANDARD.encode(PASSWORD)[..12].to_lowercase()];
    for place in ["redirect", "upload", "page", "listing", "digest", "platform", "type", "long"] {
        for (number, form) in forms().into_iter().enumerate() {
            // A host takes only some of the forms, and most say no more than these.
            let (source, target) =
                (Registry::with_auth(Auth::basic("ann", PASSWORD)), Registry::with_auth(Auth::basic("ann", PASSWORD)));
            source.seed(&images::single(), "library/app:1");
            arrange(place, &form, &source, &target);
            let lines = format!("{} ann {PASSWORD}\n{} ann {PASSWORD}", source.host(), target.host());
            let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
                .input("registry-auth", &lines)
                .input("emit", "all")
                .env("RUNNER_DEBUG", "1")
                .input("platforms", if place == "platform" { "linux/arm64" } else { "all" });
            // In a job and at a terminal, where nobody else hides anything.
            let run = if number % 2 == 0 { run.without("GITHUB_ACTIONS") } else { run };
            let outcome = run.run().await;
            let left = left_behind(&outcome);
            let folded = left.to_lowercase();
            for form in forms().iter().chain(&begins) {
                assert!(!folded.contains(&form.to_lowercase()), "{place}: {form}\n{left}");
            }
            assert!(matches!(outcome.code, 0 | 1), "{place}\n{outcome}");
        }
    }
}
