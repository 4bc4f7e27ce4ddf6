//! GitHub: what this program knows of its servers, its registry and its packages.
//!
//! Owns the addresses of a GitHub server, and access: what a package on GitHub's registry is linked to, who may use it,
//! and what is left to do. The only user of `octocrab`. Must never copy anything.
//!
//! GitHub has no call that changes a package's permissions, its visibility or its link (cli/cli#10195, cli/cli#6820).
//! What there is: a package inherits from the repository that it is linked to, and roles on a repository can be granted.
//! So `access` grants there, reads back what can be read, and names the rest with the page to open.
//!
//! - `server`: hosts and links; pure.
//! - `names`: how teams, accounts and repositories are named; pure.
//! - `token`: which tokens its registry takes; pure.
//! - `role`: what a role on a repository means for its packages; pure.
//! - `assess`: from what GitHub answered to a status, a sentence and a link; pure.
//! - `before`: what is worth saying before anything is sent; pure.
//! - `api`: the calls; nothing else talks to GitHub's API.
//! - `packages`: versions of packages, deleted.
//! - `settings`: what is wanted of access.
//! - `findings`: what was found of it, for the report.
//! - `access`: the order of the questions, before and after a copy.

pub mod access;
pub mod api;
pub mod assess;
pub mod before;
pub mod findings;
pub mod names;
pub mod packages;
pub mod role;
pub mod server;
pub mod settings;
pub mod token;
