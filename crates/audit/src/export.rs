use doorward_types::words;

use crate::{Event, SecretSummary};

/// The format of an exported log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// For spreadsheets: RFC 4180, with every formula neutralized.
    Csv,
    /// One JSON object on each line, with all that the hashes cover.
    #[default]
    Jsonl,
}

/// A column of a spreadsheet: its name, and its cell for an event.
type Column = (&'static str, fn(&Event) -> String);

const COLUMNS: [Column; 18] = [
    ("sequence", |event| event.sequence.to_string()),
    ("time", |event| event.draft.time.to_string()),
    ("actor", |event| event.draft.actor.to_string()),
    ("action", |event| event.draft.action.to_string()),
    ("subject", |event| event.draft.subject.clone()),
    ("organization", |event| event.draft.organization.to_string()),
    ("environment", |event| event.draft.environment.to_string()),
    ("source_address", |event| text(event.draft.source_address.as_ref())),
    ("request_id", |event| text(event.draft.request_id.as_ref())),
    ("name", |event| text(event.draft.detail.name.as_ref())),
    ("origin", |event| text(event.draft.detail.origin.as_ref())),
    ("before", |event| secrets(&event.draft.detail.before)),
    ("after", |event| secrets(&event.draft.detail.after)),
    ("previous_hash", |event| text(event.previous_hash.as_ref())),
    ("hash", |event| text(event.hash.as_ref())),
    ("incarnation", |event| event.incarnation.to_string()),
    ("actor_id", |event| text(event.draft.actor_id.as_ref())),
    ("identity", |event| text(event.draft.detail.identity.as_ref())),
];

fn text(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn secrets(secrets: &[SecretSummary]) -> String {
    let texts: Vec<_> = secrets.iter().map(|s| format!("{} {} {}", s.locator, s.generation, s.state)).collect();
    texts.join("; ")
}

impl ExportFormat {
    /// Returns the line before the first event.
    #[must_use]
    pub fn header(self) -> String {
        match self {
            Self::Csv => csv_line(COLUMNS.map(|(name, _)| name.to_owned())),
            Self::Jsonl => String::new(),
        }
    }

    /// Returns an event as a line with its line end.
    #[must_use]
    pub fn line(self, event: &Event) -> String {
        match self {
            Self::Csv => csv_line(COLUMNS.map(|(_, cell)| harmless(cell(event)))),
            Self::Jsonl => event.to_json_line(),
        }
    }

    /// Returns the media type: from RFC 4180 for CSV, and the usual type for JSON Lines.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl",
        }
    }
}

words! {
    ExportFormat, "a format is `jsonl` or `csv`": Csv = "csv", Jsonl = "jsonl"
}

/// Puts an apostrophe before a cell that a spreadsheet could run as a formula (OWASP, CSV Injection). Cells that begin with an
/// apostrophe get another, so that the original text can be restored.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\'', '＝', '＋', '－', '＠']) {
        format!("'{cell}")
    } else {
        cell
    }
}

/// Returns a CSV record with its line end.
fn csv_line(cells: [String; COLUMNS.len()]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and the input is UTF-8.
    let _ = writer.write_record(cells);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
