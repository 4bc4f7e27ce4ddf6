//! What is advised where no answer came, or one of no use, and where what was asked for does not hold.

use crate::error::cause::{ConnectionFailure, TlsFailure};
use crate::error::failure::Failure;
use crate::error::failure::without_port;
use crate::error::hints::rule::{Hint, RUN_AGAIN, Rule, always, when};
use crate::error::reader::{Form, Reader};
use crate::error::signature::{Rejection, Unsigned};
use crate::error::violation::Violation;
use crate::error::{Counted, Error, Pin, Side, ToldBy, WrittenIn};
use crate::text::quote::quote;

const PROXY: Hint = always(|_, r| {
    let place = match r {
        Reader::Action => " in the job's `env`".to_owned(),
        Reader::Button(form) => format!(" in the job's `env` in `{}`", form.file()),
        Reader::GitLab => " as a variable of the project".to_owned(),
        Reader::Container => " with `--env`".to_owned(),
        Reader::CommandLine => String::new(),
    };
    format!("if the way out is a proxy, set `HTTPS_PROXY`{place}")
});

const AUTHORITY: fn(&Failure<'_>, Reader) -> String = |f, r| {
    // A certificate is for a host, whatever its port.
    let given = r.set("ca-certificates", &format!("{} = FILE.pem", without_port(f.host)));
    format!(
        "if `{}` has a certificate of your own authority, give its root, or a self-signed certificate itself, with {given}",
        f.host
    )
};

/// What of its signature an image lacks.
fn unsigned<'a>(f: &Failure<'a>) -> Option<&'a Unsigned> {
    match f.error {
        Error::Unsigned { unsigned, .. } => Some(unsigned),
        _ => None,
    }
}

fn has(f: &Failure<'_>, is: impl Fn(&Rejection) -> bool) -> bool {
    unsigned(f).is_some_and(|unsigned| unsigned.has(is))
}

/// What the lock has of an image.
fn held(f: &Failure<'_>) -> String {
    match f.error {
        Error::Unexpected { pin: Pin::Lock(name) | Pin::Frozen(name), expected, .. } => {
            format!("`{}` has {expected}", quote(name))
        }
        _ => String::new(),
    }
}

const NAMES: fn(&Failure<'_>, Reader) -> String =
    |f, _| format!("check that the certificate names `{}`, and that this machine's clock is right", f.host);

/// In the order in which a failure is judged, once it is no refusal.
pub const RULES: &[Rule] = &[
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Dns),
        hints: &[
            when(|f, _| f.may_be_misspelt(), |f, _| format!("check the spelling of `{}`", f.host)),
            when(
                |f, _| !f.may_be_misspelt(),
                |f, r| format!("check that {} is online, and that its name server knows `{}`", r.machine(), f.host),
            ),
            always(|_, r| {
                let place = match r {
                    Reader::Action | Reader::Button(_) | Reader::GitLab => "use a self-hosted runner there",
                    Reader::Container | Reader::CommandLine => "run this there",
                };
                format!("if the name is known only inside your network, {place}")
            }),
            PROXY,
        ],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Refused),
        hints: &[
            always(|f, _| format!("check the host and the port of `{}`, and that the registry is running", f.host)),
            when(
                |f, r| f.is_local() && r.is_in_container(),
                |_, _| {
                    "inside the container `localhost` is the container: give a service by its name, or the host's address"
                        .to_owned()
                },
            ),
        ],
    },
    Rule {
        is: |f| f.is_tls(TlsFailure::Expired),
        hints: &[
            always(|f, _| format!("the certificate of `{}` is out of date: its operator must renew it", f.host)),
            always(AUTHORITY),
        ],
    },
    Rule { is: |f| f.is_tls(TlsFailure::WrongName), hints: &[always(NAMES), always(AUTHORITY)] },
    Rule {
        is: |f| f.is_tls(TlsFailure::AuthorityAsServer),
        hints: &[
            always(|f, _| {
                format!(
                    "have `{}` use a certificate of its own: one that this authority signs, or a new self-signed one with \
                     CA:FALSE (openssl: `-addext basicConstraints=critical,CA:FALSE`)",
                    f.host
                )
            }),
            always(|f, r| {
                let given = r.set("ca-certificates", &format!("{} = FILE.pem", without_port(f.host)));
                format!("then give the authority's certificate, or the self-signed one itself, with {given}")
            }),
        ],
    },
    Rule {
        is: |f| f.is_tls(TlsFailure::SpokenTo),
        hints: &[always(|f, r| {
            format!(
                "take `{}` out of {}; for a certificate of your own authority there is {}",
                f.host,
                r.input("insecure-registries"),
                r.input("ca-certificates")
            )
        })],
    },
    Rule { is: |f| f.is_tls(TlsFailure::Certificate), hints: &[always(AUTHORITY), always(NAMES)] },
    Rule {
        is: |f| f.is_tls(TlsFailure::PlainHttp),
        hints: &[always(|f, r| {
            format!(
                "if `{}` speaks plain HTTP, set {}: everything is then sent in the clear, the credential too",
                f.host,
                r.set("insecure-registries", f.host)
            )
        })],
    },
    Rule {
        is: |f| f.is_tls(TlsFailure::Handshake),
        hints: &[always(|f, _| {
            format!("`{}` must speak TLS 1.2 or 1.3 with a usual cipher, without a certificate of its clients", f.host)
        })],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Stalled),
        hints: &[
            RUN_AGAIN,
            when(
                |f, _| !f.writes(),
                |f, r| {
                    format!(
                        "if it stays, `{}` or the way there is too slow: run fewer {} at once, or read through a mirror \
                         ({})",
                        f.host,
                        r.runs(),
                        r.input("registry-mirrors")
                    )
                },
            ),
            when(
                |f, _| f.writes(),
                |f, r| {
                    format!("if it stays, `{}` or the way there is too slow: run fewer {} at once", f.host, r.runs())
                },
            ),
        ],
    },
    Rule {
        is: |f| f.is_connection(ConnectionFailure::Timeout),
        hints: &[always(|f, r| format!("check that a firewall lets {} reach `{}`", r.machine(), f.host)), PROXY],
    },
    Rule { is: |f| f.is_connection(ConnectionFailure::Broken), hints: &[RUN_AGAIN] },
    Rule {
        is: |f| f.violation().is_some_and(Violation::is_unsafe_address),
        hints: &[
            always(|f, _| {
                format!(
                    "this is refused on purpose, because a credential or content would not be safe there: the operator of `{}` \
                 must name an address with https, on no internal network",
                    f.host
                )
            }),
            when(
                |f, _| inside(f).is_some(),
                |f, r| {
                    let line = format!("{} = {}", f.host, inside(f).unwrap_or_default());
                    format!(
                        "if that is storage of yours, with a private endpoint, set {}",
                        r.set("token-services", &line)
                    )
                },
            ),
        ],
    },
    Rule {
        is: |f| f.violation() == Some(&Violation::HeaderUnsafe),
        hints: &[always(|f, r| {
            format!(
                "set {} anew, without line breaks and control characters: they come along when it is pasted",
                f.login(r)
            )
        })],
    },
    Rule {
        is: |f| matches!(f.violation(), Some(Violation::ManifestsTooLarge { .. })),
        hints: &[always(|_, r| {
            format!(
                "no image needs as much: leave its attachments out ({}), or ask its publisher",
                r.set("attachments", "none")
            )
        })],
    },
    Rule {
        is: |f| f.violation().is_some() && !f.host.is_empty(),
        hints: &[always(|f, _| {
            format!(
                "check that `{}` is a registry and not a web page, a login portal or a proxy that answers in its place",
                f.host
            )
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::DigestMismatch { object, .. } if object.is_in_directory()),
        hints: &[always(|_, _| "the directory is damaged: make it anew from where it came".to_owned())],
    },
    Rule {
        is: |f| matches!(f.error, Error::Lost { .. }),
        hints: &[
            always(|_, _| "run again: a registry that writes to several places may lag behind itself".to_owned()),
            always(|_, _| {
                "if it stays, a clean-up at the target removes what was just pushed, or a cache before it answers: ask \
                 those who run it"
                    .to_owned()
            }),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::DigestMismatch { .. }),
        hints: &[
            always(|_, _| "run again: a broken transfer or a stale cache is the usual reason".to_owned()),
            when(
                |f, _| matches!(f.error, Error::DigestMismatch { side: Side::Source, .. }),
                |_, r| {
                    format!(
                        "if it stays, something between here and the registry changes content: read from another mirror \
                         ({}) or without the proxy",
                        r.input("registry-mirrors")
                    )
                },
            ),
            when(
                |f, _| matches!(f.error, Error::DigestMismatch { side: Side::Target, .. }),
                |_, _| {
                    "if it stays, the target registry or a proxy before it changes manifests: ask for that to be \
                     switched off, a mirror must keep digests"
                        .to_owned()
                },
            ),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::SeveralImages { .. }),
        hints: &[when(
            |f, _| matches!(f.error, Error::SeveralImages { side: Side::Source, told_by: ToldBy::Name, .. }),
            |_, r| {
                format!(
                    "to copy all of them, write a target that is made of their names: {}",
                    r.set("target", "registry.example.com/{registry}/{repository}")
                )
            },
        )],
    },
    // What is wrong with a directory, its sentence says.
    Rule {
        is: |f| matches!(f.error, Error::Content { object, .. } if object.is_in_directory()),
        hints: &[when(
            |f, _| matches!(f.error, Error::Content { side: Side::Source, object, .. } if object.tag().is_none()),
            |_, _| "name a directory that an image was written to as an OCI layout, or write it anew".to_owned(),
        )],
    },
    Rule {
        is: |f| matches!(f.error, Error::Content { side: Side::Source, .. }),
        hints: &[always(|_, _| {
            "the image is broken at its source: pull it with another tool to confirm, and tell its publisher".to_owned()
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::NotRepaired { .. }),
        hints: &[always(|_, _| {
            "have that layer removed from the registry's storage (delete the image or package and let the registry clean \
             up), then run again"
                .to_owned()
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Content { side: Side::Target, .. }),
        hints: &[always(|_, r| {
            format!("run again with {}, which sends again what is missing or broken", r.set("check", "deep"))
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::TooLarge { what: Counted::Attachments, .. }),
        hints: &[always(|_, r| {
            format!("raise {}, or leave them where they are: {}", r.input("size-limit"), r.set("attachments", "none"))
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::TooLarge { .. }),
        hints: &[always(|_, r| {
            format!("raise {}, or copy fewer platforms: {}", r.input("size-limit"), r.set("platforms", "linux/amd64"))
        })],
    },
    Rule {
        is: |f| unsigned(f).is_some_and(|unsigned| unsigned.policy.is_none()),
        hints: &[always(|_, _| {
            "if the image is to come in, write a rule for it before the one that lets nothing in, under `verify` of the list"
                .to_owned()
        })],
    },
    Rule {
        is: |f| unsigned(f).is_some(),
        hints: &[
            when(
                |f, _| has(f, |reason| matches!(reason, Rejection::UnknownAuthority(_))),
                |_, r| {
                    let root = r.input("trusted-root");
                    format!(
                        "update mirror-image, whose trusted roots may be too old, or give the signer's own by {root}"
                    )
                },
            ),
            when(
                |f, _| has(f, |reason| *reason == Rejection::NotLogged),
                |_, r| {
                    let ignore = r.set("verify-log", "ignore");
                    format!(
                        "if its signer keeps signatures out of the public log, let the policy ignore the log, or set {ignore}"
                    )
                },
            ),
            when(
                |f, _| has(f, |reason| matches!(reason, Rejection::Attestation { wanted: None, .. })),
                |_, _| {
                    "if an attestation is to count in place of a signature, write its type as `predicate` into the policy"
                        .to_owned()
                },
            ),
            when(
                |f, _| unsigned(f).is_some_and(|unsigned| unsigned.found == 0),
                |_, _| {
                    "its publisher may not sign it, or the place it is read from lacks the signatures: ask where the publisher \
                     pushes"
                        .to_owned()
                },
            ),
            always(|_, r| {
                let warn = r.set("verify-mode", "warn");
                format!("to copy it all the same and be told, give its rule the mode `warn`, or set {warn}")
            }),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Unexpected { pin: Pin::Frozen(_), .. }),
        hints: &[always(|f, r| {
            let how = match r {
                Reader::Button(Form::List) => format!("run the workflow `{}`", Form::Refresh.name()),
                _ => format!("refresh it with a dry run without {}", r.input("frozen")),
            };
            format!("{}; if the new image is the one you want, {how}", held(f))
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Unexpected { pin: Pin::Lock(_), .. }),
        hints: &[always(|f, r| {
            let all = r.set("lock-update", "all");
            format!("{}; if the new image is the one you want, refresh it with a run with {all}", held(f))
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Unexpected { pin: Pin::Source, .. }),
        hints: &[always(|f, _| {
            let actual = match f.error {
                Error::Unexpected { actual, .. } => actual.as_str(),
                _ => "sha256:…",
            };
            format!(
                "if the publisher moved the tag and the new image is the one you want, write `@{actual}` behind the tag; to stay \
                 with the old image, leave the tag out and keep its digest: `repository@sha256:…`"
            )
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Unexpected { .. }),
        hints: &[
            always(|f, r| {
                let actual = match f.error {
                    Error::Unexpected { actual, .. } => actual.as_str(),
                    _ => "sha256:…",
                };
                format!(
                    "if the publisher moved the tag and the new image is the one you want, set {}",
                    r.set("expected-digest", actual)
                )
            }),
            always(|_, _| {
                "to stay with the old image, name the source by digest: `repository:tag@sha256:…`".to_owned()
            }),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Conflict { written_in: WrittenIn::List, .. }),
        hints: &[always(|_, _| {
            "the list decides here, before any input: let its entry, or its defaults, say `overwrite` of a conflict to replace what \
             the tag points at, or `keep` to leave it"
                .to_owned()
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Conflict { .. }),
        hints: &[
            always(|_, r| format!("to replace what the tag points at, set {}", r.set("on-conflict", "overwrite"))),
            always(|_, r| {
                format!(
                    "to leave it, set {}, or choose another tag in {}",
                    r.set("on-conflict", "keep"),
                    r.input("target")
                )
            }),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Moved { .. }),
        hints: &[
            always(|_, _| "find out what else writes this tag, and let one of them do it at a time".to_owned()),
            when(
                |_, r| r.is_in_actions(),
                |_, _| {
                    "give the workflows that write it the same `concurrency` group, without `cancel-in-progress`"
                        .to_owned()
                },
            ),
            when(|_, r| r == Reader::GitLab, |_, _| "give the jobs that write it the same `resource_group`".to_owned()),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::Platform { .. }),
        hints: &[always(|f, r| {
            if matches!(f.error, Error::Platform { available, .. } if available.is_empty()) {
                return format!("set {}: there is nothing to choose from", r.set("platforms", "all"));
            }
            format!(
                "choose {} from that list, or {} to copy the image as it is",
                r.input("platforms"),
                r.set("platforms", "all")
            )
        })],
    },
    Rule {
        is: |f| matches!(f.error, Error::Different { .. }),
        hints: &[
            always(|_, r| {
                if r == Reader::Button(Form::Alert) {
                    return format!("run the workflow `{}` to bring the target up to date", Form::List.name());
                }
                let copy = match r {
                    Reader::CommandLine => "`mirror-image copy` with the same options".to_owned(),
                    _ => format!("{} with the same inputs", r.set("command", "copy")),
                };
                format!(
                    "run {copy} to bring the target up to date, and with {} where the digest is right and parts are missing",
                    r.set("check", "deep")
                )
            }),
            when(
                |_, r| !matches!(r, Reader::Button(_)),
                |_, r| {
                    format!(
                        "if some platforms were copied only, compare the same ones: {}",
                        r.set("platforms", "linux/amd64")
                    )
                },
            ),
        ],
    },
    Rule {
        is: |f| matches!(f.error, Error::OutOfPulls { .. }),
        hints: &[always(|_, r| {
            let (budget, auth) = (r.input("pull-budget"), r.input("registry-auth"));
            format!(
                "run again when the registry gives pulls back, raise {budget}, or log in with {auth}: an account has more"
            )
        })],
    },
    Rule { is: |f| matches!(f.error, Error::Cancelled { .. }), hints: &[RUN_AGAIN] },
    // An answer that no rule knows.
    Rule {
        is: |f| f.status() != 0,
        hints: &[always(|f, _| {
            format!("ask the operator of `{}`, who can find the request by its number and its time", f.host)
        })],
    },
];

/// The host on an internal network that a registry led to.
fn inside<'a>(failure: &'a Failure<'_>) -> Option<&'a str> {
    match failure.violation() {
        Some(Violation::LocalAddress { host, .. }) => Some(host),
        _ => None,
    }
}
