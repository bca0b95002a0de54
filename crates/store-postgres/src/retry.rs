//! Work that is tried again after a conflict.

use std::time::Duration;

use doorward_key::{Random, SystemRandom};
use doorward_store::StoreError;

use crate::error::is_worth_a_retry;

/// The number of times that a transaction that lost a conflict is tried again.
const RETRIES: u32 = 5;

/// Tries again if the server chose the work as the victim of a conflict.
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

/// Up to 5 ms, then 10, 20, 40, 80: at random, so that two that met do not meet again.
pub(crate) async fn pause(round: u32) {
    let mut random = [0];
    // Without randomness, the pause is merely the same as another's.
    let _ = SystemRandom.fill(&mut random);
    let longest = Duration::from_millis(5) * 2_u32.pow(round);
    tokio::time::sleep(longest * u32::from(random[0]) / 255).await;
}
