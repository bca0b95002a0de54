//! Linking users' accounts elsewhere by OAuth, with callbacks that land where they should.
//!
//! A backend begins a link for one of its registered users, and sends the user's browser to the URL that it gets. The third party
//! sends the browser back to [`Linker::finish`] with a code, which is exchanged for tokens; they are sealed as the user's
//! credential, and the browser goes on to the backend's own page.
//!
//! Who receives that callback can take over an account, so:
//!
//! - the page's origin must be on the organization's list: when the link is begun, before the code is exchanged, and again when
//!   the redirect is sent, whether it tells of success or of an error.
//! - a session is worth something once, for 30 minutes, to whoever knows its `state` (256 bits; the store has its SHA-256).
//! - the code is worth nothing without the PKCE verifier (RFC 7636, S256), which never leaves this side.
//! - neither code nor token nor secret is in any log, error or URL of ours.
//!
//! It knows no server: what a request's query says goes in, where the browser should go comes out.

mod callback;
mod code_grant;
mod connector;
mod linker;
mod upstream;

pub use callback::Finish;
pub use code_grant::{CodeGrant, ExchangeError, pkce_verifier};
pub use connector::{ConnectorFault, ConnectorSettings, TokenEndpointAuth, UpstreamProtocol, UpstreamSettings};
pub use doorward_client as client;
pub use linker::{Begun, LinkError, Linker, NewLink, SESSION_LIFETIME};
pub use upstream::{Upstream, UpstreamToken};
