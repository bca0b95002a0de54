//! The logs that arguments name.

use doorward::audit::{Action, EventDraft};
use doorward::store::{Scope, known_logs};
use doorward::types::{Environment, OrganizationId};

use crate::arguments::Log;
use crate::context::CliContext;
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

    /// Returns the logs that were meant, which are all unless the arguments name some; of each, whether it must have events.
    pub(super) async fn logs(&self, log: &Log) -> Result<Vec<(Scope, bool)>, CliError> {
        let all = known_logs(&*self.store).await?;
        let only = match (&log.which.org, log.installation) {
            (_, true) => Some(OrganizationId::INSTALLATION),
            (Some(_), _) => Some(self.organization(&log.which).await?.id),
            (None, _) => None,
        };
        let meant = all.into_iter().filter(|((organization, environment), _)| {
            only.is_none_or(|only| only == *organization) && log.environment.is_none_or(|only| only == *environment)
        });
        let scope = |((organization, environment), must_have_events)| {
            Ok::<_, CliError>((self.scope(organization, environment)?, must_have_events))
        };
        let mut meant = meant.map(scope).collect::<Result<Vec<_>, _>>()?;
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
