//! Reminds people once a day of production keys that should be rotated.

use std::time::Duration;

use doorward_auth::{ROTATION_PERIOD, Verifier};

const DAY: Duration = Duration::from_hours(24);

/// Logs a line a day if production keys are due.
pub async fn remind(verifier: Verifier) {
    loop {
        let (due, oldest) = verifier.production_keys_older_than(ROTATION_PERIOD);
        if let Some((organization, since)) = oldest {
            tracing::warn!(
                keys = due,
                %organization,
                %since,
                "production keys are due for rotation, the oldest of this organization: `doorward key stage`"
            );
        }
        tokio::time::sleep(DAY).await;
    }
}
