//! A service whose own table separates production from test. README.md says how to run it.

mod notes;

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward::AccessKeys;
use doorward::http::AccessKeyLayer;
use doorward::http::axum::AccessKey;
use tokio::net::TcpListener;

use crate::notes::{Note, Notes};

#[derive(Clone)]
struct App {
    layer: AccessKeyLayer,
    notes: Arc<Mutex<Notes>>,
}

impl FromRef<App> for AccessKeyLayer {
    fn from_ref(app: &App) -> Self {
        app.layer.clone()
    }
}

impl FromRef<App> for Arc<Mutex<Notes>> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.notes)
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints for its user")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "keys.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8092".to_owned());

    let keys = AccessKeys::open(format!("sqlite:{path}")).start().await?;
    if let Some(first) = keys.provision_first("my-service").await? {
        let test = keys.issuer().create(first.organization.id, "first".parse()?, &keys.request()).await?;
        println!("production key, shown this one time: {}", first.value.expose());
        println!("test key, shown this one time: {}", test.value.expose());
    }

    let notes = Arc::new(Mutex::new(Notes::open(&format!("{path}.notes"))?));
    let app = App { layer: keys.layer(), notes };
    let router = Router::new().route("/notes", post(add)).route("/notes/{id}", get(read)).with_state(app);
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).with_graceful_shutdown(keys.until_signal()).await?;
    keys.stop().await?;
    Ok(())
}

async fn add(key: AccessKey, State(notes): State<Arc<Mutex<Notes>>>, text: String) -> Result<String, StatusCode> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let id = notes.add(&key.scope(), &text).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(id.to_string())
}

async fn read(
    key: AccessKey,
    State(notes): State<Arc<Mutex<Notes>>>,
    Path(id): Path<i64>,
) -> Result<Json<Note>, StatusCode> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let found = notes.get(&key.scope(), id).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}
