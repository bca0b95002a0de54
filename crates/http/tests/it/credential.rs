//! Checks the credential against an independent grammar, and every refusal of the contract.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use doorward_auth::{Core, Issuer, Principal, Verifier};
use doorward_http::{AccessKeyLayer, credential};
use doorward_key::{FreshKey, SystemRandom};
use doorward_store_memory::MemoryStore;
use doorward_testing::TestKeys;
use doorward_types::{Clock, Environment, ManualClock};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt};

use crate::oracle;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn reader_and_grammar_agree(value in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "[Bb][Ee][Aa][Rr][Ee][Rr][ \t]{0,2}[a-z_,=\" ]{0,9}".prop_map(String::into_bytes),
        "Bearer [!-~]{1,60}".prop_map(String::into_bytes),
    ]) {
        if let Ok(header) = HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header)]);
            let found = credential(&headers).ok().filter(|found| !found.is_empty());
            prop_assert_eq!(found, oracle::credential(&value));
        }
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn code(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(problem.get("code")?.as_str()?.to_owned())
    }
}

async fn ask(layer: &AccessKeyLayer, request: Request<Full<Bytes>>) -> Answer {
    let service = ServiceBuilder::new().layer(layer.clone()).service_fn(async |request: Request<Full<Bytes>>| {
        let name = request.extensions().get::<Principal>().unwrap().key_name().to_string();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(name)))
    });
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn request(uri: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

async fn bench() -> (AccessKeyLayer, String, String, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let core = Core::new(Arc::new(MemoryStore::new())).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let verifier = Verifier::start(&core).await.unwrap();
    let issuer = Issuer::beside(&verifier);
    let acme = issuer.provision("Acme".parse().unwrap(), &TestKeys::request()).await.unwrap();
    let unknown = FreshKey::generate(core.prefix(), Environment::Production, &SystemRandom).unwrap();
    (AccessKeyLayer::new(verifier), acme.value.expose().to_owned(), unknown.value().expose().to_owned(), clock)
}

#[tokio::test]
async fn every_refusal_has_its_documented_answer() {
    let (layer, key, unknown, _) = bench().await;
    let bearer = format!("Bearer {key}");
    let last = if key.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("Bearer {}{last}", &key[..54]);
    let (one_short, cut) = (format!("Bearer {}", &key[..54]), format!("Bearer {}", &key[1..]));
    let encoded = key.replace('_', "%5F");
    for (case, uri, headers, code) in [
        ("nothing", "/", vec![], "missing_credential"),
        ("another header", "/", vec![("x-api-key", key.as_str())], "missing_credential"),
        ("a cookie", "/", vec![("cookie", &*format!("key={key}"))], "missing_credential"),
        ("the path", &*format!("/{key}"), vec![], "missing_credential"),
        ("empty", "/", vec![("authorization", "")], "malformed_authorization"),
        ("the word alone", "/", vec![("authorization", "Bearer")], "malformed_authorization"),
        ("lower case", "/", vec![("authorization", &*format!("bearer {key}"))], "malformed_authorization"),
        ("upper case", "/", vec![("authorization", &*format!("BEARER {key}"))], "malformed_authorization"),
        ("no word", "/", vec![("authorization", &*key)], "malformed_authorization"),
        ("Basic", "/", vec![("authorization", "Basic OmR3")], "malformed_authorization"),
        ("two spaces", "/", vec![("authorization", &*format!("Bearer  {key}"))], "malformed_authorization"),
        ("a tab", "/", vec![("authorization", &*format!("Bearer\t{key}"))], "malformed_authorization"),
        ("no space", "/", vec![("authorization", &*format!("Bearer{key}"))], "malformed_authorization"),
        ("something behind", "/", vec![("authorization", &*format!("{bearer} x"))], "malformed_authorization"),
        (
            "a second line",
            "/",
            vec![("authorization", &*bearer), ("authorization", &*bearer)],
            "malformed_authorization",
        ),
        ("a parameter behind", "/", vec![("authorization", &*format!("{bearer},x=1"))], "malformed_key"),
        ("quoted", "/", vec![("authorization", &*format!("Bearer \"{key}\""))], "malformed_key"),
        ("mistyped", "/", vec![("authorization", &*mistyped)], "malformed_key"),
        ("cut off", "/", vec![("authorization", &*one_short)], "malformed_key"),
        ("cut in front", "/", vec![("authorization", &*cut)], "malformed_key"),
        ("unknown", "/", vec![("authorization", &*format!("Bearer {unknown}"))], "invalid_key"),
        ("the query", &*format!("/?key={key}"), vec![], "key_in_wrong_place"),
        ("the query, unknown", &*format!("/?{unknown}"), vec![], "key_in_wrong_place"),
        ("the query, encoded", &*format!("/?a=b&k={encoded}"), vec![], "key_in_wrong_place"),
        ("the query and Basic", &*format!("/?{key}"), vec![("authorization", "Basic eA==")], "key_in_wrong_place"),
        ("a token of another kind in the query", "/?key=abcdef", vec![], "missing_credential"),
    ] {
        let answer = ask(&layer, request(uri, &headers)).await;
        assert_eq!((answer.status, answer.code().as_deref()), (401, Some(code)), "{case}: {}", answer.body);
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{case}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{case}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{case}");
        for secret in [&key[19..], &unknown[19..]] {
            assert!(!answer.body.contains(secret), "{case} echoes what was presented: {}", answer.body);
        }
    }
    assert_eq!(ask(&layer, request("/", &[("authorization", &bearer)])).await.body, "production");
    // With a valid key, the query string is the service's own business.
    let with_query = request(&format!("/?{unknown}"), &[("authorization", &bearer)]);
    assert_eq!(ask(&layer, with_query).await.status, 200);
}

#[tokio::test]
async fn a_page_in_a_browser_is_told_that_its_key_has_leaked() {
    let (layer, key, unknown, _) = bench().await;
    let (bearer, wrong) = (format!("Bearer {key}"), format!("Bearer {unknown}"));
    let sent_by_browsers = [
        ("origin", "https://app.example.com", ("accept", "*/*")),
        ("origin", "null", ("accept", "*/*")),
        ("sec-fetch-mode", "cors", ("sec-fetch-site", "same-origin")),
    ];
    for (name, value, beside) in sent_by_browsers {
        let mark = (name, value);
        let answer = ask(&layer, request("/", &[("authorization", &bearer), mark, beside])).await;
        assert_eq!((answer.status, answer.code().as_deref()), (403, Some("key_used_in_browser")));
        // Only a valid key gets the hint.
        let answer = ask(&layer, request("/", &[("authorization", &wrong), mark, beside])).await;
        assert_eq!(answer.code().as_deref(), Some("invalid_key"));
        let open = layer.clone().with_insecure_browser_use();
        assert_eq!(ask(&open, request("/", &[("authorization", &bearer), mark, beside])).await.status, 200);
    }
    let navigation = [("authorization", &*bearer), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];
    assert_eq!(ask(&layer, request("/", &navigation)).await.status, 200);
    // Node's fetch sends this in a backend.
    let node = [("authorization", &*bearer), ("sec-fetch-mode", "cors"), ("user-agent", "node")];
    assert_eq!(ask(&layer, request("/", &node)).await.status, 200);
}

#[tokio::test]
async fn a_late_node_answers_503_to_every_well_formed_key() {
    let (layer, key, unknown, clock) = bench().await;
    clock.advance(std::time::Duration::from_secs(10));
    for key in [key, unknown] {
        let answer = ask(&layer, request("/", &[("authorization", &format!("Bearer {key}"))])).await;
        assert_eq!((answer.status, answer.code().as_deref()), (503, Some("not_current")));
        assert_eq!(answer.headers["retry-after"], "1");
    }
    assert_eq!(ask(&layer, request("/", &[])).await.status, 401);
}
