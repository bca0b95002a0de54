//! Values that are released only after a proof of their origin.

use crate::{Provenance, StoreError, StoreId};

/// A value with its provenance. Only a proof of the provenance releases the value.
///
/// ```compile_fail
/// fn skip(sourced: doorward_store::Sourced<u64>) -> u64 { sourced.value }
/// ```
#[derive(Clone, Debug)]
pub struct Sourced<T> {
    provenance: Provenance,
    value: T,
}

impl<T> Sourced<T> {
    /// Adds the provenance that was read in the same statement or snapshot to a value.
    pub const fn new(provenance: Provenance, value: T) -> Self {
        Self { provenance, value }
    }

    /// Returns the provenance.
    pub const fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Converts the value and keeps the provenance.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { provenance: self.provenance, value: change(self.value) }
    }

    /// Returns the value if it comes from the primary of the store `expected`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubtful`] if the value may come from elsewhere.
    pub fn proved(self, expected: StoreId) -> Result<T, StoreError> {
        self.provenance.prove(expected)?;
        Ok(self.value)
    }

    /// Returns the provenance and the value if the value comes from the primary of any store. For the first read, which
    /// learns the store's name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubtful`] if the value may come from a standby, or from a store that is too new for this program.
    pub fn proved_of_any_store(self) -> Result<(Provenance, T), StoreError> {
        self.provenance.prove(self.provenance.store)?;
        Ok((self.provenance, self.value))
    }
}
