//! The published vectors, made by another implementation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_key::{Digest, KeyPrefix, PresentedKey};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    well_formed: Vec<WellFormed>,
    malformed: Vec<Malformed>,
}

#[derive(Deserialize)]
struct WellFormed {
    prefix: String,
    text: String,
    environment: String,
    locator: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Malformed {
    text: String,
    fault: String,
    why: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

#[test]
fn well_formed_keys_are_read_and_digested() {
    for vector in vectors().well_formed {
        let prefix: KeyPrefix = vector.prefix.parse().unwrap();
        let key = PresentedKey::parse(&prefix, vector.text.as_bytes()).unwrap();
        assert_eq!(key.environment().as_str(), vector.environment);
        assert_eq!(key.locator().as_str(), vector.locator);
        let hex: String = key.digest().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, vector.sha256);
        assert!(key.digest() == Digest::from_bytes(key.digest().to_bytes()));
    }
}

#[test]
fn each_fault_has_its_own_error() {
    for vector in vectors().malformed {
        let fault = PresentedKey::parse(&KeyPrefix::default(), vector.text.as_bytes()).unwrap_err();
        assert_eq!(format!("{fault:?}"), vector.fault, "{}", vector.why);
    }
}
