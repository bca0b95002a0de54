//! Verifies assertions with another implementation of the standards, as a service would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use doorward_assertion::{AssertionKeys, Claims, LIFETIME, PUBLISH_LEAD};
use doorward_types::{AccessKeyId, Clock, Environment, OrganizationId, SystemClock, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use zeroize::Zeroizing;

const AUDIENCE: &str = "https://api.example.com";

fn claims() -> Claims<'static> {
    Claims {
        issuer: "https://keys.example.com",
        audience: AUDIENCE,
        access_key: AccessKeyId::from_u128(1),
        organization: OrganizationId::from_u128(2),
        environment: Environment::Test,
        key_name: "Schlüssel \"7\"",
    }
}

fn seed(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

/// Verifies a token with the published keys.
fn verified(token: &str, published: &str, audience: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let set: JwkSet = serde_json::from_str(published)?;
    let kid = decode_header(token)?.kid.unwrap();
    let Some(key) = set.find(&kid) else { return Err(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat.into()) };
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_issuer(&["https://keys.example.com"]);
    validation.leeway = 0;
    Ok(decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims)
}

fn id(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

#[test]
fn an_assertion_is_verified_with_the_published_keys_and_names_the_sender() {
    let now = SystemClock.now();
    let keys = AssertionKeys::default().rotated(seed(1), now);
    let token = keys.sign(&claims(), now).unwrap();
    let seconds = now.as_millis() / 1_000;
    let expected = json!({
        "iss": "https://keys.example.com", "aud": AUDIENCE, "sub": AccessKeyId::from_u128(1),
        "iat": seconds, "exp": seconds + 60, "org": OrganizationId::from_u128(2), "env": "test",
        "key_name": "Schlüssel \"7\"",
    });
    assert_eq!(verified(&token, &keys.public(), AUDIENCE).unwrap(), expected);
    // Refused: another service, another key, a changed claim, and the same token a minute later.
    assert!(verified(&token, &keys.public(), "https://other.example.com").is_err());
    assert!(verified(&token, &AssertionKeys::default().rotated(seed(2), now).public(), AUDIENCE).is_err());
    let other = keys.sign(&Claims { environment: Environment::Production, ..claims() }, now).unwrap();
    let mixed: Vec<_> = token.split('.').zip(other.split('.')).collect();
    let forged = [mixed[0].0, mixed[1].1, mixed[2].0].join(".");
    assert!(verified(&forged, &keys.public(), AUDIENCE).is_err());
    let then = Timestamp::from_millis(now.as_millis() - 1_000) - LIFETIME;
    assert!(verified(&keys.sign(&claims(), then).unwrap(), &keys.public(), AUDIENCE).is_err());
}

#[test]
fn a_key_is_published_long_before_it_signs_and_long_after() {
    let begin = SystemClock.now();
    let first = AssertionKeys::default().rotated(seed(1), begin);
    let both = first.rotated(seed(2), begin);
    let (at, just_before) = (begin + PUBLISH_LEAD, begin + PUBLISH_LEAD.saturating_sub(Duration::from_secs(1)));
    let old = id(&first.sign(&claims(), begin).unwrap());
    assert_eq!(id(&both.sign(&claims(), just_before).unwrap()), old);
    let new = id(&both.sign(&claims(), at).unwrap());
    assert_ne!(new, old);
    assert_eq!(both.newest(), Some(new.as_str()));
    // A reader of the public keys from before the change can verify signatures from after it.
    let token = both.sign(&claims(), at).unwrap();
    assert!(verified(&token, &both.public(), AUDIENCE).is_ok());
    // An hour after its last signature, the first key is dropped.
    let third = both.rotated(seed(3), at + Duration::from_secs(3_599));
    assert!(third.public().contains(&old) && third.public().contains(&new));
    let third = both.rotated(seed(3), at + Duration::from_secs(3_600));
    assert!(!third.public().contains(&old) && third.public().contains(&new));
}

#[test]
fn a_file_is_read_back_and_the_published_keys_contain_no_private_key() {
    let now = SystemClock.now();
    let keys = AssertionKeys::default().rotated(seed(1), now).rotated(seed(2), now);
    let text = keys.to_text();
    let read: AssertionKeys = text.parse().unwrap();
    assert_eq!(read.to_text(), text);
    assert_eq!(read.sign(&claims(), now), keys.sign(&claims(), now));
    let private: Value = serde_json::from_str(&text).unwrap();
    for key in private["keys"].as_array().unwrap() {
        assert!(!keys.public().contains(key["d"].as_str().unwrap()));
        assert!(!format!("{keys:?}").contains(key["d"].as_str().unwrap()));
    }
    // The public keys are not a file of keys, and neither is a file with mismatched parts.
    let swapped = text.replacen(private["keys"][0]["kid"].as_str().unwrap(), "other", 1);
    for other in [keys.public().as_str(), &swapped, "", "{}", r#"{"keys": []}"#] {
        assert!(other.parse::<AssertionKeys>().is_err(), "{other}");
    }
}
