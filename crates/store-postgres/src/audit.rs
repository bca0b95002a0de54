use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use doorward_audit::{Action, ChainFault, Event, EventDraft, Hash, Pruned};
use doorward_store::{AuditLog, Conflict, EventFilter, Page, Scope, StoreError};
use doorward_types::{Environment, Incarnation, Name, OrganizationId, Timestamp};
use tokio_postgres::Row;

use crate::statement::{Statement, of_scope, sql};
use crate::transaction::{Answers, Decision, lock};
use crate::{PostgresStore, row};

/// The logs that a transaction writes to: the end of each, as it was read under the lock.
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
        places(drafts).into_iter().map(move |(organization, environment)| sql(end).text(organization).text(environment))
    }

    /// Reads what [`Logs::reads`] of the same events returned.
    pub(crate) fn of<'a>(
        drafts: impl IntoIterator<Item = &'a EventDraft>,
        answers: Answers,
    ) -> Result<Self, StoreError> {
        let end = |found: Vec<Row>| {
            let found = found.first().ok_or(StoreError::Unfinished)?;
            let is_empty = row::get::<Option<i64>>(found, 1)?.is_none();
            let last = if is_empty { None } else { Some((row::count(found, 1)?, hash(found, 2)?)) };
            Ok::<_, StoreError>(End { incarnation: Incarnation(row::count(found, 0)?), last })
        };
        let ends = places(drafts).into_iter().zip(answers).map(|(place, found)| Ok((place, end(found)?)));
        ends.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the statement that writes an event as the next of its log.
    pub(crate) fn append(&mut self, draft: &EventDraft) -> Result<Statement, StoreError> {
        let end = self.0.get_mut(&(draft.organization, draft.environment));
        let end = end.ok_or_else(|| StoreError::Corrupt("the end of a log was not read".into()))?;
        let event = Event::following(end.last, end.incarnation, draft.clone());
        end.last = Some((event.sequence, event.hash));
        let detail = serde_json::to_string(&draft.detail).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let insert = "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject,
                                                source_address, request_id, detail, previous_hash, hash, position,
                                                incarnation)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                              (SELECT coalesce(max(position), 0) + 1 FROM audit_events), $13)";
        let row = sql(insert).text(draft.organization).text(draft.environment).count(event.sequence);
        let row =
            row.number(draft.time.as_millis()).text(&draft.actor).text(draft.action.as_str()).text(&draft.subject);
        let row = row.text_or_null(draft.source_address).text_or_null(draft.request_id).text(detail);
        let row =
            row.bytes_or_null(event.previous_hash.map(|hash| hash.0)).bytes_or_null(event.hash.map(|hash| hash.0));
        Ok(row.count(event.incarnation.0))
    }
}

fn places<'a>(drafts: impl IntoIterator<Item = &'a EventDraft>) -> BTreeSet<(OrganizationId, Environment)> {
    drafts.into_iter().map(|draft| (draft.organization, draft.environment)).collect()
}

impl PostgresStore {
    /// Carries out the writes that are decided on by what was read, and writes the event that tells of what was done; if nothing
    /// was done, there is nothing to tell, and nothing to write.
    pub(crate) async fn write_telling<T>(
        &self,
        reads: Vec<Statement>,
        event: &EventDraft,
        decide: impl Fn(Answers) -> Result<(Option<Vec<Statement>>, T), StoreError>,
    ) -> Result<T, StoreError> {
        let own = reads.len();
        // The lock first, as everywhere: in one order, nobody waits for each other.
        let all: Vec<_> = [lock()].into_iter().chain(reads).chain(Logs::reads([event])).collect();
        self.pool
            .write(&all, |mut answers| {
                let _lock = answers.next();
                let found: Vec<_> = answers.by_ref().take(own).collect();
                let (writes, value) = decide(found.into_iter())?;
                let Some(mut writes) = writes else { return Ok(Decision::write(vec![], value)) };
                writes.push(Logs::of([event], answers)?.append(event)?);
                Ok(Decision::write(writes, value))
            })
            .await
    }

    /// Carries out a statement that returns the rows it touched, and writes the event that tells of them if there are any; returns
    /// how many there are.
    pub(crate) async fn touch(&self, statement: Statement, event: &EventDraft) -> Result<u64, StoreError> {
        let decide = |mut answers: Answers| {
            let touched = answers.next().unwrap_or_default().len() as u64;
            Ok(((touched > 0).then(Vec::new), touched))
        };
        self.write_telling(vec![statement], event, decide).await
    }

    /// As [`PostgresStore::touch`], for what must be there.
    pub(crate) async fn write_with_event(&self, statement: Statement, event: &EventDraft) -> Result<(), StoreError> {
        if self.touch(statement, event).await? == 0 { Err(StoreError::Missing) } else { Ok(()) }
    }
}

pub(crate) const COLUMNS: &str =
    "SELECT organization, environment, sequence, time, actor, action, subject, source_address,
                              request_id, detail, previous_hash, hash, position, incarnation FROM audit_events";

#[async_trait]
impl AuditLog for PostgresStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        let list = format!(
            "{COLUMNS} WHERE organization = $1 AND environment = $2 AND sequence < $3
               AND ($5 IS NULL OR time >= $5) AND ($6 IS NULL OR time < $6) AND ($7 IS NULL OR action = $7)
               AND ($8 IS NULL OR actor = $8) AND ($9 IS NULL OR subject = $9)
             ORDER BY sequence DESC LIMIT $4"
        );
        let list = of_scope(list, scope).count(page.after.unwrap_or(u64::MAX)).number(i64::from(page.limit));
        let (since, until) = (filter.since.map(Timestamp::as_millis), filter.until.map(Timestamp::as_millis));
        let list = list.number_or_null(since).number_or_null(until).text_or_null(filter.action.map(Action::as_str));
        let list = list.text_or_null(filter.actor.as_ref().map(Name::as_str)).text_or_null(filter.subject.as_ref());
        self.query(list).await?.iter().map(event).collect()
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        let reads: Vec<_> = [lock()].into_iter().chain(Logs::reads([&event])).collect();
        self.pool
            .write(&reads, |mut answers| {
                answers.next();
                Ok(Decision::write(vec![Logs::of([&event], answers)?.append(&event)?], ()))
            })
            .await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
        let list = format!(
            "{COLUMNS} WHERE organization = $1 AND environment = $2 AND sequence > $3 ORDER BY sequence LIMIT $4"
        );
        let above = page.after.map_or(i64::MIN, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let list = of_scope(list, scope).number(above).number(i64::from(page.limit));
        Ok(self.query(list).await?.iter().map(link).collect())
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        let find = "SELECT size, last_hash, peaks, checkpoint FROM pruned_logs
                    WHERE organization = $1 AND environment = $2 ORDER BY size DESC LIMIT 1";
        let pruned = |found: &Row| {
            let peaks: &[u8] = row::get(found, 2)?;
            Ok(Pruned {
                size: row::count(found, 0)?,
                last_hash: hash(found, 1)?.ok_or_else(|| StoreError::Corrupt("pruned events without a hash".into()))?,
                peaks: peaks.as_chunks().0.iter().copied().map(Hash).collect(),
                note: row::get(found, 3)?,
            })
        };
        self.query(of_scope(find, scope)).await?.first().map(pruned).transpose()
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let there = "SELECT 1 FROM audit_events
                     WHERE organization = $1 AND environment = $2 AND sequence = $3 AND hash = $4";
        let unshipped = "SELECT 1 FROM sinks WHERE position < (
                             SELECT max(position) FROM audit_events
                             WHERE organization = $1 AND environment = $2 AND sequence <= $3)";
        let there = of_scope(there, scope).count(pruned.size).bytes(pruned.last_hash.0);
        let mut reads = vec![lock(), there, of_scope(unshipped, scope).count(pruned.size)];
        reads.extend(Logs::reads([&event]));
        self.pool
            .write(&reads, |mut answers| {
                if answers.nth(1).unwrap_or_default().is_empty() {
                    return Err(Conflict::Stale.into());
                }
                if !answers.next().unwrap_or_default().is_empty() {
                    return Err(Conflict::Unshipped.into());
                }
                let event = Logs::of([&event], answers)?.append(&event)?;
                let cut = "DELETE FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence <= $3";
                let insert = "INSERT INTO pruned_logs (organization, environment, size, last_hash, peaks, checkpoint)
                              VALUES ($1, $2, $3, $4, $5, $6)";
                let peaks: Vec<u8> = pruned.peaks.iter().flat_map(|peak| peak.0).collect();
                let insert = of_scope(insert, scope).count(pruned.size).bytes(pruned.last_hash.0).bytes(peaks);
                let cut = of_scope(cut, scope).count(pruned.size);
                Ok(Decision::write(vec![event, cut, insert.text(&pruned.note)], ()))
            })
            .await
    }

    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let resign = "UPDATE pruned_logs SET checkpoint = $1
                      WHERE organization = $2 AND environment = $3 AND size = $4 AND last_hash = $5 AND checkpoint = $6
                        AND size = (SELECT max(size) FROM pruned_logs WHERE organization = $2 AND environment = $3)
                      RETURNING size";
        let resign = sql(resign).text(&after.note).text(event.organization).text(event.environment);
        let resign = resign.count(before.size).bytes(before.last_hash.0).text(&before.note);
        match self.write_with_event(resign, &event).await {
            Err(StoreError::Missing) => Err(Conflict::Stale.into()),
            written => written,
        }
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        let all = "SELECT organization, environment FROM audit_events
                   UNION SELECT organization, environment FROM pruned_logs ORDER BY 1, 2";
        let log = |found: &Row| Ok((row::parsed(found, 0)?, row::parsed(found, 1)?));
        self.query(sql(all)).await?.iter().map(log).collect()
    }
}

fn hash(found: &Row, column: usize) -> Result<Option<Hash>, StoreError> {
    let bytes: Option<&[u8]> = row::get(found, column)?;
    let hash = bytes.map(|bytes| bytes.try_into().map(Hash)).transpose();
    hash.map_err(|error| StoreError::Corrupt(format!("a hash: {error}")))
}

/// Reads an event by itself, so that one which cannot be read does not hide those after it.
pub(crate) fn link(found: &Row) -> Result<Event, ChainFault> {
    event(found).map_err(|error| ChainFault::Unreadable {
        sequence: row::count(found, 2).unwrap_or_default(),
        reason: error.to_string(),
    })
}

fn event(row: &Row) -> Result<Event, StoreError> {
    let detail = serde_json::from_str(row::get(row, 9)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Event {
        sequence: row::count(row, 2)?,
        incarnation: Incarnation(row::count(row, 13)?),
        draft: EventDraft {
            organization: row::parsed(row, 0)?,
            environment: row::parsed(row, 1)?,
            time: row::timestamp(row, 3)?,
            actor: row::parsed(row, 4)?,
            action: row::parsed(row, 5)?,
            subject: row::get(row, 6)?,
            source_address: row::parsed_option(row, 7)?,
            request_id: row::parsed_option(row, 8)?,
            detail,
        },
        previous_hash: hash(row, 10)?,
        hash: hash(row, 11)?,
    })
}
