//! A large blob read over several connections, in order, where that makes it come faster.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::store::registry::blobs::resume::RangeReader;
use crate::store::registry::memory::Room;

/// What one more connection reads ahead, in bytes: long enough that a round trip between two of them costs little.
pub const SPAN_BYTES: u64 = 2 * 1024 * 1024;

/// Spans in memory at once, of all blobs of a run.
pub const MAX_SPANS: usize = 6;

/// A connection slower than this, in bytes a second, is helped by others; a faster one is not what is waited for.
pub const SLOW_BYTES_PER_SEC: u64 = 64 * 1024 * 1024;

/// How long a connection is watched before it is judged.
pub const WATCH_TIME: Duration = Duration::from_millis(250);

/// What more connections must make of a blob's pace, in percent, to be worth their requests. Where they do not, something else
/// is slow: the target, this machine, the line.
pub const WORTH_PERCENT: u128 = 150;

/// How long more connections to a host are not tried after they were in vain.
pub const UNHELPFUL_FOR: Duration = Duration::from_secs(60);

/// Bodies that come from one host at once, above which a slow one is not helped: there are several connections already.
pub const ENOUGH_READERS: usize = 8;

/// A blob in order: what its head gives, then the spans that were read ahead.
pub struct BlobReader {
    pub head: RangeReader,
    ahead: VecDeque<Prefetch>,
    /// Up to where bytes were given or are on their way.
    claimed: u64,
    /// Whether more connections than one read it.
    parallel: Parallel,
    throughput: Throughput,
}

/// Whether more connections than one read a blob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    /// They have not.
    Untried,
    /// They do, and are to show that it was worth it: bytes a second before.
    Trial(u128),
    /// They do.
    On,
    /// They did, and shall not again.
    Off,
}

impl BlobReader {
    pub fn new(head: RangeReader) -> Self {
        Self {
            claimed: head.end,
            head,
            ahead: VecDeque::new(),
            parallel: Parallel::Untried,
            throughput: Throughput::new(),
        }
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
                let end = if self.parallel == Parallel::Off { self.size() } else { self.head.offset + SPAN_BYTES };
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
        self.throughput.saw(piece.len(), asked.elapsed());
        match self.parallel {
            Parallel::Untried if self.is_slow() => self.widen(),
            Parallel::Trial(before)
                if self.throughput.bytes >= 2 * SPAN_BYTES && self.throughput.since.elapsed() >= WATCH_TIME =>
            {
                if self.throughput.bytes_per_sec() * 100 >= before * WORTH_PERCENT {
                    self.parallel = Parallel::On;
                } else {
                    // What is on its way is used; what comes after it comes over one connection.
                    self.parallel = Parallel::Off;
                    self.head.repository.host.observed.parallel_was_unhelpful();
                }
            }
            _ => {}
        }
    }

    /// Whether this connection is what is waited for, and more of them may help.
    fn is_slow(&self) -> bool {
        self.size().saturating_sub(self.head.offset) > 2 * SPAN_BYTES
            && !self.head.no_range
            && self.throughput.is_slow()
            && self.head.repository.host.concurrency.readers() < ENOUGH_READERS
            && !self.head.repository.host.observed.is_parallel_unhelpful(UNHELPFUL_FOR)
    }

    fn widen(&mut self) {
        let Some(permit) = self.head.repository.host.memory.span() else { return };
        self.parallel = Parallel::Trial(self.throughput.bytes_per_sec());
        self.throughput = Throughput::new();
        // What its connection has on its way is not thrown away.
        self.claimed = (self.head.offset + SPAN_BYTES).min(self.size());
        self.head.end = self.claimed;
        self.start_span(permit);
        self.read_ahead();
    }

    /// Starts as many spans as there may be.
    fn read_ahead(&mut self) {
        while self.parallel != Parallel::Off
            && self.claimed < self.size()
            && let Some(permit) = self.head.repository.host.memory.span()
        {
            self.start_span(permit);
        }
    }

    fn start_span(&mut self, permit: Room) {
        let end = (self.claimed + SPAN_BYTES).min(self.size());
        self.ahead.push_back(Prefetch::start(self.head.sibling(self.claimed..end), permit));
        self.claimed = end;
    }

    fn narrow(&mut self) {
        self.ahead.clear();
        self.claimed = self.size();
        self.head.continue_to(self.claimed);
        self.parallel = Parallel::Off;
    }
}

/// How fast a connection is, and whether it is the one that is waited for.
pub struct Throughput {
    since: Instant,
    bytes: u64,
    waited: Duration,
}

impl Throughput {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, waited: Duration::ZERO }
    }

    fn saw(&mut self, bytes: usize, waited: Duration) {
        self.bytes += bytes as u64;
        self.waited += waited;
    }

    /// Bytes a second.
    fn bytes_per_sec(&self) -> u128 {
        u128::from(self.bytes) * 1000 / self.since.elapsed().as_millis().max(1)
    }

    fn is_slow(&self) -> bool {
        let elapsed = self.since.elapsed();
        elapsed >= WATCH_TIME && self.waited * 2 >= elapsed && self.bytes_per_sec() < u128::from(SLOW_BYTES_PER_SEC)
    }
}

/// A part of a blob that is read ahead, in memory until it is its turn.
pub struct Prefetch {
    reading: Option<JoinHandle<Result<VecDeque<Bytes>, Cause>>>,
    pieces: VecDeque<Bytes>,
    _permit: Room,
}

impl Prefetch {
    fn start(mut range: RangeReader, permit: Room) -> Self {
        let reading = tokio::spawn(async move {
            let mut pieces = VecDeque::new();
            while let Some(piece) = range.next().await? {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{SLOW_BYTES_PER_SEC, Throughput, WATCH_TIME};

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_slow_where_it_alone_is_waited_for_and_little_comes() {
        let fast = usize::try_from(SLOW_BYTES_PER_SEC).expect("64 bits");
        let (short, second) = (WATCH_TIME / 2, Duration::from_secs(1));
        for (bytes, passed, waited, is_slow) in [
            (fast / 4, second, second, true),
            (fast / 4, second, second * 6 / 10, true),
            // The target, or this machine, is what is waited for.
            (fast / 4, second, second * 4 / 10, false),
            (fast, second, second, false),
            (fast * 2, second, second, false),
            (0, short, short, false),
        ] {
            let mut throughput = Throughput::new();
            tokio::time::advance(passed).await;
            throughput.saw(bytes, waited);
            assert_eq!(throughput.is_slow(), is_slow, "{bytes} bytes in {passed:?}, {waited:?} of it waited for");
        }
    }
}
