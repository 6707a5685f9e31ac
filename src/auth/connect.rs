//! Atlassian Connect: JWTs, the query string hash, installation keys.

pub mod claims;
pub mod context;
pub mod install;
pub mod keys;
pub mod qsh;
pub mod server;
