//! Statements, and how several of them share one round trip.

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::Poll;

use doorward_store::Scope;
use futures_util::future::{join_all, maybe_done};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A statement with its parameters.
///
/// Each parameter carries its type, so that the statement needs no round trip to be prepared, and leaves nothing behind at
/// the server: it works behind PgBouncer in transaction pooling as it works without.
pub(crate) struct Statement {
    sql: Cow<'static, str>,
    params: Vec<(Box<dyn ToSql + Send + Sync>, Type)>,
    is_script: bool,
}

/// Begins a statement.
pub(crate) fn sql(text: impl Into<Cow<'static, str>>) -> Statement {
    Statement { sql: text.into(), params: vec![], is_script: false }
}

/// Returns several statements without parameters, of which none is carried out after the first that fails.
pub(crate) fn script(text: &'static str) -> Statement {
    Statement { is_script: true, ..sql(text) }
}

/// Begins a statement whose first two parameters are a scope.
pub(crate) fn of_scope(text: impl Into<Cow<'static, str>>, scope: &Scope) -> Statement {
    sql(text).text(scope.organization()).text(scope.environment())
}

impl Statement {
    /// Adds a parameter of this type.
    pub(crate) fn with(mut self, value: impl ToSql + Send + Sync + 'static, kind: Type) -> Self {
        self.params.push((Box::new(value), kind));
        self
    }

    pub(crate) fn text(self, value: impl ToString) -> Self {
        self.with(value.to_string(), Type::TEXT)
    }

    pub(crate) fn text_or_null(self, value: Option<impl ToString>) -> Self {
        self.with(value.map(|value| value.to_string()), Type::TEXT)
    }

    pub(crate) fn texts(self, values: impl IntoIterator<Item = impl ToString>) -> Self {
        self.with(values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
    }

    pub(crate) fn number(self, value: i64) -> Self {
        self.with(value, Type::INT8)
    }

    /// Adds a count, a sequence or a revision.
    pub(crate) fn count(self, value: u64) -> Self {
        self.number(i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(crate) fn number_or_null(self, value: Option<i64>) -> Self {
        self.with(value, Type::INT8)
    }

    pub(crate) fn numbers(self, values: Vec<i64>) -> Self {
        self.with(values, Type::INT8_ARRAY)
    }

    pub(crate) fn bytes(self, value: impl Into<Vec<u8>>) -> Self {
        self.with(value.into(), Type::BYTEA)
    }

    pub(crate) fn bytes_or_null(self, value: Option<impl Into<Vec<u8>>>) -> Self {
        self.with(value.map(Into::into), Type::BYTEA)
    }

    /// Runs the statement; returns its rows.
    pub(crate) async fn rows(&self, client: &Client) -> Result<Vec<Row>, Error> {
        if self.is_script {
            return client.batch_execute(&self.sql).await.map(|()| vec![]);
        }
        client.query_typed(&self.sql, &self.params()).await
    }

    /// Runs the statement; returns how many rows it touched.
    pub(crate) async fn touched(&self, client: &Client) -> Result<u64, Error> {
        client.execute_typed(&self.sql, &self.params()).await
    }

    fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
}

/// Sends all statements in their order before it waits for an answer, so that they take one round trip together.
///
/// Within a transaction, the first error is the one that counts: the server refuses all after it.
pub(crate) async fn flight(client: &Client, statements: &[&Statement]) -> Vec<Result<Vec<Row>, Error>> {
    let mut sent: Vec<_> = statements.iter().map(|statement| Box::pin(maybe_done(statement.rows(client)))).collect();
    // The first poll of each is what sends it.
    poll_fn(|context| {
        for statement in &mut sent {
            let _ = statement.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
    join_all(sent.iter_mut()).await;
    sent.iter_mut().filter_map(|statement| statement.as_mut().take_output()).collect()
}
