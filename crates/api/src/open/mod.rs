//! Endpoints that need no credential.

mod assertion_keys;
mod describe;
mod finish_link;
mod health;
mod onward;
mod readiness;
mod start_link;

use std::sync::Arc;

use matchit::Params;

use crate::answer::Answer;
use crate::call::Call;
use crate::state::State;

pub use self::describe::OPENAPI;

/// The actions of anybody.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named as its file, which documents it")]
pub enum OpenAction {
    AssertionKeys,
    Describe,
    FinishLink,
    Health,
    Readiness,
    StartLink,
}

pub(crate) async fn answer(state: &Arc<State>, action: OpenAction, params: &Params<'_, '_>, call: &Call) -> Answer {
    match action {
        OpenAction::AssertionKeys => assertion_keys::handle(state),
        OpenAction::Describe => Ok(describe::handle()),
        OpenAction::FinishLink => Box::pin(finish_link::handle(state, params, call)).await,
        OpenAction::Health => health::handle(),
        OpenAction::Readiness => readiness::handle(state),
        OpenAction::StartLink => Box::pin(start_link::handle(state, params, call)).await,
    }
}
