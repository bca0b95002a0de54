//! Every statement is limited to SQL that CockroachDB, YugabyteDB and Aurora support too, although they are not tested here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

/// Words of PostgreSQL that other databases lack or read differently.
const FOREIGN: &[&str] = &[
    "SERIAL",
    "CREATE SEQUENCE",
    "NEXTVAL",
    "TRIGGER",
    "ADVISORY",
    "DEFERRABLE",
    "SAVEPOINT",
    "FOR SHARE",
    "JSONB",
    "TIMESTAMP",
    "NOW()",
    "UUID",
    "ENUM",
    "EXCLUDE USING",
    "CONCURRENTLY",
    "MERGE INTO",
    "LISTEN",
    "NOTIFY",
];

/// Only hints may use LISTEN and NOTIFY, since nothing depends on hints.
const HINTS: [&str; 2] = ["LISTEN doorward", "SELECT pg_notify('doorward', $1)"];

const TYPES: &[&str] = &["TEXT", "BIGINT", "BOOLEAN", "BYTEA"];

fn files(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

fn without_comments(sql: &str) -> String {
    sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n")
}

/// Every string in the sources that begins or continues a statement.
fn statements() -> Vec<String> {
    const BEGINNINGS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "LISTEN", "NOTIFY", "("];
    let in_sources = files("src").into_iter().chain(files("../store-sql/src")).flat_map(|source| {
        let strings = source.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        strings.into_iter().filter(|text| BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)))
    });
    let schema = files("migrations").into_iter().flat_map(|file| {
        let statements = without_comments(&file);
        statements.split_terminator(';').map(|statement| statement.trim().to_owned()).collect::<Vec<_>>()
    });
    in_sources.chain(schema).filter(|statement| !statement.is_empty()).collect()
}

#[test]
fn every_statement_is_portable() {
    let statements = statements();
    assert!(statements.len() > 50, "the check finds too few statements: {}", statements.len());
    for statement in statements.iter().filter(|statement| !HINTS.contains(&statement.as_str())) {
        let upper = statement.to_uppercase();
        for foreign in FOREIGN {
            assert!(!upper.contains(foreign), "{foreign} in {statement}");
        }
        assert!(!(upper.starts_with("CREATE INDEX") && upper.contains(" WHERE ")), "a partial index: {statement}");
    }
}

#[test]
fn columns_have_portable_types_and_scoped_tables_begin_with_the_scope() {
    let tables: Vec<_> = statements().into_iter().filter(|statement| statement.starts_with("CREATE TABLE")).collect();
    assert!(tables.len() >= 12);
    for table in tables {
        let columns = table.lines().skip(1).map(str::trim).filter(|line| line.contains(' '));
        for column in columns.take_while(|line| !line.starts_with("PRIMARY") && !line.starts_with("UNIQUE")) {
            let kind = column.split_whitespace().nth(1).unwrap().trim_end_matches(',');
            assert!(TYPES.contains(&kind), "{column}");
        }
        if table.contains("environment") {
            assert!(table.contains("PRIMARY KEY (organization, environment, "), "{table}");
        }
    }
}
