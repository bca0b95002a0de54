use std::time::Duration;

use doorward_store::LONGEST_LEASE;

/// The durations of the coherence protocol.
///
/// A node may verify for one lease, by its own clock. A writer waits for a silent node until that lease must have
/// ended, by the writer's clock: `lease · (1+ρ)/(1−ρ) + ε`. ρ is the maximum drift of clocks, and ε covers a virtual
/// machine that was frozen for a moment. With the defaults of 3 s, 1 % and 1 s, the wait is about 4.1 s.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeaseConfig {
    lease: Duration,
}

/// ρ: the maximum drift of a clock, in parts per million. Real clocks drift less than 500.
const DRIFT_PPM: u32 = 10_000;

/// ε: the longest freeze of a virtual machine that its own clocks do not see.
const MAX_FREEZE: Duration = Duration::from_secs(1);

impl LeaseConfig {
    /// Returns a timing with this lease. Nodes on one store may have different leases.
    ///
    /// # Errors
    ///
    /// Fails if the lease is under 100 ms, which a busy machine could not renew in time, or over [`LONGEST_LEASE`].
    pub fn new(lease: Duration) -> Result<Self, TimingError> {
        if (Duration::from_millis(100)..=LONGEST_LEASE).contains(&lease) {
            Ok(Self { lease })
        } else {
            Err(TimingError)
        }
    }

    /// Returns the length of a lease, by the node's clock.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns the time that a writer waits for a silent node with this lease, by the writer's clock, from the commit's
    /// answer.
    #[must_use]
    pub fn writer_wait(lease: Duration) -> Duration {
        let million = 1_000_000;
        lease * (million + DRIFT_PPM) / (million - DRIFT_PPM) + MAX_FREEZE
    }
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self { lease: Duration::from_secs(3) }
    }
}

/// The lease is too short or too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a lease lasts 100 ms to 10 s")]
#[non_exhaustive]
pub struct TimingError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_outwaits_every_lease_at_the_worst_drift() {
        for millis in [100, 3_000, 10_000] {
            let lease = LeaseConfig::new(Duration::from_millis(millis)).unwrap().lease();
            let wait = LeaseConfig::writer_wait(lease);
            // A slow clock makes the node's lease longer. A fast clock makes the writer's wait shorter.
            let (lease_at_most, wait_at_least) = (lease.as_secs_f64() / 0.99, (wait - MAX_FREEZE).as_secs_f64() / 1.01);
            assert!(wait_at_least >= lease_at_most - 1e-6, "{wait_at_least} {lease_at_most}");
        }
        assert_eq!(LeaseConfig::writer_wait(LeaseConfig::default().lease()).as_millis(), 4_060);
    }

    #[test]
    fn leases_have_bounds() {
        assert!(LeaseConfig::new(Duration::from_millis(99)).is_err());
        assert!(LeaseConfig::new(Duration::from_millis(10_001)).is_err());
    }
}
