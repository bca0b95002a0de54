//! Sealed values of all scopes, and the name of their key.

use doorward_records::{Sealed, SealedKind, SealedValue};
use doorward_store::{SealingKeyId, StoreError};

use crate::{Reader, Statement, sql};

/// Names the key that seals, if the store names `expected` until then.
pub fn name_key(expected: Option<SealingKeyId>, key: SealingKeyId) -> Statement {
    let name = "UPDATE store SET sealing_key = $1 WHERE id = 1 AND coalesce(sealing_key, '') = coalesce($2, '')";
    sql(name).bind(&key).bind(&expected)
}

/// Counts the values of a kind.
pub fn count(kind: SealedKind) -> Statement {
    sql(kind.count_statement())
}

/// Reads a page of the values of a kind.
pub fn page(kind: SealedKind, after: Option<&SealedValue>, limit: u32) -> Statement {
    let page = sql(kind.page_statement(after.is_none(), limit));
    after.into_iter().flat_map(SealedValue::place).fold(page, |page, part| page.bind(&part))
}

/// Reads a row of [`page`].
///
/// # Errors
///
/// [`StoreError::Corrupt`].
pub fn value(kind: SealedKind, row: &mut Reader<'_>) -> Result<SealedValue, StoreError> {
    Ok(SealedValue {
        kind,
        sealed: row.take()?,
        record: row.take()?,
        organization: row.take()?,
        environment: row.take()?,
        key: (2..kind.key_length()).map(|_| row.take()).collect::<Result<_, _>>()?,
    })
}

/// Puts a value in the place of the one that was read.
pub fn replace(old: &SealedValue, new: &Sealed) -> Statement {
    let replace = sql(old.kind.replace_statement()).bind(new).bind(&old.sealed);
    old.place().fold(replace, |replace, part| replace.bind(&part))
}
