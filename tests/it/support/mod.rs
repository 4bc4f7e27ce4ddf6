//! What the tests stand on: fixtures, an in-process registry with faults, registries that others wrote, and the
//! builder that runs the program as the runner does.

#[path = "../../../src/properties/actions.rs"]
pub mod actions;
pub mod clouds;
pub mod github;
pub mod images;
pub mod real;
pub mod registry;
pub mod run;
pub mod signing;
pub mod sigstore;

pub use github::GitHub;
pub use registry::faults::{Allowance, Fault, Hook, LocationForm, Moment, What};
pub use registry::{Deletes, Registry, faults, flaky_proxy, infinite_body, random, tls, token};
pub use run::{Outcome, Run, scenario};
pub use token::{Account, Auth, TokenAuth, TokenFormat};

/// An address that refuses connections for as long as this lives: the port is taken, and nothing listens at it.
pub struct ClosedPort(tokio::net::TcpSocket);

impl ClosedPort {
    pub fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a loopback address can be bound");
        Self(socket)
    }
}

impl std::fmt::Display for ClosedPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.local_addr().expect("it is bound").fmt(f)
    }
}

/// An HTTP client that follows nothing and uses no proxy.
pub fn client() -> reqwest::Client {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .expect("a client")
}
