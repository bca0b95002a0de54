//! Reports from outside that a key has leaked, at a real server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use crate::support::{Answer, Server};

fn server(options: &[&str]) -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), options)
}

/// Waits until a report has its effect: the key is answered with this code.
fn await_code(server: &Server, key: &str, code: &str) {
    while whoami(server, key).json().get("code").is_none_or(|found| found != code) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn whoami(server: &Server, key: &str) -> Answer {
    server.call(key, "GET", "/v1/whoami", None)
}

#[test]
fn a_report_tells_its_sender_nothing_and_people_everything() {
    let server = server(&["--leaked-test-keys", "quarantine"]);
    let operator = server.operator("ada");
    let manage = |method: &str, path: &str, body: Option<&str>| server.call(&operator, method, path, body);
    let organization = whoami(&server, &server.production_key).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    let made = manage("POST", &keys, Some(r#"{"name":"ci"}"#));
    let (test, id) = (made.text("/value"), made.text("/id"));
    let dead = manage("POST", &keys, Some(r#"{"name":"dead"}"#));
    manage("DELETE", &format!("{keys}/{}", dead.text("/id")), None);

    // In force, dead, never made, and no key at all: one answer.
    let url = "https://github.com/acme/app/blob/main/.env?token=secret#L3";
    let same = |key: &str| {
        let answer = server.report_leaked(&[key], url);
        assert_eq!((answer.status, answer.body.as_str()), (202, "{}"), "{answer:?}");
        let mut names: Vec<_> = answer.headers.keys().cloned().collect();
        names.sort();
        names
    };
    let expected = same(&test);
    for key in [&dead.text("/value"), &test.replace(&test[10..14], "AAAA"), "", "not a key"] {
        assert_eq!(same(key), expected, "{key}");
    }

    // A test key is in quarantine: every route refuses it, and people see it.
    await_code(&server, &test, "key_quarantined");
    let refused = whoami(&server, &test);
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("reported as leaked"), "{refused:?}");
    assert_eq!(server.call(&test, "GET", "/v1/forward-auth/any", None).status, 403);
    let list = manage("GET", &keys, None).json();
    let found = list["data"].as_array().unwrap().iter().find(|key| key["id"] == id.as_str()).unwrap();
    assert!(found["secrets"][0]["quarantined_at"].is_string(), "{found}");
    let log = manage("GET", &format!("/v1/organizations/{organization}/audit-events?environment=test"), None);
    let told = |pointer: &str| log.text(&format!("/data/0/{pointer}"));
    assert_eq!(told("action"), "access_key.reported_leaked");
    assert_eq!((told("actor_id"), told("source_address")), ("server".into(), "127.0.0.1".into()));
    assert_eq!(told("detail/urls_after/0"), "https://github.com/acme/app/blob/main/.env");
    assert_eq!(log.json().pointer("/data/0/detail/after"), Some(&json!([])));
    let session = crate::dashboard::Session::new(&server, crate::dashboard::path_of(&server.sign_in_link));
    let page = session.get(&session.page).body;
    assert!(
        page.contains("Reported as leaked:") && page.contains("It is refused until an operator decides."),
        "{page}"
    );

    // An operator decides.
    let locator = made.text("/locator");
    let released = session.post(&format!("/keys/{id}/release"), &format!("secret={locator}"));
    assert!(released.body.contains("The report is ended: the key works."), "{released:?}");
    assert_eq!(whoami(&server, &test).status, 200);
    assert!(!session.get(&session.page).body.contains("Reported as leaked:"));
    let secret = json!({"locator": locator}).to_string();
    let again = manage("POST", &format!("{keys}/{id}/release"), Some(&secret));
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"));
    let nobody = manage("POST", &format!("{keys}/key_01h455vb4pex5vsknk084sn02q/release"), Some(&secret));
    assert_eq!(nobody.status, 404);

    // A production key works on, since people are told.
    server.report_leaked(&[&server.production_key], "");
    let installation = format!("/v1/organizations/{organization}/audit-events?environment=production");
    while manage("GET", &installation, None).text("/data/0/action") != "access_key.reported_leaked" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(whoami(&server, &server.production_key).status, 200);
    assert!(session.get(&session.page).body.contains("It still works, for everybody who has it."));
    let printed = server.output.lock().unwrap().clone();
    assert!(printed.contains("a key was reported as leaked") && !printed.contains(&test), "{printed}");
}

#[test]
fn a_policy_revokes_a_key_at_once() {
    let server = server(&["--leaked-production-keys", "revoke", "--leaked-test-keys", "revoke"]);
    let operator = server.operator("ada");
    let organization = whoami(&server, &server.production_key).text("/organization/id");
    let of = |path: &str| format!("/v1/organizations/{organization}/{path}");
    let staged = server.call(&operator, "POST", &of("production-key/stage"), None).text("/value");
    let test = server.call(&operator, "POST", &of("access-keys"), Some(r#"{"name":"ci"}"#)).text("/value");
    // A value that stands at several places is one key.
    server.report_leaked(&[&server.production_key, &server.production_key, "dw_prod_unknown", &test, &test], "");
    for dead in [&server.production_key, &test] {
        await_code(&server, dead, "invalid_key");
    }
    assert_eq!(whoami(&server, &staged).status, 200, "the next key has taken the place of the old one");
    assert_eq!(server.unusual_uses("reported"), 0, "a key was reported twice");
}

#[test]
fn a_report_is_small_and_an_address_sends_one_a_second() {
    let server = server(&[]);
    let send = |body: &str| server.send("POST", "/v1/leak-reports", &[], Some(body));
    for invalid in ["", "{}", "[]", r#"{"keys":"x"}"#, r#"{"keys":[1]}"#, r#"{"keys":["x"],"more":1}"#, "\u{7f}"] {
        let answer = send(invalid);
        assert!(matches!(answer.status, 400 | 415), "{invalid}: {answer:?}");
    }
    let many = json!({"keys": vec!["x"; 1_001]}).to_string();
    assert_eq!(send(&many).code(), "invalid_request");
    let most = json!({"keys": vec!["x"; 1_000]}).to_string();
    assert_eq!(send(&most).status, 202);
    let limited = send(&most);
    assert_eq!((limited.status, limited.code().as_str()), (429, "too_many_requests"));
    assert!(limited.headers.contains_key("retry-after"), "{limited:?}");
    assert_eq!(server.send("GET", "/v1/leak-reports", &[], None).status, 405);
}

/// A server of GitHub's public keys, with a key pair of its own.
struct Github {
    url: String,
    pair: EcdsaKeyPair,
}

impl Github {
    const IDENTIFIER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn start() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        // The beginning of a SubjectPublicKeyInfo of P-256 (RFC 5480).
        let mut info = BASE64_STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=").unwrap();
        info.extend(pair.public_key().as_ref());
        let key = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(info));
        let list = json!({"public_keys": [{"key_identifier": Self::IDENTIFIER, "key": key, "is_current": true}]});
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/meta/public_keys/secret_scanning", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, text) = (stream.unwrap(), list.to_string());
                // The head of a request, which has no body.
                BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).for_each(drop);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len()).unwrap();
            }
        });
        Self { url, pair }
    }

    fn send(&self, server: &Server, body: &str, signed: &str) -> Answer {
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let signature = BASE64_STANDARD.encode(signature);
        let headers = [("Github-Public-Key-Identifier", Self::IDENTIFIER), ("Github-Public-Key-Signature", &signature)];
        server.send("POST", "/v1/leak-reports/github", &headers, Some(body))
    }
}

#[test]
fn github_reports_a_key_and_gets_its_feedback() {
    let github = Github::start();
    let server = server(&["--github-leak-reports", &github.url, "--leaked-production-keys", "quarantine"]);
    let key = server.production_key.clone();
    let token = |token: &str| json!({"token": token, "type": "doorward_key", "url": "https://github.com/a/b/blob/x/.env", "source": "commit"});
    let body = json!([token(&key), token("dw_prod_0000000000_x")]).to_string();

    // Neither an unsigned report nor another's body does anything.
    let unsigned = server.send("POST", "/v1/leak-reports/github", &[], Some(&body));
    assert_eq!((unsigned.status, unsigned.code().as_str()), (400, "invalid_request"));
    let foreign = github.send(&server, &body, "[]");
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "invalid_signature"));
    assert_eq!(whoami(&server, &key).status, 200);

    let answer = github.send(&server, &body, &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let labels: Vec<_> = answer.json().as_array().unwrap().iter().map(|judged| judged["label"].clone()).collect();
    assert_eq!(labels, ["true_positive", "false_positive"]);
    assert!(!answer.body.contains(&key), "a value is in no answer");
    await_code(&server, &key, "key_quarantined");
    let operator = server.operator("ada");
    let organization = server.call(&operator, "GET", "/v1/organizations", None).text("/data/0/id");
    let log = format!("/v1/organizations/{organization}/audit-events?environment=production");
    let told = server.call(&operator, "GET", &log, None);
    assert_eq!(told.text("/data/0/detail/note"), "GitHub: commit");
    assert_eq!(told.text("/data/0/detail/urls_after/0"), "https://github.com/a/b/blob/x/.env");
}

#[test]
fn reports_can_be_switched_off() {
    let server = server(&["--leak-reports", "false"]);
    let answer = server.report_leaked(&[&server.production_key], "");
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
}

#[test]
fn a_server_without_the_setting_takes_no_report_of_github() {
    let answer = server(&[]).send("POST", "/v1/leak-reports/github", &[], Some("[]"));
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
}
