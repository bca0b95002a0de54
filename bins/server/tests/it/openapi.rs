//! Checks the API description against the table of routes, and against the server with another project's tester.

use std::collections::BTreeSet;

use doorward::api::OPENAPI;
use doorward::api::routes::{Access, PATHS, Path};
use serde_json::Value;

use crate::support::{self, Server};

#[test]
fn every_route_is_described_and_nothing_else() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let door = match operation["security"].as_array().unwrap().first() {
                None => "open",
                Some(scheme) if scheme.get("accessKey").is_some() => "accessKey",
                Some(_) => "operatorToken",
            };
            described.insert(format!("{} {path} {door}", method.to_uppercase()));
        }
    }
    let mut routed = BTreeSet::new();
    // OpenAPI cannot describe the rest of a path, so the description's text explains the part below the profile.
    let described_otherwise = |path: &Path| path.pattern.starts_with("/v1/forward-auth/{profile}/");
    for path in PATHS.iter().filter(|path| !described_otherwise(path)) {
        let door = match path.access {
            Access::Open(_) => "open",
            Access::AccessKey(_) | Access::Gateway => "accessKey",
            Access::Operator(_) => "operatorToken",
        };
        routed.extend(path.actions().iter().map(|(method, _)| format!("{method} {} {door}", path.pattern)));
    }
    assert_eq!(described, routed);
}

/// Sends thousands of requests inside and outside the description: no 5xx, and no undescribed answer.
#[test]
fn schemathesis_finds_no_deviation() {
    let server = Server::start_whole(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    let operator = server.operator("ada");

    let mut cases = 0;
    for (credential, tags) in [(&server.production_key, &["backend", "open"][..]), (&operator, &["management"])] {
        let mut schemathesis = support::python("schemathesis");
        schemathesis
            .args([
                "--config-file",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml"),
                "--no-color",
                "run",
            ])
            .arg(format!("http://{}/openapi.json", server.address))
            .args([
                "--header",
                &format!("Authorization: Bearer {credential}"),
                "--max-examples",
                "40",
                // Two threads that parse Python at once crash CPython 3.11 (python/cpython#106905).
                "--workers",
                "1",
            ])
            .args(["--suppress-health-check", "all", "--warnings", "off"])
            .args(tags.iter().flat_map(|tag| ["--include-tag", tag]))
            .current_dir(&server.folder);
        let output = schemathesis.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let line = said.lines().find(|line| line.contains(" generated, ")).unwrap();
        let count: u32 = line.split_whitespace().next().unwrap().parse().unwrap();
        println!("schemathesis: {count} cases of {tags:?}");
        cases += count;
    }
    assert!(cases >= 2_000, "{cases}");
}
