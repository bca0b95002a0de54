//! What the layer lets through, by what was chosen for it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use doorward_auth::Principal;
use doorward_http::{AccessKeyLayer, Code, CredentialFault, Rejection, UnusualUse, principal};
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

/// The answer's status, headers and text: of whoever came through, or of the refusal.
async fn ask(layer: AccessKeyLayer, request: Request<()>) -> (http::response::Parts, String) {
    let service = ServiceBuilder::new().layer(layer).service_fn(async |request: Request<()>| {
        let who = request.extensions().get::<Principal>().map(|principal| principal.environment().to_string());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(who.unwrap_or_else(|| "nobody".to_owned()))))
    });
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn an_optional_layer_lets_nobody_in_particular_through_but_no_wrong_credential() {
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
async fn a_route_of_one_environment_refuses_the_others_keys() {
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
async fn a_preflight_passes_where_that_was_chosen_and_nothing_else_does() {
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
async fn a_service_writes_refusals_in_its_own_shape_but_not_what_they_mean() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone()).with_refusals(|problem| {
        let mut response = Response::new(format!("<code>{}</code>", problem.code().as_str()).into());
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        response
    });
    let (parts, text) = ask(layer, request("GET", &[])).await;
    assert_eq!(text, "<code>missing_credential</code>");
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
    assert_eq!(reason, Some(Rejection::Credential(CredentialFault::Missing)));
    let authorization = keys.authorization(Environment::Test);
    let page = [("Authorization", authorization.as_str()), ("Origin", "https://app.example.com")];
    let (parts, _) = ask(layer, request("GET", &page)).await;
    let used = parts.extensions.get().and_then(Rejection::unusual_use);
    assert_eq!(used, Some(UnusualUse::InBrowser));
}

/// What was logged.
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
fn a_missing_layer_is_a_failure_of_the_service_whose_log_names_the_cure() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let problem =
        tracing::subscriber::with_default(subscriber, || principal(Request::new(()).extensions()).unwrap_err());
    assert_eq!(problem.code(), Code::INTERNAL);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("ERROR") && text.contains(".layer(AccessKeyLayer::new(verifier))"), "{text}");
}
