//! The one table of inputs: the command line, the reader of variables, `action.yml` and `docs/inputs.md` come from
//! it.
//!
//! Owns names, kinds, defaults and the help. Never holds the words of a choice: those are listed with the type that they
//! become.

use crate::engine::options::{Attachments, Command, ForeignLayers, OnBudget, OnConflict, Subset};
use crate::github::settings::{AccessMode, Visibility};
pub use crate::inputs::row::{Group, Input, Kind, input};
use crate::inputs::typed::{Checked, FileTask, Form, Task};
use crate::plan::find::rewrite::Digests;
use crate::plan::list::prune::Pruning;
use crate::plan::template::DEFAULT_TARGET;
use crate::policy::{Log, Mode as VerifyMode};
use crate::store::mirrors::rules::{Fallback, Tags};
use crate::text::choice::words;

const C: Task = Task::Images(Command::Copy);
const I: Task = Task::Images(Command::Inspect);
const V: Task = Task::Images(Command::Verify);
const A: Task = Task::Images(Command::Access);

const F: Task = Task::Files(FileTask::Images);
const R: Task = Task::Files(FileTask::Rewrite);
const M: Task = Task::Files(FileTask::Import);

const EVERY: &[Task] = &[C, I, V, A, Task::Tags];
const FILES: &[Task] = &[F];
const FROM_FILES: &[Task] = &[C, I, V, A, F, R];
const NAMED: &[Task] = &[C, I, V, A, F, R, M];
const REWRITE: &[Task] = &[R];
const IMAGES: &[Task] = &[C, I, V, A];
const CONTENT: &[Task] = &[C, I, V];
const TO_TARGET: &[Task] = &[C, V, A];
const TO_TARGET_AND_FILES: &[Task] = &[C, V, A, F, R, M];
const COPY_AND_VERIFY: &[Task] = &[C, V];
const COPY_VERIFY_AND_REWRITE: &[Task] = &[C, V, R];
const COPY_AND_ACCESS: &[Task] = &[C, A];
const COPY: &[Task] = &[C];
const VERIFY: &[Task] = &[V];
const COPY_AND_IMAGES: &[Task] = &[C, F];
const ACCESS_AND_FILES: &[Task] = &[C, A, F, R, M];
const WRITING: &[Task] = &[C, A, R];
/// What the command line has a word for.
const NONE: &[Task] = &[];

/// Every input, in the order in which they are documented.
pub const INPUTS: &[Input] = &[
    input(
        Group::Images,
        NONE,
        "command",
        Kind::Choice(words::<Task>),
        Some("copy"),
        "What to do: `copy`, `inspect` (read the source and print its digests), `verify` (compare source and target, write nothing), `access` (check or grant access on GitHub, copy nothing), `tags` (list those of the repository `source`), `images` (list those that the files of `images-from` name), `rewrite` (write the mirror's names into these files) or `import` (make a list of another tool's).",
    ),
    input(
        Group::Images,
        EVERY,
        "source",
        Kind::Reference,
        None,
        "The image to read: `[registry/]repository[:tag][@digest]` (Docker Hub short names work), or `oci:DIRECTORY[:tag]`, an OCI image layout; `oci:DIRECTORY` with placeholders in `target` is every image that a list has put there. This, `images`, `config` or `images-from` is required.",
    ),
    input(
        Group::Images,
        TO_TARGET_AND_FILES,
        "target",
        Kind::Reference,
        Some(DEFAULT_TARGET),
        "Where it goes; several, a line each or with commas: each image goes to each and is downloaded once. No tag: the source's tag. Placeholders: `{owner}` `{repo}` of this repository, `{registry}` `{repository}` `{namespace}` `{name}` `{tag}` of the source. `oci:DIRECTORY[:tag]` writes an image layout; without a tag, it has the images of a list under their whole names.",
    ),
    input(
        Group::Images,
        IMAGES,
        "images",
        Kind::List,
        None,
        "Many images in place of `source`: `SOURCE` or `SOURCE => TARGET` a line. A target is written as in `target`, which counts for the lines without one. They are worked on together, and what one has brought is not sent for the next.",
    ),
    input(
        Group::Images,
        FROM_FILES,
        "config",
        Kind::List,
        None,
        "Many images by lists, in place of `source`: paths or globs of files below the workspace. A YAML file selects tags by pattern, version and age; any other has `SOURCE` or `SOURCE => TARGET` a line.",
    ),
    input(
        Group::Images,
        NAMED,
        "images-from",
        Kind::List,
        None,
        "Many images, in place of `source`: those that these files name, as paths, globs or directories: Dockerfiles, compose files, objects of Kubernetes and OpenShift, kustomizations, workflows, charts' `Chart.yaml`. What a file leaves open is left out, with a warning that has the file and the line.",
    ),
    input(
        Group::Images,
        FILES,
        "format",
        Kind::Choice(words::<Form>),
        Some("list"),
        "How `images` prints: `list` (for `config`, with comments: where each image stands, and what is unresolved), `lines` (the images alone) or `json`.",
    ),
    input(
        Group::Images,
        REWRITE,
        "digests",
        Kind::Choice(words::<Digests>),
        Some("keep"),
        "What `rewrite` makes of digests: `keep` those that are there, `add` those that `lock` has, `drop` all beside a tag.",
    ),
    input(Group::Images, FILES, "unpinned", Kind::Boolean, Some("false"), "List only the images that have no digest."),
    input(
        Group::Images,
        FROM_FILES,
        "guess",
        Kind::Boolean,
        Some("false"),
        "Look at charts' values too, where keys that end in `image` name images by habit and not for certain.",
    ),
    input(
        Group::Images,
        NAMED,
        "env-file",
        Kind::List,
        None,
        "Files of `NAME=VALUE` lines that fill in the variables of compose files; without one only their defaults are known.",
    ),
    input(
        Group::Images,
        FROM_FILES,
        "build-arg",
        Kind::List,
        None,
        "`NAME=VALUE`, which fills in an `ARG` of Dockerfiles in place of its default.",
    ),
    input(
        Group::Images,
        COPY,
        "request",
        Kind::Text,
        None,
        "Free text in which somebody asks for images, such as an issue: names, commands, addresses of web pages. What `allow` has no room for is not contacted. The output `reply` names the file with the answer.",
    ),
    input(
        Group::Images,
        COPY,
        "request-limit",
        Kind::Text,
        Some("10"),
        "The most images of one `request`; the others are declined.",
    ),
    input(
        Group::Images,
        COPY,
        "allow",
        Kind::List,
        None,
        "Globs for the images that anybody may ask for by `request`, whole names with or without a tag: `docker.io/library/*`, `ghcr.io/acme/app:1.*`. A star in the registry ends at its slash and means no internal address; `*` alone is every public registry. See `requester`.",
    ),
    input(
        Group::Images,
        COPY,
        "requester",
        Kind::Text,
        None,
        "Who asks, in the word of GitHub's `author_association`: `OWNER`, `MEMBER` and `COLLABORATOR` may ask for anything, everybody else for what `allow` matches.",
    ),
    input(
        Group::Images,
        COPY,
        "size-limit",
        Kind::Text,
        None,
        "The largest image that is copied, or image and layer, `10GiB` or `10GiB/2GiB`: counted from the manifests of what is to be copied before a byte is sent. Its attachments may have as much once more.",
    ),
    input(
        Group::Images,
        COPY_VERIFY_AND_REWRITE,
        "lock",
        Kind::File,
        None,
        "The lock file of a list, below the workspace: which digest each tag had. It is written by every `copy` that may change a line, a dry run too; `verify` compares with what it has.",
    ),
    input(
        Group::Images,
        COPY,
        "frozen",
        Kind::Boolean,
        Some("false"),
        "A tag that is not in the lock fails, and so does one that is to be copied and is another digest at its source; what is at its target as locked is not asked for. Nothing in the lock changes.",
    ),
    input(
        Group::Images,
        COPY,
        "lock-update",
        Kind::Text,
        Some("all"),
        "Which lines of the lock may change: `none` (a tag without a line is copied and gets none), `missing` (those that are not there yet), `all`, or a glob for names as the lock has them, `docker.io/library/nginx:*`.",
    ),
    input(
        Group::Images,
        COPY,
        "prune",
        Kind::Choice(words::<Pruning>),
        Some("off"),
        "Tags that the list in `config` made once and no longer selects: `plan` writes what would be deleted to the file `prune-plan`, `apply` deletes what such a file says, or nothing where the target has moved since.",
    ),
    input(
        Group::Images,
        COPY,
        "prune-plan",
        Kind::File,
        Some("mirror-image-prune.txt"),
        "The plan of `prune`, below the workspace: written by `plan`, read by `apply`.",
    ),
    input(
        Group::Images,
        COPY,
        "prune-keep",
        Kind::List,
        None,
        "Tags that `prune` never deletes, globs or `/REGEX/` for a tag or for all of `REGISTRY/REPOSITORY:TAG`: those that others push to the same repositories.",
    ),
    input(
        Group::Images,
        COPY,
        "prune-limit",
        Kind::Text,
        Some("20"),
        "The most tags that a run of `prune: apply` deletes: a plan that has more is refused as a whole.",
    ),
    input(
        Group::Images,
        VERIFY,
        "max-age",
        Kind::Duration,
        None,
        "How long a target may be behind its source, `7d`, `36h`: one that has another digest, or is not there, fails once it is known to be so for longer, or where that cannot be known. See `history`.",
    ),
    input(
        Group::Images,
        VERIFY,
        "history",
        Kind::File,
        None,
        "A file below the workspace that is kept from run to run: since when each target has been seen behind its source. Without it `max-age` knows only that an image was not there before it was made.",
    ),
    input(
        Group::Images,
        EVERY,
        "shard",
        Kind::Text,
        None,
        "Take only part I of N of the images, `I/N`: every image is in one part, whichever runner works it out. The output `matrix` of a dry run over a list proposes parts.",
    ),
    input(
        Group::Images,
        COPY,
        "time-limit",
        Kind::Duration,
        None,
        "How long the run may take, `50m`: what is under way then is stopped where it is, and with the rest `deferred`. Set it below the job's own limit, which shows no report.",
    ),
    input(
        Group::Images,
        COPY,
        "pull-budget",
        Kind::Text,
        None,
        "How many pulls the run may take of an account where manifests that are fetched are billed as pulls (Docker Hub): a number, or `auto` for as many as the registry says are left. An image is begun when they reach for it; the others are `deferred`.",
    ),
    input(
        Group::Images,
        COPY,
        "on-budget",
        Kind::Choice(words::<OnBudget>),
        Some("defer"),
        "When a limit has left images for another run: `defer` (the run is well) or `fail`; `wait`, with `pull-budget: auto`, waits for pulls that come back, as long as `time-limit` allows.",
    ),
    input(
        Group::Images,
        CONTENT,
        "platforms",
        Kind::List,
        Some("all"),
        "`all`, or names `os/arch[/variant]`. One: its manifest alone is copied, under its own digest. Several: see `subset`.",
    ),
    input(
        Group::Images,
        COPY_AND_VERIFY,
        "subset",
        Kind::Choice(words::<Subset>),
        Some("auto"),
        "Several but not all platforms: `sparse` keeps the index and its digest and copies only those; `rewrite` writes a smaller index with a new digest; `auto` is `sparse`, and where the target refuses that `rewrite`, with a warning. With `expected-digest`, `auto` is `sparse`.",
    ),
    input(
        Group::Images,
        CONTENT,
        "attachments",
        Kind::Choice(words::<Attachments>),
        Some("all"),
        "What comes along with an image that is copied, for the index and each platform: `all` (signatures, SBOMs, attestations, any referrer), `signatures` or `none`.",
    ),
    input(
        Group::Images,
        CONTENT,
        "expected-digest",
        Kind::Digest,
        None,
        "The digest that the source must resolve to; otherwise the run fails and nothing is written.",
    ),
    input(
        Group::Images,
        CONTENT,
        "verify-key",
        Kind::Text,
        None,
        "The public keys of which one must have signed the source, before anything is written: PEM files below the workspace, one a line, or the PEM text itself (cosign's `cosign.pub`: ECDSA P-256 or P-384, Ed25519, RSA).",
    ),
    input(
        Group::Images,
        CONTENT,
        "verify-identity",
        Kind::Text,
        None,
        "Who must have signed the source, by a certificate: an address or a URI, or `/REGEX/` for the whole of it. Needs `verify-issuer`.",
    ),
    input(
        Group::Images,
        CONTENT,
        "verify-issuer",
        Kind::Text,
        None,
        "Who vouches for `verify-identity`, or `/REGEX/`: `https://token.actions.githubusercontent.com` for GitHub Actions.",
    ),
    input(
        Group::Images,
        CONTENT,
        "verify-predicate",
        Kind::Text,
        None,
        "The type of an attestation that counts in place of a signature: `https://slsa.dev/provenance/v1` for GitHub's.",
    ),
    input(
        Group::Images,
        CONTENT,
        "verify-mode",
        Kind::Choice(words::<VerifyMode>),
        Some("require"),
        "What becomes of an image that is not signed so: `require` fails it before anything is written, `warn` copies it and says so, `off` asks nothing.",
    ),
    input(
        Group::Images,
        CONTENT,
        "verify-log",
        Kind::Choice(words::<Log>),
        Some("require"),
        "Whether the signature must be in a transparency log: `require`, or `ignore` for keys whose signatures are kept out of it.",
    ),
    input(
        Group::Images,
        CONTENT,
        "trusted-root",
        Kind::File,
        None,
        "A trusted root of sigstore (`trusted_root.json`) in place of the built-in ones of the public instance and of GitHub's, a file below the workspace.",
    ),
    input(
        Group::Run,
        COPY,
        "on-conflict",
        Kind::Choice(words::<OnConflict>),
        Some("overwrite"),
        "What to do when the target tag exists with another digest: `overwrite`, `keep` or `fail`.",
    ),
    input(
        Group::Run,
        WRITING,
        "dry-run",
        Kind::Boolean,
        Some("false"),
        "Stop before the first write and say what would be copied; of `rewrite`, what would change.",
    ),
    input(
        Group::Logins,
        EVERY,
        "github-token",
        Kind::Secret,
        Some("${{ github.token }}"),
        "Token for `ghcr.io`, or for the registry of this GitHub Enterprise server, and for reading packages by that server's API; it is sent nowhere else.",
    ),
    input(Group::Logins, EVERY, "source-username", Kind::Text, None, "User name for the source's registry."),
    input(Group::Logins, EVERY, "source-password", Kind::Secret, None, "Password or token for the source's registry."),
    input(Group::Logins, TO_TARGET, "target-username", Kind::Text, None, "User name for the target's registry."),
    input(
        Group::Logins,
        TO_TARGET,
        "target-password",
        Kind::Secret,
        None,
        "Password or token for the target's registry.",
    ),
    input(
        Group::Logins,
        EVERY,
        "registry-auth",
        Kind::SecretLines,
        None,
        "Credentials for several registries, `HOST[/PATH] USERNAME PASSWORD` a line, the password to the end of the line. The longest match wins; a line with only a host is skipped.",
    ),
    input(
        Group::Logins,
        EVERY,
        "registry-identities",
        Kind::List,
        None,
        "Logins without a stored secret, a YAML list or `HOST TYPE key=value …` a line: the job's identity (`permissions: id-token: write`), or what the machine has, is exchanged when a registry wants a login, and again before that ends. Types: `dockerhub`, `aws-ecr`, `gcp-wif`, `azure-acr`, `quay`, `jfrog`, `chainguard`. Passwords in inputs come first.",
    ),
    input(
        Group::Logins,
        EVERY,
        "token-services",
        Kind::List,
        None,
        "Token services of another domain that may see a registry's credential, `REGISTRY = HOST[:PORT]` a line. Without a line a token service sees it only where it belongs to the registry. What is named here may be in your own network, storage with a private endpoint too.",
    ),
    input(
        Group::Registries,
        COPY,
        "create-repositories",
        Kind::Boolean,
        Some("false"),
        "Create a repository that the target does not have, at ECR and ECR Public, which do not do so on a push: with the session of its `aws-ecr` login in `registry-identities`, and the account's own settings.",
    ),
    input(
        Group::Registries,
        CONTENT,
        "registry-mirrors",
        Kind::List,
        None,
        "Mirrors to read from, `REGISTRY[/PATH] = HOST[:PORT][/PATH], …` a line; the registry itself comes last. For a registry without a rule here those of the variable `CNB_REGISTRY_MIRRORS` count; `none` switches that off.",
    ),
    input(
        Group::Registries,
        CONTENT,
        "mirror-tags",
        Kind::Choice(words::<Tags>),
        Some("verify"),
        "Whom to believe about a tag: `verify` (a mirror, if the registry itself agrees or cannot be asked), `first` (whoever answers first) or `origin` (the registry itself; mirrors only deliver).",
    ),
    input(
        Group::Registries,
        CONTENT,
        "mirror-fallback",
        Kind::Choice(words::<Fallback>),
        Some("original"),
        "After the mirrors, ask the registry itself (`original`) or nobody (`never`).",
    ),
    input(
        Group::Registries,
        EVERY,
        "insecure-registries",
        Kind::List,
        None,
        "Hosts that are spoken to over plain HTTP, separated by commas or newlines. Loopback addresses and `localhost` always are, unless they turn out to speak TLS.",
    ),
    input(
        Group::Registries,
        EVERY,
        "ca-certificates",
        Kind::List,
        None,
        "CA certificates to trust besides the system's, `HOST[, HOST] = FILE` a line, a PEM file below the workspace. A line of a file alone is for every host, GitHub's API and `ghcr.io` among them: whoever has that authority's key can then pass for them.",
    ),
    input(
        Group::Access,
        COPY_AND_ACCESS,
        "access",
        Kind::Choice(words::<AccessMode>),
        None,
        "What to do about the package's access on GitHub: `report` (the default), `apply` (grant `teams` and `users` their roles on `access-repository`; implied by them) or `off`.",
    ),
    input(
        Group::Access,
        COPY_AND_ACCESS,
        "admin-token",
        Kind::Secret,
        None,
        "Token for the grants: of a GitHub App, or a personal one, with Administration: write on `access-repository` and Members: read. It is sent to GitHub's API only.",
    ),
    input(
        Group::Access,
        COPY_AND_ACCESS,
        "access-repository",
        Kind::Text,
        None,
        "`OWNER/REPO`, the repository that the package inherits its access from. Default: this repository.",
    ),
    input(
        Group::Access,
        COPY_AND_ACCESS,
        "teams",
        Kind::List,
        None,
        "Teams of the organisation, `SLUG=read|write|admin` each, that are to have this role at least.",
    ),
    input(
        Group::Access,
        COPY_AND_ACCESS,
        "users",
        Kind::List,
        None,
        "People, `LOGIN=read|write|admin` each, who are to have this role at least.",
    ),
    input(
        Group::Access,
        COPY_AND_ACCESS,
        "expected-visibility",
        Kind::Choice(words::<Option<Visibility>>),
        Some("any"),
        "The visibility that the package must have. It is checked, never set: GitHub has no call for it.",
    ),
    input(
        Group::Access,
        ACCESS_AND_FILES,
        "strict",
        Kind::Boolean,
        Some("false"),
        "Fail the run when access is not as wanted: another role, link or visibility, a missing token, a step that only a person can do. Of `images`: fail where an image is unresolved; of `rewrite`: where one stays as it is; of `import`: where something is not carried over.",
    ),
    input(
        Group::Run,
        EVERY,
        "patience",
        Kind::Duration,
        Some("5m"),
        "How long to go on trying while a registry makes no progress: `30s`, `5m`, `1h`.",
    ),
    input(
        Group::Run,
        COPY_AND_IMAGES,
        "check",
        Kind::Choice(words::<Checked>),
        Some("quick"),
        "How an unchanged tag is looked at: `quick` compares digests; `deep` asks the target for every part and attachment and sends again what is missing. Of `images`: `list` fails where a file names an image that the list in `config` does not mirror, and prints those.",
    ),
    input(
        Group::Run,
        IMAGES,
        "fail-fast",
        Kind::Boolean,
        Some("false"),
        "After the first image that fails, begin no other: those under way go on to their end, the rest are `deferred`.",
    ),
    input(
        Group::Run,
        IMAGES,
        "concurrency",
        Kind::Concurrency,
        None,
        "The most images at once, and behind a slash the most requests at once to one host: `8`, `8/16`. Default: 64 images, and as many requests as a host answers well, at most 145.",
    ),
    input(
        Group::Images,
        COPY_AND_VERIFY,
        "foreign-layers",
        Kind::Choice(words::<ForeignLayers>),
        Some("skip"),
        "Layers that registries do not hold (Windows base layers of old images): `skip` leaves them where their URLs say, `include` sends them to the target.",
    ),
    input(
        Group::Results,
        COPY,
        "attest",
        Kind::Boolean,
        Some("false"),
        "Sign a statement of what was copied from where, when, by which run and held against which policy, in the name of the job (`permissions: id-token: write`), and attach it to each image at the target. For a public repository the certificate, with workflow and run, is in sigstore's public log, which is sent the statement too.",
    ),
    input(
        Group::Results,
        COPY,
        "signing-config",
        Kind::File,
        None,
        "The services that sign for `attest`, in place of sigstore's public instance (for public repositories) and GitHub's own (for all others): a file below the workspace, sigstore's signing configuration of version 0.2.",
    ),
    input(
        Group::Results,
        COPY,
        "emit",
        Kind::List,
        Some("none"),
        "Configuration to write for those who pull: `mapping`, `registries-conf`, `openshift`, `imagestream`, `kustomize`, `buildkit`, `cnb`, `k3s`, or `all` of these; by name only: `registries-conf-tags`, `containerd`, `buildkitd`, `kyverno`, `helm`, `lines`, `sed`, `compose-override` (of the services of `images-from`), `podman-policy`, `openshift-policy` and `kyverno-policy` (the policies that images were held against, under the mirror's name), and `catalogue`, a web page of the images.",
    ),
    input(
        Group::Results,
        COPY,
        "emit-directory",
        Kind::File,
        Some("mirror-image"),
        "Where to write it: a directory below the workspace.",
    ),
    input(
        Group::Results,
        IMAGES,
        "report-file",
        Kind::File,
        None,
        "A file for the whole JSON report, whatever its length. It is overwritten; its directory must be there.",
    ),
    input(Group::Results, IMAGES, "summary", Kind::Boolean, Some("true"), "Write the job summary."),
];

pub fn known(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|input| input.name == name)
}

#[cfg(test)]
mod tests {
    use super::{INPUTS, Kind};

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
