//! The Debian package holds what runs, and a configuration that the server takes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn what_the_package_holds_starts_with_its_own_configuration() {
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
    for generated in ["usr/share/man/man1/doorward.1", "usr/share/bash-completion/completions/doorward"] {
        assert!(std::fs::metadata(root.join(generated)).unwrap().len() > 1_000, "{generated}");
    }
    let unit = std::fs::read_to_string(root.join("lib/systemd/system/doorward-server.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/doorward-server --config /etc/doorward/doorward.toml\n"));

    // Every line of the configuration, those that are commented out too, is one that the server knows.
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
