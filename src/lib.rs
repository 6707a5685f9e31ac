//! Hourbook: time tracking for Jira Cloud that keeps a provable copy of every worklog.
//!
//! `src/ARCHITECTURE.md` is the map.

pub mod accounts;
pub mod alarm;
pub mod app;
pub mod auth;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod databases;
pub mod error;
pub mod files;
pub mod jira;
pub mod jobs;
pub mod keyring;
pub mod licence;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod nodes;
pub mod placement;
pub mod reports;
pub mod sites;
pub mod sync;
pub mod tags;
pub mod task;
pub mod telemetry;
pub mod tenants;
pub mod tls;
pub mod web;
pub mod worklogs;
