//! The documents that a third party publishes of itself (RFC 8414; OpenID Connect Discovery 1.0): whether its answers bear its name.

use std::time::Duration;

use doorward_client::{Client, Endpoint};
use http::HeaderMap;
use serde::Deserialize;
use tokio::task::JoinSet;
use url::Url;

use crate::ConnectorSettings;

/// The time that an operator who puts a connector waits for the documents, all together.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most parts of the authorization endpoint's path that may be the issuer's.
const MAX_PARTS: usize = 4;

/// The needed part of a document.
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
    /// Returns whether it is the document of this issuer (RFC 8414, section 3.3), is about this application's endpoints, and says that
    /// answers bear the issuer.
    fn fits(&self, issuer: &str, settings: &ConnectorSettings) -> bool {
        let without_query = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        self.issuer.trim_end_matches('/') == issuer
            && self.authorization_response_iss_parameter_supported
            && without_query(&self.authorization_endpoint) == without_query(&settings.authorization_endpoint)
            && self.token_endpoint == settings.token_endpoint
    }
}

/// Returns the issuer of a third party whose answers bear it, if the third party says so.
pub(crate) async fn issuer_of(client: &Client, settings: &ConnectorSettings) -> Option<String> {
    let mut questions = JoinSet::new();
    for (issuer, document) in documents(&settings.authorization_endpoint)? {
        let (client, settings) = (client.clone(), settings.clone());
        questions.spawn(async move {
            let answer = client.get(&document, HeaderMap::new(), PATIENCE).await.ok()?;
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

/// Returns the places where an issuer with this authorization endpoint may have its document, each with the issuer that it
/// would be of: the endpoint's origin, and what is above the endpoint on its path.
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
    fn a_document_is_looked_for_above_the_endpoint() {
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
