//! Reports over the worklogs of one Jira instance: columns in memory, and the arithmetic over them. Nothing here does
//! I/O, knows names, or decides what somebody may see: the caller says which [`axis::Axis`] member counts under
//! which group, and what is in none is not there.
//!
//! - [`segment`]: rows as columns, sorted by start, with lists of rows for each person and each slot.
//! - [`projection`]: an immutable [`projection::Snapshot`]: a large segment, a small one with what changed since, and
//!   the rows of the large one that no longer hold.
//! - [`calendar`]: which day a start belongs to, in which zone; weeks, months, quarters.
//! - [`axis`]: groups; [`scan`]: which rows; [`aggregate`]: sums of groups; [`tree`]: rows as they are shown.
//! - [`effective`]: the union of a person's intervals; [`list`]: the worklogs themselves.

pub mod aggregate;
pub mod axis;
pub mod calendar;
pub mod effective;
pub mod list;
pub mod projection;
pub mod scan;
pub mod segment;
#[cfg(test)]
mod tests;
pub mod tree;
