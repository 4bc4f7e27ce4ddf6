//! What must be said while work goes on, on its way to whoever watches.

use std::sync::Arc;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::observe::progress::RunProgress;
use crate::secret::Secret;

/// Something that is told while the run goes on.
#[derive(Debug)]
pub enum Event {
    /// One sentence.
    Notice(String),
    /// One sentence that asks for something to be done.
    Warning(String),
    /// A line of the debug log.
    Debug(String),
    /// A value that a log must never show, not even by accident.
    Mask(Secret),
    /// A value that this run must not show.
    Keep(Secret),
}

/// Where events go, and the counts of the run.
#[derive(Clone)]
pub struct Events {
    to: UnboundedSender<Event>,
    pub tally: Arc<RunProgress>,
}

impl Events {
    /// Creates the event channel: sender and receiver.
    pub fn new() -> (Self, UnboundedReceiver<Event>) {
        let (to, heard) = mpsc::unbounded_channel();
        (Self { to, tally: Arc::default() }, heard)
    }

    /// The counts of the run.
    pub fn tally(&self) -> &Arc<RunProgress> {
        &self.tally
    }

    pub fn send(&self, event: Event) {
        // The receiver is gone only when the run is over; then nobody is left to tell.
        let _ = self.to.send(event);
    }
}
