//! A request's way: the route, the person who sent it, the page or the action.

use bytes::Bytes;
use doorward_auth::{ChangeRequest, Presence, StagedKey};
use doorward_types::OrganizationId;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Method, Request, request};
use http_body::Body;

use crate::actions::FormCall;
use crate::body::BodyError;
use crate::caller::Caller;
use crate::form::{self, Form};
use crate::page_error::{PageError, UnsentForm};
use crate::pages::said::FormOutcome;
#[cfg(feature = "passkeys")]
use crate::passkey_actions;
#[cfg(feature = "oidc")]
use crate::provider_sign_in;
use crate::reply::{self, Reply};
use crate::routes::{self, Action, InstallationAction, Page, ROUTES, Step, Target};
use crate::state::{Parts, SignedOut};
use crate::{actions, assets, compression, cookies, guard, live, operator_actions, pages, preferences, returning};

pub(crate) async fn answer<B>(parts: &Parts, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let (head, body) = request.into_parts();
    let query = Form::of_query(&head.uri);
    let is_live = head.method == Method::GET && query.is_live();
    let mut who = None;
    let mut reply = match (route(parts, &head, &query, body, &mut who).await, &parts.signed_out) {
        (Ok(reply), _) => reply,
        (Err(PageError::SignedOut(_)), Some(SignedOut(write))) => reply::of_host(write(&head)),
        (Err(fault), _) => {
            let who = who.as_ref().filter(|_| parts.visitors.is_none());
            let mut reply = pages::fault::page(parts, who, &fault);
            if matches!(fault, PageError::SignedOut(_)) && parts.visitors.is_none() && !is_live {
                returning::remember(parts, &guard::here(parts, &head), &mut reply);
            }
            reply
        }
    };
    if is_live {
        live::leave_regions(&mut reply);
        compression::leave_out_what_is_known(&head.headers, &mut reply);
    }
    // A visitor's page holds the token of its forms, which compression would give away (BREACH).
    if parts.visitors.is_none() {
        compression::compress(&head.headers, &mut reply);
    }
    if parts.strict_transport {
        reply.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    reply
}

/// Answers a request. Keeps the person who sent it in `known`, for the page of a fault.
async fn route<B>(
    parts: &Parts,
    head: &request::Parts,
    query: &Form,
    body: B,
    known: &mut Option<Caller>,
) -> Result<Reply, PageError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let path = head.uri.path();
    let segments = routes::segments_of(path.strip_prefix(parts.base.as_str()).unwrap_or(path));
    let existing = || ROUTES.iter().filter(|route| parts.visitors.is_none() || route.is_for_visitors());
    let target = routes::find(existing(), &head.method, &segments).map(|route| route.target);
    match (target, segments.as_slice(), &head.method) {
        (Some(Target::Asset), [.., name], _) => assets::find(name).map(reply::asset).ok_or(PageError::NotFound),
        (Some(Target::SignIn(Step::Begin)), [.., token], _) => pages::sign_in::page(parts, token).await,
        (Some(Target::SignIn(Step::Finish)), [.., token], _) => {
            guard::check_same_site(parts, head)?;
            actions::sign_in(parts, head, token).await
        }
        #[cfg(feature = "oidc")]
        (Some(Target::Provider(Step::Begin)), ..) => provider_sign_in::begin(parts).await,
        #[cfg(feature = "oidc")]
        (Some(Target::Provider(Step::Finish)), ..) => provider_sign_in::finish(parts, head).await,
        #[cfg(feature = "passkeys")]
        (Some(Target::Passkey(step)), ..) => {
            guard::check_same_site(parts, head)?;
            match step {
                Step::Begin => passkey_actions::begin_sign_in(parts),
                Step::Finish => {
                    let form = form::read(&head.headers, body).await?;
                    passkey_actions::sign_in(parts, head, &form).await
                }
            }
        }
        (Some(Target::SignOut), ..) => {
            guard::check_same_site(parts, head)?;
            actions::sign_out(parts, head).await
        }
        (target, segments, &Method::GET | &Method::HEAD) => {
            let presence = if query.is_live() { Presence::Watching } else { Presence::Active };
            let who = &*known.insert(guard::caller(parts, head, presence).await?);
            // The URL of a form may be opened again. Its message is gone, so its page is shown.
            let of_form = || routes::find(existing(), &Method::POST, segments).and_then(|route| route.page(segments));
            let mut reply = match target {
                Some(Target::Page(page)) => show(parts, who, page, segments, query).await?,
                _ => reply::see_other(&format!("{}{}", parts.base, of_form().ok_or(PageError::NotFound)?)),
            };
            who.keep_form_key(&mut reply);
            Ok(reply)
        }
        (target, segments, &Method::POST) => {
            if let Err(foreign) = guard::check_same_site(parts, head) {
                // Another site does not extend the session.
                *known = guard::caller(parts, head, Presence::Watching).await.ok();
                return Err(foreign);
            }
            let who = match guard::caller(parts, head, Presence::Active).await {
                // The session has ended, and the typed text is not lost.
                Err(PageError::SignedOut(_)) if had_session(parts, head) => {
                    let form = form::read(&head.headers, body).await?;
                    let path = format!("{}/{}", parts.base, segments.join("/"));
                    return Err(PageError::SignedOut(Some(UnsentForm { path, fields: form.fields().to_vec() })));
                }
                who => who?,
            };
            let who = &*known.insert(who);
            let form = form::read(&head.headers, body).await?;
            who.check_form(&form)?;
            match target {
                Some(Target::Page(Page::Session)) => Ok(pages::session::page(parts, who)),
                Some(Target::Preferences) => Ok(preferences::change(parts, &head.headers, &form)),
                Some(Target::Action(action)) => act(parts, head, who, action, segments, &form).await,
                Some(Target::Installation(action)) => administer(parts, head, who, action, segments, &form).await,
                _ => Err(PageError::NotFound),
            }
        }
        _ => Err(PageError::NotFound),
    }
}

/// Returns whether an operator was signed in before. The visitors of a host never are, also beside an operator's cookie.
fn had_session(parts: &Parts, head: &request::Parts) -> bool {
    parts.visitors.is_none() && cookies::session(&head.headers).is_some()
}

async fn show(parts: &Parts, who: &Caller, page: Page, segments: &[&str], query: &Form) -> Result<Reply, PageError> {
    match page {
        Page::InstallationAudit => return pages::audit::page(parts, who, OrganizationId::INSTALLATION, query).await,
        Page::Operators => return pages::operators::page(parts, who, query, FormOutcome::default()).await,
        Page::Organizations => return pages::organizations::page(parts, who, query).await,
        Page::Session => return Ok(pages::session::page(parts, who)),
        Page::System => return pages::system::page(parts, who).await,
        Page::Audit => return pages::audit::page(parts, who, routes::organization(segments)?, query).await,
        Page::Connectors | Page::Key | Page::Keys | Page::Origins => {}
    }
    let organization = &parts.issuer.organization(who, routes::organization(segments)?).await?;
    let said = FormOutcome::default();
    match page {
        Page::Connectors => pages::connectors::page(parts, who, organization, query).await,
        Page::Origins => pages::origins::page(parts, who, organization, query, said).await,
        Page::Key => pages::key::page(parts, who, organization, routes::id(segments.get(2))?, query, said).await,
        _ => pages::keys::page(parts, who, organization, query, said).await,
    }
}

/// Carries out a form of an organization, and shows its page.
async fn act(
    parts: &Parts,
    head: &request::Parts,
    who: &Caller,
    action: Action,
    segments: &[&str],
    form: &Form,
) -> Result<Reply, PageError> {
    let request = &guard::change_request(head, who, form)?;
    let organization = &parts.issuer.organization(who, routes::organization(segments)?).await?;
    let call = &FormCall { parts, organization, form, request };
    let record = segments.get(2);
    let done = match action {
        Action::AllowOrigin => actions::allow_origin(call).await,
        Action::CheckOrigin => Ok(actions::check_origin(call)),
        Action::Close => actions::close(call).await,
        Action::CreateKey => actions::create(call).await,
        Action::DeleteKey => actions::delete(call, routes::id(record)?).await,
        Action::DeleteKeys => actions::delete_many(call).await,
        Action::DisallowOrigin => actions::disallow_origin(call, routes::id(record)?).await,
        Action::Export => return actions::export(parts, organization.id, form, request).await,
        Action::LabelKey => actions::label(call, routes::id(record)?).await,
        Action::Leaked => actions::report_leaked(call).await,
        Action::Regenerate => actions::regenerate(call, StagedKey::Promote).await,
        Action::ReleaseKey => actions::release(call, routes::id(record)?).await,
        Action::Rename => actions::rename(call).await,
        Action::Resume => actions::resume(call).await,
        Action::Stage => actions::stage(call).await,
        Action::Suspend => actions::suspend(call).await,
        Action::Unstage => actions::unstage(call).await,
    };
    let said = done.or_else(actions::refused)?;
    if let Some(shown) = said.shown {
        // Nothing else is in this answer: a connection that breaks must not break before the value.
        return Ok(pages::shown::page(parts, who, &parts.path(organization.id), shown));
    }
    let changed = match action {
        Action::Close | Action::Rename | Action::Resume | Action::Suspend => {
            Some(parts.issuer.organization(who, organization.id).await?)
        }
        _ => None,
    };
    let organization = changed.as_ref().unwrap_or(organization);
    match action {
        Action::AllowOrigin | Action::CheckOrigin | Action::DisallowOrigin => {
            pages::origins::page(parts, who, organization, &Form::default(), said).await
        }
        Action::LabelKey => {
            pages::key::page(parts, who, organization, routes::id(record)?, &Form::default(), said).await
        }
        _ => pages::keys::page(parts, who, organization, &Form::default(), said).await,
    }
}

/// Carries out a form of the installation, and shows its page.
async fn administer(
    parts: &Parts,
    head: &request::Parts,
    who: &Caller,
    action: InstallationAction,
    segments: &[&str],
    form: &Form,
) -> Result<Reply, PageError> {
    let request: &ChangeRequest = &guard::change_request(head, who, form)?;
    let record = segments.get(1);
    let done = match action {
        InstallationAction::AddOperator => operator_actions::add(parts, form, request).await,
        #[cfg(feature = "passkeys")]
        InstallationAction::AddPasskey => passkey_actions::add(parts, head, form, request).await,
        #[cfg(feature = "passkeys")]
        InstallationAction::BeginPasskey => return passkey_actions::begin_adding(parts, who).await,
        InstallationAction::Export => {
            return actions::export(parts, OrganizationId::INSTALLATION, form, request).await;
        }
        InstallationAction::LinkOperator => operator_actions::link(parts, head, routes::id(record)?, request).await,
        InstallationAction::RemoveOperator => operator_actions::remove(parts, routes::id(record)?, form, request).await,
        #[cfg(feature = "passkeys")]
        InstallationAction::RemovePasskey => passkey_actions::remove(parts, form, request).await,
        InstallationAction::SignOutOperator => operator_actions::sign_out(parts, routes::id(record)?, request).await,
    };
    let said = done.or_else(actions::refused)?;
    match said.shown {
        Some(shown) => Ok(pages::shown::page(parts, who, &format!("{}/operators", parts.base), shown)),
        None => pages::operators::page(parts, who, &Form::default(), said).await,
    }
}
