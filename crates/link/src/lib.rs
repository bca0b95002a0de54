//! Links users' accounts at third parties by OAuth, and delivers callbacks only to allowed origins.
//!
//! A backend begins a link for one of its registered users, and sends the user's browser to the start URL. The start
//! ([`Linker::start`]) binds the session to that browser and redirects it to the third party. The third party sends the browser
//! back to [`Linker::finish`] with a code, which is exchanged for tokens. The browser goes on to the backend's page with a
//! confirmation. The backend presents the confirmation together with its signed-in user ([`Linker::complete`]). Only then the
//! tokens become the user's credential.
//!
//! An attacker who receives a callback, or who sends a link to another person, could take over an account. So:
//!
//! - the page's origin must be on the organization's list. This is checked when the link begins, before the code is exchanged,
//!   and before each redirect, for a success and for an error.
//! - only the browser that began a link can end it (a `__Host-` cookie), and only for the user for whom the link was begun.
//! - each of the session's tokens has 256 bits, and the store has only its SHA-256.
//! - each connector has its own redirect URI, and an answer must contain the connector's `issuer`.
//! - the code is useless without the PKCE verifier (RFC 7636, S256), which never leaves this side.
//! - no log, error or URL contains a code, token or secret, except the confirmation at the backend's page.
//! - tokens that are not confirmed within ten minutes, and removed credentials, are revoked ([`Linker::keep_up`]).
//!
//! The crate has no server: the caller passes a request's query in, and gets the browser's target back.

mod browser;
mod callback;
mod code_grant;
mod complete;
mod connector;
mod discovery;
mod linker;
mod redirect;
mod revocation;
mod start;
mod tokens;
mod upstream;

pub use code_grant::{CodeGrant, ExchangeError, pkce_verifier};
pub use connector::{ConnectorError, ConnectorSettings, TokenEndpointAuth, UpstreamProtocol, UpstreamSettings};
pub use doorward_client as client;
pub use linker::{BegunLink, CONFIRMATION_LIFETIME, LinkError, Linker, NewLink, SESSION_LIFETIME};
pub use redirect::CallbackResponse;
pub use start::Start;
pub use tokens::Tokens;
pub use upstream::{Upstream, UpstreamToken};
