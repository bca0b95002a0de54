//! The provider's documents, cached so that many sign-ins cause few requests.

use std::sync::Arc;
use std::time::Duration;

use doorward_link::client::{Client, Endpoint};
use doorward_types::Timestamp;
use http::HeaderMap;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::identity_error::IdentityError;

/// The timeout for each of the provider's answers.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for which a document is cached.
const CACHE_LIFETIME: Duration = Duration::from_mins(10);

/// The minimum time between two requests for an unknown key, and the pause after a request without an answer.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);
const FAILURE_RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The needed part of the discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Keys {
    /// Unparsed, so that one key of an unknown kind does not invalidate the others.
    keys: Vec<Value>,
}

/// The documents of one provider.
pub(super) struct Documents {
    client: Client,
    issuer: String,
    /// The requesting task holds the lock. The other tasks wait for the same answer.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    discovered: Option<(Arc<Discovered>, Timestamp)>,
    keys: Option<(Arc<Vec<Jwk>>, Timestamp)>,
    failed: Option<(String, Timestamp)>,
}

/// Returns whether less than this time has passed. Returns false if the clock was set back.
fn is_within(since: Timestamp, now: Timestamp, time: Duration) -> bool {
    since <= now && now < since + time
}

impl Documents {
    pub(super) fn new(client: Client, issuer: String) -> Self {
        Self { client, issuer, kept: Mutex::default() }
    }

    pub(super) async fn discovered(&self, now: Timestamp) -> Result<Arc<Discovered>, IdentityError> {
        self.discover(&mut *self.kept.lock().await, now).await
    }

    /// Returns the provider's keys. Requests them again if no key has this name, but not too often: anyone can invent a key's
    /// name.
    pub(super) async fn keys(&self, name: Option<&str>, now: Timestamp) -> Result<Arc<Vec<Jwk>>, IdentityError> {
        let mut kept = self.kept.lock().await;
        if let Some((keys, since)) = &kept.keys {
            let is_known = name.is_none() || keys.iter().any(|key| key.common.key_id.as_deref() == name);
            if is_within(*since, now, if is_known { CACHE_LIFETIME } else { RETRY_INTERVAL }) {
                return Ok(Arc::clone(keys));
            }
        }
        let discovered = self.discover(&mut kept, now).await?;
        let Keys { keys } = self.ask(&mut kept, &discovered.jwks_uri, now).await?;
        let keys = Arc::new(keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect::<Vec<_>>());
        kept.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    async fn discover(&self, kept: &mut Kept, now: Timestamp) -> Result<Arc<Discovered>, IdentityError> {
        if let Some((discovered, since)) = &kept.discovered
            && is_within(*since, now, CACHE_LIFETIME)
        {
            return Ok(Arc::clone(discovered));
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovered: Discovered = self.ask(kept, &url, now).await?;
        if discovered.issuer != self.issuer {
            let why = format!("its issuer is {}, not {}", discovered.issuer, self.issuer);
            kept.failed = Some((why.clone(), now));
            return Err(IdentityError::Discovery(why.into()));
        }
        let discovered = Arc::new(discovered);
        kept.discovered = Some((Arc::clone(&discovered), now));
        Ok(discovered)
    }

    async fn ask<T: DeserializeOwned>(&self, kept: &mut Kept, url: &str, now: Timestamp) -> Result<T, IdentityError> {
        if let Some((why, since)) = &kept.failed
            && is_within(*since, now, FAILURE_RETRY_INTERVAL)
        {
            return Err(IdentityError::Discovery(why.clone().into()));
        }
        let got = self.get(url).await;
        kept.failed = got.as_ref().err().map(|why| (why.clone(), now));
        got.map_err(|why| IdentityError::Discovery(why.into()))
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let endpoint: Endpoint = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let answer = self.client.get(&endpoint, HeaderMap::new(), REQUEST_TIMEOUT).await;
        let answer = answer.map_err(|error| format!("{url}: {error}"))?;
        if !answer.status().is_success() {
            return Err(format!("{url} answers {}", answer.status()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| format!("{url}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Kept;

    use http::StatusCode;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A provider with prepared answers. It records the requested paths.
    #[derive(Clone)]
    struct Provider {
        issuer: String,
        says: Arc<Kept<(StatusCode, Value)>>,
        asked: Arc<Kept<Vec<String>>>,
    }

    impl Provider {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let issuer = format!("http://{}", listener.local_addr().unwrap());
            let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA"}, {"kty": "odd"}]});
            let provider = Self { issuer, says: Arc::new((StatusCode::OK, keys).into()), asked: Arc::default() };
            let served = provider.clone();
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut head = [0; 2_048];
                    let length = stream.read(&mut head).await.unwrap();
                    let head = String::from_utf8_lossy(&head[..length]).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    served.asked.lock().unwrap().push(path.clone());
                    let (status, keys) = served.says.lock().unwrap().clone();
                    let issuer = &served.issuer;
                    let body = match &*path {
                        "/jwks" => keys,
                        _ => json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/a"),
                                    "token_endpoint": format!("{issuer}/t"), "jwks_uri": format!("{issuer}/jwks")}),
                    };
                    let body = body.to_string();
                    let head =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                }
            });
            provider
        }

        fn asked(&self) -> usize {
            std::mem::take(&mut *self.asked.lock().unwrap()).len()
        }

        fn documents(&self) -> Documents {
            Documents::new(Client::new().unwrap(), self.issuer.clone())
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000) + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_thousand_requests_cause_one_request_to_the_provider() {
        let provider = Provider::start().await;
        let documents = Arc::new(provider.documents());
        let all = (0..1_000).map(|_| {
            let documents = Arc::clone(&documents);
            tokio::spawn(async move { documents.discovered(at(0)).await.is_ok() })
        });
        for one in all.collect::<Vec<_>>() {
            assert!(one.await.unwrap());
        }
        assert_eq!(provider.asked(), 1);
        assert!(documents.discovered(at(599)).await.is_ok());
        assert_eq!(provider.asked(), 0);
        assert!(documents.discovered(at(600)).await.is_ok());
        assert_eq!(provider.asked(), 1);
    }

    #[tokio::test]
    async fn an_unknown_key_reloads_the_keys_but_not_too_often() {
        let provider = Provider::start().await;
        let documents = provider.documents();
        let names = async |name, seconds| {
            let keys = documents.keys(name, at(seconds)).await.unwrap();
            keys.iter().filter_map(|key| key.common.key_id.clone()).collect::<Vec<_>>()
        };
        assert_eq!((names(Some("a"), 0).await, provider.asked()), (vec!["a".to_owned()], 2));
        for name in [Some("a"), None, Some("b"), Some("made up")] {
            assert_eq!((names(name, 59).await.len(), provider.asked()), (1, 0), "{name:?}");
        }
        provider.says.lock().unwrap().1 = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "AA"}]});
        assert_eq!((names(Some("b"), 60).await, provider.asked()), (vec!["b".to_owned()], 1));
        assert_eq!((names(Some("made up"), 61).await.len(), provider.asked()), (1, 0));
    }

    #[tokio::test]
    async fn a_failing_provider_is_not_retried_for_a_while() {
        let provider = Provider::start().await;
        let documents = provider.documents();
        provider.says.lock().unwrap().0 = StatusCode::INTERNAL_SERVER_ERROR;
        for second in 0..10 {
            assert!(documents.discovered(at(second)).await.is_err());
        }
        assert_eq!(provider.asked(), 1);
        provider.says.lock().unwrap().0 = StatusCode::OK;
        assert!(documents.discovered(at(10)).await.is_ok());
        assert_eq!(provider.asked(), 1);
        // The document must name the expected issuer.
        let other = Documents::new(Client::new().unwrap(), format!("{}/", provider.issuer));
        for second in 0..10 {
            assert!(other.discovered(at(second)).await.is_err());
        }
        assert_eq!(provider.asked(), 1);
    }
}
