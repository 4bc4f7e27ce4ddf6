//! The debug log: what this program's code says by `tracing::debug!`, as events to whoever watches.
//!
//! Owns when it is on, and that only this program's own words are in it: the HTTP libraries trace headers, and with them
//! credentials. Never prints; without it every `tracing::debug!` is one comparison.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::environment::Environment;
use crate::observe::events::{Event, Events};

/// The crate's name as events have it; a `RUST_LOG` may write the program's, `mirror-image`.
const TARGET: &str = "mirror_image";

/// The runner's way to ask for the debug log, and the one that programs written in Rust have.
pub fn is_wanted(environment: &Environment) -> bool {
    environment.get("RUNNER_DEBUG") == Some("1") || environment.get("RUST_LOG").is_some_and(is_asked_for)
}

/// Whether `RUST_LOG` asks for it: `debug`, `trace`, or either for this program (`mirror_image=debug`). Directives for
/// other crates are not ours.
fn is_asked_for(rust_log: &str) -> bool {
    rust_log.split(',').any(|directive| {
        let (target, level) = directive.trim().rsplit_once('=').unwrap_or((TARGET, directive.trim()));
        target.replace('-', "_") == TARGET && ["debug", "trace"].iter().any(|word| level.eq_ignore_ascii_case(word))
    })
}

/// Sends the debug log to whoever hears `events`, from now to the end of the process.
///
/// By way of the events, because a token is masked by an event of its own, before the first request that carries it: what
/// is printed after that can have it taken out.
pub fn start(events: Events) {
    // Fails only where a log was started already, by another run in this process: that one goes on.
    let _ = tracing::subscriber::set_global_default(DebugLog(events));
}

struct DebugLog(Events);

impl Subscriber for DebugLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().split("::").next() == Some(TARGET);
        is_ours && !metadata.is_span() && *metadata.level() <= Level::DEBUG
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.send(Event::Debug(line.0));
    }

    // Spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// An event as one line: its message, then its fields.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let separator = if self.0.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name} {value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{DebugLog, is_asked_for};
    use crate::observe::events::{Event, Events};

    #[test]
    fn it_is_asked_for_as_other_programs_are() {
        for (text, expected) in [
            ("debug", true),
            ("TRACE", true),
            ("info", false),
            ("mirror_image=debug", true),
            ("mirror-image=trace", true),
            ("hyper=debug", false),
            ("info, mirror_image=debug", true),
            ("", false),
        ] {
            assert_eq!(is_asked_for(text), expected, "{text}");
        }
    }

    #[test]
    fn only_this_programs_own_words_are_in_it() {
        let (events, mut heard) = Events::new();
        tracing::subscriber::with_default(DebugLog(events), || {
            tracing::debug!(target: "hyper::client", "authorization: hunter2");
            tracing::debug!(target: "mirror_image_of_a_stranger", "hunter2");
            tracing::trace!("too much");
            assert!(tracing::enabled!(tracing::Level::DEBUG), "what is asked before a line is made");
            tracing::debug!(attempt = 2, "a word");
        });
        assert!(matches!(heard.try_recv(), Ok(Event::Debug(line)) if line == "a word, attempt 2"));
        assert!(heard.try_recv().is_err());
    }
}
