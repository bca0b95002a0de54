//! `POST /v1/leak-reports` `{"keys":[string],"url"?}`: takes a report that keys have leaked, from anybody who found them.
//!
//! Answers 202 `{}` at once, for keys of this service and for others alike: the answer and its time tell nothing. The keys are
//! looked up afterwards, and the service's policies say the rest. Errors: 400 `invalid_request`; 429 `too_many_requests` if this
//! address has sent a report within the last second; 503 `overloaded`, and `not_current` if this node is not up to date.

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::LeakReport;
use doorward_http::Problem;
use http::{Response, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::open_call::OpenCall;
use crate::answer::{self, Body, HandlerResult};
use crate::body::{self, JsonBody};
use crate::code::Code;
use crate::leaks::{in_force, is_current, plain, take_all};
use crate::lifecycle::UnderWay;

/// The most keys of a report.
const MAX_KEYS: usize = 1_000;

/// The time after a report within which the same address sends no other.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaks {
    keys: Vec<Zeroizing<String>>,
    url: Option<String>,
}

impl JsonBody for Leaks {
    const DESCRIPTION: &'static str = r#"{"keys": [string, at most 1000], "url"?: string}"#;
}

pub(super) async fn handle(call: OpenCall<'_>) -> HandlerResult {
    let OpenCall { state, request, .. } = call;
    let (sender, id) = (request.sender, request.id);
    let Leaks { keys, url } = body::parse(&body::read(state, request).await?.1)?;
    if keys.len() > MAX_KEYS {
        return Err(Problem::new(Code::InvalidRequest, "a report has at most 1000 keys: send the others in another"));
    }
    is_current(state)?;
    let of_address = state.budgets.leak_report_of(sender)?;
    let of_all = state.budgets.leak_report()?;
    let report = LeakReport::default()
        .with_reporter("a report without a name".parse().ok())
        .with_url(url.and_then(|url| plain(&url, state.verifier.prefix(), &keys)))
        .with_source_address(sender.address)
        .with_request_id(id);
    // The next report of the address does not tell how long the work on this one took.
    tokio::spawn(async move {
        tokio::time::sleep(INTERVAL).await;
        drop(of_address);
    });
    let (state, under_way) = (Arc::clone(state), UnderWay::of(&state.lifecycle));
    tokio::spawn(async move {
        let leaked = in_force(&state, keys.iter().map(|key| (key.as_str(), || report.clone())));
        drop(keys);
        take_all(&state, leaked).await;
        drop((of_all, under_way));
    });
    let mut response: Response<Body> = answer::ok(&serde_json::json!({}))?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
