use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, ProviderAccess, ProviderIdentity, StoreError};
use doorward_types::{Locator, OperatorId};
use rusqlite::{OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, audit, row};

const COLUMNS: &str = "SELECT id, name, locator, digest, created_at, by_provider, issuer, subject FROM operators";

#[async_trait]
impl Operators for SqliteStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| {
            let (issuer, subject) = identity_of(&operator).unzip();
            connection
                .execute(
                    "INSERT INTO operators (id, name, locator, digest, created_at, by_provider, issuer, subject)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![
                        operator.id.to_string(),
                        operator.name.as_str(),
                        operator.locator.as_str(),
                        operator.digest.to_bytes(),
                        operator.created_at.as_millis(),
                        operator.provider != ProviderAccess::Local,
                        issuer,
                        subject,
                    ],
                )
                .map_err(of_write)?;
            audit::append(connection, &event)
        })
        .await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| {
            let removed =
                connection.execute("DELETE FROM operators WHERE id = ?1", [id.to_string()]).map_err(of_write)?;
            if removed != 1 {
                return Err(StoreError::Missing);
            }
            audit::append(connection, &event)
        })
        .await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.read(|connection| {
            let mut list = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id")).map_err(unavailable)?;
            list.query_map([], operator).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(&format!("{COLUMNS} WHERE locator = ?1")).map_err(unavailable)?;
            find.query_row([locator.as_str()], operator).optional().map_err(of_read)
        })
        .await
    }

    async fn operator_by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, StoreError> {
        let identity = identity.clone();
        self.read(move |connection| {
            let find = format!("{COLUMNS} WHERE issuer = ?1 AND subject = ?2");
            let mut find = connection.prepare_cached(&find).map_err(unavailable)?;
            find.query_row([&identity.issuer, &identity.subject], operator).optional().map_err(of_read)
        })
        .await
    }

    async fn bind_operator(
        &self,
        id: OperatorId,
        identity: &ProviderIdentity,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let ProviderIdentity { issuer, subject } = identity.clone();
        self.write_first(move |connection| {
            let bind = "UPDATE operators SET issuer = ?2, subject = ?3
                        WHERE id = ?1 AND by_provider = 1 AND issuer IS NULL";
            row::write(connection, bind, params![id.to_string(), issuer, subject])?;
            audit::append(connection, &event)
        })
        .await
    }
}

fn identity_of(operator: &Operator) -> Option<(&str, &str)> {
    match &operator.provider {
        ProviderAccess::Bound(ProviderIdentity { issuer, subject }) => Some((issuer, subject)),
        ProviderAccess::Expected | ProviderAccess::Local => None,
    }
}

/// Reads an operator from the first eight columns.
pub(crate) fn operator(row: &Row<'_>) -> rusqlite::Result<Operator> {
    let identity = row.get::<_, Option<String>>(6)?.zip(row.get::<_, Option<String>>(7)?);
    Ok(Operator {
        id: row::parsed(row, 0)?,
        name: row::parsed(row, 1)?,
        locator: row::parsed(row, 2)?,
        digest: row::digest(row, 3)?,
        created_at: row::timestamp(row, 4)?,
        provider: match (row.get::<_, bool>(5)?, identity) {
            (false, _) => ProviderAccess::Local,
            (true, None) => ProviderAccess::Expected,
            (true, Some((issuer, subject))) => ProviderAccess::Bound(ProviderIdentity { issuer, subject }),
        },
    })
}
