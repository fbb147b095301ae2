//! What Vault holds and does: KV, other engines, policies, clusters, locked users.

mod engines;
mod kv;
mod lockout;
mod policies;
mod raft;
#[path = "../support/mod.rs"]
mod support;
