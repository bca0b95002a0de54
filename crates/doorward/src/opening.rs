use std::sync::Arc;

use crate::StoreUrl;
use crate::records::{Engine, Store};
use crate::store::{OpenMode, Opening, SchemaState, StoreError};

/// Opens the store that a URL names, with the engine that the URL names.
///
/// # Errors
///
/// Returns the engine's errors, and [`StoreError::Settings`] if this program was built without the engine.
pub async fn open(url: &StoreUrl, opening: impl Into<Opening>) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        #[cfg(feature = "memory")]
        StoreUrl::Memory => Ok(Arc::new(crate::memory::MemoryStore::new())),
        other => Ok(open_engine(other, opening).await?),
    }
}

/// Returns the version of a store's schema. Changes nothing.
///
/// # Errors
///
/// [`StoreError::NotFound`] if there is no store. Otherwise as [`open`].
pub async fn schema(url: &StoreUrl) -> Result<SchemaState, StoreError> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite { path, .. } => crate::sqlite::SqliteStore::schema(path).await,
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => url.parse::<crate::postgres::PostgresOptions>()?.schema_state().await,
        other => Err(StoreError::Settings(format!("the store {other} has no schema"))),
    }
}

/// Opens a store like [`open`], as an engine whose content can be copied. A store in memory has none.
///
/// # Errors
///
/// Fails like [`open`].
pub async fn open_engine(url: &StoreUrl, opening: impl Into<Opening>) -> Result<Arc<dyn Engine>, StoreError> {
    let opening = opening.into();
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite { path, must_exist } => {
            let mut opening = opening;
            if *must_exist && opening.mode == OpenMode::Create {
                if path.try_exists().is_ok_and(|exists| !exists) {
                    return Err(StoreError::Settings(format!(
                        "there is no file {}, and `mode=rw` in the store's URL creates none",
                        path.display()
                    )));
                }
                opening = OpenMode::Existing.with_migration(opening.migration);
            }
            Ok(Arc::new(crate::sqlite::SqliteStore::open(path, opening).await?))
        }
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => Ok(Arc::new(crate::postgres::PostgresStore::open(url, opening).await?)),
        other => {
            let _ = opening;
            Err(StoreError::Settings(format!("this program has no engine for the store {other}")))
        }
    }
}
