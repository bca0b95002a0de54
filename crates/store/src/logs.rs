use std::collections::BTreeMap;

use doorward_types::{Environment, OrganizationId};

use crate::{Page, Store, StoreError};

/// Organizations at a time.
const BATCH: u32 = 1_000;

/// Returns every log that the store has, and every log that it must have: of each, whether it must have events.
///
/// An organization and a test key are never without the event of their making, and neither is an operator: a log that is gone
/// altogether is missed here, as long as what it told of is there.
///
/// # Errors
///
/// If the engine fails.
pub async fn known_logs(store: &dyn Store) -> Result<BTreeMap<(OrganizationId, Environment), bool>, StoreError> {
    let mut known: BTreeMap<_, _> = store.logs().await?.into_iter().map(|log| (log, false)).collect();
    let mut page = Page::first(BATCH);
    loop {
        let organizations = store.organizations(page).await?;
        let Some(last) = organizations.last() else { break };
        page.after = Some(last.id);
        for organization in organizations {
            known.insert((organization.id, Environment::Production), true);
            let keys = store.access_keys(organization.id).await?;
            if keys.iter().any(|found| found.key.environment == Environment::Test) {
                known.insert((organization.id, Environment::Test), true);
            }
        }
    }
    if !store.operators().await?.is_empty() {
        known.insert((OrganizationId::INSTALLATION, Environment::Production), true);
    }
    Ok(known)
}
