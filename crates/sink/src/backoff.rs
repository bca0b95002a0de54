use std::time::Duration;

use crate::SinkError;

/// The first and the longest pause between attempts. Pauses double; a receiver may ask for longer ones, up to the third time.
pub(crate) const MIN_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The pauses between the attempts to deliver.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The last pause, once an attempt has failed.
    last: Option<Duration>,
}

impl Backoff {
    /// Returns whether an attempt has failed.
    pub(crate) const fn has_failed(&self) -> bool {
        self.last.is_some()
    }

    /// Returns the pause after a failed attempt.
    pub(crate) fn after(&mut self, error: &SinkError) -> Duration {
        let pause = self.last.map_or(MIN_BACKOFF, |last| (last * 2).min(MAX_BACKOFF));
        self.last = Some(pause);
        match error {
            SinkError::Refused { retry_after: Some(asked_for), .. } => pause.max((*asked_for).min(MAX_RETRY_AFTER)),
            _ => pause,
        }
    }
}
