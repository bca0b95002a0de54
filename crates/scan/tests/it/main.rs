//! Tests of the scanner, in one program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod encodings;
mod histories;
mod rules;
mod texts;

use doorward_key::{FreshKey, FreshOperatorToken, KeyPrefix, SystemRandom};
use doorward_scan::{Finder, Scanner};
use doorward_types::Environment;

/// Returns a new test key of the default prefix.
fn key() -> String {
    key_of("dw", Environment::Test)
}

fn key_of(prefix: &str, environment: Environment) -> String {
    let fresh = FreshKey::generate(&prefix.parse().unwrap(), environment, &SystemRandom).unwrap();
    fresh.value().expose().to_owned()
}

/// Returns a new token of an operator.
fn token() -> String {
    FreshOperatorToken::generate(&SystemRandom).unwrap().into_value().expose().to_owned()
}

/// Returns the public part of a value.
fn locator(value: &str) -> &str {
    value.rsplit('_').nth(1).unwrap()
}

fn finder() -> Finder {
    Finder::new(&KeyPrefix::default())
}

fn scanner() -> Scanner {
    Scanner::new(finder())
}
