//! The control database: who is installed, what is to be done, what was wiped.

pub mod installations;
pub mod jobs;
pub mod receipts;
pub(crate) mod schema;
