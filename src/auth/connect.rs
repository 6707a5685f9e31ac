//! Atlassian Connect: JWTs, the query string hash, installation keys.

pub mod context;
pub mod install;
pub mod jwt;
pub mod keys;
pub mod qsh;
pub mod server;
