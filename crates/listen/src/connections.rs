//! Room for connections: limits in all and for each address, the limit of open files, and the count of clients that were
//! turned away or cut off.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_http::SourceAddress;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::observer::{LIMIT_REASONS, Observer};
use crate::proxies::Proxies;
use crate::throttle::Throttle;

/// The default of connections at once: each costs some kilobytes.
const MAX_CONNECTIONS: usize = 16_384;

/// The default share of all connections that one address may have.
const SHARE: usize = 4;

/// Files that the process needs beside its clients' connections: the store, probes, scrapers, sinks, connectors.
const RESERVED_FILES: usize = 512;

/// The connections that a server takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    connections: Option<usize>,
    per_address: Option<usize>,
}

impl Limits {
    /// Returns the limits. Defaults replace limits that were not chosen.
    #[must_use]
    pub const fn new(connections: Option<usize>, per_address: Option<usize>) -> Self {
        Self { connections, per_address }
    }

    /// Raises the soft limit of open files, and returns the connections that fit under it, in all and for each address.
    pub(crate) fn apply(self) -> (usize, usize) {
        let wanted = self.connections.unwrap_or(MAX_CONNECTIONS).clamp(1, Semaphore::MAX_PERMITS);
        let files = raise_file_limit(wanted + RESERVED_FILES);
        let connections = wanted.min(files.saturating_sub(RESERVED_FILES).max(files / 2)).max(1);
        if connections < wanted {
            tracing::warn!(
                wanted,
                connections,
                files,
                "the limit of open files allows fewer connections: raise it (LimitNOFILE= or ulimit -n)"
            );
        }
        (connections, self.per_address.unwrap_or_else(|| (connections / SHARE).max(1)))
    }
}

/// Raises the soft limit of open files to what is wanted, as far as the hard limit allows. Returns the limit in force.
fn raise_file_limit(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = wanted as u64;
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if current.is_some_and(|current| current < raised) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    }
    let in_force = getrlimit(Resource::Nofile).current.unwrap_or(wanted.max(raised));
    usize::try_from(in_force).unwrap_or(usize::MAX)
}

/// The room for connections.
#[derive(Debug)]
pub struct Room {
    all: Arc<Semaphore>,
    per_address: usize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    told: Arc<WarningThrottle>,
}

impl Room {
    /// Returns room with these limits, as far as the limit of open files allows. That limit is raised first.
    #[must_use]
    pub fn new(limits: Limits, observer: Arc<dyn Observer>) -> Arc<Self> {
        let (connections, per_address) = limits.apply();
        Arc::new(Self {
            all: Arc::new(Semaphore::new(connections)),
            per_address,
            by_address: Mutex::default(),
            told: Arc::new(WarningThrottle { observer, throttle: Throttle::default() }),
        })
    }

    pub(crate) const fn told(&self) -> &Arc<WarningThrottle> {
        &self.told
    }

    /// Waits for room in all: a client that does not fit waits in the kernel's queue.
    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        if self.all.available_permits() == 0 {
            self.told.tell("full", None);
        }
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives a connection its place. Returns none if its address has used up its share, or if it is not a proxy's and should be.
    /// A trusted proxy has no share: it brings the connections of many clients.
    pub(crate) fn admit(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        peer: IpAddr,
        proxies: &Proxies,
    ) -> Option<Place> {
        let is_proxy = proxies.trust(peer);
        if proxies.speak_protocol() && !is_proxy {
            self.told.tell("not_a_proxy", Some(peer));
            return None;
        }
        self.told.observer.opened();
        let mut place = Place { room: Arc::clone(self), source: None, _permit: permit };
        (is_proxy || place.belongs_to(peer)).then_some(place)
    }
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    /// The network that it counts for, if there is a limit for it.
    source: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Counts the connection for its client. Returns false if the client has used up its share.
    pub(crate) fn belongs_to(&mut self, client: IpAddr) -> bool {
        let source = SourceAddress(client).network();
        let mut counts = self.room.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= self.room.per_address {
            drop(counts);
            self.room.told.tell("address", Some(client));
            return false;
        }
        *count += 1;
        drop(counts);
        self.source = Some(source);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(source) = self.source {
            let mut counts = self.room.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = counts.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&source);
                }
            }
        }
        self.room.told.observer.closed();
    }
}

/// Reports clients that were limited: every case is counted, and the log has a line now and then.
#[derive(Debug)]
pub(crate) struct WarningThrottle {
    observer: Arc<dyn Observer>,
    throttle: Throttle<&'static str>,
}

impl WarningThrottle {
    /// A client was cut off: it does not take its answers.
    pub(crate) fn does_not_read(&self) {
        self.tell("not_reading", None);
    }

    /// A client was limited, for a reason that is a metric's label too.
    pub(crate) fn tell(&self, reason: &'static str, address: Option<IpAddr>) {
        debug_assert!(LIMIT_REASONS.contains(&reason), "{reason}");
        self.observer.limited(reason);
        if let Some(untold) = self.throttle.is_due(reason) {
            tracing::warn!(reason, address = address.map(tracing::field::display), untold, "a client was limited");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Silent;

    impl Observer for Silent {}

    fn room(connections: usize, per_address: usize) -> Arc<Room> {
        Room::new(Limits::new(Some(connections), Some(per_address)), Arc::new(Silent))
    }

    async fn place(room: &Arc<Room>, address: &str, proxies: &Proxies) -> Option<Place> {
        room.admit(room.wait().await.unwrap(), address.parse().unwrap(), proxies)
    }

    #[tokio::test]
    async fn one_address_leaves_room_for_others() {
        let room = room(4, 2);
        let mut places = Vec::new();
        for (address, fits) in [("::1", true), ("::1", true), ("::1", false), ("::2", false), ("127.0.0.1", true)] {
            let place = place(&room, address, &Proxies::default()).await;
            assert_eq!(place.is_some(), fits, "{address}");
            places.extend(place);
        }
        // An address that leaves may come again, however it is written.
        places.clear();
        assert!(room.by_address.lock().unwrap().is_empty());
        assert!(place(&room, "::ffff:127.0.0.1", &Proxies::default()).await.is_some());
    }

    #[tokio::test]
    async fn a_trusted_proxy_has_no_share_and_each_client_behind_it_has_one() {
        let (room, proxies) = (room(4, 1), Proxies::trusted(&["10.0.0.0/8".parse().unwrap()]));
        let mut first = place(&room, "10.0.0.1", &proxies).await.unwrap();
        let mut second = place(&room, "10.0.0.1", &proxies).await.unwrap();
        let client = "203.0.113.9".parse().unwrap();
        assert!(first.belongs_to(client));
        assert!(!second.belongs_to(client));
        assert!(place(&room, "203.0.113.9", &proxies).await.is_none());
        drop(first);
        assert!(second.belongs_to(client));
        assert!(place(&room, "203.0.113.8", &proxies.with_protocol()).await.is_none(), "it is not a proxy");
    }

    #[test]
    fn a_lower_limit_of_files_means_fewer_connections() {
        let (connections, per_address) = Limits::new(Some(8), None).apply();
        assert_eq!((connections, per_address), (8, 2));
        let (connections, _) = Limits::new(Some(usize::MAX), None).apply();
        assert!(connections < raise_file_limit(usize::MAX / 2));
    }
}
