//! Inputs: what the user asked for, typed, defaulted and free of contradictions.
//!
//! Owns the one table of inputs and outputs that the command line, the environment reader, `action.yml` and the README
//! come from. Contacts nothing. Never quotes the value of a secret, and never takes one from a positional word.

use crate::engine::options::{Attachments, Check, Command, ForeignLayers, OnConflict, Subset};
use crate::github::settings::{AccessMode, Visibility};
use crate::store::mirrors::rules::{Fallback, Tags};
use crate::text::choice::words;

/// What an input's value looks like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An image, or a template for one.
    Reference,
    /// Any text.
    Text,
    /// One of these words, which are listed with the type that they become.
    Choice(fn() -> Vec<&'static str>),
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
    /// Whether the value must never be shown.
    pub fn is_secret(self) -> bool {
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

pub const fn input(name: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Input {
    Input { name, kind, default, help }
}

/// Every input, in the order in which they are documented.
pub const INPUTS: &[Input] = &[
    input(
        "command",
        Kind::Choice(words::<Command>),
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
        Kind::Choice(words::<Subset>),
        Some("sparse"),
        "Several but not all platforms: `sparse` keeps the index and its digest and copies only those; `rewrite` writes a smaller index with a new digest.",
    ),
    input(
        "attachments",
        Kind::Choice(words::<Attachments>),
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
        Kind::Choice(words::<OnConflict>),
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
        Kind::Choice(words::<Tags>),
        Some("verify"),
        "Whom to believe about a tag: `verify` (a mirror, if the registry itself agrees or cannot be asked), `first` (whoever answers first) or `origin` (the registry itself; mirrors only deliver).",
    ),
    input(
        "mirror-fallback",
        Kind::Choice(words::<Fallback>),
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
        Kind::Choice(words::<AccessMode>),
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
        Kind::Choice(words::<Option<Visibility>>),
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
        Kind::Choice(words::<Check>),
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
        Kind::Choice(words::<ForeignLayers>),
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

pub fn known(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|input| input.name == name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{INPUTS, Kind};
    use crate::engine::options::{Command, OnConflict, Platforms};
    use crate::environment::Environment;
    use crate::error::Error;
    use crate::inputs::read;
    use crate::inputs::typed::{Inputs, Invocation};
    use crate::inputs::words::items;
    use crate::oci::reference::Reference;
    use crate::plan::images::Images;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn try_read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Inputs, Error> {
        match read(arguments.iter().map(Into::into).collect(), &Environment::from(variables))? {
            Invocation::Run(inputs) => Ok(*inputs),
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Inputs {
        try_read(arguments, variables).unwrap()
    }

    fn sources(inputs: &Inputs) -> String {
        let sources: Vec<String> = match &inputs.request.images {
            Images::One(source) => vec![source.to_string()],
            Images::Listed(lines) => lines.iter().map(|line| line.source.to_string()).collect(),
        };
        sources.join(" ")
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let inputs = run(&["copy", "alpine"], &[("INPUT_TARGET", "  "), ("INPUT_DRY-RUN", "")]);
        assert_eq!((inputs.request.command, inputs.request.on_conflict), (Command::Copy, OnConflict::Overwrite));
        assert_eq!(sources(&inputs), "docker.io/library/alpine:latest");
        assert_eq!(inputs.request.target.as_deref(), Some("ghcr.io/{owner}/{repo}/{registry}/{repository}"));
        assert_eq!((inputs.request.platforms, inputs.patience), (Platforms::All, Duration::from_secs(300)));
        assert_eq!((inputs.dry_run, inputs.summary, inputs.notices.len()), (false, true, 0));
        // The runner's expression is no token.
        assert!(inputs.credentials.github_token().is_none());
    }

    #[test]
    fn a_flag_wins_over_the_variable_and_the_hyphen_over_the_underscore() {
        let both = [("INPUT_ON-CONFLICT", "keep"), ("INPUT_ON_CONFLICT", "overwrite"), ("INPUT_SOURCE", "alpine")];
        assert_eq!(run(&["--on-conflict", "fail"], &both).request.on_conflict, OnConflict::Fail);
        assert_eq!(run(&["--on-conflict="], &both).request.on_conflict, OnConflict::Keep);
        assert_eq!(run(&[], &both).request.on_conflict, OnConflict::Keep);
        assert_eq!(run(&[], &[both[1], both[2]]).request.on_conflict, OnConflict::Overwrite);
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
            assert_eq!((inputs.request.command, inputs.request.target.as_deref()), (command, target), "{words:?}");
            assert_eq!(sources(&inputs), source, "{words:?}");
        }
    }

    #[test]
    fn the_github_token_is_for_the_registry_of_its_server() {
        for (server, actor, reference, expected) in [
            ("", "", "ghcr.io/a/b", Some("x-access-token")),
            ("https://github.com", "mona", "ghcr.io/a/b", Some("mona")),
            ("https://git.example.com", "mona", "ghcr.io/a/b", None),
            ("https://git.example.com", "mona", "containers.git.example.com/a/b", Some("mona")),
            ("nonsense", "mona", "ghcr.io/a/b", None),
        ] {
            let variables = [("INPUT_GITHUB-TOKEN", "t"), ("GITHUB_SERVER_URL", server), ("GITHUB_ACTOR", actor)];
            let inputs = run(&["copy", "alpine", "a/b"], &variables);
            let found = inputs.credentials.for_source(&Reference::parse(reference).unwrap());
            assert_eq!(found.map(|credential| credential.username).as_deref(), expected, "{server} {reference}");
            assert!(inputs.credentials.github_token().is_some());
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
    fn the_list_takes_the_place_of_the_source() {
        let list = [("INPUT_IMAGES", "alpine => a/b\n# c\nbusybox")];
        assert_eq!(sources(&run(&["copy"], &list)), "docker.io/library/alpine:latest docker.io/library/busybox:latest");
        let flags = ["copy", "--images", "alpine", "--images=a/b => c/d, e/f", "--expected-digest", DIGEST];
        let problem = try_read(&flags, &[]).unwrap_err().to_string();
        assert!(problem.starts_with("input `expected-digest`: is for one image"), "{problem}");
        let one = run(&["copy", "--images", "alpine", "--expected-digest", DIGEST], &[]);
        assert!(one.request.expected_digest.is_some());
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
        assert_eq!(run(&["inspect", "a/b"], &[("INPUT_TARGET", default)]).request.target, None);
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
        let text = |flag: &str| match read(vec![flag.into()], &Environment::default()) {
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
                (Kind::Choice(words), Some(default)) => assert!(words().contains(&default), "{}", input.name),
                (Kind::Boolean, default) => assert!(matches!(default, Some("true" | "false")), "{}", input.name),
                _ => {}
            }
        }
    }
}
