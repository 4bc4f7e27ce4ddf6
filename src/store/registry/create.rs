//! Repositories that a registry wants created before anything is pushed to them (ECR).
//!
//! Owns that each is created once a run, where the user wants it, and only when a push was refused for want of it. How it is
//! created is the login's business.

use std::sync::Arc;

use reqwest::Method;

use crate::error::cause::Cause;
use crate::store::registry::repository::Repository;
use crate::store::registry::send::Request;

impl Repository {
    /// Whether `call` failed for want of this repository, which is there now: it was created.
    ///
    /// Fails where it could not be.
    pub(super) async fn is_created(&self, call: &Request<'_>, cause: &Cause) -> Result<bool, Cause> {
        let is_wanting = matches!(cause, Cause::Refused(refusal) if refusal.is_without_repository());
        let writes = matches!(call.method, Method::POST | Method::PUT);
        let (Some(created), Some(lease)) = (&self.host.created, self.host.auth.lease()) else { return Ok(false) };
        if !is_wanting || !writes || !lease.creates_repositories() {
            return Ok(false);
        }
        let create = async {
            let context = self.token_context();
            let created = Box::pin(lease.create_repository(&self.name, &context.exchange())).await;
            let created = created.map_err(Cause::Login);
            if created.is_ok() {
                self.meter.notice(format!("{}: the repository was created", self.full_name()));
            }
            created
        };
        created.entry(Arc::clone(&self.name)).get_or_init(|| create).await.clone().map(|()| true)
    }
}
