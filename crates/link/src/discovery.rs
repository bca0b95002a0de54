//! The metadata that a third party publishes (RFC 8414; OpenID Connect Discovery 1.0). It shows whether the third party's answers
//! contain its issuer.

use std::time::Duration;

use doorward_client::{Client, Endpoint};
use http::HeaderMap;
use serde::Deserialize;
use tokio::task::JoinSet;
use url::Url;

use crate::ConnectorSettings;

/// The timeout for all documents together; an operator waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum number of path segments of the authorization endpoint that may belong to the issuer.
const MAX_PARTS: usize = 4;

/// The needed part of a metadata document.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    /// RFC 9207, section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Returns whether the document is this issuer's (RFC 8414, section 3.3), lists this application's endpoints, and says that
    /// answers contain the issuer.
    fn fits(&self, issuer: &str, settings: &ConnectorSettings) -> bool {
        let without_query = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        self.issuer.trim_end_matches('/') == issuer
            && self.authorization_response_iss_parameter_supported
            && without_query(&self.authorization_endpoint) == without_query(&settings.authorization_endpoint)
            && self.token_endpoint == settings.token_endpoint
    }
}

/// Returns the third party's issuer, if its metadata says that its answers contain the issuer.
pub(crate) async fn issuer_of(client: &Client, settings: &ConnectorSettings) -> Option<String> {
    let mut questions = JoinSet::new();
    for (issuer, document) in documents(&settings.authorization_endpoint)? {
        let (client, settings) = (client.clone(), settings.clone());
        questions.spawn(async move {
            let answer = client.get(&document, HeaderMap::new(), REQUEST_TIMEOUT).await.ok()?;
            let metadata: Metadata = serde_json::from_slice(answer.body()).ok()?;
            (answer.status().is_success() && metadata.fits(&issuer, &settings)).then_some(metadata.issuer)
        });
    }
    while let Some(answered) = questions.join_next().await {
        if let Ok(Some(issuer)) = answered {
            return Some(issuer);
        }
    }
    None
}

/// Returns the possible URLs of the issuer's document, each with the issuer that it would belong to: the endpoint's origin, and
/// each level of the endpoint's path.
fn documents(authorization_endpoint: &str) -> Option<Vec<(String, Endpoint)>> {
    let url = Url::parse(authorization_endpoint).ok()?;
    let origin = url.origin().ascii_serialization();
    let parts: Vec<&str> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    let mut places = Vec::new();
    for count in 0..parts.len().min(MAX_PARTS + 1) {
        let path: String = parts.iter().take(count).map(|part| format!("/{part}")).collect();
        let issuer = format!("{origin}{path}");
        for document in [
            format!("{issuer}/.well-known/openid-configuration"),
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
        ] {
            places.push((issuer.clone(), document.parse().ok()?));
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuers_document_is_searched_above_the_endpoint() {
        let places = |endpoint: &str| {
            let places = documents(endpoint).unwrap_or_default();
            places.into_iter().map(|(issuer, document)| format!("{issuer} {document}")).collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://id.example:8443/realms/a/auth?x=y"),
            [
                "https://id.example:8443 https://id.example:8443/.well-known/openid-configuration",
                "https://id.example:8443 https://id.example:8443/.well-known/oauth-authorization-server",
                "https://id.example:8443/realms https://id.example:8443/realms/.well-known/openid-configuration",
                "https://id.example:8443/realms https://id.example:8443/.well-known/oauth-authorization-server/realms",
                "https://id.example:8443/realms/a https://id.example:8443/realms/a/.well-known/openid-configuration",
                "https://id.example:8443/realms/a https://id.example:8443/.well-known/oauth-authorization-server/realms/a",
            ]
        );
        assert_eq!(places("https://id.example/a/b/c/d/e/f/g/auth").len(), 2 * (MAX_PARTS + 1));
        assert!(places("nonsense").is_empty() && places("http://id.example/auth").is_empty());
    }
}
