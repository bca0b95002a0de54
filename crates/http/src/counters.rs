//! Counts of what a layer decided, in plain numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use doorward_auth::Principal;
use doorward_types::Environment;

use crate::{Code, KeyMisuse, Rejection};

/// The decisions of an [`AccessKeyLayer`](crate::AccessKeyLayer) and its clones so far, for metrics of a service's own.
///
/// ```
/// # fn export(layer: &doorward_http::AccessKeyLayer) {
/// let counters = layer.counters();
/// for (code, count) in counters.refused() {
///     println!("refused{{code={:?}}} {count}", code.as_str());
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    accepted: [u64; Environment::ALL.len()],
    refused: [u64; Rejection::CODES.len()],
    misused: [u64; KeyMisuse::ALL.len()],
}

impl Counters {
    /// Requests that were let through with a key of this environment.
    #[must_use]
    pub fn accepted(&self, environment: Environment) -> u64 {
        count_of(Environment::ALL, self.accepted, environment)
    }

    /// Requests that were refused, by the code of the answer. A code without refusals is there, with zero.
    pub fn refused(&self) -> impl Iterator<Item = (Code, u64)> {
        Rejection::CODES.into_iter().zip(self.refused)
    }

    /// Uses of a key that its owner should hear of. Each is a refusal too, but a key in a body.
    #[must_use]
    pub fn misused(&self, misuse: KeyMisuse) -> u64 {
        count_of(KeyMisuse::ALL, self.misused, misuse)
    }
}

fn count_of<T: PartialEq, const N: usize>(kinds: [T; N], counts: [u64; N], kind: T) -> u64 {
    kinds.into_iter().zip(counts).find_map(|(one, count)| (one == kind).then_some(count)).unwrap_or_default()
}

/// The place where a layer counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: [AtomicU64; Environment::ALL.len()],
    refused: [AtomicU64; Rejection::CODES.len()],
    misused: [AtomicU64; KeyMisuse::ALL.len()],
}

impl Tally {
    pub(crate) fn count(&self, outcome: &Result<Principal, Rejection>) {
        match outcome {
            Ok(principal) => add(&Environment::ALL, &self.accepted, &principal.environment()),
            Err(rejection) => {
                add(&Rejection::CODES, &self.refused, &rejection.code());
                if let Some(misuse) = rejection.unusual_use() {
                    self.count_misuse(misuse);
                }
            }
        }
    }

    pub(crate) fn count_misuse(&self, misuse: KeyMisuse) {
        add(&KeyMisuse::ALL, &self.misused, &misuse);
    }

    pub(crate) fn read(&self) -> Counters {
        fn values<const N: usize>(counts: &[AtomicU64; N]) -> [u64; N] {
            counts.each_ref().map(|count| count.load(Ordering::Relaxed))
        }
        Counters { accepted: values(&self.accepted), refused: values(&self.refused), misused: values(&self.misused) }
    }
}

fn add<T: PartialEq, const N: usize>(kinds: &[T; N], counts: &[AtomicU64; N], kind: &T) {
    if let Some((_, count)) = kinds.iter().zip(counts).find(|(one, _)| *one == kind) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
