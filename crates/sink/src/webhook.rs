use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

use crate::{EventFormat, Notice, Receiver, Sink, SinkError, Telling};

/// The timeout for a receiver's answer. Standard Webhooks recommends 15 to 30 s, but receiving one event needs less, and a
/// shipper that is silent for longer counts as dead.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Posts each event to a URL, signed by the Standard Webhooks specification, so that every Standard Webhooks library can verify
/// it.
///
/// `webhook-id` names the event, and is the same for each attempt: a receiver that remembers the last id can drop repeats.
/// Redirects are not followed.
///
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
pub struct Webhook {
    url: Endpoint,
    secrets: WebhookSecrets,
    shape: EventFormat,
    clock: Arc<dyn Clock>,
    client: Client,
}

impl Webhook {
    /// Creates a sink that posts to this URL. Each of the secrets signs, so that secrets can be rotated.
    ///
    /// # Errors
    ///
    /// [`WebhookError`] if the URL is invalid, if there is no secret, or if the machine's certificate roots cannot be read.
    pub fn new(
        url: &str,
        secrets: Vec<WebhookSecret>,
        shape: EventFormat,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let url = url.parse()?;
        let secrets = WebhookSecrets::new(secrets)?;
        let client = Client::new()?;
        Ok(Self { url, secrets, shape, clock, client })
    }

    /// Returns the secrets, so that they can be replaced while the sink runs.
    #[must_use]
    pub fn secrets(&self) -> WebhookSecrets {
        self.secrets.clone()
    }

    async fn post(&self, id: String, line: &str) -> Result<(), SinkError> {
        let body = line.trim_end();
        let timestamp = (self.clock.now().as_millis() / 1_000).to_string();
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
        let answer = self.client.post(&self.url, headers, body.to_owned(), REQUEST_TIMEOUT).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(SinkError::Refused { status: status.as_u16(), retry_after: retry_after(answer.headers()) }),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

impl Sink for Webhook {
    fn batch(&self) -> usize {
        1
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        for event in events {
            self.post(event.uid(), &self.shape.line(event)).await?;
        }
        Ok(())
    }
}

impl Receiver for Webhook {
    fn tell<'a>(&'a mut self, notice: &'a Notice) -> Telling<'a> {
        Box::pin(async move { self.post(notice.id.clone(), &notice.to_json_line(self.shape)).await })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The signing secrets of a webhook. Clones share the same secrets.
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
    /// [`WebhookError::NoSecret`]. The secrets then stay unchanged.
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

doorward_types::debug_as!(WebhookSecrets, "WebhookSecrets");

/// The secret that sender and receiver share: `whsec_` and 24 to 64 bytes in base64.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// Returns the signature of version 1 over id, time and body.
    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        // HMAC accepts a key of any length.
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

doorward_types::debug_as!(WebhookSecret, "WebhookSecret");

/// The reason why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The URL is not a valid endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No secret to sign with.
    #[error("a webhook needs a secret to sign with")]
    NoSecret,
    /// The machine's certificate roots cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The text is not a webhook secret.
    #[error("a webhook's secret is `whsec_` and 24 to 64 bytes in base64")]
    Secret,
}
