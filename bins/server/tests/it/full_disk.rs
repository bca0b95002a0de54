//! A full disk stops changes and nothing else: keys are still verified, and an unwritten change did not happen.

use std::os::unix::fs::PermissionsExt;

use crate::support::Server;

#[test]
fn a_full_disk_stops_changes_and_not_verifications() {
    // A limit on file sizes stands in for the disk: writes beyond it fail, as on a full disk.
    let folder = tempfile::tempdir().unwrap();
    let limited = folder.path().join("limited");
    let server = env!("CARGO_BIN_EXE_doorward-server");
    std::fs::write(&limited, format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f 2000\nexec '{server}' \"$@\"\n")).unwrap();
    std::fs::set_permissions(&limited, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start_quiet(&limited, tempfile::tempdir().unwrap());
    let ada = server.operator("ada");
    let key = &server.production_key;
    let organization = server.call(key, "GET", "/v1/whoami", None).text("/organization/id");

    let register = |number: u32| {
        let body = format!(r#"{{"origin_user_id":"{number:0>128}"}}"#);
        server.call(key, "POST", "/v1/registered-users", Some(&body))
    };
    let made = (0..50_000).take_while(|number| register(*number).status == 201).count();
    assert!((10..50_000).contains(&made), "{made} users were made before the disk was full");

    let regenerate = format!("/v1/organizations/{organization}/production-key/regenerate");
    for _ in 0..5 {
        let refused = server.call(&ada, "POST", &regenerate, None);
        assert_eq!((refused.status, refused.code()), (503, "store_unavailable".into()));
        assert_eq!(server.call(key, "GET", "/v1/whoami", None).status, 200, "the old key is in force");
    }
    let log = format!("/v1/organizations/{organization}/audit-events?environment=production");
    let events = server.call(&ada, "GET", &log, None).json();
    let actions: Vec<_> = events["data"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["access_key.created", "organization.created"], "no event without its change");
}
