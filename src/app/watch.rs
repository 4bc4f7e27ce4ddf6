//! What goes on beside the work: events, progress and the signal that ends it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Fuse;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Interval};

use crate::engine::outcome::ImageOutcome;
use crate::error::Error;
use crate::observe::events::Event;
use crate::observe::progress::{RateEstimate, RunProgress};
use crate::report::{Report, log, terminal};
use crate::runner::console::Console;

/// How often the progress of a run is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What goes on beside the work: what must be said meanwhile, how far it is, the signal that ends it.
pub struct Watch<'a, S> {
    pub console: &'a Console,
    heard: UnboundedReceiver<Event>,
    /// What is shown of it; none where nothing is.
    pub tally: Option<&'a Arc<RunProgress>>,
    pace: RateEstimate,
    looks: Interval,
    shutdown: Pin<Box<Fuse<S>>>,
}

impl<'a, S: Future<Output = &'static str>> Watch<'a, S> {
    /// Beside a run that began at `started`.
    pub fn new(
        console: &'a Console,
        heard: UnboundedReceiver<Event>,
        tally: Option<&'a Arc<RunProgress>>,
        started: Instant,
        shutdown: Pin<Box<Fuse<S>>>,
    ) -> Self {
        let (pace, looks) = (RateEstimate::new(started), tokio::time::interval(LOOK));
        Self { console, heard, tally, pace, looks, shutdown }
    }

    /// Waits for `work`; gives the signal's name, once, where one comes first.
    pub async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(event) = self.heard.recv() => tell(self.console, event),
                now = self.looks.tick() => {
                    if let Some(tally) = self.tally {
                        let view = self.pace.look(now, tally.progress()).with_wait(tally.longest_wait(now));
                        let view = view.with_silence(tally.longest_silence(now));
                        self.console.progress(&view, &tally.images());
                    }
                }
                result = &mut work => {
                    while let Ok(event) = self.heard.try_recv() {
                        tell(self.console, event);
                    }
                    return Ok(result);
                }
                signal = &mut self.shutdown => return Err(signal),
            }
        }
    }
}

/// What happens, as it happens.
fn tell(console: &Console, event: Event) {
    match event {
        Event::Notice(text) => console.line(&text),
        Event::Warning(text) => console.warning("mirror-image", &text),
        Event::Debug(text) => console.debug(&text),
        Event::Mask(secret) => console.mask(&secret),
        Event::Keep(secret) => console.redactor().add(&secret),
    }
}

/// One image that has ended.
pub fn say(console: &Console, report: &Report, of: usize, image: &ImageOutcome) {
    // Of many that were cut off, the last line has.
    let is_news = of == 1 || !matches!(image.error.as_deref(), Some(Error::Cancelled { .. }));
    if !console.folds_groups() {
        let is_failure = image.error.is_some() && is_news;
        for line in terminal::image(report, image, of, console.width()) {
            console.tell(&line, is_failure);
        }
        return;
    }
    match log::line(image).filter(|_| of > log::MANY) {
        Some(line) => console.line(&line),
        None => console.group(&log::group_title(image), &log::image(report, image)),
    }
    if is_news && let Some((title, message)) = log::annotation(report, image) {
        console.error(&title, &message);
    }
}
