//! Authentication: the holder of an access key, an operator, or a visitor.

use doorward_auth::{OperatorPrincipal, OperatorTokenError, Principal};
use doorward_http::{CredentialError, Problem, Rejection, RequestHead, Visitors, credential};

use crate::code::Code;
use crate::problem::of_store;
use crate::request_context::RequestContext;
use crate::routes::Route;
use crate::state::State;

pub(crate) async fn key(state: &State, call: &RequestContext) -> Result<Principal, Rejection> {
    let asked = RequestHead::from(&*call.head).named(call.source(), call.id);
    match state.strict {
        true => Box::pin(state.layer.authenticate_strictly(asked)).await,
        false => state.layer.authenticate(asked),
    }
}

/// Returns the host's user who sent the request.
pub(crate) fn visitor(visitors: &Visitors, call: &RequestContext) -> Result<OperatorPrincipal, Problem> {
    visitors.principal(&call.head).ok_or_else(|| Problem::new(Code::MissingCredential, "sign in first"))
}

/// Checks that no other site made the visitor's browser send a request that changes something.
pub(crate) fn check_own_origin<A>(visitors: &Visitors, route: &Route<A>, call: &RequestContext) -> Result<(), Problem> {
    let detail = "a page of this origin did not send the request, or the browser does not say so; nothing was changed";
    if !route.is_safe() && visitors.is_forged(&call.head) { Err(Problem::new(Code::CrossSite, detail)) } else { Ok(()) }
}

pub(crate) async fn operator(state: &State, call: &RequestContext) -> Result<OperatorPrincipal, Problem> {
    let token = credential(&call.head.headers).map_err(|fault| match fault {
        CredentialError::Missing => Problem::new(
            Code::MissingCredential,
            "send an operator's token in the header `Authorization: Bearer dwo_…`; `doorward operator create NAME` makes one",
        ),
        fault => Problem::from(&Rejection::Credential(fault)),
    })?;
    state.desk.authenticate(token).await.map_err(|refusal| {
        if !matches!(refusal, OperatorTokenError::Store(_)) {
            state.observer.operator_refused(call.sender.address);
        }
        match refusal {
            OperatorTokenError::Malformed(_) => Problem::new(
                Code::MalformedCredential,
                "this is not an operator's token, which starts with dwo_; access keys do not open the management side",
            ),
            OperatorTokenError::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an operator's token could not be looked up");
                of_store(error)
            }
            _ => Problem::new(Code::InvalidCredential, "no such operator's token is in force"),
        }
    })
}
