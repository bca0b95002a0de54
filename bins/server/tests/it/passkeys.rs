//! Signing in to the page by passkeys: a real browser, with a device of the browser driver's.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::{Answer, Server};

/// A form that shows itself to a person.
const SHOWN: &str = "form[data-passkey]:not([hidden])";

/// The device asks for a passkey of any operator, and gives what the page would send.
const SIGN: &str = "navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(OPTIONS)})\
                    .then(made => arguments[0](JSON.stringify(made.toJSON())), error => arguments[0](String(error)))";

fn binary() -> &'static std::path::Path {
    env!("CARGO_BIN_EXE_doorward-server").as_ref()
}

fn server() -> Server {
    Server::start(binary())
}

/// Returns the URL of a page by this machine's name: no passkey is for an address.
fn at(server: &Server, path: &str) -> String {
    format!("http://localhost:{}{path}", server.address.port())
}

fn sign_in_by_link(server: &Server, browser: &Browser, operator: &str) {
    browser.go(&at(server, &server.login_path(operator)));
    browser.click("main form[method=post] button");
    browser.says(".who", operator);
}

/// Adds a passkey to the operator who is signed in.
fn add(server: &Server, browser: &Browser, name: &str) {
    browser.go(&at(server, "/dashboard/operators"));
    browser.type_into("#passkey-name", name);
    browser.click("#add-passkey");
    browser.says(".notice", &format!("The passkey “{name}” is added"));
}

/// Returns a browser whose device has a passkey of this operator, who is signed out.
fn with_passkey(server: &Server, operator: &str) -> (Browser, String) {
    let browser = Browser::start();
    let device = browser.device();
    sign_in_by_link(server, &browser, operator);
    add(server, &browser, "laptop");
    browser.click(".who button");
    browser.reads("Doorward\nSigned out");
    (browser, device)
}

/// Tries to sign in at the page, which refuses. Returns the text of the answer.
fn refused(server: &Server, browser: &Browser) -> String {
    browser.go(&at(server, "/dashboard/"));
    browser.click("#passkey");
    browser.reads("Doorward\nYou are not signed in")
}

/// A sign-in that was begun without a browser.
struct Begun {
    options: Value,
    cookie: String,
}

/// Returns a text as the value of a form's field.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn post(server: &Server, path: &str, cookie: &str, form: &str) -> Answer {
    let headers = "Host: localhost\r\nConnection: close\r\nSec-Fetch-Site: same-origin";
    let text = format!(
        "POST {path} HTTP/1.1\r\n{headers}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    server.send_bytes(text.as_bytes()).unwrap()
}

fn begin(server: &Server) -> Begun {
    let answer = post(server, "/dashboard/sign-in-with-passkey/begin", "", "");
    assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"), "{answer:?}");
    let (cookie, attributes) = answer.headers["set-cookie"].split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=300");
    Begun { options: answer.json(), cookie: cookie.to_owned() }
}

/// Returns what the browser's device signs, at the page that the browser shows.
fn sign(browser: &Browser, options: &Value) -> String {
    let signed = browser.run_until_called(&SIGN.replace("OPTIONS", &options.to_string()));
    let signed = signed.as_str().unwrap().to_owned();
    assert!(signed.starts_with('{'), "{signed}");
    signed
}

fn finish(server: &Server, cookie: &str, signed: &str) -> Answer {
    let form = format!("credential={}", encoded(signed));
    post(server, "/dashboard/sign-in-with-passkey", cookie, &form)
}

fn refusals(server: &Server) -> String {
    let text = server.scrape();
    let line = text.lines().find(|line| line.starts_with("doorward_sign_in_refusals_total{by=\"passkey\"}"));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_passkey_signs_in_and_leads_to_the_page_that_was_asked_for() {
    let server = server();
    let (browser, device) = with_passkey(&server, "admin");
    browser.go(&at(&server, "/dashboard/system"));
    browser.reads("Doorward\nYou are signed out");
    browser.click("#passkey");
    browser.says("h1", "System");
    assert_eq!(browser.url(), at(&server, "/dashboard/system"));
    assert_eq!(browser.passkeys(&device).len(), 1);
    let has_cookie = browser.run("return document.cookie").as_str().unwrap().contains("doorward");
    assert!(!has_cookie, "a script reads the session");

    browser.go(&at(&server, "/dashboard/operators"));
    let own = browser.text("section:has(#passkeys)");
    assert!(own.contains("laptop") && !own.contains("never"), "{own}");
    // A device makes no second passkey of the same operator.
    browser.type_into("#passkey-name", "the same laptop");
    browser.press("#add-passkey");
    browser.says("section:has(#passkeys) [role=status]", "This device has a passkey of yours already.");
    browser.go(&at(&server, "/dashboard/audit"));
    let log = browser.text("main");
    for told in ["added a passkey of", "signed in as"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert_eq!(refusals(&server), "0");
}

#[test]
fn a_removed_passkey_signs_nobody_in() {
    let server = server();
    let (browser, _) = with_passkey(&server, "admin");
    sign_in_by_link(&server, &browser, "admin");
    browser.go(&at(&server, "/dashboard/operators"));
    browser.click("[aria-label='Remove the passkey laptop']");
    browser.says(".notice", "The passkey “laptop” is removed here");
    browser.says("section:has(#passkeys)", "You have no passkey yet.");
    browser.click(".who button");
    let answer = refused(&server, &browser);
    assert!(answer.contains("No operator has this passkey"), "{answer}");
    assert_eq!(refusals(&server), "1");
}

#[test]
fn a_removed_operator_is_signed_in_by_no_passkey() {
    let server = server();
    server.operator("ada");
    let (browser, _) = with_passkey(&server, "ada");
    server.remove_operator("ada");
    let answer = refused(&server, &browser);
    assert!(answer.contains("No operator has this passkey"), "{answer}");
    // Another operator of the same name is another person.
    server.operator("ada");
    refused(&server, &browser);
}

#[test]
fn an_operator_removes_only_own_passkeys() {
    let server = server();
    server.operator("ada");
    let (browser, device) = with_passkey(&server, "ada");
    sign_in_by_link(&server, &browser, "admin");
    let id = browser.passkeys(&device)[0]["credentialId"].as_str().unwrap().trim_end_matches('=').to_owned();
    browser.go(&at(&server, "/dashboard/operators"));
    assert!(browser.text("section:has(#passkeys)").contains("You have no passkey yet."));
    let remove = "const form = document.forms[0]; form.action = '/dashboard/passkeys/remove'; form.method = 'post';\
                  const field = document.createElement('input'); field.name = 'passkey'; field.value = ID;\
                  form.append(field); form.submit();";
    browser.run(&remove.replace("ID", &json!(id).to_string()));
    browser.says(".notice", "You have no such passkey.");
    browser.click(".who button");
    browser.go(&at(&server, "/dashboard/"));
    browser.click("#passkey");
    browser.says(".who", "ada");
}

#[test]
fn a_challenge_is_answered_once_on_every_node() {
    let server = server();
    let origin = at(&server, "");
    let other = Server::beside_with(binary(), server.folder.path(), 0, &["--public-url", &origin]);
    let (browser, _) = with_passkey(&server, "admin");
    let begun = begin(&server);
    let signed = sign(&browser, &begun.options);

    // Only the browser that began, with the challenge that it got.
    let foreign = begin(&server);
    assert_eq!(finish(&server, "", &signed).status, 400);
    assert_eq!(finish(&server, &foreign.cookie, &signed).status, 403);
    let forged = format!("{}AAAA", begun.cookie);
    assert_eq!(finish(&server, &forged, &signed).status, 400);
    assert_eq!(finish(&server, &begun.cookie, "{}").status, 400);
    assert_eq!(refusals(&server), "4");

    // Another node, behind the same load balancer, ends the sign-in.
    let done = finish(&other, &begun.cookie, &signed);
    assert_eq!((done.status, done.headers["location"].as_str()), (303, "/dashboard/?signed-in"), "{done:?}");
    assert!(done.headers["set-cookie"].starts_with("__Host-doorward="), "{done:?}");
    for node in [&other, &server] {
        let again = finish(node, &begun.cookie, &signed);
        assert!(again.status == 400 && !again.headers.contains_key("set-cookie"), "{again:?}");
        assert!(again.body.contains("finished already"), "{again:?}");
    }
    assert_eq!((refusals(&server), refusals(&other)), ("5".to_owned(), "1".to_owned()));
}

#[test]
fn a_signature_for_another_origin_or_of_nobody_is_refused() {
    let (server, other) = (server(), server());
    let (browser, device) = with_passkey(&server, "admin");
    // The same name of the host, and another port: the device signs, and the browser says for whom.
    browser.go(&at(&other, "/dashboard/"));
    let begun = begin(&server);
    let answer = finish(&server, &begun.cookie, &sign(&browser, &begun.options));
    assert!(answer.status == 403 && answer.body.contains("does not prove"), "{answer:?}");
    // A changed word in what was signed.
    browser.go(&at(&server, "/dashboard/"));
    let begun = begin(&server);
    let mut signed: Value = serde_json::from_str(&sign(&browser, &begun.options)).unwrap();
    let data = signed["response"]["signature"].as_str().unwrap().to_owned();
    let changed = if data.ends_with('A') { 'B' } else { 'A' };
    signed["response"]["signature"] = json!(format!("{}{changed}", &data[..data.len() - 1]));
    assert_ne!(finish(&server, &begun.cookie, &signed.to_string()).status, 303);
    // The owner of the device did not show to be there.
    browser.verifies(&device, false);
    let mut begun = begin(&server);
    begun.options["userVerification"] = json!("discouraged");
    assert_eq!(finish(&server, &begun.cookie, &sign(&browser, &begun.options)).status, 403);
    browser.verifies(&device, true);
    // The form of another page.
    let begun = begin(&server);
    let signed = sign(&browser, &begun.options);
    let form = format!("credential={}", encoded(&signed));
    for site in ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
        for path in ["/sign-in-with-passkey", "/sign-in-with-passkey/begin", "/passkeys", "/passkeys/begin"] {
            let text = format!(
                "POST /dashboard{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{site}Cookie: {}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                begun.cookie,
                form.len()
            );
            let answer = server.send_bytes(text.as_bytes()).unwrap();
            assert!(answer.status == 403 && !answer.headers.contains_key("set-cookie"), "{path}: {answer:?}");
        }
    }
    assert_eq!(finish(&server, &begun.cookie, &signed).status, 303);
}

#[test]
fn a_passkey_that_counts_backwards_is_refused() {
    let server = server();
    let (browser, device) = with_passkey(&server, "admin");
    let copy = browser.passkeys(&device).remove(0);
    browser.go(&at(&server, "/dashboard/"));
    browser.click("#passkey");
    browser.says(".who", "admin");
    assert!(browser.passkeys(&device)[0]["signCount"].as_u64() > copy["signCount"].as_u64());
    browser.click(".who button");
    browser.put_passkey(&device, &copy);
    let answer = refused(&server, &browser);
    assert!(answer.contains("has counted fewer signatures than before"), "{answer}");
    let logged = server.output.lock().unwrap().contains("a passkey counted fewer signatures than before");
    assert!(logged, "no line in the log");
}

#[test]
fn a_passkey_is_added_in_the_session_that_began() {
    let server = server();
    server.operator("ada");
    let (admin, ada) = (Browser::start(), Browser::start());
    admin.device();
    sign_in_by_link(&server, &admin, "admin");
    sign_in_by_link(&server, &ada, "ada");
    let session = |browser: &Browser| browser.cookie("__Host-doorward");
    let begun = post(&server, "/dashboard/passkeys/begin", &session(&admin), "");
    assert_eq!(begun.status, 200, "{begun:?}");
    let state = begun.headers["set-cookie"].split(';').next().unwrap();
    let make = "navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(OPTIONS)})\
                .then(made => arguments[0](JSON.stringify(made.toJSON())), error => arguments[0](String(error)))";
    let made = admin.run_until_called(&make.replace("OPTIONS", &begun.json().to_string()));
    let made = encoded(made.as_str().unwrap());
    let add = |session: &str, state: &str| {
        post(&server, "/dashboard/passkeys", &format!("{session}; {state}"), &format!("name=x&credential={made}"))
    };
    for (session, state) in [(session(&ada), state), (session(&admin), "a=b")] {
        let refused = add(&session, state);
        assert!(refused.body.contains("Nothing was added: this was not begun"), "{refused:?}");
    }
    let nameless = post(
        &server,
        "/dashboard/passkeys",
        &format!("{}; {state}", session(&admin)),
        &format!("name=&credential={made}"),
    );
    assert!(nameless.body.contains("Nothing was added"), "{nameless:?}");
    assert!(add(&session(&admin), state).body.contains("The passkey “x” is added"));
    assert!(add(&session(&admin), state).body.contains("finished already"));
    for path in ["/dashboard/passkeys/begin", "/dashboard/passkeys", "/dashboard/passkeys/remove"] {
        assert_eq!(post(&server, path, "", "").status, 401, "{path}");
    }
}

#[test]
fn passkeys_are_offered_only_where_they_work() {
    let server = server();
    let page = |host: &str, path: &str| format!("http://{host}:{}{path}", server.address.port());
    let scripts = Browser::start();
    scripts.go(&page("localhost", "/dashboard/"));
    scripts.waits_for(SHOWN);
    scripts.go(&page("127.0.0.1", "/dashboard/"));
    scripts.reads("Doorward\nYou are signed out");
    assert!(scripts.has("form[data-passkey]") && !scripts.has(SHOWN), "an address has no passkeys");

    let plain = Browser::without_javascript();
    plain.go(&page("localhost", "/dashboard/"));
    plain.reads("Doorward\nYou are signed out");
    assert!(!plain.has(SHOWN));
    sign_in_by_link(&server, &plain, "admin");
    plain.go(&page("localhost", "/dashboard/operators"));
    plain.says("section:has(#passkeys)", "with JavaScript");
    assert!(!plain.has(SHOWN));
}
