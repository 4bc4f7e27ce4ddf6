//! Every secret at once, on every way that a run can take: each is seen by its own host and by that host's own token
//! service, and nowhere else. The snapshots list the secrets, the places that were searched for them, and the ways.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::StreamExt as _;
use mirror_image::internals::{INPUTS, Kind, markdown};
use serde_json::json;

use crate::support::github::{Instead, Rights, ghcr};
use crate::support::images;
use crate::support::{Account, Auth, Fault, GitHub, LocationForm, Outcome, Registry, Run, TokenAuth, What};

/// What is given, with the characters that every kind of text has a spelling of its own for.
const SOURCE: &str = r#"sou"rce \+/=%&'<8d41c07e>"#;
const TARGET: &str = r#"tar"get \+/=%&'<77c0b1aa>"#;
const MIRROR: &str = r#"mir"ror \+/=%&'<5e02d9f3>"#;
const DOCKER: &str = r#"doc"ker \+/=%&'<a6b3e814>"#;
const IDENTITY: &str = r#"ide"ntity \+/=%&'<c92f0d55>"#;
const BUILDPACK: &str = r#"bui"ldpack \+/=%&'<0e7d4c26>"#;
const WORKFLOW: &str = r#"ghs_"workflow \+/=%&'<51c0aa93>"#;
const ADMIN: &str = r#"ghs_"admin \+/=%&'<9b3e6f10>"#;
const PROXY: &str = "proxy-secret-b7e1c3d2";
const RUNTIME: &str = r#"run"time \+/=%&'<e4d8720b>"#;
const WRONG: &str = r#"wro"ng \+/=%&'<f13a9c68>"#;

/// A secret, the user name that it is sent with, and the servers that it is for.
struct Secret {
    name: String,
    user: &'static str,
    value: String,
    homes: &'static [&'static str],
}

const SECRETS: [(&str, &str, &str, &[&str]); 11] = [
    ("source-password", "ann", SOURCE, &["source"]),
    ("target-password", "bob", TARGET, &["target"]),
    ("registry-auth", "carol", MIRROR, &["mirror"]),
    ("config.json", "dave", DOCKER, &["docker"]),
    ("identitytoken", "00000000-0000-0000-0000-000000000000", IDENTITY, &["identity", "identity's tokens"]),
    ("CNB_REGISTRY_AUTH", "erin", BUILDPACK, &["buildpack"]),
    ("github-token", "x-access-token", WORKFLOW, &["packages", "api"]),
    ("admin-token", "x-access-token", ADMIN, &["api"]),
    ("HTTPS_PROXY", "frank", PROXY, &["proxy"]),
    ("ACTIONS_RUNTIME_TOKEN", "x", RUNTIME, &[]),
    ("a wrong password", "ann", WRONG, &["source"]),
];

impl Secret {
    /// What a server that was sent it can repeat: as it is, as a form, an address and JSON have it, in a Basic header.
    fn echoes(&self) -> Vec<String> {
        let form: String = url::form_urlencoded::byte_serialize(self.value.as_bytes()).collect();
        let json = json!(self.value).to_string();
        let pair = STANDARD.encode(format!("{}:{}", self.user, self.value));
        vec![self.value.clone(), form.replace('+', "%20"), form, json.trim_matches('"').to_owned(), pair]
    }

    /// What is searched for: that, further encodings, and a beginning of each: half a token is half a token.
    fn spellings(&self) -> Vec<String> {
        let mut spellings = self.echoes();
        // Tokens of these tests begin alike.
        if !self.name.starts_with("tokens of") {
            let beginning: String = self.value.chars().take(12).collect();
            let pair = format!("{}:{beginning}", self.user).into_bytes();
            spellings.push(STANDARD.encode(&pair[..pair.len() / 3 * 3]));
            spellings.push(json!(beginning).to_string().trim_matches('"').to_owned());
            spellings.push(url::form_urlencoded::byte_serialize(beginning.as_bytes()).collect());
            spellings.push(beginning);
        }
        spellings.push(markdown(&self.value));
        spellings.push(STANDARD.encode(&self.value));
        spellings.push(URL_SAFE_NO_PAD.encode(format!("{}:{}", self.user, self.value)));
        spellings
    }
}

/// A proxy that lets nobody through, and repeats the request in its page.
struct Proxy {
    address: String,
    seen: Arc<Mutex<String>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.12:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<String>> = Arc::default();
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(mut connection) = connection else { return };
                let (mut head, mut byte) = (Vec::new(), [0_u8]);
                while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.extend(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let page = format!("<html><h1>407</h1>{head} frank:{PROXY}</html>");
                let _ = write!(connection, "HTTP/1.1 407 {head}\r\ncontent-length: {}\r\n\r\n{page}", page.len());
                record.lock().unwrap().push_str(&head);
            }
        });
        Self { address, seen }
    }
}

/// Every server that a run can meet, each on a host of its own, and where credentials lie.
struct World {
    source: Registry,
    target: Registry,
    /// Mirrors, in the order in which they are asked.
    mirror: Registry,
    docker: Registry,
    identity: Registry,
    buildpack: Registry,
    /// Token service and storage of the identity's registry, and storage of source and target.
    identity_tokens: Registry,
    source_store: Registry,
    target_store: Registry,
    /// Nobody's: asks everybody for a password, and gives tokens that the source takes.
    stranger: Registry,
    foreign_tokens: Registry,
    packages: Registry,
    github: GitHub,
    proxy: Proxy,
    docker_config: tempfile::TempDir,
    image: images::Image,
}

impl World {
    fn new() -> Self {
        let token = |user: &str, password: &str| Auth::Token(TokenAuth::new(vec![Account::new(user, password)]));
        let image = images::big(200_000, 7);
        let source = Registry::at("127.0.0.3", token("ann", SOURCE));
        let target = Registry::at("127.0.0.4", token("bob", TARGET));
        source.seed(&image, "library/app:1");
        let identity = Registry::at("127.0.0.7", token("<token>", IDENTITY));
        let identity_tokens = identity.token_service_at("127.0.0.7");
        identity.set_realm(&format!("{}/token", identity_tokens.url()));
        let account = Account::new("x-access-token", WORKFLOW).only(&["acme/"], &["acme/"]);
        let github = GitHub::start();
        github.account("acme", "Organization");
        github.token(WORKFLOW, Rights::WORKFLOW);
        github.token(ADMIN, Rights::ADMIN);
        github.team("acme", "developers");
        let package = json!({
            "id": 1, "name": "mirror/app", "visibility": "private", "repository": { "id": 1, "full_name": "acme/mirror" },
        });
        github.package("acme/mirror/app", package);
        let world = Self {
            mirror: Registry::at("127.0.0.5", Auth::basic("carol", MIRROR)),
            docker: Registry::at("127.0.0.6", Auth::basic("dave", DOCKER)),
            buildpack: Registry::at("127.0.0.8", Auth::basic("erin", BUILDPACK)),
            stranger: Registry::at("127.0.0.9", Auth::basic("mallory", "a-password")),
            foreign_tokens: source.token_service_at("127.0.0.1"),
            source_store: source.plain_redirect_store(),
            target_store: target.plain_redirect_store(),
            packages: ghcr(vec![account], false),
            proxy: Proxy::start(),
            docker_config: tempfile::tempdir().unwrap(),
            source,
            target,
            identity,
            identity_tokens,
            github,
            image,
        };
        let config = json!({ "auths": {
            world.docker.host(): { "auth": STANDARD.encode(format!("dave:{DOCKER}")) },
            world.identity.host(): { "identitytoken": IDENTITY },
        } });
        world.write_docker_config(&config.to_string());
        world
    }

    fn write_docker_config(&self, text: &str) {
        std::fs::write(self.docker_config.path().join("config.json"), text).unwrap();
    }

    /// A copy that has every credential.
    fn run(&self) -> Run {
        let mirrors = [&self.mirror, &self.docker, &self.identity, &self.buildpack];
        let mirrors: Vec<String> = mirrors.iter().map(|mirror| mirror.name("hub")).collect();
        let buildpack = format!("Basic {}", STANDARD.encode(format!("erin:{BUILDPACK}")));
        Run::copy(&self.source.name("library/app:1"), &self.target.name("acme/mirror/app:1"))
            .input("source-username", "ann")
            .input("source-password", SOURCE)
            .input("target-username", "bob")
            .input("target-password", TARGET)
            .input("registry-auth", &format!("{} carol {MIRROR}", self.mirror.host()))
            .input("registry-mirrors", &format!("{} = {}", self.source.host(), mirrors.join(", ")))
            .input("github-token", WORKFLOW)
            .input("admin-token", ADMIN)
            .input("emit", "all")
            .env("DOCKER_CONFIG", &self.docker_config.path().display().to_string())
            .env("CNB_REGISTRY_AUTH", &json!({ self.buildpack.host(): buildpack }).to_string())
            .env("GITHUB_SERVER_URL", &self.packages.url())
            .env("GITHUB_API_URL", &self.github.url())
            .env("GITHUB_REPOSITORY", "acme/mirror")
            .env("HTTPS_PROXY", &format!("http://frank:{PROXY}@{}", self.proxy.address))
            .env("ACTIONS_RUNTIME_TOKEN", RUNTIME)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", RUNTIME)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .env("RUNNER_DEBUG", "1")
    }

    /// The same to GitHub's registry, with grants; the target's own password is known by its host.
    fn run_to_packages(&self) -> Run {
        let lines = format!("{} carol {MIRROR}\n{} bob {TARGET}", self.mirror.host(), self.target.host());
        self.run()
            .input("target", &self.packages.name("acme/mirror/app:1"))
            .without("INPUT_TARGET-USERNAME")
            .without("INPUT_TARGET-PASSWORD")
            .input("registry-auth", &lines)
            .input("teams", "developers=write")
    }

    fn registries(&self) -> [(&'static str, &Registry); 12] {
        [
            ("source", &self.source),
            ("source's storage", &self.source_store),
            ("target", &self.target),
            ("target's storage", &self.target_store),
            ("mirror", &self.mirror),
            ("docker", &self.docker),
            ("identity", &self.identity),
            ("identity's tokens", &self.identity_tokens),
            ("buildpack", &self.buildpack),
            ("packages", &self.packages),
            ("foreign tokens", &self.foreign_tokens),
            ("stranger", &self.stranger),
        ]
    }

    fn is_copied(&self) -> bool {
        self.target.is_whole("acme/mirror/app", "1").is_ok()
    }

    /// What every server received, by its name.
    fn received(&self) -> Vec<(&'static str, String)> {
        let text = |registry: &Registry| registry.log().iter().map(|request| request.text() + "\n\n").collect();
        let mut received: Vec<(&str, String)> =
            self.registries().into_iter().map(|(name, registry)| (name, text(registry))).collect();
        received.push(("api", self.github.asked().iter().map(|asked| asked.text() + "\n\n").collect()));
        received.push(("proxy", self.proxy.seen.lock().unwrap().clone()));
        received
    }

    /// The given secrets, and every token that was issued meanwhile.
    fn secrets(&self) -> Vec<Secret> {
        let given = SECRETS.iter().map(|(name, user, value, homes)| Secret {
            name: (*name).to_owned(),
            user,
            value: (*value).to_owned(),
            homes,
        });
        let issued = [("source", &self.source), ("target", &self.target), ("packages", &self.packages)];
        let issued = issued.into_iter().chain([("identity", &self.identity)]).flat_map(|(name, registry)| {
            let homes: &[&str] = match name {
                "source" => &["source"],
                "target" => &["target"],
                "packages" => &["packages"],
                _ => &["identity"],
            };
            let secret = move |value| Secret { name: format!("tokens of {name}"), user: "x", value, homes };
            registry.issued_tokens().into_iter().map(secret)
        });
        given.chain(issued).collect()
    }
}

/// Where a run's traces are, besides the servers.
fn traces(outcome: &Outcome, command_line: &str) -> Vec<(&'static str, String)> {
    let log = outcome.log.lines().filter(|line| !line.starts_with("::add-mask::"));
    vec![
        ("log", log.fold(String::new(), |log, line| log + line + "\n")),
        ("debug log", debug_log(outcome)),
        ("outputs", outcome.output_file.clone()),
        ("summary", outcome.summary.clone()),
        ("files", written(outcome)),
        ("process list", command_line.to_owned()),
    ]
}

/// The lines that are there because `RUNNER_DEBUG`, `RUST_LOG` or `-v` asked for them.
fn debug_log(outcome: &Outcome) -> String {
    let lines = outcome.log.lines().filter(|line| line.starts_with("::debug::") || line.starts_with("debug: "));
    lines.fold(String::new(), |log, line| log + line + "\n")
}

/// What the run wrote besides its log, outputs and summary.
fn written(outcome: &Outcome) -> String {
    let own = |name: &str| matches!(name, "stdout" | "stderr" | "output" | "summary");
    let files = outcome.files.iter().filter(|(name, _)| !own(name));
    files.fold(String::new(), |all, (_, content)| all + content + "\n")
}

/// One way that a run can take.
struct Way {
    name: String,
    /// Arranges the servers.
    arrange: Box<dyn Fn(&World)>,
    /// The run, from [`World::run`].
    run: Box<dyn Fn(&World) -> Run>,
    code: i32,
    /// Whether the way was really taken.
    taken: Box<dyn Fn(&World, &Outcome) -> bool>,
    /// Stopped by this signal once a fault has fired at the source.
    signal: Option<&'static str>,
}

impl Way {
    fn new(name: impl Into<String>, code: i32) -> Self {
        Self {
            name: name.into(),
            arrange: Box::new(|_| {}),
            run: Box::new(World::run),
            code,
            taken: Box::new(|_, _| true),
            signal: None,
        }
    }

    fn arrange(self, arrange: impl Fn(&World) + 'static) -> Self {
        Self { arrange: Box::new(arrange), ..self }
    }

    fn run(self, run: impl Fn(&World) -> Run + 'static) -> Self {
        Self { run: Box::new(run), ..self }
    }

    fn taken(self, taken: impl Fn(&World, &Outcome) -> bool + 'static) -> Self {
        Self { taken: Box::new(taken), ..self }
    }
}

fn successes() -> Vec<Way> {
    let on = Fault::on;
    vec![
        Way::new("a copy", 0).taken(|world, _| world.is_copied()),
        Way::new("nothing to do", 0)
            .arrange(|world| world.target.seed(&world.image, "acme/mirror/app:1"))
            .taken(|_, outcome| outcome.output("changed") == "false"),
        Way::new("a dry run", 0)
            .run(|world| world.run().input("dry-run", "true"))
            .taken(|world, _| world.target.writes() == 0),
        Way::new("inspect", 0).run(|world| world.run().command("inspect")),
        Way::new("verify", 0)
            .arrange(|world| world.target.seed(&world.image, "acme/mirror/app:1"))
            .run(|world| world.run().command("verify")),
        Way::new("a mirror serves", 0)
            .arrange(|world| world.identity.seed(&world.image, "hub/library/app:1"))
            .taken(|world, _| world.is_copied() && world.identity.count("GET", "/blobs/") > 0),
        Way::new("mirrors fail, each in its way", 0)
            .arrange(move |world| {
                world.mirror.fault(on("*", "/v2/", What::Echo(500)).always());
                world.docker.fault(on("*", "/v2/", What::Echo(403)).always());
                world.identity_tokens.fault(on("*", "/token", What::Echo(400)).always());
                world.buildpack.fault(on("*", "/v2/", What::redirect(world.stranger.url())).always());
            })
            .taken(|world, outcome| world.mirror.fired() > 0 && outcome.says("busy")),
        Way::new("429 and 503, then success", 0)
            .arrange(move |world| {
                world.source.fault(on("GET", "/manifests/", What::Echo(429)));
                world.source.fault(on("GET", "/blobs/", What::Echo(503)));
                world.target.fault(on("POST", "/uploads/", What::Echo(503)));
                world.target.fault(on("PUT", "/manifests/", What::Echo(500)));
            })
            .taken(|world, _| world.source.fired() == 2 && world.target.fired() == 2),
        Way::new("tokens end in the middle", 0)
            .arrange(move |world| {
                world.source.fault(on("GET", "/blobs/", What::RevokeTokens));
                world.target.fault(on("PUT", "/uploads/", What::RevokeTokens));
                world.target.fault(on("PUT", "/manifests/1", What::RevokeTokens));
            })
            .taken(|world, _| world.source.token_requests() > 1 && world.target.token_requests() > 1),
        Way::new("the source redirects to its storage", 0)
            .arrange(move |world| {
                let store = format!("{}{{path}}?signature=abc", world.source_store.url());
                for part in ["/manifests/", "/blobs/"] {
                    world.source.fault(on("HEAD", part, What::redirect(&store)).always());
                    world.source.fault(on("GET", part, What::redirect(&store)).always());
                }
            })
            .taken(|world, _| world.is_copied() && world.source_store.count("GET", "/blobs/") > 0),
        Way::new("uploads go on at another host", 0)
            .arrange(move |world| {
                let elsewhere = LocationForm::OtherHost(world.target_store.url());
                world.target.fault(on("POST", "/uploads/", What::Location(elsewhere)).always());
            })
            .taken(|world, _| world.is_copied() && world.target_store.count("PUT", "/uploads/") > 0),
        Way::new("access is reported", 0)
            .run(|world| world.run_to_packages().without("INPUT_TEAMS").command("access"))
            .taken(|world, _| world.github.count("GET /orgs/acme/packages/") > 0),
        Way::new("access is granted", 0)
            .run(World::run_to_packages)
            .taken(|world, _| world.github.role_of("team developers", "acme/mirror").as_deref() == Some("write")),
        Way::new("GitHub repeats the tokens", 0)
            .arrange(|world| {
                for (path, token) in [("/orgs/acme/packages", WORKFLOW), ("/orgs/acme/teams", ADMIN)] {
                    let words = format!("not this: {token} {}", json!(token));
                    world.github.instead(path, 1, Instead::new(500, &words));
                    world.github.instead(path, 1, Instead::new(403, &words));
                }
            })
            .run(World::run_to_packages)
            .taken(|_, outcome| outcome.says("GitHub answered 403: not this: ***")),
        Way::new("--help", 0)
            .run(|world| world.run().arg("copy").arg("--help"))
            .taken(|_, outcome| outcome.says("--source-password")),
        Way::new("--version", 0).run(|world| world.run().arg("--version")),
    ]
}

fn failures() -> Vec<Way> {
    let on = Fault::on;
    vec![
        Way::new("a wrong password", 1)
            .run(|world| world.run().input("source-password", WRONG))
            .taken(|_, outcome| outcome.says("did not accept the credential")),
        Way::new("verify finds a difference", 1).run(|world| world.run().command("verify")),
        Way::new("the source repeats requests in its errors", 1)
            .arrange(move |world| world.source.fault(on("*", "/v2/", What::Echo(400)).always()))
            .taken(|_, outcome| outcome.says("not this: ") && outcome.says("***")),
        Way::new("the target repeats requests in its errors", 1)
            .arrange(move |world| world.target.fault(on("PUT", "/", What::Echo(403)).always()))
            .taken(|_, outcome| outcome.says("not this: ") && outcome.says("***")),
        Way::new("outside Actions, where nobody masks", 1)
            .arrange(move |world| {
                world.source.fault(on("GET", "/blobs/", What::Echo(503)).always());
                world.mirror.fault(on("*", "/v2/", What::Echo(403)).always());
            })
            .run(|world| world.run().without("GITHUB_ACTIONS").without("RUNNER_DEBUG").without("RUST_LOG").arg("-v"))
            .taken(|_, outcome| outcome.says("not this: ") && !outcome.says("::add-mask::")),
        Way::new("the source leads to an address that repeats the password", 1)
            .arrange(move |world| {
                let own = Secret { name: String::new(), user: "ann", value: SOURCE.to_owned(), homes: &[] };
                let there = format!("{}/v2/{}?sig={SOURCE}", world.source.url(), own.echoes().join("/"));
                world.source.fault(on("GET", "/blobs/", What::redirect(there)).always());
            })
            .run(|world| world.run().without("RUNNER_DEBUG"))
            .taken(|_, outcome| outcome.says("/…?…: ")),
        Way::new("the source's token service repeats requests", 1)
            .arrange(move |world| world.source.fault(on("*", "/token", What::Echo(401)).always()))
            .taken(|_, outcome| outcome.says("not this: ") && outcome.says("***")),
        Way::new("the target's token service repeats requests", 1)
            .arrange(move |world| world.target.fault(on("*", "/token", What::Echo(503)).always()))
            .taken(|_, outcome| outcome.says("not this: ") && outcome.says("***")),
        Way::new("a proxy's page in place of the target", 1)
            .arrange(move |world| {
                let own = Secret { name: String::new(), user: "bob", value: TARGET.to_owned(), homes: &[] };
                let body = format!("<html><pre>{}</pre></html>", own.echoes().join("\n"));
                let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
                world.target.fault(on("*", "/v2/", What::Status { status: 502, headers, body }).always());
            })
            .taken(|_, outcome| outcome.says("a web page")),
        Way::new("the source redirects to a stranger who asks for a password", 1)
            .arrange(move |world| {
                let there = format!("{}{{path}}", world.stranger.url());
                world.source.fault(on("GET", "/blobs/", What::redirect(there)).always());
            })
            .taken(|world, _| world.stranger.count("GET", "/blobs/") > 0),
        Way::new("the source redirects to the target", 1)
            .arrange(move |world| {
                let there = format!("{}{{path}}", world.target.url());
                world.source.fault(on("GET", "/blobs/", What::redirect(there)).always());
            })
            .taken(|world, _| world.target.count("GET", "/v2/library/app/blobs/") > 0),
        Way::new("uploads go on at a stranger who asks for a password", 1)
            .arrange(move |world| {
                let elsewhere = LocationForm::OtherHost(world.stranger.url());
                world.target.fault(on("POST", "/uploads/", What::Location(elsewhere)).always());
            })
            .taken(|world, _| world.stranger.count("PUT", "/uploads/") > 0),
        Way::new("source and target name a foreign token service", 1)
            .arrange(|world| {
                // A name that is no address of theirs; it leads to this machine all the same.
                let realm = world.foreign_tokens.url().replace("127.0.0.1", "localhost");
                world.source.set_realm(&format!("{realm}/token"));
                world.target.set_realm(&format!("{realm}/token"));
            })
            .taken(|world, outcome| world.foreign_tokens.token_requests() > 0 && outcome.says("is kept back")),
        Way::new("the source names a token service at an internal address", 1)
            .arrange(|world| world.source.set_realm(&format!("{}/token", world.foreign_tokens.url())))
            .taken(|world, outcome| world.foreign_tokens.log().is_empty() && outcome.says("was not contacted")),
        Way::new("the source names a token service with a user in its address", 1)
            .arrange(|world| {
                world.source.set_realm(&format!("http://eve@{}/token", world.foreign_tokens.host()));
            })
            .taken(|world, outcome| world.foreign_tokens.log().is_empty() && outcome.says("was not contacted")),
        Way::new("the token service redirects", 1)
            .arrange(move |world| {
                let there = format!("{}/token", world.foreign_tokens.url());
                world.source.fault(on("*", "/token", What::redirect(there)).always());
            })
            .taken(|world, _| world.foreign_tokens.log().is_empty() && world.source.fired() > 0),
        Way::new("a listing goes on at another host", 1)
            .arrange(move |world| {
                world.source.switch(|switches| switches.referrers = Some(5));
                let link = format!("<{}/v2/next>; rel=\"next\"", world.stranger.url());
                world.source.fault(on("GET", "/referrers/", What::Header("link", Some(link))).always());
            })
            .taken(|_, outcome| outcome.says("its next page is on another host")),
        Way::new("a proxy that lets nobody through", 1)
            .run(|world| world.run().input("source", "registry.invalid/library/app:1"))
            .taken(|world, _| world.proxy.seen.lock().unwrap().contains("CONNECT registry.invalid:443")),
        Way {
            signal: Some("TERM"),
            ..Way::new("cancelled", 143)
                .arrange(move |world| world.source.fault(on("GET", "/blobs/", What::StallBodyAfter(1000)).always()))
                .taken(|_, outcome| outcome.says("cancelled by SIGTERM"))
        },
    ]
}

/// An error as text that is longer than what is shown of it: the limit falls into each spelling of the password.
fn cuts() -> impl Iterator<Item = Way> {
    (200..400).step_by(17).map(|start| {
        Way::new("an error as text, cut somewhere", 1)
            .arrange(move |world| {
                let own = Secret { name: String::new(), user: "ann", value: SOURCE.to_owned(), homes: &[] };
                let body = format!("{} {}", "x".repeat(start), own.echoes().join(" "));
                world
                    .source
                    .fault(Fault::on("*", "/v2/", What::Status { status: 403, headers: vec![], body }).always());
            })
            .taken(|_, outcome| outcome.says("xxx"))
    })
}

/// Bad input, with a secret where it does not belong.
fn refusals() -> Vec<Way> {
    let mut ways = Vec::new();
    let mut refused = |name: &str, run: Box<dyn Fn(&World) -> Run>| {
        let silent = |world: &World, outcome: &Outcome| {
            world.received().iter().all(|(_, text)| text.is_empty()) && outcome.says("::error title=Bad input::input `")
        };
        ways.push(Way { run, ..Way::new(name, 2).taken(silent) });
    };
    for input in INPUTS.iter().filter(|input| !matches!(input.kind, Kind::Secret) && !input.name.ends_with("-username"))
    {
        for value in [TARGET.to_owned(), format!("ann:{TARGET}@quay.io"), format!("https://ann:{TARGET}@quay.io/a/b:1")]
        {
            refused("a password in another input", Box::new(move |world| world.run().input(input.name, &value)));
        }
    }
    for line in [format!("quay.io {PROXY}"), format!("{PROXY} quay.io"), format!("ann:{PROXY}@quay.io a b")] {
        refused("a bad line in `registry-auth`", Box::new(move |world| world.run().input("registry-auth", &line)));
    }
    for (name, value) in [
        ("CNB_REGISTRY_AUTH", BUILDPACK.to_owned()),
        ("CNB_REGISTRY_AUTH", json!({ "quay.io": BUILDPACK }).to_string()),
        ("CNB_REGISTRY_MIRRORS", format!("docker.io = erin:{BUILDPACK}@quay.io")),
    ] {
        refused(&format!("a bad {name}"), Box::new(move |world| world.run().env(name, &value)));
    }
    for text in [DOCKER.to_owned(), json!({ "auths": { "quay.io": { "auth": DOCKER } } }).to_string()] {
        refused(
            "a bad config.json",
            Box::new(move |world| {
                world.write_docker_config(&text);
                world.run()
            }),
        );
    }
    ways
}

/// What one way showed.
struct Shown {
    name: String,
    code: i32,
    /// The servers that were asked.
    asked: Vec<&'static str>,
    /// Secret and place, and whether it may be there.
    found: Vec<(String, &'static str, bool)>,
    problems: Vec<String>,
}

async fn go(way: Way) -> Shown {
    let world = World::new();
    (way.arrange)(&world);
    let run = (way.run)(&world);
    let mut running = run.spawn();
    let command_line = running.command_line();
    if let Some(signal) = way.signal {
        while world.source.fired() == 0 && !running.has_ended() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(running.command_line().contains("mirror-image"), "the process list is readable");
        running.signal(signal);
    }
    let outcome = running.finish().await;
    let received = world.received();
    let mut problems = Vec::new();
    if outcome.code != way.code {
        problems.push(format!("exit code {}, not {}", outcome.code, way.code));
    }
    if !(way.taken)(&world, &outcome) {
        problems.push("the way was not taken".to_owned());
    }
    if outcome.says("panicked") || outcome.says("has a fault") {
        problems.push("a panic".to_owned());
    }
    let asked_anybody = received.iter().any(|(_, text)| !text.is_empty());
    if asked_anybody && !debug_log(&outcome).contains(" ms)") {
        problems.push("no request is in the debug log".to_owned());
    }
    let asked = received.iter().filter(|(_, text)| !text.is_empty()).map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    let places: Vec<(&str, String)> = received.into_iter().chain(traces(&outcome, &command_line)).collect();
    for secret in world.secrets() {
        for (place, text) in &places {
            let Some(spelling) = secret.spellings().into_iter().find(|spelling| text.contains(spelling.as_str()))
            else {
                continue;
            };
            let own = secret.homes.contains(place);
            found.push((secret.name.clone(), *place, own));
            if !own {
                let line = text.lines().find(|line| line.contains(&spelling)).unwrap_or_default();
                problems.push(format!("{} in {place}, as {spelling}: {line}", secret.name));
            }
        }
        // A proxy's password is in no header of ours: the HTTP library reads it, and the runner masks what it knows.
        if outcome.says("::group::") && secret.name != "HTTPS_PROXY" {
            let sent = |(name, text): &(&str, String)| secret.homes.contains(name).then(|| text.clone());
            let sent: String = places.iter().filter_map(sent).collect();
            problems.extend(unmasked(&secret, &sent, &outcome));
        }
    }
    if !problems.is_empty() {
        let requests: String =
            world.registries().iter().map(|(name, one)| format!("{name}\n{}", one.lines())).collect();
        problems.push(format!("{outcome}\n{requests}{}", world.github.lines()));
    }
    Shown { name: way.name, code: outcome.code, asked, found, problems }
}

/// In Actions what was sent is masked, in the form in which it was sent: what was given before anything else is printed,
/// a token whenever it comes.
fn unmasked(secret: &Secret, sent: &str, outcome: &Outcome) -> Option<String> {
    // The runner's own escape of a command's message.
    let mask = |value: &str| format!("::add-mask::{}", value.replace('%', "%25"));
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let first = lines.iter().position(|line| !line.starts_with("::add-mask::")).unwrap_or(lines.len());
    let is_token = secret.name.starts_with("tokens of");
    let within = if is_token { &lines[..] } else { &lines[..first] };
    let pair = STANDARD.encode(format!("{}:{}", secret.user, secret.value));
    let missing =
        [&secret.value, &pair].into_iter().find(|form| sent.contains(*form) && !within.contains(&&*mask(form)));
    missing.map(|form| format!("{} is not masked as {form}", secret.name))
}

#[tokio::test]
async fn every_secret_is_seen_by_its_own_host_only() {
    let ways: Vec<Way> = successes().into_iter().chain(failures()).chain(cuts()).chain(refusals()).collect();
    let shown: Vec<Shown> = futures_util::stream::iter(ways).map(go).buffered(8).collect().await;
    let problems: Vec<String> = shown
        .iter()
        .filter(|way| !way.problems.is_empty())
        .map(|way| format!("{}: {}", way.name, way.problems.join("\n")))
        .collect();
    assert!(problems.is_empty(), "{} ways leak:\n\n{}", problems.len(), problems.join("\n\n────────\n\n"));
    insta::assert_snapshot!("secret-by-place", by_place(&shown));
    insta::assert_snapshot!("ways", ways_taken(&shown));
}

/// Secret × place over all ways: `own`, or searched and not found.
fn by_place(shown: &[Shown]) -> String {
    let world = World::new();
    let places: Vec<&str> = world.received().into_iter().map(|(name, _)| name).collect();
    let places: Vec<&str> =
        places.into_iter().chain(["log", "debug log", "outputs", "summary", "files", "process list"]).collect();
    let mut secrets: Vec<String> = SECRETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    secrets.extend(["source", "target", "packages", "identity"].map(|name| format!("tokens of {name}")));
    let mut table = format!("{:22}", "");
    for place in &places {
        let _ = write!(table, " | {place}");
    }
    table.push('\n');
    for secret in secrets {
        let _ = write!(table, "{secret:22}");
        for place in &places {
            let found = shown.iter().flat_map(|way| &way.found).any(|(name, at, _)| *name == secret && at == place);
            let _ = write!(table, " | {:width$}", if found { "own" } else { "–" }, width = place.chars().count());
        }
        table.push('\n');
    }
    table
}

/// Way, exit code and the servers that were asked; ways with the same name are one line.
fn ways_taken(shown: &[Shown]) -> String {
    let mut lines: Vec<(String, BTreeSet<&str>)> = Vec::new();
    for way in shown {
        let line = format!("{}: exit {}", way.name, way.code);
        match lines.last_mut() {
            Some((last, _)) if *last == line => {}
            _ => lines.push((line, BTreeSet::new())),
        }
        if let Some((_, asked)) = lines.last_mut() {
            asked.extend(way.asked.iter().copied());
        }
    }
    lines.into_iter().fold(String::new(), |text, (line, asked)| {
        let asked: Vec<&str> = asked.into_iter().collect();
        let asked =
            if asked.is_empty() { "nobody was asked".to_owned() } else { format!("asked {}", asked.join(", ")) };
        format!("{text}{line}; {asked}\n")
    })
}
