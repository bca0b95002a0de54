use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use doorward_audit::NoteKey;
use doorward_auth::{Core, Issuer, LeakPolicies, Operators, Verifier};
use doorward_http::{AccessKeyLayer, Problem};
use doorward_link::Linker;
use doorward_origin::CustomSchemes;
use doorward_records::{SealingKeys, Store};
use doorward_secret_scanning::PartnerKeys;
use doorward_types::Clock;

use crate::assertions::Assertions;
use crate::budget::Budgets;
use crate::code::Code;
use crate::lifecycle::Lifecycle;
use crate::observer::Observer;
use crate::part::Part;
use crate::settings::Settings;

/// Everything for links and credentials.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) linker: Linker,
    pub(crate) sealing_keys: Arc<SealingKeys>,
}

/// Everything that handlers need.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) layer: AccessKeyLayer,
    pub(crate) verifier: Verifier,
    pub(crate) issuer: Issuer,
    pub(crate) desk: Operators,
    pub(crate) store: Arc<dyn Store>,
    /// None if the API has no part that links accounts or keeps credentials.
    pub(crate) links: Option<Links>,
    pub(crate) parts: Vec<Part>,
    pub(crate) custom_schemes: CustomSchemes,
    /// The time between the closing of an organization and the erasure of its data.
    pub(crate) erase_after: Duration,
    /// The key that signs checkpoints, if there is one.
    pub(crate) signing_key: ArcSwapOption<NoteKey>,
    pub(crate) assertions: Option<Arc<Assertions>>,
    pub(crate) strict: bool,
    pub(crate) mcp_hosts: Vec<String>,
    pub(crate) leak_policies: LeakPolicies,
    pub(crate) partner_keys: Option<PartnerKeys>,
    pub(crate) budgets: Budgets,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) lifecycle: Arc<Lifecycle>,
}

impl State {
    /// Returns the state of an API over a verifying node. Without links, the parts that need them are left out.
    pub(crate) fn new(verifier: Verifier, store: Arc<dyn Store>, links: Option<Links>, settings: Settings) -> Self {
        let parts = settings.parts.into_iter().filter(|part| links.is_some() || !part.needs_links()).collect();
        Self {
            layer: AccessKeyLayer::new(verifier.clone()),
            issuer: Issuer::beside(&verifier),
            desk: Operators::new(verifier.core(), store.clone()),
            verifier,
            store,
            links,
            parts,
            custom_schemes: settings.custom_schemes,
            erase_after: settings.erase_after,
            signing_key: ArcSwapOption::from_pointee(settings.signing_key),
            assertions: settings.assertions,
            strict: settings.strict,
            mcp_hosts: settings.mcp_hosts,
            leak_policies: settings.leak_policies,
            partner_keys: settings.partner_keys,
            budgets: settings.budgets,
            observer: settings.observer,
            lifecycle: Arc::default(),
        }
    }

    pub(crate) fn core(&self) -> &Core {
        self.verifier.core()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the linker of accounts. Every part that asks for it is served only with one.
    pub(crate) fn linker(&self) -> Result<&Linker, Problem> {
        Ok(&self.links()?.linker)
    }

    /// Returns the keys that seal credentials. Every part that asks for them is served only with some.
    pub(crate) fn sealing_keys(&self) -> Result<&SealingKeys, Problem> {
        Ok(&self.links()?.sealing_keys)
    }

    fn links(&self) -> Result<&Links, Problem> {
        self.links.as_ref().ok_or_else(|| Problem::new(Code::NotConfigured, "this service links no accounts"))
    }

    /// Has tokens revoked soon that are no longer needed.
    pub(crate) fn revoke_soon(&self) {
        if let Some(links) = &self.links {
            links.linker.revoke_soon();
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &**self.core().clock()
    }

    /// Returns whether this node is current, and not about to stop.
    pub(crate) fn is_ready(&self) -> bool {
        !self.lifecycle.is_draining() && self.verifier.is_current()
    }
}
