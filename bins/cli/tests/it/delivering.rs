//! Rotations into a vault: the command line of AWS, with an emulator in the place of its service.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::programs::{command, json, server_binary};
use crate::support::{Server, python, root, status_of, waits_for};

/// The name of the secret in the vault.
const SECRET: &str = "acme/doorward";

/// An emulator of AWS Secrets Manager, which is empty at first. The process is killed on drop.
struct Vault {
    process: Child,
    url: String,
    /// Its further output: with a closed pipe, it would end.
    _said: BufReader<ChildStderr>,
}

impl Vault {
    fn start() -> Self {
        let mut server = python("moto_server");
        let server = server.args(["-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = server.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let line = said.by_ref().lines().map(Result::unwrap).find(|line| line.contains("Running on"));
        let url = line.and_then(|line| Some(line.split_once("Running on ")?.1.trim().to_owned())).unwrap();
        Self { process, url, _said: said }
    }

    /// Lets a program use the command line of AWS on this vault. The settings of the tests' user do not count.
    fn reached_by(&self, mut program: Command) -> Command {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            program.env_remove(name);
        }
        let (installed, path) = (root().join("target/python/bin"), std::env::var("PATH").unwrap());
        program
            .env("PATH", format!("{}:{path}", installed.display()))
            .env("AWS_ENDPOINT_URL", &self.url)
            .envs([
                ("AWS_ACCESS_KEY_ID", "any"),
                ("AWS_SECRET_ACCESS_KEY", "any"),
                ("AWS_DEFAULT_REGION", "eu-central-1"),
            ])
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"), ("NO_PROXY", "*")])
            .stdin(Stdio::null());
        program
    }

    /// Returns the standard output of a command for the vault, which must succeed.
    fn aws(&self, arguments: &[&str]) -> String {
        let done = self.reached_by(python("aws")).arg("secretsmanager").args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Returns the value that readers get. As JSON, it shows a line end too.
    fn value(&self) -> String {
        let value =
            self.aws(&["get-secret-value", "--secret-id", SECRET, "--query", "SecretString", "--output", "json"]);
        serde_json::from_str(&value).unwrap()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the command for AWS that the documentation gives.
fn documented() -> String {
    let page = std::fs::read_to_string(root().join("docs/how-to/rotate-into-a-vault.md")).unwrap();
    page.lines().find(|line| line.starts_with("aws secretsmanager put-secret-value ")).unwrap().to_owned()
}

/// A service reads its key from the vault. A delivery that fails kills no key, and the next run rotates the key.
#[test]
fn a_rotation_puts_the_next_key_into_aws_secrets_manager() {
    let (server, vault) = (Server::start(&server_binary()), Vault::start());
    let folder = server.folder.path();
    let current = server.production_key.clone();
    vault.aws(&["create-secret", "--name", SECRET, "--secret-string", &current]);
    let status = |key: &str| status_of(server.address, "/v1/whoami", Some(key));
    let rotate = |deliver: &str| {
        let arguments = ["key", "rotate", "--idle", "1s", "--every", "1s", "--yes", "--deliver", deliver];
        let mut rotation = vault.reached_by(command(folder, &arguments));
        rotation.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let deliver = documented();

    let wrong = deliver.replace(SECRET, "acme/nobody");
    assert_ne!(wrong, deliver);
    let output = rotate(&wrong).wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ResourceNotFoundException") && said.contains("stays staged"), "{said}");
    assert_eq!((vault.value(), status(&current)), (current.clone(), Some(200)));
    let keys = json(folder, &["key", "list"]);
    assert_eq!(keys.pointer("/data/0/secrets").and_then(serde_json::Value::as_array).unwrap().len(), 2, "{keys}");

    let rotation = rotate(&deliver);
    waits_for("the next key is in the vault", || vault.value() != current);
    // From now on, the service uses what it reads in the vault.
    let next = vault.value();
    assert_eq!((status(&current), status(&next)), (Some(200), Some(200)));
    let output = rotation.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("is current now"), "{said}");
    assert_eq!((status(&current), status(&next), vault.value()), (Some(401), Some(200), next.clone()));
    assert!(output.stdout.is_empty() && !said.contains(&next), "the value is in the output");
}
