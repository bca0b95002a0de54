//! Failed commands, and their exit statuses.

use std::error::Error;
use std::io::ErrorKind;
use std::iter::successors;
use std::path::Path;
use std::process::ExitCode;

use doorward::api::{Code, problem};
use doorward::auth::{ManageError, StartError};
use doorward::http::Problem;
use doorward::secret_files::KeyFileError;
use doorward::store::StoreError;
use doorward::types::Causes;

/// A command that was not carried out.
#[derive(Debug)]
pub struct CliError {
    problem: Box<Problem>,
    status: u8,
    cause: Option<String>,
    told: bool,
    quiet: bool,
}

impl CliError {
    fn new(code: Code, detail: String, status: u8) -> Self {
        Self { problem: Box::new(Problem::new(code, detail)), status, cause: None, told: false, quiet: false }
    }

    fn of_problem(problem: Problem, cause: Option<String>) -> Self {
        Self { status: status_of(&problem), problem: Box::new(problem), cause, told: false, quiet: false }
    }

    /// Exit status 1.
    #[must_use]
    pub fn failed(detail: String) -> Self {
        Self::new(Code::Internal, detail, 1)
    }

    /// A file cannot be read, written or used: exit status 4 if the operating system forbids it, else 1.
    #[must_use]
    pub fn of_file(what: &str, path: &Path, error: &(dyn Error + 'static)) -> Self {
        Self::new(Code::Internal, format!("{} cannot be {what}: {error}", path.display()), status_of_cause(error))
    }

    /// Exit status 1, for a failure that the printed document describes already.
    #[must_use]
    pub fn told(detail: &str) -> Self {
        Self::failed(detail.to_owned()).into_told()
    }

    /// The same failure, which the printed document describes already.
    #[must_use]
    pub fn into_told(self) -> Self {
        Self { told: true, ..self }
    }

    /// The same failure with another exit status.
    #[must_use]
    pub fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// Returns whether the printed document describes the failure already.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.told
    }

    /// The reader of standard output has ended, as `head` does. Nothing is said, and the exit status is 0: the reader has what
    /// it wants.
    #[must_use]
    pub fn closed_pipe() -> Self {
        let closed = Self::new(Code::Internal, "the reader of standard output has ended".to_owned(), 0);
        Self { quiet: true, ..closed }
    }

    /// The command was carried out, and its exit status is a part of its answer. Nothing more is said.
    #[must_use]
    pub fn answered(status: u8) -> Self {
        Self { quiet: true, ..Self::new(Code::Internal, "the answer is the exit status".to_owned(), status) }
    }

    /// Returns true if nothing is said about this.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Exit status 2.
    #[must_use]
    pub fn usage(detail: String) -> Self {
        Self::new(Code::InvalidRequest, detail, 2)
    }

    /// Exit status 3.
    #[must_use]
    pub fn cancelled(detail: String) -> Self {
        Self::new(Code::InvalidRequest, detail, 3)
    }

    /// Exit status 5.
    #[must_use]
    pub fn not_found(detail: String) -> Self {
        Self::new(Code::NotFound, detail, 5)
    }

    /// Exit status 6.
    #[must_use]
    pub fn conflict(detail: String) -> Self {
        Self::new(Code::Conflict, detail, 6)
    }

    /// Returns the problem that the HTTP API would answer with.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Returns the cause, for the person who runs the store.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Returns the problem as a document, with the cause.
    #[must_use]
    pub fn to_json(&self) -> String {
        let document = self.problem.to_json();
        match (&self.cause, serde_json::from_str(&document)) {
            (Some(cause), Ok(serde_json::Value::Object(mut members))) => {
                members.insert("cause".to_owned(), cause.as_str().into());
                serde_json::Value::Object(members).to_string()
            }
            _ => document,
        }
    }

    /// Returns the exit status of the program.
    #[must_use]
    pub fn status(&self) -> ExitCode {
        self.status.into()
    }
}

/// Returns the exit status for an answer of the HTTP API.
fn status_of(problem: &Problem) -> u8 {
    match problem.code().status().as_u16() {
        404 => 5,
        409 | 422 => 6,
        _ => 1,
    }
}

/// Returns the exit status of a failure that no answer of the HTTP API has.
fn status_of_cause(error: &(dyn Error + 'static)) -> u8 {
    let is_forbidden = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    if successors(Some(error), |cause| (**cause).source()).any(is_forbidden) { 4 } else { 1 }
}

fn causes(error: &dyn Error) -> Option<String> {
    let texts: Vec<_> = successors(error.source(), |cause| (**cause).source()).map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let cause = match &error {
            StoreError::Settings(fault) => return Self::usage(fault.clone()),
            StoreError::ForeignTables { .. } | StoreError::OlderSchema { .. } => {
                return Self::failed(error.to_string());
            }
            StoreError::Corrupt(_)
            | StoreError::Doubtful(_)
            | StoreError::LostChange(_)
            | StoreError::OtherPrefix { .. }
            | StoreError::PrefixUnknown
            | StoreError::UnfinishedCopy
            | StoreError::UnsupportedSchema { .. } => Some(error.to_string()),
            other => causes(other),
        };
        Self::of_problem(problem::of_store(error), cause)
    }
}

impl From<ManageError> for CliError {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::Store(error) => error.into(),
            error => Self::of_problem(problem::of_change(error), None),
        }
    }
}

impl From<KeyFileError> for CliError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Held { .. } => Self::conflict(error.to_string()),
            other => Self::new(Code::Internal, Causes(&other).to_string(), status_of_cause(&other)),
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            other => Self::failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_system_forbids_has_its_own_exit_status() {
        let status = |kind: ErrorKind| {
            let error = std::io::Error::from(kind);
            CliError::of_file("read", Path::new("signing.key"), &error).status
        };
        assert_eq!((status(ErrorKind::PermissionDenied), status(ErrorKind::NotFound)), (4, 1));
        let (path, source) = ("sealing-key".into(), ErrorKind::PermissionDenied.into());
        assert_eq!(CliError::from(KeyFileError::Io { path, what: "written", source }).status, 4);
    }
}
