//! Facts about this server for the page: connectors, the key that signs checkpoints, and the origin for passkeys.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use doorward::audit::NoteKey;
use doorward::dashboard::ConnectorRow;
#[cfg(feature = "passkeys")]
use doorward::dashboard::{Dashboard, RelyingParty};
use doorward::link::{LinkError, Linker};
#[cfg(feature = "passkeys")]
use doorward::records::SealingKeys;
use doorward::store::{Scope, StoreError};

/// The key that signs checkpoints. A hangup signal may replace it.
pub(crate) type CheckpointKey = Arc<RwLock<Option<Arc<NoteKey>>>>;

type Connectors = Pin<Box<dyn Future<Output = Result<Vec<ConnectorRow>, StoreError>> + Send>>;

/// Returns the page's way to the present key.
pub(crate) fn checkpoint_key(key: &CheckpointKey) -> impl Fn() -> Option<Arc<NoteKey>> + Send + Sync + use<> {
    let key = Arc::clone(key);
    move || key.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Returns the page's way to the connectors of an environment.
pub(crate) fn connectors(linker: Linker) -> impl Fn(Scope) -> Connectors + Send + Sync {
    move |scope| {
        let linker = linker.clone();
        Box::pin(async move {
            let found = linker.connectors(&scope).await.map_err(|error| match error {
                LinkError::Store(error) => error,
                other => StoreError::Corrupt(other.to_string()),
            })?;
            let row = |(connector, settings): (doorward::records::Connector, doorward::link::ConnectorSettings)| {
                let uri = settings.links_accounts().then(|| linker.redirect_uri(&scope, &connector.name));
                let upstream = settings.upstream.as_ref().map(|upstream| upstream.url.clone());
                let third_party =
                    if uri.is_some() { settings.authorization_endpoint } else { upstream.unwrap_or_default() };
                ConnectorRow::new(connector.name.to_string(), third_party, uri, connector.updated_at)
            };
            Ok(found.into_iter().map(row).collect())
        })
    }
}

/// Lets operators sign in by passkeys, if browsers make them for the URL of the page.
#[cfg(feature = "passkeys")]
pub(crate) fn with_passkeys(dashboard: Dashboard, url: &str, sealing_key: Arc<SealingKeys>) -> Dashboard {
    match RelyingParty::new(&named(url), sealing_key) {
        Ok(relying_party) => dashboard.with_passkeys(relying_party),
        Err(error) => {
            tracing::info!("operators cannot sign in by passkeys: {error}. --admin-url or --public-url names the page");
            dashboard
        }
    }
}

/// Returns a URL of this machine with its name: no passkey is for an address.
#[cfg(feature = "passkeys")]
fn named(url: &str) -> String {
    ["http://127.0.0.1", "http://[::1]"]
        .iter()
        .find_map(|address| url.strip_prefix(address).filter(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
        .map_or_else(|| url.to_owned(), |rest| format!("http://localhost{rest}"))
}

#[cfg(feature = "passkeys")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", "http://localhost:8080"),
            ("http://[::1]:8080/a", "http://localhost:8080/a"),
            ("http://127.0.0.1", "http://localhost"),
            ("http://127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
            ("https://keys.example.com", "https://keys.example.com"),
        ] {
            assert_eq!(named(url), expected);
        }
    }
}
