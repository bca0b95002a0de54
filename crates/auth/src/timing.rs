use std::time::Duration;

use doorward_store::LONGEST_LEASE;

/// The durations of the coherence protocol.
///
/// A node's word is good for one lease by its own clock. A writer that hears nothing from a node waits on *its* clock
/// until that lease must be over: `lease · (1+ρ)/(1−ρ) + ε`, where ρ is how far clocks may drift and ε covers a virtual
/// machine that was frozen for a moment. With the defaults, 3 s, 1 % and 1 s, that is about 4.1 s.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    lease: Duration,
}

/// ρ: how much faster or slower than true time a clock may run, in parts per million. Real ones keep within 500.
const DRIFT_PPM: u32 = 10_000;

/// ε: the longest freeze of a virtual machine that no clock of its own sees.
const FREEZE: Duration = Duration::from_secs(1);

impl Timing {
    /// A timing with this lease. All nodes on a store may differ in it.
    ///
    /// # Errors
    ///
    /// Where it is under 100 ms, which a busy machine could not renew in time, or over [`LONGEST_LEASE`].
    pub fn new(lease: Duration) -> Result<Self, TimingError> {
        if (Duration::from_millis(100)..=LONGEST_LEASE).contains(&lease) {
            Ok(Self { lease })
        } else {
            Err(TimingError)
        }
    }

    /// How long what a node read is good for, by its own clock.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// How long a writer waits, by its own clock and from the commit's acknowledgement, for a node that keeps silent
    /// and has leases of this length.
    #[must_use]
    pub fn writer_wait(lease: Duration) -> Duration {
        let million = 1_000_000;
        lease * (million + DRIFT_PPM) / (million - DRIFT_PPM) + FREEZE
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self { lease: Duration::from_secs(3) }
    }
}

/// The lease is too short or too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a lease lasts 100 ms to 10 s")]
pub struct TimingError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_outwaits_every_lease_at_the_worst_drift() {
        for millis in [100, 3_000, 10_000] {
            let lease = Timing::new(Duration::from_millis(millis)).unwrap().lease();
            let wait = Timing::writer_wait(lease);
            // The node's clock runs slow, so that its lease lasts longer; the writer's runs fast, so that its wait is short.
            let (lease_at_most, wait_at_least) = (lease.as_secs_f64() / 0.99, (wait - FREEZE).as_secs_f64() / 1.01);
            assert!(wait_at_least >= lease_at_most - 1e-6, "{wait_at_least} {lease_at_most}");
        }
        assert_eq!(Timing::writer_wait(Timing::default().lease()).as_millis(), 4_060);
    }

    #[test]
    fn leases_have_bounds() {
        assert!(Timing::new(Duration::from_millis(99)).is_err());
        assert!(Timing::new(Duration::from_millis(10_001)).is_err());
    }
}
