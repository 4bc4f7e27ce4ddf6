//! Connections to hosts that may speak HTTP/2: one is made, and no other before it is known whether it serves all.
//!
//! The HTTP library makes a connection for each request that finds none, and throws all but one away where the first to come
//! up speaks HTTP/2: thirty requests at once to a new host would be thirty handshakes. Where it speaks HTTP/1.1, connections
//! are made side by side from then on.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use hyper_util::client::legacy::connect::Connection;
use tokio::time::{Instant, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::sync::LockExt as _;

/// How long after a connection is up the HTTP library may still be about to offer it to those that ask for one.
const SETTLING: Duration = Duration::from_millis(100);

/// How long it may take to give it to those that wait: it does so at once.
const HANDOVER: Duration = Duration::from_secs(2);

/// The layer around what connects the requests of one client.
#[derive(Clone, Default)]
pub(super) struct OneConnection(Arc<Mutex<HashMap<String, Arc<Turn>>>>);

/// Whose turn it is to connect to one host.
#[derive(Default)]
struct Turn {
    /// Locked while a connection is made.
    making: tokio::sync::Mutex<()>,
    /// When one last came up that serves all.
    shared: Mutex<Option<Instant>>,
    /// It speaks HTTP/1.1: a connection serves one request at a time.
    is_plain: AtomicBool,
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
            let asked = Instant::now();
            let making = if turn.is_plain.load(Relaxed) { None } else { Some(turn.making.lock().await) };
            if turn.shared.locked().is_some_and(|up| up + SETTLING >= asked) {
                drop(making);
                // The request that this was for has that one: the library drives what it has begun to its end all the same.
                sleep(HANDOVER).await;
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            let making = making.filter(|_| !turn.is_plain.load(Relaxed));
            let made = inner.call(destination).await?;
            if made.connected().is_negotiated_h2() {
                *turn.shared.locked() = Some(Instant::now());
            } else {
                turn.is_plain.store(true, Relaxed);
            }
            drop(making);
            Ok(made)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use futures_util::future::join_all;
    use hyper_util::client::legacy::connect::{Connected, Connection};
    use tokio::time::{sleep, timeout};
    use tower_layer::Layer as _;
    use tower_service::Service;

    use super::{BoxError, Connector, OneConnection};

    /// Takes a second to connect, and counts.
    #[derive(Clone)]
    struct Slow {
        has_http2: bool,
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
            let Self { has_http2, broken, .. } = *self;
            let made = self.made.fetch_add(1, Relaxed);
            Box::pin(async move {
                sleep(Duration::from_secs(1)).await;
                if made < broken { Err("broken".into()) } else { Ok(Made { has_http2 }) }
            })
        }
    }

    fn connector(has_http2: bool, broken: usize) -> (Connector<Slow>, Arc<AtomicUsize>) {
        let made = Arc::<AtomicUsize>::default();
        (OneConnection::default().layer(Slow { has_http2, made: Arc::clone(&made), broken }), made)
    }

    /// How many of so many connections to hosts come up within a time.
    async fn come_up(connector: &Connector<Slow>, hosts: &[&'static str], within: Duration) -> usize {
        let calls = hosts.iter().map(|host| timeout(within, connector.clone().call(host)));
        join_all(calls).await.into_iter().filter(|called| matches!(called, Ok(Ok(_)))).count()
    }

    const SOON: Duration = Duration::from_millis(1500);

    #[tokio::test(start_paused = true)]
    async fn a_host_with_http2_gets_one_connection_at_once_and_another_when_that_is_gone() {
        let (connector, made) = connector(true, 0);
        let up = come_up(&connector, &["a", "a", "b", "a", "b"], Duration::from_secs(60)).await;
        assert_eq!((up, made.load(Relaxed)), (2, 2), "one to each host");
        assert_eq!(come_up(&connector, &["a"], SOON).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_asks_while_a_connection_is_being_offered_makes_no_other() {
        let (connector, made) = connector(true, 0);
        assert_eq!(come_up(&connector, &["a"], SOON).await, 1);
        assert_eq!(come_up(&connector, &["a"], Duration::from_secs(60)).await, 0);
        assert_eq!(made.load(Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_without_http2_gets_as_many_as_are_asked_for_once_that_is_known() {
        let (connector, made) = connector(false, 0);
        assert_eq!(come_up(&connector, &["a", "a", "a"], 2 * SOON).await, 3);
        assert_eq!(come_up(&connector, &["a", "a", "a"], SOON).await, 3);
        assert_eq!(made.load(Relaxed), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn where_one_fails_the_next_is_made() {
        let (connector, made) = connector(true, 2);
        assert_eq!(come_up(&connector, &["a", "a", "a", "a"], Duration::from_secs(60)).await, 1);
        assert_eq!(made.load(Relaxed), 3);
    }
}
