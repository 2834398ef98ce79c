//! How people and programs reach Holdfast: HTTP command routes and query routes apart, and the `holdfast` binary.
//!
//! In reading order: [`routes`] lists every route with who may use it; [`auth`] finds out who calls; `commands` and
//! `queries` turn requests into commands and questions; `error` turns refusals into answers; [`server`] puts it together.

pub mod auth;
pub mod health;
pub mod payment_sessions;
pub mod routes;
pub mod server;
pub mod telemetry;

mod admin;
mod audit;
mod call_sheet;
mod commands;
mod connection; // how long clients may be silent
mod edge;
mod error;
pub mod esign_settings;
mod event_pages;
mod files;
mod fingerprint;
#[cfg(test)]
mod fuzz;
mod in_flight; // places for requests in work
mod kept_body;
mod long_answer;
mod openapi;
mod otp;
mod platform;
mod push; // to frontends
mod queries;
mod rate_limit;
mod request;
mod root_span;
mod signing_link; // for signers without an account
mod state;

pub use admin::AdminSide;
pub use audit::AuditSide;
pub use commands::esign_webhook::WebhookSecrets;
pub use commands::facts::FirstEvents;
pub use in_flight::InFlightLimits;
pub use push::{Push, StreamLimits};
pub use queries::QuerySide;
pub use rate_limit::PerActor;
pub use state::CommandSide;

pub mod cli;
pub mod demo;
pub mod embedded;
pub mod settings;
pub mod verify;
