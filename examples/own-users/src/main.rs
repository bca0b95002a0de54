//! Serves the router of this example.

use std::error::Error;

use doorward::AccessKeys;
use example_own_users::{Sessions, router};
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints for its user")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "own-users.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8093".to_owned());

    let keys = AccessKeys::open(format!("sqlite:{path}")).start().await?;
    let router = router(&keys, Sessions::default()).await?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).with_graceful_shutdown(keys.until_signal()).await?;
    keys.stop().await?;
    Ok(())
}
