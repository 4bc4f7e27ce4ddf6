//! The mirror list: which tags of which repositories go where.
//!
//! Owns the text of a list, the rules by which tags are selected, and what is remembered of them. Never holds a credential,
//! never writes to a registry.

pub mod coverage;
pub mod expand;
pub mod keys;
pub mod lock;
pub mod pattern;
pub mod policies;
pub mod prune;
pub mod prune_plan;
pub mod schema;
pub mod shard;
pub mod tags;
pub mod times;
pub mod version;
pub mod yaml;
