//! How far events that are shipped elsewhere have come.

use doorward::api::shapes::{List, SinkShape};
use doorward::types::Name;

use crate::arguments::Consent;
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn sinks(desk: &Desk, output: &Output) -> Result<(), Failure> {
    let data: Vec<_> = desk.store.sinks().await?.into_iter().map(SinkShape::from).collect();
    let rows: Vec<_> = data
        .iter()
        .map(|sink| {
            let since = sink.behind_since.map(|since| since.to_string()).unwrap_or_default();
            let held = if sink.held { "yes" } else { "no" };
            vec![sink.name.to_string(), sink.position.to_string(), sink.behind.to_string(), since, held.to_owned()]
        })
        .collect();
    let header = ["NAME", "SHIPPED TO", "EVENTS BEHIND", "OLDEST WAITS SINCE", "HELD BY A NODE"];
    output.list(&List { data, next_cursor: None }, &header, rows)
}

pub(super) async fn forget_sink(desk: &Desk, name: &Name, consent: Consent, output: &Output) -> Result<(), Failure> {
    if !desk.store.sinks().await?.iter().any(|sink| sink.name == *name) {
        return Err(Failure::not_found(format!(
            "no sink `{name}` has ever shipped; `doorward audit sinks` lists them"
        )));
    }
    let what = format!("It is forgotten how far the sink {name} has come: should it ship again, all events come anew.");
    confirm::by_name(consent, &what, name.as_str())?;
    desk.store.forget_sink(name).await?;
    output.done(&serde_json::json!({"name": name}), &format!("Forgot {name}."))
}
