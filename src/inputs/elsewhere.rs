//! Words that other tools have for what this one does: commands and flags that people bring along.
//!
//! Owns what is said of each: what it is called here, or why there is none. Names what exists here, which a test holds.

/// Commands of crane, skopeo, regctl, oras and docker, and what is said of them.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["cp", "mirror", "clone", "duplicate", "transfer"], "to copy an image, write `mirror-image copy SOURCE TARGET`"),
    (
        &["sync", "mirror-list", "batch", "proxy", "once"],
        "to copy what a list has, write `mirror-image copy --config FILE`, or `--images IMAGE,IMAGE`",
    ),
    (&["plan"], "to see what would become of a list, write `mirror-image copy --config FILE --dry-run --output plan`"),
    (
        &["server", "serve", "daemon", "watch", "schedule", "cron"],
        "nothing stays and waits here: let a workflow, a `CronJob` or cron run `mirror-image copy --config FILE`",
    ),
    (&["pull", "save", "export"], "to have an image in a directory, write `mirror-image copy SOURCE oci:DIRECTORY`"),
    (&["push", "load"], "to push what is in a directory, write `mirror-image copy oci:DIRECTORY TARGET`"),
    (
        &["login", "logout", "auth", "signin"],
        "use `docker login HOST` (or podman, skopeo, `crane auth login`), whose file is read, or give \
         the variables `INPUT_SOURCE_USERNAME` and `INPUT_SOURCE_PASSWORD`",
    ),
    (
        &["ls", "list", "list-tags", "tag", "tags-list", "repo"],
        "to list the tags of a repository, write `mirror-image tags REPOSITORY`",
    ),
    (&["digest", "resolve"], "for the digest, write `mirror-image inspect IMAGE --output digest`"),
    (
        &["manifest", "show", "describe", "config", "image", "info", "discover"],
        "for the digest, the platforms and what hangs on them, write `mirror-image inspect IMAGE`, with `--output json` for all",
    ),
    (&["validate", "check", "diff", "compare"], "to compare two images, write `mirror-image verify SOURCE TARGET`"),
];

/// Flags of the same, and what is said of them.
const FLAGS: &[(&[&str], &str)] = &[
    (
        &[
            "src-tls-verify",
            "dest-tls-verify",
            "tls-verify",
            "insecure",
            "insecure-policy",
            "src-insecure",
            "dest-insecure",
            "plain-http",
            "from-plain-http",
            "to-plain-http",
            "tls",
            "skip-tls-verify",
        ],
        "a registry without TLS is named by `--insecure-registries HOST`, one with a certificate of its own authority by \
         `--ca-certificates FILE`; certificates are always checked",
    ),
    (
        &["all", "all-platforms", "multi-arch", "all-tags", "a"],
        "all platforms of an image are copied unless `--platforms` names some; leave it out. Many tags are selected by a list, \
         `--config FILE`",
    ),
    (
        &["platform", "override-os", "override-arch", "arch", "os", "p"],
        "write `--platforms linux/amd64`, or leave it out for all",
    ),
    (
        &[
            "src-creds",
            "dest-creds",
            "creds",
            "src-username",
            "src-password",
            "dest-username",
            "dest-password",
            "username",
            "password",
            "from-username",
            "from-password",
            "to-username",
            "to-password",
            "src-registry-token",
            "dest-registry-token",
            "u",
        ],
        "logins are read from where `docker login` has stored them, or from the variables `INPUT_SOURCE_USERNAME`, \
         `INPUT_SOURCE_PASSWORD`, `INPUT_TARGET_USERNAME` and `INPUT_TARGET_PASSWORD`",
    ),
    (
        &["authfile", "src-authfile", "dest-authfile", "registry-config", "from-registry-config", "to-registry-config"],
        "name the file by the variable `REGISTRY_AUTH_FILE`",
    ),
    (&["cert-dir", "src-cert-dir", "dest-cert-dir", "ca-file", "cacert", "ca"], "write `--ca-certificates FILE`"),
    (
        &["digest-tags", "referrers", "recursive", "r"],
        "what hangs on an image comes along unless `--attachments none` says otherwise; leave it out",
    ),
    (&["remove-signatures"], "write `--attachments none`"),
    (&["preserve-digests", "keep-digest"], "digests are always kept; leave it out"),
    (
        &["include-external", "allow-nondistributable-artifacts"],
        "write `--foreign-layers include` for layers that registries do not hold",
    ),
    (&["no-clobber", "n-clobber"], "write `--on-conflict keep`"),
    (
        &["force", "force-recursive", "overwrite"],
        "a tag is overwritten unless `--on-conflict` says otherwise; leave it out",
    ),
    (&["jobs", "parallel", "proc", "j", "concurrent"], "write `--concurrency IMAGES`"),
    (
        &["retry-times", "retries", "retry", "timeout", "command-timeout"],
        "write `--patience TIME`, or `--time-limit TIME`",
    ),
    (&["json", "o", "full-ref"], "write `--output json`, `--output digest` or `--output text`"),
    (&["debug", "verbosity", "log-level", "d"], "write `--verbose`"),
    (&["no-color", "no-colour"], "write `--color never`"),
    (&["file", "f", "c", "list"], "a list is named by `--config FILE`"),
    (&["n", "plan"], "write `--dry-run`"),
    (&["src", "s"], "the source is the first word: `mirror-image copy SOURCE TARGET`"),
    (&["dest", "destination", "t"], "the target is the second word: `mirror-image copy SOURCE TARGET`"),
    (&["to-oci-layout", "oci-layout", "from-oci-layout"], "write `oci:DIRECTORY` in place of an image"),
];

/// What is said of a command that other tools have.
pub fn command(word: &str) -> Option<&'static str> {
    said(COMMANDS, &word.to_ascii_lowercase())
}

/// What is said of a flag that other tools have; without its dashes.
pub fn flag(name: &str) -> Option<&'static str> {
    said(FLAGS, name)
}

fn said(table: &'static [(&[&str], &str)], word: &str) -> Option<&'static str> {
    table.iter().find(|(words, _)| words.contains(&word)).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, FLAGS};
    use crate::inputs::command_line::{Purpose, command_line};
    use crate::inputs::table::INPUTS;

    /// The words between backticks that begin with dashes, or with this program's name.
    #[test]
    fn what_is_advised_exists_and_what_is_known_here_is_advised_of_nowhere() {
        let own = command_line(Purpose::Read);
        let commands: Vec<&str> = own.get_subcommands().map(clap::Command::get_name).collect();
        let flags: Vec<&str> = own.get_arguments().filter_map(clap::Arg::get_long).collect();
        for (words, sentence) in COMMANDS.iter().chain(FLAGS) {
            for span in sentence.split('`').skip(1).step_by(2).flat_map(str::split_whitespace) {
                assert!(!span.starts_with("--") || flags.contains(&&span[2..]), "{span} in {sentence}");
                if let Some(name) = span.strip_prefix("INPUT_") {
                    let name = name.to_ascii_lowercase().replace('_', "-");
                    assert!(INPUTS.iter().any(|input| input.name == name), "{span}");
                }
            }
            let subcommand = sentence.split("`mirror-image ").nth(1).and_then(|rest| rest.split([' ', '`']).next());
            assert!(subcommand.is_none_or(|name| commands.contains(&name)), "{sentence}");
            assert!(!sentence.ends_with('.') && !words.is_empty(), "{sentence}");
        }
        for (words, _) in COMMANDS {
            assert!(words.iter().all(|word| !commands.contains(word)), "{words:?}");
        }
        for (words, _) in FLAGS {
            assert!(words.iter().all(|word| !flags.contains(word)), "{words:?}");
        }
    }
}
