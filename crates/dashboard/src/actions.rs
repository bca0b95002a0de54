//! The changes that forms request from the core. Each returns the message for the page.

use doorward_audit::ExportFormat;
use doorward_auth::{Allowed, ChangeRequest, CurrentValue, ManageError, Minted, Regenerated, Renaming, StagedKey};
use doorward_key::OpaqueToken;
use doorward_origin::AllowedOrigin;
use doorward_store::{LogExport, Organization};
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, Name, NameError};
use http::header::{CONTENT_DISPOSITION, SET_COOKIE};
use http::{HeaderValue, StatusCode, request};

use crate::form::Form;
use crate::page_error::PageError;
use crate::pages::message;
use crate::pages::said::{Dialog, FormOutcome, OriginTest, RevealedKey};
use crate::reply::{self, Reply, sentence};
use crate::state::Parts;
use crate::{cookies, guard, pages};

/// Exchanges a sign-in link for a session.
pub(crate) async fn sign_in(parts: &Parts, head: &request::Parts, token: &str) -> Result<Reply, PageError> {
    let session = match OpaqueToken::presented(token) {
        Some(link) => parts.operators.sign_in(&link, guard::visit(head)).await?,
        None => None,
    };
    Ok(session.map_or_else(|| message::dead_link(parts), |session| guard::start_session(parts, &session)))
}

/// Ends the session, if there is one.
pub(crate) async fn sign_out(parts: &Parts, head: &request::Parts) -> Result<Reply, PageError> {
    if let Some(session) = cookies::session(&head.headers) {
        parts.operators.sign_out(&session, guard::visit(head)).await?;
    }
    let mut reply = reply::page(StatusCode::OK, &message::signed_out(parts));
    reply.headers_mut().insert(SET_COOKIE, cookies::no_cookie());
    Ok(reply)
}

/// A form that an operator sent from the page of an organization.
pub(crate) struct FormCall<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) organization: &'a Organization,
    pub(crate) form: &'a Form,
    pub(crate) request: &'a ChangeRequest,
}

pub(crate) async fn stage(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let Minted { value, receipt, .. } = call.parts.issuer.stage(call.organization.id, call.request).await?;
    let text = "It works beside the current key from now on. Roll it out everywhere, then regenerate the token.";
    let (title, text) = ("The next production key".to_owned(), text.to_owned());
    Ok(FormOutcome::shown(RevealedKey { title, text, value, receipt }))
}

pub(crate) async fn unstage(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let receipt = call.parts.issuer.unstage(call.organization.id, call.request).await?;
    Ok(FormOutcome::dead("The next key is withdrawn.", receipt))
}

/// Kills the current production key, and the staged one too if it leaked.
pub(crate) async fn regenerate(call: &FormCall<'_>, staged: StagedKey) -> Result<FormOutcome, PageError> {
    if let Some(again) = wrong_name(call, Dialog::regenerate(staged)) {
        return Ok(again);
    }
    let regenerated = call.parts.issuer.regenerate(call.organization.id, staged, call.request).await?;
    let Regenerated { value, receipt, .. } = regenerated;
    Ok(match value {
        CurrentValue::Promoted => {
            FormOutcome::dead("The token is regenerated: the next key has replaced the old key.", receipt)
        }
        CurrentValue::Fresh(value) => FormOutcome::shown(RevealedKey {
            title: "The new production key".to_owned(),
            text: format!(
                "The old key is dead everywhere after {} ms. Roll the new key out now.",
                receipt.waited().as_millis()
            ),
            value,
            receipt,
        }),
    })
}

pub(crate) async fn create(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let name: Name = match call.form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return Ok(FormOutcome::again(Dialog::Create, sentence(&NameError::to_string(&error)))),
    };
    let Minted { key, value, receipt, .. } = call.parts.issuer.create(call.organization.id, name, call.request).await?;
    let title = format!("The test key {}", key.name);
    let text = "It opens the test environment only.".to_owned();
    Ok(FormOutcome::shown(RevealedKey { title, text, value, receipt }))
}

pub(crate) async fn delete(call: &FormCall<'_>, key: AccessKeyId) -> Result<FormOutcome, PageError> {
    let receipt = call.parts.issuer.delete(call.organization.id, key, call.request).await?;
    Ok(FormOutcome::dead("The test key is deleted.", receipt))
}

pub(crate) async fn allow_origin(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let text = call.form.get("origin").unwrap_or_default();
    let origin = match AllowedOrigin::parse(text, call.parts.custom_schemes) {
        Ok(origin) => origin,
        Err(error) => {
            let refused = Some((text.to_owned(), sentence(&error.to_string())));
            return Ok(FormOutcome { refused_origin: refused, ..FormOutcome::default() });
        }
    };
    let Allowed { entry, receipt, .. } =
        call.parts.issuer.allow_origin(call.organization.id, origin, call.request).await?;
    Ok(FormOutcome::notice(match receipt {
        None => format!("{} was on the list already.", entry.origin),
        Some(receipt) => format!("Callbacks may go to {} now. {receipt}", entry.origin),
    })
    .beside_origins())
}

/// Checks whether a callback may go to a URL, exactly as for a real callback.
pub(crate) fn check_origin(call: &FormCall<'_>) -> FormOutcome {
    let url = call.form.get("url").unwrap_or_default();
    let (allowed, text) = match call.parts.verifier.check_origin(call.organization.id, url) {
        Ok(entry) => (true, format!("Yes: the entry {entry} allows it.")),
        Err(refusal) => (false, format!("No. {}", sentence(&refusal.to_string()))),
    };
    FormOutcome { tried: Some(OriginTest { url: url.to_owned(), allowed, text }), ..FormOutcome::default() }
}

pub(crate) async fn disallow_origin(call: &FormCall<'_>, entry: AllowedOriginId) -> Result<FormOutcome, PageError> {
    let receipt = call.parts.issuer.disallow_origin(call.organization.id, entry, call.request).await?;
    Ok(FormOutcome::notice(format!("Callbacks no longer go there. {receipt}")).beside_origins())
}

pub(crate) async fn rename(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let name: Name = match call.form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return Ok(FormOutcome::again(Dialog::Rename, sentence(&NameError::to_string(&error)))),
    };
    match call.parts.issuer.rename(call.organization.id, Renaming::default().with_name(name), call.request).await {
        Err(error @ ManageError::NameTaken) => Ok(FormOutcome::again(Dialog::Rename, sentence(&error.to_string()))),
        renamed => {
            let renamed = renamed?;
            Ok(FormOutcome::notice(format!("The name is {} now. {}", renamed.organization.name, renamed.receipt)))
        }
    }
}

pub(crate) async fn suspend(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let suspended = call.parts.issuer.suspend(call.organization.id, None, call.request).await?;
    Ok(FormOutcome::notice(format!("The organization is suspended: all its keys are refused. {}", suspended.receipt)))
}

pub(crate) async fn resume(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let resumed = call.parts.issuer.resume(call.organization.id, call.request).await?;
    Ok(FormOutcome::notice(format!("The organization is resumed: its keys work again. {}", resumed.receipt)))
}

pub(crate) async fn close(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    if let Some(again) = wrong_name(call, Dialog::Close) {
        return Ok(again);
    }
    let closed = call.parts.issuer.close(call.organization.id, call.parts.erase_after, call.request).await?;
    Ok(FormOutcome::dead("The organization is closed.", closed.receipt))
}

/// Returns the dialog again if the typed name is not the organization's name.
fn wrong_name(call: &FormCall<'_>, dialog: Dialog) -> Option<FormOutcome> {
    let name = &call.organization.name;
    let error = || format!("The name does not match. Type {name} to go on; nothing was changed.");
    (call.form.get("name") != Some(name.as_str())).then(|| FormOutcome::again(dialog, error()))
}

/// Exports a whole log while it is read. The export itself is an event, the last in the file.
#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the log")]
pub(crate) async fn export(call: &FormCall<'_>) -> Result<Reply, PageError> {
    let FormCall { parts, form, request, .. } = call;
    let organization = call.organization.id;
    let environment: Environment = form.parsed("environment")?.ok_or(PageError::Field("environment"))?;
    let format = form.parsed::<ExportFormat>("format")?.unwrap_or_default();
    let place = parts.scan(request.operator())?;
    let (now, scope) = (parts.verifier.core().clock().now(), request.operator().scope(organization, environment)?);
    let export = LogExport::begin(parts.store.clone(), scope, request.attribution(), now).await?;
    let mut reply = reply::file(format.media_type(), pages::audit::content(export, format, place));
    let file = format!("attachment; filename=\"audit-{organization}-{environment}.{format}\"");
    if let Ok(file) = HeaderValue::try_from(file) {
        reply.headers_mut().insert(CONTENT_DISPOSITION, file);
    }
    Ok(reply)
}

/// Returns the core's refusal as a message on the page, which shows the current state. A failure gets its own page.
pub(crate) fn refused(fault: PageError) -> Result<FormOutcome, PageError> {
    match fault {
        PageError::Issue(ManageError::AlreadyDone { .. }) => Ok(FormOutcome::warning(
            "This was already done, and is in effect everywhere. A new value is shown only in the first answer."
                .to_owned(),
        )),
        PageError::Issue(ManageError::Store(_) | ManageError::Random(_) | ManageError::NoSuchOrganization) => {
            Err(fault)
        }
        PageError::Issue(error) => Ok(FormOutcome::warning(sentence(&error.to_string()))),
        other => Err(other),
    }
}
