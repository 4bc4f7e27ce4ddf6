//! Every secret of a login by an identity, or by what the machine has, on every way that such a run can take: each is seen by
//! the hosts that it is for, and by nobody else; in Actions it is masked, and it is in nothing that the run shows or writes,
//! the debug log included.

use serde_json::json;

use crate::cloud_logins::{Machine, PASS, Provider, providers};
use crate::support::clouds::{self, Clouds, ECHO, Issued};
use crate::support::images;
use crate::support::signing;
use crate::support::{Fault, LocationForm, Outcome, Registry, Run, What};

/// A way that a run can take, with the provider that is asked.
struct Way {
    name: &'static str,
    arrange: fn(&Clouds, &Registry, &Given),
    run: fn(Run) -> Run,
}

const UNMASKED: &str = "outside of the runner's masks";

fn ways() -> Vec<Way> {
    let way = |name, arrange| Way { name, arrange, run: |run| run };
    vec![
        way("a copy", |_, _, _| {}),
        way("the identity's service repeats requests", |clouds, _, _| clouds.instead(clouds::GITHUB, 9, 403, ECHO)),
        way("the machine repeats requests", |_, _, given| {
            if let Some(service) = &given.service {
                service.repeat();
            }
        }),
        way("each provider repeats requests", |clouds, _, given| {
            for (host, _) in given.provider.asked.iter().skip(1) {
                clouds.instead(host, 9, 403, ECHO);
            }
        }),
        way("the last provider repeats requests, and is asked again", |clouds, _, given| {
            clouds.instead(given.provider.asked.last().unwrap().0, 1, 503, ECHO);
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
        way("a provider redirects", |clouds, _, given| {
            let to = vec![("location", "https://elsewhere.example/".to_owned())];
            clouds.instead_with(given.provider.asked.last().unwrap().0, 9, 307, to, "");
        }),
        way("a provider answers in another form", |clouds, _, given| {
            let body =
                json!({ "access_token": 1, "token": [], "authorizationData": {}, "refresh_token": {} }).to_string();
            clouds.instead(given.provider.asked.last().unwrap().0, 9, 200, &body);
        }),
        Way { name: UNMASKED, arrange: |_, _, _| {}, run: |run| run.without("RUNNER_DEBUG").arg("-v") },
    ]
}

/// What a run logs in with.
struct Given {
    provider: Provider,
    /// What it is told by, besides `registry-identities`.
    environment: Vec<(&'static str, String)>,
    /// What of that is secret, and what the machine's service gives.
    secrets: Vec<Issued>,
    service: Option<Machine>,
    /// Whether the job has an identity, or is none at all.
    whose: Whose,
    _files: Option<tempfile::TempDir>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    JobWithIdentity,
    Job,
    Person,
}

impl Given {
    fn identity(provider: Provider) -> Self {
        Self {
            provider,
            environment: vec![],
            secrets: vec![],
            service: None,
            whose: Whose::JobWithIdentity,
            _files: None,
        }
    }

    fn issued(name: &'static str, value: &str, homes: &[&'static str]) -> Issued {
        Issued { name, value: value.to_owned(), homes: homes.to_vec() }
    }
}

/// The machine's own service, among the hosts.
const MACHINE: &str = "the machine";

const KEY: (&str, &str, &str) =
    ("ASIAEXAMPLE0000000003", "machineSecret7Hq2LmZ9aaBBccDD", "machineToken4Rt8KwB1bbCCddEE");

/// Everything that a machine may have in place of a job's identity.
fn machines(clouds: &Clouds) -> Vec<Given> {
    let (id, secret, token) = KEY;
    clouds.knows_key(id, secret, token);
    let own = |secrets: Vec<Issued>| {
        let key = Given::issued("the machine's secret key", secret, &[]);
        let session = Given::issued("the machine's session token", token, &[clouds::ECR]);
        vec![key, session].into_iter().chain(secrets).collect::<Vec<_>>()
    };
    let ecr = |asked: &[(&'static str, usize)]| {
        let yaml = format!("{} aws-ecr", clouds::PRIVATE);
        Provider { yaml, asked: asked.to_vec(), ..providers().remove(1) }
    };
    let answer = json!({
        "Code": "Success", "AccessKeyId": id, "SecretAccessKey": secret, "Token": token, "Expiration": "2099-01-01T00:00:00Z",
    });
    let service = || Machine::start(answer.to_string());
    let password = [(clouds::GITHUB, 0), (clouds::ECR, 1)];
    let given = |name, value: String| (name, value);
    let mut all = vec![];

    let environment = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token)];
    let environment = environment.map(|(name, value)| given(name, value.to_owned())).to_vec();
    all.push(Given { environment, secrets: own(vec![]), whose: Whose::Job, ..Given::identity(ecr(&password)) });

    let pod = "podToken5Xs9Lq0WvBn3Kd8Yz";
    let (files, machine) = (tempfile::tempdir().unwrap(), service());
    let file = files.path().join("token");
    std::fs::write(&file, pod).unwrap();
    let of_pod = || own(vec![Given::issued("the container's authorization", pod, &[MACHINE])]);
    let address = given("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/v1/credentials", machine.address));
    let by_file = given("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.display().to_string());
    let environment = vec![address, by_file];
    let (whose, provider) = (Whose::Job, ecr(&password));
    all.push(Given { provider, environment, secrets: of_pod(), service: Some(machine), whose, _files: Some(files) });

    let machine = service();
    let address = given("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/v1/credentials", machine.address));
    let environment = vec![address, given("AWS_CONTAINER_AUTHORIZATION_TOKEN", pod.to_owned())];
    let (whose, provider) = (Whose::Person, ecr(&password));
    all.push(Given { provider, environment, secrets: of_pod(), service: Some(machine), whose, _files: None });

    let machine = service();
    let environment = vec![given("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", machine.address))];
    let secrets = own(vec![Given::issued("the instance's pass", PASS, &[MACHINE])]);
    let (whose, provider) = (Whose::Job, ecr(&password));
    all.push(Given { provider, environment, secrets, service: Some(machine), whose, _files: None });

    let (files, identity) = (tempfile::tempdir().unwrap(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJlOfPod9");
    let file = files.path().join("identity");
    std::fs::write(&file, identity).unwrap();
    clouds.knows_identity(identity, "sts.amazonaws.com");
    let environment = vec![
        given("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
        given("AWS_ROLE_ARN", clouds::ROLE.to_owned()),
    ];
    let secrets = vec![Given::issued("the pod's identity", identity, &[clouds::STS])];
    let provider = ecr(&[(clouds::GITHUB, 0), (clouds::STS, 1), (clouds::ECR, 1)]);
    all.push(Given { provider, environment, secrets, service: None, whose: Whose::Job, _files: Some(files) });

    let files = tempfile::tempdir().unwrap();
    let person = json!({
        "type": "authorized_user", "client_id": "client", "client_secret": "clientSecret9Xw",
        "refresh_token": "1//refreshToken8Qm",
    });
    std::fs::write(files.path().join("application_default_credentials.json"), person.to_string()).unwrap();
    let environment = vec![given("CLOUDSDK_CONFIG", files.path().display().to_string())];
    let secrets = vec![
        Given::issued("gcloud's client secret", "clientSecret9Xw", &[clouds::GOOGLE_PERSON]),
        Given::issued("gcloud's refresh token", "1//refreshToken8Qm", &[clouds::GOOGLE_PERSON]),
    ];
    let provider = Provider { asked: vec![(clouds::GITHUB, 0), (clouds::GOOGLE_PERSON, 1)], ..providers().remove(3) };
    all.push(Given { provider, environment, secrets, service: None, whose: Whose::Person, _files: Some(files) });
    all
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

/// One way with one login; what is wrong.
async fn go(way: &Way, clouds: Clouds, given: &Given) -> Vec<String> {
    let provider = &given.provider;
    let (registry, source) = (provider.registry(&clouds), Registry::start());
    source.seed(&images::single(), "library/app:1");
    (way.arrange)(&clouds, &registry, given);
    let run = Run::copy(&source.name("library/app:1"), provider.image);
    let run = match given.whose {
        Whose::JobWithIdentity => clouds.reach(run),
        Whose::Job | Whose::Person => clouds.reach_without_identity(run),
    };
    let run = run.input("registry-identities", &provider.yaml);
    let run = given.environment.iter().fold(run, |run, (name, value)| run.env(name, value));
    let run = run.env("RUNNER_DEBUG", "1").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").input("emit", "all");
    let run = (way.run)(run);
    let run = match given.whose {
        Whose::Person if way.name == UNMASKED => run.without("GITHUB_ACTIONS").unhurried(),
        Whose::Person => run.without("GITHUB_ACTIONS").arg("-v").unhurried(),
        Whose::JobWithIdentity | Whose::Job => run,
    };
    let running = run.spawn();
    let command_line = running.command_line();
    let outcome = running.finish().await;
    let own = |request: &crate::support::registry::Recorded| (provider.host.to_owned(), request.text());
    let mut servers: Vec<(String, String)> = registry.log().iter().map(own).collect();
    servers.extend(source.log().iter().map(|request| ("the source".to_owned(), request.text())));
    let heads = given.service.iter().flat_map(Machine::heads);
    servers.extend(heads.map(|head| (MACHINE.to_owned(), head)));
    let mut problems = leaks(&clouds, &outcome, &command_line, servers.clone(), Some(given));
    if way.name == "a copy" {
        servers.extend(clouds.asked().iter().map(|asked| (asked.host.clone(), asked.text())));
        for issued in given.secrets.iter().filter(|issued| !issued.homes.is_empty()) {
            let spellings = spellings(&issued.value);
            if !servers.iter().any(|(_, text)| spellings.iter().any(|spelling| text.contains(spelling))) {
                problems.push(format!("{} was not used", issued.name));
            }
        }
        if registry.is_whole(provider.place().0, provider.place().1).is_err() {
            problems.push(format!("nothing was copied\n{outcome}"));
        }
    }
    problems.iter().map(|problem| format!("{}, {}: {problem}", way.name, provider.host)).collect()
}

/// What is wrong with where the secrets of a run are to be seen; `servers` had requests besides.
fn leaks(
    clouds: &Clouds,
    outcome: &Outcome,
    command_line: &str,
    mut servers: Vec<(String, String)>,
    given: Option<&Given>,
) -> Vec<String> {
    // Nobody arranged for the hosts that are led to.
    clouds.take_unexpected();
    let mut problems = Vec::new();
    if outcome.says("panicked") || outcome.code > 1 {
        problems.push(format!("a fault\n{outcome}"));
    }
    if clouds.asked().is_empty()
        && given.and_then(|given| given.service.as_ref()).is_none_or(|service| service.heads().is_empty())
    {
        problems.push("the way was not taken".to_owned());
    }
    if !outcome.log.lines().any(|line| line.starts_with("::debug::") || line.starts_with("debug: ")) {
        problems.push("nothing was said at debug level".to_owned());
    }
    servers.extend(clouds.asked().iter().map(|asked| (asked.host.clone(), asked.text())));
    let traces = traces(outcome, command_line);
    let has_identity = given.is_none_or(|given| given.whose == Whose::JobWithIdentity);
    let of_identity = clouds.issued().into_iter().skip(usize::from(!has_identity));
    let secrets = given.map(|given| given.secrets.clone()).unwrap_or_default();
    for issued in of_identity.chain(secrets) {
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
    for provider in 0..providers().len() {
        for way in ways() {
            let given = Given::identity(providers().remove(provider));
            problems.extend(go(&way, Clouds::start().await, &given).await);
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
        problems.extend(leaks(&clouds, &outcome, &command_line, servers, None).iter().map(|it| format!("{way}: {it}")));
    }
    assert!(problems.is_empty(), "{} leaks:\n{}", problems.len(), problems.join("\n\n"));
}

#[tokio::test]
async fn every_secret_that_a_machine_has_is_seen_by_its_own_hosts_only() {
    let mut problems = Vec::new();
    for way in ways() {
        for number in 0..6 {
            let clouds = Clouds::start().await;
            let given = machines(&clouds).remove(number);
            problems.extend(go(&way, clouds, &given).await);
        }
    }
    assert!(problems.is_empty(), "{} leaks:\n{}", problems.len(), problems.join("\n\n"));
}

/// It is a stored secret, which this way does not read: it is nowhere.
#[tokio::test]
async fn the_key_of_a_service_account_in_gclouds_file_is_in_nothing_that_a_run_shows() {
    let key = "-----BEGIN PRIVATE KEY-----keySecret1ZqWx8Lm3Tv5Yb7Nc9-----END PRIVATE KEY-----";
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("key.json");
    std::fs::write(&file, json!({ "type": "service_account", "private_key": key }).to_string()).unwrap();
    let clouds = Clouds::start().await;
    let (registry, source) = (clouds.registry(clouds::GAR), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let provider = providers().remove(3);
    let run = clouds.reach_without_identity(Run::copy(&source.name("library/app:1"), provider.image));
    let run = run.input("registry-identities", &provider.yaml).without("GITHUB_ACTIONS").unhurried();
    let run = run.env("GOOGLE_APPLICATION_CREDENTIALS", &file.display().to_string());
    let running = run.env("RUST_LOG", "trace").env("RUNNER_DEBUG", "1").arg("-v").spawn();
    let command_line = running.command_line();
    let outcome = running.finish().await;
    assert!(outcome.says("a key of a service account is not read") && outcome.says("debug: "), "{outcome}");
    for (place, text) in traces(&outcome, &command_line) {
        assert!(!text.contains("keySecret1Zq"), "{place}: {text}");
    }
    assert!(registry.log().iter().all(|request| !request.text().contains("keySecret1Zq")));
    assert!(clouds.asked().is_empty());
}
