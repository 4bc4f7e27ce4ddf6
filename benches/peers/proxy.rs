//! The network between: a proxy on the loopback with a round trip and a rate for each connection, as a process of its own.
//!
//! It is a delay line: what comes in leaves a fixed time later, however much is under way, so that a delay costs no
//! throughput. A connection's first bytes wait for one more round trip, which a handshake would have taken. What it does
//! not do: slow start, loss. Threads, because a thread sleeps to within a tenth of a millisecond and a timer wheel does not.
//!
//! On a plain network it is two addresses, one an end, and keeps a journal of requests by reading along, without taking
//! part: HTTP/1.1 has one request under way on a connection, so bytes of the client that begin with a method after an answer
//! (or at the start) are a request. On a real one it is what tools take for their HTTPS proxy: `CONNECT` names the host and
//! is answered at once; what follows is TLS, of which it counts the connections.

use std::io::{BufRead as _, BufReader, Read as _, Write as _, stdin, stdout};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::registries::Address;
use crate::{Outcome, front};

/// What lies between the client and the registries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Network {
    /// There and back.
    pub(crate) round_trip: Duration,
    /// Bytes a second of each connection that the source gives.
    pub(crate) source_rate: Option<u64>,
}

impl Network {
    pub(crate) fn is_plain(self) -> bool {
        self == Self::default()
    }
}

/// A request and its answer as the client sees them. Times are microseconds since 1970: two processes share them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Exchange {
    /// `source` or `target`.
    pub(crate) side: String,
    pub(crate) connection: usize,
    pub(crate) request: String,
    pub(crate) status: String,
    /// The first and the last byte of the request.
    pub(crate) began: u64,
    pub(crate) sent: u64,
    /// The first and the last byte of the answer; 0 without one.
    pub(crate) answered: u64,
    pub(crate) ended: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

pub(crate) fn microseconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}

/// What a proxy has seen of one run.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Journal {
    /// Of a plain network.
    pub(crate) exchanges: Vec<Exchange>,
    /// The hosts that were connected to, in order; of a real network.
    pub(crate) connections: Vec<String>,
}

/// What it leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Upstream<'a> {
    /// A registry at each end.
    Ends { source: &'a Address, target: &'a Address },
    /// One server that has all names.
    Front(SocketAddr),
}

/// The proxy's process, seen from the benchmark.
pub(crate) struct Proxy {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    /// Where it listens: for both ends, or twice the same.
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
}

impl Proxy {
    pub(crate) fn start(upstream: Upstream<'_>, network: Network) -> Outcome<Self> {
        let (kind, source, target) = match upstream {
            Upstream::Ends { source, target } => ("ends", source.to_string(), target.to_string()),
            Upstream::Front(front) => ("front", front.to_string(), front.to_string()),
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["proxy", kind, &source, &target])
            .arg(network.round_trip.as_micros().to_string())
            .arg(network.source_rate.unwrap_or(0).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("the proxy has no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let (source, target) = line.trim().split_once(' ').ok_or("the proxy does not say where it listens")?;
        Ok(Self { source: source.parse()?, target: target.parse()?, child, output })
    }

    /// Ends it; its journal.
    pub(crate) fn end(mut self) -> Outcome<Journal> {
        drop(self.child.stdin.take());
        let mut journal = String::new();
        self.output.read_to_string(&mut journal)?;
        self.child.wait()?;
        Ok(serde_json::from_str(&journal)?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Shared = Arc<Mutex<Journal>>;

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `peers proxy ends|front SOURCE TARGET MICROSECONDS RATE`: says its two addresses, serves until its input ends, then writes
/// the journal.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let [kind, source, target, round_trip, rate] = arguments else { return Err("proxy: wrong arguments".into()) };
    let one_way = Duration::from_micros(round_trip.parse()?) / 2;
    let rate = Some(rate.parse()?).filter(|rate| *rate > 0);
    let journal = Shared::default();
    if kind == "front" {
        let upstream: SocketAddr = source.parse()?;
        let lead = move |client: TcpStream, connection, journal: &Shared| {
            let journal = Arc::clone(journal);
            spawn(move || -> Outcome<()> {
                let host = connect(&client)?;
                lock(&journal).connections.push(host.clone());
                let side = front::side(&host);
                let rate = rate.filter(|_| side != "target");
                Line { side, connection, one_way, rate, journal }.carry(client, upstream)
            });
        };
        let address = listen(&journal, lead)?;
        writeln!(stdout(), "{address} {address}")?;
    } else {
        let mut addresses = vec![];
        for (side, upstream, rate) in [("source", source, rate), ("target", target, None)] {
            let upstream: SocketAddr = upstream.parse()?;
            let lead = move |client: TcpStream, connection, journal: &Shared| {
                let line = Line { side, connection, one_way, rate, journal: Arc::clone(journal) };
                // A connection that breaks is for its two ends to see.
                spawn(move || line.carry(client, upstream));
            };
            addresses.push(listen(&journal, lead)?);
        }
        writeln!(stdout(), "{} {}", addresses[0], addresses[1])?;
    }
    stdin().read_to_end(&mut vec![])?;
    let journal = lock(&journal);
    Ok(stdout().write_all(serde_json::to_string(&*journal)?.as_bytes())?)
}

/// Gives each connection to `lead`, with its number. Where that is.
fn listen(journal: &Shared, lead: impl Fn(TcpStream, usize, &Shared) + Send + 'static) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let journal = Arc::clone(journal);
    spawn(move || {
        for (connection, client) in listener.incoming().flatten().enumerate() {
            lead(client, connection, &journal);
        }
    });
    Ok(address)
}

/// Answers a `CONNECT`; the host that it names.
fn connect(mut client: &TcpStream) -> Outcome<String> {
    client.set_nodelay(true)?;
    let (mut head, mut byte) = (vec![], [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let host = head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(':')).map(|(host, _)| host.to_owned());
    let Some(host) = host else {
        client.write_all(b"HTTP/1.1 405 CONNECT alone\r\ncontent-length: 0\r\n\r\n")?;
        return Err(head.into());
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok(host)
}

/// One connection.
struct Line {
    side: &'static str,
    connection: usize,
    one_way: Duration,
    rate: Option<u64>,
    journal: Shared,
}

impl Line {
    fn carry(self, client: TcpStream, upstream: SocketAddr) -> Outcome<()> {
        let open = Instant::now() + self.one_way * 2;
        let server = TcpStream::connect(upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (one_way, rate) = (self.one_way, self.rate);
        let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
        let watch = Arc::new(Watch { line: self, current: Mutex::default() });
        let other = Arc::clone(&watch);
        spawn(move || {
            let nothing = |_: &[u8]| {};
            pump(from_client, server, one_way, None, open, |bytes| other.goes_up(bytes), nothing);
        });
        pump(from_server, client, one_way, rate, open, |_| {}, move |bytes| watch.comes_down(bytes));
        Ok(())
    }
}

/// What waits to be sent on; the end of a stream travels as an empty piece.
type Piece = (Instant, Vec<u8>);

/// Carries one direction. `open`: nothing is taken as sent before.
fn pump(
    mut from: TcpStream,
    to: TcpStream,
    one_way: Duration,
    rate: Option<u64>,
    open: Instant,
    read: impl Fn(&[u8]),
    passes: impl Fn(&[u8]) + Send + 'static,
) {
    // With a rate: little, so that the sender feels it, but more than is under way. Without one: more than a fast sender
    // gets rid of within a round trip.
    let (piece, pieces) = if rate.is_some() { (16 << 10, 128) } else { (64 << 10, 512) };
    let (send, receive) = sync_channel::<Piece>(pieces);
    spawn(move || deliver(&receive, to, passes));
    let mut buffer = vec![0; piece];
    let mut free = Instant::now();
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        read(&buffer[..count]);
        let mut left = Instant::now().max(open);
        if let Some(rate) = rate {
            free = free.max(left) + Duration::from_nanos(count as u64 * 1_000_000_000 / rate);
            left = free;
        }
        if send.send((left + one_way, buffer[..count].to_vec())).is_err() || count == 0 {
            break;
        }
    }
}

fn deliver(pieces: &Receiver<Piece>, mut to: TcpStream, passes: impl Fn(&[u8])) {
    for (at, bytes) in pieces {
        sleep(at.saturating_duration_since(Instant::now()));
        if bytes.is_empty() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        // Before it is written: the next request may be here before the next line of this thread.
        passes(&bytes);
        if to.write_all(&bytes).is_err() {
            // Its peer is gone: the other end is to learn of it.
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Reads along on a connection.
struct Watch {
    line: Line,
    /// The place in the journal of the request under way.
    current: Mutex<Option<usize>>,
}

impl Watch {
    fn goes_up(&self, bytes: &[u8]) {
        let (mut current, now) = (lock(&self.current), microseconds());
        let journal = &mut lock(&self.line.journal).exchanges;
        let idle = current.is_none_or(|at| journal[at].answered > 0);
        if let Some(request) = request_line(bytes).filter(|_| idle) {
            *current = Some(journal.len());
            journal.push(Exchange {
                side: self.line.side.to_owned(),
                connection: self.line.connection,
                request,
                status: String::new(),
                began: now,
                sent: now,
                answered: 0,
                ended: 0,
                bytes_up: bytes.len() as u64,
                bytes_down: 0,
            });
        } else if let Some(at) = current.filter(|_| !bytes.is_empty()) {
            journal[at].sent = now;
            journal[at].bytes_up += bytes.len() as u64;
        }
    }

    fn comes_down(&self, bytes: &[u8]) {
        let (current, now) = (lock(&self.current), microseconds());
        let Some(at) = *current else { return };
        let exchange = &mut lock(&self.line.journal).exchanges[at];
        if bytes.starts_with(b"HTTP/1.1 100") {
            return;
        }
        if exchange.answered == 0 {
            exchange.answered = now;
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]);
            head.split(' ').nth(1).unwrap_or_default().clone_into(&mut exchange.status);
        }
        exchange.ended = now;
        exchange.bytes_down += bytes.len() as u64;
    }
}

/// `METHOD /path` where bytes begin a request.
fn request_line(bytes: &[u8]) -> Option<String> {
    let methods = ["GET /", "HEAD /", "PUT /", "POST /", "PATCH /", "DELETE /"];
    methods.iter().find(|method| bytes.starts_with(method.as_bytes()))?;
    let end = bytes.windows(9).position(|part| part == b" HTTP/1.1")?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}
