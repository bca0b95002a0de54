//! A service whose own table keeps production and test apart. README.md says how to run it.

mod notes;

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward::auth::{Core, IssueError, Issuer, OperatorPrincipal, Verifier};
use doorward::http::AccessKeyLayer;
use doorward::http::axum::AccessKey;
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
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
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "keys.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8092".to_owned());

    let store = SqliteStore::open(&path, OpenMode::Create).await?;
    let verifier = Verifier::start(&Core::new(Arc::new(store))).await?;
    #[expect(clippy::disallowed_methods, reason = "this program opens the store itself")]
    let request = OperatorPrincipal::local_administrator("own-table".parse()?).request();
    let issuer = Issuer::beside(&verifier);
    match issuer.provision_first("my-service".parse()?, &request).await {
        Ok(made) => {
            let test = issuer.create(made.organization.id, "first".parse()?, &request).await?;
            println!("production key, shown this one time: {}", made.value.expose());
            println!("test key, shown this one time: {}", test.value.expose());
        }
        Err(IssueError::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }

    let notes = Arc::new(Mutex::new(Notes::open(&format!("{path}.notes"))?));
    let app = App { layer: AccessKeyLayer::new(verifier), notes };
    let router = Router::new().route("/notes", post(add)).route("/notes/{id}", get(read)).with_state(app);
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn add(
    AccessKey(principal): AccessKey,
    State(notes): State<Arc<Mutex<Notes>>>,
    text: String,
) -> Result<String, StatusCode> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let id = notes.add(&principal.scope(), &text).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(id.to_string())
}

async fn read(
    AccessKey(principal): AccessKey,
    State(notes): State<Arc<Mutex<Notes>>>,
    Path(id): Path<i64>,
) -> Result<Json<Note>, StatusCode> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let found = notes.get(&principal.scope(), id).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}
