//! What an exchange gives: a credential that is good for a while.

use std::time::Duration;

use crate::credentials::cloud::ask::Exchange;
use crate::secret::{Credential, Secret};

/// A credential, and how long it is good from now.
pub struct Leased {
    pub credential: Credential,
    pub lifetime: Duration,
}

/// Has a secret of a provider whose host is fixed kept out of everything.
pub fn mask(exchange: &Exchange<'_>, secret: &Secret) {
    exchange.meter.mask(secret.clone());
}

/// The same for one that a host chose which others may have named.
pub fn mask_foreign(exchange: &Exchange<'_>, secret: &Secret) {
    exchange.meter.mask_foreign(secret.clone());
}
