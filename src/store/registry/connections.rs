//! How many connections a run has at once, over all of its hosts.
//!
//! Owns the bound where the system lets a process open few files. Each class of requests has its part (blobs that come have
//! one, small or large), so that what a transfer waits for is never held by another one of its own class: the order of waits is
//! that of [`super::concurrency`]. Never knows a host.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Files that are none of a registry's connections: standard streams, the report's, those of the runtime, of directories and of
/// look-ups of names.
const OTHER_FILES: u64 = 24;

/// From so many files on nothing is bounded here: four hosts with as many connections as any host gets, and as many more at
/// rest.
const PLENTY: u64 = 1024;

/// Which limit a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// Manifests, HEADs, the opening of uploads, small blobs that go.
    Small,
    /// Blob bodies that come, each over a connection of its own.
    Read,
    /// Those that come over the connection of small requests.
    SmallBlob,
    /// Small blobs that are opened before a permit to write them is held. Apart from [`Self::Read`]: these wait for a
    /// writer's permit, and writers wait for a reader's.
    Early,
    /// Large blobs that go.
    Write,
}

/// The bound of a run; none where there are plenty.
#[derive(Clone, Debug, Default)]
pub struct Connections(Option<Arc<[Arc<Semaphore>; 4]>>);

/// Allows one connection; given back when dropped.
pub(crate) type Connection = Option<OwnedSemaphorePermit>;

impl Connections {
    /// For a process that may open so many files; none: any number.
    pub fn within(files: Option<u64>) -> Self {
        let Some(files) = files.filter(|files| *files < PLENTY) else { return Self(None) };
        // Half of them: a connection is closed a moment after its request is over, and a redirect takes a second one.
        let most = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX);
        let part = |of: usize| Arc::new(Semaphore::new((most / of).max(1)));
        Self(Some(Arc::new([part(3), part(4), part(6), part(4)])))
    }

    /// Whether connections are few: then none is kept for later.
    pub fn are_few(&self) -> bool {
        self.0.is_some()
    }

    fn part(&self, class: RequestClass) -> Option<&Arc<Semaphore>> {
        let [small, read, early, write] = self.0.as_deref()?;
        Some(match class {
            RequestClass::Small => small,
            RequestClass::Read | RequestClass::SmallBlob => read,
            RequestClass::Early => early,
            RequestClass::Write => write,
        })
    }

    /// Waits for a connection.
    pub(crate) async fn acquire(&self, class: RequestClass) -> Connection {
        // It is never closed.
        Arc::clone(self.part(class)?).acquire_owned().await.ok()
    }

    /// A connection, where there is one now.
    pub(crate) fn try_acquire(&self, class: RequestClass) -> Option<Connection> {
        match self.part(class) {
            Some(part) => Arc::clone(part).try_acquire_owned().ok().map(Some),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connections, RequestClass};

    const CLASSES: [RequestClass; 4] =
        [RequestClass::Small, RequestClass::Read, RequestClass::Early, RequestClass::Write];

    #[test]
    fn the_parts_fit_into_half_of_the_files_and_none_is_empty() {
        for files in [0, 24, 40, 64, 128, 1023] {
            let connections = Connections::within(Some(files));
            let taken = |class| std::iter::from_fn(|| connections.try_acquire(class)).collect::<Vec<_>>();
            let parts = CLASSES.map(taken).map(|part| part.len() as u64);
            assert!(parts.iter().all(|part| *part > 0), "{files}: {parts:?}");
            assert!(parts.iter().sum::<u64>() <= 4.max(files.saturating_sub(24) / 2), "{files}: {parts:?}");
        }
    }

    #[test]
    fn where_there_are_plenty_nothing_is_bounded() {
        for files in [None, Some(1024), Some(u64::MAX)] {
            let connections = Connections::within(files);
            assert!(!connections.are_few());
            assert!((0..5000).all(|_| connections.try_acquire(RequestClass::Read).is_some_and(|it| it.is_none())));
        }
    }
}
