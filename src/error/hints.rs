//! Hints: what the user can do about a failure, most likely first.
//!
//! Owns the advice and the knowledge of registries behind it, as one table of rules. Must never guess at a cause that the
//! answer does not show, and never advise to weaken a check that just did its work. Each piece of advice has an example
//! in [`crate::examples`], of which `docs/errors.md` is made.

use crate::error::cause::{ConnectionFailure, TlsFailure};
use crate::error::failure::Failure;
use crate::error::violation::Violation;
use crate::error::{Error, Side};

impl Error {
    /// What the user can do, most likely first; empty where the message itself says it.
    pub fn hints(&self) -> Vec<String> {
        let failure = Failure::of(self);
        let rule = RULES.iter().find(|rule| (rule.is)(&failure));
        let hints = rule.map_or(&[][..], |rule| rule.hints).iter();
        hints.filter(|hint| (hint.fits)(&failure)).map(|hint| (hint.text)(&failure)).collect()
    }
}

/// What is advised about one kind of failure; the first rule that fits counts.
struct Rule {
    is: fn(&Failure<'_>) -> bool,
    hints: &'static [Hint],
}

/// One piece of advice.
struct Hint {
    pub fits: fn(&Failure<'_>) -> bool,
    text: fn(&Failure<'_>) -> String,
}

const fn always(text: fn(&Failure<'_>) -> String) -> Hint {
    Hint { fits: |_| true, text }
}

const fn when(fits: fn(&Failure<'_>) -> bool, text: fn(&Failure<'_>) -> String) -> Hint {
    Hint { fits, text }
}

const RUN_AGAIN: Hint = always(|_| "run again: what is finished is kept and is not sent a second time".to_owned());

const FEWER_JOBS: Hint = always(|_| "spread the work: fewer jobs at once".to_owned());

const PROXY: Hint = always(|_| "if the way out is a proxy, set `HTTPS_PROXY` in the job's `env`".to_owned());

const PRIVATE_OR_ABSENT: Hint = when(
    |f| f.side == Some(Side::Source),
    |f| {
        format!(
            "check the name: `{}` may answer the same for an image that is private and for one that does not exist",
            f.host
        )
    },
);

const AUTHORITY: fn(&Failure<'_>) -> String = |f| {
    // A certificate is for a host, whatever its port.
    let name = f.host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(f.host, |(name, _)| name);
    format!(
        "if `{}` has a certificate of your own authority, give its root with `ca-certificates: {name} = FILE.pem`",
        f.host
    )
};

const NAMES: fn(&Failure<'_>) -> String =
    |f| format!("check that the certificate names `{}`, and that this machine's clock is right", f.host);

const ECR_REPOSITORY: fn(&Failure<'_>) -> String = |f| {
    format!(
        "ECR does not create repositories by itself: `aws ecr create-repository --repository-name {}`",
        f.repository
    )
};

/// What is advised about what, in the order in which a failure is judged.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is no function for every lifetime, as a row is"
)]
const RULES: &[Rule] = &[
    // Where the registry led to another host, its credential is not what is missing there.
    Rule {
        is: |f| f.led_by.is_some() && f.status() != 0 && f.status() < 500 && f.status() != 429,
        hints: &[
            always(|f| {
                format!(
                    "`{}` keeps what `{}` led to: check that a firewall, a proxy or an allow-list lets this runner in there",
                    f.host,
                    f.led_by.unwrap_or_default()
                )
            }),
            always(|_| "run again: the address is signed for a short time, and what is finished is kept".to_owned()),
        ],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Refused) && f.has_other_port(),
        hints: &[always(|f| {
            format!(
                "`{}` names itself by an address that nothing listens at: set its external address, or let the proxy before \
                 it pass `Host` and `X-Forwarded-Port` on",
                f.led_by.unwrap_or_default()
            )
        })],
    },
    Rule { is: |f| f.is_interrupted() && f.status() != 401, hints: &[RUN_AGAIN] },
    // GitHub dresses throttling up as a 403: it must come before everything about permissions.
    Rule {
        is: |f| f.says("secondary rate limit"),
        hints: &[
            always(|_| "this is throttling and not a lack of permission: wait some minutes, then run again".to_owned()),
            FEWER_JOBS,
        ],
    },
    Rule {
        is: |f| f.status() == 429 && f.is_docker_hub(),
        hints: &[
            when(|f| !f.is_quota(), |f| f.again()),
            always(|f| {
                format!(
                    "log in to Docker Hub with {}: an account has its own quota, without one a whole address shares 100 \
                     pulls in 6 hours",
                    f.inputs()
                )
            }),
            always(|_| "read through a cache: `registry-mirrors: docker.io = mirror.gcr.io`".to_owned()),
            when(|f| f.is_quota(), |_| "run again in some hours: an unchanged image costs no pull".to_owned()),
        ],
    },
    Rule {
        is: |f| f.status() == 429,
        hints: &[
            always(|f| f.again()),
            when(|f| f.is_impatient(), |_| "or let the run wait: set `patience` to more than that".to_owned()),
            FEWER_JOBS,
        ],
    },
    Rule {
        is: |f| f.says("egress is over the account limit"),
        hints: &[always(|_| "the registry's storage is over its own limit for now: run again in an hour".to_owned())],
    },
    Rule {
        is: |f| f.says("installation not allowed to create"),
        hints: &[
            always(|_| {
                "allow Actions to create packages: the organisation's Settings → Packages → Package creation, and \
                 Settings → Actions → General → Workflow permissions"
                    .to_owned()
            }),
            always(|_| {
                "use `github-token: ${{ github.token }}` with `permissions: packages: write`: the token of another \
                 GitHub App cannot create an organisation's package"
                    .to_owned()
            }),
        ],
    },
    Rule {
        is: |f| f.says("installation not allowed to write"),
        hints: &[always(|_| {
            "use `github-token: ${{ github.token }}` with `permissions: packages: write`, or a classic personal access \
             token with `write:packages`: a GitHub App's token cannot write an organisation's package"
                .to_owned()
        })],
    },
    Rule {
        is: |f| f.says("write_package"),
        hints: &[
            always(|_| "give the job `permissions: packages: write`".to_owned()),
            always(|f| {
                format!(
                    "the package exists and is not linked to this repository: open {} → Manage Actions access → add \
                     this repository with role Write",
                    f.package_settings()
                )
            }),
        ],
    },
    Rule {
        is: |f| f.says("immutable") || f.code() == "TAG_IMMUTABLE",
        hints: &[
            always(|_| {
                "the target's tags cannot be moved: set `on-conflict: keep`, or choose a new tag in `target`".to_owned()
            }),
            always(|_| "or make the tags of this repository mutable in the registry's settings".to_owned()),
        ],
    },
    Rule {
        is: |f| f.writes() && f.says("quota"),
        hints: &[always(|f| format!("the storage quota at `{}` is used up: delete old images or raise it", f.host))],
    },
    Rule {
        is: |f| matches!(f.status(), 401 | 403) && f.is_github(),
        hints: &[
            when(
                |f| f.is_anonymous(),
                |f| {
                    format!(
                        "set `github-token: ${{{{ github.token }}}}` and give the job `permissions: packages: {}`",
                        f.permission()
                    )
                },
            ),
            when(|f| !f.is_anonymous(), |f| format!("give the job `permissions: packages: {}`", f.permission())),
            when(
                |f| !f.is_anonymous(),
                |f| {
                    format!(
                        "if the package exists, let this repository use it: open {} → Manage Actions access → add this \
                         repository with role {}",
                        f.package_settings(),
                        if f.writes() { "Write" } else { "Read" }
                    )
                },
            ),
            always(|f| {
                format!(
                    "for a package of another owner, set {} with a classic personal access token that has \
                     `{}:packages`",
                    f.inputs(),
                    f.permission()
                )
            }),
            when(
                |f| f.writes(),
                |_| "a pull request from a fork cannot write packages: run on `push` or `schedule`".to_owned(),
            ),
            PRIVATE_OR_ABSENT,
        ],
    },
    Rule {
        is: |f| matches!(f.status(), 401 | 403),
        hints: &[
            when(
                |f| f.kept_back.is_some(),
                |f| {
                    format!(
                        "the credential for `{}` was kept back, because its token service has a name of somebody else: if \
                         it is the registry's, write `{}` in `token-services`",
                        f.host,
                        f.kept_back.unwrap_or_default()
                    )
                },
            ),
            when(
                |f| f.is_anonymous() && f.kept_back.is_none(),
                |f| {
                    format!(
                        "no credential was given for `{}`: set {}, or a line in `registry-auth`",
                        f.host,
                        f.inputs()
                    )
                },
            ),
            when(
                |f| f.is_unknown(),
                |f| {
                    format!(
                        "`{}` did not accept the credential: check {}, or the line in `registry-auth`",
                        f.host,
                        f.inputs()
                    )
                },
            ),
            when(
                |f| f.with_credential.is_none() && f.status() == 401,
                |f| {
                    format!(
                        "`{}` was given no credential, or does not accept it: set {}, or a line in `registry-auth`, or \
                         check them",
                        f.host,
                        f.inputs()
                    )
                },
            ),
            when(
                |f| !f.is_anonymous() && f.status() == 403,
                |f| {
                    format!(
                        "check that {}, or the line in `registry-auth`, belong to an account that may {} `{}` at `{}`",
                        f.inputs(),
                        if f.writes() { "push to" } else { "pull" },
                        f.repository,
                        f.host
                    )
                },
            ),
            when(
                |f| !f.is_anonymous() && f.is_docker_hub(),
                |_| "Docker Hub takes a personal access token as password; for pushing it needs Write".to_owned(),
            ),
            when(
                |f| !f.is_anonymous() && f.is_ecr(),
                |_| "an ECR password is good for 12 hours: get a new one with `aws ecr get-login-password`".to_owned(),
            ),
            PRIVATE_OR_ABSENT,
        ],
    },
    Rule {
        is: |f| {
            let absent = matches!(f.status(), 400 | 404) && matches!(f.code(), "NAME_UNKNOWN" | "REPOSITORY_NOT_FOUND");
            f.writes() && (absent || f.status() == 404 && f.is_ecr() && f.code() != "MANIFEST_UNKNOWN")
        },
        hints: &[
            when(|f| f.is_ecr(), ECR_REPOSITORY),
            when(
                |f| !f.is_ecr(),
                |f| {
                    format!(
                        "create the repository `{}`, or the project that it is in, at `{}` first: not every registry \
                         does so on a push",
                        f.repository, f.host
                    )
                },
            ),
        ],
    },
    Rule {
        is: |f| f.code() == "MANIFEST_BLOB_UNKNOWN" || f.code() == "MANIFEST_UNKNOWN" && f.action.starts_with("PUT"),
        hints: &[
            always(|_| {
                "if only some `platforms` are copied, this registry wants all of them: set `platforms: all`, or \
                 `subset: rewrite` (a new digest)"
                    .to_owned()
            }),
            always(|_| "otherwise run again with `check: deep`: what the registry lost is sent again".to_owned()),
        ],
    },
    Rule {
        is: |f| f.writes() && f.status() == 404,
        hints: &[
            always(|f| {
                format!("check `target`: `{}` knows no such repository, or does not let this account see it", f.host)
            }),
            always(|_| "run again: some registries need a moment after a push".to_owned()),
        ],
    },
    Rule {
        is: |f| f.is_absence(),
        hints: &[
            always(|f| {
                format!("check the name and the tag: `{}/{}` may not have it, or no longer", f.host, f.repository)
            }),
            when(
                |f| f.is_github(),
                |f| {
                    format!(
                        "if it is private, give the job `permissions: packages: read` and the package this repository, or \
                     set {}",
                        f.inputs()
                    )
                },
            ),
            when(|f| !f.is_github(), |f| format!("if it is private, set {}, or a line in `registry-auth`", f.inputs())),
        ],
    },
    Rule {
        is: |f| f.status() == 413,
        hints: &[
            always(|_| {
                "the body is larger than the registry, or a proxy before it, accepts: raise the limit there (nginx: \
                 `client_max_body_size 0`)"
                    .to_owned()
            }),
            when(
                |f| f.is_github(),
                |_| "ghcr.io takes layers up to 10 GB: a larger one cannot be mirrored there".to_owned(),
            ),
            when(|f| !f.is_github(), |f| format!("see the largest layer that `{}` documents", f.host)),
        ],
    },
    Rule {
        is: |f| f.status() == 415 || f.status() == 400 && f.code() == "MANIFEST_INVALID",
        hints: &[
            always(|f| {
                format!("`{}` does not accept this kind of manifest: see what it says about OCI images", f.host)
            }),
            always(|_| {
                "if only some `platforms` are copied, try `platforms: all`, or `subset: rewrite` (a new digest)"
                    .to_owned()
            }),
            always(|_| "if an attachment was refused, set `attachments: none` to copy the image alone".to_owned()),
        ],
    },
    Rule {
        is: |f| f.status() == 405,
        hints: &[
            when(
                |f| f.writes(),
                |f| {
                    format!(
                        "`{}` does not allow this: check that the name is a target that can be written, not a read-only \
                     cache",
                        f.host
                    )
                },
            ),
            when(
                |f| !f.writes(),
                |f| format!("`{}` does not allow this: check that the name is a source that can be read", f.host),
            ),
        ],
    },
    Rule {
        is: |f| matches!(f.status(), 408 | 500..=599),
        hints: &[always(|f| {
            format!("the fault is at `{}`: see its status page and run again; what is finished is kept", f.host)
        })],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Dns),
        hints: &[
            always(|f| format!("check the spelling of `{}`", f.host)),
            always(|_| "if the name is known only inside your network, use a self-hosted runner there".to_owned()),
            PROXY,
        ],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Refused),
        hints: &[
            always(|f| format!("check the host and the port of `{}`, and that the registry is running", f.host)),
            always(|_| {
                "inside the action's container `localhost` is the container: give a service by its name, or the host's \
                 address"
                    .to_owned()
            }),
        ],
    },
    Rule {
        is: |f| f.is_tls(TlsFailure::Expired),
        hints: &[
            always(|f| format!("the certificate of `{}` is out of date: its operator must renew it", f.host)),
            always(AUTHORITY),
        ],
    },
    Rule { is: |f| f.is_tls(TlsFailure::WrongName), hints: &[always(NAMES), always(AUTHORITY)] },
    Rule { is: |f| f.is_tls(TlsFailure::Certificate), hints: &[always(AUTHORITY), always(NAMES)] },
    Rule {
        is: |f| f.is_tls(TlsFailure::PlainHttp),
        hints: &[always(|f| {
            format!(
                "if `{}` speaks plain HTTP, name it in `insecure-registries`: everything is then sent in the clear, the \
                 credential too",
                f.host
            )
        })],
    },
    Rule {
        is: |f| f.is_tls(TlsFailure::Handshake),
        hints: &[always(|f| {
            format!("`{}` must speak TLS 1.2 or 1.3 with a usual cipher, without a certificate of its clients", f.host)
        })],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Stalled),
        hints: &[
            RUN_AGAIN,
            when(
                |f| !f.writes(),
                |f| {
                    format!(
                        "if it stays, `{}` or the way there is too slow: run fewer jobs at once, or read through a mirror \
                         (`registry-mirrors`)",
                        f.host
                    )
                },
            ),
            when(
                |f| f.writes(),
                |f| format!("if it stays, `{}` or the way there is too slow: run fewer jobs at once", f.host),
            ),
        ],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Timeout),
        hints: &[always(|f| format!("check that a firewall lets this runner reach `{}`", f.host)), PROXY],
    },
    Rule { is: |f| f.is_connection(ConnectionFailure::Broken), hints: &[RUN_AGAIN] },
    Rule {
        is: |f| f.violation().is_some_and(Violation::is_unsafe_address),
        hints: &[always(|f| {
            format!(
                "this is refused on purpose, because a credential or content would not be safe there: the operator of `{}` \
                 must name an address with https, on no internal network",
                f.host
            )
        })],
    },
    Rule {
        is: |f| f.violation() == Some(&Violation::HeaderUnsafe),
        hints: &[always(|_| {
            "set the secret anew, without line breaks and control characters: they come along when it is pasted"
                .to_owned()
        })],
    },
    Rule {
        is: |f| matches!(f.violation(), Some(Violation::ManifestsTooLarge { .. })),
        hints: &[always(|_| {
            "no image needs as much: leave its attachments out (`attachments: none`), or ask its publisher".to_owned()
        })],
    },
    Rule {
        is: |f| f.violation().is_some() && !f.host.is_empty(),
        hints: &[always(|f| {
            format!(
                "check that `{}` is a registry and not a web page, a login portal or a proxy that answers in its place",
                f.host
            )
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::DigestMismatch { object, .. } if object.is_in_directory()),
        hints: &[always(|_| "the directory is damaged: make it anew from where it came".to_owned())],
    },
    Rule {
        is: |f| matches!(f.error, Error::DigestMismatch { .. }),
        hints: &[
            always(|_| "run again: a broken transfer or a stale cache is the usual reason".to_owned()),
            when(
                |f| matches!(f.error, Error::DigestMismatch { side: Side::Source, .. }),
                |_| {
                    "if it stays, something between here and the registry changes content: read from another mirror \
                     (`registry-mirrors`) or without the proxy"
                        .to_owned()
                },
            ),
            when(
                |f| matches!(f.error, Error::DigestMismatch { side: Side::Target, .. }),
                |_| {
                    "if it stays, the target registry or a proxy before it changes manifests: ask for that to be \
                     switched off, a mirror must keep digests"
                        .to_owned()
                },
            ),
        ],
    },
    // What is wrong with a directory, its sentence says.
    Rule { is: |f| matches!(f.error, Error::Content { object, .. } if object.is_in_directory()), hints: &[] },
    Rule {
        is: |f| matches!(f.error, Error::Content { side: Side::Source, .. }),
        hints: &[always(|_| {
            "the image is broken at its source: pull it with another tool to confirm, and tell its publisher".to_owned()
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::NotRepaired { .. }),
        hints: &[always(|_| {
            "have that layer removed from the registry's storage (delete the image or package and let the registry clean \
             up), then run again"
                .to_owned()
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Content { side: Side::Target, .. }),
        hints: &[always(|_| "run again with `check: deep`, which sends again what is missing or broken".to_owned())],
    },
    Rule {
        is: |f| matches!(f.error, Error::Unexpected { .. }),
        hints: &[
            always(|f| {
                let actual = match f.error {
                    Error::Unexpected { actual, .. } => actual.as_str(),
                    _ => "sha256:…",
                };
                format!(
                    "if the publisher moved the tag and the new image is the one you want, set `expected-digest: {actual}`"
                )
            }),
            always(|_| "to stay with the old image, name the source by digest: `repository:tag@sha256:…`".to_owned()),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Conflict { .. }),
        hints: &[
            always(|_| "to replace what the tag points at, set `on-conflict: overwrite`".to_owned()),
            always(|_| "to leave it, set `on-conflict: keep`, or choose another tag in `target`".to_owned()),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Moved { .. }),
        hints: &[
            always(|_| "find out what else writes this tag, and let one of them do it at a time".to_owned()),
            always(|_| {
                "in GitHub Actions, give the workflows that write it the same `concurrency` group, without \
                 `cancel-in-progress`"
                    .to_owned()
            }),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Platform { .. }),
        hints: &[always(|_| "choose `platforms` from that list, or `all` to copy the image as it is".to_owned())],
    },
    Rule {
        is: |f| matches!(f.error, Error::Different { .. }),
        hints: &[always(|_| {
            "run `command: copy` with the same inputs to bring the target up to date, and with `check: deep` where the \
             digest is right and parts are missing"
                .to_owned()
        })],
    },
    Rule { is: |f| matches!(f.error, Error::Cancelled { .. }), hints: &[RUN_AGAIN] },
];

#[cfg(test)]
mod tests {
    use super::RULES;
    use crate::error::failure::Failure;
    use crate::examples::examples;

    #[test]
    fn every_rule_and_every_advice_has_an_example() {
        let examples = examples();
        let failures: Vec<Failure<'_>> = examples.iter().map(|example| Failure::of(&example.error)).collect();
        let first = |failure: &&Failure<'_>| RULES.iter().position(|rule| (rule.is)(failure));
        for (number, rule) in RULES.iter().enumerate() {
            let here: Vec<_> = failures.iter().filter(|failure| first(failure) == Some(number)).collect();
            assert!(!here.is_empty(), "rule {number} of src/error/hints.rs has no example in src/examples.rs");
            for (place, hint) in rule.hints.iter().enumerate() {
                let given = here.iter().any(|failure| (hint.fits)(failure));
                assert!(
                    given,
                    "advice {place} of rule {number} of src/error/hints.rs has no example in src/examples.rs"
                );
            }
        }
    }
}
