//! What a host was found to support. It holds for the run and is never written down.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::cause::Cause;
use crate::store::registry::quirks::Quirks;
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
    /// It does not mount.
    pub(crate) no_mount: AtomicBool,
    /// Whether it has the referrers API; none while that is not known. Locked while it is found out, so that one request does.
    pub(crate) referrers: tokio::sync::Mutex<Option<bool>>,
    /// The tags of its repositories, where they were listed.
    pub(crate) tags: OnceMap<Arc<str>, Tags>,
    /// For each repository, whether the first of many tags that were asked for was not there.
    pub(crate) probe_tags: OnceMap<Arc<str>, bool>,
    /// When it was last seen that more connections for one blob do not make it come faster.
    parallel_unhelpful_since: Mutex<Option<Instant>>,
    /// It does not mount from these repositories.
    pub(crate) no_mount_from: Mutex<HashSet<String>>,
    /// A HEAD is saved where a mount from the repository itself answers 201 for a blob that is there.
    self_mount: Mutex<SelfMount>,
    /// Whether it has opened an upload for a blob that was not expected to be there.
    opened_upload: AtomicBool,
}

impl Observed {
    /// Nothing but what is known beforehand.
    pub(crate) fn new(quirks: &Quirks) -> Self {
        Self {
            single_put_below: AtomicU64::new(quirks.single_put_below),
            chunked_only: AtomicBool::new(false),
            no_mount: AtomicBool::new(false),
            referrers: tokio::sync::Mutex::default(),
            tags: OnceMap::default(),
            probe_tags: OnceMap::default(),
            parallel_unhelpful_since: Mutex::default(),
            no_mount_from: Mutex::default(),
            self_mount: Mutex::new(if quirks.self_mount_is_silent { SelfMount::Ignored } else { SelfMount::Untested }),
            opened_upload: AtomicBool::new(false),
        }
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

    /// An upload was opened for a blob that was not expected to be there, and was not.
    pub(crate) fn opened(&self) {
        self.opened_upload.store(true, Relaxed);
    }

    /// Whether what was not expected to be there never was, as far as was seen.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.opened_upload.load(Relaxed) && !self.mount_has_answered()
    }

    pub(crate) fn mount_keeps_silent(&self) {
        self.set_self_mount(SelfMount::Ignored);
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
    /// The method to try next, where the refusal is of this one and not of the content.
    pub fn after(self, cause: &Cause) -> Option<Self> {
        let Cause::Refused(refusal) = cause else { return None };
        // 400 is also how a lost session and wrong bytes are answered.
        let is_about_method = match refusal.status {
            411 | 413 | 416 => true,
            400 => refusal.code.as_deref().is_none_or(|code| matches!(code, "UNKNOWN" | "UNSUPPORTED" | "BAD_REQUEST")),
            _ => false,
        };
        match self {
            Self::Monolithic if is_about_method => Some(Self::Streamed),
            Self::Streamed if is_about_method => Some(Self::Chunked),
            _ => None,
        }
    }
}
