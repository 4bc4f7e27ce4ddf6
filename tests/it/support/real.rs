//! Registries that others wrote, and the tools that make and read images. A program that is not installed fails the
//! test with the command that installs it; nothing is skipped.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::images::Image;
use crate::support::token::Signer;

/// How to install each program.
const INSTALL: [(&str, &str); 10] = [
    ("olareg", "scripts/test, which builds it into target/tools/bin"),
    ("docker-registry", "apt-get install docker-registry"),
    ("skopeo", "apt-get install skopeo"),
    ("podman", "apt-get install podman"),
    ("kustomize", "go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2"),
    ("umoci", "apt-get install umoci"),
    ("htpasswd", "apt-get install apache2-utils"),
    ("openssl", "apt-get install openssl"),
    ("crane", "go install github.com/google/go-containerregistry/cmd/crane@latest"),
    ("registry", "go install github.com/google/go-containerregistry/cmd/registry@latest"),
];

/// A program by name: on PATH or where `go install` puts it.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    directories.extend([tools, home.join("go/bin"), PathBuf::from("/root/go/bin"), PathBuf::from("/usr/local/go/bin")]);
    let found = directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        let how = INSTALL.iter().find(|(known, _)| *known == name).map_or("your package manager", |(_, how)| how);
        panic!("this test needs `{name}`, which is not installed; install it with: {how}")
    })
}

/// Runs a command to its end; its standard output. A failure shows everything that it said.
pub fn run(command: &mut Command) -> Vec<u8> {
    let name = command.get_program().to_string_lossy().into_owned();
    if !name.contains('/') {
        let mut found = Command::new(program(&name));
        found.args(command.get_args());
        return run(&mut found);
    }
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    output.stdout
}

/// `tool arguments…`; what it printed.
pub fn tool(name: &str, arguments: &[&str]) -> Vec<u8> {
    run(Command::new(name).args(arguments))
}

/// `skopeo` without TLS and without a policy file.
pub fn skopeo_copy(source: &str, target: &str, more: &[&str]) {
    let mut arguments = vec![
        "--insecure-policy",
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    arguments.extend(more);
    arguments.extend([source, target]);
    tool("skopeo", &arguments);
}

/// The raw manifest as skopeo reads it.
pub fn skopeo_raw(image: &str) -> Vec<u8> {
    tool("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{image}")])
}

/// Pushes a fixture to any registry with skopeo, from a registry in this process (as a layout, skopeo would not find a
/// Docker list). `more`: such as `--dest-creds`.
pub fn push(image: &Image, target: &str, more: &[&str]) {
    let double = super::registry::Registry::start();
    double.seed(image, "image:1");
    skopeo_copy(&format!("docker://{}", double.name("image:1")), &format!("docker://{target}"), more);
}

/// Pulls everything, so that skopeo checks every digest.
pub fn skopeo_reads(image: &str, more: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    skopeo_copy(&format!("docker://{image}"), &format!("dir:{}", directory.path().display()), more);
}

/// An image with one real layer, made by umoci, as a layout with the tag `image`.
pub fn umoci_layout(directory: &Path) {
    let layout = directory.join("layout");
    let tagged = format!("{}:image", layout.display());
    tool("umoci", &["init", "--layout", &layout.display().to_string()]);
    tool("umoci", &["new", "--image", &tagged]);
    let tree = directory.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("hello"), "made by umoci\n").unwrap();
    tool("umoci", &["insert", "--rootless", "--image", &tagged, &tree.display().to_string(), "/data"]);
}

/// Options of Debian's docker-registry.
#[derive(Default)]
pub struct Options<'a> {
    pub htpasswd: Option<(&'a str, &'a str)>,
    /// The realm's URL, the service's name and who signs (see `token::Signer`).
    pub token: Option<(String, &'a str, &'a Signer)>,
    /// Certificate and key: TLS instead of plain HTTP.
    pub tls: Option<(&'a Path, &'a Path)>,
}

/// A registry process with its access log; it is killed when this is dropped.
pub struct RealRegistry {
    child: Child,
    host: String,
    directory: TempDir,
}

/// Debian's docker-registry (distribution 2.8), storage in a temporary directory, open to all.
pub fn docker_registry() -> RealRegistry {
    docker_registry_with(&Options::default())
}

pub fn docker_registry_with(options: &Options<'_>) -> RealRegistry {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut config = format!(
        "version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n",
        path("storage").display()
    );
    if let Some((user, password)) = options.htpasswd {
        std::fs::write(path("htpasswd"), tool("htpasswd", &["-Bbn", user, password])).unwrap();
        let _ = writeln!(config, "auth: {{htpasswd: {{realm: tests, path: {}}}}}", path("htpasswd").display());
    }
    if let Some((realm, service, signer)) = &options.token {
        let (issuer, bundle) = (Signer::ISSUER, signer.certificate_file());
        let _ = writeln!(
            config,
            "auth: {{token: {{realm: \"{realm}\", service: {service}, issuer: {issuer}, rootcertbundle: {}}}}}",
            bundle.display()
        );
    }
    if let Some((certificate, key)) = options.tls {
        let tls = format!(", tls: {{certificate: {}, key: {}}}}}", certificate.display(), key.display());
        config = config.replacen("http: {addr: \"127.0.0.1:0\"}", &format!("http: {{addr: \"127.0.0.1:0\"{tls}"), 1);
    }
    std::fs::write(path("config.yml"), config).unwrap();
    let mut command = Command::new(program("docker-registry"));
    command.arg("serve").arg(path("config.yml"));
    RealRegistry::start(&mut command, directory, "listening on 127.0.0.1:")
}

/// go-containerregistry's registry, in memory.
pub fn ggcr_registry() -> RealRegistry {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("registry"));
    command.args(["-port", "0"]);
    RealRegistry::start(&mut command, directory, "serving on port ")
}

/// olareg, in memory, with or without the referrers API.
pub fn olareg(referrers: bool) -> RealRegistry {
    let start = |_| {
        // It cannot be told to choose a port and say which, and a port that was free may be taken by another test.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program("olareg"));
        command.args(["serve", "--addr", "127.0.0.1", "--store-type", "mem", "--verbosity", "info"]);
        command.arg("--api-delete").arg(format!("--port={free}")).arg(format!("--api-referrer={referrers}"));
        RealRegistry::try_start(&mut command, tempfile::tempdir().unwrap(), "addr=127.0.0.1:").ok()
    };
    let registry = (0..5).find_map(start).expect("olareg finds no free port");
    let began = Instant::now();
    while std::net::TcpStream::connect(registry.host()).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "olareg does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    registry
}

impl RealRegistry {
    fn start(command: &mut Command, directory: TempDir, announcement: &str) -> Self {
        Self::try_start(command, directory, announcement).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// An error when it ends before it says where it listens.
    fn try_start(command: &mut Command, directory: TempDir, announcement: &str) -> Result<Self, String> {
        let file = |name: &str| File::create(directory.path().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut registry = Self { child, host: String::new(), directory };
        let began = Instant::now();
        while registry.host.is_empty() {
            let log = registry.log();
            let ended = registry.child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > Duration::from_secs(20) {
                return Err(format!("{command:?} does not start:\n{log}"));
            }
            let rest = log.find(announcement).map(|at| &log[at + announcement.len()..]).unwrap_or_default();
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            // The digits are followed by something, else the line is not whole yet.
            if !port.is_empty() && rest.len() > port.len() {
                registry.host = format!("127.0.0.1:{port}");
            } else {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(registry)
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn name(&self, reference: &str) -> String {
        format!("{}/{reference}", self.host)
    }

    fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        read("stdout") + &read("stderr")
    }

    /// `METHOD path?query` of every request below `/v2/`, in order, from the access log.
    pub fn requests(&self) -> Vec<String> {
        let log = self.log();
        let methods = ["GET ", "HEAD ", "PUT ", "POST ", "PATCH ", "DELETE "];
        let request = |line: &str| {
            let found =
                methods.iter().filter_map(|method| Some((line.find(&format!("{method}/v2"))?, method))).min()?;
            let mut words = line[found.0..].split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        };
        // docker-registry also logs "response completed" with the fields apart; only access-log lines match.
        log.lines().filter(|line| !line.contains("level=")).filter_map(request).collect()
    }

    /// Requests that are neither GET nor HEAD.
    pub fn writes(&self) -> usize {
        self.requests().iter().filter(|line| !line.starts_with("GET ") && !line.starts_with("HEAD ")).count()
    }

    /// Where docker-registry keeps its files.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
