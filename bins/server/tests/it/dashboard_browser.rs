//! *Settings → API Keys* in a real browser, with and without JavaScript.
//!
//! `cargo xtask screenshots` runs the last test, which then saves its pictures.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::{self, Server};

/// Keys, by their WebDriver numbers.
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const TAB: &str = "\u{e004}";

/// Names that could act as markup or script, or that change the reading direction.
const HOSTILE: [&str; 6] = [
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=document.title='owned'>",
    "' autofocus onfocus=document.title='owned' x='",
    "{{ base }}{% include \"base.html\" %}",
    "&lt;b&gt; & ]]> --> </dialog></body>",
    "مفتاح الاختبار 東京 Zoë 🔑",
];

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref())
}

/// Returns a browser in which the first operator is signed in and sees the page.
fn signed_in(server: &Server, browser: Browser) -> Browser {
    browser.go(&format!("http://{}{}", server.address, server.login_path("admin")));
    browser.click("main button");
    browser.says("h1", "API Keys");
    browser
}

fn accepts(server: &Server, key: &str) -> bool {
    match server.call(key, "GET", "/v1/whoami", None).status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

/// Returns a value that is shown now.
fn shown(browser: &Browser) -> String {
    // The dialog slides in; the text is read after that.
    browser.says("#value", "dw_");
    let value = browser.text("#value");
    assert!(value.starts_with("dw_") && value.len() > 50, "{value}");
    value
}

/// Closes the dialog with a value, like a user who has saved it.
fn close(browser: &Browser, javascript: bool) {
    if javascript {
        browser.press("[data-copy]");
        browser.says("#copied", "C");
        // If the value could not be copied, the page asks.
        browser.press("[data-close] a");
        if browser.has("[data-leaving]:not([hidden])") {
            browser.click("[data-leave]");
        }
    } else {
        browser.click("[data-close] a");
    }
    browser.says("h1", "API Keys");
    assert!(!browser.has("dialog"));
}

/// Every flow of the page, by clicks only.
fn flows(javascript: bool) {
    let server = server();
    let start = if javascript { Browser::start() } else { Browser::without_javascript() };
    let browser = signed_in(&server, start);
    assert!(!browser.has("dialog:modal"));
    let page = browser.url();

    // The next key: its value is shown once, and both keys work.
    browser.click("#stage");
    assert_eq!(browser.has("dialog:modal"), javascript, "the dialog is not modal, or not open");
    browser.click("dialog button");
    let staged = shown(&browser);
    assert!(!browser.url().contains("dw_"));
    assert!(accepts(&server, &server.production_key) && accepts(&server, &staged));
    close(&browser, javascript);
    assert!(!browser.source().contains(&staged));
    browser.says(".verdict", "The old key was last used");
    browser.says(".verdict", "Regenerating now would refuse those calls.");
    assert!(!browser.has("#stage") && browser.has("#regenerate") && browser.has("#unstage"));

    // Withdrawn, and staged again.
    browser.click("#unstage");
    browser.click("dialog button");
    browser.says(".notice", "Dead everywhere after");
    assert!(!accepts(&server, &staged));
    browser.click("#stage");
    browser.click("dialog button");
    let staged = shown(&browser);
    close(&browser, javascript);

    // The old key is in use: the button that would refuse those calls is not the inviting one, and its dialog says so.
    assert!(!browser.has("#regenerate.primary") && browser.has("progress"));
    browser.says(".share", "With the next key:");
    assert_eq!(browser.run("return document.querySelectorAll('.uses svg').length"), 1, "one picture, one scale");
    // Regenerate: a wrong name and a cancel change nothing.
    browser.click("#regenerate");
    browser.type_into("#name", "defaul");
    browser.click("dialog button");
    browser.says("#name-error", "Nothing was changed: “defaul” is not “default”.");
    assert_eq!(browser.run("return document.querySelector('#name').value"), "defaul", "what was typed is gone");
    assert!(accepts(&server, &server.production_key));
    browser.click("dialog a.button");
    assert!(!browser.has("dialog"));
    browser.click("#regenerate");
    browser.type_into("#name", "default");
    browser.click("dialog button");
    browser.says(".notice", "Dead everywhere after");
    assert!(!accepts(&server, &server.production_key) && accepts(&server, &staged));
    assert!(!browser.has("#value"), "a staged value was shown again");

    // It leaked: a single step.
    browser.click("#leaked");
    browser.says("dialog", "such calls are refused");
    browser.press("#sure");
    browser.type_into("#note", "pasted into ticket 4711");
    browser.click("dialog button");
    let fresh = shown(&browser);
    browser.says("#dialog-text", "The old key is dead everywhere after");
    assert!(!accepts(&server, &staged) && accepts(&server, &fresh));
    close(&browser, javascript);

    // Test keys.
    browser.says("#test-key-list", "No test keys yet");
    browser.click("#create");
    browser.type_into("#name", "Zoë’s laptop");
    browser.click("dialog button");
    let test_key = shown(&browser);
    assert!(test_key.starts_with("dw_test_") && accepts(&server, &test_key));
    close(&browser, javascript);
    browser.says("#test-key-list", "Zoë’s laptop");
    browser.says("#test-key-list", "by admin");
    browser.click("#test-key-list .act a");
    browser.says("dialog", "The test key Zoë’s laptop dies everywhere at once.");
    browser.says("dialog", "in the last hour, the last one");
    browser.click("dialog button");
    browser.says(".notice", "Dead everywhere after");
    browser.says("#test-key-list", "No test keys yet");
    assert!(!accepts(&server, &test_key));

    // Origins: add one, refuse one with the reason, test a URL, remove one.
    browser.click(".tabs a:nth-child(2)");
    let origins = browser.url();
    browser.says("#origin-list", "every callback is refused");
    browser.type_into("#origin", "*.example.com");
    browser.click("form:has(#origin) button");
    browser.says("#origin-error", "here are no wildcards");
    browser.go(&origins);
    browser.type_into("#origin", "app.example.com");
    browser.click("form:has(#origin) button");
    browser
        .says("section[aria-labelledby=allowed-origins] .notice", "Callbacks may go to https://app.example.com now.");
    if javascript {
        assert_eq!(browser.run("return document.activeElement.id"), "notice", "the notice has no focus");
    }
    browser.type_into("#url", "https://app.example.com/callback?code=1");
    browser.click("form:has(#url) button");
    browser.says(".answer.yes", "Yes: the entry https://app.example.com allows it.");
    browser.go(&origins);
    browser.type_into("#url", "https://app.example.com.evil.example/");
    browser.click("form:has(#url) button");
    browser.says(".answer", "No. Unauthorized origin");
    browser.click("#origin-list a");
    browser.click("dialog button");
    browser.says(".notice", "Callbacks no longer go there.");
    browser.says("#origin-list", "every callback is refused");

    // The trail: filter it, open an event, verify it.
    browser.click(".tabs a:last-child");
    browser.says(".events", "admin regenerated the token production");
    browser.says(".events", "admin reported a leak of the key production");
    browser.press(".events summary");
    browser.says(".events details[open]", "127.0.0.1");
    browser.click(".switch a:last-child");
    browser.says(".events", "admin deleted the key Zoë’s laptop");
    browser.press("#action option[value=''] ~ option:nth-of-type(2)");
    browser.click(".filter button");
    browser.says(".events", "admin created the key Zoë’s laptop");
    assert!(!browser.text(".events").contains("deleted"));
    browser.click("a[href*=verify]");
    browser.says(".notice", "Unbroken: 2 events.");
    browser.go(&format!("{page}/audit?since=yesterday"));
    browser.says(".notice.warns", "Dates look like 2026-11-24");

    browser.click(".who button");
    browser.says("h1", "Signed out");
    browser.go(&page);
    browser.says("h1", "You are signed out");
}

#[test]
fn a_session_that_ends_soon_says_so_and_can_go_on() {
    let server = server();
    let browser = signed_in(&server, Browser::start());
    browser.go(&format!("http://{}/dashboard/audit", server.address));
    browser.says("h1", "Audit Trail");
    // The page believes that its session ends in a minute, and the server knows better.
    let believe = "document.querySelector('#session time').dateTime = new Date(Date.now() + 60000).toISOString()";
    browser.run(believe);
    let ends = "return Date.parse(document.querySelector('#session time').dateTime) - Date.now() > 1000000";
    browser.until("the page asks the server", || (browser.run(ends) == true).then_some(()));
    assert!(!browser.has("#session-warning"), "another window used the session");

    // With one organization, this page leads on to its keys. A question about the session follows no such way.
    browser.go(&format!("http://{}/dashboard/?all", server.address));
    browser.says("h1", "Organizations");
    let store = rusqlite::Connection::open(server.store()).unwrap();
    store.execute("UPDATE sign_ins SET seen_at = seen_at - 1710000", []).unwrap();
    let seen = || store.query_row("SELECT max(seen_at) FROM sign_ins", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = seen();
    browser.run(believe);
    browser.says("#session-warning", "Your session ends at");
    assert_eq!(seen(), before, "a question extends the session");
    browser.press("#session-warning button");
    browser.until("the warning goes", || (!browser.has("#session-warning")).then_some(()));
    assert_eq!(browser.run(ends), true);

    // Nothing helps at the end of a session's life, and the page says so.
    store.execute("UPDATE sign_ins SET expires_at = (SELECT max(seen_at) FROM sign_ins) + 90000", []).unwrap();
    browser.run(believe);
    browser.says("#session-warning", "Your session ends at");
    browser.press("#session-warning button");
    browser.says("#session-warning", "12 hours after you signed in");
}

#[test]
fn every_flow_works_with_javascript() {
    flows(true);
}

#[test]
fn every_flow_works_without_javascript() {
    flows(false);
}

#[test]
fn the_page_warns_before_a_value_is_lost_and_keeps_no_copy() {
    let server = server();
    let browser = signed_in(&server, Browser::start());
    let page = browser.url();
    browser.click("#create");
    browser.type_into("#name", "ci");
    browser.click("dialog button");
    let value = shown(&browser);
    assert_eq!(browser.url(), format!("{page}?sent"), "the URL of a form is in the history");

    // Nothing but the value counts as copied.
    browser
        .run("getSelection().selectAllChildren(document.querySelector('#dialog-title')); document.execCommand('copy')");
    // Escape asks first. "Stay" keeps the dialog.
    browser.keys(ESCAPE);
    browser.says("[data-leaving]", "You did not copy it.");
    browser.press("[data-stay]");
    assert_eq!(shown(&browser), value);
    browser.devtools(
        "Browser.grantPermissions",
        &serde_json::json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}),
    );
    browser.press("[data-copy]");
    browser.says("#copied", "Copied");
    let pasted = browser.run_until_called("navigator.clipboard.readText().then(arguments[0], arguments[0])");
    assert_eq!(pasted, Value::String(value.clone()));
    browser.click("[data-close] a");

    // After back, forward and reload, the value is not shown, and nothing is made twice.
    for step in ["back", "reload", "back"] {
        if step == "back" {
            browser.back()
        } else {
            browser.reload()
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(!browser.source().contains(&value), "after {step}, at {}", browser.url());
    }
    let stored = "return JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, history.state])";
    let stored = browser.run(stored).to_string();
    assert!(!stored.contains("dw_") && !stored.contains("__Host"), "{stored}");
    browser.go(&page);
    assert_eq!(browser.run("return document.querySelectorAll('#test-key-list tbody tr').length"), 1);

    // Download it as a file that shells and dotenv can read.
    browser.click("#stage");
    browser.click("dialog button");
    let value = shown(&browser);
    let folder = tempfile::tempdir().unwrap();
    let where_to = serde_json::json!({"behavior": "allow", "downloadPath": folder.path()});
    browser.devtools("Browser.setDownloadBehavior", &where_to);
    browser.press("[data-download]");
    browser.says("#copied", "Downloaded");
    let expected = format!("DOORWARD_ACCESS_KEY={value}\n");
    support::waits_for("the file is not complete", || {
        let file = std::fs::read_dir(folder.path()).unwrap().flatten().next();
        file.and_then(|file| std::fs::read_to_string(file.path()).ok()).as_ref() == Some(&expected)
    });
}

/// The page says whether it is live, and keeps what people type.
#[test]
fn a_page_says_when_it_was_updated_and_that_it_is_old() {
    let server = server();
    let (ada, grace) = (signed_in(&server, Browser::start()), signed_in(&server, Browser::start()));
    ada.says("#live", "Live");
    // Text that somebody types outlives a change by somebody else.
    // A list of six keys has a search.
    let operator = server.operator("maker");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    for number in 0..6 {
        let (path, body) =
            (format!("/v1/organizations/{organization}/access-keys"), format!(r#"{{"name":"key {number}"}}"#));
        server.call(&operator, "POST", &path, Some(&body));
    }
    ada.reload();
    ada.type_into("#q", "half typ");
    grace.click("#stage");
    grace.click("dialog button");
    ada.says("#live", "Someone else changed the production key");
    assert_eq!(ada.run("return document.querySelector('#q').value"), "half typ");
    let id = server.process_id().to_string();
    let signal = |name: &str| assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    close(&grace, true);
    grace.says("#live", "Live");
    signal("-STOP");
    grace.says("#live", "Not updated since");
    signal("-CONT");
    grace.says("#live", "Live");
}

/// Without scripts, only the form's own answer has the value. Browsers ask before they send a form again, and the server makes
/// nothing twice.
#[test]
fn without_javascript_the_page_keeps_no_copy_of_a_value() {
    let server = server();
    let browser = signed_in(&server, Browser::without_javascript());
    let page = browser.url();
    browser.click("#create");
    browser.type_into("#name", "ci");
    browser.click("dialog button");
    let value = shown(&browser);
    browser.reload();
    browser.says(".notice.warns", "This form was already sent,");
    assert!(!browser.source().contains(&value));
    browser.go(&page);
    for _ in 0..3 {
        browser.back();
        std::thread::sleep(Duration::from_millis(300));
        assert!(!browser.source().contains(&value), "at {}", browser.url());
    }
}

#[test]
fn two_operators_can_work_at_the_same_time() {
    let server = server();
    let (ada, grace) = (signed_in(&server, Browser::start()), signed_in(&server, Browser::start()));
    // One operator has a dialog open while the other stages and regenerates.
    ada.click("#regenerate");
    grace.click("#stage");
    grace.click("dialog button");
    let staged = shown(&grace);
    close(&grace, true);
    ada.type_into("#name", "default");
    ada.click("dialog button");
    ada.says(".notice.warns", "Someone else changed this key at the same moment");
    assert!(accepts(&server, &server.production_key) && accepts(&server, &staged));
    ada.says(".verdict", "The old key was last used");
    // The page updates while one operator looks at it.
    grace.click("#regenerate");
    grace.type_into("#name", "default");
    grace.click("dialog button");
    grace.says(".notice", "Dead everywhere after");
    ada.says("#production-facts", &staged["dw_prod_".len()..][..10]);
    ada.waits_for("#stage");
    ada.says(".verdict", "is dead on every node since");
    grace.click("#create");
    grace.type_into("#name", "from-grace");
    grace.click("dialog button");
    ada.says("#test-key-list", "from-grace");
}

#[test]
fn a_session_that_ends_in_the_middle_loses_nothing() {
    let server = server();
    let browser = signed_in(&server, Browser::start());
    let page = browser.url();
    browser.click("#regenerate");
    browser.type_into("#name", "default");
    server.sign_out("admin");
    browser.click("dialog button");
    browser.says("h1", "You are signed out");
    browser.says("main", "doorward operator login-link NAME");
    assert!(accepts(&server, &server.production_key), "nothing was changed");
    browser.says("main", "Send it again");
    let browser = signed_in(&server, browser);
    assert_eq!(browser.url().split('?').next(), page.split('?').next());
    // An idle page notices the end of the session by itself.
    server.sign_out("admin");
    browser.says("h1", "You are signed out");
}

#[test]
fn hostile_names_are_shown_as_text() {
    let server = server();
    let browser = signed_in(&server, Browser::start());
    for name in HOSTILE {
        browser.click("#create");
        browser.run(&format!("document.querySelector('#name').value = {}", Value::from(name)));
        browser.click("dialog button");
        browser.says("#dialog-title", name);
        close(&browser, true);
        browser.says("#test-key-list", name);
        // A long list has no button for each key, which each have a page.
        if browser.has("#test-key-list .act a") {
            browser.click("#test-key-list tbody tr:first-child .act a");
        } else {
            browser.click("#test-key-list tbody tr:first-child th a");
            browser.says("h1", name);
            browser.click("main a.danger");
        }
        browser.says("dialog", name);
        browser.keys(ESCAPE);
        browser.says("h1", "API Keys");
        assert!(browser.run("return document.title").as_str().unwrap().starts_with("API Keys"));
    }
    browser.click(".tabs a:nth-child(2)");
    for url in HOSTILE {
        browser.run(&format!("document.querySelector('#url').value = {}", Value::from(url)));
        browser.click("form:has(#url) button");
        browser.says(".answer", "No.");
        browser.run(&format!("document.querySelector('#origin').value = {}", Value::from(url)));
        browser.click("form:has(#origin) button");
        assert_eq!(browser.run("return document.querySelector('#origin').value"), Value::from(url));
    }
    browser.click(".tabs a:last-child");
    browser.click(".switch a:last-child");
    for name in HOSTILE {
        browser.says(".events", name);
    }
    assert!(browser.run("return document.title").as_str().unwrap().starts_with("Audit Trail"));
}

#[test]
fn the_page_works_with_the_keyboard_alone() {
    let server = server();
    let browser = signed_in(&server, Browser::start());
    let focused = || {
        browser
            .run("return document.activeElement.id || document.activeElement.textContent")
            .as_str()
            .unwrap()
            .to_owned()
    };
    let tab_to = |id: &str| {
        for _ in 0..30 {
            if focused() == id {
                return;
            }
            browser.keys(TAB);
        }
        panic!("no way to {id} by Tab: {}", focused());
    };
    browser.run("document.activeElement.blur()");
    browser.keys(TAB);
    assert_eq!(focused(), "Skip to the page");
    tab_to("regenerate");
    browser.keys(ENTER);
    browser.waits_for("dialog:modal");
    assert_eq!(focused(), "name", "the focus is not in the field");
    // The focus stays in the dialog.
    for _ in 0..6 {
        browser.keys(TAB);
        let within = browser
            .run("return document.activeElement === document.body || !!document.activeElement.closest('dialog')");
        assert_eq!(within, true);
    }
    browser.keys(ESCAPE);
    browser.says("h1", "API Keys");
    assert_eq!(focused(), "regenerate", "the focus did not return to the opener");
    browser.keys(ENTER);
    browser.waits_for("dialog:modal");
    browser.keys(&format!("default{ENTER}"));
    assert!(accepts(&server, &shown(&browser)));
    assert!(!accepts(&server, &server.production_key));
    // Without a field, the focus is on the harmless button.
    let page = browser.run("return document.body.dataset.page");
    browser.go(&format!("http://{}{}?dialog=stage", server.address, page.as_str().unwrap()));
    browser.waits_for("dialog:modal");
    assert_eq!(focused(), "Cancel");
}

/// A page of another site, visited by a browser that is signed in.
#[test]
fn another_site_makes_a_browser_do_nothing() {
    let server = server();
    let browser = signed_in(&server, Browser::start());
    let page = browser.url();
    // For browsers, `localhost` is another site than `127.0.0.1`.
    let evil = support::serve_page(&format!(
        r#"<title>evil</title><form method="post" action="{page}/production-key/leaked"><input name="sure" value="yes"></form>
        <iframe src="{page}"></iframe><script>document.forms[0].submit()</script>"#
    ));
    browser.go(&format!("http://localhost:{}/", evil.port()));
    browser.says("h1", "Not from here");
    assert!(accepts(&server, &server.production_key));
    let framed = support::serve_page(&format!(r#"<title>frame</title><iframe src="{page}"></iframe>"#));
    browser.go(&format!("http://127.0.0.1:{}/", framed.port()));
    std::thread::sleep(Duration::from_millis(500));
    let inside = browser.run("try { return frames[0].document.title } catch { return 'refused' }");
    assert_eq!(inside, "refused");
    browser.go(&page);
    browser.says("h1", "API Keys");
}

/// Returns axe-core's serious findings.
fn serious(browser: &Browser, axe: &str) -> Vec<String> {
    browser.run(axe);
    let found =
        browser.run_until_called("axe.run(document).then(arguments[0], error => arguments[0]({error: String(error)}))");
    let violations = found["violations"].as_array().unwrap_or_else(|| panic!("axe did not run: {found}"));
    let said = |violation: &Value| format!("{}: {} {}", violation["impact"], violation["id"], violation["nodes"]);
    violations.iter().map(said).collect()
}

/// Every state of the page is accessible, in both colour schemes, from a phone to a wide screen. Takes screenshots if requested.
#[test]
fn every_state_is_accessible() {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("`cargo xtask test` installs axe-core");
    let pictures = std::env::var_os("DOORWARD_SCREENSHOTS").map(PathBuf::from);
    let server = server();
    let browser = Browser::start();
    let look = |name: &str| {
        for (width, height, colours) in
            [(1280, 900, "light"), (1280, 900, "dark"), (360, 740, "light"), (360, 740, "dark")]
        {
            browser.looks_like(width, height, colours);
            // A dialog is complete after its animation.
            browser.run_until_called(
                "Promise.allSettled(document.getAnimations().map(one => one.finished)).then(() => arguments[0](true))",
            );
            let found = serious(&browser, &axe);
            assert!(found.is_empty(), "{name}, {width} wide, {colours}: {found:#?}");
            let overflow =
                browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(overflow, 0, "{name} scrolls sideways at {width}");
            let small = "return [...document.querySelectorAll('a.button, button, input, select, summary, .tabs a')]\
                         .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)";
            assert_eq!(browser.run(small), serde_json::json!([]), "{name}: too small to hit");
            if let Some(folder) = &pictures
                && (width, colours) != (360, "dark")
            {
                let file = format!("{name}-{}.webp", if width == 360 { "phone" } else { colours });
                std::fs::write(folder.join(file), BASE64_STANDARD.decode(browser.picture()).unwrap()).unwrap();
            }
        }
        browser.looks_like(1280, 900, "light");
    };
    browser.go(&format!("http://{}{}", server.address, server.login_path("admin")));
    look("sign-in");
    browser.click("main button");
    let page = browser.url();
    look("new");
    server.fill();
    for (name, query) in
        [("keys", ""), ("stage", "?dialog=stage"), ("regenerate", "?dialog=regenerate"), ("create", "?dialog=create")]
    {
        browser.go(&format!("{page}{query}"));
        look(name);
    }
    browser.go(&format!("{page}?dialog=stage"));
    browser.click("dialog button");
    // The value in a picture is useless, since the test deletes its store.
    look("shown-once");
    browser.keys(ESCAPE);
    browser.says("[data-leaving]", "You did not copy it.");
    look("closing");
    browser.click("[data-leave]");
    look("staged");
    browser.click("#regenerate");
    look("promote");
    browser.type_into("#name", "wrong");
    browser.click("dialog button");
    look("wrong-name");
    // The typed text stays.
    browser.run("document.querySelector('#name').value = ''");
    browser.type_into("#name", "default");
    browser.click("dialog button");
    look("regenerated");
    browser.go(&format!("{page}/callback-origins"));
    look("origins");
    browser.type_into("#origin", "*.example.com");
    browser.click("form:has(#origin) button");
    look("origin-refused");
    browser.go(&format!("{page}/callback-origins"));
    browser.type_into("#url", "https://app.example.com.evil.example/");
    browser.click("form:has(#url) button");
    look("origin-tried");
    browser.go(&format!("{page}?dialog=leaked"));
    look("leaked");
    browser.go(&page);
    browser.click("#test-key-list tbody tr:first-child th a");
    look("key");
    browser.go(&format!("{page}/connectors"));
    look("connectors");
    let own = |path: &str| format!("http://{}/dashboard{path}", server.address);
    for (name, path) in [
        ("organizations", "/?all"),
        ("operators", "/operators"),
        ("add-operator", "/operators?dialog=add-operator"),
        ("system", "/system"),
    ] {
        browser.go(&own(path));
        look(name);
    }
    browser.go(&format!("{page}/audit"));
    browser.press(".events summary");
    look("audit");
    browser.go(&format!("{page}/audit?environment=test&verify=now&actor=nobody"));
    look("audit-empty");
    browser.click(".who button");
    look("signed-out");
    browser.go(&format!("{page}/nothing"));
    look("nothing");
    // Passkeys are for the name of this machine, not for its address.
    let named = |path: &str| format!("http://localhost:{}{path}", server.address.port());
    browser.device();
    browser.go(&named("/dashboard/"));
    browser.waits_for("#passkey");
    look("signed-out-passkey");
    browser.go(&named(&server.login_path("admin")));
    browser.waits_for("#passkey");
    look("sign-in-passkey");
    browser.click("main button");
    browser.go(&named("/dashboard/operators"));
    browser.type_into("#passkey-name", "laptop");
    browser.click("#add-passkey");
    browser.says(".notice", "is added");
    look("passkeys");
}
