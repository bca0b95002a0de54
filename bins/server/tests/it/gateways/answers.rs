//! The answer to a gateway's authorization request.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::{Answer, Server, lose_the_store, server, test_key};
use crate::support;

#[test]
fn every_answer_has_every_header_and_an_empty_body() {
    let server = server();
    let key = server.production_key.clone();
    let me = server.call(&key, "GET", "/v1/whoami", None);
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in ["any", "production", "any/", "any/a/b?profile=test", "production/v1/whoami?x=%2f"] {
            let answer = server.call(&key, method, &format!("/v1/forward-auth/{path}"), Some("{}"));
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method} {path}");
            let header = |name: &str| answer.headers[&format!("x-doorward-{name}")].clone();
            assert_eq!(header("organization"), me.text("/organization/id"));
            assert_eq!((header("environment"), header("key-id")), ("production".into(), me.text("/key/id")));
            assert_eq!(
                (header("key-name"), answer.headers["cache-control"].as_str()),
                ("production".into(), "no-store")
            );
        }
    }
    let test = test_key(&server, "東京 100%").text("/value");
    let answer = server.call(&test, "GET", "/v1/forward-auth/test", None);
    assert_eq!(answer.headers["x-doorward-key-name"], "%E6%9D%B1%E4%BA%AC 100%25");
}

#[test]
fn a_refusal_is_the_apis_and_for_nginx_one_that_it_forwards() {
    let server = server();
    let key = server.production_key.clone();
    let ask = |key: &str, profile: &str| server.call(key, "GET", &format!("/v1/forward-auth/{profile}"), None);
    for (profile, status, code) in
        [("test", 403, "wrong_environment"), ("nowhere", 404, "not_found"), ("nowhere-nginx", 404, "not_found")]
    {
        let refused = ask(&key, profile);
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{profile}");
        assert!(!refused.headers.contains_key("x-doorward-organization"));
    }
    let refused = ask("nonsense", "any-nginx");
    assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (401, "401"));
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    let refused = ask(&key, "test-nginx");
    assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (403, "403"));
    lose_the_store(&server);
    let refused = ask(&key, "any-nginx");
    assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (403, "503"));
    assert_eq!((ask(&key, "any").status, refused.code().as_str()), (503, "not_current"));
}

/// Some gateways forward all headers of a client, as nginx does. So a service could read other spellings and later names as
/// Doorward's.
#[test]
fn a_header_that_a_service_could_read_as_doorwards_is_refused() {
    let server = server();
    let bearer = format!("Bearer {}", server.production_key);
    let ask = |profile: &str, name: &str| {
        let path = format!("/v1/forward-auth/{profile}");
        server.send("GET", &path, &[("Authorization", &bearer), (name, "forged")], None)
    };
    for name in [
        "X_Doorward_Organization",
        "x.doorward.key.id",
        "X-Doorward_Key-Id",
        "X!Doorward!Environment",
        "X-Doorward-Later",
    ] {
        let refused = ask("any", name);
        assert_eq!((refused.status, refused.code().as_str()), (400, "malformed_request"), "{name}");
        assert!(!refused.headers.contains_key("x-doorward-organization"));
        let refused = ask("any-nginx", name);
        assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (403, "400"), "{name}");
    }
    // Gateways replace these headers, or a service verifies them. Another gateway in front may have set them.
    for name in ["X-Doorward-Organization", "x-doorward-key-name", "X-Doorward-Assertion", "X-Door", "X-Forwarded-For"]
    {
        assert_eq!(ask("any", name).status, 200, "{name}");
    }
    // Authentication comes first.
    assert_eq!(server.send("GET", "/v1/forward-auth/any", &[("X-Doorward-Later", "forged")], None).status, 401);
}

/// nginx, Caddy and Traefik send the client's own headers, and Envoy sends its path.
#[test]
fn forward_auth_accepts_longer_heads() {
    let server = server();
    let bearer = format!("Bearer {}", server.production_key);
    let long = "a".repeat(31 * 1_024);
    let query = format!("?{}", "q".repeat(16 * 1_024));
    let ask = |path: &str, header: &str| {
        server.send("GET", path, &[("Authorization", &bearer), ("X-Long", header)], None).status
    };
    assert_eq!(ask("/v1/forward-auth/any", &long), 200);
    assert_eq!(ask(&format!("/v1/forward-auth/any/a{query}"), ""), 200);
    assert_eq!(ask("/v1/forward-auth/any", &long.repeat(2)), 431);
    assert_eq!((ask("/v1/whoami", &long), ask(&format!("/v1/whoami{query}"), "")), (431, 414));
}

/// Requests in the form of Traefik v3 (`forward.go`) and Envoy (`ext_authz/ext_authz_http_impl.cc`), and the effect of each
/// answer.
#[test]
fn traefik_and_envoy_get_the_answers_that_they_expect() {
    let server = server();
    let bearer = format!("Bearer {}", server.production_key);
    let traefik = [
        ("Accept-Encoding", "gzip"),
        ("User-Agent", "curl/8"),
        ("X-Forwarded-Method", "DELETE"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Forwarded-Uri", "/orders?page=2"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Port", "443"),
    ];
    // Envoy sends the client's own method, its path after the prefix, a length and no body.
    let envoy = [
        ("X-Envoy-Internal", "true"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Request-Id", "a"),
        ("Content-Length", "0"),
    ];
    for (method, path, headers) in [
        ("GET", "/v1/forward-auth/production", &traefik[..]),
        ("DELETE", "/v1/forward-auth/production/orders?page=2", &envoy),
        ("POST", "/v1/forward-auth/production/orders/%2e%2e/x", &envoy),
        ("OPTIONS", "/v1/forward-auth/production/", &envoy),
    ] {
        let refused = server.send(method, path, headers, None);
        assert_eq!((refused.status, refused.headers["www-authenticate"].as_str()), (401, "Bearer"));
        let with_key = [headers, &[("Authorization", &*bearer)]].concat();
        let answer = server.send(method, path, &with_key, None);
        // Envoy lets a request through only on 200; Traefik reads the headers of any 2xx.
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method} {path}");
        for name in ["organization", "environment", "key-id", "key-name"] {
            assert!(!answer.headers[&format!("x-doorward-{name}")].is_empty());
        }
    }
}

/// Verifies the token with Doorward's published keys, as a service does.
fn asserted(token: &str, published: &Answer, audience: &str) -> Option<Value> {
    let set: JwkSet = serde_json::from_str(&published.body).unwrap();
    let key = set.find(&decode_header(token).unwrap().kid.unwrap())?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_issuer(&["https://keys.example.com"]);
    Some(decode(token, &DecodingKey::from_jwk(key).unwrap(), &validation).ok()?.claims)
}

#[test]
fn an_assertion_names_the_sender_and_a_service_verifies_it_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let given = support::assertions(folder.path());
    let more = ["--assertion-audience", "production=https://api.example.com"];
    let options: Vec<_> = given.iter().map(String::as_str).chain(more).collect();
    let server = Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &options);
    let me = server.call(&server.production_key, "GET", "/v1/whoami", None);
    let published = server.send("GET", "/.well-known/jwks.json", &[], None);
    assert_eq!((published.status, published.headers["content-type"].as_str()), (200, "application/jwk-set+json"));
    let ask = |profile: &str| server.call(&server.production_key, "GET", &format!("/v1/forward-auth/{profile}"), None);
    for (profile, audience) in
        [("production", "https://api.example.com"), ("production-nginx/a", "https://api.example.com"), ("any", "other")]
    {
        let token = ask(profile).headers["x-doorward-assertion"].clone();
        let claims = asserted(&token, &published, audience).unwrap();
        let told = ["sub", "org", "env", "key_name"].map(|claim| claims[claim].as_str().unwrap().to_owned());
        let known = ["/key/id", "/organization/id", "/environment", "/key/name"].map(|field| me.text(field));
        assert_eq!(told, known, "{profile}");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        assert_eq!(asserted(&token, &published, "https://elsewhere.example.com"), None);
    }
    // A profile without an audience gets no assertion, and neither does a refusal.
    let key = test_key(&server, "ci").text("/value");
    let answer = server.call(&key, "GET", "/v1/forward-auth/test", None);
    assert!(answer.status == 200 && !answer.headers.contains_key("x-doorward-assertion"));
    let answer = server.call(&key, "GET", "/v1/forward-auth/production", None);
    assert!(answer.status == 403 && !answer.headers.contains_key("x-doorward-assertion"));
}

#[test]
fn assertions_are_off_by_default() {
    let server = server();
    let answer = server.call(&server.production_key, "GET", "/v1/forward-auth/any", None);
    assert!(answer.status == 200 && !answer.headers.contains_key("x-doorward-assertion"));
    assert_eq!(server.send("GET", "/.well-known/jwks.json", &[], None).status, 404);
}
