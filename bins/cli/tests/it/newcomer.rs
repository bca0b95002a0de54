//! The five steps of a newcomer, with the programs as people run them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::programs::{command, server_binary};
use crate::support::{self, Server};

fn doorward(server: &Server, arguments: &[&str], input: &[u8]) -> Output {
    let mut process = command(server.folder.path(), arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may have ended already.
    let _ = process.stdin.take().unwrap().write_all(input);
    process.wait_with_output().unwrap()
}

/// Returns the standard output of a command that must succeed.
fn output(server: &Server, arguments: &[&str]) -> String {
    let done = doorward(server, arguments, b"");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn whoami(server: &Server, key: &str) -> support::Answer {
    server.call(key, "GET", "/v1/whoami", None)
}

#[test]
fn the_five_steps_of_a_newcomer_work() {
    // 1. The first start shows the production key, a curl command, and the next step.
    let server = Server::start(&server_binary());
    let shown = server.output.lock().unwrap().clone();
    assert!(!shown.contains("cargo run") && !shown.contains(".md"), "an installed program has neither: {shown}");
    let curl = shown.lines().find(|line| line.trim().starts_with("curl ")).unwrap().trim().to_owned();

    // 2. The curl command works as printed; a new test key works at once on the running server.
    let answered = Command::new("sh").args(["-c", &format!("{curl} -s")]).output().unwrap();
    let who: serde_json::Value = serde_json::from_slice(&answered.stdout).unwrap();
    assert_eq!((&who["environment"], &who["organization"]["name"]), (&"production".into(), &"default".into()));
    let made = output(&server, &["key", "create", "--org", "default", "--name", "ci"]);
    let test_key = made.trim_end();
    assert!(made.starts_with("dw_test_") && made.lines().count() == 1, "the value alone");
    assert_eq!(whoami(&server, test_key).text("/key/name"), "ci");
    // So does each command that is shown, in any folder.
    let shown: Vec<_> = shown.lines().filter(|line| line.contains(" --store ")).collect();
    assert_eq!(shown.len(), 4);
    let made = Command::new("sh").args(["-c", shown[0]]).current_dir("/").output().unwrap();
    assert_eq!(whoami(&server, String::from_utf8_lossy(&made.stdout).trim_end()).status, 200, "{made:?}");

    // 3. A record of one key's environment is 404 for the other key, like a record that does not exist.
    let user = server.call(test_key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
    let get = |id: &str| server.call(&server.production_key, "GET", &format!("/v1/registered-users/{id}"), None);
    let (other, nowhere) = (get(&user).without_request(), get("ru_01h455vb4pex5vsknk084sn02q").without_request());
    assert_eq!((other.status, &other.headers, &other.body), (404, &nowhere.headers, &nowhere.body));

    // 4. After the stage, both keys work. After the regenerate, the old key is refused at once.
    let next = output(&server, &["key", "stage"]);
    let next = next.trim_end();
    assert_eq!(whoami(&server, &server.production_key).status, 200);
    assert_eq!(whoami(&server, next).status, 200);
    assert_eq!(output(&server, &["key", "regenerate", "--yes"]), "", "a staged value was shown again");
    assert_eq!(whoami(&server, &server.production_key).code(), "invalid_key");
    assert_eq!(whoami(&server, next).status, 200);
    let fresh = output(&server, &["key", "regenerate", "--yes"]);
    assert_eq!(whoami(&server, next).code(), "invalid_key");
    assert_eq!(whoami(&server, fresh.trim_end()).status, 200);
}

#[test]
fn a_key_is_dead_on_the_server_before_the_killing_command_returns() {
    let server = Server::start(&server_binary());
    for _ in 0..20 {
        let json = output(&server, &["--output", "json", "key", "create", "--name", "ci"]);
        let made: serde_json::Value = serde_json::from_str(&json).unwrap();
        let (value, id) = (made["value"].as_str().unwrap(), made["id"].as_str().unwrap());
        assert_eq!(made["receipt"]["nodes"]["acknowledged"], 1);
        assert_eq!(whoami(&server, value).status, 200);
        output(&server, &["key", "delete", id]);
        assert_eq!(whoami(&server, value).code(), "invalid_key");
    }
    let staged = output(&server, &["key", "stage"]);
    output(&server, &["key", "unstage", "--yes"]);
    assert_eq!(whoami(&server, staged.trim_end()).code(), "invalid_key");
}

#[test]
fn every_way_to_fail_has_its_exit_status() {
    let server = Server::start(&server_binary());
    let key = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/key/id");
    output(&server, &["operator", "create", "ada"]);
    output(&server, &["key", "stage"]);
    for (status, code, arguments) in [
        (2, "", &["key", "create"][..]),
        (2, "", &["--store", "mysql:x", "key", "list"]),
        (2, "", &["key", "create", "--name", "a\nb"]),
        (5, "not_found", &["key", "delete", "no-such-name"]),
        (3, "invalid_request", &["key", "regenerate"]),
        (3, "invalid_request", &["key", "unstage"]),
        (3, "invalid_request", &["operator", "delete", "ada"]),
        (5, "not_found", &["key", "list", "--org", "nobody"]),
        (5, "not_found", &["key", "list", "--org", "org_01h455vb4pex5vsknk084sn02q"]),
        (5, "not_found", &["key", "delete", "key_01h455vb4pex5vsknk084sn02q"]),
        (5, "not_found", &["operator", "delete", "grace", "--yes"]),
        (5, "not_found", &["--store", "sqlite:typo.db", "key", "list"]),
        (6, "already_staged", &["key", "stage"]),
        (6, "production_key_required", &["key", "delete", &key]),
        (6, "conflict", &["operator", "create", "ada"]),
    ] {
        let failed = doorward(&server, arguments, b"");
        assert_eq!(failed.status.code(), Some(status), "{arguments:?}");
        assert!(failed.stdout.is_empty() && !failed.stderr.is_empty(), "{arguments:?}");
        if status != 2 {
            let failed = doorward(&server, &[&["--output", "json"], arguments].concat(), b"");
            let problem: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
            assert_eq!((&problem["code"], failed.status.code()), (&code.into(), Some(status)), "{arguments:?}");
        }
    }
    assert!(!server.folder.path().join("typo.db").exists(), "a typing error makes no store");
    assert_eq!(whoami(&server, &server.production_key).status, 200, "nothing was changed");
    output(&server, &["org", "create", "Second"]);
    let ambiguous = doorward(&server, &["key", "list"], b"");
    assert_eq!(ambiguous.status.code(), Some(2));
}

#[test]
fn inspect_describes_a_key_and_never_prints_it() {
    let server = Server::start(&server_binary());
    let key = &server.production_key;
    let inspect = |input: &[u8], status: i32| {
        let done = doorward(&server, &["--output", "json", "key", "inspect"], input);
        assert_eq!(done.status.code(), Some(status));
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(!text.contains(&key[19..]), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let live = inspect(format!("{key}\n").as_bytes(), 0);
    assert_eq!((&live["well_formed"], &live["known"]), (&true.into(), &true.into()));
    assert_eq!(live["organization"]["name"], "default");
    assert_eq!((&live["environment"], &live["locator"]), (&"production".into(), &key[8..18].into()));
    output(&server, &["key", "regenerate", "--yes"]);
    assert_eq!(inspect(key.as_bytes(), 1)["known"], false);
    for bad in [&key.as_bytes()[..54], b"", b"\xff\xfe", key.replace("prod", "test").as_bytes()] {
        let found = inspect(bad, 2);
        assert_eq!(found["well_formed"], false);
        assert!(found["fault"].is_string() && found.get("known").is_none());
    }
    // A key is neither good nor bad if there is no store to ask, or if the store cannot be asked.
    let folder = server.folder.path();
    std::fs::write(folder.join("no.db"), "this is no store, and long enough for the head of a file. ".repeat(20))
        .unwrap();
    for (store, status) in [("sqlite:none.db", 5), ("sqlite:no.db", 6)] {
        let done = doorward(&server, &["--store", store, "key", "inspect"], key.as_bytes());
        assert_eq!(done.status.code(), Some(status), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let broken = doorward(&server, &["--store", "sqlite:no.db", "--output", "json", "org", "list"], b"");
    let document: serde_json::Value = serde_json::from_slice(&broken.stdout).unwrap();
    assert!(document["cause"].as_str().is_some_and(|cause| cause.contains("no SQLite database")), "{document}");
}

#[test]
fn lists_are_tables_for_people_and_documents_for_programs() {
    let server = Server::start(&server_binary());
    output(&server, &["key", "create", "--name", "ci"]);
    output(&server, &["operator", "create", "ada"]);
    for (arguments, columns, rows) in [
        (&["org", "list"][..], &["ID", "NAME", "CREATED"][..], 1),
        (&["key", "list"], &["ENVIRONMENT", "SECRET", "STATE", "ROTATION DUE"], 2),
        (&["operator", "list"], &["ID", "NAME"], 2),
        (&["audit", "list"], &["TIME", "ACTOR", "ACTION", "SUBJECT"], 2),
        (&["audit", "list", "--environment", "test"], &["BEFORE → AFTER"], 1),
        (&["audit", "list", "--installation"], &["ACTION"], 3),
    ] {
        let table = output(&server, arguments);
        assert!(columns.iter().all(|column| table.contains(column)), "{table}");
        let json = output(&server, &[&["--output", "json"], arguments].concat());
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(document["data"].as_array().unwrap().len(), rows, "{arguments:?}: {json}");
    }
    // The documents are the same as over HTTP, as soon as the server has written its counts.
    let ada = server.operator("http");
    let organization = whoami(&server, &server.production_key).text("/organization/id");
    support::waits_for("the command line shows the document of the server", || {
        let http = server.call(&ada, "GET", &format!("/v1/organizations/{organization}/access-keys"), None).json();
        let cli = output(&server, &["--output", "json", "key", "list"]);
        serde_json::from_str::<serde_json::Value>(&cli).unwrap() == http
    });
}

#[test]
fn an_operator_sees_who_still_uses_the_old_key() {
    let server = Server::start(&server_binary());
    for _ in 0..3 {
        whoami(&server, &server.production_key);
    }
    output(&server, &["key", "stage"]);
    // The counting server shows a use at once. The command line sees it after the server's next write, within seconds.
    let ada = server.operator("http");
    let organization = whoami(&server, &server.production_key).text("/organization/id");
    let path = format!("/v1/organizations/{organization}/access-keys");
    let secret = |place: usize| server.call(&ada, "GET", &path, None).json()["data"][0]["secrets"][place].clone();
    assert!(secret(0)["last_used_at"].is_string() && secret(0)["uses_last_hour"].as_u64() >= Some(1));
    assert_eq!((&secret(1)["last_used_at"], &secret(1)["uses_last_hour"]), (&serde_json::Value::Null, &0.into()));

    let listed = output(&server, &["key", "list"]);
    assert!(listed.contains("USES IN 1 H") && listed.contains("never"), "{listed}");
    let warned = || String::from_utf8(doorward(&server, &["key", "regenerate"], b"").stderr).unwrap();
    support::waits_for("the command line sees the uses", || warned().contains("in the last hour"));
    let warned = warned();
    assert!(warned.contains("in the last hour") && warned.contains("refuses those calls"), "{warned}");
    let done = doorward(&server, &["key", "regenerate", "--yes"], b"");
    assert!(done.status.success() && String::from_utf8(done.stderr).unwrap().contains("in the last hour"));
    let again = doorward(&server, &["key", "regenerate"], b"");
    assert!(!String::from_utf8(again.stderr).unwrap().contains("in the last hour"), "no one uses the new one yet");
}

#[test]
fn help_completions_and_the_manual_can_be_printed() {
    let server = Server::start(&server_binary());
    for (arguments, word) in [
        (&["--help"][..], "Exit status"),
        (&["key", "regenerate", "--help"], "--discard-staged"),
        (&["completions", "bash"], "DOORWARD_COMPLETE"),
        (&["completions", "zsh"], "#compdef doorward"),
        (&["completions", "fish"], "--command doorward"),
        (&["man"], ".TH doorward 1"),
    ] {
        assert!(output(&server, arguments).contains(word), "{arguments:?}");
    }
}

#[test]
fn an_operator_signs_in_by_a_link_of_the_command_line() {
    let server = Server::start(&server_binary());
    let url = format!("http://{}", server.address);
    let link = output(&server, &["operator", "login-link", "admin", "--public-url", &format!("{url}/")]);
    let path = link.trim_end().strip_prefix(&url).unwrap();
    let form = [("Sec-Fetch-Site", "same-origin")];
    let cookie_of = |path: &str| {
        let signed_in = server.send("POST", path, &form, None);
        assert_eq!(signed_in.status, 303, "{signed_in:?}");
        signed_in.headers["set-cookie"].split(';').next().unwrap().to_owned()
    };
    let cookie = cookie_of(path);
    let page = |cookie: &str| server.send("GET", "/dashboard/", &[("Cookie", cookie)], None).status;
    assert_eq!(page(&cookie), 303);
    assert_eq!(server.send("POST", path, &form, None).status, 410, "it works once");
    let json = output(&server, &["--output", "json", "operator", "login-link", "admin"]);
    let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(shown["url"].as_str().unwrap().starts_with("http://127.0.0.1:8080/dashboard/sign-in/"), "{json}");
    assert_eq!(shown["operator"], "admin");

    output(&server, &["operator", "sign-out", "admin"]);
    assert_eq!(page(&cookie), 401);
    let unused = shown["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    assert_eq!(server.send("POST", unused, &form, None).status, 410);
    for verb in ["login-link", "sign-out"] {
        assert_eq!(doorward(&server, &["operator", verb, "nobody"], b"").status.code(), Some(5));
    }
}
