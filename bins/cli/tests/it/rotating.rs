//! Rotations that do themselves, and keys whose values never travel.

use std::process::Stdio;
use std::time::Duration;

use crate::programs::{command, done, refused, run, server_binary};
use crate::support::{Server, waits_for};

fn status(server: &Server, key: &str) -> u16 {
    server.call(key, "GET", "/v1/whoami", None).status
}

/// A service uses the current key until the next one is delivered. The rotation waits for it, and is interrupted in between.
#[test]
fn a_rotation_waits_until_nobody_uses_the_current_key() {
    let server = Server::start(&server_binary());
    let folder = server.folder.path();
    let current = server.production_key.clone();
    let rotate = ["key", "rotate", "--idle", "6s", "--every", "1s", "--yes", "--deliver"];
    let (code, said) = refused(folder, &[&rotate[..], &["cat > /dev/null; exit 7"]].concat());
    assert!(code == 1 && said.contains("exit status: 7") && said.contains("stays staged"), "{said}");
    assert_eq!(status(&server, &current), 200);

    let arguments = [&rotate[..], &["cat > next.key"]].concat();
    let mut first = command(folder, &arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let delivered = folder.join("next.key");
    waits_for("the value is delivered", || std::fs::read(&delivered).is_ok_and(|value| value.len() == 55));
    let next = std::fs::read_to_string(&delivered).unwrap();
    assert_eq!((status(&server, &current), status(&server, &next)), (200, 200));
    // The machine goes down in the middle.
    first.kill().unwrap();
    first.wait().unwrap();
    // The counts reach the store within seconds, and the next run waits for them before it withdraws a key.
    let output = run(folder, &arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("is rolled out already") && said.contains("is current now"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "a value is on standard output");
    assert_eq!((status(&server, &current), status(&server, &next)), (401, 200));
    assert_eq!(std::fs::read_to_string(&delivered).unwrap(), next, "the value was delivered again");
    assert!(!said.contains(&next) && !said.contains(&current));
    // Nobody uses the next key: its value may be lost, so another is made.
    done(folder, &["key", "stage"]);
    let mut again = command(folder, &arguments).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    waits_for("another value is delivered", || {
        std::fs::read_to_string(&delivered).is_ok_and(|value| value != next && value.len() == 55)
    });
    again.kill().unwrap();
    again.wait().unwrap();
    assert_eq!(status(&server, &next), 200);
}

#[test]
fn a_scheduler_regenerates_only_a_key_that_nobody_uses() {
    let server = Server::start(&server_binary());
    let folder = server.folder.path();
    assert_eq!(status(&server, &server.production_key), 200);
    waits_for("the use is known", || !done(folder, &["key", "list"]).contains("never"));
    let (code, said) = refused(folder, &["key", "regenerate", "--if-unused-for", "1h", "--yes"]);
    assert!(code == 6 && said.contains("still in use"), "{said}");
    assert_eq!(status(&server, &server.production_key), 200);
    std::thread::sleep(Duration::from_secs(2));
    done(folder, &["key", "regenerate", "--if-unused-for", "1s", "--yes"]);
    assert_eq!(status(&server, &server.production_key), 401);
}

#[test]
fn a_value_that_was_made_elsewhere_never_reaches_the_store() {
    let server = Server::start(&server_binary());
    let folder = server.folder.path();
    let made = |environment: &str| {
        let output = run(folder, &["key", "new", "--environment", environment]);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        (text(output.stdout), text(output.stderr))
    };
    let (value, public) = made("test");
    assert!(value.starts_with("dw_test_") && !public.contains(&value));
    assert_eq!(status(&server, &value), 401);
    let create = ["key", "create", "--name", "vault", "--digest", &public];
    assert!(!done(folder, &create).contains("dw_test_"));
    assert_eq!(status(&server, &value), 200);
    let (name, events) = (["key", "list"], ["audit", "list", "--environment", "test"]);
    let before = (done(folder, &name), done(folder, &events));
    done(folder, &create);
    assert_eq!(
        (done(folder, &name), done(folder, &events)).1.lines().count(),
        before.1.lines().count(),
        "a repeat changes nothing"
    );

    let (next, of_next) = made("production");
    done(folder, &["key", "stage", "--digest", &of_next]);
    done(folder, &["key", "stage", "--digest", &of_next]);
    assert_eq!((status(&server, &next), status(&server, &server.production_key)), (200, 200));
    assert_eq!(refused(folder, &["key", "create", "--name", "x", "--digest", &of_next]).0, 6, "it is another key's");
    done(folder, &["key", "regenerate", "--yes"]);
    assert_eq!((status(&server, &next), status(&server, &server.production_key)), (200, 401));
    // A dead key never comes back.
    done(folder, &["key", "delete", "vault"]);
    let (code, said) = refused(folder, &create);
    assert!(code == 6 && said.contains("never works again"), "{said}");
    assert_eq!(status(&server, &value), 401);
    assert_eq!(refused(folder, &["key", "create", "--name", "x", "--digest", "junk"]).0, 2);
    for file in ["doorward.db", "doorward.db-wal"] {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        assert!(!bytes.windows(value.len()).any(|window| window == value.as_bytes()), "the value is in {file}");
    }
}
