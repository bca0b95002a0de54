//! The client's address behind real proxies: in the audit log, and in the limits.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{self, Server, free_address, send_bytes};

/// The address that the proxies of these tests connect from.
const PROXY: &str = "127.0.0.1";

/// The address of a client, on the same machine.
const CLIENT: &str = "127.0.0.5";

fn server(options: &[&str]) -> Server {
    Server::start_with(Path::new(env!("CARGO_BIN_EXE_doorward-server")), options)
}

/// Makes a key through an address, from a source address, with more headers. Returns the source address in the audit log.
fn seen(token: &str, through: SocketAddr, from: &str, headers: &[&str]) -> String {
    let headers: Vec<_> = headers.iter().flat_map(|header| ["--header", header]).collect();
    let organizations = curl(through, "/v1/organizations", token, from, &[]);
    let organization = organizations["data"][0]["id"].as_str().unwrap();
    let keys = format!("/v1/organizations/{organization}/access-keys");
    let name = format!("{{\"name\":\"key {}\"}}", free_address().port());
    let json = ["--header", "Content-Type: application/json", "--data", &name];
    let made = curl(through, &keys, token, from, &[&json[..], &headers].concat());
    assert!(made["value"].is_string(), "{made}");
    let log = format!("/v1/organizations/{organization}/audit-events?environment=test");
    curl(through, &log, token, from, &[])["data"][0]["source_address"].as_str().unwrap().to_owned()
}

/// Sends a request from a source address. Returns the answer's document.
fn curl(through: SocketAddr, path: &str, token: &str, from: &str, options: &[&str]) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--interface", from, "--header", &format!("Authorization: Bearer {token}")]);
    let url = format!("http://{through}{path}");
    let output = curl.args(options).arg(url).output().expect("`cargo xtask test` installs curl");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// A proxy of the machine. It ends on drop.
struct Proxy(Child);

impl Proxy {
    fn start(address: SocketAddr, command: &mut Command) -> Self {
        let proxy = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        support::waits_for("the proxy", || TcpStream::connect(address).is_ok());
        proxy
    }

    fn haproxy(folder: &Path, mode: &str, address: SocketAddr, server: SocketAddr, option: &str) -> Self {
        let file = folder.join("haproxy.cfg");
        let forward = if mode == "http" { "option forwardfor" } else { "" };
        let text = format!(
            "defaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             listen doorward\n  bind {address}\n  {forward}\n  server a {server} {option}\n"
        );
        std::fs::write(&file, text).unwrap();
        Self::start(address, Command::new("haproxy").arg("-f").arg(file))
    }

    fn nginx(folder: &Path, address: SocketAddr, server: SocketAddr, directives: &str) -> Self {
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};\n"))
            .concat();
        let text = format!(
            "daemon off; master_process off; pid pid; error_log error.log;\nevents {{}}\nhttp {{ access_log off;\n{temporary}\
             server {{ listen {address}; location / {{ proxy_pass http://{server}; {directives} }} }} }}\n"
        );
        std::fs::write(folder.join("nginx.conf"), text).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.current_dir(folder).args(["-p", ".", "-c", "nginx.conf", "-e", "error.log"]);
        Self::start(address, &mut nginx)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_audit_log_has_the_client_behind_nginx_and_haproxy() {
    let server = server(&["--trusted-proxies", PROXY]);
    let ada = server.operator("ada");
    let folder = tempfile::tempdir().unwrap();
    let [nginx, haproxy] = [free_address(), free_address()];
    let append = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let _nginx = Proxy::nginx(folder.path(), nginx, server.address, append);
    let _haproxy = Proxy::haproxy(folder.path(), "http", haproxy, server.address, "");
    let forged = ["X-Forwarded-For: 203.0.113.66"];
    for through in [nginx, haproxy] {
        assert_eq!(seen(&ada, through, CLIENT, &[]), CLIENT);
        assert_eq!(seen(&ada, through, CLIENT, &forged), CLIENT, "the client's own entry is not believed");
        // The proxy passes on a header that it does not extend. The client hides behind the proxy, and forges nothing.
        assert_eq!(seen(&ada, through, CLIENT, &["Forwarded: for=203.0.113.66"]), PROXY);
    }
    // Without a proxy, a client has its own address, whatever it sends.
    assert_eq!(seen(&ada, server.address, CLIENT, &forged), CLIENT);
}

#[test]
fn without_trusted_proxies_no_header_is_believed() {
    let server = server(&[]);
    let ada = server.operator("ada");
    let headers = ["X-Forwarded-For: 203.0.113.66", "Forwarded: for=203.0.113.66"];
    assert_eq!(seen(&ada, server.address, PROXY, &headers), PROXY);
}

#[test]
fn the_proxy_protocol_names_the_client() {
    let server = server_behind_protocol();
    let ada = server.operator("ada");
    for option in ["send-proxy", "send-proxy-v2"] {
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let _haproxy = Proxy::haproxy(folder.path(), "tcp", address, server.address, option);
        assert_eq!(seen(&ada, address, CLIENT, &["X-Forwarded-For: 203.0.113.66"]), CLIENT, "{option}");
        // A gateway on the balancer's machine, whose headers are believed as well.
        assert_eq!(seen(&ada, address, PROXY, &["X-Forwarded-For: 203.0.113.66"]), "203.0.113.66", "{option}");
    }
}

/// A server that takes connections with the PROXY protocol from [`PROXY`] only.
fn server_behind_protocol() -> Server {
    server(&["--trusted-proxies", PROXY, "--proxy-protocol"])
}

#[test]
fn a_connection_without_the_proxy_protocol_is_closed() {
    let server = server_behind_protocol();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(send_bytes(server.address, request), None, "a proxy that sends no head");
    let headed = [b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n".as_slice(), request].concat();
    assert_eq!(send_bytes(server.address, &headed).unwrap().status, 200);
    assert_eq!(curl(server.address, "/healthz", "none", CLIENT, &[]), Value::Null, "a stranger speaks for nobody");
    let metrics = server.scrape();
    for reason in ["no_proxy_header", "not_a_proxy"] {
        assert!(metrics.contains(&format!("doorward_connections_limited_total{{reason=\"{reason}\"}} 1")), "{metrics}");
    }
}
