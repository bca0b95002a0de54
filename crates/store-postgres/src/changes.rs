//! Changes: the facts that are read under the lock, and the rows that are written.

use doorward_audit::EventDraft;
use doorward_store::{
    Change, ChangeContext, ChangeTarget, Committed, Facts, LONGEST_LEASE, Revision, StoreError, StoreIdentity,
};
use doorward_store_sql::change::OrganizationFacts;
use doorward_store_sql::coherence::IDENTITY;
use doorward_store_sql::{Statement, change as rows, keys, sql, text};

use crate::logs::Logs;
use crate::schema::SINCE;
use crate::transaction::{Answers, Decision};
use crate::{failover, row};

/// A requested change.
pub(crate) type Asked = (Change, ChangeContext);

/// Returns the statements that take the lock and then read the facts for these changes.
pub(crate) fn reads(asked: &[Asked], timeline: &str) -> Vec<Statement> {
    let lock = format!("SELECT value, timeline, {timeline} FROM revision WHERE id = 1 FOR UPDATE");
    let mut reads = vec![sql(lock), sql(text!("SELECT {IDENTITY} FROM store i WHERE i.id = 1"))];
    for (change, context) in asked {
        reads.extend([rows::repeated(context), rows::organization_facts(change)]);
        reads.extend(change.concerns_all_secrets().then(|| rows::all_secrets(change.organization())));
        reads.extend(change.key().map(|key| rows::key_facts(&key)));
        reads.extend(change.concerns_origins().then(|| keys::origins(change.organization())));
    }
    reads.extend(Logs::reads(events(asked)));
    reads
}

fn events(asked: &[Asked]) -> impl Iterator<Item = &EventDraft> {
    asked.iter().flat_map(|(_, context)| context.events.iter())
}

/// Decides on each change in turn, and returns the rows to write for the permitted changes. No change alters the facts
/// of another, except for the store's prefix.
pub(crate) fn decide(
    asked: &[Asked],
    mut answers: Answers,
) -> Result<Decision<Vec<Result<Committed, StoreError>>>, StoreError> {
    let lock: Option<(Revision, String, String)> = row::first(&answers.next().unwrap_or_default())?;
    let (mut revision, before, now) = lock.ok_or(StoreError::UnfinishedCopy)?;
    let identity: Option<StoreIdentity> = row::first(&answers.next().unwrap_or_default())?;
    let mut identity = identity.ok_or(StoreError::UnfinishedCopy)?;
    let lost_sessions = failover::unknown_sessions(&before, &now)?;
    // After a failover, the store may have lost the lease that was the longest.
    let longest_lease = if lost_sessions.is_empty() { identity.longest_lease } else { LONGEST_LEASE };
    let facts =
        asked.iter().map(|(change, _)| facts(change, &identity, &mut answers)).collect::<Result<Vec<_>, _>>()?;
    let mut logs = Logs::of(events(asked), answers)?;
    let (mut written, mut log, mut outcomes, mut newest) = (Vec::new(), Vec::new(), Vec::new(), None);
    for ((change, context), facts) in asked.iter().zip(facts) {
        let facts = Facts { store: identity.clone(), ..facts };
        let outcome = change.plan(&facts, context);
        if let Ok(steps) = &outcome {
            revision.0 += 1;
            identity.prefix.get_or_insert_with(|| context.prefix.clone());
            log.push(logged(&change.touched(&facts), context, revision));
            written.extend(steps.iter().map(|step| rows::step(step, SINCE)));
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
        writes.extend(rows::forget(newest));
        writes.extend(written);
    }
    Ok(Decision { writes, hint: true, value: outcomes })
}

/// Reads the facts of one change.
fn facts(change: &Change, store: &StoreIdentity, answers: &mut Answers) -> Result<Facts, StoreError> {
    let mut next = || answers.next().unwrap_or_default();
    let done = row::first(&next())?;
    let found: Option<OrganizationFacts> = row::first(&next())?;
    let found = found.ok_or(StoreError::NotFound)?;
    let secrets = if change.concerns_all_secrets() { row::all_by(&next(), rows::secret_place)? } else { vec![] };
    let (mut key, mut origins) = (None, vec![]);
    if change.key().is_some() {
        row::all_by(&next(), |row| rows::add_key_facts(&mut key, row))?;
    }
    if change.concerns_origins() {
        origins = row::all(&next())?;
    }
    Ok(Facts {
        store: store.clone(),
        done,
        any_organization: found.any,
        organization: found.organization,
        is_name_taken: found.is_name_taken,
        is_external_id_taken: found.is_external_id_taken,
        secrets,
        key,
        origins,
    })
}

/// Returns the statement that writes the affected entities to the change log, for every node to read.
fn logged(touched: &[ChangeTarget], context: &ChangeContext, revision: Revision) -> Statement {
    let insert = "INSERT INTO changes (revision, touched, node, operation)
                  SELECT $1, t.touched, $3, $4 FROM unnest($2) AS t (touched)";
    sql(insert).bind(&revision).all(touched).bind(&context.node).bind(&context.operation)
}
