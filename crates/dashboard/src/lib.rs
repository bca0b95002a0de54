//! *Settings → API Keys*: the page for people who would rather click, as a tower service that any server can mount.
//!
//! | module | what it is for |
//! |---|---|
//! | `routes` | which page or action a request means: start here |
//! | `guard`, `cookies` | who is signed in, and whether this page of ours sent the form |
//! | `form` | reading what a form sends |
//! | `actions` | what forms change, through the core |
//! | `pages` | what is shown, and how it is said |
//! | `identity`, `provider_sign_in` | signing in through an identity provider (feature `oidc`) |
//! | `reply`, `fault`, `assets` | answers, the headers that all of them have, faults, and the files beside the pages |
//! | `service`, `state` | the page as a service, and what it is made of |
//!
//! Operators sign in by a link that works once ([`doorward_auth::OperatorDesk::login_link`]), into a session whose cookie no script
//! reads. Everything works without JavaScript; what there is of it copies, keeps the page up to date, and asks before a value is lost.
//!
//! A value that is shown once is in the one answer to the one form that made it: never in a URL, and never in anything that is kept.
//!
//! ```no_run
//! # async fn mount(verifier: doorward_auth::Verifier, request: http::Request<http_body_util::Full<bytes::Bytes>>) {
//! use doorward_dashboard::Dashboard;
//!
//! let dashboard = Dashboard::new(verifier).at("/dashboard");
//! let response = dashboard.answer(request).await;
//! # }
//! ```

mod actions;
mod assets;
mod body;
mod cookies;
mod fault;
mod form;
mod guard;
#[cfg(feature = "oidc")]
mod identity;
#[cfg(feature = "oidc")]
mod identity_fault;
mod pages;
#[cfg(feature = "oidc")]
mod provider_sign_in;
mod reply;
mod routes;
mod service;
mod state;

pub use crate::body::{BodyError, Content};
pub use crate::fault::SignInRefused;
#[cfg(feature = "oidc")]
pub use crate::identity::{IdentityProvider, ProviderSettings};
pub use crate::service::Dashboard;
pub use crate::state::ScanPlace;
