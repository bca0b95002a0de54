//! The HTTP API of `docs/reference/http.md`, as a tower service that any server can mount.
//!
//! | module | purpose |
//! |---|---|
//! | [`routes`] | every path, with the credential that it needs and its actions: start here |
//! | `open`, `backend`, `forward_auth`, `mcp`, `management` | the endpoints by kind of access, one a file: its section of the reference, its handler, its errors |
//! | `access`, `dispatch` | authentication, and the handler of each action: an action without a handler does not compile |
//! | `service` | a request's way: id, limits, route, answer |
//! | [`Part`], [`Settings`], `state`, `lifecycle`, [`Assertions`], [`Budgets`] | everything that handlers need |
//! | `call`, `body`, `cursor` | reading requests |
//! | `answer`, [`views`], [`problem`], [`Code`] | writing answers |
//!
//! A service can also give the management of an organization to its own users: [`Api::for_visitors`].
//!
//! Every arrow goes from a module to one further below in this table.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use doorward_api::{Api, Part, Settings};
//! use doorward_auth::{Core, Issuer, OperatorPrincipal, Verifier};
//! use doorward_key::SystemRandom;
//! use doorward_link::Linker;
//! use doorward_records::{SealingKey, SealingKeys};
//! use doorward_store_memory::MemoryStore;
//! use http::{Request, header::{AUTHORIZATION, HOST}};
//! use http_body_util::Empty;
//! use tower::ServiceExt;
//!
//! let store = Arc::new(MemoryStore::new());
//! let verifier = Verifier::start(&Core::new(store.clone())).await?;
//! let request = OperatorPrincipal::local_administrator("ada".parse()?).request();
//! let acme = Issuer::beside(&verifier).provision("Acme".parse()?, &request).await?;
//! let (sealing_key, _to_keep) = SealingKey::draw(&SystemRandom)?;
//! let sealing_keys = Arc::new(SealingKeys::from(sealing_key));
//! let linker = Linker::new(verifier.clone(), store, Arc::clone(&sealing_keys), "https://keys.example.com/oauth")?;
//!
//! // All of it, or some parts: on any router, next to the page Settings → API Keys.
//! let settings = Settings::default().with_parts([Part::Backend, Part::Audit]);
//! let api = Api::new(verifier, sealing_keys, linker, settings)?;
//! let request = Request::get("/v1/whoami")
//!     .header(HOST, "keys.example.com")
//!     .header(AUTHORIZATION, format!("Bearer {}", acme.value.expose()))
//!     .body(Empty::<Bytes>::new())?;
//! assert_eq!(api.oneshot(request).await?.status(), 200);
//! # Ok(()) }
//! ```

mod access;
mod actions;
mod answer;
mod assertions;
mod backend;
mod body;
mod budget;
mod checkpoints;
mod code;
mod cursor;
mod dispatch;
mod events;
mod forward_auth;
mod leaks;
mod lifecycle;
mod management;
mod mcp;
mod observer;
mod open;
mod part;
pub mod problem;
mod request_context;
mod request_id;
pub mod routes;
mod service;
mod settings;
mod state;
mod users;
pub mod views;

pub use doorward_secret_scanning as secret_scanning;

pub use crate::answer::{Body, BodyError};
pub use crate::assertions::{Assertions, Audience, Keys};
pub use crate::backend::BackendAction;
pub use crate::budget::{Budgets, Holder, Limits, MAX_BODY, MIN_BODY_BYTES, Share};
pub use crate::checkpoints::Checkpointed;
pub use crate::code::Code;
pub use crate::management::OperatorAction;
pub use crate::observer::{Answered, Caller, Observer};
pub use crate::open::{OPENAPI, OpenAction};
pub use crate::part::Part;
pub use crate::request_context::RequestBody;
pub use crate::service::{Api, MountError};
pub use crate::settings::{Mount, Settings};
