//! TLS to PostgreSQL: no password is sent to a server with an untrusted certificate or a certificate of another host.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use doorward_test_postgres::Cluster;

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Creates an authority and its certificate for `localhost`, readable for the server.
fn certify(folder: &Path) {
    run(
        folder,
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-addext",
            "basicConstraints=critical,CA:true",
        ],
    );
    run(
        folder,
        "openssl",
        &[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ],
    );
    std::fs::write(folder.join("extensions"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:false\n").unwrap();
    run(
        folder,
        "openssl",
        &[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
            "-out",
            "server.pem",
        ],
    );
    run(folder, "chmod", &["755", "."]);
    run(folder, "chmod", &["600", "server.key"]);
    if rustix::process::geteuid().is_root() {
        run(folder, "chown", &["postgres", "server.key"]);
    }
}

#[test]
fn a_certificate_is_always_verified() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", file("server.pem")),
        format!("ssl_key_file={}", file("server.key")),
    ];
    let cluster = Cluster::start(&settings.each_ref().map(String::as_str)).unwrap();
    let port = cluster.port();
    let open = |host: &str, mode: &str, trusted: Option<String>| {
        let store = format!("postgres://postgres@{host}:{port}/postgres?sslmode={mode}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(["--store", &store, "org", "create", host]).env_remove("SSL_CERT_FILE");
        let done = command.envs(trusted.map(|file| ("SSL_CERT_FILE", file))).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    for mode in ["prefer", "require"] {
        let (opened, said) = open("localhost", mode, None);
        assert!(!opened && said.contains("UnknownIssuer"), "{said}");
        let (opened, said) = open("127.0.0.1", mode, Some(file("ca.pem")));
        assert!(!opened && said.contains("not valid for name"), "{said}");
    }
    let (opened, said) = open("localhost", "require", Some(file("ca.pem")));
    assert!(opened, "{said}");
}
