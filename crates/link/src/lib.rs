//! Linking users' accounts elsewhere by OAuth, with callbacks that land where they should.
//!
//! A backend begins a link for one of its registered users, and sends the user's browser to the start URL that it gets
//! ([`Linker::start`]), which binds the session to that browser and leads on to the third party. The third party sends the
//! browser back to [`Linker::finish`] with a code, which is exchanged for tokens. The browser goes on to the backend's own page,
//! with a confirmation. The backend brings the confirmation and names the user that is signed in ([`Linker::complete`]): only
//! then the tokens are the user's credential.
//!
//! Who receives that callback can take over an account, and who sends a link to someone else can ask for that person's account:
//!
//! - the page's origin must be on the organization's list: when the link is begun, before the code is exchanged, and again when
//!   the redirect is sent, whether it tells of success or of an error.
//! - only the browser that began can end (a `__Host-` cookie), and only for the user that the link was begun for.
//! - each of the session's tokens has 256 bits, and the store has its SHA-256.
//! - each connector has a redirect URI of its own, and an answer must bear the connector's `issuer`.
//! - the code is worth nothing without the PKCE verifier (RFC 7636, S256), which never leaves this side.
//! - neither code nor token nor secret is in any log, error or URL of ours, but for the confirmation at the backend's page.
//! - tokens that nobody confirms within ten minutes, and credentials that go, are revoked ([`Linker::keep_up`]).
//!
//! It knows no server: what a request's query says goes in, where the browser should go comes out.

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
pub use connector::{ConnectorFault, ConnectorSettings, TokenEndpointAuth, UpstreamProtocol, UpstreamSettings};
pub use doorward_client as client;
pub use linker::{Begun, CONFIRMATION_LIFETIME, LinkError, Linker, NewLink, SESSION_LIFETIME};
pub use redirect::Finish;
pub use start::Start;
pub use tokens::Tokens;
pub use upstream::{Upstream, UpstreamToken};
