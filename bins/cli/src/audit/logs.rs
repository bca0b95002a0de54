//! The logs that arguments name.

use std::collections::BTreeMap;

use doorward::audit::{Action, EventDraft};
use doorward::store::{Page, Scope, known_logs};
use doorward::types::{Environment, Name, OrganizationId};

use crate::arguments::Log;
use crate::context::{CliContext, MAX_ORGANIZATIONS};
use crate::failure::CliError;

/// The number of events that are read at a time, if all are read.
pub(super) const BATCH: u32 = 5_000;

impl CliContext {
    /// Returns the one log that was meant: the production log, unless the arguments name another.
    pub(super) async fn log(&self, log: &Log) -> Result<Scope, CliError> {
        let organization = match log.installation {
            true => OrganizationId::INSTALLATION,
            false => self.organization(&log.which).await?.id,
        };
        self.scope(organization, log.environment.unwrap_or(Environment::Production))
    }

    /// Returns every log of the store, of this environment or of both; of each, whether it must have events.
    pub(super) async fn all_logs(&self, environment: Option<Environment>) -> Result<Vec<(Scope, bool)>, CliError> {
        let all = known_logs(&*self.store).await?;
        let meant = all.into_iter().filter(|((_, of), _)| environment.is_none_or(|only| only == *of));
        meant.map(|((organization, of), must)| Ok((self.scope(organization, of)?, must))).collect()
    }

    /// Returns the name of each organization.
    pub(super) async fn organization_names(&self) -> Result<BTreeMap<OrganizationId, Name>, CliError> {
        let all = self.issuer.organizations(self.operator(), Page::first(MAX_ORGANIZATIONS)).await?;
        Ok(all.into_iter().map(|organization| (organization.id, organization.name)).collect())
    }

    /// Returns the logs that were meant, which are all unless the arguments name some; of each, whether it must have events.
    pub(super) async fn logs(&self, log: &Log) -> Result<Vec<(Scope, bool)>, CliError> {
        let is_named = log.which.org.is_some() || log.which.external_id.is_some();
        let only = match (is_named, log.installation) {
            (_, true) => Some(OrganizationId::INSTALLATION),
            (true, _) => Some(self.organization(&log.which).await?.id),
            (false, _) => None,
        };
        let mut meant = self.all_logs(log.environment).await?;
        meant.retain(|(scope, _)| only.is_none_or(|only| only == scope.organization()));
        // A log that was named is looked at, even if there is nothing to see.
        if let (Some(only), true) = (only, meant.is_empty()) {
            meant.push((self.scope(only, log.environment.unwrap_or(Environment::Production))?, false));
        }
        Ok(meant)
    }

    /// Returns an event that is about a log itself.
    pub(super) fn event(&self, scope: &Scope, action: Action, subject: String) -> EventDraft {
        let log = (scope.organization(), scope.environment());
        EventDraft::new(self.request.attribution(), self.core.clock().now(), action, subject, log)
    }

    #[expect(clippy::disallowed_methods, reason = "who runs this program chooses the log")]
    fn scope(&self, organization: OrganizationId, environment: Environment) -> Result<Scope, CliError> {
        Ok(self.operator().scope(organization, environment)?)
    }
}
