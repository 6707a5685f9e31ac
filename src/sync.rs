//! Jira → our copy. Feeds and reads, webhooks, and the one place that decides what may overwrite what.

pub mod apply;
pub mod complete;
pub mod events;
pub mod feed;
pub mod inbox;
pub mod project;
pub mod run;
pub mod status;
