//! Facts about this server for the page: connectors, and the key that signs checkpoints.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use doorward::audit::NoteKey;
use doorward::dashboard::ConnectorRow;
use doorward::link::{LinkError, Linker};
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
