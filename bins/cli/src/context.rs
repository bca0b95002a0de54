use std::fs::File;
use std::sync::Arc;

use doorward::StoreUrl;
use doorward::audit::ActorId;
use doorward::auth::{ChangeRequest, Core, Issuer, OperatorPrincipal};
use doorward::key::KeyPrefix;
use doorward::records::Store;
use doorward::store::{Migration, OpenMode, Organization, Page, StoreError};
use doorward::types::{ActorName, OrganizationId};

use crate::arguments::Which;
use crate::failure::CliError;
use crate::output::Output;

/// The maximum number of organizations in a list.
pub(crate) const MAX_ORGANIZATIONS: u32 = 100_000;

/// The opened store, the changes that this command asks for, and its output.
#[derive(Debug)]
pub(crate) struct CliContext {
    pub(crate) core: Core,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: Issuer,
    pub(crate) request: ChangeRequest,
    pub(crate) output: Output,
}

impl CliContext {
    /// Opens the store, which no command migrates in passing. A store that is made has keys with this prefix.
    pub(crate) async fn open(
        url: &StoreUrl,
        mode: OpenMode,
        prefix: Option<KeyPrefix>,
        output: &Output,
    ) -> Result<Self, CliError> {
        if *url == StoreUrl::Memory {
            return Err(CliError::usage(
                "a store in memory is gone with this command: name a store with --store".into(),
            ));
        }
        let opened = doorward::open(url, mode.with_migration(Migration::Never)).await;
        let store = opened.map_err(|error| unopened(url, error))?;
        let core = Core::new(store.clone());
        let core = match prefix {
            Some(prefix) => core.with_prefix(prefix),
            None => core,
        };
        let core = core.adopt().await?;
        let request = administrator()?.request();
        let heard = output.clone();
        let issuer = Issuer::new(&core).telling(move |progress| heard.hear(progress));
        Ok(Self { issuer, core, store, request, output: output.clone() })
    }

    pub(crate) async fn open_existing(url: &StoreUrl, output: &Output) -> Result<Self, CliError> {
        Self::open(url, OpenMode::Existing, None, output).await
    }

    pub(crate) const fn operator(&self) -> &OperatorPrincipal {
        self.request.operator()
    }

    /// Returns the organization that the arguments name.
    pub(crate) async fn organization(&self, which: &Which) -> Result<Organization, CliError> {
        if let Some(id) = &which.external_id {
            return Ok(self.issuer.organization_by_external_id(self.operator(), id).await?);
        }
        let Some(text) = &which.org else {
            let mut all = self.issuer.organizations(self.operator(), Page::first(2)).await?;
            return match (all.pop(), all.is_empty()) {
                (Some(only), true) => Ok(only),
                (None, _) => {
                    Err(CliError::not_found("there is no organization yet: `doorward org create NAME`".into()))
                }
                (Some(_), false) => {
                    Err(CliError::usage("there are several organizations: say which with --org".into()))
                }
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
                Err(CliError::not_found("there is no such organization: `doorward org list` shows them".into()))
            }
            (Some(_), false) => {
                Err(CliError::usage("several organizations have this name: say which by its id".into()))
            }
        }
    }
}

/// Returns the failure of a command whose store cannot be opened.
pub(crate) fn unopened(url: &StoreUrl, error: StoreError) -> CliError {
    match (error, url) {
        (StoreError::NotFound, url) => CliError::not_found(format!(
            "there is no store at {url}: name it with --store or DOORWARD_STORE, or make it with `doorward org create NAME`"
        )),
        (wrong @ StoreError::Settings(_), _) => wrong.into(),
        // SQLite itself does not tell that the file may not be opened.
        (other, StoreUrl::Sqlite { path, .. }) => match File::open(path) {
            Err(error) => CliError::of_file("opened", path, &error),
            Ok(_) => other.into(),
        },
        (other, _) => other.into(),
    }
}

#[expect(clippy::disallowed_methods, reason = "who runs this program holds the store")]
fn administrator() -> Result<OperatorPrincipal, CliError> {
    Ok(OperatorPrincipal::local_administrator(actor()?).with_actor_id(ActorId::CLI))
}

/// Returns the person who runs this program, as audit events name them: `cli:ada@host`, or `cli:root@host (sudo: ada)`.
pub(crate) fn actor() -> Result<ActorName, CliError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let sudo = variable("SUDO_USER").map(|person| format!(" (sudo: {person})")).unwrap_or_default();
    let named = format!("cli:{user}@{host}{sudo}").parse();
    named.map_err(|error| CliError::usage(format!("USER or SUDO_USER cannot stand in the audit log: {error}")))
}
