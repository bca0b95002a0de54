//! The listener of operators, apart from everyone's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Server, certificate, free_address, send_bytes, waits_for};

fn start(options: &[&str]) -> (Server, SocketAddr) {
    let admin = free_address();
    let binary = env!("CARGO_BIN_EXE_doorward-server").as_ref();
    (Server::start_with(binary, &[&["--admin-listen", &admin.to_string()], options].concat()), admin)
}

/// Returns the status of a request with this credential.
fn status(address: SocketAddr, credential: &str, method: &str, path: &str) -> u16 {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n");
    let request = format!("{head}Authorization: Bearer {credential}\r\n\r\n");
    send_bytes(address, request.as_bytes()).unwrap().status
}

#[test]
fn management_and_the_page_are_on_their_own_listener_alone() {
    let (server, admin) = start(&[]);
    let (data, token, key) = (server.address, server.operator("ada"), server.production_key.clone());
    for (credential, method, path, on_data, on_admin) in [
        (&token, "GET", "/v1/organizations", 404, 200),
        (&token, "GET", "/dashboard", 404, 401),
        (&key, "GET", "/v1/whoami", 200, 404),
        (&key, "GET", "/v1/forward-auth/production", 200, 404),
        (&key, "POST", "/mcp", 406, 404),
        (&key, "GET", "/healthz", 200, 200),
        (&key, "GET", "/readyz", 200, 200),
        (&key, "GET", "/nowhere", 404, 404),
    ] {
        let found = (status(data, credential, method, path), status(admin, credential, method, path));
        assert_eq!(found, (on_data, on_admin), "{method} {path}");
    }
    // The link of the first start leads to the page.
    assert!(server.sign_in_link.starts_with(&format!("http://{admin}/dashboard/sign-in/")), "{}", server.sign_in_link);
    assert!(server.stop().0.success());
}

#[test]
fn mcp_moves_to_the_listener_of_operators_by_a_setting() {
    let (server, admin) = start(&["--admin-mcp"]);
    let key = &server.production_key;
    assert_eq!((status(server.address, key, "POST", "/mcp"), status(admin, key, "POST", "/mcp")), (404, 406));
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Creates an authority, and a client's certificate that it signs.
fn client_certificate(folder: &Path, authority: &str, client: &str) {
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let file = |name: &str, kind: &str| format!("{name}.{kind}");
    let (ca, ca_key) = (file(authority, "pem"), file(authority, "key"));
    let own = ["req", "-x509", "-days", "1", "-subj", "/CN=authority", "-keyout", &ca_key, "-out", &ca];
    openssl(folder, &[&own[..], &curve].concat());
    let (key, request, signed) = (file(client, "key"), file(client, "csr"), file(client, "pem"));
    openssl(folder, &[&["req", "-subj", "/CN=ada", "-keyout", &key, "-out", &request][..], &curve].concat());
    std::fs::write(folder.join("client.ext"), "extendedKeyUsage = clientAuth\n").unwrap();
    let by = ["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "1", "-extfile", "client.ext"];
    openssl(folder, &[&["x509", "-req", "-in", &request, "-out", &signed][..], &by].concat());
}

#[test]
fn operators_need_a_certificate_if_an_authority_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (served, served_key) = certificate(folder, "server");
    client_certificate(folder, "ours", "ada");
    client_certificate(folder, "foreign", "eve");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let tls = ["--tls-cert", served.to_str().unwrap(), "--tls-key", served_key.to_str().unwrap()];
    let (server, admin) = start(&[&tls[..], &["--admin-client-ca", &path("ours.pem")]].concat());
    let asked = |port: u16, client: &[&str]| -> Output {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"]);
        curl.arg(&served).args(client).arg(format!("https://localhost:{port}/healthz")).output().unwrap()
    };
    let is_served = |answer: &Output| answer.stdout == b"200";
    let pair = |name: &str| {
        ["--cert".to_owned(), path(&format!("{name}.pem")), "--key".to_owned(), path(&format!("{name}.key"))]
    };
    let (ada, eve) = (pair("ada"), pair("eve"));
    let (ada, eve) = (ada.each_ref().map(String::as_str), eve.each_ref().map(String::as_str));
    assert!(is_served(&asked(admin.port(), &ada)));
    assert!(!is_served(&asked(admin.port(), &eve)));
    assert!(!is_served(&asked(admin.port(), &[])));
    // A file of operators alone leaves the clients' listener as it was.
    std::fs::remove_file(folder.join("ours.pem")).unwrap();
    let readable = |listener, is: u8| format!("doorward_tls_certificate_readable{{listener=\"{listener}\"}} {is}\n");
    waits_for("the missing authority", || server.scrape().contains(&readable("operators", 0)));
    assert!(server.scrape().contains(&readable("clients", 1)));
    assert!(is_served(&asked(admin.port(), &ada)), "the authority that was read before stays");
    // Backends need none.
    assert!(is_served(&asked(server.address.port(), &[])));
}
