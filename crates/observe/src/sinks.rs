use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use doorward_store::Outbox;
use doorward_types::{Clock, Name};

use crate::metrics::Metrics;

/// The pause between two looks at the sinks.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

/// Measures how far these sinks lag, until this is dropped.
pub async fn watch_sinks(metrics: Arc<Metrics>, names: BTreeSet<Name>, outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>) {
    loop {
        if let Ok(sinks) = outbox.sinks().await {
            let now = clock.now();
            for sink in sinks.iter().filter(|sink| names.contains(&sink.name)) {
                let age = sink.behind_since.map_or(0, |since| (now.as_millis() - since.as_millis()).max(0) / 1_000);
                let labels = [("sink", sink.name.to_string())];
                metrics.sink_lag_events.get_or_create(&labels).set(i64::try_from(sink.behind).unwrap_or(i64::MAX));
                metrics.sink_lag_seconds.get_or_create(&labels).set(age);
            }
        }
        tokio::time::sleep(LAG_INTERVAL).await;
    }
}
