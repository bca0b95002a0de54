//! The writer of changes. Concurrent changes share a transaction and its round trips.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::slice::from_ref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_store::{Change, Committed, OperationId, OperationRow, StoreError, StoreIdentity};
use doorward_store_sql::coherence::IDENTITY;
use doorward_store_sql::{FromRow, Reader, sql, text};
use doorward_types::{AccessKeyId, Name, OrganizationId};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::changes::{self, Asked};
use crate::connections::Connections;
use crate::error::unavailable;
use crate::retry::pause;
use crate::row;
use crate::transaction::{Answers, Decision, Ended, lock};

/// The maximum number of changes in one transaction: some tens of milliseconds of the server's time.
const MAX_GROUP: usize = 32;

/// The maximum number of open transactions. While the server runs one, the next already waits there for the lock.
const MAX_TURNS: usize = 2;

/// The maximum number of attempts to look up an unanswered commit.
const MAX_LOOK_UPS: u32 = 5;

/// Makes the changes of one process, in its own tasks: a change that has begun ends even if its caller goes away.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: Arc<Connections>,
    /// The SQL expression of the server's timeline.
    timeline: &'static str,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    turns: usize,
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    answer: oneshot::Sender<Outcome>,
}

type Outcome = Result<Committed, StoreError>;

impl Writer {
    pub(crate) fn of(pool: Arc<Connections>, timeline: &'static str) -> Arc<Self> {
        Arc::new(Self { pool, timeline, queue: Mutex::default() })
    }

    /// Makes a change, together with the changes that wait at the same time.
    pub(crate) async fn change(self: &Arc<Self>, asked: Asked) -> Outcome {
        let runtime = Handle::try_current().map_err(unavailable)?;
        let operation = asked.1.operation;
        let (answer, outcome) = oneshot::channel();
        {
            let mut queue = self.queue();
            queue.waiting.push_back(Waiting { asked, answer });
            if queue.turns < MAX_TURNS {
                queue.turns += 1;
                runtime.spawn(Turn { writer: Arc::clone(self), is_over: false }.run());
            }
        }
        match outcome.await {
            Ok(outcome) => outcome,
            // The runtime of the change's task has ended.
            Err(_) => self.look_up(&[operation]).await.pop().unwrap_or(Err(StoreError::OutcomeUnknown)),
        }
    }

    /// Makes changes in one transaction. If one change fails the transaction, each change is made alone.
    async fn change_all(&self, asked: &[Asked]) -> Vec<Outcome> {
        let decide = |answers| changes::decide(asked, answers);
        match self.pool.transact(&changes::reads(asked, self.timeline), decide).await {
            Ok(Ended::Committed(outcomes)) => outcomes,
            Ok(Ended::Unanswered) => {
                let operations: Vec<_> = asked.iter().map(|(_, context)| context.operation).collect();
                self.look_up(&operations).await
            }
            Err(error) if asked.len() == 1 => vec![Err(error)],
            Err(
                StoreError::Conflict(_) | StoreError::Corrupt(_) | StoreError::NotFound | StoreError::UnfinishedCopy,
            ) => {
                let mut outcomes = Vec::new();
                for one in asked {
                    outcomes.append(&mut Box::pin(self.change_all(from_ref(one))).await);
                }
                outcomes
            }
            Err(StoreError::Doubtful(doubt)) => asked.iter().map(|_| Err(doubt.clone().into())).collect(),
            Err(StoreError::Unavailable(source)) => {
                let source: Arc<dyn Error + Send + Sync> = source.into();
                asked.iter().map(|_| Err(unavailable(Arc::clone(&source)))).collect()
            }
            Err(other) => asked.iter().map(|_| Err(unavailable(other.to_string()))).collect(),
        }
    }

    /// Returns the outcome of an unanswered commit. Its transaction locks the row of `revision` until its end, so the
    /// next holder of the lock sees the outcome.
    async fn look_up(&self, operations: &[OperationId]) -> Vec<Outcome> {
        tracing::warn!(?operations, "a commit was not answered: looking it up");
        let not_made = || unavailable("the connection broke, and the change was not made: try again");
        for round in 0..MAX_LOOK_UPS {
            match self.look_up_once(operations).await {
                Ok(made) => return operations.iter().map(|it| made.get(it).copied().ok_or_else(not_made)).collect(),
                Err(error) => tracing::warn!(%error, "the commit could not be looked up"),
            }
            pause(round).await;
        }
        operations.iter().map(|_| Err(StoreError::OutcomeUnknown)).collect()
    }

    async fn look_up_once(&self, operations: &[OperationId]) -> Result<BTreeMap<OperationId, Committed>, StoreError> {
        let find = text!(
            "SELECT {IDENTITY}, o.revision, o.operation
             FROM store i JOIN operations o ON o.operation = ANY($1) WHERE i.id = 1"
        );
        let made = |row: &mut Reader<'_>| {
            let (store, revision) = (StoreIdentity::read(row)?, row.take()?);
            let committed = Committed { revision, store: store.id, longest_lease: store.longest_lease };
            Ok((row.take()?, committed))
        };
        let decide = |answers: Answers| {
            let found = row::all_by(&answers.last().unwrap_or_default(), made)?;
            Ok(Decision::write(vec![], found.into_iter().collect()))
        };
        self.pool.write(&[lock(), sql(find).all(operations)], decide).await
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run a transaction.
struct Turn {
    writer: Arc<Writer>,
    is_over: bool,
}

impl Turn {
    async fn run(mut self) {
        while let Some((asked, answers)) = self.next() {
            for (outcome, answer) in self.writer.change_all(&asked).await.into_iter().zip(answers) {
                // If the caller has gone away, the change is valid nevertheless.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Takes changes that can share a transaction, oldest first: no change alters the facts of another. Ends the turn
    /// if no change waits.
    fn next(&mut self) -> Option<(Vec<Asked>, Vec<oneshot::Sender<Outcome>>)> {
        let mut queue = self.writer.queue();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        let (mut concerns, mut is_full) = (Concerns::default(), false);
        for next in queue.waiting.drain(..).filter(|next| !next.answer.is_closed()) {
            let is_apart = concerns.are_apart_from(&next.asked);
            let needs_all = matches!(next.asked.0, Change::Provision { only_if_empty: true, .. });
            if is_full || !is_apart || (needs_all && !taken.is_empty()) {
                left.push_back(next);
            } else {
                taken.push((next.asked, next.answer));
                is_full = needs_all || taken.len() == MAX_GROUP;
            }
        }
        queue.waiting = left;
        if taken.is_empty() {
            // Hold the same lock as for the check of waiting changes, so that the next change begins a turn.
            queue.turns -= 1;
            self.is_over = true;
            return None;
        }
        Some(taken.into_iter().unzip())
    }
}

/// The records that a transaction's changes touch, and the records of changes that were left for a later transaction.
#[derive(Default)]
struct Concerns {
    /// The organizations that are made, or whose records are changed.
    altered: BTreeSet<OrganizationId>,
    /// The names that are given to organizations.
    names: BTreeSet<Name>,
    organizations: BTreeSet<OrganizationId>,
    /// Keys. A place without a key is the organization's list of origins.
    places: BTreeSet<(OrganizationId, Option<AccessKeyId>)>,
    idempotency_keys: BTreeSet<(String, String)>,
}

impl Concerns {
    /// Returns true if no earlier change alters the facts of this change. Adds this change to the earlier changes.
    fn are_apart_from(&mut self, (change, context): &Asked) -> bool {
        let organization = change.organization();
        let OperationRow { event, idempotency_key, .. } = OperationRow::of(context);
        let is_named_apart =
            idempotency_key.is_none_or(|key| self.idempotency_keys.insert((event.actor.to_string(), key.to_owned())));
        let is_known = !self.organizations.insert(organization);
        let is_placed_apart = self.places.insert((organization, change.key().map(|key| key.id)));
        let alters = change.concerns_organization();
        let follows = if alters { is_known } else { self.altered.contains(&organization) };
        if alters {
            self.altered.insert(organization);
        }
        let is_name_apart = change.names().0.is_none_or(|name| self.names.insert(name.clone()));
        is_named_apart && is_placed_apart && (is_name_apart || change.allows_duplicate_name()) && !follows
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime has ended, and so have its changes.
            let mut queue = self.writer.queue();
            queue.turns -= 1;
            queue.waiting.clear();
        }
    }
}
