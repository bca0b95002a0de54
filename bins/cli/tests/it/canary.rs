//! A key's plaintext appears only in the reply that shows it and in the request that presents it. This searches all output of the
//! programs, over every route and command, with verbose logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use doorward::api::routes::PATHS;

use crate::support::{Answer, Server};

/// All shown values, and all text that must not contain one.
#[derive(Default)]
struct Hunt {
    shown: RefCell<Vec<(String, String)>>,
    searched: RefCell<Vec<(String, Vec<u8>)>>,
}

impl Hunt {
    /// Records the value in a reply, and collects the rest of the reply.
    fn shown(&self, place: &str, value: &str, reply: &str) -> String {
        assert_eq!(reply.matches(value).count(), 1, "{place} shows a value once: {reply}");
        self.shown.borrow_mut().push((place.to_owned(), value.to_owned()));
        self.search(place, reply.replace(value, "").as_bytes());
        value.to_owned()
    }

    fn search(&self, place: &str, bytes: &[u8]) {
        self.searched.borrow_mut().push((place.to_owned(), bytes.to_vec()));
    }

    fn finish(&self) {
        let shown = self.shown.borrow();
        assert!(shown.len() >= 10, "{} values", shown.len());
        for (made_by, value) in shown.iter() {
            // The secret part only, since prefix and locator are public.
            let secret = value.rsplit('_').next().unwrap();
            let percent = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
            let mut faces = vec![secret.to_owned(), hex.to_uppercase(), hex, percent, secret.chars().rev().collect()];
            // Base64 depends on the position of the text. The middle part is one of three texts.
            for lead in 0..3 {
                let text = format!("{}{secret}", "x".repeat(lead));
                for engine in [&BASE64_STANDARD, &BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
                    let encoded = engine.encode(&text);
                    faces.push(encoded[4..encoded.len() - 4].to_owned());
                }
            }
            for (place, bytes) in self.searched.borrow().iter() {
                for face in &faces {
                    let found = bytes.windows(face.len()).any(|window| window == face.as_bytes());
                    assert!(!found, "the value that {made_by} showed is also in {place}");
                }
            }
        }
    }
}

#[test]
fn a_value_is_only_in_the_reply_that_shows_it() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name("doorward-server");
    assert!(binary.exists(), "build it first: cargo build --bins");
    let server = Server::start(&binary);
    let hunt = Hunt::default();
    let first_start = server.output.lock().unwrap().clone();
    let production = server.production_key.clone();
    // The first start shows the key twice on purpose: alone, and in a line that works as printed.
    assert_eq!(first_start.matches(&production).count(), 2);
    hunt.shown.borrow_mut().push(("the first start".to_owned(), production.clone()));

    // Every command.
    let doorward = |arguments: &[&str], input: &str| {
        let script = "printf %s \"$INPUT\" | \"$0\" \"$@\"";
        let done = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_doorward")])
            .args(arguments)
            .env("INPUT", input)
            .env("DOORWARD_LOG", "trace")
            .current_dir(server.folder.path())
            .output()
            .unwrap();
        hunt.search(&format!("standard error of {arguments:?}"), &done.stderr);
        (String::from_utf8(done.stdout).unwrap(), done.status.success())
    };
    let quiet = |arguments: &[&str], input: &str| {
        let (out, _) = doorward(arguments, input);
        hunt.search(&format!("standard output of {arguments:?}"), out.as_bytes());
    };
    let showing = |arguments: &[&str]| {
        let (out, success) = doorward(arguments, "");
        assert!(success, "{arguments:?}");
        hunt.shown(&format!("{arguments:?}"), out.trim_end(), &out)
    };
    let test_key = showing(&["key", "create", "--name", "ci"]);
    let operator = showing(&["operator", "create", "ada"]);
    showing(&["key", "stage"]);
    quiet(&["key", "stage"], "");
    quiet(&["key", "unstage", "--yes"], "");
    let staged = showing(&["key", "stage"]);
    quiet(&["key", "regenerate", "--yes"], "");
    let current = showing(&["key", "regenerate", "--yes"]);
    for format in ["table", "json"] {
        for arguments in [&["org", "list"][..], &["key", "list"], &["audit", "list"], &["operator", "list"]] {
            quiet(&[&["--output", format], arguments].concat(), "");
        }
        for key in [&production, &test_key, &staged, &current, &operator, &current[1..].to_owned()] {
            quiet(&["--output", format, "key", "inspect"], key);
        }
    }
    quiet(&["operator", "create", "ada"], "");
    let other = showing(&["org", "create", "Other"]);

    // Every route, with every valid and invalid credential, in the right place and in wrong places.
    let organization = server.call(&current, "GET", "/v1/whoami", None).text("/organization/id");
    let searched = |place: &str, answer: Answer| {
        let place = format!("the answer to {place}");
        let text = format!("{:?}\n{}", answer.headers, answer.body);
        for pointer in ["/value", "/production_key/value"] {
            let value = serde_json::from_str::<serde_json::Value>(&answer.body).ok();
            let value = value.as_ref().and_then(|json| json.pointer(pointer)?.as_str());
            if let Some(value) = value {
                hunt.shown(&place, value, &text);
                return;
            }
        }
        hunt.search(&place, text.as_bytes());
    };
    let user = server.call(&test_key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
    let credentials = [&production, &test_key, &staged, &current, &operator, &other];
    let stale = format!("{}{}", &current[..54], if current.ends_with('0') { '1' } else { '0' });
    // The page shows a value only in the answer to a form.
    let form = |cookie: &str, path: &str, body: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        server.send_bytes(request.as_bytes()).unwrap()
    };
    let signed_in = form("", &server.login_path("admin"), "");
    let cookie = signed_in.headers["set-cookie"].split(';').next().unwrap().to_owned();
    let page = format!("/dashboard/{organization}");
    let made = form(&cookie, &format!("{page}/test-keys"), "name=page&once=1");
    let of_page = made.body.split_once(">dw_").unwrap().1.split_once('<').unwrap().0;
    hunt.shown("the page", &format!("dw_{of_page}"), &made.body);
    searched("the page, again", form(&cookie, &format!("{page}/test-keys"), "name=page&once=1"));
    for path in ["", "?live", "/audit?environment=test", "?dialog=create"] {
        searched("the page", server.send("GET", &format!("{page}{path}"), &[("Cookie", &cookie)], None));
    }
    let of_api =
        PATHS.iter().flat_map(|path| path.actions().into_iter().map(|(method, _)| (path.pattern, method.to_string())));
    let of_page = ["/dashboard", "/dashboard/", "/dashboard/{*rest}"]
        .map(|pattern| ["GET", "POST"].map(|method| (pattern, method.to_owned())));
    for (pattern, method) in of_api.chain(of_page.into_iter().flatten()) {
        let url = pattern.replace("{user}", &user).replace("{connector}", "github");
        let url = url.replace("{organization}", &organization).replace("{key}", "key_01h455vb4pex5vsknk084sn02q");
        let url = url.replace("{origin}", "ori_01h455vb4pex5vsknk084sn02q");
        let place = format!("{method} {url}");
        for credential in credentials {
            let bodies = [
                None,
                Some(format!(r#"{{"name":"{place}"}}"#)),
                Some(format!(r#"{{"origin_user_id":["{credential}"]}}"#)),
                Some(format!(r#"{{"{credential}":1}}"#)),
                Some(format!(r#"{{"secret":"{credential}"}}"#)),
                Some(credential.clone()),
            ];
            // `regenerate` would replace the key that the other requests need, so it comes last, below. A suspended or closed
            // organization would answer nothing.
            let closes = method == "DELETE" && pattern.ends_with("/{organization}");
            if !url.ends_with("regenerate") && !url.ends_with("/suspend") && !closes {
                for body in bodies {
                    searched(&place, server.call(credential, &method, &url, body.as_deref()));
                }
            }
            let mut wrong_places = vec![
                server.send(&method, &format!("{url}?key={credential}"), &[], None),
                server.send(&method, &format!("{url}/{credential}"), &[], None),
                server.send(&method, &url, &[("X-Api-Key", credential), ("Cookie", credential)], None),
                server.send(&method, &url, &[("Authorization", credential)], None),
                server.send(&method, &url, &[("Authorization", &format!("bearer {credential}"))], None),
            ];
            wrong_places.push(server.call(&stale, &method, &url, None));
            for answer in wrong_places {
                searched(&place, answer);
            }
        }
    }
    let regenerate = format!("/v1/organizations/{organization}/production-key/regenerate");
    searched("regenerate", server.call(&operator, "POST", &regenerate, Some(r#"{"discard_staged":true}"#)));
    // Bytes that are not HTTP, with a key in them.
    for bytes in [format!("{current}\r\n\r\n"), format!("GET /{current} HTTP/9.9\r\n{current}\r\n\r\n")] {
        searched("no HTTP", server.send_bytes(bytes.as_bytes()).unwrap());
    }
    hunt.search("metrics", server.scrape().as_bytes());
    let process = server.process_id();
    for file in ["cmdline", "environ"] {
        hunt.search(file, &std::fs::read(format!("/proc/{process}/{file}")).unwrap());
    }

    // All files on disk, and all log lines.
    for file in std::fs::read_dir(server.folder.path()).unwrap() {
        let path = file.unwrap().path();
        hunt.search(&format!("the file {}", path.display()), &std::fs::read(&path).unwrap());
    }
    let log = server.output.lock().unwrap().replace(&first_start, "");
    assert!(log.lines().count() > 1_000, "the server's log is not verbose");
    hunt.search("the server's log", log.as_bytes());
    hunt.finish();
}

/// The hunt can fail: it finds a value in each of its known encodings.
#[test]
fn the_hunt_finds_every_encoding_of_a_value() {
    let value = "dw_test_4fG7hJ2kLm_9aQxYbZcWdVeUfTgShRiQjPkOlNmM0L1K2J3";
    let secret = &value[19..];
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let percent = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for face in [value.to_owned(), secret.to_owned(), hex, percent, BASE64_STANDARD.encode(value)] {
        let hunt = Hunt::default();
        hunt.shown.borrow_mut().extend((0..10).map(|_| ("a reply".to_owned(), value.to_owned())));
        hunt.search("a log", format!("before {face} after").as_bytes());
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hunt.finish())).is_err(), "{face}");
    }
}
