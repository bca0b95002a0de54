//! Mounts the page in another service's router, at another path.

use axum::Router;
use axum::body::Body;
use doorward_auth::Operators;
use doorward_dashboard::Dashboard;
use doorward_testing::TestKeys;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn an_axum_service_mounts_the_page_under_another_path() {
    let keys = TestKeys::start().await;
    let dashboard = Dashboard::new(keys.verifier().clone(), keys.store().clone()).at("/settings/api-keys");
    let router: Router = Router::new().nest_service("/settings/api-keys", dashboard);
    let ask = async |request: Request<Body>| router.clone().oneshot(request).await.unwrap();

    let desk = Operators::new(keys.verifier().core(), keys.store().clone());
    let ada = desk.add("ada".parse().unwrap(), &TestKeys::request()).await.unwrap().operator;
    let link =
        format!("/settings/api-keys/sign-in/{}", desk.login_link(&ada, &TestKeys::request()).await.unwrap().expose());
    let form = |path: &str| Request::post(path).header("Sec-Fetch-Site", "same-origin").body(Body::empty()).unwrap();
    let signed_in = ask(form(&link)).await;
    assert_eq!(signed_in.headers()[LOCATION], "/settings/api-keys/?signed-in");
    let cookie = signed_in.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();

    let get = |path: &str| Request::get(path).header(COOKIE, &cookie).body(Body::empty()).unwrap();
    let page = format!("/settings/api-keys/{}", keys.organization());
    assert_eq!(ask(get("/settings/api-keys")).await.headers()[LOCATION], page.as_str());
    let shown = text(ask(get(&page)).await).await;
    assert!(shown.contains("Production key") && !shown.contains("\"/dashboard"), "{shown}");
    let attributes = shown.split(['=', ' ', '>']).filter_map(|text| text.strip_prefix("\"/")?.strip_suffix('"'));
    for own in attributes.map(|rest| format!("/{rest}")) {
        assert!(own.starts_with("/settings/api-keys"), "{own} leads out of it");
        if own.contains("/assets/") {
            assert_eq!(ask(get(&own)).await.status(), StatusCode::OK, "{own}");
        }
    }
    let signed_out = ask(Request::get(&page).body(Body::empty()).unwrap()).await;
    assert_eq!(signed_out.status(), StatusCode::UNAUTHORIZED);
}
