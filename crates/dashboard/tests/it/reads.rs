//! The store calls of each page: a page reads each record once, and viewing it writes nothing.

#[path = "../../../auth/tests/it/support/noted.rs"]
mod noted;
#[expect(dead_code, reason = "the tests of the core use all of it")]
#[path = "../../../auth/tests/it/support/store.rs"]
mod store;

use std::sync::Arc;

use self::noted::Noted;
use self::store::Carried;
use bytes::Bytes;
use doorward_auth::{Core, Issuer, Operators, Verifier, Visit};
use doorward_dashboard::Dashboard;
use doorward_records::Store;
use doorward_store_memory::MemoryStore;
use doorward_testing::TestKeys;
use http::header::{CONTENT_TYPE, COOKIE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};

#[tokio::test(start_paused = true)]
async fn a_page_reads_each_record_once_and_viewing_it_writes_nothing() {
    let store = Carried::new(&Arc::new(MemoryStore::new()), Noted::default());
    let core = Core::new(Arc::clone(&store) as Arc<dyn Store>);
    let verifier = Verifier::start_in_runtime(&core).await.unwrap();
    let acme = Issuer::beside(&verifier).provision("Acme".parse().unwrap(), &TestKeys::request()).await.unwrap();
    let desk = Operators::new(&core, store.clone());
    let ada = desk.add("ada".parse().unwrap(), &TestKeys::request()).await.unwrap().operator;
    let link = desk.login_link(&ada, &TestKeys::request()).await.unwrap();
    let session = desk.sign_in(&link, Visit::default()).await.unwrap().unwrap();

    let dashboard = Dashboard::new(verifier.clone(), store.clone());
    let cookie = format!("__Host-doorward={}", session.expose());
    let calls = async |request: http::request::Builder, body: &'static str| {
        store.way.take();
        let request = request.header(COOKIE, &cookie).body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
        let answer = dashboard.answer(request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let page = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (store.way.take(), page)
    };
    let path = |rest: &str| format!("/dashboard/{}{rest}", acme.organization.id);

    let keys = ["sign_in", "organization", "access_keys", "usage_with_spans"];
    let (unused, page) = calls(Request::get(path("")), "").await;
    assert_eq!(unused, keys);
    assert!(page.contains("0 uses"), "{page}");
    verifier.verify(acme.value.expose().as_bytes()).unwrap();
    let (used, page) = calls(Request::get(path("")), "").await;
    assert_eq!(used, keys);
    assert!(page.contains("1 use") && page.contains("just now"), "the page does not show the unwritten use: {page}");
    assert_eq!(calls(Request::get(path("/audit")), "").await.0, ["sign_in", "organization", "events"]);
    let (installation, log) = calls(Request::get("/dashboard/audit"), "").await;
    assert_eq!(installation, ["sign_in", "events"]);
    assert!(log.contains("added the operator <strong>ada</strong>"), "{log}");

    let form = |to: &str| {
        let to = Request::post(path(to)).header("Sec-Fetch-Site", "same-origin");
        to.header(CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    let (regenerated, shown) = calls(form("/production-key/regenerate"), "name=Acme").await;
    let place = shown.find("dw_prod_").unwrap();
    assert!(place + 55 <= 1_024, "the value ends at byte {}: {shown}", place + 55);
    // The answer with a value holds nothing else, and reads nothing for it.
    assert_eq!(regenerated, ["sign_in", "organization", "access_key", "change"]);
    let refused = calls(form("/production-key/regenerate"), "name=Other").await.0;
    assert_eq!(refused, [&keys[..], &["retired_of"]].concat(), "a refused change read the store");
    // After a regeneration, the page tells who still sends the old key.
    let (rotated, page) = calls(Request::get(path("")), "").await;
    assert_eq!(rotated, [&keys[..], &["retired_of"]].concat());
    assert!(page.contains("Just rotated") && page.contains("No call with it was refused since."), "{page}");

    let of_organization = ["sign_in", "organization"];
    // A look for changes of a key's page patches its picture alone.
    let production = format!("/keys/{}", acme.key.id);
    let picture = ["sign_in", "organization", "access_key", "usage_with_spans"];
    assert_eq!(calls(Request::get(path(&format!("{production}?live"))), "").await.0, picture);
    let whole = calls(Request::get(path(&production)), "").await.0;
    assert_eq!(whole, [&picture[..], &["retired_of", "events"]].concat());
    let origins = calls(Request::get(path("/callback-origins")), "").await.0;
    assert_eq!(origins, [&of_organization[..], &["allowed_origins"]].concat());
    assert_eq!(calls(Request::get("/dashboard/?all"), "").await.0, ["sign_in", "organizations", "key_overviews"]);
    assert_eq!(calls(Request::get("/dashboard/operators"), "").await.0, ["sign_in", "operators", "sign_ins"]);
    let (system, page) = calls(Request::get("/dashboard/system"), "").await;
    assert_eq!(system, ["sign_in", "sessions", "newest_retired"]);
    assert!(page.contains("Everything is well."), "{page}");
}
