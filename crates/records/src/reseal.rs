//! Writing values with the key that the store names, and rotating the key.

use doorward_key::{Random, RandomError};

use doorward_store::{ChangeFeed, Scope, SealingKeyId, StoreError};

use crate::{Sealed, SealedKind, SealedValue, Sealing, SealingKeys};

/// The number of values that are read and resealed in one step.
const VALUES_PER_PAGE: u32 = 200;

impl SealedValue {
    /// Returns the scope that the value is sealed for.
    #[expect(clippy::disallowed_methods, reason = "the store itself names the value's place; no caller's authority")]
    fn scope(&self) -> Scope {
        Scope::assertion(self.organization, self.environment)
    }
}

/// Returns `None` if the store has no sealed value. Otherwise returns true if any of the first values opens with one of
/// the keys.
///
/// # Errors
///
/// Fails if the store fails.
pub async fn opens_any(store: &dyn Sealing, keys: Option<&SealingKeys>) -> Result<Option<bool>, StoreError> {
    let mut any = false;
    for kind in SealedKind::ALL {
        for value in store.sealed_values(kind, None, VALUES_PER_PAGE).await? {
            any = true;
            if keys.is_some_and(|keys| keys.open(&value.scope(), &value.record, &value.sealed).is_ok()) {
                return Ok(Some(true));
            }
        }
    }
    Ok(any.then_some(false))
}

/// The progress of a sealing key's rotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SealStep {
    /// The kind of the values.
    pub kind: SealedKind,
    /// The number of checked values.
    pub done: u64,
    /// The number of values at the beginning.
    pub of: u64,
}

/// The result of resealing all values.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Resealed {
    /// The number of resealed values.
    pub sealed: u64,
    /// The number of values that no key opens. They stay unchanged.
    pub unreadable: u64,
}

/// The reason why values were not sealed or not written. Resealed values stay, and the next attempt continues from
/// them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals a secret for one record of one scope and writes it. If the store names a new key meanwhile, seals with that
/// key.
///
/// # Errors
///
/// [`SealingError`], with [`StoreError::OtherSealingKey`] if the store names an unknown key.
pub async fn write_sealed<T, Writing: Future<Output = Result<T, StoreError>>>(
    store: &(impl ChangeFeed + ?Sized),
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

/// Reseals every value with the chosen key, until a pass finds no value with another key. If the store names the chosen
/// key, no value with another key is added afterwards.
///
/// # Errors
///
/// [`SealingError`] if the store or the generator fails.
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
            let mut page = store.sealed_values(kind, None, VALUES_PER_PAGE).await?;
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
                page = store.sealed_values(kind, Some(&last), VALUES_PER_PAGE).await?;
            }
        }
        resealed.unreadable = unreadable;
        if stale == 0 {
            return Ok(resealed);
        }
    }
}

/// Returns true if a readable value is sealed with another key than `key`: then a rotation did not end.
///
/// # Errors
///
/// Fails if the store fails.
pub async fn is_half_sealed(store: &dyn Sealing, keys: &SealingKeys, key: SealingKeyId) -> Result<bool, StoreError> {
    for kind in SealedKind::ALL {
        let mut page = store.sealed_values(kind, None, VALUES_PER_PAGE).await?;
        while let Some(last) = page.last().cloned() {
            let is_other = |value: &SealedValue| match value.sealed.key_id() {
                Some(id) => id != key && keys.open(&value.scope(), &value.record, &value.sealed).is_ok(),
                // A value without a key id shows its key only by opening.
                None => keys.opener(&value.scope(), &value.record, &value.sealed).is_some_and(|opener| opener != key),
            };
            if page.iter().any(is_other) {
                return Ok(true);
            }
            page = store.sealed_values(kind, Some(&last), VALUES_PER_PAGE).await?;
        }
    }
    Ok(false)
}
