//! A PgBouncer in transaction pooling, in front of the tests' PostgreSQL.

use std::fs::Permissions;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A running PgBouncer. It stops on drop.
pub(crate) struct PgBouncer {
    process: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts a PgBouncer in front of the shared server. Like PostgreSQL, it refuses to run as root.
    pub(crate) fn start() -> Self {
        let server: tokio_postgres::Config = super::server().parse().unwrap();
        Self::before(server.get_ports().first().copied().unwrap_or(5432))
    }

    /// Starts a PgBouncer in front of the server at this port.
    pub(crate) fn before(server_port: u16) -> Self {
        let port = doorward_test_postgres::free_port().unwrap();
        let folder = tempfile::Builder::new().prefix("doorward-pgbouncer-").tempdir().unwrap();
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings(port, server_port)).unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let is_root = std::fs::metadata(folder.path()).unwrap().uid() == 0;
        let mut command = Command::new(if is_root { "setpriv" } else { "pgbouncer" });
        if is_root {
            // `setpriv` becomes the program, so killing one kills the other.
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--", "pgbouncer"]);
        }
        let process = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let there = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(there, "PgBouncer does not listen");
        Self { process, port, folder }
    }

    /// Switches it to the server at another port, as operators do at a failover.
    pub(crate) async fn point_at(&self, server_port: u16) {
        std::fs::write(self.folder.path().join("pgbouncer.ini"), settings(self.port, server_port)).unwrap();
        let console = super::connect(&self.url("pgbouncer")).await;
        for command in ["RELOAD", "RECONNECT"] {
            console.simple_query(command).await.unwrap();
        }
    }

    /// Returns the URL of a database through it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Returns the URL through it of a service's database, whose tables have the names of the store's. A statement that
    /// depended on `search_path` would find the wrong tables, since PgBouncer drops the settings of sessions.
    pub(crate) async fn empty(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bounced_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        super::connect(&super::server()).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let tables = ["organizations", "sessions", "secrets", "revision", "store", "changes", "operators", "uses"];
        let theirs = tables.map(|table| format!("CREATE TABLE public.{table} (theirs TEXT);")).concat();
        super::connect(&super::in_database(&name)).await.batch_execute(&theirs).await.unwrap();
        self.url(&name)
    }
}

fn settings(port: u16, server_port: u16) -> String {
    format!(
        "[databases]\n* = host=127.0.0.1 port={server_port} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         admin_users = postgres\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 5\n\
         server_login_retry = 1\n"
    )
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
