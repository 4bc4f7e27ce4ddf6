//! What a host, and a repository of it, was found to support. It holds for the run and is never written down.
//!
//! Owns what holds for which of them. Whatever a proxy refuses, its host refuses for all; but one host may serve a cache of
//! another registry beside repositories of its own (Artifactory, Nexus, Harbor), and what the one has shown of referrers
//! and mounts says nothing about the other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OnceCell, SetOnce};
use tokio::time::Instant;

use crate::error::cause::{Cause, ErrorResponse};
use crate::oci::digest::Digest;
use crate::store::registry::quirks::{Quirks, ToldBy};
use crate::sync::{LockExt as _, OnceMap};

/// Whether a mount of a blob from the repository itself tells if the blob is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfMount {
    /// It is tried.
    Untested,
    /// It has told so once.
    Works,
    /// It opens an upload whether the blob is there or not.
    Ignored,
}

/// All tags of a repository; none where that is not known.
pub type Tags = Option<HashSet<String>>;

/// What a host was seen to support or to refuse, so that it is not asked again.
pub struct Observed {
    /// Blob uploads with a body in one PUT work below this size in bytes.
    pub(crate) single_put_below: AtomicU64,
    /// Uploads with one PATCH of any size fail; only chunks are taken.
    pub(crate) chunked_only: AtomicBool,
    /// A blob that was asked for was at another host.
    redirects_blobs: AtomicBool,
    /// A large blob was not: a host may have some elsewhere and others itself.
    serves_blobs: AtomicBool,
    /// When it was last seen that more connections for one blob do not make it come faster.
    parallel_unhelpful_since: Mutex<Option<Instant>>,
    /// Its repositories.
    repositories: Mutex<HashMap<Arc<str>, Arc<ObservedRepository>>>,
}

/// Whether a repository has the referrers API.
#[derive(Default)]
pub(crate) enum ReferrersApi {
    /// That is not known.
    #[default]
    Unknown,
    /// It has.
    Present,
    /// It has not.
    Absent,
    /// It was waited for until then, as long as patience lasts, and did not answer.
    Silent(Instant, Cause),
}

/// What one repository was seen to answer.
pub struct ObservedRepository {
    /// Whether it has the referrers API. Locked while it is found out, so that one request does.
    pub(crate) referrers: tokio::sync::Mutex<ReferrersApi>,
    /// Whether a HEAD has found a manifest: only then does one that finds nothing say anything.
    pub(crate) heads_find: AtomicBool,
    /// What is under the tags that attachments are found by, as far as they were asked for.
    pub(crate) attachment_tags: OnceMap<Box<str>, Option<Digest>>,
    /// Its tags, where they were listed.
    pub(crate) tags: OnceCell<Tags>,
    /// Whether the first of many tags that were asked for was not there.
    pub(crate) probe_tag: OnceCell<bool>,
    /// How many came before that was known.
    pub(crate) probes: AtomicUsize,
    /// Whether the registry did not know the repository before anything was written to it.
    pub(crate) was_unknown: OnceCell<bool>,
    /// It does not mount.
    no_mount: AtomicBool,
    /// It does not mount from these repositories.
    no_mount_from: Mutex<HashSet<String>>,
    /// A HEAD is saved where a mount from the repository itself answers 201 for a blob that is there.
    self_mount: Mutex<SelfMount>,
    /// Whether a blob that was not expected to be there was not.
    lacked_blob: SetOnce<()>,
}

impl Observed {
    /// Nothing but what is known beforehand.
    pub(crate) fn new(quirks: &Quirks) -> Self {
        Self {
            single_put_below: AtomicU64::new(quirks.single_put_below),
            chunked_only: AtomicBool::new(false),
            redirects_blobs: AtomicBool::new(false),
            serves_blobs: AtomicBool::new(false),
            parallel_unhelpful_since: Mutex::default(),
            repositories: Mutex::default(),
        }
    }

    /// What is known of its repository `name`.
    pub(crate) fn repository(&self, name: &Arc<str>, quirks: &Quirks) -> Arc<ObservedRepository> {
        let mut repositories = self.repositories.locked();
        let known = repositories.entry(Arc::clone(name)).or_insert_with(|| Arc::new(ObservedRepository::new(quirks)));
        Arc::clone(known)
    }

    /// A blob that was asked for was at another host.
    pub(crate) fn redirects_a_blob(&self) {
        self.redirects_blobs.store(true, Relaxed);
    }

    /// The host itself has sent a large blob.
    pub(crate) fn serves_a_blob(&self) {
        self.serves_blobs.store(true, Relaxed);
    }

    /// Whether the host says of large blobs where they are, as far as was seen, and sends none itself.
    pub(crate) fn leads_to_blobs(&self) -> bool {
        self.redirects_blobs.load(Relaxed) && !self.serves_blobs.load(Relaxed)
    }

    /// More connections for one blob did not make it come faster.
    pub(crate) fn parallel_was_unhelpful(&self) {
        *self.parallel_unhelpful_since.locked() = Some(Instant::now());
    }

    /// Whether that was found lately.
    pub(crate) fn is_parallel_unhelpful(&self, lately: Duration) -> bool {
        let when = *self.parallel_unhelpful_since.locked();
        when.is_some_and(|when| when.elapsed() < lately)
    }

    /// An upload by `method` has worked; what was refused before it need not be tried first again.
    pub(crate) fn takes(&self, method: UploadMethod, size: u64) {
        match method {
            UploadMethod::Monolithic => {}
            UploadMethod::Streamed => drop(self.single_put_below.fetch_min(size, Relaxed)),
            UploadMethod::Chunked => self.chunked_only.store(true, Relaxed),
        }
    }
}

impl ObservedRepository {
    /// Nothing but what is known beforehand.
    pub(crate) fn new(quirks: &Quirks) -> Self {
        Self {
            referrers: tokio::sync::Mutex::default(),
            heads_find: AtomicBool::new(false),
            attachment_tags: OnceMap::default(),
            tags: OnceCell::new(),
            probe_tag: OnceCell::new(),
            probes: AtomicUsize::new(0),
            was_unknown: OnceCell::new(),
            no_mount: AtomicBool::new(false),
            no_mount_from: Mutex::default(),
            self_mount: Mutex::new(match quirks.blobs_are_told {
                ToldBy::Mount => SelfMount::Untested,
                ToldBy::Head | ToldBy::HeadOrTags => SelfMount::Ignored,
            }),
            lacked_blob: SetOnce::new(),
        }
    }

    /// Whether a mount from `from` is worth asking for.
    pub(crate) fn may_mount(&self, from: &str) -> bool {
        !self.no_mount.load(Relaxed) && !self.no_mount_from.locked().contains(from)
    }

    /// No mount from any repository is asked for again.
    pub(crate) fn mounts_nothing(&self) {
        self.no_mount.store(true, Relaxed);
    }

    /// No mount from `from` is asked for again.
    pub(crate) fn mounts_nothing_from(&self, from: &str) {
        self.no_mount_from.locked().insert(from.to_owned());
    }

    fn self_mount(&self) -> SelfMount {
        *self.self_mount.locked()
    }

    fn set_self_mount(&self, seen: SelfMount) {
        *self.self_mount.locked() = seen;
    }

    /// A mount from the repository itself says nothing here; from another one (`from`) it may still link.
    pub(crate) fn mount_is_silent(&self, from: Option<&str>) -> bool {
        from.is_none() && self.self_mount() == SelfMount::Ignored
    }

    pub(crate) fn mount_has_answered(&self) -> bool {
        self.self_mount() == SelfMount::Works
    }

    pub(crate) fn mount_answers(&self) {
        self.set_self_mount(SelfMount::Works);
    }

    /// A blob that was not expected to be there is not.
    pub(crate) fn lacks_a_blob(&self) {
        // Once is enough.
        let _ = self.lacked_blob.set(());
    }

    /// Waits until a blob that was not expected to be there was not. Whether no mount has found one, so far.
    pub(crate) async fn is_as_expected(&self) -> bool {
        self.lacked_blob.wait().await;
        !self.mount_has_answered()
    }

    pub(crate) fn mount_keeps_silent(&self) {
        self.set_self_mount(SelfMount::Ignored);
    }
}

/// How the bytes of a blob are sent (distribution-spec, "Pushing blobs"), the first that works is kept for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadMethod {
    /// One PUT with the whole blob, which also closes the upload.
    Monolithic,
    /// One PATCH with the whole blob, and a PUT that closes the upload.
    Streamed,
    /// A PATCH for each chunk, with its `Content-Range`, and a PUT that closes the upload.
    Chunked,
}

impl UploadMethod {
    /// The method to try where this one is refused.
    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::Monolithic => Some(Self::Streamed),
            Self::Streamed => Some(Self::Chunked),
            Self::Chunked => None,
        }
    }
}

/// What a refusal in the middle of an upload is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The way in which the bytes came. Registries say so in every way there is: `DIGEST_INVALID`, because they made nothing of
    /// the body (`pulp/pulp_container#1219`), 400, 404, 405, 411, 413, 416, 501.
    OfMethod,
    /// That, or a fault that passes.
    Doubtful,
    /// The sender, the size, or the time.
    Other,
}

impl Refusal {
    pub(crate) fn of(refusal: &ErrorResponse) -> Self {
        match refusal.status {
            _ if refusal.sheds_load() => Self::Other,
            401 | 402 | 407 | 408 | 421 | 423 | 425 | 451 | 499 => Self::Other,
            // The registry has let the upload be opened; what refuses it without a registry's words is something before it.
            403 if refusal.code.is_some() => Self::Other,
            // A session that is lost.
            404 if refusal.code.as_deref() == Some("BLOB_UPLOAD_UNKNOWN") => Self::Doubtful,
            400..=499 | 501 | 505 => Self::OfMethod,
            500 => Self::Doubtful,
            _ => Self::Other,
        }
    }
}
