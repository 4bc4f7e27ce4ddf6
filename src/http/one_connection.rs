//! Connections to hosts that may speak HTTP/2: one is made, and no other before it is known whether it serves all.
//!
//! The HTTP library makes a connection for each request that finds none, and throws all but one away where the first to come
//! up speaks HTTP/2: thirty requests at once to a new host would be thirty handshakes. Where it speaks HTTP/1.1, connections
//! are made side by side from then on, as long as it does.
//!
//! While one is made, or is on its way to those that wait, no other is begun; where it fails, it fails all that wait. A
//! request that the library has served meanwhile needs none: the library then goes on with what it had begun for it in a task
//! apart, by which that is known here.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt::{self, Debug, Display};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use hyper_util::client::legacy::connect::Connection;
use tokio::task;
use tokio::time::{Instant, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::sync::LockExt as _;

/// How long a connection that came up counts as being made: the library gives it to those that wait in the same step, and
/// who waits here meanwhile gets it there. It delays nobody but the first to ask after one that broke at once.
const HANDOVER: Duration = Duration::from_millis(20);

/// The layer around what connects the requests of one client.
#[derive(Clone, Default)]
pub(super) struct OneConnection(Arc<Mutex<HashMap<String, Arc<Turn>>>>);

/// Whose turn it is to connect to one host.
#[derive(Default)]
struct Turn {
    /// Locked while a connection is made; when the last one failed, and how.
    making: Arc<tokio::sync::Mutex<Option<(Instant, Failed)>>>,
    /// The last one to come up speaks HTTP/1.1: it serves one request at a time.
    is_plain: AtomicBool,
}

/// Why no connection came up, for all that waited for it.
#[derive(Clone, Debug)]
struct Failed(Arc<dyn StdError + Send + Sync>);

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl StdError for Failed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

impl<S> Layer<S> for OneConnection {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner, turns: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Connector<S> {
    inner: S,
    turns: OneConnection,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<S, D> Service<D> for Connector<S>
where
    S: Service<D, Error = BoxError> + Clone + Send + 'static,
    S::Response: Connection,
    S::Future: Send,
    // The library's type for where a connection leads has no name outside of it, but it prints itself.
    D: Debug + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: D) -> Self::Future {
        let turn = Arc::clone(self.turns.0.locked().entry(format!("{destination:?}")).or_default());
        // The one that is ready is the one that is called.
        let other = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, other);
        async move {
            if turn.is_plain.load(Relaxed) {
                return turn.connect(inner.call(destination)).await;
            }
            let (asked, request) = (Instant::now(), task::try_id());
            let mut making = Arc::clone(&turn.making).lock_owned().await;
            // Whether another connection serves the request by now is looked at before this goes on.
            task::yield_now().await;
            if task::try_id() != request {
                return Err(io::Error::from(io::ErrorKind::Interrupted).into());
            }
            if let Some((_, failed)) = making.as_ref().filter(|(when, _)| *when > asked) {
                return Err(failed.clone().into());
            }
            if turn.is_plain.load(Relaxed) {
                drop(making);
                return turn.connect(inner.call(destination)).await;
            }
            match turn.connect(inner.call(destination)).await {
                Ok(made) => {
                    if made.connected().is_negotiated_h2() {
                        task::spawn(async move {
                            sleep(HANDOVER).await;
                            drop(making);
                        });
                    }
                    Ok(made)
                }
                Err(error) => {
                    let failed = Failed(error.into());
                    *making = Some((Instant::now(), failed.clone()));
                    Err(failed.into())
                }
            }
        }
        .boxed()
    }
}

impl Turn {
    /// The connection, and what it tells of those to come.
    async fn connect<C: Connection>(
        &self,
        connecting: impl Future<Output = Result<C, BoxError>>,
    ) -> Result<C, BoxError> {
        let made = connecting.await?;
        self.is_plain.store(!made.connected().is_negotiated_h2(), Relaxed);
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use futures_util::future::{Either, join_all, select};
    use hyper_util::client::legacy::connect::{Connected, Connection};
    use tokio::sync::watch;
    use tokio::time::{Instant, sleep};
    use tower_layer::Layer as _;
    use tower_service::Service;

    use super::{BoxError, Connector, HANDOVER, OneConnection};

    /// Takes a second to connect, and counts.
    #[derive(Clone, Default)]
    struct Slow {
        has_http2: Arc<AtomicBool>,
        made: Arc<AtomicUsize>,
        /// Those that fail.
        broken: usize,
    }

    struct Made {
        has_http2: bool,
    }

    impl Connection for Made {
        fn connected(&self) -> Connected {
            if self.has_http2 { Connected::new().negotiated_h2() } else { Connected::new() }
        }
    }

    impl Service<&'static str> for Slow {
        type Response = Made;
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<Made, BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: &'static str) -> Self::Future {
            let (has_http2, broken) = (self.has_http2.load(Relaxed), self.broken);
            let made = self.made.fetch_add(1, Relaxed);
            Box::pin(async move {
                sleep(Duration::from_secs(1)).await;
                if made < broken { Err("broken".into()) } else { Ok(Made { has_http2 }) }
            })
        }
    }

    /// The HTTP library: a request takes the connection that comes first, its own or one that another request has made, and
    /// what it has begun is ended in a task apart.
    #[derive(Clone)]
    struct Library {
        connector: Connector<Slow>,
        slow: Slow,
        /// Hosts to which a connection stands that serves all.
        standing: watch::Sender<HashSet<&'static str>>,
        /// How long it takes until one that is up is offered.
        offering: Duration,
    }

    impl Library {
        fn new(has_http2: bool, broken: usize) -> Self {
            let slow = Slow { has_http2: Arc::new(AtomicBool::new(has_http2)), broken, ..Slow::default() };
            let connector = OneConnection::default().layer(slow.clone());
            Self { connector, slow, standing: watch::Sender::default(), offering: Duration::ZERO }
        }

        async fn request(mut self, host: &'static str) -> Result<(), BoxError> {
            let mut standing = self.standing.subscribe();
            let offered = pin!(async { standing.wait_for(|hosts| hosts.contains(host)).await.is_ok() });
            match select(offered, self.connector.call(host)).await {
                Either::Left((_, connecting)) => drop(tokio::spawn(connecting)),
                Either::Right((made, _)) => {
                    if made?.has_http2 {
                        sleep(self.offering).await;
                        self.standing.send_modify(|hosts| _ = hosts.insert(host));
                    }
                }
            }
            Ok(())
        }

        /// How many of these requests, begun at once, get a connection, and in how many seconds all have ended.
        async fn requests(&self, hosts: &[&'static str]) -> (usize, u64) {
            let began = Instant::now();
            let requests = hosts.iter().map(|host| tokio::spawn(self.clone().request(host)));
            let ended = join_all(requests).await;
            (ended.iter().filter(|ended| matches!(ended, Ok(Ok(())))).count(), began.elapsed().as_secs())
        }

        fn made(&self) -> usize {
            self.slow.made.load(Relaxed)
        }

        fn lose(&self, host: &'static str) {
            self.standing.send_modify(|hosts| _ = hosts.remove(host));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_with_http2_gets_one_connection_and_another_when_that_is_gone() {
        let library = Library::new(true, 0);
        assert_eq!(library.requests(&["a", "a", "b", "a", "b"]).await, (5, 1));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(library.made(), 2, "one to each host");
        library.lose("a");
        assert_eq!(library.requests(&["a", "a"]).await, (2, 1));
        assert_eq!(library.made(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_asks_while_a_connection_is_being_offered_makes_no_other() {
        let library = Library { offering: HANDOVER / 2, ..Library::new(true, 0) };
        let late = async {
            sleep(Duration::from_secs(1) + HANDOVER / 4).await;
            library.requests(&["a", "a"]).await
        };
        assert_eq!(tokio::join!(library.requests(&["a", "a"]), late), ((2, 1), (2, 0)));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(library.made(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_connection_breaks_as_soon_as_it_is_up_the_next_request_gets_another_at_once() {
        let library = Library::new(true, 0);
        library.requests(&["a"]).await;
        library.lose("a");
        assert_eq!(library.requests(&["a"]).await, (1, 1));
        assert_eq!(library.made(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_without_http2_gets_as_many_as_are_asked_for_once_that_is_known_and_as_long_as_it_is_so() {
        let library = Library::new(false, 0);
        assert_eq!(library.requests(&["a", "a", "a"]).await, (3, 2));
        assert_eq!(library.requests(&["a", "a", "a"]).await, (3, 1));
        assert_eq!(library.made(), 6);
        library.slow.has_http2.store(true, Relaxed);
        assert_eq!(library.requests(&["a"]).await, (1, 1));
        library.lose("a");
        assert_eq!(library.requests(&["a", "a", "a"]).await, (3, 1));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(library.made(), 8, "one for all again");
    }

    #[tokio::test(start_paused = true)]
    async fn one_attempt_that_fails_answers_all_that_wait_for_it_and_none_that_comes_after() {
        let library = Library::new(true, 1);
        assert_eq!(library.requests(&["a", "a", "a", "a"]).await, (0, 1));
        assert_eq!(library.made(), 1);
        assert_eq!(library.requests(&["a", "a", "a", "a"]).await, (4, 1));
        assert_eq!(library.made(), 2);
    }
}
