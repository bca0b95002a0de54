//! Changes: the facts that are read for them under the lock, and the rows that are written.

use doorward_audit::EventDraft;
use doorward_store::{
    Change, ChangeContext, Committed, Facts, KeyFacts, LONGEST_LEASE, OperationRow, Revision, StoreError,
    StoreIdentity, operations_forgotten,
};

use crate::audit::Logs;
use crate::statement::{Statement, sql};
use crate::steps::{self, of_key};
use crate::transaction::{Answers, Decision};
use crate::{failover, origins, row};

/// A change as it was asked for.
pub(crate) type Asked = (Change, ChangeContext);

/// Returns the statements that take the lock, and then read all that these changes are decided on.
pub(crate) fn reads(asked: &[Asked], timeline: &str) -> Vec<Statement> {
    let lock = format!("SELECT value, timeline, {timeline} FROM revision WHERE id = 1 FOR UPDATE");
    let mut reads = vec![sql(lock), sql(format!("SELECT {} FROM store i WHERE i.id = 1", row::IDENTITY))];
    for (change, context) in asked {
        let OperationRow { event, idempotency_key, .. } = OperationRow::of(context);
        let (_, forgotten) = operations_forgotten(event.time);
        let done = "SELECT subject, request, revision FROM operations
                    WHERE actor = $1 AND idempotency_key = $2 AND time > $3";
        reads.push(sql(done).text(&event.actor).text_or_null(idempotency_key).number(forgotten.as_millis()));
        let there = "SELECT EXISTS (SELECT 1 FROM organizations), EXISTS (SELECT 1 FROM organizations WHERE id = $1)";
        reads.push(sql(there).text(change.organization()));
        if let Some(key) = change.key() {
            let secrets = "SELECT k.generations, s.locator, s.state FROM access_keys k
                           LEFT JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment
                                              AND s.access_key = k.id
                           WHERE k.organization = $1 AND k.environment = $2 AND k.id = $3";
            reads.push(of_key(secrets, &key));
        }
        if change.concerns_origins() {
            reads.push(origins::of_organization(change.organization()));
        }
    }
    reads.extend(Logs::reads(events(asked)));
    reads
}

fn events(asked: &[Asked]) -> impl Iterator<Item = &EventDraft> {
    asked.iter().flat_map(|(_, context)| context.events.iter())
}

/// Decides on each change in turn, and returns the rows to write for those that may happen. The changes are such that none
/// alters the facts of another, but for the store's prefix.
pub(crate) fn decide(
    asked: &[Asked],
    mut answers: Answers,
) -> Result<Decision<Vec<Result<Committed, StoreError>>>, StoreError> {
    let lock = answers.next().unwrap_or_default();
    let lock = lock.first().ok_or(StoreError::Unfinished)?;
    let (mut revision, before, now) = (row::count(lock, 0)?, row::get(lock, 1)?, row::get(lock, 2)?);
    let store = answers.next().unwrap_or_default();
    let store = store.first().ok_or(StoreError::Unfinished)?;
    let mut identity = row::identity(store, 0)?;
    let lost_sessions = failover::unknown_sessions(before, now)?;
    // After a failover, the store may have lost the lease that was the longest.
    let longest_lease = if lost_sessions.is_empty() { identity.longest_lease } else { LONGEST_LEASE };
    let facts =
        asked.iter().map(|(change, _)| facts(change, &identity, &mut answers)).collect::<Result<Vec<_>, _>>()?;
    let mut logs = Logs::of(events(asked), answers)?;
    let (mut rows, mut log, mut outcomes, mut newest) = (Vec::new(), Vec::new(), Vec::new(), None);
    for ((change, context), facts) in asked.iter().zip(facts) {
        let outcome = change.plan(&Facts { store: identity.clone(), ..facts }, context);
        if let Ok(steps) = &outcome {
            revision += 1;
            identity.prefix.get_or_insert_with(|| context.prefix.clone());
            log.push(logged(change, context, revision));
            rows.extend(steps.iter().map(steps::statement));
            rows.push(operation(context, revision));
            for event in context.events.iter() {
                rows.push(logs.append(event)?);
            }
            newest = newest.max(Some(context.events.first().time));
        }
        let (revision, store) = (Revision(revision), identity.id);
        outcomes.push(outcome.map(|_| Committed { revision, store, longest_lease }));
    }
    let mut writes = Vec::new();
    if let Some(newest) = newest {
        let count = "UPDATE revision SET value = $1, timeline = $2 WHERE id = 1";
        writes.push(sql(count).count(revision).text(now));
        writes.extend(lost_sessions);
        writes.extend(log);
        let forget = "DELETE FROM changes WHERE revision < $1";
        writes.push(sql(forget).count(Revision(revision).oldest_kept().0));
        let (nameless, all) = operations_forgotten(newest);
        writes.push(sql("DELETE FROM operations WHERE time <= $1").number(all.as_millis()));
        let forget = "DELETE FROM operations WHERE idempotency_key IS NULL AND time <= $1";
        writes.push(sql(forget).number(nameless.as_millis()));
        writes.extend(rows);
    }
    Ok(Decision { writes, hint: true, value: outcomes })
}

/// Reads the facts of one change.
fn facts(change: &Change, store: &StoreIdentity, answers: &mut Answers) -> Result<Facts, StoreError> {
    let done = answers.next().unwrap_or_default();
    let there = answers.next().unwrap_or_default();
    let there = there.first().ok_or(StoreError::Missing)?;
    let mut facts = Facts {
        store: store.clone(),
        done: done.first().map(|done| row::operation(done, 0)).transpose()?,
        any_organization: row::get(there, 0)?,
        organization: row::get(there, 1)?,
        key: None,
        origins: vec![],
    };
    if change.key().is_some() {
        for found in &answers.next().unwrap_or_default() {
            let generations = row::small(found, 0)?;
            let key = facts.key.get_or_insert(KeyFacts { generations, secrets: vec![] });
            if let Some(locator) = row::parsed_option(found, 1)? {
                key.secrets.push((locator, row::state(found, 2)?));
            }
        }
    }
    if change.concerns_origins() {
        let listed = answers.next().unwrap_or_default();
        facts.origins = listed.iter().map(|found| origins::entry(found, 0)).collect::<Result<_, _>>()?;
    }
    Ok(facts)
}

/// Returns the rows of the change log: what each node must hear of.
fn logged(change: &Change, context: &ChangeContext, revision: u64) -> Statement {
    let insert = "INSERT INTO changes (revision, touched, node, operation)
                  SELECT $1, t.touched, $3, $4 FROM unnest($2) AS t (touched)";
    sql(insert).count(revision).texts(change.touched()).text_or_null(context.node).text(context.operation)
}

fn operation(context: &ChangeContext, revision: u64) -> Statement {
    let OperationRow { operation, event, idempotency_key, request } = OperationRow::of(context);
    let insert = "INSERT INTO operations (operation, actor, idempotency_key, request, revision, subject, time)
                  VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let row = sql(insert).text(operation).text(&event.actor).text_or_null(idempotency_key).bytes(request.0);
    row.count(revision).text(&event.subject).number(event.time.as_millis())
}
