//! The fetched public keys, and the check of a report.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_client::{Client, Endpoint};
use doorward_types::{Clock, ClockReading};
use http::HeaderMap;
use tokio::sync::OwnedMutexGuard;

use crate::list::{self, ListedKey};
use crate::public_key::PublicKey;
use crate::signature::ClaimedSignature;
use crate::{FetchError, ReportError, ReportedToken};

/// The URL of GitHub's public keys.
pub const GITHUB_KEYS_URL: &str = "https://api.github.com/meta/public_keys/secret_scanning";

/// The time for which a fetched list is used, so that a key that GitHub withdraws loses its effect.
const LIST_LIFETIME: Duration = Duration::from_hours(24);

/// The minimum time between two fetches. Anyone can cause a fetch by an unknown identifier, and GitHub permits 60 requests an hour
/// without a token.
const FETCH_INTERVAL: Duration = Duration::from_mins(1);

/// GitHub's public keys, fetched when a report needs them, and the check of reports. Clones share the keys.
#[derive(Clone)]
pub struct PartnerKeys(Arc<Shared>);

struct Shared {
    client: Client,
    url: Endpoint,
    clock: Arc<dyn Clock>,
    list: Mutex<Option<FetchedList>>,
    /// The newest fetch. The lock is held during a fetch, so that there is one fetch at a time.
    attempt: Arc<tokio::sync::Mutex<Option<Attempt>>>,
}

/// A list of keys, and the start of its fetch.
struct FetchedList {
    keys: Vec<ListedKey>,
    fetched_at: ClockReading,
}

/// The start of a fetch, and its result.
struct Attempt {
    at: ClockReading,
    has_succeeded: bool,
}

impl PartnerKeys {
    /// Creates an empty cache of the keys at a URL, which is [`GITHUB_KEYS_URL`] except in tests.
    #[must_use]
    pub fn new(client: Client, url: Endpoint, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared { client, url, clock, list: Mutex::default(), attempt: Arc::default() }))
    }

    /// Verifies a report and returns its tokens. The signature is verified before any part of the body is parsed.
    ///
    /// The body must be the raw body of the request, since the signature is over its bytes. The caller limits its size.
    ///
    /// # Errors
    ///
    /// [`ReportError::KeysUnavailable`] if a fetch of the keys is needed and fails: the report may be genuine. Each other error
    /// says that the request is at fault.
    pub async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<ReportedToken>, ReportError> {
        let signature = ClaimedSignature::of(headers)?;
        let key = self.key(signature.identifier).await?;
        if !key.has_signed(body, &signature.der) {
            return Err(ReportError::BadSignature);
        }
        ReportedToken::all_in(body)
    }

    /// Returns the key with this identifier. Fetches the list if the key is unknown and the last fetch is not too recent.
    async fn key(&self, identifier: &str) -> Result<PublicKey, ReportError> {
        if let Some(key) = self.0.known(identifier) {
            return Ok(key);
        }
        let attempt = Arc::clone(&self.0.attempt).lock_owned().await;
        // Another report may have caused a fetch during the wait.
        if let Some(key) = self.0.known(identifier) {
            return Ok(key);
        }
        if let Some(last) = &*attempt
            && self.0.age(last.at) < FETCH_INTERVAL
        {
            let paused = ReportError::KeysUnavailable(FetchError::Paused);
            return Err(if last.has_succeeded { ReportError::UnknownKey } else { paused });
        }
        // The fetch is a task of its own: a sender that disconnects must not interrupt it, since the next fetch would have to wait.
        let fetch = tokio::spawn(Arc::clone(&self.0).fetch(attempt));
        let fetched = fetch.await.unwrap_or_else(|error| Err(FetchError::Interrupted(error.into())));
        fetched.map_err(ReportError::KeysUnavailable)?;
        self.0.known(identifier).ok_or(ReportError::UnknownKey)
    }
}

impl Shared {
    /// Returns a key of the list, unless the list is too old.
    fn known(&self, identifier: &str) -> Option<PublicKey> {
        let list = self.list();
        let list = list.as_ref().filter(|list| self.age(list.fetched_at) < LIST_LIFETIME)?;
        list.keys.iter().find(|listed| listed.identifier == identifier).map(|listed| listed.key)
    }

    /// Replaces the list. A failed fetch keeps the old list, until it is too old.
    async fn fetch(self: Arc<Self>, mut attempt: OwnedMutexGuard<Option<Attempt>>) -> Result<(), FetchError> {
        let at = self.clock.reading();
        *attempt = Some(Attempt { at, has_succeeded: false });
        let keys = list::fetch(&self.client, &self.url).await.inspect_err(|error| {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the public keys of secret scanning cannot be fetched"
            );
        })?;
        *self.list() = Some(FetchedList { keys, fetched_at: at });
        *attempt = Some(Attempt { at, has_succeeded: true });
        Ok(())
    }

    /// Returns the time since a reading. The longer of both clocks counts, so that a machine that was suspended fetches again.
    fn age(&self, earlier: ClockReading) -> Duration {
        self.clock.reading().longest_since(earlier)
    }

    fn list(&self) -> MutexGuard<'_, Option<FetchedList>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PartnerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerKeys").field("url", &self.0.url).finish_non_exhaustive()
    }
}
