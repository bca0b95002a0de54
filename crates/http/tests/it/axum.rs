//! Tests the extractors in a real router.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use doorward_http::axum::{AccessKey, AccessKeyRejection, FromLayer, ProductionKey, TestKey};
use doorward_http::{AccessKeyLayer, Code, Rejection};
use doorward_testing::TestKeys;
use doorward_types::Environment;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn ask(router: Router, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder().uri(path);
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn required(AccessKey(principal): AccessKey) -> String {
    principal.environment().to_string()
}

async fn optional(key: Option<AccessKey>) -> String {
    key.map_or_else(|| "nobody".to_owned(), |AccessKey(principal)| principal.environment().to_string())
}

async fn admitted(FromLayer(principal): FromLayer) -> String {
    principal.environment().to_string()
}

async fn perhaps_admitted(admitted: Option<FromLayer>) -> String {
    admitted.map_or_else(|| "nobody".to_owned(), |FromLayer(principal)| principal.environment().to_string())
}

#[tokio::test]
async fn an_extractor_needs_only_the_state() {
    let keys = TestKeys::start().await;
    let test = keys.authorization(Environment::Test);
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let router = Router::new().route("/", get(required)).route("/optional", get(optional)).with_state(layer);
    assert_eq!(ask(router.clone(), "/", Some(&test)).await, (StatusCode::OK, "test".to_owned()));
    assert_eq!(ask(router.clone(), "/optional", Some(&test)).await, (StatusCode::OK, "test".to_owned()));
    assert_eq!(ask(router.clone(), "/optional", None).await, (StatusCode::OK, "nobody".to_owned()));
    for path in ["/", "/optional"] {
        let (status, text) = ask(router.clone(), path, Some("bearer x")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(text.contains("malformed_authorization"), "{text}");
    }
    let (status, text) = ask(router, "/", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(text.contains("missing_credential"), "{text}");
}

#[tokio::test]
async fn each_route_can_have_its_own_layer() {
    let keys = TestKeys::start().await;
    let (production, test) = (keys.authorization(Environment::Production), keys.authorization(Environment::Test));
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let router = Router::new()
        .route("/production", get(admitted).layer(layer.clone().only(Environment::Production)))
        .route("/any", get(admitted).layer(layer.clone()))
        .route("/optional", get(perhaps_admitted).layer(layer.optional()))
        .route("/forgotten", get(admitted))
        .route("/forgotten-if-any", get(perhaps_admitted));
    let status = async |path: &'static str, authorization| ask(router.clone(), path, authorization).await.0;
    assert_eq!(status("/production", Some(production.as_str())).await, StatusCode::OK);
    assert_eq!(status("/production", Some(test.as_str())).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/any", Some(test.as_str())).await, StatusCode::OK);
    assert_eq!(ask(router.clone(), "/optional", None).await, (StatusCode::OK, "nobody".to_owned()));
    for (path, authorization) in [
        ("/forgotten", Some(test.as_str())),
        ("/forgotten-if-any", Some(test.as_str())),
        ("/forgotten-if-any", Some("Bearer nonsense")),
        ("/forgotten-if-any", None),
    ] {
        let (forgotten, text) = ask(router.clone(), path, authorization).await;
        assert_eq!(forgotten, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(text.contains(r#""code":"internal""#), "{text}");
    }
}

async fn of_production(key: ProductionKey) -> String {
    key.environment().to_string()
}

async fn of_test(key: Option<TestKey>) -> String {
    key.map_or_else(|| "nobody".to_owned(), |key| key.environment().to_string())
}

#[tokio::test]
async fn an_extractor_names_the_environment_that_it_lets_through() {
    let keys = TestKeys::start().await;
    let (production, test) = (keys.authorization(Environment::Production), keys.authorization(Environment::Test));
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let router =
        Router::new().route("/production", get(of_production)).route("/test", get(of_test)).with_state(layer.clone());
    assert_eq!(ask(router.clone(), "/production", Some(&production)).await, (StatusCode::OK, "production".to_owned()));
    assert_eq!(ask(router.clone(), "/test", Some(&test)).await, (StatusCode::OK, "test".to_owned()));
    assert_eq!(ask(router.clone(), "/test", None).await, (StatusCode::OK, "nobody".to_owned()));
    for (path, wrong) in [("/production", &test), ("/test", &production)] {
        let (status, text) = ask(router.clone(), path, Some(wrong)).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(text.contains("wrong_environment"), "{text}");
    }
    let (status, _) = ask(router, "/production", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // A layer that is for one environment stays so, whatever an extractor would let through.
    let both = Router::new().route("/", get(of_production)).with_state(layer.only(Environment::Test));
    for authorization in [&production, &test] {
        assert_eq!(ask(both.clone(), "/", Some(authorization)).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn every_extractor_and_layer_refuses_the_keys_of_a_suspended_organization() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let router = Router::new()
        .route("/required", get(required))
        .route("/optional", get(optional))
        .route("/production", get(of_production))
        .route("/test", get(of_test))
        .route("/layer", get(admitted).layer(layer.clone()))
        .route("/optional-layer", get(perhaps_admitted).layer(layer.clone().optional()))
        .with_state(layer);
    let routes = ["/required", "/optional", "/production", "/test", "/layer", "/optional-layer"];
    keys.issuer().suspend(keys.organization(), None, &TestKeys::request()).await.unwrap();
    for path in routes {
        for environment in Environment::ALL {
            let (status, text) = ask(router.clone(), path, Some(&keys.authorization(environment))).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
            assert!(text.contains("organization_suspended"), "{path}: {text}");
        }
    }
    keys.issuer().resume(keys.organization(), &TestKeys::request()).await.unwrap();
    assert_eq!(ask(router, "/required", Some(&keys.authorization(Environment::Test))).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_handler_sees_why_a_key_was_refused() {
    async fn tells(key: Result<AccessKey, AccessKeyRejection>) -> String {
        match key {
            Ok(key) => key.environment().to_string(),
            Err(rejection) => {
                assert!(matches!(rejection.reason(), Rejection::Credential(_)) && !rejection.to_string().is_empty());
                rejection.code().as_str().to_owned()
            }
        }
    }
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone()).with_refusals(|problem, request| {
        assert_eq!(problem.code(), Code::MISSING_CREDENTIAL);
        Response::new(
            format!("{} {}", problem.code().as_str(), request.headers()["x-request-id"].to_str().unwrap()).into(),
        )
    });
    let router = Router::new().route("/tells", get(tells)).route("/", get(of_production)).with_state(layer);
    for (path, expected) in [("/tells", (200, "missing_credential")), ("/", (401, "missing_credential my-id"))] {
        let request = Request::builder().uri(path).header("x-request-id", "my-id").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!((status, str::from_utf8(&body).unwrap()), expected);
    }
}

/// With `layer`, axum would ask for a key at paths that do not exist.
#[tokio::test]
async fn a_route_layer_leaves_unknown_paths_alone() {
    let keys = TestKeys::start().await;
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let router = Router::new().route("/", get(admitted)).route_layer(layer);
    assert_eq!(ask(router.clone(), "/", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(router.clone(), "/nowhere", None).await.0, StatusCode::NOT_FOUND);
    let test = keys.authorization(Environment::Test);
    assert_eq!(ask(router, "/", Some(&test)).await, (StatusCode::OK, "test".to_owned()));
}
