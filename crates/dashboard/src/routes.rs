//! The table of pages and actions: every one is here.

use bytes::Bytes;
use doorward_auth::{ChangeRequest, OperatorPrincipal, Presence, StagedKey};
use doorward_types::OrganizationId;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Method, Request, request};
use http_body::Body;

use crate::body::BodyError;
use crate::fault::Fault;
use crate::form::{self, Form};
use crate::pages::said::Said;
#[cfg(feature = "oidc")]
use crate::provider_sign_in;
use crate::reply::{self, Reply};
use crate::state::Parts;
use crate::{actions, assets, guard, pages};

pub(crate) async fn answer<B>(parts: &Parts, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let (head, body) = request.into_parts();
    let mut reply = route(parts, &head, body).await.unwrap_or_else(|fault| pages::fault::page(parts, &fault));
    if parts.strict_transport {
        reply.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    reply
}

async fn route<B>(parts: &Parts, head: &request::Parts, body: B) -> Result<Reply, Fault>
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let path = head.uri.path();
    let path = path.strip_prefix(parts.base.as_str()).unwrap_or(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match (&head.method, segments.as_slice()) {
        (&Method::GET | &Method::HEAD, ["assets", name]) => assets::find(name).map(reply::asset).ok_or(Fault::NotFound),
        (&Method::GET | &Method::HEAD, ["sign-in", token]) => pages::sign_in::page(parts, token).await,
        (&Method::POST, ["sign-in", token]) => {
            guard::check_same_site(head)?;
            actions::sign_in(parts, head, token).await
        }
        #[cfg(feature = "oidc")]
        (&Method::GET, ["sign-in-with-provider"]) => provider_sign_in::begin(parts).await,
        #[cfg(feature = "oidc")]
        (&Method::GET, ["sign-in-with-provider", "callback"]) => provider_sign_in::finish(parts, head).await,
        (&Method::POST, ["sign-out"]) => {
            guard::check_same_site(head)?;
            actions::sign_out(parts, head).await
        }
        (&Method::GET | &Method::HEAD, segments) => {
            let query = Form::of_query(&head.uri);
            let presence = if query.get("live").is_some() { Presence::Watching } else { Presence::Active };
            let who = guard::operator(parts, head, presence).await?;
            show(parts, &who, segments, &query).await
        }
        (&Method::POST, [organization, action @ ..]) => {
            guard::check_same_site(head)?;
            let who = guard::operator(parts, head, Presence::Active).await?;
            let form = form::read(&head.headers, body).await?;
            let request = guard::change_request(head, &who, &form)?;
            act(parts, id(organization)?, action, &form, &request).await
        }
        _ => Err(Fault::NotFound),
    }
}

async fn show(parts: &Parts, who: &OperatorPrincipal, segments: &[&str], query: &Form) -> Result<Reply, Fault> {
    match segments {
        [] => pages::organizations::page(parts, who).await,
        [organization] => {
            let organization = parts.issuer.organization(who, id(organization)?).await?;
            pages::keys::page(parts, who, &organization, query, Said::default()).await
        }
        [organization, "audit"] => pages::audit::page(parts, who, id(organization)?, query).await,
        // Someone asks for the address of a form again: what it said is gone, and the page is there.
        [organization, "production-key" | "test-keys" | "allowed-origins", ..] => {
            Ok(reply::see_other(&parts.path(id(organization)?)))
        }
        _ => Err(Fault::NotFound),
    }
}

async fn act(
    parts: &Parts,
    organization: OrganizationId,
    action: &[&str],
    form: &Form,
    request: &ChangeRequest,
) -> Result<Reply, Fault> {
    let organization = parts.issuer.organization(request.operator(), organization).await?;
    let here = organization.id;
    let said = match action {
        ["production-key", "stage"] => actions::stage(parts, here, request).await?,
        ["production-key", "unstage"] => actions::unstage(parts, here, request).await?,
        ["production-key", "regenerate"] => {
            actions::regenerate(parts, &organization, StagedKey::Promote, form, request).await?
        }
        ["production-key", "leaked"] => {
            actions::regenerate(parts, &organization, StagedKey::Discard, form, request).await?
        }
        ["test-keys"] => actions::create(parts, here, form, request).await?,
        ["test-keys", key, "delete"] => actions::delete(parts, here, id(key)?, request).await?,
        ["allowed-origins"] => actions::allow_origin(parts, here, form, request).await?,
        ["allowed-origins", "check"] => actions::check_origin(parts, here, form)?,
        ["allowed-origins", entry, "remove"] => actions::disallow_origin(parts, here, id(entry)?, request).await?,
        ["audit", "export"] => return actions::export(parts, here, form, request).await,
        _ => return Err(Fault::NotFound),
    };
    pages::keys::page(parts, request.operator(), &organization, &Form::default(), said).await
}

/// What cannot be an id names something that does not exist.
fn id<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::NotFound)
}
