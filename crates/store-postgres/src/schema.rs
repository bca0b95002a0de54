//! The migrations that this program knows.

use std::sync::LazyLock;

/// Each statement is one migration.
const SCHEMA: &str = include_str!("../migrations/schema.sql");

/// How many of the migrations a program must know at least to read and write a store that this one makes. A migration that
/// programs who do not know it cannot live with raises this number, here and in the stores that there are.
pub(crate) const OLDEST: u64 = 42;

/// The migrations that this program knows, in their order.
pub(crate) static MIGRATIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let without_comments: String = SCHEMA.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let statements = without_comments.split_terminator(';').map(|statement| statement.trim().to_owned());
    statements.filter(|statement| !statement.is_empty()).collect()
});

/// Returns how many migrations this program knows.
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
}
