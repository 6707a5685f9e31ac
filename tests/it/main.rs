//! The one integration binary. Tests speak HTTP to the real server, with the simulator as Jira.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests fail by panicking")]

mod accounts;
mod architecture;
mod auth;
mod backups;
mod budget;
mod chaos;
mod cluster;
mod config;
mod conformance;
mod forge;
mod fuzz;
mod hostile;
mod keys;
mod licences;
mod lifecycle;
mod moving;
mod object_store;
mod odd_days;
mod pages;
mod postgres;
mod reading;
mod reports;
mod secrets;
mod store;
mod support;
mod suspended;
mod sync;
mod tags;
mod webhooks;
mod wiping;
mod writing;
