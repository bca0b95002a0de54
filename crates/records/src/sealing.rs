//! The key that a store's values are sealed with, and the values: so that the key can be checked and exchanged.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::{Random, RandomError};
use doorward_types::{Environment, OrganizationId};

use doorward_store::{Coherence, Scope, SealingKeyId, StoreError};

use crate::{Sealed, SealingKeys};

/// Values that are read, and sealed again, at a time.
const PAGE: u32 = 200;

/// The sealed values of all scopes, and the name of the key that seals them.
#[async_trait]
pub trait Sealing: Send + Sync {
    /// Names the key that seals from now on ([`doorward_store::StoreIdentity::sealing_key`]), if the store names `expected` until then;
    /// returns whether it did. The event is written with the name, in one transaction. Every write of a value from outside
    /// calls [`check_seal`] in its own transaction, and either comes before this one or is refused.
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError>;

    /// Returns how many sealed values of this kind there are.
    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError>;

    /// Returns a page of the sealed values of this kind, in the engine's own order, after the last value of the page before.
    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError>;

    /// Puts new values in the place of those that are as they were read; returns how many it replaced. Nothing else of their
    /// rows changes.
    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError>;
}

/// The place of a sealed value: which column of which table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SealedKind {
    /// The settings of a connector.
    Connector,
    /// A user's credential.
    Credential,
    /// The plan of a link session.
    LinkPlan,
    /// The tokens of a link session that is pending.
    LinkTokens,
    /// Tokens that are to be revoked.
    Revocation,
}

impl SealedKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Connector, Self::Credential, Self::LinkPlan, Self::LinkTokens, Self::Revocation];

    /// Returns the word for values of this kind, in the plural.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connectors",
            Self::Credential => "credentials",
            Self::LinkPlan => "link sessions",
            Self::LinkTokens => "pending tokens",
            Self::Revocation => "revocations",
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Connector => "connectors",
            Self::Credential => "credentials",
            Self::LinkPlan | Self::LinkTokens => "links",
            Self::Revocation => "revocations",
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Connector | Self::Credential | Self::Revocation => "sealed",
            Self::LinkPlan => "plan",
            Self::LinkTokens => "tokens",
        }
    }

    /// The primary key, which begins with organization and environment.
    const fn key(self) -> &'static [&'static str] {
        match self {
            Self::Connector => &["organization", "environment", "name"],
            Self::Credential => &["organization", "environment", "registered_user", "connector"],
            Self::LinkPlan | Self::LinkTokens | Self::Revocation => &["organization", "environment", "id"],
        }
    }

    /// The record that a value is sealed for, as an expression.
    const fn record(self) -> &'static str {
        match self {
            Self::Connector => "'connector/' || name",
            Self::Credential => "registered_user || '/' || connector",
            Self::LinkPlan => "'link/' || id || '/' || registered_user || '/' || connector",
            Self::LinkTokens => "'link-tokens/' || id || '/' || registered_user",
            Self::Revocation => "record",
        }
    }

    /// Returns the statement that counts the values.
    #[must_use]
    pub fn count_statement(self) -> String {
        format!("SELECT count(*) FROM {} WHERE {} IS NOT NULL", self.table(), self.column())
    }

    /// Returns the statement that reads a page of values: the value, the record that it is sealed for, and the primary key. Its
    /// parameters are the primary key of the value before, if there is one.
    #[must_use]
    pub fn page_statement(self, is_first: bool, limit: u32) -> String {
        let (table, column, key) = (self.table(), self.column(), self.key().join(", "));
        let places: Vec<_> = (1..=self.key().len()).map(|number| format!("${number}")).collect();
        let after = if is_first { "TRUE".to_owned() } else { format!("({key}) > ({})", places.join(", ")) };
        format!(
            "SELECT {column}, {}, {key} FROM {table} WHERE {column} IS NOT NULL AND {after} ORDER BY {key} LIMIT {limit}",
            self.record()
        )
    }

    /// Returns the statement that replaces a value. Its parameters are the new value, the old one, and the primary key.
    #[must_use]
    pub fn replace_statement(self) -> String {
        let (table, column) = (self.table(), self.column());
        let key = self.key().iter().zip(3..).map(|(name, number)| format!(" AND {name} = ${number}"));
        format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2{}", key.collect::<String>())
    }

    /// Returns the number of columns of the primary key.
    #[must_use]
    pub const fn key_length(self) -> usize {
        self.key().len()
    }
}

/// A sealed value with its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedValue {
    /// The kind.
    pub kind: SealedKind,
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The rest of the primary key of its row.
    pub key: Vec<String>,
    /// The record that it is sealed for.
    pub record: String,
    /// The value.
    pub sealed: Sealed,
}

impl SealedValue {
    /// Returns the primary key of its row, as text.
    pub fn place(&self) -> impl Iterator<Item = String> {
        [self.organization.to_string(), self.environment.to_string()].into_iter().chain(self.key.iter().cloned())
    }

    /// The scope that the value is sealed for.
    #[expect(clippy::disallowed_methods, reason = "the store itself says where the value is; no caller's authority")]
    fn scope(&self) -> Scope {
        Scope::assertion(self.organization, self.environment)
    }
}

/// Returns whether anything is sealed in the store and, if so, whether any of the first values opens with one of the keys.
///
/// # Errors
///
/// [`StoreError`].
pub async fn opens_any(store: &dyn Sealing, keys: Option<&SealingKeys>) -> Result<Option<bool>, StoreError> {
    let mut any = false;
    for kind in SealedKind::ALL {
        for value in store.sealed_values(kind, None, PAGE).await? {
            any = true;
            if keys.is_some_and(|keys| keys.open(&value.scope(), &value.record, &value.sealed).is_ok()) {
                return Ok(Some(true));
            }
        }
    }
    Ok(any.then_some(false))
}

/// The progress of a rotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SealStep {
    /// The kind of the values.
    pub kind: SealedKind,
    /// The number of values that were looked at.
    pub done: u64,
    /// The number of values that there were.
    pub of: u64,
}

/// The outcome of sealing all values again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Resealed {
    /// The number of values that were sealed again.
    pub sealed: u64,
    /// The number of values that open with none of the keys, and stay as they are.
    pub unreadable: u64,
}

/// The reason why values were not sealed, or not written. What was sealed again stays, and the next attempt goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Refuses a value that is sealed with another key than the store names. An engine calls this in the transaction that writes
/// the value, so that a rotation finds every value under an old key as soon as the store names the new one.
///
/// # Errors
///
/// [`StoreError::OtherSealingKey`].
pub fn check_seal(named: Option<SealingKeyId>, written: &Sealed) -> Result<(), StoreError> {
    if named.is_none() || written.key_id() == named { Ok(()) } else { Err(StoreError::OtherSealingKey) }
}

/// Seals a secret for one record of one scope, and writes it. If the store names another key meanwhile, seals with that key.
///
/// # Errors
///
/// [`SealingError`]; with [`StoreError::OtherSealingKey`] if the store names a key that is not among the keys.
pub async fn write_sealed<T, Writing: Future<Output = Result<T, StoreError>>>(
    store: &(impl Coherence + ?Sized),
    keys: &SealingKeys,
    (scope, record, secret): (&Scope, &str, &[u8]),
    random: &dyn Random,
    write: impl Fn(Sealed) -> Writing,
) -> Result<T, SealingError> {
    loop {
        let refusal = match write(keys.seal(scope, record, secret, random)?).await {
            Err(refusal @ StoreError::OtherSealingKey) => refusal,
            written => return Ok(written?),
        };
        let (_, identity) = store.identity().await?.proved_of_any_store()?;
        if identity.sealing_key.is_some_and(|named| !keys.find(named)) {
            return Err(refusal.into());
        }
    }
}

/// Seals every value with the key that seals, until a pass finds no value under another key. If the store names that key, no
/// such value comes again.
///
/// # Errors
///
/// [`SealingError`].
pub async fn reseal(
    store: &dyn Sealing,
    keys: &SealingKeys,
    random: &dyn Random,
    report: &mut (dyn FnMut(SealStep) + Send),
) -> Result<Resealed, SealingError> {
    let mut resealed = Resealed::default();
    loop {
        let (mut stale, mut unreadable) = (0, 0);
        for kind in SealedKind::ALL {
            let (mut done, of) = (0, store.count_sealed(kind).await?);
            let mut page = store.sealed_values(kind, None, PAGE).await?;
            while let Some(last) = page.last().cloned() {
                done += page.len() as u64;
                let mut replaced = Vec::new();
                for value in page.into_iter().filter(|value| value.sealed.key_id() != Some(keys.sealing())) {
                    match keys.open(&value.scope(), &value.record, &value.sealed) {
                        Ok(text) => {
                            let sealed = keys.seal(&value.scope(), &value.record, &text, random)?;
                            replaced.push((value, sealed));
                        }
                        Err(_) => unreadable += 1,
                    }
                }
                stale += replaced.len();
                if !replaced.is_empty() {
                    resealed.sealed += store.replace_sealed(replaced).await?;
                }
                report(SealStep { kind, done, of });
                page = store.sealed_values(kind, Some(&last), PAGE).await?;
            }
        }
        resealed.unreadable = unreadable;
        if stale == 0 {
            return Ok(resealed);
        }
    }
}

/// Returns whether any value is sealed with another key than `key`, as far as the keys open it: the trace of a rotation that
/// did not end.
///
/// # Errors
///
/// [`StoreError`].
pub async fn is_half_sealed(store: &dyn Sealing, keys: &SealingKeys, key: SealingKeyId) -> Result<bool, StoreError> {
    for kind in SealedKind::ALL {
        let mut page = store.sealed_values(kind, None, PAGE).await?;
        while let Some(last) = page.last().cloned() {
            let is_other = |value: &SealedValue| match value.sealed.key_id() {
                Some(id) => id != key && keys.open(&value.scope(), &value.record, &value.sealed).is_ok(),
                // A value from before key ids says by opening alone which key it is of.
                None => keys.opener(&value.scope(), &value.record, &value.sealed).is_some_and(|opener| opener != key),
            };
            if page.iter().any(is_other) {
                return Ok(true);
            }
            page = store.sealed_values(kind, Some(&last), PAGE).await?;
        }
    }
    Ok(false)
}
