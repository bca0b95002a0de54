//! The token: a header, the claims, a signature.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use doorward_types::{AccessKeyId, Environment, OrganizationId, Timestamp};
use ed25519_dalek::{Signer, SigningKey};
use serde::Serialize;

/// The validity of an assertion: enough for one request behind a gateway.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// The claims of an assertion about a request's sender.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The public URL of the Doorward server that verified the key.
    pub issuer: &'a str,
    /// The service that may rely on the assertion.
    pub audience: &'a str,
    /// The access key.
    pub access_key: AccessKeyId,
    /// The key's organization.
    pub organization: OrganizationId,
    /// The key's environment.
    pub environment: Environment,
    /// The key's name.
    pub key_name: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// The field names are from RFC 7519, section 4.1. The last three are Doorward's own.
#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: AccessKeyId,
    iat: i64,
    exp: i64,
    org: OrganizationId,
    env: Environment,
    key_name: &'a str,
}

/// Returns the token in its compact form (RFC 7515, section 7.1).
pub(crate) fn signed(claims: &Claims<'_>, id: &str, key: &SigningKey, now: Timestamp) -> String {
    let iat = now.as_millis().div_euclid(1_000);
    let header = Header { alg: "EdDSA", typ: "JWT", kid: id };
    let payload = Payload {
        iss: claims.issuer,
        aud: claims.audience,
        sub: claims.access_key,
        iat,
        exp: iat.saturating_add(LIFETIME.as_secs().cast_signed()),
        org: claims.organization,
        env: claims.environment,
        key_name: claims.key_name,
    };
    let token = format!("{}.{}", part(&header), part(&payload));
    let signature = key.sign(token.as_bytes()).to_bytes();
    format!("{token}.{}", BASE64URL.encode(signature))
}

fn part(value: &impl Serialize) -> String {
    // Serializing strings and numbers cannot fail.
    BASE64URL.encode(serde_json::to_vec(value).unwrap_or_default())
}
