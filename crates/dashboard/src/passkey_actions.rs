//! Signing in by a passkey, and the passkeys of the operator who is signed in.

use bytes::Bytes;
use doorward_auth::{ChangeRequest, OperatorPrincipal};
use doorward_types::Name;
use http::header::SET_COOKIE;
use http::request;

use crate::form::Form;
use crate::guard;
use crate::page_error::PageError;
use crate::pages::said::FormOutcome;
use crate::passkey_error::PasskeyError;
use crate::passkeys::{Begun, LIFETIME, Signed};
use crate::reply::{self, Reply, sentence};
use crate::state::Parts;

/// Returns what the browser needs to ask a device for a passkey of any operator.
pub(crate) fn begin_sign_in(parts: &Parts) -> Result<Reply, PageError> {
    let core = parts.verifier.core();
    Ok(options(parts.relying_party()?.begin_sign_in(&**core.random(), core.clock().now())?))
}

/// Signs in the operator whose passkey has signed this browser's challenge.
pub(crate) async fn sign_in(parts: &Parts, head: &request::Parts, form: &Form) -> Result<Reply, PageError> {
    let party = parts.relying_party()?;
    let open = party.sign_in(&head.headers, parts.verifier.core().clock().now())?;
    let signed = Signed::read(form.get("credential").unwrap_or_default())?;
    let found = parts.operators.passkey(&signed.passkey()).await?;
    let (passkey, operator) = found.ok_or(PasskeyError::Unknown)?;
    let checked = party.check(&open, &signed, &passkey);
    // Nobody but the device gets here. A form that is sent twice is no sign of a copy, although the count stands still.
    let is_signed = matches!(checked, Ok(_) | Err(PasskeyError::Counter(_)));
    if is_signed && !parts.operators.spend_challenge(open.challenge, LIFETIME).await? {
        return Err(PasskeyError::NotBegun.into());
    }
    if let Err(PasskeyError::Counter(_)) = checked {
        let (operator_id, passkey) = (&operator.id, &passkey.id);
        tracing::error!(%operator_id, passkey, "a passkey counted fewer signatures than before: it may be copied");
    }
    if !parts.operators.use_passkey(&passkey, checked?).await? {
        return Err(PasskeyError::NotBegun.into());
    }
    #[expect(clippy::disallowed_methods, reason = "the operator's passkey has signed the challenge of this browser")]
    let session = parts.operators.sign_in_as(&operator, guard::visit(head)).await?;
    Ok(guard::start_session(parts, head, &session))
}

/// Returns what the browser needs to have a device make a passkey.
pub(crate) async fn begin_adding(parts: &Parts, who: &OperatorPrincipal) -> Result<Reply, PageError> {
    let (party, core) = (parts.relying_party()?, parts.verifier.core());
    let operator = parts.operators.by_principal(who).await?;
    let known = parts.operators.passkeys(who, operator.id).await?;
    let begun = party.begin_adding(&operator, &known, &**core.random(), core.clock().now());
    Ok(options(begun.map_err(PageError::NoPasskey)?))
}

/// Adds the passkey that a device has made.
pub(crate) async fn add(
    parts: &Parts,
    head: &request::Parts,
    form: &Form,
    request: &ChangeRequest,
) -> Result<FormOutcome, PageError> {
    let operator = parts.operators.by_principal(request.operator()).await?;
    let name: Name = match form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return Ok(FormOutcome::warning(format!("Nothing was added: {error}."))),
    };
    let party = parts.relying_party()?;
    let open = party.adding(&head.headers, parts.verifier.core().clock().now());
    let text = form.get("credential").unwrap_or_default();
    let made = open.and_then(|open| Ok((party.made(&open, operator.id, text)?, open)));
    let (made, open) = match made {
        Ok(made) => made,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a passkey was not added");
            return Ok(FormOutcome::warning(sentence(&format!("nothing was added: {error}"))));
        }
    };
    if !parts.operators.spend_challenge(open.challenge, LIFETIME).await? {
        return Ok(FormOutcome::warning(sentence(&format!("nothing was added: {}", PasskeyError::NotBegun))));
    }
    let added = parts.operators.add_passkey(made.id, name, made.credential, request).await?;
    Ok(FormOutcome::notice(format!("The passkey “{}” is added: it signs you in from now on.", added.name)))
}

/// Removes a passkey of the operator who asks.
pub(crate) async fn remove(parts: &Parts, form: &Form, request: &ChangeRequest) -> Result<FormOutcome, PageError> {
    let removed = parts.operators.remove_passkey(form.get("passkey").unwrap_or_default(), request).await?;
    Ok(FormOutcome::notice(format!(
        "The passkey “{}” is removed here, and signs nobody in. Your device may still offer it: delete it there too.",
        removed.name
    )))
}

fn options(begun: Begun) -> Reply {
    let mut reply = reply::json(Bytes::from(begun.options));
    reply.headers_mut().insert(SET_COOKIE, begun.cookie);
    reply
}
