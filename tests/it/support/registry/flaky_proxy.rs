//! A network that breaks: a TCP proxy on loopback in front of any registry, which cuts, resets or stalls connections after
//! so many bytes in one direction. It knows nothing of HTTP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use super::random::Random;

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both sides see its end.
    Cut,
    /// Both sides see a reset; what was on its way is lost.
    Reset,
    /// Nothing more comes, and it stays open.
    Stall,
}

/// Which direction is counted and broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the registry: downloads.
    Answers,
    /// To the registry: uploads.
    Requests,
}

/// What happens to the connections.
#[derive(Clone, Debug)]
pub struct Plan {
    pub how: Break,
    pub direction: Direction,
    /// After so many bytes, and up to `spread` more, which the seed decides.
    pub after: u64,
    pub spread: u64,
    pub seed: u64,
    /// Only so many connections are broken, the first that come that far; `None`: all.
    pub times: Option<usize>,
}

impl Plan {
    pub fn every(how: Break, direction: Direction, after: u64) -> Self {
        Self { how, direction, after, spread: 0, seed: 0, times: None }
    }

    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Connections break after up to `spread` bytes more.
    pub fn spread(self, seed: u64, spread: u64) -> Self {
        Self { spread, seed, ..self }
    }
}

/// The network; it ends when this is dropped.
pub struct FlakyProxy {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

#[derive(Default)]
struct Counts {
    broken: AtomicUsize,
    answered: AtomicU64,
}

/// What the kernel may hold for a connection: what a reset can swallow.
const BUFFER: u32 = 64 * 1024;

impl FlakyProxy {
    /// In front of `registry`, an address with a port.
    pub fn before(registry: &str, plan: Plan) -> Self {
        let counts = Arc::<Counts>::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let (registry, seen) = (registry.to_owned(), Arc::clone(&counts));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.spawn(async move {
                let socket = TcpSocket::new_v4().unwrap();
                // Accepted connections inherit it.
                socket.set_send_buffer_size(BUFFER).unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let listener = socket.listen(256).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let random = Mutex::new(Random::new(plan.seed));
                while let Ok((client, _)) = listener.accept().await {
                    let spread = usize::try_from(plan.spread).unwrap();
                    let more = random.lock().unwrap().below(spread + 1);
                    let plan = Plan { after: plan.after + u64::try_from(more).unwrap(), ..plan.clone() };
                    tokio::spawn(connection(client, registry.clone(), plan, Arc::clone(&seen)));
                }
            });
            let _ = runtime.block_on(stopped);
        });
        Self { address: told.recv().unwrap(), counts, stop: Some(stop) }
    }

    /// `127.0.0.1:PORT/repository:tag`, by way of this network.
    pub fn name(&self, reference: &str) -> String {
        format!("{}/{reference}", self.address)
    }

    /// Connections broken so far.
    pub fn broken(&self) -> usize {
        self.counts.broken.load(Relaxed)
    }

    /// Bytes that the registry answered, lost ones included.
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Relaxed)
    }
}

impl Drop for FlakyProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

async fn connection(client: TcpStream, registry: String, plan: Plan, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(registry).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let limit = |direction| if plan.direction == direction { plan.after } else { u64::MAX };
    let mut requests = Pump { from: from_client, to: to_server, left: limit(Direction::Requests) };
    let mut answers = Pump { from: from_server, to: to_client, left: limit(Direction::Answers) };
    let may_break = || {
        let more = |broken| plan.times.is_none_or(|times| broken < times).then_some(broken + 1);
        counts.broken.fetch_update(Relaxed, Relaxed, more).is_ok()
    };
    let ignore = |_: u64| {};
    let count = |bytes: u64| {
        counts.answered.fetch_add(bytes, Relaxed);
    };
    let is_broken = tokio::select! {
        is_broken = requests.run(&may_break, &ignore) => is_broken,
        is_broken = answers.run(&may_break, &count) => is_broken,
    };
    if !is_broken {
        return;
    }
    match plan.how {
        Break::Reset => {
            for half in [requests.to, answers.to] {
                let _ = half.as_ref().set_zero_linger();
                // Dropped, it would say goodbye before the reset.
                half.forget();
            }
        }
        Break::Cut => {
            let _ = requests.to.shutdown().await;
            let _ = answers.to.shutdown().await;
            // A socket that is closed with something unread is reset: what still comes is read away.
            let _ = tokio::time::timeout(Duration::from_secs(2), drain(&mut requests.from)).await;
        }
        // Until the client gives up.
        Break::Stall => {
            if plan.direction == Direction::Answers {
                drain(&mut requests.from).await;
            } else {
                let mut nothing = [0_u8; 1];
                while answers.from.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
            }
        }
    }
}

async fn drain(from: &mut OwnedReadHalf) {
    let mut nothing = vec![0_u8; 64 * 1024];
    while from.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
}

/// One direction of a connection.
struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    /// Bytes until it breaks.
    left: u64,
}

impl Pump {
    /// Carries bytes until it is over (`false`) or to be broken (`true`).
    async fn run(&mut self, may_break: &impl Fn() -> bool, count: &impl Fn(u64)) -> bool {
        let mut buffer = vec![0_u8; 32 * 1024];
        loop {
            if self.left == 0 {
                if may_break() {
                    return true;
                }
                self.left = u64::MAX;
            }
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
            let Ok(read) = self.from.read(&mut buffer[..most]).await else { return false };
            if read == 0 || self.to.write_all(&buffer[..read]).await.is_err() {
                return false;
            }
            let read = u64::try_from(read).unwrap();
            self.left -= read;
            count(read);
        }
    }
}
