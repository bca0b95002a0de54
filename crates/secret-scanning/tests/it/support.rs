//! A server of public keys, and a partner that signs reports.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use doorward_secret_scanning::client::Client;
use doorward_secret_scanning::{IDENTIFIER_HEADER, PartnerKeys, ReportError, ReportedToken, SIGNATURE_HEADER};
use doorward_types::{Clock, ManualClock};
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// The number of answers that a released server may give. No test needs more.
const MANY: usize = 1_000;

/// The limit for a test that hangs; it measures no speed.
const GUARD: Duration = Duration::from_secs(600);

/// Waits for work that must come to an end.
pub(crate) async fn comes<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, work).await.expect("it comes to an end")
}

/// The server's behaviour.
struct Conduct {
    fetches: AtomicUsize,
    answer: Mutex<(StatusCode, Bytes, Option<String>)>,
    /// Each answer takes a permit.
    permits: Semaphore,
}

/// A server of public keys.
pub(crate) struct KeyServer {
    pub(crate) url: String,
    conduct: Arc<Conduct>,
}

impl KeyServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/meta/public_keys/secret_scanning", listener.local_addr().unwrap());
        let answer = (StatusCode::OK, Bytes::from_static(b"{\"public_keys\":[]}"), None);
        let conduct =
            Arc::new(Conduct { fetches: AtomicUsize::default(), answer: answer.into(), permits: Semaphore::new(MANY) });
        let kept = Arc::clone(&conduct);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| answer_to(Arc::clone(&kept), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, conduct }
    }

    pub(crate) fn answers(&self, status: StatusCode, body: impl Into<Bytes>) {
        *self.conduct.answer.lock().unwrap() = (status, body.into(), None);
    }

    pub(crate) fn redirects(&self, status: StatusCode, location: &str) {
        *self.conduct.answer.lock().unwrap() = (status, Bytes::new(), Some(location.to_owned()));
    }

    /// Publishes the keys of these signers.
    pub(crate) fn publishes(&self, signers: &[&Signer]) {
        let entries: Vec<_> = signers.iter().map(|signer| signer.entry()).collect();
        self.answers(StatusCode::OK, json!({ "public_keys": entries }).to_string());
    }

    /// Holds all answers back until `go_on`.
    pub(crate) fn hold(&self) {
        self.conduct.permits.forget_permits(MANY);
    }

    pub(crate) fn go_on(&self) {
        self.conduct.permits.add_permits(MANY);
    }

    /// Returns the number of requests so far.
    pub(crate) fn fetches(&self) -> usize {
        self.conduct.fetches.load(Ordering::SeqCst)
    }

    /// Waits until there were this many requests.
    pub(crate) async fn until_fetched(&self, count: usize) {
        comes(async {
            while self.fetches() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

async fn answer_to(conduct: Arc<Conduct>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/meta/public_keys/secret_scanning"));
    assert_eq!(request.headers().get(ACCEPT).unwrap(), "application/json");
    conduct.fetches.fetch_add(1, Ordering::SeqCst);
    let permit = conduct.permits.acquire().await.unwrap();
    permit.forget();
    conduct.permits.add_permits(1);
    let (status, body, location) = conduct.answer.lock().unwrap().clone();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location.parse().unwrap());
    }
    Ok(response)
}

/// A key pair whose public key the server can publish.
pub(crate) struct Signer {
    pub(crate) identifier: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(identifier: &'static str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self { identifier, pair: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap() }
    }

    /// Returns the public key as an entry of the list.
    fn entry(&self) -> Value {
        const HEADER: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA";
        // The header has 26 bytes, so its last character takes two bits of the point.
        let mut der = BASE64_STANDARD.decode(format!("{HEADER}=")).unwrap();
        der.extend(self.pair.public_key().as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(der));
        json!({ "key_identifier": self.identifier, "key": pem, "is_current": true })
    }

    pub(crate) fn sign(&self, body: &[u8]) -> HeaderMap {
        let signature = self.pair.sign(&SystemRandom::new(), body).unwrap();
        headers(self.identifier, &BASE64_STANDARD.encode(signature))
    }
}

/// Returns the headers of a report.
pub(crate) fn headers(identifier: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(IDENTIFIER_HEADER, HeaderValue::from_str(identifier).unwrap());
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(signature).unwrap());
    headers
}

pub(crate) const BODY: &[u8] = br#"[{"token":"some_token","type":"some_type","url":"","source":"commit"}]"#;

/// A service that receives reports, and its server of public keys.
pub(crate) struct World {
    pub(crate) server: KeyServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: PartnerKeys,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = KeyServer::start().await;
        let clock = Arc::new(ManualClock::default());
        let url = server.url.parse().unwrap();
        let keys = PartnerKeys::new(Client::new().unwrap(), url, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { server, clock, keys }
    }

    /// Sends a report that this signer made.
    pub(crate) async fn report(&self, signer: &Signer) -> Result<Vec<ReportedToken>, ReportError> {
        comes(self.keys.verify(&signer.sign(BODY), BODY)).await
    }
}

/// Returns the messages of an error and of all of its sources, with their `Debug` output.
pub(crate) fn texts(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(|error| format!("{error} {error:?} ")).collect()
}
