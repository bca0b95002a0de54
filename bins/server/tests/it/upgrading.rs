//! Servers of the release before and of this one on one store, behind a load balancer, under load: forwards, back, and forwards again.
//!
//! The programs of the release before are in the folder that DOORWARD_TEST_OLDER names. `cargo xtask test --long` builds them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use doorward_test_postgres::Cluster;

use crate::rolling::{Balancer, Clients};
use crate::support::{self, Server, free_address};

const SERVER: &str = env!("CARGO_BIN_EXE_doorward-server");

/// Runs the command line of a release, and returns its standard output.
fn doorward(programs: &Path, store: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(programs.join("doorward"));
    let done = command.args(["--store", store]).args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn who_am_i(server: SocketAddr, key: &str) -> Option<u16> {
    support::status_of(server, "/v1/whoami", Some(key))
}

#[test]
fn releases_serve_side_by_side_and_no_request_fails() {
    let Some(older) = std::env::var_os("DOORWARD_TEST_OLDER").map(PathBuf::from) else { return };
    let newer = Path::new(SERVER).parent().expect("a program is in a folder").to_owned();
    let (cluster, folder) = (Cluster::start(&[]).unwrap(), tempfile::tempdir().unwrap());
    let url = cluster.url();
    let key = doorward(&older, &url, &["org", "create", "acme"]);
    let test = doorward(&older, &url, &["key", "create", "--name", "ci"]);
    let places = [free_address(), free_address()];
    let start = |programs: &Path, place: SocketAddr| {
        Server::on_with_delay(&programs.join("doorward-server"), &url, place.port(), "3s")
    };
    let mut servers = places.map(|place| Some(start(&older, place)));
    let address = free_address();
    let _balancer = Balancer::start(folder.path(), address, places);
    support::waits_for("both servers", || who_am_i(address, &key) == Some(200));

    // A program of this release waits for its migration.
    let mut early = Command::new(SERVER);
    let key_file = folder.path().join("sealing-key");
    support::write_secret(&key_file, &format!("{}=\n", "A".repeat(43)));
    early.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--store", &url, "--sealing-key-file"]);
    let early = early.arg(&key_file).output().unwrap();
    let said = String::from_utf8(early.stderr).unwrap();
    assert!(!early.status.success() && said.contains("doorward store migrate"), "{said}");

    let clients = Clients::default();
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (clients, key) = (&clients, key.as_str());
            scope.spawn(move || clients.ask(address, key));
            scope.spawn(move || clients.upload(address, key, client));
        }
        clients.wait_for(4);
        doorward(&newer, &url, &["store", "migrate"]);
        clients.wait_for(4);
        let mut current = test.clone();
        for (round, programs) in [&newer, &older, &newer].into_iter().enumerate() {
            for (place, server) in places.into_iter().zip(&mut servers) {
                let (status, _) = server.take().expect("it runs").stop();
                assert!(status.success(), "{status}");
                *server = Some(start(programs, place));
                clients.wait_for(4);
                // Each release's change is in effect on servers of both, as soon as it is confirmed.
                let by = if round % 2 == 0 { &older } else { &newer };
                let listed = doorward(by, &url, &["--output", "json", "key", "list"]);
                let keys: serde_json::Value = serde_json::from_str(&listed).unwrap();
                let keys = keys["data"].as_array().unwrap();
                let id = keys.iter().find(|key| key["environment"] == "test").unwrap()["id"].as_str().unwrap();
                doorward(by, &url, &["key", "delete", id, "--yes"]);
                for place in places {
                    assert_eq!(who_am_i(place, &current), Some(401), "round {round}, {place}");
                }
                current = doorward(by, &url, &["key", "create", "--name", "ci"]);
                for place in places {
                    assert_eq!(who_am_i(place, &current), Some(200), "round {round}, {place}");
                }
            }
        }
        clients.stop.store(true, Ordering::Release);
    });
    assert_eq!(*clients.failed.lock().unwrap(), Vec::<String>::new());
    let verified = doorward(&newer, &url, &["--output", "json", "audit", "verify"]);
    let verified: serde_json::Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["whole"], true, "{verified}");
}
