//! Statements with their parameters.

use std::borrow::Cow;

use doorward_store::copy::{Cell, Kind};
use doorward_store::{KeyRef, Scope};

use crate::Field;

/// A statement with its parameters, in the order of their numbers.
#[derive(Clone, Debug)]
#[must_use]
pub struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// The value of a parameter.
#[derive(Clone, Debug)]
pub enum Value {
    /// An array. SQLite has no arrays.
    List(Kind, Vec<Cell>),
    /// A value of a column, with its kind, which a NULL has too.
    One(Kind, Cell),
}

/// Begins a statement.
pub fn sql(text: impl Into<Cow<'static, str>>) -> Statement {
    Statement { text: text.into(), values: vec![] }
}

impl Statement {
    /// Adds a parameter.
    pub fn bind<F: Field>(mut self, value: &F) -> Self {
        self.values.push(Value::One(F::KIND, value.cell()));
        self
    }

    /// Adds a text parameter.
    pub fn text(mut self, value: &str) -> Self {
        self.values.push(Value::One(Kind::Text, Cell::Text(value.to_owned())));
        self
    }

    /// Adds two parameters: the organization and the environment.
    pub fn scope(self, scope: &Scope) -> Self {
        self.bind(&scope.organization()).bind(&scope.environment())
    }

    /// Adds three parameters: the organization, the environment and the id of a key.
    pub fn key(self, key: &KeyRef) -> Self {
        self.bind(&key.organization).bind(&key.environment).bind(&key.id)
    }

    /// Adds an array of a kind as one parameter.
    pub fn list(mut self, kind: Kind, cells: Vec<Cell>) -> Self {
        self.values.push(Value::List(kind, cells));
        self
    }

    /// Adds an array of values as one parameter.
    pub fn all<'a, F: Field + 'a>(self, values: impl IntoIterator<Item = &'a F>) -> Self {
        self.list(F::KIND, values.into_iter().map(F::cell).collect())
    }

    /// Adds a value of a column.
    pub fn cell(mut self, kind: Kind, cell: Cell) -> Self {
        self.values.push(Value::One(kind, cell));
        self
    }

    /// Appends text to the statement, such as a lock.
    pub fn and(mut self, text: &str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the parameters.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// Returns a text that is built at its first use and kept.
#[macro_export]
macro_rules! text {
    ($($part:tt)+) => {{
        static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!($($part)+));
        TEXT.as_str()
    }};
}
