//! Every secret of a login by an identity, on every way that such a run can take: each is seen by the hosts that it is for,
//! and by nobody else; in Actions it is masked, and it is in nothing that the run shows or writes, the debug log included.

use serde_json::json;

use crate::cloud_logins::{Provider, providers};
use crate::support::clouds::{self, Clouds, ECHO};
use crate::support::images;
use crate::support::signing;
use crate::support::{Fault, LocationForm, Outcome, Registry, Run, What};

/// A way that a run can take, with the provider that is asked.
struct Way {
    name: &'static str,
    arrange: fn(&Clouds, &Registry, &Provider),
    run: fn(Run) -> Run,
}

fn ways() -> Vec<Way> {
    let way = |name, arrange| Way { name, arrange, run: |run| run };
    vec![
        way("a copy", |_, _, _| {}),
        way("the identity's service repeats requests", |clouds, _, _| clouds.instead(clouds::GITHUB, 9, 403, ECHO)),
        way("each provider repeats requests", |clouds, _, provider| {
            for (host, _) in provider.asked.iter().skip(1) {
                clouds.instead(host, 9, 403, ECHO);
            }
        }),
        way("the last provider repeats requests, and is asked again", |clouds, _, provider| {
            clouds.instead(provider.asked.last().unwrap().0, 1, 503, ECHO);
        }),
        way("the registry repeats requests", |_, registry, _| {
            registry.fault(Fault::on("PUT", "/", What::Echo(403)).always());
        }),
        way("the registry's token service repeats requests", |_, registry, _| {
            registry.fault(Fault::on("*", "/token", What::Echo(403)).always());
        }),
        way("uploads go on at another host", |_, registry, _| {
            let elsewhere = LocationForm::OtherHost("https://elsewhere.example".to_owned());
            registry.fault(Fault::on("POST", "/uploads/", What::Location(elsewhere)).always());
        }),
        way("a provider redirects", |clouds, _, provider| {
            let to = vec![("location", "https://elsewhere.example/".to_owned())];
            clouds.instead_with(provider.asked.last().unwrap().0, 9, 307, to, "");
        }),
        way("a provider answers in another form", |clouds, _, provider| {
            let body =
                json!({ "access_token": 1, "token": [], "authorizationData": {}, "refresh_token": {} }).to_string();
            clouds.instead(provider.asked.last().unwrap().0, 9, 200, &body);
        }),
        Way {
            name: "outside of the runner's masks",
            arrange: |_, _, _| {},
            run: |run| run.without("RUNNER_DEBUG").arg("-v"),
        },
    ]
}

/// What a run shows and writes, without the commands that mask.
fn traces(outcome: &Outcome, command_line: &str) -> Vec<(&'static str, String)> {
    let log = outcome.log.lines().filter(|line| !line.starts_with("::add-mask::"));
    let own = |name: &str| matches!(name, "stdout" | "stderr" | "output" | "summary");
    let files = outcome.files.iter().filter(|(name, _)| !own(name));
    vec![
        ("log", log.fold(String::new(), |log, line| log + line + "\n")),
        ("outputs", outcome.output_file.clone()),
        ("summary", outcome.summary.clone()),
        ("files", files.fold(String::new(), |all, (_, content)| all + content + "\n")),
        ("process list", command_line.to_owned()),
    ]
}

/// A value as it may be written, and its beginning: half a token is half a token.
fn spellings(value: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let beginning = |text: &str| text.chars().take(24).collect::<String>();
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut spellings = vec![value.to_owned(), form, STANDARD.encode(value), beginning(&STANDARD.encode(value))];
    // The heads of two JSON web tokens are alike.
    if !value.contains('.') {
        spellings.push(beginning(value));
    }
    spellings
}

/// One way with one provider; what is wrong.
async fn go(way: &Way, provider: &Provider) -> Vec<String> {
    let clouds = Clouds::start().await;
    let (registry, source) = (provider.registry(&clouds), Registry::start());
    source.seed(&images::single(), "library/app:1");
    (way.arrange)(&clouds, &registry, provider);
    let run = clouds.copy(&source.name("library/app:1"), provider.image, &provider.yaml);
    let run = run.env("RUNNER_DEBUG", "1").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").input("emit", "all");
    let running = (way.run)(run).spawn();
    let command_line = running.command_line();
    let outcome = running.finish().await;
    let own = |request: &crate::support::registry::Recorded| (provider.host.to_owned(), request.text());
    let mut servers: Vec<(String, String)> = registry.log().iter().map(own).collect();
    servers.extend(source.log().iter().map(|request| ("the source".to_owned(), request.text())));
    let problems = leaks(&clouds, &outcome, &command_line, servers);
    problems.iter().map(|problem| format!("{}, {}: {problem}", way.name, provider.host)).collect()
}

/// What is wrong with where the secrets of a run are to be seen; `servers` had requests besides.
fn leaks(clouds: &Clouds, outcome: &Outcome, command_line: &str, mut servers: Vec<(String, String)>) -> Vec<String> {
    // Nobody arranged for the hosts that are led to.
    clouds.take_unexpected();
    let mut problems = Vec::new();
    if outcome.says("panicked") || outcome.code > 1 {
        problems.push(format!("a fault\n{outcome}"));
    }
    if clouds.asked().is_empty() {
        problems.push("the way was not taken".to_owned());
    }
    servers.extend(clouds.asked().iter().map(|asked| (asked.host.clone(), asked.text())));
    let traces = traces(outcome, command_line);
    for issued in clouds.issued() {
        let spellings = spellings(&issued.value);
        for (place, text) in &traces {
            if let Some(spelling) = spellings.iter().find(|spelling| text.contains(*spelling)) {
                let line = text.lines().find(|line| line.contains(spelling)).unwrap_or_default();
                problems.push(format!("{} in {place}: {line}", issued.name));
            }
        }
        for (host, text) in &servers {
            let may = issued.homes.iter().any(|home| home == host);
            if !may && spellings.iter().any(|spelling| text.contains(spelling)) {
                problems.push(format!("{} was sent to {host}: {text}", issued.name));
            }
        }
        let is_sent = servers.iter().any(|(_, text)| text.contains(&issued.value));
        if is_sent && outcome.says("::add-mask::") && !outcome.says(&format!("::add-mask::{}", issued.value)) {
            problems.push(format!("{} is not masked", issued.name));
        }
    }
    problems
}

#[tokio::test]
async fn every_secret_of_an_identity_is_seen_by_its_own_hosts_only() {
    let mut problems = Vec::new();
    for provider in providers() {
        for way in ways() {
            problems.extend(go(&way, &provider).await);
        }
    }
    assert!(problems.is_empty(), "{} leaks:\n{}", problems.len(), problems.join("\n\n"));
}

/// What the identity's holder signs with it is for everybody; the identity is not.
#[tokio::test]
async fn the_identity_that_signs_is_seen_by_the_authority_alone() {
    let mut problems = Vec::new();
    for (way, host, status) in [
        ("a copy", None, 0),
        ("the identity's service repeats requests", Some(clouds::GITHUB), 403),
        ("the authority repeats requests", Some(signing::FULCIO), 403),
        ("the authority repeats requests, and is asked again", Some(signing::FULCIO), 503),
        ("the log repeats requests", Some(signing::REKOR), 400),
    ] {
        let clouds = Clouds::start().await;
        let (registry, source) = (Registry::start(), Registry::start());
        source.seed(&images::single(), "library/app:1");
        if let Some(host) = host {
            clouds.instead(host, if status == 503 { 1 } else { 9 }, status, ECHO);
        }
        let run =
            clouds.reach(Run::copy(&source.name("library/app:1"), &registry.name("app:1"))).input("attest", "true");
        let run = run.env("RUNNER_DEBUG", "1").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").input("emit", "all");
        let running = run.spawn();
        let command_line = running.command_line();
        let outcome = running.finish().await;
        // What is attached is read by whoever reads the image.
        let attached = registry.manifests("app").into_iter().filter_map(|digest| registry.manifest("app", &digest));
        let bundles = attached.filter_map(|manifest| {
            let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).ok()?;
            let blob = registry.blob("app", manifest["layers"][0]["digest"].as_str()?)?;
            Some(("what is attached".to_owned(), String::from_utf8_lossy(&blob).into_owned()))
        });
        let own = registry.log().into_iter().chain(source.log()).map(|it| ("a registry".to_owned(), it.text()));
        let servers = bundles.chain(own).collect();
        problems.extend(leaks(&clouds, &outcome, &command_line, servers).iter().map(|it| format!("{way}: {it}")));
    }
    assert!(problems.is_empty(), "{} leaks:\n{}", problems.len(), problems.join("\n\n"));
}
