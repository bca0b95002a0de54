//! Tells people of what is no change: the misuse of keys, rotations that are due, and checkpoints of audit logs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward_api::{Api, Checkpointed};
use doorward_auth::ROTATION_PERIOD;
use doorward_http::MisuseSum;
use doorward_sink::{Notice, Tellers};
use doorward_types::{Name, Timestamp};
use serde_json::{Map, Value, json};

/// The time over which misuse is summed up.
const MINUTE: Duration = Duration::from_secs(60);

/// The time between two notices about rotations that are due, and between two checkpoints.
const DAY: Duration = Duration::from_hours(24);

/// Hands notices to receivers: each minute the misuse of keys, each day the rotations that are due, and a signed checkpoint of
/// each audit log that has grown.
#[derive(Debug)]
pub struct Notices {
    api: Api,
    tellers: Tellers,
    /// The name of this node.
    node: Name,
    /// The sizes of the audit logs at their last checkpoints.
    sizes: Mutex<HashMap<String, u64>>,
}

impl Notices {
    /// Returns the notices of an API.
    #[must_use]
    pub fn new(api: Api, tellers: Tellers, node: Name) -> Self {
        Self { api, tellers, node, sizes: Mutex::default() }
    }

    /// Hands notices to the receivers, without end.
    pub async fn run(&self) {
        let each_minute = async {
            loop {
                tokio::time::sleep(MINUTE).await;
                self.tell_misuse();
            }
        };
        // A long verification delays no news of misuse.
        let each_day = async {
            loop {
                self.tell_due();
                self.tell_checkpoints().await;
                tokio::time::sleep(DAY).await;
            }
        };
        tokio::join!(each_minute, each_day);
    }

    /// Hands the last notices to the receivers, and waits for a moment until they have arrived.
    pub async fn stop(&self) {
        self.tell_misuse();
        self.tellers.stop().await;
    }

    fn tell_misuse(&self) {
        for sum in self.api.take_misuse() {
            let facts = facts_of(&sum, &self.node);
            self.tell("access_key.misused", sum.last_at, sum.misuse.sentence().to_owned(), facts);
        }
    }

    fn tell_due(&self) {
        let (verifier, now) = (self.api.verifier(), self.api.verifier().core().clock().now());
        let (count, Some((organization, since))) = verifier.production_keys_older_than(ROTATION_PERIOD) else { return };
        let oldest = json!({"organization": organization, "since": since});
        let facts = [("keys", json!(count)), ("oldest", oldest), ("node", json!(self.node))];
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let sentence = "production keys are due for rotation: `doorward key stage`".to_owned();
        self.tell("access_key.rotation_due", now, sentence, facts);
    }

    async fn tell_checkpoints(&self) {
        let outcome = self.api.checkpoint_all(|log, outcome| self.tell_checkpoint(log, outcome)).await;
        if let Err(error) = outcome {
            tracing::warn!(error = &error as &dyn std::error::Error, "not every audit log could be verified today");
        }
    }

    fn tell_checkpoint(&self, log: String, outcome: Checkpointed) {
        let now = self.api.verifier().core().clock().now();
        let facts = |facts: Value| match facts {
            Value::Object(facts) => facts,
            _ => Map::new(),
        };
        match outcome {
            Ok(view) => {
                let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
                if sizes.insert(log, view.size) != Some(view.size) {
                    let sentence =
                        "keep this checkpoint: it proves later that the log was not written again".to_owned();
                    self.tell("audit_log.checkpoint", now, sentence, facts(json!(view)));
                }
            }
            Err(fault) => {
                let sentence = "an audit log does not verify: `doorward audit verify`".to_owned();
                self.tell("audit_log.broken", now, sentence, facts(json!({"log": log, "fault": fault})));
            }
        }
    }

    fn tell(&self, kind: &'static str, time: Timestamp, sentence: String, facts: Map<String, Value>) {
        let mut id = [0; 16];
        match self.api.verifier().core().random().fill(&mut id) {
            Ok(()) => {
                let id = format!("notice_{:032x}", u128::from_be_bytes(id));
                self.tellers.tell(&Notice::new(id, kind, time, sentence, facts));
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, kind, "a notice has no id"),
        }
    }
}

fn facts_of(sum: &MisuseSum, node: &Name) -> Map<String, Value> {
    let MisuseSum { misuse, key, calls, first_at, last_at, sources, .. } = sum;
    [
        ("use", json!(misuse.as_str())),
        ("organization", json!(key.organization)),
        ("environment", json!(key.environment)),
        ("key", json!(key.key)),
        ("locator", json!(key.locator)),
        ("calls", json!(calls)),
        ("first_at", json!(first_at)),
        ("last_at", json!(last_at)),
        ("sources", json!(sources)),
        ("node", json!(node)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
