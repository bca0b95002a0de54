//! API keys for Rust services: issue, verify, rotate, isolate, audit.
//!
//! One dependency for all of Doorward. It has no logic of its own; each module is a crate that can be used alone.
//!
//! | module | crate | feature |
//! |---|---|---|
//! | [`types`] | `doorward-types` | |
//! | [`key`] | `doorward-key` | |
//! | [`audit`] | `doorward-audit` | |
//! | [`store`] | `doorward-store` | |
//! | [`auth`] | `doorward-auth` | |
//! | `http` | `doorward-http` | `http` (default) |
//! | `sqlite` | `doorward-store-sqlite` | `sqlite` (default) |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use doorward::auth::{Ask, Core, Issuer, Verifier};
//! use doorward::store::MemoryStore;
//!
//! let verifier = Verifier::start(&Core::new(Arc::new(MemoryStore::new()))).await?;
//! let issuer = Issuer::beside(&verifier);
//! let acme = issuer.provision("Acme".parse()?, &Ask::local("ada".parse()?)).await?;
//! assert!(verifier.verify(acme.value.expose().as_bytes()).is_ok());
//! # Ok(()) }
//! ```
//!
//! `examples/embedded` is a whole service in one file.

pub use doorward_audit as audit;
pub use doorward_auth as auth;
#[cfg(feature = "http")]
pub use doorward_http as http;
pub use doorward_key as key;
pub use doorward_store as store;
#[cfg(feature = "sqlite")]
pub use doorward_store_sqlite as sqlite;
pub use doorward_types as types;
