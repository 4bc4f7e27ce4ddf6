//! Every failure by example: what `docs/errors.md` is made of.
//!
//! Owns one example at least for each kind of error and for each piece of advice in [`crate::error::hints`]; a kind or an advice
//! without one fails a test. The words of registries are their own, the sentences about bad input those of the reader of
//! inputs.

use std::time::Duration;

use crate::environment::Environment;
use crate::error::action::Action;
use crate::error::cause::LoginFailure;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse, Instead, Shown, TlsFailure, Used};
use crate::error::login::{Claims, LoginReason, LoginStep, LoginTurn, SIGSTORE};
use crate::error::object::Object;
use crate::error::signature::{Claim, RejectedSignature, Rejection, Unsigned};
use crate::error::violation::{Lead, Violation};
use crate::error::{Counted, Error, Pin, Side, ToldBy, WrittenIn};
use crate::inputs;
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;

/// A failure, and when it happens.
#[derive(Clone, Debug)]
pub struct Example {
    /// When it happens; a phrase.
    pub when: &'static str,
    /// The failure.
    pub error: Error,
    /// What to do, where the failure has no hints because its sentence says it.
    pub to_do: &'static str,
}

/// Failures that look alike.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// What they have in common.
    pub title: &'static str,
    /// How to recognise them, and what is true of all.
    pub about: &'static str,
    /// The failures.
    pub examples: Vec<Example>,
}

/// The kinds of failures and the chapters that they belong to: an error that has no row here does not compile, and a row
/// that has no example fails a test.
macro_rules! kinds {
    ($($pattern:pat => $kind:ident of $title:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Kind { $($kind),* }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$kind),*];

            fn of(error: &Error) -> Self {
                match error { $($pattern => Self::$kind),* }
            }

            fn title(self) -> &'static (&'static str, &'static str) {
                match self { $(Self::$kind => &$title),* }
            }
        }
    };
}

kinds! {
    Error::Input { .. } => Input of INPUT;
    Error::Registry { cause: Cause::Refused(_) | Cause::Interrupted(_), .. } => Refused of REFUSED;
    Error::Registry { cause: Cause::Elsewhere { .. }, .. } => Elsewhere of CONNECTION;
    Error::Registry { cause: Cause::Token { .. }, .. } => Token of TOKEN;
    Error::Registry { cause: Cause::Login(_), .. } => Login of LOGIN;
    Error::Registry { cause: Cause::Connection { kind: ConnectionFailure::Dns, .. }, .. } => Dns of CONNECTION;
    Error::Registry { cause: Cause::Connection { kind: ConnectionFailure::Refused, .. }, .. } => NothingListens of CONNECTION;
    Error::Registry { cause: Cause::Connection { kind: ConnectionFailure::Tls(_), .. }, .. } => Tls of CONNECTION;
    Error::Registry { cause: Cause::Connection { kind: ConnectionFailure::Timeout, .. }, .. } => Timeout of CONNECTION;
    Error::Registry { cause: Cause::Connection { kind: ConnectionFailure::Stalled, .. }, .. } => Stalled of CONNECTION;
    Error::Registry { cause: Cause::Connection { kind: ConnectionFailure::Broken, .. }, .. } => Broken of CONNECTION;
    Error::Registry { cause: Cause::OutOfPatience { .. }, .. } => OutOfPatience of PATIENCE;
    Error::Registry { cause: Cause::Protocol(_), .. } => Protocol of PROTOCOL;
    Error::DigestMismatch { .. } => DigestMismatch of CONTENT;
    Error::Content { .. } | Error::NotRepaired { .. } | Error::Lost { .. } => Content of CONTENT;
    Error::SeveralImages { .. } => SeveralImages of WISH;
    Error::Rules { .. } => Rules of WISH;
    Error::TooLarge { .. } => TooLarge of WISH;
    Error::Unexpected { .. } => Unexpected of WISH;
    Error::Unsigned { .. } => Unsigned of WISH;
    Error::Conflict { .. } => Conflict of WISH;
    Error::Moved { .. } => Moved of WISH;
    Error::Platform { .. } => Platform of WISH;
    Error::Different { .. } => Different of WISH;
    Error::OutOfPulls { .. } => OutOfPulls of WISH;
    Error::Cancelled { .. } => Cancelled of HERE;
    Error::Local(_) => Local of HERE;
}

const INPUT: (&str, &str) = (
    "Bad input",
    "The line begins with the word `input` and names it. Exit code 2: nothing was contacted and nothing was written. Each \
     mistake has its own sentence, which says how to mend it; these are some.",
);

const REFUSED: (&str, &str) = (
    "The registry said no",
    "Side, request, object, then the registry's own words: status, code, message, and the request's number for its \
     support. What is asked again by itself (429, 5xx, a 403 that is a rate limit) comes here only where that does not help.",
);

const TOKEN: (&str, &str) = (
    "The token service said no",
    "`token from HOST`: the registry sends its clients there for a token first. `with the given credential` or `without a \
     credential` says whether one was sent.",
);

const LOGIN: (&str, &str) = (
    "The login was not given",
    "A login of `registry-identities`: who was asked for what, the answer, and what the identity says of itself. The identity \
     itself is shown to nobody but that service.",
);

const CONNECTION: (&str, &str) =
    ("No answer", "The words in brackets are the operating system's or the TLS library's.");

const PATIENCE: (&str, &str) = (
    "It went on for too long",
    "The input `patience` says for how long what failed is tried again, counted from the last byte or answer that came \
     through. When it ends, that is said after the last failure.",
);

const PROTOCOL: (&str, &str) = (
    "The answer is no registry's",
    "Something answered, and not as the specification says, or against a rule of this program.",
);

const CONTENT: (&str, &str) = (
    "The content is not what its name says",
    "Everything is hashed on its way. What does not match is not completed at the target, and no tag is set.",
);

const WISH: (&str, &str) =
    ("What was asked for does not hold", "Nothing is broken: two of your wishes, or a wish and the facts, contradict.");

const HERE: (&str, &str) = ("This run and this machine", "");

/// All failures, by chapter.
pub fn chapters() -> Vec<Chapter> {
    let examples = examples();
    let mut chapters: Vec<Chapter> = Vec::new();
    for kind in Kind::ALL {
        let (title, about) = *kind.title();
        let of_kind = examples.iter().filter(|example| Kind::of(&example.error) == *kind).cloned();
        match chapters.last_mut().filter(|last| last.title == title) {
            Some(last) => last.examples.extend(of_kind),
            None => chapters.push(Chapter { title, about, examples: of_kind.collect() }),
        }
    }
    chapters
}

const GHCR: &str = "ghcr.io/acme/mirror/alpine:3.20";

const HUB: &str = "docker.io/library/alpine:3.20";

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/alpine:3.20";

const OTHER: &str = "registry.example.com:5000/team/app:1";

pub(crate) fn examples() -> Vec<Example> {
    [
        bad_inputs(),
        limits(),
        refusals_of_access(),
        refusals_of_content(),
        tokens(),
        [logins(), attestations()].concat(),
        no_connections(),
        no_answers(),
        signatures(),
        others(),
        ends(),
    ]
    .concat()
}

fn bad_inputs() -> Vec<Example> {
    let cases: [(&str, &[&str], &str); 7] = [
        ("no image is named", &["copy"], "name one"),
        (
            "a repository has upper case, which no registry takes",
            &["copy", "ghcr.io/ACME/app:1"],
            "write it in lower case",
        ),
        ("a URL is pasted", &["copy", "https://registry.example.com/acme/app:1"], "write it without `https://`"),
        (
            "a word is not one of those that are known",
            &["copy", "a/b", "--on-conflict", "replace"],
            "take one of those that are named",
        ),
        ("a platform is misspelt", &["copy", "a/b", "--platforms", "linux/arm64v8"], "write it as `inspect` shows it"),
        (
            "only one of two that belong together is given",
            &["copy", "a/b", "--source-username", "ann"],
            "give both or neither; in a workflow, look whether the secret is set",
        ),
        (
            "a password or token stands where a name belongs",
            &["copy", "a/b", "g/h:ghs_0123456789abcdef", "--github-token", "ghs_0123456789abcdef"],
            "take it out, and revoke it where others may have read it",
        ),
    ];
    let refused = |(when, arguments, to_do): (&'static str, &[&str], &'static str)| {
        let arguments = arguments.iter().map(Into::into).collect();
        Some(Example { when, error: inputs::read(arguments, &Environment::default()).err()?, to_do })
    };
    cases.into_iter().filter_map(refused).collect()
}

/// Logins of `registry-identities` that failed, and what registries make of those that went well.
fn logins() -> Vec<Example> {
    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/alpine:3.20";
    const GOOGLE: &str = "europe-docker.pkg.dev/acme/mirror/alpine:3.20";
    let claims = |audience: &str| Claims {
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        subject: "repo:octo@1234/mirror@5678:ref:refs/heads/main".to_owned(),
        audience: audience.to_owned(),
    };
    let aws = |step, reason, service: &str, cause| LoginFailure {
        provider: "aws-ecr",
        service: service.to_owned(),
        turn: LoginTurn::First,
        step,
        reason,
        cause,
        claims: (step == LoginStep::Exchange).then(|| claims("sts.amazonaws.com")),
    };
    let google = |step, reason, service: &str, cause| LoginFailure {
        provider: "gcp-wif",
        claims: None,
        ..aws(step, reason, service, cause)
    };
    let failed = |failure: LoginFailure| Cause::Login(Box::new(failure));
    let (sts, ecr) = ("sts.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com");
    let not_authorized = || refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    let denied = || refused(400, "AccessDeniedException", "User is not authorized to perform this action");
    let used = |status, used| match refused(status, "DENIED", "not allowed") {
        Cause::Refused(refusal) => Cause::Refused(ErrorResponse { used, shown: Shown::Credential, ..refusal }),
        other => other,
    };
    vec![
        push(
            "the role does not trust this workflow",
            ECR,
            failed(aws(LoginStep::Exchange, LoginReason::Identity, sts, not_authorized())),
        ),
        push(
            "the account has no identity provider for GitHub",
            ECR,
            failed(aws(
                LoginStep::Exchange,
                LoginReason::Unknown,
                sts,
                refused(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account"),
            )),
        ),
        push(
            "the runner's clock is wrong",
            ECR,
            failed(aws(LoginStep::Password, LoginReason::Clock { seconds: 2400 }, ecr, denied())),
        ),
        push(
            "the role may not ask for ECR's password",
            ECR,
            failed(aws(LoginStep::Password, LoginReason::Rights, ecr, denied())),
        ),
        push(
            "the role may not create repositories",
            ECR,
            failed(aws(LoginStep::CreateRepository, LoginReason::Rights, ecr, denied())),
        ),
        push(
            "the machine has no AWS credentials",
            ECR,
            failed(aws(LoginStep::Machine, LoginReason::Unclear, "169.254.169.254", refused(404, "", "not found"))),
        ),
        push(
            "a person's login at Google has ended",
            GOOGLE,
            failed(google(
                LoginStep::Machine,
                LoginReason::Unclear,
                "oauth2.googleapis.com",
                refused(400, "invalid_grant", "Token has been expired or revoked."),
            )),
        ),
        push(
            "the provider cannot be reached",
            GOOGLE,
            failed(google(LoginStep::Exchange, LoginReason::Unclear, "sts.googleapis.com", no_address())),
        ),
        push(
            "the provider fails when a login is to be renewed",
            ECR,
            failed(LoginFailure {
                turn: LoginTurn::Renewal,
                ..aws(
                    LoginStep::Password,
                    LoginReason::Unclear,
                    ecr,
                    Cause::OutOfPatience {
                        waited: std::time::Duration::from_secs(300),
                        last: Box::new(refused(503, "ServiceUnavailable", "Please try again")),
                    },
                )
            }),
        ),
        push("the login went well, and the role may not push", ECR, used(403, Used::Identity("aws-ecr"))),
        push("a password ends in the middle of a run", OTHER, used(401, Used::Expired("registry-auth"))),
    ]
}

/// Statements of what was copied that could not be signed.
fn attestations() -> Vec<Example> {
    let failed = |step, reason, service: &str, cause, claims| {
        Cause::Login(Box::new(LoginFailure {
            turn: LoginTurn::First,
            provider: SIGSTORE,
            service: service.to_owned(),
            step,
            reason,
            cause,
            claims,
        }))
    };
    let claims = Claims {
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        subject: "repo:octo@1234/mirror@5678:ref:refs/heads/main".to_owned(),
        audience: "sigstore".to_owned(),
    };
    vec![
        attest(
            "`attest` is set in a private repository, without GitHub Enterprise Cloud",
            failed(
                LoginStep::Certificate,
                LoginReason::Identity,
                "fulcio.githubapp.com",
                refused(403, "7", "There was an error processing the identity token"),
                Some(claims),
            ),
        ),
        attest(
            "the transparency log cannot be reached",
            failed(LoginStep::LogEntry, LoginReason::Unclear, "rekor.sigstore.dev", no_address(), None),
        ),
    ]
}

fn refusals_of_access() -> Vec<Example> {
    let denied = || refused(403, "DENIED", "requested access to the resource is denied");
    let says = |message| refused(403, "DENIED", message);
    vec![
        read(
            "a registry without a token service, and no credential for it",
            OTHER,
            shown(Shown::Nothing, refused(401, "UNAUTHORIZED", "authentication required")),
        ),
        read(
            "a registry without a token service, and a wrong credential",
            OTHER,
            shown(Shown::Credential, refused(401, "UNAUTHORIZED", "authentication required")),
        ),
        read(
            "there is a credential, and what answers does not ask for it",
            OTHER,
            shown(Shown::Unasked, refused(401, "", "")),
        ),
        push(
            "a name of three levels, at a registry whose names have two",
            "docker.io/acme/library/alpine:3.20",
            shown(Shown::Token, refused(400, "NAME_INVALID", "Invalid repository name")),
        ),
        push(
            "a name of three levels at such a registry, and no credential",
            "docker.io/acme/library/alpine:3.20",
            nobody("auth.docker.io", refused(401, "UNAUTHORIZED", "authentication required")),
        ),
        push(
            "a namespace alone at a registry whose names have two levels",
            "registry.cn-hangzhou.aliyuncs.com/octo:3.20",
            shown(Shown::Token, refused(401, "UNAUTHORIZED", "authentication required")),
        ),
        read(
            "there is no such image at Docker Hub, or it is private, and no credential",
            HUB,
            nobody("auth.docker.io", refused(401, "UNAUTHORIZED", "authentication required")),
        ),
        read("the account may not pull this", OTHER, denied()),
        upload("the account may not push there", OTHER, denied()),
        upload(
            "a token for Docker Hub that may only read",
            HUB,
            refused(401, "UNAUTHORIZED", "access token has insufficient scopes"),
        ),
        upload(
            "an ECR password is older than twelve hours",
            ECR,
            says("Your authorization token has expired. Reauthenticate and try again."),
        ),
        push(
            "the package belongs to another repository, or the job lacks `packages: write`",
            GHCR,
            says("permission_denied: write_package"),
        ),
        upload(
            "the organisation does not let Actions create packages",
            GHCR,
            says("installation not allowed to Create organization package"),
        ),
        upload(
            "a GitHub App's token is used to push",
            GHCR,
            says("installation not allowed to Write organization package"),
        ),
        read("this token may not read the package", GHCR, denied()),
        upload(
            "the target is a pull-through cache",
            OTHER,
            refused(405, "UNSUPPORTED", "The operation is unsupported."),
        ),
        delete("the registry deletes nothing", OTHER, refused(405, "UNSUPPORTED", "The operation is unsupported.")),
        delete(
            "the credential may read and write, and not delete",
            OTHER,
            shown(Shown::Credential, refused(403, "DENIED", "requested access to the resource is denied")),
        ),
        read("the source cannot be read this way", OTHER, refused(405, "UNSUPPORTED", "The operation is unsupported.")),
    ]
}

fn limits() -> Vec<Example> {
    let wait = || {
        let retry_after = Some(Duration::from_secs(60));
        Cause::Refused(ErrorResponse {
            status: 429,
            message: "Too Many Requests".to_owned(),
            retry_after,
            ..ErrorResponse::default()
        })
    };
    vec![
        read(
            "Docker Hub's quota of pulls is used up",
            HUB,
            refused(
                429,
                "TOOMANYREQUESTS",
                "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
            ),
        ),
        read("Docker Hub is asked too fast", HUB, wait()),
        read("another registry is asked too fast", OTHER, wait()),
        push("a registry asks to wait and does not say how long", OTHER, refused(429, "TOOMANYREQUESTS", "slow down")),
        push(
            "GitHub is asked too much at once, and says so with a 403",
            GHCR,
            refused(
                403,
                "DENIED",
                "permission_denied: Error from intermediary with HTTP status code 403 \"Forbidden\": You have exceeded a \
                 secondary rate limit. Please wait a few minutes before you try again.",
            ),
        ),
        read(
            "a registry behind GitHub's interface is asked too much, and says so with a 403",
            OTHER,
            refused(403, "DENIED", "API rate limit exceeded for installation ID 1."),
        ),
        read(
            "the owner of the package has used up the traffic of the account",
            GHCR,
            refused(503, "", "Egress is over the account limit."),
        ),
        push(
            "the project is full",
            OTHER,
            refused(403, "DENIED", "adding 3.2 MiB of storage resource will exceed the project quota of 10.0 GiB"),
        ),
        send("a layer is larger than the registry, or the proxy before it, takes", OTHER, refused(413, "", "")),
        send("a layer is larger than GitHub's registry takes", GHCR, refused(413, "", "")),
    ]
}

fn refusals_of_content() -> Vec<Example> {
    vec![
        read("there is no such image", HUB, refused(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        read(
            "there is no such tag, and there are others",
            HUB,
            instead(
                Instead::Tags(["3.20.3", "3.20.2", "3.21"].map(str::to_owned).to_vec()),
                refused(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            ),
        ),
        read(
            "there is no such tag, and no other",
            OTHER,
            instead(Instead::NoTag, refused(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        ),
        read(
            "there is no such repository, and the run reads one that is called almost so",
            OTHER,
            instead(
                Instead::NoRepository {
                    answer: Some("404 NAME_UNKNOWN: repository name not known to registry".to_owned()),
                    near: Some("registry.example.com/mirror/alpine".to_owned()),
                },
                refused(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            ),
        ),
        read(
            "there is no such repository, as the registry says at once",
            OTHER,
            instead(
                Instead::NoRepository { answer: None, near: None },
                refused(404, "NAME_UNKNOWN", "repository name not known to registry"),
            ),
        ),
        read("there is no such package, or it is private", GHCR, refused(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        upload(
            "the target's repository must be made first",
            OTHER,
            refused(404, "NAME_UNKNOWN", "repository name not known to registry"),
        ),
        upload(
            "the repository at ECR must be made first",
            ECR,
            refused(404, "NAME_UNKNOWN", "The repository with name 'mirror/alpine' does not exist in the registry"),
        ),
        request("what was written is not to be seen", Side::Target, Action::HeadManifest, OTHER, refused(404, "", "")),
        push(
            "the tag exists and cannot be moved",
            ECR,
            refused(
                400,
                "TAG_INVALID",
                "The image tag '3.20' already exists and cannot be overwritten because the repository is immutable.",
            ),
        ),
        push(
            "the registry does not know this kind of manifest",
            OTHER,
            refused(400, "MANIFEST_INVALID", "manifest invalid"),
        ),
        push(
            "a part is missing at the target: left out by `platforms`, or lost there",
            OTHER,
            refused(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
        ),
        read("the registry has a fault", OTHER, refused(500, "UNKNOWN", "unknown error")),
        read("the registry answers something unheard of", OTHER, refused(418, "", "short and stout")),
    ]
}

fn tokens() -> Vec<Example> {
    let unauthorized = || refused(401, "UNAUTHORIZED", "authentication required");
    let wrong = || refused(401, "UNAUTHORIZED", "incorrect username or password");
    vec![
        read(
            "the image is private, or is not there, and there is no credential",
            OTHER,
            nobody("auth.example.com", unauthorized()),
        ),
        push("a push without a credential", OTHER, nobody("auth.example.com", unauthorized())),
        push("a wrong password", OTHER, somebody("auth.example.com", wrong())),
        read("a wrong password for Docker Hub", HUB, somebody("auth.docker.io", wrong())),
        read("the package is private, or is not there, and there is no token", GHCR, nobody("ghcr.io", unauthorized())),
        push(
            "the job's token may not write packages",
            GHCR,
            somebody("ghcr.io", refused(403, "DENIED", "requested access to the resource is denied")),
        ),
        push(
            "the token service has a name of somebody else",
            OTHER,
            Cause::Token {
                service: "tokens.example".to_owned(),
                refusal: Box::new(unauthorized()),
                with_credential: false,
                kept_back: Some("registry.example.com = tokens.example".to_owned()),
            },
        ),
        read("the token service cannot be found", OTHER, nobody("auth.example.com", no_address())),
    ]
}

fn no_connections() -> Vec<Example> {
    let tls = |failure, detail| connection(ConnectionFailure::Tls(failure), detail);
    vec![
        read("the name is misspelt, or known inside a network only", OTHER, no_address()),
        push(
            "no registry runs there",
            OTHER,
            connection(ConnectionFailure::Refused, "Connection refused (os error 111)"),
        ),
        push(
            "the registry runs beside the container",
            "localhost:5000/team/app:1",
            connection(ConnectionFailure::Refused, "Connection refused (os error 111)"),
        ),
        push(
            "the certificate is from an authority of your own",
            OTHER,
            tls(TlsFailure::Certificate, "invalid peer certificate: UnknownIssuer"),
        ),
        push(
            "the certificate is self-signed, as an authority's is",
            OTHER,
            tls(TlsFailure::AuthorityAsServer, "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))"),
        ),
        push(
            "the certificate is for another name",
            OTHER,
            tls(TlsFailure::WrongName, "invalid peer certificate: NotValidForName"),
        ),
        push("the certificate is out of date", OTHER, tls(TlsFailure::Expired, "invalid peer certificate: Expired")),
        push(
            "the registry speaks plain HTTP",
            OTHER,
            tls(TlsFailure::PlainHttp, "received corrupt message of type InvalidContentType"),
        ),
        push("the registry speaks TLS, and is named as one that does not", OTHER, tls(TlsFailure::SpokenTo, "")),
        push(
            "the registry's TLS is too old, or it wants a client's certificate",
            OTHER,
            tls(TlsFailure::Handshake, "received fatal alert: ProtocolVersion"),
        ),
    ]
}

/// No answer, though there was a connection; and answers that are none.
fn no_answers() -> Vec<Example> {
    let last = Box::new(refused(503, "UNAVAILABLE", "service unavailable"));
    let waited = Duration::from_secs(300);
    let wait = ErrorResponse { status: 429, retry_after: Some(Duration::from_secs(600)), ..ErrorResponse::default() };
    vec![
        read(
            "the host that keeps the registry's blobs is not reached",
            OTHER,
            elsewhere(Lead::Redirect, "storage.example.com", connection(ConnectionFailure::Timeout, "60 s")),
        ),
        send(
            "a proxy hides the registry's port from it",
            OTHER,
            elsewhere(
                Lead::Upload,
                "registry.example.com:80",
                connection(ConnectionFailure::Refused, "Connection refused (os error 111)"),
            ),
        ),
        send(
            "an upload is lost in the middle",
            OTHER,
            Cause::Interrupted(ErrorResponse {
                status: 404,
                code: Some("BLOB_UPLOAD_UNKNOWN".to_owned()),
                message: "blob upload unknown to registry".to_owned(),
                ..ErrorResponse::default()
            }),
        ),
        read(
            "the host that keeps the registry's blobs does not let this runner in",
            OTHER,
            Cause::Refused(ErrorResponse {
                status: 403,
                message: "a web page, not a registry's answer".to_owned(),
                elsewhere: Some("cdn.example.com".to_owned()),
                ..ErrorResponse::default()
            }),
        ),
        read("a firewall swallows everything", OTHER, connection(ConnectionFailure::Timeout, "60 s")),
        read("a download stands still", OTHER, connection(ConnectionFailure::Stalled, "no byte for 30 s")),
        send("an upload stands still", OTHER, connection(ConnectionFailure::Stalled, "nothing moved for 60 s")),
        read(
            "the network breaks",
            OTHER,
            connection(ConnectionFailure::Broken, "connection closed before message completed"),
        ),
        read("the registry is down for longer than `patience`", OTHER, Cause::OutOfPatience { waited, last }),
        push(
            "the registry asks to wait for longer than `patience`",
            OTHER,
            Cause::OutOfPatience { waited, last: Box::new(Cause::Refused(wait)) },
        ),
        read("a login portal or a proxy answers in the registry's place", OTHER, Cause::Protocol(Violation::WebPage)),
        read(
            "a registry leads to an address without TLS, or on an internal network",
            OTHER,
            Cause::Protocol(Violation::WithoutTls { by: Lead::Redirect, host: "storage.example.com".to_owned() }),
        ),
        read(
            "the registry leads to storage in a private network",
            OTHER,
            Cause::Protocol(Violation::LocalAddress {
                by: Lead::Redirect,
                host: "storage.example.internal".to_owned(),
            }),
        ),
        push("a line break was pasted along with a password", OTHER, Cause::Protocol(Violation::HeaderUnsafe)),
        read(
            "somebody hung more on an image than an image has",
            OTHER,
            Cause::Protocol(Violation::ManifestsTooLarge { limit: 16 << 20 }),
        ),
    ]
}

/// What is no failed request.
/// An image whose signatures, each with whom it names, do not count.
fn unsigned(policy: Option<&str>, found: Vec<(Option<&str>, Rejection)>) -> Error {
    let issuer = "https://token.actions.githubusercontent.com";
    let rejected = |(by, reason): (Option<&str>, Rejection)| RejectedSignature {
        found: Digest::of(reason.to_string().as_bytes()).to_string(),
        by: by.map(|identity| Claim { identity: identity.to_owned(), issuer: issuer.to_owned() }),
        reason,
    };
    let unsigned = Unsigned {
        subjects: vec![Digest::of(b"one")],
        policy: policy.map(str::to_owned),
        found: found.len(),
        rejected: found.into_iter().map(rejected).collect(),
        left: None,
    };
    Error::Unsigned { reference: image(HUB), unsigned: Box::new(unsigned) }
}

fn signatures() -> Vec<Example> {
    let of = |when, error| Example { when, error, to_do: "" };
    vec![
        of("nothing proves who has made the image", unsigned(Some("own"), vec![])),
        of(
            "what was found is not the signature that a policy wants",
            unsigned(
                Some("k8s"),
                vec![
                    (
                        Some("https://github.com/octo/images-evil/.github/workflows/build.yml@refs/heads/main"),
                        Rejection::OtherIdentity,
                    ),
                    (Some("somebody@example.com"), Rejection::UnknownAuthority("UnknownIssuer".to_owned())),
                    (None, Rejection::NotLogged),
                    (
                        None,
                        Rejection::Attestation { predicate: "https://slsa.dev/provenance/v1".to_owned(), wanted: None },
                    ),
                ],
            ),
        ),
        of("a list lets in what its rules name, and no rule is for this image", unsigned(None, vec![])),
    ]
}

fn others() -> Vec<Example> {
    use Side::{Source, Target};
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    let mismatch = |side, object: &str| Error::DigestMismatch {
        side,
        object: image(object),
        expected: one.clone(),
        actual: two.to_string(),
    };
    let content =
        |side, object: &str, problem: &str| Error::Content { side, object: image(object), problem: problem.to_owned() };
    let of = |when, error| Example { when, error, to_do: "" };
    let unexpected = |pin| Error::Unexpected { reference: image(HUB), expected: one.clone(), actual: two.clone(), pin };
    let lock = || "images.lock".to_owned();
    let conflict = |written_in| {
        let (actual, wanted) = (one.clone(), two.clone());
        Error::Conflict { reference: image(GHCR), actual, wanted, written_in }
    };
    vec![
        of("bytes changed on their way", mismatch(Source, HUB)),
        of("the target stores something else than it was sent", mismatch(Target, OTHER)),
        of("the target took an image and lost it", Error::Lost { reference: image(OTHER), written: one.clone() }),
        of("an image was published broken", content(Source, HUB, "the layer has 1024 bytes, its descriptor says 2048")),
        of(
            "the target has lost or changed a part",
            content(Target, OTHER, "the layer has 1024 bytes, its descriptor says 2048"),
        ),
        of(
            "a file of a directory is not what its name says",
            Error::DigestMismatch {
                side: Source,
                object: image(&format!("oci:out@{one}")),
                expected: one.clone(),
                actual: two.to_string(),
            },
        ),
        of(
            "`check: deep` found a layer cut short, and the registry took no other",
            Error::NotRepaired {
                object: image(&format!("ghcr.io/acme/mirror/alpine@{one}")),
                expected: 50_921,
                actual: 1000,
            },
        ),
        of(
            "a directory is no image layout",
            content(Source, "oci:out", "is not an OCI layout: `oci-layout` is missing"),
        ),
        of(
            "a directory has the images of a list, and none was named",
            Error::SeveralImages {
                side: Source,
                object: image("oci:out"),
                told_by: ToldBy::Name,
                images: "docker.io/library/alpine:3.20, quay.io/prometheus/prometheus:v3".to_owned(),
            },
        ),
        Example {
            when: "the patterns of a list match no tag",
            error: Error::Rules {
                object: image(HUB),
                problem:
                    "no tag is `3.2*`; the nearest are 3.19, 3.18; mend it, or write `optional: true` (images.yml:5:5)"
                        .to_owned(),
            },
            to_do: "mend the pattern in the list",
        },
        of("an image has more bytes than `size-limit` allows", too_large(Counted::Image)),
        of("what hangs on an image has more bytes than `size-limit` allows", too_large(Counted::Attachments)),
        of("the publisher moved the tag", unexpected(Pin::Input)),
        of("the digest was written behind the tag", unexpected(Pin::Source)),
        of("the tag has moved since the lock was written, and the run is `frozen`", unexpected(Pin::Frozen(lock()))),
        of(
            "the tag has moved since the lock was written, and `lock-update` keeps its line",
            unexpected(Pin::Lock(lock())),
        ),
        of("the target's tag has another digest, and `on-conflict` is `fail`", conflict(WrittenIn::Input)),
        of("the same, and a list says so", conflict(WrittenIn::List)),
        of(
            "two runs write one tag at the same time, and this one lost",
            Error::Moved { reference: image(GHCR), written: one.clone(), actual: two.clone() },
        ),
        of(
            "`platforms` names one that the image does not have",
            Error::Platform {
                reference: image(HUB),
                wanted: "linux/sparc64".to_owned(),
                available: vec!["linux/amd64".to_owned(), "linux/arm64/v8".to_owned()],
            },
        ),
    ]
}

/// What ends a run, or an image, that nobody refused.
fn ends() -> Vec<Example> {
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    let of = |when, error| Example { when, error, to_do: "" };
    vec![
        of(
            "`verify` found the target behind the source",
            Error::Different { reference: image(GHCR), differences: vec![format!("it is {one}, the source is {two}")] },
        ),
        of(
            "`pull-budget` does not reach for the ages that a list asks for",
            Error::OutOfPulls { object: image(HUB), needed: 1, left: 0 },
        ),
        of("somebody cancelled the run, or its time was over", Error::Cancelled { signal: "SIGTERM" }),
        Example {
            when: "the runner's files cannot be written",
            error: Error::Local(
                "cannot write outputs to `/github/file_commands/set_output`: No space left on device (os error 28)"
                    .to_owned(),
            ),
            to_do: "make room on the disk and run again: what is at the target stays",
        },
    ]
}

fn too_large(what: Counted) -> Error {
    Error::TooLarge { reference: image(HUB), what, bytes: 12 << 30, limit: 10 << 30 }
}

/// What a failure is about, as users write it.
#[expect(clippy::expect_used, reason = "the references are those above")]
fn image(text: &str) -> Object {
    Object::from(&ImageReference::parse(text).expect("an example's reference"))
}

fn request(when: &'static str, side: Side, action: Action, object: &str, cause: Cause) -> Example {
    Example { when, error: Error::Registry { side, action, object: image(object), cause }, to_do: "" }
}

fn read(when: &'static str, object: &str, cause: Cause) -> Example {
    request(when, Side::Source, Action::GetManifest, object, cause)
}

fn push(when: &'static str, object: &str, cause: Cause) -> Example {
    request(when, Side::Target, Action::PutManifest, object, cause)
}

fn attest(when: &'static str, cause: Cause) -> Example {
    request(when, Side::Target, Action::Attest, "ghcr.io/acme/mirror/alpine:3.20", cause)
}

fn delete(when: &'static str, object: &str, cause: Cause) -> Example {
    request(when, Side::Target, Action::DeleteManifest, object, cause)
}

fn upload(when: &'static str, object: &str, cause: Cause) -> Example {
    request(when, Side::Target, Action::PostUpload, object, cause)
}

fn send(when: &'static str, object: &str, cause: Cause) -> Example {
    request(when, Side::Target, Action::PutBlob, object, cause)
}

fn refused(status: u16, code: &str, message: &str) -> Cause {
    let code = (!code.is_empty()).then(|| code.to_owned());
    Cause::Refused(ErrorResponse { status, code, message: message.to_owned(), ..ErrorResponse::default() })
}

fn shown(shown: Shown, cause: Cause) -> Cause {
    match cause {
        Cause::Refused(refusal) => Cause::Refused(ErrorResponse { shown, ..refusal }),
        other => other,
    }
}

fn instead(instead: Instead, cause: Cause) -> Cause {
    match cause {
        Cause::Refused(refusal) => Cause::Refused(ErrorResponse { instead: Box::new(instead), ..refusal }),
        other => other,
    }
}

fn nobody(service: &str, refusal: Cause) -> Cause {
    Cause::Token { service: service.to_owned(), refusal: Box::new(refusal), with_credential: false, kept_back: None }
}

fn somebody(service: &str, refusal: Cause) -> Cause {
    Cause::Token { service: service.to_owned(), refusal: Box::new(refusal), with_credential: true, kept_back: None }
}

fn elsewhere(by: Lead, host: &str, failure: Cause) -> Cause {
    Cause::Elsewhere { by, host: host.to_owned(), failure: Box::new(failure) }
}

fn connection(kind: ConnectionFailure, detail: &str) -> Cause {
    Cause::Connection { kind, detail: detail.to_owned() }
}

fn no_address() -> Cause {
    connection(ConnectionFailure::Dns, "failed to lookup address information: Name or service not known")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Kind, chapters, examples};
    use crate::error::reader::{Form, OF_TEMPLATE, Reader};
    use crate::inputs::command_line::{Purpose, command_line};
    use crate::inputs::table::INPUTS;

    #[test]
    fn every_kind_of_failure_has_an_example() {
        let examples = examples();
        for kind in Kind::ALL {
            assert!(examples.iter().any(|example| Kind::of(&example.error) == *kind), "{kind:?} has no example");
        }
        let shown: usize = chapters().iter().map(|chapter| chapter.examples.len()).sum();
        assert_eq!(shown, examples.len(), "each is in one chapter");
    }

    #[test]
    fn every_sentence_is_one_line_without_a_full_stop() {
        for example in examples() {
            let hints: Vec<String> = Reader::ALL.into_iter().flat_map(|reader| example.error.hints(reader)).collect();
            for text in hints.iter().chain([&example.error.to_string()]) {
                assert!(!text.contains('\n') && !text.contains("  "), "{text}");
            }
            assert!(hints.iter().all(|hint| !hint.ends_with(['.', ','])), "{hints:?}");
        }
    }

    /// What stands between backticks.
    fn spans(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2)
    }

    /// The keys that a YAML file has directly below the line `start`.
    fn keys(file: &str, start: &str) -> Vec<String> {
        let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut lines = text.lines().skip_while(|line| line.trim() != start);
        let indent = |line: &str| line.len() - line.trim_start().len();
        let Some(outer) = lines.next().map(indent) else { return Vec::new() };
        let below: Vec<&str> = lines.take_while(|line| line.trim().is_empty() || indent(line) > outer).collect();
        let inner = below.iter().find(|line| !line.trim().is_empty()).map(|line| indent(line)).unwrap();
        let at_once = below.iter().filter(|line| !line.trim().is_empty() && indent(line) == inner);
        at_once.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect()
    }

    /// What a reader may be told of: a span is a name of another world, or it exists where the reader is.
    fn assert_exists(reader: Reader, span: &str, hint: &str) {
        let name = span.split(':').next().unwrap();
        let input = INPUTS.iter().any(|input| input.name == name);
        let variable = span.strip_prefix("INPUT_").map(|rest| rest.split('=').next().unwrap());
        let is_variable =
            |variable: &str| INPUTS.iter().any(|input| input.name == variable.to_ascii_lowercase().replace('_', "-"));
        // Keys of a workflow that are no inputs of this program; `concurrency` is both.
        let of_workflow = matches!(name, "concurrency" | "permissions" | "env" | "push" | "schedule");
        let is_secret = |span: &str| span.contains('_') && span.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let in_file = |file: &str, text: &str| {
            std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap().contains(text)
        };
        let told = format!("{reader:?} is told of `{span}`: {hint}");
        match reader {
            Reader::CommandLine => {
                assert!(!input && !span.contains("permissions:") && !span.contains("github.token"), "{told}");
                assert!(variable.is_none_or(is_variable), "{told}");
                if span.starts_with("--") {
                    let arguments = std::iter::once("copy".to_owned()).chain(shell_words(span));
                    let arguments: Vec<OsString> = arguments.map(Into::into).collect();
                    let parsed = command_line(Purpose::Read).try_get_matches_from(arguments);
                    // A flag alone wants its value.
                    let is_known = parsed.as_ref().map_or_else(
                        |error| !span.contains(' ') && error.kind() == clap::error::ErrorKind::InvalidValue,
                        |_| true,
                    );
                    assert!(is_known, "{told}: {parsed:?}");
                }
            }
            Reader::Container => {
                assert!(!input && !span.contains("permissions:"), "{told}");
                assert!(!span.starts_with("--") || span == "--env", "{told}");
                assert!(variable.is_none_or(is_variable), "{told}");
            }
            Reader::Action => {
                assert!(variable.is_none() && !span.starts_with("--"), "{told}");
                let looks_like_one = span.contains(": ")
                    || name.contains('-') && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                assert!(input || of_workflow || !looks_like_one || name == "cancel-in-progress", "{told}");
                assert!(!input || of_workflow || keys("action.yml", "inputs:").iter().any(|key| key == name), "{told}");
            }
            Reader::Button(form) => {
                assert!(variable.is_none() && !span.starts_with("--"), "{told}");
                let said_in = |file: &str| hint.contains(&format!("`{span}` in `{file}`"));
                let in_list = form.list().is_some_and(|(file, keys)| said_in(file) && keys.contains(&name));
                let is_there = keys(form.file(), "inputs:").iter().any(|key| key == name);
                assert!(!input || of_workflow || said_in(form.file()) || in_list || is_there, "{told}");
                if is_secret(span) && span != "HTTPS_PROXY" {
                    let kind = if hint.contains(&format!("variable `{span}`")) { "vars" } else { "secrets" };
                    assert!(in_file(form.file(), &format!("{kind}.{span} ")), "{told}");
                }
            }
            Reader::GitLab => {
                assert!(!span.starts_with("--") && !span.contains("permissions:"), "{told}");
                assert!(!input || keys(TEMPLATE, "inputs:").iter().any(|key| key == name), "{told}");
                assert!(variable.is_none_or(is_variable), "{told}");
                if is_secret(span) && variable.is_none() && span != "HTTPS_PROXY" {
                    assert!(in_file(TEMPLATE, span), "{told}");
                }
            }
        }
    }

    const TEMPLATE: &str = "templates/mirror-image.gitlab-ci.yml";

    /// As a shell parts them, for quotes around a whole word.
    fn shell_words(text: &str) -> Vec<String> {
        match text.split_once(" '") {
            Some((flag, value)) => vec![flag.to_owned(), value.trim_end_matches('\'').to_owned()],
            None => text.split(' ').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn every_reader_is_told_of_what_exists_there_and_none_is_left_without_advice() {
        for example in examples() {
            let advised = !example.error.hints(Reader::Action).is_empty();
            for reader in Reader::ALL {
                let hints = example.error.hints(reader);
                assert_eq!(hints.is_empty(), !advised, "{reader:?}: {}", example.error);
                for hint in &hints {
                    spans(hint).for_each(|span| assert_exists(reader, span, hint));
                }
            }
        }
    }

    #[test]
    fn the_buttons_and_the_template_have_the_inputs_that_advice_believes_them_to_have() {
        let names =
            |inputs: Vec<String>| inputs.into_iter().filter(|name| INPUTS.iter().any(|input| input.name == *name));
        assert_eq!(names(keys(TEMPLATE, "inputs:")).collect::<Vec<_>>(), OF_TEMPLATE);
        let root = env!("CARGO_MANIFEST_DIR");
        let read = |file: &str| std::fs::read_to_string(format!("{root}/{file}")).unwrap();
        for form in Form::ALL {
            let workflow = read(form.file());
            assert_eq!(names(keys(form.file(), "inputs:")).collect::<Vec<_>>(), form.inputs(), "{form:?}");
            assert!(format!("\n{workflow}").contains(&format!("\nname: {}\n", form.name())), "{form:?}");
            for (input, variable) in form.variables() {
                assert!(workflow.contains(&format!(" {input}: ${{{{ vars.{variable} ")), "{form:?}: {input}");
            }
            if let Some((file, keys)) = form.list() {
                let names_it = |line: &str| line.trim_start().starts_with("config: ") && line.contains(file);
                assert!(workflow.lines().any(names_it), "{form:?}");
                let schema = read("docs/mirror-list.schema.json");
                assert!(keys.iter().all(|key| schema.contains(&format!("\"{key}\": {{"))), "{keys:?}");
            }
        }
    }

    /// Who runs a workflow of this repository is told of what that one has.
    #[test]
    fn every_workflow_that_runs_the_action_for_others_is_known() {
        let folder = format!("{}/.github/workflows", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            // CI runs it on itself.
            let is_one = text.contains("        uses: ./ # zizmor: ignore") && !file.ends_with("ci.yml");
            let is_known = Form::ALL.into_iter().any(|form| file.ends_with(form.file()));
            assert_eq!(is_known, is_one, "{}", file.display());
        }
    }

    /// Where bad input is mended, each in the words of its place.
    #[test]
    fn an_input_is_mended_where_it_is() {
        for reader in Reader::ALL {
            for input in INPUTS {
                let Some(mend) = reader.mend(input.name) else { continue };
                assert!(!mend.contains('\n') && !mend.ends_with('.'), "{mend}");
                spans(&mend).for_each(|span| assert_exists(reader, span, &mend));
            }
        }
        let mend = |form, input| Reader::Button(form).mend(input).unwrap();
        assert!(mend(Form::Mirror, "source").ends_with("Actions → Mirror an image → Run workflow"));
        assert!(mend(Form::Inspect, "ca-certificates").ends_with("in `.github/workflows/inspect.yml`"));
        assert!(mend(Form::Request, "allow").contains("variable `REQUEST_ALLOW`"));
        assert_eq!(Reader::CommandLine.mend("source"), None);
    }
}
