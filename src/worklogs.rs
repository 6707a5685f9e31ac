//! Logging work: Jira first, as the person who asks, and then our copy from Jira's answer.

pub mod adf;
pub mod create;
pub mod delete;
pub mod duration;
pub mod edit;
pub mod input;
pub mod intent;
pub mod list;
pub mod property;
pub mod refusal;
pub mod site_time;
