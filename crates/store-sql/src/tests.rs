use doorward_key::Digest;
use doorward_records::{Credential, LinkSession, LinkStatus, Sealed};
use doorward_store::copy::{Cell, Kind};
use doorward_store::{AccessKey, Operator, OriginEntry, Page, ProviderAccess, ProviderIdentity, Scope, StoreError};
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, LinkSessionId, OperatorId, OrganizationId, RegisteredUserId, Timestamp,
};

use crate::table::{self, Stored};
use crate::{Columns, FromRow, Reader, Statement, Value, copy, sql};

/// A row of the bound values.
struct Bound(Vec<Cell>);

impl Bound {
    fn wrong<T>(&self, column: usize) -> Result<T, StoreError> {
        Err(StoreError::Corrupt(format!("column {column} holds {:?}", self.0[column])))
    }
}

impl Columns for Bound {
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match &self.0[column] {
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            Cell::Null => Ok(None),
            _ => self.wrong(column),
        }
    }

    fn flag(&self, column: usize) -> Result<Option<bool>, StoreError> {
        match &self.0[column] {
            Cell::Flag(flag) => Ok(Some(*flag)),
            Cell::Null => Ok(None),
            _ => self.wrong(column),
        }
    }

    fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.0[column] == Cell::Null)
    }

    fn name(&self, _: usize) -> &str {
        "bound"
    }

    fn number(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match &self.0[column] {
            Cell::Number(number) => Ok(Some(*number)),
            Cell::Null => Ok(None),
            _ => self.wrong(column),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match &self.0[column] {
            Cell::Text(text) => Ok(Some(text)),
            Cell::Null => Ok(None),
            _ => self.wrong(column),
        }
    }
}

fn values(statement: &Statement) -> Vec<(Kind, Cell)> {
    let value = |value: &Value| match value {
        Value::One(kind, cell) => (*kind, cell.clone()),
        Value::List(..) => panic!("an array"),
    };
    statement.values().iter().map(value).collect()
}

/// Binds a record, checks the kinds of its columns, and reads it.
fn through_a_row<R: Stored>(record: &R) -> R {
    let bound = values(&record.bind(sql("")));
    let kind_of = |name: &&str| R::TABLE.columns.iter().find(|(column, _)| column == name).unwrap().1;
    assert_eq!(bound.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), R::OWN.iter().map(kind_of).collect::<Vec<_>>());
    R::read(&mut Reader::at(&Bound(bound.into_iter().map(|(_, cell)| cell).collect()), 0)).unwrap()
}

const NOW: Timestamp = Timestamp::from_millis(5);

fn credential() -> Credential {
    Credential::new(
        RegisteredUserId::from_u128(1),
        "github".parse().unwrap(),
        Sealed::from_bytes(vec![1, 2]),
        NOW,
        Timestamp::from_millis(6),
    )
}

#[expect(clippy::disallowed_methods, reason = "a test of statements about a scope")]
fn scope() -> Scope {
    Scope::assertion(OrganizationId::from_u128(1), Environment::Test)
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let (name, actor) = (|| "ada".parse().unwrap(), || "host:ada@example.com".parse().unwrap());
    let of = OrganizationId::from_u128(2);
    let key = AccessKey::new(of, Environment::Test, AccessKeyId::from_u128(1), name(), NOW, actor());
    assert_eq!(through_a_row(&key), key);
    assert_eq!(through_a_row(&credential()), credential());
    let origin = OriginEntry::new(
        OrganizationId::from_u128(2),
        AllowedOriginId::from_u128(1),
        "app.example.com".parse().unwrap(),
        NOW,
        actor(),
    );
    assert_eq!(through_a_row(&origin), origin);
    let digest = |byte| Digest::from_bytes([byte; 32]);
    let session = LinkSession {
        id: LinkSessionId::from_u128(1),
        registered_user: RegisteredUserId::from_u128(2),
        connector: "github".parse().unwrap(),
        start: digest(1),
        state: digest(2),
        plan: Sealed::from_bytes(vec![1]),
        status: LinkStatus::Started,
        browser: Some(digest(3)),
        confirmation: None,
        tokens: None,
        error: None,
        provider_error: Some("denied".into()),
        expires_at: NOW,
    };
    assert_eq!(through_a_row(&session), session);
    let identity = ProviderIdentity::new("https://id.example.com".into(), "7".into());
    for provider in [ProviderAccess::Local, ProviderAccess::Expected, ProviderAccess::Bound(identity)] {
        let (id, locator) = (OperatorId::from_u128(1), "AAAAAAAAAA".parse().unwrap());
        let operator = Operator::new(id, name(), locator, digest(1), NOW, provider);
        assert_eq!(through_a_row(&operator), operator);
    }
}

#[test]
fn the_statements_of_a_table_follow_from_its_description() {
    let (scope, record) = (scope(), credential());
    let insert = "INSERT INTO credentials (organization, environment, registered_user, connector, sealed, created_at, \
                  updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    assert_eq!(table::insert(&scope, &record).as_str(), insert);
    let put = format!(
        "{insert} ON CONFLICT (organization, environment, registered_user, connector) DO UPDATE SET sealed = \
         excluded.sealed, updated_at = excluded.updated_at"
    );
    assert_eq!(table::put(&scope, &record).as_str(), put);
    let select = "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials WHERE \
                  organization = $1 AND environment = $2 AND";
    let find = table::find::<Credential>(&scope, &doorward_records::Record::key(&record));
    assert_eq!(find.as_str(), format!("{select} registered_user = $3 AND connector = $4"));
    let page = table::page::<Credential>(&scope, &Page::first(10));
    let expected = format!(
        "{select} ($3 IS NULL OR (registered_user, connector) < ($3, $4)) ORDER BY registered_user DESC, connector DESC \
         LIMIT $5"
    );
    assert_eq!(page.as_str().split_whitespace().collect::<Vec<_>>().join(" "), expected);
    assert_eq!(
        values(&page)[2..],
        [(Kind::Text, Cell::Null), (Kind::Text, Cell::Null), (Kind::Number, Cell::Number(10))]
    );
}

#[test]
fn every_table_moves_after_those_that_it_refers_to_and_its_key_stands_first() {
    let names: Vec<_> = copy::TABLES.iter().map(|table| table.name).collect();
    assert!(names.starts_with(&[
        "organizations",
        "access_keys",
        "secrets",
        "imports",
        "retired_secrets",
        "allowed_origins"
    ]));
    for table in copy::TABLES {
        let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        assert!(table.key > 0 && table.key <= columns.len(), "{}", table.name);
        if columns.contains(&"environment") {
            assert_eq!(columns[..2], ["organization", "environment"], "{}", table.name);
        }
    }
}

#[test]
fn what_a_column_cannot_hold_is_corrupt() {
    let row = Bound(vec![Cell::Text("no id".into()), Cell::Number(-1), Cell::Null]);
    let read = |column| Reader::at(&row, column);
    for corrupt in [
        read(0).take::<OrganizationId>().map(drop),
        read(1).take::<u64>().map(drop),
        read(2).take::<String>().map(drop),
        read(0).take::<Digest>().map(drop),
    ] {
        assert!(matches!(corrupt, Err(StoreError::Corrupt(_))), "{corrupt:?}");
    }
    assert_eq!(read(2).take::<Option<String>>().unwrap(), None);
    assert_eq!(Option::<(String, u64)>::read(&mut read(2)).unwrap(), None);
}
