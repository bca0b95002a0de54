//! Sealed values of all scopes, and the id of their sealing key.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_records::{Sealed, SealedKind, SealedValue, Sealing, check_seal};
use doorward_store::{SealingKeyId, StoreError};
use doorward_store_sql::{Statement, sealing, sql};
use futures_util::future::join_all;
use tokio_postgres::Row;

use crate::transaction::{Answers, Decision};
use crate::{PostgresStore, row};

/// The number of values that are written concurrently, to share the server's waits for its disk.
const MAX_AT_ONCE: usize = 4;

#[async_trait]
impl Sealing for PostgresStore {
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError> {
        Ok(self.touch(sealing::name_key(expected, key), event.as_ref()).await? == 1)
    }

    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError> {
        Ok(row::value(&self.query(sealing::count(kind)).await?)?.unwrap_or_default())
    }

    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        row::all_by(&self.query(sealing::page(kind, after, limit)).await?, |row| sealing::value(kind, row))
    }

    /// Writes each value in its own transaction. A transaction that locked several rows could deadlock.
    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError> {
        let mut replaced = 0;
        for some in values.chunks(MAX_AT_ONCE) {
            let writes = some.iter().map(|(old, new)| self.execute(sealing::replace(old, new)));
            for written in join_all(writes).await {
                replaced += written?;
            }
        }
        Ok(replaced)
    }
}

impl PostgresStore {
    /// Runs a statement that writes a sealed value.
    pub(crate) async fn write_sealed(&self, written: &Sealed, write: Statement) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            check(answers.next(), written)?;
            Ok(Decision::write(vec![write.clone()], ()))
        };
        self.pool.write(&[named()], decide).await
    }
}

/// Reads the store's sealing key id, and locks it until the transaction ends.
pub(crate) fn named() -> Statement {
    sql("SELECT sealing_key FROM store WHERE id = 1 FOR UPDATE")
}

/// Refuses a value if its sealing key differs from the id that [`named`] read.
pub(crate) fn check(found: Option<Vec<Row>>, written: &Sealed) -> Result<(), StoreError> {
    let named: Option<Option<_>> = row::value(&found.unwrap_or_default())?;
    check_seal(named.ok_or(StoreError::NotFound)?, written)
}
