//! A large blob read over several connections, in order, where that makes it come faster.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::store::registry::blobs::resume::RangeReader;

/// What one more connection reads ahead, in bytes: long enough that a round trip between two of them costs little.
pub const SPAN: u64 = 2 * 1024 * 1024;

/// Spans in memory at once, of all blobs of a run.
pub const SPANS: usize = 6;

/// A connection slower than this, in bytes a second, is helped by others; a faster one is not what is waited for.
pub const SLOW: u64 = 64 * 1024 * 1024;

/// How long a connection is watched before it is judged.
pub const WATCH: Duration = Duration::from_millis(250);

/// What more connections must make of a blob's pace, in percent, to be worth their requests. Where they do not, something else
/// is slow: the target, this machine, the line.
pub const WORTH: u128 = 150;

/// How long more connections to a host are not tried after they were in vain.
pub const IN_VAIN: Duration = Duration::from_secs(60);

/// Bodies that come from one host at once, above which a slow one is not helped: there are several connections already.
pub const ENOUGH: usize = 8;

/// A blob in order: what its head gives, then the spans that were read ahead.
pub struct BlobReader {
    pub head: RangeReader,
    ahead: VecDeque<Prefetch>,
    /// Up to where bytes were given or are on their way.
    claimed: u64,
    /// Whether more connections than one read it.
    wide: Parallel,
    watch: Watch,
}

/// Whether more connections than one read a blob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    /// They have not.
    NotYet,
    /// They do, and are to show that it was worth it: bytes a second before.
    OnTrial(u128),
    /// They do.
    Yes,
    /// They did, and shall not again.
    NoMore,
}

impl BlobReader {
    pub fn new(head: RangeReader) -> Self {
        Self { claimed: head.end, head, ahead: VecDeque::new(), wide: Parallel::NotYet, watch: Watch::new() }
    }

    fn size(&self) -> u64 {
        self.head.descriptor.size
    }

    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        loop {
            let asked = Instant::now();
            if let Some(piece) = self.head.next().await? {
                self.saw(&piece, asked);
                return Ok(Some(piece));
            }
            let Some(span) = self.ahead.front_mut() else {
                if self.head.offset >= self.size() {
                    return Ok(None);
                }
                // Other blobs have all the spans: this one goes on over one connection until some are free.
                let end = if self.wide == Parallel::NoMore { self.size() } else { self.head.offset + SPAN };
                self.head.continue_to(end.min(self.size()));
                self.claimed = self.head.end;
                self.read_ahead();
                continue;
            };
            match span.next().await {
                Ok(Some(piece)) => {
                    self.head.offset += piece.len() as u64;
                    self.head.end = self.head.offset;
                    self.saw(&piece, asked);
                    return Ok(Some(piece));
                }
                Ok(None) => {
                    self.ahead.pop_front();
                    self.read_ahead();
                }
                // One connection, with all the patience there is, decides what this failure means.
                Err(_) => self.narrow(),
            }
        }
    }

    /// Judges the pace by one more piece, which was waited for since `asked`.
    fn saw(&mut self, piece: &Bytes, asked: Instant) {
        self.watch.saw(piece.len(), asked.elapsed());
        match self.wide {
            Parallel::NotYet if self.is_slow() => self.widen(),
            Parallel::OnTrial(before) if self.watch.bytes >= 2 * SPAN && self.watch.since.elapsed() >= WATCH => {
                if self.watch.pace() * 100 >= before * WORTH {
                    self.wide = Parallel::Yes;
                } else {
                    // What is on its way is used; what comes after it comes over one connection.
                    self.wide = Parallel::NoMore;
                    self.head.repository.host.learned.wide_was_in_vain();
                }
            }
            _ => {}
        }
    }

    /// Whether this connection is what is waited for, and more of them may help.
    fn is_slow(&self) -> bool {
        self.size().saturating_sub(self.head.offset) > 2 * SPAN
            && !self.head.no_range
            && self.watch.is_slow()
            && self.head.repository.host.lanes.readers() < ENOUGH
            && !self.head.repository.host.learned.is_wide_in_vain(IN_VAIN)
    }

    fn widen(&mut self) {
        let Some(permit) = self.head.repository.host.span() else { return };
        self.wide = Parallel::OnTrial(self.watch.pace());
        self.watch = Watch::new();
        // What its connection has on its way is not thrown away.
        self.claimed = (self.head.offset + SPAN).min(self.size());
        self.head.end = self.claimed;
        self.start_span(permit);
        self.read_ahead();
    }

    /// Starts as many spans as there may be.
    fn read_ahead(&mut self) {
        while self.wide != Parallel::NoMore
            && self.claimed < self.size()
            && let Some(permit) = self.head.repository.host.span()
        {
            self.start_span(permit);
        }
    }

    fn start_span(&mut self, permit: OwnedSemaphorePermit) {
        let end = (self.claimed + SPAN).min(self.size());
        self.ahead.push_back(Prefetch::start(self.head.beside(self.claimed..end), permit));
        self.claimed = end;
    }

    fn narrow(&mut self) {
        self.ahead.clear();
        self.claimed = self.size();
        self.head.continue_to(self.claimed);
        self.wide = Parallel::NoMore;
    }
}

/// How fast a connection is, and whether it is the one that is waited for.
pub struct Watch {
    since: Instant,
    bytes: u64,
    waited: Duration,
}

impl Watch {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, waited: Duration::ZERO }
    }

    fn saw(&mut self, bytes: usize, waited: Duration) {
        self.bytes += bytes as u64;
        self.waited += waited;
    }

    /// Bytes a second.
    fn pace(&self) -> u128 {
        u128::from(self.bytes) * 1000 / self.since.elapsed().as_millis().max(1)
    }

    fn is_slow(&self) -> bool {
        let elapsed = self.since.elapsed();
        elapsed >= WATCH && self.waited * 2 >= elapsed && self.pace() < u128::from(SLOW)
    }
}

/// A part of a blob that is read ahead, in memory until it is its turn.
pub struct Prefetch {
    reading: Option<JoinHandle<Result<VecDeque<Bytes>, Cause>>>,
    pieces: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Prefetch {
    fn start(mut stretch: RangeReader, permit: OwnedSemaphorePermit) -> Self {
        let reading = tokio::spawn(async move {
            let mut pieces = VecDeque::new();
            while let Some(piece) = stretch.next().await? {
                pieces.push_back(piece);
            }
            Ok(pieces)
        });
        Self { reading: Some(reading), pieces: VecDeque::new(), _permit: permit }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        if let Some(reading) = &mut self.reading {
            let read = reading.await;
            self.reading = None;
            // It ends without a result only where the whole run does.
            self.pieces = read.map_err(|_| Cause::Protocol(Violation::CutShort))??;
        }
        Ok(self.pieces.pop_front())
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}
