//! The server's environment: settings, secrets, variables, log lines, and SIGHUP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the limit for a test that hangs; it measures no speed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doorward::audit::NoteKey;
use serde_json::{Value, json};

use crate::support::{self, GUARD, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_doorward-server");

/// A server that is started with only these variables. It is killed on drop.
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Process {
    pub(crate) fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.args(arguments).current_dir(folder).envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let output = Arc::clone(&output);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    *output.lock().unwrap() += &format!("{line}\n");
                }
            });
        }
        Self { child, output }
    }

    pub(crate) fn said(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Returns the `count`-th line with this text.
    pub(crate) fn line(&self, what: &str, count: usize) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.said().lines().filter(|line| line.contains(what)).nth(count - 1) {
                return line.to_owned();
            }
            assert!(begun.elapsed() < GUARD, "never {count} times {what:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn address(&self) -> SocketAddr {
        let line = self.line(": serving address=", 1);
        line.split("address=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn get(&self, path: &str, token: &str) -> support::Answer {
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        support::send_bytes(self.address(), text.as_bytes()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the server's command, without the environment variables of the tests' user.
fn command() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOORWARD_")) {
        command.env_remove(name);
    }
    command
}

/// Arguments for a server that disturbs no other test.
pub(crate) const APART: [&str; 4] = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];

/// Returns the message of a server that does not start.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command();
    let done = command.args(arguments).envs(variables.iter().copied()).current_dir(folder.path()).output().unwrap();
    assert!(!done.status.success(), "{arguments:?}");
    assert!(!folder.path().join("doorward.db").exists(), "{arguments:?}: a store was made");
    done
}

fn write_private(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn invalid_settings_end_the_start_and_are_named() {
    for (arguments, why) in [
        (&["--public-url", "keys.example.com"][..], "`--public-url keys.example.com`: it has no scheme"),
        (&["--log", "inof"], "`--log`: `inof` is not a level"),
        (&["--store", "postgres://a/b?pgbouncer=true"], "--store: the store's URL has the parameter `pgbouncer`"),
        (&["--store", "postgres://a/b?sslrootcert=missing.pem"], "the file missing.pem of `sslrootcert`"),
        (&["--store", "memory:"], "--store: a store in memory is gone with the server"),
        (
            &["--listen", "0.0.0.0:0", "--public-url", "http://127.0.0.1:8080"],
            "`--listen 0.0.0.0:0` serves other machines",
        ),
    ] {
        let done = refused(arguments, &[]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.code() == Some(2) && said.contains(why) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("doorward.toml");
    write_private(&config, "store = 'postgres://ada:s3cret@db.internal/doorward'", 0o644);
    let done = refused(&["--config", config.to_str().unwrap()], &[]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("`store` in ") && said.contains("everyone can read") && !said.contains("s3cret"), "{said}");
}

#[test]
fn an_empty_variable_counts_as_unset_and_an_unknown_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = [
        "DOORWARD_STORE",
        "DOORWARD_TLS_CERT",
        "DOORWARD_TLS_KEY",
        "DOORWARD_STRICT",
        "DOORWARD_LOG",
        "DOORWARD_LOG_FORMAT",
        "DOORWARD_PUBLIC_URL",
        "DOORWARD_SEALING_KEY",
        "DOORWARD_SEALING_KEY_FILE",
        "DOORWARD_STORE_FILE",
        "DOORWARD_SHUTDOWN_DELAY",
        "DOORWARD_CONFIG",
    ];
    let mut variables: Vec<_> = empty.into_iter().map(|name| (name, "")).collect();
    variables.push(("DOORWARD_STROE", "sqlite:other.db"));
    let server = Process::start(folder.path(), &APART, &variables);
    server.line(": serving address=", 1);
    let said = server.said();
    let warnings: Vec<_> = said.lines().filter(|line| line.contains(" WARN ")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("DOORWARD_STROE"), "{said}");
    assert!(folder.path().join("doorward.db").exists());
}

#[test]
fn secrets_come_from_files_and_from_credentials_of_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("store-url");
    write_private(&url, "sqlite:of-a-file.db\n", 0o600);
    let server = Process::start(folder.path(), &APART, &[("DOORWARD_STORE_FILE", url.to_str().unwrap())]);
    server.line(": serving address=", 1);
    assert!(folder.path().join("of-a-file.db").exists());
    drop(server);

    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    write_private(&credentials.join("doorward-store"), "sqlite:of-a-credential.db", 0o400);
    write_private(&credentials.join("doorward-sealing-key"), &format!("{}=\n", "A".repeat(43)), 0o400);
    let signing_key = NoteKey::seed_text(&[7; 32].into());
    write_private(&credentials.join("doorward-signing-key"), &signing_key, 0o400);
    write_private(&credentials.join("siem"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0o400);
    let sink =
        "[[sinks]]\nname = 'siem'\nwebhook = 'http://127.0.0.1:1/'\nsecret_file = '$CREDENTIALS_DIRECTORY/siem'\n";
    std::fs::write(folder.path().join("doorward.toml"), sink).unwrap();
    let arguments = [&APART[..], &["--config", "doorward.toml"]].concat();
    let brought = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    let server = Process::start(folder.path(), &arguments, &brought);
    server.line(": serving address=", 1);
    let store = folder.path().join("of-a-credential.db");
    assert!(store.exists() && !folder.path().join("of-a-credential.db.sealing-key").exists());
    let ada = support::operator_of(&store, "ada");
    let organizations = server.get("/v1/organizations", &ada).json();
    let organization = organizations["data"][0]["id"].as_str().unwrap().to_owned();
    let checkpoint = server.get(&format!("/v1/organizations/{organization}/checkpoint?environment=production"), &ada);
    assert_eq!(checkpoint.status, 200, "{checkpoint:?}");
    drop(server);

    // A file that everyone can read is no secret, and two sources are one too many.
    write_private(&url, "sqlite:x.db", 0o644);
    let said = String::from_utf8_lossy(&refused(&APART, &[("DOORWARD_STORE_FILE", url.to_str().unwrap())]).stderr)
        .into_owned();
    assert!(said.contains("DOORWARD_STORE_FILE") && said.contains("can be read by others"), "{said}");
    let both = [("DOORWARD_STORE_FILE", "x"), ("DOORWARD_STORE", "sqlite:y.db")];
    assert!(String::from_utf8_lossy(&refused(&APART, &both).stderr).contains("are both set"));
}

#[test]
fn sighup_reads_secrets_and_the_logs_filter_again_and_never_ends_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (config, signing_key) = (folder.path().join("doorward.toml"), folder.path().join("signing.key"));
    let configure = |log: &str| {
        let text = format!(
            "listen = '127.0.0.1:0'\nmetrics_listen = '127.0.0.1:0'\nsigning_key_file = 'signing.key'\nlog = '{log}'\n\
             [[sinks]]\nname = 'siem'\nwebhook = 'http://127.0.0.1:1/'\nsecret_file = 'siem.secret'\n"
        );
        std::fs::write(&config, text).unwrap();
    };
    let sign_with = |seed: u8| write_private(&signing_key, &NoteKey::seed_text(&[seed; 32].into()), 0o600);
    let siem = folder.path().join("siem.secret");
    write_private(&siem, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0o600);
    configure("info");
    sign_with(7);
    let server = Process::start(folder.path(), &["--config", "doorward.toml"], &[]);
    // The server is still starting.
    server.line("serving metrics", 1);
    server.hang_up();
    server.line("read certificates, secrets and the log's filter again", 1);
    let ada = support::operator_of(&folder.path().join("doorward.db"), "ada");
    let organization = server.get("/v1/organizations", &ada).json()["data"][0]["id"].as_str().unwrap().to_owned();
    let verifier = || {
        let path = format!("/v1/organizations/{organization}/checkpoint?environment=production");
        server.get(&path, &ada).text("/verifier_key")
    };
    let first = verifier();
    assert!(!server.said().contains("answered"), "{}", server.said());

    configure("info,doorward_api=debug");
    sign_with(8);
    server.hang_up();
    server.line("read certificates, secrets and the log's filter again", 2);
    assert_ne!(verifier(), first);
    server.line("answered", 1);

    // If a file cannot be read, everything stays as it was.
    let now = verifier();
    for (count, (broken, why)) in [("inof", "is not a level"), ("info", "holds no secret")].into_iter().enumerate() {
        configure(broken);
        sign_with(9);
        write_private(&siem, "\n", 0o600);
        server.hang_up();
        let line = server.line("cannot be read again, and stay as they were", count + 1);
        assert!(line.contains("ERROR") && line.contains(why), "{line}");
        assert_eq!(verifier(), now);
    }
    std::fs::remove_file(&config).unwrap();
    server.hang_up();
    server.line("cannot be read again, and stay as they were", 3);
    assert_eq!(verifier(), now);
}

/// A tool server that answers every call with a prepared text.
fn upstream(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let value =
                    line.to_lowercase().strip_prefix("content-length:").map(|value| value.trim().parse().unwrap());
                length = value.unwrap_or(length);
                line.clear();
            }
            let _ = reader.read_exact(&mut vec![0; length]);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{answer}", answer.len());
        }
    });
    address
}

/// A third party's meaningless answer is in the log, cut and on one line.
#[test]
fn text_of_other_programs_breaks_no_line_and_fills_no_log() {
    let server = Server::start_with(BINARY.as_ref(), &[]);
    let (operator, key) = (server.operator("ada"), server.production_key.clone());
    let organization = server.call(&key, "GET", "/v1/whoami", None).text("/organization/id");
    let user = server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
    let forged =
        format!("zzz\n2026-11-26T00:00:00.000Z  INFO doorward_server: FORGED\u{2028}\u{202e}{}", "y".repeat(900_000));
    let answer = json!({"jsonrpc": "2.0", "id": forged, "result": {}}).to_string();
    let url = format!("http://{}/mcp", upstream(answer));
    let connector = format!("/v1/organizations/{organization}/connectors/evil?environment=production");
    let settings = json!({"upstream": {"protocol": "mcp", "url": url}}).to_string();
    assert_eq!(server.call(&operator, "PUT", &connector, Some(&settings)).status, 204);
    let credential = format!("/v1/registered-users/{user}/credentials/evil");
    assert_eq!(server.call(&key, "PUT", &credential, Some(r#"{"secret":"t"}"#)).status, 204);
    let before = server.output.lock().unwrap().len();
    let params = json!({"name": "call_connector_tool", "arguments": {"registered_user_id": user, "connector": "evil", "tool": "t"}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", &*bearer), ("Accept", "application/json, text/event-stream")];
    for _ in 0..5 {
        let called = server.send("POST", "/mcp", &headers, Some(&body));
        assert_eq!(called.json()["result"]["structuredContent"]["code"], "upstream_failed", "{called:?}");
    }
    let log = server.output.lock().unwrap().clone();
    let told: Vec<Value> = log[before..].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = told.iter().filter_map(|line| line["fields"]["error"].as_str()).collect();
    assert_eq!(told.len(), 5, "{log}");
    for error in told {
        assert!(error.len() < 300 && !error.contains(['\n', '\u{2028}', '\u{202e}']), "{error}");
    }
}
