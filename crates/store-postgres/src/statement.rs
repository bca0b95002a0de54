//! Statements on a connection. Several statements can share one round trip.

use std::future::poll_fn;
use std::task::Poll;

use doorward_store::copy::{Cell, Kind};
use doorward_store_sql::{Statement, Value};
use futures_util::future::{join_all, maybe_done};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::connection::Connection;

type Param<'a> = (Box<dyn ToSql + Send + Sync + 'a>, Type);

/// Returns a parameter with its type.
///
/// With the types of its parameters, a statement needs no extra round trip for preparation and leaves nothing behind at
/// the server. So it works behind PgBouncer in transaction pooling.
fn param(value: &Value) -> Param<'_> {
    fn all<'a, T>(cells: &'a [Cell], of: fn(&'a Cell) -> Option<T>) -> Vec<Option<T>> {
        cells.iter().map(of).collect()
    }
    match value {
        Value::One(Kind::Bytes, cell) => (Box::new(bytes(cell)), Type::BYTEA),
        Value::One(Kind::Flag, cell) => (Box::new(flag(cell)), Type::BOOL),
        Value::One(Kind::Number, cell) => (Box::new(number(cell)), Type::INT8),
        Value::One(Kind::Text, cell) => (Box::new(text(cell)), Type::TEXT),
        Value::List(Kind::Bytes, cells) => (Box::new(all(cells, bytes)), Type::BYTEA_ARRAY),
        Value::List(Kind::Flag, cells) => (Box::new(all(cells, flag)), Type::BOOL_ARRAY),
        Value::List(Kind::Number, cells) => (Box::new(all(cells, number)), Type::INT8_ARRAY),
        Value::List(Kind::Text, cells) => (Box::new(all(cells, text)), Type::TEXT_ARRAY),
    }
}

fn bytes(cell: &Cell) -> Option<&[u8]> {
    if let Cell::Bytes(bytes) = cell { Some(bytes) } else { None }
}

fn flag(cell: &Cell) -> Option<bool> {
    if let Cell::Flag(flag) = cell { Some(*flag) } else { None }
}

fn number(cell: &Cell) -> Option<i64> {
    if let Cell::Number(number) = cell { Some(*number) } else { None }
}

fn text(cell: &Cell) -> Option<&str> {
    if let Cell::Text(text) = cell { Some(text) } else { None }
}

fn params(statement: &Statement) -> Vec<Param<'_>> {
    statement.values().iter().map(param).collect()
}

fn borrowed<'a>(params: &'a [Param<'_>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
}

/// Runs a statement and returns its rows.
pub(crate) async fn rows(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, Error> {
    let text = connection.in_schema(statement.as_str());
    connection.client.query_typed(&text, &borrowed(&params(statement))).await
}

/// Runs a statement and returns the number of rows that it touched.
pub(crate) async fn touched(connection: &Connection, statement: &Statement) -> Result<u64, Error> {
    let text = connection.in_schema(statement.as_str());
    connection.client.execute_typed(&text, &borrowed(&params(statement))).await
}

/// A part of a flight.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// Several statements without parameters and tables. The first failure ends the script.
    Script(&'static str),
    Statement(&'a Statement),
}

impl Part<'_> {
    async fn rows(self, connection: &Connection) -> Result<Vec<Row>, Error> {
        match self {
            Self::Script(script) => connection.client.batch_execute(script).await.map(|()| vec![]),
            Self::Statement(statement) => rows(connection, statement).await,
        }
    }
}

/// Sends all parts in order before it waits for an answer, so that together they take one round trip.
///
/// Within a transaction, only the first error matters: the server refuses every later statement.
pub(crate) async fn flight(connection: &Connection, parts: &[Part<'_>]) -> Vec<Result<Vec<Row>, Error>> {
    let mut sent: Vec<_> = parts.iter().map(|part| Box::pin(maybe_done(part.rows(connection)))).collect();
    // The first poll of a future sends its statement.
    poll_fn(|context| {
        for part in &mut sent {
            let _ = part.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
    join_all(sent.iter_mut()).await;
    sent.iter_mut().filter_map(|part| part.as_mut().take_output()).collect()
}
