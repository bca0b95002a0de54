//! Messages to the supervisor of this process, by the protocol of systemd (sd_notify(3)). Without a supervisor, nothing happens.

/// Says that the service serves.
pub fn tell_ready() {
    #[cfg(unix)]
    tell(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status("serving")]);
}

/// Says that the service reads its settings again. [`tell_ready`] must follow.
pub fn tell_reloading() {
    #[cfg(unix)]
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        tell(&[sd_notify::NotifyState::Reloading, now]);
    }
}

/// Says that the service ends.
pub fn tell_stopping() {
    #[cfg(unix)]
    tell(&[sd_notify::NotifyState::Stopping]);
}

/// Says in a sentence what the service waits for.
pub fn tell_waiting(for_what: &str) {
    #[cfg(unix)]
    tell(&[sd_notify::NotifyState::Status(for_what)]);
    #[cfg(not(unix))]
    let _ = for_what;
}

/// Says from now on, twice within the time that the supervisor allows, that the runtime still turns. A supervisor that hears nothing
/// for that time restarts the service (`WatchdogSec=`). Needs a runtime of Tokio around it.
pub fn start_watchdog() {
    #[cfg(unix)]
    if let Some(patience) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(patience / 2);
            loop {
                turns.tick().await;
                tell(&[sd_notify::NotifyState::Watchdog]);
            }
        });
    }
}

#[cfg(unix)]
fn tell(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the supervisor cannot be told");
    }
}
