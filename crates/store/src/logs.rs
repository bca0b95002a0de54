use std::collections::BTreeMap;

use doorward_types::{Environment, OrganizationId};

use crate::{KeyEngine, Page, Scope, StoreError};

/// Organizations at a time.
const BATCH: u32 = 1_000;

/// Returns whether this log must have events: an organization and a test key are never without the event of their making, and neither
/// is an operator. So a log that is gone altogether is missed, as long as what it told of is there.
///
/// # Errors
///
/// If the engine fails.
pub async fn must_have_events(store: &dyn KeyEngine, scope: &Scope) -> Result<bool, StoreError> {
    match (scope.organization(), scope.environment()) {
        (OrganizationId::INSTALLATION, Environment::Production) => Ok(!store.operators().await?.is_empty()),
        (organization, Environment::Production) => Ok(store.organization(organization).await?.is_some()),
        (organization, Environment::Test) => {
            let keys = store.access_keys(organization).await?;
            Ok(keys.iter().any(|found| found.key.environment == Environment::Test))
        }
    }
}

/// Returns every log that the store has, and every log that it must have; of each, whether it [must have
/// events](must_have_events).
///
/// # Errors
///
/// If the engine fails.
#[expect(clippy::disallowed_methods, reason = "names each log that there may be; no caller's authority")]
pub async fn known_logs(store: &dyn KeyEngine) -> Result<BTreeMap<(OrganizationId, Environment), bool>, StoreError> {
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
