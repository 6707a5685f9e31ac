//! Everything that is said to Jira. This folder and `auth/connect/keys.rs` are the only ones that use reqwest.
//!
//! The seam for tests is the site's URL: signing, paging, limits and errors are exercised as they are.

pub mod client;
pub mod configuration;
pub mod error;
pub mod failed_webhooks;
pub mod issues;
pub mod licence;
pub mod meter;
pub mod permissions;
pub mod retry;
pub mod sign;
pub mod time;
pub mod users;
pub mod worklogs;
