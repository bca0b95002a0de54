use std::fmt;
use std::str::FromStr;

use crate::{Event, SecretSummary};

/// How a log is written out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ExportFormat {
    /// For spreadsheets: RFC 4180, with every formula neutralized.
    Csv,
    /// One JSON object a line, with all that the hashes cover.
    #[default]
    Jsonl,
}

/// The columns of a spreadsheet.
const COLUMNS: [&str; 18] = [
    "sequence",
    "time",
    "actor",
    "action",
    "subject",
    "organization",
    "environment",
    "source_address",
    "request_id",
    "name",
    "origin",
    "before",
    "after",
    "previous_hash",
    "hash",
    "incarnation",
    "actor_id",
    "identity",
];

impl ExportFormat {
    /// What stands before the first event.
    #[must_use]
    pub fn header(self) -> String {
        match self {
            Self::Csv => csv_line(&COLUMNS.map(str::to_owned)),
            Self::Jsonl => String::new(),
        }
    }

    /// An event as a line, with its end.
    #[must_use]
    pub fn line(self, event: &Event) -> String {
        match self {
            Self::Csv => csv_line(&row(event).map(harmless)),
            Self::Jsonl => event.to_json_line(),
        }
    }

    /// The media type: RFC 4180, and what the field uses for JSON Lines.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        })
    }
}

impl FromStr for ExportFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err(UnknownFormat),
        }
    }
}

/// A format that there is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a format is `jsonl` or `csv`")]
pub struct UnknownFormat;

impl Event {
    /// The event as one line of JSON, with its end.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        // It cannot fail: there is no map with keys that are no text, and nothing that fails to serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

fn row(event: &Event) -> [String; 18] {
    let draft = &event.draft;
    let secrets = |secrets: &[SecretSummary]| {
        let texts: Vec<_> = secrets.iter().map(|s| format!("{} {} {}", s.locator, s.generation, s.state)).collect();
        texts.join("; ")
    };
    let text = |value: Option<String>| value.unwrap_or_default();
    [
        event.sequence.to_string(),
        draft.time.to_string(),
        draft.actor.to_string(),
        draft.action.to_string(),
        draft.subject.clone(),
        draft.organization.to_string(),
        draft.environment.to_string(),
        text(draft.source_address.map(|address| address.to_string())),
        text(draft.request_id.map(|id| id.to_string())),
        text(draft.detail.name.as_ref().map(ToString::to_string)),
        text(draft.detail.origin.clone()),
        secrets(&draft.detail.before),
        secrets(&draft.detail.after),
        text(event.previous_hash.map(|hash| hash.to_string())),
        text(event.hash.map(|hash| hash.to_string())),
        event.incarnation.to_string(),
        text(draft.actor_id.as_ref().map(ToString::to_string)),
        text(draft.detail.identity.clone()),
    ]
}

/// What a spreadsheet would take for a formula begins with an apostrophe, which makes it text (OWASP, CSV Injection). So
/// does what begins with one already, so that it can be told apart.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\'', '＝', '＋', '－', '＠']) {
        format!("'{cell}")
    } else {
        cell
    }
}

/// A record of a spreadsheet, with its end.
fn csv_line(cells: &[String]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail, and what is text stays text.
    let _ = writer.write_record(cells);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
