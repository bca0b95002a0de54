use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use doorward_audit::Event;
use doorward_client::{Client, Endpoint, EndpointError, RootsError};
use doorward_types::Clock;
use hmac::{Hmac, KeyInit, Mac};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Shape, Sink, SinkError};

/// How long a receiver may take to answer. Standard Webhooks recommends 15 to 30 s; whoever takes in one event needs less,
/// and a shipper that is silent for longer is thought dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events posted to a URL, one a request, signed as Standard Webhooks have it: whatever library of theirs a receiver uses,
/// it verifies them.
///
/// `webhook-id` names the event, and is the same each time that it is sent: who keeps the last one takes nothing twice. No
/// redirect is followed.
///
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
pub struct Webhook {
    url: Endpoint,
    secrets: WebhookSecrets,
    shape: Shape,
    clock: Arc<dyn Clock>,
    client: Client,
}

impl Webhook {
    /// Posts to this URL. With several secrets, each signs, so that they can be rotated.
    ///
    /// # Errors
    ///
    /// [`WebhookError`]: what is wrong with the URL, that there is no secret, or that the machine's roots of trust cannot be
    /// read.
    pub fn new(
        url: &str,
        secrets: Vec<WebhookSecret>,
        shape: Shape,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let url = url.parse()?;
        let secrets = WebhookSecrets::new(secrets)?;
        let client = Client::new()?;
        Ok(Self { url, secrets, shape, clock, client })
    }

    /// Returns the secrets, so that they can be replaced while events go out.
    #[must_use]
    pub fn secrets(&self) -> WebhookSecrets {
        self.secrets.clone()
    }

    async fn post(&self, event: &Event) -> Result<(), SinkError> {
        let body = self.shape.line(event);
        let body = body.trim_end();
        let (id, timestamp) = (event.uid(), (self.clock.now().as_millis() / 1_000).to_string());
        let signatures = self.secrets.sign(&id, &timestamp, body.as_bytes());
        let signed = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signatures),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in signed {
            let value = HeaderValue::try_from(value).map_err(|error| SinkError::Unreachable(error.into()))?;
            headers.insert(name, value);
        }
        let answer = self.client.post(&self.url, headers, body.to_owned(), PATIENCE).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(SinkError::Refused { status: status.as_u16(), retry_after: retry_after(answer.headers()) }),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[async_trait]
impl Sink for Webhook {
    fn batch(&self) -> usize {
        1
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        for event in events {
            self.post(event).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The secrets that sign for a webhook, each of them. Clones are the same secrets.
#[derive(Clone)]
pub struct WebhookSecrets(Arc<Mutex<Vec<WebhookSecret>>>);

impl WebhookSecrets {
    fn new(secrets: Vec<WebhookSecret>) -> Result<Self, WebhookError> {
        if secrets.is_empty() { Err(WebhookError::NoSecret) } else { Ok(Self(Arc::new(Mutex::new(secrets)))) }
    }

    /// Signs with these secrets from the next event on.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NoSecret`]: the secrets stay as they were.
    pub fn replace(&self, secrets: Vec<WebhookSecret>) -> Result<(), WebhookError> {
        if secrets.is_empty() {
            return Err(WebhookError::NoSecret);
        }
        *self.all() = secrets;
        Ok(())
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let signatures: Vec<_> = self.all().iter().map(|secret| secret.sign(id, timestamp, body)).collect();
        signatures.join(" ")
    }

    fn all(&self) -> MutexGuard<'_, Vec<WebhookSecret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecrets")
    }
}

/// What sender and receiver share: `whsec_` and 24 to 64 bytes in base64.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// The signature of version 1 over id, time and body.
    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl FromStr for WebhookSecret {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let bytes = text.strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok()).map(Zeroizing::new);
        bytes.filter(|bytes| (24..=64).contains(&bytes.len())).map(Self).ok_or(WebhookError::Secret)
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Not a place that events may go to.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No secret to sign with.
    #[error("a webhook wants a secret to sign with")]
    NoSecret,
    /// The machine's certificates.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Not a secret of ours.
    #[error("a webhook's secret is `whsec_` and 24 to 64 bytes in base64")]
    Secret,
}
