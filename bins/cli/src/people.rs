//! Times and tables for people, who read them on a terminal. Programs read whole values from a file or a pipe.

use std::io::IsTerminal;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table};
use doorward::types::Timestamp;

/// The columns that people copy from: they are never shortened.
const WHOLE: [&str; 4] = ["#", "ID", "ORGANIZATION ID", "SECRET"];

/// Returns a time as people say it, `3 min ago`, if standard output is a terminal. Otherwise the whole time.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    if std::io::stdout().is_terminal() { relative(time, now) } else { time.to_string() }
}

/// Returns the distance of a time from now: in one unit, and as a date beyond three months.
fn relative(time: Timestamp, now: Timestamp) -> String {
    let millis = now.as_millis() - time.as_millis();
    let seconds = millis.unsigned_abs() / 1_000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..86_400 => (seconds / 3_600, "h"),
        86_400..7_776_000 => (seconds / 86_400, "d"),
        _ => return time.to_string().chars().take_while(|letter| *letter != 'T').collect(),
    };
    match millis {
        0..1_000 => "now".to_owned(),
        1_000.. => format!("{count} {unit} ago"),
        _ => format!("in {count} {unit}"),
    }
}

/// Returns a table as lines of text. On a terminal, a row is one line: columns that do not fit are shortened.
#[must_use]
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let width = if std::io::stdout().is_terminal() { terminal_size() } else { None };
    table_within(width, header, rows)
}

fn table_within(width: Option<u16>, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    let mut first = Row::from(header.to_vec());
    if width.is_some() {
        first.max_height(1);
    }
    table.load_style(NOTHING).set_header(first);
    table.add_rows(rows);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        table.set_truncation_indicator("…");
        for row in table.row_iter_mut() {
            row.max_height(1);
        }
        for (column, name) in table.column_iter_mut().zip(header) {
            if WHOLE.contains(name) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Returns the width of the terminal in columns.
#[cfg(unix)]
fn terminal_size() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

#[cfg(not(unix))]
const fn terminal_size() -> Option<u16> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let told = |seconds: i64| relative(Timestamp::from_millis(now.as_millis() - seconds * 1_000), now);
        for (seconds, text) in [
            (0, "now"),
            (1, "1 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (86_400, "1 d ago"),
            (89 * 86_400, "89 d ago"),
            (-30, "in 30 s"),
            (-2 * 86_400, "in 2 d"),
        ] {
            assert_eq!(told(seconds), text);
        }
        assert_eq!(told(400 * 86_400), "2025-12-11");
    }

    #[test]
    fn a_row_is_one_line_on_a_terminal_and_its_id_is_whole() {
        let id = "key_01m8a9pc0000000000000000000";
        let row =
            vec![id.to_owned(), "a name that nobody can read to its end on eighty columns".to_owned(), "x".into()];
        let text = table_within(Some(60), &["ID", "NAME", "STATE"], [row.clone()]);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains(id) && text.contains('…'), "{text}");
        let whole = table_within(None, &["ID", "NAME", "STATE"], [row]);
        assert!(whole.contains("to its end on eighty columns"), "{whole}");
    }
}
