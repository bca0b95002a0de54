//! `GET /oauth/start/{token}`: starts a link session in the browser of its user.
//!
//! Answers 303 to the third party with a cookie that binds the browser to the session, or a plain page that says why not.

use doorward_link::Start;
use http::header::SET_COOKIE;
use matchit::Params;

use super::onward::onward;
use crate::answer::Answer;
use crate::call::Call;
use crate::state::State;

pub(super) async fn handle(state: &State, params: &Params<'_, '_>, call: &Call) -> Answer {
    let token = params.get("token").unwrap_or_default();
    let Start { finish, cookie } = state.linker.start(token, &call.head.headers).await;
    let mut response = onward(finish)?;
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}
