use std::collections::BTreeMap;

use doorward_types::{Environment, OrganizationId};

use crate::{ManagementEngine, Page, Scope, StoreError};

/// The number of organizations in one page.
const BATCH: u32 = 1_000;

/// Returns true if this log must have events: every organization, test key and operator has an event of its creation.
/// So the removal of a whole log is noticed while its records exist.
///
/// # Errors
///
/// Fails if the engine fails.
pub async fn must_have_events(store: &dyn ManagementEngine, scope: &Scope) -> Result<bool, StoreError> {
    match (scope.organization(), scope.environment()) {
        (OrganizationId::INSTALLATION, Environment::Production) => Ok(!store.operators().await?.is_empty()),
        (organization, Environment::Production) => Ok(store.organization(organization).await?.is_some()),
        (organization, Environment::Test) => {
            let keys = store.access_keys(organization).await?;
            Ok(keys.iter().any(|found| found.key.environment == Environment::Test))
        }
    }
}

/// Returns every log that the store has or must have, each with true if it [must have events](must_have_events).
///
/// # Errors
///
/// Fails if the engine fails.
#[expect(clippy::disallowed_methods, reason = "names every possible log; no caller's authority")]
pub async fn known_logs(
    store: &dyn ManagementEngine,
) -> Result<BTreeMap<(OrganizationId, Environment), bool>, StoreError> {
    let mut known: BTreeMap<_, _> = store.logs().await?.into_iter().map(|log| (log, false)).collect();
    let mut organizations = vec![OrganizationId::INSTALLATION];
    let mut page = Page::first(BATCH);
    loop {
        let more = store.organizations(page).await?;
        let Some(last) = more.last() else { break };
        page.after = Some(last.id);
        organizations.extend(more.iter().map(|organization| organization.id));
    }
    for organization in organizations {
        for environment in Environment::ALL {
            if must_have_events(store, &Scope::assertion(organization, environment)).await? {
                known.insert((organization, environment), true);
            }
        }
    }
    Ok(known)
}
