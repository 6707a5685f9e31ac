//! A simulated Jira Cloud over HTTP on loopback: sites with their own ports and state, Atlassian's key and token
//! services, signed lifecycle calls and webhooks, faults, and a clock that can be moved.
//!
//! It serves tests, the demo and benchmarks alike, and shares no code with Hourbook: where both compute the same
//! (signatures, query string hashes), they check each other.

pub mod clock;
pub mod cloud;
mod control;
pub mod faults;
pub mod forge;
mod host;
pub mod lifecycle;
pub mod limits;
pub mod pages;
pub mod people;
pub mod qsh;
pub mod rest;
pub mod seed;
pub mod site;
pub mod state;
pub mod tokens;
pub mod views;
pub mod webhooks;
