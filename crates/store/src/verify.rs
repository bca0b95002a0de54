use doorward_audit::{
    Action, ChainError, ChainVerifier, Checkpoint, Event, NoteVerifier, Pruned, PrunedError, VerifiedLog,
};
use doorward_types::{Environment, Incarnation, OrganizationId};
use futures_util::future::join;

use crate::{AuditLog, Page, Scope, StoreError};

/// The number of events in one page.
const BATCH: u32 = 5_000;

/// The number of events after a fault that are read to find its cause.
const LOOK_AHEAD: usize = 10_000;

/// The requirements of a log's verification.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LogCheck<'a> {
    /// An earlier checkpoint, which the log must extend.
    pub earlier: Option<&'a Checkpoint>,
    /// The trusted keys, one of which must have signed the statement for pruned events. Without keys, pruned events are
    /// not proved, and [`VerifiedLog::is_proved`] returns false.
    pub keys: &'a [NoteVerifier],
    /// The statement for pruned events, instead of the store's.
    pub base: Option<&'a Pruned>,
    /// True if the log [must have events](crate::must_have_events).
    pub must_have_events: bool,
}

impl<'a> LogCheck<'a> {
    /// Sets [`earlier`](Self::earlier).
    #[must_use]
    pub fn with_earlier(self, earlier: impl Into<Option<&'a Checkpoint>>) -> Self {
        Self { earlier: earlier.into(), ..self }
    }

    /// Sets [`keys`](Self::keys).
    #[must_use]
    pub const fn with_keys(self, keys: &'a [NoteVerifier]) -> Self {
        Self { keys, ..self }
    }

    /// Sets [`base`](Self::base).
    #[must_use]
    pub fn with_base(self, base: impl Into<Option<&'a Pruned>>) -> Self {
        Self { base: base.into(), ..self }
    }

    /// Sets [`must_have_events`](Self::must_have_events).
    #[must_use]
    pub const fn with_must_have_events(self, must_have_events: bool) -> Self {
        Self { must_have_events, ..self }
    }
}

/// The fault of a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The first events are missing, and later events were numbered again or written since.
    #[error(
        "the log does not begin with the making of the organization: events before the first are missing, and later events \
         were numbered again or written since"
    )]
    Begun,
    /// An event does not follow the event before.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The log must have events, and has no event.
    #[error("the log is missing: it must have events, because the store has the records that they created")]
    Missing,
    /// The statement for pruned events is invalid.
    #[error(transparent)]
    Pruned(#[from] PrunedError),
    /// The events of the checkpoint were pruned.
    #[error("events 1 to {0} were pruned, more than the checkpoint covers: verify with a later checkpoint")]
    PrunedBeyond(u64),
    /// The events differ from the checkpoint's, and later events say that the store was restored.
    #[error(
        "the first {size} events differ from the checkpoint's events. Later events say that the store was \
         restored since (incarnation {incarnation}). If that is true, the events written after the backup are gone"
    )]
    Restored {
        /// The number of events in the checkpoint.
        size: u64,
        /// The log's newest incarnation.
        incarnation: Incarnation,
    },
    /// The events differ from the checkpoint's events.
    #[error("the first {0} events differ from the checkpoint's events: the log was rewritten")]
    Rewritten(u64),
    /// A prune deleted events that an export had not read yet.
    #[error("events {from} to {to} were pruned while the log was exported: export it again")]
    Overtaken {
        /// The first event that the export lacks.
        from: u64,
        /// The last event that the export lacks.
        to: u64,
    },
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The end of the log is missing.
    #[error("the log has {events} events, and had {size} when the checkpoint was made: its end was cut off")]
    Truncated {
        /// The number of events in the checkpoint.
        size: u64,
        /// The number of events in the log.
        events: u64,
    },
}

/// Recomputes every hash of a log and the root of their tree, and so verifies the log. A pruned log is verified from
/// its statement for pruned events on, and must have the event of the prune.
///
/// If a prune meanwhile deletes events that were not read yet, the verification continues after the pruned events.
///
/// `report` receives the number of verified events.
///
/// # Errors
///
/// [`LogError`] with the fault and its place.
pub async fn verify_log(
    store: &dyn AuditLog,
    scope: &Scope,
    check: &LogCheck<'_>,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<VerifiedLog, LogError> {
    let stored = async || Ok::<_, LogError>(store.pruned(scope).await?);
    let mut base = match check.base {
        Some(base) => Some(base.clone()),
        None => stored().await?,
    };
    loop {
        let mut followed = 0;
        let fault = match follow(store, scope, check, base.as_ref(), &mut followed, report).await {
            Err(LogError::Chain(fault @ ChainError::Missing { .. })) => fault,
            found => return found,
        };
        // The missing events may have been pruned after the base was read. A base only grows, so the loop ends.
        base = match stored().await? {
            Some(now) if check.base.is_none() && now.size > followed => Some(now),
            _ => return Err(fault.into()),
        };
    }
}

/// Verifies the log from its base to its end. Sets `followed` to the number of verified events.
async fn follow(
    store: &dyn AuditLog,
    scope: &Scope,
    check: &LogCheck<'_>,
    base: Option<&Pruned>,
    followed: &mut u64,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<VerifiedLog, LogError> {
    let (log, earlier) = (Checkpoint::origin_of(scope.organization(), scope.environment()), check.earlier);
    let mut chain = match base {
        Some(base) => base.verifier(&log, check.keys)?,
        None => ChainVerifier::default(),
    };
    let pruned = chain.tree().size();
    if earlier.is_some_and(|earlier| earlier.size < pruned) {
        return Err(LogError::PrunedBeyond(pruned));
    }
    let begins_as = |chain: &ChainVerifier| match earlier {
        Some(earlier) if earlier.size == chain.tree().size() && earlier.root != chain.tree().root() => {
            Err(restored(earlier, chain).unwrap_or(LogError::Rewritten(earlier.size)))
        }
        _ => Ok(()),
    };
    begins_as(&chain)?;
    let mut page = store.chain(scope, Page { after: None, limit: BATCH }).await?;
    while let Some(last) = page.last() {
        let after = last.as_ref().ok().map(|event| event.sequence);
        // Meanwhile, the store reads the next page. After an unreadable event, no further page is read.
        let next = async {
            match after {
                Some(_) => store.chain(scope, Page { after, limit: BATCH }).await,
                None => Ok(vec![]),
            }
        };
        let look = async {
            for (place, event) in page.iter().enumerate() {
                let event = event.as_ref().map_err(Clone::clone)?;
                match chain.follow(event) {
                    Ok(()) => begins_as(&chain)?,
                    Err(ChainError::Changed(_) | ChainError::Unlinked(_)) => {
                        let rest = page.get(place + 1..).unwrap_or_default();
                        let after = look_ahead(store, scope, rest).await?;
                        return Err(ChainVerifier::explain(event, &after).into());
                    }
                    Err(fault) => return Err(fault.into()),
                }
            }
            Ok::<_, LogError>(())
        };
        let (next, looked) = join(next, look).await;
        *followed = chain.tree().size();
        looked?;
        report(*followed);
        page = next?;
    }
    let events = chain.tree().size();
    match earlier {
        Some(earlier) if earlier.size > events => {
            Err(restored(earlier, &chain).unwrap_or(LogError::Truncated { size: earlier.size, events }))
        }
        _ => {
            let verified = chain.end(log)?;
            match missing(scope, &verified).filter(|_| check.must_have_events) {
                Some(fault) => Err(fault),
                None => Ok(verified),
            }
        }
    }
}

/// Returns the fault of a log if required events are missing.
fn missing(scope: &Scope, verified: &VerifiedLog) -> Option<LogError> {
    let begins_with_organization =
        scope.organization() != OrganizationId::INSTALLATION && scope.environment() == Environment::Production;
    match (verified.size(), verified.pruned(), verified.first()) {
        (0, ..) => Some(LogError::Missing),
        (_, 0, first) if begins_with_organization && first != Some(Action::OrganizationCreated) => {
            Some(LogError::Begun)
        }
        _ => None,
    }
}

/// Returns the fault of a log if it has a later incarnation than the checkpoint.
fn restored(earlier: &Checkpoint, chain: &ChainVerifier) -> Option<LogError> {
    let incarnation = chain.incarnation();
    (incarnation > earlier.incarnation).then_some(LogError::Restored { size: earlier.size, incarnation })
}

/// Returns the readable events after a fault, beginning with the events that were already read.
async fn look_ahead(
    store: &dyn AuditLog,
    scope: &Scope,
    read: &[Result<Event, ChainError>],
) -> Result<Vec<Event>, StoreError> {
    let mut after: Vec<Event> = read.iter().flatten().cloned().collect();
    while let Some(last) = after.last().map(|event| event.sequence).filter(|_| after.len() < LOOK_AHEAD) {
        let page = store.chain(scope, Page { after: Some(last), limit: BATCH }).await?;
        if page.iter().flatten().next().is_none() {
            break;
        }
        after.extend(page.into_iter().flatten());
    }
    Ok(after)
}
