//! A log as JSON Lines, or for spreadsheets.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use doorward::audit::{Event, SecretSummary};

use crate::arguments::ExportFormat;
use crate::failure::Failure;

/// The columns of a spreadsheet.
const HEADER: [&str; 14] = [
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
    "before",
    "after",
    "previous_hash",
    "hash",
];

/// Where an export goes.
pub(crate) enum Export {
    Jsonl(Box<dyn Write>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
}

impl Export {
    /// Begins one; a file must be new, and is made so that no one else can read it.
    pub(crate) fn begin(format: ExportFormat, file: Option<&Path>) -> Result<Self, Failure> {
        let to: Box<dyn Write> = match file {
            None => Box::new(BufWriter::new(std::io::stdout().lock())),
            Some(path) => {
                let mut options = File::options();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let made = options.open(path);
                let made =
                    made.map_err(|error| Failure::failed(format!("{} cannot be made: {error}", path.display())))?;
                Box::new(BufWriter::new(made))
            }
        };
        match format {
            ExportFormat::Jsonl => Ok(Self::Jsonl(to)),
            ExportFormat::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(HEADER).map_err(|error| unwritten(&error))?;
                Ok(Self::Csv(Box::new(writer)))
            }
        }
    }

    pub(crate) fn write(&mut self, event: &Event) -> Result<(), Failure> {
        match self {
            Self::Jsonl(to) => to.write_all(json_line(event)?.as_bytes()).map_err(|error| unwritten(&error)),
            Self::Csv(to) => to.write_record(row(event).map(harmless)).map_err(|error| unwritten(&error)),
        }
    }

    pub(crate) fn end(self) -> Result<(), Failure> {
        let ended = match self {
            Self::Jsonl(mut to) => to.flush(),
            Self::Csv(mut to) => to.flush(),
        };
        ended.map_err(|error| unwritten(&error))
    }
}

/// An event as one line of JSON.
pub(crate) fn json_line(event: &Event) -> Result<String, Failure> {
    let line = serde_json::to_string(event).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(line + "\n")
}

fn unwritten(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("the export cannot be written, and is not whole: {error}"))
}

fn row(event: &Event) -> [String; 14] {
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
        secrets(&draft.detail.before),
        secrets(&draft.detail.after),
        text(event.previous_hash.map(|hash| hash.to_string())),
        text(event.hash.map(|hash| hash.to_string())),
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
