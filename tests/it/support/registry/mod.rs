//! The in-process registry: the double, what it says, what goes wrong with it, and the networks before it.

mod double;
pub mod faults;
pub mod flaky_proxy;
pub mod infinite_body;
pub mod protocol;
pub mod random;
mod socket;
pub mod tls;
pub mod token;

pub use double::*;
