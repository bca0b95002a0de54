//! `GET /oauth/start/{token}`: starts a link session in the browser of its user.
//!
//! Answers 303 to the third party with a cookie that binds the browser to the session, or a plain page that says why not.

use doorward_link::Start;
use http::header::SET_COOKIE;

use super::onward::onward;
use super::open_call::OpenCall;
use crate::answer::HandlerResult;

pub(super) async fn handle(call: OpenCall<'_>) -> HandlerResult {
    let token = call.params.get("token").unwrap_or_default();
    let Start { finish, cookie, .. } = call.state.linker()?.start(token, &call.request.head.headers).await;
    let mut response = onward(finish)?;
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}
