//! Budgets: limits on the work of each kind that may be under way at a time, in all and for each client, so that no client
//! takes the server from the others.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_http::{Problem, SourceAddress};
use doorward_types::{AccessKeyId, ActorName, with_fields};
use tokio::sync::Notify;

use crate::code::Code;
use crate::observer::Observer;

/// The most bytes of a body: ample for what the routes take, and little to hold for a thousand connections.
pub const MAX_BODY: usize = 64 * 1024;

/// The share of the bytes of all bodies that one address may have under way.
const SHARES_PER_BUDGET: usize = 4;

/// The bytes of bodies that one connection may have under way: some bodies of the longest kind.
const MAX_BODY_BYTES_PER_CONNECTION: usize = 1024 * 1024;

/// The reports of leaked keys that may be under way, in all.
const MAX_LEAK_REPORTS: usize = 16;

/// The least budget for bodies: an address's share of it has room for one body.
pub const MIN_BODY_BYTES: usize = SHARES_PER_BUDGET * MAX_BODY;

/// The limits that were chosen. Defaults replace the others.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of bodies that are being received.
    pub body_bytes: Option<usize>,
    /// Calls of connectors, in all.
    pub connector_calls: Option<usize>,
    /// Calls of connectors by one key.
    pub connector_calls_per_key: Option<usize>,
    /// Reads that scan an audit log, in all.
    pub scans: Option<usize>,
    /// Reads that scan an audit log, by one key or operator.
    pub scans_per_key: Option<usize>,
}

with_fields! {
    Limits:
    with_body_bytes body_bytes: Option<usize>,
    with_connector_calls connector_calls: Option<usize>,
    with_connector_calls_per_key connector_calls_per_key: Option<usize>,
    with_scans scans: Option<usize>,
    with_scans_per_key scans_per_key: Option<usize>,
}

/// The budgets of a server.
#[derive(Clone, Debug)]
pub struct Budgets {
    bodies: Arc<Budget>,
    connector_calls: Arc<Budget>,
    leak_reports: Arc<Budget>,
    scans: Arc<Budget>,
    limits: Limits,
}

impl Budgets {
    /// Returns unused budgets with these limits. The observer is told of refusals.
    #[must_use]
    pub fn new(limits: Limits, observer: &Arc<dyn Observer>) -> Self {
        let budget = |kind| {
            let observer = Arc::clone(observer);
            Arc::new(Budget { kind, used: Mutex::default(), freed: Notify::new(), observer })
        };
        Self {
            bodies: budget("bodies"),
            connector_calls: budget("connector_calls"),
            leak_reports: budget("leak_reports"),
            scans: budget("scans"),
            limits,
        }
    }

    /// Waits for room for a body of so many bytes.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyRequests`] or [`Code::Overloaded`], if there is no room within `patience`.
    pub(crate) async fn body(&self, bytes: usize, sender: Sender, patience: Duration) -> Result<Share, Problem> {
        let all = self.limits.body_bytes.unwrap_or(64 * 1024 * 1024).max(MIN_BODY_BYTES);
        let connection =
            sender.connection.map(|peer| (Holder::Connection(peer), MAX_BODY_BYTES_PER_CONNECTION.min(all)));
        let address = sender.address.map(|address| (Holder::Address(address), all / SHARES_PER_BUDGET));
        let limits: Vec<_> = connection.into_iter().chain(address).chain([(Holder::All, all)]).collect();
        self.bodies.wait(bytes, &limits, patience).await
    }

    /// Takes a place for a call of a connector.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyRequests`] or [`Code::Overloaded`], if there is none.
    pub(crate) fn connector_call(&self, key: AccessKeyId) -> Result<Share, Problem> {
        let per_key = self.limits.connector_calls_per_key.unwrap_or(16);
        self.connector_calls
            .take(1, &[(Holder::Key(key), per_key), (Holder::All, self.limits.connector_calls.unwrap_or(256))])
    }

    /// Takes the place of an address for a report of leaked keys: everybody may send reports.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyRequests`], if it is taken.
    pub(crate) fn leak_report_of(&self, sender: Sender) -> Result<Share, Problem> {
        let limits: Vec<_> =
            sender.address.map(|address| (Holder::Address(SourceAddress(address).network()), 1)).into_iter().collect();
        self.leak_reports.take(1, &limits)
    }

    /// Takes a place for the work on a report of leaked keys.
    ///
    /// # Errors
    ///
    /// [`Code::Overloaded`], if there is none.
    pub(crate) fn leak_report(&self) -> Result<Share, Problem> {
        self.leak_reports.take(1, &[(Holder::All, MAX_LEAK_REPORTS)])
    }

    /// Takes a place for a read that scans an audit log.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyRequests`] or [`Code::Overloaded`], if there is none.
    pub fn scan(&self, by: Holder) -> Result<Share, Problem> {
        let per_key = self.limits.scans_per_key.unwrap_or(2);
        self.scans.take(1, &[(by, per_key), (Holder::All, self.limits.scans.unwrap_or(8))])
    }
}

/// The sender of a request, as far as it is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sender {
    pub(crate) address: Option<IpAddr>,
    pub(crate) connection: Option<SocketAddr>,
}

impl From<SocketAddr> for Sender {
    fn from(peer: SocketAddr) -> Self {
        Self { address: Some(peer.ip().to_canonical()), connection: Some(peer) }
    }
}

/// The holder of a part of a budget.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Holder {
    /// An address that sends bodies or reports.
    Address(IpAddr),
    /// The whole server.
    All,
    /// A connection that sends bodies.
    Connection(SocketAddr),
    /// An access key.
    Key(AccessKeyId),
    /// An operator.
    Operator(ActorName),
}

impl Holder {
    /// Returns the holder's kind, which is a metric's label, and what the log calls the holder.
    fn named(&self) -> (&'static str, String) {
        match self {
            Self::Address(address) => ("address", address.to_string()),
            Self::All => ("all", "the server".to_owned()),
            Self::Connection(peer) => ("connection", peer.to_string()),
            Self::Key(key) => ("key", key.to_string()),
            Self::Operator(operator) => ("operator", operator.to_string()),
        }
    }
}

/// The budget of one kind of work.
#[derive(Debug)]
struct Budget {
    kind: &'static str,
    used: Mutex<HashMap<Holder, usize>>,
    freed: Notify,
    observer: Arc<dyn Observer>,
}

impl Budget {
    /// Takes an amount from the budget, or returns the holder whose part is used up.
    fn try_take(self: &Arc<Self>, amount: usize, limits: &[(Holder, usize)]) -> Result<Share, Holder> {
        let mut used = self.used();
        for (holder, limit) in limits {
            if used.get(holder).copied().unwrap_or_default().saturating_add(amount) > *limit {
                return Err(holder.clone());
            }
        }
        for (holder, _) in limits {
            *used.entry(holder.clone()).or_default() += amount;
        }
        let holders = limits.iter().map(|(holder, _)| holder.clone()).collect();
        Ok(Share { budget: Arc::clone(self), amount, holders })
    }

    fn take(self: &Arc<Self>, amount: usize, limits: &[(Holder, usize)]) -> Result<Share, Problem> {
        self.try_take(amount, limits).map_err(|holder| self.refused(holder))
    }

    async fn wait(
        self: &Arc<Self>,
        amount: usize,
        limits: &[(Holder, usize)],
        patience: Duration,
    ) -> Result<Share, Problem> {
        let mut refused = None;
        let taken = async {
            loop {
                let mut freed = pin!(self.freed.notified());
                freed.as_mut().enable();
                match self.try_take(amount, limits) {
                    Ok(share) => return share,
                    Err(holder) => refused = Some(holder),
                }
                freed.await;
            }
        };
        let taken = tokio::time::timeout(patience, taken).await;
        taken.map_err(|_| self.refused(refused.unwrap_or(Holder::All)))
    }

    fn refused(&self, holder: Holder) -> Problem {
        let (by, who) = holder.named();
        self.observer.limited(self.kind, by, &who);
        let work = self.kind.replace('_', " ");
        match holder {
            Holder::All => Problem::new(
                Code::Overloaded,
                format!("the server has as many {work} under way as it takes: try again"),
            ),
            _ => Problem::new(
                Code::TooManyRequests,
                format!("this {by} has as many {work} under way as it may: wait for some of them to end"),
            ),
        }
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a budget. It is free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    amount: usize,
    holders: Vec<Holder>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut used = self.budget.used();
        for holder in &self.holders {
            if let Some(count) = used.get_mut(holder) {
                *count = count.saturating_sub(self.amount);
                if *count == 0 {
                    used.remove(holder);
                }
            }
        }
        drop(used);
        self.budget.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;

    fn budgets(limits: Limits) -> Budgets {
        Budgets::new(limits, &(Arc::new(Silent) as Arc<dyn Observer>))
    }

    fn key(number: u128) -> AccessKeyId {
        AccessKeyId::from_u128(number)
    }

    fn peer(text: &str) -> Sender {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn one_key_leaves_room_for_others_and_all_together_stay_within_the_budget() {
        let limits = Limits { connector_calls: Some(3), connector_calls_per_key: Some(2), ..Limits::default() };
        let budgets = budgets(limits);
        let mut shares = vec![budgets.connector_call(key(1)).unwrap(), budgets.connector_call(key(1)).unwrap()];
        assert_eq!(budgets.connector_call(key(1)).unwrap_err().code(), Code::TooManyRequests.into());
        shares.push(budgets.connector_call(key(2)).unwrap());
        assert_eq!(budgets.connector_call(key(2)).unwrap_err().code(), Code::Overloaded.into());
        // A refusal takes nothing, and what ends is free again.
        shares.clear();
        assert!(budgets.connector_calls.used().is_empty());
        assert!(budgets.connector_call(key(1)).is_ok());
        // Each kind of work has its own.
        assert!(budgets.scan(Holder::Key(key(1))).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_each_other_on_a_connection_and_no_longer_than_a_body_may_take() {
        let budgets = budgets(Limits { body_bytes: Some(MIN_BODY_BYTES), ..Limits::default() });
        let patience = Duration::from_secs(10);
        let (first, second) = (peer("127.0.0.1:1"), peer("127.0.0.1:2"));
        let held = budgets.body(MAX_BODY, first, patience).await.unwrap();
        let refused = budgets.body(1, second, patience).await.unwrap_err();
        assert_eq!(refused.code(), Code::TooManyRequests.into());
        // Another address has its own share.
        let elsewhere = budgets.body(MAX_BODY, peer("127.0.0.2:1"), patience).await.unwrap();
        let waits = budgets.body(50, second, patience);
        let (waited, ()) = tokio::join!(waits, async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(held);
        });
        assert!(waited.is_ok());
        drop((waited, elsewhere));
        assert!(budgets.bodies.used().is_empty());
    }
}
