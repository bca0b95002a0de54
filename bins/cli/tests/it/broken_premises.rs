//! Breaks the premises of the promise in real processes: the store's files are moved, replaced and removed under a server, and a
//! pooler switches a server to a standby. After a regenerate has returned, no later request with the dead key is accepted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test prints its findings")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_test_postgres::Cluster;

use crate::fire::{Client, Truth, command, is_long};
use crate::programs::server_binary;
use crate::support::{self, Server};

/// The number of rounds for each premise; higher with `DOORWARD_TEST_LONG`.
fn rounds() -> u32 {
    if is_long() { 150 } else { 1 }
}

/// Damages the store in this folder.
type Break = fn(&Path);

/// Each way to replace the file at the path that the server has open.
const BREAKS: [(&str, Break); 6] = [
    ("another file is moved to the path", |folder| {
        let copy = folder.join("copy.db");
        let made = command(folder, &["store", "backup", copy.to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        std::fs::rename(copy, folder.join("doorward.db")).unwrap();
        for beside in ["doorward.db-wal", "doorward.db-shm"] {
            std::fs::remove_file(folder.join(beside)).unwrap();
        }
    }),
    ("the shared memory is removed", |folder| std::fs::remove_file(folder.join("doorward.db-shm")).unwrap()),
    ("the write-ahead log is removed", |folder| std::fs::remove_file(folder.join("doorward.db-wal")).unwrap()),
    ("the file gets a second name", |folder| {
        std::fs::hard_link(folder.join("doorward.db"), folder.join("second.db")).unwrap();
    }),
    ("the file is moved away and back as a copy", |folder| {
        std::fs::rename(folder.join("doorward.db"), folder.join("away.db")).unwrap();
        std::fs::copy(folder.join("away.db"), folder.join("doorward.db")).unwrap();
    }),
    ("the folder is moved, and a copy of it takes its place", |folder| {
        let away = folder.with_extension("away");
        std::fs::rename(folder, &away).unwrap();
        let copied = Command::new("cp").args(["-r"]).args([&away, folder]).status().unwrap();
        assert!(copied.success());
    }),
];

#[test]
fn a_dead_key_is_refused_whatever_happens_to_the_files() {
    for _ in 0..rounds() {
        // Each test waits for leases to run out, so they run in parallel.
        std::thread::scope(|scope| {
            for (name, break_it) in BREAKS {
                scope.spawn(move || a_store_that_breaks(name, break_it));
            }
        });
    }
}

fn a_store_that_breaks(name: &str, break_it: Break) {
    let server = Server::start_quiet(&server_binary(), tempfile::tempdir().unwrap());
    let folder = server.folder.path().to_owned();
    let mut client = Client { address: server.address, stream: None };
    let old = server.production_key.clone();
    client.await_status(&old, 200);
    break_it(&folder);
    let truth = Arc::new(Truth::with_rest(old.clone()));
    let regenerated = command(&folder, &["key", "regenerate", "--yes"]);
    let said = String::from_utf8_lossy(&regenerated.stderr).into_owned();
    // A command that finds the store damaged changes nothing and says so. Then the old key is not dead.
    if regenerated.status.success() {
        truth.dead.write().unwrap().push(old);
        *truth.current.write().unwrap() = String::from_utf8(regenerated.stdout).unwrap().trim().to_owned();
        let hammer = {
            let (truth, address) = (Arc::clone(&truth), server.address);
            std::thread::spawn(move || truth.hammer(address))
        };
        while truth.sent.load(Ordering::Relaxed) < 300 {
            std::thread::sleep(Duration::from_millis(10));
        }
        truth.stop.store(true, Ordering::Release);
        hammer.join().unwrap();
    }
    let not_current = truth.not_current.load(Ordering::Relaxed);
    println!("{name}: regenerated {}, {not_current} answers 503; {said}", regenerated.status.success());
    assert_eq!(*truth.stale.lock().unwrap(), Vec::<String>::new(), "{name}");
    // The server serves nothing, and its log names the affected file.
    client.await_status(&truth.current.read().unwrap(), 503);
    support::waits_for(name, || {
        let log = server.output.lock().unwrap();
        log.contains("this node cannot prove that it is current") && log.contains("doorward.db")
    });
}

#[test]
fn a_restore_is_refused_while_a_server_runs() {
    let server = Server::start_quiet(&server_binary(), tempfile::tempdir().unwrap());
    let folder = server.folder.path().to_owned();
    assert!(command(&folder, &["store", "backup", "copy.db"]).status.success());
    let restored = command(&folder, &["store", "restore", "copy.db", "--yes"]);
    let said = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(!restored.status.success() && said.contains("stop"), "{said}");
    Client { address: server.address, stream: None }.await_status(&server.production_key, 200);
    let (status, folder) = server.stop();
    assert!(status.success());
    // A stopped store is one file.
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<_> = left.filter(|name| name.starts_with("doorward.db")).collect();
    left.sort();
    assert_eq!(left, ["doorward.db", "doorward.db.sealing-key"]);
    assert!(command(folder.path(), &["store", "restore", "copy.db", "--yes"]).status.success());
}

/// A PgBouncer in transaction pooling. It stops on drop.
struct Pooler {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Pooler {
    fn before(server: u16) -> Self {
        let port = doorward_test_postgres::free_port().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, Self::settings(port, server)).unwrap();
        let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder.path()).unwrap()) == 0;
        let mut pooler = Command::new(if is_root { "setpriv" } else { "pgbouncer" });
        if is_root {
            // Like PostgreSQL, it refuses to run as root.
            pooler.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--", "pgbouncer"]);
        }
        let process = pooler.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port, folder }
    }

    fn settings(port: u16, server: u16) -> String {
        format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             admin_users = postgres\npool_mode = transaction\ndefault_pool_size = 5\n"
        )
    }

    /// Switches all clients to another server, as operators do at a failover.
    fn point_at(&self, server: u16) {
        std::fs::write(self.folder.path().join("pgbouncer.ini"), Self::settings(self.port, server)).unwrap();
        for order in ["RELOAD", "RECONNECT"] {
            sql(self.port, "pgbouncer", order);
        }
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Executes one statement.
fn sql(port: u16, database: &str, statement: &str) {
    let port = port.to_string();
    let done = Command::new("psql")
        .args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database, "-c", statement])
        .output()
        .unwrap();
    assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_server_that_a_pooler_leads_to_a_lagging_standby_serves_nothing() {
    let primary = Cluster::start(&[]).unwrap();
    let standby = primary.standby("second").unwrap();
    let pooler = Pooler::before(primary.port());
    let straight = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", primary.port());
    let folder = tempfile::tempdir().unwrap();
    let doorward = |arguments: &[&str]| {
        let done = command(folder.path(), &[&["--store", straight.as_str()], arguments].concat());
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let mut current = doorward(&["org", "create", "Acme"]);
    let server = Server::on(&server_binary(), &pooler.url(), 0);
    let mut client = Client { address: server.address, stream: None };
    for _ in 0..rounds().min(20) {
        client.await_status(&current, 200);
        pooler.point_at(standby.port());
        // The standby lags from here on.
        sql(standby.port(), "postgres", "SELECT pg_wal_replay_pause()");
        let fresh = doorward(&["key", "regenerate", "--yes"]);
        let dead = std::mem::replace(&mut current, fresh);
        for _ in 0..300 {
            let mut client = Client { address: server.address, stream: None };
            let status = client.whoami(&dead);
            assert!(matches!(status, Some(401 | 503)), "{status:?}: {}", server.output.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
        // Its reads may lack any change, so it serves nothing.
        client.await_status(&dead, 503);
        support::waits_for("the reason", || server.output.lock().unwrap().contains("this server is a standby"));
        sql(standby.port(), "postgres", "SELECT pg_wal_replay_resume()");
        pooler.point_at(primary.port());
        client.await_status(&current, 200);
        client.await_status(&dead, 401);
    }
}
