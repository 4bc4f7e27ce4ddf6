//! What a host was found to support. It holds for the run and is never written down.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::error::cause::Cause;
use crate::store::registry::quirks::Quirks;

/// What is known of mounts from the repository itself: nothing yet, and they are tried; they answer; they do not.
pub const HOPED: u8 = 0;

pub const ANSWERS: u8 = 1;

pub const SILENT: u8 = 2;

/// All tags of a repository; none where that is not known.
pub type Tags = Option<HashSet<String>>;

/// What a host was learnt to refuse, so that it is not asked again.
pub struct Observed {
    /// Blob uploads with a body in one PUT work below this size in bytes.
    pub(crate) single_put_below: AtomicU64,
    /// Uploads with one PATCH of any size fail; only small pieces are taken.
    pub(crate) pieces_only: AtomicBool,
    /// It does not mount.
    pub(crate) no_mount: AtomicBool,
    /// Whether it has the referrers API; none while that is not known. Held by whoever finds out, so that one does.
    pub(crate) referrers: tokio::sync::Mutex<Option<bool>>,
    /// The tags of its repositories, where they were listed.
    pub(crate) tags: Mutex<HashMap<Arc<str>, Arc<OnceCell<Tags>>>>,
    /// Whether the first of many tags of a repository that were asked for was not there.
    pub(crate) scouts: Mutex<HashMap<Arc<str>, Arc<OnceCell<bool>>>>,
    /// When it was found last that more connections for one blob do not make it come faster.
    pub wide_in_vain: Mutex<Option<Instant>>,
    /// It does not mount from these repositories.
    pub(crate) no_mount_from: Mutex<HashSet<String>>,
    /// Whether a mount from the repository itself tells if the blob is there (201); a HEAD is saved where it does.
    pub self_mount: AtomicU8,
    /// Whether it has opened an upload where a blob was not expected to be.
    pub opened_one: AtomicBool,
}

impl Observed {
    /// Nothing but what is known beforehand.
    pub(crate) fn new(quirks: &Quirks) -> Self {
        Self {
            single_put_below: AtomicU64::new(quirks.single_put_below),
            pieces_only: AtomicBool::new(false),
            no_mount: AtomicBool::new(false),
            referrers: tokio::sync::Mutex::default(),
            tags: Mutex::default(),
            scouts: Mutex::default(),
            wide_in_vain: Mutex::default(),
            no_mount_from: Mutex::default(),
            self_mount: AtomicU8::new(if quirks.self_mount_is_silent { SILENT } else { HOPED }),
            opened_one: AtomicBool::new(false),
        }
    }

    /// A mount from the repository itself says nothing here; from another one (`from`) it may still link.
    pub(crate) fn mount_is_silent(&self, from: Option<&str>) -> bool {
        from.is_none() && self.self_mount.load(Relaxed) == SILENT
    }

    pub(crate) fn mount_has_answered(&self) -> bool {
        self.self_mount.load(Relaxed) == ANSWERS
    }

    pub(crate) fn mount_answers(&self) {
        self.self_mount.store(ANSWERS, Relaxed);
    }

    /// An upload was opened for a blob that was not expected to be there, and was not.
    pub(crate) fn opened(&self) {
        self.opened_one.store(true, Relaxed);
    }

    /// Whether what was not expected to be there never was, as far as was seen.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.opened_one.load(Relaxed) && !self.mount_has_answered()
    }

    pub(crate) fn mount_keeps_silent(&self) {
        self.self_mount.store(SILENT, Relaxed);
    }

    /// More connections for one blob did not make it come faster.
    pub(crate) fn wide_was_in_vain(&self) {
        *self.wide_in_vain.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether that was found lately.
    pub(crate) fn is_wide_in_vain(&self, lately: Duration) -> bool {
        let when = *self.wide_in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        when.is_some_and(|when| when.elapsed() < lately)
    }

    /// An upload in `form` has worked; what was refused before it need not be tried first again.
    pub(crate) fn takes(&self, form: UploadMethod, size: u64) {
        match form {
            UploadMethod::Put => {}
            UploadMethod::Patch => drop(self.single_put_below.fetch_min(size, Relaxed)),
            UploadMethod::Pieces => self.pieces_only.store(true, Relaxed),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadMethod {
    Put,
    Patch,
    Pieces,
}

impl UploadMethod {
    /// The form to try next, where the refusal is of this one and not of the content.
    pub fn after(self, cause: &Cause) -> Option<Self> {
        let Cause::Refused(refusal) = cause else { return None };
        // 400 is also how a lost session and wrong bytes are answered.
        let about_form = match refusal.status {
            411 | 413 | 416 => true,
            400 => refusal.code.as_deref().is_none_or(|code| matches!(code, "UNKNOWN" | "UNSUPPORTED" | "BAD_REQUEST")),
            _ => false,
        };
        match self {
            Self::Put if about_form => Some(Self::Patch),
            Self::Patch if about_form => Some(Self::Pieces),
            _ => None,
        }
    }
}
