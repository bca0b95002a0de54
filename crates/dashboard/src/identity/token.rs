//! The claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::ProviderSettings;
use crate::identity_error::IdentityError;

/// The maximum difference in seconds between the provider's clock and ours, and the maximum age of an ID token.
const LEEWAY: u64 = 60;
const MAX_AGE: u64 = 3_600;

/// Asymmetric algorithms only: `none` and HMAC are excluded.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];

#[derive(Deserialize)]
struct Claims {
    aud: Value,
    azp: Option<String>,
    iat: u64,
    iss: String,
    nonce: Option<String>,
    sub: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The facts that an ID token proves.
#[derive(Debug)]
pub(super) struct Proven {
    /// The user's permanent id at this provider.
    pub(super) subject: String,
    /// The other claims, which may change.
    pub(super) claims: Map<String, Value>,
}

/// Returns the name of the key that the token claims.
pub(super) fn key_name(token: &str) -> Result<Option<String>, IdentityError> {
    Ok(header(token)?.kid)
}

fn header(token: &str) -> Result<Header, IdentityError> {
    let header = decode_header(token).map_err(|_| IdentityError::Proof("its ID token is malformed"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(IdentityError::Proof("its ID token uses a forbidden algorithm"));
    }
    // A token with a critical extension must be refused (RFC 7515, section 4.1.11).
    let text = token.split('.').next().and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    match serde_json::from_slice::<Map<String, Value>>(&text) {
        Ok(members) if !members.contains_key("crit") => Ok(header),
        _ => Err(IdentityError::Proof("its ID token has an unknown critical extension")),
    }
}

/// Returns whether the key is meant to verify signatures of this algorithm (RFC 7517, sections 4.2 to 4.4).
fn verifies(key: &Jwk, algorithm: Algorithm) -> bool {
    let common = &key.common;
    common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify))
        && common.key_algorithm.is_none_or(|of| of.to_string().parse::<Algorithm>().is_ok_and(|of| of == algorithm))
}

pub(super) fn verify(
    token: &str,
    keys: &[Jwk],
    settings: &ProviderSettings,
    nonce: &str,
) -> Result<Proven, IdentityError> {
    let header = header(token)?;
    let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut fitting = keys.iter().filter(named).filter(|key| verifies(key, header.alg));
    let (Some(key), None) = (fitting.next(), fitting.next()) else {
        return Err(IdentityError::Proof("its ID token is signed with an unknown key"));
    };
    let key = DecodingKey::from_jwk(key).map_err(|_| IdentityError::Proof("its key cannot be used"))?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_audience(&[&settings.client_id]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key, &validation).map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "an ID token was refused");
        IdentityError::Proof("its ID token is expired, has another issuer or audience, or is forged")
    })?;
    let Claims { aud, azp, iat, iss, nonce: answered, sub, others } = claims.claims;
    let now = get_current_timestamp();
    if iat > now + LEEWAY || iat + MAX_AGE < now {
        return Err(IdentityError::Proof("its ID token is too old"));
    }
    // A token for several audiences must name its client.
    let is_for_several = aud.as_array().is_some_and(|all| all.len() > 1);
    let is_for_us = azp.as_ref().map_or(!is_for_several, |azp| *azp == settings.client_id);
    if answered.as_deref() != Some(nonce) || !is_for_us || iss != settings.issuer || sub.is_empty() {
        return Err(IdentityError::Proof("its ID token belongs to another sign-in"));
    }
    Ok(Proven { subject: sub, claims: others })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jsonwebtoken::{EncodingKey, encode};
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    /// Returns a provider's key and its published form.
    fn key(name: &str, more: &Value) -> (EncodingKey, Jwk) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": name, "x": x});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (EncodingKey::from_ed_der(pkcs8.as_ref()), serde_json::from_value(jwk).unwrap())
    }

    fn settings() -> ProviderSettings {
        ProviderSettings {
            name: "Example ID".into(),
            issuer: "https://id.example".into(),
            client_id: "doorward".into(),
            client_secret: Some(Zeroizing::new("secret".into())),
            redirect_uri: "https://keys.example/dashboard/sign-in-with-provider/callback".into(),
            claim: "email".into(),
            required_claims: BTreeMap::new(),
        }
    }

    fn header(kid: Option<&str>) -> Header {
        Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) }
    }

    #[test]
    fn only_a_valid_token_is_accepted() {
        let nothing = json!({});
        let (signs, known) = key("a", &nothing);
        let (stranger, _) = key("a", &nothing);
        let (other_signs, other) = key("b", &nothing);
        let keys = [known.clone(), other];
        let now = get_current_timestamp();
        let good = json!({"iss": "https://id.example", "aud": "doorward", "sub": "1", "exp": now + 300, "iat": now,
                          "nonce": "n", "email": "ada@x"});
        let with = |changes: &[(&str, Value)]| {
            let mut claims = good.clone();
            for (name, value) in changes {
                claims[*name] = value.clone();
            }
            claims
        };
        let check = |token: &str, keys: &[Jwk]| verify(token, keys, &settings(), "n").is_ok();
        let signed = |claims: &Value| encode(&header(Some("a")), claims, &signs).unwrap();
        let proven = verify(&signed(&good), &keys, &settings(), "n").unwrap();
        assert_eq!((proven.subject.as_str(), proven.claims["email"].as_str()), ("1", Some("ada@x")));
        let azp = ("azp", json!("doorward"));
        assert!(check(&signed(&with(&[("aud", json!(["doorward"]))])), &keys));
        assert!(check(&signed(&with(&[("aud", json!(["doorward", "other"])), azp.clone()])), &keys));
        assert!(check(&signed(&with(&[azp])), &keys));
        assert!(check(&signed(&with(&[("nbf", json!(now))])), &keys));
        assert!(check(&encode(&header(None), &good, &signs).unwrap(), &[known]), "one key needs no name");
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!(["https://id.example", "https://evil.example"])),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(["doorward", "other"])),
            ("azp", json!("other")),
            ("exp", json!(now - 61)),
            ("exp", json!(null)),
            ("nbf", json!(now + 3_600)),
            ("iat", json!(now + 3_600)),
            ("iat", json!(now - 3_700)),
            ("iat", json!(null)),
            ("sub", json!(null)),
            ("sub", json!("")),
            ("nonce", json!("of another sign-in")),
            ("nonce", json!(null)),
        ] {
            assert!(!check(&signed(&with(&[(name, value.clone())])), &keys), "{name}: {value}");
        }
        assert!(!check(&encode(&header(Some("a")), &good, &stranger).unwrap(), &keys), "a stranger's key");
        assert!(!check(&encode(&header(Some("a")), &good, &other_signs).unwrap(), &keys), "another key's name");
        assert!(!check(&encode(&header(Some("c")), &good, &signs).unwrap(), &keys), "an unknown name");
        assert!(!check(&encode(&header(None), &good, &signs).unwrap(), &keys), "no name, and two keys");
        // Signed with public data, or unsigned.
        let by_secret = EncodingKey::from_secret(b"secret");
        let hmac = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
        assert!(!check(&encode(&hmac, &good, &by_secret).unwrap(), &keys));
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", encoded(&json!({"alg": "none", "kid": "a"})), encoded(&good));
        for nonsense in [&*none, "", "a.b.c", "..", &signed(&good)[1..]] {
            assert!(!check(nonsense, &keys), "{nonsense}");
        }
    }

    #[test]
    fn a_key_for_something_else_verifies_nothing() {
        let now = get_current_timestamp();
        let good = json!({"iss": "https://id.example", "aud": "doorward", "sub": "1", "exp": now + 300, "iat": now, "nonce": "n"});
        for (more, is_good) in [
            (json!({"use": "sig", "key_ops": ["verify"]}), true),
            (json!({"use": "enc"}), false),
            (json!({"key_ops": ["encrypt"]}), false),
            (json!({"alg": "ES256"}), false),
        ] {
            let (signs, known) = key("a", &more);
            let token = encode(&header(Some("a")), &good, &signs).unwrap();
            assert_eq!(verify(&token, &[known], &settings(), "n").is_ok(), is_good, "{more}");
        }
    }

    #[test]
    fn a_token_with_a_critical_extension_is_refused() {
        let (signs, known) = key("a", &json!({}));
        let now = get_current_timestamp();
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let good = json!({"iss": "https://id.example", "aud": "doorward", "sub": "1", "exp": now + 300, "iat": now, "nonce": "n"});
        for (head, is_good) in [
            (json!({"alg": "EdDSA", "kid": "a"}), true),
            (json!({"alg": "EdDSA", "kid": "a", "crit": ["b64"], "b64": true}), false),
        ] {
            let text = format!("{}.{}", encoded(&head), encoded(&good));
            let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &signs, Algorithm::EdDSA).unwrap();
            let token = format!("{text}.{signature}");
            assert_eq!(verify(&token, std::slice::from_ref(&known), &settings(), "n").is_ok(), is_good, "{head}");
        }
    }
}
