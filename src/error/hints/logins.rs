//! What is advised where a login by an identity failed, or where one that was had does not do.

use crate::error::cause::LoginFailure;
use crate::error::cause::Used;
use crate::error::failure::Failure;
use crate::error::hints::rule::{Hint, RUN_AGAIN, Rule, always, when};
use crate::error::login::{LoginReason, LoginStep, SIGSTORE};

fn is(failure: &Failure<'_>, fits: fn(&LoginFailure) -> bool) -> bool {
    failure.login_failure().is_some_and(fits)
}

/// The type of the login.
fn kind(failure: &Failure<'_>) -> &'static str {
    match (failure.login_failure(), failure.used()) {
        (Some(login), _) => login.provider,
        (None, Used::Identity(kind)) => kind,
        (None, _) => "",
    }
}

/// Where the rules about an identity are, by type.
fn trust(kind: &str) -> &'static str {
    match kind {
        "aws-ecr" => "the trust policy of the role",
        "dockerhub" => "the rule sets of the OIDC connection at Docker",
        "gcp-wif" => "the attribute condition and the bindings of the workload identity pool",
        "azure-acr" => "the federated credential of the application",
        "quay" => "the federation of the robot account",
        "jfrog" => "the identity mappings of the OIDC integration",
        "chainguard" => "the identity's claim matches",
        _ => "the rules at the provider",
    }
}

/// What a login needs at the registry, by type.
fn rights(kind: &str, writes: bool) -> &'static str {
    match (kind, writes) {
        ("aws-ecr", true) => {
            "`ecr:GetAuthorizationToken`, `ecr:BatchCheckLayerAvailability`, `ecr:InitiateLayerUpload`, \
             `ecr:UploadLayerPart`, `ecr:CompleteLayerUpload`, `ecr:PutImage` and `ecr:BatchGetImage`"
        }
        ("aws-ecr", false) => "`ecr:GetAuthorizationToken`, `ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer`",
        ("gcp-wif", true) => "the role Artifact Registry Writer",
        ("gcp-wif", false) => "the role Artifact Registry Reader",
        ("azure-acr", true) => "the role AcrPush",
        ("azure-acr", false) => "the role AcrPull",
        ("quay", true) => "the permission Write for the robot account",
        (_, true) => "the right to push",
        (_, false) => "the right to pull",
    }
}

const RECIPE: Hint = always(|_, _| "what each provider needs, to paste: docs/recipes/no-stored-secrets.md".to_owned());

/// In the order in which a failure is judged, before all others.
pub const RULES: &[Rule] = &[
    Rule {
        is: |f| is(f, |login| matches!(login.reason, LoginReason::Clock { .. })),
        hints: &[always(|_, r| {
            format!("set the clock of {}: tokens and signatures are good for minutes", r.machine())
        })],
    },
    Rule {
        is: |f| is(f, |login| login.provider == SIGSTORE && login.reason == LoginReason::Identity),
        hints: &[
            always(|_, _| {
                "of a private or internal repository GitHub's own instance signs, for organisations with GitHub Enterprise Cloud"
                    .to_owned()
            }),
            always(|_, r| {
                format!(
                    "without it, or on a server of your own: name an instance that knows the server by {}, or leave out {}",
                    r.input("signing-config"),
                    r.input("attest")
                )
            }),
        ],
    },
    Rule {
        is: |f| is(f, |login| login.reason == LoginReason::Identity),
        hints: &[
            always(|f, _| {
                format!(
                    "compare what the identity has with {}: `iss`, `sub` and `aud` must be as written there",
                    trust(kind(f))
                )
            }),
            always(|_, _| {
                "a repository that was made after 15 July 2026, or that opted in, has numbers in `sub`: \
                 `repo:OWNER@123/NAME@456:ref:refs/heads/main`"
                    .to_owned()
            }),
            when(
                |f, _| kind(f) == "aws-ecr",
                |_, _| "AWS answers the same for a role that does not exist: check its name and account".to_owned(),
            ),
            RECIPE,
        ],
    },
    Rule {
        is: |f| is(f, |login| login.reason == LoginReason::Unknown),
        hints: &[
            always(|f, r| {
                format!(
                    "check the names in {}: {}",
                    r.input("registry-identities"),
                    match kind(f) {
                        "aws-ecr" => {
                            "the role, and that its account has an identity provider `token.actions.githubusercontent.com` \
                             with the audience `sts.amazonaws.com`"
                        }
                        "dockerhub" =>
                            "`connection_id` and `username`, as Docker's settings of the organisation show them",
                        "gcp-wif" => "`workload_identity_provider` and `service_account`; a new one takes some minutes",
                        "azure-acr" => "the ids of the tenant and of the client",
                        _ => "all of them, as the provider's settings show them",
                    }
                )
            }),
            RECIPE,
        ],
    },
    Rule {
        is: |f| is(f, |login| login.reason == LoginReason::Rights && login.step == LoginStep::CreateRepository),
        hints: &[always(|f, _| {
            format!(
                "allow the role `ecr:CreateRepository` for `{}` (at ECR Public the same of ecr-public), or create it \
                 by hand",
                f.repository
            )
        })],
    },
    Rule {
        is: |f| is(f, |login| login.reason == LoginReason::Rights),
        hints: &[
            always(|f, _| {
                match kind(f) {
                    "aws-ecr" => {
                        "allow the role `ecr:GetAuthorizationToken` on `*` (at ECR Public the \
                         same of ecr-public, and `sts:GetServiceBearerToken`)"
                    }
                    "gcp-wif" => {
                        "give the pool's identities the role Workload Identity User on the service account, and enable the \
                         IAM Service Account Credentials API"
                    }
                    _ => "give the identity a role at the registry",
                }
                .to_owned()
            }),
            RECIPE,
        ],
    },
    Rule {
        is: |f| is(f, |login| login.step == LoginStep::Machine),
        hints: &[always(|f, _| {
            match kind(f) {
                "aws-ecr" => {
                    "set the variables that `aws configure export-credentials --format env` writes (AWS_ACCESS_KEY_ID and \
                     what goes with it), or run where a container or an instance has a role; the files in `~/.aws` are not read"
                }
                _ => "log in anew: `gcloud auth application-default login`",
            }
            .to_owned()
        })],
    },
    Rule {
        is: |f| f.login_failure().is_some(),
        hints: &[
            RUN_AGAIN,
            always(|f, _| {
                let host = f.login_failure().map_or("", |login| login.service.as_str());
                format!("if it stays: check that `{host}` can be reached from here, and its status page")
            }),
        ],
    },
    Rule {
        is: |f| f.status() == 401 && matches!(f.used(), Used::Expired(_)),
        hints: &[
            always(|f, r| match f.used() {
                Used::Expired(origin) => format!(
                    "the password from {} was good for `{}` earlier in this run and is not any more: it has expired, \
                     or was withdrawn",
                    // A variable, or an input.
                    if origin.contains('_') { origin.to_owned() } else { r.input(origin) },
                    f.host
                ),
                _ => String::new(),
            }),
            always(|_, r| {
                format!(
                    "run again with a new one: what is finished is kept; or let the run log in by itself, which asks anew \
                     before a login ends: {}",
                    r.input("registry-identities")
                )
            }),
        ],
    },
    Rule {
        is: |f| matches!(f.status(), 401 | 403) && matches!(f.used(), Used::Identity(_)) && !f.throttles(),
        hints: &[
            always(|f, r| {
                format!(
                    "the login by {} ({}) went well, and `{}` refuses what it was used for: give it {} for `{}`",
                    r.input("registry-identities"),
                    kind(f),
                    f.host,
                    rights(kind(f), f.writes()),
                    f.repository
                )
            }),
            RECIPE,
        ],
    },
];
