//! The schema that holds the store's tables, and the tables of other programs in it.

use std::collections::{BTreeMap, BTreeSet};

use doorward_store::{OpenMode, StoreError};
use doorward_store_sql::{Statement, sql};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::connections::Connections;
use crate::error::code_of;
use crate::row;
use crate::schema::{MIGRATIONS, STEPS, created};
use crate::schema_name::SchemaName;
use crate::transaction::{Answers, Decision};

/// The content of a schema, as one statement saw it.
#[derive(Default)]
pub(crate) struct Content {
    /// The names of all relations and types.
    names: BTreeSet<String>,
    /// True if the schema holds a Doorward store.
    is_store: bool,
}

/// Finds the schema of the store, or creates it together with the counter of migrations. The counter's row is the lock
/// of every migration.
pub(crate) async fn find(
    pool: &Connections,
    asked: Option<&SchemaName>,
    mode: OpenMode,
) -> Result<SchemaName, StoreError> {
    let name = asked.cloned().unwrap_or_default();
    let mut schemas = contents(&pool.query(contents_of(&name)).await?)?;
    let own = schemas.remove(name.as_str());
    let older = schemas.into_iter().find(|(_, content)| content.is_store && asked.is_none());
    match (own, older) {
        (Some(Content { is_store: true, .. }), None) => Ok(name),
        (Some(Content { is_store: true, .. }), Some((older, _))) => Err(StoreError::Settings(format!(
            "the database has two stores, in the schemas {name} and {older}: say which by `?schema=NAME` in the store's URL"
        ))),
        (_, Some((older, _))) => {
            tracing::info!(
                schema = older,
                "the store is in the schema in which an older release made it: it stays there, and `?schema={older}` in the \
                 store's URL says so"
            );
            older.parse()
        }
        (_, None) if mode == OpenMode::Existing => Err(StoreError::NotFound),
        (own, None) => {
            if let Some(content) = &own {
                content.refuse_foreign(&name, 0)?;
            }
            create(pool, &name, own.is_none()).await?;
            Ok(name)
        }
    }
}

/// Returns the statement that reads the content of this schema, and of the schema in which older releases look for the
/// store: the first of the session's `search_path`.
///
/// It is one statement, and so it sees one snapshot: another node may be creating the store. It names the catalog's
/// tables, which need no privilege.
pub(crate) fn contents_of(name: &SchemaName) -> Statement {
    let contents = "SELECT CAST(n.nspname AS TEXT), CAST(o.name AS TEXT), o.is_counter
                    FROM pg_namespace n
                    LEFT JOIN (SELECT c.relnamespace AS place, c.relname AS name,
                                      c.relname = $2 AND 2 = (SELECT count(*) FROM pg_attribute a
                                                              WHERE a.attrelid = c.oid AND a.attname IN ('id', 'done'))
                                      AS is_counter
                               FROM pg_class c
                               UNION ALL SELECT t.typnamespace, t.typname, FALSE FROM pg_type t WHERE t.typrelid = 0) o
                    ON o.place = n.oid
                    WHERE n.nspname = $1 OR n.nspname = current_schema()";
    sql(contents).text(name.as_str()).text(STEPS)
}

/// Reads the rows of [`contents_of`], by the schema's name.
pub(crate) fn contents(rows: &[Row]) -> Result<BTreeMap<String, Content>, StoreError> {
    let mut schemas: BTreeMap<String, Content> = BTreeMap::new();
    for (schema, name, is_counter) in row::all::<(String, Option<String>, Option<bool>)>(rows)? {
        let content = schemas.entry(schema).or_default();
        content.names.extend(name);
        content.is_store |= is_counter == Some(true);
    }
    Ok(schemas)
}

impl Content {
    /// Returns true if no migration has created anything, so that the store has no rows.
    pub(crate) fn is_new(&self) -> bool {
        !created(&MIGRATIONS).any(|name| self.names.contains(name))
    }

    /// Refuses a schema in which another program has a name that a migration after the first `done` creates.
    pub(crate) fn refuse_foreign(&self, schema: &SchemaName, done: usize) -> Result<(), StoreError> {
        let counter = (!self.is_store).then_some(STEPS);
        let needed = created(MIGRATIONS.get(done..).unwrap_or_default()).chain(counter);
        let foreign: BTreeSet<_> = needed.filter(|name| self.names.contains(*name)).map(str::to_owned).collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let place = format!("the schema {schema} of the database");
        Err(StoreError::ForeignTables { place, tables: foreign.into_iter().collect() })
    }
}

/// Creates the counter of migrations, and the schema if it is missing.
async fn create(pool: &Connections, name: &SchemaName, is_missing: bool) -> Result<(), StoreError> {
    let quoted = name.quoted();
    // An existing schema needs no privilege to create schemas.
    let schema = is_missing.then(|| sql(format!("CREATE SCHEMA IF NOT EXISTS {quoted}")));
    let counter = format!(
        "CREATE TABLE IF NOT EXISTS {quoted}.{STEPS} (
            id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
            done BIGINT NOT NULL
        )"
    );
    let first = format!("INSERT INTO {quoted}.{STEPS} (id, done) VALUES (1, 0) ON CONFLICT (id) DO NOTHING");
    let writes = || schema.iter().cloned().chain([sql(counter.clone()), sql(first.clone())]).collect();
    let created = pool.write(&[], |_: Answers| Ok(Decision::write(writes(), ()))).await;
    created.map_err(|error| match code_of(&error) {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Settings(format!(
            "the user of the store's URL may not create the tables in the schema {name}: create the schema with `CREATE \
             SCHEMA {quoted} AUTHORIZATION <user>`, or name a schema that the user owns by `?schema=NAME`"
        )),
        _ => error,
    })
}
