//! *Settings → API Keys*: the management page, as a tower service that any server can mount.
//!
//! | module | purpose |
//! |---|---|
//! | `routes` | the table of pages and actions: start here |
//! | `answer` | a request's way: route, person, page or action |
//! | `guard`, `caller`, `cookies` | the operator or the visitor, and the checks that this page sent a form |
//! | `form` | reading forms |
//! | `actions`, `operator_actions` | the changes that forms request |
//! | `confirmation` | the comparison of a typed text with what it confirms |
//! | `pages` | the pages and their texts |
//! | `preferences`, `returning` | colours and times, and the page to return to after a sign-in |
//! | `identity`, `provider_sign_in` | sign-in through an identity provider (feature `oidc`) |
//! | `passkeys`, `passkey_actions` | sign-in by passkeys (feature `passkeys`) |
//! | `live` | the regions of a page that change |
//! | `reply`, `fault`, `assets` | answers and their headers, faults, and static files |
//! | `service`, `state` | the page as a service, and its parts |
//!
//! Operators sign in by a link that works once ([`doorward_auth::Operators::login_link`]). The session's cookie is hidden from
//! scripts. Everything but passkeys works without JavaScript. The page's script copies values, keeps the page up to date, and asks before a
//! value is lost.
//!
//! A service can also give the page to its own users: [`Dashboard::for_visitors`].
//!
//! A value that is shown once appears only in the answer to the form that created it: never in a URL, and never in stored data.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use doorward_auth::Verifier;
//! # type Request = http::Request<http_body_util::Full<bytes::Bytes>>;
//! # async fn mount(verifier: Verifier, store: Arc<dyn doorward_store::ManagementEngine>, request: Request) {
//! use doorward_dashboard::Dashboard;
//!
//! let dashboard = Dashboard::new(verifier, store).at("/dashboard");
//! let response = dashboard.answer(request).await;
//! # }
//! ```

mod actions;
mod answer;
mod assets;
mod body;

mod caller;
mod compression;
mod confirmation;
mod cookies;
mod form;
mod guard;
#[cfg(feature = "oidc")]
mod identity;
#[cfg(feature = "oidc")]
mod identity_error;
mod live;
mod operator_actions;
mod page_error;
mod pages;
#[cfg(feature = "passkeys")]
mod passkey_actions;
#[cfg(feature = "passkeys")]
mod passkey_error;
#[cfg(feature = "passkeys")]
mod passkeys;
mod preferences;
#[cfg(feature = "oidc")]
mod provider_sign_in;
mod reply;
mod returning;
mod routes;
mod service;
mod state;

pub use crate::body::{BodyError, Content};
#[cfg(feature = "oidc")]
pub use crate::identity::{IdentityProvider, ProviderSettings};
pub use crate::page_error::SignInError;
#[cfg(feature = "passkeys")]
pub use crate::passkeys::{RelyingParty, RelyingPartyError};
pub use crate::routes::{ROUTES, Route};
pub use crate::service::Dashboard;
pub use crate::state::{ConnectorRow, ScanPlace};
