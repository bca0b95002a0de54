//! Changes: the facts that are read for them under the lock, and the rows that are written.

use doorward_audit::EventDraft;
use doorward_store::{Change, ChangeContext, Committed, Facts, LONGEST_LEASE, Revision, StoreError, StoreIdentity};
use doorward_store_sql::coherence::IDENTITY;
use doorward_store_sql::{Statement, change as rows, keys, sql, text};

use crate::logs::Logs;
use crate::transaction::{Answers, Decision};
use crate::{failover, row};

/// A change as it was asked for.
pub(crate) type Asked = (Change, ChangeContext);

/// Returns the statements that take the lock, and then read all that these changes are decided on.
pub(crate) fn reads(asked: &[Asked], timeline: &str) -> Vec<Statement> {
    let lock = format!("SELECT value, timeline, {timeline} FROM revision WHERE id = 1 FOR UPDATE");
    let mut reads = vec![sql(lock), sql(text!("SELECT {IDENTITY} FROM store i WHERE i.id = 1"))];
    for (change, context) in asked {
        reads.extend([rows::repeated(context), rows::organizations_there(change.organization())]);
        reads.extend(change.key().map(|key| rows::key_facts(&key)));
        reads.extend(change.concerns_origins().then(|| keys::origins(change.organization())));
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
    let lock: Option<(Revision, String, String)> = row::first(&answers.next().unwrap_or_default())?;
    let (mut revision, before, now) = lock.ok_or(StoreError::Unfinished)?;
    let identity: Option<StoreIdentity> = row::first(&answers.next().unwrap_or_default())?;
    let mut identity = identity.ok_or(StoreError::Unfinished)?;
    let lost_sessions = failover::unknown_sessions(&before, &now)?;
    // After a failover, the store may have lost the lease that was the longest.
    let longest_lease = if lost_sessions.is_empty() { identity.longest_lease } else { LONGEST_LEASE };
    let facts =
        asked.iter().map(|(change, _)| facts(change, &identity, &mut answers)).collect::<Result<Vec<_>, _>>()?;
    let mut logs = Logs::of(events(asked), answers)?;
    let (mut written, mut log, mut outcomes, mut newest) = (Vec::new(), Vec::new(), Vec::new(), None);
    for ((change, context), facts) in asked.iter().zip(facts) {
        let outcome = change.plan(&Facts { store: identity.clone(), ..facts }, context);
        if let Ok(steps) = &outcome {
            revision.0 += 1;
            identity.prefix.get_or_insert_with(|| context.prefix.clone());
            log.push(logged(change, context, revision));
            written.extend(steps.iter().map(rows::step));
            written.push(rows::remember(context, revision));
            for event in context.events.iter() {
                written.push(logs.append(event)?);
            }
            newest = newest.max(Some(context.events.first().time));
        }
        outcomes.push(outcome.map(|_| Committed { revision, store: identity.id, longest_lease }));
    }
    let mut writes = Vec::new();
    if let Some(newest) = newest {
        let count = "UPDATE revision SET value = $1, timeline = $2 WHERE id = 1";
        writes.push(sql(count).bind(&revision).text(&now));
        writes.extend(lost_sessions);
        writes.extend(log);
        writes.push(rows::forget_changes(revision));
        writes.extend(rows::forget_operations(newest));
        writes.extend(written);
    }
    Ok(Decision { writes, hint: true, value: outcomes })
}

/// Reads the facts of one change.
fn facts(change: &Change, store: &StoreIdentity, answers: &mut Answers) -> Result<Facts, StoreError> {
    let mut next = || answers.next().unwrap_or_default();
    let done = row::first(&next())?;
    let there = row::first(&next())?;
    let (any_organization, organization) = there.ok_or(StoreError::Missing)?;
    let (mut key, mut origins) = (None, vec![]);
    if change.key().is_some() {
        row::all_by(&next(), |row| rows::add_key_facts(&mut key, row))?;
    }
    if change.concerns_origins() {
        origins = row::all(&next())?;
    }
    Ok(Facts { store: store.clone(), done, any_organization, organization, key, origins })
}

/// Returns the rows of the change log: what each node must hear of.
fn logged(change: &Change, context: &ChangeContext, revision: Revision) -> Statement {
    let insert = "INSERT INTO changes (revision, touched, node, operation)
                  SELECT $1, t.touched, $3, $4 FROM unnest($2) AS t (touched)";
    sql(insert).bind(&revision).all(&change.touched()).bind(&context.node).bind(&context.operation)
}
