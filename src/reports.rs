//! Reports: any question over a tenant's worklogs, answered from memory, with what proves it.
//!
//! A [`definition`] says what is asked. [`scope`] finds the days, people and issues that it is about, and asks Jira who
//! may see them and what they are called ([`facts`], beside the request where that takes long: [`prepare`]); nothing
//! that Jira does not grant gets any further. [`report`] lets the engine count over a snapshot of the worklogs
//! ([`projections`]) and puts the [`stamp`] on it.

pub mod axes;
pub mod checksum;
pub mod definition;
pub mod export;
pub mod facts;
pub mod prepare;
pub mod projections;
pub mod report;
pub mod saved;
pub mod scope;
pub mod stamp;
pub mod values;
pub mod worklogs;
