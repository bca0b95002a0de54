//! *Settings → API Keys* over HTTP: the allowed visitors, the headers of every answer, and attacks from other sites.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use crate::support::{Answer, Server};

/// A session, as a browser keeps it.
pub(crate) struct Session<'a> {
    server: &'a Server,
    cookie: String,
    /// The organization's page.
    pub(crate) page: String,
}

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref())
}

/// The headers that a browser sends with a form of the page itself.
const OWN_FORM: &[(&str, &str)] = &[("Sec-Fetch-Site", "same-origin")];

fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "Content-Type: application/x-www-form-urlencoded\r\n";
    text += &format!("Content-Length: {}\r\n\r\n{form}", form.len());
    server.send_bytes(text.as_bytes()).unwrap()
}

impl<'a> Session<'a> {
    pub(crate) fn new(server: &'a Server, path: &str) -> Self {
        let signed_in = send(server, "POST", path, OWN_FORM, "");
        assert_eq!(signed_in.status, 303, "{signed_in:?}");
        let cookie = signed_in.headers["set-cookie"].split(';').next().unwrap().to_owned();
        let mut session = Self { server, cookie, page: String::new() };
        session.page = session.get("/dashboard/").headers["location"].clone();
        session
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.server, "GET", path, &[("Cookie", &self.cookie)], "")
    }

    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        self.post_with(path, OWN_FORM, form)
    }

    fn post_with(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let headers = [&[("Cookie", self.cookie.as_str())], headers].concat();
        send(self.server, "POST", &format!("{}{path}", self.page), &headers, form)
    }

    /// Returns the value in an answer.
    fn value(answer: &Answer) -> String {
        let start = answer.body.find(">dw_").unwrap_or_else(|| panic!("no value: {answer:?}"));
        answer.body[start + 1..].split('<').next().unwrap().to_owned()
    }
}

pub(crate) fn path_of(link: &str) -> &str {
    &link[link.find("/dashboard").unwrap()..]
}

#[test]
fn the_first_start_shows_a_link_that_signs_in_once() {
    let server = server();
    let path = path_of(&server.sign_in_link).to_owned();
    // Mail scanners load the link, and do not consume it.
    for _ in 0..3 {
        let looked = send(&server, "GET", &path, &[], "");
        assert!(looked.status == 200 && looked.body.contains("Sign in as admin"), "{looked:?}");
    }
    let signed_in = send(&server, "POST", &path, OWN_FORM, "");
    assert_eq!((signed_in.status, signed_in.headers["location"].as_str()), (303, "/dashboard/?signed-in"));
    let cookie = &signed_in.headers["set-cookie"];
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict");
    assert!(pair.starts_with("__Host-doorward=") && pair.len() == 16 + 43, "{pair}");
    for method in ["GET", "POST"] {
        let again = send(&server, method, &path, OWN_FORM, "");
        assert!(again.status == 410 && !again.headers.contains_key("set-cookie"), "{again:?}");
    }
    assert!(server.scrape().contains("doorward_sign_in_refusals_total{by=\"link\"} 2"), "{}", server.scrape());
    let token = path.rsplit('/').next().unwrap();
    for file in std::fs::read_dir(server.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [token, &pair[16..]] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret is in a file");
        }
    }
    let output = server.output.lock().unwrap();
    assert_eq!(output.matches(token).count(), 1, "the token is not shown exactly once");
    assert!(!output.contains(&pair[16..]), "a session is in the log");
}

#[test]
fn a_visitor_without_a_session_sees_and_changes_nothing() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let page = session.page.clone();
    let token = session.cookie.split_once('=').unwrap().1.to_owned();
    let operator = server.operator("ada");
    let unused = server.login_path("ada");
    for cookie in [
        String::new(),
        "__Host-doorward=".to_owned(),
        format!("doorward={token}"),
        format!("__Secure-doorward={token}"),
        format!("__Host-doorward={}", token.to_lowercase()),
        format!("__Host-doorward={token}; __Host-doorward={token}"),
        format!("__Host-doorward={}", unused.rsplit('/').next().unwrap()),
        format!("__Host-doorward={operator}"),
        format!("__Host-doorward={}", server.production_key),
    ] {
        for path in ["/dashboard", "/dashboard/", &page, &format!("{page}/audit")] {
            let refused = send(&server, "GET", path, &[("Cookie", &cookie)], "");
            assert!(refused.status == 401 && refused.body.contains("You are signed out"), "{cookie}: {refused:?}");
        }
        let headers = [("Cookie", cookie.as_str()), OWN_FORM[0]];
        let refused = send(&server, "POST", &format!("{page}/test-keys"), &headers, "name=x");
        assert_eq!(refused.status, 401, "{cookie}");
    }
    // The API's credentials do not open the page, and the session does not open the API.
    for credential in [&operator, &server.production_key] {
        assert_eq!(server.call(credential, "GET", &page, None).status, 401);
    }
    assert_eq!(server.call(&token, "GET", "/v1/organizations", None).status, 401);
    let by_cookie = send(&server, "GET", "/v1/organizations", &[("Cookie", &session.cookie)], "");
    assert_eq!(by_cookie.status, 401);
    // After a link on another site, the browser omits the cookie. The page loads itself again, and the cookie is sent.
    let from_elsewhere = send(&server, "GET", &page, &[("Sec-Fetch-Site", "cross-site")], "");
    assert!(from_elsewhere.status == 200 && from_elsewhere.body.contains(r#"http-equiv="refresh""#));
    assert!(!from_elsewhere.body.contains("Production key"));

    assert_eq!(session.get(&page).status, 200);
    let signed_out = send(&server, "POST", "/dashboard/sign-out", &[("Cookie", &session.cookie), OWN_FORM[0]], "");
    assert!(signed_out.headers["set-cookie"].contains("Max-Age=0"), "{signed_out:?}");
    assert_eq!(session.get(&page).status, 401);
    let ada = Session::new(&server, &unused);
    assert_eq!(ada.get(&page).status, 200);
    server.remove_operator("ada");
    assert_eq!(ada.get(&page).status, 401, "a session outlived its operator");
}

/// The requests that another site can make a browser send, with the operator's cookie, as if `SameSite` did not hold it back.
#[test]
fn another_site_changes_nothing() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let before = session.get(&session.page).body;
    let link = server.login_path("admin");
    for headers in [
        &[][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "SAME-ORIGIN")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://localhost")],
        &[("Origin", "null")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "http://localhost.evil.example")],
        &[("Origin", "http://localhost:80")],
        &[("Origin", "http://localhost@evil.example")],
        &[("Origin", "localhost")],
        &[("Referer", "http://localhost/dashboard/")],
    ] {
        for (path, form) in [
            ("/test-keys", "name=x"),
            ("/production-key/stage", ""),
            ("/production-key/leaked", "sure=yes"),
            ("/production-key/regenerate", "name=default"),
            ("/allowed-origins", "origin=evil.example"),
            ("/audit/export", "environment=production"),
        ] {
            let refused = session.post_with(path, headers, form);
            assert!(refused.status == 403 && refused.body.contains("Not from here"), "{headers:?} {path}: {refused:?}");
        }
        assert_eq!(send(&server, "POST", &link, headers, "").status, 403, "another site signed an operator in");
        let headers = [&[("Cookie", session.cookie.as_str())], headers].concat();
        assert_eq!(send(&server, "POST", "/dashboard/sign-out", &headers, "").status, 403);
    }
    // A GET changes nothing, with any query.
    for path in
        ["production-key/stage", "production-key/leaked?name=default", "test-keys?name=x", "allowed-origins/check"]
    {
        let led = session.get(&format!("{}/{path}", session.page));
        let page = if path.starts_with("allowed") {
            format!("{}/callback-origins", session.page)
        } else {
            session.page.clone()
        };
        assert_eq!((led.status, &led.headers["location"]), (303, &page));
    }
    assert_eq!(session.get(&format!("{}/audit/export?environment=production", session.page)).status, 404);
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let refused = send(&server, method, &session.page, &[("Cookie", &session.cookie), OWN_FORM[0]], "");
        assert_eq!((refused.status, refused.headers["allow"].as_str()), (405, "GET, HEAD, POST"));
    }
    let without_times =
        |body: &str| body.lines().filter(|line| !line.contains("<time") && !line.contains("once")).count();
    assert_eq!(without_times(&session.get(&session.page).body), without_times(&before));
    assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 200);
    // Older browsers name the form's site in `Origin`.
    assert_eq!(session.post_with("/test-keys", &[("Origin", "http://localhost")], "name=ci").status, 200);
}

#[test]
fn the_audit_trail_has_days_and_times_and_the_installation_has_a_log_of_its_own() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let audit = format!("{}/audit", session.page);
    let exported = session.post("/audit/export", "environment=production&format=jsonl").body;
    let first: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let time = first["time"].as_str().unwrap();
    let page = session.get(&audit).body;
    for part in [
        &format!("<h3 class=\"day\">{} ", &time[..10]),
        &format!(">{}</time>", &time[11..19]),
        "before=2#event-1",
        "type=\"date\"",
        "<span class=\"from\">127.0.0.1</span>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // A link to an event shows it first, and leads back.
    let linked = session.get(&format!("{audit}?before=2")).body;
    assert!(linked.contains("id=\"event-1\"") && !linked.contains("id=\"event-2\""), "{linked}");
    assert!(linked.contains("Newest events") && !page.contains("Newest events"), "{linked}");
    // A time of day in a link stays in the form.
    let since = session.get(&format!("{audit}?since=2020-01-31T10:00:00Z&until=2100-01-31")).body;
    assert!(since.contains("type=\"text\" value=\"2020-01-31T10:00:00Z\""), "{since}");
    assert!(since.contains("type=\"date\" value=\"2100-01-31\"") && since.contains("id=\"event-1\""), "{since}");

    let installation = session.get("/dashboard/audit").body;
    assert!(installation.contains("signed in as") && installation.contains("/dashboard/audit?environment="));
    let offers = |page: &str, action: &str| page.contains(&format!("<option>{action}</option>"));
    for (action, of_organizations, of_installation) in
        [("access_key.created", true, false), ("operator.created", false, true), ("audit_log.pruned", true, true)]
    {
        assert_eq!(
            (offers(&page, action), offers(&installation, action)),
            (of_organizations, of_installation),
            "{action}"
        );
    }
}

#[test]
fn every_answer_has_the_security_headers() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let link = server.login_path("admin");
    let page = session.page.clone();
    let answers = [
        session.get(&page),
        session.get("/dashboard"),
        session.get("/dashboard/nothing/here"),
        session.get(&format!("{page}?dialog=regenerate")),
        session.get(&format!("{page}/callback-origins")),
        session.get(&format!("{page}/connectors")),
        session.get("/dashboard/operators?dialog=add-operator"),
        session.get("/dashboard/system"),
        session.post("/production-key/leaked", "note=x"),
        session.get(&format!("{page}/audit?environment=test&verify=now")),
        session.get(&link),
        session.get("/dashboard/sign-in/nonsense"),
        send(&server, "GET", &page, &[], ""),
        send(&server, "HEAD", &page, &[], ""),
        session.post("/test-keys", "name=ci"),
        session.post("/test-keys", "name="),
        session.post("/production-key/regenerate", "name=wrong"),
        session.post_with("/test-keys", &[], "name=ci"),
        session.post("/audit/export", "environment=production&format=csv"),
    ];
    for answer in answers {
        let header = |name: &str| answer.headers.get(name).map(String::as_str);
        let policy = header("content-security-policy").unwrap_or_else(|| panic!("{answer:?}"));
        for needed in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(needed), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(header("x-frame-options"), Some("DENY"));
        assert_eq!(header("referrer-policy"), Some("no-referrer"));
        assert_eq!(header("cross-origin-opener-policy"), Some("same-origin"));
        assert!(header("content-type").is_some() && header("server").is_none() && header("x-powered-by").is_none());
        for inline in ["<script>", " style=", " onclick=", "javascript:", "//cdn"] {
            assert!(!answer.body.contains(inline), "{inline} in {answer:?}");
        }
    }
    let body = session.get(&page).body;
    for asset in body.split('"').filter(|text| text.contains("/assets/")) {
        let file = send(&server, "GET", asset, &[], "");
        assert_eq!((file.status, file.headers["x-content-type-options"].as_str()), (200, "nosniff"));
        assert!(file.body.len() < 16_000, "{asset}: a few kilobytes");
    }
}

/// Checks the policy with Google's evaluator, which knows how attackers bypass policies.
#[test]
fn the_content_security_policy_passes_googles_evaluator() {
    let server = server();
    let answer = send(&server, "GET", "/dashboard", &[], "");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    assert!(folder.join("node_modules").exists(), "`cargo xtask test` installs the evaluator");
    let policy = &answer.headers["content-security-policy"];
    let judged = Command::new("node").args(["policy.mjs", policy]).current_dir(folder).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&judged.stdout).unwrap_or_else(|_| panic!("{judged:?}"));
    let said: Vec<_> =
        found.as_array().unwrap().iter().map(|one| (one["directive"].as_str(), one["value"].as_str())).collect();
    // It cannot know that the page has no script that an attacker could misuse.
    assert_eq!(said, [(Some("script-src"), Some("'self'"))], "{found}");
}

#[test]
fn forms_do_what_the_command_line_does_and_no_more() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let page = &session.page;
    let whoami = |key: &str| server.call(key, "GET", "/v1/whoami", None).status;

    let created = session.post("/test-keys", "name=ci&once=a1");
    let test_key = Session::value(&created);
    assert_eq!(whoami(&test_key), 200);
    let again = session.post("/test-keys", "name=ci&once=a1");
    assert!(again.status == 409 && again.body.contains("This form was already sent"), "{again:?}");
    assert!(!again.body.contains(&test_key) && !session.get(page).body.contains(&test_key));

    // A form changes only the state that its page showed.
    let seen =
        |body: &str| body.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace(' ', "+");
    let early = seen(&session.get(&format!("{page}?dialog=regenerate")).body);
    let staged = Session::value(&session.post("/production-key/stage", ""));
    let late = session.post("/production-key/regenerate", &format!("name=default&seen={early}"));
    assert!(late.status == 409 && late.body.contains("Someone else changed this key"), "{late:?}");
    assert_eq!((whoami(&server.production_key), whoami(&staged)), (200, 200));
    for wrong in ["", "name=", "name=other", "name=defaul"] {
        let refused = session.post("/production-key/regenerate", wrong);
        assert!(refused.body.contains("Nothing was changed:"), "{wrong}: {refused:?}");
    }
    let unticked = session.post("/production-key/leaked", "note=ticket+4711");
    assert!(unticked.body.contains("tick the box") && unticked.body.contains("ticket 4711"), "{unticked:?}");
    let both = seen(&session.get(&format!("{page}?dialog=regenerate")).body);
    // Case does not matter, and the beginning of the key's locator does as well.
    let done = session.post("/production-key/regenerate", &format!("name=%22Default%22&seen={both}"));
    assert!(done.body.contains("Dead everywhere after") && !done.body.contains(&staged), "{done:?}");
    assert_eq!((whoami(&server.production_key), whoami(&staged)), (401, 200));
    let next = Session::value(&session.post("/production-key/stage", ""));
    let leaked = Session::value(&session.post("/production-key/leaked", "sure=yes&note=ticket+4711"));
    assert_eq!((whoami(&staged), whoami(&next), whoami(&leaked)), (401, 401, 200));

    // Records that do not exist or belong to another environment, and invalid forms.
    let production = server.call(&leaked, "GET", "/v1/whoami", None).text("/key/id");
    let refused = session.post(&format!("/test-keys/{production}/delete"), "");
    assert!(refused.status == 409 && refused.body.contains("always has its production key"), "{refused:?}");
    assert_eq!(whoami(&leaked), 200);
    for (path, form, status) in [
        ("/test-keys/key_01h455vb4pex5vsknk084sn02q/delete", "", 409),
        ("/test-keys/nonsense/delete", "", 404),
        ("/allowed-origins/ori_nonsense/remove", "", 404),
        ("/production-key/unstage", "", 409),
        ("/production-key/explode", "", 404),
        ("/audit/export", "environment=staging", 400),
        ("/audit/export", "", 400),
        ("/test-keys", "name=x&once=%00", 400),
        ("/test-keys", "name=x&seen=nonsense", 400),
    ] {
        let answer = session.post(path, form);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let elsewhere = "/dashboard/org_01h455vb4pex5vsknk084sn02q";
    assert_eq!(session.get(elsewhere).status, 404);
    assert_eq!(session.get(&format!("{elsewhere}/audit")).status, 404);
    let json =
        server.send("POST", &format!("{page}/test-keys"), &[("Cookie", &session.cookie), OWN_FORM[0]], Some("{}"));
    assert_eq!(json.status, 400);
    let long = format!("name={}", "a".repeat(70_000));
    assert_eq!(session.post("/test-keys", &long).status, 400);

    // The audit trail has all of this, with the operator's name, address and request.
    let operator = server.operator("ada");
    let organization = page.rsplit('/').next().unwrap();
    let events = format!("/v1/organizations/{organization}/audit-events?environment=production&actor=admin");
    let events = server.call(&operator, "GET", &events, None).json();
    let actions: Vec<_> =
        events["data"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    let leak = ["access_key.regenerated", "access_key.reported_leaked"];
    assert_eq!(actions, [&leak[..], &["access_key.staged", "access_key.regenerated", "access_key.staged"]].concat());
    assert_eq!(events["data"][1]["detail"]["note"], "ticket 4711");
    assert_eq!(events["data"][0]["source_address"], "127.0.0.1");
    assert!(events["data"][0]["request_id"].as_str().unwrap().starts_with("req_"));
    let export = session.post("/audit/export", "environment=test&format=jsonl");
    assert_eq!(export.body.lines().count(), 2, "{export:?}");
    assert!(export.body.contains("access_key.created") && export.body.contains("audit_log.exported"));
    assert!(export.headers["content-disposition"].starts_with("attachment; filename=\"audit-org_"));
}

#[test]
fn operators_are_added_signed_out_and_removed_on_the_page() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let at = |path: &str, form: &str| {
        send(&server, "POST", &format!("/dashboard/operators{path}"), &[("Cookie", &session.cookie), OWN_FORM[0]], form)
    };
    let shown = |answer: &Answer, begin: &str| {
        let start = answer.body.find(begin).unwrap_or_else(|| panic!("no {begin}: {answer:?}"));
        answer.body[start..].split('<').next().unwrap().to_owned()
    };
    let token = shown(&at("", "name=grace"), "dwo_");
    assert_eq!(server.call(&token, "GET", "/v1/organizations", None).status, 200);
    for (wrong, why) in [("name=grace", "The name is taken"), ("name=cli:x", "reserved"), ("name=", "name")] {
        let refused = at("", wrong);
        assert!(refused.status == 200 && refused.body.contains(why), "{wrong}: {refused:?}");
    }
    let list = session.get("/dashboard/operators").body;
    // The newest operator is the last of the list.
    let id = list.rsplit("/operators/").next().unwrap().split('/').next().unwrap().to_owned();
    assert!(list.contains("not signed in") && list.contains("1 session"), "{list}");

    let link = shown(&at(&format!("/{id}/link"), ""), "http://localhost/dashboard/sign-in/");
    let grace = Session::new(&server, path_of(&link));
    assert_eq!(grace.get("/dashboard/operators").status, 200);
    assert!(at(&format!("/{id}/sign-out"), "").body.contains("signed out everywhere"));
    assert_eq!(grace.get("/dashboard/operators").status, 401);
    let refused = at(&format!("/{id}/remove"), "name=nobody");
    assert!(refused.body.contains("Nothing was changed"), "{refused:?}");
    assert_eq!(server.call(&token, "GET", "/v1/organizations", None).status, 200);
    assert!(at(&format!("/{id}/remove"), "name=Grace").body.contains("is removed"));
    assert_eq!(server.call(&token, "GET", "/v1/organizations", None).status, 401);
    assert!(at(&format!("/{id}/remove"), "name=grace").body.contains("There is no such operator"));
}

#[test]
fn a_person_returns_to_the_page_and_to_what_was_typed() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let asked = format!("{}/audit?environment=test", session.page);
    let refused = send(&server, "GET", &asked, &[], "");
    let returning = refused.headers["set-cookie"].split(';').next().unwrap().to_owned();
    assert!(refused.status == 401 && returning.starts_with("__Host-doorward-return="), "{refused:?}");
    let sign_in = |cookie: &str| {
        let path = server.login_path("admin");
        send(&server, "POST", &path, &[("Cookie", cookie), OWN_FORM[0]], "").headers["location"].clone()
    };
    assert_eq!(sign_in(&returning), asked);
    // Nothing but a page of this dashboard is returned to.
    let encoded = |path: &str| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, path);
    for elsewhere in
        ["https://evil.example/", "//evil.example", "/dashboard//evil.example", "/v1/whoami", "/dashboardx", "\\\\evil"]
    {
        let cookie = format!("__Host-doorward-return={}", encoded(elsewhere));
        assert_eq!(sign_in(&cookie), "/dashboard/?signed-in", "{elsewhere}");
    }
    server.sign_out("admin");
    let late = session.post("/test-keys", "name=half+typed&once=a1");
    assert_eq!(late.status, 401);
    for kept in
        ["value=\"half typed\"", "value=\"a1\"", "Send it again", &format!("action=\"{}/test-keys\"", session.page)]
    {
        assert!(late.body.contains(kept), "{kept}: {late:?}");
    }
    // Somebody who never had a session gets nothing back.
    let stranger = send(&server, "POST", &format!("{}/test-keys", session.page), OWN_FORM, "name=half+typed");
    assert!(stranger.status == 401 && !stranger.body.contains("half typed"), "{stranger:?}");
}

#[test]
fn a_person_chooses_colours_and_times() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let choose =
        |form: &str| send(&server, "POST", "/dashboard/preferences", &[("Cookie", &session.cookie), OWN_FORM[0]], form);
    let chosen = choose(&format!("theme=dark&back={}/audit", session.page));
    assert_eq!((chosen.status, &chosen.headers["location"]), (303, &format!("{}/audit", session.page)));
    let view = chosen.headers["set-cookie"].split(';').next().unwrap().to_owned();
    let cookie = format!("{}; {view}", session.cookie);
    let page = send(&server, "GET", &session.page, &[("Cookie", &cookie)], "").body;
    assert!(page.contains("data-theme=\"dark\" data-clock=\"utc\""), "{page}");
    assert!(session.get(&session.page).body.contains("data-theme=\"system\""));
    assert_eq!(choose("clock=local&back=https://evil.example/").headers["location"], "/dashboard/");
    let elsewhere = send(&server, "POST", "/dashboard/preferences", &[("Cookie", &session.cookie)], "theme=dark");
    assert_eq!(elsewhere.status, 403);
}

#[test]
fn chosen_test_keys_are_deleted_together_and_a_key_has_a_page_of_its_own() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let values: Vec<_> =
        (0..7).map(|number| Session::value(&session.post("/test-keys", &format!("name=key+{number}")))).collect();
    let whoami = |key: &str| server.call(key, "GET", "/v1/whoami", None);
    assert_eq!(whoami(&values[0]).status, 200);
    let ids: Vec<_> = values.iter().skip(1).map(|value| whoami(value).text("/key/id")).collect();
    let chosen: Vec<_> = ids.iter().take(3).map(|id| format!("key={id}")).collect();
    let asked = session.get(&format!("{}?dialog=delete-many&{}", session.page, chosen.join("&"))).body;
    assert!(
        asked.contains("Delete 3 test keys") && asked.contains("key 1, key 2, key 3")
            || asked.contains("key 3, key 2, key 1"),
        "{asked}"
    );
    assert!(asked.contains("3 calls in the last hour"), "{asked}");
    let done = session.post("/test-keys/delete", &chosen.join("&"));
    assert!(done.body.contains("Deleted 3 test keys."), "{done:?}");
    let statuses: Vec<_> = values.iter().map(|value| whoami(value).status).collect();
    assert_eq!(statuses, [200, 401, 401, 401, 200, 200, 200]);
    assert!(session.post("/test-keys/delete", &chosen.join("&")).body.contains("Nothing was deleted"));
    let production = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/key/id");
    assert_eq!(session.post("/test-keys/delete", &format!("key={production}")).status, 409);
    assert_eq!(session.post("/test-keys/delete", "key=nonsense").status, 400);
    // The filter for keys without a use offers to delete them.
    let unused = session.get(&format!("{}?show=never", session.page)).body;
    assert!(!unused.contains("unused key"), "every key was used: {unused}");

    let page = format!("{}/keys/{}", session.page, ids[4]);
    let shown = session.get(&page).body;
    for part in ["key 5", "created the key", "in the last 24 hours; the busiest hour had", "Delete this key"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let labelled = session.post(&format!("/keys/{}/label", ids[4]), "name=nightly&note=team+7");
    assert!(labelled.body.contains("Saved.") && labelled.body.contains("value=\"team 7\""), "{labelled:?}");
    assert_eq!(whoami(&values[5]).text("/key/name"), "nightly");
    let refused = session.post(&format!("/keys/{}/label", ids[4]), "name=%00&note=team+8");
    assert!(refused.status == 409 && refused.body.contains("value=\"team 8\""), "{refused:?}");
    assert_eq!(session.get(&format!("{}/keys/key_01h455vb4pex5vsknk084sn02q", session.page)).status, 404);
}

/// After a rotation, the page tells how many calls with the old key were refused, and from where.
#[test]
fn the_page_tells_who_still_sends_a_dead_key() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let staged = Session::value(&session.post("/production-key/stage", ""));
    session.post("/production-key/regenerate", "name=default");
    for _ in 0..3 {
        assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 401);
    }
    let page = session.get(&session.page).body;
    assert!(
        page.contains("Just rotated") && page.contains("3 calls refused since, the last one just now from 127.0.0.1."),
        "{page}"
    );
    let key = server.call(&staged, "GET", "/v1/whoami", None).text("/key/id");
    assert!(session.get(&format!("{}/keys/{key}", session.page)).body.contains("3 calls refused since"));
    let system = || session.get("/dashboard/system").body;
    crate::support::waits_for("the node writes the refused calls", || system().contains("3 calls refused since"));
    assert!(system().contains("serving") && system().contains("Events are shipped nowhere."));
}

#[test]
fn a_fault_has_the_frame_of_the_operator_and_of_nobody_else() {
    let server = server();
    let session = Session::new(&server, path_of(&server.sign_in_link));
    for path in ["/keys/key_01h455vb4pex5vsknk084sn02q", "/nowhere"] {
        let page = session.get(&format!("{}{path}", session.page));
        assert_eq!(page.status, 404);
        assert!(page.body.contains("<span>admin</span>") && page.body.contains("Sign out"), "{page:?}");
    }
    let foreign =
        send(&server, "POST", &format!("{}/test-keys", session.page), &[("Cookie", &session.cookie)], "name=x");
    assert!(foreign.status == 403 && foreign.body.contains("Sign out"), "{foreign:?}");
    // Nobody is signed in, so that nobody is named.
    let unknown = send(&server, "GET", &format!("{}/nowhere", session.page), &[], "");
    assert!(unknown.status == 401 && !unknown.body.contains("Sign out"), "{unknown:?}");
}
