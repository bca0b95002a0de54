//! A proxy in front of the tests' PostgreSQL, and the ways in which it disturbs a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Starts a proxy. Returns the URL through it. `serve` gets the two ends of each connection.
pub(crate) async fn proxied<Served>(
    url: &str,
    serve: impl Fn(TcpStream, TcpStream) -> Served + Send + 'static,
) -> String
where
    Served: Future<Output = ()> + Send + 'static,
{
    let address = url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = url.replace(&address, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            client.set_nodelay(true).unwrap();
            let server = TcpStream::connect(&address).await.unwrap();
            server.set_nodelay(true).unwrap();
            tokio::spawn(serve(client, server));
        }
    });
    through
}

/// Forwards both ways, each byte after `delay`.
pub(crate) async fn delay(client: TcpStream, server: TcpStream, delay: Duration) {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(one_way(from_client, to_server, delay), one_way(from_server, to_client, delay));
}

async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sender, mut under_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let _ = sender.send((Instant::now() + delay, bytes[..count].to_vec()));
        }
    };
    let write = async move {
        while let Some((at, bytes)) = under_way.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// Forwards both ways, and calls `see` with all that the client has sent so far, as text. The server's answers are held back
/// while `see` returns false.
pub(crate) async fn watch_client(client: TcpStream, server: TcpStream, see: Arc<dyn Fn(&str) -> bool + Send + Sync>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let (opens, mut open) = watch::channel(true);
    let forth = async move {
        let (mut bytes, mut sent) = (vec![0; 65_536], String::new());
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            sent += &String::from_utf8_lossy(&bytes[..count]);
            opens.send_replace(see(&sent));
            if to_server.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    let back = async move {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            if open.wait_for(|open| *open).await.is_err() || to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = forth => {} () = back => {} }
}
