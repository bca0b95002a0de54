use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::node::Node;

/// The longest sleep between two checks: a clock may have been set, or may have stopped.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Logs the end and the renewal of the lease, when verifications see it.
pub(super) async fn keep(node: &Node, failure: &Mutex<Option<String>>) {
    let mut was_current = true;
    loop {
        let left = node.lease_left();
        if left.is_some() != was_current {
            was_current = !was_current;
            if was_current {
                tracing::info!("this node is current again");
            } else {
                let known = failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let reason = known.unwrap_or_else(|| "no poll has succeeded in time".to_owned());
                tracing::warn!(reason, "this node cannot prove that it is current, and answers 503");
            }
        }
        match left {
            // After one more step of the clock, the lease has ended or was renewed.
            Some(left) => tokio::time::sleep((left + Duration::from_millis(1)).min(CHECK_INTERVAL)).await,
            None => {
                let _ = tokio::time::timeout(CHECK_INTERVAL, node.lease.renewed()).await;
            }
        }
    }
}
