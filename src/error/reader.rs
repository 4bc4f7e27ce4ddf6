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
    /// A workflow that comes with the program: Actions → Mirror an image → Run workflow.
    Button(Form),
    /// `docker run`, with inputs as variables.
    Container,
    /// The template for GitLab CI.
    GitLab,
    /// A shell, with inputs as flags.
    CommandLine,
}

/// The workflows that come with the program, each with a form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One image, or several.
    Mirror,
    /// What an image is.
    Inspect,
    /// The list of the repository.
    List,
    /// What has moved since the list was locked.
    Refresh,
    /// A page of what the list has.
    Catalogue,
    /// Whether the mirrors of the list are behind.
    Alert,
    /// What an issue asks for. Its form is the issue's; whoever reads the run owns the repository.
    Request,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Mirror, Self::Inspect, Self::List, Self::Refresh, Self::Catalogue, Self::Alert, Self::Request];

    /// What the workflow is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mirror => "Mirror an image",
            Self::Inspect => "Inspect an image",
            Self::List => "Mirror the list",
            Self::Refresh => "Refresh the lock",
            Self::Catalogue => "Publish the catalogue",
            Self::Alert => "Compare the mirrors",
            Self::Request => "Mirror what an issue asks for",
        }
    }

    /// Where it is written.
    pub fn file(self) -> &'static str {
        match self {
            Self::Mirror => ".github/workflows/mirror.yml",
            Self::Inspect => ".github/workflows/inspect.yml",
            Self::List => ".github/workflows/sync.yml",
            Self::Refresh => ".github/workflows/refresh.yml",
            Self::Catalogue => ".github/workflows/pages.yml",
            Self::Alert => ".github/workflows/alert.yml",
            Self::Request => ".github/workflows/request.yml",
        }
    }

    /// The inputs that it asks for when it is started.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Mirror => &[
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
            ],
            Self::Inspect => &["source"],
            Self::List => &["dry-run"],
            Self::Refresh | Self::Catalogue | Self::Alert | Self::Request => &[],
        }
    }

    /// The inputs that are variables of the repository, and what those are called.
    pub fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Request => &[
                ("allow", "REQUEST_ALLOW"),
                ("request-limit", "REQUEST_LIMIT"),
                ("size-limit", "REQUEST_SIZE_LIMIT"),
                ("target", "REQUEST_TARGET"),
            ],
            _ => &[],
        }
    }

    /// The list that it works on, and what of it that list says itself.
    pub fn list(self) -> Option<(&'static str, &'static [&'static str])> {
        const KEYS: [&str; 5] = ["attachments", "on-conflict", "platforms", "subset", "target"];
        matches!(self, Self::List | Self::Refresh | Self::Catalogue | Self::Alert).then_some(("images.yml", &KEYS))
    }

    /// Where an input is set, if it is not in the form: behind `in`.
    fn place_of(self, input: &str) -> Option<&'static str> {
        match self.list() {
            _ if self.inputs().contains(&input) => None,
            Some((file, keys)) if keys.contains(&input) => Some(file),
            _ => Some(self.file()),
        }
    }

    /// The variable of the repository that an input is, if it is one.
    fn variable_of(self, input: &str) -> Option<&'static str> {
        self.variables().iter().find(|(name, _)| *name == input).map(|(_, variable)| *variable)
    }
}

/// The inputs that GitLab's template has; others are variables of the project.
pub const OF_TEMPLATE: [&str; 20] = [
    "command",
    "source",
    "images",
    "config",
    "time-limit",
    "max-age",
    "history",
    "size-limit",
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
    pub const ALL: [Self; 11] = [
        Self::Action,
        Self::Button(Form::Mirror),
        Self::Button(Form::Inspect),
        Self::Button(Form::List),
        Self::Button(Form::Refresh),
        Self::Button(Form::Catalogue),
        Self::Button(Form::Alert),
        Self::Button(Form::Request),
        Self::Container,
        Self::GitLab,
        Self::CommandLine,
    ];

    /// Whether it is a job of GitHub Actions.
    pub fn is_in_actions(self) -> bool {
        matches!(self, Self::Action | Self::Button(_))
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
            Self::Button(form) => match (form.variable_of(input), form.place_of(input)) {
                (Some(variable), _) => format!("this repository's variable `{variable}` to `{value}`"),
                (None, Some(file)) => format!("`{input}: {value}` in `{file}`"),
                (None, None) => format!("`{input}: {value}`"),
            },
            Self::Action | Self::GitLab => format!("`{input}: {value}`"),
        }
    }

    /// An input: `on-conflict`, `--on-conflict`.
    pub fn input(self, input: &str) -> String {
        match self {
            Self::CommandLine => format!("`--{input}`"),
            Self::Container => format!("`{}`", variable(input)),
            Self::GitLab if !OF_TEMPLATE.contains(&input) => format!("the variable `{}`", variable(input)),
            Self::Button(form) => match (form.variable_of(input), form.place_of(input)) {
                (Some(variable), _) => format!("this repository's variable `{variable}`"),
                (None, Some(file)) => format!("`{input}` in `{file}`"),
                (None, None) => format!("`{input}`"),
            },
            Self::Action | Self::GitLab => format!("`{input}`"),
        }
    }

    /// An input that is secret: `admin-token`, `INPUT_ADMIN_TOKEN`. Other users of a machine see what its flags say.
    pub fn secret(self, input: &str) -> String {
        match self {
            Self::CommandLine | Self::Container => format!("`{}`", variable(input)),
            reader => reader.input(input),
        }
    }

    /// Where a person mends an input that is not right, as an order; none where it stands before their eyes, or is no input.
    pub fn mend(self, input: &str) -> Option<String> {
        let Self::Button(form) = self else { return None };
        let settings = "Settings → Secrets and variables → Actions";
        Some(match input {
            "registry-auth" => format!(
                "the logins are made of this repository's secrets, `DOCKERHUB_USERNAME` and `DOCKERHUB_TOKEN`, `QUAY_USERNAME` \
                 and `QUAY_TOKEN`, and the lines of `REGISTRY_AUTH`: mend them in {settings}"
            ),
            "request" => "the issue is answered with what can be written in it".to_owned(),
            "config" | "lock" => "mend that file, commit it, and start the workflow again".to_owned(),
            _ if form.inputs().contains(&input) => {
                format!("start it again with another `{input}`: Actions → {} → Run workflow", form.name())
            }
            _ => match form.variable_of(input) {
                Some(variable) => format!("mend this repository's variable `{variable}` ({settings} → Variables)"),
                None => format!("mend `{input}` in `{}`", form.file()),
            },
        })
    }

    /// The order to give a credential for `host`, which is at this side.
    pub fn log_in(self, side: Side, host: &str) -> String {
        let line = format!("`{host} USERNAME PASSWORD`");
        match self {
            Self::Action => format!("set `{side}-username` and `{side}-password`, or a line in `registry-auth`"),
            Self::Button(_) => match secrets(host) {
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

    /// The order to give a token for packages on GitHub, with `permission` (`read`, `write`).
    pub fn give_token(self, permission: &str) -> String {
        match self {
            Self::Action => {
                format!("set `github-token: ${{{{ github.token }}}}` and `permissions: packages: {permission}`")
            }
            Self::Button(form) => format!("give the job `permissions: packages: {permission}` in `{}`", form.file()),
            Self::Container | Self::GitLab | Self::CommandLine => format!(
                "set {} to a classic personal access token that has `{permission}:packages`",
                match self {
                    Self::GitLab => format!("the variable `{}`", variable("github-token")),
                    _ => format!("`{}`", variable("github-token")),
                }
            ),
        }
    }

    /// The order to let the token that there is do more with packages on GitHub.
    pub fn widen_token(self, permission: &str) -> String {
        if self.is_in_actions() {
            format!(
                "give the job `permissions: packages: {permission}`, or use a classic token with `{permission}:packages`"
            )
        } else {
            format!("use a classic personal access token that has `{permission}:packages`")
        }
    }

    /// The credential for `host`, which is at this side, by the names of the places where it was given.
    pub fn login(self, side: Side, host: &str) -> String {
        match self {
            Self::Action => format!("`{side}-username` and `{side}-password`, or the line in `registry-auth`"),
            Self::Button(_) => match secrets(host) {
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
            Self::Action | Self::Button(_) | Self::GitLab => "this runner",
            Self::Container | Self::CommandLine => "this machine",
        }
    }

    /// What runs beside this run.
    pub fn runs(self) -> &'static str {
        match self {
            Self::Action | Self::Button(_) | Self::GitLab => "jobs",
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
