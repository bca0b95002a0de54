//! Two customers, and every route of the page and of the API: neither sees or changes anything of the other's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Method, Request, Response, StatusCode};
use doorward::AccessKeys;
use doorward::api::Part;
use doorward::api::routes::{Action, PATHS};
use doorward::auth::Visitor;
use doorward::dashboard::ROUTES;
use doorward::store::{EventFilter, Organization, Page, Scope};
use doorward::types::Environment;
use example_own_users::{Sessions, router};
use tower::ServiceExt;

struct Service {
    keys: AccessKeys,
    sessions: Sessions,
    router: Router,
}

/// A customer's organization with something of every kind, and the customer's browser.
struct Customer {
    organization: Organization,
    test_key: String,
    origin: String,
    cookie: String,
    form_token: String,
}

struct Answer {
    status: StatusCode,
    location: String,
    cookie: String,
    text: String,
}

/// The headers that a browser sends for a page of the service itself.
const OWN_PAGE: (&str, &str) = ("sec-fetch-site", "same-origin");

impl Service {
    async fn start() -> Self {
        let keys = AccessKeys::open("memory:").start().await.unwrap();
        let sessions = Sessions::default();
        let router = router(&keys, sessions.clone()).await.unwrap();
        Self { keys, sessions, router }
    }

    async fn customer(&self, id: &str, organization: &str) -> Customer {
        let (issuer, request) = (self.keys.issuer(), self.keys.request());
        let named = issuer.organizations_named(request.operator(), &organization.parse().unwrap(), 1).await.unwrap();
        let organization = named.into_iter().next().unwrap();
        let test_key = issuer.create(organization.id, "first".parse().unwrap(), &request).await.unwrap().key.id;
        let origin = issuer.allow_origin(organization.id, "first.example".parse().unwrap(), &request).await.unwrap();
        let session = self.sessions.begin(Visitor::new(organization.id, id).unwrap()).unwrap();
        let mut customer = Customer {
            test_key: test_key.to_string(),
            origin: origin.entry.id.to_string(),
            organization,
            cookie: format!("session={session}"),
            form_token: String::new(),
        };
        let page = self.send(&customer, Method::GET, &customer.page(""), OWN_PAGE, "").await;
        customer.cookie += &format!("; {}", page.cookie.split(';').next().unwrap());
        let token = page.text.split_once("name=\"form_token\" value=\"").unwrap().1;
        token.split('"').next().unwrap().clone_into(&mut customer.form_token);
        customer
    }

    async fn send(&self, by: &Customer, method: Method, path: &str, site: (&str, &str), body: &str) -> Answer {
        let media_type = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = Request::builder().method(method).uri(path).header("host", "service.example");
        let request = request.header(COOKIE, &by.cookie).header(site.0, site.1).header(CONTENT_TYPE, media_type);
        let answer = self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let header = |answer: &Response<_>, name| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (location, cookie) = (header(&answer, LOCATION), header(&answer, SET_COOKIE));
        let status = answer.status();
        let text = String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
        Answer { status, location, cookie, text }
    }

    /// Returns everything of an organization that a change could change, with the actors of its events.
    #[expect(clippy::disallowed_methods, reason = "the test reads every log")]
    async fn everything(&self, of: &Organization) -> (String, Vec<String>) {
        let (issuer, request) = (self.keys.issuer(), self.keys.request());
        let keys = issuer.access_keys(request.operator(), of.id).await.unwrap();
        let origins = issuer.allowed_origins(request.operator(), of).await.unwrap();
        let mut actors = Vec::new();
        for environment in Environment::ALL {
            let scope: Scope = request.operator().scope(of.id, environment).unwrap();
            let events = self.keys.store().events(&scope, &EventFilter::default(), Page::first(500)).await.unwrap();
            actors.extend(events.into_iter().map(|event| event.draft.actor.to_string()));
        }
        (format!("{keys:?} {origins:?}"), actors)
    }

    async fn form(&self, by: &Customer, path: &str, fields: &str) -> Answer {
        let form = format!("form_token={}&{fields}", by.form_token);
        self.send(by, Method::POST, path, OWN_PAGE, &form).await
    }
}

impl Customer {
    fn page(&self, rest: &str) -> String {
        format!("/settings/keys/{}{rest}", self.organization.id)
    }

    /// Returns a path of this customer's organization.
    fn fill(&self, pattern: &str) -> String {
        let id = self.organization.id.to_string();
        let known =
            [("{organization}", &id), ("{key}", &self.test_key), ("{entry}", &self.origin), ("{origin}", &self.origin)];
        known.into_iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(name, value))
    }

    /// Returns every field of every form of the page.
    fn fields(&self, of: &Organization) -> String {
        let fields = "origin=app.example.com&url=https://app.example.com/&environment=production&format=csv";
        format!("form_token={}&name={}&{fields}", self.form_token, of.name)
    }
}

/// Returns the body of an action of the API, and its query.
fn asked(method: &Method, pattern: &str) -> (&'static str, &'static str) {
    match (method.as_str(), pattern.rsplit('/').next().unwrap()) {
        (_, "connectors" | "{connector}" | "audit-events" | "checkpoint" | "export") => ("", "?environment=production"),
        ("POST", "organizations" | "access-keys") => (r#"{"name":"ci"}"#, ""),
        ("POST", "allowed-origins") => (r#"{"origin":"api.example.com"}"#, ""),
        ("POST", "check") => (r#"{"url":"https://api.example.com/"}"#, ""),
        ("PATCH", _) => (r#"{"note":"of the build"}"#, ""),
        ("POST", _) => ("{}", ""),
        _ => ("", ""),
    }
}

async fn customers(service: &Service) -> [Customer; 2] {
    [service.customer("ada", "Analytical").await, service.customer("grace", "Compilers").await]
}

#[tokio::test]
async fn no_route_of_the_page_leads_to_another_customer() {
    let service = Service::start().await;
    let [ada, grace] = &customers(&service).await;
    for (by, other) in [(ada, grace), (grace, ada)] {
        let before = service.everything(&other.organization).await;
        for route in ROUTES {
            let path = format!("/settings/keys{}", other.fill(route.pattern));
            let form = if route.method == Method::POST { by.fields(&other.organization) } else { String::new() };
            let answer = service.send(by, route.method.clone(), &path, OWN_PAGE, &form).await;
            match route.pattern {
                "/" => assert_eq!(answer.location, by.page("")),
                "/preferences" => assert_eq!(answer.location, "/settings/keys/"),
                _ => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{} {path}", route.method),
            }
            for secret in [&other.test_key, &other.origin, other.organization.name.as_str(), "host:"] {
                assert!(!answer.text.contains(secret), "{path} shows {secret}: {}", answer.text);
            }
        }
        assert_eq!(service.everything(&other.organization).await, before);
    }
}

fn is_for_visitors(action: Action) -> bool {
    matches!(action, Action::Operator(action) if action.is_for_visitors())
}

#[tokio::test]
async fn every_route_for_visitors_reaches_the_own_organization() {
    let service = Service::start().await;
    let [ada, _] = &customers(&service).await;
    for route in ROUTES.iter().filter(|route| route.is_for_visitors() && route.pattern.starts_with("/{organization}")) {
        let path = format!("/settings/keys{}", ada.fill(route.pattern));
        let form = if route.method == Method::POST { ada.fields(&ada.organization) } else { String::new() };
        let answer = service.send(ada, route.method.clone(), &path, OWN_PAGE, &form).await;
        // This service has no connectors, so that their page is not there.
        let has_page = !route.pattern.ends_with("/connectors");
        let expected = if has_page { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(answer.status, expected, "{} {path}: {}", route.method, answer.text);
    }
    for path in PATHS.iter().filter(|path| path.is_for_visitors() && path.part != Part::Link) {
        for (method, _) in path.actions().into_iter().filter(|(_, action)| is_for_visitors(*action)) {
            let (body, query) = asked(&method, path.pattern);
            let url = format!("/settings/api{}{query}", ada.fill(path.pattern));
            let answer = service.send(ada, method.clone(), &url, OWN_PAGE, body).await;
            // The page's own test has deleted the key and the origin, and withdrawn the staged secret.
            let is_of_them = method == Method::DELETE || method == Method::PATCH;
            let gone = is_of_them && answer.status == StatusCode::NOT_FOUND;
            let is_answered = answer.status.is_success() || answer.status == StatusCode::NOT_IMPLEMENTED;
            assert!(is_answered || gone, "{method} {url}: {} {}", answer.status, answer.text);
        }
    }
    let (_, actors) = service.everything(&ada.organization).await;
    assert!(actors.iter().filter(|actor| *actor == "host:ada").count() > 10, "{actors:?}");
    assert!(actors.iter().all(|actor| ["host:ada", "service"].contains(&actor.as_str())), "{actors:?}");
}

#[tokio::test]
async fn no_route_of_the_api_leads_to_another_customer() {
    let service = Service::start().await;
    let [ada, grace] = &customers(&service).await;
    for (by, other) in [(ada, grace), (grace, ada)] {
        let before = service.everything(&other.organization).await;
        for path in PATHS {
            for (method, action) in path.actions() {
                let (body, query) = asked(&method, path.pattern);
                let url = format!("/settings/api{}{query}", other.fill(path.pattern));
                let answer = service.send(by, method.clone(), &url, OWN_PAGE, body).await;
                // A method that no visitor has is told by the path alone, whatever the organization.
                let has_method = is_for_visitors(action) || !path.is_for_visitors();
                let expected = if has_method { StatusCode::NOT_FOUND } else { StatusCode::METHOD_NOT_ALLOWED };
                assert_eq!(answer.status, expected, "{method} {url}: {}", answer.text);
            }
        }
        assert_eq!(service.everything(&other.organization).await, before);
    }
}

#[tokio::test]
async fn another_organization_answers_as_one_that_does_not_exist() {
    let service = Service::start().await;
    let [ada, grace] = &customers(&service).await;
    let nowhere = "org_00000000000000000000000001";
    for path in ["/settings/keys/{}", "/settings/keys/{}/audit", "/settings/api/v1/organizations/{}/access-keys"] {
        let at = async |id: &str| {
            let answer = service.send(ada, Method::GET, &path.replace("{}", id), OWN_PAGE, "").await;
            let request_id = answer.text.find("\"request_id\"").unwrap_or(answer.text.len());
            (answer.status, answer.text[..request_id].to_owned())
        };
        assert_eq!(at(&grace.organization.id.to_string()).await, at(nowhere).await, "{path}");
    }
}

#[tokio::test]
async fn without_a_session_nothing_is_shown_or_changed() {
    let service = Service::start().await;
    let [ada, _] = customers(&service).await;
    let before = service.everything(&ada.organization).await;
    let nobody = Customer { cookie: ada.cookie.replace("session=", "former="), ..ada };
    for route in ROUTES.iter().filter(|route| !route.pattern.starts_with("/assets/")) {
        let path = format!("/settings/keys{}", nobody.fill(route.pattern));
        let form = nobody.fields(&nobody.organization);
        let answer = service.send(&nobody, route.method.clone(), &path, OWN_PAGE, &form).await;
        assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/"), "{path}");
        assert!(answer.text.is_empty());
    }
    for path in PATHS.iter().filter(|path| path.is_for_visitors() && path.part != Part::Link) {
        for (method, _) in path.actions() {
            let (body, query) = asked(&method, path.pattern);
            let url = format!("/settings/api{}{query}", nobody.fill(path.pattern));
            let answer = service.send(&nobody, method, &url, OWN_PAGE, body).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{url}");
        }
    }
    assert_eq!(service.everything(&nobody.organization).await, before);
}

#[tokio::test]
async fn a_session_that_ends_while_its_form_is_open_changes_nothing() {
    let service = Service::start().await;
    let [ada, _] = &customers(&service).await;
    let before = service.everything(&ada.organization).await;
    let session = ada.cookie.split(['=', ';']).nth(1).unwrap();
    service.sessions.end(session);
    let late = service.form(ada, &ada.page("/production-key/leaked"), "name=Analytical").await;
    assert_eq!((late.status, late.location.as_str()), (StatusCode::SEE_OTHER, "/"));

    // The same browser signs in as somebody else of the same organization: the open form is not that person's.
    let other = service.sessions.begin(Visitor::new(ada.organization.id, "grace").unwrap()).unwrap();
    let cookie = ada.cookie.replace(session, &other);
    let changed =
        Customer { cookie, form_token: ada.form_token.clone(), ..service.customer("lin", "Analytical").await };
    let mid = service.everything(&ada.organization).await;
    let refused = service.form(&changed, &ada.page("/production-key/leaked"), "name=Analytical").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(service.everything(&ada.organization).await, mid);
    assert_ne!(before, mid, "the third customer made a key and an origin");
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let service = Service::start().await;
    let [ada, grace] = &customers(&service).await;
    let before = service.everything(&ada.organization).await;
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.example"),
        ("x-nothing", "at all"),
    ];
    for route in ROUTES.iter().filter(|route| route.is_for_visitors() && route.method == Method::POST) {
        let path = format!("/settings/keys{}", ada.fill(route.pattern));
        for site in foreign {
            let answer = service.send(ada, Method::POST, &path, site, &ada.fields(&ada.organization)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {site:?}");
        }
        for token in ["", &format!("form_token={}", grace.form_token)] {
            let form = ada.fields(&ada.organization).replace(&format!("form_token={}", ada.form_token), token);
            let answer = service.send(ada, Method::POST, &path, OWN_PAGE, &form).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {token:?}");
        }
    }
    for path in PATHS.iter().filter(|path| path.is_for_visitors() && path.part != Part::Link) {
        let changes =
            path.actions().into_iter().filter(|(method, action)| method != Method::GET && is_for_visitors(*action));
        for (method, _) in changes {
            let (body, query) = asked(&method, path.pattern);
            let url = format!("/settings/api{}{query}", ada.fill(path.pattern));
            for site in foreign {
                let answer = service.send(ada, method.clone(), &url, site, body).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {url} {site:?}");
            }
        }
    }
    assert_eq!(service.everything(&ada.organization).await, before);
}

#[tokio::test]
async fn every_link_of_the_page_stays_below_its_path() {
    let service = Service::start().await;
    let [ada, _] = &customers(&service).await;
    for rest in ["", "/audit", "?dialog=create", "?dialog=leaked"] {
        let page = service.send(ada, Method::GET, &ada.page(rest), OWN_PAGE, "").await.text;
        let links =
            page.split("href=\"/").skip(1).chain(page.split("action=\"/").skip(1)).chain(page.split("src=\"/").skip(1));
        for link in links {
            assert!(link.starts_with("settings/keys/"), "{rest}: {}", link.split('"').next().unwrap());
        }
        for absent in ["sign-out", "sign-in", "operator login-link"] {
            assert!(!page.contains(absent), "{rest} shows {absent}");
        }
    }
}
