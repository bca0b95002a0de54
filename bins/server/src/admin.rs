//! The listener of operators, apart from everyone's.

use std::net::SocketAddr;

use anyhow::Context;
use doorward_listen::{Acceptor, Entrance, Inherited};

use crate::config::AdminConfig;

/// The name of a supervisor's listener for operators.
pub(crate) const LISTENER: &str = "admin";

/// The listener, ready to serve.
pub(crate) struct Admin {
    pub(crate) config: AdminConfig,
    pub(crate) address: SocketAddr,
    pub(crate) entrance: Entrance,
}

/// Listens on the address of the configuration, or takes the supervisor's listener.
pub(crate) async fn listen(
    inherited: &mut Inherited,
    config: AdminConfig,
    tls: Option<Acceptor>,
) -> anyhow::Result<Admin> {
    let (listener, is_held) = inherited
        .reserved(LISTENER, config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --admin-listen", config.listen))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving operators");
    Ok(Admin { config, address, entrance: Entrance::new(listener).held_by_supervisor(is_held).with_tls(tls) })
}
