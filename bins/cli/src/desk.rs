use std::sync::Arc;

use doorward::StoreUrl;
use doorward::audit::ActorId;
use doorward::auth::{ChangeRequest, Core, Issuer, OperatorPrincipal};
use doorward::key::KeyPrefix;
use doorward::records::Store;
use doorward::store::{OpenMode, Organization, Page, StoreError};
use doorward::types::{Name, OrganizationId};

use crate::arguments::Which;
use crate::failure::Failure;

/// The most organizations that are listed.
pub(crate) const MANY: u32 = 100_000;

/// The opened store, and the changes that this command asks for.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) core: Core,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: Issuer,
    pub(crate) request: ChangeRequest,
}

impl Desk {
    pub(crate) async fn open(url: &StoreUrl, mode: OpenMode) -> Result<Self, Failure> {
        Self::open_with(url, mode, None).await
    }

    /// Opens the store as one whose keys begin with this prefix.
    pub(crate) async fn open_with(url: &StoreUrl, mode: OpenMode, prefix: Option<KeyPrefix>) -> Result<Self, Failure> {
        let store = doorward::open(url, mode).await.map_err(|error| match error {
            StoreError::Missing => Failure::not_found(format!(
                "there is no store at {url}: name it with --store or DOORWARD_STORE, or make it with `doorward org create NAME`"
            )),
            other => other.into(),
        })?;
        let core = Core::new(store.clone());
        let core = match prefix {
            Some(prefix) => core.with_prefix(prefix),
            None => core,
        };
        let core = core.adopt().await?;
        Ok(Self { issuer: Issuer::new(&core), core, store, request: administrator()?.request() })
    }

    pub(crate) async fn open_existing(url: &StoreUrl) -> Result<Self, Failure> {
        Self::open(url, OpenMode::Existing).await
    }

    pub(crate) const fn operator(&self) -> &OperatorPrincipal {
        self.request.operator()
    }

    /// The organization that was meant.
    pub(crate) async fn organization(&self, which: &Which) -> Result<Organization, Failure> {
        let Some(text) = &which.org else {
            let mut all = self.issuer.organizations(self.operator(), Page::first(2)).await?;
            return match (all.pop(), all.is_empty()) {
                (Some(only), true) => Ok(only),
                (None, _) => Err(Failure::not_found("there is no organization yet: `doorward org create NAME`".into())),
                (Some(_), false) => Err(Failure::usage("there are several organizations: say which with --org".into())),
            };
        };
        if let Ok(id) = text.parse::<OrganizationId>() {
            return Ok(self.issuer.organization(self.operator(), id).await?);
        }
        let mut named = match text.parse() {
            Ok(name) => self.issuer.organizations_named(self.operator(), &name, 2).await?,
            Err(_) => vec![],
        };
        match (named.pop(), named.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => {
                Err(Failure::not_found("there is no such organization: `doorward org list` shows them".into()))
            }
            (Some(_), false) => Err(Failure::usage("several organizations have this name: say which by its id".into())),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "who runs this program holds the store")]
fn administrator() -> Result<OperatorPrincipal, Failure> {
    Ok(OperatorPrincipal::local_administrator(actor()?).with_actor_id(ActorId::CLI))
}

/// Returns the person who runs this program, as audit events name them: `cli:ada@host`, or `cli:root@host (sudo: ada)`.
pub(crate) fn actor() -> Result<Name, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let sudo = variable("SUDO_USER").map(|person| format!(" (sudo: {person})")).unwrap_or_default();
    let named = format!("cli:{user}@{host}{sudo}").parse();
    named.map_err(|error| Failure::usage(format!("USER or SUDO_USER cannot stand in the audit log: {error}")))
}
