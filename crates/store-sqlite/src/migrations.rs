//! The schema, and the check that a file is a store.

use std::path::Path;

use doorward_store::{Migration, OpenMode, Opening, SchemaState, StoreError};
use doorward_store_sql::change::Since;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::error::unavailable;

/// The migrations, in order. A released migration is never edited.
const MIGRATIONS: [&str; 19] = [
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
    include_str!("../migrations/0008.sql"),
    include_str!("../migrations/0009.sql"),
    include_str!("../migrations/0010.sql"),
    include_str!("../migrations/0011.sql"),
    include_str!("../migrations/0012.sql"),
    include_str!("../migrations/0013.sql"),
    include_str!("../migrations/0014.sql"),
    include_str!("../migrations/0015.sql"),
    include_str!("../migrations/0016.sql"),
    include_str!("../migrations/0017.sql"),
    include_str!("../migrations/0018.sql"),
    include_str!("../migrations/0019.sql"),
];

/// The newest version of the schema that this program knows.
pub(crate) const SUPPORTED: i64 = MIGRATIONS.len() as i64;

/// The first versions of the schema with the features that programs must know.
pub(crate) const SINCE: Since = Since { quarantine: 19, states: 15 };

/// The first version of the schema in which a store keeps a record of itself.
pub(crate) const FIRST_WITH_IDENTITY: i64 = 10;

/// "DWRD": distinguishes a Doorward store from other SQLite files.
const APPLICATION_ID: i64 = 0x4457_5244;

/// Below this version, a checkpoint that races a crash can corrupt a WAL-mode file.
const FIRST_SOUND_SQLITE: i32 = 3_051_003;

pub(crate) fn warn_of_old_sqlite() {
    if rusqlite::version_number() < FIRST_SOUND_SQLITE {
        tracing::warn!(
            version = rusqlite::version(),
            "SQLite before 3.51.3 has a known fault in WAL mode: update SQLite"
        );
    }
}

/// Returns the version of the schema, or 0 for an empty file. Writes nothing.
///
/// # Errors
///
/// [`StoreError::ForeignTables`] if the file belongs to another program. [`StoreError::UnsupportedSchema`] if only newer
/// programs may use the store.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(unavailable);
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let is_empty = application == 0 && found == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !is_empty && application != APPLICATION_ID {
        let place = format!("the file {}", path.display());
        return Err(StoreError::ForeignTables { place, tables: tables(connection)? });
    }
    if found > SUPPORTED && oldest_schema(connection)?.is_none_or(|oldest| oldest > SUPPORTED) {
        return Err(StoreError::UnsupportedSchema { found, supported: SUPPORTED });
    }
    Ok(found)
}

/// Returns the names of the file's tables and views.
fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let names =
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                 ORDER BY name";
    let mut names = connection.prepare(names).map_err(unavailable)?;
    let names = names.query_map([], |row| row.get(0)).map_err(unavailable)?;
    names.collect::<Result<_, _>>().map_err(unavailable)
}

/// Returns the schema version that a program must at least know, if the store names it.
fn oldest_schema(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let is_said = "SELECT 1 FROM sqlite_schema WHERE name = 'store'";
    if !connection.prepare(is_said).and_then(|mut is_said| is_said.exists([])).map_err(unavailable)? {
        return Ok(None);
    }
    connection.query_row("SELECT oldest_schema FROM store", [], |row| row.get(0)).optional().map_err(unavailable)
}

/// Returns the version of the schema beside those that programs know or need.
pub(crate) fn state(connection: &Connection, path: &Path) -> Result<SchemaState, StoreError> {
    let found = check(connection, path)?;
    let oldest = oldest_schema(connection)?.unwrap_or_default();
    let number = |number| u64::try_from(number).unwrap_or_default();
    Ok(SchemaState::new(number(found), number(SUPPORTED), number(oldest)))
}

/// Brings the schema up to date, if the caller allows it.
pub(crate) fn run(connection: &mut Connection, path: &Path, opening: Opening) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    // Another process may have migrated the store meanwhile.
    let found = check(&transaction, path)?;
    if found == 0 && opening.mode == OpenMode::Existing {
        return Err(StoreError::NotFound);
    }
    if 0 < found && found < SUPPORTED && !may_migrate(&transaction, opening.migration)? {
        return match opening.migration {
            Migration::Skip => Ok(()),
            _ => Err(StoreError::OlderSchema { found, needed: SUPPORTED }),
        };
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    if found < SUPPORTED {
        transaction.pragma_update(None, "user_version", SUPPORTED).map_err(unavailable)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(unavailable)?;
    }
    transaction.commit().map_err(unavailable)
}

fn may_migrate(connection: &Connection, migration: Migration) -> Result<bool, StoreError> {
    Ok(match migration {
        Migration::Always => true,
        Migration::IfAlone => {
            let node = "SELECT 1 FROM sessions WHERE NOT retired";
            !connection.prepare(node).and_then(|mut node| node.exists([])).map_err(unavailable)?
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::connect_to;
    use crate::files::create_private;
    use crate::settings::FULL;
    use crate::{identity, row};
    use doorward_store::{Feature, Operation, Revision, Step};
    use doorward_store_sql::change as operations;
    use doorward_types::Incarnation;

    /// With NORMAL (1), a power loss can undo a commit in WAL mode, and a revoked key would work again.
    #[test]
    fn every_connection_syncs_in_full_and_checks_references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        create_private(&path).unwrap();
        let connection = connect_to(&path, FULL).unwrap();
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("foreign_keys"), 1);
    }

    /// Programs before the `operations` table stored idempotency keys without operations, and no lease.
    #[test]
    fn a_store_in_use_keeps_its_idempotency_keys_and_is_taken_to_have_had_the_longest_lease() {
        let folder = tempfile::tempdir().unwrap();
        for (organizations, lease) in [(0, 0), (1, 10_000)] {
            let path = folder.path().join(format!("{organizations}.db"));
            create_private(&path).unwrap();
            let mut connection = connect_to(&path, FULL).unwrap();
            for migration in &MIGRATIONS[..9] {
                connection.execute_batch(migration).unwrap();
            }
            connection.pragma_update(None, "user_version", 9).unwrap();
            connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            for id in 0..organizations {
                connection.execute("INSERT INTO organizations VALUES (?1, 'Acme', 1)", [id.to_string()]).unwrap();
            }
            for key in ["once", "twice"] {
                connection.execute("INSERT INTO idempotency_keys VALUES ('ada', ?1, 'key_1', 5)", [key]).unwrap();
            }
            run(&mut connection, &path, OpenMode::Create.into()).unwrap();
            let found = identity::of(&connection).unwrap();
            assert_eq!(found.longest_lease.as_millis(), lease);
            assert_eq!((found.incarnation, found.prefix), (Incarnation::FIRST, None));
            let known: Operation = {
                let find = operations::find_operation(&"ada".parse().unwrap(), &"twice".parse().unwrap());
                row::find(&connection, &find).unwrap().unwrap()
            };
            assert_eq!(known, Operation { subject: "key_1".into(), request: None, revision: Revision(0) });
        }
    }

    /// Older programs had no provider identities, and kept tokens of unconfirmed links.
    #[test]
    fn an_older_store_keeps_its_operators_and_credentials_and_ends_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        create_private(&path).unwrap();
        let mut connection = connect_to(&path, FULL).unwrap();
        for migration in &MIGRATIONS[..10] {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "user_version", 10).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection
            .execute_batch(
                "INSERT INTO operators VALUES ('op_1', 'admin', 'AAAAAAAAAA', zeroblob(32), 1);
                 INSERT INTO registered_users VALUES ('org_1', 'test', 'ru_1', 'u1', NULL, 1);
                 INSERT INTO credentials VALUES ('org_1', 'test', 'ru_1', 'github', x'0102', 1, 2);
                 INSERT INTO connectors VALUES ('org_1', 'test', 'github', x'03', 1, 2);
                 INSERT INTO link_sessions VALUES ('org_1', 'test', 'ls_1', zeroblob(32), 'ru_1', x'04', 9000000000000);",
            )
            .unwrap();
        run(&mut connection, &path, OpenMode::Create.into()).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM operators WHERE by_provider = 0 AND issuer IS NULL"), 1);
        assert_eq!(count("SELECT count(*) FROM credentials WHERE sealed = x'0102'"), 1);
        assert_eq!(count("SELECT count(*) FROM connectors WHERE sealed = x'03'"), 1);
        for empty in ["link_sessions", "links", "revocations"] {
            assert_eq!(count(&format!("SELECT count(*) FROM {empty}")), 0, "{empty}");
        }
        // An older program may continue to use the store, until an organization is suspended.
        assert_eq!(count("SELECT oldest_schema FROM store"), 10);
        for _ in 0..2 {
            row::write(&connection, &operations::step(&Step::Require(Feature::States), SINCE)).unwrap();
            assert_eq!(count("SELECT oldest_schema FROM store"), 15);
        }
        for feature in [Feature::Quarantine, Feature::States] {
            row::write(&connection, &operations::step(&Step::Require(feature), SINCE)).unwrap();
            assert_eq!(count("SELECT oldest_schema FROM store"), 19);
        }
    }

    /// Events without positions get positions in the order of their times.
    #[test]
    fn events_of_an_older_store_have_positions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        create_private(&path).unwrap();
        let mut connection = connect_to(&path, FULL).unwrap();
        for migration in &MIGRATIONS[..4] {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "user_version", 4).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        for (log, sequence, time) in [("a", 1, 10), ("a", 2, 30), ("b", 1, 20), ("b", 2, 30)] {
            connection
                .execute(
                    "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject, detail)
                     VALUES (?1, 'test', ?2, ?3, 'ada', 'access_key.created', 'key_1', '{}')",
                    rusqlite::params![log, sequence, time],
                )
                .unwrap();
        }
        run(&mut connection, &path, OpenMode::Create.into()).unwrap();
        let sql = "SELECT organization, sequence FROM audit_events ORDER BY position";
        let mut order = connection.prepare(sql).unwrap();
        let order = order.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let order: Vec<(String, i64)> = order.map(Result::unwrap).collect();
        assert_eq!(order, [("a", 1), ("b", 1), ("a", 2), ("b", 2)].map(|(log, place)| (log.to_owned(), place)));
    }
}
