//! The Debian package contains working programs, and a configuration that the server accepts.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_packaged_server_starts_with_the_packaged_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_doorward-xtask"))
        .args(["deb", "--debug", "--out", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let package = folder.path().read_dir().unwrap().next().unwrap().unwrap().path();
    let root = folder.path().join("root");
    assert!(Command::new("dpkg-deb").arg("--extract").args([&package, &root]).status().unwrap().success());

    let help = Command::new(root.join("usr/bin/doorward")).arg("--help").output().unwrap();
    assert!(help.status.success());
    for generated in ["man/man1/doorward.1", "man/man8/doorward-server.8", "bash-completion/completions/doorward"] {
        assert!(std::fs::metadata(root.join("usr/share").join(generated)).unwrap().len() > 1_000, "{generated}");
    }
    assert!(root.join("usr/share/man/man1/doorward-key-create.1").exists());
    let unit = std::fs::read_to_string(root.join("lib/systemd/system/doorward-server.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/doorward-server --config /etc/doorward/doorward.toml\n"));

    // The server knows every line of the configuration, including the commented-out ones.
    let text = std::fs::read_to_string(root.join("etc/doorward/doorward.toml")).unwrap();
    let all: String = text
        .lines()
        .filter(|line| line.contains(" = "))
        .map(|line| line.trim_start_matches("# ").to_owned() + "\n")
        .collect();
    let known = folder.path().join("all.toml");
    std::fs::write(&known, all).unwrap();
    let server = |config: &std::path::Path, options: &[&str]| {
        let mut server = Command::new(root.join("usr/bin/doorward-server"));
        server
            .arg("--config")
            .arg(config)
            .args(options)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        server
    };
    let refused = server(&known, &["--store", "sqlite:a.db"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("fullchain.pem cannot be read") || said.contains("signing.key"), "{said}");

    let config = root.join("etc/doorward/doorward.toml");
    let options = ["--store", "sqlite:a.db", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let mut serving = server(&config, &options).spawn().unwrap();
    let lines = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.take(20).any(|line| line.contains(r#""message":"serving""#)));
    serving.kill().unwrap();
    serving.wait().unwrap();
}
