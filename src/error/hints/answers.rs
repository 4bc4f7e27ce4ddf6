//! What is advised where a registry, or its token service, has answered with a refusal.

use crate::error::Side;
use crate::error::action::Action;
use crate::error::cause::{ConnectionFailure, Instead};
use crate::error::failure::Failure;
use crate::error::hints::rule::{FEWER_JOBS, Hint, RUN_AGAIN, Rule, always, when};
use crate::error::reader::Reader;

const PRIVATE_OR_ABSENT: Hint = when(
    |f, _| f.side == Some(Side::Source),
    |f, _| {
        format!(
            "check the name: `{}` may answer the same for an image that is private and for one that does not exist",
            f.host
        )
    },
);

const ECR_REPOSITORY: fn(&Failure<'_>, Reader) -> String = |f, _| {
    format!(
        "ECR does not create repositories by itself: `aws ecr create-repository --repository-name {}`",
        f.repository
    )
};

const WHOLE_IMAGE: fn(Reader) -> String =
    |r| format!("{}, or {} (a new digest)", r.set("platforms", "all"), r.set("subset", "rewrite"));

/// What is advised about what, in the order in which a failure is judged.
pub const RULES: &[Rule] = &[
    // Where the registry led to another host, its credential is not what is missing there.
    Rule {
        is: |f| f.led_by.is_some() && f.status() != 0 && f.status() < 500 && !f.throttles(),
        hints: &[
            always(|f, r| {
                format!(
                    "`{}` keeps what `{}` led to: check that a firewall, a proxy or an allow-list lets {} in there",
                    f.host,
                    f.led_by.unwrap_or_default(),
                    r.machine()
                )
            }),
            always(|_, _| "run again: the address is signed for a short time, and what is finished is kept".to_owned()),
        ],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Refused) && f.has_other_port(),
        hints: &[always(|f, _| {
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
        is: |f| f.is_disguised_limit(),
        hints: &[
            always(|_, _| {
                "this is throttling and not a lack of permission: wait some minutes, then run again".to_owned()
            }),
            FEWER_JOBS,
        ],
    },
    Rule {
        is: |f| f.status() == 429 && f.is_docker_hub(),
        hints: &[
            when(|f, _| !f.is_quota(), |f, _| f.again()),
            always(|f, r| {
                format!(
                    "log in to Docker Hub, whose accounts have a quota of their own, while without one a whole address \
                     shares 100 pulls in 6 hours: {}",
                    f.log_in(r)
                )
            }),
            always(|_, r| format!("read through a cache: {}", r.set("registry-mirrors", "docker.io = mirror.gcr.io"))),
            when(|f, _| f.is_quota(), |_, _| "run again in some hours: an unchanged image costs no pull".to_owned()),
            when(
                |f, _| f.is_quota() && f.side == Some(Side::Source),
                |_, r| {
                    let budget = r.set("pull-budget", "auto");
                    format!(
                        "a copy with {budget} takes as many as are left, and leaves the other images for the next run"
                    )
                },
            ),
        ],
    },
    Rule {
        is: |f| f.status() == 429,
        hints: &[
            always(|f, _| f.again()),
            when(
                |f, _| f.is_impatient(),
                |_, r| format!("or let the run wait: set {} to more than that", r.input("patience")),
            ),
            FEWER_JOBS,
        ],
    },
    Rule {
        is: |f| f.says("egress is over the account limit"),
        hints: &[always(|_, _| {
            "the registry's storage is over its own limit for now: run again in an hour".to_owned()
        })],
    },
    Rule {
        is: |f| f.deletes() && matches!(f.status(), 400 | 405 | 501),
        hints: &[always(|f, _| {
            format!(
                "`{}` does not let this be deleted by its registry: it may have to be allowed there (distribution: \
                 `storage.delete.enabled`), or be done by its own API",
                f.host
            )
        })],
    },
    Rule {
        is: |f| f.deletes() && matches!(f.status(), 401 | 403) && !f.is_anonymous(),
        hints: &[always(|f, r| {
            format!("the credential for `{}` may not delete: give that right to {}", f.host, f.login(r))
        })],
    },
    Rule {
        is: |f| f.says("installation not allowed to create"),
        hints: &[
            when(
                |_, r| r.is_in_actions(),
                |_, _| {
                    "allow Actions to create packages: the organisation's Settings → Packages → Package creation, and \
                     Settings → Actions → General → Workflow permissions"
                        .to_owned()
                },
            ),
            always(|_, r| app_token("create", r)),
        ],
    },
    Rule { is: |f| f.says("installation not allowed to write"), hints: &[always(|_, r| app_token("write", r))] },
    Rule {
        is: |f| f.says("write_package"),
        hints: &[
            when(|_, r| r == Reader::Action, |f, _| f.give_permission()),
            when(
                |_, r| r.is_in_actions(),
                |f, _| {
                    format!(
                        "if the target is below this repository's owner, the package exists and is not linked to this repository: \
                         open {} → Manage Actions access → add this repository with role Write",
                        f.package_settings()
                    )
                },
            ),
            when(
                |f, r| r.is_in_actions() && f.is_github(),
                |f, r| {
                    format!(
                        "if it is below another owner, where the workflow's token writes nothing, set another {}, or use a classic \
                         personal access token of theirs that has `write:packages`: {}",
                        r.input("target"),
                        f.log_in(r)
                    )
                },
            ),
            when(
                |_, r| !r.is_in_actions(),
                |f, _| {
                    format!(
                        "give the account that pushes the role Write: open {} → Manage access",
                        f.package_settings()
                    )
                },
            ),
            when(|_, r| !r.is_in_actions(), classic_token),
        ],
    },
    Rule {
        is: |f| f.says("immutable") || f.code() == "TAG_IMMUTABLE",
        hints: &[
            always(|_, r| {
                format!(
                    "the target's tags cannot be moved: set {}, or choose a new tag in {}",
                    r.set("on-conflict", "keep"),
                    r.input("target")
                )
            }),
            always(|_, _| "or make the tags of this repository mutable in the registry's settings".to_owned()),
        ],
    },
    Rule {
        is: |f| f.writes() && f.says("quota"),
        hints: &[always(|f, _| format!("the storage quota at `{}` is used up: delete old images or raise it", f.host))],
    },
    // A wrong password is said first; whether the name is one is then seen.
    Rule {
        is: |f| f.misses_two_levels().is_some() && !f.is_unknown() && matches!(f.status(), 400..=405),
        hints: &[
            always(|f, r| {
                format!(
                    "`{}` has names of two levels, `NAMESPACE/NAME`, and `{}` has {}: set {}",
                    f.host,
                    f.repository,
                    f.misses_two_levels().unwrap_or_default(),
                    r.set("target", &f.two_levels())
                )
            }),
            when(|f, _| f.is_anonymous(), |f, r| format!("no credential was given for `{}`: {}", f.host, f.log_in(r))),
        ],
    },
    Rule {
        is: |f| matches!(f.status(), 401 | 403) && f.is_github(),
        hints: &[
            when(
                |f, r| f.is_anonymous() && r == Reader::Action,
                |f, _| format!("set `github-token: ${{{{ github.token }}}}` and {}", f.give_permission()),
            ),
            when(|f, r| !f.is_anonymous() && r == Reader::Action, |f, _| f.give_permission()),
            when(
                |f, r| !f.is_anonymous() && r.is_in_actions(),
                |f, _| {
                    format!(
                        "if the package exists, let this repository use it: open {} → Manage Actions access → add this \
                         repository with role {}",
                        f.package_settings(),
                        if f.writes() { "Write" } else { "Read" }
                    )
                },
            ),
            when(
                |_, r| r.is_in_actions(),
                |f, r| {
                    format!(
                        "for a package of another owner, use a classic personal access token that has `{}:packages`: {}",
                        f.permission(),
                        f.log_in(r)
                    )
                },
            ),
            when(|_, r| !r.is_in_actions(), classic_token),
            when(
                |f, r| f.writes() && r == Reader::Action,
                |_, _| "a pull request from a fork cannot write packages: run on `push` or `schedule`".to_owned(),
            ),
            PRIVATE_OR_ABSENT,
        ],
    },
    Rule {
        is: |f| matches!(f.status(), 401 | 403),
        hints: &[
            when(
                |f, _| f.kept_back.is_some(),
                |f, r| {
                    format!(
                        "the credential for `{}` was kept back, because its token service has a name of somebody else: if \
                         it is the registry's, set {}",
                        f.host,
                        r.set("token-services", f.kept_back.unwrap_or_default())
                    )
                },
            ),
            // Nearly all that people read there is public: a name that is written wrong is the likelier cause.
            when(|f, _| f.is_anonymous_at_docker_hub(), PRIVATE_OR_ABSENT.text),
            when(
                |f, _| f.is_anonymous() && f.kept_back.is_none(),
                |f, r| format!("no credential was given for `{}`: {}", f.host, f.log_in(r)),
            ),
            when(
                |f, _| f.is_unknown(),
                |f, r| format!("`{}` did not accept the credential: check {}", f.host, f.login(r)),
            ),
            when(
                |f, _| f.is_unasked(),
                |f, _| {
                    format!(
                        "`{}` did not ask for the credential that it has here, and none was sent: check that it is a \
                         registry, and the name",
                        f.host
                    )
                },
            ),
            when(
                |f, _| f.lacks_rights(),
                |f, r| {
                    format!(
                        "check that the account may {} `{}` at `{}` ({})",
                        if f.writes() { "push to" } else { "pull" },
                        f.repository,
                        f.host,
                        f.login(r)
                    )
                },
            ),
            when(
                |f, _| !f.is_anonymous() && f.is_docker_hub(),
                |_, _| "Docker Hub takes a personal access token as password; for pushing it needs Write".to_owned(),
            ),
            when(
                |f, _| !f.is_anonymous() && f.is_ecr(),
                |_, _| {
                    "an ECR password is good for 12 hours: get a new one with `aws ecr get-login-password`".to_owned()
                },
            ),
            when(
                |f, _| f.side == Some(Side::Source) && !f.is_unknown() && !f.is_anonymous_at_docker_hub(),
                PRIVATE_OR_ABSENT.text,
            ),
        ],
    },
    Rule {
        is: |f| {
            let absent = matches!(f.status(), 400 | 404) && matches!(f.code(), "NAME_UNKNOWN" | "REPOSITORY_NOT_FOUND");
            f.writes() && (absent || f.status() == 404 && f.is_ecr() && f.code() != "MANIFEST_UNKNOWN")
        },
        hints: &[
            when(|f, _| f.is_ecr(), ECR_REPOSITORY),
            when(
                |f, _| !f.is_ecr(),
                |f, _| {
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
        is: |f| {
            f.code() == "MANIFEST_BLOB_UNKNOWN"
                || f.code() == "MANIFEST_UNKNOWN" && f.action.is_some_and(Action::puts_a_manifest)
        },
        hints: &[
            always(|_, r| {
                format!(
                    "if only some {} are copied, this registry wants all of them: set {}",
                    r.input("platforms"),
                    WHOLE_IMAGE(r)
                )
            }),
            always(|_, r| {
                format!("otherwise run again with {}: what the registry lost is sent again", r.set("check", "deep"))
            }),
        ],
    },
    Rule {
        is: |f| f.writes() && f.status() == 404,
        hints: &[
            always(|f, r| {
                format!(
                    "check {}: `{}` knows no such repository, or does not let this account see it",
                    r.input("target"),
                    f.host
                )
            }),
            always(|_, _| "run again: some registries need a moment after a push".to_owned()),
        ],
    },
    Rule {
        is: |f| f.is_absence(),
        hints: &[
            when(|f, _| *f.instead() != Instead::Unknown, |f, _| instead(f)),
            when(
                |f, _| matches!(f.instead(), Instead::NoRepository { near: Some(_), .. }),
                |f, _| match f.instead() {
                    Instead::NoRepository { near: Some(near), .. } => {
                        format!("did you mean `{near}`, which this run reads too?")
                    }
                    _ => String::new(),
                },
            ),
            when(
                |f, _| *f.instead() == Instead::Unknown,
                |f, _| match f.action {
                    // No tag was asked for.
                    Some(Action::GetTags) => instead(f),
                    _ => format!(
                        "check the name and the tag: `{}/{}` may not have it, or no longer",
                        f.host, f.repository
                    ),
                },
            ),
            when(
                |f, r| !f.has_other_tags() && f.is_github() && r == Reader::Action,
                |f, r| {
                    format!(
                        "if it is private, give the job `permissions: packages: read` and the package this repository, or \
                         {}",
                        f.log_in(r)
                    )
                },
            ),
            when(
                |f, r| !(f.has_other_tags() || f.is_github() && r == Reader::Action),
                |f, r| format!("if it is private: {}", f.log_in(r)),
            ),
        ],
    },
    Rule {
        is: |f| f.status() == 413,
        hints: &[
            always(|_, _| {
                "the body is larger than the registry, or a proxy before it, accepts: raise the limit there (nginx: \
                 `client_max_body_size 0`)"
                    .to_owned()
            }),
            when(
                |f, _| f.is_github(),
                |_, _| "ghcr.io takes layers up to 10 GB: a larger one cannot be mirrored there".to_owned(),
            ),
            when(|f, _| !f.is_github(), |f, _| format!("see the largest layer that `{}` documents", f.host)),
        ],
    },
    Rule {
        is: |f| f.status() == 415 || f.status() == 400 && f.code() == "MANIFEST_INVALID",
        hints: &[
            always(|f, _| {
                format!("`{}` does not accept this kind of manifest: see what it says about OCI images", f.host)
            }),
            always(|_, r| format!("if only some {} are copied, try {}", r.input("platforms"), WHOLE_IMAGE(r))),
            always(|_, r| {
                format!("if an attachment was refused, set {} to copy the image alone", r.set("attachments", "none"))
            }),
        ],
    },
    Rule {
        is: |f| f.status() == 405,
        hints: &[
            when(
                |f, _| f.writes(),
                |f, _| {
                    format!(
                        "`{}` does not allow this: check that the name is a target that can be written, not a read-only \
                     cache",
                        f.host
                    )
                },
            ),
            when(
                |f, _| !f.writes(),
                |f, _| format!("`{}` does not allow this: check that the name is a source that can be read", f.host),
            ),
        ],
    },
    Rule {
        is: |f| matches!(f.status(), 408 | 500..=599),
        hints: &[always(|f, _| {
            format!("the fault is at `{}`: see its status page and run again; what is finished is kept", f.host)
        })],
    },
];

/// What was found in place of the tag that is not there.
fn instead(failure: &Failure<'_>) -> String {
    let name = format!("`{}/{}`", failure.host, failure.repository);
    match failure.instead() {
        Instead::Tags(near) => {
            let near: Vec<String> = near.iter().map(|tag| format!("`{tag}`")).collect();
            format!("{name} has no such tag; it has tags such as {}", near.join(", "))
        }
        Instead::NoTag => format!("{name} has no tag at all"),
        Instead::NoRepository { answer: Some(answer), .. } => {
            format!("check the name: asked for the tags of {name} too, the registry answers {answer}")
        }
        Instead::NoRepository { answer: None, .. } | Instead::Unknown => {
            format!("check the name: the registry knows no repository {name}, or does not let this account see it")
        }
    }
}

/// In place of the token of a GitHub App, which may not do this with an organisation's package.
fn app_token(verb: &str, reader: Reader) -> String {
    let other = match reader {
        Reader::Action => {
            "use `github-token: ${{ github.token }}` with `permissions: packages: write`, or a classic personal access token \
             with `write:packages`"
        }
        _ => "use a classic personal access token with `write:packages`",
    };
    format!("{other}: the token of another GitHub App cannot {verb} an organisation's package")
}

/// The token that GitHub's registry takes from everywhere.
fn classic_token(failure: &Failure<'_>, reader: Reader) -> String {
    format!(
        "use a classic personal access token that has `{}:packages`: {}",
        failure.permission(),
        failure.log_in(reader)
    )
}
