//! Values that can be had only with a proof of where they come from.

use crate::{Provenance, StoreError, StoreId};

/// A value with its provenance. The value can be had only by proving the provenance.
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
    /// Joins a value to the provenance that was read in the same statement or snapshot.
    pub const fn new(provenance: Provenance, value: T) -> Self {
        Self { provenance, value }
    }

    /// Returns the provenance.
    pub const fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Returns the value if it comes from the primary of the store `expected`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubtful`], if it may come from elsewhere.
    pub fn proved(self, expected: StoreId) -> Result<T, StoreError> {
        self.provenance.prove(expected)?;
        Ok(self.value)
    }

    /// Returns the value and the provenance if the value comes from the primary of any store: for the first read, which
    /// learns the store's name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubtful`], if it may come from a standby, or from a store that is too new for this program.
    pub fn proved_of_any_store(self) -> Result<(Provenance, T), StoreError> {
        self.provenance.prove(self.provenance.store)?;
        Ok((self.provenance, self.value))
    }
}
