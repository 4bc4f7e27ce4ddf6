//! The sockets of the in-process registry: plain or TLS, closed as the protocol says or reset.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Waits for connections.
pub(super) struct Listener {
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
    /// How each TLS connection began.
    pub(super) handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
}

trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// One connection.
pub(super) struct Socket {
    stream: Pin<Box<dyn Duplex>>,
    end: ConnectionEnd,
}

/// How a connection will end; each of its requests can decide it.
#[derive(Clone, Default)]
pub(super) struct ConnectionEnd(Arc<AtomicBool>);

impl ConnectionEnd {
    /// By a reset: what is still on its way is lost.
    pub(super) fn reset(&self) {
        self.0.store(true, Relaxed);
    }
}

/// A TCP stream that is closed as its end says.
struct Wire {
    stream: TcpStream,
    end: ConnectionEnd,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.end.0.load(Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.tcp).await;
            let end = ConnectionEnd::default();
            let wire = Wire { stream, end: end.clone() };
            match &self.tls {
                None => return (Socket { stream: Box::pin(wire), end }, address),
                Some(tls) => {
                    // A connection whose handshake fails is closed.
                    if let Ok(stream) = tls.accept(wire).await {
                        let kind = stream.get_ref().1.handshake_kind().expect("it is over");
                        self.handshakes.lock().unwrap().push(kind);
                        return (Socket { stream: Box::pin(stream), end }, address);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Wire {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Socket {
    /// How it will end.
    pub(super) fn end(&self) -> ConnectionEnd {
        self.end.clone()
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        self.get_mut().stream.as_mut()
    }
}

macro_rules! passes_everything_on {
    ($($outer:ty),*) => { $(
        impl AsyncRead for $outer {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                self.inner().poll_read(cx, into)
            }
        }

        impl AsyncWrite for $outer {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                self.inner().poll_write(cx, bytes)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.inner().poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.inner().poll_shutdown(cx)
            }
        }
    )* };
}

passes_everything_on!(Wire, Socket);
