//! What forms change, through the core. Each comes back with what the page then says.

use doorward_audit::ExportFormat;
use doorward_auth::{Allowed, ChangeRequest, CurrentValue, IssueError, Regenerated, StagedKey};
use doorward_key::OpaqueToken;
use doorward_origin::AllowedOrigin;
use doorward_store::{LogExport, Organization};
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, Name, NameError, OrganizationId};
use http::header::{CONTENT_DISPOSITION, SET_COOKIE};
use http::{HeaderValue, StatusCode, request};

use crate::fault::Fault;
use crate::form::Form;
use crate::pages::message;
use crate::pages::said::{Dialog, Said, Shown, Tried};
use crate::reply::{self, Reply, sentence};
use crate::state::Parts;
use crate::{cookies, guard, pages};

/// Takes a link for a session.
pub(crate) async fn sign_in(parts: &Parts, head: &request::Parts, token: &str) -> Result<Reply, Fault> {
    let session = match OpaqueToken::presented(token) {
        Some(link) => parts.desk.sign_in(&link, guard::visit(head)).await?,
        None => None,
    };
    Ok(session.map_or_else(|| message::dead_link(parts), |session| guard::let_in(parts, &session)))
}

/// Ends the session, if there is one.
pub(crate) async fn sign_out(parts: &Parts, head: &request::Parts) -> Result<Reply, Fault> {
    if let Some(session) = cookies::session(&head.headers) {
        parts.desk.sign_out(&session, guard::visit(head)).await?;
    }
    let mut reply = reply::page(StatusCode::OK, &message::signed_out(parts));
    reply.headers_mut().insert(SET_COOKIE, cookies::no_cookie());
    Ok(reply)
}

pub(crate) async fn stage(parts: &Parts, organization: OrganizationId, request: &ChangeRequest) -> Result<Said, Fault> {
    let staged = match parts.issuer.stage(organization, request).await {
        Err(error) => return refused(error),
        Ok(staged) => staged,
    };
    Ok(Said::shown(Shown {
        title: "The next production key".to_owned(),
        text: "It works beside the current one from now on. Roll it out everywhere, then regenerate the token."
            .to_owned(),
        value: staged.value,
        receipt: staged.receipt,
    }))
}

pub(crate) async fn unstage(
    parts: &Parts,
    organization: OrganizationId,
    request: &ChangeRequest,
) -> Result<Said, Fault> {
    match parts.issuer.unstage(organization, request).await {
        Err(error) => refused(error),
        Ok(receipt) => Ok(Said::dead("The next key is withdrawn.", receipt)),
    }
}

/// Kills the current production key, and the staged one too if it leaked.
pub(crate) async fn regenerate(
    parts: &Parts,
    organization: &Organization,
    staged: StagedKey,
    form: &Form,
    request: &ChangeRequest,
) -> Result<Said, Fault> {
    let name = &organization.name;
    if form.get("name") != Some(name.as_str()) {
        let error = format!("That is not its name. Type {name} to go on; nothing was changed.");
        return Ok(Said { again: Some(Dialog::regenerate(staged)), error: Some(error), ..Said::default() });
    }
    let Regenerated { value, receipt, .. } = match parts.issuer.regenerate(organization.id, staged, request).await {
        Err(error) => return refused(error),
        Ok(regenerated) => regenerated,
    };
    Ok(match value {
        CurrentValue::Promoted => {
            Said::dead("The token is regenerated: the next key took the old one's place.", receipt)
        }
        CurrentValue::Fresh(value) => Said::shown(Shown {
            title: "The new production key".to_owned(),
            text: format!(
                "The old one is dead everywhere after {} ms. Roll this one out now.",
                receipt.waited().as_millis()
            ),
            value,
            receipt,
        }),
    })
}

pub(crate) async fn create(
    parts: &Parts,
    organization: OrganizationId,
    form: &Form,
    request: &ChangeRequest,
) -> Result<Said, Fault> {
    let name: Name = match form.get("name").unwrap_or_default().parse() {
        Ok(name) => name,
        Err(error) => {
            let error: NameError = error;
            let error = Some(sentence(&error.to_string()));
            return Ok(Said { again: Some(Dialog::Create), error, ..Said::default() });
        }
    };
    match parts.issuer.create(organization, name, request).await {
        Err(error) => refused(error),
        Ok(created) => Ok(Said::shown(Shown {
            title: format!("The test key {}", created.key.name),
            text: "It opens the test environment, and nothing of production.".to_owned(),
            value: created.value,
            receipt: created.receipt,
        })),
    }
}

pub(crate) async fn delete(
    parts: &Parts,
    organization: OrganizationId,
    key: AccessKeyId,
    request: &ChangeRequest,
) -> Result<Said, Fault> {
    match parts.issuer.delete(organization, key, request).await {
        Err(error) => refused(error),
        Ok(receipt) => Ok(Said::dead("The test key is deleted.", receipt)),
    }
}

pub(crate) async fn allow_origin(
    parts: &Parts,
    organization: OrganizationId,
    form: &Form,
    request: &ChangeRequest,
) -> Result<Said, Fault> {
    let text = form.get("origin").unwrap_or_default();
    let origin = match AllowedOrigin::parse(text, parts.custom_schemes) {
        Ok(origin) => origin,
        Err(error) => {
            let refused = Some((text.to_owned(), sentence(&error.to_string())));
            return Ok(Said { refused_origin: refused, ..Said::default() });
        }
    };
    match parts.issuer.allow_origin(organization, origin, request).await {
        Err(error) => refused(error),
        Ok(Allowed { entry, receipt: None, .. }) => {
            Ok(Said::notice(format!("{} was on the list already.", entry.origin)))
        }
        Ok(Allowed { entry, receipt: Some(receipt), .. }) => {
            Ok(Said::notice(format!("Callbacks may go to {} now. {receipt}", entry.origin)))
        }
    }
}

/// Whether a callback may go to a URL: the same judgement as for a real one.
pub(crate) fn check_origin(parts: &Parts, organization: OrganizationId, form: &Form) -> Result<Said, Fault> {
    let url = form.get("url").unwrap_or_default();
    let checked = parts.verifier.check_origin(organization, url);
    let (allowed, text) = match checked {
        Ok(entry) => (true, format!("Yes: the entry {entry} allows it.")),
        Err(refusal) => (false, format!("No. {}", sentence(&refusal.to_string()))),
    };
    Ok(Said { tried: Some(Tried { url: url.to_owned(), allowed, text }), ..Said::default() })
}

pub(crate) async fn disallow_origin(
    parts: &Parts,
    organization: OrganizationId,
    entry: AllowedOriginId,
    request: &ChangeRequest,
) -> Result<Said, Fault> {
    match parts.issuer.disallow_origin(organization, entry, request).await {
        Err(error) => refused(error),
        Ok(receipt) => Ok(Said::notice(format!("No callback goes there any more. {receipt}"))),
    }
}

/// A whole log, as it is read; that it was exported is an event, the last one in it.
#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the log")]
pub(crate) async fn export(
    parts: &Parts,
    organization: OrganizationId,
    form: &Form,
    request: &ChangeRequest,
) -> Result<Reply, Fault> {
    let environment: Environment = form.parsed("environment")?.ok_or(Fault::Field("environment"))?;
    let format = form.parsed::<ExportFormat>("format")?.unwrap_or_default();
    let place = parts.scan(request.operator())?;
    let (core, scope) = (parts.verifier.core(), request.operator().scope(organization, environment));
    let export = LogExport::begin(core.store().clone(), scope, request.attribution(), core.clock().now()).await?;
    let mut reply = reply::file(format.media_type(), pages::audit::content(export, format, place));
    let file = format!("attachment; filename=\"audit-{organization}-{environment}.{format}\"");
    if let Ok(file) = HeaderValue::try_from(file) {
        reply.headers_mut().insert(CONTENT_DISPOSITION, file);
    }
    Ok(reply)
}

/// What the core refuses is said on the page, which shows what is there now; what has failed is a page of its own.
fn refused(error: IssueError) -> Result<Said, Fault> {
    match error {
        IssueError::Store(_) | IssueError::Random(_) | IssueError::NoSuchOrganization => Err(error.into()),
        IssueError::AlreadyDone { .. } => Ok(Said::warning(
            "This was done before. It is in effect everywhere; a value that it made is shown in the first answer only."
                .to_owned(),
        )),
        error => Ok(Said::warning(sentence(&error.to_string()))),
    }
}
