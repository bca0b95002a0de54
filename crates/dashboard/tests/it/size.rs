//! The size of answers: a page stays small whatever the number of keys is, is compressed, and is not sent twice. An answer with a
//! value is never compressed.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use doorward_auth::{Core, Issuer, Operators, Verifier, Visit};
use doorward_dashboard::Dashboard;
use doorward_store_memory::MemoryStore;
use doorward_testing::TestKeys;
use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

/// The number of test keys of the large organization.
const KEYS: usize = 2_000;

/// The most bytes of a page, and of a page that is compressed.
const PAGE: usize = 40 * 1_024;
const COMPRESSED: usize = 10 * 1_024;

/// The most bytes of a look for changes, compressed.
const FRAGMENTS: usize = 4 * 1_024;

#[tokio::test(start_paused = true)]
async fn a_page_of_two_thousand_keys_is_small_and_is_sent_once() {
    let store = Arc::new(MemoryStore::new());
    let core = Core::new(store.clone());
    let verifier = Verifier::start_in_runtime(&core).await.unwrap();
    let (issuer, request) = (Issuer::beside(&verifier), TestKeys::request());
    let acme = issuer.provision("Acme".parse().unwrap(), &request).await.unwrap().organization.id;
    for number in 0..KEYS {
        issuer.create(acme, format!("the key of machine {number}").parse().unwrap(), &request).await.unwrap();
    }
    let desk = Operators::new(&core, store.clone());
    let ada = desk.add("ada".parse().unwrap(), &request).await.unwrap().operator;
    let link = desk.login_link(&ada, &request).await.unwrap();
    let session = desk.sign_in(&link, Visit::default()).await.unwrap().unwrap();
    let dashboard = Dashboard::new(verifier.clone(), store);
    let cookie = format!("__Host-doorward={}", session.expose());
    let send = async |request: http::request::Builder, form: &'static str| -> (Response<()>, Bytes) {
        let request = request.header(COOKIE, &cookie).body(Full::new(Bytes::from_static(form.as_bytes()))).unwrap();
        let (head, body) = dashboard.answer(request).await.into_parts();
        (Response::from_parts(head, ()), body.collect().await.unwrap().to_bytes())
    };
    let page = format!("/dashboard/{acme}");

    let (plain, text) = send(Request::get(&page), "").await;
    assert!(plain.headers().get(CONTENT_ENCODING).is_none());
    assert!(text.len() <= PAGE, "{} bytes", text.len());
    let (answer, compressed) = send(Request::get(&page).header(ACCEPT_ENCODING, "br, gzip"), "").await;
    assert!(answer.headers()[CONTENT_ENCODING] == "gzip" && answer.headers()[VARY] == "accept-encoding");
    assert!(compressed.len() <= COMPRESSED, "{} bytes", compressed.len());
    let mut read = String::new();
    GzDecoder::new(&compressed[..]).read_to_string(&mut read).unwrap();
    assert!(read.contains("the key of machine 1999") && read.contains("1 to 50 of 2,000"), "{read}");
    let (_, found) = send(Request::get(format!("{page}?q=machine+77")), "").await;
    assert!(String::from_utf8_lossy(&found).contains("All (11)"), "77 and 770 to 779");

    let live = || Request::get(format!("{page}?live"));
    // The page says as of which minute it is: in another minute, it is another page.
    let mut tag = HeaderValue::from_static("none");
    let mut known = false;
    for _ in 0..3 {
        tag = send(live(), "").await.0.headers()[ETAG].clone();
        let (again, content) = send(live().header(IF_NONE_MATCH, &tag), "").await;
        known |= again.status() == StatusCode::NOT_MODIFIED && content.is_empty();
    }
    assert!(known, "what has not changed is sent again");
    // A look gets the regions that change, and nothing of the frame around them.
    let (_, fragments) = send(live().header(ACCEPT_ENCODING, "gzip"), "").await;
    assert!(fragments.len() <= FRAGMENTS, "{} bytes", fragments.len());
    let mut read = String::new();
    GzDecoder::new(&fragments[..]).read_to_string(&mut read).unwrap();
    assert!(read.contains("id=\"production-facts\"") && read.contains("the key of machine 1999"), "{read}");
    assert!(!read.contains("<header") && !read.contains("id=\"stage\""), "{read}");

    issuer.create(acme, "another".parse().unwrap(), &request).await.unwrap();
    let (changed, _) = send(live().header(IF_NONE_MATCH, &tag), "").await;
    assert_eq!(changed.status(), StatusCode::OK);

    // An attacker who can watch the length of compressed answers learns nothing of a value.
    let form = Request::post(format!("{page}/test-keys")).header("Sec-Fetch-Site", "same-origin");
    let form = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(ACCEPT_ENCODING, "gzip");
    let (shown, text) = send(form, "name=mine").await;
    assert!(shown.headers().get(CONTENT_ENCODING).is_none());
    let text = String::from_utf8_lossy(&text);
    let place = text.find("dw_test_").unwrap();
    assert!(place + 55 <= 1_024 && text.len() < 4 * 1_024, "{text}");
}
