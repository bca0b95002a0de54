//! The findings with what the store says of them.

use doorward::types::{Environment, Timestamp};
use doorward_scan::{Finding, Unread};
use serde::Serialize;

use super::state::{Answer, Owner, State};

/// The exit statuses of a value that may be in force, and of a search that could not look at everything.
const FOUND: u8 = 1;
const INCOMPLETE: u8 = 2;

/// The findings, and what could not be looked at.
#[derive(Serialize)]
pub(super) struct Document {
    pub(super) findings: Vec<Row>,
    pub(super) unread: Vec<UnreadRow>,
    /// The number of texts that were looked at: files, and files in archives and histories.
    pub(super) texts: u64,
}

/// A finding, with what the store knows of it.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) file: String,
    /// The files within an archive, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<String>,
    /// The line, counted from 1; 0 if the value is in the name of the file.
    pub(super) line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<String>,
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<Environment>,
    pub(super) locator: String,
    pub(super) encoding: &'static str,
    pub(super) state: State,
    /// The organization of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization: Option<Owner>,
    /// The operator of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operator: Option<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retired_at: Option<Timestamp>,
    /// The place for people.
    #[serde(skip)]
    pub(super) place: String,
}

/// A text that could not be looked at.
#[derive(Serialize)]
pub(super) struct UnreadRow {
    pub(super) file: String,
    pub(super) fault: String,
}

impl Row {
    pub(super) fn new(finding: &Finding, answer: Answer) -> Self {
        let Finding { place, sighting, .. } = finding;
        Self {
            file: place.file.clone(),
            members: place.members.clone(),
            line: sighting.line,
            commit: place.commit.clone(),
            kind: sighting.kind.as_str(),
            environment: sighting.kind.environment(),
            locator: sighting.locator.to_string(),
            encoding: sighting.encoding.as_str(),
            state: answer.state,
            organization: answer.organization,
            operator: answer.operator,
            retired_at: answer.retired_at,
            place: place.to_string(),
        }
    }
}

impl From<&Unread> for UnreadRow {
    fn from(unread: &Unread) -> Self {
        Self { file: unread.place.to_string(), fault: unread.fault.clone() }
    }
}

impl Document {
    /// Returns the exit status. `is_commit` is for a commit that is not made yet: no value may go into it, but a dead one.
    pub(super) fn status(&self, is_commit: bool) -> u8 {
        let counts = |row: &Row| row.state.is_dangerous() || (is_commit && row.state == State::Unknown);
        match (self.unread.is_empty(), self.findings.iter().any(counts)) {
            (false, _) => INCOMPLETE,
            (true, true) => FOUND,
            (true, false) => 0,
        }
    }
}
