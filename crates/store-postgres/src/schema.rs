//! The migrations that this program knows.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use doorward_store_sql::change::Since;

/// Each statement is one migration.
const SCHEMA: &str = include_str!("../migrations/schema.sql");

/// The number of migrations that a program must at least know to use a store of this program. A migration that older
/// programs cannot work with raises this number, here and in existing stores.
pub(crate) const OLDEST: u64 = 42;

/// The numbers of migrations that a program must at least know to use a store with these features.
pub(crate) const SINCE: Since = Since { quarantine: 72, states: 58 };

/// The migrations that this program knows, in their order.
pub(crate) static MIGRATIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let without_comments: String = SCHEMA.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let statements = without_comments.split_terminator(';').map(|statement| statement.trim().to_owned());
    statements.filter(|statement| !statement.is_empty()).collect()
});

/// The table with the number of migrations that a store has had.
pub(crate) const STEPS: &str = "schema_steps";

/// The store's tables, those of older releases included.
pub(crate) static TABLES: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| [STEPS].into_iter().chain(MIGRATIONS.iter().filter_map(|step| table_of(step))).collect());

/// Returns the names of the tables and indexes that these migrations create.
pub(crate) fn created(migrations: &[String]) -> impl Iterator<Item = &str> {
    let index = |step| word_after(step, "CREATE INDEX ").or_else(|| word_after(step, "CREATE UNIQUE INDEX "));
    migrations.iter().filter_map(move |step| table_of(step).or_else(|| index(step)))
}

fn table_of(step: &str) -> Option<&str> {
    word_after(step, "CREATE TABLE ")
}

fn word_after<'a>(step: &'a str, beginning: &str) -> Option<&'a str> {
    step.strip_prefix(beginning)?.split_whitespace().next()
}

/// Returns the number of migrations that this program knows.
pub(crate) fn known() -> u64 {
    MIGRATIONS.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_must_know_the_last_step_that_took_something_away() {
        let last = MIGRATIONS.iter().rposition(|step| step.starts_with("DROP") || step.contains("RENAME")).unwrap();
        assert_eq!(OLDEST, last as u64 + 1);
    }

    #[test]
    fn every_created_name_is_known() {
        let creating = MIGRATIONS.iter().filter(|step| step.starts_with("CREATE"));
        assert_eq!(created(&MIGRATIONS).count(), creating.count());
        assert!(
            created(&MIGRATIONS).all(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
        );
        assert!(
            TABLES.contains("organizations") && TABLES.contains("schema_steps") && !TABLES.contains("uses_by_span")
        );
    }

    #[test]
    fn a_program_must_know_the_features_that_a_store_uses() {
        let states = MIGRATIONS.iter().position(|step| step.contains("ADD COLUMN state")).unwrap();
        assert_eq!(SINCE.states, states as u64 + 1);
        let quarantine = MIGRATIONS.iter().position(|step| step.contains("ADD COLUMN quarantined_at")).unwrap();
        assert_eq!(SINCE.quarantine, quarantine as u64 + 1);
    }
}
