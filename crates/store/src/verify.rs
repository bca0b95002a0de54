use doorward_audit::{
    Action, ChainFault, ChainVerifier, Checkpoint, Event, NoteVerifier, Pruned, PrunedFault, VerifiedLog,
};
use doorward_types::{Environment, Incarnation, OrganizationId};
use futures_util::future::join;

use crate::{AuditLog, Page, Scope, StoreError};

/// Events at a time.
const BATCH: u32 = 5_000;

/// How many events after a fault are looked at to say what happened.
const LOOK_AHEAD: usize = 10_000;

/// The things that a log is held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogCheck<'a> {
    /// A checkpoint from before, which the log must extend.
    pub earlier: Option<&'a Checkpoint>,
    /// The keys that are trusted: one of them must have signed what stands for pruned events. Without any, nothing is proved
    /// of those events, and [`VerifiedLog::is_proved`] says so.
    pub keys: &'a [NoteVerifier],
    /// The statement for pruned events, in the place of the store's.
    pub base: Option<&'a Pruned>,
    /// True if the log [must have events](crate::must_have_events).
    pub must_have_events: bool,
}

/// Why a log cannot be relied on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    /// The log was begun again after its first events were gone.
    #[error(
        "the log does not begin with the making of the organization: events before the first are missing, and those after it \
         were numbered again or written since"
    )]
    Begun,
    /// An event does not belong where it stands.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// The log must have events, and has none.
    #[error("the log is missing: it must have events, since what they tell of is in the store")]
    Missing,
    /// What stands for events that were cut off.
    #[error(transparent)]
    Pruned(#[from] PrunedFault),
    /// The checkpoint is of events that were cut off since.
    #[error("events 1 to {0} were pruned, more than the checkpoint is of: verify with a later one")]
    PrunedBeyond(u64),
    /// The log goes on otherwise than when the checkpoint was made, and says that the store was restored in between.
    #[error(
        "the first {size} events are not those that the checkpoint was made of. Later events say that the store was \
         restored since (incarnation {incarnation}): events that were written after the backup are gone, if that is true"
    )]
    Restored {
        /// How many events the checkpoint is of.
        size: u64,
        /// The incarnation that the log has come to.
        incarnation: Incarnation,
    },
    /// The log begins otherwise than when the checkpoint was made.
    #[error("the first {0} events are not those that the checkpoint was made of: the log was written anew")]
    Rewritten(u64),
    /// A prune cut off events that an export had yet to read.
    #[error("events {from} to {to} were pruned while the log was exported: export it again")]
    Overtaken {
        /// The first that the export does not have.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The end of the log is gone.
    #[error("the log has {events} events, and had {size} when the checkpoint was made: its end was cut off")]
    Truncated {
        /// How many there were.
        size: u64,
        /// How many there are.
        events: u64,
    },
}

/// Recomputes every hash of a log, from its first event on, and the root of the tree over them: the checkpoint that could
/// be made of it now. A log whose beginning was pruned goes on from what stands for it, and must have the event that tells of
/// the prune.
///
/// A prune meanwhile does no harm: if it cuts off events that were not read yet, the log is read again from there.
///
/// `report` hears how many events are done.
///
/// # Errors
///
/// [`LogFault`]: what is wrong, and where it begins.
pub async fn verify_log(
    store: &dyn AuditLog,
    scope: &Scope,
    check: &LogCheck<'_>,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<VerifiedLog, LogFault> {
    let stored = async || Ok::<_, LogFault>(store.pruned(scope).await?);
    let mut base = match check.base {
        Some(base) => Some(base.clone()),
        None => stored().await?,
    };
    loop {
        let mut followed = 0;
        let fault = match follow(store, scope, check, base.as_ref(), &mut followed, report).await {
            Err(LogFault::Chain(fault @ ChainFault::Missing { .. })) => fault,
            found => return found,
        };
        // What is missing may have been pruned since the base was read. A base only ever grows, so that this ends.
        base = match stored().await? {
            Some(now) if check.base.is_none() && now.size > followed => Some(now),
            _ => return Err(fault.into()),
        };
    }
}

/// Follows the log from its base to its end. `followed` tells how far it came.
async fn follow(
    store: &dyn AuditLog,
    scope: &Scope,
    check: &LogCheck<'_>,
    base: Option<&Pruned>,
    followed: &mut u64,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<VerifiedLog, LogFault> {
    let (log, earlier) = (Checkpoint::origin_of(scope.organization(), scope.environment()), check.earlier);
    let mut chain = match base {
        Some(base) => base.verifier(&log, check.keys)?,
        None => ChainVerifier::default(),
    };
    let pruned = chain.tree().size();
    if earlier.is_some_and(|earlier| earlier.size < pruned) {
        return Err(LogFault::PrunedBeyond(pruned));
    }
    let begins_as = |chain: &ChainVerifier| match earlier {
        Some(earlier) if earlier.size == chain.tree().size() && earlier.root != chain.tree().root() => {
            Err(restored(earlier, chain).unwrap_or(LogFault::Rewritten(earlier.size)))
        }
        _ => Ok(()),
    };
    begins_as(&chain)?;
    let mut page = store.chain(scope, Page { after: None, limit: BATCH }).await?;
    while let Some(last) = page.last() {
        let after = last.as_ref().ok().map(|event| event.sequence);
        // The store reads the next page meanwhile. After one that cannot be read, none is wanted.
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
                    Err(ChainFault::Changed(_) | ChainFault::Unlinked(_)) => {
                        let rest = page.get(place + 1..).unwrap_or_default();
                        let after = look_ahead(store, scope, rest).await?;
                        return Err(ChainVerifier::explain(event, &after).into());
                    }
                    Err(fault) => return Err(fault.into()),
                }
            }
            Ok::<_, LogFault>(())
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
            Err(restored(earlier, &chain).unwrap_or(LogFault::Truncated { size: earlier.size, events }))
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

/// Returns the fault of a log that lacks events which it must have.
fn missing(scope: &Scope, verified: &VerifiedLog) -> Option<LogFault> {
    let begins_with_organization =
        scope.organization() != OrganizationId::INSTALLATION && scope.environment() == Environment::Production;
    match (verified.size(), verified.pruned(), verified.first()) {
        (0, ..) => Some(LogFault::Missing),
        (_, 0, first) if begins_with_organization && first != Some(Action::OrganizationCreated) => {
            Some(LogFault::Begun)
        }
        _ => None,
    }
}

/// The fault of a log that was written in a later incarnation than the checkpoint is of.
fn restored(earlier: &Checkpoint, chain: &ChainVerifier) -> Option<LogFault> {
    let incarnation = chain.incarnation();
    (incarnation > earlier.incarnation).then_some(LogFault::Restored { size: earlier.size, incarnation })
}

/// The events after a fault that can be read, beginning with those that were read already.
async fn look_ahead(
    store: &dyn AuditLog,
    scope: &Scope,
    read: &[Result<Event, ChainFault>],
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
