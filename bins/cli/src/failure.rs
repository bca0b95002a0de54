//! What went wrong, and the exit status that says so.

use std::process::ExitCode;

use doorward::api::{Code, problem};
use doorward::auth::{IssueError, StartError};
use doorward::http::Problem;
use doorward::store::StoreError;

/// A command that was not carried out.
#[derive(Debug)]
pub struct Failure {
    problem: Box<Problem>,
    status: u8,
    cause: Option<String>,
    told: bool,
}

impl Failure {
    /// Exit status 1.
    #[must_use]
    pub fn failed(detail: String) -> Self {
        Self { problem: Box::new(Problem::new(Code::Internal, detail)), status: 1, cause: None, told: false }
    }

    /// Exit status 1, of what the document that was printed says already.
    #[must_use]
    pub fn told(detail: &str) -> Self {
        Self { told: true, ..Self::failed(detail.to_owned()) }
    }

    /// Whether the document that was printed says it already.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.told
    }

    /// Exit status 2.
    #[must_use]
    pub fn usage(detail: String) -> Self {
        Self { problem: Box::new(Problem::new(Code::InvalidRequest, detail)), status: 2, cause: None, told: false }
    }

    /// Exit status 3.
    #[must_use]
    pub fn cancelled(detail: String) -> Self {
        Self { problem: Box::new(Problem::new(Code::InvalidRequest, detail)), status: 3, cause: None, told: false }
    }

    /// Exit status 5.
    #[must_use]
    pub fn not_found(detail: String) -> Self {
        Self { problem: Box::new(Problem::new(Code::NotFound, detail)), status: 5, cause: None, told: false }
    }

    /// Exit status 6.
    #[must_use]
    pub fn conflict(detail: String) -> Self {
        Self { problem: Box::new(Problem::new(Code::Conflict, detail)), status: 6, cause: None, told: false }
    }

    /// The same problem as the HTTP API would answer with.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What lies behind it, for whoever runs the store.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// How the program exits.
    #[must_use]
    pub fn status(&self) -> ExitCode {
        self.status.into()
    }
}

/// Exit status by what the HTTP API would answer.
fn status_of(problem: &Problem) -> u8 {
    match problem.code().status().as_u16() {
        404 => 5,
        409 | 422 => 6,
        _ => 1,
    }
}

fn causes(error: &dyn std::error::Error) -> Option<String> {
    let texts: Vec<_> =
        std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause = match &error {
            StoreError::Corrupt(_)
            | StoreError::Doubtful(_)
            | StoreError::LostChange(_)
            | StoreError::OtherPrefix { .. }
            | StoreError::PrefixUnknown
            | StoreError::Unfinished
            | StoreError::UnsupportedSchema { .. } => Some(error.to_string()),
            other => causes(other),
        };
        let problem = Box::new(problem::of_store(error));
        Self { status: status_of(&problem), problem, cause, told: false }
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            error => {
                let problem = Box::new(problem::of_change(error));
                Self { status: status_of(&problem), problem, cause: None, told: false }
            }
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            other => Self::failed(other.to_string()),
        }
    }
}
