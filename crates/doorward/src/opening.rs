use std::sync::Arc;

use crate::StoreUrl;
use crate::records::{Engine, Store};
use crate::store::{OpenMode, StoreError};

/// Opens the store that a URL names, with the engine that the URL names.
///
/// # Errors
///
/// Returns the engine's errors, and [`StoreError::Settings`] if this program was built without the engine.
pub async fn open(url: &StoreUrl, mode: OpenMode) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        #[cfg(feature = "memory")]
        StoreUrl::Memory => Ok(Arc::new(crate::memory::MemoryStore::new())),
        other => Ok(open_engine(other, mode).await?),
    }
}

/// Opens a store like [`open`], as an engine whose content can be copied. A store in memory has none.
///
/// # Errors
///
/// Fails like [`open`].
pub async fn open_engine(url: &StoreUrl, mode: OpenMode) -> Result<Arc<dyn Engine>, StoreError> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite { path, must_exist: true } if mode == OpenMode::Create => {
            let fault = format!("there is no file {}, and `mode=rw` in the store's URL creates none", path.display());
            if path.try_exists().is_ok_and(|exists| !exists) {
                return Err(StoreError::Settings(fault));
            }
            Ok(Arc::new(crate::sqlite::SqliteStore::open(path, OpenMode::Existing).await?))
        }
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite { path, .. } => Ok(Arc::new(crate::sqlite::SqliteStore::open(path, mode).await?)),
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => Ok(Arc::new(crate::postgres::PostgresStore::open(url, mode).await?)),
        other => {
            let _ = mode;
            Err(StoreError::Settings(format!("this program has no engine for the store {other}")))
        }
    }
}
