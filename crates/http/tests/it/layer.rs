//! The requests that each kind of layer lets through.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use doorward_auth::Principal;
use doorward_http::{
    AccessKeyLayer, Code, CredentialError, KeyMisuse, PrincipalError, Problem, Rejection, SourceAddress, principal,
    principal_if_any,
};
use doorward_testing::TestKeys;
use doorward_types::Environment;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{ServiceBuilder, ServiceExt};

type Headers<'a> = &'a [(&'a str, &'a str)];

fn request(method: &str, headers: Headers<'_>) -> Request<()> {
    let builder = Request::builder().method(method).uri("/");
    headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
}

/// Returns the answer's status, headers and text: the principal, or the refusal.
async fn ask(layer: AccessKeyLayer, request: Request<()>) -> (http::response::Parts, String) {
    let service = ServiceBuilder::new().layer(layer).service_fn(async |request: Request<()>| {
        let who = request.extensions().get::<Principal>().map(|principal| principal.environment().to_string());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(who.unwrap_or_else(|| "nobody".to_owned()))))
    });
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn an_optional_layer_lets_anonymous_requests_through_but_no_wrong_credential() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    assert_eq!(ask(layer.clone(), request("GET", &[])).await.0.status, StatusCode::UNAUTHORIZED);
    let optional = layer.optional();
    let (parts, text) = ask(optional.clone(), request("GET", &[])).await;
    assert_eq!((parts.status, text.as_str()), (StatusCode::OK, "nobody"));
    let authorization = keys.authorization(Environment::Test);
    let (_, text) = ask(optional.clone(), request("GET", &[("Authorization", &authorization)])).await;
    assert_eq!(text, "test");
    for wrong in ["Bearer", "bearer x", "Basic eDp5", "Bearer dw_test_4fG7hJ2kLm_"] {
        let (parts, text) = ask(optional.clone(), request("GET", &[("Authorization", wrong)])).await;
        assert_eq!(parts.status, StatusCode::UNAUTHORIZED, "{wrong}: {text}");
    }
    let leaked = Request::builder().uri(format!("/?key={}", keys.value(Environment::Test))).body(()).unwrap();
    let (parts, text) = ask(optional, leaked).await;
    assert_eq!(parts.status, StatusCode::UNAUTHORIZED);
    assert!(text.contains("key_in_wrong_place"), "{text}");
}

#[tokio::test]
async fn a_route_for_one_environment_refuses_keys_of_the_other() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    for only in [Environment::Production, Environment::Test] {
        for of in [Environment::Production, Environment::Test] {
            let authorization = keys.authorization(of);
            let request = request("GET", &[("Authorization", &authorization)]);
            let (parts, text) = ask(layer.clone().only(only), request).await;
            match of == only {
                true => assert_eq!((parts.status, text), (StatusCode::OK, of.to_string())),
                false => {
                    assert_eq!(parts.status, StatusCode::FORBIDDEN);
                    assert!(text.contains("wrong_environment") && text.contains(&of.to_string()), "{text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_preflight_passes_only_if_the_layer_allows_it() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let whole = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST")];
    assert_eq!(ask(layer.clone(), request("OPTIONS", &whole)).await.0.status, StatusCode::UNAUTHORIZED);
    let layer = layer.with_cors_preflights();
    let (parts, text) = ask(layer.clone(), request("OPTIONS", &whole)).await;
    assert_eq!((parts.status, text.as_str()), (StatusCode::OK, "nobody"));
    let [origin, method] = whole;
    for (verb, headers) in [("OPTIONS", &[origin][..]), ("OPTIONS", &[method]), ("OPTIONS", &[]), ("POST", &whole)] {
        let (parts, text) = ask(layer.clone(), request(verb, headers)).await;
        assert_eq!(parts.status, StatusCode::UNAUTHORIZED, "{verb} {headers:?}: {text}");
    }
}

#[tokio::test]
async fn a_service_formats_refusals_but_keeps_their_status_and_headers() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone()).with_refusals(|problem, request| {
        let text = format!("<code>{} of {}</code>", problem.code().as_str(), request.uri());
        let mut response = Response::new(text.into());
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        response
    });
    let (parts, text) = ask(layer, request("GET", &[])).await;
    assert_eq!(text, "<code>missing_credential of /</code>");
    assert_eq!(parts.status, StatusCode::UNAUTHORIZED);
    assert_eq!(parts.headers[CONTENT_TYPE], "application/xml");
    assert_eq!(parts.headers[CACHE_CONTROL], "no-store");
    let challenges: Vec<_> = parts.headers.get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(challenges, ["Bearer"]);
}

#[tokio::test]
async fn a_refusal_carries_its_reason_beside_the_answer() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let (parts, _) = ask(layer.clone(), request("GET", &[])).await;
    let reason = parts.extensions.get::<Rejection>().copied();
    assert_eq!(reason, Some(Rejection::Credential(CredentialError::Missing)));
    let authorization = keys.authorization(Environment::Test);
    let page = [("Authorization", authorization.as_str()), ("Origin", "https://app.example.com")];
    let (parts, _) = ask(layer, request("GET", &page)).await;
    let used = parts.extensions.get().and_then(Rejection::unusual_use);
    assert_eq!(used, Some(KeyMisuse::InBrowser));
}

/// The logged text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_missing_layer_answers_500_and_the_log_names_the_cure() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let request = Request::new(());
    let (error, if_any) = tracing::subscriber::with_default(subscriber, || {
        (principal(request.extensions()).unwrap_err(), principal_if_any(request.extensions()).unwrap_err())
    });
    assert_eq!((error, if_any), (PrincipalError::NoLayer, PrincipalError::NoLayer));
    assert_eq!((error.code(), Problem::from(error).code()), (Code::INTERNAL, Code::INTERNAL));
    let error: Box<dyn std::error::Error> = error.into();
    assert!(error.to_string().contains("AccessKeyLayer"));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("ERROR") && text.contains(".layer(AccessKeyLayer::new(verifier))"), "{text}");
}

#[tokio::test]
async fn a_layer_and_its_clones_count_in_one_place() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let (production, test) = (keys.authorization(Environment::Production), keys.authorization(Environment::Test));
    let (production, test) = ([("Authorization", production.as_str())], [("Authorization", test.as_str())]);
    ask(layer.clone(), request("GET", &production)).await;
    ask(layer.clone().optional(), request("GET", &test)).await;
    ask(layer.clone(), request("GET", &test)).await;
    // No credential is a refusal only if a key is required.
    ask(layer.clone().optional(), request("GET", &[])).await;
    ask(layer.clone(), request("GET", &[])).await;
    ask(layer.clone().only(Environment::Production), request("GET", &test)).await;
    ask(layer.clone(), request("GET", &[test[0], ("Origin", "https://app.example.com")])).await;
    let counters = layer.counters();
    let accepted = [Environment::Production, Environment::Test].map(|environment| counters.accepted(environment));
    assert_eq!(accepted, [1, 2]);
    let refused = counters.refused().filter(|(_, count)| *count > 0).map(|(code, count)| (code.as_str(), count));
    assert_eq!(
        refused.collect::<Vec<_>>(),
        [("key_used_in_browser", 1), ("missing_credential", 1), ("wrong_environment", 1)]
    );
    assert_eq!(KeyMisuse::ALL.map(|misuse| counters.misused(misuse)), [0, 1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn misuse_is_summed_up_for_each_key_and_each_use() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let authorization = keys.authorization(Environment::Test);
    let from = |last: u8| SourceAddress([192, 0, 2, last].into());
    for last in [9, 7, 9] {
        let mut page = request("GET", &[("Authorization", &authorization), ("Origin", "https://app.example.com")]);
        page.extensions_mut().insert(from(last));
        assert!(matches!(layer.authenticate(&page), Err(Rejection::InBrowser)));
    }
    let value = keys.value(Environment::Production);
    let body = format!("{{\"note\":\"our key is {value}\"}}");
    layer.look_at_body(body.as_bytes(), &request("POST", &[]));
    // Neither the public part of a key nor an invented key is a misuse.
    layer.look_at_body(value.rsplit_once('_').unwrap().0.as_bytes(), &request("POST", &[]));
    layer.look_at_body(value.replace(&value[10..14], "AAAA").as_bytes(), &request("POST", &[]));
    let sums = layer.take_misuse();
    let [in_browser, in_body] = &sums[..] else { panic!("{sums:?}") };
    assert_eq!((in_browser.misuse, in_browser.calls), (KeyMisuse::InBrowser, 3));
    assert_eq!(in_browser.sources, [from(7).0, from(9).0]);
    assert_eq!((in_body.misuse, in_body.calls, in_body.sources.len()), (KeyMisuse::InBody, 1, 0));
    assert_eq!(in_body.key.environment, Environment::Production);
    assert_eq!(layer.counters().misused(KeyMisuse::InBody), 1);
    assert_eq!(layer.take_misuse(), [], "each is told once");
}
