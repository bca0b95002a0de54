//! Receives GitHub's reports of leaked keys, by the protocol of the secret scanning partner program.
//!
//! GitHub searches public repositories for texts that have the form of a partner's key, and posts each find to the partner.
//! Anyone can send such a request, and a report leads to the revocation of a key. So:
//!
//! - the signature is verified before the body is parsed.
//! - only a public key from GitHub's list verifies. A key that was fetched more than a day ago verifies nothing, so that a key
//!   that GitHub withdraws loses its effect.
//! - requests with made-up key identifiers cause at most one fetch each minute.
//! - no error and no `Debug` output contains a reported token, and no error contains any other part of a request.
//!
//! The crate has no server: the caller limits the body's size, passes headers and body in, and sends the feedback back.
//!
//! ```no_run
//! # async fn receive(headers: http::HeaderMap, body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use doorward_secret_scanning::client::Client;
//! use doorward_secret_scanning::{GITHUB_KEYS_URL, Label, PartnerKeys, feedback};
//! use doorward_types::SystemClock;
//!
//! let keys = PartnerKeys::new(Client::new()?, GITHUB_KEYS_URL.parse()?, Arc::new(SystemClock));
//! let tokens = keys.verify(&headers, body).await?;
//! let answer = feedback(tokens.iter().map(|token| (token, Label::TruePositive)));
//! # Ok(())
//! # }
//! ```
//!
//! Source: GitHub Docs, "Secret scanning partner program",
//! <https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program>

mod cache;
mod error;
mod feedback;
mod list;
mod public_key;
mod report;
mod signature;

pub use cache::{GITHUB_KEYS_URL, PartnerKeys};
pub use doorward_client as client;
pub use error::ReportError;
pub use feedback::{Label, feedback};
pub use list::FetchError;
pub use report::{MAX_TOKENS, ReportedToken};
pub use signature::{IDENTIFIER_HEADER, SIGNATURE_HEADER};
