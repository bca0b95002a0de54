//! The proof that an answer came from the primary of one store, with a schema that this program knows.
//!
//! A pooler, a proxy, a failover, a moved file or a restore can connect a program to another database at any moment.
//! The coherence protocol therefore reads each value together with its [`Provenance`], in one statement or one
//! snapshot. The value is wrapped in [`crate::Sourced`], which releases it only after the provenance is proved.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use doorward_key::KeyPrefix;
use doorward_types::Incarnation;

use crate::SealingKeyId;

/// The permanent name of a store: 128 random bits, drawn when the store is created, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StoreId(u128);

impl StoreId {
    /// Returns the id with these bits, which must be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for StoreId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// The store's own record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoreIdentity {
    /// The name of the store.
    pub id: StoreId,
    /// The incarnation of the store.
    pub incarnation: Incarnation,
    /// The prefix of every key in the store. `None` until the first key is made or a service claims the prefix.
    pub prefix: Option<KeyPrefix>,
    /// The id of the store's sealing key. `None` until a server has started with a sealing key.
    pub sealing_key: Option<SealingKeyId>,
    /// The longest lease of any node that ever registered.
    pub longest_lease: Duration,
}

/// The origin of an answer, read in the same statement or snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Provenance {
    /// The store that answered.
    pub store: StoreId,
    /// The incarnation of that store.
    pub incarnation: Incarnation,
    /// True if the server is the primary. A standby in recovery lags behind the primary.
    pub primary: bool,
    /// True if the server accepts writes.
    pub writable: bool,
    /// The oldest version of the schema that a program must know to read and write this store.
    pub needs_schema: u64,
    /// The newest version of the schema that this program knows.
    pub knows_schema: u64,
}

impl Provenance {
    /// Fails with the first reason not to rely on an answer with this provenance.
    ///
    /// # Errors
    ///
    /// [`Doubt`] if the answer may not be the newest state of the store `expected`.
    pub fn prove(&self, expected: StoreId) -> Result<(), Doubt> {
        if !self.primary {
            Err(Doubt::Standby)
        } else if !self.writable {
            Err(Doubt::ReadOnly)
        } else if self.store != expected {
            Err(Doubt::OtherStore { expected, found: self.store })
        } else if self.needs_schema > self.knows_schema {
            Err(Doubt::TooOld { needs: self.needs_schema, knows: self.knows_schema })
        } else {
            Ok(())
        }
    }
}

/// The reason not to rely on an answer. With a doubt, a node does not renew its lease.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The store's files are not the files that this program opened.
    #[error("{0}")]
    Moved(String),
    /// Another store answered.
    #[error(
        "another store answers at this address: its name is {found}, and this program started on {expected}. Point the \
         address back, or restart this program to serve the other store"
    )]
    OtherStore {
        /// The store that this program started on.
        expected: StoreId,
        /// The store that answered.
        found: StoreId,
    },
    /// The server accepts no writes.
    #[error("the database is read-only, so it may not be the primary: name the primary in the store's URL")]
    ReadOnly,
    /// The server is a standby.
    #[error("this server is a standby: name the primary, or all servers, in the store's URL")]
    Standby,
    /// The store has a schema that this program does not know.
    #[error(
        "the store needs a program that knows schema {needs}, and this one knows schema {knows}: upgrade this program"
    )]
    TooOld {
        /// The oldest version that a program must know.
        needs: u64,
        /// The newest version that this program knows.
        knows: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sourced, StoreError};

    const HERE: StoreId = StoreId::from_bytes([1; 16]);

    fn sound() -> Provenance {
        Provenance {
            store: HERE,
            incarnation: Incarnation::FIRST,
            primary: true,
            writable: true,
            needs_schema: 3,
            knows_schema: 3,
        }
    }

    #[test]
    fn a_value_is_had_from_the_primary_of_the_expected_store_only() {
        let there = StoreId::from_bytes([2; 16]);
        assert_eq!(Sourced::new(sound(), 7).proved(HERE).unwrap(), 7);
        let cases = [
            (Provenance { primary: false, ..sound() }, Doubt::Standby),
            (Provenance { writable: false, ..sound() }, Doubt::ReadOnly),
            (Provenance { store: there, ..sound() }, Doubt::OtherStore { expected: HERE, found: there }),
            (Provenance { needs_schema: 4, ..sound() }, Doubt::TooOld { needs: 4, knows: 3 }),
        ];
        for (provenance, doubt) in cases {
            let Err(StoreError::Doubtful(found)) = Sourced::new(provenance, ()).proved(HERE) else { panic!("{doubt}") };
            assert_eq!(found, doubt);
        }
        assert!(Sourced::new(Provenance { primary: false, ..sound() }, ()).proved_of_any_store().is_err());
        assert!(Sourced::new(Provenance { store: there, ..sound() }, ()).proved_of_any_store().is_ok());
    }

    #[test]
    fn an_id_is_read_back_as_it_is_shown() {
        let id = StoreId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
