//! Sealed values of all scopes, and the name of their key.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Sealed, SealedKind, SealedValue, Sealing, SealingKeyId, StoreError, check_seal};
use futures_util::future::join_all;
use tokio_postgres::Row;

use crate::statement::{Statement, sql};
use crate::transaction::{Answers, Decision};
use crate::{PostgresStore, row};

/// Values that are written side by side, so that they share the server's waits for its disk.
const AT_ONCE: usize = 4;

#[async_trait]
impl Sealing for PostgresStore {
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError> {
        let name =
            "UPDATE store SET sealing_key = $1 WHERE id = 1 AND sealing_key IS NOT DISTINCT FROM $2 RETURNING id";
        let name = sql(name).text(key).text_or_null(expected);
        let named = match event {
            Some(event) => self.touch(name, &event).await?,
            None => self.execute(name).await?,
        };
        Ok(named == 1)
    }

    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError> {
        let found = self.query(sql(kind.count_statement())).await?;
        found.first().map_or(Ok(0), |found| row::count(found, 0))
    }

    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let list = sql(kind.page_statement(after.is_none(), limit, place));
        let list = after.into_iter().flat_map(SealedValue::place).fold(list, |list, part| list.text(part));
        self.query(list).await?.iter().map(|row| value(row, kind)).collect()
    }

    /// Each value is a transaction of its own: one that held several rows and waited for another could wait in a circle.
    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError> {
        let mut replaced = 0;
        for some in values.chunks(AT_ONCE) {
            let writes = some.iter().map(|(old, new)| {
                let replace = sql(old.kind.replace_statement(place)).bytes(new.as_bytes()).bytes(old.sealed.as_bytes());
                self.execute(old.place().fold(replace, |replace, part| replace.text(part)))
            });
            for written in join_all(writes).await {
                replaced += written?;
            }
        }
        Ok(replaced)
    }
}

impl PostgresStore {
    /// Runs a statement that writes a sealed value.
    pub(crate) async fn write_sealed(&self, written: &Sealed, write: impl Fn() -> Statement) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            check(answers.next(), written)?;
            Ok(Decision::write(vec![write()], ()))
        };
        self.pool.write(&[named()], decide).await
    }
}

/// Reads the key that the store names, which stays named until the transaction ends.
pub(crate) fn named() -> Statement {
    sql("SELECT sealing_key FROM store WHERE id = 1 FOR SHARE")
}

/// Refuses a value that is sealed with another key than the one that [`named`] found.
pub(crate) fn check(found: Option<Vec<Row>>, written: &Sealed) -> Result<(), StoreError> {
    let found = found.unwrap_or_default();
    let named = row::parsed_option(found.first().ok_or(StoreError::Missing)?, 0)?;
    check_seal(named, written)
}

fn place(number: usize) -> String {
    format!("${number}")
}

fn value(row: &Row, kind: SealedKind) -> Result<SealedValue, StoreError> {
    Ok(SealedValue {
        kind,
        sealed: Sealed::from_bytes(row::get(row, 0)?),
        record: row::get(row, 1)?,
        organization: row::parsed(row, 2)?,
        environment: row::parsed(row, 3)?,
        key: (4..2 + kind.key_length()).map(|column| row::get(row, column)).collect::<Result<_, _>>()?,
    })
}
