//! What a registry is logged in to with: a credential that was given, or one that is asked for.

use std::sync::Arc;

use crate::credentials::cloud::Lease;
use crate::secret::Credential;

/// A login, and where it was given.
#[derive(Clone, Debug)]
pub struct Login {
    /// The input, variable or file, for sentences.
    pub origin: &'static str,
    pub kind: LoginKind,
}

/// Whether a credential is there already.
#[derive(Clone, Debug)]
pub enum LoginKind {
    /// It was given, and stays what it is.
    Given(Credential),
    /// It is asked for when it is needed, and again before it ends.
    Leased(Arc<Lease>),
}

impl Login {
    pub fn given(origin: &'static str, credential: &Credential) -> Self {
        Self { origin, kind: LoginKind::Given(credential.clone()) }
    }

    /// The credential, where it was given.
    pub fn credential(&self) -> Option<&Credential> {
        match &self.kind {
            LoginKind::Given(credential) => Some(credential),
            LoginKind::Leased(_) => None,
        }
    }

    /// The way to one, where it is asked for.
    pub fn lease(&self) -> Option<&Arc<Lease>> {
        match &self.kind {
            LoginKind::Given(_) => None,
            LoginKind::Leased(lease) => Some(lease),
        }
    }

    /// Whether two logins are the same account's.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (LoginKind::Given(a), LoginKind::Given(b)) => {
                a.username == b.username && a.password.expose() == b.password.expose()
            }
            (LoginKind::Leased(a), LoginKind::Leased(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Every credential that may have been sent.
    pub fn credentials(&self) -> Vec<Credential> {
        match &self.kind {
            LoginKind::Given(credential) => vec![credential.clone()],
            LoginKind::Leased(lease) => lease.given(),
        }
    }
}
