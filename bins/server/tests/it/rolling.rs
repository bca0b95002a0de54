//! Servers behind a real load balancer are replaced one after the other, and no client notices.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{self, GUARD, Server, free_address, send_bytes};

/// The number of pieces of a slow upload, and the pause before each.
const PIECES: usize = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// HAProxy in front of two servers, which it checks by `/readyz`. It ends on drop.
pub(crate) struct Balancer(Child);

impl Balancer {
    pub(crate) fn start(folder: &Path, address: SocketAddr, servers: [SocketAddr; 2]) -> Self {
        let [a, b] = servers;
        let file = folder.join("haproxy.cfg");
        let text = format!(
            "defaults\n  mode http\n  timeout connect 60s\n  timeout check 60s\n  timeout client 60s\n  timeout server 60s\n\
             listen doorward\n  bind {address}\n  balance roundrobin\n  option httpchk GET /readyz\n\
             server a {a} check inter 200ms fall 3 rise 1\n  server b {b} check inter 200ms fall 3 rise 1\n"
        );
        std::fs::write(&file, text).unwrap();
        Self::run(&file)
    }

    /// Starts HAProxy with this configuration.
    pub(crate) fn run(file: &Path) -> Self {
        let mut haproxy = Command::new("haproxy");
        haproxy.arg("-f").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(haproxy.spawn().expect("`cargo xtask test` installs HAProxy"))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Clients that run until they are told to stop.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) stop: AtomicBool,
    answered: AtomicUsize,
    uploaded: AtomicUsize,
    pub(crate) failed: Mutex<Vec<String>>,
}

impl Clients {
    pub(crate) fn ask(&self, address: SocketAddr, key: &str) {
        let request = format!(
            "GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
        );
        while !self.stop.load(Ordering::Acquire) {
            let answer = send_bytes(address, request.as_bytes());
            match answer {
                Some(answer) if answer.status == 200 => drop(self.answered.fetch_add(1, Ordering::AcqRel)),
                other => self.failed.lock().unwrap().push(format!("{other:?}")),
            }
        }
    }

    /// Registers users, with bodies that arrive a piece at a time.
    pub(crate) fn upload(&self, address: SocketAddr, key: &str, client: usize) {
        let mut number = 0;
        while !self.stop.load(Ordering::Acquire) {
            number += 1;
            let body = format!("{{\"origin_user_id\":\"user {number:08} of client {client:08}\"}}");
            let head = format!(
                "POST /v1/registered-users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(GUARD)).unwrap();
            let _ = stream.write_all(head.as_bytes());
            for piece in body.as_bytes().chunks(body.len().div_ceil(PIECES)) {
                std::thread::sleep(PAUSE);
                let _ = stream.write_all(piece);
            }
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer);
            if read.is_ok() && answer.starts_with("HTTP/1.1 201 ") {
                self.uploaded.fetch_add(1, Ordering::AcqRel);
            } else {
                self.failed.lock().unwrap().push(format!("{read:?} {answer}"));
            }
        }
    }

    /// Waits until this number of further requests of each kind were answered.
    pub(crate) fn wait_for(&self, more: usize) {
        let now = || (self.answered.load(Ordering::Acquire), self.uploaded.load(Ordering::Acquire));
        let before = now();
        while (now().0 < before.0 + 10 * more || now().1 < before.1 + more) && self.failed.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn no_request_fails_when_servers_are_replaced_one_after_the_other() {
    let (binary, folder) = (Path::new(env!("CARGO_BIN_EXE_doorward-server")), tempfile::tempdir().unwrap());
    let places = [free_address(), free_address()];
    // Several checks of the balancer, with room for a busy machine.
    let options = ["--shutdown-delay", "3s"];
    let start = |place: SocketAddr| Server::beside_with(binary, folder.path(), place.port(), &options);
    let [a, b] = places;
    let first = start(a);
    let key = first.production_key.clone();
    let servers = [first, start(b)];
    let address = free_address();
    let _balancer = Balancer::start(folder.path(), address, places);
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let ready = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    support::waits_for("both servers", || send_bytes(address, ready).is_some_and(|answer| answer.status == 200));

    let clients = Clients::default();
    let replaced = std::thread::scope(|scope| {
        for client in 0..4 {
            let (clients, key) = (&clients, key.as_str());
            scope.spawn(move || clients.ask(address, key));
            scope.spawn(move || clients.upload(address, key, client));
        }
        clients.wait_for(4);
        let replaced = servers.map(|server| {
            let place = server.address;
            let (status, _) = server.stop();
            assert!(status.success(), "{status}");
            let next = start(place);
            // Both serve again before the other one stops.
            clients.wait_for(8);
            next
        });
        clients.stop.store(true, Ordering::Release);
        replaced
    });
    drop(replaced);
    assert_eq!(*clients.failed.lock().unwrap(), Vec::<String>::new());
}
