//! A third party, a backend with its users, and their browsers.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use doorward_audit::{Action, Attribution, EventDraft};
use doorward_auth::{Core, Issuer, OperatorPrincipal, Verifier};
use doorward_link::{BegunLink, CallbackResponse, ConnectorSettings, LinkError, Linker, NewLink, TokenEndpointAuth};
use doorward_records::{Credential, LinkSession, RegisteredUser, SealingKey, SealingKeys, Table, reseal};
use doorward_store::{Page, Scope};
use doorward_store_memory::MemoryStore;
use doorward_types::{Clock, Environment, ManualClock, RegisteredUserId};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use url::form_urlencoded;
use zeroize::Zeroizing;

pub(crate) const TOKENS: &str = r#"{"access_token":"at","token_type":"bearer","refresh_token":"rt"}"#;

/// The limit for a test that hangs; it measures no speed.
const GUARD: Duration = Duration::from_secs(600);

pub(crate) async fn comes<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, work).await.expect("it comes to an end")
}

/// A request to the third party.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) form: BTreeMap<String, String>,
}

/// The third party's behaviour.
struct Conduct {
    asked: Mutex<Vec<Asked>>,
    answers: Mutex<BTreeMap<&'static str, (StatusCode, String)>>,
    /// Each answer takes a permit.
    permits: Semaphore,
}

/// An OAuth server with `/token` and `/revoke`.
#[derive(Clone)]
pub(crate) struct ThirdParty {
    pub(crate) url: String,
    conduct: Arc<Conduct>,
}

impl ThirdParty {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = BTreeMap::from([("/token", (StatusCode::OK, TOKENS.to_owned()))]);
        let conduct =
            Arc::new(Conduct { asked: Mutex::default(), answers: answers.into(), permits: Semaphore::new(1_000) });
        let kept = Arc::clone(&conduct);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| answer(Arc::clone(&kept), request));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, conduct }
    }

    pub(crate) fn answers(&self, path: &'static str, status: StatusCode, body: &str) {
        self.conduct.answers.lock().unwrap().insert(path, (status, body.to_owned()));
    }

    /// Holds all answers back until `release`.
    pub(crate) fn hold(&self) {
        self.conduct.permits.forget_permits(1_000);
    }

    pub(crate) fn go_on(&self) {
        self.conduct.permits.add_permits(1_000);
    }

    /// Returns the requests to a path since the last look.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.conduct.asked.lock().unwrap().extract_if(.., |asked| asked.path == path).collect()
    }

    pub(crate) async fn until_asked(&self) {
        comes(async {
            while self.conduct.asked.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until both tokens of a link are revoked.
    pub(crate) async fn revokes_both(&self) {
        comes(async {
            let mut revoked = vec![];
            while revoked.len() < 2 {
                self.until_asked().await;
                revoked.extend(self.revoked());
            }
            assert_eq!(revoked, ["rt", "at"]);
        })
        .await;
    }

    /// Returns the tokens that were revoked since the last look.
    pub(crate) fn revoked(&self) -> Vec<String> {
        self.asked("/revoke").into_iter().map(|asked| asked.form["token"].clone()).collect()
    }

    pub(crate) fn settings(&self) -> ConnectorSettings {
        ConnectorSettings::default()
            .with_authorization_endpoint("https://github.example/authorize?tenant=1".to_owned())
            .with_token_endpoint(format!("{}/token", self.url))
            .with_revocation_endpoint(format!("{}/revoke", self.url))
            .with_client_id("me:+".to_owned())
            .with_client_secret(Zeroizing::new("s=cret/".to_owned()))
            .with_token_endpoint_auth_method(TokenEndpointAuth::ClientSecretBasic)
            .with_scope("read write".to_owned())
            .with_issuer("https://github.example".to_owned())
            .with_authorization_parameters([("access_type".to_owned(), "offline".to_owned())])
    }
}

async fn answer(conduct: Arc<Conduct>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, form) = request.into_parts();
    let form = form.collect().await?.to_bytes();
    let form = form_urlencoded::parse(&form).into_owned().collect();
    let path = head.uri.path().to_owned();
    conduct.asked.lock().unwrap().push(Asked { path: path.clone(), headers: head.headers, form });
    let _permit = conduct.permits.acquire().await.unwrap();
    let (status, body) = conduct.answers.lock().unwrap().get(&*path).cloned().unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert("location", "http://127.0.0.1:1/".parse().unwrap());
    Ok(response)
}

/// A browser, represented by its cookies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser(pub(crate) HeaderMap);

impl Browser {
    fn keep(&mut self, cookie: &HeaderValue) {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let others = self.0.get(COOKIE).map(|line| line.to_str().unwrap().to_owned());
        let name = format!("{}=", pair.split('=').next().unwrap());
        let others = others.iter().flat_map(|line| line.split("; ")).filter(|other| !other.starts_with(&name));
        let line = others.chain([pair]).collect::<Vec<_>>().join("; ");
        self.0.insert(COOKIE, line.parse().unwrap());
    }
}

pub(crate) struct World {
    pub(crate) linker: Linker,
    pub(crate) core: Core,
    pub(crate) sealing_keys: Arc<SealingKeys>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) scope: Scope,
    pub(crate) production: Scope,
    pub(crate) user: RegisteredUserId,
    pub(crate) third_party: ThirdParty,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
    pub(crate) async fn new() -> Self {
        let third_party = ThirdParty::start().await;
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new());
        let core = Core::new(store.clone()).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let operator = OperatorPrincipal::local_administrator("ada".parse().unwrap());
        let request = operator.request();
        let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &request).await.unwrap().organization.id;
        Issuer::new(&core).allow_origin(acme, "app.example.com".parse().unwrap(), &request).await.unwrap();
        let [production, scope] = Environment::ALL.map(|environment| operator.scope(acme, environment).unwrap());
        let verifier = Verifier::start(&core).await.unwrap();
        let sealing_keys = Arc::new(SealingKeys::from(SealingKey::new(&Zeroizing::new([7; 32]))));
        let linker = Linker::new(verifier, store, Arc::clone(&sealing_keys), "https://doorward.example/oauth").unwrap();
        let user = RegisteredUserId::new(core.id_seed().unwrap());
        let world = Self { linker, core, sealing_keys, clock, scope, production, user, third_party };
        world.register(user, "u1").await;
        world.put(&world.third_party.settings()).await;
        world
    }

    /// Returns an event for a test that does not depend on its content.
    pub(crate) fn told(&self) -> EventDraft {
        let log = (self.scope.organization(), self.scope.environment());
        EventDraft::new(&by(), self.clock.now(), Action::CredentialRemoved, String::new(), log)
    }

    /// Seals everything with a fresh key. Returns the number of values that were sealed again.
    pub(crate) async fn rotate(&self) -> u64 {
        let (key, _) = SealingKey::draw(&**self.core.random()).unwrap();
        let id = key.id();
        self.sealing_keys.add(&key.into());
        assert!(self.sealing_keys.seal_by(id));
        let resealed =
            reseal(&**self.linker.store(), &self.sealing_keys, &**self.core.random(), &mut |_| {}).await.unwrap();
        assert_eq!(resealed.unreadable, 0);
        resealed.sealed
    }

    async fn register(&self, id: RegisteredUserId, name: &str) {
        let created_at = self.clock.now();
        let record = RegisteredUser::new(id, name.parse().unwrap(), None, created_at);
        let users: &dyn Table<RegisteredUser> = &**self.linker.store();
        users.insert(&self.scope, record).await.unwrap();
    }

    pub(crate) async fn another_user(&self) -> RegisteredUserId {
        let id = RegisteredUserId::new(self.core.id_seed().unwrap());
        self.register(id, &id.to_string()).await;
        id
    }

    /// Saves the connector `github`.
    pub(crate) async fn put(&self, settings: &ConnectorSettings) {
        self.put_as("github", settings).await;
    }

    pub(crate) async fn put_as(&self, name: &str, settings: &ConnectorSettings) {
        self.linker.put_connector(&self.scope, name.parse().unwrap(), settings, &by()).await.unwrap();
    }

    pub(crate) async fn begin(&self) -> BegunLink {
        self.begin_for(self.user, "github").await
    }

    pub(crate) async fn begin_for(&self, registered_user: RegisteredUserId, connector: &str) -> BegunLink {
        let callback_url = "https://app.example.com/done".to_owned();
        let new = NewLink::new(registered_user, connector.parse().unwrap(), callback_url);
        self.linker.begin(&self.scope, new).await.unwrap()
    }

    /// Opens the start URL in a browser. Returns the redirect's target.
    pub(crate) async fn open(&self, begun: &BegunLink, browser: &mut Browser) -> CallbackResponse {
        let token = begun.start_url.strip_prefix("https://doorward.example/oauth/start/").unwrap();
        let start = self.linker.start(token, &browser.0).await;
        if let Some(cookie) = start.cookie {
            browser.keep(&cookie);
        }
        start.finish
    }

    /// Begins a link in a new browser. Returns the parameters for the third party.
    pub(crate) async fn begin_in(&self, browser: &mut Browser) -> (BegunLink, BTreeMap<String, String>) {
        let begun = self.begin().await;
        let sent = query_of(&self.open(&begun, browser).await);
        (begun, sent)
    }

    /// Sends an answer to the redirect URI of the connector `github`.
    pub(crate) async fn answer(&self, browser: &Browser, query: &str) -> CallbackResponse {
        self.answer_at("github", browser, query).await
    }

    pub(crate) async fn answer_at(&self, connector: &str, browser: &Browser, query: &str) -> CallbackResponse {
        let reference = self.reference(connector);
        self.linker.finish(Some(&reference), query, &browser.0).await
    }

    pub(crate) fn reference(&self, connector: &str) -> String {
        let uri = self.linker.redirect_uri(&self.scope, &connector.parse().unwrap());
        uri.strip_prefix("https://doorward.example/oauth/callback/").unwrap().to_owned()
    }

    /// Goes as far as the confirmation, in a new browser.
    pub(crate) async fn confirmed(&self) -> (BegunLink, String) {
        let mut browser = Browser::default();
        let (begun, sent) = self.begin_in(&mut browser).await;
        let finish = self.answer(&browser, &good_answer(&sent)).await;
        let confirmation = confirmation_of(&begun, &finish);
        (begun, confirmation)
    }

    /// Links an account completely.
    pub(crate) async fn link(&self) {
        let (begun, confirmation) = self.confirmed().await;
        self.complete(&begun, self.user, &confirmation).await.unwrap();
    }

    pub(crate) async fn complete(
        &self,
        begun: &BegunLink,
        user: RegisteredUserId,
        confirmation: &str,
    ) -> Result<LinkSession, LinkError> {
        self.linker.complete(&self.scope, begun.id, Some(user), confirmation, &by()).await
    }

    pub(crate) async fn session(&self, begun: &BegunLink) -> LinkSession {
        self.linker.session(&self.scope, begun.id).await.unwrap()
    }

    pub(crate) async fn credentials(&self) -> Vec<Credential> {
        let table: &dyn Table<Credential> = &**self.linker.store();
        table.list(&self.scope, Page::first(10)).await.unwrap()
    }

    /// Runs expiry and revocation once. Returns the revoked tokens.
    pub(crate) async fn keep_up(&self) -> Vec<String> {
        self.linker.keep_up_once().await.unwrap();
        self.third_party.revoked()
    }

    /// Lets time pass, and waits until the node is up to date on that clock.
    pub(crate) async fn wait(&self, time: Duration) {
        self.clock.advance(time);
        let browser = Browser::default();
        let unknown = format!("code=c&state={}", "x".repeat(43));
        comes(async {
            while matches!(
                self.answer(&browser, &unknown).await,
                CallbackResponse::Page(StatusCode::SERVICE_UNAVAILABLE, _)
            ) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

pub(crate) fn query_of(finish: &CallbackResponse) -> BTreeMap<String, String> {
    let CallbackResponse::Redirect(url) = finish else { panic!("the browser is not redirected: {finish:?}") };
    let (_, query) = url.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

pub(crate) fn good_answer(sent: &BTreeMap<String, String>) -> String {
    format!("code=c%2B1&state={}&iss=https%3A%2F%2Fgithub.example", sent["state"])
}

/// Returns the confirmation of a success, which must be the only parameter besides the id and the status.
pub(crate) fn confirmation_of(begun: &BegunLink, finish: &CallbackResponse) -> String {
    let confirmation = query_of(finish).get("confirmation").cloned().unwrap_or_else(|| panic!("{finish:?}"));
    let id = begun.id;
    let url = format!("https://app.example.com/done?link_session_id={id}&status=success&confirmation={confirmation}");
    assert_eq!(*finish, CallbackResponse::Redirect(url));
    assert_eq!(confirmation.len(), 43);
    confirmation
}

pub(crate) fn error(begun: &BegunLink, error: &str) -> CallbackResponse {
    let id = begun.id;
    CallbackResponse::Redirect(format!("https://app.example.com/done?link_session_id={id}&status=error&error={error}"))
}

pub(crate) fn is_worn_out(finish: &CallbackResponse) -> bool {
    matches!(finish, CallbackResponse::Page(StatusCode::BAD_REQUEST, text) if text.starts_with("This link is not valid"))
}

pub(crate) fn is_of_another_browser(finish: &CallbackResponse) -> bool {
    matches!(finish, CallbackResponse::Page(StatusCode::BAD_REQUEST, text) if text.starts_with("This link was begun in another browser"))
}

pub(crate) fn by() -> Attribution {
    Attribution::local("ada".parse().unwrap())
}
