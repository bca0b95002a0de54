//! The findings for people: a line for each.

use doorward::types::Foreign;

use super::document::{Document, Row};

/// Returns the lines.
pub(super) fn of(document: &Document) -> String {
    document.findings.iter().map(|row| format!("{}: {}\n", place(row), said(row))).collect()
}

/// Returns what a finding is, without its place.
pub(super) fn said(row: &Row) -> String {
    let kind = match row.environment {
        Some(environment) => format!("{environment} key"),
        None => "operator token".to_owned(),
    };
    let owner = row.organization.as_ref().or(row.operator.as_ref());
    let owner = owner.map(|owner| format!(", of {} ({})", owner.name, owner.id)).unwrap_or_default();
    let encoding = match row.encoding {
        "plain" => String::new(),
        other => format!(", in {other}"),
    };
    format!("{kind} {}{encoding}: {}{owner}", row.locator, row.state.as_str())
}

/// Returns a sentence about everything.
pub(super) fn summary(document: &Document) -> String {
    let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let values = counted(u64::try_from(document.findings.len()).unwrap_or(u64::MAX), "value");
    let texts = counted(document.texts, "text");
    let unread = match document.unread.len() {
        0 => String::new(),
        count => format!("; {count} could not be looked at"),
    };
    format!("{values} found in {texts}{unread}.")
}

fn place(row: &Row) -> String {
    let place = printable(&row.place);
    match row.line {
        0 => format!("{place} (its name)"),
        line => format!("{place}:{line}"),
    }
}

/// Returns a text that cannot move the cursor of a terminal, nor begin another line.
pub(super) fn printable(text: &str) -> String {
    Foreign::within(text, usize::MAX).to_string()
}
