//! Writing events, each as the next event of its log.

use std::collections::{BTreeMap, BTreeSet};

use doorward_audit::{Event, EventDraft, Hash};
use doorward_store::StoreError;
use doorward_store_sql::{Statement, audit as log, sql};
use doorward_types::{Environment, Incarnation, OrganizationId};
use tokio_postgres::Row;

use crate::row;
use crate::transaction::Answers;

/// The logs that a transaction writes to, with the end of each as it was read under the lock.
pub(crate) struct Logs(BTreeMap<(OrganizationId, Environment), End>);

/// The end of a log: the store's incarnation, and the last event.
struct End {
    incarnation: Incarnation,
    last: Option<(u64, Option<Hash>)>,
}

impl Logs {
    /// Returns the statements that read the ends of the logs of these events.
    pub(crate) fn reads<'a>(drafts: impl IntoIterator<Item = &'a EventDraft>) -> impl Iterator<Item = Statement> {
        let end = "SELECT s.incarnation, e.sequence, e.hash FROM store s
                   LEFT JOIN (SELECT sequence, hash FROM audit_events WHERE organization = $1 AND environment = $2
                              ORDER BY sequence DESC LIMIT 1) AS e ON TRUE
                   WHERE s.id = 1";
        places(drafts)
            .into_iter()
            .map(move |(organization, environment)| sql(end).bind(&organization).bind(&environment))
    }

    /// Reads the answers to the statements of [`Logs::reads`] for the same events.
    pub(crate) fn of<'a>(
        drafts: impl IntoIterator<Item = &'a EventDraft>,
        answers: Answers,
    ) -> Result<Self, StoreError> {
        let end = |found: Vec<Row>| {
            let end: Option<(_, Option<_>, _)> = row::first(&found)?;
            let (incarnation, sequence, hash) = end.ok_or(StoreError::UnfinishedCopy)?;
            Ok::<_, StoreError>(End { incarnation, last: sequence.map(|sequence| (sequence, hash)) })
        };
        let ends = places(drafts).into_iter().zip(answers).map(|(place, found)| Ok((place, end(found)?)));
        ends.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the statement that writes an event as the next event of its log.
    pub(crate) fn append(&mut self, draft: &EventDraft) -> Result<Statement, StoreError> {
        let end = self.0.get_mut(&(draft.organization, draft.environment));
        let end = end.ok_or_else(|| StoreError::Corrupt("the end of a log was not read".into()))?;
        let event = Event::following(end.last, end.incarnation, draft.clone());
        end.last = Some((event.sequence, event.hash));
        log::append(&event)
    }
}

fn places<'a>(drafts: impl IntoIterator<Item = &'a EventDraft>) -> BTreeSet<(OrganizationId, Environment)> {
    drafts.into_iter().map(|draft| (draft.organization, draft.environment)).collect()
}
