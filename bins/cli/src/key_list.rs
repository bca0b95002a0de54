//! `doorward key list`: the keys of an organization, or of all.

use std::time::Duration;

use doorward::api::views::{AccessKeyView, List};
use doorward::auth::rotation_due_at;
use doorward::store::{AccessKeyWithSecrets, Organization, Page, SecretUsage};
use doorward::types::{SecretState, Timestamp};
use serde::Serialize;

use crate::arguments::KeyFilter;
use crate::context::{CliContext, MAX_ORGANIZATIONS};
use crate::failure::CliError;
use crate::people::ago;

/// A key among those of all organizations.
#[derive(Serialize)]
struct OwnedKeyView {
    organization: OrganizationName,
    #[serde(flatten)]
    key: AccessKeyView,
}

#[derive(Serialize)]
struct OrganizationName {
    id: String,
    name: String,
}

/// Lists keys that pass the filter.
pub(crate) async fn run(context: &CliContext, filter: &KeyFilter) -> Result<(), CliError> {
    let (issuer, operator) = (&context.issuer, context.operator());
    let organizations = match filter.all {
        true => issuer.organizations(operator, Page::first(MAX_ORGANIZATIONS)).await?,
        false => vec![context.organization(&filter.which).await?],
    };
    let now = context.core.clock().now();
    let (mut rows, mut data) = (Vec::new(), Vec::new());
    for organization in organizations {
        let keys = issuer.access_keys(operator, organization.id).await?;
        let usage = issuer.usage(operator, &keys).await?;
        for found in keys.into_iter().filter(|found| passes(filter, found, &usage, now)) {
            rows.extend(rows_of(context, filter.all.then_some(&organization), &found, &usage, now));
            let (id, name) = (organization.id.to_string(), organization.name.to_string());
            data.push(OwnedKeyView {
                organization: OrganizationName { id, name },
                key: AccessKeyView::new(found, &usage),
            });
        }
    }
    const HEADER: [&str; 10] = [
        "ORGANIZATION",
        "ID",
        "ENVIRONMENT",
        "NAME",
        "SECRET",
        "STATE",
        "CREATED",
        "LAST USED",
        "USES IN 1 H",
        "ROTATION DUE",
    ];
    match (filter.all, HEADER.split_first()) {
        (false, Some((_, header))) => {
            let data: Vec<_> = data.into_iter().map(|owned| owned.key).collect();
            context.output.list(&List::whole(data), header, rows)
        }
        _ => context.output.list(&List::whole(data), &HEADER, rows),
    }
}

/// Returns whether a key passes the filter: its production key is due, and none of its secrets was used for so long.
fn passes(filter: &KeyFilter, found: &AccessKeyWithSecrets, usage: &[SecretUsage], now: Timestamp) -> bool {
    let due = rotation_due_at(found.key.environment, &found.secrets);
    let is_due = !filter.due || due.is_some_and(|due| due <= now);
    is_due && filter.unused_for.is_none_or(|time| is_unused(found, usage, time, now))
}

/// Returns whether no secret of a key was used for so long. A key that is younger has had no time to be used.
fn is_unused(found: &AccessKeyWithSecrets, usage: &[SecretUsage], time: Duration, now: Timestamp) -> bool {
    let since = now - time;
    found.secrets.iter().all(|secret| {
        let used = usage.iter().find(|usage| usage.locator == secret.locator);
        secret.created_at <= since && used.is_none_or(|used| used.last_used_at <= since)
    })
}

fn rows_of(
    context: &CliContext,
    organization: Option<&Organization>,
    found: &AccessKeyWithSecrets,
    usage: &[SecretUsage],
    now: Timestamp,
) -> Vec<Vec<String>> {
    let due = rotation_due_at(found.key.environment, &found.secrets);
    let row = |secret: &doorward::store::Secret| {
        let label = found.key.environment.key_label();
        let used = usage.iter().find(|usage| usage.locator == secret.locator);
        let due = due.filter(|_| secret.state == SecretState::Current);
        let mut row: Vec<_> = organization.map(|organization| organization.name.to_string()).into_iter().collect();
        row.extend([
            found.key.id.to_string(),
            found.key.environment.to_string(),
            found.key.name.to_string(),
            match secret.imported {
                Some(_) => format!("{} (imported)", secret.locator),
                None => format!("{}_{label}_{}_…", context.core.prefix(), secret.locator),
            },
            match (secret.quarantined_at, secret.reported_at) {
                (Some(_), _) => format!("{}, quarantined", secret.state),
                (None, Some(_)) => format!("{}, reported leaked", secret.state),
                (None, None) => secret.state.to_string(),
            },
            ago(secret.created_at, now),
            used.map_or_else(|| "never".to_owned(), |used| ago(used.last_used_at, now)),
            used.map_or(0, |used| used.uses_last_hour).to_string(),
            due.map(|due| format!("{}{}", ago(due, now), if due <= now { " (due)" } else { "" })).unwrap_or_default(),
        ]);
        row
    };
    found.secrets.iter().map(row).collect()
}
