//! Faults as data: which request, how often, what goes wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Barrier;

/// A fault that waits for its request.
#[derive(Clone, Debug)]
pub struct Fault {
    method: &'static str,
    /// A part of `path?query`.
    part: String,
    skip: usize,
    /// Matching requests that pass between two that do not.
    gap: usize,
    /// `None`: always.
    times: Option<usize>,
    what: What,
    pub fired: usize,
}

impl Fault {
    /// Fires once, on the first request with `method` (`*`: any) whose `path?query` contains `part`.
    pub fn on(method: &'static str, part: impl Into<String>, what: What) -> Self {
        Self { method, part: part.into(), skip: 0, gap: 0, times: Some(1), what, fired: 0 }
    }

    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Lets the first `skip` matching requests pass.
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Fires on each `n`th matching request.
    pub fn every(self, n: usize) -> Self {
        Self { skip: n - 1, gap: n - 1, times: None, ..self }
    }

    /// Says which fault this is.
    pub fn describe(&self) -> String {
        format!("{} …{}… {:?}", self.method, self.part, self.what)
    }

    pub(super) fn take(&mut self, method: &str, line: &str) -> Option<What> {
        if self.method != "*" && self.method != method || !line.contains(&self.part) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if self.times.is_some_and(|times| self.fired >= times) {
            return None;
        }
        let what = match &self.what {
            What::Beyond(allowance, refusal) => refusal(allowance.take().err()?),
            what => what.clone(),
        };
        self.fired += 1;
        self.skip = self.gap;
        Some(what)
    }
}

/// What goes wrong. Faults need a request that got past authentication; token requests always do.
#[derive(Clone, Debug)]
pub enum What {
    /// The body is read, then this is answered.
    Status { status: u16, headers: Vec<(String, String)>, body: String },
    /// An error with this status whose message repeats the whole request, secrets decoded, as debug pages do.
    Echo(u16),
    /// To another place; `{path}` and `{query}` stand for those that were asked for.
    Redirect { to: String, status: u16 },
    /// Milliseconds before the request's body is read.
    Delay(u64),
    /// None goes on before so many have come.
    Together(Arc<Barrier>),
    /// The answer's body comes in pieces of `bytes`, `milliseconds` apart.
    Trickle { bytes: usize, milliseconds: u64 },
    /// The connection closes after this much of the answer's body; `Content-Length` promised all of it.
    CutBodyAfter(usize),
    /// The same by a reset, which may swallow what was sent last.
    ResetBodyAfter(usize),
    /// The answer's body stops after this much; the connection stays open.
    StallBodyAfter(usize),
    /// The connection closes after this much of the request's body, without an answer.
    CutRequestAfter(usize),
    /// The same by a reset.
    ResetRequestAfter(usize),
    /// The request does what it does, and the connection closes without an answer.
    NoAnswer,
    /// The request's body is not read beyond this, and nothing is answered.
    StallRequestAfter(usize),
    /// One bit of the answer's body is flipped at this offset (or the last one).
    WrongBytes(usize),
    /// The answer's body never ends.
    EndlessBody,
    /// A header is replaced or removed.
    Header(&'static str, Option<String>),
    /// 200 and everything to a ranged request.
    IgnoreRange,
    /// The blob is another object: these bytes, whatever its name says.
    OtherObject(Bytes),
    /// The repository has lost this blob or manifest by the time the request comes.
    Loses(String),
    /// Once the request is answered, the tag that it asks for points at this digest.
    TagMovesTo(String),
    /// The form of an upload's `Location`.
    Location(LocationForm),
    /// The answer to a mount: 201 if the blob is there, 202 (a session) always, else a refusal with that status.
    MountAnswer(u16),
    /// PUT bodies of blobs above this many bytes are refused with this status, and the session ends.
    RefuseMonolithicAbove(usize, u16),
    /// Bodies of blobs without `Content-Range` are refused with this status and code (none where it is empty), and the session ends.
    RefuseWhole(u16, &'static str),
    /// PATCH bodies with `Content-Range` above this many bytes: 416 (GHCR).
    ChunkLimit(usize),
    /// On a manifest PUT: the next HEADs and GETs of that tag and digest answer 404, this often each.
    LagManifest(usize),
    /// On a manifest PUT: 201, but nothing is stored.
    AcceptButForget,
    /// On a manifest PUT to a tag that exists: refused with this status (immutable tags).
    RefuseRetag(u16),
    /// Every token issued so far ends now; this request gets a 401.
    RevokeTokens,
    /// What is beyond an allowance, which several faults may share, is answered so; the time is how long it takes until there is
    /// room for another.
    Beyond(Arc<Allowance>, fn(Duration) -> What),
    /// Something happens outside at this moment of the request.
    Then(Moment, Hook),
}

/// So many requests in a while: a bucket that fills as time passes.
#[derive(Debug)]
pub struct Allowance {
    most: f64,
    window: Duration,
    /// What it keeps of what was not used.
    burst: f64,
    /// What is left now, and as of when.
    left: Mutex<(f64, Instant)>,
}

impl Allowance {
    pub fn of(most: u32, window: Duration, burst: u32) -> Arc<Self> {
        let (most, burst) = (most.into(), burst.into());
        Arc::new(Self { most, window, burst, left: Mutex::new((burst, Instant::now())) })
    }

    /// The least time in which it lets so many pass.
    pub fn least(&self, requests: usize) -> Duration {
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        let beyond = requests as f64 - self.burst;
        self.window.mul_f64(beyond.max(0.0) / self.most)
    }

    /// Lets one pass, or says how long it takes until it would.
    fn take(&self) -> Result<(), Duration> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = left.0 + left.1.elapsed().as_secs_f64() / self.window.as_secs_f64() * self.most;
        let filled = filled.min(self.burst);
        *left = (filled, Instant::now());
        if filled < 1.0 {
            return Err(self.window.mul_f64((1.0 - filled) / self.most));
        }
        left.0 -= 1.0;
        Ok(())
    }
}

/// A moment in the life of a request.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// It has come, its body has not.
    Arrival,
    /// So much of its body has come; of a shorter one, all.
    RequestBody(usize),
    /// It has done what it does and is not answered yet.
    Done,
    /// So much of the answer's body has gone; of a shorter one, all.
    AnswerBody(usize),
}

/// What happens at a [`Moment`].
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn() + Send + Sync>);

impl Hook {
    pub fn new(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(super) fn call(&self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

/// Forms of an upload's `Location`; the registry's own is an absolute URL with a query.
#[derive(Clone, Debug)]
pub enum LocationForm {
    Absolute,
    /// `/v2/…`.
    Relative,
    /// `session-1?_state=1`.
    NoSlash,
    /// With a second parameter, percent-encoded, that must come back intact.
    WithQuery,
    /// With a second parameter that has letters in it which are no ASCII, not escaped.
    Utf8,
    /// On another origin, such as `store.url()`.
    OtherHost(String),
    Missing,
}

impl What {
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: vec![], body: String::new() }
    }

    /// A registry's JSON error.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "errors": [{ "code": code, "message": message, "detail": {} }] }).to_string();
        Self::Status { status, headers: vec![("content-type".into(), "application/json".into())], body }
    }

    /// Adds a header to `status` and `error`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// 429 in GHCR's words: `wait` is a Go duration.
    pub fn ghcr_429(wait: &str) -> Self {
        Self::error(429, "TOOMANYREQUESTS", &format!("retry-after: {wait}, allowed: 2000/minute"))
    }

    /// GHCR's throttle that looks like a refusal.
    pub fn secondary_rate_limit() -> Self {
        let message = "permission_denied: Error from intermediary with HTTP status code 403 \"Forbidden\": \
                       You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Self::error(403, "DENIED", message)
    }

    /// Docker Hub's quota.
    pub fn docker_hub_quota() -> Self {
        let message =
            "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit";
        Self::error(429, "TOOMANYREQUESTS", message)
    }

    pub fn redirect(to: impl Into<String>) -> Self {
        Self::Redirect { to: to.into(), status: 307 }
    }

    pub fn no_digest_header() -> Self {
        Self::Header("docker-content-digest", None)
    }

    /// Also what a target says that stored something else on a PUT.
    pub fn wrong_digest_header() -> Self {
        Self::Header("docker-content-digest", Some(crate::support::images::sha256(b"something else")))
    }

    pub fn no_content_type() -> Self {
        Self::Header("content-type", None)
    }

    pub fn content_type(value: &str) -> Self {
        Self::Header("content-type", Some(value.to_owned()))
    }

    pub fn content_range(value: &str) -> Self {
        Self::Header("content-range", Some(value.to_owned()))
    }
}
