//! The changes that forms request from the core. Each returns the message for the page.

use doorward_audit::ExportFormat;
use doorward_auth::{
    Allowed, ChangeRequest, CurrentValue, Labelling, ManageError, Minted, Regenerated, Renaming, StagedKey,
};
use doorward_key::OpaqueToken;
use doorward_origin::AllowedOrigin;
use doorward_store::{LogExport, Organization};
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, Name, NameError, OrganizationId};
use http::header::{CONTENT_DISPOSITION, SET_COOKIE};
use http::{HeaderValue, StatusCode, request};

use crate::form::Form;
use crate::page_error::PageError;
use crate::pages::said::{Dialog, FormOutcome, MAX_DELETED, OriginTest, RevealedKey};
use crate::pages::{counted, message};
use crate::reply::{self, Reply, sentence};
use crate::state::Parts;
use crate::{confirmation, cookies, guard, pages};

/// Exchanges a sign-in link for a session.
pub(crate) async fn sign_in(parts: &Parts, head: &request::Parts, token: &str) -> Result<Reply, PageError> {
    let session = match OpaqueToken::presented(token) {
        Some(link) => parts.operators.sign_in(&link, guard::visit(head)).await?,
        None => None,
    };
    Ok(session.map_or_else(|| message::dead_link(parts), |session| guard::start_session(parts, head, &session)))
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
    Ok(FormOutcome::shown(RevealedKey::key("The next production key".to_owned(), text.to_owned(), value, &receipt)))
}

pub(crate) async fn unstage(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let receipt = call.parts.issuer.unstage(call.organization.id, call.request).await?;
    Ok(FormOutcome::dead("The next key is withdrawn.", receipt))
}

/// Kills the current production key.
pub(crate) async fn regenerate(call: &FormCall<'_>, staged: StagedKey) -> Result<FormOutcome, PageError> {
    if let Some(again) = wrong_name(call, Dialog::Regenerate) {
        return Ok(again);
    }
    let regenerated = call.parts.issuer.regenerate(call.organization.id, staged, call.request).await?;
    Ok(replaced(regenerated))
}

/// Kills the current production key and the staged one, since they have leaked. One tick is enough: in a leak, typing costs
/// minutes.
pub(crate) async fn report_leaked(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let again = |error: &str| FormOutcome::again(Dialog::Leaked, error.to_owned(), call.form);
    if !call.form.has("sure") {
        return Ok(again("Nothing was changed: tick the box to go on."));
    }
    let note = match call.form.parsed("note") {
        Ok(note) => note,
        Err(_) => return Ok(again("Nothing was changed: a reason has 1 to 128 printable characters.")),
    };
    Ok(replaced(call.parts.issuer.report_leaked(call.organization.id, note, call.request).await?))
}

fn replaced(regenerated: Regenerated) -> FormOutcome {
    let Regenerated { value, receipt, .. } = regenerated;
    match value {
        CurrentValue::Promoted => {
            FormOutcome::dead("The token is regenerated: the next key has replaced the old key.", receipt)
        }
        CurrentValue::Fresh(value) => {
            let text = format!(
                "The old key is dead everywhere after {} ms. Roll the new key out now.",
                receipt.waited().as_millis()
            );
            FormOutcome::shown(RevealedKey::key("The new production key".to_owned(), text, value, &receipt))
        }
    }
}

pub(crate) async fn create(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let name: Name = match call.form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return Ok(invalid_name(Dialog::Create, &error, call.form)),
    };
    let Minted { key, value, receipt, .. } = call.parts.issuer.create(call.organization.id, name, call.request).await?;
    let text = "It opens the test environment only.".to_owned();
    Ok(FormOutcome::shown(RevealedKey::key(format!("The test key {}", key.name), text, value, &receipt)))
}

/// Changes the name of a key and the note about it.
pub(crate) async fn label(call: &FormCall<'_>, key: AccessKeyId) -> Result<FormOutcome, PageError> {
    let invalid = |what: &str, error: &NameError| {
        Ok(FormOutcome {
            typed: call.form.typed(),
            ..FormOutcome::warning(format!("{what}: {}", sentence(&error.to_string())))
        })
    };
    let name: Name = match call.form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return invalid("The name is invalid", &error),
    };
    let note: Option<Name> = match call.form.get("note").map(str::parse).transpose() {
        Ok(note) => note,
        Err(error) => return invalid("The note is invalid", &error),
    };
    let labelling = Labelling::default().with_name(name).with_note(Some(note));
    match call.parts.issuer.label(call.organization.id, key, labelling, call.request).await {
        Err(ManageError::StateUnchanged) => Ok(FormOutcome::notice("Name and note are so already.".to_owned())),
        labelled => Ok(FormOutcome::notice(format!("Saved. {}", labelled?.receipt))),
    }
}

/// Ends the report that a secret of a key has leaked.
pub(crate) async fn release(call: &FormCall<'_>, key: AccessKeyId) -> Result<FormOutcome, PageError> {
    let secret = call.form.parsed("secret")?.ok_or(PageError::Field("secret"))?;
    let receipt = call.parts.issuer.release(call.organization.id, key, secret, call.request).await?;
    Ok(FormOutcome::notice(format!("The report is ended: the key works. {receipt}")))
}

pub(crate) async fn delete(call: &FormCall<'_>, key: AccessKeyId) -> Result<FormOutcome, PageError> {
    let receipt = call.parts.issuer.delete(call.organization.id, key, call.request).await?;
    Ok(FormOutcome::dead("The test key is deleted.", receipt))
}

/// Deletes the chosen test keys, one after the other. Keys that are gone already are passed over.
pub(crate) async fn delete_many(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let chosen: Result<Vec<AccessKeyId>, _> = call.form.all("key").take(MAX_DELETED).map(str::parse).collect();
    let chosen = chosen.map_err(|_| PageError::Field("key"))?;
    // The form's idempotency key is for one change. A key's id names a deletion as well.
    let request = call.request.clone().with_idempotency_key(None);
    let mut deleted = 0_u64;
    for key in chosen {
        match call.parts.issuer.delete(call.organization.id, key, &request).await {
            Ok(_) => deleted += 1,
            Err(ManageError::NoSuchKey) => {}
            Err(error) if deleted == 0 => return Err(error.into()),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "not every chosen key was deleted");
                let done = counted(deleted, "test key");
                return Ok(FormOutcome::warning(format!(
                    "Deleted {done}, and then the store failed: the others are in the list."
                )));
            }
        }
    }
    Ok(FormOutcome::notice(match deleted {
        0 => "Nothing was deleted: choose keys in the list first.".to_owned(),
        _ => format!("Deleted {}. No server accepts them.", counted(deleted, "test key")),
    }))
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
    }))
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
    Ok(FormOutcome::notice(format!("Callbacks no longer go there. {receipt}")))
}

pub(crate) async fn rename(call: &FormCall<'_>) -> Result<FormOutcome, PageError> {
    let name: Name = match call.form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => return Ok(invalid_name(Dialog::Rename, &error, call.form)),
    };
    match call.parts.issuer.rename(call.organization.id, Renaming::default().with_name(name), call.request).await {
        Err(error @ ManageError::NameTaken) => {
            Ok(FormOutcome::again(Dialog::Rename, sentence(&error.to_string()), call.form))
        }
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

fn invalid_name(dialog: Dialog, error: &NameError, form: &Form) -> FormOutcome {
    FormOutcome::again(dialog, sentence(&error.to_string()), form)
}

/// Returns the dialog again if the typed text is neither the organization's name nor the beginning of the current key's locator,
/// which the form names.
fn wrong_name(call: &FormCall<'_>, dialog: Dialog) -> Option<FormOutcome> {
    let (name, typed) = (call.organization.name.as_str(), call.form.get("name").unwrap_or_default());
    let current = call.form.get("seen").and_then(|seen| seen.split(' ').next()?.parse().ok());
    let names_the_key = current.is_some_and(|current| confirmation::is_beginning(typed, current));
    if confirmation::is_name(typed, name) || names_the_key {
        return None;
    }
    let error = match typed {
        "" => format!("Nothing was changed: type {name} to go on."),
        typed => format!("Nothing was changed: “{typed}” is not “{name}”."),
    };
    Some(FormOutcome::again(dialog, error, call.form))
}

/// Exports a whole log while it is read. The export itself is an event, the last in the file.
#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the log")]
pub(crate) async fn export(
    parts: &Parts,
    organization: OrganizationId,
    form: &Form,
    request: &ChangeRequest,
) -> Result<Reply, PageError> {
    let environment: Environment = form.parsed("environment")?.ok_or(PageError::Field("environment"))?;
    let format = form.parsed::<ExportFormat>("format")?.unwrap_or_default();
    let place = parts.scan(request.operator())?;
    let (now, scope) = (parts.verifier.core().clock().now(), request.operator().scope(organization, environment)?);
    let export = LogExport::begin(parts.store.clone(), scope, request.attribution(), now).await?;
    let mut reply = reply::file(format.media_type(), pages::audit::content(export, format, place));
    let of = match organization {
        OrganizationId::INSTALLATION => "installation".to_owned(),
        organization => format!("{organization}-{environment}"),
    };
    let file = format!("attachment; filename=\"audit-{of}.{format}\"");
    if let Ok(file) = HeaderValue::try_from(file) {
        reply.headers_mut().insert(CONTENT_DISPOSITION, file);
    }
    Ok(reply)
}

/// Returns the core's refusal as a message on the page, which shows the current state. A failure gets its own page.
pub(crate) fn refused(fault: PageError) -> Result<FormOutcome, PageError> {
    match fault {
        PageError::Issue(ManageError::AlreadyDone { .. }) => Ok(FormOutcome::warning(
            "This form was already sent, and its change is in effect everywhere. A new value was shown only in the first \
             answer: if it is lost, delete the key or regenerate it."
                .to_owned(),
        )),
        PageError::Issue(ManageError::Store(_) | ManageError::Random(_) | ManageError::NoSuchOrganization) => {
            Err(fault)
        }
        PageError::Issue(error) => Ok(FormOutcome::warning(sentence(&error.to_string()))),
        other => Err(other),
    }
}
