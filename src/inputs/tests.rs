//! How flags and variables become inputs.

use std::time::Duration;

use super::{read, usage};
use crate::credentials::Given;
use crate::engine::options::{Command, OnConflict, Platforms};
use crate::environment::Environment;
use crate::error::Error;
use crate::inputs::table::INPUTS;
use crate::inputs::typed::{Inputs, Invocation, Task};
use crate::inputs::words::items;
use crate::observe::events::Event;
use crate::oci::reference::Reference;
use crate::plan::request::Images;
use crate::secret::{Credential, Secret};
use crate::text::choice::{Choice as _, words};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn try_read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Inputs, Error> {
    match read(arguments.iter().map(Into::into).collect(), &Environment::from(variables))? {
        Invocation::Run(inputs) | Invocation::Tags(inputs, _) | Invocation::Files(inputs, _) => Ok(*inputs),
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
        Images::List(list) => list.entries.iter().map(|entry| entry.source.to_string()).collect(),
    };
    sources.join(" ")
}

#[test]
fn what_is_not_given_has_its_default() {
    let inputs = run(&["copy", "alpine"], &[("INPUT_TARGET", "  "), ("INPUT_DRY-RUN", "")]);
    assert_eq!((inputs.request.command, inputs.request.options.on_conflict), (Command::Copy, OnConflict::Overwrite));
    assert_eq!(sources(&inputs), "docker.io/library/alpine:latest");
    assert_eq!(inputs.request.targets, ["ghcr.io/{owner}/{repo}/{registry}/{repository}"]);
    assert_eq!((inputs.request.options.platforms.clone(), inputs.patience), (Platforms::All, Duration::from_secs(300)));
    assert_eq!((inputs.dry_run, inputs.summary, inputs.notices.len()), (false, true, 0));
    // The runner's expression is no token.
    assert!(inputs.credentials.github_token().is_none());
}

#[test]
fn a_flag_wins_over_the_variable_and_the_hyphen_over_the_underscore() {
    let both = [("INPUT_ON-CONFLICT", "keep"), ("INPUT_ON_CONFLICT", "overwrite"), ("INPUT_SOURCE", "alpine")];
    assert_eq!(run(&["--on-conflict", "fail"], &both).request.options.on_conflict, OnConflict::Fail);
    assert_eq!(run(&["--on-conflict="], &both).request.options.on_conflict, OnConflict::Keep);
    assert_eq!(run(&[], &both).request.options.on_conflict, OnConflict::Keep);
    assert_eq!(run(&[], &[both[1], both[2]]).request.options.on_conflict, OnConflict::Overwrite);
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
        assert_eq!(
            (inputs.request.command, inputs.request.targets.first().map(String::as_str)),
            (command, target),
            "{words:?}"
        );
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
        assert_eq!(
            found.and_then(|login| Some(login.credential()?.username.clone())).as_deref(),
            expected,
            "{server} {reference}"
        );
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
    assert!(one.request.options.expected_digest.is_some());
}

#[test]
fn each_kind_of_bad_input_gets_its_own_sentence() {
    let digested = format!("alpine@{DIGEST}");
    let other = DIGEST.replace("855", "856");
    for (arguments, sentence) in [
        (&[][..], "input `source`: is missing"),
        (&["copy", "a/b", "--images", "c/d"], "input `images`: is given, and `source` is too"),
        (&["copy", "--images", "# none"], "input `images`: names no image"),
        (&["copy", "nginx:1.27, nginx:1.26"], "in it; several images belong into `images`, separated by commas"),
        (&["copy", "nginx:1.27,1.26"], "or `-`; several images belong into `images`, separated by commas"),
        (&["copy", "--images", "a/b\nc d"], "input `images`: line 2 (its source): has a space and more after `c`"),
        (&["copy", "a/b", "--fail-fast=no"], "input `fail-fast`: `no` is not one of true"),
        (&["copy", "ghcr.io/A/b"], "input `source`: `ghcr.io/A/b` has upper case"),
        (&["--command", "mirror", "--source", "a/b"], "input `command`: `mirror` is not one of copy, inspect, verify"),
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
            "input `subset`: `some` is not one of auto, sparse, rewrite",
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
        (&["copy", "a/b", "--insecure-registries", "x.io/y"], "input `insecure-registries`: `x.io/y` is not a host"),
        (
            &["copy", "a/b", "--source-username", "me"],
            "input `source-password`: is not given, and `source-username` is",
        ),
        (
            &["copy", "a/b", "--target-password", "hunter2"],
            "input `target-username`: is not given, and `target-password` is",
        ),
        (&["copy", "a/b", "--registry-auth", "a.io hunter2"], "input `registry-auth`: line 1 has a user"),
        (&["a", "b", "c", "hunter2"], "input `command`: `a` is not one of"),
        (&["--images", "a", "copy", "--source", "b"], "input `images`: is given, and `source` is too"),
        (&["--patience=1s", "copy", "a/b", "--patience=2s"], "input `patience`: is given more than once"),
        (&["--dry-run", "true", "copy", "a/b"], "input `arguments`: `true` stands alone"),
        (&["help", "hunter2"], "input `arguments`: name no command to help with"),
        (
            &["a/b", "c/d"],
            "input `command`: `a/b` is not one of copy, inspect, verify, access, tags, images, rewrite, import; to \
             copy it, write `copy` before it",
        ),
        (&["copy", "a/b", "--source", "c/d"], "input `source`: is given twice"),
        (&["tags", "a/b:1"], "input `source`: is `a/b:1`; write the repository alone"),
        (&["tags", "oci:a"], "input `source`: is a directory; only a registry lists tags"),
        (&["tags", "a/b", "--output=digest"], "input `output`: is `digest`, and a list of tags has none"),
        (&["tags", "a/b", "--output=plan"], "input `output`: is `plan`, and a list of tags has none"),
        (&["copy", "a/b", "--output=plan", "--dry-run"], "input `output`: is `plan`, which a dry run over a list has"),
        (&["copy", "a/b", "--output", "yaml"], "input `output`: `yaml` is not one of text, json, digest, plan, none"),
        (&["copy", "a/b", "--colour=never"], "input `--colour`: is not known; did you mean `--color`?"),
        (&["copy", "a/b", "-q", "-v"], "input `arguments`: have `--quiet` and `--verbose`"),
        (&["copy", "a/b", "--concurrency", "0"], "input `concurrency`: `0` has a number of images"),
        (
            &["copy", "a/b", "--report-file", "/nowhere/report.json"],
            "input `report-file`: `/nowhere/report.json` is in a directory",
        ),
        (&["copy", "a/b", "--report-file", "/tmp"], "input `report-file`: `/tmp` is a directory; name a file"),
        (&["copy", "a/b", "--patience", "1s", "--patience", "2s"], "input `patience`: is given more than once"),
        (
            &["copy", "a/b", "--source-pasword=hunter2"],
            "input `--source-pasword`: is not known; did you mean `--source-password`?",
        ),
        (&["copy", "a/b", "--source-username", "--hunter2"], "input `arguments`: have something that begins with `-`"),
        (&["copy", "a/b", "--insecure-registries", "me:hunter2@x.io"], "`***@x.io` is not a host"),
        (&["copy", "a/b", "--frobnicate"], "input `--frobnicate`: is not known (`mirror-image help copy`"),
        (&["copy", "a/b", "-x"], "input `arguments`: have something that begins with `-`"),
        (&["copy", "a/b", "--target"], "input `target`: has no value"),
    ] {
        is_refused(arguments, sentence);
    }
}

fn is_refused(arguments: &[&str], sentence: &str) {
    let problem = try_read(arguments, &[]).expect_err(sentence);
    let text = problem.to_string();
    assert!(problem.is_input() && text.contains(sentence), "{arguments:?}: {text}");
    assert!(!text.contains("hunter2") && !text.contains('\n'), "{arguments:?}: {text}");
}

/// What people write who come from other tools, or try how it goes.
#[test]
fn words_and_flags_of_other_tools_are_told_what_they_are_called_here() {
    for (arguments, sentence) in [
        (
            &["copy", "a", "b", "hunter2"][..],
            "input `arguments`: are too many: `copy` takes SOURCE and TARGET and flags; give several sources by `--images",
        ),
        (&["tags", "a", "hunter2"], "input `arguments`: are too many: `tags` takes REPOSITORY and flags; run it once"),
        (&["tags"], "input `source`: is missing; name a repository"),
        (
            &["access", "a/b"],
            "input `target`: is missing; name the package that is meant, for example `--target ghcr.io/octo/mirrors/alpine`",
        ),
        (&["version", "--output", "json"], "input `--output`: is no flag of this command; leave it out"),
        (&["copy", "a", "--version"], "input `--version`: is no flag of this command; leave it out"),
        (
            &["copy", "--config", "l.yml", "a"],
            "input `config`: is given, and `source` is too; leave one of them out (where images go is said by `target`)",
        ),
        (&["copy", "a", "./d"], "input `target`: `./d` is a path; a directory in the OCI image layout is `oci:./d`"),
        (&["copy", "/tmp/d", "a"], "; a directory in the OCI image layout is `oci:/tmp/d`"),
        (&["copy", "LICENSE", "a"], "; there is a file of this name: a list is named by `--config LICENSE`"),
        (&["copy", "a", "b", "--dry-run", "false"], "input `arguments`: `false` stands alone; write it with the flag"),
        (&["copy", "a", "b", "-n"], "input `-n`: is not known here; write `--dry-run`"),
        (
            &["copy", "--src-tls-verify=false", "a", "b"],
            "input `--src-tls-verify`: is not known here; a registry without TLS",
        ),
        (
            &["copy", "--insecure", "a", "b"],
            "input `--insecure`: is not known here; a registry without TLS is named by",
        ),
        (
            &["copy", "--all-platforms", "a", "b"],
            "input `--all-platforms`: is not known here; all platforms of an image",
        ),
        (
            &["copy", "--platform", "all", "a", "b"],
            "input `--platform`: is not known here; write `--platforms linux/amd64`",
        ),
        (
            &["copy", "--src-creds", "me:hunter2", "a", "b"],
            "input `--src-creds`: is not known here; logins are read from",
        ),
        (
            &["copy", "--dest-creds=me:hunter2", "a", "b"],
            "input `--dest-creds`: is not known here; logins are read from",
        ),
        (
            &["cp", "a", "b"],
            "input `command`: `cp` is no command here; to copy an image, write `mirror-image copy SOURCE TARGET`",
        ),
        (&["sync", "a", "b"], "input `command`: `sync` is no command here; to copy what a list has, write"),
        (
            &["login", "a.io", "-u", "me", "-p", "hunter2"],
            "input `command`: `login` is no command here; use `docker login HOST`",
        ),
        (&["ls", "a/b"], "input `command`: `ls` is no command here; to list the tags of a repository, write"),
        (&["digest", "a/b"], "input `command`: `digest` is no command here; for the digest, write"),
        (&["manifest", "a/b"], "input `command`: `manifest` is no command here; for the digest, the platforms and"),
        (
            &["inspect", "a", "hunter2"],
            "input `arguments`: are too many: `inspect` takes SOURCE and flags; give several images by `--images",
        ),
    ] {
        is_refused(arguments, sentence);
    }
}

#[test]
fn what_lies_here_under_the_name_of_an_image_is_said_and_so_is_a_file_of_logins_that_does_not() {
    // The tests run where `docs` is.
    let notices = |target: &str, variables: &[(&str, &str)]| run(&["copy", "alpine:3", target], variables).notices;
    assert_eq!(notices("docs", &[]), ["`docs` is an image of Docker Hub here; the directory is `oci:docs`"]);
    assert_eq!(notices("docs", &[("GITHUB_ACTIONS", "true")]), [""; 0], "a job names what it means");
    assert_eq!(notices("none-of-this-name", &[]), [""; 0]);
    let nowhere = [("REGISTRY_AUTH_FILE", "/nowhere/auth.json")];
    let said = "`REGISTRY_AUTH_FILE` names `/nowhere/auth.json`, which is not there: it has no login";
    assert_eq!(notices("a.io/b", &nowhere), [said]);
    assert_eq!(notices("a.io/b", &[nowhere[0], ("GITHUB_ACTIONS", "true")]), [""; 0], "it is not read there");
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
    assert_eq!(run(&["inspect", "a/b"], &[("INPUT_TARGET", default)]).request.targets, Vec::<String>::new());
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
    let text = |arguments: &[&str]| match read(arguments.iter().map(Into::into).collect(), &Environment::default()) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{other:?}"),
    };
    let help = text(&["--help"]);
    assert!(help.starts_with("Mirrors") && help.contains("\n  inspect ") && !help.contains("--dry-run["), "{help}");
    for word in words::<Task>() {
        let command = Task::parse(word).unwrap();
        let (whole, short) = (text(&["help", word]), text(&[word, "-h"]));
        assert_eq!(whole, text(&[word, "--help"]));
        assert!(short.lines().count() < whole.lines().count() && !whole.contains("${{"), "{short}\n{whole}");
        let is_word = |name: &str| match command {
            Task::Files(_) => name == "images-from",
            Task::Images(_) | Task::Tags => matches!(name, "source" | "target"),
        };
        for input in INPUTS.iter().filter(|input| !is_word(input.name)) {
            let flags = [format!("--{} <", input.name), format!("--{}[=", input.name)];
            let is_there = flags.iter().any(|flag| whole.contains(flag));
            assert_eq!(is_there, input.tasks.contains(&command), "{word} --{}:\n{whole}", input.name);
        }
        assert!(short.contains("Examples:\n") && whole.contains("Examples:\n"), "{short}");
    }
    for version in [&["--version"][..], &["-V"], &["version"]] {
        assert_eq!(text(version).trim(), concat!("mirror-image ", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn whoever_asks_for_nothing_gets_the_usage() {
    let none = Environment::default();
    assert!(usage(&[], &none).is_some_and(|usage| usage.contains("Usage: mirror-image COMMAND")));
    assert_eq!(usage(&["copy".into()], &none), None);
    for variable in [("INPUT_ON_CONFLICT", "keep"), ("INPUT_DRY-RUN", "true"), ("GITHUB_ACTIONS", "true")] {
        assert_eq!(usage(&[], &Environment::from(&[variable][..])), None, "{variable:?}");
    }
}

#[test]
fn a_flag_before_the_command_counts_and_one_without_effect_is_said() {
    let list =
        run(&["--insecure-registries=one.example.com", "copy", "a/b", "--insecure-registries=two.example.com"], &[]);
    assert_eq!(list.insecure_registries, ["one.example.com", "two.example.com"]);
    let inspect = run(&["inspect", "a/b", "--check=deep", "--dry-run=false"], &[]);
    assert_eq!(inspect.notices, ["`--check` has no effect with `inspect`"]);
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
fn the_help_of_emit_names_every_format() {
    let known = crate::emit::Wanted::parse(&["?"]).unwrap_err();
    let (_, names) = known.split_once("one of ").unwrap();
    let help = INPUTS.iter().find(|input| input.name == "emit").unwrap().help;
    let missing: Vec<&str> =
        names.split(", ").filter(|name| *name != "none" && !help.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn the_help_of_concurrency_says_how_many_requests_a_host_gets() {
    let help = INPUTS.iter().find(|input| input.name == "concurrency").unwrap().help;
    let most = format!("at most {}", crate::store::registry::concurrency::MOST);
    assert!(help.contains(&most), "{most}");
}
