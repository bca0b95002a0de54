//! The extractors, in a real router.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use doorward_http::AccessKeyLayer;
use doorward_http::axum::{AccessKey, Admitted};
use doorward_testing::TestKeys;
use doorward_types::Environment;
use http::{Request, StatusCode};
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

async fn admitted(Admitted(principal): Admitted) -> String {
    principal.environment().to_string()
}

async fn perhaps_admitted(admitted: Option<Admitted>) -> String {
    admitted.map_or_else(|| "nobody".to_owned(), |Admitted(principal)| principal.environment().to_string())
}

#[tokio::test]
async fn the_state_alone_is_enough() {
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
async fn routes_under_layers_of_their_own_differ() {
    let keys = TestKeys::start().await;
    let (production, test) = (keys.authorization(Environment::Production), keys.authorization(Environment::Test));
    let layer = AccessKeyLayer::new(keys.verifier().clone());
    let router = Router::new()
        .route("/production", get(admitted).layer(layer.clone().only(Environment::Production)))
        .route("/any", get(admitted).layer(layer.clone()))
        .route("/optional", get(perhaps_admitted).layer(layer.optional()))
        .route("/forgotten", get(admitted));
    let status = async |path: &'static str, authorization| ask(router.clone(), path, authorization).await.0;
    assert_eq!(status("/production", Some(production.as_str())).await, StatusCode::OK);
    assert_eq!(status("/production", Some(test.as_str())).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/any", Some(test.as_str())).await, StatusCode::OK);
    assert_eq!(ask(router.clone(), "/optional", None).await, (StatusCode::OK, "nobody".to_owned()));
    let (forgotten, text) = ask(router.clone(), "/forgotten", Some(&test)).await;
    assert_eq!(forgotten, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains(r#""code":"internal""#), "{text}");
}
