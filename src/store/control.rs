//! The control database: who is installed, what is to be done, what was wiped.

pub mod accounts;
pub mod content;
pub mod forge;
pub mod installations;
pub mod jobs;
pub mod licences;
pub mod nodes;
pub mod notices;
pub mod placements;
pub mod receipts;
pub(crate) mod schema;
pub mod taken;
