//! The place where advice is read: what an input is called there, and where a login is given.
//!
//! Owns the names that each place has for the same thing. Never advises what does not exist there: what the button and
//! GitLab's template lack is named where it can be set instead.

use crate::error::Side;
use crate::oci::vendor::Vendor;

/// Where the person is who reads what the program says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// A workflow of one's own, which `uses:` the action.
    #[default]
    Action,
    /// The workflow that comes with the program: Actions → Mirror an image → Run workflow.
    Button,
    /// `docker run`, with inputs as variables.
    Container,
    /// The template for GitLab CI.
    GitLab,
    /// A shell, with inputs as flags.
    CommandLine,
}

/// The workflow behind the button, and its name.
pub const BUTTON_FILE: &str = ".github/workflows/mirror.yml";
pub const BUTTON_NAME: &str = "Mirror an image";

/// The inputs that the button has.
pub const OF_BUTTON: [&str; 10] = [
    "source",
    "images",
    "target",
    "platforms",
    "subset",
    "attachments",
    "check",
    "expected-digest",
    "on-conflict",
    "dry-run",
];

/// The inputs that GitLab's template has; others are variables of the project.
pub const OF_TEMPLATE: [&str; 17] = [
    "command",
    "source",
    "images",
    "config",
    "time-limit",
    "target",
    "platforms",
    "subset",
    "attachments",
    "expected-digest",
    "on-conflict",
    "dry-run",
    "check",
    "fail-fast",
    "ca-certificates",
    "insecure-registries",
    "patience",
];

impl Reader {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Action, Self::Button, Self::Container, Self::GitLab, Self::CommandLine];

    /// Whether it is a job of GitHub Actions.
    pub fn is_in_actions(self) -> bool {
        matches!(self, Self::Action | Self::Button)
    }

    /// Whether the program runs in a container, where `localhost` is that container.
    pub fn is_in_container(self) -> bool {
        self != Self::CommandLine
    }

    /// An input with a value: `on-conflict: keep`, `--on-conflict keep`.
    pub fn set(self, input: &str, value: &str) -> String {
        let quoted = if value.contains([' ', '{', '$', '*']) { format!("'{value}'") } else { value.to_owned() };
        match self {
            Self::CommandLine => format!("`--{input} {quoted}`"),
            Self::Container => format!("`{}={quoted}`", variable(input)),
            Self::GitLab if !OF_TEMPLATE.contains(&input) => format!("the variable `{}={quoted}`", variable(input)),
            Self::Button if !OF_BUTTON.contains(&input) => format!("`{input}: {value}` in `{BUTTON_FILE}`"),
            Self::Action | Self::Button | Self::GitLab => format!("`{input}: {value}`"),
        }
    }

    /// An input: `on-conflict`, `--on-conflict`.
    pub fn input(self, input: &str) -> String {
        match self {
            Self::CommandLine => format!("`--{input}`"),
            Self::Container => format!("`{}`", variable(input)),
            Self::GitLab if !OF_TEMPLATE.contains(&input) => format!("the variable `{}`", variable(input)),
            Self::Button if !OF_BUTTON.contains(&input) => format!("`{input}` in `{BUTTON_FILE}`"),
            Self::Action | Self::Button | Self::GitLab => format!("`{input}`"),
        }
    }

    /// The order to give a credential for `host`, which is at this side.
    pub fn log_in(self, side: Side, host: &str) -> String {
        let line = format!("`{host} USERNAME PASSWORD`");
        match self {
            Self::Action => format!("set `{side}-username` and `{side}-password`, or a line in `registry-auth`"),
            Self::Button => match secrets(host) {
                Some((username, password)) => {
                    format!(
                        "set this repository's secrets `{username}` and `{password}` (Settings → Secrets and variables → Actions)"
                    )
                }
                None => format!(
                    "set this repository's secret `REGISTRY_AUTH` to a line {line} (Settings → Secrets and variables → Actions)"
                ),
            },
            Self::GitLab => format!("set the project's masked variable `MIRROR_REGISTRY_AUTH` to a line {line}"),
            Self::Container => {
                format!(
                    "set `{}` and `{}`",
                    variable(&format!("{side}-username")),
                    variable(&format!("{side}-password"))
                )
            }
            Self::CommandLine => format!(
                "`docker login {host}` (or podman, skopeo, crane), or set the variables `{}` and `{}`",
                variable(&format!("{side}-username")),
                variable(&format!("{side}-password"))
            ),
        }
    }

    /// The credential for `host`, which is at this side, by the names of the places where it was given.
    pub fn login(self, side: Side, host: &str) -> String {
        match self {
            Self::Action => format!("`{side}-username` and `{side}-password`, or the line in `registry-auth`"),
            Self::Button => match secrets(host) {
                Some((username, password)) => format!("this repository's secrets `{username}` and `{password}`"),
                None => format!("the line of `{host}` in this repository's secret `REGISTRY_AUTH`"),
            },
            Self::GitLab => format!("the line of `{host}` in the variable `MIRROR_REGISTRY_AUTH`"),
            Self::Container => {
                let [username, password] = ["username", "password"].map(|what| variable(&format!("{side}-{what}")));
                format!("`{username}` and `{password}`")
            }
            Self::CommandLine => {
                let [username, password] = ["username", "password"].map(|what| variable(&format!("{side}-{what}")));
                format!("what `docker login {host}` has stored, or `{username}` and `{password}`")
            }
        }
    }

    /// What the program runs on.
    pub fn machine(self) -> &'static str {
        match self {
            Self::Action | Self::Button | Self::GitLab => "this runner",
            Self::Container | Self::CommandLine => "this machine",
        }
    }

    /// What runs beside this run.
    pub fn runs(self) -> &'static str {
        match self {
            Self::Action | Self::Button | Self::GitLab => "jobs",
            Self::Container | Self::CommandLine => "runs",
        }
    }
}

/// The secrets of the button for a registry that has two of its own.
fn secrets(host: &str) -> Option<(&'static str, &'static str)> {
    match Vendor::of(host) {
        Vendor::DockerHub => Some(("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN")),
        Vendor::Quay => Some(("QUAY_USERNAME", "QUAY_TOKEN")),
        _ => None,
    }
}

/// The variable of an input, as a shell can set it.
fn variable(input: &str) -> String {
    format!("INPUT_{}", input.to_ascii_uppercase().replace('-', "_"))
}
