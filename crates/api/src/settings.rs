//! The settings of an API, and other services beside it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_audit::NoteKey;
use doorward_auth::{ERASURE_DELAY, LeakPolicies};
use doorward_origin::CustomSchemes;
use doorward_secret_scanning::PartnerKeys;
use doorward_types::with_fields;
use http::{Method, Request, Response};

use crate::answer::{Body, BodyError};
use crate::assertions::Assertions;
use crate::budget::{Budgets, Limits};
use crate::observer::{Observer, Silent};
use crate::part::Part;
use crate::request_context::RequestBody;

/// The settings of an API.
#[derive(Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The parts of the API that are served.
    pub parts: Vec<Part>,
    /// Other services beside it.
    pub mounts: Vec<Mount>,
    /// The rule for schemes of apps as allowed origins.
    pub custom_schemes: CustomSchemes,
    /// The time between the closing of an organization and the erasure of its data.
    pub erase_after: Duration,
    /// The key that signs checkpoints at first, if there is such a key.
    pub signing_key: Option<NoteKey>,
    /// The maker of assertions of who sent a request, if they are switched on.
    pub assertions: Option<Arc<Assertions>>,
    /// True if each verification reads the store.
    pub strict: bool,
    /// The names by which MCP clients call this server in `Host` headers.
    pub mcp_hosts: Vec<String>,
    /// The answers to reports that keys have leaked.
    pub leak_policies: LeakPolicies,
    /// The keys by which GitHub signs reports of leaked keys, if the service takes them.
    pub partner_keys: Option<PartnerKeys>,
    /// The budgets of work that one client could fill the server with.
    pub budgets: Budgets,
    /// The observer of the API.
    pub observer: Arc<dyn Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        Self {
            parts: Part::ALL.to_vec(),
            mounts: Vec::new(),
            custom_schemes: CustomSchemes::default(),
            erase_after: ERASURE_DELAY,
            signing_key: None,
            assertions: None,
            strict: false,
            mcp_hosts: Vec::new(),
            leak_policies: LeakPolicies::default(),
            partner_keys: None,
            budgets: Budgets::new(Limits::default(), &observer),
            observer,
        }
    }
}

with_fields! {
    Settings:
    with_parts parts: Vec<Part>,
    with_mounts mounts: Vec<Mount>,
    with_custom_schemes custom_schemes: CustomSchemes,
    with_erase_after erase_after: Duration,
    with_signing_key signing_key: Option<NoteKey>,
    with_assertions assertions: Option<Arc<Assertions>>,
    with_strict strict: bool,
    with_mcp_hosts mcp_hosts: Vec<String>,
    with_leak_policies leak_policies: LeakPolicies,
    with_partner_keys partner_keys: Option<PartnerKeys>,
    with_budgets budgets: Budgets,
    with_observer observer: Arc<dyn Observer>,
}

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Another service beside the API, such as the page *Settings → API Keys*. It has the API's limits, request ids and observer,
/// and decides alone who may do what.
pub struct Mount {
    pub(crate) patterns: &'static [&'static str],
    pub(crate) methods: &'static [Method],
    pub(crate) answer: Box<dyn Fn(Request<RequestBody>) -> Answering + Send + Sync>,
}

impl Mount {
    /// A service that answers at paths of these patterns, in matchit's notation, and with these methods.
    pub fn new<F, A, B>(patterns: &'static [&'static str], methods: &'static [Method], answer: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let boxed = move |request| -> Answering {
            let answer = answer(request);
            Box::pin(async move { answer.await.map(Body::streamed) })
        };
        Self { patterns, methods, answer: Box::new(boxed) }
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}
