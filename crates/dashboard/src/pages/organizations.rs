//! Which organization.

use askama::Template;
use doorward_auth::OperatorPrincipal;
use doorward_store::Page;
use http::StatusCode;

use super::{Moment, Shell};
use crate::fault::Fault;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// How many are listed: whoever has more knows their addresses.
const MANY: u32 = 500;

#[derive(Template)]
#[template(path = "organizations.html")]
struct Organizations<'a> {
    shell: Shell<'a>,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    created: Moment,
}

pub(crate) async fn page(parts: &Parts, who: &OperatorPrincipal) -> Result<Reply, Fault> {
    let all = parts.issuer.organizations(who, Page::first(MANY)).await?;
    if let [only] = all.as_slice() {
        return Ok(reply::see_other(&parts.path(only.id)));
    }
    let now = parts.verifier.core().clock().now();
    let row = |found: doorward_store::Organization| Row {
        id: found.id.to_string(),
        name: found.name.to_string(),
        created: Moment::new(found.created_at, now),
    };
    let shell = Shell { base: &parts.base, operator: Some(who.actor().as_str()) };
    Ok(reply::page(StatusCode::OK, &Organizations { shell, rows: all.into_iter().map(row).collect() }))
}
