//! A failure as the hints see it: what was asked, of whom, and how it ended.

use crate::error::action::Action;
use crate::error::cause::LoginFailure;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse, Instead, Shown, TlsFailure, Used};
use crate::error::reader::Reader;
use crate::error::violation::Violation;
use crate::error::{Error, Side};
use crate::oci::reference::Reference;
use crate::oci::vendor::{self, Vendor, has_two_levels};

/// A failure, as the rules look at it.
pub struct Failure<'a> {
    pub error: &'a Error,
    pub side: Option<Side>,
    pub action: Option<Action>,
    /// Host, and port where there is one, of the registry; of its token service where that did not answer.
    pub host: &'a str,
    /// The repository without its host.
    pub repository: &'a str,
    /// What happened, without what it is wrapped in.
    pub cause: Option<&'a Cause>,
    /// Where the token service refused: whether it was given a credential.
    pub with_credential: Option<bool>,
    /// The line of `token-services` by which it would be given one that was kept back.
    pub kept_back: Option<&'a str>,
    /// The registry, where [`Self::host`] is another host that it led to.
    pub led_by: Option<&'a str>,
}

impl<'a> Failure<'a> {
    pub fn of(error: &'a Error) -> Self {
        let mut failure = Self {
            error,
            side: None,
            action: None,
            host: "",
            repository: "",
            cause: None,
            with_credential: None,
            kept_back: None,
            led_by: None,
        };
        let Error::Registry { side, action, object, cause } = error else { return failure };
        (failure.side, failure.action) = (Some(*side), Some(*action));
        if let Some(reference) = object.reference() {
            (failure.host, failure.repository) = (reference.registry(), reference.repository());
        }
        let mut cause = cause;
        loop {
            match cause {
                Cause::Token { service, refusal, with_credential, kept_back } => {
                    if refusal.refusal().is_some() {
                        failure.with_credential = Some(*with_credential);
                        failure.kept_back = kept_back.as_deref();
                    } else {
                        // The host that does not answer is then the token service's.
                        failure.host = service;
                    }
                    cause = refusal;
                }
                Cause::OutOfPatience { last, .. } => cause = last,
                Cause::Elsewhere { host, failure: inner, .. } => {
                    failure.led_to(host);
                    cause = inner;
                }
                Cause::Refused(_)
                | Cause::Interrupted(_)
                | Cause::Login(_)
                | Cause::Connection { .. }
                | Cause::Protocol(_) => break,
            }
        }
        if let Some(host) = cause.refusal().and_then(|refusal| refusal.elsewhere.as_deref()) {
            failure.led_to(host);
        }
        failure.cause = Some(cause);
        failure
    }

    fn led_to(&mut self, host: &'a str) {
        (self.led_by, self.host) = (Some(self.host), host);
    }

    /// Whether the registry lost an upload in its middle.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.cause, Some(Cause::Interrupted(_)))
    }

    /// Whether the host that failed has the registry's name, and another port.
    pub fn has_other_port(&self) -> bool {
        self.led_by.is_some_and(|registry| without_port(registry) == without_port(self.host))
    }

    fn refusal(&self) -> Option<&'a ErrorResponse> {
        self.cause.and_then(Cause::refusal)
    }

    /// The HTTP status of a refusal; 0 where there was none.
    pub fn status(&self) -> u16 {
        self.refusal().map_or(0, |refusal| refusal.status)
    }

    pub fn code(&self) -> &'a str {
        self.refusal().and_then(|refusal| refusal.code.as_deref()).unwrap_or_default()
    }

    /// Whether the registry's own words have this, in lower case.
    pub fn says(&self, part: &str) -> bool {
        self.refusal().is_some_and(|refusal| refusal.message.to_ascii_lowercase().contains(part))
    }

    pub fn is_connection(&self, wanted: ConnectionFailure) -> bool {
        matches!(self.cause, Some(Cause::Connection { kind, .. }) if *kind == wanted)
    }

    /// Whether the host stands as somebody wrote it: a token service does not, and the great registries are known by name.
    pub fn may_be_misspelt(&self) -> bool {
        let written = match self.error {
            Error::Registry { object, .. } => object.reference().map(Reference::registry),
            _ => None,
        };
        written == Some(self.host) && Vendor::of(self.host) == Vendor::Other
    }

    pub fn is_tls(&self, wanted: TlsFailure) -> bool {
        self.is_connection(ConnectionFailure::Tls(wanted))
    }

    /// The rule that an answer broke.
    pub fn violation(&self) -> Option<&'a Violation> {
        match self.cause {
            Some(Cause::Protocol(violation)) => Some(violation),
            _ => None,
        }
    }

    /// How a login by an identity failed.
    pub fn login_failure(&self) -> Option<&'a LoginFailure> {
        match self.cause {
            Some(Cause::Login(failure)) => Some(failure),
            _ => None,
        }
    }

    /// What is to be known of the login that was refused.
    pub fn used(&self) -> Used {
        self.refusal().map(|refusal| refusal.used).unwrap_or_default()
    }

    /// Whether something was to be deleted.
    pub fn deletes(&self) -> bool {
        self.action.is_some_and(Action::deletes)
    }

    pub fn is_github(&self) -> bool {
        vendor::is_like_github(self.host)
    }

    /// Whether something was asked of Docker Hub without a login, to be read.
    pub fn is_anonymous_at_docker_hub(&self) -> bool {
        self.is_docker_hub() && self.is_anonymous() && self.kept_back.is_none() && !self.writes()
    }

    pub fn is_docker_hub(&self) -> bool {
        Vendor::of(self.host) == Vendor::DockerHub
    }

    pub fn is_ecr(&self) -> bool {
        Vendor::of(self.host) == Vendor::Ecr
    }

    pub fn writes(&self) -> bool {
        self.side == Some(Side::Target)
    }

    /// What the registry was shown, where it refused itself.
    fn shown(&self) -> Shown {
        self.refusal().map(|refusal| refusal.shown).unwrap_or_default()
    }

    /// Whether no credential was sent, because there is none for this host.
    pub fn is_anonymous(&self) -> bool {
        self.with_credential.map_or(self.shown() == Shown::Nothing, |with_credential| !with_credential)
    }

    /// The registry, or its token service, saw the credential and did not know it.
    pub fn is_unknown(&self) -> bool {
        let is_seen = self.with_credential.unwrap_or(self.shown() == Shown::Credential);
        is_seen && self.status() == 401
    }

    /// There is a credential, and the registry refused without asking for one.
    pub fn is_unasked(&self) -> bool {
        self.with_credential.is_none() && self.shown() == Shown::Unasked
    }

    /// The account is known, as far as one can tell, and may not do this.
    pub fn lacks_rights(&self) -> bool {
        !self.is_anonymous() && !self.is_unknown() && !self.is_unasked() && self.kept_back.is_none()
    }

    /// Waiting as long as the registry asks was longer than patience.
    pub fn is_impatient(&self) -> bool {
        let wait = self.refusal().and_then(|refusal| refusal.retry_after);
        wait.is_some() && matches!(self.error, Error::Registry { cause: Cause::OutOfPatience { .. }, .. })
    }

    /// A quota that no short wait outlasts, not a limit on the rate.
    pub fn is_quota(&self) -> bool {
        self.refusal().is_some_and(ErrorResponse::is_quota)
    }

    /// Whether the registry has no such thing; some say so with a 400.
    pub fn is_absence(&self) -> bool {
        self.status() == 404 || self.status() == 400 && matches!(self.code(), "NAME_UNKNOWN" | "REPOSITORY_NOT_FOUND")
    }

    /// Whether too much was asked for.
    pub fn throttles(&self) -> bool {
        self.refusal().is_some_and(ErrorResponse::limits_rate)
    }

    /// Whether that looks like a denial.
    pub fn is_disguised_limit(&self) -> bool {
        self.refusal().is_some_and(ErrorResponse::is_disguised_limit)
    }

    /// `read` or `write`, as the `packages` permission has it.
    pub fn permission(&self) -> &'static str {
        if self.writes() { "write" } else { "read" }
    }

    /// `give the job …`, as a workflow has it.
    pub fn give_permission(&self) -> String {
        format!("give the job `permissions: packages: {}`", self.permission())
    }

    /// The order to give a credential for the host.
    pub fn log_in(&self, reader: Reader) -> String {
        reader.log_in(self.side.unwrap_or(Side::Source), self.host)
    }

    /// The credential for the host, by the place where it was given.
    pub fn login(&self, reader: Reader) -> String {
        reader.login(self.side.unwrap_or(Side::Source), self.host)
    }

    /// What there is in place of the tag that is not.
    pub fn instead(&self) -> &'a Instead {
        self.refusal().map_or(&Instead::Unknown, |refusal| &refusal.instead)
    }

    /// Whether the repository was found, and the tag was not among its own.
    pub fn has_other_tags(&self) -> bool {
        matches!(self.instead(), Instead::Tags(_) | Instead::NoTag)
    }

    /// Whether a name was to be written of more levels than the registry has, or of fewer: `more`, `one`.
    pub fn misses_two_levels(&self) -> Option<&'static str> {
        match self.repository.split('/').count() {
            2 => None,
            levels => (self.writes() && has_two_levels(self.host)).then_some(if levels > 2 { "more" } else { "one" }),
        }
    }

    /// A target of two levels in its place.
    pub fn two_levels(&self) -> String {
        let namespace = self.repository.split('/').next().unwrap_or_default();
        format!("{}/{namespace}/{{name}}", self.host)
    }

    /// Whether the host is the one that the program runs on.
    pub fn is_local(&self) -> bool {
        let name = without_port(self.host);
        name == "localhost" || name.starts_with("127.") || name == "[::1]"
    }

    /// Where a package's access is set.
    pub fn package_settings(&self) -> String {
        let (owner, package) = self.repository.split_once('/').unwrap_or((self.repository, ""));
        if Vendor::of(self.host) != Vendor::Github || package.is_empty() {
            return "the package's settings".to_owned();
        }
        let package = package.replace('/', "%2F");
        format!(
            "`https://github.com/orgs/{owner}/packages/container/{package}/settings` (for a personal account \
             `/users/` in place of `/orgs/`)"
        )
    }

    /// After the wait that was asked for.
    pub fn again(&self) -> String {
        match self.refusal().and_then(|refusal| refusal.retry_after) {
            Some(wait) => format!("run again after {} s: what is finished is kept", wait.as_secs().max(1)),
            None => "run again later: what is finished is kept".to_owned(),
        }
    }
}

/// A host's name or address, without the port where one is written.
pub fn without_port(host: &str) -> &str {
    let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    port.map_or(host, |(name, _)| name)
}
