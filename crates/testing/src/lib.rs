//! Test support for services with access keys: organizations with a key of each environment, in memory, and a clock that the
//! test moves. Verifier and issuer are the real ones.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use std::time::Duration;
//! use doorward_testing::TestKeys;
//! use doorward_types::Environment;
//!
//! let keys = TestKeys::start().await;
//! let principal = keys.verifier().authenticate(keys.value(Environment::Test).as_bytes()).unwrap();
//! assert_eq!(principal.environment(), Environment::Test);
//!
//! // A year later, the production key is due for rotation.
//! keys.advance(Duration::from_secs(366 * 24 * 60 * 60)).await;
//! assert_eq!(keys.verifier().production_keys_older_than(Duration::from_secs(365 * 24 * 60 * 60)).0, 1);
//! # }
//! ```
//!
//! [`TestKeys::with`] chooses the prefix, the organizations and the engine, and [`TestKeys::expire_lease`] shows what a
//! service answers while its node cannot prove that it is current:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use doorward_auth::VerifyError;
//! use doorward_testing::TestKeys;
//! use doorward_types::Environment;
//!
//! let keys = TestKeys::with().prefix("acme").organizations(["A", "B"]).start().await;
//! let key = keys.of("B").value(Environment::Production);
//! assert!(key.starts_with("acme_prod_"));
//! assert!(keys.verifier().verify(key.as_bytes()).is_ok());
//!
//! keys.expire_lease();
//! assert_eq!(keys.verifier().verify(key.as_bytes()).unwrap_err(), VerifyError::NotCurrent);
//! # }
//! ```

mod builder;
mod clock;
mod keys;
mod organization;

pub use crate::builder::TestKeysBuilder;
pub use crate::keys::TestKeys;
pub use crate::organization::TestOrganization;
