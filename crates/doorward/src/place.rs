//! The place of a service's store: its URL, and the settings that the service adds to it.

use std::sync::Arc;

use crate::records::Store;
use crate::store::{OpenMode, StoreError};
use crate::{Error, StoreUrl};

pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) schema: Option<String>,
    pub(crate) pool_size: Option<u16>,
}

impl Place {
    pub(crate) async fn open(self) -> Result<Arc<dyn Store>, Error> {
        let url: StoreUrl = self.url.parse()?;
        let is_built_in = match url {
            StoreUrl::Memory => cfg!(feature = "memory"),
            StoreUrl::Sqlite { .. } => cfg!(feature = "sqlite"),
            StoreUrl::Postgres(_) => cfg!(feature = "postgres"),
        };
        if !is_built_in {
            return Err(Error::NoEngine(url));
        }
        match &url {
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(text) => Ok(Arc::new(self.postgres(text)?.open(OpenMode::Create).await?)),
            _ if self.schema.is_some() || self.pool_size.is_some() => {
                let fault = format!("a schema and a pool are settings of PostgreSQL, and the store is {url}");
                Err(StoreError::Settings(fault).into())
            }
            _ => Ok(crate::open(&url, OpenMode::Create).await?),
        }
    }

    #[cfg(feature = "postgres")]
    fn postgres(&self, url: &str) -> Result<crate::postgres::PostgresOptions, StoreError> {
        let mut options: crate::postgres::PostgresOptions = url.parse()?;
        if let Some(schema) = &self.schema {
            options = options.schema(schema.parse()?);
        }
        if let Some(connections) = self.pool_size {
            let none = |_| StoreError::Settings("a pool has at least one connection".to_owned());
            options = options.pool_size(connections.try_into().map_err(none)?);
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str, schema: Option<&str>, pool_size: Option<u16>) -> Place {
        Place { url: url.to_owned(), schema: schema.map(str::to_owned), pool_size }
    }

    async fn refusal(place: Place) -> String {
        match place.open().await {
            Err(Error::Store(StoreError::Settings(fault))) => fault,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it opened"),
        }
    }

    #[cfg(feature = "memory")]
    #[tokio::test]
    async fn settings_of_postgresql_are_refused_elsewhere() {
        for url in ["memory:", "sqlite:keys.db"] {
            assert!(refusal(place(url, Some("keys"), None)).await.contains(url));
            assert!(refusal(place(url, None, Some(2))).await.contains(url));
        }
        for url in ["memory:", "sqlite::memory:", "sqlite://:memory:", "sqlite:keys.db?mode=memory"] {
            assert!(place(url, None, None).open().await.is_ok(), "{url}");
        }
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn wrong_settings_of_postgresql_are_refused_before_a_connection() {
        let url = "postgres://127.0.0.1:1/keys";
        assert!(refusal(place(url, Some("pg_keys"), None)).await.contains("pg_keys"));
        assert!(refusal(place(url, None, Some(0))).await.contains("at least one"));
        assert!(refusal(place(&format!("{url}?foo=1"), None, None)).await.contains("`foo`"));
    }
}
