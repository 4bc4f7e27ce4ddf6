//! The registries at both ends: Docker distribution as a process of its own, storage in a directory, access log on.
//!
//! Both are started anew for every run, so that no tool finds what another has left in their memory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::tools;

/// A program that serves, and what it says it is.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    pub(crate) version: String,
}

impl Program {
    /// Docker distribution 3 where a `registry` is it (go-containerregistry's has the same name), else Debian's 2.8.
    pub(crate) fn find(chosen: Option<&Path>) -> Outcome<Self> {
        let candidates = match chosen {
            Some(path) => vec![path.to_owned()],
            None => tools::found("registry").chain(tools::found("docker-registry")).collect(),
        };
        let known = candidates.into_iter().find_map(|path| {
            let output = Command::new(&path).arg("--version").stdin(Stdio::null()).output().ok()?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let (_, version) = said.trim().split_once("/distribution")?;
            let version = version.rsplit(' ').next()?.to_owned();
            Some(Self { path, version: format!("Docker distribution {version}") })
        });
        known.ok_or_else(|| {
            "no registry found: install Docker distribution 3 (`registry`) or Debian's `docker-registry`, see \
             benches/README.md"
                .into()
        })
    }
}

/// Requests by method and by what they were about: `GET blobs`, `HEAD manifests`.
pub(crate) type Requests = BTreeMap<String, usize>;

/// Where a registry listens; written as nginx's configuration and the tools have it.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// For tools that speak to it themselves.
    Port(SocketAddr),
    /// For nginx. Over TCP it would hold back the end of each upload (Nagle) until the registry's system acknowledges what came
    /// before, which is 40 ms later and nothing that a network does.
    Socket(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A running registry; it is killed when this is dropped.
pub(crate) struct Registry {
    child: Child,
    address: Address,
    log: PathBuf,
}

impl Registry {
    /// `root`: its storage. `directory`: for its configuration and its logs. Where uploads go is said relative to the host, as
    /// GHCR does: before TLS it does not know its own address. `address`: where it listens, at some port where that is 0.
    pub(crate) fn start(program: &Program, root: &Path, directory: &Path, address: Address) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        let path = |name: &str| directory.join(name);
        let (network, listen) = match &address {
            Address::Port(address) => ("tcp", address.to_string()),
            Address::Socket(path) => ("unix", path.display().to_string()),
        };
        let config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\n\
             storage: {{filesystem: {{rootdirectory: {:?}}}, delete: {{enabled: true}}}}\nhttp: {{net: {network}, addr: {listen:?}, relativeurls: true}}\n",
            root.display().to_string()
        );
        fs::write(path("config.yml"), config)?;
        let child = Command::new(&program.path)
            .args(["serve", &path("config.yml").display().to_string()])
            // Distribution 3 sends traces to a collector unless told otherwise.
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(File::create(path("access.log"))?)
            .stderr(File::create(path("log"))?)
            .spawn()?;
        crate::interrupt::remember(child.id());
        let mut registry = Self { child, address, log: path("access.log") };
        let began = Instant::now();
        loop {
            // Distribution 2.8 logs to the one, 3 to the other.
            let said = fs::read_to_string(path("log"))? + &fs::read_to_string(path("access.log"))?;
            let announced = said.split_once("listening on ").and_then(|(_, rest)| rest.split_once(['"', ' ', ',']));
            match (&mut registry.address, announced) {
                (Address::Socket(_), Some(_)) => return Ok(registry),
                (Address::Port(port), Some((address, _))) => {
                    *port = address.parse()?;
                    return Ok(registry);
                }
                (_, None) => {}
            }
            if registry.child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(20) {
                return Err(format!("{} does not start:\n{said}", program.path.display()).into());
            }
            sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Everything that was asked since the start. A line is written when its request has ended, which may be after the
    /// client has gone: the log has to be still for a while.
    pub(crate) fn requests(&self) -> Outcome<Requests> {
        let mut size = 0;
        for _ in 0..40 {
            sleep(Duration::from_millis(50));
            let now = fs::metadata(&self.log)?.len();
            if now == size {
                break;
            }
            size = now;
        }
        let mut requests = Requests::new();
        // Line by line: the log of thousands of tags is larger than the benchmark may be.
        for line in BufReader::new(File::open(&self.log)?).lines() {
            if let Some(request) = asked(&line?) {
                *requests.entry(request).or_default() += 1;
            }
        }
        Ok(requests)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        crate::interrupt::forget(self.child.id());
    }
}

/// Of a line of the access log, `… "GET /v2/name/blobs/sha256:… HTTP/1.1" 200 …`: what was asked.
fn asked(line: &str) -> Option<String> {
    let (_, request) = line.split_once("] \"")?;
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    Some(format!("{method} {}", about(path)))
}

/// What a path of the distribution protocol is about.
pub(crate) fn about(path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default();
    let kinds = [
        ("/blobs/uploads", "uploads"),
        ("/manifests/", "manifests"),
        ("/blobs/", "blobs"),
        ("/referrers/", "referrers"),
        ("/tags/list", "tags"),
    ];
    kinds.iter().find(|(part, _)| path.contains(part)).map_or("ping", |(_, kind)| kind)
}
