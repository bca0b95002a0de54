//! The progress of sinks that ship events elsewhere.

use doorward::api::views::{List, SinkView};
use doorward::types::Name;

use crate::arguments::Consent;
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;

pub(super) async fn sinks(context: &CliContext) -> Result<(), CliError> {
    let data: Vec<_> = context.store.sinks().await?.into_iter().map(SinkView::from).collect();
    let rows: Vec<_> = data
        .iter()
        .map(|sink| {
            let since = sink.behind_since.map(|since| since.to_string()).unwrap_or_default();
            let held = if sink.held { "yes" } else { "no" };
            vec![sink.name.to_string(), sink.position.to_string(), sink.behind.to_string(), since, held.to_owned()]
        })
        .collect();
    let header = ["NAME", "SHIPPED TO", "EVENTS BEHIND", "OLDEST WAITS SINCE", "HELD BY A NODE"];
    context.output.list(&List::whole(data), &header, rows)
}

pub(super) async fn delete_sink(context: &CliContext, name: &Name, consent: Consent) -> Result<(), CliError> {
    if !context.store.sinks().await?.iter().any(|sink| sink.name == *name) {
        return Err(CliError::not_found(format!(
            "no sink `{name}` has shipped anything: `doorward audit sinks` lists the sinks"
        )));
    }
    let what = format!(
        "The progress of the sink {name} is deleted: if it ships again, it ships all events from the beginning."
    );
    confirm::by_name(consent, &what, name.as_str())?;
    context.store.delete_sink(name).await?;
    context.output.done(&serde_json::json!({"name": name}), &format!("Forgot {name}."))
}
