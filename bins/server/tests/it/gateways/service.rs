//! The service behind a gateway, and replacements for Doorward beside it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::json;

/// Answers each request with the received parts: `head` (its lines), `body` (its length) and `trailers`.
///
/// It behaves like a service that trusts its gateway: it switches to any requested protocol and then echoes its input, accepts
/// `CONNECT`, and keeps connections open.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    begun: Receiver<()>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (begin, begun) = channel();
        let log = Log { heads: Arc::clone(&heads), begin };
        let address = accept(move |stream| {
            let log = log.clone();
            std::thread::spawn(move || log.serve(stream));
        });
        Self { address, heads, begun }
    }

    /// Returns the heads of all received requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Waits until the first bytes of a body have arrived.
    pub(crate) fn wait_for_a_body(&self) {
        self.begun.recv_timeout(crate::support::GUARD).unwrap();
    }
}

#[derive(Clone)]
struct Log {
    heads: Arc<Mutex<Vec<String>>>,
    begin: Sender<()>,
}

impl Log {
    /// Serves one connection to its end.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let head = lines(&mut reader)?;
            self.heads.lock().unwrap().push(head.join("\n"));
            let header = |name: &str| {
                let lines = head.iter().filter_map(|line| line.split_once(':'));
                let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.trim().to_lowercase())
            };
            if let Some(protocol) = header("upgrade")
                && header("connection").is_some_and(|named| named.contains("upgrade"))
            {
                let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x";
                write!(stream, "{switched}\r\nUpgrade: {protocol}\r\n\r\n").ok()?;
                std::io::copy(&mut reader, &mut stream).ok()?;
                return None;
            }
            if head[0].starts_with("CONNECT ") {
                write!(stream, "HTTP/1.1 200 OK\r\n\r\n").ok()?;
                continue;
            }
            if header("expect").is_some() {
                write!(stream, "HTTP/1.1 100 Continue\r\n\r\n").ok()?;
            }
            let (mut body, mut trailers) = (0, Vec::new());
            if header("transfer-encoding").is_some() {
                while let size @ 1.. = chunk_size(&mut reader)? {
                    body += self.skip(&mut reader, size)?;
                    reader.read_line(&mut String::new()).ok()?;
                }
                trailers = lines(&mut reader)?;
            } else if let Some(length) = header("content-length").and_then(|length| length.parse().ok()) {
                body = self.skip(&mut reader, length)?;
            }
            let answer = json!({ "head": head, "body": body, "trailers": trailers }).to_string();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).ok()?;
        }
    }

    /// Reads this number of bytes of a body.
    fn skip(&self, reader: &mut impl BufRead, length: u64) -> Option<u64> {
        if length > 0 && !reader.fill_buf().ok()?.is_empty() {
            let _ = self.begin.send(());
        }
        let read = std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
        (read == length).then_some(read)
    }
}

fn chunk_size(reader: &mut impl BufRead) -> Option<u64> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    u64::from_str_radix(line.split(';').next()?.trim(), 16).ok()
}

/// Returns the lines up to an empty one, or `None` at the end of the connection.
fn lines(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        match String::from_utf8_lossy(&line).strip_suffix("\r\n")? {
            "" => return Some(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

/// A service that reads headers in the CGI form.
pub(crate) struct Wsgi {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Wsgi {
    pub(crate) fn start() -> Self {
        let mut process = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/gateways/wsgi.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, address: ([127, 0, 0, 1], port.trim().parse().unwrap()).into() }
    }
}

impl Drop for Wsgi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Replaces Doorward: answers each request with these bytes.
pub(crate) fn doorward_that_says(answer: &'static str) -> SocketAddr {
    accept(move |mut stream| {
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream.try_clone().ok()?);
            loop {
                lines(&mut reader)?;
                stream.write_all(answer.as_bytes()).ok()?;
                if !answer.contains("Content-Length") {
                    return None::<()>;
                }
            }
        });
    })
}

/// Replaces Doorward: accepts connections, and never answers.
pub(crate) fn doorward_that_hangs() -> SocketAddr {
    let held = Mutex::new(Vec::new());
    accept(move |stream| held.lock().unwrap().push(stream))
}

fn accept(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(serve));
    address
}
