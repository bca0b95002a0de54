//! The sealing key with real servers: with a wrong or missing key no server starts, and `doorward sealing-key rotate` replaces
//! the key while servers run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use doorward::key::SystemRandom;
use doorward::records::{SealedKind, SealedValue, Sealing, SealingKey, SealingKeys, is_half_sealed};
use doorward::sqlite::SqliteStore;
use doorward::store::{ChangeFeed, OpenMode, SealingKeyId};
use serde_json::{Value, json};

use crate::programs::{run, server_binary};
use crate::support::{self, Server};

/// Returns the output of a successful rotation.
fn rotated(folder: &Path, options: &[&str]) -> Value {
    let arguments = [&["--output", "json", "sealing-key", "rotate", KEY_FILE], options].concat();
    let done = run(folder, &arguments);
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Returns the exit status and the message of a refused rotation.
fn refused(folder: &Path, options: &[&str]) -> (i32, String) {
    let done = run(folder, &[&["sealing-key", "rotate", KEY_FILE], options].concat());
    (done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr).into_owned())
}

/// Returns the message of a server that does not start.
fn does_not_start(folder: &Path, options: &[&str], variables: &[(&str, &str)]) -> String {
    let mut server = Command::new(server_binary());
    server.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]).args(options).current_dir(folder);
    server.env_remove("DOORWARD_STORE").envs(variables.iter().copied());
    let ended = server.output().unwrap();
    assert!(!ended.status.success(), "{ended:?}");
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

const KEY_FILE: &str = "doorward.db.sealing-key";

fn key_file(folder: &Path) -> PathBuf {
    folder.join(KEY_FILE)
}

fn keys(folder: &Path) -> SealingKeys {
    std::fs::read_to_string(key_file(folder)).unwrap().parse().unwrap()
}

fn write_keys(folder: &Path, text: &str) {
    std::fs::write(key_file(folder), text).unwrap();
    std::fs::set_permissions(key_file(folder), PermissionsExt::from_mode(0o600)).unwrap();
}

fn with_store<T>(folder: &Path, work: impl AsyncFnOnce(SqliteStore) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        work(SqliteStore::open(folder.join("doorward.db"), OpenMode::Existing).await.unwrap()).await
    })
}

fn named(folder: &Path) -> Option<SealingKeyId> {
    with_store(folder, async |store| store.identity().await.unwrap().proved_of_any_store().unwrap().1.sealing_key)
}

fn values(folder: &Path) -> Vec<SealedValue> {
    with_store(folder, async |store| {
        let mut all = Vec::new();
        for kind in SealedKind::ALL {
            all.extend(store.sealed_values(kind, None, 10_000).await.unwrap());
        }
        all
    })
}

/// Returns whether every value names this key and opens with it.
fn all_sealed_with(folder: &Path, id: SealingKeyId) -> bool {
    let values = values(folder);
    assert!(values.iter().any(|value| value.kind == SealedKind::Credential));
    assert!(values.iter().any(|value| value.kind == SealedKind::Connector));
    values.iter().all(|value| value.sealed.key_id() == Some(id))
}

/// A server with a credential and a connector.
struct World {
    server: Server,
    operator: String,
    organization: String,
    user: String,
}

impl World {
    fn new() -> Self {
        let server = Server::start_quiet(&server_binary(), tempfile::tempdir().unwrap());
        let operator = server.operator("ada");
        let key = server.production_key.clone();
        let organization = server.call(&key, "GET", "/v1/whoami", None).text("/organization/id");
        let user = server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u-1"}"#)).text("/id");
        let world = Self { server, operator, organization, user };
        assert!(world.put(&world.server, "github"));
        assert!(world.lists(&world.server));
        world
    }

    fn folder(&self) -> PathBuf {
        self.server.folder.path().to_owned()
    }

    /// Seals a credential and a connector. Returns whether it succeeded.
    fn put(&self, server: &Server, name: &str) -> bool {
        let path = format!("/v1/registered-users/{}/credentials/{name}", self.user);
        let put = server.call(&self.server.production_key, "PUT", &path, Some(r#"{"secret":"hunter2"}"#));
        let settings = json!({
            "authorization_endpoint": "https://id.example/auth", "token_endpoint": "https://id.example/token",
            "client_id": "doorward", "client_secret": "hunter3", "scope": "openid", "issuer": "https://id.example",
        });
        let path = format!("/v1/organizations/{}/connectors/{name}?environment=production", self.organization);
        let connector = server.call(&self.operator, "PUT", &path, Some(&settings.to_string()));
        (put.status, connector.status) == (204, 204)
    }

    /// Opens every connector. Returns whether it succeeded.
    fn lists(&self, server: &Server) -> bool {
        let path = format!("/v1/organizations/{}/connectors?environment=production", self.organization);
        server.call(&self.operator, "GET", &path, None).status == 200
    }
}

#[test]
fn a_rotation_seals_everything_again_while_servers_run() {
    let world = World::new();
    let folder = world.folder();
    let other = Server::beside(&server_binary(), &folder, 0);
    let old = keys(&folder).sealing();
    assert_eq!(named(&folder), Some(old));
    let mode = || std::fs::metadata(key_file(&folder)).unwrap().mode() & 0o777;

    // A staged key seals nothing.
    let staged = rotated(&folder, &["--stage"]);
    assert_eq!(rotated(&folder, &["--stage"]), staged);
    let new = keys(&folder).sealing();
    assert_eq!((keys(&folder).ids(), staged["key"].as_str().unwrap()), (vec![old, new], &*new.to_string()));
    assert_eq!((named(&folder), mode()), (Some(old), 0o600));
    assert!(world.put(&other, "slack"));
    assert!(all_sealed_with(&folder, old));

    // Both servers seal and open values all the time.
    let (ended, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let done = std::thread::scope(|scope| {
        for server in [&world.server, &other] {
            let (world, ended, rounds) = (&world, &ended, &rounds);
            scope.spawn(move || {
                while !ended.load(Ordering::Acquire) {
                    for name in ["github", "slack", "linear"] {
                        assert!(world.put(server, name) && world.lists(server));
                    }
                    rounds.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        let done = rotated(&folder, &[]);
        let at_the_end = rounds.load(Ordering::Acquire);
        support::waits_for("servers seal on", || rounds.load(Ordering::Acquire) > at_the_end + 4);
        ended.store(true, Ordering::Release);
        done
    });
    assert!(rounds.load(Ordering::Acquire) > 4);
    assert_eq!((keys(&folder).ids(), named(&folder), mode()), (vec![old, new], Some(new), 0o600));
    assert_eq!((done["key"].as_str().unwrap(), done["unreadable"].as_u64()), (&*new.to_string(), Some(0)));
    // Values that a server writes during the rotation use the new key, and are not sealed again.
    assert!(done["sealed"].is_u64(), "{done}");
    assert!(all_sealed_with(&folder, new));
    let events = run(&folder, &["--output", "json", "audit", "list", "--installation"]);
    let events: Value = serde_json::from_slice(&events.stdout).unwrap();
    let rotations: Vec<_> =
        events["data"].as_array().unwrap().iter().filter(|event| event["action"] == "sealing_key.rotated").collect();
    assert_eq!(rotations.len(), 1, "{events}");
    assert_eq!(rotations[0]["subject"], new.to_string());
    assert!(rotations[0]["actor"].as_str().unwrap().starts_with("cli:"), "{events}");
    assert_eq!(rotations[0]["actor_id"], "cli");

    // The old key is no longer needed.
    drop(other);
    let text = std::fs::read_to_string(key_file(&folder)).unwrap();
    write_keys(&folder, &format!("{}\n", text.lines().last().unwrap()));
    let again = Server::beside(&server_binary(), &folder, 0);
    assert!(world.lists(&again) && world.put(&again, "github"));
    assert!(all_sealed_with(&folder, new));
    // Each later rotation has its own key.
    rotated(&folder, &[]);
    assert_eq!(keys(&folder).ids().len(), 2);
    assert!(world.lists(&world.server) && world.lists(&again));
}

#[test]
fn a_server_without_the_newest_key_seals_nothing_until_it_has_it() {
    let world = World::new();
    let folder = world.folder();
    let copy = folder.join("copy");
    std::fs::copy(key_file(&folder), &copy).unwrap();
    let other = Server::start_at(&server_binary(), &folder, &["--sealing-key-file", copy.to_str().unwrap()]);
    assert!(world.put(&other, "slack"));
    rotated(&folder, &[]);
    let new = keys(&folder).sealing();
    let path = format!("/v1/registered-users/{}/credentials/slack", world.user);
    let put = other.call(&world.server.production_key, "PUT", &path, Some(r#"{"secret":"hunter2"}"#));
    assert_eq!((put.status, put.text("/code").as_str()), (503, "store_unavailable"));
    assert!(all_sealed_with(&folder, new));
    assert!(world.put(&world.server, "github"));

    std::fs::copy(key_file(&folder), &copy).unwrap();
    support::waits_for("the server reads the file again", || world.put(&other, "slack"));
    assert!(all_sealed_with(&folder, new));
}

#[test]
fn an_interrupted_rotation_goes_on_with_the_same_key() {
    let world = World::new();
    let folder = world.folder();
    let old = keys(&folder).sealing();
    rotated(&folder, &["--stage"]);
    let new = keys(&folder).sealing();
    // As if the command had ended after the store recorded the key's name.
    assert!(with_store(&folder, async |store| store.name_sealing_key(Some(old), new, None).await.unwrap()));
    support::waits_for("the server seals with the key that the store names", || {
        assert!(world.put(&world.server, "slack") && world.lists(&world.server));
        values(&folder).iter().any(|value| value.sealed.key_id() == Some(new))
    });
    let half =
        |folder: &Path| with_store(folder, async |store| is_half_sealed(&store, &keys(folder), new).await.unwrap());
    assert!(half(&folder));
    let done = rotated(&folder, &[]);
    assert_eq!((done["key"].as_str().unwrap(), keys(&folder).ids()), (&*new.to_string(), vec![old, new]));
    assert!(all_sealed_with(&folder, new) && !half(&folder));
    assert!(world.lists(&world.server));

    // Without the store's key, there is no rotation.
    let text = std::fs::read_to_string(key_file(&folder)).unwrap();
    write_keys(&folder, &format!("{}\n", text.lines().next().unwrap()));
    let (status, said) = refused(&folder, &[]);
    assert_eq!(status, 6, "{said}");
    assert!(said.contains(&format!("sealed with the key {new}")) && said.contains(&old.to_string()), "{said}");
    std::fs::remove_file(key_file(&folder)).unwrap();
    assert_eq!(refused(&folder, &[]).0, 5);
    assert!(!key_file(&folder).exists());
}

#[test]
fn a_server_without_the_stores_key_does_not_start() {
    let world = World::new();
    let folder = world.folder();
    let (own, text) = (keys(&folder).sealing(), std::fs::read_to_string(key_file(&folder)).unwrap());
    let (other, line) = SealingKey::draw(&SystemRandom).unwrap();
    let (status, kept) = world.server.stop();
    assert!(status.success());

    std::fs::remove_file(key_file(&folder)).unwrap();
    let said = does_not_start(&folder, &[], &[]);
    assert!(said.contains(&format!("sealed with the key {own}")) && said.contains("there is no file"), "{said}");
    assert!(!key_file(&folder).exists());
    write_keys(&folder, &line);
    let said = does_not_start(&folder, &[], &[]);
    assert!(said.contains(&own.to_string()) && said.contains(&format!("holds {}", other.id())), "{said}");
    assert!(said.contains("Copy the file with the key"), "{said}");

    // A flag overrides the environment.
    let right = folder.join("right");
    std::fs::write(&right, &text).unwrap();
    std::fs::set_permissions(&right, PermissionsExt::from_mode(0o600)).unwrap();
    let wrong = [("DOORWARD_SEALING_KEY", line.trim())];
    let said = does_not_start(&folder, &[], &wrong);
    assert!(said.contains(&format!("DOORWARD_SEALING_KEY holds {}", other.id())), "{said}");
    let said = does_not_start(&folder, &["--sealing-key-file", KEY_FILE], &[("DOORWARD_SEALING_KEY", text.trim())]);
    assert!(said.contains(&format!("holds {}", other.id())), "{said}");
    let started = Server::start_at(&server_binary(), &folder, &["--sealing-key-file", right.to_str().unwrap()]);
    drop(started);

    // Values from before values named their key, in a store that names no key.
    let database = rusqlite::Connection::open(folder.join("doorward.db")).unwrap();
    let before = "UPDATE store SET sealing_key = NULL; UPDATE connectors SET sealed = substr(sealed, 13);
                  UPDATE credentials SET sealed = substr(sealed, 13); UPDATE revocations SET sealed = substr(sealed, 13)";
    database.execute_batch(before).unwrap();
    drop(database);
    for is_there in [true, false] {
        if !is_there {
            std::fs::remove_file(key_file(&folder)).unwrap();
        }
        let said = does_not_start(&folder, &[], &[]);
        assert!(said.contains("none of them opens"), "{said}");
        assert_eq!((named(&folder), key_file(&folder).exists()), (None, is_there));
    }
    write_keys(&folder, &text);
    let server = Server::start_at(&server_binary(), &folder, &[]);
    assert_eq!(named(&folder), Some(own));
    let connectors = format!("/v1/organizations/{}/connectors?environment=production", world.organization);
    assert_eq!(server.call(&world.operator, "GET", &connectors, None).status, 200);
    // These values have the store's key, and are no trace of a rotation.
    rotated(&folder, &[]);
    let new = keys(&folder).sealing();
    assert_eq!(keys(&folder).ids(), [own, new]);
    assert!(all_sealed_with(&folder, new));
    drop(server);

    // A lost key can be replaced only by an explicit confirmation.
    std::fs::remove_file(key_file(&folder)).unwrap();
    assert_eq!(refused(&folder, &["--accept-loss"]).0, 3);
    let done = rotated(&folder, &["--accept-loss", "--yes"]);
    assert_eq!(done["sealed"].as_u64(), Some(0), "{done}");
    assert!(done["unreadable"].as_u64().unwrap() >= 2, "{done}");
    assert_eq!(named(&folder), Some(keys(&folder).sealing()));
    drop(Server::start_at(&server_binary(), &folder, &[]));
    drop(kept);
}
