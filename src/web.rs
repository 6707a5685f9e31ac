//! The only code that knows actix: parse, call a feature, render. No SQL, no HTTP out.

pub mod assets;
pub mod descriptor;
pub mod exports;
pub mod extract;
pub mod forge;
pub mod health;
pub mod lifecycle;
pub mod me;
pub mod middleware;
pub mod openapi;
pub mod ops;
pub mod pages;
pub mod params;
pub mod privacy;
pub mod receipts;
pub mod reports;
pub mod routes;
pub mod saved;
pub mod server;
pub mod settings;
pub mod sync;
pub mod tags;
pub mod takeout;
pub mod webhooks;
pub mod worklogs;
