//! All SQL of the project: the control database, the keyring, the inbox of webhooks and one database per tenant.
//!
//! Nothing above this crate imports diesel. Comments, tag names and secrets go in sealed and come out opened;
//! the crate knows nothing of HTTP or Jira.

mod among;
pub mod conn;
pub mod control;
pub mod dump;
pub mod error;
pub mod inbox;
pub mod keyring;
pub mod migrate;
pub mod plain;
pub mod postgres;
pub mod tenant;

#[cfg(test)]
mod tests;
