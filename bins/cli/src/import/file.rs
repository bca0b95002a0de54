//! The file of an import, read line by line. Messages never contain digests.

use std::collections::HashMap;

use doorward::key::{ImportFormat, ImportedDigest, KeyPrefix};
use doorward::types::{Environment, Locator, Name, Timestamp};
use serde::Deserialize;

use crate::arguments::ImportFileFormat;

/// A key of the file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: u64,
    /// The id or the name of the organization.
    pub(super) organization: String,
    pub(super) environment: Environment,
    pub(super) name: Option<Name>,
    pub(super) digest: ImportedDigest,
    pub(super) created_at: Option<Timestamp>,
}

/// A refused line of the file, and the reason.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(line: u64, reason: impl ToString) -> Self {
        Self { line, reason: reason.to_string() }
    }
}

/// The fields of a line as their texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    organization: Option<String>,
    environment: String,
    format: String,
    digest: String,
    #[serde(default)]
    handle: Option<String>,
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
}

/// The settings for reading a file.
pub(super) struct Reading<'a> {
    pub(super) format: ImportFileFormat,
    /// The organization of lines that name none.
    pub(super) organization: Option<&'a str>,
    /// The prefix of our own keys.
    pub(super) prefix: &'a KeyPrefix,
}

impl Reading<'_> {
    /// Reads every line, and returns the keys and the faults.
    pub(super) fn read(&self, text: &str) -> (Vec<Entry>, Vec<Fault>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = if self.is_csv(text) { csv_lines(text) } else { json_lines(text) };
        let (mut entries, mut faults) = (Vec::new(), Vec::new());
        let mut seen: HashMap<Locator, u64> = HashMap::new();
        for (line, fields) in lines {
            match fields.and_then(|fields| self.entry(line, fields)) {
                Err(reason) => faults.push(Fault { line, reason }),
                Ok(entry) => match seen.insert(entry.digest.locator(), line) {
                    Some(first) => faults.push(Fault::new(line, format!("the same key as in line {first}"))),
                    None => entries.push(entry),
                },
            }
        }
        (entries, faults)
    }

    fn is_csv(&self, text: &str) -> bool {
        match self.format {
            ImportFileFormat::Auto => !text.trim_start().starts_with('{'),
            ImportFileFormat::Jsonl => false,
            ImportFileFormat::Csv => true,
        }
    }

    fn entry(&self, line: u64, fields: Fields) -> Result<Entry, String> {
        let organization = filled(fields.organization).or_else(|| self.organization.map(str::to_owned));
        let organization = organization.ok_or("no organization: name it in the line or with --organization")?;
        let start = filled(fields.start);
        start.map_or(Ok(()), |start| ImportedDigest::check_beginning(self.prefix, &start)).map_err(in_words)?;
        let digest = match (fields.format.parse().map_err(in_words)?, filled(fields.handle)) {
            (ImportFormat::PrefixedApiKey, Some(handle)) => {
                ImportedDigest::prefixed_api_key(self.prefix, &handle, &fields.digest)
            }
            (ImportFormat::PrefixedApiKey, None) => return Err("the format prefixed-api-key needs a handle".to_owned()),
            (_, Some(_)) => return Err("only the format prefixed-api-key has a handle".to_owned()),
            (ImportFormat::Sha256, None) => ImportedDigest::sha256(&fields.digest),
            (ImportFormat::Sha512, None) => ImportedDigest::sha512(&fields.digest),
            (other, None) => return Err(format!("the format {other} cannot be read from a file")),
        };
        Ok(Entry {
            line,
            organization,
            environment: fields.environment.parse().map_err(in_words)?,
            name: filled(fields.name).map(|name| name.parse()).transpose().map_err(in_words)?,
            digest: digest.map_err(in_words)?,
            created_at: filled(fields.created_at).map(|time| time.parse()).transpose().map_err(in_words)?,
        })
    }
}

fn in_words(error: impl ToString) -> String {
    error.to_string()
}

/// Returns the text unless it is empty, as a cell of a CSV file may be.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

type Lines = Vec<(u64, Result<Fields, String>)>;

fn json_lines(text: &str) -> Lines {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| (number, serde_json::from_str(line).map_err(|error| unread(&error)))).collect()
}

fn csv_lines(text: &str) -> Lines {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return vec![(1, Err("no header".to_owned()))] };
    let line = |record: &csv::StringRecord| record.position().map_or(1, csv::Position::line);
    let records = reader.records().map(|record| match record {
        Ok(record) => (line(&record), record.deserialize(Some(&header)).map_err(|error| unread(&error))),
        Err(error) => (error.position().map_or(1, csv::Position::line), Err(unread(&error))),
    });
    records.collect()
}

/// Returns a reader's message if it names fields only. Other messages may contain a line's values.
fn unread(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let named = ["unknown field", "missing field", "duplicate field"].into_iter().find_map(|what| text.find(what));
    let message = named.and_then(|place| text.get(place..)).and_then(|message| message.split(" at line").next());
    message.map_or_else(|| "not a key: each line has fields with texts".to_owned(), str::to_owned)
}
