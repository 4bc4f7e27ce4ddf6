//! Hints: what the user can do about a failure, most likely first.
//!
//! Owns the advice and the knowledge of registries behind it. Must never guess at a cause that the answer does not
//! show, and never advise to weaken a check that just did its work.

use crate::error::{Cause, ConnectionFailure, Error, Refusal, Side};

/// What a hint needs to know of the request that failed.
struct Request<'a> {
    side: Side,
    action: &'a str,
    /// Host, and port where there is one.
    host: &'a str,
    /// The repository without its host.
    repository: &'a str,
}

impl<'a> Request<'a> {
    fn new(side: Side, action: &'a str, object: &'a str) -> Self {
        let name = object.split_once('@').map_or(object, |(name, _)| name);
        let name = name.split(' ').next().unwrap_or(name);
        let (host, path) = name.split_once('/').unwrap_or((name, ""));
        let repository = match path.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => before,
            _ => path,
        };
        Self { side, action, host, repository }
    }

    fn is_github(&self) -> bool {
        self.host == "ghcr.io" || self.host.starts_with("containers.")
    }

    fn is_docker_hub(&self) -> bool {
        matches!(self.host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
    }

    fn is_ecr(&self) -> bool {
        self.host.contains(".dkr.ecr") || self.host.contains(".dkr-ecr")
    }

    fn writes(&self) -> bool {
        self.side == Side::Target
    }

    /// `read` or `write`, as the `packages` permission has it.
    fn permission(&self) -> &'static str {
        if self.writes() { "write" } else { "read" }
    }

    fn inputs(&self) -> String {
        format!("`{0}-username` and `{0}-password`", self.side)
    }

    /// Where a package's access is set.
    fn package_settings(&self) -> String {
        let (owner, package) = self.repository.split_once('/').unwrap_or((self.repository, ""));
        if self.host != "ghcr.io" || package.is_empty() {
            return "the package's settings".to_owned();
        }
        let package = package.replace('/', "%2F");
        format!(
            "`https://github.com/orgs/{owner}/packages/container/{package}/settings` (for a personal account `users` \
             instead of `orgs`)"
        )
    }
}

impl Error {
    /// What the user can do, most likely first; empty where the message itself says it.
    pub fn hints(&self) -> Vec<String> {
        let mut hints = match self {
            Self::Input { .. } | Self::Local(_) => Vec::new(),
            Self::Registry { side, action, object, cause } => of_cause(&Request::new(*side, action, object), cause),
            Self::DigestMismatch { side, .. } => vec![
                "run again: a broken transfer or a stale cache is the usual reason".to_owned(),
                match side {
                    Side::Source => "if it stays, something between here and the registry changes content: read from \
                                     another mirror (`registry-mirrors`) or without the proxy"
                        .to_owned(),
                    Side::Target => "if it stays, the target registry or a proxy before it changes manifests: ask for \
                                     that to be switched off, a mirror must keep digests"
                        .to_owned(),
                },
            ],
            // What is wrong with a directory, its sentence says.
            Self::Content { object, .. } if object.starts_with("oci:") => Vec::new(),
            Self::Content { side: Side::Source, .. } => vec![
                "the image is broken at its source: pull it with another tool to confirm, and tell its publisher"
                    .to_owned(),
            ],
            Self::Content { side: Side::Target, .. } => vec![
                "run again with `check: deep`, which sends again what is \
                                                             missing or broken"
                    .to_owned(),
            ],
            Self::Unexpected { actual, .. } => vec![
                format!(
                    "if the publisher moved the tag and the new image is the one you want, set `expected-digest: \
                     {actual}`"
                ),
                "to stay with the old image, name the source by digest: `repository:tag@sha256:…`".to_owned(),
            ],
            Self::Conflict { .. } => vec![
                "to replace what the tag points at, set `on-conflict: overwrite`".to_owned(),
                "to leave it, set `on-conflict: keep`, or choose another tag in `target`".to_owned(),
            ],
            Self::Platform { .. } => {
                vec!["choose `platforms` from that list, or `all` to copy the image as it is".to_owned()]
            }
            Self::Different { .. } => {
                vec![
                    "run `command: copy` with the same inputs to bring the target up to date, and with `check: deep` where \
                     the digest is right and parts are missing"
                        .to_owned(),
                ]
            }
            Self::Cancelled { .. } => {
                vec!["run again: what is finished is kept and is not sent a second time".to_owned()]
            }
        };
        let mut seen = std::collections::HashSet::new();
        hints.retain(|hint| seen.insert(hint.clone()));
        hints
    }
}

fn of_cause(request: &Request<'_>, cause: &Cause) -> Vec<String> {
    match cause {
        Cause::Refused(refusal) => of_refusal(request, refusal, None),
        Cause::Token { refusal, with_credential, service } => match refusal.as_ref() {
            Cause::Refused(refusal) => of_refusal(request, refusal, Some(*with_credential)),
            // The host that does not answer is then the token service's.
            other => of_cause(&Request { host: service, ..*request }, other),
        },
        Cause::Connection { kind, detail } => of_connection(request, *kind, detail),
        Cause::Protocol(_) => vec![format!(
            "check that `{}` is a registry and not a web page, a login portal or a proxy that answers in its place",
            request.host
        )],
        Cause::Patience { last, .. } => {
            let mut hints = vec!["run again later: what is finished is kept and is not sent a second time".to_owned()];
            hints.extend(of_cause(request, last));
            hints
        }
    }
}

/// `with_credential` is known when the token service refused.
fn of_refusal(request: &Request<'_>, refusal: &Refusal, with_credential: Option<bool>) -> Vec<String> {
    let code = refusal.code.as_deref().unwrap_or_default();
    let message = refusal.message.to_ascii_lowercase();
    let says = |part: &str| message.contains(part);
    match refusal.status {
        // GitHub dresses throttling up as a 403: it must come before everything about permissions.
        _ if says("secondary rate limit") => vec![
            "this is throttling and not a lack of permission: wait some minutes, then run again".to_owned(),
            "spread the work: fewer jobs at once".to_owned(),
        ],
        429 => throttled(request, refusal, says("pull rate limit") || code == "TOOMANYREQUESTS" && says("upgrade")),
        _ if says("egress is over the account limit") => {
            vec!["the registry's storage is over its own limit for now: run again in an hour".to_owned()]
        }
        _ if says("installation not allowed to create") => vec![
            "allow Actions to create packages: the organisation's Settings → Packages → Package creation, and Settings \
             → Actions → General → Workflow permissions"
                .to_owned(),
            "use `github-token: ${{ github.token }}` with `permissions: packages: write`: the token of another GitHub \
             App cannot create an organisation's package"
                .to_owned(),
        ],
        _ if says("installation not allowed to write") => vec![
            "use `github-token: ${{ github.token }}` with `permissions: packages: write`, or a classic personal access \
             token with `write:packages`: a GitHub App's token cannot write an organisation's package"
                .to_owned(),
        ],
        _ if says("write_package") => vec![
            "give the job `permissions: packages: write`".to_owned(),
            format!(
                "the package exists and is not linked to this repository: open {} → Manage Actions access → add this \
                 repository with role Write",
                request.package_settings()
            ),
        ],
        _ if says("immutable") || code == "TAG_IMMUTABLE" => vec![
            "the target's tags cannot be moved: set `on-conflict: keep`, or choose a new tag in `target`".to_owned(),
            "or make the tags of this repository mutable in the registry's settings".to_owned(),
        ],
        _ if request.writes() && says("quota") => {
            vec![format!("the storage quota at `{}` is used up: delete old images or raise it", request.host)]
        }
        401 | 403 => denied(request, refusal.status, with_credential),
        404 | 400 if code == "NAME_UNKNOWN" || code == "REPOSITORY_NOT_FOUND" => no_repository(request),
        _ if code == "MANIFEST_BLOB_UNKNOWN" || code == "MANIFEST_UNKNOWN" && request.action.starts_with("PUT") => {
            vec![
            "if only some `platforms` are copied, this registry wants all of them: set `platforms: all`, or `subset: \
             rewrite` (a new digest)"
                .to_owned(),
            "otherwise run again with `check: deep`: what the registry lost is sent again".to_owned(),
        ]
        }
        404 if request.writes() && request.is_ecr() => no_repository(request),
        404 => not_found(request),
        413 => vec![
            "the body is larger than the registry, or a proxy before it, accepts: raise the limit there (nginx: \
             `client_max_body_size 0`)"
                .to_owned(),
            if request.is_github() {
                "ghcr.io takes layers up to 10 GB: a larger one cannot be mirrored there".to_owned()
            } else {
                format!("see the largest layer that `{}` documents", request.host)
            },
        ],
        400 | 415 if code == "MANIFEST_INVALID" || refusal.status == 415 => vec![
            format!("`{}` does not accept this kind of manifest: see what it says about OCI images", request.host),
            "if only some `platforms` are copied, try `platforms: all`, or `subset: rewrite` (a new digest)".to_owned(),
            "if an attachment was refused, set `attachments: none` to copy the image alone".to_owned(),
        ],
        405 => vec![format!(
            "`{}` does not allow this: check that the name is a {} that can be {}",
            request.host,
            request.side,
            if request.writes() { "written, not a read-only cache" } else { "read" }
        )],
        408 | 500..=599 => vec![format!(
            "the fault is at `{}`: see its status page and run again; what is finished is kept",
            request.host
        )],
        _ => Vec::new(),
    }
}

fn throttled(request: &Request<'_>, refusal: &Refusal, quota: bool) -> Vec<String> {
    let again = match refusal.retry_after {
        Some(wait) => format!("run again after {} s: what is finished is kept", wait.as_secs().max(1)),
        None => "run again later: what is finished is kept".to_owned(),
    };
    if !request.is_docker_hub() {
        return vec![again, "spread the work: fewer jobs at once".to_owned()];
    }
    let inputs = request.inputs();
    let login = format!(
        "log in to Docker Hub with {inputs}: an account has its own quota, without one a whole address shares 100 pulls \
         in 6 hours"
    );
    let mirror = "read through a cache: `registry-mirrors: docker.io = mirror.gcr.io`".to_owned();
    if quota {
        return vec![login, mirror, "run again in some hours: an unchanged image costs no pull".to_owned()];
    }
    vec![again, login, mirror]
}

fn denied(request: &Request<'_>, status: u16, with_credential: Option<bool>) -> Vec<String> {
    let Request { host, side, .. } = *request;
    let inputs = request.inputs();
    let mut hints = Vec::new();
    // A 403 means that somebody was recognised; only 401 without a credential is surely "nobody asked".
    let anonymous = with_credential == Some(false);
    if request.is_github() {
        let permission = request.permission();
        if anonymous {
            hints.push(format!(
                "set `github-token: ${{{{ github.token }}}}` and give the job `permissions: packages: {permission}`"
            ));
        } else {
            hints.push(format!("give the job `permissions: packages: {permission}`"));
            hints.push(format!(
                "if the package exists, let this repository use it: open {} → Manage Actions access → add this \
                 repository with role {}",
                request.package_settings(),
                if request.writes() { "Write" } else { "Read" }
            ));
        }
        hints.push(format!(
            "for a package of another owner, set {inputs} with a classic personal access token that has \
             `{permission}:packages`"
        ));
        if request.writes() {
            hints.push("a pull request from a fork cannot write packages: run on `push` or `schedule`".to_owned());
        }
    } else if anonymous {
        hints.push(format!("no credential was given for `{host}`: set {inputs}, or a line in `registry-auth`"));
    } else {
        hints.push(if with_credential == Some(true) && status == 401 {
            format!("`{host}` did not accept the credential: check {inputs}, or the line in `registry-auth`")
        } else {
            format!(
                "check that {inputs}, or the line in `registry-auth`, belong to an account that may {} `{}` at `{host}`",
                if request.writes() { "push to" } else { "pull" },
                request.repository
            )
        });
        if request.is_docker_hub() {
            hints.push("Docker Hub takes a personal access token as password; for pushing it needs Write".to_owned());
        } else if request.is_ecr() {
            hints.push(
                "an ECR password is good for 12 hours: get a new one with `aws ecr get-login-password`".to_owned(),
            );
        }
    }
    if side == Side::Source {
        hints.push(format!(
            "check the name: `{host}` may answer the same for an image that is private and for one that does not exist"
        ));
    }
    hints
}

fn no_repository(request: &Request<'_>) -> Vec<String> {
    let Request { repository, host, .. } = *request;
    if !request.writes() {
        return not_found(request);
    }
    if request.is_ecr() {
        return vec![format!(
            "ECR does not create repositories by itself: `aws ecr create-repository --repository-name {repository}`"
        )];
    }
    vec![format!(
        "create the repository `{repository}`, or the project that it is in, at `{host}` first: not every registry does \
         so on a push"
    )]
}

fn not_found(request: &Request<'_>) -> Vec<String> {
    let Request { host, repository, .. } = *request;
    if request.writes() {
        return vec![
            format!("check `target`: `{host}` knows no such repository, or does not let this account see it"),
            "run again: some registries need a moment after a push".to_owned(),
        ];
    }
    let mut hints = vec![format!("check the name and the tag: `{host}/{repository}` may not have it, or no longer")];
    let inputs = request.inputs();
    if request.is_github() {
        hints.push(format!(
            "if it is private, give the job `permissions: packages: read` and the package this repository, or set \
             {inputs}"
        ));
    } else {
        hints.push(format!("if it is private, set {inputs}, or a line in `registry-auth`"));
    }
    hints
}

fn of_connection(request: &Request<'_>, kind: ConnectionFailure, detail: &str) -> Vec<String> {
    let host = request.host;
    let plain = format!("if `{host}` speaks plain HTTP, name it in `insecure-registries`");
    match kind {
        ConnectionFailure::Dns => vec![
            format!("check the spelling of `{host}`"),
            "if the name is known only inside your network, use a self-hosted runner there".to_owned(),
            "if the way out is a proxy, set `HTTPS_PROXY` in the job's `env`".to_owned(),
        ],
        ConnectionFailure::Refused => vec![
            format!("check the host and the port of `{host}`, and that the registry is running"),
            "inside the action's container `localhost` is the container: give a service by its name, or the host's \
             address"
                .to_owned(),
        ],
        ConnectionFailure::Tls => {
            let detail = detail.to_ascii_lowercase();
            let authority = format!(
                "if `{host}` has a certificate of your own authority, give its root with `ca-certificates: FILE.pem`"
            );
            if detail.contains("expired") {
                vec![format!("the certificate of `{host}` is out of date: its operator must renew it"), authority]
            } else if detail.contains("certificate") || detail.contains("issuer") {
                let name = format!("check that the certificate names `{host}`, and that this machine's clock is right");
                if detail.contains("forname") { vec![name, authority] } else { vec![authority, name] }
            } else {
                vec![plain, authority]
            }
        }
        ConnectionFailure::Timeout => vec![
            format!("check that a firewall lets this runner reach `{host}`"),
            "if the way out is a proxy, set `HTTPS_PROXY` in the job's `env`".to_owned(),
        ],
        ConnectionFailure::Broken => {
            vec!["run again: what is finished is kept and is not sent a second time".to_owned()]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::digest::Digest;

    const GHCR: &str = "ghcr.io/acme/mirror/alpine:3.20";
    const HUB: &str = "docker.io/library/alpine:3.20";
    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/alpine:3.20";
    const OTHER: &str = "registry.example.com:5000/team/app@sha256:00";

    fn refused(status: u16, code: &str, message: &str) -> Cause {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Cause::Refused(Refusal { status, code, message: message.to_owned(), ..Refusal::default() })
    }

    fn token(status: u16, with_credential: bool) -> Cause {
        let refusal = Box::new(refused(status, "", ""));
        Cause::Token { service: "auth.example.com".to_owned(), refusal, with_credential }
    }

    fn connection(kind: ConnectionFailure, detail: &str) -> Cause {
        Cause::Connection { kind, detail: detail.to_owned() }
    }

    /// What happened, where, the cause, and a part of each hint that must be there, in order.
    type Case = (&'static str, Side, &'static str, &'static str, Cause, &'static [&'static str]);

    fn check(cases: Vec<Case>) {
        for (what, side, action, object, cause, parts) in cases {
            let hints = Error::Registry { side, action, object: object.to_owned(), cause }.hints();
            let mut rest = hints.iter();
            for part in parts {
                assert!(rest.any(|hint| hint.contains(part)), "{what}: no `{part}`, in its place, in {hints:#?}");
            }
            assert!(
                !hints.iter().any(|hint| hint.ends_with('.') || hint.contains('\n') || hint.contains("  ")),
                "{what}: {hints:#?}"
            );
            assert_eq!(parts.is_empty(), hints.is_empty(), "{what}: {hints:#?}");
        }
    }

    #[test]
    fn each_refusal_about_access_says_what_to_set_and_where() {
        use Side::{Source, Target};
        let (get, put) = ("GET manifest", "PUT manifest");
        check(vec![
            (
                "nobody asked",
                Source,
                get,
                OTHER,
                token(401, false),
                &[
                    "no credential was given for `registry.example.com:5000`: set `source-username` and `source-password`",
                    "private",
                ],
            ),
            ("nobody asked to write", Target, put, OTHER, token(401, false), &["`target-username`"]),
            (
                "a wrong password",
                Target,
                put,
                OTHER,
                token(401, true),
                &["did not accept the credential: check `target-username`"],
            ),
            (
                "a wrong password at Docker Hub",
                Target,
                put,
                HUB,
                token(401, true),
                &["did not accept", "personal access token"],
            ),
            (
                "an old password at ECR",
                Target,
                put,
                ECR,
                refused(403, "DENIED", "expired"),
                &["push to", "get-login-password"],
            ),
            (
                "no right to pull",
                Source,
                get,
                OTHER,
                refused(403, "DENIED", ""),
                &["may pull `team/app`", "check the name"],
            ),
        ]);
    }

    #[test]
    fn each_refusal_of_github_says_what_to_set_and_where() {
        use Side::{Source, Target};
        let (get, put) = ("GET manifest", "PUT manifest");
        let throttle = "denied: permission_denied: You have exceeded a secondary rate limit. Please wait a few minutes";
        check(vec![
            (
                "GitHub without a token",
                Source,
                get,
                GHCR,
                token(401, false),
                &[
                    "`github-token: ${{ github.token }}` and give the job `permissions: packages: read`",
                    "`read:packages`",
                    "private",
                ],
            ),
            (
                "GitHub with a token",
                Target,
                put,
                GHCR,
                token(403, true),
                &[
                    "`permissions: packages: write`",
                    "acme/packages/container/mirror%2Falpine/settings",
                    "`write:packages`",
                    "fork",
                ],
            ),
            (
                "a package of another repository",
                Target,
                put,
                GHCR,
                refused(403, "DENIED", "permission_denied: write_package"),
                &[
                    "`permissions: packages: write`",
                    "not linked to this repository: open `https://github.com/orgs/acme/packages/container/mirror%2Falpine/",
                ],
            ),
            (
                "no right to create",
                Target,
                put,
                GHCR,
                refused(403, "DENIED", "installation not allowed to Create organization package"),
                &["Package creation", "github.token"],
            ),
            (
                "an app's token",
                Target,
                put,
                GHCR,
                refused(403, "DENIED", "installation not allowed to Write organization package"),
                &["classic personal access token"],
            ),
            (
                "throttling dressed as 403",
                Target,
                put,
                GHCR,
                refused(403, "DENIED", throttle),
                &["throttling and not a lack of permission"],
            ),
        ]);
    }

    #[test]
    fn each_limit_says_how_to_get_below_it() {
        use Side::Source;
        let get = "GET manifest";
        let wait =
            Cause::Refused(Refusal { status: 429, retry_after: Some(Duration::from_secs(60)), ..Refusal::default() });
        check(vec![
            (
                "Docker Hub's quota",
                Source,
                get,
                HUB,
                refused(429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit"),
                &["log in to Docker Hub with `source-username`", "mirror.gcr.io", "costs no pull"],
            ),
            ("Docker Hub's abuse limit", Source, get, HUB, wait.clone(), &["after 60 s", "log in"]),
            ("another registry's limit", Source, get, OTHER, wait, &["after 60 s", "fewer jobs"]),
            (
                "GitHub's egress limit",
                Source,
                "GET blob",
                GHCR,
                refused(503, "", "Egress is over the account limit."),
                &["in an hour"],
            ),
        ]);
    }

    #[test]
    fn each_missing_thing_says_where_to_look() {
        use Side::{Source, Target};
        let get = "GET manifest";
        check(vec![
            (
                "no such tag",
                Source,
                get,
                HUB,
                refused(404, "MANIFEST_UNKNOWN", "manifest unknown"),
                &["check the name and the tag: `docker.io/library/alpine`", "if it is private, set `source-username`"],
            ),
            (
                "no such package",
                Source,
                get,
                GHCR,
                refused(404, "MANIFEST_UNKNOWN", ""),
                &["check the name", "`permissions: packages: read`"],
            ),
            ("no such repository to read", Source, get, OTHER, refused(404, "NAME_UNKNOWN", ""), &["check the name"]),
            (
                "no such repository to write",
                Target,
                "POST upload",
                OTHER,
                refused(404, "NAME_UNKNOWN", ""),
                &["create the repository `team/app`"],
            ),
            (
                "no such repository at ECR",
                Target,
                "POST upload",
                ECR,
                refused(404, "NAME_UNKNOWN", ""),
                &["aws ecr create-repository --repository-name mirror/alpine"],
            ),
            (
                "no such repository at ECR, without a code",
                Target,
                "POST upload",
                ECR,
                refused(404, "", ""),
                &["create-repository"],
            ),
            (
                "nothing at the target",
                Target,
                "HEAD manifest",
                OTHER,
                refused(404, "", ""),
                &["check `target`", "a moment"],
            ),
        ]);
    }

    #[test]
    fn each_refusal_of_content_says_what_to_change() {
        use Side::{Source, Target};
        let (get, put) = ("GET manifest", "PUT manifest");
        check(vec![
            (
                "a tag that cannot be moved",
                Target,
                put,
                ECR,
                refused(
                    400,
                    "TAG_INVALID",
                    "The image tag '3.20' already exists and cannot be overwritten because the repository is immutable.",
                ),
                &["`on-conflict: keep`", "mutable"],
            ),
            (
                "a full project",
                Target,
                "PUT blob",
                OTHER,
                refused(403, "DENIED", "adding 3 MiB will exceed the project quota"),
                &["storage quota"],
            ),
            ("too large", Target, "PUT blob", OTHER, refused(413, "", ""), &["client_max_body_size"]),
            (
                "too large for GitHub",
                Target,
                "PUT blob",
                GHCR,
                refused(413, "", ""),
                &["client_max_body_size", "10 GB"],
            ),
            (
                "a kind of manifest it does not know",
                Target,
                put,
                OTHER,
                refused(400, "MANIFEST_INVALID", ""),
                &["does not accept this kind", "`subset: rewrite`", "`attachments: none`"],
            ),
            (
                "a hole",
                Target,
                put,
                OTHER,
                refused(400, "MANIFEST_BLOB_UNKNOWN", ""),
                &["`platforms: all`", "`check: deep`"],
            ),
            (
                "a missing child",
                Target,
                put,
                OTHER,
                refused(404, "MANIFEST_UNKNOWN", ""),
                &["`subset: rewrite`", "`check: deep`"],
            ),
            ("a read-only cache", Target, put, OTHER, refused(405, "UNSUPPORTED", ""), &["read-only"]),
            ("the registry's own fault", Source, get, OTHER, refused(502, "", ""), &["status page"]),
            ("something unheard of", Source, get, OTHER, refused(418, "", ""), &[]),
        ]);
    }

    #[test]
    fn each_broken_connection_says_where_to_look() {
        use ConnectionFailure::{Broken, Dns, Refused, Timeout, Tls};
        let (side, get) = (Side::Source, "GET manifest");
        let patience = |last| Cause::Patience { waited: Duration::from_secs(60), last: Box::new(last) };
        let service = Cause::Token {
            service: "auth.example.com".to_owned(),
            refusal: Box::new(connection(Dns, "")),
            with_credential: false,
        };
        check(vec![
            (
                "no such host",
                side,
                get,
                OTHER,
                connection(Dns, ""),
                &["spelling of `registry.example.com:5000`", "HTTPS_PROXY"],
            ),
            ("no such token service", side, get, OTHER, service, &["spelling of `auth.example.com`"]),
            (
                "nothing listens",
                side,
                get,
                OTHER,
                connection(Refused, ""),
                &["the port", "`localhost` is the container"],
            ),
            (
                "no TLS at all",
                side,
                get,
                OTHER,
                connection(Tls, "received corrupt message of type InvalidContentType"),
                &["`insecure-registries`", "`ca-certificates: FILE.pem`"],
            ),
            (
                "an unknown authority",
                side,
                get,
                OTHER,
                connection(Tls, "invalid peer certificate: UnknownIssuer"),
                &["`ca-certificates: FILE.pem`"],
            ),
            (
                "an expired certificate",
                side,
                get,
                OTHER,
                connection(Tls, "invalid peer certificate: Expired"),
                &["out of date"],
            ),
            ("no answer", side, get, OTHER, connection(Timeout, ""), &["firewall"]),
            ("a broken connection", side, get, OTHER, connection(Broken, ""), &["run again"]),
            ("patience is over", side, get, OTHER, patience(refused(503, "", "")), &["run again later", "status page"]),
            (
                "not a registry",
                side,
                get,
                OTHER,
                Cause::Protocol("HTML".to_owned()),
                &["is a registry and not a web page"],
            ),
        ]);
    }

    #[test]
    fn every_other_error_has_a_hint_unless_its_message_is_one() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let text = || HUB.to_owned();
        let mismatch =
            |side| Error::DigestMismatch { side, object: text(), expected: one.clone(), actual: two.to_string() };
        let content = |side| Error::Content { side, object: text(), problem: "x".to_owned() };
        for (error, part) in [
            (Error::input("platforms", "x"), None),
            (Error::Local("x".to_owned()), None),
            (mismatch(Side::Source), Some("`registry-mirrors`")),
            (mismatch(Side::Target), Some("a mirror must keep digests")),
            (content(Side::Source), Some("tell its publisher")),
            (content(Side::Target), Some("`check: deep`")),
            (
                Error::Unexpected { reference: text(), expected: one.clone(), actual: two.clone() },
                Some("`expected-digest: sha256:"),
            ),
            (
                Error::Conflict { reference: text(), actual: one.clone(), wanted: two.clone() },
                Some("`on-conflict: keep`"),
            ),
            (Error::Platform { reference: text(), wanted: "a/b".to_owned(), available: vec![] }, Some("`platforms`")),
            (Error::Different { reference: text(), differences: vec![] }, Some("`command: copy`")),
            (Error::Cancelled { signal: "SIGTERM" }, Some("run again")),
        ] {
            let hints = error.hints();
            match part {
                Some(part) => assert!(hints.iter().any(|hint| hint.contains(part)), "{error}: {hints:?}"),
                None => assert!(hints.is_empty(), "{error}: {hints:?}"),
            }
        }
    }
}
