//! First who asks, then whether the path has such a method: an unknown caller learns nothing about paths.

use std::sync::Arc;

use doorward_http::{Problem, Rejection};
use http::Response;
use matchit::Params;

use crate::answer::Body;
use crate::call::Call;
use crate::forward_auth::{self, Profile};
use crate::routes::{Access, Route, allow, find};
use crate::state::State;
use crate::{access, backend, management, open};

/// The reason why a request is not answered by its endpoint, or how the endpoint refuses it.
pub(crate) enum Refused {
    /// The path has these methods alone.
    Method(String),
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Problem(Problem::from(&rejection))
    }
}

pub(crate) async fn answer(
    state: &Arc<State>,
    access: Access,
    params: &Params<'_, '_>,
    call: Call,
) -> Result<Response<Body>, Refused> {
    match access {
        Access::Open(routes) => {
            let action = allowed(routes, &call)?;
            Ok(open::answer(state, action, params, &call).await?)
        }
        Access::AccessKey(routes) => {
            let principal = access::key(state, &call).await?;
            let action = allowed(routes, &call)?;
            Ok(backend::answer(state, action, principal, params, call).await?)
        }
        Access::Gateway => {
            let profile = params.get("profile").and_then(Profile::named);
            let presented = access::key(state, &call).await;
            Ok(forward_auth::answer(state, profile, presented, &call)?)
        }
        Access::Operator(routes) => {
            let management = access::operator(state, &call).await?;
            let action = allowed(routes, &call)?;
            // Large and rare.
            Ok(Box::pin(management::answer(state, action, &management, params, call)).await?)
        }
    }
}

fn allowed<A: Copy>(routes: &[Route<A>], call: &Call) -> Result<A, Refused> {
    find(routes, &call.head.method).ok_or_else(|| Refused::Method(allow(routes)))
}
