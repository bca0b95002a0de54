use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, ProviderAccess, ProviderIdentity, StoreError};
use doorward_types::{Locator, OperatorId};
use tokio_postgres::Row;

use crate::statement::sql;
use crate::{PostgresStore, row};

const COLUMNS: &str = "SELECT id, name, locator, digest, created_at, by_provider, issuer, subject FROM operators";

#[async_trait]
impl Operators for PostgresStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        let insert = "INSERT INTO operators (id, name, locator, digest, created_at, by_provider, issuer, subject)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
        let (issuer, subject) = match &operator.provider {
            ProviderAccess::Bound(identity) => (Some(&identity.issuer), Some(&identity.subject)),
            ProviderAccess::Expected | ProviderAccess::Local => (None, None),
        };
        let insert = sql(insert).text(operator.id).text(&operator.name).text(operator.locator);
        let insert = insert.bytes(operator.digest.to_bytes()).number(operator.created_at.as_millis());
        let insert = insert.number(i64::from(operator.provider != ProviderAccess::Local));
        let insert = insert.text_or_null(issuer).text_or_null(subject);
        self.write_with_event(insert, &event).await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.write_with_event(sql("DELETE FROM operators WHERE id = $1 RETURNING id").text(id), &event).await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.query(sql(format!("{COLUMNS} ORDER BY id"))).await?.iter().map(operator).collect()
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        let find = sql(format!("{COLUMNS} WHERE locator = $1")).text(locator);
        self.query(find).await?.first().map(operator).transpose()
    }

    async fn operator_by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, StoreError> {
        let find = sql(format!("{COLUMNS} WHERE issuer = $1 AND subject = $2"));
        let find = find.text(&identity.issuer).text(&identity.subject);
        self.query(find).await?.first().map(operator).transpose()
    }

    async fn bind_operator(
        &self,
        id: OperatorId,
        identity: &ProviderIdentity,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let bind = "UPDATE operators SET issuer = $2, subject = $3 WHERE id = $1 AND by_provider = 1 AND issuer IS NULL
             RETURNING id";
        let bind = sql(bind).text(id).text(&identity.issuer).text(&identity.subject);
        self.write_with_event(bind, &event).await
    }
}

/// Reads an operator from the first eight columns.
pub(crate) fn operator(row: &Row) -> Result<Operator, StoreError> {
    let identity = row::get::<Option<String>>(row, 6)?.zip(row::get::<Option<String>>(row, 7)?);
    Ok(Operator {
        id: row::parsed(row, 0)?,
        name: row::parsed(row, 1)?,
        locator: row::parsed(row, 2)?,
        digest: row::digest(row, 3)?,
        created_at: row::timestamp(row, 4)?,
        provider: match (row::get::<i64>(row, 5)?, identity) {
            (0, _) => ProviderAccess::Local,
            (_, None) => ProviderAccess::Expected,
            (_, Some((issuer, subject))) => ProviderAccess::Bound(ProviderIdentity { issuer, subject }),
        },
    })
}
