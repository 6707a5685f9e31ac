//! From installed to wiped. Calls of Jira do a fixed amount of work and enqueue the rest.

pub mod create;
pub mod forge;
pub mod forget;
pub mod installed;
pub mod moving;
pub mod relocate;
pub mod reseal;
pub mod suspend;
pub mod uninstalled;
pub mod wipe;
