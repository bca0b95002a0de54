//! *Connectors*: the third parties to which registered users link their accounts.

use askama::Template;
use doorward_store::Organization;
use doorward_types::Environment;
use http::StatusCode;

use super::tabs::{Tab, Tabs};
use super::{RelativeTime, Shell};
use crate::caller::Caller;
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "connectors.html")]
struct Page<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    id: String,
    path: String,
    environment: Environment,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    third_party: String,
    redirect_uri: Option<String>,
    updated: RelativeTime,
}

#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the environment")]
pub(crate) async fn page(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    query: &Form,
) -> Result<Reply, PageError> {
    let read = parts.connectors.as_ref().ok_or(PageError::NotFound)?;
    let environment = query.parsed("environment")?.unwrap_or(Environment::Production);
    let found = (read.0)(who.scope(organization.id, environment)?).await?;
    let now = parts.verifier.core().clock().now();
    let row = |found: crate::ConnectorRow| Row {
        name: found.name,
        third_party: found.third_party,
        redirect_uri: found.redirect_uri,
        updated: RelativeTime::new(found.updated_at, now),
    };
    let page = Page {
        shell: Shell::of(parts, who),
        tabs: Tabs::of(parts, organization, Tab::Connectors),
        id: organization.id.to_string(),
        path: parts.path(organization.id),
        environment,
        rows: found.into_iter().map(row).collect(),
    };
    Ok(reply::page(StatusCode::OK, &page))
}
