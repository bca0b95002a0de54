//! Stands for the client of a broker, such as `rdkafka` or `async-nats`, so that the example needs no broker: each message is a
//! line, and the receiver answers with a line to confirm what has come.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A producer of messages.
#[derive(Debug)]
pub(crate) struct Producer {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Producer {
    pub(crate) const fn new(address: String) -> Self {
        Self { address, connection: None }
    }

    /// Sends a message with its key.
    pub(crate) async fn send(&mut self, key: &str, message: &str) -> io::Result<()> {
        let line = format!("{key}\t{message}");
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(BufReader::new(TcpStream::connect(&self.address).await?)),
        };
        let sent = connection.write_all(line.as_bytes()).await;
        self.unless_broken(sent)
    }

    /// Waits until the broker has confirmed what was sent.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let confirmed = match connection.write_all(b"\n").await {
            Ok(()) => connection.read_line(&mut String::new()).await,
            Err(error) => Err(error),
        };
        let confirmed = match confirmed {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other.map(drop),
        };
        self.unless_broken(confirmed)
    }

    /// The next message goes over another connection if this one is broken.
    fn unless_broken(&mut self, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.connection = None;
        }
        result
    }
}
