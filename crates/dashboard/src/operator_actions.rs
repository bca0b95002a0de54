//! The changes of operators that forms request.

use doorward_auth::{ChangeRequest, LINK_LIFETIME, ManageError};
use doorward_store::Operator;
use doorward_types::{Name, OperatorId};
use http::header::HOST;
use http::request;
use http::uri::Authority;

use crate::confirmation;
use crate::form::Form;
use crate::page_error::PageError;
use crate::pages::said::{Dialog, FormOutcome, RevealedKey};
use crate::reply::sentence;
use crate::state::Parts;

/// Adds an operator, and shows the operator's token.
pub(crate) async fn add(parts: &Parts, form: &Form, request: &ChangeRequest) -> Result<FormOutcome, PageError> {
    let again = |error: String| Ok(FormOutcome::again(Dialog::AddOperator, sentence(&error), form));
    let name: Name = match form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return again(format!("{error}")),
    };
    let added = match form.has("by_provider") {
        true => parts.operators.add_by_provider(name, request).await,
        false => parts.operators.add(name, request).await,
    };
    match added {
        Err(error @ (ManageError::NameTaken | ManageError::NameReserved)) => again(error.to_string()),
        added => {
            let added = added?;
            Ok(FormOutcome::shown(RevealedKey::token(&added.operator.name, added.value)))
        }
    }
}

/// Makes a link by which an operator signs in.
pub(crate) async fn link(
    parts: &Parts,
    head: &request::Parts,
    operator: OperatorId,
    request: &ChangeRequest,
) -> Result<FormOutcome, PageError> {
    let operator = find(parts, operator, request).await?;
    let token = parts.operators.login_link(&operator, request).await?;
    let minutes = LINK_LIFETIME.as_secs() / 60;
    let url = format!("{}{}/sign-in/{}", own_origin(parts, head), parts.base, token.expose());
    Ok(FormOutcome::shown(RevealedKey::link(&operator.name, minutes, url)))
}

/// Returns the origin of this page: as the service says that mounts it, or as the browser that sent a form names its host.
/// Browsers send a form of this page with the origin `null`, because the page sends no referrer.
fn own_origin(parts: &Parts, head: &request::Parts) -> String {
    if let Some(origin) = &parts.origin {
        return origin.clone();
    }
    // A request over HTTP/2 names the host in its URL.
    let named = || head.headers.get(HOST)?.to_str().ok()?.parse().ok();
    let host = head.uri.authority().cloned().or_else(named);
    host.map_or_else(String::new, |host| {
        // Elsewhere, a session's cookie needs TLS.
        let is_plain = is_this_machine(&host) && !parts.strict_transport;
        format!("{}://{host}", if is_plain { "http" } else { "https" })
    })
}

fn is_this_machine(host: &Authority) -> bool {
    matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]")
}

/// Ends every session and link of an operator.
pub(crate) async fn sign_out(
    parts: &Parts,
    operator: OperatorId,
    request: &ChangeRequest,
) -> Result<FormOutcome, PageError> {
    let operator = find(parts, operator, request).await?;
    let ended = parts.operators.sign_out_everywhere(&operator, request).await?;
    Ok(FormOutcome::notice(format!(
        "{} is signed out everywhere. Sessions and links that ended: {ended}.",
        operator.name
    )))
}

/// Removes an operator.
pub(crate) async fn remove(
    parts: &Parts,
    operator: OperatorId,
    form: &Form,
    request: &ChangeRequest,
) -> Result<FormOutcome, PageError> {
    let operator = find(parts, operator, request).await?;
    let typed = form.get("name").unwrap_or_default();
    if !confirmation::is_name(typed, operator.name.as_str()) {
        let error = format!("Nothing was changed: type {} to go on.", operator.name);
        return Ok(FormOutcome::again(Dialog::RemoveOperator(operator.id), error, form));
    }
    parts.operators.remove(&operator, request).await?;
    Ok(FormOutcome::notice(format!("{} is removed: the token is dead, and every session has ended.", operator.name)))
}

async fn find(parts: &Parts, id: OperatorId, request: &ChangeRequest) -> Result<Operator, PageError> {
    let found = parts.operators.find(request.operator(), &id.to_string()).await?;
    Ok(found.ok_or(ManageError::NoSuchOperator)?)
}
