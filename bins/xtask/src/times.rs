//! Prints how long parts of a run took, so that a slower part is noticed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::shell;

/// The parts of a run that have ended, in the order of their ends.
#[derive(Debug, Default)]
pub(crate) struct Times(Mutex<Vec<(String, Duration)>>);

impl Times {
    /// Does a part, and remembers its time even if it fails.
    #[expect(clippy::disallowed_methods, reason = "people read these times, and no decision depends on them")]
    pub(crate) fn of<T>(&self, part: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((part.to_owned(), begun.elapsed()));
        done
    }

    /// Prints all parts.
    pub(crate) fn print(&self, title: &str) {
        print(title, &self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Prints the slowest parts.
    pub(crate) fn print_slowest(&self, title: &str, count: usize) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        parts.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        parts.truncate(count);
        print(title, &parts);
    }
}

fn print(title: &str, parts: &[(String, Duration)]) {
    shell::say(title);
    for line in table(parts) {
        shell::say(&line);
    }
}

/// Returns a line for each part, with its seconds on the right.
fn table(parts: &[(String, Duration)]) -> Vec<String> {
    let width = parts.iter().map(|(part, _)| part.chars().count()).max().unwrap_or_default();
    parts.iter().map(|(part, took)| format!("  {part:width$} {:7.1} s", took.as_secs_f64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_listed_even_if_it_fails() {
        let times = Times::default();
        assert!(times.of("good", || Ok::<_, ()>(())).is_ok());
        assert!(times.of("bad", || Err::<(), _>(())).is_err());
        let parts = times.0.lock().unwrap();
        assert!(parts.iter().map(|(part, _)| part.as_str()).eq(["good", "bad"]));
    }

    #[test]
    fn seconds_stand_below_each_other() {
        let parts = [("build".to_owned(), Duration::from_millis(72_340)), ("run".to_owned(), Duration::from_secs(3))];
        assert_eq!(table(&parts), ["  build    72.3 s", "  run       3.0 s"]);
    }
}
