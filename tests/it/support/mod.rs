//! What the tests stand on: fixtures, an in-process registry with faults, registries that others wrote, and the
//! builder that runs the program as the runner does.

#[path = "../../../src/properties/actions.rs"]
pub mod actions;
pub mod breaking;
pub mod endless;
pub mod faults;
pub mod github;
pub mod images;
mod protocol;
pub mod random;
pub mod real;
pub mod registry;
pub mod run;
pub mod scenario;
mod socket;
pub mod tls;
pub mod token;

pub use faults::{Fault, Hook, LocationForm, Moment, What};
pub use github::GitHub;
pub use registry::Registry;
pub use run::{Outcome, Run};
pub use token::{Account, Auth, TokenAuth, TokenFormat};

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
