//! A real server process, and a client that writes raw bytes.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, clippy::allow_attributes_without_reason)]
// Each test program uses its own part of this module, so this is `allow` and not `expect`.

pub mod browser;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward::assertion::AssertionKeys;
use doorward::audit::NoteKey;
use doorward::auth::{Core, OperatorPrincipal, Operators};
use doorward::records::Store;
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::types::{Clock, SystemClock};
use serde_json::Value;

/// A server with a store in its own folder. The process is killed on drop.
pub struct Server {
    process: Child,
    pub folder: tempfile::TempDir,
    pub address: SocketAddr,
    pub metrics: SocketAddr,
    /// The production key that the first start showed.
    pub production_key: String,
    /// The link by which the first operator signs in.
    pub sign_in_link: String,
    /// All standard output and standard error.
    pub output: Arc<Mutex<String>>,
}

/// The limit for a test that hangs; it measures no speed.
pub const GUARD: Duration = Duration::from_secs(600);

impl Server {
    pub fn start(binary: &Path) -> Self {
        Self::start_in(binary, tempfile::tempdir().unwrap())
    }

    pub fn start_in(binary: &Path, folder: tempfile::TempDir) -> Self {
        let path = folder.path().to_owned();
        Self::launch(binary, &path, folder, 0, "trace", &[])
    }

    /// Starts without a log line for each request.
    pub fn start_quiet(binary: &Path, folder: tempfile::TempDir) -> Self {
        let path = folder.path().to_owned();
        Self::launch(binary, &path, folder, 0, "info", &[])
    }

    /// Starts with more options.
    pub fn start_with(binary: &Path, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        Self::launch(binary, &path, folder, 0, "info", options)
    }

    /// Starts with all that the API can have: a key that signs checkpoints, and assertions.
    pub fn start_whole(binary: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (signing_key, assertions) = (signing_key(folder.path()), assertions(folder.path()));
        let mut options = vec!["--signing-key-file", &signing_key, "--leaked-test-keys", "quarantine"];
        options.extend(assertions.iter().map(String::as_str));
        let path = folder.path().to_owned();
        Self::launch(binary, &path, folder, 0, "info", &options)
    }

    /// Starts on a store that stays after the test, with more options.
    pub fn start_at(binary: &Path, folder: &Path, options: &[&str]) -> Self {
        Self::launch(binary, folder, tempfile::tempdir().unwrap(), 0, "info", options)
    }

    /// Starts on a chosen port, with more options.
    pub fn start_on(binary: &Path, port: u16, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        Self::launch(binary, &path, folder, port, "trace", options)
    }

    /// Starts a second server on another server's store.
    pub fn beside(binary: &Path, folder: &Path, port: u16) -> Self {
        Self::launch(binary, folder, tempfile::tempdir().unwrap(), port, "info", &[])
    }

    /// The same with more options. The first server makes the store.
    pub fn beside_with(binary: &Path, folder: &Path, port: u16, options: &[&str]) -> Self {
        Self::launch(binary, folder, tempfile::tempdir().unwrap(), port, "info", options)
    }

    /// Starts a server on an existing store of any engine.
    pub fn on(binary: &Path, store: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sealing_key = folder.path().join("sealing-key");
        write_secret(&sealing_key, &format!("{}=\n", "A".repeat(43)));
        Self::on_in(binary, store, folder, port, &sealing_key)
    }

    /// The same with time for load balancers to notice its end.
    pub fn on_with_delay(binary: &Path, store: &str, port: u16, delay: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (path, sealing_key) = (folder.path().to_owned(), folder.path().join("sealing-key"));
        write_secret(&sealing_key, &format!("{}=\n", "A".repeat(43)));
        let sealing_key = sealing_key.to_string_lossy().into_owned();
        let options = ["--store", store, "--sealing-key-file", &sealing_key, "--shutdown-delay", delay];
        Self::launch(binary, &path, folder, port, "info", &options)
    }

    /// The same with an existing sealing key.
    pub fn on_with(binary: &Path, store: &str, sealing_key: &Path) -> Self {
        Self::on_in(binary, store, tempfile::tempdir().unwrap(), 0, sealing_key)
    }

    fn on_in(binary: &Path, store: &str, folder: tempfile::TempDir, port: u16, sealing_key: &Path) -> Self {
        let path = folder.path().to_owned();
        let options = ["--store", store, "--sealing-key-file", &sealing_key.to_string_lossy()];
        Self::launch(binary, &path, folder, port, "info", &options)
    }

    fn launch(binary: &Path, path: &Path, folder: tempfile::TempDir, port: u16, log: &str, options: &[&str]) -> Self {
        let first_start = !path.join("doorward.db").exists() && !options.contains(&"--store");
        let listen = format!("127.0.0.1:{port}");
        let mut process = Command::new(binary)
            .args(["--listen", &listen, "--metrics-listen", "127.0.0.1:0", "--log", log, "--log-format", "json"])
            .args(options)
            .current_dir(path)
            .env_remove("DOORWARD_STORE")
            // No load balancer has to notice the stop.
            .env("DOORWARD_SHUTDOWN_DELAY", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", binary.display()));
        let output = Arc::new(Mutex::new(String::new()));
        let shown = follow(process.stdout.take().unwrap(), &output);
        let logged = follow(process.stderr.take().unwrap(), &output);
        let field = |lines: &Receiver<String>, message: &str, field: &str| loop {
            let line = lines.recv_timeout(GUARD);
            let line = line.unwrap_or_else(|_| panic!("the server did not start: {}", output.lock().unwrap()));
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            if line["fields"]["message"] == message {
                return line["fields"][field].as_str().unwrap().to_owned();
            }
        };
        let metrics = field(&logged, "serving metrics", "address").parse().unwrap();
        let address = field(&logged, "serving", "address").parse().unwrap();
        let (mut production_key, mut sign_in_link) = (String::new(), String::new());
        if first_start {
            let lines = || shown.recv_timeout(GUARD).expect("the first start shows a key");
            // The last line of the first start names the description of the API.
            for line in std::iter::repeat_with(lines).take_while(|line| !line.contains("/openapi.json")) {
                match line.trim() {
                    line if line.starts_with("dw_prod_") => line.clone_into(&mut production_key),
                    line if line.contains("/dashboard/sign-in/") => line.clone_into(&mut sign_in_link),
                    _ => {}
                }
            }
        }
        Self { process, folder, address, metrics, production_key, sign_in_link, output }
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("doorward.db")
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        let id = self.process_id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Adds an operator through the store, as the command line does. Returns the operator's token.
    pub fn operator(&self, name: &str) -> String {
        operator_of(&self.store(), name)
    }

    /// Adds an operator for the identity provider, as the command line does.
    pub fn operator_by_provider(&self, name: &str) {
        with_desk(&self.store(), async |desk| {
            desk.add_by_provider(name.parse().unwrap(), &operator().request()).await.unwrap();
        });
    }

    /// Returns the path of a sign-in link for an operator.
    pub fn login_path(&self, name: &str) -> String {
        with_desk(&self.store(), async |desk| {
            let all = desk.list(&operator()).await.unwrap();
            let found = all.iter().find(|operator| operator.name.as_str() == name).unwrap();
            format!("/dashboard/sign-in/{}", desk.login_link(found, &operator().request()).await.unwrap().expose())
        })
    }

    /// Ends the sessions of an operator, as the command line does.
    pub fn sign_out(&self, name: &str) {
        with_desk(&self.store(), async |desk| {
            let all = desk.list(&operator()).await.unwrap();
            let found = all.iter().find(|operator| operator.name.as_str() == name).unwrap();
            desk.sign_out_everywhere(found, &operator().request()).await.unwrap();
        });
    }

    /// Fills the first organization with a day's data: test keys, origins, and calls at each hour.
    pub fn fill(&self) {
        let operator = self.operator("grace");
        let organization = self.call(&self.production_key, "GET", "/v1/whoami", None).text("/organization/id");
        let manage = |path: &str, body: &str| {
            let path = format!("/v1/organizations/{organization}/{path}");
            self.call(&operator, "POST", &path, Some(body))
        };
        for name in ["ci", "Zoë’s laptop", "staging smoke tests of the mobile application"] {
            let value = manage("access-keys", &serde_json::json!({ "name": name }).to_string()).text("/value");
            self.call(&value, "GET", "/v1/whoami", None);
        }
        for origin in ["app.example.com", "localhost:3000"] {
            assert_eq!(manage("allowed-origins", &serde_json::json!({ "origin": origin }).to_string()).status, 201);
        }
        let locator = self.production_key["dw_prod_".len()..][..10].parse().unwrap();
        with_store(&self.store(), async |store| {
            for hour in 0..24_u32 {
                let uses = 900 + 700 * (hour % 12) + 131 * (hour % 5);
                let at = SystemClock.now() - Duration::from_secs(3_600) * (23 - hour);
                store.add_uses(&[(locator, uses)], at).await.unwrap();
            }
        });
    }

    pub fn remove_operator(&self, name: &str) {
        with_desk(&self.store(), async |desk| {
            let all = desk.list(&operator()).await.unwrap();
            let found = all.iter().find(|operator| operator.name.as_str() == name).unwrap();
            desk.remove(found, &operator().request()).await.unwrap();
        });
    }

    /// Sends a request with these headers. A body is JSON.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body.unwrap_or_default();
        self.send_bytes(text.as_bytes()).expect("an answer")
    }

    /// Sends a request with a credential.
    pub fn call(&self, credential: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.send(method, path, &[("Authorization", &format!("Bearer {credential}"))], body)
    }

    /// Reports keys as leaked. Waits while this address has just sent another report.
    pub fn report_leaked(&self, keys: &[&str], url: &str) -> Answer {
        let body = serde_json::json!({"keys": keys, "url": url}).to_string();
        loop {
            let answer = self.send("POST", "/v1/leak-reports", &[], Some(&body));
            if answer.status != 429 {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has a test key put into quarantine, and waits until it is.
    pub fn quarantine(&self, key: &str) {
        assert_eq!(self.report_leaked(&[key], "https://example.com/").status, 202);
        while self.call(key, "GET", "/v1/whoami", None).json()["code"] != "key_quarantined" {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the text of the metrics.
    pub fn scrape(&self) -> String {
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        send_bytes(self.metrics, request).unwrap().body
    }

    /// Sends bytes, and reads one answer.
    pub fn send_bytes(&self, bytes: &[u8]) -> Option<Answer> {
        send_bytes(self.address, bytes)
    }

    /// Returns the peak memory in KiB (proc(5), `VmHWM`).
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Returns the number of suspicious uses of this kind.
    pub fn unusual_uses(&self, kind: &str) -> u64 {
        let name = format!("doorward_unusual_uses_total{{kind=\"{kind}\"}} ");
        self.scrape().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap()
    }

    /// Asks the process to stop, and waits for its end.
    pub fn stop(mut self) -> (std::process::ExitStatus, tempfile::TempDir) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Returns a program that `cargo xtask test` installed with Python's packages.
pub fn python(program: &str) -> Command {
    Command::new(root().join("target/python/bin").join(program))
}

/// Creates a certificate with its own authority, for this machine's names.
pub fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    certificate_for(folder, name, 1)
}

/// Creates a certificate like [`certificate`], for this number of days.
pub fn certificate_for(folder: &Path, name: &str, days: u32) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            &days.to_string(),
        ])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

/// Writes a secret in a file that only its user can read, as servers require.
pub fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Writes a key that signs checkpoints. Returns the file's path.
pub fn signing_key(folder: &Path) -> String {
    let path = folder.join("signing.key");
    write_secret(&path, &NoteKey::seed_text(&[7; 32].into()));
    path.to_str().unwrap().to_owned()
}

/// Returns the options that switch assertions on, with a key of their own.
pub fn assertions(folder: &Path) -> [String; 6] {
    let (path, keys) = (folder.join("assertion-keys.json"), AssertionKeys::default());
    write_secret(&path, &keys.rotated([7; 32].into(), SystemClock.now()).to_text());
    let path = path.to_str().unwrap();
    ["--assertion-key-file", path, "--public-url", "https://keys.example.com/", "--assertion-audience", "any=other"]
        .map(str::to_owned)
}

/// Returns an address for a program that cannot let the system choose its port.
pub fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], doorward_test_postgres::free_port().unwrap()).into()
}

/// Waits until a condition holds, and fails with `what` if it never does.
pub fn waits_for(what: &str, mut holds: impl FnMut() -> bool) {
    let tries = GUARD.as_millis() / 10;
    assert!(
        (0..tries).any(|_| holds() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }),
        "{what}"
    );
}

/// Adds an operator to a store. Returns the operator's token.
pub fn operator_of(store: &Path, name: &str) -> String {
    with_desk(store, async |desk| {
        let added = desk.add(name.parse().unwrap(), &operator().request()).await.unwrap();
        added.value.expose().to_owned()
    })
}

/// Returns the operator of a test.
#[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
pub(crate) fn operator() -> OperatorPrincipal {
    OperatorPrincipal::local_administrator("test".parse().unwrap())
}

fn with_desk<T>(store: &Path, work: impl AsyncFnOnce(Operators) -> T) -> T {
    with_store(store, async |store| work(Operators::new(&Core::new(store.clone()), store)).await)
}

fn with_store<T>(store: &Path, work: impl AsyncFnOnce(Arc<dyn Store>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(store, OpenMode::Existing).await.unwrap();
        work(Arc::new(store)).await
    })
}

/// A real OAuth server, which knows one client: `doorward`, with [`Provider::SECRET`].
pub struct Provider {
    process: Child,
    pub issuer: String,
    /// Its further output: with a closed pipe, it would end.
    _said: BufReader<ChildStdout>,
}

impl Provider {
    pub const SECRET: &str = "the+secret of/the=client";

    pub fn start(redirect_uri: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oauth");
        assert!(folder.join("node_modules").exists(), "`cargo xtask test` installs the OAuth server");
        let mut process = Command::new("node")
            .args(["provider.mjs", redirect_uri])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut issuer = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut issuer).unwrap();
        Self { process, issuer: issuer.trim().to_owned(), _said: said }
    }

    /// Goes through its pages for sign-in and consent.
    pub fn sign_in(browser: &browser::Browser, name: &str) {
        browser.type_into("input[name=login]", name);
        browser.type_into("input[name=password]", "any");
        browser.click("button[type=submit]");
        browser.click("button[type=submit]");
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves one page to everyone, from its own origin.
pub fn serve_page(html: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{html}",
        html.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut line) = (stream.unwrap(), String::new());
            let _ = BufReader::new((&stream).take(8_192)).read_line(&mut line);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// Passes on the lines of a stream, and keeps them all.
fn follow(stream: impl Read + Send + 'static, all: &Arc<Mutex<String>>) -> Receiver<String> {
    let (sender, lines) = channel();
    let all = Arc::clone(all);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            *all.lock().unwrap() += &format!("{line}\n");
            let _ = sender.send(line);
        }
    });
    lines
}

/// Returns the status of an answer, or `None` if no server answers.
pub fn status_of(address: SocketAddr, path: &str, key: Option<&str>) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(GUARD)).ok()?;
    let credential = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{credential}\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.get(9..12)?.parse().ok()
}

/// Sends bytes, and reads one answer, to its end or the connection's.
pub fn send_bytes(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    // The server may refuse before it has read everything.
    let _ = stream.write_all(bytes);
    let (mut received, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while !is_whole(&received) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(length) => received.extend_from_slice(&chunk[..length]),
        }
    }
    Answer::parse(&received)
}

/// Returns whether an answer with a length is complete: some servers keep the connection open although the client asked to close
/// it.
fn is_whole(received: &[u8]) -> bool {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| received.len() >= end + 4 + length)
}

/// Returns the chunked body, or `None` if it broke off.
fn without_chunks(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body += rest.get(..size)?;
        text = rest.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return Some(body);
        }
    }
}

/// An answer, as received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    fn parse(received: &[u8]) -> Option<Self> {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&received[..end]).ok()?;
        let mut lines = head.split("\r\n");
        // HTTP/1.0 is possible if a gateway forwards the answer of such a service.
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut body = String::from_utf8_lossy(&received[end + 4..]).into_owned();
        if headers.contains_key("transfer-encoding") {
            body = without_chunks(&body)?;
        }
        Some(Self { status, headers, body })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}")).to_owned()
    }

    /// Returns a string in the document, by its JSON pointer.
    pub fn text(&self, pointer: &str) -> String {
        let json = self.json();
        let found = json.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {self:?}"));
        found.as_str().map_or_else(|| found.to_string(), ToOwned::to_owned)
    }

    /// Returns the answer without the parts that name this request, to compare two answers as a client could.
    pub fn without_request(&self) -> Self {
        let mut answer = self.clone();
        answer.headers.remove("date");
        answer.headers.remove("x-request-id");
        let id = self.headers.get("x-request-id").cloned().unwrap_or_default();
        answer.body = answer.body.replace(&id, "req_");
        answer
    }
}
