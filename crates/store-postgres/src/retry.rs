//! Retries after a conflict.

use std::time::Duration;

use doorward_key::{Random, SystemRandom};
use doorward_store::StoreError;

use crate::error::is_worth_a_retry;

/// The maximum number of retries of a transaction that lost a conflict.
const RETRIES: u32 = 5;

/// Repeats the attempt while the server chooses it as the victim of a conflict.
pub(crate) async fn again<T, Attempt>(attempt: impl Fn() -> Attempt) -> Result<T, StoreError>
where
    Attempt: Future<Output = Result<T, StoreError>>,
{
    for round in 0..RETRIES {
        match attempt().await {
            Err(error) if is_worth_a_retry(&error) => pause(round).await,
            other => return other,
        }
    }
    attempt().await
}

/// Waits up to 5 ms, then up to 10, 20, 40, 80. The time is random, so that the same two transactions do not conflict
/// again.
pub(crate) async fn pause(round: u32) {
    let mut random = [0];
    // Without randomness, the pause only equals another transaction's.
    let _ = SystemRandom.fill(&mut random);
    let longest = Duration::from_millis(5) * 2_u32.pow(round);
    tokio::time::sleep(longest * u32::from(random[0]) / 255).await;
}
