//! The problems that failures of the core and of the store are answered with. The reason stays in the operator's log.

use doorward_auth::{CallbackError, ManageError, VerifyError};
use doorward_http::{Problem, Rejection};
use doorward_link::LinkError;
use doorward_store::StoreError;
use doorward_types::Environment;

use crate::code::Code;

const INTERNAL: &str = "the server failed; its operator finds the reason in its log";

/// Returns the problem of a change that was not made.
#[must_use]
pub fn of_change(error: ManageError) -> Problem {
    let detail = error.to_string();
    match error {
        ManageError::AlreadyDone { id } => Problem::new(Code::AlreadyDone, detail).about(id),
        ManageError::AlreadyStaged => Problem::new(Code::AlreadyStaged, detail),
        ManageError::IdempotencyKeyReused => Problem::new(Code::IdempotencyKeyReused, detail),
        ManageError::ProductionKeyRequired => Problem::new(Code::ProductionKeyRequired, detail),
        ManageError::StillInUse { .. } => Problem::new(Code::StillInUse, detail),
        ManageError::ChangedMeanwhile
        | ManageError::ExternalIdTaken
        | ManageError::ImportRevoked
        | ManageError::ImportedElsewhere
        | ManageError::ListFull
        | ManageError::NameTaken
        | ManageError::NotEmpty
        | ManageError::OrganizationClosed
        | ManageError::StateUnchanged => Problem::new(Code::Conflict, detail),
        ManageError::ImportFromFuture | ManageError::NameReserved => Problem::new(Code::InvalidRequest, detail),
        ManageError::NoSuchKey
        | ManageError::NoSuchOperator
        | ManageError::NoSuchOrganization
        | ManageError::NoSuchOrigin
        | ManageError::NothingLost
        | ManageError::NothingStaged => Problem::new(Code::NotFound, detail),
        ManageError::Store(error) => of_store(error),
        _ => Problem::new(Code::Internal, "the server failed; nothing was changed"),
    }
}

/// Returns the problem of a store that failed, without what the engine said.
#[must_use]
pub fn of_store(error: StoreError) -> Problem {
    let failure = error.failure();
    let problem = match error {
        StoreError::Conflict(conflict) => Problem::new(Code::Conflict, conflict.to_string()),
        StoreError::NotFound => Problem::new(Code::NotFound, error.to_string()),
        StoreError::OutcomeUnknown => Problem::new(
            Code::OutcomeUnknown,
            "the store broke while it wrote: whether the change was made is not known; look before you try again",
        ),
        StoreError::Doubtful(_) => Problem::new(
            Code::StoreUnavailable,
            "the store that answers may not be the store that this server started on; nothing was changed, and the \
             server's operator finds the reason in its log",
        ),
        StoreError::Unavailable(_) => {
            Problem::new(Code::StoreUnavailable, "the store cannot be used at the moment, and nothing was changed")
        }
        StoreError::OtherSealingKey => Problem::new(
            Code::StoreUnavailable,
            "this server does not have the newest sealing key: nothing was written, and the server's operator finds the \
             reason in its log",
        ),
        _ => Problem::new(Code::Internal, INTERNAL),
    };
    problem.with_store_failure(failure)
}

/// Returns the problem of a store that failed, and logs what the engine said.
pub(crate) fn store_failed(error: StoreError) -> Problem {
    if matches!(
        error,
        StoreError::Unavailable(_) | StoreError::OutcomeUnknown | StoreError::Corrupt(_) | StoreError::OtherSealingKey
    ) {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
    }
    of_store(error)
}

/// Returns the problem of a change that was not made, and logs what the engine said.
pub(crate) fn change_failed(error: ManageError) -> Problem {
    match error {
        ManageError::Store(error) => store_failed(error),
        other => of_change(other),
    }
}

/// Returns the problem of a URL that may receive no callback.
pub(crate) fn origin_refused(refusal: CallbackError) -> Problem {
    match refusal {
        CallbackError::NotCurrent => Problem::from(&Rejection::Key(VerifyError::NotCurrent)),
        refusal => Problem::new(Code::UnauthorizedOrigin, refusal.to_string()),
    }
}

/// Returns the problem of a link that failed.
pub(crate) fn link_failed(error: LinkError, environment: Environment) -> Problem {
    match error {
        LinkError::NoSuchUser => absent("registered user", environment),
        LinkError::NoSuchConnector => absent("connector", environment),
        LinkError::NoCredential => absent("credential", environment),
        LinkError::NoSuchSession => absent("link session", environment),
        LinkError::NotPending(_) | LinkError::OtherConfirmation | LinkError::OtherUser => {
            Problem::new(Code::Conflict, error.to_string())
        }
        LinkError::Origin(refusal) => origin_refused(refusal),
        LinkError::Store(error) => store_failed(error),
        LinkError::Connector(_) | LinkError::Fragment => Problem::new(Code::InvalidRequest, error.to_string()),
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "a link failed");
            Problem::new(Code::Internal, INTERNAL)
        }
    }
}

/// Returns the problem of a resource that is absent, in this environment or anywhere. There is no other answer.
pub(crate) fn absent(what: &str, environment: Environment) -> Problem {
    Problem::new(Code::NotFound, format!("there is no such {what} in the {environment} environment"))
}
