use std::time::Duration;

use doorward_store::StoreError;

/// Returns the store's answer, or an error if it takes longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let silent = |_| Err(StoreError::Unavailable(format!("the store did not answer within {limit:?}").into()));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(silent)
}
