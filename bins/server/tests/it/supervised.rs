//! The server under a supervisor that speaks systemd's protocols: it tells its state, and takes listeners.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::running::{APART, Process};
use crate::support::{self, send_bytes};

/// The limit for a test that hangs.
const GUARD: Duration = Duration::from_secs(60);

/// Reads messages until one of them has this text.
fn hears(supervisor: &UnixDatagram, text: &str) -> String {
    let mut message = [0; 1024];
    loop {
        let length = supervisor.recv(&mut message).unwrap_or_else(|error| panic!("never {text:?}: {error}"));
        let heard = String::from_utf8_lossy(message.get(..length).unwrap()).into_owned();
        if heard.contains(text) {
            return heard;
        }
    }
}

#[test]
fn a_supervisor_hears_of_the_start_the_reload_the_runtime_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(GUARD)).unwrap();
    let variables = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let server = Process::start(folder.path(), &APART, &variables);
    hears(&supervisor, "READY=1");
    server.line(": serving address=", 1);
    hears(&supervisor, "WATCHDOG=1");
    server.hang_up();
    assert!(hears(&supervisor, "RELOADING=1").contains("MONOTONIC_USEC="));
    hears(&supervisor, "READY=1");
    server.terminate();
    hears(&supervisor, "STOPPING=1");
}

/// Starts a server that inherits a listener, as systemd starts it.
fn activated(folder: &Path, listener: &TcpListener) -> Child {
    rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::empty()).unwrap();
    let script = format!("exec 3<&{} && LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"", listener.as_raw_fd());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script, env!("CARGO_BIN_EXE_doorward-server")]);
    // The address is another one: what is passed on comes first.
    bash.args(["--listen", "127.0.0.1:1", "--metrics-listen", "127.0.0.1:0", "--shutdown-delay", "2s"]);
    bash.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_restart_refuses_no_connection_if_a_supervisor_holds_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = activated(folder.path(), &listener);
    let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let is_ready = || send_bytes(address, request).is_some_and(|answer| answer.status == 200);
    support::waits_for("the first server", is_ready);
    let (stop, answered, failed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let healthz = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    let answer = send_bytes(address, healthz);
                    let count = if answer.is_some_and(|answer| answer.status == 200) { &answered } else { &failed };
                    count.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        for _ in 0..3 {
            let before = answered.load(Ordering::Acquire);
            support::waits_for("some answers", || answered.load(Ordering::Acquire) > before + 20);
            let id = server.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            assert!(server.wait().unwrap().success());
            server = activated(folder.path(), &listener);
        }
        let before = answered.load(Ordering::Acquire);
        support::waits_for("answers of the last server", || answered.load(Ordering::Acquire) > before + 20);
        stop.store(true, Ordering::Release);
    });
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!(failed.load(Ordering::Acquire), 0, "of {}", answered.load(Ordering::Acquire));
}

#[test]
fn the_server_waits_for_a_database_that_starts_later() {
    let folder = tempfile::tempdir().unwrap();
    let place = support::free_address();
    let store = format!("postgres://doorward@{place}/doorward?sslmode=disable");
    let arguments = [&APART[..], &["--store", &store]].concat();
    let server = Process::start(folder.path(), &arguments, &[]);
    // It goes on asking, and says why it waits.
    let line = server.line("the store does not answer; asking again", 3);
    assert!(line.contains("refused"), "{line}");
    // Something that is not a database answers, and the server goes on waiting.
    let listener = TcpListener::bind(place).unwrap();
    let (stream, _) = listener.accept().unwrap();
    drop(stream);
    server.line("the store does not answer; asking again", 4);
}
