//! A link by the rules: in time, once, with PKCE, and by whom was asked. The whole of it, with a browser and an OAuth server of
//! others, is in the server's tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use doorward_auth::{Ask, Core, Issuer, Management, Verifier};
use doorward_link::{Begun, ConnectorSettings, Finish, Linker, NewLink, TokenEndpointAuth};
use doorward_store::{Credential, MemoryStore, Page, RegisteredUser, Scope, SealingKey, Table};
use doorward_types::{Clock, Environment, ManualClock, RegisteredUserId};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use url::form_urlencoded;
use zeroize::Zeroizing;

type Asked = Arc<Mutex<Vec<(HeaderMap, BTreeMap<String, String>)>>>;

/// A token endpoint that answers everything with this.
async fn token_endpoint(status: StatusCode, body: &'static str) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let asked = Asked::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request: Request<Incoming>| {
                let kept = Arc::clone(&kept);
                async move {
                    let (head, form) = request.into_parts();
                    let form = form.collect().await?.to_bytes();
                    kept.lock().unwrap().push((head.headers, form_urlencoded::parse(&form).into_owned().collect()));
                    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
                    *response.status_mut() = status;
                    response.headers_mut().insert("location", "http://127.0.0.1:1/".parse().unwrap());
                    Ok::<_, hyper::Error>(response)
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, asked)
}

struct World {
    linker: Linker,
    core: Core,
    clock: Arc<ManualClock>,
    scope: Scope,
    user: RegisteredUserId,
}

impl World {
    async fn new(token_endpoint: &str) -> Self {
        Self::with(settings(token_endpoint)).await
    }

    async fn with(settings: ConnectorSettings) -> Self {
        let clock = Arc::new(ManualClock::default());
        let core = Core::new(Arc::new(MemoryStore::new())).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let ask = Ask::local("ada".parse().unwrap());
        let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &ask).await.unwrap().organization.id;
        Issuer::new(&core).allow_origin(acme, "app.example.com".parse().unwrap(), &ask).await.unwrap();
        let scope = Management::of_store_holder("ada".parse().unwrap()).scope(acme, Environment::Test);
        let user = RegisteredUserId::new(core.id_seed().unwrap());
        let name = "u1".parse().unwrap();
        let record = RegisteredUser { id: user, origin_user_id: name, origin_user_name: None, created_at: clock.now() };
        let users: &dyn Table<RegisteredUser> = &**core.store();
        users.insert(&scope, record).await.unwrap();
        let verifier = Verifier::start(&core).await.unwrap();
        let key = Arc::new(SealingKey::new(&Zeroizing::new([7; 32])));
        let linker = Linker::new(verifier, key, "https://doorward.example/oauth/callback".to_owned()).unwrap();
        linker.put_connector(&scope, "github".parse().unwrap(), &settings).await.unwrap();
        Self { linker, core, clock, scope, user }
    }

    async fn begin(&self) -> (Begun, BTreeMap<String, String>) {
        let callback_url = "https://app.example.com/done".to_owned();
        let new = NewLink { registered_user: self.user, connector: "github".parse().unwrap(), callback_url };
        let begun = self.linker.begin(&self.scope, new).await.unwrap();
        let query = begun.authorize_url.split_once('?').unwrap().1.to_owned();
        (begun, form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    async fn credentials(&self) -> usize {
        let table: &dyn Table<Credential> = &**self.core.store();
        table.list(&self.scope, Page::first(10)).await.unwrap().len()
    }
}

fn settings(token_endpoint: &str) -> ConnectorSettings {
    ConnectorSettings {
        authorization_endpoint: "https://github.example/authorize?tenant=1".to_owned(),
        token_endpoint: token_endpoint.to_owned(),
        client_id: "me:+".to_owned(),
        client_secret: Some(Zeroizing::new("s=cret/".to_owned())),
        token_endpoint_auth_method: TokenEndpointAuth::ClientSecretBasic,
        scope: Some("read write".to_owned()),
        issuer: Some("https://github.example".to_owned()),
        authorization_parameters: [("access_type".to_owned(), "offline".to_owned())].into(),
        upstream: None,
    }
}

const TOKENS: &str = r#"{"access_token":"t","token_type":"bearer"}"#;

fn success(begun: &Begun) -> Finish {
    Finish::Redirect(format!("https://app.example.com/done?link_session_id={}&status=success", begun.id))
}

fn error(begun: &Begun, error: &str) -> Finish {
    let id = begun.id;
    Finish::Redirect(format!("https://app.example.com/done?link_session_id={id}&status=error&error={error}"))
}

fn is_worn_out(finish: &Finish) -> bool {
    matches!(finish, Finish::Page(StatusCode::BAD_REQUEST, text) if text.starts_with("This link is not valid"))
}

#[tokio::test]
async fn a_code_is_exchanged_with_the_verifier_of_its_challenge() {
    let (url, asked) = token_endpoint(StatusCode::OK, TOKENS).await;
    let world = World::new(&url).await;
    let (begun, sent) = world.begin().await;
    let said = |name: &str| sent.get(name).map(String::as_str);
    assert!(begun.authorize_url.starts_with("https://github.example/authorize?tenant=1&response_type=code&"));
    assert_eq!(
        (said("client_id"), said("scope"), said("access_type")),
        (Some("me:+"), Some("read write"), Some("offline"))
    );
    assert_eq!((said("code_challenge_method"), said("state").unwrap().len()), (Some("S256"), 43));
    let query = format!("code=c%2B1&state={}&iss=https%3A%2F%2Fgithub.example", said("state").unwrap());
    assert_eq!(world.linker.finish(&query).await, success(&begun));
    let (headers, form) = asked.lock().unwrap().pop().unwrap();
    // "me%3A%2B:s%3Dcret%2F", as RFC 6749, section 2.3.1, has it.
    assert_eq!(headers["authorization"], "Basic bWUlM0ElMkI6cyUzRGNyZXQlMkY=");
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "c+1"));
    assert_eq!(form["redirect_uri"], "https://doorward.example/oauth/callback");
    let challenge = {
        use base64::Engine;
        use sha2::Digest;
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(form["code_verifier"].as_bytes()))
    };
    assert_eq!(said("code_challenge"), Some(&*challenge));
    assert!((43..=128).contains(&form["code_verifier"].len()));
    assert_eq!(world.credentials().await, 1);
}

#[tokio::test]
async fn a_state_is_worth_something_once_for_half_an_hour_and_to_one() {
    let (url, asked) = token_endpoint(StatusCode::OK, TOKENS).await;
    let world = World::new(&url).await;
    let (begun, sent) = world.begin().await;
    let query = format!("code=c&state={}", sent["state"]);
    // Ten browsers at once: one of them gets it.
    let all = (0..10).map(|_| {
        let (linker, query) = (world.linker.clone(), query.clone());
        tokio::spawn(async move { linker.finish(&query).await })
    });
    let mut finished = Vec::new();
    for one in all.collect::<Vec<_>>() {
        finished.push(one.await.unwrap());
    }
    assert_eq!(finished.iter().filter(|finish| **finish == success(&begun)).count(), 1);
    assert_eq!(finished.iter().filter(|finish| is_worn_out(finish)).count(), 9);
    assert_eq!(asked.lock().unwrap().len(), 1);

    let (begun, sent) = world.begin().await;
    assert_eq!(begun.expires_at, world.clock.now() + Duration::from_mins(30));
    world.clock.advance(Duration::from_mins(30));
    // The node's lease has run out on that clock too, until it polls again.
    let late = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match world.linker.finish(&format!("code=c&state={}", sent["state"])).await {
                Finish::Page(StatusCode::SERVICE_UNAVAILABLE, _) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => break other,
            }
        }
    });
    assert!(is_worn_out(&late.await.unwrap()));
}

#[tokio::test]
async fn an_answer_that_is_not_as_it_should_be_links_nothing() {
    let (url, asked) = token_endpoint(StatusCode::OK, TOKENS).await;
    let world = World::new(&url).await;
    for (rest, word) in [
        ("error=access_denied", "access_denied"),
        ("error=access_denied&code=c", "access_denied"),
        ("error=%3Cscript%3E", "invalid_response"),
        ("", "invalid_response"),
        ("code=c&iss=https%3A%2F%2Fevil.example", "issuer_mismatch"),
    ] {
        let (begun, sent) = world.begin().await;
        let finish = world.linker.finish(&format!("{rest}&state={}", sent["state"])).await;
        assert_eq!(finish, error(&begun, word), "{rest}");
    }
    // No parameter stands twice; and then the session is not used up.
    let (begun, sent) = world.begin().await;
    let state = &sent["state"];
    for twice in [format!("code=a&code=b&state={state}"), format!("code=a&state={state}&state={state}")] {
        assert!(is_worn_out(&world.linker.finish(&twice).await));
    }
    assert!(asked.lock().unwrap().is_empty());
    let name = "github".parse().unwrap();
    assert!(world.linker.remove_connector(&world.scope, &name).await.unwrap());
    assert_eq!(world.linker.finish(&format!("code=a&state={state}")).await, error(&begun, "connector_gone"));
    assert_eq!((world.credentials().await, asked.lock().unwrap().len()), (0, 0));
}

#[tokio::test]
async fn a_token_endpoint_that_fails_links_nothing_and_is_not_followed() {
    for (status, body) in [
        (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#),
        (StatusCode::FOUND, ""),
        (StatusCode::OK, "{}"),
        (StatusCode::OK, r#"{"access_token":""}"#),
        (StatusCode::OK, "access_token=t"),
        (StatusCode::INTERNAL_SERVER_ERROR, TOKENS),
    ] {
        let (url, asked) = token_endpoint(status, body).await;
        let world = World::new(&url).await;
        let (begun, sent) = world.begin().await;
        let finish = world.linker.finish(&format!("code=c&state={}", sent["state"])).await;
        assert_eq!(finish, error(&begun, "exchange_failed"), "{status} {body}");
        assert_eq!((world.credentials().await, asked.lock().unwrap().len()), (0, 1));
    }
    let world = World::new("http://127.0.0.1:1/token").await;
    let (begun, sent) = world.begin().await;
    let finish = world.linker.finish(&format!("code=c&state={}", sent["state"])).await;
    assert_eq!(finish, error(&begun, "exchange_failed"));
}

#[tokio::test]
async fn a_secret_in_the_body_and_no_secret_at_all() {
    let (url, asked) = token_endpoint(StatusCode::OK, TOKENS).await;
    let post = ConnectorSettings { token_endpoint_auth_method: TokenEndpointAuth::ClientSecretPost, ..settings(&url) };
    let public = ConnectorSettings { client_secret: None, ..settings(&url) };
    for (settings, secret) in [(post, Some("s=cret/")), (public, None)] {
        let world = World::with(settings).await;
        let (begun, sent) = world.begin().await;
        assert_eq!(world.linker.finish(&format!("code=c&state={}", sent["state"])).await, success(&begun));
        let (headers, form) = asked.lock().unwrap().pop().unwrap();
        assert!(!headers.contains_key("authorization"));
        assert_eq!((form["client_id"].as_str(), form.get("client_secret").map(String::as_str)), ("me:+", secret));
    }
}

#[tokio::test]
async fn a_user_who_is_gone_gets_no_credential() {
    let (url, _) = token_endpoint(StatusCode::OK, TOKENS).await;
    let world = World::new(&url).await;
    let (_, sent) = world.begin().await;
    let users: &dyn Table<RegisteredUser> = &**world.core.store();
    assert!(users.delete(&world.scope, &world.user).await.unwrap());
    assert!(is_worn_out(&world.linker.finish(&format!("code=c&state={}", sent["state"])).await));
}
