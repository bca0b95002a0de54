//! Link sessions, and the revocations that are due at third parties.

use doorward_key::Digest;
use doorward_records::{FoundLink, LINK_RETENTION, LinkSession, Revocation};
use doorward_store::{Scope, StoreError};
use doorward_types::{LinkSessionId, Timestamp};

use crate::table::{Stored, columns, insert_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

table! {
    LinkSession in "links" key 3 of { organization: Text, environment: Text }
    {
        id, registered_user, connector, start, state, plan, status, browser, confirmation, tokens, error, provider_error,
        expires_at
    }
}

/// Adds a link session.
pub fn open(scope: &Scope, session: &LinkSession) -> Statement {
    session.bind(sql(text!("{}", insert_text(&LinkSession::TABLE))).scope(scope))
}

/// Returns the first part of the statements that read link sessions.
fn select() -> String {
    format!("SELECT organization, environment, {} FROM links", columns::<LinkSession>(""))
}

/// Reads the session with this id.
pub fn find(scope: &Scope, id: LinkSessionId) -> Statement {
    let find = text!("{} WHERE organization = $1 AND environment = $2 AND id = $3", select());
    sql(find).scope(scope).bind(&id)
}

/// Reads the session whose start URL has this token.
pub fn find_by_start(start: Digest) -> Statement {
    sql(text!("{} WHERE start = $1", select())).bind(&start)
}

/// Reads the session with this state.
pub fn find_by_state(state: Digest) -> Statement {
    sql(text!("{} WHERE state = $1", select())).bind(&state)
}

impl FromRow for FoundLink {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(FoundLink { organization: row.take()?, environment: row.take()?, session: LinkSession::read(row)? })
    }
}

/// Writes the mutable columns of a session.
pub fn advance(scope: &Scope, session: &LinkSession) -> Statement {
    let advance = "UPDATE links SET status = $1, browser = $2, confirmation = $3, tokens = $4, error = $5,
                                    provider_error = $6, expires_at = $7
                   WHERE organization = $8 AND environment = $9 AND id = $10";
    let LinkSession { id, status, browser, confirmation, tokens, error, provider_error, expires_at, .. } = session;
    let advance = sql(advance).bind(status).bind(browser).bind(confirmation).bind(tokens).bind(error);
    advance.bind(provider_error).bind(expires_at).scope(scope).bind(id)
}

/// Marks a session as complete.
pub fn complete(scope: &Scope, id: LinkSessionId) -> Statement {
    let complete = "UPDATE links SET status = 'complete', confirmation = NULL, tokens = NULL
                    WHERE organization = $1 AND environment = $2 AND id = $3";
    sql(complete).scope(scope).bind(&id)
}

/// Returns a row if a session must expire or be deleted.
pub fn any_expired(now: Timestamp) -> Statement {
    let any = "SELECT 1 FROM links
               WHERE expires_at <= $1 AND (status NOT IN ('complete', 'failed', 'expired') OR expires_at <= $2)
               LIMIT 1";
    sql(any).bind(&now).bind(&(now - LINK_RETENTION))
}

table! {
    Revocation in "revocations" key 3
    { organization, environment, id, connector, record, sealed, attempts }
    with { due_at: Number }
}

/// Returns a row if a revocation is due.
pub fn any_due(now: Timestamp) -> Statement {
    sql("SELECT 1 FROM revocations WHERE due_at <= $1 LIMIT 1").bind(&now)
}

/// Returns due revocations, and postpones them until `next`.
pub fn take_due(now: Timestamp, next: Timestamp, limit: u32) -> Statement {
    let take = text!(
        "UPDATE revocations SET due_at = $1, attempts = attempts + 1
         WHERE due_at <= $2 AND (organization, environment, id) IN (
             SELECT organization, environment, id FROM revocations WHERE due_at <= $2 ORDER BY due_at LIMIT $3
         )
         RETURNING {}",
        columns::<Revocation>("")
    );
    sql(take).bind(&next).bind(&now).bind(&limit)
}

/// Postpones a revocation.
pub fn postpone(revocation: &Revocation, until: Timestamp) -> Statement {
    let postpone = "UPDATE revocations SET due_at = $1 WHERE organization = $2 AND environment = $3 AND id = $4";
    of_revocation(sql(postpone).bind(&until), revocation)
}

/// Deletes a revocation.
pub fn end(revocation: &Revocation) -> Statement {
    let end = "DELETE FROM revocations WHERE organization = $1 AND environment = $2 AND id = $3";
    of_revocation(sql(end), revocation)
}

fn of_revocation(statement: Statement, revocation: &Revocation) -> Statement {
    statement.bind(&revocation.organization).bind(&revocation.environment).bind(&revocation.id)
}
