//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../axum/tests/support/mod.rs"]
mod support;

use std::process::Command;

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["--silent", "--include"]).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_user_sees_the_keys_of_one_organization() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("keys.db");
    let (example, mut lines) = support::start(env!("CARGO_BIN_EXE_example-own-users"), &store, "127.0.0.1:0");
    let url = support::after(&mut lines, "on ");

    assert!(curl(&[&format!("{url}/settings/keys")]).contains("location: /\r"), "not signed in");
    for (user, own, other) in [("ada", "Analytical", "Compilers"), ("grace", "Compilers", "Analytical")] {
        let jar = folder.path().join(user);
        let jar = jar.to_str().unwrap();
        curl(&["--cookie-jar", jar, "--request", "POST", &format!("{url}/sign-in/{user}")]);
        let page = curl(&["--cookie", jar, "--location", &format!("{url}/settings/keys")]);
        assert!(page.contains("Production key") && page.contains(own) && !page.contains(other), "{page}");
    }
    support::ends(example, &store);
}
