//! A service whose own users manage their keys. README.md says how to run it.

mod session;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Response, StatusCode, request::Parts};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use doorward::auth::Visitor;
use doorward::store::Organization;
use doorward::{AccessKeys, Error};

pub use crate::session::Sessions;

/// The service: who its users are, and who of them is signed in.
#[derive(Clone, Debug)]
struct App {
    sessions: Sessions,
    users: Vec<(&'static str, Organization)>,
}

/// Returns the service's router.
///
/// # Errors
///
/// Fails if the store fails.
pub async fn router(keys: &AccessKeys, sessions: Sessions) -> Result<Router, Error> {
    let app = App { users: users(keys).await?, sessions: sessions.clone() };
    let home =
        Router::new().route("/", get(home)).route("/sign-in/{user}", post(sign_in)).route("/sign-out", post(sign_out));
    let router = home
        .with_state(app)
        .nest_service("/settings/keys", keys.page_for(visitor).at("/settings/keys").with_signed_out(|_| to_sign_in()))
        .nest_service("/settings/api", keys.api_for(visitor).at("/settings/api"));
    Ok(router.layer(from_fn_with_state(sessions, session::look_up)))
}

/// The one rule for who a request is from: the middleware above has looked the session up.
fn visitor(request: &Parts) -> Option<Visitor> {
    request.extensions.get::<Visitor>().cloned()
}

fn to_sign_in<B: Default>() -> Response<B> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, axum::http::HeaderValue::from_static("/"));
    response
}

/// Returns the users, each with an organization of the user's own. A service keeps this in a table.
async fn users(keys: &AccessKeys) -> Result<Vec<(&'static str, Organization)>, Error> {
    let mut users = Vec::new();
    for (user, name) in [("ada", "Analytical"), ("grace", "Compilers")] {
        // The service's own id of the user: the same id always gives the same organization.
        let provisioned = keys.provision_once(user, name).await?;
        users.push((user, provisioned.organization().clone()));
    }
    Ok(users)
}

async fn home() -> Html<&'static str> {
    Html(
        "<!doctype html><title>My service</title><form method=post action=/sign-in/ada><button>Sign in as ada</button></form>\
         <form method=post action=/sign-in/grace><button>Sign in as grace</button></form>\
         <p><a href=/settings/keys>Settings, API keys</a></p><form method=post action=/sign-out><button>Sign out</button></form>",
    )
}

/// Signs anybody in as anybody: this is a toy.
async fn sign_in(State(app): State<App>, Path(user): Path<String>) -> impl IntoResponse {
    let (user, organization) = app.users.iter().find(|(known, _)| *known == user).ok_or(StatusCode::FORBIDDEN)?;
    let visitor = Visitor::new(organization.id, user).map_err(|_| StatusCode::FORBIDDEN)?;
    let id = app.sessions.begin(visitor).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Lax", session::COOKIE_NAME);
    Ok::<_, StatusCode>(([(SET_COOKIE, cookie)], Redirect::to("/settings/keys")))
}

async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Redirect {
    if let Some(id) = session::cookie(&headers) {
        app.sessions.end(id);
    }
    Redirect::to("/")
}
