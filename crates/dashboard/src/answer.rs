//! A request's way: the route, the person who sent it, the page or the action.

use bytes::Bytes;
use doorward_auth::{Presence, StagedKey};
use doorward_types::OrganizationId;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Method, Request, request};
use http_body::Body;

use crate::actions::FormCall;
use crate::body::BodyError;
use crate::caller::Caller;
use crate::form::{self, Form};
use crate::guard;
use crate::page_error::PageError;
use crate::pages::said::FormOutcome;
#[cfg(feature = "oidc")]
use crate::provider_sign_in;
use crate::reply::{self, Reply};
use crate::routes::{self, Action, Page, ROUTES, Route, Step, Target};
use crate::state::{Parts, SignedOut};
use crate::{actions, assets, compression, pages};

pub(crate) async fn answer<B>(parts: &Parts, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let (head, body) = request.into_parts();
    let mut reply = match (route(parts, &head, body).await, &parts.signed_out) {
        (Ok(reply), _) => reply,
        (Err(PageError::SignedOut), Some(SignedOut(write))) => reply::of_host(write(&head)),
        (Err(fault), _) => pages::fault::page(parts, &fault),
    };
    if head.method == Method::GET && is_live(&Form::of_query(&head.uri)) {
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

async fn route<B>(parts: &Parts, head: &request::Parts, body: B) -> Result<Reply, PageError>
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
        (Some(Target::SignOut), ..) => {
            guard::check_same_site(parts, head)?;
            actions::sign_out(parts, head).await
        }
        (target, segments, &Method::GET | &Method::HEAD) => {
            let query = Form::of_query(&head.uri);
            let presence = if is_live(&query) { Presence::Watching } else { Presence::Active };
            let who = guard::caller(parts, head, presence).await?;
            let mut reply = match target {
                Some(Target::Page(page)) => show(parts, &who, page, segments, &query).await?,
                // The URL of a form was opened again. Its message is gone, so the page is shown.
                _ if routes::find(existing(), &Method::POST, segments).is_some_and(Route::shows_the_page) => {
                    reply::see_other(&parts.path(routes::organization(segments)?))
                }
                _ => return Err(PageError::NotFound),
            };
            who.keep_form_key(&mut reply);
            Ok(reply)
        }
        (target, segments, &Method::POST) => {
            guard::check_same_site(parts, head)?;
            let who = guard::caller(parts, head, Presence::Active).await?;
            let form = form::read(&head.headers, body).await?;
            who.check_form(&form)?;
            match target {
                Some(Target::Action(action)) => act(parts, head, &who, action, segments, &form).await,
                _ => Err(PageError::NotFound),
            }
        }
        _ => Err(PageError::NotFound),
    }
}

/// Returns whether a page that is open asks for what has changed.
fn is_live(query: &Form) -> bool {
    query.has("live")
}

async fn show(parts: &Parts, who: &Caller, page: Page, segments: &[&str], query: &Form) -> Result<Reply, PageError> {
    match page {
        Page::Organizations => pages::organizations::page(parts, who, query).await,
        Page::Keys => {
            let organization = parts.issuer.organization(who, routes::organization(segments)?).await?;
            pages::keys::page(parts, who, &organization, query, FormOutcome::default()).await
        }
        Page::InstallationAudit => pages::audit::page(parts, who, OrganizationId::INSTALLATION, query).await,
        Page::Audit => pages::audit::page(parts, who, routes::organization(segments)?, query).await,
    }
}

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
        Action::DisallowOrigin => actions::disallow_origin(call, routes::id(record)?).await,
        Action::Export => return actions::export(call).await,
        Action::Leaked => actions::regenerate(call, StagedKey::Discard).await,
        Action::Regenerate => actions::regenerate(call, StagedKey::Promote).await,
        Action::Rename => actions::rename(call).await,
        Action::Resume => actions::resume(call).await,
        Action::Stage => actions::stage(call).await,
        Action::Suspend => actions::suspend(call).await,
        Action::Unstage => actions::unstage(call).await,
    };
    let said = done.or_else(actions::refused)?;
    let changed = match action {
        Action::Close | Action::Rename | Action::Resume | Action::Suspend => {
            Some(parts.issuer.organization(who, organization.id).await?)
        }
        _ => None,
    };
    let organization = changed.as_ref().unwrap_or(organization);
    pages::keys::page(parts, who, organization, &Form::default(), said).await
}
