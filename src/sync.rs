//! Jira → our copy. Feeds and reads, webhooks, and the one place that decides what may overwrite what.

pub mod apply;
pub mod complete;
pub mod container;
pub mod events;
pub mod feed;
pub mod inbox;
pub mod order;
pub mod refusal;
pub mod run;
pub mod status;
pub mod told;
