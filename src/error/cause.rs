//! Why something failed, as data: the registry's answer, the token service's, a connection, a broken rule.
//!
//! Never holds a secret, and never a sentence that code would have to match on.

use std::fmt;
use std::time::Duration;

use crate::error::login::{Claims, LoginReason, LoginStep, LoginTurn, SIGSTORE};
use crate::error::violation::{Lead, Violation};
use crate::oci::digest::Digest;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The registry answered with an error.
    Refused(ErrorResponse),
    /// The registry's token service failed or refused; `service` is its host.
    Token {
        /// Host of the token service.
        service: String,
        /// What it answered.
        refusal: Box<Cause>,
        /// Whether a credential was sent to it.
        with_credential: bool,
        /// The line of `token-services` by which it would have been, where there is one that was kept back.
        kept_back: Option<String>,
    },
    /// The login that goes with it could not be had, from a provider or from this machine.
    Login(Box<LoginFailure>),
    /// No answer came: the connection failed or broke.
    Connection {
        /// What kind of failure.
        kind: ConnectionFailure,
        /// The library's own words.
        detail: String,
    },
    /// The registry led to another host, and from there no answer came.
    Elsewhere {
        /// How it led there.
        by: Lead,
        /// The other host, with its port where that tells it from the registry.
        host: String,
        /// What failed there.
        failure: Box<Cause>,
    },
    /// The registry refused in the middle of an upload what a new upload, or a new token, may mend.
    Interrupted(ErrorResponse),
    /// The answer breaks the specification or a rule of this program.
    Protocol(Violation),
    /// Trying stopped because nothing moved for this long; the last failure follows.
    OutOfPatience {
        /// How long it was tried.
        waited: Duration,
        /// The last failure.
        last: Box<Cause>,
    },
}

/// A login by an identity that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFailure {
    /// The type as `registry-identities` has it: `aws-ecr`.
    pub provider: &'static str,
    /// The host that was asked.
    pub service: String,
    /// What there was before it.
    pub turn: LoginTurn,
    /// What it was asked for.
    pub step: LoginStep,
    /// What that means.
    pub reason: LoginReason,
    /// What it answered.
    pub cause: Cause,
    /// What the identity that it was shown says of itself.
    pub claims: Option<Claims>,
}

/// How a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFailure {
    /// The name has no address.
    Dns,
    /// Nothing listens there.
    Refused,
    /// TLS failed.
    Tls(TlsFailure),
    /// No answer in time.
    Timeout,
    /// It answered, and then nothing moved, or too little: no firewall does that.
    Stalled,
    /// The connection broke.
    Broken,
}

/// What TLS failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The certificate is out of date.
    Expired,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is not trusted for another reason: an unknown authority, most often.
    Certificate,
    /// The certificate is one of an authority, which is for signing others and not for a server.
    AuthorityAsServer,
    /// The server does not speak TLS.
    PlainHttp,
    /// The server does, and is named as one that does not.
    SpokenTo,
    /// Another fault of the handshake: no version or cipher in common, most often.
    Handshake,
}

/// A registry's refusal in its own words, sanitised and shortened.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ErrorResponse {
    /// HTTP status.
    pub status: u16,
    /// The specification's error code, `DENIED`, where the body had one.
    pub code: Option<String>,
    /// The registry's message.
    pub message: String,
    /// `X-GitHub-Request-Id`, `X-Request-Id` or the like, for support.
    pub request_id: Option<String>,
    /// Digests that the registry says are missing (`MANIFEST_BLOB_UNKNOWN`).
    pub missing: Vec<Digest>,
    /// How long the registry asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether it says how to be let in (`WWW-Authenticate`).
    pub challenges: bool,
    /// The host that answered, where the registry had led to another.
    pub elsewhere: Option<String>,
    /// Whether a redirect had led to something that is no part of a registry's interface, and that answered.
    pub was_led: bool,
    /// What the request showed of the credential.
    pub shown: Shown,
    /// What is to be known of the login that it was sent with.
    pub used: Used,
    /// Whether its headers say that no pull is left of hours (`ratelimit-remaining: 0;w=21600`).
    pub has_no_pulls: bool,
    /// What there is in place of the tag that is not, found out once the image had failed.
    pub instead: Box<Instead>,
}

/// What there is in place of a tag that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Instead {
    /// It was not found out.
    #[default]
    Unknown,
    /// Tags of the repository, those that are like it first.
    Tags(Vec<String>),
    /// The repository has no tag at all.
    NoTag,
    /// There is no such repository.
    NoRepository {
        /// What the registry answered to the question for its tags; none where it said so at once.
        answer: Option<String>,
        /// The one that may have been meant: the run reads it too.
        near: Option<String>,
    },
}

/// What a registry was shown of the credential for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Not known.
    #[default]
    Unknown,
    /// There is none.
    Nothing,
    /// The registry did not ask for the one that there is.
    Unasked,
    /// The credential itself.
    Credential,
    /// A token that its token service gave.
    Token,
}

/// What is to be known of the login that a registry, or its token service, has refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Used {
    /// Nothing.
    #[default]
    Plain,
    /// It was good earlier in this run; the input, variable or file that it came from.
    Expired(&'static str),
    /// It was got in exchange for an identity; the type, as `registry-identities` has it.
    Identity(&'static str),
}

impl ErrorResponse {
    /// Whether the registry says that it has no such thing. What a redirect led to (a storage that lags, a page that is gone)
    /// knows nothing of tags.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        self.status == 404 && !self.was_led
    }

    /// Whether the registry says that it has no such repository.
    #[must_use]
    pub fn is_without_repository(&self) -> bool {
        matches!(self.status, 400 | 404)
            && !self.was_led
            && matches!(self.code.as_deref(), Some("NAME_UNKNOWN" | "REPOSITORY_NOT_FOUND"))
    }

    /// Whether too much was asked for. GitHub disguises that as a denial (virtualcell/vcell#1888).
    #[must_use]
    pub fn limits_rate(&self) -> bool {
        self.status == 429 || self.is_disguised_limit()
    }

    /// Whether the registry sheds load: what it says is about its time, not about what was asked.
    #[must_use]
    pub fn sheds_load(&self) -> bool {
        self.status == 503 || self.limits_rate()
    }

    /// A quota of pulls that is used up (Docker Hub): no wait of ours outlasts it, as it does a limit on the rate.
    #[must_use]
    pub fn is_quota(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        let wants_upgrade = self.code.as_deref() == Some("TOOMANYREQUESTS") && message.contains("upgrade");
        self.status == 429 && (self.has_no_pulls || message.contains("pull rate limit") || wants_upgrade)
    }

    /// Whether it says no to this sender.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(self.status, 401 | 403) && !self.limits_rate()
    }

    /// A limit on the rate that looks like a denial.
    #[must_use]
    pub fn is_disguised_limit(&self) -> bool {
        self.status == 403 && self.message.to_ascii_lowercase().contains("rate limit")
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.elsewhere {
            write!(f, "it leads to {host}, which answers ")?;
        } else if self.was_led {
            write!(f, "it leads elsewhere, where the answer is ")?;
        }
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl fmt::Display for LoginFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, service, turn, step, reason, cause, claims } = self;
        match (*provider, turn) {
            (SIGSTORE, _) => f.write_str("`attest`: ")?,
            (provider, LoginTurn::First) => write!(f, "login by `registry-identities` ({provider}): ")?,
            (provider, LoginTurn::Renewal) => {
                write!(f, "the login by `registry-identities` ({provider}) has ended and could not be renewed: ")?;
            }
        }
        write!(f, "{step} from {service}: {cause}")?;
        if let LoginReason::Clock { seconds } = reason {
            write!(f, "; its clock and this machine's differ by {seconds} s")?;
        }
        match claims {
            Some(claims) => write!(f, "; the identity has {claims}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) | Self::Interrupted(refusal) => refusal.fmt(f),
            Self::Elsewhere { by, host, failure } => write!(f, "{by} to {host}: {failure}"),
            Self::Token { service, refusal, with_credential, .. } => {
                let credential = if *with_credential { "with the given credential" } else { "without a credential" };
                write!(f, "token from {service} {credential}: {refusal}")
            }
            Self::Connection { kind, detail } => {
                f.write_str(match kind {
                    ConnectionFailure::Dns => "the host name has no address",
                    ConnectionFailure::Refused => "nothing listens there",
                    ConnectionFailure::Tls(TlsFailure::Expired) => "TLS failed: the certificate is out of date",
                    ConnectionFailure::Tls(TlsFailure::WrongName) => "TLS failed: the certificate is for another name",
                    ConnectionFailure::Tls(TlsFailure::Certificate) => "TLS failed: the certificate is not trusted",
                    ConnectionFailure::Tls(TlsFailure::AuthorityAsServer) => {
                        "TLS failed: the certificate is an authority's own (CA:TRUE), which is for signing others and not for \
                         a server"
                    }
                    ConnectionFailure::Tls(TlsFailure::SpokenTo) => {
                        "what answers speaks TLS, and `insecure-registries` has it spoken to without"
                    }
                    ConnectionFailure::Tls(TlsFailure::PlainHttp) => "TLS failed: what answers does not speak TLS",
                    ConnectionFailure::Tls(TlsFailure::Handshake) => "TLS failed",
                    ConnectionFailure::Timeout | ConnectionFailure::Stalled => "no answer in time",
                    ConnectionFailure::Broken => "the connection broke",
                })?;
                if detail.is_empty() { Ok(()) } else { write!(f, " ({detail})") }
            }
            Self::Login(failure) => failure.fmt(f),
            Self::Protocol(violation) => violation.fmt(f),
            Self::OutOfPatience { waited, last } => {
                // A registry's sentence may end with a full stop; this one does not.
                f.write_str(last.to_string().trim_end_matches('.'))?;
                match last.refusal().and_then(|refusal| refusal.retry_after) {
                    Some(wait) => write!(f, "; it asks to wait {} s, and `patience` ends before that", wait.as_secs()),
                    None => write!(f, "; gave up after {} s without progress", waited.as_secs().max(1)),
                }
            }
        }
    }
}

impl Cause {
    /// The refusal inside.
    pub fn refusal(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Refused(refusal) | Self::Interrupted(refusal) => Some(refusal),
            Self::Token { refusal: inner, .. }
            | Self::OutOfPatience { last: inner, .. }
            | Self::Elsewhere { failure: inner, .. } => inner.refusal(),
            Self::Connection { .. } | Self::Protocol(_) | Self::Login(_) => None,
        }
    }

    /// The same, to add to what it says.
    pub fn refusal_mut(&mut self) -> Option<&mut ErrorResponse> {
        match self {
            Self::Refused(refusal) | Self::Interrupted(refusal) => Some(refusal),
            Self::Token { refusal: inner, .. }
            | Self::OutOfPatience { last: inner, .. }
            | Self::Elsewhere { failure: inner, .. } => inner.refusal_mut(),
            Self::Connection { .. } | Self::Protocol(_) | Self::Login(_) => None,
        }
    }

    /// Whether no answer came, of the registry or of its token service.
    pub fn is_connection(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Token { refusal: inner, .. }
            | Self::OutOfPatience { last: inner, .. }
            | Self::Elsewhere { failure: inner, .. } => inner.is_connection(),
            Self::Refused(_) | Self::Interrupted(_) | Self::Protocol(_) | Self::Login(_) => false,
        }
    }
}
