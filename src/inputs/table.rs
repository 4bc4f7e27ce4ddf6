//! Inputs: what the user asked for, typed, defaulted and free of contradictions.
//!
//! Owns the one table of inputs and outputs that the command line, the environment reader, `action.yml` and the README
//! come from. Contacts nothing. Never quotes the value of a secret, and never takes one from a positional word.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction};

use crate::credentials::{Credentials, Given};
use crate::emit::{self, directory};
use crate::engine::options::{Attachments, Check, Command, ForeignLayers, OnConflict, OnFailure, Platforms, Subset};
use crate::environment::Environment;
use crate::error::Error;
use crate::github::role::Permission;
use crate::github::settings::{AccessInputs, AccessMode, Grant};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::ImageReference;
use crate::plan::images::{self, Images};
use crate::secret::{Credential, Secret};
use crate::store::mirrors::rules::{CNB_REGISTRY_MIRRORS, Fallback, Rules, Tags};
use crate::text::quote::shown;

/// What an input's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An image, or a template for one.
    Reference,
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// Several values, separated by newlines or commas.
    List,
    /// `algorithm:hex`.
    Digest,
    /// A path.
    File,
    /// A password or token.
    Secret,
    /// Lines that hold passwords; only newlines separate, because a password may have a comma.
    SecretLines,
    /// A time span: `90s`, `5m`, `1h`.
    Duration,
}

impl Kind {
    fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretLines)
    }
}

/// One input.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The name: an action's input, a flag, and with `INPUT_` a variable.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// The value when none is given. One in `${{ }}` is the runner's to fill in, and no default elsewhere.
    pub default: Option<&'static str>,
    /// One line for the help, `action.yml` and the README.
    pub help: &'static str,
}

impl Input {
    /// The default, where it is a value and not the runner's expression.
    pub fn literal_default(&self) -> Option<&'static str> {
        self.default.filter(|default| !default.starts_with("${{"))
    }
}

/// One output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The name in `GITHUB_OUTPUT`.
    pub name: &'static str,
    /// One line for the help, `action.yml` and the README.
    pub help: &'static str,
}

const fn input(name: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Input {
    Input { name, kind, default, help }
}

/// Every input, in the order in which they are documented.
pub const INPUTS: &[Input] = &[
    input(
        "command",
        Kind::Choice(&["copy", "inspect", "verify", "access"]),
        Some("copy"),
        "What to do: `copy`, `inspect` (read the source and print its digests), `verify` (compare source and target, write nothing) or `access` (check or grant access on GitHub, copy nothing).",
    ),
    input(
        "source",
        Kind::Reference,
        None,
        "The image to read: `[registry/]repository[:tag][@digest]` (Docker Hub short names work), or `oci:DIRECTORY[:tag]`, an OCI image layout. This or `images` is required.",
    ),
    input(
        "target",
        Kind::Reference,
        Some("ghcr.io/{owner}/{repo}/{registry}/{repository}"),
        "Where it goes. No tag: the source's tag. Placeholders: `{owner}` `{repo}` of this repository, `{registry}` `{repository}` `{namespace}` `{name}` `{tag}` of the source. `oci:DIRECTORY[:tag]` writes an image layout.",
    ),
    input(
        "images",
        Kind::List,
        None,
        "Many images in place of `source`: `SOURCE` or `SOURCE => TARGET` a line. A target is written as in `target`, which counts for the lines without one. They are worked on together, and what one has brought is not sent for the next.",
    ),
    input(
        "platforms",
        Kind::List,
        Some("all"),
        "`all`, or names `os/arch[/variant]`. One: its manifest alone is copied, under its own digest. Several: see `subset`.",
    ),
    input(
        "subset",
        Kind::Choice(&["sparse", "rewrite"]),
        Some("sparse"),
        "Several but not all platforms: `sparse` keeps the index and its digest and copies only those; `rewrite` writes a smaller index with a new digest.",
    ),
    input(
        "attachments",
        Kind::Choice(&["all", "signatures", "none"]),
        Some("all"),
        "What comes along with an image that is copied, for the index and each platform: `all` (signatures, SBOMs, attestations, any referrer), `signatures` or `none`.",
    ),
    input(
        "expected-digest",
        Kind::Digest,
        None,
        "The digest that the source must resolve to; otherwise the run fails and nothing is written.",
    ),
    input(
        "on-conflict",
        Kind::Choice(&["overwrite", "keep", "fail"]),
        Some("overwrite"),
        "What to do when the target tag exists with another digest: `overwrite`, `keep` or `fail`.",
    ),
    input("dry-run", Kind::Boolean, Some("false"), "Stop before the first write and say what would be copied."),
    input(
        "github-token",
        Kind::Secret,
        Some("${{ github.token }}"),
        "Token for `ghcr.io`, or for the registry of this GitHub Enterprise server, and for reading packages by that server's API; it is sent nowhere else.",
    ),
    input("source-username", Kind::Text, None, "User name for the source's registry."),
    input("source-password", Kind::Secret, None, "Password or token for the source's registry."),
    input("target-username", Kind::Text, None, "User name for the target's registry."),
    input("target-password", Kind::Secret, None, "Password or token for the target's registry."),
    input(
        "registry-auth",
        Kind::SecretLines,
        None,
        "Credentials for several registries, `HOST[/PATH] USERNAME PASSWORD` a line, the password to the end of the line. The longest match wins; a line with only a host is skipped.",
    ),
    input(
        "registry-mirrors",
        Kind::List,
        None,
        "Mirrors to read from, `REGISTRY[/PATH] = HOST[:PORT][/PATH], …` a line; the registry itself comes last. For a registry without a rule here those of the variable `CNB_REGISTRY_MIRRORS` count; `none` switches that off.",
    ),
    input(
        "mirror-tags",
        Kind::Choice(&["verify", "first", "origin"]),
        Some("verify"),
        "Whom to believe about a tag: `verify` (a mirror, if the registry itself agrees or cannot be asked), `first` (whoever answers first) or `origin` (the registry itself; mirrors only deliver).",
    ),
    input(
        "mirror-fallback",
        Kind::Choice(&["original", "never"]),
        Some("original"),
        "After the mirrors, ask the registry itself (`original`) or nobody (`never`).",
    ),
    input(
        "insecure-registries",
        Kind::List,
        None,
        "Hosts that are spoken to over plain HTTP, separated by commas or newlines. Loopback addresses and `localhost` always are.",
    ),
    input(
        "ca-certificates",
        Kind::File,
        None,
        "A PEM file below the workspace with additional CA certificates to trust.",
    ),
    input(
        "access",
        Kind::Choice(&["report", "apply", "off"]),
        None,
        "What to do about the package's access on GitHub: `report` (the default), `apply` (grant `teams` and `users` their roles on `access-repository`; implied by them) or `off`.",
    ),
    input(
        "admin-token",
        Kind::Secret,
        None,
        "Token for the grants: of a GitHub App, or a personal one, with Administration: write on `access-repository` and Members: read. It is sent to GitHub's API only.",
    ),
    input(
        "access-repository",
        Kind::Text,
        None,
        "`OWNER/REPO`, the repository that the package inherits its access from. Default: this repository.",
    ),
    input(
        "teams",
        Kind::List,
        None,
        "Teams of the organisation, `SLUG=read|write|admin` each, that are to have this role at least.",
    ),
    input("users", Kind::List, None, "People, `LOGIN=read|write|admin` each, who are to have this role at least."),
    input(
        "expected-visibility",
        Kind::Choice(&["any", "private", "internal", "public"]),
        Some("any"),
        "The visibility that the package must have. It is checked, never set: GitHub has no call for it.",
    ),
    input(
        "strict",
        Kind::Boolean,
        Some("false"),
        "Fail the run when access is not as wanted: another role, link or visibility, a missing token, a step that only a person can do.",
    ),
    input(
        "patience",
        Kind::Duration,
        Some("5m"),
        "How long to go on trying while a registry makes no progress: `30s`, `5m`, `1h`.",
    ),
    input(
        "check",
        Kind::Choice(&["quick", "deep"]),
        Some("quick"),
        "How an unchanged tag is looked at: `quick` compares digests; `deep` asks the target for every part and attachment and sends again what is missing.",
    ),
    input(
        "fail-fast",
        Kind::Boolean,
        Some("false"),
        "After the first image that fails, begin no other: those under way go on to their end, the rest are `deferred`.",
    ),
    input(
        "foreign-layers",
        Kind::Choice(&["skip", "include"]),
        Some("skip"),
        "Layers that registries do not hold (Windows base layers of old images): `skip` leaves them where their URLs say, `include` sends them to the target.",
    ),
    input(
        "emit",
        Kind::List,
        Some("none"),
        "Configuration to write for those who pull: `mapping`, `registries-conf`, `openshift`, `imagestream`, `kustomize`, `buildkit`, `cnb`, `k3s`, or `all` of these; by name only: `registries-conf-tags`, `containerd`, `buildkitd`, `kyverno`, `helm`.",
    ),
    input("emit-directory", Kind::File, Some("mirror-image"), "Where to write it: a directory below the workspace."),
    input("summary", Kind::Boolean, Some("true"), "Write the job summary."),
];

/// Every output.
pub const OUTPUTS: &[Output] = &[
    Output { name: "digest", help: "The digest at the target; for `inspect`, the source's digest." },
    Output { name: "image", help: "`repository:tag@digest` of the target; for `inspect`, of the source." },
    Output { name: "images", help: "The same for every image, one a line." },
    Output { name: "changed", help: "`true` when anything was written, otherwise `false`." },
    Output {
        name: "json",
        help: "The whole report: source, target, digest, platforms with their digests, result, requests, bytes and error of each image; totals.",
    },
    Output { name: "mapping", help: "JSON list of `{source, target, digest, tags, platforms}`." },
    Output {
        name: "access",
        help: "JSON list of access checks: `{subject, check, status, wanted, found, sentence, link, read_at}`.",
    },
];

/// What the program was called for.
#[derive(Debug)]
pub enum Invocation {
    /// A run.
    Run(Box<Inputs>),
    /// A text to print, and nothing else: `--help`, `--version`.
    Print(String),
}

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// What to do.
    pub command: Command,
    /// Which images.
    pub images: Images,
    /// Where they go, as a template that `Plan` expands; nothing for `inspect`.
    pub target: Option<String>,
    /// Which platforms are wanted.
    pub platforms: Platforms,
    /// Which attachments come along.
    pub attachments: Attachments,
    /// What happens to layers that registries do not hold.
    pub foreign_layers: ForeignLayers,
    /// How closely an unchanged image is looked at.
    pub check: Check,
    /// What the one source must resolve to, besides the digest that it may have itself.
    pub expected_digest: Option<Digest>,
    /// What to do when the target tag exists with another digest.
    pub on_conflict: OnConflict,
    /// Whether to stop before the first write.
    pub dry_run: bool,
    /// What becomes of the other images when one has failed.
    pub on_failure: OnFailure,
    /// Which credential is for which host.
    pub credentials: Credentials,
    /// Hosts (`host[:port]`, lower case) spoken to over plain HTTP; loopback is not among them and always is.
    pub insecure_registries: Vec<String>,
    /// Where images are read instead of their own registry.
    pub mirrors: crate::store::mirrors::Settings,
    /// A PEM file of further certificate authorities.
    pub ca_certificates: Option<PathBuf>,
    /// How long to go on while a registry makes no progress.
    pub patience: Duration,
    /// Access on GitHub.
    pub access: AccessInputs,
    /// The consumer configuration to write.
    pub emit: emit::Wanted,
    /// Where to write it; none where nothing is to be written.
    pub emit_directory: Option<directory::Directory>,
    /// Whether to write the job summary.
    pub summary: bool,
    /// What the user should know, a sentence each.
    pub notices: Vec<String>,
}

/// Reads the arguments (without the program's own name) and the environment.
///
/// A flag wins over `INPUT_FOO-BAR`, that over `INPUT_FOO_BAR`, that over the default.
pub fn read(arguments: Vec<String>, environment: &Environment) -> Result<Invocation, Error> {
    let flags = match command_line().try_get_matches_from(arguments) {
        Ok(matches) => Flags::of(&matches)?,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(explain(&error)),
    };
    let mut notices = unknown_variables(environment);
    let mut given = BTreeMap::new();
    for input in INPUTS {
        let upper = input.name.to_ascii_uppercase();
        let flag = flags.0.get(input.name).map(String::as_str);
        if flag.is_some() && input.kind.is_secret() {
            notices.push(format!(
                "`--{}` can be read by everyone who can list processes; give it as the variable INPUT_{}",
                input.name,
                upper.replace('-', "_")
            ));
        }
        let variable = || environment.get(&format!("INPUT_{upper}"));
        let posix_variable = || environment.get(&format!("INPUT_{}", upper.replace('-', "_")));
        if let Some(value) = flag.or_else(variable).or_else(posix_variable) {
            given.insert(input.name, value.to_owned());
        }
    }
    let values = Values(given);
    let secrets = values.secrets();
    values.refuse_misplaced(&secrets)?;
    let inputs = values.inputs(environment, notices).map_err(|error| without(error, &secrets))?;
    Ok(Invocation::Run(Box::new(inputs)))
}

/// The value of a secret input, with the input's name.
type Named = (&'static str, Secret);

/// A sentence about a bad value quotes it, and with it whatever was put there by mistake.
fn without(error: Error, secrets: &[Named]) -> Error {
    match error {
        Error::Input { name, problem } => {
            let problem = secrets.iter().fold(problem, |problem, (_, secret)| secret.hide(&problem));
            Error::Input { name, problem }
        }
        other => other,
    }
}

/// The values that were given, as text.
struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// What is secret in the values: all of a password's, and of a line with one what follows the user name.
    fn secrets(&self) -> Vec<Named> {
        let mut secrets = Vec::new();
        for input in INPUTS.iter().filter(|input| input.kind.is_secret()) {
            let Some(value) = self.0.get(input.name) else { continue };
            if input.kind == Kind::Secret {
                secrets.push((input.name, Secret::new(value.as_str())));
                continue;
            }
            for line in value.lines().filter_map(|line| Some(line.trim().split_once(char::is_whitespace)?.1.trim())) {
                let password = line.split_once(char::is_whitespace).map_or(line, |(_, password)| password.trim());
                secrets.push((input.name, Secret::new(password)));
            }
        }
        secrets
    }

    /// Refuses a secret in a place where it would be a name: names go to servers, into logs and into outputs.
    fn refuse_misplaced(&self, secrets: &[Named]) -> Result<(), Error> {
        /// No name has so many characters in common with a password by chance.
        const LONG: usize = 16;
        for input in INPUTS.iter().filter(|input| !input.kind.is_secret() && !input.name.ends_with("-username")) {
            let Some(value) = self.0.get(input.name) else { continue };
            let holds = |(_, secret): &&Named| secret.expose().len() >= LONG && value.contains(secret.expose());
            if let Some((name, _)) = secrets.iter().find(holds) {
                let problem = format!("holds the secret that is given as `{name}`; leave it there only");
                return Err(Error::input(input.name, problem));
            }
        }
        Ok(())
    }

    fn inputs(&self, environment: &Environment, notices: Vec<String>) -> Result<Inputs, Error> {
        let command = self.choice(
            "command",
            &[
                ("copy", Command::Copy),
                ("inspect", Command::Inspect),
                ("verify", Command::Verify),
                ("access", Command::Access),
            ],
        )?;
        let images = self.images(command)?;
        let dry_run = self.boolean("dry-run")?;
        if dry_run && !matches!(command, Command::Copy | Command::Access) {
            let command = command.as_str();
            return Err(Error::input(
                "dry-run",
                format!("makes no sense with `{command}`, which never writes; leave it out"),
            ));
        }
        Ok(Inputs {
            command,
            target: self.target(command),
            platforms: self.platforms()?,
            attachments: self.choice(
                "attachments",
                &[("all", Attachments::All), ("signatures", Attachments::Signatures), ("none", Attachments::None)],
            )?,
            foreign_layers: self
                .choice("foreign-layers", &[("skip", ForeignLayers::Skip), ("include", ForeignLayers::Include)])?,
            check: self.choice("check", &[("quick", Check::Quick), ("deep", Check::Deep)])?,
            expected_digest: self.expected_digest(&images)?,
            images,
            on_conflict: self.choice(
                "on-conflict",
                &[("overwrite", OnConflict::Overwrite), ("keep", OnConflict::Keep), ("fail", OnConflict::Fail)],
            )?,
            dry_run,
            on_failure: if self.boolean("fail-fast")? { OnFailure::Defer } else { OnFailure::GoOn },
            credentials: self.credentials(environment)?,
            mirrors: self.mirrors(environment)?,
            insecure_registries: self.insecure_registries()?,
            ca_certificates: self.get("ca-certificates").map(PathBuf::from),
            patience: parsed("patience", duration(self.get("patience").unwrap_or_default()))?,
            access: self.access(command, environment)?,
            emit: parsed("emit", emit::Wanted::parse(&items(self.get("emit").unwrap_or_default())))?,
            emit_directory: self.emit_directory(environment)?,
            summary: self.boolean("summary")?,
            notices,
        })
    }

    /// The value, or the default.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).or_else(|| known(name).and_then(Input::literal_default))
    }

    fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, Error> {
        let value = self.get(name).unwrap_or_default();
        choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = nearest(value, words.iter().copied());
            let hint = match hint {
                Some(word) => format!(" (did you mean `{word}`?)"),
                None if name == "command" && value.contains(['/', ':']) => {
                    "; to copy it, write `copy` before it".to_owned()
                }
                None => String::new(),
            };
            Error::input(name, format!("`{}` is not one of {}{hint}", shown(value), words.join(", ")))
        })
    }

    fn boolean(&self, name: &str) -> Result<bool, Error> {
        // YAML 1.2's core schema, as the actions toolkit reads it.
        match self.get(name).unwrap_or("false") {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            other => {
                let problem = format!("`{}` is not one of true, True, TRUE, false, False, FALSE", shown(other));
                Err(Error::input(name, problem))
            }
        }
    }

    fn target(&self, command: Command) -> Option<String> {
        // `inspect` looks at the source alone; a workflow that switches `command` may wire the target all the same.
        self.get("target").filter(|_| command != Command::Inspect).map(str::to_owned)
    }

    fn platforms(&self) -> Result<Platforms, Error> {
        // Looked at whatever the choice: a mistake in an input is one.
        let subset = self.choice("subset", &[("sparse", Subset::Sparse), ("rewrite", Subset::Rewrite)])?;
        let mut names = items(self.get("platforms").unwrap_or_default());
        names.dedup();
        match names.as_slice() {
            [] | ["all"] => Ok(Platforms::All),
            [name] => parsed("platforms", Platform::parse(name)).map(Platforms::One),
            names if names.contains(&"all") => {
                Err(Error::input("platforms", "has `all` beside other names; write either `all` or the platforms"))
            }
            names => {
                let platforms: Vec<Platform> =
                    names.iter().map(|name| parsed("platforms", Platform::parse(name))).collect::<Result<_, _>>()?;
                Ok(Platforms::Several(platforms, subset))
            }
        }
    }

    fn images(&self, command: Command) -> Result<Images, Error> {
        let (source, list) = (self.get("source"), self.get("images"));
        if source.is_some() && list.is_some() {
            return Err(Error::input("images", "is given, and `source` is too; leave one of them out"));
        }
        if let Some(list) = list {
            return parsed("images", images::parse(list)).map(Images::Listed);
        }
        // Access is about the target alone: with one that is spelled out no source is needed, and it stands for both.
        let alone = self.0.get("target").map(String::as_str).filter(|_| command == Command::Access);
        let Some(text) = source.or(alone) else {
            let problem =
                "is missing; name an image, for example `docker.io/library/alpine:3.20`, or several by `images`";
            return Err(Error::input("source", problem));
        };
        let name = if source.is_some() { "source" } else { "target" };
        parsed(name, ImageReference::parse(text)).map(Images::One)
    }

    fn expected_digest(&self, images: &Images) -> Result<Option<Digest>, Error> {
        let Some(text) = self.get("expected-digest") else { return Ok(None) };
        let expected: Digest = parsed("expected-digest", text.parse())?;
        let Some(source) = images.only() else {
            let problem = "is for one image, and `images` has more; write `SOURCE@DIGEST` there instead";
            return Err(Error::input("expected-digest", problem));
        };
        match source.digest() {
            Some(own) if *own != expected => Err(Error::input(
                "expected-digest",
                format!("`{expected}` contradicts the digest in `source`, `{own}`; leave one of them out"),
            )),
            _ => Ok(Some(expected)),
        }
    }

    fn emit_directory(&self, environment: &Environment) -> Result<Option<directory::Directory>, Error> {
        let path = self.get("emit-directory").unwrap_or_default();
        if matches!(items(self.get("emit").unwrap_or_default()).as_slice(), [] | ["none"]) {
            return Ok(None);
        }
        // Outside Actions the current directory is the workspace.
        let workspace = environment.get("GITHUB_WORKSPACE").unwrap_or(".");
        directory::Directory::new(workspace.as_ref(), path).map(Some)
    }

    fn mirrors(&self, environment: &Environment) -> Result<crate::store::mirrors::Settings, Error> {
        let insecure = self.insecure_registries()?;
        let settings = crate::store::mirrors::Settings {
            rules: Rules::read(self.get("registry-mirrors"), environment.get(CNB_REGISTRY_MIRRORS), &insecure)?,
            tags: self
                .choice("mirror-tags", &[("verify", Tags::Verify), ("first", Tags::First), ("origin", Tags::Origin)])?,
            fallback: self
                .choice("mirror-fallback", &[("original", Fallback::Original), ("never", Fallback::Never)])?,
            patience: parsed("patience", duration(self.get("patience").unwrap_or_default()))?,
        };
        if settings.tags == Tags::Origin && settings.fallback == Fallback::Never {
            let problem =
                "is `origin`, which asks the original about a tag, and `mirror-fallback` is `never`; leave one out";
            return Err(Error::input("mirror-tags", problem));
        }
        Ok(settings)
    }

    fn insecure_registries(&self) -> Result<Vec<String>, Error> {
        let hosts = items(self.get("insecure-registries").unwrap_or_default());
        let host = |text: &&str| {
            // A reference with a stand-in for the repository has exactly the hosts that are allowed here.
            let probe = crate::oci::reference::Reference::parse(&format!("{text}/x"));
            match probe {
                Ok(probe) if probe.registry() == text.to_ascii_lowercase() => Ok(probe.registry().to_owned()),
                // A host without a dot is a name in this network, which a reference cannot tell from a path.
                _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
                    Ok(text.to_ascii_lowercase())
                }
                _ => {
                    let problem = format!("`{}` is not a host; write `host` or `host:port`, nothing else", shown(text));
                    Err(Error::input("insecure-registries", problem))
                }
            }
        };
        hosts.iter().map(host).collect()
    }

    fn access(&self, command: Command, environment: &Environment) -> Result<AccessInputs, Error> {
        let teams = self.grants("teams", "ids-admin", |name| {
            let slug = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            // Slugs are lower case; a team's name may not be.
            name.bytes().all(slug).then(|| name.to_ascii_lowercase())
        })?;
        let users = self.grants("users", "mona", |name| {
            let login = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            name.bytes().all(login).then(|| name.to_owned())
        })?;
        let wishes = !(teams.is_empty() && users.is_empty());
        let mode = match self.get("access") {
            None if wishes => AccessMode::Apply,
            None => AccessMode::Report,
            Some(_) => self.choice(
                "access",
                &[("report", AccessMode::Report), ("apply", AccessMode::Apply), ("off", AccessMode::Off)],
            )?,
        };
        if mode == AccessMode::Off && (wishes || command == Command::Access) {
            let other = if wishes { "`teams` and `users`" } else { "`command: access`" };
            let problem = format!("`off` contradicts {other}; write `report` or `apply`, or leave one of them out");
            return Err(Error::input("access", problem));
        }
        let repository = self.get("access-repository").or_else(|| environment.get("GITHUB_REPOSITORY"));
        let part = |text: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !matches!(text, "" | "." | "..") && text.bytes().all(good)
        };
        let shaped = |text: &str| text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name));
        if let Some(text) = self.get("access-repository").filter(|text| !shaped(text)) {
            let problem = format!("`{}` is not a repository; write `OWNER/REPO`, without a host", shown(text));
            return Err(Error::input("access-repository", problem));
        }
        let repository = repository.filter(|text| shaped(text)).map(str::to_owned);
        if wishes && repository.is_none() {
            let problem = "is missing, and GITHUB_REPOSITORY is not set; name the repository that `teams` and `users` are \
                           to have a role on, `OWNER/REPO`";
            return Err(Error::input("access-repository", problem));
        }
        let visibility = self.choice(
            "expected-visibility",
            &[("any", None), ("private", Some("private")), ("internal", Some("internal")), ("public", Some("public"))],
        )?;
        let strict = self.boolean("strict")?;
        Ok(AccessInputs {
            asked: strict || visibility.is_some() || mode == AccessMode::Apply || command == Command::Access || wishes,
            mode,
            admin_token: self.get("admin-token").map(Secret::new),
            repository,
            teams,
            users,
            visibility: visibility.map(str::to_owned),
            strict,
        })
    }

    /// Reads `NAME=read|write|admin` items; `canonical` gives a name as GitHub has it, or nothing for what is none.
    fn grants(
        &self,
        input: &str,
        example: &str,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Grant>, Error> {
        let mut grants: Vec<Grant> = Vec::new();
        for item in items(self.get(input).unwrap_or_default()) {
            let problem =
                |what: &str| Error::input(input, format!("`{}` {what}; write `{example}=write`", shown(item)));
            let Some((name, word)) = item.split_once('=') else { return Err(problem("has no role")) };
            let (name, word) = (name.trim(), word.trim());
            let Some(permission) = Permission::parse(word) else {
                return Err(problem("has a role that is not one of read, write, admin"));
            };
            if name.contains('/') {
                return Err(problem("has a `/` in its name; leave the organisation out"));
            }
            let Some(name) = canonical(name).filter(|name| !name.is_empty()) else {
                return Err(problem("has no name as it stands in the address of its page"));
            };
            match grants.iter().find(|grant| grant.name.eq_ignore_ascii_case(&name)) {
                Some(twice) if twice.permission != permission => return Err(problem("is given twice, with two roles")),
                Some(_) => {}
                None => grants.push(Grant { name, permission }),
            }
        }
        Ok(grants)
    }

    fn credentials(&self, environment: &Environment) -> Result<Credentials, Error> {
        let secret = |name| self.get(name).map(Secret::new);
        let given = Given {
            source: self.pair("source-username", "source-password")?,
            target: self.pair("target-username", "target-password")?,
            registry_auth: secret("registry-auth"),
            github_token: secret("github-token"),
        };
        Credentials::collect(given, environment)
    }

    fn pair(&self, username: &str, password: &str) -> Result<Option<Credential>, Error> {
        let lonely = |missing: &str, given: &str| {
            let problem =
                format!("is not given, and `{given}` is (a secret that is not set is empty); give both or neither");
            Err(Error::input(missing, problem))
        };
        match (self.get(username), self.get(password)) {
            (Some(name), Some(secret)) => {
                Ok(Some(Credential { username: name.to_owned(), password: Secret::new(secret) }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => lonely(password, username),
            (None, Some(_)) => lonely(username, password),
        }
    }
}

fn parsed<T>(name: &str, result: Result<T, String>) -> Result<T, Error> {
    result.map_err(|problem| Error::input(name, problem))
}

fn known(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|input| input.name == name)
}

/// Splits a list at newlines and commas; a line that begins with `#` is a comment.
fn items(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Reads `90s`, `5m`, `1m30s`, `1h`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: u64 = 24 * 60 * 60;
    let problem = || format!("`{}` is not a time span; write it like `90s`, `5m`, `1m30s` or `1h`", shown(text));
    let mut seconds: u64 = 0;
    // Units must come in falling order, each once: `30s1m` is a slip of the pen.
    let mut largest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| problem())?;
        let (unit, after) = match rest[digits..].chars().next() {
            None if digits == text.len() => (1, ""),
            Some('h') => (3600, &rest[digits + 1..]),
            Some('m') => (60, &rest[digits + 1..]),
            Some('s') => (1, &rest[digits + 1..]),
            _ => return Err(problem()),
        };
        if unit >= largest {
            return Err(problem());
        }
        (largest, rest) = (unit, after);
        seconds = seconds.saturating_add(number.saturating_mul(unit));
    }
    match seconds {
        0 if text.is_empty() => Err(problem()),
        0 => Err(format!("`{}` is no time at all; write at least `1s`", shown(text))),
        1..=LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`{}` is longer than a day; write at most `24h`", shown(text))),
    }
}

/// The positional words, of which there are up to three.
const WORDS: &str = "words";

/// The command line, made from the table.
fn command_line() -> clap::Command {
    let mut command = clap::Command::new("mirror-image")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Mirrors a container image from one registry to another, its digests kept")
        .override_usage("mirror-image [copy|inspect|verify|access [SOURCE [TARGET]]] [--INPUT VALUE]...")
        .after_help(
            "Every flag can be given as a variable instead: INPUT_DRY_RUN=true is --dry-run. Give passwords and tokens \
             that way.",
        )
        .no_binary_name(true)
        .arg(Arg::new(WORDS).num_args(0..).hide(true));
    for input in INPUTS {
        let mut help = input.help.to_owned();
        if let Kind::Choice(words) = input.kind {
            help = format!("{help}: {}", words.join(", "));
        }
        if let Some(default) = input.literal_default() {
            help = format!("{help} [default: {default}]");
        }
        let arg = Arg::new(input.name).long(input.name).help(help);
        command = command.arg(match input.kind {
            // `--dry-run` must not swallow the word after it.
            Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
            Kind::List | Kind::SecretLines => arg.action(ArgAction::Append).value_name(value_name(input.kind)),
            _ => arg.value_name(value_name(input.kind)),
        });
    }
    command
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Reference => "IMAGE",
        Kind::Text => "TEXT",
        Kind::Choice(_) => "WORD",
        Kind::Boolean => "BOOL",
        Kind::List => "LIST",
        Kind::Digest => "DIGEST",
        Kind::File => "FILE",
        Kind::Secret => "SECRET",
        Kind::SecretLines => "LINES",
        Kind::Duration => "TIME",
    }
}

/// What the command line says, by input; values that are blank are left out.
struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    fn of(matches: &clap::ArgMatches) -> Result<Self, Error> {
        let mut flags = BTreeMap::new();
        for input in INPUTS {
            let Some(values) = matches.get_many::<String>(input.name) else { continue };
            let value = values.map(|value| value.trim()).collect::<Vec<_>>().join("\n");
            if !value.trim().is_empty() {
                flags.insert(input.name, value);
            }
        }
        let mut flags = Self(flags);
        flags.take_words(matches.get_many::<String>(WORDS).unwrap_or_default().map(String::as_str).collect())?;
        Ok(flags)
    }

    /// Sorts the positional words: a command, the source, the target.
    fn take_words(&mut self, words: Vec<&str>) -> Result<(), Error> {
        if let Some(word) = words.iter().find(|word| matches!(word.to_ascii_lowercase().as_str(), "true" | "false")) {
            let problem = format!("`{word}` stands alone; write it with the flag it belongs to, `--dry-run={word}`");
            return Err(Error::input("arguments", problem));
        }
        // A first word that is no command is judged as one, so that a mistyped command never becomes an image.
        let names = ["command", "source", "target"];
        if words.len() > names.len() {
            // The words are not repeated: one of them may be a password in the wrong place.
            let problem = "are too many; write `mirror-image copy|inspect|verify|access SOURCE [TARGET]` and everything else as \
                           flags or variables";
            return Err(Error::input("arguments", problem));
        }
        for (name, word) in names.iter().zip(words).filter(|(_, word)| !word.trim().is_empty()) {
            if self.0.insert(name, word.trim().to_owned()).is_some_and(|flag| flag != word.trim()) {
                let problem = format!("is given twice, as a word and as `--{name}`; leave one of them out");
                return Err(Error::input(*name, problem));
            }
        }
        Ok(())
    }
}

/// A sentence of ours for what the command line's parser refused. Its own may quote values, and so secrets.
fn explain(error: &clap::Error) -> Error {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        Some(ContextValue::Strings(arguments)) => arguments.first().map_or("", String::as_str),
        _ => "",
    };
    let is_long = argument.starts_with("--");
    let name = argument.trim_start_matches('-').split([' ', '=', '[', '<']).next().unwrap_or_default();
    match error.kind() {
        // Something else that begins with dashes may be a password, and is not repeated.
        ErrorKind::UnknownArgument if is_long && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') => {
            let hint = nearest(name, INPUTS.iter().map(|input| input.name));
            let hint = hint.map_or_else(String::new, |name| format!("; did you mean `--{name}`?"));
            Error::input(format!("--{}", shown(name)), format!("is not known{hint} (`mirror-image --help` lists all)"))
        }
        ErrorKind::UnknownArgument => Error::input(
            "arguments",
            "have something that begins with `-`; flags begin with `--` (`mirror-image --help`)",
        ),
        ErrorKind::ArgumentConflict => Error::input(name, "is given more than once; give it once"),
        _ if known(name).is_some_and(|input| input.kind == Kind::Boolean) => {
            Error::input(name, format!("takes its value after an equals sign, `--{name}=true`, or none"))
        }
        _ if known(name).is_some() => Error::input(
            name,
            format!("has no value; write `--{name} VALUE`, or `--{name}=VALUE` if it begins with `-`"),
        ),
        _ => Error::input("arguments", "cannot be read; `mirror-image --help` says how they are written"),
    }
}

/// Notices about variables that look like inputs and are not.
fn unknown_variables(environment: &Environment) -> Vec<String> {
    let mut notices = Vec::new();
    for variable in environment.inputs() {
        let name = variable.to_ascii_lowercase().replace('_', "-");
        // The runner sets these two for every container action that has them.
        if matches!(name.as_str(), "args" | "entrypoint") || known(&name).is_some() {
            continue;
        }
        let hint = nearest(&name, INPUTS.iter().map(|input| input.name));
        let hint = hint.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        notices.push(format!("input `{}` is not known and has no effect{hint}", shown(&name)));
    }
    notices
}

/// The word that `text` was probably meant to be.
fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase().replace('_', "-");
    let (distance, word) = words.map(|word| (distance(&text, word), word)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.min(word.len() / 2)).then_some(word)
}

/// How many letters must be added, removed or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{INPUTS, Inputs, Invocation, Kind, duration, items, read};
    use crate::credentials::Given;
    use crate::engine::options::{Command, OnConflict, Platforms};
    use crate::environment::Environment;
    use crate::error::Error;
    use crate::observe::events::Event;
    use crate::plan::images::Images;
    use crate::secret::{Credential, Secret};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn try_read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Inputs, Error> {
        match read(arguments.iter().map(ToString::to_string).collect(), &Environment::from(variables))? {
            Invocation::Run(inputs) => Ok(*inputs),
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Inputs {
        try_read(arguments, variables).unwrap()
    }

    fn sources(inputs: &Inputs) -> String {
        let sources: Vec<String> = match &inputs.images {
            Images::One(source) => vec![source.to_string()],
            Images::Listed(lines) => lines.iter().map(|line| line.source.to_string()).collect(),
        };
        sources.join(" ")
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let inputs = run(&["copy", "alpine"], &[("INPUT_TARGET", "  "), ("INPUT_DRY-RUN", "")]);
        assert_eq!((inputs.command, inputs.on_conflict), (Command::Copy, OnConflict::Overwrite));
        assert_eq!(sources(&inputs), "docker.io/library/alpine:latest");
        assert_eq!(inputs.target.as_deref(), Some("ghcr.io/{owner}/{repo}/{registry}/{repository}"));
        assert_eq!((inputs.platforms, inputs.patience), (Platforms::All, Duration::from_secs(300)));
        assert_eq!((inputs.dry_run, inputs.summary, inputs.notices.len()), (false, true, 0));
        // The runner's expression is no token.
        assert!(inputs.credentials.github_token().is_none());
    }

    #[test]
    fn a_flag_wins_over_the_variable_and_the_hyphen_over_the_underscore() {
        let both = [("INPUT_ON-CONFLICT", "keep"), ("INPUT_ON_CONFLICT", "overwrite"), ("INPUT_SOURCE", "alpine")];
        assert_eq!(run(&["--on-conflict", "fail"], &both).on_conflict, OnConflict::Fail);
        assert_eq!(run(&["--on-conflict="], &both).on_conflict, OnConflict::Keep);
        assert_eq!(run(&[], &both).on_conflict, OnConflict::Keep);
        assert_eq!(run(&[], &[both[1], both[2]]).on_conflict, OnConflict::Overwrite);
    }

    #[test]
    fn words_are_a_command_a_source_and_a_target() {
        for (words, command, source, target) in [
            (&["copy", "a/b", "c/d"][..], Command::Copy, "docker.io/a/b:latest", Some("c/d")),
            (&["verify", "a/b", "--target", "c/d"], Command::Verify, "docker.io/a/b:latest", Some("c/d")),
            (&["inspect", "a/b"], Command::Inspect, "docker.io/a/b:latest", None),
            (&["--command=inspect", "--source=copy/copy"], Command::Inspect, "docker.io/copy/copy:latest", None),
            (&["copy", "copy", "c/d"], Command::Copy, "docker.io/library/copy:latest", Some("c/d")),
        ] {
            let inputs = run(words, &[]);
            assert_eq!((inputs.command, inputs.target.as_deref()), (command, target), "{words:?}");
            assert_eq!(sources(&inputs), source, "{words:?}");
        }
    }

    #[test]
    fn booleans_are_yamls() {
        for (arguments, variable, expected) in [
            (&["copy", "a/b", "--dry-run"][..], "", true),
            (&["--dry-run", "copy", "a/b"], "", true),
            (&["copy", "a/b", "--dry-run=false"], "true", false),
            (&["copy", "a/b"], "True", true),
            (&["copy", "a/b"], "TRUE", true),
            (&["copy", "a/b"], "FALSE", false),
        ] {
            assert_eq!(run(arguments, &[("INPUT_DRY-RUN", variable)]).dry_run, expected, "{arguments:?} {variable}");
        }
    }

    #[test]
    fn lists_split_on_newlines_and_commas() {
        assert_eq!(items("a, b\n\n# c, d\n  # e\n f ,,"), ["a", "b", "f"]);
        let inputs = run(
            &["copy", "a/b", "--insecure-registries", "One.example.com:5000", "--insecure-registries=two,[::1]:5"],
            &[],
        );
        assert_eq!(inputs.insecure_registries, ["one.example.com:5000", "two", "[::1]:5"]);
    }

    #[test]
    fn time_spans_are_read() {
        for (text, seconds) in
            [("90s", 90), ("5m", 300), ("1m30s", 90), ("1h", 3600), ("1h30m", 5400), ("45", 45), ("24h", 86400)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, part) in [
            ("soon", "is not a time span"),
            ("5 m", "is not a time span"),
            ("1m30", "is not a time span"),
            ("30s1m", "is not a time span"),
            ("-5m", "is not a time span"),
            ("m", "is not a time span"),
            ("99999999999999999999h", "is not a time span"),
            ("9999999999999999999h", "longer than a day"),
            ("0", "no time at all"),
        ] {
            let problem = duration(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn the_list_takes_the_place_of_the_source() {
        let list = [("INPUT_IMAGES", "alpine => a/b\n# c\nbusybox")];
        assert_eq!(sources(&run(&["copy"], &list)), "docker.io/library/alpine:latest docker.io/library/busybox:latest");
        let flags = ["copy", "--images", "alpine", "--images=a/b => c/d, e/f", "--expected-digest", DIGEST];
        let problem = try_read(&flags, &[]).unwrap_err().to_string();
        assert!(problem.starts_with("input `expected-digest`: is for one image"), "{problem}");
        let one = run(&["copy", "--images", "alpine", "--expected-digest", DIGEST], &[]);
        assert!(one.expected_digest.is_some());
    }

    #[test]
    fn each_kind_of_bad_input_gets_its_own_sentence() {
        let digested = format!("alpine@{DIGEST}");
        let other = DIGEST.replace("855", "856");
        for (arguments, sentence) in [
            (&[][..], "input `source`: is missing"),
            (&["copy", "a/b", "--images", "c/d"], "input `images`: is given, and `source` is too"),
            (&["copy", "--images", "# none"], "input `images`: names no image"),
            (&["copy", "--images", "a/b\nc d"], "input `images`: line 2 (its source): has a space and more after `c`"),
            (&["copy", "a/b", "--fail-fast=no"], "input `fail-fast`: `no` is not one of true"),
            (&["copy", "ghcr.io/A/b"], "input `source`: `ghcr.io/A/b` has upper case"),
            (
                &["--command", "mirror", "--source", "a/b"],
                "input `command`: `mirror` is not one of copy, inspect, verify",
            ),
            (&["coppy", "a/b"], "(did you mean `copy`?)"),
            (
                &["copy", "a/b", "--on-conflict", "replace"],
                "input `on-conflict`: `replace` is not one of overwrite, keep, fail",
            ),
            (&["copy", "a/b", "--dry-run=yes"], "input `dry-run`: `yes` is not one of true, True, TRUE"),
            (&["copy", "a/b", "--dry-run", "true"], "input `arguments`: `true` stands alone; write it with the flag"),
            (&["inspect", "a/b", "--dry-run"], "input `dry-run`: makes no sense with `inspect`"),
            (&["verify", "a/b", "--dry-run"], "input `dry-run`: makes no sense with `verify`"),
            (
                &["copy", "a/b", "--platforms", "linux/arm64v8"],
                "input `platforms`: `linux/arm64v8` is not an OS/ARCH[/VARIANT]",
            ),
            (
                &["copy", "a/b", "--platforms", "linux/amd64,linux/arm64", "--subset=some"],
                "input `subset`: `some` is not one of sparse, rewrite",
            ),
            (&["copy", "a/b", "--platforms", "linux/amd64,arm64"], "did you mean `linux/arm64`?"),
            (&["copy", "a/b", "--platforms", "all,linux/arm64"], "input `platforms`: has `all` beside other names"),
            (&["copy", "a/b", "--expected-digest", "latest"], "input `expected-digest`: `latest` is not a digest"),
            (&["copy", &digested, "--expected-digest", &other], "contradicts the digest in `source`"),
            (&["copy", "a/b", "--patience", "ages"], "input `patience`: `ages` is not a time span"),
            (
                &["copy", "a/b", "--insecure-registries", "http://x"],
                "input `insecure-registries`: `http://x` is not a host",
            ),
            (
                &["copy", "a/b", "--insecure-registries", "x.io/y"],
                "input `insecure-registries`: `x.io/y` is not a host",
            ),
            (
                &["copy", "a/b", "--source-username", "me"],
                "input `source-password`: is not given, and `source-username` is",
            ),
            (
                &["copy", "a/b", "--target-password", "hunter2"],
                "input `target-username`: is not given, and `target-password` is",
            ),
            (&["copy", "a/b", "--registry-auth", "a.io hunter2"], "input `registry-auth`: line 1 has a user"),
            (&["copy", "a", "b", "hunter2"], "input `arguments`: are too many"),
            (&["a", "b", "c", "hunter2"], "input `arguments`: are too many"),
            (
                &["a/b", "c/d"],
                "input `command`: `a/b` is not one of copy, inspect, verify, access; to copy it, write `copy` before it",
            ),
            (&["copy", "a/b", "--source", "c/d"], "input `source`: is given twice"),
            (&["copy", "a/b", "--patience", "1s", "--patience", "2s"], "input `patience`: is given more than once"),
            (
                &["copy", "a/b", "--source-pasword=hunter2"],
                "input `--source-pasword`: is not known; did you mean `--source-password`?",
            ),
            (
                &["copy", "a/b", "--source-username", "--hunter2"],
                "input `arguments`: have something that begins with `-`",
            ),
            (&["copy", "a/b", "--insecure-registries", "me:hunter2@x.io"], "`***@x.io` is not a host"),
            (&["copy", "a/b", "--frobnicate"], "input `--frobnicate`: is not known (`mirror-image --help`"),
            (&["copy", "a/b", "-x"], "input `arguments`: have something that begins with `-`"),
            (&["copy", "a/b", "--target"], "input `target`: has no value"),
        ] {
            let problem = try_read(arguments, &[]).expect_err(sentence);
            let text = problem.to_string();
            assert!(problem.is_input() && text.contains(sentence), "{arguments:?}: {text}");
            assert!(!text.contains("hunter2") && !text.contains('\n'), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_name_is_refused_and_never_quoted() {
        const LONG: &str = "hunter2-hunter2-hunter2";
        for (name, value, arguments, sentence) in [
            (
                "INPUT_GITHUB_TOKEN",
                LONG,
                &["copy", "a/b", LONG][..],
                "input `target`: holds the secret that is given as `github-token`; leave it there only",
            ),
            (
                "INPUT_REGISTRY_AUTH",
                "# x\nx.io\ny.io me hunter2",
                &["copy", "a/b", "--on-conflict", "a,hunter2"],
                "input `on-conflict`: `a,***` is not one of",
            ),
            (
                "INPUT_REGISTRY_AUTH",
                "y.io hunter2",
                &["copy", "a/b", "--platforms", "x/hunter2/y/z"],
                "input `platforms`: `x/***/y/z` is not",
            ),
        ] {
            let problem = try_read(arguments, &[(name, value)]).expect_err(sentence);
            let text = problem.to_string();
            assert!(problem.is_input() && text.contains(sentence) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn the_runners_default_target_does_not_contradict_inspect() {
        let default = INPUTS.iter().find(|input| input.name == "target").and_then(|input| input.default).unwrap();
        assert_eq!(run(&["inspect", "a/b"], &[("INPUT_TARGET", default)]).target, None);
    }

    #[test]
    fn nothing_that_holds_a_secret_shows_it_to_who_prints_it_whole() {
        let environment = Environment::from(
            &[
                ("INPUT_SOURCE", "a/b"),
                ("INPUT_SOURCE_USERNAME", "me"),
                ("INPUT_SOURCE_PASSWORD", "hunter2-1"),
                ("INPUT_TARGET_USERNAME", "me"),
                ("INPUT_TARGET_PASSWORD", "hunter2-2"),
                ("INPUT_REGISTRY_AUTH", "x.io me hunter2-3"),
                ("INPUT_GITHUB_TOKEN", "hunter2-4"),
                ("INPUT_ADMIN_TOKEN", "hunter2-5"),
                ("CNB_REGISTRY_AUTH", r#"{"y.io": "Bearer hunter2-6"}"#),
            ][..],
        );
        let invocation = read(Vec::new(), &environment).unwrap();
        let Invocation::Run(inputs) = &invocation else { panic!("not a run") };
        assert_eq!(inputs.credentials.secrets().len(), 10, "each, and the pair of each in a Basic header");
        let credential = Credential { username: "me".to_owned(), password: Secret::new("hunter2") };
        let given = Given { registry_auth: Some(Secret::new("x.io me hunter2")), ..Given::default() };
        let event = Event::Mask(Secret::new("hunter2"));
        for text in [
            format!("{environment:?}"),
            format!("{invocation:?}"),
            format!("{credential:?} {:?} {:?}", credential.basic(), credential.pair()),
            format!("{given:?} {event:?}"),
        ] {
            assert!(!text.contains("hunter2") && !text.contains("aHVudGVy"), "{text}");
        }
    }

    #[test]
    fn notices_are_given_for_visible_secrets_and_unknown_variables() {
        let password = ["copy", "a/b", "--source-username=me", "--source-password=hunter2"];
        for (arguments, variables, parts) in [
            (
                &password[..],
                &[][..],
                &[
                    "`--source-password` can be read by everyone who can list processes; give it as the variable INPUT_SOURCE_PASSWORD",
                ][..],
            ),
            (
                &["copy", "a/b"],
                &[("INPUT_SORCE", "x")],
                &["input `sorce` is not known and has no effect; did you mean `source`?"],
            ),
            (&["copy", "a/b"], &[("INPUT_DRY_RUNS", "x")], &["did you mean `dry-run`?"]),
            (&["copy", "a/b"], &[("INPUT_FROBNICATE", "x")], &["input `frobnicate` is not known and has no effect"]),
            (
                &["copy", "a/b"],
                &[("INPUT_ARGS", "x"), ("INPUT_ENTRYPOINT", "x"), ("INPUT_SORCE", ""), ("INPUTS", "x")],
                &[],
            ),
        ] {
            let notices = run(arguments, variables).notices;
            assert_eq!(notices.len(), parts.len(), "{notices:?}");
            assert!(notices.iter().zip(parts).all(|(notice, part)| notice.contains(part)), "{notices:?}");
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        let text = |flag: &str| match read(vec![flag.to_owned()], &Environment::default()) {
            Ok(Invocation::Print(text)) => text,
            other => panic!("{other:?}"),
        };
        let help = text("--help");
        for input in INPUTS {
            assert!(help.contains(&format!("--{}", input.name)), "{}: {help}", input.name);
        }
        assert!(help.starts_with("Mirrors") && !help.contains("${{"), "{help}");
        assert_eq!(text("--version").trim(), concat!("mirror-image ", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn every_default_is_valid_and_every_help_is_one_line() {
        for input in INPUTS {
            assert!(!input.help.contains('\n') && !input.help.is_empty(), "{}", input.name);
            match (input.kind, input.default) {
                (Kind::Choice(words), Some(default)) => assert!(words.contains(&default), "{}", input.name),
                (Kind::Boolean, default) => assert!(matches!(default, Some("true" | "false")), "{}", input.name),
                _ => {}
            }
        }
    }
}
