//! The page for the users of the service that embeds it. `examples/own-users` sends every route as each of two customers.

use bytes::Bytes;
use doorward_auth::Visitor;
use doorward_dashboard::Dashboard;
use doorward_testing::TestKeys;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

/// The page, whose host finds the visitor in a header, as no host should.
fn page(keys: &TestKeys) -> Dashboard {
    let organization = keys.organization();
    let find = move |request: &Parts| Visitor::new(organization, request.headers.get("user")?.to_str().ok()?).ok();
    Dashboard::for_visitors(keys.verifier().clone(), keys.store().clone(), find).at("/settings/keys")
}

async fn send(page: &Dashboard, request: http::request::Builder, form: &'static str) -> (Response<()>, String) {
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = page.answer(request.body(Full::new(Bytes::from_static(form.as_bytes()))).unwrap()).await;
    let (head, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (Response::from_parts(head, ()), text)
}

#[tokio::test]
async fn without_a_visitor_the_page_asks_for_the_hosts_own_sign_in() {
    let keys = TestKeys::start().await;
    let page = page(&keys);
    let path = format!("/settings/keys/{}", keys.organization());
    let (answer, text) = send(&page, Request::get(&path), "").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(text.contains("Sign in first"), "{text}");
    for operators_own in ["login-link", "operator", "Sign out"] {
        assert!(!text.contains(operators_own), "{text}");
    }
    for invalid in ["zoë", "a b", ""] {
        let (answer, _) = send(&page, Request::get(&path).header("user", invalid), "").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{invalid:?}");
    }
    let page = page.with_signed_out(|request| {
        let mut answer = Response::new(Bytes::from_static(b"sign in"));
        let back = format!("/sign-in?back={}", request.uri.path());
        answer.headers_mut().insert(LOCATION, HeaderValue::try_from(back).unwrap());
        answer
    });
    let (answer, text) = send(&page, Request::get(&path), "").await;
    assert_eq!(
        (answer.headers()[LOCATION].to_str().unwrap(), text.as_str()),
        (&*format!("/sign-in?back={path}"), "sign in")
    );
}

#[tokio::test]
async fn a_form_needs_the_token_of_this_page_unless_the_host_guards_itself() {
    let keys = TestKeys::start().await;
    let page = page(&keys);
    let path = format!("/settings/keys/{}", keys.organization());
    let form = || {
        let form = Request::post(format!("{path}/test-keys")).header("user", "ada");
        form.header("sec-fetch-site", "same-origin")
    };
    let (shown, text) = send(&page, Request::get(&path).header("user", "ada"), "").await;
    let cookie = shown.headers()[SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-doorward-form=") && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
    assert!(text.contains("name=\"form_token\""));
    for form_of_another in ["name=ci", "name=ci&form_token=", "name=ci&form_token=AAAA"] {
        let (refused, text) = send(&page, form(), form_of_another).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{text}");
    }

    let guarded = page.guarded_by_host();
    let (shown, text) = send(&guarded, Request::get(&path).header("user", "ada"), "").await;
    assert!(!shown.headers().contains_key(SET_COOKIE) && !text.contains("form_token"));
    let (made, text) = send(&guarded, form(), "name=ci").await;
    assert!(made.status() == StatusCode::OK && text.contains("dw_test_"), "{text}");
}
