//! mirror-image and its peers: where each is found, and how each is asked for the same copy.
//!
//! Every tool has its defaults, but for how it gets to the registries and for what keeps digests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::front::CREDENTIAL;
use crate::images::{Image, Kind};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tool {
    MirrorImage,
    Crane,
    CraneWide,
    Regctl,
    Regsync,
    Oras,
    Skopeo,
}

impl Tool {
    pub(crate) const ALL: [Self; 7] =
        [Self::MirrorImage, Self::Crane, Self::CraneWide, Self::Regctl, Self::Regsync, Self::Oras, Self::Skopeo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MirrorImage => "mirror-image",
            Self::Crane => "crane",
            Self::CraneWide => "crane-j16",
            Self::Regctl => "regctl",
            Self::Regsync => "regsync",
            Self::Oras => "oras",
            Self::Skopeo => "skopeo",
        }
    }

    /// As a person would say what was run.
    pub(crate) fn label(self, kind: Kind) -> &'static str {
        match (self, kind.is_many()) {
            (Self::MirrorImage, _) => "mirror-image",
            (Self::Crane, false) => "crane cp",
            (Self::Crane, true) => "crane cp -a",
            (Self::CraneWide, false) => "crane cp -j 16",
            (Self::CraneWide, true) => "crane cp -a -j 16",
            (Self::Regctl, _) => "regctl image copy",
            (Self::Regsync, _) => "regsync once, parallel 4",
            (Self::Oras, _) => "oras cp",
            (Self::Skopeo, false) => "skopeo copy --all",
            (Self::Skopeo, true) => "skopeo sync --all",
        }
    }

    /// The tools that can do this in one call.
    pub(crate) fn fits(self, kind: Kind) -> bool {
        match self {
            Self::MirrorImage | Self::Crane | Self::CraneWide | Self::Skopeo => true,
            Self::Regctl | Self::Oras => !kind.is_many(),
            Self::Regsync => kind.is_many(),
        }
    }

    fn program(self) -> &'static str {
        if self == Self::CraneWide { "crane" } else { self.name() }
    }
}

/// Every program of this name: on PATH, where `scripts/test` builds tools, where `go install` puts them.
pub(crate) fn found(name: &str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    directories.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin"));
    directories.extend(["go/bin", "go/bin/distribution3"].map(|directory| home.join(directory)));
    let name = name.to_owned();
    directories.into_iter().map(move |directory| directory.join(&name)).filter(|file| file.is_file())
}

/// A tool that is here.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) tool: Tool,
    pub(crate) version: String,
    path: PathBuf,
}

/// A copy to be made.
pub(crate) struct Job<'a> {
    pub(crate) image: &'a Image,
    /// The registries' names.
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) tls: Option<Tls<'a>>,
    /// Empty, and this run's alone: no tool finds a cache or credentials.
    pub(crate) home: &'a Path,
}

/// How a tool gets to registries that speak TLS.
#[derive(Clone, Copy)]
pub(crate) struct Tls<'a> {
    pub(crate) proxy: SocketAddr,
    pub(crate) roots: &'a Path,
}

impl Installed {
    /// `own`: a mirror-image to measure instead of the one that was built for this benchmark.
    pub(crate) fn find(tool: Tool, own: Option<&Path>) -> Option<Self> {
        let path = match tool {
            Tool::MirrorImage => own.unwrap_or(Path::new(env!("CARGO_BIN_EXE_mirror-image"))).to_owned(),
            _ => found(tool.program()).next()?,
        };
        let flag = if matches!(tool, Tool::MirrorImage | Tool::Skopeo) { "--version" } else { "version" };
        let output = Command::new(&path).arg(flag).stdin(Stdio::null()).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_version = |word: &&str| word.contains('.') && word.trim_start_matches('v').starts_with(char::is_numeric);
        let version = said.split_whitespace().find(is_version).unwrap_or("of unknown version").to_owned();
        Some(Self { tool, version, path })
    }

    pub(crate) fn command(&self, job: &Job<'_>) -> Outcome<Command> {
        let Job { image, source, target, home, tls } = job;
        let kind = image.kind;
        let repository = kind.repository();
        let (from, to) = (format!("{source}/{repository}"), format!("{target}/{repository}"));
        let (from_tag, to_tag) = (format!("{from}:1"), format!("{to}:1"));
        let mut command = Command::new(&self.path);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for variable in ["HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(variable, home);
        }
        if let Some(tls) = tls {
            // What all of them know: Go's programs and rustls-platform-verifier read the roots from there, and the credential.
            command.env("HTTPS_PROXY", format!("http://{}", tls.proxy)).env("SSL_CERT_FILE", tls.roots);
            fs::create_dir_all(home.join(".docker"))?;
            let auths = format!("{{\"auths\":{{\"{target}\":{{\"auth\":\"{CREDENTIAL}\"}}}}}}");
            fs::write(home.join(".docker/config.json"), auths)?;
        }
        match self.tool {
            Tool::MirrorImage if kind == Kind::ManyTags => {
                // Both references of 3,000 lines do not fit into one variable.
                let images: Vec<String> = image.tags.iter().map(|(tag, _)| format!("{from}:{tag}")).collect();
                command
                    .arg("copy")
                    .env("INPUT_IMAGES", images.join("\n"))
                    .env("INPUT_TARGET", format!("{target}/{{repository}}"));
            }
            Tool::MirrorImage if kind == Kind::MostTags => {
                let list = format!("images:\n  - {{source: \"{from}\", target: \"{to}\", tags: \"*\"}}\n");
                fs::write(home.join("images.yml"), list)?;
                command.args(["copy", "--config", "images.yml"]).env("GITHUB_WORKSPACE", home);
            }
            Tool::MirrorImage if kind.is_many() => {
                let line = |(tag, _): &(String, String)| format!("{from}:{tag} => {to}:{tag}");
                let images: Vec<String> = image.tags.iter().map(line).collect();
                command.arg("copy").env("INPUT_IMAGES", images.join("\n"));
            }
            Tool::MirrorImage => drop(command.args(["copy", &from_tag, &to_tag])),
            Tool::Crane | Tool::CraneWide => {
                command.arg("cp");
                if self.tool == Tool::CraneWide {
                    command.args(["-j", "16"]);
                }
                if kind.is_many() {
                    command.args(["-a", &from, &to]);
                } else {
                    command.args([&from_tag, &to_tag]);
                }
            }
            Tool::Regctl => {
                for host in [source, target].into_iter().filter(|_| tls.is_none()) {
                    command.args(["--host", &format!("reg={host},tls=disabled")]);
                }
                command.args(["image", "copy", &from_tag, &to_tag]);
            }
            Tool::Regsync => {
                let config = home.join("regsync.yml");
                let mut text = "version: 1\ndefaults: {parallel: 4}\n".to_owned();
                if tls.is_none() {
                    text.push_str("creds:\n");
                    for host in [source, target] {
                        writeln!(text, "  - {{registry: \"{host}\", tls: disabled}}")?;
                    }
                }
                writeln!(text, "sync:\n  - {{source: \"{from}\", target: \"{to}\", type: repository}}")?;
                fs::write(&config, text)?;
                command.args(["once", "--config"]).arg(config);
            }
            Tool::Oras => {
                command.arg("cp");
                if tls.is_none() {
                    command.args(["--from-plain-http", "--to-plain-http"]);
                }
                command.args([&from_tag, &to_tag]);
            }
            Tool::Skopeo => {
                command.arg("--insecure-policy").arg(if kind.is_many() { "sync" } else { "copy" });
                command.args(["--all", "--preserve-digests"]);
                if tls.is_none() {
                    command.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
                }
                if kind.is_many() {
                    // It adds the last part of the source's name itself.
                    let parent = to.rsplit_once('/').map_or(to.as_str(), |(parent, _)| parent);
                    command.args(["--src", "docker", "--dest", "docker", &from, parent]);
                } else {
                    command.args([format!("docker://{from_tag}"), format!("docker://{to_tag}")]);
                }
            }
        }
        Ok(command)
    }
}

/// The versions of what is here, by the program's name.
pub(crate) fn versions(tools: &[Installed]) -> BTreeMap<&'static str, String> {
    tools.iter().map(|installed| (installed.tool.program(), installed.version.clone())).collect()
}
