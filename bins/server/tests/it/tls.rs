//! TLS and HTTP/2, with OpenSSL and curl as clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test of deadlines that real clients see")]

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{self, GUARD, Server, certificate, certificate_for};

fn start(folder: &Path, certificate: &Path, key: &Path) -> Server {
    let options = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    Server::start_at(env!("CARGO_BIN_EXE_doorward-server").as_ref(), folder, &options)
}

/// Returns curl's result: the HTTP version, the status, and the body.
fn curl(server: &Server, authority: &Path, arguments: &[&str]) -> (String, Output) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "600", "--write-out", "\n%{http_version} %{http_code}"])
        .args(["--header", &format!("Authorization: Bearer {}", server.production_key), "--cacert"])
        .arg(authority)
        .args(arguments)
        .arg(format!("https://localhost:{}/v1/whoami", server.address.port()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text.rsplit('\n').next().unwrap().to_owned(), output)
}

/// A certificate and its key.
type Pair = (PathBuf, PathBuf);

/// A server, its certificate files, and two certificates for them.
struct Site {
    server: Server,
    first: Pair,
    second: Pair,
    served: PathBuf,
    served_key: PathBuf,
    _folder: tempfile::TempDir,
}

impl Site {
    /// Starts with the first certificate.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| certificate(folder.path(), name));
        let [served, served_key] = ["served.pem", "served.key"].map(|name| folder.path().join(name));
        std::fs::copy(&first.0, &served).unwrap();
        std::fs::copy(&first.1, &served_key).unwrap();
        let server = start(folder.path(), &served, &served_key);
        Self { server, first, second, served, served_key, _folder: folder }
    }

    fn put(&self, (certificate, key): &Pair) {
        std::fs::copy(certificate, &self.served).unwrap();
        std::fs::copy(key, &self.served_key).unwrap();
    }

    /// Waits until the log contains this text this number of times.
    fn until(&self, message: &str, count: usize) {
        support::waits_for(message, || self.server.output.lock().unwrap().matches(message).count() >= count);
    }
}

#[test]
fn clients_choose_the_http_version() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path(), "first");
    let server = start(folder.path(), &certificate, &key);
    for (flag, version) in [("--http2", "2 200"), ("--http1.1", "1.1 200"), ("--tls-max", "2 200")] {
        let arguments = if flag == "--tls-max" { vec![flag, "1.2"] } else { vec![flag] };
        assert_eq!(curl(&server, &certificate, &arguments).0, version, "{flag}");
    }
    // A refusal has its body over either version.
    for (flag, version) in [("--http2", "2 431"), ("--http1.1", "1.1 431")] {
        let long = format!("X-Long: {}", "a".repeat(17 * 1024));
        let (said, output) = curl(&server, &certificate, &[flag, "--header", &long]);
        assert_eq!(said, version);
        assert!(String::from_utf8_lossy(&output.stdout).contains("headers_too_large"), "{output:?}");
    }
    // Many requests at a time on one connection. One of them is too large.
    let urls = vec![format!("https://localhost:{}/v1/whoami", server.address.port()); 40];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let (_, output) = curl(&server, &certificate, &[&["--http2", "--parallel"], &urls[..]].concat());
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("\n2 200").count(), 41, "{output:?}");
    // A client without TLS gets no HTTP answer.
    let answer = support::send_bytes(server.address, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.is_none_or(|answer| answer.status != 200));
}

#[test]
fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_never() {
    let site = Site::new();
    let Site { server, first: (first, _), second: (second, _), .. } = &site;
    assert_eq!(curl(server, first, &[]).0, "2 200");
    assert_eq!(curl(server, second, &[]).1.status.code(), Some(60), "curl trusts the second only");

    site.put(&site.second);
    site.until("serving with a new certificate", 1);
    assert_eq!(curl(server, second, &[]).0, "2 200");

    let end = |server: &Server| {
        let name = "doorward_tls_certificate_expiry_timestamp_seconds";
        server.scrape().lines().find(|line| line.starts_with(name)).map(str::to_owned).unwrap()
    };
    let served = end(server);
    let long = certificate_for(server.folder.path(), "long", 300);
    site.put(&(long.0, site.second.1.clone()));
    site.until("the new certificate cannot be used", 1);
    assert_eq!(end(server), served, "the metric is about the certificate that is served");
    std::fs::write(&site.served_key, "nonsense").unwrap();
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(curl(server, second, &[]).0, "2 200");
    let key = std::fs::read_to_string(&site.second.1).unwrap();
    let line = key.lines().nth(1).unwrap();
    assert!(!server.output.lock().unwrap().contains(line), "the private key is in a log");
}

/// An expiring or missing certificate is reported in the log and in a metric, long before clients notice. SIGHUP makes the server
/// read the files at once.
#[test]
fn an_expiring_or_missing_certificate_is_reported() {
    let site = Site::new();
    let Site { server, first: (first, _), second: (second, _), served, .. } = &site;
    let metric = |name: &str| {
        let name = format!("{name}{{listener=\"clients\"}} ");
        server.scrape().lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
    };
    // The certificates of these tests are valid for one day.
    site.until("the certificate expires within 14 days", 1);
    let output = Command::new("date").args(["+%s"]).output().unwrap();
    let now: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let end = metric("doorward_tls_certificate_expiry_timestamp_seconds");
    assert!((now + 80_000..now + 90_000).contains(&end), "{now} {end}");
    assert_eq!(metric("doorward_tls_certificate_readable"), 1);

    std::fs::remove_file(served).unwrap();
    site.until("the certificate can no longer be read", 1);
    assert_eq!(metric("doorward_tls_certificate_readable"), 0);
    assert_eq!(curl(server, first, &[]).0, "2 200");

    site.put(&site.second);
    server.hang_up();
    site.until("serving with a new certificate", 1);
    site.until("read certificates, secrets and the log's filter again", 1);
    assert_eq!(curl(server, second, &[]).0, "2 200");
    assert_eq!(metric("doorward_tls_certificate_readable"), 1);
    site.until("the certificate expires within 14 days", 2);
    assert_eq!(server.output.lock().unwrap().matches("can no longer be read").count(), 1, "told once");
}

#[test]
fn a_silent_tls_client_is_disconnected() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path(), "first");
    let server = start(folder.path(), &certificate, &key);
    let address = server.address;
    let before_tls = std::thread::spawn(move || {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or_default(), 0);
        begun.elapsed()
    });
    let after_tls = ["h2", "http/1.1"].map(|protocol| {
        std::thread::spawn(move || {
            let begun = Instant::now();
            let mut client = Command::new("openssl")
                .args(["s_client", "-quiet", "-no_ign_eof", "-alpn", protocol, "-connect", &address.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Keeps its input open, and sends nothing.
            let _input = client.stdin.take();
            support::waits_for(protocol, || client.try_wait().unwrap().is_some());
            begun.elapsed()
        })
    });
    // Meanwhile, other clients are served.
    assert_eq!(curl(&server, &certificate, &[]).0, "2 200");
    for silent in [before_tls].into_iter().chain(after_tls) {
        let took = silent.join().unwrap();
        assert!(took >= Duration::from_secs(9), "{took:?}");
    }
}

#[test]
fn unusable_files_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (first, first_key) = certificate(folder.path(), "first");
    let (second, _) = certificate(folder.path(), "second");
    let none = folder.path().join("none.pem");
    let cases: [(&[&str], &str); 4] = [
        (&["--tls-cert", first.to_str().unwrap()], "both --tls-cert and --tls-key"),
        (&["--tls-cert", none.to_str().unwrap(), "--tls-key", first_key.to_str().unwrap()], "none.pem cannot be read"),
        (
            &["--tls-cert", second.to_str().unwrap(), "--tls-key", first_key.to_str().unwrap()],
            "cannot be used together",
        ),
        (
            &["--tls-cert", first_key.to_str().unwrap(), "--tls-key", first_key.to_str().unwrap()],
            "cannot be used together",
        ),
    ];
    for (arguments, said) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_doorward-server"))
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(&folder)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{said}: {text}");
    }
}
