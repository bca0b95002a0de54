//! Authentication first, the method second: an unknown caller learns nothing about paths.

use std::sync::Arc;

use doorward_http::{Problem, Rejection, Visitors};
use http::Response;
use matchit::Params;

use crate::answer::Body;
use crate::backend::BackendCall;
use crate::forward_auth::{self, Profile};
use crate::management::OperatorCall;
use crate::observer::Caller;
use crate::open::OpenCall;
use crate::request_context::RequestContext;
use crate::routes::{Access, Route, allow, find};
use crate::state::State;
use crate::{access, backend, management, open};

/// The reason why a request is not answered by its endpoint, or how the endpoint refuses it.
pub(crate) enum DispatchError {
    /// The path has these methods alone.
    Method(String),
    Problem(Problem),
}

impl From<Problem> for DispatchError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Rejection> for DispatchError {
    fn from(rejection: Rejection) -> Self {
        Self::Problem(Problem::from(&rejection))
    }
}

/// Answers a request. Names the sender in `caller` once the credential is accepted.
pub(crate) async fn answer(
    state: &Arc<State>,
    visitors: Option<&Visitors>,
    access: Access,
    params: &Params<'_, '_>,
    call: RequestContext,
    caller: &mut Option<Caller>,
) -> Result<Response<Body>, DispatchError> {
    match access {
        Access::Open(routes) => {
            let action = allowed(routes.iter(), &call)?.action;
            Ok(open::answer(action, OpenCall { state, params, request: call }).await?)
        }
        Access::AccessKey(routes) => {
            let principal = access::key(state, &call).await?;
            *caller = Some(Caller::from(&principal));
            let action = allowed(routes.iter(), &call)?.action;
            Ok(backend::answer(action, BackendCall { state, principal, params, request: call }).await?)
        }
        Access::Gateway => {
            let profile = params.get("profile").and_then(Profile::named);
            let presented = access::key(state, &call).await;
            *caller = presented.as_ref().ok().map(Caller::from);
            Ok(forward_auth::answer(state, profile, presented, &call)?)
        }
        Access::Operator(routes) => {
            let (operator, action) = match visitors {
                Some(visitors) => {
                    let visitor = access::visitor(visitors, &call)?;
                    let routes = routes.iter().filter(|route| route.action.is_for_visitors());
                    let route = allowed(routes, &call)?;
                    access::check_own_origin(visitors, route, &call)?;
                    (visitor, route.action)
                }
                None => (access::operator(state, &call).await?, allowed(routes.iter(), &call)?.action),
            };
            let operator = &operator;
            *caller = Some(Caller::Operator(operator.actor_id().cloned()));
            Ok(management::answer(action, OperatorCall { state, operator, params, request: call }).await?)
        }
    }
}

fn allowed<'a, A: 'a>(
    routes: impl Iterator<Item = &'a Route<A>> + Clone,
    call: &RequestContext,
) -> Result<&'a Route<A>, DispatchError> {
    find(routes.clone(), &call.head.method).ok_or_else(|| DispatchError::Method(allow(routes)))
}
