//! Everything that is said to Jira. This folder and `auth/key_service.rs` are the only ones that use reqwest.
//!
//! The seam for tests is the site's URL: signing, paging, limits and errors are exercised as they are.

pub mod accounts;
pub mod call;
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
pub mod site;
pub mod system_tokens;
pub mod time;
pub mod users;
pub mod worklogs;
