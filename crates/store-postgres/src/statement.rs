//! Statements on a connection, and how several of them share one round trip.

use std::future::poll_fn;
use std::task::Poll;

use doorward_store::copy::{Cell, Kind};
use doorward_store_sql::{Statement, Value};
use futures_util::future::{join_all, maybe_done};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

type Param<'a> = (Box<dyn ToSql + Send + Sync + 'a>, Type);

/// Returns a parameter with its type.
///
/// Each parameter carries its type, so that the statement needs no round trip to be prepared, and leaves nothing behind at
/// the server: it works behind PgBouncer in transaction pooling as it works without.
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

/// Runs a statement; returns its rows.
pub(crate) async fn rows(client: &Client, statement: &Statement) -> Result<Vec<Row>, Error> {
    client.query_typed(statement.as_str(), &borrowed(&params(statement))).await
}

/// Runs a statement; returns how many rows it touched.
pub(crate) async fn touched(client: &Client, statement: &Statement) -> Result<u64, Error> {
    client.execute_typed(statement.as_str(), &borrowed(&params(statement))).await
}

/// A part of a flight.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// Several statements without parameters, of which none is carried out after the first that fails.
    Script(&'static str),
    Statement(&'a Statement),
}

impl Part<'_> {
    async fn rows(self, client: &Client) -> Result<Vec<Row>, Error> {
        match self {
            Self::Script(script) => client.batch_execute(script).await.map(|()| vec![]),
            Self::Statement(statement) => rows(client, statement).await,
        }
    }
}

/// Sends all parts in their order before it waits for an answer, so that they take one round trip together.
///
/// Within a transaction, the first error is the one that counts: the server refuses all after it.
pub(crate) async fn flight(client: &Client, parts: &[Part<'_>]) -> Vec<Result<Vec<Row>, Error>> {
    let mut sent: Vec<_> = parts.iter().map(|part| Box::pin(maybe_done(part.rows(client)))).collect();
    // The first poll of each is what sends it.
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
