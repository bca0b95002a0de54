//! API keys for Rust services: issue, verify, rotate, isolate, audit.
//!
//! [`AccessKeys`] is all that a service needs. On axum, with the feature `axum`:
//!
//! ```no_run
//! # #[cfg(feature = "axum")] mod service {
//! use axum::{Router, routing::get};
//! use doorward::{AccessKeys, http::axum::AccessKey};
//!
//! # #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = AccessKeys::open("sqlite:keys.db").start().await?;
//!     if let Some(first) = keys.provision_first("my-service").await? {
//!         println!("production key, shown this one time: {}", first.value.expose());
//!     }
//!     let router = Router::new().route("/", get(hello)).with_state(keys.layer());
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8091").await?;
//!     axum::serve(listener, router).with_graceful_shutdown(keys.until_signal()).await?;
//!     keys.stop().await?;
//!     Ok(())
//! }
//!
//! async fn hello(key: AccessKey) -> String {
//!     format!("Hello {} in {}!", key.organization_name(), key.environment())
//! }
//! # }
//! ```
//!
//! # Extractors, layers and the rest
//!
//! | to | use |
//! |---|---|
//! | take production keys only, or requests without a key too | `http::axum::ProductionKey`, `Option<AccessKey>` |
//! | serve without axum | `http::AccessKeyLayer`, a tower layer, from [`AccessKeys::layer`](AccessKeys) |
//! | verify what is no HTTP, such as a job | [`AccessKeys::verifier`] and [`auth::Verifier::authenticate`] |
//! | make, rotate and kill keys | [`AccessKeys::issuer`] and [`auth::Issuer`] |
//! | let customers manage their keys in your own handlers | [`auth::OperatorPrincipal::of_visitor`], whose request each change takes |
//! | import keys of another format | [`auth::Issuer::import`] |
//! | turn a refused change into an answer | `api::problem::of_change` with the feature `api` |
//! | count for metrics | `http::AccessKeyLayer::counters` |
//! | ship audit events | [`AccessKeysBuilder`]`::sink` with the feature `sink`, and `sink::Sink` for a sink of your own |
//! | give operators a page | `AccessKeys::dashboard` with the feature `dashboard` |
//! | give your own users the page, each for one organization | `AccessKeys::page_for` with the feature `dashboard`, `AccessKeys::api_for` with `api` |
//! | test the service | the crate `doorward-testing`: keys at once, a clock to move, and a lease that ends |
//!
//! # Shutting down
//!
//! A node that is gone without a word makes the next changes wait, for up to four seconds each: they wait until its lease
//! has ended. So serve until [`AccessKeys::until_signal`] resolves, and call [`AccessKeys::stop`] last. If all clones are
//! dropped without it, inside a runtime, the node leaves in the background.
//!
//! # Modules
//!
//! Each module is a crate that can be used alone. This crate adds only [`AccessKeys`], [`open`], [`open_engine`] and
//! [`StoreUrl`].
//!
//! | module | crate | feature |
//! |---|---|---|
//! | [`types`] | `doorward-types` | |
//! | [`key`] | `doorward-key` | |
//! | [`origin`] | `doorward-origin` | |
//! | [`audit`] | `doorward-audit` | |
//! | [`store`] | `doorward-store` | |
//! | [`records`] | `doorward-records` | |
//! | [`auth`] | `doorward-auth` | |
//! | `audit::ExportFormat`, `store::LogExport` | `doorward-audit`, `doorward-store` | `export` (default) |
//! | `auth::Operators`, `auth::restore` | `doorward-auth` | `operators` (default) |
//! | `auth::CallbackError`, `origin::AllowList::check` | `doorward-auth`, `doorward-origin` | `origins` (default) |
//! | `records::SealingKeys`, `records::reseal` | `doorward-records` | `sealing` (default) |
//! | `assertion` | `doorward-assertion` | `assertion` |
//! | `copy` | `doorward-store-copy` | `copy` |
//! | `http` | `doorward-http` | `http` (default) |
//! | `http::axum` | `doorward-http` | `axum` |
//! | `api` | `doorward-api` | `api` |
//! | `dashboard` | `doorward-dashboard` | `dashboard` |
//! | `dashboard::IdentityProvider` | `doorward-dashboard` | `oidc` |
//! | `dashboard::RelyingParty` | `doorward-dashboard` | `passkeys` |
//! | `link` | `doorward-link` | `link` |
//! | `secret_files` | `doorward-secret-files` | `secret-files` |
//! | `sink` | `doorward-sink` | `sink` |
//! | `memory` | `doorward-store-memory` | `memory` (default) |
//! | `sqlite` | `doorward-store-sqlite` | `sqlite` (default) |
//! | `postgres` | `doorward-store-postgres` | `postgres` |
//!
//! The feature `signal` (default) has [`AccessKeys::until_signal`], and [`until_signal`] for programs without a node.
//!
//! `examples/` has whole services: on hyper (`embedded`), on axum, on tonic, with a table or a sink of its own, and an MCP server.

mod access_keys;
mod error;
mod opening;
mod organizations;
mod place;
#[cfg(feature = "signal")]
mod signal;
mod sqlite_url;
mod url;

#[cfg(feature = "api")]
pub use doorward_api as api;
#[cfg(feature = "assertion")]
pub use doorward_assertion as assertion;
pub use doorward_audit as audit;
pub use doorward_auth as auth;
#[cfg(feature = "dashboard")]
pub use doorward_dashboard as dashboard;
#[cfg(feature = "http")]
pub use doorward_http as http;
pub use doorward_key as key;
#[cfg(feature = "link")]
pub use doorward_link as link;
pub use doorward_origin as origin;
pub use doorward_records as records;
#[cfg(feature = "secret-files")]
pub use doorward_secret_files as secret_files;
#[cfg(feature = "sink")]
pub use doorward_sink as sink;
pub use doorward_store as store;
#[cfg(feature = "copy")]
pub use doorward_store_copy as copy;
#[cfg(feature = "memory")]
pub use doorward_store_memory as memory;
#[cfg(feature = "postgres")]
pub use doorward_store_postgres as postgres;
#[cfg(feature = "sqlite")]
pub use doorward_store_sqlite as sqlite;
pub use doorward_types as types;

pub use self::access_keys::{AccessKeys, AccessKeysBuilder};
pub use self::error::Error;
#[cfg(feature = "signal")]
pub use self::signal::until_signal;
pub use self::url::{StoreUrl, StoreUrlError};

pub use self::opening::{open, open_engine, schema};
