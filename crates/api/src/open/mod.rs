//! Endpoints that need no credential.

mod assertion_keys;
mod describe;
mod finish_link;
mod health;
mod readiness;
mod start_link;

use std::sync::Arc;

use doorward_http::Problem;
use doorward_link::Finish;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use matchit::Params;

use crate::Code;
use crate::answer::{Answer, Body};
use crate::call::Call;
use crate::state::State;

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

/// Sends a browser on. The query goes to no log, and the page that comes next does not hear of it.
fn onward(finish: Finish) -> Answer {
    let mut response = match finish {
        Finish::Redirect(url) => {
            let mut response = Response::new(Body::from(""));
            *response.status_mut() = StatusCode::SEE_OTHER;
            let url = HeaderValue::try_from(url);
            let url = url.map_err(|_| Problem::new(Code::Internal, "the callback's URL cannot be a header"))?;
            response.headers_mut().insert(LOCATION, url);
            response
        }
        Finish::Page(status, text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            response
        }
    };
    for (name, value) in
        [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer"), (X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
