//! API keys for Rust services: issue, verify, rotate, isolate, audit.
//!
//! One dependency for all of Doorward. Each module is a crate that can be used alone; only [`open`] and
//! its [`StoreUrl`] are made here.
//!
//! | module | crate | feature |
//! |---|---|---|
//! | [`types`] | `doorward-types` | |
//! | [`key`] | `doorward-key` | |
//! | [`origin`] | `doorward-origin` | |
//! | [`assertion`] | `doorward-assertion` | |
//! | [`audit`] | `doorward-audit` | |
//! | [`store`] | `doorward-store` | |
//! | [`records`] | `doorward-records` | |
//! | [`copy`] | `doorward-store-copy` | |
//! | [`auth`] | `doorward-auth` | |
//! | `http` | `doorward-http` | `http` (default) |
//! | `http::axum` | `doorward-http` | `axum` |
//! | `api` | `doorward-api` | `api` |
//! | `dashboard` | `doorward-dashboard` | `dashboard` |
//! | `dashboard::IdentityProvider` | `doorward-dashboard` | `oidc` |
//! | `link` | `doorward-link` | `link` |
//! | `sink` | `doorward-sink` | `sink` |
//! | `memory` | `doorward-store-memory` | `memory` (default) |
//! | `sqlite` | `doorward-store-sqlite` | `sqlite` (default) |
//! | `postgres` | `doorward-store-postgres` | `postgres` |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use doorward::auth::{OperatorPrincipal, Core, Issuer, Verifier};
//! use doorward::memory::MemoryStore;
//!
//! let verifier = Verifier::start(&Core::new(Arc::new(MemoryStore::new()))).await?;
//! let issuer = Issuer::beside(&verifier);
//! // Every change needs an operator. This program holds the store itself.
//! let request = OperatorPrincipal::local_administrator("ada".parse()?).request();
//! let acme = issuer.provision("Acme".parse()?, &request).await?;
//! assert!(verifier.verify(acme.value.expose().as_bytes()).is_ok());
//! # Ok(()) }
//! ```
//!
//! For the tests of a service there is the crate `doorward-testing`: ready-made keys in memory, and a clock to move.
//!
//! `examples/` has whole services: on hyper (`embedded`), axum and tonic, with a table of their own, and an MCP server.

mod url;

#[cfg(feature = "api")]
pub use doorward_api as api;
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
#[cfg(feature = "sink")]
pub use doorward_sink as sink;
pub use doorward_store as store;
pub use doorward_store_copy as copy;
#[cfg(feature = "memory")]
pub use doorward_store_memory as memory;
#[cfg(feature = "postgres")]
pub use doorward_store_postgres as postgres;
#[cfg(feature = "sqlite")]
pub use doorward_store_sqlite as sqlite;
pub use doorward_types as types;

pub use self::url::{StoreUrl, StoreUrlError};

/// Opens the store that a URL names, by the engine that it names: the one place that knows them all.
///
/// # Errors
///
/// The engine's own; [`store::StoreError::Unavailable`] if this program was built without it.
pub async fn open(
    url: &StoreUrl,
    mode: store::OpenMode,
) -> Result<std::sync::Arc<dyn records::Engine>, store::StoreError> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => Ok(std::sync::Arc::new(sqlite::SqliteStore::open(path, mode).await?)),
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => Ok(std::sync::Arc::new(postgres::PostgresStore::open(url, mode).await?)),
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        other => {
            let _ = mode;
            let reason = format!("this program was built without the engine of {other}");
            Err(store::StoreError::Unavailable(reason.into()))
        }
    }
}
