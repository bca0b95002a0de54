//! LISTEN and NOTIFY: they wake a node's poll early. Nothing depends on a hint; where none comes, the next poll does.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use doorward_store::StoreError;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connect;

pub(crate) const NOTIFY: &str = "NOTIFY doorward";
const LISTEN: &str = "LISTEN doorward";

/// How long to wait before listening again after the connection broke.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener(AbortHandle);

impl Listener {
    pub(crate) fn start(url: &str, hints: Arc<Notify>) -> Result<Self, StoreError> {
        let (config, tls) = (connect::config(url)?, connect::tls()?);
        let listening = tokio::spawn(async move {
            loop {
                if let Err(error) = listen(&config, tls.clone(), &hints).await {
                    tracing::debug!(%error, "not listening for hints; polls go on");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Ok(Self(listening.abort_handle()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(config: &Config, tls: MakeRustlsConnect, hints: &Notify) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(tls).await?;
    let hear = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message?, AsyncMessage::Notification(_)) {
                hints.notify_one();
            }
        }
        Ok(())
    };
    // The connection carries out what the client asks for, and then stays to hear.
    let (heard, asked) = tokio::join!(hear, client.batch_execute(LISTEN));
    asked.and(heard)
}
