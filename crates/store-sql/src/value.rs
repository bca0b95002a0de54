//! The form of values in columns.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use doorward_audit::{Action, ActorId, Hash};
use doorward_key::{Digest, ImportFormat, KeyPrefix};
use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_records::{ConnectorName, LinkStatus, Sealed, ToolOutcome};
use doorward_store::copy::{Cell, Kind};
use doorward_store::{ChangeTarget, OperationId, RequestHash, Revision, SealingKeyId, SignInKind, StoreError, StoreId};
use doorward_types::{
    AccessKeyId, ActorName, AllowedOriginId, Environment, ExternalId, Incarnation, LinkSessionId, Locator, Name,
    OperatorId, OrganizationId, OrganizationState, RegisteredUserId, RequestId, SecretState, SessionId, Timestamp,
    ToolCallId,
};

/// A row of an engine. Columns are numbered from 0.
pub trait Columns {
    /// Reads bytes, or NULL.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the column holds another kind of value.
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError>;

    /// Reads a boolean, or NULL.
    ///
    /// # Errors
    ///
    /// Fails like [`Columns::bytes`].
    fn flag(&self, column: usize) -> Result<Option<bool>, StoreError>;

    /// Returns true if a column of any kind is NULL.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row has no such column.
    fn is_null(&self, column: usize) -> Result<bool, StoreError>;

    /// Returns the name of a column, for errors.
    fn name(&self, column: usize) -> &str;

    /// Reads a whole number, or NULL.
    ///
    /// # Errors
    ///
    /// Fails like [`Columns::bytes`].
    fn number(&self, column: usize) -> Result<Option<i64>, StoreError>;

    /// Reads text, or NULL.
    ///
    /// # Errors
    ///
    /// Fails like [`Columns::bytes`].
    fn text(&self, column: usize) -> Result<Option<&str>, StoreError>;
}

fn unreadable(row: &dyn Columns, column: usize, error: impl Display) -> StoreError {
    StoreError::Corrupt(format!("column {}: {error}", row.name(column)))
}

/// Reads the columns of a row one after the other.
pub struct Reader<'a> {
    row: &'a dyn Columns,
    column: usize,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("column", &self.column).finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Returns a reader that begins at a column.
    #[must_use]
    pub fn at(row: &'a dyn Columns, column: usize) -> Self {
        Self { row, column }
    }

    /// Returns a reader of the same row, `columns` columns further on.
    pub(crate) fn skip(&self, columns: usize) -> Self {
        Self { row: self.row, column: self.column + columns }
    }

    /// Reads the next column.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the column does not hold such a value.
    pub fn take<F: Field>(&mut self) -> Result<F, StoreError> {
        let column = self.column;
        self.column += 1;
        F::read(self.row, column)?.ok_or_else(|| unreadable(self.row, column, "NULL"))
    }

    /// Reads the next column as a value of this kind.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the column holds another kind.
    pub fn cell(&mut self, kind: Kind) -> Result<Cell, StoreError> {
        let column = self.column;
        self.column += 1;
        let cell = match kind {
            Kind::Bytes => self.row.bytes(column)?.map(|bytes| Cell::Bytes(bytes.to_vec())),
            Kind::Flag => self.row.flag(column)?.map(Cell::Flag),
            Kind::Number => self.row.number(column)?.map(Cell::Number),
            Kind::Text => self.row.text(column)?.map(|text| Cell::Text(text.to_owned())),
        };
        Ok(cell.unwrap_or(Cell::Null))
    }
}

/// A type that is read from the next columns of a row.
pub trait FromRow: Sized {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the columns do not hold such a value.
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError>;
}

/// Reads `None` if the first column is NULL, as after an outer join without a match.
impl<T: FromRow> FromRow for Option<T> {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        if row.row.is_null(row.column)? { Ok(None) } else { T::read(row).map(Some) }
    }
}

macro_rules! tuples {
    ($(($($of:ident),+))+) => { $(
        impl<$($of: Field),+> FromRow for ($($of,)+) {
            fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
                Ok(($(row.take::<$of>()?,)+))
            }
        }
    )+ };
}

tuples! { (A) (A, B) (A, B, C) }

/// A value of one column. `None` is NULL.
pub trait Field: Sized {
    /// The kind of the column.
    const KIND: Kind;

    /// Returns the value as the column holds it.
    fn cell(&self) -> Cell;

    /// Reads the value. Returns `None` if the column is NULL.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the column does not hold such a value.
    fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError>;
}

impl<F: Field> Field for Option<F> {
    const KIND: Kind = F::KIND;

    fn cell(&self) -> Cell {
        self.as_ref().map_or(Cell::Null, F::cell)
    }

    fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError> {
        F::read(row, column).map(Some)
    }
}

macro_rules! texts {
    ($($of:ty),+ $(,)?) => { $(
        impl Field for $of {
            const KIND: Kind = Kind::Text;

            fn cell(&self) -> Cell {
                Cell::Text(self.to_string())
            }

            fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError> {
                let text = row.text(column)?;
                text.map(|text| text.parse().map_err(|error| unreadable(row, column, error))).transpose()
            }
        }
    )+ };
}

texts!(
    AccessKeyId,
    ActorId,
    ActorName,
    Action,
    AllowedOriginId,
    ConnectorName,
    Environment,
    ExternalId,
    ImportFormat,
    IpAddr,
    KeyPrefix,
    LinkSessionId,
    LinkStatus,
    Locator,
    Name,
    OperationId,
    OperatorId,
    OrganizationId,
    OrganizationState,
    RegisteredUserId,
    RequestId,
    SealingKeyId,
    SecretState,
    SessionId,
    SignInKind,
    StoreId,
    String,
    ToolCallId,
    ToolOutcome,
    ChangeTarget,
);

impl Field for AllowedOrigin {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(self.to_string())
    }

    fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError> {
        // Accept schemes of apps always: the store may hold some from before a change of that setting.
        let origin = row.text(column)?.map(|text| Self::parse(text, CustomSchemes::Allowed));
        origin.transpose().map_err(|error| unreadable(row, column, error))
    }
}

macro_rules! numbers {
    ($($of:ty: $cell:expr, $read:expr;)+) => { $(
        impl Field for $of {
            const KIND: Kind = Kind::Number;

            fn cell(&self) -> Cell {
                let cell: fn(&Self) -> i64 = $cell;
                Cell::Number(cell(self))
            }

            fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError> {
                let number = row.number(column)?.map($read);
                number.transpose().map_err(|error: std::num::TryFromIntError| unreadable(row, column, error))
            }
        }
    )+ };
}

/// Returns a count as the signed number of a column.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

numbers! {
    i64: |number| *number, Ok;
    u32: |number| i64::from(*number), |number| number.try_into();
    u64: |number| signed(*number), |number| number.try_into();
    Incarnation: |it| signed(it.0), |number| number.try_into().map(Incarnation);
    Revision: |it| signed(it.0), |number| number.try_into().map(Revision);
    Timestamp: |it| it.as_millis(), |number| Ok(Timestamp::from_millis(number));
    Duration: |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX), |number| number.try_into().map(Duration::from_millis);
}

macro_rules! bytes {
    ($($of:ty: $bytes:expr, $read:expr;)+) => { $(
        impl Field for $of {
            const KIND: Kind = Kind::Bytes;

            fn cell(&self) -> Cell {
                let bytes: fn(&Self) -> Vec<u8> = $bytes;
                Cell::Bytes(bytes(self))
            }

            fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError> {
                let read: fn(&[u8]) -> Result<Self, std::array::TryFromSliceError> = $read;
                row.bytes(column)?.map(read).transpose().map_err(|error| unreadable(row, column, error))
            }
        }
    )+ };
}

bytes! {
    Digest: |it| it.to_bytes().to_vec(), |bytes| bytes.try_into().map(Digest::from_bytes);
    Hash: |it| it.0.to_vec(), |bytes| bytes.try_into().map(Hash);
    RequestHash: |it| it.0.to_vec(), |bytes| bytes.try_into().map(RequestHash);
    Sealed: |it| it.as_bytes().to_vec(), |bytes| Ok(Sealed::from_bytes(bytes.to_vec()));
    Vec<u8>: Vec::clone, |bytes| Ok(bytes.to_vec());
    Vec<Hash>: |it| it.iter().flat_map(|hash| hash.0).collect(), |bytes| Ok(bytes.as_chunks().0.iter().copied().map(Hash).collect());
}

impl Field for bool {
    const KIND: Kind = Kind::Flag;

    fn cell(&self) -> Cell {
        Cell::Flag(*self)
    }

    fn read(row: &dyn Columns, column: usize) -> Result<Option<Self>, StoreError> {
        row.flag(column)
    }
}
